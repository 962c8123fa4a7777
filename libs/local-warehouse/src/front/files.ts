/**
 * What a load reads: the bytes of an upload or of gs:// objects as files that the engine may read, CSV as the NDJSON
 * that it takes.
 */
import { createReadStream, createWriteStream } from 'node:fs'
import { copyFile, link, mkdir, open, readdir, rm, stat } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import type { Column } from '@convergence/contracts'
import { RestFault, invalid, notFound } from './wire.ts'

/** Bytes that came; small ones stay in memory. */
export interface Media {
  text?: Buffer
  path?: string
  bytes: number
}
/** What is small enough to be looked at as a whole. */
export const smallBytes = 1 << 20

/** Takes bytes until `end`; beyond `smallBytes` they are in the file `path`. */
export const openMedia = (path: string) => {
  let chunks: Buffer[] = []
  let bytes = 0
  let file: ReturnType<typeof createWriteStream> | undefined
  let fault: unknown
  return {
    get bytes() {
      return bytes
    },
    write: async (chunk: Buffer): Promise<void> => {
      bytes += chunk.length
      if (file === undefined) {
        chunks.push(chunk)
        if (bytes <= smallBytes) return
        file = createWriteStream(path, { mode: 0o600 })
        file.on('error', (error) => {
          fault = error
        })
        chunk = Buffer.concat(chunks)
        chunks = []
      }
      if (fault !== undefined) throw fault
      const own = file
      if (!own.write(chunk))
        await new Promise<void>((resolve) => {
          const go = () => {
            own.off('drain', go).off('error', go)
            resolve()
          }
          own.once('drain', go).once('error', go)
        })
    },
    end: async (): Promise<Media> => {
      if (file === undefined) return { text: Buffer.concat(chunks), bytes }
      await new Promise<void>((resolve, reject) => {
        file?.once('error', reject)
        file?.end(() => {
          resolve()
        })
      })
      if (fault !== undefined) throw fault
      return { path, bytes }
    },
    discard: async (): Promise<void> => {
      file?.destroy()
      await rm(path, { force: true })
    },
  }
}

/** The two parts of multipart/related: JSON, then bytes. The second is written as it comes. */
export const readMultipart = async (
  body: AsyncIterable<Buffer>,
  contentType: string,
  path: string,
): Promise<{ json: string; media: Media }> => {
  const [, quotedBoundary, plain] = /boundary=(?:"([^"]+)"|'?([^;'\s]+))/i.exec(contentType) ?? []
  const boundary = quotedBoundary ?? plain
  if (boundary === undefined) throw invalid('multipart/related: expected a boundary')
  const mark = Buffer.from(`--${boundary}`)
  const media = openMedia(path)
  let rest: Buffer = Buffer.alloc(0)
  let json: string | undefined
  let inMedia = false
  const headEnd = (from: number): { at: number; length: number } | undefined => {
    const [long, short] = [rest.indexOf('\r\n\r\n', from), rest.indexOf('\n\n', from)]
    if (long >= 0 && (short < 0 || long < short)) return { at: long, length: 4 }
    return short < 0 ? undefined : { at: short, length: 2 }
  }
  // The end of the media is the last boundary: so many bytes are held back.
  const tail = mark.length + 16
  try {
    for await (const chunk of body) {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      if (!inMedia) {
        const first = rest.indexOf(mark)
        const head = first < 0 ? undefined : headEnd(first)
        const second = head === undefined ? -1 : rest.indexOf(mark, head.at)
        const secondHead = second < 0 ? undefined : headEnd(second)
        if (head === undefined || secondHead === undefined) {
          if (rest.length > smallBytes) throw invalid('multipart/related: the first part is too large')
          continue
        }
        json = rest
          .subarray(head.at + head.length, second)
          .toString()
          .trim()
        rest = rest.subarray(secondHead.at + secondHead.length)
        inMedia = true
      }
      if (rest.length > tail) {
        await media.write(rest.subarray(0, rest.length - tail))
        rest = rest.subarray(rest.length - tail)
      }
    }
    const end = rest.lastIndexOf(mark)
    if (json === undefined || end < 0)
      throw invalid('multipart/related: expected two parts, and the boundary at the end')
    const cut = rest[end - 1] === 0x0a ? (rest[end - 2] === 0x0d ? 2 : 1) : 0
    await media.write(rest.subarray(0, end - cut))
    return { json, media: await media.end() }
  } catch (error) {
    await media.discard()
    throw error
  }
}

