/** Every read and write of the warehouse that this service makes. Values are bound, never written into a statement. */
import { AppError, isRetryable, plans, type PlanName, type Limits, type TenantChanged } from '@convergence/contracts'
import type { Log } from '@convergence/service'
import type { QueryParameter, Row, Warehouse } from '@convergence/warehouse'
import type { RunRecord, RunStatus, StepRecord } from './record.ts'
import { writeVersion } from './versions.ts'

export interface KeyRow {
  key_id: string
  tenant_id: string
  tenant_api_key_hash: string
  encrypted_api_key: string | null
  scopes: string[]
  description: string | null
  is_active: boolean
  expires_at: string | null
  revoked_at: string | null
  replaced_by: string | null
  created_by: string | null
  created_at: string
  version: number
}
export interface Profile {
  tenant_id: string
  company_name: string
  admin_email: string
  status: TenantChanged['status']
  plan: PlanName
  body_digest: string | null
  version: number
  /** Of the latest version, RFC 3339. */ recorded_at: string
}
export interface Tenant extends Profile {
  limits: Limits
  trial_end_date: string | null
  subscription_end_date: string | null
}
export interface Usage {
  daily: number
  monthly: number
  concurrent: number
}
export interface RequestRow {
  run_id: string
  tenant_id: string
  parameters_digest: string
}
export interface RunFilter {
  status?: RunStatus
  pipeline_id?: string
  from?: string
  to?: string
  after?: { at: string; id: string }
  limit: number
}
export interface AuditEntry {
  at: string
  actor: string
  action: string
  tenant_id: string | null
  request_id: string
  outcome: string
  detail: string | null
  event_id: string
}
export interface ScheduleRow {
  name: string
  pipeline: string
  cron: string
  timezone: string
  parameters: unknown
  priority: number
  is_active: boolean
  missed: string
  overlap: string
  next_run_time: string | null
  last_run_time: string | null
  version: number
}
export interface PublisherKeyRow {
  kid: string
  tenant_id: string
  public_key: string
  pipelines: string[]
  is_active: boolean
  not_before: string | null
  expires_at: string | null
  description: string | null
  version: number
}

export interface Store {
  keyByHash(hash: string): Promise<KeyRow | undefined>
  keyById(key_id: string): Promise<KeyRow | undefined>
  keysOf(tenant_id: string | undefined): Promise<KeyRow[]>
  /** The next version of a key, and with it a key that it calls into life; false when another writer was first. */
  writeKey(row: KeyRow, recorded_at: string, successor?: KeyRow): Promise<boolean>
  /**
   * The tenant's first key, or nothing: false when there is one already, whichever replica made it. `tenant_since`
   * tells a tenant from an earlier one of the same name.
   */
  writeFirstKey(row: KeyRow, recorded_at: string, tenant_since: string): Promise<boolean>
  tenant(tenant_id: string): Promise<Tenant | undefined>
  tenants(after: string, limit: number): Promise<Tenant[]>
  usage(tenant_id: string, day: string): Promise<Usage>
  /** The run as the tables tell; `tenant_id` undefined: of any tenant. */
  run(run_id: string, tenant_id: string | undefined): Promise<RunRecord | undefined>
  runs(tenant_id: string, filter: RunFilter): Promise<RunRecord[]>
  request(run_id: string): Promise<RequestRow | undefined>
  writeRequest(run: RunRecord, digest: string, idempotency_key: string): Promise<void>
  audit(entry: AuditEntry): Promise<void>
  schedules(tenant_id: string, name?: string): Promise<ScheduleRow[]>
  credentialVersion(tenant_id: string, credential_ref: string): Promise<number>
  /** False when another writer was first. */
  writeCredential(row: {
    credential_ref: string
    tenant_id: string
    provider: string
    sealed: string
    version: number
    recorded_at: string
  }): Promise<boolean>
  publisherKey(kid: string): Promise<PublisherKeyRow | undefined>
  publisherKeys(): Promise<PublisherKeyRow[]>
  /** False when another writer was first. */
  writePublisherKey(row: PublisherKeyRow, recorded_at: string): Promise<boolean>
}

const keyColumns =
  'key_id, tenant_id, tenant_api_key_hash, encrypted_api_key, scopes, description, is_active, expires_at, revoked_at, replaced_by, created_by, created_at, version'
const runColumns =
  'pipeline_logging_id, tenant_id, pipeline_id, pipeline, status, trigger_type, trigger_by, user_id, parameters, parent_run_id, start_time, end_time, duration_ms, error_code, error_message'
