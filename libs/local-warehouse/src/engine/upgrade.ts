/**
 * Tables that older versions made: they kept BIGNUMERIC as DECIMAL(38,18). Such columns are made anew when the warehouse
 * is opened, all of them or none; where there are none, nothing is done.
 */
import type { DuckDBConnection } from '@duckdb/node-api'
import { fromDecimal } from '@convergence/googlesql/bignumeric'
import type { Column } from '@convergence/contracts'
import type { Catalog } from '../catalog.ts'
import { eachOf, literal, quoted, typeOf } from '../values.ts'

const olderType = 'DECIMAL(38,18)'
const holdsBignumeric = ({ type, fields = [] }: Column): boolean =>
  type === 'BIGNUMERIC' || fields.some(holdsBignumeric)
const converted = (value: string, column: Column, depth = 0): string => {
  if (!holdsBignumeric(column)) return value
  if (column.mode === 'REPEATED')
    return eachOf(value, depth, (one) => converted(one, { ...column, mode: 'NULLABLE' }, depth + 1))
  if (column.type === 'STRUCT') {
    // A name with a point in it would be a column of a table to ALTER.
    const fields = (column.fields ?? []).map((field) => {
      const own = `struct_extract(${value}, ${literal(field.name)})`
      return `${quoted(field.name)} := ${converted(own, field, depth)}`
    })
    return `CASE WHEN ${value} IS NOT NULL THEN struct_pack(${fields.join(', ')}) END`
  }
  return fromDecimal(value)
}

export const upgradeDecimals = async (
  control: DuckDBConnection,
  catalog: Catalog,
  project_id: string,
): Promise<void> => {
  const found = await control.runAndReadAll(
    'SELECT schema_name, table_name, column_name, column_default FROM duckdb_columns() ' +
      `WHERE database_name = ${literal(project_id)} AND contains(data_type, ${literal(olderType)})`,
  )
  if (found.currentRowCount === 0) return
  await control.run('BEGIN TRANSACTION')
  try {
    for (const [dataset, table, name, fallback] of found
      .getRows()
      .map((row) => row.map((cell) => String(cell ?? '')))) {
      const column = catalog.table(dataset ?? '', table ?? '')?.columns.find((one) => one.name === name)
      if (column === undefined || !holdsBignumeric(column)) continue
      const alter = `ALTER TABLE ${catalog.path(dataset ?? '', table ?? '')} ALTER COLUMN ${quoted(column.name)}`
      if (fallback !== '') await control.run(`${alter} DROP DEFAULT`)
      await control.run(`${alter} SET DATA TYPE ${typeOf(column)} USING ${converted(quoted(column.name), column)}`)
      if (fallback !== '')
        await control.run(`${alter} SET DEFAULT ${converted(`CAST(${fallback} AS ${olderOf(column)})`, column)}`)
    }
    await control.run('COMMIT')
  } catch (error) {
    await control.run('ROLLBACK').catch(() => undefined)
    throw error
  }
}
/** The column's type as it was. */
const olderOf = (column: Column): string =>
  typeOf(column).replaceAll(typeOf({ name: '', type: 'BIGNUMERIC' }), olderType)
