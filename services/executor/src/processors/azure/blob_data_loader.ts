/** A month of a cost export: only the newest run of the month counts, because every run writes the month anew. */
import { AppError, type Column } from '@convergence/contracts'
import type { ObjectInfo, Objects } from '@convergence/objects'
import type { Processor } from '@convergence/service/steps'
import type { Warehouse } from '@convergence/warehouse'
import { azureColumns, commonHeader, dateFormatOf } from '../../exports/columns.ts'
import { firstText, parseCsv, readJsonObject, withSpooled } from '../../exports/spool.ts'
import { destinationOf, type DestinationConfig } from '../gcp/bq_etl.ts'
import { assertWritable } from '../isolation.ts'

interface Config { source: { container: string; prefix?: string; month?: string }; destination: DestinationConfig & { columns?: Column[] } }

/** Files of the newest run below <prefix>/YYYYMM01-YYYYMMDD/, and what names that run. */
const findRun = async (objects: Objects, container: string, prefix: string, month: string): Promise<{ run_id: string; keys: string[] }> => {
  const days = `${prefix}/${month.replace('-', '')}01-${month.replace('-', '')}`
  const runs = new Map<string, { newest: string; objects: ObjectInfo[] }>()
  for await (const object of objects.list('azure', container, `${prefix}/`)) {
    if (!object.key.startsWith(days) || !/^\d{2}\//.test(object.key.slice(days.length))) continue
    const name = object.key.slice(0, object.key.lastIndexOf('/'))
    const run = runs.get(name) ?? { newest: '', objects: [] }
    run.objects.push(object)
    run.newest = object.modified_at > run.newest ? object.modified_at : run.newest
    runs.set(name, run)
  }
  const [last] = [...runs].sort(([nameA, a], [nameB, b]) => (a.newest === b.newest ? (nameA < nameB ? 1 : -1) : a.newest < b.newest ? 1 : -1))
  if (last === undefined) throw new AppError('OBJECT_NOT_FOUND', `azure container ${container}: nothing of ${month} below ${prefix}; expected ${prefix}/${month.replace('-', '')}01-${month.replace('-', '')}DD/... Has the export run?`)
  const [folder, { objects: found }] = last
  const manifest = found.find(({ key }) => key.endsWith('/manifest.json'))
  let keys = found.map(({ key }) => key).filter((key) => /\.csv(\.gz)?$/.test(key))
  if (manifest !== undefined) {
    const { blobs } = await readJsonObject(objects, 'azure', container, manifest.key)
    if (!Array.isArray(blobs) || blobs.length === 0) throw new AppError('EXPORT_INVALID', `${manifest.key}: expected blobs, a list of files`)
    const named = blobs.map((blob) => String((blob as { blobName?: unknown }).blobName ?? '')).map((name) => name.replace(new RegExp(`^/?${container}/`), ''))
    const missing = named.find((name) => !keys.includes(name))
    if (missing !== undefined) throw new AppError('OBJECT_NOT_FOUND', `${manifest.key} names ${missing}, which is not in container ${container}`)
    keys = named
  }
  if (keys.length === 0) throw new AppError('EXPORT_INVALID', `${folder}: no .csv or .csv.gz file`)
  return { run_id: folder.slice(prefix.length + 1), keys }
}

export const blobDataLoader = ({ objects, warehouse, scratch_folder }: { objects: Objects; warehouse: Warehouse; scratch_folder: string }): Processor => ({
  ps_type: 'azure.blob_data_loader',
  run: async ({ run, step, chain, signal }) => {
    const { source, destination } = step.config as unknown as Config
    const where = `step ${step.step_id}`
    const target = destinationOf(destination)
    await assertWritable(where, warehouse, run, target)
    const table = destination.columns
    if (table === undefined) throw new AppError('CONFIG_INVALID', `${where}: destination.schema_template is missing: it says which columns the table has`)
    const { container, prefix = '', month } = source
    if (month === undefined || !/^\d{4}-\d{2}$/.test(month)) throw new AppError('CONFIG_INVALID', `${where}: source.month is missing: the billing period as YYYY-MM`)
    const found = await findRun(objects, container, prefix, month)
    const result = await withSpooled({ objects, scratch_folder, name: chain.run_id, store: 'azure', bucket: container, keys: found.keys, signal }, async (files) => {
      const looked = await Promise.all(files.map(async ({ path, name }) => {
        const [header = [], ...rows] = parseCsv(await firstText(path))
        if (header.length < 2) throw new AppError('EXPORT_INVALID', `${name}: the file is empty; expected a header and rows`)
        const day = header.findIndex((each) => each.toLowerCase() === 'date')
        return { name, header, date_format: dateFormatOf(day < 0 ? [] : rows.map((row) => row[day] ?? ''), name) }
      }))
      const [first] = looked
      const odd = looked.find((each) => each.date_format !== first?.date_format)
      if (odd !== undefined) throw new AppError('EXPORT_INVALID', `${odd.name}: writes days in another way than ${String(first?.name)}`)
      const columns = azureColumns(table, commonHeader(looked), first?.name ?? container, { billing_period: `${month}-01`, export_name: prefix, export_run_id: found.run_id, date_format: first?.date_format })
      return warehouse.runJob(chain, { kind: 'load', format: 'csv', files: files.map(({ path, name }) => ({ path, name })), columns, destination: target })
    })
    return {
      rows_written: result.rows_written, bytes_processed: result.bytes_processed, attempt: result.attempt,
      outputs: { table: `${target.dataset}.${target.table}`, files: found.keys.length, export_run_id: found.run_id, billing_period: `${month}-01`, rows_written: result.rows_written },
    }
  },
})
