/**
 * What a run may read and write, in one place: the checks of files, compiling, the plan and the executor all ask here.
 * A run reads its tenant's own dataset and the datasets that the operator shares (SHARED_SOURCES) as far as its
 * pipeline declares them, and writes its tenant's dataset. Nothing leads to the central tables but the tenant's own
 * view of its runs, and nothing to another tenant, whatever a file, a variable, a parameter or a view says.
 */
import {
  AppError,
  centralDataset,
  isSystemPipeline,
  namePart,
  systemTenant,
  tenantViews,
  views,
  type Column,
  type Run,
  type TableRef,
} from '@convergence/contracts'
import { segmentsOf } from './sql-template.ts'
import { orList } from './wording.ts'

/** The setting's default. */
export const defaultSharedSources = 'billing_export'

const sourcePattern = new RegExp(`^(?:${namePart('project_id')}\\.)?(?!_)${namePart('table')}$`)
const ofWarehouse = /^(?:information_schema|region_.*|pg_.*)$/i

const datasetOf = (source: string): string => source.slice(source.lastIndexOf('.') + 1)
const qualified = (source: string, project_id: string): string =>
  source.includes('.') ? source : `${project_id}.${source}`

/**
 * The datasets of the setting SHARED_SOURCES as project.dataset, in its order. Throws SETTING_INVALID, with all faults,
 * for what is no dataset, or one that may never be shared.
 */
export const sharedSourcesOf = (setting: string, project_id: string): string[] => {
  const names = setting
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  const faults = names.flatMap((name): string[] => {
    if (!sourcePattern.test(name))
      return [
        `SHARED_SOURCES expected datasets as dataset or project.dataset, got ${JSON.stringify(name.slice(0, 100))}`,
      ]
    const dataset = datasetOf(name)
    return dataset.toLowerCase() === centralDataset || ofWarehouse.test(dataset)
      ? [`SHARED_SOURCES expected no dataset that shows the data of all tenants, got ${JSON.stringify(name)}`]
      : []
  })
  if (faults.length > 0)
    throw new AppError('SETTING_INVALID', 'SHARED_SOURCES is wrong, nothing was started', { faults })
  return [...new Set(names.map((name) => qualified(name, project_id)))]
}

/** Names that no tenant may take: who has the name has the dataset that every tenant reads. */
export const reservedByShared = (shared_sources: readonly string[]): string[] => shared_sources.map(datasetOf)

type Datasets = {
  readonly project_id: string
  getDataset(dataset: string): Promise<{ labels: Record<string, string> } | undefined>
}
const isTenants = (labels: Readonly<Record<string, string>> | undefined): boolean => labels?.['owner'] === 'tenant'

/** Throws SETTING_INVALID when a shared dataset is a tenant's. */
export const assertSharedSources = async (door: Datasets, shared_sources: readonly string[]): Promise<void> => {
  const faults: string[] = []
  for (const source of shared_sources) {
    if (source.slice(0, -datasetOf(source).length - 1) !== door.project_id) continue
    const dataset = await door.getDataset(datasetOf(source)).catch((error: unknown) => {
      // Who may not look at it cannot read it either; whoever runs steps may, and looks.
      if (error instanceof AppError && error.code === 'FORBIDDEN') return undefined
      throw error
    })
    if (isTenants(dataset?.labels))
      faults.push(`SHARED_SOURCES expected datasets that all tenants may read, got ${source}, which is a tenant's own`)
  }
  if (faults.length > 0)
    throw new AppError('SETTING_INVALID', 'SHARED_SOURCES is wrong, nothing was started', { faults })
}

// ---- files

/** What is wrong with one of a file's `sources`, its variables filled, or nothing. */
export const sourceFault = (filled: string, own: string, project_id: string, shared: readonly string[]) => {
  const source = qualified(filled, project_id)
  if (shared.includes(source) || source === `${project_id}.${own}`) return undefined
  const dataset = datasetOf(source)
  const got =
    dataset.toLowerCase() === centralDataset || ofWarehouse.test(dataset)
      ? `${JSON.stringify(filled)}, which holds the data of all tenants`
      : JSON.stringify(filled)
  return shared.length === 0
    ? `expected no sources: the operator shares no dataset (SHARED_SOURCES), got ${got}`
    : `expected ${orList(shared)}, which the operator shares (SHARED_SOURCES), got ${got}`
}

/** The dataset of a table path as project.dataset; a name alone is of the run's own dataset. */
export const datasetOfPath = (path: string, own: string, project_id: string): string => {
  const parts = path.split('.')
  if (parts.length >= 3) return parts.slice(0, 2).join('.')
  return `${project_id}.${parts.length === 2 ? String(parts[0]) : own}`
}

