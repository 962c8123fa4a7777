/** Rules between the fields of one step, and between steps. */
import { isGroup, isRequested, report, type PipelineCheck, type Step } from './pipeline-check.ts'
import { errorTable, isErrorCode, isSystemPipeline } from '@convergence/contracts'
import { checkQuality } from './check-quality.ts'
import { checkTrigger } from './check-results.ts'
import type { Schema } from './check.ts'
import type { StepPlan } from './plan.ts'
import { schemaOf, type Template } from './templates.ts'
import { didYouMean, orList, show, showPath, type Path } from './wording.ts'

const isSystem = ({ path }: PipelineCheck): boolean => path !== undefined && isSystemPipeline(path)

/** Rules between the fields of one step. */
export const checkStep = (check: PipelineCheck, step: Step, at: Path, template: Template): void => {
  const where = showPath(at)
  if (template.system && check.path !== undefined && !isSystem(check))
    report(
      check,
      [...at, 'ps_type'],
      `${where}.ps_type: "${template.ps_type}" is a step of the platform's own pipelines;` +
        ' expected one that stands outside of setup/ too',
    )
  checkTrigger(check, step, at, template.notification)
  checkRetries(check, step, [...at, 'retry_policy', 'retry_on'])
  checkFixed(check, template.step.properties, step, at)
  for (const group of ['source', 'destination'])
    checkFixed(check, template.step.properties?.[group]?.properties, step[group], [...at, group])
  const { destination } = step
  if (isGroup(destination)) checkDestination(check, destination, [...at, 'destination'], template)
  if (Array.isArray(step['checks'])) checkQuality(check, step, at, template)
  if (!isGroup(step['source'])) return
  const { source } = template.step.properties ?? {}
  if (source?.properties?.['query_file'] !== undefined && !Object.hasOwn(step['source'], 'query'))
    report(check, [...at, 'source'], `${where}.source: "query" is missing: GoogleSQL, one SELECT; or query_file`, true)
  checkExportSchema(check, step['source'], [...at, 'source'], template)
  checkOwnTables(check, step['source'], [...at, 'source'])
}

/** Only what may pass is tried again. */
const checkRetries = (check: PipelineCheck, { retry_policy }: Step, at: Path): void => {
  const codes = isGroup(retry_policy) && Array.isArray(retry_policy['retry_on']) ? retry_policy['retry_on'] : []
  const passing = Object.entries(errorTable).flatMap(([code, { retryable }]) => (retryable ? [code] : []))
  codes.forEach((code: unknown, k) => {
    if (typeof code !== 'string' || passing.includes(code)) return
    const why = isErrorCode(code) ? `${code} does not pass by itself` : `unknown ${show(code)}`
    report(check, [...at, k], `${showPath(at)}: ${why}; expected ${orList(passing.sort())}`)
  })
}

/** A run must not choose the values of fields that are marked `x-fixed`. */
const checkFixed = (
  check: PipelineCheck,
  fields: Readonly<Record<string, Schema>> | undefined,
  value: unknown,
  inside: Path,
): void => {
  if (!isGroup(value) || isSystem(check)) return
  for (const [field, schema] of Object.entries(fields ?? {})) {
    const texts = Array.isArray(value[field]) ? value[field] : [value[field]]
    if (schema['x-fixed'] !== true || !texts.some((text) => typeof text === 'string' && isRequested(check, text)))
      continue
    const place = [...inside, field]
    report(
      check,
      place,
      `${showPath(place)}: can be set by a run; expected what the pipeline itself says:` +
        ' variables are fixed where the file declares "parameters"',
    )
  }
}

const checkDestination = (
  check: PipelineCheck,
  destination: Readonly<Record<string, unknown>>,
  at: Path,
  template: Template,
): void => {
  const where = showPath(at)
  const { dataset_type, schema_template, write_mode, period } = destination
  const got = write_mode === undefined ? 'append, the default' : show(write_mode)
  if (period !== undefined && write_mode !== 'truncate')
    report(
      check,
      [...at, 'period'],
      `${where}.period: expected write_mode truncate beside it, which then replaces the rows of the period only,` +
        ` got ${got}`,
      true,
    )
  if (Object.hasOwn(destination, 'also_replaces') && period === undefined)
    report(check, [...at, 'also_replaces'], `${where}.also_replaces: expected a period beside it, got none`, true)
  if (!isSystem(check) && typeof dataset_type === 'string' && dataset_type !== '{tenant_id}')
    report(
      check,
      [...at, 'dataset_type'],
      `${where}.dataset_type: expected "{tenant_id}", a pipeline writes the dataset of its tenant only,` +
        ` got "${dataset_type}"`,
    )
  if (typeof schema_template !== 'string') return
  const columns = template.schemas.get(schema_template)
  if (columns !== undefined) {
    const names = columns.map(({ name }) => name)
    checkColumns(check, destination, at, { names, schema_template })
    return
  }
  reportUnknownSchema(check, schema_template, [...at, 'schema_template'], template)
}

