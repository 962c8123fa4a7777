import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { context, propagation, trace } from '@opentelemetry/api'
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node'
import type { AppError } from '@convergence/contracts'
import { openGoogleBus } from '@convergence/bus/google'
import { busConformance } from '@convergence/bus/conformance'
import { openBroker } from '../src/broker.ts'
import { openPubSubFront } from '../src/front.ts'

// No metadata server is looked for on a machine that has none.
process.env['METADATA_SERVER_DETECTION'] = 'none'
const project_id = 'local-convergence'
const log = { warn: () => undefined, error: () => undefined }
const openFront = async () => {
  const folder = mkdtempSync(join(tmpdir(), 'convergence-pubsub-'))
  const broker = await openBroker({ file: join(folder, 'pubsub.db') })
  const front = await openPubSubFront({ broker, project_id, port: 0, log })
  return {
    broker,
    front,
    end: async () => {
      await front.close()
      await broker.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

describe("bus, Google's client over our wire", function () {
  this.timeout(120_000)
  busConformance({
    open: async () => {
      const world = await openFront()
      const port = openGoogleBus({
        project_id,
        api_endpoint: `127.0.0.1:${world.front.port}`,
        log,
        close_timeout_ms: 3_000,
      })
      return {
        port,
        end: async () => {
          await port.close()
          await world.end()
        },
      }
    },
  })
})

describe('health of the bus over the wire', function () {
  this.timeout(120_000)
  it('says for a while that a publish found nobody, receives all the same, and is healthy again by itself', async () => {
    const world = await openFront()
    const port = openGoogleBus({
      project_id,
      api_endpoint: `127.0.0.1:${world.front.port}`,
      log,
      publish_timeout_ms: 300,
      unpublished_ms: 1_000,
      close_timeout_ms: 1_000,
    })
    try {
      const publish = () => port.publish([{ topic: 'things', data: Buffer.from('x'), attributes: {} }])
      await port.ensureTopic('things')
      await publish()
      await world.front.close()
      expect(
        await publish().then(
          () => 'published',
          (error: AppError) => error.code,
        ),
      ).to.equal('UNAVAILABLE')
      expect([port.healthy(), port.receiving()]).to.deep.equal([false, true])
      while (!port.healthy()) await pause(20)
    } finally {
      await port.close()
      await world.end()
    }
  })
  it('receives again when a subscription that was refused is there, though no message comes', async () => {
    const world = await openFront()
    const port = openGoogleBus({
      project_id,
      api_endpoint: `127.0.0.1:${world.front.port}`,
      log,
      accepted_ms: 200,
      close_timeout_ms: 1_000,
    })
    try {
      await port.ensureTopic('things')
      const reader = port.subscribe('late', { max_outstanding: 1, max_extension_ms: 60_000 }, () => undefined)
      while (port.receiving()) await pause(20)
      await port.ensureSubscription('late', { topic: 'things' })
      while (!port.receiving()) await pause(20)
      expect(port.healthy()).to.equal(true)
      reader.close()
    } finally {
      await port.close()
      await world.end()
    }
  })
})

describe('traces over Pub/Sub', () => {
  it('a handler runs inside the span of its message, which belongs to the trace of whoever published', async () => {
    const exporter = new InMemorySpanExporter()
    const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
    provider.register()
    const world = await openFront()
    const port = openGoogleBus({
      project_id,
      api_endpoint: `127.0.0.1:${world.front.port}`,
      log,
      close_timeout_ms: 3_000,
    })
    try {
      await port.ensureTopic('traced')
      await port.ensureSubscription('traced.reader', { topic: 'traced' })
      const handled = new Promise<{ active: string | undefined; attributes: Readonly<Record<string, string>> }>(
        (resolve) => {
          port.subscribe('traced.reader', { max_outstanding: 1, max_extension_ms: 60_000 }, (message) => {
            resolve({ active: trace.getActiveSpan()?.spanContext().traceId, attributes: message.attributes })
            void port.ack(message.ack_id)
          })
        },
      )
      const published = await trace.getTracer('test').startActiveSpan('request', async (span) => {
        await port.publish([{ topic: 'traced', data: Buffer.from('x'), attributes: { a: 'b' } }])
        span.end()
        return span.spanContext().traceId
      })
      const { active, attributes } = await handled
      expect(active).to.equal(published)
      expect(attributes['googclient_traceparent']).to.contain(published)
      await port.close()
      await provider.forceFlush()
      expect(exporter.getFinishedSpans().map(({ name }) => name)).to.include.members([
        'request',
        'traced create',
        'traced.reader subscribe',
      ])
    } finally {
      await port.close()
      await world.end()
      await provider.shutdown()
      trace.disable()
      context.disable()
      propagation.disable()
    }
  })
})
