/** Numeric functions. */
import { type Compiler, type Expression, isNumber } from '../compile/compiler.ts'
import { volatileCall } from '../compile/volatile.ts'
import { type ScalarFunction, double, noMatch, numeric, simple } from './signature.ts'
import { reservedSchema as MACROS, onceSuffix } from '../macros/macro.ts'
import { BIGNUMERIC, BOOL, FLOAT64, INT64, NUMERIC, duckdbTypeOf, typeName } from '../types.ts'

/** To digits behind the point, or before it: by the part of the number that holds the last of them. */
export const roundedBignumeric = (
  compiler: Compiler,
  pos: number,
  x: Expression,
  fn: 'round' | 'trunc',
  digits: number,
): Expression => {
  if (digits >= 38) return { ...x, name: undefined, lit: undefined }
  const build = (call: string): Expression => compiler.build(pos, BIGNUMERIC, `${MACROS}.${call}`, x)
  if (digits >= 0 && digits < 20) {
    const step = `CAST('1e-${digits}' AS DECIMAL(38,20))`
    return build(fn === 'round' ? `big_round(${x.sql}, ${digits})` : `big_trunc(${x.sql}, ${digits}, ${step})`)
  }
  const [part, zeros] = ((): [string, number] => {
    if (digits > 0) return ['rest', 38 - digits]
    return digits >= -9 ? ['units', -digits] : ['billions', Math.min(32, -digits - 9)]
  })()
  const half = fn === 'round' ? `5${'0'.repeat(zeros - 1)}` : '0'
  return build(`big_step_${part}(${x.sql}, CAST('1${'0'.repeat(zeros)}' AS HUGEINT), CAST('${half}' AS HUGEINT))`)
}
const rounding = (fn: 'round' | 'trunc'): ScalarFunction => ({
  min: 1,
  max: fn === 'round' ? 3 : 2,
  gen: ({ compiler, ast, args }) => {
    const [x0, n, mode] = args()
    if (mode !== undefined) throw compiler.unsupported(mode.pos, 'ROUND with a rounding mode')
    if (x0 === undefined) throw noMatch(compiler, ast, [])
    const x = x0.type.k === 'INT64' || x0.type.k === 'NULL' ? compiler.coerce(x0, FLOAT64, ast.name) : x0
    if (!isNumber(x.type)) throw noMatch(compiler, ast, [x])
    const digits = n === undefined ? undefined : compiler.coerce(n, INT64, ast.name)
    if (digits !== undefined && x.type.k !== 'FLOAT64' && digits.lit === undefined)
      throw compiler.unsupported(ast.pos, `${ast.name} of ${typeName(x.type)} to a number of digits that is no literal`)
    if (x.type.k === 'BIGNUMERIC') return roundedBignumeric(compiler, ast.pos, x, fn, Number(digits?.lit?.value ?? 0))
    if (digits !== undefined && fn === 'trunc' && x.type.k !== 'FLOAT64') {
      const places = Number(digits.lit?.value)
      if (places < 0 || places > 9) throw compiler.unsupported(ast.pos, 'TRUNC to this number of digits')
      const scale = `CAST(1${'0'.repeat(places)} AS BIGINT)`
      return compiler.build(
        ast.pos,
        NUMERIC,
        `${MACROS}.from_nano(${MACROS}.nano(${x.sql}) // (1000000000 // ${scale}) * (1000000000 // ${scale}))`,
        x,
      )
    }
    const suffix =
      digits === undefined ? '' : `, ${digits.lit === undefined ? `CAST(${digits.sql} AS INTEGER)` : digits.lit.value}`
    if (x.type.k === 'FLOAT64')
      return digits === undefined
        ? compiler.build(ast.pos, FLOAT64, `${fn}(${x.sql})`, x)
        : compiler.build(ast.pos, FLOAT64, `${MACROS}.${fn}_float(${x.sql}, ${digits.sql})`, x, x, x, digits)
    return compiler.build(ast.pos, x.type, `CAST(${fn}(${x.sql}${suffix}) AS ${duckdbTypeOf(x.type)})`, x)
  },
})
const wholeDivision = (macro: string): ScalarFunction => ({
  min: 2,
  max: 2,
  gen: ({ compiler, ast, args }) => {
    const { type, es } = compiler.unify(args(), ast.name, ast.pos)
    if (type.k !== 'INT64' && type.k !== 'NUMERIC')
      throw type.k === 'FLOAT64'
        ? noMatch(compiler, ast, es)
        : compiler.unsupported(ast.pos, `${ast.name} of ${typeName(type)}`)
    const own = type.k === 'NUMERIC' && macro === 'idiv' ? 'num_idiv' : macro
    return compiler.build(ast.pos, type, `${MACROS}.${own}(${es.map((e) => e.sql).join(', ')})`, ...es)
  },
})
const safeDivide: ScalarFunction = {
  min: 2,
  max: 2,
  gen: ({ compiler, ast, args }) => {
    let { type, es } = compiler.unify(args(), ast.name, ast.pos)
    if (type.k === 'INT64') {
      es = es.map((e) => compiler.coerce(e, FLOAT64, ast.name))
      type = FLOAT64
    }
    if (!isNumber(type)) throw noMatch(compiler, ast, es)
    const macro = { NUMERIC: 'num_safe_div', BIGNUMERIC: 'big_safe_div' }[type.k as string] ?? 'safe_div'
    return compiler.build(ast.pos, type, `${MACROS}.${macro}(${es.map((e) => e.sql).join(', ')})`, ...es)
  },
}
/** A function of FLOAT64 that GoogleSQL also has for NUMERIC: there its nine digits must be sure. */
const realFunction = (
  sql: (...args: string[]) => string,
  min: number,
  max = min,
  macro = 'num_of',
): ScalarFunction => ({
  min,
  max,
  gen: ({ compiler, ast, args }) => {
    const { type, es } = compiler.unify(args(), ast.name, ast.pos)
    if (type.k === 'BIGNUMERIC') throw compiler.unsupported(ast.pos, `${ast.name} of BIGNUMERIC`)
    const floats = es.map((e) => compiler.coerce(e, FLOAT64, ast.name))
    const value = compiler.build(ast.pos, FLOAT64, sql(...floats.map((e) => e.sql)), ...floats)
    if (type.k !== 'NUMERIC') return value
    const rest = macro === 'num_of' ? [] : es
    const list = [...rest.map((e) => e.sql), value.sql].join(', ')
    return compiler.build(ast.pos, NUMERIC, `${MACROS}.${macro}(${list})`, ...rest, value)
  },
})
const power = realFunction((x, y) => `${MACROS}.finite(pow(${x}, ${y}), ${x}, ${y})`, 2, 2, 'num_pow')
const plainFunction =
  (name: string) =>
  (x: string): string =>
    `${name}(${x})`
