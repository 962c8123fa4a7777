/** One SELECT: list, filters and order. */
import { buildStruct } from './build.ts'
import {
  emptyScope,
  nameOutputs,
  type Compiled,
  type Compiler,
  type Cte,
  type Expression,
  type Output,
  type Scope,
} from './compiler.ts'
import { groupByClause, hasTotals, refuseAggregates } from './grouping.ts'
import { selectList, type ListItem } from './select-list.ts'
import { hasVolatile } from './volatile.ts'
import { orderSql } from './windows.ts'
import type { OrderKey, Select } from '../ast.ts'
import { ident, INT64, typeName, type Type } from '../types.ts'

export const compileSelect = (
  compiler: Compiler,
  body: Select,
  order: readonly OrderKey[],
  parent: Scope | undefined,
  ctes: readonly Cte[],
): Compiled => {
  const scope: Scope = { ...emptyScope(ctes), parent }
  scope.windows = new Map(body.windows.map(({ name, spec }) => [name.text.toLowerCase(), spec]))
  const from = body.from === undefined ? '' : ` FROM ${compiler.from(body.from, scope)}`
  const where = whereClause(compiler, body, scope)
  const list = outputList(compiler, body, order, scope)
  if (body.from === undefined) refuseWithoutFrom(compiler, body, order, list)
  const outputs = nameOutputs(
    list.map(({ name, e }) => ({
      name: body.as === 'VALUE' ? undefined : name,
      type: e.type.k === 'NULL' ? INT64 : e.type,
    })),
  )
  const finish = (items: readonly ListItem[]): string =>
    assemble(compiler, body, { from, where, list: items, outputs, order, scope })
  return {
    sql: finish(list.map((item) => ({ ...item, e: typed(compiler, item.e) }))),
    columns: outputs.map((output, at) => ({ ...output, ...literalOf(list[at]?.e) })),
    value: body.as !== undefined,
    as: (types) => finish(list.map((item, at) => ({ ...item, e: typed(compiler, item.e, types[at]) }))),
  }
}

/** A SELECT without FROM has one row, and nothing that is about rows. */
const refuseWithoutFrom = (
  compiler: Compiler,
  body: Select,
  order: readonly OrderKey[],
  list: readonly ListItem[],
): void => {
  const refuse = (pos: number, what: string): never => {
    throw compiler.invalid(pos, `Query without FROM clause cannot ${what}`)
  }
  if (body.where !== undefined) refuse(body.where.pos, 'have a WHERE clause')
  if (body.distinct) refuse(body.pos, 'use SELECT DISTINCT')
  if (body.groups !== undefined) refuse(body.pos, 'have a GROUP BY clause')
  if (body.having !== undefined) refuse(body.having.pos, 'have a HAVING clause')
  if (order[0] !== undefined) refuse(order[0].pos, 'have an ORDER BY clause')
  for (const { e } of list) {
    if (e.agg === true) refuse(e.pos, 'use aggregation')
    if (e.win === true) refuse(e.pos, 'use analytic functions')
  }
}

/** NULL takes a type; what is a literal may take another one than its own. */
const typed = (compiler: Compiler, e: Expression, type: Type = e.type): Expression => {
  if (literalOf(e).literal === undefined && e.type.k !== 'NULL') return e
  const taken = compiler.tryCoerce(e, type.k === 'NULL' ? INT64 : type) ?? e
  return { ...taken, agg: e.agg, win: e.win, sub: e.sub }
}
const literalOf = (e: Expression | undefined): { literal?: Expression } =>
  e !== undefined && (e.lit !== undefined || e.param === true || e.items !== undefined) ? { literal: e } : {}

interface Parts {
  from: string
  where: string
  list: readonly ListItem[]
  outputs: readonly Output[]
  order: readonly OrderKey[]
  scope: Scope
}
const assemble = (compiler: Compiler, body: Select, { from, where, list, outputs, order, scope }: Parts): string => {
  const aliases = aliasesOf(list)
  const items = list.map(({ e }, at) => `${e.sql} AS ${ident(outputs[at]?.sql ?? '')}`).join(', ')
  const withAliases: Scope = { ...scope, aliases, aliasFirst: false }
  const groups = groupByClause(compiler, body, list, withAliases)
  if (body.distinct) for (const { e } of list) refuseUngroupable(compiler, e, 'SELECT DISTINCT of')
  const having = havingClause(compiler, body, list, withAliases, groups !== '')
  const qualify = qualifyClause(compiler, body, list, withAliases)
  const rows = (more = ''): string =>
    `SELECT ${body.distinct ? 'DISTINCT ' : ''}${items}${more}${from}${where}${groups}${having}${qualify}`
  if (order.length === 0) return rows()
  const keys = orderKeys(compiler, order, list, { ...scope, aliases, aliasFirst: true })
  if (body.distinct) return orderedDistinct(compiler, rows(), keys, outputs)
  // A number goes by its negative, which has no position in the list.
  const repeats = keys.some(({ at, e }) => at !== undefined && e.type.k === 'FLOAT64' && hasVolatile(e.sql))
  return repeats ? orderedOutside(compiler, rows, keys, outputs) : ordered(rows(), keys)
}

const whereClause = (compiler: Compiler, body: Select, scope: Scope): string => {
  if (body.where === undefined) return ''
  return ` WHERE ${refuseAggregates(compiler, compiler.bool(body.where, scope, 'WHERE'), 'WHERE').sql}`
}

