import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { PubSub, v1, type Subscription } from '@google-cloud/pubsub'
import * as grpc from '@grpc/grpc-js'
import { PassThroughClient } from 'google-auth-library'
import { openBroker } from '../src/broker.ts'
import { openPubSubFront } from '../src/front.ts'

// No metadata server is looked for on a machine that has none.
process.env['METADATA_SERVER_DETECTION'] = 'none'
const project_id = 'local-convergence'
const log = { warn: () => undefined, error: () => undefined }
const quiet = {
  apiEndpoint: '127.0.0.1',
  sslCreds: grpc.credentials.createInsecure(),
  authClient: new PassThroughClient(),
  projectId: project_id,
}

const setup = async () => {
  const folder = mkdtempSync(join(tmpdir(), 'convergence-seek-'))
  let at = Date.parse('2026-03-10T12:00:00Z')
  const open = async () => {
    const broker = await openBroker({ file: join(folder, 'pubsub.db'), now: () => at })
    const front = await openPubSubFront({ broker, project_id, port: 0, log })
    const client = new PubSub({
      projectId: project_id,
      apiEndpoint: `127.0.0.1:${front.port}`,
      emulatorMode: true,
      authClient: new PassThroughClient(),
    })
    const subscriber = new v1.SubscriberClient({ ...quiet, port: front.port })
    return { broker, front, client, subscriber }
  }
  let opened = await open()
  const close = async () => {
    await opened.client.close()
    await opened.subscriber.close()
    await opened.front.close()
    await opened.broker.close()
  }
  return {
    get client() {
      return opened.client
    },
    get subscriber() {
      return opened.subscriber
    },
    move: (ms: number) => {
      at += ms
    },
    now: () => at,
    restart: async () => {
      await close()
      opened = await open()
    },
    /** Texts that are there now, acknowledged unless they are to stay. */
    take: async (name: string, { ack = true } = {}): Promise<string[]> => {
      const subscription = opened.subscriber.subscriptionPath(project_id, name)
      const texts: string[] = []
      for (;;) {
        const [{ receivedMessages = [] }] = await opened.subscriber.pull({
          subscription,
          maxMessages: 100,
          returnImmediately: true,
        })
        if (receivedMessages?.length === 0 || receivedMessages === null) return texts.sort()
        texts.push(...receivedMessages.map(({ message }) => Buffer.from(message?.data as Uint8Array).toString()))
        if (ack)
          await opened.subscriber.acknowledge({
            subscription,
            ackIds: receivedMessages.map(({ ackId }) => ackId ?? ''),
          })
        else return texts.sort()
      }
    },
    end: async () => {
      await close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
type World = Awaited<ReturnType<typeof setup>>
const inWorld = (body: (world: World) => Promise<void>) => async () => {
  const world = await setup()
  try {
    await body(world)
  } finally {
    await world.end()
  }
}
const publish = async ({ client }: World, topic: string, ...texts: string[]) => {
  for (const text of texts)
    await client.topic(topic).publishMessage({ data: Buffer.from(text), attributes: { first: text.slice(0, 1) } })
}
const made = async ({ client }: World, options: object = {}): Promise<Subscription> => {
  const [topic] = await client.createTopic('things')
  return (await topic.createSubscription('reader', options))[0]
}
const codeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'none',
    (error: unknown) => (error as { code?: unknown }).code,
  )

describe('Pub/Sub front: seek and snapshots', function () {
  this.timeout(120_000)
  it(
    'a snapshot brings back what was not acknowledged when it was taken, and whatever came since, as often as wanted',
    inWorld(async (world) => {
      const reader = await made(world)
      await publish(world, 'things', 'a', 'b', 'c')
      const [first] = await world.subscriber.pull({
        subscription: reader.name,
        maxMessages: 1,
        returnImmediately: true,
      })
      await world.subscriber.acknowledge({
        subscription: reader.name,
        ackIds: first.receivedMessages!.map(({ ackId }) => ackId!),
      })
      const [snapshot, info] = await reader.createSnapshot('then')
      expect(info.topic).to.equal(`projects/${project_id}/topics/things`)
      await publish(world, 'things', 'd')
      expect(await world.take('reader')).to.deep.equal(['b', 'c', 'd'])
      expect(await world.take('reader')).to.deep.equal([])
      for (let time = 0; time < 2; time += 1) {
        await reader.seek('then')
        expect(await world.take('reader')).to.deep.equal(['b', 'c', 'd'])
      }
      // Another subscription of the topic may be set to it as well.
      const [other] = await world.client.topic('things').createSubscription('other')
      await other.seek('then')
      expect(await world.take('other')).to.deep.equal(['b', 'c', 'd'])
      await snapshot.delete()
      expect(await codeOf(reader.seek('then'))).to.equal(5)
      expect(await world.take('reader')).to.deep.equal([])
    }),
  )
  it(
    'a seek to a time acknowledges what was published before, and brings back what was kept since',
    inWorld(async (world) => {
      const reader = await made(world, { retainAckedMessages: true })
      await publish(world, 'things', 'a')
      world.move(60_000)
      const between = new Date(world.now() - 30_000)
      await publish(world, 'things', 'b', 'c')
      expect(await world.take('reader')).to.deep.equal(['a', 'b', 'c'])
      await reader.seek(between)
      expect(await world.take('reader')).to.deep.equal(['b', 'c'])
      await reader.seek(new Date(0))
      expect(await world.take('reader')).to.deep.equal(['a', 'b', 'c'])
      await reader.seek(new Date(0))
      await reader.seek(new Date(world.now() + 1))
      expect(await world.take('reader')).to.deep.equal([])
      // What was kept goes when it is no longer to be kept.
      await reader.setMetadata({ retainAckedMessages: false })
      await reader.seek(new Date(0))
      expect(await world.take('reader')).to.deep.equal([])
    }),
  )
  it(
    'what was kept stays through a seek to a snapshot, for a later one to a time',
    inWorld(async (world) => {
      const reader = await made(world, { retainAckedMessages: true })
      await publish(world, 'things', 'a')
      expect(await world.take('reader')).to.deep.equal(['a'])
      await publish(world, 'things', 'b')
      await reader.createSnapshot('then')
      expect(await world.take('reader')).to.deep.equal(['b'])
      await publish(world, 'things', 'c')
      await reader.seek('then')
      expect(await world.take('reader')).to.deep.equal(['b', 'c'])
      await reader.seek(new Date(0))
      expect(await world.take('reader')).to.deep.equal(['a', 'b', 'c'])
    }),
  )
  it(
    'a seek to a time finds what the topic itself kept, through the filter of the subscription, ' +
      'also for one that did not exist then',
    inWorld(async (world) => {
      const [topic] = await world.client.createTopic({
        name: 'kept',
        messageRetentionDuration: { seconds: 86_400 },
        labels: { a: 'b' },
      })
      await publish(world, 'kept', 'a1', 'b1', 'a2')
      const [late] = await topic.createSubscription('late', { filter: 'attributes.first = "a"' })
      expect(await world.take('late')).to.deep.equal([])
      await late.seek(new Date(0))
      expect(await world.take('late')).to.deep.equal(['a1', 'a2'])
      world.move(2 * 86_400_000)
      await late.seek(new Date(0))
      expect(await world.take('late')).to.deep.equal([])
      const [metadata] = await topic.getMetadata()
      expect([metadata.labels, Number(metadata.messageRetentionDuration?.seconds)]).to.deep.equal([{ a: 'b' }, 86_400])
      await topic.setMetadata({ labels: { c: 'd' }, messageRetentionDuration: null })
      expect([
        (await topic.getMetadata())[0].labels,
        (await topic.getMetadata())[0].messageRetentionDuration,
      ]).to.deep.equal([{ c: 'd' }, null])
      expect(
        await codeOf(world.client.createTopic({ name: 'short', messageRetentionDuration: { seconds: 60 } })),
      ).to.equal(3)
    }),
  )
  it(
    'a seek ends the leases of everybody who reads: ' +
      'what they held comes again and their acknowledgements count for nothing',
    inWorld(async (world) => {
      const reader = await made(world, { enableExactlyOnceDelivery: true })
      const [, info] = await (async () => {
        await publish(world, 'things', 'a', 'b')
        return reader.createSnapshot('then')
      })()
      expect(Number(info.expireTime?.seconds)).to.equal((world.now() + 7 * 86_400_000) / 1000)
      const [{ receivedMessages }] = await world.subscriber.pull({
        subscription: reader.name,
        maxMessages: 10,
        returnImmediately: true,
      })
      await reader.seek('then')
      expect(
        await codeOf(
          world.subscriber.acknowledge({
            subscription: reader.name,
            ackIds: receivedMessages!.map(({ ackId }) => ackId!),
          }),
        ),
      ).to.equal(9)
      expect(await world.take('reader')).to.deep.equal(['a', 'b'])
    }),
  )
  it(
    'a reader that streams goes on after a seek',
    inWorld(async (world) => {
      const reader = await made(world)
      const seen: string[] = []
      let wake: () => void = () => undefined
      reader.on('message', (message) => {
        message.ack()
        seen.push(message.data.toString())
        wake()
      })
      const until = async (count: number) => {
        while (seen.length < count)
          await new Promise<void>((resolve) => {
            wake = resolve
          })
      }
      await reader.createSnapshot('empty')
      await publish(world, 'things', 'a', 'b')
      await until(2)
      await reader.seek('empty')
      await until(4)
      await publish(world, 'things', 'c')
      await until(5)
      expect([...seen].sort()).to.deep.equal(['a', 'a', 'b', 'b', 'c'])
      await reader.close()
    }),
  )
  it(
    'snapshots have labels and an end, are listed page by page, and go when their time has come',
    inWorld(async (world) => {
      const reader = await made(world)
      for (const name of ['snap1', 'snap2', 'snap3']) await reader.createSnapshot(name)
      expect(await codeOf(reader.createSnapshot('snap1'))).to.equal(6)
      const project = `projects/${project_id}`
      const [page, , { nextPageToken }] = (await world.subscriber.listSnapshots(
        { project, pageSize: 2 },
        { autoPaginate: false },
      )) as [{ name?: string }[], unknown, { nextPageToken: string }]
      expect(page.map(({ name }) => name)).to.deep.equal([`${project}/snapshots/snap1`, `${project}/snapshots/snap2`])
      expect(
        (await world.subscriber.listSnapshots({ project, pageToken: nextPageToken }, { autoPaginate: false }))[0].map(
          ({ name }) => name,
        ),
      ).to.deep.equal([`${project}/snapshots/snap3`])
      const [changed] = await world.subscriber.updateSnapshot({
        snapshot: {
          name: `${project}/snapshots/snap1`,
          labels: { a: 'b' },
          expireTime: { seconds: world.now() / 1000 + 3600 },
        },
        updateMask: { paths: ['labels', 'expire_time'] },
      })
      expect(changed.labels).to.deep.equal({ a: 'b' })
      for (const paths of [[], ['topic']])
        expect(
          await codeOf(
            world.subscriber.updateSnapshot({
              snapshot: { name: `${project}/snapshots/snap1` },
              updateMask: { paths },
            }),
          ),
        ).to.equal(3)
      expect((await world.client.getSubscriptions())[0].map(({ name }) => name)).to.deep.equal([
        `${project}/subscriptions/reader`,
      ])
      world.move(3_700_000)
      await world.restart()
      expect(await codeOf(world.subscriber.getSnapshot({ snapshot: `${project}/snapshots/snap1` }))).to.equal(5)
      // One that would go within the hour with the oldest message in it is not made.
      await publish(world, 'things', 'old')
      world.move(6 * 86_400_000 + 23.5 * 3_600_000)
      expect(await codeOf(world.client.subscription('reader').createSnapshot('late'))).to.equal(9)
    }),
  )
  it(
    'a detached subscription has nothing and gets nothing; a seek stays on its topic',
    inWorld(async (world) => {
      const reader = await made(world)
      await world.client.createTopic('elsewhere')
      const [other] = await world.client.topic('elsewhere').createSubscription('other')
      await other.createSnapshot('foreign')
      expect(await codeOf(reader.seek('foreign'))).to.equal(9)
      await publish(world, 'things', 'a')
      await world.client.detachSubscription('reader')
      await publish(world, 'things', 'b')
      expect(
        await codeOf(world.subscriber.pull({ subscription: reader.name, maxMessages: 1, returnImmediately: true })),
      ).to.equal(9)
      expect((await reader.getMetadata())[0].detached).to.equal(true)
      expect((await world.client.topic('things').getSubscriptions())[0]).to.deep.equal([])
      await world.restart()
      expect((await world.client.subscription('reader').getMetadata())[0].detached).to.equal(true)
    }),
  )
  it('snapshots, kept messages and where a subscription was set are there after kill -9', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'convergence-seek-kill-'))
    const child = fork(join(import.meta.dirname, 'front-process.ts'), [join(folder, 'pubsub.db')], {
      stdio: 'inherit',
    })
    try {
      const [{ port }] = (await once(child, 'message')) as [{ port: number }]
      const client = new PubSub({
        projectId: project_id,
        apiEndpoint: `127.0.0.1:${port}`,
        emulatorMode: true,
        authClient: new PassThroughClient(),
      })
      const [topic] = await client.createTopic('things')
      const [reader] = await topic.createSubscription('reader', { retainAckedMessages: true })
      for (const text of ['a', 'b']) await topic.publishMessage({ data: Buffer.from(text) })
      await reader.createSnapshot('then')
      await reader.seek(new Date(Date.now() + 60_000))
      await topic.publishMessage({ data: Buffer.from('c') })
      child.kill('SIGKILL')
      await once(child, 'exit')
      await client.close()
      const broker = await openBroker({ file: join(folder, 'pubsub.db') })
      const take = async () =>
        (await broker.pull('reader', { max_messages: 10, wait_ms: 0 }))
          .map(({ data }) => Buffer.from(data).toString())
          .sort()
      expect(await take()).to.deep.equal(['c'])
      expect(broker.getSnapshot('then')?.topic).to.equal('things')
      await broker.seek('reader', { snapshot: 'then' })
      expect(await take()).to.deep.equal(['a', 'b', 'c'])
      await broker.seek('reader', { time_ms: 0 })
      expect(await take()).to.deep.equal(['a', 'b', 'c'])
      await broker.close()
    } finally {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
