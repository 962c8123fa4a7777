/**
 * Functions that a translation calls: DuckDB macros in a reserved schema of the current database, made once per
 * database.
 */

/** Holds the macros; no dataset may have this name. */
export const reservedSchema = '_gsql'
/** Ends the name of a macro that evaluates its arguments once. */
export const onceSuffix = '_once'
/**
 * Starts every error that a translated statement raises by itself, so that it can be told from the engine's own
 * messages.
 */
export const raised = 'googlesql: '

const fail = (message: string): string => `error('${raised}${message}')`
const failWith = (message: string, value: string): string =>
  `error('${raised}${message}' || coalesce(CAST(${value} AS VARCHAR), 'NULL'))`

/** Overflow fails; so does arithmetic on infinity and NaN, which could hide it. */
const notFinite = 'floating point error: the result is not finite (arithmetic on infinity and NaN is refused here)'
const intText = "'^\\s*[+-]?[0-9]+\\s*$'"
const floatText = "'^\\s*(?i:[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)(e[+-]?[0-9]+)?|[+-]?inf(inity)?|nan)\\s*$'"
const decimalText = "'^\\s*[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?\\s*$'"
const dateText = "'^\\s*[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}\\s*$'"
const timePart = '[0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(\\.[0-9]{1,6})?'
const timeText = `'^\\s*${timePart}\\s*$'`
const datetimeText = `'^\\s*[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([ Tt]${timePart})?\\s*$'`
const timestampText = `'^\\s*[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([ Tt]${timePart})?(\\s*(Z|z|UTC|[+-][0-9]{1,2}(:[0-9]{2})?))?\\s*$'`
/** BigQuery shows 0, 3 or 6 fractional digits. */
const fraction = (us: string): string =>
  `CASE WHEN ${us} % 1000000 = 0 THEN '' WHEN ${us} % 1000 = 0 THEN printf('.%03d', (${us} % 1000000) // 1000) ELSE printf('.%06d', ${us} % 1000000) END`

/**
 * name(parameters): expression. Parameters start with _ and lambdas use other names, so that nothing of the caller is
 * captured.
 */
