/**
 * How the files of a delivery write the days of a column: 2025-11-05, 11/05/2025 or 05/11/2025, one way for all of
 * them. Days that read in two ways are never guessed: a day past the twelfth says which it is, in the column or in
 * another one of the delivery, such as the end of the billing period. The month that was asked for says nothing. Where
 * the first rows do not say it, it is sought in all of them.
 */
import { AppError } from '@convergence/contracts'
import type { CsvRecord } from '@convergence/tabular/csv'
import { rowsOf } from './csv.ts'
import { valuesOf, type Inspected, type LocalFile } from './inspected.ts'
import { rowsOfParquet } from './parquet.ts'
import { excerpt } from './words.ts'

export type DayOrder = 'iso' | 'month_first' | 'day_first'
export interface DayFormat {
  order: DayOrder
  /** What a load reads the column with; undefined for ISO 8601. */
  strptime?: string
  /** Each day must be of the month: none of the column itself, or an unusual order, tells how they are written. */
  by_range: boolean
}
interface Day {
  file: string
  place: string
  line: number
  value: string
}

const iso = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$/
const slashed = /^(\d{1,2})\/(\d{1,2})\/(\d{4})( \d{1,2}:\d{2}:\d{2}( [AP]M)?)?$/i
const twoDigits = (text: string): string => text.padStart(2, '0')
/** YYYY-MM-DD of a day as it is written. */
export const dayOf = (value: string, order: DayOrder): string => {
  const [, first = '', second = '', year = ''] = slashed.exec(value) ?? []
  if (order === 'iso') return value.slice(0, 10)
  const [month, day] = order === 'month_first' ? [first, second] : [second, first]
  return `${year}-${twoDigits(month)}-${twoDigits(day)}`
}
const shown = ({ value }: Day): string => JSON.stringify(excerpt(value, 40))
const fault = ({ place }: Day, column: string, problem: string): AppError =>
  new AppError('EXPORT_INVALID', `${place}, column ${column}: ${problem}`)

/** The order that days of the columns say, by one past the twelfth; undefined where none does, or they disagree. */
export const orderOf = (
  files: readonly Inspected[],
  columns: readonly string[],
): 'month_first' | 'day_first' | undefined => {
  const matches = files.flatMap((file) =>
    columns.flatMap((column) => valuesOf(file, column).map(({ value }) => slashed.exec(value) ?? [])),
  )
  const monthFirst = matches.some((match) => Number(match[2]) > 12)
  const dayFirst = matches.some((match) => Number(match[1]) > 12)
  if (monthFirst === dayFirst) return undefined
  return monthFirst ? 'month_first' : 'day_first'
}
/** Whether a day reads in two ways. */
const isTwofold = (value: string): boolean =>
  slashed.test(value) && dayOf(value, 'month_first') !== dayOf(value, 'day_first')
/** Whether a day reads in one way, for it is past the twelfth. */
const decides = (value: string): boolean => {
  const [, first, second] = slashed.exec(value) ?? []
  return Number(first) > 12 !== Number(second) > 12
}

/**
 * The files with those of their rows further down that say how days are written, or that read in two ways, where the
 * first rows of all of them do not say it. Read to the first one that does.
 */
