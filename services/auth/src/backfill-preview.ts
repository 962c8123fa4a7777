/** What a backfill would do, period by period, with bytes and money. Nothing is run. */
import { AppError, runId, type Run } from '@convergence/contracts'
import type { PlannedPeriod } from '@convergence/service/backfills'
import { queryCost, queryPrice } from '@convergence/warehouse/price'
import type { RouteContext } from './context.ts'
import { planOf } from './plan.ts'
import type { WantedRun } from './runs.ts'

/** Estimates of one preview, each of which asks the warehouse; the others are told to be missing. */
const mostEstimates = 366
const estimatesAtATime = 8

interface Estimate {
  /** Null where it could not be made. */
  bytes_processed: number | null
  cost_usd: number | null
  problems: string[]
}
export interface PreviewWanted {
  /** All of a run but its period. */
  run: WantedRun
  /** Name of the parameter that is the period. */
  parameter: string
  planned: readonly PlannedPeriod[]
  request_id: string
}

export const previewOf = async (parts: RouteContext, { run, parameter, planned, request_id }: PreviewWanted) => {
  const runs = planned.filter(({ action }) => action === 'run')
  const estimates = new Map<string, Estimate>()
  const waiting = runs.slice(0, mostEstimates)
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const parameters: Run['parameters'] = { ...run.parameters, [parameter]: next.period }
      const run_id = runId(run.tenant_id, `dry-run:${request_id}:${next.period}`)
      estimates.set(next.period, await estimate(parts, { ...run, parameters }, run_id))
    }
  }
  await Promise.all(Array.from({ length: estimatesAtATime }, work))
  const missing = `not estimated: a preview estimates ${mostEstimates} runs`
  const items = planned.map(({ period, action, reason }) => ({
    period,
    action,
    reason,
    ...(action === 'run'
      ? (estimates.get(period) ?? { bytes_processed: null, cost_usd: null, problems: [missing] })
      : { bytes_processed: 0, cost_usd: 0, problems: [] }),
  }))
  const bytes_processed = items.reduce((sum, item) => sum + (item.bytes_processed ?? 0), 0)
  return {
    periods: planned.length,
    runs: runs.length,
    skipped: planned.length - runs.length,
    /** Of the runs that could be estimated. */
    bytes_processed,
    cost_usd: queryCost(bytes_processed),
    price: queryPrice,
    not_estimated: items.filter((item) => item.bytes_processed === null).length,
    items,
  }
}

const estimate = async (parts: RouteContext, wanted: WantedRun, run_id: string): Promise<Estimate> => {
  try {
    const { bytes_processed, steps } = await planOf(parts, await parts.runs.compile(wanted, run_id))
    const problems = steps.flatMap((step) => step.problems.map((problem) => `${step.step_id}: ${problem}`))
    const isWhole = steps.every((step) => step.statement === null || step.bytes_processed !== null)
    return isWhole
      ? { bytes_processed, cost_usd: queryCost(bytes_processed), problems }
      : { bytes_processed: null, cost_usd: null, problems }
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    const problems = [`${error.code}: ${error.message}`, ...error.faults]
    return { bytes_processed: null, cost_usd: null, problems }
  }
}