const macros: readonly (readonly [string, string])[] = [
  // Division and remainder fail on zero.
  [
    'div(_a, _b)',
    `CASE WHEN _b = 0 AND _a IS NOT NULL THEN ${fail('division by zero')} WHEN isinf(_a / _b) AND isfinite(_a) THEN ${fail(notFinite)} ELSE _a / _b END`,
  ],
  ['fin(_x)', `CASE WHEN isfinite(_x) IS NOT FALSE THEN _x ELSE ${fail(notFinite)} END`],
  ['idiv(_a, _b)', `CASE WHEN _b = 0 AND _a IS NOT NULL THEN ${fail('division by zero')} ELSE _a // _b END`],
  ['modulo(_a, _b)', `CASE WHEN _b = 0 AND _a IS NOT NULL THEN ${fail('division by zero')} ELSE _a % _b END`],
  ['floor_div(_a, _b)', '(_a - ((_a % _b) + _b) % _b) // _b'],
  ['safe_div(_a, _b)', 'CASE WHEN _b = 0 THEN NULL ELSE _a / _b END'],
  // NUMERIC: whole arithmetic in units of 1e-9, rounded half away from zero.
  ['nano(_a)', 'CAST(CAST(_a AS DECIMAL(38,9)) * 1000000000 AS HUGEINT)'],
  [
    'from_nano(_q)',
    'CAST(CAST(_q // 1000000000 AS DECIMAL(38,9)) + CAST(CAST(_q % 1000000000 AS DECIMAL(38,9)) * 0.000000001 AS DECIMAL(38,9)) AS DECIMAL(38,9))',
  ],
  [
    'num_quotient(_a, _b)',
    `${reservedSchema}.from_nano((CASE WHEN (_a < 0) <> (_b < 0) THEN -1 ELSE 1 END) * ((abs(_a) * 2000000000::HUGEINT + abs(_b)) // (2::HUGEINT * abs(_b))))`,
  ],
  // Whole numbers of 128 bits divide slowly: where the quotient as FLOAT64 is far enough from a tie, it rounds to the
  // same digits.
  ['num_close(_q)', 'abs(_q) < 1e5 AND abs(_q * 1e9 - round(_q * 1e9)) < 0.4'],
  [
    'num_exact(_a, _b, _q)',
    `CASE WHEN ${reservedSchema}.num_close(_q) THEN CAST(_q AS DECIMAL(38,9)) ELSE ${reservedSchema}.num_quotient(${reservedSchema}.nano(_a), ${reservedSchema}.nano(_b)) END`,
  ],
  [
    'num_div(_a, _b)',
    `CASE WHEN _b = 0 AND _a IS NOT NULL THEN ${fail('division by zero')} ELSE ${reservedSchema}.num_exact(_a, _b, CAST(_a AS DOUBLE) / CAST(_b AS DOUBLE)) END`,
  ],
  [
    'num_safe_div(_a, _b)',
    `CASE WHEN _b = 0 THEN NULL ELSE ${reservedSchema}.num_exact(_a, _b, CAST(_a AS DOUBLE) / CAST(_b AS DOUBLE)) END`,
  ],
  [
    'num_to_float(_x)',
    'CASE WHEN abs(_x) < 9000000 THEN CAST(_x AS DOUBLE) ELSE CAST(CAST(_x AS VARCHAR) AS DOUBLE) END',
  ],
  [
    'float_to_num(_x)',
    `CASE WHEN isnan(_x) OR isinf(_x) OR abs(_x) >= 1e29 THEN ${failWith('NUMERIC out of range: ', '_x')} WHEN abs(_x) < 1e6 AND abs(_x * 1e9 - round(_x * 1e9)) < 0.4 THEN CAST(_x AS DECIMAL(38,9)) WHEN abs(_x) >= 1e15 THEN CAST(printf('%.9f', _x) AS DECIMAL(38,9)) ELSE CAST(CAST(printf('%.20f', _x) AS DECIMAL(38,20)) AS DECIMAL(38,9)) END`,
  ],
  [
    'safe_float_to_num(_x)',
    "CASE WHEN isnan(_x) OR isinf(_x) OR abs(_x) >= 1e29 THEN NULL WHEN abs(_x) < 1e6 AND abs(_x * 1e9 - round(_x * 1e9)) < 0.4 THEN CAST(_x AS DECIMAL(38,9)) WHEN abs(_x) >= 1e15 THEN CAST(printf('%.9f', _x) AS DECIMAL(38,9)) ELSE CAST(CAST(printf('%.20f', _x) AS DECIMAL(38,20)) AS DECIMAL(38,9)) END",
  ],
  [
    'float_to_int(_x)',
    `CASE WHEN isnan(_x) OR isinf(_x) OR abs(_x) >= 9223372036854775808.0 THEN ${failWith('INT64 out of range: ', '_x')} ELSE CAST(round(_x) AS BIGINT) END`,
  ],
  [
    'safe_float_to_int(_x)',
    'CASE WHEN isnan(_x) OR isinf(_x) OR abs(_x) >= 9223372036854775808.0 THEN NULL ELSE CAST(round(_x) AS BIGINT) END',
  ],
  [
    'finite(_x, _a, _b)',
    `CASE WHEN NOT isfinite(_x) AND isfinite(_a) AND isfinite(_b) THEN ${fail(notFinite)} ELSE _x END`,
  ],
  ['null_if(_a, _b)', 'CASE WHEN _a = _b THEN NULL ELSE _a END'],
  // NaN is equal to nothing and compares as false.
  ['feq(_a, _b)', 'CASE WHEN isnan(_a) AND _b IS NOT NULL THEN false ELSE _a = _b END'],
  ['fne(_a, _b)', 'CASE WHEN isnan(_a) AND _b IS NOT NULL THEN true ELSE _a <> _b END'],
  ['fgt(_a, _b)', 'CASE WHEN isnan(_a) AND _b IS NOT NULL THEN false ELSE _a > _b END'],
  ['fge(_a, _b)', 'CASE WHEN isnan(_a) AND _b IS NOT NULL THEN false ELSE _a >= _b END'],
  ['null_if_float(_a, _b)', 'CASE WHEN _a = _b AND NOT isnan(_a) THEN NULL ELSE _a END'],
  // Text to values: exactly the forms that GoogleSQL reads.
  [
    'to_int(_s)',
    `CASE WHEN NOT regexp_matches(_s, ${intText}) THEN ${failWith('bad INT64 value: ', '_s')} ELSE CAST(trim(_s) AS BIGINT) END`,
  ],
  [
    'try_int(_s)',
    `CASE WHEN regexp_matches(_s, '^\\s*[+-]?0[xX]') THEN ${fail('hexadecimal text as INT64 is not supported by the local warehouse')} WHEN regexp_matches(_s, ${intText}) THEN TRY_CAST(trim(_s) AS BIGINT) END`,
  ],
  [
    'to_float(_s)',
    `CASE WHEN NOT regexp_matches(_s, ${floatText}) THEN ${failWith('bad FLOAT64 value: ', '_s')} ELSE CAST(trim(_s) AS DOUBLE) END`,
  ],
  ['try_float(_s)', `CASE WHEN regexp_matches(_s, ${floatText}) THEN TRY_CAST(trim(_s) AS DOUBLE) END`],
  [
    'to_num(_s)',
    `CASE WHEN NOT regexp_matches(_s, ${decimalText}) THEN ${failWith('bad NUMERIC value: ', '_s')} ELSE CAST(trim(_s) AS DECIMAL(38,9)) END`,
  ],
  ['try_num(_s)', `CASE WHEN regexp_matches(_s, ${decimalText}) THEN TRY_CAST(trim(_s) AS DECIMAL(38,9)) END`],
  [
    'to_bignum(_s)',
    `CASE WHEN NOT regexp_matches(_s, ${decimalText}) THEN ${failWith('bad BIGNUMERIC value: ', '_s')} WHEN regexp_matches(_s, '[eE]|\\.[0-9]{18}[0-9]*[1-9]') THEN ${fail('a BIGNUMERIC with more than 18 fractional digits or an exponent is not supported by the local warehouse')} ELSE CAST(trim(_s) AS DECIMAL(38,18)) END`,
  ],
  [
    'try_bignum(_s)',
    `CASE WHEN NOT regexp_matches(_s, ${decimalText}) THEN NULL WHEN regexp_matches(_s, '[eE]|\\.[0-9]{18}[0-9]*[1-9]') THEN ${fail('a BIGNUMERIC with more than 18 fractional digits or an exponent is not supported by the local warehouse')} ELSE CAST(trim(_s) AS DECIMAL(38,18)) END`,
  ],
  [
    'to_bool(_s)',
    `CASE lower(_s) WHEN 'true' THEN true WHEN 'false' THEN false ELSE CASE WHEN _s IS NULL THEN NULL ELSE ${failWith('bad BOOL value: ', '_s')} END END`,
  ],
  ['try_bool(_s)', "CASE lower(_s) WHEN 'true' THEN true WHEN 'false' THEN false END"],
  [
    'to_date(_s)',
    `CASE WHEN NOT regexp_matches(_s, ${dateText}) THEN ${failWith('invalid date: ', '_s')} ELSE CAST(trim(_s) AS DATE) END`,
  ],
  ['try_date(_s)', `CASE WHEN regexp_matches(_s, ${dateText}) THEN TRY_CAST(trim(_s) AS DATE) END`],
  [
    'to_time(_s)',
    `CASE WHEN NOT regexp_matches(_s, ${timeText}) THEN ${failWith('invalid time: ', '_s')} ELSE CAST(trim(_s) AS TIME) END`,
  ],
  ['try_time(_s)', `CASE WHEN regexp_matches(_s, ${timeText}) THEN TRY_CAST(trim(_s) AS TIME) END`],
  [
    'to_datetime(_s)',
    `CASE WHEN NOT regexp_matches(_s, ${datetimeText}) THEN ${failWith('invalid datetime: ', '_s')} ELSE CAST(replace(upper(trim(_s)), 'T', ' ') AS TIMESTAMP) END`,
  ],
  [
    'try_datetime(_s)',
    `CASE WHEN regexp_matches(_s, ${datetimeText}) THEN TRY_CAST(replace(upper(trim(_s)), 'T', ' ') AS TIMESTAMP) END`,
  ],
  [
    'to_timestamp(_s)',
    `CASE WHEN NOT regexp_matches(_s, ${timestampText}) THEN ${failWith('invalid timestamp: ', '_s')} ELSE ${reservedSchema}.read_timestamp(trim(_s)) END`,
  ],
  [
    'try_timestamp(_s)',
    `CASE WHEN regexp_matches(_s, ${timestampText}) THEN ${reservedSchema}.try_read_timestamp(trim(_s)) END`,
  ],
  // Values to text, as GoogleSQL prints them.
  [
    'float_text(_x)',
    "CASE WHEN isnan(_x) THEN 'NaN' WHEN isinf(_x) THEN CASE WHEN _x > 0 THEN 'inf' ELSE '-inf' END WHEN CAST(printf('%.15g', _x) AS DOUBLE) = _x THEN printf('%.15g', _x) WHEN CAST(printf('%.16g', _x) AS DOUBLE) = _x THEN printf('%.16g', _x) ELSE printf('%.17g', _x) END",
  ],
  ['decimal_text(_x)', "regexp_replace(regexp_replace(CAST(_x AS VARCHAR), '(\\.[0-9]*?)0+$', '\\1'), '\\.$', '')"],
  ['timestamp_text(_t)', `strftime(timezone('UTC', _t), '%Y-%m-%d %H:%M:%S') || ${fraction('epoch_us(_t)')} || '+00'`],
  ['datetime_text(_t)', `strftime(_t, '%Y-%m-%d %H:%M:%S') || ${fraction('epoch_us(_t)')}`],
  ['time_text(_t)', `strftime(DATE '2000-01-01' + _t, '%H:%M:%S') || ${fraction("epoch_us(DATE '2000-01-01' + _t)")}`],
  // Arrays.
  [
    'at_offset(_l, _i)',
    `CASE WHEN _l IS NOT NULL AND (_i < 0 OR _i >= len(_l)) THEN ${failWith('array index out of bounds: ', '_i')} ELSE list_extract(_l, _i + 1) END`,
  ],
  ['safe_offset(_l, _i)', 'CASE WHEN _i >= 0 AND _i < len(_l) THEN list_extract(_l, _i + 1) END'],
  [
    'at_ordinal(_l, _i)',
    `CASE WHEN _l IS NOT NULL AND (_i < 1 OR _i > len(_l)) THEN ${failWith('array index out of bounds: ', '_i')} ELSE list_extract(_l, _i) END`,
  ],
  ['safe_ordinal(_l, _i)', 'CASE WHEN _i >= 1 AND _i <= len(_l) THEN list_extract(_l, _i) END'],
  [
    'only_element(_l)',
    `CASE WHEN len(_l) > 1 THEN ${fail('scalar subquery produced more than one element')} ELSE list_extract(_l, 1) END`,
  ],
  [
    'in_array(_x, _l)',
    'CASE WHEN _l IS NULL OR len(_l) = 0 THEN false WHEN _x IS NULL THEN NULL WHEN list_contains(_l, _x) THEN true WHEN list_count(_l) < len(_l) THEN NULL ELSE false END',
  ],
  [
    'without_null(_l)',
    `CASE WHEN list_count(_l) < len(_l) THEN ${fail('an array that is returned cannot have a NULL element')} ELSE _l END`,
  ],
  // Text.
  // Letters whose other case is several letters, or depends on the neighbours: DuckDB maps one to one.
  [
    'upper_of(_s)',
    `CASE WHEN strlen(_s) <> length(_s) AND regexp_matches(_s, '[\u00df\u0149\u01f0\u0390\u03b0\u0587\u1e96-\u1e9a\u1f50-\u1f57\u1f80-\u1fff\ufb00-\ufb17]') THEN ${fail('UPPER of this text is not supported by the local warehouse')} ELSE upper(_s) END`,
  ],
  [
    'lower_of(_s)',
    `CASE WHEN strlen(_s) <> length(_s) AND regexp_matches(_s, '[\u0130\u03a3]') THEN ${fail('LOWER of this text is not supported by the local warehouse')} ELSE lower(_s) END`,
  ],
  ['substr2(_s, _p)', 'CASE WHEN _p = 0 OR _p < -length(_s) THEN _s ELSE substring(_s, _p) END'],
  [
    'substr3(_s, _p, _n)',
    `CASE WHEN _n < 0 AND _s IS NOT NULL THEN ${fail('SUBSTR: the length is negative')} WHEN _p = 0 OR _p < -length(_s) THEN substring(_s, 1, _n) ELSE substring(_s, CASE WHEN _p < 0 THEN length(_s) + _p + 1 ELSE _p END, _n) END`,
  ],
  [
    'left_of(_s, _n)',
    `CASE WHEN _n < 0 AND _s IS NOT NULL THEN ${fail('LEFT: the length is negative')} ELSE left(_s, _n) END`,
  ],
  [
    'right_of(_s, _n)',
    `CASE WHEN _n < 0 AND _s IS NOT NULL THEN ${fail('RIGHT: the length is negative')} ELSE right(_s, _n) END`,
  ],
  [
    'lpad_to(_s, _n, _p)',
    `CASE WHEN _n < 0 AND _s IS NOT NULL THEN ${fail('LPAD: the length is negative')} WHEN _p = '' THEN ${fail('LPAD: the pattern is empty')} ELSE lpad(_s, CAST(_n AS INTEGER), _p) END`,
  ],
  [
    'rpad_to(_s, _n, _p)',
    `CASE WHEN _n < 0 AND _s IS NOT NULL THEN ${fail('RPAD: the length is negative')} WHEN _p = '' THEN ${fail('RPAD: the pattern is empty')} ELSE rpad(_s, CAST(_n AS INTEGER), _p) END`,
  ],
  [
    'repeat_of(_s, _n)',
    `CASE WHEN _n < 0 AND _s IS NOT NULL THEN ${fail('REPEAT: the count is negative')} ELSE repeat(_s, _n) END`,
  ],
  [
    'reverse_of(_s)',
    `CASE WHEN strlen(_s) = length(_s) THEN reverse(_s) ELSE ${fail('REVERSE of text beyond ASCII is not supported by the local warehouse')} END`,
  ],
  ['extract_re(_s, _r, _g)', 'CASE WHEN regexp_matches(_s, _r) THEN regexp_extract(_s, _r, _g) END'],
  // JSON.
  [
    'json_scalar(_j, _p)',
    "CASE WHEN json_type(_j, _p) IN ('OBJECT', 'ARRAY', 'NULL') THEN NULL ELSE json_extract_string(_j, _p) END",
  ],
  ['json_array(_j, _p)', "CASE WHEN json_type(_j, _p) = 'ARRAY' THEN CAST(json_extract(_j, _p) AS JSON[]) END"],
  // NULL as a whole when there is something in it that is no scalar; json_extract_string of a null is NULL.
  [
    'json_scalars(_j, _p)',
    "CASE WHEN json_type(_j, _p) = 'ARRAY' AND len(list_filter(CAST(json_extract(_j, _p) AS JSON[]), lambda _e: json_type(_e) IN ('OBJECT', 'ARRAY'))) = 0 THEN list_transform(CAST(json_extract(_j, _p) AS JSON[]), lambda _e: json_extract_string(_e, '$')) END",
  ],
  [
    'json_int(_j)',
    `CASE WHEN json_type(_j) IN ('BIGINT', 'UBIGINT') THEN CAST(json_extract_string(_j, '$') AS BIGINT) WHEN _j IS NULL THEN NULL WHEN json_type(_j) = 'DOUBLE' AND CAST(json_extract_string(_j, '$') AS DOUBLE) = round(CAST(json_extract_string(_j, '$') AS DOUBLE)) THEN CAST(CAST(json_extract_string(_j, '$') AS DOUBLE) AS BIGINT) ELSE ${fail('the JSON value is not an INT64')} END`,
  ],
  [
    'json_float(_j)',
    `CASE WHEN json_type(_j) IN ('BIGINT', 'UBIGINT', 'DOUBLE') THEN CAST(json_extract_string(_j, '$') AS DOUBLE) WHEN _j IS NULL THEN NULL ELSE ${fail('the JSON value is not a FLOAT64')} END`,
  ],
  [
    'json_bool(_j)',
    `CASE WHEN json_type(_j) = 'BOOLEAN' THEN json_extract_string(_j, '$') = 'true' WHEN _j IS NULL THEN NULL ELSE ${fail('the JSON value is not a BOOL')} END`,
  ],
  [
    'json_string(_j)',
    `CASE WHEN json_type(_j) = 'VARCHAR' THEN json_extract_string(_j, '$') WHEN _j IS NULL THEN NULL ELSE ${fail('the JSON value is not a STRING')} END`,
  ],
  // Dates. Days of the week count from Sunday = 0.
  ['week_start(_d, _s)', '(_d - CAST((dayofweek(_d) - _s + 7) % 7 AS INTEGER))'],
  ['week_number(_d, _s)', 'CAST((dayofyear(_d) + 6 - (dayofweek(_d) - _s + 7) % 7) // 7 AS BIGINT)'],
  ['isoyear_start(_d)', "CAST(date_trunc('week', make_date(isoyear(_d), 1, 4)) AS DATE)"],
  ['month_number(_d)', '(CAST(year(_d) AS BIGINT) * 12 + month(_d))'],
]

