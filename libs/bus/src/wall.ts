/**
 * The wall behind the front door: what goes on between our services is believed only when it is signed by a service that
 * publishes the topic, and a run is worked on only as the ledger admitted it. A topic that somebody outside publishes
 * has a check of its own (run-requested) or says nothing (scheduler-tick).
 */
import { createHash, verify, type KeyObject } from 'node:crypto'
import { AppError, topology, type Run, type ServiceName, type StepCompleted, type Topic } from '@convergence/contracts'
import type { WallOptions } from './api.ts'
import type { PortMessage } from './port.ts'
import type { Signer } from './sign.ts'
import type { BusState } from './state.ts'

type Signed = Pick<PortMessage, 'attributes' | 'data' | 'published_at'>
/** Who signed it; undefined for what is older than the keys. */
type Author = string | undefined

/** Signatures that this process made or has verified, with what they sign: those need no second look. */
const mostKnown = 4096

const remember = (bus: BusState, sig: string, text: string): void => {
  bus.verified.set(sig, text)
  const oldest = bus.verified.keys().next().value
  if (bus.verified.size > mostKnown && oldest !== undefined) bus.verified.delete(oldest)
}

/** Whether what the topic says is signed by the service that says it. */
export const isInternal = (topic: Topic): boolean => !topology[topic].publishers.includes('outside')

const digest = (data: Uint8Array | string): string => createHash('sha256').update(data).digest('hex')

/** What a service signs of an event: attributes are made of the body again where they matter. */
const eventText = (topic: Topic, kid: string, data: Uint8Array): string =>
  ['event.v1', topic, kid, digest(data)].join('\n')

/** What the scheduler signs of a run: all of it but what its steps add on the way. */
const admissionText = (epoch: string, run: Run): string => {
  const { failed: _failed, warnings: _warnings, results: _results, admission: _admission, ...admitted } = run
  return ['admission.v1', run.run_id, epoch, digest(JSON.stringify(admitted))].join('\n')
}

const signed = (bus: BusState, signer: Signer, text: string): string => {
  const sig = signer.sign(text)
  remember(bus, sig, text)
  return sig
}

/** The run with the scheduler's word that the ledger admitted it. */
export const confirmed = (bus: BusState, wall: WallOptions, run: Run): Run => {
  const signer = bus.options.signers?.['scheduler']
  if (signer === undefined) return run
  const epoch = wall.epoch()
  return { ...run, admission: { epoch, sig: signed(bus, signer, admissionText(epoch, run)) } }
}

/** Attributes that say who published the event: of `by`, or of the first of its publishers that signs here. */
export const signatureOf = (
  bus: BusState,
  topic: Topic,
  data: Uint8Array,
  by: ServiceName | undefined,
): Record<string, string> => {
  const { signers = {} } = bus.options
  const names = topology[topic].publishers.filter((name) => signers[name] !== undefined)
  const signer = signers[by !== undefined && names.includes(by) ? by : (names[0] ?? '')]
  if (signer === undefined)
    throw new AppError('SETTING_INVALID', `${topic} must be signed and this bus has no key to sign with`)
  return { kid: signer.kid, sig: signed(bus, signer, eventText(topic, signer.kid, data)) }
}

const verifies = (bus: BusState, keys: readonly KeyObject[], text: string, sig: string): boolean => {
  if (bus.verified.get(sig) === text) return true
  if (!/^[A-Za-z0-9+/]{86}==$/.test(sig)) return false
  const bytes = Buffer.from(sig, 'base64')
  if (!keys.some((key) => verify(null, Buffer.from(text), key, bytes))) return false
  remember(bus, sig, text)
  return true
}

const attributeOf = ({ attributes }: Signed, name: string): string | undefined =>
  Object.hasOwn(attributes, name) ? attributes[name] : undefined

const refuse = (topic: Topic, why: string): never => {
  throw new AppError('BAD_SIGNATURE', `${topic}: ${why}`)
}

