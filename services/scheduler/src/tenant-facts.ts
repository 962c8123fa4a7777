/**
 * What of a tenant a run is compiled with. Its `{admin_email}` and `{company_name}` are by the ledger, or by the
 * profile where this replica has not read of the tenant yet, or the tenant was onboarded before the ledger held them.
 * Its sources are read anew for each run that is made of them: what was answered to their change holds from then on.
 */
import { centralDataset } from '@convergence/contracts'
import type { CompileInput, Pipelines, TenantNames } from '@convergence/pipeline'
import { readSources } from '@convergence/service/sources'
import type { Warehouse } from '@convergence/warehouse'
import type { Ledger } from './ledger.ts'

export type TenantFacts = Pick<CompileInput, 'tenant' | 'tenant_sources'>
/** `pipeline`: which the run is of; sources are read only where it is made of them. */
export type ReadTenantFacts = (tenant_id: string, pipeline: string | undefined) => Promise<TenantFacts>

interface Deps {
  ledger: Pick<Ledger, 'state'>
  warehouse: Pick<Warehouse, 'query'>
  pipelines: Pick<Pipelines, 'get'>
}

/** No names for a tenant that neither knows: its runs are refused whatever they say. */
export const openTenantFacts = ({ ledger, warehouse, pipelines }: Deps): ReadTenantFacts => {
  const names = openNames({ ledger, warehouse })
  return async (tenant_id, pipeline) => {
    const uses_sources = pipeline !== undefined && pipelines.get(pipeline)?.uses_sources === true
    return {
      tenant: await names(tenant_id),
      ...(uses_sources ? { tenant_sources: await readSources(warehouse, tenant_id) } : {}),
    }
  }
}

const openNames = ({ ledger, warehouse }: Pick<Deps, 'ledger' | 'warehouse'>) => {
  // As long as the ledger lacks them they do not change: a change is a tenant-changed, which has both.
  const profiles = new Map<string, Promise<TenantNames | undefined>>()
  const profileOf = async (tenant_id: string): Promise<TenantNames | undefined> => {
    const [row] = await warehouse.query({
      query: 'SELECT admin_email, company_name FROM tenant_profiles WHERE tenant_id = @tenant_id LIMIT 1',
      parameters: [{ name: 'tenant_id', type: 'STRING', value: tenant_id }],
      default_dataset: centralDataset,
    })
    return row === undefined
      ? undefined
      : { admin_email: String(row['admin_email']), company_name: String(row['company_name']) }
  }
  const remembered = (tenant_id: string): Promise<TenantNames | undefined> => {
    const known = profiles.get(tenant_id)
    if (known !== undefined) return known
    const reading = profileOf(tenant_id)
    profiles.set(tenant_id, reading)
    const forgetUnread = (names?: TenantNames): void => {
      if (names === undefined) profiles.delete(tenant_id)
    }
    reading.then(forgetUnread, () => {
      forgetUnread()
    })
    return reading
  }
  return async (tenant_id: string): Promise<TenantNames | undefined> => {
    const { admin_email, company_name } = ledger.state.accounts.get(tenant_id) ?? {}
    if (admin_email !== undefined && company_name !== undefined) return { admin_email, company_name }
    return remembered(tenant_id)
  }
}
