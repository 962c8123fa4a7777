/** Text, regular expressions and bytes. */
import { concatenate } from '../compile/operators.ts'
import { volatileCall } from '../compile/volatile.ts'

import { formatFunction } from './formats.ts'
import { type ScalarFunction, type TypeOf, literalText, many, noMatch, simple } from './signature.ts'
import { reservedSchema as MACROS } from '../macros/macro.ts'
import { BOOL, BYTES, INT64, STRING, type Type, arrayOf, sameType, text, typeName } from '../types.ts'

const textOrBytes = (
  onText: (...args: string[]) => string,
  onBytes: ((...args: string[]) => string) | undefined,
  result: (type: Type) => Type,
  rest: readonly Type[] = [],
  min = 1 + rest.length,
): ScalarFunction => ({
  min,
  max: 1 + rest.length,
  gen: ({ compiler, ast, args }) => {
    const [x0, ...others] = args()
    if (x0 === undefined) throw noMatch(compiler, ast, [])
    const x = x0.type.k === 'NULL' ? compiler.coerce(x0, STRING, ast.name) : x0
    if (x.type.k === 'BYTES' && onBytes === undefined) throw compiler.unsupported(ast.pos, `${ast.name} of BYTES`)
    if (x.type.k !== 'STRING' && x.type.k !== 'BYTES') throw noMatch(compiler, ast, [x])
    const es = others.map((e, at) => {
      const type = rest[at] ?? e.type
      return compiler.coerce(e, sameType(type, STRING) ? x.type : type, ast.name)
    })
    const make = x.type.k === 'BYTES' ? onBytes : onText
    return compiler.build(ast.pos, result(x.type), make?.(x.sql, ...es.map((e) => e.sql)) ?? '', x, ...es)
  },
})
export const same = (type: Type): Type => type
const textFn = (
  params: readonly Type[],
  result: TypeOf,
  sql: (...args: string[]) => string,
  min = params.length,
): ScalarFunction => simple(params, result, sql, min)
const blanks = [9, 10, 11, 12, 13, 32, 133, 160, 5760, 8232, 8233, 8239, 8287, 12288]
for (let code = 8192; code <= 8202; code++) blanks.push(code)
const whitespace = blanks.map((code) => `chr(${code})`).join(' || ')
const trimmer = (fn: string): ScalarFunction =>
  textOrBytes((x, chars = `(${whitespace})`) => `${fn}(${x}, ${chars})`, undefined, same, [STRING], 1)
/** A macro for STRING and one for BYTES, of the same arguments. */
const either = (
  onText: string,
  onBytes: string,
  rest: readonly Type[],
  min?: number,
  result: (type: Type) => Type = same,
): ScalarFunction => {
  const call =
    (macro: string) =>
    (...args: string[]): string =>
      `${macro}(${args.join(', ')})`
  return textOrBytes(call(onText), call(`${MACROS}.${onBytes}`), result, rest, min)
}
const substring: ScalarFunction = textOrBytes(
  (x, from, length?: string) =>
    length === undefined ? `${MACROS}.substr2(${x}, ${from})` : `${MACROS}.substr3(${x}, ${from}, ${length})`,
  (x, from, length?: string) =>
    length === undefined
      ? `${MACROS}.bytes_substr2(${x}, ${from})`
      : `${MACROS}.bytes_substr3(${x}, ${from}, ${length})`,
  same,
  [INT64, INT64],
  2,
)
const padded = (fn: 'lpad' | 'rpad'): ScalarFunction =>
  textOrBytes(
    (x, n, p = "' '") => `${MACROS}.${fn}_to(${x}, ${n}, ${p})`,
    (x, n, p = "unhex('20')") => `${MACROS}.bytes_${fn}(${x}, ${n}, ${p})`,
    same,
    [INT64, STRING],
    2,
  )
