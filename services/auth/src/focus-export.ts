/**
 * A dataset of FOCUS as a file, made while it is sent: one statement, whose rows come in pages, in the columns of one
 * version. Of Parquet each amount has the digits that it needs in that file: the same statement counts them, so that no
 * row can come in between.
 */
import { AppError, type Column } from '@convergence/contracts'
import {
  focusColumns,
  focusSources,
  focusDatasets,
  focusDatasetsOf,
  focusFormats,
  focusTable,
  focusVersions,
  type FocusDataset,
  type FocusFormat,
  type FocusVersion,
} from '@convergence/contracts/focus'
import { csvField } from '@convergence/tabular/csv'
import { mostDigits, openParquet, type WrittenColumn, type WrittenType } from '@convergence/tabular/parquet-writing'
import type { Row, Statement, Warehouse } from '@convergence/warehouse'
import { dayFaults, monthBefore } from './costs.ts'

export interface ExportQuestion {
  tenant_id: string
  dataset: FocusDataset
  version: FocusVersion
  format: FocusFormat
  /** Days of UTC, `to` exclusive. */
  from: string
  to: string
}

const known = <T extends string>(names: readonly T[], value: string): value is T =>
  (names as readonly string[]).includes(value)

/** Throws BODY_INVALID with all faults. */
export const exportQuestionOf = (
  tenant_id: string,
  dataset: string,
  query: Readonly<Record<string, string>>,
): ExportQuestion => {
  const { from = '', to = '', version = '1.4', format = 'csv' } = query
  const faults = dayFaults(from, to)
  if (!known(focusVersions, version))
    faults.unshift(`query.version: expected one of ${focusVersions.join(', ')}, got ${JSON.stringify(version)}`)
  if (!known(focusFormats, format))
    faults.unshift(`query.format: expected one of ${focusFormats.join(', ')}, got ${JSON.stringify(format)}`)
  if (!known(focusDatasets, dataset))
    faults.unshift(`path.dataset: expected one of ${focusDatasets.join(', ')}, got ${JSON.stringify(dataset)}`)
  else if (known(focusVersions, version) && !known(focusDatasetsOf(version), dataset))
    faults.unshift(
      `path.dataset: FOCUS ${version} has no ${dataset}; expected one of ${focusDatasetsOf(version).join(', ')}`,
    )
  if (
    faults.length > 0 ||
    !known(focusDatasets, dataset) ||
    !known(focusVersions, version) ||
    !known(focusFormats, format)
  )
    throw new AppError('BODY_INVALID', `focus: ${faults.length === 1 ? '1 fault' : `${faults.length} faults`}`, {
      faults,
    })
  return { tenant_id, dataset, version, format, from, to }
}

// ---- what is asked

/** How a column of a table goes out, and the expression that reads it. */
interface Exported extends WrittenColumn {
  expression: string
}
const typesOut: Readonly<Partial<Record<Column['type'], WrittenType>>> = {
  TIMESTAMP: 'timestamp',
  DATE: 'date',
  INT64: 'integer',
  FLOAT64: 'double',
  BOOL: 'boolean',
  // The digits are counted with the rows.
  NUMERIC: { scale: 0 },
  BIGNUMERIC: { scale: 0 },
}
const exported = ({ name, type, mode }: Pick<Column, 'name' | 'type' | 'mode'>, expression: string): Exported => {
  if (mode === 'REPEATED' || type === 'JSON' || type === 'STRUCT')
    return { name, type: 'text', expression: `NULLIF(TO_JSON_STRING(${expression}), 'null')` }
  return { name, type: typesOut[type] ?? 'text', expression }
}
/** Columns of the version by name, and with 1.4 those of ours. */
const exportedColumns = (dataset: FocusDataset, version: FocusVersion, table: readonly Column[]): Exported[] => {
  const there = new Map(table.map((column) => [column.name, column]))
  const named = focusColumns(dataset, version).filter(({ name, optional }) => optional !== true || there.has(name))
  const standard = named.map(({ name, type }) => {
    const column = there.get(name)
    if (column !== undefined) return exported(column, name)
    const sources = focusSources(name).filter((source) => there.has(source))
    return exported({ name, type }, sources.length === 0 ? `CAST(NULL AS ${type})` : `COALESCE(${sources.join(', ')})`)
  })
  const ours = version === '1.4' ? table.filter(({ name }) => name.startsWith('x_')) : []
  return [...standard, ...ours.map((column) => exported(column, column.name))]
}

