import { AppError, centralDataset } from '@convergence/contracts'
import type { Secrets } from '@convergence/secrets'
import type { Warehouse } from '@convergence/warehouse'

/**
 * The fields of a stored credential of the tenant, opened; undefined when it has none of this name and provider. Throws
 * CREDENTIAL_UNREADABLE. What was stored before there were fields is the one field of its provider.
 */
export type OpenCredential = (
  tenant_id: string,
  provider: 'slack' | 'smtp',
  ref: string,
) => Promise<Readonly<Record<string, string>> | undefined>

const onlyField = { slack: 'webhook_url', smtp: 'url' } as const

export const openCredentials =
  ({ warehouse, secrets }: { warehouse: Pick<Warehouse, 'query'>; secrets?: Secrets | undefined }): OpenCredential =>
  async (tenant_id, provider, ref) => {
    const [row] = await warehouse.query({
      query:
        'SELECT sealed, fields, version FROM tenant_cloud_credentials ' +
        `WHERE tenant_id = @tenant_id AND credential_ref = @ref AND provider = '${provider}' AND is_active`,
      default_dataset: centralDataset,
      parameters: [
        { name: 'tenant_id', type: 'STRING', value: tenant_id },
        { name: 'ref', type: 'STRING', value: ref },
      ],
    })
    if (row === undefined || secrets === undefined) return undefined
    const text = await secrets.open(
      'notify-targets',
      String(row['sealed']),
      `tenant_cloud_credentials|${tenant_id}|${ref}|${String(row['version'])}`,
    )
    if (row['fields'] === null || row['fields'] === undefined) return { [onlyField[provider]]: text }
    try {
      return JSON.parse(text) as Record<string, string>
    } catch {
      throw new AppError('CREDENTIAL_UNREADABLE', `credential ${ref} of ${tenant_id} is not whole; store it again`)
    }
  }
