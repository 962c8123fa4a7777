/**
 * Cloud KMS's wire protocol in front of the key file: what an unmodified client of Google asks for symmetric keys.
 * Names are
 * `projects/{project}/locations/{location}/keyRings/{ring}/cryptoKeys/{key}/cryptoKeyVersions/{number}`; any location
 * does.
 */
import * as grpc from '@grpc/grpc-js'
import { Crc32c } from '@aws-crypto/crc32c'
import { AppError } from '@convergence/contracts'
import type { CryptoKey, KeyRing, Keyring, KeyVersion, VersionState } from './keyring.ts'
import {
  invalid,
  listen,
  loadServices,
  newServer,
  shut,
  StatusError,
  unary,
  unsupported,
  warnOfReach,
  type FrontLog,
} from '@convergence/local-wire'

export interface KmsFrontOptions {
  keyring: Keyring
  project_id: string
  /** Default 127.0.0.1. Whoever reaches it may use every key. */
  host?: string
  /** 0 takes a free one. */
  port: number
  log: FrontLog
}
export interface KmsFront {
  port: number
  /** Answers what is under way, then stops. */
  close(): Promise<void>
}

interface Span {
  seconds?: string
  nanos?: number
}
interface Checksum {
  value: string
}
interface ProtoVersion {
  name: string
  state: VersionState | 'CRYPTO_KEY_VERSION_STATE_UNSPECIFIED'
}
interface ProtoKey {
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
interface Page {
  pageSize?: number
  pageToken?: string
  filter?: string
  orderBy?: string
}
interface Mask {
  updateMask?: { paths?: string[] }
}

const algorithm = 'GOOGLE_SYMMETRIC_ENCRYPTION'
/** What software keys take: plaintext, and additional authenticated data, at most. */
const mostBytes = 65_536
const usualPage = 100
const mostOnPage = 1_000
const leastRotationSeconds = 86_400

const instantOf = (rfc3339: string): Span => ({
  seconds: String(Math.floor(Date.parse(rfc3339) / 1000)),
  nanos: (Date.parse(rfc3339) % 1000) * 1e6,
})
const timeOf = ({ seconds = '0', nanos = 0 }: Span): string =>
  new Date(Number(seconds) * 1000 + nanos / 1e6).toISOString()
const checksumOf = (bytes: Uint8Array): string => String(new Crc32c().update(bytes).digest())
/** Throws when the caller sent a checksum that the bytes do not have: they were changed on the way. */
const verified = (what: string, bytes: Uint8Array, given: Checksum | null | undefined): boolean => {
  if (given === null || given === undefined) return false
  if (given.value !== checksumOf(bytes))
    throw invalid(
      `${what}_crc32c: expected ${checksumOf(bytes)} for the ${bytes.length} bytes of ${what} that came, got ${given.value}; they were changed on the way: send them again`,
    )
  return true
}

export const openKmsFront = async ({
  keyring,
  project_id,
  host = '127.0.0.1',
  port,
  log,
}: KmsFrontOptions): Promise<KmsFront> => {
  const service = await loadServices('@google-cloud/kms', 'google/cloud/kms/v1/service.proto')

  // ---- names

  const parts = (path: string, shape: 'location' | 'ring' | 'key' | 'version'): string[] => {
    const kinds = { location: 1, ring: 2, key: 3, version: 4 }
    const pattern = [
      'projects/([^/]+)/locations/([^/]+)',
      '/keyRings/([^/]+)',
      '/cryptoKeys/([^/]+)',
      '/cryptoKeyVersions/([^/]+)',
    ]
      .slice(0, kinds[shape])
      .join('')
    const [, project, ...names] = new RegExp(`^${pattern}$`).exec(path) ?? []
    if (project === undefined)
      throw invalid(`name: expected ${pattern.replaceAll('([^/]+)', '{}')}, got ${JSON.stringify(path.slice(0, 300))}`)
    if (project !== project_id)
      throw new StatusError(
        grpc.status.NOT_FOUND,
        `project ${project}: this local cloud holds the project ${project_id} alone`,
      )
    return names
  }
  const isAt = (path: string, shape: 'key' | 'version'): boolean =>
    path.includes('/cryptoKeyVersions/') === (shape === 'version')
  const nameOf = (path: string, shape: 'ring' | 'key'): string => parts(path, shape).join('/')
  const numberOf = (text: string): number => {
    if (!/^[1-9]\d{0,5}$/.test(text))
      throw new StatusError(
        grpc.status.NOT_FOUND,
        `crypto key version ${text.slice(0, 50)} does not exist; versions are numbers from 1`,
      )
    return Number(text)
  }
  const versionAt = (path: string): { key: string; number: number } => {
    const [location, ring, key, version = ''] = parts(path, 'version')
    return { key: [location, ring, key].join('/'), number: numberOf(version) }
  }
  const idOf = (what: string, id: string): string => {
    if (!/^[A-Za-z0-9_-]{1,63}$/.test(id))
      throw invalid(`${what}: expected 1 to 63 letters, digits, _ or -, got ${JSON.stringify(id.slice(0, 100))}`)
    return id
  }
  const ringPath = (name: string): string => {
    const [location, ring] = name.split('/')
    return `projects/${project_id}/locations/${location ?? ''}/keyRings/${ring ?? ''}`
  }
  const keyPath = (name: string): string => `${ringPath(name)}/cryptoKeys/${name.split('/')[2] ?? ''}`
  const ringAt = (name: string): KeyRing => {
    const found = keyring.rings()[name]
    if (found === undefined)
      throw new AppError('NOT_FOUND', `key ring ${ringPath(name)} does not exist; create it first`)
    return found
  }
  const keyAt = (name: string): CryptoKey => {
    const found = ringAt(name.split('/').slice(0, 2).join('/')).keys[name.split('/')[2] ?? '']
    if (found === undefined)
      throw new AppError('NOT_FOUND', `crypto key ${keyPath(name)} does not exist; create it in its key ring first`)
    return found
  }
  /** One page, in order of names; the token is the last name of the page before. */
  const page = <T>(
    all: readonly (readonly [string, T])[],
    { pageSize = 0, pageToken = '', filter, orderBy }: Page,
  ): { shown: (readonly [string, T])[]; nextPageToken: string; totalSize: number } => {
    if (filter) throw unsupported('filter')
    if (orderBy) throw unsupported('order_by')
    const rest = all.filter(([name]) => name > pageToken).sort(([a], [b]) => (a < b ? -1 : 1))
    const shown = rest.slice(0, pageSize <= 0 ? usualPage : Math.min(pageSize, mostOnPage))
    return { shown, nextPageToken: shown.length < rest.length ? (shown.at(-1)?.[0] ?? '') : '', totalSize: all.length }
  }

  // ---- shapes

  const protoRing = (name: string, { create_time }: KeyRing) => ({
    name: ringPath(name),
    createTime: instantOf(create_time),
  })
  const protoVersion = (key: string, { number, state, create_time, destroy_time, destroy_event_time }: KeyVersion) => ({
    name: `${keyPath(key)}/cryptoKeyVersions/${number}`,
    state,
    protectionLevel: 'SOFTWARE',
    algorithm,
    createTime: instantOf(create_time),
    generateTime: instantOf(create_time),
    ...(destroy_time === undefined ? {} : { destroyTime: instantOf(destroy_time) }),
    ...(destroy_event_time === undefined ? {} : { destroyEventTime: instantOf(destroy_event_time) }),
  })
  const protoKey = (name: string, key: CryptoKey) => {
    const primary = key.versions.find(({ number }) => number === key.primary)
    return {
      name: keyPath(name),
      purpose: 'ENCRYPT_DECRYPT',
      createTime: instantOf(key.create_time),
      labels: key.labels,
      versionTemplate: { protectionLevel: 'SOFTWARE', algorithm },
      destroyScheduledDuration: { seconds: String(key.destroy_scheduled_seconds) },
      ...(primary === undefined ? {} : { primary: protoVersion(name, primary) }),
      ...(key.rotation_seconds === undefined ? {} : { rotationPeriod: { seconds: String(key.rotation_seconds) } }),
      ...(key.next_rotation_time === undefined ? {} : { nextRotationTime: instantOf(key.next_rotation_time) }),
    }
  }
  const rotationOf = ({
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
  const switchable = (state: string | undefined): 'ENABLED' | 'DISABLED' => {
    if (state !== 'ENABLED' && state !== 'DISABLED')
      throw invalid(`crypto_key_version.state: expected ENABLED or DISABLED, got ${String(state)}`)
    return state
  }
  const limited = (what: string, bytes: Uint8Array): Uint8Array => {
    if (bytes.length > mostBytes) throw invalid(`${what}: expected at most ${mostBytes} bytes, got ${bytes.length}`)
    return bytes
  }

  // ---- methods

  const method = <Request, Answer>(name: string, work: (request: Request) => Answer) => ({
    [name]: unary(log, name, work),
  })
  const methods: grpc.UntypedServiceImplementation = {
    ...method('CreateKeyRing', ({ parent, keyRingId }: { parent: string; keyRingId: string }) => {
      const name = `${parts(parent, 'location').join('/')}/${idOf('key_ring_id', keyRingId)}`
      return protoRing(name, keyring.createRing(name))
    }),
    ...method('GetKeyRing', ({ name }: { name: string }) =>
      protoRing(nameOf(name, 'ring'), ringAt(nameOf(name, 'ring'))),
    ),
    ...method('ListKeyRings', ({ parent, ...request }: Page & { parent: string }) => {
      const [location = ''] = parts(parent, 'location')
      const { shown, ...rest } = page(
        Object.entries(keyring.rings()).filter(([name]) => name.startsWith(`${location}/`)),
        request,
      )
      return { keyRings: shown.map(([name, ring]) => protoRing(name, ring)), ...rest }
    }),
    ...method(
      'CreateCryptoKey',
      ({
        parent,
        cryptoKeyId,
        cryptoKey,
        skipInitialVersionCreation = false,
      }: {
        parent: string
        cryptoKeyId: string
        cryptoKey?: ProtoKey | null
        skipInitialVersionCreation?: boolean
      }) => {
        const name = `${nameOf(parent, 'ring')}/${idOf('crypto_key_id', cryptoKeyId)}`
        const {
          purpose,
          versionTemplate,
          labels = {},
          destroyScheduledDuration,
          importOnly,
          cryptoKeyBackend,
        } = cryptoKey ?? {}
        if (purpose !== 'ENCRYPT_DECRYPT')
          throw purpose === undefined || purpose === 'CRYPTO_KEY_PURPOSE_UNSPECIFIED'
            ? invalid('crypto_key.purpose: expected ENCRYPT_DECRYPT')
            : unsupported(`a key of purpose ${purpose}`)
        for (const [what, value, usual] of [
          ['algorithm', versionTemplate?.algorithm, algorithm],
          ['protection level', versionTemplate?.protectionLevel, 'SOFTWARE'],
        ] as const) {
          if (value !== undefined && value !== usual && !value.endsWith('_UNSPECIFIED'))
            throw unsupported(`${what} ${value}`)
        }
        if (importOnly === true) throw unsupported('a key that is imported')
        if (cryptoKeyBackend) throw unsupported('a key kept elsewhere')
        const seconds =
          destroyScheduledDuration === null || destroyScheduledDuration === undefined
            ? undefined
            : Number(destroyScheduledDuration.seconds ?? 0)
        return protoKey(
          name,
          keyring.createKey(name, {
            labels,
            empty: skipInitialVersionCreation,
            ...rotationOf(cryptoKey ?? {}),
            ...(seconds === undefined ? {} : { destroy_scheduled_seconds: seconds }),
          }),
        )
      },
    ),
    ...method('GetCryptoKey', ({ name }: { name: string }) =>
      protoKey(nameOf(name, 'key'), keyAt(nameOf(name, 'key'))),
    ),
    ...method('ListCryptoKeys', ({ parent, ...request }: Page & { parent: string }) => {
      const ring = nameOf(parent, 'ring')
      const { shown, ...rest } = page(Object.entries(ringAt(ring).keys), request)
      return { cryptoKeys: shown.map(([id, key]) => protoKey(`${ring}/${id}`, key)), ...rest }
    }),
    ...method('UpdateCryptoKey', ({ cryptoKey, updateMask }: Mask & { cryptoKey?: ProtoKey | null }) => {
      const name = nameOf(cryptoKey?.name ?? '', 'key')
      const paths = updateMask?.paths ?? []
      const changeable = ['labels', 'rotation_period', 'next_rotation_time']
      if (paths.length === 0) throw invalid(`update_mask: expected at least one of ${changeable.join(', ')}`)
      for (const path of paths)
        if (!changeable.includes(path))
          throw invalid(`update_mask: ${path} cannot be changed or is not known; expected of ${changeable.join(', ')}`)
      const known = keyAt(name)
      const rotation = rotationOf({
        rotationPeriod: paths.includes('rotation_period')
          ? (cryptoKey?.rotationPeriod ?? null)
          : known.rotation_seconds === undefined
            ? null
            : { seconds: String(known.rotation_seconds) },
        nextRotationTime: paths.includes('next_rotation_time')
          ? (cryptoKey?.nextRotationTime ?? null)
          : known.next_rotation_time === undefined
            ? null
            : instantOf(known.next_rotation_time),
      })
      return protoKey(
        name,
        keyring.updateKey(name, {
          ...(paths.includes('labels') ? { labels: cryptoKey?.labels ?? {} } : {}),
          rotation_seconds: rotation.rotation_seconds,
          next_rotation_time: rotation.next_rotation_time,
        } as Parameters<Keyring['updateKey']>[1]),
      )
    }),
    ...method(
      'UpdateCryptoKeyPrimaryVersion',
      ({ name, cryptoKeyVersionId }: { name: string; cryptoKeyVersionId: string }) => {
        const key = nameOf(name, 'key')
        return protoKey(key, keyring.setPrimary(key, numberOf(cryptoKeyVersionId)))
      },
    ),
    ...method(
      'CreateCryptoKeyVersion',
      ({ parent, cryptoKeyVersion }: { parent: string; cryptoKeyVersion?: Partial<ProtoVersion> | null }) => {
        const key = nameOf(parent, 'key')
        const { state = 'CRYPTO_KEY_VERSION_STATE_UNSPECIFIED' } = cryptoKeyVersion ?? {}
        return protoVersion(
          key,
          keyring.createVersion(key, state === 'CRYPTO_KEY_VERSION_STATE_UNSPECIFIED' ? 'ENABLED' : switchable(state)),
        )
      },
    ),
    ...method('GetCryptoKeyVersion', ({ name }: { name: string }) => {
      const { key, number } = versionAt(name)
      const found = keyAt(key).versions[number - 1]
      if (found === undefined) throw new AppError('NOT_FOUND', `${name} does not exist`)
      return protoVersion(key, found)
    }),
    ...method('ListCryptoKeyVersions', ({ parent, ...request }: Page & { parent: string }) => {
      const key = nameOf(parent, 'key')
      const { shown, ...rest } = page(
        keyAt(key).versions.map((version) => [String(version.number).padStart(6, '0'), version] as const),
        request,
      )
      return { cryptoKeyVersions: shown.map(([, version]) => protoVersion(key, version)), ...rest }
    }),
    ...method(
      'UpdateCryptoKeyVersion',
      ({ cryptoKeyVersion, updateMask }: Mask & { cryptoKeyVersion?: ProtoVersion | null }) => {
        const { key, number } = versionAt(cryptoKeyVersion?.name ?? '')
        if (updateMask?.paths?.join() !== 'state')
          throw invalid('update_mask: expected state, the only field of a version that can be changed')
        return protoVersion(key, keyring.setState(key, number, switchable(cryptoKeyVersion?.state)))
      },
    ),
    ...method('DestroyCryptoKeyVersion', ({ name }: { name: string }) => {
      const { key, number } = versionAt(name)
      return protoVersion(key, keyring.setState(key, number, 'DESTROY'))
    }),
    ...method('RestoreCryptoKeyVersion', ({ name }: { name: string }) => {
      const { key, number } = versionAt(name)
      return protoVersion(key, keyring.setState(key, number, 'RESTORE'))
    }),
    ...method(
      'Encrypt',
      ({
        name,
        plaintext,
        additionalAuthenticatedData: aad,
        plaintextCrc32c,
        additionalAuthenticatedDataCrc32c,
      }: {
        name: string
        plaintext: Buffer
        additionalAuthenticatedData: Buffer
        plaintextCrc32c?: Checksum | null
        additionalAuthenticatedDataCrc32c?: Checksum | null
      }) => {
        const { key, number } = isAt(name, 'version')
          ? versionAt(name)
          : { key: nameOf(name, 'key'), number: undefined }
        const verifiedPlaintextCrc32c = verified('plaintext', limited('plaintext', plaintext), plaintextCrc32c)
        const verifiedAdditionalAuthenticatedDataCrc32c = verified(
          'additional_authenticated_data',
          limited('additional_authenticated_data', aad),
          additionalAuthenticatedDataCrc32c,
        )
        const { version, ciphertext } = keyring.encrypt(key, plaintext, aad, number)
        return {
          name: `${keyPath(key)}/cryptoKeyVersions/${version}`,
          ciphertext,
          ciphertextCrc32c: { value: checksumOf(ciphertext) },
          verifiedPlaintextCrc32c,
          verifiedAdditionalAuthenticatedDataCrc32c,
          protectionLevel: 'SOFTWARE',
        }
      },
    ),
    ...method(
      'Decrypt',
      ({
        name,
        ciphertext,
        additionalAuthenticatedData: aad,
        ciphertextCrc32c,
        additionalAuthenticatedDataCrc32c,
      }: {
        name: string
        ciphertext: Buffer
        additionalAuthenticatedData: Buffer
        ciphertextCrc32c?: Checksum | null
        additionalAuthenticatedDataCrc32c?: Checksum | null
      }) => {
        verified('ciphertext', ciphertext, ciphertextCrc32c)
        verified(
          'additional_authenticated_data',
          limited('additional_authenticated_data', aad),
          additionalAuthenticatedDataCrc32c,
        )
        const { plaintext, used_primary } = keyring.decrypt(nameOf(name, 'key'), ciphertext, aad)
        return {
          plaintext,
          plaintextCrc32c: { value: checksumOf(plaintext) },
          usedPrimary: used_primary,
          protectionLevel: 'SOFTWARE',
        }
      },
    ),
  }
  const definition = service('google.cloud.kms.v1.KeyManagementService')
  for (const name of Object.keys(definition))
    methods[name] ??= unary(log, name, () => {
      throw unsupported(`KeyManagementService.${name}`)
    })

  const server = newServer()
  server.addService(definition, methods)
  const bound = await listen(server, host, port, 'KMS_PORT')
  warnOfReach(log, 'KMS', host, bound)
  return { port: bound, close: () => shut(server) }
}
