/** Domains at which anybody can have an address. */
import { createRequire } from 'node:module'

/** Big providers have a domain in nearly every country: `yahoo.co.uk`, `gmx.ch`. */
const names =
  'aol|fastmail|gmx|googlemail|hotmail|live|mail|msn|outlook|posteo|rocketmail|tutanota|web|yahoo|yandex|ymail'
const inCountries = new RegExp(`^(?:${names})(?:\\.(?:com?|ne|org))?\\.[a-z]{2,4}$`)
/** Those that the list lacks. */
const more: ReadonlySet<string> = new Set([
  'duck.com',
  'fastmail.fm',
  'hey.com',
  'keemail.me',
  'mac.com',
  'pm.me',
  'proton.me',
  'protonmail.ch',
  'tuta.com',
  'tuta.io',
  'tutamail.com',
])
const require = createRequire(import.meta.url)
let listed: ReadonlySet<string> | undefined
/** Read with the first mail: some thousand domains, which most notifiers never look at. */
const list = (): ReadonlySet<string> => (listed ??= new Set(require('email-providers/all.json') as string[]))

/** `domain` in small letters. */
export const isPublicDomain = (domain: string): boolean =>
  inCountries.test(domain) || more.has(domain) || list().has(domain)
