/** A month of an export of cost, prices or reservations: every run writes the month anew, so the newest run alone replaces it, as one job. */
import { AppError } from '@convergence/contracts'
import type { Processor } from '@convergence/service/steps'
import { azureColumns, azureDayColumn, azureDayColumns } from '../../exports/columns.ts'
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
import { assertSource, withAccess } from '../../exports/access.ts'
import { nameOf, openLoader, type LoaderDeps } from '../../exports/load.ts'
import { focusColumns } from '../../exports/focus.ts'
import { readText } from '../../exports/spool.ts'
import { azureVersion, exportBelow } from '../../exports/versions.ts'
import type { DestinationConfig } from '../gcp/bq_etl.ts'

interface Config {
  source: {
    container: string
    prefix?: string
    /** YYYY-MM */
    month?: string
    /** Which export, where the folder has several; default: the last part of the prefix. */
    export_name?: string
    /** Name of a stored credential. */
    credential?: string | null
    /** Storage account that a workload identity opens. */
    account?: string | null
    /** Default: actual. */
    dataset?: AzureDataset
    /** How days are written that could be read in two ways. */
    day_format?: 'month_first' | 'day_first' | null
  }
  destination: DestinationConfig
}

export const blobDataLoader = (deps: LoaderDeps): Processor => {
  const { accessOf = () => Promise.resolve({}) } = deps
  const loader = openLoader(deps)
  return {
    ps_type: 'azure.blob_data_loader',
    run: async (context) => {
      const { source, destination } = context.step.config as unknown as Config
      const step = `step ${context.step.step_id}`
      const into = await loader.target(context, destination)
      const { container, prefix: given = '', month, dataset = 'actual', credential, account } = source
      const day_format = source.day_format ?? undefined
      const got = month === undefined ? 'none' : JSON.stringify(month)
      if (!isMonth(month))
        throw new AppError(
          'CONFIG_INVALID',
          `${step}: source.month: expected the billing period as YYYY-MM, got ${got}`,
        )
      const prefix = given.replace(/^\/+|\/+$/g, '')
      const where = `${step}: azure container ${container}`
      await assertSource(deps.warehouse, context, nameOf(destination), {
        container,
        prefix: given,
        export_name: source.export_name,
        account,
        credential,
      })
      const access = await accessOf(context.run.tenant_id, { store: 'azure', credential, account })
      const objects = withAccess(deps.objects, access)

      const base = prefix === '' ? '' : `${prefix}/`
      const at = context.now()
      const { root, listed } = await exportBelow(objects, container, base, source.export_name)
      const candidates = []
      const runs = azureRuns(where, root, month, listed)
      for (const run of runs) {
        const text = run.manifest && (await readText(objects, 'azure', container, run.manifest, context.signal))
        candidates.push({ run, manifest: text && run.manifest ? parseManifest(run.manifest.key, text) : undefined })
      }
      const export_name = source.export_name ?? prefix.split('/').at(-1) ?? ''
      const { run, manifest, warnings } = chooseAzureRun(
        where,
        { month, dataset, export_name, only: nameOf(destination) !== undefined },
        candidates,
      )
      const delivery: Delivery = {
        ...azureDelivery({ where, container, run, manifest, objects: listed }),
        manifest_etag: run.manifest?.etag,
        warnings,
      }

      const source_name = nameOf(destination) ?? `azure://${container}${prefix === '' ? '' : `/${prefix}`}`
      const billing_period = `${month}-01`
      const written = [prefix, nameOf(destination) === undefined ? '' : export_name]
        .filter((part) => part !== '')
        .join('/')
      const result = await loader.run(context, into, {
        objects,
        store: 'azure',
        bucket: container,
        delivery,
        source_name,
        day_column: dataset === 'focus' ? undefined : azureDayColumn(dataset),
        ...(nameOf(destination) === undefined ? {} : { seen: { period: month, version: azureVersion(runs), at } }),
        plan: async (table, files) => {
          const given = destination.period?.['export_name']
          const provenance = {
            billing_period,
            export_name: (typeof given === 'object' ? undefined : given) ?? written,
            export_run_id: delivery.id,
            manifest_id: delivery.id,
            source_file: delivery.source_file,
            dataset,
            source_name,
          }
          if (dataset === 'focus') return focusColumns({ table, files, month, provenance })
          const decided =
            day_format === undefined
              ? await withDecidingRows(files, azureDayColumns(table, files, dataset), context.signal)
              : files
          return azureColumns({ table, files: decided, month, day_order: day_format, provenance }, dataset)
        },
      })
      return { ...result, outputs: { ...result.outputs, billing_period } }
    },
  }
}
