import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { AppError, topology, type Run, type ServiceName, type StepCompleted } from '@convergence/contracts'
import { expect } from 'chai'
import { openBus, openSigner, type BusPort, type Outgoing, type PortMessage } from '../src/bus.ts'

const log = { warn: () => undefined, error: () => undefined }
const pairs = Object.fromEntries(
  ['auth', 'tenant', 'scheduler', 'executor', 'stranger'].map((name) => [name, generateKeyPairSync('ed25519')]),
)
const publicKeys: Record<string, KeyObject[]> = Object.fromEntries(
  Object.entries(pairs).map(([name, { publicKey }]) => [name, [publicKey]]),
)
const { stranger: _stranger, ...ourKeys } = publicKeys
const published_at = '2026-03-10T08:00:00Z'

interface Message {
  data: Uint8Array
  attributes: Readonly<Record<string, string>>
  published_at: string
}
/** The bus of a service: `signs` as those, with the keys of `keys`, or of nobody. */
const busOf = (
  signs: Record<string, string>,
  options: {
    keys?: Record<string, KeyObject[]>
    unsigned_before?: string
    epoch?: string
    wall?: boolean
    now?: string
  } = {},
) => {
  const sent: Message[] = []
  const port = {
    publish: async (messages: Message[]) => {
      sent.push(...messages.map((message) => ({ ...message, published_at })))
      return []
    },
  } as unknown as BusPort
  const { keys = ourKeys, unsigned_before, epoch = 'e1', wall = true, now = published_at } = options
  const bus = openBus({
    port,
    log,
    now: () => new Date(now),
    signers: Object.fromEntries(
      Object.entries(signs).map(([name, key]) => [name, openSigner(pairs[key]!.privateKey, name)]),
    ),
    ...(wall ? { wall: { keys, unsigned_before, epoch: () => epoch } } : {}),
  })
  return {
    read: bus.read,
    say: async (event: Outgoing): Promise<Message> => {
      await bus.publish([event])
      return sent.at(-1)!
    },
  }
}

const step = (step_id: string, host: ServiceName) => ({
  step_id,
  name: step_id,
  ps_type: 'gcp.bq_etl',
  host,
  timeout_minutes: 1,
  retry_policy: { max_retries: 0, retry_delay_seconds: 0 },
  config: { query: 'SELECT 1' },
})
const run: Run = {
  run_id: `r_${'a'.repeat(26)}`,
  tenant_id: 'acme_corp',
  pipeline: 'gcp/cost/billing',
  pipeline_id: 'p',
  trigger_type: 'api',
  parameters: {},
  priority: 5,
  requested_at: published_at,
  admitted_at: published_at,
  sources: [],
  steps: [step('a', 'executor'), step('b', 'tenant')],
  notifications: [],
}
const completed = (of: Run, step_id = 'a'): StepCompleted => ({
  run: of,
  step_id,
  attempt: 0,
  conclusion: 'SUCCEEDED',
  started_at: published_at,
  ended_at: published_at,
  duration_ms: 1,
  next: [],
})
const events: Outgoing[] = [
  { topic: 'run-admitted', event: { run, next: [{ step_id: 'a', host: 'executor' }] } },
  { topic: 'step-completed', event: completed(run) },
  {
    topic: 'run-completed',
    event: { run, status: 'COMPLETED', started_at: published_at, ended_at: published_at, duration_ms: 1 },
  },
  {
    topic: 'run-failed',
    event: { run, status: 'FAILED', ended_at: published_at, error: { code: 'INTERNAL', message: 'x' } },
  },
  {
    topic: 'tenant-changed',
    event: {
      tenant_id: 'globex',
      version: 9,
      status: 'SUSPENDED',
      plan: 'STARTER',
      limits: { daily: 0, monthly: 0, concurrent: 0 },
    },
  },
]

