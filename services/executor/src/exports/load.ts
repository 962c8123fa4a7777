/** What both loaders do once they know the delivery: its files through scratch into the table, as one job. */
import { AppError, type Column } from '@convergence/contracts'
import type { Objects, Store } from '@convergence/objects'
import { assertWritable } from '@convergence/pipeline'
import type { Log } from '@convergence/service'
import type { StepContext, StepResult } from '@convergence/service/steps'
import type { Destination, QueryParameter, Warehouse } from '@convergence/warehouse'
import { destinationOf, type DestinationConfig } from '../processors/gcp/bq_etl.ts'
import { checkNoRows, writeChecked, type CheckedWriteDeps } from '../checked-write.ts'
import type { Check } from '../checks.ts'
import type { LoadStates } from '../load-state.ts'
import type { AccessOf } from './access.ts'
import { countAmounts, isOfCost, type Counted, type ExportAmount } from './amounts.ts'
import { assertCounted, type Delivery } from './deliveries.ts'
import type { ColumnPlan } from './finder.ts'
import { isOfPeriod, replacedBy, type Replaced } from './periods.ts'
import type { Room } from './room.ts'
import { listAll, openSpool, type Spooled, type SpoolLimits } from './spool.ts'
import { namedIn } from './words.ts'

export interface LoaderDeps {
  objects: Objects
  /** By what right a source is read; default: that of the platform. */
  accessOf?: AccessOf | undefined
  warehouse: Warehouse
  store: CheckedWriteDeps['store']
  /** Datasets that the operator shares with every tenant, as project.dataset. */
  shared_sources: readonly string[]
  /** Files on their way into the warehouse; made if it is missing. */
  scratch_folder: string
  /** What all loaders of this process share of the scratch folder; default: their own, without a bound of space. */
  room?: Room | undefined
  /** Hears what of an export has no column, and what the reader of a run is warned of. */
  log?: Pick<Log, 'info' | 'warn'> | undefined
  /** Where it is written down which delivery was loaded; default: nowhere. */
  load_states?: Pick<LoadStates, 'recordLoaded'> | undefined
  /** Caps on what an export may weigh; for tests. */
  limits?: Partial<SpoolLimits> | undefined
}
export interface LoadTarget {
  target: Destination
  columns: readonly Column[]
}
export interface Loading {
  /** With the right to read the delivery. */
  objects: Objects
  store: Store
  bucket: string
  delivery: Delivery
  /** What the rows are of, beside the keys of their period: bucket and folder. */
  source_name: string
  /** The column of the days that a delivery covers. */
  day_column?: string | undefined
  /** Whether a row counts, by the beginning of its billing period, where files have rows of other months. */
  counts?: ((billing_period_start: string) => boolean) | undefined
  /** Which of the files the rows are of; default: all. */
  take?: (files: readonly Spooled[]) => Promise<Chosen>
  /** What there was of the month when it was looked, and when that was. */
  seen?: { period: string; version: string; at: Date } | undefined
  /** Decides from what the files are; throws when they are not what they should be. */
  plan(table: readonly Column[], files: readonly Spooled[]): ColumnPlan | Promise<ColumnPlan>
}
export interface Chosen {
  files: readonly Spooled[]
  warnings: readonly string[]
}
/** What the rows are of, where the pipeline says it: the name of the tenant's source. */
export const nameOf = ({ period }: DestinationConfig): string | undefined => {
  const name = period?.['source_name']
  return name === undefined || typeof name === 'object' ? undefined : String(name)
}
/** The manifest is still the one by which the files were chosen. */
const assertSameManifest = async ({ objects, store, bucket, delivery }: Loading): Promise<void> => {
  const { source_file, manifest_etag } = delivery
  if (manifest_etag === undefined) return
  const now = (await listAll(objects, store, bucket, source_file)).find(({ key }) => key === source_file)
  if (now?.etag !== manifest_etag)
    throw new AppError(
      'OBJECT_CHANGED',
      `${store} object ${bucket}/${source_file} was replaced while its files were read, which may be of two deliveries`,
    )
}
/** Throws EXPORT_INVALID when the delivery covers fewer days than the rows that it would replace. */
const assertAllDays = ({ source_file, last_day }: Delivery, replaced: Replaced): void => {
  if (last_day !== undefined && replaced.last_day !== undefined && replaced.last_day > last_day)
    throw new AppError(
      'EXPORT_INVALID',
      `${source_file}: expected days to ${replaced.last_day} at least, which are loaded, ` +
        `got a delivery of days to ${last_day}; it would remove the others`,
    )
}
const isEmpty = (files: readonly Spooled[]): boolean =>
  files.every(({ rows, data_rows }) => rows.length === 0 && (data_rows ?? 0) === 0)

