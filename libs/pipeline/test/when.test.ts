/** Conditions, outputs and what cleans up: checked with the file, compiled, and asked when a step starts. */
import { aboutToStart, readySteps, type Recorded, type StepRecord } from '@convergence/pipeline'
import type { CompiledStep, Run } from '@convergence/contracts'
import { expect } from 'chai'
import { ask, faultsIn, pipelinesFrom, withSteps } from './world.ts'

const etl = (step_id: string, query: string, more = '') => `
  - step_id: ${step_id}
    ps_type: gcp.bq_etl${more}
    source: { query: "${query}" }
    destination: { bq_project_id: "{project_id}", dataset_type: "{tenant_id}", table: ${step_id} }`
const parameters = `parameters:
  region: { type: enum, values: [eu, us], default: eu }
  days: { type: int, default: 3 }
  note: { type: string, required: false }
  day: { type: date, default: yesterday }
`
const when = (condition: string) => `
    when: ${JSON.stringify(condition)}`
const faultsOfCondition = (condition: string) =>
  faultsIn(withSteps(etl('load', 'SELECT 1 AS n') + etl('next', 'SELECT 1 AS n', when(condition)), parameters))

const stepOf = (run: Run, step_id: string): CompiledStep => {
  const found = run.steps.find((step) => step.step_id === step_id)
  if (found === undefined) throw new Error(`no step ${step_id}`)
  return found
}
const recorded = (of: Record<string, Partial<StepRecord>>): Recorded =>
  new Map(Object.entries(of).map(([id, record]) => [id, { conclusion: 'SUCCEEDED', ...record }]))

describe('a condition', () => {
  for (const condition of [
    "params.region == 'eu' && steps.load.outputs.rows_written > 0",
    "steps.load.status in ['SUCCEEDED', 'SKIPPED']",
    'params.note == null || params.note.startsWith("x")',
    'params.days >= 2 && steps.load.outputs.warnings == 0',
    "run.trigger_type == 'schedule'",
    'steps.load.outputs.table != null',
    "steps['load'].outputs.bytes_processed < 1000000000",
    "params.day == '2026-02-28'",
  ])
    it(`may be: ${condition}`, () => {
      expect(faultsOfCondition(condition)).to.deep.equal([])
    })

  const wrong: [string, string, string][] = [
    ['steps.lod.status == "FAILED"', '16:18', 'unknown step "lod", did you mean "load"?'],
    ['steps.next.status == "FAILED"', '16:18', 'step "next" has not ended where it is named'],
    ['params.days > ', '16:', 'cannot be read as CEL'],
    ['params.days', '16:12', 'expected a condition, true or false, got int'],
    ['params.region == 3', '16:12', 'no such overload: string == int'],
    ['params.regoin == "eu"', '16:19', 'did you mean "region"?'],
    ['param.region == "eu"', '16:12', 'did you mean "params"?'],
    ['steps.load.outputs.rows > 1', '16:31', 'no such key: rows; expected table, rows_written'],
    ["steps.load.status == 'SUCCESS'", '16:33', 'unknown status "SUCCESS"'],
    ["params.region.matches('(a+)+$')", '16:', 'matches is not to be had'],
    ['[1, 2].all(x, [1, 2].all(y, x == y))', '16:', 'got one inside another'],
    ['run.day == "x"', '16:16', 'expected run_id, tenant_id'],
    [
      Array.from({ length: 90 }, () => 'true').join(' && ') +
        ' && true && true && true && true && true && true && true && true && true && true && true && true',
      '16:',
      'cannot be read as CEL',
    ],
  ]
  for (const [condition, place, words] of wrong)
    it(`is told with its place when it is wrong: ${condition.slice(0, 50)}`, () => {
      const faults = faultsOfCondition(condition)
      expect(faults).to.have.length(1)
      expect(faults[0])
        .to.match(new RegExp(`^${place}`))
        .and.include('steps[1].when: ')
        .and.include(words)
    })
  it('cannot stand at a notification, and names in a graph only what the step waits for', () => {
    const mail = `
  - { step_id: tell, ps_type: notify_systems.email_notification, when: "true", to_emails: ["a@b.example"], subject_template: s, body_template: b }`
    expect(faultsIn(withSteps(etl('load', 'SELECT 1 AS n') + mail)).join()).to.include(
      'steps[1].when: a notification follows the end of the run; expected trigger',
    )
    const beside = `
  - { step_id: a, ps_type: custom.noop, depends_on: [] }
  - { step_id: b, ps_type: custom.noop, depends_on: [], when: "steps.a.status == 'FAILED'" }`
    expect(faultsIn(withSteps(beside)).join()).to.include('step "a" has not ended where it is named')
  })
})

