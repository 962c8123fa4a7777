/**
 * Looks what the providers have of every period that is loaded, and writes down what is another than it was. Nothing is
 * loaded here: the step that follows asks for it. A repeat writes the same again.
 */
import { AppError, systemTenant, type GcpSource, type Source } from '@convergence/contracts'
import { completeExport } from '@convergence/service/export-table'
import { readAllSources, type OwnedSource } from '@convergence/service/sources'
import type { Processor } from '@convergence/service/steps'
import type { Warehouse } from '@convergence/warehouse'
import { withAccess, type AccessOf } from '../../../exports/access.ts'
import { problemOf, storeOf } from '../../../exports/check.ts'
import { monthsSeen, type FileSource } from '../../../exports/versions.ts'
import { versionOfRows, type LoadState, type PeriodOf } from '../../../load-state.ts'
import type { ProcessorDeps } from '../../deps.ts'
import { isOf, ownership } from './ownership.ts'

type Seen = PeriodOf & {
  version: string
  /** Whether something of the period is loaded. */
  loaded: boolean
}
type Owned<S extends Source> = OwnedSource & { source: S }
type ClaimedTable = GcpSource & { name: string }

/** Stores answer in tens of milliseconds, and a listing costs little here. */
const listingsAtATime = 8
const mostDays = 400
const mostTold = 100
const keyOf = (tenant_id: string, source: string): string => `${tenant_id} ${source}`

export const refresh = ({
  warehouse,
  objects,
  accessOf,
  load_states,
  log,
}: Pick<ProcessorDeps, 'objects' | 'load_states' | 'log'> & {
  warehouse: Pick<Warehouse, 'query' | 'dryRun'>
  accessOf: AccessOf
}): Processor => ({
  ps_type: 'setup.sources.refresh',
  run: async ({ run, step, signal, now }) => {
    const days = Number(step.config['days'] ?? 62)
    if (!Number.isInteger(days) || days < 1 || days > mostDays)
      throw new AppError('PARAMETER_INVALID', `step ${step.step_id}: days: expected 1 to ${mostDays}, got ${days}`)
    const observed_at = now()
    const from = new Date(Date.parse(run.requested_at) - days * 86_400_000).toISOString().slice(0, 10)
    const only = run.tenant_id === systemTenant ? undefined : run.tenant_id
    const states = Map.groupBy(await load_states.read(only), ({ tenant_id, source }) => keyOf(tenant_id, source))
    const all = await readAllSources(warehouse, only)
    const loaded = all.filter(({ tenant_id, source }) => states.has(keyOf(tenant_id, source.name)))
    const statesOf = ({ tenant_id, source }: OwnedSource): LoadState[] =>
      states.get(keyOf(tenant_id, source.name)) ?? []

    const seen: Seen[] = []
    const warnings: string[] = []
    const tell = ({ tenant_id, source }: OwnedSource, problem: string) => {
      warnings.push(`${only === undefined ? `tenant ${tenant_id}, ` : ''}source ${source.name}: ${problem}`)
    }
    const look = async (owned: Owned<FileSource>): Promise<void> => {
      signal.throwIfAborted()
      const { tenant_id, source } = owned
      try {
        const access = await accessOf(tenant_id, { ...source, store: storeOf(source) })
        const months = statesOf(owned).map(({ period }) => period)
        const { versions, problems } = await monthsSeen(withAccess(objects, access), source, months)
        for (const problem of problems) tell(owned, problem)
        seen.push(...changedMonths(owned, statesOf(owned), versions))
      } catch (error) {
        tell(owned, problemOf(error))
      }
    }
    await eachOf(loaded.filter(isOfFiles), listingsAtATime, look)

    const tables = Map.groupBy(loaded.filter(isOfTable), ({ source }) => source.table)
    for (const [table, owners] of tables)
      try {
        const rows = await rowsByDay(warehouse, table, owners[0]?.source.kind, from, signal)
        for (const owned of owners) {
          const { changed, vanished } = changedDays(owned, statesOf(owned), rows)
          seen.push(...changed)
          if (vanished.length > 0)
            tell(
              owned,
              `${vanished.length} days that are loaded, ${vanished.slice(0, 5).join(', ')}, have no row in ${table} any ` +
                'more; what was loaded stays',
            )
        }
      } catch (error) {
        for (const owned of owners) tell(owned, problemOf(error))
      }

    await load_states.recordSeen(seen, observed_at)
    const changed = seen.filter(({ loaded: isLoaded }) => isLoaded)
    for (const warning of warnings) log?.warn({ step_id: step.step_id, warning }, 'refresh warns')
    return {
      outputs: {
        sources: all.length,
        never_loaded: all.length - loaded.length,
        changed: changed.slice(0, mostTold).map(({ tenant_id, source, period }) => ({ tenant_id, source, period })),
        periods_changed: changed.length,
        periods_not_loaded: seen.length - changed.length,
        ...(warnings.length === 0 ? {} : { warnings: warnings.slice(0, mostTold) }),
      },
    }
  },
})

