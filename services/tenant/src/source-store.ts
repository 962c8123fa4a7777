/**
 * The sources of all tenants: rows are only added, as one chain of changes, so that of two claims of the same place on
 * two replicas one is first and the other sees it.
 */
import { AppError, centralDataset, sourceFaults, type SourceSettings } from '@convergence/contracts'
import { decideAnew, writeVersion } from '@convergence/service/versions'
import type { Row, Warehouse } from '@convergence/warehouse'
import { decideSource, type SourceChange, type SourceRow } from './decide-source.ts'

export interface ChangedSource {
  version: number
  /** It was not there before. */
  created: boolean
  /** False where it was so already. */
  changed: boolean
  settings: SourceSettings
}
export interface SourceStore {
  /**
   * `event_id` names the change: the run and step that asked for it, which changes once. Throws CONFLICT, NOT_FOUND.
   */
  change(change: SourceChange, event_id: string): Promise<ChangedSource>
  /**
   * Writes a source as it is, unchecked, for a tenant that has never had one of this provider; false for any other. By
   * the first name that is free.
   */
  adopt(source: { tenant_id: string; names: readonly string[]; settings: SourceSettings }): Promise<boolean>
  /** The provider of a stored credential; undefined when there is none of this name. */
  credentialProvider(tenant_id: string, credential_ref: string): Promise<string | undefined>
  /** Whether a table stands in a dataset that the platform keeps: the central one, or another tenant's. */
  isKept(tenant_id: string, table: string): Promise<boolean>
}
interface SourceStoreDeps {
  warehouse: Pick<Warehouse, 'project_id' | 'query' | 'commit' | 'getDataset'>
  now(): Date
  /** Hears whose claim refused a change: for the operator, never for the tenant. */
  onClaimed?(claim: { tenant_id: string; name: string }, by: { tenant_id: string; name: string }): void
}

const textsOf = (values: Readonly<Record<string, string>>) =>
  Object.entries(values).map(([name, value]) => ({ name, type: 'STRING', value }))

const settingsOf = (row: Row): SourceSettings => {
  const stored: unknown = row['settings']
  const fields: unknown = typeof stored === 'string' ? JSON.parse(stored) : stored
  return { provider: row['provider'], ...(fields as object) } as SourceSettings
}
const sourceRow = (row: Row): SourceRow => ({
  tenant_id: String(row['tenant_id']),
  name: String(row['name']),
  settings: settingsOf(row),
  is_active: row['is_active'] === true,
  is_purged: row['is_purged'] === true,
  version: Number(row['version']),
})

export const openSourceStore = ({ warehouse, now, onClaimed }: SourceStoreDeps): SourceStore => {
  const rowsOf = (query: string, values: Readonly<Record<string, string>> = {}) =>
    warehouse.query({ query, default_dataset: centralDataset, parameters: textsOf(values) })
  /** All of one moment: the highest version says which commit is next. */
  const all = async (): Promise<SourceRow[]> =>
    (
      await rowsOf(
        'SELECT tenant_id, name, provider, settings, is_active, is_purged, version FROM tenant_provider_configs ' +
          'WHERE name IS NOT NULL',
      )
    ).map(sourceRow)

  /** What this very change did, if it was made before. */
  const madeBefore = async (tenant_id: string, name: string, event_id: string): Promise<ChangedSource | undefined> => {
    const rows = await rowsOf(
      'SELECT provider, settings, is_active, version, event_id FROM tenant_provider_configs_rows ' +
        'WHERE tenant_id = @tenant_id AND name = @source_name',
      { tenant_id, source_name: name },
    )
    const mine = rows.find((row) => row['event_id'] === event_id)
    if (mine === undefined) return undefined
    const version = Number(mine['version'])
    const [before] = rows
      .filter((row) => Number(row['version']) < version)
      .sort((a, b) => Number(b['version']) - Number(a['version']))
    return { version, created: before?.['is_active'] !== true, changed: true, settings: settingsOf(mine) }
  }

  const nextOf = (rows: readonly SourceRow[]): number =>
    rows.reduce((highest, row) => Math.max(highest, row.version), 0) + 1
  /** The version; undefined when another writer was first. */
  const write = async (
    { tenant_id, name, settings: { provider, ...settings }, is_active, is_purged, version }: SourceRow,
    event_id: string,
  ): Promise<number | undefined> => {
    const recorded_at = now().toISOString()
    const row = {
      ...{ tenant_id, provider, domain: 'cost', name, settings },
      ...{ is_active, is_purged, version, event_id, recorded_at },
    }
    return (await writeVersion(warehouse, 'tenant_provider_configs', { id: 'sources', version }, [row]))
      ? version
      : undefined
  }

  return {
    change: (change, event_id) =>
      decideAnew(`source ${change.name}`, async (): Promise<ChangedSource | undefined> => {
        const { tenant_id, name } = change
        const rows = await all()
        const before = await madeBefore(tenant_id, name, event_id)
        if (before !== undefined) return before
        const decision = decideSource(rows, change, (by) => onClaimed?.({ tenant_id, name }, by))
        if (decision.kind === 'stays')
          return { version: decision.version, created: false, changed: false, settings: decision.settings }
        const { settings } = decision
        const is_active = change.settings !== undefined
        const is_purged = change.purged === true
        const row: SourceRow = { tenant_id, name, settings, is_active, is_purged, version: nextOf(rows) }
        const version = await write(row, event_id)
        return version === undefined ? undefined : { version, created: decision.created, changed: true, settings }
      }),
    adopt: ({ tenant_id, names, settings }) =>
      decideAnew(`the first source of ${tenant_id}`, async () => {
        const rows = await all()
        const own = rows.filter((row) => row.tenant_id === tenant_id)
        const name = names.find((each) => !own.some((row) => row.name === each))
        if (name === undefined || own.some((row) => row.settings.provider === settings.provider)) return false
        const row = { tenant_id, name, settings, is_active: true, is_purged: false, version: nextOf(rows) }
        return (await write(row, `adopted:${tenant_id}:${settings.provider}`)) === undefined ? undefined : true
      }),
    isKept: async (tenant_id, table) => {
      const [project_id, dataset = ''] = table.split('.')
      if (project_id !== warehouse.project_id || dataset === tenant_id) return false
      return (
        dataset.toLowerCase() === centralDataset || (await warehouse.getDataset(dataset))?.labels['owner'] !== undefined
      )
    },
    credentialProvider: async (tenant_id, credential_ref) => {
      const [row] = await rowsOf(
        'SELECT provider FROM tenant_cloud_credentials ' +
          'WHERE tenant_id = @tenant_id AND credential_ref = @credential_ref AND is_active',
        { tenant_id, credential_ref },
      )
      return row === undefined ? undefined : String(row['provider'])
    },
  }
}

/** The settings that a step was given as JSON. Throws PARAMETER_INVALID with every fault. */
export const settingsFrom = (step_id: string, text: unknown): SourceSettings => {
  let value: unknown
  try {
    value = typeof text === 'string' ? JSON.parse(text) : text
  } catch {
    value = undefined
  }
  const faults = sourceFaults(value)
  if (faults.length > 0)
    throw new AppError('PARAMETER_INVALID', `step ${step_id}: settings: ${faults.join('; ')}`, { faults })
  return value as SourceSettings
}