export const within = (x: string, type: string): string => `CAST(${x} AS ${type})`
const ofBignumeric =
  (macro: string) =>
  (x: string): string =>
    `${MACROS}.${macro}(${x})`
export const whole = (fn: 'ceil' | 'floor'): ScalarFunction =>
  numeric({
    FLOAT64: plainFunction(fn),
    NUMERIC: (x) => within(`${fn}(${x})`, 'DECIMAL(38,9)'),
    BIGNUMERIC: ofBignumeric(`big_${fn}`),
  })

/** NULL where the sum, difference or product has no place in the type; faults of the arguments stay faults. */
const safeArithmetic = (macro: 'add' | 'sub' | 'mul'): ScalarFunction => ({
  min: 2,
  max: 2,
  gen: ({ compiler, ast, args }) => {
    const { type, es } = compiler.unify(args(), ast.name, ast.pos)
    if (!isNumber(type)) throw noMatch(compiler, ast, es)
    if (type.k === 'BIGNUMERIC') throw compiler.unsupported(ast.pos, `${ast.name} of BIGNUMERIC`)
    const kind = { INT64: 'int', FLOAT64: 'float' }[type.k as string] ?? 'num'
    const list = es.map((e) => e.sql).join(', ')
    return compiler.build(ast.pos, type, `${MACROS}.safe_${macro}_${kind}${onceSuffix}(${list})`, ...es)
  },
})
const safeNegate: ScalarFunction = numeric({
  INT64: (x) => `CASE WHEN ${x} > -9223372036854775808 THEN -${x} END`,
  FLOAT64: (x) => `(-${x})`,
  NUMERIC: (x) => `(-${x})`,
})
/** A function of FLOAT64 that takes infinity for NaN. */
const trigonometric = (name: string): ScalarFunction =>
  double((x) => `CASE WHEN isfinite(${x}) THEN ${name}(${x}) WHEN ${x} IS NOT NULL THEN CAST('nan' AS DOUBLE) END`, 1)
