/**
 * What every processor of this service promises, checked with one call: its template, its registry line and its example
 * agree; faults of its config are worded with their place; the example runs on the embedded engines, delivered twice
 * with one effect; another tenant's data is out of its reach.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { systemTenant, type Run, type StepCompleted } from '@convergence/contracts'
import { openBuckets } from '@convergence/local-objects'
import { openEngine } from '@convergence/local-warehouse'
import type { Store } from '@convergence/objects'
import { checkFiles, loadPipelines, templatesFolder } from '@convergence/pipeline'
import { openSteps } from '@convergence/service/steps'
import { openWarehouse, type Warehouse } from '@convergence/warehouse'
import type { ProcessorDeps } from '../src/processors/deps.ts'
import { processors } from '../src/processors/registry.ts'
import { bootstrap } from '../src/processors/setup/initial.ts'
import { openLoadStates } from '../src/load-state.ts'
import { openStore } from '../src/store.ts'
import { delivery, shared_sources } from './fakes.ts'

/** The tenant whose run the example is, and one that it has nothing to do with. */
const tenant_id = 'acme_corp'
const other = 'globex'
const project_id = 'local-convergence'
const requested_at = '2026-01-02T00:00:00.000Z'

export interface ProcessorCase {
  ps_type: string
  /** What the run of the example is asked with. */
  parameters?: Run['parameters']
  /** What the example finds in the stores and in the tenant's dataset; default: nothing. */
  prepare?: (world: ProcessorWorld) => Promise<void> | void
  /** Of the step of the example; default: it says nothing about rows. */
  rows_written?: number
}
export interface ProcessorWorld {
  /** The embedded one, with the central tables and a dataset for each of two tenants. */
  warehouse: Warehouse
  /** Puts an object into a bucket folder. */
  put(store: Store, bucket: string, key: string, content: string | Buffer): void
}
interface OpenWorld extends ProcessorWorld {
  /** One delivery of the steps of this kind, as the service has it: by the step runner. */
  deliver(run: Run): Promise<StepCompleted[]>
  /** Jobs that steps have asked for, in order. */
  jobs: { table: string; adopted: boolean }[]
  /** All rows of the tables that jobs wrote and of the results of checks. */
  effects(): Promise<Record<string, string[]>>
}
interface StepSchema {
  required?: string[]
  properties?: Record<string, { type?: string | string[] }>
}

