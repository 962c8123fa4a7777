/**
 * The beginning of an export: its header and its first rows, enough to say what kind of file it is before any of it is
 * loaded.
 */
import { AppError } from '@convergence/contracts'
import { told } from './words.ts'

export interface CsvRecord {
  /** Where the record begins; the header stands in line 1. */
  line: number
  fields: string[]
}
/** What is known of a file before it is loaded. */
export interface Inspected {
  /** What errors call it: its key. */
  name: string
  header: string[]
  /** The first rows, as many as fit in the first MiB. */
  rows: CsvRecord[]
}

/**
 * Records of CSV text: quotes as in RFC 4180, lines end in LF or CRLF. Without `whole` the text may stop anywhere, and
 * its last record is left out.
 */
export const parseCsv = (text: string, { whole }: { whole: boolean }): CsvRecord[] => {
  const records: CsvRecord[] = []
  let fields: string[] = []
  let [line, began, at] = [1, 1, text.startsWith('\uFEFF') ? 1 : 0]
  const endRecord = () => {
    // An empty line is no record.
    if (fields.length > 1 || fields[0] !== '') records.push({ line: began, fields })
    fields = []
    line += 1
    began = line
  }
  while (at < text.length) {
    let field = ''
    if (text.charAt(at) === '"') {
      at += 1
      for (;;) {
        const close = text.indexOf('"', at)
        if (close < 0) return records
        const part = text.slice(at, close)
        for (let newline = part.indexOf('\n'); newline >= 0; newline = part.indexOf('\n', newline + 1)) line += 1
        field += part
        at = close + 1
        if (text.charAt(at) !== '"') break
        field += '"'
        at += 1
      }
    }
    const rest = /[^,\n]*/y
    rest.lastIndex = at
    const plain = rest.exec(text)?.[0] ?? ''
    at += plain.length
    const separator = text.charAt(at)
    fields.push(field + (separator === ',' ? plain : plain.replace(/\r$/, '')))
    if (separator === '' && !whole) return records
    if (separator !== ',') endRecord()
    at += 1
    if (separator === ',' && at === text.length && whole) {
      fields.push('')
      endRecord()
    }
  }
  return records
}

/**
 * What the bytes of a header are when they are not UTF-8, as spreadsheets save it; read as UTF-8 it would be told as
 * names full of NULs.
 */
const utf16Of = (head: Buffer): string | undefined => {
  const mark = head.subarray(0, 2).toString('hex')
  if (mark === 'fffe' || mark === 'feff')
    return `UTF-16 (it begins with the byte order mark ${mark === 'fffe' ? 'FF FE' : 'FE FF'})`
  const end = head.indexOf(0x0a)
  const nul = (end < 0 ? head : head.subarray(0, end)).indexOf(0)
  return nul < 0 ? undefined : `UTF-16 or no text (byte ${nul + 1} is NUL)`
}

/**
 * Header and first rows of a file from its first bytes. Throws EXPORT_INVALID when there is no header, or none in
 * UTF-8.
 */
export const inspectCsv = (name: string, head: Buffer, { whole }: { whole: boolean }): Inspected => {
  const utf16 = utf16Of(head)
  if (utf16 !== undefined) throw new AppError('EXPORT_INVALID', `${name}:1: expected UTF-8, got ${utf16}`)
  const [first, ...rows] = parseCsv(head.toString('utf8'), { whole })
  if (first === undefined) {
    throw new AppError(
      'EXPORT_INVALID',
      head.length === 0
        ? `${name}: expected a CSV file with a header, got an empty file`
        : `${name}:1: expected a header of column names, got ${head.length} bytes without the end of a line`,
    )
  }
  if (first.fields.length < 2)
    throw new AppError(
      'EXPORT_INVALID',
      `${name}:1: expected a header of column names with commas between them, got ${JSON.stringify(told(first.fields.join(), 60))}`,
    )
  return { name, header: first.fields, rows }
}

/** Values of a column in the first rows, those that are filled, with the lines that they stand in. */
export const valuesOf = ({ header, rows }: Inspected, column: string): { line: number; value: string }[] => {
  const at = header.indexOf(column)
  return at < 0
    ? []
    : rows.flatMap(({ line, fields }) =>
        fields[at] === undefined || fields[at] === '' ? [] : [{ line, value: fields[at] }],
      )
}

export type DayFormat = 'iso' | 'month_first'
const asDay: Readonly<Record<DayFormat, RegExp>> = {
  iso: /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$/,
  month_first: /^(0?[1-9]|1[0-2])\/(0?[1-9]|[12]\d|3[01])\/\d{4}$/,
}
/** YYYY-MM of a day. */
export const monthOfDay = (value: string, format: DayFormat): string => {
  if (format === 'iso') return value.slice(0, 7)
  const [month = '', , year = ''] = value.split('/')
  return `${year}-${month.padStart(2, '0')}`
}
/**
 * How one file writes the days of one column; undefined when its first rows have none. One way for the whole file: what
 * differs is an error here, and
 * further down it is one of the load. Month and day are never told apart row by row.
 */
export const dayFormatOf = (file: Inspected, column: string): DayFormat | undefined => {
  const values = valuesOf(file, column)
  const [first] = values
  if (first === undefined) return undefined
  const format = (Object.keys(asDay) as DayFormat[]).find((each) => asDay[each].test(first.value))
  const odd = format === undefined ? first : values.find(({ value }) => !asDay[format].test(value))
  if (format !== undefined && odd === undefined) return format
  const got = JSON.stringify(told(odd?.value ?? '', 40))
  throw new AppError(
    'EXPORT_INVALID',
    format === undefined
      ? `${file.name}:${first.line}, column ${column}: expected a day as MM/DD/YYYY or YYYY-MM-DD, got ${got}`
      : `${file.name}:${String(odd?.line)}, column ${column}: expected ${format === 'iso' ? 'YYYY-MM-DD' : 'MM/DD/YYYY'} as in line ${first.line}, got ${got}`,
  )
}

/**
 * What may be between two bytes of CSV: nothing of a record, the end of one, and where in a field; a quote opens only
 * at its beginning.
 */
const [none, ended, begin, plain, quoted, quote] = [0, 1, 2, 3, 4, 5] as const
const next = (state: number, byte: number): number => {
  if (state === quoted) return byte === 34 ? quote : quoted
  if (byte === 10 || byte === 13) return state === none || state === ended ? none : ended
  return byte === 44 ? begin : byte === 34 && state !== plain ? quoted : plain
}
/** Every byte of every file comes by here: looked up, they are several times as fast as decided. */
const nextOf = Uint8Array.from({ length: 6 * 256 }, (_, k) => next(k >> 8, k & 255))
/**
 * Counts the records of CSV text as its bytes come, without taking it apart: the header is one of them, an empty line
 * is none.
 */
export const openRecordCount = (): { see(chunk: Buffer): void; records(): number } => {
  let [state, records, first]: [number, number, boolean] = [none, 0, true]
  return {
    see: (chunk) => {
      let [now, found]: [number, number] = [state, 0]
      for (let k = first && chunk.subarray(0, 3).equals(Buffer.from('\uFEFF')) ? 3 : 0; k < chunk.length; k += 1) {
        now = nextOf[(now << 8) | (chunk[k] ?? 0)] ?? none
        if (now === ended) found += 1
      }
      ;[state, records, first] = [now, records + found, first && chunk.length === 0]
    },
    records: () => records + (state === none || state === ended ? 0 : 1),
  }
}
