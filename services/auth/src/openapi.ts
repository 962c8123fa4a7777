/** The description of the API, made from the routes' own declarations; `npm run generate` writes schemas/openapi.yaml. */
import type { Field } from './fields.ts'
import { formOf, parametersOf, type Route } from './route.ts'

/** The path as OpenAPI writes it. */
export const templated = (path: string): string => path.replaceAll(/:([a-z_]+)/g, '{$1}')

export const openapi = (routes: readonly Route[]): Record<string, unknown> => {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of routes) {
    for (const [at, path] of [route.path, ...(route.aliases ?? [])].entries()) {
      ;(paths[templated(path)] ??= {})[route.method.toLowerCase()] = operation(route, path, at > 0)
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Convergence',
      version: '1.0.0',
      description:
        "Lands what Google Cloud, AWS and Azure say about cost in each tenant's own dataset. Errors are " +
        'application/problem+json with a code and a request_id.',
    },
    paths: Object.fromEntries(Object.entries(paths).sort(([a], [b]) => (a < b ? -1 : 1))),
    components: {
      securitySchemes: {
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
        adminKey: { type: 'apiKey', in: 'header', name: 'X-Admin-Key' },
      },
      schemas: {
        Problem: {
          type: 'object',
          required: ['type', 'title', 'status', 'code', 'detail', 'what_to_do', 'request_id'],
          properties: {
            type: { type: 'string' },
            title: { type: 'string' },
            status: { type: 'integer' },
            code: { type: 'string', description: 'A code of schemas/errors.json' },
            detail: { type: 'string', description: 'Where, what was expected, what came, what to do' },
            what_to_do: { type: 'string', description: 'what helps with errors of this code' },
            request_id: { type: 'string' },
            errors: { type: 'array', items: { type: 'string' }, description: 'All faults at once' },
          },
        },
      },
    },
  }
}

const operation = (route: Route, path: string, isAlias: boolean): Record<string, unknown> => {
  const parameters = [
    ...parametersOf(path).map((name) => ({
      name,
      in: 'path',
      required: true,
      schema: { type: 'string', pattern: formOf(route, name)?.source ?? '' },
    })),
    ...Object.entries(route.query ?? {}).map(([name, field]) => ({
      name,
      in: 'query',
      required: false,
      schema: field.repeats === true ? { type: 'array', items: schemaOf(field) } : schemaOf(field),
    })),
    ...(route.method === 'POST' && route.scope !== 'public'
      ? [{ name: 'Idempotency-Key', in: 'header', required: false, schema: { type: 'string', maxLength: 200 } }]
      : []),
  ]
  return {
    summary: isAlias ? `${route.summary} (former path)` : route.summary,
    ...security(route),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(route.body === undefined
      ? {}
      : {
          requestBody: {
            required: (route.body.required?.length ?? 0) > 0,
            content: { 'application/json': { schema: schemaOf(route.body) } },
          },
        }),
    responses: {
      ...Object.fromEntries(route.answers.map((status) => [String(status), { description: meaning(status) }])),
      default: {
        description: 'An error',
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    },
  }
}
const security = (route: Route): Record<string, unknown> => {
  if (route.scope === 'public') return { security: [] }
  if (route.scope === 'admin') return { security: [{ adminKey: [] }] }
  if (route.scope === 'admin or local') return { security: [{ adminKey: [] }, {}], description: 'Open in local mode' }
  const named = route.tenant === 'own' ? ', which names the tenant by ?tenant_id=' : ''
  return { security: [{ apiKey: [] }, { adminKey: [] }], description: `Scope ${route.scope}, or the admin key${named}` }
}
const meaning = (status: number): string =>
  ({ 200: 'Done', 201: 'Made', 202: 'Accepted, under way', 503: 'Not ready' })[status] ?? 'Answered'

/** JSON Schema 2020-12, as OpenAPI 3.1 has it. */
const schemaOf = (field: Field): Record<string, unknown> => {
  if (field.shown !== undefined) return { description: field.description, ...field.shown }
  const { nullable, properties, items, additionalProperties, repeats: _, ...rest } = field
  return {
    ...rest,
    ...(nullable === true ? { type: [field.type, 'null'] } : {}),
    ...(items === undefined ? {} : { items: schemaOf(items) }),
    ...(properties === undefined
      ? {}
      : { properties: Object.fromEntries(Object.entries(properties).map(([name, inner]) => [name, schemaOf(inner)])) }),
    ...(additionalProperties === undefined ? {} : { additionalProperties }),
  }
}
