/** Datasets, tables and views: looked at, made, given columns. */
import { AppError, type Column, type TimePartitioning } from '@convergence/contracts'
import { assertRows } from '@convergence/tabular/values'
import type { Destination, Row, TableRef } from '../warehouse.ts'
import { endsOf } from '../period.ts'
import { call, pathTo, tenants, unless, type KnownTable, type RestTable, type Session } from './session.ts'
import { pathOf, type OtherColumn, type PeriodColumn } from './sql.ts'
import { columnOf, fieldOf, sameName, withoutRequired } from './values.ts'

const tableKeptMs = 60_000

const mostEtagTries = 5

const numbers = new Set(['INT64', 'NUMERIC', 'BIGNUMERIC', 'FLOAT64'])

const assignable = (from: Column, to: Column): boolean =>
  (from.mode === 'REPEATED') === (to.mode === 'REPEATED') &&
  (from.type === to.type || (numbers.has(from.type) && numbers.has(to.type) && to.type !== 'INT64'))

export const tableUri = (session: Session, { project_id: project, dataset, table }: TableRef): string =>
  pathTo(session, project, `/datasets/${encodeURIComponent(dataset)}/tables/${encodeURIComponent(table)}`)

export const nameOf = ({ dataset, table }: TableRef): string => `${dataset}.${table}`

export const restRef = ({ project_id: project, dataset, table }: TableRef, partition?: string) => ({
  projectId: project,
  datasetId: dataset,
  tableId: partition === undefined ? table : `${table}$${partition}`,
})

const remember = (
  session: Session,
  ref: TableRef,
  { schema, timePartitioning, type, view, etag }: RestTable,
): KnownTable => {
  const table: KnownTable = {
    columns: (schema?.fields ?? []).map(columnOf),
    is_view: type === 'VIEW' || type === 'MATERIALIZED_VIEW' || view !== undefined,
    at: session.now().getTime(),
    ...(timePartitioning === undefined ? {} : { time_partitioning: timePartitioning }),
    ...(view?.query === undefined ? {} : { view_query: view.query }),
    ...(etag === undefined ? {} : { etag }),
  }
  session.known.set(pathOf(ref), table)
  return table
}

/** undefined when it does not exist. */
export const readTable = async (session: Session, ref: TableRef): Promise<KnownTable | undefined> => {
  const found = await unless<RestTable>(session, 404, { uri: tableUri(session, ref) }, `get table ${nameOf(ref)}`)
  if (found === undefined) {
    session.known.delete(pathOf(ref))
    return undefined
  }
  return remember(session, ref, found)
}

/** As it was a minute ago at most; those who ask at the same time ask once. */
export const recentTable = (session: Session, ref: TableRef): Promise<KnownTable | undefined> => {
  const path = pathOf(ref)
  const recent = session.known.get(path)
  if (recent !== undefined && session.now().getTime() - recent.at < tableKeptMs) return Promise.resolve(recent)
  const other = session.looking.get(path)
  if (other !== undefined) return other
  const mine = readTable(session, ref).finally(() => {
    session.looking.delete(path)
  })
  session.looking.set(path, mine)
  return mine
}

export const createTable = async (session: Session, ref: TableRef, body: object): Promise<boolean> => {
  const made = await unless<RestTable>(
    session,
    409,
    {
      method: 'POST',
      uri: pathTo(session, ref.project_id, `/datasets/${encodeURIComponent(ref.dataset)}/tables`),
      json: { tableReference: restRef(ref), ...body },
    },
    `create table ${nameOf(ref)}`,
  )
  if (made !== undefined) remember(session, ref, made)
  return made !== undefined
}