export const processorSuite = (tested: ProcessorCase): void => {
  const { ps_type } = tested
  const path = ps_type.replaceAll('.', '/')
  const folder = join(templatesFolder(), path)
  // Read here too, for what is promised depends on it; that it is in order is the first promise.
  const { templates } = checkFiles({ files: [], project_id, shared_sources })
  const template = templates.get(ps_type)
  const step = (template?.step ?? {}) as StepSchema
  const pipeline = template?.system === true ? 'setup/suite/example' : 'suite/processors/example'
  const checked = (text: string) =>
    inPipelines({ [`${pipeline}.yml`]: text }, (configs_folder) =>
      checkFiles({ configs_folder, project_id, shared_sources }).faults.map(
        ({ line, column, message }) => `${line}:${column} ${message}`,
      ),
    )
  const example = () => readFileSync(join(folder, 'example.yml'), 'utf8')
  const compile = (): Run =>
    inPipelines({ [`${pipeline}.yml`]: example() }, (configs_folder) =>
      loadPipelines({ configs_folder, project_id, shared_sources }).compile({
        run_id: `r_${'a'.repeat(26)}`,
        tenant_id: template?.system === true ? systemTenant : tenant_id,
        pipeline,
        parameters: tested.parameters ?? {},
        trigger_type: 'api',
        requested_at,
      }),
    )

  describe(`${ps_type}, as every processor`, function () {
    this.timeout(120_000)

    it('has its code, its registry line and its template under one name', () => {
      const hosted = processors({} as ProcessorDeps)
      expect(hosted[ps_type]?.ps_type, 'services/executor/src/processors/registry.ts').to.equal(ps_type)
      expect(template?.host, `ps_templates/${path}/config.yml`).to.equal('executor')
      expect(template?.folder).to.equal(folder)
      expect(existsSync(join(import.meta.dirname, '../src/processors', `${path}.ts`)), `${path}.ts`).to.equal(true)
      expect(readFileSync(join(folder, 'README.md'), 'utf8').split('\n')[0]).to.equal(`# ${ps_type}`)
    })

    it('has an example that is a pipeline in order, and compiles', () => {
      expect(checked(example())).to.deep.equal([])
      expect(compile().steps.map((each) => each.ps_type)).to.include(ps_type)
    })

    it('has every fault of its config named with its place, what was expected and what came', () => {
      const wrong = Object.entries(step.properties ?? {}).map(
        ([name, schema]) => [name, wrongFor(schema.type)] as const,
      )
      const text = JSON.stringify(
        {
          pipeline_id: 'wrong_in_all',
          description: 'Every field wrong, then every field missing',
          steps: [
            { step_id: 'wrong', ps_type, ...Object.fromEntries(wrong), no_such_field: 1 },
            { step_id: 'empty', ps_type },
          ],
        },
        null,
        2,
      )
      const lineOf = (start: string) => text.split('\n').findIndex((line) => line.startsWith(start)) + 1
      const faults = checked(text)
      const expected = [
        ...wrong.map(([name]) => `${lineOf(`      "${name}":`)}:\\d+ steps\\[0\\]\\.${name}: expected .+, got .+`),
        `${lineOf('      "no_such_field":')}:\\d+ steps\\[0\\]: unknown field "no_such_field"`,
        ...(step.required ?? []).map((name) => `\\d+:\\d+ steps\\[1\\]: "${name}" is missing`),
      ]
      for (const each of expected) {
        expect(
          faults.filter((fault) => new RegExp(`^${each}`).test(fault)).length,
          `${each} in ${faults.join('\n')}`,
        ).to.be.greaterThan(0)
      }
    })

    it('runs its example, and does it once when the message comes twice', () =>
      inWorld(ps_type, async (world) => {
        await tested.prepare?.(world)
        const run = compile()
        const first = await world.deliver(run)
        expect(first.map(({ conclusion, error }) => error?.message ?? conclusion)).to.deep.equal(
          first.map(() => 'SUCCEEDED'),
        )
        expect(first.at(-1)?.rows_written).to.equal(tested.rows_written)
        const [jobs, effects] = [[...world.jobs], await world.effects()]
        const second = await world.deliver(run)
        const endOf = ({ step_id, conclusion, attempt, rows_written }: StepCompleted) => ({
          step_id,
          conclusion,
          attempt,
          rows_written,
        })
        expect(second.map(endOf)).to.deep.equal(first.map(endOf))
        expect(await world.effects()).to.deep.equal(effects)
        expect(world.jobs.slice(jobs.length)).to.deep.equal(jobs.map(({ table }) => ({ table, adopted: true })))
      }))

    if (step.properties?.['destination'] !== undefined)
      it('refuses a destination in the dataset of another tenant, and writes nothing there', () =>
        inWorld(ps_type, async (world) => {
          await tested.prepare?.(world)
          const run = compile()
          const steps = run.steps.map((each) => {
            const { destination } = each.config as { destination?: object }
            if (each.ps_type !== ps_type || destination === undefined) return each
            return { ...each, config: { ...each.config, destination: { ...destination, dataset_type: other } } }
          })
          const ends = await world.deliver({ ...run, steps })
          expect(ends.map(({ conclusion, error }) => `${conclusion} ${String(error?.code)}`)).to.deep.equal(
            ends.map(() => 'FAILED FORBIDDEN'),
          )
          expect(world.jobs).to.deep.equal([])
        }))
    else if (step.properties?.['tenant_id'] !== undefined)
      it('refuses the run of a tenant that names another', () =>
        inWorld(ps_type, async (world) => {
          const run = compile()
          const steps = run.steps.map((each) => ({ ...each, config: { ...each.config, tenant_id: other } }))
          const ends = await world.deliver({ ...run, tenant_id, steps })
          expect(ends.map(({ error }) => error?.code)).to.deep.equal(ends.map(() => 'FORBIDDEN'))
        }))
    else
      it('takes no destination, so it leads to no tenant', async () => {
        expect(
          Object.keys(step.properties ?? {}).filter((name) => /tenant|dataset_type|table$/.test(name)),
        ).to.deep.equal([])
      })
  })
}

