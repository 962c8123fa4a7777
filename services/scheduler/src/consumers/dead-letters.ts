/**
 * Messages that nobody could handle, of every subscription. Stores them raw and refuses none; frees the slot of a run
 * that cannot go on.
 */
import { createHash } from 'node:crypto'
import { metrics } from '@opentelemetry/api'
import { isInternal, type Bus, type DeadDelivery } from '@convergence/bus'
import { AppError, digestOf, eventAttributes, isErrorCode, isName, topics, type Topic } from '@convergence/contracts'
import { hasSecret, scrub, type Log } from '@convergence/service'
import type { Pipelines } from '@convergence/pipeline'
import type { Warehouse } from '@convergence/warehouse'
import type { Ledger } from '../ledger.ts'
import type { Message } from '../ledger/decide.ts'
import type { ReadTenantFacts } from '../tenant-facts.ts'
import type { PublisherKey } from './run-requested.ts'
import { compileRequest, verifyRequest } from './run-requested.ts'

interface Deps {
  bus: Pick<Bus, 'read'>
  ledger: Ledger
  pipelines: Pipelines
  tenantFacts: ReadTenantFacts
  publisherKey(kid: string): Promise<PublisherKey | undefined>
  warehouse: Pick<Warehouse, 'append'>
  log: Pick<Log, 'error'>
}

/** Bytes of a body that are kept: all of what may be published again, the beginning of what was refused. */
const keptBytes = 1_000_000
const keptOfRefused = 16_384
/** What our services say holds byte for byte or not at all, since it is signed; a row has room for so much. */
const keptOfOurs = 7_000_000
const refusals: ReadonlySet<string> = new Set(['BAD_SIGNATURE', 'EVENT_INVALID'])

/** What is kept of a body, and a word about the rest. A secret that somebody sent from outside is not kept. */
const keptOf = (topic: string, data: Uint8Array, reason: string): { body: string; cut: string } => {
  const isOurs = topics.some((name) => name === topic && isInternal(name))
  const ofOthers = refusals.has(reason) ? keptOfRefused : keptBytes
  const bytes = isOurs ? keptOfOurs : ofOthers
  const text = isOurs ? '' : Buffer.from(data).toString('utf8')
  // Before it is cut: half of a secret no longer looks like one.
  const clean = hasSecret(text) ? Buffer.from(scrub(text)) : Buffer.from(data)
  const digest = createHash('sha256').update(data).digest('hex')
  return {
    body: clean.subarray(0, bytes).toString('base64'),
    cut: clean.length <= bytes ? '' : `; of its ${data.length} bytes, sha256 ${digest}, the first ${bytes} are kept`,
  }
}
/** Characters of an attribute that are kept. */
const keptOfAttribute = 1024

/** The name in an attribute, if it is one: anybody may have written anything there. */
const named = (attributes: DeadDelivery['attributes'], name: 'tenant_id' | 'run_id'): string | null => {
  const value = attributes[name]
  return value !== undefined && isName(name, value) ? value : null
}

