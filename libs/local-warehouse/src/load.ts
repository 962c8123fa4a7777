/**
 * Files as one SELECT whose rows go into a table: each value is converted as its column is declared, and a value that
 * does not convert
 * fails the whole load. DuckDB reads and converts; it says which value was wrong, not where it stands. So only then the
 * file is read a
 * second time, record by record, to name file, line and column.
 */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createGunzip } from 'node:zlib'
import type { DuckDBConnection } from '@duckdb/node-api'
import { AppError } from '@convergence/contracts'
import type { Column } from '@convergence/contracts'
import { sourcesOf } from '@convergence/warehouse'
import type { LoadColumn, LoadSpec, Row } from '@convergence/warehouse'
import { raise, raised, wordFault } from './faults.ts'
import { constant, decimalFrom, expectedWord, fromText, objectWith, shown, wrongValue } from './load/convert.ts'
import { planParquet } from './load/parquet.ts'
import { holdsBytes, literal, misfitOf, quoted, typeOf } from './values.ts'

export interface Load {
  /** Gives exactly the columns, in their order. */
  sql: string
  columns: readonly Column[]
  bytes: number
  /**
   * DuckDB takes a gzip file that broke off for a whole one, and checks no sum: this reads each to its end. Throws
   * EXPORT_INVALID.
   */
  verify(): Promise<void>
  /** What to tell of a fault that running the SQL threw. */
  explain(error: unknown): Promise<AppError>
}
/** A plan of files of one format. */
export type Planned = Pick<Load, 'sql' | 'explain'>
type File = LoadSpec['files'][number]

const isGzip = (path: string): boolean => path.endsWith('.gz')
const bytesOf = (file: File): AsyncIterable<Buffer> => {
  const raw = createReadStream(file.path, { highWaterMark: 1 << 20 })
  if (!isGzip(file.path)) return raw as AsyncIterable<Buffer>
  const unzipped = createGunzip({ chunkSize: 1 << 20 })
  raw.on('error', (error) => unzipped.destroy(error))
  return raw.pipe(unzipped) as AsyncIterable<Buffer>
}
const unreadable = (file: File, error: unknown): AppError =>
  new AppError(
    'EXPORT_INVALID',
    `${file.name}: cannot be read (${/ENOENT/.test(String(error)) ? 'there is no such file' : isGzip(file.path) ? 'it is not a whole gzip file' : 'the disk answers with an error'})`,
    { cause: error },
  )

interface Record {
  line: number
  fields: string[]
  /** The file ends inside quotes. */ open: boolean
}
/** Records of a CSV file and the lines that they begin in; quotes as in RFC 4180, lines end in LF, CRLF or CR. */
async function* csvRecords(file: File): AsyncGenerator<Record> {
  const decoder = new TextDecoder()
  let [field, fields]: [string, string[]] = ['', []]
  let [line, began, inQuotes, wasQuote, wasReturn, empty] = [1, 1, false, false, false, true]
  const step = function* (text: string): Generator<Record> {
    for (const character of text) {
      if (wasReturn) {
        wasReturn = false
        if (character === '\n') continue
      }
      if (inQuotes && !wasQuote) {
        if (character === '"') wasQuote = true
        else {
          if (character === '\n') line += 1
          field += character
        }
        continue
      }
      if (wasQuote && character === '"') {
        field += '"'
        wasQuote = false
        continue
      }
      if (wasQuote) [inQuotes, wasQuote] = [false, false]
      if (character === '"' && field === '' && !inQuotes) [inQuotes, empty] = [true, false]
      else if (character === ',') {
        fields.push(field)
        ;[field, empty] = ['', false]
      } else if (character === '\n' || character === '\r') {
        wasReturn = character === '\r'
        if (!empty || field !== '') yield { line: began, fields: [...fields, field], open: false }
        line += 1
        ;[field, fields, began, empty] = ['', [], line, true]
      } else {
        field += character
        empty = false
      }
    }
  }
  for await (const chunk of bytesOf(file)) yield* step(decoder.decode(chunk, { stream: true }))
  yield* step(decoder.decode())
  if (!empty || field !== '') yield { line: began, fields: [...fields, field], open: inQuotes && !wasQuote }
}
const endingOf = { 10: 'LF', 13: 'CR', 0: 'CRLF' } as const
/**
 * The first line that ends otherwise than line 1 does: DuckDB then says that nothing of the file fits. Line breaks
 * inside quotes are text, as for csvRecords,
 * which reads all three endings as one and cannot tell them. The last line may end with the file.
 */