const isAmount = ({ type }: WrittenColumn): boolean => typeof type === 'object'

const conditionOf = (dataset: FocusDataset, table: readonly Column[]): string => {
  if (dataset === 'cost_and_usage') {
    const pruned = table.some(({ name }) => name === 'x_BillingPeriod') ? 'x_BillingPeriod >= @first AND ' : ''
    return `${pruned}DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to`
  }
  // A period counts when a day of it is asked for.
  const period = dataset === 'contract_commitment' ? 'ContractCommitmentPeriod' : 'BillingPeriod'
  const within = `DATE(${period}Start) < @to AND IFNULL(DATE(TIMESTAMP_SUB(${period}End, INTERVAL 1 SECOND)) >= @from, TRUE)`
  if (dataset !== 'contract_commitment' || !table.some(({ name }) => name === 'x_BillingPeriod')) return within
  // Each month tells its commitments; what the newest says counts.
  const newest = 'PARTITION BY x_SourceProvider, ContractCommitmentId ORDER BY x_BillingPeriod DESC'
  return `${within} QUALIFY ROW_NUMBER() OVER (${newest}) = 1`
}

/** Digits before and behind the point that each amount needs, "3.10 0.2", on each row. */
const digitsOf = (amounts: readonly Exported[]): string => {
  const longest = (text: string, form: string) => `IFNULL(MAX(LENGTH(REGEXP_EXTRACT(${text}, r'${form}'))), 0)`
  const counts = amounts.flatMap(({ name }) => {
    const text = `CAST(${name} AS STRING)`
    return [`CAST(${longest(text, '^-?0*([0-9]*)')} AS STRING)`, `CAST(${longest(text, '[.]([0-9]+)$')} AS STRING)`]
  })
  return counts.reduce((all, count, k) => `${all}, ${k % 2 === 0 ? "' '" : "'.'"}, ${count}`, "''")
}
const statementOf = (
  { tenant_id, dataset, format, from, to }: ExportQuestion,
  table: readonly Column[],
  columns: readonly Exported[],
): Statement => {
  const chosen =
    `SELECT ${columns.map(({ name, expression }) => `${expression} AS ${name}`).join(', ')} ` +
    `FROM \`${tenant_id}.${focusTable(dataset)}\` WHERE ${conditionOf(dataset, table)}`
  const amounts = columns.filter(isAmount)
  return {
    query:
      format === 'csv' || amounts.length === 0
        ? chosen
        : `WITH chosen AS (${chosen}) SELECT chosen.*, counted.digits FROM chosen ` +
          `CROSS JOIN (SELECT CONCAT(${digitsOf(amounts)}) AS digits FROM chosen) AS counted`,
    parameters: [
      { name: 'from', type: 'DATE', value: from },
      { name: 'to', type: 'DATE', value: to },
      { name: 'first', type: 'DATE', value: monthBefore(from) },
    ],
    default_dataset: tenant_id,
  }
}

// ---- the file

type Made = AsyncGenerator<string | Uint8Array, void, void>

