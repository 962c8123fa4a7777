/** The shape of a function in the tables, and makers of the usual shapes. */
import { type Compiler, type Expression, type Scope, isNumber } from '../compile/compiler.ts'
import type { Call, DatePart } from '../ast.ts'
import type { Parts } from '../bignumeric.ts'
import { FLOAT64, INT64, type Type, typeName } from '../types.ts'

export interface FunctionCall {
  ast: Call
  scope: Scope
  compiler: Compiler
  /** One argument, compiled. */
  arg(at: number): Expression
  args(): Expression[]
}
export interface ScalarFunction {
  min: number
  max: number
  gen(call: FunctionCall): Expression
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
  gen(
    compiler: Compiler,
    ast: Call,
    args: readonly Expression[],
    scope: Scope,
  ): { type: Type; sql(over: string): string; parts?(over: string): Parts }
}
export interface WindowFunction {
  min: number
  max: number
  nulls: boolean
  frame: boolean
  order: boolean
  gen(compiler: Compiler, ast: Call, args: readonly Expression[]): { type: Type; sql(over: string): string }
}

export const many = 1000
export type TypeOf = Type | ((es: readonly Expression[]) => Type)

/** A function of fixed argument types. Missing trailing arguments are allowed down to `min`. */
export const simple = (
  params: readonly Type[],
  result: TypeOf,
  sql: (...args: string[]) => string,
  min = params.length,
): ScalarFunction => ({
  min,
  max: params.length,
  gen: ({ compiler, ast, args }) => {
    const es = args().map((e, at) => compiler.coerce(e, params[at] ?? e.type, ast.name))
    return compiler.build(
      ast.pos,
      typeof result === 'function' ? result(es) : result,
      sql(...es.map((e) => e.sql)),
      ...es,
    )
  },
})
/** A function over one numeric argument, by type. */
export const numeric = (
  by: Partial<Record<'INT64' | 'FLOAT64' | 'NUMERIC' | 'BIGNUMERIC', (sql: string) => string>>,
  result?: Type,
): ScalarFunction => ({
  min: 1,
  max: 1,
  gen: ({ compiler, ast, arg }) => {
    let x = arg(0)
    if (x.type.k === 'NULL') x = compiler.coerce(x, by.INT64 === undefined ? FLOAT64 : INT64, ast.name)
    if (x.type.k === 'INT64' && by.INT64 === undefined) x = compiler.coerce(x, FLOAT64, ast.name)
    if (!isNumber(x.type)) throw noMatch(compiler, ast, [x])
    const make = by[x.type.k as 'FLOAT64']
    if (make === undefined) throw compiler.unsupported(ast.pos, `${ast.name} of ${typeName(x.type)}`)
    return compiler.build(ast.pos, result ?? x.type, make(x.sql), x)
  },
})
export const noMatch = (compiler: Compiler, ast: Call, es: readonly Expression[]): Error =>
  compiler.invalid(
    ast.pos,
    `No matching signature for function ${ast.name} for argument types: ${es.map((e) => typeName(e.type)).join(', ')}`,
  )
export const double = (fn: (...args: string[]) => string, count: number): ScalarFunction =>
  simple(
    Array.from({ length: count }, () => FLOAT64),
    FLOAT64,
    fn,
  )

/** DAY, WEEK, WEEK(MONDAY) ... in an argument. */
export const partOf = (compiler: Compiler, ast: Call, at: number): DatePart => {
  const arg = ast.args[at]
  if (arg?.k === 'path' && arg.parts.length === 1)
    return { part: (arg.parts[0]?.text ?? '').toUpperCase(), pos: arg.pos }
  if (arg?.k === 'call' && arg.name === 'WEEK' && arg.args.length === 1 && arg.args[0]?.k === 'path')
    return { part: 'WEEK', day: (arg.args[0].parts[0]?.text ?? '').toUpperCase(), pos: arg.pos }
  throw compiler.invalid(arg?.pos ?? ast.pos, `${ast.name}: argument ${at + 1} must be a date part`)
}
/** The text of an argument that must be a literal. */
export const literalText = (call: FunctionCall, at: number, what: string): string => {
  const e = call.arg(at)
  if (e.lit?.kind !== 'STRING')
    throw call.compiler.unsupported(e.pos, `${what} of ${call.ast.name} that is no text literal`)
  return e.lit.value
}
