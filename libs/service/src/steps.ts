/**
 * Running a step and moving the run on: the same in every service that hosts steps. The chain of a step makes its effect happen once;
 * this module finds the processor, bounds its time, turns its end into step-completed, and says what follows.
 */
import type { Outgoing, Delivery } from '@convergence/bus'
import type { CompiledStep, NextStep, Run, ServiceName } from '@convergence/contracts'
import type { Chain } from '@convergence/warehouse'

export interface StepContext {
  run: Run
  step: CompiledStep
  /** Names the step's effect; give it to warehouse.runJob, or use `${run_id}-${step_id}` as the name of another effect. */
  chain: Chain
  /** Aborts at the step's time-out, at cancellation and at shutdown. */
  signal: AbortSignal
  now(): Date
}
export interface StepResult {
  rows_written?: number
  bytes_processed?: number
  attempt?: number
  outputs?: Record<string, unknown>
  /** Published together with step-completed, such as tenant-changed. */
  events?: readonly Outgoing[]
}
/**
 * One kind of step. It opens nothing and reads no environment. Safe to call again for the same run and step: whoever comes second adopts
 * the first one's effect. A decided failure is an AppError whose code says whether another attempt may help.
 */
export interface Processor { ps_type: string; run(context: StepContext): Promise<StepResult> }

export interface Steps {
  /** Runs those of `next` that this service hosts and returns what follows: one step-completed for each, and their events. */
  host(run: Run, next: readonly NextStep[] | undefined, delivery: Delivery): Promise<Outgoing[]>
}
export declare const openSteps: (options: { service: ServiceName; processors: Readonly<Record<string, Processor>>; now: () => Date; random: () => number; sleep?: (ms: number, signal: AbortSignal) => Promise<void> }) => Steps
