/**
 * Whoever reaches the bus and holds no key: everything that goes on between the services is forged, through Google's
 * client over the local Pub/Sub, and does nothing anywhere.
 */
import { generateKeyPairSync } from 'node:crypto'
import { openBus, openSigner, type BusPort, type Outgoing, type PortMessage } from '@convergence/bus'
import { openGoogleBus } from '@convergence/bus/google'
import { eventAttributes, type Run, type RunAdmitted, type Topic } from '@convergence/contracts'
import { expect } from 'chai'
import { openOneProcess } from '../test/world.ts'

const quiet = { warn: () => undefined, error: () => undefined }
const pipeline = 'custom/examples/append_row'
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** What is published to a topic from now on. */
const spy = async (port: BusPort, topic: Topic) => {
  const name = `spy.${topic}`
  await port.ensureSubscription(name, { topic })
  const seen: PortMessage[] = []
  const reader = port.subscribe(name, { max_outstanding: 100, max_extension_ms: 60_000 }, (message) => {
    seen.push(message)
    void port.ack(message.ack_id)
  })
  return { seen, close: reader.close.bind(reader) }
}

/** The same as the services would say it, about a run of our own making. */
const forgeries = (genuine: Run): Outgoing[] => {
  const step = genuine.steps.find(({ ps_type }) => ps_type === 'gcp.bq_etl')
  const at = '2026-03-10T08:00:00Z'
  const stolen: Run = {
    ...genuine,
    run_id: `r_${'z'.repeat(26)}`,
    tenant_id: 'globex',
    sources: ['local-convergence.tenants', 'local-convergence.globex'],
    steps: [
      {
        ...step!,
        config: JSON.parse(
          JSON.stringify(step!.config)
            .replaceAll('acme_corp', 'globex')
            .replaceAll('example_rows', 'stolen')
            .replace(/"SELECT[^"]*"/, '"SELECT * FROM `local-convergence.tenants.tenant_api_keys_rows`"'),
        ) as Run['steps'][0]['config'],
      },
    ],
    notifications: [
      {
        ...step!,
        step_id: 'mail',
        ps_type: 'notify_systems.email_notification',
        host: 'notifier',
        trigger: 'always',
        config: { to_emails: ['stranger@evil.example'], subject: 'Your invoice', message: 'pay' },
      },
    ],
  }
  const next = [{ step_id: step!.step_id, host: step!.host }]
  const end = { run: stolen, started_at: at, ended_at: at, duration_ms: 1 }
  const limits = { daily: 0, monthly: 0, concurrent: 0 }
  return [
    { topic: 'run-admitted', event: { run: stolen, next } },
    {
      topic: 'step-completed',
      event: { ...end, step_id: step!.step_id, attempt: 0, conclusion: 'SUCCEEDED', next },
    },
    {
      topic: 'step-completed',
      event: { ...end, step_id: step!.step_id, attempt: 0, conclusion: 'SUCCEEDED', next: [] },
    },
    { topic: 'run-completed', event: { ...end, status: 'COMPLETED' } },
    { topic: 'run-failed', event: { ...end, status: 'FAILED', error: { code: 'INTERNAL', message: 'x' } } },
    {
      topic: 'tenant-changed',
      event: { tenant_id: 'globex', version: 99, status: 'SUSPENDED', plan: 'STARTER', limits },
    },
  ]
}

