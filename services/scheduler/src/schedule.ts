/**
 * Pipelines that run by the clock. A schedule is a row; when it is due stands in its cron and time zone; what it asks
 * for is an ordinary run-requested whose idempotency key holds the scheduled time. So a tick that comes twice, late or
 * on two replicas starts nothing twice.
 */
import type { Outgoing } from '@convergence/bus'
import { AppError, centralDataset, isSystemPipeline, runId, systemTenant } from '@convergence/contracts'
import type { Pipelines } from '@convergence/pipeline'
import type { Warehouse } from '@convergence/warehouse'
import { checkCron, nextTime } from '@convergence/calendar/cron'
import { assertCompiles } from './compiles.ts'
import { consideredUntil, missedTimes, recentTimes, windowMs } from './due.ts'
import { readSchedule, rowOf, scheduleColumns, type Schedule } from './schedule-row.ts'
import type { ReadTenantFacts } from './tenant-facts.ts'

export type { Schedule } from './schedule-row.ts'

/** Rows carry the times of the messages that asked for them: another's may come later and be older. */
const clockMarginMs = 900_000
/**
 * Looks into a cron, of some 0.1 ms, that one tick may spend on times that were missed; the next one goes on. So an
 * outage of whatever length delays no tick by more than about 50 ms, and nothing that is due now waits for it.
 */
const mostLooks = 500
/** What was asked for is remembered for an hour of ticks. */
const firedMs = 3_600_000

export interface Schedules {
  /** What is due at a tick; the same again when that tick comes again. */
  due(at: string, isRunning: (run_id: string) => boolean): Outgoing[]
  /** Reads what other replicas have changed. */
  refresh(): Promise<void>
  /** Writes down how far earlier ticks came. */
  record(at: string): Promise<void>
  put(wanted: WantedSchedule, by: { event_id: string; at: string }): Promise<Schedule>
  remove(tenant_id: string, name: string, by: { event_id: string; at: string }): Promise<void>
  list(): readonly Schedule[]
}
type WantedSchedule = Omit<Schedule, 'config_id' | 'pipeline_id' | 'version' | 'is_deleted' | 'last_run_time'>

export interface SchedulesOptions {
  warehouse: Pick<Warehouse, 'query' | 'append'>
  pipelines: Pipelines
  tenantFacts: ReadTenantFacts
  /** Moves each schedule by a fixed part of it, so that not all start at the full hour; default 0. */
  spread_seconds?: number | undefined
  /** Names the key that signs what the schedules ask for. */
  kid?: string | undefined
  /** Hears how many looks into a cron each tick has cost, for those that were missed. */
  onLooks?: (looks: number) => void
}

interface Fired {
  at: string
  request: Outgoing
  config_id: string
  time: number
}
/** The walk over the times that a schedule missed, which may take several ticks. */
interface CatchUp {
  schedule: Schedule
  until: number
  walk: Generator<undefined, number[], undefined>
}
interface Book extends SchedulesOptions {
  schedules: Map<string, Schedule>
  /** When the newest row that was read was written, milliseconds. */
  newest: number | undefined
  /** By idempotency key, and at which tick: another tick does not ask again, the same one does. */
  fired: Map<string, Fired>
  lastRun: Map<string, string>
  /** Nothing is due between `from` and `next`: most schedules need no look into their cron at most ticks. */
  idle: Map<string, { schedule: Schedule; from: number; next: number }>
  /** Until when the missed times of a schedule were asked for. */
  caughtUp: Map<string, number>
  catchingUp: Map<string, CatchUp>
}

const refresh = async (book: Book): Promise<void> => {
  const since = book.newest === undefined ? undefined : new Date(book.newest - clockMarginMs).toISOString()
  const changed = since === undefined ? '' : ' WHERE recorded_at >= @since'
  const rows = await book.warehouse.query({
    query: `SELECT ${scheduleColumns} FROM tenant_pipeline_configs${changed}`,
    ...(since === undefined ? {} : { parameters: [{ name: 'since', type: 'TIMESTAMP', value: since }] }),
    default_dataset: centralDataset,
  })
  for (const row of rows) {
    const schedule = readSchedule(row)
    book.newest = Math.max(book.newest ?? 0, Date.parse(String(row['recorded_at'])))
    // Of two that were put at once under one version the view shows the later one to everybody.
    if ((book.schedules.get(schedule.config_id)?.version ?? 0) <= schedule.version)
      book.schedules.set(schedule.config_id, schedule)
  }
}

