/**
 * A snapshot: what a start needs so that it reads the newest rows alone. It holds each tenant's limits and use, and
 * names the runs that
 * wait, run or still have to be announced; what they are is in their own rows. It is written as rows of the log, in the
 * commit of a tick, and
 * stands for all rows before its own. One that is damaged is left aside: the log says the same.
 */
import { digestOf } from '@convergence/contracts'
import type { Limits } from '@convergence/contracts'
import { afterSnapshot, apply } from './fold.ts'
import type { Account, LedgerRow, Rules, State } from './state.ts'
import { accountOf, emptyState, enqueue, occupy, openAccount } from './state.ts'

const accountsOfOnePart = 2_000
const runsOfOnePart = 5_000
/** A commit is one request to BigQuery, which takes 10 MB. */
const mostCharacters = 8_000_000

interface Part {
  part: number
  parts: number
  /** The smallest seq that any of the runs has a row in. */
  from_seq: number
  served: number
  system_served: number
  accounts: SavedAccount[]
  /** Runs that wait or run, then those whose end may have to be published again. */
  runs: string[]
}
interface SavedAccount {
  tenant_id: string
  version: number
  status: Account['status']
  limits: Limits
  /** Missing in snapshots of older releases. */
  company_name?: string | null
  admin_email?: string | null
  last_day: string | null
  running: number
  served: number
  days: [string, number][]
  months: [string, number][]
}
/** Body of a SNAPSHOT row. */
export interface SnapshotBody {
  digest: string
  saved: Part
}

/**
 * The bodies of the rows that save this state; none when they are too much for one commit (some 18,000 tenants): then a
 * start reads the log.
 */
export const snapshotOf = (state: State): SnapshotBody[] => {
  const accounts = [...state.accounts.values()].map(
    ({ last_day, company_name, admin_email, ...owner }): SavedAccount => ({
      tenant_id: owner.tenant_id,
      version: owner.version,
      status: owner.status,
      limits: owner.limits,
      company_name: company_name ?? null,
      admin_email: admin_email ?? null,
      last_day: last_day ?? null,
      running: owner.running,
      served: owner.served,
      days: [...owner.days],
      months: [...owner.months],
    }),
  )
  const queued = [...state.waiting].flatMap(({ queue }) => queue)
  const open = [...queued, ...state.running.values()]
  const runs = [...new Set([...open.map(({ run_id }) => run_id), ...state.unannounced.keys()])]
  const from_seq = runs.reduce((least, run_id) => Math.min(least, state.runs.get(run_id)?.seq ?? least), state.seq)
  const parts = Math.max(1, Math.ceil(accounts.length / accountsOfOnePart), Math.ceil(runs.length / runsOfOnePart))
  const bodies = Array.from({ length: parts }, (_, part) => {
    const saved: Part = {
      part,
      parts,
      from_seq,
      served: state.served,
      system_served: state.system.served,
      accounts: accounts.slice(part * accountsOfOnePart, (part + 1) * accountsOfOnePart),
      runs: runs.slice(part * runsOfOnePart, (part + 1) * runsOfOnePart),
    }
    return { digest: digestOf(saved), saved }
  })
  return bodies.reduce((total, body) => total + JSON.stringify(body).length, 0) > mostCharacters ? [] : bodies
}

interface Snapshot {
  parts: Part[]
  run_ids: string[]
  from_seq: number
  /** Its last row. */ seq: number
  idx: number
  at: string
}
/**
 * Which rows of which runs `restore` needs, from the SNAPSHOT rows of one commit; when two ticks shared it, the later
 * one counts. Throws when the snapshot is not whole.
 */
export const readSnapshot = (all: readonly LedgerRow[]): Snapshot => {
  const rows = all.slice(all.findLastIndex(({ body }) => (body as Partial<SnapshotBody> | null)?.saved?.part === 0))
  const bodies = rows.map(({ body }) => body as Partial<SnapshotBody> | null)
  const parts = bodies.map((body, k) => {
    const { saved, digest } = body ?? {}
    if (saved === undefined || saved.part !== k || saved.parts !== rows.length || digestOf(saved) !== digest)
      throw new Error(`part ${k} of ${rows.length} is not as it was written`)
    return saved
  })
  const [first, last] = [parts[0], rows.at(-1)]
  if (first === undefined || last === undefined) throw new Error('it has no parts')
  return {
    parts,
    run_ids: parts.flatMap(({ runs }) => runs),
    from_seq: first.from_seq,
    seq: last.seq,
    idx: last.idx,
    at: last.decided_at,
  }
}

/**
 * The state that was saved. `rows`: those of its runs up to the snapshot's commit. Throws when they do not fit
 * together.
 */
export const restore = (
  epoch: string,
  rules: Rules,
  { parts, run_ids, seq, idx, at }: Snapshot,
  rows: readonly LedgerRow[],
): State => {
  const state = emptyState(epoch, rules)
  for (const { tenant_id, days, months, last_day, running: _counted, ...facts } of parts.flatMap(
    ({ accounts }) => accounts,
  )) {
    Object.assign(openAccount(state, tenant_id, facts.limits), {
      ...facts,
      company_name: facts.company_name ?? undefined,
      admin_email: facts.admin_email ?? undefined,
      last_day: last_day ?? undefined,
      days: new Map(days),
      months: new Map(months),
    })
  }
  // Rows behind the snapshot, in the same commit, are of the tail.
  const known = replay(
    epoch,
    rows.filter((row) => row.seq < seq || row.idx < idx),
  )
  for (const run_id of run_ids) {
    const entry = known.runs.get(run_id)
    const owner = entry === undefined ? undefined : accountOf(state, entry.tenant_id)
    if (entry === undefined || owner === undefined) throw new Error(`run ${run_id} is not in the log`)
    state.runs.set(run_id, entry)
    if (entry.phase === 'QUEUED') enqueue(state, owner, entry)
    if (entry.phase === 'RUNNING') {
      state.running.set(run_id, entry)
      occupy(state, entry)
      owner.running += 1
      if (owner !== state.system) state.running_tenants += 1
    }
    const end = known.unannounced.get(run_id)
    if (end !== undefined) state.unannounced.set(run_id, end)
  }
  for (const { tenant_id, running } of parts.flatMap(({ accounts }) => accounts)) {
    const inLog = state.accounts.get(tenant_id)?.running
    if (inLog !== running)
      throw new Error(`tenant ${tenant_id} has ${running} running runs in it, ${inLog ?? 0} in the log`)
  }
  state.system.served = parts[0]?.system_served ?? 0
  state.served = parts[0]?.served ?? 0
  state.seq = seq
  state.idx = idx
  afterSnapshot(state, at)
  return state
}

/**
 * What the rows of some runs, all rows of each, say of them; the limits that they were admitted under do not matter any
 * more.
 */
export const replay = (epoch: string, rows: readonly LedgerRow[]): State => {
  const scratch = emptyState(epoch)
  for (const row of rows.toSorted((a, b) => a.seq - b.seq || a.idx - b.idx)) {
    if (!scratch.accounts.has(row.tenant_id))
      openAccount(scratch, row.tenant_id, { daily: Infinity, monthly: Infinity, concurrent: Infinity })
    apply(scratch, row)
  }
  return scratch
}
