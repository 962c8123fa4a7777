import { AppError, longestEmail, namePatterns, plans, systemPipelines } from '@convergence/contracts'
import { object, text, type Field } from '../fields.ts'
import { randomDigits } from '../issue-key.ts'
import { openOnboarding, type OnboardBody } from '../onboarding.ts'
import { cursorField, limitField, limitOf, readCursor, writeCursor } from '../paging.ts'
import type { RouteContext } from '../context.ts'
import { notFound, type Answer, type Call, type Route } from '../route.ts'
import type { Tenant } from '../store/tenants.ts'

const onboardBody = object(
  {
    tenant_id: text('3 to 50 of a-z, 0-9 and _, beginning with a letter; also the name of the dataset', {
      pattern: namePatterns.tenant_id,
      maxLength: 50,
    }),
    company_name: text('Name of the company', { minLength: 1, pattern: '^[^\\p{Cc}]+$' }),
    admin_email: text('Where mails go', { format: 'email', maxLength: longestEmail }),
    subscription_plan: text('Plan', { enum: Object.keys(plans) }),
  },
  ['tenant_id', 'company_name', 'admin_email', 'subscription_plan'],
)

const limitNumber = (description: string): Field => ({ type: 'integer', minimum: 1, maximum: 1e9, description })
const changeBody = object({
  subscription_plan: text('Plan; it brings its own limits', { enum: Object.keys(plans) }),
  status: text('SUSPENDED: nothing starts any more, what runs goes on; ACTIVE again: everything as before', {
    enum: ['ACTIVE', 'SUSPENDED'],
  }),
  trial_end_date: text('Last day of the trial; null: it has none', { format: 'date', nullable: true }),
  subscription_end_date: text('Last day paid for; null: without end', { format: 'date', nullable: true }),
  admin_email: text('Where mails go', { format: 'email', maxLength: longestEmail }),
  limits: object({
    daily: limitNumber("Runs per UTC day, instead of the plan's"),
    monthly: limitNumber("Runs per UTC month, instead of the plan's"),
    concurrent: limitNumber("Runs at a time, instead of the plan's"),
  }),
})

const tenantAnswer = (tenant: Tenant) => ({
  tenant_id: tenant.tenant_id,
  company_name: tenant.company_name,
  admin_email: tenant.admin_email,
  status: tenant.status,
  subscription_plan: tenant.plan,
  limits: tenant.limits,
  trial_end_date: tenant.trial_end_date,
  subscription_end_date: tenant.subscription_end_date,
})

/** In force for the next run that asks to start. The same Idempotency-Key again is the same change. */
const change = async ({ deps, runs, store, tenants: cache }: RouteContext, call: Call): Promise<Answer> => {
  const tenant_id = call.params['tenant_id'] ?? ''
  const body = call.body as Record<string, unknown>
  const { limits } = body
  if (Object.keys(body).length === 0 || (typeof limits === 'object' && Object.keys(limits ?? {}).length === 0))
    throw new AppError(
      'BODY_INVALID',
      `body${limits === undefined ? '' : '.limits'}: expected at least one field to change, got none`,
    )
  if ((await store.tenant(tenant_id)) === undefined) throw notFound()
  const key = call.idempotency_key ?? randomDigits(22, deps.random_bytes)
  const { run_id, ended } = await runs.system({
    pipeline: systemPipelines.tenant_change,
    idempotency_key: `change:${tenant_id}:${key}`,
    trigger_by: call.principal.key_id,
    user_id: call.user_id,
    parameters: { for_tenant_id: tenant_id, change: JSON.stringify(body) },
  })
  if (ended === undefined) return { status: 202, body: { tenant_id, status: 'RUNNING', pipeline_logging_id: run_id } }
  cache.forget(tenant_id)
  const changed = await store.tenant(tenant_id)
  if (changed === undefined) throw notFound()
  return { status: 200, body: { ...tenantAnswer(changed), pipeline_logging_id: run_id } }
}

export const tenants = (parts: RouteContext): Route[] => {
  const { deps, store } = parts
  const onboard = openOnboarding(parts)
  const onboarding = {
    method: 'POST',
    summary:
      'Onboard a tenant: profile, plan, dataset, first key. The same body again is the same tenant, without a key',
    tenant: 'none',
    rate: 'admin',
    body: onboardBody,
    answers: [201, 200, 202],
    handle: async ({ body, principal, user_id }) =>
      onboard(body as OnboardBody, { trigger_by: principal.kind === 'admin' ? 'admin' : 'local', user_id }),
  } satisfies Partial<Route>
  return [
    { ...onboarding, path: '/api/v1/tenants/onboard', scope: 'admin or local' },
    { ...onboarding, path: '/api/v1/admin/tenants', scope: 'admin' },
    {
      method: 'GET',
      path: '/api/v1/admin/tenants',
      summary: 'All tenants, by id',
      scope: 'admin',
      tenant: 'none',
      rate: 'admin',
      query: { cursor: cursorField, limit: limitField },
      answers: [200],
      handle: async ({ query }) => {
        const limit = limitOf(query)
        const found = await store.tenants(readCursor(query['cursor'], 1)?.[0] ?? '', limit + 1)
        const items = found.slice(0, limit)
        return {
          status: 200,
          body: {
            items: items.map(tenantAnswer),
            next_cursor: found.length > limit ? writeCursor([items.at(-1)?.tenant_id ?? '']) : null,
          },
        }
      },
    },
    {
      method: 'PATCH',
      path: '/api/v1/admin/tenants/:tenant_id',
      summary: 'Change plan, status, end dates, address or limits of a tenant; in force for the next run',
      scope: 'admin',
      tenant: 'none',
      rate: 'admin',
      body: changeBody,
      answers: [200, 202],
      handle: (call) => change(parts, call),
    },
    {
      method: 'GET',
      path: '/api/v1/tenants/:tenant_id',
      summary: 'Profile, plan, limits and use of a tenant',
      scope: 'pipelines:read',
      tenant: 'tenant_id',
      rate: 'read',
      answers: [200],
      handle: async ({ params }) => {
        const tenant_id = params['tenant_id'] ?? ''
        const [tenant, usage] = await Promise.all([
          store.tenant(tenant_id),
          store.usage(tenant_id, deps.now().toISOString().slice(0, 10)),
        ])
        if (tenant === undefined) throw notFound()
        const { limits } = tenant
        return {
          status: 200,
          body: {
            ...tenantAnswer(tenant),
            usage: {
              daily: { used: usage.daily, limit: limits.daily },
              monthly: { used: usage.monthly, limit: limits.monthly },
              concurrent: { used: usage.concurrent, limit: limits.concurrent },
            },
          },
        }
      },
    },
  ]
}
