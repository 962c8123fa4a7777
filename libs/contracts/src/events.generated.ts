// Generated from schemas/events by `npm run generate`; do not edit.
export interface EventBodies {
  'run-admitted': RunAdmitted
  'run-completed': RunCompleted
  'run-failed': RunFailed
  'run-requested': RunRequested
  'scheduler-tick': SchedulerTick
  'step-completed': StepCompleted
  'tenant-changed': TenantChanged
}
/**
 * The ledger let a run start. Published by the scheduler alone, again by its sweeper if nothing is heard of the run.
 */
export interface RunAdmitted {
  run: Run
  /**
   * What follows and who runs it; [] when nothing does. Left out by the host in a run with depends_on: the executor fills it in
   */
  next: NextStep[]
}
/**
 * A run, with everything that a host needs to know: it travels in every message, so that no service asks another
 */
export interface Run {
  /**
   * r_ and 26 characters of lower-case base32: sha256 of tenant and idempotency key
   */
  run_id: string
  /**
   * Tenant id, also the name of its dataset; `system` for the platform's own runs
   */
  tenant_id: string
  /**
   * Path of the pipeline's file without .yml, such as gcp/cost/billing
   */
  pipeline: string
  /**
   * pipeline_id of the YAML
   */
  pipeline_id: string
  /**
   * How the run was asked for
   */
  trigger_type: 'api' | 'schedule' | 'publisher' | 'system' | 'resume' | 'backfill' | 'refresh' | 'after'
  /**
   * Key id, schedule name or publisher that asked
   */
  trigger_by?: string
  /**
   * X-User-ID, for the audit trail only
   */
  user_id?: string
  /**
   * Run parameters: scalars only
   */
  parameters: {
    [k: string]: string | number | boolean | null
  }
  /**
   * Of a schedule: the time that the run is for
   */
  scheduled_time?: string
  /**
   * The run is ended when it runs longer
   */
  timeout_minutes?: number
  /**
   * 0 first, 9 last
   */
  priority: number
  /**
   * Of the tenant's runs with one key one runs at a time; the others wait, in order of priority and time
   */
  concurrency_key?: string
  /**
   * Cancels the tenant's runs with its concurrency_key that wait or run; default false
   */
  cancel_in_progress?: boolean
  /**
   * Publish time of the request: the server's clock
   */
  requested_at: string
  /**
   * Publish time of the message that let the ledger admit it
   */
  admitted_at?: string
  admission?: Admission
  /**
   * r_ and 26 characters of lower-case base32: sha256 of tenant and idempotency key
   */
  parent_run_id?: string
  /**
   * Resume: steps that the parent has finished
   *
   * Items: Unique in its pipeline
   */
  skip?: string[]
  /**
   * Built-ins, variables and parameters as they were filled in; used by notification texts
   */
  variables?: {
    [k: string]: string | number | boolean | null
  }
  /**
   * What conditions and texts of later steps may name of the steps that have ended, by the step_id of the pipeline
   */
  results?: {
    [k: string]: Result
  }
  /**
   * Steps of the pipeline whose results its conditions and texts name
   *
   * Items: Unique in its pipeline
   */
  uses?: string[]
  /**
   * Steps that have failed so far, while others go on
   */
  failed?: {
    /**
     * Unique in its pipeline
     */
    step_id: string
    error: Fault
  }[]
  /**
   * What steps that succeeded found odd so far
   *
   * @maxItems 50
   */
  warnings?: Warning[]
  /**
   * project.dataset, or project.dataset.table of a source of the tenant, that its queries may read beside the tenant's own dataset
   */
  sources: string[]
  steps: CompiledStep[]
  notifications: CompiledStep[]
}
/**
 * The scheduler's word that the ledger admitted the run as it is: no host works on another
 */
