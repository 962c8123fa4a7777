/**
 * Backfills: rows for what was wanted of each, a run of the ledger for each of its periods. What a backfill asks for
 * follows from both, so any replica goes on where another stopped, and asking twice starts nothing twice.
 */
import type { Outgoing } from '@convergence/bus'
import { AppError, centralDataset, isSystemPipeline, type Run } from '@convergence/contracts'
import type { Pipelines } from '@convergence/pipeline'
import type { Log } from '@convergence/service'
import { backfillColumns, readBackfill, rowOf, type Backfill } from '@convergence/service/backfill-row'
import {
  backfillIdOf,
  backfillOf,
  backfillTrigger,
  periodRange,
  planPeriods,
  type BackfillStatus,
  type PlanWanted,
} from '@convergence/service/backfills'
import { decideAnew, writeVersion } from '@convergence/service/versions'
import type { QueryParameter, Warehouse } from '@convergence/warehouse'
import { isOpen, nextOf, openRunsOf, type Asked, type Memo, type Next, type Seen } from './backfill.ts'
import { assertCompiles } from './compiles.ts'
import type { Ledger } from './ledger.ts'
import { archivedAt } from './ledger/archive.ts'
import type { ReadTenantFacts } from './tenant-facts.ts'

/** Rows carry the times of the messages that asked for them: another's may come later and be older. */
const clockMarginMs = 900_000
/** A request that the ledger does not know of after so long is asked for again. */
const askedMs = 50_000
/** Behind what the tenant asks for by itself. */
const priority = 7

export type BackfillChange = 'pause' | 'resume' | 'cancel'
export interface WantedBackfill extends Omit<PlanWanted, 'range'> {
  from_period: string
  to_period: string
  max_active: number
  created_by: string | undefined
}
interface By {
  /** The run that asks. */
  run_id: string
  at: string
}
interface Changed {
  backfill: Backfill
  /** What follows at once. */
  events: Outgoing[]
}
export interface Backfills {
  /** What all of them ask for at a tick; reads what other replicas have changed. */
  tick(at: string): Promise<Outgoing[]>
  /** What follows where these events, which are about to be published, are of runs of backfills. */
  after(events: readonly Outgoing[], at: string): Promise<Outgoing[]>
  create(wanted: WantedBackfill, by: By): Promise<Changed>
  change(which: { tenant_id: string; backfill_id: string }, action: BackfillChange, by: By): Promise<Changed>
}

export interface BackfillsOptions {
  warehouse: Pick<Warehouse, 'query' | 'commit' | 'getDataset'>
  ledger: Pick<Ledger, 'state' | 'past'>
  pipelines: Pipelines
  tenantFacts: ReadTenantFacts
  log: Pick<Log, 'warn'>
  /** Creation of the central tables. */
  epoch: string
  /** Names the key that signs what the backfills ask for. */
  kid?: string | undefined
}
interface Book extends BackfillsOptions {
  /** Those of which something still moves. */
  open: Map<string, Backfill>
  /** Those that ended, so that nobody looks for them. */
  ended: Set<string>
  newest: number | undefined
  /** The ledger's `backfill_changes` when they were read. */
  seen_changes: number | undefined
  /** Of those that are open. */
  paces: Map<string, Pace>
}
interface Pace {
  memo: Memo
  /** When something was asked for, by its idempotency key: the time of the message that it followed. */
  asked: Map<string, string>
}

// ---- what is written

const select = async (
  { warehouse }: Pick<Book, 'warehouse'>,
  condition: string,
  parameters: readonly QueryParameter[] = [],
): Promise<Backfill[]> =>
  (
    await warehouse.query({
      query: `SELECT ${backfillColumns} FROM tenant_backfills WHERE ${condition}`,
      parameters,
      default_dataset: centralDataset,
    })
  ).map(readBackfill)