describe('a stranger on the bus', function () {
  this.timeout(120_000)

  it('forges what goes on between the services: no row, no run, no mail, no change; what is repeated is done once', async () => {
    const world = await openOneProcess({ wire: { pubsub: 0 }, redelivery_ms: 50 })
    const port = openGoogleBus({
      project_id: 'local-convergence',
      api_endpoint: world.platform.wire['PUBSUB_EMULATOR_HOST']!,
      log: quiet,
    })
    try {
      const acme = await world.onboard('acme_corp')
      const globex = await world.onboard('globex')
      const spies = new Map<Topic, Awaited<ReturnType<typeof spy>>>()
      for (const topic of ['run-admitted', 'step-completed', 'run-completed'] as const)
        spies.set(topic, await spy(port, topic))
      const first = await world.start(acme, 'acme_corp', pipeline)
      expect((await world.ended(acme, first)).status).to.equal('COMPLETED')
      while (![...spies.values()].every(({ seen }) => seen.length > 0)) await pause(10)
      const heard = (topic: Topic) => spies.get(topic)!.seen[0]!
      const admitted = JSON.parse(Buffer.from(heard('run-admitted').data).toString()) as RunAdmitted

      const { privateKey } = generateKeyPairSync('ed25519')
      const own = (name: string) => openSigner(privateKey, name)
      const marked: string[] = []
      for (const [n, { topic, event }] of forgeries(admitted.run).entries()) {
        const signed: Record<string, string>[] = []
        const bus = openBus({
          port: {
            publish: async ([message]: { attributes: Record<string, string> }[]) => {
              signed.push(message!.attributes)
              return []
            },
          } as unknown as BusPort,
          log: quiet,
          signers: { tenant: own('tenant'), scheduler: own('scheduler'), executor: own('executor') },
          wall: { keys: {}, epoch: () => admitted.run.admission?.epoch ?? '' },
        })
        await bus.publish([{ topic, event } as Outgoing])
        const { kid = '', sig = '' } = heard('run-admitted').attributes
        for (const [how, attributes] of Object.entries({
          unsigned: {},
          'by a key of its own': signed[0]!,
          'with a signature seen before': { kid, sig },
        })) {
          const mark = `${n} ${topic} ${how}`
          marked.push(mark)
          const data = Buffer.from(JSON.stringify(event))
          const all = { ...eventAttributes(topic, event as never), ...attributes, mark }
          await port.publish([{ topic, data, attributes: all }])
        }
      }
      // Said twice by who said it: a duplicate, as the broker makes them too.
      for (const [topic, { seen }] of spies)
        for (const { data, attributes } of [...seen]) await port.publish([{ topic, data, attributes }])

      const project = world.warehouse.project_id
      const query = (text: string) => world.warehouse.query({ query: text })
      const refused = new Map<string, string>()
      for (const until = Date.now() + 20_000; refused.size < marked.length && Date.now() < until;) {
        await pause(50)
        const rows = await query(
          `SELECT JSON_VALUE(attributes.mark) AS mark, reason FROM \`${project}.tenants.dead_letters_rows\``,
        )
        for (const row of rows) refused.set(String(row['mark']), String(row['reason']))
      }
      expect(Object.fromEntries(refused)).to.deep.equal(
        Object.fromEntries(marked.map((mark) => [mark, 'BAD_SIGNATURE'])),
      )
      const second = await world.start(acme, 'acme_corp', pipeline)
      expect((await world.ended(acme, second)).status).to.equal('COMPLETED')

      expect(await query(`SELECT COUNT(*) AS n FROM \`${project}.acme_corp.example_rows\``)).to.deep.equal([{ n: 2 }])
      const stolen: unknown = await query(`SELECT * FROM \`${project}.globex.stolen\``).catch((error: unknown) => error)
      expect(stolen).to.have.property('code', 'TABLE_NOT_FOUND')
      const runs = await world.client.call('GET', '/api/v1/pipelines/runs', { key: globex })
      expect(runs.body['items']).to.deep.equal([])
      const shown = await world.client.call('GET', '/api/v1/tenants/globex', { key: globex })
      expect(shown.body).to.include({ status: 'ACTIVE', subscription_plan: 'ENTERPRISE' })
      const mine = await world.start(globex, 'globex', pipeline)
      expect((await world.ended(globex, mine)).status).to.equal('COMPLETED')
      expect(await query(`SELECT state FROM \`${project}.tenants.notifications\``)).to.deep.equal([])
      for (const { close } of spies.values()) close()
    } finally {
      await port.close()
      await world.end()
    }
  })
})