const stepColumns =
  'step_id, step_name, ps_type, status, attempt, start_time, end_time, duration_ms, rows_written, bytes_processed, outputs, error_code, error_message'
const publisherColumns =
  'kid, tenant_id, public_key, pipelines, is_active, not_before, expires_at, description, version'

/**
 * All statements here are ours: what is wrong with one is our fault or a fault of the surroundings, of which no caller
 * is told more than that it may pass.
 */
const guarded = (
  central: Warehouse,
  log: Pick<Log, 'error'>,
): Pick<Warehouse, 'project_id' | 'query' | 'append' | 'commit' | 'getDataset'> => {
  const hidden = (error: unknown): never => {
    if (!(error instanceof AppError) || isRetryable(error)) throw error
    log.error({ code: error.code, error: error.message }, 'the central tables cannot be used')
    throw new AppError('UNAVAILABLE', "the platform's own records cannot be used now; try again", { cause: error })
  }
  return {
    project_id: central.project_id,
    query: (statement, options) => central.query(statement, options).catch(hidden),
    append: (table, rows) => central.append(table, rows).catch(hidden),
    commit: (table, at, rows) => central.commit(table, at, rows).catch(hidden),
    getDataset: (dataset) => central.getDataset(dataset).catch(hidden),
  }
}

