import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { expect } from 'chai'
import { AppError } from '@convergence/contracts'
import type { Objects } from '@convergence/objects'
import { openRoom, type RoomOptions } from '../../src/exports/room.ts'
import { openSpool } from '../../src/exports/spool.ts'
import { codeOf, errorOf } from '../fakes.ts'
import {
  awsFolder,
  awsHeader,
  awsLine,
  awsManifest,
  azureFolder,
  azureHeader,
  azureLine,
  azureManifest,
  csvOf,
  inWorld,
} from './world.ts'

const never = new AbortController().signal
/** Whether it has happened by now. */
const settled = async (promise: Promise<unknown>): Promise<boolean> => {
  let is = false
  const on = () => {
    is = true
  }
  promise.then(on, on)
  await turn()
  return is
}

describe('room in the scratch folder', () => {
  it('is given to who asked first, as soon as there is space', async () => {
    const room = openRoom({ scratch_bytes: 10 })
    const [first, second] = [await room.enter(6, never), await room.enter(4, never)]
    const [large, small] = [room.enter(9, never), room.enter(1, never)]
    second.leave()
    expect(await settled(small), 'a small one does not pass a large one').to.equal(false)
    first.leave()
    first.leave()
    const inside = await large
    expect(await settled(small)).to.equal(true)
    inside.leave()
    expect(await codeOf(room.enter(11, never))).to.equal('RESOURCE_EXHAUSTED')
  })

  it('is for four deliveries at a time', async () => {
    const room = openRoom()
    const places = await Promise.all([1, 2, 3, 4].map((bytes) => room.enter(bytes, never)))
    const fifth = room.enter(1, never)
    expect(await settled(fifth)).to.equal(false)
    places[2]?.leave()
    expect(await settled(fifth)).to.equal(true)
  })

  it('is waited for until the signal aborts, and nobody stands behind who left', async () => {
    const room = openRoom({ scratch_bytes: 10 })
    const first = await room.enter(5, never)
    const stop = new AbortController()
    const [large, small] = [room.enter(10, stop.signal), room.enter(5, never)]
    expect(await settled(small)).to.equal(false)
    stop.abort(new AppError('CANCELLED', 'stop'))
    expect(await codeOf(large)).to.equal('CANCELLED')
    expect(await settled(small)).to.equal(true)
    expect(await codeOf(room.enter(1, stop.signal))).to.equal('CANCELLED')
    first.leave()
  })

  it('does not become free of files that stay', async () => {
    const room = openRoom({ scratch_bytes: 10, deliveries: 1 })
    ;(await room.enter(6, never)).leave({ stays: true })
    expect(await settled(room.enter(5, never))).to.equal(false)
    const other = openRoom({ scratch_bytes: 10 })
    ;(await other.enter(6, never)).leave({ stays: true })
    const beside = await other.enter(4, never)
    expect(() => {
      beside.grow(1)
    })
      .to.throw(AppError)
      .with.property('code', 'DISK_FULL')
  })
})

