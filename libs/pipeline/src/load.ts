/**
 * Reads configs/ and ps_templates/ once, checks everything, and gives pipelines that compile without I/O. All faults of all files at once.
 */
import { lstatSync, readFileSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative, sep } from 'node:path'
import { AppError, isSystemPipeline, schemasFolder, type Column, type ServiceName } from '@convergence/contracts'
import type { ValidateFunction } from 'ajv'
import { didYouMean, faultsOf, newAjv, readYaml, showPath, type Path, type Source } from './check.ts'
import { compileRun, type StepPlan, type PipelinePlan } from './compile.ts'
import type { ConfigFault, ParameterSpec, Pipeline, Pipelines } from './pipeline.ts'
import { parseSqlTemplate } from './sql-template.ts'

export interface LoadOptions { project_id: string; configs_folder?: string; templates_folder?: string }
export interface Template {
  ps_type: string
  host: ServiceName
  notification: boolean
  timeout_minutes: number
  max_retries: number
  retry_delay_seconds: number
  validate: ValidateFunction
  fields: readonly string[]
  folder: string
  schemas: ReadonlyMap<string, readonly Column[]>
}

const packageFolder = (name: string): string => dirname(createRequire(import.meta.url).resolve(`${name}/package.json`))
const commonFields = ['step_id', 'name', 'description', 'ps_type', 'timeout_minutes', 'trigger', 'depends_on', 'retry_policy']
const builtins = ['date', 'pipeline_id', 'project_id', 'run_id', 'tenant_id'] as const

/** Every file below a folder with that name or ending; symbolic links are not followed. */
const filesBelow = (folder: string, wanted: (name: string) => boolean): string[] =>
  readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1)).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (lstatSync(path).isSymbolicLink() || entry.name === 'node_modules') return []
    return entry.isDirectory() ? filesBelow(path, wanted) : wanted(entry.name) ? [path] : []
  })

const ajv = newAjv()
const schemaOf = (file: string): Record<string, unknown> => JSON.parse(readFileSync(join(schemasFolder, file), 'utf8')) as Record<string, unknown>
const pipelineSchema = schemaOf('pipeline.json')
const validatePipeline = ajv.compile(pipelineSchema)
const validateTemplate = ajv.compile(schemaOf('template.json'))
const stepSchema = ((pipelineSchema['properties'] as Record<string, { items: { properties: Record<string, unknown> } }>)['steps'])?.items.properties ?? {}

