/** The rules of FOCUS as checks of a step: one result for each rule, from one scan of the rows. */
import type { Column } from '@convergence/contracts'
import { focusRules, type ModelRules, type Rule } from '@convergence/contracts/focus-rules'
import { AppError } from '@convergence/contracts'
import type { QueryParameter } from '@convergence/warehouse'
import { planRules, type RulePlan, type RulesPlan } from './focus-rules.ts'
import type { CheckResult } from './store.ts'

export interface RulesCheck {
  version: string
  dataset: string
  /** Those whose MUST rules are for on_violation; others warn. */
  columns: readonly string[]
  /** Rules that are broken for a reason that is known: recorded, but neither a failure nor a warning. */
  known: readonly string[]
  on_violation: 'fail' | 'warn'
}
type Row = Readonly<Record<string, unknown>>
type Query = (query: string, parameters: QueryParameter[]) => Promise<readonly Row[]>

const rulesOf = ({ version, dataset }: RulesCheck): ModelRules => {
  const rules = focusRules(version, dataset)
  if (rules === undefined)
    throw new AppError('CONFIG_INVALID', `checks: focus_rules: there are no rules of FOCUS ${version} for ${dataset}`)
  return rules
}
/** How many rules it asks; undefined of no such check. */
export const rulesAsked = (check: RulesCheck | undefined): number | undefined =>
  check === undefined ? undefined : rulesOf(check).rules.length

export const ruleName = (version: string, rule: string): string => `FOCUS ${version} ${rule}`

export interface OpenRules {
  /** What is asked of the rows beside other aggregates. */
  selects: { select: string; parameters: QueryParameter[] }[]
  /** Columns that these name beside those of the rows: by name, what each is. */
  computed: ReadonlyMap<string, string>
  /** Results of the check at this place, whose counts are in the row. */
  judge(place: number, row: Row, query: Query): Promise<CheckResult[]>
}
export const openRules = (
  checks: readonly (RulesCheck | undefined)[],
  columns: readonly Column[],
  table: string,
): OpenRules => {
  const plans = checks.map((check) => (check === undefined ? undefined : planRules(rulesOf(check), columns, table)))
  return {
    selects: plans.flatMap((plan, k) =>
      plan === undefined || plan.counts.length === 0
        ? []
        : [{ select: `TO_JSON_STRING([${plan.counts.join(', ')}]) AS rules${k}`, parameters: parametersOf(plan) }],
    ),
    computed: new Map(plans.flatMap((plan) => [...(plan?.computed ?? [])])),
    judge: async (place, row, query) => {
      const [check, plan] = [checks[place], plans[place]]
      if (check === undefined || plan === undefined) throw new Error('rules without a plan')
      const counts = countsOf(row[`rules${place}`])
      const results = judged(check, plan, counts)
      return withRows(results, plan, { columns, table, query })
    },
  }
}
const countsOf = (told: unknown): (number | string)[] =>
  typeof told === 'string' ? (JSON.parse(told) as (number | string)[]) : []
const parametersOf = ({ currencies }: RulesPlan): QueryParameter[] =>
  currencies === undefined ? [] : [{ name: 'currencies', type: 'ARRAY<STRING>', value: [...currencies] }]

const judged = (check: RulesCheck, { plans }: RulesPlan, counts: readonly (number | string)[]): CheckResult[] => {
  const { version, columns, known, on_violation } = check
  const statuses = new Map<string, CheckResult['status']>()
  const statusOf = ({ rule, column, keyword, approximate }: Rule, holds: boolean): CheckResult['status'] => {
    const isFailing =
      keyword.startsWith('MUST') && columns.includes(column) && !known.includes(rule) && approximate !== true
    const broken = isFailing && on_violation === 'fail' ? 'FAILED' : 'WARNED'
    const status = holds ? 'PASSED' : broken
    statuses.set(rule, status)
    return status
  }
  const single = plans.map((plan): CheckResult | undefined => {
    const { rule } = plan
    const head = { check_name: ruleName(version, rule.rule), column_name: rule.column }
    if ('count' in plan) {
      const found = String(counts[plan.count] ?? 0)
      return { ...head, status: statusOf(rule, found === '0'), expected: expectedOf(plan), actual: found }
    }
    if ('holds' in plan)
      return { ...head, status: statusOf(rule, plan.holds), expected: expectedOf(plan), actual: plan.why }
    return undefined
  })
  return plans.map((plan, k) => {
    const result = single[k]
    if (result !== undefined) return result
    const broken = 'parts' in plan ? leavesOf(plans, plan.parts).filter((part) => statuses.get(part) !== 'PASSED') : []
    const status = broken.some((part) => statuses.get(part) === 'FAILED') ? 'FAILED' : 'WARNED'
    return {
      check_name: ruleName(version, plan.rule.rule),
      column_name: plan.rule.column,
      status: broken.length === 0 ? 'PASSED' : status,
      expected: madeOf,
      actual: broken.length === 0 ? 'all hold' : `broken: ${broken.join(', ')}`.slice(0, 500),
    }
  })
}
const madeOf = 'the rules that it is made of'
/** Rules that are not made of others, below these. */
const leavesOf = (plans: readonly RulePlan[], parts: readonly string[]): string[] => {
  const byRule = new Map(plans.map((plan) => [plan.rule.rule, plan]))
  const below = (part: string): string[] => {
    const plan = byRule.get(part)
    return plan !== undefined && 'parts' in plan ? plan.parts.flatMap(below) : [part]
  }
  return [...new Set(parts.flatMap(below))].sort()
}

