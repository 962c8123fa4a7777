/** Calls of functions, aggregates and window functions. */
import type { Compiler, Expression, Scope } from './compiler.ts'
import { hasVolatile, readOnce } from './volatile.ts'
import { overClause } from './windows.ts'
import type { ScalarFunction } from '../functions/signature.ts'
import { mayRaise } from '../setup.ts'
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
    if (ast.nulls !== undefined && ast.name.startsWith('PERCENTILE_'))
      throw compiler.unsupported(ast.pos, `IGNORE NULLS or RESPECT NULLS in ${ast.name}`)
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
    if (ast.over !== undefined && ast.distinct) refuseOrderedDistinct(compiler, ast)
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
  const unsafe = fn === undefined && ast.name.startsWith('SAFE.') ? functions.get(ast.name.slice(5)) : undefined
  if (unsafe !== undefined) return safeCall(compiler, { ...ast, name: ast.name.slice(5) }, scope, unsafe)
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
/** Over different values a window has neither an order nor a frame. */
const refuseOrderedDistinct = (compiler: Compiler, ast: Call): void => {
  if (ast.name !== 'COUNT' && ast.name !== 'SUM')
    throw compiler.unsupported(ast.pos, `${ast.name} with DISTINCT and OVER`)
  if (ast.over?.base !== undefined) throw compiler.unsupported(ast.pos, `${ast.name} with DISTINCT over a named window`)
  if (ast.over?.order.length !== 0 || ast.over.frame !== undefined)
    throw compiler.invalid(ast.pos, `${ast.name} with DISTINCT: the window takes no ORDER BY and no frame`)
}
/**
 * SAFE.NAME(...): NULL where the function itself fails. Its arguments are evaluated before it, for what fails in them
 * fails.
 */
const safeCall = (compiler: Compiler, ast: Call, scope: Scope, fn: ScalarFunction): Expression => {
  checkArity(compiler, ast, fn)
  const refuse = (): Error => compiler.unsupported(ast.pos, `The SAFE. prefix of ${ast.name} with these arguments`)
  const row = compiler.fresh()
  const values: string[] = []
  const operands = new Map<number, { given: Expression; bound: Expression }>()
  const arg = (at: number): Expression => {
    const known = operands.get(at)
    if (known !== undefined) return known.bound
    const given = compiler.expression(argumentOf(compiler, ast, at), scope)
    const name = `_${at}`
    const bound: Expression =
      given.lit !== undefined || given.param === true
        ? given
        : { ...compiler.build(given.pos, given.type, `struct_extract(${row}, '${name}')`), name: given.name }
    if (bound !== given) values.push(`${name} := ${given.sql}`)
    operands.set(at, { given, bound })
    return bound
  }
  if (ast.args.some(({ k }) => k === 'interval')) throw refuse()
  const inside = fn.gen({ ast, scope, compiler, arg, args: () => ast.args.map((_, at) => arg(at)) })
  if (inside.agg === true || inside.win === true || inside.sub === true || hasVolatile(inside.sql)) throw refuse()
  if (mayRaise(inside.sql)) throw compiler.unsupported(ast.pos, `The SAFE. prefix of ${ast.name}`)
  const given = [...operands.values()].map((operand) => operand.given)
  const tried = `TRY(${inside.sql})`
  const sql =
    values.length === 0
      ? tried
      : `list_extract(list_transform([struct_pack(${values.join(', ')})], lambda ${row}: ${tried}), 1)`
  return compiler.build(ast.pos, inside.type, sql, inside, ...given)
}
