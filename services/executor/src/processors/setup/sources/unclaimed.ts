import { AppError, projectsOf, systemTenant, type GcpSource } from '@convergence/contracts'
import { completeExport } from '@convergence/service/export-table'
import { readTableClaims } from '@convergence/service/sources'
import type { Processor } from '@convergence/service/steps'
import type { QueryParameter, Row, Warehouse } from '@convergence/warehouse'
import { ownership, type Ownership } from './ownership.ts'
import type { ProcessorDeps } from '../../deps.ts'

/** Rows of a table on a day that no tenant claims. */
interface Unclaimed {
  table: string
  day: string
  currency: string | null
  rows: number
  /** Of these rows, those of no project. */
  rows_of_no_project: number
  projects: number
  /** The first of them. */
  project_ids: string[]
  cost: string
}
const mostListed = 500
const mostDays = 400

/** Of all tenants, so for the platform's own runs only. */
export const unclaimed = ({
  warehouse,
  log,
}: Pick<ProcessorDeps, 'log'> & { warehouse: Pick<Warehouse, 'query' | 'dryRun'> }): Processor => ({
  ps_type: 'setup.sources.unclaimed',
  run: async ({ run, step, signal }) => {
    if (run.tenant_id !== systemTenant)
      throw new AppError('FORBIDDEN', `step ${step.step_id}: rows of nobody are told to the operator only`)
    const days = Number(step.config['days'] ?? 10)
    if (!Number.isInteger(days) || days < 1 || days > mostDays)
      throw new AppError('PARAMETER_INVALID', `step ${step.step_id}: days: expected 1 to ${mostDays}, got ${days}`)
    const from = new Date(Date.parse(run.requested_at) - days * 86_400_000).toISOString().slice(0, 10)
    const tables = Map.groupBy(await readTableClaims(warehouse), ({ table }) => table)
    const found: Unclaimed[] = []
    const warnings: string[] = []
    for (const [table, claims] of [...tables].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      const kind = claims[0]?.kind ?? 'pricing'
      if (kind === 'pricing') continue
      try {
        const rows = await unclaimedOf(warehouse, { table, claims, owned: ownership[kind], from, signal })
        found.push(...rows)
        if (rows.length > 0) warnings.push(wordsOf(table, rows))
      } catch (error) {
        if (!(error instanceof AppError) || error.code === 'CANCELLED' || error.code === 'TIMED_OUT') throw error
        warnings.push(`table ${table}: its rows cannot be compared with the claims: ${error.message}`)
      }
    }
    for (const warning of warnings) log?.warn({ step_id: step.step_id, warning }, 'rows of no tenant')
    return {
      outputs: {
        from,
        tables: tables.size,
        unclaimed: found.slice(0, mostListed),
        unclaimed_rows: found.reduce((sum, { rows }) => sum + rows, 0),
        ...(warnings.length === 0 ? {} : { warnings }),
      },
    }
  },
})

const unclaimedOf = async (
  warehouse: Pick<Warehouse, 'query' | 'dryRun'>,
  {
    table,
    claims,
    owned,
    from,
    signal,
  }: { table: string; claims: readonly GcpSource[]; owned: Ownership; from: string; signal: AbortSignal },
): Promise<Unclaimed[]> => {
  const { query } = await completeExport((statement) => warehouse.dryRun(statement), table, owned.columns, from)
  const { time, account, project, cost, currency } = owned
  const rows = await warehouse.query(
    {
      query: `WITH by_project AS (
          SELECT day, currency, project, COUNT(*) AS n, SUM(cost) AS cost
          FROM (
            SELECT DATE(${time}) AS day, ${account} AS account, ${project} AS project, ${cost} AS cost,
              ${currency} AS currency
            FROM (${query})
            WHERE DATE(${time}) >= @from_day
          )
          WHERE NOT IF(
            project IS NULL,
            '*' IN UNNEST(@unassigned) OR IFNULL(account, '') IN UNNEST(@unassigned),
            '*' IN UNNEST(@whole) OR IFNULL(account, '') IN UNNEST(@whole)
              OR CONCAT('*/', project) IN UNNEST(@projects)
              OR CONCAT(IFNULL(account, ''), '/', project) IN UNNEST(@projects)
          )
          GROUP BY day, currency, project
        )
        SELECT day, currency, SUM(n) AS row_count, COUNT(project) AS projects,
          SUM(IF(project IS NULL, n, 0)) AS rows_of_no_project, CAST(IFNULL(SUM(cost), 0) AS STRING) AS cost,
          ARRAY_AGG(project IGNORE NULLS ORDER BY project LIMIT 20) AS project_ids
        FROM by_project
        GROUP BY day, currency
        ORDER BY day, currency`,
      parameters: [{ name: 'from_day', type: 'DATE', value: from }, ...claimed(claims)],
    },
    { signal },
  )
  return rows.map((row) => read(table, row))
}
/** Accounts, `*` for any, whose rows of no project, or of any project, are claimed; and account/project. */
const claimed = (claims: readonly GcpSource[]): QueryParameter[] => {
  const accountOf = ({ billing_account_id }: GcpSource): string => billing_account_id ?? '*'
  const list = (name: string, value: readonly string[]): QueryParameter => ({ name, type: 'ARRAY<STRING>', value })
  return [
    list('unassigned', claims.filter(({ unassigned: asked }) => asked === true).map(accountOf)),
    list('whole', claims.filter((claim) => projectsOf(claim) === 'all').map(accountOf)),
    list(
      'projects',
      claims.flatMap((claim) => {
        const projects = projectsOf(claim)
        return projects === 'all' ? [] : projects.map((project) => `${accountOf(claim)}/${project}`)
      }),
    ),
  ]
}
const read = (table: string, row: Row): Unclaimed => {
  const ids: unknown = row['project_ids']
  return {
    table,
    day: String(row['day']),
    currency: typeof row['currency'] === 'string' ? row['currency'] : null,
    rows: Number(row['row_count']),
    rows_of_no_project: Number(row['rows_of_no_project']),
    projects: Number(row['projects']),
    project_ids: Array.isArray(ids) ? ids.map(String) : [],
    cost: String(row['cost']),
  }
}

const wordsOf = (table: string, found: readonly Unclaimed[]): string => {
  const sum = (of: (each: Unclaimed) => number) => found.reduce((total, each) => total + of(each), 0)
  const projects = [...new Set(found.flatMap(({ project_ids }) => project_ids))].toSorted().slice(0, 20)
  const [rows, ofNone] = [sum((each) => each.rows), sum((each) => each.rows_of_no_project)]
  return (
    `table ${table}: ${rows} rows belong to no tenant, ${ofNone} of them to no project` +
    `${projects.length === 0 ? '' : `, the others to ${projects.join(', ')}`}; ` +
    'give the projects to a source of a tenant, or say unassigned: true in one'
  )
}
