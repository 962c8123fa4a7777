/**
 * Objects on their way into the warehouse: streamed to the scratch folder, looked at, loaded, and removed. Memory does
 * not grow with them. What a
 * killed process left behind is removed by the next one.
 */
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { AppError } from '@convergence/contracts'
import type { ObjectInfo, Objects, Store } from '@convergence/objects'
import { openRecordCount, type CsvRecord } from '@convergence/tabular/csv'
import { inspectCsv, rowsOf } from './csv.ts'
import { formatOf } from './formats.ts'
import type { Inspected, LocalFile } from './inspected.ts'
import { inspectParquet } from './parquet.ts'
import { gib, openRoom, type Place, type Room } from './room.ts'
import { unzipped } from './zip.ts'

export interface SpoolLimits {
  /** Of one file as it is stored; default 20 GiB. */
  file_bytes: number
  /** Of one file unpacked; default 200 GiB. */
  unpacked_bytes: number
  /**
   * Unpacked over packed, looked at beyond 64 MiB; default 250. Reports pack 5 to 30 times, the worst that gzip can is
   * 1032.
   */
  ratio: number
  /**
   * Archives up to here are put down unpacked, which loads faster and takes more space; larger ones stay packed.
   * Default 256 MiB.
   */
  unpack_bytes: number
}
const defaults: SpoolLimits = {
  file_bytes: 20 * 1024 ** 3,
  unpacked_bytes: 200 * 1024 ** 3,
  ratio: 250,
  unpack_bytes: 256 * 1024 ** 2,
}
const ratioFromBytes = 64 * 1024 ** 2
const headBytes = 1024 ** 2
const manifestBytes = 16 * 1024 ** 2
const atATime = 3

export interface Spooled extends Inspected {
  path: string
  size_bytes: number
  unpacked_bytes: number
  /** Without the header; only when they were counted. */
  data_rows?: number
}
export interface SpoolInput<T> {
  /** With the right to read the files; default: those that the spool was opened with. */
  objects?: Objects | undefined
  store: Store
  bucket: string
  files: readonly ObjectInfo[]
  signal: AbortSignal
  /** Whether rows are counted on the way: where somebody says how many there are. */
  count_rows?: boolean
  /** What happens with them as local files; they are gone afterwards. */
  work(files: readonly Spooled[]): Promise<T>
}
export interface Spool {
  with<T>(input: SpoolInput<T>): Promise<T>
}

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error ? String(error.code) : undefined
/** A full disk as DISK_FULL; anything else as it is. */
const worded = (error: unknown): unknown =>
  codeOf(error) === 'ENOSPC' || codeOf(error) === 'EDQUOT'
    ? new AppError(
        'DISK_FULL',
        'no space left in the scratch folder, where exports are put before they are loaded; ' +
          'free some, the step is tried again',
        { cause: error },
      )
    : error

/** Passes on and tells how many bytes there were so far. */
const counted = async function* (
  source: AsyncIterable<Buffer>,
  onBytes: (total: number) => void,
): AsyncGenerator<Buffer> {
  let total = 0
  for await (const chunk of source) {
    total += chunk.length
    onBytes(total)
    yield chunk
  }
}
const byteOrderMark = Buffer.from('\uFEFF')
/** Leaves out byte order marks at the beginning of a line, which some exports repeat, and files put together have. */
const withoutMarks = async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let held: Buffer = Buffer.alloc(0)
  let before = 0x0a
  for await (const chunk of chunks) {
    const bytes = held.length === 0 ? chunk : Buffer.concat([held, chunk])
    // A mark may be cut in two.
    const cut = [2, 1].find((length) => bytes.subarray(-length).equals(byteOrderMark.subarray(0, length))) ?? 0
    const whole = bytes.length - cut
    let from = 0
    for (let at = bytes.indexOf(byteOrderMark); at >= 0; at = bytes.indexOf(byteOrderMark, at + byteOrderMark.length)) {
      const last = at === 0 ? before : (bytes[at - 1] ?? 0)
      if (last !== 0x0a && last !== 0x0d) continue
      if (at > from) yield bytes.subarray(from, at)
      from = at + byteOrderMark.length
    }
    if (whole > from) yield bytes.subarray(from, whole)
    before = bytes[whole - 1] ?? before
    held = bytes.subarray(whole)
  }
  if (held.length > 0) yield held
}
const nowhere = (): Writable =>
  new Writable({
    write(_chunk, _encoding, done) {
      done()
    },
  })