const learn = (book: Book, backfill: Backfill): void => {
  const { backfill_id, ended_at, version } = backfill
  const known = book.open.get(backfill_id)
  if (known !== undefined && known.version > version) return
  if (ended_at === undefined) {
    if (!book.ended.has(backfill_id)) book.open.set(backfill_id, backfill)
    return
  }
  book.open.delete(backfill_id)
  if (book.ended.size > 10_000) book.ended.clear()
  book.ended.add(backfill_id)
  book.paces.delete(backfill_id)
}
const paceOf = ({ paces }: Book, { backfill_id }: Backfill): Pace => {
  const pace = paces.get(backfill_id) ?? { memo: new Map(), asked: new Map() }
  paces.set(backfill_id, pace)
  return pace
}

const refresh = async (book: Book): Promise<void> => {
  const { backfill_changes } = book.ledger.state
  const since = book.newest === undefined ? undefined : new Date(book.newest - clockMarginMs).toISOString()
  const rows =
    since === undefined
      ? await select(book, 'ended_at IS NULL')
      : await select(book, 'ended_at IS NULL OR recorded_at >= @since', [
          { name: 'since', type: 'TIMESTAMP', value: since },
        ])
  for (const backfill of rows) {
    book.newest = Math.max(book.newest ?? 0, Date.parse(backfill.recorded_at))
    learn(book, backfill)
  }
  book.seen_changes = backfill_changes
}
/**
 * Whoever changes a backfill does so by a run of the platform, whose end comes after the row: without such an end in
 * the ledger there is nothing new to read.
 */
const refreshIfChanged = async (book: Book): Promise<void> => {
  if (book.seen_changes !== book.ledger.state.backfill_changes) await refresh(book)
}

const readOne = async (book: Book, backfill_id: string): Promise<Backfill | undefined> => {
  const [backfill] = await select(book, 'backfill_id = @backfill_id', [
    { name: 'backfill_id', type: 'STRING', value: backfill_id },
  ])
  return backfill
}

/** False when another replica has written that version. */
const write = async (book: Book, backfill: Backfill): Promise<boolean> => {
  const { backfill_id: id, version } = backfill
  const place = { id, version, epoch: book.epoch }
  if (!(await writeVersion(book.warehouse, 'tenant_backfills', place, [rowOf(backfill)]))) return false
  learn(book, backfill)
  return true
}

// ---- what is asked for

/** What the ledger says, also of runs that ended before its last snapshot: those are read once. */
const paced = async (book: Book, backfill: Backfill, at: string): Promise<Next> => {
  const { ledger } = book
  const { memo } = paceOf(book, backfill)
  const read = new Map<string, Seen | undefined>()
  for (;;) {
    const missed: string[] = []
    const see = (run_id: string): Seen | undefined => {
      const entry = ledger.state.runs.get(run_id) ?? read.get(run_id)
      if (entry === undefined && !read.has(run_id) && archivedAt(ledger.state.archive, run_id) !== undefined)
        missed.push(run_id)
      return entry
    }
    // What is missed would look as if it had never been asked for: nothing is remembered of that.
    const next = nextOf(backfill, see, { at, is_open: isOpen(ledger.state, backfill.tenant_id, at) }, memo)
    if (missed.length === 0) return next
    const wanted = openRunsOf(backfill, memo)
    const found = await ledger.past(wanted)
    for (const run_id of wanted) read.set(run_id, found.get(run_id))
  }
}

const requestOf = ({ kid }: Book, backfill: Backfill, { period, run_id, idempotency_key }: Asked): Outgoing => ({
  topic: 'run-requested',
  event: {
    run_id,
    tenant_id: backfill.tenant_id,
    pipeline: backfill.pipeline,
    parameters: { ...backfill.parameters, [backfill.parameter]: period },
    trigger_type: 'backfill',
    trigger_by: backfillTrigger(backfill.backfill_id),
    priority,
  },
  idempotency_key,
  ...(kid === undefined ? {} : { attributes: { kid } }),
})
const cancelOf = ({ kid }: Book, { tenant_id, backfill_id }: Backfill, run_id: string): Outgoing => ({
  topic: 'run-requested',
  event: {
    tenant_id,
    action: 'cancel',
    parent_run_id: run_id,
    trigger_type: 'backfill',
    trigger_by: backfillTrigger(backfill_id),
  },
  idempotency_key: `cancel:${run_id}`,
  ...(kid === undefined ? {} : { attributes: { kid } }),
})

