/**
 * Local files as NDJSON in the types of the table, made while it is sent: BigQuery's own words for a value that does
 * not convert name
 * neither the line of a quoted file nor the column as the provider calls it, and a value that is wrong here is not sent
 * at all.
 */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createGunzip } from 'node:zlib'
import { AppError } from '@convergence/contracts'
import type { Column } from '@convergence/contracts'
import type { LoadColumn, LoadSpec } from '../warehouse.ts'
import type { PeriodColumn } from './sql.ts'
import { decimalText, isDate, isInt64, misfitOf, timestampText } from './values.ts'
import { strptime } from './strptime.ts'

export interface Rows {
  columns: readonly Column[]
  /** Text in pieces, each of whole lines. Throws EXPORT_INVALID with file, line and column, ROW_OUTSIDE_PERIOD. */
  rows(period: readonly PeriodColumn[]): AsyncGenerator<string>
}
type File = LoadSpec['files'][number]
type FileColumn = Extract<LoadColumn, { source: string }>

const pieceChars = 256 * 1024
/** A quote that is never closed would otherwise take the whole file into memory. */
const longestRecord = 10 * 1024 * 1024
const shown = (text: string): string => `'${text.length > 60 ? `${text.slice(0, 60)}...` : text}'`
const isGzip = (path: string): boolean => path.endsWith('.gz')
const bytesOf = (file: File): AsyncIterable<Buffer> => {
  const raw = createReadStream(file.path, { highWaterMark: 1 << 20 })
  if (!isGzip(file.path)) return raw as AsyncIterable<Buffer>
  const unzipped = createGunzip({ chunkSize: 1 << 20 })
  raw.on('error', (error) => unzipped.destroy(error))
  return raw.pipe(unzipped) as AsyncIterable<Buffer>
}
const unreadable = (file: File, error: unknown): AppError =>
  error instanceof AppError
    ? error
    : new AppError(
        'EXPORT_INVALID',
        `${file.name}: cannot be read (${/ENOENT/.test(String(error)) ? 'there is no such file' : error instanceof TypeError ? 'expected UTF-8' : isGzip(file.path) ? 'it is not a whole gzip file' : 'the disk answers with an error'})`,
        { cause: error },
      )

/** A file as it is. */
export async function* contentOf(file: File): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of createReadStream(file.path, { highWaterMark: 1 << 20 })) yield chunk as Buffer
  } catch (error) {
    throw unreadable(file, error)
  }
}
async function* textOf(file: File): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  for await (const chunk of bytesOf(file)) yield decoder.decode(chunk, { stream: true })
  yield decoder.decode()
}

interface CsvRecord {
  line: number
  fields: string[]
}
/**
 * Records of a CSV file and the lines that they begin in: quotes as in RFC 4180, lines end in LF, CRLF or CR, empty
 * lines are passed over.
 */
