/**
 * Asking for runs: by tenants, and by the platform itself for every other write from REST. A 202 means: durable,
 * readable, on its way.
 */
import { AppError, isErrorCode, requestDigest, runId, systemTenant, type Run } from '@convergence/contracts'
import type { Bus } from '@convergence/bus'
import type { Pipelines } from '@convergence/pipeline'
import type { Live } from './live.ts'
import { hasEnded, pendingOf, type RunRecord } from './record.ts'
import type { Store } from './store.ts'

export interface WantedRun {
  tenant_id: string
  pipeline: string
  parameters: Run['parameters']
  idempotency_key: string
  /** False when the key was made for this request: nobody can have used it. */
  key_given: boolean
  trigger_type: 'api' | 'system' | 'resume'
  trigger_by: string
  user_id?: string
  parent_run_id?: string
  skip?: readonly string[]
  /** Throws when the run would be refused anyway; not asked about a repeat. */
  advise?: () => Promise<void>
}

export interface Runs {
  /**
   * Resolves when request and row are durable. The same key and parameters are the same run. Throws PIPELINE_UNKNOWN,
   * PARAMETER_INVALID, IDEMPOTENCY_MISMATCH, UNAVAILABLE.
   */
  request(ask: WantedRun): Promise<RunRecord>
  cancel(run: RunRecord, by: { trigger_by: string; user_id: string | undefined }): Promise<void>
  /** A run of the platform, waited for; undefined when it takes longer than 25 s. Throws what it failed with. */
  system(ask: {
    pipeline: string
    parameters: Run['parameters']
    idempotency_key: string
    trigger_by: string
    user_id?: string | undefined
  }): Promise<{ run_id: string; ended: RunRecord | undefined }>
  /** What is known: heard of, else read. */
  find(run_id: string, tenant_id: string | undefined): Promise<RunRecord | undefined>
}

interface RunsDeps {
  bus: Bus
  store: Store
  live: Live
  pipelines: Pipelines
  now(): Date
  /** Signing key of this service. */
  kid: string
  /** How long a platform's run is waited for; 25,000 ms. */
  wait_ms: number
}

/**
 * A run of which nothing was heard for so long after it was asked for may be queued, which only the tables tell: it is
 * looked up.
 */
const quietMs = 2_000
/**
 * Of one that has begun, its end will be heard; a look, which costs three queries, is for what may have been missed.
 */
const quietRunningMs = 10_000
/**
 * The longer nothing is heard, the longer until the next look, up to this: a step may take an hour, and a frontend asks
 * each second.
 */
const longestQuietMs = 60_000

