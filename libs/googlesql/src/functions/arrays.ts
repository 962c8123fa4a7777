/** Array functions. */
import type { Compiler, Expression } from '../compile/compiler.ts'
import { daysOf, microseconds, monthsOf } from '../compile/dates.ts'
import { concatenate } from '../compile/operators.ts'
import { type ScalarFunction, many, noMatch } from './signature.ts'
import type { Call } from '../ast.ts'
import { mostGenerated } from '../macros/arrays.ts'
import { reservedSchema as MACROS } from '../macros/macro.ts'
import { INT64, STRING, type Type, arrayOf, typeName } from '../types.ts'

const generated = (kind: 'DATE' | 'TIMESTAMP'): ScalarFunction => ({
  min: kind === 'DATE' ? 2 : 3,
  max: 3,
  gen: ({ compiler, ast, scope, arg }) => {
    const type: Type = { k: kind }
    const [from, to] = [compiler.coerce(arg(0), type, ast.name), compiler.coerce(arg(1), type, ast.name)]
    const interval = ast.args[2]
    if (interval !== undefined && interval.k !== 'interval')
      throw compiler.invalid(interval.pos, `${ast.name} needs INTERVAL n part`)
    const n =
      interval === undefined ? undefined : compiler.coerce(compiler.expression(interval.n, scope), INT64, ast.name)
    const part = interval?.part.part ?? 'DAY'
    const months = monthsOf[part]
    const days = daysOf[part]
    const unit = microseconds[part]
    const count = n?.sql ?? 'CAST(1 AS BIGINT)'
    if (n !== undefined && n.lit === undefined && n.param !== true)
      throw compiler.unsupported(n.pos, `A step of ${ast.name} that is no literal or parameter`)
    if (n?.lit !== undefined && Number(n.lit.value) === 0)
      throw compiler.invalid(n.pos, `${ast.name}: the step is zero`)
    const list = (step: string, micros?: string): Expression => {
      const bound = (e: Expression): string => (kind === 'DATE' ? `CAST(${e.sql} AS TIMESTAMP)` : e.sql)
      // Of days there are not too many.
      const end = micros === undefined ? bound(to) : `${MACROS}.last_moment(${from.sql}, ${to.sql}, ${micros})`
      const series = `generate_series(${bound(from)}, ${end}, ${step})`
      const sql = kind === 'DATE' ? `CAST(${series} AS DATE[])` : series
      const given = `${from.sql} IS NOT NULL AND ${to.sql} IS NOT NULL`
      return compiler.build(ast.pos, arrayOf(type), `CASE WHEN ${given} THEN ${sql} END`, from, to)
    }
    if (kind === 'DATE') {
      if (days !== undefined) return list(`to_days(CAST(${count} * ${days} AS INTEGER))`)
      if (months !== undefined && n?.lit !== undefined && Number(n.lit.value) > 0) {
        const step = String(Number(n.lit.value) * months)
        return compiler.build(
          ast.pos,
          arrayOf(type),
          `${MACROS}.month_series(${from.sql}, ${to.sql}, ${step})`,
          from,
          to,
        )
      }
    } else if (unit !== undefined) return list(`to_microseconds(${count} * ${unit})`, `(${count} * ${unit})`)
    throw compiler.unsupported(interval?.pos ?? ast.pos, `${ast.name} with steps of ${part}`)
  },
})
export const arrayArg = (
  compiler: Compiler,
  ast: Call,
  e: Expression,
): Expression & { type: Type & { k: 'ARRAY' } } => {
  if (e.type.k !== 'ARRAY') throw noMatch(compiler, ast, [e])
  return e as Expression & { type: Type & { k: 'ARRAY' } }
}

