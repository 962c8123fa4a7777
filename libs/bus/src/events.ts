/** Events as messages: checked, signed, written and read. */
import {
  AppError,
  assertEvent,
  brokenText,
  eventAttributes,
  type EventBodies,
  type ServiceName,
  type Topic,
} from '@convergence/contracts'
import { readJson } from '@convergence/contracts/json'
import type { Outgoing } from './api.ts'
import type { PortMessage, PortOutgoing } from './port.ts'
import { signedText } from './sign.ts'
import type { BusState } from './state.ts'
import { assertAdmitted, assertSigned, confirmed, isInternal, signatureOf } from './wall.ts'

/** `by` publishes it: the service whose handler returned it, where a handler did. */
export const encode = (bus: BusState, outgoing: Outgoing, by?: ServiceName): PortOutgoing => {
  const { topic, attributes: added, idempotency_key } = outgoing
  const { wall } = bus.options
  const event =
    outgoing.topic === 'run-admitted' && wall !== undefined && added?.['sig'] === undefined
      ? { ...outgoing.event, run: confirmed(bus, wall, outgoing.event.run) }
      : outgoing.event
  assertEvent(topic, event)
  const text = JSON.stringify(event)
  assertWhole(topic, text, event)
  const data = Buffer.from(text)
  const attributes = { ...eventAttributes(topic, event), ...added }
  if (outgoing.topic !== 'run-requested') {
    // What is said again for another one has its signature.
    const isSigned = wall === undefined || !isInternal(topic) || added?.['sig'] !== undefined
    return { topic, data, attributes: { ...attributes, ...(isSigned ? {} : signatureOf(bus, topic, data, by)) } }
  }
  const signers = bus.options.signers ?? {}
  const signer =
    added?.['kid'] === undefined
      ? Object.values(signers)[0]
      : Object.values(signers).find(({ kid }) => kid === added['kid'])
  if (signer === undefined)
    throw new AppError(
      'SETTING_INVALID',
      'run-requested must be signed and this bus has no key to sign with: give openBus a signer',
    )
  if (idempotency_key === undefined)
    throw new AppError('EVENT_INVALID', 'run-requested: idempotency_key is missing; it makes a repeat the same run')
  const ts = bus.now().toISOString()
  const signed = { kid: signer.kid, tenant_id: outgoing.event.tenant_id, idempotency_key, ts }
  return { topic, data, attributes: { ...attributes, ...signed, sig: signer.sign(signedText({ ...signed, data })) } }
}

/**
 * A body that goes to several subscriptions of this process is one object in the embedded broker: parsed and checked
 * once, for all of them.
 */
const parsed = new WeakMap<Uint8Array, { topic: Topic; event: unknown }>()

/** The event of a message that is signed as its topic asks. */
export const read = <T extends Topic>(
  bus: BusState,
  topic: T,
  message: Pick<PortMessage, 'attributes' | 'data' | 'published_at'>,
): EventBodies[T] => {
  const author = assertSigned(bus, topic, message)
  assertKind(topic, message.attributes)
  const event = parse(topic, message.data)
  assertAdmitted(bus, topic, event, { author, published_at: message.published_at })
  return event
}

const parse = <T extends Topic>(topic: T, data: Uint8Array): EventBodies[T] => {
  const known = parsed.get(data)
  if (known?.topic === topic) return known.event as EventBodies[T]
  const value = isInternal(topic) ? readOwn(topic, data) : readForeign(topic, data)
  assertEvent(topic, value)
  parsed.set(data, { topic, event: deepFreeze(value) })
  return value
}

const readOwn = (topic: Topic, data: Uint8Array): unknown => {
  const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('utf8')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new AppError('EVENT_INVALID', `${topic}: the body is not JSON`, { cause: error })
  }
  assertWhole(topic, text, value)
  return value
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
/** What others may publish is read as strictly as a request over REST: no two readers find different things in it. */
const readForeign = (topic: Topic, data: Uint8Array): unknown => {
  let text: string
  try {
    text = decoder.decode(data)
  } catch (error) {
    throw new AppError('EVENT_INVALID', `${topic}: the body is not UTF-8`, { cause: error })
  }
  const read = readJson(text)
  if ('fault' in read) throw new AppError('EVENT_INVALID', `${topic}: ${read.fault}`)
  return read.value
}

/** What the attributes say the body is: a version that comes later is not read as this one. */
const assertKind = (topic: Topic, attributes: Readonly<Record<string, string>>): void => {
  for (const [name, expected] of [
    ['version', '1'],
    ['event', topic],
  ] as const) {
    const got = Object.hasOwn(attributes, name) ? attributes[name] : expected
    if (got !== expected)
      throw new AppError(
        'EVENT_INVALID',
        `${topic}: the attribute ${name} expected ${expected}, got ${JSON.stringify(got?.slice(0, 64))}`,
      )
  }
}

const assertWhole = (topic: Topic, text: string, value: unknown): void => {
  const where = brokenText(text, value)
  if (where !== undefined)
    throw new AppError(
      'EVENT_INVALID',
      `${topic}: ${where}: expected whole characters, got half of one (a lone surrogate)`,
    )
}

/** No handler can change what another one is given. */
const deepFreeze = <T>(value: T): T => {
  if (value === null || typeof value !== 'object') return value
  for (const inner of Object.values(value)) deepFreeze(inner)
  return Object.freeze(value)
}