const oddLine = async (
  file: File,
): Promise<{ line: number; got: string; expected: string; empty: boolean } | undefined> => {
  // Where in a field the last byte was; a quote opens only at its beginning.
  let at: 'begin' | 'plain' | 'quoted' | 'quote' = 'begin'
  let [line, empty, wasReturn, atStart]: [number, boolean, boolean, boolean] = [1, true, false, true]
  let expected: string | undefined
  const end = (byte: keyof typeof endingOf) => {
    const got = endingOf[byte]
    const odd = expected === undefined || expected === got ? undefined : { line, got, expected, empty }
    expected ??= got
    ;[at, line, empty] = ['begin', line + 1, true]
    return odd
  }
  for await (const chunk of bytesOf(file)) {
    for (let k = atStart && chunk.subarray(0, 3).equals(Buffer.from('\ufeff')) ? 3 : 0; k < chunk.length; k += 1) {
      const byte = chunk[k]
      if (wasReturn) {
        wasReturn = false
        const odd = end(byte === 10 ? 0 : 13)
        if (odd !== undefined) return odd
        if (byte === 10) continue
      }
      if (at === 'quoted') {
        if (byte === 34) at = 'quote'
        else if (byte === 10) line += 1
      } else if (byte === 34) {
        at = at === 'plain' ? 'plain' : 'quoted'
        empty = false
      } else if (byte === 13) wasReturn = true
      else if (byte === 10) {
        const odd = end(10)
        if (odd !== undefined) return odd
      } else {
        at = byte === 44 ? 'begin' : 'plain'
        empty = false
      }
    }
    atStart = false
  }
  return wasReturn ? end(13) : undefined
}
async function* linesOf(file: File): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of bytesOf(file)) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
  if (rest !== '') yield rest
}
const headerOf = async (file: File): Promise<string[]> => {
  try {
    for await (const { fields } of csvRecords(file)) return fields
  } catch (error) {
    throw unreadable(file, error)
  }
  throw new AppError('EXPORT_INVALID', `${file.name}: is empty; expected a line with the names of the columns`)
}

const tableColumn = ({ name, type, mode, description, fields }: Column): Column => ({
  name,
  type,
  ...(mode === undefined ? {} : { mode }),
  ...(description === undefined ? {} : { description }),
  ...(fields === undefined ? {} : { fields }),
})
// ---- formats

const compression = (file: File): string => (isGzip(file.path) ? 'gzip' : 'none')

