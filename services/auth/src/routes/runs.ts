import { AppError, namePatterns, runId, type Run } from '@convergence/contracts'
import type { RouteContext } from '../context.ts'
import { parametersField, text } from '../fields.ts'
import { randomDigits } from '../issue-key.ts'
import type { WantedRun } from '../runs.ts'
import { cursorField, limitField, limitOf, momentField, readCursor, startOf, writeCursor } from '../paging.ts'
import { planOf } from '../plan.ts'
import {
  hasEnded,
  runAnswer,
  statuses,
  summaryAnswer,
  type RunRecord,
  type RunStatus,
  type StepRecord,
} from '../record.ts'
import { resumedBefore, skipOf } from '../resume.ts'
import { notFound, type Call, type Route } from '../route.ts'
import { streamEvents } from '../run-events.ts'
import { offered, pipelinePath } from './pipelines.ts'

const accepted = (run: RunRecord, message: string) => ({
  status: 202,
  body: {
    pipeline_logging_id: run.pipeline_logging_id,
    tenant_id: run.tenant_id,
    pipeline_id: run.pipeline_id,
    status: run.status,
    message,
    links: {
      self: `/api/v1/pipelines/runs/${run.pipeline_logging_id}`,
      events: `/api/v1/pipelines/runs/${run.pipeline_logging_id}/events`,
      cancel: `/api/v1/pipelines/runs/${run.pipeline_logging_id}/cancel`,
    },
  },
})
const theRun = ({ run }: Call): RunRecord => {
  if (run === undefined) throw notFound()
  return run
}

const startRoute = (parts: RouteContext): Route => {
  const { deps, tenants } = parts
  return {
    method: 'POST',
    path: '/api/v1/pipelines/run/:tenant_id/:provider/:domain/:template',
    summary: 'Run a pipeline; with dry_run=true only tell what it would do',
    scope: 'pipelines:run',
    tenant: 'tenant_id',
    rate: 'run',
    body: parametersField('Parameters of the run, as the pipeline declares them'),
    query: {
      dry_run: text('true: runs nothing', { enum: ['true', 'false'] }),
      priority: text("Its place among the tenant's runs that wait: 0 first, 9 last; default 5", {
        enum: Array.from({ length: 10 }, (_, priority) => String(priority)),
      }),
    },
    answers: [202, 200],
    handle: async ({ principal, params, query, body, idempotency_key, user_id, request_id }) => {
      const pipeline = offered(parts, pipelinePath(params))
      const parameters = body as Run['parameters']
      const tenant = await tenants.get(principal.tenant_id)
      const wanted: WantedRun = {
        tenant_id: principal.tenant_id,
        tenant,
        pipeline: pipeline.path,
        parameters,
        idempotency_key: idempotency_key ?? randomDigits(22, deps.random_bytes),
        key_given: idempotency_key !== undefined,
        trigger_type: 'api',
        trigger_by: principal.key_id,
        advise: () => tenants.advise(principal.tenant_id),
        ...(user_id === undefined ? {} : { user_id }),
        ...(query['priority'] === undefined ? {} : { priority: Number(query['priority']) }),
      }
      if (query['dry_run'] === 'true') {
        const planned = await parts.runs.compile(wanted, runId(principal.tenant_id, `dry-run:${request_id}`))
        return { status: 200, body: await planOf(parts, planned) }
      }
      const run = await parts.runs.request(wanted)
      return accepted(run, 'accepted; follow it under links')
    },
  }
}

const listed = {
  status: text('Only runs in this status', { enum: statuses }),
  pipeline_id: text('Only runs of this pipeline', { pattern: namePatterns.pipeline_id }),
  from: momentField('Asked for at this time or later; a date or a time'),
  to: momentField('Asked for before this time; a date counts whole'),
  cursor: cursorField,
  limit: limitField,
}
/** A page of the runs of a tenant, or of all. */
const pageOf = async ({ store, live }: RouteContext, tenant_id: string | undefined, query: Call['query']) => {
  const limit = limitOf(query)
  const [at, id] = readCursor(query['cursor'], 2) ?? []
  if (at !== undefined && Number.isNaN(Date.parse(at)))
    throw new AppError('BODY_INVALID', 'query.cursor: expected the next_cursor of an earlier answer')
  const { status, pipeline_id } = query
  const found = await store.runs(tenant_id, {
    limit: limit + 1,
    ...(status === undefined ? {} : { status: status as RunStatus }),
    ...(pipeline_id === undefined ? {} : { pipeline_id }),
    ...(query['from'] === undefined ? {} : { from: startOf(query['from'], 0) }),
    ...(query['to'] === undefined ? {} : { to: startOf(query['to'], 1) }),
    ...(at === undefined || id === undefined ? {} : { after: { at, id } }),
  })
  const last = found.slice(0, limit).at(-1)
  // What was heard is newer than what was written.
  const items = found
    .slice(0, limit)
    .map((run) => (hasEnded(run.status) ? run : (live.get(run.pipeline_logging_id)?.record ?? run)))
    .filter((run) => status === undefined || run.status === status)
  const more = found.length > limit && last !== undefined
  return {
    status: 200,
    body: {
      items: items.map(summaryAnswer),
      next_cursor: more ? writeCursor([last.requested_at ?? '', last.pipeline_logging_id]) : null,
    },
  }
}
const listRoutes = (parts: RouteContext): Route[] => [
  {
    method: 'GET',
    path: '/api/v1/pipelines/runs',
    summary: 'Runs, newest first',
    scope: 'pipelines:read',
    tenant: 'own',
    rate: 'read',
    answers: [200],
    query: listed,
    handle: ({ principal, query }) => pageOf(parts, principal.tenant_id, query),
  },
  {
    method: 'GET',
    path: '/api/v1/admin/runs',
    summary: "Runs of all tenants, and the platform's own (tenant_id system), newest first",
    scope: 'admin',
    tenant: 'none',
    rate: 'admin',
    answers: [200],
    query: {
      ...listed,
      tenant_id: text('Only runs of this tenant', { pattern: namePatterns.tenant_id }),
    },
    handle: ({ query }) => pageOf(parts, query['tenant_id'], query),
  },
]

