/** What the door to object stores means, whatever is behind it. */
import { expect } from 'chai'
import { AppError } from '@convergence/contracts'
import type { ObjectInfo, Objects } from '../src/objects.ts'

export interface ObjectsTarget { open(): Promise<{ objects: Objects; put(bucket: string, key: string, content: Buffer): Promise<void>; makeBucket(bucket: string): Promise<void>; end(): Promise<void> }>; store: 's3' | 'azure' | 'gcs' }

export const objectsConformance = ({ open, store }: ObjectsTarget): void => {
  const inStore = async (body: (world: Awaited<ReturnType<ObjectsTarget['open']>>) => Promise<void>) => {
    const world = await open()
    try {
      await body(world)
    } finally {
      await world.objects.close()
      await world.end()
    }
  }
  const all = async (list: AsyncIterable<ObjectInfo>) => {
    const found: ObjectInfo[] = []
    for await (const object of list) found.push(object)
    return found
  }
  const content = async (objects: Objects, bucket: string, key: string, etag?: string) => {
    const chunks: Buffer[] = []
    for await (const chunk of await objects.read(store, bucket, key, etag === undefined ? {} : { etag })) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks)
  }
  const code = (work: Promise<unknown>) => work.then(() => 'fine', (error: unknown) => (error instanceof AppError ? error.code : String(error)))

  it('lists what is below a prefix by key, with sizes', () => inStore(async ({ objects, put }) => {
    await put('reports', 'cur/b.csv', Buffer.from('22'))
    await put('reports', 'cur/a/x.csv', Buffer.from('1'))
    await put('reports', 'other/y.csv', Buffer.from('333'))
    expect((await all(objects.list(store, 'reports', 'cur/'))).map(({ key, size_bytes }) => `${key} ${size_bytes}`)).to.deep.equal(['cur/a/x.csv 1', 'cur/b.csv 2'])
    expect(await all(objects.list(store, 'reports', 'nothing/'))).to.deep.equal([])
  }))

  it('gives the bytes as they were put, also of a large object', () => inStore(async ({ objects, put }) => {
    const large = Buffer.alloc(3_000_000, 'abcdefg')
    await put('reports', 'large.bin', large)
    expect((await content(objects, 'reports', 'large.bin')).equals(large)).to.equal(true)
  }))

  it('says which bucket or object does not exist', () => inStore(async ({ objects, makeBucket }) => {
    await makeBucket('empty')
    expect(await code(all(objects.list(store, 'missing', '')))).to.equal('OBJECT_NOT_FOUND')
    expect(await code(content(objects, 'empty', 'x.csv'))).to.equal('OBJECT_NOT_FOUND')
  }))

  it('refuses to mix an object with the one that replaced it', () => inStore(async ({ objects, put }) => {
    await put('reports', 'a.csv', Buffer.from('first'))
    const [before] = await all(objects.list(store, 'reports', 'a.csv'))
    expect((await content(objects, 'reports', 'a.csv', before?.etag)).toString()).to.equal('first')
    await put('reports', 'a.csv', Buffer.from('second, longer'))
    expect(await code(content(objects, 'reports', 'a.csv', before?.etag))).to.equal('OBJECT_CHANGED')
  }))

  it('never reads outside the bucket', () => inStore(async ({ objects, put }) => {
    await put('reports', 'a.csv', Buffer.from('x'))
    for (const key of ['../other/a.csv', 'a/../../x', '/etc/passwd', 'a\0b', '..', '']) expect(await code(content(objects, 'reports', key)), key).to.equal('OBJECT_NOT_FOUND')
    for (const bucket of ['..', '../s3', '.', '/etc', 'A']) expect(await code(content(objects, bucket, 'a.csv')), bucket).to.equal('OBJECT_NOT_FOUND')
  }))
}
