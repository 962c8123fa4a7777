import { expect } from 'chai'
import type { AppError } from '@convergence/contracts'
import type { ParameterSpec } from '@convergence/pipeline'
import type { Row, Statement } from '@convergence/warehouse'
import { periodRange, planPeriods, type PlanWanted, type Reprocess } from '../src/backfills.ts'

const parameter = (name: string, type: ParameterSpec['type']): ParameterSpec => ({
  name,
  type,
  description: name,
  required: false,
})
const pipeline = (...parameters: ParameterSpec[]) => ({ path: 'aws/cost/cur', parameters })
const monthly = pipeline(parameter('month', 'month'), parameter('source', 'string'))
const daily = pipeline(parameter('date', 'date'))
const faults = (work: () => unknown): readonly string[] => {
  try {
    work()
  } catch (error) {
    const { faults: all, message } = error as AppError
    return all.length > 0 ? all : [message]
  }
  return []
}

describe('the range of a backfill', () => {
  it('is days or months as the pipeline has them, both ends included, over leap days and years', () => {
    expect(periodRange(daily, { from: '2024-02-28', to: '2024-03-01' }).periods).to.deep.equal([
      '2024-02-28',
      '2024-02-29',
      '2024-03-01',
    ])
    expect(periodRange(monthly, { from: '2025-11', to: '2026-01' }).periods).to.deep.equal([
      '2025-11',
      '2025-12',
      '2026-01',
    ])
    expect(periodRange(daily, { from: '2026-01-01', to: '2026-01-01' }).periods).to.have.length(1)
  })

  it('takes a day for its month where the pipeline has months, and says so', () => {
    const range = periodRange(monthly, { from: '2025-11-18', to: '2025-12' })
    expect(range.periods).to.deep.equal(['2025-11', '2025-12'])
    expect(range.notes).to.deep.equal(['from: 2025-11-18 was taken for its month, 2025-11'])
  })

  it('is refused with every fault: no such day, the wrong way round, too many', () => {
    expect(faults(() => periodRange(daily, { from: '2026-02-29', to: '2026-13-01' }))).to.have.length(2)
    expect(faults(() => periodRange(daily, { from: '2025-11', to: '2025-12-01' })).join()).to.include('a day as')
    expect(faults(() => periodRange(monthly, { from: '2026-02', to: '2026-01' })).join()).to.include('2026-02 or later')
    expect(faults(() => periodRange(daily, { from: '2020-01-01', to: '9999-12-31' })).join()).to.include('at most 1000')
    expect(faults(() => periodRange(daily, { from: '2020-01-01', to: '2022-09-26' }))).to.deep.equal([])
  })

  it('is refused for a pipeline without exactly one parameter that could be the period, by name', () => {
    const both = pipeline(parameter('date', 'date'), parameter('month', 'month'))
    const range = { from: '2026-01-01', to: '2026-01-02' }
    expect(faults(() => periodRange(both, range)).join())
      .to.include('aws/cost/cur')
      .and.include('got date, month')
    expect(faults(() => periodRange(pipeline(), range)).join()).to.include('got none')
  })

  it('is of the days that every pipeline has only where the file says no period of its own', () => {
    const date: ParameterSpec = { ...parameter('date', 'date'), built_in: true }
    const months = periodRange(pipeline(...monthly.parameters, date), { from: '2025-11', to: '2025-12' })
    expect([months.parameter, months.counted]).to.deep.equal(['month', ['date']])
    expect(periodRange(pipeline(date), { from: '2026-01-01', to: '2026-01-02' }).parameter).to.equal('date')
  })
})

describe('which periods a backfill runs', () => {
  const run = (parameters: object, status: string, id = 'r_1') => ({
    pipeline_logging_id: id,
    status,
    parameters: JSON.stringify(parameters),
  })
  const changed: { period: string }[] = []
  const statements: Statement[] = []
  const plan = (reprocess: Reprocess, rows: Row[], more: Partial<PlanWanted> = {}) => {
    const query = (statement: Statement): Promise<Row[]> => {
      statements.push(statement)
      return Promise.resolve(statement.query.includes('tenant_load_state') ? changed : rows)
    }
    return planPeriods(
      { query },
      {
        tenant_id: 'acme',
        pipeline: 'aws/cost/cur',
        range: { parameter: 'month', kind: 'month', counted: ['date'], periods: ['2025-11', '2025-12', '2026-01'] },
        parameters: {},
        reprocess,
        period_order: 'oldest_first',
        ...more,
      },
    )
  }
  const taken = async (...given: Parameters<typeof plan>) =>
    (await plan(...given)).filter(({ action }) => action === 'run').map(({ period }) => period)

  it('are those without a run, those whose last run did not complete, or all', async () => {
    const rows = [
      run({ month: '2025-11' }, 'FAILED', 'r_1'),
      run({ month: '2025-11' }, 'COMPLETED', 'r_2'),
      run({ month: '2025-12' }, 'COMPLETED', 'r_3'),
      run({ month: '2025-12' }, 'FAILED', 'r_4'),
    ]
    expect(await taken('none', rows)).to.deep.equal(['2026-01'])
    expect(await taken('failed', rows)).to.deep.equal(['2025-12', '2026-01'])
    expect(await taken('all', rows)).to.have.length(3)
    expect((await plan('failed', rows))[0]).to.deep.equal({
      period: '2025-11',
      action: 'skip',
      reason: 'its last run r_2 is COMPLETED',
    })
    expect((await plan('none', [], { period_order: 'newest_first' }))[0]?.period).to.equal('2026-01')
  })

  it('leave out what goes on, and count a run of several periods for each of them', async () => {
    expect(await taken('failed', [run({ month: '2025-11, 2025-12' }, 'RUNNING')])).to.deep.equal(['2026-01'])
    const days = {
      parameter: 'date',
      kind: 'day',
      counted: [],
      periods: ['2026-01-01', '2026-01-02', '2026-01-03'],
    } as const
    const rows = [run({ date: '2025-12-30..2026-01-02' }, 'COMPLETED')]
    expect(await taken('none', rows, { range: { ...days, periods: [...days.periods] } })).to.deep.equal(['2026-01-03'])
  })

  it('are those of runs with the same other parameters: one source says nothing of the others', async () => {
    const rows = [run({ month: '2025-11', source: 'payer' }, 'COMPLETED')]
    expect(await taken('none', rows)).to.have.length(3)
    expect(await taken('none', rows, { parameters: { source: 'payer' } })).to.have.length(2)
    // What the record of a run counted for itself was asked for by nobody.
    const counted = [run({ month: '2025-11', date: '2026-03-01', source: null }, 'COMPLETED')]
    expect(await taken('none', counted)).to.have.length(2)
    expect(await taken('none', counted, { parameters: { date: '2026-03-02' } })).to.have.length(3)
  })

  it('are with changed also those of which a source has changed since it was loaded, unless one is loading', async () => {
    const rows = [
      run({ month: '2025-11' }, 'COMPLETED'),
      run({ month: '2025-12' }, 'RUNNING'),
      run({ month: '2026-01' }, 'COMPLETED'),
    ]
    changed.push({ period: '2025-11' }, { period: '2025-12' })
    statements.length = 0
    expect(await taken('changed', rows)).to.deep.equal(['2025-11'])
    expect(await taken('failed', rows)).to.deep.equal([])
    await taken('changed', rows, { parameters: { source: 'payer' } })
    const asked = statements.filter(({ query }) => query.includes('tenant_load_state'))
    expect(asked.map(({ parameters = [] }) => parameters.some(({ value }) => value === 'payer'))).to.deep.equal([
      false,
      true,
    ])
  })
})
