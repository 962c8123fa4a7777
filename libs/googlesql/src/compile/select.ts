/** One SELECT: list, grouping, filters and order. */
import { buildStruct } from './build.ts'
import {
  type Compiler,
  type Cte,
  type Expression,
  type Output,
  type Scope,
  emptyScope,
  nameOutputs,
} from './compiler.ts'
import { selectList } from './select-list.ts'
import { orderSql } from './windows.ts'
import type { Expr, Grouping, OrderKey, Select } from '../parser.ts'
import { INT64, ident, typeName } from '../types.ts'

export const compileSelect = (
  compiler: Compiler,
  body: Select,
  order: readonly OrderKey[],
  parent: Scope | undefined,
  ctes: readonly Cte[],
): { sql: string; columns: Output[] } => {
  const scope: Scope = { ...emptyScope(ctes), parent }
  scope.windows = new Map(body.windows.map(({ name, spec }) => [name.text.toLowerCase(), spec]))
  const fromSql = body.from === undefined ? '' : ` FROM ${compiler.from(body.from, scope)}`
  const noAggregate = (e: Expression, where: string): Expression => {
    if (e.agg === true) throw compiler.invalid(e.pos, `Aggregate function not allowed in ${where}`)
    if (e.win === true) throw compiler.invalid(e.pos, `Window function not allowed in ${where}`)
    return e
  }
  const where =
    body.where === undefined ? '' : ` WHERE ${noAggregate(compiler.bool(body.where, scope, 'WHERE'), 'WHERE').sql}`
  let list: { name?: string; e: Expression; explicit?: boolean }[] = selectList(compiler, body.items, scope).map(
    (item) =>
      item.e.type.k === 'NULL'
        ? { ...item, e: { ...compiler.coerce(item.e, INT64, 'SELECT'), agg: item.e.agg, win: item.e.win } }
        : item,
  )
  if (body.as === 'STRUCT') {
    if (order.length > 0 && body.distinct)
      throw compiler.unsupported(body.pos, 'SELECT DISTINCT AS STRUCT with ORDER BY')
    const parts = list
    list = [
      {
        e: {
          ...buildStruct(
            compiler,
            parts.map(({ name, e }) => ({ name, type: e.type })),
            parts.map(({ e }) => e),
            body.pos,
          ),
          items: undefined,
        },
      },
    ]
  }
  if (body.as === 'VALUE' && list.length !== 1) throw compiler.invalid(body.pos, 'SELECT AS VALUE needs one column')
  const aliases = new Map<string, Expression | 'ambiguous'>()
  for (const { name, e } of list) {
    if (name === undefined) continue
    const key = name.toLowerCase()
    const other = aliases.get(key)
    aliases.set(key, other === undefined || (other !== 'ambiguous' && other.sql === e.sql) ? e : 'ambiguous')
  }
  const outputs = nameOutputs(
    list.map(({ name, e }) => ({ name: body.as === 'VALUE' ? undefined : name, type: e.type })),
  )
  const selected = `SELECT ${body.distinct ? 'DISTINCT ' : ''}${list.map(({ e }, at) => `${e.sql} AS ${ident(outputs[at]?.sql ?? '')}`).join(', ')}`
  const withAliases: Scope = { ...scope, aliases, aliasFirst: false }
  const groupable = (e: Expression): Expression => {
    if (e.type.k === 'STRUCT' || e.type.k === 'ARRAY' || e.type.k === 'JSON')
      throw compiler.unsupported(e.pos, `Grouping by ${typeName(e.type)}`)
    return noAggregate(e, 'GROUP BY')
  }
  const groupKey = (ast: Expr, ordinals: boolean): string => {
    if (ast.k === 'lit' && ast.type === 'INT64') {
      const at = Number(ast.text)
      const e = list[at - 1]?.e
      if (e === undefined) throw compiler.invalid(ast.pos, `GROUP BY position ${ast.text} is not in the SELECT list`)
      groupable(e)
      return ordinals ? String(at) : e.sql
    }
    if (ast.k === 'lit' || ast.k === 'typed' || ast.k === 'param')
      throw compiler.invalid(ast.pos, 'Cannot GROUP BY a constant')
    const e = groupable(compiler.expression(ast, withAliases))
    const at = list.findIndex((item) => item.e.sql === e.sql)
    return ordinals && at >= 0 ? String(at + 1) : e.sql
  }
  const grouping = (g: Grouping): string => {
    switch (g.k) {
      case 'expr':
        return groupKey(g.expr, false)
      case 'tuple':
        return `(${g.exprs.map((e) => groupKey(e, false)).join(', ')})`
      case 'rollup':
        return `ROLLUP (${g.exprs.map((e) => groupKey(e, false)).join(', ')})`
      case 'cube':
        return `CUBE (${g.exprs.map((e) => groupKey(e, false)).join(', ')})`
      case 'sets':
        return `GROUPING SETS (${g.sets.map((set) => grouping(set)).join(', ')})`
    }
  }
  let groups = ''
  if (body.groups === 'ALL') {
    const keys = list
      .map(({ e }, at) => ({ e, at }))
      .filter(({ e }) => e.agg !== true && e.win !== true && e.lit === undefined)
    keys.forEach(({ e }) => groupable(e))
    if (keys.length > 0) groups = ` GROUP BY ${keys.map(({ at }) => at + 1).join(', ')}`
  } else if (body.groups !== undefined) {
    const simple = body.groups.every((g) => g.k === 'expr')
    groups = ` GROUP BY ${body.groups.map((g) => (g.k === 'expr' ? groupKey(g.expr, simple) : grouping(g))).join(', ')}`
  }
  if (body.distinct)
    list.forEach(({ e }) => {
      if (e.type.k === 'STRUCT' || e.type.k === 'ARRAY' || e.type.k === 'JSON')
        throw compiler.unsupported(e.pos, `SELECT DISTINCT of ${typeName(e.type)}`)
    })
  const having =
    body.having === undefined
      ? ''
      : (() => {
          const e = compiler.bool(body.having, withAliases, 'HAVING')
          if (e.win === true) throw compiler.invalid(e.pos, 'Window function not allowed in HAVING')
          if (groups === '' && e.agg !== true && !list.some((item) => item.e.agg === true))
            throw compiler.invalid(body.having.pos, 'HAVING needs GROUP BY or an aggregate')
          return ` HAVING ${e.sql}`
        })()
  const qualify =
    body.qualify === undefined
      ? ''
      : (() => {
          const e = compiler.bool(body.qualify, withAliases, 'QUALIFY')
          if (e.win !== true && !list.some((item) => item.e.win === true))
            throw compiler.invalid(body.qualify.pos, 'QUALIFY needs a window function')
          return ` QUALIFY ${e.sql}`
        })()
  const core = `${selected}${fromSql}${where}${groups}${having}${qualify}`
  if (order.length === 0) return { sql: core, columns: outputs }
  const ordering: Scope = { ...scope, aliases, aliasFirst: true }
  const find = (key: OrderKey): { at?: number; e: Expression } => {
    if (key.expr.k === 'lit' && key.expr.type === 'INT64') {
      const at = Number(key.expr.text) - 1
      const e = list[at]?.e
      if (e === undefined)
        throw compiler.invalid(key.pos, `ORDER BY position ${key.expr.text} is not in the SELECT list`)
      return { at, e }
    }
    if (key.expr.k === 'lit' || key.expr.k === 'typed' || key.expr.k === 'param')
      throw compiler.invalid(key.pos, 'Cannot ORDER BY a constant')
    const e = compiler.expression(key.expr, ordering)
    const at = list.findIndex((item) => item.e.sql === e.sql)
    return at < 0 ? { e } : { at, e }
  }
  const keys = order.map((key) => ({ key, ...find(key) }))
  for (const { e, key } of keys)
    if (e.type.k === 'STRUCT' || e.type.k === 'ARRAY' || e.type.k === 'JSON')
      throw compiler.invalid(key.pos, `ORDER BY is not defined for ${typeName(e.type)}`)
  if (body.distinct) {
    const sqlAlias = compiler.fresh()
    const sorted = keys.map(({ key, at, e }) => {
      if (at === undefined) throw compiler.invalid(key.pos, 'ORDER BY of SELECT DISTINCT must be in the SELECT list')
      return orderSql({ ...e, sql: `${sqlAlias}.${ident(outputs[at]?.sql ?? '')}` }, key, false)
    })
    return { sql: `SELECT * FROM (${core}) AS ${sqlAlias} ORDER BY ${sorted.join(', ')}`, columns: outputs }
  }
  return {
    sql: `${core} ORDER BY ${keys.map(({ key, at, e }) => orderSql(at !== undefined && e.type.k !== 'FLOAT64' ? { ...e, sql: String(at + 1) } : e, key, false)).join(', ')}`,
    columns: outputs,
  }
}
