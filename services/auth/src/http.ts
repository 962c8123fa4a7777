/**
 * HTTP: from a request to a route's call and from its answer or error to a response. Everything that holds for every
 * route is here: headers,
 * body limits, authentication, tenant comparison, rate limits, errors. The order is form of path and address, caller,
 * tenant, scope, rate, body.
 */
import type { IncomingMessage } from 'node:http'
import { PassThrough, Readable } from 'node:stream'
import { metrics } from '@opentelemetry/api'
import Koa, { type Context } from 'koa'
import { Router } from '@koa/router'
import getRawBody from 'raw-body'
import { AppError, errorTable, isName, problemType, type ErrorCode } from '@convergence/contracts'
import { readJson } from '@convergence/contracts/json'
import { hasSecret, type Log } from '@convergence/service'
import { validate, type Field } from './fields.ts'
import { randomDigits, type RandomBytes } from './issue-key.ts'
import type { Limits, RateClass, Taken } from './limits.ts'
import { adminPrincipal, devPrincipal, isAdminKey, publicPrincipal, type Keys, type Principal } from './principal.ts'
import type { RunRecord } from './record.ts'
import { assertDeclared, formOf, notFound, type Answer, type Call, type Route } from './route.ts'
import { QuotaError } from './tenants.ts'
import type { Keep, Turns } from './turns.ts'

export interface DoorDeps {
  routes: readonly Route[]
  keys: Keys
  limits: Limits
  turns: Turns
  log: Log
  now(): Date
  randomBytes?: RandomBytes
  admin_key_hashes: readonly string[]
  local_mode: boolean
  disable_auth: boolean
  cors_origins: readonly string[]
  /** Proxies in front, each of which adds to X-Forwarded-For; what stands there before theirs is the caller's word. */
  trusted_proxies: number
  findRun(run_id: string, tenant_id: string | undefined): Promise<RunRecord | undefined>
  isTenant(tenant_id: string): Promise<boolean>
  audit(entry: {
    actor: string
    action: string
    tenant_id: string | null
    request_id: string
    outcome: string
  }): Promise<void>
  /** Aborts when the server closes: ends event streams. */
  closing: AbortSignal
}

const bodyLimit = 100 * 1024
const securityHeaders: Readonly<Record<string, string>> = {
  'Strict-Transport-Security': 'max-age=31536000; includeSubDomains',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
}
/** Headers of which one is enough; a second one is an error. */
const singleHeaders = [
  'x-api-key',
  'x-admin-key',
  'x-user-id',
  'idempotency-key',
  'x-request-id',
  'x-confirm',
  'content-type',
]

export const openDoor = (deps: DoorDeps): Koa => {
  assertDeclared(deps.routes)
  const meter = metrics.getMeter('convergence')
  const answered = meter.createHistogram('http.server.request.duration', {
    unit: 's',
    description: 'Time from a request to its answer',
    advice: { explicitBucketBoundaries: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30] },
  })
  const refused = meter.createCounter('auth.failures', { description: 'Requests that were refused for their key' })
  const router = new Router()
  for (const route of deps.routes) {
    for (const path of [route.path, ...(route.aliases ?? [])]) {
      const verb = route.method.toLowerCase() as 'get' | 'post' | 'put' | 'delete'
      router[verb](path, (ctx: Context & { params: Record<string, string> }) => serve(deps, route, ctx, ctx.params))
    }
  }
  const app = new Koa(deps.trusted_proxies === 0 ? {} : { proxy: true, maxIpsCount: deps.trusted_proxies })
  // Errors of a socket that has gone; what happens in a request is answered and logged below.
  app.on('error', (error: Error & { code?: string }) => {
    deps.log.debug({ code: error.code }, 'connection broke')
  })
  app.use(async (ctx, next) => {
    const started = performance.now()
    const id = requestId(ctx, deps.randomBytes)
    ctx.state['request_id'] = id
    ctx.set(securityHeaders)
    ctx.set('X-Request-ID', id)
    if (deps.closing.aborted) ctx.set('Connection', 'close')
    try {
      allowOrigin(ctx, deps.cors_origins)
      await next()
    } catch (error) {
      answerError(ctx, error, id, deps)
      if (error instanceof AppError && (error.code === 'UNAUTHENTICATED' || error.code === 'FORBIDDEN'))
        refused.add(1, { reason: error.code })
    }
    // The declared path, never the requested one.
    answered.record((performance.now() - started) / 1000, {
      'http.request.method': ctx.method,
      'http.route': String(ctx.state['route'] ?? 'none'),
      'http.response.status_code': ctx.status,
    })
  })
  app.use(async (ctx, next) => {
    if (ctx.method === 'OPTIONS' && ctx.get('Access-Control-Request-Method') !== '') {
      if (ctx.response.get('Access-Control-Allow-Origin') === '')
        throw new AppError('FORBIDDEN', 'this origin is not allowed; name it in the configuration')
      ctx.set({
        'Access-Control-Allow-Methods': 'GET, POST, PUT, PATCH, DELETE',
        'Access-Control-Allow-Headers':
          'Content-Type, Idempotency-Key, Last-Event-ID, X-API-Key, X-Request-ID, X-User-ID',
        'Access-Control-Max-Age': '600',
      })
      ctx.status = 204
      return
    }
    if (!/^[\x21-\x7e]{1,4096}$/.test(ctx.path)) throw notFound()
    const { path, route } = router.match(ctx.path, ctx.method)
    if (!route && path.length > 0) {
      const allowed = [...new Set(path.flatMap(({ methods }) => methods))].sort().join(', ')
      ctx.set('Allow', allowed)
      throw new AppError('METHOD_NOT_ALLOWED', `${ctx.method.slice(0, 16)} is not for this path; allowed: ${allowed}`)
    }
    if (!route) throw notFound()
    await next()
  })
  app.use(router.routes())
  return app
}

