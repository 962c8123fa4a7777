/**
 * The doors in memory, and a world with the service behind a real port. The bus plays a scheduler and an executor that
 * always succeed.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Bus, Delivery, Handler, Outgoing } from '@convergence/bus'
import { AppError, plans, type EventBodies, type Run, type Topic, sourceKinds } from '@convergence/contracts'
import { openKeyring } from '@convergence/local-kms'
import type { Pipeline, Pipelines } from '@convergence/pipeline'
import { openSecrets, type Secrets } from '@convergence/secrets'
import { openLog } from '@convergence/service'
import type { Row, Statement, Warehouse } from '@convergence/warehouse'
import { auth, type Auth, type AuthDeps } from '../src/auth.ts'
import { scopes } from '../src/scopes.ts'
import { hashOf, issueKey } from '../src/issue-key.ts'

export const delivery: Delivery = {
  message_id: 'm',
  published_at: '2026-01-01T00:00:00Z',
  attributes: {},
  data: new Uint8Array(),
  attempt: 1,
  beforeAck: () => undefined,
  signal: new AbortController().signal,
}

export interface FakeBus extends Bus {
  published: Outgoing[]
  /** Hands an event to whoever consumes the topic. */
  play<T extends Topic>(topic: T, event: EventBodies[T]): Promise<void>
  /** What happens after a publish; by default nothing. */
  onPublish: (outgoing: Outgoing) => void
  failing: boolean
}
export const fakeBus = (): FakeBus => {
  const handlers = new Map<Topic, Handler<Topic>[]>()
  const bus: FakeBus = {
    published: [],
    failing: false,
    onPublish: () => undefined,
    publish: async (events) => {
      if (bus.failing) throw new AppError('UNAVAILABLE', 'the broker does not answer')
      for (const outgoing of events) {
        bus.published.push(outgoing)
        bus.onPublish(outgoing)
      }
    },
    consume: (_service, topic, handler) => {
      handlers.set(topic, [...(handlers.get(topic) ?? []), handler as unknown as Handler<Topic>])
    },
    consumeDead: () => undefined,
    read: () => {
      throw new AppError('INTERNAL', 'nobody here reads what was kept')
    },
    healthy: () => !bus.failing,
    receiving: () => true,
    close: async () => undefined,
    play: async (topic, event) => {
      for (const handler of handlers.get(topic) ?? []) await handler(event, delivery)
    },
  }
  return bus
}

