/**
 * The `{admin_email}` and `{company_name}` of a tenant's runs: by the ledger, or by the profile where this replica has
 * not read of the tenant yet, or the tenant was onboarded before the ledger held them.
 */
import { centralDataset } from '@convergence/contracts'
import type { TenantNames } from '@convergence/pipeline'
import type { Warehouse } from '@convergence/warehouse'
import type { Ledger } from './ledger.ts'

export type ReadTenantNames = (tenant_id: string) => Promise<TenantNames | undefined>

/** Answers undefined for a tenant that neither knows: its runs are refused whatever they say. */
export const openTenantNames = ({
  ledger,
  warehouse,
}: {
  ledger: Pick<Ledger, 'state'>
  warehouse: Pick<Warehouse, 'query'>
}): ReadTenantNames => {
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
  return async (tenant_id) => {
    const { admin_email, company_name } = ledger.state.accounts.get(tenant_id) ?? {}
    if (admin_email !== undefined && company_name !== undefined) return { admin_email, company_name }
    return remembered(tenant_id)
  }
}
