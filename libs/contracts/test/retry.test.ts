import { expect } from 'chai'
import { openKeyedQueue } from '../src/keyed-queue.ts'
import { backoffMs, retry } from '../src/retry.ts'

describe('retry', () => {
  const transient = { first_ms: 0, isTransient: (error: unknown) => (error as Error).message === 'transient' }
  const failing = (times: number, message = 'transient') => {
    let made = 0
    return async () => {
      made += 1
      if (made <= times) throw new Error(message)
      return made
    }
  }
  const messageOf = (work: Promise<unknown>) => work.then(String, (error: unknown) => (error as Error).message)

  it('doubles its pauses up to the longest', () => {
    const pauses = [1, 2, 3, 4, 5, 100].map((attempt) => backoffMs(attempt, { first_ms: 250, most_ms: 2_000 }))
    expect(pauses).to.deep.equal([250, 500, 1_000, 2_000, 2_000, 2_000])
  })
  it('tries again what is transient, as often as it may, and nothing else', async () => {
    const attempts: number[] = []
    const onRetry = (_error: unknown, attempt: number) => attempts.push(attempt)
    expect(await retry(failing(3), { ...transient, tries: 4, onRetry })).to.equal(4)
    expect(attempts).to.deep.equal([1, 2, 3])
    expect(await messageOf(retry(failing(4), { ...transient, tries: 4 }))).to.equal('transient')
    expect(await messageOf(retry(failing(1, 'final'), transient))).to.equal('final')
  })
  it("ends in a pause when its signal aborts, with the signal's reason", async () => {
    const stop = new AbortController()
    const work = retry(failing(9), {
      ...transient,
      first_ms: 600_000,
      signal: stop.signal,
      onRetry: () => {
        setImmediate(() => {
          stop.abort(new Error('stopped'))
        })
      },
    })
    expect(await messageOf(work)).to.equal('stopped')
  })
})

describe('a keyed queue', () => {
  it('runs one at a time by key, in order, also after one that failed, and other keys beside', async () => {
    const { run } = openKeyedQueue()
    const order: string[] = []
    const step =
      (name: string, fails = false) =>
      async () => {
        order.push(`${name} begins`)
        await new Promise((resolve) => setImmediate(resolve))
        order.push(`${name} ends`)
        if (fails) throw new Error(name)
        return name
      }
    const settled = await Promise.allSettled([run('a', step('a1', true)), run('a', step('a2')), run('b', step('b1'))])
    expect(settled.map(({ status }) => status)).to.deep.equal(['rejected', 'fulfilled', 'fulfilled'])
    expect(order.filter((each) => each.startsWith('a'))).to.deep.equal(['a1 begins', 'a1 ends', 'a2 begins', 'a2 ends'])
    expect(order.indexOf('b1 begins')).to.be.lessThan(order.indexOf('a1 ends'))
  })
})
