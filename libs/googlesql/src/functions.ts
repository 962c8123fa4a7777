/** The functions that may be called, with their arity and types. What is not in these tables is refused. */
import { extras, isNumber, microseconds, weekDay, zoneSql, type Compiler, type E, type Scope } from './compile.ts'
import type { Call, DatePart, Expr } from './parser.ts'
import { reservedSchema as G } from './setup.ts'
import {
  arrayOf,
  BOOL,
  BYTES,
  DATE,
  DATETIME,
  duckdbTypeOf,
  FLOAT64,
  INT64,
  JSON_TYPE,
  NUMERIC,
  sameType,
  STRING,
  text,
  TIME,
  TIMESTAMP,
  typeName,
  type Type,
} from './types.ts'

export interface FunctionCall {
  ast: Call
  scope: Scope
  c: Compiler
  /** One argument, compiled. */
  arg(at: number): E
  args(): E[]
}
export interface ScalarFunction {
  min: number
  max: number
  gen(call: FunctionCall): E
}
export interface AggregateFunction {
  min: number
  max: number
  star?: boolean
  distinct?: boolean
  nulls?: boolean
  order?: boolean
  having?: boolean
  /** `sql` takes the OVER clause, or an empty text. */
  gen(c: Compiler, ast: Call, args: readonly E[], scope: Scope): { type: Type; sql(over: string): string }
}
export interface WindowFunction {
  min: number
  max: number
  nulls: boolean
  frame: boolean
  order: boolean
  gen(c: Compiler, ast: Call, args: readonly E[]): { type: Type; sql(over: string): string }
}

const many = 1000
type TypeOf = Type | ((es: readonly E[]) => Type)

/** A function of fixed argument types. Missing trailing arguments are allowed down to `min`. */
const simple = (
  params: readonly Type[],
  result: TypeOf,
  sql: (...args: string[]) => string,
  min = params.length,
): ScalarFunction => ({
  min,
  max: params.length,
  gen: ({ c, ast, args }) => {
    const es = args().map((e, at) => c.coerce(e, params[at] ?? e.type, ast.name))
    return c.mk(ast.pos, typeof result === 'function' ? result(es) : result, sql(...es.map((e) => e.sql)), ...es)
  },
})
/** A function over one numeric argument, by type. */
const numeric = (
  by: Partial<Record<'INT64' | 'FLOAT64' | 'NUMERIC' | 'BIGNUMERIC', (sql: string) => string>>,
  result?: Type,
): ScalarFunction => ({
  min: 1,
  max: 1,
  gen: ({ c, ast, arg }) => {
    let x = arg(0)
    if (x.type.k === 'NULL') x = c.coerce(x, FLOAT64, ast.name)
    if (x.type.k === 'INT64' && by.INT64 === undefined) x = c.coerce(x, FLOAT64, ast.name)
    if (!isNumber(x.type)) throw noMatch(c, ast, [x])
    const make = by[x.type.k as 'FLOAT64']
    if (make === undefined) throw c.unsupported(ast.pos, `${ast.name} of ${typeName(x.type)}`)
    return c.mk(ast.pos, result ?? x.type, make(x.sql), x)
  },
})
const noMatch = (c: Compiler, ast: Call, es: readonly E[]): Error =>
  c.invalid(
    ast.pos,
    `No matching signature for function ${ast.name} for argument types: ${es.map((e) => typeName(e.type)).join(', ')}`,
  )
const double = (fn: (...args: string[]) => string, count: number): ScalarFunction =>
  simple(
    Array.from({ length: count }, () => FLOAT64),
    FLOAT64,
    fn,
  )

/** DAY, WEEK, WEEK(MONDAY) ... in an argument. */
const partOf = (c: Compiler, ast: Call, at: number): DatePart => {
  const arg = ast.args[at]
  if (arg?.k === 'path' && arg.parts.length === 1)
    return { part: (arg.parts[0]?.text ?? '').toUpperCase(), pos: arg.pos }
  if (arg?.k === 'call' && arg.name === 'WEEK' && arg.args.length === 1 && arg.args[0]?.k === 'path')
    return { part: 'WEEK', day: (arg.args[0].parts[0]?.text ?? '').toUpperCase(), pos: arg.pos }
  throw c.invalid(arg?.pos ?? ast.pos, `${ast.name}: argument ${at + 1} must be a date part`)
}
/** The text of an argument that must be a literal. */
const literalText = (call: FunctionCall, at: number, what: string): string => {
  const e = call.arg(at)
  if (e.lit?.kind !== 'STRING') throw call.c.unsupported(e.pos, `${what} of ${call.ast.name} that is no text literal`)
  return e.lit.value
}

// ---- formats

