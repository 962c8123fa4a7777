/** Clock changes, the ends of the calendar, and texts of times. */
import { runCases } from './cases.ts'

describe('a local time that comes twice', () => {
  runCases([
    [
      'means the first of the two instants',
      "SELECT TIMESTAMP(DATETIME '2025-11-02 01:30:00', 'America/New_York'), TIMESTAMP '2025-11-02 01:30:00 America/New_York', PARSE_TIMESTAMP('%Y-%m-%d %H:%M', '2025-11-02 01:30', 'America/New_York'), TIMESTAMP(DATETIME '2025-04-06 01:45:00', 'Australia/Lord_Howe')",
      [['2025-11-02 05:30:00+00', '2025-11-02 05:30:00+00', '2025-11-02 05:30:00+00', '2025-04-05 14:45:00+00']],
    ],
    [
      'leaves the hours around it alone',
      "SELECT TIMESTAMP(DATETIME '2025-11-02 00:59:59', 'America/New_York'), TIMESTAMP(DATETIME '2025-11-02 02:00:00', 'America/New_York'), TIMESTAMP(DATETIME '2025-03-09 02:30:00', 'America/New_York')",
      [['2025-11-02 04:59:59+00', '2025-11-02 07:00:00+00', '2025-03-09 07:30:00+00']],
    ],
    [
      'begins its day and month at the first midnight',
      "SELECT TIMESTAMP_TRUNC(TIMESTAMP '2026-10-25 00:30:00+00', DAY, 'Atlantic/Azores'), TIMESTAMP_TRUNC(TIMESTAMP '2026-10-25 01:30:00+00', DAY, 'Atlantic/Azores'), TIMESTAMP_TRUNC(TIMESTAMP '2026-11-15 00:30:00+00', MONTH, 'America/Havana'), TIMESTAMP(DATE '2026-10-25', 'Atlantic/Azores')",
      [['2026-10-25 00:00:00+00', '2026-10-25 00:00:00+00', '2026-11-01 04:00:00+00', '2026-10-25 00:00:00+00']],
    ],
  ])
})

const beyond: [string, string][] = [
  ["DATE_ADD(DATE '9999-12-31', INTERVAL 1 DAY)", 'DATE'],
  ["DATE_SUB(DATE '0001-01-01', INTERVAL 1 MONTH)", 'DATE'],
  ["DATE '9999-12-31' + 1", 'DATE'],
  ['DATE_FROM_UNIX_DATE(2932897)', 'DATE'],
  ["DATETIME_ADD(DATETIME '9999-12-31 00:00:00', INTERVAL 1 MONTH)", 'DATETIME'],
  ["TIMESTAMP_ADD(TIMESTAMP '9999-12-31 23:59:59+00', INTERVAL 1 DAY)", 'TIMESTAMP'],
  ['TIMESTAMP_SECONDS(253402300800)', 'TIMESTAMP'],
  ["TIMESTAMP(DATETIME '9999-12-31 23:30:00', 'America/New_York')", 'TIMESTAMP'],
]
describe('the years 1 to 9999', () => {
  runCases(
    beyond.map(([expression, type]) => [
      `are not left by ${expression}`,
      `SELECT ${expression}`,
      new RegExp(`^QUERY_INVALID: the statement failed: the .* is out of the range of ${type}$`),
    ]),
  )
})

describe('texts of times', () => {
  runCases([
    [
      '24:00:00 is no time',
      "SELECT SAFE_CAST('24:00:00' AS TIME), SAFE_CAST('2025-11-19 24:00:00' AS DATETIME), SAFE_CAST('2025-11-19T24:00:00Z' AS TIMESTAMP), SAFE_CAST('23:59:59' AS TIME)",
      [[null, null, null, '23:59:59']],
    ],
    [
      'fractions before 1970 are positive',
      "SELECT CAST(DATETIME '1969-12-31 23:59:59.5' AS STRING), CAST(TIMESTAMP '1969-12-31 23:59:59.5+00' AS STRING), CAST(TIME '10:00:00.25' AS STRING)",
      [['1969-12-31 23:59:59.500', '1969-12-31 23:59:59.500+00', '10:00:00.250']],
    ],
    [
      'PARSE_DATE takes blanks around the text, and months in full or short',
      "SELECT PARSE_DATE('%Y-%m-%d', ' 2025-11-19 '), PARSE_DATE('%b %d %Y', 'January 5 2025'), PARSE_DATE('%B %d %Y', 'Jan 5 2025'), PARSE_DATE('%d%b%Y', '05MAY2025')",
      [['2025-11-19', '2025-01-05', '2025-01-05', '2025-05-05']],
    ],
    [
      'hours from 1 to 12 without AM or PM are before noon',
      "SELECT PARSE_TIME('%I:%M', '12:30'), PARSE_TIME('%I:%M', '01:30'), PARSE_TIME('%I:%M %p', '01:30 PM')",
      [['00:30:00', '01:30:00', '13:30:00']],
    ],
    ...['TIMESTAMP', 'DATETIME'].map(
      (type) =>
        [
          `a second 60 of a ${type} is refused by name, also by SAFE_CAST`,
          `SELECT SAFE_CAST('2016-12-31 23:59:60' AS ${type})`,
          /QUERY_UNSUPPORTED: .*a second 60 is not supported/,
        ] as const,
    ),
    [
      'a second 60 of a TIME is refused by name',
      "SELECT CAST('10:00:60' AS TIME)",
      /QUERY_UNSUPPORTED: .*a second 60 is not supported/,
    ],
    [
      'a second 59 is none',
      "SELECT SAFE_CAST('2016-12-31 23:59:59.60' AS DATETIME), SAFE_CAST('23:59' AS TIME), SAFE_CAST('2016-12-31 23:59:61' AS DATETIME)",
      [['2016-12-31 23:59:59.6', null, null]],
    ],
    [
      'GENERATE_DATE_ARRAY goes on from the day to which a short month moved it',
      "SELECT GENERATE_DATE_ARRAY('2025-01-31', '2025-04-30', INTERVAL 1 MONTH), GENERATE_DATE_ARRAY('2024-02-29', '2026-03-01', INTERVAL 1 YEAR), GENERATE_DATE_ARRAY('2024-01-15', '2024-03-31', INTERVAL 1 MONTH)",
      [
        [
          ['2025-01-31', '2025-02-28', '2025-03-28', '2025-04-28'],
          ['2024-02-29', '2025-02-28', '2026-02-28'],
          ['2024-01-15', '2024-02-15', '2024-03-15'],
        ],
      ],
    ],
  ])
})
