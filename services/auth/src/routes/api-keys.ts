import { AppError } from '@convergence/contracts'
import { object, tenantField, text, timeField, type Field } from '../fields.ts'
import { createKey, mostDays, revokeKey, rotateKey } from '../keys.ts'
import type { RouteContext } from '../context.ts'
import type { Principal } from '../principal.ts'
import { scopes } from '../scopes.ts'
import { notFound, type Call, type Route } from '../route.ts'
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

const scopesField: Field = {
  type: 'array',
  description:
    'What the key may do; default all that its maker may. pipelines:run asks for runs, pipelines:read reads runs, ' +
    'schedules and sources, configs:write changes schedules and credentials, sources:write changes and checks sources, ' +
    'costs:read reads cost, keys:manage makes and ends keys of the tenant',
  items: text('Scope', { enum: scopes }),
  maxItems: scopes.length,
}
const wantedFields = {
  scopes: scopesField,
  expires_at: {
    ...timeField(`Last moment of its use, at most ${mostDays} days ahead; default in a year`),
    nullable: true,
  },
  description: text('For people', { pattern: '^[^\\p{Cc}]*$' }),
}
interface WantedKey {
  scopes?: string[]
  expires_at?: string | null
  description?: string
}
/** Those of the keys that a plan counts: that work, and for which no successor that works is counted already. */
const counted = (keys: readonly KeyRow[], now: number): KeyRow[] => {
  const working = keys.filter(
    ({ is_active, expires_at }) => is_active && (expires_at === null || Date.parse(expires_at) > now),
  )
  const ids = new Set(working.map(({ key_id }) => key_id))
  return working.filter(({ replaced_by }) => replaced_by === null || !ids.has(replaced_by))
}

const make = async (parts: RouteContext, wanted: WantedKey & { tenant_id: string }, created_by: string) => {
  if (wanted.scopes?.length === 0)
    throw new AppError('BODY_INVALID', 'body.scopes: expected at least one; leave it out for all')
  const { tenant_id } = wanted
  const held = {
    tenant_id,
    kind: 'keys' as const,
    there: async () => {
      const keys = await parts.store.keysOf(tenant_id)
      return counted(keys, parts.deps.now().getTime()).map(({ key_id }) => key_id)
    },
  }
  const facts = {
    tenant_id,
    created_by,
    ...(wanted.scopes === undefined ? {} : { scopes: [...new Set(wanted.scopes)] }),
    ...(wanted.expires_at === undefined || wanted.expires_at === null ? {} : { expires_at: wanted.expires_at }),
    ...(wanted.description === undefined ? {} : { description: wanted.description }),
  }
  const { api_key, row } = await parts.room.forOneMore(held, () => createKey(parts, facts))
  return { status: 201, body: madeAnswer(row, api_key) }
}

const rotateBody = object({
  overlap_hours: { type: 'integer', description: 'Hours that both work', minimum: 0, maximum: 168, default: 24 },
  expires_at: timeField(`Last moment of the successor, at most ${mostDays} days ahead; default: that of the key`),
})
const rotate = async (parts: RouteContext, { params, body }: Call, created_by: string) => {
  const { overlap_hours = 24, expires_at } = body as { overlap_hours?: number; expires_at?: string }
  const { api_key, row, replaced } = await rotateKey(parts, params['key_id'] ?? '', {
    overlap_hours,
    ...(expires_at === undefined ? {} : { expires_at }),
    created_by,
  })
  return {
    status: 201,
    body: { ...madeAnswer(row, api_key), replaces: replaced.key_id, old_expires_at: replaced.expires_at },
  }
}

/** Throws FORBIDDEN unless the caller may do all that the key may: nobody gets more rights by making or renewing one. */
const assertWithin = ({ kind, scopes: own }: Principal, wanted: readonly string[], where: string): void => {
  const more = kind === 'admin' ? [] : wanted.filter((scope) => !own.has(scope))
  if (more.length > 0)
    throw new AppError(
      'FORBIDDEN',
      `${where}: expected scopes of the key that asks, got ${more.join(', ')} as well; ask with a key that has them`,
    )
}

/** A tenant's own keys, for whoever of it has keys:manage. */
const ownKeys = (parts: RouteContext): Route[] => {
  const { store, tenants } = parts
  const path = '/api/v1/tenants/:tenant_id/api-keys'
  const common = { scope: 'keys:manage', tenant: 'tenant_id', rate: 'admin' } as const
  const known = async (tenant_id: string | undefined): Promise<string> => {
    if (tenant_id === undefined || (await tenants.get(tenant_id)) === undefined) throw notFound()
    return tenant_id
  }
  const ownKey = async ({ params }: Call): Promise<KeyRow> => {
    const row = await store.keyById(params['key_id'] ?? '')
    if (row?.tenant_id === params['tenant_id'] && row !== undefined) return row
    throw new AppError(
      'NOT_FOUND',
      `no API key ${params['key_id'] ?? ''}; list them: GET /api/v1/tenants/{tenant_id}/api-keys`,
    )
  }
  const by = ({ principal }: Call): string => (principal.kind === 'admin' ? 'admin' : `key:${principal.key_id}`)
  return [
    {
      ...common,
      method: 'GET',
      path,
      summary: 'API keys of the tenant without their secrets',
      answers: [200],
      handle: async ({ params }) => {
        const keys = await store.keysOf(await known(params['tenant_id']))
        return { status: 200, body: { items: keys.map(keyAnswer), next_cursor: null } }
      },
    },
    {
      ...common,
      method: 'POST',
      path,
      summary: 'Make an API key of the tenant, with scopes of the key that asks; it is shown this once',
      answers: [201],
      body: object(wantedFields),
      handle: async (call) => {
        const tenant_id = await known(call.params['tenant_id'])
        const { principal } = call
        const wanted = call.body as WantedKey
        assertWithin(principal, wanted.scopes ?? [], 'body.scopes')
        const all = principal.kind === 'admin' ? undefined : [...principal.scopes]
        const chosen = wanted.scopes ?? all
        return make(parts, { ...wanted, tenant_id, ...(chosen === undefined ? {} : { scopes: chosen }) }, by(call))
      },
    },
    {
      ...common,
      method: 'DELETE',
      path: `${path}/:key_id`,
      summary: 'Revoke an API key of the tenant: at once here, within 30 s everywhere',
      answers: [200],
      handle: async (call) => {
        const { key_id } = await ownKey(call)
        return { status: 200, body: keyAnswer(await revokeKey(parts, key_id)) }
      },
    },
    {
      ...common,
      method: 'POST',
      path: `${path}/:key_id/rotate`,
      summary: 'Make a successor of an API key of the tenant; the old key works for overlap_hours more',
      answers: [201],
      body: rotateBody,
      handle: async (call) => {
        const row = await ownKey(call)
        assertWithin(call.principal, row.scopes, `API key ${row.key_id}`)
        return rotate(parts, call, by(call))
      },
    },
  ]
}

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
      body: object({ tenant_id: tenantField, ...wantedFields }, ['tenant_id']),
      handle: async ({ body }) => {
        const wanted = body as WantedKey & { tenant_id: string }
        if ((await store.tenant(wanted.tenant_id)) === undefined)
          throw new AppError('TENANT_UNKNOWN', `tenant ${wanted.tenant_id} is not known; onboard it first`)
        return make(parts, wanted, 'admin')
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
      body: rotateBody,
      handle: (call) => rotate(parts, call, 'admin'),
    },
    ...ownKeys(parts),
  ]
}
