/**
 * BigQuery's REST form of schemas, parameters, rows and faults, to and from the engine's terms. What a request says and
 * we do not do is refused by name. Facts: bigquery/docs/reference/rest/v2 and bigquery/docs/error-messages.
 */
import { AppError } from '@convergence/contracts'
import type { Column, ColumnType } from '@convergence/contracts'
import type { QueryParameter, TableRef } from '@convergence/warehouse'
import { positionalName } from '@convergence/googlesql/lexer'
import { textOf } from '../text-of.ts'
import { instantText, isInstant, scaled } from '../values.ts'
import type { Cell, WireRow } from '../values.ts'

/** JSON of a request, not trusted. */
export type Json = Readonly<Record<string, unknown>>

/** An answer that is an error: status, and the reason that BigQuery's clients act on. */
export class RestFault extends Error {
  readonly status: number
  readonly reason: string
  constructor(status: number, reason: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.status = status
    this.reason = reason
  }
}
export const invalid = (message: string): RestFault => new RestFault(400, 'invalid', message)
export const unsupported = (what: string): RestFault =>
  new RestFault(501, 'notImplemented', `${what} is not supported by the local warehouse; see docs/LOCAL.md`)
export const notFound = (what: string): RestFault => new RestFault(404, 'notFound', `Not found: ${what}`)

const reasons: Readonly<Record<string, readonly [status: number, reason: string]>> = {
  QUERY_INVALID: [400, 'invalidQuery'],
  QUERY_UNSUPPORTED: [400, 'invalidQuery'],
  TABLE_NOT_FOUND: [404, 'notFound'],
  NOT_FOUND: [404, 'notFound'],
  ALREADY_EXISTS: [409, 'duplicate'],
  TABLE_NOT_EMPTY: [409, 'duplicate'],
  CONFLICT: [400, 'resourceInUse'],
  EXPORT_INVALID: [400, 'invalid'],
  ROW_OUTSIDE_PERIOD: [400, 'invalid'],
  CANCELLED: [400, 'stopped'],
  RESOURCE_EXHAUSTED: [400, 'resourcesExceeded'],
  TIMED_OUT: [400, 'timeout'],
  JOB_FAILED: [500, 'backendError'],
  UNAVAILABLE: [503, 'backendError'],
  DISK_FULL: [503, 'backendError'],
  FORBIDDEN: [403, 'accessDenied'],
}
/**
 * A code and text of ours in BigQuery's words. `context` says whether a wrong input is a wrong statement or a wrong
 * request.
 */
export const reasonOf = (
  { code, message }: { code: string; message: string },
  context: 'query' | 'request',
): { status: number; reason: string; message: string } => {
  const [status, reason] = reasons[code] ?? [500, 'internalError']
  if (code === 'QUERY_INVALID' && message.startsWith('Query exceeded limit for bytes billed'))
    return { status: 400, reason: 'bytesBilledLimitExceeded', message }
  if (/could not serialize access/i.test(message))
    return {
      status: 400,
      reason: 'invalidQuery',
      message: `Could not serialize access to table due to concurrent update: ${message}`,
    }
  return {
    status,
    reason: reason === 'invalidQuery' && context === 'request' ? 'invalid' : reason,
    message: wordsOf(code, message),
  }
}
const wordsOf = (code: string, message: string): string => {
  if (code === 'TABLE_NOT_FOUND' && !message.startsWith('Not found')) return `Not found: ${message}`
  if (code === 'TABLE_NOT_EMPTY') return `Already Exists: ${message}`
  if (code === 'CANCELLED') return 'Job execution was cancelled: User requested cancellation'
  return message
}
/** Any fault as BigQuery answers it; what is none of ours shows nothing of itself. */
export const faultOf = (error: unknown, context: 'query' | 'request'): RestFault => {
  if (error instanceof RestFault) return error
  if (!(error instanceof AppError))
    return new RestFault(500, 'internalError', 'An internal error occurred and the request could not be completed.', {
      cause: error,
    })
  const { status, reason, message } = reasonOf(
    { code: error.code, message: [error.message, ...error.faults].join('\n') },
    context,
  )
  return new RestFault(status, reason, message, { cause: error })
}
export const errorBody = ({ status, reason, message }: { status: number; reason: string; message: string }) => {
  const location = /\[(\d+:\d+)\]/.exec(message)?.[0]
  return {
    error: {
      code: status,
      message,
      errors: [
        {
          domain: 'global',
          reason,
          message,
          ...(reason === 'invalidQuery' && location !== undefined ? { location: 'q', locationType: 'parameter' } : {}),
        },
      ],
      status: statusNames[status] ?? 'UNKNOWN',
    },
  }
}
const statusNames: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  409: 'ALREADY_EXISTS',
  412: 'FAILED_PRECONDITION',
  500: 'INTERNAL',
  501: 'UNIMPLEMENTED',
  503: 'UNAVAILABLE',
}

