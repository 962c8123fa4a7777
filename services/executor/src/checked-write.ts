/**
 * The write of a step, with its checks before it: the new rows go to a table of their own, are checked there, and then
 * go to the destination by one job of the step's own chain, which alone changes what is there.
 * Each part has a name made of run and step, so whoever comes second finds what the first one did: rows that are held
 * are not made again, a verdict that is recorded is not given again, and the last job happens once. When the process
 * dies between check and swap, what was there is there, and the next host goes on with the rows that are held; those of
 * a run that nobody goes on with leave by themselves.
 */
import { createHash } from 'node:crypto'
import { AppError, type Column } from '@convergence/contracts'
import { ownDataset, readsOf } from '@convergence/pipeline'
import { sourceTables } from '@convergence/service/sources'
import type { StepContext } from '@convergence/service/steps'
import type { ChainResult, Destination, DryRun, JobSpec, Statement, TableRef, Warehouse } from '@convergence/warehouse'
import { inWords, resultsOf, runChecks, warningsOf, type Check } from './checks.ts'
import { isMade } from './focus-checks.ts'
import type { CheckResult, Store } from './store.ts'

export interface CheckedWriteDeps {
  warehouse: Pick<Warehouse, 'dryRun' | 'runJob' | 'query' | 'getDataset' | 'project_id' | 'dropTable' | 'ensureTable'>
  store: Pick<Store, 'recordChecks' | 'recordedChecks'>
  /** Datasets that the operator shares with every tenant, as project.dataset. */
  shared_sources: readonly string[]
}
export interface Written extends ChainResult {
  /** Of checks that warn. */
  warnings: string[]
  /** How many checks there were, by their status. */
  outputs: { checks?: { passed: number; warned: number } }
}

/** As long as a message may wait. */
const heldHours = 7 * 24

export const writeChecked = async (
  deps: CheckedWriteDeps,
  context: StepContext,
  checks: readonly Check[],
  spec: JobSpec,
): Promise<Written> => {
  const { warehouse } = deps
  const { chain, signal } = context
  if (checks.length === 0) return { ...(await warehouse.runJob(chain, spec)), warnings: [], outputs: {} }
  const { destination } = spec
  const held = heldFor(context, destination)
  const staged = await warehouse.runJob({ ...chain, part: 'checked' }, { ...spec, destination: held })
  let results: CheckResult[]
  try {
    results = await verdictOf(deps, context, checks, { held, destination, adopted: staged.adopted })
  } catch (error) {
    if (error instanceof AppError && error.code === 'CHECK_FAILED') await warehouse.dropTable(held)
    throw error
  }
  try {
    const swapped = await warehouse.runJob(chain, {
      kind: 'query',
      query: `SELECT * FROM \`${held.project_id}.${held.dataset}.${held.table}\``,
      destination,
    })
    await warehouse.dropTable(held)
    return {
      ...swapped,
      bytes_processed: staged.bytes_processed + swapped.bytes_processed,
      adopted: staged.adopted || swapped.adopted,
      ...outcomeOf(checks, results),
    }
  } catch (error) {
    // It failed for good, and fails so again without the rows. Of anything else nobody knows yet whether they are needed.
    if (error instanceof AppError && error.code !== 'UNAVAILABLE' && !signal.aborted) await warehouse.dropTable(held)
    throw error
  }
}

/** The checks of a step that brings no rows. */
export const checkNoRows = async (
  deps: CheckedWriteDeps,
  context: StepContext,
  checks: readonly Check[],
  destination: Destination,
): Promise<Pick<Written, 'warnings' | 'outputs'>> => {
  if (checks.length === 0) return { warnings: [], outputs: {} }
  const held = heldFor(context, destination)
  await deps.warehouse.ensureTable({ dataset: held.dataset, table: held.table, columns: held.columns ?? [] })
  try {
    return outcomeOf(checks, await verdictOf(deps, context, checks, { held, destination, adopted: false }))
  } finally {
    await deps.warehouse.dropTable(held)
  }
}

