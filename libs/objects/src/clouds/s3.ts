/** S3 by AWS's client. */
import type { Readable } from 'node:stream'
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3'
import type { Checksum } from '../checksum.ts'
import { kindOfStatus, textOf, type Remote } from './remote.ts'

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

export interface S3Options {
  region: string
  /** Another address than AWS's. */
  endpoint?: string
  /** Default: those of the process, found as AWS's clients do. */
  credentials?: { accessKeyId: string; secretAccessKey: string } | S3Role
  /** Whose account the bucket must be in: else a bucket that another took over would be read. */
  bucket_owner?: string
}
export interface S3Role {
  role_arn: string
  external_id: string
  /** Another address of STS than AWS's, for tests. */
  sts_endpoint?: string
}

/** Takes the role on as this process, again before each hour is over; the client asks when it needs to. */
const assumeRole =
  ({ role_arn, external_id, sts_endpoint }: S3Role, region: string) =>
  async (): Promise<{ accessKeyId: string; secretAccessKey: string; sessionToken?: string; expiration?: Date }> => {
    const { AssumeRoleCommand, STSClient } = await import('@aws-sdk/client-sts')
    const client = new STSClient({ region, ...(sts_endpoint === undefined ? {} : { endpoint: sts_endpoint }) })
    try {
      const { Credentials } = await client.send(
        new AssumeRoleCommand({
          RoleArn: role_arn,
          ExternalId: external_id,
          RoleSessionName: 'convergence',
          DurationSeconds: 3_600,
        }),
      )
      return {
        accessKeyId: Credentials?.AccessKeyId ?? '',
        secretAccessKey: Credentials?.SecretAccessKey ?? '',
        ...(Credentials?.SessionToken === undefined ? {} : { sessionToken: Credentials.SessionToken }),
        ...(Credentials?.Expiration === undefined ? {} : { expiration: Credentials.Expiration }),
      }
    } finally {
      client.destroy()
    }
  }

export const openS3 = async ({ region, endpoint, credentials, bucket_owner }: S3Options): Promise<Remote> => {
  const { GetObjectCommand, ListObjectsV2Command, S3Client } = await import('@aws-sdk/client-s3')
  const client = new S3Client({
    region,
    maxAttempts: 1,
    // A source of whoever bills names no region: S3 answers which one the bucket is in.
    followRegionRedirects: endpoint === undefined,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    ...(credentials === undefined
      ? {}
      : { credentials: 'role_arn' in credentials ? assumeRole(credentials, region) : credentials }),
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
  const owner = bucket_owner === undefined ? {} : { ExpectedBucketOwner: bucket_owner }
  return {
    page: async (bucket, prefix, token) => {
      const answer = await client.send(
        new ListObjectsV2Command({
          Bucket: bucket,
          Prefix: prefix,
          ...owner,
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
          ...owner,
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
      const kindOf = () => {
        if (refused) return 'denied'
        if (name === 'NoSuchBucket') return 'bucket missing'
        return name === 'NoSuchKey' || status === 404 ? 'object missing' : kindOfStatus(status)
      }
      return {
        kind: kindOf(),
        reason: `${status ?? 'no answer'} ${name}: ${textOf(error)}`,
        request_id: $metadata?.requestId,
      }
    },
    close: () => {
      client.destroy()
    },
  }
}
