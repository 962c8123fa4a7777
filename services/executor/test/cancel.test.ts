/**
 * What a cancelled run leaves behind, on the embedded warehouse: two executors beside each other, as two replicas are,
 * over one engine.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import type { Outgoing } from '@convergence/bus'
import type { Run, StepCompleted } from '@convergence/contracts'
import { openEngine } from '@convergence/local-warehouse'
import { firstSteps } from '@convergence/pipeline'
import { openSteps } from '@convergence/service/steps'
import { openWarehouse, type WarehousePort } from '@convergence/warehouse'
import { onRunFailed } from '../src/consumers/run-failed.ts'
import { onStepCompleted } from '../src/consumers/step-completed.ts'
import { bqEtl } from '../src/processors/gcp/bq_etl.ts'
import { dataset } from '../src/processors/setup/dataset.ts'
import { bootstrap } from '../src/processors/setup/initial.ts'
import { openStore } from '../src/store.ts'
import { conclusions, contextOf, delivery, makeRun, makeStep, shared_sources } from './fakes.ts'

/** Takes minutes, unless it is stopped. */
const long =
  'SELECT COUNTIF(MOD(a * b, c) = 1) AS n FROM UNNEST(GENERATE_ARRAY(1, 10000)) AS a, UNNEST(GENERATE_ARRAY(1, ' +
  '10000)) AS b, UNNEST(GENERATE_ARRAY(1, 10000)) AS c'
const etl = (step_id: string, query: string) =>
  makeStep(step_id, {
    ps_type: 'gcp.bq_etl',
    config: {
      source: { bq_project_id: 'local-convergence', query, parameters: [] },
      destination: { bq_project_id: 'local-convergence', dataset_type: 'acme', table: 'numbers', write_mode: 'append' },
    },
  })
const running = (run_id: string, query: string): Run =>
  makeRun({ run_id, steps: [etl('s0', query), etl('s1', 'SELECT 2 AS n')] })
const here = (step_id: string) => [{ step_id, host: 'executor' }] as const
const stepOf = (events: readonly Outgoing[] | undefined): StepCompleted => {
  const [event, ...others] = events ?? []
  if (event?.topic !== 'step-completed' || others.length > 0) throw new Error('expected one step-completed')
  return event.event
}