const serve = async (
  deps: DoorDeps,
  route: Route,
  ctx: Context,
  params: Readonly<Record<string, string>>,
): Promise<void> => {
  const name = `${route.method} ${route.path}`
  ctx.state['route'] = route.path
  for (const [parameter, value] of Object.entries(params)) {
    const form = formOf(route, parameter)
    if (form?.test(value) === true) continue
    if (route.forms?.[parameter] === undefined || route.method !== 'PUT') throw notFound()
    const got = JSON.stringify(value.slice(0, 64))
    throw new AppError('BODY_INVALID', `path: ${parameter}: expected ${String(form?.source)}, got ${got}`)
  }
  const audited = {
    actor: 'admin',
    request_id: String(ctx.state['request_id']),
    tenant_id: params['tenant_id'] ?? null,
    action: name,
  }
  let caller: Principal | undefined
  try {
    refuseRepeats(ctx)
    refuseKeyInAddress(ctx)
    const authenticated = await authenticate(deps, route, ctx)
    caller = authenticated
    const run = await compareTenant(deps, route, authenticated, params)
    caller = await actingFor(deps, route, authenticated, { tenant_id: params['tenant_id'], run }, ctx)
    audited.tenant_id ??= caller.kind === 'admin' && !isAdminRoute(route) ? caller.tenant_id : null
    requireScope(route, caller)
    takeToken(deps, route, caller, ctx)
    const call = await readCall(deps, route, caller, params, run, ctx)
    const { tenant_id } = caller
    const isRead = caller.kind === 'tenant' && route.rate === 'read'
    const answer = isRead
      ? await deps.turns.read(tenant_id, async (keep) => keeping(await route.handle(call), keep))
      : await route.handle(call)
    const { stream } = answer
    const isWatched = caller.kind === 'tenant' && stream !== undefined
    await writeAnswer(deps, ctx, isWatched ? { ...answer, stream: deps.turns.stream(tenant_id, stream) } : answer)
  } catch (error) {
    if (isRateLimited(error) && !ctx.res.hasHeader('Retry-After')) ctx.set('Retry-After', '1')
    if (caller?.kind === 'admin' || (isAdminRoute(route) && ctx.get('X-Admin-Key') !== '' && !isRateLimited(error))) {
      await deps.audit({
        ...audited,
        actor: caller?.kind === 'admin' ? 'admin' : 'unknown',
        outcome: String(errorTable[codeOf(error)].http_status),
      })
    }
    throw error
  }
  if (caller.kind === 'admin') await deps.audit({ ...audited, outcome: String(ctx.status) })
  else if (auditedScopes.has(route.scope))
    await deps.audit({ ...audited, actor: `key:${caller.key_id}`, outcome: String(ctx.status) })
}

/** An answer in parts is read until the last of them is made. */
const keeping = (answer: Answer, keep: Keep): Answer =>
  answer.parts === undefined ? answer : { ...answer, parts: { ...answer.parts, parts: keep(answer.parts.parts) } }

