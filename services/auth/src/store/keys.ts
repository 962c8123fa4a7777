/** API keys of tenants and public keys of publishers, in versions. */
import { writeVersion } from '@convergence/service/versions'
import type { Row } from '@convergence/warehouse'
import { scopeSet, scopesOf } from '../scopes.ts'
import { listOf, numberOf, textOf, type Tables } from './tables.ts'

export interface KeyRow {
  key_id: string
  tenant_id: string
  tenant_api_key_hash: string
  encrypted_api_key: string | null
  scopes: string[]
  description: string | null
  is_active: boolean
  expires_at: string | null
  revoked_at: string | null
  replaced_by: string | null
  created_by: string | null
  created_at: string
  version: number
}
export interface PublisherKeyRow {
  kid: string
  tenant_id: string
  public_key: string
  pipelines: string[]
  is_active: boolean
  not_before: string | null
  expires_at: string | null
  description: string | null
  version: number
}

export interface KeyStore {
  keyByHash(hash: string): Promise<KeyRow | undefined>
  keyById(key_id: string): Promise<KeyRow | undefined>
  keysOf(tenant_id: string | undefined): Promise<KeyRow[]>
  /** The next version of a key, and with it a key that it calls into life; false when another writer was first. */
  writeKey(row: KeyRow, recorded_at: string, successor?: KeyRow): Promise<boolean>
  /**
   * The tenant's first key, or nothing: false when there is one already, whichever replica made it. `tenant_since`
   * tells a tenant from an earlier one of the same name.
   */
  writeFirstKey(row: KeyRow, recorded_at: string, tenant_since: string): Promise<boolean>
  publisherKey(kid: string): Promise<PublisherKeyRow | undefined>
  publisherKeys(): Promise<PublisherKeyRow[]>
  /** False when another writer was first. */
  writePublisherKey(row: PublisherKeyRow, recorded_at: string): Promise<boolean>
}

const keyColumns = `key_id, tenant_id, tenant_api_key_hash, encrypted_api_key, scopes, scope_set, description, is_active,
  expires_at, revoked_at, replaced_by, created_by, created_at, version`
const publisherColumns =
  'kid, tenant_id, public_key, pipelines, is_active, not_before, expires_at, description, version'

export const keyStore = ({ warehouse, name, rows, first }: Tables): KeyStore => {
  const selectKeys = `SELECT ${keyColumns} FROM ${name('tenant_api_keys')}`
  const selectPublishers = `SELECT ${publisherColumns} FROM ${name('publisher_keys')}`
  return {
    keyByHash: async (hash) =>
      keyRow(await first(`${selectKeys} WHERE tenant_api_key_hash = @key_hash LIMIT 1`, { key_hash: hash })),
    keyById: async (key_id) => keyRow(await first(`${selectKeys} WHERE key_id = @key_id LIMIT 1`, { key_id })),
    keysOf: async (tenant_id) => {
      const ofTenant = tenant_id === undefined ? '' : 'WHERE tenant_id = @tenant_id '
      const found = await rows(`${selectKeys} ${ofTenant}ORDER BY tenant_id, created_at, key_id LIMIT 500`, {
        tenant_id,
      })
      return found.flatMap((row) => keyRow(row) ?? [])
    },
    writeKey: (row, recorded_at, successor) =>
      writeVersion(
        warehouse,
        'tenant_api_keys',
        { id: row.key_id, version: row.version },
        [row, ...(successor === undefined ? [] : [successor])].map((one) => keyEntry(one, recorded_at)),
      ),
    // A tenant of this name may have had a first key in an earlier life.
    writeFirstKey: (row, recorded_at, tenant_since) =>
      writeVersion(
        warehouse,
        'tenant_api_keys',
        { id: row.key_id, version: 1, epoch: String(Date.parse(tenant_since)) },
        [keyEntry(row, recorded_at)],
      ),
    publisherKey: async (kid) => publisherKeyOf(await first(`${selectPublishers} WHERE kid = @kid LIMIT 1`, { kid })),
    publisherKeys: async () =>
      (await rows(`${selectPublishers} ORDER BY kid LIMIT 500`)).flatMap((row) => publisherKeyOf(row) ?? []),
    writePublisherKey: (row, recorded_at) =>
      writeVersion(warehouse, 'publisher_keys', { id: row.kid, version: row.version }, [
        { ...row, event_id: `${row.kid}:v${row.version}`, recorded_at },
      ]),
  }
}

const keyEntry = (row: KeyRow, recorded_at: string): Row => ({
  ...row,
  scope_set: scopeSet,
  event_id: `${row.key_id}:v${row.version}`,
  recorded_at,
})

const keyRow = (row: Row | undefined): KeyRow | undefined =>
  row === undefined
    ? undefined
    : {
        key_id: String(row['key_id']),
        tenant_id: String(row['tenant_id']),
        tenant_api_key_hash: String(row['tenant_api_key_hash']),
        encrypted_api_key: textOf(row['encrypted_api_key']),
        scopes: [...scopesOf(listOf(row['scopes']), numberOf(row['scope_set']))],
        description: textOf(row['description']),
        is_active: row['is_active'] === true,
        expires_at: textOf(row['expires_at']),
        revoked_at: textOf(row['revoked_at']),
        replaced_by: textOf(row['replaced_by']),
        created_by: textOf(row['created_by']),
        created_at: String(row['created_at']),
        version: Number(row['version']),
      }

const publisherKeyOf = (row: Row | undefined): PublisherKeyRow | undefined =>
  row === undefined
    ? undefined
    : {
        kid: String(row['kid']),
        tenant_id: String(row['tenant_id']),
        public_key: String(row['public_key']),
        pipelines: listOf(row['pipelines']),
        is_active: row['is_active'] === true,
        not_before: textOf(row['not_before']),
        expires_at: textOf(row['expires_at']),
        description: textOf(row['description']),
        version: Number(row['version']),
      }
