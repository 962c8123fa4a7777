/**
 * BigQuery's REST API v2 before the embedded warehouse: Google's clients and `bq` work with it unchanged. It translates
 * and nothing else.
 * There is no authentication, so it is for loopback, or for a network that only the services reach (WIRE_HOST), and
 * answers no web page: a request with an
 * Origin is refused, on loopback also one for a foreign Host.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createGunzip } from 'node:zlib'
import type { Engine } from './work.ts'
import { discoveryDocument } from './front/discovery.ts'
import { makeFolder, openMedia, readMultipart } from './front/files.ts'
import type { Media } from './front/files.ts'
import { openJobs, resultsDataset } from './front/jobs.ts'
import { maxResultsOf, openResources, openSeen, startOf, tokenOf } from './front/resources.ts'
import type { Answer, Asked } from './front/resources.ts'
import {
  RestFault,
  errorBody,
  faultOf,
  formatRows,
  invalid,
  isJson,
  isSaid,
  notFound,
  schemaOf,
  timestampFormat,
  unsupported,
} from './front/wire.ts'
import type { Json } from './front/wire.ts'
import { cannotListen, warnOfReach } from '@convergence/local-wire'

export interface BigQueryFrontOptions {
  engine: Engine
  /** A loopback address, or one that the operator asked for. */
  host: string
  /** 0 takes a free one. */
  port: number
  /** Folder of gs:// buckets; default `buckets/gcs` of the warehouse's folder. */
  buckets?: string
  now?: () => Date
  log?: { warn(fields: object, message: string): void; error(fields: object, message: string): void }
}
export interface BigQueryFront {
  port: number
  close(): Promise<void>
}

const loopback = /^(127(\.\d{1,3}){3}|localhost|\[?::1\]?)(:\d{1,5})?$/i
const hostText = /^([a-z0-9_]([a-z0-9._-]{0,252})|\[[0-9a-f:.]{2,45}\])(:\d{1,5})?$/i
/** A request's JSON; uploads are not bound by it. BigQuery's own limit is 10 MB. */
const bytesOfJson = 20_000_000
const resumableMs = 24 * 3_600_000

