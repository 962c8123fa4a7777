/**
 * The model that the core is checked in: the real decide, fold, commit loop, commit and chain walk run here, several
 * processes of them, over a
 * warehouse and a bus whose every call is a promise. A seeded scheduler resolves one at a time. So one seed is one
 * interleaving, with crashes
 * (a dead process' promises are never resolved), requests that get lost or arrive late, replies that get lost after
 * execution, jobs
 * that fail, messages that come twice, in any order, or again while their owner still works. Of BigQuery it assumes two
 * things: a job id is
 * taken once, and a job takes effect at once or never.
 */
import type { Outgoing } from '@convergence/bus'
import { AppError, canonicalJson, requestDigest, runId } from '@convergence/contracts'
import type { NextStep, Run, StepCompleted } from '@convergence/contracts'
import { aboutToStart, afterStep, nextSteps, readySteps, type Following, type Recorded } from '@convergence/pipeline'
import type { Job, Jobs, Row } from '@convergence/warehouse'
import { commitRows, walkChain } from '@convergence/warehouse'
import { openFollowers } from '../src/followers.ts'
import type { Message } from '../src/ledger/decide.ts'
import { fold, stateHash } from '../src/ledger/fold.ts'
import type { LedgerRow } from '../src/ledger/state.ts'
import { emptyState } from '../src/ledger/state.ts'
import type { Ledger } from '../src/ledger.ts'
import { openLedger } from '../src/ledger.ts'
import { makeRun, tableOf } from './world.ts'

/** Ways to be wrong. Each must be caught. */
export type Mutant =
  | 'job id not unique'
  | 'random id instead of seq'
  | 'known run ids not folded'
  | 'effect without attempt chain'
  | 'give up on an id whose job failed'
  | 'nothing to do, by stale memory'
  | 'no sweeper and outbox'
  | 'ack before publish'
  | 'decide on stale memory'
  | '409 taken for mine'
  | 'read before record'
  | 'ended runs not recalled'
  | 'ended runs not remembered'
  | 'next attempt before the first is known to have failed'
  | 'what follows is named by the delivery'
  | 'conditions asked of what one process remembers'
  | 'a failed branch ends the run at once'
  | 'what cleans up hides the failure'

export interface Report {
  seed: number
  failure: string | undefined
  steps: number
  kills: number
  faults: number
  snapshots: number
  outcomes: Record<string, number>
  journal: string[]
}

interface Incarnation {
  name: string
  kind: 'scheduler' | 'executor'
  alive: boolean
  ledger: Ledger | undefined
  conflicted: boolean
}
interface Call {
  owner: Incarnation | undefined
  label: string
  ready(): boolean
  /** Executes and answers. */ go(): void
  faulty: boolean
  execute?(): void
  fail?(error: Error): void
}
interface Envelope {
  id: number
  subscription: 'scheduler' | 'executor'
  topic: string
  event: unknown
  at: string
  acked: boolean
  owner: Incarnation | undefined
  deliveries: number
}
interface StepEffect {
  run_id: string
  step_id: string
}
type Effect = { rows: readonly Row[] } | StepEffect
interface ModelJob {
  job: Job
  effect: Effect
  permanent: boolean
}

