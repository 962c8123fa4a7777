/** Parameters, variables and sources of a pipeline: what they are, and what is wrong with them. */
import { isSystemPipeline } from '@convergence/contracts'
import type { Scalar } from './plan.ts'
import {
  checkTexts,
  isGroup,
  isRequested,
  ownVariable,
  report,
  reportIn,
  typeOfValues,
  type Known,
  type PipelineCheck,
  type Yaml,
} from './pipeline-check.ts'
import { sourceParameter } from './for-each.ts'
import { pathFault, projectFault, sourceFault } from './reach.ts'
import { identifierFault, placeholders } from './sql-template.ts'
import type { ParameterSpec } from './types.ts'
import {
  fillText,
  fixedNames,
  hasForm,
  inFillingOrder,
  inWords,
  isBuiltIn,
  primarySources,
  tenantNames,
  valueFault,
  variable,
} from './values.ts'
import { show, showPath, type Path } from './wording.ts'

/** Names that have a value whatever the file says; no run can change one. */
export const fixedKnown = (): Map<string, Known> =>
  new Map([...fixedNames, ...tenantNames, primarySources].map((name) => [name, { requested: false }]))

/** The kind of a variable that a run may override, by its name and use. */
const typeOfVariable = (name: string, inBackticks: ReadonlySet<string>): 'table_ref' | 'date' | 'string' => {
  if (name.endsWith('_table') || inBackticks.has(name)) return 'table_ref'
  return name === 'date' || name.endsWith('_date') ? 'date' : 'string'
}

/**
 * What a run may say. A file that declares nothing lets its variables be overridden; their kinds come from their names
 * and uses: `date` and `*_date` are dates, `*_table` and what stands in backticks are tables, the rest is text. Every
 * pipeline has a `date`.
 */
export const parametersOf = (yaml: Yaml, inBackticks: ReadonlySet<string>): ParameterSpec[] => {
  const declared = isGroup(yaml.parameters)
    ? Object.entries(yaml.parameters).filter(([, spec]) => isGroup(spec))
    : undefined
  const specs: ParameterSpec[] = (declared ?? []).map(([name, { type, description = '', required, ...rest }]) => ({
    name,
    type,
    description,
    required: required ?? (rest.default === undefined && name !== 'month'),
    ...rest,
  }))
  if (yaml.parameters === undefined && isGroup(yaml.variables)) {
    for (const [name, value] of Object.entries(yaml.variables)) {
      if (isBuiltIn(name)) continue
      const type = typeOfVariable(name, inBackticks)
      specs.push({
        name,
        type,
        description: '',
        required: false,
        default: type === 'string' || type === 'table_ref' ? String(value) : value,
      })
    }
  }
  if (!specs.some(({ name }) => name === 'date'))
    specs.push({
      name: 'date',
      type: 'date',
      description: 'day that the run is about, YYYY-MM-DD',
      required: false,
      default: 'yesterday',
      built_in: true,
    })
  return specs
}

/** What is built in stands nowhere in the file; of the tenant's names a file may say its own, and never a run. */
export const checkBuiltIn = (check: PipelineCheck): void => {
  for (const name of tenantNames)
    if (check.specs.has(name) && check.path !== undefined && !isSystemPipeline(check.path))
      report(
        check,
        ['parameters', name],
        `parameters.${name}: is built in, from the tenant's profile, and cannot be a parameter;` +
          ' leave it out, or set it under "variables" for all runs',
        true,
      )
  for (const name of [...fixedNames, primarySources]) {
    if (Object.hasOwn(check.variables, name))
      report(check, ['variables', name], `variables.${name}: is built in and cannot be set`, true)
    if (check.specs.has(name))
      report(check, ['parameters', name], `parameters.${name}: is built in and cannot be a parameter`, true)
  }
}

