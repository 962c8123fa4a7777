/**
 * What everybody agrees on: events, errors, names, topology, tables. The facts stand in schemas/; this module types and
 * checks them.
 * Nothing here does I/O after it was loaded.
 */
import { createHash } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import addFormatsModule from 'ajv-formats'
import { parse } from 'yaml'
import { errors } from './errors.generated.ts'
import type { EventBodies, Fault, Limits, Run, TenantChanged } from './events.generated.ts'

export type {
  CompiledStep,
  EventBodies,
  Fault,
  Limits,
  NextStep,
  Run,
  RunAdmitted,
  RunCompleted,
  RunFailed,
  RunRequested,
  SchedulerTick,
  StepCompleted,
  TenantChanged,
} from './events.generated.ts'

export * from './credentials.ts'
export * from './names.ts'
export * from './parameters.ts'
export * from './quota.ts'
export * from './sources.ts'

/** The folder of schemas/, wherever the package is installed. */
export const schemasFolder = dirname(createRequire(import.meta.url).resolve('@convergence/schemas/package.json'))
const readJson = (path: string): unknown => JSON.parse(readFileSync(join(schemasFolder, path), 'utf8'))

/** A table or view by its whole name. */
export interface TableRef {
  project_id: string
  dataset: string
  table: string
}

// ---- errors

export type ErrorCode = keyof typeof errors
export const errorTable: Readonly<
  Record<ErrorCode, { http_status: number; retryable: boolean; meaning: string; what_to_do: string }>
> = errors
export const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(errors, code)

/** `type` of a problem+json: names the section of docs/ERRORS.md. */
export const problemType = (code: string): string => `urn:convergence:error:${code.toLowerCase().replaceAll('_', '-')}`

/**
 * A failure with a code from schemas/errors.json; the table says whether to retry and which HTTP status it has. The
 * message is for the client.
 */
export class AppError extends Error {
  readonly code: ErrorCode
  /** All faults at once, where there are several. */
  readonly faults: readonly string[]
  constructor(code: ErrorCode, message: string, options?: ErrorOptions & { faults?: readonly string[] }) {
    super(message, options)
    this.name = 'AppError'
    this.code = code
    this.faults = options?.faults ?? []
  }
}

/** An unknown error is worth another try; the attempt limit bounds how many. */
export const isRetryable = (error: unknown): boolean => !(error instanceof AppError) || errors[error.code].retryable

/** The error as an event or row carries it: an unknown error shows its class, never its message or stack. */
export const faultOf = (error: unknown): Fault =>
  error instanceof AppError
    ? // Cut, or told of something cut, it may end in half of a character.
      { code: error.code, message: [error.message, ...error.faults].join('\n').slice(0, 4000).toWellFormed() }
    : {
        code: 'INTERNAL',
        message: `unexpected ${error instanceof Error ? error.name : typeof error}; the log has it under the run's id`,
      }

// ---- topology

export type Topic = keyof EventBodies
export type ServiceName = 'auth' | 'tenant' | 'scheduler' | 'executor' | 'notifier'
export const serviceNames: readonly ServiceName[] = ['auth', 'tenant', 'scheduler', 'executor', 'notifier']

export interface Reader {
  /** Pub/Sub filter on attributes; everything when missing. */
  filter?: string
  /** Deliveries before the message goes to the dead letters; default 20. */
  max_delivery_attempts?: number
}
export interface TopicSpec {
  publishers: string[]
  readers: Partial<Record<ServiceName, Reader>>
  feed?: ServiceName
}
export const topology = parse(readFileSync(join(schemasFolder, 'topology.yaml'), 'utf8')) as Readonly<
  Record<Topic, TopicSpec>
>
export const topics = Object.keys(topology) as Topic[]

const byCodeUnits = ([a]: [string, unknown], [b]: [string, unknown]): number => {
  if (a === b) return 0
  return a < b ? -1 : 1
}

/** JSON with sorted keys: equal values have equal text. */
export const canonicalJson = (value: unknown): string =>
  JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(byCodeUnits))
      : inner,
  )

/** SHA-256 of the canonical JSON, hex. */
export const digestOf = (value: unknown): string => createHash('sha256').update(canonicalJson(value)).digest('hex')

/** What two requests under one idempotency key must have in common; else IDEMPOTENCY_MISMATCH. */
export const requestDigest = ({
  action = 'start',
  pipeline = '',
  parameters = {},
  parent_run_id,
}: {
  pipeline?: string
  parameters?: Run['parameters']
  action?: string
  parent_run_id?: string
}): string => digestOf({ action, pipeline, parameters, ...(parent_run_id === undefined ? {} : { parent_run_id }) })

// ---- events

const addFormats = addFormatsModule as unknown as (ajv: Ajv) => void
const ajv = new Ajv({ allErrors: true, strict: true, allowUnionTypes: true })
addFormats(ajv)
for (const file of readdirSync(join(schemasFolder, 'events'))) ajv.addSchema(readJson(`events/${file}`) as object)

const validators = new Map<Topic, ValidateFunction>()
/** Compiled at the first event of the topic. */
const check = (topic: Topic): ValidateFunction => {
  const validate = validators.get(topic) ?? ajv.getSchema(`${topic}.v1.json`)
  if (validate === undefined) throw new Error(`schemas/events/${topic}.v1.json is missing`)
  validators.set(topic, validate)
  return validate
}

/**
 * Throws EVENT_INVALID, with every fault, unless the value is a body of the topic. A reader ignores fields that it does
 * not know.
 */
