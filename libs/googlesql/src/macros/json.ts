/**
 * JSON, as a value and as text. DuckDB reads every number as FLOAT64 or INT64 and prints it again; GoogleSQL returns
 * from a text what stands there. So numbers whose form may change become marked texts before a text is taken apart.
 */
import { fail, refuse, reservedSchema as MACROS, type Macro } from './macro.ts'

const mark = 'chr(57344)'
/** A number that DuckDB may print in another form, at the start of a JSON text. */
const otherForm = "'^-?[0-9]+[.eE]'"
/** The same anywhere in a JSON text. */
const otherFormInside = "'[0-9][.eE]|-0'"

const textMacros: readonly Macro[] = [
  // A text of the document stays, a number becomes "<mark>number".
  [
    'json_marked(_s)',
    `regexp_replace(replace(regexp_replace(_s, '("(?:[^"\\\\]|\\\\.)*")|(-?[0-9][-+.0-9eE]*)',
       '\\1' || chr(1) || '\\2' || chr(1), 'g'), chr(1) || chr(1), ''), chr(1) || '([^' || chr(1) || ']*)' || chr(1),
       '"' || ${mark} || '\\1"', 'g')`,
  ],
  ['json_unmarked(_s)', `regexp_replace(_s, '"' || ${mark} || '([^"]*)"', '\\1', 'g')`],
  [
    'json_text_scalar(_s, _path)',
    `list_extract(list_transform([json_value(TRY_CAST(_s AS JSON), _path)], lambda found:
       CASE WHEN regexp_matches(found, ${otherForm}) OR (found = '0' AND contains(_s, '-0'))
            THEN ltrim(json_extract_string(json_value(TRY_CAST(${MACROS}.json_marked(_s) AS JSON), _path), '$'), ${mark})
            ELSE json_extract_string(found, '$') END), 1)`,
  ],
  [
    'json_text_part(_s, _path)',
    `list_extract(list_transform([nullif(CAST(json_extract(TRY_CAST(_s AS JSON), _path) AS VARCHAR), 'null')],
       lambda found: CASE WHEN regexp_matches(found, ${otherFormInside}) THEN ${MACROS}.json_unmarked(
         CAST(json_extract(TRY_CAST(${MACROS}.json_marked(_s) AS JSON), _path) AS VARCHAR)) ELSE found END), 1)`,
  ],
  [
    'json_text_parts(_s, _path)',
    `list_transform(${MACROS}.json_array(TRY_CAST(CASE WHEN regexp_matches(_s, ${otherFormInside})
         THEN ${MACROS}.json_marked(_s) ELSE _s END AS JSON), _path),
       lambda found: coalesce(${MACROS}.json_unmarked(CAST(found AS VARCHAR)), 'null'))`,
  ],
  [
    'json_text_scalars(_s, _path)',
    `list_transform(${MACROS}.json_scalars(TRY_CAST(CASE WHEN regexp_matches(_s, ${otherFormInside})
         THEN ${MACROS}.json_marked(_s) ELSE _s END AS JSON), _path), lambda found: ltrim(found, ${mark}))`,
  ],
]

/** What an object has at a key; of all else nothing, also of an array at a number. */
const fieldMacro: Macro = [
  'json_field(_j, _k)',
  `CASE WHEN json_type(_j) = 'OBJECT' THEN json_extract(_j, '/' || replace(replace(_k, '~', '~0'), '/', '~1')) END`,
]

/** BigQuery takes a number only when the FLOAT64, INT64 or UINT64 that it becomes has its digits again. */
const numberMacros: readonly Macro[] = [
  ['json_digits(_t)', "rtrim(ltrim(regexp_replace(regexp_replace(_t, '[eE].*$', ''), '[-.]', '', 'g'), '0'), '0')"],
  [
    'json_keeps(_n)',
    `(regexp_full_match(_n, '-?[0-9]+') AND coalesce(TRY_CAST(_n AS BIGINT), TRY_CAST(_n AS UBIGINT)) IS NOT NULL)
     OR coalesce(${MACROS}.json_digits(_n) = ${MACROS}.json_digits(CAST(TRY_CAST(_n AS DOUBLE) AS VARCHAR)), false)`,
  ],
  [
    'parse_json(_s)',
    `CASE WHEN regexp_matches(_s, '[0-9.]{17}|[0-9][eE]') AND len(list_filter(
            regexp_extract_all(regexp_replace(_s, '"(?:[^"\\\\]|\\\\.)*"', '', 'g'), '-?[0-9][-+.0-9eE]*'),
            lambda found: NOT ${MACROS}.json_keeps(found))) > 0
          THEN ${fail('Invalid input to PARSE_JSON: a number cannot round-trip through string representation')}
          ELSE CAST(_s AS JSON) END`,
  ],
]

