/**
 * Parquet files as one SELECT. DuckDB gives several files one type for each column, the first file's, and rounds what
 * the others have: so files of one schema are read together, each schema's columns are cast to the table's types by
 * themselves, and only then united. A value whose cast is not exact fails the load, by file, column and value.
 */
import type { DuckDBConnection } from '@duckdb/node-api'
import { AppError } from '@convergence/contracts'
import type { Column } from '@convergence/contracts'
import { sourcesOf } from '@convergence/warehouse'
import type { LoadColumn, LoadSpec, ObjectSource } from '@convergence/warehouse'
import { withoutNull } from '@convergence/googlesql/null-elements'
import { fromDecimal, packed as packedParts } from '@convergence/googlesql/bignumeric'
import { columnFromDuckdb, typeOfColumn } from '@convergence/googlesql/types'
import { shown } from '@convergence/tabular/values'
import { isInterrupt, raise, raised, wordFault } from '../faults.ts'
import { eachOf, literal, packed, quoted, typeOf } from '../values.ts'
import {
  attempt,
  constant,
  decimalFrom,
  emptyOf,
  expectedWord,
  isTaken,
  leavingOut,
  memberFrom,
  namesOfFiles,
  objectWith,
  withinDays,
  withoutWord,
  wrongValue,
} from './convert.ts'
import type { FileColumn, Wrong } from './convert.ts'

type File = LoadSpec['files'][number]

/** What a Parquet file calls a value whose counterpart in BigQuery DuckDB's own reading does not tell. */
const refusedForms: readonly (readonly [RegExp, string])[] = [
  [/^INT96\b/, 'instants as INT96'],
  [/\bJSON|JsonType/, 'JSON'],
  [/\bENUM|EnumType/, 'an ENUM'],
  [/UUIDType/, 'a UUID'],
  [/\bMAP\b|MapType/, 'a MAP'],
  [/NANOS=NanoSeconds/, 'nanoseconds'],
]
const unsupported = (file: File, column: string, what: string): AppError =>
  new AppError(
    'QUERY_UNSUPPORTED',
    `${file.name}, column ${column}: ${what} in Parquet is not supported by the local warehouse; see docs/LOCAL.md`,
  )
const namesOf = (files: readonly File[]): string =>
  files
    .map(({ name }) => name)
    .slice(0, 3)
    .join(', ')

/** One line of a file's own schema, in the file's order: nested fields follow what they are in. */
interface SchemaElement {
  name: string
  children: number
  /** Physical type and what it stands for, as DuckDB writes them. */
  forms: string
  precision: number
}
/** Throws what DuckDB throws when a file is no Parquet file. */
const schemaOf = async (connection: DuckDBConnection, file: File): Promise<SchemaElement[]> =>
  (
    await connection.runAndReadAll(
      'SELECT name, num_children, precision, type, type_length, converted_type, scale, logical_type, column_id ' +
        `FROM parquet_schema(${literal(file.path)}) ORDER BY column_id`,
    )
  )
    .getRows()
    .map(([name, children, precision, ...forms]) => ({
      name: String(name),
      children: Number(children ?? 0),
      precision: Number(precision ?? 0),
      forms: forms
        .slice(0, -1)
        .filter((form) => form !== null)
        .map(String)
        .join(' '),
    }))
/** The columns of the file, each with what is inside it. */
const topLevel = (schema: readonly SchemaElement[]): SchemaElement[][] => {
  const columns: SchemaElement[][] = []
  let at = 1
  const take = (into: SchemaElement[]) => {
    const element = schema[at]
    if (element === undefined) return
    at += 1
    into.push(element)
    for (let k = 0; k < element.children; k += 1) take(into)
  }
  while (at < schema.length) {
    const column: SchemaElement[] = []
    take(column)
    columns.push(column)
  }
  return columns
}
/** DuckDB takes a decimal of more than 38 digits for a DOUBLE, without a word. */
const assertDecimals = (file: File, column: readonly SchemaElement[]): void => {
  const wide = column.find(({ precision }) => precision > 38)
  if (wide === undefined) return
  const scale = /scale=(\d+)/.exec(wide.forms)?.[1]
  throw unsupported(file, wide.name, `DECIMAL(${wide.precision}${scale === undefined ? '' : `,${scale}`})`)
}

