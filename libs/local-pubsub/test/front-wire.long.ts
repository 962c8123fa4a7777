import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { expect } from 'chai'
import { PubSub, v1, type Message } from '@google-cloud/pubsub'
import * as grpc from '@grpc/grpc-js'
import { PassThroughClient } from 'google-auth-library'
import { boundDeadline, loadServices } from '@convergence/local-wire'
import { openBroker, type Broker } from '../src/broker.ts'
import { openPubSubFront } from '../src/front.ts'

// No metadata server is looked for on a machine that has none.
process.env['METADATA_SERVER_DETECTION'] = 'none'
const project_id = 'local-convergence'
const dayMs = 86_400_000

/**
 * A broker with a clock that stands, its front, and Google's client in three forms; `said` is what the front logged.
 */
const setup = async ({ wrap = (broker: Broker): Broker => broker } = {}) => {
  const folder = mkdtempSync(join(tmpdir(), 'convergence-wire-'))
  let at = Date.parse('2026-03-10T12:00:00Z')
  const said: string[] = []
  const log = {
    warn: (_: object, text: string) => {
      said.push(text)
    },
    error: (_: object, text: string) => {
      said.push(text)
    },
  }
  const broker = await openBroker({ file: join(folder, 'pubsub.db'), now: () => at })
  const open = (port: number, host = '127.0.0.1') =>
    openPubSubFront({ broker: wrap(broker), project_id, host, port, log })
  let front = await open(0)
  const { port } = front
  const quiet = {
    apiEndpoint: '127.0.0.1',
    port,
    sslCreds: grpc.credentials.createInsecure(),
    authClient: new PassThroughClient(),
    projectId: project_id,
  }
  const client = new PubSub({
    projectId: project_id,
    apiEndpoint: `127.0.0.1:${port}`,
    emulatorMode: true,
    authClient: new PassThroughClient(),
  })
  const subscriber = new v1.SubscriberClient(quiet)
  const publisher = new v1.PublisherClient(quiet)
  await client.createTopic('things')
  return {
    broker,
    client,
    subscriber,
    publisher,
    said,
    port,
    open,
    path: (kind: string, name: string) => `projects/${project_id}/${kind}/${name}`,
    move: (ms: number) => {
      at += ms
      broker.wake()
    },
    stop: () => front.close(),
    start: async () => {
      front = await open(port)
    },
    publish: async (...texts: string[]) => {
      for (const text of texts) await client.topic('things').publishMessage({ data: Buffer.from(text) })
    },
    end: async () => {
      await client.close()
      await subscriber.close()
      await publisher.close()
      await front.close()
      await broker.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
type World = Awaited<ReturnType<typeof setup>>
const inWorld = (body: (world: World) => Promise<void>, options?: Parameters<typeof setup>[0]) => async () => {
  const world = await setup(options)
  try {
    await body(world)
  } finally {
    await world.end()
  }
}
const fault = (work: Promise<unknown>): Promise<{ code: unknown; text: string }> =>
  work.then(
    () => ({ code: 'none', text: '' }),
    (error: unknown) => ({ code: (error as { code?: unknown }).code, text: (error as Error).message }),
  )
const [invalidArgument, notFound, alreadyExists, unimplemented] = [3, 5, 6, 12]

/** The protocol's own stream, without the client's habits. */
interface Answer {
  receivedMessages: { ackId: string; deliveryAttempt: number; message: { data: Buffer } }[]
  subscriptionProperties: { exactlyOnceDeliveryEnabled: boolean } | null
  acknowledgeConfirmation: { ackIds: string[]; invalidAckIds: string[] } | null
  modifyAckDeadlineConfirmation: { ackIds: string[]; invalidAckIds: string[] } | null
}
const rawStream = async (world: World, subscription: string, first: object = {}) => {
  const service = loadServices('@google-cloud/pubsub')('google.pubsub.v1.Subscriber')
  const Client = grpc.makeGenericClientConstructor(service, 'Subscriber')
  const client = new Client(`127.0.0.1:${world.port}`, grpc.credentials.createInsecure())
  const call = (client['StreamingPull'] as () => grpc.ClientDuplexStream<object, Answer>).call(client)
  const answers: Answer[] = []
  const waiting: { until: (answers: readonly Answer[]) => boolean; done: () => void }[] = []
  let failed: { code: number; details: string } | undefined
  const look = () => {
    for (const each of [...waiting])
      if (failed !== undefined || each.until(answers)) {
        waiting.splice(waiting.indexOf(each), 1)
        each.done()
      }
  }
  call.on('data', (answer: Answer) => {
    answers.push(answer)
    look()
  })
  call.on('error', (error: grpc.ServiceError) => {
    failed = { code: error.code, details: error.details }
    look()
  })
  call.write({ subscription: world.path('subscriptions', subscription), streamAckDeadlineSeconds: 60, ...first })
  const until = (condition: (answers: readonly Answer[]) => boolean): Promise<void> =>
    new Promise((done) => {
      waiting.push({ until: condition, done })
      look()
    })
  return {
    call,
    until,
    answers,
    texts: () =>
      answers.flatMap(({ receivedMessages }) => receivedMessages.map(({ message }) => message.data.toString())),
    ackIds: () => answers.flatMap(({ receivedMessages }) => receivedMessages.map(({ ackId }) => ackId)),
    failure: async () => {
      await until(() => false)
      return failed
    },
    end: () => {
      call.cancel()
      client.close()
    },
  }
}

describe('Pub/Sub front: what the wire shows', function () {
  this.timeout(120_000)

  it(
    'topics, subscriptions and snapshots are listed page by page, each once',
    inWorld(async (world) => {
      for (let k = 0; k < 5; k += 1) {
        await world.client.createTopic(`page-${k}`)
        await world.client.createSubscription('things', `reader-${k}`)
        await world.client.subscription(`reader-${k}`).createSnapshot(`snap-${k}`)
      }
      const pages = async (
        ask: (pageToken: string) => Promise<[unknown[] | null | undefined, string | null | undefined]>,
      ): Promise<number[]> => {
        const sizes: number[] = []
        const seen = new Set<string>()
        for (let token = ''; ;) {
          const [items, next] = await ask(token)
          for (const item of items ?? []) seen.add(typeof item === 'string' ? item : (item as { name: string }).name)
          sizes.push(items?.length ?? 0)
          if (!next) {
            expect(seen.size).to.equal(sizes.reduce((sum, size) => sum + size, 0))
            return sizes
          }
          token = next
        }
      }
      const manual = { autoPaginate: false }
      const project = `projects/${project_id}`
      expect(
        await pages(async (pageToken) => {
          const [items, , answer] = await world.publisher.listTopics({ project, pageSize: 4, pageToken }, manual)
          return [items, answer.nextPageToken]
        }),
      ).to.deep.equal([4, 2])
      expect(
        await pages(async (pageToken) => {
          const [items, , answer] = await world.subscriber.listSubscriptions(
            { project, pageSize: 2, pageToken },
            manual,
          )
          return [items, answer.nextPageToken]
        }),
      ).to.deep.equal([2, 2, 1])
      expect(
        await pages(async (pageToken) => {
          const [items, , answer] = await world.subscriber.listSnapshots({ project, pageSize: 3, pageToken }, manual)
          return [items, answer.nextPageToken]
        }),
      ).to.deep.equal([3, 2])
      const topic = world.path('topics', 'things')
      expect(
        await pages(async (pageToken) => {
          const [items, , answer] = await world.publisher.listTopicSubscriptions(
            { topic, pageSize: 5, pageToken },
            manual,
          )
          return [items, answer.nextPageToken]
        }),
      ).to.deep.equal([5])
      expect(
        await pages(async (pageToken) => {
          const [items, , answer] = await world.publisher.listTopicSnapshots({ topic, pageSize: 4, pageToken }, manual)
          return [items, answer.nextPageToken]
        }),
      ).to.deep.equal([4, 1])
    }),
  )

  it(
    'an update changes exactly what its mask names, and refuses what cannot change or is not known',
    inWorld(async (world) => {
      const [reader] = await world.client.createSubscription('things', 'reader', {
        ackDeadlineSeconds: 20,
        labels: { a: '1' },
        retryPolicy: { minimumBackoff: { seconds: 1 }, maximumBackoff: { seconds: 2 } },
      })
      const update = (changed: object, ...paths: string[]) =>
        world.subscriber.updateSubscription({ subscription: { name: reader.name, ...changed }, updateMask: { paths } })
      await update({ ackDeadlineSeconds: 30, labels: { b: '2' } }, 'ack_deadline_seconds')
      expect((await reader.getMetadata())[0])
        .to.include({ ackDeadlineSeconds: 30 })
        .and.to.have.deep.property('labels', { a: '1' })
      await update({}, 'retry_policy')
      expect((await reader.getMetadata())[0].retryPolicy).to.equal(null)
      await update({ messageRetentionDuration: { seconds: 3_600 } }, 'message_retention_duration')
      expect(Number((await reader.getMetadata())[0].messageRetentionDuration?.seconds)).to.equal(3_600)
      for (const path of ['filter', 'topic', 'enable_message_ordering', 'nonsense', 'name'])
        expect(await fault(update({ filter: 'x' }, path)), path).to.have.property('code', invalidArgument)
      expect(await fault(update({}))).to.have.property('code', invalidArgument)
      expect(
        await fault(update({ messageRetentionDuration: { seconds: 60 } }, 'message_retention_duration')),
      ).to.have.property('code', invalidArgument)
      expect(
        await fault(
          world.publisher.updateTopic({
            topic: { name: world.path('topics', 'things') },
            updateMask: { paths: ['kms_key_name'] },
          }),
        ),
      ).to.have.property('code', invalidArgument)
    }),
  )

  it(
    'a topic that is refused is not made',
    inWorld(async (world) => {
      for (const seconds of [1, 599, 31 * 86_400 + 1])
        expect(
          await fault(world.client.createTopic({ name: 'other', messageRetentionDuration: { seconds } })),
          String(seconds),
        ).to.have.property('code', invalidArgument)
      expect((await world.client.getTopics())[0].map(({ name }) => name)).to.deep.equal([
        world.path('topics', 'things'),
      ])
      const [made] = await world.client.createTopic({ name: 'other', messageRetentionDuration: { seconds: 600 } })
      expect(Number((await made.getMetadata())[0].messageRetentionDuration?.seconds)).to.equal(600)
    }),
  )

  it(
    'a subscription whose topics are gone can be changed, within what its values may be',
    inWorld(async (world) => {
      await world.client.createTopic('dead')
      await world.client.createTopic('gone')
      const deadLetterPolicy = { deadLetterTopic: world.path('topics', 'dead'), maxDeliveryAttempts: 5 }
      const [orphan] = await world.client.createSubscription('gone', 'orphan')
      const [reader] = await world.client.createSubscription('things', 'reader', { deadLetterPolicy })
      await world.client.topic('gone').delete()
      await world.client.topic('dead').delete()
      for (const { name } of [orphan, reader]) {
        const update = (changed: object, ...paths: string[]) =>
          world.subscriber.updateSubscription({ subscription: { name, ...changed }, updateMask: { paths } })
        expect((await update({ labels: { a: 'b' } }, 'labels'))[0].labels).to.deep.equal({ a: 'b' })
        expect(await fault(update({ ackDeadlineSeconds: 5_000 }, 'ack_deadline_seconds')), name).to.have.property(
          'code',
          invalidArgument,
        )
        expect(
          await fault(update({ messageRetentionDuration: { seconds: 1 } }, 'message_retention_duration')),
          name,
        ).to.have.property('code', invalidArgument)
        expect(
          await fault(
            update({ deadLetterPolicy: { deadLetterTopic: world.path('topics', 'nowhere') } }, 'dead_letter_policy'),
          ),
          name,
        ).to.have.property('code', notFound)
        expect((await update({ ackDeadlineSeconds: 20 }, 'ack_deadline_seconds'))[0]).to.include({
          ackDeadlineSeconds: 20,
        })
      }
      expect((await orphan.getMetadata())[0].topic).to.equal('_deleted-topic_')
      expect((await reader.getMetadata())[0].deadLetterPolicy).to.deep.equal(deadLetterPolicy)
    }),
  )

  it(
    'a message goes after the retention of its own subscription',
    inWorld(async (world) => {
      await world.client.createSubscription('things', 'hour', {
        expirationPolicy: {},
        messageRetentionDuration: { seconds: 3_600 },
      })
      await world.client.createSubscription('things', 'week', { expirationPolicy: {} })
      await world.client.createSubscription('things', 'month', {
        expirationPolicy: {},
        messageRetentionDuration: { seconds: 31 * 86_400 },
      })
      await world.publish('a')
      const backlogs = () => Promise.all(['hour', 'week', 'month'].map((name) => world.broker.backlog(name)))
      expect(await backlogs()).to.deep.equal([1, 1, 1])
      const after = async (ms: number, wanted: number[]) => {
        world.move(ms)
        while (JSON.stringify(await backlogs()) !== JSON.stringify(wanted))
          await new Promise((resolve) => {
            setImmediate(resolve)
          })
      }
      await after(2 * 3_600_000, [0, 1, 1])
      await after(8 * dayMs, [0, 0, 1])
      const [{ receivedMessages }] = await world.subscriber.pull({
        subscription: world.path('subscriptions', 'month'),
        maxMessages: 1,
      })
      expect(receivedMessages?.map(({ message }) => Buffer.from(message?.data as Uint8Array).toString())).to.deep.equal(
        ['a'],
      )
      await after(24 * dayMs, [0, 0, 0])
    }),
  )

  it(
    'what is not there is refused by its name, whoever asks for it',
    inWorld(async (world) => {
      const topic = world.path('topics', 'things')
      const make = (more: object) =>
        fault(world.subscriber.createSubscription({ name: world.path('subscriptions', 'other'), topic, ...more }))
      const refused: [Promise<{ code: unknown; text: string }>, RegExp][] = [
        [make({ pushConfig: { pushEndpoint: 'https://example.com/push' } }), /push endpoint/],
        [make({ bigqueryConfig: { table: 'p.d.t' } }), /BigQuery subscription/],
        [make({ cloudStorageConfig: { bucket: 'b' } }), /Cloud Storage subscription/],
        [make({ messageTransforms: [{ javascriptUdf: { functionName: 'f', code: 'x' } }] }), /message transform/],
        [
          fault(
            world.publisher.createTopic({
              name: world.path('topics', 'other'),
              schemaSettings: { schema: 'projects/p/schemas/s' },
            }),
          ),
          /schema/,
        ],
        [
          fault(
            world.publisher.createTopic({
              name: world.path('topics', 'other'),
              kmsKeyName: 'projects/p/locations/l/keyRings/r/cryptoKeys/k',
            }),
          ),
          /key of a topic/,
        ],
      ]
      for (const [answer, text] of refused) {
        const { code, text: said } = await answer
        expect(code, said).to.equal(unimplemented)
        expect(said).to.match(text)
      }
      expect((await world.client.getSubscriptions())[0]).to.deep.equal([])
      expect(await fault(world.client.createTopic('things'))).to.have.property('code', alreadyExists)
      expect(await fault(world.client.createTopic('1x'))).to.have.property('code', invalidArgument)
      expect(await fault(world.client.topic('nowhere').publishMessage({ data: Buffer.from('x') }))).to.have.property(
        'code',
        notFound,
      )
      expect(await make({ filter: 'attributes.a = ' })).to.have.property('code', invalidArgument)
      expect(await make({ ackDeadlineSeconds: 5 })).to.have.property('code', invalidArgument)
    }),
  )

  it(
    'an empty request on a stream is answered, and the answers say whether delivery is exactly once',
    inWorld(async (world) => {
      await world.client.createSubscription('things', 'reader', { enableExactlyOnceDelivery: true })
      const stream = await rawStream(world, 'reader')
      await stream.until(({ length }) => length === 1)
      stream.call.write({})
      await stream.until(({ length }) => length === 2)
      expect(
        stream.answers.map(({ subscriptionProperties }) => subscriptionProperties?.exactlyOnceDeliveryEnabled),
      ).to.deep.equal([true, true])
      stream.end()
    }),
  )

  it(
    'a stream that is open when its subscription changes goes by what it says now',
    inWorld(async (world) => {
      const [reader] = await world.client.createSubscription('things', 'reader')
      await world.client.createSubscription('things', 'other')
      await world.client.createTopic('dead')
      const update = (changed: object, ...paths: string[]) =>
        world.subscriber.updateSubscription({ subscription: { name: reader.name, ...changed }, updateMask: { paths } })
      const stream = await rawStream(world, 'reader')
      const untouched = await rawStream(world, 'other')
      const attempts = ({ answers }: { answers: readonly Answer[] }) =>
        answers.flatMap(({ receivedMessages }) => receivedMessages.map(({ deliveryAttempt }) => deliveryAttempt))
      /** What the stream says to an empty request. */
      const exactlyOnce = async ({ call, until, answers }: typeof stream) => {
        const before = answers.length
        call.write({})
        await until(({ length }) => length > before)
        return answers.at(-1)?.subscriptionProperties?.exactlyOnceDeliveryEnabled
      }
      await world.publish('a')
      await stream.until(() => stream.texts().length === 1)
      await update(
        { enableExactlyOnceDelivery: true, deadLetterPolicy: { deadLetterTopic: world.path('topics', 'dead') } },
        'enable_exactly_once_delivery',
        'dead_letter_policy',
      )
      expect([await exactlyOnce(stream), await exactlyOnce(untouched)]).to.deep.equal([true, false])
      await world.publish('b')
      await Promise.all([stream, untouched].map((each) => each.until(() => each.texts().length === 2)))
      expect([attempts(stream), attempts(untouched)]).to.deep.equal([
        [0, 1],
        [0, 0],
      ])
      // An acknowledgement is confirmed from then on.
      stream.call.write({ ackIds: stream.ackIds() })
      await stream.until((answers) => answers.some(({ acknowledgeConfirmation }) => acknowledgeConfirmation !== null))
      expect(stream.answers.at(-1)?.acknowledgeConfirmation?.ackIds).to.have.members(stream.ackIds())
      await update({}, 'enable_exactly_once_delivery', 'dead_letter_policy')
      expect(await exactlyOnce(stream)).to.equal(false)
      await world.publish('c')
      await stream.until(() => stream.texts().length === 3)
      expect(attempts(stream)).to.deep.equal([0, 1, 0])
      stream.end()
      untouched.end()
    }),
  )

  it('so does a pull that waits meanwhile', async () => {
    let wake: () => void = () => undefined
    const waits = new Promise<void>((resolve) => {
      wake = resolve
    })
    await inWorld(
      async (world) => {
        const [{ name: subscription }] = await world.client.createSubscription('things', 'reader')
        const pull = world.subscriber.pull({ subscription, maxMessages: 1 })
        await waits
        await world.subscriber.updateSubscription({
          subscription: { name: subscription, deadLetterPolicy: { deadLetterTopic: world.path('topics', 'things') } },
          updateMask: { paths: ['dead_letter_policy'] },
        })
        await world.publish('a')
        const [{ receivedMessages }] = await pull
        expect(receivedMessages?.map(({ deliveryAttempt }) => deliveryAttempt)).to.deep.equal([1])
      },
      {
        wrap: (broker) => ({
          ...broker,
          pull: (...asked) => {
            wake()
            return broker.pull(...asked)
          },
        }),
      },
    )()
  })

  it(
    'no more is handed out than a stream asked for, in messages and in bytes, and the limits stay as they were said',
    inWorld(async (world) => {
      await world.client.createSubscription('things', 'reader')
      await world.client.createSubscription('things', 'bytes')
      await world.publish('aaaa', 'bbbb', 'cccc', 'dddd')
      const stream = await rawStream(world, 'reader', { maxOutstandingMessages: 2 })
      await stream.until(() => stream.texts().length === 2)
      // Whatever would come too many has come before the answer to this.
      stream.call.write({})
      await stream.until((answers) => answers.at(-1)?.receivedMessages.length === 0 && answers.length > 2)
      expect(stream.texts()).to.deep.equal(['aaaa', 'bbbb'])
      stream.call.write({ ackIds: stream.ackIds().slice(0, 1) })
      await stream.until(() => stream.texts().length === 3)
      stream.call.write({ maxOutstandingMessages: 5 })
      expect(await stream.failure()).to.have.property('code', invalidArgument)
      stream.end()
      const narrow = await rawStream(world, 'bytes', { maxOutstandingBytes: 6 })
      await narrow.until(() => narrow.texts().length === 2)
      narrow.call.write({})
      await narrow.until((answers) => answers.at(-1)?.receivedMessages.length === 0 && answers.length > 2)
      expect(narrow.texts()).to.deep.equal(['aaaa', 'bbbb'])
      narrow.end()
    }),
  )

  it(
    'exactly once: a late acknowledgement is answered as invalid, alone, by call and on the stream',
    inWorld(async (world) => {
      const [reader] = await world.client.createSubscription('things', 'reader', { enableExactlyOnceDelivery: true })
      await world.publish('a', 'b', 'c')
      const stream = await rawStream(world, 'reader')
      await stream.until(() => stream.texts().length === 3)
      const [a = '', b = '', c = ''] = stream.ackIds()
      await world.subscriber.acknowledge({ subscription: reader.name, ackIds: [a] })
      const late = await world.subscriber
        .acknowledge({ subscription: reader.name, ackIds: [a, b] })
        .catch((error: unknown) => error as { code: number; errorInfoMetadata?: Record<string, string> })
      expect(late).to.have.property('code', 9)
      expect(late).to.have.deep.property('errorInfoMetadata', { [a]: 'PERMANENT_FAILURE_INVALID_ACK_ID' })
      expect(await world.broker.backlog('reader')).to.equal(1)
      stream.call.write({ ackIds: [b, c] })
      await stream.until((answers) => answers.some(({ acknowledgeConfirmation }) => acknowledgeConfirmation !== null))
      expect(
        stream.answers.find(({ acknowledgeConfirmation }) => acknowledgeConfirmation !== null)?.acknowledgeConfirmation,
      ).to.deep.include({ ackIds: [c], invalidAckIds: [b] })
      stream.call.write({ modifyDeadlineAckIds: [c], modifyDeadlineSeconds: [30] })
      await stream.until((answers) =>
        answers.some(({ modifyAckDeadlineConfirmation }) => modifyAckDeadlineConfirmation !== null),
      )
      expect(stream.answers.at(-1)?.modifyAckDeadlineConfirmation).to.deep.include({ ackIds: [], invalidAckIds: [c] })
      stream.end()
    }),
  )

  it(
    'exactly once: an acknowledgement that could not be written is answered as transient',
    inWorld(
      async (world) => {
        const [reader] = await world.client.createSubscription('things', 'reader', { enableExactlyOnceDelivery: true })
        await world.publish('a')
        const [{ receivedMessages }] = await world.subscriber.pull({ subscription: reader.name, maxMessages: 1 })
        const ackId = receivedMessages?.[0]?.ackId ?? ''
        const failed = await world.subscriber
          .acknowledge({ subscription: reader.name, ackIds: [ackId] }, { retry: null })
          .catch((error: unknown) => error as { code: number; errorInfoMetadata?: Record<string, string> })
        expect(failed).to.have.property('code', 14)
        expect(failed)
          .to.have.property('errorInfoMetadata')
          .with.property(ackId)
          .that.matches(/^TRANSIENT_FAILURE_/)
      },
      { wrap: (broker) => ({ ...broker, ack: () => Promise.reject(new Error('the disk')) }) },
    ),
  )

  it(
    'a reader goes on by itself when the front stops and comes back: its stream ended with UNAVAILABLE',
    inWorld(async (world) => {
      const [reader] = await world.client.createSubscription('things', 'reader')
      const got: string[] = []
      const arrivals: (() => void)[] = []
      reader.on('error', () => undefined)
      reader.on('message', (message: Message) => {
        got.push(message.data.toString())
        message.ack()
        arrivals.shift()?.()
      })
      const next = () =>
        new Promise<void>((resolve) => {
          arrivals.push(resolve)
        })
      const raw = await rawStream(world, 'reader', { maxOutstandingMessages: 1 })
      await raw.until(({ length }) => length === 1)
      await world.stop()
      expect(await raw.failure()).to.have.property('code', 14)
      raw.end()
      await world.start()
      const come = next()
      await world.publish('after')
      await come
      expect(got).to.deep.equal(['after'])
      await reader.close()
    }),
  )

  it(
    "a request may have more time than 32 bits of milliseconds, as Python's client gives one with an ordering key",
    inWorld(async (world) => {
      const [{ messageIds }] = await world.publisher.publish(
        { topic: world.path('topics', 'things'), messages: [{ data: Buffer.from('x'), orderingKey: 'k' }] },
        { timeout: 30 * dayMs, retry: null },
      )
      expect(messageIds).to.have.length(1)
      expect(['4294967S', '1193046H', '24H', '2000000S'].map(boundDeadline)).to.deep.equal([
        '500H',
        '500H',
        '24H',
        '500H',
      ])
      expect(['600S', '10000m', '99999999n', 'x'].map(boundDeadline)).to.deep.equal([
        '600S',
        '10000m',
        '99999999n',
        'x',
      ])
    }),
  )

  it(
    'a deleted subscription ends its streams with NOT_FOUND',
    inWorld(async (world) => {
      const [reader] = await world.client.createSubscription('things', 'reader')
      const stream = await rawStream(world, 'reader')
      await stream.until(({ length }) => length === 1)
      await reader.delete()
      expect(await stream.failure()).to.have.property('code', notFound)
      stream.end()
    }),
  )

  it(
    'an ack id is good for its own subscription alone, by call and on the stream',
    inWorld(async (world) => {
      const [reader] = await world.client.createSubscription('things', 'reader', { ackDeadlineSeconds: 60 })
      const [other] = await world.client.createSubscription('things', 'other', { ackDeadlineSeconds: 60 })
      await world.publish('a')
      const [{ receivedMessages }] = await world.subscriber.pull({ subscription: reader.name, maxMessages: 1 })
      const ackIds = [receivedMessages?.[0]?.ackId ?? '']
      await world.subscriber.acknowledge({ subscription: other.name, ackIds })
      await world.subscriber.modifyAckDeadline({ subscription: other.name, ackIds, ackDeadlineSeconds: 0 })
      const stream = await rawStream(world, 'other')
      await stream.until(() => stream.texts().length === 1)
      stream.call.write({ ackIds })
      stream.call.write({ ackIds: stream.ackIds() })
      while ((await world.broker.backlog('other')) > 0)
        await new Promise((resolve) => {
          setImmediate(resolve)
        })
      stream.end()
      expect(await world.broker.backlog('reader')).to.equal(1)
      await world.subscriber.acknowledge({ subscription: reader.name, ackIds })
      expect(await world.broker.backlog('reader')).to.equal(0)
    }),
  )

  it(
    'what is published after a waiting pull was cancelled goes to the next one at once',
    inWorld(async (world) => {
      const [reader] = await world.client.createSubscription('things', 'reader', { ackDeadlineSeconds: 600 })
      const service = loadServices('@google-cloud/pubsub')('google.pubsub.v1.Subscriber')
      const client = new (grpc.makeGenericClientConstructor(service, 'Subscriber'))(
        `127.0.0.1:${world.port}`,
        grpc.credentials.createInsecure(),
      )
      const cancelled = new Promise<number>((resolve) => {
        const call = (
          client['Pull'] as (request: object, done: (error: grpc.ServiceError | null) => void) => grpc.ClientUnaryCall
        ).call(client, { subscription: reader.name, maxMessages: 10 }, (error) => {
          resolve(error?.code ?? 0)
        })
        void world.client.getSubscriptions().then(() => {
          call.cancel()
        })
      })
      expect(await cancelled).to.equal(grpc.status.CANCELLED)
      await world.client.getSubscriptions()
      await world.publish('a')
      const [{ receivedMessages }] = await world.subscriber.pull({ subscription: reader.name, maxMessages: 10 })
      expect(receivedMessages?.map(({ message }) => String(message?.data))).to.deep.equal(['a'])
      client.close()
    }),
  )

  it(
    'a port that is taken, and an address that others reach, are refused in one sentence',
    inWorld(async (world) => {
      const taken = createServer().listen(0, '127.0.0.1')
      await once(taken, 'listening')
      const { port } = taken.address() as AddressInfo
      const error = await world.open(port).then(
        () => undefined,
        (refused: unknown) => refused as Error,
      )
      expect(error).to.have.property('code', 'SETTING_INVALID')
      expect(error?.message).to.equal(
        `port ${port} of 127.0.0.1 is in use; choose another with PUBSUB_PORT, ` +
          'or turn this front off with PUBSUB_PORT=off',
      )
      taken.close()
      expect(world.said).to.deep.equal([])
      const open = await world.open(0, '0.0.0.0')
      await open.close()
      expect(world.said).to.have.length(1)
      expect(world.said[0]).to.match(/Pub\/Sub answers without authentication on 0\.0\.0\.0:\d+, as WIRE_HOST says/)
    }),
  )
})
