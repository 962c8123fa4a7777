/** The routes of the REST API: a request's method and path, and the resource that answers it. */
import type { IncomingMessage } from 'node:http'
import { bytesOf, bytesOfJson, parsed, rawBody } from './body.ts'
import * as datasets from './datasets.ts'
import { discoveryDocument } from './discovery.ts'
import { resultsDataset } from './job-context.ts'
import type { JobsContext } from './job-context.ts'
import * as jobs from './jobs.ts'
import { runQuery } from './queries.ts'
import { getQueryResults, readResult, resultResource } from './query-results.ts'
import type { Answer, RestRequest } from './request.ts'
import * as tabledata from './tabledata.ts'
import type { Seen } from './tabledata.ts'
import * as tables from './tables.ts'
import { upload } from './uploads.ts'
import type { Sessions } from './uploads.ts'
import { invalid, notFound, unsupported } from './wire.ts'

/** What answers need beside what jobs share. */
export interface RoutesContext extends JobsContext {
  /** Where clients find this server. */
  origin(): string
  sessions: Sessions
  seen: Seen
}
/** What a handler is called with: the names in the path, in their order. */
interface Call {
  one: string
  two: string
  asked: RestRequest
  seen: Seen
}
const handlers: Readonly<Record<string, (context: JobsContext, call: Call) => Answer | Promise<Answer>>> = {
  'GET datasets': (context, { asked }) => datasets.listDatasets(context, asked),
  'POST datasets': (context, { asked }) => datasets.createDataset(context, asked),
  'GET datasets/x': (context, { one }) => datasets.getDataset(context, one),
  'PATCH datasets/x': (context, { one, asked }) => datasets.changeDataset(context, one, asked, false),
  'PUT datasets/x': (context, { one, asked }) => datasets.changeDataset(context, one, asked, true),
  'DELETE datasets/x': (context, { one, asked }) => datasets.deleteDataset(context, one, asked),
  'GET datasets/x/tables': (context, { one, asked }) => tables.listTables(context, one, asked),
  'POST datasets/x/tables': (context, { one, asked }) => tables.createTable(context, one, asked),
  'GET datasets/x/tables/x': (context, { one, two }) => tables.getTable(context, one, two),
  'PATCH datasets/x/tables/x': (context, { one, two, asked }) => tables.changeTable(context, one, two, asked, false),
  'PUT datasets/x/tables/x': (context, { one, two, asked }) => tables.changeTable(context, one, two, asked, true),
  'DELETE datasets/x/tables/x': (context, { one, two }) => tables.deleteTable(context, one, two),
  'GET datasets/x/tables/x/data': (context, { one, two, asked }) => tabledata.readTable(context, one, two, asked),
  'GET datasets/x/tables/x/rowAccessPolicies': (context, { one, two }) => tables.rowAccessPolicies(context, one, two),
  'POST datasets/x/tables/x/insertAll': (context, { one, two, asked, seen }) =>
    tabledata.insertAll(context, one, two, asked, seen),
  'GET datasets/x/models': () => ({ body: {} }),
  'GET datasets/x/routines': () => ({ body: {} }),
  'POST queries': (context, { asked }) => runQuery(context, asked),
  'GET queries/x': (context, { one, asked }) => getQueryResults(context, one, asked),
  'GET jobs': (context, { asked }) => jobs.listJobs(context, asked),
  'POST jobs': (context, { asked }) => jobs.insertJob(context, asked.body),
  'GET jobs/x': (context, { one }) => jobs.getJob(context, one),
  'POST jobs/x/cancel': (context, { one }) => jobs.cancelJob(context, one),
}

const methodOf = ({ headers, method }: IncomingMessage): string => {
  const override = headers['x-http-method-override']
  return (typeof override === 'string' ? override : (method ?? 'GET')).toUpperCase()
}
/** The parts of the path, and whether it is one of an upload. */
const pathOf = (url: URL): { segments: string[]; is_upload: boolean } => {
  const path = url.pathname.replace(/^(\/resumable)?\/upload(?=\/)/, '').replace(/^\/bigquery\/v2(?=\/|$)/, '')
  try {
    return {
      segments: path
        .split('/')
        .filter((segment) => segment !== '')
        .map(decodeURIComponent),
      is_upload: /^(\/resumable)?\/upload\//.test(url.pathname),
    }
  } catch {
    throw invalid('the path is not well formed')
  }
}
const projectList = (project_id: string): Answer => ({
  body: {
    kind: 'bigquery#projectList',
    totalItems: 1,
    projects: [
      {
        kind: 'bigquery#project',
        id: project_id,
        numericId: '1',
        projectReference: { projectId: project_id },
        friendlyName: project_id,
      },
    ],
  },
})

/** Throws what is wrong with the request. */
export const answer = async (context: RoutesContext, request: IncomingMessage): Promise<Answer> => {
  const { project_id } = context.engine
  const method = methodOf(request)
  const url = new URL(request.url ?? '/', 'http://localhost')
  const { segments, is_upload } = pathOf(url)
  const [projects, project, kind, name, under, table, more] = segments
  if (/^(\$discovery\/rest|discovery\/v1\/apis\/bigquery\/v2\/rest)$/.test(segments.join('/')))
    return { body: discoveryDocument(context.origin()) }
  if (projects !== 'projects') throw notFound(`URL ${url.pathname}`)
  if (project === undefined) return projectList(project_id)
  if (project !== project_id) throw notFound(`Project ${project}; the local warehouse has one, ${project_id}`)
  if (is_upload) {
    if (kind !== 'jobs' || name !== undefined || (method !== 'POST' && method !== 'PUT'))
      throw unsupported(`${method} ${url.pathname}`)
    return upload(context, context.sessions, context.origin(), request, url.searchParams)
  }
  const asked: RestRequest = {
    query: url.searchParams,
    body:
      method === 'GET' || method === 'DELETE' ? {} : parsed((await bytesOf(rawBody(request), bytesOfJson)).toString()),
    headers: request.headers,
  }
  const [one, two] = [name ?? '', table ?? '']
  if (kind === 'datasets' && one === resultsDataset && method === 'GET') {
    const result = context.results.get(two.replace(/^anon_/, ''))
    if (result !== undefined && more === 'data') return readResult(result, asked)
    if (result !== undefined && more === undefined) return resultResource(context, two, result)
  }
  const parts = [kind ?? '', name === undefined ? undefined : 'x', under, table === undefined ? undefined : 'x', more]
  const route = `${method} ${parts.filter((part) => part !== undefined).join('/')}`
  const handler = Object.hasOwn(handlers, route) ? handlers[route] : undefined
  if (handler === undefined) throw unsupported(`${method} ${url.pathname}`)
  return handler(context, { one, two, asked, seen: context.seen })
}
