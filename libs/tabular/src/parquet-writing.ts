/** A Parquet file as it is made: rows in, its bytes out, a row group at a time. */
import { ByteWriter, ParquetWriter } from 'hyparquet-writer'

/** How a column is written. Times are RFC 3339, days YYYY-MM-DD, decimals plain text. */
export type WrittenType = 'text' | 'timestamp' | 'date' | 'integer' | 'double' | 'boolean' | { scale: number }
export interface WrittenColumn {
  name: string
  type: WrittenType
}
type SchemaElement = ConstructorParameters<typeof ParquetWriter>[0]['schema'][number]

/** Digits of the widest DECIMAL that readers know. */
export const mostDigits = 38
const decimalBytes = 16

const elementOf = ({ name, type }: WrittenColumn): SchemaElement => {
  const column = { name, repetition_type: 'OPTIONAL' } as const
  if (typeof type === 'object')
    return {
      ...column,
      type: 'FIXED_LEN_BYTE_ARRAY',
      type_length: decimalBytes,
      converted_type: 'DECIMAL',
      precision: mostDigits,
      scale: type.scale,
      logical_type: { type: 'DECIMAL', precision: mostDigits, scale: type.scale },
    }
  switch (type) {
    case 'timestamp':
      return {
        ...column,
        type: 'INT64',
        converted_type: 'TIMESTAMP_MICROS',
        logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' },
      }
    case 'date':
      return { ...column, type: 'INT32', converted_type: 'DATE' }
    case 'integer':
      return { ...column, type: 'INT64' }
    case 'double':
      return { ...column, type: 'DOUBLE' }
    case 'boolean':
      return { ...column, type: 'BOOLEAN' }
    case 'text':
      return { ...column, type: 'BYTE_ARRAY', converted_type: 'UTF8' }
  }
}

/** Throws RangeError for what has more digits than the column, rather than round it. */
const unscaled = (text: string, scale: number, name: string): bigint => {
  const [, sign = '', whole = '', fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text) ?? []
  const digits = `${whole}${fraction.padEnd(scale, '0')}`
  if (whole === '' || fraction.length > scale || digits.replace(/^0+/, '').length > mostDigits)
    throw new RangeError(`column ${name}: expected at most ${mostDigits} digits, ${scale} of them behind the point`)
  return BigInt(`${sign}${digits}`)
}
const micros = (text: string): bigint => {
  const fraction = /\.(\d+)/.exec(text)?.[1] ?? ''
  const seconds = BigInt(Date.parse(text.replace(/\.\d+/, ''))) / 1000n
  return seconds * 1_000_000n + BigInt(fraction.slice(0, 6).padEnd(6, '0'))
}
const valueOf = ({ name, type }: WrittenColumn, value: unknown): unknown => {
  if (value === null || value === undefined) return null
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  if (typeof type === 'object') return unscaled(text, type.scale, name)
  switch (type) {
    case 'timestamp':
      return micros(text)
    case 'date':
      return Date.parse(`${text}T00:00:00Z`) / 86_400_000
    case 'integer':
      return BigInt(text)
    case 'text':
      return text
    default:
      return value
  }
}

export interface ParquetFile {
  /** Rows by the names of the columns become a row group; what the file has become longer by. */
  write(rows: readonly Readonly<Record<string, unknown>>[]): Uint8Array
  /** The end of the file; without it nobody can read it. */
  end(): Uint8Array
}
export const openParquet = (columns: readonly WrittenColumn[]): ParquetFile => {
  const writer = new ByteWriter()
  const file = new ParquetWriter({
    writer,
    schema: [{ name: 'root', num_children: columns.length }, ...columns.map(elementOf)],
    createdBy: 'convergence',
  })
  /** The library counts its place by another number, so what has gone out may be forgotten. */
  const taken = (): Uint8Array => {
    const bytes = writer.getBytes().slice()
    writer.index = 0
    return bytes
  }
  return {
    write: (rows) => {
      if (rows.length > 0)
        void file.write({
          rowGroupSize: rows.length,
          columnData: columns.map((column) => ({
            name: column.name,
            data: rows.map((row) => valueOf(column, row[column.name])),
            offsetIndex: false,
          })),
        })
      return taken()
    },
    end: () => {
      void file.finish()
      return taken()
    },
  }
}
