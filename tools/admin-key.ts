/**
 * `npm run admin-key`: prints a new admin key, 256 bits, and what to do with it. With `-- --no-prompt` prints the key
 * and nothing else.
 * Nothing is stored here.
 */
import { createHash, randomBytes } from 'node:crypto'
import { runCommand } from './command.ts'

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

const help = `
Prints a new admin key and its SHA-256, which is all that Google Cloud gets to see.

  --no-prompt   prints the key alone
`

await runCommand(
  {
    name: 'npm run admin-key',
    synopsis: '[--no-prompt]',
    help,
    options: { 'no-prompt': { type: 'boolean', default: false } },
  },
  ({ 'no-prompt': alone }) => {
    const key = `cdpadm_${base62(randomBytes(32))}`
    if (alone) console.log(key)
    else
      console.log(
        [
          `New admin key, shown this once:\n\n  ${key}\n`,
          'Use it as ADMIN_API_KEY when the platform starts, and send it as X-Admin-Key.',
          'On Google Cloud the platform gets its hash alone, as ADMIN_KEY_HASHES:\n',
          `  ${createHash('sha256').update(key).digest('hex')}`,
        ].join('\n'),
      )
  },
)
