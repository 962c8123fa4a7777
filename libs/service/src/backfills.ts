/**
 * A backfill: a run of a pipeline for each day or month of a range. What a request means, for the one who previews it
 * and the one who carries it out.
 */
import { isPeriod, periodsBetween, type PeriodKind } from '@convergence/calendar/periods'
import { AppError, canonicalJson, centralDataset, type ErrorCode, type Run } from '@convergence/contracts'
import type { Pipeline } from '@convergence/pipeline'
import type { QueryParameter, Warehouse } from '@convergence/warehouse'

export const reprocessings = ['none', 'failed', 'changed', 'all'] as const
export type Reprocess = (typeof reprocessings)[number]
export const periodOrders = ['newest_first', 'oldest_first'] as const
export type PeriodOrder = (typeof periodOrders)[number]

export const backfillStatuses = ['RUNNING', 'PAUSED', 'COMPLETED', 'FAILED', 'CANCELLED'] as const
/** FAILED: all its periods are done, and not all of them completed. */
export type BackfillStatus = (typeof backfillStatuses)[number]

const mostPeriods = 1_000

// ---- names

/** Of the run that makes it: the same request is the same backfill. */
export const backfillIdOf = (run_id: string): string => `b_${run_id.slice(2)}`
/** Who asks for the runs of a backfill: `trigger_by` of each. */
export const backfillTrigger = (backfill_id: string): string => `backfill:${backfill_id}`
/** The backfill that a run is of, if it is of one. */
export const backfillOf = ({
  trigger_type,
  trigger_by,
}: Pick<Run, 'trigger_type' | 'trigger_by'>): string | undefined =>
  trigger_type === 'backfill' ? /^backfill:(.+)$/.exec(trigger_by ?? '')?.[1] : undefined
/** Idempotency key of the run of a period; `attempt` rises when a run was rejected for the tenant's quota. */
export const backfillRunKey = (backfill_id: string, period: string, attempt: number): string =>
  `backfill:${backfill_id}:${period}:${attempt}`
/** A run that was rejected with one of these has not run: its period is tried again. */
export const isTriedAgain = (code: string | null | undefined): boolean =>
  code === 'QUOTA_EXCEEDED' || code === 'SUBSCRIPTION_INACTIVE'

// ---- the range

export interface PeriodRange {
  /** Name of the pipeline's parameter that is the period. */
  parameter: string
  kind: PeriodKind
  /** Its other parameters that are days or months: what a run does not say of them is counted on its own day. */
  counted: readonly string[]
  from: string
  to: string
  /** Oldest first. */
  periods: string[]
  /** What was understood otherwise than it was written. */
  notes: string[]
}
const kindOfType: Readonly<Record<string, PeriodKind>> = { date: 'day', month: 'month' }
const wordsOf: Readonly<Record<PeriodKind, string>> = { day: 'a day as YYYY-MM-DD', month: 'a month as YYYY-MM' }

/**
 * The `date` that every pipeline has is the period only where the file says no other. Throws PARAMETER_INVALID for a
 * pipeline that has no parameter, or several, that could be the period.
 */
const periodParameter = ({ path, parameters }: Pick<Pipeline, 'path' | 'parameters'>) => {
  const all = parameters.filter(({ type }) => kindOfType[type] !== undefined)
  const said = all.filter(({ built_in }) => built_in !== true)
  const dated = said.length === 0 ? all : said
  const [only] = dated
  if (only === undefined || dated.length > 1)
    throw new AppError(
      'PARAMETER_INVALID',
      `pipeline ${path}: expected exactly one parameter of a type that is a period (${Object.keys(kindOfType).join(', ')}), ` +
        `got ${dated.length === 0 ? 'none' : dated.map(({ name }) => name).join(', ')}; such a pipeline has no backfill`,
    )
  const counted = all.filter((each) => each !== only).map(({ name }) => name)
  return { parameter: only.name, kind: kindOfType[only.type] ?? 'day', counted }
}

/** The periods of a backfill of this pipeline. Throws PARAMETER_INVALID with all faults. */
export const periodRange = (
  pipeline: Pick<Pipeline, 'path' | 'parameters'>,
  given: { from: string; to: string },
): PeriodRange => {
  const { parameter, kind, counted } = periodParameter(pipeline)
  const notes: string[] = []
  const faults: string[] = []
  const read = (name: 'from' | 'to'): string => {
    const written = given[name]
    if (isPeriod(kind, written)) return written
    if (kind === 'month' && isPeriod('day', written)) {
      notes.push(`${name}: ${written} was taken for its month, ${written.slice(0, 7)}`)
      return written.slice(0, 7)
    }
    faults.push(`${name}: expected ${wordsOf[kind]}, got ${JSON.stringify(written.slice(0, 64))}`)
    return ''
  }
  const [from, to] = [read('from'), read('to')]
  const periods = periodsBetween(kind, from, to, mostPeriods + 1)
  if (faults.length === 0 && periods.length === 0) faults.push(`to: expected ${from} or later, got ${to}`)
  if (periods.length > mostPeriods) faults.push(`to: expected at most ${mostPeriods} ${kind}s from ${from}, got more`)
  if (faults.length > 0) {
    const code: ErrorCode = 'PARAMETER_INVALID'
    throw new AppError(code, `the range of a backfill of ${pipeline.path} cannot be used`, { faults })
  }
  return { parameter, kind, counted, from, to, periods, notes }
}

// ---- which of its periods are run

