import { nextTime } from '@convergence/calendar/cron'
import { AppError, namePatterns, systemPipelines, type Run } from '@convergence/contracts'
import type { Pipeline, Pipelines } from '@convergence/pipeline'
import { object, parametersField, text, type Field } from '../fields.ts'
import { randomDigits } from '../issue-key.ts'
import type { RouteContext } from '../context.ts'
import type { Call, Route } from '../route.ts'
import type { ScheduleRow } from '../store/settings.ts'
import { offered } from './pipelines.ts'

const scheduleBody: Field = object(
  {
    pipeline: text('Path of the pipeline, such as gcp/cost/billing', {
      pattern: namePatterns.pipeline,
    }),
    cron: text("Five fields; default: the schedule that the pipeline's file suggests", {
      pattern: '^[-0-9A-Za-z*/,#? ]{9,100}$',
      maxLength: 100,
    }),
    timezone: text('IANA name', { pattern: '^[A-Za-z0-9_+/-]{1,64}$', default: 'UTC' }),
    parameters: parametersField('Parameters of each run'),
    priority: { type: 'integer', description: '0 first, 9 last', minimum: 0, maximum: 9, default: 5 },
    is_active: { type: 'boolean', description: 'Whether it fires', default: true },
    missed: text('What becomes of times that were missed', { enum: ['skip', 'latest', 'all'], default: 'latest' }),
    overlap: text(
      'What happens while its last run goes on: a run beside it, none, one behind it, or one behind it once it is cancelled',
      { enum: ['allow', 'skip', 'queue', 'cancel_previous'], default: 'allow' },
    ),
  },
  ['pipeline'],
)
interface ScheduleBody {
  pipeline: string
  cron?: string
  timezone?: string
  parameters?: Run['parameters']
  priority?: number
  is_active?: boolean
  missed?: string
  overlap?: string
}

const mostFirings = 10

/** The next firings of a schedule, with the parameters that each run will have. */
const firingsOf = (pipelines: Pipelines, row: ScheduleRow, from: number) => {
  const firings: { time: string; parameters: Run['parameters'] }[] = []
  const given = row.parameters as Run['parameters']
  for (let at = from; row.is_active && firings.length < mostFirings;) {
    const next = nextTime(row.cron, row.timezone, at)
    if (next === undefined) break
    const parameters = pipelines.datedParameters(row.pipeline, given, next, row.timezone)
    firings.push({ time: new Date(next).toISOString(), parameters })
    at = next
  }
  return firings
}

const suggestedBy = ({ path, schedule }: Pipeline): string => {
  if (schedule !== undefined) return schedule
  throw new AppError('BODY_INVALID', 'body: 1 fault', {
    faults: [`body.cron: is missing, and the file of ${path} has no schedule; expected five fields`],
  })
}

const heldBy = ({ store }: RouteContext, { principal: { tenant_id }, params }: Call) => ({
  tenant_id,
  kind: 'schedules' as const,
  name: params['name'],
  there: async () => (await store.schedules(tenant_id)).map(({ name }) => name),
})

/** Schedules belong to the scheduler: changes are runs, reads go to its view. */
export const schedules = (parts: RouteContext): Route[] => {
  const { deps, store, runs } = parts
  const scheduleAnswer = (tenant_id: string, row: ScheduleRow) => ({
    tenant_id,
    ...row,
    next: firingsOf(deps.pipelines, row, deps.now().getTime()),
  })
  const path = '/api/v1/tenants/:tenant_id/schedules/:name'
  const noSchedule = (name: string | undefined) =>
    new AppError('NOT_FOUND', `no schedule ${name ?? ''}; list them: GET /api/v1/tenants/{tenant_id}/schedules`)

  const change = async (
    { params, principal, user_id, idempotency_key }: Call,
    action: 'put' | 'delete',
    body: ScheduleBody & { cron: string },
  ) => {
    const tenant_id = params['tenant_id'] ?? ''
    // The run is the platform's own, so it costs the tenant no quota.
    const parameters: Run['parameters'] = {
      for_tenant_id: tenant_id,
      schedule_name: params['name'] ?? '',
      action,
      pipeline: body.pipeline,
      cron: body.cron,
      timezone: body.timezone ?? 'UTC',
      schedule_parameters: JSON.stringify(body.parameters ?? {}),
      priority: body.priority ?? 5,
      is_active: body.is_active ?? true,
      missed: body.missed ?? 'latest',
      overlap: body.overlap ?? 'allow',
    }
    const key = idempotency_key ?? randomDigits(22, deps.random_bytes)
    return runs.system({
      pipeline: systemPipelines.schedule,
      parameters,
      trigger_by: principal.key_id,
      user_id,
      idempotency_key: `schedule:${tenant_id}:${params['name'] ?? ''}:${key}`,
    })
  }

  return [
    {
      method: 'GET',
      path: '/api/v1/tenants/:tenant_id/schedules',
      summary: 'Schedules of the tenant',
      scope: 'pipelines:read',
      tenant: 'tenant_id',
      rate: 'read',
      answers: [200],
      handle: async ({ principal }) => ({
        status: 200,
        body: {
          items: (await store.schedules(principal.tenant_id)).map((row) => scheduleAnswer(principal.tenant_id, row)),
          next_cursor: null,
        },
      }),
    },
    {
      method: 'GET',
      path,
      summary: 'A schedule',
      scope: 'pipelines:read',
      tenant: 'tenant_id',
      rate: 'read',
      answers: [200],
      handle: async ({ principal, params }) => {
        const [row] = await store.schedules(principal.tenant_id, params['name'])
        if (row === undefined) throw noSchedule(params['name'])
        return { status: 200, body: scheduleAnswer(principal.tenant_id, row) }
      },
    },
    {
      method: 'PUT',
      path,
      summary: 'Make or change a schedule',
      scope: 'configs:write',
      tenant: 'tenant_id',
      rate: 'admin',
      body: scheduleBody,
      answers: [200, 202],
      handle: async (call) => {
        const body = call.body as ScheduleBody
        const wanted = offered(parts, body.pipeline)
        const cron = body.cron ?? suggestedBy(wanted)
        const { tenant_id } = call.principal
        const put = () => change(call, 'put', { ...body, pipeline: wanted.path, cron })
        const { run_id, ended } = await parts.room.forOneMore(heldBy(parts, call), put)
        if (ended === undefined)
          return {
            status: 202,
            body: { tenant_id, name: call.params['name'], status: 'RUNNING', pipeline_logging_id: run_id },
          }
        const [row] = await store.schedules(tenant_id, call.params['name'])
        if (row === undefined)
          throw new AppError('UNAVAILABLE', 'the schedule was stored and cannot be read yet; read it again')
        return { status: 200, body: { ...scheduleAnswer(tenant_id, row), pipeline_logging_id: run_id } }
      },
    },
    {
      method: 'DELETE',
      path,
      summary: 'Remove a schedule',
      scope: 'configs:write',
      tenant: 'tenant_id',
      rate: 'admin',
      answers: [200, 202],
      handle: async (call) => {
        const { tenant_id } = call.principal
        const [row] = await store.schedules(tenant_id, call.params['name'])
        if (row === undefined) throw noSchedule(call.params['name'])
        const { run_id, ended } = await change(call, 'delete', { pipeline: row.pipeline, cron: row.cron })
        return {
          status: ended === undefined ? 202 : 200,
          body: { tenant_id, name: row.name, deleted: ended !== undefined, pipeline_logging_id: run_id },
        }
      },
    },
  ]
}
