/**
 * Pipelines that run by the clock. A schedule is a row; when it is due stands in its cron and time zone; what it asks
 * for is an ordinary
 * run-requested whose idempotency key holds the scheduled time. So a tick that comes twice, late or on two replicas
 * starts nothing twice.
 */
import { Cron } from 'croner'
import type { Outgoing } from '@convergence/bus'
import { AppError, centralDataset, isSystemPipeline, runId, systemTenant } from '@convergence/contracts'
import type { Run } from '@convergence/contracts'
import type { Pipelines } from '@convergence/pipeline'
import type { Row, Warehouse } from '@convergence/warehouse'

export interface Schedule {
  /** `{tenant_id}:{name}` */
  config_id: string
  tenant_id: string
  name: string
  pipeline: string
  pipeline_id: string
  /** Five fields. */
  cron: string
  /** IANA name. */
  timezone: string
  parameters: Run['parameters']
  priority: number
  is_active: boolean
  /** Times that passed while nobody ticked: none, the latest, or all of them. */
  missed: 'skip' | 'latest' | 'all'
  /** Whether it may start while its previous run has not ended. */
  overlap: 'allow' | 'skip'
  /** The latest time that was considered; first the time at which the schedule was made. */
  last_run_time: string
  /**
   * Times after this are its own: when it was made, or its cron, time zone or activity changed last. Built-in ones have
   * none.
   */
  effective_from?: string
  is_deleted: boolean
  version: number
  /** Pipelines of the platform whose YAML has a `schedule`: not in the table. */
  built_in?: boolean
}

/** Rows carry the times of the messages that asked for them: another's may come later and be older. */
const clockMarginMs = 900_000
/** Ticks come each minute. What is younger than this is not missed but due. */
const windowMs = 180_000
/** Most times that one schedule makes up for at once. */
const mostMissed = 1000

// Parsing is what costs: each pattern is parsed once.
const parsed = new Map<string, Cron>()
const cronOf = (cron: string, timezone: string): Cron => {
  const key = `${cron}|${timezone}`
  const known = parsed.get(key)
  if (known !== undefined) return known
  const made = new Cron(cron, { timezone, mode: '5-part', fixedTimeRule: 'no-wildcard', paused: true })
  if (parsed.size >= 10_000) parsed.clear()
  parsed.set(key, made)
  return made
}

/** Throws PARAMETER_INVALID for a cron that is not five fields or a time zone that does not exist. */
export const checkCron = (cron: string, timezone: string): void => {
  try {
    new Intl.DateTimeFormat('en', { timeZone: timezone })
  } catch {
    throw new AppError(
      'PARAMETER_INVALID',
      `timezone: expected an IANA name such as Europe/Berlin or UTC, got ${JSON.stringify(timezone)}`,
    )
  }
  try {
    cronOf(cron, timezone)
  } catch (error) {
    throw new AppError(
      'PARAMETER_INVALID',
      `cron: expected five fields such as 0 6 * * *, got ${JSON.stringify(cron)}: ${error instanceof Error ? error.message : 'unreadable'}`,
    )
  }
  // Counted from a fixed day, so that the same text is always the same answer.
  if (nextTime(cron, timezone, Date.UTC(2024, 0, 1)) === undefined)
    throw new AppError(
      'PARAMETER_INVALID',
      `cron: expected a time that comes, got ${JSON.stringify(cron)}, which never does; look at its day and month`,
    )
}

/**
 * The first time after `after` (milliseconds), or undefined when there is none. A day's fixed time comes once on every
 * local day, also where clocks change.
 */
export const nextTime = (cron: string, timezone: string, after: number): number | undefined =>
  cronOf(cron, timezone).nextRun(new Date(after))?.getTime()

