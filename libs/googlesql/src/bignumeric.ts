/**
 * BIGNUMERIC in DuckDB, whose decimals end at 38 digits: a struct of three numbers whose sum it is, `billions` in units
 * of 10^9, `units` below 10^9 with 20 digits behind the point, and `rest`, the other 18 digits. They never differ in
 * sign, so comparing them in turn is comparing the numbers, and a sum adds each by itself. NULL is a NULL struct.
 */

export const bignumericType = 'STRUCT(billions HUGEINT, units DECIMAL(38,20), rest BIGINT)'
export const bignumericFields = ['billions', 'units', 'rest'] as const
/** Digits behind the point. */
export const bignumericScale = 38
/** Of `units`. */
const unitsScale = 20

/** SQL of the three parts of one number. */
export interface Parts {
  billions: string
  units: string
  rest: string
}
const unitsType = `DECIMAL(38,${unitsScale})`
/** The struct of parts that are as they should be. */
export const packed = ({ billions, units, rest }: Parts): string =>
  `struct_pack(billions := CAST(${billions} AS HUGEINT), units := CAST(${units} AS ${unitsType}), ` +
  `rest := CAST(${rest} AS BIGINT))`
export const partsOf = (sql: string): Parts => ({
  billions: `struct_extract(${sql}, 'billions')`,
  units: `struct_extract(${sql}, 'units')`,
  rest: `struct_extract(${sql}, 'rest')`,
})

/** The greatest number in units of the last digit; the least one is one unit further from zero. */
const greatest = 2n ** 255n - 1n
const split = (value: bigint): { billions: bigint; units: string; rest: bigint } => {
  const sign = value < 0n ? -1n : 1n
  const digits = value * sign
  const units = String((digits / 10n ** 18n) % 10n ** 29n).padStart(unitsScale + 1, '0')
  return {
    billions: sign * (digits / 10n ** 47n),
    units: `${sign < 0n ? '-' : ''}${units.slice(0, -unitsScale)}.${units.slice(-unitsScale)}`,
    rest: sign * (digits % 10n ** 18n),
  }
}
/** Whether BIGNUMERIC has the number of so many units of the last digit. */
export const isBignumeric = (value: bigint): boolean => value <= greatest && value >= -greatest - 1n
/** A constant, given in units of the last digit. */
export const bignumericLiteral = (value: bigint): string => {
  const { billions, units, rest } = split(value)
  return packed({ billions: `'${billions}'`, units: `'${units}'`, rest: `'${rest}'` })
}
/** The units of the last digit of a stored number. */
export const unitsOfParts = (billions: bigint, units: bigint, rest: bigint): bigint =>
  billions * 10n ** 47n + units * 10n ** 18n + rest
/** Units of the last digit of a decimal without an exponent. Throws SyntaxError for what is none. */
export const bignumericUnits = (text: string): bigint => {
  const [whole = '', fraction = ''] = text.split('.')
  return BigInt(`${whole}${fraction.padEnd(bignumericScale, '0')}`)
}
/** The shortest decimal of so many units of the last digit. */
export const bignumericText = (value: bigint): string => {
  const digits = String(value < 0n ? -value : value).padStart(bignumericScale + 1, '0')
  const fraction = digits.slice(-bignumericScale).replace(/0+$/, '')
  return `${value < 0n ? '-' : ''}${digits.slice(0, -bignumericScale)}${fraction === '' ? '' : `.${fraction}`}`
}

/** No lambda has the name of another, for a macro's arguments stand inside of its own. */
let bound = 0
/** Evaluates each value once, before `body`, which names it. */
export const bind = <K extends string>(
  values: Readonly<Record<K, string>>,
  body: (names: Record<K, string>) => string,
): string => {
  const row = `big${(bound += 1)}`
  const keys = Object.keys(values) as K[]
  const names = Object.fromEntries(keys.map((key) => [key, `struct_extract(${row}, '${key}')`])) as Record<K, string>
  const list = keys.map((key) => `${key} := ${values[key]}`).join(', ')
  return `list_extract(list_transform([struct_pack(${list})], lambda ${row}: ${body(names)}), 1)`
}
/** How something that cannot be is raised; whoever asks has their own way of raising errors. */
export type Raise = (message: string) => string

