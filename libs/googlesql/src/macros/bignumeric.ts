/**
 * Arithmetic of BIGNUMERIC, exact to the last of its digits. What stays in order is done in DuckDB's decimals; the rest
 * by digits, which is slow and right.
 */
import {
  bignumericLiteral,
  bind,
  fromDecimal,
  fromFloat,
  fromInteger,
  fromText,
  normalised,
  ofUnits,
  packed,
  partsOf,
  toNumeric,
  toText,
  unitsOf,
  type Parts,
} from '../bignumeric.ts'
import { decimalText } from './casts.ts'
import { fail, failWith, reservedSchema as MACROS, type Macro } from './macro.ts'

const x = partsOf('_x')
const normal = (parts: Parts): string => `${MACROS}.big_once(${parts.billions}, ${parts.units}, ${parts.rest})`
const isNegative = ({ billions, units, rest }: Parts): string => `(${billions} < 0 OR ${units} < 0 OR ${rest} < 0)`
const units = (sql: string): string => `CAST(${sql} AS DECIMAL(38,20))`
/** A HUGEINT without its sign, brought to a multiple of the step: down, or to the nearest where `half` is half of it. */
const stepped = (value: string): string => `sign(${value}) * ((abs(${value}) + _half) // _step * _step)`

const rounding: readonly Macro[] = [
  // To digits behind the point, of which `units` has 20: what `rest` holds never decides.
  ['big_round(_x, _digits)', normal({ billions: x.billions, units: units(`round(${x.units}, _digits)`), rest: '0' })],
  [
    'big_trunc(_x, _digits, _step)',
    bind({ b: x.billions, u: x.units, r: units(`round(${x.units}, _digits)`) }, ({ b, u, r }) => {
      const back = `CASE WHEN abs(${r}) <= abs(${u}) THEN 0 WHEN ${u} < 0 THEN -_step ELSE _step END`
      return normal({ billions: b, units: `${r} - ${back}`, rest: '0' })
    }),
  ],
  [
    'big_step_rest(_x, _step, _half)',
    normal({ billions: x.billions, units: x.units, rest: stepped(`CAST(${x.rest} AS HUGEINT)`) }),
  ],
  [
    'big_step_units(_x, _step, _half)',
    normal({ billions: x.billions, units: units(stepped(`CAST(trunc(${x.units}) AS HUGEINT)`)), rest: '0' }),
  ],
  ['big_step_billions(_x, _step, _half)', normal({ billions: stepped(x.billions), units: '0', rest: '0' })],
  [
    'big_floor(_x)',
    normal({
      billions: x.billions,
      units: units(
        `trunc(${x.units}) - CASE WHEN ${isNegative(x)} AND (trunc(${x.units}) <> ${x.units} OR ${x.rest} <> 0) THEN 1 ELSE 0 END`,
      ),
      rest: '0',
    }),
  ],
  [
    'big_ceil(_x)',
    normal({
      billions: x.billions,
      units: units(
        `trunc(${x.units}) + CASE WHEN NOT ${isNegative(x)} AND (trunc(${x.units}) <> ${x.units} OR ${x.rest} <> 0) THEN 1 ELSE 0 END`,
      ),
      rest: '0',
    }),
  ],
  ['big_abs(_x)', normal({ billions: `abs(${x.billions})`, units: `abs(${x.units})`, rest: `abs(${x.rest})` })],
  ['big_neg(_x)', normal({ billions: `-${x.billions}`, units: `-${x.units}`, rest: `-${x.rest}` })],
  [
    'big_sign(_x)',
    `CASE WHEN ${isNegative(x)} THEN ${bignumericLiteral(-(10n ** 38n))}
          WHEN ${x.billions} = 0 AND ${x.units} = 0 AND ${x.rest} = 0 THEN ${bignumericLiteral(0n)}
          WHEN ${x.units} IS NOT NULL THEN ${bignumericLiteral(10n ** 38n)} END`,
  ],
]

/** The digits of a number without its sign, in units of the last one. */
const digitsOf = (parts: Parts): string => `ltrim(CAST(${unitsOf(parts)} AS VARCHAR), '-')`
const limbs = (text: string): string =>
  `list_transform(range(0, 5), lambda place: CAST(substr(lpad(${text}, 90, '0'), 73 - 18 * place, 18) AS HUGEINT))`
