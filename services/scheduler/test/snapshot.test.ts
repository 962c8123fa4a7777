import fc from 'fast-check'
import { expect } from 'chai'
import type { Message } from '../src/ledger/decide.ts'
import { decide } from '../src/ledger/decide.ts'
import { fold, forget, stateHash } from '../src/ledger/fold.ts'
import { remember, archiveAll, rememberedDigits, archivedAt, type Archive } from '../src/ledger/archive.ts'
import { openLedger } from '../src/ledger.ts'
import { readSnapshot, restore } from '../src/ledger/snapshot.ts'
import type { LedgerRow } from '../src/ledger/state.ts'
import { defaultRules, emptyState } from '../src/ledger/state.ts'
import { at, ended, makeRun, request, tableOf, tenant } from './world.ts'

const limits = { acme: { daily: 6, monthly: 9, concurrent: 2 }, globex: { daily: 50, monthly: 50, concurrent: 1 } }
const one = fc.record({
  tenant_id: fc.constantFrom('acme' as const, 'globex' as const),
  key: fc.integer({ min: 0, max: 15 }).map((k) => `k${k}`),
  minute: fc.integer({ min: 0, max: 15_000 }),
  priority: fc.integer({ min: 0, max: 9 }),
  concurrency_key: fc.constantFrom('x', 'y', 'z'),
})
const message: fc.Arbitrary<Message> = fc.oneof(
  { weight: 4, arbitrary: one.map(({ key, minute, ...options }): Message => request(key, options, at(minute))) },
  { weight: 3, arbitrary: one.map(({ key, minute, tenant_id }) => ended(makeRun(key, { tenant_id }), {}, at(minute))) },
  one.map(({ key, minute, tenant_id }): Message => ({
    kind: 'cancel',
    tenant_id,
    run_id: makeRun(key, { tenant_id }).run_id,
    at: at(minute),
  })),
  { weight: 3, arbitrary: one.map(({ minute }): Message => ({ kind: 'tick', at: at(minute) })) },
)
const rules = { ...defaultRules, snapshot_rows: 3 }
/** Each group is one commit. */
const play = async (groups: readonly (readonly Message[])[]) => {
  const log: LedgerRow[] = []
  const nothing = () => undefined
  const ledger = await openLedger({
    epoch: 'e1',
    rules,
    log: { info: nothing, warn: nothing, error: nothing },
    table: tableOf(log),
    warehouse: {
      commit: (_table, _at, rows) => {
        log.push(...(structuredClone(rows) as unknown as LedgerRow[]))
        return Promise.resolve('mine')
      },
    },
  })
  for (const group of [Object.entries(limits).map(([tenant_id, of]) => tenant(tenant_id, of)), ...groups])
    await Promise.allSettled(group.map((message) => ledger.submit(message)))
  return { state: ledger.state, log }
}
/** As `openLedger` does: the newest snapshot, then the rows behind it. */
const restart = async (log: readonly LedgerRow[]) => {
  const table = tableOf(log)
  const snapshot = readSnapshot(await table.snapshot())
  const state = restore(
    'e1',
    rules,
    snapshot,
    await table.ofRuns(snapshot.run_ids, { from_seq: snapshot.from_seq, to_seq: snapshot.seq }),
  )
  return fold(state, (await table.after(state)).rows)
}

