/** Calls of functions, aggregates and window functions. */
import type { Compiler, Expression, Scope } from './compiler.ts'
import { readOnce } from './volatile.ts'
import { overClause } from './windows.ts'
import { functions } from '../functions.ts'
import { aggregates } from '../functions/aggregates.ts'
import { windowFunctions } from '../functions/windows.ts'
import type { Call, Expr } from '../ast.ts'

export const compileCall = (compiler: Compiler, ast: Call, scope: Scope): Expression => {
  const assertPlain = (): void => {
    if (
      ast.star ||
      ast.distinct ||
      ast.nulls !== undefined ||
      ast.having !== undefined ||
      ast.order.length > 0 ||
      ast.limit !== undefined
    )
      throw compiler.invalid(ast.pos, `${ast.name} takes no such modifier`)
  }
  const windowed = windowFunctions.get(ast.name)
  if (windowed !== undefined) {
    if (ast.over === undefined) throw compiler.invalid(ast.pos, `${ast.name} needs OVER`)
    if (
      ast.star ||
      ast.distinct ||
      ast.having !== undefined ||
      ast.order.length > 0 ||
      ast.limit !== undefined ||
      (ast.nulls !== undefined && !windowed.nulls)
    )
      throw compiler.invalid(ast.pos, `${ast.name} takes no such modifier`)
    checkArity(compiler, ast, windowed)
    const args = ast.args.map((arg) => compiler.expression(arg, scope))
    const { sql: over, parts } = overClause(compiler, ast.over, scope, windowed)
    const { type, sql } = windowed.gen(compiler, ast, args)
    return { ...compiler.build(ast.pos, type, sql(over), ...args, ...parts), win: true }
  }
  const aggregate = aggregates.get(ast.name)
  if (aggregate !== undefined && scope.list !== undefined) {
    const listed = scope.list.aggregate(ast, scope.list.element)
    if (listed !== undefined) return listed
    scope.list.unfit = true
    return compiler.build(ast.pos, { k: 'NULL' }, 'NULL')
  }
  if (aggregate !== undefined) {
    checkArity(compiler, ast, aggregate)
    if (ast.star !== (aggregate.star === true && ast.args.length === 0))
      throw compiler.invalid(ast.pos, `${ast.name}(*) is not a function`)
    for (const [given, allowed, word] of [
      [ast.distinct, aggregate.distinct, 'DISTINCT'],
      [ast.nulls !== undefined, aggregate.nulls, 'IGNORE NULLS or RESPECT NULLS'],
      [ast.having !== undefined, aggregate.having, 'HAVING'],
      [ast.order.length > 0, aggregate.order, 'ORDER BY'],
      [ast.limit !== undefined, aggregate.order, 'LIMIT'],
    ] as const) {
      if (given && allowed !== true) throw compiler.unsupported(ast.pos, `${word} in ${ast.name}`)
    }
    const args = ast.args.map((arg) => compiler.expression(arg, scope))
    for (const arg of args) {
      if (arg.agg === true && ast.over === undefined)
        throw compiler.invalid(arg.pos, 'Aggregations of aggregations are not allowed')
      if (arg.win === true) throw compiler.invalid(arg.pos, 'An aggregate cannot contain a window function')
    }
    if (ast.over !== undefined && (ast.order.length > 0 || ast.limit !== undefined || ast.having !== undefined))
      throw compiler.unsupported(ast.pos, `${ast.name} with ORDER BY, LIMIT or HAVING and OVER`)
    if (ast.over !== undefined && ast.distinct)
      throw compiler.unsupported(ast.pos, `${ast.name} with DISTINCT and OVER`)
    const window =
      ast.over === undefined ? undefined : overClause(compiler, ast.over, scope, { frame: true, order: false })
    const { type, sql, parts } = aggregate.gen(compiler, ast, args, scope)
    const result = compiler.build(ast.pos, type, sql(window?.sql ?? ''), ...args, ...(window?.parts ?? []))
    if (parts !== undefined && window === undefined) result.parts = parts('')
    if (window === undefined) result.agg = true
    else result.win = true
    return result
  }
  assertPlain()
  if (ast.over !== undefined) throw compiler.invalid(ast.pos, `${ast.name} is not a window function`)
  const fn = functions.get(ast.name)
  if (fn === undefined)
    throw compiler.unsupported(
      ast.pos,
      `${ast.name.startsWith('SAFE.') && (functions.has(ast.name.slice(5)) || aggregates.has(ast.name.slice(5))) ? 'The SAFE. prefix of' : 'Function'} ${ast.name.replace(/^SAFE\./, '')}`,
    )
  checkArity(compiler, ast, fn)
  const compiled = new Map<number, Expression>()
  const argument = (at: number): Expression => {
    const e = compiled.get(at) ?? compiler.expression(argumentOf(compiler, ast, at), scope)
    compiled.set(at, e)
    return e
  }
  const generate = (arg: (at: number) => Expression): Expression =>
    fn.gen({ ast, scope, compiler, arg, args: () => ast.args.map((_, at) => arg(at)) })
  const plain = generate(argument)
  const operands = [...compiled.keys()]
  return readOnce(compiler, plain, [...compiled.values()], (bound) =>
    generate((at) => bound[operands.indexOf(at)] ?? argument(at)),
  )
}
const checkArity = (compiler: Compiler, ast: Call, fn: { min: number; max: number }): void => {
  if (ast.args.length < fn.min || ast.args.length > fn.max) {
    if (ast.star) return
    throw compiler.invalid(ast.pos, `${ast.name} takes ${arity(fn)} arguments, not ${ast.args.length}`)
  }
}
const arity = ({ min, max }: { min: number; max: number }): string => {
  if (min === max) return String(min)
  return max > 100 ? `at least ${min}` : `${min} to ${max}`
}
const argumentOf = (compiler: Compiler, ast: Call, at: number): Expr => {
  const arg = ast.args[at]
  if (arg === undefined) throw compiler.invalid(ast.pos, `${ast.name}: argument ${at + 1} is missing`)
  return arg
}