/** What is wrong with reading a table by this path, or nothing. `sources` are datasets, and tables by their whole path. */
export const pathFault = (path: string, own: string, project_id: string, sources: readonly string[]) => {
  const allowed = [`${project_id}.${own}`, ...sources]
  return allowed.includes(datasetOfPath(path, own, project_id)) || sources.includes(path)
    ? undefined
    : `would read ${path}; expected a table of ${orList(allowed)}`
}

/**
 * What is wrong with `bq_project_id`: every job is the platform's project's, and so is every table that is written. A
 * table of another project is read by its whole name.
 */
export const projectFault = (group: 'source' | 'destination', got: string, project_id: string): string | undefined => {
  if (got === project_id) return undefined
  const instead =
    group === 'source'
      ? ', and the other project in the table of the query: `project.dataset.table`, under sources'
      : ''
  return `expected {project_id}${instead}, got ${JSON.stringify(got)}`
}

// ---- runs

/** Runs of the platform itself work in the dataset that they name, such as the validation at onboarding. */
const isSystemRun = (run: Pick<Run, 'tenant_id' | 'pipeline'>): boolean =>
  run.tenant_id === systemTenant && isSystemPipeline(run.pipeline)

/** The dataset that stands for the tenant in a step which writes `dataset`. */
export const ownDataset = (run: Pick<Run, 'tenant_id' | 'pipeline'>, dataset: string | undefined): string =>
  isSystemRun(run) ? (dataset ?? run.tenant_id) : run.tenant_id

/** Throws FORBIDDEN unless the destination is a dataset of the run's tenant. */
export const assertWritable = async (where: string, door: Datasets, run: Run, target: TableRef): Promise<void> => {
  if (target.project_id !== door.project_id)
    throw new AppError(
      'FORBIDDEN',
      `${where}: destination.bq_project_id: expected ${door.project_id}, got ${target.project_id}`,
    )
  if (!isSystemRun(run)) {
    if (target.dataset !== run.tenant_id)
      throw new AppError(
        'FORBIDDEN',
        `${where}: destination: expected the tenant's dataset ${run.tenant_id}, got ${target.dataset}`,
      )
    return
  }
  const dataset = await door.getDataset(target.dataset)
  if (dataset === undefined)
    throw new AppError(
      'TABLE_NOT_FOUND',
      `${where}: destination: dataset ${target.dataset} not found; onboard the tenant first`,
    )
  if (!isTenants(dataset.labels))
    throw new AppError('FORBIDDEN', `${where}: destination: ${target.dataset} is not a dataset of a tenant`)
}

interface Statement {
  query: string
  parameters?: readonly { name: string; type: string; value: unknown }[]
  default_dataset?: string
}
interface DryRun {
  statement_type: string
  referenced_tables: readonly TableRef[]
  columns: readonly Column[]
  bytes_processed: number
}
/** The warehouse, as far as it is asked what a statement reads. */
export interface ReachDoor extends Datasets {
  dryRun(statement: Statement): Promise<DryRun>
}

/** Central views and tables that a view reads, followed through the central views. */
const behind = (view: string): string[] =>
  [...(views[view] ?? '').matchAll(/`\{project_id\}\.(\w+)\.(\w+)`/g)].flatMap(([, dataset, table]) => [
    `${String(dataset)}.${String(table)}`,
    ...behind(String(table)),
  ])
/** What the tenant's views of its runs and loads read. */
const behindViews = new Set(tenantViews.flatMap(behind))

/** What a run may read beside its own dataset, as it is now, whatever the run brings along. */
export interface Readable {
  /** Datasets that the operator shares, as project.dataset. */
  shared_sources: readonly string[]
  /** Tables of the tenant's sources, as project.dataset.table. */
  source_tables: readonly string[]
}
/** Whether a run reads tables of the tenant's sources, which are then to be looked up. */
export const readsSources = ({ sources }: Pick<Run, 'sources'>): boolean => sources.some(isTable)
const isTable = (source: string): boolean => source.split('.').length === 3

/**
 * Dry-runs a statement of the run and looks up each dataset that it reads, views followed: `foreign` words every table
 * that it may not read.
 */