const positionOf: ScalarFunction = textOrBytes(
  (x, y) => `CAST(strpos(${x}, ${y}) AS BIGINT)`,
  (x, y) => `${MACROS}.bytes_strpos(${x}, ${y})`,
  () => INT64,
  [STRING],
)
/** From a position on, which is a literal; occurrences beyond the first are not built. */
const instr: ScalarFunction = {
  ...positionOf,
  max: 4,
  gen: (call) => {
    const { compiler, ast } = call
    if (ast.args.length < 3) return positionOf.gen(call)
    if (ast.args.length > 3) throw compiler.unsupported(ast.pos, `An occurrence of ${ast.name}`)
    const [x, y, from] = [
      compiler.coerce(call.arg(0), STRING, ast.name),
      compiler.coerce(call.arg(1), STRING, ast.name),
      call.arg(2),
    ]
    if (from.lit?.kind !== 'INT64' || Number(from.lit.value) < 1)
      throw compiler.unsupported(from.pos, `A position of ${ast.name} that is no literal above 0`)
    return compiler.build(ast.pos, INT64, `${MACROS}.strpos_from(${x.sql}, ${y.sql}, ${from.sql})`, x, y, from)
  },
}
const split = textFn(
  [STRING, STRING],
  arrayOf(STRING),
  (x, y = "','") =>
    // DuckDB takes a delimiter that is NULL as none.
    y.startsWith("'") ? `string_split(${x}, ${y})` : `CASE WHEN ${y} IS NOT NULL THEN string_split(${x}, ${y}) END`,
  1,
)
/** What CONCAT takes as the text that CAST makes of it. */
const asText: ReadonlySet<string> = new Set(['INT64', 'FLOAT64', 'NUMERIC', 'BIGNUMERIC', 'BOOL', 'DATE', 'TIMESTAMP'])