describe('a step with a condition', () => {
  const pipeline = pipelinesFrom(
    withSteps(
      etl('load', 'SELECT 1 AS n') +
        etl('next', 'SELECT 1 AS n', when("steps.load.outputs.rows_written > 0 && params.region == 'eu'")) +
        etl('last', 'SELECT 1 AS n'),
      parameters,
    ),
  )
  const run = pipeline.compile(ask())
  const after = (rows_written: number, of = run) => readySteps(of, recorded({ load: { rows_written } }), 'load')

  it('makes the run a graph in the order of the file', () => {
    expect(run.steps.map(({ depends_on }) => depends_on)).to.deep.equal([[], ['load'], ['next']])
    expect(run.uses).to.deep.equal(['load'])
  })
  it('runs where it is true, and is skipped with the condition where it is false', () => {
    const yes = after(5)
    expect(yes.next.map(({ step_id }) => step_id)).to.deep.equal(['next'])
    expect(aboutToStart(yes.run, stepOf(run, 'next'), undefined)).to.have.property('step')
    const no = after(0)
    expect(aboutToStart(no.run, stepOf(run, 'next'), undefined)).to.deep.equal({
      skipped: "when: steps.load.outputs.rows_written > 0 && params.region == 'eu' is false",
    })
    const elsewhere = pipeline.compile(ask({ parameters: { region: 'us' } }))
    expect(aboutToStart(after(5, elsewhere).run, stepOf(run, 'next'), undefined)).to.have.property('skipped')
  })
  it('lets the steps behind it go on when it was skipped', () => {
    const ends = recorded({ load: { rows_written: 0 }, next: { conclusion: 'SKIPPED' } })
    expect(readySteps(run, ends, 'next').next.map(({ step_id }) => step_id)).to.deep.equal(['last'])
  })
  it('fails, and says why, where the condition cannot be told', () => {
    const odd = { ...stepOf(run, 'next'), when: '1 / steps.load.outputs.rows_written > 0' }
    expect(aboutToStart(after(0).run, odd, undefined)).to.deep.equal({
      fault: {
        code: 'CONFIG_INVALID',
        message: 'step next: when: 1 / steps.load.outputs.rows_written > 0: cannot be told: division by zero',
      },
    })
  })
  it('sees the results that a resumed run was given for what it skips', () => {
    const resumed = pipeline.compile(
      ask({ skip: ['load'], results: { load: { status: 'SUCCEEDED', outputs: { rows_written: 0 } } } }),
    )
    expect(aboutToStart(resumed, stepOf(resumed, 'next'), undefined)).to.have.property('skipped')
  })
})

