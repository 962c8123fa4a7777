import fc from 'fast-check'
import { expect } from 'chai'
import { AppError, type Run } from '@convergence/contracts'
import type { Message } from '../src/ledger/decide.ts'
import { decide } from '../src/ledger/decide.ts'
import { fold, stateHash } from '../src/ledger/fold.ts'
import type { LedgerRow } from '../src/ledger/state.ts'
import { emptyState } from '../src/ledger/state.ts'
import { at, ended, makeRun, request, tenant } from './world.ts'

const limits = { acme: { daily: 6, monthly: 9, concurrent: 2 }, globex: { daily: 50, monthly: 50, concurrent: 1 } }
const tenants = fc.constantFrom('acme' as const, 'globex' as const)
const key = fc.integer({ min: 0, max: 15 }).map((k) => `k${k}`)
const minute = fc.integer({ min: 0, max: 1500 })
const message: fc.Arbitrary<Message> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .record({
        tenant_id: tenants,
        key,
        minute,
        priority: fc.integer({ min: 0, max: 9 }),
        serial: fc.constantFrom<Partial<Run>>(
          {},
          {},
          { concurrency_key: 'x' },
          { concurrency_key: 'y' },
          { concurrency_key: 'x', cancel_in_progress: true },
        ),
      })
      .map(({ serial, ...one }): Message =>
        request(one.key, { tenant_id: one.tenant_id, priority: one.priority, ...serial }, at(one.minute)),
      ),
  },
  {
    weight: 5,
    arbitrary: fc
      .record({
        tenant_id: tenants,
        key,
        minute,
        conclusion: fc.constantFrom(
          'SUCCEEDED' as const,
          'FAILED' as const,
          'TIMED_OUT' as const,
          'CANCELLED' as const,
        ),
      })
      .map((one) =>
        ended(makeRun(one.key, { tenant_id: one.tenant_id }), { conclusion: one.conclusion }, at(one.minute)),
      ),
  },
  fc.record({ tenant_id: tenants, key, minute }).map((one): Message => ({
    kind: 'cancel',
    tenant_id: one.tenant_id,
    run_id: makeRun(one.key, { tenant_id: one.tenant_id }).run_id,
    at: at(one.minute),
  })),
  fc.record({ tenant_id: tenants, key, minute }).map((one): Message => ({
    kind: 'poison',
    run_id: makeRun(one.key, { tenant_id: one.tenant_id }).run_id,
    subscription: 'executor.step-completed',
    detail: 'threw',
    at: at(one.minute),
  })),
  minute.map((when): Message => ({ kind: 'tick', at: at(when) })),
  fc
    .record({
      tenant_id: tenants,
      version: fc.integer({ min: 2, max: 5 }),
      status: fc.constantFrom('ACTIVE' as const, 'SUSPENDED' as const),
    })
    .map((one) => tenant(one.tenant_id, limits[one.tenant_id], { version: one.version, status: one.status })),
)
const groups = fc.array(fc.array(message, { minLength: 1, maxLength: 8 }), { maxLength: 30 })
const first = Object.entries(limits).map(([tenant_id, of]) => tenant(tenant_id, of))

const play = (all: readonly (readonly Message[])[]) => {
  const state = emptyState('e1')
  const log: LedgerRow[] = []
  for (const group of [first, ...all]) {
    const { rows } = decide(state, group)
    fold(state, rows)
    log.push(...rows)
  }
  return { state, log }
}

