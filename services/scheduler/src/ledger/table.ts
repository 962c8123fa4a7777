/** What the ledger reads of its table. The table is clustered by epoch and seq, so every reading is bounded by seq. */
import { centralDataset } from '@convergence/contracts'
import type { Row, Warehouse } from '@convergence/warehouse'
import type { LedgerRow } from './state.ts'
import { rememberedDigits } from './archive.ts'

export interface LedgerTable {
  /**
   * Rows after this place, in order, at most a page of them; `more` when there may be others. Bodies of runs that have
   * ended may be missing.
   */
  after(place: { seq: number; idx: number }): Promise<{ rows: LedgerRow[]; more: boolean }>
  /** The rows of the newest snapshot, in order; none when there is none. */
  snapshot(): Promise<LedgerRow[]>
  /** All rows of these runs between two commits. */
  ofRuns(run_ids: readonly string[], between: { from_seq: number; to_seq: number }): Promise<LedgerRow[]>
  /**
   * Of the runs that ended up to this commit, not before `since`: the remembered digits of each, by the UTC day of
   * their end.
   */
  ended(up_to: { seq: number; since: string }): Promise<EndedDay[]>
}
export interface EndedDay {
  day: string
  from_seq: number
  to_seq: number
  digits: string
}

export const openTable = (warehouse: Pick<Warehouse, 'query'>, epoch: string): LedgerTable => {
  const read = (
    query: string,
    parameters: Record<string, string | number | readonly string[]>,
    options?: { max_rows?: number },
  ): Promise<Row[]> =>
    warehouse.query(
      {
        query,
        default_dataset: centralDataset,
        parameters: Object.entries({ epoch, ...parameters }).map(([name, value]) => ({
          name,
          value,
          type: parameterType(value),
        })),
      },
      options,
    )
  return {
    after: async ({ seq, idx }) => {
      const to_seq = seq + pageRows
      const rows = (await read(afterQuery, { seq, to_seq, idx, rows: pageRows }, { max_rows: pageRows })).map(readRow)
      // Commits have no gaps: a page that ends before its last commit is the end of the log.
      return { rows, more: rows.length >= pageRows || rows.at(-1)?.seq === to_seq }
    },
    snapshot: async () => (await read(snapshotQuery, {})).map(readRow),
    ofRuns: async (run_ids, { from_seq, to_seq }) => {
      const rows: LedgerRow[] = []
      for (let at = 0; at < run_ids.length; at += runsOfOneQuery)
        rows.push(
          ...(await read(ofRunsQuery, { run_ids: run_ids.slice(at, at + runsOfOneQuery), from_seq, to_seq })).map(
            readRow,
          ),
        )
      return rows
    },
    ended: async ({ seq, since }) =>
      (await read(endedQuery, { seq, since })).map((row) => ({
        day: String(row['day']),
        from_seq: Number(row['from_seq']),
        to_seq: Number(row['to_seq']),
        digits: String(row['digits']),
      })),
  }
}

const parameterType = (value: string | number | readonly string[]): 'INT64' | 'STRING' | 'ARRAY<STRING>' => {
  if (typeof value === 'number') return 'INT64'
  return typeof value === 'string' ? 'STRING' : 'ARRAY<STRING>'
}

/** A row as the warehouse returns it, with exact types. */
const readRow = (row: Row): LedgerRow => {
  const text = (name: string): string | null => (typeof row[name] === 'string' ? row[name] : null)
  const priority = row['priority']
  return {
    epoch: String(row['epoch']),
    shard: Number(row['shard']),
    seq: Number(row['seq']),
    idx: Number(row['idx']),
    kind: String(row['kind']) as LedgerRow['kind'],
    tenant_id: String(row['tenant_id']),
    run_id: text('run_id'),
    pipeline: text('pipeline'),
    period_day: text('period_day'),
    period_month: text('period_month'),
    digest: text('digest'),
    outcome: text('outcome') as LedgerRow['outcome'],
    reason: text('reason'),
    message: text('message'),
    priority: priority === null || priority === undefined ? null : Number(priority),
    decided_at: new Date(String(row['decided_at'])).toISOString(),
    body: row['body'] ?? null,
  }
}

const pageRows = 50_000
const runsOfOneQuery = 5_000
const columns =
  'epoch, shard, seq, idx, kind, tenant_id, run_id, pipeline, period_day, period_month, digest, outcome, reason, ' +
  'message, priority, decided_at'

/**
 * Bodies of ADMIT and QUEUE rows are the runs: of those that end in the same page they are not needed, and they are
 * most of the bytes. Bounded by seq on both sides, so that a log is read in time that grows with its length.
 */
const afterQuery = `
SELECT ${columns.replaceAll(/\w+/g, 'l.$&')},
  IF(e.run_id IS NULL OR l.kind NOT IN ('ADMIT', 'QUEUE'), l.body, NULL) AS body
FROM run_ledger AS l
LEFT JOIN (
  SELECT DISTINCT run_id FROM run_ledger
  WHERE epoch = @epoch AND seq BETWEEN @seq AND @to_seq AND kind = 'RELEASE'
) AS e ON e.run_id = l.run_id
WHERE l.epoch = @epoch AND l.shard = 0 AND l.seq BETWEEN @seq AND @to_seq
  AND (l.seq > @seq OR (l.seq = @seq AND l.idx > @idx))
ORDER BY l.seq, l.idx
LIMIT @rows`
const snapshotQuery = `
SELECT ${columns}, body FROM run_ledger
WHERE epoch = @epoch AND shard = 0 AND kind = 'SNAPSHOT'
  AND seq = (SELECT MAX(seq) FROM run_ledger WHERE epoch = @epoch AND shard = 0 AND kind = 'SNAPSHOT')
ORDER BY idx`
const ofRunsQuery = `
SELECT ${columns}, body FROM run_ledger
WHERE epoch = @epoch AND shard = 0 AND seq BETWEEN @from_seq AND @to_seq AND run_id IN UNNEST(@run_ids)`
/**
 * Narrow columns alone: some 100 bytes for each row. A run whose first row is older than what is remembered is
 * forgotten: only a first row has a digest.
 */
const endedQuery = `
SELECT FORMAT_DATE('%Y-%m-%d', DATE(ended_at)) AS day, MIN(first_seq) AS from_seq, MAX(last_seq) AS to_seq,
  STRING_AGG(SUBSTR(run_id, 3, ${rememberedDigits}), '') AS digits
FROM (
  SELECT run_id, MIN(seq) AS first_seq, MAX(seq) AS last_seq,
    MAX(IF(kind IN ('RELEASE', 'REJECT'), decided_at, NULL)) AS ended_at, MAX(IF(digest IS NULL, 0, 1)) AS whole
  FROM run_ledger
  WHERE epoch = @epoch AND shard = 0 AND seq <= @seq AND decided_at >= TIMESTAMP(@since) AND run_id IS NOT NULL
  GROUP BY run_id
)
WHERE ended_at IS NOT NULL AND whole = 1
GROUP BY day`
