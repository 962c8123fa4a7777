/** Events as messages: checked, signed, written and read. */
import {
  AppError,
  assertEvent,
  brokenText,
  eventAttributes,
  type EventBodies,
  type Topic,
} from '@convergence/contracts'
import type { Outgoing } from './api.ts'
import type { PortOutgoing } from './port.ts'
import { signedText } from './sign.ts'
import type { BusState } from './state.ts'

export const encode = (bus: BusState, { topic, event, attributes: added, idempotency_key }: Outgoing): PortOutgoing => {
  assertEvent(topic, event)
  const text = JSON.stringify(event)
  assertWhole(topic, text, event)
  const data = Buffer.from(text)
  const attributes = { ...eventAttributes(topic, event), ...added }
  if (topic !== 'run-requested') return { topic, data, attributes }
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
  const signed = { kid: signer.kid, tenant_id: event.tenant_id, idempotency_key, ts }
  return { topic, data, attributes: { ...attributes, ...signed, sig: signer.sign(signedText({ ...signed, data })) } }
}

/**
 * A body that goes to several subscriptions of this process is one object in the embedded broker: parsed and checked
 * once, for all of them.
 */
const parsed = new WeakMap<Uint8Array, { topic: Topic; event: unknown }>()

export const parse = <T extends Topic>(topic: T, data: Uint8Array): EventBodies[T] => {
  const known = parsed.get(data)
  if (known?.topic === topic) return known.event as EventBodies[T]
  let value: unknown
  const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('utf8')
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new AppError('EVENT_INVALID', `${topic}: the body is not JSON`, { cause: error })
  }
  assertEvent(topic, value)
  assertWhole(topic, text, value)
  parsed.set(data, { topic, event: deepFreeze(value) })
  return value
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
