/** What the platform has recorded: for the operator over all tenants, for a tenant its own. */
import { AppError, namePatterns, systemPipelines, topics } from '@convergence/contracts'
import type { RouteContext } from '../context.ts'
import { text, type Field } from '../fields.ts'
import { randomDigits } from '../issue-key.ts'
import { cursorField, limitField, limitOf, momentField, readCursor, startOf, writeCursor } from '../paging.ts'
import type { Answer, Call, Route } from '../route.ts'
import { recordLists, type RecordListName } from '../store/records.ts'

interface Listed {
  list: RecordListName
  summary: string
  /** Fields of the query that a column of the same name must equal. */
  filters: Readonly<Record<string, Field>>
}

const tenantFilter = { tenant_id: text('Only those of this tenant', { pattern: namePatterns.tenant_id }) }
const runFilter = { pipeline_logging_id: text('Only those of this run', { pattern: namePatterns.run_id }) }
const notificationFilters = {
  state: text('Only those in this state', { enum: ['INTENT', 'SENT', 'FAILED'] }),
  channel: text('Only those of this channel', { enum: ['email', 'slack', 'webhook'] }),
  ...runFilter,
}

const pageOf = async (
  { store }: RouteContext,
  { list, filters }: Listed,
  query: Call['query'],
  own: Readonly<Record<string, string>> = {},
): Promise<Answer> => {
  const limit = limitOf(query)
  const [at, id] = readCursor(query['cursor'], 2) ?? []
  if (at !== undefined && Number.isNaN(Date.parse(at)))
    throw new AppError('BODY_INVALID', 'query.cursor: expected the next_cursor of an earlier answer')
  const equal = Object.fromEntries(
    Object.keys(filters).flatMap((name) => (query[name] === undefined ? [] : [[name, query[name]]])),
  )
  const found = await store.records(list, {
    equal: { ...equal, ...own },
    limit: limit + 1,
    ...(query['from'] === undefined ? {} : { from: startOf(query['from'], 0) }),
    ...(query['to'] === undefined ? {} : { to: startOf(query['to'], 1) }),
    ...(at === undefined || id === undefined ? {} : { after: { at, id } }),
  })
  const items = found.slice(0, limit)
  const last = items.at(-1)
  const { id: idColumn, at: atColumn } = recordLists[list]
  return {
    status: 200,
    body: {
      items,
      next_cursor:
        found.length > limit && last !== undefined
          ? writeCursor([String(last[atColumn]), String(last[idColumn])])
          : null,
    },
  }
}

const listed = (filters: Readonly<Record<string, Field>>) => ({
  ...filters,
  from: momentField('Of this time or later; a date or a time'),
  to: momentField('Before this time; a date counts whole'),
  cursor: cursorField,
  limit: limitField,
})

const forTheOperator = (parts: RouteContext, path: string, wanted: Listed): Route => ({
  method: 'GET',
  path: `/api/v1/admin/${path}`,
  summary: wanted.summary,
  scope: 'admin',
  tenant: 'none',
  rate: 'admin',
  answers: [200],
  query: listed(wanted.filters),
  handle: ({ query }) => pageOf(parts, wanted, query),
})
const forATenant = (parts: RouteContext, path: string, wanted: Listed): Route => ({
  method: 'GET',
  path: `/api/v1/${path}`,
  summary: wanted.summary,
  scope: 'pipelines:read',
  tenant: 'own',
  rate: 'read',
  answers: [200],
  query: listed(wanted.filters),
  handle: ({ query, principal }) => pageOf(parts, wanted, query, { tenant_id: principal.tenant_id }),
})

const noDeadLetter = (dead_letter_id: string | undefined) =>
  new AppError('NOT_FOUND', `no dead letter ${dead_letter_id ?? ''}; list them: GET /api/v1/admin/dead-letters`)

const decide = async (
  { deps, store, runs }: RouteContext,
  { params, principal, user_id, idempotency_key }: Call,
  action: 'replay' | 'discard',
): Promise<Answer> => {
  const dead_letter_id = params['dead_letter_id'] ?? ''
  if ((await store.deadLetter(dead_letter_id)) === undefined) throw noDeadLetter(dead_letter_id)
  const { run_id, ended } = await runs.system({
    pipeline: systemPipelines.dead_letter,
    parameters: { dead_letter_id, action },
    trigger_by: principal.key_id,
    user_id,
    idempotency_key: `${action}:${dead_letter_id}:${idempotency_key ?? randomDigits(22, deps.random_bytes)}`,
  })
  if (ended === undefined)
    return { status: 202, body: { dead_letter_id, status: 'RUNNING', pipeline_logging_id: run_id } }
  const { state, run_id: asked } = ended.outputs
  return {
    status: 200,
    body: { dead_letter_id, state, replayed_run_id: asked ?? null, pipeline_logging_id: run_id },
  }
}

const deadLetterRoutes = (parts: RouteContext): Route[] => {
  const path = '/api/v1/admin/dead-letters/:dead_letter_id'
  const common = { scope: 'admin', tenant: 'none', rate: 'admin' } as const
  return [
    {
      ...common,
      method: 'GET',
      path,
      summary: 'A dead letter with its attributes and body',
      answers: [200],
      handle: async ({ params }) => {
        const found = await parts.store.deadLetter(params['dead_letter_id'] ?? '')
        if (found === undefined) throw noDeadLetter(params['dead_letter_id'])
        return { status: 200, body: found }
      },
    },
    {
      ...common,
      method: 'POST',
      path: `${path}/replay`,
      summary: 'Publish a dead letter again; a request for a run becomes a new run, once',
      answers: [200, 202],
      handle: (call) => decide(parts, call, 'replay'),
    },
    {
      ...common,
      method: 'DELETE',
      path,
      summary: 'Put a dead letter away: it stays in the table as DISCARDED',
      answers: [200, 202],
      handle: (call) => decide(parts, call, 'discard'),
    },
  ]
}

export const records = (parts: RouteContext): Route[] => [
  forTheOperator(parts, 'dead-letters', {
    list: 'dead_letters',
    summary: 'Messages that nobody could handle, newest first',
    filters: {
      ...tenantFilter,
      state: text('Only those in this state', { enum: ['NEW', 'REPLAYED', 'DISCARDED'] }),
      topic: text('Only those of this topic', { enum: topics }),
      reason: text('Only those with this error code', { pattern: namePatterns.error_code }),
    },
  }),
  ...deadLetterRoutes(parts),
  forTheOperator(parts, 'audit', {
    list: 'audit',
    summary: 'Who did what, newest first',
    filters: {
      ...tenantFilter,
      actor: text('Only by this key', { maxLength: 100 }),
      action: text('Only this action', { maxLength: 100 }),
      outcome: text('Only with this outcome', { maxLength: 100 }),
    },
  }),
  forTheOperator(parts, 'queue', {
    list: 'queue',
    summary: 'Runs that wait for a slot, longest first',
    filters: tenantFilter,
  }),
  forTheOperator(parts, 'notifications', {
    list: 'notifications',
    summary: 'What was told to whom, of all tenants, newest first',
    filters: { ...tenantFilter, ...notificationFilters },
  }),
  forATenant(parts, 'notifications', {
    list: 'notifications',
    summary: 'What was told to whom about runs of the tenant, newest first',
    filters: notificationFilters,
  }),
  forATenant(parts, 'quality', {
    list: 'quality',
    summary: 'Results of the checks of data, newest first',
    filters: { status: text('Only with this result', { enum: ['PASSED', 'WARNED', 'FAILED'] }), ...runFilter },
  }),
]
