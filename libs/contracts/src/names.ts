/**
 * Names: what each may look like, and which are taken. Everything else (schemas, templates, OpenAPI, generated
 * manifests) repeats these patterns, and a test compares them.
 */
import { createHash } from 'node:crypto'

/** What each kind of name may look like, as the source of a regular expression for the whole text. */
export const namePatterns = {
  /** A tenant; also the name of its dataset. */
  tenant_id: '^[a-z][a-z0-9_]{2,49}$',
  /** One of the three parts of a pipeline's path, a variable, a parameter. */
  segment: '^[a-z][a-z0-9_]{0,63}$',
  /** provider/domain/template: the file below configs/ and the URL of its runs. */
  pipeline: '^[a-z][a-z0-9_]{0,63}(/[a-z][a-z0-9_]{0,63}){2}$',
  pipeline_id: '^[a-z][a-z0-9_-]{1,63}$',
  ps_type: '^[a-z][a-z0-9_]*(\\.[a-z][a-z0-9_]*)+$',
  step_id: '^[A-Za-z][A-Za-z0-9_-]{0,127}$',
  /** See runId. */
  run_id: '^r_[a-z2-7]{26}$',
  /** Of the run that made it: see backfillId. */
  backfill_id: '^b_[a-z2-7]{26}$',
  /** See the table dead_letters. */
  dead_letter_id: '^d_[a-f0-9]{26}$',
  schedule: '^[a-z][a-z0-9_-]{0,63}$',
  /** A source of a tenant. */
  source: '^[a-z][a-z0-9_-]{0,49}$',
  /** A stored credential of a tenant. */
  credential_ref: '^[a-z][a-z0-9_]{0,63}$',
  /** An API key by name, such as first:acme_corp. */
  key_id: '^[a-z][A-Za-z0-9_:]{0,79}$',
  /** A publisher's signing key. */
  kid: '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$',
  idempotency_key: '^[\\x21-\\x7e]{1,200}$',
  error_code: '^[A-Z][A-Z0-9_]{1,63}$',
  /** Google's rule for project ids. */
  project_id: '^[a-z][a-z0-9-]{4,28}[a-z0-9]$',
  /** A dataset or table that a pipeline may name; BigQuery's own rules allow more. */
  table: '^[A-Za-z0-9_]{1,128}$',
  /** BigQuery's rule for columns. */
  column: '^[A-Za-z_][A-Za-z0-9_]{0,299}$',
  /** One plain mail address: what nearly every server takes. Of RFC 5321's 254 characters at most, which is not in it. */
  email:
    '^(?=[^@]{1,64}@)[A-Za-z0-9_+][A-Za-z0-9_%+-]*(?:\\.[A-Za-z0-9_%+-]+)*' +
    '@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\\.)+[A-Za-z][A-Za-z0-9-]{0,61}[A-Za-z0-9]$',
} as const
export type NameKind = keyof typeof namePatterns

/** The pattern without its anchors, to stand inside another one. */
export const namePart = (kind: NameKind): string => namePatterns[kind].slice(1, -1)
const matchers = new Map<NameKind, RegExp>()
export const isName = (kind: NameKind, value: unknown): boolean => {
  const matcher = matchers.get(kind) ?? new RegExp(namePatterns[kind])
  matchers.set(kind, matcher)
  return typeof value === 'string' && matcher.test(value)
}

/** What an address is expected to be, in words. */
export const emailExpected = 'one plain address such as name@example.com'
export const longestEmail = 254

/** An API key in a text: whose it is, 36 random characters and a checksum of 6, base62. */
export const apiKeyPart = `${namePart('tenant_id')}_api_[0-9A-Za-z]{42}`

/** The dataset of the central tables, which hold the data of all tenants. */
export const centralDataset = 'tenants'

export const tenantIdExpected = '3 to 50 of a-z, 0-9 and _, beginning with a letter'
/** The platform's own tenant, never onboarded. */
export const systemTenant = 'system'
/** Names of the platform, and names that a warehouse has or takes for its own: a dataset would have the tenant's name. */
const reserved = [
  centralDataset,
  systemTenant,
  'admin',
  'billing_export',
  'dev',
  'information_schema',
  'main',
  'memory',
  'public',
  'temp',
]
const reservedPrefix = /^(?:region_|pg_)/

/**
 * What is wrong with the id of a tenant that is to be onboarded, or nothing. `more`: names that are taken beside the
 * fixed ones, such as those of shared source datasets.
 */
export const newTenantIdFault = (tenant_id: unknown, more: readonly string[] = []): string | undefined => {
  if (typeof tenant_id !== 'string' || !isName('tenant_id', tenant_id)) {
    const got = typeof tenant_id === 'string' ? JSON.stringify(tenant_id.slice(0, 60)) : 'something else'
    return `expected ${tenantIdExpected}, got ${got}`
  }
  return reserved.includes(tenant_id) || reservedPrefix.test(tenant_id) || more.includes(tenant_id)
    ? `${tenant_id} is reserved for the platform and its warehouse; choose another`
    : undefined
}

/** Views in a tenant's own dataset, the one way from there into the central tables: of its runs, and of its loads. */
export const tenantViews = ['tenant_comprehensive_view', 'load_state'] as const

/** Pipelines of the platform itself: only signed by the platform's services, counted against no quota. */
export const isSystemPipeline = (pipeline: string): boolean => pipeline.startsWith('setup/')
/** Pipelines that services ask for by name. */
export const systemPipelines = {
  onboarding: 'setup/tenants/onboarding',
  tenant_change: 'setup/tenants/change',
  currency_rates: 'setup/tenants/currency_rates',
  allocation_rules: 'setup/tenants/allocation_rules',
  schedule: 'setup/tenants/schedule',
  backfill: 'setup/tenants/backfill',
  source: 'setup/tenants/source',
  source_removal: 'setup/tenants/source_removal',
  source_check: 'setup/sources/check',
  source_purge: 'setup/sources/purge',
  sources_unclaimed: 'setup/sources/unclaimed',
  sources_refresh: 'setup/sources/refresh',
  trigger: 'setup/scheduler/trigger',
  process_queue: 'setup/scheduler/process_queue',
  dead_letter: 'setup/scheduler/dead_letter',
  reset_daily_quotas: 'setup/scheduler/reset_daily_quotas',
} as const

/** A reader's subscription; a replica of its own has one of its own. */
export const subscriptionName = (service: string, topic: string, replica?: string): string =>
  replica === undefined ? `${service}.${topic}` : `${service}.${topic}.${replica}`
/** Name of the dead-letter topic of a subscription, and of that topic's one subscription. */
export const deadLetterName = (subscription: string): string => `${subscription}.dead`

/** r_ and 26 characters: the same tenant and key are the same run. */
export const runId = (tenant_id: string, idempotency_key: string): string =>
  `r_${base32(createHash('sha256').update(`${tenant_id}\u001f${idempotency_key}`).digest()).slice(0, 26)}`

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'
/** RFC 4648 base32, lower case, without padding. */
export const base32 = (bytes: Uint8Array): string => {
  let text = ''
  let buffer = 0
  let bits = 0
  for (const byte of bytes) {
    buffer = (buffer << 8) | byte
    bits += 8
    while (bits >= 5) {
      text += alphabet.charAt((buffer >>> (bits - 5)) & 31)
      bits -= 5
    }
    buffer &= (1 << bits) - 1
  }
  return bits > 0 ? text + alphabet.charAt((buffer << (5 - bits)) & 31) : text
}
