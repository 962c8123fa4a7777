/** What an export tells, counted apart from its load. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect } from 'chai'
import { countAmounts, openFields, openSum } from '../../src/exports/amounts.ts'
import { amountColumns } from '../../src/exports/load.ts'
import type { Spooled } from '../../src/exports/spool.ts'

describe('amounts of an export', () => {
  const sumOf = (...texts: string[]): string => {
    const sum = openSum()
    for (const text of texts) expect(sum.add(text), text).to.equal(true)
    return sum.text()
  }

  it('are added up exactly, however many digits they have and wherever their point is', () => {
    expect(sumOf()).to.equal('0')
    expect(sumOf('1.10', '2', '-0.05', '.5', '3.')).to.equal('6.55')
    expect(sumOf('-0.001')).to.equal('-0.001')
    expect(sumOf('1.5E-7', '2e3', '-1E+1')).to.equal('1990.00000015')
    expect(sumOf('12345678901234567890.00000000000000000001', '-12345678901234567890')).to.equal(
      '0.00000000000000000001',
    )
    expect(sumOf(...Array.from({ length: 20 }, () => '999999999999999'))).to.equal('19999999999999980')
    expect(sumOf('0.1', '0.2', '-0.3')).to.equal('0')
  })

  it('are not guessed where a cost is no decimal', () => {
    for (const text of ['', '-', '.', '1,5', '0x1', '1.2.3', 'NaN', '1e', '$1'])
      expect(openSum().add(text), text).to.equal(false)
  })

  it('are of the fields that RFC 4180 says, wherever the bytes are cut', () => {
    const text =
      '\uFEFFid,"co""st",note\r\n' +
      '1,2.5,"a, ""b""\nc"\r\n' +
      '\n' +
      '"2", "3.5" ,é€\n' +
      '3,,\r' +
      ',5,\n' +
      '4,"",x'
    const expected = [
      ['1', '2.5'],
      ['"2"', ' "3.5" '],
      ['3', ''],
      ['', '5'],
      ['4', '""'],
    ]
    const bytes = Buffer.from(text)
    let header: readonly string[] = []
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const fields = openFields((names) => {
        header = names
        return [0, names.indexOf('co"st')]
      })
      const rows = [...fields.take(bytes.subarray(0, cut)), ...fields.take(bytes.subarray(cut)), ...fields.end()]
      expect(rows, `cut at ${cut}`).to.deep.equal(expected)
      expect(header, `cut at ${cut}`).to.deep.equal(['id', 'co"st', 'note'])
    }
  })

  describe('of files', () => {
    let folder: string
    before(() => {
      folder = mkdtempSync(join(tmpdir(), 'convergence-amounts-'))
    })
    after(() => {
      rmSync(folder, { recursive: true, force: true })
    })
    const header = ['payer', 'invoice', 'currency', 'cost']
    const columns = [
      'bill_payer_account_id',
      'bill_invoice_id',
      'line_item_currency_code',
      'line_item_unblended_cost',
    ].map((name, k) => ({ name, type: 'STRING' as const, source: header[k] ?? '' }))
    const count = (...files: readonly string[][]) =>
      countAmounts(
        'aws_cost_cur',
        columns,
        files.map((lines, k) => {
          const name = `part-${k}.csv${k % 2 === 0 ? '' : '.gz'}`
          const text = [header.join(','), ...lines, ''].join('\n')
          const path = join(folder, name)
          writeFileSync(path, k % 2 === 0 ? text : gzipSync(text))
          return { path, name, header, format: 'csv' } as unknown as Spooled
        }),
        { signal: new AbortController().signal },
      )

    it('are those of all files, packed or not, by account, invoice and currency; one digit more is another sum', async () => {
      const of = (invoice_id: string | null, row_count: number, amount: string) => ({
        ...{ billing_account_id: '1', invoice_id, currency: 'USD', row_count, amount },
      })
      const two = ['1,i,USD,0.1', '1,,USD,5']
      expect(await count(two, ['"1",i,USD,"0.20000000000000000001"', '1,i,USD,'])).to.deep.equal({
        amounts: [of('i', 3, '0.30000000000000000001'), of(null, 1, '5')],
      })
      expect(await count(two, ['"1",i,USD,"0.20000000000000000002"', '1,i,USD,'])).to.deep.equal({
        amounts: [of('i', 3, '0.30000000000000000002'), of(null, 1, '5')],
      })
      expect(await count([])).to.deep.equal({ amounts: [] })
    })

    it('say why there are none', async () => {
      expect(await count(['1,i,USD,1'], ['1,i,USD,1.2.3'])).to.deep.equal({
        uncounted: 'part-1.csv.gz: line_item_unblended_cost: expected a decimal, got "1.2.3"',
      })
      expect(await count(Array.from({ length: 10_001 }, (_, k) => `1,${k},USD,1`))).to.deep.equal({
        uncounted: 'its rows are of more than 10000 invoices',
      })
    })
  })

  it('go to a table with the columns that pipelines read it by', () => {
    const path = join(import.meta.dirname, '../../../../ps_templates/gcp/bq_etl/schemas/export_amounts.json')
    const known = JSON.parse(readFileSync(path, 'utf8')) as { name: string; type: string }[]
    expect(amountColumns).to.deep.equal(known.map(({ name, type }) => ({ name, type })))
  })
})
