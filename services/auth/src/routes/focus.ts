import { focusDatasets, focusFormats, focusVersions } from '@convergence/contracts/focus'
import type { RouteContext } from '../context.ts'
import { text, type Field } from '../fields.ts'
import { exportOf, exportQuestionOf } from '../focus-export.ts'
import type { Route } from '../route.ts'

/** Shown as it must be, checked by the route: whoever sends several faults hears of all. */
const shown = (description: string, schema: Readonly<Record<string, unknown>>): Field =>
  text(description, { maxLength: 40, shown: { type: 'string', ...schema } })
const types = { csv: 'text/csv; charset=utf-8', parquet: 'application/vnd.apache.parquet' }

/** What a tenant's clouds cost as files of FOCUS. */
export const focus = ({ deps }: RouteContext): Route[] => [
  {
    method: 'GET',
    path: '/api/v1/tenants/:tenant_id/focus/:dataset',
    summary:
      `A dataset of FOCUS as a file: ${focusDatasets.join(', ')}, in the columns of a version; ` +
      'X-Text-Amounts names the amounts that Parquet has as text, since no DECIMAL holds all their digits',
    scope: 'costs:read',
    tenant: 'tenant_id',
    rate: 'read',
    query: {
      from: shown('First day, of UTC', { format: 'date' }),
      to: shown('Day behind the last one', { format: 'date' }),
      version: shown('Of FOCUS; default 1.4', { enum: focusVersions }),
      format: shown('Of the file; default csv', { enum: focusFormats }),
    },
    answers: [200],
    handle: async ({ principal, params, query }) => {
      const question = exportQuestionOf(principal.tenant_id, params['dataset'] ?? '', query)
      const { dataset, version, format } = question
      const { text_amounts, parts } = await exportOf(deps.warehouse, question)
      return {
        status: 200,
        parts: { type: types[format], parts },
        headers: {
          'Content-Disposition': `attachment; filename="${dataset}.${format}"`,
          'X-Focus-Version': version,
          ...(text_amounts.length === 0 ? {} : { 'X-Text-Amounts': text_amounts.join(', ') }),
        },
      }
    },
  },
]
