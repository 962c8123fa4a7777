/** Schedules whose runs wait for one another, through the whole platform. */
import { expect } from 'chai'
import type { World } from '../operations.ts'
import { openOneProcess } from './world.ts'

interface Listed {
  pipeline_logging_id: string
  trigger_type: string
  status: string
  start_time: string
  end_time: string
}

describe('a schedule with overlap', function () {
  this.timeout(60_000)

  let world: World
  before(async () => {
    world = await openOneProcess()
  })
  after(() => world.end())

  it('queue has its runs one after the other, also those that it makes up for at once', async () => {
    const key = await world.onboard('acme_corp')
    const made = await world.client.call('PUT', '/api/v1/tenants/acme_corp/schedules/each_minute', {
      key,
      body: { pipeline: 'custom/bench/three_steps', cron: '* * * * *', missed: 'all', overlap: 'queue' },
      expect: [200],
    })
    expect(made.body['overlap']).to.equal('queue')
    world.shiftClock(Date.parse(String(made.body['next_run_time'])) + 4 * 60_000 - Date.now())
    await Promise.all([world.tick(), world.tick()])
    const ofClock = async () => {
      const { items } = (await world.client.call('GET', '/api/v1/pipelines/runs', { key })).body as {
        items: Listed[]
      }
      return items.filter(({ trigger_type }) => trigger_type === 'schedule')
    }
    let runs = await ofClock()
    while (runs.length < 4 || runs.some(({ status }) => status !== 'COMPLETED')) {
      await new Promise((resolve) => setTimeout(resolve, 50))
      runs = await ofClock()
    }
    const inOrder = runs.toSorted((a, b) => (a.start_time < b.start_time ? -1 : 1))
    for (const [k, run] of inOrder.entries()) {
      const before = inOrder[k - 1]
      if (before !== undefined) expect(run.start_time >= before.end_time, run.start_time).to.equal(true)
    }
  })
})
