/** Values of parameters and variables: what they may be, and texts filled with them. */
import { RE2JS } from 're2js'
import { dayInWords, dayWords, monthInWords, monthWords } from '@convergence/calendar/days'
import { isPeriod } from '@convergence/calendar/periods'
import { namePart } from '@convergence/contracts'
import type { Scalar } from './plan.ts'
import { identifierFault, type BoundParameter } from './sql-template.ts'
import type { ParameterSpec } from './types.ts'
import { didYouMean, orList, show } from './wording.ts'

/** Never a parameter and never a variable: a run is whose it is. */
export const fixedNames = ['tenant_id', 'pipeline_id', 'project_id', 'run_id'] as const
/**
 * Of the tenant's profile. No run chooses them; a file may have variables of its own by these names, and the platform's
 * own pipelines parameters.
 */
export const tenantNames = ['admin_email', 'company_name'] as const
/**
 * Of the tenant's sources: the names of those that say `primary`, separated by commas. No run and no file says it, and a
 * pipeline that names it is made of the tenant's sources.
 */
export const primarySources = 'primary_sources'
const builtIn: ReadonlySet<string> = new Set([...fixedNames, ...tenantNames, primarySources])
/** Whether a value of the name comes from neither file nor run. */
export const isBuiltIn = (name: string): boolean => builtIn.has(name)
/** Also a field of the source that a step is repeated for, and what an earlier step found out. */
const variablePart = `(?:source\\.|steps\\.[A-Za-z][A-Za-z0-9_-]*\\.(?:outputs\\.)?)?${namePart('segment')}`
/** A variable in a text of the configuration. */
export const variable = new RegExp(`\\{(${variablePart})\\}`, 'g')
const wholeVariable = new RegExp(`^\\{(${variablePart})\\}$`)
const longestText = 1000

const forms = new Map<string, RE2JS>()
/**
 * Whether the whole text is of the form that an author wrote. RE2 takes time in proportion to the text, whatever the
 * pattern; what it does not have (looking around, references back) is refused when the file is checked. Throws for no
 * regular expression.
 */
export const hasForm = (pattern: string, text: string): boolean => {
  const form = forms.get(pattern) ?? RE2JS.compile(pattern)
  forms.set(pattern, form)
  return form.matches(text)
}

/** Whether a text parameter is a month, by its pattern. */
const isMonth = ({ type, pattern }: ParameterSpec): boolean => {
  if (type === 'month') return true
  if (type !== 'string' || pattern === undefined) return false
  return hasForm(pattern, '2025-11') && !hasForm(pattern, '2025-1') && !hasForm(pattern, 'last_month')
}

/** A day or month that a value says in words, counted from `day`; undefined where it says none. */
export const inWords = (spec: ParameterSpec, value: unknown, day: string): string | undefined => {
  if (typeof value !== 'string') return undefined
  const wordOf = (text: string): string | undefined => {
    if (spec.type === 'date') return dayInWords(text, day)
    return isMonth(spec) ? monthInWords(text, day) : undefined
  }
  if (spec.many === undefined) return wordOf(value)
  const ends = periodsIn(value).map((period) => period.split('..').map((end) => end.trim()))
  if (!ends.flat().some((end) => wordOf(end) !== undefined)) return undefined
  return [...new Set(ends.map((pair) => pair.map((end) => wordOf(end) ?? end).join('..')))].join(',')
}

/** A day or month, or a range of days, by its ends, both included. */
export interface Period {
  from: string
  to: string
}
/** Most days or months, or ranges of days, that a parameter of several says. */
const mostPeriods = 200
/** Most days of a range: it is replaced at once. */
const longestRange = 400
const periodsIn = (text: string): string[] => text.split(',').map((period) => period.trim())
const periodOf = (text: string): Period => {
  const [from = '', to = from] = text.split('..').map((end) => end.trim())
  return { from, to }
}
/** What a parameter of several says, each once, the oldest first. The value has no fault. */
export const periodsOf = (value: string): Period[] => {
  const byText = new Map(periodsIn(value).map((text) => [text, periodOf(text)]))
  return [...byText.values()].sort((a, b) => a.from.localeCompare(b.from, 'en'))
}

const dateFault = (value: unknown): string | undefined =>
  typeof value === 'string' && isPeriod('day', value)
    ? undefined
    : `expected a day as YYYY-MM-DD, or ${dayWords}, got ${show(value)}`
const monthFault = (value: unknown): string | undefined =>
  typeof value === 'string' && isPeriod('month', value)
    ? undefined
    : `expected a month as YYYY-MM, or ${monthWords}, got ${show(value)}`

