/** A checked pipeline as data: all that no run can change. */
import type { Column, CompiledStep, ServiceName } from '@convergence/contracts'
import type { Template } from './sql-template.ts'
import type { ParameterSpec } from './types.ts'
import type { Path } from './wording.ts'

export type Scalar = string | number | boolean | null
/** What a step is repeated for. */
export interface ForEach {
  sources?: { provider: string; kinds: readonly string[] }
  values?: readonly (string | number | boolean)[]
  /** Name of a parameter of several values, each of which is an item, for each source where there are both. */
  parameter?: string
  /** Items at a time; default 1. */
  concurrency?: number
}
export interface StepPlan extends Omit<CompiledStep, 'config' | 'host' | 'for_each' | 'late' | 'begins_after'> {
  host: ServiceName
  /** Follows the end of the run instead of standing among its steps. */
  notification: boolean
  config: Readonly<Record<string, unknown>>
  /** The queries of the step, each with the group of fields whose `query` it is. */
  sql: readonly { at: Path; template: Template }[]
  columns?: readonly Column[]
  for_each?: ForEach
  /** Texts of config, its queries apart, that name results of earlier steps. */
  late: readonly { at: readonly (string | number)[]; text: string }[]
  /** The kind of each result that its queries name. */
  results: ReadonlyMap<string, 'string' | 'int' | 'boolean'>
}
/** A pipeline that is followed, and what a run that follows one of it says. */
export interface After {
  pipeline: string
  /** Default: the parameters of the same name. */
  parameters?: Readonly<Record<string, string | number | boolean>>
}
export interface PipelinePlan {
  path: string
  /** Other paths by which it may be asked for. */
  aliases?: readonly string[]
  pipeline_id: string
  description: string
  schedule?: string
  parameters: readonly ParameterSpec[]
  variables: Readonly<Record<string, string | number | boolean>>
  /** What the file names as its sources; what the operator shares where it names none. */
  sources?: readonly string[]
  steps: readonly StepPlan[]
  after?: readonly After[]
  /** Steps whose results others name. */
  uses: readonly string[]
  timeout_minutes?: number
  /** Of a tenant's runs of pipelines with one key one runs at a time. */
  concurrency_key?: string
}