const outcomeOf = (
  checks: readonly Check[],
  results: readonly CheckResult[],
): Pick<Written, 'warnings' | 'outputs'> => {
  const warned = results.filter(({ status }) => status === 'WARNED')
  return {
    warnings: warningsOf(checks, results).map((words) => `check ${words}`),
    outputs: { checks: { passed: results.length - warned.length, warned: warned.length } },
  }
}

/** A table for the new rows alone, called after run and step. */
const heldFor = ({ run, step }: StepContext, { project_id, dataset, columns }: Destination): Destination => ({
  project_id,
  dataset,
  table: `_checked_${createHash('sha256').update(`${run.run_id} ${step.step_id}`).digest('hex').slice(0, 24)}`,
  write_mode: 'write_empty',
  ...(columns === undefined ? {} : { columns: columns.map(nullable) }),
  expires_hours: heldHours,
})
/** A value that is missing is for the checks, and for the destination, to refuse. */
const nullable = ({ mode, fields, ...column }: Column): Column => ({
  ...column,
  ...(mode === undefined || mode === 'REQUIRED' ? {} : { mode }),
  ...(fields === undefined ? {} : { fields: fields.map(nullable) }),
})

/** The results, once recorded; the first record counts. Throws CHECK_FAILED with every check that failed. */
const verdictOf = async (
  { warehouse, store, shared_sources }: CheckedWriteDeps,
  { run, step, signal }: StepContext,
  checks: readonly Check[],
  { held, destination, adopted }: { held: TableRef; destination: Destination; adopted: boolean },
): Promise<CheckResult[]> => {
  const where = `step ${step.step_id}`
  const broken = (results: readonly CheckResult[]) => results.filter(({ status }) => status === 'FAILED')
  let results = adopted ? await store.recordedChecks(run, step.step_id) : []
  if (results.length < resultsOf(checks)) {
    try {
      results = await runChecks(warehouse, checks, {
        where,
        rows: held,
        destination,
        requested_at: run.requested_at,
        default_dataset: ownDataset(run, destination.dataset),
        signal,
        assertReads: openReads(
          { warehouse, shared_sources },
          { where: `${where}: checks`, run, dataset: held.dataset },
        ),
      })
      await store.recordChecks(run, step.step_id, results)
      // Another host may have been faster, and have gone on already.
      if (broken(results).length > 0) results = await store.recordedChecks(run, step.step_id)
    } catch (error) {
      results = await store.recordedChecks(run, step.step_id)
      if (results.length < resultsOf(checks)) throw error
    }
  }
  // A rule that is made of others fails with them.
  const failed = broken(results).filter((result) => !isMade(result))
  if (failed.length > 0)
    throw new AppError(
      'CHECK_FAILED',
      `${where}: ${failed.length} of ${results.length} checks failed; the table ` +
        `${destination.dataset}.${destination.table} is as it was`,
      { faults: failed.map(inWords) },
    )
  return results
}

/** Dry-runs statements of a run; throws unless each is one SELECT of what the run may read. */
export const openReads = (
  { warehouse, shared_sources }: Pick<CheckedWriteDeps, 'warehouse' | 'shared_sources'>,
  { where, run, dataset }: { where: string; run: StepContext['run']; dataset: string },
): ((statement: Statement) => Promise<DryRun>) => {
  let source_tables: Promise<readonly string[]> | undefined
  return async (statement) => {
    const readable = { shared_sources, source_tables: await (source_tables ??= sourceTables(warehouse, run)) }
    const { foreign, allowed, ...dry } = await readsOf(warehouse, run, ownDataset(run, dataset), readable, statement)
    if (dry.statement_type !== 'SELECT')
      throw new AppError(
        'QUERY_INVALID',
        `${where}: expected exactly one SELECT, came ${dry.statement_type}; the destination says where its rows go`,
      )
    if (foreign.length > 0)
      throw new AppError(
        'SOURCE_NOT_DECLARED',
        `${where}: may read ${allowed.join(', ')}; declare other sources in the pipeline`,
        { faults: foreign },
      )
    return dry
  }
}
