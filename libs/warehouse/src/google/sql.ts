/**
 * The few statements that this side of the door writes. A user's SELECT is put into them whole, in parentheses, once a
 * dry run has shown that it is one SELECT.
 */
import { AppError } from '@convergence/contracts'
import type { Column } from '@convergence/contracts'
import { contentOf, invalid, positionOf, scan, type Lexeme } from '@convergence/googlesql/lexer'
import type { QueryParameter, TableRef } from '../warehouse.ts'
import type { Ends } from '../period.ts'
import { raisedText } from './faults.ts'
import { quoted, sameName, typeText } from './values.ts'

const escaped = (text: string): string =>
  text.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('\n', '\\n').replaceAll('\r', '\\r')
export const pathOf = ({ project_id, dataset, table }: TableRef): string =>
  [project_id, dataset, table].map((part) => quoted(part)).join('.')

/** What stands in a text beside space and comments. */
const significant = (query: string): Lexeme[] =>
  scan(query).filter((lexeme) => {
    if (lexeme.open !== '' && lexeme.close === '')
      throw invalid(query, lexeme.start, `Syntax error: what begins with ${lexeme.open} has no end`)
    return lexeme.kind !== 'space' && lexeme.kind !== 'comment'
  })

/**
 * The statement without the semicolon that may end it. Throws QUERY_INVALID when there is anything after it, or when it
 * is no SELECT: on BigQuery whatever comes in by the door for reading would run. This keeps an honest mistake from
 * writing; what tenants may read is the dry run's business.
 */
export const oneSelect = (query: string): string => {
  const lexemes = significant(query)
  const shown = ({ start, end }: Lexeme): string => query.slice(start, end)
  const semicolon = lexemes.findIndex((lexeme) => lexeme.kind === 'op' && shown(lexeme) === ';')
  if (semicolon >= 0 && semicolon < lexemes.length - 1)
    throw new AppError('QUERY_INVALID', 'expected one SELECT statement, got several')
  const first = lexemes.find((lexeme) => shown(lexeme) !== '(')
  const word = first?.kind === 'word' ? shown(first).toUpperCase() : 'none'
  if (word !== 'SELECT' && word !== 'WITH')
    throw new AppError('QUERY_INVALID', `expected one SELECT statement, got ${word}; tables are written by jobs`)
  if (lexemes.some((lexeme) => lexeme.kind === 'op' && shown(lexeme) === '|>'))
    throw new AppError('QUERY_UNSUPPORTED', 'pipe syntax (|>) is not supported: it may write; use SELECT')
  return query.slice(0, lexemes[semicolon]?.start)
}

/** Names that read something that a dry run does not list among its tables, or that is no business of a pipeline. */
const unlistedNames: readonly (readonly [RegExp, string])[] = [
  [/\bINFORMATION_SCHEMA\b/i, 'INFORMATION_SCHEMA shows what belongs to others'],
  [/\bEXTERNAL_QUERY\b/i, 'EXTERNAL_QUERY reads another database'],
]
/**
 * A dry run says which tables a statement reads, and that is what isolation rests on; so what it would not list is
 * refused here, names in backticks by what they spell. Throws QUERY_UNSUPPORTED.
 */
export const assertListed = (query: string, routines: readonly object[] = []): void => {
  const lexemes = significant(query)
  const spelled = lexemes.map((lexeme) =>
    lexeme.kind === 'quoted' ? contentOf(query, lexeme) : query.slice(lexeme.start, lexeme.end),
  )
  lexemes.forEach(({ kind, start }, k) => {
    const text = spelled[k] ?? ''
    const content = start + (kind === 'quoted' ? 1 : 0)
    const refuse = (reason: string, index = 0): AppError => {
      // In backticks an escape may stand before it: then the position is that of the name.
      const at = query.startsWith(text.slice(0, index + 1), content) ? content + index : start
      return new AppError('QUERY_UNSUPPORTED', `${reason}; it is not allowed in a pipeline at ${positionOf(query, at)}`)
    }
    if (kind === 'op' && text === '@@') throw refuse('system variables (@@) are not read by pipelines')
    if (kind !== 'word' && kind !== 'quoted') return
    for (const [pattern, reason] of unlistedNames) {
      const found = pattern.exec(text)
      if (found !== null) throw refuse(reason, found.index)
    }
    const path = /^(?:ML|AI)$/i.test(text) && spelled[k + 1] === '.' ? spelled[k + 3] : undefined
    const whole = kind === 'quoted' && /^(?:ML|AI)\./i.test(text) ? spelled[k + 1] : undefined
    if (path === '(' || whole === '(') throw refuse('models are read past the list of tables')
  })
  if (routines.length > 0)
    throw new AppError(
      'QUERY_UNSUPPORTED',
      'functions and procedures of a dataset are not allowed in a pipeline: what they read is not listed',
    )
}