describe('whatever messages come', () => {
  it('holds every limit at every prefix of the log, ends each run once, and never lets it start after its end', () => {
    fc.assert(
      fc.property(groups, (all) => {
        const running = new Map<string, string>()
        const serial = new Map<string, string>()
        const over = new Set<string>()
        const counted = new Map<string, Set<string>>()
        for (const { kind, run_id, tenant_id, period_day, period_month, body } of play(all).log) {
          if (run_id === null) continue
          const of = limits[tenant_id as keyof typeof limits]
          if (kind === 'ADMIT' || kind === 'QUEUE') {
            expect(over.has(run_id)).to.be.false
            for (const [period, limit] of [
              [period_day, of.daily],
              [period_month, of.monthly],
            ] as const) {
              const ids = counted.get(`${tenant_id}${period}`) ?? new Set()
              counted.set(`${tenant_id}${period}`, ids.add(run_id))
              expect(ids.size).to.be.at.most(limit)
            }
          }
          if (kind === 'ADMIT') {
            running.set(run_id, tenant_id)
            const { concurrency_key } = body as Run
            if (concurrency_key !== undefined) {
              const beside = [...serial].filter(
                ([id, of]) => running.has(id) && of === `${tenant_id} ${concurrency_key}`,
              )
              expect(beside).to.deep.equal([])
              serial.set(run_id, `${tenant_id} ${concurrency_key}`)
            }
            expect([...running.values()].filter((other) => other === tenant_id).length).to.be.at.most(of.concurrent)
          }
          if (kind === 'RELEASE' || kind === 'REJECT') {
            expect(over.has(run_id)).to.be.false
            over.add(run_id)
            running.delete(run_id)
          }
        }
      }),
      { numRuns: 200 },
    )
  })

  it('lets nothing wait that has room, and whose concurrency_key nobody runs with', () => {
    fc.assert(
      fc.property(groups, (all) => {
        const { accounts, running } = play(all).state
        for (const { queue, ...owner } of accounts.values()) {
          if (owner.running >= owner.limits.concurrent) continue
          const taken = [...running.values()].filter(({ tenant_id }) => tenant_id === owner.tenant_id)
          for (const { run_id, concurrency_key } of queue)
            if (concurrency_key === undefined || !taken.some((run) => run.concurrency_key === concurrency_key))
              expect.fail(`${run_id} waits for nothing`)
        }
      }),
      { numRuns: 200 },
    )
  })

  it('writes nothing more when all requests and ends come again, in any order', () => {
    fc.assert(
      fc.property(groups, fc.integer(), (all, seed) => {
        const { state } = play(all)
        // Those that were nacked (nothing known yet) are not answered yet.
        const again = all
          .flat()
          .filter((one) => one.kind === 'request' || one.kind === 'ended')
          .filter((one) =>
            state.runs
              .get(one.kind === 'request' ? one.run.run_id : one.event.run.run_id)
              ?.phase.match(/ENDED|REJECTED/),
          )
        const shuffled = again
          .map((one, k) => ({ one, place: Math.sin(seed + k * 7919) }))
          .sort((a, b) => a.place - b.place)
          .map(({ one }) => one)
        expect(decide(state, [...shuffled, ...shuffled]).rows).to.deep.equal([])
      }),
      { numRuns: 200 },
    )
  })

  it('folds to the same state from rows in any order and with duplicates', () => {
    fc.assert(
      fc.property(groups, fc.infiniteStream(fc.nat()), (all, places) => {
        const { state, log } = play(all)
        const shuffled = [...log, ...log]
          .map((row) => ({ row, place: places.next().value as number }))
          .sort((a, b) => a.place - b.place)
          .map(({ row }) => row)
        expect(stateHash(fold(emptyState('e1'), shuffled))).to.equal(stateHash(state))
      }),
      { numRuns: 100 },
    )
  })

  it('decides the same twice, and leaves the state as it was', () => {
    fc.assert(
      fc.property(groups, fc.array(message, { maxLength: 8 }), (all, group) => {
        const { state } = play(all)
        const before = stateHash(state)
        const plain = () => {
          const { rows, answers } = decide(state, group)
          return JSON.stringify({
            rows,
            answers: answers.map((answer) => (answer instanceof AppError ? answer.code : answer)),
          })
        }
        expect(plain()).to.equal(plain())
        expect(stateHash(state)).to.equal(before)
      }),
      { numRuns: 100 },
    )
  })
})
