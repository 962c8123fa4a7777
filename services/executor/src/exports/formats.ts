/** In which formats reports come, by the ends of their names. */
export type Format = 'csv' | 'gzip' | 'zip' | 'parquet'

const endings: readonly (readonly [RegExp, Format])[] = [
  [/\.csv$/i, 'csv'],
  [/\.csv\.gz$/i, 'gzip'],
  [/(\.csv)?\.zip$/i, 'zip'],
  [/\.parquet$/i, 'parquet'],
]
/** The format of a file of rows; undefined for any other file. */
export const formatOf = (key: string): Format | undefined => endings.find(([ending]) => ending.test(key))?.[1]
/** What an error expects. */
export const formatsWord = 'a file .csv, .csv.gz, .csv.zip or .parquet'
