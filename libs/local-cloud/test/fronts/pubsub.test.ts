import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openGoogleBus } from '@convergence/bus/google'
import { busConformance } from '@convergence/bus/conformance'
import { openBroker } from '@convergence/local-cloud/pubsub'
import { openPubSubFront } from '@convergence/local-cloud/pubsub-front'

// No metadata server is looked for on a machine that has none.
process.env['METADATA_SERVER_DETECTION'] = 'none'
const project_id = 'local-convergence'
const log = { warn: () => undefined, error: () => undefined }
const openFront = async () => {
  const folder = mkdtempSync(join(tmpdir(), 'convergence-pubsub-'))
  const broker = await openBroker({ file: join(folder, 'pubsub.db') })
  const front = await openPubSubFront({ broker, project_id, port: 0, log })
  return {
    broker, front,
    end: async () => {
      await front.close()
      await broker.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

describe('bus, Google\'s client over our wire', function () {
  this.timeout(30_000)
  busConformance({
    open: async () => {
      const world = await openFront()
      const port = openGoogleBus({ project_id, api_endpoint: `127.0.0.1:${world.front.port}`, log, close_timeout_ms: 3_000 })
      return { port, end: async () => { await port.close(); await world.end() } }
    },
  })
})
