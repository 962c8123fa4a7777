/** Making and changing keys: hash to find, sealed copy for break-glass, raw key only in the returned value. */
import { AppError } from '@convergence/contracts'
import { hashOf, issueKey, randomDigits } from './issue-key.ts'
import type { Parts } from './parts.ts'
import { scopes as allScopes } from './principal.ts'
import type { KeyRow } from './store.ts'

const dayMs = 86_400_000
export const defaultDays = 365
export const mostDays = 730

export interface NewKey { tenant_id: string; key_id?: string; scopes?: readonly string[]; expires_at?: string; description?: string; created_by: string }

export const createKey = async ({ deps, store, keys }: Pick<Parts, 'deps' | 'store' | 'keys'>, wanted: NewKey): Promise<{ api_key: string; row: KeyRow }> => {
  const now = deps.now()
  const expires_at = wanted.expires_at ?? new Date(now.getTime() + defaultDays * dayMs).toISOString()
  const life = Date.parse(expires_at) - now.getTime()
  if (life <= 0 || life > mostDays * dayMs) throw new AppError('BODY_INVALID', `body.expires_at: expected a time within the next ${mostDays} days`)
  const key_id = wanted.key_id ?? `key_${randomDigits(22, deps.random_bytes)}`
  const api_key = issueKey(wanted.tenant_id, deps.random_bytes)
  const row: KeyRow = {
    key_id, tenant_id: wanted.tenant_id, tenant_api_key_hash: hashOf(api_key), encrypted_api_key: await deps.secrets.seal('api-key-wrap', api_key, `tenant_api_keys|${wanted.tenant_id}|${key_id}|1`),
    scopes: [...wanted.scopes ?? allScopes], description: wanted.description ?? null, is_active: true, expires_at: new Date(expires_at).toISOString(), revoked_at: null, replaced_by: null,
    created_by: wanted.created_by, created_at: now.toISOString(), version: 1,
  }
  await store.writeKey(row, now.toISOString())
  keys.changed(row)
  return { api_key, row }
}

export const changeKey = async ({ deps, store, keys }: Pick<Parts, 'deps' | 'store' | 'keys'>, row: KeyRow, change: Partial<KeyRow>): Promise<KeyRow> => {
  const changed = { ...row, ...change, version: row.version + 1 }
  await store.writeKey(changed, deps.now().toISOString())
  keys.changed(changed)
  return changed
}