export const openStore = ({ warehouse: central, log }: { warehouse: Warehouse; log: Pick<Log, 'error'> }): Store => {
  const warehouse = guarded(central, log)
  const name = (table: string) => `\`${warehouse.project_id}.tenants.${table}\``
  const rows = (query: string, values: Readonly<Record<string, string | number | undefined>> = {}) =>
    warehouse.query({ query, parameters: bind(values) })
  const first = async (
    query: string,
    values: Readonly<Record<string, string | number | undefined>>,
  ): Promise<Row | undefined> => (await rows(query, values))[0]

  const queued = async (run_id: string): Promise<boolean> =>
    (await first(
      `SELECT queue_id FROM ${name('pipeline_execution_queue')} WHERE pipeline_logging_id = @run_id LIMIT 1`,
      { run_id },
    )) !== undefined
  const profiles = `SELECT p.tenant_id, p.company_name, p.admin_email, p.status, p.subscription_plan, p.body_digest, p.version, p.recorded_at, s.status AS subscription_status, s.subscription_plan AS plan,
    s.daily_limit, s.monthly_limit, s.concurrent_limit, s.trial_end_date, s.subscription_end_date
    FROM ${name('tenant_profiles')} AS p LEFT JOIN ${name('tenant_subscriptions')} AS s ON s.tenant_id = p.tenant_id`

  return {
    keyByHash: async (hash) =>
      keyRow(
        await first(
          `SELECT ${keyColumns} FROM ${name('tenant_api_keys')} WHERE tenant_api_key_hash = @key_hash LIMIT 1`,
          { key_hash: hash },
        ),
      ),
    keyById: async (key_id) =>
      keyRow(
        await first(`SELECT ${keyColumns} FROM ${name('tenant_api_keys')} WHERE key_id = @key_id LIMIT 1`, { key_id }),
      ),
    keysOf: async (tenant_id) =>
      (
        await rows(
          `SELECT ${keyColumns} FROM ${name('tenant_api_keys')} ${tenant_id === undefined ? '' : 'WHERE tenant_id = @tenant_id '}ORDER BY tenant_id, created_at, key_id LIMIT 500`,
          { tenant_id },
        )
      ).flatMap((row) => keyRow(row) ?? []),
    writeKey: (row, recorded_at, successor) =>
      writeVersion(
        warehouse,
        'tenant_api_keys',
        { id: row.key_id, version: row.version },
        [row, ...(successor === undefined ? [] : [successor])].map((one) => keyEntry(one, recorded_at)),
      ),
    // A tenant of this name may have had a first key in an earlier life.
    writeFirstKey: (row, recorded_at, tenant_since) =>
      writeVersion(
        warehouse,
        'tenant_api_keys',
        { id: row.key_id, version: 1, epoch: String(Date.parse(tenant_since)) },
        [keyEntry(row, recorded_at)],
      ),

    tenant: async (tenant_id) => {
      const row = await first(`${profiles} WHERE p.tenant_id = @tenant_id LIMIT 1`, { tenant_id })
      return row === undefined ? undefined : tenantOf(row)
    },
    tenants: async (after, limit) =>
      (await rows(`${profiles} WHERE p.tenant_id > @after ORDER BY p.tenant_id LIMIT ${limit}`, { after })).map(
        tenantOf,
      ),
    usage: async (tenant_id, day) => {
      const row = await first(
        `SELECT IFNULL(SUM(CASE WHEN CAST(usage_date AS STRING) = @usage_day THEN pipelines_run_today ELSE 0 END), 0) AS daily,
                IFNULL(SUM(CASE WHEN usage_month = @usage_month THEN pipelines_run_today ELSE 0 END), 0) AS monthly, IFNULL(SUM(concurrent_pipelines_running), 0) AS concurrent
         FROM ${name('tenant_usage_quotas')} WHERE tenant_id = @tenant_id`,
        { tenant_id, usage_day: day, usage_month: day.slice(0, 7) },
      )
      return {
        daily: Number(row?.['daily'] ?? 0),
        monthly: Number(row?.['monthly'] ?? 0),
        concurrent: Number(row?.['concurrent'] ?? 0),
      }
    },

    run: async (run_id, tenant_id) => {
      const mine = tenant_id === undefined ? '' : 'AND tenant_id = @tenant_id '
      const values = { run_id, tenant_id }
      const [run, request, steps] = await Promise.all([
        first(
          `SELECT ${runColumns} FROM ${name('tenant_pipeline_runs')} WHERE pipeline_logging_id = @run_id ${mine}LIMIT 1`,
          values,
        ),
        first(
          `SELECT run_id, tenant_id, pipeline, pipeline_id, parameters, trigger_type, trigger_by, user_id, requested_at FROM ${name('run_requests')} WHERE run_id = @run_id ${mine}LIMIT 1`,
          values,
        ),
        rows(
          `SELECT ${stepColumns} FROM ${name('tenant_step_logs')} WHERE pipeline_logging_id = @run_id ${mine}ORDER BY step_index`,
          values,
        ),
      ])
      if (run === undefined && request === undefined) return undefined
      const record = recordOf({
        ...request,
        pipeline_logging_id: run_id,
        ...run,
        status: run?.['status'] ?? ((await queued(run_id)) ? 'QUEUED' : 'PENDING'),
      })
      return { ...record, steps: steps.map(stepRecord), outputs: jsonOf(steps.at(-1)?.['outputs']) }
    },
    runs: async (tenant_id, { status, pipeline_id, from, to, after, limit }) => {
      const wanted = [
        status === undefined ? '' : 'status = @run_status',
        pipeline_id === undefined ? '' : 'pipeline_id = @pipeline_id',
        from === undefined ? '' : 'requested_at >= TIMESTAMP(@from_time)',
        to === undefined ? '' : 'requested_at < TIMESTAMP(@to_time)',
        after === undefined
          ? ''
          : '(requested_at < TIMESTAMP(@after_at) OR (requested_at = TIMESTAMP(@after_at) AND pipeline_logging_id < @after_id))',
      ].filter((text) => text !== '')
      const found = await rows(
        `SELECT * FROM (
           SELECT COALESCE(r.pipeline_logging_id, q.run_id) AS pipeline_logging_id, COALESCE(r.tenant_id, q.tenant_id) AS tenant_id, COALESCE(r.pipeline_id, q.pipeline_id) AS pipeline_id,
             COALESCE(r.pipeline, q.pipeline) AS pipeline, CASE WHEN r.status IS NOT NULL THEN r.status WHEN w.pipeline_logging_id IS NOT NULL THEN 'QUEUED' ELSE 'PENDING' END AS status,
             COALESCE(r.trigger_type, q.trigger_type) AS trigger_type, COALESCE(r.trigger_by, q.trigger_by) AS trigger_by, COALESCE(r.user_id, q.user_id) AS user_id,
             COALESCE(r.parameters, q.parameters) AS parameters, r.parent_run_id AS parent_run_id, COALESCE(q.requested_at, r.start_time, r.end_time, r.recorded_at) AS requested_at,
             r.start_time AS start_time, r.end_time AS end_time, r.duration_ms AS duration_ms, r.error_code AS error_code, r.error_message AS error_message
           FROM (SELECT ${runColumns}, recorded_at FROM ${name('tenant_pipeline_runs')} WHERE tenant_id = @tenant_id) AS r
           FULL OUTER JOIN (
             SELECT run_id, tenant_id, pipeline, pipeline_id, parameters, trigger_type, trigger_by, user_id, requested_at FROM ${name('run_requests')} WHERE tenant_id = @tenant_id
             QUALIFY ROW_NUMBER() OVER (PARTITION BY run_id ORDER BY requested_at) = 1
           ) AS q ON q.run_id = r.pipeline_logging_id
           LEFT JOIN (SELECT pipeline_logging_id FROM ${name('pipeline_execution_queue')} WHERE tenant_id = @tenant_id) AS w ON w.pipeline_logging_id = q.run_id
         ) AS page ${wanted.length === 0 ? '' : `WHERE ${wanted.join(' AND ')} `}ORDER BY requested_at DESC, pipeline_logging_id DESC LIMIT ${limit}`,
        {
          tenant_id,
          run_status: status,
          pipeline_id,
          from_time: from,
          to_time: to,
          after_at: after?.at,
          after_id: after?.id,
        },
      )
      return found.map(recordOf)
    },
    request: async (run_id) => {
      const row = await first(
        `SELECT run_id, tenant_id, parameters_digest FROM ${name('run_requests')} WHERE run_id = @run_id LIMIT 1`,
        { run_id },
      )
      return row === undefined
        ? undefined
        : { run_id, tenant_id: String(row['tenant_id']), parameters_digest: String(row['parameters_digest']) }
    },
    writeRequest: (run, digest, idempotency_key) =>
      warehouse.append('run_requests', [
        {
          run_id: run.pipeline_logging_id,
          tenant_id: run.tenant_id,
          pipeline: run.pipeline,
          pipeline_id: run.pipeline_id,
          parameters: run.parameters,
          parameters_digest: digest,
          trigger_type: run.trigger_type,
          trigger_by: run.trigger_by,
          user_id: run.user_id,
          idempotency_key,
          requested_at: run.requested_at,
          event_id: run.pipeline_logging_id,
        },
      ]),
    audit: (entry) => warehouse.append('auth_audit', [{ ...entry }]),

    schedules: async (tenant_id, schedule) =>
      (
        await rows(
          `SELECT name, pipeline, cron, timezone, parameters, priority, is_active, missed, overlap, next_run_time, last_run_time, version FROM ${name('tenant_pipeline_configs')}
       WHERE tenant_id = @tenant_id AND NOT is_deleted ${schedule === undefined ? '' : 'AND name = @schedule_name '}ORDER BY name LIMIT 500`,
          { tenant_id, schedule_name: schedule },
        )
      ).map((row) => ({
        name: String(row['name']),
        pipeline: String(row['pipeline']),
        cron: String(row['cron']),
        timezone: String(row['timezone']),
        parameters: jsonOf(row['parameters']),
        priority: Number(row['priority']),
        is_active: row['is_active'] === true,
        missed: String(row['missed']),
        overlap: String(row['overlap']),
        next_run_time: textOf(row['next_run_time']),
        last_run_time: textOf(row['last_run_time']),
        version: Number(row['version']),
      })),
    credentialVersion: async (tenant_id, credential_ref) =>
      Number(
        (
          await first(
            `SELECT version FROM ${name('tenant_cloud_credentials')} WHERE tenant_id = @tenant_id AND credential_ref = @credential_ref LIMIT 1`,
            { tenant_id, credential_ref },
          )
        )?.['version'] ?? 0,
      ),
    writeCredential: (row) =>
      writeVersion(
        warehouse,
        'tenant_cloud_credentials',
        { id: `${row.tenant_id}/${row.credential_ref}`, version: row.version },
        [{ ...row, is_active: true, event_id: `${row.tenant_id}:${row.credential_ref}:v${row.version}` }],
      ),
    publisherKey: async (kid) =>
      publisherKeyOf(
        await first(`SELECT ${publisherColumns} FROM ${name('publisher_keys')} WHERE kid = @kid LIMIT 1`, { kid }),
      ),
    publisherKeys: async () =>
      (await rows(`SELECT ${publisherColumns} FROM ${name('publisher_keys')} ORDER BY kid LIMIT 500`)).flatMap(
        (row) => publisherKeyOf(row) ?? [],
      ),
    writePublisherKey: (row, recorded_at) =>
      writeVersion(warehouse, 'publisher_keys', { id: row.kid, version: row.version }, [
        { ...row, event_id: `${row.kid}:v${row.version}`, recorded_at },
      ]),
  }
}

