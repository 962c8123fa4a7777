/**
 * Reads configs/ and ps_templates/ once, checks everything, and gives pipelines that compile without I/O. All faults of
 * all files at once,
 * each with its place in the file. Nothing that a request says is ever joined into a path: names are looked up in the
 * map made here.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative, sep } from 'node:path'
import {
  AppError,
  isName,
  isSystemPipeline,
  schemasFolder,
  type Column,
  type Run,
  type ServiceName,
} from '@convergence/contracts'
import type { Ajv, ValidateFunction } from 'ajv'
import {
  didYouMean,
  faultsOf,
  nearest,
  newAjv,
  orList,
  readYaml,
  show,
  showPath,
  type Path,
  type Schema,
  type Source,
} from './check.ts'
import {
  fillText,
  fixedNames,
  planCompiler,
  valueFault,
  variable,
  type PipelinePlan,
  type Scalar,
  type StepPlan,
} from './compile.ts'
import type { CompileInput, ConfigFault, ParameterSpec, Pipeline, Pipelines } from './pipeline.ts'
import { defaultSharedSources, pathFault, sharedSourcesOf, sourceFault } from './reach.ts'
import { identifierFault, parseSqlTemplate, placeholders } from './sql-template.ts'

export interface LoadOptions {
  project_id: string
  /** Datasets that the operator shares, as project.dataset; default: those of the setting's default. */
  shared_sources?: readonly string[]
  /** Default: the package @convergence/configs. */
  configs_folder?: string
  /** Default: the package @convergence/ps_templates. */
  templates_folder?: string
}
export interface Template {
  ps_type: string
  description: string
  host: ServiceName
  notification: boolean
  /** Only for pipelines of the platform itself, under setup/. */
  system: boolean
  timeout_minutes: number
  max_retries: number
  retry_delay_seconds: number
  validate: ValidateFunction
  step: Schema
  folder: string
  schemas: ReadonlyMap<string, readonly Column[]>
}
export interface Checked {
  faults: ConfigFault[]
  /** Pipelines that were read. */ checked: number
  plans: Map<string, PipelinePlan>
  templates: Map<string, Template>
}

const packageFolder = (name: string): string => dirname(createRequire(import.meta.url).resolve(`${name}/package.json`))
export const configsFolder = (): string => packageFolder('@convergence/configs')
export const templatesFolder = (): string => packageFolder('@convergence/ps_templates')

/** Every file below a folder whose name is wanted, sorted; symbolic links are not followed. */
export const filesBelow = (folder: string, wanted: (name: string) => boolean): string[] =>
  readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesBelow(path, wanted)
      return entry.isFile() && wanted(entry.name) ? [path] : []
    })

const commonFields = [
  'step_id',
  'name',
  'description',
  'ps_type',
  'timeout_minutes',
  'trigger',
  'depends_on',
  'retry_policy',
]
/** What a text of a notification may name besides the run's variables: how the run ended. */
const endingNames = [
  'status',
  'started_at',
  'ended_at',
  'duration_ms',
  'duration_seconds',
  'step_id',
  'error',
  'error_code',
  'error_message',
  'what_to_do',
  'pipeline',
  'pipeline_logging_id',
  'trigger_type',
  'requested_at',
]
const columnTypes = [
  'STRING',
  'BYTES',
  'INT64',
  'FLOAT64',
  'NUMERIC',
  'BIGNUMERIC',
  'BOOL',
  'DATE',
  'TIME',
  'TIMESTAMP',
  'DATETIME',
  'JSON',
  'STRUCT',
]

interface Schemas {
  ajv: Ajv
  pipeline: ValidateFunction
  template: ValidateFunction
  commonStep: ValidateFunction
  commonStepFields: Record<string, Schema>
}
const loadSchemas = (): Schemas => {
  const ajv = newAjv()
  const read = (file: string) =>
    JSON.parse(readFileSync(join(schemasFolder, file), 'utf8')) as Schema & { definitions: { step: Schema } }
  const pipeline = read('pipeline.json')
  ajv.addSchema(pipeline, 'pipeline.json')
  // Steps are checked one by one, each with the fields of its template: said twice, a fault would be read twice.
  const root = {
    ...pipeline,
    $id: 'pipeline-root.json',
    properties: { ...pipeline.properties, steps: { ...pipeline.properties?.['steps'], items: { type: 'object' } } },
  }
  const { step } = pipeline.definitions
  const commonStepFields = Object.fromEntries(
    Object.entries(step.properties ?? {}).filter(([name]) => commonFields.includes(name)),
  )
  return {
    ajv,
    pipeline: ajv.compile(root),
    template: ajv.compile(read('template.json')),
    commonStep: ajv.compile({ ...step, properties: commonStepFields }),
    commonStepFields,
  }
}

