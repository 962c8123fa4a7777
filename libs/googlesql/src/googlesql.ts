/**
 * GoogleSQL to DuckDB, failing closed: the answer that BigQuery would give, or an error that names construct and
 * position. No I/O.
 * A statement is parsed by our own parser, its names are resolved against the catalog, its types are inferred upward,
 * and DuckDB text is built only for what is on the lists (functions.ts, the parser's grammar). The result depends on
 * the catalog: whoever caches it by text must drop it when a table or view that it read has changed.
 */
import { AppError, type Column } from '@convergence/contracts'
import type { TableRef } from '@convergence/contracts'
import { createCompiler } from './compile.ts'
import type { Catalog } from './compile/compiler.ts'
import { repeatedCall } from './compile/volatile.ts'
import { positionalName, tokenize } from './lexer.ts'
import { parseStatement } from './parser.ts'
import { raised, reservedSchema } from './macros/macro.ts'
import { setupSql } from './setup.ts'
import { plan } from './statements.ts'
import type { JsonRows } from './statements/json-rows.ts'
import type { Check, Ddl, StatementType } from './statements/plan.ts'
import { columnFromDuckdb, duckdbType, googlesqlType, parseTypeName } from './types.ts'

export type { Catalog, CatalogTable } from './compile/compiler.ts'
export type { JsonRows } from './statements/json-rows.ts'
export type { OptionValue } from './statements/options.ts'
export type { Check, Ddl, StatementType } from './statements/plan.ts'
export { columnFromDuckdb, positionalName, duckdbType, googlesqlType, reservedSchema, setupSql }

export interface Translated {
  kind: 'query' | 'dml' | 'ddl'
  statement_type: StatementType
  /** DuckDB statements to run in order in one transaction; empty when the statement has nothing to do there. */
  statements: readonly string[]
  /** The statements as one text. */
  sql: string
  /** Of a query: its output. REPEATED columns may come as NULL and mean []. */
  columns: readonly Column[]
  /** Base tables that are read or changed, views followed. */
  referenced_tables: readonly TableRef[]
  /** Views on the way to them. */
  referenced_views: readonly TableRef[]
  target?: TableRef
  /** Queries that must return no row before the statements run. */
  checks: readonly Check[]
  ddl?: Ddl
  /** Of an INSERT that only takes bound JSON texts apart: whoever runs it need not ask an engine. */
  json_rows?: JsonRows
  /** Names of the parameters that the text uses; others must not be bound. */
  parameters: readonly string[]
}

/**
 * Throws QUERY_INVALID, QUERY_UNSUPPORTED or TABLE_NOT_FOUND with [line:column]. Parameters appear as $name inside a
 * CAST to their type, so a scalar may be bound as text in GoogleSQL's form (BYTES as a blob) and an array as a list of
 * such.
 */
export const translate = (
  sql: string,
  options: { catalog: Catalog; parameters?: readonly { name: string; type: string }[] },
): Translated => {
  const parameters = (options.parameters ?? []).map(({ name, type }) => {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      throw new AppError(
        'QUERY_INVALID',
        `query parameter ${JSON.stringify(name)}: expected a name of letters, digits and _`,
      )
    const parsed = parseTypeName(type)
    if (parsed === undefined)
      throw new AppError(
        'QUERY_UNSUPPORTED',
        `query parameter ${name}: type ${type} is not supported by the local warehouse; see docs/LOCAL.md`,
      )
    return { name, type: parsed }
  })
  const compiler = createCompiler(sql, options.catalog, parameters)
  const result = bounded(() => plan(compiler, parseStatement(sql)))
  const text = result.statements.join(';\n')
  const repeated = repeatedCall(text)
  if (repeated !== undefined)
    throw compiler.unsupported(repeated, 'RAND or GENERATE_UUID in an operand that is read more than once')
  return {
    ...result,
    sql: text,
    referenced_tables: [...compiler.referenced.values()],
    referenced_views: [...compiler.views.values()],
    parameters: [...compiler.used],
  }
}

export interface Outline {
  /** In BigQuery's words, such as SELECT or CREATE_TABLE_AS_SELECT; of what is not built, its first word. */
  statement: string
  /** Of a SELECT over tables that are known: its output. */
  columns?: readonly Column[]
}
export interface OutlineFault {
  message: string
  /** Of the text, from 0. */
  offset: number
}
/**
 * What can be said of a statement without a warehouse. `table` gives the columns of the tables that are known; over
 * others no type is known, and what the local warehouse does not support is no fault. Nothing is thrown.
 */
