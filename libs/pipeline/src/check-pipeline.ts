/** Checks one file as a pipeline: all of its faults, or its plan. */
import { checkCron } from '@convergence/calendar/cron'
import { AppError, isSystemPipeline, type Column } from '@convergence/contracts'
import { checkGraph, checkStep } from './check-steps.ts'
import { checkSql, knownTables, newRows } from './check-sql.ts'
import { checkCondition, lateTexts, resultNames, stepsNamed } from './check-results.ts'
import { faultsOf } from './check.ts'
import { checkForEach, forEachOf, itemNames, sourceParameter } from './for-each.ts'
import {
  checkBuiltIn,
  checkParameters,
  checkReach,
  checkVariables,
  fixedKnown,
  parametersOf,
} from './check-variables.ts'
import {
  checkTexts,
  isGroup,
  report,
  reportIn,
  undefinedVariable,
  type CheckOptions,
  type ParsedQuery,
  type PipelineCheck,
  type QueryFile,
  type Step,
  type StepQuery,
  type Yaml,
} from './pipeline-check.ts'
import type { ForEach, PipelinePlan, StepPlan } from './plan.ts'
import { parseSqlTemplate } from './sql-template.ts'
import { commonFields, schemaOf, type Template } from './templates.ts'
import type { ConfigFault } from './types.ts'
import { nearest, orList, show, showPath, type Path } from './wording.ts'
import type { Source } from './yaml.ts'

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
  'warnings',
  'pipeline',
  'pipeline_logging_id',
  'trigger_type',
  'requested_at',
]

/** The file with what stands in `pipeline:` at the root, where it belongs: its other mistakes are told with that one. */
const unnested = (source: Source): Source => {
  const { value } = source
  if (!isGroup(value) || !isGroup(value['pipeline'])) return source
  const { pipeline, ...root } = value
  const inside = (path: Path): Path => {
    const [field = ''] = path
    return Object.hasOwn(root, field) || !Object.hasOwn(pipeline, field) ? path : ['pipeline', ...path]
  }
  return {
    ...source,
    value: { ...pipeline, ...root },
    place: (path, key) => source.place(inside(path), key),
    placeIn: (path, offset) => source.placeIn(inside(path), offset),
  }
}

export const checkPipeline = (
  written: Source,
  options: CheckOptions,
): { faults: ConfigFault[]; plan: PipelinePlan | undefined } => {
  const { schemas } = options
  const source = unnested(written)
  const faults: ConfigFault[] = [...written.faults]
  if (source !== written)
    faults.push({
      file: written.file,
      ...written.place(['pipeline'], true),
      message: 'pipeline: unknown field; what stands in it belongs at the root of the file (pipeline_id, description)',
    })
  if (!schemas.pipeline(source.value)) faults.push(...faultsOf(source, schemas.pipeline.errors ?? []))
  if (!isGroup(source.value) || !Array.isArray(source.value['steps'])) return { faults, plan: undefined }
  const yaml = source.value as unknown as Yaml
  const check = openCheck(source, yaml, faults, options)
  checkBuiltIn(check)
  checkParameters(check)
  checkVariables(check)
  checkReach(check)
  checkSchedule(check)
  const seen = new Map<string, number>()
  const plans = check.steps.flatMap((step, k) => (step === undefined ? [] : checkOneStep(check, step, k, seen)))
  checkGraph(check, plans)
  if (faults.length > 0) return { faults, plan: undefined }
  return {
    faults,
    plan: {
      path: options.path ?? 'custom/files/checked',
      pipeline_id: yaml.pipeline_id,
      description: yaml.description,
      parameters: check.parameters,
      variables: check.variables,
      ...(yaml.sources === undefined ? {} : { sources: yaml.sources }),
      steps: plans,
      ...(yaml.schedule === undefined ? {} : { schedule: yaml.schedule }),
      ...(yaml.after === undefined ? {} : { after: yaml.after }),
      ...(yaml.concurrency_key === undefined ? {} : { concurrency_key: yaml.concurrency_key }),
      ...(yaml.aliases === undefined ? {} : { aliases: yaml.aliases }),
      uses: usedBy(check.steps),
      ...(yaml.timeout_minutes === undefined ? {} : { timeout_minutes: yaml.timeout_minutes }),
    },
  }
}

