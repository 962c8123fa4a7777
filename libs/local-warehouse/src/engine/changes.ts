/** Changes of the catalog: one at a time in a dataset, each one transaction, in memory once that is done. */
import type { DuckDBConnection } from '@duckdb/node-api'
import { AppError } from '@convergence/contracts'
import { wordFault } from '../faults.ts'
import { assertOpen, notFound, tableOf } from './context.ts'
import type { Context } from './context.ts'

/** DDL of a dataset, one at a time. Throws UNAVAILABLE. */
export const changing = <T>(context: Context, dataset: string, work: () => Promise<T>): Promise<T> => {
  assertOpen(context)
  return context.locked(`dataset ${dataset}`, work)
}
/** One transaction; a fault in our words. */
export const changed = (context: Context, work: (connection: DuckDBConnection) => Promise<void>): Promise<void> =>
  context.transaction(work).catch((error: unknown) => {
    throw wordFault(error)
  })
/** Throws NOT_FOUND and ALREADY_EXISTS. */
export const assertFree = (context: Context, dataset: string, name: string): void => {
  if (!context.catalog.hasDataset(dataset)) throw notFound(context, dataset)
  if (context.catalog.table(dataset, name) !== undefined || context.catalog.view(dataset, name) !== undefined)
    throw new AppError('ALREADY_EXISTS', `Already Exists: Table ${context.project_id}:${dataset}.${name}`)
}
/** A table or a view. Throws NOT_FOUND. */
export const dropThing = (context: Context, dataset: string, name: string): Promise<void> =>
  context.locked(`${dataset}.${name}`, async () => {
    if (context.catalog.view(dataset, name) !== undefined) {
      await changed(context, (connection) => context.catalog.dropView(connection, dataset, name))
      context.catalog.viewIs(dataset, name, undefined)
      return
    }
    tableOf(context, dataset, name)
    await changed(context, (connection) => context.catalog.dropTable(connection, dataset, name))
    context.catalog.tableIs(dataset, name, undefined)
  })
/** Drops what has had its time. */
export const dropExpired = async (context: Context, dataset: string): Promise<void> => {
  const due = [...context.catalog.tables(dataset)].filter(
    ([, { expires_ms = Infinity }]) => expires_ms <= context.now().getTime(),
  )
  for (const [name] of due)
    await changing(context, dataset, () =>
      context.catalog.table(dataset, name) === undefined ? Promise.resolve() : dropThing(context, dataset, name),
    )
}
