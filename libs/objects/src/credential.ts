/**
 * By what right a tenant's objects are read. A credential comes with each call, is never logged, and a client made of
 * it lives an hour at most.
 */
import { AppError, azureBlobHosts } from '@convergence/contracts'

/** The fields are those of `PUT /api/v1/tenants/{tenant_id}/credentials/{name}`, and what its source says beside them. */
export type ObjectCredential =
  | { store: 's3'; region?: string; role_arn: string; external_id: string }
  | { store: 's3'; region?: string; access_key_id: string; secret_access_key: string }
  /** Of a storage account or of one container, with its shared access signature. */
  | { store: 'azure'; sas_url: string }
  | { store: 'azure'; connection_string: string }
  /** An application of the tenant's directory that trusts this process's identity. */
  | { store: 'azure'; account: string; client_id: string; tenant_id: string }
  /** Taken on by this process's identity, which has the role Service Account Token Creator on it. */
  | { store: 'gcs'; service_account: string }

/** Where requests go instead of to the vendors: settings of the operator, never a tenant's. */
export interface Endpoints {
  /** AWS_ENDPOINT_URL_S3. */
  s3?: string
  /** AZURE_STORAGE_ENDPOINT: of the account, such as http://127.0.0.1:10000/account. */
  azure?: string
  /** STORAGE_EMULATOR_HOST. */
  gcs?: string
}

const refused = (what: string, expected: string): AppError =>
  new AppError('SETTING_INVALID', `credential: ${what}: expected ${expected}`)

const azureUrl = (what: string, text: string): URL => {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw refused(what, 'a URL such as https://account.blob.core.windows.net/?sv=...')
  }
  if (url.protocol !== 'https:' || url.username !== '' || url.port !== '' || !azureBlobHosts.test(url.hostname))
    throw refused(
      what,
      "an https address of Azure's own, {account}.blob.core.windows.net; ask the operator for another",
    )
  return url
}

/** Where the Blob service of a credential is: a vendor's host, or the operator's endpoint. Whatever else it names is refused. */
export const azureAccountOf = (
  credential: Extract<ObjectCredential, { store: 'azure' }>,
  endpoint: string | undefined,
): { url: string; container?: string; key?: { account: string; key: string } } => {
  const elsewhere = (url: URL): URL => {
    if (endpoint === undefined) return url
    const other = new URL(endpoint)
    other.search = url.search
    return other
  }
  if ('sas_url' in credential) {
    const url = azureUrl('sas_url', credential.sas_url)
    const container = url.pathname.split('/')[1] ?? ''
    url.pathname = '/'
    return { url: elsewhere(url).href, ...(container === '' ? {} : { container }) }
  }
  if ('account' in credential) {
    const url = azureUrl('account', `https://${credential.account}.blob.core.windows.net`)
    return { url: elsewhere(url).href }
  }
  const parts = new Map(
    credential.connection_string
      .split(';')
      .filter((part) => part.includes('='))
      .map((part) => [part.slice(0, part.indexOf('=')).trim().toLowerCase(), part.slice(part.indexOf('=') + 1).trim()]),
  )
  const account = parts.get('accountname')
  const key = parts.get('accountkey')
  const sas = parts.get('sharedaccesssignature')?.replace(/^\?/, '')
  const given = parts.get('blobendpoint')
  const suffix = parts.get('endpointsuffix') ?? 'core.windows.net'
  if (parts.get('usedevelopmentstorage') !== undefined)
    throw refused('connection_string', 'one of a storage account, not the development storage')
  if (account === undefined && given === undefined)
    throw refused('connection_string', 'AccountName=...;AccountKey=... or BlobEndpoint=...;SharedAccessSignature=...')
  const url = azureUrl('connection_string', given ?? `https://${account ?? ''}.blob.${suffix}`)
  url.pathname = '/'
  const named = account ?? url.hostname.split('.')[0] ?? ''
  if (sas !== undefined) url.search = sas
  else if (key === undefined) throw refused('connection_string', 'AccountKey=... or SharedAccessSignature=... in it')
  return { url: elsewhere(url).href, ...(sas === undefined ? { key: { account: named, key: key ?? '' } } : {}) }
}
