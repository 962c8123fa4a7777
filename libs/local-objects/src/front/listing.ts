/** Lists of objects, and the metadata of one. */
import type { ObjectInfo } from '@convergence/objects'
import { checksumOf, generationOf, versionOf } from './checksums.ts'
import { escapedXml, notFound, Refused, type Body } from './errors.ts'
import type { FrontState } from './state.ts'

const mostKeys = 1_000

export const assertBucket = async (front: FrontState, bucket: string): Promise<void> => {
  for await (const _ of front.objects.list(front.store, bucket, '')) return
}

export const objectAt = async (front: FrontState, bucket: string, key: string): Promise<ObjectInfo> => {
  for await (const each of front.objects.list(front.store, bucket, key)) if (each.key === key) return each
  throw new Refused(notFound(front, 'object'))
}

const pageOf = async (
  front: FrontState,
  bucket: string,
  prefix: string,
  after: string,
  most: number,
): Promise<{ found: ObjectInfo[]; next: string | undefined }> => {
  await assertBucket(front, bucket)
  const found: ObjectInfo[] = []
  for await (const each of front.objects.list(front.store, bucket, prefix)) {
    if (each.key <= after) continue
    if (found.length === most) return { found, next: found.at(-1)?.key }
    found.push(each)
  }
  return { found, next: undefined }
}

export const listing = async (front: FrontState, bucket: string, query: URLSearchParams): Promise<Body> => {
  const wanted = Number(query.get('max-keys') ?? query.get('maxresults') ?? query.get('maxResults') ?? mostKeys)
  const token = query.get('continuation-token') ?? query.get('marker') ?? query.get('pageToken') ?? ''
  const { found, next } = await pageOf(
    front,
    bucket,
    query.get('prefix') ?? '',
    Buffer.from(token, 'base64url').toString(),
    Math.min(wanted, mostKeys),
  )
  const more = next === undefined ? '' : Buffer.from(next).toString('base64url')
  if (front.store === 'gcs') return listOfGoogle(front, bucket, found, more)
  return front.store === 's3' ? listOfS3(front, bucket, found, more) : listOfAzure(bucket, found, more)
}

const listOfGoogle = async (
  front: FrontState,
  bucket: string,
  found: readonly ObjectInfo[],
  more: string,
): Promise<Body> => ({
  type: 'application/json',
  text: JSON.stringify({
    kind: 'storage#objects',
    items: await Promise.all(found.map((each) => metadata(front, bucket, each))),
    ...(more === '' ? {} : { nextPageToken: more }),
  }),
})

const listOfS3 = async (
  front: FrontState,
  bucket: string,
  found: readonly ObjectInfo[],
  more: string,
): Promise<Body> => {
  const etags = await Promise.all(found.map((each) => versionOf(front, bucket, each)))
  const contents = found.map(
    ({ key, modified_at, size_bytes }, k) =>
      `<Contents><Key>${escapedXml(key)}</Key><LastModified>${modified_at}</LastModified>` +
      `<ETag>&quot;${etags[k] ?? ''}&quot;</ETag><Size>${size_bytes}</Size></Contents>`,
  )
  return {
    type: 'application/xml',
    text:
      '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' +
      `<Name>${bucket}</Name><KeyCount>${found.length}</KeyCount><IsTruncated>${String(more !== '')}</IsTruncated>` +
      (more === '' ? '' : `<NextContinuationToken>${more}</NextContinuationToken>`) +
      `${contents.join('')}</ListBucketResult>`,
  }
}

const listOfAzure = (bucket: string, found: readonly ObjectInfo[], more: string): Body => {
  const blobs = found.map(
    ({ key, modified_at, etag, size_bytes }) =>
      `<Blob><Name>${escapedXml(key)}</Name><Properties>` +
      `<Last-Modified>${new Date(modified_at).toUTCString()}</Last-Modified><Etag>${etag}</Etag>` +
      `<Content-Length>${size_bytes}</Content-Length><BlobType>BlockBlob</BlobType></Properties></Blob>`,
  )
  return {
    type: 'application/xml',
    text:
      '<?xml version="1.0" encoding="utf-8"?>' +
      `<EnumerationResults ServiceEndpoint="http://127.0.0.1/" ContainerName="${bucket}">` +
      `<Blobs>${blobs.join('')}</Blobs><NextMarker>${more}</NextMarker></EnumerationResults>`,
  }
}

export const metadata = async (front: FrontState, bucket: string, each: ObjectInfo, checksums = false) => ({
  kind: 'storage#object',
  bucket,
  name: each.key,
  size: String(each.size_bytes),
  generation: generationOf(each.etag),
  ...(checksums
    ? { crc32c: await checksumOf(front, bucket, each, 'crc32c'), md5Hash: await checksumOf(front, bucket, each, 'md5') }
    : {}),
  updated: each.modified_at,
  timeCreated: each.modified_at,
})
