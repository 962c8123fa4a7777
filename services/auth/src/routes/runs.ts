import { createHash } from 'node:crypto'
import { AppError, namePatterns, runId, type CompiledStep, type Run } from '@convergence/contracts'
import { readsOf } from '@convergence/pipeline'
import type { QueryParameter } from '@convergence/warehouse'
import { isFormat, text, type Field } from '../fields.ts'
import { randomDigits } from '../issue-key.ts'
import { cursorField, limitField, limitOf, readCursor, writeCursor } from '../paging.ts'
import type { Parts } from '../parts.ts'
import {
  eventsOf,
  hasEnded,
  isTerminal,
  runAnswer,
  statuses,
  summaryAnswer,
  type RunEvent,
  type RunRecord,
  type RunStatus,
} from '../record.ts'
import type { Call, Route, Sink } from '../route.ts'
import { offered, pipelinePath } from './pipelines.ts'

const parametersBody: Field = {
  type: 'object',
  description: 'Parameters of the run, as the pipeline declares them',
  properties: {},
  additionalProperties: { type: ['string', 'integer', 'number', 'boolean', 'null'] },
}
const timeField = (description: string): Field => ({
  type: 'string',
  description,
  pattern: '^\\d{4}-\\d\\d-\\d\\d(T\\d\\d:\\d\\d:\\d\\d(\\.\\d{1,6})?(Z|[+-]\\d\\d:\\d\\d))?$',
  maxLength: 40,
})

const heartbeatMs = 15_000
/**
 * When a run of which not everything was heard is looked up while somebody watches it: first after this, then ever more
 * seldom.
 */
const lookMs = 2_000
const mostBeatsBetweenLooks = 30

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
  if (run === undefined)
    throw new AppError('NOT_FOUND', 'no such thing, or not yours; check the path and the tenant of the key')
  return run
}