export const onDeadLetter = (deps: Deps): Parameters<Bus['consumeDead']>[0] => {
  const dead_letters = metrics
    .getMeter('convergence')
    .createCounter('dead_letters', { description: 'Messages that nobody could handle' })
  return async (dead) => {
    const { subscription, attributes, data } = dead
    const [, topic = 'unknown'] = subscription.split('.')
    const said = attributes['reason'] ?? 'POISON'
    // Whoever published it may have put any reason into it, and anything else.
    const reason = isErrorCode(said) ? said : 'POISON'
    const detail = attributes['detail'] ?? `failed at each of ${dead.delivery_attempts} deliveries`
    const { body, cut } = keptOf(topic, data, reason)
    const dead_letter_id = `d_${digestOf([subscription, dead.message_id]).slice(0, 26)}`
    await deps.warehouse.append('dead_letters_rows', [
      {
        dead_letter_id,
        subscription,
        topic,
        tenant_id: named(attributes, 'tenant_id'),
        run_id: named(attributes, 'run_id'),
        reason,
        detail: `${scrub(detail).slice(0, 4000)}${cut}`,
        attributes: Object.fromEntries(
          Object.entries(attributes).map(([name, value]) => [scrub(name), scrub(value).slice(0, keptOfAttribute)]),
        ),
        body,
        delivery_attempts: dead.delivery_attempts,
        state: 'NEW',
        version: 1,
        event_id: `${dead_letter_id}-1`,
        recorded_at: new Date(dead.published_at).toISOString(),
      },
    ])
    dead_letters.add(1, { subscription, reason })
    deps.log.error(
      {
        dead_letter_id,
        subscription,
        reason,
        run_id: named(attributes, 'run_id') ?? undefined,
        tenant_id: named(attributes, 'tenant_id') ?? undefined,
      },
      'dead letter',
    )
    const poison = await poisonOf(deps, dead, `${reason}, dead letter ${dead_letter_id}`)
    return poison === undefined ? undefined : deps.ledger.submit(poison)
  }
}

/** What a dead message means for its run; undefined when nothing. */
const poisonOf = async (deps: Deps, dead: DeadDelivery, detail: string): Promise<Message | undefined> => {
  const { subscription } = dead
  const at = new Date(dead.published_at).toISOString()
  if (subscription === 'scheduler.run-requested') {
    const request = await verified(deps, dead)
    return request === undefined
      ? undefined
      : { kind: 'poison', run_id: request.run.run_id, subscription, detail, at, request }
  }
  const [service = '', topic, replica] = subscription.split('.')
  if (replica !== undefined || (topic !== 'run-admitted' && topic !== 'step-completed')) return undefined
  const said = attributesSaid(deps, topic, dead)
  const run_id = said?.['run_id']
  return said !== undefined && run_id !== undefined && isHosting(service, topic, said)
    ? { kind: 'poison', run_id, subscription, detail, at }
    : undefined
}

/** What the event itself says of its run: undefined for what none of our services has said. */
const attributesSaid = (
  { bus }: Deps,
  topic: Topic,
  dead: DeadDelivery,
): Readonly<Record<string, string>> | undefined => {
  try {
    return eventAttributes(topic, bus.read(topic, dead))
  } catch (error) {
    if (error instanceof AppError) return undefined
    throw error
  }
}

/**
 * Whether the service was to run a step, or to decide an end, because of the message: one that only recorded or showed
 * it fails no run. In a run with depends_on the executor resolves what follows, so there the message names neither.
 */
const isHosting = (service: string, topic: Topic, attributes: Readonly<Record<string, string>>): boolean => {
  if (attributes[`for_${service}`] !== undefined) return true
  if (attributes['last'] !== undefined) return service === 'scheduler' && topic === 'step-completed'
  return service === 'executor' && !Object.keys(attributes).some((name) => name.startsWith('for_'))
}

/** A dead request ends a run only if it verifies: anybody may write any run id into one that is refused. */
const verified = async (deps: Deps, dead: DeadDelivery): Promise<ReturnType<typeof compileRequest> | undefined> => {
  if (dead.attributes['reason'] === 'BAD_SIGNATURE') return undefined
  try {
    const event = deps.bus.read('run-requested', dead)
    if (event.action === 'cancel') return undefined
    // A dead letter is published anew, long after it was signed: its age was checked when it was first consumed.
    const request = await verifyRequest(deps, event, {
      attributes: dead.attributes,
      data: dead.data,
      published_at: dead.attributes['ts'] ?? dead.published_at,
    })
    const facts = await deps.tenantFacts(event.tenant_id, event.pipeline)
    return compileRequest(deps.pipelines, event, { ...request, facts }, new Date(dead.published_at).toISOString())
  } catch (error) {
    if (error instanceof AppError && (error.code === 'BAD_SIGNATURE' || error.code === 'EVENT_INVALID'))
      return undefined
    throw error
  }
}
