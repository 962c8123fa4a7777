/**
 * The warehouse's door over Google's client, with a proxy between client and wire that loses requests on their way and
 * answers on theirs: every effect once, every commit one winner. The faults come from a seed; which request meets which
 * also depends on the order of arrival.
 */
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { AppError } from '@convergence/contracts'
import { openBigQueryFront } from '../src/front.ts'
import { openEngine } from '../src/engine.ts'
import { openWarehouse } from '@convergence/warehouse'
import type { Chain, JobSpec, Warehouse } from '@convergence/warehouse'
import { openBigQuery } from '@convergence/warehouse/google'

const seeded = (seed: number) => () => {
  seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
  return seed / 2 ** 31
}
interface Faults {
  lost: number
  executed: number
  duplicated: number
}
/** Forwards to `port`; each fault is a part of all requests. */
const startProxy = async (port: number, { lost, executed, duplicated }: Faults, random: () => number) => {
  const met = { lost: 0, executed: 0, duplicated: 0 }
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
    })
    incoming.on('error', () => undefined)
    incoming.on('end', () => {
      const forward = (answer: boolean): void => {
        const upstream = request(
          {
            host: '127.0.0.1',
            port,
            method: incoming.method,
            path: incoming.url,
            headers: { ...incoming.headers, host: `127.0.0.1:${port}` },
          },
          (response) => {
            if (!answer) {
              response.resume()
              response.on('end', () => {
                incoming.socket.destroy()
              })
              return
            }
            outgoing.writeHead(response.statusCode ?? 500, response.headers)
            response.pipe(outgoing)
          },
        )
        upstream.on('error', () => {
          incoming.socket.destroy()
        })
        upstream.end(Buffer.concat(chunks))
      }
      const dice = random()
      if (dice < lost) {
        met.lost += 1
        incoming.socket.destroy()
        return
      }
      const cut = dice < lost + executed
      if (cut) met.executed += 1
      if (dice > 1 - duplicated && incoming.method === 'POST') {
        // A network that delivers twice: the second one late, and nobody waits for its answer.
        met.duplicated += 1
        const late = request(
          {
            host: '127.0.0.1',
            port,
            method: incoming.method,
            path: incoming.url,
            headers: { ...incoming.headers, host: `127.0.0.1:${port}` },
          },
          (response) => {
            response.resume()
          },
        )
        late.on('error', () => undefined)
        late.end(Buffer.concat(chunks))
      }
      forward(!cut)
    })
  })
  await new Promise<void>((listening) => {
    server.listen(0, '127.0.0.1', listening)
  })
  return {
    port: (server.address() as AddressInfo).port,
    met,
    close: async () => {
      server.closeAllConnections()
      await new Promise((done) => {
        server.close(done)
      })
    },
  }
}

const setup = async (
  faults: Faults,
  work: (world: { honest: Warehouse; walkers: Warehouse[]; met: Faults; folder: string }) => Promise<void>,
): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), 'convergence-faults-'))
  const engine = await openEngine({ folder, project_id: 'local' })
  const front = await openBigQueryFront({ engine, host: '127.0.0.1', port: 0 })
  const proxy = await startProxy(front.port, faults, seeded(7))
  const through = (port: number) =>
    openWarehouse({
      engine: openBigQuery({
        project_id: 'local',
        location: 'EU',
        api_endpoint: `http://127.0.0.1:${port}`,
        request_retries: 0,
      }),
      random: () => 0.5,
      sleep: () =>
        new Promise((resolve) => {
          setImmediate(resolve)
        }),
    })
  const honest = through(front.port)
  const walkers = [through(proxy.port), through(proxy.port)]
  try {
    await honest.ensureDataset('tenants')
    await honest.ensureDataset('acme')
    await honest.ensureTable({ dataset: 'acme', table: 'costs', columns: [{ name: 'n', type: 'INT64' }] })
    await honest.ensureTable({
      dataset: 'tenants',
      table: 'log',
      columns: [
        { name: 'seq', type: 'INT64' },
        { name: 'who', type: 'STRING' },
      ],
    })
    await work({ honest, walkers, met: proxy.met, folder })
  } finally {
    await Promise.all([honest, ...walkers].map((one) => one.close()))
    await proxy.close()
    await front.close()
    await engine.close()
    rmSync(folder, { recursive: true, force: true })
  }
}
/** What the bus does with a message whose handler failed. */
const redelivered = async <T>(work: () => Promise<T>): Promise<T> => {
  for (let k = 1; ; k++) {
    try {
      return await work()
    } catch (error) {
      if (k >= 20 || (error instanceof AppError && error.code !== 'UNAVAILABLE')) throw error
    }
  }
}

describe('warehouse over a wire that loses and doubles', function () {
  this.timeout(30_000)

  it('appends of two walkers of each chain have their effect once, by query and by file', () =>
    setup({ lost: 0.08, executed: 0.12, duplicated: 0.1 }, async ({ honest, walkers, met, folder }) => {
      const path = join(folder, 'a.csv')
      writeFileSync(path, 'N\n1000\n')
      const chain = (step_id: string): Chain => ({
        run_id: 'r_faults',
        step_id,
        max_retries: 0,
        retry_delay_seconds: 0,
        tenant_id: 'acme',
      })
      const destination = { project_id: 'local', dataset: 'acme', table: 'costs', write_mode: 'append' } as const
      const specs: JobSpec[] = Array.from({ length: 16 }, (_, k): JobSpec =>
        k % 4 === 3
          ? {
              kind: 'load',
              format: 'csv',
              files: [{ path, name: 'a.csv' }],
              columns: [{ name: 'n', type: 'INT64', source: 'N' }],
              destination,
            }
          : { kind: 'query', query: `SELECT ${k} AS n`, destination },
      )
      for (const [k, spec] of specs.entries()) {
        const [one, other] = await Promise.all(
          walkers.map((walker) => redelivered(() => walker.runJob(chain(`s${k}`), spec))),
        )
        expect([one?.rows_written, other?.rows_written, one?.attempt, other?.attempt]).to.deep.equal([1, 1, 0, 0])
      }
      const rows = await honest.query({ query: 'SELECT n FROM costs ORDER BY n', default_dataset: 'acme' })
      expect(rows.map(({ n }) => n)).to.deep.equal([0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 1000, 1000, 1000, 1000])
      expect(met.lost * met.executed * met.duplicated, JSON.stringify(met)).to.be.greaterThan(0)
    }))
  it('each number of a log has one winner, and both writers know who it is', () =>
    setup({ lost: 0.1, executed: 0.15, duplicated: 0.1 }, async ({ honest, walkers }) => {
      const winners: string[] = []
      for (let seq = 0; seq < 25; seq++) {
        const ends = await Promise.all(
          walkers.map((walker, k) =>
            redelivered(() => walker.commit('log', { epoch: 'e', shard: 0, seq }, [{ seq, who: `w${k}` }])),
          ),
        )
        expect([...ends].sort()).to.deep.equal(['conflict', 'mine'])
        winners.push(`${seq} w${ends.indexOf('mine')}`)
      }
      const rows = await honest.query({ query: 'SELECT seq, who FROM log ORDER BY seq', default_dataset: 'tenants' })
      expect(rows.map(({ seq, who }) => `${String(seq)} ${String(who)}`)).to.deep.equal(winners)
    }))
})
