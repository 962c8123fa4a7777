/**
 * How a route declares itself. What is not declared is not allowed: a route without scope, tenant or rate class stops
 * the process at start.
 */
import { AppError, namePatterns } from '@convergence/contracts'
import type { Field } from './fields.ts'
import type { RateClass } from './limits.ts'
import type { Principal } from './principal.ts'
import type { RunRecord } from './record.ts'
import { scopes, type Scope } from './scopes.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

export interface Call {
  readonly principal: Principal
  readonly params: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, string>>
  /** Checked against the route's `body`. */
  readonly body: unknown
  /** The run, where the route's tenant is that of a run. */
  readonly run: RunRecord | undefined
  readonly idempotency_key: string | undefined
  readonly user_id: string | undefined
  /** X-Confirm. */
  readonly confirm: string | undefined
  /** Last-Event-ID as it came, '' without one. */
  readonly last_event_id: string
  /** The header as it came, '' without one. */
  readonly accept: string
  readonly request_id: string
  /** Whether the caller's key still works; at most 10 s old. */
  stillAllowed(): Promise<boolean>
}

export interface Sink {
  write(text: string): void
  /** Aborts when the caller has gone or the server closes. */
  signal: AbortSignal
}
export interface Answer {
  status: number
  body?: unknown
  /** Instead of a JSON body. */
  text?: { type: string; content: string; policy?: string }
  /** Instead of a body: parts as they are made. What fails on the way breaks the connection off. */
  parts?: { type: string; parts: AsyncIterable<string | Uint8Array> }
  /** Instead of a body: an event stream; ends when it resolves. */
  stream?: (sink: Sink) => Promise<void>
  headers?: Readonly<Record<string, string>>
}

export interface Route {
  method: Method
  /** Segments that start with a colon are parameters; their form is checked before anything else. */
  path: string
  /** Other paths of the same route, as they were called before. */
  aliases?: readonly string[]
  summary: string
  /**
   * What the key must be allowed to do; `admin`: the admin key; `public`: nobody is asked; `admin or local`: open in
   * local mode.
   */
  scope: Scope | 'admin' | 'admin or local' | 'public'
  /**
   * Where the tenant is: in the path (`tenant_id`), in the run that the path names, the caller's own, or nowhere. The
   * admin key works for any tenant: where the path has none, `?tenant_id=` names it.
   */
  tenant: 'tenant_id' | 'run' | 'own' | 'none'
  rate: Exclude<RateClass, 'failed'>
  /** What parameters of the path may look like where it is not what `parameterForms` says. */
  forms?: Readonly<Record<string, string>>
  body?: Field
  /** The body holds a secret; in every other body one is refused. */
  takes_secrets?: true
  /** Fields of the query, each at most once, but for those that repeat. */
  query?: Readonly<Record<string, Field>>
  /** Statuses that it answers with when all is well. */
  answers: readonly number[]
  handle(call: Call): Answer | Promise<Answer>
}

/** What does not exist and what is another tenant's: one answer, so nobody learns which. */
export const notFound = (): AppError =>
  new AppError('NOT_FOUND', 'not found; check the path and that this key belongs to the tenant')

const methods: readonly string[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']
const routeScopes: readonly string[] = [...scopes, 'admin', 'admin or local', 'public']
const rates: readonly string[] = ['run', 'read', 'admin', 'public']

/** Throws SETTING_INVALID for the first route that does not say who may call it. */
export const assertDeclared = (routes: readonly Route[]): void => {
  const taken = new Set<string>()
  for (const route of routes) {
    const name = `${route.method} ${route.path}`
    const refuse = (why: string): never => {
      throw new AppError('SETTING_INVALID', `route ${name}: ${why}`)
    }
    if (!methods.includes(route.method)) refuse('expected GET, POST, PUT, PATCH or DELETE')
    if (!routeScopes.includes(route.scope)) refuse(`expected a scope (${routeScopes.join(', ')}), got ${route.scope}`)
    if (!['tenant_id', 'run', 'own', 'none'].includes(route.tenant))
      refuse(`expected where its tenant is (tenant_id, run, own or none), got ${route.tenant}`)
    if (!rates.includes(route.rate)) refuse('expected a rate class')
    const keyed = !['admin', 'admin or local', 'public'].includes(route.scope)
    if (keyed && route.tenant === 'none') refuse('a route for tenants says where its tenant is')
    if (!keyed && route.tenant !== 'none') refuse('only a route for tenants has a tenant')
    if (route.tenant === 'tenant_id' && !route.path.includes(':tenant_id')) refuse('its path has no :tenant_id')
    if (route.tenant === 'run' && !route.path.includes(':run_id')) refuse('its path has no :run_id')
    if (keyed && route.tenant !== 'tenant_id' && route.path.includes(':tenant_id'))
      refuse('a tenant in the path must be compared with the key')
    for (const parameter of parametersOf(route.path))
      if (!Object.hasOwn(parameterForms, parameter)) refuse(`the parameter :${parameter} has no form`)
    for (const path of [route.path, ...(route.aliases ?? [])]) {
      if (taken.has(`${route.method} ${path}`)) refuse(`${path} is declared twice`)
      taken.add(`${route.method} ${path}`)
    }
  }
}

export const parametersOf = (path: string): string[] =>
  path
    .split('/')
    .filter((part) => part.startsWith(':'))
    .map((part) => part.slice(1))

/** What each path parameter may look like; anything else does not exist, and is a fault of who wants to make it. */
export const parameterForms: Readonly<Record<string, RegExp>> = {
  tenant_id: new RegExp(namePatterns.tenant_id),
  provider: new RegExp(namePatterns.segment),
  domain: new RegExp(namePatterns.segment),
  dataset: new RegExp(namePatterns.segment),
  template: new RegExp(namePatterns.segment),
  name: new RegExp(namePatterns.schedule),
  run_id: new RegExp(namePatterns.run_id),
  backfill_id: new RegExp(namePatterns.backfill_id),
  dead_letter_id: new RegExp(namePatterns.dead_letter_id),
  key_id: new RegExp(namePatterns.key_id),
  kid: new RegExp(namePatterns.kid),
}

/** What a path parameter of a route may look like. */
export const formOf = ({ forms }: Pick<Route, 'forms'>, parameter: string): RegExp | undefined =>
  forms?.[parameter] === undefined ? parameterForms[parameter] : new RegExp(forms[parameter])
