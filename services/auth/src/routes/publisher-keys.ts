import { createPublicKey } from 'node:crypto'
import { AppError, namePatterns, systemTenant } from '@convergence/contracts'
import type { RouteContext } from '../context.ts'
import { object, tenantField, text, timeField } from '../fields.ts'
import { registerPublisher, revokePublisher } from '../publishers.ts'
import type { Route } from '../route.ts'
import type { PublisherKeyRow } from '../store/keys.ts'

const publisherAnswer = (row: PublisherKeyRow) => ({
  kid: row.kid,
  tenant_id: row.tenant_id,
  public_key: row.public_key,
  pipelines: row.pipelines,
  is_active: row.is_active,
  not_before: row.not_before,
  expires_at: row.expires_at,
  description: row.description,
})

/** Public keys of those who ask for runs over Pub/Sub. */
export const publisherKeys = (parts: RouteContext): Route[] => {
  const { store } = parts
  const common = { scope: 'admin', tenant: 'none', rate: 'admin' } as const
  return [
    {
      method: 'POST',
      path: '/api/v1/admin/publisher-keys',
      summary: 'Register the public key of an upstream publisher',
      ...common,
      answers: [201, 200],
      body: object(
        {
          kid: text('Key id, as in the message attribute', {
            pattern: namePatterns.kid,
            maxLength: 64,
          }),
          tenant_id: tenantField,
          public_key: text('Ed25519 public key, SPKI, base64', { pattern: '^[A-Za-z0-9+/]{40,100}={0,2}$' }),
          pipelines: {
            type: 'array',
            description: 'What it may ask for; empty for all',
            items: text('Pipeline', { pattern: namePatterns.pipeline }),
            maxItems: 100,
          },
          not_before: timeField('No use before it'),
          expires_at: timeField('No use after it'),
          description: text('For people', { pattern: '^[^\\p{Cc}]*$' }),
        },
        ['kid', 'tenant_id', 'public_key'],
      ),
      handle: async ({ body }) => {
        const wanted = body as {
          kid: string
          tenant_id: string
          public_key: string
          pipelines?: string[]
          not_before?: string
          expires_at?: string
          description?: string
        }
        if (wanted.kid === 'auth' || wanted.kid === 'scheduler' || wanted.tenant_id === systemTenant)
          throw new AppError('BODY_INVALID', "body.kid: this name is the platform's own; choose another")
        if (!isEd25519(wanted.public_key))
          throw new AppError('BODY_INVALID', 'body.public_key: expected an Ed25519 public key as SPKI in base64')
        if ((await store.tenant(wanted.tenant_id)) === undefined)
          throw new AppError('TENANT_UNKNOWN', `tenant ${wanted.tenant_id} is not known; onboard it first`)
        const { row, created } = await registerPublisher(parts, {
          kid: wanted.kid,
          tenant_id: wanted.tenant_id,
          public_key: wanted.public_key,
          pipelines: wanted.pipelines ?? [],
          is_active: true,
          not_before: wanted.not_before ?? null,
          expires_at: wanted.expires_at ?? null,
          description: wanted.description ?? null,
        })
        return { status: created ? 201 : 200, body: publisherAnswer(row) }
      },
    },
    {
      method: 'GET',
      path: '/api/v1/admin/publisher-keys',
      summary: 'Registered publishers',
      ...common,
      answers: [200],
      handle: async () => ({
        status: 200,
        body: { items: (await store.publisherKeys()).map(publisherAnswer), next_cursor: null },
      }),
    },
    {
      method: 'DELETE',
      path: '/api/v1/admin/publisher-keys/:kid',
      summary: 'Revoke a publisher',
      ...common,
      answers: [200],
      handle: async ({ params }) => ({
        status: 200,
        body: publisherAnswer(await revokePublisher(parts, params['kid'] ?? '')),
      }),
    },
  ]
}

const isEd25519 = (base64: string): boolean => {
  try {
    return (
      createPublicKey({ key: Buffer.from(base64, 'base64'), format: 'der', type: 'spki' }).asymmetricKeyType ===
      'ed25519'
    )
  } catch {
    return false
  }
}
