import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import fc from 'fast-check'
import {
  AppError,
  isClaim,
  sourceFaults,
  sourceKinds,
  sourcesOverlap,
  type CompiledStep,
  type Run,
  type SourceSettings,
} from '@convergence/contracts'
import { openEngine } from '@convergence/local-warehouse'
import { bootstrap } from '@convergence/service'
import { readSources } from '@convergence/service/sources'
import { openWarehouse, type Warehouse } from '@convergence/warehouse'
import { adoptTenants } from '../src/adopt.ts'
import { decideSource, type SourceRow } from '../src/decide-source.ts'
import { source } from '../src/processors/setup/tenants/source.ts'
import { openSourceStore } from '../src/source-store.ts'
import { openStore } from '../src/store.ts'

const cur: SourceSettings = {
  provider: 'aws',
  kind: 'cur2',
  bucket: 'acme-billing-4711',
  prefix: 'exports',
  report_name: 'daily',
}
const table: SourceSettings = {
  provider: 'gcp',
  kind: 'detailed',
  table: 'shared-billing-1.billing.gcp_billing_export_resource_v1_01AB23_45CD67_89EF01',
  projects: ['acme-prod-4711'],
}
const now = () => new Date('2026-03-10T12:00:00Z')
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof AppError ? error.code : String(error)),
  )
const messageOf = (work: () => unknown): string => {
  try {
    work()
    return 'nothing was thrown'
  } catch (error) {
    return String(error)
  }
}

// ---- deciding

