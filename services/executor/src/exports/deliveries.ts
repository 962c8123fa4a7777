/**
 * Which objects are a month: providers write a month again and again, and only the newest whole delivery counts. Pure:
 * listings and manifests come in.
 */
import { AppError } from '@convergence/contracts'
import type { ObjectInfo } from '@convergence/objects'
import { formatOf, formatsWord } from './formats.ts'
import { excerpt } from './words.ts'

/** What a manifest says of a file, or of all: how large it is as it is stored, and its rows without the header. */
export interface Counted {
  bytes?: number | undefined
  rows?: number | undefined
}
export interface Delivery {
  /** Names the delivery: assembly, execution or run. Empty without a manifest. */
  id: string
  /** The manifest, or the one file: kept with every row. */
  source_file: string
  files: readonly ObjectInfo[]
  /** Of the manifest as it was read, where there is one: replaced meanwhile, its files may be of two deliveries. */
  manifest_etag?: string | undefined
  /** The last day that it covers, where the provider says so: what was loaded of later days is not replaced by it. */
  last_day?: string
  /** What the reader of the run should know of how it was chosen. */
  warnings?: readonly string[]
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
const newestFirst = (a: ObjectInfo, b: ObjectInfo): number => {
  if (a.modified_at !== b.modified_at) return a.modified_at < b.modified_at ? 1 : -1
  return a.key.length - b.key.length || (a.key < b.key ? 1 : -1)
}

/** A manifest is made elsewhere: nothing of it is taken for granted. */
export const parseManifest = (key: string, text: string): Record<string, unknown> => {
  let value: unknown
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (error) {
    throw new AppError('EXPORT_INVALID', `${key}: expected a manifest in JSON, got text that is none`, { cause: error })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const found = Array.isArray(value) ? 'a list' : excerpt(String(value), 40)
    throw new AppError('EXPORT_INVALID', `${key}: expected a manifest, which is a JSON object, got ${found}`)
  }
  return value as Record<string, unknown>
}
const mostFiles = 10_000
const textOf = (value: unknown): string => (typeof value === 'string' ? excerpt(value) : '')
const fieldOf = (value: unknown, field: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[field] : undefined
const isReport = (key: string): boolean => formatOf(key) !== undefined

const namesOf = (key: string, field: string, names: unknown): string[] => {
  if (!Array.isArray(names)) {
    const found = names === undefined ? 'no such field' : excerpt(JSON.stringify(names), 60)
    throw new AppError('EXPORT_INVALID', `${key}: expected ${field}, a list of files, got ${found}`)
  }
  if (names.length > mostFiles)
    throw new AppError('EXPORT_INVALID', `${key}: expected at most ${mostFiles} files, got ${names.length}`)
  const wrong: unknown = names.find((name) => typeof name !== 'string' || name === '')
  if (wrong !== undefined)
    throw new AppError(
      'EXPORT_INVALID',
      `${key}: expected names of files in ${field}, got ${excerpt(JSON.stringify(wrong), 60)}`,
    )
  const twice = names.find((name, at) => names.indexOf(name) !== at) as string | undefined
  if (twice !== undefined)
    throw new AppError(
      'EXPORT_INVALID',
      `${key}: expected each file once in ${field}, got ${excerpt(twice, 300)} twice; its rows would count double`,
    )
  return names as string[]
}
const countOf = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined
const sum = (numbers: readonly (number | undefined)[]): number | undefined =>
  numbers.reduce((total, each) => (total === undefined || each === undefined ? undefined : total + each), 0)
/**
 * That the files are as large, and have as many rows, as their manifest counted: a file that is not all there must not
 * replace a month. What is not known yet is left for later. Microsoft's `byteCount` is "bytes in the blob"; of a packed
 * one nothing says whether packed or not, so either will do. Throws EXPORT_INVALID.
 */
export const assertCounted = ({ source_file, counted }: Delivery, files: readonly Seen[]): void => {
  if (counted === undefined) return
  const packed = ({ name }: Seen): boolean => /\.(gz|zip)$/i.test(name)
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
      const found = stored === unpacked ? String(stored) : `${stored} (${unpacked} unpacked)`
      throw new AppError(
        'EXPORT_INVALID',
        `${what}: expected ${expected.bytes} bytes, as byteCount in ${source_file} says, got ${found}; ` +
          'the delivery is not complete',
      )
    }
    if (expected.rows !== undefined && rows !== undefined && expected.rows !== rows) {
      throw new AppError(
        'EXPORT_INVALID',
        `${what}: expected ${expected.rows} rows, as dataRowCount in ${source_file} says, got ${rows}; ` +
          'the delivery is not complete',
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
        `${where}: ${manifest} names ${excerpt(name, 300)}, expected it below the same prefix, got no such object; ` +
          'is the delivery complete?',
      )
    if (!isReport(object.key))
      throw new AppError(
        'EXPORT_INVALID',
        `${object.key}: expected ${formatsWord}, got another format; choose text/csv with GZIP, or Parquet, for the export`,
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
 * The manifest of a month: `<report>/YYYYMMDD-YYYYMMDD/<report>-Manifest.json`, which names the newest assembly also
 * where each has a folder and a manifest of its own, or
 * `<export>/metadata/BILLING_PERIOD=YYYY-MM/[<time>-<execution>/]<export>-Manifest.json`. Times of files decide
 * nothing: a copied bucket has others. Throws OBJECT_NOT_FOUND, and EXPORT_INVALID when nothing says which is the
 * newest.
 */
export const newestAwsManifest = (
  where: string,
  root: string,
  month: string,
  objects: readonly ObjectInfo[],
): ObjectInfo => {
  const folders = [
    `${root}${firstDay(month)}-${firstDay(monthAfter(month))}/`,
    `${root}metadata/BILLING_PERIOD=${month}/`,
  ] as const
  const [legacy, exported] = folders.map((folder) =>
    objects.filter(({ key }) => key.startsWith(folder) && key.endsWith('-Manifest.json')),
  )
  const found = legacy?.length === 0 ? (exported ?? []) : (legacy ?? [])
  const [folder, first] = [legacy?.length === 0 ? folders[1] : folders[0], found[0]]
  if (first === undefined)
    throw new AppError(
      'OBJECT_NOT_FOUND',
      `${where}: expected a manifest of ${month}, ` +
        `${folders[0]}<report>-Manifest.json or ${folders[1]}<export>-Manifest.json, ` +
        `got none among ${objects.length} objects; is the report delivered?`,
    )
  if (legacy?.length !== 0 && exported?.length !== 0)
    throw new AppError(
      'EXPORT_INVALID',
      `${where}: expected one report, ` +
        `got ${first.key} of a legacy report and ${String(exported?.[0]?.key)} of an export; ` +
        'give each a prefix of its own',
    )
  const below = (key: string): string => key.slice(folder.length)
  const roots = found.filter(({ key }) => !below(key).includes('/'))
  const candidates = roots.length > 0 ? roots : found
  const timeOf = ({ key }: ObjectInfo): string => /^\d{4}-?\d{2}-?\d{2}T[\d:.-]+Z?/.exec(below(key))?.[0] ?? ''
  const chosen = candidates.reduce((best, each) => (timeOf(each) > timeOf(best) ? each : best), candidates[0] ?? first)
  const equal = candidates.filter((each) => each !== chosen && timeOf(each) === timeOf(chosen))
  if (equal.length > 0) {
    const keys = [chosen, ...equal].map(({ key }) => key)
    throw new AppError(
      'EXPORT_INVALID',
      `${where}: expected one manifest directly in ${folder}, which says what is newest, or folders named by time; ` +
        `got ${keys.slice(0, 5).join(', ')}`,
    )
  }
  return chosen
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
    throw new AppError('EXPORT_INVALID', `${key}: expected the billing period ${month}, got ${excerpt(start, 30)}`)
  const format = /^parquet|parquet$/i.test(textOf(manifest['contentType'])) ? 'parquet' : undefined
  const field = manifest['reportKeys'] === undefined && manifest['dataFiles'] !== undefined ? 'dataFiles' : 'reportKeys'
  const names = namesOf(key, field, manifest[field]).map((name) => {
    if (!/^s3a?:\/\//.test(name)) return name
    const [, other, rest] = /^s3a?:\/\/([^/]*)\/(.*)$/.exec(name) ?? []
    if (other !== bucket || rest === undefined)
      throw new AppError('EXPORT_INVALID', `${key}: expected files of bucket ${bucket}, got ${excerpt(name, 200)}`)
    return rest
  })
  const files = filesNamed(where, key, names, objects)
  const other = files.find((file) => format !== undefined && formatOf(file.key) !== format)
  if (other !== undefined)
    throw new AppError(
      'EXPORT_INVALID',
      `${other.key}: expected Parquet, as contentType in ${key} says, got another format`,
    )
  return { id: textOf(manifest['assemblyId']) || textOf(manifest['executionId']) || key, source_file: key, files }
}

/** The month that a key stands in, where its folders say so. */
export const monthOfKey = (key: string): string | undefined => {
  const [, year, month] =
    /(?:^|\/)(\d{4})(\d{2})01-\d{8}\//.exec(key) ??
    /(?:^|\/)BILLING_PERIOD=(\d{4})-(\d{2})\//.exec(key) ??
    /(?:^|\/)year=(\d{4})\/month=(\d{1,2})\//.exec(key) ??
    []
  const found = year === undefined || month === undefined ? undefined : `${year}-${month.padStart(2, '0')}`
  return isMonth(found) ? found : undefined
}

// ---- Azure

/** Parts of one run, such as part_0.csv or 000001.csv; any other name is a file that is a run by itself. */
const isPart = (name: string): boolean =>
  /^(part[-_]?)?\d+([-_]\d+)*(\.csv(\.gz|\.zip)?|(\.snappy|\.gz|\.zstd)?\.parquet)$/i.test(name)

export interface AzureRun {
  /** Path of the run below the folder of the month; empty when it has none. */
  id: string
  manifest?: ObjectInfo | undefined
  files: readonly ObjectInfo[]
  /** Days of the folder that it stands in, YYYYMMDD. */
  folder: { from: string; to: string }
}
/**
 * The runs below `<prefix>/YYYYMMDD-YYYYMMDD/` whose folder touches the month. Where runs have manifests, a folder
 * without one is a run that is still being written. Without manifests, as older exports are, the parts of a folder are
 * a run, and each other file is one. Throws OBJECT_NOT_FOUND, naming the folders that there are.
 */
export const azureRuns = (where: string, root: string, month: string, objects: readonly ObjectInfo[]): AzureRun[] => {
  const [first, last] = [firstDay(month), `${month.replace('-', '')}${lastDayOf(month)}`]
  const runs = new Map<string, AzureRun & { files: ObjectInfo[] }>()
  const folders = new Set<string>()
  for (const object of objects) {
    const [range, from = '', to = ''] = /^(\d{8})-(\d{8})\//.exec(object.key.slice(root.length)) ?? []
    if (range === undefined || !object.key.startsWith(root)) continue
    folders.add(range)
    if (to < first || from > last) continue
    const path = object.key.slice(root.length + range.length)
    const name = path.slice(path.lastIndexOf('/') + 1)
    const id = path.slice(0, Math.max(0, path.length - name.length - 1))
    const isManifest = /^_?manifest\.json$/i.test(name)
    if (!isManifest && !isReport(name)) continue
    // With a manifest in the folder, its names decide; here all files of the folder are kept together until then.
    const run = runs.get(`${range}${id}`) ?? { id, files: [], folder: { from, to } }
    runs.set(`${range}${id}`, run)
    if (isManifest) run.manifest = object
    else run.files.push(object)
  }
  const withManifest = [...runs.values()].filter(({ manifest }) => manifest !== undefined)
  if (withManifest.length > 0) return withManifest
  const plainRuns = [...runs.values()]
    .filter(({ folder }) => folder.from >= first && folder.to <= last)
    .flatMap(({ id, files, folder }): AzureRun[] => {
      const parts = files.filter(({ key }) => isPart(key.slice(key.lastIndexOf('/') + 1)))
      const single = files.filter((file) => !parts.includes(file))
      return [
        ...(parts.length === 0 ? [] : [{ id, files: parts, folder }]),
        ...single.map((file) => ({ id: file.key.slice(root.length), files: [file], folder })),
      ]
    })
  if (plainRuns.length > 0) return plainRuns
  const names = [...folders].sort()
  const found = names.length === 0 ? '' : `, which stand in ${names.slice(-6).join(' ')}`
  throw new AppError(
    'OBJECT_NOT_FOUND',
    `${where}: expected an export of ${month} below ${root}${first}-${last}/, ` +
      `got none among ${objects.length} objects${found}; has the export run?`,
  )
}

/**
 * The objects of one export out of those below its directory (`base`, with a slash at its end or empty), in either of
 * its layouts: `{base}{export_name}/{range}/...` or `{base}{range}/{export_name}/...`. `root`: what stands before the
 * range of days. Nothing of another export, also where there is nothing else.
 */
export const azureExport = (
  base: string,
  export_name: string,
  objects: readonly ObjectInfo[],
): { root: string; listed: ObjectInfo[] } => {
  const own = `${base}${export_name}/`
  const inside = objects.filter(({ key }) => key.startsWith(own))
  const within = objects.filter(({ key }) => {
    const [, folder] = key.startsWith(base) ? (/^\d{8}-\d{8}\/([^/]+)\//.exec(key.slice(base.length)) ?? []) : []
    return folder === export_name
  })
  return inside.length === 0 && within.length > 0 ? { root: base, listed: within } : { root: own, listed: inside }
}

/** A run that may be the month's, with what its manifest says. */
export interface AzureCandidate {
  run: AzureRun
  manifest?: Readonly<Record<string, unknown>> | undefined
}
const dayText = (value: unknown): string | undefined => /^\d{4}-\d{2}-\d{2}/.exec(textOf(value))?.[0]
const dashed = (day: string): string => `${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6, 8)}`
/** The days that a run covers: by its manifest, else by its folder. */
const coverOf = ({ run, manifest }: AzureCandidate): { from: string; to: string } => ({
  from: dayText(fieldOf(manifest?.['runInfo'], 'startDate')) ?? dashed(run.folder.from),
  to: dayText(fieldOf(manifest?.['runInfo'], 'endDate')) ?? dashed(run.folder.to),
})
/** What manifests call the datasets; the first name is what an error expects. */
const typesOf = {
  actual: ['ActualCost', 'Usage'],
  amortized: ['AmortizedCost'],
  focus: ['FocusCost'],
  pricesheet: ['PriceSheet'],
  reservations: ['ReservationDetails'],
} as const
export type AzureDataset = keyof typeof typesOf
const wordOf: Readonly<Record<AzureDataset, string>> = {
  actual: 'actual cost',
  amortized: 'amortized cost',
  focus: 'focus cost',
  pricesheet: 'prices',
  reservations: 'the use of reservations',
}
/** When a run was submitted: by its manifest, else by the folder that is named by its time; empty when neither says. */
const submittedAt = ({ run, manifest }: AzureCandidate): string => {
  const submitted = Date.parse(textOf(fieldOf(manifest?.['runInfo'], 'submittedTime')))
  if (!Number.isNaN(submitted)) return new Date(submitted).toISOString()
  const [, year, month, day, hour, minute] = /(?:^|\/)(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(?:\/|$)/.exec(run.id) ?? []
  return year === undefined ? '' : `${year}-${month}-${day}T${hour}:${minute}:00.000Z`
}
const keyOf = ({ run }: AzureCandidate): string => run.manifest?.key ?? run.files[0]?.key ?? run.id

/**
 * The run that is the month's: of the export and the dataset that are asked for, of the most days, and of those the
 * one that was submitted last. Times of files decide only where there is no manifest and nothing else. Throws
 * EXPORT_INVALID, naming what there is, when the manifests are of something else or do not say which is the newest.
 */
export const chooseAzureRun = (
  where: string,
  {
    month,
    dataset,
    export_name,
    only = false,
  }: {
    month: string
    dataset: AzureDataset
    export_name: string
    /** Manifests must be of this export, also where they are of one. */
    only?: boolean
  },
  candidates: readonly AzureCandidate[],
): AzureCandidate & { warnings: string[] } => {
  const within = candidates.filter((each) => {
    const { from, to } = coverOf(each)
    return from.startsWith(month) && to.slice(0, 7) === month
  })
  const [first] = candidates
  if (within.length === 0 || first === undefined) {
    const { from, to } = first === undefined ? { from: '', to: '' } : coverOf(first)
    throw new AppError(
      'EXPORT_INVALID',
      `${first === undefined ? where : keyOf(first)}: expected a run of ${month}, got one of ${from} to ${to}; ` +
        'a month is loaded from exports of calendar months',
    )
  }
  const typeOf = ({ manifest }: AzureCandidate): string => textOf(fieldOf(manifest?.['exportConfig'], 'type'))
  const nameOf = ({ manifest }: AzureCandidate): string => textOf(fieldOf(manifest?.['exportConfig'], 'exportName'))
  const types: readonly string[] = typesOf[dataset]
  const typed = within.filter(
    (each) => typeOf(each) === '' || types.some((type) => type.toLowerCase() === typeOf(each).toLowerCase()),
  )
  const [other] = within
  if (typed.length === 0 && other !== undefined) {
    throw new AppError(
      'EXPORT_INVALID',
      `${keyOf(other)}: expected an export of ${wordOf[dataset]} (exportConfig.type ${typesOf[dataset][0]}), got ${typeOf(other)}`,
    )
  }
  const names = [...new Set(typed.map(nameOf))]
  const ofExport = (name: string): boolean => name === export_name || (only && name === '')
  const own = only || names.length > 1 ? names.find(ofExport) : names[0]
  if (own === undefined && only) {
    const [foreign] = typed
    throw new AppError(
      'EXPORT_INVALID',
      `${foreign === undefined ? where : keyOf(foreign)}: expected a run of export ${export_name} ` +
        `(exportConfig.exportName), got one of ${names.map((name) => JSON.stringify(name)).join(', ')}`,
    )
  }
  if (own === undefined) {
    const found = names.map((name) => JSON.stringify(name)).join(', ')
    throw new AppError(
      'EXPORT_INVALID',
      `${where}: expected runs of one export, got those of ${found}; ` +
        'give source.export_name, or each export a folder of its own',
    )
  }
  const named = typed.filter((each) => (only ? ofExport(nameOf(each)) : nameOf(each) === own))
  const last = named.map((each) => coverOf(each).to).reduce((a, b) => (a > b ? a : b))
  const widest = named.filter((each) => coverOf(each).to === last)
  const start = widest.map((each) => coverOf(each).from).reduce((a, b) => (a < b ? a : b))
  const whole = widest.filter((each) => coverOf(each).from === start)
  return newestOf(where, whole)
}
const hourMs = 3_600_000
/** Nothing tells parts of a longer run from those of the newest, where no manifest names them, but their times. */
const leftovers = ({ run, manifest }: AzureCandidate): string[] => {
  const times = manifest === undefined ? run.files.map(({ modified_at }) => modified_at).sort() : []
  const [first = '', last = ''] = [times[0], times.at(-1)]
  return Date.parse(last) - Date.parse(first) > hourMs
    ? [
        `${run.files.length} parts without a manifest were written from ${first} to ${last}: ` +
          'parts that a longer run left behind cannot be told from them; have the export write a manifest',
      ]
    : []
}
/** The candidate that was submitted last. */
const newestOf = (where: string, candidates: readonly AzureCandidate[]): AzureCandidate & { warnings: string[] } => {
  const at = candidates.map(submittedAt).reduce((a, b) => (a > b ? a : b), '')
  const newest = candidates.filter((each) => submittedAt(each) === at)
  const [only, ...more] = newest
  if (only !== undefined && more.length === 0) return { ...only, warnings: leftovers(only) }
  if (only === undefined || newest.some(({ manifest }) => manifest !== undefined))
    throw new AppError(
      'EXPORT_INVALID',
      `${where}: expected manifests that say which run is the newest ` +
        `(runInfo.submittedTime, or folders named by time), got ${newest.map(keyOf).slice(0, 5).join(', ')}`,
    )
  const fileOf = ({ run }: AzureCandidate): ObjectInfo =>
    [...run.files].sort(newestFirst)[0] ?? { key: '', size_bytes: 0, etag: '', modified_at: '' }
  const chosen = [...newest].sort((a, b) => newestFirst(fileOf(a), fileOf(b)))[0] ?? only
  return {
    ...chosen,
    warnings: [
      `${newest.length} runs without a manifest: ${keyOf(chosen)} was taken by the time of its file, ` +
        'which a copied container does not keep',
    ],
  }
}

/** A name as an address has it. */
const decoded = (name: string): string => {
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}
/** What a run delivers, by its manifest or, without one, by its files. Throws EXPORT_INVALID or OBJECT_NOT_FOUND. */
export const azureDelivery = ({
  where,
  container,
  run,
  manifest,
  objects,
}: {
  where: string
  container: string
  run: AzureRun
  manifest?: Readonly<Record<string, unknown>> | undefined
  objects: readonly ObjectInfo[]
}): Delivery => {
  if (manifest === undefined || run.manifest === undefined)
    return { id: '', source_file: run.files[0]?.key ?? '', files: run.files }
  const { key } = run.manifest
  const blobs: unknown = manifest['blobs'] ?? (manifest['blobCount'] === 0 ? [] : undefined)
  const names = namesOf(
    key,
    'blobs',
    Array.isArray(blobs) ? blobs.map((blob: unknown) => fieldOf(blob, 'blobName') ?? blob) : blobs,
  )
  const keys = new Set(objects.map((object) => object.key))
  const plainNames = names
    .map((name) => name.trim())
    .map((name) => name.replace(/^https:\/\/[^/]+\//, '').replace(/^\//, ''))
    .map((name) => (keys.has(name) ? name : decoded(name)))
    .map((name) => (name.startsWith(`${container}/`) && !keys.has(name) ? name.slice(container.length + 1) : name))
  const endDay = dayText(fieldOf(manifest['runInfo'], 'endDate'))
  const blobCount = countOf(manifest['blobCount'])
  if (blobCount !== undefined && blobCount !== names.length)
    throw new AppError(
      'EXPORT_INVALID',
      `${key}: expected ${blobCount} files in blobs, as blobCount says, got ${names.length}; ` +
        'the delivery is not complete',
    )
  const countsOf = (value: unknown): Counted => ({
    bytes: countOf(fieldOf(value, 'byteCount')),
    rows: countOf(fieldOf(value, 'dataRowCount')),
  })
  const delivery: Delivery = {
    id: textOf(fieldOf(manifest['runInfo'], 'runId')) || run.id || key,
    source_file: key,
    files: filesNamed(where, key, plainNames, objects),
    ...(endDay === undefined ? {} : { last_day: endDay }),
    counted: { files: (blobs as readonly unknown[]).map(countsOf), all: countsOf(manifest) },
  }
  assertCounted(
    delivery,
    delivery.files.map((file) => ({ name: file.key, size_bytes: file.size_bytes })),
  )
  return delivery
}
