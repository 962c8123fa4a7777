/** A month of a cost export: every run writes the month anew, so the newest run alone replaces it, as one job. */
import { AppError } from '@convergence/contracts'
import type { Processor } from '@convergence/service/steps'
import { azureColumns, azureDayColumns } from '../../exports/columns.ts'
import { withDecidingRows } from '../../exports/days.ts'
import {
  azureDelivery,
  azureRuns,
  chooseAzureRun,
  isMonth,
  parseManifest,
  type AzureDataset,
  type Delivery,
} from '../../exports/deliveries.ts'
import { openLoader, type LoaderDeps } from '../../exports/load.ts'
import { listAll, readText } from '../../exports/spool.ts'
import type { DestinationConfig } from '../gcp/bq_etl.ts'

interface Config {
  source: {
    container: string
    prefix?: string
    /** YYYY-MM */
    month?: string
    /** Which export, where the folder has several; default: the last part of the prefix. */
    export_name?: string
    /** Default: actual. */
    dataset?: AzureDataset
    /** How days are written that could be read in two ways. */
    day_format?: 'month_first' | 'day_first'
  }
  destination: DestinationConfig
}

export const blobDataLoader = (deps: LoaderDeps): Processor => {
  const { objects } = deps
  const loader = openLoader(deps)
  return {
    ps_type: 'azure.blob_data_loader',
    run: async (context) => {
      const { source, destination } = context.step.config as unknown as Config
      const step = `step ${context.step.step_id}`
      const into = await loader.target(context, destination)
      const { container, prefix: given = '', month, dataset = 'actual', day_format } = source
      const got = month === undefined ? 'none' : JSON.stringify(month)
      if (!isMonth(month))
        throw new AppError(
          'CONFIG_INVALID',
          `${step}: source.month: expected the billing period as YYYY-MM, got ${got}`,
        )
      const prefix = given.replace(/^\/+|\/+$/g, '')
      const root = prefix === '' ? '' : `${prefix}/`
      const where = `${step}: azure container ${container}`

      const listed = await listAll(objects, 'azure', container, root)
      const candidates = []
      for (const run of azureRuns(where, root, month, listed)) {
        const text = run.manifest && (await readText(objects, 'azure', container, run.manifest, context.signal))
        candidates.push({ run, manifest: text && run.manifest ? parseManifest(run.manifest.key, text) : undefined })
      }
      const export_name = source.export_name ?? prefix.split('/').at(-1) ?? ''
      const { run, manifest, warnings } = chooseAzureRun(where, { month, dataset, export_name }, candidates)
      const delivery: Delivery = {
        ...azureDelivery({ where, container, run, manifest, objects: listed }),
        manifest_etag: run.manifest?.etag,
        warnings,
      }

      const source_name = `azure://${container}${prefix === '' ? '' : `/${prefix}`}`
      const billing_period = `${month}-01`
      const result = await loader.run(context, into, {
        store: 'azure',
        bucket: container,
        delivery,
        source_name,
        day_column: 'date',
        plan: async (table, files) =>
          azureColumns({
            table,
            files:
              day_format === undefined
                ? await withDecidingRows(files, azureDayColumns(table, files), context.signal)
                : files,
            month,
            day_order: day_format,
            provenance: {
              billing_period,
              export_name: destination.period?.['export_name'] ?? prefix,
              export_run_id: delivery.id,
              source_file: delivery.source_file,
              dataset,
              source_name,
            },
          }),
      })
      return { ...result, outputs: { ...result.outputs, billing_period } }
    },
  }
}
