/** What there is of each month of a source of files, by its listing alone: nothing is read. */
import { AppError, type Source } from '@convergence/contracts'
import type { ObjectInfo, Objects } from '@convergence/objects'
import { versionOfObjects } from '../load-state.ts'
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
export type FileSource = Extract<Source, { provider: 'aws' | 'azure' }>

/** Lists a source once. Throws what the store says; what is wrong with a month stops none of the others. */
export const monthsSeen = async (objects: Objects, source: FileSource): Promise<MonthsSeen> => {
  const { months, versionIn } = await (source.provider === 'aws'
    ? awsMonths(objects, source)
    : azureMonths(objects, source))
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
  const { root, listed } = await exportBelow(objects, container, folderOf(prefix), export_name)
  const months = listed.flatMap(({ key }) => {
    const [, from, to] = /^(\d{6})\d{2}-(\d{6})\d{2}\//.exec(key.slice(root.length)) ?? []
    return [from, to].flatMap((month) => (month === undefined ? [] : [`${month.slice(0, 4)}-${month.slice(4)}`]))
  })
  return { months, versionIn: (month) => azureVersion(azureRuns(`container ${container}`, root, month, listed)) }
}
