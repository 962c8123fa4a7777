import { expect } from 'chai'
import fc from 'fast-check'
import { didYouMean, show } from '../src/wording.ts'
import { readYaml } from '../src/yaml.ts'

/** What keeps a text from being read, as `line:column  message`. */
const problems = (text: string): string[] => {
  const read = readYaml('x.yml', text)
  const faults = Array.isArray(read) ? read : read.faults
  return faults.map(({ line, column, message }) => `${line}:${column}  ${message}`)
}
const valueOf = (text: string): unknown => {
  const read = readYaml('x.yml', text)
  if (Array.isArray(read)) throw new Error(read[0]?.message)
  return read.value
}
const tooDeep = 'expected at most 20 levels of nesting'

describe('reading YAML', () => {
  it('takes one document of plain values, in the core schema', () => {
    expect(valueOf('a: yes\nb: 010\nc: 1.5\nd: null\ne: true\nf: 2026-03-01\ng: [x, {y: z}]')).to.deep.equal({
      a: 'yes',
      b: 10,
      c: 1.5,
      d: null,
      e: true,
      f: '2026-03-01',
      g: ['x', { y: 'z' }],
    })
  })
  for (const [what, text, expected] of [
    [
      'an unknown tag, of which the parser only warns',
      'a: !secret x',
      /^1:4 {2}cannot be read as YAML: Unresolved tag: !secret$/,
    ],
    [
      'a tag that would run something elsewhere',
      'a: !!js/function "x"',
      /^1:4 {2}cannot be read as YAML: Unresolved tag/,
    ],
    [
      'a field that stands twice',
      'a: 1\nb:\n  c: 1\n  d: 2\n  c: 3',
      /^5:3 {2}field "c" stands twice; the first is in line 3$/,
    ],
    ['two documents', 'a: 1\n---\nb: 2', /^\d+:\d+ {2}expected one YAML document, got 2$/],
    [
      'a list as a key',
      '? [a, b]\n: 1',
      /^1:3 {2}expected the name of a field, got a list, a group or an alias as a key$/,
    ],
    ['a tab as indentation', 'a:\n\tb: 1', /^2:\d {2}cannot be read as YAML: /],
    ['an open quote', 'a: "b', /^1:\d {2}cannot be read as YAML: /],
    ['an alias of nothing', 'a: *b', /^1:4 {2}alias \*b: nothing has the anchor &b$/],
    ['only a comment', '# nothing', /^1:1 {2}the file is empty; expected pipeline_id, description and steps$/],
  ] as const)
    it(`refuses ${what}`, () => {
      expect(problems(text)[0]).to.match(expected)
    })

  it('takes 20 levels and refuses 21, in brackets, in lines and in compact lists', () => {
    expect(problems(`a: ${'['.repeat(19)}${']'.repeat(19)}`)).to.deep.equal([])
    expect(problems(`a: ${'['.repeat(20)}${']'.repeat(20)}`)).to.deep.equal([`1:23  ${tooDeep}`])
    const lines = (depth: number) => Array.from({ length: depth }, (_, k) => `${' '.repeat(k)}a:`).join('\n')
    expect(problems(lines(20))).to.deep.equal([])
    expect(problems(lines(21))).to.deep.equal([`21:21  ${tooDeep}`])
    expect(problems(`${'- '.repeat(21)}a`)).to.deep.equal([`1:1  ${tooDeep}`])
  })
  it('leaves names of prototypes as names', () => {
    const value = valueOf('__proto__: { polluted: 1 }\nconstructor: 2') as object
    expect(Object.keys(value)).to.deep.equal(['__proto__', 'constructor'])
    expect(({} as { polluted?: number }).polluted).to.equal(undefined)
  })
  it('takes aliases that repeat a little and refuses those that repeat for ever', () => {
    expect(valueOf('a: &x [1]\nb: *x')).to.deep.equal({ a: [1], b: [1] })
    const laughs = [
      'a0: &a0 [lol]',
      ...Array.from({ length: 9 }, (_, k) => `a${k + 1}: &a${k + 1} [${Array(9).fill(`*a${k}`).join(', ')}]`),
    ].join('\n')
    expect(problems(laughs)).to.deep.equal([
      '1:1  expected at most 50 uses of an alias: they repeat more than a pipeline can hold',
    ])
  })
  for (const [what, text, expected] of [
    ['a file over 256 KiB', `a: ${'x'.repeat(256 * 1024)}`, '1:1  expected at most 256 KiB, got 257 KiB'],
    ['100,000 brackets', '['.repeat(100_000), `1:1  ${tooDeep}`],
    ['100,000 braces with keys', '{a: '.repeat(60_000), `1:1  ${tooDeep}`],
    ['100,000 dashes', '- '.repeat(100_000), `1:1  ${tooDeep}`],
    ['question marks in a row', '? '.repeat(100_000), `1:1  ${tooDeep}`],
    [
      '700 levels of lines',
      Array.from({ length: 700 }, (_, k) => `${' '.repeat(k)}a:`).join('\n'),
      `21:21  ${tooDeep}`,
    ],
    ['the same field 60,000 times', 'a:\n'.repeat(60_000), '1:1  expected at most 10000 lines, got 60001'],
    ['60,000 fields in one line', `{${'a,'.repeat(60_000)}}`, '1:1  expected at most 20000 commas, got 60001'],
    ['the same field 5,000 times', 'a:\n'.repeat(5_000), '2:1  field "a" stands twice; the first is in line 1'],
  ] as const) {
    it(`refuses ${what} before it costs anything, with few words`, () => {
      const words = problems(text)
      expect(words[0]).to.equal(expected)
      expect(words.length).to.be.at.most(100)
    })
  }
  it('reads 5,000 different fields', () => {
    expect(Object.keys(valueOf(Array.from({ length: 5_000 }, (_, k) => `k${k}:`).join('\n')) as object)).to.have.length(
      5_000,
    )
  })
  it('answers any text with a value or with faults, never with an exception', () => {
    const piece = fc.constantFrom(
      'a',
      ': ',
      '- ',
      '\n',
      '  ',
      '[',
      ']',
      '{',
      '}',
      '&x ',
      '*x',
      '!t ',
      '|',
      '>',
      '"',
      "'",
      '#',
      '---\n',
      '...',
      '? ',
      ',',
      '\t',
      '%',
      '@',
      '`',
      '\0',
      '\ufeff',
      '1',
      '~',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        readYaml('x.yml', pieces.join(''))
      }),
      { numRuns: 3000 },
    )
  })
})

describe('words', () => {
  it('name what was meant, if it is near', () => {
    expect(didYouMean('gcp.bq_elt', ['gcp.bq_etl', 'custom.noop'])).to.equal(', did you mean "gcp.bq_etl"?')
    expect(didYouMean('Date', ['date', 'data'])).to.equal(', did you mean "date"?')
    expect(didYouMean('dya', ['date', 'day'])).to.equal(', did you mean "day"?')
    expect(didYouMean('note', ['date'])).to.equal('')
    expect(didYouMean('zebra', ['date'])).to.equal('')
    expect(didYouMean('x', ['y'])).to.equal('')
    expect(didYouMean('x'.repeat(100_000), ['date'])).to.equal('')
  })
  it('show long values cut', () => {
    expect(show('x'.repeat(100))).to.equal(`"${'x'.repeat(56)}...`)
    expect(show(undefined)).to.equal('nothing')
  })
})
