/** tables.* of the REST API: tables and views. */
import type { Column } from '@convergence/contracts'
import type { StoredTable, StoredView } from '../catalog.ts'
import type { Described } from '../work.ts'
import { datasetOf, locationOf } from './datasets.ts'
import { partitioningOf } from './partitioning.ts'
import { assertMatch, etagOf, pageOf } from './request.ts'
import type { Answer, FrontContext, RestRequest } from './request.ts'
import { changedColumns } from './table-columns.ts'
import { patchedTexts, textsOf } from './texts.ts'
import {
  RestFault,
  assertKnown,
  columnsOf,
  flagAt,
  invalid,
  listAt,
  notFound,
  objectAt,
  saidByServer,
  schemaOf,
  tableName,
  textAt,
  unsupported,
  wholeAt,
} from './wire.ts'
import type { Json } from './wire.ts'

const head = (context: FrontContext, dataset: string, name: string, spec: StoredTable | StoredView) => ({
  id: `${context.engine.project_id}:${dataset}.${name}`,
  tableReference: { projectId: context.engine.project_id, datasetId: dataset, tableId: name },
  ...(spec.friendly_name === undefined ? {} : { friendlyName: spec.friendly_name }),
  ...(spec.labels === undefined ? {} : { labels: spec.labels }),
  creationTime: String(spec.created_ms ?? 0),
})
const partitionExpiry = ({ partition_expiration_ms: ms }: StoredTable) =>
  ms === undefined ? {} : { expirationMs: String(ms) }