export const runs = (parts: Parts): Route[] => {
  const { deps, store, live, tenants } = parts
  const reading = { scope: 'pipelines:read', tenant: 'run', rate: 'read' } as const
  return [
    {
      method: 'POST',
      path: '/api/v1/pipelines/run/:tenant_id/:provider/:domain/:template',
      summary: 'Run a pipeline; with dry_run=true only tell what it would do',
      scope: 'pipelines:run',
      tenant: 'tenant_id',
      rate: 'run',
      body: parametersBody,
      query: { dry_run: text('true: runs nothing', { enum: ['true', 'false'] }) },
      answers: [202, 200],
      handle: async ({ principal, params, query, body, idempotency_key, user_id, request_id }) => {
        const pipeline = offered(parts, pipelinePath(params))
        const parameters = body as Run['parameters']
        if (query['dry_run'] === 'true') {
          const run = deps.pipelines.compile({
            run_id: runId(principal.tenant_id, `dry-run:${request_id}`),
            tenant_id: principal.tenant_id,
            pipeline: pipeline.path,
            parameters,
            trigger_type: 'api',
            requested_at: deps.now().toISOString(),
          })
          return { status: 200, body: await planOf(parts, run) }
        }
        const run = await parts.runs.request({
          tenant_id: principal.tenant_id,
          pipeline: pipeline.path,
          parameters,
          idempotency_key: idempotency_key ?? randomDigits(22, deps.random_bytes),
          key_given: idempotency_key !== undefined,
          trigger_type: 'api',
          trigger_by: principal.key_id,
          advise: () => tenants.advise(principal.tenant_id),
          ...(user_id === undefined ? {} : { user_id }),
        })
        return accepted(run, 'accepted; follow it under links')
      },
    },
    {
      method: 'GET',
      path: '/api/v1/pipelines/runs',
      summary: 'Runs, newest first',
      scope: 'pipelines:read',
      tenant: 'own',
      rate: 'read',
      answers: [200],
      query: {
        status: text('Only runs in this status', { enum: statuses }),
        pipeline_id: text('Only runs of this pipeline', { pattern: namePatterns.pipeline_id }),
        from: timeField('Asked for at this time or later; a date or a time'),
        to: timeField('Asked for before this time; a date counts whole'),
        cursor: cursorField,
        limit: limitField,
      },
      handle: async ({ principal, query }) => {
        const limit = limitOf(query)
        const [at, id] = readCursor(query['cursor'], 2) ?? []
        if (at !== undefined && Number.isNaN(Date.parse(at)))
          throw new AppError('BODY_INVALID', 'query.cursor: expected the next_cursor of an earlier answer')
        const { status, pipeline_id } = query
        const found = await store.runs(principal.tenant_id, {
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
        return {
          status: 200,
          body: {
            items: items.map(summaryAnswer),
            next_cursor:
              found.length > limit && last !== undefined
                ? writeCursor([last.requested_at ?? '', last.pipeline_logging_id])
                : null,
          },
        }
      },
    },
    {
      method: 'GET',
      path: '/api/v1/pipelines/runs/:run_id',
      aliases: ['/api/v1/pipelines/:run_id/status'],
      summary: 'A run and its steps',
      ...reading,
      admin_too: true,
      answers: [200],
      handle: (call) => ({ status: 200, body: runAnswer(theRun(call)) }),
    },
    {
      method: 'GET',
      path: '/api/v1/pipelines/runs/:run_id/events',
      summary: 'Every event of a run from its start, as an event stream that ends with the run',
      ...reading,
      answers: [200],
      handle: (call) => ({ status: 200, stream: (sink) => streamEvents(parts, call, theRun(call), sink) }),
    },
    {
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
    },
    {
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
        const skip = await doneBefore(parts, parent)
        const run = await parts.runs.request({
          tenant_id: parent.tenant_id,
          pipeline: path,
          parameters: parent.parameters,
          idempotency_key,
          key_given: true,
          trigger_type: 'resume',
          trigger_by: call.principal.key_id,
          parent_run_id: parent.pipeline_logging_id,
          skip,
          advise: () => tenants.advise(parent.tenant_id),
          ...(call.user_id === undefined ? {} : { user_id: call.user_id }),
        })
        return before === undefined
          ? accepted(run, `accepted as a new run that goes on where ${parent.pipeline_logging_id} ended`)
          : accepted(before, resumedBefore(parent, before))
      },
    },
  ]
}

const mostResumptions = 50
/**
 * Steps that need not run again: those that succeeded in the run or in one that it resumed, for a run records none that
 * it skipped.
 * Throws CONFLICT when not all of them can be told: a step that appends would append again.
 */
const doneBefore = async ({ runs: asked }: Parts, ended: RunRecord): Promise<string[]> => {
  const done = new Set<string>()
  let run = ended
  for (let resumed = 0; ; resumed += 1) {
    for (const { step_id, status } of run.steps) if (status === 'SUCCEEDED' || status === 'SKIPPED') done.add(step_id)
    // Only here does a run that names a parent go on where that one ended; a publisher says itself what is skipped, and
    // may name any run.
    if (run.trigger_type !== 'resume' || run.parent_run_id === null) return [...done]
    if (resumed >= mostResumptions)
      throw new AppError(
        'CONFLICT',
        `run ${ended.pipeline_logging_id} was resumed ${mostResumptions} times already; ask for a new run`,
      )
    const parent = await asked.find(run.parent_run_id, ended.tenant_id)
    if (parent === undefined)
      throw new AppError(
        'CONFLICT',
        `run ${run.pipeline_logging_id} went on where ${run.parent_run_id} ended, which is not known any more, nor what it had done; ask for a new run`,
      )
    run = parent
  }
}

/** What is to be done about a run that was resumed already. */
const resumedBefore = (
  { pipeline_logging_id: id }: RunRecord,
  { pipeline_logging_id: next, status }: RunRecord,
): string => {
  const told = `run ${id} was resumed before as run ${next}, which is ${status}`
  if (!hasEnded(status)) return `${told}; follow it under links`
  return status === 'COMPLETED' ? `${told}; there is nothing to resume` : `${told}; to go on, resume ${next}`
}

/** A date is its first moment, `days` later; a time is itself. Throws BODY_INVALID for a day that does not exist. */
const startOf = (given: string, days: number): string => {
  const isDate = given.length === 10
  if (!isFormat(isDate ? 'date' : 'date-time', given))
    throw new AppError(
      'BODY_INVALID',
      `query: ${given} is no date or time; expected such as 2026-01-31 or 2026-01-31T06:00:00Z`,
    )
  return new Date(isDate ? Date.parse(`${given}T00:00:00Z`) + days * 86_400_000 : Date.parse(given)).toISOString()
}

// ---- events

/**
 * The id of an event names all that this watcher has been sent so far: how many, and a digest of which. Replicas may
 * have heard steps of a run that run
 * at the same time in another order, so a number alone would lose or double events of whoever comes back through
 * another replica.
 */
const eventId = (keys: ReadonlySet<string>): string =>
  `${keys.size}-${createHash('sha256')
    .update([...keys].sort().join('\n'))
    .digest('hex')
    .slice(0, 12)}`

const streamEvents = async (
  { live, store, runs: asked }: Parts,
  call: Call,
  run: RunRecord,
  { write, signal }: Sink,
): Promise<void> => {
  const sent = new Set<string>()
  let over = false
  // Events that the watcher may have: held back until they are as many as it had. If they turn out to be others, all
  // are sent again.
  const had = Number(/^(\d{1,6})-[0-9a-f]{12}$/.exec(call.last_event_id)?.[1] ?? 0)
  let held: string[] | undefined = had > 0 ? [] : undefined
  const send = (events: readonly RunEvent[]) => {
    for (const event of events) {
      if (over || sent.has(event.key)) continue
      sent.add(event.key)
      if (isTerminal(event)) over = true
      const id = eventId(sent)
      const text = `id: ${id}\nevent: ${event.event}\ndata: ${JSON.stringify(event.data)}\n\n`
      if (held === undefined) write(text)
      else if (id === call.last_event_id) held = undefined
      else {
        held.push(text)
        if (sent.size < had && !over) continue
        for (const line of held) write(line)
        held = undefined
      }
    }
  }
  // From here on nothing is missed: what comes while the first answer is read wakes the loop.
  let wake: () => void = () => undefined
  let woken = false
  const notify = () => {
    woken = true
    wake()
  }
  const stop = live.watch(run.pipeline_logging_id, notify)
  signal.addEventListener('abort', notify, { once: true })
  let beats = 0
  const clock = setInterval(() => {
    beats += 1
    notify()
  }, lookMs)
  try {
    const heard = live.get(run.pipeline_logging_id)
    send(
      eventsOf(
        heard?.complete === true ? heard.record : ((await asked.find(run.pipeline_logging_id, run.tenant_id)) ?? run),
      ),
    )
    let beaten = 0
    let nextLook = 1
    while (!over && !signal.aborted) {
      if (!woken)
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      woken = false
      const known = live.get(run.pipeline_logging_id)
      if (known !== undefined && (known.complete || !hasEnded(known.record.status))) send(eventsOf(known.record))
      if (over || beats === beaten) continue
      beaten = beats
      // What was missed before this replica listened is in the tables soon; the end is heard.
      if (known?.complete !== true && beats >= nextLook) {
        nextLook = beats + Math.min(beats, mostBeatsBetweenLooks)
        const read = await store.run(run.pipeline_logging_id, run.tenant_id)
        if (read !== undefined) send(eventsOf(read))
      }
      if (beats % Math.round(heartbeatMs / lookMs) !== 0) continue
      write(': still here\n\n')
      if (!(await call.stillAllowed())) return
    }
  } finally {
    clearInterval(clock)
    signal.removeEventListener('abort', notify)
    stop()
  }
}

// ---- plan

interface Destination {
  bq_project_id?: string
  dataset_type?: string
  table?: string
  write_mode?: string
  period?: Record<string, unknown>
}
interface Source {
  query?: string
  parameters?: QueryParameter[]
  s3_bucket?: string
  s3_prefix?: string
  container?: string
  prefix?: string
}

/** What a run would read and write. Nothing is run. */
const planOf = async (parts: Parts, run: Run) => {
  const steps = await Promise.all(run.steps.map((step) => planStep(parts, run, step)))
  return {
    tenant_id: run.tenant_id,
    pipeline_id: run.pipeline_id,
    parameters: run.parameters,
    dry_run: true,
    ok: steps.every(({ problems }) => problems.length === 0),
    bytes_processed: steps.reduce((sum, { bytes_processed }) => sum + (bytes_processed ?? 0), 0),
    steps,
  }
}
const planStep = async ({ deps }: Parts, run: Run, { step_id, name, ps_type, config }: CompiledStep) => {
  const destination = config['destination'] as Destination | undefined
  const source = config['source'] as Source | undefined
  const writes =
    destination?.table === undefined
      ? []
      : [
          {
            table: [
              destination.bq_project_id ?? deps.warehouse.project_id,
              destination.dataset_type,
              destination.table,
            ].join('.'),
            write_mode: destination.write_mode ?? 'append',
            period: destination.period ?? null,
          },
        ]
  const objects =
    source?.s3_bucket !== undefined
      ? [`s3://${source.s3_bucket}/${source.s3_prefix ?? ''}`]
      : source?.container !== undefined
        ? [`azure://${source.container}/${source.prefix ?? ''}`]
        : []
  const plan = {
    step_id,
    name,
    ps_type,
    reads: objects,
    writes,
    statement: source?.query ?? null,
    bytes_processed: null as number | null,
    problems: [] as string[],
  }
  if (source?.query === undefined) return plan
  try {
    const dry = await readsOf(deps.warehouse, run, run.tenant_id, deps.shared_sources, {
      query: source.query,
      parameters: source.parameters ?? [],
      default_dataset: run.tenant_id,
    })
    plan.reads = dry.referenced_tables.map(({ project_id, dataset, table }) => `${project_id}.${dataset}.${table}`)
    plan.bytes_processed = dry.bytes_processed
    if (dry.statement_type !== 'SELECT') plan.problems.push(`expected one SELECT statement, got ${dry.statement_type}`)
    for (const reads of dry.foreign)
      plan.problems.push(`SOURCE_NOT_DECLARED: ${reads}, which is neither the tenant's nor a declared source`)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    plan.problems.push(`${error.code}: ${error.message}`)
  }
  return plan
}
