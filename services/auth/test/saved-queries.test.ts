/** Values of a saved query's parameters, and answers as CSV. */
import { AppError } from '@convergence/contracts'
import { savedQueries, savedQuery } from '@convergence/pipeline/saved-queries'
import { expect } from 'chai'
import { savedAnswerOf, savedCsvOf, savedQuestionOf, type SavedQuestion } from '../src/saved-queries.ts'

const queries = savedQueries()
const now = new Date('2026-03-10T12:00:00Z')
const question = (name: string, query: Readonly<Record<string, string>>): SavedQuestion =>
  savedQuestionOf('acme', savedQuery(queries, name), query, now)
const valuesOf = ({ parameters }: SavedQuestion) =>
  Object.fromEntries(parameters.map(({ name, value }) => [name, value]))
const faultsOf = (name: string, query: Readonly<Record<string, string>>): readonly string[] => {
  try {
    question(name, query)
  } catch (error) {
    if (error instanceof AppError) return error.faults
    throw error
  }
  return []
}

describe('parameters of saved queries', () => {
  it('that are not given are what the query says, the days the last whole month', () => {
    expect(valuesOf(question('service_cost_by_month', {}))).to.deep.equal({
      ...{ from: '2026-02-01', to: '2026-03-01', provider: '', service: '' },
    })
    expect(question('service_cost_by_month', {}).limit).to.equal(1000)
  })
  it('are taken as they are, whatever is in them', () => {
    const given = { from: '2026-01-01', to: '2026-01-03', param: "tag=a=b'; DROP\nvalue= =x", limit: '7' }
    const asked = question('tag_cost_by_month', given)
    expect(valuesOf(asked)).to.deep.equal({ from: '2026-01-01', to: '2026-01-03', tag: "a=b'; DROP", value: ' =x' })
    expect(asked.limit).to.equal(7)
  })
  it('are told all at once when they are wrong', () => {
    expect(
      faultsOf('budget_of_sub_account', {
        ...{ from: '2026-02-30', param: 'budget=ten\nbudget=1\ntga=x\nnothing\ntoString=1', limit: '0' },
      }),
    ).to.deep.equal([
      'query.param: budget stands twice',
      'query.param: budget_of_sub_account has no parameter "tga=x"; it has from, to, account, budget, currency',
      'query.param: expected NAME=VALUE, got "nothing"',
      'query.param: budget_of_sub_account has no parameter "toString=1"; it has from, to, account, budget, currency',
      'query.from: expected the first day, YYYY-MM-DD, got "2026-02-30"',
      'query.to: is missing: the day behind the last one, YYYY-MM-DD',
      'query.param: budget: expected a decimal such as 1000.50, got "ten"',
      'query.limit: expected 1 to 10000, got "0"',
    ])
    expect(faultsOf('tag_coverage', {})).to.deep.equal([
      'query.param: tag is missing: key of the tag, as it is spelled in Tags; param=tag=VALUE',
    ])
    expect(faultsOf('tag_coverage', { param: 'tag=a\nfrom=2026-01-01' })).to.deep.equal([
      'query.param: from stands twice',
    ])
    expect(faultsOf('tag_coverage', { param: 'tag=a', limit: '10001' })).to.have.length(1)
  })
})

describe('answers of saved queries', () => {
  it('have at most the rows that were asked for, and say whether there are more', async () => {
    const rows = [{ a: '1' }, { a: '2' }, { a: '3' }]
    const asked: string[] = []
    const warehouse = {
      dryRun: async () => ({
        ...{ statement_type: 'SELECT' as const, referenced_tables: [], bytes_processed: 0 },
        columns: [{ name: 'a', type: 'STRING' as const, mode: 'NULLABLE' as const }],
      }),
      query: async ({ query }: { query: string }) => {
        asked.push(query)
        return rows
      },
    }
    const answer = await savedAnswerOf(warehouse, question('accounts', { limit: '2' }))
    expect(answer).to.deep.equal({
      ...{ columns: [{ name: 'a', type: 'STRING' }], items: rows.slice(0, 2), truncated: true },
    })
    expect(asked[0]).to.match(/ORDER BY [^\n]*\nLIMIT 3$/)
  })
  it('as CSV have all columns, NULL as nothing, and no text that a spreadsheet runs', () => {
    const columns = [
      { name: 'a', type: 'STRING' as const },
      { name: 'cost', type: 'BIGNUMERIC' as const },
      { name: 'n', type: 'INT64' as const },
    ]
    const items = [
      { a: '=1+1,"x"', cost: '-1.5', n: 2 },
      { a: null, cost: null },
    ]
    expect(savedCsvOf({ columns, items, truncated: false })).to.equal('a,cost,n\r\n"\'=1+1,""x""",-1.5,2\r\n,,\r\n')
  })
})
