/** Whole queries: WITH, set operations, ORDER BY and LIMIT. */
import { type Compiled, type Compiler, type Cte, type Output, type Scope, emptyScope, sameName } from './compiler.ts'
import { containsAggregate } from './array-query.ts'
import { compileSelect } from './select.ts'
import { rowsItem } from './tables.ts'
import { orderSql } from './windows.ts'
import type { Body, Expr, FromItem, OrderKey, Query, Select, SetOp } from '../ast.ts'
import { INT64, ident, sameType, typeName } from '../types.ts'

const limitClause = (compiler: Compiler, q: Query): string => {
  const bound = (ast: Expr): string => {
    const e = compiler.expression(ast, emptyScope())
    if (
      e.type.k !== 'INT64' ||
      (e.lit === undefined && e.param !== true) ||
      (e.lit !== undefined && Number(e.lit.value) < 0)
    )
      throw compiler.invalid(ast.pos, 'LIMIT and OFFSET need a whole number or a parameter')
    return e.sql
  }
  return `${q.limit === undefined ? '' : ` LIMIT ${bound(q.limit)}`}${q.offset === undefined ? '' : ` OFFSET ${bound(q.offset)}`}`
}
const compileBody = (
  compiler: Compiler,
  b: Query['body'],
  order: readonly OrderKey[],
  parent: Scope | undefined,
  ctes: readonly Cte[],
): Compiled => {
  if (b.k === 'select') return compileSelect(compiler, b, order, parent, ctes)
  if (b.k === 'query' && order.length === 0) {
    const inner = compiler.query(b.query, parent, ctes)
    const alias = compiler.fresh()
    const whole = (sql: string): string => `SELECT * FROM (${sql}) AS ${alias}`
    const { as } = inner
    return { ...inner, sql: whole(inner.sql), ...(as === undefined ? {} : { as: (types) => whole(as(types)) }) }
  }
  const inner =
    b.k === 'query'
      ? compiler.query(b.query, parent, ctes)
      : setOperation(
          compiler,
          b.op,
          b.items.map((item) => compileBody(compiler, item, [], parent, ctes)),
          b.pos,
        )
  if (order.length === 0) return inner
  const sqlAlias = compiler.fresh()
  const scope: Scope = { ...emptyScope(ctes), items: [rowsItem(inner, sqlAlias, undefined)], parent }
  const keys = order.map((key) => {
    if (key.expr.k === 'lit' && key.expr.type === 'INT64') {
      const column = inner.columns[Number(key.expr.text) - 1]
      if (column === undefined)
        throw compiler.invalid(key.pos, `ORDER BY position ${key.expr.text} is not in the SELECT list`)
      return orderSql(compiler.build(key.pos, column.type, `${sqlAlias}.${ident(column.sql)}`), key, false)
    }
    return compiler.orderKey(key, scope).sql
  })
  const sql = `SELECT * FROM (${inner.sql}) AS ${sqlAlias} ORDER BY ${keys.join(', ')}`
  return { sql, columns: inner.columns, value: inner.value }
}
const setOperation = (compiler: Compiler, op: string, parts: readonly Compiled[], pos: number): Compiled => {
  const [first] = parts
  if (first === undefined) throw compiler.invalid(pos, 'A set operation needs queries')
  if (parts.some((part) => part.columns.length !== first.columns.length))
    throw compiler.invalid(pos, `Queries in ${op} have mismatched column count`)
  const types = first.columns.map((_, at) => {
    const values = parts.map((part) => {
      const column = part.columns[at]
      return column?.literal ?? compiler.build(pos, column?.type ?? INT64, '_')
    })
    const { type } = compiler.unify(values, op, pos)
    return type.k === 'NULL' ? INT64 : type
  })
  types.forEach((type) => {
    if (op !== 'UNION ALL' && (type.k === 'STRUCT' || type.k === 'ARRAY' || type.k === 'JSON'))
      throw compiler.unsupported(pos, `${op} of ${typeName(type)}`)
  })
  const columns = first.columns.map(({ name, sql }, at): Output => ({ name, sql, type: types[at] ?? INT64 }))
  const sqls = parts.map((part) => `(${withTypes(compiler, part, columns, op, pos)})`)
  return {
    sql: sqls.join(` ${op === 'UNION ALL' ? op : op.replace(' DISTINCT', '')} `),
    columns,
    value: parts.every((part) => part.value === true),
  }
}
/** One side with the types of all: its literals take them in place, its columns are cast outside. */
const withTypes = (compiler: Compiler, part: Compiled, columns: readonly Output[], op: string, pos: number): string => {
  const same = (column: Output, at: number): boolean => sameType(column.type, columns[at]?.type ?? column.type)
  if (part.columns.every(same)) return part.sql
  const taken = part.columns.map(
    (column, at) => (part.as !== undefined && column.literal !== undefined) || same(column, at),
  )
  const sql = part.as === undefined ? part.sql : part.as(columns.map((column) => column.type))
  if (taken.every(Boolean)) return sql
  const alias = compiler.fresh()
  const items = part.columns.map((column, at) => {
    const to = columns[at] ?? column
    const value = compiler.build(pos, taken[at] === true ? to.type : column.type, `${alias}.${ident(column.sql)}`)
    return `${compiler.coerce(value, to.type, op).sql} AS ${ident(to.sql)}`
  })
  return `SELECT ${items.join(', ')} FROM (${sql}) AS ${alias}`
}
export const compileQuery = (
  compiler: Compiler,
  q: Query,
  parent: Scope | undefined,
  outer: readonly Cte[] = parent?.ctes ?? [],
): Compiled => {
  const ctes: Cte[] = [...outer]
  const withs: string[] = []
  for (const { name, query: inner } of q.ctes) {
    const sqlName = `_c${compiler.count()}`
    const recursive = q.recursive ? recursiveParts(compiler, inner, name.text) : undefined
    if (recursive === undefined) {
      const compiled = compiler.query(inner, undefined, ctes)
      withs.push(`${sqlName} AS (${compiled.sql})`)
      ctes.push({ name: name.text, sql: sqlName, columns: compiled.columns, value: compiled.value })
      continue
    }
    const { op, base, step, pos } = recursive
    const first = compileBody(compiler, base, [], undefined, ctes)
    const self: Cte = { name: name.text, sql: sqlName, columns: first.columns }
    const whole = setOperation(compiler, op, [first, compileBody(compiler, step, [], undefined, [...ctes, self])], pos)
    if (!whole.columns.every((column, at) => sameType(column.type, first.columns[at]?.type ?? column.type)))
      throw compiler.unsupported(pos, 'A recursive query whose types change')
    withs.push(`${sqlName}(${first.columns.map((column) => ident(column.sql)).join(', ')}) AS (${whole.sql})`)
    ctes.push(self)
  }
  const inner = compileBody(compiler, q.body, q.order, parent, ctes)
  const limits = limitClause(compiler, q)
  const takesLimit = limits === '' || q.order.length > 0 || q.body.k === 'select'
  const limited = `${takesLimit ? inner.sql : `SELECT * FROM (${inner.sql}) AS ${compiler.fresh()}`}${limits}`
  if (withs.length === 0 && limits === '' && q.order.length === 0) return inner
  return {
    sql: withs.length === 0 ? limited : `WITH ${q.recursive ? 'RECURSIVE ' : ''}${withs.join(', ')} ${limited}`,
    columns: inner.columns.map(({ name, sql, type }) => ({ name, sql, type })),
    value: inner.value,
  }
}
/** The two terms of a recursive query; undefined when it does not read itself. */
const recursiveParts = (
  compiler: Compiler,
  q: Query,
  name: string,
): { op: SetOp['op']; base: Body; step: Body; pos: number } | undefined => {
  const { body } = q
  if (body.k !== 'setop' || q.order.length > 0 || q.limit !== undefined || !mentions(q, name)) return undefined
  const { op, items, pos } = body
  const [base, step, ...more] = items
  if (base === undefined || step === undefined || more.length > 0 || q.ctes.length > 0)
    throw compiler.unsupported(pos, 'This form of a recursive query')
  if (op !== 'UNION ALL' && op !== 'UNION DISTINCT') throw compiler.unsupported(pos, 'This form of a recursive query')
  checkRecursiveTerm(compiler, step, name)
  return { op, base, step, pos }
}
/** What GoogleSQL forbids in the term that reads its own result; DuckDB would run it, some of it without an end. */
const checkRecursiveTerm = (compiler: Compiler, step: Body, name: string): void => {
  const refuse = (pos: number, what: string): never => {
    throw compiler.invalid(pos, `A recursive reference is not allowed with ${what} in the recursive term: ${name}`)
  }
  if (step.k === 'query') {
    if (step.query.limit !== undefined || step.query.offset !== undefined) refuse(step.pos, 'LIMIT')
    if (step.query.order.length > 0) refuse(step.pos, 'ORDER BY')
    checkRecursiveTerm(compiler, step.query.body, name)
    return
  }
  if (step.k === 'setop') throw compiler.unsupported(step.pos, 'This form of a recursive query')
  if (step.distinct) refuse(step.pos, 'DISTINCT')
  if (step.groups !== undefined) refuse(step.pos, 'GROUP BY')
  if (containsAggregate(step.items) || containsAggregate(step.having)) refuse(step.pos, 'an aggregate')
  if (containsWindow(step.items) || step.qualify !== undefined) refuse(step.pos, 'a window function')
  const references = selfReferences(step, name)
  if (references.inSubquery) refuse(step.pos, 'a subquery')
  if (references.count > 1) refuse(step.pos, 'another reference')
  if (references.outer) refuse(step.pos, 'an outer join')
}
const containsWindow = (node: unknown): boolean => {
  if (Array.isArray(node)) return node.some(containsWindow)
  if (node === null || typeof node !== 'object') return false
  const { k, over } = node as { k?: unknown; over?: unknown }
  if (k === 'subquery' || k === 'exists' || k === 'arrayq') return false
  return (k === 'call' && over !== undefined) || Object.values(node).some(containsWindow)
}
interface References {
  count: number
  outer: boolean
  inSubquery: boolean
}
const selfReferences = (step: Select, name: string): References => {
  const found: References = { count: 0, outer: false, inSubquery: false }
  const reads = (node: unknown): boolean =>
    JSON.stringify(node ?? null)
      .toLowerCase()
      .includes(`"path":[{"text":${JSON.stringify(name.toLowerCase())}`)
  const walk = (item: FromItem | undefined, outer: boolean): void => {
    if (item === undefined) return
    if (item.k === 'table' && item.path.length === 1 && sameName(item.path[0]?.text, name)) {
      found.count++
      if (outer) found.outer = true
    } else if (item.k === 'join') {
      walk(item.left, outer || item.kind === 'RIGHT' || item.kind === 'FULL')
      walk(item.right, outer || item.kind === 'LEFT' || item.kind === 'FULL')
    } else if (item.k === 'sub' && reads(item.query)) found.count++
  }
  walk(step.from, false)
  const { from: _from, ...rest } = step
  found.inSubquery = reads(rest)
  return found
}
/** Whether the query reads a table of this one-part name: only then it is recursive. */
const mentions = (q: Query, name: string): boolean =>
  JSON.stringify(q, (key, value: unknown) => (key === 'type' ? undefined : value))
    .toLowerCase()
    .includes(`"path":[{"text":${JSON.stringify(name.toLowerCase())}`)
