import { expect } from 'chai'
import fc from 'fast-check'
import { AppError } from '@convergence/contracts'
import { createKey, revokeKey, rotateKey } from '../src/keys.ts'
import type { RouteContext } from '../src/context.ts'
import { openKeys } from '../src/principal.ts'
import { registerPublisher, revokePublisher } from '../src/publishers.ts'
import { openStore } from '../src/store.ts'
import type { PublisherKeyRow } from '../src/store/keys.ts'
import { clock, fakeWarehouse, type FakeWarehouse } from './fakes.ts'

const silent = { error: () => undefined }

/** A replica: its own store and cache; every call of the warehouse waits until the scheduler lets it through. */
const replica = (warehouse: FakeWarehouse, step: <T>(work: () => Promise<T>) => Promise<T>): RouteContext => {
  const time = clock()
  const store = openStore({
    warehouse: {
      ...warehouse,
      query: (statement) => step(() => warehouse.query(statement)),
      commit: (table, at, rows) => step(() => warehouse.commit(table, at, rows)),
    },
    log: silent,
  })
  const deps = {
    now: time.now,
    random_bytes: undefined,
    secrets: { seal: async () => 'sealed' },
  }
  return { deps, store, keys: openKeys({ store, now: time.now }) } as unknown as RouteContext
}
const atOnce = <T>(work: () => Promise<T>) => work()
const outcome = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof AppError ? error.code : String(error)),
  )

describe('two replicas that change one key at the same time', () => {
  type Action = 'revoke' | 'rotate'
  const run = async (scheduler: fc.Scheduler, left: readonly Action[], right: readonly Action[]) => {
    const warehouse = fakeWarehouse()
    const { row } = await createKey(replica(warehouse, atOnce), { tenant_id: 'acme_corp', created_by: 'test' })
    const step = <T>(work: () => Promise<T>) => scheduler.schedule(Promise.resolve()).then(work)
    const act = async (actions: readonly Action[]) => {
      const parts = replica(warehouse, step)
      const outcomes: string[] = []
      for (const action of actions)
        outcomes.push(
          await outcome(
            action === 'revoke'
              ? revokeKey(parts, row.key_id)
              : rotateKey(parts, row.key_id, { overlap_hours: 1, created_by: 'test' }),
          ),
        )
      return outcomes
    }
    const acting = Promise.all([act(left), act(right)])
    const [outcomes] = await Promise.all([acting, scheduler.waitFor(acting)])
    const reader = openStore({ warehouse, log: silent })
    return { outcomes: outcomes.flat(), key: await reader.keyById(row.key_id), all: await reader.keysOf('acme_corp') }
  }

  it('leave a revoked key revoked and at most one successor, in every order of their reads and writes', () =>
    fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(fc.constantFrom<Action>('revoke', 'rotate'), { minLength: 1, maxLength: 3 }),
        fc.array(fc.constantFrom<Action>('revoke', 'rotate'), { minLength: 1, maxLength: 3 }),
        async (scheduler, left, right) => {
          const actions = [...left, ...right]
          const { outcomes, key, all } = await run(scheduler, left, right)
          actions.forEach((action, k) => {
            if (action === 'revoke') expect(outcomes[k]).to.equal('done')
            else expect(outcomes[k]).to.be.oneOf(['done', 'CONFLICT'])
          })
          const rotations = actions.filter((action, k) => action === 'rotate' && outcomes[k] === 'done').length
          expect(rotations).to.be.at.most(1)
          expect(all.length).to.equal(1 + rotations)
          expect(key?.is_active).to.equal(!actions.includes('revoke'))
          const successors = all.filter(({ key_id }) => key_id !== key?.key_id)
          expect(successors.map(({ key_id }) => key_id)).to.deep.equal(rotations === 0 ? [] : [key?.replaced_by])
        },
      ),
      { numRuns: 300 },
    ))
})

describe('two replicas that change one publisher at the same time', () => {
  it('leave it revoked once it was revoked, and refuse its registration from then on', () =>
    fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.nat(4), async (scheduler, registrations) => {
        const warehouse = fakeWarehouse()
        const wanted = (description: string): Omit<PublisherKeyRow, 'version'> => ({
          kid: 'acme.upstream',
          tenant_id: 'acme_corp',
          public_key: 'k',
          pipelines: [],
          is_active: true,
          not_before: null,
          expires_at: null,
          description,
        })
        await registerPublisher(replica(warehouse, atOnce), wanted('first'))
        const step = <T>(work: () => Promise<T>) => scheduler.schedule(Promise.resolve()).then(work)
        const [one, other] = [replica(warehouse, step), replica(warehouse, step)]
        const acting = Promise.all([
          outcome(revokePublisher(one, 'acme.upstream')),
          ...Array.from({ length: registrations + 1 }, (_, k) =>
            outcome(registerPublisher(other, wanted(`again ${k}`))),
          ),
        ])
        const [[revoked]] = await Promise.all([acting, scheduler.waitFor(acting)])
        expect(revoked).to.equal('done')
        const reader = openStore({ warehouse, log: silent })
        expect((await reader.publisherKey('acme.upstream'))?.is_active).to.equal(false)
        expect(await outcome(registerPublisher(replica(warehouse, atOnce), wanted('later')))).to.equal('CONFLICT')
        const versions = (warehouse.rows['publisher_keys_rows'] ?? []).map((row) => row['version'])
        expect(new Set(versions).size).to.equal(versions.length)
      }),
      { numRuns: 200 },
    ))
})
