import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import type { AppError } from '@convergence/contracts'
import { openBuckets } from '@convergence/local-cloud/buckets'
import { objectsConformance } from '@convergence/objects/conformance'

const folders = (store: 's3' | 'azure' | 'gcs') => async () => {
  const folder = mkdtempSync(join(tmpdir(), 'convergence-buckets-'))
  return {
    folder, objects: openBuckets({ folder }),
    put: (bucket: string, key: string, content: Buffer) => {
      const path = join(folder, store, bucket, key)
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, content)
      return Promise.resolve()
    },
    makeBucket: (bucket: string) => { mkdirSync(join(folder, store, bucket), { recursive: true }); return Promise.resolve() },
    end: () => { rmSync(folder, { recursive: true, force: true }); return Promise.resolve() },
  }
}

for (const store of ['s3', 'azure', 'gcs'] as const) describe(`objects, ${store} as folders`, () => { objectsConformance({ open: folders(store), store }) })

describe('bucket folders', () => {
  it('do not follow links', async () => {
    const { folder, objects, put, end } = await folders('s3')()
    await put('reports', 'a.csv', Buffer.from('x'))
    symlinkSync('/etc/passwd', join(folder, 's3/reports/link.csv'))
    const refused = await objects.read('s3', 'reports', 'link.csv').then(() => undefined, (error: unknown) => error)
    expect((refused as AppError).code).to.equal('OBJECT_NOT_FOUND')
    const keys: string[] = []
    for await (const { key } of objects.list('s3', 'reports', '')) keys.push(key)
    expect(keys).to.deep.equal(['a.csv'])
    await end()
  })
})
