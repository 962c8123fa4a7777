/**
 * Who asks for a run: an Ed25519 signature over key id, tenant, idempotency key, time and body, because a Pub/Sub
 * message carries no
 * publisher identity. Publishers hold the private key; `publisher_keys` holds the public one.
 */
import { createHash, sign, verify, type KeyObject } from 'node:crypto'

/** Signs run-requested; one per publishing service. */
export interface Signer {
  kid: string
  sign(text: string): string
}

/** What is signed: version, key id, tenant, idempotency key, time and the hash of the raw body, a line each. */
export const signedText = ({
  kid,
  tenant_id,
  idempotency_key,
  ts,
  data,
}: {
  kid: string
  tenant_id: string
  idempotency_key: string
  ts: string
  data: Uint8Array
}): string => ['v1', kid, tenant_id, idempotency_key, ts, createHash('sha256').update(data).digest('hex')].join('\n')

export const openSigner = (privateKey: KeyObject, kid: string): Signer => ({
  kid,
  sign: (text) => sign(null, Buffer.from(text), privateKey).toString('base64'),
})

/**
 * True when the attributes' `sig` (base64) is the key's signature of what they and the raw body say; anything missing
 * or malformed is false.
 */
export const verifySignature = (
  publicKey: KeyObject,
  attributes: Readonly<Record<string, string>>,
  data: Uint8Array,
): boolean => {
  const [kid, tenant_id, idempotency_key, ts, sig] = ['kid', 'tenant_id', 'idempotency_key', 'ts', 'sig'].map((name) =>
    Object.hasOwn(attributes, name) ? attributes[name] : undefined,
  )
  if (
    kid === undefined ||
    tenant_id === undefined ||
    idempotency_key === undefined ||
    ts === undefined ||
    sig === undefined ||
    !/^[A-Za-z0-9+/]{86}==$/.test(sig)
  )
    return false
  return (
    publicKey.asymmetricKeyType === 'ed25519' &&
    verify(
      null,
      Buffer.from(signedText({ kid, tenant_id, idempotency_key, ts, data })),
      publicKey,
      Buffer.from(sig, 'base64'),
    )
  )
}
