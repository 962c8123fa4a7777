/**
 * schemas/focus/rules_*.json: the facts of the models of FOCUS as rules that can be asked of rows. Of 1.2 the rules of
 * the official model, each by its id; of 1.4, whose model has no rules, one for each fact about a column. The models are
 * read from ../shared where it is.
 */
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Check, ModelRules, Rule } from '@convergence/contracts/focus-rules'

const samples = resolve(import.meta.dirname, '../../../shared/samples/focus')

// ---- the model of 1.2

interface Node {
  CheckFunction?: string
  Items?: Node[]
  ColumnName?: string
  /** As two rules call the column by mistake. */
  CheckCondition?: string
  ColumnAName?: string
  ColumnBName?: string
  ResultColumnName?: string
  ModelRuleId?: string
  Value?: string | number | null
  /** As two rules have it by mistake: one term or several. */
  AND?: Node | Node[]
}
interface ModelRule {
  Function: string
  Reference: string
  ValidationCriteria: { Keyword: string; Requirement: Node; Condition: Node }
}
type Model = Readonly<Record<string, ModelRule>>

const columnOf = ({ ColumnName: name, CheckCondition: other }: Node): string => need(name ?? other)
const need = (value: string | undefined): string => {
  if (value === undefined) throw new Error('the model names a check without its column')
  return value
}
const formats: Readonly<Record<string, string>> = {
  FormatString: 'unicode',
  FormatNumeric: 'numeric',
  FormatDateTime: 'time',
  FormatUnit: 'unit',
  FormatKeyValue: 'object',
  FormatCurrency: 'currency',
  CheckNationalCurrency: 'national_currency',
  CheckDecimalValue: 'numeric',
  TypeString: 'text',
  TypeDecimal: 'numeric',
  TypeDateTime: 'time',
}

const checkOf = (node: Node): Check => {
  const name = node.CheckFunction ?? ''
  const format = formats[name]
  if (format !== undefined) return ['format', columnOf(node), format]
  switch (name) {
    case 'ColumnPresent':
      return ['present', columnOf(node)]
    case 'CheckValue':
      return node.Value === null || node.Value === undefined
        ? ['null', columnOf(node)]
        : ['is', columnOf(node), node.Value]
    case 'CheckNotValue':
      return node.Value === null || node.Value === undefined
        ? ['not_null', columnOf(node)]
        : ['is_not', columnOf(node), node.Value]
    case 'CheckSameValue':
      return ['same', need(node.ColumnAName), need(node.ColumnBName)]
    case 'CheckNotSameValue':
      return ['not_same', need(node.ColumnAName), need(node.ColumnBName)]
    case 'CheckGreaterOrEqualThanValue':
      return ['at_least', columnOf(node), Number(node.Value)]
    case 'CheckDistinctCount':
      return ['one_each', need(node.ColumnAName), need(node.ColumnBName)]
    case 'ColumnByColumnEqualsColumnValue':
      return ['product', need(node.ColumnAName), need(node.ColumnBName), need(node.ResultColumnName)]
    case 'AND':
    case 'OR':
      return together(name === 'AND' ? 'and' : 'or', node.Items ?? [])
    default: {
      const { AND: terms } = node
      if (terms !== undefined) return together('and', Array.isArray(terms) ? terms : [terms])
      throw new Error(`the model has a check that is not known: ${name}`)
    }
  }
}
/** Of a check for one value, which. */
const valueOf = (check: Check): { column: string; value: string } | undefined =>
  check[0] === 'is' ? { column: check[1], value: String(check[2]) } : undefined
