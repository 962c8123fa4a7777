import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import type { AppError } from '@convergence/contracts'
import { openLog } from '@convergence/service'
import { apply, sideOf } from '../apply.ts'
import { openLocalCloud } from '../local-cloud.ts'

/** A local cloud whose topics are there, as at its start, and whose warehouse is empty. */
const setup = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'convergence-apply-'))
  const cloud = await openLocalCloud({
    data_folder: folder,
    project_id: 'local-convergence',
    log: openLog({ service: 'test', level: 'error' }),
  })
  const fronts = await cloud.openFronts({ pubsub: 0, bigquery: 0 })
  return {
    cloud,
    side: sideOf(fronts.env),
    close: async () => {
      await fronts.close()
      await cloud.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

describe('apply', () => {
  it('a dry run makes nothing; the first run makes what is missing, the second finds all of it there', async () => {
    const { cloud, side, close } = await setup()
    try {
      await cloud.broker.deleteSubscription('executor.run-admitted')
      await cloud.broker.deleteTopic('scheduler.run-requested.dead')
      await cloud.broker.deleteSubscription('scheduler.run-requested.dead')
      const missing = (done: Awaited<ReturnType<typeof apply>>) =>
        done.filter(({ was_there }) => !was_there).map(({ kind, name }) => `${kind} ${name}`)
      const planned = missing(await apply(side, { dry_run: true }))
      expect(planned).to.include.members([
        'topic scheduler.run-requested.dead',
        'subscription scheduler.run-requested.dead',
        'subscription executor.run-admitted',
        'dataset tenants',
        'table tenants.run_ledger',
      ])
      expect(planned.filter((name) => /^(topic|subscription)/.test(name))).to.have.length(3)
      expect(await cloud.broker.getSubscription('executor.run-admitted')).to.equal(undefined)
      expect(await cloud.engine.getDataset('tenants')).to.equal(undefined)
      expect(missing(await apply(side, { dry_run: false }))).to.deep.equal(planned)
      const again = await apply(side, { dry_run: false })
      expect(missing(again)).to.deep.equal([])
      expect(again.map(({ kind }) => kind)).to.include.members(['topic', 'subscription', 'dataset', 'table', 'view'])
      expect((await cloud.broker.getSubscription('executor.run-admitted'))?.deadLetterPolicy?.topic).to.equal(
        'executor.run-admitted.dead',
      )
    } finally {
      await close()
    }
  })

  it('tells every wrong setting at once', () => {
    try {
      sideOf({ RUNTIME: 'gcp', GCP_PROJECT_ID: 'A', PUBSUB_EMULATOR_HOST: 'x:1' })
      expect.fail('accepted')
    } catch (error) {
      expect((error as AppError).faults.map((fault) => fault.split(' ')[0])).to.deep.equal([
        'GCP_PROJECT_ID',
        'BIGQUERY_LOCATION',
        'PUBSUB_EMULATOR_HOST',
      ])
    }
  })
})
