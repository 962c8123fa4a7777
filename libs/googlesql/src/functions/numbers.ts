/** Numeric functions. */
import { isNumber } from '../compile/compiler.ts'
import { volatileCall } from '../compile/volatile.ts'
import { type ScalarFunction, double, noMatch, numeric, simple } from './signature.ts'
import { reservedSchema as MACROS } from '../macros/macro.ts'
import { BOOL, FLOAT64, INT64, NUMERIC, duckdbTypeOf, typeName } from '../types.ts'

const rounding = (fn: 'round' | 'trunc'): ScalarFunction => ({
  min: 1,
  max: 2,
  gen: ({ compiler, ast, args }) => {
    const [x0, n] = args()
    if (x0 === undefined) throw noMatch(compiler, ast, [])
    const x = x0.type.k === 'INT64' || x0.type.k === 'NULL' ? compiler.coerce(x0, FLOAT64, ast.name) : x0
    if (!isNumber(x.type)) throw noMatch(compiler, ast, [x])
    const digits = n === undefined ? undefined : compiler.coerce(n, INT64, ast.name)
    if (digits !== undefined && x.type.k !== 'FLOAT64' && digits.lit === undefined)
      throw compiler.unsupported(ast.pos, `${ast.name} of ${typeName(x.type)} to a number of digits that is no literal`)
    if (digits !== undefined && fn === 'trunc' && x.type.k !== 'FLOAT64') {
      const places = Number(digits.lit?.value)
      if (places < 0 || places > 9) throw compiler.unsupported(ast.pos, 'TRUNC to this number of digits')
      const scale = `CAST(1${'0'.repeat(places)} AS BIGINT)`
      if (x.type.k === 'NUMERIC')
        return compiler.build(
          ast.pos,
          NUMERIC,
          `${MACROS}.from_nano(${MACROS}.nano(${x.sql}) // (1000000000 // ${scale}) * (1000000000 // ${scale}))`,
          x,
        )
      throw compiler.unsupported(ast.pos, 'TRUNC of BIGNUMERIC')
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
    if (type.k !== 'INT64' && !(type.k === 'NUMERIC' && macro === 'modulo'))
      throw type.k === 'FLOAT64'
        ? noMatch(compiler, ast, es)
        : compiler.unsupported(ast.pos, `${ast.name} of ${typeName(type)}`)
    return compiler.build(ast.pos, type, `${MACROS}.${macro}(${es.map((e) => e.sql).join(', ')})`, ...es)
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
    if (type.k === 'BIGNUMERIC') throw compiler.unsupported(ast.pos, 'SAFE_DIVIDE of BIGNUMERIC')
    if (!isNumber(type)) throw noMatch(compiler, ast, es)
    return compiler.build(
      ast.pos,
      type,
      `${MACROS}.${type.k === 'NUMERIC' ? 'num_safe_div' : 'safe_div'}(${es.map((e) => e.sql).join(', ')})`,
      ...es,
    )
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
export const whole = (fn: string): ScalarFunction =>
  numeric({
    FLOAT64: plainFunction(fn),
    NUMERIC: (x) => within(`${fn}(${x})`, 'DECIMAL(38,9)'),
    BIGNUMERIC: (x) => within(`${fn}(${x})`, 'DECIMAL(38,18)'),
  })

/** By upper-case name. */
export const numberFunctions = {
  ABS: numeric({
    INT64: plainFunction('abs'),
    FLOAT64: plainFunction('abs'),
    NUMERIC: plainFunction('abs'),
    BIGNUMERIC: plainFunction('abs'),
  }),
  SIGN: numeric({
    INT64: (x) => within(`sign(${x})`, 'BIGINT'),
    FLOAT64: (x) => within(`sign(${x})`, 'DOUBLE'),
    NUMERIC: (x) => within(`sign(${x})`, 'DECIMAL(38,9)'),
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
