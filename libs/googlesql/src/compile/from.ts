/** The FROM clause: tables, subqueries, UNNEST and joins. */
import { type Compiler, type Expression, type Item, type Scope, emptyScope, sameName } from './compiler.ts'
import { informationSchemaItem } from './information-schema.ts'
import { resolvePath } from './names.ts'
import { compareOperands } from './operators.ts'
import { pivotClause, unpivotClause } from './pivot.ts'
import { rowsItem, unnestItem } from './tables.ts'
import type { FromItem } from '../ast.ts'
import { INT64, sameType, typeName } from '../types.ts'

type Unnest = FromItem & { k: 'unnest' }

/** Adds the item's tables to the scope and gives its text. */
export const compileFrom = (compiler: Compiler, item: FromItem, scope: Scope): string => {
  switch (item.k) {
    case 'table': {
      const [first] = item.path
      const alias = item.alias?.text ?? item.path.at(-1)?.text
      if (item.path.length === 1) {
        const cte = scope.ctes.findLast((candidate) => sameName(candidate.name, first?.text ?? ''))
        if (cte !== undefined) {
          const sqlAlias = compiler.fresh()
          scope.items.push(rowsItem(cte, sqlAlias, alias))
          return `${cte.sql} AS ${sqlAlias}`
        }
      }
      const unnested = arrayPath(item, scope)
      if (unnested !== undefined) return compiler.from(unnested, scope)
      const information = informationSchemaItem(compiler, item.path, item.alias?.text)
      if (information !== undefined) {
        scope.items.push(information.item)
        return information.sql
      }
      const { sql, item: table } = compiler.tableItem(compiler.resolveTable(item.path), item.pos, alias)
      scope.items.push(table)
      return sql
    }
    case 'sub': {
      const inner = compiler.query(item.query, scope.parent, scope.ctes)
      const sqlAlias = compiler.fresh()
      scope.items.push(rowsItem(inner, sqlAlias, item.alias?.text))
      return `(${inner.sql}) AS ${sqlAlias}`
    }
    case 'unnest': {
      const { sql, sqlAlias, item: unnested, offset } = unnestClause(compiler, item, scope)
      scope.items.push(unnested)
      if (offset !== undefined) scope.items.push(offset)
      return `${sql} AS ${sqlAlias}`
    }
    case 'join':
      return joinClause(compiler, item, scope)
    case 'pivot':
      return pivotClause(compiler, item, scope)
    case 'unpivot':
      return unpivotClause(compiler, item, scope)
  }
}
/** A path that begins with a table of this FROM or of one around it is an array to be unnested. */
const arrayPath = ({ path, alias, pos }: FromItem & { k: 'table' }, scope: Scope): Unnest | undefined => {
  const [first] = path
  if (first === undefined || path.length === 1) return undefined
  for (let at: Scope | undefined = scope; at !== undefined; at = at.parent)
    if (at.items.some((candidate) => sameName(candidate.alias, first.text)))
      return { k: 'unnest', expr: { k: 'path', parts: path, pos }, alias: alias ?? path.at(-1), pos }
  return undefined
}
const unnestClause = (
  compiler: Compiler,
  item: Unnest,
  scope: Scope,
): { sql: string; sqlAlias: string; item: Item; offset?: Item | undefined } => {
  const array = compiler.expression(item.expr, scope)
  if (array.type.k !== 'ARRAY')
    throw compiler.invalid(item.expr.pos, `UNNEST needs an array but got ${typeName(array.type)}`)
  if (array.agg === true) throw compiler.invalid(item.expr.pos, 'Aggregate function not allowed in UNNEST')
  const sqlAlias = compiler.fresh()
  const raw = array.raw ?? array.sql
  const alias = item.alias?.text
  const position = `${sqlAlias}._o`
  return {
    sql:
      item.offset === undefined
        ? `LATERAL (SELECT unnest(${raw}) AS _v)`
        : `LATERAL (SELECT unnest(${raw}) AS _v, CAST(generate_subscripts(${raw}, 1) - 1 AS BIGINT) AS _o)`,
    sqlAlias,
    item: unnestItem(array.type.of, `${sqlAlias}._v`, alias),
    offset:
      item.offset === undefined
        ? undefined
        : { alias: undefined, columns: [{ name: item.offset.text, sql: position, type: INT64 }], hidden: new Set() },
  }
}
const joinClause = (compiler: Compiler, item: FromItem & { k: 'join' }, scope: Scope): string => {
  const left = compiler.from(item.left, scope)
  const { right } = item
  const leftCount = scope.items.length
  const asUnnest = right.k === 'table' ? arrayPath(right, scope) : right
  if (asUnnest?.k === 'unnest') {
    if (item.using !== undefined) throw compiler.unsupported(item.pos, 'USING with UNNEST')
    if (item.kind === 'RIGHT' || item.kind === 'FULL')
      throw compiler.unsupported(item.pos, `${item.kind} JOIN with UNNEST`)
    const unnested = unnestClause(compiler, asUnnest, scope)
    scope.items.push(unnested.item)
    if (unnested.offset !== undefined) scope.items.push(unnested.offset)
    const condition = item.on === undefined ? undefined : compiler.bool(item.on, scope, 'ON')
    if (condition?.agg === true || condition?.win === true)
      throw compiler.invalid(item.pos, 'ON cannot contain an aggregate or a window function')
    if (item.kind === 'LEFT') {
      // The condition goes inside, where it may refer to both sides.
      const inside =
        condition === undefined
          ? unnested.sql
          : `LATERAL (SELECT * FROM (${unnested.sql.slice('LATERAL ('.length, -1)}) AS ${unnested.sqlAlias} WHERE ${condition.sql})`
      return `${left} LEFT JOIN ${inside} AS ${unnested.sqlAlias} ON TRUE`
    }
    return condition === undefined
      ? `${left} CROSS JOIN ${unnested.sql} AS ${unnested.sqlAlias}`
      : `${left} JOIN ${unnested.sql} AS ${unnested.sqlAlias} ON ${condition.sql}`
  }
  if (item.kind !== 'CROSS' && item.kind !== 'COMMA' && item.on === undefined && item.using === undefined)
    throw compiler.invalid(item.pos, 'JOIN needs ON or USING')
  const rightScope: Scope = { ...emptyScope(scope.ctes), parent: scope.parent }
  const rightSql = compiler.from(right, rightScope)
  const wrapped = right.k === 'join' ? `(${rightSql})` : rightSql
  const leftMerged = [...scope.merged]
  const leftItems = scope.items.slice(0, leftCount)
  for (const added of rightScope.items)
    if (added.alias !== undefined && scope.items.some((other) => sameName(other.alias, added.alias ?? '')))
      throw compiler.invalid(item.pos, `Duplicate table alias ${added.alias} in the same FROM clause`)
  if (item.using === undefined) {
    scope.items.push(...rightScope.items)
    scope.merged.push(...rightScope.merged)
    if (item.on === undefined) return `${left} CROSS JOIN ${wrapped}`
    const on = compiler.bool(item.on, scope, 'ON')
    if (on.agg === true || on.win === true)
      throw compiler.invalid(item.pos, 'ON cannot contain an aggregate or a window function')
    return `${left} ${item.kind} JOIN ${wrapped} ON ${on.sql}`
  }
  const leftScope: Scope = { ...emptyScope(scope.ctes), items: leftItems, merged: leftMerged }
  const conditions: string[] = []
  for (const name of item.using) {
    const l = resolvePath(compiler, [name], leftScope)
    const r = resolvePath(compiler, [name], rightScope)
    if (l === undefined || r === undefined)
      throw compiler.invalid(name.pos, `Column ${name.text} in USING is not on both sides`)
    conditions.push(compareOperands(compiler, '=', l, r, name.pos).sql)
    if (!sameType(l.type, r.type)) throw compiler.unsupported(name.pos, 'USING with different types')
    const sql = usingColumn(item.kind, l, r)
    scope.merged = [
      ...scope.merged.filter((column) => !sameName(column.name, name.text)),
      { name: name.text, sql, type: l.type },
    ]
    for (const side of [...leftItems, ...rightScope.items]) side.hidden.add(name.text.toLowerCase())
  }
  scope.items.push(...rightScope.items)
  return `${left} ${item.kind} JOIN ${wrapped} ON ${conditions.join(' AND ')}`
}
/** The one column that USING makes of the two: of the side whose rows are all there. */
const usingColumn = (kind: (FromItem & { k: 'join' })['kind'], left: Expression, right: Expression): string => {
  if (kind === 'FULL') return `coalesce(${left.sql}, ${right.sql})`
  return kind === 'RIGHT' ? right.sql : left.sql
}
