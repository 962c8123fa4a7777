/**
 * How columns of a provider's files are found for a table's: names are compared without case and signs, which also
 * brings `reservation_reservation_a_r_n` to `reservation/ReservationARN`; what is another word is in a table of aliases.
 */
import { AppError, type Column } from '@convergence/contracts'
import { sourcesOf, type LoadColumn, type Scalar } from '@convergence/warehouse'
import { dayOf, type DayOrder } from './days.ts'
import { headerOf, valuesOf, type Inspected } from './inspected.ts'
import { excerpt } from './words.ts'

export interface ColumnPlan {
  columns: LoadColumn[]
  /** Columns of the files that have none of their own in the table: those in other_columns, as the files spell them. */
  other_columns: string[]
  /** Columns that the table does not take at all: without a name, with one that stands twice, or made by us. */
  not_taken: string[]
}
export interface PlanInput {
  /** The table's columns. */
  table: readonly Column[]
  /** Files of one delivery: one way of spelling, but not always the same columns. */
  files: readonly Inspected[]
  /** YYYY-MM */
  month: string
  /** Columns that say where a row comes from, by name. */
  provenance: Readonly<Record<string, Scalar>>
  /** How Azure's days are written, where the pipeline declares it. */
  day_order?: DayOrder | undefined
  /** Whether rows of other months are no fault, and left out; and each row says its file. */
  split?: true
}

/** Other names of a table's columns, the best first. */
export type Aliases = Readonly<Record<string, readonly string[]>>

/** A name without case and signs; of a translated one, the name in parentheses. */
const plain = (name: string): string =>
  (/\(([A-Za-z0-9_ /-]+)\)\s*$/.exec(name)?.[1] ?? name).toLowerCase().replace(/[^a-z0-9]/g, '')
const shown = (header: readonly string[]): string =>
  `${header.slice(0, 8).join(', ')}${header.length > 8 ? ` and ${header.length - 8} more` : ''}`

interface Found {
  source: string
  /** Whether every file has it. */
  everywhere: boolean
}
/** Finds each column's spelling in the files, which must agree on it. */
export const finder = (files: readonly Inspected[], aliases: Aliases) => {
  const byPlain = files.map((file) => {
    const names = new Map<string, string>()
    // Where two differ only in case or signs, the first is the column.
    for (const each of file.header) if (!names.has(plain(each))) names.set(plain(each), each)
    return { name: file.name, place: headerOf(file), names }
  })
  return (column: string): Found | undefined => {
    const found = byPlain.map(({ name, place, names }) => ({
      name,
      place,
      source: (aliases[column] ?? [column]).map((each) => names.get(plain(each))).find((each) => each !== undefined),
    }))
    const first = found.find(({ source }) => source !== undefined)
    if (first?.source === undefined) return undefined
    const other = found.find(({ source }) => source !== undefined && source !== first.source)
    if (other !== undefined)
      throw new AppError(
        'EXPORT_INVALID',
        `${other.place}: expected the column ${first.source} as in ${first.name}, got ${String(other.source)}; ` +
          'files of one delivery spell their columns in one way',
      )
    return { source: first.source, everywhere: found.every(({ source }) => source !== undefined) }
  }
}
export const sourceOf = ({ source, everywhere }: Found): { source: string; optional?: boolean } =>
  everywhere ? { source } : { source, optional: true }

/** Each file has one of the columns, however it is spelled. */
export const requireColumn = (
  files: readonly Inspected[],
  aliases: Aliases,
  columns: readonly string[],
  expected: string,
): void => {
  for (const file of files) {
    const find = finder([file], aliases)
    if (columns.every((column) => find(column) === undefined))
      throw new AppError(
        'EXPORT_INVALID',
        `${headerOf(file)}: expected ${expected}, got ${shown(file.header)}; is it another kind of export?`,
      )
  }
}
/**
 * Some day of the first rows is of the month. Not all: a charge may be of another month, as a correction is. None is
 * what a file of another month has, or one that says no days at all, whose rows would stand in the month unseen.
 */
export const requireMonth = (files: readonly Inspected[], source: string, month: string, order: DayOrder): void => {
  const days = files.flatMap((file) => valuesOf(file, source))
  if (days.some(({ value }) => dayOf(value, order).startsWith(month))) return
  const [first] = days
  const written = { iso: '', month_first: ' as MM/DD/YYYY', day_first: ' as DD/MM/YYYY' }[order]
  const expected = `column ${source}: expected days of ${month}${written}`
  throw new AppError(
    'EXPORT_INVALID',
    first === undefined
      ? `${files[0]?.name ?? 'the delivery'}, ${expected}, got empty fields alone`
      : `${first.place}, ${expected}, got ${JSON.stringify(excerpt(first.value, 40))}`,
  )
}
/** The first day of the month and of the next one. */
export const daysOf = (month: string): { from: string; to: string } => ({
  from: `${month}-01`,
  to: new Date(Date.UTC(Number(month.slice(0, 4)), Number(month.slice(5, 7)), 1)).toISOString().slice(0, 10),
})

/** Puts what no column takes into `other_columns`, where the table has that. */
export const withOthers = (columns: readonly LoadColumn[], files: readonly Inspected[]): ColumnPlan => {
  const taken = new Set(columns.flatMap(sourcesOf))
  const rest = [...new Set(files.flatMap(({ header }) => header))].filter((name) => !taken.has(name))
  const fits = (name: string): boolean =>
    name !== '' && files.every(({ header }) => header.indexOf(name) === header.lastIndexOf(name))
  const hasOthers = columns.some(({ name }) => name === 'other_columns')
  const other_columns = hasOthers ? rest.filter(fits) : []
  return {
    columns: columns.map((column) => {
      if (column.name !== 'other_columns' || other_columns.length === 0) return column
      const { name, type, mode, description } = column
      const object_of = Object.fromEntries(other_columns.map((each) => [each, each]))
      const own = { ...(mode === undefined ? {} : { mode }), ...(description === undefined ? {} : { description }) }
      return { name, type, ...own, object_of }
    }),
    other_columns,
    not_taken: rest.filter((name) => !other_columns.includes(name)),
  }
}
export type Finder = ReturnType<typeof finder>

/** Throws EXPORT_INVALID unless each value of a column, as far as the first rows go, is of the month. */
export const requirePeriod = (files: readonly Inspected[], source: string, month: string): void => {
  for (const file of files) {
    const other = valuesOf(file, source).find(({ value }) => !value.startsWith(month))
    if (other !== undefined)
      throw new AppError(
        'EXPORT_INVALID',
        `${other.place}, column ${source}: expected the billing period ${month}, ` +
          `got ${JSON.stringify(excerpt(other.value, 30))}`,
      )
  }
}
