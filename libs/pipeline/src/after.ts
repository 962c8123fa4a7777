/** `after`: a pipeline that follows the runs of another. What follows a run is known from the run and the files alone. */
import { isSystemPipeline, runId, systemTenant, type Run } from '@convergence/contracts'
import type { After, PipelinePlan, Scalar } from './plan.ts'
import type { ConfigFault, Following, ParameterSpec } from './types.ts'
import { fillText, inFillingOrder, periodsOf, variable } from './values.ts'
import { didYouMean, orList, showPath, type Path } from './wording.ts'
import type { Source } from './yaml.ts'

/** The runs that follow one of the pipeline, the same each time. */
export const followersOf = (
  plans: ReadonlyMap<string, PipelinePlan>,
  { pipeline, parameters, tenant_id, run_id }: Pick<Run, 'pipeline' | 'parameters' | 'tenant_id' | 'run_id'>,
): Following[] => {
  const followed = plans.get(pipeline)
  if (followed === undefined || tenant_id === systemTenant) return []
  return [...plans.values()]
    .flatMap((plan) => (plan.after ?? []).map((after) => ({ plan, after })))
    .filter(({ after }) => after.pipeline === pipeline)
    .map(({ plan, after }) => {
      const values = valuesOf(followed, { parameters, tenant_id, run_id })
      const mapped = Object.entries(mappingOf(followed, plan, after)).flatMap(([name, given]) => {
        const value = typeof given === 'string' ? fillText(given, values) : given
        return value === null || value === '' ? [] : [[name, value] as const]
      })
      const idempotency_key = `after:${run_id}:${plan.path}`
      return {
        run_id: runId(tenant_id, idempotency_key),
        idempotency_key,
        pipeline: plan.path,
        parameters: Object.fromEntries(mapped),
      }
    })
    .sort((a, b) => (a.pipeline < b.pipeline ? -1 : 1))
}

const monthOf = 'month'
const daysOf = 'date'

/** What each parameter of the run that follows says of the one that is followed. */
const mappingOf = (
  followed: Pick<PipelinePlan, 'parameters'>,
  { parameters }: Pick<PipelinePlan, 'parameters'>,
  after: After,
): Readonly<Record<string, Scalar>> => {
  if (after.parameters !== undefined) return after.parameters
  const usable = namesOf(followed)
  // The day that each pipeline has, whether it is about one or not, is not that of months, or of several days.
  const isOther =
    parameters.some(({ name }) => name === monthOf) ||
    followed.parameters.some(({ name, many }) => name === daysOf && many !== undefined)
  return Object.fromEntries(
    parameters
      .filter(({ name, built_in }) => usable.includes(name) && !(built_in === true && isOther))
      .map(({ name }) => [name, `{${name}}`]),
  )
}
/** What a text may name of a run that is followed. */
const namesOf = ({ parameters }: Pick<PipelinePlan, 'parameters'>): string[] => [
  ...new Set([...parameters.map(({ name }) => name), monthOf]),
]

const valuesOf = (
  { parameters: specs, pipeline_id }: PipelinePlan,
  { parameters, tenant_id, run_id }: Pick<Run, 'parameters' | 'tenant_id' | 'run_id'>,
): ReadonlyMap<string, Scalar> => {
  const values = new Map<string, Scalar>(Object.entries({ tenant_id, run_id, pipeline_id }))
  for (const { name, default: given } of inFillingOrder(specs)) {
    const filled = typeof given === 'string' ? fillText(given, values) : (given ?? null)
    values.set(name, parameters[name] ?? filled)
  }
  const days = values.get(daysOf)
  if (!values.has(monthOf) || values.get(monthOf) === null)
    values.set(monthOf, typeof days === 'string' ? monthsOf(days) : null)
  return values
}

/** The months of days and ranges of days, each once, the oldest first. */
const monthsOf = (days: string): string => {
  const months = periodsOf(days).flatMap(({ from, to }) => {
    const inRange: string[] = []
    for (let month = from.slice(0, 7); month <= to.slice(0, 7); month = nextMonth(month)) inRange.push(month)
    return inRange
  })
  return [...new Set(months)].sort().join(',')
}
const nextMonth = (month: string): string => {
  const [year = 0, number = 0] = month.split('-').map(Number)
  return new Date(Date.UTC(year, number, 1)).toISOString().slice(0, 7)
}

// ---- files

interface Read {
  plan: PipelinePlan
  source: Source
}
/**
 * What is wrong with what pipelines follow: names, parameters, circles. `names`: all pipelines that there are, of which
 * some may not have been read.
 */