// ---- reading a request

export const isJson = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
export const objectAt = (body: Json, name: string): Json | undefined => {
  const value = body[name]
  if (value === undefined || value === null) return undefined
  if (!isJson(value)) throw invalid(`${name}: expected an object`)
  return value
}
export const textAt = (body: Json, name: string): string | undefined => {
  const value = body[name]
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string' && typeof value !== 'number') throw invalid(`${name}: expected text`)
  return String(value)
}
export const flagAt = (body: Json, name: string): boolean | undefined => {
  const value = body[name]
  if (value === undefined || value === null) return undefined
  // Python writes True.
  const text = textOf(value).toLowerCase()
  if (text === 'true' || text === 'false') return text === 'true'
  throw invalid(`${name}: expected true or false`)
}
/** Of a query string. */
export const isSaid = (query: URLSearchParams, name: string): boolean =>
  flagAt({ [name]: query.get(name) }, name) === true
export const wholeAt = (body: Json, name: string): number | undefined => {
  const text = textAt(body, name)
  if (text === undefined || text === '') return undefined
  if (!/^-?\d{1,16}$/.test(text)) throw invalid(`${name}: expected a whole number`)
  return Number(text)
}
export const listAt = (body: Json, name: string): readonly unknown[] | undefined => {
  const value = body[name]
  if (value === undefined || value === null) return undefined
  if (!Array.isArray(value)) throw invalid(`${name}: expected a list`)
  return value as unknown[]
}
export const textsAt = (body: Json, name: string): string[] | undefined =>
  listAt(body, name)?.map((one) => {
    if (typeof one !== 'string') throw invalid(`${name}: expected a list of texts`)
    return one
  })
export const labelsAt = (body: Json): Record<string, string> | undefined => {
  const labels = objectAt(body, 'labels')
  return labels === undefined
    ? undefined
    : Object.fromEntries(
        Object.entries(labels).flatMap(([key, value]) => (value === null ? [] : [[key, textOf(value)]])),
      )
}
const isEmpty = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  value === false ||
  (Array.isArray(value) && value.length === 0) ||
  (isJson(value) && Object.values(value).every(isEmpty))
/**
 * Refuses by name what is said and not on the list: nothing is accepted and then ignored. What says nothing, such as
 * false, may be there.
 */