// ---- templates

interface TemplateYaml {
  ps_type: string
  description: string
  host: ServiceName
  notification?: boolean
  system?: boolean
  defaults?: { timeout_minutes?: number; max_retries?: number; retry_delay_seconds?: number }
  step: Schema
}

const loadTemplates = (
  folder: string,
  { ajv, template: validate, commonStepFields }: Schemas,
  faults: ConfigFault[],
): Map<string, Template> => {
  const templates = new Map<string, Template>()
  for (const path of filesBelow(folder, (name) => name === 'config.yml')) {
    const file = relative(process.cwd(), path)
    const source = readYaml(file, readFileSync(path, 'utf8'))
    if (Array.isArray(source)) {
      faults.push(...source)
      continue
    }
    if (!validate(source.value)) {
      faults.push(...faultsOf(source, validate.errors ?? []))
      continue
    }
    const {
      ps_type,
      description,
      host,
      notification = false,
      system = false,
      defaults = {},
      step,
    } = source.value as TemplateYaml
    const expected = relative(folder, dirname(path)).split(sep).join('.')
    if (ps_type !== expected) {
      faults.push({
        file,
        ...source.place(['ps_type']),
        message: `ps_type: expected "${expected}", the name of its folder, got "${ps_type}"`,
      })
      continue
    }
    const required = ['step_id', 'ps_type', ...(step.required ?? [])]
    try {
      templates.set(ps_type, {
        ps_type,
        description,
        host,
        notification,
        system,
        step,
        folder: dirname(path),
        schemas: loadColumns(join(dirname(path), 'schemas'), faults),
        timeout_minutes: defaults.timeout_minutes ?? 10,
        max_retries: defaults.max_retries ?? 3,
        retry_delay_seconds: defaults.retry_delay_seconds ?? 5,
        validate: ajv.compile({
          ...step,
          type: 'object',
          additionalProperties: false,
          required,
          properties: { ...commonStepFields, ...step.properties },
        }),
      })
    } catch (error) {
      faults.push({
        file,
        ...source.place(['step'], true),
        message: `step: is no JSON Schema: ${error instanceof Error ? error.message : 'unreadable'}`,
      })
    }
  }
  return templates
}

/** The column lists of a template, by file name. */
const loadColumns = (folder: string, faults: ConfigFault[]): Map<string, readonly Column[]> => {
  const schemas = new Map<string, readonly Column[]>()
  let paths: string[] = []
  try {
    paths = filesBelow(folder, (name) => name.endsWith('.json'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  for (const path of paths) {
    const say = (message: string) => {
      faults.push({ file: relative(process.cwd(), path), line: 1, column: 1, message })
    }
    try {
      const columns: unknown = JSON.parse(readFileSync(path, 'utf8'))
      const fault = columnsFault(columns, '')
      if (fault === undefined) schemas.set(relative(folder, path).replace(/\.json$/, ''), columns as Column[])
      else say(fault)
    } catch {
      say('cannot be read as JSON')
    }
  }
  return schemas
}
const columnsFault = (columns: unknown, where: string): string | undefined => {
  if (!Array.isArray(columns) || columns.length === 0) return `${where}expected a list of columns, got ${show(columns)}`
  const seen = new Set<string>()
  for (const column of columns as Partial<Column>[]) {
    const { name, type, mode = 'NULLABLE', fields } = column
    if (typeof name !== 'string' || !isName('column', name))
      return `${where}expected the name of a column, got ${show(name)}`
    const at = `${where}${name}: `
    if (seen.has(name.toLowerCase())) return `${at}stands twice`
    seen.add(name.toLowerCase())
    if (typeof type !== 'string' || !columnTypes.includes(type))
      return `${at}type: expected ${orList(columnTypes)}, got ${show(type)}`
    if (!['NULLABLE', 'REQUIRED', 'REPEATED'].includes(mode))
      return `${at}mode: expected NULLABLE, REQUIRED or REPEATED, got ${show(mode)}`
    if ((type === 'STRUCT') !== (fields !== undefined)) return `${at}fields belong to a STRUCT, and a STRUCT has them`
    const inner = fields === undefined ? undefined : columnsFault(fields, at)
    if (inner !== undefined) return inner
  }
  return undefined
}

// ---- pipelines

type Step = Record<string, unknown>
interface Yaml {
  pipeline_id: string
  description: string
  schedule?: string
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
    }
  >
  variables?: Record<string, string | number | boolean>
  steps: Step[]
}
const isGroup = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * What a run may say. A file that declares nothing lets its variables be overridden; their kinds come from their names
 * and uses: `date`
 * and `*_date` are dates, `*_table` and what stands in backticks are tables, the rest is text. Every pipeline has a
 * `date`.
 */
const parametersOf = (yaml: Yaml, inBackticks: ReadonlySet<string>): ParameterSpec[] => {
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
      if ((fixedNames as readonly string[]).includes(name)) continue
      const type =
        name.endsWith('_table') || inBackticks.has(name)
          ? 'table_ref'
          : name === 'date' || name.endsWith('_date')
            ? 'date'
            : 'string'
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
    })
  return specs
}