/** Macros that others use must come first. */
const first: readonly (readonly [string, string])[] = [
  [
    'offset_us(_s)',
    "(CASE WHEN regexp_matches(_s, '(?i)[0-9] *[+][0-9]') OR regexp_matches(_s, ':[0-9.]+ *-[0-9]') OR regexp_matches(_s, '^[0-9]+-[0-9]+-[0-9]+ *-[0-9]') THEN (CASE WHEN regexp_matches(_s, '\\+[0-9:]+$') THEN 1 ELSE -1 END) * (CAST(regexp_extract(_s, '[+-]([0-9]{1,2})(:[0-9]{2})?$', 1) AS BIGINT) * 60 + CAST(coalesce(nullif(regexp_extract(_s, '[+-][0-9]{1,2}:([0-9]{2})$', 1), ''), '0') AS BIGINT)) * 60000000 ELSE 0 END)",
  ],
  ['local_text(_s)', "replace(regexp_extract(upper(_s), '^[0-9]+-[0-9]+-[0-9]+([ T][0-9:.]+)?'), 'T', ' ')"],
  [
    'read_timestamp(_s)',
    `(timezone('UTC', CAST(${reservedSchema}.local_text(_s) AS TIMESTAMP)) - to_microseconds(${reservedSchema}.offset_us(_s)))`,
  ],
  [
    'try_read_timestamp(_s)',
    `(timezone('UTC', TRY_CAST(${reservedSchema}.local_text(_s) AS TIMESTAMP)) - to_microseconds(${reservedSchema}.offset_us(_s)))`,
  ],
]

/** The same function with its arguments evaluated once: a macro repeats their text wherever its body names them. */
const once = ([head, body]: readonly [string, string]): readonly [string, string] => {
  const [, name = '', list = ''] = /^(\w+)\((.*)\)$/.exec(head) ?? []
  const parameters = list.split(', ')
  const bound = parameters.reduce(
    (text, parameter) =>
      text.replace(new RegExp(`(?<![\\w.])${parameter}(?!\\w)`, 'g'), `struct_extract(_v, '${parameter}')`),
    body,
  )
  return [
    `${name}${onceSuffix}(${list})`,
    `list_extract(list_transform([struct_pack(${parameters.map((parameter) => `${parameter} := ${parameter}`).join(', ')})], lambda _v: ${bound}), 1)`,
  ]
}

/** To run once per database, with the project's catalog current. Safe to repeat. */
export const setupSql: readonly string[] = [
  `CREATE SCHEMA IF NOT EXISTS ${reservedSchema}`,
  ...[...first, ...macros]
    .flatMap((macro) => [macro, once(macro)])
    .map(([head, body]) => `CREATE OR REPLACE MACRO ${reservedSchema}.${head} AS ${body}`),
]
