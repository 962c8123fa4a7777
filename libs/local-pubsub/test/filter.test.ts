import { expect } from 'chai'
import fc from 'fast-check'
import { AppError } from '@convergence/contracts'
import { parseFilter } from '../src/filter.ts'

type Tree =
  | { kind: 'has' | 'equals' | 'differs' | 'prefix'; key: string; value: string }
  | { kind: 'not'; inner: Tree }
  | { kind: 'AND' | 'OR'; parts: Tree[] }
const write = (tree: Tree): string => {
  switch (tree.kind) {
    case 'has':
      return `attributes:${quoteKey(tree.key)}`
    case 'equals':
      return `attributes.${quoteKey(tree.key)} = ${quote(tree.value)}`
    case 'differs':
      return `attributes.${quoteKey(tree.key)}!=${quote(tree.value)}`
    case 'prefix':
      return `hasPrefix(attributes.${quoteKey(tree.key)}, ${quote(tree.value)})`
    case 'not':
      return `NOT (${write(tree.inner)})`
    default:
      return tree.parts.map((part) => `(${write(part)})`).join(` ${tree.kind} `)
  }
}
const quote = (value: string) => `"${value.replace(/[\\"]/g, '\\$&')}"`
const quoteKey = (key: string) => (/^[A-Za-z_][A-Za-z0-9_]*$/.test(key) ? key : quote(key))
const holds = (tree: Tree, attributes: Record<string, string>): boolean => {
  switch (tree.kind) {
    case 'has':
      return Object.hasOwn(attributes, tree.key)
    case 'equals':
      return Object.hasOwn(attributes, tree.key) && attributes[tree.key] === tree.value
    case 'differs':
      return !Object.hasOwn(attributes, tree.key) || attributes[tree.key] !== tree.value
    case 'prefix':
      return Object.hasOwn(attributes, tree.key) && (attributes[tree.key] ?? '').startsWith(tree.value)
    case 'not':
      return !holds(tree.inner, attributes)
    case 'AND':
      return tree.parts.every((part) => holds(part, attributes))
    default:
      return tree.parts.some((part) => holds(part, attributes))
  }
}
const word = fc.constantFrom('a', 'b', 'ab', 'odd key', 'q"q', 'AND', '__proto__', 'é')
const trees = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 2 },
    fc.record({
      kind: fc.constantFrom('has' as const, 'equals' as const, 'differs' as const, 'prefix' as const),
      key: word,
      value: word,
    }),
    fc.record({ kind: fc.constant('not' as const), inner: tie('tree') }),
    fc.record({
      kind: fc.constantFrom('AND' as const, 'OR' as const),
      parts: fc.array(tie('tree'), { minLength: 2, maxLength: 3 }),
    }),
  ),
})).tree

describe('subscription filter', () => {
  const matches = (filter: string, attributes: Record<string, string>) => parseFilter(filter)(attributes)
  it('understands presence, equality, inequality, prefix, AND, OR, NOT and parentheses', () => {
    expect(matches('attributes:last OR attributes:for_scheduler', { last: '1' })).to.equal(true)
    expect(matches('attributes:last OR attributes:for_scheduler', { for_tenant: '1' })).to.equal(false)
    expect(matches('attributes.a = "x" AND NOT attributes:b', { a: 'x' })).to.equal(true)
    expect(matches('attributes.a = "x" AND NOT attributes:b', { a: 'x', b: '' })).to.equal(false)
    expect(matches('(attributes.a = "x" OR attributes.a = "y") AND attributes.b != "z"', { a: 'y', b: 'w' })).to.equal(
      true,
    )
    expect(matches('hasPrefix(attributes.a, "ab")', { a: 'abc' })).to.equal(true)
    expect(matches('attributes:"odd key"', { 'odd key': '1' })).to.equal(true)
    expect(matches('attributes:__proto__', {})).to.equal(false)
  })
  it('refuses what is not of the language, with the column', () => {
    for (const [filter, column] of [
      ['attributes:a AND attributes:b OR attributes:c', 31],
      ['attributes.a == "x"', 15],
      ['', 1],
      ['attributes:a )', 14],
      ['data = "x"', 1],
    ] as const) {
      expect(() => parseFilter(filter), filter).to.throw(AppError, `column ${column}`)
    }
  })
  it('says the same as the tree that it was written from', () => {
    fc.assert(
      fc.property(trees, fc.dictionary(word, word), (tree, attributes) => {
        const filter = write(tree)
        fc.pre(Buffer.byteLength(filter) <= 256)
        expect(matches(filter, attributes), filter).to.equal(holds(tree, attributes))
      }),
      { numRuns: 1000 },
    )
  })
  it('refuses more than 256 bytes', () => {
    expect(() => parseFilter(`attributes.a = "${'x'.repeat(240)}"`)).to.throw(AppError, '256 bytes')
  })
  it('refuses or takes any text, and never throws otherwise', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), (filter) => {
        try {
          parseFilter(filter)({ a: 'x' })
        } catch (error) {
          if (!(error instanceof AppError)) throw error
        }
      }),
      { numRuns: 500 },
    )
  })
})
