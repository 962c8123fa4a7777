/**
 * By what right a tenant's exports are read. A credential is opened for each step, goes to the object store with each
 * call, and stands in no message, no row and no log.
 */
import { AppError, centralDataset, sourceValues } from '@convergence/contracts'
import type { Access, ObjectCredential, Objects, Store } from '@convergence/objects'
import type { Secrets } from '@convergence/secrets'
import { readSources } from '@convergence/service/sources'
import type { StepContext } from '@convergence/service/steps'
import type { Warehouse } from '@convergence/warehouse'

/** What a source says of its credential. */
export interface CredentialUse {
  store: Store
  /** Name of a stored credential; none: the right of the platform. */
  credential?: string | null | undefined
  /** S3. */
  region?: string | null | undefined
  /** Azure: the storage account that a workload identity opens. */
  account?: string | null | undefined
}
export type AccessOf = (tenant_id: string, use: CredentialUse) => Promise<Access>

export interface AccessDeps {
  warehouse: Pick<Warehouse, 'query'>
  secrets?: Pick<Secrets, 'open'> | undefined
}

/** The object stores, each call with this right. */
export const withAccess = (objects: Objects, access: Access): Objects => ({
  list: (store, bucket, prefix) => objects.list(store, bucket, prefix, access),
  read: (store, bucket, key, options) => objects.read(store, bucket, key, { ...options, ...access }),
  close: () => objects.close(),
})

/**
 * The source that a step was compiled for is still the tenant's, and says the same: between the request and now it may
 * have been removed, and its place be another tenant's. Throws SOURCE_UNKNOWN. Nothing is asked of a step that is no
 * item of the tenant's sources.
 */
export const assertSource = async (
  warehouse: Pick<Warehouse, 'query'>,
  { run, step }: Pick<StepContext, 'run' | 'step'>,
  name: string | undefined,
  said: Readonly<Record<string, string | null | undefined>>,
): Promise<void> => {
  if (name === undefined || step.for_each === undefined || !isItemOf(step.step_id, `${step.for_each}-${name}`)) return
  const source = (await readSources(warehouse, run.tenant_id)).find((each) => each.name === name)
  const values: Readonly<Record<string, unknown>> = source === undefined ? {} : sourceValues(source)
  if (
    source === undefined ||
    Object.entries(said).some(([field, value]) => (values[field] ?? null) !== (value ?? null))
  )
    throw new AppError(
      'SOURCE_UNKNOWN',
      `source ${name}: was ${source === undefined ? 'removed' : 'changed'} since the run was asked for; ask for a new run`,
    )
}

/** Of a source, or of one of its periods. */
const isItemOf = (step_id: string, item: string): boolean => step_id === item || step_id.startsWith(`${item}-`)

const providerOf: Readonly<Record<Store, string>> = { s3: 'aws', azure: 'azure', gcs: 'gcp' }

/** Fields by name; of an earlier version the secret may be one text, which is then a connection string or a SAS URL. */
const fieldsOf = (plain: string, store: Store): Readonly<Record<string, unknown>> => {
  try {
    const parsed: unknown = JSON.parse(plain)
    if (parsed !== null && typeof parsed === 'object' && !Array.isArray(parsed))
      return parsed as Record<string, unknown>
  } catch {
    // One text.
  }
  if (store !== 'azure') return {}
  return plain.startsWith('https://') ? { sas_url: plain } : { connection_string: plain }
}

export const openAccess =
  ({ warehouse, secrets }: AccessDeps): AccessOf =>
  async (tenant_id, { store, credential: ref, region, account }) => {
    if (ref === undefined || ref === null || ref === '') return {}
    const refuse = (why: string): never => {
      throw new AppError('CREDENTIAL_UNREADABLE', `credential ${ref} of tenant ${tenant_id}: ${why}`)
    }
    const again = `store it again: PUT /api/v1/tenants/${tenant_id}/credentials/${ref}`
    const [row] = await warehouse.query({
      query:
        'SELECT provider, sealed, external_id, version FROM tenant_cloud_credentials ' +
        'WHERE tenant_id = @tenant_id AND credential_ref = @credential_ref AND is_active LIMIT 1',
      parameters: [
        { name: 'tenant_id', type: 'STRING', value: tenant_id },
        { name: 'credential_ref', type: 'STRING', value: ref },
      ],
      default_dataset: centralDataset,
    })
    if (row === undefined) return refuse(`expected a stored credential, there is none by this name; ${again}`)
    if (row['provider'] !== providerOf[store])
      return refuse(`expected one of provider ${providerOf[store]}, got one of ${String(row['provider'])}`)
    if (secrets === undefined) return refuse('this process opens no credentials')
    const version = Number(row['version'])
    const plain = await secrets.open(
      'tenant-credentials',
      String(row['sealed']),
      `tenant_cloud_credentials|${tenant_id}|${ref}|${version}`,
    )
    const fields = fieldsOf(plain, store)
    const text = (name: string): string | undefined => {
      const value = fields[name]
      return typeof value === 'string' && value !== '' ? value : undefined
    }
    const made = objectCredential(store, text, { region, account, external_id: row['external_id'] })
    return made === undefined
      ? refuse(
          `expected the fields of ${providerOf[store]}, got ${Object.keys(fields).sort().join(', ') || 'none'}; ${again}`,
        )
      : { credential: made }
  }

type Text = (name: string) => string | undefined

const objectCredential = (
  store: Store,
  text: Text,
  more: { region: string | null | undefined; account: string | null | undefined; external_id: unknown },
): ObjectCredential | undefined => {
  if (store === 's3') return ofAws(text, more)
  if (store === 'azure') return ofAzure(text, more.account)
  const service_account = text('service_account')
  return service_account === undefined ? undefined : { store: 'gcs', service_account }
}

const ofAws = (
  text: Text,
  { region, external_id }: { region: string | null | undefined; external_id: unknown },
): ObjectCredential | undefined => {
  const at = region === undefined || region === null ? {} : { region }
  const role_arn = text('role_arn')
  const external = typeof external_id === 'string' ? external_id : text('external_id')
  if (role_arn !== undefined && external !== undefined) return { store: 's3', ...at, role_arn, external_id: external }
  const [access_key_id, secret_access_key] = [text('access_key_id'), text('secret_access_key')]
  if (access_key_id === undefined || secret_access_key === undefined) return undefined
  return { store: 's3', ...at, access_key_id, secret_access_key }
}

const ofAzure = (text: Text, account: string | null | undefined): ObjectCredential | undefined => {
  const [sas_url, connection_string] = [text('sas_url'), text('connection_string')]
  if (sas_url !== undefined) return { store: 'azure', sas_url }
  if (connection_string !== undefined) return { store: 'azure', connection_string }
  const [client_id, directory] = [text('client_id'), text('tenant_id')]
  if (client_id === undefined || directory === undefined) return undefined
  if (account === undefined || account === null)
    throw new AppError(
      'CONFIG_INVALID',
      'a source whose credential is an application (client_id, tenant_id) says its storage account; give it "account", ' +
        'or store a shared access signature',
    )
  return { store: 'azure', account, client_id, tenant_id: directory }
}