/** `like_csv`: bytes that do not say what they are are text, as some writers leave it out. */
const described = async (
  connection: DuckDBConnection,
  file: File,
  like_csv = false,
): Promise<{ name: string; type: string }[]> =>
  (
    await connection.runAndReadAll(
      'SELECT column_name, column_type FROM (DESCRIBE SELECT * ' +
        `FROM read_parquet(${literal(file.path)}, binary_as_string=${like_csv}))`,
    )
  )
    .getRows()
    .map(([name, type]) => ({ name: String(name), type: String(type) }))

/**
 * Columns of a Parquet file. Throws EXPORT_INVALID, naming the file, when it is none, and QUERY_UNSUPPORTED for a
 * column that the warehouse has no type for.
 */
export const parquetColumns = async (connection: DuckDBConnection, file: File): Promise<Column[]> => {
  try {
    const schema = await schemaOf(connection, file)
    for (const { name, forms } of schema) {
      const refused = refusedForms.find(([form]) => form.test(forms))
      if (refused !== undefined) throw unsupported(file, name, refused[1])
    }
    const columns = topLevel(schema)
    for (const column of columns) assertDecimals(file, column)
    const names = columns.map(([column]) => column?.name.toLowerCase())
    const twice = names.find((name, k) => names.indexOf(name) !== k)
    if (twice !== undefined)
      throw new AppError('EXPORT_INVALID', `${file.name}: has two columns ${twice}; names differ not by case alone`)
    return (await described(connection, file)).map(({ name, type }) => {
      const column = type.includes('[][]') ? undefined : columnFromDuckdb(name, type)
      if (column === undefined) throw unsupported(file, name, wordType(type))
      return column
    })
  } catch (error) {
    if (error instanceof AppError || isInterrupt(error)) throw error
    throw explainParquet([file], [], error)
  }
}

/** A type of DuckDB that the warehouse has not, as a reader of Parquet knows it. */
const wordType = (type: string): string => {
  if (type.includes('[][]')) return 'a list of lists'
  if (/\bU(TINY|SMALL|BIG)?INT(EGER)?\b/.test(type)) return 'an unsigned integer'
  return /^\w+$/.test(type) ? type : 'a record or a list of a type that the warehouse has not,'
}
const decimalOf = (type: string): { precision: number; scale: number } | undefined => {
  const match = /^DECIMAL\((\d+),\s*(\d+)\)$/.exec(type)
  return match === null ? undefined : { precision: Number(match[1]), scale: Number(match[2]) }
}
const digitsOf: Readonly<Record<string, number>> = { TINYINT: 3, SMALLINT: 5, INTEGER: 10, BIGINT: 19 }
/** Whether each value of one type is one of the other, so that the cast needs no look at it. */
const isExact = (from: string, to: string): boolean => {
  if (from === to) return true
  if (from in digitsOf && to in digitsOf) return (digitsOf[from] ?? 0) <= (digitsOf[to] ?? 0)
  const target = decimalOf(to)
  if (target === undefined) return false
  const whole = digitsOf[from]
  const source = whole === undefined ? decimalOf(from) : { precision: whole, scale: 0 }
  return (
    source !== undefined &&
    source.scale <= target.scale &&
    source.precision - source.scale <= target.precision - target.scale
  )
}
const isNested = (type: string): boolean => /^MAP|STRUCT|\[\]$/.test(type)
/** Whether a map has a key twice, which Parquet's format allows: the last one counts. */
const isTwofold = (map: string): string =>
  `len(list_filter(map_keys(${map}), lambda m, n: list_position(map_keys(${map}), m) <> n)) > 0`
