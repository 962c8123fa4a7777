/** A month of FOCUS files of whoever bills: no manifest says which they are, so their rows do. */
import { AppError } from '@convergence/contracts'
import type { Store } from '@convergence/objects'
import type { Processor } from '@convergence/service/steps'
import { utcDayOf } from '@convergence/tabular/values'
import { assertSource, withAccess } from '../../exports/access.ts'
import { filesOfMonth, monthsOfFile } from '../../exports/bare-files.ts'
import { filesTaken } from '../../exports/contents.ts'
import { isMonth } from '../../exports/deliveries.ts'
import { focusColumns } from '../../exports/focus.ts'
import { nameOf, openLoader, type LoaderDeps } from '../../exports/load.ts'
import { listAll } from '../../exports/spool.ts'
import { versionOfObjects } from '../../load-state.ts'
import type { DestinationConfig } from '../gcp/bq_etl.ts'

interface Config {
  source: {
    store: Store
    bucket: string
    prefix?: string
    /** YYYY-MM */
    month: string
    /** Name of a stored credential. */
    credential?: string | null
  }
  destination: DestinationConfig
}

export const focusLoader = (deps: LoaderDeps): Processor => {
  const { accessOf = () => Promise.resolve({}) } = deps
  const loader = openLoader(deps)
  return {
    ps_type: 'any.focus_loader',
    run: async (context) => {
      const { source, destination } = context.step.config as unknown as Config
      const step = `step ${context.step.step_id}`
      const into = await loader.target(context, destination)
      const { store, bucket, prefix = '', month, credential } = source
      if (!isMonth(month))
        throw new AppError('CONFIG_INVALID', `${step}: source.month: expected YYYY-MM, got ${JSON.stringify(month)}`)
      await assertSource(deps.warehouse, context, nameOf(destination), { store, bucket, prefix, credential })
      const objects = withAccess(deps.objects, await accessOf(context.run.tenant_id, { store, credential }))
      const folder = prefix.replace(/^\/+|\/+$/g, '')
      const root = folder === '' ? '' : `${folder}/`
      const place = `${store}://${bucket}${folder === '' ? '' : `/${folder}`}`
      const at = context.now()
      const { files, warnings } = filesOfMonth(
        `${step}: ${store} bucket ${bucket}`,
        root,
        month,
        await listAll(objects, store, bucket, root),
      )
      const [only, ...more] = files
      const source_name = nameOf(destination) ?? place
      const billing_period = `${month}-01`
      let elsewhere: Readonly<Record<string, number>> = {}
      const result = await loader.run(context, into, {
        objects,
        store,
        bucket,
        delivery: { id: '', source_file: more.length === 0 ? (only?.key ?? place) : place, files, warnings },
        source_name,
        seen: nameOf(destination) === undefined ? undefined : { period: month, version: versionOfObjects(files), at },
        take: async (spooled) => {
          const taken = await filesTaken(spooled, {
            month,
            monthsOf: (name) => monthsOfFile(root, name),
            signal: context.signal,
          })
          elsewhere = taken.elsewhere
          return taken
        },
        counts: (start) => utcDayOf(start)?.startsWith(month) === true,
        plan: (table, taken) =>
          focusColumns({ table, files: taken, month, split: true, provenance: { billing_period, source_name } }),
      })
      const left = Object.keys(elsewhere).length === 0 ? {} : { rows_of_other_months: elsewhere }
      return { ...result, outputs: { ...result.outputs, ...left, billing_period } }
    },
  }
}