/** The schema that an export is read by is one of the template's. */
const checkExportSchema = (
  check: PipelineCheck,
  { export_schema }: Readonly<Record<string, unknown>>,
  at: Path,
  template: Template,
): void => {
  if (typeof export_schema === 'string' && !template.schemas.has(export_schema))
    reportUnknownSchema(check, export_schema, [...at, 'export_schema'], template)
}

/** Each is described by a schema of some template, and stands in the query. */
const checkOwnTables = (
  check: PipelineCheck,
  { own_tables, query, nothing_without }: Readonly<Record<string, unknown>>,
  at: Path,
): void => {
  const known = isGroup(own_tables) ? Object.keys(own_tables) : []
  if (typeof nothing_without === 'string' && !known.includes(nothing_without)) {
    const place = [...at, 'nothing_without']
    const expected = known.length === 0 ? 'one of own_tables, which there are none of' : orList(known)
    report(check, place, `${showPath(place)}: expected ${expected}, got "${nothing_without}"`)
  }
  /** Also by a variable that the file gives it as value. */
  const names = (text: string, table: string): boolean =>
    text.includes(`\`${table}\``) ||
    Object.entries(check.variables).some(([name, value]) => value === table && text.includes(`\`{${name}}\``))
  for (const [table, schema] of Object.entries(isGroup(own_tables) ? own_tables : {})) {
    const place = [...at, 'own_tables', table]
    const name = String(schema)
    if (schemaOf(check.templates, name) === undefined) {
      const schemas = [...check.templates.values()].flatMap((template) => [...template.schemas.keys()])
      report(check, place, `${showPath(place)}: no schema "${name}"${didYouMean(name, schemas)}`)
    } else if (typeof query === 'string' && !names(query, table))
      report(check, place, `${showPath(place)}: expected \`${table}\` in backticks in the query, got none`, true)
  }
}

const reportUnknownSchema = (check: PipelineCheck, name: string, at: Path, { schemas, ps_type }: Template): void => {
  const names = [...schemas.keys()]
  const expected = names.length === 0 ? `; ${ps_type} has none` : `; expected ${orList(names)}`
  report(check, at, `${showPath(at)}: unknown "${name}"${didYouMean(name, names) || expected}`)
}

/** Fields that name columns name some of the table's. */
const checkColumns = (
  check: PipelineCheck,
  { period, also_replaces, table_config }: Readonly<Record<string, unknown>>,
  at: Path,
  { names, schema_template }: { names: readonly string[]; schema_template: string },
): void => {
  const missing = (name: string) => `no column "${name}" in ${schema_template}${didYouMean(name, names)}`
  const needs = (name: unknown, place: Path) => {
    if (typeof name === 'string' && !names.includes(name)) report(check, place, `${showPath(place)}: ${missing(name)}`)
  }
  if (isGroup(period))
    for (const name of Object.keys(period))
      if (!names.includes(name))
        report(check, [...at, 'period', name], `${showPath([...at, 'period'])}: ${missing(name)}`, true)
  if (Array.isArray(also_replaces))
    also_replaces.forEach((other: unknown, k) => {
      for (const name of isGroup(other) ? Object.keys(other) : []) needs(name, [...at, 'also_replaces', k])
    })
  if (!isGroup(table_config)) return
  if (isGroup(table_config['time_partitioning']))
    needs(table_config['time_partitioning']['field'], [...at, 'table_config', 'time_partitioning', 'field'])
  const clustering = table_config['clustering_fields']
  if (Array.isArray(clustering))
    clustering.forEach((name, k) => {
      needs(name, [...at, 'table_config', 'clustering_fields', k])
    })
}

/** depends_on names steps of the chain and goes in no circle; there is something to do. */
export const checkGraph = (check: PipelineCheck, plans: readonly StepPlan[]): void => {
  const { steps } = check
  const chain = new Map(plans.filter((plan) => !plan.notification).map((plan) => [plan.step_id, plan]))
  const endings = new Set(plans.filter((plan) => plan.notification).map(({ step_id }) => step_id))
  if (chain.size === 0 && plans.length === steps.length && plans.length > 0)
    report(check, ['steps'], 'steps: expected a step that does something, got notifications only', true)
  const ids = steps
    .map((step) => step?.['step_id'])
    .filter((id) => typeof id === 'string' && !endings.has(id)) as string[]
  steps.forEach((step, k) => {
    const needs = step?.['depends_on']
    if (!Array.isArray(needs)) return
    needs.forEach((id: unknown, j) => {
      if (typeof id !== 'string' || ids.includes(id)) return
      report(
        check,
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
    report(check, ['steps', k, 'depends_on'], `steps[${k}].depends_on: goes in a circle: ${circle.join(' -> ')}`, true)
    return
  }
}
