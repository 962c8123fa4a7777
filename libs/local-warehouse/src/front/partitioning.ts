/** Partitioning and clustering, as requests say them. */
import type { Column, TimePartitioning } from '@convergence/contracts'
import { assertKnown, invalid, objectAt, textAt, textsAt, unsupported } from './wire.ts'
import type { Json } from './wire.ts'

const partitioningKinds = ['DAY', 'HOUR', 'MONTH', 'YEAR'] as const
export const partitioningOf = (
  body: Json,
  columns: readonly Column[] | undefined,
): {
  time_partitioning?: TimePartitioning
  partition_expiration_ms?: number | undefined
  clustering_fields?: string[]
} => {
  const time = objectAt(body, 'timePartitioning')
  const clustering = objectAt(body, 'clustering')
  const named = (field: string): Column => {
    const found = columns?.find((column) => column.name.toLowerCase() === field.toLowerCase())
    if (found === undefined)
      throw invalid(`The field specified for partitioning or clustering cannot be found in the schema: ${field}`)
    return found
  }
  const made: ReturnType<typeof partitioningOf> = {}
  if (time !== undefined) {
    assertKnown(time, 'timePartitioning', ['type', 'field', 'expirationMs'])
    const type = partitioningKinds.find((kind) => kind === (textAt(time, 'type') ?? 'DAY').toUpperCase())
    if (type === undefined)
      throw invalid(
        `timePartitioning.type: expected one of ${partitioningKinds.join(', ')}, got ${textAt(time, 'type') ?? ''}`,
      )
    const field = textAt(time, 'field')
    if (field === undefined)
      throw unsupported('A table that is partitioned by the time of ingestion (timePartitioning without field)')
    if (columns !== undefined && !['DATE', 'TIMESTAMP', 'DATETIME'].includes(named(field).type))
      throw invalid(`timePartitioning.field: ${field} is ${named(field).type}; expected DATE, TIMESTAMP or DATETIME`)
    made.time_partitioning = { type, field }
    const expiry = time['expirationMs']
    if (expiry !== undefined && expiry !== null) {
      const ms = Number(expiry)
      if (!Number.isSafeInteger(ms) || ms < 0) throw invalid('timePartitioning.expirationMs: expected milliseconds')
      made.partition_expiration_ms = ms
    }
  }
  if (clustering !== undefined) {
    assertKnown(clustering, 'clustering', ['fields'])
    const fields = textsAt(clustering, 'fields') ?? []
    if (fields.length > 4) throw invalid('clustering.fields: at most four columns')
    if (columns !== undefined) for (const field of fields) named(field)
    if (fields.length > 0) made.clustering_fields = fields
  }
  return made
}