interface PutDown {
  objects: Objects
  store: Store
  bucket: string
  object: ObjectInfo
  limits: SpoolLimits
  signal: AbortSignal
  count_rows: boolean
  place: Place
}
type Bytes = AsyncIterable<Buffer>
/** What is counted and kept of a file on its way, and where it is more than it may be. */
const openMeter = (key: string, { limits, count_rows }: Pick<PutDown, 'limits' | 'count_rows'>) => {
  let [size_bytes, unpacked_bytes, kept] = [0, 0, 0]
  const head: Buffer[] = []
  const counter = count_rows ? openRecordCount() : undefined
  const refuse = (problem: string): AppError => new AppError('EXPORT_INVALID', `${key}: ${problem}`)
  return {
    /** As it is stored. */
    packed: (chunks: Bytes): Bytes =>
      counted(chunks, (total) => {
        size_bytes = total
        if (total > limits.file_bytes) throw refuse(`expected a file of at most ${gib(limits.file_bytes)}, got more`)
      }),
    /** As it is read. */
    plain: async function* (chunks: Bytes): AsyncGenerator<Buffer> {
      for await (const chunk of chunks) {
        unpacked_bytes += chunk.length
        if (unpacked_bytes > limits.unpacked_bytes)
          throw refuse(`expected at most ${gib(limits.unpacked_bytes)} unpacked, got more`)
        if (unpacked_bytes > ratioFromBytes && unpacked_bytes > size_bytes * limits.ratio)
          throw refuse(
            `expected a report that packs up to ${limits.ratio} times, ` +
              `got ${gib(unpacked_bytes)} and more from ${gib(size_bytes)}; nothing of it is loaded`,
          )
        yield chunk
      }
    },
    /** As it is put down. */
    rows: async function* (chunks: Bytes): AsyncGenerator<Buffer> {
      for await (const chunk of chunks) {
        if (kept < headBytes) {
          const part = chunk.subarray(0, headBytes - kept)
          head.push(Buffer.from(part))
          kept += part.length
        }
        counter?.see(chunk)
        yield chunk
      }
    },
    size_bytes: () => size_bytes,
    unpacked_bytes: () => unpacked_bytes,
    head: () => Buffer.concat(head),
    data_rows: () => (counter === undefined ? {} : { data_rows: Math.max(0, counter.records() - 1) }),
  }
}

/**
 * One object into one local file. It is read to its end on the way: a broken or endless archive is found before there
 * is a job.
 */
const putDown = async (folder: string, k: number, options: PutDown): Promise<Spooled> => {
  const { objects, store, bucket, object, limits, signal, place } = options
  const { key } = object
  const format = formatOf(key)
  const meter = openMeter(key, options)
  const rows = (chunks: Bytes) => meter.rows(withoutMarks(meter.plain(chunks)))
  const file = (name: string) => createWriteStream(name, { mode: 0o600, highWaterMark: headBytes })
  let room = object.size_bytes
  /** Before it is written: what it takes beyond its listing. */
  const roomed = (chunks: Bytes) =>
    counted(chunks, (total) => {
      if (total <= room) return
      place.grow(total - room)
      room = total
    })
  const unpacked = () => createGunzip({ chunkSize: headBytes })
  const read = () => objects.read(store, bucket, key, { etag: object.etag, signal })
  const source = await read()
  const staysPacked = format === 'gzip' && object.size_bytes > limits.unpack_bytes
  const path = join(folder, `part-${k}.${format === 'parquet' ? 'parquet' : 'csv'}${staysPacked ? '.gz' : ''}`)
  /** An archive that does not unpack may have changed on its way, which only its whole checksum says. */
  const assertArrived = async (): Promise<void> => {
    for await (const _ of await read()) signal.throwIfAborted()
  }
  try {
    if (format === 'zip') {
      const archive = join(folder, `part-${k}.zip`)
      await pipeline(source, meter.packed, roomed, file(archive), { signal })
      // Both are there until the archive is unpacked.
      room = 0
      await pipeline(unzipped(key, archive), rows, roomed, file(path), { signal })
      await rm(archive)
    } else if (format === 'parquet') await pipeline(source, meter.packed, roomed, file(path), { signal })
    else if (format !== 'gzip') await pipeline(source, meter.packed, rows, roomed, file(path), { signal })
    else if (!staysPacked) await pipeline(source, meter.packed, unpacked(), rows, roomed, file(path), { signal })
    else {
      await pipeline(source, meter.packed, roomed, file(path), { signal })
      const whole = createReadStream(path, { highWaterMark: headBytes })
      const gunzip = unpacked()
      await pipeline(whole, gunzip, meter.plain, meter.rows, nowhere(), { signal })
      // Zeros after the archive, by which some writers pad it to whole blocks, are none of it.
      await truncate(path, gunzip.bytesWritten)
    }
  } catch (error) {
    if (codeOf(error)?.startsWith('Z_') === true) {
      await assertArrived()
      throw new AppError(
        'EXPORT_INVALID',
        `${key}: expected a whole gzip file, got one that does not unpack (${String(codeOf(error))})`,
        { cause: error },
      )
    }
    throw error
  }
  const size_bytes = meter.size_bytes()
  if (size_bytes !== object.size_bytes)
    throw new AppError('OBJECT_CHANGED', `${key}: expected ${object.size_bytes} bytes as listed, got ${size_bytes}`)
  if (format === 'parquet')
    return { path, size_bytes, unpacked_bytes: size_bytes, ...(await inspectParquet({ name: key, path })) }
  const unpacked_bytes = meter.unpacked_bytes()
  const inspected = inspectCsv(key, meter.head(), { whole: unpacked_bytes <= headBytes })
  const first = inspected.rows.length > 0 || inspected.whole ? [] : await firstRow({ name: key, path }, signal)
  return {
    path,
    size_bytes,
    unpacked_bytes,
    ...meter.data_rows(),
    ...inspected,
    ...(first.length === 0 ? {} : { rows: first }),
  }
}
/** The first row, where it does not fit in what was kept of the file. */
const firstRow = async (file: LocalFile, signal: AbortSignal): Promise<CsvRecord[]> => {
  for await (const row of rowsOf(file, signal)) return [row]
  return []
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}

