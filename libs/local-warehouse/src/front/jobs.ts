/**
 * Jobs and queries: BigQuery's REST resources over the engine's jobs. A job answers RUNNING first; how it ended is
 * asked for.
 */
import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '@convergence/contracts'
import type { Column } from '@convergence/contracts'
import type { Row, Statement, TableRef } from '@convergence/warehouse'
import { googlesqlType } from '@convergence/googlesql/types'
import { typeOf } from '../values.ts'
import type { Engine, KeptJob, Result, Work, WorkDestination } from '../work.ts'
import {
  assertNoUnknown,
  bucketFiles,
  cannotAdd,
  columnsByHeader,
  csvToNdjson,
  detectCsv,
  detectNdjson,
  mediaFile,
  namesColumns,
} from './files.ts'
import type { CsvHead, CsvOptions, Media } from './files.ts'
import { maxResultsOf, pageOf, partitioningOf, startOf, tokenOf } from './resources.ts'
import type { Answer, Asked } from './resources.ts'
import {
  RestFault,
  assertKnown,
  columnsOf,
  errorBody,
  faultOf,
  flagAt,
  formatRows,
  invalid,
  isJson,
  isSaid,
  labelsAt,
  listAt,
  notFound,
  objectAt,
  parametersOf,
  reasonOf,
  restRef,
  schemaOf,
  tableRefOf,
  textAt,
  textsAt,
  timestampFormat,
  unsupported,
  wholeAt,
} from './wire.ts'
import type { Json, TimestampFormat } from './wire.ts'

interface Detail {
  configuration: Json
  created_ms: number
  location: string
  input_bytes?: number
  input_files?: number
}
interface Options {
  engine: Engine
  now: () => Date
  self: () => string
  /** Where gs:// buckets are. */
  buckets: string
  /** For files of loads, below the engine's scratch folder. */
  uploads: string
}

/**
 * Results of queries without a destination stay in memory: so many cells of the latest ones, and the latest one
 * whatever its size.
 */
const cellsKept = 5_000_000
const detailsKept = 20_000
const rowsOfPage = 50_000
const bytesOfPage = 10_000_000
const waitMs = 10_000
/** A job that ends well within this answers DONE to whoever inserted it, and is not asked for again. */
const quickMs = 30
const hasList = ({ mode, fields = [] }: Column): boolean => mode === 'REPEATED' || fields.some(hasList)
/** A column for the values of both; of two that no table and no schema fixes, whichever holds more. */
const widened = (wanted: Column, got: Column, free: boolean): Column | undefined => {
  if (typeOf(wanted) === typeOf(got)) return got
  const holds = (wide: Column, narrow: Column): boolean =>
    wide.type === 'BIGNUMERIC' &&
    (narrow.type === 'NUMERIC' || narrow.type === 'INT64') &&
    wide.mode !== 'REPEATED' &&
    narrow.mode !== 'REPEATED'
  if (holds(wanted, got)) return { ...got, type: 'BIGNUMERIC' }
  return free && holds(got, wanted) ? got : undefined
}
/** Ids that were made here are of queries that nobody will insert again. */
export const resultsDataset = '_results'

