/** A load of a few rows, which goes by the engine's journal. */
import type { Row } from '@convergence/warehouse'
import { columnsKnown } from './configurations.ts'
import type { Media } from './files.ts'
import type { JobsContext } from './job-context.ts'
import { flagAt, isJson, objectAt, tableRefOf, textAt, textsAt } from './wire.ts'
import type { Json } from './wire.ts'

/**
 * A few rows appended to a table whose small rows go by the engine's journal: the id and the rows are one durable
 * entry. Undefined when the load is anything else, or when a row is wrong: then the job fails as every other.
 */
export const smallLoad = (
  context: JobsContext,
  config: Json,
  media: Media | undefined,
): { table: string; rows: Row[] } | undefined => {
  if (
    media?.text === undefined ||
    media.text[0] === 0x1f ||
    textAt(config, 'sourceFormat')?.toUpperCase() !== 'NEWLINE_DELIMITED_JSON'
  )
    return undefined
  if (
    (textAt(config, 'writeDisposition') ?? 'WRITE_APPEND') !== 'WRITE_APPEND' ||
    flagAt(config, 'autodetect') === true ||
    (textsAt(config, 'schemaUpdateOptions') ?? []).length > 0
  )
    return undefined
  const { partition, ...ref } = tableRefOf(
    objectAt(config, 'destinationTable'),
    'destinationTable',
    context.engine.project_id,
  )
  const columns = columnsKnown(context, ref)
  if (partition !== undefined || !context.engine.takesSmallRows(ref.dataset) || columns === undefined) return undefined
  const names = new Set(columns.map(({ name }) => name))
  const ignore = flagAt(config, 'ignoreUnknownValues') === true
  const rows: Row[] = []
  for (const line of media.text.toString().split('\n')) {
    if (line.trim() === '') continue
    let row: unknown
    try {
      row = JSON.parse(line)
    } catch {
      return undefined
    }
    if (!isJson(row)) return undefined
    rows.push(ignore ? Object.fromEntries(Object.entries(row).filter(([key]) => names.has(key))) : row)
  }
  return rows.length === 0 || rows.length > 2_000 ? undefined : { table: ref.table, rows }
}
