/** Clients by store and credential: opened when they are first asked for, an hour old at most. */
import { createHash } from 'node:crypto'
import { AppError } from '@convergence/contracts'
import type { CloudsOptions } from '../clouds-options.ts'
import { azureAccountOf, type ObjectCredential } from '../credential.ts'
import type { Access, Store } from '../objects.ts'
import { openAzure } from './azure.ts'
import { openGcs } from './gcs.ts'
import type { Remote } from './remote.ts'
import { openS3 } from './s3.ts'
import { storeNames } from './words.ts'

const hourMs = 3_600_000
const mostClients = 500

const openOwn = ({ s3, azure, gcs }: CloudsOptions, store: Store, { bucket_owner }: Access): Promise<Remote> => {
  const unset = (setting: string) =>
    Promise.reject(
      new AppError(
        'SETTING_INVALID',
        `${storeNames[store]}: ${setting} is not set for this process; services/executor/README.md says what it is`,
      ),
    )
  switch (store) {
    case 's3':
      return s3 === undefined
        ? unset('AWS_REGION')
        : openS3({ ...s3, ...(bucket_owner === undefined ? {} : { bucket_owner }) })
    case 'azure':
      return azure === undefined ? unset('AZURE_STORAGE_CONNECTION_STRING') : openAzure(azure)
    case 'gcs':
      return gcs === undefined ? unset('GCP_PROJECT_ID') : openGcs(gcs)
  }
}

const openWith = (options: CloudsOptions, credential: ObjectCredential, { bucket_owner }: Access): Promise<Remote> => {
  const { endpoints = {}, sts_endpoint } = options
  if (credential.store === 's3') {
    const account = /^arn:aws[a-z-]*:iam::(\d{12}):/.exec('role_arn' in credential ? credential.role_arn : '')?.[1]
    const owner = bucket_owner ?? account
    return openS3({
      region: credential.region ?? options.s3?.region ?? 'us-east-1',
      ...(endpoints.s3 === undefined ? {} : { endpoint: endpoints.s3 }),
      ...(owner === undefined ? {} : { bucket_owner: owner }),
      credentials:
        'role_arn' in credential
          ? {
              role_arn: credential.role_arn,
              external_id: credential.external_id,
              ...(sts_endpoint === undefined ? {} : { sts_endpoint }),
            }
          : { accessKeyId: credential.access_key_id, secretAccessKey: credential.secret_access_key },
    })
  }
  if (credential.store === 'gcs')
    return openGcs({
      project_id: options.gcs?.project_id ?? '',
      service_account: credential.service_account,
      ...(endpoints.gcs === undefined ? {} : { endpoint: endpoints.gcs }),
    })
  const { url, key } = azureAccountOf(credential, endpoints.azure)
  if ('client_id' in credential)
    return openAzure({ url, client_id: credential.client_id, tenant_id: credential.tenant_id })
  return openAzure({ url, ...(key === undefined ? {} : { key }) })
}

export interface Clients {
  of(store: Store, access: Access): Promise<Remote>
  close(): Promise<void>
}

export const openClients = (options: CloudsOptions): Clients => {
  const { now = Date.now } = options
  const opened = new Map<string, { remote: Promise<Remote>; at: number }>()
  return {
    of: (store, access) => {
      const { credential } = access
      if (credential !== undefined && credential.store !== store)
        throw new AppError('SETTING_INVALID', `${storeNames[store]}: got a credential of ${credential.store}`)
      // Kept under a digest: nothing that is looked at in a heap has the secret as a name.
      const name = createHash('sha256')
        .update(JSON.stringify([store, access.credential ?? null, access.bucket_owner ?? null]))
        .digest('base64')
      const known = opened.get(name)
      if (known !== undefined && (credential === undefined || now() - known.at < hourMs)) return known.remote
      const remote = (async () =>
        credential === undefined ? openOwn(options, store, access) : openWith(options, credential, access))()
      // What reads by the older client goes on; its idle connections end by themselves.
      opened.delete(name)
      opened.set(name, { remote, at: now() })
      remote.catch(() => opened.delete(name))
      const [oldest] = opened.keys()
      if (opened.size > mostClients && oldest !== undefined) opened.delete(oldest)
      return remote
    },
    close: async () => {
      for (const settled of await Promise.allSettled([...opened.values()].map(({ remote }) => remote)))
        if (settled.status === 'fulfilled') settled.value.close()
    },
  }
}
