/** What a command prints: a table for people, JSON as the route answered, or CSV. */
export type Format = 'table' | 'json' | 'csv'
export const formats: readonly Format[] = ['table', 'json', 'csv']

type Row = Readonly<Record<string, unknown>>

const textOf = (value: unknown): string => {
  if (value === null || value === undefined) return ''
  if (Array.isArray(value)) return value.map(textOf).join(' ')
  return typeof value === 'string' ? value : JSON.stringify(value)
}
const quoted = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)

const csvOf = (columns: readonly string[], rows: readonly Row[]): string =>
  [columns, ...rows.map((row) => columns.map((column) => textOf(row[column])))]
    .map((fields) => fields.map(quoted).join(','))
    .join('\n')

const tableOf = (columns: readonly string[], rows: readonly Row[]): string => {
  const lines = [
    columns.map((column) => column.toUpperCase()),
    ...rows.map((row) => columns.map((column) => textOf(row[column]).replace(/\s+/g, ' '))),
  ]
  const widths = columns.map((_, k) => Math.max(...lines.map((line) => line[k]?.length ?? 0)))
  return lines
    .map((line) =>
      line
        .map((field, k) => field.padEnd(widths[k] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Rows of a list, by these columns; `body` is what the route answered. */
export const printList = (
  format: Format,
  columns: readonly string[],
  body: { items?: unknown } & Record<string, unknown>,
): void => {
  const rows = (Array.isArray(body.items) ? body.items : []) as Row[]
  if (format === 'json') console.log(JSON.stringify(body, null, 2))
  else if (format === 'csv') console.log(csvOf(columns, rows))
  else console.log(rows.length === 0 ? 'none' : tableOf(columns, rows))
}

/** One thing, a line for each field. */
export const printOne = (format: Format, body: Row): void => {
  const fields = Object.keys(body)
  if (format === 'json') console.log(JSON.stringify(body, null, 2))
  else if (format === 'csv') console.log(csvOf(fields, [body]))
  else {
    const width = Math.max(0, ...fields.map((field) => field.length))
    for (const field of fields) console.log(`${field.padEnd(width)}  ${textOf(body[field])}`.trimEnd())
  }
}