export interface PlannedPeriod {
  period: string
  action: 'run' | 'skip'
  /** Why, in words. */
  reason: string
}
export interface PlanWanted {
  tenant_id: string
  pipeline: string
  range: Pick<PeriodRange, 'parameter' | 'kind' | 'counted' | 'periods'>
  /** The other parameters of the runs. */
  parameters: Run['parameters']
  reprocess: Reprocess
  period_order: PeriodOrder
}
interface LastRun {
  run_id: string
  status: string
}
/** The last run of each period, of those that started. */
type LastRuns = ReadonlyMap<string, LastRun>

/** What becomes of each period, in the order in which they are run. */
export const planPeriods = async (
  warehouse: Pick<Warehouse, 'query'>,
  wanted: PlanWanted,
): Promise<PlannedPeriod[]> => {
  const { range, reprocess, period_order } = wanted
  const nothing: LastRuns = new Map()
  const [last, changed] = await Promise.all([
    reprocess === 'all' ? nothing : lastRuns(warehouse, wanted),
    reprocess === 'changed' ? changedPeriods(warehouse, wanted) : new Set<string>(),
  ])
  const planned = range.periods.map((period) => ({
    period,
    ...decision(reprocess, last.get(period), changed.has(period)),
  }))
  return period_order === 'newest_first' ? planned.reverse() : planned
}

const decision = (
  reprocess: Reprocess,
  last: LastRun | undefined,
  is_changed: boolean,
): Pick<PlannedPeriod, 'action' | 'reason'> => {
  if (reprocess === 'all') return { action: 'run', reason: 'every period is run' }
  if (last === undefined) return { action: 'run', reason: 'it has no run' }
  const { run_id, status } = last
  const is = `its last run ${run_id} is ${status}`
  if (reprocess === 'none' || status === 'RUNNING') return { action: 'skip', reason: is }
  if (status === 'FAILED' || status === 'CANCELLED') return { action: 'run', reason: is }
  return is_changed
    ? { action: 'run', reason: `${is}, and a source of it has changed since` }
    : { action: 'skip', reason: is }
}

/**
 * A run counts for a period when its other parameters are those of the backfill too: one of a single source says
 * nothing of the others. A run that was rejected has not run.
 */
const lastRuns = async (
  warehouse: Pick<Warehouse, 'query'>,
  { tenant_id, pipeline, range: { parameter, kind, counted, periods }, parameters }: PlanWanted,
): Promise<LastRuns> => {
  // The name is one of the pipeline's parameters: letters, digits and _.
  const value = `JSON_VALUE(parameters, '$.${parameter}')`
  const rows = await warehouse.query({
    query: `SELECT pipeline_logging_id, status, parameters, requested_at
      FROM tenant_pipeline_runs
      WHERE tenant_id = @tenant_id AND pipeline = @pipeline AND status <> 'REJECTED'
        AND (${value} BETWEEN @first AND @last OR STRPOS(${value}, ',') > 0 OR STRPOS(${value}, '..') > 0)
      ORDER BY requested_at, pipeline_logging_id`,
    parameters: rangeValues({ tenant_id, pipeline, periods }),
    default_dataset: centralDataset,
  })
  // The record of a run has its counted days written out, asked for or not.
  const left = new Set([parameter, ...counted.filter((name) => (parameters[name] ?? null) === null)])
  const others = (all: Run['parameters']): string =>
    canonicalJson(Object.fromEntries(Object.entries(all).filter(([name, value]) => value !== null && !left.has(name))))
  const own = others(parameters)
  const last = new Map<string, LastRun>()
  for (const row of rows) {
    const given = (
      typeof row['parameters'] === 'string' ? JSON.parse(row['parameters']) : (row['parameters'] ?? {})
    ) as Run['parameters']
    if (others(given) !== own) continue
    const is = { run_id: String(row['pipeline_logging_id']), status: String(row['status']) }
    for (const period of saidPeriods(kind, String(given[parameter]))) last.set(period, is)
  }
  return last
}

/** Periods of which the provider had something else than what is loaded, when it was last looked at. */
const changedPeriods = async (
  warehouse: Pick<Warehouse, 'query'>,
  { tenant_id, pipeline, range: { periods }, parameters }: PlanWanted,
): Promise<ReadonlySet<string>> => {
  const source = typeof parameters['source'] === 'string' ? parameters['source'] : undefined
  const rows = await warehouse.query({
    query: `SELECT DISTINCT period FROM tenant_load_state
      WHERE tenant_id = @tenant_id AND pipeline = @pipeline AND changed AND period BETWEEN @first AND @last
        ${source === undefined ? '' : 'AND source = @source'}`,
    parameters: [
      ...rangeValues({ tenant_id, pipeline, periods }),
      ...(source === undefined ? [] : [text('source', source)]),
    ],
    default_dataset: centralDataset,
  })
  return new Set(rows.map(({ period }) => String(period)))
}

const text = (name: string, value: string | undefined): QueryParameter => ({ name, type: 'STRING', value })
const rangeValues = ({
  tenant_id,
  pipeline,
  periods,
}: Pick<PlanWanted, 'tenant_id' | 'pipeline'> & Pick<PeriodRange, 'periods'>): QueryParameter[] => [
  text('tenant_id', tenant_id),
  text('pipeline', pipeline),
  text('first', periods[0]),
  text('last', periods.at(-1)),
]

/** Most days of a range that a run may say. */
const longestRange = 1_000
/** What the period parameter of a run says: one period, several separated by commas, ranges as first..last. */
const saidPeriods = (kind: PeriodKind, said: string): string[] =>
  said.split(',').flatMap((part) => {
    const [from = '', to = from] = part.split('..').map((end) => end.trim())
    return periodsBetween(kind, from, to, longestRange)
  })