describe('a change of a source', () => {
  const row = (
    tenant_id: string,
    name: string,
    settings: SourceSettings,
    more: Partial<SourceRow> = {},
  ): SourceRow => ({
    tenant_id,
    name,
    settings,
    is_active: true,
    is_purged: false,
    version: 1,
    ...more,
  })
  const put = (rows: SourceRow[], tenant_id: string, name: string, settings: SourceSettings) =>
    decideSource(rows, { tenant_id, name, settings })

  it('changes nothing when it says the same, in whichever order', () => {
    const { bucket, ...rest } = cur
    const rows = [row('acme', 'payer', cur, { version: 7 })]
    expect(put(rows, 'acme', 'payer', { ...rest, bucket })).to.include({ kind: 'stays', version: 7 })
    expect(put(rows, 'acme', 'payer', { ...cur, prefix: 'other' })).to.include({ kind: 'changes', created: false })
    expect(put([row('acme', 'payer', cur, { is_active: false })], 'acme', 'payer', cur)).to.include({ created: true })
  })

  it("is refused for another tenant's claim without saying whose it is", () => {
    const message = messageOf(() => put([row('globex', 'theirs', cur)], 'acme', 'payer', cur))
    expect(message)
      .to.match(/CONFLICT|claimed/)
      .and.not.match(/globex|theirs/)
    const heard: unknown[] = []
    const by = (claim: unknown) => heard.push(claim)
    expect(() =>
      decideSource([row('globex', 'theirs', cur)], { tenant_id: 'acme', name: 'payer', settings: cur }, by),
    ).to.throw(AppError)
    expect(heard).to.have.length(1)
  })

  it('claims nothing with a credential of its own, nor once it is removed', () => {
    const own: SourceSettings = { ...cur, credential: 'aws' }
    expect(put([row('globex', 'theirs', cur)], 'acme', 'payer', own).kind).to.equal('changes')
    expect(put([row('globex', 'theirs', own)], 'acme', 'payer', cur).kind).to.equal('changes')
    expect(put([row('globex', 'theirs', cur, { is_active: false })], 'acme', 'payer', cur).kind).to.equal('changes')
  })

  it("is refused for the tenant's own source that brings the same rows, by name, whichever credential reads them", () => {
    const rows = [row('acme', 'first', cur)]
    expect(messageOf(() => put(rows, 'acme', 'second', { ...cur, kind: 'cur', credential: 'aws' }))).to.match(/first/)
    // The same export as FOCUS has a table of its own.
    expect(put(rows, 'acme', 'second', { ...cur, kind: 'focus' }).kind).to.equal('changes')
  })

  it('is refused as a second primary of a billing account and projects that a table names, and of no other', () => {
    const google = (kind: 'detailed' | 'focus', more: object = {}): SourceSettings => ({
      ...{ provider: 'gcp', kind, table: `acme-billing-1.billing.${kind}`, primary: true },
      ...{ billing_account_id: '01AB23-45CD67-89EF01', ...more },
    })
    const rows = [row('acme', 'first', google('detailed', { projects: ['acme-prod-4711'] }))]
    expect(messageOf(() => put(rows, 'acme', 'second', google('focus')))).to.match(/primary of one source.*first/)
    for (const more of [
      { primary: undefined },
      { billing_account_id: '01AB23-45CD67-89EF02' },
      { projects: ['b-1234'] },
    ])
      expect(put(rows, 'acme', 'second', google('focus', more)).kind).to.equal('changes')
    expect(put(rows, 'globex', 'second', google('focus')).kind).to.equal('changes')
    const removed = rows.map((each) => ({ ...each, is_active: false }))
    expect(put(removed, 'acme', 'second', google('focus')).kind).to.equal('changes')
    // Whose rows files have is known when they are loaded.
    const file = { ...cur, kind: 'focus', primary: true } as SourceSettings
    expect(put([row('acme', 'first', { ...cur, primary: true })], 'acme', 'second', file).kind).to.equal('changes')
  })

  it('is refused for the place of a source that was removed and whose rows are left, until they are purged', () => {
    const left = row('acme', 'old', cur, { is_active: false, version: 3 })
    expect(messageOf(() => put([left], 'acme', 'new', cur)))
      .to.match(/of old, which was removed/)
      .and.match(/sources\/old\?purge=true/)
    expect(put([left], 'acme', 'old', cur)).to.include({ kind: 'changes', created: true })
    expect(put([{ ...left, is_purged: true }], 'acme', 'new', cur).kind).to.equal('changes')
    expect(put([left], 'acme', 'new', { ...cur, kind: 'focus' }).kind).to.equal('changes')
    // Purging what was removed before is a change; purging it again is none.
    const purge = { tenant_id: 'acme', name: 'old', removed_is_fine: true, purged: true }
    expect(decideSource([left], purge).kind).to.equal('changes')
    expect(decideSource([{ ...left, is_purged: true }], purge).kind).to.equal('stays')
  })

  it('removes what is there and says NOT_FOUND of what is not', () => {
    const removed = [row('acme', 'payer', cur, { is_active: false, version: 3 })]
    expect(decideSource([row('acme', 'payer', cur)], { tenant_id: 'acme', name: 'payer' }).kind).to.equal('changes')
    expect(messageOf(() => decideSource(removed, { tenant_id: 'acme', name: 'payer' }))).to.match(/no source payer/)
    expect(messageOf(() => decideSource([row('globex', 'payer', cur)], { tenant_id: 'acme', name: 'payer' }))).to.match(
      /no source payer/,
    )
    expect(decideSource(removed, { tenant_id: 'acme', name: 'payer', removed_is_fine: true })).to.include({
      kind: 'stays',
      version: 3,
    })
  })
})

const runs = 200 * Number(process.env['PROPERTY_FACTOR'] ?? 1)
const some = <T>(...values: T[]) => fc.constantFrom(...values)
const settingsArbitrary: fc.Arbitrary<SourceSettings> = fc
  .oneof(
    fc
      .record({
        kind: some('detailed', 'standard', 'pricing'),
        table: some('shared-billing-1.billing.export_a', 'shared-billing-1.Billing.export_A', 'shared-billing-1.b.c'),
        projects: fc.option(
          fc.oneof(fc.constant('all'), fc.subarray(['acme-prod-1', 'globex-prod-1', 'shared-web-1'], { minLength: 1 })),
          { nil: undefined },
        ),
        unassigned: some(true, undefined),
        credential: some('gcp', undefined, undefined),
      })
      .map((fields) => ({ provider: 'gcp', ...fields }) as SourceSettings),
    fc
      .record({
        kind: some('cur', 'cur2', 'focus'),
        bucket: some('billing-a', 'billing-b'),
        prefix: some('', 'exports', 'exports/', 'exports/a'),
        report_name: some('daily', 'a'),
        credential: some('aws', undefined, undefined),
      })
      .map((fields) => ({ provider: 'aws', ...fields }) as SourceSettings),
    fc
      .record({ bucket: some('billing-a', 'billing-b'), prefix: some('', 'exports/daily'), store: some('s3', 'gcs') })
      .map((fields) => ({ provider: 'any', kind: 'focus', ...fields }) as SourceSettings),
  )
  .map((settings) => JSON.parse(JSON.stringify(settings)) as SourceSettings)