const isOfFiles = (owned: OwnedSource): owned is Owned<FileSource & { name: string }> => owned.source.provider !== 'gcp'
/** A price list is of its day: nobody changes it later. */
const isOfTable = (owned: OwnedSource): owned is Owned<ClaimedTable> =>
  owned.source.provider === 'gcp' && owned.source.kind !== 'pricing'

const eachOf = async <T>(items: readonly T[], at_a_time: number, work: (item: T) => Promise<void>): Promise<void> => {
  const left = items.values()
  await Promise.all(
    Array.from({ length: at_a_time }, async () => {
      for (const item of left) await work(item)
    }),
  )
}

/** Months of which there is another version than was last seen, for each pipeline that loads the source. */
export const changedMonths = (
  { tenant_id, source }: { tenant_id: string; source: { name: string } },
  states: readonly LoadState[],
  versions: ReadonlyMap<string, string>,
): Seen[] =>
  [...Map.groupBy(states, ({ pipeline }) => pipeline)].flatMap(([pipeline, known]) => {
    const last = new Map(known.map((state) => [state.period, state]))
    return [...versions]
      .filter(([period, version]) => last.get(period)?.seen_version !== version)
      .map(([period, version]) => {
        const isLoaded = (last.get(period)?.loaded_version ?? null) !== null
        return { tenant_id, source: source.name, pipeline, period, version, loaded: isLoaded }
      })
  })

/** Rows of a table by day, account and project. */
export interface DayRows {
  day: string
  account: string | null
  project: string | null
  /** export_time of the newest, as text. */
  newest: string | null
  rows: number
}
export interface TableRows {
  groups: readonly DayRows[]
  /** Of earlier days there are only rows that came lately; none where all were read. */
  whole_from?: string
}

const rowsByDay = async (
  warehouse: Pick<Warehouse, 'query' | 'dryRun'>,
  table: string,
  kind: GcpSource['kind'] | undefined,
  from: string,
  signal: AbortSignal,
): Promise<TableRows> => {
  const { columns, time, account, project, exported } = ownership[kind === 'focus' ? kind : 'detailed']
  const dryRun = (statement: { query: string }) => warehouse.dryRun(statement)
  const { query, partial } = await completeExport(dryRun, table, columns, from)
  const rows = await warehouse.query(
    {
      query: `SELECT day, payer, owner, CAST(MAX(exported) AS STRING) AS newest, COUNT(*) AS n
        FROM (
          SELECT CAST(DATE(${time}) AS STRING) AS day, ${account} AS payer, ${project} AS owner, ${exported} AS exported
          FROM (${query})
        )
        GROUP BY day, payer, owner`,
    },
    { signal },
  )
  const text = (value: unknown): string | null => (typeof value === 'string' ? value : null)
  const groups = rows.map((row) => ({
    day: String(row['day']),
    account: text(row['payer']),
    project: text(row['owner']),
    newest: text(row['newest']),
    rows: Number(row['n']),
  }))
  return partial ? { groups, whole_from: from } : { groups }
}

const newer = (a: string | null, b: string | null): string | null => (a === null || (b !== null && b > a) ? b : a)
/** The part of a version that says when the newest row came. */
const newestIn = (version: string): string => (version.includes(', ') ? (version.split(', ')[0] ?? '') : '')

/**
 * Loaded days of which the table has other rows than were last seen, and those of which it has none any more. Of days
 * that were not read whole only a newer row says that there is more.
 */
export const changedDays = (
  { tenant_id, source }: { tenant_id: string; source: ClaimedTable },
  states: readonly LoadState[],
  { groups, whole_from }: TableRows,
): { changed: Seen[]; vanished: string[] } => {
  const days = new Map<string, { newest: string | null; rows: number }>()
  for (const { day, account, project, newest, rows } of groups) {
    if (!isOf(source, account, project)) continue
    const known = days.get(day) ?? { newest: null, rows: 0 }
    days.set(day, { newest: newer(known.newest, newest), rows: known.rows + rows })
  }
  const changed: Seen[] = []
  const vanished: string[] = []
  for (const { pipeline, period, seen_version, loaded_version } of states) {
    if (loaded_version === null) continue
    const isWhole = whole_from === undefined || period >= whole_from
    const found = days.get(period)
    if (found === undefined) {
      if (isWhole && !/^0 rows$/.test(loaded_version)) vanished.push(period)
      continue
    }
    const isLater = found.newest !== null && found.newest > newestIn(loaded_version)
    if (!isWhole && !isLater) continue
    const version = versionOfRows(found.newest, found.rows)
    if (version !== seen_version)
      changed.push({ tenant_id, source: source.name, pipeline, period, version, loaded: true })
  }
  return { changed, vanished: vanished.sort() }
}