/** By upper-case name. */
export const stringFunctions = {
  CONCAT: {
    min: 1,
    max: many,
    gen: ({ compiler, ast, args }) =>
      concatenate(
        compiler,
        args().map((e) => (asText.has(e.type.k) ? compiler.cast(e, STRING, false) : e)),
        ast.pos,
        'function CONCAT',
      ),
  },
  LENGTH: textOrBytes(
    (x) => `length(${x})`,
    (x) => `octet_length(${x})`,
    () => INT64,
  ),
  CHAR_LENGTH: simple([STRING], INT64, (x) => `length(${x})`),
  CHARACTER_LENGTH: simple([STRING], INT64, (x) => `length(${x})`),
  BYTE_LENGTH: textOrBytes(
    (x) => `strlen(${x})`,
    (x) => `octet_length(${x})`,
    () => INT64,
  ),
  OCTET_LENGTH: textOrBytes(
    (x) => `strlen(${x})`,
    (x) => `octet_length(${x})`,
    () => INT64,
  ),
  UPPER: either(`${MACROS}.upper_of`, 'bytes_upper', []),
  LOWER: either(`${MACROS}.lower_of`, 'bytes_lower', []),
  INITCAP: {
    min: 1,
    max: 2,
    gen: ({ compiler, ast, arg }) => {
      if (ast.args.length > 1) throw compiler.unsupported(ast.pos, 'INITCAP with delimiters')
      const x = compiler.coerce(arg(0), STRING, ast.name)
      return compiler.build(ast.pos, STRING, `${MACROS}.initcap_of(${x.sql})`, x)
    },
  },
  TRANSLATE: textFn([STRING, STRING, STRING], STRING, (x, y, z) => `${MACROS}.translate_of(${x}, ${y}, ${z})`),
  UNICODE: textFn([STRING], INT64, (x) => `CASE WHEN ${x} = '' THEN 0 ELSE CAST(unicode(${x}) AS BIGINT) END`),
  NORMALIZE: textFn([STRING], STRING, (x) => `nfc_normalize(${x})`),
  TO_CODE_POINTS: textFn([STRING], arrayOf(INT64), (x) => `${MACROS}.code_points(${x})`),
  EDIT_DISTANCE: textFn([STRING, STRING], INT64, (x, y) => `${MACROS}.edit_distance(${x}, ${y})`),
  SUBSTR: substring,
  SUBSTRING: substring,
  LEFT: either(`${MACROS}.left_of`, 'bytes_left', [INT64]),
  RIGHT: either(`${MACROS}.right_of`, 'bytes_right', [INT64]),
  LPAD: padded('lpad'),
  RPAD: padded('rpad'),
  REPEAT: either(`${MACROS}.repeat_of`, 'bytes_repeat', [INT64]),
  TRIM: trimmer('trim'),
  LTRIM: trimmer('ltrim'),
  RTRIM: trimmer('rtrim'),
  REVERSE: either(`${MACROS}.reverse_of`, 'bytes_reverse', []),
  REPLACE: either('replace', 'bytes_replace', [STRING, STRING]),
  STRPOS: positionOf,
  INSTR: instr,
  STARTS_WITH: textOrBytes(
    (x, y) => `starts_with(${x}, ${y})`,
    (x, y) => `starts_with(hex(${x}), hex(${y}))`,
    () => BOOL,
    [STRING],
  ),
  ENDS_WITH: textOrBytes(
    (x, y) => `ends_with(${x}, ${y})`,
    (x, y) => `ends_with(hex(${x}), hex(${y}))`,
    () => BOOL,
    [STRING],
  ),
  CONTAINS_SUBSTR: {
    min: 2,
    max: 2,
    gen: (call) => {
      const { compiler, ast } = call
      const x = call.arg(0)
      if (x.type.k !== 'STRING') throw compiler.unsupported(ast.pos, `CONTAINS_SUBSTR of ${typeName(x.type)}`)
      const part = literalText(call, 1, 'The text')
      if (!/^[\x20-\x7e]+$/.test(part)) throw compiler.unsupported(ast.pos, 'CONTAINS_SUBSTR with text beyond ASCII')
      return compiler.build(ast.pos, BOOL, `contains(lower(${x.sql}), lower(${text(part)}))`, x)
    },
  },
  SPLIT: {
    ...split,
    gen: (call) => {
      if (call.arg(0).type.k === 'BYTES') throw call.compiler.unsupported(call.ast.pos, 'SPLIT of BYTES')
      return split.gen(call)
    },
  },
  ASCII: textFn([STRING], INT64, (x) => `CAST(ascii(${x}) AS BIGINT)`),
  CHR: textFn([INT64], STRING, (x) => `chr(CAST(${x} AS INTEGER))`),
  FORMAT: formatFunction,
  GENERATE_UUID: {
    min: 0,
    max: 0,
    gen: ({ compiler, ast }) => volatileCall(compiler, ast.pos, STRING, (call) => `CAST(${call} AS VARCHAR)`, 'uuid'),
  },
  TO_HEX: simple([BYTES], STRING, (x) => `lower(hex(${x}))`),
  FROM_HEX: simple([STRING], BYTES, (x) => `unhex(${x})`),
  TO_BASE64: simple([BYTES], STRING, (x) => `to_base64(${x})`),
  FROM_BASE64: simple([STRING], BYTES, (x) => `from_base64(${x})`),
  SAFE_CONVERT_BYTES_TO_STRING: simple([BYTES], STRING, (x) => `${MACROS}.bytes_to_text(${x})`),
  MD5: textOrBytes(
    (x) => `unhex(md5(${x}))`,
    (x) => `unhex(md5(${x}))`,
    () => BYTES,
  ),
  SHA1: textOrBytes(
    (x) => `unhex(sha1(${x}))`,
    (x) => `unhex(sha1(${x}))`,
    () => BYTES,
  ),
  SHA256: textOrBytes(
    (x) => `unhex(sha256(${x}))`,
    (x) => `unhex(sha256(${x}))`,
    () => BYTES,
  ),
} satisfies Record<string, ScalarFunction>
