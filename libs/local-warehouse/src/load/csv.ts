/**
 * CSV files as one SELECT. DuckDB reads them; where it fails, the one reader of CSV says why, by file, line and column,
 * and where that one reads them without fault, as with line ends of several kinds in one file, they are written anew.
 */
import { createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { AppError } from '@convergence/contracts'
import { csvRecords } from '@convergence/tabular/csv'
import type { CsvRecord } from '@convergence/tabular/csv'
import { shown } from '@convergence/tabular/values'
import { sourcesOf } from '@convergence/warehouse'
import type { LoadColumn } from '@convergence/warehouse'
import { raised, wordFault } from '../faults.ts'
import { literal, quoted } from '../values.ts'
import {
  attempt,
  constant,
  emptyOf,
  expectedWord,
  fromText,
  isTaken,
  leavingOut,
  namesOfFiles,
  objectWith,
  withoutWord,
  wrongValue,
} from './convert.ts'
import { bytesOf, isGzip, unreadable } from '@convergence/warehouse/files'
import type { File } from '@convergence/warehouse/files'

interface CsvPlan {
  sql: string
  empty: readonly string[]
  explain(error: unknown): Promise<AppError>
  /** Another plan of the same, where this one failed with such a fault and the files themselves are right. */
  again?(fault: unknown): Promise<(CsvPlan & { release(): Promise<void> }) | undefined>
}
/** Files with the same columns, packed the same way. */
interface Group {
  header: string[]
  files: File[]
}

/** As DuckDB calls it. */
export const compression = (file: File): string => (isGzip(file.path) ? 'gzip' : 'none')

const headerOf = async (file: File): Promise<string[]> => {
  try {
    for await (const [record] of csvRecords(bytesOf(file), { name: file.name, header: false }))
      if (record !== undefined) return record.fields
  } catch (error) {
    throw error instanceof AppError ? error : unreadable(file, error)
  }
  throw new AppError('EXPORT_INVALID', `${file.name}: is empty; expected a line with the names of the columns`)
}
const grouped = async (files: readonly File[], columns: readonly LoadColumn[]): Promise<Group[]> => {
  const groups = new Map<string, Group>()
  for (const file of files) {
    const header = await headerOf(file)
    for (const column of columns) {
      if ('source' in column && column.optional !== true && !header.includes(column.source)) {
        const names = `${header.slice(0, 12).join(', ')}${header.length > 12 ? ` and ${header.length - 12} more` : ''}`
        throw new AppError(
          'EXPORT_INVALID',
          `${file.name}: has no column ${column.source}, which ${column.name} is read from; it has ${names}`,
        )
      }
    }
    const used = header.find(
      (name, k) => header.indexOf(name) !== k && columns.some((column) => sourcesOf(column).includes(name)),
    )
    if (used !== undefined)
      throw new AppError('EXPORT_INVALID', `${file.name}:1: has two columns ${used}; expected one`)
    const key = JSON.stringify([header, isGzip(file.path)])
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { header, files: [file] })
    else group.files.push(file)
  }
  return [...groups.values()]
}
/** The one reader of CSV takes records of 10 MiB; DuckDB keeps many times of what it is told per thread. */
const longLines = ', max_line_size=10485760'
const selectOf = ({ header, files: same }: Group, columns: readonly LoadColumn[], long_lines: boolean): string => {
  const textOf = (source: string): string | undefined => {
    const at = header.indexOf(source)
    return at < 0 ? undefined : `r.c${at}`
  }
  const values = columns.map((column, k) => {
    if ('value' in column) return constant(column.value, column)
    if ('object_of' in column)
      return objectWith(
        Object.entries(column.object_of).flatMap(([key, source]) => {
          const text = textOf(source)
          return text === undefined ? [] : [[key, text] as const]
        }),
        (column.maps ?? []).flatMap(({ source, prefix }) => {
          const text = textOf(source)
          return text === undefined ? [] : [{ text, prefix }]
        }),
      )
    if ('file_name' in column) return 'f.name'
    const text = textOf(column.source)
    return text === undefined ? constant(null, column) : fromText(withoutWord(text, column), column, k)
  })
  const taken = leavingOut(columns).flatMap((column) => {
    const text = textOf(column.source)
    const day = `CAST(${attempt(text ?? '', column, () => 'NULL')} AS DATE)`
    return text === undefined ? [] : [isTaken(day, column)]
  })
  const named = columns.some((column) => 'file_name' in column)
  const list = `[${same.map(({ path }) => literal(path)).join(', ')}]`
  const shape = `{${header.map((_, k) => `'c${k}': 'VARCHAR'`).join(', ')}}`
  const selected = values.map((value, k) => `${value} AS ${quoted(columns[k]?.name ?? '')}`).join(', ')
  const packing = compression(same[0] ?? { path: '', name: '' })
  return (
    `SELECT ${selected} FROM read_csv(${list}, auto_detect=false, header=true, delim=',', quote='"', escape='"', ` +
    `nullstr='', compression='${packing}'${long_lines ? longLines : ''}, columns=${shape}` +
    `${named ? ", filename='file'" : ''}) AS r${named ? ` ${namesOfFiles(same, 'r.file')}` : ''}` +
    (taken.length === 0 ? '' : ` WHERE ${taken.join(' AND ')}`)
  )
}
/** The first fault of the files' own, or the first record for which `is` gives one. */
const findFault = async (
  files: readonly File[],
  is: (record: CsvRecord, header: readonly string[]) => string | undefined = () => undefined,
): Promise<AppError | undefined> => {
  for (const file of files) {
    let header: string[] | undefined
    try {
      for await (const records of csvRecords(bytesOf(file), { name: file.name })) {
        for (const record of records) {
          const fault = header === undefined ? undefined : is(record, header)
          if (fault !== undefined) return new AppError('EXPORT_INVALID', `${file.name}:${record.line}${fault}`)
          header ??= record.fields
        }
      }
    } catch (error) {
      return error instanceof AppError ? error : unreadable(file, error)
    }
  }
  return undefined
}
const field = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)
/** The same records in the plainest spelling. A record of one empty field is quoted, or it would be an empty line. */
const rewrite = async (file: File): Promise<File> => {
  const path = `${file.path}.rows.csv`
  await pipeline(async function* () {
    for await (const records of csvRecords(bytesOf(file), { name: file.name }))
      yield records.map(({ fields }) => `${fields.map(field).join(',') || '""'}\n`).join('')
  }, createWriteStream(path))
  return { path, name: file.name }
}

