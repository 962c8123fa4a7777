import { expect } from 'chai'
import fc from 'fast-check'
import { AppError } from '@convergence/contracts'
import { csvRecords, openCsv, openRecordCount, type CsvOptions, type CsvRecord } from '../src/csv.ts'

/** All records of bytes that come in pieces of this size. */
const read = async (bytes: Buffer, size: number, options: Partial<CsvOptions> = {}): Promise<CsvRecord[]> => {
  const pieces = async function* () {
    for (let k = 0; k < bytes.length; k += size) yield bytes.subarray(k, k + size)
  }
  const all: CsvRecord[] = []
  for await (const records of csvRecords(pieces(), { name: 'a.csv', ...options })) all.push(...records)
  return all
}
const fieldsOf = async (text: string, options: Partial<CsvOptions> = { header: false }): Promise<string[][]> =>
  (await read(Buffer.from(text), 1 << 20, options)).map(({ fields }) => fields)
const faultOf = async (bytes: Buffer | string, size = 1 << 20, options: Partial<CsvOptions> = {}): Promise<string> => {
  try {
    await read(Buffer.from(bytes), size, options)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return `${error.code} ${error.message}`
  }
  throw new Error('expected a fault, got records')
}

describe('CSV', () => {
  it('is read as RFC 4180 has it', async () => {
    for (const [text, expected] of [
      ['', []],
      ['a,b', [['a', 'b']]],
      ['a,"x, ""y"""\n', [['a', 'x, "y"']]],
      ['a,,\n,,c', [['a', '', ''], ['', '', 'c']]], // prettier-ignore
      ['1,', [['1', '']]],
      ['"a","two\r\nlines"\r\n', [['a', 'two\r\nlines']]],
      // A quote opens only at the beginning of a field.
      ['x"y,z""\n', [['x"y', 'z""']]],
      // Spaces around a quoted field are not of the field; within an unquoted one they are.
      ['"x" , "y,z"\n x , y\n', [['x', 'y,z'], [' x ', ' y']]], // prettier-ignore
      ['"",""\n', [['', '']]],
      ['"', undefined],
    ] as const) {
      if (expected === undefined) expect(await faultOf(text, 9, { header: false })).to.match(/expected a quote/)
      else expect(await fieldsOf(text), JSON.stringify(text)).to.deep.equal(expected)
    }
  })

  it('has lines that end in LF, CRLF and CR, also beside each other', async () => {
    for (const end of ['\n', '\r\n', '\r'])
      expect(await fieldsOf(['a,b', '1,2', '3,4', ''].join(end)), JSON.stringify(end)).to.deep.equal([
        ['a', 'b'],
        ['1', '2'],
        ['3', '4'],
      ])
    expect(await fieldsOf('a,b\r\n1,2\n3,4\r5,6\n\r\n\n7,8')).to.deep.equal([
      ['a', 'b'],
      ['1', '2'],
      ['3', '4'],
      ['5', '6'],
      ['7', '8'],
    ])
  })

  it('counts lines, not records, whatever ends them', async () => {
    const lines = async (text: string) => (await read(Buffer.from(text), 3)).map(({ line }) => line)
    expect(await lines('a,b\n"1\n2",x\n\n3,y\n')).to.deep.equal([1, 2, 5])
    expect(await lines('a,b\r\n"1\r\n2",x\r\n\r\n3,y\r\n')).to.deep.equal([1, 2, 5])
    expect(await lines('a,b\r"1\r2",x\r\r3,y\r')).to.deep.equal([1, 2, 5])
  })

  it('passes over a byte order mark before the header and before the first row', async () => {
    const mark = '\uFEFF'
    expect(await fieldsOf(`${mark}a,b\n${mark}1,2\n`)).to.deep.equal([
      ['a', 'b'],
      ['1', '2'],
    ])
    expect(await fieldsOf(`${mark}"a",b\n${mark}"1",2\n${mark}3,4\n`)).to.deep.equal([
      ['a', 'b'],
      ['1', '2'],
      [`${mark}3`, '4'],
    ])
  })

  it('is the same however its bytes come', async () => {
    const text = '\uFEFFa,b\r\n1,"x, ""y""é"\r\n\r\n2, "z\r\n" \r\n3,x"y\r4,\n😀,""'
    const whole = await read(Buffer.from(text), 1 << 20, { quotes: true })
    expect(whole).to.have.length(6)
    for (let size = 1; size < Buffer.byteLength(text); size += 1)
      expect(await read(Buffer.from(text), size, { quotes: true }), String(size)).to.deep.equal(whole)
  })

  it('gives back any fields that were written', async () => {
    const field = fc.oneof(fc.string({ maxLength: 6 }), fc.stringMatching(/^[a,"\n\r ]{0,5}$/))
    const written = (text: string): string =>
      /[",\n\r\uFEFF]|^ | $/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constant('x'), field, field), { minLength: 1, maxLength: 5 }),
        fc.constantFrom('\n', '\r\n', '\r'),
        fc.integer({ min: 1, max: 40 }),
        async (rows, end, size) => {
          const bytes = Buffer.from(
            rows.map((row) => row.map((each) => written(each.toWellFormed())).join(',')).join(end),
          )
          const fields = (await read(bytes, size)).map((record) => record.fields)
          expect(fields).to.deep.equal(rows.map((row) => row.map((each) => each.toWellFormed())))
        },
      ),
      { numRuns: 300 },
    )
  })

  it('says which fields were quoted where that is asked for, and takes another delimiter or no quotes', async () => {
    expect(await read(Buffer.from('a,""\n"b",\n'), 2, { header: false, quotes: true })).to.deep.equal([
      { line: 1, fields: ['a', ''], quoted: [false, true] },
      { line: 2, fields: ['b', ''], quoted: [true, false] },
    ])
    expect(await fieldsOf('a|"b|c"\n', { delimiter: '|', header: false })).to.deep.equal([['a', 'b|c']])
    expect(await fieldsOf('"a","b\n', { quote: '', header: false })).to.deep.equal([['"a"', '"b']])
  })

  it('refuses what is none, by line and column', async () => {
    for (const [text, expected] of [
      [
        'Day,Tags\n1,x\n2,"y\n',
        'a.csv:3, column Tags: expected a quote that closes the field, got the end of the file',
      ],
      [
        'Day,Tags\n1,"x\n\n2,"y\n',
        `a.csv:4, column Tags: expected a comma or the end of the line after the closing quote, got 'y '`,
      ],
      [
        'Day,Tags\n1,"env": "prod"\n',
        `a.csv:2, column Tags: expected a comma or the end of the line after the closing quote, got ': "prod" '`,
      ],
      ['Day,Tags\n1,x\n""\n', 'a.csv:3: expected 2 fields as in the first line, got 1'],
      ['Day,Tags\n1,x\n  \n', 'a.csv:3: expected 2 fields as in the first line, got 1'],
      ['Day,Tags\n1,"two\nlines"\n1,2,3\n', 'a.csv:4: expected 2 fields as in the first line, got 3'],
    ] as const)
      for (const size of [1, 1000])
        expect((await faultOf(text, size)).replace(/\n/g, ' '), text).to.match(
          new RegExp(
            `^EXPORT_INVALID ${expected.slice(0, size === 1 ? 75 : 200).replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`,
          ),
        )
    expect(await faultOf(`a,b\n1,"${'x'.repeat(3000)}`, 100, { longest_record: 2000 })).to.match(
      /^EXPORT_INVALID a\.csv:2: expected a record of at most/,
    )
    expect(await faultOf('1,"a\nb"\n', 10, { header: false, quoted_newlines: false })).to.match(
      /a\.csv:1, column 2: a quoted field has a line break/,
    )
  })

  it('must be UTF-8, and says in which line it is not', async () => {
    const bytes = Buffer.concat([Buffer.from('a,b\n1,é\n2,'), Buffer.from([0xe9, 0x0a]), Buffer.from('3,x\n')])
    for (const size of [3, 7, 1000])
      expect(await faultOf(bytes, size), String(size)).to.equal(
        'EXPORT_INVALID a.csv:3: expected UTF-8, got other bytes',
      )
    expect(await faultOf(Buffer.from([0x61, 0x2c, 0xc3]))).to.equal(
      'EXPORT_INVALID a.csv:1: expected UTF-8, got other bytes',
    )
  })

  it('has its whole records at hand while more may come', () => {
    const text = 'a,b\r\n1,"x, ""y"""\r\n2,"z\n"\r\n'
    const whole = openCsv({ name: 'a.csv' }).push(text)
    expect(whole).to.have.length(3)
    for (let length = 0; length <= text.length; length += 1) {
      const csv = openCsv({ name: 'a.csv' })
      const cut = csv.push(text.slice(0, length))
      expect(cut, String(length)).to.deep.equal(whole.slice(0, cut.length))
      expect([...cut, ...csv.push(text.slice(length)), ...csv.end()], String(length)).to.deep.equal(whole)
    }
  })

  it('has as many records as are counted without reading them', async () => {
    for (const text of [
      '',
      'a,b',
      'a,b\n',
      '\uFEFF"a","b"\r\n"1","two\r\nlines"\r\n3,',
      'a,b\n\n\n1,"x ""y"" \n\n"\n',
      'a,b\n1,x"y\n2,z"\n',
      'a,b\r1, "x\ry"\r2,z\r',
      '"a\n",b\n"",\n,""\n',
      '\uFEFF"a\n",b\n1,2\n',
      'a\n""\n \n1\n',
    ]) {
      const bytes = Buffer.from(text)
      for (const size of [1, 2, 3, 1000]) {
        if (text.startsWith('\uFEFF"a\n') && size < 3) continue
        const count = openRecordCount()
        for (let k = 0; k < bytes.length; k += size) count.see(bytes.subarray(k, k + size))
        expect(count.records(), JSON.stringify([text, size])).to.equal((await read(bytes, 1000)).length)
      }
    }
  })
})
