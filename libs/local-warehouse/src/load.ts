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
import type { LoadColumn, LoadSpec, Row } from '@convergence/warehouse'
import { columnFromDuckdb } from '@convergence/googlesql/types'
import { isInterrupt, raise, raised, wordFault } from './faults.ts'
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
type Planned = Pick<Load, 'sql' | 'explain'>
type File = LoadSpec['files'][number]
type FileColumn = Extract<LoadColumn, { source: string }>

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

// ---- conversion

/** Text of a number has no digits beyond this scale: 1.81E-8 has ten. */
const withinScale = (text: string, scale: number): string => {
  const tail = `regexp_extract(${text}, '\\.([0-9]*)', 1)`
  const exponent = `COALESCE(TRY_CAST(regexp_extract(${text}, '[eE]([+-]?[0-9]+)$', 1) AS INTEGER), 0)`
  const zeros = `(length(regexp_extract(${text}, '^[+-]?([0-9]*)', 1)) + length(${tail}) - length(rtrim(regexp_extract(${text}, '^[+-]?([0-9]*)', 1) || ${tail}, '0')))`
  return `(length(${tail}) - ${exponent} - ${zeros} <= ${scale})`
}
/**
 * Text to NUMERIC or BIGNUMERIC, NULL when it does not convert. Digits beyond the scale are an error in BIGNUMERIC;
 * NUMERIC rounds them
 * half away from zero, as a load does there. DuckDB reads 128-bit decimals forty times slower than 64-bit ones, so
 * those are tried first.
 */
const decimalFrom = (text: string, type: 'NUMERIC' | 'BIGNUMERIC'): string => {
  const wide = type === 'NUMERIC' ? 'DECIMAL(38,9)' : 'DECIMAL(38,18)'
  const narrowFirst = (scale: number) =>
    `COALESCE(CAST(TRY_CAST(${text} AS DECIMAL(18,${scale})) AS ${wide}), TRY_CAST(${text} AS ${wide}))`
  if (type === 'NUMERIC') return narrowFirst(9)
  const tail = `strlen(${text}) - instr(${text}, '.')`
  return (
    `CASE WHEN instr(${text}, 'E') = 0 AND instr(${text}, 'e') = 0 THEN CASE WHEN instr(${text}, '.') = 0 OR ${tail} <= 10 THEN ${narrowFirst(10)} WHEN ${tail} <= 16 THEN ${narrowFirst(16)} ` +
    `WHEN ${tail} <= 18 OR ${withinScale(text, 18)} THEN ${narrowFirst(18)} END ` +
    `ELSE COALESCE(CAST(${writtenOut(text)} AS ${wide}), CASE WHEN ${withinScale(text, 18)} THEN TRY_CAST(${text} AS ${wide}) END) END`
  )
}
/** A small number with an exponent, 1.81E-8, as 0.0000000181; NULL for others. */
const writtenOut = (text: string): string =>
  `list_transform([regexp_extract(${text}, '^([+-]?)([0-9]*)[.]?([0-9]*)[eE]([+-]?[0-9]{1,3})$', ['s', 'i', 'f', 'e'])], lambda m: ` +
  `CASE WHEN strlen(m.f) - TRY_CAST(m.e AS INTEGER) BETWEEN greatest(1, strlen(m.i || m.f)) AND 18 AND m.i || m.f <> '' ` +
  `THEN TRY_CAST(m.s || '0.' || repeat('0', strlen(m.f) - CAST(m.e AS INTEGER) - strlen(m.i || m.f)) || m.i || m.f AS DECIMAL(18,18)) END)[1]`
