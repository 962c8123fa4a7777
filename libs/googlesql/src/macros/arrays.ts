/** Arrays: positions from 0 or 1, and NULL among the elements. */
import { fail, failWith, refuse, type Macro } from './macro.ts'

/** Of an array that a statement makes of two bounds: DuckDB's memory limit does not hold for lists. */
export const mostGenerated = 1_048_575
export const tooManyGenerated = `A generated array of more than ${mostGenerated} elements`
/** The second bound, or an error: before DuckDB makes the list, also where it folds constants. */
const lastOf = (name: string, distance: string): Macro => [
  `${name}(_from, _to, _step)`,
  `CASE WHEN (${distance}) // _step >= ${mostGenerated} THEN ${refuse(tooManyGenerated)} ELSE _to END`,
]

export const arrayMacros: readonly Macro[] = [
  lastOf('last_number', 'CAST(_to AS HUGEINT) - _from'),
  lastOf('last_moment', 'CAST(epoch_us(_to) AS HUGEINT) - epoch_us(_from)'),
  [
    'at_offset(_l, _i)',
    `CASE WHEN _l IS NOT NULL AND (_i < 0 OR _i >= len(_l)) THEN ${failWith('array index out of bounds: ', '_i')}
          ELSE list_extract(_l, _i + 1) END`,
  ],
  ['safe_offset(_l, _i)', 'CASE WHEN _i >= 0 AND _i < len(_l) THEN list_extract(_l, _i + 1) END'],
  [
    'at_ordinal(_l, _i)',
    `CASE WHEN _l IS NOT NULL AND (_i < 1 OR _i > len(_l)) THEN ${failWith('array index out of bounds: ', '_i')}
          ELSE list_extract(_l, _i) END`,
  ],
  ['safe_ordinal(_l, _i)', 'CASE WHEN _i >= 1 AND _i <= len(_l) THEN list_extract(_l, _i) END'],
  [
    'only_element(_l)',
    `CASE WHEN len(_l) > 1 THEN ${fail('scalar subquery produced more than one element')}
          ELSE list_extract(_l, 1) END`,
  ],
  [
    'in_array(_x, _l)',
    `CASE WHEN _l IS NULL OR len(_l) = 0 THEN false WHEN _x IS NULL THEN NULL WHEN list_contains(_l, _x) THEN true
          WHEN list_count(_l) < len(_l) THEN NULL ELSE false END`,
  ],
]
