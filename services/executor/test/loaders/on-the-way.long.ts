/**
 * Files that change between the store and the loader: the vendors' clients read them over HTTP, where a bit flips. It
 * opens client and front itself, so `npm run test:clients`, which puts both before the folders, leaves it out.
 */
import { gunzipSync, gzipSync } from 'node:zlib'
import { expect } from 'chai'
import { openStoreFront, type RequestFault } from '@convergence/local-objects/front'
import { openClouds } from '@convergence/objects/clouds'
import { errorOf } from '../fakes.ts'
import { awsFolder, awsHeader, awsLine, awsManifest, csvOf, inWorld } from './world.ts'

describe('a file that changes on its way from S3', function () {
  this.timeout(60_000)
  const text = csvOf(awsHeader, [awsLine('1.50')])
  const packed = gzipSync(text)
  const unpacks = (content: Buffer): boolean => {
    try {
      gunzipSync(content)
      return true
    } catch {
      return false
    }
  }
  const flipped = (content: Buffer, byte: number): Buffer => {
    const changed = Buffer.from(content)
    changed[byte] = (changed[byte] ?? 0) ^ 1
    return changed
  }
  for (const [what, name, content, byte] of [
    ['a digit of an amount', 'daily-1.csv', Buffer.from(text), text.indexOf('1.50') + 2],
    ['a byte of an archive', 'daily-1.csv.gz', packed, packed.length - 12],
  ] as const)
    it(
      `is not loaded, and the step is tried again: ${what}`,
      inWorld(async ({ objects, put, load, one }) => {
        let fault: RequestFault | undefined
        const front = await openStoreFront({
          store: 's3',
          objects,
          port: 0,
          fault: ({ path }) => (path.endsWith(name) ? fault : undefined),
        })
        const clouds = openClouds({
          s3: {
            region: 'eu-central-1',
            endpoint: `http://127.0.0.1:${front.port}`,
            credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
          },
        })
        const loadMonth = () =>
          load(
            'aws',
            { s3_bucket: 'reports', s3_prefix: 'cur', report_name: 'daily', month: '2025-11' },
            { deps: { objects: clouds } },
          )
        const sum = async () =>
          (await one('SELECT CAST(SUM(line_item_unblended_cost) AS STRING) AS sum FROM aws_cost_cur'))['sum']
        try {
          put('s3', 'reports', `${awsFolder}/${name}`, content)
          put('s3', 'reports', `${awsFolder}/daily-Manifest.json`, awsManifest([`${awsFolder}/${name}`]))
          await loadMonth()
          expect(await sum()).to.equal('1.5')
          if (name.endsWith('.gz')) expect(unpacks(flipped(content, byte))).to.equal(false)
          fault = { flip_at: byte }
          const error = await errorOf(loadMonth())
          expect(error.code, error.message).to.equal('SOURCE_UNAVAILABLE')
          expect(error.message).to.contain(name).and.contain('checksum')
          expect(await sum()).to.equal('1.5')
          fault = undefined
          expect((await loadMonth()).rows_written).to.equal(1)
        } finally {
          await clouds.close()
          await front.close()
        }
      }),
    )
})
