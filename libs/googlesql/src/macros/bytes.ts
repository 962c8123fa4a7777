/** BYTES as pieces of two hexadecimal digits each; positions and lengths count pieces. */
import { fail, type Macro } from './macro.ts'

const negative = (name: string, what: string): string =>
  `WHEN _n < 0 AND _b IS NOT NULL THEN ${fail(`${name}: the ${what} is negative`)}`
/** The pieces between two positions, which count from 1. */
const slice = (from: string, to: string): string => `unhex(array_slice(hex(_b), 2 * (${from}) - 1, 2 * (${to})))`
const length = 'CAST(octet_length(_b) AS BIGINT)'
const start = `CASE WHEN _p = 0 OR _p < -${length} THEN 1 WHEN _p < 0 THEN ${length} + _p + 1 ELSE _p END`
/** Every piece with a comma behind it, so that what is found begins at a piece. */
const apart = (bytes: string): string => `regexp_replace(hex(${bytes}), '(..)', '\\1,', 'g')`
const letters = (name: string, first: string, last: string, digits: string, to: string): Macro => [
  `bytes_${name}(_b)`,
  `unhex(array_to_string(list_transform(regexp_extract_all(hex(_b), '..'), lambda piece:
     CASE WHEN piece BETWEEN '${first}' AND '${last}' THEN translate(piece[1], '${digits}', '${to}') || piece[2]
          ELSE piece END), ''))`,
]
const most = 1_048_576

export const bytesMacros: readonly Macro[] = [
  [`bytes_substr2(_b, _p)`, `CASE WHEN _p > ${length} THEN unhex('') ELSE ${slice(start, length)} END`],
  [
    'bytes_substr3(_b, _p, _n)',
    `CASE ${negative('SUBSTR', 'length')} WHEN _p > ${length} OR _n = 0 THEN unhex(left(hex(_b), 0))
          ELSE ${slice(start, `least(${length}, (${start}) - 1 + least(_n, ${most * 1024}))`)} END`,
  ],
  ['bytes_left(_b, _n)', `CASE ${negative('LEFT', 'length')} ELSE unhex(left(hex(_b), 2 * least(_n, ${length}))) END`],
  [
    'bytes_right(_b, _n)',
    `CASE ${negative('RIGHT', 'length')} ELSE unhex(right(hex(_b), 2 * least(_n, ${length}))) END`,
  ],
  [
    'bytes_repeat(_b, _n)',
    `CASE ${negative('REPEAT', 'count')} WHEN CAST(${length} AS HUGEINT) * _n > ${most}
          THEN ${fail('Output of REPEAT exceeds max allowed output size of 1MB')} ELSE unhex(repeat(hex(_b), _n)) END`,
  ],
  ...(['lpad', 'rpad'] as const).map((fn): Macro => {
    const fill = `left(repeat(hex(_p), (_n - ${length}) // CAST(octet_length(_p) AS BIGINT) + 1), 2 * (_n - ${length}))`
    const name = fn.toUpperCase()
    return [
      `bytes_${fn}(_b, _n, _p)`,
      `CASE ${negative(name, 'length')} WHEN octet_length(_p) = 0 THEN ${fail(`${name}: the pattern is empty`)}
            WHEN _n > ${most} THEN ${fail('Output of LPAD/RPAD exceeds max allowed output size of 1MB')}
            WHEN _n <= ${length} THEN unhex(left(hex(_b), 2 * _n))
            ELSE unhex(${fn === 'lpad' ? `${fill} || hex(_b)` : `hex(_b) || ${fill}`}) END`,
    ]
  }),
  ['bytes_reverse(_b)', "unhex(array_to_string(list_reverse(regexp_extract_all(hex(_b), '..')), ''))"],
  [
    'bytes_replace(_b, _from, _to)',
    `CASE WHEN octet_length(_from) = 0 AND _to IS NOT NULL THEN _b
          ELSE unhex(replace(replace(${apart('_b')}, ${apart('_from')}, ${apart('_to')}), ',', '')) END`,
  ],
  [
    'bytes_strpos(_b, _part)',
    `CAST(CASE WHEN octet_length(_part) = 0 AND _b IS NOT NULL THEN 1
          ELSE (strpos(${apart('_b')}, ${apart('_part')}) + 2) // 3 END AS BIGINT)`,
  ],
  letters('upper', '61', '7A', '67', '45'),
  letters('lower', '41', '5A', '45', '67'),
]