const planCsv = async (files: readonly File[], columns: readonly LoadColumn[]): Promise<Planned> => {
  const groups = new Map<string, { header: string[]; files: File[] }>()
  for (const file of files) {
    const header = await headerOf(file)
    for (const column of columns) {
      if ('source' in column && column.optional !== true && !header.includes(column.source)) {
        throw new AppError(
          'EXPORT_INVALID',
          `${file.name}: has no column ${column.source}, which ${column.name} is read from; it has ${header.slice(0, 12).join(', ')}${header.length > 12 ? ` and ${header.length - 12} more` : ''}`,
        )
      }
    }
    const used = header.find(
      (name, k) => header.indexOf(name) !== k && columns.some((column) => sourcesOf(column).includes(name)),
    )
    if (used !== undefined)
      throw new AppError('EXPORT_INVALID', `${file.name}:1: has two columns ${used}; expected one`)
    const key = JSON.stringify([header, isGzip(file.path)])
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { header, files: [file] })
    else group.files.push(file)
  }
  const selects = [...groups.values()].map(({ header, files: same }) => {
    const textOf = (source: string): string | undefined => {
      const at = header.indexOf(source)
      return at < 0 ? undefined : `r.c${at}`
    }
    const values = columns.map((column, k) => {
      if ('value' in column) return constant(column.value, column)
      if ('object_of' in column)
        return objectWith(
          Object.entries(column.object_of).flatMap(([key, source]) => {
            const text = textOf(source)
            return text === undefined ? [] : [[key, text] as const]
          }),
          (column.maps ?? []).flatMap(({ source, prefix }) => {
            const text = textOf(source)
            return text === undefined ? [] : [{ text, prefix }]
          }),
        )
      const text = textOf(column.source)
      return text === undefined ? constant(null, column) : fromText(text, column, k)
    })
    const list = `[${same.map(({ path }) => literal(path)).join(', ')}]`
    const shape = `{${header.map((_, k) => `'c${k}': 'VARCHAR'`).join(', ')}}`
    return `SELECT ${values.map((value, k) => `${value} AS ${quoted(columns[k]?.name ?? '')}`).join(', ')} FROM read_csv(${list}, auto_detect=false, header=true, delim=',', quote='"', escape='"', nullstr='', compression='${compression(same[0] ?? { path: '', name: '' })}', columns=${shape}) AS r`
  })
  /** The first record for which `is` gives a fault. */
  const find = async (
    is: (record: Record, header: readonly string[], file: File) => string | undefined,
  ): Promise<AppError | undefined> => {
    for (const file of files) {
      let header: string[] | undefined
      try {
        for await (const record of csvRecords(file)) {
          if (header === undefined) {
            header = record.fields
            continue
          }
          const fault = is(record, header, file)
          if (fault !== undefined) return new AppError('EXPORT_INVALID', `${file.name}:${record.line}${fault}`)
        }
      } catch (error) {
        return unreadable(file, error)
      }
    }
    return undefined
  }
  /** The first line that ends otherwise than its file's first. */
  const unlike = async (): Promise<AppError | undefined> => {
    for (const file of files) {
      const odd = await oddLine(file)
      if (odd === undefined) continue
      const column = odd.empty ? '' : `, column ${(await headerOf(file)).at(-1) ?? ''}`
      return new AppError(
        'EXPORT_INVALID',
        `${file.name}:${odd.line}${column}: expected ${odd.expected} at the end of the line as in the first line, got ${odd.empty ? 'an empty line that ends in ' : ''}${odd.got}`,
      )
    }
    return undefined
  }
  const ragged = (record: Record, header: readonly string[]): string | undefined =>
    record.open
      ? `, column ${header[record.fields.length - 1] ?? record.fields.length}: expected a quote that closes the field, got the end of the file`
      : record.fields.length !== header.length
        ? `: expected ${header.length} fields as in the first line, got ${record.fields.length}`
        : undefined
  return {
    sql: selects.join(' UNION ALL '),
    explain: async (error) => {
      const own = raised(error)
      const wrong = own === undefined ? null : new RegExp(`^${wrongValue}(\\d+) ([^]*)$`).exec(own.text)
      if (wrong !== null) {
        const [, k, value = ''] = wrong
        const column = columns[Number(k)]
        if (column !== undefined && 'source' in column) {
          const fault = await find(
            (record, header) =>
              ragged(record, header) ??
              (record.fields[header.indexOf(column.source)] === value
                ? `, column ${column.source}: expected ${expectedWord(column, value)}, got ${value === '' ? 'an empty field' : shown(value)}`
                : undefined),
          )
          return (
            fault ??
            new AppError(
              'EXPORT_INVALID',
              `column ${column.source}: expected ${expectedWord(column, value)}, got ${shown(value)}`,
            )
          )
        }
      }
      if (own !== undefined) return wordFault(error)
      const text = error instanceof Error ? error.message : String(error)
      const required = columns.find(
        (column) => column.name === /^Constraint Error: NOT NULL constraint failed: [^.]*\.([^\s]*)/.exec(text)?.[1],
      )
      if (required !== undefined && 'source' in required) {
        const fault = await find((record, header) =>
          (record.fields[header.indexOf(required.source)] ?? '') === ''
            ? `, column ${required.source}: expected ${expectedWord(required)}, got an empty field`
            : undefined,
        )
        if (fault !== undefined) return fault
      }
      if (!/CSV Error|^Invalid Input Error|unicode|gzip|decompress/i.test(text)) return wordFault(error)
      const fault = (await find(ragged)) ?? (await unlike())
      if (fault !== undefined) return fault
      const at = /Line: (\d+)/.exec(text)?.[1]
      const file = files.find(({ path }) => text.includes(path)) ?? files[0]
      return new AppError(
        'EXPORT_INVALID',
        `${file?.name ?? 'file'}${at === undefined ? '' : `:${at}`}: ${/unicode|utf-?8/i.test(text) ? 'expected UTF-8' : /maximum line size/i.test(text) ? 'the line is longer than 2 MB' : 'is not CSV as the first line promises'}`,
        { cause: error },
      )
    },
  }
}