const rangeBucket: ScalarFunction = {
  min: 2,
  max: 2,
  gen: ({ compiler, ast, arg }) => {
    const [point, bounds] = [arg(0), arg(1)]
    if (bounds.type.k !== 'ARRAY') throw noMatch(compiler, ast, [point, bounds])
    const { of } = bounds.type
    if (of.k !== 'INT64' && of.k !== 'NUMERIC' && of.k !== 'STRING' && of.k !== 'DATE')
      throw compiler.unsupported(ast.pos, `${ast.name} of ${typeName(of)}`)
    const x = compiler.coerce(point, of, ast.name)
    return compiler.build(ast.pos, INT64, `${MACROS}.range_bucket(${x.sql}, ${bounds.sql})`, x, bounds)
  },
}

/** By upper-case name. */
export const numberFunctions = {
  SAFE_ADD: safeArithmetic('add'),
  SAFE_SUBTRACT: safeArithmetic('sub'),
  SAFE_MULTIPLY: safeArithmetic('mul'),
  SAFE_NEGATE: safeNegate,
  SIN: trigonometric('sin'),
  COS: trigonometric('cos'),
  TAN: trigonometric('tan'),
  ATAN: double((x) => `atan(${x})`, 1),
  ATAN2: double((x, y) => `atan2(${x}, ${y})`, 2),
  CBRT: double((x) => `cbrt(${x})`, 1),
  BIT_COUNT: simple([INT64], INT64, (x) => `CAST(bit_count(${x}) AS BIGINT)`),
  RANGE_BUCKET: rangeBucket,
  ABS: numeric({
    INT64: plainFunction('abs'),
    FLOAT64: plainFunction('abs'),
    NUMERIC: plainFunction('abs'),
    BIGNUMERIC: ofBignumeric('big_abs'),
  }),
  SIGN: numeric({
    INT64: (x) => within(`sign(${x})`, 'BIGINT'),
    FLOAT64: (x) => within(`sign(${x})`, 'DOUBLE'),
    NUMERIC: (x) => within(`sign(${x})`, 'DECIMAL(38,9)'),
    BIGNUMERIC: ofBignumeric('big_sign'),
  }),
  ROUND: rounding('round'),
  TRUNC: rounding('trunc'),
  CEIL: whole('ceil'),
  CEILING: whole('ceil'),
  FLOOR: whole('floor'),
  SQRT: realFunction((x) => `sqrt(${x})`, 1),
  POW: power,
  POWER: power,
  EXP: realFunction((x) => `${MACROS}.finite(exp(${x}), ${x}, ${x})`, 1),
  LN: realFunction((x) => `ln(${x})`, 1),
  LOG: realFunction((x, base?: string) => (base === undefined ? `ln(${x})` : `(ln(${x}) / ln(${base}))`), 1, 2),
  LOG10: realFunction((x) => `log10(${x})`, 1),
  IS_NAN: simple([FLOAT64], BOOL, (x) => `isnan(${x})`),
  IS_INF: simple([FLOAT64], BOOL, (x) => `isinf(${x})`),
  DIV: wholeDivision('idiv'),
  MOD: wholeDivision('modulo'),
  SAFE_DIVIDE: safeDivide,
  IEEE_DIVIDE: double((x, y) => `(${x} / ${y})`, 2),
  RAND: {
    min: 0,
    max: 0,
    gen: ({ compiler, ast }) => volatileCall(compiler, ast.pos, FLOAT64, (call) => call, 'random'),
  },
} satisfies Record<string, ScalarFunction>
