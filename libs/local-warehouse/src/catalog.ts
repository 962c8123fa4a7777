/**
 * What the warehouse has: datasets, tables, views, with what GoogleSQL says of them and DuckDB does not know. Kept in a
 * schema of the project that no statement can name, changed in the same transaction as the thing itself, and in memory,
 * where it is true once the transaction is done: the engine calls `...Is` then.
 */
import type { DuckDBConnection } from '@duckdb/node-api'
import type { Column, TimePartitioning } from '@convergence/contracts'
import { literal, quoted, typeOf } from './values.ts'

/** What BigQuery remembers of a thing beside what it is. Things that were made by older versions have no times. */
export interface Remembered {
  created_ms?: number
  modified_ms?: number
  friendly_name?: string
  labels?: Record<string, string>
}
export interface StoredTable extends Remembered {
  columns: readonly Column[]
  time_partitioning?: TimePartitioning
  /** Kept and shown, not enforced. */
  partition_expiration_ms?: number | undefined
  require_partition_filter?: boolean | undefined
  clustering_fields?: readonly string[]
  description?: string
  /** The table goes by itself then. */
  expires_ms?: number
}
export interface StoredView extends Remembered {
  query: string
  description?: string
}
export interface StoredDataset extends Omit<Remembered, 'labels'> {
  labels: Record<string, string>
  description?: string
  location?: string
}

export type Catalog = Awaited<ReturnType<typeof openCatalog>>

/** What is known in memory; `version` changes with everything that may change what a statement means. */
interface Known {
  readonly project_id: string
  readonly datasets: Map<string, StoredDataset>
  readonly tables: Map<string, Map<string, StoredTable>>
  readonly views: Map<string, Map<string, StoredView>>
  version: number
}
/** How the project's things are called in DuckDB. */
interface Names {
  schema(dataset: string): string
  path(dataset: string, table: string): string
  /** A table of the engine's own. */
  reserved(table: string): string
}

const reservedSchema = '_convergence'
/**
 * What a column is made of in which no row has had a value. DuckDB writes each NULL of a table, which for the hundred
 * columns that an export lacks takes longer than its rows; one that is computed takes nothing. It is a NULL that no
 * DEFAULT of a user's looks like.
 */
const noValue = `"nullif"('convergence: no value', 'convergence: no value')`

const namesOf = (project_id: string): Names => {
  const schema = (dataset: string): string => `${quoted(project_id)}.${quoted(dataset)}`
  const path = (dataset: string, table: string): string => `${schema(dataset)}.${quoted(table)}`
  return { schema, path, reserved: (table) => path(reservedSchema, table) }
}
const into = <T>(all: Map<string, Map<string, T>>, dataset: string, name: string, spec: T): void => {
  const own = all.get(dataset)
  if (own === undefined) all.set(dataset, new Map([[name, spec]]))
  else own.set(name, spec)
}
/** What the project's own schema says; makes it in a new project. */
const readKnown = async (control: DuckDBConnection, project_id: string, names: Names): Promise<Known> => {
  const things = names.reserved('things')
  await control.run(`CREATE SCHEMA IF NOT EXISTS ${names.schema(reservedSchema)}`)
  // kind: dataset (name is empty), table or view; spec is JSON.
  await control.run(
    `CREATE TABLE IF NOT EXISTS ${things} ` +
      '(kind VARCHAR NOT NULL, dataset VARCHAR NOT NULL, name VARCHAR NOT NULL, spec VARCHAR NOT NULL)',
  )
  const known: Known = { project_id, datasets: new Map(), tables: new Map(), views: new Map(), version: 0 }
  const stored = await control.runAndReadAll(`SELECT kind, dataset, name, spec FROM ${things}`)
  for (const [kind, dataset, name, spec] of stored.getRows()) {
    const value = JSON.parse(String(spec)) as unknown
    if (kind === 'dataset') known.datasets.set(String(dataset), value as StoredDataset)
    else if (kind === 'table') into(known.tables, String(dataset), String(name), value as StoredTable)
    else into(known.views, String(dataset), String(name), value as StoredView)
  }
  return known
}

