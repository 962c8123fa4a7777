/**
 * The other side of the door: S3, Azure Blob and Cloud Storage by the vendors' own clients, each loaded when it is
 * first asked for. The three differ in how they
 * list, open and word their errors; what is the same is here: names are checked before anything is asked, a download
 * that breaks goes on where it was with
 * the object's version pinned, and an object that was replaced meanwhile is an error, never a mixture.
 */
import { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3'
import type { BlobDownloadResponseParsed } from '@azure/storage-blob'
import { AppError } from '@convergence/contracts'
import { openChecksum, type Checksum } from './checksum.ts'
import type { ObjectInfo, Objects, Store } from './objects.ts'

export interface CloudsOptions {
  /** Credentials are those of the process, found as AWS's clients do: environment, web identity, instance. */
  s3?: {
    region: string
    /** Another address than AWS's; for tests. */ endpoint?: string
    credentials?: { accessKeyId: string; secretAccessKey: string }
  }
  /** `connection_string` of the storage account, or its `url`, with a shared access signature when it is not public. */
  azure?: { connection_string: string } | { url: string }
  /** Credentials are Google's application default. `endpoint`: another address than Google's; for tests. */
  gcs?: { project_id: string; endpoint?: string }
  log?: { warn(fields: object, message: string): void }
  /** How often a request is made, and a download is continued without a byte in between, at most; default 4. */
  tries?: number
  /** First pause before another try, in milliseconds, doubled each time; default 200. */
  pause_ms?: number
}

/** What a vendor's client said, in the terms of the door. */
export interface Fault {
  kind: 'bucket missing' | 'object missing' | 'denied' | 'changed' | 'damaged' | 'passing' | 'other'
  reason: string
  request_id: string | undefined
}
interface Opened {
  body: Readable
  etag: string
  size: number
  /** Of the whole object, whatever part of it is read; undefined where the store states none. */
  checksum: Checksum | undefined
}
interface Remote {
  page(
    bucket: string,
    prefix: string,
    token: string | undefined,
  ): Promise<{ objects: ObjectInfo[]; next: string | undefined }>
  /** From a byte on. With `etag` that version or a fault of kind changed. */
  open(
    bucket: string,
    key: string,
    from: number,
    etag: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Opened>
  faultOf(error: unknown): Fault
  close(): void
}

const bucketName = /^[a-z0-9][a-z0-9._-]{1,221}$/
const isBucket = (bucket: string): boolean => bucketName.test(bucket) && !bucket.includes('..')
const isKey = (key: string): boolean =>
  key !== '' &&
  key.length <= 1024 &&
  !/[\0\\]/.test(key) &&
  key.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
const kindOfStatus = (status: number | undefined): Fault['kind'] =>
  status === 401 || status === 403
    ? 'denied'
    : status === 412
      ? 'changed'
      : status === undefined || status === 408 || status === 429 || status >= 500
        ? 'passing'
        : 'other'
const textOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n')[0]?.slice(0, 200) ?? ''

// ---- S3

/**
 * The checksum of a whole object. One of an upload in parts is made of the parts' own (`COMPOSITE`, or ending in their
 * number) and says nothing of the whole: then only the length is checked. An ETag is the MD5 of an object that was put
 * at once, unless it is encrypted with a key of its own or lies in a directory bucket.
 */
const checksumOfS3 = (bucket: string, answer: GetObjectCommandOutput): Checksum | undefined => {
  const stated = [
    ['crc32', answer.ChecksumCRC32],
    ['sha256', answer.ChecksumSHA256],
    ['sha1', answer.ChecksumSHA1],
    ['crc32c', answer.ChecksumCRC32C],
    ['crc64nvme', answer.ChecksumCRC64NVME],
  ] as const
  if (answer.ChecksumType !== 'COMPOSITE')
    for (const [algorithm, value] of stated)
      if (value !== undefined && !value.includes('-')) return { algorithm, value }
  const md5 = /^"?([0-9a-f]{32})"?$/.exec(answer.ETag ?? '')?.[1]
  const isMd5 =
    (answer.ServerSideEncryption ?? 'AES256') === 'AES256' &&
    answer.SSECustomerAlgorithm === undefined &&
    !bucket.endsWith('--x-s3')
  if (md5 === undefined || !isMd5) return undefined
  return { algorithm: 'md5', value: Buffer.from(md5, 'hex').toString('base64') }
}

const openS3 = async ({ region, endpoint, credentials }: NonNullable<CloudsOptions['s3']>): Promise<Remote> => {
  const { GetObjectCommand, ListObjectsV2Command, S3Client } = await import('@aws-sdk/client-s3')
  const client = new S3Client({
    region,
    maxAttempts: 1,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    ...(credentials === undefined ? {} : { credentials }),
  })
  // Asked for by its header: by its parameter the client would count the checksum a second time.
  client.middlewareStack.add(
    (next, { commandName }) =>
      (args) => {
        if (commandName === 'GetObjectCommand')
          (args.request as { headers: Record<string, string> }).headers['x-amz-checksum-mode'] = 'ENABLED'
        return next(args)
      },
    { step: 'build', name: 'askForChecksum' },
  )
  return {
    page: async (bucket, prefix, token) => {
      const answer = await client.send(
        new ListObjectsV2Command({
          Bucket: bucket,
          Prefix: prefix,
          ...(token === undefined ? {} : { ContinuationToken: token }),
        }),
      )
      return {
        objects: (answer.Contents ?? []).map(({ Key = '', Size = 0, ETag = '', LastModified }) => ({
          key: Key,
          size_bytes: Size,
          etag: ETag,
          modified_at: LastModified?.toISOString() ?? '',
        })),
        next: answer.IsTruncated === true ? answer.NextContinuationToken : undefined,
      }
    },
    open: async (bucket, key, from, etag, signal) => {
      const answer = await client.send(
        new GetObjectCommand({
          Bucket: bucket,
          Key: key,
          ...(from === 0 ? {} : { Range: `bytes=${from}-` }),
          ...(etag === undefined ? {} : { IfMatch: etag }),
        }),
        signal === undefined ? {} : { abortSignal: signal },
      )
      return {
        body: answer.Body as Readable,
        etag: answer.ETag ?? '',
        size: from + (answer.ContentLength ?? 0),
        checksum: from === 0 ? checksumOfS3(bucket, answer) : undefined,
      }
    },
    faultOf: (error) => {
      const { name = '', $metadata } = error as {
        name?: string
        $metadata?: { httpStatusCode?: number; requestId?: string }
      }
      const status = $metadata?.httpStatusCode
      // No credentials were found, or the role was refused: nothing was asked of S3.
      const refused =
        name === 'CredentialsProviderError' ||
        /^(AccessDenied|InvalidIdentityToken|ExpiredToken|InvalidClientTokenId|SignatureDoesNotMatch)/.test(name)
      const kind = refused
        ? 'denied'
        : name === 'NoSuchBucket'
          ? 'bucket missing'
          : name === 'NoSuchKey' || (status === 404 && name !== 'NoSuchBucket')
            ? 'object missing'
            : kindOfStatus(status)
      return { kind, reason: `${status ?? 'no answer'} ${name}: ${textOf(error)}`, request_id: $metadata?.requestId }
    },
    close: () => {
      client.destroy()
    },
  }
}

// ---- Azure Blob

/** An MD5 is kept where the uploader gave one, a CRC64 (least significant byte first) where the service counted one. */
const checksumOfAzure = ({ contentMD5, contentCrc64 }: BlobDownloadResponseParsed): Checksum | undefined => {
  if (contentMD5 !== undefined) return { algorithm: 'md5', value: Buffer.from(contentMD5).toString('base64') }
  if (contentCrc64 === undefined) return undefined
  return { algorithm: 'crc64nvme', value: Buffer.from(contentCrc64.toReversed()).toString('base64') }
}

const openAzure = async (account: NonNullable<CloudsOptions['azure']>): Promise<Remote> => {
  const { BlobServiceClient } = await import('@azure/storage-blob')
  const options = { retryOptions: { maxTries: 1 } }
  const client =
    'url' in account
      ? new BlobServiceClient(account.url, undefined, options)
      : BlobServiceClient.fromConnectionString(account.connection_string, options)
  return {
    page: async (bucket, prefix, token) => {
      const pages = client
        .getContainerClient(bucket)
        .listBlobsFlat({ prefix })
        .byPage({ maxPageSize: 1_000, ...(token === undefined ? {} : { continuationToken: token }) })
      const { value } = (await pages.next()) as { value: Awaited<ReturnType<typeof pages.next>>['value'] | undefined }
      const found = value as
        | {
            segment?: {
              blobItems: { name: string; properties: { contentLength?: number; etag?: string; lastModified: Date } }[]
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
      const kind =
        word === 'ContainerNotFound'
          ? 'bucket missing'
          : word === 'BlobNotFound' || statusCode === 404
            ? 'object missing'
            : kindOfStatus(statusCode)
      return {
        kind,
        reason: `${statusCode ?? 'no answer'} ${word}: ${textOf(error).replaceAll(/[?&]sig=[^&\s]*/g, '')}`,
        request_id,
      }
    },
    close: () => undefined,
  }
}

// ---- Cloud Storage

const openGcs = async ({ project_id, endpoint }: NonNullable<CloudsOptions['gcs']>): Promise<Remote> => {
  const { Storage } = await import('@google-cloud/storage')
  const { PassThroughClient } = await import('google-auth-library')
  const client = new Storage({
    projectId: project_id,
    retryOptions: { autoRetry: false },
    ...(endpoint === undefined ? {} : { apiEndpoint: endpoint, authClient: new PassThroughClient() }),
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
      const status = typeof code === 'number' ? code : /^\d{3}$/.test(String(code)) ? Number(code) : undefined
      const kind =
        status === 404 ? (/bucket/i.test(textOf(error)) ? 'bucket missing' : 'object missing') : kindOfStatus(status)
      return {
        kind,
        reason: `${code ?? 'no answer'} ${errors[0]?.reason ?? ''}: ${textOf(error)}`,
        request_id: undefined,
      }
    },
    close: () => undefined,
  }
}

// ---- the door

const names: Readonly<Record<Store, string>> = {
  s3: 'S3 bucket',
  azure: 'Azure container',
  gcs: 'Cloud Storage bucket',
}

export const openClouds = ({ s3, azure, gcs, log, tries = 4, pause_ms = 200 }: CloudsOptions): Objects => {
  const opened = new Map<Store, Promise<Remote>>()
  const remoteOf = (store: Store): Promise<Remote> => {
    const known = opened.get(store)
    if (known !== undefined) return known
    const unset = (setting: string) =>
      Promise.reject(
        new AppError(
          'SETTING_INVALID',
          `${names[store]}: ${setting} is not set for this process; services/executor/README.md says what it is`,
        ),
      )
    const made =
      store === 's3'
        ? s3 === undefined
          ? unset('AWS_REGION')
          : openS3(s3)
        : store === 'azure'
          ? azure === undefined
            ? unset('AZURE_STORAGE_CONNECTION_STRING')
            : openAzure(azure)
          : gcs === undefined
            ? unset('GCP_PROJECT_ID')
            : openGcs(gcs)
    opened.set(store, made)
    made.catch(() => {
      opened.delete(store)
    })
    return made
  }
  const worded = (
    { kind, reason, request_id }: Fault,
    store: Store,
    bucket: string,
    key: string | undefined,
    cause: unknown,
  ): AppError => {
    const what = `${names[store]} ${bucket}${key === undefined ? '' : `, object ${key}`}`
    const said = `${reason}${request_id === undefined ? '' : `, request ${request_id}`}`
    switch (kind) {
      case 'bucket missing':
        return new AppError(
          'OBJECT_NOT_FOUND',
          `${names[store]} ${bucket} does not exist (${said}); check its name and that this account may see it`,
          { cause },
        )
      case 'object missing':
        return new AppError('OBJECT_NOT_FOUND', `${what} does not exist (${said})`, { cause })
      case 'denied':
        return new AppError(
          'SETTING_INVALID',
          `${what}: reading is refused (${said}); give the identity of this process the right to list and read it`,
          { cause },
        )
      case 'changed':
        return new AppError('OBJECT_CHANGED', `${what} was replaced while it was read (${said})`, { cause })
      case 'damaged':
        return new AppError('SOURCE_UNAVAILABLE', `${what} changed on its way (${said}); it is read again`, { cause })
      case 'passing':
        return new AppError('SOURCE_UNAVAILABLE', `${what} cannot be read now (${said}); it is tried again`, { cause })
      case 'other':
        return new AppError('SOURCE_UNAVAILABLE', `${what} cannot be read (${said})`, { cause })
    }
  }
  /** Another try where it may help; else, and after the last, the error in the terms of the door. */
  const patiently = async <T>(
    store: Store,
    bucket: string,
    key: string | undefined,
    signal: AbortSignal | undefined,
    work: (remote: Remote) => Promise<T>,
  ): Promise<T> => {
    const remote = await remoteOf(store)
    for (let tried = 1; ; tried += 1) {
      try {
        signal?.throwIfAborted()
        return await work(remote)
      } catch (error) {
        if (signal?.aborted === true) throw error
        const fault = remote.faultOf(error)
        if (fault.kind !== 'passing' || tried >= tries) throw worded(fault, store, bucket, key, error)
        log?.warn({ store, bucket, key, tried, reason: fault.reason }, 'object store asked again')
        await pause(pause_ms * 2 ** (tried - 1), undefined, signal === undefined ? {} : { signal })
      }
    }
  }
  const assertBucket = (store: Store, bucket: string) => {
    if (!isBucket(bucket))
      throw new AppError(
        'OBJECT_NOT_FOUND',
        `${names[store]} ${JSON.stringify(bucket.slice(0, 80))}: expected a name of lower-case letters, digits, dots, _ and -`,
      )
  }

  return {
    list: async function* (store, bucket, prefix) {
      assertBucket(store, bucket)
      let token: string | undefined
      do {
        const { objects, next } = await patiently(store, bucket, undefined, undefined, (remote) =>
          remote.page(bucket, prefix, token),
        )
        yield* objects
        token = next
      } while (token !== undefined)
    },
    read: async (store, bucket, key, { etag, signal } = {}) => {
      assertBucket(store, bucket)
      if (!isKey(key))
        throw new AppError(
          'OBJECT_NOT_FOUND',
          `${names[store]} ${bucket}: ${JSON.stringify(key.slice(0, 200))} is not the key of an object`,
        )
      const openAt = (from: number, version: string | undefined) =>
        patiently(store, bucket, key, signal, (remote) => remote.open(bucket, key, from, version, signal))
      const remote = await remoteOf(store)
      const first = await openAt(0, etag)
      // Nobody listens to it until it is read: an early break must not bring the process down.
      first.body.on('error', () => undefined)

      const content = async function* (): AsyncGenerator<Buffer> {
        let { body } = first
        const { checksum } = first
        const counter = checksum === undefined ? undefined : await openChecksum(checksum.algorithm)
        const assertUnchanged = async () => {
          const value = await counter?.digest()
          if (value === checksum?.value) return
          const reason = `expected checksum ${checksum?.algorithm ?? ''} ${checksum?.value ?? ''}, got ${value ?? ''}`
          throw worded({ kind: 'damaged', reason, request_id: undefined }, store, bucket, key, undefined)
        }
        let sent = 0
        let barren = 0
        try {
          for (;;) {
            const before = sent
            let broken: unknown
            try {
              for await (const chunk of body) {
                signal?.throwIfAborted()
                sent += (chunk as Buffer).length
                counter?.update(chunk as Buffer)
                yield chunk as Buffer
              }
            } catch (error) {
              broken = error
            }
            signal?.throwIfAborted()
            // A connection that was cut may look like an end: only the whole length is one.
            if (sent === first.size) return await assertUnchanged()
            if (sent > first.size)
              throw worded(
                { kind: 'changed', reason: `${sent} bytes came, ${first.size} were announced`, request_id: undefined },
                store,
                bucket,
                key,
                broken,
              )
            barren = sent === before ? barren + 1 : 0
            const fault: Fault =
              broken === undefined
                ? {
                    kind: 'passing',
                    reason: `the connection ended after ${sent} of ${first.size} bytes`,
                    request_id: undefined,
                  }
                : remote.faultOf(broken)
            if ((fault.kind !== 'passing' && fault.kind !== 'other') || barren >= tries)
              throw worded(
                fault.kind === 'object missing' ? { ...fault, kind: 'changed' } : fault,
                store,
                bucket,
                key,
                broken,
              )
            log?.warn({ store, bucket, key, bytes: sent, reason: fault.reason }, 'download goes on where it broke')
            const again = await openAt(sent, first.etag)
            if (again.etag !== first.etag || again.size !== first.size)
              throw worded(
                { kind: 'changed', reason: 'another version came', request_id: undefined },
                store,
                bucket,
                key,
                undefined,
              )
            body = again.body
          }
        } finally {
          body.destroy()
        }
      }
      const stream = Readable.from(content(), { objectMode: false })
      // Destroyed before it was read: the generator has not begun and would leave the connection open.
      stream.once('close', () => {
        first.body.destroy()
      })
      return stream
    },
    close: async () => {
      for (const remote of await Promise.allSettled(opened.values()))
        if (remote.status === 'fulfilled') remote.value.close()
    },
  }
}