/** All digits of the product of two lists of five limbs, the least first. */
const productDigits = (a: string, b: string): string => {
  const sums =
    `list_transform(range(0, 9), lambda place: struct_pack(q := '', r := list_sum(list_transform(` +
    `range(greatest(0, place - 4), least(place, 4) + 1), lambda inner_place: list_extract(${a}, inner_place + 1) * list_extract(${b}, place - inner_place + 1)))))`
  const folded =
    `list_reduce(list_prepend(struct_pack(q := '', r := CAST(0 AS HUGEINT)), ${sums}), lambda done, one: ` +
    `struct_pack(q := lpad(CAST((done.r + one.r) % 1000000000000000000 AS VARCHAR), 18, '0') || done.q, ` +
    `r := (done.r + one.r) // 1000000000000000000))`
  return bind({ f: folded }, ({ f }) => `CAST(struct_extract(${f}, 'r') AS VARCHAR) || struct_extract(${f}, 'q')`)
}
const [a, b] = [partsOf('_a'), partsOf('_b')]
const differ = `CASE WHEN ${isNegative(a)} <> ${isNegative(b)} THEN '-' ELSE '' END`
const exactly = 'CAST(0 AS BIGNUM)'
const oneMore = (s: string, when: string): string =>
  `CASE WHEN ${when} THEN CAST(${s} || '1' AS BIGNUM) ELSE ${exactly} END`
/** The same number in 64 bits where it has so few digits, else another or NULL: DuckDB divides 128 bits slowly. */
const brief = (value: string, type: string): string => `TRY_CAST(CAST(${value} AS DOUBLE) AS ${type})`
const isBrief = (short: string, value: string): string => `${units(short)} = ${value}`
const isSmall = (parts: Parts): string => `${parts.billions} = 0 AND ${parts.rest} = 0`

const product = bind({ s: differ, a: limbs(digitsOf(a)), b: limbs(digitsOf(b)) }, (one) =>
  bind({ s: one.s, d: productDigits(one.a, one.b) }, ({ s, d }) =>
    ofUnits(
      `CAST(${s} || '0' || left(${d}, length(${d}) - 38) AS BIGNUM) + ${oneMore(s, `substr(${d}, length(${d}) - 37, 1) >= '5'`)}`,
      fail,
    ),
  ),
)
/** Digits of the whole quotient, rounded half away from zero, by a divisor of at most 20 digits, 18 digits at a time. */
const shortQuotient = (digits: string, divisor: string): string =>
  bind({ n: digits, d: `CAST(${divisor} AS HUGEINT)` }, ({ n, d }) => {
    const pieces =
      `list_transform(range(0, 8), lambda place: struct_pack(q := '', ` +
      `r := CAST(substr(lpad(${n}, 144, '0'), 1 + 18 * place, 18) AS HUGEINT)))`
    const next = 'done.r * 1000000000000000000 + one.r'
    const folded =
      `list_reduce(list_prepend(struct_pack(q := '', r := CAST(0 AS HUGEINT)), ${pieces}), lambda done, one: ` +
      `struct_pack(q := done.q || lpad(CAST((${next}) // ${d} AS VARCHAR), 18, '0'), r := (${next}) % ${d}))`
    return bind(
      { f: folded, d },
      ({ f, d: by }) =>
        `CAST(struct_extract(${f}, 'q') AS BIGNUM) + ${oneMore("''", `struct_extract(${f}, 'r') >= ${by} - struct_extract(${f}, 'r')`)}`,
    )
  })
