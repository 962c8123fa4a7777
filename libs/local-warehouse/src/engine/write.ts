/** Writes what was selected into a table, in a job's transaction: the table is made, widened, emptied as asked. */
import type { DuckDBConnection } from '@duckdb/node-api'
import { AppError } from '@convergence/contracts'
import type { Column } from '@convergence/contracts'
import { bignumericType, fromDecimal, fromFloat, toNumeric, toText } from '@convergence/googlesql/bignumeric'
import { nullElement, withoutNull } from '@convergence/googlesql/null-elements'
import { typeOfColumn } from '@convergence/googlesql/types'
import { endsInWords, endsOf, type Ends } from '@convergence/warehouse/period'
import type { StoredTable } from '../catalog.ts'
import { isConflict, isInterrupt, raise } from '../faults.ts'
import { constant } from '../load/convert.ts'
import { eachOf, literal, packed, quoted, typeOf } from '../values.ts'
import type { WorkDestination } from '../work.ts'
import { sameName, withoutRequired } from './columns.ts'
import { journalDataset } from './journal-rows.ts'
import type { Selected } from './select.ts'
import type { Store } from './store.ts'

const numeric = new Set(['INT64', 'NUMERIC', 'BIGNUMERIC', 'FLOAT64'])
const fitsInto = (from: Column, to: Column): boolean =>
  (from.mode === 'REPEATED') === (to.mode === 'REPEATED') &&
  (from.type === to.type || (numeric.has(from.type) && numeric.has(to.type) && to.type !== 'INT64'))

/** The table as it will be, and the columns to add; made inside the job's transaction. */
const target = (
  destination: WorkDestination,
  given: readonly Column[],
  known: StoredTable | undefined,
): { table: StoredTable; added: readonly Column[] } => {
  const { dataset, table, columns = [], time_partitioning, clustering_fields, add_columns = true } = destination
  const name = `${dataset}.${table}`
  const wanted =
    columns.length === 0
      ? given
      : [...columns, ...given.filter((column) => !columns.some((other) => sameName(other, column)))]
  if (known === undefined) {
    if (columns.length > 0 && !add_columns && wanted.length > columns.length)
      throw new AppError(
        'QUERY_INVALID',
        `${name}: the result has a column ${wanted[columns.length]?.name ?? ''}, which the table has not`,
      )
    return {
      table: {
        columns: wanted,
        ...(time_partitioning === undefined ? {} : { time_partitioning }),
        ...(clustering_fields === undefined ? {} : { clustering_fields }),
      },
      added: [],
    }
  }
  const added = wanted.filter((column) => !known.columns.some((other) => sameName(other, column)))
  if (added.length > 0 && !add_columns)
    throw new AppError('QUERY_INVALID', `${name}: has no column ${added[0]?.name ?? ''}, and columns may not be added`)
  return {
    table: { ...known, columns: [...known.columns, ...added.map(withoutRequired)] },
    added: added.map(withoutRequired),
  }
}

/** Names, in small letters, of the columns that are NULL in each new row and that nothing asks to be otherwise. */
const emptyIn = (
  { columns }: StoredTable,
  given: readonly Column[],
  empty: readonly string[],
  bound: readonly string[],
): Set<string> => {
  const names = (of: readonly string[]) => new Set(of.map((each) => each.toLowerCase()))
  const [without, asked] = [names(empty), names(bound)]
  const filled = names(given.map(({ name }) => name).filter((each) => !without.has(each.toLowerCase())))
  const mayBe = columns.filter(({ mode = 'NULLABLE' }) => mode === 'NULLABLE').map(({ name }) => name.toLowerCase())
  return new Set(mayBe.filter((each) => !filled.has(each) && !asked.has(each)))
}
/** Of a new table: only loads know what is NULL throughout, and what the journal fills has all its columns. */
const mayStayUnfilled = (
  { dataset }: WorkDestination,
  { columns }: StoredTable,
  empty: readonly string[],
  without: Set<string>,
): Set<string> =>
  empty.length === 0 || dataset === journalDataset || without.size === columns.length ? new Set() : without