/** Throws SETTING_INVALID when the port is taken; listens when it resolves. */
export const openBigQueryFront = async ({
  engine,
  host,
  port: wanted,
  buckets = join(engine.folder, 'buckets', 'gcs'),
  now = () => new Date(),
  log,
}: BigQueryFrontOptions): Promise<BigQueryFront> => {
  const near = loopback.test(host)
  const { project_id } = engine
  const uploads = join(engine.folder, 'scratch', 'bigquery')
  await makeFolder(uploads)
  let listening = ''
  const called = new AsyncLocalStorage<string>()
  /**
   * Where the client finds this front. On an address that is no loopback, 0.0.0.0 at worst, only the client knows by
   * what name it came.
   */
  const origin = (): string => called.getStore() ?? listening
  const self = () => `${origin()}/bigquery/v2`
  const resources = openResources(engine, self, now)
  const jobs = openJobs({ engine, now, self, buckets, uploads })
  const seen = openSeen(now)
  const sessions = new Map<string, { config: Json; media: ReturnType<typeof openMedia>; at: number }>()

  const bytesOf = async (body: AsyncIterable<Buffer>, most: number): Promise<Buffer> => {
    const chunks: Buffer[] = []
    let bytes = 0
    for await (const chunk of body) {
      bytes += chunk.length
      if (bytes > most)
        throw new RestFault(413, 'uploadTooLarge', `Request payload size exceeds the limit: ${most} bytes.`)
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  }
  const parsed = (text: string): Json => {
    if (text.trim() === '') return {}
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch (error) {
      throw new RestFault(400, 'parseError', 'Parse Error: the body is no JSON', { cause: error })
    }
    if (!isJson(value)) throw new RestFault(400, 'parseError', 'Parse Error: expected a JSON object')
    return value
  }
  const rawBody = (request: IncomingMessage): AsyncIterable<Buffer> => {
    const encoding = request.headers['content-encoding']
    if (encoding === undefined || encoding === 'identity') return request as AsyncIterable<Buffer>
    if (encoding !== 'gzip') throw unsupported(`Content-Encoding: ${encoding}`)
    const unpacked = createGunzip()
    request.on('error', (error) => unpacked.destroy(error))
    return request.pipe(unpacked) as AsyncIterable<Buffer>
  }
  const assertProject = (project: string): void => {
    if (project !== project_id) throw notFound(`Project ${project}; the local warehouse has one, ${project_id}`)
  }

  // ---- uploads

  const upload = async (request: IncomingMessage, query: URLSearchParams): Promise<Answer> => {
    const kind = query.get('uploadType') ?? request.headers['x-goog-upload-protocol']
    if (kind === 'multipart') {
      const { json, media } = await readMultipart(
        rawBody(request),
        request.headers['content-type'] ?? '',
        join(uploads, `upload-${randomUUID()}`),
      )
      return jobs.insert(parsed(json), media)
    }
    if (kind !== 'resumable') throw unsupported(`An upload of type ${String(kind)} (multipart and resumable are)`)
    const session = query.get('upload_id')
    if (session === null) {
      const config = parsed((await bytesOf(rawBody(request), bytesOfJson)).toString())
      const id = randomUUID()
      for (const [old, { at, media }] of sessions) {
        if (at > now().getTime() - resumableMs) continue
        sessions.delete(old)
        await media.discard()
      }
      sessions.set(id, { config, media: openMedia(join(uploads, `resumable-${id}`)), at: now().getTime() })
      return {
        headers: {
          Location: `${origin()}/upload/bigquery/v2/projects/${project_id}/jobs?uploadType=resumable&upload_id=${id}`,
          'X-GUploader-UploadID': id,
        },
        body: {},
      }
    }
    return resume(request, session)
  }
  const resume = async (request: IncomingMessage, id: string): Promise<Answer> => {
    const session = sessions.get(id)
    if (session === undefined) throw notFound(`Upload ${id}`)
    const { media, config } = session
    const range = request.headers['content-range']
    const [, from, to, total] =
      /^bytes (?:(\d+)-(\d+)|\*)\/(\d+|\*)$/.exec(
        range ??
          `bytes 0-${Number(request.headers['content-length'] ?? 1) - 1}/${request.headers['content-length'] ?? '*'}`,
      ) ?? []
    const more = (): Answer => ({
      status: 308,
      headers: media.bytes === 0 ? {} : { Range: `bytes=0-${media.bytes - 1}` },
    })
    if (from !== undefined && Number(from) !== media.bytes) {
      // Bytes that are here already came again, or some are missing: the answer says how far it is.
      for await (const _chunk of rawBody(request)) continue
      return more()
    }
    for await (const chunk of rawBody(request)) await media.write(chunk)
    const isWhole = total !== undefined && total !== '*' ? media.bytes >= Number(total) : range === undefined
    if (!isWhole || (to === undefined && from === undefined && range !== undefined && total === '*')) return more()
    sessions.delete(id)
    const whole: Media = await media.end()
    return jobs.insert(config, whole)
  }

  // ---- routes

  const readResult = (table: string, { query }: Asked): Answer | undefined => {
    const result = jobs.resultTable(table)
    if (result === undefined) return undefined
    const offset = startOf(query)
    const rows = result.rows.slice(
      offset,
      offset + Math.min(maxResultsOf({ maxResults: query.get('maxResults') }) ?? 50_000, 50_000),
    )
    const format = timestampFormat(
      isSaid(query, 'formatOptions.useInt64Timestamp'),
      query.get('formatOptions.timestampOutputFormat') ?? undefined,
    )
    return {
      body: {
        kind: 'bigquery#tableDataList',
        totalRows: String(result.rows.length),
        rows: formatRows(result.columns, rows, format),
        ...(offset + rows.length < result.rows.length && rows.length > 0
          ? { pageToken: tokenOf(offset + rows.length) }
          : {}),
      },
    }
  }
  const answer = async (request: IncomingMessage): Promise<Answer> => {
    const method = (
      typeof request.headers['x-http-method-override'] === 'string'
        ? request.headers['x-http-method-override']
        : (request.method ?? 'GET')
    ).toUpperCase()
    const url = new URL(request.url ?? '/', 'http://localhost')
    const isUpload = /^(\/resumable)?\/upload\//.test(url.pathname)
    const path = url.pathname.replace(/^(\/resumable)?\/upload(?=\/)/, '').replace(/^\/bigquery\/v2(?=\/|$)/, '')
    let segments: string[]
    try {
      segments = path
        .split('/')
        .filter((segment) => segment !== '')
        .map(decodeURIComponent)
    } catch {
      throw invalid('the path is not well formed')
    }
    const [projects, project, kind, name, under, table, more] = segments
    if (/^(\$discovery\/rest|discovery\/v1\/apis\/bigquery\/v2\/rest)$/.test(segments.join('/')))
      return { body: discoveryDocument(origin()) }
    if (projects !== 'projects') throw notFound(`URL ${url.pathname}`)
    if (project === undefined)
      return {
        body: {
          kind: 'bigquery#projectList',
          totalItems: 1,
          projects: [
            {
              kind: 'bigquery#project',
              id: project_id,
              numericId: '1',
              projectReference: { projectId: project_id },
              friendlyName: project_id,
            },
          ],
        },
      }
    assertProject(project)
    if (isUpload) {
      if (kind !== 'jobs' || name !== undefined || (method !== 'POST' && method !== 'PUT'))
        throw unsupported(`${method} ${url.pathname}`)
      return upload(request, url.searchParams)
    }
    const asked: Asked = {
      query: url.searchParams,
      body:
        method === 'GET' || method === 'DELETE'
          ? {}
          : parsed((await bytesOf(rawBody(request), bytesOfJson)).toString()),
      headers: request.headers,
    }
    const route = `${method} ${kind ?? ''}${name === undefined ? '' : '/x'}${under === undefined ? '' : `/${under}`}${table === undefined ? '' : '/x'}${more === undefined ? '' : `/${more}`}`
    const [one, two] = [name ?? '', table ?? '']
    if (kind === 'datasets' && one === resultsDataset && method === 'GET') {
      const rows = more === 'data' ? readResult(two, asked) : undefined
      const result = jobs.resultTable(two)
      if (rows !== undefined) return rows
      if (more === undefined && result !== undefined)
        return {
          body: {
            kind: 'bigquery#table',
            id: `${project_id}:${one}.${two}`,
            tableReference: { projectId: project_id, datasetId: one, tableId: two },
            type: 'TABLE',
            schema: schemaOf(result.columns),
            numRows: String(result.rows.length),
            location: 'EU',
          },
        }
    }
    switch (route) {
      case 'GET datasets':
        return resources.listDatasets(asked)
      case 'POST datasets':
        return resources.createDataset(asked)
      case 'GET datasets/x':
        return resources.getDataset(one)
      case 'PATCH datasets/x':
        return resources.changeDataset(one, asked, false)
      case 'PUT datasets/x':
        return resources.changeDataset(one, asked, true)
      case 'DELETE datasets/x':
        return resources.deleteDataset(one, asked)
      case 'GET datasets/x/tables':
        return resources.listTables(one, asked)
      case 'POST datasets/x/tables':
        return resources.createTable(one, asked)
      case 'GET datasets/x/tables/x':
        return resources.getTable(one, two)
      case 'PATCH datasets/x/tables/x':
        return resources.changeTable(one, two, asked, false)
      case 'PUT datasets/x/tables/x':
        return resources.changeTable(one, two, asked, true)
      case 'DELETE datasets/x/tables/x':
        return resources.deleteTable(one, two)
      case 'GET datasets/x/tables/x/data':
        return resources.readTable(one, two, asked)
      case 'GET datasets/x/tables/x/rowAccessPolicies':
        return resources.rowAccessPolicies(one, two)
      case 'POST datasets/x/tables/x/insertAll':
        return resources.insertAll(one, two, asked, seen)
      case 'GET datasets/x/models':
        return { body: {} }
      case 'GET datasets/x/routines':
        return { body: {} }
      case 'POST queries':
        return jobs.query(asked)
      case 'GET queries/x':
        return jobs.results(one, asked)
      case 'GET jobs':
        return jobs.list(asked)
      case 'POST jobs':
        return jobs.insert(asked.body)
      case 'GET jobs/x':
        return jobs.get(one)
      case 'POST jobs/x/cancel':
        return jobs.cancel(one)
      default:
        throw unsupported(`${method} ${url.pathname}`)
    }
  }
  const isQuery = (url: string | undefined): boolean => /\/queries(\/|\?|$)/.test(url ?? '')
  const refusal = ({ headers }: IncomingMessage): RestFault | undefined => {
    if (headers.origin !== undefined)
      return new RestFault(
        403,
        'forbidden',
        'The local warehouse answers no web page: the request has an Origin header.',
      )
    // On another address, in a container, it is called by the name of its service.
    if (near && !loopback.test(headers.host ?? ''))
      return new RestFault(
        403,
        'forbidden',
        'The local warehouse answers on loopback only: the request is for another Host.',
      )
    return undefined
  }
  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let made: Answer
    try {
      const refused = refusal(request)
      if (refused !== undefined) throw refused
      made = await answer(request)
    } catch (error) {
      if (request.destroyed && !request.complete) {
        response.destroy()
        return
      }
      const fault = faultOf(error, isQuery(request.url) ? 'query' : 'request')
      if (fault.status === 500 && fault.reason === 'internalError')
        log?.error(
          {
            method: request.method,
            path: (request.url ?? '').split('?')[0],
            fault: error instanceof Error ? error.message.slice(0, 500) : String(error),
          },
          'the BigQuery front failed',
        )
      made = { status: fault.status, body: errorBody(fault) }
      // What is left of a body that nobody reads.
      request.resume()
    }
    const text = made.body === undefined ? '' : JSON.stringify(made.body)
    response.writeHead(made.status ?? 200, {
      ...(made.body === undefined ? {} : { 'Content-Type': 'application/json; charset=UTF-8' }),
      'Content-Length': Buffer.byteLength(text),
      ...made.headers,
    })
    response.end(text)
  }

  let closed: Promise<void> | undefined
  const pending = new Set<Promise<void>>()
  const server = createServer({ keepAliveTimeout: 60_000, requestTimeout: 0 }, (request, response) => {
    const { host: name } = request.headers
    const work = called
      .run(!near && name !== undefined && hostText.test(name) ? `http://${name}` : listening, () =>
        respond(request, response),
      )
      .finally(() => {
        pending.delete(work)
      })
    pending.add(work)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      reject(cannotListen(host, wanted, 'BIGQUERY_PORT', error))
    })
    server.listen(wanted, host, resolve)
  })
  const { port } = server.address() as AddressInfo
  warnOfReach(log, 'BigQuery', host, port)
  listening = `http://${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}`
  return {
    port,
    close: () =>
      (closed ??= (async () => {
        const ended = new Promise<void>((resolve) => {
          server.close(() => {
            resolve()
          })
        })
        server.closeIdleConnections()
        await Promise.allSettled(pending)
        server.closeAllConnections()
        await ended
        jobs.close()
        for (const { media } of sessions.values()) await media.discard()
      })()),
  }
}
