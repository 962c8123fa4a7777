/** Statements with their rows, or with the words of their refusal, as tests of one world. */
import { expect } from 'chai'
import { makeWorld, outcome, type World } from './world.ts'

/** What is promised, a statement, and its rows or a pattern of `CODE: message`. */
export type Case = readonly [promise: string, sql: string, expected: unknown[][] | RegExp]

export const runCases = (cases: readonly Case[], tables: readonly string[] = []): void => {
  let world: World
  before(async () => {
    world = await makeWorld(tables)
  })
  after(() => {
    world.close()
  })
  for (const [promise, sql, expected] of cases)
    it(promise, async () => {
      const got = await outcome(world, sql)
      if (expected instanceof RegExp) expect(got, sql).to.match(expected)
      else expect(got, sql).to.deep.equal(expected)
    })
}