/** What all files of a delivery are. Throws EXPORT_INVALID when they are of several formats. */
const formatOfAll = (files: readonly Spooled[]): { format: 'csv' } | { format: 'parquet'; like_csv: true } => {
  const [first] = files
  const other = files.find(({ format }) => format !== first?.format)
  if (first !== undefined && other !== undefined)
    throw new AppError(
      'EXPORT_INVALID',
      `${other.name}: expected files of one format in a delivery, CSV or Parquet, as ${first.name} is, got another one; ` +
        'have the export write one format, or give each a folder and a source of its own',
    )
  return first?.format === 'parquet' ? { format: 'parquet', like_csv: true } : { format: 'csv' }
}

/** A count of the values that are text because they are no JSON: they are there, and somebody should know. */
const oddJson = async (
  warehouse: Pick<Warehouse, 'query'>,
  destination: Destination,
  columns: readonly string[],
): Promise<Record<string, number>> => {
  if (columns.length === 0 || destination.period === undefined) return {}
  const parameters: QueryParameter[] = []
  const isOwn = isOfPeriod(destination.period, destination.columns ?? [], parameters)
  const counts = columns.map((column) => `COUNTIF(STARTS_WITH(TO_JSON_STRING(\`${column}\`), '"')) AS \`${column}\``)
  const path = `\`${destination.project_id}.${destination.dataset}.${destination.table}\``
  const [row = {}] = await warehouse.query({
    query: `SELECT ${counts.join(', ')} FROM ${path} WHERE ${isOwn}`,
    parameters,
  })
  return Object.fromEntries(
    columns.flatMap((column) => (Number(row[column] ?? 0) > 0 ? [[column, Number(row[column])] as const] : [])),
  )
}

/** Whether the rows of the period are of the delivery, as far as rows say it: another load may have come after it. */
const isStill = async (
  warehouse: Pick<Warehouse, 'query'>,
  { project_id, dataset, table, period = {}, columns = [] }: Destination,
  { id }: Delivery,
): Promise<boolean> => {
  if (id === '' || !columns.some(({ name }) => name === 'manifest_id')) return true
  const parameters: QueryParameter[] = []
  const isOwn = isOfPeriod(period, columns, parameters)
  const [row = {}] = await warehouse.query({
    query:
      `SELECT COUNTIF(IFNULL(manifest_id, '') != @delivery) AS others FROM \`${project_id}.${dataset}.${table}\` ` +
      `WHERE ${isOwn}`,
    parameters: [...parameters, { name: 'delivery', type: 'STRING', value: id }],
  })
  return Number(row['others'] ?? 0) === 0
}

/**
 * Writes down which delivery is loaded: no version where nobody knows that it is this one, because the load was found
 * done, or another one replaced it meanwhile. The next refresh then has the period loaded once more.
 */
const remember = async (
  { load_states, log, warehouse }: Pick<LoaderDeps, 'load_states' | 'log' | 'warehouse'>,
  context: StepContext,
  { delivery, seen, source_name }: Loading,
  { adopted, rows_written: rows, destination }: { adopted: boolean; rows_written: number; destination: Destination },
): Promise<void> => {
  if (load_states === undefined || seen === undefined || context.step.for_each === undefined) return
  const isKnown = !adopted && (await isStill(warehouse, destination, delivery))
  if (!isKnown) log?.info({ step_id: context.step.step_id, delivery: delivery.id }, 'what is loaded is not known')
  const version = isKnown ? seen.version : ''
  await load_states.recordLoaded(context, source_name, seen.at, [{ period: seen.period, version, rows }])
}

