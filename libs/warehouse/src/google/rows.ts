/**
 * Small rows into central tables, at least once: each has a deterministic event_id, and the views fold what came twice.
 * On Google Cloud by the default stream of the Storage Write API (visible when acknowledged, any number of writers); a
 * local endpoint has none, so there by tabledata.insertAll. Rows that callers append at the same time travel together.
 */
import { createHash } from 'node:crypto'
import { AppError, canonicalJson } from '@convergence/contracts'
import type { Column } from '@convergence/contracts'
import type * as bigqueryStorage from '@google-cloud/bigquery-storage'
import type {
  JSONList,
  JSONObject,
  JSONValue,
} from '@google-cloud/bigquery-storage/build/src/managedwriter/json_writer.js'
import type { Row } from '../warehouse.ts'
import { faultOfReason, wordGoogle } from './faults.ts'
import type { Reason } from './faults.ts'
import { fieldOf } from './values.ts'

export interface Rows {
  /** Resolves when they are durable. Throws QUERY_INVALID, TABLE_NOT_FOUND, FORBIDDEN, UNAVAILABLE. */
  append(table: string, columns: readonly Column[], rows: readonly Row[]): Promise<void>
  /** Tables may have been dropped or changed. */
  forget(): void
  close(): Promise<void>
}
/** Of a server of the Storage Write API other than Google's. */
export type StorageOptions = Pick<
  NonNullable<ConstructorParameters<typeof bigqueryStorage.managedwriter.WriterClient>[0]>,
  'servicePath' | 'port' | 'sslCreds' | 'authClient'
>
interface Options {
  project_id: string
  dataset: string
  /** Makes the ids of one request's rows differ from those of any other. */
  unique: () => string
  /** One request of the REST API; undefined where rows go by the Storage Write API. */
  insertAll?: (table: string, body: object) => Promise<{ insertErrors?: { index: number; errors?: Reason[] }[] }>
  storage?: StorageOptions
}

/** A request holds at most 10 MB, and 500 rows are what Google advises (bigquery/quotas). */
const rowsOfRequest = 500
const bytesOfRequest = 5_000_000
const requestsAtOnce = 4
const answerMs = 60_000

interface Waiting {
  rows: readonly Row[]
  bytes: number
  columns: readonly Column[]
  resolve(): void
  reject(error: unknown): void
}
type Send = (table: string, columns: readonly Column[], rows: readonly Row[]) => Promise<void>

/**
 * Sends what waits of a table as one request while others are on their way. What is refused for its content is sent
 * again caller by caller.
 */
const grouped = (send: Send): Send => {
  const tables = new Map<string, { waiting: Waiting[]; flying: number }>()
  const flush = (table: string): void => {
    const own = tables.get(table)
    if (own === undefined || own.waiting.length === 0 || own.flying >= requestsAtOnce) return
    let [count, rows, bytes] = [0, 0, 0]
    for (const one of own.waiting) {
      if (count > 0 && (rows + one.rows.length > rowsOfRequest || bytes + one.bytes > bytesOfRequest)) break
      count += 1
      rows += one.rows.length
      bytes += one.bytes
    }
    const batch = own.waiting.splice(0, count)
    own.flying += 1
    const columns = batch.at(-1)?.columns ?? []
    send(
      table,
      columns,
      batch.flatMap((one) => one.rows),
    )
      .then(
        () => {
          for (const one of batch) one.resolve()
        },
        async (error: unknown) => {
          if (batch.length === 1 || !(error instanceof AppError) || error.code !== 'QUERY_INVALID') {
            for (const one of batch) one.reject(error)
            return
          }
          for (const one of batch) await send(table, one.columns, one.rows).then(one.resolve, one.reject)
        },
      )
      .finally(() => {
        own.flying -= 1
        if (own.flying === 0 && own.waiting.length === 0) tables.delete(table)
        flush(table)
      })
    flush(table)
  }
  return (table, columns, rows) =>
    new Promise((resolve, reject) => {
      const own = tables.get(table) ?? { waiting: [], flying: 0 }
      tables.set(table, own)
      own.waiting.push({ rows, bytes: JSON.stringify(rows).length, columns, resolve, reject })
      // Whoever calls in the same turn of the event loop goes along.
      if (own.waiting.length === 1)
        setImmediate(() => {
          flush(table)
        })
    })
}

