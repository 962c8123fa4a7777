/** Requests and answers of the front, and what lists and rows have in common: pages, their tokens, ETags. */
import { createHash } from 'node:crypto'
import type { Engine } from '../work.ts'
import { RestFault, invalid, wholeAt } from './wire.ts'
import type { Json } from './wire.ts'

/** What each resource of the front works on. */
export interface FrontContext {
  engine: Engine
  now(): Date
  /** Where clients find the API, ending in /bigquery/v2. */
  self(): string
  /** Where gs:// buckets are. */
  buckets: string
  /** For files of loads, below the engine's scratch folder. */
  uploads: string
}
/** What a request asks for. */
export interface RestRequest {
  query: URLSearchParams
  body: Json
  headers: Readonly<Record<string, string | string[] | undefined>>
}
export interface Answer {
  status?: number
  body?: unknown
  headers?: Record<string, string>
}

/** A mark that changes with what it is of. */
export const etagOf = (spec: unknown): string =>
  createHash('sha256').update(JSON.stringify(spec)).digest('base64url').slice(0, 22)

/** A page of a list, and the token of the next one. */
export const pageOf = <T>(
  all: readonly T[],
  query: URLSearchParams,
  most = 1_000,
): { items: readonly T[]; nextPageToken?: string } => {
  const { offset, limit } = pageOfQuery(query, most)
  return {
    items: all.slice(offset, offset + limit),
    ...(offset + limit < all.length ? { nextPageToken: tokenOf(offset + limit) } : {}),
  }
}
export const tokenOf = (offset: number): string => Buffer.from(`from ${offset}`).toString('base64url')
const offsetOf = (token: string | null | undefined): number => {
  if (token === null || token === undefined || token === '') return 0
  const [, text] = /^from (\d{1,15})$/.exec(Buffer.from(token, 'base64url').toString()) ?? []
  if (text === undefined) throw invalid('Invalid value for pageToken')
  return Number(text)
}
/** Where a page of rows begins: behind the one before, or where `startIndex` says. */
export const startOf = (query: URLSearchParams): number => {
  if (query.has('pageToken')) return offsetOf(query.get('pageToken'))
  const start = wholeAt({ startIndex: query.get('startIndex') }, 'startIndex') ?? 0
  if (start < 0) throw invalid(`startIndex: expected a whole number from 0, got ${start}`)
  return start
}
export const maxResultsOf = (body: Json): number | undefined => {
  const most = wholeAt(body, 'maxResults')
  if (most !== undefined && most < 0) throw invalid(`maxResults: expected a whole number from 0, got ${most}`)
  return most
}
const pageOfQuery = (query: URLSearchParams, most: number): { offset: number; limit: number } => {
  const asked = maxResultsOf({ maxResults: query.get('maxResults') })
  return {
    offset: offsetOf(query.get('pageToken')),
    // 0 says nothing, as in the protocol's other numbers.
    limit: Math.min(asked === undefined || asked === 0 ? most : asked, most),
  }
}
/** Throws when the client changes another version than the one that it read. */
export const assertMatch = (headers: RestRequest['headers'], spec: unknown): void => {
  const wanted = headers['if-match']
  if (typeof wanted === 'string' && wanted !== '*' && wanted.replaceAll('"', '') !== etagOf(spec))
    throw new RestFault(412, 'conditionNotMet', 'Precondition check failed.')
}
