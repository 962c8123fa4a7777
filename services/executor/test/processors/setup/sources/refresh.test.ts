import { expect } from 'chai'
import fc from 'fast-check'
import { changedDays, changedMonths, type DayRows } from '../../../../src/processors/setup/sources/refresh.ts'
import { versionOfObjects, versionOfRows, type LoadState } from '../../../../src/load-state.ts'

const google = {
  name: 'google',
  ...{ provider: 'gcp' as const, kind: 'detailed' as const, table: 'p.exports.t', billing_account_id: 'A' },
  projects: ['acme-prod-4711', 'acme-dev-12'],
}
const owned = { tenant_id: 'acme', source: google }
const state = (
  period: string,
  loaded: string | null,
  seen = loaded ?? 'x',
  pipeline = 'gcp/cost/billing',
): LoadState => ({
  ...{ tenant_id: 'acme', source: 'google', pipeline, period },
  seen_version: seen,
  loaded_version: loaded,
})
const group = (day: string, newest: string | null, rows: number, more: Partial<DayRows> = {}): DayRows => ({
  ...{ day, newest, rows, account: 'A', project: 'acme-prod-4711' },
  ...more,
})
const at = (hour: number) => `2026-01-0${hour} 10:00:00+00`

describe('what a refresh finds', () => {
  it('of days: another newest row or another number of rows of the source, whoever else has rows of the day', () => {
    const states = [state('2026-01-01', versionOfRows(at(1), 3)), state('2026-01-02', versionOfRows(at(2), 2))]
    const rows = [
      group('2026-01-01', at(1), 1),
      group('2026-01-01', at(1), 2, { project: 'acme-dev-12' }),
      group('2026-01-01', at(9), 7, { project: 'globex-prod-1' }),
      group('2026-01-01', at(9), 7, { project: null }),
      group('2026-01-01', at(9), 7, { account: 'B' }),
      group('2026-01-02', at(2), 2),
      group('2026-01-03', at(3), 9),
    ]
    const periods = (groups: DayRows[]) => changedDays(owned, states, { groups }).changed.map(({ period }) => period)
    expect(periods(rows)).to.deep.equal([])
    expect(periods([...rows, group('2026-01-02', at(2), 1)])).to.deep.equal(['2026-01-02'])
    expect(periods([...rows, group('2026-01-01', at(4), 1)])).to.deep.equal(['2026-01-01'])
    expect(periods(rows.slice(1))).to.deep.equal(['2026-01-01'])
  })
  it('of days that were loaded without a row: the first that comes', () => {
    const states = [state('2026-01-01', versionOfRows(null, 0))]
    expect(changedDays(owned, states, { groups: [] })).to.deep.equal({ changed: [], vanished: [] })
    expect(changedDays(owned, states, { groups: [group('2026-01-01', at(1), 1)] }).changed).to.have.length(1)
  })
  it('of days whose rows are all gone: that they are, and nothing to load', () => {
    const states = [state('2026-01-01', versionOfRows(at(1), 3)), state('2026-01-02', null)]
    expect(changedDays(owned, states, { groups: [] })).to.deep.equal({ changed: [], vanished: ['2026-01-01'] })
  })
  it('of days before those that are read whole: only that later rows came', () => {
    const states = [state('2025-06-01', versionOfRows(at(2), 30))]
    const found = (newest: string) =>
      changedDays(owned, states, { groups: [group('2025-06-01', newest, 1)], whole_from: '2026-01-01' })
    expect(found(at(2))).to.deep.equal({ changed: [], vanished: [] })
    expect(found(at(3)).changed.map(({ version }) => version)).to.deep.equal([versionOfRows(at(3), 1)])
    expect(changedDays(owned, states, { groups: [], whole_from: '2026-01-01' }).vanished).to.deep.equal([])
  })
  it('of days and months: nothing a second time, once it is written down', () => {
    const day = fc.integer({ min: 1, max: 6 }).map((n) => `2026-01-0${n}`)
    const groups = fc.array(
      fc.record({ day, hour: fc.integer({ min: 1, max: 9 }), rows: fc.integer({ min: 1, max: 3 }) }),
      { maxLength: 12 },
    )
    fc.assert(
      fc.property(groups, fc.uniqueArray(day), fc.option(day, { nil: undefined }), (found, loaded, whole_from) => {
        const rows = {
          groups: found.map((each) => group(each.day, at(each.hour), each.rows)),
          ...(whole_from === undefined ? {} : { whole_from }),
        }
        const before = loaded.map((period) => state(period, versionOfRows(at(5), 1)))
        const { changed } = changedDays(owned, before, rows)
        const after = before.map((each) => {
          const now = changed.find(({ period }) => period === each.period)
          return now === undefined ? each : { ...each, seen_version: now.version }
        })
        expect(changedDays(owned, after, rows).changed).to.deep.equal([])
      }),
    )
  })
  it('of months: another version of a manifest, and months that nobody loaded as what they are', () => {
    const payer = { tenant_id: 'acme', source: { name: 'payer' } }
    const of = (pipeline: string, period: string, seen: string): LoadState => ({
      ...{ tenant_id: 'acme', source: 'payer', pipeline, period },
      seen_version: seen,
      loaded_version: seen,
    })
    const states = [
      of('aws/cost/cur', '2026-01', 'm1 a'),
      of('aws/cost/cur', '2026-02', 'm2 a'),
      of('custom/x/y', '2026-01', 'm1 0'),
    ]
    const versions = new Map([
      ['2026-01', 'm1 a'],
      ['2026-02', 'm2 b'],
      ['2026-03', 'm3 a'],
    ])
    expect(
      changedMonths(payer, states, versions).map(({ pipeline, period, loaded }) => [pipeline, period, loaded]),
    ).to.deep.equal([
      ['aws/cost/cur', '2026-02', true],
      ['aws/cost/cur', '2026-03', false],
      ['custom/x/y', '2026-01', true],
      ['custom/x/y', '2026-02', false],
      ['custom/x/y', '2026-03', false],
    ])
  })
  it('is by objects in any order, and another tag of any of them is another version', () => {
    const [a, b] = [
      { key: 'a', etag: '1' },
      { key: 'b', etag: '2' },
    ]
    expect(versionOfObjects([a])).to.equal('a 1')
    expect(versionOfObjects([a, b])).to.equal(versionOfObjects([b, a]))
    expect(versionOfObjects([a, b])).not.to.equal(versionOfObjects([a, { ...b, etag: '3' }]))
    expect(versionOfObjects([a, b])).not.to.equal(versionOfObjects([a]))
  })
})