export interface FakeWarehouse extends Warehouse {
  rows: Record<string, Row[]>
  queries: Statement[]
  datasets: Map<string, Record<string, string>>
  dryRuns: (statement: Statement) => ReturnType<Warehouse['dryRun']>
  isHealthy: boolean
}
const latest = (rows: readonly Row[], key: string) => {
  const found = new Map<unknown, Row>()
  for (const row of rows) {
    const known = found.get(row[key])
    // A revoked key is final; a credential's name may be used again.
    if (known?.['is_active'] === false && key !== 'credential_ref') continue
    if (Number(row['version'] ?? 0) >= Number(known?.['version'] ?? 0)) found.set(row[key], row)
  }
  return [...found.values()]
}
/** Answers the few statements of the store: the view by its name, filters by the parameters that are given. */
export const fakeWarehouse = (): FakeWarehouse => {
  const taken = new Set<string>()
  const refuse = () => Promise.reject(new Error('not in this fake'))
  const warehouse: FakeWarehouse = {
    project_id: 'local-convergence',
    rows: {},
    queries: [],
    datasets: new Map(),
    isHealthy: true,
    dryRuns: () =>
      Promise.resolve({ statement_type: 'SELECT', referenced_tables: [], columns: [], bytes_processed: 0 }),
    commit: async (table, { epoch, shard, seq }, rows) => {
      const id = `${epoch}-${shard}-${seq}`
      if (taken.has(id)) return 'conflict'
      taken.add(id)
      ;(warehouse.rows[table] ??= []).push(...rows)
      return 'mine'
    },
    runJob: refuse,
    pages: () => {
      throw new Error('not in this fake')
    },
    cancelChain: refuse,
    ensureDataset: refuse,
    ensureTable: refuse,
    ensureView: refuse,
    dropTable: refuse,
    dropDataset: refuse,
    append: async (table, rows) => {
      ;(warehouse.rows[table] ??= []).push(...rows)
    },
    query: async (statement) => {
      warehouse.queries.push(statement)
      const named = /`local-convergence\.tenants\.([a-z_]+)`|FROM ([a-z_]+)\b/.exec(statement.query)
      const view = named?.[1] ?? named?.[2] ?? ''
      const value = Object.fromEntries(
        (statement.parameters ?? []).map((parameter) => [parameter.name, parameter.value]),
      ) as Record<string, string | undefined>
      const rows = (table: string) => warehouse.rows[table] ?? []
      const filtered = (found: Row[], ...names: string[]) =>
        found.filter((row) => names.every((name) => value[name] === undefined || row[name] === value[name]))
      switch (view) {
        case 'tenant_api_keys':
          return latest(rows('tenant_api_keys_rows'), 'key_id')
            .filter((row) => value['key_hash'] === undefined || row['tenant_api_key_hash'] === value['key_hash'])
            .filter((row) => filtered([row], 'key_id', 'tenant_id').length > 0)
        case 'tenant_profiles':
          return filtered(latest(rows('tenant_profiles_rows'), 'tenant_id'), 'tenant_id')
            .filter((row) => String(row['tenant_id']) > (value['after'] ?? ''))
            .sort((a, b) => (String(a['tenant_id']) < String(b['tenant_id']) ? -1 : 1))
        case 'tenant_usage_quotas':
          return [filtered(rows('usage'), 'tenant_id')[0] ?? { daily: 0, monthly: 0, concurrent: 0 }]
        case 'tenant_pipeline_runs': {
          const matches = (row: Row) =>
            (value['tenant_id'] === undefined || row['tenant_id'] === value['tenant_id']) &&
            (value['run_id'] === undefined || row['pipeline_logging_id'] === value['run_id']) &&
            (value['trigger_by'] === undefined || row['trigger_by'] === value['trigger_by'])
          const asked = rows('run_requests').map((row) => ({ ...row, pipeline_logging_id: row['run_id'] }))
          const isQueued = (id: unknown) => rows('queue').some((row) => row['pipeline_logging_id'] === id)
          const recorded = rows('runs').map((run) => {
            const request = asked.find(({ pipeline_logging_id }) => pipeline_logging_id === run['pipeline_logging_id'])
            const requested_at = request?.['requested_at' as never] ?? run['requested_at'] ?? run['start_time']
            return { ...request, ...run, requested_at }
          })
          const waiting = asked
            .filter(({ pipeline_logging_id: id }) => !recorded.some((run: Row) => run['pipeline_logging_id'] === id))
            .map((row) => ({ ...row, status: isQueued(row.pipeline_logging_id) ? 'QUEUED' : 'PENDING' }))
          return [...recorded, ...waiting]
            .filter(
              (row: Row) =>
                matches(row) &&
                (value['run_status'] === undefined || row['status'] === value['run_status']) &&
                (value['after_at'] === undefined || String(row['requested_at']) < value['after_at']),
            )
            .sort((a: Row, b: Row) => (String(a['requested_at']) > String(b['requested_at']) ? -1 : 1))
            .slice(0, Number(/LIMIT (\d+)$/.exec(statement.query)?.[1] ?? 1_000_000))
        }
        case 'run_requests':
          return filtered(rows('run_requests'), 'run_id', 'tenant_id')
        case 'tenant_step_logs':
          return rows('steps').filter((row) => row['pipeline_logging_id'] === value['run_id'])
        case 'tenant_pipeline_configs':
          return filtered(rows('configs'), 'tenant_id').filter(
            (row) => value['schedule_name'] === undefined || row['name'] === value['schedule_name'],
          )
        case 'tenant_backfills':
          return filtered(rows('backfills'), 'tenant_id', 'backfill_id')
            .filter((row) => value['after_at'] === undefined || String(row['created_at']) < value['after_at'])
            .sort((a, b) => (String(a['created_at']) > String(b['created_at']) ? -1 : 1))
            .slice(0, Number(/LIMIT (\d+)$/.exec(statement.query)?.[1]))
        case 'pipeline_execution_queue':
          return filtered(rows('queue'), 'tenant_id')
        case 'tenant_cloud_credentials':
          return filtered(
            latest(rows('tenant_cloud_credentials_rows'), 'credential_ref'),
            'tenant_id',
            'credential_ref',
          ).filter((row) => value['credential_ref'] !== undefined || row['is_active'] === true)
        case 'tenant_provider_configs':
          return filtered(rows('sources'), 'tenant_id')
            .filter(
              ({ settings }) =>
                value['credential_ref'] === undefined ||
                (JSON.parse(String(settings)) as { credential?: string }).credential === value['credential_ref'],
            )
            .filter((row) => value['source_name'] === undefined || row['name'] === value['source_name'])
            .filter((row) => String(row['name']) > (value['after'] ?? ''))
            .slice(0, Number(/LIMIT (\d+)$/.exec(statement.query)?.[1]))
        case 'publisher_keys':
          return filtered(latest(rows('publisher_keys_rows'), 'kid'), 'kid')
        case 'focus_allocation_rules':
        case 'focus_currency_rates':
        case 'dead_letters':
        case 'auth_audit':
        case 'notifications':
        case 'tenant_dq_results':
          return []
        default:
          throw new Error(`the fake does not know ${view}`)
      }
    },
    dryRun: (statement) => warehouse.dryRuns(statement),
    getDataset: async (dataset) => {
      const labels = warehouse.datasets.get(dataset)
      return labels === undefined ? undefined : { labels }
    },
    healthy: async () => warehouse.isHealthy,
    close: async () => undefined,
  }
  return warehouse
}

