import { AppError, isName } from '@convergence/contracts'
import type { OpenCredential } from './credentials.ts'

/**
 * Opens the tenant's Slack webhook. Throws CONFIG_INVALID for a URL in place of a reference, NOT_FOUND,
 * CREDENTIAL_UNREADABLE.
 */
export const openWebhooks =
  (open: OpenCredential) =>
  async (tenant_id: string, step_id: string, ref: string): Promise<string> => {
    if (!isName('credential_ref', ref)) {
      throw new AppError(
        'CONFIG_INVALID',
        `notification ${step_id}: slack_webhook_url: expected the name of a stored credential; ` +
          'a webhook is a secret: store it as a credential of the tenant and put its name here',
      )
    }
    const url = (await open(tenant_id, 'slack', ref))?.['webhook_url']
    if (url === undefined)
      throw new AppError(
        'NOT_FOUND',
        `notification ${step_id}: slack_webhook_url: the tenant has no Slack credential ${ref}; store it first`,
      )
    return url
  }
