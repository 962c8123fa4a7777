/** MERGE. */
import type { Column } from '@convergence/contracts'
import type { Expr, MergeWhen, Name, Statement } from '../ast.ts'
import { emptyScope, sameName, type Compiler, type Scope } from '../compile/compiler.ts'
import { INT64 } from '../types.ts'
import { multipleMatch, type Check, type Plan } from './plan.ts'
import { setSql } from './set.ts'
import { assertOtherName, columnList, missing, plainCondition, target, wrongCount, type Target } from './target.ts'
import { columnNames, emptyArray, stored, value } from './values.ts'

/** What the clauses of one MERGE see. */
interface Sides {
  target: Target
  source: Scope
  both: Scope
}

export const merge = (c: Compiler, ast: Statement & { k: 'merge' }): Plan => {
  const into = target(c, ast.target)
  const sourceScope = emptyScope()
  const source = c.from(ast.source, sourceScope)
  const both: Scope = {
    ...emptyScope(),
    items: [...into.scope.items, ...sourceScope.items],
    merged: sourceScope.merged,
  }
  assertOtherName(c, into, sourceScope, 'USING has the name of the target', ast.pos)
  const on = plainCondition(c, ast.on, both, 'ON')
  const matched: string[] = []
  const clauses = ast.whens.map((when) => {
    const sides = { target: into, source: sourceScope, both }
    const scope = scopeOf(sides, when.match)
    const condition = when.condition === undefined ? undefined : plainCondition(c, when.condition, scope, 'WHEN')
    if (when.match === 'MATCHED') matched.push(condition ?? 'true')
    return `WHEN ${when.match}${condition === undefined ? '' : ` AND ${condition}`} THEN ${action(c, sides, when)}`
  })
  const check: Check = {
    sql:
      `SELECT 1 FROM ${into.sql} JOIN ${source} ON ${on} WHERE ${matched.join(' OR ')} ` +
      `GROUP BY ${into.alias}.rowid HAVING count(*) > 1 LIMIT 1`,
    message: multipleMatch,
  }
  return {
    kind: 'dml',
    statement_type: 'MERGE',
    columns: [],
    target: into.ref,
    checks: matched.length === 0 ? [] : [check],
    statements: [`MERGE INTO ${into.sql} USING ${source} ON (${on}) ${clauses.join(' ')}`],
  }
}

const scopeOf = ({ target, source, both }: Sides, match: MergeWhen['match']): Scope => {
  switch (match) {
    case 'MATCHED':
      return both
    case 'NOT MATCHED BY TARGET':
      return { ...source }
    case 'NOT MATCHED BY SOURCE':
      return target.scope
  }
}

const action = (c: Compiler, sides: Sides, when: MergeWhen): string => {
  const inserting = when.action.k === 'insert' || when.action.k === 'insert-row'
  if (inserting !== (when.match === 'NOT MATCHED BY TARGET'))
    throw c.invalid(when.pos, `WHEN ${when.match} does not go with ${inserting ? 'INSERT' : 'UPDATE or DELETE'}`)
  switch (when.action.k) {
    case 'delete':
      return 'DELETE'
    case 'update':
      return `UPDATE SET ${setSql(c, sides.target, when.action.sets, scopeOf(sides, when.match))}`
    case 'insert':
      return insertValues(c, sides, when.action, when.pos)
    case 'insert-row':
      return insertRow(c, sides, when.pos)
  }
}
const insertValues = (
  c: Compiler,
  sides: Sides,
  { columns, values }: { columns?: Name[] | undefined; values: Expr[] },
  pos: number,
): string => {
  const given = columnList(c, sides.target, columns)
  if (values.length !== given.length) throw wrongCount(c, pos, values.length, given.length)
  const left = missing(sides.target, given)
  const cells = values.map((cell, at) => value(c, cell, { ...sides.source }, given[at] as Column))
  return `INSERT (${columnNames([...given, ...left])}) VALUES (${[...cells, ...left.map(emptyArray)].join(', ')})`
}
const insertRow = (c: Compiler, sides: Sides, pos: number): string => {
  const columns = sides.source.items.flatMap((item) => item.columns)
  const into = sides.target.columns
  if (columns.length !== into.length || !into.every((column, at) => sameName(columns[at]?.name, column.name)))
    throw c.unsupported(pos, 'INSERT ROW from a source whose columns are not those of the target in the same order')
  const cells = into.map((column, at) => {
    const from = columns[at]
    return stored(c, c.build(pos, from?.type ?? INT64, from?.sql ?? ''), column)
  })
  return `INSERT (${columnNames(into)}) VALUES (${cells.join(', ')})`
}