const pipelineOf = (
  path: string,
  parameters: Pipeline['parameters'],
  steps: string[],
  more: Pick<Pipeline, 'uses'> = {},
): Pipeline => ({
  path,
  pipeline_id: path.replaceAll('/', '_'),
  description: `The pipeline ${path}`,
  parameters,
  // One that cleans up is called so.
  steps: steps.map((step_id) => ({
    step_id,
    name: step_id,
    ps_type: 'custom.noop',
    ...(step_id === 'tidy' ? { trigger: 'always' as const } : {}),
  })),
  ...more,
})
const given = (name: string, required = false): Pipeline['parameters'][number] => ({
  name,
  type: name === 'date' ? 'date' : 'string',
  description: name,
  required,
})

export const fakePipelines = (): Pipelines => {
  const all = new Map(
    [
      pipelineOf('gcp/cost/billing', [given('date', true), given('note')], ['extract', 'check']),
      pipelineOf('custom/bench/three_steps', [], ['a', 'b', 'c']),
      pipelineOf('custom/bench/conditions', [], ['a', 'b', 'tidy'], { uses: ['a'] }),
      pipelineOf(
        'setup/tenants/onboarding',
        ['new_tenant_id', 'company_name', 'admin_email', 'subscription_plan', 'body_digest'].map((name) =>
          given(name, true),
        ),
        ['profile', 'validation'],
      ),
      pipelineOf(
        'setup/tenants/schedule',
        [
          'for_tenant_id',
          'schedule_name',
          'action',
          'pipeline',
          'cron',
          'timezone',
          'schedule_parameters',
          'priority',
          'is_active',
          'missed',
          'overlap',
        ].map((name) => given(name)),
        ['schedule'],
      ),
      pipelineOf(
        'setup/tenants/backfill',
        [
          'for_tenant_id',
          'action',
          'backfill_id',
          'pipeline',
          'from_period',
          'to_period',
          'run_parameters',
          'reprocess',
          'period_order',
          'max_active',
        ].map((name) => given(name)),
        ['backfill'],
      ),
      ...['tenants/source', 'tenants/source_removal', 'sources/check', 'sources/purge'].map((name) =>
        pipelineOf(
          `setup/${name}`,
          ['for_tenant_id', 'source_name', 'settings', 'may_claim', 'all_names'].map((each) => given(each)),
          ['source'],
        ),
      ),
      ...['trigger', 'process_queue', 'reset_daily_quotas'].map((name) =>
        pipelineOf(`setup/scheduler/${name}`, [], [name]),
      ),
    ].map((pipeline) => [pipeline.path, pipeline]),
  )
  // Found, and not in the catalogue: what loads sources, but for two kinds, as where an operator has fewer pipelines.
  const loading = new Map(
    sourceKinds
      .filter(({ kind }) => kind !== 'pricesheet' && kind !== 'reservations')
      .map(({ pipeline }) => [pipeline, { ...pipelineOf(pipeline, [], ['load']), schedule: '0 6 * * *' }]),
  )
  return {
    kinds: [],
    followersOf: () => [],
    datedParameters: (_path, parameters) => parameters,
    list: () => [...all.values()],
    get: (path) => all.get(path) ?? loading.get(path),
    compile: (input) => {
      const pipeline = all.get(input.pipeline)
      if (pipeline === undefined) throw new AppError('PIPELINE_UNKNOWN', `no pipeline ${input.pipeline}`)
      const faults = [
        ...Object.keys(input.parameters)
          .filter((name) => !pipeline.parameters.some((parameter) => parameter.name === name))
          .map((name) => `${name}: is not a parameter`),
        ...pipeline.parameters
          .filter(({ name, required }) => required && input.parameters[name] === undefined)
          .map(({ name }) => `${name}: is missing`),
        ...pipeline.parameters
          .filter(
            ({ name, type }) =>
              type === 'date' &&
              input.parameters[name] !== undefined &&
              !/^\d{4}-\d\d-\d\d$/.test(String(input.parameters[name])),
          )
          .map(({ name }) => `${name}: expected a date`),
      ]
      if (faults.length > 0)
        throw new AppError('PARAMETER_INVALID', `${input.pipeline}: ${faults.length} faults`, { faults })
      const { skip, tenant: _, ...rest } = input
      return {
        ...rest,
        ...(skip === undefined ? {} : { skip: [...skip] }),
        pipeline_id: pipeline.pipeline_id,
        priority: 5,
        sources: [],
        notifications: [],
        steps: pipeline.steps.map((step) => ({
          ...step,
          host: 'executor',
          timeout_minutes: 1,
          retry_policy: { max_retries: 0, retry_delay_seconds: 1 },
          config:
            step.step_id === 'extract'
              ? {
                  source: { query: 'SELECT 1', parameters: [] },
                  destination: { dataset_type: input.tenant_id, table: 'gcp_cost_billing', write_mode: 'truncate' },
                }
              : {},
        })),
      }
    },
  }
}

