/**
 * The ledger as its writer sees it: submit a message, get its answer once the decision is durable. Everything that is
 * pending goes into one commit, one commit is in flight, and whoever loses a sequence number reads what the winner
 * wrote and decides again. So any number of replicas is safe, and one is fast.
 */
import type { Outgoing } from '@convergence/bus'
import { AppError, isRetryable } from '@convergence/contracts'
import type { Log } from '@convergence/service'
import type { Row, Warehouse } from '@convergence/warehouse'
import type { Message } from './ledger/decide.ts'
import { decide as realDecide } from './ledger/decide.ts'
import { fold, forget, memoryMs } from './ledger/fold.ts'
import { archiveAll, archivedAt } from './ledger/archive.ts'
import { readSnapshot, replay, restore } from './ledger/snapshot.ts'
import type { LedgerTable } from './ledger/table.ts'
import type { LedgerRow, Rules, RunEntry, State } from './ledger/state.ts'
import { defaultRules, emptyState } from './ledger/state.ts'
import { openMeasures, type Measures } from './measures.ts'

export interface LedgerDeps {
  warehouse: Pick<Warehouse, 'commit'>
  table: LedgerTable
  log: Pick<Log, 'info' | 'warn' | 'error'>
  /** Names this ledger: changes when its table is dropped and made again. */
  epoch: string
  rules?: Partial<Rules> | undefined
  /** Messages in one commit, at most; default 500. */
  max_group?: number
  /** Tests give wrong ones here and demand that they are caught. */
  decide?: typeof realDecide
}
export interface Ledger {
  /**
   * Resolves with what to publish, once it is durable. Rejects with the message's own AppError, or when the warehouse
   * fails: then nothing was decided.
   */
  submit(message: Message): Promise<Outgoing[]>
  /** Runs that ended before the last snapshot, of which `state` has only numbers; read from the log. */
  past(run_ids: readonly string[]): Promise<ReadonlyMap<string, RunEntry>>
  /** Read-only for callers. */
  readonly state: State
  /** False once a damaged log was met: nothing is decided any more. */
  healthy(): boolean
  /** Waits for what is in flight; refuses what comes later. */
  close(): Promise<void>
}

interface Pending {
  message: Message
  resolve(answer: Outgoing[]): void
  reject(error: unknown): void
}

/** What an open ledger keeps, handed to the functions of each subject. */
interface LedgerContext {
  readonly warehouse: LedgerDeps['warehouse']
  readonly table: LedgerTable
  readonly log: LedgerDeps['log']
  readonly epoch: string
  readonly maxGroup: number
  readonly decide: typeof realDecide
  readonly measures: Measures
  readonly state: State
  readonly pending: Pending[]
  damage: Error | undefined
  closed: boolean
  pump: Promise<void> | undefined
}

/** Reads the newest snapshot and what came after it, then serves. */
export const openLedger = async ({
  warehouse,
  table,
  log,
  epoch,
  rules,
  max_group = 500,
  decide = realDecide,
}: LedgerDeps): Promise<Ledger> => {
  const measures = openMeasures()
  const state = await readSaved({ table, log, epoch, rules: { ...defaultRules, ...rules } })
  const ledger: LedgerContext = {
    warehouse,
    table,
    log,
    epoch,
    maxGroup: max_group,
    decide,
    measures,
    state,
    pending: [],
    damage: undefined,
    closed: false,
    pump: undefined,
  }
  const snapshot_seq = state.seq
  await readTail(ledger)
  log.info({ epoch, seq: state.seq, snapshot_seq, runs: state.runs.size, running: state.running.size }, 'ledger read')
  return {
    state,
    submit: (message) => submit(ledger, message),
    past: (run_ids) => past(ledger, run_ids),
    healthy: () => ledger.damage === undefined,
    close: async () => {
      ledger.closed = true
      await ledger.pump
    },
  }
}

// ---- reading the log

