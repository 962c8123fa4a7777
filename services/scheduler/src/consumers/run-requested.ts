/**
 * A request for a run, its cancellation or its resumption. Nothing about it is believed before its signature is
 * verified: who may ask, for which tenant, for which pipelines. What a verified request asks for wrongly is a rejected
 * run; an unverified one is a dead letter.
 */
import type { KeyObject } from 'node:crypto'
import type { Delivery, Handler } from '@convergence/bus'
import { verifySignature } from '@convergence/bus'
import {
  AppError,
  faultOf,
  isName,
  isSystemPipeline,
  parametersFault,
  requestDigest,
  runId,
  systemTenant,
} from '@convergence/contracts'
import type { ErrorCode, Fault, Run, RunRequested } from '@convergence/contracts'
import type { Pipelines } from '@convergence/pipeline'
import { hasSecret } from '@convergence/service'
import type { Backfills } from '../backfills.ts'
import type { Message } from '../ledger/decide.ts'
import type { Ledger } from '../ledger.ts'
import type { ReadTenantFacts, TenantFacts } from '../tenant-facts.ts'

/** A publisher's public keys and what it may ask for. */
export interface PublisherKey {
  /** One, or while keys are changed the old and the new one. */
  public_keys: readonly KeyObject[]
  /** `*` for the platform's own services. */
  tenant_id: string
  /** Empty for all. */
  pipelines: readonly string[]
  is_active: boolean
  not_before?: string
  expires_at?: string
}

interface Deps {
  ledger: Ledger
  backfills: Pick<Backfills, 'after'>
  pipelines: Pipelines
  tenantFacts: ReadTenantFacts
  publisherKey(kid: string): Promise<PublisherKey | undefined>
  now(): Date
}

/** Greatest difference between a signature's time and the broker's clock. */
const skewMs = 5 * 60_000
/** Bytes of a request by a publisher from outside. */
const mostBytes = 65_536
/** How long a request waits for its tenant or run to become known. */
const unknownMs = 2 * 60_000
/** And how often it is looked at, at least: by Pub/Sub's backoff, from 10 s doubled, that is ten minutes. */
const unknownAttempts = 7

export const onRunRequested =
  (deps: Deps): Handler<'run-requested'> =>
  async (event, delivery) => {
    const request = await verifyRequest(deps, event, delivery)
    const at = new Date(delivery.published_at).toISOString()
    const decided = async (message: Message) => {
      const told = await deps.ledger.submit(message)
      return [...told, ...(await deps.backfills.after(told, at))]
    }
    try {
      if (event.action === 'cancel')
        return await decided({
          kind: 'cancel',
          tenant_id: event.tenant_id,
          run_id: request.target,
          pipelines: request.pipelines,
          by: event.user_id ?? event.trigger_by,
          at,
        })
      const facts = await deps.tenantFacts(event.tenant_id, event.pipeline)
      const compiled = compileRequest(deps.pipelines, event, { ...request, facts }, at)
      return await decided({ kind: 'request', at, ...compiled })
    } catch (error) {
      const unknown =
        error instanceof AppError &&
        (error.code === 'TENANT_UNKNOWN' || (error.code === 'NOT_FOUND' && event.action === 'cancel'))
      // What it waits for may have been given back like itself, and comes later and later.
      if (
        unknown &&
        (deps.now().getTime() - Date.parse(delivery.published_at) < unknownMs || delivery.attempt < unknownAttempts)
      )
        throw new AppError('UNAVAILABLE', `not known yet, tried again: ${error.message}`, { cause: error })
      throw error
    }
  }

export interface Verified {
  kid: string
  run_id: string
  /** The run that a cancellation is about. */ target: string
  platform: boolean
  /** What its key may be about; empty for all. */
  pipelines: readonly string[]
}

