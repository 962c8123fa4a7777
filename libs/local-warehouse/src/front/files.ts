/** What a load reads: the bytes of an upload or of gs:// objects as files that the engine may read. */
import { createWriteStream } from 'node:fs'
import { copyFile, link, mkdir, open, readdir, rm, stat } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { invalid, notFound } from './wire.ts'

/** Bytes that came; small ones stay in memory. */
export interface Media {
  text?: Buffer
  path?: string
  bytes: number
}
/** What is small enough to be looked at as a whole. */
export const smallBytes = 1 << 20

/** Takes bytes until `end`; beyond `smallBytes` they are in the file `path`. */
export const openMedia = (path: string) => {
  let chunks: Buffer[] = []
  let bytes = 0
  let file: ReturnType<typeof createWriteStream> | undefined
  let fault: Error | undefined
  return {
    get bytes() {
      return bytes
    },
    write: async (chunk: Buffer): Promise<void> => {
      bytes += chunk.length
      if (file === undefined) {
        chunks.push(chunk)
        if (bytes <= smallBytes) return
        file = createWriteStream(path, { mode: 0o600 })
        file.on('error', (error) => {
          fault = error
        })
        chunk = Buffer.concat(chunks)
        chunks = []
      }
      if (fault !== undefined) throw fault
      const own = file
      if (!own.write(chunk))
        await new Promise<void>((resolve) => {
          const go = () => {
            own.off('drain', go).off('error', go)
            resolve()
          }
          own.once('drain', go).once('error', go)
        })
    },
    end: async (): Promise<Media> => {
      if (file === undefined) return { text: Buffer.concat(chunks), bytes }
      await new Promise<void>((resolve, reject) => {
        file?.once('error', reject)
        file?.end(() => {
          resolve()
        })
      })
      if (fault !== undefined) throw fault
      return { path, bytes }
    },
    discard: async (): Promise<void> => {
      file?.destroy()
      await rm(path, { force: true })
    },
  }
}

/** How many bytes before `end` are the line end that belongs to the boundary there. */
const lineEndBefore = (bytes: Buffer, end: number): number => {
  if (bytes[end - 1] !== 0x0a) return 0
  return bytes[end - 2] === 0x0d ? 2 : 1
}
/** The two parts of multipart/related: JSON, then bytes. The second is written as it comes. */
export const readMultipart = async (
  body: AsyncIterable<Buffer>,
  contentType: string,
  path: string,
): Promise<{ json: string; media: Media }> => {
  const [, quotedBoundary, plain] = /boundary=(?:"([^"]+)"|'?([^;'\s]+))/i.exec(contentType) ?? []
  const boundary = quotedBoundary ?? plain
  if (boundary === undefined) throw invalid('multipart/related: expected a boundary')
  const mark = Buffer.from(`--${boundary}`)
  const media = openMedia(path)
  let rest: Buffer = Buffer.alloc(0)
  let json: string | undefined
  let inMedia = false
  const headEnd = (from: number): { at: number; length: number } | undefined => {
    const [long, short] = [rest.indexOf('\r\n\r\n', from), rest.indexOf('\n\n', from)]
    if (long >= 0 && (short < 0 || long < short)) return { at: long, length: 4 }
    return short < 0 ? undefined : { at: short, length: 2 }
  }
  // The end of the media is the last boundary: so many bytes are held back.
  const tail = mark.length + 16
  try {
    for await (const chunk of body) {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      if (!inMedia) {
        const first = rest.indexOf(mark)
        const head = first < 0 ? undefined : headEnd(first)
        const second = head === undefined ? -1 : rest.indexOf(mark, head.at)
        const secondHead = second < 0 ? undefined : headEnd(second)
        if (head === undefined || secondHead === undefined) {
          if (rest.length > smallBytes) throw invalid('multipart/related: the first part is too large')
          continue
        }
        json = rest
          .subarray(head.at + head.length, second)
          .toString()
          .trim()
        rest = rest.subarray(secondHead.at + secondHead.length)
        inMedia = true
      }
      if (rest.length > tail) {
        await media.write(rest.subarray(0, rest.length - tail))
        rest = rest.subarray(rest.length - tail)
      }
    }
    const end = rest.lastIndexOf(mark)
    if (json === undefined || end < 0)
      throw invalid('multipart/related: expected two parts, and the boundary at the end')
    await media.write(rest.subarray(0, end - lineEndBefore(rest, end)))
    return { json, media: await media.end() }
  } catch (error) {
    await media.discard()
    throw error
  }
}

const isGzip = (head: Buffer): boolean => head[0] === 0x1f && head[1] === 0x8b
/** A file that the engine may read; a name that ends in .gz tells that it is packed. */
export const mediaFile = async (media: Media, folder: string, name: string): Promise<string> => {
  const head = media.text ?? (await headOf(media.path ?? ''))
  const path = join(folder, `${name}${isGzip(head) ? '.gz' : ''}`)
  if (media.path !== undefined) await link(media.path, path).catch(() => copyFile(media.path ?? '', path))
  else await pipeline(Readable.from([media.text ?? Buffer.alloc(0)]), createWriteStream(path, { mode: 0o600 }))
  return path
}
const headOf = async (path: string): Promise<Buffer> => {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

/** Objects of gs:// URIs, one * allowed, from the folder of the bucket, as files in `folder`. Throws 404 and 400. */
export const bucketFiles = async (
  uris: readonly string[],
  buckets: string,
  folder: string,
  name: string,
): Promise<{ path: string; name: string }[]> => {
  const found: { path: string; name: string }[] = []
  for (const uri of uris) {
    const [, bucket, key] = /^gs:\/\/([a-z0-9][a-z0-9._-]{1,220})\/(.+)$/.exec(uri) ?? []
    if (bucket === undefined || key === undefined) throw invalid(`Invalid URI ${uri}: expected gs://bucket/key`)
    if (key.split('*').length > 2) throw invalid(`Invalid URI ${uri}: at most one *`)
    const root = join(buckets, bucket)
    const safe = (path: string): boolean =>
      !relative(root, path).startsWith(`..`) && !relative(root, path).split(sep).includes('..')
    const [before = '', after] = key.split('*')
    const keys =
      after === undefined
        ? [key]
        : (await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []))
            .filter((entry) => entry.isFile())
            .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
            .filter(
              (own) => own.startsWith(before) && own.endsWith(after) && own.length >= before.length + after.length,
            )
            .sort()
    if (keys.length === 0) throw notFound(`URI ${uri}`)
    for (const own of keys) {
      const source = join(root, ...own.split('/'))
      if (
        !safe(source) ||
        own.includes('\0') ||
        !(await stat(source).then(
          (entry) => entry.isFile(),
          () => false,
        ))
      )
        throw notFound(`URI gs://${bucket}/${own}`)
      const path = join(folder, `${name}-${found.length}${isGzip(await headOf(source)) ? '.gz' : ''}`)
      await link(source, path).catch(() => copyFile(source, path))
      found.push({ path, name: `gs://${bucket}/${own}` })
    }
  }
  return found
}
export const makeFolder = async (folder: string): Promise<void> => {
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true, mode: 0o700 })
}
