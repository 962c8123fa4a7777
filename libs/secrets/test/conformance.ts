/** What every key wrapper must do; run against the door, so the embedded and the Google side pass the same suite. */
import { expect } from 'chai'
import { openSecrets, type KeyWrapper, type Secrets } from '../src/secrets.ts'

export interface SecretsWorld {
  wrapper: KeyWrapper
  /** Makes the next version of each purpose's key the primary one. */
  rotate?: () => Promise<void>
  end(): Promise<void>
}

const aad = 'tenant_cloud_credentials|acme_corp|aws|1'
export const codeOf = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise
    return 'none'
  } catch (error) {
    return String((error as { code?: unknown }).code)
  }
}

export const secretsConformance = (name: string, setup: () => Promise<SecretsWorld>): void => {
  const inWorld = async (body: (secrets: Secrets, world: SecretsWorld) => Promise<void>) => {
    const world = await setup()
    try {
      await body(openSecrets(world.wrapper), world)
    } finally {
      await world.end()
    }
  }

  describe(`secrets: ${name}`, () => {
    it('opens what it sealed, empty and long and Unicode', () =>
      inWorld(async (secrets) => {
        for (const plain of ['', 'x', '{"secret":"ключ 🔑"}', 'a'.repeat(60_000)]) {
          expect(
            await secrets.open('tenant-credentials', await secrets.seal('tenant-credentials', plain, aad), aad),
          ).to.equal(plain)
        }
      }))
    it('never seals the same value to the same text, and shows nothing of it', () =>
      inWorld(async (secrets) => {
        const sealed = await Promise.all(
          Array.from({ length: 50 }, () => secrets.seal('api-key-wrap', 'canary-canary', aad)),
        )
        expect(new Set(sealed).size).to.equal(50)
        for (const text of sealed)
          expect(text)
            .to.match(/^[A-Za-z0-9._-]+$/)
            .and.not.contain('canary')
      }))
    it('refuses a value that was moved to another table, tenant, row, version or purpose', () =>
      inWorld(async (secrets) => {
        const sealed = await secrets.seal('tenant-credentials', 'x', aad)
        for (const other of [
          't|acme_corp|aws|1',
          aad.replace('acme_corp', 'globex'),
          aad.replace('aws', 'gcp'),
          aad.replace('|1', '|2'),
          '',
        ]) {
          expect(await codeOf(secrets.open('tenant-credentials', sealed, other)), other).to.equal(
            'CREDENTIAL_UNREADABLE',
          )
        }
        expect(await codeOf(secrets.open('notify-targets', sealed, aad))).to.equal('CREDENTIAL_UNREADABLE')
      }))
    it('refuses every flipped character and every cut', () =>
      inWorld(async (secrets) => {
        const sealed = await secrets.seal('tenant-credentials', 'x', aad)
        for (let at = 0; at < sealed.length; at += 1) {
          const changed = `${sealed.slice(0, at)}${sealed[at] === 'A' ? 'B' : 'A'}${sealed.slice(at + 1)}`
          expect(await codeOf(secrets.open('tenant-credentials', changed, aad)), `character ${at}`).to.equal(
            'CREDENTIAL_UNREADABLE',
          )
          expect(await codeOf(secrets.open('tenant-credentials', sealed.slice(0, at), aad)), `cut at ${at}`).to.equal(
            'CREDENTIAL_UNREADABLE',
          )
        }
      }))
    it('does not mix the parts of two values', () =>
      inWorld(async (secrets) => {
        const [a, b] = await Promise.all([
          secrets.seal('tenant-credentials', 'a', aad),
          secrets.seal('tenant-credentials', 'b', aad),
        ])
        const mixed = [...a.split('.').slice(0, 2), b.split('.')[2]].join('.')
        expect(await codeOf(secrets.open('tenant-credentials', mixed, aad))).to.equal('CREDENTIAL_UNREADABLE')
      }))
    it('opens old values after a rotation', () =>
      inWorld(async (secrets, world) => {
        const before = await secrets.seal('tenant-credentials', 'old', aad)
        await world.rotate?.()
        const after = await secrets.seal('tenant-credentials', 'new', aad)
        expect(await secrets.open('tenant-credentials', before, aad)).to.equal('old')
        expect(await secrets.open('tenant-credentials', after, aad)).to.equal('new')
      }))
    it('lets an identity that may only encrypt decrypt nothing', () =>
      inWorld(async (_secrets, { wrapper }) => {
        const writer = openSecrets(wrapper, { may_open: [] })
        expect(await codeOf(writer.open('api-key-wrap', await writer.seal('api-key-wrap', 'x', aad), aad))).to.equal(
          'FORBIDDEN',
        )
      }))
  })
}
