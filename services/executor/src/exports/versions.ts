/** What there is of each month of a source of files, by its listing alone: nothing is read. */
import { AppError, type Source } from '@convergence/contracts'
import type { ObjectInfo, Objects } from '@convergence/objects'
import { versionOfObjects } from '../load-state.ts'
import { filesOfMonth } from './bare-files.ts'
import { azureExport, azureRuns, monthOfKey, newestAwsManifest, type AzureRun } from './deliveries.ts'
import { listAll } from './spool.ts'

/** The objects of an export of Azure, or of all that stands below `base` where none is named. */
export const exportBelow = async (
  objects: Objects,
  container: string,
  base: string,
  export_name: string | undefined,
): Promise<{ root: string; listed: ObjectInfo[] }> => {
  const list = (prefix: string) => listAll(objects, 'azure', container, prefix)
  if (export_name === undefined) return { root: base, listed: await list(base) }
  // Mostly it has a folder of its own, and what stands beside it need not be listed.
  const inside = await list(`${base}${export_name}/`)
  return azureExport(base, export_name, inside.length > 0 ? inside : await list(base))
}

/** Of all runs of a month: any of them may become the one that is taken. */
export const azureVersion = (runs: readonly AzureRun[]): string =>
  versionOfObjects(runs.flatMap(({ manifest, files }) => (manifest === undefined ? files : [manifest])))

/** Versions by month, YYYY-MM, and what is wrong with the months that have none. */
export interface MonthsSeen {
  versions: Map<string, string>
  problems: string[]
}
export type FileSource = Exclude<Source, { provider: 'gcp' }>

/**
 * Lists a source once. `loaded`: months that are looked for in any case, where no listing says which there are. Throws what the store says; what
 * is wrong with a month stops none of the others.
 */
export const monthsSeen = async (
  objects: Objects,
  source: FileSource,
  loaded: readonly string[],
): Promise<MonthsSeen> => {
  const { months, versionIn } = await listed(objects, source, loaded)
  const versions = new Map<string, string>()
  const problems: string[] = []
  for (const month of [...new Set(months)].sort())
    try {
      versions.set(month, versionIn(month))
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      problems.push(error.message)
    }
  return { versions, problems }
}
interface Listed {
  months: string[]
  versionIn(month: string): string
}

const listed = (objects: Objects, source: FileSource, loaded: readonly string[]): Promise<Listed> => {
  switch (source.provider) {
    case 'aws':
      return awsMonths(objects, source)
    case 'azure':
      return azureMonths(objects, source)
    case 'any':
      return anyMonths(objects, source, loaded)
  }
}

const folderOf = (...parts: readonly string[]): string =>
  parts
    .flatMap((part) => part.split('/'))
    .filter((part) => part !== '')
    .map((part) => `${part}/`)
    .join('')

const awsMonths = async (objects: Objects, source: Extract<Source, { provider: 'aws' }>): Promise<Listed> => {
  const { bucket } = source
  const root = folderOf(source.prefix, source.report_name)
  const manifests = (await listAll(objects, 's3', bucket, root)).filter(({ key }) => key.endsWith('-Manifest.json'))
  return {
    months: manifests.flatMap(({ key }) => monthOfKey(key.slice(root.length)) ?? []),
    versionIn: (month) => versionOfObjects([newestAwsManifest(`bucket ${bucket}`, root, month, manifests)]),
  }
}

const azureMonths = async (objects: Objects, source: Extract<Source, { provider: 'azure' }>): Promise<Listed> => {
  const { container, prefix, export_name } = source
  const { root, listed: all } = await exportBelow(objects, container, folderOf(prefix), export_name)
  const months = all.flatMap(({ key }) => {
    const [, from, to] = /^(\d{6})\d{2}-(\d{6})\d{2}\//.exec(key.slice(root.length)) ?? []
    return [from, to].flatMap((month) => (month === undefined ? [] : [`${month.slice(0, 4)}-${month.slice(4)}`]))
  })
  return { months, versionIn: (month) => azureVersion(azureRuns(`container ${container}`, root, month, all)) }
}

/** Nothing but the rows says which months there are; a file that may be of a month is one of its. */
const anyMonths = async (
  objects: Objects,
  { store, bucket, prefix }: Extract<Source, { provider: 'any' }>,
  loaded: readonly string[],
): Promise<Listed> => {
  const root = folderOf(prefix)
  const all = await listAll(objects, store, bucket, root)
  return {
    months: [...loaded],
    versionIn: (month) => versionOfObjects(filesOfMonth(`${store} bucket ${bucket}`, root, month, all).files),
  }
}
