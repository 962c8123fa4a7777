/** The parts of `npm run test:oracle` that need no engine. */
import { expect } from 'chai'
import type { Answer, Shape, Value } from '../oracle/answer.ts'
import { compare } from '../oracle/compare.ts'
import { generate, randomOf, statementText, type Statement } from '../oracle/generate.ts'
import { shapeOfType } from '../oracle/judge.ts'
import { shrink } from '../oracle/shrink.ts'

const of = (type: string, rows: readonly (readonly Value[])[], name?: string): Answer => ({
  columns: [{ name, shape: shapeOfType(type) }],
  rows,
})
const verdict = (ours: Answer, theirs: Answer, ordered = true): string => compare(ours, theirs, ordered).verdict
const fault: Answer = { error: 'division by zero', refused: false }

describe('The oracle', () => {
  it('takes other values, types, names and orders for different', () => {
    expect(verdict(of('INT64', [['1']]), of('INT64', [['2']]))).to.equal('different')
    expect(verdict(of('INT64', [['1']]), of('FLOAT64', [['1.0']]))).to.equal('different')
    expect(verdict(of('INT64', [['1']], 'a'), of('INT64', [['1']], 'b'))).to.equal('different')
    expect(verdict(of('INT64', [['1'], ['2']]), of('INT64', [['2'], ['1']]))).to.equal('different')
    expect(verdict(of('INT64', [['1'], ['2']]), of('INT64', [['2'], ['1']]), false)).to.equal('right')
    expect(verdict(of('INT64', [['1'], ['1']]), of('INT64', [['1'], ['2']]), false)).to.equal('different')
    expect(verdict(of('STRING', [[null]]), of('STRING', [['']]))).to.equal('different')
    expect(verdict(of('FLOAT64', [['Infinity']]), of('FLOAT64', [['1.7976931348623157E308']]))).to.equal('different')
    expect(verdict(of('INT64', []), of('INT64', [['1']]))).to.equal('different')
  })
  it('takes rows where the judge has an error for different, an error of ours for a refusal', () => {
    expect(verdict(of('INT64', [['1']]), fault)).to.equal('different')
    expect(verdict(fault, fault)).to.equal('right')
    expect(verdict({ error: 'x is not supported by the local warehouse', refused: true }, of('INT64', []))).to.equal(
      'refused',
    )
    expect(verdict(fault, of('INT64', []))).to.equal('reworded')
  })
  it('takes NULL in an array of the judge for the error that it is in BigQuery, and an array that is NULL for []', () => {
    expect(verdict(of('ARRAY<INT64>', [[['1', null]]]), of('ARRAY<INT64>', [[['1', null]]]))).to.equal('different')
    expect(verdict(fault, of('ARRAY<INT64>', [[['1', null]]]))).to.equal('right')
    expect(verdict(of('ARRAY<INT64>', [[[]]]), of('ARRAY<INT64>', [[null]]))).to.equal('right')
  })
  it('compares each type by what counts in it', () => {
    const right: [type: string, ours: string, theirs: string][] = [
      ['FLOAT64', 'Infinity', 'inf'],
      ['FLOAT64', '0.30000000000000004', '0.3'],
      ['NUMERIC', '1.500', '1.5'],
      ['TIMESTAMP', '-500000', '1969-12-31T23:59:59.5Z'],
      ['DATETIME', '2025-01-01T00:00:00.500000', '2025-01-01T00:00:00.5'],
      ['JSON', '{"b":1,"a":2}', '{"a":2,"b":1}'],
    ]
    for (const [type, ours, theirs] of right)
      expect(verdict(of(type, [[ours]]), of(type, [[theirs]])), type).to.equal('right')
    expect(verdict(of('STRING', [['1.0']]), of('STRING', [['1']]))).to.equal('different')
    expect(verdict(of('NUMERIC', [['1.000000001']]), of('NUMERIC', [['1']]))).to.equal('different')
  })
  it('reads the types of the judge', () => {
    const fields = (shape: Shape): unknown =>
      shape.kind === 'array' ? fields(shape.of) : shape.kind === 'struct' ? shape.fields.map(({ name }) => name) : []
    expect(fields(shapeOfType('ARRAY<STRUCT<a INT64, ARRAY<STRING>, `b c` STRUCT<x DATE>>>'))).to.deep.equal([
      'a',
      undefined,
      'b c',
    ])
  })
  it('makes the same statements of a seed, other ones of another, and whole ones', () => {
    const some = (seed: number): string[] => {
      const random = randomOf(seed)
      return Array.from({ length: 300 }, () => statementText(generate(random)))
    }
    expect(some(1)).to.deep.equal(some(1))
    expect(some(1)).to.not.deep.equal(some(2))
    expect(some(3).filter((sql) => /[{}@](?=[a-zA-Z*]+})|undefined/.test(sql))).to.deep.equal([])
  })
  it('shrinks a statement to the part that fails', async () => {
    const fails = (statement: Statement): boolean => statementText(statement).includes('TIMESTAMP_TRUNC')
    const random = randomOf(5)
    let statement = generate(random)
    while (!fails(statement) || statementText(statement).length < 300) statement = generate(random)
    const small = statementText(await shrink(statement, (one) => Promise.resolve(fails(one))))
    expect(small).to.include('TIMESTAMP_TRUNC')
    expect(small.length).to.be.lessThan(200)
  })
})
