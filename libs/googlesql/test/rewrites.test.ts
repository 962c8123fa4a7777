/** Forms that are parsed to simpler ones, with the answers of Google's own engine. */
import { AppError } from '@convergence/contracts'
import { expect } from 'chai'
import { makeWorld, type World } from './world.ts'

describe('rewritten forms', () => {
  let world: World
  before(async () => {
    world = await makeWorld()
  })
  after(() => {
    world.close()
  })
  const none = 'CAST(NULL AS STRING)'
  const noNumber = 'CAST(NULL AS INT64)'
  for (const [expression, answer] of [
    ["'ab' LIKE ANY ('a%', 'x%')", true],
    ["'ab' LIKE ALL ('a%', 'x%')", false],
    [`'ab' LIKE SOME ('x%', ${none})`, null],
    [`'ab' LIKE ALL ('a%', ${none})`, null],
    [`'ab' LIKE ALL ('x%', ${none})`, false],
    [`${none} LIKE ANY ('a%')`, null],
    ["'ab' NOT LIKE ANY ('a%')", false],
    ['(1, 2) IN ((1, 2), (3, 4))', true],
    ['(1, 3) NOT IN ((1, 2), (3, 4))', true],
    [`(1, ${noNumber}) IN ((1, 2))`, null],
    [`(1, ${noNumber}) IN ((2, 2))`, false],
    [`(1, ${noNumber}) NOT IN ((2, 2))`, true],
    ["(1, 'a') IN ((1.0, 'a'))", true],
    ["GENERATE_UUID() LIKE ANY ('%-%')", true],
    ["(SELECT 'ab') LIKE ANY ('a%')", true],
    ['(RAND(), 1) IN ((2, 1))', false],
    ['(1, (2, 3)) IN ((1, (2, 3)))', true],
    ['(1, 2) = (1, 2)', true],
    [`(1, 2) <> (1, ${noNumber})`, null],
    [`(1, 2) != (2, ${noNumber})`, true],
    ["(1, '2020-01-01') IN ((1, DATE '2020-01-01'))", true],
  ] as const)
    it(`${expression} is ${String(answer)}`, async () => {
      expect(await world.value(`SELECT ${expression}`)).to.equal(answer)
    })
  for (const [what, expression, code] of [
    ['patterns from an array', "'a' LIKE ANY UNNEST(['a'])", 'QUERY_UNSUPPORTED'],
    ['patterns from a query', "'a' LIKE ANY (SELECT 'a')", 'QUERY_UNSUPPORTED'],
    ['NOT before several patterns', "'a' NOT LIKE ANY ('a', 'b')", 'QUERY_UNSUPPORTED'],
    ['no pattern', "'a' LIKE ANY ()", 'QUERY_INVALID'],
    ['tuples in an order', '(1, 2) < (2, 3)', 'QUERY_UNSUPPORTED'],
    ['several patterns for a value that changes', "GENERATE_UUID() LIKE ANY ('a%', 'b%')", 'QUERY_UNSUPPORTED'],
    ['several patterns for a query', "(SELECT 'a') LIKE ALL ('a%', 'b%')", 'QUERY_UNSUPPORTED'],
    ['several tuples for a value that changes', '(1 + RAND(), 1) IN ((1, 1), (2, 1))', 'QUERY_UNSUPPORTED'],
    ['several tuples for a query', '(1, 1 IN (SELECT 1)) NOT IN ((1, TRUE), (2, TRUE))', 'QUERY_UNSUPPORTED'],
    ['a hint', '@{x=1} 1', 'QUERY_UNSUPPORTED'],
    ['a parameter without a name', '@1', 'QUERY_INVALID'],
  ] as const)
    it(`refuses ${what}`, async () => {
      const error: unknown = await world.value(`SELECT ${expression}`).catch((caught: unknown) => caught)
      expect(error).to.be.instanceOf(AppError).with.property('code', code)
    })
  it('a quoted name behind @ is a parameter, as a name apart from it is', async () => {
    const parameters = { a: { type: 'INT64', value: 2 } }
    expect(await world.value('SELECT @`a` + 1', parameters)).to.equal('3')
    expect(await world.value('SELECT @ a + 1', parameters)).to.equal('3')
  })
  it('a long list of tuples is no deep tree', async () => {
    const list = Array.from({ length: 3000 }, (_, k) => `(${k}, ${k})`).join(', ')
    expect(await world.value(`SELECT (2999, 2999) IN (${list})`)).to.equal(true)
  })
})
