/**
 * What the loaders' tests share: a warehouse on the real engine, bucket folders, and sums taken from raw files without
 * any of the code under test.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Column, CompiledStep } from '@convergence/contracts'
import { openBuckets } from '@convergence/local-objects'
import { openStoreFront } from '@convergence/local-objects/front'
import { openClouds } from '@convergence/objects/clouds'
import { openEngine } from '@convergence/local-warehouse'
import type { Objects, Store } from '@convergence/objects'
import type { Processor, StepContext, StepResult } from '@convergence/service/steps'
import { openWarehouse, type Warehouse } from '@convergence/warehouse'
import type { Check } from '../../src/checks.ts'
import type { LoaderDeps } from '../../src/exports/load.ts'
import { focusLoader } from '../../src/processors/any/focus_loader.ts'
import { s3DataLoader } from '../../src/processors/aws/s3_data_loader.ts'
import { blobDataLoader } from '../../src/processors/azure/blob_data_loader.ts'
import { contextOf, fakeStore, makeRun, makeStep, shared_sources } from '../fakes.ts'

const repository = join(import.meta.dirname, '../../../..')
type Provider = 'aws' | 'azure' | 'any'
const tableOf = { aws: 'aws_cost_cur', azure: 'azure_cost_exports', any: 'any_cost_focus' } as const
const loaders = {
  aws: { ps_type: 'aws.s3_data_loader', open: s3DataLoader },
  azure: { ps_type: 'azure.blob_data_loader', open: blobDataLoader },
  any: { ps_type: 'any.focus_loader', open: focusLoader },
} as const
const periodOf = { aws: { report_name: 'daily' }, azure: { export_name: 'cost/daily' }, any: { source_name: 'saas' } }
export const tableColumns = (provider: Provider, table: string = tableOf[provider]): Column[] => {
  const path = `${loaders[provider].ps_type.replace('.', '/')}/schemas/${table}.json`
  return JSON.parse(readFileSync(join(repository, 'ps_templates', path), 'utf8')) as Column[]
}
/**
 * The text of a real export, where the folder of samples is beside the checkout; elsewhere one line says that it is not.
 */
export const realExport = (name: string): string | undefined => {
  const file = join(repository, '../shared/samples', name)
  if (existsSync(file)) return readFileSync(file, 'utf8')
  console.log('SKIPPED real exports: ../shared/samples is not here')
  return undefined
}

/** A small export in a provider's form; its ids and amounts are made up. */
export const miniature = (name: string): string => readFileSync(join(import.meta.dirname, 'miniatures', name), 'utf8')