/** A nested value as JSON. */
const jsonOf = (value: string, type: string): string =>
  type.startsWith('MAP')
    ? `CASE WHEN ${isTwofold(value)} THEN to_json(map_concat(${value}, MAP {})) ELSE to_json(${value}) END`
    : `to_json(${value})`
/** The text at a key of a map of texts, NULL when there is none or it is empty. */
const memberOf = (map: string, key: string): string => {
  const all = `list_filter(map_entries(${map}), lambda m: m.key = ${literal(key)})`
  return `NULLIF(CASE WHEN ${isTwofold(map)} THEN ${all}[-1].value ELSE ${map}[${literal(key)}] END, '')`
}
/** The members of a map whose keys begin with a prefix, without it, as JSON. */
const prefixedOf = (map: string, prefix: string): string => {
  const members = `list_filter(map_entries(${map}), lambda m: starts_with(m.key, ${literal(prefix)}))`
  const member = `CAST(to_json(substr(m.key, ${prefix.length + 1})) AS VARCHAR) || ':' || COALESCE(CAST(to_json(m.value) AS VARCHAR), 'null')`
  const text = `array_to_string(list_transform(${members}, lambda m: ${member}), ',')`
  return `CASE WHEN len(${members}) > 0 THEN CAST('{' || ${text} || '}' AS JSON) END`
}
/** A JSON object of columns that are filled, and of maps; only where several have members they are merged. */
const objectIn = ({ object_of, maps = [] }: ObjectSource, types: ReadonlyMap<string, string>): string => {
  const has = (source: string): boolean => types.has(source.toLowerCase())
  const pairs = Object.entries(object_of)
    .filter(([, source]) => has(source))
    .map(([key, source]) => [key, textIn(source, types)] as const)
  const sources = maps.filter(({ source }) => has(source))
  const plain = objectWith(
    pairs,
    sources.map(({ source, prefix }) => ({ text: textIn(source, types), prefix })),
  )
  if (sources.length === 0 || sources.some(({ source }) => types.get(source.toLowerCase()) !== textMap)) return plain
  const parts = sources.map(({ source, prefix }) => {
    const map = `r.${quoted(source)}`
    const object = prefix === undefined ? jsonOf(map, textMap) : prefixedOf(map, prefix)
    const filled = prefix === undefined ? `cardinality(${map}) > 0` : `${object} IS NOT NULL`
    return { object: `CASE WHEN ${filled} THEN ${object} END`, filled }
  })
  if (pairs.length > 0) {
    const filled = `(${pairs.map(([, text]) => `${text} IS NOT NULL`).join(' OR ')})`
    parts.push({ object: `CASE WHEN ${filled} THEN ${objectWith(pairs, [])} END`, filled })
  }
  const first = `COALESCE(${parts.map(({ object }) => object).join(', ')}, CAST('{}' AS JSON))`
  if (parts.length === 1) return first
  const count = parts.map(({ filled }) => `COALESCE(CAST(${filled} AS INTEGER), 0)`).join(' + ')
  const twice = sources.some(({ prefix }) => prefix !== undefined)
    ? sources.map(({ source }) => isTwofold(`r.${quoted(source)}`))
    : []
  const several = [`${count} > 1`, ...twice].map((each) => `COALESCE(${each}, false)`).join(' OR ')
  return `CASE WHEN ${several} THEN ${plain} ELSE ${first} END`
}
const textMap = 'MAP(VARCHAR, VARCHAR)'
/** A value as CSV of the same export would have it; an empty text is NULL there. */
const csvText = (value: string, type: string): string => {
  if (isNested(type)) return `CAST(${jsonOf(value, type)} AS VARCHAR)`
  if (type === 'VARCHAR') return `NULLIF(${value}, '')`
  const text = `CAST(${value} AS VARCHAR)`
  if (type === 'DOUBLE' || type === 'FLOAT')
    // '.0' at the end goes, and the zero before an exponent of one digit. Regular expressions take three times as long.
    return (
      `CASE WHEN ends_with(${text}, '.0') THEN left(${text}, strlen(${text}) - 2) ` +
      `WHEN contains(${text}, 'e') THEN replace(replace(${text}, 'e-0', 'e-'), 'e+0', 'e+') ELSE ${text} END`
    )
  if (!type.startsWith('TIMESTAMP')) return text
  const instant = `CAST(${value} AS TIMESTAMP)`
  const micros = `epoch_us(${instant}) % 1000000`
  const written = (format: string) => `strftime(${instant}, '%Y-%m-%dT%H:%M:%S${format}Z')`
  return (
    `CASE WHEN ${micros} = 0 THEN ${written('')} ` +
    `WHEN ${micros} % 1000 = 0 THEN ${written('.%g')} ELSE ${written('.%f')} END`
  )
}
/** A file's column as text; what is nested as JSON. An empty text is none, as in CSV. */
const textIn = (source: string, types: ReadonlyMap<string, string>): string =>
  csvText(`r.${quoted(source)}`, types.get(source.toLowerCase()) ?? '')