/** Steps whose results the conditions and texts of others name. */
const usedBy = (steps: PipelineCheck['steps']): string[] => [
  ...new Set(steps.flatMap((step) => (step === undefined ? [] : stepsNamed(step)))),
]

const checkSchedule = (check: PipelineCheck): void => {
  const { schedule } = check.yaml
  if (typeof schedule !== 'string' || schedule.trim().split(/\s+/).length !== 5) return
  try {
    checkCron(schedule, 'UTC')
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    report(check, ['schedule'], error.message.replace(/^cron: /, 'schedule: '))
  }
}

const queriesOf = (step: Step | undefined): StepQuery[] => {
  const { source, checks } = step ?? {}
  const groups: [Path, unknown][] = [
    [['source'], source],
    ...(Array.isArray(checks) ? checks.map((one, k): [Path, unknown] => [['checks', k], one]) : []),
  ]
  return groups.flatMap(([at, group]) =>
    isGroup(group) && typeof group['query'] === 'string' ? [{ at, parsed: parseSqlTemplate(group['query']) }] : [],
  )
}

/** What the file declares, read as far as it can be read. */
const openCheck = (source: Source, yaml: Yaml, faults: ConfigFault[], options: CheckOptions): PipelineCheck => {
  const query_files = new Map<number, QueryFile>()
  const steps = yaml.steps.map((step, k) =>
    isGroup(step) ? withQueryFile({ source, faults, options, query_files }, step, k) : undefined,
  )
  const queries = steps.map(queriesOf)
  const variables = isGroup(yaml.variables) ? yaml.variables : {}
  const inBackticks = queries.flat().flatMap(({ parsed }) => parsed.uses.filter(({ as }) => as === 'identifier'))
  const declared = parametersOf(yaml, new Set(inBackticks.map(({ name }) => name)))
  const repeats = steps.map(forEachOf).some((forEach) => forEach?.sources !== undefined)
  const parameters = repeats ? [...declared.filter(({ name }) => name !== 'source'), sourceParameter] : declared
  const known = fixedKnown()
  // What may be several stands only where a step is repeated for each.
  for (const { name, type, many } of parameters) if (many === undefined) known.set(name, { requested: true, type })
  if (!parameters.some(({ name }) => name === 'month')) known.set('month', { requested: true, type: 'string' })
  return {
    ...options,
    source,
    faults,
    yaml,
    steps,
    query_files,
    queries,
    variables,
    parameters,
    tables: knownTables(options.templates.values()),
    specs: new Map(parameters.map((spec) => [spec.name, spec])),
    known,
    defined: new Set([...known.keys(), ...parameters.map(({ name }) => name), ...Object.keys(variables)]),
  }
}

/** The step with the text of its `query_file` as its query. */
const withQueryFile = (
  {
    source,
    faults,
    options: { readQuery },
    query_files,
  }: Pick<PipelineCheck, 'source' | 'faults'> & { options: CheckOptions; query_files: Map<number, QueryFile> },
  step: Step,
  k: number,
): Step => {
  const given = step['source']
  if (!isGroup(given) || typeof given['query_file'] !== 'string') return step
  const { query_file, ...rest } = given
  const at: Path = ['steps', k, 'source', 'query_file']
  const say = (message: string): void => {
    faults.push({ file: source.file, ...source.place(at), message: `${showPath(at)}: ${message}` })
  }
  if (Object.hasOwn(rest, 'query')) say('expected either a query or a query_file, got both')
  const read = /^[a-z0-9_]+\.sql$/.test(query_file) ? readQuery(query_file) : undefined
  if (read === undefined) {
    say(`expected the name of a file beside this one, such as cost.sql, got ${show(query_file)}, which cannot be read`)
    // The rest is checked as if there were one.
    const { own_tables: _, ...others } = rest
    return { ...step, source: { query: 'SELECT 1', ...others } }
  }
  query_files.set(k, read)
  return { ...step, source: { ...rest, query: read.text } }
}