/** What a tenant changes of itself. */
const auditedScopes: ReadonlySet<string> = new Set(['configs:write', 'keys:manage', 'sources:write'])
const isAdminRoute = (route: Route) => route.scope === 'admin' || route.scope === 'admin or local'
const isRateLimited = (error: unknown) => error instanceof AppError && error.code === 'RATE_LIMITED'
const codeOf = (error: unknown): ErrorCode => (error instanceof AppError ? error.code : 'INTERNAL')

// ---- who

const authenticate = async (deps: DoorDeps, route: Route, ctx: Context): Promise<Principal> => {
  if (route.scope === 'public') return publicPrincipal
  const admin = ctx.get('X-Admin-Key')
  if (isAdminRoute(route)) {
    if (admin !== '' && isAdminKey(admin, deps.admin_key_hashes)) return adminPrincipal
    if (route.scope === 'admin or local' && deps.local_mode) return publicPrincipal
    failed(deps, ctx)
    throw new AppError('FORBIDDEN', 'this needs the admin key in X-Admin-Key')
  }
  if (admin !== '' && isAdminKey(admin, deps.admin_key_hashes)) return adminPrincipal
  const key = ctx.get('X-API-Key')
  if (key === '' && deps.disable_auth) {
    ctx.set('X-Dev-Auth-Bypass', '1')
    return devPrincipal
  }
  // An address that has failed too often is not looked up again; a key that is known to work still does.
  if (key !== '' && deps.limits.isEmpty('failed', ctx.ip) && !deps.keys.isRemembered(key)) failed(deps, ctx)
  const principal = key === '' ? undefined : await deps.keys.check(key)
  if (principal === undefined) {
    failed(deps, ctx)
    throw new AppError('UNAUTHENTICATED', 'no valid key; send X-API-Key with a key that is active and not expired')
  }
  if (principal.deprecated) ctx.set('Deprecation', 'true')
  return principal
}

const failed = (deps: DoorDeps, ctx: Context): void => {
  const taken = deps.limits.take('failed', ctx.ip)
  if (!taken.allowed) throw rateLimited(ctx, taken)
}

/** Another tenant's thing is answered like one that does not exist, before the scope is looked at. */
const compareTenant = async (
  deps: DoorDeps,
  route: Route,
  caller: Principal,
  params: Readonly<Record<string, string>>,
): Promise<RunRecord | undefined> => {
  if (route.tenant === 'tenant_id' && caller.kind === 'tenant' && params['tenant_id'] !== caller.tenant_id)
    throw notFound()
  if (route.tenant !== 'run') return undefined
  const tenant_id = caller.kind === 'admin' ? undefined : caller.tenant_id
  const run = await deps.findRun(params['run_id'] ?? '', tenant_id)
  if (run === undefined || (tenant_id !== undefined && run.tenant_id !== tenant_id)) throw notFound()
  return run
}

/** The admin on a tenant's route acts for that tenant: on its plan, in its name. */
const actingFor = async (
  deps: DoorDeps,
  route: Route,
  caller: Principal,
  { tenant_id, run }: { tenant_id: string | undefined; run: RunRecord | undefined },
  ctx: Context,
): Promise<Principal> => {
  if (caller.kind !== 'admin' || isAdminRoute(route)) return caller
  const named = new URLSearchParams(ctx.querystring).getAll('tenant_id')
  const wanted = tenant_id ?? run?.tenant_id ?? named[0]
  if (wanted === undefined || (route.tenant === 'own' && named.length !== 1))
    throw new AppError('BODY_INVALID', 'query.tenant_id: expected the tenant that the admin acts for, once')
  if (!isName('tenant_id', wanted) || !(await deps.isTenant(wanted))) throw notFound()
  return { ...caller, tenant_id: wanted }
}

const requireScope = (route: Route, caller: Principal): void => {
  if (caller.kind !== 'tenant') return
  if (!caller.scopes.has(route.scope))
    throw new AppError('FORBIDDEN', `the key lacks the scope ${route.scope}; use one that has it`)
}

// ---- how often