const cancelRoute = (parts: RouteContext): Route => ({
  method: 'POST',
  path: '/api/v1/pipelines/runs/:run_id/cancel',
  summary: 'Ask for a run to be cancelled',
  scope: 'pipelines:run',
  tenant: 'run',
  rate: 'run',
  answers: [202],
  handle: async (call) => {
    const run = theRun(call)
    if (hasEnded(run.status))
      throw new AppError(
        'CONFLICT',
        `run ${run.pipeline_logging_id} has ended as ${run.status}; there is nothing to cancel`,
      )
    await parts.runs.cancel(run, { trigger_by: call.principal.key_id, user_id: call.user_id })
    return accepted(run, 'cancellation asked for; what has begun may still finish')
  },
})

const isFailed = ({ status }: StepRecord): boolean => status === 'FAILED' || status === 'TIMED_OUT'

const resumeRoute = (parts: RouteContext): Route => {
  const { tenants } = parts
  return {
    method: 'POST',
    path: '/api/v1/pipelines/runs/:run_id/resume',
    summary: 'Run again what a failed run left: a new run without the steps that succeeded',
    scope: 'pipelines:run',
    tenant: 'run',
    rate: 'run',
    answers: [202],
    handle: async (call) => {
      const parent = theRun(call)
      if (!hasEnded(parent.status) || parent.status === 'COMPLETED')
        throw new AppError(
          'CONFLICT',
          `run ${parent.pipeline_logging_id} is ${parent.status}; only one that ended without success can be resumed`,
        )
      const { path } = offered(parts, parent.pipeline)
      const idempotency_key = call.idempotency_key ?? `resume:${parent.pipeline_logging_id}`
      const before = await parts.runs.find(runId(parent.tenant_id, idempotency_key), parent.tenant_id)
      // Nothing is left to ask for; asked for again, it would be shown as PENDING until it is heard that it has
      // ended.
      if (
        before?.trigger_type === 'resume' &&
        before.parent_run_id === parent.pipeline_logging_id &&
        hasEnded(before.status)
      )
        return accepted(before, resumedBefore(parent, before))
      const { skip, results } = await skipOf(parts, parent)
      const wanted: WantedRun = {
        tenant_id: parent.tenant_id,
        tenant: await tenants.get(parent.tenant_id),
        pipeline: path,
        parameters: parent.parameters,
        idempotency_key,
        key_given: true,
        trigger_type: 'resume',
        trigger_by: call.principal.key_id,
        parent_run_id: parent.pipeline_logging_id,
        skip,
        ...(results === undefined ? {} : { results }),
        advise: () => tenants.advise(parent.tenant_id),
        ...(call.user_id === undefined ? {} : { user_id: call.user_id }),
      }
      const { steps } = await parts.runs.compile(wanted, parent.pipeline_logging_id)
      if (steps.length > 0 && steps.every(({ step_id }) => skip.includes(step_id)) && parent.steps.some(isFailed))
        throw new AppError(
          'CONFLICT',
          `run ${parent.pipeline_logging_id} has nothing left to resume: the sources that failed are gone; ask for a new run`,
        )
      const run = await parts.runs.request(wanted)
      return before === undefined
        ? accepted(run, `accepted as a new run that goes on where ${parent.pipeline_logging_id} ended`)
        : accepted(before, resumedBefore(parent, before))
    },
  }
}

/** The run that it follows, where it does. */
const followsOf = ({ trigger_type, parent_run_id, trigger_by }: RunRecord) =>
  trigger_type === 'after' && parent_run_id !== null
    ? { pipeline_logging_id: parent_run_id, pipeline: trigger_by }
    : null
/** The runs that follow it, as far as there are any yet: their ids are made of its own. */
const followedBy = async ({ deps, runs: known }: RouteContext, run: RunRecord) => {
  if (run.status !== 'COMPLETED' && run.status !== 'FAILED') return []
  const following = deps.pipelines.followersOf({ ...run, run_id: run.pipeline_logging_id })
  const found = await Promise.all(following.map(({ run_id }) => known.find(run_id, run.tenant_id)))
  return found.flatMap((each) =>
    each === undefined
      ? []
      : [{ pipeline_logging_id: each.pipeline_logging_id, pipeline: each.pipeline, status: each.status }],
  )
}

const reading = { scope: 'pipelines:read', tenant: 'run', rate: 'read' } as const

export const runs = (parts: RouteContext): Route[] => [
  startRoute(parts),
  ...listRoutes(parts),
  {
    method: 'GET',
    path: '/api/v1/pipelines/runs/:run_id',
    aliases: ['/api/v1/pipelines/:run_id/status'],
    summary: 'A run and its steps',
    ...reading,
    answers: [200],
    handle: async (call) => {
      const run = theRun(call)
      return {
        status: 200,
        body: { ...runAnswer(run), follows: followsOf(run), followed_by: await followedBy(parts, run) },
      }
    },
  },
  {
    method: 'GET',
    path: '/api/v1/pipelines/runs/:run_id/events',
    summary: 'Every event of a run from its start, as an event stream that ends with the run',
    ...reading,
    answers: [200],
    handle: (call) => ({ status: 200, stream: (sink) => streamEvents(parts, call, theRun(call), sink) }),
  },
  cancelRoute(parts),
  resumeRoute(parts),
]