/** A clock that is moved by hand. */
export const clock = (start = '2026-03-10T12:00:00.000Z') => {
  let at = Date.parse(start)
  return {
    now: () => new Date(at),
    add: (ms: number) => {
      at += ms
    },
  }
}

export const adminKey = `cdpadm_${'A'.repeat(43)}`

export interface Answered {
  status: number
  headers: Headers
  text: string
  body: Record<string, never> & Record<string, unknown>
}
export interface World {
  door: Auth
  bus: FakeBus
  warehouse: FakeWarehouse
  secrets: Secrets
  time: ReturnType<typeof clock>
  lines: string[]
  /** Puts a tenant and a key of it into the tables. */
  addTenant(tenant_id: string, more?: { plan?: keyof typeof plans; status?: string }): void
  addKey(tenant_id: string, more?: Partial<Row>): string
  call(
    method: string,
    path: string,
    options?: { key?: string; admin?: string; body?: unknown; raw?: string | Buffer; headers?: Record<string, string> },
  ): Promise<Answered>
  /** The run as an event carries it. */
  runOf(tenant_id: string, run_id: string, pipeline?: string): Run
  /** From now on every requested run is admitted and ends well. */
  succeed(outputs?: Record<string, unknown>): void
  end(): Promise<void>
}

export const openWorld = async (options: Partial<AuthDeps> = {}): Promise<World> => {
  const folder = mkdtempSync(join(tmpdir(), 'convergence-auth-'))
  const bus = fakeBus()
  const warehouse = fakeWarehouse()
  const pipelines = fakePipelines()
  const time = clock()
  const secrets = openSecrets(openKeyring({ file: join(folder, 'keyring.json') }))
  const lines: string[] = []
  const door = await auth({
    bus,
    warehouse,
    secrets: openSecrets(openKeyring({ file: join(folder, 'keyring.json') }), { may_open: [] }),
    pipelines,
    now: time.now,
    random: () => 0.5,
    host: '127.0.0.1',
    port: 0,
    log: openLog({ service: 'auth', level: 'debug', write: (line) => lines.push(line) }),
    version: '1.2.3',
    environment: 'test',
    local_mode: true,
    admin_key_hashes: [hashOf(adminKey)],
    replica: 'r0',
    settle_ms: 0,
    shared_sources: ['local-convergence.billing_export'],
    bootstrap: async () => ({ dataset_created: false, tables_created: [], tables_existing: ['run_requests'] }),
    ...options,
  }).catch((error: unknown) => {
    rmSync(folder, { recursive: true, force: true })
    throw error
  })
  const runOf: World['runOf'] = (tenant_id, run_id, pipeline = 'custom/bench/three_steps') => ({
    ...pipelines.compile({
      run_id,
      tenant_id,
      pipeline,
      parameters: pipeline === 'gcp/cost/billing' ? { date: '2026-03-01' } : {},
      trigger_type: 'api',
      requested_at: time.now().toISOString(),
    }),
    admitted_at: time.now().toISOString(),
  })
  return {
    door,
    bus,
    warehouse,
    secrets,
    time,
    lines,
    runOf,
    addTenant: (tenant_id, { plan = 'SCALE', status = 'ACTIVE' } = {}) => {
      const limits = plans[plan]
      ;(warehouse.rows['tenant_profiles_rows'] ??= []).push({
        tenant_id,
        company_name: `Company of ${tenant_id}`,
        admin_email: `a@${tenant_id.replaceAll('_', '-')}.example`,
        status,
        subscription_plan: plan,
        plan,
        subscription_status: 'ACTIVE',
        body_digest: null,
        version: 1,
        recorded_at: '2026-01-01T00:00:00Z',
        daily_limit: limits.daily,
        monthly_limit: limits.monthly,
        concurrent_limit: limits.concurrent,
        trial_end_date: null,
        subscription_end_date: null,
      })
    },
    addKey: (tenant_id, more = {}) => {
      const key = issueKey(tenant_id)
      ;(warehouse.rows['tenant_api_keys_rows'] ??= []).push({
        key_id: `key_${hashOf(key).slice(0, 10)}`,
        tenant_id,
        tenant_api_key_hash: hashOf(key),
        encrypted_api_key: null,
        scopes: [...scopes],
        description: null,
        is_active: true,
        expires_at: '2027-01-01T00:00:00Z',
        revoked_at: null,
        replaced_by: null,
        created_by: 'test',
        created_at: '2026-01-01T00:00:00Z',
        version: 1,
        ...more,
      })
      return key
    },
    call: async (method, path, { key, admin, body, raw, headers } = {}) => {
      const content = raw ?? (body === undefined ? undefined : JSON.stringify(body))
      const answer = await fetch(`${door.url}${path}`, {
        method,
        headers: {
          ...(key === undefined ? {} : { 'X-API-Key': key }),
          ...(admin === undefined ? {} : { 'X-Admin-Key': admin }),
          ...(content === undefined ? {} : { 'Content-Type': 'application/json' }),
          ...headers,
        },
        ...(content === undefined ? {} : { body: content }),
      })
      const text = await answer.text()
      return {
        status: answer.status,
        headers: answer.headers,
        text,
        body: (/json/.test(answer.headers.get('content-type') ?? '') ? JSON.parse(text) : {}) as Answered['body'],
      }
    },
    succeed: (outputs = {}) => {
      bus.onPublish = ({ topic, event }) => {
        if (topic !== 'run-requested' || event.action === 'cancel') return
        setImmediate(() => {
          void playSuccess(
            bus,
            {
              ...pipelines.compile({
                run_id: event.run_id ?? '',
                tenant_id: event.tenant_id,
                pipeline: event.pipeline ?? '',
                parameters: event.parameters ?? {},
                trigger_type: event.trigger_type ?? 'api',
                requested_at: time.now().toISOString(),
              }),
              admitted_at: time.now().toISOString(),
            },
            outputs,
          )
        })
      }
    },
    end: async () => {
      await door.close()
      await secrets.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export const stepEvent = (run: Run, step_id: string): EventBodies['step-completed'] => ({
  run,
  step_id,
  attempt: 0,
  conclusion: 'SUCCEEDED',
  started_at: '2026-03-10T12:00:00Z',
  ended_at: '2026-03-10T12:00:01Z',
  duration_ms: 1000,
  rows_written: 3,
})
export const endEvent = (run: Run, outputs: Record<string, unknown> = {}): EventBodies['run-completed'] => ({
  run,
  status: 'COMPLETED',
  started_at: '2026-03-10T12:00:00Z',
  ended_at: '2026-03-10T12:00:03Z',
  duration_ms: 3000,
  outputs,
})
export const playSuccess = async (bus: FakeBus, run: Run, outputs: Record<string, unknown> = {}): Promise<void> => {
  await bus.play('run-admitted', { run, next: [] })
  for (const { step_id } of run.steps) await bus.play('step-completed', stepEvent(run, step_id))
  await bus.play('run-completed', endEvent(run, outputs))
}

export const inWorld = async (options: Partial<AuthDeps>, body: (world: World) => Promise<void>): Promise<void> => {
  const world = await openWorld(options)
  try {
    await body(world)
  } finally {
    await world.end()
  }
}
