/** Text and regular expressions. */
import { fail, refuse, type Macro } from './macro.ts'

const negative = (name: string, message: string): string =>
  `WHEN _n < 0 AND _s IS NOT NULL THEN ${fail(`${name}: ${message}`)}`
/** The count, or an error: BigQuery's own limit. It stands inside, so that DuckDB does not fold the call before it. */
const within = (count: string, size: string, name: string): string =>
  `CASE WHEN ${size} > 1048576 THEN ${fail(`Output of ${name} exceeds max allowed output size of 1MB`)} ELSE ${count} END`
const pad = (fn: 'lpad' | 'rpad'): Macro => [
  `${fn}_to(_s, _n, _p)`,
  `CASE ${negative(fn.toUpperCase(), 'the length is negative')}
        WHEN _p = '' THEN ${fail(`${fn.toUpperCase()}: the pattern is empty`)} ELSE ${fn}(_s, CAST(${within('_n', '_n', 'LPAD/RPAD')} AS INTEGER), _p) END`,
]
// Letters whose other case is several letters, or depends on the neighbours: DuckDB maps one to one.
const specialUpper = '[\u00df\u0149\u01f0\u0390\u03b0\u0587\u1e96-\u1e9a\u1f50-\u1f57\u1f80-\u1fff\ufb00-\ufb17]'
const specialLower = '[\u0130\u03a3]'
const letters = (fn: 'upper' | 'lower', special: string): Macro => [
  `${fn}_of(_s)`,
  `CASE WHEN strlen(_s) <> length(_s) AND regexp_matches(_s, '${special}')
        THEN ${refuse(`${fn.toUpperCase()} of this text`)} ELSE ${fn}(_s) END`,
]

/** What stands between words, and words. */
const between = String.raw`\s\[\](){}/|<>!?@"^#$&~_,.:;*%+\-`
const words = `'[${between}]|[^${between}]+'`

export const stringMacros: readonly Macro[] = [
  letters('upper', specialUpper),
  letters('lower', specialLower),
  ['substr2(_s, _p)', 'CASE WHEN _p = 0 OR _p < -length(_s) THEN _s ELSE substring(_s, _p) END'],
  [
    'substr3(_s, _p, _n)',
    `CASE ${negative('SUBSTR', 'the length is negative')}
          WHEN _p = 0 OR _p < -length(_s) THEN substring(_s, 1, _n)
          ELSE substring(_s, CASE WHEN _p < 0 THEN length(_s) + _p + 1 ELSE _p END, _n) END`,
  ],
  ['left_of(_s, _n)', `CASE ${negative('LEFT', 'the length is negative')} ELSE left(_s, _n) END`],
  ['right_of(_s, _n)', `CASE ${negative('RIGHT', 'the length is negative')} ELSE right(_s, _n) END`],
  pad('lpad'),
  pad('rpad'),
  [
    'repeat_of(_s, _n)',
    `CASE ${negative('REPEAT', 'the count is negative')} ELSE repeat(_s, ${within('_n', 'CAST(strlen(_s) AS HUGEINT) * _n', 'REPEAT')}) END`,
  ],
  [
    'strpos_from(_s, _part, _n)',
    `CASE WHEN _n > length(_s) + 1 THEN 0 WHEN strpos(substring(_s, _n), _part) = 0 THEN 0
     ELSE CAST(strpos(substring(_s, _n), _part) + _n - 1 AS BIGINT) END`,
  ],
  ['code_points(_s)', "list_transform(regexp_extract_all(_s, '(?s).'), lambda c: CAST(unicode(c) AS BIGINT))"],
  [
    'edit_distance(_s, _t)',
    `CASE WHEN strlen(_s) = length(_s) AND strlen(_t) = length(_t) THEN CAST(levenshtein(_s, _t) AS BIGINT)
          WHEN _s IS NOT NULL AND _t IS NOT NULL THEN ${refuse('EDIT_DISTANCE of text beyond ASCII')} END`,
  ],
  [
    'initcap_of(_s)',
    `CASE WHEN strlen(_s) <> length(_s) THEN ${refuse('INITCAP of text beyond ASCII')} ELSE
       array_to_string(list_transform(regexp_extract_all(lower(_s), ${words}), lambda word:
         upper(left(word, 1)) || substring(word, 2)), '') END`,
  ],
  [
    'translate_of(_s, _from, _to)',
    `CASE WHEN length(_from) <> len(list_distinct(regexp_extract_all(_from, '(?s).')))
          THEN ${fail('TRANSLATE: a character stands twice in the source characters')} ELSE translate(_s, _from, _to) END`,
  ],
  [
    'reverse_of(_s)',
    `CASE WHEN strlen(_s) = length(_s) THEN reverse(_s) ELSE ${refuse('REVERSE of text beyond ASCII')} END`,
  ],
  // DuckDB goes on after the end of the text, where the pattern matches once more.
  [
    'extract_all_empty(_s, _pattern, _group)',
    `list_transform(CASE WHEN _s <> '' AND list_extract(regexp_extract_all(_s, _pattern, 0), -1) = ''
       THEN list_slice(regexp_extract_all(_s, _pattern, _group), 1, -2)
       ELSE regexp_extract_all(_s, _pattern, _group) END, lambda found: coalesce(found, ''))`,
  ],
  [
    'rewrite_of(_s, _pattern)',
    `CASE WHEN NOT regexp_matches(_s, _pattern)
          THEN ${fail('Invalid REGEXP_REPLACE pattern: expected \\ before \\ or the number of a group')} ELSE _s END`,
  ],
  [
    'like_pattern(_s)',
    `CASE WHEN ends_with(_s, '\\') AND regexp_matches(_s, '(^|[^\\\\])(\\\\\\\\)*\\\\$')
          THEN ${fail('LIKE pattern ends with a backslash')} ELSE _s END`,
  ],
]
