/**
 * Asking for runs: by tenants, and by the platform itself for every other write from REST. A 202 means: durable,
 * readable, on its way.
 */
import {
  AppError,
  isErrorCode,
  parametersFault,
  requestDigest,
  runId,
  systemTenant,
  type Run,
} from '@convergence/contracts'
import type { Bus } from '@convergence/bus'
import type { CompileInput, Pipelines, TenantNames } from '@convergence/pipeline'
import type { Live } from './live.ts'
import { hasEnded, pendingOf, type RunRecord } from './record.ts'
import type { SourcesCache } from './sources.ts'
import type { Store } from './store.ts'

export interface WantedRun {
  tenant_id: string
  /** None in runs of the platform. */
  tenant?: TenantNames | undefined
  pipeline: string
  parameters: Run['parameters']
  idempotency_key: string
  /** False when the key was made for this request: nobody can have used it. */
  key_given: boolean
  trigger_type: 'api' | 'system' | 'resume'
  trigger_by: string
  user_id?: string
  /** 0 first, 9 last; default 5. */
  priority?: number
  parent_run_id?: string
  skip?: readonly string[]
  /** What conditions and texts name of those of `skip`. */
  results?: NonNullable<Run['results']>
  /** Throws when the run would be refused anyway; not asked about a repeat. */
  advise?: () => Promise<void>
}