/** Only parameters that have a value: a statement names exactly those. */
const bind = (values: Readonly<Record<string, string | number | undefined>>): QueryParameter[] =>
  Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [{ name, type: typeof value === 'number' ? 'INT64' : 'STRING', value }],
  )

const textOf = (value: unknown): string | null => (value === null || value === undefined ? null : String(value))
const numberOf = (value: unknown): number | null => (value === null || value === undefined ? null : Number(value))
const jsonOf = (value: unknown): Record<string, never> => {
  const parsed: unknown = typeof value === 'string' ? JSON.parse(value) : value
  return parsed !== null && typeof parsed === 'object' && !Array.isArray(parsed)
    ? (parsed as Record<string, never>)
    : {}
}
const listOf = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : [])

const keyRow = (row: Row | undefined): KeyRow | undefined =>
  row === undefined
    ? undefined
    : {
        key_id: String(row['key_id']),
        tenant_id: String(row['tenant_id']),
        tenant_api_key_hash: String(row['tenant_api_key_hash']),
        encrypted_api_key: textOf(row['encrypted_api_key']),
        scopes: listOf(row['scopes']),
        description: textOf(row['description']),
        is_active: row['is_active'] === true,
        expires_at: textOf(row['expires_at']),
        revoked_at: textOf(row['revoked_at']),
        replaced_by: textOf(row['replaced_by']),
        created_by: textOf(row['created_by']),
        created_at: String(row['created_at']),
        version: Number(row['version']),
      }