/** The next runs of one; writes down that it is over. Of many looks at about one time one asks, the same one again. */
const look = async (book: Book, backfill: Backfill, at: string): Promise<Outgoing[]> => {
  const { requests, cancels, end } = await paced(book, backfill, at)
  if (end !== undefined) {
    const { version } = backfill
    const ended = { ...backfill, ...end, ended_at: at, recorded_at: at, version: version + 1 }
    // Whoever was first has changed it or said the same.
    if (!(await write(book, ended))) await refresh(book)
    return []
  }
  const all = [
    ...requests.map((one) => requestOf(book, backfill, one)),
    ...cancels.map((run_id) => cancelOf(book, backfill, run_id)),
  ]
  const { asked } = paceOf(book, backfill)
  return all.filter(({ idempotency_key: key = '' }) => {
    const before = asked.get(key)
    if (before !== undefined && before !== at && Date.parse(at) - Date.parse(before) < askedMs) return false
    asked.set(key, at)
    return true
  })
}

const tick = async (book: Book, at: string): Promise<Outgoing[]> => {
  await refreshIfChanged(book)
  const asked: Outgoing[] = []
  for (const backfill of [...book.open.values()]) asked.push(...(await look(book, backfill, at)))
  return asked
}

const after = async (book: Book, events: readonly Outgoing[], at: string): Promise<Outgoing[]> => {
  const ids = new Map<string, 'ended' | 'admitted'>()
  for (const { topic, event } of events) {
    if (topic !== 'run-completed' && topic !== 'run-failed' && topic !== 'run-admitted') continue
    const id = backfillOf(event.run)
    if (id === undefined || book.ended.has(id)) continue
    if (topic !== 'run-admitted') ids.set(id, 'ended')
    else if (!ids.has(id)) ids.set(id, 'admitted')
  }
  const asked: Outgoing[] = []
  for (const [id, what] of ids) {
    try {
      await refreshIfChanged(book)
      const backfill = book.open.get(id)
      // One that was admitted goes on, unless its backfill was cancelled meanwhile.
      if (backfill !== undefined && (what === 'ended' || backfill.status === 'CANCELLED'))
        asked.push(...(await look(book, backfill, at)))
    } catch (error) {
      // The run's own end does not wait for it.
      const err = error instanceof Error ? error.message : String(error)
      book.log.warn({ backfill_id: id, err }, 'the backfill cannot be read or written; the next tick goes on with it')
    }
  }
  return asked
}

// ---- changes