/** Times in (after, until] that the schedule stands for at a tick at `until`, oldest first. */
export const dueTimes = (
  schedule: Pick<Schedule, 'cron' | 'timezone' | 'missed' | 'last_run_time' | 'effective_from'>,
  until: number,
): number[] => {
  const job = cronOf(schedule.cron, schedule.timezone)
  const recent = until - windowMs
  const last = Date.parse(schedule.last_run_time)
  // At least the window: a tick that comes late must see what a younger one has seen already.
  const made = Number.isNaN(last) ? recent : last
  let at = schedule.missed === 'skip' ? recent : Math.min(made, recent)
  // But never a time before it was made.
  if (schedule.effective_from !== undefined) at = Math.max(at, Date.parse(schedule.effective_from))
  const times: number[] = []
  for (;;) {
    const next = job.nextRun(new Date(at))?.getTime()
    if (next === undefined || next > until) break
    times.push(next)
    // A year of a minutely schedule must not be walked: only the newest can be asked for.
    if (times.length > mostMissed) times.shift()
    at = next
  }
  const young = times.filter((time) => time > recent)
  if (schedule.missed === 'all') return times
  if (schedule.missed === 'latest') return young.length > 0 ? young : times.slice(-1)
  return young
}

export interface Schedules {
  /** What is due at a tick; the same again when that tick comes again. */
  due(at: string, isRunning: (run_id: string) => boolean): Outgoing[]
  /** Reads what other replicas have changed. */
  refresh(): Promise<void>
  /** Writes down how far earlier ticks came. */
  record(at: string): Promise<void>
  put(
    schedule: Omit<Schedule, 'config_id' | 'pipeline_id' | 'version' | 'is_deleted' | 'last_run_time'>,
    by: { event_id: string; at: string },
  ): Promise<Schedule>
  remove(tenant_id: string, name: string, by: { event_id: string; at: string }): Promise<void>
  list(): readonly Schedule[]
}

/**
 * Reads the schedules through their view. `spread_seconds` moves each schedule by a fixed part of it, so that not all
 * start at the full hour; default 0. `kid` names the key that signs what they ask for.
 */
