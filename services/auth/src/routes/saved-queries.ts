import { savedQueries, savedQuery } from '@convergence/pipeline/saved-queries'
import type { RouteContext } from '../context.ts'
import { text } from '../fields.ts'
import type { Route } from '../route.ts'
import { savedAnswerOf, savedCsvOf, savedQuestionOf } from '../saved-queries.ts'

/** Questions about costs that come with the platform. Which they are is the same for every tenant. */
export const savedQueryRoutes = ({ deps }: RouteContext): Route[] => {
  const queries = savedQueries()
  return [
    {
      method: 'GET',
      path: '/api/v1/tenants/:tenant_id/focus/queries',
      summary: 'The saved queries of FOCUS: what each asks, its parameters with types and defaults, its SQL',
      scope: 'costs:read',
      tenant: 'tenant_id',
      rate: 'read',
      answers: [200],
      handle: () => ({ status: 200, body: { items: queries } }),
    },
    {
      method: 'GET',
      path: '/api/v1/tenants/:tenant_id/focus/queries/:name',
      summary: 'What a saved query answers about a tenant: exact amounts by currency; CSV by Accept',
      scope: 'costs:read',
      tenant: 'tenant_id',
      rate: 'read',
      query: {
        from: text('First day, of UTC; without from and to the last whole month', {
          maxLength: 40,
          shown: { type: 'string', format: 'date' },
        }),
        to: text('Day behind the last one', { maxLength: 40, shown: { type: 'string', format: 'date' } }),
        param: text('A parameter of the query as NAME=VALUE; may be sent several times', {
          maxLength: 400,
          pattern: '^[^\\p{Cc}]*$',
          repeats: true,
        }),
        limit: text('Rows of the answer, 1 to 10000; default 1000; `truncated` says whether there are more', {
          maxLength: 40,
          shown: { type: 'string', default: '1000' },
        }),
      },
      answers: [200],
      handle: async ({ principal, params, query, accept }) => {
        const saved = savedQuery(queries, params['name'] ?? '')
        const question = savedQuestionOf(principal.tenant_id, saved, query, deps.now())
        const answer = await savedAnswerOf(deps.warehouse, question)
        if (/\btext\/csv\b/i.test(accept))
          return {
            status: 200,
            text: { type: 'text/csv; charset=utf-8', content: savedCsvOf(answer) },
            headers: { 'X-Truncated': String(answer.truncated) },
          }
        return { status: 200, body: answer }
      },
    },
  ]
}
