/** The one job that each kind of write is. */
import { createHash } from 'node:crypto'
import { AppError, type Column, type TimePartitioning } from '@convergence/contracts'
import { isDate } from '@convergence/tabular/values'
import type { Destination, Job, LoadSpec, QuerySpec, RowsSpec, TableRef } from '../warehouse.ts'
import { rowsOfFiles } from './files.ts'
import { assertSelect, dryRunJob, ended, insertJob, readJob, waitFor, writing } from './jobs.ts'
import { tenants, type KnownTable, type Session } from './session.ts'
import {
  insertOf,
  insertRowsOf,
  oneSelect,
  pathOf,
  replaceOf,
  selectFor,
  type PeriodColumn,
  type Written,
} from './sql.ts'
import {
  addColumns,
  assertTakes,
  centralTable,
  createTable,
  dropTable,
  alsoReplacedBy,
  periodOf,
  restRef,
  targetTable,
} from './tables.ts'
import { upload } from './upload.ts'
import { columnOf, fieldOf, sameName } from './values.ts'

const stagingKeptMs = 86_400_000

/** Decorator of the partition that a period is, when it is exactly one; undefined for any other period. */
const partitionOf = (
  period: readonly PeriodColumn[],
  partitioning: TimePartitioning | undefined,
): string | undefined => {
  const [only, ...others] = period
  if (only === undefined || others.length > 0 || partitioning?.field?.toLowerCase() !== only.column.name.toLowerCase())
    return undefined
  // A day of a DATE is a partition. A month holds other dates beside the one that the period names, a day of a
  // TIMESTAMP other instants.
  return partitioning.type === 'DAY' && only.column.type === 'DATE' && only.to === undefined && isDate(only.value)
    ? only.value.replaceAll('-', '')
    : undefined
}

export const insertQuery = async (
  session: Session,
  id: string,
  spec: QuerySpec,
  labels: Readonly<Record<string, string>>,
): Promise<Job | 'exists'> => {
  const { destination } = spec
  const select = oneSelect(spec.query)
  const ours = (spec.parameters ?? []).find(({ name }) => name.toLowerCase().startsWith('convergence_'))
  if (ours !== undefined)
    throw new AppError('QUERY_INVALID', `parameter @${ours.name}: names that begin with convergence_ are taken`)
  // BigQuery itself says whether it is one SELECT, and what comes out; a position in its error is one in the user's
  // text.
  const dry = await dryRunJob(session, spec)
  assertSelect(dry.statementType)
  const given = (dry.schema?.fields ?? []).map(columnOf)
  const twice = given.find((column, k) => given.findIndex((other) => sameName(other, column)) !== k)
  if (twice !== undefined)
    throw new AppError('QUERY_INVALID', `the result has two columns ${twice.name}; give each its own name`)
  let table = await targetTable(session, destination, given)
  assertTakes(destination, table, given)
  table = await addColumns(session, destination, given, table)
  const period = periodOf(destination, table)
  const columns = table.columns.filter((column) => given.some((other) => sameName(other, column)))
  return insertJob(
    session,
    id,
    writingJob(
      session,
      destination,
      { query: select, parameters: [...(spec.parameters ?? [])] },
      table,
      columns,
      given,
      period,
      spec,
    ),
    labels,
  )
}

/**
 * The one job that writes what a SELECT gives; `columns` are those of the table that it gives, `given` the same as
 * they come.
 */
const writingJob = (
  session: Session,
  destination: Destination,
  select: Written,
  table: KnownTable,
  columns: readonly Column[],
  given: readonly Column[],
  period: readonly PeriodColumn[],
  spec: Pick<QuerySpec, 'default_dataset' | 'maximum_bytes_billed'>,
): object => {
  const { write_mode } = destination
  const also = alsoReplacedBy(destination, table)
  const partition = also.length > 0 ? undefined : partitionOf(period, table.time_partitioning)
  // What a query gives is never REQUIRED, and a destination must have exactly its schema: such a table is written by
  // DML.
  if (
    write_mode === 'write_empty' ||
    (partition !== undefined && !table.columns.some(({ mode }) => mode === 'REQUIRED'))
  ) {
    const written = writing(session, selectFor(destination, select, table.columns, given, period), spec)
    return {
      query: {
        ...written,
        destinationTable: restRef(destination, partition),
        createDisposition: 'CREATE_NEVER',
        writeDisposition: write_mode === 'write_empty' ? 'WRITE_EMPTY' : 'WRITE_TRUNCATE',
      },
    }
  }
  return {
    query: writing(
      session,
      write_mode === 'truncate'
        ? replaceOf(destination, select, columns, given, period, also)
        : insertOf(destination, select, columns, given),
      spec,
    ),
  }
}

