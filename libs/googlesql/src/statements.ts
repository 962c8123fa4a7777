/** Each statement to its plan: DuckDB text, what must hold before it runs, and what the catalog has to record. */
import type { Statement } from './ast.ts'
import type { Compiler } from './compile/compiler.ts'
import { createTable } from './statements/create-table.ts'
import { requireOwnProject } from './statements/datasets.ts'
import { alterTable, createSchema, createView, drop } from './statements/ddl.ts'
import { insert } from './statements/insert.ts'
import { merge } from './statements/merge.ts'
import type { Plan } from './statements/plan.ts'
import { select } from './statements/query.ts'
import { remove, truncate, update } from './statements/update.ts'

export const plan = (c: Compiler, ast: Statement): Plan => {
  const result = planOf(c, ast)
  if (result.target !== undefined) requireOwnProject(c, result.target, ast.pos)
  return result
}
const planOf = (c: Compiler, ast: Statement): Plan => {
  switch (ast.k) {
    case 'select':
      return select(c, ast)
    case 'insert':
      return insert(c, ast)
    case 'update':
      return update(c, ast)
    case 'merge':
      return merge(c, ast)
    case 'delete':
      return remove(c, ast)
    case 'truncate':
      return truncate(c, ast)
    case 'create-table':
      return createTable(c, ast)
    case 'create-view':
      return createView(c, ast)
    case 'create-schema':
      return createSchema(c, ast)
    case 'drop':
      return drop(c, ast)
    case 'alter-table':
      return alterTable(c, ast)
  }
}