/** Pipelines of the platform whose YAML has a `schedule`. */
const builtIn = (pipelines: Pipelines): Schedule[] =>
  pipelines.list().flatMap((pipeline): Schedule[] =>
    pipeline.schedule === undefined || !isSystemPipeline(pipeline.path)
      ? []
      : [
          {
            config_id: `${systemTenant}:${pipeline.path}`,
            tenant_id: systemTenant,
            name: pipeline.path,
            pipeline: pipeline.path,
            pipeline_id: pipeline.pipeline_id,
            cron: pipeline.schedule,
            timezone: 'UTC',
            parameters: {},
            priority: 0,
            is_active: true,
            missed: 'skip',
            overlap: 'skip',
            last_run_time: '',
            is_deleted: false,
            version: 0,
            built_in: true,
          },
        ],
  )

// ---- what is due

const scheduledRun = ({ tenant_id, config_id }: Schedule, time: string) => {
  const idempotency_key = `sched:${config_id}:${time}`
  return { idempotency_key, run_id: runId(tenant_id, idempotency_key) }
}

const isSerial = ({ overlap }: Schedule): boolean => overlap === 'queue' || overlap === 'cancel_previous'
/** Whether of several times that are due only the latest is fired. */
const isLatestOnly = ({ overlap }: Schedule): boolean => overlap === 'skip' || overlap === 'cancel_previous'
/** Asks for a run of the schedule at `time`, unless that was done or the schedule does not overlap. */
const fire = (
  { fired, lastRun, kid, pipelines }: Book,
  schedule: Schedule,
  time: number,
  at: string,
  isRunning: (run_id: string) => boolean,
): Outgoing[] => {
  const scheduled_time = new Date(time).toISOString()
  const { idempotency_key, run_id } = scheduledRun(schedule, scheduled_time)
  if (fired.has(idempotency_key)) return []
  const considered = consideredUntil(schedule)
  const last =
    lastRun.get(schedule.config_id) ??
    (considered === undefined ? undefined : scheduledRun(schedule, new Date(considered).toISOString()).run_id)
  if (schedule.overlap === 'skip' && last !== undefined && last !== run_id && isRunning(last)) return []
  const request: Outgoing = {
    topic: 'run-requested',
    event: {
      run_id,
      tenant_id: schedule.tenant_id,
      pipeline: schedule.pipeline,
      parameters: pipelines.datedParameters(schedule.pipeline, schedule.parameters, time, schedule.timezone),
      trigger_type: 'schedule',
      trigger_by: schedule.config_id,
      priority: schedule.priority,
      scheduled_time,
      // The ledger lets one of them run at a time, and the others wait in its queue, whichever process dies.
      ...(isSerial(schedule) ? { concurrency_key: schedule.config_id } : {}),
      ...(schedule.overlap === 'cancel_previous' ? { cancel_in_progress: true } : {}),
    },
    idempotency_key,
    ...(kid === undefined ? {} : { attributes: { kid } }),
  }
  fired.set(idempotency_key, { at, request, config_id: schedule.config_id, time })
  lastRun.set(schedule.config_id, run_id)
  return [request]
}

/** Times of the window, without a look into the cron where it is known that there are none. */
const recentOf = ({ idle }: Book, schedule: Schedule, until: number): number[] => {
  const known = idle.get(schedule.config_id)
  if (known?.schedule === schedule && until >= known.from && until < known.next) return []
  const times = recentTimes(schedule, until)
  if (times.length === 0) {
    const next = nextTime(schedule.cron, schedule.timezone, until) ?? Infinity
    idle.set(schedule.config_id, { schedule, from: until, next })
  }
  return times
}

