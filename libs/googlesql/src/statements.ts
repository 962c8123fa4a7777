/** DML and DDL: text to run, what must hold before, and what the engine has to record. */
import type { Column, TimePartitioning } from '@convergence/contracts'
import { AppError } from '@convergence/contracts'
import type { TableRef } from '@convergence/contracts'
import {
  emptyScope,
  type Compiled,
  type Compiler,
  type Expression,
  type Output,
  type Scope,
} from './compile/compiler.ts'
import { tableSql } from './compile/tables.ts'
import { positionOf } from './lexer.ts'
import type { ColumnDef, Expr, MergeWhen, Name, OptionDef, Path, Query, SetItem, Statement } from './ast.ts'
import {
  columnOfType,
  duckdbType,
  duckdbTypeOf,
  fieldName,
  ident,
  INT64,
  text,
  typeOfColumn,
  type Type,
} from './types.ts'

/**
 * A query that must return no row, run in the same transaction before the statement; otherwise the statement fails with
 * the message (QUERY_INVALID).
 */
export interface Check {
  sql: string
  message: string
}
export type OptionValue = string | number | boolean | null | Readonly<Record<string, string>>
/** What a DDL statement means for the catalog. `options` are checked by name; their values are as written. */
export interface Ddl {
  operation:
    'create_table' | 'create_view' | 'create_schema' | 'drop_table' | 'drop_view' | 'drop_schema' | 'alter_table'
  /** IF NOT EXISTS, IF EXISTS and OR REPLACE. */
  if_not_exists?: boolean
  if_exists?: boolean
  replace?: boolean
  cascade?: boolean
  dataset: string
  project_id: string
  table?: string
  /** Of a new table: all of them; of alter_table: those to add. */
  columns?: Column[]
  dropped_columns?: string[]
  primary_key?: string[]
  time_partitioning?: TimePartitioning
  clustering_fields?: string[]
  /** GoogleSQL of a view. */
  view_query?: string
  materialized?: boolean
  options: Readonly<Record<string, OptionValue>>
}
export type StatementType =
  | 'SELECT'
  | 'INSERT'
  | 'UPDATE'
  | 'DELETE'
  | 'MERGE'
  | 'TRUNCATE_TABLE'
  | 'CREATE_TABLE'
  | 'CREATE_TABLE_AS_SELECT'
  | 'CREATE_VIEW'
  | 'CREATE_MATERIALIZED_VIEW'
  | 'CREATE_SCHEMA'
  | 'DROP_TABLE'
  | 'DROP_VIEW'
  | 'DROP_MATERIALIZED_VIEW'
  | 'DROP_SCHEMA'
  | 'ALTER_TABLE'
export interface Plan {
  kind: 'query' | 'dml' | 'ddl'
  statement_type: StatementType
  statements: string[]
  columns: Column[]
  target?: TableRef
  checks: Check[]
  ddl?: Ddl
  /** Of an INSERT that only takes bound JSON texts apart: whoever runs it need not ask an engine. */
  json_rows?: JsonRows
}
/** Each element of a bound ARRAY<STRING> is a JSON object and becomes a row. */
export interface JsonRows {
  parameter: string
  cells: { column: Column; path: readonly string[]; form: 'value' | 'values' | 'json' }[]
}

const multiMatch = 'UPDATE/MERGE must match at most one source row for each target row'

/**
 * Options that are known, by what they belong to. Any other name is refused: nothing is accepted and then ignored
 * silently.
 */
export const knownOptions = {
  table: [
    'description',
    'friendly_name',
    'labels',
    'expiration_timestamp',
    'partition_expiration_days',
    'require_partition_filter',
  ],
  view: ['description', 'friendly_name', 'labels', 'expiration_timestamp'],
  schema: [
    'description',
    'friendly_name',
    'labels',
    'location',
    'default_table_expiration_days',
    'default_partition_expiration_days',
  ],
  column: ['description'],
} as const

/** The final SELECT: repeated columns never hold NULL elements. */
const checkedOutput = (c: Compiler, compiled: Compiled): string => {
  if (!compiled.columns.some((column) => column.type.k === 'ARRAY')) return compiled.sql
  const alias = c.fresh()
  return `SELECT ${compiled.columns.map((column) => (column.type.k === 'ARRAY' ? `_gsql.without_null(${alias}.${ident(column.sql)}) AS ${ident(column.sql)}` : `${alias}.${ident(column.sql)}`)).join(', ')} FROM (${compiled.sql}) AS ${alias}`
}
const columnsOf = (c: Compiler, outputs: readonly Output[], pos: number): Column[] =>
  outputs.map((output) => {
    if (output.type.k === 'ARRAY' && output.type.of.k === 'ARRAY')
      throw c.invalid(pos, 'An array of arrays is not a column')
    return columnOfType(output.sql, output.type)
  })
