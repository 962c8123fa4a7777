import { AppError } from '@convergence/contracts'
import { expect } from 'chai'
import { openTurns } from '../src/turns.ts'
import { inWorld } from './fakes.ts'

const codeOf = (error: unknown) => (error as AppError).code

describe('what a tenant has going on at a time', () => {
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
