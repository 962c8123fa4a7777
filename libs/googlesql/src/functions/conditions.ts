/** Conditional functions. */
import { caseExpression, compareOperands } from '../compile/operators.ts'
import { type ScalarFunction, many, noMatch, simple } from './signature.ts'
import type { Expr } from '../ast.ts'
import { reservedSchema as MACROS } from '../macros/macro.ts'
import { STRING } from '../types.ts'

const ifFunction: ScalarFunction = {
  min: 3,
  max: 3,
  gen: ({ compiler, ast, scope, arg }) => {
    const condition = compiler.bool(ast.args[0] as Expr, scope, 'IF')
    return caseExpression(compiler, ast.pos, [{ when: condition.sql, then: arg(1) }], arg(2), [condition])
  },
}
export const coalesce = (min: number, max: number): ScalarFunction => ({
  min,
  max,
  gen: ({ compiler, ast, args }) => {
    const es = args()
    const { type, es: typed } = compiler.unify(es, ast.name, ast.pos)
    return compiler.build(ast.pos, type, `coalesce(${typed.map((e) => e.sql).join(', ')})`, ...typed)
  },
})
const extreme = (fn: 'greatest' | 'least'): ScalarFunction => ({
  min: 1,
  max: many,
  gen: ({ compiler, ast, args }) => {
    const { type, es } = compiler.unify(args(), ast.name, ast.pos)
    if (type.k === 'STRUCT' || type.k === 'ARRAY' || type.k === 'JSON') throw noMatch(compiler, ast, es)
    const anyNull = es.filter((e) => e.lit === undefined || e.lit.kind === 'NULL').map((e) => `${e.sql} IS NULL`)
    const nan = type.k === 'FLOAT64' ? es.filter((e) => e.lit === undefined).map((e) => `isnan(${e.sql})`) : []
    const call = `${fn}(${es.map((e) => e.sql).join(', ')})`
    const whens = [
      anyNull.length > 0 ? ` WHEN ${anyNull.join(' OR ')} THEN NULL` : '',
      nan.length > 0 ? ` WHEN ${nan.join(' OR ')} THEN CAST('nan' AS DOUBLE)` : '',
    ].join('')
    return compiler.build(ast.pos, type, whens === '' ? call : `CASE${whens} ELSE ${call} END`, ...es, ...es, ...es)
  },
})

/** Conditions, by upper-case name. */
export const conditionFunctions = {
  IF: ifFunction,
  IFNULL: coalesce(2, 2),
  COALESCE: coalesce(1, many),
  NULLIF: {
    min: 2,
    max: 2,
    gen: ({ compiler, ast, args }) => {
      const [x, y] = compiler.unify(args(), 'NULLIF', ast.pos).es
      if (x === undefined || y === undefined) throw noMatch(compiler, ast, [])
      compareOperands(compiler, '=', x, y, ast.pos) // for its checks
      return compiler.build(
        ast.pos,
        x.type,
        `${MACROS}.null_if${x.type.k === 'FLOAT64' ? '_float' : ''}(${x.sql}, ${y.sql})`,
        x,
        y,
      )
    },
  },
  GREATEST: extreme('greatest'),
  LEAST: extreme('least'),
  // It has whatever type stands beside it.
  ERROR: simple([STRING], { k: 'NULL' }, (x) => `error('googlesql: ' || ${x})`),
} satisfies Record<string, ScalarFunction>
