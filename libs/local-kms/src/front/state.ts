/** What the methods share: the key file, how names travel, and pages of lists. */
import { AppError } from '@convergence/contracts'
import { invalid, StatusError, unary, unsupported, type FrontLog } from '@convergence/local-wire'
import * as grpc from '@grpc/grpc-js'
import type { CryptoKey, Keyring, KeyRing } from '../api.ts'

export interface Page {
  pageSize?: number
  pageToken?: string
  filter?: string
  orderBy?: string
}

const defaultPageSize = 100

const mostPageSize = 1_000

export interface FrontState {
  readonly keyring: Keyring
  readonly project_id: string
  readonly log: FrontLog
}

export const partsOf = (front: FrontState, path: string, shape: 'location' | 'ring' | 'key' | 'version'): string[] => {
  const kinds = { location: 1, ring: 2, key: 3, version: 4 }
  const pattern = [
    'projects/([^/]+)/locations/([^/]+)',
    '/keyRings/([^/]+)',
    '/cryptoKeys/([^/]+)',
    '/cryptoKeyVersions/([^/]+)',
  ]
    .slice(0, kinds[shape])
    .join('')
  const [, project, ...names] = new RegExp(`^${pattern}$`).exec(path) ?? []
  if (project === undefined)
    throw invalid(`name: expected ${pattern.replaceAll('([^/]+)', '{}')}, got ${JSON.stringify(path.slice(0, 300))}`)
  if (project !== front.project_id)
    throw new StatusError(
      grpc.status.NOT_FOUND,
      `project ${project}: this local cloud holds the project ${front.project_id} alone`,
    )
  return names
}

export const isVersion = (path: string): boolean => path.includes('/cryptoKeyVersions/')

export const nameOf = (front: FrontState, path: string, shape: 'ring' | 'key'): string =>
  partsOf(front, path, shape).join('/')

export const numberOf = (text: string): number => {
  if (!/^[1-9]\d{0,5}$/.test(text))
    throw new StatusError(
      grpc.status.NOT_FOUND,
      `crypto key version ${text.slice(0, 50)} does not exist; versions are numbers from 1`,
    )
  return Number(text)
}

export const versionAt = (front: FrontState, path: string): { key: string; number: number } => {
  const [location, ring, key, version = ''] = partsOf(front, path, 'version')
  return { key: [location, ring, key].join('/'), number: numberOf(version) }
}

export const idOf = (what: string, id: string): string => {
  if (!/^[A-Za-z0-9_-]{1,63}$/.test(id))
    throw invalid(`${what}: expected 1 to 63 letters, digits, _ or -, got ${JSON.stringify(id.slice(0, 100))}`)
  return id
}

export const ringPath = (front: FrontState, name: string): string => {
  const [location, ring] = name.split('/')
  return `projects/${front.project_id}/locations/${location ?? ''}/keyRings/${ring ?? ''}`
}

export const keyPath = (front: FrontState, name: string): string =>
  `${ringPath(front, name)}/cryptoKeys/${name.split('/')[2] ?? ''}`

export const ringAt = (front: FrontState, name: string): KeyRing => {
  const found = front.keyring.rings()[name]
  if (found === undefined)
    throw new AppError('NOT_FOUND', `key ring ${ringPath(front, name)} does not exist; create it first`)
  return found
}

export const keyAt = (front: FrontState, name: string): CryptoKey => {
  const found = ringAt(front, name.split('/').slice(0, 2).join('/')).keys[name.split('/')[2] ?? '']
  if (found === undefined)
    throw new AppError(
      'NOT_FOUND',
      `crypto key ${keyPath(front, name)} does not exist; create it in its key ring first`,
    )
  return found
}

/** One page, in order of names; the token is the last name of the page before. */
export const page = <T>(
  all: readonly (readonly [string, T])[],
  { pageSize = 0, pageToken = '', filter, orderBy }: Page,
): { shown: (readonly [string, T])[]; nextPageToken: string; totalSize: number } => {
  if (filter) throw unsupported('filter')
  if (orderBy) throw unsupported('order_by')
  const rest = all.filter(([name]) => name > pageToken).sort(([a], [b]) => (a < b ? -1 : 1))
  const shown = rest.slice(0, pageSize <= 0 ? defaultPageSize : Math.min(pageSize, mostPageSize))
  return { shown, nextPageToken: shown.length < rest.length ? (shown.at(-1)?.[0] ?? '') : '', totalSize: all.length }
}

export const method = <Request, Answer>(front: FrontState, name: string, work: (request: Request) => Answer) => ({
  [name]: unary(front.log, name, work),
})
