/**
 * An export of Google Cloud whose columns grow with time, read as if it had exactly those of a schema: what an older
 * table lacks is NULL of its type, and what Google has added since, also inside of records, is one JSON column,
 * `other_columns`.
 */
import { AppError, type Column } from '@convergence/contracts'
import { segmentsOf } from '@convergence/pipeline'
import type { DryRun, Statement } from '@convergence/warehouse'

export interface CompleteTable {
  /** A SELECT of the table, with the columns of the schema in its order, then `other_columns`. */
  query: string
  /** What is in other_columns, as paths such as project.region. */
  other_columns: string[]
  /** Rows that arrived long before the day are not read: of earlier days there are not all. */
  partial: boolean
}

/**
 * Days that Google may write a row before its use begins. Rows come on the day of use or later, without an end, so what
 * has come earlier is not looked at. What is paid in advance is so for a month; the rest is margin.
 */
const mostDaysAhead = 35

/** What a row of the table is called; no column has the name. */
const row = 'export_row'

/**
 * Looks what columns the table has; runs nothing. `day`: of the first use that is read. Where the table is partitioned by
 * the arrival of its rows, partitions from long before are not: the laptop's tables are not so, and views are not.
 */
export const completeExport = async (
  dryRun: (statement: Statement) => Promise<Pick<DryRun, 'columns'>>,
  path: string,
  schema: readonly Column[],
  day?: string,
): Promise<CompleteTable> => {
  const { columns } = await dryRun({ query: `SELECT * FROM ${quoted(path)}` })
  const arrives = async (): Promise<boolean> => {
    try {
      await dryRun({ query: `SELECT _PARTITIONTIME AS arrived FROM ${quoted(path)}` })
      return true
    } catch (error) {
      if (error instanceof AppError && (error.code === 'QUERY_INVALID' || error.code === 'QUERY_UNSUPPORTED'))
        return false
      throw error
    }
  }
  return completeTable(path, schema, columns, day !== undefined && (await arrives()) ? day : undefined)
}

/** The `source` of a compiled step that is one SELECT. */
export interface ExportQuery {
  query: string
  /** Of the schema named by export_schema: what the one table of the query is read as. */
  export_columns?: Column[]
  /** Day of use that the query takes. */
  export_day?: string
  /** Tables of the dataset, by name, each with the columns that the query reads of it. */
  own_tables?: Record<string, Column[]>
}
/**
 * The statement as it is run. Without export_columns and own_tables it is the query itself. `missing`: those of
 * own_tables that are not there.
 */
export const completeQuery = async (
  where: string,
  { query: given, export_columns, export_day, own_tables = {} }: ExportQuery,
  dryRun: (statement: Statement) => Promise<Pick<DryRun, 'columns'>>,
): Promise<{ query: string; missing: string[]; other_columns?: string[] }> => {
  let query = given
  const missing: string[] = []
  for (const [table, columns] of Object.entries(own_tables)) {
    const there = await columnsThere(table, dryRun)
    if (there === undefined) missing.push(table)
    query = withOwnTable(query, table, columns, there)
  }
  if (export_columns === undefined) return { query, missing }
  const segments = segmentsOf(query)
  const named = segments.flatMap(({ kind, text }) => (kind === 'backtick' && text.includes('.') ? [text] : []))
  const [table, ...others] = new Set(named)
  if (table === undefined || others.length > 0)
    throw new AppError(
      'CONFIG_INVALID',
      `${where}: source.query: expected one table in backticks beside export_schema, came ${named.length}`,
    )
  const complete = await completeExport(dryRun, table.slice(1, -1), export_columns, export_day)
  return {
    query: segments.map(({ text }) => (text === table ? `(${complete.query})` : text)).join(''),
    missing,
    other_columns: complete.other_columns,
  }
}

/** Undefined where the table is not there. */
const columnsThere = async (
  table: string,
  dryRun: (statement: Statement) => Promise<Pick<DryRun, 'columns'>>,
): Promise<readonly Column[] | undefined> => {
  try {
    return (await dryRun({ query: `SELECT * FROM ${quoted(table)}` })).columns
  } catch (error) {
    if (error instanceof AppError && error.code === 'TABLE_NOT_FOUND') return undefined
    throw error
  }
}

/**
 * The query with a SELECT of the schema's columns, in its order, in place of a table of the dataset: what is not there is
 * NULL, and a table that is not there has no rows.
 */
