import { expect } from 'chai'
import type { Column, ColumnType } from '@convergence/contracts'
import { strptime } from '../src/strptime.ts'
import { converterOf, decimalOf, misfitOf, mismatch, utcInstantOf } from '../src/values.ts'

describe('the text of a field', () => {
  it('becomes a decimal without a float in between', () => {
    const mostBignumeric = '578960446186580977117854925043439539266.3499233282028201972879200395656481996'
    const cases: [string, 'NUMERIC' | 'BIGNUMERIC', string | undefined][] = [
      ['0.1', 'NUMERIC', '0.1'],
      ['-0.0000000005', 'NUMERIC', '-0.000000001'],
      ['0.9999999995', 'NUMERIC', '1'],
      ['1.81E-8', 'NUMERIC', '0.000000018'],
      ['1e3', 'NUMERIC', '1000'],
      ['.5', 'NUMERIC', '0.5'],
      ['-0', 'NUMERIC', '0'],
      ['99999999999999999999999999999.9', 'NUMERIC', '99999999999999999999999999999.9'],
      ['100000000000000000000000000000', 'NUMERIC', undefined],
      ['1,5', 'NUMERIC', undefined],
      ['1_000', 'NUMERIC', undefined],
      ['', 'NUMERIC', undefined],
      ['1.81E-8', 'BIGNUMERIC', '0.0000000181'],
      ['-1.23456789E-12', 'BIGNUMERIC', '-0.00000000000123456789'],
      ['0.0001188669167459011366', 'BIGNUMERIC', '0.0001188669167459011366'],
      ['-0.000', 'BIGNUMERIC', '0'],
      ['-0E+5', 'BIGNUMERIC', '0'],
      ['0E-999', 'BIGNUMERIC', '0'],
      ['1E-39', 'BIGNUMERIC', undefined],
      ['1E-38', 'BIGNUMERIC', `0.${'0'.repeat(37)}1`],
      ['1E37', 'BIGNUMERIC', `1${'0'.repeat(37)}`],
      ['1E38', 'BIGNUMERIC', `1${'0'.repeat(38)}`],
      ['1E39', 'BIGNUMERIC', undefined],
      ['9'.repeat(38), 'BIGNUMERIC', '9'.repeat(38)],
      [`${'9'.repeat(38)}.${'9'.repeat(38)}`, 'BIGNUMERIC', `${'9'.repeat(38)}.${'9'.repeat(38)}`],
      ['9'.repeat(39), 'BIGNUMERIC', undefined],
      [`${mostBignumeric}7`, 'BIGNUMERIC', `${mostBignumeric}7`],
      [`${mostBignumeric}8`, 'BIGNUMERIC', undefined],
      [`-${mostBignumeric}8`, 'BIGNUMERIC', `-${mostBignumeric}8`],
      [`-${mostBignumeric}9`, 'BIGNUMERIC', undefined],
      [`0.${'1'.repeat(38)}`, 'BIGNUMERIC', `0.${'1'.repeat(38)}`],
      [`0.${'1'.repeat(38)}000`, 'BIGNUMERIC', `0.${'1'.repeat(38)}`],
      [`0.${'1'.repeat(39)}`, 'BIGNUMERIC', undefined],
      ['NaN', 'BIGNUMERIC', undefined],
    ]
    for (const [text, type, is] of cases) expect(decimalOf(text, type), `${text} ${type}`).to.equal(is)
  })

  it('is one value of its type, or none', () => {
    const cases: [ColumnType, string, unknown][] = [
      ['INT64', '+007', 7],
      ['INT64', '9223372036854775808', undefined],
      ['INT64', '1_000', undefined],
      ['INT64', '1.0', undefined],
      ['FLOAT64', '1e-7', 1e-7],
      ['FLOAT64', '1e999', undefined],
      ['FLOAT64', '1_000', undefined],
      ['BOOL', 'True', true],
      ['BOOL', 'n', false],
      ['BOOL', 'on', undefined],
      ['DATE', '2025-11-05', '2025-11-05'],
      ['DATE', '2025-11-05T00:00Z', '2025-11-05'],
      ['DATE', '2025-11-31', undefined],
      ['DATE', '11/05/2025', undefined],
      ['DATE', '20251105', undefined],
      ['TIMESTAMP', '2025-11-05T01:02:03.5+01:00', '2025-11-05T01:02:03.5+01:00'],
      ['TIMESTAMP', '2025-11-05 25', undefined],
      ['TIME', '1:02:03.5', '1:02:03.5'],
      ['TIME', '1', undefined],
      ['BYTES', 'QUI=', 'QUI='],
      ['BYTES', 'QUI', undefined],
      ['STRING', ' 00123', ' 00123'],
      ['JSON', '{"a":1}', { a: 1 }],
      ['JSON', '"a":1,', undefined],
    ]
    for (const [type, text, is] of cases) {
      const made = converterOf({ name: 'x', type })(text)
      expect(made === undefined ? undefined : JSON.parse(made), `${type} ${text}`).to.deep.equal(is)
    }
  })

  it('is the inside of an object where braces are left out, and stays text where it is no JSON and may be', () => {
    const tags = converterOf({ name: 'tags', type: 'JSON', wrap_braces: true, or_text: true })
    expect(tags('"env": "prod"')).to.equal('{"env":"prod"}')
    expect(tags(' {"env": "prod"}')).to.equal('{"env":"prod"}')
    expect(tags('"env": "prod",')).to.equal('"\\"env\\": \\"prod\\","')
    expect(tags('"k": "v":')).to.equal('"\\"k\\": \\"v\\":"')
  })

  it('is told when it is none: what was expected and what came', () => {
    expect(mismatch({ type: 'BIGNUMERIC' }, '1,5')).to.equal("expected BIGNUMERIC, got '1,5'")
    expect(mismatch({ type: 'DATE', format: '%m/%d/%Y' }, '')).to.equal('expected DATE as %m/%d/%Y, got an empty field')
    expect(mismatch({ type: 'DATE' }, 'x'.repeat(70))).to.equal(`expected DATE, got '${'x'.repeat(60)}...'`)
  })

  it('is a date in the formats of exports', () => {
    expect(strptime('11/19/2025', '%m/%d/%Y')).to.equal('2025-11-19T00:00:00Z')
    expect(strptime('2025-11-19 01:02:03.5 +0100', '%Y-%m-%d %H:%M:%S.%f %z')).to.equal('2025-11-19T00:02:03.5Z')
    expect(strptime('19-Nov-25 01:00 PM', '%d-%b-%y %I:%M %p')).to.equal('2025-11-19T13:00:00Z')
    expect(strptime('2025-02-29', '%Y-%m-%d')).to.equal(undefined)
    expect(() => strptime('x', '%Q')).to.throw(RangeError, /%Q/)
  })
})

