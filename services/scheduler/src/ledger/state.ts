/**
 * What the ledger's rows mean, held in memory: the runs of now, each tenant's limits and use, who waits and who runs.
 * Changed by fold alone.
 * It is mutable, so that a decision costs the same with a hundred thousand runs of history as with none. While a
 * journal is open every
 * change notes its inverse; that is how decide may try rows on the state and leave it exactly as it was.
 */
import type { Limits, Run } from '@convergence/contracts'
import { systemTenant } from '@convergence/contracts'
import type { Archive } from './archive.ts'

export type RowKind = 'TENANT' | 'ADMIT' | 'QUEUE' | 'REJECT' | 'RELEASE' | 'CANCEL' | 'TIMER' | 'SNAPSHOT'
export type Outcome = 'COMPLETED' | 'FAILED' | 'CANCELLED'

/** A row of run_ledger. Times are RFC 3339 in UTC with milliseconds. */
export interface LedgerRow {
  epoch: string
  shard: number
  /** Number of the commit, from 1. */
  seq: number
  /** Place within the commit, from 0. */
  idx: number
  kind: RowKind
  tenant_id: string
  run_id: string | null
  pipeline: string | null
  period_day: string | null
  period_month: string | null
  digest: string | null
  outcome: Outcome | null
  reason: string | null
  message: string | null
  priority: number | null
  decided_at: string
  body: unknown
}

export interface RunEntry {
  run_id: string
  tenant_id: string
  pipeline: string
  /** The commit of its first row. */
  seq: number
  phase: 'QUEUED' | 'RUNNING' | 'ENDED' | 'REJECTED'
  digest: string
  priority: number
  /** Of the tenant's runs with one key one runs at a time. */
  concurrency_key: string | undefined
  /** Milliseconds. */
  requested_ms: number
  /** The time that it stands for, of a schedule's, or at which it was asked for; orders the queue. */
  due_ms: number
  period_day: string | undefined
  period_month: string | undefined
  /** Kept while the run waits or runs; afterwards whoever asks brings it along. */
  run: Run | undefined
  admitted_at: string | undefined
  ended_at: string | undefined
  outcome: Outcome | undefined
  reason: string | undefined
  message: string | undefined
  step_id: string | undefined
  resets_at: string | undefined
  /** Kept of system runs alone: a repeated request is answered with them. */
  outputs: Record<string, unknown> | undefined
  /** How often the sweeper published run-admitted again, and at which tick last. */
  resent: number
  resent_at: string | undefined
}

export interface Account {
  tenant_id: string
  version: number
  status: 'ACTIVE' | 'SUSPENDED' | 'EXPIRED'
  limits: Limits
  /** Undefined until tenant-changed has said it. */
  company_name: string | undefined
  admin_email: string | undefined
  /** Last day, inclusive, on which runs may start. */
  last_day: string | undefined
  running: number
  /** Rises with every admission of anybody: the smallest was served longest ago. */
  served: number
  /** Distinct runs that were admitted or queued, by UTC day and month. */
  days: Map<string, number>
  months: Map<string, number>
  /** Sorted by priority, then time, then id. */
  queue: RunEntry[]
}

/** The same on every replica. */
export interface Rules {
  /** Runs of all tenants at a time, system runs apart; default 10,000. */
  max_running: number
  /** System runs at a time; default 1,000. */
  max_system_running: number
  /** Rows after which a tick saves the state; default 20,000. A start reads about so many. */
  snapshot_rows: number
}
export const defaultRules: Rules = { max_running: 10_000, max_system_running: 1000, snapshot_rows: 20_000 }

export interface State {
  readonly epoch: string
  readonly rules: Rules
  /** The last row that was folded. */
  seq: number
  idx: number
  /** Rows since the last snapshot. */
  unsaved: number
  /**
   * Runs that wait, run, or ended since the last snapshot; others are in `past` and come back when a message is about
   * them.
   */
  runs: Map<string, RunEntry>
  archive: Archive
  running: Map<string, RunEntry>
  /** The run that runs, by tenant and concurrency_key. */
  occupied: Map<string, string>
  accounts: Map<string, Account>
  /** Runs of the platform itself, whichever tenant they are for: no quota, one generous limit. */
  system: Account
  /** Accounts with something in their queue. */
  waiting: Set<Account>
  /** Runs of tenants that run now, of all accounts but system. */
  running_tenants: number
  served: number
  /** Runs that changed a backfill and have ended, of those that were folded here: who counts more reads them anew. */
  backfill_changes: number
  /**
   * Ends whose run no later message brings along. The tick announces those that nobody will be asked about again:
   * rejections at promotion.
   */
  unannounced: Map<string, Unannounced>
  /** Inverses of the changes made since it was opened. */
  journal: (() => void)[] | undefined
}
/**
 * `announced_at`: the tick that announced it, or when it ended where its own message, delivered again, announces it.
 */
