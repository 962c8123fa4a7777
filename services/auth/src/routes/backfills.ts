import { AppError, lastDayOf, namePatterns, subscriptionFault, systemPipelines, type Run } from '@convergence/contracts'
import type { Backfill } from '@convergence/service/backfill-row'
import {
  backfillIdOf,
  periodOrders,
  periodRange,
  reprocessings,
  type PeriodOrder,
  type PeriodRange,
  type Reprocess,
} from '@convergence/service/backfills'
import { previewOf } from '../backfill-preview.ts'
import { progressOf, type Progress } from '../backfill-progress.ts'
import type { RouteContext } from '../context.ts'
import { object, parametersField, text } from '../fields.ts'
import { randomDigits } from '../issue-key.ts'
import { cursorField, limitField, limitOf, readCursor, writeCursor } from '../paging.ts'
import { notFound, type Answer, type Call, type Route } from '../route.ts'
import type { Tenant } from '../store/tenants.ts'
import { offered } from './pipelines.ts'

const backfillBody = object(
  {
    pipeline: text('Path of the pipeline, such as gcp/cost/billing', { pattern: namePatterns.pipeline }),
    from: text('First day or month, as the pipeline has periods', { maxLength: 10 }),
    to: text('Last day or month, inclusive', { maxLength: 10 }),
    parameters: parametersField('The other parameters of each run'),
    reprocess: text(
      'Which periods it runs: none, those without a run; failed, also those whose last run did not complete; ' +
        'changed, also those whose source has changed since; all',
      { enum: reprocessings, default: 'none' },
    ),
    order: text('Which come first', { enum: periodOrders, default: 'newest_first' }),
    max_active: {
      type: 'integer',
      description: "Runs of it at a time; at most as many as the tenant's plan",
      minimum: 1,
      default: 1,
    },
    dry_run: { type: 'boolean', description: 'true: runs nothing and tells what it would do', default: false },
  },
  ['pipeline', 'from', 'to'],
)
interface BackfillBody {
  pipeline: string
  from: string
  to: string
  parameters?: Run['parameters']
  reprocess?: Reprocess
  order?: PeriodOrder
  max_active?: number
  dry_run?: boolean
}

const path = '/api/v1/tenants/:tenant_id/backfills'
const linksOf = (tenant_id: string, backfill_id: string) => {
  const self = `/api/v1/tenants/${tenant_id}/backfills/${backfill_id}`
  return { self, pause: `${self}/pause`, resume: `${self}/resume`, cancel: `${self}/cancel` }
}

const backfillAnswer = (row: Backfill, progress: Partial<Progress>) => ({
  backfill_id: row.backfill_id,
  tenant_id: row.tenant_id,
  pipeline: row.pipeline,
  pipeline_id: row.pipeline_id,
  parameter: row.parameter,
  from: row.from_period,
  to: row.to_period,
  parameters: row.parameters,
  reprocess: row.reprocess,
  order: row.period_order,
  max_active: row.max_active,
  status: row.status,
  periods: row.periods.length + row.skipped,
  runs: row.periods.length,
  ...progress,
  created_by: row.created_by ?? null,
  created_at: row.created_at,
  ended_at: row.ended_at ?? null,
})

const theTenant = async ({ tenants }: RouteContext, { principal }: Call): Promise<Tenant> => {
  const tenant = await tenants.get(principal.tenant_id)
  if (tenant === undefined) throw notFound()
  return tenant
}

// ---- making one

/** What is wrong with the request, all at once; the range of its periods. */
const checked = (parts: RouteContext, body: BackfillBody, { limits }: Tenant): PeriodRange & { pipeline: string } => {
  const pipeline = offered(parts, body.pipeline)
  const faults: string[] = []
  const most = limits.concurrent
  if (body.max_active !== undefined && body.max_active > most)
    faults.push(`max_active: expected at most the ${most} runs at a time of the tenant's plan, got ${body.max_active}`)
  try {
    const range = periodRange(pipeline, body)
    if (body.parameters !== undefined && Object.hasOwn(body.parameters, range.parameter))
      faults.push(`parameters.${range.parameter}: expected none, it is the period of each run`)
    if (faults.length === 0) return { ...range, pipeline: pipeline.path }
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'PARAMETER_INVALID') throw error
    faults.unshift(...(error.faults.length > 0 ? error.faults : [error.message]))
  }
  throw new AppError('BODY_INVALID', `body: ${faults.length === 1 ? '1 fault' : `${faults.length} faults`}`, {
    faults: faults.map((fault) => (fault.startsWith('pipeline ') ? `body.pipeline: ${fault}` : `body.${fault}`)),
  })
}

const assertSubscribed = (tenant: Tenant, day: string): void => {
  const { tenant_id, status } = tenant
  const last_day = lastDayOf(tenant.trial_end_date, tenant.subscription_end_date)
  const inactive = subscriptionFault({ tenant_id, status, last_day }, day)
  if (inactive !== undefined) throw new AppError('SUBSCRIPTION_INACTIVE', inactive.message)
}

const preview = async (
  parts: RouteContext,
  call: Call,
  tenant: Tenant,
  range: ReturnType<typeof checked>,
): Promise<Answer> => {
  const { parameters = {}, reprocess = 'none', order = 'newest_first', max_active = 1 } = call.body as BackfillBody
  const { tenant_id } = tenant
  const { pipeline, parameter, from, to, notes } = range
  const wanted = { tenant_id, pipeline, range, parameters, reprocess, period_order: order }
  const told = await previewOf(parts, {
    run: {
      tenant_id,
      tenant,
      pipeline,
      parameters,
      idempotency_key: call.request_id,
      key_given: false,
      trigger_type: 'api',
      trigger_by: call.principal.key_id,
    },
    parameter,
    planned: await parts.store.plannedPeriods(wanted),
    request_id: call.request_id,
  })
  const settings = { tenant_id, pipeline, parameter, from, to, parameters, reprocess, order, max_active }
  return { status: 200, body: { ...settings, dry_run: true, notes, ...told } }
}