export const assertKnown = (body: Json, what: string, known: readonly string[]): void => {
  for (const [name, value] of Object.entries(body))
    if (!known.includes(name) && !isEmpty(value)) throw unsupported(`${what}.${name}`)
}
/** What the server itself says of a resource; clients send it back. */
export const saidByServer = [
  'kind',
  'etag',
  'id',
  'selfLink',
  'creationTime',
  'lastModifiedTime',
  'numRows',
  'numBytes',
  'numLongTermBytes',
  'numTotalLogicalBytes',
  'numActiveLogicalBytes',
  'numLongTermLogicalBytes',
  'type',
  'satisfiesPzs',
  'satisfiesPzi',
]
const nameText = /^[A-Za-z0-9_]{1,1024}$/
export const datasetName = (name: string): string => {
  if (!nameText.test(name))
    throw invalid(
      `Invalid dataset ID "${name}". Dataset IDs must be alphanumeric (plus underscores) ` +
        'and must be at most 1024 characters long.',
    )
  if (name.startsWith('_')) throw unsupported(`A dataset whose name begins with _ (${name})`)
  return name
}
export const tableName = (name: string): string => {
  if (!/^[\p{L}\p{M}\p{N}\p{Pc}\p{Pd} ]{1,1024}$/u.test(name)) throw invalid(`Invalid table ID "${name}".`)
  return name
}
/** `partition` is what follows a $. */
export const tableRefOf = (
  ref: Json | undefined,
  what: string,
  project_id: string,
): TableRef & { partition?: string } => {
  if (ref === undefined) throw new RestFault(400, 'required', `Required parameter is missing: ${what}`)
  const dataset = textAt(ref, 'datasetId')
  const whole = textAt(ref, 'tableId')
  if (dataset === undefined || whole === undefined)
    throw new RestFault(
      400,
      'required',
      `Required parameter is missing: ${what}.${dataset === undefined ? 'datasetId' : 'tableId'}`,
    )
  const [table = '', partition] = whole.split('$')
  return {
    project_id: textAt(ref, 'projectId') ?? project_id,
    dataset,
    table: tableName(table),
    ...(partition === undefined ? {} : { partition }),
  }
}
export const restRef = ({ project_id, dataset, table }: TableRef) => ({
  projectId: project_id,
  datasetId: dataset,
  tableId: table,
})

// ---- schemas