const shapeOf = (spec: StoredTable) => ({
  ...(spec.time_partitioning === undefined
    ? {}
    : { timePartitioning: { ...spec.time_partitioning, ...partitionExpiry(spec) } }),
  ...(spec.require_partition_filter === true ? { requirePartitionFilter: true } : {}),
  ...(spec.clustering_fields === undefined ? {} : { clustering: { fields: spec.clustering_fields } }),
  ...(spec.expires_ms === undefined ? {} : { expirationTime: String(spec.expires_ms) }),
})
const tableResource = (context: FrontContext, dataset: string, name: string, found: Described) => {
  const spec = found.kind === 'table' ? found.table : found.view
  return {
    kind: 'bigquery#table',
    etag: etagOf(spec),
    ...head(context, dataset, name, spec),
    selfLink: `${context.self()}/projects/${context.engine.project_id}/datasets/${dataset}/tables/${name}`,
    ...(spec.description === undefined ? {} : { description: spec.description }),
    schema: schemaOf(found.kind === 'table' ? found.table.columns : found.columns),
    lastModifiedTime: String(spec.modified_ms ?? 0),
    location: locationOf(context, dataset),
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
/** Throws notFound. */
export const described = async (context: FrontContext, dataset: string, name: string): Promise<Described> => {
  datasetOf(context, dataset)
  const found = await context.engine.describe(dataset, name.split('$')[0] ?? name)
  if (found === undefined) throw notFound(`Table ${context.engine.project_id}:${dataset}.${name}`)
  return found
}
const viewOf = (body: Json): string | undefined => {
  const view = objectAt(body, 'view')
  if (view === undefined) return undefined
  assertKnown(view, 'view', ['query', 'useLegacySql'])
  if (flagAt(view, 'useLegacySql') !== false) throw unsupported('A view in legacy SQL (view.useLegacySql is not false)')
  const query = textAt(view, 'query')
  if (query === undefined || query.trim() === '')
    throw new RestFault(400, 'required', 'Required parameter is missing: view.query')
  return query
}
const fieldsOf = (body: Json): Column[] | undefined => {
  const schema = objectAt(body, 'schema')
  return schema === undefined ? undefined : columnsOf(listAt(schema, 'fields') ?? [])
}
const expiryOf = (context: FrontContext, body: Json): { expires_ms?: number } => {
  const at = wholeAt(body, 'expirationTime')
  if (at !== undefined && at <= context.now().getTime()) throw invalid('expirationTime: must be in the future')
  return at === undefined ? {} : { expires_ms: at }
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

export const listTables = async (context: FrontContext, dataset: string, { query }: RestRequest): Promise<Answer> => {
  const all = await context.engine.things(dataset)
  const { items, nextPageToken } = pageOf(all, query)
  return {
    body: {
      kind: 'bigquery#tableList',
      etag: etagOf(all.map(({ name }) => name)),
      totalItems: all.length,
      ...(nextPageToken === undefined ? {} : { nextPageToken }),
      tables: items.map((thing) => ({
        kind: 'bigquery#table',
        ...head(context, dataset, thing.name, thing.kind === 'table' ? thing.table : thing.view),
        ...(thing.kind === 'table'
          ? { type: 'TABLE', ...shapeOf(thing.table) }
          : { type: 'VIEW', view: { useLegacySql: false } }),
      })),
    },
  }
}

export const createTable = async (context: FrontContext, dataset: string, { body }: RestRequest): Promise<Answer> => {
  datasetOf(context, dataset)
  assertKnown(body, 'table', tableKnown)
  const name = tableName(textAt(objectAt(body, 'tableReference') ?? {}, 'tableId') ?? '')
  const view = viewOf(body)
  if (view !== undefined) {
    if (wholeAt(body, 'expirationTime') !== undefined) throw unsupported('A view with expirationTime')
    await context.engine.createView(dataset, name, { query: view, ...textsOf(body) })
  } else {
    const columns = fieldsOf(body) ?? []
    if (columns.length === 0) throw unsupported('A table without a schema')
    await context.engine.createTable(dataset, name, {
      columns,
      ...textsOf(body),
      ...partitioningOf(body, columns),
      ...expiryOf(context, body),
    })
  }
  return { body: tableResource(context, dataset, name, await described(context, dataset, name)) }
}

export const getTable = async (context: FrontContext, dataset: string, name: string): Promise<Answer> => ({
  body: tableResource(context, dataset, name.split('$')[0] ?? name, await described(context, dataset, name)),
})

export const changeTable = async (
  context: FrontContext,
  dataset: string,
  name: string,
  { body, headers }: RestRequest,
  replace: boolean,
): Promise<Answer> => {
  const found = await described(context, dataset, name)
  assertKnown(body, 'table', tableKnown)
  if (found.kind === 'view') {
    const query = viewOf(body)
    await context.engine.changeView(dataset, name, (spec) => {
      assertMatch(headers, spec)
      return { ...patchedTexts(spec, body, replace), ...(query === undefined ? {} : { query }) }
    })
  } else {
    if (viewOf(body) !== undefined) throw invalid(`Cannot change ${dataset}.${name} from TABLE to VIEW`)
    const wanted = fieldsOf(body)
    await context.engine.changeTable(dataset, name, (spec) => {
      assertMatch(headers, spec)
      const columns =
        wanted === undefined
          ? spec.columns
          : changedColumns(`${context.engine.project_id}:${dataset}.${name}`, spec.columns, wanted)
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
        ...('timePartitioning' in body ? { partition_expiration_ms: shape.partition_expiration_ms } : {}),
        ...('clustering' in body ? { clustering_fields: shape.clustering_fields ?? [] } : {}),
      }
      if ('expirationTime' in body) delete made.expires_ms
      return { ...made, ...expiryOf(context, body) }
    })
  }
  return { body: tableResource(context, dataset, name, await described(context, dataset, name)) }
}

export const deleteTable = async (context: FrontContext, dataset: string, name: string): Promise<Answer> => {
  datasetOf(context, dataset)
  if (name.includes('$')) throw unsupported('Deleting one partition of a table')
  await context.engine.deleteThing(dataset, name)
  return { status: 204 }
}

export const rowAccessPolicies = async (context: FrontContext, dataset: string, name: string): Promise<Answer> => {
  await described(context, dataset, name)
  return { body: {} }
}