/** The plan of a step, none where it cannot be known. `seen`: where each step_id stands first. */
const checkOneStep = (check: PipelineCheck, step: Step, k: number, seen: Map<string, number>): StepPlan[] => {
  const { source, schemas, faults } = check
  const for_each = forEachOf(step)
  const at: Path = ['steps', k]
  const { step_id } = step
  if (typeof step_id === 'string') {
    const first = seen.get(step_id)
    if (first === undefined) seen.set(step_id, k)
    else
      report(
        check,
        [...at, 'step_id'],
        `${showPath(at)}.step_id: "${step_id}" is the name of steps[${first}] too; it must be unique in the pipeline`,
      )
  }
  const template = templateOf(check, step, at)
  const results = resultNames(check, step, k)
  const known = new Map([...check.known, ...itemNames(check, for_each), ...results])
  if (template?.notification === true)
    for (const { name, type } of check.parameters) known.set(name, { requested: true, type })
  const validate = template?.validate ?? schemas.commonStep
  if (!validate(step)) faults.push(...faultsOf(source, validate.errors ?? [], at))
  if (template !== undefined) {
    checkStep(check, step, at, template)
    checkForEach(check, step, at, template)
    if (!template.notification) checkCondition(check, step, k)
  }

  const config = Object.fromEntries(Object.entries(step).filter(([key]) => !commonFields.includes(key)))
  checkTexts(check, withoutQueries(config), at, known, template?.notification === true ? endingNames : [])
  const queries = check.queries[k] ?? []
  // Whatever the step before brought.
  check.tables.delete(newRows)
  for (const { at: group, parsed } of queries) {
    checkQuery({ ...check, known }, parsed, [...at, ...group, 'query'])
    if (template !== undefined && parsed.faults.length === 0)
      checkSql(check, step, at, { group, query: parsed, known, template })
  }
  return template === undefined || typeof step_id !== 'string'
    ? []
    : [planOf(step, step_id, config, { check, template, queries, for_each, results })]
}

const withoutQueries = (config: Readonly<Record<string, unknown>>): Record<string, unknown> => {
  const { source, checks } = config
  return {
    ...config,
    ...(source === undefined ? {} : { source: withoutQuery(source) }),
    ...(Array.isArray(checks) ? { checks: checks.map(withoutQuery) } : {}),
  }
}
/** A query is checked by rules of its own. */
const withoutQuery = (group: unknown): unknown => {
  if (!isGroup(group) || typeof group['query'] !== 'string') return group
  const { query: _, ...rest } = group
  return rest
}

/** The template of a step; of one that does not exist, what was meant, so that the rest is checked as that. */
const templateOf = (check: PipelineCheck, { ps_type }: Step, at: Path): Template | undefined => {
  if (typeof ps_type !== 'string') return undefined
  const { templates } = check
  const template = templates.get(ps_type)
  if (template !== undefined) return template
  const usable = [...templates.values()]
    .filter(({ system }) => !system || check.path === undefined || isSystemPipeline(check.path))
    .map((each) => each.ps_type)
    .sort()
  const [provider = ''] = ps_type.split('.')
  const ofProvider = usable.filter((each) => each.startsWith(`${provider}.`))
  const last = ps_type.slice(ps_type.lastIndexOf('_'))
  const alike = ofProvider.length === 1 ? ofProvider : ofProvider.filter((each) => each.endsWith(last))
  const near = nearest(ps_type, usable) ?? (alike.length === 1 ? alike[0] : undefined)
  const expected = orList(ofProvider.length > 0 ? ofProvider : usable)
  const hint = near === undefined ? `; expected ${expected}` : `, did you mean "${near}"?`
  report(check, [...at, 'ps_type'], `${showPath(at)}.ps_type: unknown "${ps_type}"${hint}`)
  return near === undefined ? undefined : templates.get(near)
}

