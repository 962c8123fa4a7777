/** SET of UPDATE and MERGE. */
import type { Column } from '@convergence/contracts'
import type { SetItem } from '../ast.ts'
import { sameName, type Compiler, type Scope } from '../compile/compiler.ts'
import { columnOfType, fieldName, ident, INT64, text, typeOfColumn, type Type } from '../types.ts'
import { columnNamed, type Target } from './target.ts'
import { showType, value } from './values.ts'

/** What is set of a column: all of it, or some of its fields. */
interface Assigned {
  value?: string
  fields: Map<string, Assigned>
}

/** SET items to column = value; several fields of one struct become one assignment. */
export const setSql = (c: Compiler, into: Target, sets: readonly SetItem[], scope: Scope): string => {
  const assigned = new Map<string, Assigned>()
  for (const set of sets) assignItem(c, into, set, scope, assigned)
  return [...assigned]
    .map(([name, whole]) => {
      const column = into.columns.find((candidate) => candidate.name === name)
      const type = column === undefined ? INT64 : typeOfColumn(column)
      return `${ident(name)} = ${render(whole, `${into.alias}.${ident(name)}`, type)}`
    })
    .join(', ')
}

const assignItem = (c: Compiler, into: Target, set: SetItem, scope: Scope, assigned: Map<string, Assigned>): void => {
  const [first, ...rest] = set.path
  // A leading alias of the target is allowed.
  const isAliased =
    first !== undefined &&
    rest.length > 0 &&
    sameName(into.scope.items[0]?.alias, first.text) &&
    !into.columns.some((column) => sameName(column.name, first.text))
  const [head, ...path] = isAliased ? rest : set.path
  if (head === undefined) throw c.invalid(set.pos, 'SET needs a column')
  const column = columnNamed(c, into, head)
  let type = typeOfColumn(column)
  let at = assigned.get(column.name) ?? { fields: new Map<string, Assigned>() }
  assigned.set(column.name, at)
  let leaf: Column = column
  for (const part of path) {
    if (type.k !== 'STRUCT')
      throw c.invalid(part.pos, `Cannot access field ${part.text} on a value of type ${showType(type)}`)
    const index = type.fields.findIndex((field) => sameName(field.name, part.text))
    const field = type.fields[index]
    if (field === undefined) throw c.invalid(part.pos, `Field ${part.text} does not exist`)
    const key = fieldName(field, index)
    type = field.type
    leaf = columnOfType(key, type)
    if (at.value !== undefined) throw c.invalid(set.pos, `Overlapping SET of ${column.name}`)
    const next = at.fields.get(key) ?? { fields: new Map<string, Assigned>() }
    at.fields.set(key, next)
    at = next
  }
  if (at.value !== undefined || at.fields.size > 0) throw c.invalid(set.pos, `Overlapping SET of ${column.name}`)
  if (set.value.k === 'default' && path.length > 0) throw c.unsupported(set.pos, 'SET of a struct field to DEFAULT')
  at.value = value(c, set.value, scope, leaf)
}

const render = (assigned: Assigned, current: string, type: Type): string => {
  if (assigned.value !== undefined) return assigned.value
  if (type.k !== 'STRUCT') return current
  const fields = type.fields.map((field, at) => {
    const key = fieldName(field, at)
    const inner = `struct_extract(${current}, ${text(key)})`
    const changed = assigned.fields.get(key)
    return `${ident(key)} := ${changed === undefined ? inner : render(changed, inner, field.type)}`
  })
  return `struct_pack(${fields.join(', ')})`
}
