/** Expressions of the syntax tree, compiled with their types. */
import { arrayQuery } from './array-query.ts'
import { arraySql, buildStruct } from './build.ts'
import { compileCall } from './calls.ts'
import { unifyItems } from './coerce.ts'
import { type Compiler, type Expression, type Scope, isNumber } from './compiler.ts'
import { addInterval, extractPart } from './dates.ts'
import { compileLiteral, decimalDigits, temporalLiteral } from './literals.ts'
import { fieldOf, resolvePath } from './names.ts'
import { arithmetic, caseExpression, compareOperands, concatenate, inOperator, subscript } from './operators.ts'
import type { Expr } from '../parser.ts'
import { reservedSchema as MACROS, onceSuffix } from '../setup.ts'
import {
  BOOL,
  FLOAT64,
  INT64,
  JSON_TYPE,
  STRING,
  arrayOf,
  bignumericScale,
  duckdbTypeOf,
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
  const pos = ast.pos
  switch (ast.k) {
    case 'lit':
      return compileLiteral(compiler, ast.type, ast.text, pos)
    case 'typed': {
      if (ast.type === 'NUMERIC' || ast.type === 'BIGNUMERIC') {
        const digits = decimalDigits(ast.text.trim().replace(/^\+/, ''))
        if (digits === undefined || ast.text.trim() === '')
          throw compiler.invalid(pos, `Invalid ${ast.type} literal: ${JSON.stringify(ast.text)}`)
        if (digits > (ast.type === 'NUMERIC' ? 9 : bignumericScale))
          throw ast.type === 'NUMERIC'
            ? compiler.invalid(pos, `Invalid NUMERIC literal: ${JSON.stringify(ast.text)}`)
            : compiler.unsupported(pos, `A BIGNUMERIC with more than ${bignumericScale} fractional digits`)
        return compiler.build(
          pos,
          { k: ast.type },
          `CAST(${text(ast.text.trim())} AS ${duckdbTypeOf({ k: ast.type })})`,
        )
      }
      if (ast.type === 'JSON') {
        try {
          JSON.parse(ast.text)
        } catch {
          throw compiler.invalid(pos, 'Invalid JSON literal')
        }
        return compiler.build(pos, JSON_TYPE, `CAST(${text(ast.text)} AS JSON)`)
      }
      const value = temporalLiteral(compiler, { k: ast.type }, ast.text, pos)
      if (value === undefined) throw compiler.invalid(pos, `Invalid ${ast.type} literal: ${JSON.stringify(ast.text)}`)
      return value
    }
    case 'param': {
      const parameter = compiler.parameters.find((candidate) => candidate.name.toLowerCase() === ast.name.toLowerCase())
      if (parameter === undefined) throw compiler.invalid(pos, `Query parameter ${JSON.stringify(ast.name)} not found`)
      compiler.used.add(parameter.name)
      return {
        ...compiler.build(pos, parameter.type, `CAST($${parameter.name} AS ${duckdbTypeOf(parameter.type)})`),
        param: true,
      }
    }
    case 'path': {
      const found = resolvePath(compiler, ast.parts, scope)
      const [head] = ast.parts
      if (found === undefined && head !== undefined && pseudoColumns.has(head.text.toUpperCase()))
        throw compiler.unsupported(pos, `Column ${head.text.toUpperCase()}`)
      if (found === undefined)
        throw compiler.invalid(pos, `Unrecognized name: ${ast.parts.map((part) => part.text).join('.')}`)
      return found
    }
    case 'dot':
      return fieldOf(compiler, compiler.expression(ast.base, scope), ast.name)
    case 'index':
      return subscript(compiler, compiler.expression(ast.base, scope), ast, scope)
    case 'call':
      return compileCall(compiler, ast, scope)
    case 'unary': {
      if (ast.op === 'NOT') {
        const x = compiler.bool(ast.x, scope, 'NOT')
        return compiler.build(pos, BOOL, `(NOT ${x.sql})`, x)
      }
      const x = compiler.expression(ast.x, scope)
      if (!isNumber(x.type) && x.type.k !== 'NULL')
        throw compiler.invalid(pos, `Operator ${ast.op} is not defined for ${typeName(x.type)}`)
      return ast.op === '-'
        ? compiler.build(pos, x.type.k === 'NULL' ? INT64 : x.type, `(-${x.sql})`, x)
        : { ...x, name: undefined }
    }
    case 'binary': {
      if (ast.op === 'AND' || ast.op === 'OR') {
        const l = compiler.bool(ast.l, scope, ast.op)
        const r = compiler.bool(ast.r, scope, ast.op)
        return compiler.build(pos, BOOL, `(${l.sql} ${ast.op} ${r.sql})`, l, r)
      }
      if ((ast.op === '+' || ast.op === '-') && ast.r.k === 'interval') {
        const base = compiler.expression(ast.l, scope)
        if (base.type.k === 'DATE') throw compiler.unsupported(pos, 'DATE with INTERVAL (use DATE_ADD or DATE_SUB)')
        return addInterval(compiler, base, compiler.expression(ast.r.n, scope), ast.r.part, ast.op, pos)
      }
      const operand = (side: Expr): Expression =>
        isArithmetic(ast) && isArithmetic(side)
          ? compileOperator(compiler, side, scope)
          : compiler.expression(side, scope)
      const l = operand(ast.l)
      const r = operand(ast.r)
      if (ast.op === '||') return concatenate(compiler, [l, r], pos, 'operator ||')
      if (['+', '-', '*', '/'].includes(ast.op)) return arithmetic(compiler, ast.op, l, r, pos)
      return compareOperands(compiler, ast.op, l, r, pos)
    }
    case 'is': {
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
        return compiler.build(
          pos,
          BOOL,
          `(${l?.sql ?? ''} IS ${ast.not ? 'NOT ' : ''}DISTINCT FROM ${r?.sql ?? ''})`,
          l,
          r,
        )
      }
      const x = compiler.bool(ast.x, scope, 'IS')
      return compiler.build(pos, BOOL, `(${x.sql} IS ${ast.not ? 'NOT ' : ''}${ast.what})`, x)
    }
    case 'between': {
      const { type, es } = compiler.unify(
        [compiler.expression(ast.x, scope), compiler.expression(ast.lo, scope), compiler.expression(ast.hi, scope)],
        'BETWEEN',
        pos,
      )
      const [x, lo, hi] = es
      if (x === undefined || lo === undefined || hi === undefined) throw compiler.invalid(pos, 'An operand is missing')
      if (type.k === 'FLOAT64') {
        const both = `(${compareOperands(compiler, '>=', x, lo, pos).sql} AND ${compareOperands(compiler, '<=', x, hi, pos).sql})`
        return compiler.build(pos, BOOL, ast.not ? `(NOT ${both})` : both, x, x, x, x, lo, hi)
      }
      if (type.k === 'STRUCT' || type.k === 'ARRAY' || type.k === 'JSON')
        throw compiler.unsupported(pos, `BETWEEN on ${type.k}`)
      return compiler.build(pos, BOOL, `(${x.sql} ${ast.not ? 'NOT ' : ''}BETWEEN ${lo.sql} AND ${hi.sql})`, x, lo, hi)
    }
    case 'in':
      return inOperator(compiler, ast, scope)
    case 'like': {
      const x = compiler.expression(ast.x, scope)
      const pattern = compiler.expression(ast.pattern, scope)
      const l = compiler.coerce(x, STRING, 'LIKE')
      const r = compiler.coerce(pattern, STRING, 'LIKE')
      const plain = pattern.lit?.kind === 'STRING' && !pattern.lit.value.includes('\\')
      return compiler.build(
        pos,
        BOOL,
        `(${l.sql} ${ast.not ? 'NOT ' : ''}LIKE ${r.sql}${plain ? '' : " ESCAPE '\\'"})`,
        l,
        r,
      )
    }
    case 'case': {
      const parts: Expression[] = []
      const subject = ast.subject === undefined ? undefined : compiler.expression(ast.subject, scope)
      const whens = ast.whens.map(({ when, then }) => {
        const condition =
          subject === undefined
            ? compiler.bool(when, scope, 'CASE')
            : compareOperands(compiler, '=', subject, compiler.expression(when, scope), when.pos)
        parts.push(condition)
        return { when: condition.sql, then: compiler.expression(then, scope) }
      })
      return caseExpression(
        compiler,
        pos,
        whens,
        ast.otherwise === undefined ? undefined : compiler.expression(ast.otherwise, scope),
        parts,
      )
    }
    case 'cast':
      return {
        ...compiler.cast(compiler.expression(ast.x, scope), ast.type, ast.safe),
        name: undefined,
        lit: undefined,
        pos,
      }
    case 'extract':
      return extractPart(
        compiler,
        ast.part,
        compiler.expression(ast.x, scope),
        ast.zone === undefined ? undefined : compiler.expression(ast.zone, scope),
        pos,
      )
    case 'interval':
      throw compiler.unsupported(pos, 'INTERVAL outside of + and - or a date function')
    case 'exists': {
      const simple = arrayQuery(compiler, ast.query, scope, 'exists')
      if (simple !== undefined) return simple
      const inner = compiler.query(ast.query, scope)
      return { ...compiler.build(pos, BOOL, `EXISTS (${inner.sql})`), sub: true }
    }
    case 'subquery': {
      const simple = arrayQuery(compiler, ast.query, scope, 'scalar')
      if (simple !== undefined) return simple
      const inner = compiler.query(ast.query, scope)
      const [column] = inner.columns
      if (column === undefined || inner.columns.length !== 1)
        throw compiler.invalid(pos, 'A scalar subquery must have one column')
      return { ...compiler.build(pos, column.type, `(${inner.sql})`), sub: true }
    }
    case 'arrayq': {
      const simple = arrayQuery(compiler, ast.query, scope, 'array')
      if (simple !== undefined) return simple
      const inner = compiler.query(ast.query, scope)
      const [column] = inner.columns
      if (column === undefined || inner.columns.length !== 1)
        throw compiler.invalid(pos, 'An ARRAY subquery must have one column')
      if (column.type.k === 'ARRAY') throw compiler.invalid(pos, 'An ARRAY subquery cannot give an array of arrays')
      return {
        ...compiler.build(pos, arrayOf(column.type.k === 'NULL' ? INT64 : column.type), `ARRAY(${inner.sql})`),
        sub: true,
      }
    }
    case 'array': {
      const items = ast.items.map((item) => compiler.expression(item, scope))
      if (ast.of !== undefined) {
        const of = ast.of
        const typed = items.map((item) => compiler.coerce(item, of, 'ARRAY'))
        return { ...compiler.build(pos, arrayOf(of), arraySql(typed, of), ...typed), items: typed }
      }
      const { type, es } = unifyItems(compiler, items, pos)
      if (type.k === 'ARRAY') throw compiler.invalid(pos, 'An array of arrays is not a type')
      return { ...compiler.build(pos, arrayOf(type), arraySql(es, type), ...es), items: es }
    }
    case 'struct': {
      const items = ast.items.map(({ expr: item }) => compiler.expression(item, scope))
      if (ast.fields !== undefined) {
        const fields = ast.fields
        if (fields.length !== items.length)
          throw compiler.invalid(pos, 'STRUCT: the number of values differs from that of the fields')
        return buildStruct(
          compiler,
          [...fields],
          items.map((item, at) => compiler.coerce(item, fields[at]?.type ?? item.type, 'STRUCT')),
          pos,
        )
      }
      return buildStruct(
        compiler,
        items.map((item, at) => ({
          name: ast.items[at]?.name ?? item.name,
          type: item.type.k === 'NULL' ? INT64 : item.type,
        })),
        items.map((item) => (item.type.k === 'NULL' ? { ...item, sql: 'CAST(NULL AS BIGINT)' } : item)),
        pos,
      )
    }
    case 'default':
      throw compiler.invalid(pos, 'DEFAULT belongs to INSERT and UPDATE')
  }
}
export const compileBool = (compiler: Compiler, ast: Expr, scope: Scope, where: string): Expression => {
  const e = compiler.expression(ast, scope)
  if (e.type.k !== 'BOOL' && e.type.k !== 'NULL')
    throw compiler.invalid(ast.pos, `${where} needs BOOL but got ${typeName(e.type)}`)
  return compiler.coerce(e, BOOL, where)
}