export const outline = (
  sql: string,
  options: {
    project_id: string
    table(ref: TableRef): readonly Column[] | undefined
    parameters: readonly { name: string; type: string }[]
  },
): Outline | OutlineFault => {
  const { project_id, table, parameters } = options
  let statement = ''
  try {
    const tokens = tokenize(sql)
    const end = tokens.findIndex(({ up }) => up === ';')
    if (end >= 0 && tokens[end + 1]?.kind !== 'end') return { statement: 'SCRIPT' }
    statement = tokens.find(({ kind }) => kind === 'word')?.up ?? ''
    const parsed = parseStatement(sql)
    if (parsed.k !== 'select') return { statement }
    const catalog: Catalog = {
      project_id,
      default_dataset: '',
      table: (ref) => {
        const columns = table(ref)
        return columns === undefined ? undefined : { kind: 'table', columns }
      },
      dataset: () => undefined,
    }
    const { statement_type, columns } = translate(sql, { catalog, parameters })
    return { statement: statement_type, columns }
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    const [, message = error.message, line, column] = /^(.*) at \[(\d+):(\d+)\]$/s.exec(error.message) ?? []
    const offset = line === undefined ? 0 : offsetOf(sql, Number(line), Number(column))
    return error.code === 'QUERY_INVALID'
      ? { message, offset }
      : { statement: /^(?:WITH|FROM)$/.test(statement) ? 'SELECT' : statement }
  }
}
const offsetOf = (sql: string, line: number, column: number): number =>
  sql
    .split('\n')
    .slice(0, line - 1)
    .reduce((sum, text) => sum + text.length + 1, column - 1)

/** A statement beyond every limit is the user's, not a fault of ours. */
const bounded = <T>(work: () => T): T => {
  try {
    return work()
  } catch (error) {
    if (error instanceof RangeError)
      throw new AppError(
        'QUERY_UNSUPPORTED',
        'A statement of this size or nesting is not supported by the local warehouse at [1:1]; see docs/LOCAL.md',
        { cause: error },
      )
    throw error
  }
}

/** Messages of DuckDB that a statement of a user can cause, in BigQuery's words. */
const engineMessages: readonly (readonly [RegExp, string | ((match: RegExpExecArray) => string)])[] = [
  [new RegExp(`${raised}(.*)`), (match) => match[1] ?? 'error'],
  [/More than one row returned by a subquery/, 'scalar subquery produced more than one element'],
  [/value is out of range for the destination type|Overflow on|out of range for/, 'a value is out of range'],
  [
    /Overflow in \w+ of DECIMAL|Overflow in HUGEINT|HUGEINT.*[Oo]verflow/,
    'numeric overflow (NUMERIC has 29 digits before the point)',
  ],
  [/Overflow in (\w+)/, (match) => `int64 overflow in ${match[1] ?? 'an operation'}`],
  [/Out of Range Error: .*logarithm/, 'the logarithm of a number that is not positive'],
  [/Out of Range Error/, 'a value is out of range'],
  [
    /must appear in the GROUP BY clause|must be part of the GROUP BY|GROUP BY clause/,
    'a column is neither grouped nor aggregated',
  ],
  [
    /Conversion Error|Invalid Input Error: (Could not parse|Failed to parse)|Could not convert/,
    'a value does not have the form that its type needs',
  ],
  [
    /NOT NULL constraint failed: (\S+)/,
    (match) => `Required field ${(match[1] ?? '').split('.').pop() ?? ''} cannot be null`,
  ],
  [/CHECK constraint failed/, 'a STRING is longer than its column allows'],
  [/Unknown TimeZone '([^']*)'/, (match) => `invalid time zone: ${match[1] ?? ''}`],
  [
    /(?:invalid (?:perl operator|escape sequence|character class|named capture|repetition|UTF-8)|missing [\])]|unexpected \)|no argument for repetition|bad repetition|trailing \\).*/,
    (match) => `Cannot parse regular expression: ${match[0]}`,
  ],
  [/regexp|regex/i, 'Cannot parse regular expression'],
  [/WHERE clause cannot contain aggregates/, 'this correlated subquery is not supported by the local warehouse'],
  [/JSON path error/, 'this JSON path is not supported by the local warehouse'],
  [/Malformed JSON|Invalid JSON/i, 'the text is no JSON'],
  [/Invalid unicode|UTF-?8|decode/i, 'the bytes are no valid UTF-8'],
  // What nobody thought of: never in DuckDB's words.
  [/^(Binder|Parser|Not implemented|Invalid Input) Error/, 'this statement is not supported by the local warehouse'],
]
/**
 * An error of DuckDB while it prepares or runs a translated statement, for the user. Undefined for what is not the
 * user's doing.
 */
export const engineError = (error: unknown): AppError | undefined => {
  if (!(error instanceof Error) || error instanceof AppError) return undefined
  for (const [pattern, message] of engineMessages) {
    const match = pattern.exec(error.message)
    if (match === null) continue
    const shown = typeof message === 'string' ? message : message(match)
    return new AppError(
      shown.includes('not supported by the local warehouse') ? 'QUERY_UNSUPPORTED' : 'QUERY_INVALID',
      `the statement failed: ${shown}`,
      { cause: error },
    )
  }
  return undefined
}