/** Whether a value of the parameter may stand where only fixed ones belong. */
interface Known {
  requested: boolean
  type?: ParameterSpec['type']
}

const checkPipeline = (
  source: Source,
  path: string | undefined,
  templates: ReadonlyMap<string, Template>,
  schemas: Schemas,
  reach: { project_id: string; shared_sources: readonly string[] },
): { faults: ConfigFault[]; plan: PipelinePlan | undefined } => {
  const faults: ConfigFault[] = []
  const say = (at: Path, message: string, key = false) => {
    faults.push({ file: source.file, ...source.place(at, key), message })
  }
  const sayIn = (at: Path, offset: number, message: string) => {
    faults.push({ file: source.file, ...source.placeIn(at, offset), message })
  }
  if (!schemas.pipeline(source.value)) faults.push(...faultsOf(source, schemas.pipeline.errors ?? []))
  if (!isGroup(source.value) || !Array.isArray(source.value['steps'])) return { faults, plan: undefined }
  const yaml = source.value as unknown as Yaml
  const steps = yaml.steps.map((step) => (isGroup(step) ? step : undefined))
  const queries = steps.map((step) =>
    isGroup(step?.['source']) && typeof step['source']['query'] === 'string'
      ? parseSqlTemplate(step['source']['query'])
      : undefined,
  )

  const variables = isGroup(yaml.variables) ? yaml.variables : {}
  const parameters = parametersOf(
    yaml,
    new Set(
      queries.flatMap((query) => query?.uses.filter(({ as }) => as === 'identifier').map(({ name }) => name) ?? []),
    ),
  )
  const specs = new Map(parameters.map((spec) => [spec.name, spec]))
  for (const name of fixedNames) {
    if (Object.hasOwn(variables, name))
      say(['variables', name], `variables.${name}: is built in and cannot be set`, true)
    if (specs.has(name)) say(['parameters', name], `parameters.${name}: is built in and cannot be a parameter`, true)
  }
  const known = new Map<string, Known>(fixedNames.map((name) => [name, { requested: false }]))
  for (const { name, type } of parameters) known.set(name, { requested: true, type })
  if (!known.has('month')) known.set('month', { requested: true, type: 'string' })
  /** Everything that the file defines, for "did you mean". */
  const defined = new Set([...known.keys(), ...Object.keys(variables)])

  /** Every variable in the texts below a value. `where` says what may stand there. */
  const checkTexts = (
    value: unknown,
    at: Path,
    names: ReadonlyMap<string, Known>,
    extra: readonly string[] = [],
  ): void => {
    if (typeof value === 'string') {
      for (const match of value.matchAll(placeholders)) {
        const name = String(match[1])
        if (!names.has(name) && !extra.includes(name))
          sayIn(at, match.index, `${showPath(at)}: ${undefinedVariable(name, [...names.keys(), ...extra], defined)}`)
        else if (match[0] !== `{${name}}`) sayIn(at, match.index, `${showPath(at)}: expected {${name}} without blanks`)
      }
    } else if (Array.isArray(value))
      value.forEach((item, k) => {
        checkTexts(item, [...at, k], names, extra)
      })
    else if (isGroup(value))
      for (const [key, item] of Object.entries(value)) checkTexts(item, [...at, key], names, extra)
  }
  const isRequested = (text: string): boolean =>
    [...text.matchAll(variable)].some(([, name]) => known.get(String(name))?.requested === true)

  checkParameters(parameters, yaml, {
    say,
    checkTexts,
    fixed: new Map(fixedNames.map((name) => [name, { requested: false }])),
  })
  // In order: a variable may use what stands before it.
  for (const [name, value] of Object.entries(variables)) {
    if (specs.has(name)) {
      if (yaml.parameters !== undefined)
        say(['variables', name], `variables.${name}: is a parameter too; its value belongs into "default" there`, true)
      continue
    }
    checkTexts(value, ['variables', name], known)
    known.set(name, { requested: typeof value === 'string' && isRequested(value) })
  }
  // A run that could choose what the pipeline may read could read anything.
  const fixedOnly = new Map([...known].filter(([, { requested }]) => !requested))
  const constants = fixedValues(variables, specs, fixedOnly, reach.project_id, yaml.pipeline_id)
  const sources: string[] = []
  if (Array.isArray(yaml.sources)) {
    yaml.sources.forEach((text, k) => {
      if (typeof text !== 'string') return
      const before = faults.length
      checkTexts(text, ['sources', k], fixedOnly)
      const filled = String(fillText(text, constants))
      const fault = sourceFault(filled, ownVariable, reach.project_id, reach.shared_sources)
      if (fault === undefined) sources.push(filled.includes('.') ? filled : `${reach.project_id}.${filled}`)
      else if (before === faults.length) say(['sources', k], `sources[${k}]: ${fault}`)
    })
  } else sources.push(...reach.shared_sources)
  checkReach({ parameters, queries, yaml, constants, fixedOnly, sources, project_id: reach.project_id, say, sayIn })

  // Files outside of configs/ are pieces and examples: whose pipeline they will be is not known.
  const isSystem = path !== undefined && isSystemPipeline(path)
  const seen = new Map<string, number>()
  const plans: StepPlan[] = []
  steps.forEach((step, k) => {
    const at: Path = ['steps', k]
    const where = showPath(at)
    if (step === undefined) return
    const { step_id, ps_type } = step
    if (typeof step_id === 'string') {
      const first = seen.get(step_id)
      if (first === undefined) seen.set(step_id, k)
      else
        say(
          [...at, 'step_id'],
          `${where}.step_id: "${step_id}" is the name of steps[${first}] too; it must be unique in the pipeline`,
        )
    }
    let template = typeof ps_type === 'string' ? templates.get(ps_type) : undefined
    if (typeof ps_type === 'string' && template === undefined) {
      const near = nearest(ps_type, templates.keys())
      say(
        [...at, 'ps_type'],
        `${where}.ps_type: unknown "${ps_type}"${near === undefined ? `; expected ${orList([...templates.keys()].sort())}` : `, did you mean "${near}"?`}`,
      )
      // The rest is checked as what was meant.
      template = near === undefined ? undefined : templates.get(near)
    }
    const validate = template?.validate ?? schemas.commonStep
    if (!validate(step)) faults.push(...faultsOf(source, validate.errors ?? [], at))
    if (template !== undefined) checkStep(step, { at, template, path, isSystem, say, isRequested })

    const config = Object.fromEntries(Object.entries(step).filter(([key]) => !commonFields.includes(key)))
    const { query, ...restOfSource } = isGroup(config['source']) ? config['source'] : {}
    checkTexts(
      { ...config, ...(config['source'] === undefined ? {} : { source: restOfSource }) },
      at,
      known,
      template?.notification === true ? endingNames : [],
    )
    const parsed = queries[k]
    if (parsed !== undefined) {
      const queryAt: Path = [...at, 'source', 'query']
      for (const fault of parsed.faults) sayIn(queryAt, fault.offset, `${showPath(queryAt)}: ${fault.message}`)
      for (const { name, offset, as } of parsed.uses) {
        const what = known.get(name)
        if (what === undefined)
          sayIn(queryAt, offset, `${showPath(queryAt)}: ${undefinedVariable(name, known.keys(), defined)}`)
        else if (as === 'identifier' && what.requested && what.type !== 'table_ref') {
          sayIn(
            queryAt,
            offset,
            `${showPath(queryAt)}: {${name}} in backticks can be set by a run; expected a parameter of type table_ref, or a variable that no parameter changes`,
          )
        }
      }
    } else if (query !== undefined && typeof query !== 'string') checkTexts(query, [...at, 'source', 'query'], known)

    if (template === undefined || typeof step_id !== 'string') return
    const retry = isGroup(step['retry_policy']) ? step['retry_policy'] : {}
    const destination = isGroup(step['destination']) ? step['destination'] : {}
    const columns =
      typeof destination['schema_template'] === 'string'
        ? template.schemas.get(destination['schema_template'])
        : undefined
    plans.push({
      step_id,
      name: typeof step['name'] === 'string' ? step['name'] : step_id,
      ps_type: template.ps_type,
      host: template.host,
      timeout_minutes: typeof step['timeout_minutes'] === 'number' ? step['timeout_minutes'] : template.timeout_minutes,
      retry_policy: {
        max_retries: numberOr(retry['max_retries'], template.max_retries),
        retry_delay_seconds: numberOr(retry['retry_delay_seconds'], template.retry_delay_seconds),
      },
      ...(Array.isArray(step['depends_on']) ? { depends_on: step['depends_on'] as string[] } : {}),
      ...(template.notification
        ? { trigger: (step['trigger'] ?? 'on_failure') as NonNullable<StepPlan['trigger']> }
        : {}),
      notification: template.notification,
      config,
      ...(parsed === undefined ? {} : { sql: parsed.template }),
      ...(columns === undefined ? {} : { columns }),
    })
  })
  checkGraph(steps, plans, say)
  if (faults.length > 0) return { faults, plan: undefined }
  return {
    faults,
    plan: {
      path: path ?? 'custom/files/checked',
      pipeline_id: yaml.pipeline_id,
      description: yaml.description,
      parameters,
      variables,
      ...(yaml.sources === undefined ? {} : { sources: yaml.sources }),
      steps: plans,
      ...(yaml.schedule === undefined ? {} : { schedule: yaml.schedule }),
    },
  }
}
const numberOr = (value: unknown, otherwise: number): number => (typeof value === 'number' ? value : otherwise)