/** A value that no field of this type takes; it stands on one line of JSON. */
const wrongFor = (type: string | readonly string[] = []): unknown => {
  const types = [type].flat()
  if (!types.some((each) => each === 'number' || each === 'integer')) return 424242
  return types.includes('string') ? {} : 'no_such_value'
}

const inFolder = (): string => mkdtempSync(join(tmpdir(), 'convergence-processor-'))
const inPipelines = <T>(files: Readonly<Record<string, string>>, use: (configs_folder: string) => T): T => {
  const folder = inFolder()
  try {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true })
      writeFileSync(join(folder, name), text)
    }
    return use(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The service's doors on the embedded engines, in a folder that is gone afterwards. */
const inWorld = async (ps_type: string, body: (world: OpenWorld) => Promise<void>): Promise<void> => {
  const folder = inFolder()
  // The one folder that the engine reads files from; it makes it.
  const scratch_folder = join(folder, 'scratch')
  const warehouse = openWarehouse({ engine: await openEngine({ folder, project_id }), random: () => 0 })
  const buckets = openBuckets({ folder: join(folder, 'buckets') })
  const now = () => new Date(requested_at)
  const jobs: OpenWorld['jobs'] = []
  const noting: Warehouse = {
    ...warehouse,
    runJob: async (chain, spec) => {
      const result = await warehouse.runJob(chain, spec)
      jobs.push({ table: `${spec.destination.dataset}.${spec.destination.table}`, adopted: result.adopted })
      return result
    },
  }
  try {
    await bootstrap(warehouse, {})
    for (const each of [tenant_id, other])
      await warehouse.ensureDataset(each, { labels: { owner: 'tenant', tenant: each } })
    const store = openStore({ warehouse: noting, now })
    const steps = openSteps({
      service: 'executor',
      processors: processors({
        warehouse: noting,
        objects: buckets,
        store,
        load_states: openLoadStates({ warehouse, now }),
        shared_sources,
        scratch_folder,
      }),
      now,
      random: () => 0,
    })
    await body({
      warehouse,
      jobs,
      put: (name, bucket, key, content) => {
        const path = join(folder, 'buckets', name, bucket, key)
        mkdirSync(dirname(path), { recursive: true })
        writeFileSync(path, content)
      },
      deliver: async (run) => {
        const ends: StepCompleted[] = []
        for (const { step_id, host } of run.steps.filter((each) => each.ps_type === ps_type)) {
          const events = await steps.host(run, [{ step_id, host }], delivery)
          for (const { topic, event } of events) if (topic === 'step-completed') ends.push(event)
        }
        return ends
      },
      effects: async () => {
        const written = jobs.map(({ table }) => table).filter((table) => !table.includes('._checked_'))
        const tables = [...new Set([...written, 'tenants.tenant_dq_results'])].sort()
        const rowsOf = async (table: string) =>
          (await warehouse.query({ query: `SELECT * FROM \`${project_id}.${table}\`` }))
            .map((row) => JSON.stringify(row))
            .sort()
        return Object.fromEntries(await Promise.all(tables.map(async (table) => [table, await rowsOf(table)] as const)))
      },
    })
  } finally {
    await buckets.close()
    await warehouse.close()
    rmSync(folder, { recursive: true, force: true })
  }
}