/** Outputs of a query that becomes a table or view: named and unique. */
const storedOutputs = (c: Compiler, outputs: readonly Output[], pos: number): Output[] => {
  const names = new Set<string>()
  return outputs.map((output, index) => {
    if (output.name === undefined) throw c.invalid(pos, `CREATE ... AS SELECT: column ${index + 1} has no name`)
    if (names.has(output.name.toLowerCase())) throw c.invalid(pos, `Duplicate column name ${output.name} in the result`)
    names.add(output.name.toLowerCase())
    return output
  })
}

/** Rebuilds a value for a column whose struct fields have other names; undefined when types do not fit. */
const assign = (c: Compiler, e: Expression, to: Type): Expression | undefined => {
  const direct = c.tryCoerce(e, to)
  if (direct !== undefined) return direct
  if (e.type.k === 'STRUCT' && to.k === 'STRUCT' && e.type.fields.length === to.fields.length) {
    const from = e.type.fields
    const parts = to.fields.map((field, at) => {
      const source = from[at]
      return source === undefined
        ? undefined
        : assign(
            c,
            c.build(e.pos, source.type, `struct_extract(${e.sql}, ${text(fieldName(source, at))})`, e),
            field.type,
          )
    })
    if (!parts.every((part) => part !== undefined)) return undefined
    return c.build(
      e.pos,
      to,
      `CASE WHEN ${e.sql} IS NOT NULL THEN struct_pack(${to.fields.map((field, at) => `${ident(fieldName(field, at))} := ${parts[at]?.sql ?? ''}`).join(', ')}) END`,
      e,
    )
  }
  if (e.type.k === 'ARRAY' && to.k === 'ARRAY') {
    const variable = c.fresh()
    const element = assign(c, c.build(e.pos, e.type.of, variable), to.of)
    return element === undefined
      ? undefined
      : c.build(e.pos, to, `list_transform(${e.sql}, lambda ${variable}: ${element.sql})`, e)
  }
  return undefined
}
const value = (c: Compiler, ast: Expr, scope: Scope, column: Column): string => {
  if (ast.k === 'default') return 'DEFAULT'
  return stored(c, c.expression(ast, scope), column)
}
const stored = (c: Compiler, e: Expression, column: Column): string => {
  if (e.agg === true || e.win === true) throw c.invalid(e.pos, 'An aggregate or window function is not allowed here')
  const type = typeOfColumn(column)
  const fitting = assign(c, e, type)
  if (fitting === undefined)
    throw c.invalid(
      e.pos,
      `The value has a type which cannot be assigned to column ${column.name}: ${duckdbTypeOf(e.type) === duckdbTypeOf(type) ? column.type : `expected ${showType(type)} but got ${showType(e.type)}`}`,
    )
  return type.k === 'ARRAY'
    ? `_gsql.without_null(coalesce(${fitting.sql}, ${`CAST([] AS ${duckdbTypeOf(type)})`}))`
    : fitting.sql
}
const showType = (type: Type): string =>
  type.k === 'ARRAY' ? `ARRAY<${showType(type.of)}>` : type.k === 'NULL' ? 'INT64' : type.k

interface Target {
  ref: TableRef
  columns: readonly Column[]
  sql: string
  alias: string
  scope: Scope
}
const target = (c: Compiler, path: Path): Target => {
  const ref = c.resolveTable(path.parts)
  const table = c.catalog.table(ref)
  if (table?.kind === 'view') throw c.invalid(path.pos, `${ref.dataset}.${ref.table} is a view and cannot be changed`)
  const { sql, item, columns } = c.tableItem(ref, path.pos, path.alias?.text ?? path.parts.at(-1)?.text)
  return { ref, columns, sql, alias: sql.slice(sql.lastIndexOf(' AS ') + 4), scope: { ...emptyScope(), items: [item] } }
}
const columnNamed = (c: Compiler, t: Target, name: Name): Column => {
  const found = t.columns.find((column) => column.name.toLowerCase() === name.text.toLowerCase())
  if (found === undefined) throw c.invalid(name.pos, `Column ${name.text} is not present in table ${t.ref.table}`)
  return found
}
const columnList = (c: Compiler, t: Target, names: readonly Name[] | undefined): Column[] => {
  if (names === undefined) return [...t.columns]
  const columns = names.map((name) => columnNamed(c, t, name))
  if (new Set(columns.map((column) => column.name)).size < columns.length)
    throw c.invalid(names[0]?.pos ?? 0, 'INSERT names a column twice')
  return columns
}
/** Columns that an INSERT leaves out: repeated ones become empty arrays. */
const missing = (t: Target, given: readonly Column[]): Column[] =>
  t.columns.filter((column) => column.mode === 'REPEATED' && !given.includes(column))
const emptyArray = (column: Column): string => `CAST([] AS ${duckdbType(column)})`

