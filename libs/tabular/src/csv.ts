/**
 * The one reader of CSV: bytes in, records with their lines out. Quotes as in RFC 4180; a line ends in LF, CRLF or CR,
 * also in one file beside each other; an empty line is no record. Spaces around a quoted field are not of the field.
 * A byte order mark is passed over before the first record, and before the second, where some exports repeat it.
 * Whatever is no CSV is EXPORT_INVALID, by line and column.
 */
import { isUtf8 } from 'node:buffer'
import { AppError } from '@convergence/contracts'

export interface CsvRecord {
  /** Where the record begins; the first line of the file is 1. */
  line: number
  fields: string[]
  /** Which fields were quoted; only with `quotes: true`. An empty field that is quoted is text, not NULL. */
  quoted?: boolean[]
}
export interface CsvOptions {
  /** What errors call the file. */
  name: string
  /** One character; default: a comma. */
  delimiter?: string
  /** One character, or empty for a file without quotes; default: ". */
  quote?: string
  /** Whether the first record names the columns, so that others have as many fields, and faults name them; default. */
  header?: boolean
  /** Whether records say which of their fields were quoted; default: they do not. */
  quotes?: boolean
  /** Whether a quoted field may have line breaks; default true. */
  quoted_newlines?: boolean
  /** Characters of a record, so that a quote which is never closed does not take the file into memory; default 10 MiB. */
  longest_record?: number
}
export interface Csv {
  /** The records that are whole by now. */
  push(text: string): CsvRecord[]
  /** The records that the end of the text makes whole. */
  end(): CsvRecord[]
  /** The line that the text ends in, as far as it has come. */
  line(): number
}

const byteOrderMark = '\uFEFF'
const [LF, CR, SPACE] = [10, 13, 32]
const shown = (text: string): string => `'${text.slice(0, 20).toWellFormed()}'`
const linesIn = (text: string): number => (/[\r\n]/.test(text) ? text.split(/\r\n|\r|\n/).length - 1 : 0)

/** The next position of something at or after another, looked for only once the one before has been passed. */
const finder = (find: (from: number) => number): ((from: number) => number) => {
  let at: number | undefined
  return (from) => {
    if (at === undefined || (at >= 0 && at < from)) at = find(from)
    return at
  }
}

/** A piece of text whose first character begins a record, and how it is to be read. */
interface Scan {
  source: string
  comma: number
  quoteCode: number
  delimiter: string
  quote: string
  quotes: boolean
  quoted_newlines: boolean
  /** Nothing comes after this text. */
  last: boolean
  /** Number of the line of the record that is read now. */
  line(): number
  fault(at: { line: number; field?: number }, problem: string): AppError
}
interface Taken {
  fields: string[]
  quoted: boolean[]
  end: number
  lines: number
}

