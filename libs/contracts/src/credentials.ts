/** Credentials of a tenant at its providers: which fields each may have, and what is wrong with them; never their text. */
import { namePart } from './names.ts'
import { mayBePublicHost } from './public-address.ts'

export const credentialProviders = ['aws', 'azure', 'gcp', 'smtp', 'slack', 'webhook'] as const
export type CredentialProvider = (typeof credentialProviders)[number]
export type CredentialFields = Readonly<Record<string, string>>

/** Hosts of Azure's Blob service: the public cloud, and the sovereign ones. */
export const azureBlobHosts =
  /^[a-z0-9]{3,24}(?:-secondary)?\.blob\.(?:core\.windows\.net|core\.chinacloudapi\.cn|core\.usgovcloudapi\.net)$/

interface FieldRule {
  fits(value: string): boolean
  /** Said after "expected". */
  expected: string
}
const form = (pattern: RegExp, expected: string): FieldRule => ({ fits: (value) => pattern.test(value), expected })
const urlOf = (value: string): URL | undefined => (URL.canParse(value) ? new URL(value) : undefined)
const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** Google's rule for its name is that for project ids. */
const serviceAccount = namePart('project_id')

const isAzureUrl = (value: string): boolean => {
  const url = urlOf(value)
  return url?.protocol === 'https:' && url.username === '' && url.port === '' && azureBlobHosts.test(url.hostname)
}
/** Account and key, or an endpoint of Azure's own and a signature. */
const isConnectionString = (value: string): boolean => {
  const parts = new Map(
    value
      .split(';')
      .filter((part) => part.includes('='))
      .map((part) => [part.slice(0, part.indexOf('=')).trim().toLowerCase(), part.slice(part.indexOf('=') + 1).trim()]),
  )
  const account = parts.get('accountname')
  const suffix = parts.get('endpointsuffix') ?? 'core.windows.net'
  const endpoint = parts.get('blobendpoint') ?? `https://${account ?? ''}.blob.${suffix}`
  const secret = parts.get('accountkey') ?? parts.get('sharedaccesssignature') ?? ''
  return isAzureUrl(endpoint) && secret !== '' && !parts.has('usedevelopmentstorage')
}
const isMailServer = (value: string): boolean => {
  const url = urlOf(value)
  return (url?.protocol === 'smtp:' || url?.protocol === 'smtps:') && mayBePublicHost(url.hostname)
}
const isWebhook = (value: string): boolean => {
  const url = urlOf(value)
  return url?.protocol === 'https:' && url.username === '' && mayBePublicHost(url.hostname)
}

const fields: Readonly<Record<CredentialProvider, Readonly<Record<string, FieldRule>>>> = {
  aws: {
    role_arn: form(
      /^arn:aws(?:-cn|-us-gov)?:iam::\d{12}:role\/[\w+=,.@/-]{1,512}$/,
      'a role such as arn:aws:iam::123456789012:role/convergence',
    ),
    access_key_id: form(/^AKIA[A-Z0-9]{12,124}$/, 'a key id of a user, AKIA and 16 letters and digits'),
    secret_access_key: form(/^[A-Za-z0-9/+=]{16,128}$/, 'the secret of the key, 40 characters'),
  },
  azure: {
    sas_url: {
      fits: (value) => isAzureUrl(value) && urlOf(value)?.searchParams.get('sig') !== null,
      expected: 'a URL such as https://account.blob.core.windows.net/container?sv=...&sig=...',
    },
    connection_string: {
      fits: isConnectionString,
      expected: "AccountName=...;AccountKey=... or BlobEndpoint=...;SharedAccessSignature=... of Azure's own hosts",
    },
    client_id: form(uuid, 'the application (client) id, a UUID'),
    tenant_id: form(uuid, 'the directory (tenant) id, a UUID'),
  },
  gcp: {
    service_account: form(
      new RegExp(
        `^(?:${serviceAccount}@${namePart('project_id')}(?:\\.[a-z0-9.-]{1,60})?\\.iam|\\d{1,20}-compute@developer)` +
          '\\.gserviceaccount\\.com$',
      ),
      'an address such as convergence@acme-prod-4711.iam.gserviceaccount.com',
    ),
  },
  smtp: {
    url: {
      fits: isMailServer,
      expected: 'smtps://user:password@host or smtp://user:password@host:587 of a host on the open internet',
    },
  },
  slack: {
    webhook_url: form(
      /^https:\/\/hooks\.slack\.com\/services\/T[A-Z0-9]{1,20}\/B[A-Z0-9]{1,20}\/[A-Za-z0-9]{1,50}$/,
      'a webhook URL https://hooks.slack.com/services/T.../B.../...',
    ),
  },
  webhook: {
    url: { fits: isWebhook, expected: 'https://... of a host on the open internet' },
    secret: form(/^[\x21-\x7e]{8,1024}$/, 'a secret of 8 to 1024 printable characters, with which calls are signed'),
  },
}
/** What belongs together: one of these sets, whole. */
export const credentialForms: Readonly<Record<CredentialProvider, readonly (readonly string[])[]>> = {
  aws: [['role_arn'], ['access_key_id', 'secret_access_key']],
  azure: [['sas_url'], ['connection_string'], ['client_id', 'tenant_id']],
  gcp: [['service_account']],
  smtp: [['url']],
  slack: [['webhook_url']],
  webhook: [['url', 'secret']],
}
const mostText = 65_536

const formsText = (provider: CredentialProvider): string =>
  credentialForms[provider].map((names) => names.join(' and ')).join(', or ')

/** All that is wrong with the fields of a credential; none when it can be stored. Says nothing of what was given. */
export const credentialFaults = (provider: CredentialProvider, given: Readonly<Record<string, unknown>>): string[] => {
  const rules = fields[provider]
  const names = Object.keys(given)
  const unknown = names.filter((name) => !Object.hasOwn(rules, name))
  const faults = unknown.map((name) => `${name.slice(0, 64)}: no field of ${provider}; expected ${formsText(provider)}`)
  for (const name of names) {
    const value = given[name]
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined
    if (rule === undefined) continue
    if (typeof value !== 'string') faults.push(`${name}: expected text, got ${value === null ? 'null' : typeof value}`)
    else if (value.length > mostText || !rule.fits(value))
      faults.push(`${name}: expected ${rule.expected}, got something else, which is not shown`)
  }
  const known = names.filter((name) => Object.hasOwn(rules, name))
  const wanted = credentialForms[provider].filter((set) => known.every((name) => set.includes(name)))
  if (known.length === 0 || wanted.length === 0)
    faults.push(`expected ${formsText(provider)}, got ${known.length === 0 ? 'none of them' : known.join(' and ')}`)
  else
    faults.push(
      ...(wanted[0] ?? [])
        .filter((name) => !known.includes(name))
        .map((name) => `${name}: is missing; expected ${rules[name]?.expected ?? 'text'}`),
    )
  return faults
}