const withOwnTable = (
  query: string,
  table: string,
  schema: readonly Column[],
  there: readonly Column[] | undefined,
): string => {
  const reading: Reading = { names: 0 }
  const columns = schema.map((wanted) => {
    const name = quoted(wanted.name)
    return `${read(reading, wanted, columnOf(there ?? [], wanted), `${row}.${name}`)} AS ${name}`
  })
  const from = there === undefined ? `UNNEST([1]) AS ${row} WHERE FALSE` : `${quoted(table)} AS ${row}`
  return segmentsOf(query)
    .map(({ text }) => (text === quoted(table) ? `(SELECT ${columns.join(', ')} FROM ${from})` : text))
    .join('')
}

/** The pure part. `day`, of the use, where the table is partitioned by the time of its rows' arrival: older partitions are not read. */
export const completeTable = (
  path: string,
  schema: readonly Column[],
  found: readonly Column[],
  day?: string,
): CompleteTable => {
  const reading: Reading = { names: 0 }
  const columns = schema.map((wanted) => {
    const name = quoted(wanted.name)
    return `${read(reading, wanted, columnOf(found, wanted), `${row}.${name}`)} AS ${name}`
  })
  const others = othersOf(reading, schema, found, row)
  const json =
    others.length === 0
      ? 'CAST(NULL AS JSON)'
      : `IF(${anyFilled(others)}, ${jsonOf(`STRUCT(${valuesOf(others)})`)}, NULL)`
  return {
    query: `SELECT ${[...columns, `${json} AS other_columns`].join(', ')} FROM ${quoted(path)} AS ${row}${arrived(day)}`,
    other_columns: others.flatMap(({ paths }) => paths),
    partial: day !== undefined,
  }
}

const arrived = (day: string | undefined): string => {
  if (day === undefined) return ''
  const from = new Date(Date.parse(`${day}T00:00:00Z`) - mostDaysAhead * 86_400_000).toISOString().slice(0, 10)
  // Rows that are still on their way into a partition have none.
  return ` WHERE _PARTITIONTIME >= TIMESTAMP '${from}' OR _PARTITIONTIME IS NULL`
}

/** Gives the elements of arrays names of their own. */
interface Reading {
  names: number
}
const quoted = (name: string): string => `\`${name.replaceAll(/[\\`]/g, '\\$&')}\``
const sameName = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()
const columnOf = (columns: readonly Column[], { name }: Column): Column | undefined =>
  columns.find((column) => sameName(column.name, name))
const isRepeated = ({ mode }: Column): boolean => mode === 'REPEATED'
const isRecord = (column: Column): column is Column & { fields: Column[] } => column.fields !== undefined

const typeOf = (column: Column): string =>
  isRecord(column)
    ? `STRUCT<${column.fields.map((field) => `${quoted(field.name)} ${fullTypeOf(field)}`).join(', ')}>`
    : column.type
const fullTypeOf = (column: Column): string => (isRepeated(column) ? `ARRAY<${typeOf(column)}>` : typeOf(column))

/** Whether what is there can be taken as it is: also a wider number for a NUMERIC. */
const fits = (wanted: Column, there: Column): boolean => {
  if (isRepeated(wanted) !== isRepeated(there) || isRecord(wanted) !== isRecord(there)) return false
  if (!isRecord(wanted) || !isRecord(there)) {
    if (wanted.type === there.type) return true
    return wanted.type === 'NUMERIC' && (there.type === 'INT64' || there.type === 'BIGNUMERIC')
  }
  return (
    wanted.fields.length === there.fields.length &&
    wanted.fields.every((field, k) => {
      const other = there.fields[k]
      return other !== undefined && sameName(field.name, other.name) && fits(field, other)
    })
  )
}

