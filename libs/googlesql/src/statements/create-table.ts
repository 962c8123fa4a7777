/** CREATE TABLE: its columns, how it is partitioned and clustered, what it is filled with. */
import type { Column, TableRef, TimePartitioning } from '@convergence/contracts'
import type { ColumnDef, Expr, Name, Path, Query, Statement } from '../ast.ts'
import { emptyScope, sameName, type Compiler, type Output } from '../compile/compiler.ts'
import { tableSql } from '../compile/tables.ts'
import { columnOfType, duckdbType, duckdbTypeOf, ident } from '../types.ts'
import { requireDataset } from './datasets.ts'
import { optionsOf } from './options.ts'
import type { Ddl, Plan } from './plan.ts'
import { columnsOf, storedOutputs } from './query.ts'
import { emptyArray, stored, value } from './values.ts'

interface Definition {
  column: Column
  sql: string
}
/** Where the columns come from, and what makes the table with them. */
interface Content {
  columns: Column[]
  statements: string[]
}
type CreateTable = Statement & { k: 'create-table' }

export const createTable = (c: Compiler, ast: CreateTable): Plan => {
  const ref = c.resolveTable(ast.target.parts)
  requireDataset(c, ref, ast.target.pos)
  if (ast.replace && ast.if_not_exists) throw c.invalid(ast.pos, 'OR REPLACE and IF NOT EXISTS exclude each other')
  const { columns, statements } = contentOf(c, ast, ref)
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

const contentOf = (c: Compiler, ast: CreateTable, ref: TableRef): Content => {
  const verb = ast.replace ? 'CREATE OR REPLACE TABLE' : 'CREATE TABLE'
  const head = `${verb} ${ast.if_not_exists ? 'IF NOT EXISTS ' : ''}${tableSql(ref)}`
  const definitions = ast.columns?.map((def) => columnDefinition(c, def))
  if (
    definitions !== undefined &&
    new Set(definitions.map(({ column }) => column.name.toLowerCase())).size < definitions.length
  )
    throw c.invalid(ast.pos, 'Duplicate column name')
  if (ast.like !== undefined) {
    if (definitions !== undefined || ast.query !== undefined)
      throw c.unsupported(ast.pos, 'LIKE with columns or a query')
    return likeTable(c, ast.like, head)
  }
  if (ast.query !== undefined) return filledTable(c, ast, ast.query, definitions, { head, table: tableSql(ref) })
  if (definitions === undefined || definitions.length === 0)
    throw c.invalid(ast.pos, 'CREATE TABLE needs columns, LIKE or a query')
  return {
    columns: definitions.map(({ column }) => column),
    statements: [`${head} (${definitions.map(({ sql }) => sql).join(', ')})`],
  }
}
const likeTable = (c: Compiler, like: Path, head: string): Content => {
  const source = c.tableItem(c.resolveTable(like.parts), like.pos, undefined)
  const columns = source.columns.map((column) => ({ ...column }))
  const constraint = (column: Column): string => {
    if (column.mode === 'REQUIRED') return ' NOT NULL'
    return column.mode === 'REPEATED' ? ` DEFAULT ${emptyArray(column)}` : ''
  }
  const definitions = columns.map((column) => `${ident(column.name)} ${duckdbType(column)}${constraint(column)}`)
  return { columns, statements: [`${head} (${definitions.join(', ')})`] }
}
const filledTable = (
  c: Compiler,
  ast: CreateTable,
  query: Query,
  definitions: readonly Definition[] | undefined,
  { head, table }: { head: string; table: string },
): Content => {
  const compiled = c.query(query, undefined)
  const alias = c.fresh()
  const outputs = definitions === undefined ? storedOutputs(c, compiled.columns, query.pos) : compiled.columns
  const columns = definitions?.map(({ column }) => column) ?? columnsOf(c, outputs, query.pos)
  if (columns.length !== outputs.length)
    throw c.invalid(query.pos, `The query gives ${outputs.length} columns, the table has ${columns.length}`)
  const cells = columns.map((column, at) => {
    const output = outputs[at] as Output
    const cell = stored(c, c.build(query.pos, output.type, `${alias}.${ident(output.sql)}`), column)
    return `CAST(${cell} AS ${duckdbType(column)}) AS ${ident(column.name)}`
  })
  const select = `SELECT ${cells.join(', ')} FROM (${compiled.sql}) AS ${alias}`
  if (definitions === undefined) return { columns, statements: [`${head} AS ${select}`] }
  if (ast.if_not_exists) throw c.unsupported(ast.pos, 'CREATE TABLE IF NOT EXISTS with columns and a query')
  return {
    columns,
    statements: [`${head} (${definitions.map(({ sql }) => sql).join(', ')})`, `INSERT INTO ${table} ${select}`],
  }
}

export const columnDefinition = (c: Compiler, def: ColumnDef): Definition => {
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
    const found = columns.find((candidate) => sameName(e.parts[0]?.text, candidate.name))
    if (found === undefined && /^_PARTITION(?:DATE|TIME)$/i.test(e.parts[0]?.text ?? ''))
      throw c.unsupported(e.pos, 'Partitioning by the time of ingestion')
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
    const found = columns.find((column) => sameName(column.name, name.text))
    if (found === undefined) throw c.invalid(name.pos, `CLUSTER BY names no column of the table: ${name.text}`)
    return found.name
  })
