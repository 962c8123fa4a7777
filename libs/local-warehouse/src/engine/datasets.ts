/** Datasets: made, changed, dropped, listed. */
import { AppError } from '@convergence/contracts'
import type { StoredDataset } from '../catalog.ts'
import { wordFault } from '../faults.ts'
import type { Engine } from '../work.ts'
import { changed, changing, dropExpired } from './changes.ts'
import { assertOpen, notFound } from './context.ts'
import type { Context } from './context.ts'
import { journalDataset } from './journal-rows.ts'

type DatasetOptions = NonNullable<Parameters<Engine['ensureDataset']>[1]>
type Thing = Awaited<ReturnType<Engine['things']>>[number]

export const ensureDataset = (
  context: Context,
  dataset: string,
  options: DatasetOptions = {},
): Promise<'created' | 'existed'> =>
  context.locked(`dataset ${dataset}`, async () => {
    assertOpen(context)
    if (context.catalog.hasDataset(dataset)) return 'existed'
    const made = {
      labels: options.labels ?? {},
      ...(context.location === undefined ? {} : { location: context.location }),
      ...(options.description === undefined ? {} : { description: options.description }),
    }
    await context
      .transaction((connection) => context.catalog.createDataset(connection, dataset, made))
      .catch((error: unknown) => {
        throw wordFault(error)
      })
    context.catalog.datasetIs(dataset, made)
    return 'created'
  })

/** With all that is in it; nothing where there is none. */
export const dropDataset = async (context: Context, dataset: string): Promise<void> => {
  assertOpen(context)
  if (dataset === journalDataset) await context.applier.applyAll()
  await context.locked(`dataset ${dataset}`, async () => {
    if (!context.catalog.hasDataset(dataset)) return
    await context
      .transaction((connection) => context.catalog.dropDataset(connection, dataset))
      .catch((error: unknown) => {
        throw wordFault(error)
      })
    context.catalog.datasetIs(dataset, undefined)
  })
}

export const createDataset = (context: Context, dataset: string, spec: StoredDataset): Promise<void> =>
  changing(context, dataset, async () => {
    if (context.catalog.hasDataset(dataset))
      throw new AppError('ALREADY_EXISTS', `Already Exists: Dataset ${context.project_id}:${dataset}`)
    const made = { ...spec, created_ms: context.now().getTime(), modified_ms: context.now().getTime() }
    await changed(context, (connection) => context.catalog.createDataset(connection, dataset, made))
    context.catalog.datasetIs(dataset, made)
  })

export const changeDataset = (
  context: Context,
  dataset: string,
  change: (spec: StoredDataset) => StoredDataset,
): Promise<StoredDataset> =>
  changing(context, dataset, async () => {
    const known = context.catalog.datasets().get(dataset)
    if (known === undefined) throw notFound(context, dataset)
    const made = { ...change(known), modified_ms: context.now().getTime() }
    await changed(context, (connection) => context.catalog.putDataset(connection, dataset, made))
    context.catalog.datasetIs(dataset, made)
    return made
  })

export const deleteDataset = async (context: Context, dataset: string, contents: boolean): Promise<void> => {
  assertOpen(context)
  if (!context.catalog.hasDataset(dataset)) throw notFound(context, dataset)
  if (!contents && context.catalog.tables(dataset).size + context.catalog.views(dataset).size > 0)
    throw new AppError('CONFLICT', `Dataset ${context.project_id}:${dataset} is still in use`)
  await dropDataset(context, dataset)
}

export const listThings = async (context: Context, dataset: string): Promise<Thing[]> => {
  if (!context.catalog.hasDataset(dataset)) throw notFound(context, dataset)
  await dropExpired(context, dataset)
  const tables = [...context.catalog.tables(dataset)].map(([name, table]) => ({ name, kind: 'table' as const, table }))
  const views = [...context.catalog.views(dataset)].map(([name, view]) => ({ name, kind: 'view' as const, view }))
  return [...tables, ...views].sort((one, other) => (one.name < other.name ? -1 : 1))
}
