/** Expressions of the syntax tree, compiled with their types. */
import { arrayQuery } from './array-query.ts'
import { compileCall } from './calls.ts'
import { type Compiler, type Expression, type Scope, isNumber } from './compiler.ts'
import { addInterval, extractPart } from './dates.ts'
import { arrayConstructor, structConstructor } from './constructors.ts'
import { compileLiteral, typedLiteral } from './literals.ts'
import { betweenOperator, caseOperator, isOperator, likeOperator } from './predicates.ts'
import { fieldOf, resolvePath } from './names.ts'
import { negated } from './bignumeric.ts'
import { arithmetic, bits, isBitOperator, compareOperands, concatenate, inOperator, subscript } from './operators.ts'
import type { Expr } from '../ast.ts'
import { reservedSchema as MACROS, onceSuffix } from '../macros/macro.ts'
import {
  BOOL,
  DATETIME,
  type Type,
  FLOAT64,
  INT64,
  STRING,
  arrayOf,
  duckdbTypeOf,
  fieldName,
  ident,
  sameType,
  text,
  typeName,
} from '../types.ts'

const pseudoColumns = new Set(['_PARTITIONTIME', '_PARTITIONDATE', '_TABLE_SUFFIX', '_FILE_NAME'])
/** Sums and products pass an overflow on, so only the outermost one is checked. */
export const compileExpression = (compiler: Compiler, ast: Expr, scope: Scope): Expression => {
  const e = compileOperator(compiler, ast, scope)
  if (e.open !== true) return e
  return {
    ...compiler.build(e.pos, FLOAT64, `${MACROS}.fin${(e.weight ?? 1) > 20 ? onceSuffix : ''}(${e.sql})`),
    agg: e.agg,
    win: e.win,
    sub: e.sub,
    weight: (e.weight ?? 1) * ((e.weight ?? 1) > 20 ? 1 : 2),
  }
}
const isArithmetic = (ast: Expr): boolean => ast.k === 'binary' && (ast.op === '+' || ast.op === '-' || ast.op === '*')
const compileOperator = (compiler: Compiler, ast: Expr, scope: Scope): Expression => {
  const expression = (inner: Expr): Expression => compiler.expression(inner, scope)
  switch (ast.k) {
    case 'lit':
      return compileLiteral(compiler, ast.type, ast.text, ast.pos)
    case 'typed':
      return typedLiteral(compiler, ast)
    case 'param':
      return parameter(compiler, ast)
    case 'path':
      return path(compiler, ast, scope)
    case 'dot':
      return fieldOf(compiler, expression(ast.base), ast.name)
    case 'index':
      return subscript(compiler, expression(ast.base), ast, scope)
    case 'call':
      return compileCall(compiler, ast, scope)
    case 'unary':
      return unary(compiler, ast, scope)
    case 'binary':
      return binary(compiler, ast, scope)
    case 'is':
      return isOperator(compiler, ast, scope)
    case 'between':
      return betweenOperator(compiler, ast, scope)
    case 'in':
      return inOperator(compiler, ast, scope)
    case 'like':
      return likeOperator(compiler, ast, scope)
    case 'case':
      return caseOperator(compiler, ast, scope)
    case 'cast':
      return castExpression(compiler.cast(expression(ast.x), ast.type, ast.safe), ast.pos)
    case 'extract':
      return extractPart(compiler, ast.part, expression(ast.x), ast.zone && expression(ast.zone), ast.pos)
    case 'interval':
      throw compiler.unsupported(ast.pos, 'INTERVAL outside of + and - or a date function')
    case 'exists':
    case 'subquery':
    case 'arrayq':
      return subquery(compiler, ast, scope)
    case 'array':
      return arrayConstructor(compiler, ast, scope)
    case 'struct':
      return structConstructor(compiler, ast, scope)
    case 'default':
      throw compiler.invalid(ast.pos, 'DEFAULT belongs to INSERT and UPDATE')
  }
}
const parameter = (compiler: Compiler, ast: Expr & { k: 'param' }): Expression => {
  const pos = ast.pos
  const found = compiler.parameters.find((candidate) => candidate.name.toLowerCase() === ast.name.toLowerCase())
  if (found === undefined) throw compiler.invalid(pos, `Query parameter ${JSON.stringify(ast.name)} not found`)
  compiler.used.add(found.name)
  return {
    ...compiler.build(pos, found.type, boundValue(compiler, `$${found.name}`, found.type)),
    param: true,
  }
}
/** What is bound as text: BIGNUMERIC has no type of DuckDB's. */
const boundType = (type: Type): Type => {
  if (type.k === 'BIGNUMERIC') return STRING
  if (type.k === 'ARRAY') return arrayOf(boundType(type.of))
  if (type.k !== 'STRUCT') return type
  return { k: 'STRUCT', fields: type.fields.map((field) => ({ ...field, type: boundType(field.type) })) }
}
const boundValue = (compiler: Compiler, name: string, type: Type): string => {
  const read = (sql: string, own: Type): string => {
    if (sameType(boundType(own), own)) return sql
    if (own.k === 'ARRAY') {
      const element = compiler.fresh()
      return `list_transform(${sql}, lambda ${element}: ${read(element, own.of)})`
    }
    if (own.k !== 'STRUCT') return `${MACROS}.to_bignum${onceSuffix}(${sql})`
    const fields = own.fields.map((field, at) => {
      const value = read(`struct_extract(${sql}, ${text(fieldName(field, at))})`, field.type)
      return `${ident(fieldName(field, at))} := ${value}`
    })
    return `CASE WHEN ${sql} IS NOT NULL THEN struct_pack(${fields.join(', ')}) END`
  }
  return read(`CAST(${name} AS ${duckdbTypeOf(boundType(type))})`, type)
}
const path = (compiler: Compiler, ast: Expr & { k: 'path' }, scope: Scope): Expression => {
  const pos = ast.pos
  const found = resolvePath(compiler, ast.parts, scope)
  const [head] = ast.parts
  if (found === undefined && head !== undefined && pseudoColumns.has(head.text.toUpperCase()))
    throw compiler.unsupported(pos, `Column ${head.text.toUpperCase()}`)
  if (found === undefined)
    throw compiler.invalid(pos, `Unrecognized name: ${ast.parts.map((part) => part.text).join('.')}`)
  return found
}
const unary = (compiler: Compiler, ast: Expr & { k: 'unary' }, scope: Scope): Expression => {
  const pos = ast.pos
  if (ast.op === 'NOT') {
    const x = compiler.bool(ast.x, scope, 'NOT')
    return compiler.build(pos, BOOL, `(NOT ${x.sql})`, x)
  }
  const x = compiler.expression(ast.x, scope)
  if (ast.op === '~') {
    const whole = compiler.coerce(x, INT64, 'operator ~')
    return compiler.build(pos, INT64, `(~${whole.sql})`, whole)
  }
  if (!isNumber(x.type) && x.type.k !== 'NULL')
    throw compiler.invalid(pos, `Operator ${ast.op} is not defined for ${typeName(x.type)}`)
  if (ast.op === '+') return { ...x, name: undefined }
  if (x.type.k === 'BIGNUMERIC') return negated(compiler, x, pos)
  return compiler.build(pos, x.type.k === 'NULL' ? INT64 : x.type, `(-${x.sql})`, x)
}
const binary = (compiler: Compiler, ast: Expr & { k: 'binary' }, scope: Scope): Expression => {
  const pos = ast.pos
  if (ast.op === 'AND' || ast.op === 'OR') {
    const l = compiler.bool(ast.l, scope, ast.op)
    const r = compiler.bool(ast.r, scope, ast.op)
    return compiler.build(pos, BOOL, `(${l.sql} ${ast.op} ${r.sql})`, l, r)
  }
  if ((ast.op === '+' || ast.op === '-') && ast.r.k === 'interval') {
    const base = compiler.expression(ast.l, scope)
    // A DATE and an INTERVAL are a DATETIME.
    const from = base.type.k === 'DATE' ? compiler.cast(base, DATETIME, false) : base
    return addInterval(compiler, from, compiler.expression(ast.r.n, scope), ast.r.part, ast.op, pos)
  }
  const operand = (side: Expr): Expression =>
    isArithmetic(ast) && isArithmetic(side) ? compileOperator(compiler, side, scope) : compiler.expression(side, scope)
  const l = operand(ast.l)
  const r = operand(ast.r)
  if (isBitOperator(ast.op)) return bits(compiler, ast.op, l, r, pos)
  if (ast.op === '||') return concatenate(compiler, [l, r], pos, 'operator ||')
  if (['+', '-', '*', '/'].includes(ast.op)) return arithmetic(compiler, ast.op, l, r, pos)
  return compareOperands(compiler, ast.op, l, r, pos)
}
/** EXISTS (...), a scalar subquery, ARRAY(...): over one array of the row as list functions, or else as they are. */
const subquery = (
  compiler: Compiler,
  ast: Expr & { k: 'exists' | 'subquery' | 'arrayq' },
  scope: Scope,
): Expression => {
  const simple = arrayQuery(
    compiler,
    ast.query,
    scope,
    ({ exists: 'exists', subquery: 'scalar', arrayq: 'array' } as const)[ast.k],
  )
  if (simple !== undefined) return simple
  const inner = compiler.query(ast.query, scope)
  const out = (type: Type, sql: string): Expression => ({ ...compiler.build(ast.pos, type, sql), sub: true })
  if (ast.k === 'exists') return out(BOOL, `EXISTS (${inner.sql})`)
  const [column] = inner.columns
  if (column === undefined || inner.columns.length !== 1)
    throw compiler.invalid(ast.pos, `${ast.k === 'arrayq' ? 'An ARRAY' : 'A scalar'} subquery must have one column`)
  if (ast.k === 'subquery') return out(column.type, `(${inner.sql})`)
  if (column.type.k === 'ARRAY') throw compiler.invalid(ast.pos, 'An ARRAY subquery cannot give an array of arrays')
  return out(arrayOf(column.type.k === 'NULL' ? INT64 : column.type), `ARRAY(${inner.sql})`)
}
export const compileBool = (compiler: Compiler, ast: Expr, scope: Scope, where: string): Expression => {
  const e = compiler.expression(ast, scope)
  if (e.type.k !== 'BOOL' && e.type.k !== 'NULL')
    throw compiler.invalid(ast.pos, `${where} needs BOOL but got ${typeName(e.type)}`)
  return compiler.coerce(e, BOOL, where)
}
/** A value that was cast is no literal, but a NULL is known as one. */
const castExpression = (e: Expression, pos: number): Expression => ({
  ...e,
  name: undefined,
  lit: e.lit?.kind === 'NULL' ? e.lit : undefined,
  pos,
})