/** Values of one column are a list of it, and values of two a list for each value of the other. */
const together = (name: 'and' | 'or', items: readonly Node[]): Check => {
  const rules = items.flatMap(({ ModelRuleId: id }) => (id === undefined ? [] : [id]))
  if (rules.length === items.length) return ['all', ...rules]
  const terms = items.map(checkOf)
  const [only, ...others] = terms
  if (only !== undefined && others.length === 0) return only
  const values = terms.map(valueOf)
  if (name === 'or' && only?.[0] === 'is' && values.every((value) => value?.column === only[1]))
    return ['in', only[1], values.flatMap((value) => value?.value ?? [])]
  const pairs = terms.map((term) => (term[0] === 'and' ? (term.slice(1) as Check[]).map(valueOf) : []))
  const [[child, parent] = []] = pairs
  if (name === 'or' && child !== undefined && parent !== undefined && pairs.every((pair) => pair.length === 2)) {
    const lists: Record<string, string[]> = {}
    for (const [a, b] of pairs) (lists[b?.value ?? ''] ??= []).push(a?.value ?? '')
    return ['in_group', child.column, parent.column, lists]
  }
  return [name, ...terms]
}

interface Correction {
  check?: Check
  when?: Check
  why: string
  approximate?: true
}
/** What the formal part of a rule says other than its sentence, which counts. */
const corrected: Readonly<Record<string, Correction>> = {
  'CommitmentDiscountStatus-C-003-C': {
    check: ['null', 'CommitmentDiscountStatus'],
    why: 'the model asks for a value where its sentence asks for none',
  },
  'CommitmentDiscountStatus-C-004-C': {
    when: ['and', ['not_null', 'CommitmentDiscountId'], ['is', 'ChargeCategory', 'Usage']],
    why: 'the model asks it of the rows without a CommitmentDiscountId, its sentence of use that has one',
  },
  'CommitmentDiscountStatus-C-005-M': {
    check: ['in', 'CommitmentDiscountStatus', ['Used', 'Unused']],
    why: 'the model lists the values of another column',
  },
  'ConsumedQuantity-C-006-C': {
    when: ['is_not', 'ChargeClass', 'Correction'],
    why: 'the model asks it of corrections, its sentence of all other rows',
  },
  'EffectiveCost-C-005-C': {
    when: ['and', ['is', 'ChargeCategory', 'Purchase'], ['not_null', 'CommitmentDiscountId']],
    why:
      'only purchases that cover later charges: as far as columns tell those of commitments, so it never does more ' +
      'than warn; the model asks it of all purchases',
    approximate: true,
  },
  'PricingCurrencyEffectiveCost-C-004-M': {
    check: ['format', 'PricingCurrencyEffectiveCost', 'numeric'],
    why: 'the model looks at another column, and for a number that is not negative',
  },
  ...Object.fromEntries(
    ['ContractedCost', 'EffectiveCost', 'ListCost'].map((column): [string, Correction] => [
      `${column}-C-004-M`,
      { check: ['format', column, 'numeric'], why: 'a decimal; NULL is for another rule' },
    ]),
  ),
  'SubAccountType-C-003-C': {
    check: ['all', 'SubAccountType-C-004-C', 'SubAccountType-C-005-C'],
    why: 'both of its parts hold, each of other rows',
  },
  'PricingCurrency-C-003-M': {
    check: ['format', 'PricingCurrency', 'unicode'],
    why: 'the format has codes of three letters for national currencies alone, and this may be a virtual one',
  },
  'PricingCurrencyListUnitPrice-C-005-C': {
    when: [
      'and',
      ['in', 'ChargeCategory', ['Usage', 'Purchase']],
      ['is_not', 'ChargeClass', 'Correction'],
      ['not_same', 'PricingCurrency', 'BillingCurrency'],
    ],
    why: 'the column is for prices in another currency than that of the bill; the model asks it of all rows',
  },
  'PricingQuantity-C-008-M': { check: ['format', 'PricingQuantity', 'numeric'], why: 'a decimal' },
}
/** Rules with a requirement that no column can answer. */
const undecidable: Readonly<Record<string, string>> = {
  'BilledCost-C-005-C': 'no column says that somebody else is paid: an issuer has another name than its cloud',
  'InvoiceId-C-003-C': 'NULL or not NULL: one of its two parts holds for each row',
  'InvoiceId-C-004-C': 'no column says that a charge has no invoice',
  'InvoiceId-C-005-C': 'no column says that a charge has an invoice',
}

