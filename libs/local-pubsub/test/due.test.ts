import { expect } from 'chai'
import fc from 'fast-check'
import { openAgenda, type Due } from '../src/due.ts'

describe('agenda', () => {
  it('runs what is due in the order of time, and nothing that was cancelled', () => {
    const step = fc.record({
      due: fc.integer({ min: 0, max: 100 }),
      cancel: fc.option(fc.nat(50), { nil: undefined }),
      advance: fc.option(fc.nat(20), { nil: undefined }),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let time = 0
        const agenda = openAgenda(
          () => time,
          () => () => undefined,
        )
        const items: Due[] = []
        const ran: { id: number; due_ms: number; at: number }[] = []
        const cancelled = new Set<number>()
        for (const { due, cancel, advance } of steps) {
          const [id, due_ms] = [items.length, time + due]
          items.push(
            agenda.add(due_ms, () => {
              ran.push({ id, due_ms, at: time })
            }),
          )
          const victim = cancel === undefined ? undefined : items[cancel]
          if (victim !== undefined && victim.at >= 0) {
            agenda.cancel(victim)
            cancelled.add(cancel ?? 0)
          }
          if (advance !== undefined) {
            time += advance
            agenda.wake()
          }
        }
        time += 1000
        agenda.wake()
        expect(agenda.size()).to.equal(0)
        expect(new Set([...ran.map(({ id }) => id), ...cancelled]).size).to.equal(items.length)
        expect(ran.length + cancelled.size).to.equal(items.length)
        for (const { due_ms, at } of ran) expect(due_ms).to.be.at.most(at)
        ran.forEach(({ due_ms, at }, k) => {
          if (ran[k + 1]?.at === at) expect(due_ms).to.be.at.most(ran[k + 1]?.due_ms ?? Infinity)
        })
      }),
    )
  })
  it('sets one alarm, for the earliest', () => {
    const pauses: number[] = []
    const agenda = openAgenda(
      () => 0,
      (pauseMs) => {
        pauses.push(pauseMs)
        return () => undefined
      },
    )
    for (const due of [50, 70, 30, 40]) agenda.add(due, () => undefined)
    expect(pauses).to.deep.equal([50, 30])
  })
})
