/** Arithmetic: errors instead of infinities, NUMERIC to the last digit, rounding as in GoogleSQL. */
import { fail, failWith, refuse, reservedSchema as MACROS, type Macro } from './macro.ts'

/** Overflow fails; so does arithmetic on infinity and NaN, which could hide it. */
const notFinite = 'floating point error: the result is not finite (arithmetic on infinity and NaN is refused here)'

/** Division and remainder fail on zero. */
const division: readonly Macro[] = [
  [
    'div(_a, _b)',
    `CASE WHEN _b = 0 AND _a IS NOT NULL THEN ${fail('division by zero')}
          WHEN isinf(_a / _b) AND isfinite(_a) THEN ${fail(notFinite)} ELSE _a / _b END`,
  ],
  ['fin(_x)', `CASE WHEN isfinite(_x) IS NOT FALSE THEN _x ELSE ${fail(notFinite)} END`],
  ['idiv(_a, _b)', `CASE WHEN _b = 0 AND _a IS NOT NULL THEN ${fail('division by zero')} ELSE _a // _b END`],
  ['modulo(_a, _b)', `CASE WHEN _b = 0 AND _a IS NOT NULL THEN ${fail('division by zero')} ELSE _a % _b END`],
  ['floor_div(_a, _b)', '(_a - ((_a % _b) + _b) % _b) // _b'],
  ['safe_div(_a, _b)', 'CASE WHEN _b = 0 OR (isinf(_a / _b) AND isfinite(_a)) THEN NULL ELSE _a / _b END'],
  [
    'finite(_x, _a, _b)',
    `CASE WHEN NOT isfinite(_x) AND isfinite(_a) AND isfinite(_b) THEN ${fail(notFinite)} ELSE _x END`,
  ],
]

const totals: readonly Macro[] = [
  ['num_total(_sum, _great)', `CASE WHEN abs(_great) > 1.5e29 THEN ${fail('numeric overflow: SUM')} ELSE _sum END`],
  [
    'num_part(_sum, _great)',
    `CASE WHEN abs(_great) > 1.5e29 THEN ${refuse('an average of NUMERIC whose sum is beyond its range')} ELSE _sum END`,
  ],
  // AND that evaluates all: one false is false, else one NULL is NULL.
  [
    'all_true(_list)',
    `CASE WHEN list_contains(_list, false) THEN false
          WHEN len(list_filter(_list, lambda one: one IS NULL)) > 0 THEN NULL ELSE true END`,
  ],
  // Google averages as it goes on: one infinite value gives infinity there, and two give NaN.
  ['float_average(_x)', `CASE WHEN isinf(_x) THEN ${refuse('an average beyond the range of FLOAT64')} ELSE _x END`],
  [
    'float_total(_x, _infinite)',
    `CASE WHEN isinf(_x) AND NOT _infinite THEN ${refuse('a sum of FLOAT64 beyond its range')} ELSE _x END`,
  ],
]

/** NUMERIC: whole arithmetic in units of 1e-9, rounded half away from zero. */
const decimals: readonly Macro[] = [
  ['nano(_a)', 'CAST(CAST(_a AS DECIMAL(38,9)) * 1000000000 AS HUGEINT)'],
  [
    'from_nano(_q)',
    `CAST(CAST(_q // 1000000000 AS DECIMAL(38,9))
        + CAST(CAST(_q % 1000000000 AS DECIMAL(38,9)) * 0.000000001 AS DECIMAL(38,9)) AS DECIMAL(38,9))`,
  ],
  [
    'num_quotient(_a, _b)',
    `${MACROS}.from_nano((CASE WHEN (_a < 0) <> (_b < 0) THEN -1 ELSE 1 END)
        * ((abs(_a) * 2000000000::HUGEINT + abs(_b)) // (2::HUGEINT * abs(_b))))`,
  ],
  // Whole numbers of 128 bits divide slowly: where the quotient as FLOAT64 is far enough from a tie, it rounds to the
  // same digits.
  ['num_close(_q)', 'abs(_q) < 1e5 AND abs(_q * 1e9 - round(_q * 1e9)) < 0.4'],
  [
    'num_exact(_a, _b, _q)',
    `CASE WHEN ${MACROS}.num_close(_q) THEN CAST(_q AS DECIMAL(38,9))
          ELSE ${MACROS}.num_quotient(${MACROS}.nano(_a), ${MACROS}.nano(_b)) END`,
  ],
  [
    'num_div(_a, _b)',
    `CASE WHEN _b = 0 AND _a IS NOT NULL THEN ${fail('division by zero')}
          ELSE ${MACROS}.num_exact(_a, _b, CAST(_a AS DOUBLE) / CAST(_b AS DOUBLE)) END`,
  ],
  [
    'num_safe_div(_a, _b)',
    `CASE WHEN _b = 0 OR abs(CAST(_a AS DOUBLE) / CAST(_b AS DOUBLE)) > 1.00001e29 THEN NULL
          ELSE ${MACROS}.num_exact(_a, _b, CAST(_a AS DOUBLE) / CAST(_b AS DOUBLE)) END`,
  ],
  // A function that DuckDB has for FLOAT64 only: the digits that are sure, or a refusal.
  ['num_tie(_y)', 'abs(_y - floor(_y) - 0.5)'],
  [
    'num_of(_r)',
    `CASE WHEN _r IS NULL THEN NULL WHEN NOT isfinite(_r) OR abs(_r) >= 1e29 THEN ${fail('numeric overflow')}
          WHEN abs(_r) < 1e6 AND (_r = round(_r) OR ${MACROS}.num_tie(abs(_r) * 1e9) > abs(_r) * 4e-7 + 1e-6)
          THEN CAST(_r AS DECIMAL(38,9))
          ELSE ${refuse('a function of NUMERIC with so many digits (cast its arguments to FLOAT64)')} END`,
  ],
  [
    'num_pow(_a, _b, _r)',
    `CASE WHEN _a = trunc(_a) AND _b = trunc(_b) AND _b >= 0 AND abs(_r) < 9e15 THEN CAST(_r AS DECIMAL(38,9))
          ELSE ${MACROS}.num_of(_r) END`,
  ],
]

