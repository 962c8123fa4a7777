/**
 * Who is calling. A key is refused by length, form and checksum before anything is looked up; then found by its hash.
 * An unknown key takes the
 * same way as a wrong one. What was found is believed for 30 s, what was not for 5 s.
 */
import { systemTenant } from '@convergence/contracts'
import { timingSafeEqual } from 'node:crypto'
import { hashOf, isKeyShaped } from './issue-key.ts'
import { scopes } from './scopes.ts'
import type { KeyRow, KeyStore } from './store/keys.ts'

export interface Principal {
  readonly kind: 'tenant' | 'admin' | 'public'
  /** `system` for the admin, empty for the public. */
  readonly tenant_id: string
  readonly key_id: string
  readonly scopes: ReadonlySet<string>
  /** The key has a successor and will end. */
  readonly deprecated: boolean
}
export const publicPrincipal: Principal = Object.freeze({
  kind: 'public',
  tenant_id: '',
  key_id: 'public',
  scopes: new Set<string>(),
  deprecated: false,
})
export const adminPrincipal: Principal = Object.freeze({
  kind: 'admin',
  tenant_id: systemTenant,
  key_id: 'admin',
  scopes: new Set<string>(),
  deprecated: false,
})
export const devPrincipal: Principal = Object.freeze({
  kind: 'tenant',
  tenant_id: 'dev',
  key_id: 'dev',
  scopes: new Set<string>(scopes),
  deprecated: false,
})

const positiveMs = 30_000
const negativeMs = 5_000
const mostKeys = 20_000

export interface Keys {
  /** The caller of this key, or undefined. `max_age_ms`: how old a remembered answer may be. */
  check(key: string, max_age_ms?: number): Promise<Principal | undefined>
  /** A key that was remembered needs no look-up. */
  isRemembered(key: string): boolean
  /** Takes a change of this replica over at once. */
  changed(row: KeyRow): void
  clear(): void
}

export const openKeys = ({ store, now }: { store: Pick<KeyStore, 'keyByHash'>; now: () => Date }): Keys => {
  const cache = new Map<string, { row: KeyRow | undefined; at: number }>()
  const looking = new Map<string, Promise<KeyRow | undefined>>()
  const dummy = Buffer.alloc(32, 1)

  const remember = (hash: string, found: KeyRow | undefined) => {
    const known = cache.get(hash)?.row
    // A look-up may have begun before a change that was heard meanwhile: the newer row stays, and a revoked one for
    // good.
    const isNewer =
      known !== undefined &&
      found !== undefined &&
      (!known.is_active || known.version > found.version) &&
      found.is_active
    const row = isNewer ? known : found
    cache.delete(hash)
    if (cache.size >= mostKeys) cache.delete(cache.keys().next().value ?? '')
    cache.set(hash, { row, at: now().getTime() })
  }
  const lookUp = (hash: string): Promise<KeyRow | undefined> => {
    const running = looking.get(hash)
    if (running !== undefined) return running
    const started = store
      .keyByHash(hash)
      .then((row) => {
        remember(hash, row)
        return row
      })
      .finally(() => looking.delete(hash))
    looking.set(hash, started)
    return started
  }
  const rowOf = async (hash: string, max_age_ms: number): Promise<KeyRow | undefined> => {
    const known = cache.get(hash)
    if (known === undefined) return lookUp(hash)
    const age = now().getTime() - known.at
    if (age >= Math.min(max_age_ms, known.row === undefined ? negativeMs : positiveMs)) return lookUp(hash)
    // Refreshed ahead of its end, so that a busy key never waits for the look-up.
    if (known.row !== undefined && age >= positiveMs / 2) lookUp(hash).catch(() => undefined)
    return known.row
  }

  return {
    check: async (key, max_age_ms = positiveMs) => {
      if (!isKeyShaped(key)) return undefined
      const hash = hashOf(key)
      const row = await rowOf(hash, max_age_ms)
      const stored = row === undefined ? dummy : Buffer.from(row.tenant_api_key_hash, 'hex')
      const same = stored.length === 32 && timingSafeEqual(stored, Buffer.from(hash, 'hex'))
      if (!same || row === undefined || !row.is_active) return undefined
      if (row.expires_at !== null && Date.parse(row.expires_at) <= now().getTime()) return undefined
      // The prefix is for people; whose key it is says the row.
      if (!key.startsWith(`${row.tenant_id}_api_`)) return undefined
      return Object.freeze({
        kind: 'tenant',
        tenant_id: row.tenant_id,
        key_id: row.key_id,
        scopes: new Set(row.scopes),
        deprecated: row.replaced_by !== null,
      })
    },
    isRemembered: (key) => isKeyShaped(key) && cache.get(hashOf(key))?.row !== undefined,
    changed: (row) => {
      remember(row.tenant_api_key_hash, row)
    },
    clear: () => {
      cache.clear()
    },
  }
}

/** Whether the key is one of those with these SHA-256 hashes (hex); every one is compared. */
export const isAdminKey = (key: string, hashes: readonly string[]): boolean => {
  if (key.length > 500) return false
  const given = Buffer.from(hashOf(key), 'hex')
  let found = false
  for (const hash of hashes) {
    const stored = Buffer.from(hash, 'hex')
    if (stored.length === 32 && timingSafeEqual(stored, given)) found = true
  }
  return found
}