export const openRuns = ({ bus, store, live, pipelines, now, kid, wait_ms }: RunsDeps): Runs => {
  const inFlight = new Map<string, Promise<void>>()
  const lookedUp = new Map<string, number>()

  const makeDurable = async (record: RunRecord, ask: WantedRun, digest: string): Promise<void> => {
    try {
      // One after the other, for one more durable write's time: a row that fails refuses a request that nobody has
      // heard of. A process that dies in between leaves a row
      // whose run stays PENDING and does nothing, and an unanswered caller, whose same request with the same key is
      // published then.
      await store.writeRequest(record, digest, ask.idempotency_key)
      await bus.publish([
        {
          topic: 'run-requested',
          idempotency_key: ask.idempotency_key,
          attributes: { kid },
          event: {
            run_id: record.pipeline_logging_id,
            tenant_id: ask.tenant_id,
            pipeline: ask.pipeline,
            parameters: ask.parameters,
            trigger_type: ask.trigger_type,
            trigger_by: ask.trigger_by,
            ...(record.requested_at === null ? {} : { requested_at: record.requested_at }),
            ...(ask.trigger_type === 'resume' ? { action: 'resume' as const } : {}),
            ...(ask.user_id === undefined ? {} : { user_id: ask.user_id }),
            ...(ask.parent_run_id === undefined ? {} : { parent_run_id: ask.parent_run_id }),
            ...(ask.skip === undefined ? {} : { skip: [...ask.skip] }),
          },
        },
      ])
    } catch (error) {
      live.forget(record.pipeline_logging_id)
      throw error instanceof AppError
        ? error
        : new AppError('UNAVAILABLE', 'the request could not be stored; try again with the same Idempotency-Key', {
            cause: error,
          })
    }
  }

  const request: Runs['request'] = async (ask) => {
    const run_id = runId(ask.tenant_id, ask.idempotency_key)
    const digest = requestDigest({
      pipeline: ask.pipeline,
      parameters: ask.parameters,
      ...(ask.trigger_type === 'resume' ? { action: 'resume' } : {}),
      ...(ask.parent_run_id === undefined ? {} : { parent_run_id: ask.parent_run_id }),
    })
    const mismatch = () =>
      new AppError(
        'IDEMPOTENCY_MISMATCH',
        'Idempotency-Key: was used with another pipeline, other parameters or another run to resume; use a new key, or repeat the first request exactly',
      )
    const compile = (requested_at: string) =>
      pipelines.compile({
        run_id,
        tenant_id: ask.tenant_id,
        pipeline: ask.pipeline,
        parameters: ask.parameters,
        trigger_type: ask.trigger_type,
        trigger_by: ask.trigger_by,
        requested_at,
        ...(ask.user_id === undefined ? {} : { user_id: ask.user_id }),
        ...(ask.parent_run_id === undefined ? {} : { parent_run_id: ask.parent_run_id }),
      })
    const compiled = compile(now().toISOString())
    /**
     * The answer to a repeat of what was asked here; throws for another request under the same key. Not async: between
     * it and `live.requested` nobody else may come in.
     */
    const repeated = (): Promise<RunRecord> | undefined => {
      const heard = live.get(run_id)
      if (heard?.digest === undefined) return undefined
      if (heard.digest !== digest) throw mismatch()
      return Promise.resolve(inFlight.get(run_id)).then(() => heard.record)
    }
    const repeat = repeated()
    if (repeat !== undefined) return repeat
    const row = ask.key_given ? await store.request(run_id) : undefined
    if (row !== undefined && row.parameters_digest !== digest) throw mismatch()
    if (row === undefined) await ask.advise?.()
    // The same key may have come in meanwhile, also with another request.
    const meanwhile = repeated()
    if (meanwhile !== undefined) return meanwhile
    // Known here before it is published: its events may be faster than the answer of the broker.
    const { record } = live.requested(pendingOf(row === undefined ? compiled : compile(row.requested_at)), digest)
    const durable = makeDurable(record, ask, digest).finally(() => inFlight.delete(run_id))
    inFlight.set(run_id, durable)
    await durable
    return record
  }

  const find: Runs['find'] = async (run_id, tenant_id) => {
    const heard = live.get(run_id)
    if (heard === undefined) return store.run(run_id, tenant_id)
    if (tenant_id !== undefined && heard.record.tenant_id !== tenant_id) return undefined
    const at = now().getTime()
    const ended = hasEnded(heard.record.status)
    const looked = lookedUp.get(run_id) ?? 0
    const first = heard.record.status === 'RUNNING' ? quietRunningMs : quietMs
    const quiet =
      at - heard.heard_at >= first && at - looked >= Math.min(longestQuietMs, Math.max(first, looked - heard.heard_at))
    if (ended ? heard.complete : !quiet) return heard.record
    if (lookedUp.size > 10_000) lookedUp.clear()
    lookedUp.set(run_id, at)
    const read = await store.run(run_id, tenant_id)
    if (read === undefined) return heard.record
    live.learn(read)
    // Of a run that ended, whichever knows more steps.
    return ended && read.steps.length >= heard.record.steps.length && hasEnded(read.status)
      ? read
      : (live.get(run_id)?.record ?? read)
  }

  /** Waits on the feed; looks into the tables now and then, in case something was missed. */
  const awaitEnd = async (run_id: string, tenant_id: string): Promise<RunRecord | undefined> => {
    const until = performance.now() + wait_ms
    for (;;) {
      const ended = await live.ended(run_id, Math.max(0, Math.min(quietMs, until - performance.now())))
      if (ended !== undefined) return ended
      if (performance.now() >= until) return undefined
      const read = await store.run(run_id, tenant_id)
      if (read !== undefined && hasEnded(read.status)) return read
    }
  }

  return {
    request,
    find,
    cancel: async (run, { trigger_by, user_id }) => {
      await bus.publish([
        {
          topic: 'run-requested',
          idempotency_key: `cancel:${run.pipeline_logging_id}`,
          attributes: { kid },
          event: {
            tenant_id: run.tenant_id,
            action: 'cancel',
            parent_run_id: run.pipeline_logging_id,
            trigger_type: 'api',
            trigger_by,
            ...(user_id === undefined ? {} : { user_id }),
          },
        },
      ])
    },
    system: async ({ pipeline, parameters, idempotency_key, trigger_by, user_id }) => {
      const tenant_id = systemTenant
      const record = await request({
        tenant_id,
        pipeline,
        parameters,
        idempotency_key,
        key_given: true,
        trigger_type: 'system',
        trigger_by,
        ...(user_id === undefined ? {} : { user_id }),
      })
      const run_id = record.pipeline_logging_id
      const ended = await awaitEnd(run_id, tenant_id)
      if (ended !== undefined && ended.status !== 'COMPLETED') {
        const code = ended.error_code !== null && isErrorCode(ended.error_code) ? ended.error_code : 'INTERNAL'
        throw new AppError(code, ended.error_message ?? `run ${run_id} ended as ${ended.status}`)
      }
      return { run_id, ended }
    },
  }
}
