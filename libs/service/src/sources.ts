/** The sources of a tenant, as every service reads them. */
import { centralDataset, isClaim, type GcpSource, type Run, type Source } from '@convergence/contracts'
import { readsSources } from '@convergence/pipeline'
import type { Row, Warehouse } from '@convergence/warehouse'

/** A source from its row; undefined for a row that is none. */
export const sourceOfRow = (row: Row): Source | undefined => {
  const settings: unknown = typeof row['settings'] === 'string' ? JSON.parse(row['settings']) : row['settings']
  if (settings === null || typeof settings !== 'object' || Array.isArray(settings)) return undefined
  return { ...settings, provider: String(row['provider']), name: String(row['name']) } as Source
}

/** Those that are in use, by name. Sees every change that was answered before. */
export const readSources = async (warehouse: Pick<Warehouse, 'query'>, tenant_id: string): Promise<Source[]> => {
  const rows = await warehouse.query({
    query:
      "SELECT name, provider, settings FROM tenant_provider_configs WHERE tenant_id = @tenant_id AND domain = 'cost' " +
      'AND is_active AND name IS NOT NULL ORDER BY name',
    parameters: [{ name: 'tenant_id', type: 'STRING', value: tenant_id }],
    default_dataset: centralDataset,
  })
  return rows.flatMap((row) => sourceOfRow(row) ?? [])
}

/** A source, and whose it is. */
export interface OwnedSource {
  tenant_id: string
  source: Source
}
/** Those in use of all tenants, or of one. */
export const readAllSources = async (
  warehouse: Pick<Warehouse, 'query'>,
  tenant_id?: string,
): Promise<OwnedSource[]> => {
  if (tenant_id !== undefined) return (await readSources(warehouse, tenant_id)).map((source) => ({ tenant_id, source }))
  const rows = await warehouse.query({
    query:
      "SELECT tenant_id, name, provider, settings FROM tenant_provider_configs WHERE domain = 'cost' " +
      'AND is_active AND name IS NOT NULL ORDER BY tenant_id, name',
    default_dataset: centralDataset,
  })
  return rows.flatMap((row) => {
    const source = sourceOfRow(row)
    return source === undefined ? [] : [{ tenant_id: String(row['tenant_id']), source }]
  })
}

/** Sources of all tenants that claim rows of tables. */
export const readTableClaims = async (warehouse: Pick<Warehouse, 'query'>): Promise<GcpSource[]> => {
  const rows = await warehouse.query({
    query:
      "SELECT name, provider, settings FROM tenant_provider_configs WHERE provider = 'gcp' AND domain = 'cost' " +
      'AND is_active AND name IS NOT NULL',
    default_dataset: centralDataset,
  })
  return rows
    .flatMap((row) => sourceOfRow(row) ?? [])
    .filter((source): source is Source & GcpSource => source.provider === 'gcp' && isClaim(source))
}

/** Tables of the sources that the tenant of a run has now, where the run reads some. */
export const sourceTables = async (
  warehouse: Pick<Warehouse, 'query'>,
  run: Pick<Run, 'tenant_id' | 'sources'>,
): Promise<string[]> => {
  if (!readsSources(run)) return []
  const sources = await readSources(warehouse, run.tenant_id)
  return sources.flatMap((source) => (source.provider === 'gcp' ? [source.table] : []))
}