export const readsOf = async (
  door: ReachDoor,
  run: Pick<Run, 'sources'>,
  own: string,
  { shared_sources, source_tables }: Readable,
  statement: Statement,
): Promise<DryRun & { foreign: string[]; allowed: string[] }> => {
  const tables = run.sources.filter((source) => isTable(source) && source_tables.includes(source))
  const datasets = [
    `${door.project_id}.${own}`,
    ...run.sources.filter((source) => shared_sources.includes(source) && datasetOf(source) !== own),
  ]
  const allowed = [...datasets, ...tables]
  const known = new Map<string, Promise<boolean>>()
  /** Also what the operator shares is looked at: it may have become a tenant's. */
  const isReadable = (project_id: string, dataset: string, table: string): Promise<boolean> => {
    const isSource = tables.includes(`${project_id}.${dataset}.${table}`)
    const name = `${project_id}.${dataset}${isSource ? `.${table}` : ''}`
    const look = async (): Promise<boolean> => {
      if (!(isSource || datasets.includes(name)) || dataset.toLowerCase() === centralDataset) return false
      if (project_id !== door.project_id || dataset === own) return true
      return !isTenants((await door.getDataset(dataset))?.labels)
    }
    const found = known.get(name) ?? look()
    known.set(name, found)
    return found
  }
  const foreignOf = async (tables: readonly TableRef[]): Promise<TableRef[]> => {
    const readable = await Promise.all(
      tables.map(
        async ({ project_id, dataset, table }) =>
          !/^information_schema(?:\.|$)/i.test(table) && (await isReadable(project_id, dataset, table)),
      ),
    )
    return tables.filter((_, k) => readable[k] !== true)
  }
  const dry = await door.dryRun(statement)
  const foreign = await foreignOf(dry.referenced_tables)
  const onlyView =
    foreign.length > 0 &&
    dry.statement_type === 'SELECT' &&
    isBehindView(foreign, door.project_id) &&
    (await (async () => {
      const rest = await withoutOwnView(door, own, statement)
      return rest !== undefined && (await foreignOf(rest)).length === 0
    })())
  return {
    ...dry,
    allowed,
    foreign: onlyView ? [] : foreign.map(({ project_id, dataset, table }) => `reads ${project_id}.${dataset}.${table}`),
  }
}

const isBehindView = (tables: readonly TableRef[], project_id: string): boolean =>
  tables.every((table) => table.project_id === project_id && behindViews.has(`${table.dataset}.${table.table}`))

/**
 * What the statement reads beside the tenant's own views; undefined where that cannot be known. A dry run
 * names tables and not the way to them, so the statement is tried once more with rows of no table in place of the views.
 */
const withoutOwnView = async (
  door: ReachDoor,
  own: string,
  statement: Statement,
): Promise<readonly TableRef[] | undefined> => {
  let { query } = statement
  for (const name of tenantViews) {
    if (!query.includes(name)) continue
    const path = `${door.project_id}.${own}.${name}`
    const view = await door.dryRun({ query: `SELECT * FROM \`${path}\`` })
    if (!isBehindView(view.referenced_tables, door.project_id)) return undefined
    const row = view.columns.map(({ name: column, type }) => `CAST(NULL AS ${type}) AS \`${column}\``).join(', ')
    query = replaceTable(query, [path, `${own}.${name}`, name], `(SELECT ${row})`)
  }
  if (query === statement.query) return undefined
  try {
    return (await door.dryRun({ ...statement, query })).referenced_tables
  } catch (error) {
    // Written in a way that the replacement does not fit.
    if (error instanceof AppError) return undefined
    throw error
  }
}

const clauses = [
  ...['WHERE', 'GROUP', 'ORDER', 'HAVING', 'LIMIT', 'QUALIFY', 'WINDOW', 'UNION', 'INTERSECT', 'EXCEPT'],
  ...['JOIN', 'INNER', 'LEFT', 'RIGHT', 'FULL', 'CROSS', 'ON', 'USING', 'FOR', 'TABLESAMPLE', 'PIVOT', 'UNPIVOT'],
]
const clause = new RegExp(`^(?:${clauses.join('|')})$`, 'i')

/** The query with another text where a table is named by one of the paths, its name kept as alias where it has none. */
const replaceTable = (query: string, paths: readonly string[], by: string): string => {
  const aliased = (end: number): string => {
    const next = /^\s*(\w+|`)?/.exec(query.slice(end))?.[1]
    return next === undefined || clause.test(next) ? `${by} AS \`${String(paths.at(-1))}\`` : by
  }
  const isWhole = (start: number, end: number): boolean =>
    !/\.\s*$/.test(query.slice(0, start)) && !/^\s*[.(]/.test(query.slice(end))
  return segmentsOf(query)
    .map(({ kind, text, start }) => {
      if (kind === 'backtick')
        return paths.includes(text.slice(1, -1)) && isWhole(start, start + text.length)
          ? aliased(start + text.length)
          : text
      if (kind !== 'code') return text
      return text.replace(/[A-Za-z_][\w-]*(?:\.\w+)*/g, (word, offset: number) =>
        paths.includes(word) && isWhole(start + offset, start + offset + word.length)
          ? aliased(start + offset + word.length)
          : word,
      )
    })
    .join('')
}
