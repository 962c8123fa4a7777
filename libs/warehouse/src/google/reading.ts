/** Queries and dry runs. */
import { randomUUID } from 'node:crypto'
import { AppError } from '@convergence/contracts'
import type { DryRun, Row, Statement, TableRef } from '../warehouse.ts'
import { abortable, cancel, dryRunJob, labelsOf, longPollMs, queryOf } from './jobs.ts'
import { assertOpen, call, type RestResult, type Session } from './session.ts'
import { oneSelect, pathOf } from './sql.ts'
import { recentTable } from './tables.ts'
import { columnOf, rowsOf, type Field } from './values.ts'

const rowsOfPage = 10_000

/** A dry run lists at most so many tables: beyond them it proves nothing. */
const mostReferencedTables = 50

const ask = (session: Session, statement: Statement, maxResults: number): Promise<RestResult> => {
  oneSelect(statement.query)
  return call<RestResult>(
    session,
    {
      method: 'POST',
      uri: '/queries',
      json: {
        ...queryOf(session, statement),
        location: session.location,
        maxResults,
        timeoutMs: longPollMs,
        formatOptions: { useInt64Timestamp: true },
        requestId: randomUUID(),
        maximumBytesBilled: String(session.maximum_bytes_billed),
        labels: labelsOf(session.own_labels),
      },
    },
    'query',
  )
}
/** What comes after an answer: the first rows of a job that was still running, or the next ones. */
const askOn = (
  session: Session,
  { jobComplete, pageToken }: RestResult,
  id: string | undefined,
  maxResults: number,
): Promise<RestResult> => {
  if (id === undefined) throw new AppError('UNAVAILABLE', 'query: BigQuery answered without rows and without a job')
  return call<RestResult>(
    session,
    {
      uri: `/queries/${id}`,
      qs: {
        location: session.location,
        maxResults,
        timeoutMs: longPollMs,
        'formatOptions.useInt64Timestamp': true,
        ...(jobComplete !== false && pageToken !== undefined ? { pageToken } : {}),
      },
    },
    `read results of job ${id}`,
  )
}

export const runQuery = async (
  session: Session,
  statement: Statement,
  { signal, max_rows }: { signal?: AbortSignal; max_rows?: number },
): Promise<Row[]> => {
  signal?.throwIfAborted()
  const maxResults = Math.min(rowsOfPage, max_rows ?? rowsOfPage)
  const asked = ask(session, statement, maxResults)
  const work = (async () => {
    let answer = await asked
    const id = answer.jobReference?.jobId
    let fields: readonly Field[] | undefined
    const rows: Row[] = []
    for (;;) {
      if (answer.jobComplete !== false) {
        fields ??= answer.schema?.fields ?? []
        for (const row of rowsOf(fields, answer.rows ?? [])) rows.push(row)
        if (answer.pageToken === undefined || rows.length >= (max_rows ?? Infinity))
          return max_rows === undefined ? rows : rows.slice(0, max_rows)
      }
      signal?.throwIfAborted()
      answer = await askOn(session, answer, id, maxResults)
    }
  })()
  try {
    await abortable(work, signal)
    return await work
  } catch (error) {
    if (signal?.aborted === true) {
      work.catch(() => undefined)
      void asked
        .then(({ jobReference }) =>
          jobReference?.jobId === undefined ? undefined : cancel(session, jobReference.jobId),
        )
        .catch(() => undefined)
      throw signal.reason
    }
    throw error
  }
}

/** The rows of one job, page by page: BigQuery keeps its result for a day. A job that is left early is cancelled. */
export const pagesOf = async function* (
  session: Session,
  statement: Statement,
  { signal, page_rows = rowsOfPage }: { signal?: AbortSignal; page_rows?: number },
): AsyncGenerator<Row[]> {
  signal?.throwIfAborted()
  let answer = await ask(session, statement, page_rows)
  const id = answer.jobReference?.jobId
  let fields: readonly Field[] | undefined
  try {
    for (;;) {
      if (answer.jobComplete !== false) {
        fields ??= answer.schema?.fields ?? []
        const rows = rowsOf(fields, answer.rows ?? [])
        if (rows.length > 0) yield rows
        if (answer.pageToken === undefined) return
      }
      signal?.throwIfAborted()
      answer = await askOn(session, answer, id, page_rows)
    }
  } finally {
    if (id !== undefined && answer.jobComplete === false) await cancel(session, id).catch(() => undefined)
  }
}

/** Views are followed to the tables that they read; what BigQuery itself follows already is left as it is. */
const followed = async (
  session: Session,
  refs: readonly TableRef[],
  seen: Set<string> = new Set<string>(),
): Promise<TableRef[]> => {
  const all = await Promise.all(
    refs.map(async (ref): Promise<TableRef[]> => {
      if (seen.has(pathOf(ref))) return []
      seen.add(pathOf(ref))
      // Of a table that may be read but not looked at, the dry run's word is taken.
      const table = await recentTable(session, ref).catch((error: unknown) => {
        if (error instanceof AppError && error.code === 'FORBIDDEN') return undefined
        throw error
      })
      if (table?.is_view !== true || table.view_query === undefined) return [ref]
      const inside = await dryRunJob(session, { query: table.view_query })
      return followed(session, refsOf(inside.referencedTables), seen)
    }),
  )
  return all.flat()
}

const refsOf = (tables: readonly { projectId: string; datasetId: string; tableId: string }[] = []): TableRef[] => {
  if (tables.length >= mostReferencedTables)
    throw new AppError(
      'QUERY_INVALID',
      `the statement reads ${mostReferencedTables} tables or more, and BigQuery lists no more of them: ` +
        'what it reads cannot be checked; make it smaller',
    )
  return tables.map(({ projectId, datasetId, tableId }) => ({
    project_id: projectId,
    dataset: datasetId,
    table: tableId,
  }))
}

export const dryRun = async (session: Session, statement: Statement): Promise<DryRun> => {
  assertOpen(session)
  const {
    statementType = 'UNKNOWN',
    referencedTables,
    schema,
    totalBytesProcessed = '0',
  } = await dryRunJob(session, statement)
  const refs = await followed(session, refsOf(referencedTables))
  return {
    statement_type: statementType,
    bytes_processed: Number(totalBytesProcessed),
    referenced_tables: [...new Map(refs.map((ref) => [pathOf(ref), ref])).values()],
    columns: statementType === 'SELECT' ? (schema?.fields ?? []).map(columnOf) : [],
  }
}