export const openSchedules = async ({
  warehouse,
  pipelines,
  spread_seconds = 0,
  kid,
}: {
  warehouse: Pick<Warehouse, 'query' | 'append'>
  pipelines: Pipelines
  spread_seconds?: number
  kid?: string
}): Promise<Schedules> => {
  const schedules = new Map<string, Schedule>()
  /** When the newest row that was read was written, milliseconds. */
  let newest: number | undefined
  const refresh = async (): Promise<void> => {
    const since = newest === undefined ? undefined : new Date(newest - clockMarginMs).toISOString()
    const rows = await warehouse.query({
      query: `SELECT config_id, tenant_id, name, pipeline, pipeline_id, cron, timezone, parameters, priority, is_active, missed, overlap, last_run_time, effective_from, is_deleted, version, recorded_at FROM tenant_pipeline_configs${since === undefined ? '' : ' WHERE recorded_at >= @since'}`,
      ...(since === undefined ? {} : { parameters: [{ name: 'since', type: 'TIMESTAMP', value: since }] }),
      default_dataset: centralDataset,
    })
    for (const row of rows) {
      const schedule = readSchedule(row)
      newest = Math.max(newest ?? 0, Date.parse(String(row['recorded_at'])))
      // Of two that were put at once under one version the view shows the later one to everybody.
      if ((schedules.get(schedule.config_id)?.version ?? 0) <= schedule.version)
        schedules.set(schedule.config_id, schedule)
    }
  }
  await refresh()
  for (const pipeline of pipelines.list()) {
    if (pipeline.schedule === undefined || !isSystemPipeline(pipeline.path)) continue
    const config_id = `system:${pipeline.path}`
    schedules.set(config_id, {
      config_id,
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
    })
  }

  /** What was asked for, by idempotency key, and at which tick: another tick does not ask again, the same one does. */
  const fired = new Map<string, { at: string; request: Outgoing; config_id: string; time: number }>()
  const lastRun = new Map<string, string>()
  /** Nothing is due between `from` and `next`: most schedules need no look into their cron at most ticks. */
  const idle = new Map<string, { schedule: Schedule; from: number; next: number }>()
  const timesOf = (schedule: Schedule, until: number): number[] => {
    const known = idle.get(schedule.config_id)
    if (known?.schedule === schedule && until >= known.from && until < known.next) return []
    const times = dueTimes(schedule, until)
    if (times.length === 0)
      idle.set(schedule.config_id, {
        schedule,
        from: until,
        next: nextTime(schedule.cron, schedule.timezone, until) ?? Infinity,
      })
    return times
  }
  const write = async (schedule: Schedule, event_id: string, recorded_at: string): Promise<void> => {
    // In memory only when it is written: what looks done is not done again.
    await warehouse.append('tenant_pipeline_configs_rows', [rowOf(schedule, event_id, recorded_at)])
    if ((schedules.get(schedule.config_id)?.version ?? 0) < schedule.version)
      schedules.set(schedule.config_id, schedule)
  }

  return {
    refresh,
    list: () => [...schedules.values()].filter((schedule) => !schedule.is_deleted),

    due: (at, isRunning) => {
      const until = Date.parse(at)
      const asked = [...fired.values()].filter((one) => one.at === at).map((one) => one.request)
      for (const schedule of schedules.values()) {
        if (!schedule.is_active || schedule.is_deleted) continue
        const times = timesOf(schedule, until - spreadMs(schedule.config_id, spread_seconds))
        for (const time of schedule.overlap === 'skip' ? times.slice(-1) : times) {
          const scheduled_time = new Date(time).toISOString()
          const idempotency_key = `sched:${schedule.config_id}:${scheduled_time}`
          if (fired.has(idempotency_key)) continue
          const last =
            lastRun.get(schedule.config_id) ??
            (schedule.last_run_time === ''
              ? undefined
              : runId(
                  schedule.tenant_id,
                  `sched:${schedule.config_id}:${new Date(schedule.last_run_time).toISOString()}`,
                ))
          const run_id = runId(schedule.tenant_id, idempotency_key)
          if (schedule.overlap === 'skip' && last !== undefined && last !== run_id && isRunning(last)) continue
          const request: Outgoing = {
            topic: 'run-requested',
            event: {
              run_id,
              tenant_id: schedule.tenant_id,
              pipeline: schedule.pipeline,
              parameters: schedule.parameters,
              trigger_type: 'schedule',
              trigger_by: schedule.config_id,
              priority: schedule.priority,
              scheduled_time,
            },
            idempotency_key,
            ...(kid === undefined ? {} : { attributes: { kid } }),
          }
          fired.set(idempotency_key, { at, request, config_id: schedule.config_id, time })
          lastRun.set(schedule.config_id, run_id)
          asked.push(request)
        }
      }
      return asked
    },

    // One tick later: by then the earlier one has been published, or comes again and finds its requests in memory.
    record: async (at) => {
      const latest = new Map<string, number>()
      for (const [key, one] of fired) {
        if (one.at < at) latest.set(one.config_id, Math.max(latest.get(one.config_id) ?? 0, one.time))
        if (Date.parse(at) - Date.parse(one.at) > 3_600_000) fired.delete(key)
      }
      const advancing: { before: Schedule; after: Schedule }[] = []
      for (const [config_id, time] of latest) {
        const schedule = schedules.get(config_id)
        const last_run_time = new Date(time).toISOString()
        if (schedule === undefined || schedule.is_deleted || schedule.last_run_time >= last_run_time) continue
        advancing.push({ before: schedule, after: { ...schedule, last_run_time, version: schedule.version + 1 } })
      }
      const rows = advancing
        .filter(({ before }) => before.built_in !== true)
        .map(({ after }) => rowOf(after, `${after.config_id}-considered-${after.last_run_time}`, at))
      if (rows.length > 0) await warehouse.append('tenant_pipeline_configs_rows', rows)
      // Unless somebody changed it meanwhile: theirs is the newer one, and what it fired is remembered.
      for (const { before, after } of advancing)
        if (schedules.get(after.config_id) === before) schedules.set(after.config_id, after)
    },

    put: async (wanted, { event_id, at }) => {
      const config_id = `${wanted.tenant_id}:${wanted.name}`
      checkCron(wanted.cron, wanted.timezone)
      // A version that another replica has used already would lose against its row.
      await refresh()
      const pipeline = pipelines.get(wanted.pipeline)
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
      // A schedule whose runs would all be refused is refused now.
      pipelines.compile({
        run_id: runId(wanted.tenant_id, event_id),
        tenant_id: wanted.tenant_id,
        pipeline: wanted.pipeline,
        parameters: wanted.parameters,
        trigger_type: 'schedule',
        requested_at: at,
      })
      const known = schedules.get(config_id)
      // A change of anything else loses no time that is due just now.
      const goesOn =
        known?.is_active === true &&
        !known.is_deleted &&
        wanted.is_active &&
        known.cron === wanted.cron &&
        known.timezone === wanted.timezone
      const effective_from = goesOn && known.effective_from !== undefined ? known.effective_from : at
      const schedule: Schedule = {
        ...wanted,
        config_id,
        pipeline_id: pipeline.pipeline_id,
        last_run_time: at,
        effective_from,
        is_deleted: false,
        version: (known?.version ?? 0) + 1,
      }
      await write(schedule, event_id, at)
      return schedule
    },

    remove: async (tenant_id, name, { event_id, at }) => {
      await refresh()
      const known = schedules.get(`${tenant_id}:${name}`)
      if (known === undefined)
        throw new AppError('NOT_FOUND', `schedule ${name}: tenant ${tenant_id} has no such schedule`)
      if (!known.is_deleted)
        await write({ ...known, is_deleted: true, is_active: false, version: known.version + 1 }, event_id, at)
    },
  }
}

