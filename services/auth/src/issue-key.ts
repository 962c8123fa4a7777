/**
 * API keys: `{tenant_id}_api_{36 base62}{6 base62 CRC32}`. 36 random digits are 214 bits; the checksum refuses typing
 * errors and guesses
 * without a look-up. The raw key exists in one HTTP answer and nowhere else.
 */
import { apiKeyPart } from '@convergence/contracts'
import { createHash, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'

const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const longestKey = 50 + '_api_'.length + 42

export type RandomBytes = (count: number) => Uint8Array

/** Random base62 digits, each equally likely: bytes from 248 on are thrown away. */
export const randomDigits = (count: number, bytes: RandomBytes = randomBytes): string => {
  let text = ''
  while (text.length < count) {
    for (const byte of bytes(count - text.length + 8)) {
      if (byte < 248 && text.length < count) text += digits.charAt(byte % 62)
    }
  }
  return text
}

export const issueKey = (tenant_id: string, bytes: RandomBytes = randomBytes): string => {
  const body = `${tenant_id}_api_${randomDigits(36, bytes)}`
  return body + checksum(body)
}

/** CRC32 as six base62 digits. */
const checksum = (body: string): string => {
  let rest = crc32(body)
  let text = ''
  for (let place = 0; place < 6; place += 1) {
    text = digits.charAt(rest % 62) + text
    rest = Math.floor(rest / 62)
  }
  return text
}

/** Whether the text has the form of a key and its checksum fits. */
export const isKeyShaped = (text: string): boolean =>
  text.length <= longestKey &&
  new RegExp(`^${apiKeyPart}$`).test(text) &&
  checksum(text.slice(0, -6)) === text.slice(-6)

/** SHA-256, hex. */
export const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex')