export interface Admission {
  /**
   * Life of the ledger
   */
  epoch: string
  /**
   * Ed25519, base64: over run, epoch and the digest of all of the run but failed, warnings, results and this
   */
  sig: string
}
export interface Result {
  /**
   * How the step ended; NOT_RUN: a step that it needs had failed
   */
  status: 'SUCCEEDED' | 'FAILED' | 'SKIPPED' | 'CANCELLED' | 'TIMED_OUT' | 'NOT_RUN'
  outputs: {
    [k: string]: string | number | boolean | null
  }
}
/**
 * What went wrong, for people and for programs
 */
export interface Fault {
  /**
   * A code of schemas/errors.json
   */
  code: string
  /**
   * Where, what was expected, what came, what to do
   */
  message: string
}
export interface Warning {
  /**
   * Unique in its pipeline
   */
  step_id: string
  message: string
}
/**
 * A step as it travels: checked, defaults and variables filled in
 */
export interface CompiledStep {
  /**
   * Unique in its pipeline
   */
  step_id: string
  /**
   * For people
   */
  name: string
  /**
   * Names template and processor
   */
  ps_type: string
  /**
   * The service that runs the step
   */
  host: 'auth' | 'tenant' | 'scheduler' | 'executor' | 'notifier'
  /**
   * 1 to 60, or a fraction of a minute
   */
  timeout_minutes: number
  retry_policy: {
    /**
     * Attempts after the first
     */
    max_retries: number
    retry_delay_seconds: number
    backoff?: 'exponential' | 'constant'
    jitter?: 'none' | 'half' | 'full'
    max_delay_seconds?: number
    max_total_minutes?: number
    /**
     * Items: A code of schemas/errors.json
     */
    retry_on?: string[]
  }
  /**
   * Steps, or the step whose items, must have ended; where no step of the run has it, order decides
   *
   * Items: Unique in its pipeline
   */
  depends_on?: string[]
  /**
   * Items before this one, which must have ended in whatever way
   *
   * Items: Unique in its pipeline
   */
  begins_after?: string[]
  /**
   * CEL: the step is SKIPPED where it is false
   */
  when?: string
  /**
   * Texts of config that name results of steps: filled when the step starts
   */
  late?: {
    /**
     * Where the text stands in config
     */
    at: (string | number)[]
    /**
     * The text in pieces; one piece alone keeps its type
     */
    parts: {
      text?: string
      step_id?: string
      /**
       * Name of an output; the status without it
       */
      output?: string
    }[]
  }[]
  /**
   * Of a step: whether it runs after a failure; of a notification: which ends of the run it follows
   */
  trigger?: 'on_failure' | 'on_warning' | 'on_success' | 'always'
  /**
   * The step of the pipeline that this one is an item of; the items stand together, in order
   */
  for_each?: string
  /**
   * The step's own fields, by the schema of its template
   */
  config: {
    [k: string]: unknown
  }
}
export interface NextStep {
  /**
   * Unique in its pipeline
   */
  step_id: string
  /**
   * The service that runs the step
   */
  host: 'auth' | 'tenant' | 'scheduler' | 'executor' | 'notifier'
  /**
   * Why it is SKIPPED instead of run
   */
  skip?: string
}
/**
 * The run ended well. Decided once, by the ledger.
 */
export interface RunCompleted {
  run: Run
  /**
   * Always COMPLETED
   */
  status: 'COMPLETED'
  started_at: string
  ended_at: string
  duration_ms: number
  outputs?: {
    [k: string]: unknown
  }
}
/**
 * The run ended otherwise. Decided once, by the ledger.
 */
export interface RunFailed {
  run: Run
  /**
   * How it ended
   */
  status: 'FAILED' | 'CANCELLED' | 'REJECTED'
  /**
   * Unique in its pipeline
   */
  step_id?: string
  error: Fault
  /**
   * Missing where it never started
   */
  started_at?: string
  ended_at: string
  duration_ms?: number
  /**
   * Of a quota rejection: when it resets
   */
  resets_at?: string
}
/**
 * Somebody asks for a run, its cancellation or its resumption. Published by auth, scheduler and upstream systems; signed in its attributes.
 */
