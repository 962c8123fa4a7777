import { expect } from 'chai'
import { loadPipelines } from '@convergence/pipeline'
import { faultsByFile, pipelinesFrom } from './world.ts'

const noop = 'steps:\n  - { step_id: s, ps_type: custom.noop }\n'
let files = 0
const file = (head: string): string => `pipeline_id: p_${(files += 1)}\ndescription: Example\n${head}${noop}`
const load = file('parameters: { month: { type: month, many: values }, source: { type: string, required: false } }\n')
const days = file('parameters: { date: { type: date, many: ranges, default: yesterday } }\n')
const run = { run_id: 'r_aaaaaaaaaaaaaaaaaaaaaaaaaa', tenant_id: 'acme_corp', pipeline: 'aws/cost/cur', parameters: {} }

describe('a pipeline that follows another', () => {
  const after = (head: string): string => file(`parameters: { month: { type: month, many: values } }\n${head}`)
  const following = (files: Record<string, string>, more: object) =>
    pipelinesFrom(files)
      .followersOf({ ...run, ...more })
      .map(({ pipeline, parameters }) => [pipeline, parameters])

  it('says what the run says that it follows, all periods in one run, whose name is made of both', () => {
    const pipelines = { 'aws/cost/cur.yml': load, 'focus/cost/aws.yml': after('after: [{ pipeline: aws/cost/cur }]\n') }
    const parameters = { month: '2026-01,2025-12', source: 'payer' }
    expect(following(pipelines, { parameters })).to.deep.equal([['focus/cost/aws', { month: '2026-01,2025-12' }]])
    const [first] = pipelinesFrom(pipelines).followersOf({ ...run, parameters })
    expect(first?.idempotency_key).to.equal('after:r_aaaaaaaaaaaaaaaaaaaaaaaaaa:focus/cost/aws')
    const names = ['r_aaaaaaaaaaaaaaaaaaaaaaaaaa', 'r_bbbbbbbbbbbbbbbbbbbbbbbbbb'].map(
      (run_id) => pipelinesFrom(pipelines).followersOf({ ...run, run_id, parameters })[0]?.run_id,
    )
    expect(new Set(names).size).to.equal(2)
    expect(following(pipelines, { parameters, tenant_id: 'system' })).to.deep.equal([])
    expect(following(pipelines, { parameters, pipeline: 'focus/cost/aws' })).to.deep.equal([])
  })

  it('makes months of days, each once', () => {
    const pipelines = {
      'gcp/cost/billing.yml': days,
      'focus/cost/gcp.yml': after('after: [{ pipeline: gcp/cost/billing }]\n'),
    }
    for (const [date, month] of [
      ['2026-02-28', '2026-02'],
      ['2026-02-27..2026-03-01,2025-12-31', '2025-12,2026-02,2026-03'],
      ['2025-11-30..2026-02-01', '2025-11,2025-12,2026-01,2026-02'],
    ])
      expect(following(pipelines, { pipeline: 'gcp/cost/billing', parameters: { date } })).to.deep.equal([
        ['focus/cost/gcp', { month }],
      ])
  })

  it("of Google's days follows also into the invoice that is open, which late rows are of, each month once", () => {
    const pipelines = loadPipelines({ project_id: 'local-convergence' })
    for (const pipeline of ['gcp/cost/billing', 'gcp/cost/standard', 'gcp/cost/focus']) {
      const [next] = pipelines.followersOf({ ...run, pipeline, parameters: { date: '2025-10-31,2025-11-02' } })
      expect(next?.pipeline).to.equal('focus/cost/gcp')
      const at = (day: string) =>
        pipelines.datedParameters('focus/cost/gcp', next?.parameters ?? {}, Date.parse(day), 'UTC')
      expect(at('2026-01-05')).to.deep.include({ month: '2025-10,2025-11,2026-01' })
      expect(at('2025-11-03')).to.deep.include({ month: '2025-10,2025-11' })
    }
  })

  it('says what its file says, and leaves out what the other run does not say', () => {
    const parameters =
      '{ month: { type: month, many: values }, source: { type: string, required: false }, n: { type: int, default: 1 } }'
    const focus = file(
      `parameters: ${parameters}\nafter:\n  - pipeline: aws/cost/cur\n    parameters: { month: "{month}", source: "{source}", n: 7 }\n`,
    )
    const pipelines = { 'aws/cost/cur.yml': load, 'focus/cost/aws.yml': focus }
    expect(following(pipelines, { parameters: { month: '2026-01' } })).to.deep.equal([
      ['focus/cost/aws', { month: '2026-01', n: 7 }],
    ])
  })

  it('has every fault named: unknown names, several where one is taken, what is missing, circles', () => {
    const faults = (given: Record<string, string>) =>
      [...faultsByFile({ 'aws/cost/cur.yml': load, 'gcp/cost/billing.yml': days, ...given })].map(
        ([name, found]) => `${name}: ${found.join(' | ')}`,
      )
    const one = 'parameters: { month: { type: month } }\n'
    expect(
      faults({
        'focus/cost/a.yml': file(`${one}after: [{ pipeline: aws/cost/cour }]\n`),
        'focus/cost/b.yml': file(`${one}after: [{ pipeline: aws/cost/cur }]\n`),
        'focus/cost/c.yml': after('after: [{ pipeline: aws/cost/cur, parameters: { month: "{mont}", day: x } }]\n'),
        'focus/cost/d.yml': file(
          'parameters: { year: { type: string }, month: { type: month, many: values } }\nafter: [{ pipeline: aws/cost/cur }]\n',
        ),
        'focus/cost/e.yml': after('after: [{ pipeline: setup/sources/refresh }]\n'),
        'focus/cost/f.yml': after('after: [{ pipeline: aws/cost/cur }, { pipeline: aws/cost/cur }]\n'),
        'focus/cost/g.yml': after('after: [{ pipelin: aws/cost/cur }]\n'),
        'setup/cost/h.yml': after('after: [{ pipeline: aws/cost/cur }]\n'),
      }),
    ).to.deep.equal([
      'focus/cost/a.yml: 4:21  after[0].pipeline: unknown "aws/cost/cour", did you mean "aws/cost/cur"?',
      'focus/cost/b.yml: 4:9  after[0]: a run of aws/cost/cur may say several as month; expected many: values of month here',
      'focus/cost/c.yml: 4:56  after[0].parameters.month: "mont" is no parameter of aws/cost/cur, did you mean "month"? | ' +
        '4:66  after[0].parameters.day: unknown parameter of this pipeline; it has month or date',
      'focus/cost/d.yml: 4:9  after[0]: aws/cost/cur says no year, which this pipeline needs; say it under parameters',
      'focus/cost/e.yml: 4:21  after[0].pipeline: expected none of the platform\'s own, got "setup/sources/refresh"',
      'focus/cost/f.yml: 4:49  after[1].pipeline: "aws/cost/cur" stands twice',
      'focus/cost/g.yml: 4:11  after[0]: unknown field "pipelin", did you mean "pipeline"?',
      "setup/cost/h.yml: 4:9  after[0]: the platform's own pipelines follow none; a step of theirs asks for runs",
    ])
    const b = 'after: [{ pipeline: focus/cost/b }]\n'
    expect(
      faults({
        'focus/cost/a.yml': after(b),
        'focus/cost/b.yml': after(b.replace('/b', '/c')),
        'focus/cost/c.yml': after(b.replace('/b', '/a')),
      }),
    ).to.deep.equal([
      'focus/cost/a.yml: 4:21  after[0].pipeline: goes in a circle: ' +
        'focus/cost/a after focus/cost/b after focus/cost/c after focus/cost/a',
    ])
  })
})
