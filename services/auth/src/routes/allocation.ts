import { AppError, systemPipelines } from '@convergence/contracts'
import {
  allocationFaults,
  allocationSchema,
  allocationTables,
  previewStatement,
  rulesStatement,
  storedAllocation,
  type Allocation,
} from '@convergence/pipeline/allocation'
import type { Row, Statement } from '@convergence/warehouse'
import type { RouteContext } from '../context.ts'
import { monthExpected } from '../currency-rates.ts'
import { text, type Field } from '../fields.ts'
import { randomDigits } from '../issue-key.ts'
import { notFound, type Route } from '../route.ts'

const mostVersions = 500
const mostLines = 10_000
const mostFaults = 100

/** Shown by the schema that editors use for files of rules; `allocationFaults` is what checks it. */
const rulesBody = (): Field => {
  const { $schema: _, $id: __, ...shown } = allocationSchema() as Record<string, unknown>
  return {
    type: 'object',
    description: 'Who bears which cost',
    additionalProperties: { type: ['array', 'string', 'object', 'integer', 'number', 'boolean', 'null'] },
    shown,
  }
}
/** Throws BODY_INVALID with every fault. */
const allocationOf = (body: unknown): Allocation => {
  const faults = allocationFaults(body)
  if (faults.length === 0) return body as Allocation
  throw new AppError('BODY_INVALID', `body: ${faults.length === 1 ? '1 fault' : `${faults.length} faults`}`, {
    faults: faults.slice(0, mostFaults).map((fault) => `body${fault.startsWith('rules') ? '.' : ': '}${fault}`),
  })
}

type Ask = (statement: Statement) => Promise<Row[]>
/** Versions of the rules, the newest first; none where none were stored. */
const versionsOf = async (ask: Ask, tenant_id: string, most: number, version?: number): Promise<Row[]> => {
  try {
    return await ask({ ...rulesStatement(most, version), default_dataset: tenant_id })
  } catch (error) {
    if (error instanceof AppError && error.code === 'TABLE_NOT_FOUND') return []
    throw error
  }
}
const about = (row: Row) => ({
  version: Number(row['version']),
  recorded_at: row['recorded_at'],
  recorded_by: row['recorded_by'],
  run_id: row['run_id'],
})

/** What each would bear of a month, and which rules match nothing of it. */
const previewOf = async (ask: Ask, tenant_id: string, allocation: Allocation, month: string) => {
  const statement = previewStatement(allocation, `${month}-01`)
  let rows: Row[]
  try {
    rows = await ask({
      ...statement,
      query: `${statement.query} LIMIT ${mostLines}`,
      default_dataset: tenant_id,
    })
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'TABLE_NOT_FOUND') throw error
    throw new AppError(
      'TABLE_NOT_FOUND',
      `allocation: ${tenant_id} has no focus_cost_and_usage yet; focus/cost/{aws,azure,gcp,any} makes it after a load`,
      { cause: error },
    )
  }
  const matched = new Set(rows.map((row) => row['x_AllocationRule']))
  return {
    month,
    items: rows.map((row) => ({
      allocation: row['x_AllocatedTo'],
      rule: row['x_AllocationRule'],
      method: row['x_AllocationMethod'],
      billed: row['billed'],
      effective: row['effective'],
      currency: row['BillingCurrency'],
    })),
    rules_without_cost: allocation.rules.map(({ name }) => name).filter((name) => !matched.has(name)),
  }
}

/** Who bears which cost: a tenant's rules, and what they would say of a month. */
export const allocation = ({ deps, runs, tenants }: RouteContext): Route[] => {
  const path = '/api/v1/tenants/:tenant_id/allocation'
  const ask: Ask = (statement) => deps.warehouse.query(statement)
  const known = async (params: Readonly<Record<string, string>>): Promise<string> => {
    const tenant_id = params['tenant_id'] ?? ''
    if ((await tenants.get(tenant_id)) === undefined) throw notFound()
    return tenant_id
  }
  return [
    {
      method: 'PUT',
      path,
      summary: 'Store allocation rules as the newest version; they hold for each month that is allocated from then on',
      scope: 'configs:write',
      tenant: 'tenant_id',
      rate: 'admin',
      body: rulesBody(),
      answers: [200, 202],
      handle: async ({ params, body, principal, user_id, idempotency_key }) => {
        const tenant_id = await known(params)
        const { rules } = allocationOf(body)
        const { run_id, ended } = await runs.system({
          pipeline: systemPipelines.allocation_rules,
          parameters: {
            for_tenant_id: tenant_id,
            recorded_by: principal.key_id,
            rules: JSON.stringify({ rules }),
          },
          trigger_by: principal.key_id,
          user_id,
          idempotency_key: `allocation:${tenant_id}:${idempotency_key ?? randomDigits(22, deps.random_bytes)}`,
        })
        return ended === undefined
          ? { status: 202, body: { tenant_id, status: 'RUNNING', pipeline_logging_id: run_id } }
          : { status: 200, body: { tenant_id, rules, pipeline_logging_id: run_id } }
      },
    },
    {
      method: 'GET',
      path,
      summary: 'The allocation rules that hold, or an earlier version of them',
      scope: 'costs:read',
      tenant: 'tenant_id',
      rate: 'read',
      query: {
        version: text('An earlier version, 1 or more', { pattern: '^[1-9][0-9]{0,8}$', maxLength: 9 }),
      },
      answers: [200],
      handle: async ({ params, query }) => {
        const tenant_id = await known(params)
        const version = query['version'] === undefined ? undefined : Number(query['version'])
        const [row] = await versionsOf(ask, tenant_id, 1, version)
        if (row !== undefined)
          return { status: 200, body: { tenant_id, ...about(row), ...storedAllocation(row['rules']) } }
        if (version !== undefined)
          throw new AppError('NOT_FOUND', `${allocationTables.rules} of ${tenant_id} has no version ${version}`)
        return {
          status: 200,
          body: { tenant_id, version: 0, recorded_at: null, recorded_by: null, run_id: null, rules: [] },
        }
      },
    },
    {
      method: 'GET',
      path: `${path}/versions`,
      summary: 'Who stored allocation rules and when, the newest first',
      scope: 'costs:read',
      tenant: 'tenant_id',
      rate: 'read',
      answers: [200],
      handle: async ({ params }) => {
        const rows = await versionsOf(ask, await known(params), mostVersions)
        return { status: 200, body: { items: rows.map(about), next_cursor: null } }
      },
    },
    {
      method: 'POST',
      path: `${path}/preview`,
      summary: 'What each would bear of a month by these rules; nothing is stored',
      scope: 'costs:read',
      tenant: 'tenant_id',
      rate: 'read',
      query: {
        month: text(`The billing period: ${monthExpected}`, {
          pattern: '^[1-9][0-9]{3}-(0[1-9]|1[0-2])$',
          maxLength: 7,
        }),
      },
      body: rulesBody(),
      answers: [200],
      handle: async ({ params, query, body }) => {
        const tenant_id = await known(params)
        const { month } = query
        const rules = allocationOf(body)
        if (month === undefined) throw new AppError('BODY_INVALID', `query.month: is missing: ${monthExpected}`)
        return { status: 200, body: await previewOf(ask, tenant_id, rules, month) }
      },
    },
  ]
}
