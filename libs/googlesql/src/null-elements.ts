/** An array with NULL in it: a query may have one, neither a table nor an answer. */
import { fieldName, text, type Type } from './types.ts'

/** What BigQuery says of it, before the field. */
export const nullElement = 'Array cannot have a null element; error in writing field '

interface ArrayInside {
  /** The names that lead to the array. */
  path: readonly string[]
  of: Type
  /** SQL: whether it has a NULL element. */
  has_null: string
}
/** The arrays in a value of the type, however deep. `sql` is the value. */
export const arraysInside = (type: Type, sql: string, path: readonly string[], depth = 0): ArrayInside[] => {
  if (type.k === 'STRUCT')
    return type.fields.flatMap((field, at) => {
      const name = fieldName(field, at)
      return arraysInside(field.type, `struct_extract(${sql}, ${text(name)})`, [...path, name], depth)
    })
  if (type.k !== 'ARRAY') return []
  const element = `_e${depth}`
  return [
    { path, of: type.of, has_null: `list_count(${sql}) < len(${sql})` },
    ...arraysInside(type.of, element, path, depth + 1).map((inner) => ({
      ...inner,
      has_null: `len(list_filter(${sql}, lambda ${element}: ${inner.has_null})) > 0`,
    })),
  ]
}
/** SQL: the value, or `wrong` of the first array in it that has a NULL element. */
export const withoutNull = (type: Type, sql: string, field: string, wrong: (array: ArrayInside) => string): string => {
  const arrays = arraysInside(type, sql, [field])
  if (arrays.length === 0) return sql
  return `CASE ${arrays.map((array) => `WHEN ${array.has_null} THEN ${wrong(array)} `).join('')}ELSE ${sql} END`
}
