/**
 * What the door to object stores means, whatever is behind it. A target puts objects; the suite reads them through the
 * door.
 */
import { gzipSync } from 'node:zlib'
import { expect } from 'chai'
import { AppError } from '@convergence/contracts'
import type { ObjectInfo, Objects, Store } from '../src/objects.ts'

export interface ObjectsWorld {
  objects: Objects
  /** Makes the bucket if it is missing; replaces the object. */
  put(bucket: string, key: string, content: Buffer): Promise<void>
  makeBucket(bucket: string): Promise<void>
  /** From now on one bit of this byte changes on its way to the reader, and a connection ends after `cut_after`. */
  damage?(byte: number, cut_after?: number): void
  end(): Promise<void>
}
export interface ObjectsTarget {
  store: Store
  /** No wire lies between the store and its reader: nothing can change on the way. */
  lacks?: readonly 'a wire'[]
  open(): Promise<ObjectsWorld>
}

export const listed = async (list: AsyncIterable<ObjectInfo>): Promise<ObjectInfo[]> => {
  const found: ObjectInfo[] = []
  for await (const object of list) found.push(object)
  return found
}
const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'fine',
    (error: unknown) => (error instanceof AppError ? error.code : String(error)),
  )

export const objectsConformance = ({ open, store, lacks = [] }: ObjectsTarget): void => {
  const inStore = (body: (world: ObjectsWorld) => Promise<void>) => async () => {
    const world = await open()
    try {
      await body(world)
    } finally {
      await world.objects.close()
      await world.end()
    }
  }
  const content = async (
    objects: Objects,
    bucket: string,
    key: string,
    options: { etag?: string | undefined; signal?: AbortSignal } = {},
  ) => {
    const chunks: Buffer[] = []
    for await (const chunk of await objects.read(store, bucket, key, options)) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks)
  }

  it(
    'lists what is below a prefix by key, with sizes',
    inStore(async ({ objects, put }) => {
      for (const [key, text] of [
        ['cur/b.csv', '22'],
        ['cur/a/x.csv', '1'],
        ['cur/a.csv', '4444'],
        ['cur/a/deep/y.csv', '55555'],
        ['other/y.csv', '333'],
      ] as const)
        await put('reports', key, Buffer.from(text))
      const keys = async (prefix: string) =>
        (await listed(objects.list(store, 'reports', prefix))).map(({ key, size_bytes }) => `${key} ${size_bytes}`)
      expect(await keys('cur/')).to.deep.equal(['cur/a.csv 4', 'cur/a/deep/y.csv 5', 'cur/a/x.csv 1', 'cur/b.csv 2'])
      expect(await keys('cur/a')).to.deep.equal(['cur/a.csv 4', 'cur/a/deep/y.csv 5', 'cur/a/x.csv 1'])
      expect(await keys('cur/a/x.csv')).to.deep.equal(['cur/a/x.csv 1'])
      expect(await keys('')).to.have.length(5)
      expect(await keys('nothing/')).to.deep.equal([])
      expect(await keys('../')).to.deep.equal([])
    }),
  )

  it(
    'says when each object was written',
    inStore(async ({ objects, put }) => {
      await put('reports', 'a.csv', Buffer.from('1'))
      const [object] = await listed(objects.list(store, 'reports', ''))
      expect(object?.modified_at).to.match(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$/)
      expect(object?.etag).to.be.a('string').with.length.greaterThan(0)
    }),
  )

  it(
    'lists more objects than one page of a provider holds',
    inStore(async ({ objects, put }) => {
      await Promise.all(
        Array.from({ length: 1100 }, (_, k) => put('many', `part-${String(k).padStart(5, '0')}`, Buffer.from('x'))),
      )
      const keys = (await listed(objects.list(store, 'many', 'part-'))).map(({ key }) => key)
      expect(keys).to.have.length(1100)
      expect(keys).to.deep.equal([...keys].sort())
    }),
  )

  it(
    'gives the bytes as they were put: none, all 256 values, three megabytes, unusual keys',
    inStore(async ({ objects, put }) => {
      const large = Buffer.alloc(3_000_001, Buffer.from(Array.from({ length: 256 }, (_, k) => k)))
      await put('reports', 'large.bin', large)
      expect((await content(objects, 'reports', 'large.bin')).equals(large)).to.equal(true)
      await put('reports', 'empty.bin', Buffer.alloc(0))
      expect(await content(objects, 'reports', 'empty.bin')).to.have.length(0)
      for (const key of ['BILLING_PERIOD=2025-11/a b.csv', 'ä/ö+%25.csv', "it's..fine/x"]) {
        await put('reports', key, Buffer.from(key))
        expect((await content(objects, 'reports', key)).toString()).to.equal(key)
        expect((await listed(objects.list(store, 'reports', key))).map((object) => object.key)).to.deep.equal([key])
      }
    }),
  )

  it(
    'gives packed bytes as they are stored',
    inStore(async ({ objects, put }) => {
      const packed = gzipSync('a,b\n1,2\n'.repeat(1_000))
      await put('reports', 'a.csv.gz', packed)
      expect((await content(objects, 'reports', 'a.csv.gz')).equals(packed)).to.equal(true)
    }),
  )

  it(
    'says which bucket or object does not exist',
    inStore(async ({ objects, makeBucket }) => {
      await makeBucket('empty')
      expect(await listed(objects.list(store, 'empty', ''))).to.deep.equal([])
      expect(await codeOf(listed(objects.list(store, 'missing', '')))).to.equal('OBJECT_NOT_FOUND')
      expect(await codeOf(content(objects, 'missing', 'x.csv'))).to.equal('OBJECT_NOT_FOUND')
      expect(await codeOf(content(objects, 'empty', 'x.csv'))).to.equal('OBJECT_NOT_FOUND')
      const error = await content(objects, 'empty', 'a/x.csv').then(
        () => undefined,
        (fault: unknown) => fault as Error,
      )
      expect(error?.message).to.contain('empty').and.contain('a/x.csv')
    }),
  )

  it(
    'refuses to mix an object with the one that replaced it, also one of the same size',
    inStore(async ({ objects, put }) => {
      await put('reports', 'a.csv', Buffer.from('first'))
      const [before] = await listed(objects.list(store, 'reports', 'a.csv'))
      expect((await content(objects, 'reports', 'a.csv', { etag: before?.etag })).toString()).to.equal('first')
      await put('reports', 'a.csv', Buffer.from('other'))
      expect(await codeOf(content(objects, 'reports', 'a.csv', { etag: before?.etag }))).to.equal('OBJECT_CHANGED')
      const [after] = await listed(objects.list(store, 'reports', 'a.csv'))
      expect((await content(objects, 'reports', 'a.csv', { etag: after?.etag })).toString()).to.equal('other')
    }),
  )

  it(
    'gives the old bytes or an error when an object is replaced in the middle of reading, never a mixture or less',
    inStore(async ({ objects, put }) => {
      for (const size of [100, 8_000_000]) {
        const old = Buffer.alloc(8_000_000, 'a')
        await put('reports', 'a.csv', old)
        const stream = await objects.read(store, 'reports', 'a.csv')
        let code = 'fine'
        const chunks: Buffer[] = []
        try {
          for await (const chunk of stream) {
            if (chunks.length === 0) await put('reports', 'a.csv', Buffer.alloc(size, 'b'))
            chunks.push(chunk as Buffer)
          }
        } catch (error) {
          code = error instanceof AppError ? error.code : String(error)
        }
        if (code === 'fine') expect(Buffer.concat(chunks).equals(old)).to.equal(true)
        else expect(code).to.equal('OBJECT_CHANGED')
      }
    }),
  )

  if (!lacks.includes('a wire'))
    for (const [what, byte, cut_after] of [
      ['changed', 700_123, undefined],
      ['changed in its last byte', 999_999, undefined],
      ['changed before it was continued', 12, 400_000],
      ['changed after it was continued', 900_000, 400_000],
    ] as const)
      it(
        `ends a stream that ${what} on its way with an error`,
        inStore(async ({ objects, put, damage }) => {
          await put('reports', 'a.csv', Buffer.alloc(1_000_000, '0123456789\n'))
          expect(await content(objects, 'reports', 'a.csv')).to.have.length(1_000_000)
          damage?.(byte, cut_after)
          const fault = await content(objects, 'reports', 'a.csv').then(
            () => undefined,
            (error: unknown) => error,
          )
          expect(fault, 'the changed bytes were taken for the object').to.be.instanceOf(AppError)
          expect((fault as AppError).code).to.equal('SOURCE_UNAVAILABLE')
          expect((fault as AppError).message)
            .to.contain('reports')
            .and.contain('a.csv')
            .and.contain('checksum')
        }),
      )

  it(
    'ends a stream with an error when its signal aborts',
    inStore(async ({ objects, put }) => {
      await put('reports', 'a.csv', Buffer.alloc(8_000_000, 'a'))
      const stop = new AbortController()
      const stream = await objects.read(store, 'reports', 'a.csv', { signal: stop.signal })
      let chunks = 0
      const outcome = await (async () => {
        for await (const chunk of stream) {
          chunks += (chunk as Buffer).length
          stop.abort(new Error('stopped'))
        }
      })().then(
        () => 'fine',
        () => 'error',
      )
      expect(outcome).to.equal('error')
      expect(chunks).to.be.lessThan(8_000_000)
    }),
  )

  it(
    'reads no further than its reader',
    inStore(async ({ objects, put }) => {
      await put('reports', 'a.csv', Buffer.alloc(8_000_000, 'a'))
      const stream = await objects.read(store, 'reports', 'a.csv')
      for await (const chunk of stream) {
        expect((chunk as Buffer).length).to.be.lessThan(4_000_001)
        break
      }
      expect(stream.destroyed).to.equal(true)
    }),
  )

  it(
    'never reads outside the bucket',
    inStore(async ({ objects, put }) => {
      await put('reports', 'a.csv', Buffer.from('x'))
      await put('other', 'a.csv', Buffer.from('y'))
      for (const key of [
        '../other/a.csv',
        'b/../../other/a.csv',
        './a.csv',
        '/etc/passwd',
        'a.csv\0b',
        '..',
        '.',
        '',
        'a.csv/',
      ])
        expect(await codeOf(content(objects, 'reports', key)), key).to.equal('OBJECT_NOT_FOUND')
      for (const bucket of ['..', '../s3', '.', '/etc', 'A', 'reports/..', 'a\0b', '']) {
        expect(await codeOf(content(objects, bucket, 'a.csv')), bucket).to.equal('OBJECT_NOT_FOUND')
        expect(await codeOf(listed(objects.list(store, bucket, ''))), bucket).to.equal('OBJECT_NOT_FOUND')
      }
    }),
  )
}
