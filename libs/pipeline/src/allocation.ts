/**
 * Allocation: who bears which cost. A tenant's rules, what is wrong with them, and the one statement that says of a month's
 * charges who bears them. Each part of a split is what its share rounds to, and the last part takes what is left, so the
 * parts of every row are that row, to the last digit.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { AppError, schemasFolder } from '@convergence/contracts'
import type { ValidateFunction } from 'ajv'
import { stringify } from 'yaml'
import { faultsOf, newAjv, type Schema } from './check.ts'
import { allocationColumn, allocationDimensions } from './cost-dimensions.ts'
import type { ConfigFault } from './types.ts'
import { didYouMean, orList, show, showPath, type Path } from './wording.ts'
import { readYaml, type Source } from './yaml.ts'

export interface AllocationRule {
  name: string
  /** Values by dimension: any of one, all of several. */
  match?: Readonly<Record<string, readonly string[]>>
  to?: string
  /** A dimension whose value bears the cost. */
  to_value_of?: string
  split?: {
    method: 'proportional' | 'fixed' | 'even'
    parts?: Readonly<Record<string, number>>
    targets?: readonly string[]
  }
}
export interface Allocation {
  rules: readonly AllocationRule[]
}

export const allocationTables = { rows: 'focus_allocation', rules: 'focus_allocation_rules' } as const
/** Who bears what no rule gives to anybody. */
export const unallocated = 'unallocated'
/** The text in which rules are stored. */
export const longestRules = 50_000
/** Each is a parameter of the statement, or an element of one. */
const mostValues = 2_000
/** A weight is written so in the statement. */
const weightDigits = /^[0-9]{1,10}(\.[0-9]{1,6})?$/
/** Digits behind the point of a part. */
const partDigits = 18

const schemaFile = join(schemasFolder, 'allocation.json')
export const allocationSchema = (): Schema => JSON.parse(readFileSync(schemaFile, 'utf8')) as Schema
let compiled: ValidateFunction | undefined

/** Every fault, each with its place. */
const faultsIn = (source: Source): ConfigFault[] => {
  compiled ??= newAjv().compile(allocationSchema())
  const errors = compiled(source.value) ? [] : (compiled.errors ?? [])
  const faults = [...source.faults, ...faultsOf(source, errors)]
  // What has another form than it should is looked at no further; the other rules are.
  const misshapen = new Set(errors.map(({ instancePath }) => /^\/rules\/(\d+)/.exec(instancePath)?.[1] ?? 'all'))
  if (misshapen.has('all')) return faults
  const allocation = source.value as Allocation
  const report = (path: Path, message: string, key = false) => {
    faults.push({ file: source.file, ...source.place(path, key), message: `${showPath(path)}: ${message}` })
  }
  const { rules } = allocation
  const names = new Map<string, number>()
  const expected = `${orList(allocationDimensions)}, or tag:KEY`
  const dimension = (name: string, path: Path, key: boolean) => {
    if (allocationColumn(name) === undefined)
      report(path, `expected ${expected}, got ${show(name)}${didYouMean(name, allocationDimensions)}`, key)
  }
  let values = 0
  rules.forEach((rule, k) => {
    if (misshapen.has(String(k))) return
    const { name, match = {}, to, to_value_of, split } = rule
    const at: Path = ['rules', k]
    const before = names.get(name)
    if (before === undefined) names.set(name, k)
    else report([...at, 'name'], `expected another than that of rules[${before}], got ${show(name)}`)
    for (const [key, wanted] of Object.entries(match)) {
      values += wanted.length
      dimension(key, [...at, 'match', key], true)
    }
    const ways = [to, to_value_of, split].filter((way) => way !== undefined).length
    if (ways !== 1) report(at, `expected one of to, to_value_of and split, got ${ways === 0 ? 'none' : ways}`)
    if (to_value_of !== undefined) dimension(to_value_of, [...at, 'to_value_of'], false)
    if (to === unallocated)
      report([...at, 'to'], `${unallocated} is what no rule gives to anybody; choose another name`)
    else if (to !== undefined && !isBearer(to)) report([...at, 'to'], bearerExpected(to))
    if (split !== undefined) checkSplit(misshapen.size > 0 ? undefined : allocation, split, [...at, 'split'], report)
  })
  if (values > mostValues) report(['rules'], `expected at most ${mostValues} values in match, got ${values}`)
  const { length } = JSON.stringify(allocation)
  if (length > longestRules) report(['rules'], `expected at most ${longestRules} characters of JSON, got ${length}`)
  return faults
}

/** Costs are asked for by these names: nothing in them that cannot be seen. */
const isBearer = (name: string): boolean => name.length <= 100 && name.trim() !== '' && !/\p{Cc}/u.test(name)
const bearerExpected = (name: string): string =>
  `expected who bears cost, in 1 to 100 characters that can be seen, got ${show(name)}`

