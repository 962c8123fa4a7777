/**
 * BigQuery's REST API v2 before the embedded warehouse: Google's clients and `bq` work with it unchanged. It translates
 * and nothing else. There is no authentication, so it is for loopback, or for a network that only the services reach
 * (WIRE_HOST), and answers no web page: a request with an Origin is refused, on loopback also one for a foreign Host.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { cannotListen, warnOfReach } from '@convergence/local-wire'
import { makeFolder } from './front/files.ts'
import { openJobsContext } from './front/job-context.ts'
import type { Answer } from './front/request.ts'
import { answer } from './front/routes.ts'
import type { RoutesContext } from './front/routes.ts'
import { openSeen } from './front/tabledata.ts'
import { RestFault, errorBody, faultOf } from './front/wire.ts'
import type { Engine } from './work.ts'

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
const isQuery = (url: string | undefined): boolean => /\/queries(\/|\?|$)/.test(url ?? '')
/** `near`: it listens on loopback. */
const refusal = ({ headers }: IncomingMessage, near: boolean): RestFault | undefined => {
  if (headers.origin !== undefined)
    return new RestFault(403, 'forbidden', 'The local warehouse answers no web page: the request has an Origin header.')
  // On another address, in a container, it is called by the name of its service.
  if (near && !loopback.test(headers.host ?? ''))
    return new RestFault(
      403,
      'forbidden',
      'The local warehouse answers on loopback only: the request is for another Host.',
    )
  return undefined
}
const respond = async (
  context: RoutesContext,
  near: boolean,
  log: BigQueryFrontOptions['log'],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> => {
  let made: Answer
  try {
    const refused = refusal(request, near)
    if (refused !== undefined) throw refused
    made = await answer(context, request)
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

/** Ends the server once what it answers is answered. */
const end = async (server: Server, pending: ReadonlySet<Promise<void>>): Promise<void> => {
  const ended = new Promise<void>((resolve) => {
    server.close(() => {
      resolve()
    })
  })
  server.closeIdleConnections()
  await Promise.allSettled(pending)
  server.closeAllConnections()
  await ended
}

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
  const uploads = join(engine.folder, 'scratch', 'bigquery')
  await makeFolder(uploads)
  let listening = ''
  const called = new AsyncLocalStorage<string>()
  /**
   * Where the client finds this front. On an address that is no loopback, 0.0.0.0 at worst, only the client knows by
   * what name it came.
   */
  const origin = (): string => called.getStore() ?? listening
  const context: RoutesContext = {
    ...openJobsContext({ engine, now, self: () => `${origin()}/bigquery/v2`, buckets, uploads }),
    origin,
    sessions: new Map(),
    seen: openSeen(now),
  }
  const pending = new Set<Promise<void>>()
  const server = createServer({ keepAliveTimeout: 60_000, requestTimeout: 0 }, (request, response) => {
    const { host: name } = request.headers
    const work = called
      .run(!near && name !== undefined && hostText.test(name) ? `http://${name}` : listening, () =>
        respond(context, near, log, request, response),
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
  let closed: Promise<void> | undefined
  return {
    port,
    close: () =>
      (closed ??= (async () => {
        await end(server, pending)
        for (const timer of context.timers) clearTimeout(timer)
        for (const { media } of context.sessions.values()) await media.discard()
      })()),
  }
}