/** SET items to column = value; several fields of one struct become one assignment. */
const setSql = (c: Compiler, t: Target, sets: readonly SetItem[], scope: Scope): string => {
  type Tree = { value?: string; fields: Map<string, Tree> }
  const trees = new Map<string, Tree>()
  for (const set of sets) {
    const [first, ...rest] = set.path
    // A leading alias of the target is allowed.
    const aliased =
      first !== undefined &&
      rest.length > 0 &&
      t.scope.items[0]?.alias?.toLowerCase() === first.text.toLowerCase() &&
      !t.columns.some((column) => column.name.toLowerCase() === first.text.toLowerCase())
    const [head, ...path] = aliased ? rest : set.path
    if (head === undefined) throw c.invalid(set.pos, 'SET needs a column')
    const column = columnNamed(c, t, head)
    let type = typeOfColumn(column)
    let tree = trees.get(column.name) ?? { fields: new Map<string, Tree>() }
    trees.set(column.name, tree)
    let leaf: Column = column
    for (const part of path) {
      if (type.k !== 'STRUCT')
        throw c.invalid(part.pos, `Cannot access field ${part.text} on a value of type ${showType(type)}`)
      const at = type.fields.findIndex((field) => field.name?.toLowerCase() === part.text.toLowerCase())
      const field = type.fields[at]
      if (field === undefined) throw c.invalid(part.pos, `Field ${part.text} does not exist`)
      const key = fieldName(field, at)
      type = field.type
      leaf = columnOfType(key, type)
      if (tree.value !== undefined) throw c.invalid(set.pos, `Overlapping SET of ${column.name}`)
      const next = tree.fields.get(key) ?? { fields: new Map<string, Tree>() }
      tree.fields.set(key, next)
      tree = next
    }
    if (tree.value !== undefined || tree.fields.size > 0) throw c.invalid(set.pos, `Overlapping SET of ${column.name}`)
    if (set.value.k === 'default' && path.length > 0) throw c.unsupported(set.pos, 'SET of a struct field to DEFAULT')
    tree.value = value(c, set.value, scope, leaf)
  }
  const render = (tree: Tree, current: string, type: Type): string => {
    if (tree.value !== undefined) return tree.value
    if (type.k !== 'STRUCT') return current
    return `struct_pack(${type.fields
      .map((field, at) => {
        const key = fieldName(field, at)
        const inner = `struct_extract(${current}, ${text(key)})`
        const changed = tree.fields.get(key)
        return `${ident(key)} := ${changed === undefined ? inner : render(changed, inner, field.type)}`
      })
      .join(', ')})`
  }
  return [...trees]
    .map(([name, tree]) => {
      const column = t.columns.find((candidate) => candidate.name === name)
      return `${ident(name)} = ${render(tree, `${t.alias}.${ident(name)}`, column === undefined ? INT64 : typeOfColumn(column))}`
    })
    .join(', ')
}

const insert = (c: Compiler, ast: Statement & { k: 'insert' }): Plan => {
  const t = target(c, ast.target)
  const given = columnList(c, t, ast.columns)
  const left = missing(t, given)
  const into = `INSERT INTO ${tableSql(t.ref)} (${[...given, ...left].map((column) => ident(column.name)).join(', ')})`
  const base: Omit<Plan, 'statements'> = {
    kind: 'dml',
    statement_type: 'INSERT',
    columns: [],
    target: t.ref,
    checks: [],
  }
  if (ast.rows !== undefined) {
    const rows = ast.rows.map((row) => {
      if (row.length !== given.length)
        throw c.invalid(
          row[0]?.pos ?? ast.pos,
          `Inserted row has wrong column count; has ${row.length}, expected ${given.length}`,
        )
      return `(${[...row.map((cell, at) => value(c, cell, emptyScope(), given[at] as Column)), ...left.map(emptyArray)].join(', ')})`
    })
    return { ...base, statements: [`${into} VALUES ${rows.join(', ')}`] }
  }
  if (ast.query === undefined) throw c.invalid(ast.pos, 'INSERT needs VALUES or a query')
  const compiled = c.query(ast.query, undefined)
  if (compiled.columns.length !== given.length)
    throw c.invalid(
      ast.query.pos,
      `Inserted row has wrong column count; has ${compiled.columns.length}, expected ${given.length}`,
    )
  const alias = c.fresh()
  const cells = compiled.columns.map((column, at) =>
    stored(c, c.build(ast.query?.pos ?? ast.pos, column.type, `${alias}.${ident(column.sql)}`), given[at] as Column),
  )
  const parts = jsonRows(ast.query, given)
  return {
    ...base,
    statements: [`${into} SELECT ${[...cells, ...left.map(emptyArray)].join(', ')} FROM (${compiled.sql}) AS ${alias}`],
    ...(parts === undefined ? {} : { json_rows: parts }),
  }
}

/**
 * `SELECT CAST(JSON_VALUE(r, '$.a') AS INT64), PARSE_JSON(JSON_QUERY(r, '$.b')), JSON_VALUE_ARRAY(r, '$.c') FROM
 * UNNEST(@rows) AS r` and nothing
 * beside it; undefined for any other query. A log's commits come in this form, by the hundred a second.
 */
const jsonRows = (query: Query, columns: readonly Column[]): JsonRows | undefined => {
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
    const inner =
      column.type === 'STRING'
        ? expr
        : expr.k === 'cast' && !expr.safe && expr.type.k === column.type
          ? expr.x
          : undefined
    const path = inner === undefined ? undefined : read(inner, 'JSON_VALUE')
    return path === undefined ? undefined : { column, path, form: 'value' }
  })
  return cells.every((cell) => cell !== undefined) ? { parameter: from.expr.name, cells } : undefined
}

