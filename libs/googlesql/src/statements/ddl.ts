/** CREATE VIEW, CREATE SCHEMA, ALTER TABLE and DROP. */
import type { Column, TableRef } from '@convergence/contracts'
import type { AlterAction, Statement } from '../ast.ts'
import { sameName, type Compiler } from '../compile/compiler.ts'
import { tableSql } from '../compile/tables.ts'
import { ident } from '../types.ts'
import { columnDefinition } from './create-table.ts'
import { datasetRef, notFound, requireDataset, requireOwnProject } from './datasets.ts'
import { optionsOf, type OptionValue } from './options.ts'
import type { Plan, StatementType } from './plan.ts'
import { columnsOf, storedOutputs } from './query.ts'

export const createView = (c: Compiler, ast: Statement & { k: 'create-view' }): Plan => {
  const ref = c.resolveTable(ast.target.parts)
  requireDataset(c, ref, ast.target.pos)
  if (ast.columns !== undefined) throw c.unsupported(ast.pos, 'A column list of a view')
  const compiled = c.query(ast.query, undefined)
  const outputs = storedOutputs(c, compiled.columns, ast.query.pos)
  const columns = columnsOf(c, outputs, ast.query.pos)
  const view_query = c.sql.slice(ast.query_start, ast.query_end)
  const verb = ast.replace ? 'CREATE OR REPLACE VIEW' : 'CREATE VIEW'
  const sql = `${verb} ${ast.if_not_exists ? 'IF NOT EXISTS ' : ''}${tableSql(ref)} AS ${compiled.sql}`
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

export const createSchema = (c: Compiler, ast: Statement & { k: 'create-schema' }): Plan => {
  const ref = datasetRef(c, ast.target)
  const exists = ast.if_not_exists ? 'IF NOT EXISTS ' : ''
  return {
    kind: 'ddl',
    statement_type: 'CREATE_SCHEMA',
    columns: [],
    checks: [],
    statements: [`CREATE SCHEMA ${exists}${ident(ref.project_id)}.${ident(ref.dataset)}`],
    ddl: {
      operation: 'create_schema',
      ...ref,
      if_not_exists: ast.if_not_exists,
      options: optionsOf(c, ast.options, 'schema'),
    },
  }
}

export const alterTable = (c: Compiler, ast: Statement & { k: 'alter-table' }): Plan => {
  const ref = c.resolveTable(ast.target.parts)
  requireDataset(c, ref, ast.target.pos)
  const table = c.catalog.table(ref)
  if (table === undefined && !ast.if_exists)
    throw notFound(c, `Table ${ref.project_id}.${ref.dataset}.${ref.table}`, ast.target.pos)
  if (table?.kind === 'view') throw c.invalid(ast.pos, 'ALTER TABLE of a view')
  const altered: Altered = { added: [], dropped: [], options: {}, statements: [] }
  if (table !== undefined) for (const action of ast.actions) alter(c, action, ref, table.columns, altered)
  return {
    kind: 'ddl',
    statement_type: 'ALTER_TABLE',
    statements: altered.statements,
    columns: [],
    target: ref,
    checks: [],
    ddl: {
      operation: 'alter_table',
      ...ref,
      if_exists: ast.if_exists,
      columns: altered.added,
      dropped_columns: altered.dropped,
      options: altered.options,
    },
  }
}
/** What the actions of one ALTER TABLE have come to so far. */
interface Altered {
  added: Column[]
  dropped: string[]
  options: Record<string, OptionValue>
  statements: string[]
}
const alter = (c: Compiler, action: AlterAction, ref: TableRef, columns: readonly Column[], altered: Altered): void => {
  switch (action.k) {
    case 'options':
      Object.assign(altered.options, optionsOf(c, action.options, 'table'))
      return
    case 'add': {
      const { name } = action.column
      const exists = [...columns, ...altered.added].some((column) => sameName(column.name, name.text))
      if (exists && action.if_not_exists) return
      if (exists) throw c.invalid(action.pos, `Column already exists: ${name.text}`)
      if (action.column.not_null) throw c.invalid(action.pos, 'A column that is added cannot be NOT NULL')
      if (action.column.max_length !== undefined) throw c.unsupported(action.pos, 'ADD COLUMN of STRING with a length')
      if (action.column.default !== undefined)
        throw c.invalid(action.pos, 'A column that is added cannot have a DEFAULT')
      const { column, sql } = columnDefinition(c, action.column)
      altered.added.push(column)
      altered.statements.push(`ALTER TABLE ${tableSql(ref)} ADD COLUMN ${sql}`)
      return
    }
    case 'drop': {
      const { text } = action.name
      const exists = columns.some((column) => sameName(column.name, text))
      if (!exists && action.if_exists) return
      if (!exists) throw c.invalid(action.pos, `Column not found: ${text}`)
      altered.dropped.push(text)
      altered.statements.push(`ALTER TABLE ${tableSql(ref)} DROP COLUMN ${ident(text)}`)
    }
  }
}

export const drop = (c: Compiler, ast: Statement & { k: 'drop' }): Plan => {
  if (ast.what === 'SCHEMA') return dropSchema(c, ast)
  const ref = c.resolveTable(ast.target.parts)
  requireOwnProject(c, ref, ast.target.pos)
  const table = c.catalog.table(ref)
  const kind = ast.what === 'TABLE' ? 'table' : 'view'
  if (table === undefined && !ast.if_exists) {
    const what = kind === 'table' ? 'Table' : 'View'
    throw notFound(c, `${what} ${ref.project_id}.${ref.dataset}.${ref.table}`, ast.pos)
  }
  if (table !== undefined && table.kind !== kind)
    throw c.invalid(ast.pos, `${ref.dataset}.${ref.table} is a ${table.kind}`)
  const exists = ast.if_exists ? 'IF EXISTS ' : ''
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
const dropSchema = (c: Compiler, ast: Statement & { k: 'drop' }): Plan => {
  const ref = datasetRef(c, ast.target)
  if (c.catalog.dataset(ref) === undefined && !ast.if_exists)
    throw notFound(c, `Dataset ${ref.project_id}.${ref.dataset}`, ast.pos)
  const exists = ast.if_exists ? 'IF EXISTS ' : ''
  const cascade = ast.cascade ? ' CASCADE' : ''
  return {
    kind: 'ddl',
    statement_type: 'DROP_SCHEMA',
    statements: [`DROP SCHEMA ${exists}${ident(ref.project_id)}.${ident(ref.dataset)}${cascade}`],
    columns: [],
    checks: [],
    ddl: { operation: 'drop_schema', ...ref, if_exists: ast.if_exists, cascade: ast.cascade, options: {} },
  }
}
