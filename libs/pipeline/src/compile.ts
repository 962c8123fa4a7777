/**
 * A checked pipeline and a request become a run: parameters checked, variables filled in, SQL bound. Pure, and quick:
 * what no run can change was made once.
 */
import { localDay } from '@convergence/calendar/days'
import { AppError, type CompiledStep, type Run } from '@convergence/contracts'
import type { PipelinePlan, Scalar, StepPlan } from './plan.ts'
import { endOf, itemsOf, namesPrimarySources, type Item } from './for-each.ts'
import { ownDataset, pathFault, projectFault, sourceFault } from './reach.ts'
import { resultsOf } from './results.ts'
import { fillSql, identifierFault, parameterName, type BoundParameter } from './sql-template.ts'
import type { CompileInput, ParameterSpec } from './types.ts'
import {
  fill,
  fillText,
  frozen,
  hasVariable,
  inFillingOrder,
  inWords,
  isBuiltIn,
  primarySources,
  sqlTypeOf,
  sqlTypes,
  valueFault,
} from './values.ts'
import { didYouMean, orList, showPath } from './wording.ts'

/** What is the same for all runs of a pipeline. */
interface Compiler {
  readonly plan: PipelinePlan
  readonly project_id: string
  readonly shared_sources: readonly string[]
  readonly specs: ReadonlyMap<string, ParameterSpec>
  /** Variables that are no parameters, in the order of the file. */
  readonly constants: readonly (readonly [string, string | number | boolean])[]
  /** Whether a text or a query names the sources that say `primary`. */
  readonly names_primary: boolean
}
type Values = ReadonlyMap<string, Scalar>

const travels = (
  { step_id, name, ps_type, host, timeout_minutes, retry_policy, depends_on, trigger, when }: StepPlan,
  config: Record<string, unknown>,
  item?: Item,
): CompiledStep => ({
  step_id: item === undefined ? step_id : `${step_id}-${item.key}`,
  name: item === undefined ? name : `${name}: ${item.label}`,
  ps_type,
  host,
  timeout_minutes,
  retry_policy,
  ...(item === undefined ? {} : { for_each: step_id }),
  config,
  ...(depends_on === undefined ? {} : { depends_on }),
  ...(trigger === undefined ? {} : { trigger }),
  ...(when === undefined ? {} : { when }),
})

/** The steps as a graph where the order alone does not say what follows: each needs the one before it. */
const asGraph = (steps: readonly StepPlan[], uses: readonly string[]): readonly StepPlan[] => {
  const isGraph = steps.some(({ depends_on }) => depends_on !== undefined)
  const isGuided = steps.some(
    ({ when, trigger, for_each }) => when !== undefined || trigger !== undefined || (for_each?.concurrency ?? 1) > 1,
  )
  if (isGraph || (!isGuided && uses.length === 0)) return steps
  return steps.map((step, k) => ({
    ...step,
    depends_on: steps.slice(Math.max(0, k - 1), k).map(({ step_id }) => step_id),
  }))
}

// ---- values

/** What is wrong with the parameters that a run gives; `day`: from which words count. */
const parameterFaults = ({ specs }: Compiler, parameters: CompileInput['parameters'], day: string): string[] =>
  Object.entries(parameters).flatMap(([name, value]): string[] => {
    const spec = specs.get(name)
    if (spec === undefined) {
      if (isBuiltIn(name)) return [`${name}: is built in and cannot be given`]
      const hint = didYouMean(name, specs.keys()) || `; expected ${orList([...specs.keys()].sort())}`
      return [`${name}: unknown parameter${hint}`]
    }
    // A value of nothing is a value not given.
    const fault = value === null ? undefined : valueFault(spec, inWords(spec, value, day) ?? value)
    return fault === undefined ? [] : [`${name}: ${fault}`]
  })

/** A default may use the built-in variables, and the parameters above it. */
const defaultOf = (spec: ParameterSpec, given: string | number | boolean, values: Values, day: string): Scalar =>
  typeof given === 'string' ? (inWords(spec, given, day) ?? fillText(given, values)) : given
