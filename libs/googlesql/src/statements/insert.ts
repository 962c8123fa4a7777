/** INSERT of rows and of a query. */
import type { Column } from '@convergence/contracts'
import type { Statement } from '../ast.ts'
import { emptyScope, type Compiler } from '../compile/compiler.ts'
import { tableSql } from '../compile/tables.ts'
import { ident } from '../types.ts'
import { jsonRows } from './json-rows.ts'
import type { Plan } from './plan.ts'
import { columnList, missing, target, wrongCount } from './target.ts'
import { columnNames, emptyArray, stored, value } from './values.ts'

export const insert = (c: Compiler, ast: Statement & { k: 'insert' }): Plan => {
  const table = target(c, ast.target)
  const given = columnList(c, table, ast.columns)
  const left = missing(table, given)
  const into = `INSERT INTO ${tableSql(table.ref)} (${columnNames([...given, ...left])})`
  const base: Omit<Plan, 'statements'> = {
    kind: 'dml',
    statement_type: 'INSERT',
    columns: [],
    target: table.ref,
    checks: [],
  }
  if (ast.rows !== undefined) {
    const rows = ast.rows.map((row) => {
      if (row.length !== given.length) throw wrongCount(c, row[0]?.pos ?? ast.pos, row.length, given.length)
      const cells = row.map((cell, at) => value(c, cell, emptyScope(), given[at] as Column))
      return `(${[...cells, ...left.map(emptyArray)].join(', ')})`
    })
    return { ...base, statements: [`${into} VALUES ${rows.join(', ')}`] }
  }
  const { query } = ast
  if (query === undefined) throw c.invalid(ast.pos, 'INSERT needs VALUES or a query')
  const compiled = c.query(query, undefined)
  if (compiled.columns.length !== given.length) throw wrongCount(c, query.pos, compiled.columns.length, given.length)
  const alias = c.fresh()
  const cells = compiled.columns.map((column, at) =>
    stored(c, c.build(query.pos, column.type, `${alias}.${ident(column.sql)}`), given[at] as Column),
  )
  const parts = jsonRows(query, given)
  return {
    ...base,
    statements: [`${into} SELECT ${[...cells, ...left.map(emptyArray)].join(', ')} FROM (${compiled.sql}) AS ${alias}`],
    ...(parts === undefined ? {} : { json_rows: parts }),
  }
}
