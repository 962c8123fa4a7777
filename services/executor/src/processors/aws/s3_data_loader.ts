/**
 * A month of a Cost and Usage Report: the newest manifest says which files; all of them replace the month as one job.
 */
import { AppError } from '@convergence/contracts'
import type { ObjectInfo } from '@convergence/objects'
import type { Processor } from '@convergence/service/steps'
import { awsColumns } from '../../exports/columns.ts'
import { valuesOf, type Inspected } from '../../exports/inspected.ts'
import {
  awsDelivery,
  isMonth,
  monthOfKey,
  newestAwsManifest,
  parseManifest,
  type Delivery,
} from '../../exports/deliveries.ts'
import { assertSource, withAccess } from '../../exports/access.ts'
import { focusColumns } from '../../exports/focus.ts'
import { formatOf, formatsWord } from '../../exports/formats.ts'
import { nameOf, openLoader, type LoaderDeps, type Loading } from '../../exports/load.ts'
import { listAll, readText } from '../../exports/spool.ts'
import { versionOfObjects } from '../../load-state.ts'
import type { DestinationConfig } from '../gcp/bq_etl.ts'

interface Config {
  source: {
    s3_bucket: string
    s3_prefix?: string
    report_name?: string
    /** Name of a stored credential. */
    credential?: string | null
    region?: string | null
    /** YYYY-MM */ month?: string
    /** What the report is; default: cur, a legacy or a newer one. */ dataset?: 'cur' | 'cur2' | 'focus'
    /** One object instead of a report with its manifest. */ s3_key?: string
  }
  destination: DestinationConfig
}

/** Month of a file that came without a manifest. */
const monthOfFile = ({ key }: ObjectInfo, files: readonly Inspected[]): string => {
  const [file] = files
  const start = file?.header.find((name) => /^(bill.?billing.?period.?start.?date|BillingPeriodStart)$/i.test(name))
  const month =
    monthOfKey(key) ??
    (file === undefined || start === undefined ? undefined : valuesOf(file, start)[0]?.value.slice(0, 7))
  if (!isMonth(month))
    throw new AppError(
      'EXPORT_INVALID',
      `${key}: expected a billing period in its folder or in its rows, got none; give source.month`,
    )
  return month
}

export const s3DataLoader = (deps: LoaderDeps): Processor => {
  const { accessOf = () => Promise.resolve({}) } = deps
  const loader = openLoader(deps)
  return {
    ps_type: 'aws.s3_data_loader',
    run: async (context) => {
      const { source, destination } = context.step.config as unknown as Config
      const step = `step ${context.step.step_id}`
      const into = await loader.target(context, destination)
      const { credential, region } = source
      const { s3_bucket, s3_prefix: said, report_name: report } = source
      await assertSource(deps.warehouse, context, nameOf(destination), {
        bucket: s3_bucket,
        prefix: said,
        report_name: report,
        region,
        credential,
      })
      const access = await accessOf(context.run.tenant_id, { store: 's3', credential, region })
      const objects = withAccess(deps.objects, access)
      const { s3_bucket: bucket, s3_prefix = '', report_name = '', month, s3_key, dataset = 'cur' } = source
      if (month !== undefined && !isMonth(month))
        throw new AppError('CONFIG_INVALID', `${step}: source.month: expected YYYY-MM, got ${JSON.stringify(month)}`)
      const root = [s3_prefix, report_name]
        .map((part) => part.replace(/^\/+|\/+$/g, ''))
        .filter((part) => part !== '')
        .join('/')
      const where = `${step}: s3 bucket ${bucket}`

      let delivery: Delivery
      let seen: Loading['seen']
      if (s3_key !== undefined) {
        const object = (await listAll(objects, 's3', bucket, s3_key)).find(({ key }) => key === s3_key)
        if (object === undefined)
          throw new AppError('OBJECT_NOT_FOUND', `${where}: expected the object ${s3_key}, got no such object`)
        if (formatOf(s3_key) === undefined)
          throw new AppError('EXPORT_INVALID', `${s3_key}: expected ${formatsWord}, got another format`)
        delivery = { id: '', source_file: s3_key, files: [object] }
      } else {
        if (month === undefined)
          throw new AppError(
            'CONFIG_INVALID',
            `${step}: source.month: expected the billing period as YYYY-MM, or s3_key with one object, got neither`,
          )
        const prefix = root === '' ? '' : `${root}/`
        const at = context.now()
        const listed = await listAll(objects, 's3', bucket, prefix)
        const manifest = newestAwsManifest(where, prefix, month, listed)
        seen =
          nameOf(destination) === undefined ? undefined : { period: month, version: versionOfObjects([manifest]), at }
        const content = parseManifest(manifest.key, await readText(objects, 's3', bucket, manifest, context.signal))
        delivery = {
          ...awsDelivery({ where, bucket, manifest_key: manifest.key, manifest: content, month, objects: listed }),
          manifest_etag: manifest.etag,
        }
      }

      let billing_period = ''
      const source_name = nameOf(destination) ?? `s3://${bucket}${root === '' ? '' : `/${root}`}`
      const result = await loader.run(context, into, {
        objects,
        store: 's3',
        bucket,
        delivery,
        source_name,
        seen,
        plan: (table, files) => {
          const billed =
            month ?? monthOfFile(delivery.files[0] ?? { key: '', size_bytes: 0, etag: '', modified_at: '' }, files)
          billing_period = `${billed}-01`
          const given = destination.period?.['report_name']
          const name =
            (typeof given === 'object' ? undefined : given) ??
            (report_name === '' ? (root.split('/').at(-1) ?? '') : report_name)
          return (dataset === 'focus' ? focusColumns : awsColumns)({
            table,
            files,
            month: billed,
            provenance: {
              billing_period,
              report_name: name,
              manifest_id: delivery.id,
              source_file: delivery.source_file,
              source_name,
            },
          })
        },
      })
      return { ...result, outputs: { ...result.outputs, billing_period } }
    },
  }
}
