/**
 * BigQuery in one process, on DuckDB: catalog = project, schema = dataset. A job's row and its effect are one
 * transaction, so a kill leaves both or neither; a job that was running is then simply not there, and the same id is
 * inserted again. Small rows are answered by the journal and reach DuckDB in batches, the journal's position in the
 * same transaction; a query first applies what was acknowledged of the tables that it reads. This file wires the parts
 * in `engine/`, each of which works on their shared context.
 */
import { join, resolve } from 'node:path'
import { openApplier } from './engine/applier.ts'
import type { Applier } from './engine/applier.ts'
import { assertOpen } from './engine/context.ts'
import type { Log } from './engine/log.ts'
import type { Context } from './engine/context.ts'
import * as datasets from './engine/datasets.ts'
import { assertJobId, cancelJob, getJob, insertJob, insertRows, listJobs, waitFor } from './engine/jobs.ts'
import type { Jobs } from './engine/jobs.ts'
import { journalDataset } from './engine/journal-rows.ts'
import * as rows from './engine/rows.ts'
import { makeFolders, openStore } from './engine/store.ts'
import * as tables from './engine/tables.ts'
import { openTranslations } from './engine/translations.ts'
import { openJournal } from './journal.ts'
import { parquetColumns } from './load/parquet.ts'
import type { Engine } from './work.ts'

export type { Engine } from './work.ts'

export interface EngineOptions {
  /**
   * warehouse.duckdb and journal.db are in it, and `scratch/`, the only folder that loads may read. Made if it is
   * missing.
   */
  folder: string
  project_id: string
  /** Of datasets made from now on; without it none is kept, and the front says EU. */
  location?: string
  now?: () => Date
  /** What DuckDB may use before it spills to disk; default 1GB. */
  memory_limit?: string
  /**
   * Told of rows that were acknowledged and that DuckDB does not take (they are kept aside, and somebody must look), and
   * of jobs that failed of what nobody foresaw, with DuckDB's own text.
   */
  log?: Log
}

/** Ids of jobs are remembered for so long. */
const jobsKeptMs = 180 * 86_400_000

/** Journal and store of a folder, and what brings the one into the other. */
const openParts = async ({ folder, project_id, now = () => new Date(), memory_limit = '1GB', log }: EngineOptions) => {
  const folders = makeFolders(folder)
  const since = now().getTime() - jobsKeptMs
  let applier: Applier | undefined
  // The journal's lock is the engine's: it holds against other processes and against this one, where two instances on
  // one file lose data.
  const journal = await openJournal(join(folder, 'journal.db'), since, (entries) => {
    applier?.onDurable(entries)
  })
  try {
    const store = await openStore({
      ...folders,
      file: join(folder, 'warehouse.duckdb'),
      project_id,
      memory_limit,
      now,
      jobs_since: new Date(since),
    })
    journal.applied(store.applied)
    applier = openApplier(store, journal, log)
    return { store, journal, applier }
  } catch (error) {
    await journal.close()
    throw error
  }
}

/**
 * Opens the warehouse of a folder, which this process then owns; whoever comes second gets an error of one
 * sentence. Throws SETTING_INVALID or DISK_FULL.
 */
export const openEngine = async (options: EngineOptions): Promise<Engine> => {
  const folder = resolve(options.folder)
  const { store, journal, applier } = await openParts({ ...options, folder })
  let closing: Promise<void> | undefined
  const context: Context = {
    ...store,
    folder,
    location: options.location,
    log: options.log,
    journal,
    applier,
    translations: openTranslations(store),
    isClosing: () => closing !== undefined,
  }
  const jobs: Jobs = { running: new Map(), ended: new Map() }
  const { catalog } = context
  return {
    project_id: store.project_id,
    folder,

    insert: async (job_id, spec, labels) => {
      assertOpen(context)
      assertJobId(job_id)
      return spec.kind === 'rows'
        ? insertRows(context, job_id, spec, labels)
        : insertJob(context, jobs, job_id, { work: spec, labels, keep: true, information: false })
    },
    submit: (job_id, work, { labels, detail, keep }) => {
      assertOpen(context)
      assertJobId(job_id)
      return insertJob(context, jobs, job_id, { work, labels, detail, keep, information: true })
    },
    get: (job_id) => getJob(context, jobs, job_id),
    job: (job_id) => getJob(context, jobs, job_id),
    jobs: (limit) => listJobs(context, jobs, limit),
    wait: (job_id, signal) => waitFor(context, jobs, job_id, signal),
    cancel: (job_id) => {
      cancelJob(jobs, job_id)
      return Promise.resolve()
    },

    append: (table, given) => rows.append(context, table, given),
    insertRows: (dataset, name, given) => rows.insertRows(context, dataset, name, given),
    query: (statement, given) => rows.query(context, statement, given),
    pages: (statement, given) => rows.pages(context, statement, given),
    dryRun: (statement) => rows.dryRun(context, statement),
    plan: (statement) => rows.plan(context, statement),
    read: (dataset, name, page) => rows.read(context, dataset, name, page),

    ensureDataset: (dataset, given) => datasets.ensureDataset(context, dataset, given),
    getDataset: (dataset) => Promise.resolve(catalog.dataset(dataset)),
    dropDataset: (dataset) => datasets.dropDataset(context, dataset),
    datasets: () => [...catalog.datasets()].map(([dataset, spec]) => ({ dataset, spec })),
    createDataset: (dataset, spec) => datasets.createDataset(context, dataset, spec),
    changeDataset: (dataset, change) => datasets.changeDataset(context, dataset, change),
    deleteDataset: (dataset, contents) => datasets.deleteDataset(context, dataset, contents),
    things: (dataset) => datasets.listThings(context, dataset),

    dropTable: (table) => tables.dropTable(context, table),
    ensureTable: (spec) => tables.ensureTable(context, spec),
    ensureView: (spec) => tables.ensureView(context, spec),
    describe: (dataset, name) => tables.describe(context, dataset, name),
    createTable: (dataset, name, spec) => tables.createTable(context, dataset, name, spec),
    createView: (dataset, name, spec) => tables.createView(context, dataset, name, spec),
    changeTable: (dataset, name, change) => tables.changeTable(context, dataset, name, change),
    changeView: (dataset, name, change) => tables.changeView(context, dataset, name, change),
    deleteThing: (dataset, name) => tables.deleteThing(context, dataset, name),
    columns: (dataset, name) => catalog.table(dataset, name)?.columns,
    madeAt: (dataset, name) => catalog.table(dataset, name)?.created_ms,
    partitioning: (dataset, name) => catalog.table(dataset, name)?.time_partitioning,
    takesSmallRows: (dataset) => dataset === journalDataset,
    parquetColumns: (file) => context.connected((connection) => parquetColumns(connection, file)),

    healthy: () => Promise.resolve(closing === undefined && journal.healthy() && applier.healthy()),
    close: () =>
      (closing ??= (async () => {
        for (const { connection } of jobs.running.values()) connection?.interrupt()
        await Promise.allSettled([...jobs.running.values()].map(({ done }) => done))
        await applier.close()
        await journal.close()
        await store.close()
      })()),
  }
}