/** The day, in UTC, from which words in parameters count. */
const dayOf = ({ requested_at, scheduled_time = requested_at }: CompileInput): string =>
  localDay(Date.parse(scheduled_time), 'UTC')

const primaryOf = (sources: NonNullable<CompileInput['tenant_sources']>): string =>
  sources.flatMap(({ name, primary }) => (primary === true ? [name] : [])).join(',')

/** Values by name, or every fault of the parameters. */
const valuesOf = (compiler: Compiler, input: CompileInput): Map<string, Scalar> => {
  const { plan, project_id, constants, specs } = compiler
  const { run_id, tenant_id, tenant, parameters } = input
  const day = dayOf(input)
  const faults = parameterFaults(compiler, parameters, day)
  const values = new Map<string, Scalar>([
    ['tenant_id', tenant_id],
    ['pipeline_id', plan.pipeline_id],
    ['project_id', project_id],
    ['run_id', run_id],
    ['admin_email', tenant?.admin_email ?? null],
    ['company_name', tenant?.company_name ?? null],
  ])
  if (compiler.names_primary) values.set(primarySources, primaryOf(input.tenant_sources ?? []))
  for (const spec of inFillingOrder(plan.parameters)) {
    const given = Object.hasOwn(parameters, spec.name) ? parameters[spec.name] : undefined
    if (given !== undefined && given !== null) values.set(spec.name, inWords(spec, given, day) ?? given)
    else if (spec.default !== undefined) {
      const value = defaultOf(spec, spec.default, values, day)
      // What it is made of may be a value of this run.
      const fault = value === null || !hasVariable(spec.default) ? undefined : valueFault(spec, value)
      if (fault !== undefined) faults.push(`${spec.name}: ${fault}, which its default ${spec.default} is in this run`)
      values.set(spec.name, value)
    } else if (spec.required)
      faults.push(`${spec.name}: is missing${spec.description === '' ? '' : `: ${spec.description}`}`)
    const value = values.get('date')
    if (spec.name === 'date' && !specs.has('month') && typeof value === 'string') values.set('month', value.slice(0, 7))
  }
  if (faults.length > 0)
    throw new AppError(
      'PARAMETER_INVALID',
      `${faults.length} ${faults.length === 1 ? 'parameter' : 'parameters'} of ${plan.path} cannot be used`,
      { faults },
    )
  const date = values.get('date')
  if (!values.has('month') && typeof date === 'string') values.set('month', date.slice(0, 7))
  for (const spec of plan.parameters) if (!values.has(spec.name)) values.set(spec.name, null)
  for (const [name, value] of constants) values.set(name, typeof value === 'string' ? fillText(value, values) : value)
  return values
}

/**
 * The parameters with every day and month that is counted written out, those of defaults too: the record shows them,
 * and who resumes the run another day goes on with them.
 */
const writtenOut = (specs: readonly ParameterSpec[], parameters: Run['parameters'], day: string): Run['parameters'] => {
  const counted = specs.flatMap((spec) => {
    const value = inWords(spec, parameters[spec.name] ?? spec.default, day)
    return value === undefined ? [] : [[spec.name, value] as const]
  })
  return counted.length === 0 ? parameters : { ...parameters, ...Object.fromEntries(counted) }
}

// ---- steps

/** A step as it is compiled for one run. */
interface StepInput {
  step: StepPlan
  values: Values
  /** The dataset that the step may write. */
  own: string
  sources: readonly string[]
}