/** Changes of DuckDB and of the project's own schema, in the transaction of `connection`. */
const storedChanges = ({ schema, path, reserved }: Names) => {
  const things = reserved('things')
  const remove = async (connection: DuckDBConnection, kind: string, dataset: string, name: string): Promise<void> => {
    await connection.run(`DELETE FROM ${things} WHERE kind = $1 AND dataset = $2 AND name = $3`, [kind, dataset, name])
  }
  const put = async (
    connection: DuckDBConnection,
    kind: string,
    dataset: string,
    name: string,
    spec: unknown,
  ): Promise<void> => {
    await remove(connection, kind, dataset, name)
    await connection.run(`INSERT INTO ${things} VALUES ($1, $2, $3, $4)`, [kind, dataset, name, JSON.stringify(spec)])
  }
  const definition = (column: Column, unfilled: ReadonlySet<string>): string => {
    const type = typeOf(column)
    const none = unfilled.has(column.name.toLowerCase()) ? ` GENERATED ALWAYS AS (CAST(${noValue} AS ${type}))` : ''
    return `${quoted(column.name)} ${type}${column.mode === 'REQUIRED' ? ' NOT NULL' : ''}${none}`
  }
  /** Names, in small letters, of the columns in which no row has had a value. */
  const unfilled = async (connection: DuckDBConnection, dataset: string, table: string): Promise<Set<string>> => {
    const found = await connection.runAndReadAll(
      `SELECT lower(name) FROM pragma_table_info(${literal(path(dataset, table))}) ` +
        `WHERE contains(dflt_value, ${literal(noValue)})`,
    )
    return new Set(found.getRows().map(([name]) => String(name)))
  }
  return {
    unfilled,
    /** Makes columns that can be written of those that have had no value. */
    fill: async (
      connection: DuckDBConnection,
      dataset: string,
      table: string,
      columns: readonly Column[],
    ): Promise<void> => {
      const empty = columns.length === 0 ? new Set<string>() : await unfilled(connection, dataset, table)
      for (const column of columns.filter(({ name }) => empty.has(name.toLowerCase()))) {
        await connection.run(`ALTER TABLE ${path(dataset, table)} DROP COLUMN ${quoted(column.name)}`)
        await connection.run(`ALTER TABLE ${path(dataset, table)} ADD COLUMN ${quoted(column.name)} ${typeOf(column)}`)
      }
    },
    createDataset: async (connection: DuckDBConnection, dataset: string, spec: StoredDataset): Promise<void> => {
      await connection.run(`CREATE SCHEMA IF NOT EXISTS ${schema(dataset)}`)
      await put(connection, 'dataset', dataset, '', spec)
    },
    createTable: async (
      connection: DuckDBConnection,
      dataset: string,
      table: string,
      spec: StoredTable,
      /** Names, in small letters, of NULLABLE columns that get no value now: they take no room until one comes. */
      without: ReadonlySet<string> = new Set(),
    ): Promise<void> => {
      const columns = spec.columns.map((column) => definition(column, without))
      await connection.run(`CREATE TABLE ${path(dataset, table)} (${columns.join(', ')})`)
      await put(connection, 'table', dataset, table, spec)
    },
    /** `spec` is the table as it is afterwards. */
    addColumns: async (
      connection: DuckDBConnection,
      dataset: string,
      table: string,
      spec: StoredTable,
      added: readonly Column[],
    ): Promise<void> => {
      for (const column of added)
        await connection.run(`ALTER TABLE ${path(dataset, table)} ADD COLUMN ${quoted(column.name)} ${typeOf(column)}`)
      await put(connection, 'table', dataset, table, spec)
    },
    createView: (connection: DuckDBConnection, dataset: string, view: string, spec: StoredView): Promise<void> =>
      put(connection, 'view', dataset, view, spec),
    /** Remembers a table that the caller makes or has made. */
    putTable: (connection: DuckDBConnection, dataset: string, table: string, spec: StoredTable): Promise<void> =>
      put(connection, 'table', dataset, table, spec),
    putDataset: (connection: DuckDBConnection, dataset: string, spec: StoredDataset): Promise<void> =>
      put(connection, 'dataset', dataset, '', spec),
    dropTable: async (connection: DuckDBConnection, dataset: string, table: string): Promise<void> => {
      await connection.run(`DROP TABLE IF EXISTS ${path(dataset, table)}`)
      await remove(connection, 'table', dataset, table)
    },
    dropView: (connection: DuckDBConnection, dataset: string, view: string): Promise<void> =>
      remove(connection, 'view', dataset, view),
    dropDataset: async (connection: DuckDBConnection, dataset: string): Promise<void> => {
      await connection.run(`DROP SCHEMA IF EXISTS ${schema(dataset)} CASCADE`)
      await connection.run(`DELETE FROM ${things} WHERE dataset = $1`, [dataset])
    },
  }
}

