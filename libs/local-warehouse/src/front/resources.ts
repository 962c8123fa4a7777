/** Datasets, tables, views, their rows: BigQuery's REST resources over the engine. */
import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { isWhole, plainText } from '../values.ts'
import type { Column, TimePartitioning } from '@convergence/contracts'
import type { StoredDataset, StoredTable, StoredView } from '../catalog.ts'
import type { Described, Engine } from '../work.ts'
import {
  RestFault,
  assertKnown,
  columnsOf,
  datasetName,
  flagAt,
  formatRows,
  instantOf,
  invalid,
  isEpoch,
  isJson,
  isSaid,
  labelsAt,
  listAt,
  notFound,
  objectAt,
  saidByServer,
  schemaOf,
  tableName,
  textAt,
  textsAt,
  timestampFormat,
  unsupported,
  wholeAt,
} from './wire.ts'
import type { Json } from './wire.ts'

/** What a request asks for. */
export interface Asked {
  query: URLSearchParams
  body: Json
  headers: Readonly<Record<string, string | string[] | undefined>>
}
export interface Answer {
  status?: number
  body?: unknown
  headers?: Record<string, string>
}

const defaultLocation = 'EU'
const etagOf = (spec: unknown): string =>
  createHash('sha256').update(JSON.stringify(spec)).digest('base64url').slice(0, 22)
const timeText = (ms: number | undefined): string => String(ms ?? 0)

