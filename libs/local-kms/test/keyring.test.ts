import { createCipheriv } from 'node:crypto'
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { openSecrets, purposes } from '@convergence/secrets'
import { secretsConformance } from '@convergence/secrets/conformance'
import { openKeyring } from '../src/keyring.ts'

const setup = () => {
  const folder = mkdtempSync(join(tmpdir(), 'convergence-keyring-'))
  return {
    folder,
    file: join(folder, 'keyring.json'),
    end: () => {
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

secretsConformance('key file', async () => {
  const { file, end } = setup()
  const wrapper = openKeyring({ file })
  return {
    wrapper,
    rotate: async () => {
      for (const purpose of purposes) wrapper.rotate(purpose)
    },
    end: async () => {
      await wrapper.close()
      end()
    },
  }
})

describe('key file', () => {
  it('is of mode 600, refuses to open when it is wider, and names the file', () => {
    const world = setup()
    openKeyring({ file: world.file })
    expect(statSync(world.file).mode & 0o777).to.equal(0o600)
    expect(readdirSync(world.folder)).to.deep.equal(['keyring.json'])
    for (const mode of [0o640, 0o604, 0o660]) {
      chmodSync(world.file, mode)
      expect(() => openKeyring({ file: world.file })).to.throw(world.file)
    }
    world.end()
  })
  it('says in one sentence that it is damaged, and leaves it as it was', () => {
    const world = setup()
    for (const text of [
      '',
      '{',
      'null',
      '{"format":1}',
      '{"format":2}',
      '{"format":2,"rings":{}}',
      '{"format":2,"rings":{"global/convergence":{"keys":{}}}}',
      '{"format":2,"rings":{"a/b":{}}}',
      '{"format":3}',
      '{"format":1,"keys":{"api-key-wrap":["AAAA"]}}',
    ]) {
      writeFileSync(world.file, text, { mode: 0o600 })
      expect(() => openKeyring({ file: world.file })).to.throw('expected a key file')
      expect(readFileSync(world.file, 'utf8')).to.equal(text)
    }
    world.end()
  })
  it('reads the file of the first release, opens what was sealed with it, and writes it in the new form with the first change', async () => {
    const world = setup()
    const materials = purposes.map((purpose, at): [string, string[]] => [
      purpose,
      [Buffer.alloc(32, at + 1).toString('base64'), Buffer.alloc(32, at + 11).toString('base64')],
    ])
    writeFileSync(world.file, JSON.stringify({ format: 1, keys: Object.fromEntries(materials) }), { mode: 0o600 })
    // As the first release sealed: version, nonce, ciphertext and tag, bound to purpose and version.
    const head = Buffer.concat([Buffer.from([0, 0, 0, 1]), Buffer.alloc(12, 7)])
    const cipher = createCipheriv('aes-256-gcm', Buffer.alloc(32, 1), head.subarray(4), { authTagLength: 16 }).setAAD(
      Buffer.from(`${String(purposes[0])}\n1\naad`),
    )
    const wrapped = Buffer.concat([head, cipher.update('data key'), cipher.final(), cipher.getAuthTag()])
    const keyring = openKeyring({ file: world.file })
    expect(Buffer.from(await keyring.unwrap('api-key-wrap', wrapped, 'aad')).toString()).to.equal('data key')
    expect(keyring.rings()['global/convergence']?.keys['api-key-wrap']?.primary).to.equal(2)
    expect(keyring.rotate('api-key-wrap')).to.equal(3)
    expect((JSON.parse(readFileSync(world.file, 'utf8')) as { format: number }).format).to.equal(2)
    expect(
      Buffer.from(await openKeyring({ file: world.file }).unwrap('api-key-wrap', wrapped, 'aad')).toString(),
    ).to.equal('data key')
    world.end()
  })
  it('shows no key material, and leaves the file whole when a change cannot be written', () => {
    const world = setup()
    const keyring = openKeyring({ file: world.file })
    expect(JSON.stringify(keyring.rings())).to.not.contain('material')
    const before = readFileSync(world.file, 'utf8')
    expect(() => keyring.createKey('global/none/k', {})).to.throw('key ring global/none does not exist')
    expect(() => keyring.setPrimary('global/convergence/api-key-wrap', 9)).to.throw('no version 9')
    expect(readFileSync(world.file, 'utf8')).to.equal(before)
    expect(readdirSync(world.folder)).to.deep.equal(['keyring.json'])
    world.end()
  })
  it('makes a version that is off in one write, and seals nothing by it until it is on', () => {
    const world = setup()
    const keyring = openKeyring({ file: world.file })
    const key = 'global/convergence/api-key-wrap'
    expect(keyring.createVersion(key, 'DISABLED')).to.include({ number: 2, state: 'DISABLED' })
    // As another process finds it.
    const found = openKeyring({ file: world.file }).rings()['global/convergence']
    expect(found?.keys['api-key-wrap']?.versions.map(({ state }) => state)).to.deep.equal(['ENABLED', 'DISABLED'])
    expect(() => keyring.encrypt(key, Buffer.from('x'), Buffer.alloc(0), 2)).to.throw('version 2 is DISABLED')
    keyring.setState(key, 2, 'ENABLED')
    expect(keyring.encrypt(key, Buffer.from('x'), Buffer.alloc(0), 2).version).to.equal(2)
    expect(keyring.createVersion(key).state).to.equal('ENABLED')
    world.end()
  })
  it('opens values of another process and of one that has rotated since', async () => {
    const world = setup()
    const [a, b] = [openKeyring({ file: world.file }), openKeyring({ file: world.file })]
    expect(b.rotate('api-key-wrap')).to.equal(2)
    const sealed = await openSecrets(b).seal('api-key-wrap', 'x', 'aad')
    expect(await openSecrets(a).open('api-key-wrap', sealed, 'aad')).to.equal('x')
    world.end()
  })
})