/** Of a parameter of several. */
const manyFault = ({ type, many }: ParameterSpec, value: unknown): string | undefined => {
  const faultOf = type === 'date' ? dateFault : monthFault
  if (typeof value !== 'string') return faultOf(value)
  const periods = periodsIn(value)
  if (periods.length > mostPeriods) return `expected at most ${mostPeriods}, separated by commas, got ${periods.length}`
  for (const text of periods) {
    const { from, to } = periodOf(text)
    const isRange = many === 'ranges' && text.split('..').length === 2
    const fault = isRange ? (faultOf(from) ?? faultOf(to)) : faultOf(text)
    if (fault !== undefined) return !isRange && text === value ? fault : `${fault} in ${show(value)}`
    if (!isRange) continue
    const days = (Date.parse(to) - Date.parse(from)) / 86_400_000 + 1
    if (days < 1) return `expected a range of days as first..last, got ${show(text)}, which ends before it begins`
    if (days > longestRange) return `expected a range of at most ${longestRange} days, got ${show(text)}`
  }
  const sorted = periodsOf(value)
  const crossing = sorted.find((period, k) => k > 0 && period.from <= (sorted[k - 1]?.to ?? ''))
  return crossing === undefined ? undefined : `expected each day once, got ${crossing.from} twice in ${show(value)}`
}

/** A default may use the parameters above its own, and the day that no file declares. */
export const inFillingOrder = (specs: readonly ParameterSpec[]): ParameterSpec[] => [
  ...specs.filter((spec) => spec.built_in === true),
  ...specs.filter((spec) => spec.built_in !== true),
]

/** What is wrong with a value, or nothing. */
export const valueFault = (spec: ParameterSpec, value: unknown): string | undefined => {
  if (spec.many !== undefined) return manyFault(spec, value)
  const got = `got ${show(value)}`
  switch (spec.type) {
    case 'date':
      return dateFault(value)
    case 'month':
      return monthFault(value)
    case 'int':
      return Number.isSafeInteger(value) ? undefined : `expected a whole number, ${got}`
    case 'boolean':
      return typeof value === 'boolean' ? undefined : `expected true or false, ${got}`
    case 'enum':
      return typeof value === 'string' && (spec.values ?? []).includes(value)
        ? undefined
        : `expected ${orList(spec.values ?? [])}, ${got}` +
            (typeof value === 'string' ? didYouMean(value, spec.values ?? []) : '')
    case 'table_ref':
      return typeof value === 'string' ? identifierFault(value) : `expected project.dataset.table, ${got}`
    case 'string': {
      const longest = spec.max_length ?? longestText
      if (typeof value !== 'string') return `expected a text, ${got}`
      if (value.length > longest) return `expected at most ${longest} characters, got ${value.length}`
      if (spec.pattern === undefined || hasForm(spec.pattern, value)) return undefined
      const form =
        spec.description === '' ? `a text of the form ${spec.pattern}` : `${spec.description} (${spec.pattern})`
      return `expected ${form}${isMonth(spec) ? `, or ${monthWords}` : ''}, ${got}`
    }
  }
}

export const fillText = (text: string, values: ReadonlyMap<string, Scalar>): Scalar => {
  const whole = wholeVariable.exec(text)?.[1]
  if (whole !== undefined && values.has(whole)) return values.get(whole) ?? null
  return text.replace(variable, (written, name: string) =>
    values.has(name) ? String(values.get(name) ?? '') : written,
  )
}
export const fill = (value: unknown, values: ReadonlyMap<string, Scalar>): unknown => {
  if (typeof value === 'string') return fillText(value, values)
  if (Array.isArray(value)) return value.map((item) => fill(item, values))
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fill(item, values)]))
  return value
}
export const hasVariable = (value: unknown): boolean =>
  typeof value === 'string'
    ? value.search(variable) >= 0
    : typeof value === 'object' && value !== null && Object.values(value).some(hasVariable)

export const frozen = <T>(value: T): T => {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    Object.values(value).forEach(frozen)
  }
  return value
}

export const sqlTypes: Readonly<Record<ParameterSpec['type'], BoundParameter['type']>> = {
  date: 'DATE',
  month: 'STRING',
  int: 'INT64',
  boolean: 'BOOL',
  string: 'STRING',
  enum: 'STRING',
  table_ref: 'STRING',
}
export const sqlTypeOf = (value: Scalar): BoundParameter['type'] => {
  if (typeof value === 'number') return Number.isInteger(value) ? 'INT64' : 'FLOAT64'
  return typeof value === 'boolean' ? 'BOOL' : 'STRING'
}