const create = async (parts: RouteContext, call: Call): Promise<Answer> => {
  const body = call.body as BackfillBody
  const tenant = await theTenant(parts, call)
  assertSubscribed(tenant, parts.deps.now().toISOString().slice(0, 10))
  const range = checked(parts, body, tenant)
  if (body.dry_run === true) return preview(parts, call, tenant, range)
  const { tenant_id } = tenant
  const { pipeline, from, to, notes } = range
  const { reprocess = 'none', order = 'newest_first', max_active = 1 } = body
  const key = call.idempotency_key ?? randomDigits(22, parts.deps.random_bytes)
  const { run_id, ended } = await parts.runs.system({
    pipeline: systemPipelines.backfill,
    parameters: {
      for_tenant_id: tenant_id,
      action: 'create',
      pipeline,
      from_period: from,
      to_period: to,
      run_parameters: JSON.stringify(body.parameters ?? {}),
      reprocess,
      period_order: order,
      max_active,
    },
    trigger_by: call.principal.key_id,
    user_id: call.user_id,
    idempotency_key: `backfill:${tenant_id}:${key}`,
  })
  const backfill_id = backfillIdOf(run_id)
  const settings = { backfill_id, tenant_id, pipeline, from, to, reprocess, order, max_active }
  const { status = 'PENDING', runs = null } = ended?.outputs ?? {}
  const periods = range.periods.length
  return {
    status: 202,
    body: {
      ...settings,
      status,
      periods,
      runs,
      notes,
      pipeline_logging_id: run_id,
      links: linksOf(tenant_id, backfill_id),
    },
  }
}

// ---- reading and changing one

const theBackfill = async ({ store }: RouteContext, { principal, params }: Call): Promise<Backfill> => {
  const row = await store.backfill(principal.tenant_id, params['backfill_id'] ?? '')
  if (row === undefined) throw notFound()
  return row
}

const show = async (parts: RouteContext, call: Call): Promise<Answer> => {
  const row = await theBackfill(parts, call)
  return { status: 200, body: backfillAnswer(row, await progressOf(parts, row)) }
}

const list = async ({ store }: RouteContext, { principal, query }: Call): Promise<Answer> => {
  const limit = limitOf(query)
  const [at, id] = readCursor(query['cursor'], 2) ?? []
  if (at !== undefined && Number.isNaN(Date.parse(at)))
    throw new AppError('BODY_INVALID', 'query.cursor: expected the next_cursor of an earlier answer')
  const after = at === undefined || id === undefined ? {} : { after: { at, id } }
  const found = await store.backfills(principal.tenant_id, { ...after, limit: limit + 1 })
  const rows = found.slice(0, limit)
  const last = rows.at(-1)
  return {
    status: 200,
    body: {
      items: rows.map((row) =>
        backfillAnswer(row, {
          ...(row.counts === undefined ? {} : { counts: { ...row.counts, skipped: row.skipped } }),
        }),
      ),
      next_cursor: found.length > limit && last !== undefined ? writeCursor([last.created_at, last.backfill_id]) : null,
    },
  }
}

const change = async (parts: RouteContext, call: Call, action: 'pause' | 'resume' | 'cancel'): Promise<Answer> => {
  const { tenant_id, backfill_id, status } = await theBackfill(parts, call)
  const key = call.idempotency_key ?? randomDigits(22, parts.deps.random_bytes)
  const { run_id, ended } = await parts.runs.system({
    pipeline: systemPipelines.backfill,
    parameters: { for_tenant_id: tenant_id, action, backfill_id },
    trigger_by: call.principal.key_id,
    user_id: call.user_id,
    idempotency_key: `backfill:${backfill_id}:${action}:${key}`,
  })
  if (ended === undefined) return { status: 202, body: { tenant_id, backfill_id, status, pipeline_logging_id: run_id } }
  return show(parts, call)
}

/** Backfills belong to the scheduler: changes are runs of the platform, reads go to its view. */
export const backfills = (parts: RouteContext): Route[] => [
  {
    method: 'POST',
    path,
    summary: 'Run a pipeline for each day or month of a range; with dry_run only tell what it would do',
    scope: 'pipelines:run',
    tenant: 'tenant_id',
    rate: 'run',
    body: backfillBody,
    answers: [202, 200],
    handle: (call) => create(parts, call),
  },
  {
    method: 'GET',
    path,
    summary: 'Backfills of the tenant, newest first',
    scope: 'pipelines:read',
    tenant: 'tenant_id',
    rate: 'read',
    query: { cursor: cursorField, limit: limitField },
    answers: [200],
    handle: (call) => list(parts, call),
  },
  {
    method: 'GET',
    path: `${path}/:backfill_id`,
    summary: 'A backfill: its periods by state, those that failed, what it waits for',
    scope: 'pipelines:read',
    tenant: 'tenant_id',
    rate: 'read',
    answers: [200],
    handle: (call) => show(parts, call),
  },
  ...(
    [
      ['pause', 'Ask for no more runs; those under way go on'],
      ['resume', 'Go on with a backfill that was paused'],
      ['cancel', 'End a backfill and cancel its runs that wait or run'],
    ] as const
  ).map(([action, summary]): Route => ({
    method: 'POST',
    path: `${path}/:backfill_id/${action}`,
    summary,
    scope: 'pipelines:run',
    tenant: 'tenant_id',
    rate: 'run',
    answers: [200, 202],
    handle: (call) => change(parts, call, action),
  })),
]
