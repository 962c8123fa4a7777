/** A month of a Cost and Usage Report: the newest manifest says which files; all of them replace the month as one job. */
import { AppError, type Column } from '@convergence/contracts'
import type { ObjectInfo, Objects } from '@convergence/objects'
import type { Processor } from '@convergence/service/steps'
import type { Warehouse } from '@convergence/warehouse'
import { awsColumns, commonHeader } from '../../exports/columns.ts'
import { firstText, parseCsv, readJsonObject, withSpooled } from '../../exports/spool.ts'
import { destinationOf, type DestinationConfig } from '../gcp/bq_etl.ts'
import { assertWritable } from '../isolation.ts'

interface Config { source: { s3_bucket: string; s3_prefix?: string; report_name?: string; month?: string; s3_key?: string }; destination: DestinationConfig & { columns?: Column[] } }
interface Delivery { manifest_id: string; keys: string[]; billing_period: string }

const nextMonth = (month: string): string => new Date(Date.UTC(Number(month.slice(0, 4)), Number(month.slice(5, 7)), 1)).toISOString().slice(0, 7)
const dense = (month: string): string => `${month.replace('-', '')}01`

/** The newest manifest of the month: legacy folders YYYYMMDD-YYYYMMDD, with or without one per assembly, or Data Exports' metadata folders. */
const findManifest = async (objects: Objects, bucket: string, root: string, month: string): Promise<ObjectInfo> => {
  const legacy = `${root}${dense(month)}-${dense(nextMonth(month))}/`
  let newest: ObjectInfo | undefined
  for await (const object of objects.list('s3', bucket, root)) {
    const fits = object.key.startsWith(legacy) || object.key.includes(`BILLING_PERIOD=${month}/`)
    if (!fits || !object.key.endsWith('-Manifest.json')) continue
    // With a folder per assembly the copy beside them is the newest delivery; times tell, names break ties.
    if (newest === undefined || object.modified_at > newest.modified_at || (object.modified_at === newest.modified_at && object.key < newest.key)) newest = object
  }
  if (newest === undefined) throw new AppError('OBJECT_NOT_FOUND', `s3 bucket ${bucket}: no manifest of ${month} below ${root}; expected ${legacy}<report>-Manifest.json. Is the report delivered?`)
  return newest
}

const readManifest = (key: string, manifest: Record<string, unknown>, month: string, bucket: string): Delivery => {
  const keys = manifest['reportKeys'] ?? manifest['dataFiles']
  if (!Array.isArray(keys) || keys.length === 0 || !keys.every((each) => typeof each === 'string')) throw new AppError('EXPORT_INVALID', `${key}: expected reportKeys, a list of files, got ${keys === undefined ? 'none' : JSON.stringify(keys).slice(0, 60)}`)
  const start = String((manifest['billingPeriod'] as { start?: unknown } | undefined)?.start ?? `${dense(month)}T`)
  if (!start.replaceAll('-', '').startsWith(dense(month))) throw new AppError('EXPORT_INVALID', `${key}: expected the billing period ${month}, the manifest says ${start.slice(0, 20)}`)
  const strip = (name: string) => name.replace(/^s3:\/\//, '').replace(new RegExp(`^${bucket.replace(/[.]/g, '\\.')}/`), '')
  return { manifest_id: String(manifest['assemblyId'] ?? manifest['executionId'] ?? key), keys: (keys as string[]).map(strip), billing_period: `${month}-01` }
}

export const s3DataLoader = ({ objects, warehouse, scratch_folder }: { objects: Objects; warehouse: Warehouse; scratch_folder: string }): Processor => ({
  ps_type: 'aws.s3_data_loader',
  run: async ({ run, step, chain, signal }) => {
    const { source, destination } = step.config as unknown as Config
    const where = `step ${step.step_id}`
    const target = destinationOf(destination)
    await assertWritable(where, warehouse, run, target)
    const table = destination.columns
    if (table === undefined) throw new AppError('CONFIG_INVALID', `${where}: destination.schema_template is missing: it says which columns the table has`)
    const { s3_bucket: bucket, s3_prefix = '', report_name = '', month, s3_key } = source
    let delivery: Delivery
    if (s3_key !== undefined) delivery = { manifest_id: s3_key, keys: [s3_key], billing_period: month === undefined ? '' : `${month}-01` }
    else {
      if (month === undefined || !/^\d{4}-\d{2}$/.test(month)) throw new AppError('CONFIG_INVALID', `${where}: source.month is missing: the billing period as YYYY-MM, or s3_key for one object`)
      const root = `${[s3_prefix, report_name].filter((part) => part !== '').join('/')}/`
      const manifest = await findManifest(objects, bucket, root, month)
      delivery = readManifest(manifest.key, await readJsonObject(objects, 's3', bucket, manifest.key), month, bucket)
    }
    const other = delivery.keys.find((key) => !/\.csv(\.gz)?$/.test(key))
    if (other !== undefined) throw new AppError('EXPORT_INVALID', `${other}: expected .csv or .csv.gz files`)
    const result = await withSpooled({ objects, scratch_folder, name: chain.run_id, store: 's3', bucket, keys: delivery.keys, signal }, async (files) => {
      const headers = await Promise.all(files.map(async ({ path, name }) => ({ name, header: parseCsv(await firstText(path, 256 * 1024), 1)[0] ?? [] })))
      for (const { name, header } of headers) if (header.length < 2) throw new AppError('EXPORT_INVALID', `${name}: the file is empty; expected a header and rows`)
      const header = commonHeader(headers)
      const columns = awsColumns(table, header, headers[0]?.name ?? bucket, { billing_period: delivery.billing_period, report_name, manifest_id: delivery.manifest_id })
      return warehouse.runJob(chain, { kind: 'load', format: 'csv', files: files.map(({ path, name }) => ({ path, name })), columns, destination: target })
    })
    return {
      rows_written: result.rows_written, bytes_processed: result.bytes_processed, attempt: result.attempt,
      outputs: { table: `${target.dataset}.${target.table}`, files: delivery.keys.length, manifest_id: delivery.manifest_id, billing_period: delivery.billing_period, rows_written: result.rows_written },
    }
  },
})