/** Called with their arguments evaluated before: TRY takes what fails in itself alone. */
const safe: readonly Macro[] = (['add +', 'sub -', 'mul *'] as const).flatMap((pair): Macro[] => {
  const [name = '', op = ''] = pair.split(' ')
  const number = `CAST(_a ${op} _b AS DECIMAL(38,9))`
  return [
    [`safe_${name}_int(_a, _b)`, `TRY(_a ${op} _b)`],
    [
      `safe_${name}_float(_a, _b)`,
      `CASE WHEN isinf(_a ${op} _b) AND isfinite(_a) AND isfinite(_b) THEN NULL ELSE _a ${op} _b END`,
    ],
    // A product that only needs too many digits on the way must fail, not be NULL.
    [
      `safe_${name}_num(_a, _b)`,
      op === '*'
        ? `CASE WHEN abs(CAST(_a AS DOUBLE) * CAST(_b AS DOUBLE)) < 1.00001e29 THEN ${number} END`
        : `TRY(${number})`,
    ],
  ]
})
/** Bits of INT64 as of a whole number without a sign. */
const unsigned = '(CASE WHEN _a < 0 THEN CAST(_a AS HUGEINT) + 18446744073709551616 ELSE CAST(_a AS HUGEINT) END)'
const signed = (value: string): string =>
  `CAST(CASE WHEN ${value} > 9223372036854775807 THEN ${value} - 18446744073709551616 ELSE ${value} END AS BIGINT)`
const power = '(CAST(1 AS HUGEINT) << CAST(_b AS INTEGER))'
const shifts: readonly Macro[] = (['left', 'right'] as const).map((side): Macro => {
  const value = side === 'left' ? `(${unsigned} * ${power} % 18446744073709551616)` : `(${unsigned} // ${power})`
  return [
    `shift_${side}(_a, _b)`,
    `CASE WHEN _b < 0 AND _a IS NOT NULL THEN ${fail('Bitwise shift by negative offset.')}
          WHEN _b > 63 AND _a IS NOT NULL THEN CAST(0 AS BIGINT) ELSE ${signed(value)} END`,
  ]
})
const wholes: readonly Macro[] = [
  [
    'num_idiv(_a, _b)',
    `CASE WHEN _b = 0 AND _a IS NOT NULL THEN ${fail('division by zero')}
          ELSE CAST(${MACROS}.nano(_a) // ${MACROS}.nano(_b) AS DECIMAL(38,9)) END`,
  ],
  [
    'range_bucket(_x, _list)',
    `CASE WHEN _x IS NULL OR _list IS NULL THEN NULL
          WHEN list_contains(list_transform(_list, lambda bound: bound IS NULL), true)
          THEN ${fail('RANGE_BUCKET: an element of the array is NULL')}
          WHEN list_sort(_list) <> _list THEN ${fail('RANGE_BUCKET: the array is not in order')}
          ELSE CAST(len(list_filter(_list, lambda bound: bound <= _x)) AS BIGINT) END`,
  ],
]

/** FLOAT64 to and from the other numbers. */
const sureNano = 'abs(_x) < 1e6 AND abs(_x * 1e9 - round(_x * 1e9)) < 0.4'
const toDecimal = `WHEN ${sureNano} THEN CAST(_x AS DECIMAL(38,9))
   WHEN abs(_x) >= 1e15 THEN CAST(printf('%.9f', _x) AS DECIMAL(38,9))
   ELSE CAST(CAST(printf('%.20f', _x) AS DECIMAL(38,20)) AS DECIMAL(38,9)) END`