/** Loads, and counts beside it what the files come to. The load does not fail by the count: that there is none is told. */
const counting = async <T>(
  { log }: Pick<LoaderDeps, 'log'>,
  { step, signal }: Pick<StepContext, 'step' | 'signal'>,
  {
    table,
    columns,
    files,
    counts,
  }: { table: string; columns: ColumnPlan['columns'] } & Pick<Loading, 'counts'> & {
      files: readonly Spooled[]
    },
  load: () => Promise<T>,
): Promise<{ loaded: T; counted: Counted }> => {
  const stop = new AbortController()
  const either = AbortSignal.any([signal, stop.signal])
  const counted = countAmounts(table, columns, files, { month: counts, signal: either }).catch((error: unknown) => {
    if (!either.aborted)
      log?.warn({ step_id: step.step_id, error: String(error) }, 'what the export tells was not counted')
    return { uncounted: 'its files could not be read a second time' }
  })
  try {
    const loaded = await load()
    return { loaded, counted: await counted }
  } finally {
    stop.abort()
  }
}
/** What was counted; or a warning that nothing was. */
const toldOf = (
  { source_file }: Pick<Delivery, 'source_file'>,
  counted: Counted,
  warnings: string[],
): readonly ExportAmount[] => {
  if ('amounts' in counted) return counted.amounts
  warnings.push(
    `${source_file}: what it comes to was not counted apart from the load, so it is not compared: ${counted.uncounted}`,
  )
  return []
}
/** Columns of the table that has what exports told: ps_templates/gcp/bq_etl/schemas/export_amounts.json. */
export const amountColumns: Column[] = [
  { name: 'period', type: 'DATE' },
  { name: 'provider_table', type: 'STRING' },
  { name: 'source_name', type: 'STRING' },
  { name: 'loaded_period', type: 'DATE' },
  { name: 'billing_account_id', type: 'STRING' },
  { name: 'invoice_id', type: 'STRING' },
  { name: 'currency', type: 'STRING' },
  { name: 'row_count', type: 'INT64' },
  { name: 'amount', type: 'BIGNUMERIC' },
  { name: 'newest_export_time', type: 'TIMESTAMP' },
  { name: 'run_id', type: 'STRING' },
  { name: 'counted_at', type: 'TIMESTAMP' },
]
/** Writes down what an export told of a month, in place of what it told before. */
const recordAmounts = async (
  warehouse: Pick<Warehouse, 'runJob'>,
  { chain, run }: Pick<StepContext, 'chain' | 'run'>,
  { project_id, dataset, table, period = {} }: Destination,
  source_name: string,
  amounts: readonly ExportAmount[],
): Promise<void> => {
  const month = period['billing_period']
  if (!isOfCost(table) || typeof month !== 'string') return
  const text = (field: keyof ExportAmount) => `JSON_VALUE(told, '$.${field}')`
  await warehouse.runJob(
    { ...chain, part: 'amounts' },
    {
      kind: 'query',
      query:
        `SELECT CAST(@month AS DATE) AS period, @table AS provider_table, @source_name AS source_name, ` +
        `CAST(@month AS DATE) AS loaded_period, ${text('billing_account_id')} AS billing_account_id, ` +
        `${text('invoice_id')} AS invoice_id, ${text('currency')} AS currency, ` +
        `CAST(${text('row_count')} AS INT64) AS row_count, CAST(${text('amount')} AS BIGNUMERIC) AS amount, ` +
        `CAST(NULL AS TIMESTAMP) AS newest_export_time, @run_id AS run_id, CURRENT_TIMESTAMP() AS counted_at ` +
        `FROM UNNEST(JSON_QUERY_ARRAY(PARSE_JSON(@amounts), '$')) AS told`,
      parameters: [
        { name: 'month', type: 'STRING', value: month },
        { name: 'table', type: 'STRING', value: table },
        { name: 'source_name', type: 'STRING', value: source_name },
        { name: 'run_id', type: 'STRING', value: run.run_id },
        { name: 'amounts', type: 'STRING', value: JSON.stringify(amounts) },
      ],
      destination: {
        ...{ project_id, dataset, table: 'export_amounts', write_mode: 'truncate', columns: amountColumns },
        time_partitioning: { type: 'MONTH', field: 'period' },
        period: { loaded_period: month, provider_table: table, source_name },
      },
    },
  )
}

/** What has no column of its own, and what is in no column. */
const namesOf = ({ other_columns, not_taken }: ColumnPlan): Record<string, unknown> => ({
  other_columns: other_columns.length,
  ...namedIn('other_columns', other_columns),
  columns_not_taken: not_taken.length,
  ...namedIn('columns_not_taken', not_taken),
})

/** An empty delivery replaces no rows. */
const assertNothingLost = (name: string, { rows }: Pick<Replaced, 'rows'>): void => {
  if (rows > 0)
    throw new AppError(
      'EXPORT_INVALID',
      `${name}: expected rows, got none; an empty delivery does not replace the ${rows} rows of the month`,
    )
}

