/** What both loaders do once they know the delivery: its files through scratch into the table, as one job. */
import { AppError, type Column } from '@convergence/contracts'
import type { Objects, Store } from '@convergence/objects'
import { assertWritable } from '@convergence/pipeline'
import type { Log } from '@convergence/service'
import type { StepContext, StepResult } from '@convergence/service/steps'
import type { Warehouse } from '@convergence/warehouse'
import { destinationOf, type DestinationConfig } from '../processors/gcp/bq_etl.ts'
import type { ColumnPlan } from './columns.ts'
import type { Inspected } from './csv.ts'
import { assertCounted, type Delivery } from './deliveries.ts'
import type { Room } from './room.ts'
import { listAll, openSpool, type SpoolLimits } from './spool.ts'

export interface LoaderDeps {
  objects: Objects
  warehouse: Warehouse
  /** Files on their way into the warehouse; made if it is missing. */
  scratch_folder: string
  /** What all loaders of this process share of the scratch folder; default: their own, without a bound of space. */
  room?: Room
  /** Hears which columns of an export no column of the table takes. */
  log?: Pick<Log, 'info'>
  /** Caps on what an export may weigh; for tests. */
  limits?: Partial<SpoolLimits>
}
export interface Loading {
  store: Store
  bucket: string
  delivery: Delivery
  /** Decides from what the files are; throws when they are not what they should be. */
  plan(table: readonly Column[], files: readonly Inspected[]): ColumnPlan
}
/** Columns named in the outputs of a step; there may be hundreds. */
const mostNamed = 50

export const openLoader = ({ objects, warehouse, scratch_folder, room, log, limits }: LoaderDeps) => {
  const spool = openSpool({ objects, scratch_folder, limits, room })
  return {
    /** Where the rows go; throws before anything is read when they may not go there. */
    target: async ({ run, step }: StepContext, destination: DestinationConfig) => {
      const where = `step ${step.step_id}`
      const target = destinationOf(destination)
      await assertWritable(where, warehouse, run, target)
      const { columns } = destination
      if (columns === undefined || columns.length === 0)
        throw new AppError(
          'CONFIG_INVALID',
          `${where}: destination.schema_template: expected the name of a file in schemas/, which says what columns the table has, got none`,
        )
      return { target, columns }
    },
    run: async (
      { chain, signal, step }: StepContext,
      { target, columns: table }: { target: ReturnType<typeof destinationOf>; columns: readonly Column[] },
      { store, bucket, delivery, plan }: Loading,
    ): Promise<StepResult> => {
      let not_taken: readonly string[] = []
      const { rows_written, bytes_processed, attempt } = await spool.with({
        store,
        bucket,
        files: delivery.files,
        signal,
        count_rows:
          delivery.counted !== undefined &&
          [...delivery.counted.files, delivery.counted.all].some(({ rows }) => rows !== undefined),
        work: async (files) => {
          const { source_file, manifest_etag } = delivery
          if (
            manifest_etag !== undefined &&
            (await listAll(objects, store, bucket, source_file)).find(({ key }) => key === source_file)?.etag !==
              manifest_etag
          ) {
            throw new AppError(
              'OBJECT_CHANGED',
              `${store} object ${bucket}/${source_file} was replaced while its files were read, which may be of two deliveries`,
            )
          }
          assertCounted(delivery, files)
          const planned = plan(table, files)
          not_taken = planned.not_taken
          return warehouse.runJob(chain, {
            kind: 'load',
            format: 'csv',
            files: files.map(({ path, name }) => ({ path, name })),
            columns: planned.columns,
            destination: target,
          })
        },
      })
      if (not_taken.length > 0)
        log?.info({ step_id: step.step_id, columns: not_taken.length }, 'columns of the export are not in the table')
      return {
        rows_written,
        bytes_processed,
        attempt,
        outputs: {
          table: `${target.dataset}.${target.table}`,
          files: delivery.files.length,
          manifest_id: delivery.id,
          source_file: delivery.source_file,
          rows_written,
          columns_not_taken: not_taken.length,
          ...(not_taken.length === 0 ? {} : { columns_not_taken_names: not_taken.slice(0, mostNamed) }),
        },
      }
    },
  }
}
