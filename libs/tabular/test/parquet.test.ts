import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { openParquet } from '../src/parquet.ts'

/** d DATE, c DECIMAL(38,10), x VARCHAR and m MAP(VARCHAR, VARCHAR), two rows, written by DuckDB. */
const file = Buffer.from(
  'UEFSMRUAFRwVICwVBBUAFQYVBgAADjQCAAAABAGtTwAArk8AABUAFUwVQiwVBBUAFQYVBgAAJhgCAAAABAEAGQFQHRqUogD///////////////' +
    '//////FQAVIBUkLBUEFQAVBhUGAAAQPAIAAAAEAQIAAADDqQAAAAAVABWqARU6LBUEFQAVBhUGAABVKAIAAAAEAEEAAABBAQvuAQAkBgAAAHVz' +
    'ZXI6YRUAFaABFTAsFQQVABUGFQYAAFAwAgAAAAQAQQAAAEEDAPYBABABAAAAMhUCGYw1ABgNZHVja2RiX3NjaGVtYRUIABUCJQIYAWQlDAAVDh' +
    'UgFQIYAWMlChUUFUwsXBUUFUwAAAAVDCUCGAF4JQAANQIYAW0VAhUCADUEGAlrZXlfdmFsdWUVBAAVDCUAGANrZXklAAAVDCUCGAV2YWx1ZSUA' +
    'ABYEGRwZXCYAHBUCGRUAGRgBZBUCFgQWPhZCJgg8GASuTwAAGAStTwAAFgAoBK5PAAAYBK1PAAAREQAAACYAHBUOGRUAGRgBYxUCFgQWbhZkJk' +
    'o8GBAAAAAAAAAAAAAAAB0alKIAGBD/////////////////////FgAoEAAAAAAAAAAAAAAAHRqUogAYEP////////////////////8REQAAACYA' +
    'HBUMGRUAGRgBeBUCFgQWQhZGJq4BPBgCw6kmACgCw6kYABERAAAAJgAcFQwZFQAZOAFtCWtleV92YWx1ZQNrZXkVAhYEFs4BFl4m9AE8GAZ1c2' +
    'VyOmEYBnVzZXI6YRYCKAZ1c2VyOmEYBnVzZXI6YRERAAAAJgAcFQwZFQAZOAFtCWtleV92YWx1ZQV2YWx1ZRUCFgQWxAEWVCbSAjwYATIYATIW' +
    'AigBMhgBMhERAAAAFoAFFgQmCBaeAwAoKER1Y2tEQiB2ZXJzaW9uIHYxLjUuNSAoYnVpbGQgZDhjZGFhMzNmZCkZXBwAABwAABwAABwAABwAAA' +
    'AUAgAAUEFSMQ==',
  'base64',
)
const inFile = async (content: Buffer, work: (path: string) => Promise<void>): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), 'convergence-tabular-'))
  try {
    const path = join(folder, 'a.parquet')
    writeFileSync(path, content)
    await work(path)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

describe('Parquet', () => {
  it('gives the columns that are asked for as the text that CSV would have, to the end or to a row', () =>
    inFile(file, async (path) => {
      const parquet = await openParquet({ path, name: 'a.parquet' })
      try {
        expect(parquet.columns).to.deep.equal(['d', 'c', 'x', 'm'])
        expect([...parquet.nested]).to.deep.equal(['m'])
        expect(parquet.rows).to.equal(2)
        const rows = []
        for await (const some of parquet.read(['m', 'c', 'none', 'd', 'x'])) rows.push(...some)
        expect(rows).to.deep.equal([
          { line: 1, group: 1, fields: ['{"user:a":"2"}', '12.5000000000', null, '2025-11-05', 'é'] },
          { line: 2, group: 1, fields: [null, '-0.0000000001', null, '2025-11-06', ''] },
        ])
        const first = []
        for await (const some of parquet.read(['d'], { to: 1 })) first.push(...some)
        expect(first).to.have.length(1)
      } finally {
        await parquet.close()
      }
    }))

  it('refuses a page whose bytes are not what they were, by row group and column', () =>
    inFile(file, async (path) => {
      const hurt = Buffer.from(file)
      hurt.fill(0xff, 30, 60)
      writeFileSync(path, hurt)
      const parquet = await openParquet({ path, name: 'a.parquet' })
      const read = async () => {
        for await (const _ of parquet.read(['d', 'c'])) continue
      }
      const fault = await read().then(
        () => undefined,
        (error: unknown) => String(error),
      )
      await parquet.close()
      expect(fault).to.match(/a\.parquet, row group 1, column [dc]: /)
    }))
})