type Temporal = 'DATE' | 'TIME' | 'DATETIME' | 'TIMESTAMP'
const dateElements = new Set('Y m d b B h a A j y G V u w U W F D e Q'.split(' '))
const timeElements = new Set('H M S I p T R'.split(' '))
/** Elements of a format literal; what is not on the lists is refused by name. */
const formatPieces = (
  c: Compiler,
  pos: number,
  name: string,
  format: string,
  kind: Temporal,
): { literal?: string; element?: string }[] => {
  const pieces: { literal?: string; element?: string }[] = []
  for (let i = 0; i < format.length; i++) {
    const ch = format.charAt(i)
    if (ch !== '%') {
      pieces.push({ literal: ch })
      continue
    }
    const long = ['E4Y', 'E3S', 'E6S', 'E*S'].find((element) => format.startsWith(element, i + 1))
    const element = long ?? format.charAt(i + 1)
    i += element.length
    if (element === '%') {
      pieces.push({ literal: '%' })
      continue
    }
    const day = dateElements.has(element) || element === 'E4Y'
    const clock =
      timeElements.has(element) || (element.startsWith('E') && element.endsWith('S') && element.length === 3)
    if (!(day && kind !== 'TIME') && !(clock && kind !== 'DATE'))
      throw c.unsupported(pos, `Format element %${element} in ${name}`)
    pieces.push({ element })
  }
  return pieces
}
const direct: Readonly<Record<string, string>> = {
  Y: '%Y',
  E4Y: '%Y',
  m: '%m',
  d: '%d',
  b: '%b',
  h: '%b',
  B: '%B',
  a: '%a',
  A: '%A',
  j: '%j',
  y: '%y',
  G: '%G',
  V: '%V',
  u: '%u',
  w: '%w',
  U: '%U',
  W: '%W',
  F: '%Y-%m-%d',
  D: '%m/%d/%y',
  H: '%H',
  M: '%M',
  S: '%S',
  I: '%I',
  p: '%p',
  T: '%H:%M:%S',
  R: '%H:%M',
  E6S: '%S.%f',
}
/** Text of a date or time without zone (DATE or TIMESTAMP in DuckDB). */
const formatSql = (c: Compiler, pos: number, name: string, format: string, value: string, kind: Temporal): string => {
  const out: string[] = []
  let run = ''
  const flush = (): void => {
    if (run !== '') out.push(`strftime(${value}, ${text(run)})`)
    run = ''
  }
  for (const { literal, element } of formatPieces(c, pos, name, format, kind)) {
    if (literal !== undefined) run += literal === '%' ? '%%' : literal
    else if (element !== undefined && direct[element] !== undefined) run += direct[element]
    else {
      flush()
      if (element === 'e') out.push(`lpad(CAST(day(${value}) AS VARCHAR), 2, ' ')`)
      else if (element === 'Q') out.push(`CAST(quarter(${value}) AS VARCHAR)`)
      else if (element === 'E3S') out.push(`strftime(${value}, '%S.%g')`)
      else throw c.unsupported(pos, `Format element %${element ?? ''} in ${name}`)
    }
  }
  flush()
  return out.length === 0
    ? `CASE WHEN ${value} IS NOT NULL THEN '' END`
    : out.length === 1
      ? (out[0] ?? '')
      : `(${out.join(' || ')})`
}
const formatter = (kind: Temporal): ScalarFunction => ({
  min: 2,
  max: kind === 'TIMESTAMP' ? 3 : 2,
  gen: (call) => {
    const { c, ast } = call
    const format = literalText(call, 0, 'A format')
    let x = call.arg(1)
    if (kind === 'DATE' && x.type.k === 'DATETIME') x = c.mk(x.pos, DATE, `CAST(${x.sql} AS DATE)`, x)
    x = c.coerce(x, { k: kind }, ast.name)
    const zone = ast.args.length > 2 ? zoneSql(c, call.arg(2)) : "'UTC'"
    const value =
      kind === 'TIMESTAMP' ? `timezone(${zone}, ${x.sql})` : kind === 'TIME' ? `(DATE '1970-01-01' + ${x.sql})` : x.sql
    return c.mk(ast.pos, STRING, formatSql(c, ast.pos, ast.name, format, value, kind), x)
  },
})
const parser = (kind: Temporal, safe = false): ScalarFunction => ({
  min: 2,
  max: kind === 'TIMESTAMP' ? 3 : 2,
  gen: (call) => {
    const { c, ast } = call
    const format = literalText(call, 0, 'A format')
    const pieces = formatPieces(c, ast.pos, ast.name, format, kind)
    const has = (...elements: string[]): boolean =>
      pieces.some(({ element }) => element !== undefined && elements.includes(element))
    const parseable: Readonly<Record<string, string>> = { ...direct, 'E*S': '%S.%f' }
    for (const { element } of pieces) {
      if (
        element !== undefined &&
        (parseable[element] === undefined ||
          ['G', 'V', 'u', 'w', 'U', 'W', 'y', 'D', 'j', 'a', 'A', 'E*S', 'E6S'].includes(element))
      )
        throw c.unsupported(ast.pos, `Format element %${element} in ${ast.name}`)
    }
    // Missing parts have other defaults in DuckDB.
    if (kind !== 'TIME' && !has('Y', 'E4Y', 'F')) throw c.unsupported(ast.pos, `A format of ${ast.name} without a year`)
    const source = c.coerce(call.arg(1), STRING, ast.name)
    const pattern = text(
      pieces
        .map(({ literal, element }) =>
          literal === undefined ? (parseable[element ?? ''] ?? '') : literal === '%' ? '%%' : literal,
        )
        .join(''),
    )
    const parsed = `${safe ? 'try_strptime' : 'strptime'}(${source.sql}, ${pattern})`
    const zone = ast.args.length > 2 ? zoneSql(c, call.arg(2)) : "'UTC'"
    const sql =
      kind === 'DATE'
        ? `CAST(${parsed} AS DATE)`
        : kind === 'TIME'
          ? `CAST(${parsed} AS TIME)`
          : kind === 'TIMESTAMP'
            ? `timezone(${zone}, ${parsed})`
            : parsed
    return c.mk(ast.pos, { k: kind }, sql, source)
  },
})
/** printf-like FORMAT with a literal format. */
const formatFunction: ScalarFunction = {
  min: 1,
  max: many,
  gen: (call) => {
    const { c, ast } = call
    const format = literalText(call, 0, 'A format')
    const out: string[] = []
    const used: E[] = []
    let at = 1
    let rest = format
    while (rest !== '') {
      const plain = /^[^%]+/.exec(rest)?.[0]
      if (plain !== undefined) {
        out.push(text(plain))
        rest = rest.slice(plain.length)
        continue
      }
      const spec = /^%(%|(')?([-0]?)([0-9]*)(?:\.([0-9]+))?([a-zA-Z]))/.exec(rest)
      if (spec === null) throw c.unsupported(ast.pos, 'This format of FORMAT')
      rest = rest.slice(spec[0].length)
      if (spec[1] === '%') {
        out.push("'%'")
        continue
      }
      if (at >= ast.args.length) throw c.invalid(ast.pos, 'FORMAT: too few arguments')
      let e = call.arg(at++)
      const [, , comma, flag = '', width = '', precision, letter = ''] = spec
      const shape = `%${flag}${width}${precision === undefined ? '' : `.${precision}`}`
      if ((letter === 'd' || letter === 'i') && precision === undefined) {
        e = c.coerce(e, INT64, 'FORMAT %d')
        if (comma !== undefined && (flag !== '' || width !== ''))
          throw c.unsupported(ast.pos, `Format element ${spec[0]} in FORMAT`)
        out.push(comma !== undefined ? `format('{:,}', ${e.sql})` : `printf('${shape}d', ${e.sql})`)
      } else if (letter === 's' && comma === undefined && precision === undefined && flag !== '0') {
        e = c.coerce(e, STRING, 'FORMAT %s')
        out.push(width === '' ? e.sql : `printf('${shape}s', ${e.sql})`)
      } else if (letter === 'f' && comma === undefined) {
        e = c.coerce(e, FLOAT64, 'FORMAT %f')
        out.push(
          `(CASE WHEN isfinite(${e.sql}) THEN printf('${precision === undefined ? `${shape}.6` : shape}f', ${e.sql}) WHEN ${e.sql} IS NOT NULL THEN error('googlesql: FORMAT of a value that is not finite is not supported by the local warehouse') END)`,
        )
      } else if (
        letter === 't' &&
        shape === '%' &&
        comma === undefined &&
        ['STRING', 'INT64', 'BOOL', 'DATE', 'TIMESTAMP', 'DATETIME'].includes(e.type.k)
      ) {
        out.push(`coalesce(${c.cast(e, STRING, false).sql}, 'NULL')`)
      } else throw c.unsupported(ast.pos, `Format element ${spec[0]} in FORMAT`)
      used.push(e)
    }
    if (at < ast.args.length) throw c.invalid(ast.pos, 'FORMAT: too many arguments')
    return c.mk(ast.pos, STRING, out.length === 0 ? "''" : `(${out.join(' || ')})`, ...used)
  },
}

// ---- dates

const dateTrunc = (c: Compiler, x: E, part: DatePart, pos: number): string => {
  switch (part.part) {
    case 'DAY':
      return x.sql
    case 'WEEK':
      return `${G}.week_start(${x.sql}, ${weekDay(c, part)})`
    case 'ISOWEEK':
      return `${G}.week_start(${x.sql}, 1)`
    case 'ISOYEAR':
      return `${G}.isoyear_start(${x.sql})`
    case 'MONTH':
    case 'QUARTER':
    case 'YEAR':
      return `CAST(date_trunc('${part.part.toLowerCase()}', ${x.sql}) AS DATE)`
    default:
      throw c.invalid(pos, `A DATE takes no part ${part.part}`)
  }
}
/** date_trunc of a TIMESTAMP without zone. */
const datetimeTrunc = (c: Compiler, sql: string, part: DatePart): string => {
  if (microseconds[part.part] !== undefined && part.part !== 'DAY')
    return `date_trunc('${part.part.toLowerCase()}', ${sql})`
  return `CAST(${dateTrunc(c, { sql: `CAST(${sql} AS DATE)`, type: DATE, pos: part.pos }, part, part.pos)} AS TIMESTAMP)`
}
const truncate = (kinds: readonly Temporal[]): ScalarFunction => ({
  min: 2,
  max: kinds.includes('TIMESTAMP') ? 3 : 2,
  gen: ({ c, ast, arg }) => {
    let x = arg(0)
    if (!kinds.includes(x.type.k as Temporal)) x = c.coerce(x, { k: kinds[0] ?? 'DATE' }, ast.name)
    const part = partOf(c, ast, 1)
    const zone = ast.args.length > 2 ? arg(2) : undefined
    if (zone !== undefined && x.type.k !== 'TIMESTAMP') throw noMatch(c, ast, [x, zone])
    const out = (sql: string): E => c.mk(ast.pos, x.type, sql, x)
    switch (x.type.k) {
      case 'DATE':
        return out(dateTrunc(c, x, part, part.pos))
      case 'DATETIME':
        return out(datetimeTrunc(c, x.sql, part))
      case 'TIMESTAMP': {
        if (zone !== undefined && microseconds[part.part] !== undefined && part.part !== 'DAY')
          throw c.unsupported(part.pos, `${ast.name} to ${part.part} in a time zone`)
        const z = zone === undefined ? "'UTC'" : zoneSql(c, zone)
        return out(`timezone(${z}, ${datetimeTrunc(c, `timezone(${z}, ${x.sql})`, part)})`)
      }
      case 'TIME':
        if (part.part === 'DAY' || microseconds[part.part] === undefined)
          throw c.invalid(part.pos, `A TIME takes no part ${part.part}`)
        return out(`CAST(date_trunc('${part.part.toLowerCase()}', DATE '2000-01-01' + ${x.sql}) AS TIME)`)
      default:
        throw noMatch(c, ast, [x])
    }
  },
})
const addition = (kinds: readonly Temporal[], sign: '+' | '-'): ScalarFunction => ({
  min: 2,
  max: 2,
  gen: ({ c, ast, scope, arg }) => {
    let x = arg(0)
    if (!kinds.includes(x.type.k as Temporal)) x = c.coerce(x, { k: kinds[0] ?? 'DATE' }, ast.name)
    const interval = ast.args[1]
    if (interval?.k !== 'interval') throw c.invalid(interval?.pos ?? ast.pos, `${ast.name} needs INTERVAL n part`)
    return extras(c).addInterval(x, c.expr(interval.n, scope), interval.part, sign, ast.pos)
  },
})
const dateDiff = (c: Compiler, a: E, b: E, part: DatePart): string => {
  switch (part.part) {
    case 'DAY':
      return `CAST(${a.sql} - ${b.sql} AS BIGINT)`
    case 'WEEK':
    case 'ISOWEEK':
      return `CAST((${dateTrunc(c, a, part, part.pos)} - ${dateTrunc(c, b, part, part.pos)}) // 7 AS BIGINT)`
    case 'MONTH':
      return `(${G}.month_number(${a.sql}) - ${G}.month_number(${b.sql}))`
    case 'QUARTER':
      return `((CAST(year(${a.sql}) AS BIGINT) * 4 + quarter(${a.sql})) - (CAST(year(${b.sql}) AS BIGINT) * 4 + quarter(${b.sql})))`
    case 'YEAR':
      return `CAST(year(${a.sql}) - year(${b.sql}) AS BIGINT)`
    case 'ISOYEAR':
      return `CAST(isoyear(${a.sql}) - isoyear(${b.sql}) AS BIGINT)`
    default:
      throw c.invalid(part.pos, `A DATE takes no part ${part.part}`)
  }
}
/** Counts boundaries, as DATE_DIFF and DATETIME_DIFF do. */
const boundaries = (c: Compiler, ast: Call, x: E, y: E, part: DatePart): E => {
  const out = (sql: string): E => c.mk(ast.pos, INT64, sql, x, y)
  if (x.type.k === 'DATE') return out(dateDiff(c, x, y, part))
  const unit = microseconds[part.part]
  if (unit !== undefined && part.part !== 'DAY') {
    const us = (e: E): string => `epoch_us(date_trunc('${part.part.toLowerCase()}', ${e.sql}))`
    return out(`CAST((${us(x)} - ${us(y)}) // ${unit} AS BIGINT)`)
  }
  const day = (e: E): E => ({ ...e, sql: `CAST(${e.sql} AS DATE)`, type: DATE })
  return out(dateDiff(c, day(x), day(y), part))
}
/** Whole units between two instants, toward zero. */
const wholeUnits = (c: Compiler, ast: Call, x: E, y: E, part: DatePart): E => {
  const unit = microseconds[part.part]
  if (unit === undefined) throw c.invalid(part.pos, `${ast.name} takes no part ${part.part}`)
  return c.mk(ast.pos, INT64, `((epoch_us(${x.sql}) - epoch_us(${y.sql})) // ${unit})`, x, y)
}
const difference = (kind: Temporal): ScalarFunction => ({
  min: 3,
  max: 3,
  gen: ({ c, ast, arg }) => {
    const [x0, y0] = [arg(0), arg(1)]
    const part = partOf(c, ast, 2)
    // DATE_DIFF also takes two of the other types.
    const own = [x0, y0].find((e) => e.type.k !== 'NULL' && e.lit === undefined && e.type.k !== 'STRING')?.type
    const type: Type =
      kind === 'DATE' && own !== undefined && (own.k === 'DATETIME' || own.k === 'TIMESTAMP') ? own : { k: kind }
    const [x, y] = [c.coerce(x0, type, ast.name), c.coerce(y0, type, ast.name)]
    if (type.k === 'TIMESTAMP') return wholeUnits(c, ast, x, y, part)
    if (type.k === 'TIME') {
      const unit = microseconds[part.part]
      if (unit === undefined || part.part === 'DAY') throw c.invalid(part.pos, `A TIME takes no part ${part.part}`)
      const us = (e: E): string => `epoch_us(date_trunc('${part.part.toLowerCase()}', DATE '2000-01-01' + ${e.sql}))`
      return c.mk(ast.pos, INT64, `CAST((${us(x)} - ${us(y)}) // ${unit} AS BIGINT)`, x, y)
    }
    return boundaries(c, ast, x, y, part)
  },
})
const current = (type: Type, sql: (zone: string) => string): ScalarFunction => ({
  min: 0,
  max: type.k === 'TIMESTAMP' ? 0 : 1,
  gen: ({ c, ast, arg }) => c.mk(ast.pos, type, sql(ast.args.length === 0 ? "'UTC'" : zoneSql(c, arg(0)))),
})
const ints = (c: Compiler, ast: Call, es: readonly E[]): string =>
  es.map((e) => c.coerce(e, INT64, ast.name).sql).join(', ')
const dateFunction: ScalarFunction = {
  min: 1,
  max: 3,
  gen: ({ c, ast, args }) => {
    const [x, zone] = args()
    const es = args()
    if (es.length === 3) return c.mk(ast.pos, DATE, `make_date(${ints(c, ast, es)})`, ...es)
    if (x === undefined) throw noMatch(c, ast, es)
    if (zone !== undefined) {
      const ts = c.coerce(x, TIMESTAMP, ast.name)
      return c.mk(ast.pos, DATE, `CAST(timezone(${zoneSql(c, zone)}, ${ts.sql}) AS DATE)`, ts)
    }
    if (x.type.k === 'DATE') return x
    if (x.type.k === 'DATETIME' || x.type.k === 'TIMESTAMP') return c.cast(x, DATE, false)
    if (x.type.k === 'STRING' && x.lit !== undefined) return c.coerce(x, DATE, ast.name)
    if (x.type.k === 'NULL') return c.coerce(x, DATE, ast.name)
    throw noMatch(c, ast, es)
  },
}
const datetimeFunction: ScalarFunction = {
  min: 1,
  max: 6,
  gen: ({ c, ast, args }) => {
    const es = args()
    const [x, y] = es
    if (es.length === 6) return c.mk(ast.pos, DATETIME, `make_timestamp(${ints(c, ast, es)})`, ...es)
    if (x === undefined || es.length > 2) throw noMatch(c, ast, es)
    if (y !== undefined) {
      if (x.type.k === 'DATE' && y.type.k === 'TIME') return c.mk(ast.pos, DATETIME, `(${x.sql} + ${y.sql})`, x, y)
      const ts = c.coerce(x, TIMESTAMP, ast.name)
      return c.mk(ast.pos, DATETIME, `timezone(${zoneSql(c, y)}, ${ts.sql})`, ts)
    }
    if (x.type.k === 'DATE' || x.type.k === 'TIMESTAMP' || x.type.k === 'DATETIME') return c.cast(x, DATETIME, false)
    if (x.lit !== undefined) return c.coerce(x, DATETIME, ast.name)
    throw noMatch(c, ast, es)
  },
}
const timestampFunction: ScalarFunction = {
  min: 1,
  max: 2,
  gen: ({ c, ast, args }) => {
    const es = args()
    const [x, zone] = es
    if (x === undefined) throw noMatch(c, ast, es)
    const z = zone === undefined ? "'UTC'" : zoneSql(c, zone)
    if (x.type.k === 'DATE') return c.mk(ast.pos, TIMESTAMP, `timezone(${z}, CAST(${x.sql} AS TIMESTAMP))`, x)
    if (x.type.k === 'DATETIME') return c.mk(ast.pos, TIMESTAMP, `timezone(${z}, ${x.sql})`, x)
    if (zone !== undefined) throw c.unsupported(ast.pos, `TIMESTAMP of ${typeName(x.type)} with a time zone`)
    if (x.type.k === 'TIMESTAMP') return x
    if (x.type.k === 'STRING') return c.cast(x, TIMESTAMP, false)
    throw noMatch(c, ast, es)
  },
}
const timeFunction: ScalarFunction = {
  min: 1,
  max: 3,
  gen: ({ c, ast, args }) => {
    const es = args()
    const [x, zone] = es
    if (es.length === 3) return c.mk(ast.pos, TIME, `make_time(${ints(c, ast, es)})`, ...es)
    if (x?.type.k === 'DATETIME' && zone === undefined) return c.cast(x, TIME, false)
    if (x?.type.k === 'TIMESTAMP')
      return c.mk(
        ast.pos,
        TIME,
        `CAST(timezone(${zone === undefined ? "'UTC'" : zoneSql(c, zone)}, ${x.sql}) AS TIME)`,
        x,
      )
    throw noMatch(c, ast, es)
  },
}
const lastDay: ScalarFunction = {
  min: 1,
  max: 2,
  gen: ({ c, ast, arg }) => {
    let x = arg(0)
    if (x.type.k === 'DATETIME') x = c.cast(x, DATE, false)
    x = c.coerce(x, DATE, ast.name)
    const part = ast.args.length > 1 ? partOf(c, ast, 1) : { part: 'MONTH', pos: ast.pos }
    const start = dateTrunc(c, x, part, part.pos)
    const months = part.part === 'MONTH' ? 1 : part.part === 'QUARTER' ? 3 : part.part === 'YEAR' ? 12 : undefined
    if (months !== undefined)
      return c.mk(ast.pos, DATE, `CAST(${start} + to_months(${months}) - to_days(1) AS DATE)`, x)
    if (part.part === 'WEEK' || part.part === 'ISOWEEK') return c.mk(ast.pos, DATE, `(${start} + 6)`, x)
    throw c.unsupported(part.pos, `LAST_DAY of ${part.part}`)
  },
}

// ---- arrays

const generated = (kind: 'DATE' | 'TIMESTAMP'): ScalarFunction => ({
  min: kind === 'DATE' ? 2 : 3,
  max: 3,
  gen: ({ c, ast, scope, arg }) => {
    const type: Type = { k: kind }
    const [from, to] = [c.coerce(arg(0), type, ast.name), c.coerce(arg(1), type, ast.name)]
    const interval = ast.args[2]
    if (interval !== undefined && interval.k !== 'interval')
      throw c.invalid(interval.pos, `${ast.name} needs INTERVAL n part`)
    const n = interval === undefined ? undefined : c.coerce(c.expr(interval.n, scope), INT64, ast.name)
    const part = interval?.part.part ?? 'DAY'
    const months = part === 'MONTH' ? 1 : part === 'QUARTER' ? 3 : part === 'YEAR' ? 12 : undefined
    const days = part === 'DAY' ? 1 : part === 'WEEK' ? 7 : undefined
    const unit = microseconds[part]
    const count = n?.sql ?? 'CAST(1 AS BIGINT)'
    if (n !== undefined && n.lit === undefined && n.param !== true)
      throw c.unsupported(n.pos, `A step of ${ast.name} that is no literal or parameter`)
    if (n?.lit !== undefined && Number(n.lit.value) === 0) throw c.invalid(n.pos, `${ast.name}: the step is zero`)
    const list = (step: string): E => {
      const series = `generate_series(${kind === 'DATE' ? `CAST(${from.sql} AS TIMESTAMP)` : from.sql}, ${kind === 'DATE' ? `CAST(${to.sql} AS TIMESTAMP)` : to.sql}, ${step})`
      const sql = kind === 'DATE' ? `CAST(${series} AS DATE[])` : series
      return c.mk(
        ast.pos,
        arrayOf(type),
        `CASE WHEN ${from.sql} IS NOT NULL AND ${to.sql} IS NOT NULL THEN ${sql} END`,
        from,
        to,
      )
    }
    if (kind === 'DATE') {
      if (days !== undefined) return list(`to_days(CAST(${count} * ${days} AS INTEGER))`)
      // Month steps count from the start, so that a short month does not move the following ones.
      if (months !== undefined && n?.lit !== undefined && Number(n.lit.value) > 0) {
        const each = Number(n.lit.value) * months
        const variable = c.fresh()
        return c.mk(
          ast.pos,
          arrayOf(type),
          `list_filter(list_transform(range(0, CASE WHEN ${from.sql} > ${to.sql} THEN 0 ELSE (${G}.month_number(${to.sql}) - ${G}.month_number(${from.sql})) // ${each} + 1 END), lambda ${variable}: CAST(${from.sql} + to_months(CAST(${variable} * ${each} AS INTEGER)) AS DATE)), lambda ${variable}: ${variable} <= ${to.sql})`,
          from,
          to,
        )
      }
    } else if (unit !== undefined) return list(`to_microseconds(${count} * ${unit})`)
    throw c.unsupported(interval?.pos ?? ast.pos, `${ast.name} with steps of ${part}`)
  },
})
const arrayArg = (c: Compiler, ast: Call, e: E): E & { type: Type & { k: 'ARRAY' } } => {
  if (e.type.k !== 'ARRAY') throw noMatch(c, ast, [e])
  return e as E & { type: Type & { k: 'ARRAY' } }
}

// ---- conditions

const ifFunction: ScalarFunction = {
  min: 3,
  max: 3,
  gen: ({ c, ast, scope, arg }) => {
    const condition = c.bool(ast.args[0] as Expr, scope, 'IF')
    return extras(c).caseOf(ast.pos, [{ when: condition.sql, then: arg(1) }], arg(2), [condition])
  },
}
const coalesce = (min: number, max: number): ScalarFunction => ({
  min,
  max,
  gen: ({ c, ast, args }) => {
    const es = args()
    const { type, es: typed } = c.unify(es, ast.name, ast.pos)
    return c.mk(ast.pos, type, `coalesce(${typed.map((e) => e.sql).join(', ')})`, ...typed)
  },
})
const extreme = (fn: 'greatest' | 'least'): ScalarFunction => ({
  min: 1,
  max: many,
  gen: ({ c, ast, args }) => {
    const { type, es } = c.unify(args(), ast.name, ast.pos)
    if (type.k === 'STRUCT' || type.k === 'ARRAY' || type.k === 'JSON') throw noMatch(c, ast, es)
    const anyNull = es.filter((e) => e.lit === undefined).map((e) => `${e.sql} IS NULL`)
    const nan = type.k === 'FLOAT64' ? es.filter((e) => e.lit === undefined).map((e) => `isnan(${e.sql})`) : []
    const call = `${fn}(${es.map((e) => e.sql).join(', ')})`
    const whens = [
      anyNull.length > 0 ? ` WHEN ${anyNull.join(' OR ')} THEN NULL` : '',
      nan.length > 0 ? ` WHEN ${nan.join(' OR ')} THEN CAST('nan' AS DOUBLE)` : '',
    ].join('')
    return c.mk(ast.pos, type, whens === '' ? call : `CASE${whens} ELSE ${call} END`, ...es, ...es, ...es)
  },
})

// ---- text

const textOrBytes = (
  onText: (...args: string[]) => string,
  onBytes: ((...args: string[]) => string) | undefined,
  result: (type: Type) => Type,
  rest: readonly Type[] = [],
  min = 1 + rest.length,
): ScalarFunction => ({
  min,
  max: 1 + rest.length,
  gen: ({ c, ast, args }) => {
    const [x0, ...others] = args()
    if (x0 === undefined) throw noMatch(c, ast, [])
    const x = x0.type.k === 'NULL' ? c.coerce(x0, STRING, ast.name) : x0
    if (x.type.k === 'BYTES' && onBytes === undefined) throw c.unsupported(ast.pos, `${ast.name} of BYTES`)
    if (x.type.k !== 'STRING' && x.type.k !== 'BYTES') throw noMatch(c, ast, [x])
    const es = others.map((e, at) => {
      const type = rest[at] ?? e.type
      return c.coerce(e, sameType(type, STRING) ? x.type : type, ast.name)
    })
    const make = x.type.k === 'BYTES' ? onBytes : onText
    return c.mk(ast.pos, result(x.type), make?.(x.sql, ...es.map((e) => e.sql)) ?? '', x, ...es)
  },
})
const same = (type: Type): Type => type
const textFn = (
  params: readonly Type[],
  result: TypeOf,
  sql: (...args: string[]) => string,
  min = params.length,
): ScalarFunction => simple(params, result, sql, min)
const whitespace = `' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13) || chr(133) || chr(160) || chr(5760) || chr(8192) || chr(8193) || chr(8194) || chr(8195) || chr(8196) || chr(8197) || chr(8198) || chr(8199) || chr(8200) || chr(8201) || chr(8202) || chr(8232) || chr(8233) || chr(8239) || chr(8287) || chr(12288)`
const trimmer = (fn: string): ScalarFunction =>
  textOrBytes((x, chars) => `${fn}(${x}, ${chars ?? `(${whitespace})`})`, undefined, same, [STRING], 1)
/** Capturing groups of a literal regular expression. */
const groupsOf = (call: FunctionCall, at: number): { sql: string; groups: number; e: E } => {
  const e = call.arg(at)
  if (e.lit?.kind !== 'STRING')
    throw call.c.unsupported(e.pos, `A regular expression of ${call.ast.name} that is no text literal`)
  const pattern = e.lit.value
    .replace(/\\Q.*?(\\E|$)/gs, '')
    .replace(/\\./gs, '')
    .replace(/\[\^?\]?[^\]]*\]/g, '')
  const groups = (pattern.match(/\((?!\?)|\(\?P?</g) ?? []).length
  return { sql: e.sql, groups, e }
}
const regexpExtract: ScalarFunction = {
  min: 2,
  max: 2,
  gen: (call) => {
    const { c, ast } = call
    const x = c.coerce(call.arg(0), STRING, ast.name)
    const { sql, groups } = groupsOf(call, 1)
    if (groups > 1) throw c.invalid(ast.pos, `${ast.name}: the regular expression has more than one group`)
    return c.mk(ast.pos, STRING, `${G}.extract_re(${x.sql}, ${sql}, ${groups})`, x)
  },
}

// ---- JSON

const jsonPath = (call: FunctionCall, at: number): string => {
  const { c, ast } = call
  if (ast.args.length <= at) return "'$'"
  const path = literalText(call, at, 'A JSON path')
  if (!path.startsWith('$')) throw c.invalid(ast.pos, 'A JSON path starts with $')
  let rest = path.slice(1)
  let out = '$'
  while (rest !== '') {
    const match = /^(?:\.([A-Za-z0-9_-]+)|\."([^"\\]+)"|\['([^'"\\]+)'\]|\["([^"\\]+)"\]|\[([0-9]+)\])/.exec(rest)
    if (match === null) throw c.unsupported(ast.pos, `The JSON path ${JSON.stringify(path)}`)
    const key = match[1] ?? match[2] ?? match[3] ?? match[4]
    out += key === undefined ? `[${match[5] ?? '0'}]` : `."${key}"`
    rest = rest.slice(match[0].length)
  }
  return text(out)
}
const jsonFunction = (
  result: (input: Type) => Type,
  sql: (json: string, path: string, input: Type) => string,
): ScalarFunction => ({
  min: 1,
  max: 2,
  gen: (call) => {
    const { c, ast } = call
    const x = call.arg(0)
    if (x.type.k !== 'JSON' && x.type.k !== 'STRING' && x.type.k !== 'NULL') throw noMatch(c, ast, [x])
    const json = x.type.k === 'JSON' ? x.sql : `CAST(${c.coerce(x, STRING, ast.name).sql} AS JSON)`
    return c.mk(ast.pos, result(x.type), sql(json, jsonPath(call, 1), x.type), x)
  },
})
const jsonCast = (type: Type, macro: string, others?: ScalarFunction): ScalarFunction => ({
  min: 1,
  max: others?.max ?? 1,
  gen: (call) => {
    const x = call.arg(0)
    if (x.type.k === 'JSON' && call.ast.args.length === 1)
      return call.c.mk(call.ast.pos, type, `${G}.${macro}(${x.sql})`, x)
    if (others === undefined) throw noMatch(call.c, call.ast, [x])
    return others.gen(call)
  },
})
const stringOfTime: ScalarFunction = {
  min: 1,
  max: 2,
  gen: ({ c, ast, args }) => {
    const es = args()
    const [x, zone] = es
    if (x === undefined || zone !== undefined) throw c.unsupported(ast.pos, 'STRING with a time zone')
    if (!['TIMESTAMP', 'DATE', 'DATETIME', 'TIME'].includes(x.type.k)) throw noMatch(c, ast, es)
    return c.cast(x, STRING, false)
  },
}
const jsonNumber = /^(INT64|BOOL|STRING)$/
const toJsonString: ScalarFunction = {
  min: 1,
  max: 1,
  gen: ({ c, ast, arg }) => {
    const x = arg(0)
    if (x.type.k === 'JSON') return c.mk(ast.pos, STRING, `CAST(json(${x.sql}) AS VARCHAR)`, x)
    const plain = (type: Type): boolean =>
      jsonNumber.test(type.k) ||
      (type.k === 'ARRAY' && plain(type.of)) ||
      (type.k === 'STRUCT' && type.fields.every((field) => plain(field.type)))
    if (!plain(x.type)) throw c.unsupported(ast.pos, `TO_JSON_STRING of ${typeName(x.type)}`)
    if (x.type.k === 'INT64') return c.mk(ast.pos, STRING, `coalesce(CAST(${x.sql} AS VARCHAR), 'null')`, x)
    return c.mk(ast.pos, STRING, `coalesce(CAST(to_json(${x.sql}) AS VARCHAR), 'null')`, x)
  },
}

