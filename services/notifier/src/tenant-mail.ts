/** The mail server of a tenant, where it has stored one: its mails go through that and through no other. */
import { lookup } from 'node:dns/promises'
import { credentialFaults } from '@convergence/contracts'
import { isPublic } from '@convergence/contracts/public-address'
import type { Mail } from './channel.ts'
import type { OpenCredential } from './credentials.ts'
import { openSmtp } from './smtp.ts'
import { isAddress } from './text.ts'

/** Under this name a tenant stores its mail server. */
const smtpRef = 'smtp'

/** The addresses of a host, as the system resolves it. */
export type ResolveHost = (hostname: string) => Promise<readonly { address: string }[]>

export interface TenantMail {
  mail: Mail
  /** Sender, where the user of the server is an address: most servers take no other. */
  from?: string
}

/**
 * The tenant's own server, or undefined. It is resolved for each mail, and the connection goes to the very address that
 * was checked to be public: what is not is refused, and TLS is expected before anything is said.
 */
export const openTenantMail =
  ({
    credential,
    resolve = (hostname) => lookup(hostname, { all: true }),
    open = openSmtp,
  }: {
    credential: OpenCredential
    resolve?: ResolveHost
    open?: typeof openSmtp
  }) =>
  async (tenant_id: string): Promise<TenantMail | undefined> => {
    const fields = await credential(tenant_id, 'smtp', smtpRef)
    if (fields === undefined) return undefined
    const url = fields['url'] ?? ''
    const user = URL.canParse(url) ? decodeURIComponent(new URL(url).username) : ''
    return {
      ...(isAddress(user) ? { from: user } : {}),
      mail: {
        send: async (message) => {
          if (credentialFaults('smtp', { url }).length > 0)
            return {
              kind: 'refused',
              reason:
                'the stored credential smtp: expected smtps://user:password@host or smtp://... of a host on the open ' +
                'internet; store it again',
            }
          const { hostname } = new URL(url)
          const found = await resolve(hostname.replace(/^\[|\]$/g, '')).catch(() => undefined)
          const [first] = found ?? []
          if (found === undefined || first === undefined)
            return { kind: 'later', reason: `mail server ${hostname}: its name was not resolved`, uncertain: false }
          if (!found.every(({ address }) => isPublic(address)))
            return {
              kind: 'refused',
              reason: `mail server ${hostname}: expected addresses on the open internet, got one that is not`,
            }
          const server = open({ url, connect_to: first.address })
          try {
            return await server.send(message)
          } finally {
            await server.close()
          }
        },
        close: async () => undefined,
      },
    }
  }
