/** Making and changing keys: hash to find, sealed copy for break-glass, raw key only in the returned value. */
import { AppError } from '@convergence/contracts'
import { decideAnew } from '@convergence/service/versions'
import { hashOf, issueKey, randomDigits } from './issue-key.ts'
import type { RouteContext } from './context.ts'
import { scopes as allScopes } from './scopes.ts'
import type { KeyRow } from './store/keys.ts'

const dayMs = 86_400_000
export const defaultDays = 365
export const mostDays = 730

export interface NewKey {
  tenant_id: string
  key_id?: string
  scopes?: readonly string[]
  expires_at?: string
  description?: string
  created_by: string
}

type KeyContext = Pick<RouteContext, 'deps' | 'store' | 'keys'>

const newKey = async ({ deps }: KeyContext, wanted: NewKey): Promise<{ api_key: string; row: KeyRow }> => {
  const now = deps.now()
  const expires_at = wanted.expires_at ?? new Date(now.getTime() + defaultDays * dayMs).toISOString()
  const life = Date.parse(expires_at) - now.getTime()
  if (life <= 0 || life > mostDays * dayMs)
    throw new AppError('BODY_INVALID', `body.expires_at: expected a time within the next ${mostDays} days`)
  const key_id = wanted.key_id ?? `key_${randomDigits(22, deps.random_bytes)}`
  const api_key = issueKey(wanted.tenant_id, deps.random_bytes)
  const row: KeyRow = {
    key_id,
    tenant_id: wanted.tenant_id,
    tenant_api_key_hash: hashOf(api_key),
    encrypted_api_key: await deps.secrets.seal(
      'api-key-wrap',
      api_key,
      `tenant_api_keys|${wanted.tenant_id}|${key_id}|1`,
    ),
    scopes: [...(wanted.scopes ?? allScopes)],
    description: wanted.description ?? null,
    is_active: true,
    expires_at: new Date(expires_at).toISOString(),
    revoked_at: null,
    replaced_by: null,
    created_by: wanted.created_by,
    created_at: now.toISOString(),
    version: 1,
  }
  return { api_key, row }
}

export const createKey = async (parts: KeyContext, wanted: NewKey): Promise<{ api_key: string; row: KeyRow }> => {
  const made = await newKey(parts, wanted)
  if (!(await parts.store.writeKey(made.row, made.row.created_at)))
    throw new AppError('CONFLICT', `API key ${made.row.key_id} was made by somebody else; send the request again`)
  parts.keys.changed(made.row)
  return made
}

/** The key under the id `first:{tenant_id}`; undefined when there is one already. */
export const createFirstKey = async (
  parts: KeyContext,
  wanted: NewKey,
  tenant_since: string,
): Promise<string | undefined> => {
  const key_id = `first:${wanted.tenant_id}`
  if ((await parts.store.keyById(key_id)) !== undefined) return undefined
  const made = await newKey(parts, { ...wanted, key_id })
  if (!(await parts.store.writeFirstKey(made.row, made.row.created_at, tenant_since))) return undefined
  parts.keys.changed(made.row)
  return made.api_key
}

const existingKey = async ({ store }: KeyContext, key_id: string): Promise<KeyRow> => {
  const row = await store.keyById(key_id)
  if (row === undefined) throw new AppError('NOT_FOUND', `no API key ${key_id}; list them: GET /api/v1/admin/api-keys`)
  return row
}

/** Revokes a key for good, whatever else happens to it at the same moment. Throws NOT_FOUND. */
export const revokeKey = (parts: KeyContext, key_id: string): Promise<KeyRow> =>
  decideAnew(`API key ${key_id}`, async () => {
    const row = await existingKey(parts, key_id)
    if (!row.is_active) return row
    const now = parts.deps.now().toISOString()
    const revoked = { ...row, is_active: false, revoked_at: now, version: row.version + 1 }
    if (!(await parts.store.writeKey(revoked, now))) return undefined
    parts.keys.changed(revoked)
    return revoked
  })

/**
 * Makes a successor; the old key works for `overlap_hours` more, at most to its own end. Both rows are one commit, so
 * a key has one successor, and there is none that its predecessor does not name. The successor ends when the key would
 * have, or at `expires_at`. Throws NOT_FOUND, CONFLICT, BODY_INVALID.
 */
export const rotateKey = (
  parts: KeyContext,
  key_id: string,
  { overlap_hours, expires_at, created_by }: { overlap_hours: number; expires_at?: string; created_by: string },
): Promise<{ api_key: string; row: KeyRow; replaced: KeyRow }> =>
  decideAnew(`API key ${key_id}`, async () => {
    const row = await existingKey(parts, key_id)
    if (!row.is_active || row.replaced_by !== null)
      throw new AppError('CONFLICT', `API key ${key_id} is revoked or has a successor; make a new key`)
    const now = parts.deps.now()
    const kept = expires_at ?? row.expires_at ?? undefined
    if (expires_at === undefined && kept !== undefined && Date.parse(kept) <= now.getTime())
      throw new AppError('CONFLICT', `API key ${key_id} ended at ${kept}; say expires_at, or make a new key`)
    const next = await newKey(parts, {
      ...(kept === undefined ? {} : { expires_at: kept }),
      tenant_id: row.tenant_id,
      scopes: row.scopes,
      created_by,
      ...(row.description === null ? {} : { description: row.description }),
    })
    const end = now.getTime() + overlap_hours * 3_600_000
    const replaced = {
      ...row,
      replaced_by: next.row.key_id,
      expires_at: new Date(row.expires_at === null ? end : Math.min(end, Date.parse(row.expires_at))).toISOString(),
      version: row.version + 1,
    }
    if (!(await parts.store.writeKey(replaced, now.toISOString(), next.row))) return undefined
    parts.keys.changed(next.row)
    parts.keys.changed(replaced)
    return { ...next, replaced }
  })
