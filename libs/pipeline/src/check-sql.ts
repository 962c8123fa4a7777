/**
 * Queries judged without a warehouse, by the front end of the local one: what is no GoogleSQL, what is no SELECT, and,
 * where the tables are known, names that are no columns. Places stay those of the file.
 */
import type { Column } from '@convergence/contracts'
import {
  isGroup,
  ownVariable,
  report,
  reportIn,
  type Known,
  type ParsedQuery,
  type PipelineCheck,
  type Step,
} from './pipeline-check.ts'
import { parameterName, placeholders, type Segment } from './sql-template.ts'
import type { Template } from './templates.ts'
import { didYouMean, showPath, type Path } from './wording.ts'

/** The tables of exports by name: each is called as its schema is. */
export const knownTables = (templates: Iterable<Template>): PipelineCheck['tables'] => {
  const tables: PipelineCheck['tables'] = new Map()
  for (const { schemas } of templates) for (const [name, columns] of schemas) tables.set(name, columns)
  return tables
}

const sqlTypes: Readonly<Record<string, string>> = { int: 'INT64', float: 'FLOAT64', boolean: 'BOOL', date: 'DATE' }

/** The text with each literal that holds a variable as a parameter, as long as it was. */
const withParameters = (
  segments: readonly Segment[],
  known: ReadonlyMap<string, Known>,
): { sql: string; parameters: { name: string; type: string }[] } => {
  // A name that no variable has: of a text with something beside the variable.
  const textName = '_'
  const parameters = new Map([[textName, 'STRING']])
  const sql = segments.map(({ kind, text, open, close }) => {
    if (kind !== 'string') return text
    const content = text.slice(open.length, text.length - close.length)
    const [first] = [...content.matchAll(placeholders)]
    if (first === undefined) return text
    const variable = String(first[1])
    const name = first[0] === content ? parameterName(variable) : textName
    if (name !== textName) parameters.set(name, sqlTypes[known.get(variable)?.type ?? ''] ?? 'STRING')
    const shown = `@${name}`
    // Line breaks stay, so that lines are counted as in the file.
    return shown + text.slice(shown.length).replace(/[^\n]/g, ' ')
  })
  return { sql: sql.join(''), parameters: [...parameters].map(([name, type]) => ({ name, type })) }
}

/** What the query of a check calls the rows that its step brings. */
export const newRows = 'new_rows'

/**
 * Reports what is wrong with a query of a step: its own, or one of its checks, which come after it. Of a table that the
 * step writes whole, later steps then know the columns.
 */
export const checkSql = (
  check: PipelineCheck,
  step: Step,
  at: Path,
  {
    group,
    query,
    known,
    template,
  }: { group: Path; query: ParsedQuery; known: ReadonlyMap<string, Known>; template: Template },
): void => {
  const { tables, project_id, outline } = check
  if (outline === undefined) return
  const ofCheck = group[0] === 'checks'
  const place: Path = [...at, ...group, 'query']
  const where = showPath(place)
  const ofExport = schemaOf(step['source'], 'export_schema', template)
  // What the schema of an export does not name is in the one column.
  const exported = ofExport && [...ofExport, { name: 'other_columns', type: 'JSON' as const }]
  const { sql, parameters } = withParameters(query.segments, known)
  const own_tables =
    isGroup(step['source']) && isGroup(step['source']['own_tables']) ? step['source']['own_tables'] : {}
  /** By the schema that the step reads it by, also of a name that a variable gives. */
  const ofTenant = (written: string): readonly Column[] | undefined => {
    const name = String(check.variables[written.replace(/^\{(\w+)\}$/, '$1')] ?? written)
    const schema = own_tables[name]
    return tables.get(typeof schema === 'string' ? schema : name)
  }
  const found = outline(sql, {
    project_id,
    table: ({ dataset, table }) => (dataset === ownVariable || dataset === '' ? ofTenant(table) : exported),
    parameters,
  })
  if ('message' in found) {
    reportIn(check, place, found.offset, `${where}: ${found.message}`)
    return
  }
  if (found.statement !== 'SELECT') {
    const got = found.statement === '' ? 'none' : found.statement
    const rest = ofCheck ? 'whose rows are violations' : 'the destination says where its rows go'
    report(check, place, `${where}: expected one SELECT, got ${got}; ${rest}`)
    return
  }
  if (ofCheck) return
  const { destination } = step
  if (!isGroup(destination)) return
  const columns = schemaOf(destination, 'schema_template', template)
  const given = new Set(found.columns?.map(({ name }) => name.toLowerCase()))
  const others = columns?.filter(({ name }) => !given.has(name.toLowerCase())) ?? []
  if (found.columns !== undefined) tables.set(newRows, [...found.columns, ...others])
  const { table, write_mode, period } = destination
  // A table that is added to may have other columns from before.
  const output = columns ?? (write_mode === 'truncate' && period === undefined ? found.columns : undefined)
  if (typeof table === 'string' && output !== undefined) tables.set(table, output)
  if (columns !== undefined || found.columns === undefined) return
  const names = found.columns.map(({ name }) => name)
  checkOutput(check, destination, [...at, 'destination'], names)
}
const schemaOf = (group: unknown, field: string, { schemas }: Template): readonly Column[] | undefined =>
  isGroup(group) && typeof group[field] === 'string' ? schemas.get(group[field]) : undefined

/** Fields of the destination that name columns name some of the query's. */
const checkOutput = (
  check: PipelineCheck,
  { write_mode, period, table_config }: Readonly<Record<string, unknown>>,
  at: Path,
  names: readonly string[],
): void => {
  const lower = names.map((name) => name.toLowerCase())
  const needs = (name: unknown, place: Path, key = false): void => {
    if (typeof name !== 'string' || lower.includes(name.toLowerCase())) return
    const hint = didYouMean(name, names) || `; it gives ${names.slice(0, 20).join(', ')}`
    report(check, place, `${showPath(place)}: no column "${name}" in the query${hint}`, key)
  }
  if (write_mode === 'truncate' && isGroup(period))
    for (const name of Object.keys(period)) needs(name, [...at, 'period', name], true)
  if (!isGroup(table_config)) return
  const config: Path = [...at, 'table_config']
  const partitioning = table_config['time_partitioning']
  if (isGroup(partitioning)) needs(partitioning['field'], [...config, 'time_partitioning', 'field'])
  const clustering = table_config['clustering_fields']
  if (Array.isArray(clustering))
    clustering.forEach((name: unknown, k) => {
      needs(name, [...config, 'clustering_fields', k])
    })
}
