/** Crypto key versions: made, read, listed, disabled, destroyed and restored. */
import { AppError } from '@convergence/contracts'
import { invalid } from '@convergence/local-wire'
import type * as grpc from '@grpc/grpc-js'
import { protoVersion, switchableState, type Mask, type ProtoVersion } from './shapes.ts'
import { keyAt, method, nameOf, page, versionAt, type FrontState, type Page } from './state.ts'

export const versionMethods = (front: FrontState): grpc.UntypedServiceImplementation => ({
  ...method(
    front,
    'CreateCryptoKeyVersion',
    ({ parent, cryptoKeyVersion }: { parent: string; cryptoKeyVersion?: Partial<ProtoVersion> | null }) => {
      const key = nameOf(front, parent, 'key')
      const { state = 'CRYPTO_KEY_VERSION_STATE_UNSPECIFIED' } = cryptoKeyVersion ?? {}
      return protoVersion(
        front,
        key,
        front.keyring.createVersion(
          key,
          state === 'CRYPTO_KEY_VERSION_STATE_UNSPECIFIED' ? 'ENABLED' : switchableState(state),
        ),
      )
    },
  ),
  ...method(front, 'GetCryptoKeyVersion', ({ name }: { name: string }) => {
    const { key, number } = versionAt(front, name)
    const found = keyAt(front, key).versions[number - 1]
    if (found === undefined) throw new AppError('NOT_FOUND', `${name} does not exist`)
    return protoVersion(front, key, found)
  }),
  ...method(front, 'ListCryptoKeyVersions', ({ parent, ...request }: Page & { parent: string }) => {
    const key = nameOf(front, parent, 'key')
    const { shown, ...rest } = page(
      keyAt(front, key).versions.map((version) => [String(version.number).padStart(6, '0'), version] as const),
      request,
    )
    return { cryptoKeyVersions: shown.map(([, version]) => protoVersion(front, key, version)), ...rest }
  }),
  ...method(
    front,
    'UpdateCryptoKeyVersion',
    ({ cryptoKeyVersion, updateMask }: Mask & { cryptoKeyVersion?: ProtoVersion | null }) => {
      const { key, number } = versionAt(front, cryptoKeyVersion?.name ?? '')
      if (updateMask?.paths?.join() !== 'state')
        throw invalid('update_mask: expected state, the only field of a version that can be changed')
      return protoVersion(front, key, front.keyring.setState(key, number, switchableState(cryptoKeyVersion?.state)))
    },
  ),
  ...method(front, 'DestroyCryptoKeyVersion', ({ name }: { name: string }) => {
    const { key, number } = versionAt(front, name)
    return protoVersion(front, key, front.keyring.setState(key, number, 'DESTROY'))
  }),
  ...method(front, 'RestoreCryptoKeyVersion', ({ name }: { name: string }) => {
    const { key, number } = versionAt(front, name)
    return protoVersion(front, key, front.keyring.setState(key, number, 'RESTORE'))
  }),
})
