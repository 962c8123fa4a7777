/**
 * A checked pipeline and a request become a run: parameters checked, variables filled in, SQL bound. Pure, and quick:
 * what no run can change was made once.
 */
import { AppError, namePart, type Column, type CompiledStep, type Run, type ServiceName } from '@convergence/contracts'
import { didYouMean, orList, show } from './check.ts'
import type { CompileInput, ParameterSpec } from './pipeline.ts'
import { ownDataset, pathFault, sourceFault } from './reach.ts'
import { fillSql, identifierFault, type BoundParameter, type Template } from './sql-template.ts'

export type Scalar = string | number | boolean | null
export interface StepPlan extends Omit<CompiledStep, 'config' | 'host'> {
  host: ServiceName
  /** Follows the end of the run instead of standing among its steps. */
  notification: boolean
  config: Readonly<Record<string, unknown>>
  sql?: Template
  columns?: readonly Column[]
}
export interface PipelinePlan {
  path: string
  pipeline_id: string
  description: string
  schedule?: string
  parameters: readonly ParameterSpec[]
  variables: Readonly<Record<string, string | number | boolean>>
  /** What the file names as its sources; what the operator shares where it names none. */
  sources?: readonly string[]
  steps: readonly StepPlan[]
}

/** Never a parameter and never a variable: a run is whose it is. */
export const fixedNames = ['tenant_id', 'pipeline_id', 'project_id', 'run_id'] as const
/** A variable in a text of the configuration. */
export const variable = new RegExp(`\\{(${namePart('segment')})\\}`, 'g')
const wholeVariable = new RegExp(`^\\{(${namePart('segment')})\\}$`)
const longestText = 1000

const dayMs = 86_400_000
const isDate = (text: string): boolean => {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false
  const at = Date.parse(`${text}T00:00:00Z`)
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(text)
}

/** What is wrong with a value, or nothing. */
export const valueFault = (spec: ParameterSpec, value: unknown): string | undefined => {
  const got = `got ${show(value)}`
  switch (spec.type) {
    case 'date':
      return typeof value === 'string' && isDate(value) ? undefined : `expected a day as YYYY-MM-DD, ${got}`
    case 'int':
      return Number.isSafeInteger(value) ? undefined : `expected a whole number, ${got}`
    case 'boolean':
      return typeof value === 'boolean' ? undefined : `expected true or false, ${got}`
    case 'enum':
      return typeof value === 'string' && (spec.values ?? []).includes(value)
        ? undefined
        : `expected ${orList(spec.values ?? [])}, ${got}${typeof value === 'string' ? didYouMean(value, spec.values ?? []) : ''}`
    case 'table_ref':
      return typeof value === 'string' ? identifierFault(value) : `expected project.dataset.table, ${got}`
    case 'string': {
      const longest = spec.max_length ?? longestText
      if (typeof value !== 'string') return `expected a text, ${got}`
      if (value.length > longest) return `expected at most ${longest} characters, got ${value.length}`
      return spec.pattern === undefined || new RegExp(`^(?:${spec.pattern})$`).test(value)
        ? undefined
        : `expected ${spec.description === '' ? `a text of the form ${spec.pattern}` : `${spec.description} (${spec.pattern})`}, ${got}`
    }
  }
}

export const fillText = (text: string, values: ReadonlyMap<string, Scalar>): Scalar => {
  const whole = wholeVariable.exec(text)?.[1]
  if (whole !== undefined && values.has(whole)) return values.get(whole) ?? null
  return text.replace(variable, (written, name: string) =>
    values.has(name) ? String(values.get(name) ?? '') : written,
  )
}
const fill = (value: unknown, values: ReadonlyMap<string, Scalar>): unknown => {
  if (typeof value === 'string') return fillText(value, values)
  if (Array.isArray(value)) return value.map((item) => fill(item, values))
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fill(item, values)]))
  return value
}
const hasVariable = (value: unknown): boolean =>
  typeof value === 'string'
    ? value.search(variable) >= 0
    : typeof value === 'object' && value !== null && Object.values(value).some(hasVariable)

const frozen = <T>(value: T): T => {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    Object.values(value).forEach(frozen)
  }
  return value
}

