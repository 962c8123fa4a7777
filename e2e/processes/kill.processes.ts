/**
 * Fault tests of processes that die or stand still (reliability.md, section 6): whatever is killed and when, no
 * accepted run is lost, none
 * has two ends, every effect is there once, and usage is the recount. KILL_SEED, KILL_RUNS and KILL_TIMES make it
 * another or a longer one.
 */
import { expect } from 'chai'
import type { ServiceName } from '@convergence/contracts'
import { openClient } from '@convergence/tools/client'
import type { ServiceProcess } from '../../tools/processes.ts'
import { seeded } from '../test/world.ts'
import { assertWhole, inProcessesWorld, say, submitter } from './faults.ts'

describe('killed processes', function () {
  this.timeout(600_000)

  it('loses and doubles nothing when any process is killed with kill -9 at any moment', () =>
    inProcessesWorld({}, async (world) => {
      const seed = Number(process.env['KILL_SEED'] ?? 7)
      const [runs, times] = [Number(process.env['KILL_RUNS'] ?? 200), Number(process.env['KILL_TIMES'] ?? 24)]
      const random = seeded(seed)
      const key = await world.onboard('acme_corp')
      const { submit, accepted } = submitter(world, key)
      const killed: Record<string, number> = {}
      const submitting = (async () => {
        for (let n = 0; n < runs; n += 10) {
          await Promise.all(Array.from({ length: Math.min(10, runs - n) }, (_, at) => submit(`kill-${n + at}`)))
          await new Promise((resolve) => setTimeout(resolve, random() * 1_500))
        }
      })()
      const processes = [...world.all.services, world.all.cloud]
      for (let at = 0; at < times; at += 1) {
        await new Promise((resolve) => setTimeout(resolve, random() * 1_500))
        // The local cloud, which is broker, warehouse and keys at once, is one of eleven and as likely as each of the
        // others.
        const each = processes[Math.floor(random() * processes.length)] as ServiceProcess
        killed[each.name] = (killed[each.name] ?? 0) + 1
        each.kill('SIGKILL')
        await each.ended()
        await each.restart()
      }
      await submitting
      await assertWhole(world, key, accepted, `seed ${seed}`)
      say(
        `seed ${seed}: ${runs} runs, kills ${Object.entries(killed)
          .map(([name, count]) => `${name} ${count}`)
          .join(', ')}`,
      )
    }))

  it('loses and doubles nothing when broker, warehouse and keys die together, again and again', () =>
    inProcessesWorld({}, async (world) => {
      const random = seeded(Number(process.env['KILL_SEED'] ?? 1))
      const key = await world.onboard('acme_corp')
      const { submit, accepted } = submitter(world, key)
      let [asked, over] = [0, false]
      const submitting = (async () => {
        while (!over) {
          await Promise.all(Array.from({ length: 10 }, () => submit(`cloud-${(asked += 1)}`)))
          await new Promise((resolve) => setTimeout(resolve, random() * 800))
        }
      })()
      const deaths = 10
      try {
        for (let at = 0; at < deaths; at += 1) {
          // Answers of commits are lost on the way, and the warehouse that is asked for them is another process.
          await new Promise((resolve) => setTimeout(resolve, random() * 2_500))
          world.all.cloud.kill('SIGKILL')
          await world.all.cloud.ended()
          await world.all.cloud.restart()
        }
      } finally {
        over = true
        await submitting
      }
      await assertWhole(world, key, accepted)
      say(`${deaths} deaths of the local cloud under ${accepted.size} runs`)
    }))

  it('loses and doubles nothing when each service is killed at each named point: before it publishes, after it, before it acknowledges', () =>
    inProcessesWorld({}, async (world) => {
      const key = await world.onboard('acme_corp')
      const { submit, accepted } = submitter(world, key)
      const points = ['before-publish', 'after-publish', 'before-ack'] as const
      // The notifier is told of failed runs and of runs that ask for it; auth reads nothing but its feed, and what
      // others publish to it.
      const names: readonly ServiceName[] = ['scheduler', 'executor']
      let asked = 0
      for (const point of points)
        for (const name of names) {
          const victims = [0, 1].map((replica) => world.process(name, replica))
          for (const victim of victims) victim.send({ die_at: point })
          // Work comes until both have died: whichever gets a message dies there, and is started again.
          let down = 0
          const fallen = Promise.all(
            victims.map(async (victim) => {
              expect(await victim.ended(), `${name} at ${point}`).to.deep.equal({ code: null, signal: 'SIGKILL' })
              down += 1
              await victim.restart()
            }),
          )
          while (down < victims.length) {
            asked += 1
            await submit(`point-${asked}`)
            await new Promise((resolve) => setTimeout(resolve, 100))
          }
          await fallen
        }
      await assertWhole(world, key, accepted)
      say(`${points.length * names.length * 2} deaths at ${points.join(', ')} of ${names.join(' and ')}, ${asked} runs`)
    }))

  it('fences a process that stands still past its lease and wakes up again', () =>
    inProcessesWorld({}, async (world) => {
      const key = await world.onboard('acme_corp')
      const { submit, accepted } = submitter(world, key)
      const frozen = [world.process('executor', 0), world.process('scheduler', 0)]
      await Promise.all(Array.from({ length: 10 }, (_, at) => submit(`before-${at}`)))
      const began = performance.now()
      for (const each of frozen) each.kill('SIGSTOP')
      await Promise.all(Array.from({ length: 30 }, (_, at) => submit(`while-${at}`)))
      // What they held comes to the others when its lease is over; all ends while they stand still.
      await assertWhole(world, key, accepted)
      const still = performance.now() - began
      for (const each of frozen) each.kill('SIGCONT')
      await Promise.all(Array.from({ length: 10 }, (_, at) => submit(`after-${at}`)))
      await assertWhole(world, key, accepted)
      for (const each of frozen) expect(each.running).to.equal(true)
      say(`executor.0 and scheduler.0 stood still for ${Math.round(still / 1000)} s while 30 runs came`)
    }))

  it('stops in order under load: exit code 0 within its grace, no run fails, what it held is finished by the other', () =>
    inProcessesWorld({}, async (world) => {
      const key = await world.onboard('acme_corp')
      const { submit, accepted } = submitter(world, key)
      const submitting = Promise.all(Array.from({ length: 50 }, (_, at) => submit(`term-${at}`)))
      const took: Record<string, number> = {}
      const stopped = world.all.services.filter(({ replica }) => replica === 0)
      await Promise.all(
        stopped.map(async (each) => {
          const began = performance.now()
          each.kill('SIGTERM')
          expect(await each.ended(), each.name).to.deep.equal({ code: 0, signal: null })
          took[each.name] = Math.round(performance.now() - began)
        }),
      )
      await submitting
      await assertWhole(world, key, accepted)
      say(
        `SIGTERM to one of two of each under ${accepted.size} runs: ${Object.entries(took)
          .map(([name, ms]) => `${name} ${ms} ms`)
          .join(', ')}`,
      )
    }))

  it('is updated replica by replica under load without a failed request or run, twice', () =>
    inProcessesWorld({}, async (world) => {
      const key = await world.onboard('acme_corp')
      // A load balancer: asks who is ready before it sends, and never the one that is not.
      const ready = new Set(world.all.urls)
      const refused: string[] = []
      const accepted = new Map<string, string>()
      let over = false
      let asked = 0
      const load = (async () => {
        while (!over) {
          asked += 1
          const url = [...ready][asked % ready.size] ?? ''
          try {
            const { body } = await openClient(url).call(
              'POST',
              '/api/v1/pipelines/run/acme_corp/custom/examples/append_row',
              { key, body: {}, headers: { 'Idempotency-Key': `roll-${asked}` }, expect: [202] },
            )
            accepted.set(`roll-${asked}`, String(body['pipeline_logging_id']))
          } catch (error) {
            refused.push(error instanceof Error ? error.message : String(error))
          }
          await new Promise((resolve) => setTimeout(resolve, 150))
        }
      })()
      try {
        for (let round = 0; round < 2; round += 1)
          for (const each of world.all.services) {
            const { url } = each
            // Out of the balancer first: preStop gives it the time that this takes.
            if (url !== undefined) ready.delete(url)
            await each.restart()
            if (url !== undefined) {
              expect((await fetch(`${url}/health/ready`)).status, each.name).to.equal(200)
              ready.add(url)
            }
          }
      } finally {
        over = true
        await load
      }
      expect(refused).to.deep.equal([])
      await assertWhole(world, key, accepted)
      say(`20 restarts under ${asked} requests, none failed`)
    }))
})
