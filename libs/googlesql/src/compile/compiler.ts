/**
 * What the parts of a compilation share: the catalog, scopes, typed expressions, and the context that leads from one
 * part to another.
 */
import type { AppError, Column, TableRef } from '@convergence/contracts'
import type { Call, Expr, FromItem, Name, OrderKey, Query, WindowSpec } from '../ast.ts'
import type { Parts } from '../bignumeric.ts'
import type { Type } from '../types.ts'

/**
 * What a translation has to know about tables. Names are as in the statement; the catalog decides whether they exist.
 */
export interface CatalogTable {
  kind: 'table' | 'view'
  columns: readonly Column[]
  /** GoogleSQL of a view. */ view_query?: string
}
export interface Catalog {
  project_id: string
  /** Dataset of unqualified names. */
  default_dataset?: string | undefined
  table(ref: TableRef): CatalogTable | undefined
  /**
   * For INFORMATION_SCHEMA and CREATE: undefined when there is no such dataset. Without `tables` INFORMATION_SCHEMA is
   * refused.
   */
  dataset(ref: { project_id: string; dataset: string }):
    | {
        tables?: readonly {
          table: string
          kind: 'table' | 'view'
          columns: readonly Column[]
          view_query?: string | undefined
        }[]
      }
    | undefined
  /** For INFORMATION_SCHEMA.SCHEMATA. */
  datasets?(project_id: string): readonly string[]
}
export interface Parameter {
  name: string
  type: Type
}

/** A compiled expression. */
export interface Expression {
  sql: string
  type: Type
  pos: number
  /** The name that an output column takes from it. */
  name?: string | undefined
  /** A literal's value, for coercion at compile time. */
  lit?: { kind: 'INT64' | 'FLOAT64' | 'STRING' | 'NULL' | 'BOOL'; value: string } | undefined
  /** A query parameter: text becomes a date as a literal does. */
  param?: boolean | undefined
  /** Elements of an array literal, parts of a struct literal: they coerce one by one. */
  items?: Expression[] | undefined
  /** The array as stored, where NULL may stand for an empty one. */
  raw?: string | undefined
  /** Contains an aggregate, a window function, a subquery. */
  agg?: boolean | undefined
  win?: boolean | undefined
  sub?: boolean | undefined
  /** Roughly how many nodes DuckDB makes of it: its macros repeat their arguments. */
  weight?: number | undefined
  /** BIGNUMERIC arithmetic before its parts are put in order: further sums take them as they are. */
  parts?: Parts | undefined
  /** FLOAT64 arithmetic whose overflow shows as infinity or NaN in its own result and is still to be checked. */
  open?: boolean | undefined
}
/** Names of an output: `sql` is the alias in the text, unique; `name` is missing for an unnamed column. */
export interface Output {
  name?: string | undefined
  sql: string
  type: Type
  /** What stands in the list, when it takes the type of its surroundings: a literal, NULL, a parameter, a STRUCT. */
  literal?: Expression | undefined
}
export interface Compiled {
  sql: string
  columns: Output[]
  /** Rows are values of one type: * gives the fields of a STRUCT. */
  value?: boolean | undefined
  /** The same query with its literals in these types. */
  as?(types: readonly Type[]): string
}

export interface ItemColumn {
  name?: string | undefined
  sql: string
  type: Type
  raw?: string | undefined
}
export interface Item {
  alias?: string | undefined
  columns: ItemColumn[]
  /** UNNEST: the element itself. */ value?: ItemColumn
  /** Columns hidden by USING. */ hidden: Set<string>
}
export interface Cte {
  name: string
  sql: string
  columns: Output[]
  value?: boolean | undefined
}
export interface Scope {
  items: Item[]
  /** Columns that USING merged, in order. */
  merged: ItemColumn[]
  parent?: Scope | undefined
  ctes: readonly Cte[]
  /** Select list aliases, where they may be used. */
  aliases?: Map<string, Expression | 'ambiguous'> | undefined
  /**
   * Whether an alias goes before a column of the same name (ORDER BY), or must be the same thing (GROUP BY, HAVING,
   * QUALIFY).
   */
  aliasFirst?: boolean | undefined
  windows?: Map<string, WindowSpec> | undefined
  /** Inside an array subquery: aggregates are list functions over this array. */
  list?: ListScope | undefined
}
export interface ListScope {
  /** What an aggregate's argument sees. */
  element: Scope
  /** The list function of the aggregate, or undefined when there is none. */
  aggregate(ast: Call, element: Scope): Expression | undefined
  /** Set when something could not be a list function. */
  unfit: boolean
}
export const emptyScope = (ctes: readonly Cte[] = []): Scope => ({ items: [], merged: [], ctes })

/** The context of one text: what it reads, and the ways from one part of the compilation to another. */
export interface Compiler {
  sql: string
  catalog: Catalog
  parameters: readonly Parameter[]
  referenced: Map<string, TableRef>
  views: Map<string, TableRef>
  /** Names of the parameters that the text uses. */
  used: Set<string>
  /** How many views lead here. */
  depth: number
  expression(ast: Expr, scope: Scope): Expression
  bool(ast: Expr, scope: Scope, where: string): Expression
  query(query: Query, parent: Scope | undefined, ctes?: readonly Cte[]): Compiled
  from(item: FromItem, scope: Scope): string
  /** A compiler of a view's text, over the same tables and names. */
  ofView(sql: string, project_id: string): Compiler
  coerce(e: Expression, type: Type, what: string): Expression
  /** As coerce, or undefined. */
  tryCoerce(e: Expression, type: Type): Expression | undefined
  unify(es: readonly Expression[], what: string, pos: number): { type: Type; es: Expression[] }
  orderKey(key: OrderKey, scope: Scope, single?: boolean): { sql: string; e: Expression }
  cast(e: Expression, type: Type, safe: boolean): Expression
  resolveTable(parts: readonly Name[]): TableRef
  tableItem(
    ref: TableRef,
    pos: number,
    alias: string | undefined,
  ): { sql: string; item: Item; columns: readonly Column[] }
  /** A number or name that nothing else in the statement has. */
  count(): number
  fresh(): string
  invalid(pos: number, message: string): AppError
  unsupported(pos: number, what: string): AppError
  build(pos: number, type: Type, sql: string, ...parts: readonly (Expression | undefined)[]): Expression
}
export const sameName = (a: string | undefined, b: string): boolean =>
  a !== undefined && a.toLowerCase() === b.toLowerCase()
export const dateTypes = new Set(['DATE', 'TIME', 'DATETIME', 'TIMESTAMP'])
export const numberRank: Readonly<Record<string, number>> = { INT64: 1, NUMERIC: 2, BIGNUMERIC: 3, FLOAT64: 4 }
export const isNumber = (type: Type): boolean => type.k in numberRank

/**
 * Gives each output a unique alias in the text: its name, or f0_, f1_ ... for unnamed ones; a repeated name gets _1, _2
 * ...
 */
export const nameOutputs = (es: readonly { name?: string | undefined; type: Type }[]): Output[] => {
  const used = new Set<string>()
  let unnamed = 0
  return es.map(({ name, type }) => {
    const base = name ?? `f${unnamed++}_`
    let sql = base
    for (let i = 1; used.has(sql.toLowerCase()); i++) sql = `${base}_${i}`
    used.add(sql.toLowerCase())
    return { name, sql, type }
  })
}
