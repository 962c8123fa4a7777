import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { AppError, serviceNames } from '@convergence/contracts'
import { openLog } from '@convergence/service'
import { openLocalCloud } from '../local-cloud.ts'
import { readEnvSchema } from '@convergence/service/env'
import { platformSchema, readSettings } from '../settings.ts'

describe('settings', () => {
  it('fills in defaults, and takes an empty value as none', () => {
    const { values, ...settings } = readSettings({ API_PORT: '', ADMIN_API_KEY: '' })
    expect(settings).to.deep.equal({
      data_folder: '.convergence',
      project_id: 'local-convergence',
      api_port: 8000,
      host: '127.0.0.1',
      wire: { host: '127.0.0.1', pubsub: 8085, bigquery: 9050, kms: 9060 },
      management_port: undefined,
      log_level: 'warn',
      local_mode: true,
    })
    expect(values).to.include({ ENVIRONMENT: 'development', TRUSTED_PROXIES: '0' })
    expect(values).not.to.have.any.keys('ADMIN_API_KEY', 'CORS_ORIGINS', 'SMTP_URL')
  })

  it('turns a front off by an empty port or by off, and takes 0 as any free one', () => {
    const { wire } = readSettings({ PUBSUB_PORT: '', BIGQUERY_PORT: 'off', KMS_PORT: '0' })
    expect(wire).to.deep.equal({ host: '127.0.0.1', kms: 0 })
    expect(() => readSettings({ PUBSUB_PORT: '99999' })).to.throw(AppError)
  })

  it('takes every variable of every service, or says why not', () => {
    const { properties, refused, ignored } = platformSchema()
    for (const service of serviceNames) {
      const file = join(import.meta.dirname, '../../services', service, 'env.schema.json')
      for (const name of Object.keys(readEnvSchema(file).properties))
        expect(
          [properties, refused, ignored].filter((list) => name in list),
          `${name} of ${service}`,
        ).to.have.length(1)
    }
    for (const name of Object.keys(refused))
      expect(() => readSettings({ [name]: 'x' }), name)
        .to.throw(AppError)
        .with.property('faults')
        .that.satisfies(
          (faults: string[]) => faults.length === 1 && faults[0]?.startsWith(`${name} expected nothing: `),
        )
    for (const name of Object.keys(ignored)) expect(() => readSettings({ [name]: 'x' }), name).not.to.throw()
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
      const told = [...section.matchAll(/^\| `([A-Z0-9_]+)` \|/gm)].map(([, name]) => name)
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
