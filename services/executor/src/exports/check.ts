/**
 * What is there of a source, before anything of it is loaded: its objects are listed, and of the newest delivery the
 * manifest, the header and the first row are read. What is wrong becomes a sentence that says what to do.
 */
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { AppError, type Source, type SourceSettings } from '@convergence/contracts'
import type { ObjectInfo, Objects, Store } from '@convergence/objects'
import { monthsNamed } from './bare-files.ts'
import { inspectCsv } from './csv.ts'
import {
  awsDelivery,
  azureDelivery,
  azureExport,
  azureRuns,
  chooseAzureRun,
  monthOfKey,
  newestAwsManifest,
  parseManifest,
  type Delivery,
} from './deliveries.ts'
import { formatOf, formatsWord } from './formats.ts'
import type { Inspected } from './inspected.ts'
import { readText, type Spool } from './spool.ts'

export interface Found {
  /** Names the newest delivery: its manifest, or its newest file. */
  newest_delivery: string | null
  /** Months that have a delivery, YYYY-MM, oldest first. */
  periods: string[]
  /** Of the newest delivery. */
  files: number
  bytes: number
  rows?: number
  columns: string[]
  format: string | null
}
export interface Checked {
  ok: boolean
  found: Found
  problems: string[]
  /** What stops no load, and may surprise. */
  notes: string[]
}
export const nothingFound = (): Found => ({
  newest_delivery: null,
  periods: [],
  files: 0,
  bytes: 0,
  columns: [],
  format: null,
})

type ObjectSource = Exclude<Source, { provider: 'gcp' }>
export interface CheckDeps {
  /** With the right of the source. */
  objects: Objects
  /** For formats that are read whole. */
  spool: Spool
  /** Whether folders beside the source may be named: not where the platform's right shows a tenant what others have. */
  may_name: boolean
  signal: AbortSignal
}
interface Place {
  store: Store
  bucket: string
  /** With a slash at its end, or empty. */
  root: string
}

/** Objects that are looked at when there is nothing where something was expected. */
const mostElsewhere = 5_000
const headBytes = 1024 ** 2
/** A file that has to be read whole for its header. */
const largestWhole = 256 * 1024 ** 2

const folder = (...parts: readonly string[]): string => {
  const joined = parts
    .join('/')
    .split('/')
    .filter((part) => part !== '')
    .join('/')
  return joined === '' ? '' : `${joined}/`
}
export const storeOf = (source: ObjectSource): Store => {
  if (source.provider === 'any') return source.store
  return source.provider === 'aws' ? 's3' : 'azure'
}
const placeOf = (source: ObjectSource): Place => {
  const store = storeOf(source)
  switch (source.provider) {
    case 'aws':
      return { store, bucket: source.bucket, root: folder(source.prefix, source.report_name) }
    case 'azure':
      return { store, bucket: source.container, root: folder(source.prefix) }
    case 'any':
      return { store, bucket: source.bucket, root: folder(source.prefix) }
  }
}

/** What is given at the provider so that it can be read. */
const grants: Readonly<Record<Store, (place: Place) => string>> = {
  s3: ({ bucket, root }) =>
    `allow s3:ListBucket on arn:aws:s3:::${bucket} and s3:GetObject on arn:aws:s3:::${bucket}/${root}*`,
  azure: ({ bucket }) =>
    `give the role Storage Blob Data Reader on container ${bucket}, or a shared access signature with read and list`,
  gcs: ({ bucket }) => `give the role roles/storage.objectViewer on bucket ${bucket}`,
}

/** Throws what nobody foresaw; everything else is a problem of the source. */
export const problemOf = (error: unknown, place?: Place): string => {
  if (!(error instanceof AppError)) throw error
  if (error.code === 'CANCELLED' || error.code === 'TIMED_OUT') throw error
  const denied = error.code === 'SETTING_INVALID' && place !== undefined
  return denied ? `${error.message}: ${grants[place.store](place)}` : error.message
}

