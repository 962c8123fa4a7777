/**
 * A broker and its front in a process of their own, for tests that kill it: `node front-process.ts FILE` tells its
 * parent the port.
 */
import { openBroker } from '../src/broker.ts'
import { openPubSubFront } from '../src/front.ts'

const broker = await openBroker({ file: process.argv[2] ?? '' })
const front = await openPubSubFront({
  broker,
  project_id: 'local-convergence',
  port: 0,
  log: { warn: () => undefined, error: () => undefined },
})
process.send?.({ port: front.port })
process.once('disconnect', () => {
  process.exit(0)
})