/** What is wrong with the declarations themselves. */
export const checkParameters = (check: PipelineCheck): void => {
  const { parameters, yaml } = check
  for (const group of ['parameters', 'variables'] as const)
    if (parameters.includes(sourceParameter) && isGroup(yaml[group]) && Object.hasOwn(yaml[group], 'source'))
      report(
        check,
        [group, 'source'],
        `${group}.source: is built in where a step is repeated for sources: it names one of them; choose another name`,
        true,
      )
  const above = fixedKnown()
  for (const spec of inFillingOrder(parameters)) {
    checkParameter(check, spec, above)
    if (spec.many !== undefined) continue
    above.set(spec.name, { requested: true, type: spec.type })
    if (spec.name === 'date' && !check.specs.has('month')) above.set('month', { requested: true, type: 'string' })
  }
}

/** `above`: what has a value by the time that the parameter's default is filled in. */
const checkParameter = (check: PipelineCheck, spec: ParameterSpec, above: ReadonlyMap<string, Known>): void => {
  const { yaml } = check
  const declared = yaml.parameters !== undefined && Object.hasOwn(yaml.parameters, spec.name)
  const at: Path = declared ? ['parameters', spec.name] : ['variables', spec.name]
  const where = showPath(at)
  if (spec.type === 'enum' && (spec.values ?? []).length === 0)
    report(check, at, `${where}: "values" is missing: the texts that an enum may be`, true)
  if (spec.type !== 'enum' && spec.values !== undefined)
    report(check, [...at, 'values'], `${where}.values: belongs to type enum, got type ${spec.type}`, true)
  if (spec.type !== 'string' && spec.pattern !== undefined)
    report(check, [...at, 'pattern'], `${where}.pattern: belongs to type string, got type ${spec.type}`, true)
  if (spec.type !== 'date' && spec.type !== 'month' && spec.many !== undefined)
    report(check, [...at, 'many'], `${where}.many: belongs to type date or month, got type ${spec.type}`, true)
  if (spec.type === 'month' && spec.many === 'ranges')
    report(check, [...at, 'many'], `${where}.many: ranges are of type date; expected values, got ranges`)
  if (spec.type !== 'string' && spec.max_length !== undefined)
    report(check, [...at, 'max_length'], `${where}.max_length: belongs to type string, got type ${spec.type}`, true)
  if (spec.required && spec.default !== undefined)
    report(check, [...at, 'required'], `${where}.required: a parameter with a default is not required`, true)
  if (spec.pattern !== undefined) {
    try {
      hasForm(spec.pattern, '')
    } catch (error) {
      const why = error instanceof Error ? error.message.replace(/^error parsing regexp: /, '') : ''
      const message = `expected a regular expression as RE2 has it, got ${show(spec.pattern)}: ${why}`
      report(check, [...at, 'pattern'], `${where}.pattern: ${message}`)
      return
    }
  }
  if (spec.default === undefined) return
  const defaultAt = declared ? [...at, 'default'] : at
  checkTexts(check, spec.default, defaultAt, above)
  if (
    typeof spec.default === 'string' &&
    (spec.default.search(variable) >= 0 || inWords(spec, spec.default, '2024-01-01') !== undefined)
  )
    return
  // An empty text says that there is none.
  if (spec.type === 'string' && spec.default === '') return
  const fault = valueFault(spec, spec.default)
  if (fault !== undefined) report(check, defaultAt, `${showPath(defaultAt)}: ${fault}`)
}

/** In order: a variable may use what stands before it. Adds each to what is known. */
export const checkVariables = (check: PipelineCheck): void => {
  const { variables, specs, known, yaml } = check
  for (const [name, value] of Object.entries(variables)) {
    if (specs.has(name)) {
      if (yaml.parameters !== undefined) {
        const message = `variables.${name}: is a parameter too; its value belongs into "default" there`
        report(check, ['variables', name], message, true)
      }
      continue
    }
    checkTexts(check, value, ['variables', name], known)
    known.set(name, { requested: typeof value === 'string' && isRequested(check, value), type: typeOfValues([value]) })
  }
}

// ---- what it reads

