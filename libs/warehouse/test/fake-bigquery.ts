/**
 * A BigQuery of a test: it speaks as much of the REST API as the client's side of the door asks, remembers every
 * request, and answers as
 * the test says. It runs no SQL: what a job does is the test's word.
 */
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Asked {
  method: string
  path: string
  query: URLSearchParams
  body: Record<string, unknown>
  /** The second part of an upload. */ media: string
  headers: IncomingMessage['headers']
}
export interface Answer {
  status?: number
  body?: unknown
  /** Does nothing more and cuts the connection. */ lost?: boolean
}
type Handler = (asked: Asked) => Answer | undefined
export const fail = (status: number, reason: string, message: string): Answer => ({
  status,
  body: { error: { code: status, message, errors: [{ domain: 'global', reason, message }] } },
})

interface FakeJob {
  configuration: Record<string, unknown>
  status: { state: string; errorResult?: { reason: string; message: string } }
  statistics: Record<string, unknown>
  jobReference: Record<string, unknown>
}
export interface Fake {
  endpoint: string
  requests: Asked[]
  /** Asked before the rest; undefined lets the fake answer. */
  handle(handler: Handler): void
  tables: Map<string, Record<string, unknown>>
  datasets: Map<string, Record<string, unknown>>
  jobs: Map<string, FakeJob>
  /** What a dry run says of a statement. */
  dry: { statementType: string; schema: { fields: object[] }; referencedTables?: object[] }
  /** How the next job ends. */
  ends: { error?: { reason: string; message: string }; statistics?: Record<string, unknown> }
  to(method: string, path: RegExp): Asked[]
  close(): Promise<void>
}

const multipart = (text: string): [string, string] => {
  const boundary = text.slice(0, text.indexOf('\r\n'))
  const [, first = '', second = ''] = text.split(boundary)
  const content = (part: string): string => part.slice(part.indexOf('\r\n\r\n') + 4).replace(/\r\n$/, '')
  return [content(first), content(second)]
}

export const startFake = async (): Promise<Fake> => {
  const handlers: Handler[] = []
  const server = createServer((request, response) => {
    void respond(request, response)
  })
  const fake: Fake = {
    endpoint: '',
    requests: [],
    tables: new Map(),
    datasets: new Map([
      ['tenants', {}],
      ['acme', {}],
    ]),
    jobs: new Map(),
    dry: {
      statementType: 'SELECT',
      schema: {
        fields: [
          { name: 'day', type: 'DATE' },
          { name: 'cost', type: 'NUMERIC' },
        ],
      },
    },
    ends: {},
    handle: (handler) => {
      handlers.unshift(handler)
    },
    to: (method, path) => fake.requests.filter((asked) => asked.method === method && path.test(asked.path)),
    close: async () => {
      server.closeAllConnections()
      await new Promise((done) => {
        server.close(done)
      })
    },
  }
  const insertJob = (asked: Asked): Answer => {
    const { jobReference, configuration } = asked.body as {
      jobReference: { jobId?: string }
      configuration: Record<string, unknown>
    }
    if (configuration['dryRun'] === true)
      return {
        body: {
          jobReference,
          status: { state: 'DONE' },
          configuration,
          statistics: { query: { ...fake.dry, totalBytesProcessed: '42' } },
        },
      }
    const id = String(jobReference.jobId)
    if (fake.jobs.has(id)) return fail(409, 'duplicate', `Already Exists: Job p:EU.${id}`)
    const job: FakeJob = {
      jobReference,
      configuration: { ...configuration, jobType: configuration['load'] === undefined ? 'QUERY' : 'LOAD' },
      status: { state: 'DONE', ...(fake.ends.error === undefined ? {} : { errorResult: fake.ends.error }) },
      statistics: fake.ends.statistics ?? {
        query: {
          numDmlAffectedRows: '3',
          dmlStats: { insertedRowCount: '2', deletedRowCount: '1' },
          totalBytesProcessed: '10',
        },
      },
    }
    fake.jobs.set(id, job)
    return { body: { ...job, status: { state: 'RUNNING' } } }
  }
  const answer = (asked: Asked): Answer => {
    for (const handler of handlers) {
      const own = handler(asked)
      if (own !== undefined) return own
    }
    const { method, path, body } = asked
    const parts = path
      .replace(/^\/(upload\/)?bigquery\/v2\/projects\/[^/]+\//, '')
      .split('/')
      .map(decodeURIComponent)
    const [kind, name = '', under, table = '', more] = parts
    if (kind === 'jobs' && method === 'POST' && name === '') return insertJob(asked)
    if (kind === 'jobs')
      return fake.jobs.has(name) ? { body: fake.jobs.get(name) } : fail(404, 'notFound', `Not found: Job p:EU.${name}`)
    if (kind === 'queries' && method === 'GET')
      return { body: { jobComplete: true, totalRows: '7', jobReference: { jobId: name } } }
    if (kind !== 'datasets') return fail(501, 'notImplemented', path)
    if (name === '') {
      if (method === 'GET') return { body: { datasets: [] } }
      const id = (body['datasetReference'] as { datasetId: string }).datasetId
      if (fake.datasets.has(id)) return fail(409, 'duplicate', `Already Exists: Dataset p:${id}`)
      fake.datasets.set(id, body)
      return { body }
    }
    if (!fake.datasets.has(name)) return fail(404, 'notFound', `Not found: Dataset p:${name}`)
    if (under === undefined) {
      if (method === 'DELETE') fake.datasets.delete(name)
      return method === 'DELETE' ? { status: 204 } : { body: fake.datasets.get(name) }
    }
    if (table === '') {
      const id = `${name}.${(body['tableReference'] as { tableId: string }).tableId}`
      if (fake.tables.has(id)) return fail(409, 'duplicate', `Already Exists: Table p:${id}`)
      fake.tables.set(id, { ...body, etag: 'e1', type: body['view'] === undefined ? 'TABLE' : 'VIEW' })
      return { body: fake.tables.get(id) }
    }
    const id = `${name}.${table}`
    const found = fake.tables.get(id)
    if (found === undefined) return fail(404, 'notFound', `Not found: Table p:${id}`)
    if (more === 'insertAll') return { body: {} }
    if (method === 'DELETE') {
      fake.tables.delete(id)
      return { status: 204 }
    }
    if (method === 'PATCH') fake.tables.set(id, { ...found, ...body, etag: `${String(found['etag'])}+` })
    return { body: fake.tables.get(id) }
  }
  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = []
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer)
    } catch {
      return
    }
    const text = Buffer.concat(chunks).toString()
    const url = new URL(request.url ?? '/', 'http://localhost')
    const [json, media] = /^multipart/.test(request.headers['content-type'] ?? '') ? multipart(text) : [text, '']
    const asked: Asked = {
      method: request.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      body: json === '' ? {} : (JSON.parse(json) as Record<string, unknown>),
      media,
      headers: request.headers,
    }
    fake.requests.push(asked)
    const { status = 200, body, lost } = answer(asked)
    if (lost === true) {
      response.destroy()
      return
    }
    response.writeHead(status, { 'Content-Type': 'application/json' })
    response.end(body === undefined ? '' : JSON.stringify(body))
  }
  await new Promise<void>((listening) => {
    server.listen(0, '127.0.0.1', listening)
  })
  fake.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return fake
}
