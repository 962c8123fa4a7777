/**
 * Tenants of version 0.1, which had no sources: where an export was followed from the tenant's id. What that version
 * assumed becomes a source, once, for each provider that a tenant has used and never had a source of.
 */
import { centralDataset, systemTenant, type SourceSettings } from '@convergence/contracts'
import type { Log } from '@convergence/service'
import type { Row, Warehouse } from '@convergence/warehouse'
import type { SourceStore } from './source-store.ts'

type Assumed = (tenant_id: string, used: { project_id: string; source_table: string | undefined }) => SourceSettings

/** By pipeline. Some of these names no vendor allows: they are those of bucket folders on a laptop. */
const assumed: Readonly<Record<string, Assumed>> = {
  'aws/cost/cur': (tenant_id) => ({
    provider: 'aws',
    kind: 'cur',
    bucket: `${tenant_id}-cur`,
    prefix: 'cur',
    report_name: 'daily',
  }),
  'azure/cost/exports': (tenant_id) => ({
    provider: 'azure',
    kind: 'actual',
    container: `${tenant_id}-exports`,
    prefix: 'cost',
    export_name: 'daily',
  }),
  'gcp/cost/billing': (tenant_id, { project_id, source_table }) => ({
    provider: 'gcp',
    kind: 'detailed',
    table: source_table ?? `${project_id}.billing_export.gcp_billing_export_resource_v1_010101_F0FFF0_61C528`,
    projects: [tenant_id],
  }),
}

/** Of each tenant and pipeline that was run to its end or is scheduled, the last one. */
const usedBy = async (warehouse: Pick<Warehouse, 'query'>): Promise<Row[]> => {
  const pipelines = Object.keys(assumed)
    .map((pipeline) => `'${pipeline}'`)
    .join(', ')
  return warehouse.query({
    query: `WITH used AS (
        SELECT tenant_id, pipeline, parameters, recorded_at FROM tenant_pipeline_runs WHERE status = 'COMPLETED'
        UNION ALL
        SELECT tenant_id, pipeline, parameters, recorded_at FROM tenant_pipeline_configs WHERE NOT is_deleted
      )
      SELECT u.tenant_id, u.pipeline, JSON_VALUE(u.parameters, '$.source_table') AS source_table
      FROM used AS u
      LEFT JOIN (SELECT DISTINCT tenant_id, provider FROM tenant_provider_configs_rows) AS c
        ON c.tenant_id = u.tenant_id AND STARTS_WITH(u.pipeline, CONCAT(c.provider, '/'))
      WHERE u.pipeline IN (${pipelines}) AND c.provider IS NULL AND u.tenant_id <> '${systemTenant}'
      QUALIFY ROW_NUMBER() OVER (PARTITION BY u.tenant_id, u.pipeline ORDER BY u.recorded_at DESC) = 1
      ORDER BY u.tenant_id, u.pipeline`,
    default_dataset: centralDataset,
  })
}

/** Again, or on two replicas at once, it writes nothing more. */
export const adoptTenants = async ({
  warehouse,
  sources,
  log,
}: {
  warehouse: Pick<Warehouse, 'project_id' | 'query'>
  sources: Pick<SourceStore, 'adopt'>
  log: Pick<Log, 'info'>
}): Promise<void> => {
  for (const row of await usedBy(warehouse)) {
    const tenant_id = String(row['tenant_id'])
    const pipeline = String(row['pipeline'])
    const source_table = typeof row['source_table'] === 'string' ? row['source_table'] : undefined
    const settings = assumed[pipeline]?.(tenant_id, { project_id: warehouse.project_id, source_table })
    if (settings === undefined) continue
    const names = ['default', `default_${settings.provider}`]
    if (await sources.adopt({ tenant_id, names, settings }))
      log.info({ tenant_id, pipeline }, 'what an earlier version assumed is now a source of the tenant')
  }
}
