/** CREATE, DROP and ALTER. */
import type { AlterAction, ColumnDef, OptionDef, Statement } from '../ast.ts'
import { identifier, nameList, targetPath } from './names.ts'
import { parseColumnType } from './types.ts'
import type { Parser } from './tokens.ts'

const optionList = (p: Parser): OptionDef[] => {
  p.expect('(')
  const option = (): OptionDef => {
    const name = identifier(p, true)
    p.expect('=')
    return { name: name.text.toLowerCase(), value: p.expression(), pos: name.pos }
  }
  const options = p.is(')') ? [] : p.list(option)
  p.expect(')')
  return options
}
const optionalOptions = (p: Parser): OptionDef[] => (p.take('OPTIONS') ? optionList(p) : [])
const columnDef = (p: Parser): ColumnDef => {
  const where = p.pos()
  const column = identifier(p)
  const def: ColumnDef = { name: column, ...parseColumnType(p), not_null: false, options: [], pos: where }
  for (;;) {
    if (p.take('NOT')) {
      p.expect('NULL')
      def.not_null = true
    } else if (p.take('DEFAULT')) def.default = p.expression()
    else if (p.take('OPTIONS')) def.options = optionList(p)
    else if (p.isAny('PRIMARY', 'REFERENCES', 'CONSTRAINT')) throw p.refuse(`${p.peek().up} at a column`)
    else if (p.is('COLLATE')) throw p.refuse('COLLATE')
    else if (p.is('GENERATED') || (p.is('AS') && p.peek(1).up === '(')) throw p.refuse('A generated column')
    else return def
  }
}
const ifNotExists = (p: Parser): boolean => p.take('IF', 'NOT', 'EXISTS')
export const create = (p: Parser, where: number): Statement => {
  const replace = p.take('OR', 'REPLACE')
  if (p.isAny('TEMP', 'TEMPORARY')) throw p.refuse(`CREATE ${p.peek().up} ${p.peek(1).text.toUpperCase()}`)
  if (p.take('SCHEMA')) {
    if (replace) throw p.refuse('CREATE OR REPLACE SCHEMA', where)
    return createSchema(p, where)
  }
  const materialized = p.take('MATERIALIZED')
  if (p.take('VIEW')) return createView(p, where, { replace, materialized })
  if (!p.take('TABLE')) throw p.refuse(`CREATE ${p.peek().text.toUpperCase()}`)
  if (p.is('FUNCTION')) throw p.refuse('CREATE TABLE FUNCTION')
  return createTable(p, where, replace)
}
const createSchema = (p: Parser, where: number): Statement => {
  const if_not_exists = ifNotExists(p)
  const target = targetPath(p)
  if (p.is('DEFAULT')) throw p.refuse('DEFAULT COLLATE')
  return { k: 'create-schema', target, if_not_exists, options: optionalOptions(p), pos: where }
}
const createView = (p: Parser, where: number, head: { replace: boolean; materialized: boolean }): Statement => {
  const if_not_exists = ifNotExists(p)
  const target = targetPath(p)
  const column = () => ({ name: identifier(p), options: optionalOptions(p) })
  const columns = p.is('(') ? p.parenthesized(column) : undefined
  if (p.isAny('PARTITION', 'CLUSTER')) throw p.refuse('PARTITION BY or CLUSTER BY of a materialized view')
  const options = optionalOptions(p)
  p.expect('AS')
  const query_start = p.pos()
  const query = p.query()
  const query_end = p.previous()?.end ?? query_start
  return {
    k: 'create-view',
    target,
    ...head,
    if_not_exists,
    columns,
    options,
    query,
    query_start,
    query_end,
    pos: where,
  }
}
const createTable = (p: Parser, where: number, replace: boolean): Statement => {
  const if_not_exists = ifNotExists(p)
  const target = targetPath(p)
  const result: Statement & { k: 'create-table' } = {
    k: 'create-table',
    target,
    replace,
    if_not_exists,
    cluster: [],
    options: [],
    pos: where,
  }
  if (p.take('(')) tableElements(p, result)
  if (p.take('LIKE')) result.like = targetPath(p)
  else if (p.isAny('CLONE', 'COPY')) throw p.refuse(`CREATE TABLE ${p.peek().up}`)
  if (p.is('DEFAULT')) throw p.refuse('DEFAULT COLLATE')
  if (p.take('PARTITION')) {
    p.expect('BY')
    result.partition = p.expression()
  }
  if (p.take('CLUSTER')) {
    p.expect('BY')
    result.cluster = p.list(() => identifier(p))
  }
  if (p.is('WITH', 'CONNECTION')) throw p.refuse('WITH CONNECTION')
  result.options = optionalOptions(p)
  if (p.take('AS')) result.query = p.query()
  return result
}
/** Columns and constraints of a new table, with the closing parenthesis. */
const tableElements = (p: Parser, table: Statement & { k: 'create-table' }): void => {
  table.columns = []
  do {
    if (p.is(')')) break // a trailing comma is allowed
    if (p.take('PRIMARY')) {
      p.expect('KEY')
      table.primary_key = nameList(p)
      p.expect('NOT', 'ENFORCED')
    } else if (p.isAny('CONSTRAINT', 'FOREIGN')) throw p.refuse(`${p.peek().up} in CREATE TABLE`)
    else table.columns.push(columnDef(p))
  } while (p.take(','))
  p.expect(')')
}
export const drop = (p: Parser, where: number): Statement => {
  const materialized = p.take('MATERIALIZED')
  const word = p.next()
  const what = materialized && word.up === 'VIEW' ? 'MATERIALIZED VIEW' : word.up
  if (what !== 'TABLE' && what !== 'VIEW' && what !== 'SCHEMA' && what !== 'MATERIALIZED VIEW')
    throw p.refuse(`DROP ${word.text.toUpperCase()}`, where)
  if (p.is('FUNCTION')) throw p.refuse('DROP TABLE FUNCTION')
  const if_exists = p.take('IF', 'EXISTS')
  const target = targetPath(p)
  const cascade = p.take('CASCADE')
  if (!cascade) p.take('RESTRICT')
  if (cascade && what !== 'SCHEMA') throw p.invalid(where, 'CASCADE belongs to DROP SCHEMA')
  return { k: 'drop', what, target, if_exists, cascade, pos: where }
}
export const alter = (p: Parser, where: number): Statement => {
  if (!p.take('TABLE')) throw p.refuse(`ALTER ${p.peek().text.toUpperCase()}`, where)
  const if_exists = p.take('IF', 'EXISTS')
  const target = targetPath(p)
  const actions = p.list(() => alterAction(p))
  return { k: 'alter-table', target, if_exists, actions, pos: where }
}
const alterAction = (p: Parser): AlterAction => {
  const pos = p.pos()
  if (p.take('ADD', 'COLUMN')) {
    const if_not_exists = ifNotExists(p)
    return { k: 'add', column: columnDef(p), if_not_exists, pos }
  }
  if (p.take('DROP', 'COLUMN')) {
    const if_exists = p.take('IF', 'EXISTS')
    return { k: 'drop', name: identifier(p), if_exists, pos }
  }
  if (p.take('SET', 'OPTIONS')) return { k: 'options', options: optionList(p), pos }
  throw p.refuse(`ALTER TABLE ${p.peek().text.toUpperCase()} ${p.peek(1).text.toUpperCase()}`.trimEnd())
}