const undefinedVariable = (name: string, usable: Iterable<string>, defined: ReadonlySet<string>): string => {
  const names = [...usable].sort()
  if (defined.has(name)) return `variable "${name}" cannot be used here. Usable: ${names.join(', ')}`
  return `variable "${name}" is not defined${didYouMean(name, names) || '.'} Defined: ${names.join(', ')}`
}

type Say = (at: Path, message: string, key?: boolean) => void

/** Stands for the tenant, which a file does not know. */
const ownVariable = '{tenant_id}'

/** What no run can change, filled in as far as it is known without a run. */
const fixedValues = (
  variables: Readonly<Record<string, unknown>>,
  specs: ReadonlyMap<string, ParameterSpec>,
  fixedOnly: ReadonlyMap<string, Known>,
  project_id: string,
  pipeline_id: string,
): ReadonlyMap<string, Scalar> => {
  const values = new Map<string, Scalar>([
    ['project_id', project_id],
    ['pipeline_id', pipeline_id],
  ])
  for (const [name, value] of Object.entries(variables)) {
    if (specs.has(name) || !fixedOnly.has(name)) continue
    if (typeof value === 'string') values.set(name, fillText(value, values))
    else if (typeof value === 'number' || typeof value === 'boolean') values.set(name, value)
  }
  return values
}

