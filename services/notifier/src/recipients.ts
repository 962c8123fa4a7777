/**
 * Whom a tenant's mails may go to, whatever the pipeline and the event say: its own address and whoever shares its
 * domain, by the tenant's profile, and whom the operator lists for everybody.
 */
import { AppError, centralDataset, emailExpected } from '@convergence/contracts'
import type { Warehouse } from '@convergence/warehouse'
import { isPublicDomain } from './public-domains.ts'
import { fill, isAddress, recipientsOf } from './text.ts'

/**
 * The recipients that a notification names, with the tenant's present `{admin_email}`. Throws CONFIG_INVALID for what is
 * no address, and RECIPIENT_NOT_ALLOWED for the first that is none of the tenant's.
 */
export type ResolveRecipients = (tenant_id: string, step_id: string, to_emails: unknown) => Promise<string[]>

const domainOf = (address: string): string => address.slice(address.lastIndexOf('@') + 1)

/** `allowed`: addresses and domains that every tenant's mails may go to. */
export const openRecipients = ({
  warehouse,
  allowed,
}: {
  warehouse: Pick<Warehouse, 'query'>
  allowed: readonly string[]
}): ResolveRecipients => {
  const everybodys = new Set(allowed.map((entry) => entry.toLowerCase()))
  const isIn = (known: ReadonlySet<string>, recipient: string): boolean =>
    known.has(recipient.toLowerCase()) || known.has(domainOf(recipient.toLowerCase()))

  const adminOf = async (tenant_id: string): Promise<string | undefined> => {
    const [profile] = await warehouse.query({
      query: 'SELECT admin_email FROM tenant_profiles WHERE tenant_id = @tenant_id',
      default_dataset: centralDataset,
      parameters: [{ name: 'tenant_id', type: 'STRING', value: tenant_id }],
    })
    const admin_email = profile?.['admin_email']
    return typeof admin_email === 'string' ? admin_email : undefined
  }

  return async (tenant_id, step_id, to_emails) => {
    const where = `notification ${step_id}: to_emails`
    const entries: unknown[] = Array.isArray(to_emails) ? to_emails : [to_emails]
    const isNamed = entries.some((entry) => typeof entry === 'string' && entry.includes('{admin_email}'))
    const settled = isNamed ? undefined : recipientsOf(step_id, to_emails)
    if (settled?.every((recipient) => isIn(everybodys, recipient)) === true) return settled
    const admin_email = await adminOf(tenant_id)
    if (isNamed && admin_email === undefined)
      throw new AppError(
        'RECIPIENT_NOT_ALLOWED',
        `${where}: expected {admin_email} of a tenant with a profile, for ${tenant_id} has none: correct the pipeline`,
      )
    if (isNamed && !isAddress(admin_email))
      throw new AppError(
        'CONFIG_INVALID',
        `${where}: expected {admin_email} to be ${emailExpected}, ` +
          `got ${JSON.stringify(admin_email)} in the profile of ${tenant_id}: correct the profile`,
      )
    const recipients =
      settled ??
      recipientsOf(
        step_id,
        entries.map((entry) => withAdmin(entry, admin_email)),
      )
    const own = ownOf(admin_email)
    const stranger = recipients.find((recipient) => !isIn(everybodys, recipient) && !isIn(new Set(own), recipient))
    if (stranger === undefined) return recipients
    const [address, domain] = own
    const expected = [
      ...(address === undefined ? [] : [address]),
      ...(domain === undefined ? [] : [`addresses at ${domain}`]),
    ].join(', ')
    throw new AppError(
      'RECIPIENT_NOT_ALLOWED',
      `${where}: expected ${expected}${expected === '' ? '' : ' or '}those of MAIL_RECIPIENTS` +
        `${address === undefined ? `, for ${tenant_id} has no profile` : ''}, got ${stranger}: ` +
        'correct the pipeline, or add it to that setting of the notifier',
    )
  }
}

const withAdmin = (entry: unknown, admin_email: string | undefined): unknown =>
  typeof entry === 'string' && admin_email !== undefined ? fill(entry, { admin_email }) : entry

/** Address and domain of a tenant's admin, in small letters; without the domain where it is everybody's. */
const ownOf = (admin_email: string | undefined): readonly string[] => {
  if (admin_email === undefined) return []
  const address = admin_email.toLowerCase()
  const domain = domainOf(address)
  return isPublicDomain(domain) ? [address] : [address, domain]
}
