/** Date and time functions. */
import type { Compiler, Expression } from '../compile/compiler.ts'
import { addInterval, civilOf, instantOf, microseconds, monthsOf, weekDay, within, zoneSql } from '../compile/dates.ts'
import { type Temporal, formatter, parser } from './formats.ts'
import { type ScalarFunction, noMatch, partOf, simple } from './signature.ts'
import type { Call, DatePart } from '../ast.ts'
import { reservedSchema as MACROS } from '../macros/macro.ts'
import { DATE, DATETIME, INT64, TIME, TIMESTAMP, type Type, typeName } from '../types.ts'

const dateTrunc = (compiler: Compiler, x: Expression, part: DatePart, pos: number): string => {
  switch (part.part) {
    case 'DAY':
      return x.sql
    case 'WEEK':
      return `${MACROS}.week_start(${x.sql}, ${weekDay(compiler, part)})`
    case 'ISOWEEK':
      return `${MACROS}.week_start(${x.sql}, 1)`
    case 'ISOYEAR':
      return `${MACROS}.isoyear_start(${x.sql})`
    case 'MONTH':
    case 'QUARTER':
    case 'YEAR':
      return `CAST(date_trunc('${part.part.toLowerCase()}', ${x.sql}) AS DATE)`
    default:
      throw compiler.invalid(pos, `A DATE takes no part ${part.part}`)
  }
}
/** date_trunc of a TIMESTAMP without zone. */
const datetimeTrunc = (compiler: Compiler, sql: string, part: DatePart): string => {
  if (microseconds[part.part] !== undefined && part.part !== 'DAY')
    return `date_trunc('${part.part.toLowerCase()}', ${sql})`
  return `CAST(${dateTrunc(compiler, { sql: `CAST(${sql} AS DATE)`, type: DATE, pos: part.pos }, part, part.pos)} AS TIMESTAMP)`
}
const truncate = (kinds: readonly Temporal[]): ScalarFunction => ({
  min: 2,
  max: kinds.includes('TIMESTAMP') ? 3 : 2,
  gen: ({ compiler, ast, arg }) => {
    let x = arg(0)
    if (!kinds.includes(x.type.k as Temporal)) x = compiler.coerce(x, { k: kinds[0] ?? 'DATE' }, ast.name)
    const part = partOf(compiler, ast, 1)
    const zone = ast.args.length > 2 ? arg(2) : undefined
    if (zone !== undefined && x.type.k !== 'TIMESTAMP') throw noMatch(compiler, ast, [x, zone])
    // The first day of a week or a year of weeks may be before the first that there is.
    const out = (sql: string): Expression =>
      ['WEEK', 'ISOWEEK', 'ISOYEAR'].includes(part.part)
        ? within(compiler, ast.pos, x.type, sql, x)
        : compiler.build(ast.pos, x.type, sql, x)
    switch (x.type.k) {
      case 'DATE':
        return out(dateTrunc(compiler, x, part, part.pos))
      case 'DATETIME':
        return out(datetimeTrunc(compiler, x.sql, part))
      case 'TIMESTAMP': {
        if (zone !== undefined && microseconds[part.part] !== undefined && part.part !== 'DAY')
          throw compiler.unsupported(part.pos, `${ast.name} to ${part.part} in a time zone`)
        const z = zone === undefined ? "'UTC'" : zoneSql(compiler, zone)
        const local = civilOf(compiler, ast.pos, z, x)
        return within(compiler, ast.pos, TIMESTAMP, instantOf(z, datetimeTrunc(compiler, local.sql, part)), local)
      }
      case 'TIME':
        if (part.part === 'DAY' || microseconds[part.part] === undefined)
          throw compiler.invalid(part.pos, `A TIME takes no part ${part.part}`)
        return out(`CAST(date_trunc('${part.part.toLowerCase()}', DATE '2000-01-01' + ${x.sql}) AS TIME)`)
      default:
        throw noMatch(compiler, ast, [x])
    }
  },
})
const addition = (kinds: readonly Temporal[], sign: '+' | '-'): ScalarFunction => ({
  min: 2,
  max: 2,
  gen: ({ compiler, ast, scope, arg }) => {
    let x = arg(0)
    if (!kinds.includes(x.type.k as Temporal)) x = compiler.coerce(x, { k: kinds[0] ?? 'DATE' }, ast.name)
    const interval = ast.args[1]
    if (interval?.k !== 'interval')
      throw compiler.invalid(interval?.pos ?? ast.pos, `${ast.name} needs INTERVAL n part`)
    return addInterval(compiler, x, compiler.expression(interval.n, scope), interval.part, sign, ast.pos)
  },
})
const dateDiff = (compiler: Compiler, a: Expression, b: Expression, part: DatePart): string => {
  switch (part.part) {
    case 'DAY':
      return `CAST(${a.sql} - ${b.sql} AS BIGINT)`
    case 'WEEK':
    case 'ISOWEEK':
      return `CAST((${dateTrunc(compiler, a, part, part.pos)} - ${dateTrunc(compiler, b, part, part.pos)}) // 7 AS BIGINT)`
    case 'MONTH':
      return `(${MACROS}.month_number(${a.sql}) - ${MACROS}.month_number(${b.sql}))`
    case 'QUARTER':
      return `((CAST(year(${a.sql}) AS BIGINT) * 4 + quarter(${a.sql})) - (CAST(year(${b.sql}) AS BIGINT) * 4 + quarter(${b.sql})))`
    case 'YEAR':
      return `CAST(year(${a.sql}) - year(${b.sql}) AS BIGINT)`
    case 'ISOYEAR':
      return `CAST(isoyear(${a.sql}) - isoyear(${b.sql}) AS BIGINT)`
    default:
      throw compiler.invalid(part.pos, `A DATE takes no part ${part.part}`)
  }
}
/** Counts boundaries, as DATE_DIFF and DATETIME_DIFF do. */
export const boundaries = (compiler: Compiler, ast: Call, x: Expression, y: Expression, part: DatePart): Expression => {
  const out = (sql: string): Expression => compiler.build(ast.pos, INT64, sql, x, y)
  if (x.type.k === 'DATE') return out(dateDiff(compiler, x, y, part))
  const unit = microseconds[part.part]
  if (unit !== undefined && part.part !== 'DAY') {
    const us = (e: Expression): string => `epoch_us(date_trunc('${part.part.toLowerCase()}', ${e.sql}))`
    return out(`CAST((${us(x)} - ${us(y)}) // ${unit} AS BIGINT)`)
  }
  const day = (e: Expression): Expression => ({ ...e, sql: `CAST(${e.sql} AS DATE)`, type: DATE })
  return out(dateDiff(compiler, day(x), day(y), part))
}
/** Whole units between two instants, toward zero. */
const wholeUnits = (compiler: Compiler, ast: Call, x: Expression, y: Expression, part: DatePart): Expression => {
  const unit = microseconds[part.part]
  if (unit === undefined) throw compiler.invalid(part.pos, `${ast.name} takes no part ${part.part}`)
  return compiler.build(ast.pos, INT64, `((epoch_us(${x.sql}) - epoch_us(${y.sql})) // ${unit})`, x, y)
}
export const difference = (kind: Temporal): ScalarFunction => ({
  min: 3,
  max: 3,
  gen: ({ compiler, ast, arg }) => {
    const [x0, y0] = [arg(0), arg(1)]
    const part = partOf(compiler, ast, 2)
    // DATE_DIFF also takes two of the other types.
    const own = [x0, y0].find((e) => e.type.k !== 'NULL' && e.lit === undefined && e.type.k !== 'STRING')?.type
    const type: Type =
      kind === 'DATE' && own !== undefined && (own.k === 'DATETIME' || own.k === 'TIMESTAMP') ? own : { k: kind }
    const [x, y] = [compiler.coerce(x0, type, ast.name), compiler.coerce(y0, type, ast.name)]
    if (type.k === 'TIMESTAMP') return wholeUnits(compiler, ast, x, y, part)
    if (type.k === 'TIME') {
      const unit = microseconds[part.part]
      if (unit === undefined || part.part === 'DAY')
        throw compiler.invalid(part.pos, `A TIME takes no part ${part.part}`)
      const us = (e: Expression): string =>
        `epoch_us(date_trunc('${part.part.toLowerCase()}', DATE '2000-01-01' + ${e.sql}))`
      return compiler.build(ast.pos, INT64, `CAST((${us(x)} - ${us(y)}) // ${unit} AS BIGINT)`, x, y)
    }
    return boundaries(compiler, ast, x, y, part)
  },
})
export const current = (type: Type, sql: (zone: string) => string): ScalarFunction => ({
  min: 0,
  max: type.k === 'TIMESTAMP' ? 0 : 1,
  gen: ({ compiler, ast, arg }) =>
    compiler.build(ast.pos, type, sql(ast.args.length === 0 ? "'UTC'" : zoneSql(compiler, arg(0)))),
})
export const ints = (compiler: Compiler, ast: Call, es: readonly Expression[]): string =>
  es.map((e) => compiler.coerce(e, INT64, ast.name).sql).join(', ')
