/** Names to columns, range variables and fields. */
import { buildStruct } from './build.ts'
import { type Compiler, type Expression, type Item, type ItemColumn, type Scope, sameName } from './compiler.ts'
import type { Name } from '../ast.ts'
import { JSON_TYPE, fieldName, text, typeName } from '../types.ts'

export const columnExpression = (
  compiler: Compiler,
  column: ItemColumn,
  pos: number,
  name: string | undefined,
): Expression => ({
  ...compiler.build(pos, column.type, column.sql),
  name,
  raw: column.raw,
})
const wholeRow = (compiler: Compiler, item: Item, pos: number): Expression => {
  if (item.value !== undefined) return columnExpression(compiler, item.value, pos, item.alias)
  const fields = item.columns.map((column) => ({ name: column.name, type: column.type }))
  return {
    ...buildStruct(
      compiler,
      fields,
      item.columns.map((column) => columnExpression(compiler, column, pos, undefined)),
      pos,
    ),
    items: undefined,
    name: item.alias,
  }
}
export const fieldOf = (compiler: Compiler, base: Expression, name: Name): Expression => {
  if (base.type.k === 'STRUCT') {
    const hits = base.type.fields
      .map((f, index) => ({ f, stored: fieldName(f, index) }))
      .filter(({ f }) => sameName(f.name, name.text))
    const hit = hits[0]
    if (hit === undefined)
      throw compiler.invalid(name.pos, `Field name ${name.text} does not exist in ${typeName(base.type)}`)
    return {
      ...compiler.build(name.pos, hit.f.type, `struct_extract(${base.sql}, ${text(hit.stored)})`, base),
      name: name.text,
    }
  }
  if (base.type.k === 'JSON') {
    if (name.text.includes('"') || name.text.includes('\\'))
      throw compiler.unsupported(name.pos, 'This JSON field name')
    return {
      ...compiler.build(name.pos, JSON_TYPE, `json_extract(${base.sql}, ${text(`$."${name.text}"`)})`, base),
      name: name.text,
    }
  }
  throw compiler.invalid(name.pos, `Cannot access field ${name.text} on a value of type ${typeName(base.type)}`)
}
/** The first part of a path in one scope: a column, a range variable, or nothing. */
export const lookup = (
  compiler: Compiler,
  scope: Scope,
  name: Name,
): { column: ItemColumn } | { item: Item } | undefined => {
  const columns: ItemColumn[] = scope.merged.filter((column) => sameName(column.name, name.text))
  if (columns.length === 0) {
    for (const item of scope.items) {
      if (item.hidden.has(name.text.toLowerCase())) continue
      columns.push(...item.columns.filter((column) => sameName(column.name, name.text)))
    }
  }
  const items = scope.items.filter((item) => sameName(item.alias, name.text))
  if (items.length > 1) throw compiler.invalid(name.pos, `Table name ${name.text} is ambiguous`)
  const item = items[0]
  if (item?.value !== undefined && columns.every((column) => column.sql === item.value?.sql))
    return { column: item.value }
  if (item !== undefined && columns.length > 0)
    throw compiler.unsupported(name.pos, `The name ${name.text}, which is a table alias and a column,`)
  if (columns.length > 1) throw compiler.invalid(name.pos, `Column name ${name.text} is ambiguous`)
  const column = columns[0]
  if (column !== undefined) return { column }
  return item === undefined ? undefined : { item }
}
export const resolvePath = (compiler: Compiler, parts: readonly Name[], scope: Scope): Expression | undefined => {
  const [first, ...rest] = parts
  if (first === undefined) return undefined
  for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) {
    const alias = at.aliases?.get(first.text.toLowerCase())
    const hit = lookup(compiler, at, first)
    if (alias !== undefined && !(hit !== undefined && 'item' in hit && rest.length > 0)) {
      if (alias === 'ambiguous') throw compiler.invalid(first.pos, `Column name ${first.text} is ambiguous`)
      if (hit !== undefined && at.aliasFirst !== true) {
        const direct = 'column' in hit ? hit.column.sql : undefined
        if (direct !== alias.sql && (alias.raw === undefined || direct !== alias.sql))
          throw compiler.unsupported(
            first.pos,
            `The name ${first.text}, which is a column and another expression's alias,`,
          )
      }
      return rest.reduce<Expression>((base, part) => fieldOf(compiler, base, part), {
        ...alias,
        pos: first.pos,
        name: first.text,
      })
    }
    if (hit === undefined) continue
    if ('column' in hit)
      return rest.reduce(
        (base, part) => fieldOf(compiler, base, part),
        columnExpression(compiler, hit.column, first.pos, first.text),
      )
    const [second, ...deeper] = rest
    if (second === undefined) return wholeRow(compiler, hit.item, first.pos)
    const found = hit.item.columns.filter((column) => sameName(column.name, second.text))
    if (found.length > 1) throw compiler.invalid(second.pos, `Column name ${second.text} is ambiguous`)
    const column = found[0]
    if (column === undefined) throw compiler.invalid(second.pos, `Name ${second.text} not found inside ${first.text}`)
    return deeper.reduce(
      (base, part) => fieldOf(compiler, base, part),
      columnExpression(compiler, column, second.pos, second.text),
    )
  }
  return undefined
}
export const rangeVariable = (compiler: Compiler, scope: Scope, name: Name | undefined): Item | undefined => {
  if (name === undefined) return undefined
  for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) {
    const hit = lookup(compiler, at, name)
    if (hit === undefined) continue
    if ('item' in hit) return hit.item
    return undefined
  }
  return undefined
}
