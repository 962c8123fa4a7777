/**
 * Rows of JSON texts, taken apart here instead of by DuckDB, which needs ten milliseconds to plan what takes ten
 * microseconds to do. It gives what the statement would give, or undefined wherever that is not certain: then DuckDB
 * runs the statement.
 */
import type { Column } from '@convergence/contracts'
import type { Row } from '@convergence/warehouse'
import type { JsonRows } from '@convergence/googlesql'
import { textOf } from './text-of.ts'

/** What is not certain. */
const unsure = Symbol('unsure')
const isDate = (text: string): boolean =>
  /^\d{4}-\d\d-\d\d$/.test(text) &&
  !text.startsWith('0000') &&
  !Number.isNaN(Date.parse(text)) &&
  new Date(text).toISOString().startsWith(text)
const isClock = (text: string): boolean =>
  /^[T ]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?(Z|[+-](0\d|1[0-4]):[0-5]\d)$/.test(text)
const isInt64 = (text: string): boolean =>
  /^[+-]?\d{1,19}$/.test(text) &&
  BigInt(text.replace('+', '')) >= -(2n ** 63n) &&
  BigInt(text.replace('+', '')) < 2n ** 63n

/** A scalar of JSON as the column's value. */
const valueOf = (column: Column, value: unknown): unknown => {
  if (value === undefined || value === null || typeof value === 'object') return null
  const text = textOf(value)
  switch (column.type) {
    case 'STRING':
      return typeof value === 'number' && /e/.test(text) ? unsure : text
    case 'INT64':
      return isInt64(text) ? text : unsure
    case 'NUMERIC':
      return /^[+-]?\d{1,28}(\.\d{1,9})?$/.test(text) ? text : unsure
    case 'FLOAT64':
      return /^-?\d{1,15}(\.\d{1,15})?$/.test(text) ? text : unsure
    case 'BOOL':
      return text === 'true' || text === 'false' ? text === 'true' : unsure
    case 'DATE':
      return isDate(text) ? text : unsure
    case 'TIMESTAMP':
      return isDate(text.slice(0, 10)) && isClock(text.slice(10)) ? text : unsure
    default:
      return unsure
  }
}
export const takeJsonApart = ({ cells }: JsonRows, texts: unknown): Row[] | undefined => {
  if (!Array.isArray(texts)) return undefined
  const rows: Row[] = []
  for (const text of texts as unknown[]) {
    if (typeof text !== 'string') return undefined
    let json: unknown
    try {
      json = JSON.parse(text)
    } catch {
      return undefined
    }
    // A number whose digits JavaScript does not keep, a key that comes twice: only what it would write itself is
    // certain.
    if (JSON.stringify(json) !== text) return undefined
    const row: Row = {}
    for (const { column, path, form } of cells) {
      let value: unknown = json
      for (const part of path)
        value =
          typeof value === 'object' && value !== null && !Array.isArray(value) && Object.hasOwn(value, part)
            ? (value as Row)[part]
            : undefined
      if (form === 'value') value = valueOf(column, value)
      else if (form === 'values' && Array.isArray(value))
        value = value.every((one) => typeof one === 'string') ? value : unsure
      else if (form === 'values') value = []
      if (value === unsure) return undefined
      row[column.name] = value ?? null
    }
    rows.push(row)
  }
  return rows
}