const takeToken = (deps: DoorDeps, route: Route, caller: Principal, ctx: Context): void => {
  const mine = deps.limits.take(route.rate, rateKeyOf(caller, ctx))
  showLimit(ctx, mine)
  if (!mine.allowed) throw rateLimited(ctx, mine)
  if (caller.kind !== 'tenant') return
  const tenants = deps.limits.take(route.rate, `tenant ${caller.tenant_id}`)
  if (!tenants.allowed) throw rateLimited(ctx, tenants)
}
const rateKeyOf = (caller: Principal, ctx: Context): string => {
  if (caller.kind === 'tenant') return `key ${caller.key_id}`
  return caller.kind === 'admin' ? 'admin' : ctx.ip
}
const showLimit = (ctx: Context, { name, limit, remaining, reset }: Taken): void => {
  const quoted: RateClass = name
  ctx.set({
    'RateLimit-Policy': `"${quoted}";q=${limit.q};w=${limit.w}`,
    RateLimit: `"${quoted}";r=${remaining};t=${reset}`,
    'X-RateLimit-Limit': String(limit.q),
    'X-RateLimit-Remaining': String(remaining),
    'X-RateLimit-Reset': String(reset),
  })
}
const rateLimited = (ctx: Context, taken: Taken): AppError => {
  showLimit(ctx, taken)
  ctx.set('Retry-After', String(Math.max(1, taken.reset)))
  return new AppError(
    'RATE_LIMITED',
    `too many requests: ${taken.limit.q} in ${taken.limit.w} seconds are allowed; ` +
      `wait ${Math.max(1, taken.reset)} seconds`,
  )
}

// ---- what

const refuseRepeats = (ctx: Context): void => {
  for (const name of singleHeaders) {
    if ((ctx.req.headersDistinct[name]?.length ?? 0) > 1)
      throw new AppError('BODY_INVALID', `header ${name} was sent more than once`)
  }
}