/** The same by a divisor of any length, one digit at a time. */
const longQuotient = (digits: string, divisor: string): string =>
  bind({ n: digits, d: `CAST(${divisor} AS BIGNUM)` }, ({ n, d }) => {
    const twice = bind({ d, d2: `${d} + ${d}` }, (one) =>
      bind({ ...one, d4: `${one.d2} + ${one.d2}` }, (two) => {
        const { d: d1, d2, d4 } = two
        const times = [d1, d2, `${d2} + ${d1}`, d4, `${d4} + ${d1}`, `${d4} + ${d2}`, `${d4} + ${d2} + ${d1}`]
        return `[${[...times, `${d4} + ${d4}`, `${d4} + ${d4} + ${d1}`].join(', ')}]`
      }),
    )
    return bind({ n, m: twice }, ({ n: text, m }) => {
      const places = `list_transform(string_split(${text}, ''), lambda place: struct_pack(q := place, r := ${exactly}))`
      const next = `CAST(CAST(done.r AS VARCHAR) || one.q AS BIGNUM)`
      const count = `len(list_filter(${m}, lambda multiple: multiple <= ${next}))`
      const folded =
        `list_reduce(list_prepend(struct_pack(q := '0', r := ${exactly}), ${places}), lambda done, one: ` +
        `struct_pack(q := done.q || CAST(${count} AS VARCHAR), ` +
        `r := ${next} - COALESCE(list_extract(${m}, ${count}), ${exactly})))`
      return bind(
        { f: folded, m },
        ({ f, m: by }) =>
          `CAST(struct_extract(${f}, 'q') AS BIGNUM) + ` +
          oneMore("''", `struct_extract(${f}, 'r') + struct_extract(${f}, 'r') >= list_extract(${by}, 1)`),
      )
    })
  })
/** Both in units of the last digit; the divisor's zeros at its end, up to 38 of them, need not be multiplied first. */
const quotient = bind({ s: differ, n: digitsOf(a), d: digitsOf(b) }, (one) =>
  bind({ ...one, z: `least(38, length(${one.d}) - length(rtrim(${one.d}, '0')))` }, (two) =>
    bind(
      {
        s: two.s,
        n: `${two.n} || repeat('0', 38 - ${two.z})`,
        d: `left(${two.d}, length(${two.d}) - ${two.z})`,
      },
      ({ s, n, d }) =>
        bind(
          { s, q: `CASE WHEN length(${d}) <= 20 THEN ${shortQuotient(n, d)} ELSE ${longQuotient(n, d)} END` },
          (three) => ofUnits(`CASE WHEN ${three.s} = '-' THEN -${three.q} ELSE ${three.q} END`, fail),
        ),
    ),
  ),
)
const sums: Parts = { billions: '_b', units: '_u', rest: '_t' }
const together = (op: string): string =>
  normal({
    billions: `${a.billions} ${op} ${b.billions}`,
    units: `${a.units} ${op} ${b.units}`,
    rest: `${a.rest} ${op} ${b.rest}`,
  })
const above = (last: string): string =>
  `(${a.billions} > ${b.billions} OR (${a.billions} = ${b.billions} AND (${a.units} > ${b.units}
     OR (${a.units} = ${b.units} AND ${a.rest} ${last} ${b.rest}))))`
