import { centralDataset } from '@convergence/contracts'
import type { Handler } from '@convergence/bus'
import type { Log } from '@convergence/service'
import type { Warehouse } from '@convergence/warehouse'
import { silent } from '../ledger/decide.ts'
import type { Backfills } from '../backfills.ts'
import type { Ledger } from '../ledger.ts'
import type { Schedules } from '../schedule.ts'

interface Deps {
  ledger: Ledger
  schedules: Schedules
  backfills: Backfills
  warehouse: Pick<Warehouse, 'query'>
  log: Pick<Log, 'warn'>
}

/**
 * The clock: starts what is due, starts silent runs again, announces what may not have been announced,
 * goes on with backfills.
 */
export const onSchedulerTick =
  (deps: Deps): Handler<'scheduler-tick'> =>
  async (_event, delivery) => {
    const { ledger, schedules, backfills } = deps
    const at = new Date(delivery.published_at).toISOString()
    await schedules.refresh()
    await schedules.record(at)
    const heard = await lastHeard(deps, silent(ledger.state, at))
    const swept = await ledger.submit({ kind: 'tick', at, heard })
    return [
      ...swept,
      ...schedules.due(at, (run_id) => ['QUEUED', 'RUNNING'].includes(ledger.state.runs.get(run_id)?.phase ?? '')),
      ...(await backfills.tick(at)),
    ]
  }

/**
 * When the executor last recorded something of these runs. A record that cannot be read only costs a needless start.
 */
const lastHeard = async (
  { warehouse, log }: Deps,
  run_ids: readonly string[],
): Promise<ReadonlyMap<string, string>> => {
  if (run_ids.length === 0) return new Map()
  try {
    const rows = await warehouse.query({
      query: heardQuery,
      parameters: [{ name: 'run_ids', type: 'ARRAY<STRING>', value: run_ids }],
      default_dataset: centralDataset,
    })
    return new Map(rows.map((row) => [String(row['run_id']), new Date(String(row['heard_at'])).toISOString()]))
  } catch (error) {
    log.warn(
      { runs: run_ids.length, err: error instanceof Error ? error.name : 'unknown' },
      'the record of steps cannot be read; silent runs are started again',
    )
    return new Map()
  }
}
const heardQuery =
  'SELECT pipeline_logging_id AS run_id, MAX(recorded_at) AS heard_at FROM tenant_step_logs ' +
  'WHERE pipeline_logging_id IN UNNEST(@run_ids) GROUP BY pipeline_logging_id'