export interface Runs {
  /**
   * Resolves when request and row are durable. The same key and parameters are the same run. Throws PIPELINE_UNKNOWN,
   * PARAMETER_INVALID, SOURCE_UNKNOWN, IDEMPOTENCY_MISMATCH, UNAVAILABLE.
   */
  request(wanted: WantedRun): Promise<RunRecord>
  /** The run as it would be now; throws as `request` does for what it asks. */
  compile(wanted: WantedRun, run_id: string): Promise<Run>
  cancel(run: RunRecord, by: { trigger_by: string; user_id: string | undefined }): Promise<void>
  /** A run of the platform, waited for; undefined when it takes longer than 25 s. Throws what it failed with. */
  system(wanted: {
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
  sources: SourcesCache
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

/** What open runs keep, handed to the functions below. */
interface RunsContext extends RunsDeps {
  /** Requests whose row and message are not durable yet, by run. */
  readonly inFlight: Map<string, Promise<void>>
  /** When a run was last looked up in the tables, ms. */
  readonly lookedUp: Map<string, number>
}

export const openRuns = (deps: RunsDeps): Runs => {
  const context: RunsContext = { ...deps, inFlight: new Map(), lookedUp: new Map() }
  return {
    request: (wanted) => request(context, wanted),
    compile: (wanted, run_id) => compile(context, wanted, run_id, deps.now().toISOString(), { fresh: true }),
    find: (run_id, tenant_id) => find(context, run_id, tenant_id),
    cancel: (run, by) => cancel(context, run, by),
    system: (wanted) => runOfThePlatform(context, wanted),
  }
}

// ---- asking for a run

const request = async (context: RunsContext, wanted: WantedRun): Promise<RunRecord> => {
  const { store, live, now, inFlight } = context
  const run_id = runId(wanted.tenant_id, wanted.idempotency_key)
  const digest = digestOf(wanted)
  const large = parametersFault(wanted.pipeline, wanted.parameters)
  if (large !== undefined) throw new AppError('BODY_INVALID', 'body: 1 fault', { faults: [`body: ${large}`] })
  const compiled = await compile(context, wanted, run_id, now().toISOString())
  const repeat = repeated(context, run_id, digest)
  if (repeat !== undefined) return repeat
  const row = wanted.key_given ? await store.request(run_id) : undefined
  if (row !== undefined && row.parameters_digest !== digest) throw mismatch()
  if (row === undefined) await wanted.advise?.()
  const run = row === undefined ? compiled : await compile(context, wanted, run_id, row.requested_at)
  // The same key may have come in meanwhile, also with another request.
  const meanwhile = repeated(context, run_id, digest)
  if (meanwhile !== undefined) return meanwhile
  // Known here before it is published: its events may be faster than the answer of the broker.
  const { record } = live.requested(pendingOf(run), digest)
  const durable = makeDurable(context, record, wanted, digest).finally(() => inFlight.delete(run_id))
  inFlight.set(run_id, durable)
  await durable
  return record
}

const digestOf = (wanted: WantedRun): string =>
  requestDigest({
    pipeline: wanted.pipeline,
    parameters: wanted.parameters,
    ...(wanted.trigger_type === 'resume' ? { action: 'resume' } : {}),
    ...(wanted.parent_run_id === undefined ? {} : { parent_run_id: wanted.parent_run_id }),
  })

const compile = async (
  { pipelines, sources }: RunsContext,
  wanted: WantedRun,
  run_id: string,
  requested_at: string,
  options: { fresh?: boolean } = {},
): Promise<Run> => {
  const input: CompileInput = {
    run_id,
    tenant_id: wanted.tenant_id,
    tenant: wanted.tenant,
    pipeline: wanted.pipeline,
    parameters: wanted.parameters,
    trigger_type: wanted.trigger_type,
    trigger_by: wanted.trigger_by,
    requested_at,
    ...(wanted.priority === undefined ? {} : { priority: wanted.priority }),
    ...(wanted.user_id === undefined ? {} : { user_id: wanted.user_id }),
    ...(wanted.parent_run_id === undefined ? {} : { parent_run_id: wanted.parent_run_id }),
  }
  return pipelines.get(wanted.pipeline)?.uses_sources === true
    ? sources.compiled(wanted.tenant_id, (tenant_sources) => pipelines.compile({ ...input, tenant_sources }), options)
    : pipelines.compile(input)
}

const mismatch = (): AppError =>
  new AppError(
    'IDEMPOTENCY_MISMATCH',
    'Idempotency-Key: was used with another pipeline, other parameters or another run to resume; ' +
      'use a new key, or repeat the first request exactly',
  )

/**
 * The answer to a repeat of what was asked here; throws for another request under the same key. Not async: between it
 * and `live.requested` nobody else may come in.
 */
const repeated = ({ live, inFlight }: RunsContext, run_id: string, digest: string): Promise<RunRecord> | undefined => {
  const heard = live.get(run_id)
  if (heard?.digest === undefined) return undefined
  if (heard.digest !== digest) throw mismatch()
  return Promise.resolve(inFlight.get(run_id)).then(() => heard.record)
}

const makeDurable = async (
  { bus, store, live, kid }: RunsContext,
  record: RunRecord,
  wanted: WantedRun,
  digest: string,
): Promise<void> => {
  try {
    // One after the other, for one more durable write's time: a row that fails refuses a request that nobody has heard
    // of. A process that dies in between leaves a row whose run stays PENDING and does nothing, and an unanswered
    // caller, whose same request with the same key is published then.
    await store.writeRequest(record, digest, wanted.idempotency_key)
    await bus.publish([
      {
        topic: 'run-requested',
        idempotency_key: wanted.idempotency_key,
        attributes: { kid },
        event: {
          run_id: record.pipeline_logging_id,
          tenant_id: wanted.tenant_id,
          pipeline: wanted.pipeline,
          parameters: wanted.parameters,
          trigger_type: wanted.trigger_type,
          trigger_by: wanted.trigger_by,
          ...(record.requested_at === null ? {} : { requested_at: record.requested_at }),
          ...(wanted.trigger_type === 'resume' ? { action: 'resume' as const } : {}),
          ...(wanted.priority === undefined ? {} : { priority: wanted.priority }),
          ...(wanted.user_id === undefined ? {} : { user_id: wanted.user_id }),
          ...(wanted.parent_run_id === undefined ? {} : { parent_run_id: wanted.parent_run_id }),
          ...(wanted.skip === undefined ? {} : { skip: [...wanted.skip] }),
          ...(wanted.results === undefined ? {} : { results: wanted.results }),
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

const cancel = async (
  { bus, kid }: RunsContext,
  run: RunRecord,
  { trigger_by, user_id }: Parameters<Runs['cancel']>[1],
): Promise<void> => {
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
}

// ---- the platform's own runs

const runOfThePlatform = async (
  context: RunsContext,
  { pipeline, parameters, idempotency_key, trigger_by, user_id }: Parameters<Runs['system']>[0],
): ReturnType<Runs['system']> => {
  const tenant_id = systemTenant
  const record = await request(context, {
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
  const ended = await awaitEnd(context, run_id, tenant_id)
  if (ended !== undefined && ended.status !== 'COMPLETED') {
    const code = ended.error_code !== null && isErrorCode(ended.error_code) ? ended.error_code : 'INTERNAL'
    throw new AppError(code, ended.error_message ?? `run ${run_id} ended as ${ended.status}`)
  }
  return { run_id, ended }
}

/** Waits on the feed; looks into the tables now and then, in case something was missed. */
const awaitEnd = async (
  { store, live, wait_ms }: RunsContext,
  run_id: string,
  tenant_id: string,
): Promise<RunRecord | undefined> => {
  const until = performance.now() + wait_ms
  for (;;) {
    const ended = await live.ended(run_id, Math.max(0, Math.min(quietMs, until - performance.now())))
    if (ended !== undefined) return ended
    if (performance.now() >= until) return undefined
    const read = await store.run(run_id, tenant_id)
    if (read !== undefined && hasEnded(read.status)) return read
  }
}

// ---- what is known of a run

const find = async (
  { store, live, now, lookedUp }: RunsContext,
  run_id: string,
  tenant_id: string | undefined,
): Promise<RunRecord | undefined> => {
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
