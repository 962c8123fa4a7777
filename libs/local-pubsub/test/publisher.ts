/** Publishes and acknowledges every third body until it is killed, telling its parent what was durable. */
import { openBroker } from '../src/broker.ts'

const [file = '', round = ''] = process.argv.slice(2)
const broker = await openBroker({ file })
await broker.ensureTopic('orders')
await broker.ensureSubscription('reader', { topic: 'orders' })
broker.subscribe('reader', { max_outstanding: 10_000, max_extension_ms: 60_000 }, ({ ack_id, data }) => {
  const body = Buffer.from(data).toString()
  if (Number(body.split('-')[1]) % 3 === 0)
    void broker.ack(ack_id).then(() => process.send?.({ bodies: [], acked: [body] }))
})
for (let k = 0; ; k += 10) {
  const bodies = Array.from({ length: 10 }, (_, j) => `${round}-${k + j}`)
  await broker.publish(bodies.map((body) => ({ topic: 'orders', data: Buffer.from(body), attributes: {} })))
  process.send?.({ bodies, acked: [] })
}
