import { once } from 'node:events'
import { createServer, get, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { AppError } from '@convergence/contracts'
import { expect } from 'chai'
import { openDoor } from '../src/http.ts'
import { defaultLimits, openLimits } from '../src/limits.ts'
import type { Keys } from '../src/principal.ts'
import type { Answer, Route } from '../src/route.ts'
import { openTurns } from '../src/turns.ts'
import { inWorld } from './fakes.ts'

const codeOf = (error: unknown) => (error as AppError).code

/** The door alone with one route; its handler has the response in hand. */
const withDoor = async (
  handle: (response: ServerResponse) => Answer | Promise<Answer>,
  work: (url: string, turns: ReturnType<typeof openTurns>) => Promise<void>,
): Promise<void> => {
  const responses: ServerResponse[] = []
  const route: Route = {
    method: 'GET',
    path: '/x',
    summary: 'x',
    scope: 'pipelines:read',
    tenant: 'own',
    rate: 'read',
    answers: [200],
    handle: () => handle(responses.shift()!),
  }
  const turns = openTurns()
  const now = () => new Date(0)
  const nothing = () => undefined
  const log = { debug: nothing, info: nothing, warn: nothing, error: nothing, child: () => log }
  const app = openDoor({
    routes: [route],
    keys: {} as Keys,
    limits: openLimits({ limits: defaultLimits, now }),
    turns,
    log,
    now,
    admin_key_hashes: [],
    local_mode: true,
    disable_auth: true,
    cors_origins: [],
    trusted_proxies: 0,
    findRun: async () => undefined,
    isTenant: async () => true,
    closing: new AbortController().signal,
    audit: async () => undefined,
  })
  const answer = app.callback()
  const server = createServer((request, response) => {
    responses.push(response)
    void answer(request, response)
  }).listen(0, '127.0.0.1')
  try {
    await once(server, 'listening')
    await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}/x`, turns)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

describe('what a tenant has going on at a time', () => {
  it('ends with a caller who left while its event stream was being opened', async () => {
    let heard = (_ended: boolean): void => undefined
    const told = new Promise<boolean>((resolve) => {
      heard = resolve
    })
    let leave = (): void => undefined
    await withDoor(
      async (response) => {
        const left = once(response, 'close')
        leave()
        await left
        return {
          status: 200,
          stream: async ({ signal }) => {
            heard(signal.aborted)
          },
        }
      },
      async (url) => {
        const asked = get(url)
        asked.on('error', () => undefined)
        leave = () => {
          asked.destroy()
        }
        expect(await told).to.equal(true)
      },
    )
  })

  it('is a read until the last part of it was made, or its caller left', async () => {
    const opened: (() => void)[] = []
    const ended: string[] = []
    await withDoor(
      () => ({
        status: 200,
        parts: {
          type: 'text/plain',
          parts: (async function* () {
            try {
              yield 'first'
              await new Promise<void>((resolve) => opened.push(resolve))
              yield 'last'
              ended.push('whole')
            } finally {
              ended.push('over')
            }
          })(),
        },
      }),
      async (url, turns) => {
        const gone = new AbortController()
        const answers = await Promise.all(
          Array.from({ length: 8 }, (_, n) => fetch(url, n === 0 ? { signal: gone.signal } : {})),
        )
        const seen: string[] = []
        const others = ['a', 'b'].map((name) => turns.read('dev', () => seen.push(name)))
        while (opened.length < 8) await new Promise((resolve) => setImmediate(resolve))
        expect(seen).to.deep.equal([])
        gone.abort()
        for (const go of opened) go()
        expect(await Promise.all(answers.slice(1).map((each) => each.text()))).to.deep.equal(
          Array.from({ length: 7 }, () => 'firstlast'),
        )
        await Promise.all(others)
        expect(seen).to.deep.equal(['a', 'b'])
        while (ended.filter((how) => how === 'over').length < 8) await new Promise((resolve) => setImmediate(resolve))
        // All eight turns are free again.
        const ends: (() => void)[] = []
        const all = Array.from({ length: 8 }, () =>
          turns.read('dev', () => new Promise<void>((resolve) => ends.push(resolve))),
        )
        while (ends.length < 8) await new Promise((resolve) => setImmediate(resolve))
        for (const end of ends) end()
        await Promise.all(all)
      },
    )
  })

  it('hands the turn on once, whether its parts fail, are not wanted, or were never asked for', async () => {
    const turns = openTurns()
    for (const how of ['fail', 'end', 'leave', 'never']) {
      const readings = await Promise.all(
        Array.from({ length: 8 }, () =>
          turns.read('acme_corp', (keep) =>
            keep(
              (async function* () {
                yield 1
                if (how === 'fail') throw new Error('no')
              })(),
            ),
          ),
        ),
      )
      const begun: (() => void)[] = []
      const others = Array.from({ length: 2 }, () =>
        turns.read('acme_corp', () => new Promise<void>((resolve) => begun.push(resolve))),
      )
      await new Promise((resolve) => setImmediate(resolve))
      expect(begun, how).to.have.length(0)
      for (const [n, parts] of readings.entries()) {
        const given = parts[Symbol.asyncIterator]()
        if (how !== 'never') await given.next()
        if (how === 'fail') await given.next().catch(() => undefined)
        else if (how === 'end') await given.next()
        await given.return?.()
        await given.return?.()
        await new Promise((resolve) => setImmediate(resolve))
        expect(begun, how).to.have.length(Math.min(2, n + 1))
      }
      for (const end of begun) end()
      await Promise.all(others)
    }
  })

  it('has an end at the door: the 101st event stream is 429 with when to come again', () =>
    inWorld({}, async (world) => {
      world.addTenant('acme_corp')
      const key = world.addKey('acme_corp')
      const run = await world.call('POST', '/api/v1/pipelines/run/acme_corp/custom/bench/three_steps', {
        key,
        body: {},
      })
      const path = `/api/v1/pipelines/runs/${String(run.body['pipeline_logging_id'])}/events`
      const gone = new AbortController()
      const answers = await Promise.all(
        Array.from({ length: 101 }, () =>
          fetch(`${world.door.url}${path}`, { headers: { 'X-API-Key': key }, signal: gone.signal }),
        ),
      )
      const refused = answers.filter(({ status }) => status !== 200)
      expect(refused.map(({ status, headers }) => [status, headers.get('Retry-After')])).to.deep.equal([[429, '1']])
      gone.abort()
    }))

  it('is so many reads; the others wait in order, what is too much is refused, and nobody else waits for them', async () => {
    const turns = openTurns()
    const ends: (() => void)[] = []
    const begun: number[] = []
    const started = (n: number) =>
      turns.read('acme_corp', () => {
        begun.push(n)
        return new Promise<void>((resolve) => ends.push(resolve))
      })
    const all = Array.from({ length: 600 }, (_, n) =>
      started(n).then(
        () => 'done',
        (error: unknown) => codeOf(error),
      ),
    )
    await new Promise((resolve) => setImmediate(resolve))
    expect(begun).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7])
    expect(await turns.read('globex', () => 'at once')).to.equal('at once')
    for (let ended = 0; ended < 508; ended += 1) {
      while (ends.length === 0) await new Promise((resolve) => setImmediate(resolve))
      ends.shift()!()
    }
    const outcomes = await Promise.all(all)
    expect(outcomes.filter((outcome) => outcome === 'done')).to.have.length(508)
    expect(outcomes.slice(508)).to.deep.equal(Array.from({ length: 92 }, () => 'RATE_LIMITED'))
    expect(begun).to.deep.equal(Array.from({ length: 508 }, (_, n) => n))
  })

  it('gives a turn on also when the work fails', async () => {
    const turns = openTurns()
    const failing = Array.from({ length: 40 }, () =>
      turns.read('acme_corp', () => Promise.reject(new Error('no'))).catch((error: unknown) => String(error)),
    )
    expect(new Set(await Promise.all(failing))).to.deep.equal(new Set(['Error: no']))
    expect(await turns.read('acme_corp', () => 'yes')).to.equal('yes')
  })

  it('is a hundred event streams; one more is refused until one ends', async () => {
    const turns = openTurns()
    const ends: (() => void)[] = []
    const open = () => turns.stream('acme_corp', () => new Promise<void>((resolve) => ends.push(resolve)))()
    const streams = Array.from({ length: 100 }, open)
    expect(() => turns.stream('acme_corp', async () => undefined))
      .to.throw(AppError)
      .with.property('code', 'RATE_LIMITED')
    await turns.stream('globex', async () => undefined)()
    ends[0]!()
    await streams[0]
    void open()
    expect(ends).to.have.length(101)
  })
})
