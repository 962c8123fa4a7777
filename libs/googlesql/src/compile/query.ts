/** Whole queries: WITH, set operations, ORDER BY and LIMIT. */
import { type Compiled, type Compiler, type Cte, type Output, type Scope, emptyScope } from './compiler.ts'
import { compileSelect } from './select.ts'
import { outputItem } from './tables.ts'
import { orderSql } from './windows.ts'
import type { Expr, OrderKey, Query } from '../parser.ts'
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
    return { sql: `SELECT * FROM (${inner.sql}) AS ${compiler.fresh()}`, columns: inner.columns }
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
  const scope: Scope = { ...emptyScope(ctes), items: [outputItem(inner.columns, sqlAlias, undefined)], parent }
  const keys = order.map((key) => {
    if (key.expr.k === 'lit' && key.expr.type === 'INT64') {
      const column = inner.columns[Number(key.expr.text) - 1]
      if (column === undefined)
        throw compiler.invalid(key.pos, `ORDER BY position ${key.expr.text} is not in the SELECT list`)
      return orderSql(compiler.build(key.pos, column.type, `${sqlAlias}.${ident(column.sql)}`), key, false)
    }
    return compiler.orderKey(key, scope).sql
  })
  return { sql: `SELECT * FROM (${inner.sql}) AS ${sqlAlias} ORDER BY ${keys.join(', ')}`, columns: inner.columns }
}
const setOperation = (compiler: Compiler, op: string, parts: readonly Compiled[], pos: number): Compiled => {
  const [first] = parts
  if (first === undefined) throw compiler.invalid(pos, 'A set operation needs queries')
  if (parts.some((part) => part.columns.length !== first.columns.length))
    throw compiler.invalid(pos, `Queries in ${op} have mismatched column count`)
  const types = first.columns.map(
    (_, at) =>
      compiler.unify(
        parts.map((part) => compiler.build(pos, part.columns[at]?.type ?? INT64, '_')),
        op,
        pos,
      ).type,
  )
  types.forEach((type) => {
    if (op !== 'UNION ALL' && (type.k === 'STRUCT' || type.k === 'ARRAY' || type.k === 'JSON'))
      throw compiler.unsupported(pos, `${op} of ${typeName(type)}`)
  })
  const columns = first.columns.map((column, at): Output => ({ ...column, type: types[at] ?? column.type }))
  const sqls = parts.map((part) => {
    if (part.columns.every((column, at) => sameType(column.type, types[at] ?? column.type))) return part.sql
    const sqlAlias = compiler.fresh()
    return `SELECT ${part.columns.map((column, at) => `${compiler.coerce(compiler.build(pos, column.type, `${sqlAlias}.${ident(column.sql)}`), types[at] ?? column.type, op).sql} AS ${ident(columns[at]?.sql ?? '')}`).join(', ')} FROM (${part.sql}) AS ${sqlAlias}`
  })
  return {
    sql: sqls.map((sql) => `(${sql})`).join(` ${op === 'UNION ALL' ? op : op.replace(' DISTINCT', '')} `),
    columns,
  }
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
    if (
      q.recursive &&
      inner.body.k === 'setop' &&
      inner.order.length === 0 &&
      inner.limit === undefined &&
      mentions(inner, name.text)
    ) {
      const { op, items, pos } = inner.body
      const [base, ...steps] = items
      if (
        base === undefined ||
        steps.length !== 1 ||
        inner.ctes.length > 0 ||
        (op !== 'UNION ALL' && op !== 'UNION DISTINCT')
      )
        throw compiler.unsupported(pos, 'This form of a recursive query')
      const first = compileBody(compiler, base, [], undefined, ctes)
      const self: Cte = { name: name.text, sql: sqlName, columns: first.columns }
      const step = compileBody(compiler, steps[0] ?? base, [], undefined, [...ctes, self])
      const whole = setOperation(compiler, op, [first, step], pos)
      if (!whole.columns.every((column, at) => sameType(column.type, first.columns[at]?.type ?? column.type)))
        throw compiler.unsupported(pos, 'A recursive query whose types change')
      withs.push(`${sqlName}(${first.columns.map((column) => ident(column.sql)).join(', ')}) AS (${whole.sql})`)
      ctes.push(self)
      continue
    }
    const compiled = compiler.query(inner, undefined, ctes)
    withs.push(`${sqlName} AS (${compiled.sql})`)
    ctes.push({ name: name.text, sql: sqlName, columns: compiled.columns })
  }
  const inner = compileBody(compiler, q.body, q.order, parent, ctes)
  const limits = limitClause(compiler, q)
  const limited =
    limits === ''
      ? inner.sql
      : q.order.length > 0 || q.body.k === 'select'
        ? `${inner.sql}${limits}`
        : `SELECT * FROM (${inner.sql}) AS ${compiler.fresh()}${limits}`
  return {
    sql: withs.length === 0 ? limited : `WITH ${q.recursive ? 'RECURSIVE ' : ''}${withs.join(', ')} ${limited}`,
    columns: inner.columns,
  }
}
/** Whether the query reads a table of this one-part name: only then it is recursive. */
const mentions = (q: Query, name: string): boolean =>
  JSON.stringify(q, (key, value: unknown) => (key === 'type' ? undefined : value))
    .toLowerCase()
    .includes(`"path":[{"text":${JSON.stringify(name.toLowerCase())}`)
