/** Dates and times. Days of the week count from Sunday = 0. */
import { fail, refuse, reservedSchema as MACROS, type Macro } from './macro.ts'

/** The years that GoogleSQL has; arithmetic of DuckDB goes on beyond them. */
const within = (name: string, first: string, last: string, type: string): Macro => [
  `${name}(_t)`,
  `CASE WHEN _t BETWEEN ${first} AND ${last} THEN _t WHEN _t IS NULL THEN NULL
        ELSE ${fail(`the result is out of the range of ${type}`)} END`,
]
const day = 'to_microseconds(86400000000)'
/** What the clock of the zone showed a day before the later of the two instants, against a day before _t. */
const shift = `(timezone(_zone, timezone(_zone, _t) - ${day}) - (_t - ${day}))`

export const timeMacros: readonly Macro[] = [
  ['week_start(_d, _s)', '(_d - CAST((dayofweek(_d) - _s + 7) % 7 AS INTEGER))'],
  ['week_number(_d, _s)', 'CAST((dayofyear(_d) + 6 - (dayofweek(_d) - _s + 7) % 7) // 7 AS BIGINT)'],
  ['isoyear_start(_d)', "CAST(date_trunc('week', make_date(isoyear(_d), 1, 4)) AS DATE)"],
  ['month_number(_d)', '(CAST(year(_d) AS BIGINT) * 12 + month(_d))'],
  // Each date is a step after the one before it: once a short month has moved the day, it stays there.
  [
    'month_dates(_from, _steps, _n)',
    `list_transform(_steps, lambda step: CAST(date_trunc('month', _from) + to_months(CAST(step * _n AS INTEGER)) AS DATE)
       + CAST(least(day(_from), list_min(list_transform(range(CASE WHEN day(_from) > 28 THEN step + 1 ELSE 1 END),
           lambda past: CASE WHEN day(_from) > 28 THEN day(last_day(CAST(date_trunc('month', _from)
             + to_months(CAST(past * _n AS INTEGER)) AS DATE))) ELSE 31 END))) - 1 AS INTEGER))`,
  ],
  [
    'month_series(_from, _to, _n)',
    `list_filter(${MACROS}.month_dates(_from, range(0, CASE WHEN _from > _to THEN 0
       ELSE (${MACROS}.month_number(_to) - ${MACROS}.month_number(_from)) // _n + 1 END), _n), lambda date: date <= _to)`,
  ],
  within('date_within', "DATE '0001-01-01'", "DATE '9999-12-31'", 'DATE'),
  within('datetime_within', "TIMESTAMP '0001-01-01'", "TIMESTAMP '9999-12-31 23:59:59.999999'", 'DATETIME'),
  within(
    'timestamp_within',
    "TIMESTAMPTZ '0001-01-01 00:00:00+00'",
    "TIMESTAMPTZ '9999-12-31 23:59:59.999999+00'",
    'TIMESTAMP',
  ),
  [
    'safe_timestamp_within(_t)',
    `CASE WHEN _t BETWEEN TIMESTAMPTZ '0001-01-01 00:00:00+00' AND TIMESTAMPTZ '9999-12-31 23:59:59.999999+00'
          THEN _t END`,
  ],
  // Clocks were once off by seconds, which GoogleSQL leaves out of texts; since 1973 no zone is.
  [
    'civil_of(_zone, _t)',
    `CASE WHEN _t BETWEEN TIMESTAMPTZ '1973-01-01 00:00:00+00' AND TIMESTAMPTZ '9999-12-31 00:00:00+00'
          THEN timezone(_zone, _t)
          WHEN NOT isfinite(_t) OR timezone(_zone, _t) NOT BETWEEN TIMESTAMP '0001-01-01' AND TIMESTAMP '9999-12-31 23:59:59.999999'
          THEN ${fail('the local time is out of the range of DATETIME')}
          ELSE timezone(_zone, _t) END`,
  ],
  [
    'shown_civil_of(_zone, _t)',
    `CASE WHEN _t < TIMESTAMPTZ '1973-01-01 00:00:00+00' AND second(timezone(_zone, _t)) <> second(timezone('UTC', _t))
          THEN ${refuse('the text of a time whose zone was off by seconds')} ELSE ${MACROS}.civil_of(_zone, _t) END`,
  ],
  // How far the clock of the zone is ahead, and in the forms -5, +0530 or -05, +05:30.
  ['zone_ahead(_zone, _t)', "((epoch_us(timezone(_zone, _t)) - epoch_us(timezone('UTC', _t))) // 60000000)"],
  ['zone_sign(_m)', "CASE WHEN _m < 0 THEN '-' ELSE '+' END"],
  [
    'zone_digits(_zone, _t, _digits)',
    `list_extract(list_transform([${MACROS}.zone_ahead(_zone, _t)], lambda ahead: ${MACROS}.zone_sign(ahead)
       || printf('%02d', abs(ahead) // 60) || _digits || printf('%02d', abs(ahead) % 60)), 1)`,
  ],
  [
    'zone_short(_zone, _t)',
    `list_extract(list_transform([${MACROS}.zone_ahead(_zone, _t)], lambda ahead: ${MACROS}.zone_sign(ahead)
       || printf('%02d', abs(ahead) // 60)
       || CASE WHEN ahead % 60 = 0 THEN '' ELSE printf(':%02d', abs(ahead) % 60) END), 1)`,
  ],
  [
    'zone_name(_zone, _t)',
    `list_extract(list_transform([${MACROS}.zone_ahead(_zone, _t)], lambda ahead: 'UTC' || CASE WHEN ahead = 0 THEN ''
       WHEN ahead % 60 = 0 THEN ${MACROS}.zone_sign(ahead) || CAST(abs(ahead) // 60 AS VARCHAR)
       ELSE ${MACROS}.zone_sign(ahead) || printf('%02d', abs(ahead) // 60) || printf('%02d', abs(ahead) % 60) END), 1)`,
  ],
  // A local time that comes twice means the first of the two instants; DuckDB takes the second.
  [
    'instant_of(_zone, _t)',
    `CASE WHEN timezone(_zone, _t) NOT BETWEEN TIMESTAMPTZ '0001-01-01 00:00:00+00'
               AND TIMESTAMPTZ '9999-12-31 23:59:59.999999+00'
          THEN ${fail('the local time is out of the range of TIMESTAMP')}
          WHEN timezone(_zone, timezone(_zone, _t) - ${day}) > _t - ${day}
            AND timezone(_zone, timezone(_zone, _t) - ${shift}) = _t
          THEN timezone(_zone, _t) - ${shift} ELSE timezone(_zone, _t) END`,
  ],
]
