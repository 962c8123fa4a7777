import { generateKeyPairSync } from 'node:crypto'
import { expect } from 'chai'
import type { World } from '../operations.ts'
import { openWorld } from './world.ts'

describe('keys over REST, while others change them', function () {
  this.timeout(240_000)
  let world: World
  before(async () => {
    world = await openWorld()
    await world.onboard('acme_corp')
  })
  after(() => world.end())

  const admin = (method: string, path: string, body?: Record<string, unknown>) =>
    world.client.call(method, `/api/v1/admin/${path}`, {
      admin: world.admin_key,
      expect: [200, 201, 409, 412],
      ...(body === undefined ? {} : { body }),
    })
  const makeKey = async () => {
    const { body } = await admin('POST', 'api-keys', { tenant_id: 'acme_corp' })
    return { key: String(body['api_key']), key_id: String(body['key_id']) }
  }
  const listed = async (key_id: string) => {
    const { body } = await admin('GET', 'api-keys?tenant_id=acme_corp')
    const found = (body['items'] as Record<string, unknown>[]).find((item) => item['key_id'] === key_id)
    if (found === undefined) throw new Error(`${key_id} is not listed`)
    return found
  }

  it('a revoked key is revoked for good, also when a rotation meets the revocation', async () => {
    for (let round = 0; round < 25; round += 1) {
      const { key, key_id } = await makeKey()
      const [revoked, rotated] = await Promise.all([
        admin('DELETE', `api-keys/${key_id}`),
        admin('POST', `api-keys/${key_id}/rotate`, { overlap_hours: 1 }),
      ])
      expect(revoked.status, `round ${round}`).to.equal(200)
      expect(rotated.status, `round ${round}`).to.be.oneOf([201, 409])
      const row = await listed(key_id)
      expect([row['is_active'], typeof row['revoked_at']], `round ${round}`).to.deep.equal([false, 'string'])
      const answer = await fetch(`${world.url}/api/v1/pipelines`, { headers: { 'X-API-Key': key } })
      expect(answer.status, `round ${round}`).to.equal(401)
    }
  })

  it('of ten rotations at once one makes a successor', async () => {
    const { key_id } = await makeKey()
    const count = async () => {
      const { body } = await admin('GET', 'api-keys?tenant_id=acme_corp')
      return (body['items'] as unknown[]).length
    }
    const before = await count()
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => admin('POST', `api-keys/${key_id}/rotate`, { overlap_hours: 1 })),
    )
    const made = answers.filter(({ status }) => status === 201)
    expect(made.length).to.equal(1)
    expect(answers.filter(({ status }) => status === 409 || status === 412).length).to.equal(9)
    expect(await count()).to.equal(before + 1)
    expect((await listed(key_id))['replaced_by']).to.equal(made[0]?.body['key_id'])
  })

  it('a revoked publisher key stays revoked, whoever registers it again', async () => {
    const { publicKey } = generateKeyPairSync('ed25519')
    const body = {
      kid: 'acme-upstream',
      tenant_id: 'acme_corp',
      public_key: publicKey.export({ format: 'der', type: 'spki' }).toString('base64'),
    }
    expect((await admin('POST', 'publisher-keys', body)).status).to.equal(201)
    expect((await admin('POST', 'publisher-keys', body)).status).to.equal(200)
    const [revoked] = await Promise.all([
      admin('DELETE', 'publisher-keys/acme-upstream'),
      ...Array.from({ length: 5 }, (_, k) => admin('POST', 'publisher-keys', { ...body, description: `again ${k}` })),
    ])
    expect(revoked.status).to.equal(200)
    expect((await admin('POST', 'publisher-keys', body)).status).to.equal(409)
    const { body: list } = await admin('GET', 'publisher-keys')
    expect((list['items'] as Record<string, unknown>[]).map(({ kid, is_active }) => [kid, is_active])).to.deep.equal([
      ['acme-upstream', false],
    ])
  })
})
