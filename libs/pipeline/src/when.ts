/**
 * `when`: the condition of a step, in CEL. Checked with its types when the file is, and asked when the step is about to
 * start, of facts that stand in the message: the parameters, and how the steps before it ended.
 */
import { Environment, EvaluationError, ParseError, type ASTNode } from '@marcbachmann/cel-js'
import { AppError, faultOf, type CompiledStep, type Fault, type Run } from '@convergence/contracts'
import { filledLate } from './results.ts'
import { didYouMean, orList } from './wording.ts'

/** Bounds of a condition: a pipeline has 200 steps, and each may have one. */
const limits = { maxAstNodes: 200, maxDepth: 20, maxListElements: 50, maxMapEntries: 20, maxCallArguments: 4 }
/** As what a name of `params` or of `outputs` is known. */
export type CelType = 'string' | 'int' | 'double' | 'bool' | 'dyn'
export interface WhenNames {
  params: Readonly<Record<string, CelType>>
  /** Outputs of the steps that the condition may name, by step. */
  steps: ReadonlyMap<string, Readonly<Record<string, CelType>>>
}
const runFields = {
  run_id: 'string',
  tenant_id: 'string',
  pipeline: 'string',
  pipeline_id: 'string',
  trigger_type: 'string',
} as const
export const statuses = ['SUCCEEDED', 'FAILED', 'TIMED_OUT', 'SKIPPED', 'NOT_RUN'] as const

export interface WhenFault {
  offset: number
  message: string
}
/** What the condition names of earlier steps. */
export interface WhenUse {
  step_id: string
  offset: number
}

const children = ({ args }: ASTNode): ASTNode[] =>
  (Array.isArray(args) ? (args as unknown[]) : [args])
    .flat(2)
    .filter((arg): arg is ASTNode => typeof arg === 'object' && arg !== null && 'op' in arg)
const nodesOf = (node: ASTNode): ASTNode[] => [node, ...children(node).flatMap(nodesOf)]
const isNamed = (node: ASTNode | undefined, name: string): boolean => node?.op === 'id' && node.args === name

/** `steps.ID` and `steps['ID']`. */
const stepUse = (node: ASTNode): WhenUse | undefined => {
  if (node.op === '.' && isNamed(node.args[0], 'steps'))
    return { step_id: node.args[1], offset: node.range.end - node.args[1].length }
  if (node.op !== '[]' || !isNamed(node.args[0], 'steps')) return undefined
  const [, key] = node.args
  return key.op === 'value' && typeof key.args === 'string' ? { step_id: key.args, offset: key.range.start } : undefined
}
const macros = ['all', 'exists', 'exists_one', 'map', 'filter']
const isLoop = (node: ASTNode): boolean => node.op === 'rcall' && macros.includes(node.args[0])

/** What takes longer than its length says. */
const costly = (nodes: readonly ASTNode[]): WhenFault[] =>
  nodes.flatMap((node): WhenFault[] => {
    const offset = node.range.start
    if (node.op === 'rcall' && node.args[0] === 'matches')
      return [{ offset, message: 'matches is not to be had; expected ==, in, startsWith, endsWith or contains' }]
    return isLoop(node) && nodesOf(node).slice(1).some(isLoop)
      ? [{ offset, message: `expected ${orList(macros)} once, got one inside another` }]
      : []
  })

/** A status that there is not would make a condition that is never true. */
const oddStatuses = (nodes: readonly ASTNode[]): WhenFault[] =>
  nodes.flatMap((node): WhenFault[] => {
    if (node.op !== '==' && node.op !== '!=') return []
    const [left, right] = node.args
    if (left.op !== '.' || left.args[1] !== 'status' || stepUse(left.args[0]) === undefined) return []
    if (right.op !== 'value' || typeof right.args !== 'string') return []
    if ((statuses as readonly string[]).includes(right.args)) return []
    const message = `unknown status "${right.args}"; expected ${orList(statuses)}`
    return [{ offset: right.range.start, message }]
  })

/** The names beside the one that is not there. */
const namesBeside = (text: string, offset: number, { params, steps }: WhenNames): readonly string[] => {
  const before = text.slice(0, offset)
  if (/\bparams\.$/.test(before)) return Object.keys(params)
  if (/\brun\.$/.test(before)) return Object.keys(runFields)
  const step = /\bsteps\.([\w-]+)\.(outputs\.)?$/.exec(before)
  if (step !== null) return step[2] === undefined ? ['status', 'outputs'] : Object.keys(steps.get(step[1] ?? '') ?? {})
  return ['params', 'steps', 'run']
}

