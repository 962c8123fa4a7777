/** SELECT, and the columns of a query that becomes a table or a view. */
import type { Column } from '@convergence/contracts'
import type { Statement } from '../ast.ts'
import type { Compiled, Compiler, Output } from '../compile/compiler.ts'
import { columnOfType, ident } from '../types.ts'
import type { Plan } from './plan.ts'
import { checkedArrays } from './values.ts'

export const select = (c: Compiler, ast: Statement & { k: 'select' }): Plan => {
  const compiled = c.query(ast.query, undefined)
  return {
    kind: 'query',
    statement_type: 'SELECT',
    statements: [checkedOutput(c, compiled)],
    columns: columnsOf(c, compiled.columns, ast.pos),
    checks: [],
  }
}

/** The final SELECT: its arrays never hold NULL elements. */
const checkedOutput = (c: Compiler, compiled: Compiled): string => {
  const alias = c.fresh()
  const columns = compiled.columns.map(({ name, sql, type }) => {
    const value = `${alias}.${ident(sql)}`
    const checked = checkedArrays(type, value, name ?? sql)
    return checked === value ? value : `${checked} AS ${ident(sql)}`
  })
  if (!columns.some((column) => column.startsWith('CASE'))) return compiled.sql
  return `SELECT ${columns.join(', ')} FROM (${compiled.sql}) AS ${alias}`
}
export const columnsOf = (c: Compiler, outputs: readonly Output[], pos: number): Column[] =>
  outputs.map((output) => {
    if (output.type.k === 'ARRAY' && output.type.of.k === 'ARRAY')
      throw c.invalid(pos, 'An array of arrays is not a column')
    return columnOfType(output.sql, output.type)
  })
/** Outputs of a query that becomes a table or view: named and unique. */
export const storedOutputs = (c: Compiler, outputs: readonly Output[], pos: number): Output[] => {
  const names = new Set<string>()
  return outputs.map((output, index) => {
    if (output.name === undefined) throw c.invalid(pos, `CREATE ... AS SELECT: column ${index + 1} has no name`)
    if (names.has(output.name.toLowerCase())) throw c.invalid(pos, `Duplicate column name ${output.name} in the result`)
    names.add(output.name.toLowerCase())
    return output
  })
}
