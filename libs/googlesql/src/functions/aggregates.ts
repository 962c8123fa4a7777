/** Aggregate functions. */
import { type Compiler, type Expression, type Scope, isNumber } from '../compile/compiler.ts'
import { arrayArg } from './arrays.ts'
import { type AggregateFunction, noMatch } from './signature.ts'
import { hasVolatile } from '../compile/volatile.ts'
import type { Call } from '../ast.ts'
import type { Parts } from '../bignumeric.ts'
import { ofParts, sumsOf, totalOf } from '../compile/bignumeric.ts'
import { reservedSchema as MACROS, onceSuffix } from '../macros/macro.ts'
import { BOOL, FLOAT64, INT64, NUMERIC, STRING, arrayOf, typeName } from '../types.ts'

export const one = (args: readonly Expression[]): Expression => {
  const [x] = args
  if (x === undefined) throw new Error('googlesql: an aggregate without argument')
  return x
}
const orderOf = (compiler: Compiler, ast: Call, scope: Scope, value: Expression): string => {
  const keys = ast.order.map((key) => {
    if (key.expr.k === 'lit' && key.expr.type !== 'NULL')
      throw compiler.invalid(key.pos, `${ast.name}: cannot ORDER BY a literal`)
    const { sql, e } = compiler.orderKey(key, scope, ast.distinct)
    if (ast.distinct && e.sql !== value.sql)
      throw compiler.invalid(key.pos, `${ast.name} with DISTINCT can only ORDER BY its argument`)
    return sql
  })
  return keys.length === 0 ? '' : ` ORDER BY ${keys.join(', ')}`
}
const groupable = (compiler: Compiler, ast: Call, x: Expression): void => {
  if (ast.distinct && (x.type.k === 'STRUCT' || x.type.k === 'ARRAY' || x.type.k === 'JSON'))
    throw compiler.unsupported(ast.pos, `${ast.name} DISTINCT of ${typeName(x.type)}`)
}
/** The values that are not NULL as a list, which is NULL when there are none. `order` is an ORDER BY or nothing. */
const listWithoutNull = (distinct: boolean, value: string, order: string): ((over: string) => string) => {
  const list = `list(${distinct ? 'DISTINCT ' : ''}${value}${order})`
  return hasVolatile(value)
    ? (over) => `nullif(list_filter(${list}${over}, lambda _given: _given IS NOT NULL), [])`
    : (over) => `${list} FILTER (WHERE ${value} IS NOT NULL)${over}`
}
/** The first elements of a list; none at all are NULL. */
const limited = (list: string, limit: string | undefined): string =>
  limit === undefined ? list : `nullif(list_slice(${list}, 1, ${limit}), [])`