const sqlOf = (
  { plan: { path }, specs, project_id }: Compiler,
  { step, values, own, sources }: StepInput,
  { at, template }: StepPlan['sql'][number],
): { query: string; parameters: BoundParameter[] } => {
  const bound = (name: string): BoundParameter => {
    const result = step.results.get(name)
    // Its value is filled in when the step starts.
    if (result !== undefined) return { name, type: sqlTypes[result], value: `{${name}}` }
    const value = values.get(name) ?? null
    const spec = specs.get(name) ?? specs.get(endOf(step.for_each, name) ?? '')
    return { name, type: spec === undefined ? sqlTypeOf(value) : sqlTypes[spec.type], value }
  }
  const table = (filled: string): string => {
    const fault = identifierFault(filled)
    if (fault !== undefined)
      throw new AppError('PARAMETER_INVALID', `${path}: ${step.step_id}: ${showPath(at)}.query: ${fault}`)
    const foreign = pathFault(filled, own, project_id, sources)
    if (foreign !== undefined) throw new AppError('SOURCE_NOT_DECLARED', `${path}: ${step.step_id} ${foreign}`)
    return filled
  }
  return fillSql(template, bound, table)
}

const assertDestination = (
  { plan: { path } }: Compiler,
  { step, own }: StepInput,
  destination: Readonly<Record<string, unknown>>,
): void => {
  const name = `${String(destination['dataset_type'])}.${String(destination['table'])}`
  const fault = identifierFault(name)
  if (fault !== undefined) throw new AppError('PARAMETER_INVALID', `${path}: ${step.step_id}: destination: ${fault}`)
  if (destination['dataset_type'] !== own)
    throw new AppError(
      'PARAMETER_INVALID',
      `${path}: ${step.step_id} would write ${name}; expected the dataset of its tenant, ${own}`,
    )
}

const assertProjects = (
  { plan: { path }, project_id }: Compiler,
  { step_id }: StepPlan,
  config: Readonly<Record<string, unknown>>,
): void => {
  for (const group of ['source', 'destination'] as const) {
    const { bq_project_id = project_id } = (config[group] ?? {}) as { bq_project_id?: unknown }
    const fault = projectFault(group, String(bq_project_id), project_id)
    if (fault !== undefined)
      throw new AppError('PARAMETER_INVALID', `${path}: ${step_id}: ${group}.bq_project_id: ${fault}`)
  }
}

const compileStep = (
  compiler: Compiler,
  step: StepPlan,
  {
    values,
    tenant_id,
    sources,
    item,
  }: { values: Values; tenant_id: string; sources: readonly string[]; item?: Item | undefined },
): CompiledStep => {
  const { plan, project_id } = compiler
  const config = fill(step.config, values) as Record<string, unknown>
  const destination = config['destination'] as Record<string, unknown> | undefined
  const named = destination?.['dataset_type'] as Scalar | undefined
  const own = ownDataset({ tenant_id, pipeline: plan.path }, named === undefined ? undefined : String(named))
  const input: StepInput = { step, values, own, sources }
  assertProjects(compiler, step, config)
  const late = step.late.map(({ at, text }) => ({ at: [...at], parts: partsOf(text, values) }))
  for (const sql of step.sql) {
    const [field = '', k] = sql.at
    const filled = sqlOf(compiler, input, sql)
    const names = new Map([...step.results.keys()].map((name) => [parameterName(name), name]))
    filled.parameters.forEach((parameter, j) => {
      const name = names.get(parameter.name.replace(/^_text_/, ''))
      if (name === undefined) return
      const at = [...sql.at, 'parameters', j, 'value']
      const parts = partsOf(`{${name}}`, values)
      // A text may be made of several pieces; a piece alone keeps its type.
      late.push({ at, parts: parameter.type === 'STRING' ? [{ text: '' }, ...parts] : parts })
      filled.parameters[j] = { ...parameter, value: null }
    })
    if (field === 'source') config['source'] = { bq_project_id: project_id, ...(config['source'] as object), ...filled }
    else (config[field] as object[]).splice(Number(k), 1, { ...(config[field] as object[])[Number(k)], ...filled })
  }
  if (destination !== undefined) {
    assertDestination(compiler, input, destination)
    config['destination'] = {
      bq_project_id: project_id,
      write_mode: 'append',
      ...destination,
      ...(step.columns === undefined ? {} : { columns: step.columns }),
    }
  }
  return { ...travels(step, config, item), ...(late.length === 0 ? {} : { late }) }
}

