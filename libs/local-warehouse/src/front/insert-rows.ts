/** Rows of insertAll as the engine takes them: text is taken for most types, and JSON as its text. */
import type { Column } from '@convergence/contracts'
import { textOf } from '../text-of.ts'
import { isWhole, noNumber, plainText } from '../values.ts'
import { instantOf, isEpoch, isJson } from './wire.ts'
import type { Json } from './wire.ts'

export interface RowFault {
  at: string
  message: string
}
/** The text of a value that the engine takes; undefined for one that is none of the type. */
const formOf = (type: Column['type'], value: unknown): string | undefined => {
  if (type === 'TIMESTAMP' && isEpoch(value)) return instantOf(value)
  const isNumber = type === 'FLOAT64' || type === 'NUMERIC' || type === 'BIGNUMERIC'
  if (typeof value !== 'string' && !(isNumber && typeof value === 'number')) return undefined
  return (type === 'FLOAT64' ? noNumber(String(value)) : undefined) ?? plainText(type, String(value))
}
/** One value of insertAll as the engine's rows have it; insertAll takes text for most, and JSON as its text. */
const valueOf = (
  column: Column,
  value: unknown,
  ignore: boolean,
  at: string,
): { value: unknown } | { fault: RowFault } => {
  const wrong = (message: string) => ({ fault: { at, message } })
  switch (column.type) {
    case 'STRUCT': {
      if (!isJson(value)) return wrong('This field: is a record.')
      const made = rowOf(column.fields ?? [], value, ignore, `${at}.`)
      return 'fault' in made ? made : { value: made.row }
    }
    case 'JSON':
      if (typeof value !== 'string') return wrong('Expected the text of a JSON value')
      try {
        return { value: JSON.parse(value) as unknown }
      } catch {
        return wrong('Invalid JSON')
      }
    case 'STRING':
      return typeof value === 'object' ? wrong('Cannot convert value to string (bad value)') : { value: textOf(value) }
    case 'BOOL':
      if (/^(true|t)$/i.test(textOf(value))) return { value: true }
      if (/^(false|f)$/i.test(textOf(value))) return { value: false }
      return wrong(`Cannot convert value to boolean (bad value): ${shown(value)}`)
    case 'INT64':
      return isWhole(value) ? { value } : wrong(`Cannot convert value to integer (bad value): ${shown(value)}`)
    default: {
      const text = formOf(column.type, value)
      return text === undefined
        ? wrong(`Could not parse ${shown(value)} as ${column.type}. ${requiredForm[column.type] ?? ''}`.trimEnd())
        : { value: text }
    }
  }
}
const requiredForm: Readonly<Partial<Record<Column['type'], string>>> = {
  DATE: 'Required format is YYYY-MM-DD',
  TIME: 'Required format is HH:MM[:SS[.SSSSSS]]',
  DATETIME: 'Required format is YYYY-MM-DD HH:MM[:SS[.SSSSSS]]',
  TIMESTAMP: 'Required format is YYYY-MM-DD HH:MM[:SS[.SSSSSS]]',
  BYTES: 'Required format is base64',
  BIGNUMERIC: 'It has 38 digits before the point and 38 after it',
}
const shown = (value: unknown): string => {
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' ? 'an object' : `'${textOf(value).slice(0, 40)}'`
}
/** A row, or the first fault in it. */
export const rowOf = (
  columns: readonly Column[],
  json: Json,
  ignore: boolean,
  path: string,
): { row: Record<string, unknown> } | { fault: RowFault } => {
  const row: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(json)) {
    const column = columns.find(({ name }) => name.toLowerCase() === key.toLowerCase())
    if (column === undefined) {
      if (ignore) continue
      return { fault: { at: `${path}${key}`, message: `no such field: ${path}${key}.` } }
    }
    if (value === null || value === undefined) continue
    if (column.mode === 'REPEATED') {
      if (!Array.isArray(value))
        return {
          fault: {
            at: `${path}${key}`,
            message: `Array specified for non-repeated field, or a value for the repeated field: ${path}${key}.`,
          },
        }
      const items: unknown[] = []
      for (const one of value as unknown[]) {
        const made =
          one === null
            ? { fault: { at: `${path}${key}`, message: 'Only optional fields can be set to NULL.' } }
            : valueOf(column, one, ignore, `${path}${key}`)
        if ('fault' in made) return made
        items.push(made.value)
      }
      row[column.name] = items
      continue
    }
    if (Array.isArray(value))
      return { fault: { at: `${path}${key}`, message: `Array specified for non-repeated field: ${path}${key}.` } }
    const made = valueOf(column, value, ignore, `${path}${key}`)
    if ('fault' in made) return made
    row[column.name] = made.value
  }
  const missing = columns.find(
    ({ name, mode }) => mode === 'REQUIRED' && (row[name] === undefined || row[name] === null),
  )
  if (missing !== undefined)
    return { fault: { at: `${path}${missing.name}`, message: `Missing required field: ${path}${missing.name}.` } }
  return { row }
}
