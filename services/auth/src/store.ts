/** Every read and write of the warehouse that this service makes, by subject in `store/`. */
import type { Source } from '@convergence/contracts'
import type { Log } from '@convergence/service'
import { readSources } from '@convergence/service/sources'
import type { Warehouse } from '@convergence/warehouse'
import { backfillStore, type BackfillStore } from './store/backfills.ts'
import { keyStore, type KeyStore } from './store/keys.ts'
import { recordStore, type RecordStore } from './store/records.ts'
import { runStore, type RunStore } from './store/runs.ts'
import { settingStore, type SettingStore } from './store/settings.ts'
import { openTables } from './store/tables.ts'
import { tenantStore, type TenantStore } from './store/tenants.ts'

export interface AuditEntry {
  at: string
  actor: string
  action: string
  tenant_id: string | null
  request_id: string
  outcome: string
  detail: string | null
  event_id: string
}

export interface Store extends KeyStore, TenantStore, RunStore, SettingStore, BackfillStore, RecordStore {
  audit(entry: AuditEntry): Promise<void>
  /** Sources of the tenant that are in use, by name. */
  sources(tenant_id: string): Promise<Source[]>
}

export const openStore = ({ warehouse, log }: { warehouse: Warehouse; log: Pick<Log, 'error'> }): Store => {
  const tables = openTables(warehouse, log)
  return {
    ...keyStore(tables),
    ...tenantStore(tables),
    ...runStore(tables),
    ...settingStore(tables),
    ...backfillStore(tables),
    ...recordStore(tables),
    sources: (tenant_id) => readSources(tables.warehouse, tenant_id),
    audit: (entry) => tables.warehouse.append('auth_audit', [{ ...entry }]),
  }
}
