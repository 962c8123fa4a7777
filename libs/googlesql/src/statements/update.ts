/** UPDATE, DELETE and TRUNCATE TABLE. */
import type { Statement } from '../ast.ts'
import { emptyScope, type Compiler, type Scope } from '../compile/compiler.ts'
import { tableSql } from '../compile/tables.ts'
import { multipleMatch, type Plan } from './plan.ts'
import { setSql } from './set.ts'
import { assertOtherName, plainCondition, target } from './target.ts'

export const update = (c: Compiler, ast: Statement & { k: 'update' }): Plan => {
  const into = target(c, ast.target)
  const base: Omit<Plan, 'statements'> = {
    kind: 'dml',
    statement_type: 'UPDATE',
    columns: [],
    target: into.ref,
    checks: [],
  }
  if (ast.from === undefined) {
    const where = plainCondition(c, ast.where, into.scope, 'WHERE')
    const sets = setSql(c, into, ast.sets, into.scope)
    return { ...base, statements: [`UPDATE ${into.sql} SET ${sets} WHERE ${where}`] }
  }
  const sourceScope = emptyScope()
  const from = c.from(ast.from, sourceScope)
  const scope: Scope = {
    ...emptyScope(),
    items: [...into.scope.items, ...sourceScope.items],
    merged: sourceScope.merged,
  }
  assertOtherName(c, into, sourceScope, 'FROM uses the name of the target', ast.pos)
  const where = plainCondition(c, ast.where, scope, 'WHERE')
  return {
    ...base,
    checks: [
      {
        sql:
          `SELECT 1 FROM ${into.sql}, ${from} WHERE ${where} ` +
          `GROUP BY ${into.alias}.rowid HAVING count(*) > 1 LIMIT 1`,
        message: multipleMatch,
      },
    ],
    statements: [`UPDATE ${into.sql} SET ${setSql(c, into, ast.sets, scope)} FROM ${from} WHERE ${where}`],
  }
}

export const remove = (c: Compiler, ast: Statement & { k: 'delete' }): Plan => {
  const from = target(c, ast.target)
  return {
    kind: 'dml',
    statement_type: 'DELETE',
    columns: [],
    target: from.ref,
    checks: [],
    statements: [`DELETE FROM ${from.sql} WHERE ${plainCondition(c, ast.where, from.scope, 'WHERE')}`],
  }
}

export const truncate = (c: Compiler, ast: Statement & { k: 'truncate' }): Plan => {
  const { ref } = target(c, ast.target)
  return {
    kind: 'dml',
    statement_type: 'TRUNCATE_TABLE',
    columns: [],
    target: ref,
    checks: [],
    statements: [`DELETE FROM ${tableSql(ref)}`],
  }
}
