import { AppError, namePatterns } from '@convergence/contracts'
import { decideAnew } from '@convergence/service/versions'
import { object, text } from '../fields.ts'
import type { RouteContext } from '../context.ts'
import type { Route } from '../route.ts'

const providers = ['gcp', 'aws', 'azure', 'slack', 'smtp'] as const
/** Webhooks and mail passwords are the notifier's to open, the others the executor's. */
const purposeOf = (provider: string) =>
  provider === 'slack' || provider === 'smtp' ? 'notify-targets' : 'tenant-credentials'
const slackUrl = /^https:\/\/hooks\.slack\.com\/services\/T[A-Z0-9]{1,20}\/B[A-Z0-9]{1,20}\/[A-Za-z0-9]{1,50}$/

/** A credential is sealed here and never given back; what travels is its name. */
export const credentials = ({ deps, store }: RouteContext): Route[] => {
  const put = (tenant_id: string, provider: string, credential_ref: string, plaintext: string) =>
    decideAnew(`credential ${credential_ref}`, async () => {
      const version = (await store.credentialVersion(tenant_id, credential_ref)) + 1
      const sealed = await deps.secrets.seal(
        purposeOf(provider),
        plaintext,
        `tenant_cloud_credentials|${tenant_id}|${credential_ref}|${version}`,
      )
      const recorded_at = deps.now().toISOString()
      if (!(await store.writeCredential({ credential_ref, tenant_id, provider, sealed, version, recorded_at })))
        return undefined
      return { status: 200, body: { tenant_id, provider, credential_ref, version, is_active: true } }
    })
  return [
    {
      method: 'PUT',
      path: '/api/v1/tenants/:tenant_id/credentials/:provider',
      summary: 'Store a credential, encrypted; it is never given back',
      scope: 'configs:write',
      tenant: 'tenant_id',
      rate: 'admin',
      answers: [200],
      body: object(
        {
          credential: text('The secret as text; JSON as text for keys of several parts; the webhook URL for slack', {
            minLength: 1,
            maxLength: 65_536,
          }),
          credential_ref: text('Name that pipelines use; default the provider', {
            pattern: namePatterns.credential_ref,
            maxLength: 64,
          }),
        },
        ['credential'],
      ),
      handle: async ({ principal, params, body }) => {
        const provider = params['provider'] ?? ''
        if (!providers.some((known) => known === provider))
          throw new AppError('NOT_FOUND', `no provider ${provider}; expected one of ${providers.join(', ')}`)
        const { credential, credential_ref = provider } = body as { credential: string; credential_ref?: string }
        if (provider === 'slack' && !slackUrl.test(credential))
          throw new AppError(
            'BODY_INVALID',
            'body.credential: expected a webhook URL https://hooks.slack.com/services/T.../B.../...',
          )
        return put(principal.tenant_id, provider, credential_ref, credential)
      },
    },
  ]
}