const sqlTypes: Readonly<Record<ParameterSpec['type'], BoundParameter['type']>> = {
  date: 'DATE',
  int: 'INT64',
  boolean: 'BOOL',
  string: 'STRING',
  enum: 'STRING',
  table_ref: 'STRING',
}
const sqlTypeOf = (value: Scalar): BoundParameter['type'] =>
  typeof value === 'number'
    ? Number.isInteger(value)
      ? 'INT64'
      : 'FLOAT64'
    : typeof value === 'boolean'
      ? 'BOOL'
      : 'STRING'

const travels = (
  { step_id, name, ps_type, host, timeout_minutes, retry_policy, depends_on, trigger }: StepPlan,
  config: Record<string, unknown>,
): CompiledStep => ({
  step_id,
  name,
  ps_type,
  host,
  timeout_minutes,
  retry_policy,
  config,
  ...(depends_on === undefined ? {} : { depends_on }),
  ...(trigger === undefined ? {} : { trigger }),
})

/**
 * Makes the function that turns requests for this pipeline into runs. Throws PARAMETER_INVALID with all faults, or
 * SOURCE_NOT_DECLARED.
 */
export const planCompiler = (
  plan: PipelinePlan,
  project_id: string,
  shared_sources: readonly string[],
): ((input: CompileInput) => Run) => {
  const { path, pipeline_id } = plan
  const specs = new Map(plan.parameters.map((spec) => [spec.name, spec]))
  // Parameters are in: a variable of that name is its default.
  const constants = Object.entries(plan.variables).filter(([name]) => !specs.has(name))
  const prepared = plan.steps.map((step) => ({
    step,
    ready:
      step.sql === undefined && step.config['destination'] === undefined && !hasVariable(step.config)
        ? frozen(travels(step, { ...step.config }))
        : undefined,
  }))
  const chain = prepared.filter(({ step }) => !step.notification)
  const endings = prepared.filter(({ step }) => step.notification)

  /** Values by name, or every fault of the parameters. */
  const valuesOf = ({
    run_id,
    tenant_id,
    parameters,
    requested_at,
    scheduled_time = requested_at,
  }: CompileInput): Map<string, Scalar> => {
    const faults: string[] = []
    for (const [name, value] of Object.entries(parameters)) {
      const spec = specs.get(name)
      if (spec === undefined) {
        faults.push(
          (fixedNames as readonly string[]).includes(name)
            ? `${name}: is built in and cannot be given`
            : `${name}: unknown parameter${didYouMean(name, specs.keys()) || `; expected ${orList([...specs.keys()].sort())}`}`,
        )
        continue
      }
      // A value of nothing is a value not given.
      const fault = value === null || value === undefined ? undefined : valueFault(spec, value)
      if (fault !== undefined) faults.push(`${name}: ${fault}`)
    }
    const values = new Map<string, Scalar>([
      ['tenant_id', tenant_id],
      ['pipeline_id', pipeline_id],
      ['project_id', project_id],
      ['run_id', run_id],
    ])
    const day = (back: number) => new Date(Date.parse(scheduled_time) - back * dayMs).toISOString().slice(0, 10)
    for (const spec of plan.parameters) {
      const given = Object.hasOwn(parameters, spec.name) ? parameters[spec.name] : undefined
      if (given !== undefined && given !== null) values.set(spec.name, given)
      else if (spec.default !== undefined) {
        values.set(
          spec.name,
          spec.type !== 'date'
            ? typeof spec.default === 'string'
              ? fillText(spec.default, values)
              : spec.default
            : spec.default === 'yesterday'
              ? day(1)
              : spec.default === 'today'
                ? day(0)
                : spec.default,
        )
      } else if (spec.required)
        faults.push(`${spec.name}: is missing${spec.description === '' ? '' : `: ${spec.description}`}`)
    }
    if (faults.length > 0)
      throw new AppError(
        'PARAMETER_INVALID',
        `${faults.length} ${faults.length === 1 ? 'parameter' : 'parameters'} of ${path} cannot be used`,
        { faults },
      )
    const date = values.get('date')
    if (!values.has('month') && typeof date === 'string') values.set('month', date.slice(0, 7))
    for (const spec of plan.parameters) if (!values.has(spec.name)) values.set(spec.name, null)
    for (const [name, value] of constants) values.set(name, typeof value === 'string' ? fillText(value, values) : value)
    return values
  }

  const compileStep = (
    step: StepPlan,
    values: ReadonlyMap<string, Scalar>,
    tenant_id: string,
    sources: readonly string[],
  ): CompiledStep => {
    const config = fill(step.config, values) as Record<string, unknown>
    const destination = config['destination'] as Record<string, unknown> | undefined
    const named = destination?.['dataset_type']
    const own = ownDataset({ tenant_id, pipeline: path }, named === undefined ? undefined : String(named))
    if (step.sql !== undefined) {
      const bound = (name: string): BoundParameter => {
        const value = values.get(name) ?? null
        const spec = specs.get(name)
        return { name, type: spec === undefined ? sqlTypeOf(value) : sqlTypes[spec.type], value }
      }
      const table = (filled: string): string => {
        const fault = identifierFault(filled)
        if (fault !== undefined)
          throw new AppError('PARAMETER_INVALID', `${path}: ${step.step_id}: source.query: ${fault}`)
        const foreign = pathFault(filled, own, project_id, sources)
        if (foreign !== undefined) throw new AppError('SOURCE_NOT_DECLARED', `${path}: ${step.step_id} ${foreign}`)
        return filled
      }
      config['source'] = {
        bq_project_id: project_id,
        ...(config['source'] as object),
        ...fillSql(step.sql, bound, table),
      }
    }
    if (destination !== undefined) {
      const name = `${String(destination['dataset_type'])}.${String(destination['table'])}`
      const fault = identifierFault(name)
      if (fault !== undefined)
        throw new AppError('PARAMETER_INVALID', `${path}: ${step.step_id}: destination: ${fault}`)
      if (destination['dataset_type'] !== own)
        throw new AppError(
          'PARAMETER_INVALID',
          `${path}: ${step.step_id} would write ${name}; expected the dataset of its tenant, ${own}`,
        )
      config['destination'] = {
        bq_project_id: project_id,
        write_mode: 'append',
        ...destination,
        ...(step.columns === undefined ? {} : { columns: step.columns }),
      }
    }
    return travels(step, config)
  }

  /** Texts are filled at the end of the run, when there is a status to tell; who gets them is settled now. */
  const compileEnding = (step: StepPlan, values: ReadonlyMap<string, Scalar>): CompiledStep =>
    travels(
      step,
      Object.fromEntries(
        Object.entries(step.config).map(([field, value]) => [
          field,
          field.endsWith('_template') ? value : fill(value, values),
        ]),
      ),
    )

  return (input) => {
    const {
      run_id,
      tenant_id,
      trigger_type,
      trigger_by,
      user_id,
      parameters,
      requested_at,
      priority,
      parent_run_id,
      skip,
    } = input
    const values = valuesOf(input)
    // A day that was counted is said from here on: the record shows it, and who resumes the run another day goes on
    // with it.
    const counted = plan.parameters.filter(
      ({ type, name, default: given }) =>
        type === 'date' && (given === 'yesterday' || given === 'today') && (parameters[name] ?? null) === null,
    )
    const sources =
      plan.sources?.map((source, k) => {
        const filled = String(fillText(source, values))
        const fault = sourceFault(filled, tenant_id, project_id, shared_sources)
        if (fault !== undefined) throw new AppError('SOURCE_NOT_DECLARED', `${path}: sources[${k}]: ${fault}`)
        return filled.includes('.') ? filled : `${project_id}.${filled}`
      }) ?? shared_sources.slice()
    return {
      run_id,
      tenant_id,
      pipeline: path,
      pipeline_id,
      trigger_type,
      ...(trigger_by === undefined ? {} : { trigger_by }),
      ...(user_id === undefined ? {} : { user_id }),
      parameters:
        counted.length === 0
          ? parameters
          : { ...parameters, ...Object.fromEntries(counted.map(({ name }) => [name, values.get(name) ?? null])) },
      priority: priority ?? 5,
      requested_at,
      ...(parent_run_id === undefined ? {} : { parent_run_id }),
      ...(skip === undefined || skip.length === 0 ? {} : { skip: [...skip] }),
      ...(endings.length === 0 ? {} : { variables: Object.fromEntries(values) }),
      sources,
      steps: chain.map(({ step, ready }) => ready ?? compileStep(step, values, tenant_id, sources)),
      notifications: endings.map(({ step }) => compileEnding(step, values)),
    }
  }
}