describe('outputs of a step', () => {
  const given = etl(
    'next',
    "SELECT '{steps.load.outputs.rows_written}' AS n, 'of {steps.load.outputs.table}' AS t, '{note}' AS note",
  )
  const noted = `parameters: { note: { type: string } }\n`
  const configOf = (run: Run) => {
    const step = aboutToStart(run, stepOf(run, 'next'), undefined)
    return 'step' in step ? (step.step.config['source'] as { query: string; parameters: unknown[] }) : undefined
  }

  it('fill texts and queries of later steps as bound parameters, and never a text that a run gave', () => {
    const run = pipelinesFrom(withSteps(etl('load', 'SELECT 1 AS n') + given, noted)).compile(
      ask({ parameters: { note: '{steps.load.outputs.table}' } }),
    )
    const { run: seen } = readySteps(run, recorded({ load: { rows_written: 7, outputs: { table: "a'b" } } }), 'load')
    const source = configOf(seen)
    expect(source?.query).to.equal(
      "SELECT @_steps_load_outputs_rows_written AS n, CONCAT('of ', @_steps_load_outputs_table) AS t, @note AS note",
    )
    expect(source?.parameters).to.deep.equal([
      { name: '_steps_load_outputs_rows_written', type: 'INT64', value: 7 },
      { name: '_steps_load_outputs_table', type: 'STRING', value: "a'b" },
      { name: 'note', type: 'STRING', value: '{steps.load.outputs.table}' },
    ])
    // What travels is as it was compiled: the same message gives the same step again.
    expect(configOf(seen)).to.deep.equal(source)
  })
  it('are bounded, and of the items of a for_each added up', () => {
    const items = `
  - { step_id: load, ps_type: custom.noop, for_each: { values: [1, 2] } }
  - { step_id: next, ps_type: custom.noop, when: "steps.load.outputs.rows_written == 5 && steps.load.status == 'FAILED'", trigger: always }`
    const run = pipelinesFrom(withSteps(items)).compile(ask())
    const ends = recorded({
      'load-1': { rows_written: 2, outputs: { table: 'x'.repeat(5000) } },
      'load-2': { rows_written: 3, conclusion: 'FAILED', error: { code: 'JOB_FAILED', message: 'no' } },
    })
    const { run: seen, next } = readySteps(run, ends, 'load-2')
    expect(next.map(({ step_id }) => step_id)).to.deep.equal(['next'])
    expect(seen.results).to.deep.equal({
      load: { status: 'FAILED', outputs: { rows_written: 5, bytes_processed: 0, warnings: 0 } },
    })
    expect(aboutToStart(seen, stepOf(run, 'next'), undefined)).to.have.property('step')
    const { for_each: _, ...item } = stepOf(run, 'load-1')
    const one = { ...run, steps: [{ ...item, step_id: 'load' }] }
    const long = readySteps(one, recorded({ load: { outputs: { table: 'x'.repeat(5000), list: [1] } } }), 'load')
    expect(String(long.run.results?.['load']?.outputs['table'])).to.have.length(1000)
  })
  it('are told where they do not exist, stand too early, or would name a table', () => {
    const faults = (text: string) =>
      faultsIn(withSteps(etl('load', 'SELECT 1 AS n') + etl('next', text) + etl('last', 'SELECT 1 AS n'))).join('\n')
    expect(faults("SELECT '{steps.load.outputs.rows}' AS n")).to.include(
      'step "load" has no output "rows"; it has bytes_processed, rows_written, table or warnings',
    )
    expect(faults("SELECT '{steps.lad.outputs.table}' AS n")).to.include('unknown step "lad", did you mean "load"?')
    expect(faults("SELECT '{steps.last.outputs.table}' AS n")).to.include('has not ended where it is named')
    expect(faults('SELECT 1 AS n FROM `{steps.load.outputs.table}`')).to.include(
      '{steps.load.outputs.table} in backticks can be set by a run',
    )
    expect(
      faultsIn(withSteps(etl('load', 'SELECT 1 AS n'), "variables: { x: '{steps.load.status}' }\n")).join(),
    ).to.include('step "load" has not ended where it is named')
  })
  it('fill the texts of notifications, which see all steps', () => {
    const mail = `
  - { step_id: tell, ps_type: notify_systems.email_notification, trigger: always, to_emails: ["a@b.example"], subject_template: "{steps.load.outputs.rows_written}", body_template: "{steps.load.status}" }`
    const run = pipelinesFrom(withSteps(etl('load', 'SELECT 1 AS n') + mail)).compile(ask())
    expect(run.uses).to.deep.equal(['load'])
    const over = readySteps(run, recorded({ load: { rows_written: 4 } }), 'load')
    expect([over.ended, over.run.results?.['load']?.outputs['rows_written']]).to.deep.equal([true, 4])
  })
})

describe('the time and the attempts of a pipeline', () => {
  const policy = (fields: string) => `
  - { step_id: a, ps_type: custom.noop, retry_policy: { ${fields} } }`
  it('travel with the run', () => {
    const fields = 'max_retries: 2, backoff: constant, jitter: none, max_delay_seconds: 9, retry_on: [JOB_FAILED]'
    const run = pipelinesFrom(withSteps(policy(fields), 'timeout_minutes: 90\n')).compile(ask())
    expect(run.timeout_minutes).to.equal(90)
    expect(run.steps[0]?.retry_policy).to.deep.equal({
      max_retries: 2,
      retry_delay_seconds: stepOf(run, 'a').retry_policy.retry_delay_seconds,
      backoff: 'constant',
      jitter: 'none',
      max_delay_seconds: 9,
      retry_on: ['JOB_FAILED'],
    })
  })
  it('are checked: codes that pass, names of other tools, numbers', () => {
    const faults = (fields: string) => faultsIn(withSteps(policy(fields))).join()
    expect(faults('retry_on: [JOB_FALED]')).to.include(
      'steps[0].retry_policy.retry_on: unknown "JOB_FALED"; expected DELIVERY_FAILED, DISK_FULL',
    )
    expect(faults('retry_on: [QUERY_INVALID]')).to.include('QUERY_INVALID does not pass by itself')
    expect(faults('maxInterval: 5')).to.include('the name is "max_delay_seconds"')
    expect(faults('backoff: linear')).to.include('expected exponential or constant')
    expect(faultsIn(withSteps(policy('max_retries: 1'), 'timeout_minutes: 0\n')).join()).to.include('more than 0')
  })
})
