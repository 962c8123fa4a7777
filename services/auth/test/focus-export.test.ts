/** The columns of an export are those of the views and of the specification. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { focusColumns, focusDatasets, focusVersions } from '@convergence/contracts/focus'
import { expect } from 'chai'
import { exportOf } from '../src/focus-export.ts'
import type { Statement } from '@convergence/warehouse'

const configs = dirname(createRequire(import.meta.url).resolve('@convergence/configs/package.json'))
const question = { tenant_id: 'acme', from: '2025-11-01', to: '2025-12-01', format: 'csv' } as const
const columns = [
  ...focusColumns('cost_and_usage', '1.4').map(({ name, type }) => ({ name, type })),
  { name: 'x_PublisherName', type: 'STRING' as const },
]
const statementOf = async (version: '1.4' | '1.2'): Promise<string> => {
  let asked: Statement = { query: '' }
  await exportOf(
    {
      dryRun: async () => ({ statement_type: 'SELECT', referenced_tables: [], columns, bytes_processed: 0 }),
      pages: async function* (statement) {
        asked = statement
        yield []
      },
    },
    { ...question, dataset: 'cost_and_usage', version },
  )
  return asked.query
}

describe('columns of FOCUS', () => {
  it('are as many as each version has, each once', () => {
    const counts = Object.fromEntries(
      focusVersions.map((version) => [version, focusDatasets.map((dataset) => focusColumns(dataset, version).length)]),
    )
    expect(counts).to.deep.equal({
      '1.0': [43, 0, 0, 0],
      '1.1': [50, 0, 0, 0],
      '1.2': [57, 0, 0, 0],
      '1.3': [65, 0, 13, 0],
      '1.4': [65, 6, 30, 22],
    })
    for (const dataset of focusDatasets) {
      const names = focusColumns(dataset, '1.4').map(({ name }) => name)
      expect(names).to.deep.equal([...new Set(names)].sort())
    }
  })
  it('of 1.2 are those of the view, by the same expressions', async () => {
    const view = readFileSync(join(configs, 'focus/cost/cost_and_usage_1_2.sql'), 'utf8')
      .replaceAll(/--.*$/gm, '')
      .replace(/^\s*SELECT\s+/, '')
      .replace(/\s+FROM[^]*$/, '')
    const expressions = view.split(/,\n\s*/).map((text) => text.trim())
    const exported = (await statementOf('1.2')).replace(/ FROM [^]*$/, '').replace(/^SELECT /, '')
    const selected = exported
      .replaceAll(/NULLIF\(TO_JSON_STRING\((\w+)\), 'null'\) AS \1/g, '$1')
      .replaceAll(/\b(\w+) AS \1\b/g, '$1')
      .split(/, (?![^(]*\))/)
    expect(selected).to.deep.equal(expressions)
  })
})
