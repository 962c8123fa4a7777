/** What later steps may name of the steps that have ended: how they ended, and what they found out. */
import { isName, type CompiledStep, type Run, type StepCompleted } from '@convergence/contracts'
import type { Scalar } from './plan.ts'

export type Conclusion = StepCompleted['conclusion']
/** What is recorded of a step that has ended. */
export type StepRecord = Pick<StepCompleted, 'conclusion' | 'error' | 'rows_written' | 'bytes_processed' | 'outputs'>
export type Recorded = ReadonlyMap<string, StepRecord>
export type Result = NonNullable<Run['results']>[string]
type Output = NonNullable<CompiledStep['late']>[number]['parts'][number]

/** Outputs that steps of every kind have. */
export const commonOutputs = {
  rows_written: 'rows that the step wrote',
  bytes_processed: 'bytes that it read, as the warehouse counts',
  warnings: 'how many warnings it has',
} as const
/** Longest text of an output that later steps may name; what is longer is cut. */
const longestOutput = 1000

const isScalar = (value: unknown): value is Scalar =>
  value === null || ['string', 'number', 'boolean'].includes(typeof value)
const bounded = (value: Scalar): Scalar =>
  typeof value === 'string' ? value.slice(0, longestOutput).toWellFormed() : value
const count = (value: unknown): number => (typeof value === 'number' && Number.isFinite(value) ? value : 0)

/** A step that has ended, as later ones may name it. */
export const resultOf = ({ conclusion, outputs = {}, rows_written, bytes_processed }: StepRecord): Result => {
  const { warnings } = outputs
  const own = Object.entries(outputs).flatMap(([name, value]) =>
    isScalar(value) && isName('segment', name) ? [[name, bounded(value)] as const] : [],
  )
  return {
    status: conclusion,
    outputs: {
      ...Object.fromEntries(own),
      rows_written: count(rows_written),
      bytes_processed: count(bytes_processed),
      warnings: Array.isArray(warnings) ? warnings.length : 0,
    },
  }
}

/** The items of a for_each as one: numbers that all have are added up, and it failed where one has. */
const together = (results: readonly Result[]): Result => {
  const worst = results.find(({ status }) => !['SUCCEEDED', 'SKIPPED'].includes(status))
  const all = results.every(({ status }) => status === 'SKIPPED') ? 'SKIPPED' : 'SUCCEEDED'
  const sum = (name: keyof typeof commonOutputs) =>
    results.reduce((total, { outputs }) => total + count(outputs[name]), 0)
  return {
    status: worst?.status ?? all,
    outputs: {
      rows_written: sum('rows_written'),
      bytes_processed: sum('bytes_processed'),
      warnings: sum('warnings'),
    },
  }
}

/**
 * Of the steps that the run's conditions and texts name, those that have ended. What a run that went on where another
 * ended was given stays, for it has no record of it. Undefined where none is named.
 */
export const resultsOf = (
  run: Run,
  recorded: Recorded,
  neverRan: (step_id: string) => boolean,
): Run['results'] | undefined => {
  if (run.uses === undefined || run.uses.length === 0) return undefined
  const skip = new Set(run.skip ?? [])
  const results: Record<string, Result> = { ...run.results }
  for (const name of run.uses) {
    const steps = run.steps.filter(({ step_id, for_each }) => step_id === name || for_each === name)
    const ended = steps.flatMap(({ step_id }): Result[] => {
      const record = recorded.get(step_id)
      if (record !== undefined) return [resultOf(record)]
      if (skip.has(step_id)) return [run.results?.[step_id] ?? resultOf({ conclusion: 'SUCCEEDED' })]
      return neverRan(step_id) ? [{ ...resultOf({ conclusion: 'SKIPPED' }), status: 'NOT_RUN' }] : []
    })
    const [first] = ended
    if (first === undefined || ended.length < steps.length) continue
    results[name] = steps[0]?.for_each === name ? together(ended) : first
  }
  return results
}

const valueOf = (run: Run, { step_id = '', output }: Output): Scalar => {
  const result = run.results?.[step_id]
  if (result === undefined) return null
  return output === undefined ? result.status : (result.outputs[output] ?? null)
}

/** The configuration of a step with what its texts name of earlier steps. */
export const filledLate = (run: Run, step: CompiledStep): CompiledStep => {
  if (step.late === undefined) return step
  const config = structuredClone(step.config)
  for (const { at, parts } of step.late) {
    const [only] = parts
    const value =
      parts.length === 1 && only?.step_id !== undefined
        ? valueOf(run, only)
        : parts.map((part) => part.text ?? String(valueOf(run, part) ?? '')).join('')
    const last = at.at(-1)
    const inside = at
      .slice(0, -1)
      .reduce<unknown>((inner, part) => (inner as Record<string | number, unknown> | undefined)?.[part], config)
    if (last !== undefined && typeof inside === 'object' && inside !== null)
      (inside as Record<string | number, unknown>)[last] = value
  }
  return { ...step, config }
}
