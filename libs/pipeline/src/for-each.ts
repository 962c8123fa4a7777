/** `for_each`: a step that a run does once for each item. The items are known when the run is compiled. */
import { AppError, namePart, sourceFields, sourceKinds, sourceValues } from '@convergence/contracts'
import { isGroup, report, typeOfValues, type Known, type PipelineCheck, type Step } from './pipeline-check.ts'
import type { ForEach, PipelinePlan, Scalar } from './plan.ts'
import type { Template } from './templates.ts'
import type { CompileInput, ParameterSpec } from './types.ts'
import { periodsOf, primarySources } from './values.ts'
import { didYouMean, orList, showPath, type Path } from './wording.ts'

/** A compiled step is called {step_id}-{item}; both fit into the id of a step. */
const longestStepId = 64
/** A run travels whole in each message, which Pub/Sub takes up to 10 MB. */
const mostItems = 200
/** What a day, a month or a range of days adds to the id of a step. */
const longestPeriod = '-2026-01-01_2026-01-31'.length
/** The parameter by which a run chooses one of the sources. */
export const sourceParameter: ParameterSpec = {
  name: 'source',
  type: 'string',
  description: "name of one of the tenant's sources; default: all of the kind",
  required: false,
  pattern: namePart('source'),
  max_length: 50,
}

export const forEachOf = (step: Step | undefined): ForEach | undefined => {
  const given = step?.['for_each']
  if (!isGroup(given)) return undefined
  const { values, sources, parameter, concurrency } = given
  const atATime = typeof concurrency === 'number' && concurrency > 1 ? { concurrency } : {}
  if (Array.isArray(values)) return { values: values as (string | number | boolean)[], ...atATime }
  const repeated = { ...(typeof parameter === 'string' ? { parameter } : {}), ...atATime }
  if (sources === undefined && typeof parameter === 'string') return repeated
  if (!isGroup(sources) || typeof sources['provider'] !== 'string' || !Array.isArray(sources['kinds'])) return undefined
  return { sources: { provider: sources['provider'], kinds: sources['kinds'].map(String) }, ...repeated }
}

/** Whether a text or a query of the pipeline names the tenant's sources that say `primary`. */
export const namesPrimarySources = ({ steps }: Pick<PipelinePlan, 'steps'>): boolean => {
  const named = new RegExp(`[{"]${primarySources}["}]`)
  return steps.some(({ sql, config }) => named.test(JSON.stringify([config, sql.map(({ template }) => template)])))
}
/** Whether a run is made of the tenant's sources, which are then to be read. */
export const usesSources = (plan: Pick<PipelinePlan, 'steps'>): boolean =>
  plan.steps.some(({ for_each }) => for_each?.sources !== undefined) || namesPrimarySources(plan)

/** The ends of a range, as texts name them. */
const endsOf = (parameter: string) => ({ from: `${parameter}_from`, to: `${parameter}_to` })
/** The parameter whose range the name is an end of. */
export const endOf = (forEach: ForEach | undefined, name: string): string | undefined => {
  const { parameter } = forEach ?? {}
  if (parameter === undefined) return undefined
  const { from, to } = endsOf(parameter)
  return name === from || name === to ? parameter : undefined
}

/** What the texts of a step may name for its item: the file's, or the tenant's, and what the run says of several. */
export const itemNames = (
  { specs }: Pick<PipelineCheck, 'specs'>,
  forEach: ForEach | undefined,
): readonly (readonly [string, Known])[] => {
  if (forEach === undefined) return []
  const { values, sources, parameter } = forEach
  const spec = parameter === undefined ? undefined : specs.get(parameter)
  const said = (name: string) =>
    [name, { requested: true, ...(spec === undefined ? {} : { type: spec.type }) }] as const
  const ofParameter = (): (readonly [string, Known])[] => {
    if (parameter === undefined || spec?.many === undefined) return []
    const { from, to } = endsOf(parameter)
    return spec.many === 'ranges' ? [said(from), said(to)] : [said(parameter)]
  }
  const fixed = (name: string, type: Known['type']) => [name, { requested: false, type }] as const
  const ofSource = (field: string) =>
    fixed(`source.${field}`, field === 'all_projects' || field === 'unassigned' ? 'boolean' : 'string')
  return [
    ...(values === undefined ? [] : [fixed('item', typeOfValues(values))]),
    ...(sources === undefined ? [] : sourceFields.map(ofSource)),
    ...ofParameter(),
  ]
}