/** Tables that a file names for certain, in a default or in backticks: each is the tenant's own, or of a source. */
const checkReach = ({
  parameters,
  queries,
  yaml,
  constants,
  fixedOnly,
  sources,
  project_id,
  say,
  sayIn,
}: {
  parameters: readonly ParameterSpec[]
  queries: readonly (ReturnType<typeof parseSqlTemplate> | undefined)[]
  yaml: Yaml
  constants: ReadonlyMap<string, Scalar>
  fixedOnly: ReadonlyMap<string, Known>
  sources: readonly string[]
  project_id: string
  say: Say
  sayIn: (at: Path, offset: number, message: string) => void
}): void => {
  const faultOf = (path: string): string | undefined => pathFault(path, ownVariable, project_id, sources)
  for (const { name, type, default: given } of parameters) {
    if (type !== 'table_ref' || typeof given !== 'string') continue
    const declared = yaml.parameters !== undefined && Object.hasOwn(yaml.parameters, name)
    const at: Path = declared ? ['parameters', name, 'default'] : ['variables', name]
    const filled = String(fillText(given, constants))
    if (identifierFault(filled.replaceAll(ownVariable, 'own')) !== undefined) continue
    const fault = faultOf(filled)
    if (fault !== undefined) say(at, `${showPath(at)}: ${fault}`)
  }
  queries.forEach((query, k) => {
    if (query === undefined) return
    const at: Path = ['steps', k, 'source', 'query']
    for (const { kind, text, start, close } of query.segments) {
      if (kind !== 'backtick' || close === '') continue
      const path = text.slice(1, -1)
      if (!path.includes('.') || [...path.matchAll(placeholders)].some(([, name]) => !fixedOnly.has(String(name))))
        continue
      const fault = faultOf(String(fillText(path, constants)))
      if (fault !== undefined) sayIn(at, start, `${showPath(at)}: ${fault}`)
    }
  })
}