const plainCondition = (c: Compiler, ast: Expr, scope: Scope, where: string): string => {
  const e = c.bool(ast, scope, where)
  if (e.agg === true || e.win === true)
    throw c.invalid(e.pos, `An aggregate or window function is not allowed in ${where}`)
  return e.sql
}

const update = (c: Compiler, ast: Statement & { k: 'update' }): Plan => {
  const t = target(c, ast.target)
  const base: Omit<Plan, 'statements'> = {
    kind: 'dml',
    statement_type: 'UPDATE',
    columns: [],
    target: t.ref,
    checks: [],
  }
  if (ast.from === undefined) {
    const where = plainCondition(c, ast.where, t.scope, 'WHERE')
    return { ...base, statements: [`UPDATE ${t.sql} SET ${setSql(c, t, ast.sets, t.scope)} WHERE ${where}`] }
  }
  const sourceScope = emptyScope()
  const from = c.from(ast.from, sourceScope)
  const scope: Scope = { ...emptyScope(), items: [...t.scope.items, ...sourceScope.items], merged: sourceScope.merged }
  if (
    sourceScope.items.some(
      (item) => item.alias !== undefined && item.alias.toLowerCase() === t.scope.items[0]?.alias?.toLowerCase(),
    )
  )
    throw c.invalid(ast.pos, 'FROM uses the name of the target')
  const where = plainCondition(c, ast.where, scope, 'WHERE')
  return {
    ...base,
    checks: [
      {
        sql: `SELECT 1 FROM ${t.sql}, ${from} WHERE ${where} GROUP BY ${t.alias}.rowid HAVING count(*) > 1 LIMIT 1`,
        message: multiMatch,
      },
    ],
    statements: [`UPDATE ${t.sql} SET ${setSql(c, t, ast.sets, scope)} FROM ${from} WHERE ${where}`],
  }
}

const merge = (c: Compiler, ast: Statement & { k: 'merge' }): Plan => {
  const t = target(c, ast.target)
  const sourceScope = emptyScope()
  const source = c.from(ast.source, sourceScope)
  const both: Scope = { ...emptyScope(), items: [...t.scope.items, ...sourceScope.items], merged: sourceScope.merged }
  if (
    sourceScope.items.some(
      (item) => item.alias !== undefined && item.alias.toLowerCase() === t.scope.items[0]?.alias?.toLowerCase(),
    )
  )
    throw c.invalid(ast.pos, 'USING has the name of the target')
  const on = plainCondition(c, ast.on, both, 'ON')
  const scopeOf = (match: MergeWhen['match']): Scope =>
    match === 'MATCHED' ? both : match === 'NOT MATCHED BY TARGET' ? { ...sourceScope } : t.scope
  const matched: string[] = []
  const clauses = ast.whens.map((when) => {
    const scope = scopeOf(when.match)
    const condition = when.condition === undefined ? undefined : plainCondition(c, when.condition, scope, 'WHEN')
    if (when.match === 'MATCHED') matched.push(condition ?? 'true')
    const head = `WHEN ${when.match}${condition === undefined ? '' : ` AND ${condition}`} THEN `
    const inserting = when.action.k === 'insert' || when.action.k === 'insert-row'
    if (inserting !== (when.match === 'NOT MATCHED BY TARGET'))
      throw c.invalid(when.pos, `WHEN ${when.match} does not go with ${inserting ? 'INSERT' : 'UPDATE or DELETE'}`)
    switch (when.action.k) {
      case 'delete':
        return `${head}DELETE`
      case 'update':
        return `${head}UPDATE SET ${setSql(c, t, when.action.sets, scope)}`
      case 'insert': {
        const given = columnList(c, t, when.action.columns)
        const { values } = when.action
        if (values.length !== given.length)
          throw c.invalid(
            when.pos,
            `Inserted row has wrong column count; has ${values.length}, expected ${given.length}`,
          )
        const left = missing(t, given)
        return `${head}INSERT (${[...given, ...left].map((column) => ident(column.name)).join(', ')}) VALUES (${[...values.map((cell, at) => value(c, cell, scope, given[at] as Column)), ...left.map(emptyArray)].join(', ')})`
      }
      case 'insert-row': {
        const columns = sourceScope.items.flatMap((item) => item.columns)
        if (
          columns.length !== t.columns.length ||
          !t.columns.every((column, at) => columns[at]?.name?.toLowerCase() === column.name.toLowerCase())
        )
          throw c.unsupported(
            when.pos,
            'INSERT ROW from a source whose columns are not those of the target in the same order',
          )
        return `${head}INSERT (${t.columns.map((column) => ident(column.name)).join(', ')}) VALUES (${t.columns.map((column, at) => stored(c, c.build(when.pos, columns[at]?.type ?? INT64, columns[at]?.sql ?? ''), column)).join(', ')})`
      }
    }
  })
  const checks: Check[] =
    matched.length === 0
      ? []
      : [
          {
            sql: `SELECT 1 FROM ${t.sql} JOIN ${source} ON ${on} WHERE ${matched.join(' OR ')} GROUP BY ${t.alias}.rowid HAVING count(*) > 1 LIMIT 1`,
            message: multiMatch,
          },
        ]
  return {
    kind: 'dml',
    statement_type: 'MERGE',
    columns: [],
    target: t.ref,
    checks,
    statements: [`MERGE INTO ${t.sql} USING ${source} ON (${on}) ${clauses.join(' ')}`],
  }
}

