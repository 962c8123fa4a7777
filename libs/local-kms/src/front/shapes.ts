/** Rings, keys and versions in the protocol's shapes, and what is refused of them. */
import { invalid } from '@convergence/local-wire'
import type { CryptoKey, KeyRing, KeyVersion, VersionState } from '../api.ts'
import { keyPath, ringPath, type FrontState } from './state.ts'

interface Span {
  seconds?: string
  nanos?: number
}

export interface ProtoVersion {
  name: string
  state: VersionState | 'CRYPTO_KEY_VERSION_STATE_UNSPECIFIED'
}

export interface ProtoKey {
  name?: string
  purpose?: string
  versionTemplate?: { algorithm?: string; protectionLevel?: string } | null
  labels?: Record<string, string>
  rotationPeriod?: Span | null
  nextRotationTime?: Span | null
  destroyScheduledDuration?: Span | null
  importOnly?: boolean
  cryptoKeyBackend?: string
}

export interface Mask {
  updateMask?: { paths?: string[] }
}

export const algorithm = 'GOOGLE_SYMMETRIC_ENCRYPTION'

const leastRotationSeconds = 86_400

export const instantOf = (rfc3339: string): Span => ({
  seconds: String(Math.floor(Date.parse(rfc3339) / 1000)),
  nanos: (Date.parse(rfc3339) % 1000) * 1e6,
})

const timeOf = ({ seconds = '0', nanos = 0 }: Span): string =>
  new Date(Number(seconds) * 1000 + nanos / 1e6).toISOString()

export const protoRing = (front: FrontState, name: string, { create_time }: KeyRing) => ({
  name: ringPath(front, name),
  createTime: instantOf(create_time),
})

export const protoVersion = (
  front: FrontState,
  key: string,
  { number, state, create_time, destroy_time, destroy_event_time }: KeyVersion,
) => ({
  name: `${keyPath(front, key)}/cryptoKeyVersions/${number}`,
  state,
  protectionLevel: 'SOFTWARE',
  algorithm,
  createTime: instantOf(create_time),
  generateTime: instantOf(create_time),
  ...(destroy_time === undefined ? {} : { destroyTime: instantOf(destroy_time) }),
  ...(destroy_event_time === undefined ? {} : { destroyEventTime: instantOf(destroy_event_time) }),
})

export const protoKey = (front: FrontState, name: string, key: CryptoKey) => {
  const primary = key.versions.find(({ number }) => number === key.primary)
  return {
    name: keyPath(front, name),
    purpose: 'ENCRYPT_DECRYPT',
    createTime: instantOf(key.create_time),
    labels: key.labels,
    versionTemplate: { protectionLevel: 'SOFTWARE', algorithm },
    destroyScheduledDuration: { seconds: String(key.destroy_scheduled_seconds) },
    ...(primary === undefined ? {} : { primary: protoVersion(front, name, primary) }),
    ...(key.rotation_seconds === undefined ? {} : { rotationPeriod: { seconds: String(key.rotation_seconds) } }),
    ...(key.next_rotation_time === undefined ? {} : { nextRotationTime: instantOf(key.next_rotation_time) }),
  }
}

export const rotationOf = ({
  rotationPeriod,
  nextRotationTime,
}: ProtoKey): { rotation_seconds?: number; next_rotation_time?: string } => {
  const seconds =
    rotationPeriod === null || rotationPeriod === undefined ? undefined : Number(rotationPeriod.seconds ?? 0)
  const next = nextRotationTime === null || nextRotationTime === undefined ? undefined : timeOf(nextRotationTime)
  if (seconds !== undefined && seconds < leastRotationSeconds)
    throw invalid(`rotation_period: expected at least ${leastRotationSeconds} seconds, got ${seconds}`)
  if (seconds !== undefined && next === undefined)
    throw invalid('rotation_period: expected next_rotation_time beside it')
  return {
    ...(seconds === undefined ? {} : { rotation_seconds: seconds }),
    ...(next === undefined ? {} : { next_rotation_time: next }),
  }
}

/** The states that a caller may give a version by itself. */
export const switchableState = (state: string | undefined): 'ENABLED' | 'DISABLED' => {
  if (state !== 'ENABLED' && state !== 'DISABLED')
    throw invalid(`crypto_key_version.state: expected ENABLED or DISABLED, got ${String(state)}`)
  return state
}