/** The log says all that a snapshot says, only longer: so nothing about a snapshot is worth stopping for. */
const readSaved = async ({
  table,
  log,
  epoch,
  rules,
}: Pick<LedgerContext, 'table' | 'log' | 'epoch'> & { rules: Rules }): Promise<State> => {
  const rows = await table.snapshot()
  if (rows.length === 0) return emptyState(epoch, rules)
  let from: State
  try {
    const snapshot = readSnapshot(rows)
    from = restore(
      epoch,
      rules,
      snapshot,
      await table.ofRuns(snapshot.run_ids, { from_seq: snapshot.from_seq, to_seq: snapshot.seq }),
    )
  } catch (error) {
    if (error instanceof AppError) throw error
    log.warn(
      { epoch, seq: rows[0]?.seq, err: error instanceof Error ? error.message : String(error) },
      'the snapshot in run_ledger cannot be used; reading the whole log',
    )
    return emptyState(epoch, rules)
  }
  const since = new Date(Date.parse(rows[0]?.decided_at ?? '') - memoryMs).toISOString()
  for (const { digits, ...day } of await table.ended({ seq: from.seq, since })) archiveAll(from.archive, digits, day)
  return from
}

const readTail = async (ledger: LedgerContext): Promise<void> => {
  const { state, table } = ledger
  for (let more = true; more;) {
    const page = await table.after({ seq: state.seq, idx: state.idx })
    foldOrDamage(ledger, page.rows)
    more = page.more
  }
}

/** Of runs that ended before the last snapshot only numbers are in memory: who is asked about is read again. */
const recall = async (ledger: LedgerContext, messages: readonly Message[]): Promise<void> => {
  for (const [run_id, entry] of await past(ledger, messages.flatMap(runOf))) ledger.state.runs.set(run_id, entry)
}
const past = async (
  { state, table, epoch }: LedgerContext,
  run_ids: readonly string[],
): Promise<ReadonlyMap<string, RunEntry>> => {
  const wanted: string[] = []
  let [from_seq, to_seq] = [Infinity, 0]
  for (const run_id of run_ids) {
    const place = state.runs.has(run_id) ? undefined : archivedAt(state.archive, run_id)
    if (place === undefined) continue
    wanted.push(run_id)
    from_seq = Math.min(from_seq, place.from_seq)
    to_seq = Math.max(to_seq, place.to_seq)
  }
  return wanted.length === 0 ? new Map() : replay(epoch, await table.ofRuns(wanted, { from_seq, to_seq })).runs
}

/** Takes rows into the state; a log that contradicts itself stops the ledger for good. */
const foldOrDamage = (ledger: LedgerContext, rows: readonly LedgerRow[]): void => {
  const { state, log, epoch } = ledger
  try {
    fold(state, rows)
  } catch (error) {
    ledger.damage = error instanceof Error ? error : new Error(String(error))
    log.error(
      { epoch, seq: state.seq, err: ledger.damage.message },
      'run_ledger is damaged; nothing is decided until it is repaired',
    )
    throw ledger.damage
  }
}

// ---- deciding and committing

const submit = (ledger: LedgerContext, message: Message): Promise<Outgoing[]> =>
  new Promise((resolve, reject) => {
    if (ledger.closed || ledger.damage !== undefined) {
      reject(ledger.damage ?? new AppError('UNAVAILABLE', 'the scheduler is stopping; the message comes again'))
      return
    }
    ledger.pending.push({ message, resolve, reject })
    // Started in a microtask: what one batch of deliveries submits together is decided together.
    ledger.pump ??= Promise.resolve().then(() => decidePending(ledger))
  })

const decidePending = async (ledger: LedgerContext): Promise<void> => {
  while (ledger.pending.length > 0) await decideInHalves(ledger, ledger.pending.splice(0, ledger.maxGroup))
  ledger.pump = undefined
}