type Report = (path: Path, message: string, key?: boolean) => void
const checkSplit = (
  allocation: Allocation | undefined,
  { method, parts, targets }: NonNullable<AllocationRule['split']>,
  at: Path,
  report: Report,
): void => {
  if ((parts !== undefined) !== (method === 'fixed'))
    report(
      at,
      method === 'fixed' ? 'parts are missing: a weight for each who shares' : 'parts are of method fixed alone',
    )
  if (targets === undefined && method === 'even') report(at, 'targets are missing: who shares')
  if (targets !== undefined && method === 'fixed') report(at, 'targets are not of method fixed, whose parts name them')
  for (const [target, weight] of Object.entries(parts ?? {}))
    if (!weightDigits.test(String(weight)))
      report(
        [...at, 'parts', target],
        `expected a number with at most 6 digits behind the point, got ${String(weight)}`,
      )
  for (const target of [...Object.keys(parts ?? {}), ...(targets ?? [])])
    if (target === unallocated || !isBearer(target)) report(at, bearerExpected(target))
  const { rules } = allocation ?? { rules: [] }
  if (
    allocation === undefined ||
    method !== 'proportional' ||
    rules.some(({ to_value_of }) => to_value_of !== undefined)
  )
    return
  // Only who bears cost of their own by other rules has a share.
  const bearing = rules.flatMap(({ to }) => to ?? [])
  if (bearing.length === 0)
    report(at, 'expected a rule with to or to_value_of beside it: shares are of such cost, got none')
  targets?.forEach((target, k) => {
    if (!bearing.includes(target) && bearing.length > 0)
      report([...at, 'targets', k], `no rule gives cost to ${show(target)}${didYouMean(target, bearing)}`)
  })
}

/** Rules as a file has them. Throws CONFIG_INVALID with every fault and its line. */
export const readAllocation = (file: string, text: string): Allocation => {
  const source = readYaml(file, text)
  const faults = Array.isArray(source) ? source : faultsIn(source)
  if (faults.length === 0) return (source as Source).value as Allocation
  throw new AppError('CONFIG_INVALID', `${file}: ${faults.length === 1 ? '1 fault' : `${faults.length} faults`}`, {
    faults: [...faults]
      .sort((a, b) => a.line - b.line || a.column - b.column)
      .map(({ line, column, message }) => `${file}:${line}:${column} ${message}`),
  })
}
/** Rules as a file. */
export const writeAllocation = (rules: Allocation): string => stringify(rules)
/** Every fault of rules that came as a value. */
export const allocationFaults = (value: unknown): string[] =>
  faultsIn({
    file: '',
    value,
    faults: [],
    place: () => ({ line: 1, column: 1 }),
    placeIn: () => ({ line: 1, column: 1 }),
  }).map(({ message }) => message)

interface Parameter {
  name: string
  type: string
  value: unknown
}
/** The rules of the default dataset with who stored them and when, the newest `most` first, or one version. */
export const rulesStatement = (most: number, version?: number): { query: string; parameters: Parameter[] } => ({
  query:
    'SELECT * FROM (SELECT rules, recorded_at, recorded_by, run_id, ' +
    'ROW_NUMBER() OVER (ORDER BY recorded_at, run_id) AS version ' +
    `FROM ${allocationTables.rules}) ${version === undefined ? '' : 'WHERE version = @version '}` +
    `ORDER BY version DESC LIMIT ${most}`,
  parameters: version === undefined ? [] : [{ name: 'version', type: 'INT64', value: version }],
})
/** Rules as they are stored. Throws CONFIG_INVALID: whoever may write the tenant's dataset may have changed them. */
export const storedAllocation = (rules: unknown): Allocation => {
  const stored = (): unknown => {
    try {
      return JSON.parse(String(rules))
    } catch {
      return undefined
    }
  }
  const value = stored()
  const faults = allocationFaults(value)
  if (faults.length === 0) return value as Allocation
  throw new AppError('CONFIG_INVALID', `${allocationTables.rules}: the newest rules are none; store them again`, {
    faults,
  })
}

export interface AllocationStatement {
  query: string
  parameters: Parameter[]
}

/** Columns that a row of the result has from its charge, beside its amounts. */
const kept = [
  'BillingAccountId',
  'BillingCurrency',
  'ChargeCategory',
  'RegionId',
  'ResourceId',
  'ServiceCategory',
  'ServiceName',
  'SubAccountId',
  'SubAccountName',
  'x_BillingPeriod',
  'x_SourceProvider',
]
const amounts = ['BilledCost', 'ContractedCost', 'EffectiveCost', 'ListCost']

