import type { Source } from '@convergence/contracts'
import { afterStep, firstSteps, nextSteps } from '@convergence/pipeline'
import { expect } from 'chai'
import { ask, failure, faultsIn, pipelinesFrom, queryOf, withSteps } from './world.ts'

const payers: Source[] = [
  { name: 'payer_b', provider: 'aws', kind: 'cur', bucket: 'b-cur', prefix: 'cur', report_name: 'monthly' },
  { name: 'payer_a', provider: 'aws', kind: 'cur2', bucket: 'a-cur', prefix: 'exports', report_name: 'daily' },
  { name: 'focus', provider: 'aws', kind: 'focus', bucket: 'a-cur', prefix: 'focus', report_name: 'daily' },
]
const account: Source = {
  name: 'billing',
  provider: 'gcp',
  kind: 'detailed',
  table: 'acme-billing-1.exports.detailed_v1',
  projects: ['acme-prod-4711', 'acme-dev-12'],
}
const load = `
  - step_id: load
    name: Load
    ps_type: aws.s3_data_loader
    for_each: { sources: { provider: aws, kinds: [cur, cur2] } }
    source: { s3_bucket: "{source.bucket}", s3_prefix: "{source.prefix}", report_name: "{source.report_name}", month: "{month}" }
    destination: { bq_project_id: "{project_id}", dataset_type: "{tenant_id}", table: t, schema_template: aws_cost_cur }
  - step_id: then
    ps_type: custom.noop`
const query = `
  - step_id: load
    ps_type: gcp.bq_etl
    for_each: { sources: { provider: gcp, kinds: [detailed] } }
    source:
      query: |
        SELECT 1 AS one FROM \`{source.table}\`
        WHERE project.id IN UNNEST(SPLIT('{source.projects}')) OR '{source.all_projects}' OR '{source.unassigned}'
    destination: { bq_project_id: "{project_id}", dataset_type: "{tenant_id}", table: t }`