describe('a message between our services', () => {
  const reader = busOf({})
  const codeOf = (topic: Outgoing['topic'], message: Message, by = reader): string => {
    try {
      by.read(topic, message)
      return 'taken'
    } catch (error) {
      return error instanceof AppError ? error.code : String(error)
    }
  }
  const admitted = async (): Promise<Run> => {
    const scheduler = busOf({ scheduler: 'scheduler' })
    const message = await scheduler.say({ topic: 'run-admitted', event: { run, next: [] } })
    return reader.read('run-admitted', message).run
  }

  for (const each of events) {
    const { topic } = each
    it(`of ${topic} is taken from who publishes it, and from nobody else`, async () => {
      const [by] = topology[topic].publishers.slice(-1)
      const ours = busOf({ [by!]: by! })
      const event = { topic, event: topic === 'step-completed' ? completed(await admitted()) : each.event } as Outgoing
      const message = await ours.say(event)
      expect(codeOf(topic, message)).to.equal('taken')
      const { sig: _, ...unsigned } = message.attributes
      const { data } = message
      const changed = Buffer.from(Buffer.from(data).toString().replace('2026-03-10T08', '2026-03-10T09'))
      const other = Buffer.from(Buffer.from(data).toString().replace('SUSPENDED', 'ACTIVE'))
      const nobody = await busOf({}, { wall: false }).say(event)
      const refused: Record<string, Message> = {
        unsigned: { ...message, attributes: unsigned },
        'never signed': nobody,
        'another body': { ...message, data: topic === 'tenant-changed' ? other : changed },
        'in the name of another': { ...message, attributes: { ...message.attributes, kid: 'auth' } },
        'of nobody known': { ...message, attributes: { ...message.attributes, kid: 'stranger' } },
        'by __proto__': { ...message, attributes: { ...message.attributes, kid: '__proto__' } },
        'another signature': { ...message, attributes: { ...message.attributes, sig: 'AAAA' } },
      }
      const stranger = busOf({ [by!]: 'stranger' })
      refused['with a key of its own'] = await stranger.say(event)
      const codes = Object.entries(refused).map(([how, one]) => `${how}: ${codeOf(topic, one)}`)
      expect(codes).to.deep.equal(Object.keys(refused).map((how) => `${how}: BAD_SIGNATURE`))
    })
  }

  it('is no message of another topic', async () => {
    const { topic, event } = events[2]!
    const message = await busOf({ scheduler: 'scheduler' }).say({ topic, event } as Outgoing)
    expect(codeOf('run-failed', message)).to.equal('BAD_SIGNATURE')
    expect(codeOf('run-admitted', message)).to.equal('BAD_SIGNATURE')
  })

  it('goes on with a run only as the ledger admitted it, and says only what its service does', async () => {
    const executor = busOf({ executor: 'executor' })
    const tenant = busOf({ tenant: 'tenant' })
    const known = await admitted()
    const said = async (by: typeof executor, of: Run, step_id = 'a') =>
      codeOf('step-completed', await by.say({ topic: 'step-completed', event: completed(of, step_id) }))
    expect(await said(executor, known)).to.equal('taken')
    expect(await said(tenant, known, 'b')).to.equal('taken')
    // What steps add on the way.
    const warnings = [{ step_id: 'a', message: 'odd' }]
    expect(await said(executor, { ...known, warnings, results: {}, failed: [] })).to.equal('taken')
    const { admission: _, ...unconfirmed } = known
    const [first, second] = known.steps as [Run['steps'][0], Run['steps'][0]]
    expect([
      await said(tenant, known, 'a'),
      await said(tenant, known, 'zzz'),
      await said(executor, unconfirmed),
      await said(executor, { ...known, tenant_id: 'globex' }),
      await said(executor, { ...known, sources: ['p.globex'] }),
      await said(executor, { ...known, run_id: `r_${'b'.repeat(26)}` }),
      await said(executor, { ...known, steps: [{ ...first, config: { query: 'SELECT 2' } }, second] }),
    ]).to.deep.equal(Array.from({ length: 7 }, () => 'BAD_SIGNATURE'))
  })

  it('about a run of another life of the central tables comes again', async () => {
    const message = await busOf({ scheduler: 'scheduler' }).say({ topic: 'run-admitted', event: { run, next: [] } })
    const after = (now: string) => codeOf('run-admitted', message, busOf({}, { epoch: 'e2', now }))
    expect([after('2026-03-10T08:00:00Z'), after('2026-03-10T08:09:59Z')]).to.deep.equal(['UNAVAILABLE', 'UNAVAILABLE'])
    // By then everybody has heard: it is refused by name, and a feed has an end of it.
    expect(after('2026-03-10T08:10:00Z')).to.equal('BAD_SIGNATURE')
    expect(() => busOf({}, { epoch: 'e2', now: '2026-03-10T08:10:00Z' }).read('run-admitted', message)).to.throw(
      'was admitted in another life of the central tables',
    )
  })

  it('whose key this reader lacks is not refused for that: it comes again', async () => {
    const { executor: _, ...noExecutor } = ourKeys
    const { scheduler: __, ...noScheduler } = ourKeys
    const said = await busOf({ executor: 'executor' }).say({
      topic: 'step-completed',
      event: completed(await admitted()),
    })
    expect([
      codeOf('step-completed', said, busOf({}, { keys: noExecutor })),
      codeOf('step-completed', said, busOf({}, { keys: noScheduler })),
      codeOf('step-completed', said),
    ]).to.deep.equal(['SETTING_INVALID', 'SETTING_INVALID', 'taken'])
  })

  it('whose key a live feed lacks comes again for ten minutes and is dropped then', async () => {
    const message = await busOf({ scheduler: 'scheduler' }).say(events[2]!)
    const settled = async (replica: string | undefined, now: string): Promise<string> =>
      new Promise((resolve) => {
        const port = {
          ensureSubscription: async () => undefined,
          getSubscription: async () => ({ deadLetterPolicy: { topic: 'x', maxDeliveryAttempts: 20 } }),
          subscribe: (_name: string, _options: object, take: (given: PortMessage) => void) => {
            take({ ...message, message_id: 'm', ack_id: 'a', attempt: 1, ordering_key: '' })
            return { close: () => undefined }
          },
          nack: () => {
            resolve('comes again')
          },
          ack: async () => {
            resolve('dropped')
          },
          deadLetter: async () => {
            resolve('dead letter')
          },
        } as unknown as BusPort
        const bus = openBus({ port, log, now: () => new Date(now), wall: { keys: {}, epoch: () => 'e1' } })
        bus.consume('auth', 'run-completed', async () => undefined, replica === undefined ? {} : { replica })
      })
    expect([
      await settled('r0', '2026-03-10T08:09:59Z'),
      await settled('r0', '2026-03-10T08:10:00Z'),
      await settled(undefined, '2026-03-10T08:10:00Z'),
    ]).to.deep.equal(['comes again', 'dropped', 'comes again'])
  })

  it('is taken by either of two keys while they are changed', async () => {
    const keys = { ...ourKeys, scheduler: [...ourKeys['scheduler']!, ...publicKeys['stranger']!] }
    const message = await busOf({ scheduler: 'stranger' }).say(events[2]!)
    expect([codeOf('run-completed', message, busOf({}, { keys })), codeOf('run-completed', message)]).to.deep.equal([
      'taken',
      'BAD_SIGNATURE',
    ])
  })

  it('of before there were keys is taken as it is, by the time of the broker', async () => {
    const old = await busOf({}, { wall: false }).say(events[0]!)
    const upgraded = busOf({ executor: 'executor' }, { unsigned_before: '2026-03-10T08:00:01Z' })
    expect(codeOf('run-admitted', old, upgraded)).to.equal('taken')
    expect(codeOf('run-admitted', { ...old, published_at: '2026-03-10T08:00:01Z' }, upgraded)).to.equal('BAD_SIGNATURE')
    // What follows is signed; its run was never confirmed.
    const next = await upgraded.say({ topic: 'step-completed', event: completed(run) })
    expect([codeOf('step-completed', next, upgraded), codeOf('step-completed', next)]).to.deep.equal([
      'taken',
      'BAD_SIGNATURE',
    ])
    // A body says when its run was admitted; a day later nobody believes it for that.
    const late = (published_at: string) => codeOf('step-completed', { ...next, published_at }, upgraded)
    expect([late('2026-03-11T08:00:00Z'), late('2026-03-11T08:00:01Z')]).to.deep.equal(['taken', 'BAD_SIGNATURE'])
  })

  it('is read as what it says it is, and from outside as strictly as a request over REST', async () => {
    const message = await busOf({ scheduler: 'scheduler' }).say(events[2]!)
    const as = (attributes: Record<string, string>) =>
      codeOf('run-completed', { ...message, attributes: { ...message.attributes, ...attributes } })
    expect([as({}), as({ version: '2' }), as({ event: 'run-failed' })]).to.deep.equal([
      'taken',
      'EVENT_INVALID',
      'EVENT_INVALID',
    ])
    const request = (data: string | Uint8Array) =>
      codeOf('run-requested', { data: Buffer.from(data), attributes: {}, published_at })
    const long = (n: number) => JSON.stringify({ tenant_id: 'globex', parameters: { note: 'x'.repeat(n) } })
    expect([
      request('{"tenant_id":"globex"}'),
      request('{"tenant_id":"acme_corp","tenant_id":"globex"}'),
      request('{"tenant_id":"globex","__proto__":{}}'),
      request(Buffer.from([...Buffer.from('{"tenant_id":"globex","user_id":"'), 0xff, ...Buffer.from('"}')])),
      request('\ufeff{"tenant_id":"globex"}'),
      request('['.repeat(100_000)),
      request(long(50_000)),
      request(long(50_001)),
    ]).to.deep.equal(['taken', ...Array.from({ length: 5 }, () => 'EVENT_INVALID'), 'taken', 'EVENT_INVALID'])
  })

  it('is not published where nobody can sign it', async () => {
    const error: unknown = await busOf({ notifier: 'stranger' })
      .say(events[4]!)
      .catch((thrown: unknown) => thrown)
    expect(error).to.be.instanceOf(AppError).with.property('code', 'SETTING_INVALID')
  })
})