/** Conditions and targets of rules, by the number of the rule. Values are bound, columns are of the dimensions alone. */
const conditionsOf = ({ rules }: Allocation) => {
  const parameters: Parameter[] = []
  const columns = new Map<string, string>()
  const columnFor = (dimension: string): string => {
    const column = columns.get(dimension) ?? `d${columns.size}`
    columns.set(dimension, column)
    return column
  }
  const bound = (type: string, value: unknown): string => {
    parameters.push({ name: `v${parameters.length}`, type, value })
    return `@v${parameters.length - 1}`
  }
  const cases = rules.map(({ match = {}, to_value_of }, rule) => {
    const conditions = Object.entries(match).map(([dimension, values]) => {
      const column = columnFor(dimension)
      const prefixes = values.filter((value) => value.endsWith('*')).map((value) => value.slice(0, -1))
      const whole = values.filter((value) => !value.endsWith('*'))
      // What has no value is asked for by an empty one, and begins with nothing.
      const any = [
        ...(whole.length === 0 ? [] : [`IFNULL(${column}, '') IN UNNEST(${bound('ARRAY<STRING>', whole)})`]),
        ...prefixes.map((prefix) =>
          prefix === ''
            ? `IFNULL(${column}, '') <> ''`
            : `STARTS_WITH(IFNULL(${column}, ''), ${bound('STRING', prefix)})`,
        ),
      ]
      return `(${any.join(' OR ')})`
    })
    if (to_value_of !== undefined) conditions.push(`IFNULL(${columnFor(to_value_of)}, '') <> ''`)
    return `WHEN ${conditions.length === 0 ? 'TRUE' : conditions.join(' AND ')} THEN ${rule}`
  })
  const inherited = rules.flatMap(({ to_value_of }, rule) =>
    to_value_of === undefined ? [] : [`WHEN ${rule} THEN ${columnFor(to_value_of)}`],
  )
  return {
    parameters,
    columns: [...columns].map(([dimension, column]) => `${String(allocationColumn(dimension))} AS ${column}`),
    rule: cases.length === 0 ? 'CAST(NULL AS INT64)' : `CASE ${cases.join(' ')} END`,
    inherited: inherited.length === 0 ? 'CAST(NULL AS STRING)' : `CASE rule ${inherited.join(' ')} END`,
  }
}

/** Who takes part in the splits: with a weight, or with none, where it is their own cost. Without a target it is all. */
const sharersOf = ({ rules }: Allocation) =>
  rules.flatMap(({ split }, rule): { rule: number; target: string | null; weight: string | null }[] => {
    if (split === undefined) return []
    const { method, parts = {}, targets } = split
    if (method === 'fixed')
      return Object.entries(parts).map(([target, weight]) => ({ rule, target, weight: String(weight) }))
    if (method === 'even') return (targets ?? []).map((target) => ({ rule, target, weight: '1' }))
    return targets === undefined
      ? [{ rule, target: null, weight: null }]
      : targets.map((target) => ({ rule, target, weight: null }))
  })

/**
 * Who bears the charges of a billing period, `YYYY-MM-01`: of `focus_cost_and_usage` of the default dataset, added up by
 * day and by what costs are asked by. `version` names the rules in each row.
 */