export function assertEvent<T extends Topic>(topic: T, value: unknown): asserts value is EventBodies[T] {
  const validate = check(topic)
  if (!validate(value)) {
    throw new AppError('EVENT_INVALID', `${topic}: the body does not follow schemas/events/${topic}.v1.json`, {
      faults: (validate.errors ?? []).slice(0, 20).map(wordFault),
    })
  }
}
/**
 * Where a value read from this JSON text has half of a character (a lone surrogate), which JSON can say and UTF-8 and
 * the warehouse cannot; undefined
 * where it has none. Nearly always one look at the text tells.
 */
export const brokenText = (text: string, value: unknown, path = 'body'): string | undefined => {
  if (!/\\u[dD]/.test(text)) return undefined
  const look = (inner: unknown, at: string): string | undefined => {
    if (typeof inner === 'string') return inner.isWellFormed() ? undefined : at
    if (typeof inner !== 'object' || inner === null) return undefined
    for (const [key, each] of Object.entries(inner)) {
      const found = key.isWellFormed() ? look(each, `${at}.${key}`) : at
      if (found !== undefined) return found
    }
    return undefined
  }
  return look(value, path)
}
const wordFault = ({ instancePath, message, keyword }: ErrorObject): string =>
  `${instancePath === '' ? 'body' : instancePath.slice(1).replaceAll('/', '.')}: ${message ?? keyword}`

/** The attributes that filters, checks and traces need; never payload. */
export const eventAttributes = <T extends Topic>(topic: T, event: EventBodies[T]): Record<string, string> => {
  const body = event as { tenant_id?: string; run_id?: string; run?: Run; next?: { host: string }[] }
  const attributes: Record<string, string> = { event: topic, version: '1' }
  const tenant_id = body.run?.tenant_id ?? body.tenant_id
  if (tenant_id !== undefined) attributes['tenant_id'] = tenant_id
  const run_id = body.run?.run_id ?? body.run_id
  if (run_id !== undefined) attributes['run_id'] = run_id
  if (body.next !== undefined) {
    for (const { host } of body.next) attributes[`for_${host}`] = '1'
    if (body.next.length === 0) attributes['last'] = '1'
  }
  if ((topic === 'run-completed' || topic === 'run-failed') && (body.run?.notifications.length ?? 0) > 0)
    attributes['notify'] = '1'
  return attributes
}

// ---- runs

/** What tables and answers say of a run that has only been asked for, by the names of `tenant_pipeline_runs`. */
export const recordOf = (
  run: Pick<
    Run,
    | 'run_id'
    | 'tenant_id'
    | 'pipeline'
    | 'pipeline_id'
    | 'trigger_type'
    | 'trigger_by'
    | 'user_id'
    | 'parameters'
    | 'parent_run_id'
    | 'requested_at'
  >,
) => ({
  pipeline_logging_id: run.run_id,
  pipeline_id: run.pipeline_id,
  pipeline: run.pipeline,
  tenant_id: run.tenant_id,
  trigger_type: run.trigger_type,
  trigger_by: run.trigger_by ?? null,
  user_id: run.user_id ?? null,
  parameters: run.parameters,
  parent_run_id: run.parent_run_id ?? null,
  requested_at: run.requested_at,
  start_time: null,
  end_time: null,
  duration_ms: null,
  error_code: null,
  error_message: null,
})

// ---- tables

export const columnTypes = [
  'STRING',
  'BYTES',
  'INT64',
  'FLOAT64',
  'NUMERIC',
  'BIGNUMERIC',
  'BOOL',
  'DATE',
  'TIME',
  'TIMESTAMP',
  'DATETIME',
  'JSON',
  'STRUCT',
] as const
export type ColumnType = (typeof columnTypes)[number]
/** A column as BigQuery's REST API has it; STRUCT has `fields`. */
export interface Column {
  name: string
  type: ColumnType
  mode?: 'NULLABLE' | 'REQUIRED' | 'REPEATED'
  description?: string
  fields?: Column[]
}
export interface TimePartitioning {
  field?: string
  type: 'DAY' | 'MONTH' | 'HOUR' | 'YEAR'
}
export interface TableSpec {
  table: string
  dataset: string
  writer: ServiceName
  description: string
  columns: Column[]
  time_partitioning?: TimePartitioning
  clustering_fields?: string[]
}
/** The central tables, by name. */
export const tables: Readonly<Record<string, TableSpec>> = Object.fromEntries(
  readdirSync(join(schemasFolder, 'tables'))
    .sort()
    .map((file) => {
      const spec = readJson(`tables/${file}`) as TableSpec
      return [spec.table, spec]
    }),
)
/** GoogleSQL of each view with its placeholders {project_id} and {tenant_id}, by name. */
export const views: Readonly<Record<string, string>> = Object.fromEntries(
  readdirSync(join(schemasFolder, 'views'))
    .sort()
    .map((file) => [file.replace(/\.sql$/, ''), readFileSync(join(schemasFolder, 'views', file), 'utf8')]),
)

// ---- plans

export type PlanName = TenantChanged['plan']
/** Of what a tenant may have how many. */
export interface Holdings {
  schedules: number
  credentials: number
  /** API keys that work. */
  keys: number
}
const planEntries = Object.entries(
  parse(readFileSync(join(schemasFolder, 'plans.yaml'), 'utf8')) as Record<PlanName, Limits & { holds: Holdings }>,
)
/** Limits of each plan. */
export const plans = Object.fromEntries(
  planEntries.map(([name, { holds: _holds, ...limits }]) => [name, limits]),
) as Readonly<Record<PlanName, Limits>>
export const holdings = Object.fromEntries(planEntries.map(([name, { holds }]) => [name, holds])) as Readonly<
  Record<PlanName, Holdings>
>
