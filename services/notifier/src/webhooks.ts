import { AppError, centralDataset, isName } from '@convergence/contracts'
import type { Secrets } from '@convergence/secrets'
import type { Warehouse } from '@convergence/warehouse'

/**
 * Opens the tenant's Slack webhook. Throws CONFIG_INVALID for a URL in place of a reference, NOT_FOUND,
 * CREDENTIAL_UNREADABLE.
 */
export const openWebhooks =
  ({ warehouse, secrets }: { warehouse: Pick<Warehouse, 'query'>; secrets?: Secrets | undefined }) =>
  async (tenant_id: string, step_id: string, ref: string): Promise<string> => {
    if (!isName('credential_ref', ref)) {
      throw new AppError(
        'CONFIG_INVALID',
        `notification ${step_id}: slack_webhook_url: expected the name of a stored credential; ` +
          'a webhook is a secret: store it as a credential of the tenant and put its name here',
      )
    }
    const [row] = await warehouse.query({
      query:
        'SELECT sealed, version FROM tenant_cloud_credentials ' +
        "WHERE tenant_id = @tenant_id AND credential_ref = @ref AND provider = 'slack' AND is_active",
      default_dataset: centralDataset,
      parameters: [
        { name: 'tenant_id', type: 'STRING', value: tenant_id },
        { name: 'ref', type: 'STRING', value: ref },
      ],
    })
    if (row === undefined || secrets === undefined)
      throw new AppError(
        'NOT_FOUND',
        `notification ${step_id}: slack_webhook_url: the tenant has no Slack credential ${ref}; store it first`,
      )
    return secrets.open(
      'notify-targets',
      String(row['sealed']),
      `tenant_cloud_credentials|${tenant_id}|${ref}|${String(row['version'])}`,
    )
  }