/** Gives the record that begins at a position; undefined when the text ends before it does. */
const openScan = (scan: Scan): ((at: number) => Taken | undefined) => {
  const { source, comma, quoteCode, delimiter, quote, quotes, quoted_newlines, last, line, fault } = scan
  const ends = finder((from) => {
    const lf = source.indexOf('\n', from)
    return lf > from && source.charCodeAt(lf - 1) === CR ? lf - 1 : lf
  })
  const quoteMarks = finder((from) => (quote === '' ? -1 : source.indexOf(quote, from)))
  /** A CR that is no part of CRLF; one at the end of the text is not known to be. */
  const returns = finder((from) => {
    for (let at = source.indexOf('\r', from); at >= 0; at = source.indexOf('\r', at + 1))
      if (at + 1 < source.length ? source.charCodeAt(at + 1) !== LF : last) return at
    return -1
  })
  /** Where the line ends that a position is in; undefined when that is not known yet. */
  const lineEnd = (from: number): number | undefined => {
    const [end, cr] = [ends(from), returns(from)]
    if (end < 0 && cr < 0) return last ? source.length : undefined
    return end < 0 || (cr >= 0 && cr < end) ? cr : end
  }
  /** A field whose quote opens at `open`: what it says, and where it ends; undefined when it may go on. */
  const quotedField = (open: number, field: number, lines: number) => {
    let [close, doubled] = [source.indexOf(quote, open + 1), false]
    while (close >= 0 && source.charCodeAt(close + 1) === quoteCode) {
      doubled = true
      close = source.indexOf(quote, close + 2)
    }
    if (close < 0 && last)
      throw fault({ line: line() + lines, field }, 'expected a quote that closes the field, got the end of the file')
    if (close < 0) return undefined
    const raw = source.slice(open + 1, close)
    const lineEnds = (lineEnd(open) ?? source.length) < close ? linesIn(raw) : 0
    if (lineEnds > 0 && !quoted_newlines)
      throw fault({ line: line() + lines, field }, 'a quoted field has a line break; set allowQuotedNewlines')
    let end = close + 1
    while (source.charCodeAt(end) === SPACE) end += 1
    if (end >= source.length && !last) return undefined
    const after = source.charCodeAt(end)
    if (end < source.length && after !== comma && after !== LF && after !== CR)
      throw fault(
        { line: line() + lines + lineEnds, field },
        `expected ${delimiter === ',' ? 'a comma' : shown(delimiter)} or the end of the line after the closing quote, got ${shown(source.slice(end, end + 20))}`,
      )
    return { value: doubled ? raw.replaceAll(quote + quote, quote) : raw, end, lineEnds }
  }
  /** The fields from `at`, of the record at the front of which it stands; undefined when the text ends before it. */
  return (at) => {
    const fields: string[] = []
    const quoted: boolean[] = []
    const plain = (from: number, to: number): void => {
      const more = source.slice(from, to).split(delimiter)
      for (const each of more) fields.push(each)
      if (quotes) for (const _ of more) quoted.push(false)
    }
    let [own, lines] = [at, 0]
    for (;;) {
      const end = lineEnd(own)
      const mark = quoteMarks(own)
      if (mark < 0 || (end !== undefined && mark >= end)) {
        if (end === undefined) return undefined
        plain(own, end)
        return { fields, quoted, end, lines }
      }
      // The quote is in the field after the last delimiter before it, and opens it where only spaces are before.
      const begin = Math.max(own, source.lastIndexOf(delimiter, mark) + 1)
      if (begin > own) plain(own, begin - 1)
      if (source.slice(begin, mark).trimStart() === '') {
        const field = quotedField(mark, fields.length, lines)
        if (field === undefined) return undefined
        fields.push(field.value)
        if (quotes) quoted.push(true)
        lines += field.lineEnds
        own = field.end
      } else {
        const stop = source.indexOf(delimiter, mark)
        if (end === undefined && stop < 0) return undefined
        own = stop < 0 || (end !== undefined && end < stop) ? (end ?? stop) : stop
        plain(begin, own)
      }
      if (source.charCodeAt(own) !== comma) return { fields, quoted, end: own, lines }
      own += 1
    }
  }
}

/** Reads text as it comes, in pieces cut anywhere. */
export const openCsv = ({
  name,
  delimiter = ',',
  quote = '"',
  header = true,
  quotes = false,
  quoted_newlines = true,
  longest_record = 10 * 1024 * 1024,
}: CsvOptions): Csv => {
  const comma = delimiter.charCodeAt(0)
  const quoteCode = quote === '' ? -1 : quote.charCodeAt(0)
  /** Not yet taken: begins with a record. */
  let text = ''
  let [line, records, last]: [number, number, boolean] = [1, 0, false]
  let names: readonly string[] | undefined

  const fault = (at: { line: number; field?: number }, problem: string): AppError => {
    const column = at.field === undefined ? '' : `, column ${names?.[at.field] ?? at.field + 1}`
    return new AppError('EXPORT_INVALID', `${name}:${at.line}${column}: ${problem}`)
  }
  const admit = (record: CsvRecord): CsvRecord => {
    if (header && names === undefined) names = record.fields
    else if (header && record.fields.length !== names?.length)
      throw fault(record, `expected ${names?.length ?? 0} fields as in the first line, got ${record.fields.length}`)
    records += 1
    return record
  }

  /** The records that are whole in the text, which keeps the rest. */
  const take = (): CsvRecord[] => {
    const found: CsvRecord[] = []
    const source = text
    const recordAt = openScan({
      source,
      comma,
      quoteCode,
      delimiter,
      quote,
      quotes,
      quoted_newlines,
      last,
      line: () => line,
      fault,
    })
    let at = 0
    while (at < source.length) {
      if (records < 2 && source.startsWith(byteOrderMark, at)) at += 1
      const taken = recordAt(at)
      if (taken === undefined) break
      const { fields, quoted, end, lines } = taken
      const isReturn = source.charCodeAt(end) === CR
      // The LF of a CRLF may be in the next piece.
      if (isReturn && end + 1 >= source.length && !last) break
      if (end > at) found.push(admit(quotes ? { line, fields, quoted } : { line, fields }))
      line += lines + 1
      at = end + (isReturn && source.charCodeAt(end + 1) === LF ? 2 : 1)
    }
    text = source.slice(at)
    if (text.length > longest_record)
      throw fault(
        { line },
        `expected a record of at most ${Math.round(longest_record / 1024 / 1024)} MB, got more; is a quote opened and never closed?`,
      )
    return found
  }
  return {
    push: (more) => {
      text = text === '' ? more : text + more
      return take()
    },
    end: () => {
      last = true
      return take()
    },
    line: () => line + linesIn(text),
  }
}