/** Conditions of a rule and of those that it is part of. */
const conditionsOf = (model: Model, id: string): Check[] => {
  const parents = Object.entries(model).filter(([, { ValidationCriteria: criteria }]) =>
    criteria.Requirement.Items?.some(({ ModelRuleId: part }) => part === id),
  )
  const [parent] = parents.toSorted(([a], [b]) => b.localeCompare(a))
  const own = model[id]?.ValidationCriteria.Condition ?? {}
  const correction = corrected[id]?.when
  const mine = correction ?? (Object.keys(own).length > 0 ? checkOf(own) : undefined)
  return [...(parent === undefined ? [] : conditionsOf(model, parent[0])), ...(mine === undefined ? [] : [mine])]
}

const reasonFor = (id: string, keyword: string, requirement: Node): string | undefined => {
  if (undecidable[id] !== undefined) return undecidable[id]
  if (Object.keys(requirement).length === 0) return 'the model has no requirement that a machine could ask'
  if (keyword === 'MAY') return 'it allows, and asks for nothing'
  return undefined
}

export const rulesOf12 = (model: Model): ModelRules => {
  const ids = Object.keys(model).sort()
  const not_asked: Record<string, string> = {}
  for (const id of ids) {
    const criteria = model[id]?.ValidationCriteria
    const why = criteria === undefined ? 'no rule' : reasonFor(id, criteria.Keyword, criteria.Requirement)
    if (why !== undefined) not_asked[id] = why
  }
  // A rule that is made of others asks what they ask; one of none that are asked asks nothing.
  for (let before = -1; before !== Object.keys(not_asked).length;) {
    before = Object.keys(not_asked).length
    for (const id of ids) {
      const parts =
        model[id]?.ValidationCriteria.Requirement.Items?.flatMap(({ ModelRuleId: part }) => part ?? []) ?? []
      if (!(id in not_asked) && parts.length > 0 && parts.every((part) => part in not_asked))
        not_asked[id] = 'made of rules that are not asked'
    }
  }
  const rules = ids.filter((id) => !(id in not_asked)).map((id) => ruleOf(model, id, not_asked))
  return { version: '1.2', dataset: 'cost_and_usage', rules, not_asked }
}
const ruleOf = (model: Model, id: string, not_asked: ModelRules['not_asked']): Rule => {
  const rule = model[id]
  if (rule === undefined) throw new Error(id)
  const { Keyword: keyword, Requirement: requirement } = rule.ValidationCriteria
  const { check = checkOf(requirement), why, approximate } = corrected[id] ?? {}
  const head = { rule: id, column: requirement.ColumnName ?? rule.Reference, keyword }
  const ended = {
    ...(why === undefined ? {} : { corrected: why }),
    ...(approximate === undefined ? {} : { approximate }),
  }
  if (check[0] === 'all') {
    const [, ...parts] = check
    return { ...head, check: ['all', ...parts.filter((part) => !(part in not_asked))], ...ended }
  }
  const [when, ...others] = conditionsOf(model, id)
  if (when === undefined) return { ...head, check, ...ended }
  return { ...head, check, when: others.length === 0 ? when : ['and', when, ...others], ...ended }
}

// ---- the model of 1.4

interface Column14 {
  data_type: string
  value_format: string
  allows_nulls: boolean
  feature_level: string
  allowed_values: readonly string[] | null
  numeric_range: readonly [number, number] | null
}
interface Model14 {
  datasets: Readonly<Record<string, { short_id: string; columns: Readonly<Record<string, Column14>> }>>
}
const types: Readonly<Record<string, string>> = { String: 'text', Decimal: 'numeric', 'Date/Time': 'time' }

