/** The INSERT that a log commits by, known by its form: its rows need no engine to be taken apart. */
import type { Column } from '@convergence/contracts'
import type { Expr, Query } from '../ast.ts'

/** Each element of a bound ARRAY<STRING> is a JSON object and becomes a row. */
export interface JsonRows {
  parameter: string
  cells: { column: Column; path: readonly string[]; form: 'value' | 'values' | 'json' }[]
}

/**
 * `SELECT CAST(JSON_VALUE(r, '$.a') AS INT64), PARSE_JSON(JSON_QUERY(r, '$.b')), JSON_VALUE_ARRAY(r, '$.c') FROM
 * UNNEST(@rows) AS r` and nothing beside it; undefined for any other query. A log's commits come in this form, by the
 * hundred a second.
 */
export const jsonRows = (query: Query, columns: readonly Column[]): JsonRows | undefined => {
  const { body, ctes, order, limit, offset } = query
  if (body.k !== 'select' || ctes.length > 0 || order.length > 0 || limit !== undefined || offset !== undefined)
    return undefined
  const { from, items } = body
  if (
    body.distinct ||
    body.as !== undefined ||
    body.where !== undefined ||
    body.groups !== undefined ||
    body.having !== undefined ||
    body.qualify !== undefined ||
    body.windows.length > 0
  )
    return undefined
  if (from?.k !== 'unnest' || from.expr.k !== 'param' || from.alias === undefined || from.offset !== undefined)
    return undefined
  const row = from.alias.text.toLowerCase()
  const read = (ast: Expr, name: string): readonly string[] | undefined => {
    if (ast.k !== 'call' || ast.name !== name || ast.args.length !== 2 || ast.distinct || ast.over !== undefined)
      return undefined
    const [of, path] = ast.args
    if (
      of?.k !== 'path' ||
      of.parts.length !== 1 ||
      of.parts[0]?.text.toLowerCase() !== row ||
      path?.k !== 'lit' ||
      path.type !== 'STRING'
    )
      return undefined
    return /^\$(\.[A-Za-z_][A-Za-z0-9_]*)+$/.test(path.text) ? path.text.slice(2).split('.') : undefined
  }
  const cells = items.map((item, k): JsonRows['cells'][number] | undefined => {
    const column = columns[k]
    if (item.k !== 'expr' || column === undefined) return undefined
    const { expr } = item
    if (column.mode === 'REPEATED') {
      const path = column.type === 'STRING' ? read(expr, 'JSON_VALUE_ARRAY') : undefined
      return path === undefined ? undefined : { column, path, form: 'values' }
    }
    if (column.type === 'JSON') {
      const path =
        expr.k === 'call' && expr.name === 'PARSE_JSON' && expr.args.length === 1 && expr.args[0] !== undefined
          ? read(expr.args[0], 'JSON_QUERY')
          : undefined
      return path === undefined ? undefined : { column, path, form: 'json' }
    }
    const inner = column.type === 'STRING' ? expr : castOperand(expr, column.type)
    const path = inner === undefined ? undefined : read(inner, 'JSON_VALUE')
    return path === undefined ? undefined : { column, path, form: 'value' }
  })
  return cells.every((cell) => cell !== undefined) ? { parameter: from.expr.name, cells } : undefined
}
/** What `CAST(x AS type)` casts; undefined for anything else. */
const castOperand = (ast: Expr, type: Column['type']): Expr | undefined =>
  ast.k === 'cast' && !ast.safe && ast.type.k === type ? ast.x : undefined