const limitOf = (compiler: Compiler, ast: Call, scope: Scope): string | undefined => {
  if (ast.limit === undefined) return undefined
  const n = compiler.expression(ast.limit, scope)
  if (n.type.k !== 'INT64' || (n.lit === undefined && n.param !== true))
    throw compiler.invalid(ast.limit.pos, 'LIMIT needs a whole number')
  return n.sql
}
const minMax = (fn: 'min' | 'max'): AggregateFunction => ({
  min: 1,
  max: 1,
  distinct: true,
  gen: (compiler, ast, args) => {
    const x = one(args)
    if (x.type.k === 'STRUCT' || x.type.k === 'ARRAY' || x.type.k === 'JSON') throw noMatch(compiler, ast, args)
    const type = x.type.k === 'NULL' ? INT64 : x.type
    // NaN goes before every number. To DuckDB it is the greatest one, and its negative is NaN too.
    if (type.k === 'FLOAT64' && fn === 'min') return { type, sql: (over) => `(-max(-(${x.sql}))${over})` }
    return { type, sql: (over) => `${fn}(${x.sql})${over}` }
  },
})
/** Of what is not finite the result is NaN, of fewer than `least` values (or pairs) NULL: DuckDB has 0 or fails. */
const overFinite = (fn: string, es: readonly string[], least: number, over: string): string => {
  if (es.some(hasVolatile)) return `${fn}(${es.join(', ')})${over}`
  const given = es.map((e) => `${e} IS NOT NULL`).join(' AND ')
  const finite = es.map((e) => `isfinite(${e})`).join(' AND ')
  const numbers = es.map((e) => `CASE WHEN isfinite(${e}) THEN ${e} END`).join(', ')
  const odd = `CASE WHEN ${given} THEN NOT (${finite}) END`
  return (
    `CASE WHEN bool_or(${odd})${over} THEN CASE WHEN count(${odd})${over} >= ${least} THEN CAST('nan' AS DOUBLE) END` +
    ` ELSE ${fn}(${numbers})${over} END`
  )
}
const statistic = (fn: string, count: number): AggregateFunction => ({
  min: count,
  max: count,
  gen: (compiler, ast, args) => {
    const es = args.map((e) => compiler.coerce(e, FLOAT64, ast.name).sql)
    return { type: FLOAT64, sql: (over) => overFinite(fn, es, fn.endsWith('_pop') ? 1 : 2, over) }
  },
})
export const by = (max: boolean): AggregateFunction => ({
  min: 2,
  max: 2,
  gen: (_c, _ast, args) => ({
    type: args[0]?.type.k === 'NULL' ? INT64 : one(args).type,
    sql: (over) => `arg_${max ? 'max' : 'min'}_null(${args.map((e) => e.sql).join(', ')})${over}`,
  }),
})
/** NULL for fewer than two pairs, where DuckDB has NaN. */
const correlation: AggregateFunction = {
  min: 2,
  max: 2,
  gen: (compiler, ast, args) => {
    const es = args.map((e) => compiler.coerce(e, FLOAT64, ast.name).sql)
    return {
      type: FLOAT64,
      sql: (over) => `CASE WHEN regr_count(${es.join(', ')})${over} >= 2 THEN ${overFinite('corr', es, 2, over)} END`,
    }
  },
}
const logical = (fn: string): AggregateFunction => ({
  min: 1,
  max: 1,
  gen: (compiler, ast, args) => {
    const x = compiler.coerce(one(args), BOOL, ast.name)
    return { type: BOOL, sql: (over) => `${fn}(${x.sql})${over}` }
  },
})

/** Sums of the parts of BIGNUMERIC; those of different values over their list, for the parts alone are not different. */
const bignumericSums = (compiler: Compiler, x: Expression, distinct: boolean, over: string): Parts => {
  if (!distinct) return sumsOf(x, (part) => `sum(${part})${over}`)
  const one = compiler.fresh()
  return sumsOf(
    { ...x, sql: one, parts: undefined },
    (part) => `list_sum(list_transform(list(DISTINCT ${x.sql})${over}, lambda ${one}: ${part}))`,
  )
}

/**
 * DuckDB adds up what its threads and groups have summed without a look at 128 bits, and takes the sum of a constant as
 * a product. The values beyond 1e19 as FLOAT64 tell; of a column without any, DuckDB knows it before it reads.
 */
const numericTotal = (macro: string, sum: string, value: string, { distinct }: Call, over: string): string => {
  if (hasVolatile(value)) return `${sum}${over}`
  const bound = "CAST('10000000000000000000' AS DECIMAL(38,9))"
  const great = (one: string): string => `CASE WHEN ${value} > ${bound} OR ${value} < -${bound} THEN ${one} END`
  const total = distinct
    ? `list_sum(list_transform(list(DISTINCT ${great(value)})${over}, lambda _great: CAST(_great AS DOUBLE)))`
    : `sum(${great(`CAST(${value} AS DOUBLE)`)})${over}`
  return `${MACROS}.${macro}(${sum}${over}, ${total})`
}
/** Google adds FLOAT64 in a wider type: what only DuckDB takes beyond the range is not its answer. */
const floatTotal = (total: string, value: string, over: string): string =>
  hasVolatile(value) ? total : `${MACROS}.float_total(${total}, bool_or(isinf(${value}))${over})`