/** Lists and reads one row; loads nothing. */
export const checkObjects = async (deps: CheckDeps, source: ObjectSource): Promise<Checked> => {
  const found = nothingFound()
  const problems: string[] = []
  const notes: string[] = []
  const place = placeOf(source)
  try {
    const listed = await listUpTo(deps.objects, place, Infinity)
    if (listed.length === 0) problems.push(await nothingBelow(deps, place))
    else {
      const newest = await newestOf(deps, source, place, listed)
      found.periods = newest.periods
      found.newest_delivery = newest.delivery.source_file
      found.files = newest.delivery.files.length
      found.bytes = newest.delivery.files.reduce((sum, { size_bytes }) => sum + size_bytes, 0)
      const rows = rowsOf(newest.delivery)
      if (rows !== undefined) found.rows = rows
      const seen = await headOf(deps, place, newest.delivery, notes)
      found.format = seen.format
      found.columns = seen.inspected?.header ?? []
      if (seen.inspected !== undefined) problems.push(...kindProblems(source, newest, seen.inspected))
      if (seen.inspected?.rows.length === 0) notes.push(`${seen.inspected.name} has a header and no rows`)
    }
  } catch (error) {
    problems.push(problemOf(error, place))
  }
  return { ok: problems.length === 0, found, problems, notes }
}

const listUpTo = async (objects: Objects, { store, bucket, root }: Place, most: number): Promise<ObjectInfo[]> => {
  const listed: ObjectInfo[] = []
  for await (const object of objects.list(store, bucket, root)) {
    listed.push(object)
    if (listed.length >= most) break
  }
  return listed
}

/** The folders that there are instead, as deep as what was expected. */
const nothingBelow = async ({ objects, may_name }: CheckDeps, place: Place): Promise<string> => {
  const elsewhere = await listUpTo(objects, { ...place, root: '' }, mostElsewhere)
  const depth = place.root.split('/').length
  const folders = [
    ...new Set(elsewhere.map(({ key }) => key.split('/').slice(0, -1).slice(0, Math.max(1, depth)).join('/'))),
  ].toSorted()
  const where = `bucket ${place.bucket}: expected objects below ${place.root === '' ? 'it' : place.root}, got none`
  if (!may_name) return `${where}; compare the prefix with the one at the provider: has the export run?`
  if (elsewhere.length === 0) return `${where}; the bucket is empty: has the export run?`
  const shown = folders.slice(0, 10).map((each) => (each === '' ? '(objects without a folder)' : `${each}/`))
  return `${where}; these folders are there: ${shown.join(', ')}${folders.length > 10 ? ' and more' : ''}`
}

// ---- the newest delivery

interface Newest {
  delivery: Delivery
  periods: string[]
  /** Of AWS: how the export is laid out. */
  layout?: 'legacy' | 'export'
}

const monthsIn = (keys: readonly string[], months: (key: string) => string | undefined): string[] =>
  [...new Set(keys.flatMap((key) => months(key) ?? []))].toSorted()

const newestOf = (deps: CheckDeps, source: ObjectSource, place: Place, listed: readonly ObjectInfo[]) => {
  switch (source.provider) {
    case 'aws':
      return newestOfAws(deps, place, listed)
    case 'azure':
      return newestOfAzure(deps, source, place, listed)
    case 'any':
      return newestFile(place, listed)
  }
}

const newestOfAws = async (deps: CheckDeps, place: Place, listed: readonly ObjectInfo[]): Promise<Newest> => {
  const { store, bucket, root } = place
  const where = `bucket ${bucket}`
  const manifests = listed.filter(({ key }) => key.endsWith('-Manifest.json'))
  const periods = monthsIn(
    manifests.map(({ key }) => key.slice(root.length)),
    monthOfKey,
  )
  const month = periods.at(-1)
  if (month === undefined)
    throw new AppError(
      'OBJECT_NOT_FOUND',
      `${where}: expected manifests of months below ${root}, such as ${root}20260301-20260401/...-Manifest.json or ` +
        `${root}metadata/BILLING_PERIOD=2026-03/...-Manifest.json, got none among ${listed.length} objects, ` +
        `the first of which is ${listed[0]?.key ?? ''}`,
    )
  const manifest = newestAwsManifest(where, root, month, listed)
  const content = parseManifest(manifest.key, await readText(deps.objects, store, bucket, manifest, deps.signal))
  const delivery = awsDelivery({
    where,
    bucket,
    manifest_key: manifest.key,
    manifest: content,
    month,
    objects: listed,
  })
  return { delivery, periods, layout: manifest.key.startsWith(`${root}metadata/`) ? 'export' : 'legacy' }
}

