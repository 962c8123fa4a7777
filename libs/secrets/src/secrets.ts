/**
 * The door to KMS. Envelope: a fresh AES-256-GCM data key per record, wrapped by a key of the purpose. Both layers are
 * bound to
 * `aad` (table|tenant_id|row_id|version), so a ciphertext that was moved does not open.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { AppError } from '@convergence/contracts'

export type Purpose = 'api-key-wrap' | 'tenant-credentials' | 'notify-targets'
export const purposes: readonly Purpose[] = ['api-key-wrap', 'tenant-credentials', 'notify-targets']

export interface Secrets {
  seal(purpose: Purpose, plaintext: string, aad: string): Promise<string>
  /** Throws CREDENTIAL_UNREADABLE when anything does not fit; FORBIDDEN when this identity may only encrypt. */
  open(purpose: Purpose, sealed: string, aad: string): Promise<string>
  close(): Promise<void>
}
/** The two functions in which the embedded side and Google differ. */
export interface KeyWrapper {
  wrap(purpose: Purpose, dataKey: Uint8Array, aad: string): Promise<Uint8Array>
  unwrap(purpose: Purpose, wrapped: Uint8Array, aad: string): Promise<Uint8Array>
  close(): Promise<void>
}

const ivBytes = 12
const tagBytes = 16

/**
 * A sealed value is `v1.<wrapped data key>.<iv, ciphertext and tag>`, base64url. `may_open` lists the purposes that
 * this identity may
 * decrypt; default all of them, [] for one that only writes.
 */
export const openSecrets = (
  wrapper: KeyWrapper,
  { may_open = purposes }: { may_open?: readonly Purpose[] } = {},
): Secrets => ({
  seal: async (purpose, plaintext, aad) => {
    const dataKey = randomBytes(32)
    try {
      const wrapped = await wrapper.wrap(purpose, dataKey, aad)
      const iv = randomBytes(ivBytes)
      const cipher = createCipheriv('aes-256-gcm', dataKey, iv, { authTagLength: tagBytes }).setAAD(Buffer.from(aad))
      const body = Buffer.concat([iv, cipher.update(plaintext, 'utf8'), cipher.final(), cipher.getAuthTag()])
      return ['v1', Buffer.from(wrapped).toString('base64url'), body.toString('base64url')].join('.')
    } finally {
      dataKey.fill(0)
    }
  },
  open: async (purpose, sealed, aad) => {
    if (!may_open.includes(purpose))
      throw new AppError('FORBIDDEN', `secrets: this identity may encrypt for ${purpose}, not decrypt`)
    const [, wrapped, body] =
      /^v1\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)$/.exec(sealed)?.map((part) => Buffer.from(part, 'base64url')) ?? []
    // Base64 has spare bits at its end: only the one canonical text of a value is accepted.
    if (
      wrapped === undefined ||
      body === undefined ||
      body.length < ivBytes + tagBytes ||
      sealed !== `v1.${wrapped.toString('base64url')}.${body.toString('base64url')}`
    )
      throw unreadable(purpose)
    const dataKey = await wrapper.unwrap(purpose, wrapped, aad)
    try {
      const decipher = createDecipheriv('aes-256-gcm', dataKey, body.subarray(0, ivBytes), { authTagLength: tagBytes })
        .setAAD(Buffer.from(aad))
        .setAuthTag(body.subarray(-tagBytes))
      return Buffer.concat([decipher.update(body.subarray(ivBytes, -tagBytes)), decipher.final()]).toString('utf8')
    } catch (error) {
      throw unreadable(purpose, error)
    } finally {
      dataKey.fill(0)
    }
  },
  close: () => wrapper.close(),
})

/** One error for every reason: which part did not fit is nobody's business. */
export const unreadable = (purpose: Purpose, cause?: unknown): AppError =>
  new AppError(
    'CREDENTIAL_UNREADABLE',
    `secrets: a value sealed for ${purpose} does not open: it was moved, changed or its key is gone; store it again`,
    { cause },
  )