/** Adds what is missing. The etag keeps two that add at once from undoing each other. */
export const addColumns = async (
  session: Session,
  ref: TableRef,
  columns: readonly Column[],
  found: KnownTable,
): Promise<KnownTable> => {
  let table = found
  for (let k = 1; ; k++) {
    const missing = columns
      .filter((column) => !table.columns.some((other) => sameName(other, column)))
      .map(withoutRequired)
    if (missing.length === 0) return table
    const changed = await unless<RestTable>(
      session,
      412,
      {
        method: 'PATCH',
        uri: tableUri(session, ref),
        json: { schema: { fields: [...table.columns, ...missing].map(fieldOf) } },
        ...(table.etag === undefined ? {} : { headers: { 'If-Match': table.etag } }),
      },
      `add columns to ${nameOf(ref)}`,
    )
    if (changed !== undefined) return remember(session, ref, changed)
    if (k >= mostEtagTries)
      throw new AppError('UNAVAILABLE', `${nameOf(ref)}: others change its columns at the same time; it is tried again`)
    table = (await readTable(session, ref)) ?? table
  }
}

/** Silent where it is not there. */
export const dropTable = async (session: Session, ref: TableRef): Promise<void> => {
  await unless(session, 404, { method: 'DELETE', uri: tableUri(session, ref) }, `delete table ${nameOf(ref)}`)
  session.known.delete(pathOf(ref))
}

const partitioningOf = (
  time_partitioning: TimePartitioning | undefined,
  clustering_fields: readonly string[] | undefined,
): object => ({
  ...(time_partitioning === undefined ? {} : { timePartitioning: time_partitioning }),
  ...(clustering_fields === undefined || clustering_fields.length === 0
    ? {}
    : { clustering: { fields: clustering_fields } }),
})

/**
 * The table of a job, made if it is missing. A job that then fails leaves it empty: BigQuery has no job that makes a
 * table of a declared schema and fills it.
 */
export const targetTable = async (
  session: Session,
  destination: Destination,
  given: readonly Column[],
): Promise<KnownTable> => {
  const { columns = [], time_partitioning, clustering_fields, expires_hours } = destination
  const wanted = [
    ...columns,
    ...given.filter((column) => !columns.some((other) => sameName(other, column))).map(withoutRequired),
  ]
  let table = await readTable(session, destination)
  if (table === undefined) {
    await createTable(session, destination, {
      schema: { fields: wanted.map(fieldOf) },
      ...partitioningOf(time_partitioning, clustering_fields),
      ...(expires_hours === undefined
        ? {}
        : { expirationTime: String(session.now().getTime() + expires_hours * 3_600_000) }),
    })
    table = await readTable(session, destination)
  }
  if (table === undefined)
    throw new AppError('UNAVAILABLE', `${nameOf(destination)} was made and cannot be found yet; it is tried again`)
  if (table.is_view) throw new AppError('QUERY_INVALID', `${nameOf(destination)} is a view; it cannot be written`)
  return table
}

/** Refuses what the table cannot take, by column; BigQuery would name the whole schema. */
export const assertTakes = (
  { dataset, table: name, add_columns = true }: Destination,
  table: KnownTable,
  given: readonly Column[],
): void => {
  for (const column of given) {
    const own = table.columns.find((other) => sameName(other, column))
    if (own === undefined) {
      if (!add_columns)
        throw new AppError(
          'QUERY_INVALID',
          `${dataset}.${name}: has no column ${column.name}, and add_columns is false`,
        )
    } else if (!assignable(column, own)) {
      const given = `${column.mode === 'REPEATED' ? 'an array of ' : ''}${column.type}`
      throw new AppError(
        'QUERY_INVALID',
        `${dataset}.${name}.${own.name}: the table has ${own.type}, the result gives ${given}; use CAST`,
      )
    }
  }
}

export const periodOf = (
  { dataset, table: name, write_mode, period }: Destination,
  table: KnownTable,
): PeriodColumn[] =>
  Object.entries(write_mode === 'truncate' ? (period ?? {}) : {}).map(([key, value]) => {
    const column = table.columns.find((one) => one.name.toLowerCase() === key.toLowerCase())
    if (column === undefined)
      throw new AppError(
        'QUERY_INVALID',
        `${dataset}.${name}: the period names ${key}, which is no column of the table`,
      )
    return { column, ...endsOf(column, value) }
  })

/** The rows that go with the period, by the table's columns. */
export const alsoReplacedBy = ({ also_replaces = [] }: Destination, table: KnownTable): OtherColumn[][] =>
  also_replaces.flatMap((entry) => {
    const columns = Object.entries(entry).flatMap(([key, value]): OtherColumn[] => {
      const column = table.columns.find((one) => one.name.toLowerCase() === key.toLowerCase())
      return column === undefined ? [] : [value === null ? { column, value } : { column, ...endsOf(column, value) }]
    })
    return columns.length < Object.keys(entry).length ? [] : [columns]
  })