const asNumber = "CAST(json_extract_string(_j, '$') AS DOUBLE)"
const conversion = (name: string, type: string, rest: string): Macro => [
  `json_${name}(_j)`,
  `CASE WHEN _j IS NULL THEN NULL ${rest} ELSE ${fail(`the JSON value is not ${type}`)} END`,
]

/** How many arrays and objects may be around one of several keys: DuckDB's time to read a level doubles with each. */
const deepest = 4
/** An object has more than one key. */
const secondKey = `',"(?:[^"\\\\]|\\\\.)*":'`
/** The parts of an object, its keys in order and each once, or of an array: what stands before the value, and it. */
const partsOfJson = `CASE json_type(_j)
  WHEN 'OBJECT' THEN list_transform(list_sort(list_distinct(json_keys(_j))), lambda key: struct_pack(
    k := CAST(to_json(key) AS VARCHAR) || ':',
    v := json_extract(_j, '/' || replace(replace(key, '~', '~0'), '/', '~1'))))
  ELSE list_transform(CAST(_j AS JSON[]), lambda item: struct_pack(k := '', v := item)) END`
/**
 * BigQuery keeps the keys of an object in order, the first of equal ones, and numbers beyond 64 bits as FLOAT64. DuckDB
 * keeps the text.
 */
const canonical: readonly Macro[] = [
  [
    'json_number(_t)',
    `CASE WHEN regexp_full_match(_t, '-?[0-9]+') AND coalesce(TRY_CAST(_t AS BIGINT), TRY_CAST(_t AS UBIGINT)) IS NOT NULL
          THEN _t ELSE ${MACROS}.float_json(CAST(_t AS DOUBLE)) END`,
  ],
  ['json_parts(_j)', partsOfJson],
  // The numbers between the texts of a document.
  [
    'json_numbers(_s)',
    `CASE WHEN regexp_matches(_s, '[0-9][eE]|[0-9]{16}') THEN array_to_string(list_transform(
       regexp_extract_all(_s, '"(?:[^"\\\\]|\\\\.)*"|-?[0-9][-+.0-9eE]*|[^"0-9-]+'), lambda token:
       CASE WHEN regexp_matches(token, '^-?[0-9]') THEN ${MACROS}.json_number(token) ELSE token END), '') ELSE _s END`,
  ],
  [
    'json_ordered_0(_j)',
    `CASE WHEN regexp_matches(CAST(json(_j) AS VARCHAR), ${secondKey})
          THEN ${refuse(`TO_JSON_STRING of objects below ${deepest} others`)} ELSE CAST(json(_j) AS VARCHAR) END`,
  ],
  // The parts stand here once: each level names the one below it.
  ...Array.from({ length: deepest }, (_, at): Macro => [
    `json_ordered_${at + 1}(_j)`,
    `CASE json_type(_j) WHEN 'OBJECT' THEN '{' WHEN 'ARRAY' THEN '[' ELSE '' END
       || CASE WHEN json_type(_j) IN ('OBJECT', 'ARRAY') THEN array_to_string(list_transform(${MACROS}.json_parts(_j),
            lambda part_${at}: part_${at}.k || ${MACROS}.json_ordered_${at}(part_${at}.v)), ',')
          ELSE CAST(json(_j) AS VARCHAR) END
       || CASE json_type(_j) WHEN 'OBJECT' THEN '}' WHEN 'ARRAY' THEN ']' ELSE '' END`,
  ]),
  [
    'json_canonical(_j)',
    `list_extract(list_transform([CASE WHEN regexp_matches(CAST(json(_j) AS VARCHAR), ${secondKey})
       THEN ${MACROS}.json_ordered_${deepest}(_j) ELSE CAST(json(_j) AS VARCHAR) END], lambda ordered:
       ${MACROS}.json_numbers(ordered)), 1)`,
  ],
]