const checkQuery = (check: PipelineCheck, { faults, uses }: ParsedQuery, at: Path): void => {
  const { known } = check
  const where = showPath(at)
  for (const fault of faults) reportIn(check, at, fault.offset, `${where}: ${fault.message}`)
  for (const { name, offset, as } of uses) {
    const use = known.get(name)
    if (use === undefined) reportIn(check, at, offset, `${where}: ${undefinedVariable(check, name, known.keys())}`)
    else if (as === 'identifier' && use.requested && use.type !== 'table_ref')
      reportIn(
        check,
        at,
        offset,
        `${where}: {${name}} in backticks can be set by a run; expected a parameter of type table_ref,` +
          ' or a variable that no parameter changes',
      )
  }
}

const shapeFields = ['backoff', 'jitter', 'max_delay_seconds', 'max_total_minutes', 'retry_on']
const numberOr = (value: unknown, otherwise: number): number => (typeof value === 'number' ? value : otherwise)

const bare = ({ description: _, ...column }: Column): Column =>
  column.fields === undefined ? column : { ...column, fields: column.fields.map(bare) }

/** The columns of the schemas by which tables are read, beside their names. */
const withColumns = (
  { templates }: PipelineCheck,
  config: Record<string, unknown>,
  { schemas }: Template,
): Record<string, unknown> => {
  const { source } = config
  if (!isGroup(source)) return config
  const { export_schema, own_tables, query } = source
  const words = new Set(typeof query === 'string' ? query.match(/\w+/g) : [])
  return {
    ...config,
    source: {
      ...source,
      ...(typeof export_schema === 'string' ? { export_columns: schemas.get(export_schema)?.map(bare) } : {}),
      // A run travels in each of its messages: only with the columns that the query names.
      ...(isGroup(own_tables)
        ? {
            own_tables: Object.fromEntries(
              Object.entries(own_tables).map(([table, schema]) => [
                table,
                schemaOf(templates, String(schema))
                  ?.filter((column) => words.has(column.name))
                  .map(bare),
              ]),
            ),
          }
        : {}),
    },
  }
}

/** Of a step that is no notification, on_success is what it has without. */
const triggerOf = ({ trigger }: Step, { notification }: Template): Pick<StepPlan, 'trigger'> => {
  if (notification) return { trigger: (trigger ?? 'on_failure') as NonNullable<StepPlan['trigger']> }
  return trigger === 'always' || trigger === 'on_failure' ? { trigger } : {}
}

const planOf = (
  step: Step,
  step_id: string,
  config: Record<string, unknown>,
  {
    check,
    template,
    queries,
    for_each,
    results,
  }: {
    check: PipelineCheck
    template: Template
    queries: readonly StepQuery[]
    for_each: ForEach | undefined
    results: ReturnType<typeof resultNames>
  },
): StepPlan => {
  const retry = isGroup(step['retry_policy']) ? step['retry_policy'] : {}
  const destination = isGroup(step['destination']) ? step['destination'] : {}
  const columns =
    typeof destination['schema_template'] === 'string'
      ? template.schemas.get(destination['schema_template'])
      : undefined
  return {
    step_id,
    name: typeof step['name'] === 'string' ? step['name'] : step_id,
    ps_type: template.ps_type,
    host: template.host,
    timeout_minutes: numberOr(step['timeout_minutes'], template.timeout_minutes),
    retry_policy: {
      max_retries: numberOr(retry['max_retries'], template.max_retries),
      retry_delay_seconds: numberOr(retry['retry_delay_seconds'], template.retry_delay_seconds),
      ...Object.fromEntries(Object.entries(retry).filter(([field]) => shapeFields.includes(field))),
    },
    ...(Array.isArray(step['depends_on']) ? { depends_on: step['depends_on'] as string[] } : {}),
    ...triggerOf(step, template),
    ...(typeof step['when'] === 'string' ? { when: step['when'] } : {}),
    notification: template.notification,
    config: withColumns(check, config, template),
    sql: queries.map(({ at, parsed }) => ({ at, template: parsed.template })),
    late: template.notification ? [] : lateTexts(withoutQueries(config)),
    results: new Map(results.map(([name, { type }]) => [name, type === 'int' || type === 'boolean' ? type : 'string'])),
    ...(columns === undefined ? {} : { columns }),
    ...(for_each === undefined ? {} : { for_each }),
  }
}