export interface Written {
  query: string
  parameters: QueryParameter[]
}
export interface PeriodColumn extends Ends {
  column: Column
}
/** Of rows that go with a period. */
export type OtherColumn = PeriodColumn | { column: Column; value: null }

/** Names of our own parameters; a user's statement must not have them. */
const periodName = (k: number): string => `convergence_period_${k}`
/** A test of a value, by parameters, and these. */
const testOf = (tested: string, { column, value, to }: PeriodColumn, name: string): Written => {
  const parameter = (suffix: string, bound: string) => ({ name: `${name}${suffix}`, type: column.type, value: bound })
  return to === undefined
    ? { query: `${tested} = @${name}`, parameters: [parameter('', value)] }
    : {
        query: `${tested} BETWEEN @${name} AND @${name}_to`,
        parameters: [parameter('', value), parameter('_to', to)],
      }
}
const parametersOfPeriod = (period: readonly PeriodColumn[]): QueryParameter[] =>
  period.flatMap((one, k) => testOf('', one, periodName(k)).parameters)

/**
 * `columns` of the source, cast to the table's types, NULL where it has none; with a period every row outside of it
 * fails the statement, with the value that it has.
 */
const sourceOf = (
  select: string,
  columns: readonly Column[],
  given: readonly Column[],
  period: readonly PeriodColumn[],
  target: TableRef,
): string => {
  const values = columns.map((column) => {
    const from = given.find((one) => sameName(one, column))
    if (from === undefined)
      return `CAST(${column.mode === 'REPEATED' ? '[]' : 'NULL'} AS ${typeText(column)}) AS ${quoted(column.name)}`
    const value = `s.${quoted(from.name)}`
    return typeText(from) === typeText(column) || column.type === 'STRUCT'
      ? `${value} AS ${quoted(column.name)}`
      : `CAST(${value} AS ${typeText(column)}) AS ${quoted(column.name)}`
  })
  const rules = period.map((one, k) => {
    const { column, to } = one
    const from = given.find((one) => sameName(one, column))
    const value = from === undefined ? 'CAST(NULL AS STRING)' : `s.${quoted(from.name)}`
    const cast = from === undefined ? `CAST(NULL AS ${column.type})` : `CAST(${value} AS ${column.type})`
    const head = raisedText('ROW_OUTSIDE_PERIOD', `${target.dataset}.${target.table}: a new row has ${column.name} = `)
    const parameter = `@${periodName(k)}`
    const message = [
      `'${escaped(head)}'`,
      `COALESCE(CAST(${value} AS STRING), 'NULL')`,
      "', the period that is replaced is '",
      `CAST(${parameter} AS STRING)`,
      ...(to === undefined ? [] : [`' to '`, `CAST(${parameter}_to AS STRING)`]),
      `'${raisedText('ROW_OUTSIDE_PERIOD', '').slice(0, 1)}'`,
    ]
    return `IF(${testOf(cast, one, periodName(k)).query}, TRUE, ERROR(CONCAT(${message.join(', ')})) IS NULL)`
  })
  const where = rules.length === 0 ? '' : ` WHERE ${rules.join(' AND ')}`
  return `SELECT ${values.join(', ')} FROM (\n${select}\n) AS s${where}`
}
const names = (columns: readonly Column[]): string => columns.map(({ name }) => quoted(name)).join(', ')

/**
 * The SELECT of a job whose destination BigQuery itself writes: with all columns of the table, for the result must have
 * its schema.
 */
export const selectFor = (
  target: TableRef,
  select: Written,
  columns: readonly Column[],
  given: readonly Column[],
  period: readonly PeriodColumn[],
): Written => ({
  query: sourceOf(select.query, columns, given, period, target),
  parameters: [...select.parameters, ...parametersOfPeriod(period)],
})

export const insertOf = (
  target: TableRef,
  select: Written,
  columns: readonly Column[],
  given: readonly Column[],
): Written => ({
  query: `INSERT INTO ${pathOf(target)} (${names(columns)}) ${sourceOf(select.query, columns, given, [], target)}`,
  parameters: select.parameters,
})

