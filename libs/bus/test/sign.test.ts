import { generateKeyPairSync, sign } from 'node:crypto'
import { expect } from 'chai'
import fc from 'fast-check'
import { openSigner, signedText, verifySignature } from '../src/bus.ts'

describe('signature of a request', () => {
  const setup = async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    const signer = openSigner(privateKey, 'acme-1')
    const data = Buffer.from('{"tenant_id":"acme"}')
    const said = { kid: 'acme-1', tenant_id: 'acme', idempotency_key: 'k1', ts: '2026-01-01T00:00:00.000Z' }
    return { privateKey, publicKey, data, attributes: { ...said, sig: await signer.sign(signedText({ ...said, data })) } }
  }
  it('verifies as it was made', async () => {
    const { publicKey, attributes, data } = await setup()
    expect(await verifySignature(publicKey, attributes, data)).to.equal(true)
    expect(await verifySignature(publicKey, { ...attributes, other: 'attributes do not matter' }, data)).to.equal(true)
  })
  it('does not verify with any attribute, the body or the key changed', async () => {
    const { publicKey, attributes, data } = await setup()
    for (const name of ['kid', 'tenant_id', 'idempotency_key', 'ts', 'sig'] as const) {
      expect(await verifySignature(publicKey, { ...attributes, [name]: `${attributes[name]}x` }, data), name).to.equal(false)
      const { [name]: _left_out, ...rest } = attributes
      expect(await verifySignature(publicKey, rest, data), `without ${name}`).to.equal(false)
    }
    expect(await verifySignature(publicKey, attributes, Buffer.from('{"tenant_id":"acme" }'))).to.equal(false)
    expect(await verifySignature((await setup()).publicKey, attributes, data)).to.equal(false)
  })
  it('does not verify with a key of another kind', async () => {
    const { data, attributes } = await setup()
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const { sig: _sig, ...said } = attributes
    expect(await verifySignature(publicKey, { ...attributes, sig: sign(null, Buffer.from(signedText({ ...said, data })), privateKey).toString('base64') }, data)).to.equal(false)
  })
  it('is false, and never throws, for whatever stands in the attributes', async () => {
    const { publicKey, attributes, data } = await setup()
    await fc.assert(fc.asyncProperty(fc.dictionary(fc.constantFrom('kid', 'tenant_id', 'idempotency_key', 'ts', 'sig'), fc.string()), async (changed) => {
      fc.pre(Object.keys(changed).length > 0)
      expect(await verifySignature(publicKey, { ...attributes, ...changed }, data)).to.equal(false)
    }))
  })
})
