/** What is there of a Google source: the table, its columns, its months, and whose rows they are. */
import { AppError, centralDataset, projectsOf, type GcpSource } from '@convergence/contracts'
import type { Warehouse } from '@convergence/warehouse'
import { nothingFound, problemOf, type Checked } from './check.ts'

type Reads = Pick<Warehouse, 'project_id' | 'query' | 'dryRun' | 'getDataset'>

/** A table that is read whole for its months and projects; above it only its columns are told. */
const mostBytes = 20 * 1024 ** 3
const shown = 10

/** Columns by which each kind is known. */
const columnsOf: Readonly<Record<GcpSource['kind'], readonly string[]>> = {
  detailed: ['usage_start_time', 'cost', 'project', 'resource', 'export_time'],
  standard: ['usage_start_time', 'cost', 'project', 'export_time'],
  focus: ['BilledCost', 'ChargePeriodStart'],
  pricing: ['sku', 'pricing_unit', 'export_time'],
}

/** Throws FORBIDDEN for a table of the platform's own, or one that leads to another tenant's. */
export const assertReadable = async (
  warehouse: Pick<Warehouse, 'project_id' | 'getDataset'>,
  tenant_id: string,
  tables: readonly { project_id: string; dataset: string }[],
): Promise<void> => {
  for (const { project_id, dataset } of tables) {
    if (project_id !== warehouse.project_id || dataset === tenant_id) continue
    const owner =
      dataset.toLowerCase() === centralDataset ? 'convergence' : (await warehouse.getDataset(dataset))?.labels['owner']
    if (owner !== undefined)
      throw new AppError(
        'FORBIDDEN',
        `table: expected one of a billing export, got one of dataset ${dataset}, which the platform keeps`,
      )
  }
}

/** `all_names`: whether projects that the source does not name may be told by their ids. */
export const checkTable = async (
  warehouse: Reads,
  tenant_id: string,
  source: GcpSource,
  { all_names, signal }: { all_names: boolean; signal: AbortSignal },
): Promise<Checked> => {
  const found = { ...nothingFound(), format: 'bigquery' }
  const problems: string[] = []
  const notes: string[] = []
  const table = `\`${source.table}\``
  const checked = (): Checked => ({ ok: problems.length === 0, found, problems, notes })
  try {
    const { columns, bytes_processed, referenced_tables } = await warehouse.dryRun({ query: `SELECT * FROM ${table}` })
    await assertReadable(warehouse, tenant_id, referenced_tables)
    found.columns = columns.map(({ name }) => name)
    found.bytes = bytes_processed
    const missing = columnsOf[source.kind].filter(
      (name) => !found.columns.some((column) => column.toLowerCase() === name.toLowerCase()),
    )
    if (missing.length > 0) {
      problems.push(
        `table ${source.table}: kind ${source.kind}: expected columns ${columnsOf[source.kind].join(', ')}, ` +
          `got none called ${missing.join(', ')}; is it an export of this kind?`,
      )
      return checked()
    }
    if (source.kind === 'focus' || source.kind === 'pricing') return checked()
    const months = await monthsOf(warehouse, source, table, signal)
    if (months === undefined) {
      notes.push(`table ${source.table} is large: its months and projects were not counted`)
      return checked()
    }
    found.newest_delivery = months.newest
    found.periods = months.periods
    found.rows = months.mine
    problems.push(...projectProblems(source, months.byProject))
    notes.push(...projectNotes(source, months.byProject, all_names))
    // What is not the tenant's is told as a problem only where nothing is.
    if (months.byProject.size > 0 && months.mine === 0 && problems.length === 0)
      problems.push(`table ${source.table}: expected rows of the tenant, got none`)
  } catch (error) {
    problems.push(worded(error, source))
  }
  return checked()
}

const worded = (error: unknown, { table }: GcpSource): string => {
  const [project, dataset] = table.split('.')
  const message = problemOf(error)
  if (!(error instanceof AppError)) return message
  if (error.code === 'TABLE_NOT_FOUND')
    return `table ${table}: expected the table of the export, it is not there (or not to be seen); is the export on?`
  return /denied|permission|forbidden/i.test(message) && error.code !== 'FORBIDDEN'
    ? `${message}: give the role roles/bigquery.dataViewer on dataset ${project ?? ''}:${dataset ?? ''}`
    : message
}

interface Months {
  newest: string | null
  periods: string[]
  /** Rows that the source asks for. */
  mine: number
  /** Rows by project; '' is none. */
  byProject: Map<string, number>
}

const monthsOf = async (
  warehouse: Reads,
  source: GcpSource,
  table: string,
  signal: AbortSignal,
): Promise<Months | undefined> => {
  const statement = {
    query:
      "SELECT FORMAT_DATE('%Y-%m', DATE(usage_start_time)) AS period, IFNULL(project.id, '') AS project, " +
      `COUNT(*) AS row_count, CAST(MAX(export_time) AS STRING) AS newest FROM ${table} ` +
      `${source.billing_account_id === undefined ? '' : 'WHERE billing_account_id = @account '}GROUP BY 1, 2`,
    parameters:
      source.billing_account_id === undefined
        ? []
        : [{ name: 'account', type: 'STRING', value: source.billing_account_id }],
  }
  if ((await warehouse.dryRun(statement)).bytes_processed > mostBytes) return undefined
  const rows = await warehouse.query(statement, { signal, max_rows: 200_000 })
  const wanted = projectsOf(source)
  const isMine = (project: string): boolean => {
    if (project === '') return source.unassigned === true
    return wanted === 'all' || wanted.includes(project)
  }
  const byProject = new Map<string, number>()
  const periods = new Set<string>()
  let mine = 0
  let newest: string | null = null
  for (const row of rows) {
    const project = String(row['project'])
    const count = Number(row['row_count'])
    byProject.set(project, (byProject.get(project) ?? 0) + count)
    if (isMine(project)) {
      mine += count
      periods.add(String(row['period']))
    }
    const exported = typeof row['newest'] === 'string' ? row['newest'] : ''
    if (exported !== '' && (newest === null || exported > newest)) newest = exported
  }
  return { newest, periods: [...periods].toSorted(), mine, byProject }
}

const listOf = (names: readonly string[]): string =>
  `${names.slice(0, shown).join(', ')}${names.length > shown ? ` and ${names.length - shown} more` : ''}`

const projectProblems = (source: GcpSource, byProject: ReadonlyMap<string, number>): string[] => {
  const wanted = projectsOf(source)
  if (byProject.size === 0) return [`table ${source.table}: expected rows, got none yet; has the export begun?`]
  if (wanted === 'all') return []
  const absent = wanted.filter((project) => !byProject.has(project))
  return absent.length === 0
    ? []
    : [`table ${source.table}: projects: expected rows of ${listOf(absent)}, got none; is it the id, not the name?`]
}

const projectNotes = (source: GcpSource, byProject: ReadonlyMap<string, number>, all_names: boolean): string[] => {
  const wanted = projectsOf(source)
  const others =
    wanted === 'all' ? [] : [...byProject.keys()].filter((id) => id !== '' && !wanted.includes(id)).toSorted()
  const named = all_names ? `: ${listOf(others)}` : ''
  const ofNone = byProject.get('') ?? 0
  return [
    ...(others.length === 0
      ? []
      : [`table ${source.table} has ${others.length} projects that are not in projects, which are not loaded${named}`]),
    ...(ofNone > 0 && source.unassigned !== true
      ? [
          `table ${source.table} has ${ofNone} rows of no project (tax, rounding, support, commitments), which are not ` +
            'loaded; a source with unassigned: true has them',
        ]
      : []),
  ]
}