/** What is wrong with the declarations themselves. */
const checkParameters = (
  parameters: readonly ParameterSpec[],
  yaml: Yaml,
  {
    say,
    checkTexts,
    fixed,
  }: {
    say: Say
    checkTexts: (value: unknown, at: Path, names: ReadonlyMap<string, Known>) => void
    fixed: ReadonlyMap<string, Known>
  },
): void => {
  for (const spec of parameters) {
    const declared = yaml.parameters !== undefined && Object.hasOwn(yaml.parameters, spec.name)
    const at: Path = declared ? ['parameters', spec.name] : ['variables', spec.name]
    const where = showPath(at)
    if (spec.type === 'enum' && (spec.values ?? []).length === 0)
      say(at, `${where}: "values" is missing: the texts that an enum may be`, true)
    if (spec.type !== 'enum' && spec.values !== undefined)
      say([...at, 'values'], `${where}.values: belongs to type enum, got type ${spec.type}`, true)
    if (spec.type !== 'string' && spec.pattern !== undefined)
      say([...at, 'pattern'], `${where}.pattern: belongs to type string, got type ${spec.type}`, true)
    if (spec.type !== 'string' && spec.max_length !== undefined)
      say([...at, 'max_length'], `${where}.max_length: belongs to type string, got type ${spec.type}`, true)
    if (spec.required && spec.default !== undefined)
      say([...at, 'required'], `${where}.required: a parameter with a default is not required`, true)
    if (spec.pattern !== undefined) {
      try {
        new RegExp(spec.pattern)
      } catch {
        say([...at, 'pattern'], `${where}.pattern: expected a regular expression, got ${show(spec.pattern)}`)
        continue
      }
    }
    if (spec.default === undefined) continue
    const defaultAt = declared ? [...at, 'default'] : at
    checkTexts(spec.default, defaultAt, fixed)
    if (
      typeof spec.default === 'string' &&
      (spec.default.search(variable) >= 0 || (spec.type === 'date' && ['today', 'yesterday'].includes(spec.default)))
    )
      continue
    // An empty text says that there is none.
    if (spec.type === 'string' && spec.default === '') continue
    const fault = valueFault(spec, spec.default)
    if (fault !== undefined)
      say(defaultAt, `${showPath(defaultAt)}: ${fault}${spec.type === 'date' ? '; or today, or yesterday' : ''}`)
  }
}

/** Rules between the fields of one step. */
const checkStep = (
  step: Step,
  {
    at,
    template,
    path,
    isSystem,
    say,
    isRequested,
  }: {
    at: Path
    template: Template
    path: string | undefined
    isSystem: boolean
    say: Say
    isRequested: (text: string) => boolean
  },
): void => {
  const where = showPath(at)
  if (template.system && path !== undefined && !isSystem)
    say(
      [...at, 'ps_type'],
      `${where}.ps_type: "${template.ps_type}" is a step of the platform's own pipelines; expected one that stands outside of setup/ too`,
    )
  if (!template.notification && Object.hasOwn(step, 'trigger'))
    say(
      [...at, 'trigger'],
      `${where}.trigger: belongs to notifications (notify_systems.*), got it in a step of ${template.ps_type}; order the steps, or use depends_on`,
      true,
    )
  if (template.notification && Object.hasOwn(step, 'depends_on'))
    say([...at, 'depends_on'], `${where}.depends_on: a notification follows the end of the run; expected trigger`, true)
  const checkFixed = (fields: Readonly<Record<string, Schema>> | undefined, value: unknown, inside: Path): void => {
    if (!isGroup(value) || isSystem) return
    for (const [field, schema] of Object.entries(fields ?? {})) {
      const texts = Array.isArray(value[field]) ? value[field] : [value[field]]
      if (schema['x-fixed'] !== true || !texts.some((text) => typeof text === 'string' && isRequested(text))) continue
      const place = [...inside, field]
      say(
        place,
        `${showPath(place)}: can be set by a run; expected what the pipeline itself says:` +
          ' variables are fixed where the file declares "parameters"',
      )
    }
  }
  checkFixed(template.step.properties, step, at)
  for (const group of ['source', 'destination'])
    checkFixed(template.step.properties?.[group]?.properties, step[group], [...at, group])
  const destination = step['destination']
  if (!isGroup(destination)) return
  const { dataset_type, schema_template, write_mode, period, table_config } = destination
  const inDestination = (field: string) => [...at, 'destination', field]
  if (period !== undefined && write_mode !== 'truncate')
    say(
      inDestination('period'),
      `${where}.destination.period: expected write_mode truncate beside it, which then replaces the rows of the period only, got ${write_mode === undefined ? 'append, the default' : show(write_mode)}`,
      true,
    )
  if (!isSystem && typeof dataset_type === 'string' && dataset_type !== '{tenant_id}')
    say(
      inDestination('dataset_type'),
      `${where}.destination.dataset_type: expected "{tenant_id}", a pipeline writes the dataset of its tenant only, got "${dataset_type}"`,
    )
  const columns = typeof schema_template === 'string' ? template.schemas.get(schema_template) : undefined
  if (typeof schema_template === 'string' && columns === undefined) {
    const names = [...template.schemas.keys()]
    say(
      inDestination('schema_template'),
      `${where}.destination.schema_template: unknown "${schema_template}"${didYouMean(schema_template, names) || (names.length === 0 ? `; ${template.ps_type} has none` : `; expected ${orList(names)}`)}`,
    )
  }
  if (columns === undefined) return
  const names = columns.map(({ name }) => name)
  const needs = (name: unknown, place: Path) => {
    if (typeof name === 'string' && !names.includes(name))
      say(place, `${showPath(place)}: no column "${name}" in ${String(schema_template)}${didYouMean(name, names)}`)
  }
  if (isGroup(period))
    for (const name of Object.keys(period))
      if (!names.includes(name))
        say(
          [...inDestination('period'), name],
          `${where}.destination.period: no column "${name}" in ${String(schema_template)}${didYouMean(name, names)}`,
          true,
        )
  if (!isGroup(table_config)) return
  if (isGroup(table_config['time_partitioning']))
    needs(table_config['time_partitioning']['field'], [...inDestination('table_config'), 'time_partitioning', 'field'])
  const clustering = table_config['clustering_fields']
  if (Array.isArray(clustering))
    clustering.forEach((name, k) => {
      needs(name, [...inDestination('table_config'), 'clustering_fields', k])
    })
}

