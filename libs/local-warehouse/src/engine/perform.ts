/** What a job does, once its turn has come: its effect and its row are one transaction: a kill leaves both or none. */
import { AppError, errorTable } from '@convergence/contracts'
import type { DuckDBConnection } from '@duckdb/node-api'
import type { Job, JobSpec } from '@convergence/warehouse'
import { hiddenText, wordFault } from '../faults.ts'
import type { KeptJob, Work, WorkDestination } from '../work.ts'
import { assertOpen } from './context.ts'
import type { Context } from './context.ts'
import { storeJob } from './job-store.ts'
import { journalDataset } from './journal-rows.ts'
import { select } from './select.ts'
import type { Selected } from './select.ts'
import { runStatement } from './statements.ts'
import { assertBytes, bytesOf } from './translations.ts'
import { write } from './write.ts'

/** A job's work, with what the door's own jobs leave out. */
export interface Task {
  work: JobSpec | Work
  labels: Readonly<Record<string, string>>
  detail?: unknown
  keep: boolean
  information: boolean
}
/** A job that has not ended. */
export interface Running {
  task: Task
  started_ms: number
  taken: Promise<boolean>
  done: Promise<Job>
  connection: DuckDBConnection | undefined
  cancelled: boolean
}

/** A statement whose effect is its own, or whose rows go to whoever asked. */
const performStatement = async (
  context: Context,
  job: KeptJob,
  spec: Extract<Work, { kind: 'statement' }>,
  entry: Running,
): Promise<KeptJob> => {
  const { translate, columnsOf } = context.translations
  const known = await translate(spec.statement, entry.task.information)
  const bytes =
    known.translated.json_rows === undefined ? await bytesOf(context, known.translated.referenced_tables) : 0
  assertBytes(bytes, spec.maximum_bytes_billed)
  if (known.translated.kind === 'query') await columnsOf(known)
  return runStatement(context, { ...job, bytes_processed: bytes }, spec, known.translated, {
    keep: entry.task.keep,
    onConnection: (connection) => {
      entry.connection = connection
    },
    isCancelled: () => entry.cancelled,
  })
}
const assertDestination = (
  { catalog, project_id }: Context,
  { project_id: project, dataset, table }: WorkDestination,
) => {
  if (project !== project_id)
    throw new AppError(
      'QUERY_INVALID',
      `${project}.${dataset}.${table}: the local warehouse writes into its own project ${project_id} only`,
    )
  if (!catalog.hasDataset(dataset))
    throw new AppError('TABLE_NOT_FOUND', `dataset ${project_id}.${dataset} does not exist`)
  if (catalog.view(dataset, table) !== undefined)
    throw new AppError('QUERY_INVALID', `${dataset}.${table} is a view; it cannot be written`)
}
/** Rows into a table. */
const performWrite = async (context: Context, job: KeptJob, spec: JobSpec | Work, entry: Running): Promise<KeptJob> => {
  const { destination } = spec
  if (destination === undefined) throw new AppError('QUERY_INVALID', 'the job has no destination')
  assertDestination(context, destination)
  const selected = await select(context, spec, entry.task.information)
  if (destination.dataset === journalDataset && destination.write_mode !== 'append')
    await context.applier.applyFor([destination])
  // DDL of a table and rows into it exclude each other; other tables go on.
  const writeOnce = (given: Selected) =>
    context.locked(`${destination.dataset}.${destination.table}`, async () => {
      assertOpen(context)
      const { done, table } = await context.transaction(
        async (connection) => {
          if (entry.cancelled) throw new AppError('CANCELLED', 'the job was cancelled')
          const { rows, table: after } = await write(context, connection, destination, given)
          const finished: KeptJob = {
            ...job,
            rows_written: rows,
            bytes_processed: given.bytes,
            ended_ms: context.now().getTime(),
            ...(given.outcome === undefined ? {} : { outcome: given.outcome }),
          }
          await storeJob(context, connection, finished)
          return { done: finished, table: after }
        },
        (connection) => {
          entry.connection = connection
        },
      )
      context.catalog.tableIs(destination.dataset, destination.table, table)
      return done
    })
  try {
    return await writeOnce(selected)
  } catch (error) {
    const other = await selected.again?.(error)
    if (other === undefined) throw error
    return await writeOnce({ ...selected, ...other }).finally(other.release)
  }
}
/** Never throws for what is the job's own fault: that is the job's error, and is stored. */
export const perform = async (context: Context, job_id: string, entry: Running): Promise<KeptJob> => {
  const { work, labels, detail, keep } = entry.task
  const job: KeptJob = {
    job_id,
    state: 'DONE',
    labels,
    rows_written: 0,
    bytes_processed: 0,
    ...(detail === undefined ? {} : { detail }),
  }
  try {
    if (entry.cancelled) throw new AppError('CANCELLED', 'the job was cancelled')
    const spec = work.kind === 'load' && 'prepare' in work ? { ...work, ...(await work.prepare()) } : work
    return spec.kind === 'statement' && spec.destination === undefined
      ? await performStatement(context, job, spec, entry)
      : await performWrite(context, job, spec, entry)
  } catch (error) {
    // A job that the end of the process stops has not failed: it is not there, and whoever wants it inserts it again.
    if (context.isClosing())
      throw new AppError('UNAVAILABLE', `job ${job_id} was interrupted; insert it again`, { cause: error })
    const fault = wordFault(error)
    const engine_text = hiddenText(fault)
    if (engine_text !== undefined)
      context.log?.warn({ job_id, code: fault.code, engine_text }, 'a job failed of what nobody foresaw')
    const failed: KeptJob = {
      ...job,
      ended_ms: context.now().getTime(),
      error: {
        code: fault.code,
        message: [fault.message, ...fault.faults].join('\n'),
        retryable: errorTable[fault.code].retryable,
      },
    }
    if (keep) await context.transaction((connection) => storeJob(context, connection, failed))
    return failed
  }
}
