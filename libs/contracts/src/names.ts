/**
 * Names: what each may look like, and which are taken. Everything else (schemas, templates, OpenAPI, generated
 * manifests) repeats these patterns, and a test compares them.
 */

/** The dataset of the central tables, which hold the data of all tenants. */
export const centralDataset = 'tenants'

/** A tenant's id, which is the name of its dataset too. */
export const tenantIdPattern = '^[a-z][a-z0-9_]{2,49}$'
export const tenantIdExpected = '3 to 50 of a-z, 0-9 and _, beginning with a letter'
/** The platform's own tenant, never onboarded. */
export const systemTenant = 'system'
/** Names of the platform, and names that a warehouse has or takes for its own: a dataset would have the tenant's name. */
const reserved = [
  centralDataset,
  systemTenant,
  'admin',
  'billing_export',
  'dev',
  'information_schema',
  'main',
  'memory',
  'public',
  'temp',
]
const reservedPrefix = /^(?:region_|pg_)/

/**
 * What is wrong with the id of a tenant that is to be onboarded, or nothing. `more`: names that are taken beside the
 * fixed ones, such as those of shared source datasets.
 */
export const newTenantIdFault = (tenant_id: unknown, more: readonly string[] = []): string | undefined => {
  if (typeof tenant_id !== 'string' || !new RegExp(tenantIdPattern).test(tenant_id))
    return `expected ${tenantIdExpected}, got ${typeof tenant_id === 'string' ? JSON.stringify(tenant_id.slice(0, 60)) : 'something else'}`
  return reserved.includes(tenant_id) || reservedPrefix.test(tenant_id) || more.includes(tenant_id)
    ? `${tenant_id} is reserved for the platform and its warehouse; choose another`
    : undefined
}

/** The view of a tenant's runs in its own dataset, the one way from there into the central tables. */
export const tenantView = 'tenant_comprehensive_view'
