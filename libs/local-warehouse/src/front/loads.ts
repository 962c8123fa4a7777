/** Load jobs: options as the request says them, and files brought into the form that the engine loads. */
import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '@convergence/contracts'
import type { Column } from '@convergence/contracts'
import { googlesqlType } from '@convergence/googlesql/types'
import { typeOf } from '../values.ts'
import type { LoadWork, Work, WorkDestination } from '../work.ts'
import { columnsKnown, destinationOf } from './configurations.ts'
import { cannotAdd, columnsByHeader, csvToNdjson, detectCsv, namesColumns } from './csv.ts'
import type { CsvHead, CsvOptions } from './csv.ts'
import { bucketFiles, mediaFile } from './files.ts'
import type { Media } from './files.ts'
import type { Detail, JobsContext } from './job-context.ts'
import { assertNoUnknown, detectNdjson } from './ndjson.ts'
import {
  RestFault,
  assertKnown,
  columnsOf,
  flagAt,
  invalid,
  listAt,
  objectAt,
  schemaOf,
  textAt,
  textsAt,
  unsupported,
  wholeAt,
} from './wire.ts'
import type { Json } from './wire.ts'

type Prepared = Awaited<ReturnType<NonNullable<LoadWork['prepare']>>>
interface Source {
  path: string
  name: string
}
interface LoadOptions {
  format: 'CSV' | 'NEWLINE_DELIMITED_JSON' | 'PARQUET'
  infers_lists: boolean
  uris: readonly string[]
  /** The request's schema. */
  given: readonly Column[] | undefined
  csv: CsvOptions
  /** Values that have no column are passed over. */
  ignore: boolean
  detects: boolean
  /** Of the files that are made for it. */
  name: string
  destination: WorkDestination
  /** As messages call it. */
  table: string
}

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
const delimiterOf = (config: Json): string => {
  const text = textAt(config, 'fieldDelimiter') ?? ''
  if (text === '') return ','
  if (text === '\\t' || text.toLowerCase() === 'tab') return '\t'
  if (text.length > 1) throw invalid('fieldDelimiter: expected one character')
  return text
}
const csvOptions = (config: Json): CsvOptions => {
  const quote = textAt(config, 'quote') ?? '"'
  if (quote.length > 1) throw invalid('quote: expected one character')
  return {
    skip: wholeAt(config, 'skipLeadingRows') ?? 0,
    delimiter: delimiterOf(config),
    quote,
    null_marker: textAt(config, 'nullMarker') ?? '',
    quoted_newlines: flagAt(config, 'allowQuotedNewlines') === true,
    jagged: flagAt(config, 'allowJaggedRows') === true,
    ignore_more: flagAt(config, 'ignoreUnknownValues') === true,
  }
}
const codes: Readonly<Record<string, 'NOT_FOUND' | 'QUERY_UNSUPPORTED'>> = {
  notFound: 'NOT_FOUND',
  notImplemented: 'QUERY_UNSUPPORTED',
}
const asJobFault = (error: unknown): never => {
  if (error instanceof RestFault)
    throw new AppError(codes[error.reason] ?? 'EXPORT_INVALID', error.message, { cause: error })
  throw error
}
const optionsOf = (context: JobsContext, config: Json, media: Media | undefined): LoadOptions => {
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
  const infers_lists = (flagAt(parquet, 'enableListInference') ?? flagAt(parquet, 'enable_list_inference')) === true
  if ((wholeAt(config, 'maxBadRecords') ?? 0) > 0) throw unsupported('A load with maxBadRecords')
  const encoding = (textAt(config, 'encoding') ?? 'UTF-8').toUpperCase()
  if (encoding !== 'UTF-8' && encoding !== 'UTF8') throw unsupported(`A load of ${encoding}`)
  const uris = textsAt(config, 'sourceUris') ?? []
  if (media === undefined && uris.length === 0)
    throw new RestFault(400, 'required', 'Required parameter is missing: sourceUris')
  const schema = objectAt(config, 'schema')
  const fields = schema === undefined ? [] : columnsOf(listAt(schema, 'fields') ?? [])
  const given = fields.length === 0 ? undefined : fields
  const destination = destinationOf(context, config, 'WRITE_APPEND', given)
  return {
    format,
    infers_lists,
    uris,
    given,
    csv: csvOptions(config),
    ignore: flagAt(config, 'ignoreUnknownValues') === true,
    detects: flagAt(config, 'autodetect') === true,
    name: `load-${randomUUID()}`,
    destination,
    table: `${destination.project_id}:${destination.dataset}.${destination.table}`,
  }
}
const prepareParquet = async (
  context: JobsContext,
  { destination, given, ignore, infers_lists, table }: LoadOptions,
  sources: readonly Source[],
): Promise<Prepared> => {
  const known = destination.replace_table === true ? undefined : columnsKnown(context, destination)
  const bounds = known ?? given
  const mayAdd = bounds === undefined || (known !== undefined && destination.add_columns === true)
  const bounded = new Set([...(bounds ?? []), ...(given ?? [])].map(({ name: one }) => one.toLowerCase()))
  const found = new Map<string, Column>()
  for (const { path, name: file } of sources) {
    for (const column of columnsOf(schemaOf(await context.engine.parquetColumns({ path, name: file })).fields)) {
      const key = column.name.toLowerCase()
      const wanted =
        found.get(key) ?? [...(bounds ?? []), ...(given ?? [])].find((one) => one.name.toLowerCase() === key)
      if (wanted === undefined && !mayAdd) {
        if (ignore) continue
        throw cannotAdd(table, column.name, file)
      }
      if (!infers_lists && hasList(column))
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
/** The table's columns: what the request says, what the table has, what is detected. */
const settleColumns = async (
  context: JobsContext,
  { destination, given, detects, format }: LoadOptions,
  sources: readonly Source[],
  heads: ReadonlyMap<string, CsvHead | undefined>,
): Promise<readonly Column[]> => {
  // What a load replaces says nothing of the columns, where the file itself is asked for them.
  let columns =
    given ?? (detects && destination.replace_table === true ? undefined : columnsKnown(context, destination))
  const [{ path: firstPath, name: firstName }] = sources as [Source]
  if (given === undefined && detects && (columns === undefined || destination.add_columns === true)) {
    const head = heads.get(firstPath)
    let detected: readonly Column[] = []
    if (format !== 'CSV') detected = await detectNdjson(firstPath, firstName)
    else if (head !== undefined && (columns === undefined || namesColumns(head, columns))) detected = head.columns
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
  return columns
}
/** CSV becomes NDJSON; `made`: files to remove afterwards. */
const prepareText = async (
  context: JobsContext,
  options: LoadOptions,
  sources: readonly Source[],
  made: string[],
): Promise<Prepared> => {
  const { format, given, csv, ignore, detects, name, destination, table } = options
  const heads = new Map<string, CsvHead | undefined>()
  if (detects && format === 'CSV')
    for (const source of sources) heads.set(source.path, await detectCsv(source.path, source.name, csv))
  const settled = await settleColumns(context, options, sources, heads)
  const files: Source[] = []
  // A file without a header is in the order of the one before it.
  let order = settled
  for (const [k, source] of sources.entries()) {
    if (format === 'CSV') {
      const path = join(context.uploads, `${name}-${k}.ndjson`)
      made.push(path)
      const head = heads.get(source.path)
      const isNamed = head !== undefined && (given !== undefined ? head.looks_like_header : namesColumns(head, settled))
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
/** The work of a load job, and what removes its files. */
export const loadWork = (
  context: JobsContext,
  config: Json,
  media: Media | undefined,
  detail: Detail,
): { work: Work; clean(): Promise<void> } => {
  const options = optionsOf(context, config, media)
  const { format, uris, name, destination } = options
  const made: string[] = []
  const prepare = async (): Promise<Prepared> => {
    const sources =
      media === undefined
        ? await bucketFiles(uris, context.buckets, context.uploads, name)
        : [{ path: await mediaFile(media, context.uploads, name), name: 'upload' }]
    made.push(...sources.map(({ path }) => path))
    detail.input_files = sources.length
    if (media !== undefined) detail.input_bytes = media.bytes
    return format === 'PARQUET'
      ? prepareParquet(context, options, sources)
      : prepareText(context, options, sources, made)
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
      for (const path of [...made, ...(media?.path === undefined ? [] : [media.path])]) await rm(path, { force: true })
    },
  }
}
