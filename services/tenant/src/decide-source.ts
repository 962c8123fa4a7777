/**
 * Whether a change of a tenant's sources stands: what is claimed by another tenant, and what the tenant would load
 * twice. Pure; everything that is known of all tenants' sources comes in.
 */
import { AppError, isClaim, sourceKinds, sourcesOverlap, type SourceSettings } from '@convergence/contracts'

/** The latest row of a source. */
export interface SourceRow {
  tenant_id: string
  name: string
  settings: SourceSettings
  is_active: boolean
  /** Removed, with what it had loaded. */
  is_purged: boolean
  version: number
}
export interface SourceChange {
  tenant_id: string
  name: string
  /** Missing: the source is removed. */
  settings?: SourceSettings
  /** That it was removed before is no fault. */
  removed_is_fine?: boolean
  /** What it had loaded goes as well. */
  purged?: boolean
}
export type SourceDecision =
  /** It is so already. */
  | { kind: 'stays'; version: number; settings: SourceSettings }
  | { kind: 'changes'; created: boolean; settings: SourceSettings }

const tableOf = ({ provider, kind }: SourceSettings): string | undefined =>
  sourceKinds.find((each) => each.provider === provider && each.kind === kind)?.table

/** The same fields with the same values, in whichever order. */
const isSame = (a: SourceSettings, b: SourceSettings): boolean => textOf(a) === textOf(b)
const textOf = (settings: SourceSettings): string =>
  JSON.stringify(Object.entries(settings).sort(([a], [b]) => (a < b ? -1 : 1)))

/**
 * Whether both say primary of the same account and projects, as far as settings say whose rows there are: what files
 * tell of is known when they are loaded, and then warned of.
 */
const areBothPrimary = (a: SourceSettings, b: SourceSettings): boolean =>
  a.provider === 'gcp' &&
  b.provider === 'gcp' &&
  a.primary === true &&
  b.primary === true &&
  a.billing_account_id !== undefined &&
  a.billing_account_id === b.billing_account_id &&
  sourcesOverlap({ ...a, table: b.table }, b)

/** Throws CONFLICT, which names a source of the same tenant and none of another one, and NOT_FOUND. */
export const decideSource = (
  rows: readonly SourceRow[],
  { tenant_id, name, settings, removed_is_fine = false, purged = false }: SourceChange,
  onClaimed: (by: Pick<SourceRow, 'tenant_id' | 'name'>) => void = () => undefined,
): SourceDecision => {
  const known = rows.find((row) => row.tenant_id === tenant_id && row.name === name)
  if (settings === undefined) {
    if (known === undefined || (!known.is_active && !removed_is_fine))
      throw new AppError(
        'NOT_FOUND',
        `tenant ${tenant_id} has no source ${name}; list them: GET /api/v1/tenants/{tenant_id}/sources`,
      )
    if (!known.is_active && known.is_purged === purged)
      return { kind: 'stays', version: known.version, settings: known.settings }
    return { kind: 'changes', created: false, settings: known.settings }
  }
  if (known?.is_active === true && isSame(known.settings, settings))
    return { kind: 'stays', version: known.version, settings }
  const near = rows.filter((row) => row !== known && sourcesOverlap(row.settings, settings))
  const others = near.filter((row) => row.is_active)
  const sameRows = (row: SourceRow) => row.tenant_id === tenant_id && tableOf(row.settings) === tableOf(settings)
  const twice = others.find(sameRows)
  if (twice !== undefined)
    throw new AppError(
      'CONFLICT',
      `source ${name}: expected what no other source of the tenant brings, got rows that ${twice.name} brings too, ` +
        'which would count twice; change or remove one of them',
    )
  const rival = rows.find(
    (row) => row !== known && row.is_active && row.tenant_id === tenant_id && areBothPrimary(row.settings, settings),
  )
  if (rival !== undefined)
    throw new AppError(
      'CONFLICT',
      `source ${name}: expected primary of one source for an account, got it of ${rival.name} too, ` +
        'which tells of the same billing account and projects; take it from one of them',
    )
  const left = near.find((row) => !row.is_active && !row.is_purged && sameRows(row))
  if (left !== undefined)
    throw new AppError(
      'CONFLICT',
      `source ${name}: expected a place of which no rows are left, got that of ${left.name}, which was removed and ` +
        `whose rows would count twice; use that name again, or remove its rows: DELETE .../sources/${left.name}?purge=true`,
    )
  const claimed = others.find((row) => row.tenant_id !== tenant_id && isClaim(row.settings) && isClaim(settings))
  if (claimed !== undefined) {
    onClaimed(claimed)
    throw new AppError(
      'CONFLICT',
      `source ${name}: expected a place that no other tenant claims, got one that is claimed; ` +
        'name a credential of your own, or ask the operator',
    )
  }
  return { kind: 'changes', created: known?.is_active !== true, settings }
}
