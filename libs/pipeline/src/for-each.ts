/** `for_each`: a step that a run does once for each item. The items are known when the run is compiled. */
import { AppError, namePart, sourceFields, sourceKinds, sourceValues } from '@convergence/contracts'
import { isGroup, report, type Known, type PipelineCheck, type Step } from './pipeline-check.ts'
import type { ForEach, Scalar } from './plan.ts'
import type { Template } from './templates.ts'
import type { CompileInput, ParameterSpec } from './types.ts'
import { didYouMean, orList, showPath, type Path } from './wording.ts'

/** A compiled step is called {step_id}-{item}; both fit into the id of a step. */
const longestStepId = 64
/** A run travels whole in each message, which Pub/Sub takes up to 10 MB. */
const mostItems = 200
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
  if (Array.isArray(given['values'])) return { values: given['values'] as (string | number | boolean)[] }
  const sources = given['sources']
  if (!isGroup(sources) || typeof sources['provider'] !== 'string' || !Array.isArray(sources['kinds'])) return undefined
  return { sources: { provider: sources['provider'], kinds: sources['kinds'].map(String) } }
}

/** What the texts of a step may name for its item. No run makes them up: they are the file's, or the tenant's. */
export const itemNames = (forEach: ForEach | undefined): [string, Known][] => {
  if (forEach === undefined) return []
  const names = 'values' in forEach ? ['item'] : sourceFields.map((field) => `source.${field}`)
  return names.map((name) => [name, { requested: false }])
}

/** Rules of `for_each` that its schema cannot say. */
export const checkForEach = (check: PipelineCheck, step: Step, at: Path, template: Template): void => {
  if (!Object.hasOwn(step, 'for_each')) return
  const place: Path = [...at, 'for_each']
  const where = showPath(place)
  const { step_id } = step
  if (template.notification)
    report(check, place, `${where}: a notification follows the end of the run, which is one; leave for_each out`, true)
  if (check.steps.some((each) => each !== undefined && Object.hasOwn(each, 'depends_on')))
    report(check, place, `${where}: not together with depends_on; order the steps instead`, true)
  if (typeof step_id === 'string' && step_id.length > longestStepId)
    report(check, place, `${where}: expected a step_id of at most ${longestStepId} characters, got ${step_id.length}`)
  const close = check.steps.find((other) => String(other?.['step_id']).startsWith(`${String(step_id)}-`))
  if (close !== undefined)
    report(
      check,
      place,
      `${where}: its items are called ${String(step_id)}-ITEM, and there is a step "${String(close['step_id'])}"; ` +
        'choose another step_id for one of them',
    )
  const forEach = forEachOf(step)
  if (forEach === undefined || 'values' in forEach) return
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
export const itemsOf = (
  forEach: ForEach,
  { tenant_id, pipeline, tenant_sources = [] }: CompileInput,
  wanted: Scalar | undefined,
): Item[] => {
  if ('values' in forEach)
    return forEach.values.map((value, k) => ({
      key: String(k + 1),
      label: String(value),
      values: new Map([['item', value]]),
    }))
  const { provider, kinds } = forEach.sources
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
