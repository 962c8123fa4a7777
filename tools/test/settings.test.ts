import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { AppError, serviceNames } from '@convergence/contracts'
import { openLog } from '@convergence/service'
import { openLocalCloud } from '../local-cloud.ts'
import { readSettings } from '../settings.ts'

describe('settings', () => {
  it('fills in defaults, and takes an empty value as none', () => {
    expect(readSettings({ API_PORT: '', ADMIN_API_KEY: '' })).to.deep.equal({
      CONVERGENCE_DATA_DIR: '.convergence',
      API_PORT: 8000,
      GCP_PROJECT_ID: 'local-convergence',
      LOG_LEVEL: 'warn',
      ADMIN_API_KEY: undefined,
      SHARED_SOURCES: 'billing_export',
      SMTP_URL: undefined,
      PUBSUB_PORT: 8085,
      BIGQUERY_PORT: 9050,
      KMS_PORT: 9060,
      WIRE_HOST: '127.0.0.1',
    })
  })

  it('turns a front off by an empty port or by off, and takes 0 as any free one', () => {
    const { PUBSUB_PORT, BIGQUERY_PORT, KMS_PORT } = readSettings({
      PUBSUB_PORT: '',
      BIGQUERY_PORT: 'off',
      KMS_PORT: '0',
    })
    expect([PUBSUB_PORT, BIGQUERY_PORT, KMS_PORT]).to.deep.equal([undefined, undefined, 0])
    expect(() => readSettings({ PUBSUB_PORT: '99999' })).to.throw(AppError)
  })

  it('tells all faults at once, and never the value of a secret', () => {
    try {
      readSettings({
        API_PORT: '80a',
        LOG_LEVEL: 'LOUD',
        GCP_PROJECT_ID: 'A',
        RUNTIME: 'gcp',
        DISABLE_AUTH: 'true',
        SMTP_URL: 'http://user:hunter2@mail',
      })
      expect.fail('accepted')
    } catch (error) {
      expect(error).to.be.instanceOf(AppError)
      const { faults, message } = error as AppError
      expect(faults).to.have.length(6)
      expect(faults.join() + message).not.to.contain('hunter2')
      expect(message).to.equal('6 settings are wrong, nothing was started')
    }
  })

  it('each variable that a service reads is in its README, and each variable there is read', () => {
    for (const service of serviceNames) {
      const folder = join(import.meta.dirname, '../../services', service)
      const { properties } = JSON.parse(readFileSync(join(folder, 'env.schema.json'), 'utf8')) as { properties: object }
      const section =
        readFileSync(join(folder, 'README.md'), 'utf8').split('\n## Settings\n')[1]?.split('\n## ')[0] ?? ''
      const told = [...section.matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, name]) => name)
      expect(told.sort(), service).to.deep.equal(Object.keys(properties).sort())
    }
  })

  it('a key file of the data folder that is none is told with its name and what to do', async () => {
    for (const [name, text] of [
      ['signing-keys.json', 'garbage'],
      ['signing-keys.json', '{"auth":{}}'],
      ['admin-key', 'two words\n'],
    ] as const) {
      const data_folder = mkdtempSync(join(tmpdir(), 'convergence-keys-'))
      try {
        writeFileSync(join(data_folder, name), text)
        const error = await openLocalCloud({
          data_folder,
          project_id: 'local',
          log: openLog({ service: 'test', level: 'error' }),
        }).then(
          () => undefined,
          (thrown: unknown) => thrown,
        )
        expect(error, name).to.be.instanceOf(AppError).and.include({ code: 'SETTING_INVALID' })
        expect((error as AppError).message)
          .to.contain(join(data_folder, name))
          .and.contain('take the file away')
          .and.not.contain(text.trim())
      } finally {
        rmSync(data_folder, { recursive: true, force: true })
      }
    }
  })
})