// ---- numbers

const rounding = (fn: 'round' | 'trunc'): ScalarFunction => ({
  min: 1,
  max: 2,
  gen: ({ c, ast, args }) => {
    const [x0, n] = args()
    if (x0 === undefined) throw noMatch(c, ast, [])
    const x = x0.type.k === 'INT64' || x0.type.k === 'NULL' ? c.coerce(x0, FLOAT64, ast.name) : x0
    if (!isNumber(x.type)) throw noMatch(c, ast, [x])
    const digits = n === undefined ? undefined : c.coerce(n, INT64, ast.name)
    if (digits !== undefined && x.type.k !== 'FLOAT64' && digits.lit === undefined)
      throw c.unsupported(ast.pos, `${ast.name} of ${typeName(x.type)} to a number of digits that is no literal`)
    if (digits !== undefined && fn === 'trunc' && x.type.k !== 'FLOAT64') {
      const places = Number(digits.lit?.value)
      if (places < 0 || places > 9) throw c.unsupported(ast.pos, 'TRUNC to this number of digits')
      const scale = `CAST(1${'0'.repeat(places)} AS BIGINT)`
      if (x.type.k === 'NUMERIC')
        return c.mk(
          ast.pos,
          NUMERIC,
          `${G}.from_nano(${G}.nano(${x.sql}) // (1000000000 // ${scale}) * (1000000000 // ${scale}))`,
          x,
        )
      throw c.unsupported(ast.pos, 'TRUNC of BIGNUMERIC')
    }
    const suffix =
      digits === undefined ? '' : `, ${digits.lit === undefined ? `CAST(${digits.sql} AS INTEGER)` : digits.lit.value}`
    if (x.type.k === 'FLOAT64') return c.mk(ast.pos, FLOAT64, `${fn}(${x.sql}${suffix})`, x, digits)
    return c.mk(ast.pos, x.type, `CAST(${fn}(${x.sql}${suffix}) AS ${duckdbTypeOf(x.type)})`, x)
  },
})
const wholeDivision = (macro: string): ScalarFunction => ({
  min: 2,
  max: 2,
  gen: ({ c, ast, args }) => {
    const { type, es } = c.unify(args(), ast.name, ast.pos)
    if (type.k !== 'INT64' && !(type.k === 'NUMERIC' && macro === 'modulo'))
      throw type.k === 'FLOAT64' ? noMatch(c, ast, es) : c.unsupported(ast.pos, `${ast.name} of ${typeName(type)}`)
    return c.mk(ast.pos, type, `${G}.${macro}(${es.map((e) => e.sql).join(', ')})`, ...es)
  },
})
const safeDivide: ScalarFunction = {
  min: 2,
  max: 2,
  gen: ({ c, ast, args }) => {
    let { type, es } = c.unify(args(), ast.name, ast.pos)
    if (type.k === 'INT64') {
      es = es.map((e) => c.coerce(e, FLOAT64, ast.name))
      type = FLOAT64
    }
    if (type.k === 'BIGNUMERIC') throw c.unsupported(ast.pos, 'SAFE_DIVIDE of BIGNUMERIC')
    if (!isNumber(type)) throw noMatch(c, ast, es)
    return c.mk(
      ast.pos,
      type,
      `${G}.${type.k === 'NUMERIC' ? 'num_safe_div' : 'safe_div'}(${es.map((e) => e.sql).join(', ')})`,
      ...es,
    )
  },
}
const logarithm: ScalarFunction = {
  min: 1,
  max: 2,
  gen: ({ c, ast, args }) => {
    const es = args().map((e) => c.coerce(e, FLOAT64, ast.name))
    const [x, base] = es
    return c.mk(
      ast.pos,
      FLOAT64,
      base === undefined ? `ln(${x?.sql ?? ''})` : `(ln(${x?.sql ?? ''}) / ln(${base.sql}))`,
      ...es,
    )
  },
}
const plainFunction =
  (name: string) =>
  (x: string): string =>
    `${name}(${x})`