const idOf = (row: Row): string =>
  typeof row['event_id'] === 'string' ? row['event_id'] : createHash('sha256').update(canonicalJson(row)).digest('hex')
/** insertAll takes the value of a JSON column as text. */
const forInsertAll = (columns: readonly Column[], row: Row): Row => {
  const texts = columns.filter(({ type }) => type === 'JSON')
  if (texts.length === 0) return row
  const made = { ...row }
  for (const { name, mode } of texts) {
    const value = row[name]
    if (value === undefined || value === null) continue
    made[name] = mode === 'REPEATED' ? (value as unknown[]).map((one) => JSON.stringify(one)) : JSON.stringify(value)
  }
  return made
}

/** A value as the writer's message has it: DATE in days, TIMESTAMP in microseconds, the rest as text or number. */
const forMessage = (column: Column, value: unknown): JSONValue | Uint8Array => {
  if (column.mode === 'REPEATED')
    return ((value ?? []) as unknown[]).map((one) => forMessage({ ...column, mode: 'NULLABLE' }, one) as JSONValue)
  switch (column.type) {
    case 'STRUCT':
      return messageOf(column.fields ?? [], value as Row)
    case 'JSON':
      return JSON.stringify(value)
    case 'BYTES':
      return Buffer.from(String(value), 'base64')
    case 'DATE':
      return Date.parse(String(value)) / 86_400_000
    case 'TIMESTAMP':
      return microsOf(String(value))
    case 'INT64':
      return typeof value === 'number' ? value : String(value)
    case 'FLOAT64':
      return Number(value)
    case 'BOOL':
      return value === true
    default:
      return String(value)
  }
}
const microsOf = (text: string): string => {
  const zoned = /(Z|UTC|[+-]\d\d(:?\d\d)?)$/i.test(text.slice(10))
    ? text.replace(/ ?UTC$/i, 'Z')
    : `${text.length === 10 ? `${text}T00:00:00` : text}Z`
  const ms = Date.parse(zoned.replace(' ', 'T').replace(/\.\d+/, ''))
  return String(BigInt(ms) * 1000n + BigInt((/\.(\d+)/.exec(zoned)?.[1] ?? '').slice(0, 6).padEnd(6, '0')))
}
/** What has no value is left out: in the message that is NULL. */
export const messageOf = (columns: readonly Column[], row: Row): JSONObject => {
  const made: JSONObject = {}
  for (const column of columns) {
    const value = row[column.name]
    // The library's type of a value knows no bytes, its encoder does.
    if (value !== undefined && value !== null) made[column.name] = forMessage(column, value) as JSONValue
  }
  return made
}