describe('a value of JSON', () => {
  it('fits its column, or is named by its path', () => {
    const columns: Column[] = [
      { name: 'n', type: 'BIGNUMERIC', mode: 'REQUIRED' },
      { name: 's', type: 'STRUCT', mode: 'REPEATED', fields: [{ name: 'd', type: 'DATE' }] },
    ]
    expect(misfitOf(columns, { n: '1e-20', s: [{ d: '2025-11-05' }], more: 1 })).to.equal(undefined)
    expect(misfitOf(columns, { s: [] })).to.deep.equal({ path: 'n', expected: 'BIGNUMERIC', got: null })
    expect(misfitOf(columns, { n: 1, s: [{ d: '11/05/2025' }] })).to.deep.equal({
      path: 's.d',
      expected: 'DATE',
      got: '11/05/2025',
    })
    expect(misfitOf(columns, { n: 1, s: {} })).to.deep.equal({ path: 's', expected: 'an array of STRUCT', got: {} })
    expect(misfitOf(columns, [])).to.deep.equal({ path: '', expected: 'an object', got: [] })
  })
})

describe('the one spelling of an instant', () => {
  it('is the same for each way to write it, with its fraction, and none for what is no instant', () => {
    for (const text of [
      '2025-11-05',
      '2025-11-05 00:00',
      '2025-11-05T00:00:00.000Z',
      '2025-11-05 00:00:00 UTC',
      '2025-11-05t01:30:00+0130',
      '2025-11-04T19:00:00-05',
    ])
      expect(utcInstantOf(text), text).to.equal('2025-11-05T00:00:00Z')
    expect(utcInstantOf('2025-11-05 01:00:00.1234500+01:00')).to.equal('2025-11-05T00:00:00.12345Z')
    for (const text of ['', '11/5/2025', '2025-02-30T00:00:00Z', '2025-11-05T24:00:00Z'])
      expect(utcInstantOf(text), text).to.equal(undefined)
  })
})