const within = (x: string, type: string): string => `CAST(${x} AS ${type})`
const whole = (fn: string): ScalarFunction =>
  numeric({
    FLOAT64: plainFunction(fn),
    NUMERIC: (x) => within(`${fn}(${x})`, 'DECIMAL(38,9)'),
    BIGNUMERIC: (x) => within(`${fn}(${x})`, 'DECIMAL(38,18)'),
  })

/** Scalar functions by upper-case name. */
export const functions: ReadonlyMap<string, ScalarFunction> = new Map(
  Object.entries({
    // conditions
    IF: ifFunction,
    IFNULL: coalesce(2, 2),
    COALESCE: coalesce(1, many),
    NULLIF: {
      min: 2,
      max: 2,
      gen: ({ c, ast, args }) => {
        const [x, y] = c.unify(args(), 'NULLIF', ast.pos).es
        if (x === undefined || y === undefined) throw noMatch(c, ast, [])
        extras(c).comparison('=', x, y, ast.pos) // for its checks
        return c.mk(ast.pos, x.type, `${G}.null_if${x.type.k === 'FLOAT64' ? '_float' : ''}(${x.sql}, ${y.sql})`, x, y)
      },
    },
    GREATEST: extreme('greatest'),
    LEAST: extreme('least'),
    ERROR: simple([STRING], INT64, (x) => `CAST(error('googlesql: ' || ${x}) AS BIGINT)`),
    // numbers
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
    SQRT: double((x) => `sqrt(${x})`, 1),
    POW: double((x, y) => `${G}.finite(pow(${x}, ${y}), ${x}, ${y})`, 2),
    POWER: double((x, y) => `${G}.finite(pow(${x}, ${y}), ${x}, ${y})`, 2),
    EXP: double((x) => `${G}.finite(exp(${x}), ${x}, ${x})`, 1),
    LN: double((x) => `ln(${x})`, 1),
    LOG: logarithm,
    LOG10: double((x) => `log10(${x})`, 1),
    IS_NAN: simple([FLOAT64], BOOL, (x) => `isnan(${x})`),
    IS_INF: simple([FLOAT64], BOOL, (x) => `isinf(${x})`),
    DIV: wholeDivision('idiv'),
    MOD: wholeDivision('modulo'),
    SAFE_DIVIDE: safeDivide,
    IEEE_DIVIDE: double((x, y) => `(${x} / ${y})`, 2),
    RAND: simple([], FLOAT64, () => 'random()'),
    // text
    CONCAT: { min: 1, max: many, gen: ({ c, ast, args }) => extras(c).concat(args(), ast.pos, 'function CONCAT') },
    LENGTH: textOrBytes(
      (x) => `length(${x})`,
      (x) => `octet_length(${x})`,
      () => INT64,
    ),
    CHAR_LENGTH: simple([STRING], INT64, (x) => `length(${x})`),
    CHARACTER_LENGTH: simple([STRING], INT64, (x) => `length(${x})`),
    BYTE_LENGTH: textOrBytes(
      (x) => `strlen(${x})`,
      (x) => `octet_length(${x})`,
      () => INT64,
    ),
    OCTET_LENGTH: textOrBytes(
      (x) => `strlen(${x})`,
      (x) => `octet_length(${x})`,
      () => INT64,
    ),
    UPPER: textFn([STRING], STRING, (x) => `${G}.upper_of(${x})`),
    LOWER: textFn([STRING], STRING, (x) => `${G}.lower_of(${x})`),
    SUBSTR: textFn(
      [STRING, INT64, INT64],
      STRING,
      (x, p = '', n?: string) =>
        n === undefined ? `${G}.substr2(${x ?? ''}, ${p})` : `${G}.substr3(${x ?? ''}, ${p}, ${n})`,
      2,
    ),
    SUBSTRING: textFn(
      [STRING, INT64, INT64],
      STRING,
      (x, p = '', n?: string) =>
        n === undefined ? `${G}.substr2(${x ?? ''}, ${p})` : `${G}.substr3(${x ?? ''}, ${p}, ${n})`,
      2,
    ),
    LEFT: textFn([STRING, INT64], STRING, (x, n) => `${G}.left_of(${x}, ${n})`),
    RIGHT: textFn([STRING, INT64], STRING, (x, n) => `${G}.right_of(${x}, ${n})`),
    LPAD: textFn([STRING, INT64, STRING], STRING, (x, n, p = "' '") => `${G}.lpad_to(${x}, ${n}, ${p})`, 2),
    RPAD: textFn([STRING, INT64, STRING], STRING, (x, n, p = "' '") => `${G}.rpad_to(${x}, ${n}, ${p})`, 2),
    REPEAT: textFn([STRING, INT64], STRING, (x, n) => `${G}.repeat_of(${x}, ${n})`),
    TRIM: trimmer('trim'),
    LTRIM: trimmer('ltrim'),
    RTRIM: trimmer('rtrim'),
    REVERSE: textFn([STRING], STRING, (x) => `${G}.reverse_of(${x})`),
    REPLACE: textFn([STRING, STRING, STRING], STRING, (x, y, z) => `replace(${x}, ${y}, ${z})`),
    STRPOS: textFn([STRING, STRING], INT64, (x, y) => `CAST(strpos(${x}, ${y}) AS BIGINT)`),
    INSTR: textFn([STRING, STRING], INT64, (x, y) => `CAST(strpos(${x}, ${y}) AS BIGINT)`),
    STARTS_WITH: textFn([STRING, STRING], BOOL, (x, y) => `starts_with(${x}, ${y})`),
    ENDS_WITH: textFn([STRING, STRING], BOOL, (x, y) => `ends_with(${x}, ${y})`),
    CONTAINS_SUBSTR: {
      min: 2,
      max: 2,
      gen: (call) => {
        const { c, ast } = call
        const x = call.arg(0)
        if (x.type.k !== 'STRING') throw c.unsupported(ast.pos, `CONTAINS_SUBSTR of ${typeName(x.type)}`)
        const part = literalText(call, 1, 'The text')
        if (!/^[\x20-\x7e]+$/.test(part)) throw c.unsupported(ast.pos, 'CONTAINS_SUBSTR with text beyond ASCII')
        return c.mk(ast.pos, BOOL, `contains(lower(${x.sql}), lower(${text(part)}))`, x)
      },
    },
    SPLIT: textFn([STRING, STRING], arrayOf(STRING), (x, y = "','") => `string_split(${x}, ${y})`, 1),
    ASCII: textFn([STRING], INT64, (x) => `CAST(ascii(${x}) AS BIGINT)`),
    CHR: textFn([INT64], STRING, (x) => `chr(CAST(${x} AS INTEGER))`),
    REGEXP_CONTAINS: {
      min: 2,
      max: 2,
      gen: ({ c, ast, args }) => {
        const [x, pattern] = args().map((e) => c.coerce(e, STRING, ast.name))
        return c.mk(ast.pos, BOOL, `regexp_matches(${x?.sql ?? ''}, ${pattern?.sql ?? ''})`, x, pattern)
      },
    },
    REGEXP_EXTRACT: regexpExtract,
    REGEXP_SUBSTR: regexpExtract,
    REGEXP_EXTRACT_ALL: {
      min: 2,
      max: 2,
      gen: (call) => {
        const { c, ast } = call
        const x = c.coerce(call.arg(0), STRING, ast.name)
        const { sql, groups } = groupsOf(call, 1)
        if (groups > 1) throw c.invalid(ast.pos, `${ast.name}: the regular expression has more than one group`)
        return c.mk(ast.pos, arrayOf(STRING), `regexp_extract_all(${x.sql}, ${sql}, ${groups})`, x)
      },
    },
    REGEXP_REPLACE: {
      min: 3,
      max: 3,
      gen: (call) => {
        const { c, ast } = call
        const x = c.coerce(call.arg(0), STRING, ast.name)
        const { sql } = groupsOf(call, 1)
        const by = c.coerce(call.arg(2), STRING, ast.name)
        return c.mk(ast.pos, STRING, `regexp_replace(${x.sql}, ${sql}, ${by.sql}, 'g')`, x, by)
      },
    },
    FORMAT: formatFunction,
    GENERATE_UUID: simple([], STRING, () => 'CAST(uuid() AS VARCHAR)'),
    TO_HEX: simple([BYTES], STRING, (x) => `lower(hex(${x}))`),
    FROM_HEX: simple([STRING], BYTES, (x) => `unhex(${x})`),
    TO_BASE64: simple([BYTES], STRING, (x) => `to_base64(${x})`),
    FROM_BASE64: simple([STRING], BYTES, (x) => `from_base64(${x})`),
    SAFE_CONVERT_BYTES_TO_STRING: simple([BYTES], STRING, (x) => `decode(${x})`),
    MD5: textOrBytes(
      (x) => `unhex(md5(${x}))`,
      (x) => `unhex(md5(${x}))`,
      () => BYTES,
    ),
    SHA1: textOrBytes(
      (x) => `unhex(sha1(${x}))`,
      (x) => `unhex(sha1(${x}))`,
      () => BYTES,
    ),
    SHA256: textOrBytes(
      (x) => `unhex(sha256(${x}))`,
      (x) => `unhex(sha256(${x}))`,
      () => BYTES,
    ),
    // dates and times
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
    DATE_FROM_UNIX_DATE: simple([INT64], DATE, (x) => `(DATE '1970-01-01' + CAST(${x} AS INTEGER))`),
    UNIX_SECONDS: simple([TIMESTAMP], INT64, (x) => `${G}.floor_div(epoch_us(${x}), 1000000)`),
    UNIX_MILLIS: simple([TIMESTAMP], INT64, (x) => `${G}.floor_div(epoch_us(${x}), 1000)`),
    UNIX_MICROS: simple([TIMESTAMP], INT64, (x) => `epoch_us(${x})`),
    TIMESTAMP_SECONDS: simple([INT64], TIMESTAMP, (x) => `timezone('UTC', make_timestamp(${x} * 1000000))`),
    TIMESTAMP_MILLIS: simple([INT64], TIMESTAMP, (x) => `timezone('UTC', make_timestamp(${x} * 1000))`),
    TIMESTAMP_MICROS: simple([INT64], TIMESTAMP, (x) => `timezone('UTC', make_timestamp(${x}))`),
    // arrays
    ARRAY_LENGTH: {
      min: 1,
      max: 1,
      gen: ({ c, ast, arg }) => {
        const x = arrayArg(c, ast, arg(0))
        return c.mk(ast.pos, INT64, `len(${x.sql})`, x)
      },
    },
    ARRAY_CONCAT: {
      min: 1,
      max: many,
      gen: ({ c, ast, args }) =>
        extras(c).concat(
          args().map((e) => arrayArg(c, ast, e)),
          ast.pos,
          'function ARRAY_CONCAT',
        ),
    },
    ARRAY_REVERSE: {
      min: 1,
      max: 1,
      gen: ({ c, ast, arg }) => {
        const x = arrayArg(c, ast, arg(0))
        return c.mk(ast.pos, x.type, `list_reverse(${x.sql})`, x)
      },
    },
    ARRAY_TO_STRING: {
      min: 2,
      max: 2,
      gen: ({ c, ast, args }) => {
        const [x, y] = args()
        if (x === undefined || y === undefined || x.type.k !== 'ARRAY' || x.type.of.k !== 'STRING')
          throw noMatch(c, ast, args())
        const v = c.fresh()
        return c.mk(
          ast.pos,
          STRING,
          `coalesce(array_to_string(list_filter(${x.sql}, lambda ${v}: ${v} IS NOT NULL), ${c.coerce(y, STRING, ast.name).sql}), CASE WHEN ${x.sql} IS NOT NULL AND ${y.sql} IS NOT NULL THEN '' END)`,
          x,
          y,
        )
      },
    },
    GENERATE_ARRAY: {
      min: 2,
      max: 3,
      gen: ({ c, ast, args }) => {
        const es = args().map((e) => c.coerce(e, INT64, ast.name))
        const [from, to, step] = es.map((e) => e.sql)
        if (es[2]?.lit !== undefined && es[2].lit.value === '0')
          throw c.invalid(es[2].pos, 'GENERATE_ARRAY: the step is zero')
        return c.mk(
          ast.pos,
          arrayOf(INT64),
          `CASE WHEN ${[from, to, step]
            .filter((sql) => sql !== undefined)
            .map((sql) => `${sql} IS NOT NULL`)
            .join(
              ' AND ',
            )} THEN generate_series(${[from, to, step].filter((sql) => sql !== undefined).join(', ')}) END`,
          ...es,
          ...es,
        )
      },
    },
    GENERATE_DATE_ARRAY: generated('DATE'),
    GENERATE_TIMESTAMP_ARRAY: generated('TIMESTAMP'),
    // JSON
    JSON_VALUE: jsonFunction(
      () => STRING,
      (json, path) => `${G}.json_scalar(${json}, ${path})`,
    ),
    JSON_EXTRACT_SCALAR: jsonFunction(
      () => STRING,
      (json, path) => `${G}.json_scalar(${json}, ${path})`,
    ),
    JSON_QUERY: jsonFunction(
      (input) => (input.k === 'JSON' ? JSON_TYPE : STRING),
      (json, path, input) =>
        input.k === 'JSON'
          ? `json_extract(${json}, ${path})`
          : `nullif(CAST(json_extract(${json}, ${path}) AS VARCHAR), 'null')`,
    ),
    JSON_QUERY_ARRAY: jsonFunction(
      (input) => arrayOf(input.k === 'JSON' ? JSON_TYPE : STRING),
      (json, path, input) =>
        input.k === 'JSON'
          ? `${G}.json_array(${json}, ${path})`
          : `list_transform(${G}.json_array(${json}, ${path}), lambda _e: CAST(_e AS VARCHAR))`,
    ),
    JSON_VALUE_ARRAY: jsonFunction(
      () => arrayOf(STRING),
      (json, path) => `${G}.json_scalars(${json}, ${path})`,
    ),
    JSON_EXTRACT: jsonFunction(
      (input) => (input.k === 'JSON' ? JSON_TYPE : STRING),
      (json, path, input) =>
        input.k === 'JSON'
          ? `json_extract(${json}, ${path})`
          : `nullif(CAST(json_extract(${json}, ${path}) AS VARCHAR), 'null')`,
    ),
    PARSE_JSON: simple([STRING], JSON_TYPE, (x) => `CAST(${x} AS JSON)`),
    TO_JSON_STRING: toJsonString,
    INT64: jsonCast(INT64, 'json_int'),
    FLOAT64: jsonCast(FLOAT64, 'json_float'),
    BOOL: jsonCast(BOOL, 'json_bool'),
    STRING: jsonCast(STRING, 'json_string', stringOfTime),
  } satisfies Record<string, ScalarFunction>),
)