/** By upper-case name. */
export const arrayFunctions = {
  ARRAY_LENGTH: {
    min: 1,
    max: 1,
    gen: ({ compiler, ast, arg }) => {
      const x = arrayArg(compiler, ast, arg(0))
      return compiler.build(ast.pos, INT64, `len(${x.sql})`, x)
    },
  },
  ARRAY_CONCAT: {
    min: 1,
    max: many,
    gen: ({ compiler, ast, args }) =>
      concatenate(
        compiler,
        args().map((e) => arrayArg(compiler, ast, e)),
        ast.pos,
        'function ARRAY_CONCAT',
      ),
  },
  ARRAY_REVERSE: {
    min: 1,
    max: 1,
    gen: ({ compiler, ast, arg }) => {
      const x = arrayArg(compiler, ast, arg(0))
      return compiler.build(ast.pos, x.type, `list_reverse(${x.sql})`, x)
    },
  },
  ARRAY_TO_STRING: {
    min: 2,
    max: 3,
    gen: ({ compiler, ast, args }) => {
      const [given, y, other] = args()
      // [] has no type of its own.
      const x = given?.items?.length === 0 ? compiler.coerce(given, arrayOf(STRING), ast.name) : given
      if (x === undefined || y === undefined || x.type.k !== 'ARRAY') throw noMatch(compiler, ast, args())
      if (x.type.of.k === 'BYTES') throw compiler.unsupported(ast.pos, `${ast.name} of ${typeName(x.type)}`)
      if (x.type.of.k !== 'STRING') throw noMatch(compiler, ast, args())
      const v = compiler.fresh()
      if (other !== undefined) {
        const separator = compiler.coerce(y, STRING, ast.name)
        const none = compiler.coerce(other, STRING, ast.name)
        const whole = `${x.sql} IS NOT NULL AND ${separator.sql} IS NOT NULL AND ${none.sql} IS NOT NULL`
        const list = `list_transform(${x.sql}, lambda ${v}: coalesce(${v}, ${none.sql}))`
        const joined = `coalesce(array_to_string(${list}, ${separator.sql}), '')`
        return compiler.build(ast.pos, STRING, `CASE WHEN ${whole} THEN ${joined} END`, x, x, separator, none)
      }
      return compiler.build(
        ast.pos,
        STRING,
        `coalesce(array_to_string(list_filter(${x.sql}, lambda ${v}: ${v} IS NOT NULL), ${compiler.coerce(y, STRING, ast.name).sql}), CASE WHEN ${x.sql} IS NOT NULL AND ${y.sql} IS NOT NULL THEN '' END)`,
        x,
        y,
      )
    },
  },
  GENERATE_ARRAY: {
    min: 2,
    max: 3,
    gen: ({ compiler, ast, args }) => {
      const es = args().map((e) => compiler.coerce(e, INT64, ast.name))
      const [from = '', to = '', step] = es.map((e) => e.sql)
      const [first, last, by = 1n] = es.map((e) =>
        /^-?[0-9]+$/.test(e.lit?.value ?? '') ? BigInt(e.lit?.value ?? '') : undefined,
      )
      if (es[2]?.lit !== undefined && es[2].lit.value === '0')
        throw compiler.invalid(es[2].pos, 'GENERATE_ARRAY: the step is zero')
      const isSmall =
        first !== undefined &&
        last !== undefined &&
        (step === undefined || es[2]?.lit !== undefined) &&
        by !== 0n &&
        (last - first) / by < BigInt(mostGenerated)
      const end = isSmall ? to : `${MACROS}.last_number(${from}, ${to}, ${step ?? '1'})`
      const given = es.map(({ sql }) => `${sql} IS NOT NULL`).join(' AND ')
      const bounds = [from, end, ...(step === undefined ? [] : [step])].join(', ')
      const sql = `CASE WHEN ${given} THEN generate_series(${bounds}) END`
      return compiler.build(ast.pos, arrayOf(INT64), sql, ...es, ...es)
    },
  },
  GENERATE_DATE_ARRAY: generated('DATE'),
  GENERATE_TIMESTAMP_ARRAY: generated('TIMESTAMP'),
} satisfies Record<string, ScalarFunction>
