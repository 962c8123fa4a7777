/** Configurations of jobs, of queries and copies, as the engine's work. */
import type { Column } from '@convergence/contracts'
import type { Statement, TableRef } from '@convergence/warehouse'
import type { Work, WorkDestination } from '../work.ts'
import { resultsDataset } from './job-context.ts'
import type { JobsContext } from './job-context.ts'
import { partitioningOf } from './partitioning.ts'
import {
  RestFault,
  assertKnown,
  flagAt,
  invalid,
  isJson,
  listAt,
  objectAt,
  parametersOf,
  tableRefOf,
  textAt,
  textsAt,
  unsupported,
  wholeAt,
} from './wire.ts'
import type { Json } from './wire.ts'

export const columnsKnown = (context: JobsContext, ref: TableRef): readonly Column[] | undefined =>
  context.engine.columns(ref.dataset, ref.table)
/** Whatever is not here replaces rows. */
const writeModes: Readonly<Record<string, WorkDestination['write_mode']>> = {
  WRITE_APPEND: 'append',
  WRITE_EMPTY: 'write_empty',
}
const dispositions = (config: Json, fallback: string): { write: string; create_never: boolean } => {
  const write = textAt(config, 'writeDisposition') ?? fallback
  const create = textAt(config, 'createDisposition') ?? 'CREATE_IF_NEEDED'
  if (!['WRITE_EMPTY', 'WRITE_APPEND', 'WRITE_TRUNCATE', 'WRITE_TRUNCATE_DATA'].includes(write))
    throw invalid(`writeDisposition: ${write} is not a valid value`)
  if (!['CREATE_IF_NEEDED', 'CREATE_NEVER'].includes(create))
    throw invalid(`createDisposition: ${create} is not a valid value`)
  return { write, create_never: create === 'CREATE_NEVER' }
}
export const destinationOf = (
  context: JobsContext,
  config: Json,
  fallback: string,
  columns: readonly Column[] | undefined,
): WorkDestination => {
  const { partition, ...ref } = tableRefOf(
    objectAt(config, 'destinationTable'),
    'destinationTable',
    context.engine.project_id,
  )
  const { write, create_never } = dispositions(config, fallback)
  const updates = textsAt(config, 'schemaUpdateOptions') ?? []
  for (const update of updates)
    if (update !== 'ALLOW_FIELD_ADDITION') throw unsupported(`schemaUpdateOptions ${update}`)
  const { time_partitioning, partition_expiration_ms, clustering_fields } = partitioningOf(config, undefined)
  if (partition_expiration_ms !== undefined) throw unsupported('timePartitioning.expirationMs of a job')
  const write_mode = writeModes[write] ?? 'truncate'
  const made: WorkDestination = {
    ...ref,
    write_mode,
    create_never,
    add_columns: updates.includes('ALLOW_FIELD_ADDITION'),
    ...(columns === undefined ? {} : { columns }),
    ...(time_partitioning === undefined ? {} : { time_partitioning }),
    ...(clustering_fields === undefined ? {} : { clustering_fields }),
  }
  if (partition === undefined)
    return write === 'WRITE_TRUNCATE' ? { ...made, replace_table: true, add_columns: true } : made
  if (write_mode !== 'truncate') throw unsupported(`A destination that is one partition ($${partition}) with ${write}`)
  const by = context.engine.partitioning(ref.dataset, ref.table) ?? time_partitioning
  const field = columnsKnown(context, ref)?.find(({ name }) => name.toLowerCase() === by?.field?.toLowerCase())
  const [, year, month, day] = /^(\d{4})(\d\d)(\d\d)$/.exec(partition) ?? []
  if (
    by?.field === undefined ||
    by.type !== 'DAY' ||
    (field !== undefined && field.type !== 'DATE') ||
    year === undefined
  )
    throw unsupported(
      `The partition $${partition}: of tables partitioned by the day of a DATE column one is, as $YYYYMMDD;`,
    )
  return { ...made, period: { [by.field]: `${year}-${month ?? ''}-${day ?? ''}` } }
}
export const statementOf = (context: JobsContext, config: Json): Statement => {
  const query = textAt(config, 'query')
  if (query === undefined || query.trim() === '')
    throw new RestFault(400, 'required', 'Required parameter is missing: query')
  if (flagAt(config, 'useLegacySql') !== false && !/^\s*#standardSQL\b/i.test(query))
    throw unsupported('Legacy SQL (useLegacySql is not false)')
  const parameters = parametersOf(listAt(config, 'queryParameters') ?? [], textAt(config, 'parameterMode'))
  const dataset = objectAt(config, 'defaultDataset')
  const of = dataset === undefined ? undefined : textAt(dataset, 'projectId')
  if (of !== undefined && of !== context.engine.project_id)
    throw unsupported(`A default dataset of another project (${of})`)
  const default_dataset = dataset === undefined ? undefined : textAt(dataset, 'datasetId')
  return {
    query,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(default_dataset === undefined ? {} : { default_dataset }),
  }
}
/** What a query may say, as a job and by itself. */
export const queryKnown = [
  'query',
  'useLegacySql',
  'parameterMode',
  'queryParameters',
  'defaultDataset',
  'maximumBytesBilled',
  'useQueryCache',
  'priority',
]
export const limitOf = (config: Json): { maximum_bytes_billed?: number } => {
  const limit = wholeAt(config, 'maximumBytesBilled')
  return limit === undefined ? {} : { maximum_bytes_billed: limit }
}
export const queryWork = (context: JobsContext, job_id: string, config: Json): Work => {
  assertKnown(config, 'configuration.query', [
    ...queryKnown,
    'destinationTable',
    'createDisposition',
    'writeDisposition',
    'schemaUpdateOptions',
    'timePartitioning',
    'clustering',
    'allowLargeResults',
    'flattenResults',
    'location',
  ])
  const destinationTable = objectAt(config, 'destinationTable')
  const destination =
    destinationTable === undefined || textAt(destinationTable, 'datasetId') === resultsDataset
      ? undefined
      : destinationOf(context, config, 'WRITE_EMPTY', undefined)
  return {
    kind: 'statement',
    statement: statementOf(context, config),
    ...limitOf(config),
    ...(destination === undefined ? {} : { destination }),
    onResult: (result) => {
      context.results.keep(job_id, result)
    },
  }
}
export const copyWork = (context: JobsContext, config: Json): Work => {
  assertKnown(config, 'configuration.copy', [
    'sourceTable',
    'sourceTables',
    'destinationTable',
    'createDisposition',
    'writeDisposition',
    'operationType',
    'location',
  ])
  const operation = textAt(config, 'operationType') ?? 'COPY'
  if (operation !== 'COPY' && operation !== 'OPERATION_TYPE_UNSPECIFIED')
    throw unsupported(`A copy job that is a ${operation}`)
  const one = objectAt(config, 'sourceTable')
  const sources = [...(one === undefined ? [] : [one]), ...(listAt(config, 'sourceTables') ?? [])].map((ref) =>
    tableRefOf(isJson(ref) ? ref : undefined, 'sourceTable', context.engine.project_id),
  )
  if (sources.length === 0) throw new RestFault(400, 'required', 'Required parameter is missing: sourceTable')
  for (const { partition } of sources) if (partition !== undefined) throw unsupported('A copy of one partition')
  const [first] = sources
  const by = first === undefined ? undefined : context.engine.partitioning(first.dataset, first.table)
  const columns = first === undefined ? undefined : columnsKnown(context, first)
  return {
    kind: 'copy',
    sources,
    destination: {
      ...destinationOf(context, config, 'WRITE_EMPTY', columns),
      ...(by === undefined ? {} : { time_partitioning: by }),
    },
  }
}
