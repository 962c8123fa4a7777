/** Text to values, in exactly the forms that GoogleSQL reads, and values to text as it prints them. */
import { failWith, refuse, reservedSchema as MACROS, type Macro } from './macro.ts'

const intText = "'^\\s*[+-]?[0-9]+\\s*$'"
const floatText = "'^\\s*(?i:[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)(e[+-]?[0-9]+)?|[+-]?inf(inity)?|nan)\\s*$'"
export const decimalText = "'^\\s*[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?\\s*$'"
const date = '[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}'
const time = '([01]?[0-9]|2[0-3]):[0-9]{1,2}:[0-9]{1,2}(\\.[0-9]{1,6})?'
const zone = '(\\s*(Z|z|UTC|[+-][0-9]{1,2}(:[0-9]{2})?))?'
const dateText = `'^\\s*${date}\\s*$'`
const timeText = `'^\\s*${time}\\s*$'`
const datetimeText = `'^\\s*${date}([ Tt]${time})?\\s*$'`
const timestampText = `'^\\s*${date}([ Tt]${time})?${zone}\\s*$'`

/** to_NAME fails and try_NAME gives NULL where the text has another form than `pattern`. */
const reader = (
  name: string,
  pattern: string,
  message: string,
  strict: string,
  lenient: string,
  refused = '',
): readonly Macro[] => [
  [
    `to_${name}(_s)`,
    `CASE WHEN NOT regexp_matches(_s, ${pattern}) THEN ${failWith(`${message}: `, '_s')} ${refused} ELSE ${strict} END`,
  ],
  [`try_${name}(_s)`, `CASE WHEN NOT regexp_matches(_s, ${pattern}) THEN NULL ${refused} ELSE ${lenient} END`],
]
/** There it is the first second of the next minute, here it is no time at all. */
const leapSecond = `WHEN regexp_matches(_s, ':[0-9]{1,2}:60([^0-9]|$)') THEN ${refuse('a second 60')}`
const read = (type: string): [string, string] => [`CAST(trim(_s) AS ${type})`, `TRY_CAST(trim(_s) AS ${type})`]

const localTimestamp = "replace(upper(trim(_s)), 'T', ' ')"
const readers: readonly Macro[] = [
  [
    'to_int(_s)',
    `CASE WHEN NOT regexp_matches(_s, ${intText}) THEN ${failWith('bad INT64 value: ', '_s')}
          ELSE CAST(trim(_s) AS BIGINT) END`,
  ],
  [
    'try_int(_s)',
    `CASE WHEN regexp_matches(_s, '^\\s*[+-]?0[xX]') THEN ${refuse('hexadecimal text as INT64')}
          WHEN regexp_matches(_s, ${intText}) THEN TRY_CAST(trim(_s) AS BIGINT) END`,
  ],
  ...reader('float', floatText, 'bad FLOAT64 value', ...read('DOUBLE')),
  ...reader('num', decimalText, 'bad NUMERIC value', ...read('DECIMAL(38,9)')),
  [
    'to_bool(_s)',
    `CASE lower(_s) WHEN 'true' THEN true WHEN 'false' THEN false
          ELSE CASE WHEN _s IS NULL THEN NULL ELSE ${failWith('bad BOOL value: ', '_s')} END END`,
  ],
  ['try_bool(_s)', "CASE lower(_s) WHEN 'true' THEN true WHEN 'false' THEN false END"],
  ...reader('date', dateText, 'invalid date', ...read('DATE')),
  ...reader('time', timeText, 'invalid time', ...read('TIME'), leapSecond),
  ...reader(
    'datetime',
    datetimeText,
    'invalid datetime',
    `CAST(${localTimestamp} AS TIMESTAMP)`,
    `TRY_CAST(${localTimestamp} AS TIMESTAMP)`,
    leapSecond,
  ),
  // The offset at the end of a timestamp, in microseconds.
  [
    'offset_us(_s)',
    `(CASE WHEN regexp_matches(_s, '(?i)[0-9] *[+][0-9]') OR regexp_matches(_s, ':[0-9.]+ *-[0-9]')
             OR regexp_matches(_s, '^[0-9]+-[0-9]+-[0-9]+ *-[0-9]')
           THEN (CASE WHEN regexp_matches(_s, '\\+[0-9:]+$') THEN 1 ELSE -1 END)
             * (CAST(regexp_extract(_s, '[+-]([0-9]{1,2})(:[0-9]{2})?$', 1) AS BIGINT) * 60
               + CAST(coalesce(nullif(regexp_extract(_s, '[+-][0-9]{1,2}:([0-9]{2})$', 1), ''), '0') AS BIGINT))
             * 60000000
           ELSE 0 END)`,
  ],
  ['local_text(_s)', "replace(regexp_extract(upper(_s), '^[0-9]+-[0-9]+-[0-9]+([ T][0-9:.]+)?'), 'T', ' ')"],
  ...(['read_timestamp CAST', 'try_read_timestamp TRY_CAST'] as const).map((pair): Macro => {
    const [name = '', cast = ''] = pair.split(' ')
    return [
      `${name}(_s)`,
      `${MACROS}.${name === 'read_timestamp' ? '' : 'safe_'}timestamp_within(
         timezone('UTC', ${cast}(${MACROS}.local_text(_s) AS TIMESTAMP)) - to_microseconds(${MACROS}.offset_us(_s)))`,
    ]
  }),
  ...reader(
    'timestamp',
    timestampText,
    'invalid timestamp',
    `${MACROS}.read_timestamp(trim(_s))`,
    `${MACROS}.try_read_timestamp(trim(_s))`,
    leapSecond,
  ),
]