export async function* csvRecords(file: File): AsyncGenerator<CsvRecord[]> {
  let rest = ''
  let line = 1
  /** Takes whole records from the front of `text`; what is left begins a record. */
  const take = (text: string, last: boolean): CsvRecord[] => {
    const records: CsvRecord[] = []
    let at = 0
    while (at < text.length) {
      const fields: string[] = []
      let own = at
      let lines = 0
      for (;;) {
        let value: string
        if (text[own] === '"') {
          let end = own + 1
          let doubled = false
          for (;;) {
            end = text.indexOf('"', end)
            if (end < 0 || (end === text.length - 1 && !last)) {
              if (!last) {
                rest = text.slice(at)
                return records
              }
              if (end < 0)
                throw new AppError('EXPORT_INVALID', `${file.name}:${line}: a quote is opened and never closed`)
            }
            if (text[end + 1] !== '"') break
            doubled = true
            end += 2
          }
          value = text.slice(own + 1, end)
          for (let k = value.indexOf('\n'); k >= 0; k = value.indexOf('\n', k + 1)) lines += 1
          if (doubled) value = value.replaceAll('""', '"')
          own = end + 1
          // What follows the closing quote belongs to the field, as other readers have it.
          if (own < text.length && text[own] !== ',' && text[own] !== '\n' && text[own] !== '\r') {
            const begin = own
            while (own < text.length && text[own] !== ',' && text[own] !== '\n' && text[own] !== '\r') own += 1
            value += text.slice(begin, own)
          }
        } else {
          const begin = own
          for (; own < text.length; own++) {
            const c = text.charCodeAt(own)
            if (c === 44 || c === 10 || c === 13) break
          }
          value = text.slice(begin, own)
        }
        fields.push(value)
        if (own >= text.length) {
          if (!last) {
            rest = text.slice(at)
            return records
          }
          break
        }
        if (text[own] === ',') {
          own += 1
          if (own >= text.length && !last) {
            rest = text.slice(at)
            return records
          }
          if (own >= text.length) {
            fields.push('')
            break
          }
          continue
        }
        if (text[own] === '\r') {
          if (own === text.length - 1 && !last) {
            rest = text.slice(at)
            return records
          }
          if (text[own + 1] === '\n') own += 1
        }
        own += 1
        break
      }
      const empty = fields.length === 1 && fields[0] === '' && text[at] !== '"'
      if (!empty) records.push({ line, fields })
      line += lines + 1
      at = own
    }
    rest = ''
    return records
  }
  try {
    let first = true
    for await (const chunk of textOf(file)) {
      const text = first && chunk.startsWith('\ufeff') ? chunk.slice(1) : chunk
      if (chunk !== '') first = false
      const records = take(rest + text, false)
      if (records.length > 0) yield records
      if (rest.length > longestRecord)
        throw new AppError(
          'EXPORT_INVALID',
          `${file.name}:${line}: the record is longer than 10 MB; is a quote opened and never closed?`,
        )
    }
    const records = take(rest, true)
    if (records.length > 0) yield records
  } catch (error) {
    throw unreadable(file, error)
  }
}
async function* linesOf(file: File): AsyncGenerator<{ line: number; text: string }> {
  let rest = ''
  let line = 0
  try {
    for await (const chunk of textOf(file)) {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > longestRecord)
        throw new AppError('EXPORT_INVALID', `${file.name}:${line + lines.length + 1}: the line is longer than 10 MB`)
      for (const text of lines) yield { line: (line += 1), text }
    }
  } catch (error) {
    throw unreadable(file, error)
  }
  if (rest !== '') yield { line: line + 1, text: rest }
}

// ---- conversion: text of a field to text of JSON, undefined when it does not convert
// --------------------------------------------------

type Convert = (text: string) => string | undefined
const scaleOf = { NUMERIC: 9, BIGNUMERIC: 38 } as const
const integerDigits = { NUMERIC: 29, BIGNUMERIC: 38 } as const
const canonical = /^-?(0|[1-9]\d{0,27})(\.\d{0,8}[1-9])?$/
/**
 * NUMERIC rounds what is beyond nine digits half away from zero, as BigQuery's loads do; BIGNUMERIC refuses what it
 * cannot hold.
 */
