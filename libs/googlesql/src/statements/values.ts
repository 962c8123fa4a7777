/** Values on their way into columns. */
import type { Column } from '@convergence/contracts'
import type { Expr } from '../ast.ts'
import type { Compiler, Expression, Scope } from '../compile/compiler.ts'
import { readOnce } from '../compile/volatile.ts'
import { raised } from '../macros/macro.ts'
import { nullElement, withoutNull } from '../null-elements.ts'
import { duckdbType, duckdbTypeOf, fieldName, ident, text, typeOfColumn, type Type } from '../types.ts'

/** A cell as it is written: a value of the column's type, or DEFAULT. */
export const value = (c: Compiler, ast: Expr, scope: Scope, column: Column): string => {
  if (ast.k === 'default') return 'DEFAULT'
  return stored(c, c.expression(ast, scope), column)
}
export const stored = (c: Compiler, e: Expression, column: Column): string => {
  if (e.agg === true || e.win === true) throw c.invalid(e.pos, 'An aggregate or window function is not allowed here')
  const type = typeOfColumn(column)
  const fitting = assign(c, e, type)
  if (fitting === undefined) {
    const reason =
      duckdbTypeOf(e.type) === duckdbTypeOf(type)
        ? column.type
        : `expected ${showType(type)} but got ${showType(e.type)}`
    throw c.invalid(e.pos, `The value has a type which cannot be assigned to column ${column.name}: ${reason}`)
  }
  const filled = type.k === 'ARRAY' ? `coalesce(${fitting.sql}, ${emptyArray(column)})` : fitting.sql
  return checkedArrays(type, filled, column.name)
}
/** The value, or an error when an array in it has a NULL element. A value that is no column is evaluated once. */
export const checkedArrays = (type: Type, sql: string, field: string): string => {
  const checked = (value: string): string =>
    withoutNull(type, value, field, ({ path }) => `error(${text(`${raised}${nullElement}${path.join('.')}`)})`)
  const inside = checked('_given')
  if (inside === '_given' || isColumn.test(sql)) return checked(sql)
  return `list_extract(list_transform([${sql}], lambda _given: ${inside}), 1)`
}
const isColumn = /^(?:\w+|"(?:[^"]|"")*")(?:\.(?:\w+|"(?:[^"]|"")*"))*$/

/** Rebuilds a value for a column whose struct fields have other names; undefined when types do not fit. */
const assign = (c: Compiler, e: Expression, to: Type): Expression | undefined => {
  const direct = c.tryCoerce(e, to)
  if (direct !== undefined) return direct
  if (e.type.k === 'STRUCT' && to.k === 'STRUCT' && e.type.fields.length === to.fields.length) {
    const from = e.type.fields
    const rebuilt = (struct: Expression): Expression | undefined => {
      const parts = to.fields.map((field, at) => {
        const source = from[at]
        if (source === undefined) return undefined
        const extracted = `struct_extract(${struct.sql}, ${text(fieldName(source, at))})`
        return assign(c, c.build(e.pos, source.type, extracted, struct), field.type)
      })
      if (!parts.every((part) => part !== undefined)) return undefined
      const fields = to.fields.map((field, at) => `${ident(fieldName(field, at))} := ${parts[at]?.sql ?? ''}`)
      const sql = `CASE WHEN ${struct.sql} IS NOT NULL THEN struct_pack(${fields.join(', ')}) END`
      return c.build(e.pos, to, sql, struct)
    }
    const plain = rebuilt(e)
    return plain && readOnce(c, plain, [e], ([struct = e]) => rebuilt(struct) ?? plain)
  }
  if (e.type.k === 'ARRAY' && to.k === 'ARRAY') {
    const variable = c.fresh()
    const element = assign(c, c.build(e.pos, e.type.of, variable), to.of)
    return element === undefined
      ? undefined
      : c.build(e.pos, to, `list_transform(${e.sql}, lambda ${variable}: ${element.sql})`, e)
  }
  return undefined
}

/** The type as an error names it. */
export const showType = (type: Type): string => {
  if (type.k === 'ARRAY') return `ARRAY<${showType(type.of)}>`
  return type.k === 'NULL' ? 'INT64' : type.k
}
export const emptyArray = (column: Column): string => `CAST([] AS ${duckdbType(column)})`
export const columnNames = (columns: readonly Column[]): string => columns.map(({ name }) => ident(name)).join(', ')
