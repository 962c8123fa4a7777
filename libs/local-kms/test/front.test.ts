import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { KeyManagementServiceClient } from '@google-cloud/kms'
import { PassThroughClient } from 'google-auth-library'
import { credentials, Server, ServerCredentials } from '@grpc/grpc-js'
import { openKeyring } from '../src/keyring.ts'
import { openKmsFront } from '../src/front.ts'
import { openSecrets, purposes } from '@convergence/secrets'
import { codeOf, secretsConformance } from '@convergence/secrets/conformance'
import { openKms } from '@convergence/secrets/google'
import { loadServices } from '@convergence/local-wire'

// No metadata server is looked for on a machine that has none.
process.env['METADATA_SERVER_DETECTION'] = 'none'
const project_id = 'local-convergence'
const location = `projects/${project_id}/locations/global`
const key_ring = `${location}/keyRings/convergence`
const quiet = { warn: () => undefined, error: () => undefined }

const setup = async (now: () => Date = () => new Date()) => {
  const folder = mkdtempSync(join(tmpdir(), 'convergence-kms-'))
  const file = join(folder, 'keyring.json')
  const keyring = openKeyring({ file, now })
  const front = await openKmsFront({ keyring, project_id, port: 0, log: quiet })
  const api_endpoint = `127.0.0.1:${front.port}`
  const client = new KeyManagementServiceClient({
    apiEndpoint: '127.0.0.1',
    port: front.port,
    sslCreds: credentials.createInsecure(),
    authClient: new PassThroughClient(),
    projectId: project_id,
  })
  return {
    file,
    keyring,
    client,
    api_endpoint,
    end: async () => {
      await client.close()
      await front.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
type World = Awaited<ReturnType<typeof setup>>
const inWorld = (body: (world: World) => Promise<void>, now?: () => Date) => async () => {
  const world = await setup(now)
  try {
    await body(world)
  } finally {
    await world.end()
  }
}
const refused = async (promise: Promise<unknown>): Promise<{ code: number; details: string }> => {
  try {
    await promise
  } catch (error) {
    return error as { code: number; details: string }
  }
  throw new Error('expected a refusal')
}
const [invalidArgument, notFound, alreadyExists, failedPrecondition, unimplemented] = [3, 5, 6, 9, 12]

secretsConformance("Google's KMS client over our wire", async () => {
  const { keyring, api_endpoint, end } = await setup()
  const wrapper = openKms({ key_ring, api_endpoint, log: quiet })
  return {
    wrapper,
    rotate: async () => {
      for (const purpose of purposes) keyring.rotate(purpose)
    },
    end: async () => {
      await wrapper.close()
      await end()
    },
  }
})

describe('KMS on the wire', () => {
  it(
    'opens by the key file what was sealed over the wire, and the other way round: both forms share a data folder',
    inWorld(async ({ file, api_endpoint }) => {
      const wire = openSecrets(openKms({ key_ring, api_endpoint, log: quiet }))
      const near = openSecrets(openKeyring({ file }))
      expect(await near.open('notify-targets', await wire.seal('notify-targets', 'x', 'aad'), 'aad')).to.equal('x')
      expect(await wire.open('notify-targets', await near.seal('notify-targets', 'y', 'aad'), 'aad')).to.equal('y')
      await wire.close()
    }),
  )
  it(
    'makes rings, keys and versions, tells of one that exists and of one that does not',
    inWorld(async ({ client }) => {
      const [ring] = await client.createKeyRing({ parent: location, keyRingId: 'other' })
      expect(ring.name).to.equal(`${location}/keyRings/other`)
      expect((await refused(client.createKeyRing({ parent: location, keyRingId: 'other' }))).code).to.equal(
        alreadyExists,
      )
      const [key] = await client.createCryptoKey({
        parent: ring.name ?? '',
        cryptoKeyId: 'k',
        cryptoKey: { purpose: 'ENCRYPT_DECRYPT', labels: { a: 'b' } },
      })
      expect(key.primary?.name).to.equal(`${key.name}/cryptoKeyVersions/1`)
      expect(key.labels).to.deep.equal({ a: 'b' })
      expect(
        (
          await refused(
            client.createCryptoKey({
              parent: ring.name ?? '',
              cryptoKeyId: 'k',
              cryptoKey: { purpose: 'ENCRYPT_DECRYPT' },
            }),
          )
        ).code,
      ).to.equal(alreadyExists)
      const [empty] = await client.createCryptoKey({
        parent: ring.name ?? '',
        cryptoKeyId: 'empty',
        cryptoKey: { purpose: 'ENCRYPT_DECRYPT' },
        skipInitialVersionCreation: true,
      })
      expect(empty.primary).to.equal(null)
      expect((await refused(client.encrypt({ name: empty.name ?? '', plaintext: Buffer.from('x') }))).code).to.equal(
        failedPrecondition,
      )
      for (const missing of [
        client.getKeyRing({ name: `${location}/keyRings/none` }),
        client.getCryptoKey({ name: `${ring.name}/cryptoKeys/none` }),
        client.getCryptoKeyVersion({ name: `${key.name}/cryptoKeyVersions/7` }),
        client.createCryptoKey({
          parent: `${location}/keyRings/none`,
          cryptoKeyId: 'k',
          cryptoKey: { purpose: 'ENCRYPT_DECRYPT' },
        }),
        client.encrypt({ name: `${ring.name}/cryptoKeys/none`, plaintext: Buffer.from('x') }),
        client.getKeyRing({ name: 'projects/other/locations/global/keyRings/convergence' }),
      ]) {
        expect((await refused(missing)).code).to.equal(notFound)
      }
      for (const wrong of [
        client.getKeyRing({ name: 'convergence' }),
        client.createKeyRing({ parent: location, keyRingId: 'a b' }),
        client.createCryptoKey({ parent: ring.name ?? '', cryptoKeyId: 'x' }),
      ])
        expect((await refused(wrong)).code).to.equal(invalidArgument)
    }),
  )
  it(
    'lists page by page, each name once',
    inWorld(async ({ client }) => {
      await client.createKeyRing({ parent: location, keyRingId: 'many' })
      const parent = `${location}/keyRings/many`
      const ids = Array.from({ length: 7 }, (_, at) => `k${at}`)
      for (const cryptoKeyId of ids)
        await client.createCryptoKey({ parent, cryptoKeyId, cryptoKey: { purpose: 'ENCRYPT_DECRYPT' } })
      const seen: (string | undefined)[] = []
      for await (const key of client.listCryptoKeysAsync({ parent, pageSize: 3 }, { autoPaginate: false }))
        seen.push(key.name?.split('/').at(-1))
      expect(seen).to.deep.equal(ids)
      for (let more = 0; more < 11; more += 1)
        await client.createCryptoKeyVersion({ parent: `${parent}/cryptoKeys/k0` })
      const versions: number[] = []
      for await (const version of client.listCryptoKeyVersionsAsync(
        { parent: `${parent}/cryptoKeys/k0`, pageSize: 5 },
        { autoPaginate: false },
      ))
        versions.push(Number(version.name?.split('/').at(-1)))
      expect(versions).to.deep.equal(Array.from({ length: 12 }, (_, at) => at + 1))
      expect(
        (await client.listKeyRings({ parent: location }))[0].map(({ name }) => name?.split('/').at(-1)),
      ).to.deep.equal(['convergence', 'many'])
    }),
  )
  it(
    'encrypts by a new version only when it is made primary; a version that is off opens nothing until it is on again',
    inWorld(async ({ client }) => {
      const name = `${key_ring}/cryptoKeys/tenant-credentials`
      const versionOf = (full: string | null | undefined) => full?.split('/').at(-1)
      const [first] = await client.encrypt({ name, plaintext: Buffer.from('one') })
      const [made] = await client.createCryptoKeyVersion({ parent: name })
      expect(versionOf((await client.encrypt({ name, plaintext: Buffer.from('x') }))[0].name)).to.equal('1')
      await client.updateCryptoKeyPrimaryVersion({ name, cryptoKeyVersionId: '2' })
      const [second] = await client.encrypt({ name, plaintext: Buffer.from('two') })
      expect([versionOf(made.name), versionOf(second.name)]).to.deep.equal(['2', '2'])
      const open = async (ciphertext: Uint8Array | string | null | undefined) => {
        const [answer] = await client.decrypt({ name, ciphertext: ciphertext ?? null })
        return [Buffer.from(answer.plaintext as Uint8Array).toString(), answer.usedPrimary]
      }
      expect(await open(first.ciphertext)).to.deep.equal(['one', false])
      expect(await open(second.ciphertext)).to.deep.equal(['two', true])
      const one = `${name}/cryptoKeyVersions/1`
      const update = (state: 'ENABLED' | 'DISABLED') =>
        client.updateCryptoKeyVersion({ cryptoKeyVersion: { name: one, state }, updateMask: { paths: ['state'] } })
      await update('DISABLED')
      expect((await refused(open(first.ciphertext))).code).to.equal(failedPrecondition)
      expect((await refused(client.updateCryptoKeyPrimaryVersion({ name, cryptoKeyVersionId: '1' }))).code).to.equal(
        failedPrecondition,
      )
      await update('ENABLED')
      expect(await open(first.ciphertext)).to.deep.equal(['one', false])
    }),
  )
  it(
    'makes a version in the state that is asked for, and refuses a state that no version begins in',
    inWorld(async ({ client, keyring }) => {
      const parent = `${key_ring}/cryptoKeys/tenant-credentials`
      const [off] = await client.createCryptoKeyVersion({ parent, cryptoKeyVersion: { state: 'DISABLED' } })
      expect([off.name, off.state]).to.deep.equal([`${parent}/cryptoKeyVersions/2`, 'DISABLED'])
      expect((await client.getCryptoKeyVersion({ name: off.name ?? '' }))[0].state).to.equal('DISABLED')
      expect((await refused(client.encrypt({ name: off.name ?? '', plaintext: Buffer.from('x') }))).code).to.equal(
        failedPrecondition,
      )
      for (const cryptoKeyVersion of [
        { state: 'ENABLED' as const },
        { state: 'CRYPTO_KEY_VERSION_STATE_UNSPECIFIED' as const },
        {},
        null,
      ])
        expect((await client.createCryptoKeyVersion({ parent, cryptoKeyVersion }))[0].state).to.equal('ENABLED')
      for (const state of ['DESTROYED', 'DESTROY_SCHEDULED', 'PENDING_GENERATION', 'PENDING_IMPORT'] as const) {
        const { code, details } = await refused(client.createCryptoKeyVersion({ parent, cryptoKeyVersion: { state } }))
        expect([code, details], state).to.deep.equal([
          invalidArgument,
          `crypto_key_version.state: expected ENABLED or DISABLED, got ${state}`,
        ])
      }
      // What was refused has made nothing.
      expect(keyring.rings()['global/convergence']?.keys['tenant-credentials']?.versions).to.have.length(6)
    }),
  )
  it('gives up a version on time, lets it be restored before and not after, and keeps nothing of it', async () => {
    let at = Date.parse('2026-01-01T00:00:00Z')
    await inWorld(
      async ({ client, file }) => {
        await client.createKeyRing({ parent: location, keyRingId: 'other' })
        const [key] = await client.createCryptoKey({
          parent: `${location}/keyRings/other`,
          cryptoKeyId: 'k',
          cryptoKey: { purpose: 'ENCRYPT_DECRYPT', destroyScheduledDuration: { seconds: 86_400 } },
        })
        const name = `${String(key.name)}/cryptoKeyVersions/1`
        const [sealed] = await client.encrypt({ name: key.name ?? '', plaintext: Buffer.from('x') })
        expect((await client.destroyCryptoKeyVersion({ name }))[0].state).to.equal('DESTROY_SCHEDULED')
        expect(
          (await refused(client.decrypt({ name: key.name ?? '', ciphertext: sealed.ciphertext ?? '' }))).code,
        ).to.equal(failedPrecondition)
        at += 80_000_000
        expect((await client.restoreCryptoKeyVersion({ name }))[0].state).to.equal('DISABLED')
        await client.updateCryptoKeyVersion({
          cryptoKeyVersion: { name, state: 'ENABLED' },
          updateMask: { paths: ['state'] },
        })
        expect(
          Buffer.from(
            (await client.decrypt({ name: key.name ?? '', ciphertext: sealed.ciphertext ?? '' }))[0]
              .plaintext as Uint8Array,
          ).toString(),
        ).to.equal('x')
        await client.destroyCryptoKeyVersion({ name })
        const material = () =>
          (
            JSON.parse(readFileSync(file, 'utf8')) as {
              rings: Record<string, { keys: Record<string, { versions: { material?: string }[] }> }>
            }
          ).rings['global/other']?.keys['k']?.versions[0]?.material
        expect(material()).to.be.a('string')
        at += 86_400_000
        expect((await client.getCryptoKeyVersion({ name }))[0].state).to.equal('DESTROYED')
        expect((await refused(client.restoreCryptoKeyVersion({ name }))).code).to.equal(failedPrecondition)
        const [next] = await client.createCryptoKeyVersion({ parent: key.name ?? '' })
        await client.destroyCryptoKeyVersion({ name: next.name ?? '' })
        expect(material()).to.equal(undefined)
      },
      () => new Date(at),
    )()
  })
  it('rotates when the time has come, as Google does', async () => {
    let at = Date.parse('2026-01-01T00:00:00Z')
    await inWorld(
      async ({ client }) => {
        const name = `${key_ring}/cryptoKeys/api-key-wrap`
        const [before] = await client.encrypt({ name, plaintext: Buffer.from('x') })
        await client.updateCryptoKey({
          cryptoKey: {
            name,
            rotationPeriod: { seconds: 90 * 86_400 },
            nextRotationTime: { seconds: Date.parse('2026-02-01T00:00:00Z') / 1000 },
          },
          updateMask: { paths: ['rotation_period', 'next_rotation_time'] },
        })
        at = Date.parse('2026-02-01T00:00:01Z')
        expect((await client.encrypt({ name, plaintext: Buffer.from('x') }))[0].name).to.equal(
          `${name}/cryptoKeyVersions/2`,
        )
        expect(
          Buffer.from(
            (await client.decrypt({ name, ciphertext: before.ciphertext ?? '' }))[0].plaintext as Uint8Array,
          ).toString(),
        ).to.equal('x')
        expect(Number((await client.getCryptoKey({ name }))[0].nextRotationTime?.seconds)).to.equal(
          Date.parse('2026-05-02T00:00:00Z') / 1000,
        )
        for (const paths of [[], ['purpose'], ['primary']])
          expect((await refused(client.updateCryptoKey({ cryptoKey: { name }, updateMask: { paths } }))).code).to.equal(
            invalidArgument,
          )
      },
      () => new Date(at),
    )()
  })
  it(
    'refuses what came with another checksum, is bound to other data, is of another key or too long',
    inWorld(async ({ client }) => {
      const name = `${key_ring}/cryptoKeys/tenant-credentials`
      const plaintext = Buffer.from('x')
      expect((await refused(client.encrypt({ name, plaintext, plaintextCrc32c: { value: 1 } }))).details).to.contain(
        'plaintext_crc32c',
      )
      expect(
        (
          await refused(
            client.encrypt({
              name,
              plaintext,
              additionalAuthenticatedData: plaintext,
              additionalAuthenticatedDataCrc32c: { value: 1 },
            }),
          )
        ).details,
      ).to.contain('additional_authenticated_data_crc32c')
      const [sealed] = await client.encrypt({ name, plaintext, additionalAuthenticatedData: Buffer.from('a') })
      expect(sealed.verifiedPlaintextCrc32c).to.equal(false)
      for (const wrong of [
        { additionalAuthenticatedData: Buffer.from('b') },
        {},
        { additionalAuthenticatedData: Buffer.from('a'), ciphertextCrc32c: { value: 1 } },
        { additionalAuthenticatedData: Buffer.from('a'), name: `${key_ring}/cryptoKeys/api-key-wrap` },
        { ciphertext: Buffer.from('short') },
      ]) {
        expect((await refused(client.decrypt({ name, ciphertext: sealed.ciphertext ?? '', ...wrong }))).code).to.equal(
          invalidArgument,
        )
      }
      expect((await refused(client.encrypt({ name, plaintext: Buffer.alloc(65_537) }))).details).to.contain(
        'at most 65536 bytes',
      )
    }),
  )
  it(
    'says by name what it does not do',
    inWorld(async ({ client }) => {
      const parent = key_ring
      for (const [what, call] of [
        [
          'ASYMMETRIC_SIGN',
          client.createCryptoKey({ parent, cryptoKeyId: 'x', cryptoKey: { purpose: 'ASYMMETRIC_SIGN' } }),
        ],
        [
          'protection level HSM',
          client.createCryptoKey({
            parent,
            cryptoKeyId: 'x',
            cryptoKey: { purpose: 'ENCRYPT_DECRYPT', versionTemplate: { protectionLevel: 'HSM' } },
          }),
        ],
        [
          'KeyManagementService.MacSign',
          client.macSign({ name: `${parent}/cryptoKeys/api-key-wrap/cryptoKeyVersions/1`, data: Buffer.from('x') }),
        ],
      ] as const) {
        const { code, details } = await refused(call)
        expect([code, details.includes(what)], what).to.deep.equal([unimplemented, true])
      }
    }),
  )
})

describe('KMS through the door', () => {
  it(
    'tells all keys that cannot be used, by name and with what to do',
    inWorld(async ({ api_endpoint, keyring }) => {
      const good = openKms({ key_ring, api_endpoint, log: quiet })
      await good.assertUsable({ seals: purposes, opens: purposes })
      for (const purpose of ['api-key-wrap', 'notify-targets'])
        keyring.setState(`global/convergence/${purpose}`, 1, 'DISABLED')
      const fault = await good.assertUsable({ seals: purposes }).then(
        () => undefined,
        (error: unknown) => error as Error & { faults: string[] },
      )
      expect(fault?.faults).to.have.lengthOf(2)
      expect(fault?.faults.join())
        .to.contain('cryptoKeys/api-key-wrap')
        .and.contain('cryptoKeys/notify-targets')
        .and.contain('enable or restore')
      await good.close()
      const lost = openKms({ key_ring: `${location}/keyRings/none`, api_endpoint, log: quiet })
      for (const needed of [{ seals: ['api-key-wrap'] }, { opens: ['api-key-wrap'] }] as const) {
        const missing = await lost.assertUsable(needed).then(
          () => undefined,
          (error: unknown) => error as Error,
        )
        expect(missing?.message).to.contain('keyRings/none').and.contain('KMS_KEY_RING').and.contain('NOT_FOUND')
      }
      await lost.close()
    }),
  )
  it('stores nothing that was changed on its way, and asks again', async () => {
    // A server that answers as KMS, wrong the first times.
    const definition = loadServices('@google-cloud/kms')('google.cloud.kms.v1.KeyManagementService')
    const answers: object[] = []
    let asked = 0
    const server = new Server()
    const answer = (_call: unknown, done: (error: object | null, value?: object) => void) => {
      asked += 1
      const next = answers.length > 1 ? answers.shift() : answers[0]
      if (next !== undefined && 'code' in next) done(next)
      else done(null, next)
    }
    server.addService(definition, Object.fromEntries(Object.keys(definition).map((name) => [name, answer])))
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
        if (error === null) resolve(bound)
        else reject(error)
      })
    })
    const warned: object[] = []
    const kms = openKms({ key_ring, api_endpoint: `127.0.0.1:${port}`, log: { warn: (fields) => warned.push(fields) } })
    const name = `${key_ring}/cryptoKeys/api-key-wrap/cryptoKeyVersions/1`
    const good = {
      name,
      ciphertext: Buffer.from('123456789'),
      ciphertextCrc32c: { value: String(0xe3069283) },
      verifiedPlaintextCrc32c: true,
      verifiedAdditionalAuthenticatedDataCrc32c: true,
    }
    const wrap = () => kms.wrap('api-key-wrap', Buffer.from('canary'), 'aad')
    for (const bad of [
      { ...good, verifiedPlaintextCrc32c: false },
      { ...good, verifiedAdditionalAuthenticatedDataCrc32c: false },
      { ...good, ciphertextCrc32c: { value: '1' } },
      { ...good, ciphertext: Buffer.from('12345678x') },
      { ...good, name: name.replace('api-key-wrap', 'other') },
      { code: 14, details: 'gone' },
      { code: 8, details: 'quota' },
    ]) {
      answers.splice(0, answers.length, bad, good)
      expect(Buffer.from(await wrap()).toString()).to.equal('123456789')
      answers.splice(0, answers.length, bad)
      asked = 0
      expect(await codeOf(wrap())).to.equal('UNAVAILABLE')
      expect(asked).to.equal(3)
    }
    answers.splice(0, answers.length, { code: 7, details: 'canary-permission' })
    asked = 0
    expect(await codeOf(wrap())).to.equal('SETTING_INVALID')
    expect(asked).to.equal(1)
    answers.splice(0, answers.length, { plaintext: Buffer.from('123456789'), plaintextCrc32c: { value: '5' } })
    expect(await codeOf(kms.unwrap('api-key-wrap', Buffer.alloc(64), 'aad'))).to.equal('UNAVAILABLE')
    expect(JSON.stringify(warned)).to.not.contain('canary')
    await kms.close()
    server.forceShutdown()
  })
  it(
    'says so when its address is one that others reach',
    inWorld(async ({ keyring }) => {
      const said: string[] = []
      const log = {
        warn: (_: object, text: string) => {
          said.push(text)
        },
        error: () => undefined,
      }
      const front = await openKmsFront({ keyring, project_id, host: '0.0.0.0', port: 0, log })
      await front.close()
      expect(said).to.deep.equal([
        `KMS answers without authentication on 0.0.0.0:${front.port}, as WIRE_HOST says: only a network that nobody else reaches is fit for that`,
      ])
    }),
  )
})