const isGzip = (head: Buffer): boolean => head[0] === 0x1f && head[1] === 0x8b
/** A file that the engine may read; a name that ends in .gz tells that it is packed. */
export const mediaFile = async (media: Media, folder: string, name: string): Promise<string> => {
  const head = media.text ?? (await headOf(media.path ?? ''))
  const path = join(folder, `${name}${isGzip(head) ? '.gz' : ''}`)
  if (media.path !== undefined) await link(media.path, path).catch(() => copyFile(media.path ?? '', path))
  else await pipeline(Readable.from([media.text ?? Buffer.alloc(0)]), createWriteStream(path, { mode: 0o600 }))
  return path
}
const headOf = async (path: string): Promise<Buffer> => {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

/** Objects of gs:// URIs, one * allowed, from the folder of the bucket, as files in `folder`. Throws 404 and 400. */
export const bucketFiles = async (
  uris: readonly string[],
  buckets: string,
  folder: string,
  name: string,
): Promise<{ path: string; name: string }[]> => {
  const found: { path: string; name: string }[] = []
  for (const uri of uris) {
    const [, bucket, key] = /^gs:\/\/([a-z0-9][a-z0-9._-]{1,220})\/(.+)$/.exec(uri) ?? []
    if (bucket === undefined || key === undefined) throw invalid(`Invalid URI ${uri}: expected gs://bucket/key`)
    if (key.split('*').length > 2) throw invalid(`Invalid URI ${uri}: at most one *`)
    const root = join(buckets, bucket)
    const safe = (path: string): boolean =>
      !relative(root, path).startsWith(`..`) && !relative(root, path).split(sep).includes('..')
    const [before = '', after] = key.split('*')
    const keys =
      after === undefined
        ? [key]
        : (await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []))
            .filter((entry) => entry.isFile())
            .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
            .filter(
              (own) => own.startsWith(before) && own.endsWith(after) && own.length >= before.length + after.length,
            )
            .sort()
    if (keys.length === 0) throw notFound(`URI ${uri}`)
    for (const own of keys) {
      const source = join(root, ...own.split('/'))
      if (
        !safe(source) ||
        own.includes('\0') ||
        !(await stat(source).then(
          (entry) => entry.isFile(),
          () => false,
        ))
      )
        throw notFound(`URI gs://${bucket}/${own}`)
      const path = join(folder, `${name}-${found.length}${isGzip(await headOf(source)) ? '.gz' : ''}`)
      await link(source, path).catch(() => copyFile(source, path))
      found.push({ path, name: `gs://${bucket}/${own}` })
    }
  }
  return found
}

// ---- CSV

export interface CsvOptions {
  skip: number
  delimiter: string
  quote: string
  null_marker: string
  quoted_newlines: boolean
  jagged: boolean
  ignore_more: boolean
}
interface Record {
  line: number
  fields: { text: string; quoted: boolean }[]
}

