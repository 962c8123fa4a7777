/**
 * `npm run admin-key`: prints a new admin key, 256 bits, and what to do with it. With `-- --no-prompt` prints the key
 * and nothing else.
 * Nothing is stored here.
 */
import { createHash, randomBytes } from 'node:crypto'

const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
/** 43 digits of base62 hold 256 bits. */
const base62 = (bytes: Uint8Array): string => {
  let rest = BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
  let text = ''
  while (text.length < 43) {
    text = digits.charAt(Number(rest % 62n)) + text
    rest /= 62n
  }
  return text
}

const key = `cdpadm_${base62(randomBytes(32))}`
if (process.argv.includes('--no-prompt')) {
  console.log(key)
} else {
  console.log(
    `New admin key, shown this once:\n\n  ${key}\n\nUse it as ADMIN_API_KEY when the platform starts, and send it as X-Admin-Key.\nOn Google Cloud the platform gets its hash alone, as ADMIN_KEY_HASHES:\n\n  ${createHash('sha256').update(key).digest('hex')}`,
  )
}