const arithmetic: readonly Macro[] = [
  ['big_gt(_a, _b)', above('>')],
  ['big_ge(_a, _b)', above('>=')],
  ['big_add(_a, _b)', together('+')],
  ['big_sub(_a, _b)', together('-')],
  ['big_product(_a, _b)', `CASE WHEN ${a.units} IS NOT NULL AND ${b.units} IS NOT NULL THEN ${product} END`],
  // A product of few digits is a decimal of DuckDB's.
  [
    'big_mul(_a, _b)',
    `CASE WHEN ${isSmall(a)} AND ${isSmall(b)} THEN ${bind(
      { a: '_a', b: '_b', x: brief(a.units, 'DECIMAL(18,9)'), y: brief(b.units, 'DECIMAL(18,9)') },
      (one) => {
        const whole = partsOf(one.a)
        const other = partsOf(one.b)
        return `CASE WHEN ${isBrief(one.x, whole.units)} AND ${isBrief(one.y, other.units)}
          AND abs(${one.x} * ${one.y}) < 1000000000
          THEN ${packed({ billions: '0', units: `${one.x} * ${one.y}`, rest: '0' })}
          ELSE ${MACROS}.big_product(${one.a}, ${one.b}) END`
      },
    )} ELSE ${MACROS}.big_product(_a, _b) END`,
  ],
  [
    'big_div(_a, _b)',
    `CASE WHEN ${b.billions} = 0 AND ${b.units} = 0 AND ${b.rest} = 0 AND ${a.units} IS NOT NULL
          THEN ${fail('division by zero')}
          WHEN ${a.units} IS NOT NULL AND ${b.units} IS NOT NULL THEN ${quotient} END`,
  ],
  [
    'big_safe_div(_a, _b)',
    `CASE WHEN ${b.billions} = 0 AND ${b.units} = 0 AND ${b.rest} = 0 THEN NULL
          WHEN ${a.units} IS NOT NULL AND ${b.units} IS NOT NULL THEN ${quotient.replaceAll(fail('BIGNUMERIC overflow'), 'NULL')} END`,
  ],
  // The sum may be too large for a BIGNUMERIC, and the average is none the less.
  [
    'big_avg(_b, _u, _t, _n)',
    `CASE WHEN _n > 0 THEN ${bind({ v: `CAST(${unitsOf(sums)} AS VARCHAR)`, n: '_n' }, ({ v, n }) =>
      bind({ v, q: shortQuotient(`ltrim(${v}, '-')`, n) }, (two) =>
        ofUnits(`CASE WHEN starts_with(${two.v}, '-') THEN -${two.q} ELSE ${two.q} END`, fail),
      ),
    )} END`,
  ],
]

/** Beyond INT64 a number that certainly is none of it. */
const rounded = `CASE WHEN abs(${x.billions}) > 10000000000 THEN CAST(100000000000000000000 AS HUGEINT)
  ELSE CAST(round(${x.units}) AS HUGEINT) + ${x.billions} * 1000000000 END`
const conversions: readonly Macro[] = [
  [
    'to_bignum(_s)',
    `CASE WHEN NOT regexp_matches(_s, ${decimalText}) THEN ${failWith('bad BIGNUMERIC value: ', '_s')}
          ELSE ${fromText('_s', { round: fail }, fail('bad BIGNUMERIC value'))} END`,
  ],
  [
    'try_bignum(_s)',
    `CASE WHEN regexp_matches(_s, ${decimalText})
          THEN ${fromText('_s', { round: () => 'NULL' }, fail('bad BIGNUMERIC value'))} END`,
  ],
  ['bignum_text(_x)', toText('_x')],
  // With so many digits behind the point, of which it has no more.
  [
    'big_fixed(_x, _digits)',
    bind(
      { t: `${MACROS}.bignum_text(_x)` },
      ({ t }) =>
        `split_part(${t}, '.', 1) || CASE WHEN _digits > 0 THEN '.' || rpad(split_part(${t}, '.', 2), _digits, '0') ELSE '' END`,
    ),
  ],
  ['num_to_bignum(_x)', fromDecimal('_x')],
  ['int_to_bignum(_x)', fromInteger('_x')],
  ['float_to_bignum(_x)', fromFloat('_x', fail)],
  ['safe_float_to_bignum(_x)', fromFloat('_x', () => 'NULL')],
  // Fifteen digits are exact in a FLOAT64 and so is the power of ten that divides them.
  [
    'bignum_to_float(_x)',
    bind({ x: '_x', d: brief(x.units, 'DECIMAL(15,6)') }, (one) => {
      const own = partsOf(one.x)
      return `CASE WHEN ${isSmall(own)} AND ${isBrief(one.d, own.units)} THEN CAST(${one.d} AS DOUBLE)
                   ELSE CAST(${MACROS}.bignum_text(${one.x}) AS DOUBLE) END`
    }),
  ],
  ['bignum_to_int(_x)', `CAST(${rounded} AS BIGINT)`],
  ['safe_bignum_to_int(_x)', `TRY_CAST(${rounded} AS BIGINT)`],
  ['bignum_to_num(_x)', toNumeric('_x', fail)],
  ['safe_bignum_to_num(_x)', toNumeric('_x', () => 'NULL')],
]

export const bignumericMacros: readonly Macro[] = [
  ['big(_b, _u, _t)', normalised(sums, fail)],
  ...conversions,
  ...rounding,
  ...arithmetic,
]