const readable = (path: string): AsyncIterable<Buffer> => {
  const raw = createReadStream(path, { highWaterMark: 1 << 20 })
  if (!path.endsWith('.gz')) return raw as AsyncIterable<Buffer>
  const unpacked = createGunzip()
  raw.on('error', (error) => unpacked.destroy(error))
  return raw.pipe(unpacked) as AsyncIterable<Buffer>
}
export async function* csvRecords(
  path: string,
  name: string,
  { delimiter, quote, quoted_newlines }: CsvOptions,
): AsyncGenerator<Record> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let [text, quoted, inQuotes, wasQuote, wasReturn] = ['', false, false, false, false]
  let fields: Record['fields'] = []
  let [line, began] = [1, 1]
  const endField = () => {
    fields.push({ text, quoted })
    ;[text, quoted] = ['', false]
  }
  const step = function* (piece: string): Generator<Record> {
    for (const character of piece) {
      if (wasReturn) {
        wasReturn = false
        if (character === '\n') continue
      }
      if (inQuotes && !wasQuote) {
        if (quote !== '' && character === quote) wasQuote = true
        else {
          if (character === '\n') {
            if (!quoted_newlines)
              throw invalid(`${name}:${began}: a quoted field has a line break; set allowQuotedNewlines`)
            line += 1
          }
          text += character
        }
        continue
      }
      if (wasQuote) {
        wasQuote = false
        if (character === quote) {
          text += quote
          continue
        }
        inQuotes = false
      }
      if (quote !== '' && character === quote && text === '' && !quoted) [inQuotes, quoted] = [true, true]
      else if (character === delimiter) endField()
      else if (character === '\n' || character === '\r') {
        wasReturn = character === '\r'
        if (fields.length > 0 || text !== '' || quoted) {
          endField()
          yield { line: began, fields }
        }
        line += 1
        ;[fields, began] = [[], line]
      } else text += character
    }
  }
  try {
    for await (const chunk of readable(path)) yield* step(decoder.decode(chunk, { stream: true }))
    yield* step(decoder.decode())
  } catch (error) {
    if (error instanceof RestFault) throw error
    throw invalid(`${name}:${line}: cannot be read: expected UTF-8${path.endsWith('.gz') ? ', whole if packed' : ''}`)
  }
  if (inQuotes && !wasQuote) throw invalid(`${name}:${began}: a quote is opened and never closed`)
  if (fields.length > 0 || text !== '' || quoted) {
    endField()
    yield { line: began, fields }
  }
}
/** A field of CSV as JSON; numbers and times stay text, the load reads them. */
const cellOf = (column: Column, text: string, quoted: boolean, marker: string, where: string): unknown => {
  if (marker === '' ? text === '' && (column.type !== 'STRING' || !quoted) : text === marker && !quoted) return null
  if (text === '' && column.type !== 'STRING' && column.type !== 'BYTES')
    throw invalid(
      `${where}, column ${column.name}: expected ${column.type}, got an empty field; NULL is '${marker.slice(0, 40)}'`,
    )
  if (column.type === 'BOOL') {
    if (/^(true|t|yes|y|1)$/i.test(text)) return true
    if (/^(false|f|no|n|0)$/i.test(text)) return false
    throw invalid(`${where}, column ${column.name}: expected BOOL, got '${text.slice(0, 40)}'`)
  }
  if (column.type === 'JSON') {
    try {
      return JSON.parse(text) as unknown
    } catch {
      throw invalid(`${where}, column ${column.name}: expected JSON, got '${text.slice(0, 40)}'`)
    }
  }
  return text
}
/**
 * Writes a CSV file as NDJSON; `columns` are those of its fields, in their order. Throws 400 with file, line and
 * column.
 */
