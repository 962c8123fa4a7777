/** NDJSON of a load: its columns by its first lines, and the fields that a table does not have. */
import type { Column } from '@convergence/contracts'
import { type File, unreadable } from '@convergence/warehouse/files'
import { linesOf } from '../load/ndjson.ts'
import { textOf } from '../text-of.ts'
import { typeOfTexts } from './csv.ts'
import { invalid, isJson } from './wire.ts'
import type { Json } from './wire.ts'

/** Columns of NDJSON by its first lines; none when it has none. */
export const detectNdjson = async (path: string, name: string): Promise<Column[]> => {
  const rows: Json[] = []
  for await (const line of readable({ path, name })) {
    if (line.trim() === '') continue
    try {
      rows.push(JSON.parse(line) as Json)
    } catch {
      throw invalid(`${name}:${rows.length + 1}: expected a JSON object`)
    }
    if (rows.length >= 500) break
  }
  return columnsOfRows(rows)
}
async function* readable(file: File): AsyncGenerator<string> {
  try {
    yield* linesOf(file)
  } catch (error) {
    throw unreadable(file, error)
  }
}
/** As many records in each other as BigQuery takes. */
const deepest = 15
const columnsOfRows = (rows: readonly Json[], depth = 1): Column[] =>
  [...new Set(rows.flatMap((row) => Object.keys(row)))].map((name): Column => {
    if (depth > deepest) throw invalid(`Field ${name} is nested more than ${deepest} levels deep`)
    const values = rows.map((row) => row[name]).filter((value) => value !== null && value !== undefined)
    const isList = values.some(Array.isArray)
    const flat: unknown[] = isList ? values.flat() : values
    const mode = isList ? { mode: 'REPEATED' as const } : {}
    if (flat.some((value) => typeof value === 'object' && value !== null)) {
      const fields = columnsOfRows(flat.filter(isJson), depth + 1)
      if (fields.length === 0) throw invalid(`Field ${name} is type RECORD but has no schema`)
      return { name, type: 'STRUCT', ...mode, fields }
    }
    if (flat.length > 0 && flat.every((value) => typeof value === 'boolean')) return { name, type: 'BOOL', ...mode }
    return { name, type: typeOfTexts(flat.map(textOf)), ...mode }
  })
/** The first field of NDJSON that the columns do not have: a load without ignoreUnknownValues fails by it. */
export const assertNoUnknown = async (path: string, name: string, columns: readonly Column[]): Promise<void> => {
  let line = 0
  for await (const text of readable({ path, name })) {
    line += 1
    if (text.trim() === '') continue
    let row: unknown
    try {
      row = JSON.parse(text)
    } catch {
      return
    }
    const unknown = unknownOf(columns, row, '')
    if (unknown !== undefined)
      throw invalid(
        'Error while reading data, error message: JSON table encountered too many errors, giving up. ' +
          `Rows: ${line}; errors: 1. ${name}:${line}: No such field: ${unknown}.`,
      )
  }
}
const unknownOf = (columns: readonly Column[], row: unknown, path: string): string | undefined => {
  if (typeof row !== 'object' || row === null || Array.isArray(row)) return undefined
  for (const [key, value] of Object.entries(row)) {
    const column = columns.find(({ name }) => name === key)
    if (column === undefined) return `${path}${key}`
    if (column.type !== 'STRUCT') continue
    for (const one of Array.isArray(value) ? (value as unknown[]) : [value]) {
      const inner = unknownOf(column.fields ?? [], one, `${path}${key}.`)
      if (inner !== undefined) return inner
    }
  }
  return undefined
}
