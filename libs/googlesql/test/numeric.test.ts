/** NUMERIC against whole arithmetic of any size. */
import { expect } from 'chai'
import fc from 'fast-check'
import { makeWorld } from './world.ts'

const billion = 1_000_000_000n
const abs = (n: bigint): bigint => (n < 0n ? -n : n)
/** Text of a NUMERIC from its count of 1e-9, and back. */
const text = (n: bigint): string =>
  `${n < 0n ? '-' : ''}${abs(n) / billion}.${String(abs(n) % billion).padStart(9, '0')}`
const count = (value: unknown): bigint => {
  const [, sign, whole = '', part = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(String(value)) ?? []
  const n = BigInt(whole + part.padEnd(9, '0'))
  return sign === '-' ? -n : n
}
/** Rounded half away from zero. */
const quotient = (a: bigint, b: bigint): bigint =>
  (a < 0n === b < 0n ? 1n : -1n) * ((2n * abs(a) + abs(b)) / (2n * abs(b)))
/** The exact value of a double in units of 1e-9. */
const exact = (x: number): bigint => {
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, Math.abs(x))
  const bits = view.getBigUint64(0)
  const exponent = Number(bits >> 52n)
  const mantissa = (bits & ((1n << 52n) - 1n)) | (exponent === 0 ? 0n : 1n << 52n)
  const shift = (exponent === 0 ? 1 : exponent) - 1075
  const n = shift >= 0 ? (mantissa * billion) << BigInt(shift) : quotient(mantissa * billion, 1n << BigInt(-shift))
  return x < 0 ? -n : n
}

describe('NUMERIC', () => {
  it('multiplies, divides and takes FLOAT64 exactly as whole arithmetic does', async () => {
    const size = fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n })
    const divisor = fc
      .oneof(size, fc.constantFrom(2n, 8n, 40n, 2n * billion, -5n * billion, 1n, 3n))
      .filter((b) => b !== 0n)
    const float = fc.oneof(
      fc.double({ min: -1e20, max: 1e20, noNaN: true }),
      fc.tuple(fc.integer(), fc.integer({ min: 0, max: 45 })).map(([n, shift]) => n / 2 ** shift),
    )
    const cases = fc.sample(fc.tuple(size, divisor, float), { numRuns: 3000, seed: 20251119 })
    const world = await makeWorld([
      'CREATE SCHEMA d',
      'CREATE TABLE d.n (a DECIMAL(38,9), b DECIMAL(38,9), x DOUBLE)',
      `INSERT INTO d.n VALUES ${cases.map(([a, b, x]) => `(${text(a)}, ${text(b)}, CAST('${x}' AS DOUBLE))`).join(', ')}`,
    ])
    try {
      const { rows } = await world.query(
        'SELECT a / b, a * b, MOD(a, b), CAST(x AS NUMERIC), SAFE_DIVIDE(a, b) FROM d.n',
      )
      rows.forEach(([divided, product, rest, cast, safe], at) => {
        const [a, b, x] = cases[at]!
        expect([divided, product, rest, cast, safe].map(count), `${text(a)}, ${text(b)}, ${x}`).to.deep.equal([
          quotient(a * billion, b),
          quotient(a * b, billion),
          a % b,
          exact(x),
          quotient(a * billion, b),
        ])
      })
      expect(rows).to.have.length(cases.length)
    } finally {
      world.close()
    }
  })
})