/** What JSON is read as before it is converted: decimals as text, for reading them as numbers would lose digits. */
const jsonType = (column: Column): string => {
  const one =
    column.type === 'STRUCT'
      ? `STRUCT(${(column.fields ?? []).map((field) => `${quoted(field.name)} ${jsonType(field)}`).join(', ')})`
      : column.type === 'NUMERIC' || column.type === 'BIGNUMERIC' || column.type === 'BYTES'
        ? 'VARCHAR'
        : typeOf({ ...column, mode: 'NULLABLE' })
  return column.mode === 'REPEATED' ? `${one}[]` : one
}
/**
 * DuckDB's cast rounds away digits that a BIGNUMERIC here cannot hold, also deep inside: such values are converted one
 * by one.
 */
const holdsBigNumeric = ({ type, fields = [] }: Column): boolean =>
  type === 'BIGNUMERIC' || fields.some(holdsBigNumeric)
const isTakenApart = (column: Column): boolean => holdsBigNumeric(column) || holdsBytes(column)
/** What JSON was read as, to the column's type. `k`: the column that a fault names. */
const fromJson = (value: string, column: Column, k: number, depth = 0): string => {
  const type = typeOf(column)
  const decimals = column.type === 'NUMERIC' || column.type === 'BIGNUMERIC'
  if (column.mode === 'REPEATED' && isTakenApart(column))
    return `list_transform(${value}, lambda x${depth}: ${fromJson(`x${depth}`, { ...column, mode: 'NULLABLE' }, k, depth + 1)})`
  if (column.type === 'STRUCT' && isTakenApart(column))
    return `CASE WHEN ${value} IS NOT NULL THEN struct_pack(${(column.fields ?? []).map((field) => `${quoted(field.name)} := ${fromJson(`${value}.${quoted(field.name)}`, field, k, depth)}`).join(', ')}) END`
  if (column.type === 'BYTES' && column.mode !== 'REPEATED') return `from_base64(${value})`
  if (decimals && column.mode !== 'REPEATED')
    return `CASE WHEN ${value} IS NULL THEN NULL ELSE COALESCE(${decimalFrom(value, column.type as 'NUMERIC' | 'BIGNUMERIC')}, ${raise('EXPORT_INVALID', `${wrongValue}${k} `, value, type)}) END`
  return jsonType(column) === type ? value : `CAST(${value} AS ${type})`
}
/** The first BIGNUMERIC with digits that are not held here, as far as JavaScript still sees them. */
const tooFine = (columns: readonly Column[], row: Row, path = ''): { path: string; got: string } | undefined => {
  for (const column of columns) {
    for (const value of [row[column.name]].flat()) {
      const own = `${path}${column.name}`
      if (column.type === 'BIGNUMERIC' && /\.\d{18}\d*[1-9]/.test(String(value)))
        return { path: own, got: String(value) }
      const inner =
        column.type === 'STRUCT' && value !== null && value !== undefined
          ? tooFine(column.fields ?? [], value as Row, `${own}.`)
          : undefined
      if (inner !== undefined) return inner
    }
  }
  return undefined
}
const planNdjson = (files: readonly File[], columns: readonly Column[]): Planned => {
  const selects = ['gzip', 'none'].flatMap((kind) => {
    const same = files.filter((file) => compression(file) === kind)
    if (same.length === 0) return []
    const shape = `{${columns.map((column) => `${literal(column.name)}: ${literal(jsonType(column))}`).join(', ')}}`
    const values = columns.map((column, k) => {
      const value = fromJson(`r.${quoted(column.name)}`, column, k)
      return `${column.mode === 'REPEATED' ? `COALESCE(${value}, [])` : value} AS ${quoted(column.name)}`
    })
    return [
      `SELECT ${values.join(', ')} FROM read_json([${same.map(({ path }) => literal(path)).join(', ')}], format='newline_delimited', auto_detect=false, compression='${kind === 'none' ? 'uncompressed' : kind}', columns=${shape}) AS r`,
    ]
  })
  /** The first line that is no JSON object of these columns. */
  const find = async (): Promise<AppError | undefined> => {
    for (const file of files) {
      let line = 0
      try {
        for await (const text of linesOf(file)) {
          line += 1
          if (text.trim() === '') continue
          let row: unknown
          try {
            row = JSON.parse(text)
          } catch {
            return new AppError('EXPORT_INVALID', `${file.name}:${line}: expected a JSON object, got ${shown(text)}`)
          }
          const fine = typeof row === 'object' && row !== null ? tooFine(columns, row as Row) : undefined
          if (fine !== undefined)
            return new AppError(
              'EXPORT_INVALID',
              `${file.name}:${line}, column ${fine.path}: expected BIGNUMERIC with at most 20 digits before the point and 18 after it, got ${shown(fine.got)}`,
            )
          const wrong = misfitOf(columns, row)
          if (wrong !== undefined)
            return new AppError(
              'EXPORT_INVALID',
              `${file.name}:${line}, column ${wrong.path}: expected ${wrong.expected}, got ${typeof wrong.got === 'string' ? shown(wrong.got) : JSON.stringify(wrong.got).slice(0, 60)}`,
            )
        }
      } catch (error) {
        return unreadable(file, error)
      }
    }
    return undefined
  }
  return {
    sql: selects.join(' UNION ALL '),
    explain: async (error) => {
      const text = error instanceof Error ? error.message : String(error)
      const own = raised(error)
      if (
        own === undefined &&
        !/^(Invalid Input|Conversion|Out of Range|IO|Constraint)|JSON|gzip|decompress|unicode/i.test(text)
      )
        return wordFault(error)
      if (own !== undefined && !own.text.startsWith(wrongValue)) return wordFault(error)
      // DuckDB's own line numbers are approximate here.
      return (
        (await find()) ??
        new AppError(
          'EXPORT_INVALID',
          `${files
            .map(({ name }) => name)
            .slice(0, 3)
            .join(', ')}: ${own === undefined ? wordFault(error).message : "a value is not of its column's type"}`,
          { cause: error },
        )
      )
    },
  }
}