const restLoad = (
  ref: TableRef,
  partition: string | undefined,
  columns: readonly Column[],
  writeDisposition: string,
): object => ({
  destinationTable: restRef(ref, partition),
  schema: { fields: columns.map(fieldOf) },
  sourceFormat: 'NEWLINE_DELIMITED_JSON',
  ignoreUnknownValues: true,
  writeDisposition,
})

/** WRITE_TRUNCATE_DATA replaces the rows of a table and keeps its schema. */
const dispositionOf = (mode: Destination['write_mode'], partition: string | undefined): string => {
  if (mode === 'append') return 'WRITE_APPEND'
  if (mode === 'write_empty') return 'WRITE_EMPTY'
  return partition === undefined ? 'WRITE_TRUNCATE_DATA' : 'WRITE_TRUNCATE'
}

export const insertLoad = async (
  session: Session,
  id: string,
  spec: LoadSpec,
  labels: Readonly<Record<string, string>>,
): Promise<Job | 'exists'> => {
  // An upload is long: whoever comes second does not begin one.
  if ((await readJob(session, id)) !== undefined) return 'exists'
  const { destination } = spec
  const { columns, rows } = await rowsOfFiles(spec)
  let table = await targetTable(session, destination, columns)
  assertTakes(destination, table, columns)
  table = await addColumns(session, destination, columns, table)
  const period = periodOf(destination, table)
  const also = alsoReplacedBy(destination, table)
  const partition = also.length > 0 ? undefined : partitionOf(period, table.time_partitioning)
  if (period.length === 0 || partition !== undefined) {
    const disposition = dispositionOf(destination.write_mode, partition)
    return upload(session, id, restLoad(destination, partition, table.columns, disposition), rows(period), labels)
  }
  // Neither a load nor a copy replaces less than a partition: the files go to a table of their own, and one statement
  // does the rest.
  const own = table.columns.filter((column) => columns.some((other) => sameName(other, column)))
  const staging: TableRef = {
    project_id: destination.project_id,
    dataset: destination.dataset,
    table: `_staging_${createHash('sha256').update(id).digest('hex').slice(0, 16)}_${session.unique()}`,
  }
  const expires = { expirationTime: String(session.now().getTime() + stagingKeptMs) }
  const drop = () => dropTable(session, staging)
  const stage = async (): Promise<void> => {
    const staged = `${id}-${staging.table.slice(1)}`
    const loaded = await upload(
      session,
      staged,
      restLoad(staging, undefined, own, 'WRITE_TRUNCATE'),
      rows(period),
      labels,
    )
    const { error } = loaded === 'exists' || loaded.state !== 'DONE' ? await waitFor(session, staged) : loaded
    // Under the chain's id nothing has happened yet: what may pass is tried again under the same one.
    if (error !== undefined) throw new AppError(error.retryable ? 'UNAVAILABLE' : error.code, error.message)
  }
  try {
    await createTable(session, staging, { schema: { fields: own.map(fieldOf) }, ...expires })
    await stage()
    const select: Written = { query: `SELECT * FROM ${pathOf(staging)}`, parameters: [] }
    session.afterwards.set(id, drop)
    const job = await insertJob(
      session,
      id,
      writingJob(session, destination, select, table, own, own, period, {}),
      labels,
    )
    if (job === 'exists') await ended(session, id)
    return job
  } catch (error) {
    // Without an answer the job may be there and need the table: then its expiry removes it.
    if (!(error instanceof AppError && error.code === 'UNAVAILABLE')) await drop().catch(() => undefined)
    throw error
  }
}

export const insertRows = async (
  session: Session,
  id: string,
  { table: name, rows }: RowsSpec,
  labels: Readonly<Record<string, string>>,
): Promise<Job | 'exists'> => {
  const target: TableRef = { project_id: session.project_id, dataset: tenants, table: name }
  const table = await centralTable(session, name, rows)
  return insertJob(session, id, { query: writing(session, insertRowsOf(target, table.columns, rows), {}) }, labels)
}