/** The bytes at the end of a piece that begin a character and do not end it. */
const begunCharacter = (piece: Uint8Array): Uint8Array => {
  for (let length = 1; length <= Math.min(3, piece.length); length += 1) {
    const byte = piece[piece.length - length] ?? 0
    if (byte >= 0xc0) return piece.subarray(piece.length - length)
    if (byte < 0x80) break
  }
  return new Uint8Array()
}
/** Line ends before the first line that is no UTF-8. */
const linesInUtf8 = (bytes: Uint8Array): number => {
  let [lines, begin] = [0, 0]
  for (let end = bytes.indexOf(LF); end >= 0 && isUtf8(bytes.subarray(begin, end)); end = bytes.indexOf(LF, begin)) {
    lines += 1
    begin = end + 1
  }
  return lines
}

/** Records of a file as its bytes come, many at a time. Throws EXPORT_INVALID also where the bytes are no UTF-8. */
export async function* csvRecords(bytes: AsyncIterable<Uint8Array>, options: CsvOptions): AsyncGenerator<CsvRecord[]> {
  const csv = openCsv(options)
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  let before: Uint8Array = new Uint8Array()
  const decode = (piece: Uint8Array | undefined): string => {
    try {
      return piece === undefined ? decoder.decode() : decoder.decode(piece, { stream: true })
    } catch (error) {
      const line = csv.line() + linesInUtf8(Buffer.concat([begunCharacter(before), piece ?? before.subarray(0, 0)]))
      throw new AppError('EXPORT_INVALID', `${options.name}:${line}: expected UTF-8, got other bytes`, { cause: error })
    }
  }
  for await (const piece of bytes) {
    const records = csv.push(decode(piece))
    before = piece
    if (records.length > 0) yield records
  }
  const records = csv.push(decode(undefined))
  if (records.length > 0) yield records
  const rest = csv.end()
  if (rest.length > 0) yield rest
}

/**
 * What may be between two bytes of CSV: nothing of a record, the end of one, and where in a field; a quote opens only
 * at its beginning.
 */
const [none, ended, begin, plain, quoted, quote] = [0, 1, 2, 3, 4, 5] as const
const next = (state: number, byte: number): number => {
  if (state === quoted) return byte === 34 ? quote : quoted
  if (byte === LF || byte === CR) return state === none || state === ended ? none : ended
  if (byte === 44 || (byte === SPACE && state <= begin)) return begin
  return byte === 34 && state !== plain ? quoted : plain
}
/** Every byte of every file comes by here: looked up, they are several times as fast as decided. */
const nextOf = Uint8Array.from({ length: 6 * 256 }, (_, k) => next(k >> 8, k & 255))
/**
 * Counts the records of CSV as its bytes come, without taking it apart: the header is one of them, an empty line is
 * none.
 */
export const openRecordCount = (): { see(chunk: Uint8Array): void; records(): number } => {
  let [state, records, first]: [number, number, boolean] = [none, 0, true]
  const hasMark = (chunk: Uint8Array): boolean => chunk[0] === 0xef && chunk[1] === 0xbb && chunk[2] === 0xbf
  return {
    see: (chunk) => {
      let [now, found]: [number, number] = [state, 0]
      for (let k = first && hasMark(chunk) ? 3 : 0; k < chunk.length; k += 1) {
        now = nextOf[(now << 8) | (chunk[k] ?? 0)] ?? none
        if (now === ended) found += 1
      }
      ;[state, records, first] = [now, records + found, first && chunk.length === 0]
    },
    records: () => records + (state === none || state === ended ? 0 : 1),
  }
}

/** A field as CSV has it, quoted where it must be. */
export const csvField = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)