export interface RunRequested {
  /**
   * r_ and 26 characters of lower-case base32: sha256 of tenant and idempotency key
   */
  run_id?: string
  /**
   * Tenant id, also the name of its dataset; `system` for the platform's own runs
   */
  tenant_id: string
  /**
   * What is asked for; default start
   */
  action?: 'start' | 'cancel' | 'resume'
  /**
   * Path of the pipeline's file without .yml, such as gcp/cost/billing
   */
  pipeline?: string
  /**
   * Run parameters: scalars only, 32,768 bytes of JSON in all (131,072 of pipelines under setup/)
   */
  parameters?: {
    [k: string]: string | number | boolean | null
  }
  /**
   * How the run was asked for
   */
  trigger_type?: 'api' | 'schedule' | 'publisher' | 'system' | 'resume' | 'backfill' | 'refresh' | 'after'
  /**
   * Who asked
   */
  trigger_by?: string
  /**
   * X-User-ID
   */
  user_id?: string
  /**
   * 0 first, 9 last; default 5
   */
  priority?: number
  /**
   * Of the tenant's runs with one key one runs at a time; the others wait, in order of priority and time
   */
  concurrency_key?: string
  /**
   * Cancels the tenant's runs with its concurrency_key that wait or run; default false
   */
  cancel_in_progress?: boolean
  /**
   * r_ and 26 characters of lower-case base32: sha256 of tenant and idempotency key
   */
  parent_run_id?: string
  /**
   * @maxItems 1000
   *
   * Items: Unique in its pipeline
   */
  skip?: string[]
  /**
   * Resume: what the conditions and texts of later steps may name of those of skip, by step_id
   */
  results?: {
    [k: string]: Result
  }
  /**
   * Of a cron run: the time that it stands for
   */
  scheduled_time?: string
  /**
   * Of a request by the platform's own services: when it came in; default the time of publishing
   */
  requested_at?: string
}
/**
 * The clock: once a minute. Its publish time is the time.
 */
export interface SchedulerTick {
}
/**
 * A step ended. The baton: says what follows and who runs it.
 */
export interface StepCompleted {
  run: Run
  /**
   * Unique in its pipeline
   */
  step_id: string
  /**
   * Entries of the attempt chain before this one
   */
  attempt: number
  /**
   * How the step ended
   */
  conclusion: 'SUCCEEDED' | 'FAILED' | 'SKIPPED' | 'CANCELLED' | 'TIMED_OUT'
  /**
   * Host's clock
   */
  started_at: string
  /**
   * Host's clock
   */
  ended_at: string
  duration_ms: number
  /**
   * Rows in the destination by this step
   */
  rows_written?: number
  /**
   * As the warehouse counts
   */
  bytes_processed?: number
  /**
   * What the step found out; of the last step it becomes the run's answer
   */
  outputs?: {
    [k: string]: unknown
  }
  error?: Fault
  /**
   * What follows and who runs it; [] when nothing does. Left out by the host in a run with depends_on: the executor fills it in
   */
  next?: NextStep[]
}
/**
 * A tenant's plan, limits or status, whole. Published by tenant alone.
 */
export interface TenantChanged {
  /**
   * Tenant id, also the name of its dataset; `system` for the platform's own runs
   */
  tenant_id: string
  /**
   * Rises with each change; an older one is ignored
   */
  version: number
  status: 'ACTIVE' | 'SUSPENDED' | 'EXPIRED'
  plan: 'STARTER' | 'PROFESSIONAL' | 'SCALE' | 'ENTERPRISE'
  limits: Limits
  /**
   * Name of the company
   */
  company_name?: string
  /**
   * Where mails about the tenant's runs go
   */
  admin_email?: string
  /**
   * Last day of the trial
   */
  trial_end_date?: string
  /**
   * Last day paid for
   */
  subscription_end_date?: string
}
export interface Limits {
  /**
   * Runs per UTC day
   */
  daily: number
  /**
   * Runs per UTC month
   */
  monthly: number
  /**
   * Runs at a time
   */
  concurrent: number
}