const withReplicas = async (body: (world: Awaited<ReturnType<typeof open>>) => Promise<void>) => {
  const world = await open()
  try {
    await body(world)
  } finally {
    await world.end()
  }
}
const open = async () => {
  const folder = mkdtempSync(join(tmpdir(), 'convergence-cancel-'))
  const engine = await openEngine({ folder, project_id: 'local-convergence' })
  const now = () => new Date('2026-01-02T00:00:00Z')
  const replica = (port: WarehousePort) => {
    const warehouse = openWarehouse({ engine: port, random: () => 0 })
    const store = openStore({ warehouse, now })
    const steps = openSteps({
      service: 'executor',
      processors: { 'gcp.bq_etl': bqEtl({ warehouse, store, shared_sources }) },
      now,
      random: () => 0,
    })
    const failed = onRunFailed({ store, steps, warehouse })
    const completed = onStepCompleted({ store, steps })
    return {
      store,
      start: (run: Run, step_id = 's0') => steps.host(run, here(step_id), delivery).then(stepOf),
      host: (run: Run, step_id = 's0') => steps.host(run, here(step_id), delivery),
      /** The message about a step, acknowledged: what follows it here, when everything is recorded. */
      tell: async (event: StepCompleted) => {
        const records: Promise<unknown>[] = []
        const follows = await completed(event, {
          ...delivery,
          beforeAck: (work) => {
            records.push(work)
          },
        })
        await Promise.all(records)
        return follows
      },
      cancel: (run: Run) =>
        failed(
          {
            run,
            status: 'CANCELLED',
            error: { code: 'CANCELLED', message: 'the run was cancelled' },
            ended_at: '2026-01-02T00:00:02Z',
          },
          delivery,
        ),
    }
  }
  const warehouse = openWarehouse({ engine, random: () => 0 })
  await bootstrap(warehouse, {})
  await dataset({ warehouse, shared_sources }).run(
    contextOf(
      makeRun({ tenant_id: 'system', pipeline: 'setup/tenants/onboarding' }),
      makeStep('dataset', { config: { tenant_id: 'acme' } }),
    ),
  )
  return {
    replica: () => replica(engine),
    /** One whose wish to cancel is not heard in time. */
    lateReplica: () => replica({ ...engine, cancel: () => Promise.resolve() }),
    atWork: async (...runs: Run[]) => {
      for (const { run_id } of runs)
        while ((await engine.get(`run-${run_id}-s0-a0`)) === undefined)
          await new Promise((resolve) => setTimeout(resolve, 5))
    },
    numbers: async () => {
      const { referenced_tables } = await warehouse
        .dryRun({ query: 'SELECT n FROM acme.numbers' })
        .catch(() => ({ referenced_tables: [] }))
      return referenced_tables.length === 0
        ? []
        : (await warehouse.query({ query: 'SELECT n FROM acme.numbers ORDER BY n' })).map(({ n }) => n)
    },
    end: async () => {
      await warehouse.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

describe('a cancelled run', () => {
  it('leaves no row of a long query behind, frees the engine for others soon, and starts nothing more', () =>
    withReplicas(async ({ replica, atWork, numbers }) => {
      const { start, host, tell, cancel, store } = replica()
      // As many as the engine runs at a time, and one that waits for them.
      const runs = ['r_a', 'r_b', 'r_c'].map((run_id) => running(run_id, long))
      const going = runs.map((run) => start(run))
      const other = start(running('r_other', 'SELECT 1 AS n'))
      await atWork(...runs)
      await Promise.all(runs.map(cancel))
      for (const event of await Promise.all(going)) {
        expect([event.conclusion, event.error?.code, event.next]).to.deep.equal(['FAILED', 'CANCELLED', []])
        expect(await tell(event)).to.deep.equal([])
        expect(conclusions(await store.recordedSteps(event.run))).to.deep.equal({ s0: 'FAILED' })
      }
      expect((await other).conclusion).to.equal('SUCCEEDED')
      // Its message comes again, or the one of the step after it.
      for (const run of runs) expect([await host(run), await host(run, 's1')]).to.deep.equal([[], []])
      expect(await numbers()).to.deep.equal([1])
    }))

  it('stops in the replica that runs it when another one hears of it', () =>
    withReplicas(async ({ replica, atWork, numbers }) => {
      const [one, other] = [replica(), replica()]
      const run = running('r_a', long)
      const going = one.start(run)
      await atWork(run)
      await other.cancel(run)
      const event = await going
      expect([event.conclusion, event.attempt, event.error?.code, event.next]).to.deep.equal([
        'FAILED',
        0,
        'CANCELLED',
        [],
      ])
      // The message comes again where nobody remembers: the job's id is taken, by its failure.
      expect((await replica().start(run)).error?.code).to.equal('CANCELLED')
      await other.cancel(run)
      expect(await numbers()).to.deep.equal([])
    }))

  it('keeps what had finished: recorded as SUCCEEDED, so that a resume does not run it again', () =>
    withReplicas(async ({ replica, lateReplica, atWork, numbers }) => {
      const { start, tell, cancel, store } = lateReplica()
      const run = running(
        'r_a',
        'SELECT 1 + 0 * SUM(a * b) AS n FROM UNNEST(GENERATE_ARRAY(1, 3000)) AS a, UNNEST(GENERATE_ARRAY(1, ' +
          '3000)) AS b',
      )
      const going = start(run)
      await atWork(run)
      await cancel(run)
      const event = await going
      expect([event.conclusion, event.rows_written, event.next]).to.deep.equal(['SUCCEEDED', 1, here('s1')])
      expect(await tell(event), 'what follows').to.deep.equal([])
      const recorded = await store.recordedSteps(run)
      expect(conclusions(recorded)).to.deep.equal({ s0: 'SUCCEEDED' })

      const resumed: Run = { ...run, run_id: 'r_resumed', parent_run_id: run.run_id, skip: [...recorded.keys()] }
      expect(firstSteps(resumed)).to.deep.equal(here('s1'))
      await replica().start(resumed, 's1')
      await cancel(run)
      expect(await numbers()).to.deep.equal([1, 2])
    }))
})
