/**
 * Health and metrics of one process, on a port of its own. Live: the event loop answers and no watchdog tripped; never
 * the warehouse or the
 * broker, whose outage must not become a crash loop. Ready: the dependencies worked within the last minute, and the
 * process is not stopping.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { AppError } from '@convergence/contracts'

export interface ManagementOptions {
  host: string
  /** 0 takes a free one. */
  port: number
  /** Reasons why it is not ready; none when it is. */
  notReady(): Promise<readonly string[]>
  /** Reasons why this process is to be started again. */
  stuck(): readonly string[]
  /** Prometheus text. */
  metrics(): Promise<string>
}
export interface Management {
  port: number
  close(): Promise<void>
}

/** Listens when it resolves. Throws SETTING_INVALID when the port is taken. */
export const openManagement = async ({
  host,
  port,
  notReady,
  stuck,
  metrics,
}: ManagementOptions): Promise<Management> => {
  const answer = async (path: string): Promise<{ status: number; type: string; text: string }> => {
    const health = (reasons: readonly string[], good: string) => ({
      status: reasons.length === 0 ? 200 : 503,
      type: 'application/json',
      text: JSON.stringify({ status: reasons.length === 0 ? good : `not ${good}`, reasons }),
    })
    if (path === '/health/live') return health(stuck(), 'alive')
    if (path === '/health/ready') return health(await notReady(), 'ready')
    if (path === '/metrics')
      return { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8', text: await metrics() }
    return { status: 404, type: 'text/plain', text: 'expected /health/live, /health/ready or /metrics\n' }
  }
  const server = createServer(
    { maxHeaderSize: 8 * 1024, headersTimeout: 10_000, requestTimeout: 10_000 },
    (request, response) => {
      void answer((request.url ?? '').split('?')[0] ?? '')
        .catch((): Awaited<ReturnType<typeof answer>> => ({ status: 503, type: 'text/plain', text: 'no answer\n' }))
        .then(({ status, type, text }) => {
          response
            .writeHead(status, { 'Content-Type': type, 'Cache-Control': 'no-store' })
            .end(request.method === 'HEAD' ? undefined : text)
        })
    },
  )
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why =
        error.code === 'EADDRINUSE'
          ? 'is in use; choose another with MANAGEMENT_PORT'
          : `cannot be opened (${error.code ?? error.name})`
      reject(new AppError('SETTING_INVALID', `port ${port} of ${host} ${why}`, { cause: error }))
    })
    server.listen(port, host, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve()
        })
        server.closeAllConnections()
      }),
  }
}