/** A value that does not fit, or any fault that is not of the files' form; undefined for those. */
const explainValue = async (
  files: readonly File[],
  columns: readonly LoadColumn[],
  error: unknown,
): Promise<AppError | undefined> => {
  const own = raised(error)
  const wrong = own === undefined ? null : new RegExp(`^${wrongValue}(\\d+) ([^]*)$`).exec(own.text)
  if (wrong !== null) {
    const [, k, value = ''] = wrong
    const column = columns[Number(k)]
    if (column !== undefined && 'source' in column) {
      const fault = await findFault(files, (record, header) =>
        record.fields[header.indexOf(column.source)] === value
          ? `, column ${column.source}: expected ${expectedWord(column, value)}, ` +
            `got ${value === '' ? 'an empty field' : shown(value)}`
          : undefined,
      )
      return (
        fault ??
        new AppError(
          'EXPORT_INVALID',
          `column ${column.source}: expected ${expectedWord(column, value)}, got ${shown(value)}`,
        )
      )
    }
  }
  if (own !== undefined) return wordFault(error)
  const text = error instanceof Error ? error.message : String(error)
  const required = columns.find(
    (column) => column.name === /^Constraint Error: NOT NULL constraint failed: [^.]*\.([^\s]*)/.exec(text)?.[1],
  )
  if (required !== undefined && 'source' in required) {
    const fault = await findFault(files, (record, header) =>
      (record.fields[header.indexOf(required.source)] ?? '') === ''
        ? `, column ${required.source}: expected ${expectedWord(required)}, got an empty field`
        : undefined,
    )
    if (fault !== undefined) return fault
  }
  return /CSV Error|^Invalid Input Error|unicode|gzip|decompress/i.test(text) ? undefined : wordFault(error)
}

/** `rewritten`: the files are our own spelling, and are not written anew once more, and lines may be long. */
export const planCsv = async (
  files: readonly File[],
  columns: readonly LoadColumn[],
  rewritten = false,
): Promise<CsvPlan> => {
  const groups = await grouped(files, columns)
  const rewritable = new WeakSet<AppError>()
  return {
    sql: groups.map((group) => selectOf(group, columns, rewritten)).join(' UNION ALL '),
    empty: emptyOf(columns, (source) => groups.some(({ header }) => header.includes(source))),
    explain: async (error) => {
      const own = await explainValue(files, columns, error)
      if (own !== undefined) return own
      const text = error instanceof Error ? error.message : String(error)
      const fault = await findFault(files)
      if (fault !== undefined) return fault
      const at = /Line: (\d+)/.exec(text)?.[1]
      const file = files.find(({ path }) => text.includes(path)) ?? files[0]
      const where = `${file?.name ?? 'file'}${at === undefined ? '' : `:${at}`}`
      const problem = /maximum line size/i.test(text)
        ? 'the line is longer than 10 MB'
        : 'is not CSV as the first line promises'
      const made = new AppError('EXPORT_INVALID', `${where}: ${problem}`, { cause: error })
      if (!rewritten) rewritable.add(made)
      return made
    },
    again: async (fault) => {
      if (!(fault instanceof AppError) || !rewritable.has(fault)) return undefined
      const made: File[] = []
      const release = async () => {
        for (const { path } of made) await rm(path, { force: true })
      }
      try {
        for (const file of files) made.push(await rewrite(file))
        return { ...(await planCsv(made, columns, true)), release }
      } catch (error) {
        await release()
        throw error
      }
    },
  }
}
