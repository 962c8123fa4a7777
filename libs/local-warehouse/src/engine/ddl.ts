/** DDL: tables, views and datasets made, changed and dropped, each in the transaction that stores its job. */
import type { DuckDBConnection } from '@duckdb/node-api'
import { AppError } from '@convergence/contracts'
import type { Ddl, Translated } from '@convergence/googlesql'
import type { Catalog, StoredTable, StoredView } from '../catalog.ts'
import type { KeptJob, StatementWork } from '../work.ts'
import type { Context } from './context.ts'
import { storeJob } from './job-store.ts'
import { assertGoingOn, finished } from './run.ts'
import type { Run } from './run.ts'
import { bound } from './translations.ts'

const labelsOf = (value: unknown): { labels?: Record<string, string> } =>
  typeof value === 'object' && value !== null ? { labels: value as Record<string, string> } : {}
const textsOf = ({ options }: Ddl) => ({
  ...(typeof options['description'] === 'string' ? { description: options['description'] } : {}),
  ...(typeof options['friendly_name'] === 'string' ? { friendly_name: options['friendly_name'] } : {}),
  ...labelsOf(options['labels']),
})
const assertKept = ({ options }: Ddl): void => {
  for (const name of ['default_table_expiration_days', 'default_partition_expiration_days']) {
    if (options[name] !== undefined && options[name] !== null && options[name] !== false)
      throw new AppError(
        'QUERY_UNSUPPORTED',
        `Option ${name} is not supported by the local warehouse; see docs/LOCAL.md`,
      )
  }
}
const expiryOf = ({ options }: Ddl): { expires_ms?: number } => {
  const at = options['expiration_timestamp']
  if (typeof at !== 'string') return {}
  const ms = Date.parse(
    /(Z|UTC|[+-]\d\d(:?\d\d)?)$/i.test(at)
      ? at.replace(/ ?UTC$/i, 'Z')
      : `${at.replace(' ', 'T')}${at.length > 10 ? 'Z' : ''}`,
  )
  if (Number.isNaN(ms)) throw new AppError('QUERY_INVALID', 'expiration_timestamp: expected a timestamp')
  return { expires_ms: ms }
}

const dayMs = 24 * 60 * 60 * 1000
/** Options of the partitions, kept and shown; nothing here expires or refuses by them. NULL takes one away. */
const partitionOptionsOf = ({
  options,
}: Ddl): Pick<StoredTable, 'partition_expiration_ms' | 'require_partition_filter'> => {
  const { partition_expiration_days: days, require_partition_filter: required } = options
  return {
    ...(days === undefined ? {} : { partition_expiration_ms: typeof days === 'number' ? days * dayMs : undefined }),
    ...(required === undefined ? {} : { require_partition_filter: required === true ? true : undefined }),
  }
}

/** What a statement changes: in the transaction, and in memory once it is committed. */
interface Change {
  make(connection: DuckDBConnection): Promise<void>
  afterwards(): void
}
/** What a change is made of. */
interface Ground {
  catalog: Catalog
  plan: Ddl
  name: string
  at: number
  known: StoredTable | undefined
  view: StoredView | undefined
  runStatements(connection: DuckDBConnection): Promise<void>
}
const alreadyExists = ({ project_id, dataset }: Ddl, table: string): AppError =>
  new AppError('ALREADY_EXISTS', `Already Exists: Table ${project_id}:${dataset}.${table}`)
const tableChange = ({ catalog, plan, name, runStatements }: Ground, made: StoredTable): Change => ({
  make: async (connection) => {
    await runStatements(connection)
    await catalog.putTable(connection, plan.dataset, name, made)
  },
  afterwards: () => {
    catalog.tableIs(plan.dataset, name, made)
  },
})