/** Of texts: digits down to the eighth behind the point, and the twelve after them. DuckDB reads long ones slowly. */
const unitsFrom = (first: string, next: string): string =>
  `CAST(CAST(${first} AS DECIMAL(18,8)) AS ${unitsType}) + CAST(CAST(CAST(${next} AS BIGINT) AS DECIMAL(18,0)) * ` +
  `CAST('0.00000000000000000001' AS DECIMAL(20,20)) AS ${unitsType})`
const overflow = 'BIGNUMERIC overflow'
const mostDigits = String(greatest).length
/**
 * The number of so many units of the last digit: a BIGNUM, DuckDB's whole number of any length. It adds and compares
 * and does nothing else, slowly: for what the three parts cannot do.
 */
export const ofUnits = (units: string, raise: Raise): string =>
  bind({ v: units }, ({ v }) => {
    const text = `CAST(${v} AS VARCHAR)`
    const inside = bind(
      {
        s: `CASE WHEN starts_with(${text}, '-') THEN '-' ELSE '' END`,
        d: `lpad(ltrim(${text}, '-'), ${mostDigits}, '0')`,
      },
      ({ s, d }) =>
        packed({
          billions: `${s} || left(${d}, 30)`,
          units: unitsFrom(`${s} || substr(${d}, 31, 9) || '.' || substr(${d}, 40, 8)`, `${s} || substr(${d}, 48, 12)`),
          rest: `${s} || right(${d}, 18)`,
        }),
    )
    return (
      `CASE WHEN ${v} BETWEEN CAST('${-greatest - 1n}' AS BIGNUM) AND CAST('${greatest}' AS BIGNUM) THEN ${inside} ` +
      `WHEN ${v} IS NOT NULL THEN ${raise(overflow)} END`
    )
  })
/** Units of the last digit, as a BIGNUM. */
export const unitsOf = ({ billions, units, rest }: Parts): string =>
  `(CAST(CAST(${billions} AS VARCHAR) || '${'0'.repeat(47)}' AS BIGNUM) + ` +
  `CAST(replace(CAST(${units} AS VARCHAR), '.', '') || '${'0'.repeat(18)}' AS BIGNUM) + CAST(${rest} AS BIGNUM))`

const inOrder = ({ billions, units, rest }: Parts): string =>
  `${billions} = 0 AND ${units} < 1000000000 AND ${units} > -1000000000 AND ` +
  `((${units} >= 0 AND ${rest} >= 0 AND ${rest} < ${10n ** 18n}) OR ` +
  `(${units} <= 0 AND ${rest} <= 0 AND ${rest} > -${10n ** 18n}))`
/** The struct of any parts: what is in order, as most numbers are, only packed. NULL parts are NULL. */
export const normalised = (parts: Parts, raise: Raise): string =>
  `CASE WHEN ${inOrder(parts)} THEN ${packed(parts)} WHEN ${parts.units} IS NOT NULL ` +
  `THEN ${ofUnits(unitsOf(parts), raise)} END`