/** What the translator asks. `information`: INFORMATION_SCHEMA may be read; it shows what a query may not read. */
const statementCatalog = (
  { project_id, datasets, tables, views }: Known,
  default_dataset: string | undefined,
  information: boolean,
) => {
  const contents = (dataset: string) => [
    ...[...(tables.get(dataset) ?? [])].map(([table, { columns }]) => ({ table, kind: 'table' as const, columns })),
    ...[...(views.get(dataset) ?? [])].map(([table, { query }]) => ({
      table,
      kind: 'view' as const,
      columns: [],
      view_query: query,
    })),
  ]
  return {
    project_id,
    ...(default_dataset === undefined ? {} : { default_dataset }),
    dataset: ({ project_id: of, dataset }: { project_id: string; dataset: string }) => {
      if (of !== project_id || !datasets.has(dataset)) return undefined
      return information ? { tables: contents(dataset) } : {}
    },
    ...(information ? { datasets: () => [...datasets.keys()] } : {}),
    tables: (dataset: string) => [...(tables.get(dataset) ?? [])].map(([table, { columns }]) => ({ table, columns })),
    views: (dataset: string) => [...(views.get(dataset) ?? [])].map(([view, { query }]) => ({ view, query })),
    table: (ref: { project_id?: string; dataset: string; table: string }) => {
      if (ref.project_id !== undefined && ref.project_id !== project_id) return undefined
      const table = tables.get(ref.dataset)?.get(ref.table)
      if (table !== undefined) return { kind: 'table' as const, columns: table.columns }
      const view = views.get(ref.dataset)?.get(ref.table)
      return view === undefined ? undefined : { kind: 'view' as const, columns: [], view_query: view.query }
    },
  }
}

export const openCatalog = async (control: DuckDBConnection, project_id: string) => {
  const names = namesOf(project_id)
  const known = await readKnown(control, project_id, names)
  const { datasets, tables, views } = known
  return {
    ...storedChanges(names),
    reserved: names.reserved,
    path: names.path,
    /** Changes with everything that may change what a statement means. */
    version: () => known.version,
    hasDataset: (dataset: string): boolean => datasets.has(dataset),
    datasets: (): ReadonlyMap<string, StoredDataset> => datasets,
    tables: (dataset: string): ReadonlyMap<string, StoredTable> =>
      tables.get(dataset) ?? new Map<string, StoredTable>(),
    views: (dataset: string): ReadonlyMap<string, StoredView> => views.get(dataset) ?? new Map<string, StoredView>(),
    dataset: (dataset: string): { labels: Record<string, string> } | undefined => {
      const found = datasets.get(dataset)
      return found === undefined ? undefined : { labels: { ...found.labels } }
    },
    table: (dataset: string, table: string): StoredTable | undefined => tables.get(dataset)?.get(table),
    view: (dataset: string, view: string): StoredView | undefined => views.get(dataset)?.get(view),
    datasetIs: (dataset: string, spec: StoredDataset | undefined): void => {
      known.version += 1
      if (spec !== undefined) {
        datasets.set(dataset, spec)
        return
      }
      for (const all of [datasets, tables, views]) all.delete(dataset)
    },
    tableIs: (dataset: string, table: string, spec: StoredTable | undefined): void => {
      if (tables.get(dataset)?.get(table)?.columns !== spec?.columns) known.version += 1
      if (spec === undefined) tables.get(dataset)?.delete(table)
      else into(tables, dataset, table, spec)
    },
    viewIs: (dataset: string, view: string, spec: StoredView | undefined): void => {
      known.version += 1
      if (spec === undefined) views.get(dataset)?.delete(view)
      else into(views, dataset, view, spec)
    },
    forStatements: (default_dataset: string | undefined, information = false) =>
      statementCatalog(known, default_dataset, information),
  }
}
