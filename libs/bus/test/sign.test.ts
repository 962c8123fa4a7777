import { generateKeyPairSync, sign } from 'node:crypto'
import { expect } from 'chai'
import fc from 'fast-check'
import { openSigner, signedText, verifySignature } from '../src/bus.ts'

describe('signature of a request', () => {
  const setup = () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    const signer = openSigner(privateKey, 'acme-1')
    const data = Buffer.from('{"tenant_id":"acme"}')
    const said = { kid: 'acme-1', tenant_id: 'acme', idempotency_key: 'k1', ts: '2026-01-01T00:00:00.000Z' }
    return { privateKey, publicKey, data, attributes: { ...said, sig: signer.sign(signedText({ ...said, data })) } }
  }
  it('verifies as it was made', () => {
    const { publicKey, attributes, data } = setup()
    expect(verifySignature(publicKey, attributes, data)).to.equal(true)
    expect(verifySignature(publicKey, { ...attributes, other: 'attributes do not matter' }, data)).to.equal(true)
  })
  it('does not verify with any attribute, the body or the key changed', () => {
    const { publicKey, attributes, data } = setup()
    for (const name of ['kid', 'tenant_id', 'idempotency_key', 'ts', 'sig'] as const) {
      expect(verifySignature(publicKey, { ...attributes, [name]: `${attributes[name]}x` }, data), name).to.equal(false)
      const { [name]: _left_out, ...rest } = attributes
      expect(verifySignature(publicKey, rest, data), `without ${name}`).to.equal(false)
    }
    expect(verifySignature(publicKey, attributes, Buffer.from('{"tenant_id":"acme" }'))).to.equal(false)
    expect(verifySignature(setup().publicKey, attributes, data)).to.equal(false)
  })
  it('does not verify with a key of another kind', () => {
    const { data, attributes } = setup()
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const { sig: _sig, ...said } = attributes
    expect(
      verifySignature(
        publicKey,
        { ...attributes, sig: sign(null, Buffer.from(signedText({ ...said, data })), privateKey).toString('base64') },
        data,
      ),
    ).to.equal(false)
  })
  it('is false, and never throws, for whatever stands in the attributes', () => {
    const { publicKey, attributes, data } = setup()
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom('kid', 'tenant_id', 'idempotency_key', 'ts', 'sig'), fc.string()),
        (changed) => {
          fc.pre(Object.keys(changed).length > 0)
          expect(verifySignature(publicKey, { ...attributes, ...changed }, data)).to.equal(false)
        },
      ),
    )
  })
})