/** A list is read from a list, a record from a record that has a field of it; text and JSON are read from each. */
const assertShape = (
  files: readonly File[],
  from: string,
  { source, type, mode, fields = [], key }: FileColumn,
): void => {
  if (key !== undefined) return
  const isList = from.endsWith('[]')
  const wrong = (expected: string): AppError =>
    new AppError(
      'EXPORT_INVALID',
      `${namesOf(files)}, column ${source}: expected ${expected}, got ${isList ? 'a list' : 'another value'}`,
    )
  if (mode === 'REPEATED' && !isList) throw wrong(`an array of ${type}`)
  if (mode !== 'REPEATED' && isList && type !== 'JSON' && type !== 'STRING') throw wrong(type)
  if (type !== 'STRUCT') return
  const inside = from.startsWith('STRUCT(') ? columnFromDuckdb(source, from) : undefined
  const known = inside?.fields?.some(({ name }) =>
    fields.some((field) => field.name.toLowerCase() === name.toLowerCase()),
  )
  if (!from.startsWith('STRUCT(') || known === false)
    throw wrong(`a record with ${fields.map(({ name }) => name).join(' or ')}`)
}
const isInstant = (type: string): boolean => type === 'DATE' || type.startsWith('TIMESTAMP')
/** The value as the column's type, NULL where it is not exactly one of its values. */
const attempted = (value: string, from: string, column: FileColumn, wrong: Wrong): string => {
  const to = typeOf(column)
  const isDouble = from === 'DOUBLE' || from === 'FLOAT'
  if (from === 'VARCHAR') return attempt(value, column, wrong)
  if (column.type === 'JSON' && isNested(from)) return jsonOf(value, from)
  // The shortest decimal that is the same double, not the digits of its binary form.
  if (isDouble && (column.type === 'NUMERIC' || column.type === 'BIGNUMERIC'))
    return decimalOfDouble(value, column.type, wrong)
  if (column.type === 'BIGNUMERIC' && (from in digitsOf || decimalOf(from) !== undefined))
    return (decimalOf(from)?.scale ?? 0) <= 20
      ? fromDecimal(value)
      : decimalFrom(`CAST(${value} AS VARCHAR)`, 'BIGNUMERIC', wrong)
  if (column.type === 'INT64' && (decimalOf(from) !== undefined || isDouble))
    return `CASE WHEN ${value} = trunc(${value}) THEN TRY_CAST(${value} AS BIGINT) END`
  if (from === 'TIMESTAMP_NS' && isInstant(to))
    return `CASE WHEN epoch_ns(${value}) % 1000 = 0 THEN TRY_CAST(CAST(${value} AS TIMESTAMP) AS ${to}) END`
  if (column.type === 'STRING' || from === 'FLOAT' || from === 'BLOB')
    return attempt(csvText(value, from), column, wrong)
  return `TRY_CAST(${value} AS ${to})`
}
/** Doubles below 1e5 of at most ten digits after the point, which are most amounts, need no text to be decimals. */
const decimalOfDouble = (value: string, type: 'NUMERIC' | 'BIGNUMERIC', wrong: Wrong): string => {
  const scale = type === 'NUMERIC' ? 9 : 10
  const exact = `TRY_CAST(${value} AS DECIMAL(${5 + scale},${scale}))`
  const short =
    type === 'NUMERIC' ? `CAST(${exact} AS DECIMAL(38,9))` : packedParts({ billions: '0', units: exact, rest: '0' })
  return (
    `CASE WHEN abs(${value}) < 1e5 AND CAST(${exact} AS DOUBLE) = ${value} ` +
    `THEN ${short} ELSE ${decimalFrom(`CAST(${value} AS VARCHAR)`, type, wrong)} END`
  )
}
/**
 * An instant of the file as TIMESTAMP of the table, within its days; NULL for others. Of the same count of
 * microseconds, for DuckDB's cast asks for the time zone of each.
 */
