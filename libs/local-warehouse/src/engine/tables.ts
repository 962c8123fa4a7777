/** Tables and views: made, changed, dropped, described. */
import { AppError } from '@convergence/contracts'
import type { StoredTable, StoredView } from '../catalog.ts'
import { wordFault } from '../faults.ts'
import { quoted } from '../values.ts'
import type { Described, Engine } from '../work.ts'
import { assertFree, changed, changing, dropExpired, dropThing } from './changes.ts'
import { sameName, withoutRequired } from './columns.ts'
import { assertOpen, notFound, tableOf } from './context.ts'
import type { Context } from './context.ts'

type TableSpec = Parameters<Engine['ensureTable']>[0]
type ViewSpec = Parameters<Engine['ensureView']>[0]

export const ensureTable = (context: Context, { dataset, table, ...spec }: TableSpec): Promise<'created' | 'existed'> =>
  context.locked(`dataset ${dataset}`, () =>
    context.locked(`${dataset}.${table}`, async () => {
      assertOpen(context)
      if (!context.catalog.hasDataset(dataset))
        throw new AppError('TABLE_NOT_FOUND', `dataset ${context.project_id}.${dataset} does not exist`)
      const known = context.catalog.table(dataset, table)
      if (known === undefined) {
        await context
          .transaction((connection) => context.catalog.createTable(connection, dataset, table, spec))
          .catch((error: unknown) => {
            throw wordFault(error)
          })
        context.catalog.tableIs(dataset, table, spec)
        return 'created'
      }
      const added = spec.columns
        .filter((column) => !known.columns.some((other) => sameName(other, column)))
        .map(withoutRequired)
      if (added.length > 0) {
        const after = { ...known, columns: [...known.columns, ...added] }
        await context
          .transaction((connection) => context.catalog.addColumns(connection, dataset, table, after, added))
          .catch((error: unknown) => {
            throw wordFault(error)
          })
        context.catalog.tableIs(dataset, table, after)
      }
      return 'existed'
    }),
  )

export const ensureView = (
  context: Context,
  { dataset, view, query, description }: ViewSpec,
): Promise<'created' | 'replaced' | 'existed'> =>
  context.locked(`dataset ${dataset}`, async () => {
    assertOpen(context)
    if (!context.catalog.hasDataset(dataset))
      throw new AppError('TABLE_NOT_FOUND', `dataset ${context.project_id}.${dataset} does not exist`)
    const known = context.catalog.view(dataset, view)
    if (known?.query === query) return 'existed'
    if (context.catalog.table(dataset, view) !== undefined)
      throw new AppError('ALREADY_EXISTS', `${dataset}.${view} is a table`)
    const made = { query, ...(description === undefined ? {} : { description }) }
    await context
      .transaction((connection) => context.catalog.createView(connection, dataset, view, made))
      .catch((error: unknown) => {
        throw wordFault(error)
      })
    context.catalog.viewIs(dataset, view, made)
    return known === undefined ? 'created' : 'replaced'
  })

export const createTable = (context: Context, dataset: string, name: string, spec: StoredTable): Promise<void> =>
  changing(context, dataset, () =>
    context.locked(`${dataset}.${name}`, async () => {
      assertFree(context, dataset, name)
      const made = { ...spec, created_ms: context.now().getTime(), modified_ms: context.now().getTime() }
      await changed(context, (connection) => context.catalog.createTable(connection, dataset, name, made))
      context.catalog.tableIs(dataset, name, made)
    }),
  )

export const createView = (context: Context, dataset: string, name: string, spec: StoredView): Promise<void> =>
  changing(context, dataset, async () => {
    assertFree(context, dataset, name)
    await context.translations.translate({ query: spec.query }, true)
    const made = { ...spec, created_ms: context.now().getTime(), modified_ms: context.now().getTime() }
    await changed(context, (connection) => context.catalog.createView(connection, dataset, name, made))
    context.catalog.viewIs(dataset, name, made)
  })

export const changeTable = (
  context: Context,
  dataset: string,
  name: string,
  change: (spec: StoredTable) => StoredTable,
): Promise<void> =>
  changing(context, dataset, () =>
    context.locked(`${dataset}.${name}`, async () => {
      const known = tableOf(context, dataset, name)
      const made = { ...change(known), modified_ms: context.now().getTime() }
      const added = made.columns.filter((column) => !known.columns.some((other) => sameName(other, column)))
      const relaxed = made.columns.filter(
        (column) =>
          column.mode !== 'REQUIRED' &&
          known.columns.some((other) => sameName(other, column) && other.mode === 'REQUIRED'),
      )
      await changed(context, async (connection) => {
        for (const column of relaxed)
          await connection.run(
            `ALTER TABLE ${context.catalog.path(dataset, name)} ALTER COLUMN ${quoted(column.name)} DROP NOT NULL`,
          )
        await context.catalog.addColumns(connection, dataset, name, made, added)
      })
      context.catalog.tableIs(dataset, name, made)
    }),
  )

export const changeView = (
  context: Context,
  dataset: string,
  name: string,
  change: (spec: StoredView) => StoredView,
): Promise<void> =>
  changing(context, dataset, async () => {
    const known = context.catalog.view(dataset, name)
    if (known === undefined) throw notFound(context, dataset, name)
    const made = { ...change(known), modified_ms: context.now().getTime() }
    if (made.query !== known.query) await context.translations.translate({ query: made.query }, true)
    await changed(context, (connection) => context.catalog.createView(connection, dataset, name, made))
    context.catalog.viewIs(dataset, name, made)
  })

export const deleteThing = async (context: Context, dataset: string, name: string): Promise<void> => {
  assertOpen(context)
  await context.applier.applyFor([{ project_id: context.project_id, dataset, table: name }])
  await changing(context, dataset, () => dropThing(context, dataset, name))
}

export const dropTable = async (
  context: Context,
  { dataset, table }: { dataset: string; table: string },
): Promise<void> => {
  if (context.catalog.table(dataset, table) !== undefined)
    await deleteThing(context, dataset, table).catch((error: unknown) => {
      // Another one was faster.
      if (!(error instanceof AppError && error.code === 'NOT_FOUND')) throw error
    })
  if (context.catalog.hasDataset(dataset)) await dropExpired(context, dataset)
}

export const describe = async (context: Context, dataset: string, name: string): Promise<Described | undefined> => {
  await dropExpired(context, dataset)
  const table = context.catalog.table(dataset, name)
  if (table !== undefined) {
    await context.applier.applyFor([{ project_id: context.project_id, dataset, table: name }])
    const [row] = await context.connected(async (connection) =>
      (await connection.runAndReadAll(`SELECT count(*) FROM ${context.catalog.path(dataset, name)}`)).getRows(),
    )
    const rows = Number(row?.[0] ?? 0)
    return { kind: 'table', table, rows, bytes: rows * table.columns.length * 8 }
  }
  const view = context.catalog.view(dataset, name)
  if (view === undefined) return undefined
  const { translated } = await context.translations.translate({ query: view.query }, true)
  return { kind: 'view', view, columns: translated.columns }
}
