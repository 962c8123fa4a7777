/**
 * The object stores of this process. On a laptop folders stand for buckets, but for what a credential of a tenant
 * opens, and for a store whose address is set: those are reached by the vendors' clients, as they are on Google Cloud.
 */
import type { Objects, Store } from '@convergence/objects'
import type { CloudsOptions } from '@convergence/objects/clouds'
import type { Log } from '@convergence/service'

type Settings = Readonly<Record<string, string>>

/** Of the settings, what the vendors' clients need. */
export const cloudsOptions = (settings: Settings): CloudsOptions => {
  const { AWS_REGION: region, AZURE_STORAGE_CONNECTION_STRING: connection_string } = settings
  const { AWS_ENDPOINT_URL_S3: s3, AZURE_STORAGE_ENDPOINT: azure, STORAGE_EMULATOR_HOST: gcs } = settings
  const azureOwn = connection_string === undefined ? azure && { url: azure } : { connection_string }
  return {
    gcs: { project_id: settings['GCP_PROJECT_ID'] ?? '', ...(gcs === undefined ? {} : { endpoint: gcs }) },
    ...(region === undefined && s3 === undefined
      ? {}
      : { s3: { region: region ?? 'us-east-1', ...(s3 === undefined ? {} : { endpoint: s3 }) } }),
    ...(azureOwn === undefined || azureOwn === '' ? {} : { azure: azureOwn }),
    endpoints: {
      ...(s3 === undefined ? {} : { s3 }),
      ...(azure === undefined ? {} : { azure }),
      ...(gcs === undefined ? {} : { gcs }),
    },
  }
}

/** `folders`: where the buckets of the embedded form are; without it every store is the vendor's. */
export const openObjects = async ({
  settings,
  folder,
  log,
}: {
  settings: Settings
  folder: string | undefined
  log: Pick<Log, 'warn'>
}): Promise<Objects> => {
  const { openClouds } = await import('@convergence/objects/clouds')
  const options = cloudsOptions(settings)
  const clouds = openClouds({ ...options, log })
  if (folder === undefined) return clouds
  const { openBuckets } = await import('@convergence/local-objects')
  const buckets = openBuckets({ folder })
  const { s3, azure, gcs } = options.endpoints ?? {}
  const remote: Readonly<Record<Store, boolean>> = {
    s3: s3 !== undefined,
    azure: azure !== undefined,
    gcs: gcs !== undefined,
  }
  const sideOf = (store: Store, credential: unknown): Objects =>
    remote[store] || credential !== undefined ? clouds : buckets
  return {
    list: (store, bucket, prefix, access) => sideOf(store, access?.credential).list(store, bucket, prefix, access),
    read: (store, bucket, key, more) => sideOf(store, more?.credential).read(store, bucket, key, more),
    close: async () => {
      await buckets.close()
      await clouds.close()
    },
  }
}