/** depends_on names steps of the chain and goes in no circle; there is something to do. */
const checkGraph = (steps: readonly (Step | undefined)[], plans: readonly StepPlan[], say: Say): void => {
  const chain = new Map(plans.filter((plan) => !plan.notification).map((plan) => [plan.step_id, plan]))
  const endings = new Set(plans.filter((plan) => plan.notification).map(({ step_id }) => step_id))
  if (chain.size === 0 && plans.length === steps.length && plans.length > 0)
    say(['steps'], 'steps: expected a step that does something, got notifications only', true)
  const ids = steps
    .map((step) => step?.['step_id'])
    .filter((id) => typeof id === 'string' && !endings.has(id)) as string[]
  steps.forEach((step, k) => {
    const needs = step?.['depends_on']
    if (!Array.isArray(needs)) return
    needs.forEach((id: unknown, j) => {
      if (typeof id !== 'string' || ids.includes(id)) return
      say(
        ['steps', k, 'depends_on', j],
        endings.has(id)
          ? `steps[${k}].depends_on: "${id}" is a notification, which follows the end of the run`
          : `steps[${k}].depends_on: unknown step "${id}"${didYouMean(id, ids) || `; expected ${orList(ids)}`}`,
      )
    })
  })
  const state = new Map<string, 'open' | 'done'>()
  const circleFrom = (id: string, trail: readonly string[]): readonly string[] | undefined => {
    if (state.get(id) === 'open') return [...trail.slice(trail.indexOf(id)), id]
    if (state.get(id) === 'done' || !chain.has(id)) return undefined
    state.set(id, 'open')
    for (const needed of chain.get(id)?.depends_on ?? []) {
      const circle = circleFrom(needed, [...trail, id])
      if (circle !== undefined) return circle
    }
    state.set(id, 'done')
    return undefined
  }
  for (const id of chain.keys()) {
    const circle = circleFrom(id, [])
    if (circle === undefined) continue
    const k = steps.findIndex((step) => step?.['step_id'] === circle[0])
    say(['steps', k, 'depends_on'], `steps[${k}].depends_on: goes in a circle: ${circle.join(' -> ')}`, true)
    return
  }
}

// ---- all of it

/**
 * Checks pipelines (all below configs/, or the files named) and all templates. Faults are in the order of files and
 * lines.
 */
