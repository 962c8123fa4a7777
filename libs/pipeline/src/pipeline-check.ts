/** What the checks of one pipeline share: the file, what it declares, and the faults found so far. */
import type { Column } from '@convergence/contracts'
import type { outline } from '@convergence/googlesql'
import type { PipelinePlan } from './plan.ts'
import { foreignForm, placeholders, type parseSqlTemplate } from './sql-template.ts'
import type { Schemas, Template } from './templates.ts'
import type { ConfigFault, ParameterSpec } from './types.ts'
import { variable } from './values.ts'
import { didYouMean, orList, showPath, type Path } from './wording.ts'
import type { Source } from './yaml.ts'

export type Step = Record<string, unknown>
export interface Yaml {
  pipeline_id: string
  description: string
  schedule?: string
  aliases?: string[]
  timeout_minutes?: number
  concurrency_key?: string
  sources?: string[]
  parameters?: Record<
    string,
    {
      type: ParameterSpec['type']
      description?: string
      required?: boolean
      default?: string | number | boolean
      values?: string[]
      pattern?: string
      max_length?: number
      many?: NonNullable<ParameterSpec['many']>
    }
  >
  variables?: Record<string, string | number | boolean>
  after?: { pipeline: string; parameters?: Record<string, string | number | boolean> }[]
  steps: Step[]
}
export const isGroup = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Whether a value of the parameter may stand where only fixed ones belong. */
export interface Known {
  requested: boolean
  /** Default: text. */
  type?: ParameterSpec['type'] | 'float' | undefined
}
/** How values that a file writes out stand in a query. */
export const typeOfValues = (values: readonly unknown[]): Known['type'] => {
  if (values.every((value) => typeof value === 'boolean')) return 'boolean'
  if (!values.every((value) => typeof value === 'number')) return 'string'
  return values.every((value) => Number.isInteger(value)) ? 'int' : 'float'
}

export type ParsedQuery = ReturnType<typeof parseSqlTemplate>
export interface StepQuery {
  /** The group of fields in the step whose `query` it is. */
  at: Path
  parsed: ParsedQuery
}

/**
 * What can be said of a statement without a warehouse: `outline` of @convergence/googlesql. Given, not loaded: services
 * on Google Cloud hold nothing of the local warehouse, and there BigQuery itself judges.
 */
export type JudgeSql = typeof outline

/** What a pipeline is checked against. */
export interface CheckOptions {
  /** Without it no SQL is judged. */
  outline?: JudgeSql | undefined
  /** provider/domain/template; files outside of configs/ have none: whose pipeline they will be is not known. */
  path: string | undefined
  templates: ReadonlyMap<string, Template>
  schemas: Schemas
  project_id: string
  shared_sources: readonly string[]
  /** A file beside the pipeline's, by its name; undefined where there is none. */
  readQuery(name: string): QueryFile | undefined
}
/** A query that stands in a file of its own. */
export interface QueryFile {
  file: string
  text: string
}

export interface PipelineCheck extends CheckOptions {
  readonly source: Source
  readonly faults: ConfigFault[]
  readonly yaml: Yaml
  /** Undefined where an entry is no group of fields. */
  readonly steps: readonly (Step | undefined)[]
  /** Those of the steps, by their place. */
  readonly query_files: ReadonlyMap<number, QueryFile>
  /** The queries of each step: its own and those of its checks. */
  readonly queries: readonly (readonly StepQuery[])[]
  readonly variables: PipelinePlan['variables']
  readonly parameters: readonly ParameterSpec[]
  readonly specs: ReadonlyMap<string, ParameterSpec>
  /** Columns of the tables of the tenant that are known so far, by name. */
  readonly tables: Map<string, readonly Column[]>
  /** What may be used so far; a variable may use what stands before it. */
  readonly known: Map<string, Known>
  /** Everything that the file defines, for "did you mean". */
  readonly defined: ReadonlySet<string>
}

/** Stands for the tenant, which a file does not know. */
export const ownVariable = '{tenant_id}'

/** A fault at a value, or, with `key`, at the name of its field. */
export const report = ({ faults, source }: PipelineCheck, at: Path, message: string, key = false): void => {
  faults.push({ file: source.file, ...source.place(at, key), message })
}
/** A fault at a character of a text. */
export const reportIn = (
  { faults, source, query_files }: PipelineCheck,
  at: Path,
  offset: number,
  message: string,
): void => {
  const [, k, group, field] = at
  const own = typeof k === 'number' && group === 'source' && field === 'query' ? query_files.get(k) : undefined
  if (own === undefined) {
    faults.push({ file: source.file, ...source.placeIn(at, offset), message })
    return
  }
  const lines = own.text.slice(0, offset).split('\n')
  faults.push({ file: own.file, line: lines.length, column: String(lines.at(-1)).length + 1, message })
}

