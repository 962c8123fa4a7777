/** Whatever a file, a parameter or a view says: a run of one tenant shows nothing of another, and nothing central. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import fc from 'fast-check'
import { AppError, tenantViews } from '@convergence/contracts'
import { openEngine } from '@convergence/local-warehouse'
import { loadPipelines, sharedSourcesOf, templatesFolder } from '@convergence/pipeline'
import { openWarehouse, type Warehouse } from '@convergence/warehouse'
import { bqEtl } from '../src/processors/gcp/bq_etl.ts'
import { dataset } from '../src/processors/setup/dataset.ts'
import { bootstrap } from '../src/processors/setup/initial.ts'
import { openLoadStates } from '../src/load-state.ts'
import { openStore } from '../src/store.ts'
import { codeOf, contextOf, fakeStore, makeRun, makeStep } from './fakes.ts'

const [tenantView, loadsView] = tenantViews
const project_id = 'local-convergence'
const shared_sources = sharedSourcesOf('billing_export,prices', project_id)
const tenants = ['acme', 'globex'] as const
const columns = [{ name: 'owner', type: 'STRING' as const }]

/** Two tenants, two shared datasets, one that nobody shares; each table has one row which says whose it is. */
const openWorld = async (): Promise<{ warehouse: Warehouse; close(): Promise<void> }> => {
  const folder = mkdtempSync(join(tmpdir(), 'convergence-reach-'))
  const warehouse = openWarehouse({ engine: await openEngine({ folder, project_id }), random: () => 0 })
  await bootstrap(warehouse, {})
  const now = new Date('2026-01-02T00:00:00Z')
  const store = openStore({ warehouse, now: () => now })
  const loads = openLoadStates({ warehouse, now: () => now })
  for (const tenant_id of tenants) {
    await dataset({ warehouse, shared_sources }).run(
      contextOf(
        makeRun({ tenant_id: 'system', pipeline: 'setup/tenants/onboarding' }),
        makeStep('dataset', { config: { tenant_id } }),
      ),
    )
    await loads.recordSeen([{ tenant_id, source: tenant_id, pipeline: 'x/y/z', period: '2026-01', version: 'v' }], now)
    await store.recordStart({ run: makeRun({ tenant_id, run_id: `r_${tenant_id.padEnd(26, 'x')}` }), next: [] })
  }
  for (const name of ['billing_export', 'prices', 'private_notes']) await warehouse.ensureDataset(name)
  for (const name of [...tenants, 'billing_export', 'prices', 'private_notes']) {
    await warehouse.runJob(
      { run_id: name, step_id: 'fill', max_retries: 0, retry_delay_seconds: 0, tenant_id: name },
      {
        kind: 'query',
        query: `SELECT '${name}' AS owner`,
        destination: { project_id, dataset: name, table: 't', write_mode: 'append', columns },
      },
    )
  }
  const views: Record<string, string> = {
    'acme.to_globex': 'SELECT owner FROM `local-convergence.globex.t`',
    'billing_export.to_globex': 'SELECT owner FROM `local-convergence.globex.t`',
    'billing_export.to_acme': 'SELECT owner FROM `local-convergence.acme.t`',
    'acme.all_runs': 'SELECT tenant_id AS owner FROM `local-convergence.tenants.tenant_pipeline_runs`',
    'globex.to_notes': 'SELECT owner FROM `local-convergence.private_notes.t`',
  }
  for (const [name, query] of Object.entries(views)) {
    const [into = '', view = ''] = name.split('.')
    await warehouse.ensureView({ dataset: into, view, query })
  }
  return {
    warehouse,
    close: async () => {
      await warehouse.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

interface Asked {
  sources: readonly string[] | undefined
  reads: readonly string[]
  by: 'literal' | 'backticks' | 'variable' | 'default' | 'parameter'
}
const columnOf = (path = ''): string => {
  if (path.includes('INFORMATION_SCHEMA')) return 'x.table_name'
  if (/\bload_state/.test(path)) return 'x.source'
  return /tenant_/.test(path) ? 'x.tenant_id' : 'x.owner'
}
/** The file, and the parameters of its run. */
const fileOf = ({ sources, reads, by }: Asked): { text: string; parameters: Record<string, string> } => {
  const named = reads.map((path, k) => ({ path, name: `table_${k}` }))
  const from = named.map(({ path, name }) =>
    by === 'literal' ? path : by === 'backticks' ? `\`${path}\`` : `\`{${name}}\``,
  )
  const declared = named.map(
    ({ path, name }) => `  ${name}: { type: table_ref${by === 'default' ? `, default: "${path}"` : ', default: t'} }`,
  )
  const text = [
    'pipeline_id: example',
    'description: Example',
    ...(sources === undefined ? [] : [`sources: ${JSON.stringify(sources)}`]),
    ...(by === 'default' || by === 'parameter' ? ['parameters:', ...declared] : ['parameters: {}']),
    'variables:',
    '  central: tenants',
    '  other: globex',
    ...(by === 'variable' ? named.map(({ path, name }) => `  ${name}: "${path}"`) : []),
    'steps:',
    '  - step_id: load',
    '    ps_type: gcp.bq_etl',
    '    source:',
    `      query: ${JSON.stringify(from.map((table, k) => `SELECT ${columnOf(reads[k])} AS said FROM ${table} AS x`).join(' UNION ALL '))}`,
    '    destination: { bq_project_id: "{project_id}", dataset_type: "{tenant_id}", table: out, write_mode: truncate }',
  ].join('\n')
  return {
    text: `${text}\n`,
    parameters: by === 'parameter' ? Object.fromEntries(named.map(({ path, name }) => [name, path])) : {},
  }
}

/** `npm run ci:long` tries more. */
const factor = Number(process.env['PROPERTY_FACTOR'] ?? 1)

describe('what a run may reach', () => {
  let world: Awaited<ReturnType<typeof openWorld>>
  let templates_folder: string
  before(async function () {
    this.timeout(120_000)
    world = await openWorld()
    // The one kind of step alone: each of the many files is checked with all that there are.
    templates_folder = mkdtempSync(join(tmpdir(), 'convergence-reach-templates-'))
    cpSync(join(templatesFolder(), 'gcp'), join(templates_folder, 'gcp'), { recursive: true })
  })
  after(async () => {
    await world.close()
    rmSync(templates_folder, { recursive: true, force: true })
  })

  /** The code of what refuses the run, by whom; or what its rows said. */
  const attempt = async (asked: Asked, tenant_id: string): Promise<{ refused?: string; said?: string[] }> => {
    const folder = mkdtempSync(join(tmpdir(), 'convergence-reach-file-'))
    try {
      mkdirSync(join(folder, 'custom/cost'), { recursive: true })
      const { text, parameters } = fileOf(asked)
      writeFileSync(join(folder, 'custom/cost/example.yml'), text)
      const options = { configs_folder: folder, templates_folder, project_id, shared_sources }
      const run = loadPipelines(options).compile({
        run_id: `r_${'a'.repeat(26)}`,
        tenant_id,
        pipeline: 'custom/cost/example',
        parameters,
        trigger_type: 'api',
        requested_at: '2026-01-01T00:00:00Z',
      })
      const step = run.steps[0]
      if (step === undefined) throw new Error('no step')
      number += 1
      const context = contextOf({ ...run, run_id: `r_${String(number).padEnd(26, 'z')}` }, step)
      await bqEtl({ warehouse: world.warehouse, store: fakeStore(), shared_sources }).run(context)
      const rows = await world.warehouse.query({ query: 'SELECT said FROM out', default_dataset: tenant_id })
      return { said: rows.map(({ said }) => String(said)) }
    } catch (error) {
      if (error instanceof AppError) return { refused: error.code }
      throw error
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
  let number = 0

  it('is the own dataset and what the operator shares, and nothing else, however a file says it', async function () {
    this.timeout(600_000 * factor)
    const source = fc.oneof(
      ...['{project_id}.', '', `${project_id}.`, 'other-project.'].map((project) =>
        fc
          .constantFrom(
            'billing_export',
            'prices',
            'tenants',
            'TENANTS',
            'acme',
            'globex',
            'private_notes',
            '{central}',
            '{other}',
            '{tenant_id}',
          )
          .map((name) => `${project}${name}`),
      ),
    )
    const table = fc.oneof(
      ...['', `${project_id}.`].map((project) =>
        fc
          .constantFrom(
            'billing_export.t',
            'prices.t',
            'acme.t',
            'globex.t',
            'private_notes.t',
            'tenants.tenant_pipeline_runs',
            'tenants.tenant_api_keys_rows',
            'acme.to_globex',
            'acme.all_runs',
            'billing_export.to_globex',
            'billing_export.to_acme',
            'globex.to_notes',
            `acme.${tenantView}`,
            `globex.${tenantView}`,
            'acme.INFORMATION_SCHEMA.TABLES',
          )
          .map((name) => `${project}${name}`),
      ),
      fc.constantFrom('t', 'billing_export.t', tenantView, 'to_globex'),
    )
    const asked = fc.record({
      sources: fc.option(fc.uniqueArray(source, { maxLength: 2 }), { nil: undefined, freq: 1 }),
      reads: fc.array(table, { minLength: 1, maxLength: 2 }),
      by: fc.constantFrom(
        'literal' as const,
        'backticks' as const,
        'variable' as const,
        'default' as const,
        'parameter' as const,
      ),
    })
    let ran = 0
    await fc.assert(
      fc.asyncProperty(asked, fc.constantFrom(...tenants), async (request, tenant_id) => {
        const { said = [] } = await attempt(request, tenant_id)
        if (said.length > 0) ran += 1
        for (const text of said) expect(text).to.be.oneOf([tenant_id, 'billing_export', 'prices'])
      }),
      { numRuns: 60 * factor, seed: 7 },
    )
    // Not all of them were refused.
    expect(ran).to.be.greaterThan(3)
  })

  it("includes the tenant's own views of its runs and loads, however it is written, and not with a way around it", async () => {
    const ways = [
      { by: 'literal', paths: [tenantView, `acme.${tenantView}`, `${project_id}.acme.${tenantView}`] },
      { by: 'backticks', paths: [tenantView, `{tenant_id}.${tenantView}`, `{project_id}.{tenant_id}.${tenantView}`] },
      { by: 'variable', paths: [tenantView, `{project_id}.{tenant_id}.${tenantView}`] },
      { by: 'parameter', paths: [tenantView, `acme.${tenantView}`, `${project_id}.acme.${tenantView}`] },
    ] as const
    for (const { by, paths } of ways)
      for (const path of paths)
        expect(await attempt({ sources: undefined, reads: [path, 't'], by }, 'acme'), `${path} ${by}`).to.deep.equal({
          said: ['acme', 'acme'],
        })
    expect(
      await attempt({ sources: undefined, reads: [loadsView, `acme.${tenantView}`], by: 'literal' }, 'acme'),
    ).to.deep.equal({ said: ['acme', 'acme'] })
    for (const beside of [
      `globex.${loadsView}`,
      'tenants.tenant_load_state',
      'all_runs',
      'tenants.tenant_step_logs',
      `globex.${tenantView}`,
      'globex.t',
    ])
      expect(
        (await attempt({ sources: undefined, reads: [`acme.${tenantView}`, beside], by: 'literal' }, 'acme')).refused,
        beside,
      ).to.equal('SOURCE_NOT_DECLARED')
  })

  it('is looked up when the run is there: what became a tenant, or is shared no more, is refused', async () => {
    const run = makeRun({
      sources: [`${project_id}.billing_export`, `${project_id}.globex`, `${project_id}.private_notes`],
    })
    const load = (table: string) =>
      codeOf(
        bqEtl({
          warehouse: world.warehouse,
          store: fakeStore(),
          shared_sources: [...shared_sources, `${project_id}.globex`],
        }).run(
          contextOf(
            run,
            makeStep(`s_${table.replace('.', '_')}`, {
              config: {
                source: { bq_project_id: project_id, query: `SELECT * FROM ${table}` },
                destination: { bq_project_id: project_id, dataset_type: 'acme', table: 'kept', write_mode: 'append' },
              },
            }),
          ),
        ),
      )
    expect(await load('billing_export.t')).to.equal('no error')
    // A tenant's, though the setting and the run name it.
    expect(await load('globex.t')).to.equal('SOURCE_NOT_DECLARED')
    // Named by the run, and not by the operator.
    expect(await load('private_notes.t')).to.equal('SOURCE_NOT_DECLARED')
  })
})
