/** Rules of data-quality checks that their schema cannot say: which fields a kind of check has. */
import { isName } from '@convergence/contracts'
import { focusRules } from '@convergence/contracts/focus-rules'
import { isGroup, report, type PipelineCheck, type Step } from './pipeline-check.ts'
import type { Template } from './templates.ts'
import { variable } from './values.ts'
import { didYouMean, orList, show, showPath, type Path } from './wording.ts'

/** Fields of a kind of check beside `check`, `name` and `on_violation`: those that it needs, and one or more of some. */
interface Kind {
  needs?: readonly string[]
  /** One, and not more. */
  one?: readonly string[]
  /** One at least. */
  some?: readonly string[]
  may?: readonly string[]
}
const kinds: Readonly<Record<string, Kind>> = {
  not_null: { needs: ['column'] },
  unique: { one: ['column', 'columns'] },
  range: { needs: ['column'], some: ['min', 'max'] },
  accepted_values: { needs: ['column', 'values'] },
  row_count: { some: ['min', 'max', 'equals'] },
  sum: { needs: ['column'], some: ['min', 'max', 'equals'] },
  freshness: { needs: ['column'], may: ['max_age_hours'] },
  sql: { needs: ['query'] },
  previous_period: { some: ['min', 'max'], may: ['by'] },
  focus_rules: { needs: ['version'], may: ['dataset', 'columns', 'known'] },
}
const ofAll = ['check', 'name', 'on_violation']

export const checkQuality = (check: PipelineCheck, step: Step, at: Path, template: Template): void => {
  const { checks, destination } = step
  const { schema_template, period } = isGroup(destination) ? destination : {}
  // A query may bring columns that its table's schema does not name.
  const isQuery = check.queries.some((ofStep) => ofStep.some(({ at: group }) => group[0] === 'source'))
  const columns =
    typeof schema_template === 'string' && !isQuery
      ? template.schemas.get(schema_template)?.map(({ name }) => name)
      : undefined
  if (!Array.isArray(checks)) return
  checks.forEach((one: unknown, k) => {
    const kind = isGroup(one) && typeof one['check'] === 'string' ? kinds[one['check']] : undefined
    if (!isGroup(one) || kind === undefined) return
    const place: Path = [...at, 'checks', k]
    checkFields(check, one, place, kind)
    checkNumbers(check, one, place)
    for (const [field, name] of namesOf(one)) checkColumn(check, name, [...place, ...field], columns)
    if (one['check'] === 'focus_rules') checkKnown(check, one, place)
    if (one['check'] === 'previous_period' && !isGroup(period))
      report(
        check,
        place,
        `${showPath(place)}: previous_period: expected destination.period, which says what comes before it, got none`,
      )
  })
}

const checkFields = (
  check: PipelineCheck,
  one: Readonly<Record<string, unknown>>,
  place: Path,
  { needs = [], one: single = [], some = [], may = [] }: Kind,
): void => {
  const where = `${showPath(place)}: ${String(one['check'])}`
  const has = (name: string): boolean => Object.hasOwn(one, name)
  for (const name of needs) if (!has(name)) report(check, place, `${where}: expected ${name}, got none`)
  if (single.length > 0 && single.filter(has).length !== 1)
    report(check, place, `${where}: expected ${orList(single)}, got ${single.some(has) ? 'both' : 'none'}`)
  if (some.length > 0 && !some.some(has)) report(check, place, `${where}: expected ${orList(some)}, got none`)
  const known = [...ofAll, ...needs, ...single, ...some, ...may]
  for (const name of Object.keys(one)) {
    const isField = Object.values(kinds).some(({ needs: a = [], one: b = [], some: c = [], may: d = [] }) =>
      [...a, ...b, ...c, ...d].includes(name),
    )
    if (isField && !known.includes(name))
      report(
        check,
        [...place, name],
        `${where}: has no ${name}; it has ${orList(known.filter((field) => !ofAll.includes(field)))}`,
        true,
      )
  }
}

const checkKnown = (check: PipelineCheck, one: Readonly<Record<string, unknown>>, place: Path): void => {
  const { version, dataset = 'cost_and_usage', known } = one
  const rules = focusRules(String(version), String(dataset))?.rules.map(({ rule }) => rule)
  if (rules === undefined || !Array.isArray(known)) return
  known.forEach((name: unknown, k) => {
    if (typeof name !== 'string' || rules.includes(name)) return
    const where = [...place, 'known', k]
    report(
      check,
      where,
      `${showPath(where)}: no rule ${show(name)} of FOCUS ${String(version)} is asked${didYouMean(name, rules)}`,
    )
  })
}

const decimal = /^-?\d{1,38}(\.\d{1,38})?$/
const checkNumbers = (check: PipelineCheck, one: Readonly<Record<string, unknown>>, place: Path): void => {
  const numbers = ['min', 'max', 'equals'].flatMap((name) => {
    const value = one[name]
    if (typeof value !== 'number' && typeof value !== 'string') return []
    if (String(value).search(variable) >= 0) return []
    if (decimal.test(String(value))) return [[name, Number(value)] as const]
    report(check, [...place, name], `${showPath([...place, name])}: expected a decimal number, got ${show(value)}`)
    return []
  })
  const { min = -Infinity, max = Infinity } = Object.fromEntries(numbers)
  if (min > max)
    report(
      check,
      [...place, 'min'],
      `${showPath([...place, 'min'])}: expected at most max, which is ${max}, got ${min}`,
    )
}

const namesOf = ({ column, columns }: Readonly<Record<string, unknown>>): [Path, unknown][] => [
  ...(column === undefined ? [] : [[['column'], column] satisfies [Path, unknown]]),
  ...(Array.isArray(columns) ? columns.map((name, k): [Path, unknown] => [['columns', k], name]) : []),
]

const checkColumn = (
  check: PipelineCheck,
  name: unknown,
  place: Path,
  columns: readonly string[] | undefined,
): void => {
  // Its variables are looked at with those of all texts.
  if (typeof name !== 'string' || name.includes('{')) return
  if (!isName('column', name))
    report(check, place, `${showPath(place)}: expected the name of a column, got ${show(name)}`)
  else if (columns !== undefined && !columns.some((column) => column.toLowerCase() === name.toLowerCase()))
    report(check, place, `${showPath(place)}: no column ${show(name)} in the table${didYouMean(name, columns)}`)
}
