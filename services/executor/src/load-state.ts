/**
 * What the provider had of each period of a source, when it was looked at and when it was loaded: by it late data is
 * found. Rows are only ever added and named by what they are about; `tenant_load_state` shows the latest. A load that
 * dies before its row is written is done again by its message, which writes it.
 */
import { centralDataset, digestOf, tenantViews, views, type Run } from '@convergence/contracts'
import type { StepContext } from '@convergence/service/steps'
import type { Row, Warehouse } from '@convergence/warehouse'

/** A source's period under the pipeline that loads it. */
export interface PeriodOf {
  tenant_id: string
  source: string
  /** Path. */
  pipeline: string
  /** YYYY-MM, or YYYY-MM-DD where days are loaded. */
  period: string
}
export interface LoadState extends PeriodOf {
  seen_version: string
  /** Null where nothing of it is loaded. */
  loaded_version: string | null
}
/** What a load took. */
export interface LoadedPeriod {
  period: string
  /** Empty where a load was found done and nobody knows which delivery it was: it is then done again. */
  version: string
  rows: number
}

/** An object as it is named and tagged by its store. */
interface Tagged {
  key: string
  etag: string
}
/**
 * One text for what decides a delivery: another version of any of the objects is another text. Of one object its key
 * and etag; of several a digest of all, beside how many they are.
 */
export const versionOfObjects = (objects: readonly Tagged[]): string => {
  const named = objects.map(({ key, etag }) => `${key} ${etag}`).sort()
  const [only = 'nothing'] = named
  return named.length <= 1 ? only : `${named.length} deliveries, ${digestOf(named).slice(0, 24)}`
}
/** Of rows of a table that only grows: another row makes another text. */
export const versionOfRows = (newest: string | null, rows: number): string =>
  newest === null ? `${rows} rows` : `${newest}, ${rows} rows`

export interface LoadStates {
  /** Of a step that loaded a tenant's source. `observed_at`: before it was looked what the provider has. */
  recordLoaded(
    context: Pick<StepContext, 'run' | 'step'>,
    source: string,
    observed_at: Date,
    loaded: readonly LoadedPeriod[],
  ): Promise<void>
  /** What was looked at and not loaded. */
  recordSeen(seen: readonly (PeriodOf & { version: string })[], observed_at: Date): Promise<void>
  /** All rows of a source are gone from the tables. */
  recordRemoved(run: Run, tenant_id: string, source: string): Promise<void>
  /** Of all tenants, or of one. */
  read(tenant_id?: string): Promise<LoadState[]>
}
type Door = Pick<Warehouse, 'append' | 'query' | 'project_id' | 'ensureView'>

const table = 'tenant_load_state_rows'
const rowsAtOnce = 500

export const openLoadStates = ({ warehouse, now }: { warehouse: Door; now: () => Date }): LoadStates => {
  const shown = new Map<string, Promise<unknown>>()
  /** Tenants of older versions get the view with their first load. */
  const show = (tenant_id: string): Promise<unknown> => {
    const known = shown.get(tenant_id) ?? ensureTenantViews(warehouse, tenant_id)
    shown.set(tenant_id, known)
    known.catch(() => shown.delete(tenant_id))
    return known
  }
  const append = async (rows: readonly Row[]): Promise<void> => {
    for (let k = 0; k < rows.length; k += rowsAtOnce) await warehouse.append(table, rows.slice(k, k + rowsAtOnce))
  }
  /** Which of these rows are there. */
  const recorded = async (event_ids: readonly string[]): Promise<string[]> => {
    const rows = await warehouse.query({
      query: `SELECT DISTINCT event_id FROM ${table} WHERE event_id IN UNNEST(@event_ids)`,
      parameters: [{ name: 'event_ids', type: 'ARRAY<STRING>', value: event_ids }],
      default_dataset: centralDataset,
    })
    return rows.map((row) => String(row['event_id']))
  }
  const read = async (tenant_id?: string): Promise<LoadState[]> => {
    const where = tenant_id === undefined ? '' : ' WHERE tenant_id = @tenant_id'
    const rows = await warehouse.query({
      query: `SELECT tenant_id, source, pipeline, period, seen_version, loaded_version FROM tenant_load_state${where}`,
      ...(tenant_id === undefined ? {} : { parameters: [{ name: 'tenant_id', type: 'STRING', value: tenant_id }] }),
      default_dataset: centralDataset,
    })
    return rows as unknown as LoadState[]
  }
  return {
    recordLoaded: async ({ run, step }, source, observed_at, loaded) => {
      const { tenant_id, pipeline, run_id } = run
      await show(tenant_id)
      const rows = loaded.map(({ period, version, rows: loaded_rows }) => ({
        ...{ tenant_id, source, pipeline, period, version, run_id, loaded_rows },
        observed_at: observed_at.toISOString(),
        event_id: `${run_id}-${step.step_id}-${period}`,
        recorded_at: now().toISOString(),
      }))
      const unsure = rows.filter(({ version }) => version === '').map(({ event_id }) => event_id)
      const known = unsure.length === 0 ? [] : await recorded(unsure)
      await append(rows.filter(({ event_id }) => !known.includes(event_id)))
    },
    recordSeen: (seen, observed_at) => {
      const at = observed_at.toISOString()
      return append(
        seen.map(({ tenant_id, source, pipeline, period, version }) => ({
          ...{ tenant_id, source, pipeline, period, version },
          loaded_rows: null,
          run_id: null,
          observed_at: at,
          event_id: `seen-${digestOf([tenant_id, source, pipeline, period]).slice(0, 24)}-${at}`,
          recorded_at: now().toISOString(),
        })),
      )
    },
    recordRemoved: async (run, tenant_id, source) => {
      const at = now().toISOString()
      const states = await read(tenant_id)
      await append(
        states
          .filter((state) => state.source === source && state.loaded_version !== null)
          .map(({ pipeline, period }) => ({
            ...{ tenant_id, source, pipeline, period },
            version: null,
            loaded_rows: 0,
            run_id: run.run_id,
            observed_at: at,
            event_id: `${run.run_id}-removed-${digestOf([source, pipeline, period]).slice(0, 24)}`,
            recorded_at: at,
          })),
      )
    },
    read,
  }
}

/** The views that a tenant's dataset has of the central tables. The id stands in them as a literal; its form has no quote. */
export const ensureTenantViews = async (
  warehouse: Pick<Warehouse, 'project_id' | 'ensureView'>,
  tenant_id: string,
): Promise<void> => {
  for (const view of tenantViews)
    await warehouse.ensureView({
      dataset: tenant_id,
      view,
      query: (views[view] ?? '').replaceAll('{project_id}', warehouse.project_id).replaceAll('{tenant_id}', tenant_id),
    })
}