/** `grace`: how long behind the limit is before it still. */
const isBefore = (time: string | undefined, limit: string | undefined, grace = 0): boolean =>
  time !== undefined && limit !== undefined && Date.parse(time) < Date.parse(limit) + grace

/** How long a run that was admitted before there were keys goes on unconfirmed; then the sweeper has started it again. */
const unconfirmedMs = 86_400_000
/** How long whoever has not heard of another life of the central tables is waited for. */
const unheardMs = 600_000

/** The keys of a service. That there is none is this reader's setting and says nothing of the message: it comes again. */
const keysOf = (wall: WallOptions, topic: Topic, kid: string): readonly KeyObject[] => {
  const keys = Object.hasOwn(wall.keys, kid) ? (wall.keys[kid] ?? []) : []
  if (keys.length === 0)
    throw new AppError(
      'SETTING_INVALID',
      `${topic}: PLATFORM_KEYS expected a key of ${kid}, which signs it, and has none; add it: the message comes again`,
    )
  return keys
}

/** Throws BAD_SIGNATURE for what no publisher of the topic has signed, SETTING_INVALID where its key is not known. */
export const assertSigned = (bus: BusState, topic: Topic, message: Signed): Author => {
  const { wall } = bus.options
  if (wall === undefined || !isInternal(topic)) return undefined
  const kid = attributeOf(message, 'kid')
  const sig = attributeOf(message, 'sig')
  if (kid === undefined || sig === undefined) {
    if (isBefore(message.published_at, wall.unsigned_before)) return undefined
    return refuse(topic, 'expected the signature of a service that publishes it, got none')
  }
  const shown = JSON.stringify(kid.slice(0, 64))
  const { publishers } = topology[topic]
  if (!publishers.includes(kid)) return refuse(topic, `signed by ${shown}, expected one of ${publishers.join(', ')}`)
  if (!verifies(bus, keysOf(wall, topic, kid), eventText(topic, kid, message.data), sig))
    return refuse(topic, `the signature of ${shown} does not fit the body`)
  return kid
}

/**
 * Throws BAD_SIGNATURE where the run of a message that starts or goes on with one is not what the ledger admitted, or
 * where a service says how a step ended that another one runs.
 */
export const assertAdmitted = (
  bus: BusState,
  topic: Topic,
  event: unknown,
  { author, published_at }: { author: Author; published_at: string },
): void => {
  const { wall } = bus.options
  if (wall === undefined || (topic !== 'run-admitted' && topic !== 'step-completed') || author === undefined) return
  const { run, step_id } = event as Pick<StepCompleted, 'run'> & Partial<StepCompleted>
  if (step_id !== undefined && author !== 'executor' && author !== 'scheduler') {
    const step = run.steps.find((each) => each.step_id === step_id)
    if (step?.host !== author) refuse(topic, `signed by ${author}, which does not run step ${step_id}`)
  }
  const { admission } = run
  if (admission === undefined) {
    // When it was admitted its body says; when it was published, the broker.
    const { unsigned_before } = wall
    if (isBefore(run.admitted_at, unsigned_before) && isBefore(published_at, unsigned_before, unconfirmedMs)) return
    return refuse(topic, `run ${run.run_id}: expected the scheduler's word that it was admitted, got none`)
  }
  if (!verifies(bus, keysOf(wall, topic, 'scheduler'), admissionText(admission.epoch, run), admission.sig))
    return refuse(topic, `run ${run.run_id} is not what the ledger admitted`)
  if (admission.epoch === wall.epoch()) return
  const why = `run ${run.run_id} was admitted in another life of the central tables`
  // One of the two has not heard yet that the tables were made again: what it is about is looked at once more.
  if (isBefore(bus.now().toISOString(), published_at, unheardMs)) throw new AppError('UNAVAILABLE', why)
  refuse(topic, why)
}