const rangeOf = (text: string): string | undefined => /^\d{8}-(\d{4})(\d{2})\d{2}\//.exec(text)?.slice(1).join('-')

const newestOfAzure = async (
  deps: CheckDeps,
  source: Extract<Source, { provider: 'azure' }>,
  place: Place,
  all: readonly ObjectInfo[],
): Promise<Newest> => {
  const { store, bucket } = place
  const where = `container ${bucket}`
  const { root, listed } = azureExport(place.root, source.export_name, all)
  const periods = monthsIn(
    listed.map(({ key }) => key.slice(root.length)),
    rangeOf,
  )
  const month = periods.at(-1)
  if (month === undefined) {
    const folders = [...new Set(all.map(({ key }) => key.split('/').slice(0, -1).join('/')))].toSorted().slice(0, 10)
    const got = deps.may_name ? folders.join(', ') : `${all.length} objects elsewhere`
    throw new AppError(
      'OBJECT_NOT_FOUND',
      `${where}: expected folders of days such as ${root}20260301-20260331/, got ${got}`,
    )
  }
  const candidates = []
  for (const run of azureRuns(where, root, month, listed)) {
    const text = run.manifest && (await readText(deps.objects, store, bucket, run.manifest, deps.signal))
    candidates.push({ run, manifest: text && run.manifest ? parseManifest(run.manifest.key, text) : undefined })
  }
  const { kind, export_name } = source
  const chosen = chooseAzureRun(where, { month, dataset: kind, export_name, only: true }, candidates)
  return {
    delivery: azureDelivery({ where, container: bucket, run: chosen.run, manifest: chosen.manifest, objects: listed }),
    periods,
  }
}

const newestFile = async ({ bucket, root }: Place, listed: readonly ObjectInfo[]): Promise<Newest> => {
  const files = listed.filter(({ key }) => formatOf(key) !== undefined)
  const newest = files.toSorted((a, b) => (a.modified_at < b.modified_at ? -1 : 1)).at(-1)
  if (newest === undefined)
    throw new AppError(
      'OBJECT_NOT_FOUND',
      `bucket ${bucket}: expected ${formatsWord} below ${root}, got ${listed.length} objects of other formats, ` +
        `the first of which is ${listed[0]?.key ?? ''}`,
    )
  return {
    delivery: { id: '', source_file: newest.key, files: [newest] },
    periods: monthsIn(
      files.map(({ key }) => key.slice(root.length)),
      (name) => monthsNamed(name)?.from,
    ),
  }
}

const rowsOf = ({ counted }: Delivery): number | undefined => {
  const each = counted?.files.map(({ rows }) => rows) ?? []
  if (counted?.all.rows !== undefined) return counted.all.rows
  return each.length > 0 && each.every((rows) => rows !== undefined)
    ? each.reduce((sum, rows) => sum + rows, 0)
    : undefined
}

// ---- its header

