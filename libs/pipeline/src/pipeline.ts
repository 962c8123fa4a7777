/**
 * Pipelines from YAML: loaded and checked once at start, pure afterwards. Knows the templates (ps_templates), fills variables,
 * binds SQL parameters, and says what follows a step.
 */
import type { CompiledStep, NextStep, Run, StepCompleted } from '@convergence/contracts'

export interface ParameterSpec {
  name: string
  type: 'date' | 'string' | 'int' | 'enum' | 'table_ref' | 'boolean'
  description: string
  required: boolean
  default?: string | number | boolean
  values?: readonly string[]
  pattern?: string
  max_length?: number
}
/** One line of a report: file:line:column, where in the file, what was expected, what came, the right name. */
export interface ConfigFault { file: string; line: number; column: number; message: string }

export interface Pipeline {
  /** provider/domain/template */
  path: string
  pipeline_id: string
  description: string
  parameters: readonly ParameterSpec[]
  schedule?: string
  /** Kinds of steps in order, for the catalogue. */
  steps: readonly { step_id: string; name: string; ps_type: string }[]
}

export interface CompileInput {
  run_id: string
  tenant_id: string
  pipeline: string
  parameters: Run['parameters']
  trigger_type: Run['trigger_type']
  requested_at: string
  priority?: number
  trigger_by?: string
  user_id?: string
  parent_run_id?: string
  skip?: readonly string[]
}

export interface Pipelines {
  list(): readonly Pipeline[]
  /** Looks up the map; a name that is not in it is undefined, whatever it looks like. */
  get(path: string): Pipeline | undefined
  /** The run as data. Throws PIPELINE_UNKNOWN or PARAMETER_INVALID with all faults. Pure: `requested_at` is its only clock. */
  compile(input: CompileInput): Run
}

/** Reads configs/ and ps_templates/ once. Throws CONFIG_INVALID with every fault of every file. */
export declare const loadPipelines: (options: { project_id: string; configs_folder?: string; templates_folder?: string }) => Pipelines
/** Steps that a run starts with. */
export declare const firstSteps: (run: Run) => NextStep[]
/** What follows `step_id` in a run without depends_on: [] after the last or after a failure for good. Undefined in a run with depends_on. */
export declare const nextSteps: (run: Run, step_id: string, conclusion: StepCompleted['conclusion']) => NextStep[] | undefined
/** What may start in a run with depends_on, given all recorded conclusions; `[]` with `ended: true` when nothing is left to wait for. */
export declare const readySteps: (run: Run, recorded: ReadonlyMap<string, StepCompleted['conclusion']>, just_completed: string) => { next: NextStep[]; ended: boolean }
export declare const stepOf: (run: Run, step_id: string) => CompiledStep
