/** What the tests of the ledger share: runs, messages, and a ledger in memory. */
import type { Outgoing } from '@convergence/bus'
import { AppError, requestDigest, runId } from '@convergence/contracts'
import type { Run, StepCompleted, TenantChanged } from '@convergence/contracts'
import type { Message } from '../src/ledger/decide.ts'
import { decide } from '../src/ledger/decide.ts'
import { fold } from '../src/ledger/fold.ts'
import type { LedgerRow, Rules, State } from '../src/ledger/state.ts'
import { defaultRules, emptyState } from '../src/ledger/state.ts'
import { rememberedDigits } from '../src/ledger/archive.ts'
import type { LedgerTable } from '../src/ledger/table.ts'

export const at = (minute: number, day = '2026-03-10'): string =>
  new Date(Date.parse(`${day}T08:00:00.000Z`) + minute * 60_000).toISOString()

export const makeRun = (key: string, options: Partial<Run> & { steps_count?: number } = {}): Run => {
  const { steps_count = 2, ...given } = options
  const tenant_id = given.tenant_id ?? 'acme'
  return {
    run_id: runId(tenant_id, key),
    tenant_id,
    pipeline: 'custom/bench/three_steps',
    pipeline_id: 'bench',
    trigger_type: 'api',
    parameters: {},
    priority: 5,
    requested_at: at(0),
    sources: [],
    notifications: [],
    steps: Array.from({ length: steps_count }, (_, k) => ({
      step_id: `s${k}`,
      name: `step ${k}`,
      ps_type: 'custom.noop',
      host: 'executor',
      timeout_minutes: 10,
      retry_policy: { max_retries: 3, retry_delay_seconds: 1 },
      config: {},
    })),
    ...given,
  }
}
export const request = (
  key: string,
  options: Parameters<typeof makeRun>[1] = {},
  time = at(0),
): Message & { kind: 'request' } => {
  const run = makeRun(key, { requested_at: time, ...options })
  return { kind: 'request', run, digest: requestDigest(run), at: time }
}
export const ended = (run: Run, options: Partial<StepCompleted> = {}, time = at(1)): Message => ({
  kind: 'ended',
  at: time,
  event: {
    run,
    step_id: 's1',
    attempt: 0,
    conclusion: 'SUCCEEDED',
    started_at: time,
    ended_at: time,
    duration_ms: 0,
    next: [],
    ...options,
  },
})
export const tenant = (
  tenant_id: string,
  limits: Partial<TenantChanged['limits']> = {},
  options: Partial<TenantChanged> = {},
  time = at(0),
): Message => ({
  kind: 'tenant',
  at: time,
  event: {
    tenant_id,
    version: 1,
    status: 'ACTIVE',
    plan: 'STARTER',
    limits: { daily: 100, monthly: 1000, concurrent: 2, ...limits },
    ...options,
  },
})

/** What the table answers, from rows in memory. */
export const tableOf = (log: readonly LedgerRow[], epoch = 'e1'): LedgerTable => {
  const rows = (is: (row: LedgerRow) => boolean) =>
    Promise.resolve(
      structuredClone(
        log.filter((row) => row.epoch === epoch && is(row)).sort((a, b) => a.seq - b.seq || a.idx - b.idx),
      ),
    )
  return {
    after: async ({ seq, idx }) => ({
      rows: await rows((row) => row.seq > seq || (row.seq === seq && row.idx > idx)),
      more: false,
    }),
    snapshot: async () => {
      const all = await rows(({ kind }) => kind === 'SNAPSHOT')
      return all.filter(({ seq }) => seq === all.at(-1)?.seq)
    },
    ofRuns: (run_ids, { from_seq, to_seq }) =>
      rows(({ run_id, seq }) => seq >= from_seq && seq <= to_seq && run_id !== null && run_ids.includes(run_id)),
    ended: async ({ seq: last, since }) => {
      const known = await rows(({ seq, decided_at }) => seq <= last && decided_at >= since)
      return known
        .filter(
          ({ kind, run_id }) =>
            (kind === 'RELEASE' || kind === 'REJECT') &&
            known.some((row) => row.run_id === run_id && row.digest !== null),
        )
        .map(({ run_id, decided_at, seq }) => ({
          day: decided_at.slice(0, 10),
          from_seq: Math.min(...known.filter((row) => row.run_id === run_id).map((row) => row.seq)),
          to_seq: seq,
          digits: (run_id ?? '').slice(2, 2 + rememberedDigits),
        }))
    },
  }
}

export interface World {
  state: State
  log: LedgerRow[]
  /** Decides and commits one group; answers by message. */
  group(...messages: Message[]): (Outgoing[] | AppError)[]
  /** One message; throws its error. */
  send(message: Message): Outgoing[]
  kinds(): string[]
}
export const setup = (...first: Message[]): World => setupWith({}, ...first)
export const setupWith = (rules: Partial<Rules>, ...first: Message[]): World => {
  const state = emptyState('e1', { ...defaultRules, ...rules })
  const log: LedgerRow[] = []
  const group = (...messages: Message[]) => {
    const { rows, answers } = decide(state, messages)
    fold(state, rows)
    log.push(...rows)
    return answers
  }
  const world: World = {
    state,
    log,
    group,
    kinds: () => log.map(({ kind }) => kind),
    send: (message) => {
      const [answer] = group(message)
      if (answer === undefined || answer instanceof AppError) throw answer ?? new Error('no answer')
      return answer
    },
  }
  for (const message of first) world.send(message)
  log.length = 0
  return world
}

export const summaryOf = (answers: readonly Outgoing[]): string[] =>
  answers.map(({ topic, event }) => {
    const body = event as { run?: Run; status?: string; error?: { code: string } }
    return [topic, body.status, body.error?.code].filter((part) => part !== undefined).join(' ')
  })
/** The run of the first event. */
export const runOf = (answers: readonly Outgoing[]): Run => {
  const run = (answers[0]?.event as { run?: Run } | undefined)?.run
  if (run === undefined) throw new Error('no event with a run')
  return run
}