/** Tests of the rows that go with a period, and their parameters. */
const alsoReplaced = (also: readonly (readonly OtherColumn[])[]): Written[] =>
  also.map((entry, i) => {
    const name = (k: number) => `convergence_also_${i}_${k}`
    const tests = entry.map((one, k): Written => {
      const tested = `t.${quoted(one.column.name)}`
      return one.value === null ? { query: `${tested} IS NULL`, parameters: [] } : testOf(tested, one, name(k))
    })
    return {
      query: tests.map(({ query }) => query).join(' AND '),
      parameters: tests.flatMap(({ parameters }) => parameters),
    }
  })

/**
 * Deletes the period (or everything) and inserts the rows, as one statement: with a join condition that is constantly
 * false every row of the target is "not matched by source" and every new row "not matched by target".
 */
export const replaceOf = (
  target: TableRef,
  select: Written,
  columns: readonly Column[],
  given: readonly Column[],
  period: readonly PeriodColumn[],
  also: readonly (readonly OtherColumn[])[] = [],
): Written => {
  const values = columns.map(({ name }) => `n.${quoted(name)}`).join(', ')
  const own = period.map((one, k) => testOf(`t.${quoted(one.column.name)}`, one, periodName(k)).query).join(' AND ')
  const others = alsoReplaced(also)
  const either = [own, ...others.map(({ query }) => query)].map((test) => `(${test})`).join(' OR ')
  const replaced = others.length === 0 ? own : `(${either})`
  const inside = period.length === 0 ? '' : ` AND ${replaced}`
  return {
    query:
      `MERGE ${pathOf(target)} AS t USING (${sourceOf(select.query, columns, given, period, target)}) AS n ON FALSE` +
      ` WHEN NOT MATCHED BY SOURCE${inside} THEN DELETE` +
      ` WHEN NOT MATCHED BY TARGET THEN INSERT (${names(columns)}) VALUES (${values})`,
    parameters: [
      ...select.parameters,
      ...parametersOfPeriod(period),
      ...others.flatMap(({ parameters }) => parameters),
    ],
  }
}

/** A value of JSON text `r` at `path`, as this column has it. */
const fromJson = (r: string, path: string, column: Column): string => {
  if (column.mode === 'REPEATED') {
    if (column.type === 'STRING') return `JSON_VALUE_ARRAY(${r}, '${path}')`
    const isWhole = column.type === 'STRUCT' || column.type === 'JSON' || column.type === 'BYTES'
    const element = isWhole ? fromJson('x', '$', { ...column, mode: 'NULLABLE' }) : `CAST(x AS ${column.type})`
    const elements = `${isWhole ? 'JSON_QUERY_ARRAY' : 'JSON_VALUE_ARRAY'}(${r}, '${path}')`
    return `ARRAY(SELECT ${element} FROM UNNEST(${elements}) AS x WITH OFFSET AS o ORDER BY o)`
  }
  switch (column.type) {
    case 'STRING':
      return `JSON_VALUE(${r}, '${path}')`
    case 'BYTES':
      return `FROM_BASE64(JSON_VALUE(${r}, '${path}'))`
    case 'JSON':
      return `PARSE_JSON(JSON_QUERY(${r}, '${path}'))`
    case 'STRUCT': {
      const fields = (column.fields ?? []).map(
        (field) => `${fromJson(r, `${path}.${field.name}`, field)} AS ${quoted(field.name)}`,
      )
      return `IF(JSON_QUERY(${r}, '${path}') IS NULL, NULL, STRUCT(${fields.join(', ')}))`
    }
    default:
      return `CAST(JSON_VALUE(${r}, '${path}') AS ${column.type})`
  }
}
/**
 * Rows as one INSERT of bound JSON texts: DML, because a table takes 1,500 load jobs a day and any number of these
 * (bigquery/quotas).
 */
export const insertRowsOf = (
  target: TableRef,
  columns: readonly Column[],
  rows: readonly Readonly<Record<string, unknown>>[],
): Written => {
  const used = columns.filter(({ name }) => rows.some((row) => row[name] !== undefined && row[name] !== null))
  for (const { name } of used)
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      throw new AppError(
        'QUERY_INVALID',
        `${target.dataset}.${target.table}: column ${JSON.stringify(name)} cannot be committed; ` +
          'expected letters, digits and _',
      )
  const cells = used.map((column) => fromJson('r', `$.${column.name}`, column))
  return {
    query: `INSERT INTO ${pathOf(target)} (${names(used)}) SELECT ${cells.join(', ')} FROM UNNEST(@rows) AS r`,
    parameters: [{ name: 'rows', type: 'ARRAY<STRING>', value: rows.map((row) => JSON.stringify(row)) }],
  }
}
