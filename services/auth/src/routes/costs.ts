import { AppError } from '@convergence/contracts'
import { costDimensions } from '@convergence/pipeline/cost-dimensions'
import type { Row, Statement } from '@convergence/warehouse'
import type { RouteContext } from '../context.ts'
import { neededRates, ratesOf } from '../currency-rates.ts'
import {
  answerOf,
  csvOf,
  currenciesOf,
  freshnessOf,
  metricNames,
  questionOf,
  type Converted,
  type Question,
} from '../costs.ts'
import { text, type Field } from '../fields.ts'
import { cursorField, limitField, limitOf, readCursor, writeCursor } from '../paging.ts'
import type { Route } from '../route.ts'

const dimension = `${costDimensions.join(', ')} or tag:KEY`
const dayField = (description: string): Field => text(description, { format: 'date', maxLength: 10 })
const filterField: Field = text(
  `DIMENSION:VALUE; ${dimension}. May be sent several times: of one dimension any may hold, of several all must. ` +
    'An empty value is none',
  { maxLength: 400, pattern: '^[^\\p{Cc}]*$', repeats: true },
)
const range = { from: dayField('First day, of UTC'), to: dayField('Day behind the last one') }
const metricField = text('What is added up; effective by default', { enum: metricNames })

/** Lines of a CSV file that names no limit; what is behind them has a cursor in X-Next-Cursor. */
const mostCsvRows = 10_000
/** A cursor says how many items were read. */
const offsetOf = (query: Readonly<Record<string, string>>): number => {
  const offset = Number(readCursor(query['cursor'], 1)?.[0] ?? 0)
  if (Number.isSafeInteger(offset) && offset >= 0) return offset
  throw new AppError('BODY_INVALID', 'query.cursor: expected the next_cursor of an earlier answer')
}

/** Costs of a tenant, from its table of FOCUS. */
export const costs = ({ deps }: RouteContext): Route[] => {
  const read = (statement: Statement) => deps.warehouse.query(statement)
  return [
    {
      method: 'GET',
      path: '/api/v1/tenants/:tenant_id/costs',
      summary: 'What was spent: exact amounts by currency, day or month, and up to three dimensions; CSV by Accept',
      scope: 'costs:read',
      tenant: 'tenant_id',
      rate: 'read',
      query: {
        ...range,
        granularity: text('Amounts by day or month of the charge; none by default', { enum: ['none', 'day', 'month'] }),
        group_by: text(`At most three, separated by commas: ${dimension}`, { maxLength: 400 }),
        metric: metricField,
        filter: filterField,
        currency: text('Answer in this currency alone, by the rates of each billing period (PUT .../rates)', {
          pattern: '^[^\\p{Cc}]+$',
          maxLength: 50,
        }),
        limit: limitField,
        cursor: cursorField,
      },
      answers: [200],
      handle: async ({ principal, query, accept }) => {
        const question = questionOf(principal.tenant_id, query)
        const asCsv = /\btext\/csv\b/i.test(accept)
        const limit = asCsv && query['limit'] === undefined ? mostCsvRows : limitOf(query)
        const offset = offsetOf(query)
        const converted = await convertedTo(read, question, query['currency'])
        const [page, freshness] = await Promise.all([
          answerOf(read, question, { offset, limit, converted }),
          freshnessOf(read, question),
        ])
        const next_cursor = page.more ? writeCursor([String(offset + limit)]) : null
        if (asCsv)
          return {
            status: 200,
            text: { type: 'text/csv; charset=utf-8', content: csvOf(question.group_by, page.items) },
            ...(next_cursor === null ? {} : { headers: { 'X-Next-Cursor': next_cursor } }),
          }
        const { items, totals } = page
        const rates = converted === undefined ? {} : { rates: converted.rates }
        return { status: 200, body: { items, totals, ...rates, freshness, next_cursor } }
      },
    },
    {
      method: 'GET',
      path: '/api/v1/tenants/:tenant_id/costs/dimensions',
      summary: 'The values of a dimension with their cost, the dearest first',
      scope: 'costs:read',
      tenant: 'tenant_id',
      rate: 'read',
      query: {
        ...range,
        dimension: text(`One of ${dimension}`, { maxLength: 140 }),
        metric: metricField,
        limit: limitField,
        cursor: cursorField,
      },
      answers: [200],
      handle: async ({ principal, query }) => {
        const { dimension: name = '', ...rest } = query
        const days = lastYear(deps.now())
        const question: Question = questionOf(principal.tenant_id, { ...days, ...rest, group_by: name })
        if (question.group_by.length !== 1)
          throw new AppError(
            'BODY_INVALID',
            `query.dimension: expected one of ${dimension}, got ${JSON.stringify(name)}`,
          )
        const limit = limitOf(query)
        const offset = offsetOf(query)
        const page = await answerOf(read, question, { offset, limit })
        return {
          status: 200,
          body: {
            items: page.items.map(({ group, amount, currency }) => ({ value: group[name] ?? null, amount, currency })),
            next_cursor: page.more ? writeCursor([String(offset + limit)]) : null,
          },
        }
      },
    },
  ]
}

/**
 * The rates that the answer needs, each of its billing period; nothing is left out. Throws BODY_INVALID where one is
 * missing.
 */
const convertedTo = async (
  read: (statement: Statement) => Promise<Row[]>,
  question: Question,
  currency: string | undefined,
): Promise<Converted | undefined> => {
  if (currency === undefined) return undefined
  const met = await currenciesOf(read, question)
  if (met.every((each) => each.currency === currency)) return undefined
  const months = met.map(({ period }) => period)
  const known = await ratesOf(read, question.tenant_id, {
    first: months.reduce((a, b) => (a < b ? a : b)),
    last: months.reduce((a, b) => (a > b ? a : b)),
    to: currency,
  })
  return { currency, rates: neededRates(met, currency, known) }
}

/** The twelve months before today, and today. */
const lastYear = (now: Date): { from: string; to: string } => ({
  from: new Date(Date.UTC(now.getUTCFullYear() - 1, now.getUTCMonth(), 1)).toISOString().slice(0, 10),
  to: new Date(now.getTime() + 86_400_000).toISOString().slice(0, 10),
})
