/**
 * Sources: where the exports of a tenant are, and by which credential they are read. What each provider's source says,
 * what of it a tenant claims for itself, and which pipeline loads it into which table.
 */
import { isName, namePart } from './names.ts'

export type SourceProvider = 'gcp' | 'aws' | 'azure' | 'any'

interface Named {
  /** A stored credential of the tenant; without one the platform's own identity reads, or the bucket folder. */
  credential?: string
  /** Of an account that several sources tell of, those that say so feed FOCUS, and no other. */
  primary?: true
}
export interface GcpSource extends Named {
  provider: 'gcp'
  kind: 'detailed' | 'standard' | 'focus' | 'pricing'
  /** project.dataset.table of the export. */
  table: string
  /** Only rows of this billing account; default: all of the table. */
  billing_account_id?: string
  /** Whose rows are the tenant's; default: all, or none where `unassigned` is all that the source says. */
  projects?: readonly string[] | 'all'
  /** Whether rows of no project (tax, rounding, support, commitments) are the tenant's. */
  unassigned?: true
}
export interface AwsSource extends Named {
  provider: 'aws'
  kind: 'cur' | 'cur2' | 'focus'
  bucket: string
  prefix: string
  report_name: string
  region?: string
}
export interface AzureSource extends Named {
  provider: 'azure'
  kind: 'actual' | 'amortized' | 'focus' | 'pricesheet' | 'reservations'
  /** Storage account; default: that of the credential, or the operator's. */
  account?: string
  container: string
  /** The export's directory. */
  prefix: string
  export_name: string
  /** How its days are written, where they could be read in two ways; default: nothing is assumed. */
  day_format?: 'month_first' | 'day_first'
}
export interface AnySource extends Named {
  provider: 'any'
  kind: 'focus'
  store: 's3' | 'azure' | 'gcs'
  bucket: string
  prefix: string
}
export type SourceSettings = GcpSource | AwsSource | AzureSource | AnySource
export type Source = SourceSettings & { name: string }

/** What loads a kind of source, and where its rows are. */
export const sourceKinds: readonly { provider: SourceProvider; kind: string; pipeline: string; table: string }[] = [
  { provider: 'gcp', kind: 'detailed', pipeline: 'gcp/cost/billing', table: 'gcp_cost_billing' },
  { provider: 'gcp', kind: 'standard', pipeline: 'gcp/cost/standard', table: 'gcp_cost_standard' },
  { provider: 'gcp', kind: 'focus', pipeline: 'gcp/cost/focus', table: 'gcp_cost_focus' },
  { provider: 'gcp', kind: 'pricing', pipeline: 'gcp/cost/pricing', table: 'gcp_cost_pricing' },
  { provider: 'aws', kind: 'cur', pipeline: 'aws/cost/cur', table: 'aws_cost_cur' },
  { provider: 'aws', kind: 'cur2', pipeline: 'aws/cost/cur', table: 'aws_cost_cur' },
  { provider: 'aws', kind: 'focus', pipeline: 'aws/cost/focus', table: 'aws_cost_focus' },
  { provider: 'azure', kind: 'actual', pipeline: 'azure/cost/exports', table: 'azure_cost_exports' },
  { provider: 'azure', kind: 'amortized', pipeline: 'azure/cost/amortized', table: 'azure_cost_amortized' },
  { provider: 'azure', kind: 'focus', pipeline: 'azure/cost/focus', table: 'azure_cost_focus' },
  { provider: 'azure', kind: 'pricesheet', pipeline: 'azure/cost/pricesheet', table: 'azure_cost_pricesheet' },
  { provider: 'azure', kind: 'reservations', pipeline: 'azure/cost/reservations', table: 'azure_cost_reservations' },
  { provider: 'any', kind: 'focus', pipeline: 'any/cost/focus', table: 'any_cost_focus' },
]

// ---- what a source may say

interface FieldRule {
  required?: true
  fits(value: unknown): boolean
  /** Said after "expected". */
  expected: string
}
const text = (pattern: RegExp, expected: string, more: { required?: true } = {}): FieldRule => ({
  fits: (value) => typeof value === 'string' && pattern.test(value),
  expected,
  ...more,
})
const required = { required: true } as const
/** Also of a domain, such as example.com:acme-prod. */
const projectPart = `(?:[a-z0-9.-]{1,80}:)?${namePart('project_id')}`
const projectId = new RegExp(`^${projectPart}$`)
/** Keys of objects that begin with a folder: no empty, dot or control parts; a slash at either end is the user's habit. */
const folder = /^(?!.*(?:^|\/)\.{1,2}(?:\/|$))[^\p{Cc}\\]{0,512}$/u
const s3Bucket = /^(?!.*\.\.)(?!xn--)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/
const azureContainer = /^(?!.*--)[a-z0-9$][a-z0-9-]{1,61}[a-z0-9]$/
const fileName = /^[^\p{Cc}\\/]{1,256}$/u