// ---- results of steps

export const idOf = (step: Step | undefined): string | undefined =>
  typeof step?.['step_id'] === 'string' ? step['step_id'] : undefined

/** The parts of a name of a result. */
const resultName = /^steps\.([A-Za-z][A-Za-z0-9_-]*)\.(?:outputs\.([A-Za-z_][A-Za-z0-9_]*)|status)$/

/** Why a step cannot be named here. */
export const whyNot = ({ steps, templates }: PipelineCheck, id: string, usable: readonly string[]): string => {
  const step = steps.find((each) => idOf(each) === id)
  if (step === undefined)
    return `unknown step "${id}"${didYouMean(id, usable) || (usable.length === 0 ? '; no step stands before this one' : `; expected ${orList(usable)}`)}`
  if (templates.get(String(step['ps_type']))?.notification === true)
    return `"${id}" is a notification, which follows the end of the run`
  return `step "${id}" has not ended where it is named; only steps behind it, or that need it by depends_on, may name it`
}

/** A name of a result that is none; undefined for other names. */
const resultFault = (check: PipelineCheck, name: string, usable: Iterable<string>): string | undefined => {
  const [, id, output] = resultName.exec(name) ?? []
  if (id === undefined)
    return name.startsWith('steps.')
      ? `expected {steps.ID.outputs.NAME} or {steps.ID.status}, got {${name}}`
      : undefined
  const names = [...usable].flatMap((each): (readonly [string, string | undefined])[] => {
    const [, step_id, known] = resultName.exec(each) ?? []
    return step_id === undefined ? [] : [[step_id, known]]
  })
  const ids = [...new Set(names.map(([step_id]) => step_id))]
  if (!ids.includes(id) || output === undefined) return whyNot(check, id, ids)
  const outputs = names.flatMap(([step_id, known]) => (step_id === id && known !== undefined ? [known] : []))
  return `step "${id}" has no output "${output}"${didYouMean(output, outputs)}; it has ${orList(outputs.sort())}`
}

// ---- texts

export const undefinedVariable = (check: PipelineCheck, name: string, usable: Iterable<string>): string => {
  const { defined, specs } = check
  const names = [...usable].sort()
  const ofResult = resultFault(check, name, names)
  if (ofResult !== undefined) return ofResult
  const many = specs.get(name)?.many
  if (many === 'ranges' && names.includes(`${name}_from`))
    return `variable "${name}" is a range of days here; use {${name}_from} and {${name}_to}, both included`
  if (many !== undefined)
    return `variable "${name}" may be several values; repeat the step for each of them: for_each: { parameter: ${name} }`
  if (defined.has(name)) return `variable "${name}" cannot be used here. Usable: ${names.join(', ')}`
  return `variable "${name}" is not defined${didYouMean(name, names) || '.'} Defined: ${names.join(', ')}`
}

/** Every variable in the texts below a value: `names` may stand there, and `extra`. */
export const checkTexts = (
  check: PipelineCheck,
  value: unknown,
  at: Path,
  names: ReadonlyMap<string, Known>,
  extra: readonly string[] = [],
): void => {
  if (typeof value === 'string') {
    for (const match of value.matchAll(placeholders)) {
      const name = String(match[1])
      const foreign = foreignForm(value, match.index, name)
      if (foreign !== undefined) reportIn(check, at, match.index - 1, `${showPath(at)}: ${foreign}`)
      else if (!names.has(name) && !extra.includes(name)) {
        const fault = undefinedVariable(check, name, [...names.keys(), ...extra])
        reportIn(check, at, match.index, `${showPath(at)}: ${fault}`)
      } else if (match[0] !== `{${name}}`)
        reportIn(check, at, match.index, `${showPath(at)}: expected {${name}} without blanks`)
    }
  } else if (Array.isArray(value))
    value.forEach((item, k) => {
      checkTexts(check, item, [...at, k], names, extra)
    })
  else if (isGroup(value))
    for (const [key, item] of Object.entries(value)) checkTexts(check, item, [...at, key], names, extra)
}

/** Whether a run can change the text. */
export const isRequested = ({ known }: PipelineCheck, text: string): boolean =>
  [...text.matchAll(variable)].some(
    ([, name]) => String(name).startsWith('steps.') || known.get(String(name))?.requested === true,
  )
