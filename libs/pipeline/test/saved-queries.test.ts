/** Saved queries: what their heads say, and what is told of wrong ones. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { outline } from '@convergence/googlesql'
import { checkFiles } from '@convergence/pipeline'
import { checkSavedQueries, savedQueries, savedQuery } from '@convergence/pipeline/saved-queries'
import { expect } from 'chai'

const right = `-- question: What did it cost?
-- reads: cost_and_usage
-- use cases: 1.2 costs, 1.4 costs-2
-- adds up: billed_cost
-- @provider STRING DEFAULT '': of this provider alone
-- @tag STRING: a key
SELECT BillingCurrency AS currency, JSON_VALUE(Tags[@tag]) AS value, SUM(BilledCost) AS billed_cost
FROM \`focus_cost_and_usage\`
WHERE x_BillingPeriod >= @from AND DATE(ChargePeriodStart) < @to AND (@provider = '' OR x_SourceProvider = @provider)
GROUP BY 1, 2
ORDER BY billed_cost
`
const { templates } = checkFiles({ files: [] })
const inFolder = <T>(files: Readonly<Record<string, string>>, act: (configs: string) => T): T => {
  const configs = mkdtempSync(join(tmpdir(), 'saved-'))
  try {
    mkdirSync(join(configs, 'focus/queries'), { recursive: true })
    for (const [name, text] of Object.entries(files)) writeFileSync(join(configs, 'focus/queries', name), text)
    return act(configs)
  } finally {
    rmSync(configs, { recursive: true })
  }
}
const faultsOf = (sql: string, name = 'cost.sql'): string[] =>
  inFolder({ [name]: sql }, (configs) =>
    checkSavedQueries({ templates: templates.values(), outline, configs }).faults.map(
      ({ line, message }) => `${line}: ${message}`,
    ),
  )

describe('saved queries', () => {
  it('say at their head what they ask, read and take; the days are of each', () => {
    const [query] = inFolder({ 'cost.sql': right }, (configs) => savedQueries(configs))
    expect(query).to.deep.equal({
      name: 'cost',
      question: 'What did it cost?',
      reads: ['cost_and_usage'],
      use_cases: [
        { version: '1.2', slug: 'costs' },
        { version: '1.4', slug: 'costs-2' },
      ],
      adds_up: ['billed_cost'],
      parameters: [
        { name: 'from', type: 'DATE', description: 'first day, of UTC', default: null, required: false },
        { name: 'to', type: 'DATE', description: 'the day behind the last one', default: null, required: false },
        { name: 'provider', type: 'STRING', description: 'of this provider alone', default: '', required: false },
        { name: 'tag', type: 'STRING', description: 'a key', default: null, required: true },
      ],
      sql: right,
    })
    expect(faultsOf(right)).to.deep.equal([])
  })
  const wrong: readonly [what: string, change: (sql: string) => string, fault: RegExp][] = [
    ['without a question', (sql) => sql.replace(/^.*\n/, ''), /^1: question: is missing/],
    ['a field that is none', (sql) => sql.replace('-- reads:', '-- raeds:'), /^2: expected .*did you mean "reads"\?$/],
    [
      'a dataset that is none',
      (sql) => sql.replace('cost_and_usage\n', 'costs\n'),
      /^2: reads: expected some of cost_and/,
    ],
    ['a version that is none', (sql) => sql.replace('1.4 costs', '2.0 costs'), /^3: use cases: expected such as/],
    ['a type that is none', (sql) => sql.replace('@tag STRING', '@tag TEXT'), /^6: @tag: expected one of STRING/],
    ['a day of its own', (sql) => sql.replace('@tag STRING', '@from DATE'), /^6: @from: is there in each query/],
    ['a parameter that is not declared', (sql) => sql.replace('Tags[@tag]', 'Tags[@tga]'), /^7: .*tga/i],
    [
      'a parameter that is not used',
      (sql) => sql.replace('Tags[@tag]', "Tags['team']"),
      /^1: @tag: the statement does not use it/,
    ],
    ['a column that is none', (sql) => sql.replace('BilledCost)', 'BiledCost)'), /^7: .*BiledCost/],
    [
      'another table',
      (sql) => sql.replace('`focus_cost_and_usage`', '`aws_cost_cur`'),
      /expected one of focus_cost_and_usage, .* got aws_cost_cur/,
    ],
    [
      'no SELECT',
      (sql) => sql.replace(/SELECT[^]*/, 'DROP TABLE `focus_cost_and_usage`\n'),
      /^1: expected one SELECT, got DROP/,
    ],
    [
      'amounts without a currency',
      (sql) => sql.replace('AS currency', 'AS money'),
      /^1: expected a column currency beside amounts/,
    ],
    [
      'all months',
      (sql) => sql.replace('x_BillingPeriod', 'DATE(BillingPeriodStart)'),
      /^1: expected a condition on x_BillingPeriod/,
    ],
    ['a LIMIT of its own', (sql) => `${sql}LIMIT 10\n`, /^1: expected neither LIMIT/],
    ['no order', (sql) => sql.replace(/ORDER BY.*\n/, ''), /^1: expected ORDER BY at the end/],
    [
      'a sum of no column',
      (sql) => sql.replace('adds up: billed', 'adds up: effective'),
      /^1: adds up: no column effective_cost/,
    ],
  ]
  for (const [what, change, fault] of wrong)
    it(`${what}: told with its line`, () => {
      expect(faultsOf(change(right)).join('\n')).to.match(new RegExp(fault.source, `${fault.flags}m`))
    })
  it('a name that is no part of a URL is told', () => {
    expect(faultsOf(right, 'Cost by Day.sql').join()).to.contain('expected a name of a-z')
  })
  it('wrong heads are not served', () => {
    expect(() =>
      inFolder({ 'cost.sql': right.replace('-- reads', '-- raeds') }, (configs) => savedQueries(configs)),
    ).to.throw('nothing was started')
  })
  it('a name that is near is suggested', () => {
    const queries = savedQueries()
    expect(savedQuery(queries, 'tag_coverage').name).to.equal('tag_coverage')
    expect(() => savedQuery(queries, 'tag_covrage')).to.throw(
      'no saved query "tag_covrage", did you mean "tag_coverage"?',
    )
    expect(() => savedQuery(queries, 'x'.repeat(200))).to.throw('; the list is /focus/queries')
  })
})