/** Before the caller is looked at: whoever sends the key only there would hear that it sent none. */
const refuseKeyInAddress = (ctx: Context): void => {
  for (const [name, value] of new URLSearchParams(ctx.querystring)) {
    if (/key|token|secret/i.test(name) || /_api_[0-9A-Za-z]{42}|cdpadm_/.test(value))
      throw new AppError('BODY_INVALID', 'query: a key does not belong into an address; send it as a header')
  }
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

const readCall = async (
  deps: DoorDeps,
  route: Route,
  principal: Principal,
  params: Readonly<Record<string, string>>,
  run: RunRecord | undefined,
  ctx: Context,
): Promise<Call> => {
  const query = readQuery(route, ctx, principal.kind === 'admin' && route.tenant === 'own' ? ['tenant_id'] : [])
  const user_id = ctx.get('X-User-ID')
  if (user_id !== '' && !uuid.test(user_id)) throw new AppError('BODY_INVALID', 'X-User-ID: expected a UUID')
  const idempotency_key = ctx.get('Idempotency-Key')
  if (idempotency_key !== '' && !isName('idempotency_key', idempotency_key))
    throw new AppError('BODY_INVALID', 'Idempotency-Key: expected 1 to 200 printable ASCII characters without spaces')
  const body = await readBody(route.body, ctx)
  if (route.takes_secrets !== true)
    refuseSecrets({ 'Idempotency-Key': idempotency_key, ...(body === undefined ? {} : (body as object)) })
  const last = ctx.get('Last-Event-ID')
  const key = ctx.get('X-API-Key')
  return {
    principal,
    params,
    query,
    body,
    run,
    user_id: user_id === '' ? undefined : user_id.toLowerCase(),
    idempotency_key: idempotency_key === '' ? undefined : idempotency_key,
    confirm: ctx.get('X-Confirm') === '' ? undefined : ctx.get('X-Confirm'),
    last_event_id: last,
    accept: ctx.get('Accept'),
    request_id: String(ctx.state['request_id']),
    stillAllowed: async () =>
      principal.kind !== 'tenant' || principal === devPrincipal || (await deps.keys.check(key, 10_000)) !== undefined,
  }
}

/** `read`: names that were looked at before. */
const readQuery = (route: Route, ctx: Context, read: readonly string[]): Record<string, string> => {
  const query = Object.create(null) as Record<string, string>
  if (ctx.querystring === '') return query
  for (const [name, value] of new URLSearchParams(ctx.querystring)) {
    if (read.includes(name)) continue
    const field = route.query !== undefined && Object.hasOwn(route.query, name) ? route.query[name] : undefined
    if (field === undefined) {
      const known = Object.keys(route.query ?? {}).join(', ') || 'nothing'
      const shown = JSON.stringify(name.slice(0, 64))
      throw new AppError('BODY_INVALID', `query: ${shown} is not known here; known: ${known}`)
    }
    const before = query[name]
    if (before !== undefined && field.repeats !== true)
      throw new AppError('BODY_INVALID', `query.${name} was sent more than once`)
    validate(field, value, `query.${name}`)
    query[name] = before === undefined ? value : `${before}\n${value}`
  }
  return query
}

/** Whatever is asked for is kept, shown and passed on as it is: a secret has a place of its own. */
const refuseSecrets = (given: Readonly<Record<string, unknown>>): void => {
  for (const [name, value] of Object.entries(given)) {
    if (hasSecret(JSON.stringify(value)))
      throw new AppError(
        'BODY_INVALID',
        `${name}: what was sent looks like a secret (a key, a token, a webhook); it was not kept. Secrets go into ` +
          'PUT /api/v1/tenants/{tenant_id}/credentials/{name}',
      )
  }
}

const readBody = async (field: Field | undefined, ctx: Context): Promise<unknown> => {
  const length = Number(ctx.req.headers['content-length'] ?? 0)
  const given = length > 0 || ctx.req.headers['transfer-encoding'] !== undefined
  if (given) {
    const type = ctx.get('Content-Type')
    if (!/^application\/json\s*(;\s*charset="?utf-8"?\s*)?$/i.test(type))
      throw new AppError(
        'UNSUPPORTED_MEDIA_TYPE',
        `body: expected Content-Type application/json, got ${JSON.stringify(type.slice(0, 100))}`,
      )
    if (ctx.get('Content-Encoding') !== '' && ctx.get('Content-Encoding') !== 'identity')
      throw new AppError('UNSUPPORTED_MEDIA_TYPE', 'body: expected no Content-Encoding; send it as it is')
  }
  const text = given ? await readText(ctx.req, length) : ''
  if (field === undefined) {
    if (text !== '' && text !== '{}') throw new AppError('BODY_INVALID', 'body: expected none')
    return undefined
  }
  const read = text.trim() === '' ? { value: {} } : readJson(text)
  if ('fault' in read) throw new AppError('BODY_INVALID', read.fault)
  const body = read.value
  validate(field, body)
  return body
}

const decoder = new TextDecoder('utf-8', { fatal: true })
const readText = async (request: IncomingMessage, length: number): Promise<string> => {
  let bytes: Buffer
  try {
    bytes = await getRawBody(request, { limit: bodyLimit, ...(length > 0 ? { length } : {}) })
  } catch (error) {
    const type = (error as { type?: string }).type
    if (type === 'entity.too.large')
      throw new AppError('BODY_TOO_LARGE', `body: expected at most ${bodyLimit} bytes; send less`, { cause: error })
    throw new AppError('BODY_INVALID', 'body: did not arrive whole', { cause: error })
  }
  try {
    return decoder.decode(bytes)
  } catch (error) {
    throw new AppError('BODY_INVALID', 'body: expected UTF-8', { cause: error })
  }
}

// ---- answers

const writeAnswer = async (deps: DoorDeps, ctx: Context, answer: Answer): Promise<void> => {
  ctx.status = answer.status
  if (answer.headers !== undefined) ctx.set({ ...answer.headers })
  if (answer.stream !== undefined) {
    startStream(deps, ctx, answer.stream)
  } else if (answer.parts !== undefined) {
    startParts(deps, ctx, answer.parts)
  } else if (answer.text !== undefined) {
    ctx.type = answer.text.type
    if (answer.text.policy !== undefined) ctx.set('Content-Security-Policy', answer.text.policy)
    ctx.body = answer.text.content
  } else if (answer.body !== undefined) {
    ctx.type = 'application/json'
    ctx.body = JSON.stringify(answer.body)
  } else {
    ctx.body = null
    ctx.status = answer.status
  }
}

/** Longest that a caller may take nothing of what is being sent, ms. */
const takeMs = 120_000
/** What breaks on the way breaks the connection, so that nobody takes half of it for the whole. */
const startParts = (deps: DoorDeps, ctx: Context, { type, parts }: NonNullable<Answer['parts']>): void => {
  const body = Readable.from(parts, { objectMode: true, highWaterMark: 1 })
  const end = () => {
    body.destroy()
  }
  ctx.type = type
  ctx.body = body
  ctx.res.setTimeout(takeMs, () => {
    ctx.res.destroy()
  })
  ctx.res.once('close', end)
  deps.closing.addEventListener('abort', end, { once: true })
  body.once('error', (error: unknown) => {
    deps.log.warn({ request_id: String(ctx.state['request_id']), code: codeOf(error) }, 'an answer ended early')
  })
  body.once('close', () => {
    deps.closing.removeEventListener('abort', end)
    if (!body.readableEnded) ctx.res.destroy()
  })
  if (isGone(deps, ctx)) end()
}

/** Whether the caller left, or the server closes, before anybody listened for it. */
const isGone = (deps: DoorDeps, ctx: Context): boolean => ctx.res.destroyed || deps.closing.aborted

const startStream = (deps: DoorDeps, ctx: Context, run: NonNullable<Answer['stream']>): void => {
  const out = new PassThrough()
  const gone = new AbortController()
  const end = () => {
    gone.abort()
  }
  ctx.res.once('close', end)
  deps.closing.addEventListener('abort', end, { once: true })
  if (isGone(deps, ctx)) end()
  ctx.type = 'text/event-stream'
  ctx.set('X-Accel-Buffering', 'no')
  ctx.body = out
  ctx.req.socket.setTimeout(0)
  ctx.flushHeaders()
  run({
    write: (text) => {
      if (!gone.signal.aborted) out.write(text)
    },
    signal: gone.signal,
  })
    .catch((error: unknown) => {
      deps.log.warn({ request_id: String(ctx.state['request_id']), code: codeOf(error) }, 'event stream ended early')
    })
    .finally(() => {
      deps.closing.removeEventListener('abort', end)
      ctx.res.removeListener('close', end)
      out.end()
    })
}

const requestId = (ctx: Context, bytes: RandomBytes | undefined): string => {
  const given = ctx.get('X-Request-ID')
  return /^[A-Za-z0-9._-]{1,128}$/.test(given) ? given : `req_${randomDigits(22, bytes)}`
}

const allowOrigin = (ctx: Context, origins: readonly string[]): void => {
  if (origins.length === 0) return
  ctx.vary('Origin')
  const origin = ctx.get('Origin')
  if (!origins.includes(origin)) return
  ctx.set({
    'Access-Control-Allow-Origin': origin,
    'Access-Control-Expose-Headers': 'RateLimit, RateLimit-Policy, Retry-After, X-Request-ID',
  })
}

const titles: Readonly<Record<number, string>> = {
  400: 'Bad request',
  401: 'Not authenticated',
  402: 'Subscription inactive',
  403: 'Not allowed',
  404: 'Not found',
  405: 'Method not allowed',
  409: 'Conflict',
  413: 'Too large',
  415: 'Unsupported media type',
  429: 'Too many requests',
  500: 'Internal error',
  502: 'Bad gateway',
  503: 'Unavailable',
  504: 'Timed out',
  507: 'Out of space',
}

/** What a caller learns: of the platform's own surroundings, such as a path on its disk, nothing. */
const detailOf = (error: unknown, code: ErrorCode): string => {
  if (!(error instanceof AppError)) return 'unexpected failure; try again, and report the request_id if it stays'
  return code === 'DISK_FULL'
    ? 'the platform has no space left to write; nothing was done, try again later'
    : error.message
}

/**
 * application/problem+json. An error that nobody foresaw shows nothing of itself; the log has it under the request id.
 */
const answerError = (ctx: Context, error: unknown, request_id: string, { log, now }: DoorDeps): void => {
  const code = codeOf(error)
  const status = errorTable[code].http_status
  const known = error instanceof AppError
  if (!known)
    log.error(
      {
        request_id,
        route: ctx.state['route'] as string | undefined,
        error: error instanceof Error ? error.stack : typeof error,
      },
      'request failed',
    )
  // Where there is no space is for the operator, who reads the log.
  if (known && code === 'DISK_FULL') log.error({ request_id, code, error: error.message }, 'no space left to write')
  ctx.status = status
  ctx.type = 'application/problem+json'
  if (error instanceof QuotaError)
    ctx.set('Retry-After', String(Math.max(1, Math.ceil((Date.parse(error.resets_at) - now().getTime()) / 1000))))
  else if (status === 503) ctx.set('Retry-After', '2')
  // What is left of a body that was refused is not read: the connection ends.
  if (!ctx.req.complete && (code === 'BODY_TOO_LARGE' || code === 'UNSUPPORTED_MEDIA_TYPE'))
    ctx.set('Connection', 'close')
  ctx.body = JSON.stringify({
    type: problemType(code),
    title: titles[status] ?? 'Error',
    status,
    code,
    detail: detailOf(error, code),
    what_to_do: errorTable[code].what_to_do,
    request_id,
    ...(known && error.faults.length > 0 ? { errors: error.faults } : {}),
    ...(error instanceof QuotaError ? { resets_at: error.resets_at } : {}),
  })
}