export const openJobs = ({ engine, now, self, buckets, uploads }: Options) => {
  const { project_id } = engine
  const results = new Map<string, Result>()
  let cells = 0
  const sizeOf = ({ columns, rows }: Result): number => columns.length * rows.length
  const keepResult = (job_id: string, result: Result): void => {
    results.set(job_id, result)
    cells += sizeOf(result)
    for (const [old, other] of results) {
      if (cells <= cellsKept || old === job_id) break
      cells -= sizeOf(other)
      results.delete(old)
    }
  }
  const details = new Map<string, Detail>()
  const remember = (job_id: string, detail: Detail): void => {
    details.set(job_id, detail)
    if (details.size > detailsKept) details.delete(details.keys().next().value ?? '')
  }
  const detailOf = (job: KeptJob): Detail =>
    details.get(job.job_id) ??
    (isJson(job.detail)
      ? (job.detail as unknown as Detail)
      : { configuration: { jobType: 'QUERY', query: {} }, created_ms: job.ended_ms ?? 0, location: 'EU' })

  // ---- the job resource

  const errorOf = (
    { error }: KeptJob,
    configuration: Json,
  ): { reason: string; message: string; location?: string } | undefined => {
    if (error === undefined) return undefined
    const { reason, message } = reasonOf(error, configuration['query'] === undefined ? 'request' : 'query')
    return { reason, message, ...(reason === 'invalidQuery' ? { location: 'query' } : {}) }
  }
  const statisticsOf = (job: KeptJob, { configuration, created_ms, input_bytes, input_files }: Detail) => {
    const { outcome = {}, rows_written, bytes_processed } = job
    const changes = {
      ...(outcome.inserted === undefined ? {} : { insertedRowCount: String(outcome.inserted) }),
      ...(outcome.deleted === undefined ? {} : { deletedRowCount: String(outcome.deleted) }),
      ...(outcome.updated === undefined ? {} : { updatedRowCount: String(outcome.updated) }),
    }
    const isDml = outcome.inserted !== undefined || outcome.deleted !== undefined || outcome.updated !== undefined
    const query =
      configuration['query'] === undefined || job.state !== 'DONE'
        ? {}
        : {
            query: {
              totalBytesProcessed: String(bytes_processed),
              totalBytesBilled: String(bytes_processed),
              cacheHit: false,
              statementType:
                outcome.statement_type ??
                (job.error === undefined &&
                isJson(configuration['query']) &&
                configuration['query']['query'] === undefined
                  ? 'INSERT'
                  : 'SELECT'),
              ...(outcome.referenced_tables === undefined
                ? {}
                : { referencedTables: outcome.referenced_tables.map(restRef) }),
              ...(isDml ? { numDmlAffectedRows: String(rows_written), dmlStats: changes } : {}),
              ...(outcome.ddl_operation === undefined
                ? {}
                : {
                    ddlOperationPerformed: outcome.ddl_operation,
                    ...(outcome.target === undefined ? {} : { ddlTargetTable: restRef(outcome.target) }),
                  }),
            },
          }
    return {
      creationTime: String(created_ms),
      startTime: String(created_ms),
      ...(job.state === 'DONE' ? { endTime: String(Math.max(created_ms, job.ended_ms ?? created_ms)) } : {}),
      totalBytesProcessed: String(bytes_processed),
      ...query,
      ...(configuration['load'] === undefined || job.state !== 'DONE'
        ? {}
        : {
            load: {
              inputFiles: String(input_files ?? 1),
              inputFileBytes: String(input_bytes ?? bytes_processed),
              outputRows: String(rows_written),
              outputBytes: String(bytes_processed),
              badRecords: '0',
            },
          }),
      ...(configuration['copy'] === undefined || job.state !== 'DONE'
        ? {}
        : { copy: { copiedRows: String(rows_written), copiedLogicalBytes: '0' } }),
    }
  }
  const resource = (job: KeptJob) => {
    const detail = detailOf(job)
    const error = errorOf(job, detail.configuration)
    return {
      kind: 'bigquery#job',
      etag: `${job.job_id}.${job.state}`,
      id: `${project_id}:${detail.location}.${job.job_id}`,
      selfLink: `${self()}/projects/${project_id}/jobs/${job.job_id}?location=${detail.location}`,
      user_email: 'local@localhost',
      configuration: { ...detail.configuration, labels: job.labels },
      jobReference: { projectId: project_id, jobId: job.job_id, location: detail.location },
      statistics: statisticsOf(job, detail),
      status: { state: job.state, ...(error === undefined ? {} : { errorResult: error, errors: [error] }) },
    }
  }
  const jobOf = async (job_id: string): Promise<KeptJob> => {
    const job = await engine.job(job_id)
    if (job === undefined) throw notFound(`Job ${project_id}:${job_id}`)
    return job
  }
  const afterWaiting = async (job_id: string, ms: number): Promise<KeptJob> => {
    const before = await jobOf(job_id)
    if (before.state === 'DONE' || ms <= 0) return before
    const gaveUp = new AbortController()
    const timer = setTimeout(() => {
      gaveUp.abort()
    }, ms)
    try {
      await engine.wait(job_id, gaveUp.signal)
    } catch (error) {
      if (!gaveUp.signal.aborted) throw error
    } finally {
      clearTimeout(timer)
    }
    return jobOf(job_id)
  }

  // ---- configurations

  const columnsKnown = (ref: TableRef): readonly Column[] | undefined => engine.columns(ref.dataset, ref.table)
  const dispositions = (config: Json, fallback: string): { write: string; create_never: boolean } => {
    const write = textAt(config, 'writeDisposition') ?? fallback
    const create = textAt(config, 'createDisposition') ?? 'CREATE_IF_NEEDED'
    if (!['WRITE_EMPTY', 'WRITE_APPEND', 'WRITE_TRUNCATE', 'WRITE_TRUNCATE_DATA'].includes(write))
      throw invalid(`writeDisposition: ${write} is not a valid value`)
    if (!['CREATE_IF_NEEDED', 'CREATE_NEVER'].includes(create))
      throw invalid(`createDisposition: ${create} is not a valid value`)
    return { write, create_never: create === 'CREATE_NEVER' }
  }
  const destinationOf = (config: Json, fallback: string, columns: readonly Column[] | undefined): WorkDestination => {
    const { partition, ...ref } = tableRefOf(objectAt(config, 'destinationTable'), 'destinationTable', project_id)
    const { write, create_never } = dispositions(config, fallback)
    const updates = textsAt(config, 'schemaUpdateOptions') ?? []
    for (const update of updates)
      if (update !== 'ALLOW_FIELD_ADDITION') throw unsupported(`schemaUpdateOptions ${update}`)
    const { time_partitioning, clustering_fields } = partitioningOf(config, undefined)
    const write_mode =
      write === 'WRITE_APPEND'
        ? ('append' as const)
        : write === 'WRITE_EMPTY'
          ? ('write_empty' as const)
          : ('truncate' as const)
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
    if (write_mode !== 'truncate')
      throw unsupported(`A destination that is one partition ($${partition}) with ${write}`)
    const by = engine.partitioning(ref.dataset, ref.table) ?? time_partitioning
    const field = columnsKnown(ref)?.find(({ name }) => name.toLowerCase() === by?.field?.toLowerCase())
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
  const statementOf = (config: Json): Statement => {
    const query = textAt(config, 'query')
    if (query === undefined || query.trim() === '')
      throw new RestFault(400, 'required', 'Required parameter is missing: query')
    if (flagAt(config, 'useLegacySql') !== false && !/^\s*#standardSQL\b/i.test(query))
      throw unsupported('Legacy SQL (useLegacySql is not false)')
    const parameters = parametersOf(listAt(config, 'queryParameters') ?? [], textAt(config, 'parameterMode'))
    const dataset = objectAt(config, 'defaultDataset')
    const of = dataset === undefined ? undefined : textAt(dataset, 'projectId')
    if (of !== undefined && of !== project_id) throw unsupported(`A default dataset of another project (${of})`)
    const default_dataset = dataset === undefined ? undefined : textAt(dataset, 'datasetId')
    return {
      query,
      ...(parameters.length === 0 ? {} : { parameters }),
      ...(default_dataset === undefined ? {} : { default_dataset }),
    }
  }
  const queryKnown = [
    'query',
    'useLegacySql',
    'parameterMode',
    'queryParameters',
    'defaultDataset',
    'maximumBytesBilled',
    'useQueryCache',
    'priority',
  ]
  const limitOf = (config: Json): { maximum_bytes_billed?: number } => {
    const limit = wholeAt(config, 'maximumBytesBilled')
    return limit === undefined ? {} : { maximum_bytes_billed: limit }
  }
  const queryWork = (job_id: string, config: Json): Work => {
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
        : destinationOf(config, 'WRITE_EMPTY', undefined)
    return {
      kind: 'statement',
      statement: statementOf(config),
      ...limitOf(config),
      ...(destination === undefined ? {} : { destination }),
      onResult: (result) => {
        keepResult(job_id, result)
      },
    }
  }
  const csvOptions = (config: Json): CsvOptions => {
    const delimiter = textAt(config, 'fieldDelimiter') ?? ','
    const quote = textAt(config, 'quote') ?? '"'
    if (quote.length > 1) throw invalid('quote: expected one character')
    return {
      skip: wholeAt(config, 'skipLeadingRows') ?? 0,
      delimiter: delimiter === '\\t' || delimiter.toLowerCase() === 'tab' ? '\t' : delimiter,
      quote,
      null_marker: textAt(config, 'nullMarker') ?? '',
      quoted_newlines: flagAt(config, 'allowQuotedNewlines') === true,
      jagged: flagAt(config, 'allowJaggedRows') === true,
      ignore_more: flagAt(config, 'ignoreUnknownValues') === true,
    }
  }
  const asJobFault = (error: unknown): never => {
    if (error instanceof RestFault)
      throw new AppError(
        error.reason === 'notFound'
          ? 'NOT_FOUND'
          : error.reason === 'notImplemented'
            ? 'QUERY_UNSUPPORTED'
            : 'EXPORT_INVALID',
        error.message,
        { cause: error },
      )
    throw error
  }
  const loadWork = (config: Json, media: Media | undefined, detail: Detail): { work: Work; clean(): Promise<void> } => {
    const format = (textAt(config, 'sourceFormat') ?? 'CSV').toUpperCase()
    if (format !== 'CSV' && format !== 'NEWLINE_DELIMITED_JSON' && format !== 'PARQUET')
      throw unsupported(`A load of ${format}`)
    assertKnown(config, format === 'PARQUET' ? 'configuration.load of PARQUET' : 'configuration.load', [
      'sourceUris',
      'schema',
      'destinationTable',
      'createDisposition',
      'writeDisposition',
      'schemaUpdateOptions',
      'timePartitioning',
      'clustering',
      'sourceFormat',
      'encoding',
      'ignoreUnknownValues',
      'maxBadRecords',
      'autodetect',
      'location',
      ...(format === 'PARQUET'
        ? ['parquetOptions']
        : ['skipLeadingRows', 'fieldDelimiter', 'quote', 'nullMarker', 'allowQuotedNewlines', 'allowJaggedRows']),
    ])
    const parquet = objectAt(config, 'parquetOptions') ?? {}
    assertKnown(parquet, 'parquetOptions', ['enableListInference', 'enable_list_inference'])
    // bq writes it as it stands in Google's own interface files.
    const infersLists = (flagAt(parquet, 'enableListInference') ?? flagAt(parquet, 'enable_list_inference')) === true
    if ((wholeAt(config, 'maxBadRecords') ?? 0) > 0) throw unsupported('A load with maxBadRecords')
    const encoding = (textAt(config, 'encoding') ?? 'UTF-8').toUpperCase()
    if (encoding !== 'UTF-8' && encoding !== 'UTF8') throw unsupported(`A load of ${encoding}`)
    const uris = textsAt(config, 'sourceUris') ?? []
    if (media === undefined && uris.length === 0)
      throw new RestFault(400, 'required', 'Required parameter is missing: sourceUris')
    const schema = objectAt(config, 'schema')
    const fields = schema === undefined ? [] : columnsOf(listAt(schema, 'fields') ?? [])
    const given = fields.length === 0 ? undefined : fields
    const csv = csvOptions(config)
    const ignore = flagAt(config, 'ignoreUnknownValues') === true
    const detects = flagAt(config, 'autodetect') === true
    const name = `load-${randomUUID()}`
    const destination = destinationOf(config, 'WRITE_APPEND', given)
    const made: string[] = []
    const table = `${destination.project_id}:${destination.dataset}.${destination.table}`
    /**
     * Parquet says itself what it has: a column has the type that it has in the table or the schema, or is a new one.
     */
    const prepareParquet = async (sources: readonly { path: string; name: string }[]) => {
      const known = destination.replace_table === true ? undefined : columnsKnown(destination)
      const bounds = known ?? given
      const mayAdd = bounds === undefined || (known !== undefined && destination.add_columns === true)
      const bounded = new Set([...(bounds ?? []), ...(given ?? [])].map(({ name: one }) => one.toLowerCase()))
      const found = new Map<string, Column>()
      for (const { path, name: file } of sources) {
        for (const column of columnsOf(schemaOf(await engine.parquetColumns({ path, name: file })).fields)) {
          const key = column.name.toLowerCase()
          const wanted =
            found.get(key) ?? [...(bounds ?? []), ...(given ?? [])].find((one) => one.name.toLowerCase() === key)
          if (wanted === undefined && !mayAdd) {
            if (ignore) continue
            throw cannotAdd(table, column.name, file)
          }
          if (!infersLists && hasList(column))
            throw unsupported(
              `${file}, column ${column.name}: a list in Parquet without parquetOptions.enableListInference`,
            )
          if (wanted === undefined) found.set(key, column)
          else {
            const taken = widened(wanted, column, !bounded.has(key))
            if (taken === undefined)
              throw invalid(
                `${file}, column ${column.name}: expected ${googlesqlType(wanted)}, got ${googlesqlType(column)}`,
              )
            found.set(key, taken)
          }
        }
      }
      if (found.size === 0)
        throw invalid(
          `${sources
            .map(({ name: file }) => file)
            .slice(0, 3)
            .join(', ')}: has no column of ${table}`,
        )
      return {
        files: sources,
        columns: [...found.values()].map((column) => ({ ...column, source: column.name })),
        destination,
      }
    }
    const prepare = async () => {
      const sources =
        media === undefined
          ? await bucketFiles(uris, buckets, uploads, name)
          : [{ path: await mediaFile(media, uploads, name), name: 'upload' }]
      made.push(...sources.map(({ path }) => path))
      detail.input_files = sources.length
      if (media !== undefined) detail.input_bytes = media.bytes
      if (format === 'PARQUET') return prepareParquet(sources)
      const heads = new Map<string, CsvHead | undefined>()
      if (detects && format === 'CSV')
        for (const source of sources) heads.set(source.path, await detectCsv(source.path, source.name, csv))
      // What a load replaces says nothing of the columns, where the file itself is asked for them.
      let columns = given ?? (detects && destination.replace_table === true ? undefined : columnsKnown(destination))
      const [{ path: firstPath, name: firstName }] = sources as [{ path: string; name: string }]
      if (given === undefined && detects && (columns === undefined || destination.add_columns === true)) {
        const head = heads.get(firstPath)
        const detected =
          format !== 'CSV'
            ? await detectNdjson(firstPath, firstName)
            : head === undefined || (columns !== undefined && !namesColumns(head, columns))
              ? []
              : head.columns
        if (columns === undefined && detected.length === 0)
          throw invalid(`${firstName}: is empty; its columns cannot be detected`)
        columns = [
          ...(columns ?? []),
          ...detected.filter(
            (column) => columns?.some(({ name: own }) => own.toLowerCase() === column.name.toLowerCase()) !== true,
          ),
        ]
      }
      if (columns === undefined) throw invalid('No schema specified on job or table.')
      const settled = columns
      const files: { path: string; name: string }[] = []
      // A file without a header is in the order of the one before it.
      let order = settled
      for (const [k, source] of sources.entries()) {
        if (format === 'CSV') {
          const path = join(uploads, `${name}-${k}.ndjson`)
          made.push(path)
          const head = heads.get(source.path)
          const isNamed =
            head !== undefined && (given !== undefined ? head.looks_like_header : namesColumns(head, settled))
          if (isNamed && given === undefined) order = columnsByHeader(head, source.name, settled, table)
          await csvToNdjson(
            source.path,
            source.name,
            order,
            { ...csv, skip: isNamed ? Math.max(1, csv.skip) : csv.skip },
            path,
          )
          files.push({ path, name: source.name })
        } else {
          if (!ignore) await assertNoUnknown(source.path, source.name, settled)
          files.push(source)
        }
      }
      return { files, destination: { ...destination, columns: settled } }
    }
    return {
      work: {
        kind: 'load',
        format: format === 'PARQUET' ? 'parquet' : 'ndjson',
        files: [],
        destination,
        prepare: () => prepare().catch(asJobFault),
      },
      clean: async () => {
        for (const path of [...made, ...(media?.path === undefined ? [] : [media.path])])
          await rm(path, { force: true })
      },
    }
  }
  const copyWork = (config: Json): Work => {
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
      tableRefOf(isJson(ref) ? ref : undefined, 'sourceTable', project_id),
    )
    if (sources.length === 0) throw new RestFault(400, 'required', 'Required parameter is missing: sourceTable')
    for (const { partition } of sources) if (partition !== undefined) throw unsupported('A copy of one partition')
    const [first] = sources
    const by = first === undefined ? undefined : engine.partitioning(first.dataset, first.table)
    const columns = first === undefined ? undefined : columnsKnown(first)
    return {
      kind: 'copy',
      sources,
      destination: {
        ...destinationOf(config, 'WRITE_EMPTY', columns),
        ...(by === undefined ? {} : { time_partitioning: by }),
      },
    }
  }

  /**
   * A few rows appended to a table whose small rows go by the engine's journal: the id and the rows are one durable
   * entry. Undefined when the
   * load is anything else, or when a row is wrong: then the job fails as every other.
   */
  const smallLoad = (config: Json, media: Media | undefined): { table: string; rows: Row[] } | undefined => {
    if (
      media?.text === undefined ||
      media.text[0] === 0x1f ||
      textAt(config, 'sourceFormat')?.toUpperCase() !== 'NEWLINE_DELIMITED_JSON'
    )
      return undefined
    if (
      (textAt(config, 'writeDisposition') ?? 'WRITE_APPEND') !== 'WRITE_APPEND' ||
      flagAt(config, 'autodetect') === true ||
      (textsAt(config, 'schemaUpdateOptions') ?? []).length > 0
    )
      return undefined
    const { partition, ...ref } = tableRefOf(objectAt(config, 'destinationTable'), 'destinationTable', project_id)
    const columns = columnsKnown(ref)
    if (partition !== undefined || !engine.takesSmallRows(ref.dataset) || columns === undefined) return undefined
    const names = new Set(columns.map(({ name }) => name))
    const ignore = flagAt(config, 'ignoreUnknownValues') === true
    const rows: Row[] = []
    for (const line of media.text.toString().split('\n')) {
      if (line.trim() === '') continue
      let row: unknown
      try {
        row = JSON.parse(line)
      } catch {
        return undefined
      }
      if (!isJson(row)) return undefined
      rows.push(ignore ? Object.fromEntries(Object.entries(row).filter(([key]) => names.has(key))) : row)
    }
    return rows.length === 0 || rows.length > 2_000 ? undefined : { table: ref.table, rows }
  }

  // ---- inserting

  const jobId = (reference: Json): string => {
    const id = textAt(reference, 'jobId') ?? `job_${randomUUID().replaceAll('-', '')}`
    if (!/^[A-Za-z0-9_-]{1,1024}$/.test(id)) throw invalid('Invalid job ID: expected 1 to 1024 letters, digits, _ or -')
    return id
  }
  const dryRun = async (config: Json) => {
    const statement = statementOf(config)
    const { statement_type, referenced_tables, columns, bytes } = await engine
      .plan(statement)
      .catch((error: unknown) => {
        throw faultOf(error, 'query')
      })
    const limit = limitOf(config).maximum_bytes_billed
    if (limit !== undefined && bytes > limit)
      throw new RestFault(
        400,
        'bytesBilledLimitExceeded',
        `Query exceeded limit for bytes billed: ${limit}. ${bytes} or higher required.`,
      )
    return {
      statementType: statement_type,
      totalBytesProcessed: String(bytes),
      totalBytesBilled: '0',
      cacheHit: false,
      referencedTables: referenced_tables.map(restRef),
      ...(columns.length === 0 ? {} : { schema: schemaOf(columns) }),
    }
  }
  const exists = (job_id: string, location: string): RestFault =>
    new RestFault(409, 'duplicate', `Already Exists: Job ${project_id}:${location}.${job_id}`)
  const timers = new Set<NodeJS.Timeout>()
  const cancelAfter = (job_id: string, ms: number | undefined): void => {
    if (ms === undefined || ms <= 0) return
    const timer = setTimeout(
      () => {
        void engine.cancel(job_id)
      },
      Math.min(ms, 2 ** 31 - 1),
    )
    timers.add(timer)
    engine
      .wait(job_id)
      .catch(() => undefined)
      .finally(() => {
        clearTimeout(timer)
        timers.delete(timer)
      })
  }
  const submit = async (
    job_id: string,
    work: Work,
    detail: Detail,
    { keep, timeout_ms }: { keep: boolean; timeout_ms?: number | undefined },
  ): Promise<KeptJob> => {
    const job = await engine.submit(job_id, work, { labels: labelsAt(detail.configuration) ?? {}, detail, keep })
    if (job === 'exists') throw exists(job_id, detail.location)
    remember(job_id, detail)
    cancelAfter(job_id, timeout_ms)
    return job
  }
  const insert = async (body: Json, media?: Media): Promise<Answer> => {
    assertKnown(body, 'job', [
      'configuration',
      'jobReference',
      'jobCreationMode',
      'kind',
      'etag',
      'id',
      'selfLink',
      'status',
      'statistics',
      'user_email',
    ])
    const configuration = objectAt(body, 'configuration')
    if (configuration === undefined)
      throw new RestFault(400, 'required', 'Required parameter is missing: configuration')
    assertKnown(configuration, 'configuration', [
      'query',
      'load',
      'copy',
      'extract',
      'dryRun',
      'labels',
      'jobTimeoutMs',
      'jobType',
    ])
    const [query, load, copy] = [
      objectAt(configuration, 'query'),
      objectAt(configuration, 'load'),
      objectAt(configuration, 'copy'),
    ]
    if (configuration['extract'] !== undefined) throw unsupported('An extract job')
    if ([query, load, copy].filter((one) => one !== undefined).length !== 1)
      throw new RestFault(
        400,
        'required',
        'Required parameter is missing: exactly one of configuration.query, load and copy',
      )
    const reference = objectAt(body, 'jobReference') ?? {}
    const of = textAt(reference, 'projectId')
    if (of !== undefined && of !== project_id) throw notFound(`Project ${of}`)
    const location = textAt(reference, 'location') ?? 'EU'
    const detail: Detail = {
      configuration: {
        ...configuration,
        jobType: query !== undefined ? 'QUERY' : load !== undefined ? 'LOAD' : 'COPY',
      },
      created_ms: now().getTime(),
      location,
    }
    if (flagAt(configuration, 'dryRun') === true) {
      if (query === undefined) throw unsupported('A dry run of a job that is no query')
      const statistics = await dryRun(query)
      return {
        body: {
          kind: 'bigquery#job',
          configuration: detail.configuration,
          jobReference: { projectId: project_id, location },
          status: { state: 'DONE' },
          statistics: {
            creationTime: String(detail.created_ms),
            totalBytesProcessed: statistics.totalBytesProcessed,
            query: statistics,
          },
        },
      }
    }
    const job_id = jobId(reference)
    if (query !== undefined) {
      const hasDestination = objectAt(query, 'destinationTable') !== undefined
      if (!hasDestination)
        detail.configuration = {
          ...detail.configuration,
          query: {
            ...query,
            destinationTable: { projectId: project_id, datasetId: resultsDataset, tableId: `anon_${job_id}` },
          },
        }
      const running = await submit(job_id, queryWork(job_id, query), detail, {
        keep: true,
        timeout_ms: wholeAt(configuration, 'jobTimeoutMs'),
      })
      const soon = await afterWaiting(job_id, quickMs)
      return { body: resource(soon.error === undefined ? soon : running) }
    }
    if (load !== undefined) {
      const small = smallLoad(load, media)
      if (small !== undefined) {
        const job = await engine
          .insert(job_id, { kind: 'rows', ...small }, labelsAt(configuration) ?? {})
          .catch((error: unknown) => {
            if (error instanceof AppError && error.code === 'QUERY_INVALID') return undefined
            throw error
          })
        if (job === 'exists') throw exists(job_id, location)
        if (job !== undefined) {
          remember(job_id, { ...detail, input_bytes: media?.bytes ?? 0, input_files: 1 })
          return { body: resource(job) }
        }
      }
      const { work, clean } = loadWork(load, media, detail)
      const job = await submit(job_id, work, detail, {
        keep: true,
        timeout_ms: wholeAt(configuration, 'jobTimeoutMs'),
      }).catch(async (error: unknown) => {
        await clean()
        throw error
      })
      engine
        .wait(job_id)
        .catch(() => undefined)
        .finally(() => {
          void clean()
        })
      return { body: resource(job) }
    }
    return { body: resource(await submit(job_id, copyWork(copy ?? {}), detail, { keep: true })) }
  }

  // ---- results

  const pageOfRows = (columns: readonly Column[], rows: Result['rows'], format: TimestampFormat) => {
    const shown = formatRows(columns, rows, format)
    // A page holds some 10 MB; rows are of about the same size.
    const [first] = shown
    const size =
      first === undefined ? 1 : Math.max(1, JSON.stringify(shown.slice(0, 20)).length / Math.min(20, shown.length))
    return shown.slice(0, Math.max(1, Math.floor(bytesOfPage / size)))
  }
  const answerOf = async (
    job: KeptJob,
    { limit, offset, format }: { limit: number; offset: number; format: TimestampFormat },
    kind: string,
  ) => {
    const detail = detailOf(job)
    const head = { kind, jobReference: { projectId: project_id, jobId: job.job_id, location: detail.location } }
    if (job.state !== 'DONE') return { ...head, jobComplete: false }
    const fault = errorOf(job, detail.configuration)
    if (fault !== undefined)
      throw new RestFault(reasonOf(job.error ?? { code: '', message: '' }, 'query').status, fault.reason, fault.message)
    const done = {
      ...head,
      jobComplete: true,
      totalBytesProcessed: String(job.bytes_processed),
      totalBytesBilled: String(job.bytes_processed),
      cacheHit: false,
      statementType: job.outcome?.statement_type ?? 'SELECT',
      creationTime: String(detail.created_ms),
      endTime: String(job.ended_ms ?? detail.created_ms),
    }
    const config = objectAt(detail.configuration, 'query')
    const isDml =
      job.outcome?.inserted !== undefined || job.outcome?.updated !== undefined || job.outcome?.deleted !== undefined
    if (isDml || job.outcome?.ddl_operation !== undefined || config === undefined) {
      return {
        ...done,
        totalRows: '0',
        ...(isDml
          ? { numDmlAffectedRows: String(job.rows_written), dmlStats: statisticsOf(job, detail).query?.dmlStats }
          : {}),
      }
    }
    const page = (columns: readonly Column[], rows: Result['rows'], total: number, paged: number) => ({
      ...done,
      schema: schemaOf(columns),
      totalRows: String(total),
      ...(limit === 0 ? {} : { rows }),
      ...(limit > 0 && offset + rows.length < paged && rows.length > 0
        ? { pageToken: tokenOf(offset + rows.length) }
        : {}),
    })
    const destinationTable = objectAt(config, 'destinationTable')
    if (destinationTable !== undefined && textAt(destinationTable, 'datasetId') !== resultsDataset) {
      const ref = tableRefOf(destinationTable, 'destinationTable', project_id)
      const { columns, rows, total } = await engine.read(ref.dataset, ref.table, { offset, limit })
      return page(columns, pageOfRows(columns, rows, format), limit === 0 ? job.rows_written : total, total)
    }
    const result = results.get(job.job_id)
    if (result === undefined)
      throw notFound(
        `Results of job ${job.job_id}: the local warehouse keeps those of the latest queries, until it ends; run the query again`,
      )
    return page(
      result.columns,
      pageOfRows(result.columns, result.rows.slice(offset, offset + limit), format),
      result.rows.length,
      result.rows.length,
    )
  }
  const limitFrom = (asked: number | undefined): number => Math.min(asked ?? rowsOfPage, rowsOfPage)
  /** Requests by their ids, for a client that asks again because the answer was lost. */
  const requests = new Map<string, string>()

  return {
    insert,
    results: async (job_id: string, { query }: Asked): Promise<Answer> => {
      const timeout = wholeAt({ timeoutMs: query.get('timeoutMs') }, 'timeoutMs') ?? waitMs
      const job = await afterWaiting(job_id, Math.min(timeout, 200_000))
      const format = timestampFormat(
        isSaid(query, 'formatOptions.useInt64Timestamp'),
        query.get('formatOptions.timestampOutputFormat') ?? undefined,
      )
      const offset = startOf(query)
      return {
        body: await answerOf(
          job,
          { offset, limit: limitFrom(maxResultsOf({ maxResults: query.get('maxResults') })), format },
          'bigquery#getQueryResultsResponse',
        ),
      }
    },
    query: async ({ body }: Asked): Promise<Answer> => {
      assertKnown(body, 'query', [
        'kind',
        ...queryKnown,
        'maxResults',
        'timeoutMs',
        'dryRun',
        'location',
        'formatOptions',
        'requestId',
        'labels',
        'jobCreationMode',
        'jobTimeoutMs',
        'preserveNulls',
      ])
      const location = textAt(body, 'location') ?? 'EU'
      const options = objectAt(body, 'formatOptions') ?? {}
      assertKnown(options, 'formatOptions', ['useInt64Timestamp', 'timestampOutputFormat'])
      const format = timestampFormat(flagAt(options, 'useInt64Timestamp'), textAt(options, 'timestampOutputFormat'))
      if (flagAt(body, 'dryRun') === true) {
        const { schema, totalBytesProcessed } = await dryRun(body)
        return {
          body: {
            kind: 'bigquery#queryResponse',
            jobReference: { projectId: project_id, location },
            jobComplete: true,
            totalBytesProcessed,
            cacheHit: false,
            totalRows: '0',
            ...(schema === undefined ? {} : { schema }),
          },
        }
      }
      const requestId = textAt(body, 'requestId')
      const before = requestId === undefined ? undefined : requests.get(requestId)
      const job_id = before ?? `job_${randomUUID().replaceAll('-', '')}`
      if (before === undefined) {
        const statement = statementOf(body)
        const detail: Detail = {
          configuration: {
            jobType: 'QUERY',
            ...(labelsAt(body) === undefined ? {} : { labels: labelsAt(body) }),
            query: {
              query: statement.query,
              useLegacySql: false,
              destinationTable: { projectId: project_id, datasetId: resultsDataset, tableId: `anon_${job_id}` },
            },
          },
          created_ms: now().getTime(),
          location,
        }
        if (requestId !== undefined) {
          requests.set(requestId, job_id)
          if (requests.size > 10_000) requests.delete(requests.keys().next().value ?? '')
        }
        await submit(
          job_id,
          {
            kind: 'statement',
            statement,
            ...limitOf(body),
            onResult: (result) => {
              keepResult(job_id, result)
            },
          },
          detail,
          { keep: false, timeout_ms: wholeAt(body, 'jobTimeoutMs') },
        )
      }
      const job = await afterWaiting(job_id, Math.min(wholeAt(body, 'timeoutMs') ?? waitMs, 200_000))
      return {
        body: await answerOf(
          job,
          { offset: 0, limit: limitFrom(maxResultsOf(body)), format },
          'bigquery#queryResponse',
        ),
      }
    },
    get: async (job_id: string): Promise<Answer> => ({ body: resource(await jobOf(job_id)) }),
    cancel: async (job_id: string): Promise<Answer> => {
      await jobOf(job_id)
      await engine.cancel(job_id)
      return { body: { kind: 'bigquery#jobCancelResponse', job: resource(await jobOf(job_id)) } }
    },
    list: async ({ query }: Asked): Promise<Answer> => {
      const states = query.getAll('stateFilter').map((state) => state.toUpperCase())
      const [min, max] = [
        wholeAt({ min: query.get('minCreationTime') || null }, 'min') ?? -Infinity,
        wholeAt({ max: query.get('maxCreationTime') || null }, 'max') ?? Infinity,
      ]
      if ((query.get('parentJobId') ?? '') !== '') throw unsupported('jobs.list with parentJobId')
      const all = (await engine.jobs(10_000))
        .map((job) => ({ job, detail: detailOf(job) }))
        .filter(
          ({ job, detail }) =>
            (states.length === 0 || states.includes(job.state)) && detail.created_ms >= min && detail.created_ms <= max,
        )
        .sort((one, other) => other.detail.created_ms - one.detail.created_ms)
      const { items, nextPageToken } = pageOf(all, query)
      return {
        body: {
          kind: 'bigquery#jobList',
          ...(nextPageToken === undefined ? {} : { nextPageToken }),
          jobs: items.map(({ job }) => {
            const { etag: _etag, selfLink: _selfLink, ...rest } = resource(job)
            return {
              ...rest,
              state: job.state,
              ...(rest.status.errorResult === undefined ? {} : { errorResult: rest.status.errorResult }),
            }
          }),
        },
      }
    },
    /** Rows of a query's result by the name of the table that its job tells. */
    resultTable: (table: string): Result | undefined => results.get(table.replace(/^anon_/, '')),
    close: () => {
      for (const timer of timers) clearTimeout(timer)
    },
    errorBody,
  }
}