const random = (seed: number): (() => number) => {
  let state = (seed * 2654435761) >>> 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

const limits = { acme: { daily: 5, monthly: 8, concurrent: 2 }, globex: { daily: 3, monthly: 100, concurrent: 1 } }
type TenantId = keyof typeof limits

/** Runs one seed to its end and says what it broke, if anything. */
export const check = async (seed: number, mutants: readonly Mutant[] = []): Promise<Report> => {
  const roll = random(seed)
  const chance = (p: number) => roll() < p
  const pick = <T>(list: readonly T[]): T => list[Math.floor(roll() * list.length)]!
  const is = (mutant: Mutant) => mutants.includes(mutant)

  const journal: string[] = []
  const note = (line: string) => {
    journal.push(line)
  }
  let failure: string | undefined
  const broken = (why: string) => {
    failure ??= why
  }
  let kills = 0
  let faults = 0
  let quiet = false
  let clock = Date.parse('2026-01-31T23:30:00.000Z')
  const now = () => new Date(clock).toISOString()

  // ---- calls: promises that wait to be resolved
  const calls: Call[] = []
  const call = <T>(
    owner: Incarnation,
    label: string,
    execute: () => T,
    options: { ready?: () => boolean; faulty?: boolean } = {},
  ): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      calls.push({
        owner,
        label,
        ready: options.ready ?? (() => true),
        faulty: options.faulty ?? true,
        go: () => {
          try {
            resolve(execute())
          } catch (error) {
            reject(error instanceof Error ? error : new Error(String(error)))
          }
        },
        execute: () => {
          execute()
        },
        fail: reject,
      })
    })

  // ---- the warehouse
  const jobs = new Map<string, ModelJob>()
  const log: LedgerRow[] = []
  const effects = new Map<string, number>()
  let copies = 0
  const finish = (id: string, entry: ModelJob) => {
    if (entry.job.state === 'DONE') return
    if (entry.permanent)
      entry.job = {
        ...entry.job,
        state: 'DONE',
        error: { code: 'QUERY_INVALID', message: 'invalidQuery', retryable: false },
      }
    else if (!quiet && chance(0.12))
      entry.job = {
        ...entry.job,
        state: 'DONE',
        error: { code: 'JOB_FAILED', message: 'backendError', retryable: true },
      }
    else {
      entry.job = { ...entry.job, state: 'DONE', rows_written: 1 }
      if ('rows' in entry.effect) log.push(...(structuredClone(entry.effect.rows) as unknown as LedgerRow[]))
      else {
        const key = `${entry.effect.run_id}/${entry.effect.step_id}`
        effects.set(key, (effects.get(key) ?? 0) + 1)
      }
    }
    note(`job ${id} DONE ${entry.job.error?.code ?? ''}`)
  }
  const jobsOf = (owner: Incarnation): Jobs<Effect> => {
    const insertNow = (id: string, effect: Effect, labels: Readonly<Record<string, string>>): Job | 'exists' => {
      if (jobs.has(id) && !is('job id not unique')) return 'exists'
      const job: Job = { job_id: id, state: 'RUNNING', labels: { ...labels }, rows_written: 0, bytes_processed: 0 }
      const before = jobs.get(id)
      // A warehouse whose ids are not unique runs both.
      if (before !== undefined) jobs.set(`${id}~${(copies += 1)}`, before)
      jobs.set(id, { job, effect, permanent: 'run_id' in effect && effect.step_id === 'bad' })
      return { ...job }
    }
    const seen = (job: Job, mine?: string): Job => ({
      ...job,
      labels: is('409 taken for mine') && mine !== undefined ? { ...job.labels, payload: mine } : job.labels,
      ...(is('give up on an id whose job failed') ? { error: undefined } : {}),
    })
    let digest: string | undefined
    return {
      insert: (id, effect, labels) => {
        digest = labels['payload']
        return call(owner, `insert ${id}`, () => insertNow(id, effect, labels))
      },
      get: (id) =>
        call(owner, `get ${id}`, () => {
          const entry = jobs.get(id)
          return entry === undefined ? undefined : seen(entry.job, digest)
        }),
      wait: (id) =>
        call(
          owner,
          `wait ${id}`,
          () => {
            const entry = jobs.get(id)
            if (entry === undefined) throw new AppError('NOT_FOUND', `job ${id}`)
            return seen(entry.job, digest)
          },
          {
            ready: () =>
              jobs.get(id)?.job.state !== 'RUNNING' || is('next attempt before the first is known to have failed'),
          },
        ),
      cancel: () => Promise.resolve(),
    }
  }

  // ---- the bus
  const envelopes: Envelope[] = []
  const published: Outgoing[] = []
  const publishNow = (events: readonly Outgoing[]) => {
    for (const { topic, event } of events) {
      published.push({ topic, event } as Outgoing)
      const last = topic === 'step-completed' && event.next?.length === 0
      const subscription =
        topic === 'run-admitted' || (topic === 'step-completed' && !last)
          ? 'executor'
          : topic === 'run-completed' || topic === 'run-failed'
            ? undefined
            : 'scheduler'
      if (subscription === undefined) continue
      for (let copy = 0; copy < (!quiet && chance(0.1) ? 2 : 1); copy += 1) {
        envelopes.push({
          id: envelopes.length,
          subscription,
          topic,
          event: structuredClone(event),
          at: now(),
          acked: false,
          owner: undefined,
          deliveries: 0,
        })
      }
    }
  }
  const deliver = (owner: Incarnation, envelope: Envelope) => {
    envelope.owner = owner
    envelope.deliveries += 1
    note(`deliver #${envelope.id} ${envelope.topic} to ${owner.name}`)
    const mine = () => envelope.owner === owner
    const work = async () => {
      const answers = await (owner.kind === 'scheduler' ? onScheduler(owner, envelope) : onExecutor(owner, envelope))
      const ack = () =>
        call(owner, `ack #${envelope.id}`, () => {
          if (!mine()) return // a stale ack is refused
          envelope.acked = true
          // Acknowledged means recorded.
          const run_id = (envelope.event as { run?: Run }).run?.run_id
          if (owner.kind !== 'scheduler' || run_id === undefined) return
          if (envelope.topic === 'step-completed' && !terminal.has(original(run_id)))
            broken(`the end of run ${run_id} was acknowledged and is not in the log`)
          if (
            envelope.topic === 'run-requested' &&
            !log.some((row) => row.run_id !== null && original(row.run_id) === run_id)
          )
            broken(`the request for run ${run_id} was acknowledged and is not in the log`)
        })
      const publish = () =>
        answers.length === 0
          ? Promise.resolve()
          : call(owner, `publish ${answers.map(({ topic }) => topic).join(' ')}`, () => {
              publishNow(answers)
            })
      if (is('ack before publish')) {
        await ack()
        await publish()
      } else {
        await publish()
        await ack()
      }
    }
    work().catch((error: unknown) => {
      note(`nack #${envelope.id} ${error instanceof Error ? error.message : ''}`)
      if (/run_ledger epoch/.test(String(error))) broken(String(error))
      if (mine()) envelope.owner = undefined
    })
  }

  // ---- the processes
  const onScheduler = async (owner: Incarnation, { topic, event, at }: Envelope): Promise<Outgoing[]> => {
    const { ledger } = owner
    if (ledger === undefined) throw new Error('not started')
    if (topic === 'run-requested') {
      const { run } = event as { run: Run }
      // The mutant takes each further delivery for a run of its own, as if no id were known.
      const taken =
        is('known run ids not folded') && log.some(({ run_id }) => run_id === run.run_id)
          ? { ...run, run_id: `${run.run_id}~${(copies += 1)}` }
          : run
      return ledger.submit({ kind: 'request', run: { ...taken, requested_at: at }, digest: requestDigest(run), at })
    }
    if (topic === 'step-completed') {
      const told = await ledger.submit({ kind: 'ended', event: event as StepCompleted, at })
      const follow = openFollowers({ ledger, pipelines: { followersOf, datedParameters: (_path, given) => given } })
      return [...told, ...follow(told, event as StepCompleted, at).map(asRun)]
    }
    return ledger.submit({ ...(event as Message), at })
  }
  /** Two of the runs are followed by one each. */
  const followersOf = ({ run_id, tenant_id }: Pick<Run, 'run_id' | 'tenant_id'>): Following[] => {
    if (!requests.slice(0, 2).some(({ run }) => run.run_id === original(run_id))) return []
    const copy = is('what follows is named by the delivery') ? `:${(copies += 1)}` : ''
    const idempotency_key = `after:${original(run_id)}${copy}`
    const parameters = { of: original(run_id) }
    return [{ run_id: runId(tenant_id, idempotency_key), idempotency_key, pipeline: 'focus/cost/aws', parameters }]
  }
  /** A request as it travels here; known from the first on. */
  const asRun = ({ event, idempotency_key = '' }: Outgoing): Outgoing => {
    const { tenant_id, pipeline, parameters, parent_run_id } = event as Run
    const more = parent_run_id === undefined ? {} : { parent_run_id: original(parent_run_id) }
    const run = makeRun(idempotency_key, {
      ...{ tenant_id, pipeline, parameters, ...more },
      ...{ trigger_type: 'after', steps_count: 1 },
    })
    for (const step of run.steps) step.timeout_minutes = 1
    if (!requests.some((known) => known.run.run_id === run.run_id))
      requests.push({ tenant_id: tenant_id as TenantId, run })
    return { topic: 'run-requested', event: { run, tenant_id } as never }
  }
  const onExecutor = async (owner: Incarnation, { event, topic }: Envelope): Promise<Outgoing[]> => {
    const { run, next } = event as { run: Run; next?: NextStep[] }
    const answers: Outgoing[] = []
    if (next === undefined) return join(owner, event as StepCompleted)
    for (const { step_id, skip } of next) {
      const chain = {
        run_id: is('effect without attempt chain') ? `${run.run_id}~${(copies += 1)}` : run.run_id,
        step_id,
        tenant_id: run.tenant_id,
        max_retries: 20,
        retry_delay_seconds: 1,
      }
      let conclusion: StepCompleted['conclusion'] = 'SUCCEEDED'
      let fault: StepCompleted['error']
      const about = aboutToStart(
        asSeen(owner, run),
        run.steps.find((step) => step.step_id === step_id)!,
        skip,
      )
      const work = () =>
        walkChain(
          jobsOf(owner),
          chain,
          { run_id: original(run.run_id), step_id },
          { random: roll, sleep: () => call(owner, 'sleep', () => undefined, { faulty: false }) },
        )
      try {
        if ('step' in about) await work()
        else conclusion = 'skipped' in about ? 'SKIPPED' : 'FAILED'
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== 'QUERY_INVALID') throw error
        conclusion = 'FAILED'
        fault = { code: error.code, message: 'invalidQuery' }
      }
      const following = nextSteps(run, step_id, conclusion)
      answers.push({
        topic: 'step-completed',
        event: {
          run: afterStep(run, { step_id, error: fault, next: following, warnings: undefined }),
          step_id,
          attempt: 0,
          conclusion,
          started_at: now(),
          ended_at: now(),
          duration_ms: 0,
          ...(following === undefined ? {} : { next: following }),
          ...(fault === undefined ? {} : { error: fault }),
        },
      })
    }
    if (next.length === 0) throw new Error(`${topic} without next at the executor`)
    return answers
  }
  /** A run with depends_on: record first, read second, then say what follows. */
  const records = new Map<string, Map<string, StepCompleted>>()
  /** The mutant: what a process has met of a run, and not what the message says. */
  const met = new Map<Incarnation, Map<string, NonNullable<Run['results']>>>()
  const asSeen = (owner: Incarnation, run: Run): Run => {
    if (!is('conditions asked of what one process remembers')) return run
    return { ...run, results: { left: { status: 'NOT_RUN', outputs: {} }, ...met.get(owner)?.get(run.run_id) } }
  }
  const join = async (owner: Incarnation, event: StepCompleted): Promise<Outgoing[]> => {
    const { run, step_id, conclusion } = event
    const record = () =>
      call(owner, `record ${step_id}`, () => {
        const before = records.get(run.run_id)
        if (before?.has(step_id) !== true) records.set(run.run_id, new Map(before).set(step_id, event))
      })
    const of = met.get(owner) ?? new Map<string, NonNullable<Run['results']>>()
    met.set(owner, of.set(run.run_id, { ...of.get(run.run_id), [step_id]: { status: conclusion, outputs: {} } }))
    if (!is('read before record')) await record()
    const recorded: Recorded = await call(owner, 'read the record', () => new Map(records.get(run.run_id)))
    if (is('read before record')) await record()
    const known = recorded.has(step_id) ? recorded : new Map([...recorded, [step_id, event]])
    const { next, ended, run: seen } = readySteps(run, known, step_id)
    if (is('a failed branch ends the run at once') && conclusion === 'FAILED')
      return [{ topic: 'step-completed', event: { ...event, next: [] } }]
    const { failed, ...unmarked } = seen
    const shown = is('what cleans up hides the failure') || failed === undefined ? unmarked : { ...unmarked, failed }
    return next.length === 0 && !ended ? [] : [{ topic: 'step-completed', event: { ...event, run: shown, next } }]
  }

  // Every other seed saves its state all the time: then nearly each start begins with a snapshot, and most messages
  // that come again are about the past.
  const snapshot_rows = seed % 2 === 0 ? 4 : 1_000_000
  const table = tableOf(log)
  const nothing = Promise.resolve({ rows: [], more: false })
  const processes: Incarnation[] = []
  const start = (name: string, kind: Incarnation['kind']) => {
    const owner: Incarnation = { name, kind, alive: true, ledger: undefined, conflicted: false }
    processes.push(owner)
    if (kind === 'executor') return
    const silence = () => undefined
    const ask = <T>(label: string, execute: () => Promise<T>): Promise<T> =>
      call(owner, label, execute).then((answer) => answer)
    openLedger({
      epoch: 'e1',
      rules: { snapshot_rows },
      log: {
        info: silence,
        warn: silence,
        error: (_fields, message) => {
          note(message)
        },
      },
      max_group: 3,
      warehouse: {
        commit: async (table, at, rows) => {
          const doors = is('random id instead of seq') ? renamed(jobsOf(owner), `~${(copies += 1)}`) : jobsOf(owner)
          const result = await commitRows(doors, table, at, rows, (own) => ({ rows: own }), {
            random: roll,
            sleep: () => call(owner, 'sleep', () => undefined, { faulty: false }),
          })
          owner.conflicted = result === 'conflict'
          return result
        },
      },
      table: {
        after: (place) =>
          ask('query', () => {
            if (is('nothing to do, by stale memory') && owner.ledger !== undefined && !owner.conflicted) return nothing
            if (is('decide on stale memory') && owner.ledger !== undefined) return nothing
            return table.after(place)
          }),
        snapshot: () => ask('query the snapshot', () => table.snapshot()),
        ofRuns: (run_ids, between) =>
          ask('query some runs', () =>
            is('ended runs not recalled') && owner.ledger !== undefined
              ? Promise.resolve([])
              : table.ofRuns(run_ids, between),
          ),
        ended: (up_to) =>
          ask('query what ended', () => (is('ended runs not remembered') ? Promise.resolve([]) : table.ended(up_to))),
      },
    }).then(
      (ledger) => {
        owner.ledger = ledger
      },
      () => {
        // It could not read the log: a process that does not start is started again.
        if (!owner.alive) return
        kill(owner)
      },
    )
  }
  const kill = (owner: Incarnation) => {
    note(`kill ${owner.name}`)
    owner.alive = false
    for (const envelope of envelopes) if (envelope.owner === owner) envelope.owner = undefined
    for (let k = calls.length - 1; k >= 0; k -= 1) {
      const pending = calls[k]!
      if (pending.owner !== owner) continue
      calls.splice(k, 1)
      // What it sent may still arrive.
      if (pending.faulty && chance(0.3)) later(pending)
    }
    processes.splice(processes.indexOf(owner), 1)
    start(owner.name, owner.kind)
  }
  const later = (pending: Call) =>
    calls.push({
      owner: undefined,
      label: `late ${pending.label}`,
      ready: () => true,
      faulty: false,
      go: () => {
        try {
          pending.execute?.()
        } catch {
          /* nobody listens */
        }
      },
    })

  for (const name of ['scheduler-1', 'scheduler-2']) start(name, 'scheduler')
  for (const name of ['executor-1', 'executor-2', 'executor-3']) start(name, 'executor')

  // ---- what is asked for
  // Every third seed has few runs, so that replicas lag behind each other; every fourth a slow clock, so that runs get
  // LOST.
  const requests: { tenant_id: TenantId; run: Run }[] = Array.from({ length: seed % 3 === 0 ? 3 : 10 }, (_, k) => {
    const tenant_id: TenantId = k % 3 === 2 ? 'globex' : 'acme'
    // One is the platform's own for late data: it takes a slot, and is none of the tenant's number.
    const trigger_type = k === 4 ? 'refresh' : 'api'
    const run = makeRun(`k${k}`, { tenant_id, steps_count: 1 + (k % 2), priority: k % 4, trigger_type })
    for (const step of run.steps) step.timeout_minutes = 1
    if (k === 1) {
      // A diamond: both branches may end at the same time.
      const [one] = run.steps
      run.steps = (
        [
          ['top', undefined],
          ['left', ['top']],
          ['right', ['top']],
          ['join', ['left', 'right']],
        ] as const
      ).map(([step_id, depends_on]) => ({
        ...one!,
        step_id,
        timeout_minutes: 1,
        ...(depends_on === undefined ? {} : { depends_on: [...depends_on] }),
      }))
    }
    if (k === 0) {
      // A branch that fails, one beside it, and what each leads to: skipped, not begun, cleaning up after it all.
      const [one] = run.steps
      const step = (step_id: string, depends_on: string[], more: Partial<Run['steps'][number]> = {}) => ({
        ...one!,
        ...{ step_id, timeout_minutes: 1, depends_on, ...more },
      })
      run.uses = ['left']
      run.steps = [
        step('left', []),
        step('bad', []),
        step('asked', ['left'], { when: "steps.left.status == 'SUCCEEDED'" }),
        step('unasked', ['left'], { when: "steps.left.status != 'SUCCEEDED'" }),
        step('behind', ['bad', 'asked']),
        step('tidy', ['behind', 'unasked'], { trigger: 'always' }),
        step('rescue', ['bad'], { trigger: 'on_failure' }),
        step('needless', ['asked'], { trigger: 'on_failure' }),
      ]
    }
    if (k === 2) {
      // Items of which two run at a time.
      const [one] = run.steps
      run.steps = ['each-1', 'each-2', 'each-3', 'behind'].map((step_id, j) => ({
        ...one!,
        ...{ step_id, timeout_minutes: 1, depends_on: step_id === 'behind' ? ['each'] : [] },
        ...(step_id === 'behind' ? {} : { for_each: 'each' }),
        ...(j === 2 ? { begins_after: ['each-1'] } : {}),
      }))
    }
    if (k === 3) {
      // Items of a for_each, of which the second fails; the last step needs them all.
      const [one] = run.steps
      run.steps = ['each-1', 'bad', 'each-3', 'behind'].map((step_id) => ({
        ...one!,
        step_id,
        timeout_minutes: 1,
        ...(step_id === 'behind' ? {} : { for_each: 'each' }),
      }))
    }
    if (k === 4) run.steps[0]!.step_id = 'bad'
    if (k === 6) run.timeout_minutes = 20
    return { tenant_id, run }
  })
  const arrivals: (() => void)[] = [
    ...Object.entries(limits).map(([tenant_id, of]) => () => {
      publishNow([
        {
          topic: 'tenant-changed',
          event: {
            kind: 'tenant',
            event: { tenant_id, version: 1, status: 'ACTIVE', plan: 'STARTER', limits: of },
          } as never,
        },
      ])
    }),
    ...requests.map(({ run }) => () => {
      publishNow([{ topic: 'run-requested', event: { run, tenant_id: run.tenant_id } as never }])
    }),
    ...[requests[3], requests[5]].flatMap((one) =>
      one === undefined
        ? []
        : [
            () => {
              publishNow([
                {
                  topic: 'tenant-changed',
                  event: { kind: 'cancel', tenant_id: one.tenant_id, run_id: one.run.run_id } as never,
                },
              ])
            },
          ],
    ),
  ]
  const tick = () => {
    clock += (quiet || chance(0.7) ? 1 : seed % 4 === 0 ? 25 : 8) * 60_000
    if (!is('no sweeper and outbox')) publishNow([{ topic: 'scheduler-tick', event: { kind: 'tick' } }])
  }

  // ---- one thing at a time
  const settled = () =>
    arrivals.length === 0 &&
    requests.every(({ run }) => terminal.has(run.run_id)) &&
    envelopes.every(({ acked }) => acked)
  const terminal = new Map<string, string>()
  let checked = 0
  const books = openBooks(broken, terminal, (run_id) =>
    requests.some(({ run }) => run.run_id === run_id && run.trigger_type !== 'api'),
  )
  let steps = 0
  const chaosSteps = 260
  const mostSteps = 2600
  for (; steps < mostSteps && failure === undefined; steps += 1) {
    quiet = steps >= chaosSteps
    if (quiet && settled()) break
    if (steps % (quiet ? 40 : seed % 4 === 0 ? 12 : 30) === 11) tick()
    const dice = roll()
    const ready = calls.filter((pending) => pending.ready())
    const open = envelopes.filter((envelope) => !envelope.acked && envelope.owner === undefined)
    const running = [...jobs].filter(([, entry]) => entry.job.state === 'RUNNING')
    if (!quiet && dice < 0.03 && kills < 12) {
      kills += 1
      kill(pick(processes))
    } else if (!quiet && dice < 0.06) {
      const leased = envelopes.filter((envelope) => !envelope.acked && envelope.owner !== undefined)
      if (leased.length > 0) {
        faults += 1
        const envelope = pick(leased)
        note(`lease of #${envelope.id} expires`)
        envelope.owner = undefined
      }
    } else if (!quiet && dice < 0.07 && envelopes.some(({ acked }) => acked)) {
      faults += 1
      const envelope = pick(envelopes.filter(({ acked }) => acked))
      note(`#${envelope.id} comes again although it was acknowledged`)
      Object.assign(envelope, { acked: false, owner: undefined })
    } else if (arrivals.length > 0 && (dice < 0.12 || quiet)) {
      arrivals.splice(Math.floor(roll() * arrivals.length), 1)[0]?.()
    } else if (running.length > 0 && dice < 0.3) {
      finish(...pick(running))
    } else if (open.length > 0 && dice < 0.55) {
      const envelope = pick(open)
      const able = processes.filter(
        ({ kind, ledger }) => kind === envelope.subscription && (kind === 'executor' || ledger !== undefined),
      )
      if (able.length > 0) deliver(pick(able), envelope)
    } else if (ready.length > 0) {
      const pending = pick(ready)
      calls.splice(calls.indexOf(pending), 1)
      const fault = !quiet && pending.faulty ? roll() : 1
      if (fault < 0.16) faults += 1
      if (fault < 0.06) {
        note(`lost: ${pending.label}`)
        if (chance(0.4)) later(pending)
        pending.fail?.(new Error('the request was lost'))
      } else if (fault < 0.16) {
        note(`executed, reply lost: ${pending.label}`)
        try {
          pending.execute?.()
        } catch {
          /* the reply is lost, whatever it is */
        }
        pending.fail?.(new Error('the reply was lost'))
      } else {
        note(pending.label)
        pending.go()
      }
    }
    await new Promise((resolve) => setImmediate(resolve))
    for (; checked < log.length; checked += 1) books.check(log[checked]!)
  }

  // ---- what must be true at the end
  if (failure === undefined && !settled())
    broken(
      `not settled after ${steps} steps: ${
        requests
          .filter(({ run }) => !terminal.has(run.run_id))
          .map(({ run }) => run.run_id)
          .join(' ') || 'messages are left'
      }`,
    )
  if (failure === undefined) {
    const announced = new Map<string, Set<string>>()
    for (const { topic, event } of published) {
      if (topic !== 'run-completed' && topic !== 'run-failed') continue
      const statuses = announced.get(event.run.run_id) ?? new Set()
      announced.set(event.run.run_id, statuses.add(event.status))
    }
    for (const { run } of requests.slice(0, 2)) {
      const following = requests.filter((each) => each.run.parent_run_id === run.run_id)
      const wanted = terminal.get(run.run_id) === 'COMPLETED' ? 1 : 0
      if (following.length !== wanted)
        broken(`run ${run.run_id} ended ${terminal.get(run.run_id)} and is followed by ${following.length}`)
    }
    const reasons = new Map(log.map(({ run_id, reason }) => [run_id, reason]))
    for (const { run } of requests) {
      const outcome = terminal.get(run.run_id)
      if ([...(announced.get(run.run_id) ?? [])].join(' ') !== outcome)
        broken(
          `run ${run.run_id} ended ${outcome} and was announced as ` +
            [...(announced.get(run.run_id) ?? ['nothing'])].join(' and '),
        )
      const isGuided = run.uses !== undefined
      if (isGuided && outcome === 'COMPLETED') broken(`run ${run.run_id} completed though a step of it failed`)
      for (const { step_id } of run.steps) {
        const times = effects.get(`${run.run_id}/${step_id}`) ?? 0
        const wanted = ['left', 'asked', 'tidy', 'rescue'].includes(step_id) ? 1 : 0
        if (isGuided && reasons.get(run.run_id) === 'QUERY_INVALID' && times !== wanted)
          broken(`step ${step_id} of run ${run.run_id}, of which another failed, took effect ${times} times`)
        if (times > 1 || (outcome === 'COMPLETED' && times !== 1))
          broken(`step ${step_id} of ${outcome} run ${run.run_id} took effect ${times} times`)
        const goesOn =
          reasons.get(run.run_id) === 'QUERY_INVALID' && run.steps.length === 4 && run.steps[1]?.step_id === 'bad'
        if (goesOn && times !== (step_id.startsWith('each-') ? 1 : 0))
          broken(`item ${step_id} of run ${run.run_id}, of which another failed, took effect ${times} times`)
      }
    }
    try {
      const recount = fold(emptyState('e1'), log)
      if (recount.running.size > 0 || recount.waiting.size > 0) broken('a slot or a place in the queue is still held')
      const shuffled = fold(
        emptyState('e1'),
        [...log, ...log].sort((a, b) => (canonicalJson(a) < canonicalJson(b) ? -1 : 1)),
      )
      if (stateHash(recount) !== stateHash(shuffled)) broken('fold depends on order or duplicates of rows')
      for (const { name, ledger } of processes) {
        if (ledger === undefined) continue
        fold(ledger.state, log)
        if (stateHash(ledger.state) !== stateHash(recount)) broken(`the memory of ${name} is not the recount`)
      }
    } catch (error) {
      broken(`the log does not fold: ${error instanceof Error ? error.message : ''}`)
    }
  }
  const outcomes: Record<string, number> = {}
  for (const { kind, outcome, reason } of log) {
    if (kind !== 'RELEASE' && kind !== 'REJECT') continue
    const word = [outcome ?? 'REJECTED', ...(reason === null ? [] : [reason])].join(' ')
    outcomes[word] = (outcomes[word] ?? 0) + 1
  }
  return {
    seed,
    failure,
    steps,
    kills,
    faults,
    snapshots: log.filter(({ kind }) => kind === 'SNAPSHOT').length,
    outcomes,
    journal,
  }
}