export const decimalOf = (text: string, type: 'NUMERIC' | 'BIGNUMERIC'): string | undefined => {
  const bare = text.trim()
  // Most numbers are already as they will be.
  if (canonical.test(bare) && bare !== '-0') return `"${bare}"`
  if (!decimalText.test(bare)) return undefined
  const [, sign = '', head = '', tail = '', exponent = '0'] =
    /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/.exec(bare) ?? []
  const scale = scaleOf[type]
  const shift = Number(exponent)
  if (Math.abs(shift) > 100) return undefined
  const digits = `${head}${tail}`
  const point = head.length + shift
  const whole = point <= 0 ? '0' : digits.slice(0, point).padEnd(point, '0')
  let fraction = point <= 0 ? `${'0'.repeat(-point)}${digits}` : digits.slice(point)
  let integer = BigInt(whole)
  if (fraction.length > scale) {
    if (type === 'BIGNUMERIC') {
      if (/[1-9]/.test(fraction.slice(scale))) return undefined
      fraction = fraction.slice(0, scale)
    } else {
      const up = fraction.charCodeAt(scale) >= 53
      const kept = BigInt(`1${fraction.slice(0, scale)}`) + (up ? 1n : 0n)
      const shownKept = String(kept)
      if (shownKept.startsWith('2')) integer += 1n
      fraction = shownKept.slice(1)
    }
  }
  fraction = fraction.replace(/0+$/, '')
  const integerText = String(integer)
  if (integerText.length > integerDigits[type]) return undefined
  const value = `${integerText}${fraction === '' ? '' : `.${fraction}`}`
  return `"${sign === '-' && value !== '0' ? '-' : ''}${value}"`
}
const trues = new Set(['true', 't', 'yes', 'y', '1'])
const falses = new Set(['false', 'f', 'no', 'n', '0'])
const converterOf = (column: FileColumn): Convert => {
  const { format } = column
  switch (column.type) {
    case 'STRING':
      return (text) => JSON.stringify(text)
    case 'INT64':
      return (text) => {
        const bare = text.trim().replace(/^\+/, '')
        return isInt64(bare) ? BigInt(bare).toString() : undefined
      }
    case 'NUMERIC':
      return (text) => decimalOf(text, 'NUMERIC')
    case 'BIGNUMERIC':
      return (text) => decimalOf(text, 'BIGNUMERIC')
    case 'FLOAT64':
      return (text) =>
        decimalText.test(text.trim()) && Number.isFinite(Number(text)) ? String(Number(text)) : undefined
    case 'BOOL':
      return (text) => (trues.has(text.toLowerCase()) ? 'true' : falses.has(text.toLowerCase()) ? 'false' : undefined)
    case 'DATE':
      return remembered((text) => {
        const day =
          format === undefined
            ? timestampText.test(text.trim())
              ? text.trim().slice(0, 10)
              : undefined
            : strptime(text, format)?.slice(0, 10)
        return day !== undefined && isDate(day) ? `"${day}"` : undefined
      })
    case 'TIMESTAMP':
    case 'DATETIME':
      return remembered((text) => {
        const bare = text.trim()
        const instant =
          format === undefined
            ? timestampText.test(bare) && isDate(bare.slice(0, 10))
              ? bare
              : undefined
            : strptime(text, format)
        return instant === undefined
          ? undefined
          : JSON.stringify(column.type === 'DATETIME' ? instant.replace(/Z$/, '') : instant)
      })
    case 'TIME':
      return (text) =>
        /^\d{1,2}:\d{2}(:\d{2}(\.\d{1,6})?)?$/.test(text.trim()) ? JSON.stringify(text.trim()) : undefined
    case 'BYTES':
      return (text) => (text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text) ? JSON.stringify(text) : undefined)
    case 'JSON':
      return (text) => {
        const whole = column.wrap_braces === true && !text.trimStart().startsWith('{') ? `{${text}}` : text
        try {
          return JSON.stringify(JSON.parse(whole))
        } catch {
          return undefined
        }
      }
    case 'STRUCT':
      throw new AppError('CONFIG_INVALID', `column ${column.name}: a STRUCT cannot be read from one column of a file`)
  }
}
/** Days repeat row after row. */
const remembered = (convert: Convert): Convert => {
  let [last, is]: [string | undefined, string | undefined] = [undefined, undefined]
  return (text) => {
    if (text !== last) [last, is] = [text, convert(text)]
    return is
  }
}
const constantOf = (value: unknown): string =>
  value instanceof Uint8Array ? JSON.stringify(Buffer.from(value).toString('base64')) : JSON.stringify(value ?? null)
