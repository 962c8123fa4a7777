/** Changes of a table's columns: some may be added at the end, loosened, described, and nothing else. */
import type { Column } from '@convergence/contracts'
import { invalid, unsupported } from './wire.ts'

const sameShape = (one: Column, other: Column): boolean =>
  one.name.toLowerCase() === other.name.toLowerCase() &&
  one.type === other.type &&
  (one.mode === 'REPEATED') === (other.mode === 'REPEATED') &&
  (one.fields ?? []).length === (other.fields ?? []).length &&
  (one.fields ?? []).every((field, k) => other.fields?.[k] !== undefined && sameShape(field, other.fields[k]))
/** The column as it is wanted, of the same shape: its mode may be loosened, that of its fields too. */
const loosened = (table: string, { mode, ...column }: Column, same: Column, path = ''): Column => {
  const own = `${path}${column.name}`
  if (same.mode === 'REQUIRED' && mode !== 'REQUIRED')
    throw invalid(
      `Provided Schema does not match Table ${table}. Field ${own} has changed mode from NULLABLE to REQUIRED`,
    )
  return {
    ...column,
    ...(same.mode === undefined ? {} : { mode: same.mode }),
    ...(same.description === undefined ? {} : { description: same.description }),
    ...(column.fields === undefined
      ? {}
      : { fields: column.fields.map((field, k) => loosened(table, field, same.fields?.[k] ?? field, `${own}.`)) }),
  }
}
/** Columns may be added at the end, loosened, described; anything else is refused as BigQuery refuses it. */
export const changedColumns = (table: string, known: readonly Column[], wanted: readonly Column[]): Column[] => {
  const found = (column: Column) => wanted.find((one) => one.name.toLowerCase() === column.name.toLowerCase())
  for (const column of known) {
    const same = found(column)
    if (same === undefined)
      throw invalid(`Provided Schema does not match Table ${table}. Field ${column.name} is missing in new schema`)
    if (!sameShape(column, same)) {
      if (column.type === 'STRUCT' && same.type === 'STRUCT')
        throw unsupported(`Changing the fields of the RECORD ${column.name}`)
      throw invalid(
        `Provided Schema does not match Table ${table}. ` +
          `Field ${column.name} has changed type from ${column.type} to ${same.type}`,
      )
    }
  }
  const added = wanted.filter((column) => !known.some((one) => one.name.toLowerCase() === column.name.toLowerCase()))
  const required = added.find((column) => column.mode === 'REQUIRED')
  if (required !== undefined)
    throw invalid(
      `Provided Schema does not match Table ${table}. ` +
        `Cannot add required fields to an existing schema. (field: ${required.name})`,
    )
  return [...known.map((column) => loosened(table, column, found(column) ?? column)), ...added]
}