const create = async (book: Book, wanted: WantedBackfill, by: By): Promise<Changed> => {
  const { pipelines, ledger } = book
  const { tenant_id, pipeline: path, from_period, to_period, max_active, created_by } = wanted
  const backfill_id = backfillIdOf(by.run_id)
  const before = await readOne(book, backfill_id)
  if (before !== undefined) return asChanged(book, before, by)
  const pipeline = pipelines.get(path)
  if (pipeline === undefined)
    throw new AppError('PIPELINE_UNKNOWN', `pipeline ${path}: no such pipeline; list them with GET /api/v1/pipelines`)
  if (isSystemPipeline(path))
    throw new AppError('FORBIDDEN', `pipeline ${path}: pipelines under setup/ have no backfill`)
  const range = periodRange(pipeline, { from: from_period, to: to_period })
  const { parameter, from, to } = range
  const parameters: Run['parameters'] = { ...wanted.parameters, [parameter]: from }
  await assertCompiles(
    book,
    { tenant_id, pipeline: path, parameters, trigger_type: 'backfill' },
    { event_id: by.run_id, at: by.at },
  )
  await refresh(book)
  assertRoom(book, tenant_id)
  const planned = await planPeriods(book.warehouse, { ...wanted, range })
  const periods = planned.filter(({ action }) => action === 'run').map(({ period }) => period)
  const backfill: Backfill = {
    backfill_id,
    tenant_id,
    pipeline: path,
    pipeline_id: pipeline.pipeline_id,
    parameter,
    from_period: from,
    to_period: to,
    parameters: wanted.parameters,
    reprocess: wanted.reprocess,
    period_order: wanted.period_order,
    max_active: Math.min(max_active, ledger.state.accounts.get(tenant_id)?.limits.concurrent ?? 1),
    periods,
    skipped: planned.length - periods.length,
    status: 'RUNNING',
    counts: undefined,
    failed_periods: undefined,
    created_by,
    created_at: by.at,
    ended_at: undefined,
    version: 1,
    recorded_at: by.at,
  }
  const written = (await write(book, backfill)) ? backfill : await readOne(book, backfill_id)
  if (written === undefined)
    throw new AppError('UNAVAILABLE', `backfill ${backfill_id} was written and cannot be read yet; tried again`)
  return asChanged(book, written, by)
}

/** A tenant has as many backfills at a time as runs. */
const assertRoom = ({ ledger, open }: Book, tenant_id: string): void => {
  const owner = ledger.state.accounts.get(tenant_id)
  if (owner === undefined)
    throw new AppError('TENANT_UNKNOWN', `tenant ${tenant_id}: no such tenant in the ledger; onboard it first`)
  const most = owner.limits.concurrent
  const own = [...open.values()].filter((one) => one.tenant_id === tenant_id && one.status !== 'CANCELLED')
  if (own.length >= most)
    throw new AppError(
      'CONFLICT',
      `tenant ${tenant_id} has ${own.length} backfills that have not ended, and its plan allows ${most}; ` +
        `wait for one or cancel one: ${own.map(({ backfill_id }) => backfill_id).join(', ')}`,
    )
}

const asChanged = async (book: Book, backfill: Backfill, { at }: By): Promise<Changed> => {
  learn(book, backfill)
  return { backfill, events: await look(book, backfill, at) }
}

/** The status that it has then; throws CONFLICT where there is nothing to change. */
const changedStatus = ({ backfill_id, status }: Backfill, action: BackfillChange): BackfillStatus => {
  const wanted = ({ pause: 'PAUSED', resume: 'RUNNING', cancel: 'CANCELLED' } as const)[action]
  if (status === 'RUNNING' || status === 'PAUSED' || status === wanted) return wanted
  throw new AppError('CONFLICT', `backfill ${backfill_id} has ended as ${status}; there is nothing to ${action}`)
}

const change = (
  book: Book,
  { tenant_id, backfill_id }: { tenant_id: string; backfill_id: string },
  action: BackfillChange,
  by: By,
): Promise<Changed> =>
  decideAnew(`backfill ${backfill_id}`, async () => {
    const known = await readOne(book, backfill_id)
    if (known?.tenant_id !== tenant_id)
      throw new AppError('NOT_FOUND', `backfill ${backfill_id}: tenant ${tenant_id} has no such backfill`)
    const status = changedStatus(known, action)
    if (status === known.status) return asChanged(book, known, by)
    const changed = { ...known, status, version: known.version + 1, recorded_at: by.at }
    return (await write(book, changed)) ? asChanged(book, changed, by) : undefined
  })

/** Reads those of which something still moves. */
export const openBackfills = async (options: BackfillsOptions): Promise<Backfills> => {
  const book: Book = {
    ...options,
    open: new Map(),
    ended: new Set(),
    newest: undefined,
    seen_changes: undefined,
    paces: new Map(),
  }
  await refresh(book)
  return {
    tick: (at) => tick(book, at),
    after: (events, at) => after(book, events, at),
    create: (wanted, by) => create(book, wanted, by),
    change: (which, action, by) => change(book, which, action, by),
  }
}