/** Begins to look for what was missed before the window of this tick, where the schedule makes up for it. */
const beginCatchUp = (book: Book, schedule: Schedule, until: number, isDueNow: boolean): void => {
  const { config_id, missed } = schedule
  const known = book.catchingUp.get(config_id)
  if (known?.schedule === schedule) return
  book.catchingUp.delete(config_id)
  const since = Math.max(consideredUntil(schedule) ?? until, book.caughtUp.get(config_id) ?? -Infinity)
  if (missed === 'skip' || since >= until - windowMs) return
  // The latest is among those of the window already.
  if (isDueNow && (missed === 'latest' || isLatestOnly(schedule))) book.caughtUp.set(config_id, until - windowMs)
  else book.catchingUp.set(config_id, { schedule, until, walk: missedTimes(schedule, since, until) })
}

/** Goes on with what was missed as far as this tick's looks reach. */
const catchUp = (book: Book, fireOne: (schedule: Schedule, time: number) => Outgoing[]): Outgoing[] => {
  const asked: Outgoing[] = []
  let looks = 0
  for (const [config_id, { schedule, until, walk }] of book.catchingUp) {
    for (;;) {
      if (looks >= mostLooks) break
      const { done, value: times } = walk.next()
      if (done !== true) {
        looks += 1
        continue
      }
      for (const time of isLatestOnly(schedule) ? times.slice(-1) : times) asked.push(...fireOne(schedule, time))
      book.catchingUp.delete(config_id)
      book.caughtUp.set(config_id, until - windowMs)
      break
    }
    if (looks >= mostLooks) break
  }
  book.onLooks?.(looks)
  return asked
}

const due = (book: Book, at: string, isRunning: (run_id: string) => boolean): Outgoing[] => {
  const now = Date.parse(at)
  const asked = [...book.fired.values()].filter((one) => one.at === at).map(({ request }) => request)
  const fireOne = (schedule: Schedule, time: number) => fire(book, schedule, time, at, isRunning)
  for (const schedule of book.schedules.values()) {
    if (!schedule.is_active || schedule.is_deleted) {
      book.catchingUp.delete(schedule.config_id)
      continue
    }
    const until = now - spreadMs(schedule.config_id, book.spread_seconds ?? 0)
    const times = recentOf(book, schedule, until)
    beginCatchUp(book, schedule, until, times.length > 0)
    for (const time of isLatestOnly(schedule) ? times.slice(-1) : times) asked.push(...fireOne(schedule, time))
  }
  return [...asked, ...catchUp(book, fireOne)]
}

/** One tick later: by then the earlier one has been published, or comes again and finds its requests in memory. */
const record = async ({ warehouse, schedules, fired, catchingUp }: Book, at: string): Promise<void> => {
  const latest = new Map<string, number>()
  for (const [key, one] of fired) {
    if (one.at < at) latest.set(one.config_id, Math.max(latest.get(one.config_id) ?? 0, one.time))
    if (Date.parse(at) - Date.parse(one.at) > firedMs) fired.delete(key)
  }
  const advancing: { before: Schedule; after: Schedule }[] = []
  for (const [config_id, time] of latest) {
    const schedule = schedules.get(config_id)
    const last_run_time = new Date(time).toISOString()
    // What is still looked for would be forgotten by whoever takes over.
    if (schedule === undefined || schedule.is_deleted || catchingUp.has(config_id)) continue
    if (schedule.last_run_time >= last_run_time) continue
    advancing.push({ before: schedule, after: { ...schedule, last_run_time, version: schedule.version + 1 } })
  }
  const rows = advancing
    .filter(({ before }) => before.built_in !== true)
    .map(({ after }) => rowOf(after, `${after.config_id}-considered-${after.last_run_time}`, at))
  if (rows.length > 0) await warehouse.append('tenant_pipeline_configs_rows', rows)
  // Unless somebody changed it meanwhile: theirs is the newer one, and what it fired is remembered.
  for (const { before, after } of advancing)
    if (schedules.get(after.config_id) === before) schedules.set(after.config_id, after)
}

// ---- changes

