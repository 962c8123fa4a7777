/** FORMAT of decimals and dates, with the answers of Google's own engine. */
import { runCases } from './cases.ts'

describe('FORMAT of NUMERIC and BIGNUMERIC', () => {
  runCases([
    [
      'keeps every digit',
      "SELECT FORMAT('%.9f', NUMERIC '12345678901234567.123456789')",
      [['12345678901234567.123456789']],
    ],
    [
      'rounds half away from zero',
      "SELECT FORMAT('%.1f', NUMERIC '0.25'), FORMAT('%.2f', NUMERIC '-0.005'), FORMAT('%.2f', BIGNUMERIC '0.125')",
      [['0.3', '-0.01', '0.13']],
    ],
    [
      'keeps the sign of what is rounded to zero',
      "SELECT FORMAT('%.1f', NUMERIC '-0.04'), FORMAT('%.0f', NUMERIC '-0.4'), FORMAT('%.1f', NUMERIC '0')",
      [['-0.0', '-0', '0.0']],
    ],
    [
      'has six digits without a precision, and as many as are asked for',
      "SELECT FORMAT('%f', NUMERIC '1.5'), FORMAT('%.12f', NUMERIC '-1.5')",
      [['1.500000', '-1.500000000000']],
    ],
    [
      'grows over the largest number',
      "SELECT FORMAT('%.0f', NUMERIC '99999999999999999999999999999.9')",
      [['100000000000000000000000000000']],
    ],
    [
      'fills the width, with zeros behind the sign',
      "SELECT FORMAT('%8.2f|%-8.2f|%08.2f|%03.1f', NUMERIC '-1.555', NUMERIC '1.555', NUMERIC '-1.555', NUMERIC '123')",
      [['   -1.56|1.56    |-0001.56|123.0']],
    ],
    ['is NULL of NULL', "SELECT FORMAT('%.2f', CAST(NULL AS NUMERIC))", [[null]]],
    ['writes %t as CAST does', "SELECT FORMAT('%t', NUMERIC '1.50')", [['1.5']]],
    ['refuses groups of digits by name', `SELECT FORMAT("%'.2f", NUMERIC '1')`, /QUERY_UNSUPPORTED: .*%'\.2f/],
  ])
})

describe('FORMAT_DATE', () => {
  runCases([
    [
      'has a year below 1000 without zeros, but for %E4Y',
      "SELECT FORMAT_DATE('%Y', d), FORMAT_DATE('%d/%m/%Y', d), FORMAT_DATE('0%F', d), FORMAT_DATE('%G-%V', d), FORMAT_DATE('%E4Y%Y', d), FORMAT_DATE('%D', d) FROM UNNEST([DATE '0007-01-05']) AS d",
      [['7', '05/01/7', '07-01-05', '7-01', '00077', '01/05/07']],
    ],
    [
      'has four digits of the others',
      "SELECT FORMAT_DATE('%Y%m', DATE '2025-01-05'), FORMAT_TIMESTAMP('%F %T', TIMESTAMP '0800-03-04 05:06:07')",
      [['202501', '800-03-04 05:06:07']],
    ],
  ])
})
