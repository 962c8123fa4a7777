/** Columns by their names, which differ not by case. */
import type { Column } from '@convergence/contracts'

export const sameName = (one: Column, other: Column): boolean => one.name.toLowerCase() === other.name.toLowerCase()
/** A column that is added later has no values in the rows that are there. */
export const withoutRequired = (column: Column): Column =>
  column.mode === 'REQUIRED' ? { ...column, mode: 'NULLABLE' } : column