const write = async (
  { warehouse, schedules }: Book,
  schedule: Schedule,
  { event_id, at }: { event_id: string; at: string },
): Promise<void> => {
  // In memory only when it is written: what looks done is not done again.
  await warehouse.append('tenant_pipeline_configs_rows', [rowOf(schedule, event_id, at)])
  if ((schedules.get(schedule.config_id)?.version ?? 0) < schedule.version) schedules.set(schedule.config_id, schedule)
}

const put = async (book: Book, wanted: WantedSchedule, by: { event_id: string; at: string }): Promise<Schedule> => {
  const config_id = `${wanted.tenant_id}:${wanted.name}`
  checkCron(wanted.cron, wanted.timezone)
  // A version that another replica has used already would lose against its row.
  await refresh(book)
  const pipeline = book.pipelines.get(wanted.pipeline)
  if (pipeline === undefined)
    throw new AppError(
      'PIPELINE_UNKNOWN',
      `pipeline ${wanted.pipeline}: no such pipeline; list them with GET /api/v1/pipelines`,
    )
  if (isSystemPipeline(wanted.pipeline) && wanted.tenant_id !== systemTenant)
    throw new AppError(
      'FORBIDDEN',
      `pipeline ${wanted.pipeline}: pipelines under setup/ are scheduled for the platform alone`,
    )
  const { tenant_id, parameters } = wanted
  const ofSchedule = { tenant_id, pipeline: wanted.pipeline, parameters, trigger_type: 'schedule' } as const
  await assertCompiles(book, ofSchedule, by).catch((error: unknown) => {
    // The sources of its runs may be made later.
    if (!(error instanceof AppError) || error.code !== 'SOURCE_UNKNOWN') throw error
  })
  const known = book.schedules.get(config_id)
  // A change of anything else loses no time that is due just now.
  const goesOn =
    known?.is_active === true &&
    !known.is_deleted &&
    wanted.is_active &&
    known.cron === wanted.cron &&
    known.timezone === wanted.timezone
  const schedule: Schedule = {
    ...wanted,
    config_id,
    pipeline_id: pipeline.pipeline_id,
    last_run_time: by.at,
    effective_from: goesOn && known.effective_from !== undefined ? known.effective_from : by.at,
    is_deleted: false,
    version: (known?.version ?? 0) + 1,
  }
  await write(book, schedule, by)
  return schedule
}

const remove = async (
  book: Book,
  tenant_id: string,
  name: string,
  by: { event_id: string; at: string },
): Promise<void> => {
  await refresh(book)
  const known = book.schedules.get(`${tenant_id}:${name}`)
  if (known === undefined) throw new AppError('NOT_FOUND', `schedule ${name}: tenant ${tenant_id} has no such schedule`)
  if (!known.is_deleted)
    await write(book, { ...known, is_deleted: true, is_active: false, version: known.version + 1 }, by)
}

/** Reads the schedules through their view. */
export const openSchedules = async (options: SchedulesOptions): Promise<Schedules> => {
  const book: Book = {
    ...options,
    schedules: new Map(),
    newest: undefined,
    fired: new Map(),
    lastRun: new Map(),
    idle: new Map(),
    caughtUp: new Map(),
    catchingUp: new Map(),
  }
  await refresh(book)
  for (const schedule of builtIn(options.pipelines)) book.schedules.set(schedule.config_id, schedule)
  return {
    refresh: () => refresh(book),
    list: () => [...book.schedules.values()].filter((schedule) => !schedule.is_deleted),
    due: (at, isRunning) => due(book, at, isRunning),
    record: (at) => record(book, at),
    put: (wanted, by) => put(book, wanted, by),
    remove: (tenant_id, name, by) => remove(book, tenant_id, name, by),
  }
}

/** Between 0 and `spread_seconds`, the same for a schedule at every tick. */
const spreadMs = (config_id: string, spread_seconds: number): number => {
  if (spread_seconds === 0) return 0
  let hash = 0
  for (const character of config_id) hash = (hash * 31 + character.charCodeAt(0)) >>> 0
  return (hash % spread_seconds) * 1000
}