describe('the scratch folder of many loads', () => {
  const setup = (options: RoomOptions) => {
    const folder = mkdtempSync(join(tmpdir(), 'convergence-room-'))
    const packed = gzipSync(`a,b\n${'1,2\n'.repeat(1000)}`)
    const content: Record<string, Buffer> = {
      'plain.csv': Buffer.from(`a,b\n${'1,2\n'.repeat(24)}`),
      'packed.csv.gz': packed,
    }
    const objects: Objects = {
      list: async function* () {
        /* nothing asks */
      },
      read: async (_store, _bucket, key) => Readable.from([content[key]]),
      close: async () => undefined,
    }
    const spool = openSpool({ objects, scratch_folder: folder, room: openRoom(options) })
    return {
      packed: packed.length,
      names: () => readdirSync(folder),
      run: async (
        key: string,
        { signal = never, work = async () => undefined }: { signal?: AbortSignal; work?: () => Promise<unknown> } = {},
      ) =>
        spool.with({
          store: 's3',
          bucket: 'b',
          files: [{ key, size_bytes: content[key]?.length ?? 0, etag: 'e', modified_at: '' }],
          signal,
          work,
        }),
      end: () => {
        rmSync(folder, { recursive: true })
      },
    }
  }
  /** A load that has its files and goes on until it is let. */
  const holding = async ({ run }: ReturnType<typeof setup>, key: string): Promise<() => Promise<unknown>> => {
    const { promise: until, resolve: let_go } = Promise.withResolvers<undefined>()
    const { promise: there, resolve: arrived } = Promise.withResolvers<undefined>()
    const load = run(key, {
      work: async () => {
        arrived(undefined)
        await until
      },
    })
    await Promise.race([there, load])
    return async () => {
      let_go(undefined)
      return load
    }
  }

  it('refuses what is larger than all of it, naming how large it is and the setting', async () => {
    const world = setup({ scratch_bytes: 99 })
    const error = await errorOf(world.run('plain.csv'))
    expect(error.code).to.equal('RESOURCE_EXHAUSTED')
    expect(error.message).to.contain('takes 100 bytes').and.contain('may hold 99 bytes (SCRATCH_GIB)')
    expect(world.names()).to.deep.equal([])
    world.end()
  })

  it('lets a load wait for another that holds the space, and take it afterwards', async () => {
    const world = setup({ scratch_bytes: 150 })
    const release = await holding(world, 'plain.csv')
    const second = world.run('plain.csv')
    const stop = new AbortController()
    const third = world.run('plain.csv', { signal: stop.signal })
    expect(await settled(second)).to.equal(false)
    expect(world.names()).to.have.length(1)
    stop.abort(new AppError('TIMED_OUT', 'late'))
    expect(await codeOf(third)).to.equal('TIMED_OUT')
    await release()
    await second
    expect(
      await codeOf(
        world.run('plain.csv', {
          work: async () => {
            throw new AppError('EXPORT_INVALID', 'no')
          },
        }),
      ),
    ).to.equal('EXPORT_INVALID')
    await world.run('plain.csv')
    expect(world.names()).to.deep.equal([])
    world.end()
  })

  it('names what grows beyond it while unpacked: to be tried again beside others, not when it is alone', async () => {
    const world = setup({ scratch_bytes: 4000 })
    const release = await holding(world, 'plain.csv')
    const beside = await errorOf(world.run('packed.csv.gz'))
    expect(beside.code).to.equal('DISK_FULL')
    expect(beside.message).to.contain('4004 bytes').and.contain('others hold 100 bytes of 4000 bytes (SCRATCH_GIB)')
    await release()
    const alone = await errorOf(world.run('packed.csv.gz'))
    expect(alone.code).to.equal('RESOURCE_EXHAUSTED')
    expect(alone.message).to.contain('4004 bytes and more').and.contain('SCRATCH_GIB')
    expect(world.names()).to.deep.equal([])
    const enough = setup({ scratch_bytes: 4004 })
    for (const _round of [1, 2, 3]) await enough.run('packed.csv.gz')
    enough.end()
    world.end()
  })

  it(
    'is one for the loaders of AWS and of Azure',
    inWorld(async (world) => {
      const room = openRoom({ scratch_bytes: 1000 })
      world.put('s3', 'acme-cur', `${awsFolder}/daily-1.csv`, csvOf(awsHeader, [awsLine('1')]))
      world.put('s3', 'acme-cur', `${awsFolder}/daily-Manifest.json`, awsManifest([`${awsFolder}/daily-1.csv`]))
      world.put('azure', 'acme-exports', `${azureFolder}/r/part_0.csv`, csvOf(azureHeader, [azureLine('1')]))
      world.put(
        'azure',
        'acme-exports',
        `${azureFolder}/r/manifest.json`,
        azureManifest([`${azureFolder}/r/part_0.csv`]),
      )
      const other = await room.enter(900, never)
      const loads = [
        world.load(
          'aws',
          { s3_bucket: 'acme-cur', s3_prefix: 'cur', report_name: 'daily', month: '2025-11' },
          { deps: { room } },
        ),
        world.load('azure', { container: 'acme-exports', prefix: 'cost/daily', month: '2025-11' }, { deps: { room } }),
      ]
      expect(
        await Promise.race([
          ...loads,
          new Promise((resolve) => {
            setTimeout(resolve, 200, 'both wait')
          }),
        ]),
      ).to.equal('both wait')
      other.leave()
      expect((await Promise.all(loads)).map(({ rows_written }) => rows_written)).to.deep.equal([1, 1])
    }),
  ).timeout(20_000)
})