// ---- aggregates

const one = (args: readonly E[]): E => {
  const [x] = args
  if (x === undefined) throw new Error('googlesql: an aggregate without argument')
  return x
}
const orderOf = (c: Compiler, ast: Call, scope: Scope): string => {
  const keys = ast.order.map((key) => c.orderKey(key, scope, ast.distinct).sql)
  return keys.length === 0 ? '' : ` ORDER BY ${keys.join(', ')}`
}
const groupable = (c: Compiler, ast: Call, x: E): void => {
  if (ast.distinct && (x.type.k === 'STRUCT' || x.type.k === 'ARRAY' || x.type.k === 'JSON'))
    throw c.unsupported(ast.pos, `${ast.name} DISTINCT of ${typeName(x.type)}`)
}
const limitOf = (c: Compiler, ast: Call, scope: Scope): string | undefined => {
  if (ast.limit === undefined) return undefined
  const n = c.expr(ast.limit, scope)
  if (n.type.k !== 'INT64' || (n.lit === undefined && n.param !== true))
    throw c.invalid(ast.limit.pos, 'LIMIT needs a whole number')
  return n.sql
}
const minMax = (fn: 'min' | 'max'): AggregateFunction => ({
  min: 1,
  max: 1,
  distinct: true,
  gen: (c, ast, args) => {
    const x = one(args)
    if (x.type.k === 'STRUCT' || x.type.k === 'ARRAY' || x.type.k === 'JSON') throw noMatch(c, ast, args)
    const type = x.type.k === 'NULL' ? INT64 : x.type
    if (type.k === 'FLOAT64')
      return {
        type,
        sql: (over) =>
          `CASE WHEN bool_or(isnan(${x.sql}))${over} THEN CAST('nan' AS DOUBLE) ELSE ${fn}(${x.sql})${over} END`,
      }
    return { type, sql: (over) => `${fn}(${x.sql})${over}` }
  },
})
const statistic = (fn: string, count: number): AggregateFunction => ({
  min: count,
  max: count,
  gen: (c, ast, args) => {
    const es = args.map((e) => c.coerce(e, FLOAT64, ast.name).sql).join(', ')
    return { type: FLOAT64, sql: (over) => `${fn}(${es})${over}` }
  },
})
const by = (max: boolean): AggregateFunction => ({
  min: 2,
  max: 2,
  gen: (_c, _ast, args) => ({
    type: args[0]?.type.k === 'NULL' ? INT64 : one(args).type,
    sql: (over) => `arg_${max ? 'max' : 'min'}_null(${args.map((e) => e.sql).join(', ')})${over}`,
  }),
})
const logical = (fn: string): AggregateFunction => ({
  min: 1,
  max: 1,
  gen: (c, ast, args) => {
    const x = c.coerce(one(args), BOOL, ast.name)
    return { type: BOOL, sql: (over) => `${fn}(${x.sql})${over}` }
  },
})

