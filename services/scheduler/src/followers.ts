/**
 * Runs that follow a run, by the `after` of their pipelines. Known from the run that has completed and the files alone,
 * and named after it: the message that ended it comes again until what follows is published, and asks for the same.
 */
import type { Outgoing } from '@convergence/bus'
import { canonicalJson, subscriptionFault, type Run, type StepCompleted } from '@convergence/contracts'
import type { Following, Pipelines } from '@convergence/pipeline'
import type { State } from './ledger/state.ts'

interface Deps {
  ledger: { readonly state: State }
  pipelines: Pick<Pipelines, 'followersOf' | 'datedParameters'>
  /** Names the key that signs what is asked for. */
  kid?: string | undefined
}
/**
 * `told`: events of ends that are in the ledger; `last`: the end of a run's last step that brought them; `at`: of its
 * message. Pure but for the ledger.
 */
export type ReadFollowers = (told: readonly Outgoing[], last: StepCompleted, at: string) => Outgoing[]

/** Whether items of a for_each did what they should, though others failed: what one source cannot, another may. */
const isPartlyDone = ({ run, step_id, conclusion }: StepCompleted): boolean => {
  const for_each = run.steps.find((step) => step.step_id === step_id)?.for_each
  if (for_each === undefined || conclusion === 'CANCELLED') return false
  const items = run.steps.filter((step) => step.for_each === for_each && run.skip?.includes(step.step_id) !== true)
  const failed = new Set(run.failed?.map((each) => each.step_id))
  if (conclusion !== 'SUCCEEDED' && conclusion !== 'SKIPPED') failed.add(step_id)
  return (
    items.some((item) => !failed.has(item.step_id)) &&
    [...failed].every((id) => items.some((item) => item.step_id === id))
  )
}

export const openFollowers =
  ({ ledger, pipelines, kid }: Deps): ReadFollowers =>
  (told, last, at) =>
    told.flatMap((each) => {
      if (each.topic !== 'run-completed' && each.topic !== 'run-failed') return []
      const { run, status } = each.event
      if (run.run_id !== last.run.run_id || (status !== 'COMPLETED' && !(status === 'FAILED' && isPartlyDone(last))))
        return []
      const following = pipelines.followersOf(run)
      const owner = following.length === 0 ? undefined : ledger.state.accounts.get(run.tenant_id)
      if (owner === undefined || subscriptionFault(owner, at.slice(0, 10)) !== undefined) return []
      return following
        .filter((next) => {
          const parameters = pipelines.datedParameters(next.pipeline, next.parameters, Date.parse(at), 'UTC')
          return !isAwaited(ledger.state, run, { ...next, parameters })
        })
        .map((next): Outgoing => ({
          topic: 'run-requested',
          event: {
            run_id: next.run_id,
            tenant_id: run.tenant_id,
            pipeline: next.pipeline,
            parameters: next.parameters,
            parent_run_id: run.run_id,
            trigger_type: 'after',
            trigger_by: run.pipeline,
            priority: run.priority,
            ...(run.user_id === undefined ? {} : { user_id: run.user_id }),
          },
          idempotency_key: next.idempotency_key,
          ...(kid === undefined ? {} : { attributes: { kid } }),
        }))
    })

/**
 * Whether the same is queued already, for another run: it has not begun, so it sees what this run has left. What the
 * ledger says is as new as the end of this run, and whoever lets the other start does so after it.
 */
const isAwaited = ({ accounts }: State, { tenant_id }: Run, next: Following): boolean =>
  accounts
    .get(tenant_id)
    ?.queue.some(
      ({ run_id, run, pipeline }) =>
        run_id !== next.run_id &&
        pipeline === next.pipeline &&
        run?.trigger_type === 'after' &&
        canonicalJson(run.parameters) === canonicalJson(next.parameters),
    ) === true