export const openLoader = ({ objects, warehouse, store, shared_sources, room, log, ...deps }: LoaderDeps) => {
  const { scratch_folder, limits, load_states } = deps
  const writes = { warehouse, store, shared_sources }
  const spool = openSpool({ objects, scratch_folder, limits, room })
  const tell = (step_id: string, { other_columns, not_taken }: ColumnPlan, warnings: readonly string[]): void => {
    if (other_columns.length > 0)
      log?.info({ step_id, columns: other_columns.length }, 'columns of the export went to other_columns')
    if (not_taken.length > 0)
      log?.info({ step_id, columns: not_taken.length }, 'columns of the export are not in the table')
    for (const warning of warnings) log?.warn({ step_id, warning }, 'load warns')
  }
  return {
    /** Where the rows go; throws before anything is read when they may not go there. */
    target: async ({ run, step }: StepContext, destination: DestinationConfig): Promise<LoadTarget> => {
      const where = `step ${step.step_id}`
      const target = destinationOf(destination)
      await assertWritable(where, warehouse, run, target)
      const { columns } = destination
      if (columns === undefined || columns.length === 0)
        throw new AppError(
          'CONFIG_INVALID',
          `${where}: destination.schema_template: expected the name of a file in schemas/, ` +
            'which says what columns the table has, got none',
        )
      return { target, columns }
    },
    run: async (
      context: StepContext,
      { target, columns: table }: LoadTarget,
      loading: Loading,
    ): Promise<StepResult> => {
      const { signal, step } = context
      const { checks = [] } = step.config as { checks?: Check[] }
      const { store, bucket, delivery, source_name, day_column, plan } = loading
      const named = table.some(({ name }) => name === 'source_name') ? { source_name } : {}
      const replaced = await replacedBy(warehouse, target, { ...named, day_column })
      assertAllDays(delivery, replaced)
      const warnings = [...(delivery.warnings ?? [])]
      let planned: ColumnPlan = { columns: [], other_columns: [], not_taken: [] }
      const empty = async () => {
        assertNothingLost(
          (loading.take === undefined ? delivery.files[0]?.key : undefined) ?? delivery.source_file,
          replaced,
        )
        warnings.push(`${delivery.source_file}: the delivery has no rows`)
        const { warnings: warned, outputs } = await checkNoRows(writes, context, checks, { ...target, columns: table })
        warnings.push(...warned)
        await warehouse.ensureTable({ ...target, columns: table })
        return { rows_written: 0, bytes_processed: 0, attempt: 0, adopted: false, odd_json: {}, outputs }
      }
      let taken: number | undefined
      let amounts: readonly ExportAmount[] = []
      const work = async (spooled: readonly Spooled[]) => {
        await assertSameManifest(loading)
        assertCounted(delivery, spooled)
        const { files, warnings: found } = (await loading.take?.(spooled)) ?? { files: spooled, warnings: [] }
        warnings.push(...found)
        taken = files.length
        planned = await plan(table, files)
        if (isEmpty(files)) return empty()
        const of = { table: target.table, columns: planned.columns, files, counts: loading.counts }
        const { loaded, counted } = await counting({ log }, context, of, () =>
          writeChecked(writes, context, checks, {
            ...{ kind: 'load', ...formatOfAll(files), columns: planned.columns, destination: replaced.destination },
            files: files.map(({ path, name }) => ({ path, name })),
          }),
        )
        amounts = toldOf(delivery, counted, warnings)
        const { warnings: warned, ...result } = loaded
        warnings.push(...warned)
        const lenient = planned.columns.filter((column) => 'source' in column && column.or_text === true)
        const odd_json = await oddJson(
          warehouse,
          { ...replaced.destination, columns: table },
          lenient.map(({ name }) => name),
        )
        for (const [column, rows] of Object.entries(odd_json))
          warnings.push(`column ${column}: ${rows} rows have text that is no JSON; it is kept as text`)
        return { ...result, odd_json }
      }
      const counts = delivery.counted
      const { odd_json, ...ended } =
        delivery.files.length === 0
          ? await empty()
          : await spool.with({
              objects: loading.objects,
              store,
              bucket,
              files: delivery.files,
              signal,
              count_rows: counts !== undefined && [...counts.files, counts.all].some(({ rows }) => rows !== undefined),
              work,
            })
      await recordAmounts(warehouse, context, target, source_name, amounts)
      await remember({ load_states, log, warehouse }, context, loading, {
        ...ended,
        destination: { ...replaced.destination, columns: table },
      })
      tell(step.step_id, planned, warnings)
      const { rows_written, bytes_processed, attempt } = ended
      return {
        rows_written,
        bytes_processed,
        attempt,
        outputs: {
          table: `${target.dataset}.${target.table}`,
          files: taken ?? delivery.files.length,
          manifest_id: delivery.id,
          source_file: delivery.source_file,
          source_name,
          rows_written,
          ...ended.outputs,
          ...namesOf(planned),
          ...(Object.keys(odd_json).length === 0 ? {} : { values_not_json: odd_json }),
          ...(warnings.length === 0 ? {} : { warnings }),
        },
      }
    },
  }
}
