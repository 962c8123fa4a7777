import { expect } from 'chai'
import { AppError, requestDigest, type Run, type RunRequested } from '@convergence/contracts'
import type { Outgoing } from '@convergence/bus'
import type { Pipelines } from '@convergence/pipeline'
import type { Row, Statement } from '@convergence/warehouse'
import { openBackfills, type Backfills, type WantedBackfill } from '../src/backfills.ts'
import { openLedger, type Ledger } from '../src/ledger.ts'
import type { LedgerRow } from '../src/ledger/state.ts'
import { at, ended, makeRun, tableOf, tenant } from './world.ts'

const path = 'custom/examples/daily_row'
const pipelines: Pipelines = {
  kinds: [],
  followersOf: () => [],
  datedParameters: (_path, parameters) => parameters,
  list: () => [],
  get: (name) =>
    name === path || name.startsWith('setup/')
      ? {
          path: name,
          pipeline_id: 'daily_row',
          description: '',
          parameters: [{ name: 'date', type: 'date', description: '', required: true }],
          steps: [],
        }
      : undefined,
  compile: ({ parameters }) => {
    if (Object.keys(parameters).some((name) => name !== 'date'))
      throw new AppError('PARAMETER_INVALID', 'unknown parameter')
    return makeRun('x')
  },
}
const wanted: WantedBackfill = {
  tenant_id: 'acme',
  pipeline: path,
  from_period: '2026-01-01',
  to_period: '2026-01-05',
  parameters: {},
  reprocess: 'none',
  period_order: 'oldest_first',
  max_active: 2,
  created_by: 'key_x',
}
const by = (name: string, minute = 0) => ({ run_id: `r_${name.padEnd(26, 'a')}`, at: at(minute) })

interface Replica {
  ledger: Ledger
  backfills: Backfills
}
/** One log and one table, on any number of replicas. */
const openWorld = async (concurrent = 4) => {
  const log: LedgerRow[] = []
  const rows: Row[] = []
  const warnings: object[] = []
  const store = { away: false, reads: 0 }
  const commits = new Map<string, string>()
  const warehouse = {
    getDataset: async () => undefined,
    commit: async (table: string, place: object, added: readonly Row[]) => {
      if (store.away) throw new AppError('UNAVAILABLE', 'away')
      const [name, text] = [JSON.stringify([table, place]), JSON.stringify(added)]
      const before = commits.get(name)
      if (before !== undefined) return before === text ? ('mine' as const) : ('conflict' as const)
      commits.set(name, text)
      if (table === 'run_ledger') log.push(...structuredClone(added as unknown as LedgerRow[]))
      else rows.push(...structuredClone(added))
      return 'mine' as const
    },
    query: async ({ query, parameters = [] }: Statement) => {
      if (store.away) throw new AppError('UNAVAILABLE', 'away')
      if (!query.includes('FROM tenant_backfills')) return []
      store.reads += 1
      const value = parameters[0]?.value
      return [...Map.groupBy(rows, (row) => row['backfill_id']).values()]
        .map((versions) => versions.toSorted((a, b) => Number(b['version']) - Number(a['version']))[0]!)
        .filter((row) => {
          if (query.includes('backfill_id = @')) return row['backfill_id'] === value
          return row['ended_at'] === null || (value !== undefined && String(row['recorded_at']) >= String(value))
        })
    },
  }
  const quiet = { info: () => undefined, error: () => undefined, warn: (line: object) => warnings.push(line) }
  const open = async (): Promise<Replica> => {
    const table = tableOf(log)
    const rules = { snapshot_rows: 5 }
    const ledger = await openLedger({ warehouse: warehouse, table, log: quiet, epoch: 'e1', rules })
    const backfills = await openBackfills({
      warehouse: warehouse,
      ledger,
      pipelines,
      tenantFacts: () => Promise.resolve({ tenant: undefined }),
      log: quiet,
      epoch: 'e1',
    })
    return { ledger, backfills }
  }
  const first = await open()
  await first.ledger.submit(tenant('acme', { daily: 100, monthly: 1000, concurrent }))
  /** As the consumer of run-requested: what follows is returned. */
  const take = async ({ ledger, backfills }: Replica, { event, idempotency_key = '' }: Outgoing, minute: number) => {
    const { action, parent_run_id = '', tenant_id, parameters = {}, trigger_by } = event as RunRequested
    if (action === 'cancel') {
      const told = await ledger.submit({ kind: 'cancel', tenant_id, run_id: parent_run_id, at: at(minute) })
      return [...told, ...(await backfills.after(told, at(minute)))]
    }
    const run: Run = makeRun(idempotency_key, {
      tenant_id,
      pipeline: path,
      parameters,
      trigger_type: 'backfill',
      requested_at: at(minute),
      ...(trigger_by === undefined ? {} : { trigger_by }),
    })
    const told = await ledger.submit({ kind: 'request', run, digest: requestDigest(run), at: at(minute) })
    return [...told, ...(await backfills.after(told, at(minute)))]
  }
  const takeAll = async (replica: Replica, events: readonly Outgoing[], minute: number) => {
    const told: Outgoing[] = []
    for (const one of events) if (one.topic === 'run-requested') told.push(...(await take(replica, one, minute)))
    return told
  }
  /** The first of the running runs ends; what follows is returned. */
  const end = async (
    { ledger, backfills }: Replica,
    minute: number,
    conclusion: 'SUCCEEDED' | 'FAILED' = 'SUCCEEDED',
  ) => {
    const run = [...ledger.state.running.values()][0]?.run
    if (run === undefined) throw new Error('nothing runs')
    const told = await ledger.submit(ended(run, { conclusion }, at(minute)))
    return [...told, ...(await backfills.after(told, at(minute)))]
  }
  /** The run of the platform that has changed a backfill ends, which every replica learns from the ledger. */
  let changes = 0
  const told = async ({ ledger }: Replica, minute: number) => {
    changes += 1
    const run = makeRun(`change${changes}`, { tenant_id: 'system', pipeline: 'setup/tenants/backfill' })
    await ledger.submit({ kind: 'request', run, digest: requestDigest(run), at: at(minute) })
    await ledger.submit(ended(run, {}, at(minute)))
  }
  return { log, rows, store, warnings, open, first, takeAll, end, told }
}
const daysOf = (events: readonly Outgoing[]): string[] =>
  events.flatMap(({ topic, event }) => {
    const date = topic === 'run-requested' ? event.parameters?.['date'] : undefined
    return typeof date === 'string' ? [date.slice(-2)] : []
  })
