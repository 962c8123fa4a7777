/**
 * The official rules of FOCUS as GoogleSQL: what each of them is broken by, on the columns that the rows have. All rules
 * are counted by one scan; what is the same of two rules is counted once, and what the columns' types say is not counted.
 */
import type { Column } from '@convergence/contracts'
import { focusSources } from '@convergence/contracts/focus'
import type { Check, ModelRules, Rule } from '@convergence/contracts/focus-rules'

/** How a rule is judged. */
export type RulePlan =
  /** Rows that break it, by the place of their count among `counts`. */
  | { rule: Rule; count: number; breaks: string }
  /** Said by the columns. */
  | { rule: Rule; holds: boolean; why: string }
  /** Made of others. */
  | { rule: Rule; parts: readonly string[] }

export interface RulesPlan {
  plans: readonly RulePlan[]
  /** Aggregates over the rows, each a count of what breaks rules. */
  counts: readonly string[]
  /** Columns that the counts name beside those of the rows: by name, what each is. Casts cost most, and are made once. */
  computed: ReadonlyMap<string, string>
  /** Codes of money, for the parameter that the counts name. */
  currencies?: readonly string[]
}

const literal = (value: string | number): string =>
  typeof value === 'number' ? String(value) : `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
const listOf = (values: readonly string[]): string => values.map(literal).join(', ')

// Plain or by time, of a quantity or by intervals: GB, GB-Hours, GB/Hour, 1000 Requests, Requests/3 Months.
const word = '[A-Za-z][A-Za-z0-9]*( +[A-Za-z][A-Za-z0-9]*)*'
const [time, times] = ['(Year|Month|Day|Hour|Minute|Second)', '(Years|Months|Days|Hours|Minutes|Seconds)']
const unitForm = `^(([0-9]+ )?${word}|${word}-${times}|${word}/${time}|${word}/[0-9]+ ${times})$`

type Sql = (name: string) => string
const typesOf: Readonly<Record<string, readonly Column['type'][]>> = {
  text: ['STRING'],
  numeric: ['NUMERIC', 'BIGNUMERIC', 'INT64', 'FLOAT64'],
  time: ['TIMESTAMP', 'DATETIME', 'DATE'],
}

/** Whether a row is what a rule is asked of. NULL is no value, and so is another one. */
const isAsked = (check: Check, sql: Sql): string => {
  switch (check[0]) {
    case 'and':
    case 'or':
      return `(${check
        .slice(1)
        .map((term) => isAsked(term as Check, sql))
        .join(` ${check[0].toUpperCase()} `)})`
    case 'is_not':
      return `${sql(check[1])} IS DISTINCT FROM ${literal(check[2])}`
    case 'null':
      return `${sql(check[1])} IS NULL`
    case 'not_null':
      return `${sql(check[1])} IS NOT NULL`
    case 'is':
      return `${sql(check[1])} = ${literal(check[2])}`
    case 'in':
      return `${sql(check[1])} IN (${listOf(check[2])})`
    case 'not_same':
      return `${sql(check[1])} IS DISTINCT FROM ${sql(check[2])}`
    default:
      throw new Error(`no condition is made of ${check[0]}`)
  }
}

/** The column that a check of one is about. */
const nameOf = (check: Check): string => (typeof check[1] === 'string' ? check[1] : '')

/** What a row has that breaks the check; a NULL does not, where the check is not about NULL. */
const broken = (check: Check, sql: Sql, float: Sql): string => {
  const column = sql(nameOf(check))
  switch (check[0]) {
    case 'null':
      return `${column} IS NOT NULL`
    case 'not_null':
      return `${column} IS NULL`
    case 'is':
      return `${column} <> ${literal(check[2])}`
    case 'is_not':
      return `${column} = ${literal(check[2])}`
    case 'in':
      return `${column} NOT IN (${listOf(check[2])})`
    case 'in_group': {
      const other = sql(check[2])
      const cases = Object.entries(check[3]).map(
        ([value, list]) => `WHEN ${literal(value)} THEN ${column} NOT IN (${listOf(list)})`,
      )
      return `CASE ${other} ${cases.join(' ')} ELSE ${column} IS NOT NULL END`
    }
    case 'same':
      return `${column} <> ${sql(check[2])}`
    case 'not_same':
      return `${column} = ${sql(check[2])}`
    case 'at_least':
      return `${column} < ${check[2]}`
    case 'at_most':
      return `${column} > ${check[2]}`
    case 'product': {
      const [a, b, c] = [check[1], check[2], check[3]].map(float)
      return `ABS(${a} * ${b} - ${c}) > 1e-9 * GREATEST(ABS(${c}), 1)`
    }
    case 'format':
      return misformed(check[2], column)
    default:
      throw new Error(`no rows are counted of ${check[0]}`)
  }
}
const misformed = (format: string, column: string): string => {
  switch (format) {
    // What stands where bytes were no text.
    case 'unicode':
      return `STRPOS(${column}, '\\ufffd') > 0`
    case 'unit':
      return `NOT REGEXP_CONTAINS(${column}, r'${unitForm}')`
    case 'object':
      return `JSON_TYPE(${column}) <> 'object'`
    case 'currency':
      return `NOT REGEXP_CONTAINS(${column}, r'^[A-Z]{3}$')`
    case 'national_currency':
      return `${column} NOT IN UNNEST(@currencies)`
    default:
      throw new Error(`no format ${format}`)
  }
}

/** What counts are made over, as SQL has it: the rows of the table, and beside their columns the computed ones. */
export const rowsWith = (computed: RulesPlan['computed'], table: string): string =>
  computed.size === 0
    ? table
    : `(SELECT *, ${[...computed].map(([name, what]) => `${what} AS ${name}`).join(', ')} FROM ${table})`

/** `table` is where the rows are, as SQL has it, for what is not counted row by row. */
export const planRules = ({ version, rules }: ModelRules, columns: readonly Column[], table: string): RulesPlan => {
  const there = new Map(columns.map((column) => [column.name, column]))
  const sourcesOf = (name: string): string[] =>
    [name, ...(version === '1.4' ? [] : focusSources(name))].filter((source) => there.has(source))
  const sql: Sql = (name) => {
    const sources = sourcesOf(name)
    if (sources.length === 0) return 'NULL'
    return sources.length === 1 ? String(sources[0]) : `COALESCE(${sources.join(', ')})`
  }
  const inline: Sql = (name) => `CAST(${sql(name)} AS FLOAT64)`
  const computed = new Map<string, string>()
  const once: Sql = (name) => {
    computed.set(`float_${name}`, inline(name))
    return `float_${name}`
  }
  const counts: string[] = []
  const placeOf = (count: string): number => {
    const found = counts.indexOf(count)
    return found >= 0 ? found : counts.push(count) - 1
  }
  const plans = rules.map((rule): RulePlan => {
    const { check, when } = rule
    if (check[0] === 'all') return { rule, parts: check.slice(1) }
    const [source] = sourcesOf(nameOf(check))
    if (check[0] === 'present')
      return { rule, holds: source !== undefined, why: source === undefined ? 'no such column' : 'it is there' }
    // A column that is not there is for the rule that it is there.
    if (source === undefined) return { rule, holds: true, why: 'no such column' }
    const types = check[0] === 'format' ? typesOf[check[2]] : undefined
    const type = there.get(source)?.type
    if (types !== undefined && type !== undefined)
      return { rule, holds: types.includes(type), why: `the column is ${type}` }
    const asked = when === undefined ? undefined : isAsked(when, sql)
    if (check[0] === 'one_each') {
      const [key, value] = [sql(check[1]), sql(check[2])]
      const breaks = `${key} IN (SELECT ${key} FROM ${table}${asked === undefined ? '' : ` WHERE ${asked}`} GROUP BY ${key} HAVING COUNT(DISTINCT ${value}) <> 1)`
      const count = `(SELECT COUNT(*) FROM (SELECT ${key} FROM ${table} WHERE ${asked ?? `${key} IS NOT NULL`} GROUP BY ${key} HAVING COUNT(DISTINCT ${value}) <> 1))`
      return { rule, count: placeOf(count), breaks }
    }
    const breaksBy = (float: Sql): string =>
      [...(asked === undefined ? [] : [asked]), broken(check, sql, float)].join(' AND ')
    return { rule, count: placeOf(`COUNTIF(${breaksBy(once)})`), breaks: breaksBy(inline) }
  })
  const names = rules.some(({ check }) => check[0] === 'format' && check[2] === 'national_currency')
  return { plans, counts, computed, ...(names ? { currencies: Intl.supportedValuesOf('currency') } : {}) }
}