// ---- DDL

const optionValue = (c: Compiler, option: OptionDef): OptionValue => {
  const ast = option.value
  if (ast.k === 'lit' && ast.type === 'NULL') return null
  if (ast.k === 'lit' && ast.type === 'STRING') return ast.text
  if (ast.k === 'lit' && (ast.type === 'INT64' || ast.type === 'FLOAT64')) return Number(ast.text)
  if (ast.k === 'lit' && ast.type === 'BOOL') return ast.text === 'TRUE'
  if (ast.k === 'typed' && ast.type === 'TIMESTAMP') return ast.text
  if (ast.k === 'array' && option.name === 'labels') {
    return Object.fromEntries(
      ast.items.map((item) => {
        const [key, val] = item.k === 'struct' ? item.items : []
        if (key?.expr.k !== 'lit' || key.expr.type !== 'STRING' || val?.expr.k !== 'lit' || val.expr.type !== 'STRING')
          throw c.invalid(option.pos, 'labels are pairs of text: [("key", "value")]')
        return [key.expr.text, val.expr.text]
      }),
    )
  }
  throw c.unsupported(ast.pos, `A value of option ${option.name} that is no literal`)
}
const optionTypes: Readonly<Record<string, readonly string[]>> = {
  description: ['string'],
  friendly_name: ['string'],
  labels: ['object'],
  location: ['string'],
  expiration_timestamp: ['string'],
  partition_expiration_days: ['number'],
  require_partition_filter: ['boolean'],
  default_table_expiration_days: ['number'],
  default_partition_expiration_days: ['number'],
}
const optionsOf = (
  c: Compiler,
  options: readonly OptionDef[],
  kind: keyof typeof knownOptions,
): Record<string, OptionValue> =>
  Object.fromEntries(
    options.map((option) => {
      if (!(knownOptions[kind] as readonly string[]).includes(option.name))
        throw c.unsupported(option.pos, `Option ${option.name} of a ${kind}`)
      const found = optionValue(c, option)
      if (found !== null && !(optionTypes[option.name] ?? []).includes(typeof found))
        throw c.invalid(option.pos, `Option ${option.name} has a value of the wrong type`)
      return [option.name, found]
    }),
  )

const columnDefinition = (c: Compiler, def: ColumnDef): { column: Column; sql: string } => {
  const base = columnOfType(def.name.text, def.type)
  if (def.type.k === 'ARRAY' && def.not_null) throw c.invalid(def.pos, 'An ARRAY column cannot be NOT NULL')
  const options = optionsOf(c, def.options, 'column')
  const column: Column = {
    ...base,
    ...(def.not_null ? { mode: 'REQUIRED' as const } : {}),
    ...(typeof options['description'] === 'string' ? { description: options['description'] } : {}),
  }
  const type =
    def.decimal === undefined ? duckdbTypeOf(def.type) : `DECIMAL(${def.decimal.precision},${def.decimal.scale})`
  let sql = `${ident(def.name.text)} ${type}`
  if (def.not_null) sql += ' NOT NULL'
  if (def.default !== undefined) sql += ` DEFAULT ${value(c, def.default, emptyScope(), base)}`
  else if (def.type.k === 'ARRAY') sql += ` DEFAULT ${emptyArray(base)}`
  if (def.max_length !== undefined) sql += ` CHECK (length(${ident(def.name.text)}) <= ${def.max_length})`
  return { column, sql }
}
const partitioning = (c: Compiler, ast: Expr, columns: readonly Column[]): TimePartitioning => {
  const column = (e: Expr | undefined): Column => {
    if (e?.k !== 'path' || e.parts.length !== 1) throw c.unsupported(ast.pos, 'This PARTITION BY')
    const found = columns.find((candidate) => candidate.name.toLowerCase() === e.parts[0]?.text.toLowerCase())
    if (found === undefined)
      throw c.invalid(e.pos, `PARTITION BY names no column of the table: ${e.parts[0]?.text ?? ''}`)
    if (found.mode === 'REPEATED') throw c.invalid(e.pos, 'PARTITION BY an array')
    return found
  }
  if (ast.k === 'path') {
    const found = column(ast)
    if (found.type !== 'DATE') throw c.invalid(ast.pos, 'PARTITION BY a column needs type DATE')
    return { field: found.name, type: 'DAY' }
  }
  if (ast.k !== 'call') throw c.unsupported(ast.pos, 'This PARTITION BY')
  const found = column(ast.args[0])
  if (ast.name === 'DATE' && ast.args.length === 1 && (found.type === 'TIMESTAMP' || found.type === 'DATETIME'))
    return { field: found.name, type: 'DAY' }
  const part = ast.args[1]?.k === 'path' ? ast.args[1].parts[0]?.text.toUpperCase() : undefined
  const parts = {
    DATE_TRUNC: ['DATE', 'DAY', 'MONTH', 'YEAR'],
    DATETIME_TRUNC: ['DATETIME', 'HOUR', 'DAY', 'MONTH', 'YEAR'],
    TIMESTAMP_TRUNC: ['TIMESTAMP', 'HOUR', 'DAY', 'MONTH', 'YEAR'],
  }[ast.name]
  if (
    parts !== undefined &&
    ast.args.length === 2 &&
    found.type === parts[0] &&
    part !== undefined &&
    parts.slice(1).includes(part)
  )
    return { field: found.name, type: part as TimePartitioning['type'] }
  throw c.unsupported(ast.pos, 'This PARTITION BY')
}
const clustering = (c: Compiler, names: readonly Name[], columns: readonly Column[]): string[] =>
  names.map((name) => {
    const found = columns.find((column) => column.name.toLowerCase() === name.text.toLowerCase())
    if (found === undefined) throw c.invalid(name.pos, `CLUSTER BY names no column of the table: ${name.text}`)
    return found.name
  })