describe('claims', () => {
  it('are those of sources that could be put', () => {
    fc.assert(
      fc.property(settingsArbitrary, (settings) => {
        expect(sourceFaults(settings)).to.deep.equal([])
      }),
      { numRuns: runs },
    )
  })

  it('never overlap between tenants, and no tenant loads a row twice into one table, whatever is put and removed', () => {
    const change = fc.record({
      tenant_id: some('acme', 'globex'),
      name: some('a', 'b', 'c'),
      settings: fc.option(settingsArbitrary, { nil: undefined, freq: 6 }),
    })
    const tableOf = ({ provider, kind }: SourceSettings) =>
      sourceKinds.find((each) => each.provider === provider && each.kind === kind)?.table
    fc.assert(
      fc.property(fc.array(change, { maxLength: 25 }), (changes) => {
        const rows = new Map<string, SourceRow>()
        let version = 0
        for (const { tenant_id, name, settings } of changes) {
          try {
            const wanted = { tenant_id, name, ...(settings === undefined ? {} : { settings }) }
            const decision = decideSource([...rows.values()], wanted)
            if (decision.kind === 'stays') continue
            version += 1
            const is_active = settings !== undefined
            rows.set(`${tenant_id} ${name}`, {
              ...{ tenant_id, name, settings: decision.settings },
              ...{ is_active, is_purged: false, version },
            })
          } catch (error) {
            expect(error).to.be.instanceOf(AppError)
          }
          const active = [...rows.values()].filter((row) => row.is_active)
          for (const [k, a] of active.entries())
            for (const b of active.slice(k + 1)) {
              if (!sourcesOverlap(a.settings, b.settings)) continue
              if (a.tenant_id === b.tenant_id) expect(tableOf(a.settings)).to.not.equal(tableOf(b.settings))
              else expect([isClaim(a.settings), isClaim(b.settings)]).to.not.deep.equal([true, true])
            }
        }
      }),
      { numRuns: runs },
    )
  })
})

// ---- on the warehouse