/** Aggregate functions by upper-case name. */
export const aggregates: ReadonlyMap<string, AggregateFunction> = new Map(
  Object.entries({
    COUNT: {
      min: 1,
      max: 1,
      star: true,
      distinct: true,
      gen: (c, ast, args) => {
        if (ast.star) return { type: INT64, sql: (over) => `count(*)${over}` }
        const x = one(args)
        groupable(c, ast, x)
        return { type: INT64, sql: (over) => `count(${ast.distinct ? 'DISTINCT ' : ''}${x.sql})${over}` }
      },
    },
    COUNTIF: {
      min: 1,
      max: 1,
      gen: (c, ast, args) => {
        const x = c.coerce(one(args), BOOL, ast.name)
        return { type: INT64, sql: (over) => `count(CASE WHEN ${x.sql} THEN 1 END)${over}` }
      },
    },
    SUM: {
      min: 1,
      max: 1,
      distinct: true,
      gen: (c, ast, args) => {
        const x = one(args).type.k === 'NULL' ? c.coerce(one(args), INT64, ast.name) : one(args)
        if (!isNumber(x.type)) throw noMatch(c, ast, args)
        const inner = `sum(${ast.distinct ? 'DISTINCT ' : ''}${x.sql})`
        const target = x.type.k === 'FLOAT64' ? undefined : duckdbTypeOf(x.type)
        return {
          type: x.type,
          sql: (over) => (target === undefined ? `${inner}${over}` : `CAST(${inner}${over} AS ${target})`),
        }
      },
    },
    AVG: {
      min: 1,
      max: 1,
      distinct: true,
      gen: (c, ast, args) => {
        const x = one(args).type.k === 'NULL' ? c.coerce(one(args), FLOAT64, ast.name) : one(args)
        if (!isNumber(x.type)) throw noMatch(c, ast, args)
        if (x.type.k === 'BIGNUMERIC') throw c.unsupported(ast.pos, 'AVG of BIGNUMERIC')
        const value = `${ast.distinct ? 'DISTINCT ' : ''}${x.sql}`
        if (x.type.k === 'NUMERIC')
          return { type: NUMERIC, sql: (over) => `${G}.num_safe_div(sum(${value})${over}, count(${value})${over})` }
        return { type: FLOAT64, sql: (over) => `avg(${value})${over}` }
      },
    },
    MIN: minMax('min'),
    MAX: minMax('max'),
    ANY_VALUE: {
      min: 1,
      max: 1,
      having: true,
      gen: (c, ast, args, scope) => {
        const x = one(args)
        const type = x.type.k === 'NULL' ? INT64 : x.type
        if (ast.having === undefined) return { type, sql: (over) => `any_value(${x.sql})${over}` }
        const key = c.expr(ast.having.expr, scope)
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
      gen: (c, ast, args, scope) => {
        const x = one(args)
        if (x.type.k === 'ARRAY') throw c.invalid(ast.pos, 'ARRAY_AGG cannot give an array of arrays')
        groupable(c, ast, x)
        const filter = ast.nulls === 'IGNORE' ? ` FILTER (WHERE ${x.sql} IS NOT NULL)` : ''
        const inner = `list(${ast.distinct ? 'DISTINCT ' : ''}${x.sql}${orderOf(c, ast, scope)})${filter}`
        const limit = limitOf(c, ast, scope)
        return {
          type: arrayOf(x.type.k === 'NULL' ? INT64 : x.type),
          sql: (over) => (limit === undefined ? `${inner}${over}` : `list_slice(${inner}${over}, 1, ${limit})`),
        }
      },
    },
    ARRAY_CONCAT_AGG: {
      min: 1,
      max: 1,
      order: true,
      gen: (c, ast, args, scope) => {
        const x = arrayArg(c, ast, one(args))
        if (ast.limit !== undefined) throw c.unsupported(ast.pos, 'LIMIT in ARRAY_CONCAT_AGG')
        return { type: x.type, sql: (over) => `flatten(list(${x.sql}${orderOf(c, ast, scope)})${over})` }
      },
    },
    STRING_AGG: {
      min: 1,
      max: 2,
      distinct: true,
      order: true,
      gen: (c, ast, args, scope) => {
        const x = c.coerce(one(args), STRING, ast.name)
        const separator = args[1] === undefined ? "','" : c.coerce(args[1], STRING, ast.name).sql
        if (args[1] !== undefined && args[1].lit === undefined && args[1].param !== true)
          throw c.invalid(args[1].pos, 'The separator of STRING_AGG must be a literal or a parameter')
        const limit = limitOf(c, ast, scope)
        const list = `list(${ast.distinct ? 'DISTINCT ' : ''}${x.sql}${orderOf(c, ast, scope)}) FILTER (WHERE ${x.sql} IS NOT NULL)`
        return {
          type: STRING,
          sql: (over) =>
            `array_to_string(${limit === undefined ? `${list}${over}` : `list_slice(${list}${over}, 1, ${limit})`}, ${separator})`,
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
    CORR: statistic('corr', 2),
    COVAR_POP: statistic('covar_pop', 2),
    COVAR_SAMP: statistic('covar_samp', 2),
    APPROX_COUNT_DISTINCT: {
      min: 1,
      max: 1,
      gen: (c, ast, args) => {
        groupable(c, { ...ast, distinct: true }, one(args))
        return { type: INT64, sql: (over) => `count(DISTINCT ${one(args).sql})${over}` }
      },
    },
    APPROX_QUANTILES: {
      min: 2,
      max: 2,
      gen: (c, ast, args) => {
        const x = one(args)
        const n = Number(args[1]?.lit?.value)
        if (!Number.isInteger(n) || n < 1 || n > 1000)
          throw c.unsupported(ast.pos, 'APPROX_QUANTILES with this number of quantiles')
        if (x.type.k === 'STRUCT' || x.type.k === 'ARRAY' || x.type.k === 'JSON' || x.type.k === 'NULL')
          throw noMatch(c, ast, args)
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

// ---- window functions

const ranking = (fn: string, type: Type, order: boolean): WindowFunction => ({
  min: 0,
  max: 0,
  nulls: false,
  frame: false,
  order,
  gen: () => ({ type, sql: (over) => (type.k === 'INT64' ? `CAST(${fn}()${over} AS BIGINT)` : `${fn}()${over}`) }),
})
const shift = (fn: 'lag' | 'lead'): WindowFunction => ({
  min: 1,
  max: 3,
  nulls: false,
  frame: false,
  order: true,
  gen: (c, ast, args) => {
    const [x, n, other] = args
    if (x === undefined) throw noMatch(c, ast, args)
    const type = x.type.k === 'NULL' ? INT64 : x.type
    if (
      n !== undefined &&
      (n.type.k !== 'INT64' || (n.lit === undefined && n.param !== true) || n.lit?.value.startsWith('-') === true)
    )
      throw c.invalid(n.pos, `${ast.name}: the offset must be a whole number or a parameter`)
    const rest = [n?.sql, other === undefined ? undefined : c.coerce(other, type, ast.name).sql].filter(
      (sql) => sql !== undefined,
    )
    return { type, sql: (over) => `${fn}(${[c.coerce(x, type, ast.name).sql, ...rest].join(', ')})${over}` }
  },
})
const valueOf = (fn: string, min: number): WindowFunction => ({
  min,
  max: min,
  nulls: true,
  frame: true,
  order: true,
  gen: (c, ast, args) => {
    const x = one(args)
    const n = args[1]
    if (n !== undefined && (n.lit?.kind !== 'INT64' || Number(n.lit.value) < 1))
      throw c.unsupported(n.pos, `${ast.name} at a position that is no positive literal`)
    return {
      type: x.type.k === 'NULL' ? INT64 : x.type,
      sql: (over) =>
        `${fn}(${args.map((e) => e.sql).join(', ')}${ast.nulls === 'IGNORE' ? ' IGNORE NULLS' : ''})${over}`,
    }
  },
})
const percentile = (fn: string): WindowFunction => ({
  min: 2,
  max: 2,
  nulls: false,
  frame: false,
  order: false,
  gen: (c, ast, args) => {
    const [x0, p] = args
    if (x0 === undefined || p?.lit === undefined || !(Number(p.lit.value) >= 0 && Number(p.lit.value) <= 1))
      throw c.unsupported(ast.pos, `${ast.name} whose percentile is no literal between 0 and 1`)
    const x = ast.name === 'PERCENTILE_CONT' ? c.coerce(x0, FLOAT64, ast.name) : x0
    if (!isNumber(x.type)) throw c.unsupported(ast.pos, `${ast.name} of ${typeName(x.type)}`)
    if (ast.over !== undefined && ast.over.order.length > 0) throw c.invalid(ast.pos, `${ast.name} takes no ORDER BY`)
    return { type: x.type, sql: (over) => `${fn}(${x.sql}, ${p.lit?.value ?? '0'})${over}` }
  },
})

/** Functions that need OVER, by upper-case name. */
export const windowFunctions: ReadonlyMap<string, WindowFunction> = new Map(
  Object.entries({
    ROW_NUMBER: ranking('row_number', INT64, false),
    RANK: ranking('rank', INT64, true),
    DENSE_RANK: ranking('dense_rank', INT64, true),
    PERCENT_RANK: ranking('percent_rank', FLOAT64, true),
    CUME_DIST: ranking('cume_dist', FLOAT64, true),
    NTILE: {
      min: 1,
      max: 1,
      nulls: false,
      frame: false,
      order: true,
      gen: (c, ast, args) => {
        const n = one(args)
        if (n.lit?.kind !== 'INT64' || Number(n.lit.value) < 1)
          throw c.unsupported(ast.pos, 'NTILE with buckets that are no positive literal')
        return { type: INT64, sql: (over) => `CAST(ntile(${n.sql})${over} AS BIGINT)` }
      },
    },
    LAG: shift('lag'),
    LEAD: shift('lead'),
    FIRST_VALUE: valueOf('first_value', 1),
    LAST_VALUE: valueOf('last_value', 1),
    NTH_VALUE: valueOf('nth_value', 2),
    PERCENTILE_CONT: percentile('quantile_cont'),
    PERCENTILE_DISC: percentile('quantile_disc'),
  } satisfies Record<string, WindowFunction>),
)