/** BigQuery shows 0, 3 or 6 fractional digits. */
const fraction = (time: string): string => {
  const us = `(date_part('microsecond', ${time}) % 1000000)`
  return `CASE WHEN ${us} = 0 THEN '' WHEN ${us} % 1000 = 0 THEN printf('.%03d', ${us} // 1000)
               ELSE printf('.%06d', ${us}) END`
}
const printers: readonly Macro[] = [
  [
    'float_text(_x)',
    `CASE WHEN isnan(_x) THEN 'NaN' WHEN isinf(_x) THEN CASE WHEN _x > 0 THEN 'inf' ELSE '-inf' END
          WHEN _x = 0 THEN '0' WHEN CAST(printf('%.15g', _x) AS DOUBLE) = _x THEN printf('%.15g', _x)
          ELSE printf('%.17g', _x) END`,
  ],
  // The number that JSON has of it: the shortest decimal that is the same double, a text where there is none.
  [
    'float_json(_x)',
    `CASE WHEN isnan(_x) THEN 'NaN' WHEN isinf(_x) THEN CASE WHEN _x > 0 THEN 'Infinity' ELSE '-Infinity' END
          WHEN abs(_x) NOT BETWEEN 1e15 AND 1e17 THEN CAST(_x AS VARCHAR)
          ELSE regexp_replace(CASE WHEN CAST(printf('%.14e', _x) AS DOUBLE) = _x THEN printf('%.14e', _x)
            WHEN CAST(printf('%.15e', _x) AS DOUBLE) = _x THEN printf('%.15e', _x) ELSE printf('%.16e', _x) END,
            '[.]?0*e', 'e') END`,
  ],
  ['decimal_text(_x)', "regexp_replace(regexp_replace(CAST(_x AS VARCHAR), '(\\.[0-9]*?)0+$', '\\1'), '\\.$', '')"],
  ['datetime_text(_t)', `strftime(_t, '%Y-%m-%d %H:%M:%S') || ${fraction('_t')}`],
  ['timestamp_text(_t)', `${MACROS}.datetime_text(timezone('UTC', _t)) || '+00'`],
  ['time_text(_t)', `strftime(DATE '2000-01-01' + _t, '%H:%M:%S') || ${fraction('_t')}`],
]
/** A character of valid UTF-8 in hexadecimal digits. */
const character = [
  '[0-7].',
  '(?:C[2-9A-F]|D.)[89AB].',
  'E0[AB].[89AB].',
  'E[1-9A-CEF][89AB].[89AB].',
  'ED[89].[89AB].',
  'F0[9AB].[89AB].[89AB].',
  'F[1-3][89AB].[89AB].[89AB].',
  'F48.[89AB].[89AB].',
].join('|')
const byteMacros: readonly Macro[] = [
  // Each byte that is no part of a character becomes U+FFFD.
  [
    'bytes_to_text(_b)',
    `CASE WHEN TRY(decode(_b)) IS NOT NULL OR _b IS NULL THEN TRY(decode(_b)) ELSE decode(unhex(array_to_string(
       list_transform(regexp_extract_all(hex(_b), '${character}|..'),
         lambda piece: CASE WHEN regexp_full_match(piece, '${character}') THEN piece ELSE 'EFBFBD' END),
       ''))) END`,
  ],
]
export const castMacros: readonly Macro[] = [...readers, ...printers, ...byteMacros]
