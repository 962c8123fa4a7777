/** Azure Blob by Azure's client. */
import type { Readable } from 'node:stream'
import type { BlobDownloadResponseParsed } from '@azure/storage-blob'
import type { Checksum } from '../checksum.ts'
import { kindOfStatus, textOf, type Remote } from './remote.ts'

/** An MD5 is kept where the uploader gave one, a CRC64 (least significant byte first) where the service counted one. */
const checksumOfAzure = ({ contentMD5, contentCrc64 }: BlobDownloadResponseParsed): Checksum | undefined => {
  if (contentMD5 !== undefined) return { algorithm: 'md5', value: Buffer.from(contentMD5).toString('base64') }
  if (contentCrc64 === undefined) return undefined
  return { algorithm: 'crc64nvme', value: Buffer.from(contentCrc64.toReversed()).toString('base64') }
}

export type AzureOptions =
  | { connection_string: string }
  /** `url` of the account, with a shared access signature when it is not public. */
  | { url: string; key?: { account: string; key: string } }
  /** An application whose directory trusts this process's identity (the projected token of the cluster). */
  | { url: string; client_id: string; tenant_id: string }

export const openAzure = async (account: AzureOptions): Promise<Remote> => {
  const { BlobServiceClient, StorageSharedKeyCredential } = await import('@azure/storage-blob')
  const options = { retryOptions: { maxTries: 1 } }
  const made = async () => {
    if ('connection_string' in account)
      return BlobServiceClient.fromConnectionString(account.connection_string, options)
    if ('client_id' in account) {
      const { WorkloadIdentityCredential } = await import('@azure/identity')
      const { client_id: clientId, tenant_id: tenantId, url } = account
      return new BlobServiceClient(url, new WorkloadIdentityCredential({ clientId, tenantId }), options)
    }
    const { url, key } = account
    const credential = key === undefined ? undefined : new StorageSharedKeyCredential(key.account, key.key)
    return new BlobServiceClient(url, credential, options)
  }
  const client = await made()
  return {
    page: async (bucket, prefix, token) => {
      const pages = client
        .getContainerClient(bucket)
        .listBlobsFlat({ prefix })
        .byPage({ maxPageSize: 1_000, ...(token === undefined ? {} : { continuationToken: token }) })
      const { value } = (await pages.next()) as { value: unknown }
      const found = value as
        | {
            segment?: {
              blobItems: {
                name: string
                properties: { contentLength?: number; etag?: string | undefined; lastModified: Date }
              }[]
            }
            continuationToken?: string
          }
        | undefined
      return {
        objects: (found?.segment?.blobItems ?? []).map(
          ({ name, properties: { contentLength = 0, etag = '', lastModified } }) => ({
            key: name,
            size_bytes: contentLength,
            etag: etag.replaceAll('"', ''),
            modified_at: lastModified.toISOString(),
          }),
        ),
        next: found?.continuationToken === '' ? undefined : found?.continuationToken,
      }
    },
    open: async (bucket, key, from, etag, signal) => {
      const answer = await client
        .getContainerClient(bucket)
        .getBlobClient(key)
        .download(from, undefined, {
          // Continuing is this door's: the client would do it without saying so.
          maxRetryRequests: 0,
          ...(etag === undefined ? {} : { conditions: { ifMatch: `"${etag}"` } }),
          ...(signal === undefined ? {} : { abortSignal: signal }),
        })
      return {
        body: answer.readableStreamBody as Readable,
        etag: (answer.etag ?? '').replaceAll('"', ''),
        size: from + (answer.contentLength ?? 0),
        checksum: from === 0 ? checksumOfAzure(answer) : undefined,
      }
    },
    faultOf: (error) => {
      const {
        code = '',
        statusCode,
        details,
      } = error as {
        code?: string
        statusCode?: number
        details?: { errorCode?: string }
        response?: { headers?: { get(name: string): string | undefined } }
      }
      const word = details?.errorCode ?? code
      const request_id = (
        error as { response?: { headers?: { get(name: string): string | undefined } } }
      ).response?.headers?.get('x-ms-request-id')
      const missing = word === 'BlobNotFound' || statusCode === 404 ? 'object missing' : undefined
      const kind = word === 'ContainerNotFound' ? 'bucket missing' : (missing ?? kindOfStatus(statusCode))
      return {
        kind,
        reason: `${statusCode ?? 'no answer'} ${word}: ${textOf(error).replaceAll(/[?&]sig=[^&\s]*/g, '')}`,
        request_id,
      }
    },
    close: () => undefined,
  }
}