const beyondNumeric = 'isnan(_x) OR isinf(_x) OR abs(_x) >= 1e29'
const beyondInt64 = 'isnan(_x) OR isinf(_x) OR abs(_x) >= 9223372036854775808.0'
const floats: readonly Macro[] = [
  [
    'num_to_float(_x)',
    'CASE WHEN abs(_x) < 9000000 THEN CAST(_x AS DOUBLE) ELSE CAST(CAST(_x AS VARCHAR) AS DOUBLE) END',
  ],
  ['float_to_num(_x)', `CASE WHEN ${beyondNumeric} THEN ${failWith('NUMERIC out of range: ', '_x')} ${toDecimal}`],
  ['safe_float_to_num(_x)', `CASE WHEN ${beyondNumeric} THEN NULL ${toDecimal}`],
  [
    'float_to_int(_x)',
    `CASE WHEN ${beyondInt64} THEN ${failWith('INT64 out of range: ', '_x')} ELSE CAST(round(_x) AS BIGINT) END`,
  ],
  ['safe_float_to_int(_x)', `CASE WHEN ${beyondInt64} THEN NULL ELSE CAST(round(_x) AS BIGINT) END`],
]

/**
 * ROUND and TRUNC of FLOAT64 to digits go by the exact value: 2.675 is a little less than it looks, so it rounds to
 * 2.67. `(f + 0.5) / s` is the FLOAT64 nearest to the tie; only where it is the value itself do the digits decide.
 */
const floatDigits = "printf('%.60f', abs(_x))"
const pastDigits = `NOT isfinite(_x) OR abs(_x) * pow(10.0, _n) >= 4503599627370496`
const outOfDigits = `WHEN abs(_n) > 22 THEN ${refuse('ROUND or TRUNC to more than 22 digits')}`
const floor = 'floor(abs(_x) * pow(10.0, _n))'
const nearest = 'round(abs(_x) * pow(10.0, _n))'
const rounding: readonly Macro[] = [
  [
    'round_float(_x, _n)',
    `CASE ${outOfDigits} WHEN ${pastDigits} THEN _x
          WHEN _n < 0 THEN sign(_x) * pow(10.0, -_n) * (floor(abs(_x) / pow(10.0, -_n))
            + CASE WHEN abs(_x) >= (floor(abs(_x) / pow(10.0, -_n)) + 0.5) * pow(10.0, -_n) THEN 1 ELSE 0 END)
          ELSE sign(_x) * (${floor} + CASE WHEN abs(_x) > (${floor} + 0.5) / pow(10.0, _n) THEN 1
            WHEN abs(_x) < (${floor} + 0.5) / pow(10.0, _n) THEN 0
            WHEN substr(split_part(${floatDigits}, '.', 2), CAST(_n AS BIGINT) + 1, 1) >= '5' THEN 1
            ELSE 0 END) / pow(10.0, _n) END`,
  ],
  [
    'trunc_float(_x, _n)',
    `CASE ${outOfDigits} WHEN ${pastDigits} THEN _x
          WHEN _n < 0 THEN sign(_x) * pow(10.0, -_n) * (round(abs(_x) / pow(10.0, -_n))
            - CASE WHEN abs(_x) < round(abs(_x) / pow(10.0, -_n)) * pow(10.0, -_n) THEN 1 ELSE 0 END)
          WHEN abs(_x) > ${nearest} / pow(10.0, _n) THEN sign(_x) * ${nearest} / pow(10.0, _n)
          WHEN abs(_x) < ${nearest} / pow(10.0, _n) THEN sign(_x) * (${nearest} - 1) / pow(10.0, _n)
          ELSE sign(_x) * CAST(split_part(${floatDigits}, '.', 1) || '.'
            || left(split_part(${floatDigits}, '.', 2), CAST(_n AS BIGINT)) AS DOUBLE) END`,
  ],
]

/** NaN is equal to nothing and compares as false. */
const comparisons: readonly Macro[] = [
  ['null_if(_a, _b)', 'CASE WHEN _a = _b THEN NULL ELSE _a END'],
  ['feq(_a, _b)', 'CASE WHEN isnan(_a) AND _b IS NOT NULL THEN false ELSE _a = _b END'],
  ['fne(_a, _b)', 'CASE WHEN isnan(_a) AND _b IS NOT NULL THEN true ELSE _a <> _b END'],
  ['fgt(_a, _b)', 'CASE WHEN isnan(_a) AND _b IS NOT NULL THEN false ELSE _a > _b END'],
  ['fge(_a, _b)', 'CASE WHEN isnan(_a) AND _b IS NOT NULL THEN false ELSE _a >= _b END'],
  ['null_if_float(_a, _b)', 'CASE WHEN _a = _b AND NOT isnan(_a) THEN NULL ELSE _a END'],
]

export const numberMacros: readonly Macro[] = [
  ...division,
  ...totals,
  ...decimals,
  ...safe,
  ...shifts,
  ...wholes,
  ...floats,
  ...rounding,
  ...comparisons,
]
