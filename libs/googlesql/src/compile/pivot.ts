/** PIVOT and UNPIVOT. */
import { type Compiler, type ItemColumn, type Scope, emptyScope, nameOutputs, sameName } from './compiler.ts'
import { compileLiteral } from './literals.ts'
import { resolvePath } from './names.ts'
import { starColumns } from './select-list.ts'
import { outputItem } from './tables.ts'
import { aggregates } from '../functions/aggregates.ts'
import type { Expr, FromItem } from '../ast.ts'
import { INT64, type Type, ident, sameType, typeName } from '../types.ts'

const pivotSource = (
  compiler: Compiler,
  input: FromItem,
  scope: Scope,
): { sql: string; inner: Scope; columns: ItemColumn[] } => {
  const inner: Scope = { ...emptyScope(scope.ctes), parent: scope.parent }
  const sql = compiler.from(input, inner)
  return { sql, inner, columns: starColumns(inner) }
}
export const pivotClause = (compiler: Compiler, item: FromItem & { k: 'pivot' }, scope: Scope): string => {
  const { sql, inner, columns } = pivotSource(compiler, item.input, scope)
  const by = compiler.expression(item.by, inner)
  const used = new Set<string>()
  const note = (ast: Expr): void => {
    if (ast.k === 'path') used.add((ast.parts[0]?.text ?? '').toLowerCase())
    else if (ast.k === 'call') ast.args.forEach(note)
    else if (ast.k === 'binary') {
      note(ast.l)
      note(ast.r)
    } else if (ast.k === 'cast' || ast.k === 'unary') note(ast.x)
    else if (ast.k !== 'lit' && ast.k !== 'typed' && ast.k !== 'param')
      throw compiler.unsupported(ast.pos, 'This expression in PIVOT')
  }
  note(item.by)
  const keys = columns.filter((column) => column.name !== undefined)
  if (keys.length < columns.length) throw compiler.unsupported(item.pos, 'PIVOT of an unnamed column')
  for (const { call: aggregate } of item.aggregates) note(aggregate)
  const groups = keys.filter((column) => !used.has((column.name ?? '').toLowerCase()))
  for (const column of groups)
    if (column.type.k === 'STRUCT' || column.type.k === 'ARRAY' || column.type.k === 'JSON')
      throw compiler.unsupported(item.pos, `PIVOT that groups by ${typeName(column.type)}`)
  const list: { name?: string | undefined; type: Type; sql: string }[] = groups.map((column) => ({
    name: column.name,
    type: column.type,
    sql: column.sql,
  }))
  for (const value of item.values) {
    const v = compiler.expression(value.expr, inner)
    if (v.lit === undefined) throw compiler.unsupported(value.expr.pos, 'A PIVOT value that is no literal')
    const valueName =
      value.alias?.text ??
      (v.lit.kind === 'STRING' && /^[A-Za-z_][A-Za-z0-9_]*$/.test(v.lit.value) ? v.lit.value : undefined)
    if (valueName === undefined)
      throw compiler.unsupported(value.expr.pos, 'A PIVOT value without alias that is no identifier')
    const condition = `(${by.sql} IS NOT DISTINCT FROM ${compiler.coerce(v, by.type, 'PIVOT').sql})`
    for (const aggregate of item.aggregates) {
      if (item.aggregates.length > 1 && aggregate.alias === undefined)
        throw compiler.invalid(aggregate.call.pos, 'PIVOT with several aggregates needs their aliases')
      list.push({
        name: aggregate.alias === undefined ? valueName : `${aggregate.alias.text}_${valueName}`,
        ...pivotAggregate(compiler, aggregate.call, condition, inner),
      })
    }
  }
  const outputs = nameOutputs(list)
  const sqlAlias = compiler.fresh()
  const grouping = groups.length > 0 ? ` GROUP BY ${groups.map((column) => column.sql).join(', ')}` : ''
  const body = `SELECT ${list.map((column, at) => `${column.sql} AS ${ident(outputs[at]?.sql ?? '')}`).join(', ')} FROM ${sql}${grouping}`
  scope.items.push(outputItem(outputs, sqlAlias, item.alias?.text))
  return `(${body}) AS ${sqlAlias}`
}
/**
 * The aggregate over the rows of one pivot value: its argument is NULL elsewhere, which every allowed aggregate
 * leaves out.
 */
const pivotAggregate = (
  compiler: Compiler,
  ast: Expr,
  condition: string,
  scope: Scope,
): { type: Type; sql: string } => {
  if (
    ast.k !== 'call' ||
    !['SUM', 'COUNT', 'MIN', 'MAX', 'AVG', 'COUNTIF'].includes(ast.name) ||
    ast.distinct ||
    ast.over !== undefined
  )
    throw compiler.unsupported(ast.pos, 'This aggregate in PIVOT')
  const aggregate = aggregates.get(ast.name)
  if (aggregate === undefined) throw compiler.unsupported(ast.pos, 'This aggregate in PIVOT')
  if (ast.star) return { type: INT64, sql: `count(CASE WHEN ${condition} THEN 1 END)` }
  const args = ast.args
    .map((arg) => compiler.expression(arg, scope))
    .map((arg) => ({ ...arg, lit: undefined, sql: `(CASE WHEN ${condition} THEN ${arg.sql} END)` }))
  const { type, sql } = aggregate.gen(compiler, ast, args, scope)
  return { type, sql: sql('') }
}
export const unpivotClause = (compiler: Compiler, item: FromItem & { k: 'unpivot' }, scope: Scope): string => {
  const { sql, inner, columns } = pivotSource(compiler, item.input, scope)
  const inputs = item.columns.map(({ column, label }) => {
    const e = resolvePath(compiler, [column], inner)
    if (e === undefined) throw compiler.invalid(column.pos, `Unrecognized name: ${column.text}`)
    const labelE =
      label === undefined
        ? compileLiteral(compiler, 'STRING', column.text, column.pos)
        : compiler.expression(label, inner)
    if (labelE.lit === undefined) throw compiler.unsupported(column.pos, 'An UNPIVOT label that is no literal')
    return { e, label: labelE, name: column.text.toLowerCase() }
  })
  const type = inputs[0]?.e.type ?? INT64
  if (inputs.some(({ e }) => !sameType(e.type, type)))
    throw compiler.invalid(item.pos, 'UNPIVOT columns must have the same type')
  const labels = compiler.unify(
    inputs.map(({ label }) => label),
    'UNPIVOT',
    item.pos,
  )
  const rest = columns.filter((column) => !inputs.some(({ name }) => sameName(column.name, name)))
  const rows = compiler.fresh()
  const outputs = nameOutputs([...rest, { name: item.value.text, type }, { name: item.name.text, type: labels.type }])
  const sqls = [...rest.map((column) => column.sql), `${rows}._v`, `${rows}._n`]
  const values = inputs.map(({ e }, at) => `(${e.sql}, ${labels.es[at]?.sql ?? ''})`).join(', ')
  const body = `SELECT ${sqls.map((column, at) => `${column} AS ${ident(outputs[at]?.sql ?? '')}`).join(', ')} FROM ${sql} CROSS JOIN LATERAL (VALUES ${values}) AS ${rows}(_v, _n)${item.nulls ? '' : ` WHERE ${rows}._v IS NOT NULL`}`
  const sqlAlias = compiler.fresh()
  scope.items.push(outputItem(outputs, sqlAlias, item.alias?.text))
  return `(${body}) AS ${sqlAlias}`
}