export const checkAfter = (read: ReadonlyMap<string, Read>, names: readonly string[]): ConfigFault[] => {
  const faults = [...read.values()].flatMap(({ plan, source }) =>
    (plan.after ?? []).flatMap((after, k) => {
      const found: ConfigFault[] = []
      const say = (at: Path, message: string, key = false): void => {
        const path: Path = ['after', k, ...at]
        found.push({ file: source.file, ...source.place(path, key), message: `${showPath(path)}: ${message}` })
      }
      checkFollowed(plan, after, k, names, say)
      const followed = read.get(after.pipeline)?.plan
      if (followed !== undefined && found.length === 0) checkParameters(followed, plan, after, say)
      return found
    }),
  )
  return faults.length > 0 ? faults : checkCircles(read)
}
type Say = (at: Path, message: string, key?: boolean) => void

const checkFollowed = (
  { path, after: all = [] }: PipelinePlan,
  { pipeline }: After,
  k: number,
  names: readonly string[],
  say: Say,
): void => {
  const others = names.filter((name) => !isSystemPipeline(name))
  if (isSystemPipeline(path)) say([], "the platform's own pipelines follow none; a step of theirs asks for runs")
  else if (isSystemPipeline(pipeline)) say(['pipeline'], `expected none of the platform's own, got "${pipeline}"`)
  else if (!names.includes(pipeline)) say(['pipeline'], `unknown "${pipeline}"${didYouMean(pipeline, others)}`)
  else if (all.findIndex((each) => each.pipeline === pipeline) < k) say(['pipeline'], `"${pipeline}" stands twice`)
}

const checkParameters = (followed: PipelinePlan, { parameters: specs }: PipelinePlan, after: After, say: Say): void => {
  const own = new Map(specs.map((spec) => [spec.name, spec]))
  const usable = namesOf(followed)
  const specOf = (name: string): ParameterSpec | undefined => {
    const spec = followed.parameters.find((each) => each.name === name)
    if (spec !== undefined || name !== monthOf) return spec
    const days = followed.parameters.find((each) => each.name === daysOf)
    return days === undefined ? undefined : { ...days, name, type: 'month', ...(days.many && { many: 'values' }) }
  }
  const mapping = mappingOf(followed, { parameters: specs }, after)
  for (const [name, given] of Object.entries(mapping)) {
    const at: Path = after.parameters === undefined ? [] : ['parameters', name]
    const spec = own.get(name)
    if (spec === undefined) {
      say(
        at,
        `unknown parameter of this pipeline${didYouMean(name, own.keys()) || `; it has ${orList([...own.keys()])}`}`,
        true,
      )
      continue
    }
    const named = typeof given === 'string' ? [...given.matchAll(variable)].map(([, each]) => String(each)) : []
    for (const each of named) {
      if (!usable.includes(each))
        say(
          at,
          `"${each}" is no parameter of ${after.pipeline}${didYouMean(each, usable) || `; it has ${orList(usable)}`}`,
        )
      const many = specOf(each)?.many
      if (many !== undefined && (spec.many === undefined || (many === 'ranges' && spec.many === 'values')))
        say(at, `a run of ${after.pipeline} may say several as ${each}; expected many: ${many} of ${name} here`)
    }
  }
  const missing = specs
    .filter(({ name, required }) => required && !Object.hasOwn(mapping, name))
    .map(({ name }) => name)
  if (missing.length > 0)
    say([], `${after.pipeline} says no ${orList(missing)}, which this pipeline needs; say it under parameters`)
}

const checkCircles = (read: ReadonlyMap<string, Read>): ConfigFault[] => {
  const done = new Set<string>()
  const circleFrom = (path: string, trail: readonly string[]): readonly string[] | undefined => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path]
    if (done.has(path)) return undefined
    for (const { pipeline } of read.get(path)?.plan.after ?? []) {
      const circle = circleFrom(pipeline, [...trail, path])
      if (circle !== undefined) return circle
    }
    done.add(path)
    return undefined
  }
  for (const path of [...read.keys()].sort()) {
    const circle = circleFrom(path, [])
    const first = read.get(circle?.[0] ?? '')
    if (circle === undefined || first === undefined) continue
    const k = first.plan.after?.findIndex(({ pipeline }) => pipeline === circle[1]) ?? 0
    const at: Path = ['after', k, 'pipeline']
    const message = `${showPath(at)}: goes in a circle: ${circle.join(' after ')}`
    return [{ file: first.source.file, ...first.source.place(at), message }]
  }
  return []
}
