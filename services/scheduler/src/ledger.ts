/**
 * The ledger as its writer sees it: submit a message, get its answer once the decision is durable. Everything that is pending goes into
 * one commit, one commit is in flight, and whoever loses a sequence number reads what the winner wrote and decides again. So any number
 * of replicas is safe, and one is fast.
 */
import type { Outgoing } from '@convergence/bus'
import { AppError } from '@convergence/contracts'
import type { Log } from '@convergence/service'
import type { Row, Warehouse } from '@convergence/warehouse'
import type { Message } from './ledger/decide.ts'
import { decide as realDecide } from './ledger/decide.ts'
import { fold, forget, readRow } from './ledger/fold.ts'
import type { Rules, State } from './ledger/state.ts'
import { defaultRules, emptyState } from './ledger/state.ts'

export interface LedgerDeps {
  warehouse: Pick<Warehouse, 'commit' | 'query'>
  log: Pick<Log, 'info' | 'warn' | 'error'>
  /** Names this ledger: changes when its table is dropped and made again. */
  epoch: string
  rules?: Partial<Rules>
  /** Messages in one commit, at most; default 500. */
  max_group?: number
  /** Tests give wrong ones here and demand that they are caught. */
  decide?: typeof realDecide
}
export interface Ledger {
  /** Resolves with what to publish, once it is durable. Rejects with the message's own AppError, or when the warehouse fails: then nothing was decided. */
  submit(message: Message): Promise<Outgoing[]>
  /** Read-only for callers. */
  readonly state: State
  /** False once a damaged log was met: nothing is decided any more. */
  healthy(): boolean
  /** Waits for what is in flight; refuses what comes later. */
  close(): Promise<void>
}

interface Pending { message: Message; resolve(answer: Outgoing[]): void; reject(error: unknown): void }

/** Reads the whole log of the epoch, then serves. */
export const openLedger = async ({ warehouse, log, epoch, rules, max_group = 500, decide = realDecide }: LedgerDeps): Promise<Ledger> => {
  const state = emptyState(epoch, { ...defaultRules, ...rules })
  const pending: Pending[] = []
  let damage: Error | undefined
  let closed = false
  let pump: Promise<void> | undefined

  const readTail = async (): Promise<void> => {
    for (;;) {
      const rows = await warehouse.query({ query: tailQuery, parameters: [{ name: 'epoch', type: 'STRING', value: epoch }, { name: 'seq', type: 'INT64', value: state.seq }, { name: 'idx', type: 'INT64', value: state.idx }, { name: 'rows', type: 'INT64', value: pageRows }], default_dataset: 'tenants' }, { max_rows: pageRows })
      guarded(() => fold(state, rows.map(readRow)))
      if (rows.length < pageRows) return
    }
  }
  const guarded = (change: () => void): void => {
    try {
      change()
    } catch (error) {
      damage = error instanceof Error ? error : new Error(String(error))
      log.error({ epoch, seq: state.seq, err: damage.message }, 'run_ledger is damaged; nothing is decided until it is repaired')
      throw damage
    }
  }

  const serve = async (group: Pending[]): Promise<void> => {
    for (;;) {
      if (damage !== undefined) throw damage
      const { rows, answers } = decide(state, group.map(({ message }) => message))
      if (rows.length > 0) {
        const seq = state.seq + 1
        const result = await warehouse.commit('run_ledger', { epoch, shard: 0, seq }, rows as unknown as Row[])
        if (result === 'conflict') {
          log.warn({ epoch, seq }, 'another replica took this seq; reading its rows and deciding again')
          await readTail()
          if (state.seq < seq) throw new AppError('UNAVAILABLE', `run_ledger seq ${seq} is taken and its rows are not there yet; the message comes again`)
          continue
        }
        guarded(() => fold(state, rows))
      } else if (answers.some((answer) => answer instanceof AppError || answer.length === 0)) {
        // "Nothing to do" is only true of what is in memory: no commit compared it. Another replica may have admitted the run whose end this is,
        // and acknowledging that end would lose it. So look once more. (Found by the model: two replicas, one of them a commit behind.)
        const { seq, idx } = state
        await readTail()
        if (state.seq !== seq || state.idx !== idx) continue
      }
      group.forEach(({ message, resolve, reject }, k) => {
        if (message.kind === 'tick') forget(state, message.at)
        const answer = answers[k]
        if (answer === undefined || answer instanceof AppError) reject(answer ?? new Error('decide gave fewer answers than messages'))
        else resolve(answer)
      })
      return
    }
  }
  const run = async (): Promise<void> => {
    while (pending.length > 0) {
      const group = pending.splice(0, max_group)
      // Whoever waits gives its message back, and the next delivery decides: from the log, not from a guess at what the failed call did.
      await serve(group).catch((error: unknown) => group.forEach(({ reject }) => reject(error)))
    }
    pump = undefined
  }

  await readTail()
  log.info({ epoch, seq: state.seq, runs: state.runs.size, running: state.running.size }, 'ledger read')
  return {
    state,
    submit: (message) => new Promise((resolve, reject) => {
      if (closed || damage !== undefined) return reject(damage ?? new AppError('UNAVAILABLE', 'the scheduler is stopping; the message comes again'))
      pending.push({ message, resolve, reject })
      // Started in a microtask: what one batch of deliveries submits together is decided together.
      pump ??= Promise.resolve().then(run)
    }),
    healthy: () => damage === undefined,
    close: async () => {
      closed = true
      await pump
    },
  }
}

/** Rows of one read of the log. */
const pageRows = 50_000

/**
 * Bodies of ADMIT and QUEUE rows are the runs: of runs that have ended they are not needed, and they are most of the bytes. The table is clustered by epoch and
 * seq, so that the look for new rows, each minute, reads the newest blocks and not the whole log; a RELEASE comes after what it releases.
 */
const tailQuery = `
SELECT l.epoch, l.shard, l.seq, l.idx, l.kind, l.tenant_id, l.run_id, l.pipeline, l.period_day, l.period_month, l.digest, l.outcome, l.reason, l.message, l.priority, l.decided_at,
  IF(e.run_id IS NULL OR l.kind NOT IN ('ADMIT', 'QUEUE'), l.body, NULL) AS body
FROM run_ledger AS l
LEFT JOIN (SELECT DISTINCT run_id FROM run_ledger WHERE epoch = @epoch AND seq >= @seq AND kind = 'RELEASE') AS e ON e.run_id = l.run_id
WHERE l.epoch = @epoch AND l.shard = 0 AND l.seq >= @seq AND (l.seq > @seq OR (l.seq = @seq AND l.idx > @idx))
ORDER BY l.seq, l.idx
LIMIT @rows`