const csvCell = ({ type }: WrittenColumn, value: unknown): string => {
  if (value === null || value === undefined) return ''
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  if (type === 'timestamp') return text.replace(/\.0+Z$/, 'Z')
  // An empty text is another thing than none.
  return text === '' ? '""' : csvField(text)
}
const csvMade = async function* (columns: readonly Exported[], pages: AsyncIterable<Row[]>): Made {
  let text = `${columns.map(({ name }) => name).join(',')}\r\n`
  for await (const rows of pages) {
    for (const row of rows) text += `${columns.map((column) => csvCell(column, row[column.name])).join(',')}\r\n`
    yield text
    text = ''
  }
  if (text !== '') yield text
}

/** Amounts with the digits that they need; text where a DECIMAL has too few. */
const withDigits = (columns: readonly Exported[], digits: string): WrittenColumn[] => {
  const needed = digits.trim().split(' ')
  const amounts = columns.filter(isAmount)
  return columns.map((column) => {
    if (!isAmount(column)) return column
    const [whole = 0, scale = 0] = (needed[amounts.indexOf(column)] ?? '').split('.').map(Number)
    return { name: column.name, type: whole + scale > mostDigits ? 'text' : { scale } }
  })
}
const rowsOfGroup = 20_000
const parquetMade = async function* (
  columns: readonly Exported[],
  pages: AsyncIterable<Row[]>,
  told: { text_amounts: readonly string[] },
): Made {
  let file: ReturnType<typeof openParquet> | undefined
  let group: Row[] = []
  const opened = (digits: unknown) => {
    const written = withDigits(columns, typeof digits === 'string' ? digits : '')
    told.text_amounts = written
      .filter(({ type }, k) => type === 'text' && columns[k]?.type !== 'text')
      .map(({ name }) => name)
    return openParquet(written)
  }
  for await (const rows of pages) {
    file ??= opened(rows[0]?.['digits'])
    group.push(...rows)
    if (group.length < rowsOfGroup) continue
    yield file.write(group)
    group = []
  }
  file ??= opened('')
  yield file.write(group)
  yield file.end()
}

export interface Export {
  /** Amounts that went as text, since no DECIMAL has all their digits. */
  text_amounts: readonly string[]
  parts: AsyncIterable<string | Uint8Array>
}
/**
 * Resolves when its first part is made, so that what is wrong is known before an answer begins. Throws TABLE_NOT_FOUND
 * where nothing made the dataset yet.
 */
export const exportOf = async (
  warehouse: Pick<Warehouse, 'pages' | 'dryRun'>,
  question: ExportQuestion,
): Promise<Export> => {
  const { tenant_id, dataset, version, format } = question
  const table = await tableOf(warehouse, tenant_id, dataset)
  const columns = exportedColumns(dataset, version, table)
  const pages = warehouse.pages(statementOf(question, table, columns))
  const told: { text_amounts: readonly string[] } = { text_amounts: [] }
  const made = format === 'csv' ? csvMade(columns, pages) : parquetMade(columns, pages, told)
  const first = await made.next()
  let next: Promise<IteratorResult<string | Uint8Array, void>> | undefined = Promise.resolve(first)
  const parts: AsyncIterator<string | Uint8Array, void> = {
    next: () => {
      const given = next ?? made.next()
      next = undefined
      return given
    },
    return: () => made.return(),
  }
  return { text_amounts: told.text_amounts, parts: { [Symbol.asyncIterator]: () => parts } }
}

const tableOf = async (
  { dryRun }: Pick<Warehouse, 'dryRun'>,
  tenant_id: string,
  dataset: FocusDataset,
): Promise<readonly Column[]> => {
  const table = focusTable(dataset)
  try {
    return (await dryRun({ query: `SELECT * FROM \`${tenant_id}.${table}\``, default_dataset: tenant_id })).columns
  } catch (error) {
    if (error instanceof AppError && error.code === 'TABLE_NOT_FOUND')
      throw new AppError(
        'TABLE_NOT_FOUND',
        `${dataset}: ${tenant_id} has no table ${table} yet; focus/cost/{aws,azure,gcp,any} makes it after a load`,
        { cause: error },
      )
    throw error
  }
}
