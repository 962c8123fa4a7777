/** Cloud Storage by Google's client. */
import { Readable } from 'node:stream'
import { kindOfStatus, textOf, type Remote } from './remote.ts'

export interface GcsOptions {
  project_id: string
  /** Another address than Google's. */
  endpoint?: string
  /** Whom this process takes on, to read alone. */
  service_account?: string
}

/** The identity of the process takes on another for an hour at a time; the client asks again when it needs to. */
const impersonated = async (service_account: string) => {
  const { GoogleAuth, Impersonated } = await import('google-auth-library')
  const sourceClient = await new GoogleAuth({ scopes: 'https://www.googleapis.com/auth/cloud-platform' }).getClient()
  return new Impersonated({
    sourceClient,
    targetPrincipal: service_account,
    targetScopes: ['https://www.googleapis.com/auth/devstorage.read_only'],
    lifetime: 3_600,
  })
}

export const openGcs = async ({ project_id, endpoint, service_account }: GcsOptions): Promise<Remote> => {
  const { Storage } = await import('@google-cloud/storage')
  const { PassThroughClient } = await import('google-auth-library')
  // A local server asks for no identity.
  const own = endpoint === undefined && service_account !== undefined ? await impersonated(service_account) : undefined
  const client = new Storage({
    projectId: project_id,
    retryOptions: { autoRetry: false },
    ...(endpoint === undefined ? {} : { apiEndpoint: endpoint, authClient: new PassThroughClient() }),
    ...(own === undefined ? {} : { authClient: own }),
  })
  return {
    page: async (bucket, prefix, token) => {
      const [files, next] = (await client.bucket(bucket).getFiles({
        prefix,
        autoPaginate: false,
        maxResults: 1_000,
        ...(token === undefined ? {} : { pageToken: token }),
      })) as unknown as [
        { name: string; metadata: { size?: string | number; generation?: string | number; updated?: string } }[],
        { pageToken?: string } | null,
      ]
      return {
        objects: files.map(({ name, metadata: { size = 0, generation = '', updated = '' } }) => ({
          key: name,
          size_bytes: Number(size),
          etag: String(generation),
          modified_at: updated,
        })),
        next: next?.pageToken,
      }
    },
    open: async (bucket, key, from, etag, signal) => {
      const [{ generation = '', size = 0, md5Hash, crc32c }] = await client.bucket(bucket).file(key).getMetadata()
      if (etag !== undefined && String(generation) !== etag)
        throw Object.assign(new Error('another generation is there'), { code: 412 })
      const total = Number(size)
      // Of the bytes as they are stored. An object that was composed of others has no MD5.
      const ofMd5 = md5Hash === undefined ? undefined : ({ algorithm: 'md5', value: md5Hash } as const)
      const checksum = ofMd5 ?? (crc32c === undefined ? undefined : ({ algorithm: 'crc32c', value: crc32c } as const))
      if (from >= total) return { body: Readable.from([]), etag: String(generation), size: total, checksum }
      // As it is stored: what is packed stays packed, as from the other stores.
      const body = client
        .bucket(bucket)
        .file(key, { generation: String(generation) })
        .createReadStream({ start: from, validation: false, decompress: false })
      signal?.addEventListener(
        'abort',
        () => {
          body.destroy(signal.reason instanceof Error ? signal.reason : new Error('aborted'))
        },
        { once: true },
      )
      return { body, etag: String(generation), size: total, checksum }
    },
    faultOf: (error) => {
      const { code, errors = [] } = error as { code?: number | string; errors?: { reason?: string }[] }
      const status = /^\d{3}$/.test(String(code)) ? Number(code) : undefined
      const missing = /bucket/i.test(textOf(error)) ? 'bucket missing' : 'object missing'
      const kind = status === 404 ? missing : kindOfStatus(status)
      return {
        kind,
        reason: `${code ?? 'no answer'} ${errors[0]?.reason ?? ''}: ${textOf(error)}`,
        request_id: undefined,
      }
    },
    close: () => undefined,
  }
}