/** The table made, made anew or widened. `known`: what it was, when it stays. */
const prepare = async (
  { catalog, project_id, now }: Store,
  connection: DuckDBConnection,
  destination: WorkDestination,
  { columns: given, empty = [] }: Selected,
): Promise<{ table: StoredTable; known: StoredTable | undefined; unfilled: ReadonlySet<string> }> => {
  const { dataset, table: name, write_mode, period, expires_hours } = destination
  const found = catalog.table(dataset, name)
  if (found === undefined && destination.create_never === true)
    throw new AppError('TABLE_NOT_FOUND', `Not found: Table ${project_id}:${dataset}.${name}`)
  const replaced =
    found !== undefined && destination.replace_table === true && write_mode === 'truncate' && period === undefined
  const known = replaced ? undefined : found
  const { table: made, added } = target(destination, given, known)
  const table: StoredTable =
    known === undefined
      ? {
          ...(replaced ? { ...found, ...made } : { created_ms: now().getTime(), ...made }),
          modified_ms: now().getTime(),
          ...(expires_hours === undefined ? {} : { expires_ms: now().getTime() + expires_hours * 3_600_000 }),
        }
      : made
  if (replaced) await catalog.dropTable(connection, dataset, name)
  const without = emptyIn(table, given, empty, Object.keys(period ?? {}))
  const unfilled =
    known !== undefined
      ? await catalog.unfilled(connection, dataset, name)
      : mayStayUnfilled(destination, table, empty, without)
  if (known === undefined) await catalog.createTable(connection, dataset, name, table, unfilled)
  else if (added.length > 0) await catalog.addColumns(connection, dataset, name, table, added)
  if (known !== undefined && write_mode === 'write_empty') {
    const [row] = (
      await connection.runAndReadAll(`SELECT EXISTS (SELECT 1 FROM ${catalog.path(dataset, name)})`)
    ).getRows()
    if (row?.[0] === true)
      throw new AppError(
        'TABLE_NOT_EMPTY',
        `${project_id}.${dataset}.${name} has rows, and write_mode is write_empty; ` +
          'use another write_mode, or another table',
      )
  }
  const filled = table.columns.filter((column) => !without.has(column.name.toLowerCase()))
  if (known !== undefined && unfilled.size > 0) await catalog.fill(connection, dataset, name, filled)
  return { table, known, unfilled: new Set([...unfilled].filter((each) => without.has(each))) }
}
/** One column's value in each row that is replaced and in each that comes. */
interface Bound extends Ends {
  column: Column
}
/** SQL: a value is one of them. */
const isBound = (value: string, { column, to, ...from }: Bound): string =>
  to === undefined
    ? `${value} IS NOT DISTINCT FROM ${constant(from.value, column)}`
    : `${value} BETWEEN ${constant(from.value, column)} AND ${constant(to, column)}`
const boundsOf = ({ dataset, table: name, write_mode, period }: WorkDestination, table: StoredTable): Bound[] =>
  Object.entries(write_mode === 'truncate' ? (period ?? {}) : {}).map(([key, value]) => {
    const column = table.columns.find((one) => one.name.toLowerCase() === key.toLowerCase())
    if (column === undefined)
      throw new AppError(
        'QUERY_INVALID',
        `${dataset}.${name}: the period names ${key}, which is no column of the table`,
      )
    return { column, ...endsOf(column, value) }
  })
/** SQL: the row is one that goes with the period. */
const alsoReplaced = ({ also_replaces = [] }: WorkDestination, { columns }: StoredTable): string[] =>
  also_replaces.flatMap((entry) => {
    const tests = Object.entries(entry).map(([key, value]) => {
      const column = columns.find((one) => one.name.toLowerCase() === key.toLowerCase())
      if (column === undefined) return undefined
      return value === null
        ? `${quoted(column.name)} IS NULL`
        : isBound(quoted(column.name), { column, ...endsOf(column, value) })
    })
    return tests.includes(undefined) ? [] : [tests.join(' AND ')]
  })