/** A second, independent reading of the log, row by row: what must hold at every prefix. */
const openBooks = (
  broken: (why: string) => void,
  terminal: Map<string, string>,
  isLate: (run_id: string) => boolean,
) => {
  const rows = new Set<string>()
  const running = new Map<string, string>()
  const counted = new Map<string, Set<string>>()
  let seq = 0
  return {
    check: (row: LedgerRow) => {
      const place = `${row.seq}.${row.idx}`
      if (rows.has(place)) broken(`place ${place} of the log was written twice`)
      rows.add(place)
      if (row.seq !== seq && row.seq !== seq + 1) broken(`seq ${row.seq} follows ${seq}`)
      seq = row.seq
      const { tenant_id, kind } = row
      if (row.run_id === null) return
      const run_id = original(row.run_id)
      const of = limits[tenant_id as TenantId]
      if (['ADMIT', 'QUEUE'].includes(kind) && terminal.has(run_id)) broken(`run ${run_id} starts again after its end`)
      if (kind === 'ADMIT' || kind === 'QUEUE') {
        if (isLate(run_id) !== (row.period_day === null)) broken(`run ${run_id} is counted in ${row.period_day}`)
        for (const [period, limit] of [
          [row.period_day, of.daily],
          [row.period_month, of.monthly],
        ] as const) {
          if (period === null) continue
          const ids = counted.get(`${tenant_id} ${period}`) ?? new Set()
          counted.set(`${tenant_id} ${period}`, ids.add(run_id))
          if (ids.size > limit) broken(`tenant ${tenant_id} has ${ids.size} runs in ${period}, limit ${limit}`)
        }
      }
      if (kind === 'ADMIT') {
        if (running.has(run_id)) broken(`run ${run_id} was admitted twice`)
        running.set(run_id, tenant_id)
        const use = [...running.values()].filter((other) => other === tenant_id).length
        if (use > of.concurrent) broken(`tenant ${tenant_id} runs ${use} at a time, limit ${of.concurrent}`)
      }
      if (kind === 'RELEASE' || kind === 'REJECT') {
        if (terminal.has(run_id)) broken(`run ${run_id} ended twice`)
        terminal.set(run_id, kind === 'REJECT' ? 'REJECTED' : (row.outcome ?? ''))
        running.delete(run_id)
      }
    },
  }
}

/** The id without a mutant's suffix. */
const original = (run_id: string): string => run_id.replace(/~.*/, '')

const renamed = <Spec>(jobs: Jobs<Spec>, suffix: string): Jobs<Spec> => ({
  insert: (id, spec, labels) => jobs.insert(id + suffix, spec, labels),
  get: (id) => jobs.get(id + suffix),
  wait: (id, signal) => jobs.wait(id + suffix, signal),
  cancel: (id) => jobs.cancel(id + suffix),
})