/** Rules of `for_each` that its schema cannot say. */
export const checkForEach = (check: PipelineCheck, step: Step, at: Path, template: Template): void => {
  if (!Object.hasOwn(step, 'for_each')) return
  const place: Path = [...at, 'for_each']
  const where = showPath(place)
  const { step_id } = step
  if (template.notification)
    report(check, place, `${where}: a notification follows the end of the run, which is one; leave for_each out`, true)
  const given = isGroup(step['for_each']) ? step['for_each'] : {}
  const also = ['sources', 'parameter'].filter((field) => Object.hasOwn(given, field))
  if (Object.hasOwn(given, 'values') && also.length > 0)
    report(check, place, `${where}: values stand alone; leave ${orList(also)} out`)
  if (!Object.hasOwn(given, 'values') && also.length === 0)
    report(check, place, `${where}: expected values, sources or parameter, got ${orList(Object.keys(given)) || 'none'}`)
  const forEach = forEachOf(step)
  const longest = forEach?.parameter === undefined ? longestStepId : longestStepId - longestPeriod
  if (typeof step_id === 'string' && step_id.length > longest)
    report(check, place, `${where}: expected a step_id of at most ${longest} characters, got ${step_id.length}`)
  const close = check.steps.find((other) => String(other?.['step_id']).startsWith(`${String(step_id)}-`))
  if (close !== undefined)
    report(
      check,
      place,
      `${where}: its items are called ${String(step_id)}-ITEM, and there is a step "${String(close['step_id'])}"; ` +
        'choose another step_id for one of them',
    )
  if (forEach?.parameter !== undefined) checkRepeated(check, forEach.parameter, place)
  if (forEach?.sources === undefined) return
  const { provider, kinds } = forEach.sources
  const known = sourceKinds.filter((each) => each.provider === provider).map(({ kind }) => kind)
  kinds.forEach((kind, k) => {
    if (known.length > 0 && !known.includes(kind))
      report(
        check,
        [...place, 'sources', 'kinds', k],
        `${where}.sources.kinds: unknown "${kind}"${didYouMean(kind, known) || `; expected ${orList(known)}`}`,
      )
  })
}

/** Only what may be several is repeated, and its ends have no other meaning. */
const checkRepeated = (check: PipelineCheck, parameter: string, place: Path): void => {
  const { specs, variables } = check
  const many = [...specs.values()].filter((spec) => spec.many !== undefined).map(({ name }) => name)
  const where = `${showPath(place)}.parameter`
  const spec = specs.get(parameter)
  if (spec?.many === undefined) {
    const hint =
      didYouMean(parameter, many) ||
      `; expected a parameter with many: values${many.map((name) => `, such as ${name}`).join('')}`
    report(
      check,
      [...place, 'parameter'],
      `${where}: ${spec === undefined ? 'unknown' : 'is one value,'} "${parameter}"${hint}`,
    )
    return
  }
  if (spec.many !== 'ranges') return
  const { from, to } = endsOf(parameter)
  for (const name of [from, to])
    if (specs.has(name) || Object.hasOwn(variables, name))
      report(
        check,
        [...place, 'parameter'],
        `${where}: {${name}} is an end of its range, and the file has one by that name; rename it`,
      )
}

export interface Item {
  /** What makes the step's id its own. */
  key: string
  /** For people. */
  label: string
  values: ReadonlyMap<string, Scalar>
  /** A table that the item's steps may read beside the tenant's own, as project.dataset.table. */
  table?: string
}

