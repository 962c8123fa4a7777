/**
 * Which objects are a month: providers write a month again and again, and only the newest whole delivery counts. Pure:
 * listings and manifests come in.
 */
import { AppError } from '@convergence/contracts'
import type { ObjectInfo } from '@convergence/objects'
import { told } from './words.ts'

/** What a manifest says of a file, or of all: how large it is as it is stored, and its rows without the header. */
export interface Counted {
  bytes?: number
  rows?: number
}
export interface Delivery {
  /** Names the delivery: assembly, execution or run. Empty without a manifest. */
  id: string
  /** The manifest, or the one file: kept with every row. */
  source_file: string
  files: readonly ObjectInfo[]
  /** Of the manifest as it was read, where there is one: replaced meanwhile, its files may be of two deliveries. */
  manifest_etag?: string
  /** What the manifest counted, as far as it did; `files` in the order of the delivery's. */
  counted?: { files: readonly Counted[]; all: Counted }
}
/** A file as far as it is known: before it is read there are neither rows nor what it is unpacked. */
export interface Seen {
  name: string
  size_bytes: number
  unpacked_bytes?: number
  data_rows?: number
}
export const isMonth = (text: string | undefined): text is string =>
  text !== undefined && /^\d{4}-(0[1-9]|1[0-2])$/.test(text)

/** 2025-11 -> 2025-12 */
const monthAfter = (month: string): string =>
  new Date(Date.UTC(Number(month.slice(0, 4)), Number(month.slice(5, 7)), 1)).toISOString().slice(0, 7)
const lastDayOf = (month: string): number =>
  new Date(Date.UTC(Number(month.slice(0, 4)), Number(month.slice(5, 7)), 0)).getUTCDate()
const firstDay = (month: string): string => `${month.replace('-', '')}01`
/** Newest first; of one time the shorter key, which is the copy beside the folders of the deliveries. */
const newestFirst = (a: ObjectInfo, b: ObjectInfo): number =>
  a.modified_at !== b.modified_at
    ? a.modified_at < b.modified_at
      ? 1
      : -1
    : a.key.length !== b.key.length
      ? a.key.length - b.key.length
      : a.key < b.key
        ? 1
        : -1