const tableColumn = ({ name, type, mode, description, fields }: Column): Column => ({
  name,
  type,
  ...(mode === undefined ? {} : { mode }),
  ...(description === undefined ? {} : { description }),
  ...(fields === undefined ? {} : { fields }),
})
const expectedWord = (column: FileColumn): string =>
  column.format !== undefined ? `${column.type} as ${column.format}` : column.type

/** A value as it is compared with a period: numbers without needless digits, everything else as its text. */
const comparable = (value: string, { type }: Column): string =>
  type === 'NUMERIC' || type === 'BIGNUMERIC' ? (decimalOf(value, type) ?? value) : value
const outside = (target: string, { column, value }: PeriodColumn, got: string, where: string): AppError =>
  new AppError(
    'ROW_OUTSIDE_PERIOD',
    `${where}: a new row of ${target} has ${column.name} = ${got}, the period that is replaced is ${value}`,
  )

async function* csvRows(
  { files, columns = [], destination }: LoadSpec,
  period: readonly PeriodColumn[],
): AsyncGenerator<string> {
  const target = `${destination.dataset}.${destination.table}`
  for (const file of files) {
    let header: string[] | undefined
    let makers: ((record: CsvRecord) => string | undefined)[] = []
    const wrong = (column: FileColumn, { line }: CsvRecord, text: string): AppError =>
      new AppError(
        'EXPORT_INVALID',
        `${file.name}:${line}, column ${column.source}: expected ${expectedWord(column)}, got ${text === '' ? 'an empty field' : shown(text)}`,
      )
    const makerOf = (column: LoadColumn, names: readonly string[]): ((record: CsvRecord) => string | undefined) => {
      const key = `${JSON.stringify(column.name)}:`
      if ('value' in column) {
        const text = `${key}${constantOf(column.value)}`
        return () => (column.value === null ? undefined : text)
      }
      if ('object_of' in column) {
        const parts = Object.entries(column.object_of)
          .map(([name, source]) => [`${JSON.stringify(name)}:`, names.indexOf(source)] as const)
          .filter(([, at]) => at >= 0)
        return ({ fields }) =>
          `${key}{${parts
            .flatMap(([name, at]) => {
              const text = fields[at] ?? ''
              return text === '' ? [] : [`${name}${JSON.stringify(text)}`]
            })
            .join(',')}}`
      }
      const at = names.indexOf(column.source)
      const convert = converterOf(column)
      return (record) => {
        const text = at < 0 ? '' : (record.fields[at] ?? '')
        if (text === '') {
          if (column.mode === 'REQUIRED') throw wrong(column, record, '')
          return undefined
        }
        const value = convert(text)
        if (value === undefined) throw wrong(column, record, text)
        return `${key}${value}`
      }
    }
    const rules = period.map((rule) => ({
      rule,
      at: columns.findIndex(({ name }) => name.toLowerCase() === rule.column.name.toLowerCase()),
      is: comparable(rule.value, rule.column),
      skip: `${JSON.stringify(rule.column.name)}:`.length,
    }))
    let piece = ''
    for await (const records of csvRecords(file)) {
      for (const record of records) {
        if (header === undefined) {
          header = record.fields
          assertHeader(file, header, columns)
          makers = columns.map((column) => makerOf(column, header ?? []))
          continue
        }
        if (record.fields.length !== header.length)
          throw new AppError(
            'EXPORT_INVALID',
            `${file.name}:${record.line}: expected ${header.length} fields as in the first line, got ${record.fields.length}`,
          )
        const values = makers.map((make) => make(record))
        for (const { rule, at, is, skip } of rules) {
          const text = values[at]?.slice(skip)
          const value = text === undefined ? undefined : text.startsWith('"') ? (JSON.parse(text) as string) : text
          if (value === undefined || comparable(value, rule.column) !== is)
            throw outside(target, rule, value ?? 'NULL', `${file.name}:${record.line}`)
        }
        piece += `{${values.filter((value) => value !== undefined).join(',')}}\n`
        if (piece.length >= pieceChars) {
          yield piece
          piece = ''
        }
      }
    }
    if (header === undefined)
      throw new AppError('EXPORT_INVALID', `${file.name}: is empty; expected a line with the names of the columns`)
    if (piece !== '') yield piece
  }
}
const assertHeader = (file: File, header: readonly string[], columns: readonly LoadColumn[]): void => {
  for (const column of columns) {
    if ('source' in column && column.optional !== true && !header.includes(column.source)) {
      throw new AppError(
        'EXPORT_INVALID',
        `${file.name}: has no column ${column.source}, which ${column.name} is read from; it has ${header.slice(0, 12).join(', ')}${header.length > 12 ? ` and ${header.length - 12} more` : ''}`,
      )
    }
  }
  const twice = header.find(
    (name, k) =>
      header.indexOf(name) !== k &&
      columns.some(
        (column) =>
          ('source' in column && column.source === name) ||
          ('object_of' in column && Object.values(column.object_of).includes(name)),
      ),
  )
  if (twice !== undefined)
    throw new AppError('EXPORT_INVALID', `${file.name}:1: has two columns ${twice}; expected one`)
}

