/**
 * Files of rows that no manifest names, as most who are no cloud deliver them: below a prefix, by day, by hour or all in
 * one. What a file's rows are of, the rows say. Only where its name says days it is not opened for months that are far
 * from them. Pure: listings come in.
 */
import { AppError } from '@convergence/contracts'
import type { ObjectInfo } from '@convergence/objects'
import { formatOf, formatsWord } from './formats.ts'

/** Months, both inclusive, YYYY-MM. */
export interface Months {
  from: string
  to: string
}
const monthBefore = (month: string): string =>
  new Date(Date.UTC(Number(month.slice(0, 4)), Number(month.slice(5, 7)) - 2, 1)).toISOString().slice(0, 7)

/** 2025-11, 2025/11/05, 20251105T010000Z, year=2025/month=11: nothing that is a part of a longer word or number. */
const days =
  /(?<![0-9A-Za-z])(?:(20\d{2})([-_/]?)(0[1-9]|1[0-2])(?:\2(?:0[1-9]|[12]\d|3[01]))?|year=(20\d{2})\/month=(0?[1-9]|1[0-2]))(?=$|[^0-9A-Za-z]|T\d)/gi
/** The first and the last month that a name says; undefined where it says none. */
export const monthsNamed = (name: string): Months | undefined => {
  const months = [...name.matchAll(days)]
    .map(([, year, , month, hive = '', of_hive = '']) => `${year ?? hive}-${(month ?? of_hive).padStart(2, '0')}`)
    .sort()
  const [from, to] = [months[0], months.at(-1)]
  return from === undefined || to === undefined ? undefined : { from, to }
}
/**
 * Months whose rows a file may have; undefined for any. A file of a day has rows of the month before, too: the last
 * hours of a month are written in the next one, and a bill is corrected while it is open.
 */
export const monthsOfFile = (root: string, key: string): Months | undefined => {
  const named = monthsNamed(key.slice(root.length))
  return named === undefined ? undefined : { from: monthBefore(named.from), to: named.to }
}
export const isAmong = (month: string, months: Months | undefined): boolean =>
  months === undefined || (months.from <= month && month <= months.to)

/** Rows in a form that is not read, by the names of the files. */
const unread = /\.(?:csv|tsv|parquet|jsonl?|ndjson)\.[a-z0-9]+$|\.(?:tsv|xlsx?|jsonl|ndjson|avro|orc)$/i
const mostFiles = 10_000

export interface BareFiles {
  files: readonly ObjectInfo[]
  /** What the reader of the run should know of files that were passed over. */
  warnings: readonly string[]
}
/** The files that may have rows of the month. Throws OBJECT_NOT_FOUND, and EXPORT_INVALID for too many. */
export const filesOfMonth = (where: string, root: string, month: string, objects: readonly ObjectInfo[]): BareFiles => {
  const named = objects.filter(({ key }) => formatOf(key) !== undefined)
  // Whoever writes a file in two steps, or marks that there is nothing, leaves one of no bytes.
  const all = named.filter(({ size_bytes }) => size_bytes > 0)
  const files = all.filter(({ key }) => isAmong(month, monthsOfFile(root, key)))
  const below = root === '' ? 'in it' : `below ${root}`
  if (all.length === 0) {
    const found = objects[0] === undefined ? '' : `, the first of which is ${objects[0].key}`
    throw new AppError(
      'OBJECT_NOT_FOUND',
      `${where}: expected FOCUS files ${below}, ${formatsWord}, got none among ${objects.length} objects${found}; ` +
        'is the export delivered?',
    )
  }
  if (files.length === 0) {
    const said = all.map(({ key }) => monthsNamed(key.slice(root.length)) ?? { from: '', to: '' })
    const [from, to] = [
      said.map((each) => each.from).sort()[0],
      said
        .map((each) => each.to)
        .sort()
        .at(-1),
    ]
    throw new AppError(
      'OBJECT_NOT_FOUND',
      `${where}: expected FOCUS files of ${month} ${below}, got ${all.length} files of ${from ?? ''} to ${to ?? ''}; ` +
        'is the month delivered?',
    )
  }
  if (files.length > mostFiles)
    throw new AppError(
      'EXPORT_INVALID',
      `${where}: expected at most ${mostFiles} files that may be of ${month}, got ${files.length}; ` +
        'have their names say the day or the month, such as 2025-11-05, or use a longer prefix',
    )
  const told = (passed: readonly ObjectInfo[], why: string): string[] =>
    passed[0] === undefined ? [] : [`${passed.length} files ${below} ${why} and were not read: ${passed[0].key}`]
  const others = objects.filter(({ key }) => formatOf(key) === undefined && unread.test(key))
  return {
    files,
    warnings: [
      ...told(others, `are no ${formatsWord.replace('a file ', '')}`),
      ...told(
        named.filter(({ size_bytes }) => size_bytes === 0),
        'have no bytes',
      ),
    ],
  }
}
