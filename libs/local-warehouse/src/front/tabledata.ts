/** tabledata.* of the REST API: rows out by pages, rows in by insertAll. */
import { rowOf } from './insert-rows.ts'
import { etagOf, maxResultsOf, startOf, tokenOf } from './request.ts'
import type { Answer, FrontContext, RestRequest } from './request.ts'
import { described } from './tables.ts'
import {
  assertKnown,
  flagAt,
  formatRows,
  invalid,
  isJson,
  isSaid,
  listAt,
  objectAt,
  textAt,
  timestampFormat,
  unsupported,
} from './wire.ts'

export const readTable = async (
  context: FrontContext,
  dataset: string,
  name: string,
  { query }: RestRequest,
): Promise<Answer> => {
  const found = await described(context, dataset, name)
  if (found.kind === 'view') throw invalid(`Cannot list a table of type VIEW.`)
  if (name.includes('$')) throw unsupported('Listing one partition of a table')
  const from = startOf(query)
  const limit = Math.min(maxResultsOf({ maxResults: query.get('maxResults') }) ?? 50_000, 50_000)
  const selected = query.get('selectedFields')
  const fields = selected === null || selected === '' ? undefined : selected.split(',')
  if (fields?.some((field) => field.includes('.')) === true) throw unsupported('selectedFields of a part of a RECORD')
  const { columns, rows, total } = await context.engine.read(dataset, name, {
    offset: from,
    limit,
    ...(fields === undefined ? {} : { fields }),
  })
  const format = timestampFormat(
    isSaid(query, 'formatOptions.useInt64Timestamp'),
    query.get('formatOptions.timestampOutputFormat') ?? undefined,
  )
  return {
    body: {
      kind: 'bigquery#tableDataList',
      etag: etagOf([dataset, name, total]),
      totalRows: String(total),
      rows: formatRows(columns, rows, format),
      ...(from + rows.length < total && rows.length > 0 ? { pageToken: tokenOf(from + rows.length) } : {}),
    },
  }
}

/**
 * Ids of rows that came a short while ago: BigQuery's own memory of them is about a minute long, and only its best
 * effort.
 */
export interface Seen {
  has(id: string): boolean
  add(id: string): void
}
export const openSeen = (now: () => Date, keptMs = 60_000, most = 200_000): Seen => {
  const ids = new Map<string, number>()
  return {
    has: (id) => (ids.get(id) ?? -Infinity) > now().getTime() - keptMs,
    add: (id) => {
      ids.delete(id)
      ids.set(id, now().getTime())
      for (const [old, at] of ids) {
        if (ids.size <= most && at > now().getTime() - keptMs) break
        ids.delete(old)
      }
    },
  }
}

export const insertAll = async (
  context: FrontContext,
  dataset: string,
  name: string,
  { body }: RestRequest,
  seen: Seen,
): Promise<Answer> => {
  assertKnown(body, 'insertAll', ['kind', 'rows', 'skipInvalidRows', 'ignoreUnknownValues', 'traceId'])
  const columns = context.engine.columns(dataset, name)
  if (columns === undefined) {
    await described(context, dataset, name)
    throw invalid(`Cannot add rows to a table of type VIEW.`)
  }
  const skip = flagAt(body, 'skipInvalidRows') === true
  const ignore = flagAt(body, 'ignoreUnknownValues') === true
  const given = listAt(body, 'rows') ?? []
  if (given.length === 0) throw invalid('No rows present in the request.')
  const faults = new Map<number, { reason: string; location: string; message: string }>()
  const rows = given.map((one, index) => {
    const json = isJson(one) ? (objectAt(one, 'json') ?? {}) : {}
    const made = rowOf(columns, json, ignore, '')
    if ('fault' in made) faults.set(index, { reason: 'invalid', location: made.fault.at, message: made.fault.message })
    return { index, id: isJson(one) ? textAt(one, 'insertId') : undefined, row: 'row' in made ? made.row : {} }
  })
  const good = rows.filter(({ index }) => !faults.has(index))
  if (faults.size === 0 || skip) {
    // Of a table that was dropped and made again nothing was seen, however the drop came.
    const life = `${dataset}.${name}@${context.engine.madeAt(dataset, name) ?? 0}`
    const fresh = good.filter(
      ({ id }, k) =>
        id === undefined || (!seen.has(`${life}/${id}`) && good.findIndex((other) => other.id === id) === k),
    )
    await context.engine.insertRows(
      dataset,
      name,
      fresh.map(({ row }) => row),
    )
    for (const { id } of fresh) if (id !== undefined) seen.add(`${life}/${id}`)
  }
  if (faults.size === 0) return { body: { kind: 'bigquery#tableDataInsertAllResponse' } }
  return {
    body: {
      kind: 'bigquery#tableDataInsertAllResponse',
      insertErrors: [
        ...[...faults].map(([index, { reason, location, message }]) => ({
          index,
          errors: [{ reason, location, debugInfo: '', message }],
        })),
        ...(skip
          ? []
          : good.map(({ index }) => ({
              index,
              errors: [{ reason: 'stopped', location: '', debugInfo: '', message: '' }],
            }))),
      ],
    },
  }
}