/** Text to the column's type, NULL when it does not convert. */
const attempt = (text: string, column: FileColumn): string => {
  const type = typeOf(column)
  switch (column.type) {
    case 'STRING':
      return text
    case 'INT64':
      return `CASE WHEN regexp_full_match(${text}, ' *[+-]?[0-9]+ *') THEN TRY_CAST(${text} AS BIGINT) END`
    case 'NUMERIC':
    case 'BIGNUMERIC':
      return decimalFrom(text, column.type)
    case 'DATE':
      return column.format === undefined
        ? `TRY_CAST(${text} AS DATE)`
        : `CAST(try_strptime(${text}, ${literal(column.format)}) AS DATE)`
    case 'TIMESTAMP':
    case 'DATETIME':
      return column.format === undefined
        ? `TRY_CAST(${text} AS ${type})`
        : `CAST(try_strptime(${text}, ${literal(column.format)}) AS ${type})`
    case 'BYTES':
      return `TRY(from_base64(${text}))`
    case 'JSON': {
      if (column.wrap_braces !== true) return `TRY_CAST(${text} AS JSON)`
      return `TRY_CAST(CASE WHEN starts_with(ltrim(${text}), '{') THEN ${text} ELSE '{' || ${text} || '}' END AS JSON)`
    }
    default:
      return `TRY_CAST(${text} AS ${type})`
  }
}
const constant = (value: unknown, column: Column): string => {
  const type = typeOf(column)
  if (value === null) return `CAST(NULL AS ${type})`
  if (value instanceof Uint8Array) return `from_base64(${literal(Buffer.from(value).toString('base64'))})`
  return `CAST(${literal(String(value))} AS ${type})`
}
const wrongValue = 'wrong value '
const fromText = (text: string, column: FileColumn, k: number): string => {
  const type = typeOf(column)
  const wrong = raise('EXPORT_INVALID', `${wrongValue}${k} `, text, type)
  const missing =
    column.mode === 'REQUIRED'
      ? raise('EXPORT_INVALID', `${wrongValue}${k} `, `COALESCE(${text}, '')`, type)
      : `CAST(NULL AS ${type})`
  if (column.type === 'STRING' && column.mode !== 'REQUIRED') return text
  return `CASE WHEN ${text} IS NULL THEN ${missing} ELSE COALESCE(${attempt(text, column)}, ${wrong}) END`
}
/** A JSON object of the fields that are not empty. */
const objectOf = (pairs: readonly (readonly [string, string])[]): string =>
  pairs.length === 0
    ? `CAST('{}' AS JSON)`
    : `CAST('{' || concat_ws(',', ${pairs.map(([key, text]) => `CASE WHEN ${text} IS NOT NULL THEN ${literal(`${JSON.stringify(key)}:`)} || CAST(to_json(${text}) AS VARCHAR) END`).join(', ')}) || '}' AS JSON)`

const tableColumn = ({ name, type, mode, description, fields }: Column): Column => ({
  name,
  type,
  ...(mode === undefined ? {} : { mode }),
  ...(description === undefined ? {} : { description }),
  ...(fields === undefined ? {} : { fields }),
})
const expectedWord = (column: LoadColumn): string =>
  'format' in column && column.format !== undefined ? `${column.type} as ${column.format}` : column.type