/** Every fault of a condition, each with its offset, and the steps that it names. */
export const readWhen = (
  text: string,
  names: WhenNames,
  whyNot: (step_id: string) => string,
): { faults: WhenFault[]; uses: WhenUse[] } => {
  const env = new Environment({ unlistedVariablesAreDyn: false, limits })
    .registerVariable('params', { schema: { ...names.params } })
    .registerVariable('run', { schema: { ...runFields } })
    .registerVariable('steps', {
      schema: Object.fromEntries(
        [...names.steps].map(([step_id, outputs]) => [step_id, { status: 'string', outputs: { ...outputs } }]),
      ),
    })
  let parsed: ReturnType<typeof env.parse>
  try {
    parsed = env.parse(text)
  } catch (error) {
    if (!(error instanceof ParseError)) throw error
    const offset = Math.min(error.range?.start ?? 0, Math.max(0, text.length - 1))
    return { faults: [{ offset, message: `cannot be read as CEL: ${error.summary}` }], uses: [] }
  }
  const nodes = nodesOf(parsed.ast)
  const uses = nodes.flatMap((node) => stepUse(node) ?? [])
  const faults = [
    ...costly(nodes),
    ...oddStatuses(nodes),
    ...uses
      .filter(({ step_id }) => !names.steps.has(step_id))
      .map(({ step_id, offset }) => ({ offset, message: whyNot(step_id) })),
  ]
  if (faults.length > 0) return { faults, uses }
  const { valid, type, error } = parsed.check()
  if (!valid) {
    const { start = 0, end = 0 } = error?.range ?? {}
    const beside =
      error?.code === 'no_such_key' || error?.code === 'unknown_variable' ? namesBeside(text, start, names) : []
    const hint = beside.length === 0 ? '' : didYouMean(text.slice(start, end), beside) || `; expected ${orList(beside)}`
    return { faults: [{ offset: start, message: `${lowered(error?.summary ?? 'is no CEL')}${hint}` }], uses }
  }
  return type === 'bool' || type === 'dyn'
    ? { faults, uses }
    : { faults: [{ offset: 0, message: `expected a condition, true or false, got ${String(type)}` }], uses }
}
const lowered = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1)

// ---- at a run

const evaluator = new Environment({ unlistedVariablesAreDyn: true, limits })
const parsedBefore = new Map<string, ReturnType<typeof evaluator.parse>>()
const mostParsed = 1000
const parse = (text: string): ReturnType<typeof evaluator.parse> => {
  const parsed = parsedBefore.get(text) ?? evaluator.parse(text)
  if (parsedBefore.size >= mostParsed) parsedBefore.clear()
  parsedBefore.set(text, parsed)
  return parsed
}
/** Whole numbers are those of CEL. */
const asCel = (value: unknown): unknown => (Number.isSafeInteger(value) ? BigInt(value as number) : value)
const allAsCel = (values: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, asCel(value)]))

const holds = (text: string, run: Run): boolean => {
  const { results = {}, variables = {}, parameters } = run
  const value: unknown = parse(text)({
    params: allAsCel({ ...parameters, ...variables }),
    run: Object.fromEntries(Object.keys(runFields).map((field) => [field, run[field as keyof typeof runFields]])),
    steps: Object.fromEntries(
      Object.entries(results).map(([step_id, { status, outputs }]) => [
        step_id,
        { status, outputs: allAsCel(outputs) },
      ]),
    ),
  })
  if (typeof value !== 'boolean') throw new AppError('CONFIG_INVALID', `expected true or false, got ${typeof value}`)
  return value
}

/**
 * A step that is about to start: as it is run, or why it is not. By nothing but the message, so that whoever gets it
 * again decides the same.
 */
export const aboutToStart = (
  run: Run,
  step: CompiledStep,
  skip: string | undefined,
): { step: CompiledStep } | { skipped: string } | { fault: Fault } => {
  if (skip !== undefined) return { skipped: skip }
  if (step.when !== undefined) {
    try {
      if (!holds(step.when, run)) return { skipped: `when: ${step.when} is false` }
    } catch (error) {
      const why = error instanceof EvaluationError ? lowered(error.summary) : (error as Error).message
      return {
        fault: faultOf(
          new AppError('CONFIG_INVALID', `step ${step.step_id}: when: ${step.when}: cannot be told: ${why}`),
        ),
      }
    }
  }
  return { step: filledLate(run, step) }
}