/** What the model says of a column, one rule for each fact. */
const factsOf = (name: string, column: Column14): (readonly [what: string, check: Check, keyword?: string])[] => {
  const { data_type, value_format, allows_nulls, feature_level, allowed_values, numeric_range } = column
  const type = types[data_type]
  return [
    ...(feature_level === 'Mandatory' ? [['present', ['present', name]] as const] : []),
    ...(type === undefined ? [] : [['type', ['format', name, type]] as const]),
    ...(allows_nulls ? [] : [['null', ['not_null', name], 'MUST NOT'] as const]),
    ...(allowed_values === null ? [] : [['values', ['in', name, allowed_values]] as const]),
    ...(value_format === 'Decimal (non-negative)' ? [['least', ['at_least', name, 0]] as const] : []),
    ...(numeric_range === null
      ? []
      : [
          ['least', ['at_least', name, numeric_range[0]]] as const,
          ['most', ['at_most', name, numeric_range[1]]] as const,
        ]),
    ...(value_format === 'Unit' ? [['unit', ['format', name, 'unit'], 'SHOULD'] as const] : []),
    ...(value_format === 'Currency' && name === 'BillingCurrency'
      ? [['currency', ['format', name, 'national_currency']] as const]
      : []),
    ...(data_type === 'JSON' ? [['object', ['format', name, 'object']] as const] : []),
  ]
}
/** Of Cost and Usage what the rules of 1.2 do not ask already. */
export const rulesOf14 = (model: Model14, dataset: string, before: ModelRules): ModelRules => {
  const found = Object.entries(model.datasets).find(([name]) => name.toLowerCase().replaceAll(' ', '_') === dataset)
  if (found === undefined) throw new Error(`the model has no dataset ${dataset}`)
  const [, { short_id, columns }] = found
  const asked = new Map(
    dataset === before.dataset
      ? before.rules.filter(({ when }) => when === undefined).map(({ rule, check }) => [JSON.stringify(check), rule])
      : [],
  )
  const facts = Object.entries(columns).flatMap(([column, facets]) =>
    factsOf(column, facets).map(([what, check, keyword = 'MUST']): Rule => ({
      rule: `${short_id}-${column}-${what}`,
      column,
      keyword,
      check,
    })),
  )
  const same = facts.flatMap(({ rule, check }) => {
    const other = asked.get(JSON.stringify(check))
    return other === undefined ? [] : [[rule, `asked by 1.2's ${other}`] as const]
  })
  const not_asked = Object.fromEntries(same)
  return { version: '1.4', dataset, rules: facts.filter(({ rule }) => !(rule in not_asked)), not_asked }
}

// ---- files

const line = (value: unknown): string => JSON.stringify(value)
/** One rule a line. */
const textOf = ({ rules, not_asked, ...head }: ModelRules): string =>
  `{\n${Object.entries(head)
    .map(([key, value]) => `  ${line(key)}: ${line(value)},\n`)
    .join(
      '',
    )}  "rules": [\n${rules.map((rule) => `    ${line(rule)}`).join(',\n')}\n  ],\n  "not_asked": {\n${Object.entries(
    not_asked,
  )
    .map(([id, why]) => `    ${line(id)}: ${line(why)}`)
    .join(',\n')}\n  }\n}\n`

const readJson = (name: string): unknown => {
  try {
    return JSON.parse(readFileSync(join(samples, name), 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Files of schemas/focus by path; none where the models are not here. */
export const ruleTexts = (): Record<string, string> => {
  const model = readJson('model-1.2.json') as { ModelRules: Model } | undefined
  if (model === undefined) return {}
  const before = rulesOf12(model.ModelRules)
  const newer = readJson('1.4/focus_1_4_model.json') as Model14 | undefined
  const ofNewer =
    newer === undefined
      ? []
      : ['cost_and_usage', 'invoice_detail', 'contract_commitment'].map((dataset) => rulesOf14(newer, dataset, before))
  return Object.fromEntries(
    [before, ...ofNewer].map((rules) => [
      `schemas/focus/rules_${rules.version.replace('.', '_')}_${rules.dataset}.json`,
      textOf(rules),
    ]),
  )
}
