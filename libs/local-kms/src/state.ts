/** The open key file: its content as it is now, and changes of it. */
import { renameSync } from 'node:fs'
import { readKeyFile, stampOf, writeAside, type KeyFile } from './key-file.ts'

export interface KeyringState {
  readonly file: string
  readonly now: () => Date
  /** Of the file when it was read last. */
  seen: string
  current: KeyFile
}

export const time = (keyring: KeyringState, ms: number = keyring.now().getTime()): string => new Date(ms).toISOString()

/** The file as it is now: another process may have changed it. */
export const freshContent = (keyring: KeyringState): KeyFile => {
  const is = stampOf(keyring.file)
  if (is !== keyring.seen) {
    keyring.current = readKeyFile(keyring.file)
    keyring.seen = is
  }
  return keyring.current
}

export const change = <T>(keyring: KeyringState, work: (content: KeyFile) => T): T => {
  const next = structuredClone(freshContent(keyring))
  const result = work(next)
  renameSync(writeAside(keyring.file, next), keyring.file)
  keyring.current = next
  keyring.seen = stampOf(keyring.file)
  return result
}
