/**
 * Whom a tenant's mails may go to, whatever the pipeline and the event say: its own address and whoever shares its
 * domain, by the tenant's profile, and whom the operator lists for everybody.
 */
import { AppError, centralDataset } from '@convergence/contracts'
import type { Warehouse } from '@convergence/warehouse'

/** Throws FORBIDDEN for the first recipient that is none of the tenant's. */
export type CheckRecipients = (tenant_id: string, step_id: string, recipients: readonly string[]) => Promise<void>

/** Domains at which anybody can have an address: of these a tenant has its own address only. */
const publicDomains: ReadonlySet<string> = new Set([
  'aol.com',
  'gmail.com',
  'gmx.com',
  'gmx.de',
  'gmx.net',
  'googlemail.com',
  'hotmail.com',
  'icloud.com',
  'live.com',
  'mail.com',
  'mail.ru',
  'me.com',
  'msn.com',
  'outlook.com',
  'proton.me',
  'protonmail.com',
  'qq.com',
  'web.de',
  'yahoo.com',
  'yandex.ru',
  'zoho.com',
])

const domainOf = (address: string): string => address.slice(address.lastIndexOf('@') + 1)

/** `allowed`: addresses and domains that every tenant's mails may go to. */
export const openRecipients = ({
  warehouse,
  allowed,
}: {
  warehouse: Pick<Warehouse, 'query'>
  allowed: readonly string[]
}): CheckRecipients => {
  const everybodys = new Set(allowed.map((entry) => entry.toLowerCase()))
  const isIn = (known: ReadonlySet<string>, recipient: string): boolean =>
    known.has(recipient.toLowerCase()) || known.has(domainOf(recipient.toLowerCase()))

  return async (tenant_id, step_id, recipients) => {
    const others = recipients.filter((recipient) => !isIn(everybodys, recipient))
    if (others.length === 0) return
    const [profile] = await warehouse.query({
      query: 'SELECT admin_email FROM tenant_profiles WHERE tenant_id = @tenant_id',
      default_dataset: centralDataset,
      parameters: [{ name: 'tenant_id', type: 'STRING', value: tenant_id }],
    })
    const own = ownOf(profile?.['admin_email'])
    const stranger = others.find((recipient) => !isIn(new Set(own), recipient))
    if (stranger === undefined) return
    const [address, domain] = own
    const expected = [
      ...(address === undefined ? [] : [address]),
      ...(domain === undefined ? [] : [`addresses at ${domain}`]),
    ].join(', ')
    throw new AppError(
      'FORBIDDEN',
      `notification ${step_id}: to_emails: expected ${expected}${expected === '' ? '' : ' or '}those of MAIL_RECIPIENTS` +
        `${address === undefined ? `, for ${tenant_id} has no profile` : ''}, got ${stranger}: ` +
        'correct the pipeline, or add it to that setting of the notifier',
    )
  }
}

/** Address and domain of a tenant's admin, in small letters; without the domain where it is everybody's. */
const ownOf = (admin_email: unknown): readonly string[] => {
  if (typeof admin_email !== 'string') return []
  const address = admin_email.toLowerCase()
  const domain = domainOf(address)
  return publicDomains.has(domain) ? [address] : [address, domain]
}