export const csvToNdjson = async (
  path: string,
  name: string,
  columns: readonly Column[],
  options: CsvOptions,
  into: string,
): Promise<void> => {
  const nested = columns.find(({ type, mode }) => type === 'STRUCT' || mode === 'REPEATED')
  if (nested !== undefined) throw invalid(`CSV files cannot hold the column ${nested.name}: it is nested or repeated`)
  const lines = async function* () {
    let [skipped, text] = [0, '']
    for await (const { line, fields } of csvRecords(path, name, options)) {
      if (skipped < options.skip) {
        skipped += 1
        continue
      }
      if (fields.length > columns.length && !options.ignore_more)
        throw invalid(`${name}:${line}: too many values in row: expected ${columns.length}, got ${fields.length}`)
      if (fields.length < columns.length && !options.jagged)
        throw invalid(`${name}:${line}: missing values in row: expected ${columns.length}, got ${fields.length}`)
      text += `${JSON.stringify(Object.fromEntries(columns.flatMap((column, k) => (fields[k] === undefined ? [] : [[column.name, cellOf(column, fields[k].text, fields[k].quoted, options.null_marker, `${name}:${line}`)]]))))}\n`
      if (text.length > 65_536) {
        yield text
        text = ''
      }
    }
    if (text !== '') yield text
  }
  await pipeline(Readable.from(lines(), { objectMode: false }), createWriteStream(into, { mode: 0o600 }))
}
const guesses: readonly (readonly [Column['type'], RegExp])[] = [
  ['BOOL', /^(true|false)$/i],
  ['INT64', /^[+-]?\d{1,18}$/],
  ['FLOAT64', /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/],
  ['DATE', /^\d{4}-\d\d-\d\d$/],
  ['TIMESTAMP', /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?(Z|UTC|[+-]\d\d:?\d\d))?$/i],
]
const typeOfTexts = (texts: readonly string[]): Column['type'] => {
  const filled = texts.filter((text) => text !== '')
  return filled.length === 0
    ? 'STRING'
    : (guesses.find(([, form]) => filled.every((text) => form.test(text)))?.[0] ?? 'STRING')
}
/** What the first lines of a CSV file tell of its columns. */
export interface CsvHead {
  columns: Column[]
  /** The fields of the line that names the columns, if one does. */
  names: string[]
  /**
   * By the form of the lines: another line has a type that the first has not, or it was said that lines are skipped.
   */
  is_header: boolean
  looks_like_header: boolean
}
const plainName = (text: string, k: number): string => {
  const plain = text.replace(/[^A-Za-z0-9_]/g, '_')
  return plain === '' ? `field_${k}` : /^[A-Za-z_]/.test(plain) ? plain : `_${plain}`
}
/** Undefined when the file has no lines. */
export const detectCsv = async (path: string, name: string, options: CsvOptions): Promise<CsvHead | undefined> => {
  const records: string[][] = []
  for await (const { fields } of csvRecords(path, name, { ...options, quoted_newlines: true })) {
    records.push(fields.map(({ text }) => text))
    if (records.length > 500) break
  }
  const [names = [], ...others] = records.slice(Math.max(0, options.skip - 1))
  if (names.length === 0) return undefined
  const types = names.map((_, k) => typeOfTexts(others.map((record) => record[k] ?? '')))
  const looks_like_header =
    others.length > 0 &&
    names.every((text) => typeOfTexts([text]) === 'STRING' && text !== '') &&
    types.some((type) => type !== 'STRING')
  const is_header = options.skip > 0 || looks_like_header
  const unnamed = (text: string, k: number): Column => {
    const type = typeOfTexts([text, ...others.map((record) => record[k] ?? '')])
    return { name: `${/^[a-z]+/.exec(type.toLowerCase())?.[0] ?? 'string'}_field_${k}`, type }
  }
  return {
    names,
    is_header,
    looks_like_header,
    columns: is_header
      ? names.map((text, k) => ({ name: plainName(text, k), type: types[k] ?? 'STRING' }))
      : names.map(unnamed),
  }
}
const columnNamed = (columns: readonly Column[], text: string, k: number): Column | undefined =>
  columns.find(({ name }) => [text, plainName(text, k)].some((one) => one.toLowerCase() === name.toLowerCase()))
