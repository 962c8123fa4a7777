/** How the command line reaches the platform: address and key from options, the environment or the local data folder. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface ConnectionOptions {
  url?: string | undefined
  key?: string | undefined
  adminKey?: string | undefined
  tenant?: string | undefined
}
export interface Answered {
  status: number
  body: Record<string, unknown>
}
export interface Connection {
  url: string
  headers: Readonly<Record<string, string>>
  /** Whether it is the admin who asks: then the tenant is named in each address. */
  isAdmin: boolean
  /** Throws Refused for an answer that is an error, Unreachable where nobody answers. */
  call(method: string, path: string, body?: unknown): Promise<Answered>
  /** An answer that is a file, as it comes; throws as `call` does. */
  download(path: string): Promise<{ headers: Headers; body: ReadableStream<Uint8Array> }>
}

/** The server said no. */
export class Refused extends Error {
  readonly problem: Record<string, unknown>
  constructor(status: number, problem: Record<string, unknown>) {
    const errors: unknown[] = Array.isArray(problem['errors']) ? problem['errors'] : []
    const lines = errors.map((error) => `\n  ${typeof error === 'string' ? error : JSON.stringify(error)}`)
    const text = (field: string, otherwise: string) => (typeof problem[field] === 'string' ? problem[field] : otherwise)
    super(`${text('code', String(status))}: ${text('detail', 'refused')}${lines.join('')}`)
    this.problem = problem
  }
}
/** Nobody answers at the address. */
export class Unreachable extends Error {}
/** A run or a check that ended badly, which was told already. */
export class Failed extends Error {}
/** A command that cannot be carried out as it was given. */
export class WrongUse extends Error {}

const defaultUrl = 'http://127.0.0.1:8000'
const isLoopback = (url: string): boolean => /^https?:\/\/(?:127\.0\.0\.1|localhost|\[::1\])(?::\d+)?\/?$/.test(url)

/** The admin key that `npm start` keeps in its data folder. */
const localAdminKey = (env: NodeJS.ProcessEnv): string | undefined => {
  try {
    return readFileSync(join(env['CONVERGENCE_DATA_DIR'] ?? '.convergence', 'admin-key'), 'utf8').trim()
  } catch {
    return undefined
  }
}

const keyHeaders = (options: ConnectionOptions, url: string, env: NodeJS.ProcessEnv): Record<string, string> => {
  const key = options.key ?? (options.adminKey === undefined ? env['CONVERGENCE_API_KEY'] : undefined)
  if (key !== undefined) return { 'X-API-Key': key }
  const admin = options.adminKey ?? env['CONVERGENCE_ADMIN_KEY'] ?? (isLoopback(url) ? localAdminKey(env) : undefined)
  if (admin === undefined)
    throw new WrongUse(
      'no key: give --key or --admin-key, or set CONVERGENCE_API_KEY or CONVERGENCE_ADMIN_KEY; ' +
        'for `npm start` on this machine run it from the same folder, or with the CONVERGENCE_DATA_DIR that it was given',
    )
  return { 'X-Admin-Key': admin }
}

/** Whoever answers without JSON, such as a proxy, is not the platform. */
const parsedAnswer = (url: string, status: number, text: string): Record<string, unknown> => {
  try {
    return (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>
  } catch {
    throw new Unreachable(`${url} answered ${status} with something that is no JSON: is the platform there?`)
  }
}

export const connect = (options: ConnectionOptions, env: NodeJS.ProcessEnv): Connection => {
  const url = (options.url ?? env['CONVERGENCE_URL'] ?? defaultUrl).replace(/\/$/, '')
  const headers = keyHeaders(options, url, env)
  const ask = (path: string, request: RequestInit): Promise<Response> =>
    fetch(`${url}${path}`, request).catch((error: unknown) => {
      const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : ''
      throw new Unreachable(`${url} does not answer${cause}; is the platform running there?`)
    })
  return {
    url,
    headers,
    isAdmin: 'X-Admin-Key' in headers,
    call: async (method, path, body) => {
      const answer = await ask(path, {
        method,
        headers: { ...headers, ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const text = await answer.text()
      const parsed = parsedAnswer(url, answer.status, text)
      if (!answer.ok) throw new Refused(answer.status, parsed)
      return { status: answer.status, body: parsed }
    },
    download: async (path) => {
      const answer = await ask(path, { headers })
      if (!answer.ok) throw new Refused(answer.status, parsedAnswer(url, answer.status, await answer.text()))
      if (answer.body === null) throw new Unreachable(`${url} answered without a file: is the platform there?`)
      return { headers: answer.headers, body: answer.body }
    },
  }
}

/** The tenant that a command is about: as given, or whose key it is. */
export const tenantOf = ({ tenant }: ConnectionOptions, { headers }: Connection): string => {
  const ofKey = /^([a-z][a-z0-9_]*)_api_/.exec(headers['X-API-Key'] ?? '')?.[1]
  const named = tenant ?? ofKey
  if (named === undefined) throw new WrongUse('no tenant: give --tenant, such as --tenant acme_corp')
  return named
}
/** An address of the caller's own things, in which the admin names the tenant. */
export const ownPath = (path: string, options: ConnectionOptions, connection: Connection): string =>
  connection.isAdmin ? `${path}${path.includes('?') ? '&' : '?'}tenant_id=${tenantOf(options, connection)}` : path
