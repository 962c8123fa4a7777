import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect } from 'chai'
import { serviceNames } from '@convergence/contracts'
import { bootstrap, openLog } from '@convergence/service'
import { openWarehouse } from '@convergence/warehouse'
import { openLocalCloud } from '../local-cloud.ts'

const root = join(import.meta.dirname, '../..')
/** What `npm run service` runs, taken from package.json, so that the test runs what a user does. */
const command = (
  JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
).scripts['service']
  ?.split(' ')
  .slice(1) ?? ['no script']

const setup = async () => {
  const data_folder = mkdtempSync(join(tmpdir(), 'convergence-service-'))
  const log = openLog({ service: 'test', level: 'error' })
  const cloud = await openLocalCloud({ data_folder, project_id: 'local-convergence', log })
  await bootstrap(openWarehouse({ engine: cloud.engine, random: Math.random }), {})
  const fronts = await cloud.openFronts({ pubsub: 0, bigquery: 0, kms: 0 })
  const children: { kill(): void; ended: Promise<number | null> }[] = []
  return {
    /** Starts it as a user does; `lines` are what it logs. */
    start: (name: string) => {
      const child = spawn(process.execPath, [...command, name], {
        cwd: root,
        env: {
          PATH: process.env['PATH'],
          HOME: data_folder,
          ...fronts.env,
          CONVERGENCE_DATA_DIR: data_folder,
          LOG_LEVEL: 'INFO',
          MANAGEMENT_PORT: '0',
          API_PORT: '0',
        },
        stdio: ['ignore', 'ignore', 'pipe'],
      })
      const ended = new Promise<number | null>((resolve) => {
        child.once('close', resolve)
      })
      children.push({ kill: () => child.kill('SIGKILL'), ended })
      return { child, ended, lines: createInterface({ input: child.stderr }) }
    },
    close: async () => {
      for (const child of children) child.kill()
      await Promise.all(children.map(({ ended }) => ended))
      await fronts.close()
      await cloud.close()
      rmSync(data_folder, { recursive: true, force: true })
    },
  }
}

describe('npm run service', function () {
  this.timeout(120_000)
  let world: Awaited<ReturnType<typeof setup>>
  before(async () => {
    world = await setup()
  })
  after(() => world.close())

  for (const name of serviceNames) {
    it(`starts ${name}, which is ready and stops in order`, async () => {
      const { child, ended, lines } = world.start(name)
      let management_port: number | undefined
      for await (const line of lines) {
        const { message, ...fields } = JSON.parse(line) as { message: string; management_port?: number }
        if (message === 'ready') {
          ;({ management_port } = fields)
          break
        }
      }
      expect(management_port, `${name} ended without being ready`).to.be.a('number')
      const ready = await fetch(`http://127.0.0.1:${String(management_port)}/health/ready`)
      expect(await ready.json()).to.deep.equal({ status: 'ready', reasons: [] })
      child.kill('SIGTERM')
      expect(await ended).to.equal(0)
    })
  }
  it('names the services when asked for another', async () => {
    const { ended, lines } = world.start('authh')
    let said = ''
    for await (const line of lines) said += line
    expect(said).to.contain('expected one of auth, tenant, scheduler, executor, notifier, got "authh"')
    expect(await ended).to.equal(2)
  })
})