const credential = text(new RegExp(`^${namePart('credential_ref')}$`), 'the name of a stored credential')
const onlyTrue: FieldRule = { fits: (value) => value === true, expected: 'true, or nothing' }
const prefix = text(folder, 'a folder such as exports/cost, without . and .. parts', required)
const kindRule = (provider: SourceProvider): FieldRule => {
  const kinds = sourceKinds.filter((each) => each.provider === provider).map(({ kind }) => kind)
  return { required: true, fits: (value) => kinds.some((kind) => kind === value), expected: kinds.join(', ') }
}

const fieldRules: Readonly<Record<SourceProvider, Readonly<Record<string, FieldRule>>>> = {
  gcp: {
    kind: kindRule('gcp'),
    table: text(
      new RegExp(`^${projectPart}\\.\\w{1,128}\\.\\w{1,128}$`),
      'project.dataset.table of the export',
      required,
    ),
    billing_account_id: text(/^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$/, 'an account such as 01AB23-45CD67-89EF01'),
    projects: {
      fits: (value) =>
        value === 'all' ||
        (Array.isArray(value) &&
          value.length > 0 &&
          value.length <= 1000 &&
          new Set(value).size === value.length &&
          value.every((id) => typeof id === 'string' && projectId.test(id))),
      expected: '"all", or a list of project ids such as ["acme-prod-4711"], each once',
    },
    unassigned: onlyTrue,
    credential,
    primary: onlyTrue,
  },
  aws: {
    kind: kindRule('aws'),
    bucket: text(s3Bucket, 'a bucket name as AWS allows it: 3 to 63 of a-z, 0-9, . and -', required),
    prefix,
    report_name: text(fileName, 'the name of the report or export', required),
    region: text(/^[a-z]{2}(?:-[a-z]+)+-\d$/, 'a region such as eu-central-1'),
    credential,
    primary: onlyTrue,
  },
  azure: {
    kind: kindRule('azure'),
    account: text(/^[a-z0-9]{3,24}$/, 'a storage account: 3 to 24 of a-z and 0-9'),
    container: text(azureContainer, 'a container name as Azure allows it: 3 to 63 of a-z, 0-9 and -', required),
    prefix,
    export_name: text(fileName, 'the name of the export', required),
    day_format: text(/^(?:month|day)_first$/, 'month_first or day_first'),
    credential,
    primary: onlyTrue,
  },
  any: {
    kind: kindRule('any'),
    store: {
      required: true,
      fits: (value) => value === 's3' || value === 'azure' || value === 'gcs',
      expected: 's3, azure or gcs',
    },
    bucket: text(/^(?!.*\.\.)[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$/, 'the name of a bucket or container', required),
    prefix,
    credential,
    primary: onlyTrue,
  },
}
/** Kinds that no bill is made of. */
const pricesOnly = ['pricing', 'pricesheet', 'reservations']
const providers = Object.keys(fieldRules) as SourceProvider[]

const show = (value: unknown): string => {
  const shown = value === undefined ? 'nothing' : JSON.stringify(value)
  return shown.length > 100 ? `${shown.slice(0, 100)}...` : shown
}

/** All that is wrong with the settings of a source; none when it is one. */
export const sourceFaults = (value: unknown): string[] => {
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    return [`expected an object, got ${show(value)}`]
  const given = value as Readonly<Record<string, unknown>>
  const provider = providers.find((known) => known === given['provider'])
  if (provider === undefined) return [`provider: expected ${providers.join(', ')}, got ${show(given['provider'])}`]
  const rules = fieldRules[provider]
  const unknown = Object.keys(given).filter((field) => field !== 'provider' && !Object.hasOwn(rules, field))
  const isPrice = given['primary'] === true && pricesOnly.some((kind) => kind === given['kind'])
  return [
    ...(isPrice ? [`primary: expected a kind that tells of cost, got ${show(given['kind'])}; leave it out`] : []),
    ...unknown.map((field) => `${field}: no field of provider ${provider}; expected ${Object.keys(rules).join(', ')}`),
    ...Object.entries(rules).flatMap(([field, rule]) => {
      const got = given[field]
      if (got === undefined) return rule.required === true ? [`${field}: is missing; expected ${rule.expected}`] : []
      return rule.fits(got) ? [] : [`${field}: expected ${rule.expected}, got ${show(got)}`]
    }),
  ]
}

// ---- whose it is

/** Parts of a path without empty ones: a slash at either end or twice means nothing. */
const partsOf = (...paths: readonly string[]): string[] =>
  paths
    .join('/')
    .split('/')
    .filter((part) => part !== '')

interface Place {
  bucket: string
  /** Of Azure. A source that names none may be in any. */
  account?: string | undefined
  folder: readonly string[]
}
/** The store, its bucket and the folder below which everything belongs to the source. */
const placeOf = (source: Exclude<SourceSettings, GcpSource>): Place => {
  switch (source.provider) {
    case 'aws':
      return { bucket: `s3://${source.bucket}`, folder: partsOf(source.prefix, source.report_name) }
    case 'azure':
      return {
        bucket: `azure://${source.container}`,
        account: source.account,
        folder: partsOf(source.prefix, source.export_name),
      }
    case 'any':
      return {
        bucket: `${source.store}://${source.bucket}`,
        folder: partsOf(source.prefix),
      }
  }
}

/** Whether one of the folders is, or is above, the other. */
const isAbove = (a: readonly string[], b: readonly string[]): boolean =>
  a.slice(0, b.length).every((part, k) => part === b[k])

/** The projects that a source asks for. */
export const projectsOf = ({ projects, unassigned }: GcpSource): readonly string[] | 'all' =>
  projects ?? (unassigned === true ? [] : 'all')

const projectsMeet = (a: GcpSource, b: GcpSource): boolean => {
  const [ofA, ofB] = [projectsOf(a), projectsOf(b)]
  if (ofA === 'all') return ofB === 'all' || ofB.length > 0
  return ofB === 'all' ? ofA.length > 0 : ofA.some((id) => ofB.includes(id))
}

/** Whether two sources could bring the same rows: the same table and projects, or the same folder of a bucket. */
export const sourcesOverlap = (a: SourceSettings, b: SourceSettings): boolean => {
  if (a.provider === 'gcp' || b.provider === 'gcp') {
    if (a.provider !== 'gcp' || b.provider !== 'gcp' || a.table.toLowerCase() !== b.table.toLowerCase()) return false
    const accounts = [a.billing_account_id, b.billing_account_id]
    if (accounts[0] !== undefined && accounts[1] !== undefined && accounts[0] !== accounts[1]) return false
    return projectsMeet(a, b) || (a.unassigned === true && b.unassigned === true)
  }
  const [placeA, placeB] = [placeOf(a), placeOf(b)]
  const sameAccount = placeA.account === undefined || placeB.account === undefined || placeA.account === placeB.account
  return placeA.bucket === placeB.bucket && sameAccount && isAbove(placeA.folder, placeB.folder)
}

/**
 * Whether others may not have the same: a source that is read by the platform's own right, not by a credential. Tables
 * of BigQuery are read by that right whatever the source names.
 */
export const isClaim = ({ provider, credential: ref }: SourceSettings): boolean =>
  provider === 'gcp' || ref === undefined

/** A name that a source may have. */
export const isSourceName = (value: unknown): boolean => isName('source', value)

// ---- in a pipeline

/** What `{source.FIELD}` may name. */
export const sourceFields = [
  'name',
  'provider',
  'kind',
  'table',
  'billing_account_id',
  'projects',
  'all_projects',
  'unassigned',
  'bucket',
  'prefix',
  'report_name',
  'region',
  'account',
  'container',
  'export_name',
  'day_format',
  'store',
  'credential',
  'place',
] as const

/** Where a source is, as version 0.1 named its rows: s3://bucket/folder, azure://container/folder, or the table. */
export const sourcePlace = (source: SourceSettings): string => {
  if (source.provider === 'gcp') return source.table
  const { bucket, folder } = placeOf(source)
  return [bucket, ...folder].join('/')
}

/**
 * The values of `{source.FIELD}`; null where the source does not say it. `prefix` has no slash at its ends. `projects` are joined by commas, for
 * UNNEST(SPLIT(...)); `all_projects` and `unassigned` are BOOL.
 */
export const sourceValues = (source: Source): Readonly<Record<string, string | boolean | null>> => {
  const given = source as unknown as Readonly<Record<string, string | undefined>>
  const values: Record<string, string | boolean | null> = {}
  for (const field of sourceFields) values[field] = given[field] ?? null
  values['place'] = sourcePlace(source)
  if (source.provider !== 'gcp') values['prefix'] = partsOf(source.prefix).join('/')
  if (source.provider !== 'gcp') return values
  const projects = projectsOf(source)
  return {
    ...values,
    projects: projects === 'all' ? '' : projects.join(','),
    all_projects: projects === 'all',
    unassigned: source.unassigned === true,
  }
}