const dateFunction: ScalarFunction = {
  min: 1,
  max: 3,
  gen: ({ compiler, ast, args }) => {
    const [x, zone] = args()
    const es = args()
    if (es.length === 3) return compiler.build(ast.pos, DATE, `make_date(${ints(compiler, ast, es)})`, ...es)
    if (x === undefined) throw noMatch(compiler, ast, es)
    if (zone !== undefined) {
      const ts = compiler.coerce(x, TIMESTAMP, ast.name)
      const local = civilOf(compiler, ast.pos, zoneSql(compiler, zone), ts)
      return compiler.build(ast.pos, DATE, `CAST(${local.sql} AS DATE)`, local)
    }
    if (x.type.k === 'DATE') return x
    if (x.type.k === 'DATETIME' || x.type.k === 'TIMESTAMP') return compiler.cast(x, DATE, false)
    if (x.type.k === 'STRING' && x.lit !== undefined) return compiler.coerce(x, DATE, ast.name)
    if (x.type.k === 'NULL') return compiler.coerce(x, DATE, ast.name)
    throw noMatch(compiler, ast, es)
  },
}
const datetimeFunction: ScalarFunction = {
  min: 1,
  max: 6,
  gen: ({ compiler, ast, args }) => {
    const es = args()
    const [x, y] = es
    if (es.length === 6) return compiler.build(ast.pos, DATETIME, `make_timestamp(${ints(compiler, ast, es)})`, ...es)
    if (x === undefined || es.length > 2) throw noMatch(compiler, ast, es)
    if (y !== undefined) {
      if (x.type.k === 'DATE' && y.type.k === 'TIME')
        return compiler.build(ast.pos, DATETIME, `(${x.sql} + ${y.sql})`, x, y)
      const ts = compiler.coerce(x, TIMESTAMP, ast.name)
      return civilOf(compiler, ast.pos, zoneSql(compiler, y), ts)
    }
    if (x.type.k === 'DATE' || x.type.k === 'TIMESTAMP' || x.type.k === 'DATETIME')
      return compiler.cast(x, DATETIME, false)
    if (x.lit !== undefined) return compiler.coerce(x, DATETIME, ast.name)
    throw noMatch(compiler, ast, es)
  },
}
const timestampFunction: ScalarFunction = {
  min: 1,
  max: 2,
  gen: ({ compiler, ast, args }) => {
    const es = args()
    const [x, zone] = es
    if (x === undefined) throw noMatch(compiler, ast, es)
    const z = zone === undefined ? "'UTC'" : zoneSql(compiler, zone)
    if (x.type.k === 'DATE')
      return compiler.build(ast.pos, TIMESTAMP, instantOf(z, `CAST(${x.sql} AS TIMESTAMP)`), x, x)
    if (x.type.k === 'DATETIME') return compiler.build(ast.pos, TIMESTAMP, instantOf(z, x.sql), x)
    if (zone !== undefined) throw compiler.unsupported(ast.pos, `TIMESTAMP of ${typeName(x.type)} with a time zone`)
    if (x.type.k === 'TIMESTAMP') return x
    if (x.type.k === 'STRING') return compiler.cast(x, TIMESTAMP, false)
    throw noMatch(compiler, ast, es)
  },
}
const timeFunction: ScalarFunction = {
  min: 1,
  max: 3,
  gen: ({ compiler, ast, args }) => {
    const es = args()
    const [x, zone] = es
    if (es.length === 3) return compiler.build(ast.pos, TIME, `make_time(${ints(compiler, ast, es)})`, ...es)
    if (x?.type.k === 'DATETIME' && zone === undefined) return compiler.cast(x, TIME, false)
    if (x?.type.k === 'TIMESTAMP') {
      const local = civilOf(compiler, ast.pos, zone === undefined ? "'UTC'" : zoneSql(compiler, zone), x)
      return compiler.build(ast.pos, TIME, `CAST(${local.sql} AS TIME)`, local)
    }
    throw noMatch(compiler, ast, es)
  },
}
const lastDay: ScalarFunction = {
  min: 1,
  max: 2,
  gen: ({ compiler, ast, arg }) => {
    let x = arg(0)
    if (x.type.k === 'DATETIME') x = compiler.cast(x, DATE, false)
    x = compiler.coerce(x, DATE, ast.name)
    const part = ast.args.length > 1 ? partOf(compiler, ast, 1) : { part: 'MONTH', pos: ast.pos }
    const start = dateTrunc(compiler, x, part, part.pos)
    const months = monthsOf[part.part]
    if (months !== undefined)
      return compiler.build(ast.pos, DATE, `CAST(${start} + to_months(${months}) - to_days(1) AS DATE)`, x)
    if (part.part === 'DAY') throw compiler.invalid(part.pos, 'LAST_DAY takes no part DAY')
    if (part.part === 'ISOYEAR')
      return within(compiler, ast.pos, DATE, `(${MACROS}.isoyear_start(CAST(${start} + 380 AS DATE)) - 1)`, x)
    if (part.part === 'WEEK' || part.part === 'ISOWEEK') return within(compiler, ast.pos, DATE, `(${start} + 6)`, x)
    throw compiler.unsupported(part.pos, `LAST_DAY of ${part.part}`)
  },
}

