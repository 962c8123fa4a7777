import { expect } from 'chai'
import { adminKey, inWorld, type World } from './fakes.ts'

const path = '/api/v1/tenants/acme_corp/credentials'
const role_arn = 'arn:aws:iam::123456789012:role/convergence'
const setup = (world: World) => {
  world.addTenant('acme_corp')
  world.addTenant('globex')
  const key = world.addKey('acme_corp')
  const put = (name: string, body: object) => world.call('PUT', `${path}/${name}`, { key, body })
  const opened = async (name: string, version: number, purpose: 'tenant-credentials' | 'notify-targets') => {
    const row = (world.warehouse.rows['tenant_cloud_credentials_rows'] ?? []).find(
      (each) => each['credential_ref'] === name && each['version'] === version,
    )
    const aad = `tenant_cloud_credentials|acme_corp|${name}|${version}`
    return JSON.parse(await world.secrets.open(purpose, String(row?.['sealed']), aad)) as unknown
  }
  return { key, put, opened }
}

describe('credentials by their fields', () => {
  it('are sealed as JSON, of every provider and form', () =>
    inWorld({}, async (world) => {
      const { put, opened } = setup(world)
      const azure = 'https://acmebilling4711.blob.core.windows.net'
      for (const [name, body, purpose] of [
        ['aws', { access_key_id: 'AKIAIOSFODNN7EXAMPLE', secret_access_key: 'a'.repeat(40) }, 'tenant-credentials'],
        ['azure', { sas_url: `${azure}/cost?sv=2024-11-04&sig=abc%3D` }, 'tenant-credentials'],
        [
          'azure_two',
          { connection_string: 'AccountName=acmebilling4711;AccountKey=abc=;EndpointSuffix=core.windows.net' },
          'tenant-credentials',
        ],
        [
          'azure_three',
          { client_id: '6f1f2c3a-0d6b-4f0e-9c39-5b1f5c2d7a10', tenant_id: '0b8a4d52-7f0c-4a3e-8f51-1c2d3e4f5a6b' },
          'tenant-credentials',
        ],
        ['gcp', { service_account: 'convergence@acme-prod-4711.iam.gserviceaccount.com' }, 'tenant-credentials'],
        ['smtp', { url: 'smtps://user:canary@mail.acme.example' }, 'notify-targets'],
        ['slack', { webhook_url: 'https://hooks.slack.com/services/T0/B0/abc' }, 'notify-targets'],
        ['webhook', { url: 'https://hooks.acme.example/cost', secret: 'canary-canary' }, 'notify-targets'],
      ] as const) {
        const provider = name.split('_')[0]
        const answer = await put(name, name === provider ? body : { provider, ...body })
        expect(answer.status, answer.text).to.equal(200)
        expect(answer.body).to.deep.include({ tenant_id: 'acme_corp', name, provider, version: 1, external_id: null })
        expect(answer.body['fields']).to.deep.equal(Object.keys(body).toSorted())
        expect(await opened(name, 1, purpose), name).to.deep.equal(body)
      }
    }))

  it('have faults told all at once, and never what was sent', () =>
    inWorld({}, async (world) => {
      const { put } = setup(world)
      const wrong = await put('aws', { access_key_id: 'canary-1', secret_access_key: 'canary 2', more: 'canary-3' })
      expect([wrong.status, (wrong.body['errors'] as unknown as string[]).length]).to.deep.equal([400, 3])
      expect(wrong.text + world.lines.join('')).to.not.match(/canary/)
      for (const [name, body] of [
        ['mine', { role_arn }],
        ['aws', {}],
        ['aws', { role_arn, access_key_id: 'AKIAIOSFODNN7EXAMPLE' }],
        ['aws', { access_key_id: 'AKIAIOSFODNN7EXAMPLE' }],
        ['aws', { role_arn: 7 }],
        ['aws', { provider: 'oracle', role_arn }],
        ['azure', { sas_url: 'https://acmebilling4711.blob.core.windows.net.evil.example/cost?sig=x' }],
        ['azure', { sas_url: 'http://acmebilling4711.blob.core.windows.net/cost?sig=x' }],
        ['azure', { connection_string: 'BlobEndpoint=https://evil.example;SharedAccessSignature=sig=x' }],
        ['azure', { connection_string: 'UseDevelopmentStorage=true' }],
        ['gcp', { service_account: 'me@evil.example' }],
        ['smtp', { url: 'smtp://user:p@127.0.0.1' }],
        ['smtp', { url: 'smtp://user:p@localhost:25' }],
        ['smtp', { url: 'https://mail.acme.example' }],
        ['slack', { webhook_url: 'https://hooks.slack.com.evil.example/services/T0/B0/abc' }],
        ['webhook', { url: 'http://hooks.acme.example', secret: 'long-enough' }],
        ['webhook', { url: 'https://169.254.169.254/latest', secret: 'long-enough' }],
        ['webhook', { url: 'https://[::1]/', secret: 'long-enough' }],
        ['webhook', { url: 'https://metadata.google.internal/', secret: 'long-enough' }],
      ] as const)
        expect((await put(name, body)).status, JSON.stringify(body)).to.equal(400)
      expect(world.warehouse.rows['tenant_cloud_credentials_rows'] ?? []).to.have.length(0)
    }))

  it('of a role have an external id of ours, which stays with the name', () =>
    inWorld({}, async (world) => {
      const { key, put, opened } = setup(world)
      const first = await put('aws', { role_arn })
      const external_id = String(first.body['external_id'])
      expect(external_id).to.match(/^cvg-[0-9A-Za-z]{32}$/)
      expect(await opened('aws', 1, 'tenant-credentials')).to.deep.equal({ role_arn, external_id })
      const again = await put('aws', { role_arn: `${role_arn}2` })
      expect([again.body['external_id'], again.body['version']]).to.deep.equal([external_id, 2])
      await put('aws', { access_key_id: 'AKIAIOSFODNN7EXAMPLE', secret_access_key: 'a'.repeat(40) })
      expect((await world.call('DELETE', `${path}/aws`, { key })).status).to.equal(200)
      expect((await put('aws', { role_arn })).body['external_id']).to.equal(external_id)
      const other = await put('other', { provider: 'aws', role_arn })
      expect(other.body['external_id']).to.not.equal(external_id)
      // Nobody chooses one.
      expect((await put('aws', { role_arn, external_id: 'mine' })).status).to.equal(400)
    }))

  it('are listed and read without their secret, also for the admin key', () =>
    inWorld({}, async (world) => {
      const { key, put } = setup(world)
      await put('slack', { webhook_url: 'https://hooks.slack.com/services/T0/B0/canary' })
      const by_admin = await world.call('PUT', `${path}/aws`, { admin: adminKey, body: { role_arn } })
      expect(by_admin.body['stored_by']).to.equal('admin')
      const list = await world.call('GET', path, { key })
      expect(
        (list.body['items'] as unknown as Record<string, unknown>[]).map(({ name, provider }) => [name, provider]),
      ).to.deep.equal([
        ['slack', 'slack'],
        ['aws', 'aws'],
      ])
      const one = await world.call('GET', `${path}/slack`, { admin: adminKey })
      expect(one.body).to.deep.include({ name: 'slack', provider: 'slack', is_active: true, last_used_at: null })
      expect(list.text + one.text).to.not.match(/canary|sealed/)
      expect((await world.call('GET', `${path}/gcp`, { key })).status).to.equal(404)
      expect((await world.call('GET', path.replace('acme_corp', 'nobody'), { admin: adminKey })).status).to.equal(404)
    }))

  it('are removed with what was sealed, unless a source names them', () =>
    inWorld({}, async (world) => {
      const { key, put } = setup(world)
      await put('aws', { role_arn })
      ;(world.warehouse.rows['sources'] ??= []).push({
        tenant_id: 'acme_corp',
        name: 'payer',
        provider: 'aws',
        settings: '{"credential":"aws"}',
      })
      const refused = await world.call('DELETE', `${path}/aws`, { key })
      expect([refused.status, refused.body['code']]).to.deep.equal([409, 'CONFLICT'])
      expect(refused.body['detail']).to.match(/payer/)
      world.warehouse.rows['sources'] = []
      expect((await world.call('DELETE', `${path}/aws`, { key })).body).to.deep.equal({
        tenant_id: 'acme_corp',
        name: 'aws',
        deleted: true,
      })
      expect(world.warehouse.rows['tenant_cloud_credentials_rows']?.at(-1)).to.deep.include({
        sealed: '',
        is_active: false,
        version: 2,
      })
      expect((await world.call('GET', `${path}/aws`, { key })).status).to.equal(404)
      expect((await world.call('DELETE', `${path}/aws`, { key })).status).to.equal(404)
    }))

  it('come as one text, as they did first, and are stored by their fields where the text is those', () =>
    inWorld({}, async (world) => {
      const { put, opened } = setup(world)
      const webhook_url = 'https://hooks.slack.com/services/T0/B0/abc'
      await put('slack', { credential: webhook_url, credential_ref: 'ops' })
      expect(await opened('ops', 1, 'notify-targets')).to.deep.equal({ webhook_url })
      const keys = { access_key_id: 'AKIAIOSFODNN7EXAMPLE', secret_access_key: 'a'.repeat(40) }
      await put('aws', { credential: JSON.stringify(keys) })
      expect(await opened('aws', 1, 'tenant-credentials')).to.deep.equal(keys)
      await put('gcp', { credential: 'whatever was stored first' })
      expect(await opened('gcp', 1, 'tenant-credentials')).to.deep.equal({ credential: 'whatever was stored first' })
      expect((await put('gcp', { credential: 'x', more: 1 })).status).to.equal(400)
    }))
})
