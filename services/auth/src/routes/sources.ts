import { AppError, isClaim, namePatterns, sourceFaults, sourceKinds, systemPipelines } from '@convergence/contracts'
import type { SourceSettings } from '@convergence/contracts'
import type { RouteContext } from '../context.ts'
import { text } from '../fields.ts'
import { randomDigits } from '../issue-key.ts'
import { cursorField, limitField, limitOf, readCursor, writeCursor } from '../paging.ts'
import { notFound, type Answer, type Call, type Route } from '../route.ts'
import { sourceBody } from '../source-schema.ts'
import type { StoredSource } from '../store/settings.ts'

const sourceAnswer = (tenant_id: string, { name, settings, version }: Omit<StoredSource, 'recorded_at'>) => ({
  tenant_id,
  name,
  ...settings,
  pipeline: sourceKinds.find(({ provider, kind }) => provider === settings.provider && kind === settings.kind)
    ?.pipeline,
  version,
})

const path = '/api/v1/tenants/:tenant_id/sources/:name'
const common = { tenant: 'tenant_id' } as const
const forms = { name: namePatterns.source }

const noSource = (name: string | undefined) =>
  new AppError('NOT_FOUND', `no source ${name ?? ''}; list them: GET /api/v1/tenants/{tenant_id}/sources`)

/** The admin may name a tenant that is none. */
const tenantOf = async ({ tenants }: RouteContext, { params }: Call): Promise<string> => {
  const tenant_id = params['tenant_id'] ?? ''
  if ((await tenants.get(tenant_id)) === undefined) throw notFound()
  return tenant_id
}

/** A run of the platform about the source that the path names. */
const ask = (
  { deps, runs }: RouteContext,
  { principal, params, user_id, idempotency_key }: Call,
  pipeline: string,
  parameters: Readonly<Record<string, string | boolean>>,
) => {
  const tenant_id = params['tenant_id'] ?? ''
  const name = params['name'] ?? ''
  const key = idempotency_key ?? randomDigits(22, deps.random_bytes)
  return runs.system({
    pipeline,
    parameters: { for_tenant_id: tenant_id, source_name: name, ...parameters },
    trigger_by: principal.key_id,
    user_id,
    idempotency_key: `source:${tenant_id}:${name}:${key}`,
  })
}
const underWay = (tenant_id: string, name: string | undefined, run_id: string): Answer => ({
  status: 202,
  body: { tenant_id, name, status: 'RUNNING', pipeline_logging_id: run_id },
})

/** A kind that nothing here loads would be a source in vain. */
const pipelineFaults = ({ deps }: RouteContext, body: unknown): string[] => {
  const { provider, kind } = body as Partial<SourceSettings>
  const known = sourceKinds.find((each) => each.provider === provider && each.kind === kind)
  return known === undefined || deps.pipelines.get(known.pipeline) !== undefined
    ? []
    : [`kind: no pipeline loads ${known.provider} ${known.kind} here; expected one of those in docs/SOURCES.md`]
}

const put = async (context: RouteContext, call: Call): Promise<Answer> => {
  const tenant_id = await tenantOf(context, call)
  const name = call.params['name'] ?? ''
  const faults = [...sourceFaults(call.body), ...pipelineFaults(context, call.body)]
  if (faults.length > 0)
    throw new AppError('BODY_INVALID', `body: ${faults.length === 1 ? '1 fault' : `${faults.length} faults`}`, {
      faults: faults.map((fault) => `body.${fault}`),
    })
  const settings = call.body as SourceSettings
  const may_claim = context.deps.local_mode || call.principal.kind === 'admin'
  if (!may_claim && isClaim(settings))
    throw new AppError(
      'FORBIDDEN',
      (settings.provider === 'gcp'
        ? 'body.table: expected an export in a bucket, got a table, which the platform reads by its own right; '
        : 'body.credential: expected the name of a stored credential of the tenant, got none; ') +
        'only the admin key may have the platform read by its own right',
    )
  const parameters = { settings: JSON.stringify(settings), may_claim }
  const { run_id, ended } = await ask(context, call, systemPipelines.source, parameters)
  if (ended === undefined) return underWay(tenant_id, name, run_id)
  const { created, version } = ended.outputs
  return {
    status: created === true ? 201 : 200,
    body: { ...sourceAnswer(tenant_id, { name, settings, version: Number(version) }), pipeline_logging_id: run_id },
  }
}