const code = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'taken',
    (error: AppError) => error.code,
  )

describe('backfills', () => {
  it('ask at once, go on as their runs end, and write down how they ended', async () => {
    const { first, rows, takeAll, end } = await openWorld()
    const made = await first.backfills.create(wanted, by('a'))
    expect(daysOf(made.events)).to.deep.equal(['01', '02'])
    const [request] = made.events
    expect(request?.topic === 'run-requested' && request.event).to.deep.include({
      trigger_type: 'backfill',
      trigger_by: `backfill:${made.backfill.backfill_id}`,
      priority: 7,
    })
    let events = made.events
    const asked = [...daysOf(events)]
    for (let minute = 1; asked.length < 5 || first.ledger.state.running.size > 0; minute += 1) {
      await takeAll(first, events, minute)
      events = await end(first, minute, minute === 2 ? 'FAILED' : 'SUCCEEDED')
      asked.push(...daysOf(events))
    }
    expect(asked).to.deep.equal(['01', '02', '03', '04', '05'])
    const last = rows.at(-1)
    expect(last).to.include({ status: 'FAILED', version: 2, ended_at: at(5) })
    expect(last?.['counts']).to.include({ completed: 4, failed: 1 })
    expect(last?.['failed_periods']).to.have.length(1)
    expect(await first.backfills.tick(at(6))).to.deep.equal([])
  })

  it('are made once, however often they are asked for, and ask again for what may have been lost', async () => {
    const { first, rows } = await openWorld()
    const made = await first.backfills.create(wanted, by('a'))
    const again = await first.backfills.create(wanted, by('a'))
    expect([again.backfill, daysOf(again.events)]).to.deep.equal([made.backfill, ['01', '02']])
    expect(rows).to.have.length(1)
    // Published a moment ago: not again before the next tick.
    expect(daysOf(await first.backfills.tick(new Date(Date.parse(at(0)) + 1000).toISOString()))).to.deep.equal([])
    expect(daysOf(await first.backfills.tick(at(1)))).to.deep.equal(['01', '02'])
  })

  it('go on after a restart, also when the ledger keeps only numbers of their runs', async () => {
    const { first, open, takeAll, end } = await openWorld()
    let { events } = await first.backfills.create(wanted, by('a'))
    for (let minute = 1; minute <= 3; minute += 1) {
      await takeAll(first, events, minute)
      events = await end(first, minute)
    }
    await first.ledger.submit({ kind: 'tick', at: at(4) })
    const second = await open()
    expect(second.ledger.state.runs.size, 'of the past there are numbers').to.be.at.most(2)
    expect(daysOf(await second.backfills.tick(at(4)))).to.deep.equal(['05'])
  })

  it('are gone on with by whichever replica hears of it, and asked for under the same names', async () => {
    const { first, open, takeAll, end, told } = await openWorld()
    const second = await open()
    const { events } = await first.backfills.create(wanted, by('a'))
    await told(first, 0)
    await takeAll(second, events, 1)
    const followed = await end(second, 2)
    expect(daysOf(followed)).to.deep.equal(['03'])
    await first.ledger.submit({ kind: 'tick', at: at(3) })
    const same = await first.backfills.tick(at(3))
    expect(same.map(({ idempotency_key }) => idempotency_key)).to.deep.equal(
      followed.filter(({ topic }) => topic === 'run-requested').map(({ idempotency_key }) => idempotency_key),
    )
  })

  it('stop on every replica when a pause has been answered, and go on when resumed', async () => {
    const { first, open, takeAll, end, told } = await openWorld()
    const second = await open()
    const { backfill, events } = await first.backfills.create(wanted, by('a'))
    await takeAll(first, events, 1)
    const paused = await second.backfills.change(backfill, 'pause', by('b', 2))
    expect([paused.backfill.status, paused.events]).to.deep.equal(['PAUSED', []])
    await told(second, 2)
    expect(daysOf(await end(first, 3))).to.deep.equal([])
    await first.backfills.change(backfill, 'pause', by('c', 3))
    const resumed = await first.backfills.change(backfill, 'resume', by('d', 4))
    expect(daysOf(resumed.events)).to.deep.equal(['03'])
  })

  it('cancel what waits or runs, also what comes in afterwards, and end when nothing can come in any more', async () => {
    const { first, rows, takeAll } = await openWorld(1)
    const { backfill, events } = await first.backfills.create({ ...wanted, max_active: 5 }, by('a'))
    expect(backfill.max_active, "at most the plan's").to.equal(1)
    const late = events
    const cancelled = await first.backfills.change(backfill, 'cancel', by('b', 1))
    expect(cancelled.events).to.deep.equal([])
    const cancels = await takeAll(first, late, 1)
    expect(cancels.map(({ topic }) => topic)).to.deep.equal(['run-admitted', 'run-requested'])
    await takeAll(first, cancels, 1)
    expect(first.ledger.state.running.size).to.equal(0)
    expect(rows.at(-1)).to.include({ status: 'CANCELLED', ended_at: null })
    await first.backfills.tick(at(4))
    expect(rows.at(-1)).to.include({ status: 'CANCELLED', ended_at: at(4) })
    expect(rows.at(-1)?.['counts']).to.include({ cancelled: 1, pending: 4 })
    expect(await code(first.backfills.change(backfill, 'resume', by('c', 5)))).to.equal('CONFLICT')
    expect(await code(first.backfills.change(backfill, 'cancel', by('d', 5)))).to.equal('taken')
  })

  it("are refused for what cannot be: the platform's pipelines, no such pipeline, wrong parameters, too many", async () => {
    const { first } = await openWorld(1)
    const refused = (change: Partial<WantedBackfill>, name = 'b') =>
      code(first.backfills.create({ ...wanted, ...change }, by(name)))
    expect(await refused({ pipeline: 'setup/tenants/backfill' })).to.equal('FORBIDDEN')
    expect(await refused({ pipeline: 'custom/examples/none' })).to.equal('PIPELINE_UNKNOWN')
    expect(await refused({ parameters: { nonsense: 1 } })).to.equal('PARAMETER_INVALID')
    expect(await refused({ to_period: '2025-01-01' })).to.equal('PARAMETER_INVALID')
    expect(await refused({ tenant_id: 'nobody' })).to.equal('TENANT_UNKNOWN')
    const { backfill } = await first.backfills.create(wanted, by('a'))
    expect(await refused({})).to.equal('CONFLICT')
    expect(await code(first.backfills.change({ ...backfill, tenant_id: 'globex' }, 'pause', by('c')))).to.equal(
      'NOT_FOUND',
    )
  })

  it("hold up no run's end when their table cannot be read, and say so", async () => {
    const { first, store, warnings, open, takeAll, end, told: changed } = await openWorld()
    const second = await open()
    const { events } = await first.backfills.create(wanted, by('a'))
    await takeAll(second, events, 1)
    const { submit } = second.ledger
    const away = {
      ...second,
      ledger: {
        ...second.ledger,
        submit: async (...given: Parameters<typeof submit>) => {
          store.away = false
          const told = await submit(...given)
          store.away = true
          return told
        },
      },
    }
    await changed(first, 1)
    const told = await end(away, 2)
    store.away = false
    expect(told.map(({ topic }) => topic)).to.include('run-completed')
    expect(daysOf(told)).to.deep.equal([])
    expect(warnings.filter((line) => 'backfill_id' in line)).to.have.length(1)
    expect(daysOf(await second.backfills.tick(at(3)))).to.deep.equal(['03'])
  })

  it('cost no look into their table at ticks, whatever else was decided', async () => {
    const { first, store, takeAll, end } = await openWorld()
    const { events } = await first.backfills.create(wanted, by('a'))
    const { reads } = store
    await takeAll(first, events, 1)
    await end(first, 2)
    await first.backfills.tick(at(3))
    expect(store.reads).to.equal(reads)
  })
})
