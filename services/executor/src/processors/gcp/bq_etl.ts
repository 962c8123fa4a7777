import type { Column, TimePartitioning } from '@convergence/contracts'
import { assertWritable, ownDataset } from '@convergence/pipeline'
import { completeQuery, type ExportQuery } from '@convergence/service/export-table'
import type { Processor } from '@convergence/service/steps'
import type { Destination, QueryParameter, Warehouse } from '@convergence/warehouse'
import { endsInWords, endsOf, type PeriodValue } from '@convergence/warehouse/period'
import { openReads, writeChecked, type CheckedWriteDeps } from '../../checked-write.ts'
import type { Check } from '../../checks.ts'
import { namedIn } from '../../exports/words.ts'
import { isOfPeriod, replacedBy, type Replaced } from '../../exports/periods.ts'
import { versionOfRows, type LoadedPeriod, type LoadStates } from '../../load-state.ts'
import type { ProcessorDeps } from '../deps.ts'

/**
 * The `destination` of every step that writes a table of a tenant. `dataset_type` is the dataset's name by the time the
 * step runs.
 */
export interface DestinationConfig {
  bq_project_id: string
  dataset_type: string
  table: string
  write_mode: Destination['write_mode']
  period?: Record<string, PeriodValue>
  /** What differs from the period in other rows that are replaced with it. */
  also_replaces?: Record<string, PeriodValue | null>[]
  columns?: Column[]
  table_config?: {
    time_partitioning?: { field?: string; type?: TimePartitioning['type'] }
    clustering_fields?: string[]
  }
}
interface SourceConfig extends ExportQuery {
  bq_project_id: string
  parameters?: QueryParameter[]
  /** That there are no rows any more is not told. */
  may_be_empty?: boolean
  /** The one of own_tables without which there are no rows. */
  nothing_without?: string
}
interface Config {
  source: SourceConfig
  destination: DestinationConfig
  checks?: Check[]
}

export const destinationOf = ({
  bq_project_id,
  dataset_type,
  table,
  write_mode,
  period,
  also_replaces,
  columns,
  table_config,
}: DestinationConfig): Destination => ({
  project_id: bq_project_id,
  dataset: dataset_type,
  table,
  write_mode,
  ...(period === undefined ? {} : { period }),
  ...(also_replaces === undefined ? {} : { also_replaces: also_replaces.map((other) => ({ ...period, ...other })) }),
  ...(columns === undefined ? {} : { columns }),
  ...(table_config?.time_partitioning === undefined
    ? {}
    : { time_partitioning: { type: 'DAY' as const, ...table_config.time_partitioning } }),
  ...(table_config?.clustering_fields === undefined ? {} : { clustering_fields: table_config.clustering_fields }),
})

/** One SELECT into one table of the tenant. What it may read and write is settled before there is a job. */
export const bqEtl = ({
  warehouse,
  store,
  load_states,
  shared_sources,
}: Pick<ProcessorDeps, 'store' | 'shared_sources'> & {
  load_states?: Pick<LoadStates, 'recordLoaded'> | undefined
  warehouse: CheckedWriteDeps['warehouse']
}): Processor => ({
  ps_type: 'gcp.bq_etl',
  run: async (context) => {
    const { run, step } = context
    const observed_at = context.now()
    const { source, destination, checks = [] } = step.config as unknown as Config
    const target = destinationOf(destination)
    const where = `step ${step.step_id}`
    await assertWritable(where, warehouse, run, target)
    const own = ownDataset(run, target.dataset)
    const reads = openReads(
      { warehouse, shared_sources },
      { where: `${where}: source.query`, run, dataset: target.dataset },
    )
    const { query, missing, other_columns } = await completeQuery(where, source, (each) =>
      reads({ default_dataset: own, ...each }),
    )
    const statement = { query, parameters: source.parameters ?? [], default_dataset: own }
    await reads(statement)
    // A period of one source: rows of older versions, which name none, are replaced by its first load.
    const sourced = target.period?.['source_name'] !== undefined
    // What need not be there may well have no rows; that there are none any more is told.
    const optional = source.own_tables !== undefined
    const silent = source.may_be_empty === true
    const replaced: Replaced =
      sourced || optional ? await replacedBy(warehouse, target, {}) : { destination: target, rows: 0 }
    // Neither rows to write nor rows to replace: nothing is asked. A repeat finds the same, or a table that has come.
    if (source.nothing_without !== undefined && missing.includes(source.nothing_without) && replaced.rows === 0)
      return { rows_written: 0, outputs: { table: `${target.dataset}.${target.table}`, rows_written: 0 } }
    const written = await writeChecked({ warehouse, store, shared_sources }, context, checks, {
      kind: 'query',
      ...statement,
      destination: replaced.destination,
    })
    const { rows_written, bytes_processed, attempt } = written
    if (step.for_each !== undefined && typeof target.period?.['source_name'] === 'string')
      await load_states?.recordLoaded(
        context,
        target.period['source_name'],
        observed_at,
        await loadedDays(warehouse, target, destination.columns ?? []),
      )
    const warnings = [...warningsOf(target, replaced, { rows_written, optional, silent }), ...written.warnings]
    return {
      rows_written,
      bytes_processed,
      attempt,
      outputs: {
        table: `${target.dataset}.${target.table}`,
        rows_written,
        ...written.outputs,
        ...(other_columns === undefined
          ? {}
          : { other_columns: other_columns.length, ...namedIn('other_columns', other_columns) }),
        ...(warnings.length === 0 ? {} : { warnings }),
      },
    }
  },
})

