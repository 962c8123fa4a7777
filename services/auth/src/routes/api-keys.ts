import { createPublicKey } from 'node:crypto'
import { AppError, namePatterns, systemTenant } from '@convergence/contracts'
import { object, text, type Field } from '../fields.ts'
import { createKey, mostDays, revokeKey, rotateKey } from '../keys.ts'
import type { Parts } from '../parts.ts'
import { scopes } from '../principal.ts'
import { registerPublisher, revokePublisher } from '../publishers.ts'
import type { Route } from '../route.ts'
import type { KeyRow, PublisherKeyRow } from '../store/keys.ts'

const keyAnswer = (row: KeyRow) => ({
  key_id: row.key_id,
  tenant_id: row.tenant_id,
  scopes: row.scopes,
  description: row.description,
  is_active: row.is_active,
  expires_at: row.expires_at,
  revoked_at: row.revoked_at,
  replaced_by: row.replaced_by,
  created_by: row.created_by,
  created_at: row.created_at,
})
const tenantField: Field = text('Tenant', { pattern: namePatterns.tenant_id, maxLength: 50 })
const whenField = (description: string): Field => ({ type: 'string', description, format: 'date-time', maxLength: 40 })

export const apiKeys = (parts: Parts): Route[] => {
  const { store } = parts
  const common = { scope: 'admin', tenant: 'none', rate: 'admin' } as const
  return [
    {
      method: 'POST',
      path: '/api/v1/admin/api-keys',
      summary: 'Make an API key; it is shown this once',
      ...common,
      answers: [201],
      body: object(
        {
          tenant_id: tenantField,
          scopes: {
            type: 'array',
            description: 'What the key may do; default all',
            items: text('Scope', { enum: scopes }),
            maxItems: scopes.length,
          },
          expires_at: {
            ...whenField(`Last moment of its use, at most ${mostDays} days ahead; default in a year`),
            nullable: true,
          },
          description: text('For people', { pattern: '^[^\\p{Cc}]*$' }),
        },
        ['tenant_id'],
      ),
      handle: async ({ body }) => {
        const wanted = body as {
          tenant_id: string
          scopes?: string[]
          expires_at?: string | null
          description?: string
        }
        if (wanted.scopes?.length === 0)
          throw new AppError('BODY_INVALID', 'body.scopes: expected at least one; leave it out for all')
        if ((await store.tenant(wanted.tenant_id)) === undefined)
          throw new AppError('TENANT_UNKNOWN', `tenant ${wanted.tenant_id} is not known; onboard it first`)
        const { api_key, row } = await createKey(parts, {
          tenant_id: wanted.tenant_id,
          created_by: 'admin',
          ...(wanted.scopes === undefined ? {} : { scopes: [...new Set(wanted.scopes)] }),
          ...(wanted.expires_at === undefined || wanted.expires_at === null ? {} : { expires_at: wanted.expires_at }),
          ...(wanted.description === undefined ? {} : { description: wanted.description }),
        })
        return {
          status: 201,
          body: {
            tenant_id: row.tenant_id,
            api_key,
            key_id: row.key_id,
            scopes: row.scopes,
            expires_at: row.expires_at,
          },
        }
      },
    },
    {
      method: 'GET',
      path: '/api/v1/admin/api-keys',
      summary: 'API keys without their secrets',
      ...common,
      query: { tenant_id: tenantField },
      answers: [200],
      handle: async ({ query }) => ({
        status: 200,
        body: { items: (await store.keysOf(query['tenant_id'])).map(keyAnswer), next_cursor: null },
      }),
    },
    {
      method: 'DELETE',
      path: '/api/v1/admin/api-keys/:key_id',
      summary: 'Revoke an API key: at once here, within 30 s everywhere',
      ...common,
      answers: [200],
      handle: async ({ params }) => ({
        status: 200,
        body: keyAnswer(await revokeKey(parts, params['key_id'] ?? '')),
      }),
    },
    {
      method: 'POST',
      path: '/api/v1/admin/api-keys/:key_id/rotate',
      summary: 'Make a successor; the old key works for overlap_hours more',
      ...common,
      answers: [201],
      body: object({
        overlap_hours: { type: 'integer', description: 'Hours that both work', minimum: 0, maximum: 168, default: 24 },
      }),
      handle: async ({ params, body }) => {
        const { overlap_hours = 24 } = body as { overlap_hours?: number }
        const { api_key, row, replaced } = await rotateKey(parts, params['key_id'] ?? '', {
          overlap_hours,
          created_by: 'admin',
        })
        return {
          status: 201,
          body: {
            tenant_id: row.tenant_id,
            api_key,
            key_id: row.key_id,
            scopes: row.scopes,
            expires_at: row.expires_at,
            replaces: replaced.key_id,
            old_expires_at: replaced.expires_at,
          },
        }
      },
    },
  ]
}

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
export const publisherKeys = (parts: Parts): Route[] => {
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
            pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$',
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
          not_before: whenField('No use before it'),
          expires_at: whenField('No use after it'),
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