const publisherKeyOf = (row: Row | undefined): PublisherKeyRow | undefined =>
  row === undefined
    ? undefined
    : {
        kid: String(row['kid']),
        tenant_id: String(row['tenant_id']),
        public_key: String(row['public_key']),
        pipelines: listOf(row['pipelines']),
        is_active: row['is_active'] === true,
        not_before: textOf(row['not_before']),
        expires_at: textOf(row['expires_at']),
        description: textOf(row['description']),
        version: Number(row['version']),
      }

const keyEntry = (row: KeyRow, recorded_at: string): Row => ({
  ...row,
  event_id: `${row.key_id}:v${row.version}`,
  recorded_at,
})
const tenantOf = (row: Row): Tenant => {
  const plan = String(row['plan'] ?? row['subscription_plan']) as PlanName
  const profile = String(row['status']) as Tenant['status']
  const subscription = (textOf(row['subscription_status']) ?? 'ACTIVE') as Tenant['status']
  return {
    tenant_id: String(row['tenant_id']),
    company_name: String(row['company_name']),
    admin_email: String(row['admin_email']),
    status: profile === 'ACTIVE' ? subscription : profile,
    plan,
    body_digest: textOf(row['body_digest']),
    version: Number(row['version']),
    recorded_at: String(row['recorded_at']),
    trial_end_date: textOf(row['trial_end_date']),
    subscription_end_date: textOf(row['subscription_end_date']),
    limits: {
      daily: Number(row['daily_limit'] ?? plans[plan].daily),
      monthly: Number(row['monthly_limit'] ?? plans[plan].monthly),
      concurrent: Number(row['concurrent_limit'] ?? plans[plan].concurrent),
    },
  }
}

const recordOf = (row: Row): RunRecord => ({
  pipeline_logging_id: String(row['pipeline_logging_id']),
  tenant_id: String(row['tenant_id']),
  pipeline_id: String(row['pipeline_id']),
  pipeline: String(row['pipeline']),
  status: String(row['status']) as RunStatus,
  trigger_type: String(row['trigger_type']),
  trigger_by: textOf(row['trigger_by']),
  user_id: textOf(row['user_id']),
  parameters: jsonOf(row['parameters']),
  parent_run_id: textOf(row['parent_run_id']),
  requested_at: textOf(row['requested_at']),
  start_time: textOf(row['start_time']),
  end_time: textOf(row['end_time']),
  duration_ms: numberOf(row['duration_ms']),
  error_code: textOf(row['error_code']),
  error_message: textOf(row['error_message']),
  resets_at: null,
  steps: [],
  outputs: {},
})
const stepRecord = (row: Row): StepRecord => ({
  step_id: String(row['step_id']),
  name: String(row['step_name']),
  ps_type: String(row['ps_type']),
  status: String(row['status']) as StepRecord['status'],
  attempt: Number(row['attempt']),
  start_time: String(row['start_time']),
  end_time: String(row['end_time']),
  duration_ms: Number(row['duration_ms']),
  rows_written: numberOf(row['rows_written']),
  bytes_processed: numberOf(row['bytes_processed']),
  error_code: textOf(row['error_code']),
  error_message: textOf(row['error_message']),
})
