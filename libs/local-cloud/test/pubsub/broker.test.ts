import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import fc from 'fast-check'
import { busConformance } from '@convergence/bus/conformance'
import type { PortMessage } from '@convergence/bus'
import { openBroker, type Broker } from '@convergence/local-cloud/pubsub'
import { AppError } from '@convergence/contracts'
import { parseFilter } from '../../src/pubsub/filter.ts'

const inFolder = async (body: (file: string) => Promise<void>) => {
  const folder = mkdtempSync(join(tmpdir(), 'convergence-broker-'))
  try {
    await body(join(folder, 'pubsub.db'))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
/** Everything that a subscription delivers until `count` messages have come. */
const take = (broker: Broker, subscription: string, count: number, each: (message: PortMessage) => void = (message) => { void broker.ack(message.ack_id) }): Promise<PortMessage[]> =>
  new Promise((resolve) => {
    const messages: PortMessage[] = []
    const reader = broker.subscribe(subscription, { max_outstanding: 1000, max_extension_ms: 60_000 }, (message) => {
      messages.push(message)
      each(message)
      if (messages.length === count) {
        reader.close()
        resolve(messages)
      }
    })
  })
const text = ({ data }: PortMessage) => Buffer.from(data).toString()

describe('bus, embedded engine', () => {
  busConformance({
    open: async () => {
      const folder = mkdtempSync(join(tmpdir(), 'convergence-bus-'))
      const port = await openBroker({ file: join(folder, 'pubsub.db') })
      return { port, end: async () => { await port.close(); rmSync(folder, { recursive: true, force: true }) } }
    },
  })
})

describe('broker', () => {
  it('keeps what was not acknowledged across a restart, with its attempt counted, and nothing else', () => inFolder(async (file) => {
    const before = await openBroker({ file })
    await before.ensureTopic('orders')
    await before.ensureSubscription('reader', { topic: 'orders' })
    await before.publish(['a', 'b', 'c'].map((body) => ({ topic: 'orders', data: Buffer.from(body), attributes: { body } })))
    const acked: Promise<void>[] = []
    await take(before, 'reader', 3, (message) => { if (text(message) === 'b') acked.push(before.ack(message.ack_id)) })
    await Promise.all(acked)
    await before.close()
    const after = await openBroker({ file })
    const rest = await take(after, 'reader', 2)
    expect(rest.map(text).sort()).to.deep.equal(['a', 'c'])
    expect(rest.map(({ attempt }) => attempt)).to.satisfy((attempts: number[]) => attempts.every((attempt) => attempt >= 1 && attempt <= 2))
    expect(rest[0]?.attributes).to.have.property('body')
    await after.close()
  }))

  it('delivers a backlog larger than its window, each message once', () => inFolder(async (file) => {
    const broker = await openBroker({ file })
    await broker.ensureTopic('orders')
    await broker.ensureSubscription('reader', { topic: 'orders' })
    const total = 12_000
    for (let k = 0; k < total; k += 1000) await broker.publish(Array.from({ length: 1000 }, (_, j) => ({ topic: 'orders', data: Buffer.from(String(k + j)), attributes: {} })))
    const got = await take(broker, 'reader', total)
    expect(new Set(got.map(text)).size).to.equal(total)
    await broker.close()
  }))

  it('holds back later messages of an ordering key until the earlier one is acknowledged, also after a nack', () => inFolder(async (file) => {
    const broker = await openBroker({ file })
    await broker.ensureTopic('orders')
    await broker.ensureSubscription('reader', { topic: 'orders', enableMessageOrdering: true })
    await broker.publish([0, 1, 2, 3].map((k) => ({ topic: 'orders', data: Buffer.from(String(k)), attributes: {}, ordering_key: 'k' })))
    let failed = false
    const order = await take(broker, 'reader', 5, (message) => {
      if (text(message) === '1' && !failed) {
        failed = true
        broker.nack(message.ack_id)
      } else void broker.ack(message.ack_id)
    })
    expect(order.map(text)).to.deep.equal(['0', '1', '1', '2', '3'])
    await broker.close()
  }))

  it('gives a message again when its lease runs out', () => inFolder(async (file) => {
    const broker = await openBroker({ file })
    await broker.ensureTopic('orders')
    await broker.ensureSubscription('reader', { topic: 'orders', deadLetterPolicy: undefined })
    await broker.publish([{ topic: 'orders', data: Buffer.from('x'), attributes: {} }])
    const attempts = await new Promise<number[]>((resolve) => {
      const seen: number[] = []
      const keep = setInterval(() => undefined, 1000)
      const reader = broker.subscribe('reader', { max_outstanding: 10, max_extension_ms: 10 }, (message) => {
        seen.push(message.attempt)
        if (seen.length < 3) return
        void broker.ack(message.ack_id)
        reader.close()
        clearInterval(keep)
        resolve(seen)
      })
    })
    expect(attempts).to.deep.equal([1, 2, 3])
    await broker.close()
  }))

  it('tells a second owner of the file who holds it', () => inFolder(async (file) => {
    const broker = await openBroker({ file })
    const refused = await openBroker({ file }).then(() => undefined, (error: unknown) => error)
    expect(refused).to.be.instanceOf(AppError)
    expect((refused as AppError).message).to.contain(`in use by process ${process.pid}`)
    await broker.close()
  }))

  it('says in one sentence that a file cannot be opened', async () => {
    const refused = await openBroker({ file: '/proc/nowhere/pubsub.db' }).then(() => undefined, (error: unknown) => error)
    expect((refused as AppError).code).to.equal('SETTING_INVALID')
  })

  it('has after kill -9 everything that it had acknowledged', async function () {
    this.timeout(30_000)
    await inFolder(async (file) => {
      let known = new Set<string>()
      for (let round = 0; round < 4; round += 1) {
        const acknowledged = await new Promise<string[]>((resolve) => {
          const child = fork(join(import.meta.dirname, 'publisher.ts'), [file, String(round)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
          const ids: string[] = []
          child.on('message', (message) => {
            ids.push(...(message as string[]))
            if (ids.length > 300 + round * 50) child.kill('SIGKILL')
          })
          child.on('exit', () => { resolve(ids) })
        })
        expect(acknowledged.length).to.be.greaterThan(300)
        known = new Set([...known, ...acknowledged])
      }
      const broker = await openBroker({ file })
      const count = await broker.backlog('reader')
      const found = new Set((await take(broker, 'reader', count)).map(text))
      expect([...known].filter((id) => !found.has(id))).to.deep.equal([])
      await broker.close()
    })
  })
})

describe('subscription filter', () => {
  const matches = (filter: string, attributes: Record<string, string>) => parseFilter(filter)(attributes)
  it('understands presence, equality, inequality, prefix, AND, OR, NOT and parentheses', () => {
    expect(matches('attributes:last OR attributes:for_scheduler', { last: '1' })).to.equal(true)
    expect(matches('attributes:last OR attributes:for_scheduler', { for_tenant: '1' })).to.equal(false)
    expect(matches('attributes.a = "x" AND NOT attributes:b', { a: 'x' })).to.equal(true)
    expect(matches('attributes.a = "x" AND NOT attributes:b', { a: 'x', b: '' })).to.equal(false)
    expect(matches('(attributes.a = "x" OR attributes.a = "y") AND attributes.b != "z"', { a: 'y', b: 'w' })).to.equal(true)
    expect(matches('hasPrefix(attributes.a, "ab")', { a: 'abc' })).to.equal(true)
    expect(matches('attributes:"odd key"', { 'odd key': '1' })).to.equal(true)
    expect(matches('attributes:__proto__', {})).to.equal(false)
  })
  it('refuses what is not of the language, with the column', () => {
    for (const [filter, column] of [['attributes:a AND attributes:b OR attributes:c', 31], ['attributes.a == "x"', 15], ['', 1], ['attributes:a )', 14], ['data = "x"', 1]] as const) {
      expect(() => parseFilter(filter), filter).to.throw(AppError, `column ${column}`)
    }
  })
  it('refuses or takes any text, and never throws otherwise', () => {
    fc.assert(fc.property(fc.string({ maxLength: 60 }), (filter) => {
      try {
        parseFilter(filter)({ a: 'x' })
      } catch (error) {
        if (!(error instanceof AppError)) throw error
      }
    }), { numRuns: 500 })
  })
})
