import { expect } from 'chai'
import type { Column } from '@convergence/contracts'
import type { Warehouse } from '@convergence/warehouse'
import { completeTable } from '@convergence/service/export-table'
import { inWorld, type World } from './loaders/world.ts'
import { contextOf, makeRun, makeStep } from './fakes.ts'

const text = (name: string): Column => ({ name, type: 'STRING' })
const record = (name: string, ...fields: Column[]): Column => ({ name, type: 'STRUCT', fields })
const records = (name: string, ...fields: Column[]): Column => ({ ...record(name, ...fields), mode: 'REPEATED' })
const schema: Column[] = [
  text('id'),
  { name: 'cost', type: 'FLOAT64' },
  record('project', text('id'), text('number'), records('labels', text('key'), text('value'))),
  records('tags', text('key'), { name: 'inherited', type: 'BOOL' }),
  { name: 'price', type: 'BIGNUMERIC' },
  { name: 'rate', type: 'NUMERIC' },
  { name: 'notes', type: 'JSON' },
]

let tables = 0
/** The rows of a SELECT, stored as a table and read by the schema. */
const readBy = async ({ warehouse }: { warehouse: Warehouse }, select: string) => {
  tables += 1
  const path = `local-convergence.acme.export_${tables}`
  const step = makeStep(`s${tables}`)
  await warehouse.runJob(contextOf(makeRun({ run_id: `r_x${String(tables).padStart(25, '0')}` }), step).chain, {
    kind: 'query',
    query: select,
    destination: {
      project_id: 'local-convergence',
      dataset: 'acme',
      table: `export_${tables}`,
      write_mode: 'append',
    },
  })
  const { columns } = await warehouse.dryRun({ query: `SELECT * FROM \`${path}\`` })
  const { query, other_columns } = completeTable(path, schema, columns)
  return { other_columns, rows: await warehouse.query({ query: `SELECT * FROM (${query}) ORDER BY id` }) }
}
const reads = (title: string, select: string, expected: { other_columns: string[]; rows: object[] }) =>
  it(
    title,
    inWorld(async (world: World) => {
      expect(await readBy(world, select)).to.deep.equal(expected)
    }),
  )
const nothing = {
  id: null,
  cost: null,
  project: null,
  tags: [],
  price: null,
  rate: null,
  notes: null,
  other_columns: null,
}

describe('an export read by a schema', function () {
  this.timeout(60_000)

  reads('has NULL of the type, or an empty array, for what an older table lacks', "SELECT 'a' AS id", {
    other_columns: [],
    rows: [{ ...nothing, id: 'a' }],
  })

  reads(
    'completes records, also those in arrays, in their order',
    `SELECT 'a' AS id, STRUCT(7 AS number, [STRUCT('v' AS value)] AS labels) AS project,
       [STRUCT('t' AS key), STRUCT('s' AS key)] AS tags
     UNION ALL SELECT 'b', NULL, []`,
    {
      other_columns: [],
      rows: [
        {
          ...nothing,
          id: 'a',
          project: { id: null, number: '7', labels: [{ key: null, value: 'v' }] },
          tags: [
            { key: 't', inherited: null },
            { key: 's', inherited: null },
          ],
        },
        { ...nothing, id: 'b' },
      ],
    },
  )

  reads(
    'keeps what has been added, at any depth, in other_columns, and names it',
    `SELECT 'a' AS id, STRUCT('p-1' AS id, '7' AS number, [STRUCT('k' AS key, 'v' AS value, 2 AS rank)] AS labels,
         NUMERIC '0.1' AS share) AS project,
       STRUCT([0.1, 1e-10] AS list, TIMESTAMP '2025-11-05 01:00:00+00' AS seen) AS carbon, TRUE AS \`spot\`
     UNION ALL SELECT 'b', NULL, NULL, NULL`,
    {
      other_columns: ['project.labels.rank', 'project.share', 'carbon', 'spot'],
      rows: [
        {
          ...nothing,
          id: 'a',
          project: { id: 'p-1', number: '7', labels: [{ key: 'k', value: 'v' }] },
          other_columns: {
            project: { labels: [{ rank: 2 }], share: '0.1' },
            carbon: { list: ['0.1', '1e-10'], seen: '2025-11-05 01:00:00+00' },
            spot: true,
          },
        },
        { ...nothing, id: 'b' },
      ],
    },
  )

  reads(
    'takes an amount as the shortest decimal of its double, and anything where the schema has JSON',
    "SELECT 'a' AS id, NUMERIC '2.5' AS cost, 1e-10 AS price, 4e-10 AS rate, [STRUCT('k' AS key, 1.5 AS n)] AS notes",
    {
      other_columns: [],
      rows: [
        {
          ...nothing,
          id: 'a',
          cost: 2.5,
          price: '0.0000000001',
          rate: '0.0000000004',
          notes: [{ key: 'k', n: '1.5' }],
        },
      ],
    },
  )

  it('takes names of any case, and a table that has exactly the schema as it is', () => {
    const { query, other_columns } = completeTable(
      'p-1.d.t',
      [text('id'), record('sku', text('id'))],
      [record('Sku', text('ID')), text('ID')],
    )
    expect([query, other_columns]).to.deep.equal([
      'SELECT export_row.`id` AS `id`, export_row.`sku` AS `sku`, CAST(NULL AS JSON) AS other_columns ' +
        'FROM `p-1.d.t` AS export_row',
      [],
    ])
  })

  it('leaves out partitions that came long before the day, and no row that may come later', () => {
    const { query } = completeTable('p-1.d.t', [text('id')], [text('id')], '2025-11-05')
    expect(query).to.match(/ WHERE _PARTITIONTIME >= TIMESTAMP '2025-10-01' OR _PARTITIONTIME IS NULL$/)
  })
})