export const allocationStatement = (
  allocation: Allocation,
  { period, run_id, version }: { period: string; run_id: string; version: string },
): AllocationStatement => {
  const { parameters, columns, rule, inherited } = conditionsOf(allocation)
  const named = allocation.rules.map(({ name, to = null, split }, k) => ({
    rule: k,
    name,
    target: to,
    method: split?.method ?? 'direct',
  }))
  const keys = [...kept, 'ChargeDay', 'tags', 'rule', 'target'].join(', ')
  const parts = amounts.map(
    (name) =>
      `IF(s.target IS NULL OR s.is_last, g.${name}, ROUND(g.${name} * s.upto, ${partDigits})) - ` +
      `IF(s.target IS NULL, 0, ROUND(g.${name} * s.before, ${partDigits})) AS ${name}`,
  )
  const query = `WITH
charges AS (
  SELECT ${[...kept, ...amounts, 'ChargePeriodStart', 'Tags', ...columns].join(', ')}
  FROM \`focus_cost_and_usage\`
  WHERE x_BillingPeriod = @period
),
ruled AS (
  SELECT *, ${rule} AS rule FROM charges
),
named AS (
  SELECT
    CAST(JSON_VALUE(r, '$.rule') AS INT64) AS rule,
    JSON_VALUE(r, '$.name') AS name,
    JSON_VALUE(r, '$.target') AS target,
    JSON_VALUE(r, '$.method') AS method
  FROM UNNEST(JSON_QUERY_ARRAY(PARSE_JSON(@named))) AS r
),
borne AS (
  SELECT
    r.* EXCEPT (Tags, ChargePeriodStart),
    TIMESTAMP_TRUNC(r.ChargePeriodStart, DAY) AS ChargeDay,
    IF(r.Tags IS NULL, NULL, TO_JSON_STRING(r.Tags)) AS tags,
    COALESCE(n.target, ${inherited.replaceAll('CASE rule', 'CASE r.rule')}) AS target
  FROM ruled AS r
  LEFT JOIN named AS n ON r.rule = n.rule
),
grouped AS (
  SELECT ${keys}, ${amounts.map((name) => `SUM(${name}) AS ${name}`).join(', ')}
  FROM borne
  GROUP BY ${keys}
),
-- What of their own the targets bear, by which cost is shared in proportion. Less than nothing is nothing.
own AS (
  SELECT BillingCurrency, target, SUM(EffectiveCost) AS weight
  FROM grouped
  WHERE target IS NOT NULL AND target <> '${unallocated}'
  GROUP BY BillingCurrency, target
  HAVING SUM(EffectiveCost) > 0
),
sharers AS (
  SELECT
    CAST(JSON_VALUE(p, '$.rule') AS INT64) AS rule,
    JSON_VALUE(p, '$.target') AS target,
    CAST(JSON_VALUE(p, '$.weight') AS BIGNUMERIC) AS weight
  FROM UNNEST(JSON_QUERY_ARRAY(PARSE_JSON(@sharers))) AS p
),
weights AS (
  SELECT p.rule, c.BillingCurrency, p.target, p.weight
  FROM sharers AS p
  CROSS JOIN (SELECT DISTINCT BillingCurrency FROM grouped) AS c
  WHERE p.weight IS NOT NULL
  UNION ALL
  SELECT p.rule, o.BillingCurrency, o.target, o.weight
  FROM sharers AS p
  CROSS JOIN own AS o
  WHERE p.weight IS NULL AND (p.target IS NULL OR p.target = o.target)
),
-- In order of their weight, the heaviest last: it takes what is left.
running AS (
  SELECT
    rule, BillingCurrency, target, weight,
    SUM(weight) OVER (PARTITION BY rule, BillingCurrency ORDER BY weight, target ROWS UNBOUNDED PRECEDING) AS sum_upto,
    SUM(weight) OVER (PARTITION BY rule, BillingCurrency) AS total,
    ROW_NUMBER() OVER (PARTITION BY rule, BillingCurrency ORDER BY weight DESC, target DESC) = 1 AS is_last
  FROM weights
),
shares AS (
  SELECT
    rule, BillingCurrency, target, is_last,
    weight / total AS share,
    sum_upto / total AS upto,
    (sum_upto - weight) / total AS before
  FROM running
)
SELECT
  ${kept.map((name) => `g.${name}`).join(', ')},
  g.ChargeDay AS ChargePeriodStart,
  PARSE_JSON(g.tags) AS Tags,
  ${parts.join(',\n  ')},
  COALESCE(s.target, g.target, '${unallocated}') AS x_AllocatedTo,
  n.name AS x_AllocationRule,
  n.method AS x_AllocationMethod,
  s.share AS x_AllocationShare,
  @version AS x_AllocationVersion,
  @run_id AS x_RunId
FROM grouped AS g
LEFT JOIN named AS n ON g.rule = n.rule
LEFT JOIN shares AS s ON g.rule = s.rule AND g.BillingCurrency IS NOT DISTINCT FROM s.BillingCurrency`
  return {
    query,
    parameters: [
      ...parameters,
      { name: 'period', type: 'DATE', value: period },
      { name: 'named', type: 'STRING', value: JSON.stringify(named) },
      { name: 'sharers', type: 'STRING', value: JSON.stringify(sharersOf(allocation)) },
      { name: 'version', type: 'STRING', value: version },
      { name: 'run_id', type: 'STRING', value: run_id },
    ],
  }
}

/** What each would bear of a month by these rules, added up by rule. Nothing is written. */
export const previewStatement = (allocation: Allocation, period: string): AllocationStatement => {
  const { query, parameters } = allocationStatement(allocation, { period, run_id: '', version: '' })
  return {
    query:
      'SELECT x_AllocatedTo, x_AllocationRule, x_AllocationMethod, BillingCurrency, ' +
      `SUM(BilledCost) AS billed, SUM(EffectiveCost) AS effective FROM (${query}) ` +
      'GROUP BY x_AllocatedTo, x_AllocationRule, x_AllocationMethod, BillingCurrency ' +
      'ORDER BY effective DESC, x_AllocatedTo, x_AllocationRule, BillingCurrency',
    parameters,
  }
}