/** A manifest is made elsewhere: nothing of it is taken for granted. */
export const parseManifest = (key: string, text: string): Record<string, unknown> => {
  let value: unknown
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (error) {
    throw new AppError('EXPORT_INVALID', `${key}: expected a manifest in JSON, got text that is none`, { cause: error })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new AppError(
      'EXPORT_INVALID',
      `${key}: expected a manifest, which is a JSON object, got ${Array.isArray(value) ? 'a list' : told(String(value), 40)}`,
    )
  return value as Record<string, unknown>
}
const mostFiles = 10_000
const textOf = (value: unknown): string => (typeof value === 'string' ? told(value) : '')
const fieldOf = (value: unknown, field: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[field] : undefined
const isCsv = (key: string): boolean => /\.csv(\.gz)?$/i.test(key)

const namesOf = (key: string, field: string, names: unknown): string[] => {
  if (!Array.isArray(names) || names.length === 0)
    throw new AppError(
      'EXPORT_INVALID',
      `${key}: expected ${field}, a list of files, got ${names === undefined ? 'no such field' : told(JSON.stringify(names), 60)}`,
    )
  if (names.length > mostFiles)
    throw new AppError('EXPORT_INVALID', `${key}: expected at most ${mostFiles} files, got ${names.length}`)
  const wrong = names.find((name) => typeof name !== 'string' || name === '')
  if (wrong !== undefined)
    throw new AppError(
      'EXPORT_INVALID',
      `${key}: expected names of files in ${field}, got ${told(JSON.stringify(wrong), 60)}`,
    )
  const twice = names.find((name, at) => names.indexOf(name) !== at) as string | undefined
  if (twice !== undefined)
    throw new AppError(
      'EXPORT_INVALID',
      `${key}: expected each file once in ${field}, got ${told(twice, 300)} twice; its rows would count double`,
    )
  return names as string[]
}
const countOf = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined
const sum = (numbers: readonly (number | undefined)[]): number | undefined =>
  numbers.reduce((total, each) => (total === undefined || each === undefined ? undefined : total + each), 0)
/**
 * That the files are as large, and have as many rows, as their manifest counted: a file that is not all there must not
 * replace a month. What is not known
 * yet is left for later. Microsoft's `byteCount` is "bytes in the blob"; of a packed one nothing says whether packed or
 * not, so either will do.
 * Throws EXPORT_INVALID.
 */
export const assertCounted = ({ source_file, counted }: Delivery, files: readonly Seen[]): void => {
  if (counted === undefined) return
  const packed = ({ name }: Seen): boolean => /\.gz$/i.test(name)
  const check = (what: string, expected: Counted, seen: readonly Seen[]): void => {
    const [stored, unpacked, rows] = [
      sum(seen.map(({ size_bytes }) => size_bytes)),
      sum(seen.map((file) => (packed(file) ? file.unpacked_bytes : file.size_bytes))),
      sum(seen.map(({ data_rows }) => data_rows)),
    ]
    if (
      expected.bytes !== undefined &&
      unpacked !== undefined &&
      expected.bytes !== stored &&
      expected.bytes !== unpacked
    ) {
      throw new AppError(
        'EXPORT_INVALID',
        `${what}: expected ${expected.bytes} bytes, as byteCount in ${source_file} says, got ${stored}${stored === unpacked ? '' : ` (${unpacked} unpacked)`}; the delivery is not complete`,
      )
    }
    if (expected.rows !== undefined && rows !== undefined && expected.rows !== rows) {
      throw new AppError(
        'EXPORT_INVALID',
        `${what}: expected ${expected.rows} rows, as dataRowCount in ${source_file} says, got ${rows}; the delivery is not complete`,
      )
    }
  }
  for (const [k, file] of files.entries()) check(file.name, counted.files[k] ?? {}, [file])
  check(`the ${files.length} files of ${source_file}`, counted.all, files)
}
/** The listed objects that a manifest names. */
const filesNamed = (
  where: string,
  manifest: string,
  names: readonly string[],
  objects: readonly ObjectInfo[],
): ObjectInfo[] => {
  const byKey = new Map(objects.map((object) => [object.key, object]))
  const taken = new Set<ObjectInfo>()
  return names.map((name) => {
    const object = byKey.get(name) ?? byKey.get(name.replace(/^\//, ''))
    if (object === undefined)
      throw new AppError(
        'OBJECT_NOT_FOUND',
        `${where}: ${manifest} names ${told(name, 300)}, expected it below the same prefix, got no such object; is the delivery complete?`,
      )
    if (!isCsv(object.key))
      throw new AppError(
        'EXPORT_INVALID',
        `${object.key}: expected a file .csv or .csv.gz, got another format; choose text/csv with GZIP for the export`,
      )
    // Two names may be one object: with a slash before it, or the address of its container.
    if (taken.has(object))
      throw new AppError(
        'EXPORT_INVALID',
        `${manifest}: expected each file once, got ${object.key} twice; its rows would count double`,
      )
    taken.add(object)
    return object
  })
}

// ---- AWS

/**
 * The newest manifest of a month: `<report>/YYYYMMDD-YYYYMMDD/<report>-Manifest.json`, with or without a folder for
 * each assembly, or
 * `<export>/metadata/BILLING_PERIOD=YYYY-MM/.../<export>-Manifest.json`. Throws OBJECT_NOT_FOUND.
 */
export const newestAwsManifest = (
  where: string,
  root: string,
  month: string,
  objects: readonly ObjectInfo[],
): ObjectInfo => {
  const legacy = `${root}${firstDay(month)}-${firstDay(monthAfter(month))}/`
  const exported = `${root}metadata/BILLING_PERIOD=${month}/`
  const [newest] = objects
    .filter(({ key }) => (key.startsWith(legacy) || key.startsWith(exported)) && key.endsWith('-Manifest.json'))
    .sort(newestFirst)
  if (newest === undefined)
    throw new AppError(
      'OBJECT_NOT_FOUND',
      `${where}: expected a manifest of ${month}, ${legacy}<report>-Manifest.json or ${exported}<export>-Manifest.json, got none among ${objects.length} objects; is the report delivered?`,
    )
  return newest
}

/**
 * What a manifest of AWS says. `objects` is the listing that the manifest came from. Throws EXPORT_INVALID or
 * OBJECT_NOT_FOUND.
 */
export const awsDelivery = ({
  where,
  bucket,
  manifest_key: key,
  manifest,
  month,
  objects,
}: {
  where: string
  bucket: string
  manifest_key: string
  manifest: Readonly<Record<string, unknown>>
  month: string
  objects: readonly ObjectInfo[]
}): Delivery => {
  const start = textOf(fieldOf(manifest['billingPeriod'], 'start'))
  if (start !== '' && !start.replaceAll('-', '').startsWith(firstDay(month)))
    throw new AppError('EXPORT_INVALID', `${key}: expected the billing period ${month}, got ${told(start, 30)}`)
  const format = [textOf(manifest['contentType']), textOf(manifest['compression'])].find(
    (each) => /parquet|zip/i.test(each) && !/gzip/i.test(each),
  )
  if (format !== undefined)
    throw new AppError(
      'EXPORT_INVALID',
      `${key}: expected text/csv with GZIP, got ${told(format, 40)}; choose text/csv with GZIP for the report`,
    )
  const field = manifest['reportKeys'] === undefined && manifest['dataFiles'] !== undefined ? 'dataFiles' : 'reportKeys'
  const names = namesOf(key, field, manifest[field]).map((name) => {
    if (!/^s3a?:\/\//.test(name)) return name
    const [, other, rest] = /^s3a?:\/\/([^/]*)\/(.*)$/.exec(name) ?? []
    if (other !== bucket || rest === undefined)
      throw new AppError('EXPORT_INVALID', `${key}: expected files of bucket ${bucket}, got ${told(name, 200)}`)
    return rest
  })
  return {
    id: textOf(manifest['assemblyId']) || textOf(manifest['executionId']) || key,
    source_file: key,
    files: filesNamed(where, key, names, objects),
  }
}

/** The month that a key stands in, where its folders say so. */
export const monthOfKey = (key: string): string | undefined => {
  const [, year, month] =
    /(?:^|\/)(\d{4})(\d{2})01-\d{8}\//.exec(key) ?? /(?:^|\/)BILLING_PERIOD=(\d{4})-(\d{2})\//.exec(key) ?? []
  const found = year === undefined || month === undefined ? undefined : `${year}-${month}`
  return isMonth(found) ? found : undefined
}

// ---- Azure

/** Parts of one run, such as part_0.csv or 000001.csv; any other name is a file that is a run by itself. */
const isPart = (name: string): boolean => /^(part[-_]?)?\d+([-_]\d+)*\.csv(\.gz)?$/i.test(name)

export interface AzureRun {
  /** Path of the run below the folder of the month; empty when it has none. */
  id: string
  manifest?: ObjectInfo
  files: readonly ObjectInfo[]
}
/**
 * The newest run of a month, below `<prefix>/YYYYMMDD-YYYYMMDD/`. Where runs have manifests, a folder without one is a
 * run that is still being written.
 * Without manifests, as older exports are, the parts of a folder are a run, and each other file is one. Throws
 * OBJECT_NOT_FOUND.
 */
export const newestAzureRun = (
  where: string,
  root: string,
  month: string,
  objects: readonly ObjectInfo[],
): AzureRun => {
  const folder = `${root}${firstDay(month)}-${month.replace('-', '')}${lastDayOf(month)}/`
  const runs = new Map<string, { id: string; manifest?: ObjectInfo; files: ObjectInfo[] }>()
  for (const object of objects) {
    if (!object.key.startsWith(folder)) continue
    const path = object.key.slice(folder.length)
    const name = path.slice(path.lastIndexOf('/') + 1)
    const id = path.slice(0, Math.max(0, path.length - name.length - 1))
    const isManifest = /^_?manifest\.json$/i.test(name)
    if (!isManifest && !isCsv(name)) continue
    // With a manifest in the folder, its names decide; here all files of the folder are kept together until that is
    // known.
    const run = runs.get(id) ?? { id, files: [] }
    runs.set(id, run)
    if (isManifest) run.manifest = object
    else run.files.push(object)
  }
  const withManifest = [...runs.values()].flatMap(({ id, manifest, files }) =>
    manifest === undefined ? [] : [{ id, manifest, files }],
  )
  if (withManifest.length > 0) {
    const [newest] = withManifest.sort((a, b) => newestFirst(a.manifest, b.manifest))
    if (newest !== undefined) return newest
  }
  const plainRuns = [...runs.values()].flatMap(({ id, files }) => {
    const parts = files.filter(({ key }) => isPart(key.slice(key.lastIndexOf('/') + 1)))
    return [
      ...(parts.length === 0 ? [] : [{ id, files: parts }]),
      ...files
        .filter((file) => !parts.includes(file))
        .map((file) => ({ id: file.key.slice(folder.length), files: [file] })),
    ]
  })
  const newestOf = ({ files }: { files: readonly ObjectInfo[] }): ObjectInfo =>
    [...files].sort(newestFirst)[0] ?? { key: '', size_bytes: 0, etag: '', modified_at: '' }
  const [newest] = plainRuns.sort((a, b) => newestFirst(newestOf(a), newestOf(b)))
  if (newest === undefined)
    throw new AppError(
      'OBJECT_NOT_FOUND',
      `${where}: expected an export of ${month} below ${folder}, got none among ${objects.length} objects; has the export run?`,
    )
  return newest
}

/** What a run delivers, by its manifest or, without one, by its files. Throws EXPORT_INVALID or OBJECT_NOT_FOUND. */
export const azureDelivery = ({
  where,
  container,
  run,
  manifest,
  month,
  objects,
}: {
  where: string
  container: string
  run: AzureRun
  manifest?: Readonly<Record<string, unknown>>
  month: string
  objects: readonly ObjectInfo[]
}): Delivery => {
  if (manifest === undefined || run.manifest === undefined)
    return { id: '', source_file: run.files[0]?.key ?? '', files: run.files }
  const { key } = run.manifest
  const start = textOf(fieldOf(manifest['runInfo'], 'startDate'))
  if (/^\d{4}-\d{2}/.test(start) && !start.startsWith(month))
    throw new AppError('EXPORT_INVALID', `${key}: expected a run of ${month}, got one that begins ${told(start, 30)}`)
  const blobs: unknown = manifest['blobs']
  const names = namesOf(
    key,
    'blobs',
    Array.isArray(blobs) ? blobs.map((blob) => fieldOf(blob, 'blobName') ?? blob) : blobs,
  )
  const plainNames = names
    .map((name) => name.replace(/^https:\/\/[^/]+\//, '').replace(/^\//, ''))
    .map((name) =>
      name.startsWith(`${container}/`) && !objects.some((object) => object.key === name)
        ? name.slice(container.length + 1)
        : name,
    )
  const blobCount = countOf(manifest['blobCount'])
  if (blobCount !== undefined && blobCount !== names.length)
    throw new AppError(
      'EXPORT_INVALID',
      `${key}: expected ${blobCount} files in blobs, as blobCount says, got ${names.length}; the delivery is not complete`,
    )
  const countsOf = (value: unknown): Counted => ({
    bytes: countOf(fieldOf(value, 'byteCount')),
    rows: countOf(fieldOf(value, 'dataRowCount')),
  })
  const delivery: Delivery = {
    id: textOf(fieldOf(manifest['runInfo'], 'runId')) || run.id || key,
    source_file: key,
    files: filesNamed(where, key, plainNames, objects),
    counted: { files: (blobs as readonly unknown[]).map(countsOf), all: countsOf(manifest) },
  }
  assertCounted(
    delivery,
    delivery.files.map((file) => ({ name: file.key, size_bytes: file.size_bytes })),
  )
  return delivery
}
