/** CAST and SAFE_CAST. */
import type { AppError } from '@convergence/contracts'
import { castText } from './coerce.ts'
import { type Compiler, type Expression, dateTypes } from './compiler.ts'
import { decimalDigits, temporalLiteral } from './literals.ts'
import { reservedSchema as MACROS } from '../macros/macro.ts'
import { type Type, duckdbTypeOf, sameType, typeName } from '../types.ts'

/** NULL stays known as such. */
export const castTo = (compiler: Compiler, e: Expression, to: Type, safe: boolean): Expression => {
  const cast = castValue(compiler, e, to, safe)
  return e.lit?.kind === 'NULL' ? { ...cast, lit: e.lit } : cast
}
const castValue = (compiler: Compiler, e: Expression, to: Type, safe: boolean): Expression => {
  const from = e.type
  const no = (): AppError => compiler.invalid(e.pos, `Invalid cast from ${typeName(from)} to ${typeName(to)}`)
  if (from.k === 'NULL' || sameType(from, to)) return compiler.coerce(e, to, 'CAST')
  if (to.k === 'STRUCT' || to.k === 'ARRAY' || from.k === 'STRUCT' || from.k === 'ARRAY') {
    const coerced = compiler.tryCoerce(e, to)
    if (coerced === undefined) throw compiler.unsupported(e.pos, `CAST from ${typeName(from)} to ${typeName(to)}`)
    return coerced
  }
  const out = (sql: string): Expression => compiler.build(e.pos, to, sql, e)
  const plain = (): Expression => out(`${safe ? 'TRY_CAST' : 'CAST'}(${e.sql} AS ${duckdbTypeOf(to)})`)
  const pair = `${from.k}>${to.k}`
  if (from.k === 'STRING') {
    if (to.k === 'BYTES') return out(`encode(${e.sql})`)
    if (to.k === 'JSON') throw no()
    if (e.lit !== undefined && dateTypes.has(to.k)) {
      const literal = temporalLiteral(compiler, to, e.lit.value, e.pos)
      if (literal !== undefined) return literal
    }
    return out(`${castText(to, safe)}(${e.sql})`)
  }
  if (to.k === 'STRING') {
    switch (from.k) {
      case 'INT64':
      case 'DATE':
        return out(`CAST(${e.sql} AS VARCHAR)`)
      case 'BOOL':
        return out(`CAST(${e.sql} AS VARCHAR)`)
      case 'FLOAT64':
        return out(`${MACROS}.float_text(${e.sql})`)
      case 'NUMERIC':
        return out(`${MACROS}.decimal_text(${e.sql})`)
      case 'BIGNUMERIC':
        return out(`${MACROS}.bignum_text(${e.sql})`)
      case 'TIMESTAMP':
        return out(`${MACROS}.timestamp_text(${e.sql})`)
      case 'DATETIME':
        return out(`${MACROS}.datetime_text(${e.sql})`)
      case 'TIME':
        return out(`${MACROS}.time_text(${e.sql})`)
      case 'BYTES':
        return safe
          ? out(`CASE WHEN TRY(decode(${e.sql})) IS NOT NULL THEN decode(${e.sql}) END`)
          : out(`decode(${e.sql})`)
      default:
        throw no()
    }
  }
  switch (pair) {
    case 'INT64>FLOAT64':
    case 'INT64>NUMERIC':
    case 'INT64>BIGNUMERIC':
    case 'NUMERIC>FLOAT64':
    case 'NUMERIC>BIGNUMERIC':
    case 'BIGNUMERIC>FLOAT64':
      return safe && to.k === 'NUMERIC' ? plain() : compiler.coerce(e, to, 'CAST')
    case 'BIGNUMERIC>NUMERIC':
      return out(`${MACROS}.${safe ? 'safe_' : ''}bignum_to_num(${e.sql})`)
    case 'BIGNUMERIC>INT64':
      return out(`${MACROS}.${safe ? 'safe_' : ''}bignum_to_int(${e.sql})`)
    case 'NUMERIC>INT64':
    case 'INT64>BOOL':
    case 'BOOL>INT64':
      return plain()
    case 'FLOAT64>INT64':
      return out(`${MACROS}.${safe ? 'safe_' : ''}float_to_int(${e.sql})`)
    case 'FLOAT64>NUMERIC':
      if (e.lit !== undefined && (decimalDigits(e.lit.value) ?? 10) <= 9) return compiler.coerce(e, to, 'CAST')
      return out(`${MACROS}.${safe ? 'safe_' : ''}float_to_num(${e.sql})`)
    case 'FLOAT64>BIGNUMERIC':
      if (e.lit !== undefined) return compiler.coerce(e, to, 'CAST')
      return out(`${MACROS}.${safe ? 'safe_' : ''}float_to_bignum(${e.sql})`)
    case 'DATE>DATETIME':
      return out(`CAST(${e.sql} AS TIMESTAMP)`)
    case 'DATE>TIMESTAMP':
      return out(`timezone('UTC', CAST(${e.sql} AS TIMESTAMP))`)
    case 'DATETIME>DATE':
      return out(`CAST(${e.sql} AS DATE)`)
    case 'DATETIME>TIME':
      return out(`CAST(${e.sql} AS TIME)`)
    case 'DATETIME>TIMESTAMP':
      return out(`timezone('UTC', ${e.sql})`)
    case 'TIMESTAMP>DATE':
      return out(`CAST(timezone('UTC', ${e.sql}) AS DATE)`)
    case 'TIMESTAMP>DATETIME':
      return out(`timezone('UTC', ${e.sql})`)
    case 'TIMESTAMP>TIME':
      return out(`CAST(timezone('UTC', ${e.sql}) AS TIME)`)
    default:
      throw no()
  }
}