/** The exact sum of decimals as text, E notation included, over 30 digits after the point. */
export const exactSum = (values: readonly string[]): string => {
  const scale = 30
  const sum = values.reduce((total, text) => {
    const [, sign, whole = '', fraction = '', exponent = '0'] =
      /^(-?)(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/.exec(text) ?? []
    if (sign === undefined || whole + fraction === '') throw new Error(`${text} is no number`)
    const units = BigInt(whole + fraction) * 10n ** BigInt(scale - fraction.length + Number(exponent))
    return sign === '-' ? total - units : total + units
  }, 0n)
  const digits = (sum < 0n ? -sum : sum).toString().padStart(scale + 1, '0')
  return `${sum < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`.replace(/\.?0+$/, '')
}
/**
 * One column of CSV text: its quotes are undone by splitting at them, which is enough for files without quotes inside
 * the column.
 */
export const rawColumn = (text: string, name: string): string[] => {
  const [header = [], ...rows] = text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .filter((line) => line !== '')
    .map((line) =>
      line
        .split('"')
        .map((part, k) => (k % 2 === 0 ? part : part.replaceAll(',', ';')))
        .join('')
        .split(','),
    )
  return rows.map((row) => row[header.indexOf(name)] ?? '')
}

export interface World {
  folder: string
  warehouse: Warehouse
  objects: Objects
  put(store: Store, bucket: string, key: string, content: string | Buffer, modified?: string): void
  /** Names in the scratch folder. */
  scratch(): string[]
  load(provider: Provider, source: Record<string, unknown>, more?: LoadOptions): Promise<StepResult>
  /** Values of one row as text. */
  one(query: string): Promise<Record<string, unknown>>
  end(): Promise<void>
}
export interface LoadOptions {
  period?: Record<string, string>
  /** Default: that of the provider's cost. */
  table?: string
  columns?: Column[]
  deps?: Partial<LoaderDeps>
  context?: Partial<StepContext>
  /** Of the step, beside what is read and written. */
  step?: Partial<CompiledStep>
  write_mode?: string
  tenant?: string
  checks?: Check[]
}

/** The same folders, read by the vendors' own clients over HTTP: OBJECTS_FORM=clouds runs the same tests so. */
const overHttp = async (buckets: Objects): Promise<{ objects: Objects; close(): Promise<void> }> => {
  const [s3, azure, gcs] = [
    await openStoreFront({ store: 's3', objects: buckets, port: 0 }),
    await openStoreFront({ store: 'azure', objects: buckets, port: 0 }),
    await openStoreFront({ store: 'gcs', objects: buckets, port: 0 }),
  ]
  const objects = openClouds({
    s3: {
      region: 'eu-central-1',
      endpoint: `http://127.0.0.1:${s3.port}`,
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    },
    gcs: { project_id: 'test', endpoint: `http://127.0.0.1:${gcs.port}` },
    azure: {
      connection_string: `DefaultEndpointsProtocol=http;AccountName=account;AccountKey=dGVzdA==;BlobEndpoint=http://127.0.0.1:${azure.port}/account;`,
    },
  })
  return {
    objects,
    close: async () => {
      for (const each of [objects, s3, azure, gcs, buckets]) await each.close()
    },
  }
}

export const setup = async (): Promise<World> => {
  const folder = mkdtempSync(join(tmpdir(), 'convergence-loaders-'))
  const warehouse = openWarehouse({
    engine: await openEngine({ folder, project_id: 'local-convergence' }),
    random: () => 0,
  })
  await warehouse.ensureDataset('acme')
  const buckets = openBuckets({ folder: join(folder, 'buckets') })
  const { objects, close } =
    process.env['OBJECTS_FORM'] === 'clouds'
      ? await overHttp(buckets)
      : { objects: buckets, close: () => buckets.close() }
  const scratch_folder = join(folder, 'scratch')
  let runs = 0
  const put: World['put'] = (store, bucket, key, content, modified) => {
    const path = join(folder, 'buckets', store, bucket, key)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, content)
    if (modified !== undefined) utimesSync(path, new Date(modified), new Date(modified))
  }
  return {
    folder,
    warehouse,
    objects,
    put,
    scratch: () => (existsSync(scratch_folder) ? readdirSync(scratch_folder) : []),
    load: async (
      provider,
      source,
      {
        period,
        table = tableOf[provider],
        columns = tableColumns(provider, table),
        deps = {},
        context = {},
        write_mode = 'truncate',
        tenant = 'acme',
        step: more = {},
        checks = [],
      } = {},
    ) => {
      runs += 1
      const month = typeof source['month'] === 'string' ? source['month'] : '2025-11'
      const step = makeStep('load_month', {
        ps_type: loaders[provider].ps_type,
        ...more,
        config: {
          source,
          checks,
          destination: {
            bq_project_id: 'local-convergence',
            dataset_type: 'acme',
            table,
            write_mode,
            columns,
            ...(write_mode === 'truncate'
              ? {
                  period: period ?? { billing_period: `${month}-01`, ...periodOf[provider] },
                }
              : {}),
            table_config: { time_partitioning: { field: 'billing_period', type: 'MONTH' } },
          },
        },
      })
      const run = makeRun({ run_id: `r_${String(runs).padStart(26, '0')}`, tenant_id: tenant, steps: [step] })
      const loader: Processor = loaders[provider].open({
        objects,
        warehouse,
        scratch_folder,
        store: fakeStore(),
        shared_sources,
        ...deps,
      })
      return loader.run({ ...contextOf(run, step), ...context })
    },
    one: async (query) => (await warehouse.query({ query, default_dataset: 'acme' }))[0] ?? {},
    end: async () => {
      await close()
      await warehouse.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** A world that is gone afterwards. */
export const inWorld = (body: (world: World) => Promise<void>) => async (): Promise<void> => {
  const world = await setup()
  try {
    await body(world)
  } finally {
    await world.end()
  }
}

// ---- small exports

export const awsHeader =
  'identity/LineItemId,bill/BillingPeriodStartDate,lineItem/UsageAccountId,lineItem/UsageStartDate,lineItem/ProductCode,lineItem/UnblendedCost,product/ProductName,product/vcpu,resourceTags/user:env,costCategory/Team'
export const awsLine = (cost: string, { id = 'x', month = '2025-11', env = 'prod', category = 'core' } = {}): string =>
  `${id},${month}-01T00:00:00.000Z,012345678901,${month}-05T01:00:00Z,AmazonEC2,${cost},"Amazon, ` +
  `Inc.",4,${env},${category}`
export const csvOf = (header: string, lines: readonly string[], newline = '\n'): string =>
  `${[header, ...lines].join(newline)}${newline}`
export const awsFolder = 'cur/daily/20251101-20251201'
export const awsManifest = (reportKeys: readonly string[], more: Record<string, unknown> = {}): string =>
  JSON.stringify({
    assemblyId: 'a-1',
    reportName: 'daily',
    compression: 'GZIP',
    contentType: 'text/csv',
    billingPeriod: { start: '20251101T000000.000Z', end: '20251201T000000.000Z' },
    reportKeys,
    ...more,
  })

export const azureFolder = 'cost/daily/20251101-20251130'
export const azureHeader =
  'SubscriptionId,Date,MeterCategory,CostInBillingCurrency,BillingCurrencyCode,BillingPeriodStartDate,' +
  'BillingPeriodEndDate,Tags,AdditionalInfo'
export const azureLine = (
  cost: string,
  { day = '11/5/2025', tags = '"""env"": ""prod"""', start = '11/1/2025', end = '11/30/2025' } = {},
): string => `sub-1,${day},Storage,${cost},USD,${start},${end},${tags},"{""a"": 1}"`
export const azureManifest = (names: readonly string[], more: Record<string, unknown> = {}): string =>
  JSON.stringify({ manifestVersion: '2024-04-01', blobs: names.map((blobName) => ({ blobName })), ...more })