export interface Unannounced {
  run: Run
  at: string
  announced_at: string | undefined
}

const account = (tenant_id: string, limits: Limits): Account => ({
  tenant_id,
  version: 0,
  status: 'ACTIVE',
  limits,
  company_name: undefined,
  admin_email: undefined,
  last_day: undefined,
  running: 0,
  served: 0,
  days: new Map(),
  months: new Map(),
  queue: [],
})

export const emptyState = (epoch: string, rules: Rules = defaultRules): State => ({
  epoch,
  rules,
  seq: 0,
  idx: -1,
  unsaved: 0,
  runs: new Map(),
  archive: new Map(),
  running: new Map(),
  occupied: new Map(),
  accounts: new Map(),
  system: account(systemTenant, { daily: Infinity, monthly: Infinity, concurrent: rules.max_system_running }),
  waiting: new Set(),
  running_tenants: 0,
  served: 0,
  backfill_changes: 0,
  unannounced: new Map(),
  journal: undefined,
})

/** Whose limits a run counts against, whatever it does; undefined when the tenant is not known yet. */
export const accountOf = (state: State, tenant_id: string): Account | undefined =>
  tenant_id === systemTenant ? state.system : state.accounts.get(tenant_id)

export const openAccount = (state: State, tenant_id: string, limits: Limits): Account => {
  const opened = account(tenant_id, limits)
  put(state, state.accounts, tenant_id, opened)
  return opened
}

/** Whose end a run with this key waits for; undefined where none runs. */
export const occupantOf = (
  state: State,
  { tenant_id, concurrency_key }: Pick<RunEntry, 'tenant_id' | 'concurrency_key'>,
): string | undefined =>
  concurrency_key === undefined ? undefined : state.occupied.get(`${tenant_id} ${concurrency_key}`)
export const occupy = (state: State, { tenant_id, concurrency_key, run_id }: RunEntry): void => {
  if (concurrency_key !== undefined) put(state, state.occupied, `${tenant_id} ${concurrency_key}`, run_id)
}
export const vacate = (state: State, entry: RunEntry): void => {
  if (occupantOf(state, entry) === entry.run_id)
    drop(state, state.occupied, `${entry.tenant_id} ${entry.concurrency_key ?? ''}`)
}

// ---- changes that can be taken back

export const put = <K, V>(state: State, map: Map<K, V>, key: K, value: V): void => {
  if (state.journal !== undefined) {
    const before = map.get(key)
    state.journal.push(before === undefined ? () => map.delete(key) : () => map.set(key, before))
  }
  map.set(key, value)
}
export const drop = <K, V>(state: State, map: Map<K, V>, key: K): void => {
  const before = map.get(key)
  if (before === undefined) return
  map.delete(key)
  state.journal?.push(() => map.set(key, before))
}
export const change = <T extends object>(state: State, target: T, patch: Partial<T>): void => {
  if (state.journal !== undefined) {
    const before: Partial<T> = {}
    for (const name of Object.keys(patch) as (keyof T)[]) before[name] = target[name]
    state.journal.push(() => Object.assign(target, before))
  }
  Object.assign(target, patch)
}

const order = (a: RunEntry, b: RunEntry): number => {
  if (a.run_id === b.run_id) return 0
  return a.priority - b.priority || a.due_ms - b.due_ms || (a.run_id < b.run_id ? -1 : 1)
}
const place = (queue: readonly RunEntry[], entry: RunEntry): number => {
  let low = 0
  let high = queue.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const other = queue[middle]
    if (other !== undefined && order(other, entry) < 0) low = middle + 1
    else high = middle
  }
  return low
}
const insert = (state: State, owner: Account, entry: RunEntry): void => {
  owner.queue.splice(place(owner.queue, entry), 0, entry)
  state.waiting.add(owner)
}
const remove = (state: State, owner: Account, entry: RunEntry): void => {
  const at = place(owner.queue, entry)
  if (owner.queue[at] !== entry) return
  owner.queue.splice(at, 1)
  if (owner.queue.length === 0) state.waiting.delete(owner)
}
export const enqueue = (state: State, owner: Account, entry: RunEntry): void => {
  insert(state, owner, entry)
  state.journal?.push(() => {
    remove(state, owner, entry)
  })
}
export const dequeue = (state: State, owner: Account, entry: RunEntry): void => {
  remove(state, owner, entry)
  state.journal?.push(() => {
    insert(state, owner, entry)
  })
}

/** Takes back everything since the journal was opened, last first. */
export const undo = (state: State): void => {
  const journal = state.journal ?? []
  state.journal = undefined
  for (let k = journal.length - 1; k >= 0; k--) journal[k]?.()
}