const shown = (text: string): string => `'${text.length > 60 ? `${text.slice(0, 60).toWellFormed()}...` : text}'`

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
      (name, k) =>
        header.indexOf(name) !== k &&
        columns.some(
          (column) =>
            ('source' in column && column.source === name) ||
            ('object_of' in column && Object.values(column.object_of).includes(name)),
        ),
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
        return objectOf(
          Object.entries(column.object_of).flatMap(([key, source]) => {
            const text = textOf(source)
            return text === undefined ? [] : [[key, text] as const]
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
      ? ': a quote is opened and never closed'
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
                ? `, column ${column.source}: expected ${expectedWord(column)}, got ${value === '' ? 'an empty field' : shown(value)}`
                : undefined),
          )
          return (
            fault ??
            new AppError(
              'EXPORT_INVALID',
              `column ${column.source}: expected ${expectedWord(column)}, got ${shown(value)}`,
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
              `${file.name}:${line}, column ${fine.path}: expected BIGNUMERIC with at most 18 digits after the point, got ${shown(fine.got)}`,
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

/** What a Parquet file calls a value whose counterpart in BigQuery DuckDB's own reading does not tell. */
const parquetRefused: readonly (readonly [RegExp, string])[] = [
  [/^INT96\b/, 'instants as INT96'],
  [/\bJSON|JsonType/, 'JSON'],
  [/\bENUM|EnumType/, 'an ENUM'],
  [/UUIDType/, 'a UUID'],
  [/\bMAP\b|MapType/, 'a MAP'],
  [/NANOS=NanoSeconds/, 'nanoseconds'],
]
/**
 * Columns of a Parquet file. Throws EXPORT_INVALID, naming the file, when it is none, and QUERY_UNSUPPORTED for a
 * column that the warehouse has no type for.
 */
export const parquetColumns = async (connection: DuckDBConnection, file: File): Promise<Column[]> => {
  const from = literal(file.path)
  try {
    for (const [name, ...facts] of (
      await connection.runAndReadAll(`SELECT name, type, converted_type, logical_type FROM parquet_schema(${from})`)
    ).getRows()) {
      const refused = parquetRefused.find(([form]) => form.test(facts.filter((fact) => fact !== null).join(' ')))
      if (refused !== undefined)
        throw new AppError(
          'QUERY_UNSUPPORTED',
          `${file.name}, column ${String(name)}: ${refused[1]} in Parquet is not supported by the local warehouse; see docs/LOCAL.md`,
        )
    }
    return (
      await connection.runAndReadAll(
        `SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM read_parquet(${from}))`,
      )
    )
      .getRows()
      .map(([name, type]) => {
        const text = String(type)
        const column = text.includes('[][]') ? undefined : columnFromDuckdb(String(name), text)
        if (column === undefined)
          throw new AppError(
            'QUERY_UNSUPPORTED',
            `${file.name}, column ${String(name)}: ${text.slice(0, 100)} in Parquet is not supported by the local warehouse; see docs/LOCAL.md`,
          )
        return column
      })
  } catch (error) {
    if (error instanceof AppError || isInterrupt(error)) throw error
    throw await planParquet([file], []).explain(error)
  }
}
const planParquet = (files: readonly File[], columns: readonly LoadColumn[]): Planned => {
  const values = columns.map((column) => {
    const value =
      'value' in column
        ? constant(column.value, column)
        : 'object_of' in column
          ? objectOf(
              Object.entries(column.object_of).map(([key, source]) => [key, `CAST(r.${quoted(source)} AS VARCHAR)`]),
            )
          : `CAST(r.${quoted(column.source)} AS ${typeOf(column)})`
    return `${value} AS ${quoted(column.name)}`
  })
  const names = files
    .map(({ name }) => name)
    .slice(0, 3)
    .join(', ')
  return {
    sql: `SELECT ${values.join(', ')} FROM read_parquet([${files.map(({ path }) => literal(path)).join(', ')}], union_by_name=true) AS r`,
    explain: (error) => {
      const text = error instanceof Error ? error.message : String(error)
      const missing =
        /"r" does not have a column named "([^"]*)"|column named "([^"]*)"|Referenced column "([^"]*)"/i.exec(text)
      if (missing !== null)
        return Promise.resolve(
          new AppError('EXPORT_INVALID', `${names}: has no column ${missing[1] ?? missing[2] ?? missing[3] ?? ''}`, {
            cause: error,
          }),
        )
      const fault = wordFault(error)
      return Promise.resolve(
        fault.code === 'QUERY_INVALID' || /parquet|magic/i.test(text)
          ? new AppError(
              'EXPORT_INVALID',
              `${names}: ${/magic|parquet/i.test(text) ? 'is not a Parquet file' : fault.message}`,
              { cause: error },
            )
          : fault,
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
export const planLoad = async (spec: LoadSpec): Promise<Load> => {
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
    ...(spec.format === 'csv' ? await planCsv(spec.files, columns) : planParquet(spec.files, columns)),
    columns: columns.map(tableColumn),
    bytes,
    verify: () => verify(spec.files),
  }
}
