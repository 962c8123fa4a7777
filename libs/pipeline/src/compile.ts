/** A checked pipeline and a request become a run: parameters checked, variables filled in, SQL bound. Pure. */
import { AppError, isSystemPipeline, type Column, type CompiledStep, type Run, type ServiceName } from '@convergence/contracts'
import { didYouMean } from './check.ts'
import type { CompileInput, ParameterSpec } from './pipeline.ts'
import { fillSql, identifierFault, type BoundParameter, type Template } from './sql-template.ts'

export interface StepPlan extends Omit<CompiledStep, 'config' | 'host'> {
  host: ServiceName
  notification: boolean
  config: Record<string, unknown>
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
  sources: readonly string[]
  steps: readonly StepPlan[]
}

type Scalar = string | number | boolean | null
const dayMs = 86_400_000
const isDate = (text: string): boolean => /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(`${text}T00:00:00Z`)) && new Date(`${text}T00:00:00Z`).toISOString().startsWith(text)

/** What is wrong with a value, or nothing. */
const valueFault = (spec: ParameterSpec, value: Scalar): string | undefined => {
  const got = JSON.stringify(value)
  switch (spec.type) {
    case 'date': return typeof value === 'string' && isDate(value) ? undefined : `expected a day as YYYY-MM-DD, got ${got}`
    case 'int': return Number.isSafeInteger(value) ? undefined : `expected a whole number, got ${got}`
    case 'boolean': return typeof value === 'boolean' ? undefined : `expected true or false, got ${got}`
    case 'enum': return typeof value === 'string' && (spec.values ?? []).includes(value) ? undefined : `expected one of ${(spec.values ?? []).join(', ')}, got ${got}`
    case 'table_ref': return typeof value !== 'string' ? `expected project.dataset.table, got ${got}` : identifierFault(value)
    case 'string': {
      if (typeof value !== 'string') return `expected a text, got ${got}`
      if (value.length > (spec.max_length ?? 1000)) return `expected at most ${spec.max_length ?? 1000} characters, got ${value.length}`
      return spec.pattern === undefined || new RegExp(`^(?:${spec.pattern})$`).test(value) ? undefined : `expected ${spec.pattern}, got ${got}`
    }
  }
}

const fillText = (text: string, values: ReadonlyMap<string, Scalar>): Scalar => {
  const whole = /^\{([a-z][a-z0-9_]{0,63})\}$/.exec(text)?.[1]
  if (whole !== undefined && values.has(whole)) return values.get(whole) ?? null
  return text.replace(/\{([a-z][a-z0-9_]{0,63})\}/g, (placeholder, name: string) => (values.has(name) ? String(values.get(name) ?? '') : placeholder))
}
const fill = (value: unknown, values: ReadonlyMap<string, Scalar>): unknown => {
  if (typeof value === 'string') return fillText(value, values)
  if (Array.isArray(value)) return value.map((item) => fill(item, values))
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fill(item, values)]))
  return value
}

