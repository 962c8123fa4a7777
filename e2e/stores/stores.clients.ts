/**
 * The platform against object stores that others wrote: a source of each is connected with a stored credential, checked
 * and loaded, through the vendors' own clients. `npm run test:stores`; what cannot be had is skipped, and says why.
 */
import { randomBytes } from 'node:crypto'
import {
  BlobServiceClient,
  ContainerSASPermissions,
  SASProtocol,
  StorageSharedKeyCredential,
  generateBlobSASQueryParameters,
} from '@azure/storage-blob'
import type { SourceSettings } from '@convergence/contracts'
import { expect } from 'chai'
import type { World } from '../operations.ts'
import { openOneProcess } from '../test/world.ts'
import { azurite, fakeGcsServer, moto, startServer, type Server } from './servers.ts'

const month = '2025-11'
const focus = 'BilledCost,BillingPeriodStart,ChargePeriodStart,ResourceId\n'
const focusRow = (cost: string, day: string) => `${cost},2025-11-01T00:00:00Z,${day}T00:00:00Z,r-${cost}\n`
/** Two files below a prefix, and more than one page of others beside them. */
const focusFiles = {
  'llm/2025-11-05/usage.csv': focus + focusRow('1.5', '2025-11-05'),
  'llm/2025-11-06/usage.csv': focus + focusRow('2', '2025-11-06'),
} as const

interface Case {
  name: string
  source: SourceSettings
  credential: Readonly<Record<string, string>>
  pipeline: string
  /** Sum of the table that the pipeline loads. */
  sum: string
}
/** The source is connected, checked and loaded; a wrong credential or place is told by the check. */
const connectsAndLoads = async (
  world: World,
  key: string,
  { name, source, credential, pipeline, sum }: Case,
): Promise<void> => {
  const path = `/api/v1/tenants/acme_corp`
  await world.client.call('PUT', `${path}/credentials/${name}`, { key, body: credential })
  await world.connect(key, 'acme_corp', name, { ...source, credential: name })
  const { body } = await world.client.call('POST', `${path}/sources/${name}/check`, { key })
  expect([body['ok'], body['problems']], name).to.deep.equal([true, []])
  const run = await world.ended(key, await world.start(key, 'acme_corp', pipeline, { month, source: name }))
  expect([run.status, run.error_message ?? ''], name).to.deep.equal(['COMPLETED', ''])
  const [row] = await world.warehouse.query({
    query: `SELECT CAST(SUM(${sum.split('.')[1] ?? ''}) AS STRING) AS cost
            FROM \`${world.warehouse.project_id}.acme_corp.${sum.split('.')[0] ?? ''}\` WHERE source_name = '${name}'`,
  })
  expect(row, name).to.deep.equal({ cost: '3.5' })
}

