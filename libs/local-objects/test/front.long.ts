import { EventEmitter } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { AppError } from '@convergence/contracts'
import { openBuckets } from '../src/buckets.ts'
import { openStoreFront, type StoreFrontOptions } from '../src/front.ts'
import type { Store } from '@convergence/objects'
import { openClouds, type CloudsOptions } from '@convergence/objects/clouds'
import { listed, objectsConformance } from '@convergence/objects/conformance'

// No metadata server is looked for on a machine that has none.
process.env['METADATA_SERVER_DETECTION'] = 'none'
const secret = 'canary/secret+key=='
const settingsOf = (store: Store, port: number): CloudsOptions => ({
  pause_ms: 1,
  ...(store === 's3'
    ? {
        s3: {
          region: 'eu-west-1',
          endpoint: `http://127.0.0.1:${port}`,
          credentials: { accessKeyId: 'AKIATEST', secretAccessKey: secret },
        },
      }
    : store === 'azure'
      ? {
          azure: {
            connection_string: `DefaultEndpointsProtocol=http;AccountName=account;AccountKey=${Buffer.from(secret).toString('base64')};BlobEndpoint=http://127.0.0.1:${port}/account;`,
          },
        }
      : { gcs: { project_id: 'local-convergence', endpoint: `http://127.0.0.1:${port}` } }),
})
const setup = async (
  store: Store,
  fault?: StoreFrontOptions['fault'],
  s3_checksum?: StoreFrontOptions['s3_checksum'],
) => {
  const folder = mkdtempSync(join(tmpdir(), 'convergence-stores-'))
  const buckets = openBuckets({ folder })
  let damaged: { cut_after?: number; flip_at?: number } | undefined
  const front = await openStoreFront({
    store,
    objects: buckets,
    port: 0,
    fault: fault ?? (() => damaged),
    ...(s3_checksum === undefined ? {} : { s3_checksum }),
  })
  const warned: object[] = []
  const objects = openClouds({ ...settingsOf(store, front.port), log: { warn: (fields) => warned.push(fields) } })
  const makeBucket = async (bucket: string) => {
    await mkdir(join(folder, store, bucket), { recursive: true })
  }
  return {
    objects,
    warned,
    makeBucket,
    damage: (flip_at: number, cut_after?: number) => {
      damaged = { flip_at, ...(cut_after === undefined ? {} : { cut_after }) }
    },
    /** As a store does: the whole object at once. */
    put: async (bucket: string, key: string, content: Buffer) => {
      const path = join(folder, store, bucket, key)
      await mkdir(dirname(path), { recursive: true })
      const aside = join(folder, `put-${Math.random()}`)
      await writeFile(aside, content)
      await rename(aside, path)
    },
    read: async (bucket: string, key: string, etag?: string) => {
      const chunks: Buffer[] = []
      for await (const chunk of await objects.read(store, bucket, key, etag === undefined ? {} : { etag }))
        chunks.push(chunk as Buffer)
      return Buffer.concat(chunks)
    },
    end: async () => {
      await objects.close()
      await front.close()
      await buckets.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
type World = Awaited<ReturnType<typeof setup>>
const faultOf = (work: Promise<unknown>): Promise<AppError> =>
  work.then(
    () => {
      throw new Error('expected an error')
    },
    (error: unknown) => {
      if (error instanceof AppError) return error
      throw error
    },
  )

for (const store of ['s3', 'azure', 'gcs'] as const) {
  describe(`objects: the vendor's client of ${store} over HTTP`, function () {
    this.timeout(60_000)
    // Google's HTTP client adds its listeners again with each read of a stream (teeny-request): harmless, and Node
    // would say so each time.
    const usual = EventEmitter.defaultMaxListeners
    before(() => {
      if (store === 'gcs') EventEmitter.defaultMaxListeners = 1_000
    })
    after(() => {
      EventEmitter.defaultMaxListeners = usual
    })
    objectsConformance({ store, open: async () => setup(store) })

    const inWorld = (fault: StoreFrontOptions['fault'], body: (world: World) => Promise<void>) => async () => {
      const world = await setup(store, fault)
      try {
        await body(world)
      } finally {
        await world.end()
      }
    }
    const bytes = Buffer.from(Array.from({ length: 1_000_000 }, (_, at) => (at * 31 + (at >> 8)) % 256))

    let cuts = 0
    it(
      'goes on where a download was cut, again and again, and loses and doubles no byte',
      inWorld(
        ({ range }) => {
          // Each connection is good for some 300,000 bytes, however it began.
          if (range === 0 && cuts === 0) cuts = 1
          return { cut_after: 300_001 }
        },
        async ({ put, read, warned }) => {
          await put('reports', 'a.bin', bytes)
          expect((await read('reports', 'a.bin')).equals(bytes)).to.equal(true)
          expect(warned.length).to.be.at.least(3)
        },
      ),
    )
    it(
      'gives up a download that gives no byte any more, and says so',
      inWorld(
        ({ range }) => ({ cut_after: range === 0 ? 1_000 : 0 }),
        async ({ put, read }) => {
          await put('reports', 'a.bin', bytes)
          const fault = await faultOf(read('reports', 'a.bin'))
          expect(fault.code).to.equal('SOURCE_UNAVAILABLE')
          expect(fault.message).to.contain('reports').and.contain('a.bin')
        },
      ),
    )
    it('tells an object that was replaced between two parts of a download, and mixes nothing', async () => {
      let world: World | undefined
      let replaced = false
      await inWorld(
        ({ range }) => {
          if (range === 0) return { cut_after: 300_000 }
          return undefined
        },
        async (opened) => {
          world = opened
          await opened.put('reports', 'a.bin', bytes)
          const stream = await opened.objects.read(store, 'reports', 'a.bin')
          const fault = await faultOf(
            (async () => {
              for await (const _ of stream) {
                if (replaced) continue
                replaced = true
                await world?.put('reports', 'a.bin', Buffer.alloc(bytes.length, 7))
              }
            })(),
          )
          expect(fault.code).to.equal('OBJECT_CHANGED')
        },
      )()
    })
    let refusals = 0
    it('asks again when the store is busy, a few times, not for ever', async () => {
      refusals = 0
      await inWorld(
        () => {
          refusals += 1
          return refusals <= 3 ? { status: 503 } : undefined
        },
        async ({ put, read }) => {
          await put('reports', 'a.bin', Buffer.from('x'))
          expect((await read('reports', 'a.bin')).toString()).to.equal('x')
        },
      )()
      refusals = 0
      await inWorld(
        () => {
          refusals += 1
          return { status: 503 }
        },
        async ({ objects }) => {
          expect((await faultOf(listed(objects.list(store, 'reports', '')))).code).to.equal('SOURCE_UNAVAILABLE')
          expect(refusals).to.equal(4)
        },
      )()
    })
    it(
      "says whose right is missing when reading is refused, with the vendor's word and without a key",
      inWorld(
        () => ({ status: 403 }),
        async ({ put, objects, read }) => {
          await put('reports', 'a.bin', Buffer.from('x'))
          for (const fault of [
            await faultOf(listed(objects.list(store, 'reports', ''))),
            await faultOf(read('reports', 'a.bin')),
          ]) {
            expect(fault.code).to.equal('SETTING_INVALID')
            expect(fault.message).to.contain('403').and.contain('reports').and.contain('right')
            expect(fault.message).to.not.contain('canary').and.not.contain('AKIATEST')
          }
        },
      ),
    )
    it(
      'holds a small part of a large object in memory',
      inWorld(undefined, async ({ put, objects }) => {
        const size = 96 * 2 ** 20
        await put('reports', 'large.bin', Buffer.alloc(size, 1))
        globalThis.gc?.()
        const before = process.memoryUsage.rss()
        let [seen, most] = [0, 0]
        for await (const chunk of await objects.read(store, 'reports', 'large.bin')) {
          seen += (chunk as Buffer).length
          most = Math.max(most, process.memoryUsage.rss() - before)
        }
        expect(seen).to.equal(size)
        expect(most).to.be.below(size * 0.9)
      }),
    )
  })
}

describe('objects: the checksum of an object in S3', function () {
  this.timeout(60_000)
  const content = Buffer.from('000000000042,1.50\n'.repeat(20_000))
  const outcome = async (s3_checksum: StoreFrontOptions['s3_checksum'], byte: number | undefined) => {
    const { put, read, damage, end } = await setup('s3', undefined, s3_checksum)
    try {
      await put('reports', 'a.csv', content)
      if (byte !== undefined) damage(byte)
      return (await read('reports', 'a.csv')).equals(content) ? 'same' : 'other'
    } catch (error) {
      return error instanceof AppError ? error.code : String(error)
    } finally {
      await end()
    }
  }
  for (const kind of ['crc32', 'crc32c', 'crc64nvme', 'sha1', 'sha256', 'etag'] as const)
    it(`tells a changed bit by ${kind === 'etag' ? 'the ETag of an older upload, which is an MD5' : kind}`, async () => {
      expect(await outcome(kind, undefined)).to.equal('same')
      expect(await outcome(kind, 15)).to.equal('SOURCE_UNAVAILABLE')
    })
  it('of an upload in parts is none of the whole: its length alone is checked', async () => {
    expect(await outcome('composite', undefined)).to.equal('same')
    expect(await outcome('composite', 15)).to.equal('other')
    expect(await outcome('none', undefined)).to.equal('same')
  })
})

describe('objects: clouds', () => {
  it('name the setting that is missing when a store is asked that was not set up', async () => {
    const objects = openClouds({})
    for (const [store, setting] of [
      ['s3', 'AWS_REGION'],
      ['azure', 'AZURE_STORAGE_CONNECTION_STRING'],
      ['gcs', 'GCP_PROJECT_ID'],
    ] as const) {
      const fault = await faultOf(listed(objects.list(store, 'reports', '')))
      expect([fault.code, fault.message.includes(setting)], store).to.deep.equal(['SETTING_INVALID', true])
    }
    await objects.close()
  })
  it('say that S3 is refused, and not that it is away, when no credentials are found', async function () {
    this.timeout(20_000)
    const names = Object.keys(process.env).filter((name) => name.startsWith('AWS_'))
    const before = Object.fromEntries(names.map((name) => [name, process.env[name]]))
    for (const name of names) Reflect.deleteProperty(process.env, name)
    const none = join(tmpdir(), 'convergence-no-such-file')
    Object.assign(process.env, {
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_SHARED_CREDENTIALS_FILE: none,
      AWS_CONFIG_FILE: none,
    })
    try {
      const objects = openClouds({ s3: { region: 'eu-west-1', endpoint: 'http://127.0.0.1:9' }, pause_ms: 1 })
      const fault = await faultOf(listed(objects.list('s3', 'reports', '')))
      expect([
        fault.code,
        fault.message.includes('CredentialsProviderError'),
        fault.message.includes('right'),
      ]).to.deep.equal(['SETTING_INVALID', true, true])
      await objects.close()
    } finally {
      for (const name of ['AWS_EC2_METADATA_DISABLED', 'AWS_SHARED_CREDENTIALS_FILE', 'AWS_CONFIG_FILE'])
        Reflect.deleteProperty(process.env, name)
      Object.assign(process.env, before)
    }
  })
})
