/** What a step names of earlier steps: in its texts as {steps.ID.outputs.NAME}, and in its condition. */
import { idOf, isGroup, report, reportIn, whyNot, type Known, type PipelineCheck, type Step } from './pipeline-check.ts'
import { commonOutputs } from './results.ts'
import { readWhen, type CelType } from './when.ts'
import { showPath, type Path } from './wording.ts'

type Outputs = Readonly<Record<string, 'string' | 'int' | 'boolean'>>
const common: Outputs = { rows_written: 'int', bytes_processed: 'int', warnings: 'int' }
const typesOfCel: Readonly<Record<string, CelType>> = {
  int: 'int',
  boolean: 'bool',
  date: 'string',
  month: 'string',
  string: 'string',
  enum: 'string',
  table_ref: 'string',
}

/** What each step before this one finds out: all before it, or in a graph those that it needs, and so on. */
export const outputsBefore = (check: PipelineCheck, k: number): ReadonlyMap<string, Outputs> => {
  const { steps, templates } = check
  const isChain = (step: Step | undefined) => templates.get(String(step?.['ps_type']))?.notification !== true
  const isGraph = steps.some((step) => step !== undefined && Object.hasOwn(step, 'depends_on'))
  const places = new Map(steps.map((step, j) => [idOf(step), j]))
  const before = new Set<number>()
  const take = (j: number): void => {
    const needs = steps[j]?.['depends_on']
    for (const id of Array.isArray(needs) ? (needs as unknown[]) : []) {
      const place = typeof id === 'string' ? places.get(id) : undefined
      if (place === undefined || before.has(place)) continue
      before.add(place)
      take(place)
    }
  }
  if (!isChain(steps[k])) steps.forEach((_step, j) => before.add(j))
  else if (isGraph) take(k)
  else for (let j = 0; j < k; j += 1) before.add(j)
  before.delete(k)
  const found = new Map<string, Outputs>()
  for (const j of [...before].sort((a, b) => a - b)) {
    const step = steps[j]
    const id = idOf(step)
    if (id === undefined || !isChain(step)) continue
    // Of the items of a for_each only what can be added up.
    const own = step?.['for_each'] === undefined ? templates.get(String(step?.['ps_type']))?.outputs : undefined
    found.set(id, { ...own, ...common })
  }
  return found
}

/** The names of results that the texts of the step may have; none where it has none. */
export const resultNames = (check: PipelineCheck, step: Step, k: number): (readonly [string, Known])[] => {
  if (!JSON.stringify(step).includes('{steps.')) return []
  return [...outputsBefore(check, k)].flatMap(([id, outputs]) => [
    [`steps.${id}.status`, { requested: true }] as const,
    ...Object.entries(outputs).map(
      ([name, type]) => [`steps.${id}.outputs.${name}`, { requested: true, type }] as const,
    ),
  ])
}

const celTypes: Readonly<Record<string, CelType>> = { string: 'string', boolean: 'bool' }
const paramsOf = ({ specs, variables, known }: PipelineCheck): Record<string, CelType> => {
  const params: Record<string, CelType> = {}
  for (const name of known.keys()) {
    const spec = specs.get(name)
    const value = variables[name]
    const type = celTypes[typeof value] ?? 'dyn'
    // What a run need not say may be null.
    if (spec === undefined) params[name] = type
    else params[name] = spec.required || spec.default !== undefined ? (typesOfCel[spec.type] ?? 'dyn') : 'dyn'
  }
  return params
}

/** Reports what is wrong with the condition of a step, and with its trigger. */
export const checkCondition = (check: PipelineCheck, step: Step, k: number): void => {
  const { when } = step
  const at: Path = ['steps', k, 'when']
  if (typeof when !== 'string' || when === '') return
  const before = outputsBefore(check, k)
  const steps = new Map(
    [...before].map(([id, outputs]) => [
      id,
      Object.fromEntries(
        Object.entries(outputs).map(([name, type]): [string, CelType] => [
          name,
          name in commonOutputs ? (typesOfCel[type] ?? 'dyn') : 'dyn',
        ]),
      ),
    ]),
  )
  const { faults } = readWhen(when, { params: paramsOf(check), steps }, (id) => whyNot(check, id, [...before.keys()]))
  for (const { offset, message } of faults) reportIn(check, at, offset, `${showPath(at)}: ${message}`)
}

/** Steps of the pipeline that a step's condition and texts name. */
export const stepsNamed = (step: Step): string[] => {
  const { when, ...rest } = step
  const inTexts = [...JSON.stringify(rest).matchAll(/\{steps\.([A-Za-z][A-Za-z0-9_-]*)\./g)].map(([, id]) => String(id))
  const inCondition =
    typeof when === 'string'
      ? [...when.matchAll(/\bsteps\s*(?:\.\s*([A-Za-z_]\w*)|\[\s*(['"])([\w-]+)\2\s*\])/g)].map(
          ([, id, , key]) => id ?? String(key),
        )
      : []
  return [...inTexts, ...inCondition]
}

/** Texts below a group that name results, each with its place. */
export const lateTexts = (
  value: unknown,
  at: readonly (string | number)[] = [],
): { at: (string | number)[]; text: string }[] => {
  if (typeof value === 'string') return value.includes('{steps.') ? [{ at: [...at], text: value }] : []
  if (Array.isArray(value)) return value.flatMap((item, k) => lateTexts(item, [...at, k]))
  return isGroup(value) ? Object.entries(value).flatMap(([key, item]) => lateTexts(item, [...at, key])) : []
}

/** `trigger` of a step that is no notification, and conditions where none can be. */
export const checkTrigger = (check: PipelineCheck, step: Step, at: Path, isNotification: boolean): void => {
  const where = showPath(at)
  if (isNotification) {
    for (const field of ['when', 'depends_on'] as const)
      if (Object.hasOwn(step, field))
        report(
          check,
          [...at, field],
          `${where}.${field}: a notification follows the end of the run; expected trigger`,
          true,
        )
    return
  }
  const { trigger } = step
  if (trigger === 'on_warning')
    report(
      check,
      [...at, 'trigger'],
      `${where}.trigger: on_warning is of notifications; expected on_success, on_failure or always`,
    )
  if (trigger !== 'always' && trigger !== 'on_failure') return
  const isGraph = check.steps.some((each) => each !== undefined && Object.hasOwn(each, 'depends_on'))
  const needs = step['depends_on']
  if (isGraph ? !Array.isArray(needs) || needs.length === 0 : at[1] === 0)
    report(
      check,
      [...at, 'trigger'],
      `${where}.trigger: ${trigger} is about the steps before this one, and there is none; ` +
        (isGraph ? 'name them in depends_on' : 'put it behind them'),
    )
}