const instantOf = (value: string, from: string, { within }: FileColumn): string => {
  const plain = from === 'TIMESTAMP' ? value : `CAST(${value} AS TIMESTAMP)`
  const days = within ?? { from: '0001-01-01', to: '9999-12-31 23:59:59.999999' }
  const end = within === undefined ? '<=' : '<'
  const isRight = `${plain} >= TIMESTAMP ${literal(days.from)} AND ${plain} ${end} TIMESTAMP ${literal(days.to)}`
  const whole = from === 'TIMESTAMP_NS' ? ` AND epoch_ns(${value}) % 1000 = 0` : ''
  return `CASE WHEN ${isRight}${whole} THEN make_timestamptz(epoch_us(${plain})) END`
}
/** The day in UTC of a value, NULL where it is none. */
const dayOf = (value: string, from: string, column: FileColumn): string =>
  `CAST(${from.startsWith('TIMESTAMP') ? `CAST(${value} AS TIMESTAMP)` : attempted(value, from, column, () => 'NULL')} AS DATE)`
/** A value of a file's column as the table's type; what is not exactly one of its values raises. `k`: the column. */
const converted = (value: string, from: string, column: FileColumn, k: number): string => {
  const to = typeOf(column)
  const ranged = column.within !== undefined || column.type === 'TIMESTAMP'
  if (isExact(from, to) && !ranged) return from === to ? value : `CAST(${value} AS ${to})`
  if (column.mode === 'REPEATED' || column.type === 'STRUCT') {
    const inside: Wrong = (of) =>
      raise('EXPORT_INVALID', `${wrongValue}${k} `, `r.${fileName} || chr(10) || 'another value inside'`, of)
    return nested(value, columnFromDuckdb(column.source, from), column, inside)
  }
  const text = `CAST(${value} AS VARCHAR)`
  const wrong: Wrong = (of) => raise('EXPORT_INVALID', `${wrongValue}${k} `, `r.${fileName} || chr(10) || ${text}`, of)
  const tried =
    column.type === 'TIMESTAMP' && from.startsWith('TIMESTAMP')
      ? instantOf(value, from, column)
      : withinDays(attempted(value, from, column, wrong), column)
  return `CASE WHEN ${value} IS NULL THEN CAST(NULL AS ${to}) ELSE COALESCE(${tried}, ${wrong(to)}) END`
}
const holdsBignumeric = ({ type, fields = [] }: Column): boolean =>
  type === 'BIGNUMERIC' || fields.some(holdsBignumeric)