/** Undefined where there is nothing to do: IF EXISTS of what is not there, IF NOT EXISTS of what is. */
const changes: Readonly<Record<Ddl['operation'], (ground: Ground) => Change | undefined>> = {
  create_table: (ground) => {
    const { plan, name, at, known, view } = ground
    if (view !== undefined || (known !== undefined && plan.replace !== true && plan.if_not_exists !== true))
      throw alreadyExists(plan, name)
    if (known !== undefined && plan.replace !== true) return undefined
    return tableChange(ground, {
      columns: plan.columns ?? [],
      created_ms: at,
      modified_ms: at,
      ...textsOf(plan),
      ...expiryOf(plan),
      ...partitionOptionsOf(plan),
      ...(plan.time_partitioning === undefined ? {} : { time_partitioning: plan.time_partitioning }),
      ...(plan.clustering_fields === undefined ? {} : { clustering_fields: plan.clustering_fields }),
    })
  },
  create_view: ({ catalog, plan, name, at, known, view }) => {
    if (plan.materialized === true)
      throw new AppError(
        'QUERY_UNSUPPORTED',
        'CREATE MATERIALIZED VIEW is not supported by the local warehouse; see docs/LOCAL.md',
      )
    if (known !== undefined || (view !== undefined && plan.replace !== true && plan.if_not_exists !== true))
      throw alreadyExists(plan, name)
    if (view !== undefined && plan.replace !== true) return undefined
    const made = { query: plan.view_query ?? '', created_ms: at, modified_ms: at, ...textsOf(plan) }
    return {
      make: (connection) => catalog.createView(connection, plan.dataset, name, made),
      afterwards: () => {
        catalog.viewIs(plan.dataset, name, made)
      },
    }
  },
  create_schema: ({ catalog, plan, at }) => {
    const { dataset } = plan
    if (catalog.hasDataset(dataset)) {
      if (plan.if_not_exists !== true)
        throw new AppError('ALREADY_EXISTS', `Already Exists: Dataset ${plan.project_id}:${dataset}`)
      return undefined
    }
    const { location } = plan.options
    const made = {
      labels: {},
      created_ms: at,
      modified_ms: at,
      ...textsOf(plan),
      ...(typeof location === 'string' ? { location } : {}),
    }
    return {
      make: (connection) => catalog.createDataset(connection, dataset, made),
      afterwards: () => {
        catalog.datasetIs(dataset, made)
      },
    }
  },
  drop_table: ({ catalog, plan, name, known }) =>
    known === undefined
      ? undefined
      : {
          make: (connection) => catalog.dropTable(connection, plan.dataset, name),
          afterwards: () => {
            catalog.tableIs(plan.dataset, name, undefined)
          },
        },
  drop_view: ({ catalog, plan, name, view }) =>
    view === undefined
      ? undefined
      : {
          make: (connection) => catalog.dropView(connection, plan.dataset, name),
          afterwards: () => {
            catalog.viewIs(plan.dataset, name, undefined)
          },
        },
  drop_schema: ({ catalog, plan }) => {
    const { dataset } = plan
    if (!catalog.hasDataset(dataset)) return undefined
    if (plan.cascade !== true && catalog.tables(dataset).size + catalog.views(dataset).size > 0)
      throw new AppError('CONFLICT', `Dataset ${plan.project_id}:${dataset} is still in use`)
    return {
      make: (connection) => catalog.dropDataset(connection, dataset),
      afterwards: () => {
        catalog.datasetIs(dataset, undefined)
      },
    }
  },
  alter_table: (ground) => {
    const { plan, known, at } = ground
    if (known === undefined) return undefined
    const dropped = new Set((plan.dropped_columns ?? []).map((column) => column.toLowerCase()))
    return tableChange(ground, {
      ...known,
      columns: [...known.columns.filter((column) => !dropped.has(column.name.toLowerCase())), ...(plan.columns ?? [])],
      modified_ms: at,
      ...textsOf(plan),
      ...expiryOf(plan),
      ...partitionOptionsOf(plan),
    })
  },
}
const operationOf = (plan: Ddl, isThere: boolean): string => {
  if (plan.operation.startsWith('create')) return plan.replace === true && isThere ? 'REPLACE' : 'CREATE'
  return plan.operation === 'alter_table' ? 'ALTER' : 'DROP'
}

export const runDdl = async (
  context: Context,
  job: KeptJob,
  { statement }: StatementWork,
  translated: Translated,
  plan: Ddl,
  run: Run,
): Promise<KeptJob> => {
  assertKept(plan)
  const { catalog, locked } = context
  const { dataset, table: name = '' } = plan
  const { values, types } = bound(statement, translated)
  // Small rows that are acknowledged belong to the table as it is, not to one that takes its name.
  await context.applier.applyFor([
    ...translated.referenced_tables,
    ...(plan.table === undefined ? [] : [{ project_id: plan.project_id, dataset, table: plan.table }]),
  ])
  return locked(`dataset ${dataset}`, () =>
    locked(`${dataset}.${name}`, async () => {
      const known = catalog.table(dataset, name)
      const view = catalog.view(dataset, name)
      const change = changes[plan.operation]({
        catalog,
        plan,
        name,
        at: context.now().getTime(),
        known,
        view,
        runStatements: async (connection) => {
          for (const sql of translated.statements) await connection.run(sql, values, types)
        },
      })
      const done = finished(context, job, {
        outcome: {
          statement_type: translated.statement_type,
          referenced_tables: translated.referenced_tables,
          ddl_operation: change === undefined ? 'SKIP' : operationOf(plan, known !== undefined || view !== undefined),
          ...(translated.target === undefined ? {} : { target: translated.target }),
        },
      })
      await context.transaction(async (connection) => {
        assertGoingOn(run)
        try {
          await change?.make(connection)
        } catch (error) {
          if (error instanceof AppError || /conflict/i.test(String(error))) throw error
          throw await context.translations.wordStatement(error)
        }
        if (run.keep) await storeJob(context, connection, done)
      }, run.onConnection)
      change?.afterwards()
      return done
    }),
  )
}
