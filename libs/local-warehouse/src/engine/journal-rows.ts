/** Rows for the journal: checked as the table wants them, and written as JSON. */
import { AppError, centralDataset } from '@convergence/contracts'
import { assertRows } from '@convergence/tabular/values'
import type { Row } from '@convergence/warehouse'
import type { Catalog } from '../catalog.ts'
import { fits } from '../values.ts'

/** Tables of this dataset take small rows by the journal. */
export const journalDataset = centralDataset

/** Throws TABLE_NOT_FOUND, and QUERY_INVALID for rows that the table does not take. */
export const assertJournalRows = (
  { catalog, project_id }: { catalog: Catalog; project_id: string },
  table: string,
  rows: readonly Row[],
): void => {
  const spec = catalog.table(journalDataset, table)
  if (spec === undefined)
    throw new AppError(
      'TABLE_NOT_FOUND',
      `${project_id}.${journalDataset}.${table} does not exist; the bootstrap pipeline makes the central tables`,
    )
  assertRows(table, spec.columns, rows, fits)
}
/** A half character, as JSON says it, is one that DuckDB would not take after the rows were acknowledged. */
const whole = (_key: string, value: unknown): unknown => (typeof value === 'string' ? value.toWellFormed() : value)
export const textOfRows = (rows: readonly Row[]): string => {
  const text = rows.map((row) => JSON.stringify(row)).join(',')
  return text.includes('\\ud') ? rows.map((row) => JSON.stringify(row, whole)).join(',') : text
}
