/**
 * Who is calling, and what is secret: the REST door, the live feed of runs, keys and credentials. The only service that
 * talks to the outside.
 */
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { metrics, type ObservableResult } from '@opentelemetry/api'
import { AppError } from '@convergence/contracts'
import { openRoom } from './holdings.ts'
import { openDoor, type DoorDeps } from './http.ts'
import { randomDigits } from './issue-key.ts'
import { defaultLimits, openLimits } from './limits.ts'
import { openLive, type Live } from './live.ts'
import type { AuthDeps } from './context.ts'
import { openKeys } from './principal.ts'
import type { Route } from './route.ts'
import { openRoutes } from './routes.ts'
import { openRuns } from './runs.ts'
import { openSources } from './sources.ts'
import { openStore, type Store } from './store.ts'
import { openTurns } from './turns.ts'
import { openTenants } from './tenants.ts'

export type { AuthDeps, BootstrapRequest, BootstrapResult } from './context.ts'
export { issueKey, isKeyShaped } from './issue-key.ts'

export interface Auth {
  url: string
  port: number
  live: Live
  /** Every route, as declared. */
  routes: readonly Route[]
  /**
   * Stops accepting, ends event streams, finishes what is being answered. May be called twice. Close the bus
   * afterwards.
   */
  close(): Promise<void>
}

/** How long close waits for requests under way before it cuts them off, ms. */
const closeMs = 3_000

/**
 * Opens the door; resolves when it listens. Throws SETTING_INVALID when the port is taken or a route does not say who
 * may call it.
 */
export const auth = async (deps: AuthDeps): Promise<Auth> => {
  if (deps.disable_auth === true && !deps.local_mode)
    throw new AppError('SETTING_INVALID', 'DISABLE_AUTH: is for local mode only; unset it')
  const store = openStore(deps)
  const keys = openKeys({ store, now: deps.now })
  const tenantsCache = openTenants({ store, now: deps.now })
  const closing = new AbortController()
  const live = openLive({
    bus: deps.bus,
    replica: deps.replica,
    now: deps.now,
    ...(deps.settle_ms === undefined ? {} : { settle_ms: deps.settle_ms }),
    onTenant: tenantsCache.changed,
    onAdmitted: ({ tenant_id }) => {
      tenantsCache.admitted(tenant_id)
    },
  })
  const endGauges = observeLive(live)
  const requests = openRuns({
    bus: deps.bus,
    store,
    live,
    pipelines: deps.pipelines,
    sources: openSources({ read: (tenant_id) => store.sources(tenant_id), now: deps.now }),
    now: deps.now,
    kid: deps.kid ?? 'auth',
    wait_ms: deps.wait_ms ?? 25_000,
  })
  const routes = openRoutes({
    deps,
    store,
    live,
    keys,
    tenants: tenantsCache,
    runs: requests,
    room: openRoom({ store }),
  })

  const app = openDoor({
    routes,
    keys,
    limits: openLimits({ limits: { ...defaultLimits, ...deps.limits }, now: deps.now }),
    turns: openTurns(),
    log: deps.log,
    now: deps.now,
    admin_key_hashes: deps.admin_key_hashes,
    local_mode: deps.local_mode,
    disable_auth: deps.disable_auth ?? false,
    cors_origins: deps.cors_origins ?? [],
    trusted_proxies: deps.trusted_proxies ?? 0,
    findRun: requests.find,
    isTenant: async (tenant_id) => (await tenantsCache.get(tenant_id)) !== undefined,
    closing: closing.signal,
    ...(deps.random_bytes === undefined ? {} : { randomBytes: deps.random_bytes }),
    audit: (entry) => audit(deps, store, entry),
  })
  const answer = app.callback()
  const onRequest: RequestListener = (request, response) => {
    void answer(request, response)
  }
  const server = await listen(deps, onRequest).catch((error: unknown) => {
    live.close()
    throw error
  })
  const { port } = server.address() as AddressInfo
  const warning = deps.disable_auth === true ? warnOfDisabledAuth(deps.log) : undefined

  let closed: Promise<void> | undefined
  const close = (): Promise<void> =>
    (closed ??= (async () => {
      clearInterval(warning)
      closing.abort()
      await closeServer(server)
      endGauges()
      live.close()
    })())
  const host = deps.host.includes(':') ? `[${deps.host}]` : deps.host
  return { url: `http://${host}:${port}`, port, live, routes, close }
}

/** Shows the size of the live feed to whoever measures; the returned function ends that. */
const observeLive = (live: Live): (() => void) => {
  const meter = metrics.getMeter('convergence')
  const gauges = (['runs', 'watchers'] as const).map((what) => {
    const gauge = meter.createObservableGauge(`auth.live.${what}`, {
      description: what === 'runs' ? 'Runs in the memory of the live feed' : 'Event streams that are open',
    })
    const read = (result: ObservableResult) => {
      result.observe(live.size()[what])
    }
    gauge.addCallback(read)
    return () => {
      gauge.removeCallback(read)
    }
  })
  return () => {
    for (const end of gauges) end()
  }
}

/** A row of the audit; one that cannot be written is logged, and the answer stands. */
const audit = async (
  { now, random_bytes, log }: AuthDeps,
  store: Store,
  entry: Parameters<DoorDeps['audit']>[0],
): Promise<void> => {
  const event_id = `audit:${randomDigits(22, random_bytes)}`
  await store.audit({ ...entry, at: now().toISOString(), detail: null, event_id }).catch((error: unknown) => {
    const { request_id, action } = entry
    log.error(
      { request_id, action, error: error instanceof Error ? error.name : typeof error },
      'audit row not written',
    )
  })
}

const warnOfDisabledAuth = (log: AuthDeps['log']): NodeJS.Timeout =>
  setInterval(() => {
    log.warn({}, 'DISABLE_AUTH is set: requests without a key are those of tenant dev')
  }, 60_000).unref()

// ---- the server

const listen = async ({ host, port }: AuthDeps, onRequest: RequestListener): Promise<Server> => {
  const server = createServer(
    { maxHeaderSize: 16 * 1024, headersTimeout: 10_000, requestTimeout: 30_000, keepAliveTimeout: 65_000 },
    onRequest,
  )
  server.maxRequestsPerSocket = 0
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why =
        error.code === 'EADDRINUSE'
          ? 'is in use; choose another with API_PORT'
          : `cannot be opened (${error.code ?? error.name})`
      reject(new AppError('SETTING_INVALID', `port ${port} of ${host} ${why}`, { cause: error }))
    })
    server.listen(port, host, resolve)
  })
  return server
}

/** Accepts nothing new and finishes what is being answered; cuts off what takes longer than `closeMs`. */
const closeServer = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    const cut = setTimeout(() => {
      server.closeAllConnections()
    }, closeMs)
    // A connection that is kept alive becomes idle when its answer is out.
    const sweep = setInterval(() => {
      server.closeIdleConnections()
    }, 20)
    server.close(() => {
      clearTimeout(cut)
      clearInterval(sweep)
      resolve()
    })
    server.closeIdleConnections()
  })