export const openRows = ({ project_id, dataset, unique, insertAll, storage = {} }: Options): Rows => {
  const byInsertAll =
    (request: NonNullable<Options['insertAll']>): Send =>
    async (table, columns, rows) => {
      // The id folds what the client itself sends twice. Rows that are appended again on purpose must not be swallowed,
      // such as after their table was made anew.
      const request_id = unique()
      const { insertErrors = [] } = await request(table, {
        skipInvalidRows: false,
        ignoreUnknownValues: false,
        rows: rows.map((row, k) => ({
          insertId: `${request_id}-${k}-${idOf(row)}`.slice(0, 128),
          json: forInsertAll(columns, row),
        })),
      })
      // Of the rows that are right it says `stopped`.
      const errors = insertErrors.flatMap(({ errors: own = [] }) => own)
      const [first] = [...errors.filter(({ reason }) => reason !== 'stopped'), ...errors]
      if (first === undefined) return
      const { location = '' } = first
      const column = location === '' ? '' : `, column ${location}`
      const { code, message } = faultOfReason(first, `insert rows into ${dataset}.${table}${column}`)
      throw new AppError(code === 'JOB_FAILED' || code === 'CANCELLED' ? 'UNAVAILABLE' : code, message)
    }

  type Library = typeof bigqueryStorage
  interface Writer {
    columns: string
    writer: InstanceType<Library['managedwriter']['JSONWriter']>
    close(): void
  }
  let loading: Promise<{ library: Library; client: InstanceType<Library['managedwriter']['WriterClient']> }> | undefined
  const writers = new Map<string, Promise<Writer>>()
  const library = () =>
    (loading ??= (async () => {
      const module = await import('@google-cloud/bigquery-storage')
      const client = new module.managedwriter.WriterClient({ projectId: project_id, ...storage })
      client.enableWriteRetries(true)
      return { library: module, client }
    })())
  const openWriter = async (table: string, columns: readonly Column[], text: string): Promise<Writer> => {
    const {
      library: { managedwriter, adapt },
      client,
    } = await library()
    const schema = adapt.convertBigQuerySchemaToStorageTableSchema({ fields: columns.map(fieldOf) })
    const connection = await client.createStreamConnection({
      streamId: managedwriter.DefaultStream,
      destinationTable: `projects/${project_id}/datasets/${dataset}/tables/${table}`,
    })
    // Without a listener an error of the stream would end the process. Whoever waits for rows hears of it by their own
    // promise.
    connection.onConnectionError(() => {
      writers.delete(table)
    })
    const writer = new managedwriter.JSONWriter({
      connection,
      protoDescriptor: adapt.convertStorageSchemaToProto2Descriptor(schema, 'root'),
    })
    return {
      columns: text,
      writer,
      close: () => {
        connection.close()
      },
    }
  }
  const writerFor = async (table: string, columns: readonly Column[]): Promise<Writer> => {
    const text = JSON.stringify(columns)
    const known = await writers.get(table)
    if (known?.columns === text) return known
    known?.close()
    const made = openWriter(table, columns, text)
    writers.set(table, made)
    made.catch(() => {
      writers.delete(table)
    })
    return made
  }
  const byStream: Send = async (table, columns, rows) => {
    const what = `append rows to ${dataset}.${table}`
    try {
      const { writer } = await writerFor(table, columns)
      const list: JSONList = rows.map((row) => messageOf(columns, row))
      const { error, rowErrors } = await inTime(writer.appendRows(list).getResult())
      const [wrong] = rowErrors ?? []
      if (wrong !== undefined)
        throw new AppError('QUERY_INVALID', `${what}: ${String(wrong.code)}: ${wrong.message ?? ''}`)
      if (error !== null && error !== undefined)
        throw Object.assign(new Error(error.message ?? ''), { code: error.code })
    } catch (error) {
      throw wordGrpc(error, what)
    }
  }
  const send = grouped(insertAll === undefined ? byStream : byInsertAll(insertAll))
  const closeAll = () => {
    for (const made of writers.values())
      made.then(
        (writer) => {
          writer.close()
        },
        () => undefined,
      )
    writers.clear()
  }
  return {
    append: send,
    forget: closeAll,
    close: async () => {
      closeAll()
      if (loading !== undefined) {
        const { client } = await loading
        client.close()
        await client.getClient().close()
      }
    },
  }
}

/** A stream may stay silent for ever; then the rows count as not appended, and come again. */
const inTime = async <T>(work: Promise<T>): Promise<T> => {
  let timer: NodeJS.Timeout | undefined
  try {
    return await Promise.race([
      work,
      new Promise<never>((_, reject) => {
        timer = setTimeout(() => {
          reject(Object.assign(new Error('no answer'), { code: 4 }))
        }, answerMs)
      }),
    ])
  } finally {
    clearTimeout(timer)
  }
}
/** A status of gRPC as the REST API's reasons have it. */
const grpcReasons: Readonly<Record<number, string>> = {
  3: 'invalid',
  5: 'notFound',
  7: 'accessDenied',
  8: 'quotaExceeded',
  9: 'invalid',
  11: 'invalid',
  16: 'authError',
}
const wordGrpc = (error: unknown, what: string): AppError => {
  if (error instanceof AppError) return error
  const status = error instanceof Error && 'code' in error ? Number(error.code) : NaN
  const reason = grpcReasons[status]
  if (reason === undefined)
    return wordGoogle(
      Object.assign(new Error('no answer'), { code: `gRPC status ${Number.isNaN(status) ? 'unknown' : status}` }),
      what,
    )
  const { code, message } = faultOfReason({ reason, message: error instanceof Error ? error.message : '' }, what)
  return new AppError(code === 'JOB_FAILED' ? 'UNAVAILABLE' : code, message, { cause: error })
}
