/**
 * The door to KMS. Envelope: a fresh AES-256-GCM data key per record, wrapped by a key of the purpose. Both layers are bound to
 * `aad` (table|tenant_id|row_id|version), so a ciphertext that was moved does not open.
 */
export type Purpose = 'api-key-wrap' | 'tenant-credentials' | 'notify-targets'
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