/** A text in pieces: what the run fills now, and what earlier steps will have found out. */
const partsOf = (text: string, values: Values): NonNullable<CompiledStep['late']>[number]['parts'] => {
  const parts: NonNullable<CompiledStep['late']>[number]['parts'] = []
  let last = 0
  const now = (piece: string): void => {
    if (piece !== '') parts.push({ text: String(fillText(piece, values) ?? '') })
  }
  for (const match of text.matchAll(resultInText)) {
    now(text.slice(last, match.index))
    const [whole, step_id = '', output] = match
    parts.push({ step_id, ...(output === undefined ? {} : { output }) })
    last = match.index + whole.length
  }
  now(text.slice(last))
  return parts
}
const resultInText = /\{steps\.([A-Za-z][A-Za-z0-9_-]*)\.(?:outputs\.([A-Za-z_][A-Za-z0-9_]*)|status)\}/g

/** A step, or each of its items. */
const compileEach = (
  compiler: Compiler,
  step: StepPlan,
  input: CompileInput,
  { values, sources, isGraph }: { values: Values; sources: readonly string[]; isGraph: boolean },
): { steps: CompiledStep[]; tables: string[] } => {
  const { tenant_id } = input
  if (step.for_each === undefined)
    return { steps: [compileStep(compiler, step, { values, tenant_id, sources })], tables: [] }
  const items = itemsOf(step.for_each, input, values)
  const { concurrency = 1 } = step.for_each
  const steps = items.map((item) =>
    compileStep(compiler, step, {
      values: new Map([...values, ...item.values]),
      tenant_id,
      sources: item.table === undefined ? sources : [...sources, item.table],
      item,
    }),
  )
  return {
    // In a graph an item waits for the end, whatever it is, of the one that it takes the place of.
    steps: !isGraph
      ? steps
      : steps.map((each, k) => {
          const before = steps[k - concurrency]
          return before === undefined ? each : { ...each, begins_after: [before.step_id] }
        }),
    tables: items.flatMap(({ table }) => table ?? []),
  }
}

/**
 * Texts are filled at the end of the run, when there is a status to tell. Who gets them is settled now, but for the
 * tenant's own address, which may have changed by then.
 */
const compileEnding = (compiler: Compiler, step: StepPlan, values: Values): CompiledStep => {
  const filled = (field: string, value: unknown): unknown => {
    if (field.endsWith('_template')) return value
    return fill(value, field === 'to_emails' ? recipientValues(compiler, values) : values)
  }
  return travels(
    step,
    Object.fromEntries(Object.entries(step.config).map(([field, value]) => [field, filled(field, value)])),
  )
}
/** The values with `{admin_email}` left as it is, unless the file has a value of its own by that name. */
const recipientValues = ({ specs, constants }: Compiler, values: Values): Values => {
  if (specs.has('admin_email') || constants.some(([name]) => name === 'admin_email')) return values
  const late = new Map(values).set('admin_email', '{admin_email}')
  for (const [name, value] of constants) late.set(name, typeof value === 'string' ? fillText(value, late) : value)
  return late
}

/** What the run may read beside its own dataset, as project.dataset. */
const sourcesOf = ({ plan, project_id, shared_sources }: Compiler, tenant_id: string, values: Values): string[] =>
  plan.sources?.map((source, k) => {
    const filled = String(fillText(source, values))
    const fault = sourceFault(filled, tenant_id, project_id, shared_sources)
    if (fault !== undefined) throw new AppError('SOURCE_NOT_DECLARED', `${plan.path}: sources[${k}]: ${fault}`)
    return filled.includes('.') ? filled : `${project_id}.${filled}`
  }) ?? shared_sources.slice()

// ---- runs

