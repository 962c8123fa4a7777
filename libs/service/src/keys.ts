/** Keys of a service: from its settings, or in local mode from the files that the local cloud made. */
import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { WallOptions } from '@convergence/bus'
import { AppError, type ServiceName } from '@convergence/contracts'
import { isHashes } from './env.ts'

export interface KeySource {
  settings: Readonly<Record<string, string>>
  /** RUNTIME is not gcp: a key that no setting names is that of the data folder. */
  embedded: boolean
  localFile(name: string): string
}

/** Private key in PEM, public key as SPKI DER in base64, and when they were made: version 0.1 does not say. */
interface Pair {
  private_key: string
  public_key: string
  made_at?: string
}

const localPairs = ({ localFile }: KeySource, setting: string): Record<string, Pair> => {
  const file = localFile('signing-keys.json')
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Record<string, Pair>
  } catch (error) {
    throw new AppError(
      'SETTING_INVALID',
      `${setting} is not set and ${file} cannot be read: ` +
        'start npm run local-cloud first, with the same CONVERGENCE_DATA_DIR',
      { cause: error },
    )
  }
}

/** Signs what the service publishes. Throws SETTING_INVALID, never with the key. */
export const signingKey = (source: KeySource, name: ServiceName): KeyObject => {
  const { SIGNING_KEY: text } = source.settings
  if (text === undefined && source.embedded)
    return createPrivateKey(localPairs(source, 'SIGNING_KEY')[name]?.private_key ?? '')
  try {
    const key = createPrivateKey({ key: Buffer.from(text ?? '', 'base64'), format: 'der', type: 'pkcs8' })
    if (key.asymmetricKeyType === 'ed25519') return key
  } catch {
    // Reported below, without the key.
  }
  throw new AppError(
    'SETTING_INVALID',
    'SIGNING_KEY expected an Ed25519 private key (PKCS8 DER in base64), got something else ' +
      '(not shown: it is a secret); openssl genpkey -algorithm ed25519 -outform DER | base64',
  )
}

export const publicKeyOf = (kid: string, text: string): KeyObject => {
  try {
    return createPublicKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'spki' })
  } catch {
    throw new AppError(
      'SETTING_INVALID',
      `PLATFORM_KEYS expected for ${kid} an Ed25519 public key, SPKI DER in base64, got something else`,
    )
  }
}

/** Public keys of our own publishers. A name that comes twice has two keys: during a rotation both are accepted. */
export const platformKeys = (source: KeySource): Record<string, KeyObject[]> => {
  const { PLATFORM_KEYS: text } = source.settings
  const pairs =
    text === undefined && source.embedded
      ? Object.entries(localPairs(source, 'PLATFORM_KEYS')).map(([kid, pair]) => [kid, pair.public_key] as const)
      : (text ?? '')
          .split(',')
          .map((part) => [part.slice(0, part.indexOf('=')), part.slice(part.indexOf('=') + 1)] as const)
  const known: Record<string, KeyObject[]> = {}
  for (const [kid, key] of pairs) (known[kid] ??= []).push(publicKeyOf(kid, key))
  return known
}

/** What every service asks of messages between them. */
export const wallKeys = (source: KeySource): Pick<WallOptions, 'keys' | 'unsigned_before'> => ({
  keys: platformKeys(source),
  unsigned_before:
    source.settings['UNSIGNED_BEFORE'] ??
    // Of a service that had none before messages were signed.
    (source.embedded && source.settings['PLATFORM_KEYS'] === undefined
      ? localPairs(source, 'PLATFORM_KEYS')['executor']?.made_at
      : undefined),
})

/** SHA-256 of each admin key, hex: ADMIN_KEY_HASHES, else of ADMIN_API_KEY, else of the key in the data folder. */
export const adminKeyHashes = (source: KeySource, local_mode: boolean): string[] => {
  const { ADMIN_KEY_HASHES: hashes, ADMIN_API_KEY: given } = source.settings
  if (hashes !== undefined && isHashes(hashes)) return hashes.split(',')
  if (!source.embedded) throw new AppError('SETTING_INVALID', 'ADMIN_KEY_HASHES is not set')
  const key = given ?? localAdminKey(source.localFile('admin-key'))
  // Others can reach the door: 128 bits, in the form that npm run admin-key gives.
  if (!local_mode && !/^cdpadm_[0-9A-Za-z]{22,}$/.test(key))
    throw new AppError(
      'SETTING_INVALID',
      'ADMIN_API_KEY expected a key of at least 128 bits outside local mode, got a shorter one ' +
        '(not shown: it is a secret); npm run admin-key makes one',
    )
  return [createHash('sha256').update(key).digest('hex')]
}

const localAdminKey = (file: string): string => {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    throw new AppError(
      'SETTING_INVALID',
      `neither ADMIN_API_KEY nor ADMIN_KEY_HASHES is set and ${file} cannot be read: ` +
        'npm run local-cloud makes it, npm run admin-key makes a key',
      { cause: error },
    )
  }
}