/** AS STRUCT makes one value of the list. */
const outputList = (compiler: Compiler, body: Select, order: readonly OrderKey[], scope: Scope): ListItem[] => {
  const list = selectList(compiler, body.items, scope)
  if (body.as === 'VALUE' && list.length !== 1) throw compiler.invalid(body.pos, 'SELECT AS VALUE needs one column')
  if (body.as !== 'STRUCT') return list
  if (order.length > 0 && body.distinct) throw compiler.unsupported(body.pos, 'SELECT DISTINCT AS STRUCT with ORDER BY')
  const values = list.map(({ e }) => typed(compiler, e))
  const fields = list.map(({ name }, at) => ({ name, type: values[at]?.type ?? INT64 }))
  const value = buildStruct(compiler, fields, values, body.pos)
  return [{ e: value }]
}

const aliasesOf = (list: readonly ListItem[]): Map<string, Expression | 'ambiguous'> => {
  const aliases = new Map<string, Expression | 'ambiguous'>()
  for (const { name, e } of list) {
    if (name === undefined) continue
    const key = name.toLowerCase()
    const other = aliases.get(key)
    aliases.set(key, other === undefined || (other !== 'ambiguous' && other.sql === e.sql) ? e : 'ambiguous')
  }
  return aliases
}

const havingClause = (
  compiler: Compiler,
  body: Select,
  list: readonly ListItem[],
  scope: Scope,
  grouped: boolean,
): string => {
  const some = hasTotals(body) ? 'count(*) > 0' : undefined
  if (body.having === undefined) return some === undefined ? '' : ` HAVING ${some}`
  const e = compiler.bool(body.having, scope, 'HAVING')
  if (e.win === true) throw compiler.invalid(e.pos, 'Window function not allowed in HAVING')
  if (!grouped && !list.some((item) => item.e.agg === true))
    throw compiler.invalid(body.having.pos, 'HAVING needs GROUP BY or an aggregate in the SELECT list')
  return ` HAVING ${some === undefined ? '' : `${some} AND `}${e.sql}`
}
const qualifyClause = (compiler: Compiler, body: Select, list: readonly ListItem[], scope: Scope): string => {
  if (body.qualify === undefined) return ''
  const e = compiler.bool(body.qualify, scope, 'QUALIFY')
  if (e.win !== true && !list.some((item) => item.e.win === true))
    throw compiler.invalid(body.qualify.pos, 'QUALIFY needs a window function')
  return ` QUALIFY ${e.sql}`
}

/** A key of ORDER BY, and where it stands in the list. */
interface SortKey {
  key: OrderKey
  at?: number
  e: Expression
}
const orderKeys = (
  compiler: Compiler,
  order: readonly OrderKey[],
  list: readonly ListItem[],
  scope: Scope,
): SortKey[] => {
  const find = (key: OrderKey): SortKey => {
    if (key.expr.k === 'lit' && key.expr.type === 'INT64') {
      const at = Number(key.expr.text) - 1
      const e = list[at]?.e
      if (e === undefined)
        throw compiler.invalid(key.pos, `ORDER BY position ${key.expr.text} is not in the SELECT list`)
      return { key, at, e }
    }
    if (key.expr.k === 'lit' || key.expr.k === 'typed' || key.expr.k === 'param')
      throw compiler.invalid(key.pos, 'Cannot ORDER BY a constant')
    const e = compiler.expression(key.expr, scope)
    const at = list.findIndex((item) => item.e.sql === e.sql)
    return at < 0 ? { key, e } : { key, at, e }
  }
  const keys = order.map(find)
  for (const { e, key } of keys)
    if (e.type.k === 'STRUCT' || e.type.k === 'ARRAY' || e.type.k === 'JSON')
      throw compiler.invalid(key.pos, `ORDER BY is not defined for ${typeName(e.type)}`)
  return keys
}
const ordered = (sql: string, keys: readonly SortKey[]): string => {
  const sorted = keys.map(({ key, at, e }) =>
    orderSql(
      at !== undefined && e.type.k !== 'FLOAT64' ? { ...e, sql: String(at + 1), parts: undefined } : e,
      key,
      false,
    ),
  )
  return `${sql} ORDER BY ${sorted.join(', ')}`
}
/** The rows with those keys that they do not have themselves, and the order around them. */
const orderedOutside = (
  compiler: Compiler,
  rows: (more: string) => string,
  keys: readonly SortKey[],
  outputs: readonly Output[],
): string => {
  const alias = compiler.fresh()
  const named = keys.map(({ key, at, e }) => ({ key, e, at, name: outputs[at ?? -1]?.sql ?? compiler.fresh() }))
  const more = named.flatMap(({ at, e, name }) => (at === undefined ? [`, ${e.sql} AS ${ident(name)}`] : []))
  const columns = outputs.map(({ sql }) => `${alias}.${ident(sql)}`).join(', ')
  const sorted = named.map(({ key, e, name }) => orderSql({ ...e, sql: `${alias}.${ident(name)}` }, key, false))
  return `SELECT ${columns} FROM (${rows(more.join(''))}) AS ${alias} ORDER BY ${sorted.join(', ')}`
}
const orderedDistinct = (
  compiler: Compiler,
  sql: string,
  keys: readonly SortKey[],
  outputs: readonly Output[],
): string => {
  const alias = compiler.fresh()
  const sorted = keys.map(({ key, at, e }) => {
    if (at === undefined) throw compiler.invalid(key.pos, 'ORDER BY of SELECT DISTINCT must be in the SELECT list')
    return orderSql({ ...e, sql: `${alias}.${ident(outputs[at]?.sql ?? '')}` }, key, false)
  })
  return `SELECT * FROM (${sql}) AS ${alias} ORDER BY ${sorted.join(', ')}`
}
const refuseUngroupable = (compiler: Compiler, e: Expression, what: string): void => {
  if (e.type.k === 'STRUCT' || e.type.k === 'ARRAY' || e.type.k === 'JSON')
    throw compiler.unsupported(e.pos, `${what} ${typeName(e.type)}`)
}
