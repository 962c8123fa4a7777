/** Making and changing keys: hash to find, sealed copy for break-glass, raw key only in the returned value. */
import { AppError } from '@convergence/contracts'
import { hashOf, issueKey, randomDigits } from './issue-key.ts'
import type { Parts } from './parts.ts'
import { scopes as allScopes } from './principal.ts'
import type { KeyRow } from './store.ts'

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

type KeyParts = Pick<Parts, 'deps' | 'store' | 'keys'>

const newKey = async ({ deps }: KeyParts, wanted: NewKey): Promise<{ api_key: string; row: KeyRow }> => {
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

export const createKey = async (parts: KeyParts, wanted: NewKey): Promise<{ api_key: string; row: KeyRow }> => {
  const made = await newKey(parts, wanted)
  await parts.store.writeKey(made.row, made.row.created_at)
  parts.keys.changed(made.row)
  return made
}

/** The key under the id `first:{tenant_id}`; undefined when there is one already. */
export const createFirstKey = async (
  parts: KeyParts,
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

export const changeKey = async (
  { deps, store, keys }: KeyParts,
  row: KeyRow,
  change: Partial<KeyRow>,
): Promise<KeyRow> => {
  const changed = { ...row, ...change, version: row.version + 1 }
  await store.writeKey(changed, deps.now().toISOString())
  keys.changed(changed)
  return changed
}