export const checkFiles = (options: Partial<LoadOptions> & { files?: readonly string[] }): Checked => {
  const { project_id = 'local-convergence' } = options
  const shared_sources = options.shared_sources ?? sharedSourcesOf(defaultSharedSources, project_id)
  const configs = options.configs_folder ?? configsFolder()
  const faults: ConfigFault[] = []
  const schemas = loadSchemas()
  const templates = loadTemplates(options.templates_folder ?? templatesFolder(), schemas, faults)
  const plans = new Map<string, PipelinePlan>()
  const ids = new Map<string, string>()
  const files = options.files ?? filesBelow(configs, (name) => name.endsWith('.yml') || name.endsWith('.yaml'))
  for (const path of files) {
    const file = relative(process.cwd(), path)
    let text: string
    try {
      text = readFileSync(path, 'utf8')
    } catch (error) {
      faults.push({
        file,
        line: 1,
        column: 1,
        message: `cannot be read: ${readProblems[String((error as NodeJS.ErrnoException).code)] ?? String((error as NodeJS.ErrnoException).code)}`,
      })
      continue
    }
    const source = readYaml(file, text)
    if (Array.isArray(source)) {
      faults.push(...source)
      continue
    }
    const inside = relative(configs, path).split(sep).join('/')
    const name = inside.startsWith('../') ? undefined : inside.replace(/\.ya?ml$/, '')
    if (name !== undefined && !isName('pipeline', name))
      faults.push({
        file,
        line: 1,
        column: 1,
        message: `expected a file <provider>/<domain>/<template>.yml of a-z, 0-9 and _, which is the URL of its runs, got ${inside}`,
      })
    const { faults: found, plan } = checkPipeline(source, name, templates, schemas, { project_id, shared_sources })
    faults.push(...found)
    if (plan === undefined) continue
    const other = ids.get(plan.pipeline_id)
    if (other !== undefined)
      faults.push({
        file,
        ...source.place(['pipeline_id']),
        message: `pipeline_id: "${plan.pipeline_id}" is the name of ${other} too; it must be unique`,
      })
    ids.set(plan.pipeline_id, file)
    plans.set(name ?? file, plan)
  }
  const order = (a: ConfigFault, b: ConfigFault) =>
    a.file === b.file ? a.line - b.line || a.column - b.column : a.file < b.file ? -1 : 1
  return { faults: faults.sort(order), checked: files.length, plans, templates }
}
const readProblems: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a folder, expected a file',
  EACCES: 'no right to read it',
}

/** The lines of a report, their messages one below the other. */
export const showFaults = (faults: readonly ConfigFault[]): string[] => {
  const places = faults.map(({ file, line, column }) => `${file}:${line}:${column}`)
  const width = Math.max(0, ...places.map((place) => place.length))
  return faults.map(({ message }, k) => `${(places[k] ?? '').padEnd(width)}  ${message}`)
}

/** Reads configs/ and ps_templates/ once. Throws CONFIG_INVALID with every fault of every file. */
export const loadPipelines = (options: LoadOptions): Pipelines => {
  const { faults, plans } = checkFiles(options)
  if (faults.length > 0)
    throw new AppError(
      'CONFIG_INVALID',
      `${faults.length} ${faults.length === 1 ? 'fault' : 'faults'} in pipelines and templates; nothing was started`,
      { faults: showFaults(faults) },
    )
  const { project_id, shared_sources = sharedSourcesOf(defaultSharedSources, project_id) } = options
  return pipelinesOf(plans.values(), project_id, shared_sources)
}

/** The catalogue of checked pipelines. */
export const pipelinesOf = (
  plans: Iterable<PipelinePlan>,
  project_id: string,
  shared_sources: readonly string[],
): Pipelines => {
  const known = new Map<string, { pipeline: Pipeline; compile: (input: CompileInput) => Run }>(
    [...plans].map((plan) => [
      plan.path,
      {
        pipeline: {
          path: plan.path,
          pipeline_id: plan.pipeline_id,
          description: plan.description,
          parameters: plan.parameters,
          ...(plan.schedule === undefined ? {} : { schedule: plan.schedule }),
          steps: plan.steps.map(({ step_id, name, ps_type }) => ({ step_id, name, ps_type })),
        },
        compile: planCompiler(plan, project_id, shared_sources),
      },
    ]),
  )
  const list = [...known.values()].map(({ pipeline }) => pipeline).sort((a, b) => (a.path < b.path ? -1 : 1))
  return {
    list: () => list,
    get: (path) => known.get(path)?.pipeline,
    compile: (input) => {
      const found = known.get(input.pipeline)
      if (found === undefined)
        throw new AppError(
          'PIPELINE_UNKNOWN',
          `no pipeline ${show(input.pipeline)}${didYouMean(input.pipeline, known.keys())}`,
        )
      return found.compile(input)
    },
  }
}