const read = (reading: Reading, wanted: Column, there: Column | undefined, at: string): string => {
  if (there === undefined) return isRepeated(wanted) ? `${fullTypeOf(wanted)}[]` : `CAST(NULL AS ${typeOf(wanted)})`
  if (fits(wanted, there)) return at
  if (wanted.type === 'JSON') {
    const { value, filled } = otherOf(reading, there, at)
    return `IF(${filled}, ${jsonOf(value)}, NULL)`
  }
  // One that has become something else is a fault of the query that reads it.
  if (isRepeated(wanted) !== isRepeated(there) || isRecord(wanted) !== isRecord(there)) return at
  const element = isRepeated(wanted) ? elementOf(reading) : undefined
  const from = element?.name ?? at
  if (!isRecord(wanted) || !isRecord(there)) {
    const isDecimal = wanted.type === 'BIGNUMERIC' || wanted.type === 'NUMERIC'
    // A NUMERIC has 9 digits after the point, which are too few for a double.
    const converted =
      isDecimal && there.type === 'FLOAT64'
        ? `CAST(${decimalOf(from)} AS BIGNUMERIC)`
        : `CAST(${from} AS ${wanted.type})`
    return element === undefined ? converted : arrayOf(element, at, converted)
  }
  const fields = wanted.fields.map((field) => {
    const name = quoted(field.name)
    return `${read(reading, field, columnOf(there.fields, field), `${from}.${name}`)} AS ${name}`
  })
  return element === undefined
    ? `IF(${at} IS NULL, NULL, STRUCT(${fields.join(', ')}))`
    : arrayOf(element, at, `AS STRUCT ${fields.join(', ')}`)
}
interface Element {
  name: string
  place: string
}
const elementOf = (reading: Reading): Element => {
  reading.names += 1
  return { name: `e${reading.names}`, place: `o${reading.names}` }
}
/** An array of what is selected for each element of another, in their order. */
const arrayOf = ({ name, place }: Element, array: string, selected: string): string =>
  `ARRAY(SELECT ${selected} FROM UNNEST(${array}) AS ${name} WITH OFFSET AS ${place} ORDER BY ${place})`

/** A column or field that the schema does not have, or one that has such fields. */
interface Other {
  name: string
  /** For people. */
  paths: string[]
  value: string
  /** Whether a row has it. */
  filled: string
}
/** By way of a text, in which no number loses digits. */
const jsonOf = (value: string): string => `PARSE_JSON(TO_JSON_STRING(${value}))`
const valuesOf = (others: readonly Other[]): string =>
  others.map(({ value, name }) => `${value} AS ${quoted(name)}`).join(', ')
const anyFilled = (others: readonly Other[]): string => others.map(({ filled }) => filled).join(' OR ')

const othersOf = (reading: Reading, schema: readonly Column[], found: readonly Column[], from: string): Other[] =>
  found.flatMap((there): Other[] => {
    const wanted = columnOf(schema, there)
    const at = `${from}.${quoted(there.name)}`
    if (wanted === undefined) return [otherOf(reading, there, at)]
    return isRecord(wanted) && isRecord(there) ? recordOf(reading, wanted.fields, there, at) : []
  })
/** All of a column. */
const otherOf = (reading: Reading, there: Column, at: string): Other => {
  const [record] = isRecord(there) ? recordOf(reading, [], there, at) : []
  return record === undefined ? leafOf(reading, there, at) : { ...record, paths: [there.name] }
}
const leafOf = (reading: Reading, there: Column, at: string): Other => {
  const { name } = there
  if (!isRepeated(there)) return { name, paths: [name], value: textOf(there, at), filled: `${at} IS NOT NULL` }
  const element = elementOf(reading)
  return {
    name,
    paths: [name],
    value: arrayOf(element, at, textOf(there, element.name)),
    filled: `ARRAY_LENGTH(${at}) > 0`,
  }
}
const recordOf = (
  reading: Reading,
  known: readonly Column[],
  there: Column & { fields: Column[] },
  at: string,
): Other[] => {
  const element = isRepeated(there) ? elementOf(reading) : undefined
  const others = othersOf(reading, known, there.fields, element?.name ?? at)
  if (others.length === 0) return []
  const filled = anyFilled(others)
  return [
    {
      name: there.name,
      paths: others.flatMap(({ paths }) => paths.map((path) => `${there.name}.${path}`)),
      ...(element === undefined
        ? { value: `STRUCT(${valuesOf(others)})`, filled: `(${filled})` }
        : {
            value: arrayOf(element, at, `AS STRUCT ${valuesOf(others)}`),
            filled: `EXISTS(SELECT 1 FROM UNNEST(${at}) AS ${element.name} WHERE ${filled})`,
          }),
    },
  ]
}
/** The shortest decimal that is the same double; a cast to STRING has 15 digits or 17. */
const decimalOf = (float: string): string => `JSON_VALUE(TO_JSON(${float}))`
/** As JSON has it without a loss: amounts, times and the like are texts. */
const textOf = ({ type }: Column, at: string): string => {
  if (['STRING', 'BOOL', 'INT64', 'JSON'].includes(type)) return at
  if (type === 'FLOAT64') return decimalOf(at)
  return type === 'BYTES' ? `TO_BASE64(${at})` : `CAST(${at} AS STRING)`
}