export const withDecidingRows = async <File extends Inspected & LocalFile>(
  files: readonly File[],
  columns: readonly string[],
  signal: AbortSignal,
): Promise<File[]> => {
  const isSlashed = files.some((file) =>
    columns.some((column) => valuesOf(file, column).some(({ value }) => slashed.test(value))),
  )
  if (!isSlashed || orderOf(files, columns) !== undefined) return [...files]
  const all: File[] = []
  let decided = false
  for (const file of files) {
    const more: CsvRecord[] = []
    const at = columns.map((column) => file.header.indexOf(column)).filter((index) => index >= 0)
    const twofold = new Set<number>()
    const lastSeen = file.rows.at(-1)?.line ?? 1
    if (!decided && !file.whole) {
      const rows = file.format === 'parquet' ? rowsOfParquet(file, columns, signal) : rowsOf(file, signal)
      for await (const row of rows) {
        if (row.line <= lastSeen) continue
        const fresh = at.filter((index) => !twofold.has(index) && isTwofold(row.fields[index] ?? ''))
        decided = at.some((index) => decides(row.fields[index] ?? ''))
        if (decided || fresh.length > 0) more.push(row)
        if (decided) break
        for (const index of fresh) twofold.add(index)
      }
    }
    all.push(more.length === 0 ? file : { ...file, rows: [...file.rows, ...more] })
  }
  return all
}
/** The order that the days say by themselves: by one past the twelfth. Throws when they say both. */
const orderBy = (days: readonly Day[], column: string): 'month_first' | 'day_first' | undefined => {
  const parts = days.map((day) => ({ day, match: slashed.exec(day.value) ?? [] }))
  const monthFirst = parts.find(({ match }) => Number(match[2]) > 12)
  const dayFirst = parts.find(({ match }) => Number(match[1]) > 12)
  if (monthFirst !== undefined && dayFirst !== undefined)
    throw fault(
      dayFirst.day,
      column,
      `expected MM/DD/YYYY as ${shown(monthFirst.day)} in line ${monthFirst.day.line} is, got ${shown(dayFirst.day)}`,
    )
  if (monthFirst !== undefined) return 'month_first'
  return dayFirst === undefined ? undefined : 'day_first'
}
const strptimeOf = (order: 'month_first' | 'day_first', value: string): string => {
  const [, , , , time, half] = slashed.exec(value) ?? []
  const day = order === 'month_first' ? '%m/%d/%Y' : '%d/%m/%Y'
  if (time === undefined) return day
  return half === undefined ? `${day} %H:%M:%S` : `${day} %I:%M:%S %p`
}
const formOf = (value: string): string => {
  if (iso.test(value)) return 'YYYY-MM-DD'
  return slashed.test(value) ? value.replace(/\d+/g, '0').replace(/[ap]m/i, 'AM') : ''
}

/**
 * How all files write a column's days, by their known rows; undefined when those have none. `month` is the one that the
 * delivery is of, for the column that says it; `declared` the order that the pipeline declares, `elsewhere` the one that
 * other columns say. Throws EXPORT_INVALID for days in no known form or in several, and for those that read in two ways.
 */
export const dayFormatOf = (
  files: readonly Inspected[],
  column: string,
  {
    month,
    declared,
    elsewhere,
  }: {
    month?: string | undefined
    declared?: DayOrder | undefined
    elsewhere?: 'month_first' | 'day_first' | undefined
  },
): DayFormat | undefined => {
  const days = files.flatMap((file) => valuesOf(file, column).map((each) => ({ ...each, file: file.name })))
  const [first] = days
  if (first === undefined) return undefined
  const form = formOf(first.value)
  if (form === '') throw fault(first, column, `expected a day as MM/DD/YYYY or YYYY-MM-DD, got ${shown(first)}`)
  const odd = days.find(({ value }) => formOf(value) !== form)
  if (odd !== undefined) {
    const where = odd.file === first.file ? `line ${first.line}` : first.place
    throw fault(odd, column, `expected a day written as ${shown(first)} in ${where} is, got ${shown(odd)}`)
  }
  if (form === 'YYYY-MM-DD') return { order: 'iso', by_range: false }
  const said = orderBy(days, column)
  if (said !== undefined && (said === 'month_first' || said === declared))
    return { order: said, strptime: strptimeOf(said, first.value), by_range: false }
  if (said === undefined && declared !== undefined && declared !== 'iso')
    return { order: declared, strptime: strptimeOf(declared, first.value), by_range: false }
  const twoWays = days.find(({ value }) => isTwofold(value))
  const order = said ?? elsewhere ?? (twoWays === undefined ? 'month_first' : undefined)
  if (order === undefined) {
    const day = twoWays ?? first
    const readings = `${dayOf(day.value, 'month_first')} or ${dayOf(day.value, 'day_first')}`
    throw fault(
      day,
      column,
      `expected a day that reads one way, or one past the 12th in some column of days, got ${shown(day)}, ` +
        `which is ${readings}; have the export write YYYY-MM-DD, or say day_format of the source: month_first or day_first`,
    )
  }
  if (month === undefined) return { order, strptime: strptimeOf(order, first.value), by_range: false }
  const outside = days.find(({ value }) => !dayOf(value, order).startsWith(month))
  if (outside !== undefined) {
    const form = order === 'month_first' ? 'MM/DD/YYYY' : 'DD/MM/YYYY'
    throw fault(
      outside,
      column,
      `expected a day of ${month} as ${form}, got ${shown(outside)}` +
        `${isTwofold(outside.value) ? ', which also reads the other way' : ''}; ` +
        'have the export write YYYY-MM-DD, or say day_format of the source: month_first or day_first',
    )
  }
  return { order, strptime: strptimeOf(order, first.value), by_range: true }
}
