/** What a tenant has set: schedules, which scheduler writes, and credentials, in versions. */
import type { SourceSettings } from '@convergence/contracts'
import { writeVersion } from '@convergence/service/versions'
import type { Row } from '@convergence/warehouse'
import { jsonOf, textOf, type Tables } from './tables.ts'

export interface ScheduleRow {
  name: string
  pipeline: string
  cron: string
  timezone: string
  parameters: unknown
  priority: number
  is_active: boolean
  missed: string
  overlap: string
  next_run_time: string | null
  last_run_time: string | null
  version: number
}
export interface StoredSource {
  name: string
  settings: SourceSettings
  version: number
  recorded_at: string
}
export interface CredentialRow {
  credential_ref: string
  tenant_id: string
  provider: string
  sealed: string
  /** Names of what is sealed; null where it is plain text. */
  fields: string | null
  external_id: string | null
  recorded_by: string | null
  is_active: boolean
  version: number
  recorded_at: string
}

export interface SettingStore {
  schedules(tenant_id: string, name?: string): Promise<ScheduleRow[]>
  /** Of one tenant, by name, those that are not removed. */
  sourcePage(tenant_id: string, page: { after?: string; limit: number }): Promise<StoredSource[]>
  source(tenant_id: string, name: string): Promise<StoredSource | undefined>
  /** Those that are not removed, by name. */
  credentials(tenant_id: string): Promise<CredentialRow[]>
  /** Also one that is removed. */
  credential(tenant_id: string, credential_ref: string): Promise<CredentialRow | undefined>
  /** Names of the tenant's sources that are read with it. */
  sourcesWith(tenant_id: string, credential_ref: string): Promise<string[]>
  /** False when another writer was first. */
  writeCredential(row: CredentialRow): Promise<boolean>
}

const sourceOf = (row: Row): StoredSource => ({
  name: String(row['name']),
  settings: { provider: row['provider'], ...jsonOf(row['settings']) } as unknown as SourceSettings,
  version: Number(row['version']),
  recorded_at: String(row['recorded_at']),
})

const credentialColumns =
  'credential_ref, tenant_id, provider, sealed, fields, external_id, recorded_by, is_active, version, recorded_at'
const credentialOf = (row: Row): CredentialRow => ({
  credential_ref: String(row['credential_ref']),
  tenant_id: String(row['tenant_id']),
  provider: String(row['provider']),
  sealed: String(row['sealed']),
  fields: textOf(row['fields']),
  external_id: textOf(row['external_id']),
  recorded_by: textOf(row['recorded_by']),
  is_active: row['is_active'] === true,
  version: Number(row['version']),
  recorded_at: String(row['recorded_at']),
})

export const settingStore = ({ warehouse, name, rows, first }: Tables): SettingStore => ({
  sourcePage: async (tenant_id, { after, limit }) => {
    const found = await rows(
      `SELECT name, provider, settings, version, recorded_at FROM ${name('tenant_provider_configs')}
       WHERE tenant_id = @tenant_id AND is_active AND name IS NOT NULL
         ${after === undefined ? '' : 'AND name > @after '}
       ORDER BY name LIMIT ${limit}`,
      { tenant_id, after },
    )
    return found.map(sourceOf)
  },
  source: async (tenant_id, source_name) => {
    const row = await first(
      `SELECT name, provider, settings, version, recorded_at FROM ${name('tenant_provider_configs')}
       WHERE tenant_id = @tenant_id AND name = @source_name AND is_active LIMIT 1`,
      { tenant_id, source_name },
    )
    return row === undefined ? undefined : sourceOf(row)
  },
  schedules: async (tenant_id, schedule) => {
    const found = await rows(
      `SELECT name, pipeline, cron, timezone, parameters, priority, is_active, missed, overlap, next_run_time,
         last_run_time, version
       FROM ${name('tenant_pipeline_configs')}
       WHERE tenant_id = @tenant_id AND NOT is_deleted ${schedule === undefined ? '' : 'AND name = @schedule_name '}
       ORDER BY name LIMIT 500`,
      { tenant_id, schedule_name: schedule },
    )
    return found.map((row) => ({
      name: String(row['name']),
      pipeline: String(row['pipeline']),
      cron: String(row['cron']),
      timezone: String(row['timezone']),
      parameters: jsonOf(row['parameters']),
      priority: Number(row['priority']),
      is_active: row['is_active'] === true,
      missed: String(row['missed']),
      overlap: String(row['overlap']),
      next_run_time: textOf(row['next_run_time']),
      last_run_time: textOf(row['last_run_time']),
      version: Number(row['version']),
    }))
  },
  credentials: async (tenant_id) =>
    (
      await rows(
        `SELECT ${credentialColumns} FROM ${name('tenant_cloud_credentials')}
         WHERE tenant_id = @tenant_id AND is_active ORDER BY credential_ref LIMIT 500`,
        { tenant_id },
      )
    ).map(credentialOf),
  credential: async (tenant_id, credential_ref) => {
    const row = await first(
      `SELECT ${credentialColumns} FROM ${name('tenant_cloud_credentials')}
       WHERE tenant_id = @tenant_id AND credential_ref = @credential_ref LIMIT 1`,
      { tenant_id, credential_ref },
    )
    return row === undefined ? undefined : credentialOf(row)
  },
  sourcesWith: async (tenant_id, credential_ref) => {
    const found = await rows(
      `SELECT name FROM ${name('tenant_provider_configs')}
       WHERE tenant_id = @tenant_id AND is_active AND JSON_VALUE(settings, '$.credential') = @credential_ref
       ORDER BY name LIMIT 50`,
      { tenant_id, credential_ref },
    )
    return found.map((row) => String(row['name']))
  },
  writeCredential: (row) =>
    writeVersion(
      warehouse,
      'tenant_cloud_credentials',
      { id: `${row.tenant_id}/${row.credential_ref}`, version: row.version },
      [{ ...row, event_id: `${row.tenant_id}:${row.credential_ref}:v${row.version}` }],
    ),
})