/** Aggregate functions by upper-case name. */
export const aggregates: ReadonlyMap<string, AggregateFunction> = new Map(
  Object.entries({
    COUNT: {
      min: 1,
      max: 1,
      star: true,
      distinct: true,
      gen: (compiler, ast, args) => {
        if (ast.star) return { type: INT64, sql: (over) => `count(*)${over}` }
        const x = one(args)
        groupable(compiler, ast, x)
        return { type: INT64, sql: (over) => `count(${ast.distinct ? 'DISTINCT ' : ''}${x.sql})${over}` }
      },
    },
    COUNTIF: {
      min: 1,
      max: 1,
      gen: (compiler, ast, args) => {
        const x = compiler.coerce(one(args), BOOL, ast.name)
        return { type: INT64, sql: (over) => `count(CASE WHEN ${x.sql} THEN 1 END)${over}` }
      },
    },
    SUM: {
      min: 1,
      max: 1,
      distinct: true,
      gen: (compiler, ast, args) => {
        const x = one(args).type.k === 'NULL' ? compiler.coerce(one(args), INT64, ast.name) : one(args)
        if (!isNumber(x.type)) throw noMatch(compiler, ast, args)
        if (x.type.k === 'BIGNUMERIC') {
          const parts = (over: string) => bignumericSums(compiler, x, ast.distinct, over)
          return { type: x.type, sql: (over) => ofParts(parts(over)), parts }
        }
        const inner = `sum(${ast.distinct ? 'DISTINCT ' : ''}${x.sql})`
        if (x.type.k === 'FLOAT64') return { type: x.type, sql: (over) => floatTotal(`${inner}${over}`, x.sql, over) }
        if (x.type.k === 'NUMERIC')
          return { type: x.type, sql: (over) => totalOf(numericTotal('num_total', inner, x.sql, ast, over), x.type) }
        return { type: x.type, sql: (over) => totalOf(`${inner}${over}`, x.type) }
      },
    },
    AVG: {
      min: 1,
      max: 1,
      distinct: true,
      gen: (compiler, ast, args) => {
        const x = one(args).type.k === 'NULL' ? compiler.coerce(one(args), FLOAT64, ast.name) : one(args)
        if (!isNumber(x.type)) throw noMatch(compiler, ast, args)
        if (x.type.k === 'BIGNUMERIC')
          return {
            type: x.type,
            sql: (over) => {
              const { billions, units, rest } = bignumericSums(compiler, x, ast.distinct, over)
              const count = `count(${ast.distinct ? 'DISTINCT ' : ''}${x.sql})${over}`
              return `${MACROS}.big_avg${onceSuffix}(${billions}, ${units}, ${rest}, ${count})`
            },
          }
        const value = `${ast.distinct ? 'DISTINCT ' : ''}${x.sql}`
        if (x.type.k === 'NUMERIC')
          return {
            type: NUMERIC,
            sql: (over) => {
              const total = numericTotal('num_part', `sum(${value})`, one(args).sql, ast, over)
              return `${MACROS}.num_safe_div${onceSuffix}(${total}, count(${value})${over})`
            },
          }
        return { type: FLOAT64, sql: (over) => `${MACROS}.float_average(avg(${value})${over})` }
      },
    },
    MIN: minMax('min'),
    MAX: minMax('max'),
    ANY_VALUE: {
      min: 1,
      max: 1,
      having: true,
      gen: (compiler, ast, args, scope) => {
        const x = one(args)
        const type = x.type.k === 'NULL' ? INT64 : x.type
        if (ast.having === undefined) return { type, sql: (over) => `any_value(${x.sql})${over}` }
        const key = compiler.expression(ast.having.expr, scope)
        return { type, sql: () => `arg_${ast.having?.max === true ? 'max' : 'min'}_null(${x.sql}, ${key.sql})` }
      },
    },
    MAX_BY: by(true),
    MIN_BY: by(false),
    ARRAY_AGG: {
      min: 1,
      max: 1,
      distinct: true,
      nulls: true,
      order: true,
      gen: (compiler, ast, args, scope) => {
        const x = one(args)
        if (x.type.k === 'ARRAY') throw compiler.invalid(ast.pos, 'ARRAY_AGG cannot give an array of arrays')
        groupable(compiler, ast, x)
        const order = orderOf(compiler, ast, scope, x)
        const list =
          ast.nulls === 'IGNORE'
            ? listWithoutNull(ast.distinct, x.sql, order)
            : (over: string): string => `list(${ast.distinct ? 'DISTINCT ' : ''}${x.sql}${order})${over}`
        const limit = limitOf(compiler, ast, scope)
        return {
          type: arrayOf(x.type.k === 'NULL' ? INT64 : x.type),
          sql: (over) => limited(list(over), limit),
        }
      },
    },
    ARRAY_CONCAT_AGG: {
      min: 1,
      max: 1,
      order: true,
      gen: (compiler, ast, args, scope) => {
        const x = arrayArg(compiler, ast, one(args))
        if (ast.limit !== undefined) throw compiler.unsupported(ast.pos, 'LIMIT in ARRAY_CONCAT_AGG')
        return { type: x.type, sql: (over) => `flatten(list(${x.sql}${orderOf(compiler, ast, scope, x)})${over})` }
      },
    },
    STRING_AGG: {
      min: 1,
      max: 2,
      distinct: true,
      order: true,
      gen: (compiler, ast, args, scope) => {
        const x = compiler.coerce(one(args), STRING, ast.name)
        const separator = args[1] === undefined ? "','" : compiler.coerce(args[1], STRING, ast.name).sql
        if (args[1] !== undefined && args[1].lit === undefined && args[1].param !== true)
          throw compiler.invalid(args[1].pos, 'The separator of STRING_AGG must be a literal or a parameter')
        const limit = limitOf(compiler, ast, scope)
        const list = listWithoutNull(ast.distinct, x.sql, orderOf(compiler, ast, scope, x))
        return {
          type: STRING,
          sql: (over) => `array_to_string(${limited(list(over), limit)}, ${separator})`,
        }
      },
    },
    LOGICAL_AND: logical('bool_and'),
    LOGICAL_OR: logical('bool_or'),
    STDDEV: statistic('stddev_samp', 1),
    STDDEV_SAMP: statistic('stddev_samp', 1),
    STDDEV_POP: statistic('stddev_pop', 1),
    VARIANCE: statistic('var_samp', 1),
    VAR_SAMP: statistic('var_samp', 1),
    VAR_POP: statistic('var_pop', 1),
    CORR: correlation,
    COVAR_POP: statistic('covar_pop', 2),
    COVAR_SAMP: statistic('covar_samp', 2),
    APPROX_COUNT_DISTINCT: {
      min: 1,
      max: 1,
      gen: (compiler, ast, args) => {
        groupable(compiler, { ...ast, distinct: true }, one(args))
        return { type: INT64, sql: (over) => `count(DISTINCT ${one(args).sql})${over}` }
      },
    },
    APPROX_QUANTILES: {
      min: 2,
      max: 2,
      gen: (compiler, ast, args) => {
        const x = one(args)
        const n = Number(args[1]?.lit?.value)
        if (!Number.isInteger(n) || n < 1 || n > 1000)
          throw compiler.unsupported(ast.pos, 'APPROX_QUANTILES with this number of quantiles')
        if (x.type.k === 'STRUCT' || x.type.k === 'ARRAY' || x.type.k === 'JSON' || x.type.k === 'NULL')
          throw noMatch(compiler, ast, args)
        const points = Array.from({ length: n + 1 }, (_, at) => (at === n ? '1.0' : (at / n).toFixed(12)))
        return { type: arrayOf(x.type), sql: (over) => `quantile_disc(${x.sql}, [${points.join(', ')}])${over}` }
      },
    },
    GROUPING: {
      min: 1,
      max: 1,
      gen: (_c, _ast, args) => ({ type: INT64, sql: () => `CAST(grouping(${one(args).sql}) AS BIGINT)` }),
    },
  } satisfies Record<string, AggregateFunction>),
)