describe('a snapshot of the ledger', () => {
  it('and the rows behind it are the same state as all rows, whatever messages came', async () => {
    let restarts = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(message, { minLength: 1, maxLength: 8 }), { maxLength: 30 }),
        async (groups) => {
          const { state, log } = await play(groups)
          if (!log.some(({ kind }) => kind === 'SNAPSHOT')) return
          restarts += 1
          expect(stateHash(await restart(log))).to.equal(stateHash(state))
          expect(stateHash(fold(emptyState('e1', rules), log))).to.equal(stateHash(state))
        },
      ),
      { numRuns: 200 },
    )
    expect(restarts).to.be.greaterThan(100)
  })

  it('is written by the tick after so many rows, and not before', async () => {
    const kinds = async (count: number) =>
      (
        await play([
          ...Array.from({ length: count }, (_, k) => [request(`k${k}`, { tenant_id: 'globex' })]),
          [{ kind: 'tick', at: at(1) }],
          [{ kind: 'tick', at: at(2) }],
        ])
      ).log.map(({ kind }) => kind)
    expect(await kinds(0)).to.deep.equal(['TENANT', 'TENANT'])
    expect(await kinds(1)).to.deep.equal(['TENANT', 'TENANT', 'ADMIT', 'SNAPSHOT'])
  })

  it('is spread over several rows when tenants and runs are many, and refused when one is missing', async () => {
    const state = emptyState('e1', rules)
    const log: LedgerRow[] = []
    const group = (messages: Message[]) => {
      const { rows } = decide(state, messages)
      fold(state, rows)
      log.push(...structuredClone(rows))
    }
    group(Array.from({ length: 4_500 }, (_, k) => tenant(`t${k}`, { concurrent: 1 })))
    group(Array.from({ length: 6_000 }, (_, k) => request(`k${k}`, { tenant_id: `t${k % 3_000}` })))
    group([{ kind: 'tick', at: at(1) }])
    expect(log.filter(({ kind }) => kind === 'SNAPSHOT')).to.have.length(3)
    const again = await restart(log)
    expect(stateHash(again)).to.equal(stateHash(state))
    expect([again.running.size, again.waiting.size]).to.deep.equal([3_000, 3_000])
    await restart(log.filter(({ kind, idx }) => kind !== 'SNAPSHOT' || idx !== 1)).then(
      () => expect.fail('restored'),
      (error: Error) => expect(error.message).to.match(/part 0 of 2 is not as it was written/),
    )
  })

  it('is left out when it does not fit into one commit', () => {
    const state = emptyState('e1', rules)
    fold(
      state,
      decide(
        state,
        Array.from({ length: 60_000 }, (_, k) => tenant(`tenant_with_a_long_name_${k}`)),
      ).rows,
    )
    expect(decide(state, [{ kind: 'tick', at: at(1) }]).rows).to.deep.equal([])
  })

  it('leaves nothing of a run that has ended and was announced but a number', async () => {
    const runs = Array.from({ length: 20 }, (_, k) => request(`k${k}`, { tenant_id: 'globex' }))
    const { state } = await play([
      ...runs.flatMap((message) => [[message], [ended(message.run)]]),
      [{ kind: 'tick', at: at(2) }],
    ])
    expect(state.runs.size).to.equal(0)
    expect(
      runs
        .map(({ run }) => archivedAt(state.archive, run.run_id))
        .every((place) => place !== undefined && place.from_seq > 0 && place.to_seq <= state.seq),
    ).to.be.true
    expect(archivedAt(state.archive, makeRun('another').run_id)).to.be.undefined
  })
})

describe('the past', () => {
  it('is forgotten after 200 days', () => {
    const state = emptyState('e1')
    for (const day of ['2025-08-21', '2025-08-22', '2026-03-10'])
      remember(state.archive, makeRun(day).run_id, { day, from_seq: 1, to_seq: 2 })
    forget(state, at(0))
    expect([...state.archive.keys()]).to.deep.equal(['2025-08-22', '2026-03-10'])
  })

  it('knows every run that it heard of, one by one or many at once, and no other', () => {
    const ids = Array.from({ length: 5_000 }, (_, k) => makeRun(`k${k}`).run_id)
    const [single, many]: [Archive, Archive] = [new Map(), new Map()]
    for (const id of ids) remember(single, id, { day: '2026-03-10', from_seq: 3, to_seq: 9 })
    archiveAll(many, ids.map((id) => id.slice(2, 2 + rememberedDigits)).join(''), {
      day: '2026-03-10',
      from_seq: 3,
      to_seq: 9,
    })
    for (const past of [single, many]) {
      expect(past.get('2026-03-10')?.ids.size).to.equal(5_000)
      expect(ids.every((id) => archivedAt(past, id)?.from_seq === 3)).to.be.true
      expect(
        Array.from({ length: 5_000 }, (_, k) => makeRun(`other ${k}`).run_id).filter(
          (id) => archivedAt(past, id) !== undefined,
        ),
      ).to.deep.equal([])
    }
  })
})