/** What is in lists and records DuckDB converts, and fails or rounds; but BIGNUMERIC it has not. */
const nested = (value: string, from: Column | undefined, column: Column, wrong: Wrong, depth = 0): string => {
  const to = typeOf(column)
  if (!holdsBignumeric(column)) return `CAST(${value} AS ${to})`
  if (column.mode === 'REPEATED')
    return eachOf(value, depth, (one) => nested(one, from, { ...column, mode: 'NULLABLE' }, wrong, depth + 1))
  if (column.type === 'STRUCT')
    return packed(value, column, (field, own) => {
      const source = from?.fields?.find(({ name }) => name.toLowerCase() === field.name.toLowerCase())
      return source === undefined ? `CAST(NULL AS ${typeOf(field)})` : nested(own, source, field, wrong, depth)
    })
  const read = decimalFrom(`CAST(${value} AS VARCHAR)`, 'BIGNUMERIC', wrong)
  return `CASE WHEN ${value} IS NOT NULL THEN COALESCE(${read}, ${wrong(to)}) END`
}
const fileName = '"convergence file"'
/** The value of a list or a record, unless an array in it has a NULL element. */
const checkedArrays = (value: string, column: FileColumn): string =>
  withoutNull(typeOfColumn(column), value, column.source, ({ path, of }) =>
    raise(
      'EXPORT_INVALID',
      nullInside,
      `r.${fileName} || chr(10) || ${literal(`${path.join('.')}: expected an array of ${of.k}`)}`,
      typeOf(column),
    ),
  )
/** How the message begins that says file, column and what was expected. */
const nullInside = 'null inside '

const explainParquet = (files: readonly File[], columns: readonly LoadColumn[], error: unknown): AppError => {
  const own = raised(error)
  if (own?.text.startsWith(nullInside) === true) {
    const [path, what = ''] = own.text.slice(nullInside.length).split('\n')
    const file = files.find((one) => one.path === path)
    return new AppError('EXPORT_INVALID', `${file?.name ?? namesOf(files)}, column ${what}, got NULL in it`)
  }
  const wrong = own === undefined ? null : new RegExp(`^${wrongValue}(\\d+) ([^\\n]*)\\n([^]*)$`).exec(own.text)
  if (wrong !== null) {
    const [, k, path, value = ''] = wrong
    const column = columns[Number(k)]
    const file = files.find((one) => one.path === path)
    if (column !== undefined)
      return new AppError(
        'EXPORT_INVALID',
        `${file?.name ?? namesOf(files)}, column ${'source' in column ? column.source : column.name}: ` +
          `expected ${expectedWord(column, value)}, got ${shown(value)}`,
      )
  }
  const text = error instanceof Error ? error.message : String(error)
  const fault = wordFault(error)
  if (own !== undefined || (fault.code !== 'QUERY_INVALID' && !isHurt.test(text))) return fault
  const [, required] = /NOT NULL constraint failed: [^.]*\.([^\s]*)/.exec(text) ?? []
  const column = columns.find(({ name }) => name === required)
  return new AppError(
    'EXPORT_INVALID',
    required === undefined
      ? `${namesOf(files)}: ${wordFile(text)}`
      : `${namesOf(files)}, column ${required}: expected ${column === undefined ? 'a value' : expectedWord(column)}, got NULL`,
    { cause: error },
  )
}
/** A file that breaks off, or whose bytes are not what they were, whatever of it is hurt. */
const isHurt = /magic|parquet|thrift|TProtocol|read .*bytes|snappy|zstd|gzip|decompress|page|footer/i
const wordFile = (text: string): string => {
  if (/^(Conversion|Invalid Input|Out of Range) Error: .*(convert|cast|out of range)/is.test(text))
    return 'a value inside of a list or a record is not of its type'
  if (/unicode|UTF-?8/i.test(text)) return 'expected UTF-8, got other bytes'
  return /magic|is not a parquet|too small/i.test(text) ? 'is not a Parquet file' : 'is not a whole Parquet file'
}