/** Whether a file's first line says which field is which of these columns. */
export const namesColumns = ({ names, is_header, looks_like_header }: CsvHead, columns: readonly Column[]): boolean => {
  const known = names.filter((text, k) => columnNamed(columns, text, k) !== undefined).length
  return looks_like_header || known === names.length || (is_header && known > 0)
}
/** The columns in the order of the file's header. */
export const columnsByHeader = (
  { names }: CsvHead,
  name: string,
  columns: readonly Column[],
  table: string,
): Column[] => {
  const found = names.map((text, k) => {
    const column = columnNamed(columns, text, k)
    if (column === undefined) throw cannotAdd(table, text, name)
    return column
  })
  const twice = found.find((column, k) => found.indexOf(column) !== k)
  if (twice !== undefined) throw invalid(`${name}: has two columns ${twice.name} in its header; expected one`)
  return found
}
export const cannotAdd = (table: string, field: string, name: string): RestFault =>
  invalid(
    `Provided Schema does not match Table ${table}. Cannot add fields (field: ${field.slice(0, 300)}, of ${name})`,
  )
/** Columns of NDJSON by its first lines; none when it has none. */
export const detectNdjson = async (path: string, name: string): Promise<Column[]> => {
  const rows: Record_[] = []
  for await (const line of linesOf(path)) {
    if (line.trim() === '') continue
    try {
      rows.push(JSON.parse(line) as Record_)
    } catch {
      throw invalid(`${name}:${rows.length + 1}: expected a JSON object`)
    }
    if (rows.length >= 500) break
  }
  return columnsOfRows(rows)
}
type Record_ = { [name: string]: unknown }
const columnsOfRows = (rows: readonly Record_[]): Column[] =>
  [...new Set(rows.flatMap((row) => Object.keys(row)))].map((name): Column => {
    const values = rows.map((row) => row[name]).filter((value) => value !== null && value !== undefined)
    const isList = values.some(Array.isArray)
    const flat = isList ? values.flat() : values
    const mode = isList ? { mode: 'REPEATED' as const } : {}
    if (flat.some((value) => typeof value === 'object' && value !== null))
      return {
        name,
        type: 'STRUCT',
        ...mode,
        fields: columnsOfRows(flat.filter((value): value is Record_ => typeof value === 'object' && value !== null)),
      }
    if (flat.length > 0 && flat.every((value) => typeof value === 'boolean')) return { name, type: 'BOOL', ...mode }
    return { name, type: typeOfTexts(flat.map(String)), ...mode }
  })
async function* linesOf(path: string): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of readable(path)) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
  rest += decoder.decode()
  if (rest !== '') yield rest
}
/** The first field of NDJSON that the columns do not have: a load without ignoreUnknownValues fails by it. */
export const assertNoUnknown = async (path: string, name: string, columns: readonly Column[]): Promise<void> => {
  let line = 0
  for await (const text of linesOf(path)) {
    line += 1
    if (text.trim() === '') continue
    let row: unknown
    try {
      row = JSON.parse(text)
    } catch {
      return
    }
    const unknown = unknownOf(columns, row, '')
    if (unknown !== undefined)
      throw invalid(
        `Error while reading data, error message: JSON table encountered too many errors, giving up. Rows: ${line}; errors: 1. ${name}:${line}: No such field: ${unknown}.`,
      )
  }
}
const unknownOf = (columns: readonly Column[], row: unknown, path: string): string | undefined => {
  if (typeof row !== 'object' || row === null || Array.isArray(row)) return undefined
  for (const [key, value] of Object.entries(row)) {
    const column = columns.find(({ name }) => name === key)
    if (column === undefined) return `${path}${key}`
    if (column.type !== 'STRUCT') continue
    for (const one of Array.isArray(value) ? (value as unknown[]) : [value]) {
      const inner = unknownOf(column.fields ?? [], one, `${path}${key}.`)
      if (inner !== undefined) return inner
    }
  }
  return undefined
}
export const makeFolder = async (folder: string): Promise<void> => {
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true, mode: 0o700 })
}
