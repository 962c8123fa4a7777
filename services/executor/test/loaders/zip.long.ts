/** Reports in zip archives, as AWS delivers legacy ones. The archives are made here, byte by byte. */
import { crc32, deflateRawSync } from 'node:zlib'
import { expect } from 'chai'
import { errorOf } from '../fakes.ts'
import { bothSides } from './both-sides.ts'
import { awsFolder, awsHeader, awsLine, awsManifest, csvOf, inWorld, type World } from './world.ts'

interface Made {
  name: string
  content: Buffer
  flags?: number
  /** What the directory says of it, where it is not true. */
  sum?: number
  size?: number
}
const zipOf = (entries: readonly Made[]): Buffer => {
  const parts: Buffer[] = []
  const directory: Buffer[] = []
  let at = 0
  for (const { name, content, flags = 0, sum = crc32(content), size = content.length } of entries) {
    const packed = deflateRawSync(content)
    const head = Buffer.alloc(26)
    head.writeUInt16LE(20, 0)
    head.writeUInt16LE(flags, 2)
    head.writeUInt16LE(8, 4)
    head.writeUInt32LE(sum, 10)
    head.writeUInt32LE(packed.length, 14)
    head.writeUInt32LE(size, 18)
    head.writeUInt16LE(Buffer.byteLength(name), 22)
    const offset = Buffer.alloc(14)
    offset.writeUInt32LE(at, 10)
    directory.push(Buffer.from('PK\x01\x02\x14\x00'), head, offset, Buffer.from(name))
    parts.push(Buffer.from('PK\x03\x04'), head, Buffer.from(name), packed)
    at += 30 + Buffer.byteLength(name) + packed.length
  }
  const listed = Buffer.concat(directory)
  const end = Buffer.alloc(18)
  end.writeUInt16LE(entries.length, 4)
  end.writeUInt16LE(entries.length, 6)
  end.writeUInt32LE(listed.length, 8)
  end.writeUInt32LE(at, 12)
  return Buffer.concat([...parts, listed, Buffer.from('PK\x05\x06'), end])
}
const source = { s3_bucket: 'acme-cur', s3_prefix: 'cur', report_name: 'daily', month: '2025-11' }
const deliver = ({ put }: World, content: Buffer) => {
  const key = `${awsFolder}/daily-1.csv.zip`
  put('s3', 'acme-cur', key, content)
  put('s3', 'acme-cur', `${awsFolder}/daily-Manifest.json`, awsManifest([key], { compression: 'ZIP' }))
}
const csv = Buffer.from(csvOf(awsHeader, [awsLine('1.81E-8'), awsLine('2')]))

describe('reports in zip archives', function () {
  this.timeout(60_000)

  it(
    'loads the one CSV file of an archive, also beside a folder',
    inWorld(async (world) => {
      const both = bothSides(world.warehouse)
      deliver(world, zipOf([{ name: 'daily-1.csv', content: csv }]))
      await world.load('aws', source, { deps: both })
      deliver(
        world,
        zipOf([
          { name: 'daily/', content: Buffer.alloc(0) },
          { name: 'daily/daily-1.csv', content: csv },
        ]),
      )
      await world.load('aws', source, { deps: both })
      expect(both.loads).to.deep.equal([{ rows: 2 }, { rows: 2 }])
      const query = 'SELECT COUNT(*) AS n, CAST(SUM(line_item_unblended_cost) AS STRING) AS cost FROM aws_cost_cur'
      expect(await world.one(query)).to.deep.equal({ n: 2, cost: '2.0000000181' })
      expect(world.scratch()).to.deep.equal([])
    }),
  )

  it(
    'refuses several files, encrypted, damaged and endless ones, by name, and leaves what is there',
    inWorld(async (world) => {
      deliver(world, zipOf([{ name: 'daily-1.csv', content: csv }]))
      await world.load('aws', source)
      const whole = zipOf([{ name: 'daily-1.csv', content: csv }])
      const endless = Buffer.alloc(80 * 1024 ** 2, 'a,b\n')
      const cases: [string, Buffer, RegExp][] = [
        ['two files', zipOf(['a.csv', 'b.csv'].map((name) => ({ name, content: csv }))), /got several: a\.csv, b\.csv/],
        ['no file', zipOf([]), /expected an archive with one file \.csv, got an empty one/],
        [
          'another file',
          zipOf([{ name: 'a.exe', content: csv }]),
          /expected an archive with one file \.csv, got a\.exe/,
        ],
        [
          'an encrypted one',
          zipOf([{ name: 'a.csv', content: csv, flags: 1 }]),
          /without a password, got an encrypted/,
        ],
        ['one that breaks off', whole.subarray(0, -30), /expected a whole zip archive, got one that does not unpack/],
        ['another checksum', zipOf([{ name: 'a.csv', content: csv, sum: 1 }]), /the bytes that its checksum is of/],
        ['another size', zipOf([{ name: 'a.csv', content: csv, size: 5 }]), /expected a whole zip archive/],
        ['CSV named as zip', csv, /expected a whole zip archive/],
        [
          'a bomb',
          zipOf([{ name: 'a.csv', content: endless }]),
          /a report that packs up to 250 times, got .* and more/,
        ],
      ]
      for (const [what, content, words] of cases) {
        deliver(world, content)
        const error = await errorOf(world.load('aws', source))
        expect(error.code, `${what}: ${error.message}`).to.equal('EXPORT_INVALID')
        expect(error.message, what).to.match(/daily-1\.csv\.zip: /)
        expect(error.message, what).to.match(words)
        expect(world.scratch(), what).to.deep.equal([])
      }
      expect(await world.one('SELECT COUNT(*) AS n FROM aws_cost_cur')).to.deep.equal({ n: 2 })
    }),
  )
})