/** Throws BAD_SIGNATURE, or EVENT_INVALID when the request contradicts itself: both are dead letters at once. */
export const verifyRequest = async (
  { publisherKey, pipelines }: Pick<Deps, 'publisherKey'> & { pipelines: Pick<Pipelines, 'get'> },
  event: RunRequested,
  delivery: Pick<Delivery, 'attributes' | 'data' | 'published_at'>,
): Promise<Verified> => {
  const { kid, tenant_id, idempotency_key, ts, sig } = delivery.attributes
  if (
    kid === undefined ||
    tenant_id === undefined ||
    idempotency_key === undefined ||
    ts === undefined ||
    sig === undefined
  ) {
    throw new AppError(
      'BAD_SIGNATURE',
      'run-requested: expected the attributes kid, tenant_id, idempotency_key, ts and sig; sign the request',
    )
  }
  const key = await publisherKey(kid)
  const published = Date.parse(delivery.published_at)
  const refuse = (why: string): never => {
    const named = hasSecret(kid) ? 'what looks like a secret' : JSON.stringify(kid.slice(0, 64))
    throw new AppError('BAD_SIGNATURE', `run-requested signed by ${named}: ${why}`)
  }
  if (key === undefined) return refuse('no such publisher key; register it')
  if (!key.is_active) return refuse('the key is revoked')
  if (key.not_before !== undefined && Date.parse(key.not_before) > published) return refuse('the key is not valid yet')
  if (key.expires_at !== undefined && Date.parse(key.expires_at) <= published) return refuse('the key has expired')
  const platform = key.tenant_id === '*'
  if (event.tenant_id !== tenant_id) return refuse('tenant_id differs between body and attributes')
  if (!platform && key.tenant_id !== tenant_id) return refuse('the key is of another tenant')
  if (!(Math.abs(Date.parse(ts) - published) <= skewMs))
    return refuse('ts is more than five minutes from the time of publishing')
  if (!key.public_keys.some((public_key) => verifySignature(public_key, delivery.attributes, delivery.data)))
    return refuse('the signature does not fit key, attributes and body')
  if (!platform && (tenant_id === systemTenant || (event.pipeline !== undefined && isSystemPipeline(event.pipeline))))
    return refuse('pipelines under setup/ are for the platform alone')
  // A pipeline that has moved is the one that the key names, by whichever of its paths.
  const own = (path: string): string => pipelines.get(path)?.path ?? path
  const allowed = [...new Set(key.pipelines.flatMap((path) => [path, own(path)]))]
  if (allowed.length > 0 && event.action !== 'cancel' && !allowed.includes(own(event.pipeline ?? '')))
    return refuse(`the key may not ask for pipeline ${event.pipeline ?? '(none)'}`)

  assertKeepable(event, delivery.data, idempotency_key, platform)
  const run_id = runId(tenant_id, idempotency_key)
  const target = event.parent_run_id ?? event.run_id
  if (event.action === 'cancel') {
    if (target === undefined)
      throw new AppError('EVENT_INVALID', 'run-requested: a cancellation names the run in parent_run_id')
    return { kid, run_id, target, platform, pipelines: allowed }
  }
  if (event.pipeline === undefined)
    throw new AppError('EVENT_INVALID', 'run-requested: pipeline is missing; expected a path such as gcp/cost/billing')
  for (const copy of [event.run_id, delivery.attributes['run_id']]) {
    if (copy !== undefined && copy !== run_id)
      throw new AppError(
        'EVENT_INVALID',
        `run-requested: run_id ${copy} is not the one of tenant ${tenant_id} and this idempotency key, ${run_id}; ` +
          'leave it out',
      )
  }
  return { kid, run_id, target: run_id, platform, pipelines: allowed }
}

/** Throws EVENT_INVALID for what would be kept, shown and passed on, and is too large for that or a secret. */
const assertKeepable = (event: RunRequested, data: Uint8Array, idempotency_key: string, platform: boolean): void => {
  const refuse = (why: string): never => {
    throw new AppError('EVENT_INVALID', `run-requested: ${why}`)
  }
  if (!platform && data.byteLength > mostBytes) refuse(`the body expected at most ${mostBytes} bytes, got more`)
  const parameters = JSON.stringify(event.parameters ?? {})
  const large = parametersFault(event.pipeline ?? '', event.parameters ?? {})
  if (large !== undefined) refuse(large)
  if (!platform && !isName('idempotency_key', idempotency_key))
    refuse('the attribute idempotency_key expected 1 to 200 printable ASCII characters without spaces')
  if (hasSecret(parameters) || hasSecret(idempotency_key))
    refuse('something in it looks like a secret (a key, a token, a webhook); a credential of the tenant is its place')
}

/** What a verified request may ask for wrongly: its run is rejected. */
const refusals: readonly ErrorCode[] = ['PIPELINE_UNKNOWN', 'PARAMETER_INVALID', 'SOURCE_UNKNOWN']

/** The run as data; what cannot be compiled keeps its name and the fault. */
export const compileRequest = (
  pipelines: Pipelines,
  event: RunRequested,
  { kid, run_id, platform, facts: ofTenant }: Verified & { facts: TenantFacts },
  published_at: string,
): { run: Run; digest: string; refused?: Fault } => {
  const digest = requestDigest(event)
  const trigger_type: Run['trigger_type'] = platform ? (event.trigger_type ?? 'api') : 'publisher'
  const facts = {
    run_id,
    tenant_id: event.tenant_id,
    pipeline: event.pipeline ?? '',
    parameters: event.parameters ?? {},
    trigger_type,
    requested_at: platform ? (event.requested_at ?? published_at) : published_at,
    priority: event.priority ?? 5,
    trigger_by: platform ? (event.trigger_by ?? kid) : kid,
    ...(event.user_id === undefined ? {} : { user_id: event.user_id }),
    ...(event.parent_run_id === undefined ? {} : { parent_run_id: event.parent_run_id }),
    // A publisher's keys are its own: it neither waits for nor cancels a schedule's runs, or those of another.
    ...(event.concurrency_key === undefined
      ? {}
      : { concurrency_key: platform ? event.concurrency_key : `key/${kid}/${event.concurrency_key}` }),
    ...(event.cancel_in_progress === true ? { cancel_in_progress: true } : {}),
    ...(event.skip === undefined ? {} : { skip: event.skip }),
    ...(event.results === undefined ? {} : { results: event.results }),
    ...(trigger_type !== 'schedule' || event.scheduled_time === undefined
      ? {}
      : { scheduled_time: event.scheduled_time }),
  }
  try {
    return {
      run: pipelines.compile({
        ...facts,
        ...ofTenant,
      }),
      digest,
    }
  } catch (error) {
    if (!(error instanceof AppError) || !refusals.includes(error.code)) throw error
    const pipeline_id = pipelines.get(facts.pipeline)?.pipeline_id ?? facts.pipeline
    return {
      run: { ...facts, pipeline_id, sources: [], steps: [], notifications: [] },
      digest,
      refused: faultOf(error),
    }
  }
}