const types: Readonly<Record<string, ColumnType>> = {
  STRING: 'STRING',
  BYTES: 'BYTES',
  INTEGER: 'INT64',
  INT64: 'INT64',
  FLOAT: 'FLOAT64',
  FLOAT64: 'FLOAT64',
  NUMERIC: 'NUMERIC',
  DECIMAL: 'NUMERIC',
  BIGNUMERIC: 'BIGNUMERIC',
  BIGDECIMAL: 'BIGNUMERIC',
  BOOLEAN: 'BOOL',
  BOOL: 'BOOL',
  TIMESTAMP: 'TIMESTAMP',
  DATE: 'DATE',
  TIME: 'TIME',
  DATETIME: 'DATETIME',
  JSON: 'JSON',
  RECORD: 'STRUCT',
  STRUCT: 'STRUCT',
}
const restTypes: Readonly<Partial<Record<ColumnType, string>>> = {
  INT64: 'INTEGER',
  FLOAT64: 'FLOAT',
  BOOL: 'BOOLEAN',
  STRUCT: 'RECORD',
}
export const columnsOf = (fields: readonly unknown[], path = ''): Column[] => {
  const seen = new Set<string>()
  return fields.map((field) => {
    if (!isJson(field)) throw invalid('schema.fields: expected objects')
    const name = textAt(field, 'name') ?? ''
    const own = `${path}${name}`
    if (!/^[\p{L}_][\p{L}\p{M}\p{N}\p{Pc}\p{Pd}&%=+:'<>#| ]{0,299}$/u.test(name))
      throw invalid(
        `Invalid field name "${own}". Fields must contain the allowed characters, and be at most 300 characters long.`,
      )
    if (seen.has(name.toLowerCase())) throw invalid(`Duplicate field name: ${own}`)
    seen.add(name.toLowerCase())
    assertKnown(field, `schema field ${own}`, ['name', 'type', 'mode', 'description', 'fields', 'policyTags'])
    if (!isEmpty(field['policyTags'])) throw unsupported(`schema field ${own}.policyTags`)
    const type = types[(textAt(field, 'type') ?? '').toUpperCase()]
    if (type === undefined)
      throw types[textAt(field, 'type') ?? ''] === undefined &&
        /^(GEOGRAPHY|RANGE|INTERVAL|FOREIGN)$/i.test(textAt(field, 'type') ?? '')
        ? unsupported(`Type ${textAt(field, 'type') ?? ''} of field ${own}`)
        : invalid(`Invalid value for type: ${textAt(field, 'type') ?? ''} is not a valid value`)
    const mode = (textAt(field, 'mode') ?? 'NULLABLE').toUpperCase()
    if (mode !== 'NULLABLE' && mode !== 'REQUIRED' && mode !== 'REPEATED')
      throw invalid(`Invalid value for mode: ${mode} is not a valid value`)
    const inner = listAt(field, 'fields')
    if (type === 'STRUCT' && (inner === undefined || inner.length === 0))
      throw invalid(`Field ${own} is type RECORD but has no schema`)
    const description = textAt(field, 'description')
    return {
      name,
      type,
      ...(mode === 'NULLABLE' ? {} : { mode }),
      ...(description === undefined ? {} : { description }),
      ...(type === 'STRUCT' ? { fields: columnsOf(inner ?? [], `${own}.`) } : {}),
    }
  })
}
export interface Field {
  name: string
  type: string
  mode: string
  description?: string
  fields?: Field[]
}
export const fieldOf = ({ name, type, mode, description, fields }: Column): Field => ({
  name,
  type: restTypes[type] ?? type,
  mode: mode ?? 'NULLABLE',
  ...(description === undefined ? {} : { description }),
  ...(fields === undefined ? {} : { fields: fields.map(fieldOf) }),
})
export const schemaOf = (columns: readonly Column[]): { fields: Field[] } => ({ fields: columns.map(fieldOf) })

/** Seconds since 1970, which BigQuery takes for a TIMESTAMP beside its text. */
export const isEpoch = (value: unknown): value is string | number =>
  (typeof value === 'number' && Number.isFinite(value)) ||
  (typeof value === 'string' && /^[+-]?\d+(\.\d*)?([eE][+-]?\d+)?$/.test(value))
/**
 * The instant's text to the microsecond; undefined outside of the years 1 to 9999. By its digits: a double has too few
 * for them.
 */
export const instantOf = (seconds: string | number): string | undefined => {
  try {
    const micros = scaled(String(seconds), 6)
    return isInstant(micros) ? instantText(micros) : undefined
  } catch {
    return undefined
  }
}

// ---- parameters

const typeText = (type: Json | undefined, name: string): string => {
  const kind = textAt(type ?? {}, 'type')?.toUpperCase()
  if (kind === undefined) throw invalid(`Query parameter ${name}: has no type`)
  if (kind === 'ARRAY') return `ARRAY<${typeText(objectAt(type ?? {}, 'arrayType'), name)}>`
  if (kind === 'STRUCT') {
    return `STRUCT<${(listAt(type ?? {}, 'structTypes') ?? [])
      .map((field) => {
        const own = isJson(field) ? (textAt(field, 'name') ?? '') : ''
        if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(own))
          throw unsupported(`Query parameter ${name} with the field ${JSON.stringify(own.slice(0, 40))}`)
        return `${own} ${typeText(isJson(field) ? objectAt(field, 'type') : undefined, `${name}.${own}`)}`
      })
      .join(', ')}>`
  }
  const known = types[kind]
  if (known === undefined) throw unsupported(`Query parameter ${name} of type ${kind}`)
  return known
}
/** The value of a parameter as the engine binds it. */
const parameterValue = (type: Json, cell: Json, name: string): unknown => {
  const kind = textAt(type, 'type')?.toUpperCase() ?? ''
  if (kind === 'ARRAY')
    return (listAt(cell, 'arrayValues') ?? []).map((one) =>
      isJson(one) ? parameterValue(objectAt(type, 'arrayType') ?? {}, one, name) : null,
    )
  if (kind === 'STRUCT') {
    const values = objectAt(cell, 'structValues')
    return values === undefined
      ? null
      : Object.fromEntries(
          (listAt(type, 'structTypes') ?? []).filter(isJson).map((field) => {
            const own = textAt(field, 'name') ?? ''
            return [own, parameterValue(objectAt(field, 'type') ?? {}, objectAt(values, own) ?? {}, `${name}.${own}`)]
          }),
        )
  }
  const text = cell['value']
  if (text === undefined || text === null) return null
  if (types[kind] === 'BOOL') return textOf(text).toLowerCase()
  if (types[kind] === 'TIMESTAMP' && isEpoch(text)) {
    const instant = instantOf(text)
    if (instant === undefined)
      throw invalid(
        `Query parameter ${name}: expected seconds of the years 1 to 9999, got ${String(text).slice(0, 40)}`,
      )
    return instant
  }
  return textOf(text)
}
export const parametersOf = (list: readonly unknown[], mode: string | undefined): QueryParameter[] =>
  list.map((one, k) => {
    if (!isJson(one)) throw invalid('queryParameters: expected objects')
    const given = textAt(one, 'name')
    const isNamed = mode === undefined ? given !== undefined && given !== '' : mode.toUpperCase() === 'NAMED'
    if (mode !== undefined && !['NAMED', 'POSITIONAL'].includes(mode.toUpperCase()))
      throw invalid(`parameterMode: expected NAMED or POSITIONAL, got ${mode}`)
    if (isNamed && (given === undefined || given === ''))
      throw invalid('queryParameters: a named parameter has no name')
    const name = isNamed ? (given ?? '') : positionalName(k + 1)
    const label = isNamed ? name : `${k + 1}`
    const type = objectAt(one, 'parameterType') ?? {}
    const text = typeText(type, label)
    return { name, type: text, value: parameterValue(type, objectAt(one, 'parameterValue') ?? {}, label) }
  })

// ---- rows

export type TimestampFormat = 'FLOAT64' | 'INT64' | 'ISO8601_STRING'
const asFloat = (micros: string): string => {
  const text = (Number(BigInt(micros) / 1_000_000n) + Number(BigInt(micros) % 1_000_000n) / 1e6).toExponential()
  const [, sign = '', digits = '', exponent = '0'] = /^(-?)([\d.]+)e\+?(-?\d+)$/.exec(text) ?? []
  return exponent === '0'
    ? `${sign}${digits}${digits.includes('.') ? '' : '.0'}`
    : `${sign}${digits}${digits.includes('.') ? '' : '.0'}E${exponent}`
}
const asIso = (micros: string): string => instantText(BigInt(micros))
const hasInstant = (column: Column): boolean => column.type === 'TIMESTAMP' || (column.fields ?? []).some(hasInstant)
const formatted = (column: Column, value: unknown, format: (micros: string) => string): unknown => {
  if (value === null || !hasInstant(column)) return value
  if (column.mode === 'REPEATED')
    return (value as Cell[]).map(({ v }) => ({ v: formatted({ ...column, mode: 'NULLABLE' }, v, format) }))
  if (column.type === 'STRUCT')
    return {
      f: (column.fields ?? []).map((field, k) => ({ v: formatted(field, (value as WireRow).f[k]?.v ?? null, format) })),
    }
  return format(textOf(value))
}
/** Rows as they are asked for: the engine gives instants as microseconds. */
export const formatRows = (
  columns: readonly Column[],
  rows: readonly WireRow[],
  format: TimestampFormat,
): readonly WireRow[] => {
  if (format === 'INT64' || !columns.some(hasInstant)) return rows
  const convert = format === 'FLOAT64' ? asFloat : asIso
  return rows.map(({ f }) => ({
    f: f.map(({ v }, k) => ({ v: columns[k] === undefined ? v : formatted(columns[k], v, convert) })),
  }))
}
export const timestampFormat = (useInt64: boolean | undefined, output: string | undefined): TimestampFormat => {
  if (output === 'FLOAT64' || output === 'INT64' || output === 'ISO8601_STRING') return output
  if (output !== undefined && output !== 'TIMESTAMP_OUTPUT_FORMAT_UNSPECIFIED')
    throw invalid(`formatOptions.timestampOutputFormat: ${output} is not a valid value`)
  return useInt64 === true ? 'INT64' : 'FLOAT64'
}