const mostExpected = 300
const expectedOf = (plan: RulePlan): string => {
  const { check } = plan.rule
  if (check[0] === 'one_each') return `one ${check[2]} for each ${check[1]}`
  if (check[0] === 'present') return `a column ${check[1]}`
  if (!('breaks' in plan)) return check[0] === 'format' ? `a column of ${check[2]}` : `a column ${plan.rule.column}`
  const words = `0 rows where ${plan.breaks}`
  return words.length > mostExpected ? `${words.slice(0, mostExpected)} ...` : words
}

const [mostRules, mostRows] = [5, 3]
const shown = ['x_SourceFile', 'BillingAccountId', 'SubAccountId', 'ChargePeriodStart', 'ServiceName', 'ResourceId']
/** Says of rules that fail which rows break them. */
const withRows = async (
  results: readonly CheckResult[],
  plan: RulesPlan,
  { columns, table, query }: { columns: readonly Column[]; table: string; query: Query },
): Promise<CheckResult[]> => {
  const there = new Set(columns.map(({ name }) => name))
  const failed = results.flatMap(({ status }, k) => {
    const one = plan.plans[k]
    return status === 'FAILED' && one !== undefined && 'breaks' in one ? [{ k, ...one }] : []
  })
  const told = await Promise.all(
    failed.slice(0, mostRules).map(async ({ k, rule, breaks }): Promise<[number, string]> => {
      const names = [...new Set([...shown, rule.column, 'BilledCost'])].filter((name) => there.has(name))
      const rows = await query(
        `SELECT TO_JSON_STRING(STRUCT(${names.join(', ')})) AS told FROM ${table} WHERE ${breaks} ORDER BY told LIMIT ${mostRows}`,
        breaks.includes('@currencies') ? parametersOf(plan) : [],
      )
      return [k, rows.map(({ told: words }) => String(words)).join(' | ')]
    }),
  )
  const byPlace = new Map(told)
  return results.map((result, k) => {
    const rows = byPlace.get(k)
    return rows === undefined ? result : { ...result, actual: `${result.actual} rows: ${rows}` }
  })
}

const mostNamed = 10
/** What is odd about the rows, in one sentence; undefined where nothing is, or nothing but what is known. */
export const rulesWarning = (check: RulesCheck, results: readonly CheckResult[]): string | undefined => {
  const { version, known, dataset } = check
  const { rules } = rulesOf(check)
  const names = new Map(rules.map(({ rule }) => [ruleName(version, rule), rule]))
  const broken = results.filter(
    ({ check_name, status, expected }) =>
      status === 'WARNED' &&
      expected !== madeOf &&
      names.has(check_name) &&
      !known.includes(names.get(check_name) ?? ''),
  )
  if (broken.length === 0) return undefined
  const named = broken
    .slice(0, mostNamed)
    .map(
      ({ check_name, actual }) =>
        `${names.get(check_name) ?? check_name}: ${/^\d+$/.test(actual) ? `${actual} rows` : actual}`,
    )
  const more = broken.length > mostNamed ? ` and ${broken.length - mostNamed} others` : ''
  return `focus_rules: ${broken.length} of ${rules.length} rules of FOCUS ${version} for ${dataset} do not hold: ${named.join('; ')}${more}; see tenant_dq_results`
}
export const isRule = (check_name: string): boolean => check_name.startsWith('FOCUS ')
export const isMade = ({ expected }: CheckResult): boolean => expected === madeOf