/**
 * `scratch_folder` is made if it is missing. Nothing is opened before the first use. `room`: shared by all spools of
 * the folder; default: one without a bound of space.
 */
export const openSpool = ({
  objects,
  scratch_folder,
  limits: given = {},
  room = openRoom(),
}: {
  objects: Objects
  scratch_folder: string
  limits?: Partial<SpoolLimits> | undefined
  room?: Room | undefined
}): Spool => {
  const limits = { ...defaults, ...given }
  // The time tells this process from an earlier one of the same number, which in a container all are.
  const own = `load-${process.pid}-${Math.round(performance.timeOrigin)}-`
  let swept: Promise<void> | undefined
  const sweep = async (): Promise<void> => {
    await mkdir(scratch_folder, { recursive: true, mode: 0o700 })
    for (const name of await readdir(scratch_folder)) {
      const pid = /^load-(\d+)-\d+-/.exec(name)?.[1]
      if (pid === undefined || name.startsWith(own)) continue
      if (Number(pid) === process.pid || !isAlive(Number(pid)))
        await rm(join(scratch_folder, name), { recursive: true, force: true })
    }
  }

  return {
    with: async ({ objects: readable = objects, store, bucket, files, signal, count_rows = false, work }) => {
      // Known before a byte is moved.
      const large = files.find(({ size_bytes }) => size_bytes > limits.file_bytes)
      if (large !== undefined)
        throw new AppError(
          'EXPORT_INVALID',
          `${large.key}: expected a file of at most ${gib(limits.file_bytes)}, got ${gib(large.size_bytes)}`,
        )
      const place = await room.enter(
        files.reduce((total, { size_bytes }) => total + size_bytes, 0),
        signal,
      )
      let folder: string | undefined
      let handedOver = false
      try {
        await (swept ??= sweep().catch((error: unknown) => {
          swept = undefined
          throw error
        }))
        folder = await mkdtemp(join(scratch_folder, own))
        const into = folder
        const spooled: Spooled[] = []
        const stop = new AbortController()
        const either = AbortSignal.any([signal, stop.signal])
        let next = 0
        const one = async () => {
          for (let k = next++; k < files.length; k = next++) {
            const file = files[k]
            if (file !== undefined)
              spooled[k] = await putDown(into, k, {
                objects: readable,
                store,
                bucket,
                object: file,
                limits,
                signal: either,
                count_rows,
                place,
              })
          }
        }
        // The first failure stops the others, and all have let go of the folder before it is removed.
        let failure: { error: unknown } | undefined
        await Promise.all(
          Array.from({ length: Math.min(atATime, files.length) }, () =>
            one().catch((error: unknown) => {
              failure ??= { error }
              stop.abort()
            }),
          ),
        )
        signal.throwIfAborted()
        if (failure !== undefined) throw failure.error
        handedOver = true
        return await work(spooled)
      } catch (error) {
        throw worded(error)
      } finally {
        // At shutdown the job may go on without us and still read: then the next process removes the files. Cancelled
        // and timed out jobs have ended here.
        const reason: unknown = signal.aborted ? signal.reason : undefined
        const goesOn =
          handedOver &&
          signal.aborted &&
          !(reason instanceof AppError && (reason.code === 'CANCELLED' || reason.code === 'TIMED_OUT'))
        try {
          if (folder !== undefined && !goesOn) await rm(folder, { recursive: true, force: true })
        } finally {
          place.leave({ stays: goesOn })
        }
      }
    },
  }
}

/** A manifest's text. With the etag of its listing, so that one which is just being replaced is OBJECT_CHANGED. */
export const readText = async (
  objects: Objects,
  store: Store,
  bucket: string,
  object: ObjectInfo,
  signal: AbortSignal,
): Promise<string> => {
  const chunks: Buffer[] = []
  const stream = await objects.read(store, bucket, object.key, { etag: object.etag, signal })
  for await (const chunk of counted(stream as AsyncIterable<Buffer>, (total) => {
    if (total > manifestBytes)
      throw new AppError(
        'EXPORT_INVALID',
        `${object.key}: expected a manifest of at most ${manifestBytes} bytes, got more`,
      )
  }))
    chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

/** A whole listing. */
export const listAll = async (
  objects: Objects,
  store: Store,
  bucket: string,
  prefix: string,
): Promise<ObjectInfo[]> => {
  const found: ObjectInfo[] = []
  for await (const object of objects.list(store, bucket, prefix)) found.push(object)
  return found
}