const headOf = async (
  { objects, spool, signal }: CheckDeps,
  { store, bucket }: Place,
  { files }: Delivery,
  notes: string[],
): Promise<{ format: string | null; inspected?: Inspected }> => {
  const file = files.toSorted((a, b) => a.size_bytes - b.size_bytes)[0]
  if (file === undefined) return { format: null }
  const format = formatOf(file.key)
  if (format === undefined)
    throw new AppError('EXPORT_INVALID', `${file.key}: expected ${formatsWord}, got another format`)
  if (format === 'csv' || format === 'gzip') {
    const stream = await objects.read(store, bucket, file.key, { etag: file.etag, signal })
    // Unlike pipe, it hands on what breaks on the way.
    const unpacked = format === 'gzip' ? pipeline(stream, createGunzip(), () => undefined) : stream
    try {
      const { head, whole } = await headBytesOf(unpacked)
      return { format, inspected: inspectCsv(file.key, head, { whole }) }
    } finally {
      stream.destroy()
    }
  }
  if (file.size_bytes > largestWhole) {
    notes.push(`${file.key} was not opened: a ${format} file has to be read whole, and it is large`)
    return { format }
  }
  const inspected = await spool.with({ store, bucket, files: [file], signal, work: async ([first]) => first })
  return { format, ...(inspected === undefined ? {} : { inspected }) }
}

const headBytesOf = async (stream: AsyncIterable<unknown>): Promise<{ head: Buffer; whole: boolean }> => {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of stream) {
    chunks.push(chunk as Buffer)
    bytes += (chunk as Buffer).length
    if (bytes >= headBytes) return { head: Buffer.concat(chunks).subarray(0, headBytes), whole: false }
  }
  return { head: Buffer.concat(chunks), whole: true }
}

// ---- of which kind it is

const kindOfHeader = (
  header: readonly string[],
): 'focus' | 'cur' | 'cost' | 'pricesheet' | 'reservations' | undefined => {
  const names = new Set(header.map((name) => name.toLowerCase().replace(/[^a-z0-9]/g, '')))
  const has = (...wanted: string[]) => wanted.every((name) => names.has(name))
  if (has('billedcost', 'chargeperiodstart')) return 'focus'
  // Of a data export the columns are chosen: any of the line's own tells.
  if ([...names].some((name) => name.startsWith('lineitem'))) return 'cur'
  if (has('reservationorderid') && (has('usedhours') || has('reservedhours'))) return 'reservations'
  if (['costinbillingcurrency', 'pretaxcost', 'cost', 'costinpricingcurrency'].some((name) => has(name))) return 'cost'
  return has('meterid') && ['unitprice', 'marketprice', 'retailprice', 'baseprice'].some((name) => has(name))
    ? 'pricesheet'
    : undefined
}
const expectedKind = ({ provider, kind }: SourceSettings): string => {
  if (provider === 'aws') return kind === 'focus' ? 'focus' : 'cur'
  return kind === 'actual' || kind === 'amortized' ? 'cost' : kind
}
const words: Readonly<Record<string, string>> = {
  focus: 'a FOCUS export (BilledCost, ChargePeriodStart)',
  cur: 'a Cost and Usage Report (lineItem/UsageStartDate)',
  cost: 'an export of cost (costInBillingCurrency, or PreTaxCost)',
  pricesheet: 'a price sheet (meterId, unitPrice)',
  reservations: 'reservation details (ReservationOrderId, UsedHours)',
}

const kindProblems = (source: ObjectSource, { layout }: Newest, { name, header }: Inspected): string[] => {
  const expected = expectedKind(source)
  const got = kindOfHeader(header)
  if (got !== expected) {
    const seen = got === undefined ? `columns ${header.slice(0, 5).join(', ')}` : words[got]
    return [`${name}: kind ${source.kind}: expected ${String(words[expected])}, got ${String(seen)}`]
  }
  if (source.provider === 'any' && !header.some((each) => each.toLowerCase() === 'billingperiodstart'))
    return [`${name}: expected a column BillingPeriodStart, which says the month of its rows, got none`]
  if (source.kind === 'cur' && layout === 'export')
    return [`${name}: kind cur: expected a legacy report, got a data export (CUR 2.0); put the source as kind cur2`]
  if (source.kind === 'cur2' && layout === 'legacy')
    return [`${name}: kind cur2: expected a data export (CUR 2.0), got a legacy report; put the source as kind cur`]
  return []
}
