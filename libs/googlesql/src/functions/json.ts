/** JSON functions. */
import { type FunctionCall, type ScalarFunction, literalText, noMatch, simple } from './signature.ts'
import { reservedSchema as MACROS } from '../setup.ts'
import { BOOL, FLOAT64, INT64, JSON_TYPE, STRING, type Type, arrayOf, text, typeName } from '../types.ts'

const jsonPath = (call: FunctionCall, at: number): string => {
  const { compiler, ast } = call
  if (ast.args.length <= at) return "'$'"
  const path = literalText(call, at, 'A JSON path')
  if (!path.startsWith('$')) throw compiler.invalid(ast.pos, 'A JSON path starts with $')
  let rest = path.slice(1)
  let out = '$'
  while (rest !== '') {
    const match = /^(?:\.([A-Za-z0-9_-]+)|\."([^"\\]+)"|\['([^'"\\]+)'\]|\["([^"\\]+)"\]|\[([0-9]+)\])/.exec(rest)
    if (match === null) throw compiler.unsupported(ast.pos, `The JSON path ${JSON.stringify(path)}`)
    const key = match[1] ?? match[2] ?? match[3] ?? match[4]
    out += key === undefined ? `[${match[5] ?? '0'}]` : `."${key}"`
    rest = rest.slice(match[0].length)
  }
  return text(out)
}
const jsonFunction = (
  result: (input: Type) => Type,
  sql: (json: string, path: string, input: Type) => string,
): ScalarFunction => ({
  min: 1,
  max: 2,
  gen: (call) => {
    const { compiler, ast } = call
    const x = call.arg(0)
    if (x.type.k !== 'JSON' && x.type.k !== 'STRING' && x.type.k !== 'NULL') throw noMatch(compiler, ast, [x])
    const json = x.type.k === 'JSON' ? x.sql : `CAST(${compiler.coerce(x, STRING, ast.name).sql} AS JSON)`
    return compiler.build(ast.pos, result(x.type), sql(json, jsonPath(call, 1), x.type), x)
  },
})
const jsonCast = (type: Type, macro: string, others?: ScalarFunction): ScalarFunction => ({
  min: 1,
  max: others?.max ?? 1,
  gen: (call) => {
    const x = call.arg(0)
    if (x.type.k === 'JSON' && call.ast.args.length === 1)
      return call.compiler.build(call.ast.pos, type, `${MACROS}.${macro}(${x.sql})`, x)
    if (others === undefined) throw noMatch(call.compiler, call.ast, [x])
    return others.gen(call)
  },
})
const stringOfTime: ScalarFunction = {
  min: 1,
  max: 2,
  gen: ({ compiler, ast, args }) => {
    const es = args()
    const [x, zone] = es
    if (x === undefined || zone !== undefined) throw compiler.unsupported(ast.pos, 'STRING with a time zone')
    if (!['TIMESTAMP', 'DATE', 'DATETIME', 'TIME'].includes(x.type.k)) throw noMatch(compiler, ast, es)
    return compiler.cast(x, STRING, false)
  },
}
const jsonNumber = /^(INT64|BOOL|STRING)$/
const toJsonString: ScalarFunction = {
  min: 1,
  max: 1,
  gen: ({ compiler, ast, arg }) => {
    const x = arg(0)
    if (x.type.k === 'JSON') return compiler.build(ast.pos, STRING, `CAST(json(${x.sql}) AS VARCHAR)`, x)
    const plain = (type: Type): boolean =>
      jsonNumber.test(type.k) ||
      (type.k === 'ARRAY' && plain(type.of)) ||
      (type.k === 'STRUCT' && type.fields.every((field) => plain(field.type)))
    if (!plain(x.type)) throw compiler.unsupported(ast.pos, `TO_JSON_STRING of ${typeName(x.type)}`)
    if (x.type.k === 'INT64') return compiler.build(ast.pos, STRING, `coalesce(CAST(${x.sql} AS VARCHAR), 'null')`, x)
    return compiler.build(ast.pos, STRING, `coalesce(CAST(to_json(${x.sql}) AS VARCHAR), 'null')`, x)
  },
}

/** By upper-case name. */
export const jsonFunctions = {
  JSON_VALUE: jsonFunction(
    () => STRING,
    (json, path) => `${MACROS}.json_scalar(${json}, ${path})`,
  ),
  JSON_EXTRACT_SCALAR: jsonFunction(
    () => STRING,
    (json, path) => `${MACROS}.json_scalar(${json}, ${path})`,
  ),
  JSON_QUERY: jsonFunction(
    (input) => (input.k === 'JSON' ? JSON_TYPE : STRING),
    (json, path, input) =>
      input.k === 'JSON'
        ? `json_extract(${json}, ${path})`
        : `nullif(CAST(json_extract(${json}, ${path}) AS VARCHAR), 'null')`,
  ),
  JSON_QUERY_ARRAY: jsonFunction(
    (input) => arrayOf(input.k === 'JSON' ? JSON_TYPE : STRING),
    (json, path, input) =>
      input.k === 'JSON'
        ? `${MACROS}.json_array(${json}, ${path})`
        : `list_transform(${MACROS}.json_array(${json}, ${path}), lambda _e: CAST(_e AS VARCHAR))`,
  ),
  JSON_VALUE_ARRAY: jsonFunction(
    () => arrayOf(STRING),
    (json, path) => `${MACROS}.json_scalars(${json}, ${path})`,
  ),
  JSON_EXTRACT: jsonFunction(
    (input) => (input.k === 'JSON' ? JSON_TYPE : STRING),
    (json, path, input) =>
      input.k === 'JSON'
        ? `json_extract(${json}, ${path})`
        : `nullif(CAST(json_extract(${json}, ${path}) AS VARCHAR), 'null')`,
  ),
  PARSE_JSON: simple([STRING], JSON_TYPE, (x) => `CAST(${x} AS JSON)`),
  TO_JSON_STRING: toJsonString,
  INT64: jsonCast(INT64, 'json_int'),
  FLOAT64: jsonCast(FLOAT64, 'json_float'),
  BOOL: jsonCast(BOOL, 'json_bool'),
  STRING: jsonCast(STRING, 'json_string', stringOfTime),
} satisfies Record<string, ScalarFunction>