/** What no run can change, filled in as far as it is known without a run. */
const fixedValues = (
  { variables, specs, project_id, yaml }: PipelineCheck,
  fixedOnly: ReadonlyMap<string, Known>,
): ReadonlyMap<string, Scalar> => {
  const values = new Map<string, Scalar>([
    ['project_id', project_id],
    ['pipeline_id', yaml.pipeline_id],
  ])
  for (const [name, value] of Object.entries(variables)) {
    if (specs.has(name) || !fixedOnly.has(name)) continue
    if (typeof value === 'string') values.set(name, fillText(value, values))
    else if (typeof value === 'number' || typeof value === 'boolean') values.set(name, value)
  }
  return values
}

/**
 * Sources, and tables that the file names for certain, in a default or in backticks: each is the tenant's own, or of a
 * source.
 */
export const checkReach = (check: PipelineCheck): void => {
  const { yaml, parameters, queries, known, project_id, shared_sources } = check
  // A run that could choose what the pipeline may read could read anything, and so could a name that the tenant chose.
  const chosen: readonly string[] = [...tenantNames, primarySources].filter(
    (name) => !Object.hasOwn(check.variables, name),
  )
  const fixedOnly = new Map([...known].filter(([name, { requested }]) => !requested && !chosen.includes(name)))
  const constants = fixedValues(check, fixedOnly)
  const sources = Array.isArray(yaml.sources) ? checkSources(check, fixedOnly, constants) : shared_sources
  const faultOf = (path: string): string | undefined => pathFault(path, ownVariable, project_id, sources)
  for (const { name, type, default: given } of parameters) {
    if (type !== 'table_ref' || typeof given !== 'string') continue
    const declared = yaml.parameters !== undefined && Object.hasOwn(yaml.parameters, name)
    const at: Path = declared ? ['parameters', name, 'default'] : ['variables', name]
    const filled = String(fillText(given, constants))
    if (identifierFault(filled.replaceAll(ownVariable, 'own')) !== undefined) continue
    const fault = faultOf(filled)
    if (fault !== undefined) report(check, at, `${showPath(at)}: ${fault}`)
  }
  checkProjects(check, constants)
  queries.forEach((ofStep, k) => {
    for (const { at: group, parsed } of ofStep) {
      const at: Path = ['steps', k, ...group, 'query']
      for (const { kind, text, start, close } of parsed.segments) {
        if (kind !== 'backtick' || close === '') continue
        const path = text.slice(1, -1)
        if (!path.includes('.') || [...path.matchAll(placeholders)].some(([, name]) => !fixedOnly.has(String(name))))
          continue
        const fault = faultOf(String(fillText(path, constants)))
        if (fault !== undefined) reportIn(check, at, start, `${showPath(at)}: ${fault}`)
      }
    }
  })
}

/** Where a step names another project, and no run can change that. */
const checkProjects = (check: PipelineCheck, constants: ReadonlyMap<string, Scalar>): void => {
  const { steps, project_id } = check
  steps.forEach((step, k) => {
    for (const group of ['source', 'destination'] as const) {
      const { bq_project_id } = isGroup(step?.[group]) ? step[group] : {}
      if (typeof bq_project_id !== 'string') continue
      const filled = String(fillText(bq_project_id, constants))
      const fault = filled.search(variable) >= 0 ? undefined : projectFault(group, filled, project_id)
      const at: Path = ['steps', k, group, 'bq_project_id']
      if (fault !== undefined) report(check, at, `${showPath(at)}: ${fault}`)
    }
  })
}

/** The sources as project.dataset, those without a fault. */
const checkSources = (
  check: PipelineCheck,
  fixedOnly: ReadonlyMap<string, Known>,
  constants: ReadonlyMap<string, Scalar>,
): string[] => {
  const { yaml, faults, project_id, shared_sources } = check
  const sources: string[] = []
  yaml.sources?.forEach((text: unknown, k) => {
    if (typeof text !== 'string') return
    const before = faults.length
    checkTexts(check, text, ['sources', k], fixedOnly)
    const filled = String(fillText(text, constants))
    const fault = sourceFault(filled, ownVariable, project_id, shared_sources)
    if (fault === undefined) sources.push(filled.includes('.') ? filled : `${project_id}.${filled}`)
    else if (before === faults.length) report(check, ['sources', k], `sources[${k}]: ${fault}`)
  })
  return sources
}