describe('for_each', () => {
  it("makes a step of each of the tenant's sources of the kinds, by name, each with its own id and values", () => {
    const run = pipelinesFrom(withSteps(load)).compile(ask({ tenant_sources: payers }))
    expect(run.steps.map(({ step_id, name, for_each }) => [step_id, name, for_each])).to.deep.equal([
      ['load-payer_a', 'Load: payer_a', 'load'],
      ['load-payer_b', 'Load: payer_b', 'load'],
      ['then', 'then', undefined],
    ])
    expect(
      run.steps.map(({ config }) => (config['source'] as Record<string, unknown> | undefined)?.['s3_bucket']),
    ).to.deep.equal(['a-cur', 'b-cur', undefined])
  })
  it('takes one source where the run names it, and refuses a name that is none with those that there are', () => {
    const pipelines = pipelinesFrom(withSteps(load))
    const one = pipelines.compile(ask({ tenant_sources: payers, parameters: { source: 'payer_b' } }))
    expect(one.steps.map(({ step_id }) => step_id)).to.deep.equal(['load-payer_b', 'then'])
    const wrong = failure(() => pipelines.compile(ask({ tenant_sources: payers, parameters: { source: 'focus' } })))
    expect(wrong.code).to.equal('PARAMETER_INVALID')
    expect(wrong.faults[0]).to.include(
      'source: expected a source of provider aws, kind cur or cur2: payer_b or payer_a, got "focus"',
    )
    expect(pipelines.get('gcp/cost/billing')?.parameters.map(({ name }) => name)).to.include('source')
    expect(pipelines.get('gcp/cost/billing')?.uses_sources).to.equal(true)
  })
  it('names the sources that say primary, which no run says; a pipeline that does is made of the sources', () => {
    const named = `
  - step_id: load
    ps_type: gcp.bq_etl
    source: { query: "SELECT 1 AS one FROM UNNEST(SPLIT('{primary_sources}')) AS name" }
    destination: { bq_project_id: "{project_id}", dataset_type: "{tenant_id}", table: t }`
    const pipelines = pipelinesFrom(withSteps(named))
    expect(pipelines.get('gcp/cost/billing')?.uses_sources).to.equal(true)
    const [first, ...rest] = payers
    for (const [tenant_sources, value] of [
      [[{ ...first, primary: true } as Source, ...rest, { ...account, primary: true } as Source], 'payer_b,billing'],
      [payers, ''],
      [undefined, ''],
    ] as const)
      expect(queryOf(pipelines.compile(ask({ tenant_sources }))).parameters).to.deep.equal([
        { name: 'primary_sources', type: 'STRING', value },
      ])
    const given = failure(() => pipelines.compile(ask({ parameters: { primary_sources: 'x' } })))
    expect(given.faults).to.deep.equal(['primary_sources: is built in and cannot be given'])
    expect(pipelinesFrom(withSteps(load)).compile(ask({ tenant_sources: payers })).variables).to.equal(undefined)
  })
  it('takes no more sources into a run than a message holds', () => {
    const many = Array.from({ length: 201 }, (_, k): Source => ({ ...payers[0], name: `p${k}` }) as Source)
    const pipelines = pipelinesFrom(withSteps(load))
    expect(failure(() => pipelines.compile(ask({ tenant_sources: many }))).faults[0]).to.include('at most 200 sources')
    expect(pipelines.compile(ask({ tenant_sources: many, parameters: { source: 'p7' } })).steps).to.have.length(2)
  })
  it('says what to do where the tenant has no source of the kind', () => {
    for (const tenant_sources of [undefined, [], payers.slice(2)]) {
      const { code, message } = failure(() => pipelinesFrom(withSteps(load)).compile(ask({ tenant_sources })))
      expect(code).to.equal('SOURCE_UNKNOWN')
      expect(message).to.include('PUT /api/v1/tenants/acme_corp/sources/{name}')
    }
  })
  it("binds the source's values to the query, and lets it read the source's table alone", () => {
    const pipelines = pipelinesFrom(withSteps(query))
    const run = pipelines.compile(ask({ tenant_sources: [account] }))
    expect(queryOf(run).query).to.include('FROM `acme-billing-1.exports.detailed_v1`').and.include('@_source_projects')
    expect(queryOf(run).parameters).to.deep.include({
      name: '_source_projects',
      type: 'STRING',
      value: 'acme-prod-4711,acme-dev-12',
    })
    expect(queryOf(run).parameters).to.deep.include({ name: '_source_all_projects', type: 'BOOL', value: false })
    expect(run.sources).to.include('acme-billing-1.exports.detailed_v1')
    const elsewhere = withSteps(query.replace('{source.table}', 'acme-billing-1.exports.other'))
    expect(faultsIn(elsewhere).join()).to.include('would read acme-billing-1.exports.other')
  })
  describe('with a parameter of several values', () => {
    const months = load.replace('kinds: [cur, cur2] }', 'kinds: [cur, cur2] }, parameter: month')
    const declared = (spec: string) => `parameters: { ${spec} }\n`
    const monthly = withSteps(months, declared('month: { type: month, many: values }'))
    const daily = withSteps(
      `
  - step_id: load
    ps_type: gcp.bq_etl
    for_each: { parameter: date }
    source: { query: "SELECT CAST('{date_from}' AS DATE) AS day, '{date_to}' AS last" }
    destination: { bq_project_id: "{project_id}", dataset_type: "{tenant_id}", table: t, write_mode: truncate, period: { day: { from: "{date_from}", to: "{date_to}" } } }`,
      declared('date: { type: date, many: ranges, default: yesterday }'),
    )
    const idsOf = (text: string, parameters: Record<string, string>) =>
      pipelinesFrom(text)
        .compile(ask({ tenant_sources: payers, parameters, requested_at: '2026-03-01T10:00:00Z' }))
        .steps.map(({ step_id }) => step_id)

    it('makes a step of each source in each month, the oldest first, and one month adds nothing to the ids', () => {
      expect(idsOf(monthly, { month: '2026-01' })).to.deep.equal(['load-payer_a', 'load-payer_b', 'then'])
      expect(idsOf(monthly, { month: '2026-02, 2025-12,2026-02', source: 'payer_b' })).to.deep.equal([
        'load-payer_b-2025-12',
        'load-payer_b-2026-02',
        'then',
      ])
      const run = pipelinesFrom(monthly).compile(
        ask({
          tenant_sources: payers,
          parameters: { month: '2026-01,last_month', source: 'payer_a' },
          requested_at: '2026-03-01T10:00:00Z',
        }),
      )
      expect(run.parameters).to.deep.include({ month: '2026-01,2026-02', source: 'payer_a' })
      expect(
        run.steps.map(({ config }) => (config['source'] as Record<string, unknown> | undefined)?.['month']),
      ).to.deep.equal(['2026-01', '2026-02', undefined])
    })
    it('takes days and ranges of days, each a step whose query and period have both ends', () => {
      expect(idsOf(daily, {})).to.deep.equal(['load-2026-02-28'])
      const run = pipelinesFrom(daily).compile(ask({ parameters: { date: '2026-02-01..2026-02-03,2026-01-31' } }))
      expect(run.steps.map(({ step_id, name }) => `${step_id} ${name}`)).to.deep.equal([
        'load-2026-01-31 load: 2026-01-31',
        'load-2026-02-01_2026-02-03 load: 2026-02-01..2026-02-03',
      ])
      expect(queryOf({ ...run, steps: run.steps.slice(1) }).parameters).to.deep.equal([
        { name: 'date_from', type: 'DATE', value: '2026-02-01' },
        { name: 'date_to', type: 'DATE', value: '2026-02-03' },
      ])
      expect((run.steps[1]?.config['destination'] as Record<string, unknown>)['period']).to.deep.equal({
        day: { from: '2026-02-01', to: '2026-02-03' },
      })
    })
    it('refuses what is no list of months or days, with the value that is wrong', () => {
      const faults = (text: string, parameters: Record<string, string>) =>
        failure(() => pipelinesFrom(text).compile(ask({ tenant_sources: payers, parameters }))).faults.join()
      expect(faults(monthly, { month: '2026-01,2026-1' })).to.include('expected a month as YYYY-MM, or this_month')
      expect(faults(monthly, { month: '2026-01..2026-03' }))
        .to.include('expected a month')
        .and.include('2026-01..2026-03')
      expect(faults(monthly, { month: '' })).to.include('expected a month')
      expect(faults(daily, { date: '2026-02-03..2026-02-01' })).to.include('ends before it begins')
      expect(faults(daily, { date: '2020-01-01..2026-02-01' })).to.include('at most 400 days')
      expect(faults(daily, { date: '2026-02-01..2026-02-03,2026-02-02' })).to.include('2026-02-02 twice')
      expect(faults(daily, { date: '2026-02-30' })).to.include('expected a day')
      // A third end is not left out in silence.
      expect(faults(daily, { date: '2026-02-01..2026-02-03..2026-02-09' })).to.include('expected a day')
      expect(faults(daily, { date: '2026-02-01..' })).to.include('got "" in "2026-02-01.."')
      expect(faults(monthly, { month: '2026-01,' })).to.include('got "" in "2026-01,"')
      const years = Array.from({ length: 201 }, (_, k) => `${1900 + k}-01`).join(',')
      expect(faults(monthly, { month: years })).to.include('at most 200')
      expect(faults(monthly, { month: years.slice(0, 8 * 150 - 1) })).to.include('at most 200 loads in a run')
    })
    it('is checked: only where the step is repeated has such a parameter one value', () => {
      const wrong = (from: string | RegExp, to: string, text = monthly) => faultsIn(text.replace(from, to)).join('\n')
      expect(wrong(', parameter: month', '')).to.include('variable "month" may be several values; repeat the step')
      expect(wrong('parameter: month', 'parameter: monht')).to.include('did you mean "month"?')
      expect(wrong('many: values', 'many: ranges')).to.include('ranges are of type date')
      expect(wrong('type: month, many', 'type: int, many')).to.include('belongs to type date or month')
      expect(wrong(', many: values', '')).to.include('is one value')
      expect(wrong("'{date_to}'", "'{date}'", daily)).to.include('use {date_from} and {date_to}, both included')
      expect(wrong('parameters: {', 'variables: { date_to: x }\nparameters: {', daily)).to.include(
        'is an end of its range',
      )
    })
  })
  it('repeats a step for values of the file', () => {
    const steps = `
  - { step_id: say, ps_type: custom.noop, for_each: { values: [eu, us] } }`
    expect(
      pipelinesFrom(withSteps(steps))
        .compile(ask())
        .steps.map(({ step_id, name }) => `${step_id} ${name}`),
    ).to.deep.equal(['say-1 say: eu', 'say-2 say: us'])
  })
  it('lets several items run at a time, and be needed by their common name', () => {
    const steps = `
  - { step_id: say, ps_type: custom.noop, for_each: { values: [1, 2, 3], concurrency: 2 } }
  - { step_id: then, ps_type: custom.noop }`
    const run = pipelinesFrom(withSteps(steps)).compile(ask())
    expect(run.steps.map(({ step_id, depends_on, begins_after }) => [step_id, depends_on, begins_after])).to.deep.equal(
      [
        ['say-1', [], undefined],
        ['say-2', [], undefined],
        ['say-3', [], ['say-1']],
        ['then', ['say'], undefined],
      ],
    )
    const graph = steps.replace(', concurrency: 2', '').replace('noop }', 'noop, depends_on: [say] }')
    expect(
      pipelinesFrom(withSteps(graph))
        .compile(ask())
        .steps.map(({ depends_on, begins_after }) => [depends_on, begins_after]),
    ).to.deep.equal([
      [undefined, undefined],
      [undefined, ['say-1']],
      [undefined, ['say-2']],
      [['say'], undefined],
    ])
  })
  it('is checked: kinds, names in texts, and what it cannot stand beside', () => {
    const faults = (from: string, to: string) => faultsIn(withSteps(load.replace(from, to))).join('\n')
    expect(faults('cur2]', 'kur]')).to.include('unknown "kur", did you mean "cur"?')
    expect(faults('{source.bucket}', '{source.buckets}')).to.include('did you mean "source.bucket"?')
    expect(faults('kinds: [cur, cur2] }', 'kinds: [cur, cur2] }, values: [a]')).to.include(
      'steps[0].for_each: values stand alone; leave sources out',
    )
    expect(faults('sources: { provider: aws, kinds: [cur, cur2] }', 'concurrency: 3')).to.include(
      'steps[0].for_each: expected values, sources or parameter, got concurrency',
    )
    expect(faults('step_id: then', 'step_id: load-check')).to.include(
      'its items are called load-ITEM, and there is a step "load-check"',
    )
    expect(faults('for_each: { sources', 'for_each: { sorces')).to.include('did you mean "sources"')
    expect(faults('    for_each: { sources: { provider: aws, kinds: [cur, cur2] } }\n', '')).to.include(
      'variable "source.bucket"',
    )
    expect(faultsIn(withSteps(load, 'variables: { source: x }\n')).join()).to.include('variables.source: is built in')
  })
})