const remove = async (context: RouteContext, call: Call): Promise<Answer> => {
  const tenant_id = await tenantOf(context, call)
  const { name } = call.params
  const purge = call.query['purge'] === 'true'
  // Rows of a source that was removed before can still be removed: its run says NOT_FOUND of one that never was.
  if (!purge && (await context.store.source(tenant_id, name ?? '')) === undefined) throw noSource(name)
  const pipeline = purge ? systemPipelines.source_purge : systemPipelines.source_removal
  const { run_id, ended } = await ask(context, call, pipeline, {})
  if (ended === undefined) return underWay(tenant_id, name, run_id)
  const { rows_removed, removed } = ended.outputs
  return {
    status: 200,
    body: {
      tenant_id,
      name,
      deleted: true,
      ...(purge ? { rows_removed, removed } : {}),
      pipeline_logging_id: run_id,
    },
  }
}

/** What is wrong with a source is the answer; what is wrong with the check is an error. */
const check = async (context: RouteContext, call: Call): Promise<Answer> => {
  const tenant_id = await tenantOf(context, call)
  const { name } = call.params
  if ((await context.store.source(tenant_id, name ?? '')) === undefined) throw noSource(name)
  const all_names = context.deps.local_mode || call.principal.kind === 'admin'
  const { run_id, ended } = await ask(context, call, systemPipelines.source_check, { all_names })
  if (ended === undefined) return underWay(tenant_id, name, run_id)
  const { ok, found, problems, notes } = ended.outputs
  return { status: 200, body: { tenant_id, name, ok, found, problems, notes, pipeline_logging_id: run_id } }
}

const list = async (context: RouteContext, call: Call): Promise<Answer> => {
  const tenant_id = await tenantOf(context, call)
  const limit = limitOf(call.query)
  const after = readCursor(call.query['cursor'], 1)?.[0]
  const page = { limit: limit + 1, ...(after === undefined ? {} : { after }) }
  const found = await context.store.sourcePage(tenant_id, page)
  const items = found.slice(0, limit)
  return {
    status: 200,
    body: {
      items: items.map((row) => ({ ...sourceAnswer(tenant_id, row), changed_at: row.recorded_at })),
      next_cursor: found.length > limit ? writeCursor([items.at(-1)?.name ?? '']) : null,
    },
  }
}

/** Sources belong to the tenant service: changes are runs of the platform, reads go to its view. */
export const sources = (context: RouteContext): Route[] => [
  {
    method: 'GET',
    path: '/api/v1/tenants/:tenant_id/sources',
    summary: 'Sources of the tenant: where its exports are',
    scope: 'pipelines:read',
    ...common,
    rate: 'read',
    query: { cursor: cursorField, limit: limitField },
    answers: [200],
    handle: (call) => list(context, call),
  },
  {
    method: 'GET',
    path,
    forms,
    summary: 'A source',
    scope: 'pipelines:read',
    ...common,
    rate: 'read',
    answers: [200],
    handle: async (call) => {
      const tenant_id = await tenantOf(context, call)
      const row = await context.store.source(tenant_id, call.params['name'] ?? '')
      if (row === undefined) throw noSource(call.params['name'])
      return { status: 200, body: { ...sourceAnswer(tenant_id, row), changed_at: row.recorded_at } }
    },
  },
  {
    method: 'PUT',
    path,
    forms,
    summary: 'Make or change a source. What another tenant claims is 409, which does not say whose it is',
    scope: 'sources:write',
    ...common,
    rate: 'admin',
    body: sourceBody,
    answers: [201, 200, 202],
    handle: (call) => put(context, call),
  },
  {
    method: 'DELETE',
    path,
    forms,
    summary: 'Remove a source; what it loaded stays, unless purge is true',
    query: { purge: text('Whether its rows go too', { enum: ['true', 'false'], default: 'false' }) },
    scope: 'sources:write',
    ...common,
    rate: 'admin',
    answers: [200, 202],
    handle: (call) => remove(context, call),
  },
  {
    method: 'POST',
    path: `${path}/check`,
    forms,
    summary: 'List and read one row of a source: loads nothing and costs no quota',
    scope: 'sources:write',
    ...common,
    rate: 'admin',
    answers: [200, 202],
    handle: (call) => check(context, call),
  },
]