/** The items of a step in a run, in order. Throws PARAMETER_INVALID, or SOURCE_UNKNOWN where there is no source. */
export const itemsOf = (forEach: ForEach, input: CompileInput, values: ReadonlyMap<string, Scalar>): Item[] => {
  const { values: listed, sources, parameter } = forEach
  if (listed !== undefined)
    return listed.map((value, k) => ({
      key: String(k + 1),
      label: String(value),
      values: new Map([['item', value]]),
    }))
  const said = parameter === undefined ? undefined : values.get(parameter)
  const periods = parameter === undefined || typeof said !== 'string' ? [] : periodItems(parameter, said)
  if (sources === undefined) return periods
  const ofSources = sourceItems(sources, input, values.get('source'))
  const [first = none] = periods
  if (periods.length <= 1) return ofSources.map((item) => both(item, { ...first, key: '', label: '' }))
  const count = periods.length * ofSources.length
  if (count > mostItems)
    throw new AppError('PARAMETER_INVALID', `1 parameter of ${input.pipeline} cannot be used`, {
      faults: [
        `${String(parameter)}: expected at most ${mostItems} loads in a run, ` +
          `got ${periods.length} periods of ${ofSources.length} sources; name one by source, or say fewer`,
      ],
    })
  return periods.flatMap((period) => ofSources.map((item) => both(item, period)))
}
const none: Item = { key: '', label: '', values: new Map() }
const both = (source: Item, period: Item): Item => ({
  ...source,
  key: [source.key, period.key].filter((part) => part !== '').join('-'),
  label: [source.label, period.label].filter((part) => part !== '').join(' '),
  values: new Map([...source.values, ...period.values]),
})
/** Each day, month or range that a parameter says, the oldest first. */
const periodItems = (parameter: string, said: string): Item[] =>
  periodsOf(said).map(({ from, to }) => {
    const label = from === to ? from : `${from}..${to}`
    const ends = endsOf(parameter)
    return {
      key: label.replace('..', '_'),
      label,
      values: new Map([
        [parameter, label],
        [ends.from, from],
        [ends.to, to],
      ]),
    }
  })

const sourceItems = (
  { provider, kinds }: NonNullable<ForEach['sources']>,
  { tenant_id, pipeline, tenant_sources = [] }: CompileInput,
  wanted: Scalar | undefined,
): Item[] => {
  const mine = tenant_sources.filter((source) => source.provider === provider && kinds.includes(source.kind))
  const what = `provider ${provider}, kind ${orList(kinds)}`
  if (mine.length === 0)
    throw new AppError(
      'SOURCE_UNKNOWN',
      `${pipeline}: expected a source of ${what}, tenant ${tenant_id} has none; ` +
        `make one: PUT /api/v1/tenants/${tenant_id}/sources/{name}`,
    )
  const chosen = wanted === undefined || wanted === null ? mine : mine.filter(({ name }) => name === wanted)
  if (chosen.length > mostItems)
    throw new AppError('PARAMETER_INVALID', `1 parameter of ${pipeline} cannot be used`, {
      faults: [
        `source: expected at most ${mostItems} sources in a run, tenant ${tenant_id} has ${chosen.length}; name one`,
      ],
    })
  if (chosen.length === 0) {
    const names = mine.map(({ name }) => name)
    throw new AppError('PARAMETER_INVALID', `1 parameter of ${pipeline} cannot be used`, {
      faults: [
        `source: expected a source of ${what}: ${orList(names)}, got ${JSON.stringify(wanted)}` +
          didYouMean(String(wanted), names),
      ],
    })
  }
  return chosen
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((source) => ({
      key: source.name,
      label: source.name,
      values: new Map(Object.entries(sourceValues(source)).map(([field, value]) => [`source.${field}`, value])),
      ...(source.provider === 'gcp' ? { table: source.table } : {}),
    }))
}