export const compileRun = (plan: PipelinePlan, input: CompileInput, project_id: string): Run => {
  const faults: string[] = []
  const specs = new Map(plan.parameters.map((spec) => [spec.name, spec]))
  for (const [name, value] of Object.entries(input.parameters)) {
    const spec = specs.get(name)
    if (spec === undefined) {
      const reserved = ['tenant_id', 'pipeline_id', 'project_id', 'run_id'].includes(name)
      faults.push(reserved ? `${name}: is built in and cannot be given` : `${name}: no such parameter${didYouMean(name, [...specs.keys()]) || `; known: ${[...specs.keys()].join(', ')}`}`)
      continue
    }
    const fault = valueFault(spec, value)
    if (fault !== undefined) faults.push(`${name}: ${fault}`)
  }
  const values = new Map<string, Scalar>([['tenant_id', input.tenant_id], ['pipeline_id', plan.pipeline_id], ['project_id', project_id], ['run_id', input.run_id]])
  const types = new Map<string, BoundParameter['type']>()
  const day = (back: number) => new Date(Date.parse(input.requested_at) - back * dayMs).toISOString().slice(0, 10)
  for (const spec of plan.parameters) {
    const given = Object.hasOwn(input.parameters, spec.name) ? input.parameters[spec.name] : undefined
    let value: Scalar | undefined = given ?? spec.default
    if (given === undefined && spec.type === 'date') value = spec.default === 'yesterday' ? day(1) : spec.default === 'today' ? day(0) : spec.default
    if (value === undefined) {
      if (spec.required) faults.push(`${spec.name}: is missing${spec.description === '' ? '' : `: ${spec.description}`}`)
      value = null
    }
    if (typeof value === 'string' && given === undefined) value = fillText(value, values)
    values.set(spec.name, value)
    types.set(spec.name, ({ date: 'DATE', int: 'INT64', boolean: 'BOOL' } as const)[spec.type as 'date'] ?? 'STRING')
  }
  if (faults.length > 0) throw new AppError('PARAMETER_INVALID', `${faults.length === 1 ? '1 parameter' : `${faults.length} parameters`} of ${plan.path} cannot be used`, { faults })
  // Variables may use the built-ins, the parameters and the variables before them.
  for (const [name, value] of Object.entries(plan.variables)) if (!values.has(name)) values.set(name, typeof value === 'string' ? fillText(value, values) : value)

  const sources = plan.sources.map((source) => String(fillText(source, values)))
  const refuse = (message: string) => new AppError('PARAMETER_INVALID', `${plan.path}: ${message}`)
  const tables = [...specs.values()].filter(({ type }) => type === 'table_ref')
  for (const { name } of tables) {
    const path = String(values.get(name))
    const parts = path.split('.')
    const dataset = parts.length === 3 ? `${String(parts[0])}.${String(parts[1])}` : parts.length === 2 ? `${project_id}.${String(parts[0])}` : `${project_id}.${input.tenant_id}`
    if (dataset !== `${project_id}.${input.tenant_id}` && !sources.includes(dataset)) {
      throw new AppError('SOURCE_NOT_DECLARED', `${plan.path}: ${name} names ${path}; expected a table of ${input.tenant_id}${sources.length === 0 ? '' : ` or of ${sources.join(', ')}`}`)
    }
  }
  const bound = (name: string): BoundParameter => {
    const value = values.get(name) ?? null
    return { name, type: types.get(name) ?? (typeof value === 'number' ? (Number.isInteger(value) ? 'INT64' : 'FLOAT64') : typeof value === 'boolean' ? 'BOOL' : 'STRING'), value }
  }
  const compileStep = (step: StepPlan): CompiledStep => {
    const config = fill(step.config, values) as Record<string, unknown>
    if (step.sql !== undefined) {
      const { query, parameters } = fillSql(step.sql, bound, refuse)
      config['source'] = { bq_project_id: project_id, ...(config['source'] as object), query, parameters }
    }
    const destination = config['destination'] as Record<string, unknown> | undefined
    if (destination !== undefined) {
      config['destination'] = { bq_project_id: project_id, write_mode: 'append', ...destination, ...(step.columns === undefined ? {} : { columns: step.columns }) }
      if (!isSystemPipeline(plan.path) && destination['dataset_type'] !== input.tenant_id) throw refuse(`${step.step_id} would write ${String(destination['dataset_type'])}; a pipeline writes its tenant's dataset only`)
    }
    const { step_id, name, ps_type, host, timeout_minutes, retry_policy, depends_on, trigger } = step
    return { step_id, name, ps_type, host, timeout_minutes, retry_policy, config, ...(depends_on === undefined ? {} : { depends_on }), ...(trigger === undefined ? {} : { trigger }) }
  }
  const steps = plan.steps.map((step) => (step.notification ? undefined : compileStep(step))).filter((step) => step !== undefined)
  const notifications = plan.steps.map((step) => (step.notification ? { ...compileStep({ ...step, config: {} }), config: step.config } : undefined)).filter((step) => step !== undefined)
  return {
    run_id: input.run_id, tenant_id: input.tenant_id, pipeline: plan.path, pipeline_id: plan.pipeline_id, trigger_type: input.trigger_type,
    ...(input.trigger_by === undefined ? {} : { trigger_by: input.trigger_by }), ...(input.user_id === undefined ? {} : { user_id: input.user_id }),
    parameters: input.parameters, priority: input.priority ?? 5, requested_at: input.requested_at,
    ...(input.parent_run_id === undefined ? {} : { parent_run_id: input.parent_run_id }), ...(input.skip === undefined || input.skip.length === 0 ? {} : { skip: [...input.skip] }),
    ...(notifications.length === 0 ? {} : { variables: Object.fromEntries(values) }), sources, steps, notifications,
  }
}
