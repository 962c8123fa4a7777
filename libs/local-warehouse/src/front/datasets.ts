/** datasets.* of the REST API. */
import { isDeepStrictEqual } from 'node:util'
import type { StoredDataset } from '../catalog.ts'
import { assertMatch, etagOf, pageOf } from './request.ts'
import type { Answer, FrontContext, RestRequest } from './request.ts'
import { patchedTexts, textsOf } from './texts.ts'
import {
  assertKnown,
  datasetName,
  invalid,
  isSaid,
  notFound,
  objectAt,
  saidByServer,
  textAt,
  unsupported,
} from './wire.ts'
import type { Json } from './wire.ts'

const defaultLocation = 'EU'

/** Throws notFound. */
export const datasetOf = (context: FrontContext, name: string): StoredDataset => {
  const found = context.engine.datasets().find(({ dataset }) => dataset === name)
  if (found === undefined) throw notFound(`Dataset ${context.engine.project_id}:${name}`)
  return found.spec
}
export const locationOf = (context: FrontContext, name: string): string =>
  context.engine.datasets().find(({ dataset }) => dataset === name)?.spec.location ?? defaultLocation
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
const datasetResource = (context: FrontContext, dataset: string, spec: StoredDataset) => ({
  kind: 'bigquery#dataset',
  etag: etagOf(spec),
  id: `${context.engine.project_id}:${dataset}`,
  selfLink: `${context.self()}/projects/${context.engine.project_id}/datasets/${dataset}`,
  datasetReference: { datasetId: dataset, projectId: context.engine.project_id },
  ...(spec.friendly_name === undefined ? {} : { friendlyName: spec.friendly_name }),
  ...(spec.description === undefined ? {} : { description: spec.description }),
  labels: spec.labels,
  location: spec.location ?? defaultLocation,
  creationTime: String(spec.created_ms ?? 0),
  lastModifiedTime: String(spec.modified_ms ?? 0),
  type: 'DEFAULT',
  access,
})

export const listDatasets = (context: FrontContext, { query }: RestRequest): Answer => {
  if ((query.get('filter') ?? '') !== '') throw unsupported('datasets.list with a filter')
  const { items, nextPageToken } = pageOf(
    [...context.engine.datasets()].sort((one, other) => (one.dataset < other.dataset ? -1 : 1)),
    query,
  )
  return {
    body: {
      kind: 'bigquery#datasetList',
      etag: etagOf(items),
      ...(nextPageToken === undefined ? {} : { nextPageToken }),
      datasets: items.map(({ dataset, spec }) => ({
        kind: 'bigquery#dataset',
        id: `${context.engine.project_id}:${dataset}`,
        datasetReference: { datasetId: dataset, projectId: context.engine.project_id },
        labels: spec.labels,
        ...(spec.friendly_name === undefined ? {} : { friendlyName: spec.friendly_name }),
        location: spec.location ?? defaultLocation,
      })),
    },
  }
}

export const createDataset = async (context: FrontContext, { body }: RestRequest): Promise<Answer> => {
  assertDataset(body, undefined)
  const dataset = datasetName(textAt(objectAt(body, 'datasetReference') ?? {}, 'datasetId') ?? '')
  const location = textAt(body, 'location')
  await context.engine.createDataset(dataset, {
    labels: {},
    ...textsOf(body),
    ...(location === undefined ? {} : { location }),
  })
  return { body: datasetResource(context, dataset, datasetOf(context, dataset)) }
}

export const getDataset = (context: FrontContext, dataset: string): Answer => ({
  body: datasetResource(context, dataset, datasetOf(context, dataset)),
})

export const changeDataset = async (
  context: FrontContext,
  dataset: string,
  { body, headers }: RestRequest,
  replace: boolean,
): Promise<Answer> => {
  datasetOf(context, dataset)
  assertDataset(body, locationOf(context, dataset))
  const made = await context.engine.changeDataset(dataset, (spec) => {
    assertMatch(headers, spec)
    return patchedTexts(spec, body, replace)
  })
  return { body: datasetResource(context, dataset, made) }
}

export const deleteDataset = async (
  context: FrontContext,
  dataset: string,
  { query }: RestRequest,
): Promise<Answer> => {
  await context.engine.deleteDataset(dataset, isSaid(query, 'deleteContents'))
  return { status: 204 }
}
