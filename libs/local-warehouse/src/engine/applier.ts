/**
 * Brings the journal's rows into DuckDB: in batches, a little while after they were acknowledged, or at once where a
 * query reads their table. The journal's position moves in the transaction of the rows.
 */
import type { DuckDBConnection } from '@duckdb/node-api'
import type { TableRef } from '@convergence/warehouse'
import type { Catalog } from '../catalog.ts'
import { wordFault } from '../faults.ts'
import type { Entry, Journal } from '../journal.ts'
import { quoted, rowsFromJson } from '../values.ts'
import type { Log } from './log.ts'
import { journalDataset } from './journal-rows.ts'
import type { Store } from './store.ts'

/** Pending entries that are applied without waiting, and how long fewer of them wait. */
const manyEntries = 10_000
const applyAfterMs = 1_000
const entriesOfOneApply = 20_000
const rowsOfOneInsert = 4_000

export interface Applier {
  /** Told of entries as soon as they are durable. */
  onDurable(entries: readonly Entry[]): void
  /** Until everything of these tables is in DuckDB that is acknowledged now. */
  applyFor(refs: readonly TableRef[]): Promise<void>
  /** The same of all tables. */
  applyAll(): Promise<void>
  healthy(): boolean
  /** Applies what is there and nothing after it; what fails stays durable in the journal. */
  close(): Promise<void>
}

const insertEntries = async (
  catalog: Catalog,
  connection: DuckDBConnection,
  entries: readonly Entry[],
): Promise<void> => {
  const byTable = new Map<string, Entry[]>()
  for (const entry of entries) {
    const own = byTable.get(entry.table)
    if (own === undefined) byTable.set(entry.table, [entry])
    else own.push(entry)
  }
  for (const [name, own] of byTable) {
    const table = catalog.table(journalDataset, name)
    // Dropped since: its rows went with it.
    if (table === undefined) continue
    const names = table.columns.map((column) => quoted(column.name)).join(', ')
    const insert = `INSERT INTO ${catalog.path(journalDataset, name)} (${names}) ${rowsFromJson(table.columns)}`
    for (let from = 0; from < own.length;) {
      let [to, rows] = [from, 0]
      while (to < own.length && (rows === 0 || rows + (own[to]?.count ?? 0) <= rowsOfOneInsert)) {
        rows += own[to]?.count ?? 0
        to += 1
      }
      await connection.run(insert, [
        `[${own
          .slice(from, to)
          .map(({ rows: texts }) => texts)
          .join(',')}]`,
      ])
      from = to
    }
  }
}

export const openApplier = (
  { catalog, locked, transaction, applied }: Store,
  journal: Journal,
  log: Log | undefined,
): Applier => {
  const lastPosition = new Map<string, number>()
  for (const { table, position } of journal.pending) lastPosition.set(table, position)
  let appliedPosition = applied
  let stopped = false
  let applying: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  let applyFault: unknown
  const onDurable = (entries: readonly Entry[]) => {
    for (const { table, position } of entries) lastPosition.set(table, position)
    if (stopped) return
    if (journal.pending.length >= manyEntries) applyInBackground()
    else timer ??= setTimeout(applyInBackground, applyAfterMs)
  }
  const applyInBackground = () => {
    clearTimeout(timer)
    timer = undefined
    if (journal.pending.length === 0 || stopped) return
    applyOnce().then(
      () => {
        if (journal.pending.length > 0 && !stopped)
          timer ??= setTimeout(applyInBackground, journal.pending.length >= manyEntries ? 0 : applyAfterMs)
      },
      () => {
        // The rows are durable where they are; the next query or the next round tries again, and `healthy` tells.
        timer ??= setTimeout(applyInBackground, applyAfterMs * 5)
      },
    )
  }
  const applyBatch = async (
    entries: readonly Entry[],
    insert: (connection: DuckDBConnection) => Promise<void>,
  ): Promise<void> => {
    const last = entries.at(-1)
    if (last === undefined) return
    await transaction(async (connection) => {
      await insert(connection)
      await connection.run(`UPDATE ${catalog.reserved('journal')} SET position = ${last.position}`)
    })
    appliedPosition = last.position
    journal.applied(last.position)
  }
  const applyOnce = (): Promise<void> =>
    (applying ??= locked(`dataset ${journalDataset}`, async () => {
      const batch = journal.pending.slice(0, entriesOfOneApply)
      try {
        await applyBatch(batch, (connection) => insertEntries(catalog, connection, batch))
      } catch (error) {
        if (wordFault(error).code !== 'QUERY_INVALID') throw error
        // One row that DuckDB does not take must not hold up the others: it is kept aside, with the reason.
        for (const entry of batch) {
          await applyBatch([entry], (connection) => insertEntries(catalog, connection, [entry])).catch(
            async (fault: unknown) => {
              if (wordFault(fault).code !== 'QUERY_INVALID') throw fault
              await applyBatch([entry], async (connection) => {
                log?.error(
                  { table: entry.table, position: entry.position, fault: wordFault(fault).message },
                  'rows kept aside in _convergence.refused',
                )
                await connection.run(`INSERT INTO ${catalog.reserved('refused')} VALUES ($1, $2, $3, $4)`, [
                  BigInt(entry.position),
                  entry.table,
                  entry.rows,
                  wordFault(fault).message,
                ])
              })
            },
          )
        }
      }
    })
      .then(
        () => {
          applyFault = undefined
        },
        (error: unknown) => {
          applyFault = error
          throw wordFault(error)
        },
      )
      .finally(() => {
        applying = undefined
      }))
  /** Until everything is in DuckDB that is acknowledged now. */
  const applyThrough = async (position: number): Promise<void> => {
    while (appliedPosition < position && journal.pending.length > 0) await applyOnce()
  }
  const applyFor = (refs: readonly TableRef[]): Promise<void> =>
    applyThrough(
      Math.max(
        0,
        ...refs.map(({ dataset, table }) => (dataset === journalDataset ? (lastPosition.get(table) ?? 0) : 0)),
      ),
    )
  return {
    onDurable,
    applyFor,
    applyAll: () => applyThrough(Math.max(0, ...lastPosition.values())),
    healthy: () => applyFault === undefined,
    close: async () => {
      stopped = true
      clearTimeout(timer)
      try {
        while (journal.pending.length > 0) await applyOnce()
      } catch {
        // They are durable in the journal and are applied at the next start.
      }
    },
  }
}