interface Group {
  files: File[]
  /** DuckDB's types by the names in small letters. */
  types: ReadonlyMap<string, string>
}
/** Files by their schema. */
const grouped = async (
  connection: DuckDBConnection,
  files: readonly File[],
  used: ReadonlySet<string>,
  like_csv: boolean,
): Promise<Group[]> => {
  const groups = new Map<string, Group>()
  for (const file of files) {
    const schema = await schemaOf(connection, file)
    for (const column of topLevel(schema))
      if (used.has(column[0]?.name.toLowerCase() ?? '')) assertDecimals(file, column)
    const key = JSON.stringify(schema)
    const group = groups.get(key)
    if (group !== undefined) group.files.push(file)
    else
      groups.set(key, {
        files: [file],
        types: new Map(
          (await described(connection, file, like_csv)).map(({ name, type }) => [name.toLowerCase(), type]),
        ),
      })
  }
  return [...groups.values()]
}

/** Throws EXPORT_INVALID for what is no Parquet file, and for a column that no file has and that is not optional. */
export const planParquet = async (
  connection: DuckDBConnection,
  files: readonly File[],
  columns: readonly LoadColumn[],
  { like_csv = false }: { like_csv?: boolean | undefined } = {},
): Promise<{ sql: string; empty: readonly string[]; explain(error: unknown): Promise<AppError> }> => {
  const explain = (error: unknown) => explainParquet(files, columns, error)
  const sources = columns.flatMap(sourcesOf)
  const groups = await grouped(connection, files, new Set(sources.map((name) => name.toLowerCase())), like_csv).catch(
    (error: unknown) => {
      throw error instanceof AppError || isInterrupt(error) ? error : explain(error)
    },
  )
  const missing = columns.find(
    (column) =>
      'source' in column &&
      column.optional !== true &&
      !groups.some(({ types }) => types.has(column.source.toLowerCase())),
  )
  if (missing !== undefined && 'source' in missing)
    throw new AppError('EXPORT_INVALID', `${namesOf(files)}: has no column ${missing.source}`)
  const selects = groups.map(({ files: same, types }) => {
    const values = columns.map((column, k) => {
      if ('value' in column) return constant(column.value, column)
      if ('object_of' in column) return objectIn(column, types)
      if ('file_name' in column) return 'f.name'
      const type = types.get(column.source.toLowerCase())
      if (type === undefined) return constant(null, column)
      assertShape(same, type, column)
      const own = `r.${quoted(column.source)}`
      const text = withoutWord(like_csv ? `NULLIF(${own}, '')` : own, column)
      const value = type === 'VARCHAR' ? text : own
      if (column.key === undefined) return checkedArrays(converted(value, type, column, k), column)
      const member = type === textMap ? memberOf(own, column.key) : memberFrom(textIn(column.source, types), column.key)
      return converted(member, 'VARCHAR', column, k)
    })
    const taken = leavingOut(columns).flatMap((column) => {
      const type = types.get(column.source.toLowerCase())
      return type === undefined ? [] : [isTaken(dayOf(`r.${quoted(column.source)}`, type, column), column)]
    })
    const names = columns.some((column) => 'file_name' in column) ? ` ${namesOfFiles(same, `r.${fileName}`)}` : ''
    const where = taken.length === 0 ? '' : ` WHERE ${taken.join(' AND ')}`
    const list = same.map(({ path }) => literal(path)).join(', ')
    const selected = values.map((value, k) => `${value} AS ${quoted(columns[k]?.name ?? '')}`).join(', ')
    return `SELECT ${selected} FROM read_parquet([${list}], binary_as_string=${like_csv}, filename=${literal(fileName.slice(1, -1))}) AS r${names}${where}`
  })
  return {
    sql: selects.join(' UNION ALL '),
    empty: emptyOf(columns, (source) => groups.some(({ types }) => types.has(source.toLowerCase()))),
    explain: (error) => Promise.resolve(explain(error)),
  }
}