async function* ndjsonRows(
  { files, destination }: LoadSpec,
  columns: readonly Column[],
  period: readonly PeriodColumn[],
): AsyncGenerator<string> {
  const target = `${destination.dataset}.${destination.table}`
  for (const file of files) {
    let piece = ''
    for await (const { line, text } of linesOf(file)) {
      if (text.trim() === '') continue
      let row: unknown
      try {
        row = JSON.parse(text)
      } catch {
        throw new AppError('EXPORT_INVALID', `${file.name}:${line}: expected a JSON object, got ${shown(text)}`)
      }
      const wrong = misfitOf(columns, row)
      if (wrong !== undefined)
        throw new AppError(
          'EXPORT_INVALID',
          `${file.name}:${line}, column ${wrong.path}: expected ${wrong.expected}, got ${typeof wrong.got === 'string' ? shown(wrong.got) : JSON.stringify(wrong.got).slice(0, 60)}`,
        )
      for (const rule of period) {
        const value = (row as Readonly<Record<string, unknown>>)[rule.column.name]
        if (
          value === undefined ||
          value === null ||
          comparable(String(value), rule.column) !== comparable(rule.value, rule.column)
        )
          throw outside(
            target,
            rule,
            value === undefined || value === null ? 'NULL' : String(value),
            `${file.name}:${line}`,
          )
      }
      // The line itself, for numbers keep their digits in it.
      piece += `${text}\n`
      if (piece.length >= pieceChars) {
        yield piece
        piece = ''
      }
    }
    if (piece !== '') yield piece
  }
}

/** Looks at the files; they are read when the rows are. Throws EXPORT_INVALID, CONFIG_INVALID. */
export const rowsOfFiles = async (spec: LoadSpec): Promise<Rows> => {
  const { destination, files, format } = spec
  const target = `${destination.dataset}.${destination.table}`
  if (files.length === 0) throw new AppError('EXPORT_INVALID', 'the load names no file')
  for (const file of files)
    await stat(file.path).catch((error: unknown) => {
      throw unreadable(file, error)
    })
  if (format === 'ndjson') {
    const { columns = [] } = destination
    if (columns.length === 0)
      throw new AppError('CONFIG_INVALID', `${target}: a load of NDJSON needs destination.columns`)
    return { columns, rows: (period) => ndjsonRows(spec, columns, period) }
  }
  const columns = spec.columns ?? []
  if (columns.length === 0) throw new AppError('CONFIG_INVALID', `${target}: a load of ${format} needs columns`)
  // Parquet says itself what its types are: BigQuery reads it as it is.
  if (format === 'parquet')
    return {
      columns: columns.map(tableColumn),
      rows: () => {
        throw new AppError('INTERNAL', `${target}: Parquet has no rows as text`)
      },
    }
  return { columns: columns.map(tableColumn), rows: (period) => csvRows(spec, period) }
}
