import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { openSecrets, purposes } from '@convergence/secrets'
import { secretsConformance } from '@convergence/secrets/conformance'
import { openKeyring } from '../src/keyring.ts'

const setup = () => {
  const folder = mkdtempSync(join(tmpdir(), 'convergence-keyring-'))
  return { folder, file: join(folder, 'keyring.json'), end: () => { rmSync(folder, { recursive: true, force: true }) } }
}

secretsConformance('key file', async () => {
  const { file, end } = setup()
  const wrapper = openKeyring({ file })
  return {
    wrapper,
    rotate: async () => { for (const purpose of purposes) wrapper.rotate(purpose) },
    end: async () => { await wrapper.close(); end() },
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
    for (const text of ['', '{', 'null', '{"format":1}', '{"format":1,"keys":{"api-key-wrap":["AAAA"]}}']) {
      writeFileSync(world.file, text, { mode: 0o600 })
      expect(() => openKeyring({ file: world.file })).to.throw('expected a key file')
      expect(readFileSync(world.file, 'utf8')).to.equal(text)
    }
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