/**
 * What each day of the period has now, from rows that say when the provider wrote them: what was loaded, also where the
 * load was found done. None where the period is not of days, or rows do not say it.
 */
const loadedDays = async (
  warehouse: Pick<Warehouse, 'query'>,
  { project_id, dataset, table, period = {} }: Destination,
  columns: readonly Column[],
): Promise<LoadedPeriod[]> => {
  const exported = columns.find(({ name }) => name === 'export_time' || name === 'x_ExportTime')?.name
  const [day, value] =
    Object.entries(period).find(([key]) => columns.some(({ name, type }) => name === key && type === 'DATE')) ?? []
  if (exported === undefined || day === undefined || value === undefined) return []
  const parameters: QueryParameter[] = []
  const isOwn = isOfPeriod(period, columns, parameters)
  const rows = await warehouse.query({
    query:
      `SELECT CAST(\`${day}\` AS STRING) AS period, CAST(MAX(\`${exported}\`) AS STRING) AS newest, COUNT(*) AS n ` +
      `FROM \`${project_id}.${dataset}.${table}\` WHERE ${isOwn} GROUP BY 1`,
    parameters,
  })
  const byDay = new Map(rows.map((row) => [String(row['period']), row]))
  const ends = endsOf({ name: day, type: 'DATE' }, value)
  return daysBetween(ends.value, ends.to ?? ends.value).map((each) => {
    const row = byDay.get(each)
    const count = Number(row?.['n'] ?? 0)
    const newest = row?.['newest']
    return { period: each, version: versionOfRows(typeof newest === 'string' ? newest : null, count), rows: count }
  })
}
const daysBetween = (from: string, to: string): string[] => {
  const days: string[] = []
  for (let at = Date.parse(from); at <= Date.parse(to); at += 86_400_000)
    days.push(new Date(at).toISOString().slice(0, 10))
  return days
}

/** What is odd about a load of a period. */
const warningsOf = (
  { dataset, table, period = {} }: Destination,
  { rows, narrow = [] }: Replaced,
  { rows_written, optional, silent }: { rows_written: number; optional: boolean; silent: boolean },
): string[] => {
  const keys = Object.entries(period).map(([column, value]) => {
    const words = typeof value === 'object' ? endsInWords({ value: value.from, to: value.to }) : value
    return `${column} = ${words}`
  })
  const before = rows > 0 ? `; the ${rows} rows that were there are gone` : ''
  return [
    ...(rows_written > 0 || keys.length === 0 || silent || (optional && rows === 0)
      ? []
      : [`no rows for ${keys.join(', ')}${before}`]),
    ...(narrow.length === 0
      ? []
      : [
          `${dataset}.${table}: ${narrow.join(', ')} are NUMERIC as an older version made them, which rounds to 9 ` +
            'digits; ALTER COLUMN ... SET DATA TYPE BIGNUMERIC, or a new table, keeps all',
        ]),
  ]
}
