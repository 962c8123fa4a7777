/** Subqueries over one array of the current row, as list functions. */
import {
  type Compiler,
  type Expression,
  type ListScope,
  type Scope,
  dateTypes,
  emptyScope,
  isNumber,
} from './compiler.ts'
import { ofParts, sumsOf, totalOf } from './bignumeric.ts'
import { selectList, structItem } from './select-list.ts'
import { unnestItem } from './tables.ts'
import { aggregates } from '../functions/aggregates.ts'
import type { Call, Query } from '../ast.ts'
import { reservedSchema as MACROS } from '../macros/macro.ts'
import { BOOL, INT64, type Type, arrayOf } from '../types.ts'

/**
 * (SELECT aggregate FROM UNNEST(array) AS x WHERE ...) and its relatives read one array of the current row; as list
 * functions they run
 * several times faster than as correlated subqueries. Undefined when the query is anything more.
 */
export const arrayQuery = (
  compiler: Compiler,
  q: Query,
  scope: Scope,
  kind: 'scalar' | 'exists' | 'array',
): Expression | undefined => {
  const body = q.body
  if (q.ctes.length > 0 || q.order.length > 0 || q.offset !== undefined || body.k !== 'select') return undefined
  if (
    body.distinct ||
    body.groups !== undefined ||
    body.having !== undefined ||
    body.qualify !== undefined ||
    body.windows.length > 0 ||
    body.from === undefined
  )
    return undefined
  const source = body.from
  if (
    source.k !== 'unnest' ||
    source.offset !== undefined ||
    body.as === 'VALUE' ||
    (body.as === 'STRUCT' && kind !== 'array')
  )
    return undefined
  const one = q.limit !== undefined && q.limit.k === 'lit' && q.limit.text === '1'
  if (q.limit !== undefined && !(one && kind === 'scalar')) return undefined
  const array = compiler.expression(source.expr, scope)
  if (
    array.type.k !== 'ARRAY' ||
    array.sub === true ||
    array.agg === true ||
    array.win === true ||
    array.items !== undefined
  )
    return undefined
  const variable = compiler.fresh()
  const inner = unnestItem(array.type.of, variable, source.alias?.text)
  const lambdaScope: Scope = { ...emptyScope(scope.ctes), items: [inner], parent: scope }
  const condition = body.where === undefined ? undefined : compiler.bool(body.where, lambdaScope, 'WHERE')
  const unfit = (e: Expression | undefined): boolean =>
    e !== undefined && (e.sub === true || e.agg === true || e.win === true)
  if (unfit(condition)) return undefined
  const raw = array.raw ?? array.sql
  const list = condition === undefined ? raw : `list_filter(${raw}, lambda ${variable}: ${condition.sql})`
  if (kind === 'exists' && selectList(compiler, body.items, lambdaScope).some(({ e }) => unfit(e))) return undefined
  if (kind === 'exists') return compiler.build(q.pos, BOOL, `(coalesce(len(${list}), 0) > 0)`, array)
  const [item] = body.items
  if (body.items.length !== 1 || item?.k !== 'expr') {
    if (kind !== 'array' || body.as !== 'STRUCT') return undefined
  }
  const mapped = (e: Expression): string =>
    e.sql === variable ? list : `list_transform(${list}, lambda ${variable}: ${e.sql})`
  if (kind === 'array') {
    const single = item?.k === 'expr' ? item.expr : undefined
    const plain = (): Expression | undefined => single && compiler.expression(single, lambdaScope)
    const value = body.as === 'STRUCT' ? structItem(compiler, body, lambdaScope) : plain()
    if (value === undefined || unfit(value) || value.type.k === 'ARRAY' || value.type.k === 'NULL') return undefined
    return compiler.build(q.pos, arrayOf(value.type), `coalesce(${mapped(value)}, [])`, array)
  }
  if (item?.k !== 'expr') return undefined
  const target = item.expr
  if (containsAggregate(target)) {
    if (one) return undefined
    const hidden = `_outside${variable}`
    const listScope: ListScope = {
      element: lambdaScope,
      unfit: false,
      aggregate: (call, element) => listAggregate(compiler, call, element, { list, mapped, unfit }),
    }
    const outside: Scope = {
      ...emptyScope(scope.ctes),
      items: [unnestItem(array.type.of, hidden, source.alias?.text)],
      parent: scope,
      list: listScope,
    }
    let value: Expression
    try {
      value = compiler.expression(target, outside)
    } catch (error) {
      if (listScope.unfit) return undefined
      throw error
    }
    // The element itself beside an aggregate: the general way says what is wrong with it.
    if (listScope.unfit || unfit(value) || value.type.k === 'NULL' || value.sql.includes(hidden)) return undefined
    return compiler.build(q.pos, value.type, value.sql, array)
  }
  const value = compiler.expression(target, lambdaScope)
  if (unfit(value) || value.type.k === 'NULL') return undefined
  return compiler.build(
    q.pos,
    value.type,
    one ? `list_extract(${mapped(value)}, 1)` : `${MACROS}.only_element(${mapped(value)})`,
    array,
  )
}
const listAggregate = (
  compiler: Compiler,
  call: Call,
  element: Scope,
  by: { list: string; mapped(e: Expression): string; unfit(e: Expression | undefined): boolean },
): Expression | undefined => {
  if (!['SUM', 'COUNT', 'MIN', 'MAX'].includes(call.name)) return undefined
  if (
    call.distinct ||
    call.over !== undefined ||
    call.nulls !== undefined ||
    call.having !== undefined ||
    call.order.length > 0 ||
    call.limit !== undefined
  )
    return undefined
  const out = (type: Type, sql: string): Expression => compiler.build(call.pos, type, sql)
  if (call.star) return call.name === 'COUNT' ? out(INT64, `coalesce(len(${by.list}), 0)`) : undefined
  const [only] = call.args
  if (only === undefined || call.args.length !== 1) return undefined
  const value = compiler.expression(only, element)
  if (by.unfit(value) || value.type.k === 'NULL') return undefined
  if (call.name === 'COUNT') return out(INT64, `coalesce(list_count(${by.mapped(value)}), 0)`)
  if (call.name === 'SUM') {
    if (!isNumber(value.type)) return undefined
    if (value.type.k === 'BIGNUMERIC') {
      const one = compiler.fresh()
      const list = by.mapped(value)
      const sums = sumsOf(
        { ...value, sql: one, parts: undefined },
        (part) => `list_sum(list_transform(${list}, lambda ${one}: ${part}))`,
      )
      return { ...out(value.type, ofParts(sums)), parts: sums }
    }
    return out(value.type, totalOf(`list_sum(${by.mapped(value)})`, value.type))
  }
  // NaN is smaller than every number for GoogleSQL, larger for DuckDB.
  if (
    value.type.k === 'FLOAT64' ||
    (!isNumber(value.type) && value.type.k !== 'STRING' && !dateTypes.has(value.type.k))
  )
    return undefined
  return out(value.type, `list_${call.name.toLowerCase()}(${by.mapped(value)})`)
}
/** Whether an expression aggregates, outside of its own subqueries. */
export const containsAggregate = (ast: unknown): boolean => {
  if (Array.isArray(ast)) return ast.some(containsAggregate)
  if (ast === null || typeof ast !== 'object') return false
  const node = ast as { k?: unknown; name?: unknown }
  if (node.k === 'subquery' || node.k === 'exists' || node.k === 'arrayq') return false
  if (node.k === 'call' && typeof node.name === 'string' && aggregates.has(node.name)) return true
  return Object.values(ast).some(containsAggregate)
}
