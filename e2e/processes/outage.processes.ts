/**
 * Fault tests of what cannot be reached (reliability.md, section 6, tests 20 to 22): Pub/Sub or BigQuery are away for
 * two minutes, or for one
 * service alone. What was accepted is finished after healing; what cannot be accepted is told so, with the time to come
 * back.
 * OUTAGE_SECONDS makes it shorter or longer.
 */
import { expect } from 'chai'
import { assertWhole, inProcessesWorld, say, submitter } from './faults.ts'
import type { ProcessesWorld } from './world.ts'

const outageMs = Number(process.env['OUTAGE_SECONDS'] ?? 120) * 1000
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Health of each process, asked until the outage is over. */
const watchHealth = (world: ProcessesWorld) => {
  const live = new Set<number>()
  const notReady = new Set<string>()
  let over = false
  const watching = (async () => {
    while (!over) {
      await Promise.all(
        world.all.services.map(async ({ name, replica, management_port }) => {
          const at = `http://127.0.0.1:${management_port}`
          live.add((await fetch(`${at}/health/live`).catch(() => ({ status: 0 }))).status)
          if ((await fetch(`${at}/health/ready`).catch(() => ({ status: 0 }))).status !== 200)
            notReady.add(`${name}.${replica}`)
        }),
      )
      await wait(1_000)
    }
  })()
  return {
    live,
    notReady,
    stop: async () => {
      over = true
      await watching
    },
  }
}

describe('outages', function () {
  this.timeout(600_000)

  for (const door of ['pubsub', 'bigquery'] as const) {
    it(`${door === 'pubsub' ? 'Pub/Sub' : 'BigQuery'} away for ${outageMs / 1000} s: no process ends, no accepted run is lost, all finish after it`, () =>
      inProcessesWorld({}, async (world) => {
        const key = await world.onboard('acme_corp')
        const { submit, accepted, answers, retryAfter } = submitter(world, key)
        const pids = world.all.services.map(({ pid }) => pid)
        const before = Promise.all(Array.from({ length: 40 }, (_, at) => submit(`before-${at}`)))
        await wait(300)
        const gates = world.gates(door)
        for (const gate of gates) gate.shut()
        const health = watchHealth(world)
        const during = Promise.all(Array.from({ length: 10 }, (_, at) => submit(`during-${at}`)))
        await wait(outageMs)
        await health.stop()
        for (const gate of gates) gate.open()
        await Promise.all([before, during])
        const healed = performance.now()
        await assertWhole(world, key, accepted)
        // A liveness that went red would have been a restart of everything, for nothing.
        expect([...health.live]).to.deep.equal([200])
        expect(world.all.services.map(({ pid }) => pid)).to.deep.equal(pids)
        if (door === 'bigquery' && outageMs >= 90_000)
          expect([...health.notReady].filter((name) => name.startsWith('auth'))).to.have.length(2)
        // What could not be made durable was refused with the time to come back.
        expect(
          Object.keys(answers)
            .map(Number)
            .filter((status) => status !== 0 && status !== 503 && status !== 504),
        ).to.deep.equal([])
        expect(retryAfter.filter((value) => !/^\d+$/.test(value))).to.deep.equal([])
        say(
          `${accepted.size} runs; answers meanwhile ${JSON.stringify(answers)}; ` +
            `not ready: ${[...health.notReady].sort().join(', ') || 'none'}; ` +
            `all done ${Math.round((performance.now() - healed) / 1000)} s after healing`,
        )
      }))
  }

  for (const [door, other] of [
    ['pubsub', 'BigQuery'],
    ['bigquery', 'Pub/Sub'],
  ] as const) {
    it(`the scheduler sees ${other} and not ${door === 'pubsub' ? 'Pub/Sub' : 'BigQuery'}: no admission is lost or made twice`, () =>
      inProcessesWorld({}, async (world) => {
        const key = await world.onboard('acme_corp')
        const { submit, accepted } = submitter(world, key)
        const gates = world.gates(door, 'scheduler')
        for (let round = 0; round < 4; round += 1) {
          const submitting = Promise.all(Array.from({ length: 15 }, (_, at) => submit(`round-${round}-${at}`)))
          await wait(150 + round * 100)
          for (const gate of gates) gate.shut()
          await submitting
          await wait(4_000)
          for (const gate of gates) gate.open()
          await wait(1_500)
        }
        await assertWhole(world, key, accepted)
        say(`${accepted.size} runs, four cuts of the schedulers from ${door}`)
      }))
  }

  it('who watches through either auth sees each event of a run once, in order, though the other one was asked and its connections break', () =>
    inProcessesWorld({}, async (world) => {
      const key = await world.onboard('acme_corp')
      const eventsAt = async (url: string, id: string): Promise<string[]> => {
        const names: string[] = []
        let last = ''
        while (names.at(-1) !== 'run-completed') {
          // Broken off on purpose after three events, as a load balancer does; the next connection goes on where it
          // was, at the other replica.
          const broken = new AbortController()
          const answer = await fetch(`${url}/api/v1/pipelines/runs/${id}/events`, {
            headers: { 'X-API-Key': key, ...(last === '' ? {} : { 'Last-Event-ID': last }) },
            signal: broken.signal,
          })
          expect(answer.status).to.equal(200)
          let text = ''
          let got = 0
          try {
            for await (const chunk of answer.body ?? []) {
              text += Buffer.from(chunk as Uint8Array).toString()
              for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
                const event = /^event: (.*)$/m.exec(text.slice(0, end))?.[1]
                if (event !== undefined) {
                  names.push(event)
                  last = /^id: (.*)$/m.exec(text.slice(0, end))?.[1] ?? last
                  got += 1
                }
                text = text.slice(end + 2)
                if (got === 3) broken.abort()
              }
            }
          } catch {
            url = world.all.urls.find((each) => each !== url) ?? url
          }
        }
        return names
      }
      const ids = await Promise.all(
        Array.from({ length: 12 }, () => world.start(key, 'acme_corp', 'custom/bench/three_steps')),
      )
      const expected = [
        'run-requested',
        'run-admitted',
        'step-completed',
        'step-completed',
        'step-completed',
        'run-completed',
      ]
      const seen = await Promise.all(ids.flatMap((id) => world.all.urls.map((url) => eventsAt(url, id))))
      for (const names of seen) expect(names).to.deep.equal(expected)
      // And long afterwards, from what was recorded.
      for (const url of world.all.urls) expect(await eventsAt(url, String(ids[0]))).to.deep.equal(expected)
      say(`${seen.length} watchers of ${ids.length} runs, each broken off once and continued at the other auth`)
    }))
})
