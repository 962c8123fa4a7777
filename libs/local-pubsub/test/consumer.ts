/** Dies of a message; ends by itself when the message has gone to the dead letters. */
import { openBroker } from '../src/broker.ts'

const broker = await openBroker({ file: process.argv[2] ?? '' })
const fresh = broker.listTopics().length === 0
await broker.ensureTopic('dead')
await broker.ensureTopic('orders')
await broker.ensureSubscription('dead-reader', { topic: 'dead' })
await broker.ensureSubscription('reader', {
  topic: 'orders',
  deadLetterPolicy: { topic: 'dead', maxDeliveryAttempts: 5 },
})
broker.subscribe('reader', { max_outstanding: 10, max_extension_ms: 60_000 }, () => {
  process.kill(process.pid, 'SIGKILL')
})
broker.subscribe('dead-reader', { max_outstanding: 1, max_extension_ms: 60_000 }, ({ ack_id }) => {
  broker.nack(ack_id)
  void broker.close().then(() => {
    process.disconnect()
  })
})
if (fresh) await broker.publish([{ topic: 'orders', data: Buffer.from('x'), attributes: { kind: 'poison' } }])