/** Between 0 and `spread_seconds`, the same for a schedule at every tick. */
const spreadMs = (config_id: string, spread_seconds: number): number => {
  if (spread_seconds === 0) return 0
  let hash = 0
  for (const character of config_id) hash = (hash * 31 + character.charCodeAt(0)) >>> 0
  return (hash % spread_seconds) * 1000
}

const readSchedule = (row: Row): Schedule => {
  const parameters: unknown = typeof row['parameters'] === 'string' ? JSON.parse(row['parameters']) : row['parameters']
  return {
    config_id: String(row['config_id']),
    tenant_id: String(row['tenant_id']),
    name: String(row['name']),
    pipeline: String(row['pipeline']),
    pipeline_id: String(row['pipeline_id']),
    cron: String(row['cron']),
    timezone: String(row['timezone']),
    parameters: (parameters ?? {}) as Run['parameters'],
    priority: Number(row['priority']),
    is_active: row['is_active'] === true,
    missed: String(row['missed']) as Schedule['missed'],
    overlap: String(row['overlap']) as Schedule['overlap'],
    last_run_time: new Date(String(row['last_run_time'] ?? row['recorded_at'])).toISOString(),
    ...(row['effective_from'] === null || row['effective_from'] === undefined
      ? {}
      : { effective_from: new Date(String(row['effective_from'])).toISOString() }),
    is_deleted: row['is_deleted'] === true,
    version: Number(row['version']),
  }
}

const rowOf = (schedule: Schedule, event_id: string, recorded_at: string): Row => {
  const { built_in: _, ...columns } = schedule
  const [provider, domain] = schedule.pipeline.split('/')
  const next = schedule.is_active
    ? nextTime(schedule.cron, schedule.timezone, Date.parse(schedule.last_run_time))
    : undefined
  return {
    ...columns,
    provider,
    domain,
    next_run_time: next === undefined ? null : new Date(next).toISOString(),
    event_id,
    recorded_at,
  }
}