const instantFromUnix = (factor: string): ScalarFunction =>
  simple([INT64], TIMESTAMP, (x) => `${MACROS}.timestamp_within(timezone('UTC', make_timestamp(${x}${factor})))`)

/** By upper-case name. */
export const dateFunctions = {
  CURRENT_TIMESTAMP: current(TIMESTAMP, () => 'now()'),
  CURRENT_DATE: current(DATE, (zone) => `CAST(timezone(${zone}, now()) AS DATE)`),
  CURRENT_DATETIME: current(DATETIME, (zone) => `timezone(${zone}, now())`),
  CURRENT_TIME: current(TIME, (zone) => `CAST(timezone(${zone}, now()) AS TIME)`),
  DATE: dateFunction,
  DATETIME: datetimeFunction,
  TIMESTAMP: timestampFunction,
  TIME: timeFunction,
  DATE_ADD: addition(['DATE', 'DATETIME', 'TIMESTAMP'], '+'),
  DATE_SUB: addition(['DATE', 'DATETIME', 'TIMESTAMP'], '-'),
  DATETIME_ADD: addition(['DATETIME'], '+'),
  DATETIME_SUB: addition(['DATETIME'], '-'),
  TIMESTAMP_ADD: addition(['TIMESTAMP'], '+'),
  TIMESTAMP_SUB: addition(['TIMESTAMP'], '-'),
  TIME_ADD: addition(['TIME'], '+'),
  TIME_SUB: addition(['TIME'], '-'),
  DATE_DIFF: difference('DATE'),
  DATETIME_DIFF: difference('DATETIME'),
  TIMESTAMP_DIFF: difference('TIMESTAMP'),
  TIME_DIFF: difference('TIME'),
  DATE_TRUNC: truncate(['DATE', 'DATETIME', 'TIMESTAMP']),
  DATETIME_TRUNC: truncate(['DATETIME']),
  TIMESTAMP_TRUNC: truncate(['TIMESTAMP', 'DATETIME']),
  TIME_TRUNC: truncate(['TIME']),
  LAST_DAY: lastDay,
  FORMAT_DATE: formatter('DATE'),
  FORMAT_DATETIME: formatter('DATETIME'),
  FORMAT_TIMESTAMP: formatter('TIMESTAMP'),
  FORMAT_TIME: formatter('TIME'),
  PARSE_DATE: parser('DATE'),
  PARSE_DATETIME: parser('DATETIME'),
  PARSE_TIMESTAMP: parser('TIMESTAMP'),
  PARSE_TIME: parser('TIME'),
  'SAFE.PARSE_DATE': parser('DATE', true),
  'SAFE.PARSE_DATETIME': parser('DATETIME', true),
  'SAFE.PARSE_TIMESTAMP': parser('TIMESTAMP', true),
  'SAFE.PARSE_TIME': parser('TIME', true),
  UNIX_DATE: simple([DATE], INT64, (x) => `CAST(${x} - DATE '1970-01-01' AS BIGINT)`),
  DATE_FROM_UNIX_DATE: simple([INT64], DATE, (x) => `${MACROS}.date_within(DATE '1970-01-01' + CAST(${x} AS INTEGER))`),
  UNIX_SECONDS: simple([TIMESTAMP], INT64, (x) => `${MACROS}.floor_div(epoch_us(${x}), 1000000)`),
  UNIX_MILLIS: simple([TIMESTAMP], INT64, (x) => `${MACROS}.floor_div(epoch_us(${x}), 1000)`),
  UNIX_MICROS: simple([TIMESTAMP], INT64, (x) => `epoch_us(${x})`),
  TIMESTAMP_SECONDS: instantFromUnix(' * 1000000'),
  TIMESTAMP_MILLIS: instantFromUnix(' * 1000'),
  TIMESTAMP_MICROS: instantFromUnix(''),
} satisfies Record<string, ScalarFunction>
