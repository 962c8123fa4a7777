/** Crypto keys: made, read, listed, changed. */
import { invalid, unsupported } from '@convergence/local-wire'
import type * as grpc from '@grpc/grpc-js'
import type { Keyring } from '../api.ts'
import { algorithm, instantOf, protoKey, rotationOf, type Mask, type ProtoKey } from './shapes.ts'
import { idOf, keyAt, method, nameOf, numberOf, page, ringAt, type FrontState, type Page } from './state.ts'

export const keyMethods = (front: FrontState): grpc.UntypedServiceImplementation => ({
  ...method(
    front,
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
      const name = `${nameOf(front, parent, 'ring')}/${idOf('crypto_key_id', cryptoKeyId)}`
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
        front,
        name,
        front.keyring.createKey(name, {
          labels,
          empty: skipInitialVersionCreation,
          ...rotationOf(cryptoKey ?? {}),
          ...(seconds === undefined ? {} : { destroy_scheduled_seconds: seconds }),
        }),
      )
    },
  ),
  ...method(front, 'GetCryptoKey', ({ name }: { name: string }) =>
    protoKey(front, nameOf(front, name, 'key'), keyAt(front, nameOf(front, name, 'key'))),
  ),
  ...method(front, 'ListCryptoKeys', ({ parent, ...request }: Page & { parent: string }) => {
    const ring = nameOf(front, parent, 'ring')
    const { shown, ...rest } = page(Object.entries(ringAt(front, ring).keys), request)
    return { cryptoKeys: shown.map(([id, key]) => protoKey(front, `${ring}/${id}`, key)), ...rest }
  }),
  ...method(front, 'UpdateCryptoKey', ({ cryptoKey, updateMask }: Mask & { cryptoKey?: ProtoKey | null }) => {
    const name = nameOf(front, cryptoKey?.name ?? '', 'key')
    const paths = updateMask?.paths ?? []
    const changeable = ['labels', 'rotation_period', 'next_rotation_time']
    if (paths.length === 0) throw invalid(`update_mask: expected at least one of ${changeable.join(', ')}`)
    for (const path of paths)
      if (!changeable.includes(path))
        throw invalid(`update_mask: ${path} cannot be changed or is not known; expected of ${changeable.join(', ')}`)
    const { rotation_seconds, next_rotation_time } = keyAt(front, name)
    const known = {
      rotationPeriod: rotation_seconds === undefined ? null : { seconds: String(rotation_seconds) },
      nextRotationTime: next_rotation_time === undefined ? null : instantOf(next_rotation_time),
    }
    const rotation = rotationOf({
      rotationPeriod: (paths.includes('rotation_period') ? cryptoKey?.rotationPeriod : known.rotationPeriod) ?? null,
      nextRotationTime:
        (paths.includes('next_rotation_time') ? cryptoKey?.nextRotationTime : known.nextRotationTime) ?? null,
    })
    return protoKey(
      front,
      name,
      front.keyring.updateKey(name, {
        ...(paths.includes('labels') ? { labels: cryptoKey?.labels ?? {} } : {}),
        rotation_seconds: rotation.rotation_seconds,
        next_rotation_time: rotation.next_rotation_time,
      } as Parameters<Keyring['updateKey']>[1]),
    )
  }),
  ...method(
    front,
    'UpdateCryptoKeyPrimaryVersion',
    ({ name, cryptoKeyVersionId }: { name: string; cryptoKeyVersionId: string }) => {
      const key = nameOf(front, name, 'key')
      return protoKey(front, key, front.keyring.setPrimary(key, numberOf(cryptoKeyVersionId)))
    },
  ),
})