/** The parameters of a run that is for a moment in a time zone, with every counted day and month written out. */
export const planDays =
  ({ parameters: specs }: PipelinePlan) =>
  (parameters: Run['parameters'], at: number, timezone: string): Run['parameters'] =>
    writtenOut(specs, parameters, localDay(at, timezone))

/** Apart from the keys of schedules (tenant:name) and of publishers (key/...). */
const keyOf = ({ concurrency_key }: PipelinePlan): string | undefined =>
  concurrency_key === undefined ? undefined : `pipelines/${concurrency_key}`

/**
 * Makes the function that turns requests for this pipeline into runs. Throws PARAMETER_INVALID with all faults, or
 * SOURCE_NOT_DECLARED.
 */
export const planCompiler = (
  plan: PipelinePlan,
  project_id: string,
  shared_sources: readonly string[],
): ((input: CompileInput) => Run) => {
  const specs = new Map(plan.parameters.map((spec) => [spec.name, spec]))
  // Parameters are in: a variable of that name is its default.
  const constants = Object.entries(plan.variables).filter(([name]) => !specs.has(name))
  const names_primary = namesPrimarySources(plan)
  const compiler: Compiler = { plan, project_id, shared_sources, specs, constants, names_primary }
  const [endingSteps, chainSteps] = [true, false].map((notification) =>
    plan.steps.filter((step) => step.notification === notification),
  )
  const prepare = (step: StepPlan) => ({
    step,
    ready:
      step.for_each === undefined &&
      step.sql.length === 0 &&
      step.late.length === 0 &&
      step.config['destination'] === undefined &&
      !hasVariable(step.config)
        ? frozen(travels(step, { ...step.config }))
        : undefined,
  })
  const chain = asGraph(chainSteps ?? [], plan.uses).map(prepare)
  const endings = (endingSteps ?? []).map(prepare)
  const isGraph = chain.some(({ step }) => step.depends_on !== undefined)
  const hasConditions = chain.some(({ step }) => step.when !== undefined)

  return (input) => {
    const { run_id, tenant_id, trigger_type, trigger_by, user_id, requested_at, parameters } = input
    const { parent_run_id, concurrency_key = keyOf(plan), cancel_in_progress, skip } = input
    const values = valuesOf(compiler, input)
    const sources = sourcesOf(compiler, tenant_id, values)
    const compiled = chain.map(({ step, ready }) =>
      ready === undefined
        ? compileEach(compiler, step, input, { values, sources, isGraph })
        : { steps: [ready], tables: [] },
    )
    const run: Run = {
      run_id,
      tenant_id,
      pipeline: plan.path,
      pipeline_id: plan.pipeline_id,
      trigger_type,
      ...(trigger_by === undefined ? {} : { trigger_by }),
      ...(user_id === undefined ? {} : { user_id }),
      parameters: writtenOut(plan.parameters, parameters, dayOf(input)),
      ...(plan.timeout_minutes === undefined ? {} : { timeout_minutes: plan.timeout_minutes }),
      priority: input.priority ?? 5,
      requested_at,
      ...(input.scheduled_time === undefined ? {} : { scheduled_time: input.scheduled_time }),
      ...(parent_run_id === undefined ? {} : { parent_run_id }),
      ...(concurrency_key === undefined ? {} : { concurrency_key }),
      ...(cancel_in_progress === true ? { cancel_in_progress } : {}),
      ...(skip === undefined || skip.length === 0 ? {} : { skip: [...skip] }),
      ...(endings.length === 0 && !hasConditions ? {} : { variables: Object.fromEntries(values) }),
      ...(plan.uses.length === 0 ? {} : { uses: [...plan.uses] }),
      sources: [...new Set([...sources, ...compiled.flatMap(({ tables }) => tables)])],
      steps: compiled.flatMap(({ steps }) => steps),
      notifications: endings.map(({ step }) => compileEnding(compiler, step, values)),
    }
    if (input.results === undefined) return run
    const results = resultsOf({ ...run, results: input.results }, new Map(), () => false)
    return results === undefined ? run : { ...run, results }
  }
}