describe('object stores that others wrote', function () {
  this.timeout(1_200_000)
  let opened: { close(): Promise<void> }[] = []
  afterEach(async () => {
    for (const each of opened.toReversed()) await each.close()
    opened = []
  })
  /** A server, and the platform whose settings point to it; undefined, with a word, where there is none. */
  const withServer = async (
    recipe: Parameters<typeof startServer>[0],
    settings: (url: string) => Readonly<Record<string, string>>,
  ): Promise<{ server: Server; world: World; key: string } | undefined> => {
    const server = await startServer(recipe)
    if ('why' in server) {
      console.log(`SKIPPED ${recipe.name}: ${server.why}`)
      return undefined
    }
    opened.push({ close: () => server.end() })
    const world = await openOneProcess({ settings: settings(server.url) })
    opened.push({ close: () => world.end() })
    return { server, world, key: await world.onboard('acme_corp') }
  }

  it('S3 as moto has it: by a key, and by a role that is taken on', async function () {
    const made = await withServer(moto, (url) => ({ AWS_ENDPOINT_URL_S3: url }))
    if (made === undefined) return this.skip()
    const { server, world, key } = made
    const put = async (path: string, body?: string) => {
      const { status } = await fetch(`${server.url}/${path}`, {
        method: 'PUT',
        ...(body === undefined ? {} : { body }),
      })
      expect(status, path).to.equal(200)
    }
    await put('acme-billing-4711')
    const folder = 'exports/daily/20251101-20251201'
    await put(
      `acme-billing-4711/${folder}/daily-1.csv`,
      'identity/LineItemId,bill/BillingPeriodStartDate,lineItem/UsageStartDate,lineItem/UnblendedCost\n' +
        'a,2025-11-01T00:00:00Z,2025-11-05T00:00:00Z,1.5\nb,2025-11-01T00:00:00Z,2025-11-05T00:00:00Z,2\n',
    )
    await put(
      `acme-billing-4711/${folder}/daily-Manifest.json`,
      JSON.stringify({ assemblyId: 'a-1', reportName: 'daily', reportKeys: [`${folder}/daily-1.csv`] }),
    )
    for (const [name, text] of Object.entries(focusFiles)) await put(`acme-billing-4711/${name}`, text)
    for (let k = 0; k < 1_010; k += 1) await put(`acme-billing-4711/llm/other/${k}.txt`, 'x')
    const user = { access_key_id: 'AKIAACMEACMEACMEACME', secret_access_key: randomBytes(20).toString('hex') }
    const report = {
      provider: 'aws',
      kind: 'cur',
      bucket: 'acme-billing-4711',
      prefix: 'exports',
      report_name: 'daily',
    } as const
    const sum = 'aws_cost_cur.line_item_unblended_cost'
    await connectsAndLoads(world, key, {
      name: 'payer',
      source: report,
      credential: { provider: 'aws', ...user },
      pipeline: 'aws/cost/cur',
      sum,
    })
    await connectsAndLoads(world, key, {
      name: 'llm',
      source: { provider: 'any', kind: 'focus', store: 's3', bucket: 'acme-billing-4711', prefix: 'llm' },
      credential: { provider: 'aws', ...user },
      pipeline: 'any/cost/focus',
      sum: 'any_cost_focus.BilledCost',
    })
    // The identity that takes the role on is this process's own.
    const own = { AWS_ENDPOINT_URL_STS: server.url, AWS_ACCESS_KEY_ID: 'own', AWS_SECRET_ACCESS_KEY: 'own' }
    Object.assign(process.env, own)
    try {
      await world.client.call('DELETE', '/api/v1/tenants/acme_corp/sources/payer?purge=true', { key })
      await connectsAndLoads(world, key, {
        name: 'by_role',
        source: report,
        credential: { provider: 'aws', role_arn: 'arn:aws:iam::123456789012:role/convergence' },
        pipeline: 'aws/cost/cur',
        sum,
      })
    } finally {
      for (const name of Object.keys(own)) Reflect.deleteProperty(process.env, name)
    }
  })

  it('Blob Storage as Azurite has it: by a connection string, and by a signature for one container', async function () {
    const [account, account_key] = ['acmebilling4711', randomBytes(64).toString('base64')]
    const made = await withServer(azurite(`${account}:${account_key}`), (url) => ({
      AZURE_STORAGE_ENDPOINT: `${url}/${account}`,
    }))
    if (made === undefined) return this.skip()
    const { server, world, key } = made
    const owner = new StorageSharedKeyCredential(account, account_key)
    const container = new BlobServiceClient(`${server.url}/${account}`, owner).getContainerClient('cost-exports')
    await container.create()
    const put = (name: string, text: string) => container.getBlockBlobClient(name).upload(text, Buffer.byteLength(text))
    const folder = 'cost/daily/20251101-20251130/202511300400'
    const rows =
      'Date,CostInBillingCurrency,BillingCurrencyCode,SubscriptionId\n2025-11-05,1.5,EUR,s-1\n2025-11-06,2,EUR,s-1\n'
    await put(`${folder}/part_0.csv`, rows)
    await put(
      `${folder}/manifest.json`,
      JSON.stringify({
        exportConfig: { exportName: 'daily', type: 'ActualCost' },
        runInfo: { runId: 'r-1', startDate: '2025-11-01T00:00:00', endDate: '2025-11-30T00:00:00' },
        blobs: [{ blobName: `${folder}/part_0.csv`, byteCount: Buffer.byteLength(rows) }],
      }),
    )
    for (const [name, text] of Object.entries(focusFiles)) await put(name, text)
    await connectsAndLoads(world, key, {
      name: 'ea',
      source: { provider: 'azure', kind: 'actual', container: 'cost-exports', prefix: 'cost', export_name: 'daily' },
      credential: { provider: 'azure', connection_string: `AccountName=${account};AccountKey=${account_key}` },
      pipeline: 'azure/cost/exports',
      sum: 'azure_cost_exports.cost_in_billing_currency',
    })
    const signature = generateBlobSASQueryParameters(
      {
        containerName: 'cost-exports',
        permissions: ContainerSASPermissions.parse('rl'),
        protocol: SASProtocol.HttpsAndHttp,
        expiresOn: new Date(Date.now() + 3_600_000),
      },
      owner,
    )
    await connectsAndLoads(world, key, {
      name: 'llm',
      source: { provider: 'any', kind: 'focus', store: 'azure', bucket: 'cost-exports', prefix: 'llm' },
      credential: {
        provider: 'azure',
        sas_url: `https://${account}.blob.core.windows.net/cost-exports?${signature.toString()}`,
      },
      pipeline: 'any/cost/focus',
      sum: 'any_cost_focus.BilledCost',
    })
  })

  it('Cloud Storage as fake-gcs-server has it', async function () {
    const made = await withServer(fakeGcsServer, (url) => ({ STORAGE_EMULATOR_HOST: url }))
    if (made === undefined) return this.skip()
    const { server, world, key } = made
    const post = async (path: string, body: string) => {
      const { status } = await fetch(`${server.url}${path}`, { method: 'POST', body })
      expect(status, path).to.equal(200)
    }
    await post('/storage/v1/b?project=acme-prod-4711', JSON.stringify({ name: 'acme-focus-4711' }))
    for (const [name, text] of Object.entries(focusFiles))
      await post(`/upload/storage/v1/b/acme-focus-4711/o?uploadType=media&name=${encodeURIComponent(name)}`, text)
    await connectsAndLoads(world, key, {
      name: 'llm',
      source: { provider: 'any', kind: 'focus', store: 'gcs', bucket: 'acme-focus-4711', prefix: 'llm' },
      credential: { provider: 'gcp', service_account: 'reader@acme-prod-4711.iam.gserviceaccount.com' },
      pipeline: 'any/cost/focus',
      sum: 'any_cost_focus.BilledCost',
    })
  })
})