const loadTemplates = (folder: string, faults: ConfigFault[]): Map<string, Template> => {
  const templates = new Map<string, Template>()
  for (const path of filesBelow(folder, (name) => name === 'config.yml')) {
    const file = relative(process.cwd(), path)
    const source = readYaml(file, readFileSync(path, 'utf8'))
    if (Array.isArray(source)) { faults.push(...source); continue }
    if (!validateTemplate(source.value)) { faults.push(...faultsOf(source, validateTemplate.errors ?? [])); continue }
    const spec = source.value as { ps_type: string; host: ServiceName; notification?: boolean; defaults?: { timeout_minutes?: number; max_retries?: number; retry_delay_seconds?: number }; step: { properties?: Record<string, unknown>; required?: string[] } }
    const expected = relative(folder, dirname(path)).split(sep).join('.')
    if (spec.ps_type !== expected) { faults.push({ file, ...source.place(['ps_type']), message: `ps_type: expected "${expected}", the name of its folder, got "${spec.ps_type}"` }); continue }
    const own = spec.step.properties ?? {}
    const validate = ajv.compile({ ...spec.step, type: 'object', additionalProperties: false, properties: { ...stepSchema, ...own } })
    const schemas = new Map<string, readonly Column[]>()
    const schemasAt = join(dirname(path), 'schemas')
    try {
      for (const name of readdirSync(schemasAt)) if (name.endsWith('.json')) schemas.set(name.slice(0, -5), JSON.parse(readFileSync(join(schemasAt, name), 'utf8')) as Column[])
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
    templates.set(spec.ps_type, {
      ps_type: spec.ps_type, host: spec.host, notification: spec.notification ?? false, timeout_minutes: spec.defaults?.timeout_minutes ?? 10,
      max_retries: spec.defaults?.max_retries ?? 3, retry_delay_seconds: spec.defaults?.retry_delay_seconds ?? 5, validate, fields: Object.keys(own), folder: dirname(path), schemas,
    })
  }
  return templates
}

type Step = Record<string, unknown> & { step_id: string; ps_type: string }
interface Yaml {
  pipeline_id: string
  description: string
  schedule?: string
  sources?: string[]
  parameters?: Record<string, { type: ParameterSpec['type']; description?: string; required?: boolean; default?: string | number | boolean; values?: string[]; pattern?: string; max_length?: number }>
  variables?: Record<string, string | number | boolean>
  steps: Step[]
}

/** Declared parameters; for a file without them, its variables with a kind guessed from the name. `date` is always one. */
const parametersOf = (yaml: Yaml): ParameterSpec[] => {
  const specs: ParameterSpec[] = Object.entries(yaml.parameters ?? {}).map(([name, spec]) => ({
    name, type: spec.type, description: spec.description ?? '', required: spec.required ?? spec.default === undefined,
    ...(spec.default === undefined ? {} : { default: spec.default }), ...(spec.values === undefined ? {} : { values: spec.values }),
    ...(spec.pattern === undefined ? {} : { pattern: spec.pattern }), ...(spec.max_length === undefined ? {} : { max_length: spec.max_length }),
  }))
  if (yaml.parameters === undefined) {
    for (const [name, value] of Object.entries(yaml.variables ?? {})) {
      if ((builtins as readonly string[]).includes(name)) continue
      specs.push({ name, type: name.endsWith('_table') ? 'table_ref' : name === 'date' || name.endsWith('_date') ? 'date' : 'string', description: '', required: false, default: value })
    }
  }
  if (!specs.some(({ name }) => name === 'date')) specs.push({ name: 'date', type: 'date', description: 'day that the run is about; yesterday by default', required: false, default: 'yesterday' })
  return specs
}

const placeholder = /\{([a-z][a-z0-9_]{0,63})\}/g

const checkPipeline = (source: Source, path: string, templates: ReadonlyMap<string, Template>, faults: ConfigFault[]): PipelinePlan | undefined => {
  const before = faults.length
  const say = (at: Path, message: string, key = false) => { faults.push({ file: source.file, ...source.place(at, key), message }) }
  if (!validatePipeline(source.value)) faults.push(...faultsOf(source, validatePipeline.errors ?? []))
  const yaml = source.value as Yaml
  if (typeof yaml !== 'object' || yaml === null || !Array.isArray(yaml.steps)) return undefined
  const system = isSystemPipeline(path)
  const parameters = parametersOf(yaml)
  const defined = new Set<string>([...builtins, ...Object.keys(yaml.variables ?? {}), ...parameters.map(({ name }) => name)])
  for (const reserved of builtins) {
    if (reserved === 'date') continue
    if (Object.hasOwn(yaml.variables ?? {}, reserved)) say(['variables', reserved], `variables.${reserved}: is built in and cannot be set`, true)
    if (Object.hasOwn(yaml.parameters ?? {}, reserved)) say(['parameters', reserved], `parameters.${reserved}: is built in and cannot be a parameter`, true)
  }
  for (const { name, pattern } of parameters) {
    if (pattern === undefined) continue
    try {
      new RegExp(pattern)
    } catch {
      say(['parameters', name, 'pattern'], `parameters.${name}.pattern: is no regular expression: ${pattern}`)
    }
  }
  const undefinedVariable = (at: Path, name: string, offset?: { line: number; column: number }) => {
    const message = `${showPath(at)}: variable "${name}" is not defined${didYouMean(name, [...defined]) || '.'} Defined: ${[...defined].sort().join(', ')}`
    if (offset === undefined) say(at, message)
    else faults.push({ file: source.file, ...offset, message })
  }
  /** Placeholders in configuration values, wherever they stand. */
  const checkNames = (value: unknown, at: Path): void => {
    if (typeof value === 'string') {
      if (at.at(-1) === 'query') return
      for (const [, name] of value.matchAll(placeholder)) if (name !== undefined && !defined.has(name) && !['status', 'error_code', 'error_message', 'pipeline_logging_id', 'failed_step', 'duration_ms', 'start_time', 'end_time', 'pipeline'].includes(name)) undefinedVariable(at, name)
    } else if (Array.isArray(value)) value.forEach((item, k) => { checkNames(item, [...at, k]) })
    else if (typeof value === 'object' && value !== null) for (const [key, item] of Object.entries(value)) checkNames(item, [...at, key])
  }
  checkNames(yaml.sources ?? [], ['sources'])
  for (const [name, value] of Object.entries(yaml.variables ?? {})) checkNames(value, ['variables', name])

  const seen = new Set<string>()
  const plans: StepPlan[] = []
  yaml.steps.forEach((step, k) => {
    const at: Path = ['steps', k]
    if (typeof step !== 'object' || step === null) return
    if (typeof step.step_id === 'string') {
      if (seen.has(step.step_id)) say([...at, 'step_id'], `steps[${k}].step_id: "${step.step_id}" is used twice; it must be unique in the pipeline`)
      seen.add(step.step_id)
    }
    if (typeof step.ps_type !== 'string') {
      if (Object.hasOwn(step, 'id') && step.step_id === undefined) say([...at, 'id'], `steps[${k}]: unknown field "id", the name is "step_id"`, true)
      return
    }
    const template = templates.get(step.ps_type)
    if (template === undefined) {
      say([...at, 'ps_type'], `steps[${k}].ps_type: unknown "${step.ps_type}"${didYouMean(step.ps_type, [...templates.keys()]) || `; known: ${[...templates.keys()].join(', ')}`}`)
      return
    }
    if (!template.validate(step)) {
      // What the common schema says of a step was said above.
      const own = (template.validate.errors ?? []).filter((error) => !(error.keyword === 'required' && commonFields.includes((error.params as { missingProperty: string }).missingProperty)) && !commonFields.includes(error.instancePath.split('/')[1] ?? ''))
      faults.push(...faultsOf(source, own, at))
    }
    const destination = step['destination'] as { dataset_type?: string; write_mode?: string; period?: object; schema_template?: string } | undefined
    if (destination !== undefined && typeof destination === 'object') {
      if (destination.period !== undefined && destination.write_mode !== 'truncate') say([...at, 'destination', 'period'], `steps[${k}].destination.period: needs write_mode: truncate, which then replaces the rows of the period only`)
      if (!system && typeof destination.dataset_type === 'string' && destination.dataset_type !== '{tenant_id}') say([...at, 'destination', 'dataset_type'], `steps[${k}].destination.dataset_type: expected "{tenant_id}": a pipeline writes its tenant's dataset only, got "${destination.dataset_type}"`)
      if (typeof destination.schema_template === 'string' && !template.schemas.has(destination.schema_template)) say([...at, 'destination', 'schema_template'], `steps[${k}].destination.schema_template: no "${destination.schema_template}" in ${step.ps_type}/schemas${didYouMean(destination.schema_template, [...template.schemas.keys()])}`)
    }
    checkNames(Object.fromEntries(Object.entries(step).filter(([key]) => !commonFields.includes(key))), at)
    const query = (step['source'] as { query?: unknown } | undefined)?.query
    let sql: StepPlan['sql']
    if (typeof query === 'string') {
      const parsed = parseSqlTemplate(query)
      const queryAt: Path = [...at, 'source', 'query']
      const start = source.place(queryAt)
      const position = (offset: number) => {
        const lines = query.slice(0, offset).split('\n')
        // A block text begins on the line after its mark; how far it is indented the file says.
        return { line: start.line + lines.length, column: (lines.at(-1)?.length ?? 0) + start.column }
      }
      for (const fault of parsed.faults) faults.push({ file: source.file, ...position(fault.offset), message: `${showPath(queryAt)}: ${fault.message}` })
      for (const { name, offset } of parsed.names) if (!defined.has(name)) undefinedVariable(queryAt, name, position(offset))
      sql = parsed.template
    }
    const retry = (step['retry_policy'] ?? {}) as { max_retries?: number; retry_delay_seconds?: number }
    const config = Object.fromEntries(Object.entries(step).filter(([key]) => !commonFields.includes(key)))
    const trigger = step['trigger'] as StepPlan['trigger'] | undefined
    plans.push({
      step_id: step.step_id, name: typeof step['name'] === 'string' ? step['name'] : step.step_id, ps_type: step.ps_type, host: template.host,
      timeout_minutes: typeof step['timeout_minutes'] === 'number' ? step['timeout_minutes'] : template.timeout_minutes,
      retry_policy: { max_retries: retry.max_retries ?? template.max_retries, retry_delay_seconds: retry.retry_delay_seconds ?? template.retry_delay_seconds },
      ...(Array.isArray(step['depends_on']) ? { depends_on: step['depends_on'] as string[] } : {}),
      ...(template.notification ? { trigger: trigger ?? 'on_failure' } : {}),
      notification: template.notification, config, ...(sql === undefined ? {} : { sql }),
      ...(typeof destination?.schema_template === 'string' ? { columns: template.schemas.get(destination.schema_template) ?? [] } : {}),
    })
  })
  checkGraph(yaml.steps, plans, say)
  if (faults.length > before) return undefined
  return {
    path, pipeline_id: yaml.pipeline_id, description: yaml.description, parameters, variables: yaml.variables ?? {}, sources: yaml.sources ?? [], steps: plans,
    ...(yaml.schedule === undefined ? {} : { schedule: yaml.schedule }),
  }
}

/** depends_on names steps of the chain, and makes no circle. */
const checkGraph = (steps: readonly Step[], plans: readonly StepPlan[], say: (at: Path, message: string) => void): void => {
  const chain = new Map(plans.filter((plan) => !plan.notification).map((plan) => [plan.step_id, plan]))
  steps.forEach((step, k) => {
    const needs = step?.['depends_on']
    if (!Array.isArray(needs)) return
    needs.forEach((id: unknown, j) => {
      if (typeof id === 'string' && !chain.has(id)) say(['steps', k, 'depends_on', j], `steps[${k}].depends_on: no step "${id}"${didYouMean(id, [...chain.keys()])}`)
    })
  })
  const state = new Map<string, 'open' | 'done'>()
  const visit = (id: string): boolean => {
    if (state.get(id) === 'open') return false
    if (state.get(id) === 'done') return true
    state.set(id, 'open')
    const fine = (chain.get(id)?.depends_on ?? []).every(visit)
    state.set(id, 'done')
    return fine
  }
  const circular = [...chain.keys()].find((id) => !visit(id))
  if (circular !== undefined) say(['steps'], `steps: depends_on goes in a circle through "${circular}"`)
}

const pathPattern = /^[a-z][a-z0-9_]{0,63}(\/[a-z][a-z0-9_]{0,63}){2}$/

/** Checks pipelines (all below configs/, or the files named) and all templates. */
export const checkFiles = (options: LoadOptions & { files?: readonly string[] }): { faults: ConfigFault[]; checked: number; plans: Map<string, PipelinePlan>; templates: Map<string, Template> } => {
  const configs = options.configs_folder ?? packageFolder('@convergence/configs')
  const faults: ConfigFault[] = []
  const templates = loadTemplates(options.templates_folder ?? packageFolder('@convergence/ps_templates'), faults)
  const plans = new Map<string, PipelinePlan>()
  const ids = new Map<string, string>()
  const files = options.files ?? filesBelow(configs, (name) => name.endsWith('.yml') || name.endsWith('.yaml'))
  for (const path of files) {
    const file = relative(process.cwd(), path)
    let text: string
    try {
      text = readFileSync(path, 'utf8')
    } catch (error) {
      faults.push({ file, line: 1, column: 1, message: `cannot be read (${String((error as NodeJS.ErrnoException).code)})` })
      continue
    }
    const source = readYaml(file, text)
    if (Array.isArray(source)) { faults.push(...source); continue }
    const inside = relative(configs, path).split(sep).join('/').replace(/\.ya?ml$/, '')
    const name = pathPattern.test(inside) ? inside : 'custom/files/checked'
    if (options.files === undefined && !pathPattern.test(inside)) faults.push({ file, line: 1, column: 1, message: `expected configs/<provider>/<domain>/<template>.yml in lower case, digits and _, got ${inside}` })
    const plan = checkPipeline(source, name, templates, faults)
    if (plan === undefined) continue
    const other = ids.get(plan.pipeline_id)
    if (other !== undefined) faults.push({ file, ...source.place(['pipeline_id']), message: `pipeline_id: "${plan.pipeline_id}" is used by ${other} too` })
    ids.set(plan.pipeline_id, file)
    plans.set(name, plan)
  }
  return { faults: faults.sort((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : a.line - b.line || a.column - b.column)), checked: files.length, plans, templates }
}

/** Reads configs/ and ps_templates/ once. Throws CONFIG_INVALID with every fault of every file. */
export const loadPipelines = (options: LoadOptions): Pipelines => {
  const { faults, plans } = checkFiles(options)
  if (faults.length > 0) {
    throw new AppError('CONFIG_INVALID', `${faults.length} faults in pipelines and templates; nothing was started`, { faults: faults.map((fault) => `${fault.file}:${fault.line}:${fault.column}  ${fault.message}`) })
  }
  const catalogue = new Map<string, Pipeline>([...plans].map(([path, plan]) => [path, {
    path, pipeline_id: plan.pipeline_id, description: plan.description, parameters: plan.parameters, ...(plan.schedule === undefined ? {} : { schedule: plan.schedule }),
    steps: plan.steps.map(({ step_id, name, ps_type }) => ({ step_id, name, ps_type })),
  }]))
  return {
    list: () => [...catalogue.values()],
    get: (path) => catalogue.get(path),
    compile: (input) => {
      const plan = plans.get(input.pipeline)
      if (plan === undefined) throw new AppError('PIPELINE_UNKNOWN', `no pipeline ${input.pipeline}${didYouMean(input.pipeline, [...plans.keys()])}`)
      return compileRun(plan, input, options.project_id)
    },
  }
}
