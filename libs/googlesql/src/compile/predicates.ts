/** IS, BETWEEN, LIKE and CASE. */
import { type Compiler, type Expression, type Scope } from './compiler.ts'
import { caseExpression, compareOperands } from './operators.ts'
import { readOnce } from './volatile.ts'
import type { Expr } from '../ast.ts'
import { reservedSchema as MACROS } from '../macros/macro.ts'
import { BOOL, STRING } from '../types.ts'

export const isOperator = (compiler: Compiler, ast: Expr & { k: 'is' }, scope: Scope): Expression => {
  const pos = ast.pos
  if (ast.what === 'NULL') {
    const x = compiler.expression(ast.x, scope)
    return compiler.build(pos, BOOL, `(${x.raw === undefined ? x.sql : x.sql} IS ${ast.not ? 'NOT ' : ''}NULL)`, x)
  }
  if (ast.what === 'DISTINCT') {
    if (ast.other === undefined) throw compiler.invalid(pos, 'An operand is missing')
    const { type, es } = compiler.unify(
      [compiler.expression(ast.x, scope), compiler.expression(ast.other, scope)],
      'IS DISTINCT FROM',
      pos,
    )
    const [l, r] = es
    if (type.k === 'STRUCT' || type.k === 'ARRAY' || type.k === 'JSON')
      throw compiler.unsupported(pos, `IS DISTINCT FROM on ${type.k}`)
    return compiler.build(pos, BOOL, `(${l?.sql ?? ''} IS ${ast.not ? 'NOT ' : ''}DISTINCT FROM ${r?.sql ?? ''})`, l, r)
  }
  const x = compiler.bool(ast.x, scope, 'IS')
  return compiler.build(pos, BOOL, `(${x.sql} IS ${ast.not ? 'NOT ' : ''}${ast.what})`, x)
}
export const betweenOperator = (compiler: Compiler, ast: Expr & { k: 'between' }, scope: Scope): Expression => {
  const pos = ast.pos
  const { type, es } = compiler.unify(
    [compiler.expression(ast.x, scope), compiler.expression(ast.lo, scope), compiler.expression(ast.hi, scope)],
    'BETWEEN',
    pos,
  )
  const [x, lo, hi] = es
  if (x === undefined || lo === undefined || hi === undefined) throw compiler.invalid(pos, 'An operand is missing')
  if (type.k === 'FLOAT64' || type.k === 'BIGNUMERIC') {
    const within = (a: Expression, low: Expression, high: Expression): Expression => {
      const [from, to] = [compareOperands(compiler, '>=', a, low, pos), compareOperands(compiler, '<=', a, high, pos)]
      const both = `(${from.sql} AND ${to.sql})`
      return compiler.build(pos, BOOL, ast.not ? `(NOT ${both})` : both, a, a, a, a, low, high)
    }
    return readOnce(compiler, within(x, lo, hi), es, ([a = x, low = lo, high = hi]) => within(a, low, high))
  }
  if (type.k === 'STRUCT' || type.k === 'ARRAY' || type.k === 'JSON')
    throw compiler.unsupported(pos, `BETWEEN on ${type.k}`)
  return compiler.build(pos, BOOL, `(${x.sql} ${ast.not ? 'NOT ' : ''}BETWEEN ${lo.sql} AND ${hi.sql})`, x, lo, hi)
}
export const likeOperator = (compiler: Compiler, ast: Expr & { k: 'like' }, scope: Scope): Expression => {
  const pos = ast.pos
  const x = compiler.expression(ast.x, scope)
  const pattern = compiler.expression(ast.pattern, scope)
  const l = compiler.coerce(x, STRING, 'LIKE')
  const r = compiler.coerce(pattern, STRING, 'LIKE')
  if (pattern.lit?.kind === 'STRING' && /(?<!\\)(?:\\\\)*\\$/.test(pattern.lit.value))
    throw compiler.invalid(pattern.pos, 'LIKE pattern ends with a backslash')
  const plain = pattern.lit?.kind === 'STRING' && !pattern.lit.value.includes('\\')
  return compiler.build(
    pos,
    BOOL,
    `(${l.sql} ${ast.not ? 'NOT ' : ''}LIKE ${r.lit === undefined ? `${MACROS}.like_pattern(${r.sql})` : r.sql}${plain ? '' : " ESCAPE '\\'"})`,
    l,
    r,
  )
}
export const caseOperator = (compiler: Compiler, ast: Expr & { k: 'case' }, scope: Scope): Expression => {
  const pos = ast.pos
  const subject = ast.subject === undefined ? undefined : compiler.expression(ast.subject, scope)
  const whens = ast.whens.map(({ when, then }) => ({
    when: subject === undefined ? compiler.bool(when, scope, 'CASE') : compiler.expression(when, scope),
    then: compiler.expression(then, scope),
  }))
  const otherwise = ast.otherwise === undefined ? undefined : compiler.expression(ast.otherwise, scope)
  const branches = (of: Expression | undefined): Expression => {
    const conditions = whens.map(({ when }) =>
      of === undefined ? when : compareOperands(compiler, '=', of, when, when.pos),
    )
    const results = whens.map(({ then }, at) => ({ when: conditions[at]?.sql ?? '', then }))
    return caseExpression(compiler, pos, results, otherwise, conditions)
  }
  const plain = branches(subject)
  return subject === undefined ? plain : readOnce(compiler, plain, [subject], ([of]) => branches(of))
}
