import { AppError, systemPipelines } from '@convergence/contracts'
import type { RouteContext } from '../context.ts'
import { monthExpected, rateFaults, ratesOf, type CurrencyRate } from '../currency-rates.ts'
import { object, text } from '../fields.ts'
import { randomDigits } from '../issue-key.ts'
import { notFound, type Route } from '../route.ts'

const currency = (description: string) => text(description, { pattern: '^[A-Z]{3}$', maxLength: 3 })
const month = (description: string) => text(description, { pattern: '^[1-9][0-9]{3}-(0[1-9]|1[0-2])$', maxLength: 7 })
const ratesBody = object(
  {
    rates: {
      type: 'array',
      description: 'At most 400; of one month and pair the newest holds',
      maxItems: 400,
      items: object(
        {
          period: month(`The billing period: ${monthExpected}`),
          from: currency('Currency of the bill, such as EUR'),
          to: currency('Currency of the answer, such as USD'),
          rate: text('Units of `to` for one of `from`, as decimal text', {
            pattern: '^[0-9]{1,12}([.][0-9]{1,26})?$',
            maxLength: 40,
          }),
          status: text('Whether it may still change', { enum: ['provisional', 'final'], default: 'final' }),
        },
        ['period', 'from', 'to', 'rate'],
      ),
    },
  },
  ['rates'],
)

/** Rates between currencies, with which costs are answered in one. */
export const rates = ({ deps, runs, tenants }: RouteContext): Route[] => {
  const path = '/api/v1/tenants/:tenant_id/rates'
  return [
    {
      method: 'PUT',
      path,
      summary:
        'Give rates between currencies, by month; of one month and pair the newest holds, before those of providers',
      scope: 'configs:write',
      tenant: 'tenant_id',
      rate: 'admin',
      body: ratesBody,
      answers: [200, 202],
      handle: async ({ params, body, principal, user_id, idempotency_key }) => {
        const tenant_id = params['tenant_id'] ?? ''
        if ((await tenants.get(tenant_id)) === undefined) throw notFound()
        const given = (body as { rates: (Omit<CurrencyRate, 'status'> & { status?: CurrencyRate['status'] })[] }).rates
        const wanted = given.map((rate) => ({ ...rate, status: rate.status ?? 'final' }))
        const faults = wanted.length === 0 ? ['body.rates: expected at least one'] : rateFaults(wanted)
        if (faults.length > 0)
          throw new AppError('BODY_INVALID', `body: ${faults.length === 1 ? '1 fault' : `${faults.length} faults`}`, {
            faults,
          })
        const { run_id, ended } = await runs.system({
          pipeline: systemPipelines.currency_rates,
          parameters: { for_tenant_id: tenant_id, rates: JSON.stringify(wanted) },
          trigger_by: principal.key_id,
          user_id,
          idempotency_key: `rates:${tenant_id}:${idempotency_key ?? randomDigits(22, deps.random_bytes)}`,
        })
        return ended === undefined
          ? { status: 202, body: { tenant_id, status: 'RUNNING', pipeline_logging_id: run_id } }
          : { status: 200, body: { tenant_id, rates: wanted, pipeline_logging_id: run_id } }
      },
    },
    {
      method: 'GET',
      path,
      summary: 'The rates that hold, by month and pair of currencies: given ones before those of providers',
      scope: 'costs:read',
      tenant: 'tenant_id',
      rate: 'read',
      query: {
        first: month(`The first month, ${monthExpected}`),
        last: month(`The last month, ${monthExpected}`),
        to: currency('Only those to this currency'),
      },
      answers: [200],
      handle: async ({ params, query }) => {
        const tenant_id = params['tenant_id'] ?? ''
        if ((await tenants.get(tenant_id)) === undefined) throw notFound()
        const items = await ratesOf((statement) => deps.warehouse.query(statement), tenant_id, query)
        return { status: 200, body: { items, next_cursor: null } }
      },
    },
  ]
}
