/** The SELECT list, with stars taken apart. */
import { buildStruct } from './build.ts'
import { type Compiler, type Expression, type ItemColumn, type Scope, sameName } from './compiler.ts'
import { columnExpression, rangeVariable } from './names.ts'
import type { Select, SelectItem } from '../ast.ts'
import { INT64, fieldName, text, typeName } from '../types.ts'

/** An output of a SELECT list before it has its place in the text. */
export interface ListItem {
  name?: string | undefined
  e: Expression
  explicit?: boolean | undefined
}

export const starColumns = (scope: Scope): ItemColumn[] => [
  ...scope.merged,
  ...scope.items.flatMap((item) =>
    item.columns.filter((column) => column.name === undefined || !item.hidden.has(column.name.toLowerCase())),
  ),
]
export const selectList = (compiler: Compiler, items: readonly SelectItem[], scope: Scope): ListItem[] =>
  items.flatMap((item) => {
    if (item.k === 'expr') {
      const e = compiler.expression(item.expr, scope)
      return [{ name: item.alias?.text ?? e.name, e, explicit: item.alias !== undefined }]
    }
    let columns: ItemColumn[]
    if (item.base === undefined) {
      if (scope.items.length === 0) throw compiler.invalid(item.pos, 'SELECT * must have a FROM clause')
      columns = starColumns(scope)
    } else {
      const variable =
        item.base.k === 'path' && item.base.parts.length === 1
          ? rangeVariable(compiler, scope, item.base.parts[0])
          : undefined
      if (variable !== undefined) columns = variable.columns
      else {
        const base = compiler.expression(item.base, scope)
        if (base.type.k !== 'STRUCT') throw compiler.invalid(item.pos, `.* is not defined for ${typeName(base.type)}`)
        columns = base.type.fields.map((f, at) => ({
          name: f.name,
          sql: `struct_extract(${base.sql}, ${text(fieldName(f, at))})`,
          type: f.type,
        }))
      }
    }
    for (const name of [...item.except, ...item.replace.map((replaced) => replaced.name)]) {
      if (!columns.some((column) => sameName(column.name, name.text)))
        throw compiler.invalid(name.pos, `Column ${name.text} in EXCEPT or REPLACE does not exist`)
    }
    const kept = columns.filter((column) => !item.except.some((name) => sameName(column.name, name.text)))
    if (kept.length === 0) throw compiler.invalid(item.pos, 'SELECT * EXCEPT leaves no column')
    return kept.map((column) => {
      const replaced = item.replace.find((candidate) => sameName(column.name, candidate.name.text))
      return {
        name: column.name,
        e:
          replaced === undefined
            ? columnExpression(compiler, column, item.pos, column.name)
            : { ...compiler.expression(replaced.expr, scope), name: column.name },
      }
    })
  })
export const structItem = (compiler: Compiler, body: Select, scope: Scope): Expression => {
  const list = selectList(compiler, body.items, scope)
  return {
    ...buildStruct(
      compiler,
      list.map(({ name, e }) => ({ name, type: e.type.k === 'NULL' ? INT64 : e.type })),
      list.map(({ e }) => e),
      body.pos,
    ),
    items: undefined,
  }
}