const ownDataset = (c: Compiler, ref: { project_id: string; dataset: string }, pos: number): void => {
  if (ref.project_id !== c.catalog.project_id) throw c.unsupported(pos, 'DDL or DML in another project')
  if (c.catalog.dataset(ref) === undefined)
    throw new AppError(
      'TABLE_NOT_FOUND',
      `Dataset ${ref.project_id}.${ref.dataset} was not found at ${positionOf(c.sql, pos)}`,
    )
}

const createTable = (c: Compiler, ast: Statement & { k: 'create-table' }): Plan => {
  const ref = c.resolveTable(ast.target.parts)
  ownDataset(c, ref, ast.target.pos)
  if (ast.replace && ast.if_not_exists) throw c.invalid(ast.pos, 'OR REPLACE and IF NOT EXISTS exclude each other')
  const head = `CREATE ${ast.replace ? 'OR REPLACE ' : ''}TABLE ${ast.if_not_exists ? 'IF NOT EXISTS ' : ''}${tableSql(ref)}`
  let columns: Column[]
  const statements: string[] = []
  const definitions = ast.columns?.map((def) => columnDefinition(c, def))
  if (
    definitions !== undefined &&
    new Set(definitions.map(({ column }) => column.name.toLowerCase())).size < definitions.length
  )
    throw c.invalid(ast.pos, 'Duplicate column name')
  if (ast.like !== undefined) {
    if (definitions !== undefined || ast.query !== undefined)
      throw c.unsupported(ast.pos, 'LIKE with columns or a query')
    const source = c.tableItem(c.resolveTable(ast.like.parts), ast.like.pos, undefined)
    columns = source.columns.map((column) => ({ ...column }))
    statements.push(
      `${head} (${columns.map((column) => `${ident(column.name)} ${duckdbType(column)}${column.mode === 'REQUIRED' ? ' NOT NULL' : column.mode === 'REPEATED' ? ` DEFAULT ${emptyArray(column)}` : ''}`).join(', ')})`,
    )
  } else if (ast.query !== undefined) {
    const compiled = c.query(ast.query, undefined)
    const alias = c.fresh()
    const outputs = definitions === undefined ? storedOutputs(c, compiled.columns, ast.query.pos) : compiled.columns
    columns = definitions?.map(({ column }) => column) ?? columnsOf(c, outputs, ast.query.pos)
    if (columns.length !== outputs.length)
      throw c.invalid(ast.query.pos, `The query gives ${outputs.length} columns, the table has ${columns.length}`)
    const cells = columns.map((column, at) => {
      const output = outputs[at] as Output
      const cell = stored(c, c.build(ast.query?.pos ?? ast.pos, output.type, `${alias}.${ident(output.sql)}`), column)
      return `CAST(${cell} AS ${duckdbType(column)}) AS ${ident(column.name)}`
    })
    const select = `SELECT ${cells.join(', ')} FROM (${compiled.sql}) AS ${alias}`
    if (definitions === undefined) statements.push(`${head} AS ${select}`)
    else {
      if (ast.if_not_exists) throw c.unsupported(ast.pos, 'CREATE TABLE IF NOT EXISTS with columns and a query')
      statements.push(
        `${head} (${definitions.map(({ sql }) => sql).join(', ')})`,
        `INSERT INTO ${tableSql(ref)} ${select}`,
      )
    }
  } else {
    if (definitions === undefined || definitions.length === 0)
      throw c.invalid(ast.pos, 'CREATE TABLE needs columns, LIKE or a query')
    columns = definitions.map(({ column }) => column)
    statements.push(`${head} (${definitions.map(({ sql }) => sql).join(', ')})`)
  }
  const ddl: Ddl = {
    operation: 'create_table',
    ...ref,
    columns,
    options: optionsOf(c, ast.options, 'table'),
    replace: ast.replace,
    if_not_exists: ast.if_not_exists,
    ...(ast.partition === undefined ? {} : { time_partitioning: partitioning(c, ast.partition, columns) }),
    ...(ast.cluster.length === 0 ? {} : { clustering_fields: clustering(c, ast.cluster, columns) }),
    ...(ast.primary_key === undefined ? {} : { primary_key: clustering(c, ast.primary_key, columns) }),
  }
  return {
    kind: 'ddl',
    statement_type: ast.query === undefined ? 'CREATE_TABLE' : 'CREATE_TABLE_AS_SELECT',
    statements,
    columns: [],
    target: ref,
    checks: [],
    ddl,
  }
}
const createView = (c: Compiler, ast: Statement & { k: 'create-view' }): Plan => {
  const ref = c.resolveTable(ast.target.parts)
  ownDataset(c, ref, ast.target.pos)
  if (ast.columns !== undefined) throw c.unsupported(ast.pos, 'A column list of a view')
  const compiled = c.query(ast.query, undefined)
  const outputs = storedOutputs(c, compiled.columns, ast.query.pos)
  const columns = columnsOf(c, outputs, ast.query.pos)
  const view_query = c.sql.slice(ast.query_start, ast.query_end)
  const sql = `CREATE ${ast.replace ? 'OR REPLACE ' : ''}VIEW ${ast.if_not_exists ? 'IF NOT EXISTS ' : ''}${tableSql(ref)} AS ${compiled.sql}`
  return {
    kind: 'ddl',
    statement_type: ast.materialized ? 'CREATE_MATERIALIZED_VIEW' : 'CREATE_VIEW',
    statements: [sql],
    columns: [],
    target: ref,
    checks: [],
    ddl: {
      operation: 'create_view',
      ...ref,
      columns,
      view_query,
      materialized: ast.materialized,
      replace: ast.replace,
      if_not_exists: ast.if_not_exists,
      options: optionsOf(c, ast.options, 'view'),
    },
  }
}
const schemaRef = (c: Compiler, path: Path): { project_id: string; dataset: string } => {
  const names = path.parts.map((part) => part.text)
  const [a, b] = names
  if (a === undefined || names.length > 2) throw c.invalid(path.pos, `Invalid dataset name ${names.join('.')}`)
  const ref = b === undefined ? { project_id: c.catalog.project_id, dataset: a } : { project_id: a, dataset: b }
  if (ref.project_id !== c.catalog.project_id) throw c.unsupported(path.pos, 'DDL or DML in another project')
  if (!/^[A-Za-z0-9_]{1,1024}$/.test(ref.dataset) || ref.dataset.startsWith('_'))
    throw c.invalid(path.pos, `Invalid dataset name ${ref.dataset}`)
  return ref
}
const alterTable = (c: Compiler, ast: Statement & { k: 'alter-table' }): Plan => {
  const ref = c.resolveTable(ast.target.parts)
  ownDataset(c, ref, ast.target.pos)
  const table = c.catalog.table(ref)
  const ddl: Ddl = {
    operation: 'alter_table',
    ...ref,
    if_exists: ast.if_exists,
    columns: [],
    dropped_columns: [],
    options: {},
  }
  const plan: Plan = {
    kind: 'ddl',
    statement_type: 'ALTER_TABLE',
    statements: [],
    columns: [],
    target: ref,
    checks: [],
    ddl,
  }
  if (table === undefined) {
    if (ast.if_exists) return plan
    throw new AppError(
      'TABLE_NOT_FOUND',
      `Table ${ref.project_id}.${ref.dataset}.${ref.table} was not found at ${positionOf(c.sql, ast.target.pos)}`,
    )
  }
  if (table.kind === 'view') throw c.invalid(ast.pos, 'ALTER TABLE of a view')
  let options: Record<string, OptionValue> = {}
  for (const action of ast.actions) {
    if (action.k === 'options') {
      options = { ...options, ...optionsOf(c, action.options, 'table') }
    } else if (action.k === 'add') {
      const { name } = action.column
      const exists = [...table.columns, ...(ddl.columns ?? [])].some(
        (column) => column.name.toLowerCase() === name.text.toLowerCase(),
      )
      if (exists && action.if_not_exists) continue
      if (exists) throw c.invalid(action.pos, `Column already exists: ${name.text}`)
      if (action.column.not_null) throw c.invalid(action.pos, 'A column that is added cannot be NOT NULL')
      if (action.column.max_length !== undefined) throw c.unsupported(action.pos, 'ADD COLUMN of STRING with a length')
      if (action.column.default !== undefined)
        throw c.invalid(action.pos, 'A column that is added cannot have a DEFAULT')
      const { column, sql } = columnDefinition(c, action.column)
      ddl.columns?.push(column)
      plan.statements.push(`ALTER TABLE ${tableSql(ref)} ADD COLUMN ${sql}`)
    } else {
      const exists = table.columns.some((column) => column.name.toLowerCase() === action.name.text.toLowerCase())
      if (!exists && action.if_exists) continue
      if (!exists) throw c.invalid(action.pos, `Column not found: ${action.name.text}`)
      ddl.dropped_columns?.push(action.name.text)
      plan.statements.push(`ALTER TABLE ${tableSql(ref)} DROP COLUMN ${ident(action.name.text)}`)
    }
  }
  ddl.options = options
  return plan
}
const drop = (c: Compiler, ast: Statement & { k: 'drop' }): Plan => {
  const exists = ast.if_exists ? 'IF EXISTS ' : ''
  if (ast.what === 'SCHEMA') {
    const ref = schemaRef(c, ast.target)
    if (c.catalog.dataset(ref) === undefined && !ast.if_exists)
      throw new AppError(
        'TABLE_NOT_FOUND',
        `Dataset ${ref.project_id}.${ref.dataset} was not found at ${positionOf(c.sql, ast.pos)}`,
      )
    return {
      kind: 'ddl',
      statement_type: 'DROP_SCHEMA',
      statements: [
        `DROP SCHEMA ${exists}${ident(ref.project_id)}.${ident(ref.dataset)}${ast.cascade ? ' CASCADE' : ''}`,
      ],
      columns: [],
      checks: [],
      ddl: { operation: 'drop_schema', ...ref, if_exists: ast.if_exists, cascade: ast.cascade, options: {} },
    }
  }
  const ref = c.resolveTable(ast.target.parts)
  if (ref.project_id !== c.catalog.project_id) throw c.unsupported(ast.target.pos, 'DDL or DML in another project')
  const table = c.catalog.table(ref)
  const kind = ast.what === 'TABLE' ? 'table' : 'view'
  if (table === undefined && !ast.if_exists)
    throw new AppError(
      'TABLE_NOT_FOUND',
      `${ast.what === 'TABLE' ? 'Table' : 'View'} ${ref.project_id}.${ref.dataset}.${ref.table} was not found at ${positionOf(c.sql, ast.pos)}`,
    )
  if (table !== undefined && table.kind !== kind)
    throw c.invalid(ast.pos, `${ref.dataset}.${ref.table} is a ${table.kind}`)
  return {
    kind: 'ddl',
    statement_type: `DROP_${ast.what.replace(' ', '_')}` as StatementType,
    statements: table === undefined ? [] : [`DROP ${kind.toUpperCase()} ${exists}${tableSql(ref)}`],
    columns: [],
    target: ref,
    checks: [],
    ddl: { operation: kind === 'table' ? 'drop_table' : 'drop_view', ...ref, if_exists: ast.if_exists, options: {} },
  }
}

