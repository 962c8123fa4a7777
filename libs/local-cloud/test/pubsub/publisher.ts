/** Publishes until it is killed, telling its parent which messages were acknowledged. */
import { openBroker } from '@convergence/local-cloud/pubsub'

const [file = '', round = ''] = process.argv.slice(2)
const broker = await openBroker({ file })
await broker.ensureTopic('orders')
await broker.ensureSubscription('reader', { topic: 'orders' })
for (let k = 0; ; k += 10) {
  const bodies = Array.from({ length: 10 }, (_, j) => `${round}-${k + j}`)
  await broker.publish(bodies.map((body) => ({ topic: 'orders', data: Buffer.from(body), attributes: {} })))
  process.send?.(bodies)
}
