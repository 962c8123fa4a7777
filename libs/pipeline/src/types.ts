/** What a pipeline is to those who list, check and run it. */
import type { CompiledStep, Run, ServiceName, Source } from '@convergence/contracts'

export interface ParameterSpec {
  name: string
  /** date: YYYY-MM-DD; month: YYYY-MM */
  type: 'date' | 'month' | 'string' | 'int' | 'enum' | 'table_ref' | 'boolean'
  description: string
  required: boolean
  default?: string | number | boolean
  values?: readonly string[]
  pattern?: string
  max_length?: number
  /**
   * Of a date or month: a run may say several, separated by commas, and of days also ranges, first..last. Only steps
   * that are repeated for each of them use it.
   */
  many?: 'values' | 'ranges'
  /** The file does not say it: the `date` that every pipeline has. */
  built_in?: true
}
/** One line of a report: file:line:column, where in the file, what was expected, what came, the right name. */
export interface ConfigFault {
  file: string
  line: number
  column: number
  message: string
}

export interface Pipeline {
  /** provider/domain/template */
  path: string
  pipeline_id: string
  description: string
  parameters: readonly ParameterSpec[]
  schedule?: string | undefined
  /** Whether a run is made of the tenant's sources: `compile` needs them. */
  uses_sources?: boolean
  /** Pipelines whose runs it follows. */
  after?: readonly string[]
  /** Kinds of steps in order, for the catalogue. */
  steps: readonly { step_id: string; name: string; ps_type: string; trigger?: NonNullable<CompiledStep['trigger']> }[]
  /** Steps whose results others name. */
  uses?: readonly string[]
}

/** What a tenant's profile says, for `{admin_email}` and `{company_name}`. */
export interface TenantNames {
  admin_email: string
  company_name: string
}
export interface CompileInput {
  run_id: string
  tenant_id: string
  /** Without it `{admin_email}` and `{company_name}` have no value, as in runs of the platform's own. */
  tenant?: TenantNames | undefined
  /** Those of the tenant; needed where the pipeline `uses_sources`. */
  tenant_sources?: readonly Source[] | undefined
  pipeline: string
  parameters: Run['parameters']
  trigger_type: Run['trigger_type']
  requested_at: string
  /**
   * Of a schedule: the time that this run is for, which is what its `yesterday` and `today` count from. Default:
   * requested_at.
   */
  scheduled_time?: string
  priority?: number
  trigger_by?: string
  user_id?: string
  parent_run_id?: string
  /** Of the tenant's runs with one key one runs at a time. */
  concurrency_key?: string
  /** Those that wait or run are cancelled. */
  cancel_in_progress?: boolean
  skip?: readonly string[]
  /** Of those of `skip` whose results conditions and texts name. */
  results?: NonNullable<Run['results']>
}

/** A run that follows another, and what it is asked with; it has one name, made of that of the other. */
export interface Following {
  run_id: string
  idempotency_key: string
  pipeline: string
  parameters: Run['parameters']
}

/** A kind of step, and the service whose processor runs it. */
export interface StepKind {
  ps_type: string
  host: ServiceName
}

export interface Pipelines {
  /** What ps_templates/ describes, which pipelines may use. */
  readonly kinds: readonly StepKind[]
  list(): readonly Pipeline[]
  /** Looks up the map; a name that is not in it is undefined, whatever it looks like. */
  get(path: string): Pipeline | undefined
  /**
   * The run as data. Throws PIPELINE_UNKNOWN, PARAMETER_INVALID with all faults, or SOURCE_UNKNOWN. Pure: `scheduled_time` or
   * `requested_at` is its only clock, and the days that they gave stand in `parameters`.
   */
  compile(input: CompileInput): Run
  /**
   * Parameters with every day and month that they or the pipeline's defaults say in words written out, as it is at a
   * moment (ms) in a time zone. Those of a pipeline that is not known stay as they are.
   */
  datedParameters(path: string, parameters: Run['parameters'], at: number, timezone: string): Run['parameters']
  /** What follows a run that has completed; nothing follows those of the platform itself. */
  followersOf(run: Pick<Run, 'pipeline' | 'parameters' | 'tenant_id' | 'run_id'>): Following[]
}