export const plan = (c: Compiler, ast: Statement): Plan => {
  const own = (ref: TableRef, result: Plan): Plan => {
    if (ref.project_id !== c.catalog.project_id) throw c.unsupported(ast.pos, 'DDL or DML in another project')
    return result
  }
  switch (ast.k) {
    case 'select': {
      const compiled = c.query(ast.query, undefined)
      return {
        kind: 'query',
        statement_type: 'SELECT',
        statements: [checkedOutput(c, compiled)],
        columns: columnsOf(c, compiled.columns, ast.pos),
        checks: [],
      }
    }
    case 'insert': {
      const result = insert(c, ast)
      return own(result.target as TableRef, result)
    }
    case 'update': {
      const result = update(c, ast)
      return own(result.target as TableRef, result)
    }
    case 'merge': {
      const result = merge(c, ast)
      return own(result.target as TableRef, result)
    }
    case 'delete': {
      const t = target(c, ast.target)
      return own(t.ref, {
        kind: 'dml',
        statement_type: 'DELETE',
        columns: [],
        target: t.ref,
        checks: [],
        statements: [`DELETE FROM ${t.sql} WHERE ${plainCondition(c, ast.where, t.scope, 'WHERE')}`],
      })
    }
    case 'truncate': {
      const t = target(c, ast.target)
      return own(t.ref, {
        kind: 'dml',
        statement_type: 'TRUNCATE_TABLE',
        columns: [],
        target: t.ref,
        checks: [],
        statements: [`DELETE FROM ${tableSql(t.ref)}`],
      })
    }
    case 'create-table':
      return createTable(c, ast)
    case 'create-view':
      return createView(c, ast)
    case 'create-schema': {
      const ref = schemaRef(c, ast.target)
      return {
        kind: 'ddl',
        statement_type: 'CREATE_SCHEMA',
        columns: [],
        checks: [],
        statements: [
          `CREATE SCHEMA ${ast.if_not_exists ? 'IF NOT EXISTS ' : ''}${ident(ref.project_id)}.${ident(ref.dataset)}`,
        ],
        ddl: {
          operation: 'create_schema',
          ...ref,
          if_not_exists: ast.if_not_exists,
          options: optionsOf(c, ast.options, 'schema'),
        },
      }
    }
    case 'drop':
      return drop(c, ast)
    case 'alter-table':
      return alterTable(c, ast)
  }
}