/** The central table, which takes these rows. Columns may have been added since we looked. */
export const centralTable = async (session: Session, name: string, rows: readonly Row[]): Promise<KnownTable> => {
  const ref: TableRef = { project_id: session.project_id, dataset: tenants, table: name }
  const recent = session.known.get(pathOf(ref))
  const found = await recentTable(session, ref)
  if (found === undefined)
    throw new AppError(
      'TABLE_NOT_FOUND',
      `${session.project_id}.${tenants}.${name} does not exist; the bootstrap pipeline makes the central tables`,
    )
  try {
    assertRows(name, found.columns, rows)
    return found
  } catch (error) {
    const anew = found === recent ? await readTable(session, ref) : undefined
    if (anew === undefined) throw error
    assertRows(name, anew.columns, rows)
    return anew
  }
}

export const datasetUri = (dataset: string): string => `/datasets/${encodeURIComponent(dataset)}`

export const readDataset = (session: Session, dataset: string) =>
  unless<{ labels?: Record<string, string> }>(session, 404, { uri: datasetUri(dataset) }, `get dataset ${dataset}`)

export const ensureDataset = async (
  session: Session,
  dataset: string,
  options: { labels?: Record<string, string>; description?: string } | undefined = {},
): Promise<'created' | 'existed'> => {
  if ((await readDataset(session, dataset)) !== undefined) return 'existed'
  const made = await unless(
    session,
    409,
    {
      method: 'POST',
      uri: '/datasets',
      json: {
        datasetReference: { projectId: session.project_id, datasetId: dataset },
        location: session.location,
        ...(options.labels === undefined ? {} : { labels: options.labels }),
        ...(options.description === undefined ? {} : { description: options.description }),
      },
    },
    `create dataset ${dataset}`,
  )
  return made === undefined ? 'existed' : 'created'
}

export const ensureTable = async (
  session: Session,
  {
    dataset,
    table: name,
    columns,
    time_partitioning,
    clustering_fields,
    description,
  }: {
    dataset: string
    table: string
    columns: readonly Column[]
    time_partitioning?: TimePartitioning
    clustering_fields?: readonly string[]
    description?: string
  },
): Promise<'created' | 'existed'> => {
  const ref: TableRef = { project_id: session.project_id, dataset, table: name }
  let table = await readTable(session, ref)
  if (
    table === undefined &&
    (await createTable(session, ref, {
      schema: { fields: columns.map(fieldOf) },
      ...partitioningOf(time_partitioning, clustering_fields),
      ...(description === undefined ? {} : { description }),
    }))
  )
    return 'created'
  table ??= await readTable(session, ref)
  if (table === undefined)
    throw new AppError('UNAVAILABLE', `${nameOf(ref)} exists and cannot be found; it is tried again`)
  await addColumns(session, ref, columns, table)
  return 'existed'
}

export const ensureView = async (
  session: Session,
  { dataset, view, query, description }: { dataset: string; view: string; query: string; description?: string },
): Promise<'created' | 'existed' | 'replaced'> => {
  const ref: TableRef = { project_id: session.project_id, dataset, table: view }
  const body = { view: { query, useLegacySql: false }, ...(description === undefined ? {} : { description }) }
  let table = await readTable(session, ref)
  if (table === undefined && (await createTable(session, ref, body))) return 'created'
  table ??= await readTable(session, ref)
  if (table === undefined)
    throw new AppError('UNAVAILABLE', `${nameOf(ref)} exists and cannot be found; it is tried again`)
  if (!table.is_view) throw new AppError('ALREADY_EXISTS', `${nameOf(ref)} is a table`)
  if (table.view_query === query) return 'existed'
  remember(
    session,
    ref,
    await call<RestTable>(
      session,
      { method: 'PATCH', uri: tableUri(session, ref), json: body },
      `replace view ${nameOf(ref)}`,
    ),
  )
  return 'replaced'
}
