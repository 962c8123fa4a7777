/**
 * The compiler of one text: expressions and queries, names resolved against the catalog, types inferred upward, DuckDB
 * text built for what is on the lists.
 */
import type { TableRef } from '@convergence/contracts'
import { build } from './compile/build.ts'
import { castTo } from './compile/cast.ts'
import { coerce, tryCoerce, unify } from './compile/coerce.ts'
import type { Catalog, Compiler, Parameter } from './compile/compiler.ts'
import { compileBool, compileExpression } from './compile/expression.ts'
import { compileFrom } from './compile/from.ts'
import { compileQuery } from './compile/query.ts'
import { resolveTable, tableItem } from './compile/tables.ts'
import { orderKey } from './compile/windows.ts'
import { invalid, unsupported } from './lexer.ts'

/** What a statement and the views that it reads have in common. */
interface Shared {
  referenced: Map<string, TableRef>
  views: Map<string, TableRef>
  counter: { n: number }
  depth: number
}

export const createCompiler = (
  sql: string,
  catalog: Catalog,
  parameters: readonly Parameter[],
  shared: Shared = { referenced: new Map(), views: new Map(), counter: { n: 0 }, depth: 0 },
): Compiler => {
  const compiler: Compiler = {
    sql,
    catalog,
    parameters,
    referenced: shared.referenced,
    views: shared.views,
    used: new Set(),
    depth: shared.depth,
    expression: (ast, scope) => compileExpression(compiler, ast, scope),
    bool: (ast, scope, where) => compileBool(compiler, ast, scope, where),
    query: (query, parent, ctes) => compileQuery(compiler, query, parent, ctes),
    from: (item, scope) => compileFrom(compiler, item, scope),
    ofView: (view_query, project_id) =>
      createCompiler(view_query, viewCatalog(catalog, project_id), [], { ...shared, depth: shared.depth + 1 }),
    coerce: (e, type, what) => coerce(compiler, e, type, what),
    tryCoerce: (e, type) => tryCoerce(compiler, e, type),
    unify: (es, what, pos) => unify(compiler, es, what, pos),
    orderKey: (key, scope, single) => orderKey(compiler, key, scope, single),
    cast: (e, type, safe) => castTo(compiler, e, type, safe),
    resolveTable: (parts) => resolveTable(compiler, parts),
    tableItem: (ref, pos, alias) => tableItem(compiler, ref, pos, alias),
    count: () => ++shared.counter.n,
    fresh: () => `_t${compiler.count()}`,
    invalid: (pos, message) => invalid(sql, pos, message),
    unsupported: (pos, what) => unsupported(sql, pos, what),
    build: (pos, type, text, ...parts) => build(compiler, pos, type, text, ...parts),
  }
  return compiler
}

/** A view's names are those of its project, and it has no default dataset. */
const viewCatalog = (catalog: Catalog, project_id: string): Catalog => ({
  project_id,
  table: (ref) => catalog.table(ref),
  dataset: (ref) => catalog.dataset(ref),
  ...(catalog.datasets === undefined ? {} : { datasets: (id: string) => catalog.datasets?.(id) ?? [] }),
})