describe('a run whose items fail', () => {
  const run = pipelinesFrom(withSteps(load)).compile(ask({ tenant_sources: payers }))
  const ids = (next: { step_id: string }[] | undefined) => next?.map(({ step_id }) => step_id)
  const error = { code: 'EXPORT_INVALID', message: 'no such file' }
  const failed = afterStep(run, {
    step_id: 'load-payer_a',
    error,
    warnings: undefined,
    next: [{ step_id: 'load-payer_b', host: 'executor' }],
  })

  it('begins with the first item', () => {
    expect(ids(firstSteps(run))).to.deep.equal(['load-payer_a'])
  })
  it('goes on with the items behind, remembers the failure, and does not begin what stands behind them', () => {
    expect(ids(nextSteps(run, 'load-payer_a', 'FAILED'))).to.deep.equal(['load-payer_b'])
    expect(failed.failed).to.deep.equal([{ step_id: 'load-payer_a', error }])
    expect(ids(nextSteps(failed, 'load-payer_b', 'SUCCEEDED'))).to.deep.equal([])
    expect(ids(nextSteps(run, 'load-payer_b', 'FAILED'))).to.deep.equal([])
  })
  it('goes on behind them when all succeeded', () => {
    expect(ids(nextSteps(run, 'load-payer_b', 'SUCCEEDED'))).to.deep.equal(['then'])
  })
  it('remembers what its steps found odd', () => {
    const odd = { step_id: 'load-payer_a', error: undefined, next: [], warnings: ['the delivery has no rows', 7] }
    expect(afterStep(run, odd).warnings).to.deep.equal([
      { step_id: 'load-payer_a', message: 'the delivery has no rows' },
      { step_id: 'load-payer_a', message: '7' },
    ])
    expect(afterStep(run, { ...odd, warnings: undefined })).to.equal(run)
  })
  it('stops at once when it was cancelled', () => {
    expect(ids(nextSteps(run, 'load-payer_a', 'CANCELLED'))).to.deep.equal([])
  })
  it('resumes with the items that are left', () => {
    const resumed = { ...run, skip: ['load-payer_a'] }
    expect(ids(firstSteps(resumed))).to.deep.equal(['load-payer_b'])
    expect(ids(nextSteps({ ...run, skip: ['load-payer_b'] }, 'load-payer_a', 'SUCCEEDED'))).to.deep.equal(['then'])
  })
})
