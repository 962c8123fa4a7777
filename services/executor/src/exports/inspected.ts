/** What is known of a file of an export before it is loaded. */
import type { CsvRecord } from '@convergence/tabular/csv'

export interface Inspected {
  /** What errors call it: its key. */
  name: string
  format: 'csv' | 'parquet'
  header: string[]
  /** The first rows: of CSV as many as fit in the first MiB, of Parquet with the columns that say days. */
  rows: CsvRecord[]
  /** Whether those are all. */
  whole: boolean
}
/** A file on this machine; packed if its name ends so. */
export interface LocalFile {
  /** What errors call it. */
  name: string
  path: string
}
/** What errors call the header of a file. */
export const headerOf = ({ name, format }: Pick<Inspected, 'name' | 'format'>): string =>
  format === 'parquet' ? name : `${name}:1`

/** Values of a column in the first rows, those that are filled, with the places that they stand in. */
export const valuesOf = (
  { name, format, header, rows }: Inspected,
  column: string,
): { line: number; place: string; value: string }[] => {
  const at = header.indexOf(column)
  return at < 0
    ? []
    : rows.flatMap(({ line, fields }) => {
        const value = fields[at] ?? ''
        return value === ''
          ? []
          : [{ line, place: format === 'parquet' ? `${name}, row ${line}` : `${name}:${line}`, value }]
      })
}
