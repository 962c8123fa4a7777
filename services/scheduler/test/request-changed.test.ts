import { expect } from 'chai'
import type { ParameterSpec, Pipelines } from '@convergence/pipeline'
import { requestsFor, type Changed } from '../src/processors/scheduler/request_changed.ts'

const spec = (name: string, type: ParameterSpec['type'], many?: ParameterSpec['many']): ParameterSpec => ({
  ...{ name, type, description: '', required: false },
  ...(many === undefined ? {} : { many }),
})
const pipelines: Pick<Pipelines, 'get'> = {
  get: (path) => {
    const parameters = {
      'aws/cost/cur': [spec('date', 'date'), spec('month', 'month', 'values')],
      'gcp/cost/billing': [spec('date', 'date', 'ranges')],
      'custom/own/daily': [spec('date', 'date')],
      'custom/own/none': [spec('size', 'int')],
    }[path]
    return parameters && { path, pipeline_id: path, description: '', parameters, steps: [] }
  },
}
const changed = (period: string, more: Partial<Changed> = {}): Changed => ({
  ...{ tenant_id: 'acme', source: 'payer', pipeline: 'aws/cost/cur', period, seen_version: `${period} v2` },
  ...more,
})
const asked = (some: readonly Changed[], day = '2026-03-01') =>
  requestsFor(pipelines, some, day, 'scheduler').events.map((event) => {
    if (event.topic !== 'run-requested') throw new Error('another topic')
    return event
  })
const said = (some: readonly Changed[]) => asked(some).map(({ event }) => [event.tenant_id, event.parameters])

describe('runs of what has changed', () => {
  it('are one of each source, with exactly its periods, the oldest first', () => {
    const some = [changed('2026-01'), changed('2025-11'), changed('2026-01', { source: 'other' })]
    expect(said([...some, changed('2026-01', { tenant_id: 'globex' })])).to.deep.equal([
      ['acme', { source: 'payer', month: '2025-11,2026-01' }],
      ['acme', { source: 'other', month: '2026-01' }],
      ['globex', { source: 'payer', month: '2026-01' }],
    ])
    expect(said([])).to.deep.equal([])
  })
  it('take days that follow each other as one range, and no day that has not changed', () => {
    const days = ['2026-02-28', '2026-03-01', '2025-12-31', '2026-03-03']
    expect(said(days.map((day) => changed(day, { pipeline: 'gcp/cost/billing' })))).to.deep.equal([
      ['acme', { source: 'payer', date: '2025-12-31,2026-02-28..2026-03-01,2026-03-03' }],
    ])
    const long = Array.from({ length: 40 }, (_, k) => new Date(Date.UTC(2026, 0, 1 + k)).toISOString().slice(0, 10))
    expect(said(long.map((day) => changed(day, { pipeline: 'gcp/cost/billing' })))).to.deep.equal([
      ['acme', { source: 'payer', date: '2026-01-01..2026-01-31,2026-02-01..2026-02-09' }],
    ])
  })
  it('are one of each period where a pipeline takes one, and none where it takes none, which is told', () => {
    const some = [
      changed('2026-03-02', { pipeline: 'custom/own/daily' }),
      changed('2026-03-01', { pipeline: 'custom/own/daily' }),
    ]
    expect(said(some)).to.deep.equal([
      ['acme', { source: 'payer', date: '2026-03-01' }],
      ['acme', { source: 'payer', date: '2026-03-02' }],
    ])
    const none = [
      changed('2026-03', { pipeline: 'custom/own/none' }),
      changed('2026-03', { pipeline: 'gone/since/then' }),
    ]
    expect(requestsFor(pipelines, none, '2026-03-01', undefined)).to.deep.equal({
      events: [],
      unknown: ['custom/own/none', 'gone/since/then'],
    })
  })
  it('have one name for one change on one day, whatever the order, and another for another', () => {
    const keys = (some: readonly Changed[], day?: string) =>
      asked(some, day).map(({ idempotency_key }) => idempotency_key)
    const [a, b] = [changed('2026-01'), changed('2026-02')]
    expect(keys([a, b])).to.deep.equal(keys([b, a]))
    expect(keys([a])).not.to.deep.equal(keys([{ ...a, seen_version: 'v3' }]))
    expect(keys([a])).not.to.deep.equal(keys([a], '2026-03-02'))
    expect(asked([a])[0]?.event).to.include({ trigger_type: 'refresh', trigger_by: 'setup/sources/refresh' })
    expect(asked([a])[0]?.attributes).to.deep.equal({ kid: 'scheduler' })
  })
})