export const jsonMacros: readonly Macro[] = [
  [
    'json_scalar(_j, _path)',
    `list_extract(list_transform([json_value(_j, _path)], lambda found:
       CASE WHEN regexp_matches(found, '^-?[0-9]+[.eE]|^-?[0-9]{19}') THEN ${MACROS}.json_number(CAST(found AS VARCHAR))
            ELSE json_extract_string(found, '$') END), 1)`,
  ],
  ...canonical,
  [
    'json_array(_j, _path)',
    "CASE WHEN json_type(_j, _path) = 'ARRAY' THEN CAST(json_extract(_j, _path) AS JSON[]) END",
  ],
  // NULL as a whole when there is something in it that is no scalar; json_extract_string of a null is NULL.
  [
    'json_scalars(_j, _path)',
    `CASE WHEN json_type(_j, _path) = 'ARRAY' AND len(list_filter(CAST(json_extract(_j, _path) AS JSON[]),
              lambda part: json_type(part) IN ('OBJECT', 'ARRAY'))) = 0
          THEN list_transform(CAST(json_extract(_j, _path) AS JSON[]), lambda part: json_extract_string(part, '$')) END`,
  ],
  ...textMacros,
  fieldMacro,
  ...numberMacros,
  conversion(
    'int',
    'an INT64',
    `WHEN json_type(_j) IN ('BIGINT', 'UBIGINT') THEN CAST(json_extract_string(_j, '$') AS BIGINT)
     WHEN json_type(_j) = 'DOUBLE' AND ${asNumber} = round(${asNumber}) THEN CAST(${asNumber} AS BIGINT)`,
  ),
  conversion('float', 'a FLOAT64', `WHEN json_type(_j) IN ('BIGINT', 'UBIGINT', 'DOUBLE') THEN ${asNumber}`),
  conversion('bool', 'a BOOL', "WHEN json_type(_j) = 'BOOLEAN' THEN json_extract_string(_j, '$') = 'true'"),
  conversion('string', 'a STRING', "WHEN json_type(_j) = 'VARCHAR' THEN json_extract_string(_j, '$')"),
  // Parts of TO_JSON_STRING.
  [
    'json_of_int(_x)',
    `CASE WHEN _x IS NULL THEN 'null' WHEN _x BETWEEN -9007199254740992 AND 9007199254740992 THEN CAST(_x AS VARCHAR)
          ELSE '"' || CAST(_x AS VARCHAR) || '"' END`,
  ],
  [
    'json_of_float_value(_x)',
    `CASE WHEN _x IS NULL THEN 'null' WHEN NOT isfinite(_x) THEN '"' || ${MACROS}.float_json(_x) || '"'
          WHEN _x = 0 THEN '0.0' ELSE ${MACROS}.float_json(_x) END`,
  ],
  [
    'json_of_float(_x)',
    `CASE WHEN _x IS NULL THEN 'null' ELSE regexp_replace(${MACROS}.json_of_float_value(_x), '\\.0$', '') END`,
  ],
  [
    'json_of_num_value(_x)',
    `CASE WHEN _x IS NULL THEN 'null' WHEN _x = trunc(_x) AND abs(_x) < 9000000000000000000
          THEN CAST(CAST(_x AS BIGINT) AS VARCHAR) ELSE ${MACROS}.float_json(${MACROS}.num_to_float(_x)) END`,
  ],
  [
    'json_type_of(_j)',
    `CASE json_type(_j) WHEN 'OBJECT' THEN 'object' WHEN 'ARRAY' THEN 'array' WHEN 'VARCHAR' THEN 'string'
       WHEN 'BOOLEAN' THEN 'boolean' WHEN 'NULL' THEN 'null' ELSE CASE WHEN _j IS NOT NULL THEN 'number' END END`,
  ],
  // Of a decimal's text: a number where every reader keeps its digits.
  [
    'json_of_decimal(_s)',
    `CASE WHEN _s IS NULL THEN 'null' WHEN TRY_CAST(_s AS BIGINT) BETWEEN -9007199254740992 AND 9007199254740992
               AND NOT contains(_s, '.') THEN _s ELSE '"' || _s || '"' END`,
  ],
  [
    'json_of_text(_s)',
    `CASE WHEN _s IS NULL THEN 'null' ELSE replace(replace(CAST(to_json(_s) AS VARCHAR),
       chr(8232), '\\u2028'), chr(8233), '\\u2029') END`,
  ],
]
