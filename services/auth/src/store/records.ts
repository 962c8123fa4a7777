/** What the platform has recorded, as lists by time: dead letters, the audit, the queue, notifications, checks. */
import type { Row } from '@convergence/warehouse'
import { jsonOf, textOf, type Tables } from './tables.ts'

export interface RecordFilter {
  /** Column and the value that it must have. */
  equal: Readonly<Record<string, string>>
  /** Times, RFC 3339: from it on, before it. */
  from?: string
  to?: string
  after?: { at: string; id: string }
  limit: number
}

/** A view or table that has a row for each record. Times are read as RFC 3339 text. */
interface RecordList {
  from: string
  id: string
  at: string
  newest_first: boolean
  columns: readonly string[]
}
export const recordLists = {
  dead_letters: {
    from: 'dead_letters',
    id: 'dead_letter_id',
    at: 'recorded_at',
    newest_first: true,
    columns: ['subscription', 'topic', 'tenant_id', 'run_id', 'reason', 'detail', 'delivery_attempts', 'state'],
  },
  audit: {
    from: 'auth_audit',
    id: 'event_id',
    at: 'at',
    newest_first: true,
    columns: ['actor', 'action', 'tenant_id', 'request_id', 'outcome', 'detail'],
  },
  queue: {
    from: 'pipeline_execution_queue',
    id: 'pipeline_logging_id',
    at: 'scheduled_time',
    newest_first: false,
    columns: ['tenant_id', 'pipeline', 'priority', 'state'],
  },
  notifications: {
    from: 'notifications',
    id: 'notification_id',
    at: 'recorded_at',
    newest_first: true,
    columns: [
      'tenant_id',
      'pipeline_logging_id',
      'step_id',
      'channel',
      'recipients',
      'subject',
      'state',
      'attempts',
      'possible_duplicate',
      'error_code',
      'error_message',
    ],
  },
  quality: {
    from: 'tenant_dq_results',
    id: 'dq_result_id',
    at: 'recorded_at',
    newest_first: true,
    columns: [
      'tenant_id',
      'pipeline_logging_id',
      'step_id',
      'check_name',
      'column_name',
      'status',
      'expected',
      'actual',
      'run_date',
    ],
  },
} as const satisfies Readonly<Record<string, RecordList>>
export type RecordListName = keyof typeof recordLists

export interface RecordStore {
  records(list: RecordListName, filter: RecordFilter): Promise<Row[]>
  /** With attributes and body, which the list leaves out. The body as text where it is UTF-8, else as base64. */
  deadLetter(dead_letter_id: string): Promise<Row | undefined>
}

const numbers: readonly string[] = ['delivery_attempts', 'priority', 'attempts']

const recordOf = (row: Row, { id, at, columns }: RecordList): Row =>
  Object.fromEntries<unknown>(
    [id, at, ...columns].map((name) => {
      const value: unknown = row[name]
      if (value === null || value === undefined || typeof value === 'boolean') return [name, value ?? null]
      return [name, numbers.includes(name) ? Number(value) : textOf(value)]
    }),
  )

export const recordStore = ({ name, rows, first }: Tables): RecordStore => ({
  records: async (wanted, { equal, from, to, after, limit }) => {
    const list: RecordList = recordLists[wanted]
    // `at` is a word of the language.
    const quoted = (column: string) => `\`${column}\``
    const [id, at] = [quoted(list.id), quoted(list.at)]
    const beyond = list.newest_first ? '<' : '>'
    const conditions = [
      ...Object.keys(equal).map((column) => `${column} = @${column}`),
      ...(from === undefined ? [] : [`${at} >= TIMESTAMP(@from_time)`]),
      ...(to === undefined ? [] : [`${at} < TIMESTAMP(@to_time)`]),
      ...(after === undefined
        ? []
        : [`(${at} ${beyond} TIMESTAMP(@after_at) OR (${at} = TIMESTAMP(@after_at) AND ${id} ${beyond} @after_id))`]),
    ]
    const order = list.newest_first ? 'DESC' : 'ASC'
    const found = await rows(
      `SELECT ${[list.id, list.at, ...list.columns].map(quoted).join(', ')} FROM ${name(list.from)}
       ${conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`}
       ORDER BY ${at} ${order}, ${id} ${order} LIMIT ${limit}`,
      { ...equal, from_time: from, to_time: to, after_at: after?.at, after_id: after?.id },
    )
    return found.map((row) => recordOf(row, list))
  },
  deadLetter: async (dead_letter_id) => {
    const row = await first(`SELECT * FROM ${name('dead_letters')} WHERE dead_letter_id = @dead_letter_id LIMIT 1`, {
      dead_letter_id,
    })
    return row === undefined
      ? undefined
      : { ...recordOf(row, recordLists.dead_letters), attributes: jsonOf(row['attributes']), ...bodyOf(row['body']) }
  },
})

const bodyOf = (value: unknown): { body: string | null; body_encoding: 'utf-8' | 'base64' } => {
  const base64 = textOf(value)
  if (base64 === null) return { body: null, body_encoding: 'utf-8' }
  try {
    const body = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(base64, 'base64'))
    return { body, body_encoding: 'utf-8' }
  } catch {
    return { body: base64, body_encoding: 'base64' }
  }
}