describe('setup.tenants.source', function () {
  this.timeout(120_000)
  let folder: string
  let warehouse: Warehouse
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'convergence-tenant-'))
    warehouse = openWarehouse({
      engine: await openEngine({ folder, project_id: 'local-convergence' }),
      random: () => 0.5,
    })
  })
  after(async () => {
    await warehouse.close()
    rmSync(folder, { recursive: true, force: true })
  })

  /** Fresh tables with two tenants; each replica has its own store. */
  const setup = async () => {
    await bootstrap(warehouse, { force_recreate_dataset: true })
    const replica = async () => {
      const store = await openStore({ warehouse, now })
      const sources = openSourceStore({ warehouse, now })
      return source({ store, sources, shared_sources: [] })
    }
    const first = await openStore({ warehouse, now })
    for (const tenant_id of ['acme', 'globex'])
      await first.putProfile(
        {
          tenant_id,
          company_name: tenant_id,
          admin_email: `admin@${tenant_id}.example`,
          status: 'ACTIVE',
          subscription_plan: 'STARTER',
          version: 1,
        },
        `${tenant_id}-profile`,
      )
    const processor = await replica()
    const change = (
      run_id: string,
      config: { tenant_id?: string; source_name?: string; settings?: unknown; action?: string; may_claim?: boolean },
      by = processor,
    ) => {
      const run: Run = {
        run_id,
        tenant_id: 'system',
        pipeline: 'setup/tenants/source',
        pipeline_id: 'tenant_source',
        trigger_type: 'system',
        parameters: {},
        priority: 5,
        requested_at: now().toISOString(),
        sources: [],
        steps: [],
        notifications: [],
      }
      const step: CompiledStep = {
        step_id: 'source',
        name: '',
        ps_type: 'setup.tenants.source',
        host: 'tenant',
        timeout_minutes: 1,
        retry_policy: { max_retries: 0, retry_delay_seconds: 0 },
        config: {
          tenant_id: 'acme',
          source_name: 'payer',
          action: 'put',
          may_claim: true,
          ...config,
          ...('settings' in config && typeof config.settings !== 'string'
            ? { settings: JSON.stringify(config.settings) }
            : {}),
        },
      }
      const chain = { run_id, step_id: 'source', max_retries: 0, retry_delay_seconds: 0, tenant_id: 'system' }
      return by.run({ run, step, chain, signal: new AbortController().signal, now })
    }
    const rows = () =>
      warehouse.query({
        query: 'SELECT tenant_id, name, is_active, version FROM tenant_provider_configs_rows ORDER BY version',
        default_dataset: 'tenants',
      })
    return { change, rows, replica }
  }

  it('writes one row per change, numbered over all tenants', async () => {
    const { change, rows } = await setup()
    expect((await change('r_1', { settings: cur })).outputs).to.deep.include({ version: 1, created: true })
    expect((await change('r_2', { tenant_id: 'globex', settings: table })).outputs).to.deep.include({ version: 2 })
    expect((await change('r_3', { settings: cur })).outputs).to.deep.include({ version: 1, changed: false })
    const moved = { ...cur, prefix: 'other' }
    expect((await change('r_4', { settings: moved })).outputs).to.deep.include({ version: 3, created: false })
    expect((await change('r_5', { action: 'delete' })).outputs).to.deep.include({ version: 4, settings: moved })
    expect((await change('r_6', { settings: cur })).outputs).to.deep.include({ version: 5, created: true })
    expect((await rows()).map((row) => [row['tenant_id'], row['is_active'], Number(row['version'])])).to.deep.equal([
      ['acme', true, 1],
      ['globex', true, 2],
      ['acme', true, 3],
      ['acme', false, 4],
      ['acme', true, 5],
    ])
  })

  it('does once what a run asks for, also when its message comes again after other changes', async () => {
    const { change, rows, replica } = await setup()
    const first = await change('r_1', { settings: cur })
    // The process died between the commit and the event.
    expect(await change('r_1', { settings: cur }, await replica())).to.deep.equal(first)
    await change('r_2', { settings: { ...cur, prefix: 'other' } })
    const removed = await change('r_3', { action: 'delete' })
    expect(await change('r_1', { settings: cur })).to.deep.equal(first)
    expect(await change('r_3', { action: 'delete' }, await replica())).to.deep.equal(removed)
    expect(await rows()).to.have.length(3)
  })

  it('gives one place to one of many tenants and replicas that claim it at once', async () => {
    const { change, rows, replica } = await setup()
    const replicas = await Promise.all([replica(), replica(), replica()])
    const answers = await Promise.all(
      ['acme', 'globex', 'acme', 'globex', 'acme', 'globex'].map((tenant_id, k) =>
        codeOf(change(`r_${k}`, { tenant_id, source_name: `s${k}`, settings: cur }, replicas[k % 3])),
      ),
    )
    expect(answers.toSorted()).to.deep.equal(['CONFLICT', 'CONFLICT', 'CONFLICT', 'CONFLICT', 'CONFLICT', 'done'])
    expect(await rows()).to.have.length(1)
  })

  it('loses no change when many are made at once', async () => {
    const { change, rows, replica } = await setup()
    const replicas = await Promise.all([replica(), replica()])
    await Promise.all(
      Array.from({ length: 12 }, (_, k) =>
        change(`r_${k}`, { source_name: `s${k}`, settings: { ...cur, prefix: `p${k}` } }, replicas[k % 2]),
      ),
    )
    expect((await rows()).map((row) => Number(row['version']))).to.deep.equal(
      Array.from({ length: 12 }, (_, k) => k + 1),
    )
  })

  it('needs a stored credential of the right provider, or the right to claim', async () => {
    const { change } = await setup()
    expect(await codeOf(change('r_1', { settings: cur, may_claim: false }))).to.equal('FORBIDDEN')
    const own = { ...cur, credential: 'aws' }
    expect(await codeOf(change('r_2', { settings: own, may_claim: false }))).to.equal('FORBIDDEN')
    expect(await codeOf(change('r_3', { settings: own }))).to.equal('PARAMETER_INVALID')
    const credential = (credential_ref: string, provider: string, tenant_id = 'acme') =>
      warehouse.append('tenant_cloud_credentials_rows', [
        {
          credential_ref,
          tenant_id,
          provider,
          sealed: 'v1',
          is_active: true,
          version: 1,
          event_id: `${tenant_id}:${credential_ref}`,
          recorded_at: now().toISOString(),
        },
      ])
    await credential('aws', 'aws', 'globex')
    expect(await codeOf(change('r_4', { settings: own, may_claim: false }))).to.equal('FORBIDDEN')
    await credential('aws', 'aws')
    await credential('azure', 'azure')
    expect(await codeOf(change('r_5', { settings: { ...cur, credential: 'azure' } }))).to.equal('PARAMETER_INVALID')
    expect(await codeOf(change('r_6', { settings: own, may_claim: false }))).to.equal('done')
  })

  it('adopts once what tenants of an earlier version have used, and nothing that has or had a source', async () => {
    const { change, rows } = await setup()
    const ran = (tenant_id: string, pipeline: string, parameters: object, k: number, status = 'COMPLETED') =>
      warehouse.append('tenant_pipeline_runs_rows', [
        {
          pipeline_logging_id: `r_${tenant_id}_${k}`,
          pipeline_id: pipeline.replaceAll('/', '_'),
          pipeline,
          tenant_id,
          status,
          trigger_type: 'api',
          parameters,
          rank: 3,
          event_id: `r_${tenant_id}_${k}`,
          recorded_at: `2026-01-0${k}T00:00:00Z`,
        },
      ])
    await ran('acme', 'aws/cost/cur', { month: '2025-11' }, 1)
    await ran('acme', 'gcp/cost/billing', { source_table: 'shared-1.b.old' }, 2)
    await ran('acme', 'gcp/cost/billing', { source_table: 'shared-1.b.new' }, 3)
    await ran('acme', 'azure/cost/exports', {}, 4, 'FAILED')
    await ran('globex', 'azure/cost/exports', { month: '2025-11' }, 5)
    await ran('globex', 'aws/cost/cur', { month: '2025-11' }, 6)
    await change('r_1', { tenant_id: 'globex', settings: cur })
    await change('r_2', { tenant_id: 'globex', action: 'delete' })
    const lines: unknown[] = []
    const log = { info: (fields: object) => lines.push(fields) } as never
    const adopt = () => adoptTenants({ warehouse, sources: openSourceStore({ warehouse, now }), log })
    await Promise.all([adopt(), adopt(), adopt()])
    await adopt()
    expect((await rows()).slice(2).map((row) => [row['tenant_id'], row['name']])).to.have.deep.members([
      ['acme', 'default'],
      ['acme', 'default_gcp'],
      ['globex', 'default'],
    ])
    // The same row twice at once is one row, and whoever writes it says so.
    expect(new Set(lines.map((line) => JSON.stringify(line))).size).to.equal(3)
    const found = await readSources(warehouse, 'acme')
    expect(found.map(({ name, ...settings }) => [name, settings])).to.deep.equal([
      ['default', { provider: 'aws', kind: 'cur', bucket: 'acme-cur', prefix: 'cur', report_name: 'daily' }],
      ['default_gcp', { provider: 'gcp', kind: 'detailed', table: 'shared-1.b.new', projects: ['acme'] }],
    ])
  })

  it("takes no table of the platform's own or of another tenant", async () => {
    const { change } = await setup()
    await warehouse.ensureDataset('globex', { labels: { owner: 'tenant', tenant: 'globex' } })
    const at = (dataset: string) => ({ ...table, table: `local-convergence.${dataset}.export`, projects: 'all' })
    expect(await codeOf(change('r_1', { settings: at('globex') }))).to.equal('FORBIDDEN')
    expect(await codeOf(change('r_2', { settings: at('tenants') }))).to.equal('FORBIDDEN')
    expect(await codeOf(change('r_3', { settings: at('billing_export') }))).to.equal('done')
  })

  it('checks again what it is given', async () => {
    const { change } = await setup()
    for (const wrong of [
      { settings: { ...cur, bucket: 'Not A Bucket' } },
      { settings: '{' },
      { settings: cur, source_name: 'Payer' },
      { settings: cur, tenant_id: 'tenants' },
    ])
      expect(await codeOf(change('r_1', wrong)), JSON.stringify(wrong)).to.equal('PARAMETER_INVALID')
    expect(await codeOf(change('r_1', { settings: cur, tenant_id: 'nobody' }))).to.equal('TENANT_UNKNOWN')
    expect(await codeOf(change('r_1', { action: 'delete' }))).to.equal('NOT_FOUND')
  })
})