/** A commit that the warehouse does not take, for its size or a row of it, is made of fewer messages. */
const decideInHalves = async (ledger: LedgerContext, group: Pending[]): Promise<void> => {
  const { log, epoch } = ledger
  try {
    await decideGroup(ledger, group)
  } catch (error) {
    const code = error instanceof AppError ? error.code : undefined
    if (group.length > 1 && (code === 'RESOURCE_EXHAUSTED' || code === 'QUERY_INVALID')) {
      log.warn(
        { epoch, messages: group.length, err: (error as AppError).message },
        'a commit was refused; deciding half as many messages at a time',
      )
      const half = Math.ceil(group.length / 2)
      await decideInHalves(ledger, group.slice(0, half))
      await decideInHalves(ledger, group.slice(half))
      return
    }
    // Whoever waits gives its message back, and the next delivery decides: from the log, not from a guess at what the
    // failed call did. A commit that is refused for good is no fault of the messages in it: none of them goes to the
    // dead letters for it.
    if (!isRetryable(error))
      log.error({ epoch, err: String(error) }, 'the ledger cannot be written; messages are nacked until it can')
    const failure = isRetryable(error)
      ? error
      : new AppError('UNAVAILABLE', `the ledger cannot be written: ${(error as AppError).message}`, { cause: error })
    for (const { reject } of group) reject(failure)
  }
}

/** Decides until its decision is durable, or nothing is left to decide; then answers each message. */
const decideGroup = async (ledger: LedgerContext, group: Pending[]): Promise<void> => {
  const { state, decide } = ledger
  const messages = group.map(({ message }) => message)
  for (;;) {
    if (ledger.damage !== undefined) throw ledger.damage
    await recall(ledger, messages)
    const { rows, answers } = decide(state, messages)
    if (rows.length > 0) {
      if (!(await commit(ledger, rows))) continue
    } else if (answers.some((answer) => answer instanceof AppError || answer.length === 0)) {
      // "Nothing to do" is only true of what is in memory: no commit compared it. Another replica may have admitted
      // the run whose end this is, and acknowledging that end would lose it. So look once more. (Found by the model:
      // two replicas, one of them a commit behind.)
      const { seq, idx } = state
      await readTail(ledger)
      if (state.seq !== seq || state.idx !== idx) continue
    }
    group.forEach(({ message, resolve, reject }, k) => {
      if (message.kind === 'tick') forget(state, message.at)
      const answer = answers[k]
      if (answer === undefined || answer instanceof AppError)
        reject(answer ?? new Error('decide gave fewer answers than messages'))
      else resolve(answer)
    })
    return
  }
}

/** False when another replica was first: its rows are read then, and the group is decided again. */
const commit = async (ledger: LedgerContext, rows: LedgerRow[]): Promise<boolean> => {
  const { state, warehouse, log, epoch, measures } = ledger
  const seq = state.seq + 1
  const began = performance.now()
  const result = await warehouse.commit('run_ledger', { epoch, shard: 0, seq }, rows as unknown as Row[])
  measures.commit((performance.now() - began) / 1000, result)
  if (result === 'conflict') {
    log.warn({ epoch, seq }, 'another replica took this seq; reading its rows and deciding again')
    await readTail(ledger)
    if (state.seq < seq)
      throw new AppError(
        'UNAVAILABLE',
        `run_ledger seq ${seq} is taken and its rows are not there yet; the message comes again`,
      )
    return false
  }
  measures.decided(rows, state)
  foldOrDamage(ledger, rows)
  return true
}

const runOf = (message: Message): string[] => {
  switch (message.kind) {
    case 'request':
      return [message.run.run_id, ...(message.run.parent_run_id === undefined ? [] : [message.run.parent_run_id])]
    case 'ended':
      return [message.event.run.run_id]
    case 'cancel':
    case 'poison':
      return [message.run_id]
    case 'tenant':
    case 'tick':
      return []
  }
}
