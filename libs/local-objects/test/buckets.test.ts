import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { AppError } from '@convergence/contracts'
import { openBuckets } from '../src/buckets.ts'
import type { Store } from '@convergence/objects'
import { listed, objectsConformance } from '@convergence/objects/conformance'

const setup = (store: Store) => {
  const folder = mkdtempSync(join(tmpdir(), 'convergence-buckets-'))
  return {
    folder,
    objects: openBuckets({ folder }),
    put: async (bucket: string, key: string, content: Buffer) => {
      const path = join(folder, store, bucket, key)
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, content)
    },
    makeBucket: async (bucket: string) => {
      mkdirSync(join(folder, store, bucket), { recursive: true })
    },
    end: async () => {
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'fine',
    (error: unknown) => (error instanceof AppError ? error.code : String(error)),
  )

for (const store of ['s3', 'azure', 'gcs'] as const)
  describe(`objects, ${store} as folders`, () => {
    objectsConformance({ open: async () => setup(store), store, lacks: ['a wire'] })
  })

describe('bucket folders', () => {
  it('neither list nor read links: not to a file, not through a folder, not as a bucket', async () => {
    const { folder, objects, put, end } = setup('s3')
    await put('reports', 'a.csv', Buffer.from('x'))
    await put('secret', 'inside/b.csv', Buffer.from('y'))
    symlinkSync('/etc/passwd', join(folder, 's3/reports/link.csv'))
    symlinkSync(join(folder, 's3/secret/inside'), join(folder, 's3/reports/way'))
    symlinkSync(join(folder, 's3/secret'), join(folder, 's3/alias'))
    for (const key of ['link.csv', 'way/b.csv'])
      expect(await codeOf(objects.read('s3', 'reports', key)), key).to.equal('OBJECT_NOT_FOUND')
    expect(await codeOf(objects.read('s3', 'alias', 'inside/b.csv'))).to.equal('OBJECT_NOT_FOUND')
    expect((await listed(objects.list('s3', 'reports', ''))).map(({ key }) => key)).to.deep.equal(['a.csv'])
    await end()
  })

  it('tell a file that was written over and given its old time', async () => {
    const { folder, objects, put, end } = setup('s3')
    const when = new Date('2025-11-01T00:00:00Z')
    await put('reports', 'a.csv', Buffer.from('first'))
    utimesSync(join(folder, 's3/reports/a.csv'), when, when)
    const [before] = await listed(objects.list('s3', 'reports', ''))
    await put('reports', 'a.csv', Buffer.from('other'))
    utimesSync(join(folder, 's3/reports/a.csv'), when, when)
    expect(await codeOf(objects.read('s3', 'reports', 'a.csv', { etag: before?.etag }))).to.equal('OBJECT_CHANGED')
    await end()
  })

  it('work in a folder that is itself reached through a link', async () => {
    const { folder, put, end } = setup('s3')
    await put('reports', 'a.csv', Buffer.from('x'))
    const link = `${folder}-link`
    symlinkSync(folder, link)
    const chunks: Buffer[] = []
    for await (const chunk of await openBuckets({ folder: link }).read('s3', 'reports', 'a.csv'))
      chunks.push(chunk as Buffer)
    expect(Buffer.concat(chunks).toString()).to.equal('x')
    rmSync(link)
    await end()
  })
})
