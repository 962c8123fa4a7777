/** What the parts of the engine share: the store, the journal that fills it, statements, and whether it is closing. */
import { AppError } from '@convergence/contracts'
import type { StoredTable } from '../catalog.ts'
import type { Journal } from '../journal.ts'
import type { Applier } from './applier.ts'
import type { Log } from './log.ts'
import type { Store } from './store.ts'
import type { Translations } from './translations.ts'

export interface Context extends Store {
  folder: string
  /** Of datasets that the door makes. */
  location: string | undefined
  log: Log | undefined
  journal: Journal
  applier: Applier
  translations: Translations
  isClosing(): boolean
}

/** Throws UNAVAILABLE once the warehouse is closing. */
export const assertOpen = ({ isClosing }: Context): void => {
  if (isClosing()) throw new AppError('UNAVAILABLE', 'the warehouse is closing')
}
export const notFound = ({ project_id }: Context, dataset: string, table?: string): AppError =>
  new AppError(
    'NOT_FOUND',
    table === undefined
      ? `Not found: Dataset ${project_id}:${dataset}`
      : `Not found: Table ${project_id}:${dataset}.${table}`,
  )
/** Throws NOT_FOUND. */
export const tableOf = (context: Context, dataset: string, name: string): StoredTable => {
  if (!context.catalog.hasDataset(dataset)) throw notFound(context, dataset)
  const table = context.catalog.table(dataset, name)
  if (table === undefined) throw notFound(context, dataset, name)
  return table
}