/** A page of a list, and the token of the next one. */
export const pageOf = <T>(
  all: readonly T[],
  query: URLSearchParams,
  most = 1_000,
): { items: readonly T[]; nextPageToken?: string } => {
  const { offset, limit } = pageAsked(query, most)
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
const pageAsked = (query: URLSearchParams, most: number): { offset: number; limit: number } => {
  const asked = maxResultsOf({ maxResults: query.get('maxResults') })
  return {
    offset: offsetOf(query.get('pageToken')),
    limit: Math.min(asked === undefined ? most : asked === 0 ? most : asked, most),
  }
}

// ---- descriptions

const partitioningKinds = ['DAY', 'HOUR', 'MONTH', 'YEAR'] as const
export const partitioningOf = (
  body: Json,
  columns: readonly Column[] | undefined,
): { time_partitioning?: TimePartitioning; clustering_fields?: string[] } => {
  const time = objectAt(body, 'timePartitioning')
  const clustering = objectAt(body, 'clustering')
  const named = (field: string): Column => {
    const found = columns?.find((column) => column.name.toLowerCase() === field.toLowerCase())
    if (found === undefined)
      throw invalid(`The field specified for partitioning or clustering cannot be found in the schema: ${field}`)
    return found
  }
  const made: { time_partitioning?: TimePartitioning; clustering_fields?: string[] } = {}
  if (time !== undefined) {
    assertKnown(time, 'timePartitioning', ['type', 'field'])
    const type = partitioningKinds.find((kind) => kind === (textAt(time, 'type') ?? 'DAY').toUpperCase())
    if (type === undefined)
      throw invalid(
        `timePartitioning.type: expected one of ${partitioningKinds.join(', ')}, got ${textAt(time, 'type') ?? ''}`,
      )
    const field = textAt(time, 'field')
    if (field === undefined)
      throw unsupported('A table that is partitioned by the time of ingestion (timePartitioning without field)')
    if (columns !== undefined && !['DATE', 'TIMESTAMP', 'DATETIME'].includes(named(field).type))
      throw invalid(`timePartitioning.field: ${field} is ${named(field).type}; expected DATE, TIMESTAMP or DATETIME`)
    made.time_partitioning = { type, field }
  }
  if (clustering !== undefined) {
    assertKnown(clustering, 'clustering', ['fields'])
    const fields = textsAt(clustering, 'fields') ?? []
    if (fields.length > 4) throw invalid('clustering.fields: at most four columns')
    if (columns !== undefined) for (const field of fields) named(field)
    if (fields.length > 0) made.clustering_fields = fields
  }
  return made
}
const textsOf = (body: Json) => {
  const [description, friendly_name, labels] = [
    textAt(body, 'description'),
    textAt(body, 'friendlyName'),
    labelsAt(body),
  ]
  return {
    ...(description === undefined ? {} : { description }),
    ...(friendly_name === undefined ? {} : { friendly_name }),
    ...(labels === undefined ? {} : { labels }),
  }
}
/** PATCH: what is named is changed, null removes; of labels each by itself. */
const patchedTexts = <T extends { description?: string; friendly_name?: string; labels?: Record<string, string> }>(
  spec: T,
  body: Json,
  replace: boolean,
): T => {
  const made = { ...spec }
  if (replace || 'description' in body) {
    delete made.description
    const text = textAt(body, 'description')
    if (text !== undefined) made.description = text
  }
  if (replace || 'friendlyName' in body) {
    delete made.friendly_name
    const text = textAt(body, 'friendlyName')
    if (text !== undefined) made.friendly_name = text
  }
  if (replace || 'labels' in body) {
    const given = objectAt(body, 'labels')
    const known = replace || given === undefined ? {} : (spec.labels ?? {})
    made.labels = Object.fromEntries([
      ...Object.entries(known).filter(([key]) => given === undefined || !(key in given)),
      ...Object.entries(given ?? {}).flatMap(([key, value]) => (value === null ? [] : [[key, String(value)] as const])),
    ])
  }
  return made
}
const assertMatch = (headers: Asked['headers'], spec: unknown): void => {
  const wanted = headers['if-match']
  if (typeof wanted === 'string' && wanted !== '*' && wanted.replaceAll('"', '') !== etagOf(spec))
    throw new RestFault(412, 'conditionNotMet', 'Precondition check failed.')
}

export const openResources = (engine: Engine, self: () => string, now: () => Date) => {
  const { project_id } = engine
  const datasetOf = (name: string): StoredDataset => {
    const found = engine.datasets().find(({ dataset }) => dataset === name)
    if (found === undefined) throw notFound(`Dataset ${project_id}:${name}`)
    return found.spec
  }
  const locationOf = (name: string): string =>
    engine.datasets().find(({ dataset }) => dataset === name)?.spec.location ?? defaultLocation
  const access = [{ role: 'OWNER', specialGroup: 'projectOwners' }]
  /** Clients send back the whole of what they got: what is not kept may be said as it is, and no other way. */
  const assertDataset = (body: Json, location: string | undefined): void => {
    assertKnown(body, 'dataset', [
      'datasetReference',
      'description',
      'friendlyName',
      'labels',
      'location',
      'access',
      ...saidByServer,
    ])
    if (body['access'] !== undefined && body['access'] !== null && !isDeepStrictEqual(body['access'], access))
      throw unsupported('dataset.access other than its OWNER projectOwners')
    const wanted = textAt(body, 'location')
    if (location !== undefined && wanted !== undefined && wanted.toLowerCase() !== location.toLowerCase())
      throw invalid(`dataset.location: expected ${location}, which cannot be changed, got ${wanted}`)
  }
  const datasetResource = (dataset: string, spec: StoredDataset) => ({
    kind: 'bigquery#dataset',
    etag: etagOf(spec),
    id: `${project_id}:${dataset}`,
    selfLink: `${self()}/projects/${project_id}/datasets/${dataset}`,
    datasetReference: { datasetId: dataset, projectId: project_id },
    ...(spec.friendly_name === undefined ? {} : { friendlyName: spec.friendly_name }),
    ...(spec.description === undefined ? {} : { description: spec.description }),
    labels: spec.labels,
    location: spec.location ?? defaultLocation,
    creationTime: timeText(spec.created_ms),
    lastModifiedTime: timeText(spec.modified_ms),
    type: 'DEFAULT',
    access,
  })
  const head = (dataset: string, name: string, spec: StoredTable | StoredView) => ({
    id: `${project_id}:${dataset}.${name}`,
    tableReference: { projectId: project_id, datasetId: dataset, tableId: name },
    ...(spec.friendly_name === undefined ? {} : { friendlyName: spec.friendly_name }),
    ...(spec.labels === undefined ? {} : { labels: spec.labels }),
    creationTime: timeText(spec.created_ms),
  })
  const shapeOf = (spec: StoredTable) => ({
    ...(spec.time_partitioning === undefined ? {} : { timePartitioning: spec.time_partitioning }),
    ...(spec.clustering_fields === undefined ? {} : { clustering: { fields: spec.clustering_fields } }),
    ...(spec.expires_ms === undefined ? {} : { expirationTime: String(spec.expires_ms) }),
  })
  const tableResource = (dataset: string, name: string, found: Described) => {
    const spec = found.kind === 'table' ? found.table : found.view
    return {
      kind: 'bigquery#table',
      etag: etagOf(spec),
      ...head(dataset, name, spec),
      selfLink: `${self()}/projects/${project_id}/datasets/${dataset}/tables/${name}`,
      ...(spec.description === undefined ? {} : { description: spec.description }),
      schema: schemaOf(found.kind === 'table' ? found.table.columns : found.columns),
      lastModifiedTime: timeText(spec.modified_ms),
      location: locationOf(dataset),
      ...(found.kind === 'table'
        ? {
            type: 'TABLE',
            numRows: String(found.rows),
            numBytes: String(found.bytes),
            numLongTermBytes: '0',
            ...shapeOf(found.table),
          }
        : { type: 'VIEW', view: { query: found.view.query, useLegacySql: false }, numRows: '0', numBytes: '0' }),
    }
  }
  const described = async (dataset: string, name: string): Promise<Described> => {
    datasetOf(dataset)
    const found = await engine.describe(dataset, name.split('$')[0] ?? name)
    if (found === undefined) throw notFound(`Table ${project_id}:${dataset}.${name}`)
    return found
  }
  const viewOf = (body: Json): string | undefined => {
    const view = objectAt(body, 'view')
    if (view === undefined) return undefined
    assertKnown(view, 'view', ['query', 'useLegacySql'])
    if (flagAt(view, 'useLegacySql') !== false)
      throw unsupported('A view in legacy SQL (view.useLegacySql is not false)')
    const query = textAt(view, 'query')
    if (query === undefined || query.trim() === '')
      throw new RestFault(400, 'required', 'Required parameter is missing: view.query')
    return query
  }
  const fieldsOf = (body: Json): Column[] | undefined => {
    const schema = objectAt(body, 'schema')
    return schema === undefined ? undefined : columnsOf(listAt(schema, 'fields') ?? [])
  }
  const expiryOf = (body: Json): { expires_ms?: number } => {
    const at = wholeAt(body, 'expirationTime')
    if (at !== undefined && at <= now().getTime()) throw invalid('expirationTime: must be in the future')
    return at === undefined ? {} : { expires_ms: at }
  }
  const sameShape = (one: Column, other: Column): boolean =>
    one.name.toLowerCase() === other.name.toLowerCase() &&
    one.type === other.type &&
    (one.mode === 'REPEATED') === (other.mode === 'REPEATED') &&
    (one.fields ?? []).length === (other.fields ?? []).length &&
    (one.fields ?? []).every((field, k) => other.fields?.[k] !== undefined && sameShape(field, other.fields[k]))
  /** The column as it is wanted, of the same shape: its mode may be loosened, that of its fields too. */
  const loosened = (table: string, { mode, ...column }: Column, same: Column, path = ''): Column => {
    const own = `${path}${column.name}`
    if (same.mode === 'REQUIRED' && mode !== 'REQUIRED')
      throw invalid(
        `Provided Schema does not match Table ${table}. Field ${own} has changed mode from NULLABLE to REQUIRED`,
      )
    return {
      ...column,
      ...(same.mode === undefined ? {} : { mode: same.mode }),
      ...(same.description === undefined ? {} : { description: same.description }),
      ...(column.fields === undefined
        ? {}
        : { fields: column.fields.map((field, k) => loosened(table, field, same.fields?.[k] ?? field, `${own}.`)) }),
    }
  }
  /** Columns may be added at the end, loosened, described; anything else is refused as BigQuery refuses it. */
  const changedColumns = (table: string, known: readonly Column[], wanted: readonly Column[]): Column[] => {
    const found = (column: Column) => wanted.find((one) => one.name.toLowerCase() === column.name.toLowerCase())
    for (const column of known) {
      const same = found(column)
      if (same === undefined)
        throw invalid(`Provided Schema does not match Table ${table}. Field ${column.name} is missing in new schema`)
      if (!sameShape(column, same)) {
        if (column.type === 'STRUCT' && same.type === 'STRUCT')
          throw unsupported(`Changing the fields of the RECORD ${column.name}`)
        throw invalid(
          `Provided Schema does not match Table ${table}. Field ${column.name} has changed type from ${column.type} to ${same.type}`,
        )
      }
    }
    const added = wanted.filter((column) => !known.some((one) => one.name.toLowerCase() === column.name.toLowerCase()))
    const required = added.find((column) => column.mode === 'REQUIRED')
    if (required !== undefined)
      throw invalid(
        `Provided Schema does not match Table ${table}. Cannot add required fields to an existing schema. (field: ${required.name})`,
      )
    return [...known.map((column) => loosened(table, column, found(column) ?? column)), ...added]
  }
  const tableKnown = [
    'tableReference',
    'schema',
    'timePartitioning',
    'clustering',
    'view',
    'description',
    'friendlyName',
    'labels',
    'expirationTime',
    'location',
    ...saidByServer,
  ]

  return {
    locationOf,
    listDatasets: ({ query }: Asked): Answer => {
      if ((query.get('filter') ?? '') !== '') throw unsupported('datasets.list with a filter')
      const { items, nextPageToken } = pageOf(
        [...engine.datasets()].sort((one, other) => (one.dataset < other.dataset ? -1 : 1)),
        query,
      )
      return {
        body: {
          kind: 'bigquery#datasetList',
          etag: etagOf(items),
          ...(nextPageToken === undefined ? {} : { nextPageToken }),
          datasets: items.map(({ dataset, spec }) => ({
            kind: 'bigquery#dataset',
            id: `${project_id}:${dataset}`,
            datasetReference: { datasetId: dataset, projectId: project_id },
            labels: spec.labels,
            ...(spec.friendly_name === undefined ? {} : { friendlyName: spec.friendly_name }),
            location: spec.location ?? defaultLocation,
          })),
        },
      }
    },
    createDataset: async ({ body }: Asked): Promise<Answer> => {
      assertDataset(body, undefined)
      const dataset = datasetName(textAt(objectAt(body, 'datasetReference') ?? {}, 'datasetId') ?? '')
      const location = textAt(body, 'location')
      await engine.createDataset(dataset, {
        labels: {},
        ...textsOf(body),
        ...(location === undefined ? {} : { location }),
      })
      return { body: datasetResource(dataset, datasetOf(dataset)) }
    },
    getDataset: (dataset: string): Answer => ({ body: datasetResource(dataset, datasetOf(dataset)) }),
    changeDataset: async (dataset: string, { body, headers }: Asked, replace: boolean): Promise<Answer> => {
      datasetOf(dataset)
      assertDataset(body, locationOf(dataset))
      const made = await engine.changeDataset(dataset, (spec) => {
        assertMatch(headers, spec)
        return patchedTexts(spec, body, replace)
      })
      return { body: datasetResource(dataset, made) }
    },
    deleteDataset: async (dataset: string, { query }: Asked): Promise<Answer> => {
      await engine.deleteDataset(dataset, isSaid(query, 'deleteContents'))
      return { status: 204 }
    },

    listTables: async (dataset: string, { query }: Asked): Promise<Answer> => {
      const all = await engine.things(dataset)
      const { items, nextPageToken } = pageOf(all, query)
      return {
        body: {
          kind: 'bigquery#tableList',
          etag: etagOf(all.map(({ name }) => name)),
          totalItems: all.length,
          ...(nextPageToken === undefined ? {} : { nextPageToken }),
          tables: items.map((thing) => ({
            kind: 'bigquery#table',
            ...head(dataset, thing.name, thing.kind === 'table' ? thing.table : thing.view),
            ...(thing.kind === 'table'
              ? { type: 'TABLE', ...shapeOf(thing.table) }
              : { type: 'VIEW', view: { useLegacySql: false } }),
          })),
        },
      }
    },
    createTable: async (dataset: string, { body }: Asked): Promise<Answer> => {
      datasetOf(dataset)
      assertKnown(body, 'table', tableKnown)
      const name = tableName(textAt(objectAt(body, 'tableReference') ?? {}, 'tableId') ?? '')
      const view = viewOf(body)
      if (view !== undefined) {
        if (wholeAt(body, 'expirationTime') !== undefined) throw unsupported('A view with expirationTime')
        await engine.createView(dataset, name, { query: view, ...textsOf(body) })
      } else {
        const columns = fieldsOf(body) ?? []
        if (columns.length === 0) throw unsupported('A table without a schema')
        await engine.createTable(dataset, name, {
          columns,
          ...textsOf(body),
          ...partitioningOf(body, columns),
          ...expiryOf(body),
        })
      }
      return { body: tableResource(dataset, name, await described(dataset, name)) }
    },
    getTable: async (dataset: string, name: string): Promise<Answer> => ({
      body: tableResource(dataset, name.split('$')[0] ?? name, await described(dataset, name)),
    }),
    changeTable: async (dataset: string, name: string, { body, headers }: Asked, replace: boolean): Promise<Answer> => {
      const found = await described(dataset, name)
      assertKnown(body, 'table', tableKnown)
      if (found.kind === 'view') {
        const query = viewOf(body)
        await engine.changeView(dataset, name, (spec) => {
          assertMatch(headers, spec)
          return { ...patchedTexts(spec, body, replace), ...(query === undefined ? {} : { query }) }
        })
      } else {
        if (viewOf(body) !== undefined) throw invalid(`Cannot change ${dataset}.${name} from TABLE to VIEW`)
        const wanted = fieldsOf(body)
        await engine.changeTable(dataset, name, (spec) => {
          assertMatch(headers, spec)
          const columns =
            wanted === undefined
              ? spec.columns
              : changedColumns(`${project_id}:${dataset}.${name}`, spec.columns, wanted)
          const shape = partitioningOf(body, columns)
          if (
            shape.time_partitioning !== undefined &&
            JSON.stringify([shape.time_partitioning.type, shape.time_partitioning.field]) !==
              JSON.stringify([spec.time_partitioning?.type, spec.time_partitioning?.field])
          )
            throw invalid('Cannot change partitioning of a table')
          const made = {
            ...patchedTexts(spec, body, replace),
            columns,
            ...('clustering' in body ? { clustering_fields: shape.clustering_fields ?? [] } : {}),
          }
          if ('expirationTime' in body) delete made.expires_ms
          return { ...made, ...expiryOf(body) }
        })
      }
      return { body: tableResource(dataset, name, await described(dataset, name)) }
    },
    deleteTable: async (dataset: string, name: string): Promise<Answer> => {
      datasetOf(dataset)
      if (name.includes('$')) throw unsupported('Deleting one partition of a table')
      await engine.deleteThing(dataset, name)
      return { status: 204 }
    },

    rowAccessPolicies: async (dataset: string, name: string): Promise<Answer> => {
      await described(dataset, name)
      return { body: {} }
    },
    readTable: async (dataset: string, name: string, { query }: Asked): Promise<Answer> => {
      const found = await described(dataset, name)
      if (found.kind === 'view') throw invalid(`Cannot list a table of type VIEW.`)
      if (name.includes('$')) throw unsupported('Listing one partition of a table')
      const from = startOf(query)
      const limit = Math.min(maxResultsOf({ maxResults: query.get('maxResults') }) ?? 50_000, 50_000)
      const selected = query.get('selectedFields')
      const fields = selected === null || selected === '' ? undefined : selected.split(',')
      if (fields?.some((field) => field.includes('.')) === true)
        throw unsupported('selectedFields of a part of a RECORD')
      const { columns, rows, total } = await engine.read(dataset, name, {
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
    },
    insertAll: async (dataset: string, name: string, { body }: Asked, seen: Seen): Promise<Answer> => {
      assertKnown(body, 'insertAll', ['kind', 'rows', 'skipInvalidRows', 'ignoreUnknownValues', 'traceId'])
      const columns = engine.columns(dataset, name)
      if (columns === undefined) {
        await described(dataset, name)
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
        if ('fault' in made)
          faults.set(index, { reason: 'invalid', location: made.fault.at, message: made.fault.message })
        return { index, id: isJson(one) ? textAt(one, 'insertId') : undefined, row: 'row' in made ? made.row : {} }
      })
      const good = rows.filter(({ index }) => !faults.has(index))
      if (faults.size === 0 || skip) {
        // Of a table that was dropped and made again nothing was seen, however the drop came.
        const life = `${dataset}.${name}@${engine.madeAt(dataset, name) ?? 0}`
        const fresh = good.filter(
          ({ id }, k) =>
            id === undefined || (!seen.has(`${life}/${id}`) && good.findIndex((other) => other.id === id) === k),
        )
        await engine.insertRows(
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

interface RowFault {
  at: string
  message: string
}
/** One value of insertAll as the engine's rows have it; insertAll takes text for most, and JSON as its text. */
const valueOf = (
  column: Column,
  value: unknown,
  ignore: boolean,
  at: string,
): { value: unknown } | { fault: RowFault } => {
  const wrong = (message: string) => ({ fault: { at, message } })
  switch (column.type) {
    case 'STRUCT': {
      if (!isJson(value)) return wrong('This field: is a record.')
      const made = rowOf(column.fields ?? [], value, ignore, `${at}.`)
      return 'fault' in made ? made : { value: made.row }
    }
    case 'JSON':
      if (typeof value !== 'string') return wrong('Expected the text of a JSON value')
      try {
        return { value: JSON.parse(value) as unknown }
      } catch {
        return wrong('Invalid JSON')
      }
    case 'STRING':
      return typeof value === 'object' ? wrong('Cannot convert value to string (bad value)') : { value: String(value) }
    case 'BOOL':
      return value === true || /^(true|t)$/i.test(String(value))
        ? { value: true }
        : value === false || /^(false|f)$/i.test(String(value))
          ? { value: false }
          : wrong(`Cannot convert value to boolean (bad value): ${shown(value)}`)
    case 'INT64':
      return isWhole(value) ? { value } : wrong(`Cannot convert value to integer (bad value): ${shown(value)}`)
    default: {
      const isNumber = column.type === 'FLOAT64' || column.type === 'NUMERIC' || column.type === 'BIGNUMERIC'
      const text =
        column.type === 'TIMESTAMP' && isEpoch(value)
          ? instantOf(value)
          : typeof value === 'string' || (isNumber && typeof value === 'number')
            ? plainText(column.type, String(value))
            : undefined
      return text === undefined
        ? wrong(`Could not parse ${shown(value)} as ${column.type}. ${requiredForm[column.type] ?? ''}`.trimEnd())
        : { value: text }
    }
  }
}
const requiredForm: Readonly<Partial<Record<Column['type'], string>>> = {
  DATE: 'Required format is YYYY-MM-DD',
  TIME: 'Required format is HH:MM[:SS[.SSSSSS]]',
  DATETIME: 'Required format is YYYY-MM-DD HH:MM[:SS[.SSSSSS]]',
  TIMESTAMP: 'Required format is YYYY-MM-DD HH:MM[:SS[.SSSSSS]]',
  BYTES: 'Required format is base64',
  BIGNUMERIC: 'The local warehouse keeps 18 digits after the point',
}
const shown = (value: unknown): string =>
  typeof value === 'object' ? (Array.isArray(value) ? 'an array' : 'an object') : `'${String(value).slice(0, 40)}'`
const rowOf = (
  columns: readonly Column[],
  json: Json,
  ignore: boolean,
  path: string,
): { row: Record<string, unknown> } | { fault: RowFault } => {
  const row: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(json)) {
    const column = columns.find(({ name }) => name.toLowerCase() === key.toLowerCase())
    if (column === undefined) {
      if (ignore) continue
      return { fault: { at: `${path}${key}`, message: `no such field: ${path}${key}.` } }
    }
    if (value === null || value === undefined) continue
    if (column.mode === 'REPEATED') {
      if (!Array.isArray(value))
        return {
          fault: {
            at: `${path}${key}`,
            message: `Array specified for non-repeated field, or a value for the repeated field: ${path}${key}.`,
          },
        }
      const items: unknown[] = []
      for (const one of value as unknown[]) {
        const made =
          one === null
            ? { fault: { at: `${path}${key}`, message: 'Only optional fields can be set to NULL.' } }
            : valueOf(column, one, ignore, `${path}${key}`)
        if ('fault' in made) return made
        items.push(made.value)
      }
      row[column.name] = items
      continue
    }
    if (Array.isArray(value))
      return { fault: { at: `${path}${key}`, message: `Array specified for non-repeated field: ${path}${key}.` } }
    const made = valueOf(column, value, ignore, `${path}${key}`)
    if ('fault' in made) return made
    row[column.name] = made.value
  }
  const missing = columns.find(
    ({ name, mode }) => mode === 'REQUIRED' && (row[name] === undefined || row[name] === null),
  )
  if (missing !== undefined)
    return { fault: { at: `${path}${missing.name}`, message: `Missing required field: ${path}${missing.name}.` } }
  return { row }
}
