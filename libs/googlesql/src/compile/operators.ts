/** Operators over compiled operands. */
import { type Compiler, type Expression, type Scope, dateTypes, isNumber } from './compiler.ts'
import { fieldOf } from './names.ts'
import { bignumericArithmetic } from './bignumeric.ts'
import { evaluatedFirst, readOnce } from './volatile.ts'
import type { Expr } from '../ast.ts'
import { within } from './dates.ts'
import { reservedSchema as MACROS, onceSuffix } from '../macros/macro.ts'
import {
  BIGNUMERIC,
  BOOL,
  DATE,
  FLOAT64,
  INT64,
  JSON_TYPE,
  NUMERIC,
  STRING,
  type Field,
  arrayOf,
  fieldName,
  ident,
  sameType,
  text,
  typeName,
} from '../types.ts'

export const compareOperands = (
  compiler: Compiler,
  op: string,
  l0: Expression,
  r0: Expression,
  pos: number,
): Expression => {
  const { type, es } = compiler.unify([l0, r0], `operator ${op}`, pos)
  const [l, r] = es
  if (l === undefined || r === undefined) throw compiler.invalid(pos, 'An operand is missing')
  if (type.k === 'ARRAY') throw compiler.invalid(pos, `Operator ${op} is not defined for ${typeName(type)}`)
  if (type.k === 'STRUCT' && (op === '=' || op === '<>')) return compareStructs(compiler, op, l, r, type.fields, pos)
  if (type.k === 'STRUCT' || type.k === 'JSON') throw compiler.unsupported(pos, `Operator ${op} on ${type.k}`)
  const out = (sql: string): Expression => compiler.build(pos, BOOL, sql, l, r)
  // DuckDB makes one BETWEEN of two comparisons of the structs, and then cannot do it.
  if (type.k === 'BIGNUMERIC' && op !== '=' && op !== '<>') {
    const macro = op.endsWith('=') ? 'big_ge' : 'big_gt'
    const [upper, lower] = op.startsWith('>') ? [l, r] : [r, l]
    return out(`${MACROS}.${macro}(${upper.sql}, ${lower.sql})`)
  }
  if (type.k === 'FLOAT64') {
    const nan = (e: Expression): boolean =>
      e.lit === undefined && !e.sql.startsWith(`${MACROS}.fin(`) && !/^CAST\('-?[0-9.eE+-]+' AS DOUBLE\)$/.test(e.sql)
    switch (op) {
      case '=':
        return nan(l) && nan(r) ? out(`${MACROS}.feq(${l.sql}, ${r.sql})`) : out(`(${l.sql} = ${r.sql})`)
      case '<>':
        return nan(l) && nan(r) ? out(`${MACROS}.fne(${l.sql}, ${r.sql})`) : out(`(${l.sql} <> ${r.sql})`)
      case '>':
        return nan(l) ? out(`${MACROS}.fgt(${l.sql}, ${r.sql})`) : out(`(${l.sql} > ${r.sql})`)
      case '>=':
        return nan(l) ? out(`${MACROS}.fge(${l.sql}, ${r.sql})`) : out(`(${l.sql} >= ${r.sql})`)
      case '<':
        return nan(r) ? out(`${MACROS}.fgt(${r.sql}, ${l.sql})`) : out(`(${l.sql} < ${r.sql})`)
      default:
        return nan(r) ? out(`${MACROS}.fge(${r.sql}, ${l.sql})`) : out(`(${l.sql} <= ${r.sql})`)
    }
  }
  return out(`(${l.sql} ${op} ${r.sql})`)
}
/** A literal, a column or a field of one: nothing in it fails. */
const isPlain = (e: Expression): boolean =>
  e.lit !== undefined || /^(?:struct_extract\()*[\w."]+(?:, '\w+'\))*$/.test(e.sql)
/** Field by field: one that differs decides, whatever is NULL beside it. */
const compareStructs = (
  compiler: Compiler,
  op: string,
  l: Expression,
  r: Expression,
  fields: readonly Field[],
  pos: number,
): Expression => {
  const fieldsOf = (e: Expression): Expression[] =>
    fields.map(
      (field, at) =>
        e.items?.[at] ?? compiler.build(pos, field.type, `struct_extract(${e.sql}, ${text(fieldName(field, at))})`, e),
    )
  const compared = (left: readonly Expression[], right: readonly Expression[]): Expression => {
    const each = left.map((field, at) => compareOperands(compiler, '=', field, right[at] ?? field, pos))
    const list = `[${each.map(({ sql }) => sql).join(', ')}]`
    const same = compiler.build(pos, BOOL, `${MACROS}.all_true${onceSuffix}(${list})`, ...each)
    return op === '=' ? same : { ...same, sql: `(NOT ${same.sql})` }
  }
  const [left, right] = [fieldsOf(l), fieldsOf(r)]
  const plain = compared(left, right)
  if ([...left, ...right].every(isPlain))
    return readOnce(compiler, plain, [l, r], ([a = l, b = r]) => compared(fieldsOf(a), fieldsOf(b)))
  // DuckDB leaves out what does not decide, and a fault in it with it: computed fields come before the comparison.
  const ordered = evaluatedFirst(compiler, plain, [...left, ...right], (all) =>
    compared(all.slice(0, fields.length), all.slice(fields.length)),
  )
  if (ordered === undefined) throw compiler.unsupported(pos, 'A comparison of STRUCTs with these fields')
  return ordered
}
export const arithmetic = (compiler: Compiler, op: string, l0: Expression, r0: Expression, pos: number): Expression => {
  const days = (date: Expression, n: Expression, sign: string): Expression =>
    within(compiler, pos, DATE, `(${date.sql} ${sign} CAST(${n.sql} AS INTEGER))`, date, n)
  if (op !== '*' && op !== '/' && l0.type.k === 'DATE' && r0.type.k === 'INT64') return days(l0, r0, op)
  if (op === '+' && r0.type.k === 'DATE' && l0.type.k === 'INT64') return days(r0, l0, '+')
  if (dateTypes.has(l0.type.k) || dateTypes.has(r0.type.k))
    throw compiler.unsupported(pos, `Operator ${op} on ${typeName(l0.type)} and ${typeName(r0.type)}`)
  if (
    op === '/' &&
    (l0.type.k === 'INT64' || l0.type.k === 'NULL') &&
    (r0.type.k === 'INT64' || r0.type.k === 'NULL')
  ) {
    return divide(compiler, compiler.coerce(l0, FLOAT64, 'operator /'), compiler.coerce(r0, FLOAT64, 'operator /'), pos)
  }
  const { type, es } = compiler.unify([l0, r0], `operator ${op}`, pos)
  const [l, r] = es
  if (l === undefined || r === undefined || !isNumber(type))
    throw compiler.invalid(
      pos,
      `No matching signature for operator ${op} for argument types: ${typeName(l0.type)}, ${typeName(r0.type)}`,
    )
  if (op === '/') return divide(compiler, l, r, pos)
  if (op === '*' && type.k === 'NUMERIC')
    return compiler.build(pos, NUMERIC, `CAST(${l.sql} * ${r.sql} AS DECIMAL(38,9))`, l, r)
  if (type.k === 'BIGNUMERIC') return bignumericArithmetic(compiler, op as '+' | '-' | '*', l, r, pos)
  const result = compiler.build(pos, type, `(${l.sql} ${op} ${r.sql})`, l, r)
  return type.k === 'FLOAT64' ? { ...result, open: true } : result
}
export const divide = (compiler: Compiler, l: Expression, r: Expression, pos: number): Expression => {
  if (l.type.k === 'BIGNUMERIC') return compiler.build(pos, BIGNUMERIC, `${MACROS}.big_div(${l.sql}, ${r.sql})`, l, r)
  if (l.type.k === 'NUMERIC') return compiler.build(pos, NUMERIC, `${MACROS}.num_div(${l.sql}, ${r.sql})`, l, r)
  const constant = /^CAST\('(-?[0-9.]+)' AS DOUBLE\)$/.exec(r.sql)
  return compiler.build(
    pos,
    FLOAT64,
    constant !== null && Math.abs(Number(constant[1])) >= 1
      ? `(${l.sql} / ${r.sql})`
      : `${MACROS}.div(${l.sql}, ${r.sql})`,
    l,
    r,
  )
}
export const caseExpression = (
  compiler: Compiler,
  pos: number,
  whens: { when: string; then: Expression }[],
  otherwise: Expression | undefined,
  parts: (Expression | undefined)[],
): Expression => {
  const results = [...whens.map(({ then }) => then), ...(otherwise === undefined ? [] : [otherwise])]
  const { type, es } = compiler.unify(results, 'CASE', pos)
  const branches = whens.map(({ when }, index) => `WHEN ${when} THEN ${es[index]?.sql ?? 'NULL'}`).join(' ')
  const last = otherwise === undefined ? '' : ` ELSE ${es.at(-1)?.sql ?? 'NULL'}`
  return compiler.build(pos, type, `CASE ${branches}${last} END`, ...parts, ...results)
}

export const concatenate = (compiler: Compiler, es: readonly Expression[], pos: number, what: string): Expression => {
  const typed = es.find((e) => e.type.k !== 'NULL')?.type ?? STRING
  if (typed.k === 'ARRAY') {
    const arrays = compiler.unify(es, what, pos)
    return compiler.build(pos, arrays.type, `(${arrays.es.map((e) => e.sql).join(' || ')})`, ...es)
  }
  if (typed.k !== 'STRING' && typed.k !== 'BYTES')
    throw compiler.invalid(
      pos,
      `No matching signature for ${what} for argument types: ${es.map((e) => typeName(e.type)).join(', ')}`,
    )
  return compiler.build(pos, typed, `(${es.map((e) => compiler.coerce(e, typed, what).sql).join(' || ')})`, ...es)
}
export const subscript = (
  compiler: Compiler,
  base: Expression,
  ast: Expr & { k: 'index' },
  scope: Scope,
): Expression => {
  const at = compiler.expression(ast.index, scope)
  if (base.type.k === 'JSON' && ast.mode === 'PLAIN') {
    if (at.lit?.kind === 'STRING')
      return { ...fieldOf(compiler, base, { text: at.lit.value, pos: ast.pos }), name: undefined }
    if (at.lit?.kind === 'INT64' && Number(at.lit.value) >= 0)
      return compiler.build(ast.pos, JSON_TYPE, `json_extract(${base.sql}, '$[${at.lit.value}]')`, base)
    if (at.type.k === 'STRING' && at.lit === undefined)
      return compiler.build(ast.pos, JSON_TYPE, `${MACROS}.json_field(${base.sql}, ${at.sql})`, base, at)
    throw compiler.unsupported(ast.pos, 'A JSON subscript that is no literal and no STRING')
  }
  if (base.type.k !== 'ARRAY') throw compiler.invalid(ast.pos, `A subscript is not defined for ${typeName(base.type)}`)
  const i = compiler.coerce(at, INT64, 'Array subscript')
  const macro = {
    OFFSET: 'at_offset',
    PLAIN: 'at_offset',
    SAFE_OFFSET: 'safe_offset',
    ORDINAL: 'at_ordinal',
    SAFE_ORDINAL: 'safe_ordinal',
  }[ast.mode]
  return compiler.build(ast.pos, base.type.of, `${MACROS}.${macro}(${base.raw ?? base.sql}, ${i.sql})`, base, i)
}
export const inOperator = (compiler: Compiler, ast: Expr & { k: 'in' }, scope: Scope): Expression => {
  const x = compiler.expression(ast.x, scope)
  const no = ast.not ? 'NOT ' : ''
  if (x.type.k === 'STRUCT' || x.type.k === 'ARRAY' || x.type.k === 'JSON')
    throw compiler.unsupported(ast.pos, `IN on ${x.type.k}`)
  if (ast.unnest !== undefined) {
    const array = compiler.expression(ast.unnest, scope)
    if (array.type.k !== 'ARRAY') throw compiler.invalid(ast.unnest.pos, 'IN UNNEST needs an array')
    const of = array.type.of
    const element: Expression = { ...compiler.build(ast.pos, of, ''), param: array.param }
    const { type } = compiler.unify([x, element], 'IN UNNEST', ast.pos)
    const typed = sameType(type, of) ? array : compiler.coerce(array, arrayOf(type), 'IN UNNEST')
    const e = compiler.coerce(x, type, 'IN UNNEST')
    return compiler.build(ast.pos, BOOL, `(${no}${MACROS}.in_array(${e.sql}, ${typed.raw ?? typed.sql}))`, e, typed)
  }
  if (ast.query !== undefined) {
    const inner = compiler.query(ast.query, scope)
    const [column] = inner.columns
    if (column === undefined || inner.columns.length !== 1)
      throw compiler.invalid(ast.pos, 'A subquery of IN must have one column')
    const element: Expression = compiler.build(ast.pos, column.type, `_q.${ident(column.sql)}`)
    const { es } = compiler.unify([x, element], 'IN', ast.pos)
    const rows = es[1]?.sql === element.sql ? inner.sql : `SELECT ${es[1]?.sql ?? ''} FROM (${inner.sql}) AS _q`
    return { ...compiler.build(ast.pos, BOOL, `(${es[0]?.sql ?? ''} ${no}IN (${rows}))`, x), sub: true }
  }
  const list = (ast.list ?? []).map((item) => compiler.expression(item, scope))
  const { type, es } = compiler.unify([x, ...list], 'IN', ast.pos)
  const [first, ...rest] = es
  if (first === undefined) throw compiler.invalid(ast.pos, 'An operand is missing')
  if (type.k === 'FLOAT64') {
    const oneOf = (a: Expression, others: readonly Expression[]): Expression => {
      const someEqual = `(${others.map((e) => compareOperands(compiler, '=', a, e, ast.pos).sql).join(' OR ')})`
      return compiler.build(
        ast.pos,
        BOOL,
        ast.not ? `(NOT ${someEqual})` : someEqual,
        ...others,
        ...others.map(() => a),
      )
    }
    return readOnce(compiler, oneOf(first, rest), es, ([a = first, ...others]) => oneOf(a, others))
  }
  return compiler.build(ast.pos, BOOL, `(${first.sql} ${no}IN (${rest.map((e) => e.sql).join(', ')}))`, ...es)
}
const bitSql: Readonly<Record<string, (l: string, r: string) => string>> = {
  '&': (l, r) => `(${l} & ${r})`,
  '|': (l, r) => `(${l} | ${r})`,
  '^': (l, r) => `xor(${l}, ${r})`,
  '<<': (l, r) => `${MACROS}.shift_left(${l}, ${r})`,
  '>>': (l, r) => `${MACROS}.shift_right(${l}, ${r})`,
}
export const isBitOperator = (op: string): boolean => op in bitSql
/** Operators on the bits of INT64. */
export const bits = (compiler: Compiler, op: string, l0: Expression, r0: Expression, pos: number): Expression => {
  if (l0.type.k === 'BYTES' || r0.type.k === 'BYTES') throw compiler.unsupported(pos, `Operator ${op} of BYTES`)
  const [l, r] = [compiler.coerce(l0, INT64, `operator ${op}`), compiler.coerce(r0, INT64, `operator ${op}`)]
  return compiler.build(pos, INT64, bitSql[op]?.(l.sql, r.sql) ?? '', l, r)
}