/** A DECIMAL of at most 20 digits behind the point. */
export const fromDecimal = (sql: string): string => {
  const small = packed({ billions: '0', units: sql, rest: '0' })
  const large = fromAnyText(`CAST(${sql} AS VARCHAR)`, 'refuse')
  return `CASE WHEN ${sql} > -1000000000 AND ${sql} < 1000000000 THEN ${small} WHEN ${sql} IS NOT NULL THEN ${large} END`
}
export const fromInteger = (sql: string): string =>
  `CASE WHEN ${sql} IS NOT NULL THEN ${packed({
    billions: `CAST(${sql} AS HUGEINT) // 1000000000`,
    units: `CAST(${sql} AS HUGEINT) % 1000000000`,
    rest: '0',
  })} END`

const form = "'^\\s*([+-]?)([0-9]*)[.]?([0-9]*)(?:[eE]([+-]?[0-9]+))?\\s*$'"
/**
 * A decimal's text, with or without an exponent, in whatever spelling; NULL for what is none. More digits behind the
 * point than there are: `round` rounds them half away from zero, `refuse` gives NULL, also when the number is too
 * large, which otherwise raises.
 */
export const fromAnyText = (sql: string, more: { round: Raise } | 'refuse'): string => {
  const refuses = more === 'refuse'
  const raise: Raise = refuses ? () => 'NULL' : more.round
  const at = (m: string, name: string): string => `struct_extract(${m}, '${name}')`
  /** An exponent of many digits is as good as a large one. */
  const exponent = (e: string): string =>
    `CASE WHEN ${e} = '' THEN 0 ELSE greatest(-99999, least(99999, ` +
    `COALESCE(TRY_CAST(${e} AS BIGINT), CASE WHEN starts_with(${e}, '-') THEN -99999 ELSE 99999 END))) END`
  return bind({ m: `regexp_extract(${sql}, ${form}, ['s', 'i', 'f', 'e'])` }, ({ m }) =>
    bind(
      {
        s: at(m, 's'),
        digits: `${at(m, 'i')} || ${at(m, 'f')}`,
        d: `ltrim(${at(m, 'i')} || ${at(m, 'f')}, '0')`,
        // By how many digits d is to be moved to the left to count units of the last digit.
        n: `${bignumericScale} - length(${at(m, 'f')}) + ${exponent(at(m, 'e'))}`,
      },
      ({ s, digits, d, n }) => {
        const kept = `left(${d}, CAST(greatest(0, length(${d}) + ${n}) AS BIGINT))`
        const cut = `right(${d}, CAST(least(length(${d}), -${n}) AS BIGINT))`
        const whole = (digits: string): string => `CAST(${s} || '0' || ${digits} AS BIGNUM)`
        const up = `CASE WHEN length(${d}) >= -${n} AND ${cut} >= '5' THEN CAST(${s} || '1' AS BIGNUM) ELSE CAST('0' AS BIGNUM) END`
        const rounded = `${whole(kept)} + ${up}`
        const units =
          `CASE WHEN ${n} >= 0 THEN ${whole(`${d} || repeat('0', CAST(${n} AS BIGINT))`)} ` +
          (refuses ? `WHEN rtrim(${cut}, '0') = '' THEN ${whole(kept)} END` : `ELSE ${rounded} END`)
        return (
          `CASE WHEN ${digits} IS NULL OR ${digits} = '' THEN NULL WHEN ${d} = '' THEN ${bignumericLiteral(0n)} ` +
          `WHEN length(${d}) + ${n} > ${mostDigits} THEN ${raise(overflow)} ELSE ${ofUnits(units, raise)} END`
        )
      },
    ),
  )
}
const hasPlainDigits = (sql: string): string =>
  `NOT contains(${sql}, 'E') AND NOT contains(${sql}, 'e') AND NOT contains(${sql}, '_')`
/** Few enough digits for DuckDB's quick reading, of 64 bits: at most eight before the point and ten behind it. */
const isShort = (sql: string): string =>
  `(strlen(${sql}) <= 8 OR (instr(${sql}, '.') BETWEEN 1 AND 9 AND strlen(${sql}) - instr(${sql}, '.') <= 10)) ` +
  `AND ${hasPlainDigits(sql)}`
/** The same with one or two before the point and 16 behind it. */
const isFine = (sql: string): string =>
  `instr(${sql}, '.') BETWEEN 1 AND 3 AND strlen(${sql}) - instr(${sql}, '.') <= 16 AND ${hasPlainDigits(sql)}`
/** No more than nine digits before the point and 38 behind it, in the plainest spelling. */
const isPlain = (sql: string): string => `regexp_full_match(${sql}, '[+-]?[0-9]{1,9}[.][0-9]{1,38}')`
/** DuckDB reads 128-bit decimals forty times slower than 64-bit ones: so these are put together of short pieces. */
const fromPlain = (sql: string): string =>
  bind(
    { x: sql, p: `instr(${sql}, '.')`, s: `CASE WHEN starts_with(${sql}, '-') THEN '-' ELSE '' END` },
    ({ x, p, s }) =>
      packed({
        billions: '0',
        units: unitsFrom(`left(${x}, ${p} + 8)`, `${s} || rpad(substr(${x}, ${p} + 9, 12), 12, '0')`),
        rest: `${s} || rpad(substr(${x}, ${p} + 21, 18), 18, '0')`,
      }),
  )
/** A small number with an exponent, 1.81E-8, which is 0.0000000181; NULL for others. */
const fromSmall = (sql: string): string =>
  bind(
    { m: `regexp_extract(${sql}, '^([+-]?)([0-9]*)[.]?([0-9]*)[eE](-[0-9]{1,2})$', ['s', 'i', 'f', 'e'])` },
    ({ m }) => {
      const at = (name: string): string => `struct_extract(${m}, '${name}')`
      const digits = `strlen(${at('i')}) + strlen(${at('f')})`
      const places = `strlen(${at('f')}) - TRY_CAST(${at('e')} AS INTEGER)`
      const text = `${at('s')} || '0.' || repeat('0', ${places} - (${digits})) || ${at('i')} || ${at('f')}`
      const units = `CAST(CAST(${text} AS DECIMAL(18,18)) AS ${unitsType})`
      return `CASE WHEN ${places} BETWEEN greatest(1, ${digits}) AND 18 AND ${digits} > 0 THEN ${packed({ billions: '0', units, rest: '0' })} END`
    },
  )
/** As fromAnyText, most numbers quicker. `wrong` is raised for a short text that is no number. */
export const fromText = (sql: string, more: { round: Raise } | 'refuse', wrong: string): string => {
  const quick = (scale: number): string => {
    const units = `COALESCE(CAST(TRY_CAST(${sql} AS DECIMAL(18,${scale})) AS ${unitsType}), ${wrong})`
    return packed({ billions: '0', units, rest: '0' })
  }
  return (
    `CASE WHEN ${isShort(sql)} THEN ${quick(10)} WHEN ${isFine(sql)} THEN ${quick(16)} ` +
    `WHEN ${hasPlainDigits(sql)} AND ${isPlain(sql)} THEN ${fromPlain(sql)} ` +
    `ELSE COALESCE(${fromSmall(sql)}, ${fromAnyText(sql, more)}) END`
  )
}

/** The shortest decimal. */
export const toText = (sql: string): string => {
  const { billions: b, units: u, rest: t } = partsOf(sql)
  const long = bind(
    { b, t, u: `CAST(abs(${u}) AS VARCHAR)`, s: `CASE WHEN ${b} < 0 OR ${u} < 0 OR ${t} < 0 THEN '-' ELSE '' END` },
    (x) =>
      `${x.s} || ltrim(CAST(abs(${x.b}) AS VARCHAR) || lpad(${x.u}, 30, '0'), '0') || lpad(CAST(abs(${x.t}) AS VARCHAR), 18, '0')`,
  )
  return (
    `CASE WHEN ${b} = 0 AND ${t} = 0 THEN rtrim(rtrim(CAST(${u} AS VARCHAR), '0'), '.') WHEN ${u} IS NOT NULL ` +
    `THEN regexp_replace(regexp_replace(${long}, '^(-?)[.]', '\\10.'), '[.]?0+$', '') END`
  )
}

const floatDigits = (sql: string): string => `printf('%.80f', ${sql})`
/** A double to the last digit that BIGNUMERIC has; more are rounded half away from zero. */
export const fromFloat = (sql: string, raise: Raise): string =>
  `CASE WHEN isnan(${sql}) OR isinf(${sql}) OR abs(${sql}) >= 5.79e38 THEN ${raise('BIGNUMERIC out of range')} ` +
  `ELSE ${fromAnyText(floatDigits(sql), { round: raise })} END`
/** Rounded half away from zero to nine digits: what `rest` holds never decides. */
export const toNumeric = (sql: string, raise: Raise): string => {
  const { billions: b, units: u } = partsOf(sql)
  const isNumeric =
    `abs(${b}) < 100000000000000000000 AND ` +
    `NOT (abs(${b}) = 99999999999999999999 AND round(abs(${u}), 9) >= 1000000000)`
  return (
    `CASE WHEN ${isNumeric} THEN CAST(${u} AS DECIMAL(38,9)) + CAST(${b} * 1000000000 AS DECIMAL(38,9)) ` +
    `WHEN ${u} IS NOT NULL THEN ${raise('numeric overflow')} END`
  )
}
