/**
 * The discovery document that `bq` asks for before anything else: the methods of this front, in the form of Google's
 * API discovery service (developers.google.com/discovery/v1/reference/apis). Bodies are not described: clients send and
 * read them as they are.
 */
type Kind = 'string' | 'integer' | 'boolean'
/** Where a method takes no more than the parts of its path, there is nothing after its path. */
const methods: readonly (readonly [
  name: string,
  httpMethod: string,
  path: string,
  query?: Readonly<Record<string, Kind>>,
])[] = [
  ['projects.list', 'GET', 'projects', { maxResults: 'integer', pageToken: 'string' }],
  [
    'datasets.list',
    'GET',
    'projects/{+projectId}/datasets',
    { all: 'boolean', filter: 'string', maxResults: 'integer', pageToken: 'string' },
  ],
  ['datasets.insert', 'POST', 'projects/{+projectId}/datasets', { accessPolicyVersion: 'integer' }],
  [
    'datasets.get',
    'GET',
    'projects/{+projectId}/datasets/{+datasetId}',
    { accessPolicyVersion: 'integer', datasetView: 'string' },
  ],
  [
    'datasets.patch',
    'PATCH',
    'projects/{+projectId}/datasets/{+datasetId}',
    { accessPolicyVersion: 'integer', updateMode: 'string' },
  ],
  [
    'datasets.update',
    'PUT',
    'projects/{+projectId}/datasets/{+datasetId}',
    { accessPolicyVersion: 'integer', updateMode: 'string' },
  ],
  ['datasets.delete', 'DELETE', 'projects/{+projectId}/datasets/{+datasetId}', { deleteContents: 'boolean' }],
  [
    'tables.list',
    'GET',
    'projects/{+projectId}/datasets/{+datasetId}/tables',
    { maxResults: 'integer', pageToken: 'string' },
  ],
  ['tables.insert', 'POST', 'projects/{+projectId}/datasets/{+datasetId}/tables'],
  [
    'tables.get',
    'GET',
    'projects/{+projectId}/datasets/{+datasetId}/tables/{+tableId}',
    { selectedFields: 'string', view: 'string' },
  ],
  [
    'tables.patch',
    'PATCH',
    'projects/{+projectId}/datasets/{+datasetId}/tables/{+tableId}',
    { autodetect_schema: 'boolean' },
  ],
  [
    'tables.update',
    'PUT',
    'projects/{+projectId}/datasets/{+datasetId}/tables/{+tableId}',
    { autodetect_schema: 'boolean' },
  ],
  ['tables.delete', 'DELETE', 'projects/{+projectId}/datasets/{+datasetId}/tables/{+tableId}'],
  [
    'tabledata.list',
    'GET',
    'projects/{+projectId}/datasets/{+datasetId}/tables/{+tableId}/data',
    {
      'formatOptions.useInt64Timestamp': 'boolean',
      'formatOptions.timestampOutputFormat': 'string',
      maxResults: 'integer',
      pageToken: 'string',
      selectedFields: 'string',
      startIndex: 'string',
    },
  ],
  ['tabledata.insertAll', 'POST', 'projects/{+projectId}/datasets/{+datasetId}/tables/{+tableId}/insertAll'],
  [
    'rowAccessPolicies.list',
    'GET',
    'projects/{+projectId}/datasets/{+datasetId}/tables/{+tableId}/rowAccessPolicies',
    { pageSize: 'integer', pageToken: 'string' },
  ],
  [
    'models.list',
    'GET',
    'projects/{+projectId}/datasets/{+datasetId}/models',
    { maxResults: 'integer', pageToken: 'string' },
  ],
  [
    'routines.list',
    'GET',
    'projects/{+projectId}/datasets/{+datasetId}/routines',
    { filter: 'string', maxResults: 'integer', pageToken: 'string', readMask: 'string' },
  ],
  [
    'jobs.list',
    'GET',
    'projects/{+projectId}/jobs',
    {
      allUsers: 'boolean',
      maxCreationTime: 'string',
      maxResults: 'integer',
      minCreationTime: 'string',
      pageToken: 'string',
      parentJobId: 'string',
      projection: 'string',
      stateFilter: 'string',
    },
  ],
  ['jobs.insert', 'POST', 'projects/{+projectId}/jobs'],
  ['jobs.get', 'GET', 'projects/{+projectId}/jobs/{+jobId}', { location: 'string' }],
  ['jobs.cancel', 'POST', 'projects/{+projectId}/jobs/{+jobId}/cancel', { location: 'string' }],
  ['jobs.query', 'POST', 'projects/{+projectId}/queries'],
  [
    'jobs.getQueryResults',
    'GET',
    'projects/{+projectId}/queries/{+jobId}',
    {
      'formatOptions.useInt64Timestamp': 'boolean',
      'formatOptions.timestampOutputFormat': 'string',
      location: 'string',
      maxResults: 'integer',
      pageToken: 'string',
      startIndex: 'string',
      timeoutMs: 'integer',
    },
  ],
]
const repeated = new Set(['stateFilter'])
const media = {
  accept: ['*/*'],
  protocols: {
    simple: { multipart: true, path: '/upload/bigquery/v2/projects/{+projectId}/jobs' },
    resumable: { multipart: true, path: '/resumable/upload/bigquery/v2/projects/{+projectId}/jobs' },
  },
}
const anything = { $ref: 'Anything' }

/** `origin` is that of this front, such as http://127.0.0.1:9050. */
export const discoveryDocument = (origin: string) => {
  const resources: Record<string, { methods: Record<string, object> }> = {}
  for (const [name, httpMethod, path, query = {}] of methods) {
    const [resource = '', method = ''] = name.split('.')
    const parts = [...path.matchAll(/\{\+(\w+)\}/g)].map(([, part = '']) => part)
    resources[resource] ??= { methods: {} }
    resources[resource].methods[method] = {
      id: `bigquery.${name}`,
      httpMethod,
      path,
      flatPath: path,
      parameterOrder: parts,
      response: anything,
      parameters: {
        ...Object.fromEntries(
          parts.map((part) => [part, { type: 'string', location: 'path', required: true, pattern: '^[^/]+$' }]),
        ),
        ...Object.fromEntries(
          Object.entries(query).map(([key, type]) => [
            key,
            { type, location: 'query', ...(repeated.has(key) ? { repeated: true } : {}) },
          ]),
        ),
      },
      ...(httpMethod === 'GET' || httpMethod === 'DELETE' || method === 'cancel' ? {} : { request: anything }),
      ...(name === 'jobs.insert' ? { supportsMediaUpload: true, mediaUpload: media } : {}),
    }
  }
  return {
    kind: 'discovery#restDescription',
    discoveryVersion: 'v1',
    id: 'bigquery:v2',
    name: 'bigquery',
    version: 'v2',
    revision: '20251119',
    title: 'BigQuery API',
    description: 'The local warehouse',
    protocol: 'rest',
    rootUrl: `${origin}/`,
    servicePath: 'bigquery/v2/',
    basePath: '/bigquery/v2/',
    baseUrl: `${origin}/bigquery/v2/`,
    batchPath: 'batch/bigquery/v2',
    parameters: Object.fromEntries(
      ['alt', 'fields', 'key', 'oauth_token', 'access_token', 'quotaUser', 'userIp', 'prettyPrint', 'trace'].map(
        (name) => [name, { type: name === 'prettyPrint' ? 'boolean' : 'string', location: 'query' }],
      ),
    ),
    schemas: { Anything: { id: 'Anything', type: 'object', additionalProperties: { type: 'any' } } },
    resources,
  }
}
