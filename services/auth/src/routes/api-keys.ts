import { AppError } from '@convergence/contracts'
import { object, tenantField, text, timeField } from '../fields.ts'
import { createKey, mostDays, revokeKey, rotateKey } from '../keys.ts'
import type { RouteContext } from '../context.ts'
import { scopes } from '../scopes.ts'
import type { Route } from '../route.ts'
import type { KeyRow } from '../store/keys.ts'

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
/** The only answer that has the key itself. */
const madeAnswer = (row: KeyRow, api_key: string) => ({
  tenant_id: row.tenant_id,
  api_key,
  key_id: row.key_id,
  scopes: row.scopes,
  expires_at: row.expires_at,
})

export const apiKeys = (parts: RouteContext): Route[] => {
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
            description:
              'What the key may do; default all. pipelines:run asks for runs, pipelines:read reads runs, schedules and ' +
              'sources, configs:write changes schedules and credentials, sources:write changes and checks sources, ' +
              'costs:read reads cost, keys:manage is for keys of their own',
            items: text('Scope', { enum: scopes }),
            maxItems: scopes.length,
          },
          expires_at: {
            ...timeField(`Last moment of its use, at most ${mostDays} days ahead; default in a year`),
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
          body: madeAnswer(row, api_key),
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
        expires_at: timeField(`Last moment of the successor, at most ${mostDays} days ahead; default: that of the key`),
      }),
      handle: async ({ params, body }) => {
        const { overlap_hours = 24, expires_at } = body as { overlap_hours?: number; expires_at?: string }
        const { api_key, row, replaced } = await rotateKey(parts, params['key_id'] ?? '', {
          overlap_hours,
          ...(expires_at === undefined ? {} : { expires_at }),
          created_by: 'admin',
        })
        return {
          status: 201,
          body: {
            ...madeAnswer(row, api_key),
            replaces: replaced.key_id,
            old_expires_at: replaced.expires_at,
          },
        }
      },
    },
  ]
}