const verify = async (files: readonly File[]): Promise<void> => {
  for (const file of files.filter(({ path }) => isGzip(path))) {
    try {
      for await (const _chunk of bytesOf(file)) {
        /* only to its end */
      }
    } catch (error) {
      throw unreadable(file, error)
    }
  }
}

/**
 * Reads headers; the rest is read when the SQL runs. Throws EXPORT_INVALID when a file is missing, empty or lacks a
 * column.
 */
export const planLoad = async (connection: DuckDBConnection, spec: LoadSpec): Promise<Load> => {
  let bytes = 0
  for (const file of spec.files) {
    try {
      bytes += (await stat(file.path)).size
    } catch (error) {
      throw unreadable(file, error)
    }
  }
  if (spec.files.length === 0) throw new AppError('EXPORT_INVALID', 'the load names no file')
  if (spec.format === 'ndjson') {
    const { columns } = spec.destination
    if (columns === undefined || columns.length === 0)
      throw new AppError(
        'CONFIG_INVALID',
        `${spec.destination.dataset}.${spec.destination.table}: a load of NDJSON needs destination.columns`,
      )
    return { ...planNdjson(spec.files, columns), columns, bytes, verify: () => verify(spec.files) }
  }
  const columns = spec.columns ?? []
  if (columns.length === 0)
    throw new AppError(
      'CONFIG_INVALID',
      `${spec.destination.dataset}.${spec.destination.table}: a load of ${spec.format} needs columns`,
    )
  return {
    ...(spec.format === 'csv'
      ? await planCsv(spec.files, columns)
      : await planParquet(connection, spec.files, columns)),
    columns: columns.map(tableColumn),
    bytes,
    verify: () => verify(spec.files),
  }
}