const overflow = (message: string): string => raise('QUERY_INVALID', message, `''`, 'DECIMAL(38,9)')
/** A value as the column's type has it: numbers become one another, records by the names of their fields. */
const assigned = (value: string, from: Column, to: Column, depth = 0): string => {
  const type = typeOf(to)
  if (typeOf(from) === type) return value
  if (to.mode === 'REPEATED' && from.mode === 'REPEATED')
    return eachOf(value, depth, (one) =>
      assigned(one, { ...from, mode: 'NULLABLE' }, { ...to, mode: 'NULLABLE' }, depth + 1),
    )
  if (from.type === 'STRUCT' && to.type === 'STRUCT' && `${typeOf(from)} ${type}`.includes(bignumericType))
    return packed(value, to, (field, _own) => {
      const source = from.fields?.find((one) => sameName(one, field))
      return source === undefined
        ? `CAST(NULL AS ${typeOf(field)})`
        : assigned(`${value}.${quoted(source.name)}`, source, field, depth)
    })
  const raised = (message: string): string => raise('QUERY_INVALID', message, `''`, bignumericType)
  if (to.type === 'BIGNUMERIC') return from.type === 'FLOAT64' ? fromFloat(value, raised) : fromDecimal(value)
  if (from.type === 'BIGNUMERIC')
    return to.type === 'NUMERIC' ? toNumeric(value, overflow) : `CAST(${toText(value)} AS ${type})`
  return `CAST(${value} AS ${type})`
}
/** SQL of one column's value, of `s`, as the table has it. */
const valueOf = (table: string, column: Column, selected: readonly Column[], bounds: readonly Bound[]): string => {
  const source = selected.find((one) => sameName(one, column))
  const type = typeOf(column)
  if (source !== undefined && typeOf(source) !== type && !fitsInto(source, column) && column.type !== 'STRUCT')
    throw new AppError(
      'QUERY_INVALID',
      `${table}.${column.name}: the table has ${column.type}, ` +
        `the result gives ${source.mode === 'REPEATED' ? 'an array of ' : ''}${source.type}; use CAST`,
    )
  let value = `CAST(NULL AS ${type})`
  if (source !== undefined) value = assigned(`s.${quoted(source.name)}`, source, column)
  const rule = bounds.find((one) => one.column === column)
  if (rule !== undefined) {
    const outside = raise(
      'ROW_OUTSIDE_PERIOD',
      `${table}: a new row has ${column.name} = `,
      `COALESCE(${column.type === 'BIGNUMERIC' ? toText(value) : `CAST(${value} AS VARCHAR)`}, 'NULL') || ', the period that is replaced is ' || ${literal(endsInWords(rule))}`,
      type,
    )
    return `CASE WHEN ${isBound(value, rule)} THEN ${value} ELSE ${outside} END`
  }
  const filled = column.mode === 'REPEATED' ? `COALESCE(${value}, [])` : value
  // What depends on the row is not evaluated before it.
  return withoutNull(typeOfColumn(column), filled, column.name, ({ path, has_null }) =>
    raise('QUERY_INVALID', nullElement, `CASE WHEN ${has_null} THEN ${literal(path.join('.'))} END`, type),
  )
}

/** Rows that were written, and the table as it is once the transaction is done. */
export const write = async (
  store: Store,
  connection: DuckDBConnection,
  destination: WorkDestination,
  selected: Selected,
): Promise<{ rows: number; table: StoredTable }> => {
  const readsItself = selected.reads?.some(
    ({ dataset, table }) => dataset === destination.dataset && table === destination.table,
  )
  if (destination.write_mode !== 'truncate' || readsItself !== true)
    return replace(store, connection, destination, selected)
  // What is replaced is read before it is gone. A table of the transaction: it ends with it in any case.
  await connection
    .run(`CREATE TEMP TABLE ${heldRows} AS ${selected.sql}`, selected.values, selected.types)
    .catch(async (error: unknown) => {
      if (isConflict(error) || isInterrupt(error)) throw error
      throw await selected.explain(error)
    })
  const held = { ...selected, sql: `SELECT * FROM ${heldRows}`, values: {}, types: {} }
  const written = await replace(store, connection, destination, held)
  await connection.run(`DROP TABLE ${heldRows}`)
  return written
}
const heldRows = 'temp.main._rows_of_itself'

const replace = async (
  store: Store,
  connection: DuckDBConnection,
  destination: WorkDestination,
  selected: Selected,
): Promise<{ rows: number; table: StoredTable }> => {
  const { dataset, table: name, write_mode } = destination
  const path = store.catalog.path(dataset, name)
  const { table, known, unfilled } = await prepare(store, connection, destination, selected)
  const bounds = boundsOf(destination, table)
  if (known !== undefined && write_mode === 'truncate')
    await connection.run(
      bounds.length === 0
        ? `DELETE FROM ${path}`
        : `DELETE FROM ${path} WHERE ${[
            bounds.map((bound) => isBound(quoted(bound.column.name), bound)).join(' AND '),
            ...alsoReplaced(destination, table),
          ]
            .map((each) => `(${each})`)
            .join(' OR ')}`,
    )
  const written = table.columns.filter((column) => !unfilled.has(column.name.toLowerCase()))
  const values = written.map((column) => valueOf(`${dataset}.${name}`, column, selected.columns, bounds))
  const verified = selected.verify?.()
  // Its fault is thrown where it is awaited; until then nobody holds it.
  verified?.catch(() => undefined)
  try {
    const result = await connection.run(
      `INSERT INTO ${path} (${written.map((column) => quoted(column.name)).join(', ')}) ` +
        `SELECT ${values.join(', ')} FROM (${selected.sql}) AS s`,
      selected.values,
      selected.types,
    )
    await verified
    return { rows: result.rowsChanged, table }
  } catch (error) {
    await verified?.catch(() => undefined)
    if (error instanceof AppError || isConflict(error) || isInterrupt(error)) throw error
    throw await selected.explain(error)
  }
}
