/** JSON functions. */
import type { Compiler, Expression } from '../compile/compiler.ts'
import { civilOf, shownCivil, zoneSql } from '../compile/dates.ts'
import { type FunctionCall, type ScalarFunction, literalText, many, noMatch, simple } from './signature.ts'
import { reservedSchema as MACROS, onceSuffix } from '../macros/macro.ts'
import {
  BOOL,
  FLOAT64,
  INT64,
  JSON_TYPE,
  STRING,
  TIMESTAMP,
  type Type,
  arrayOf,
  fieldName,
  text,
  typeName,
} from '../types.ts'

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
/** Over a JSON value, or over a text, which is taken apart without changing what stands in it; NULL when it is no JSON. */
const jsonFunction = (
  result: (input: Type) => Type,
  ofValue: (json: string, path: string) => string,
  textMacro: string,
): ScalarFunction => ({
  min: 1,
  max: 2,
  gen: (call) => {
    const { compiler, ast } = call
    const x = call.arg(0)
    if (x.type.k !== 'JSON' && x.type.k !== 'STRING' && x.type.k !== 'NULL') throw noMatch(compiler, ast, [x])
    const path = jsonPath(call, 1)
    if (x.type.k === 'JSON') return compiler.build(ast.pos, result(x.type), ofValue(x.sql, path), x)
    const source = compiler.coerce(x, STRING, ast.name)
    return compiler.build(ast.pos, result(x.type), `${MACROS}.${textMacro}(${source.sql}, ${path})`, source)
  },
})
const scalarOf = jsonFunction(
  () => STRING,
  (json, path) => `${MACROS}.json_scalar(${json}, ${path})`,
  'json_text_scalar',
)
/** JSON_VALUE(TO_JSON(x)) is how GoogleSQL gives the shortest decimal of a FLOAT64: one step, without the JSON. */
const scalar: ScalarFunction = {
  ...scalarOf,
  gen: (call) => {
    const { compiler, ast, scope } = call
    const [json] = ast.args
    const inner = json?.k === 'call' && json.name === 'TO_JSON' && ast.args.length === 1 ? json.args[0] : undefined
    if (inner === undefined) return scalarOf.gen(call)
    const x = compiler.expression(inner, scope)
    if (x.type.k !== 'FLOAT64') return scalarOf.gen(call)
    return compiler.build(ast.pos, STRING, `${MACROS}.float_json(${x.sql})`, x)
  },
}
const part = jsonFunction(
  (input) => (input.k === 'JSON' ? JSON_TYPE : STRING),
  (json, path) => `json_extract(${json}, ${path})`,
  'json_text_part',
)
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
    if (x === undefined) throw noMatch(compiler, ast, es)
    if (zone !== undefined) {
      const ts = compiler.coerce(x, TIMESTAMP, ast.name)
      const place = zoneSql(compiler, zone)
      const local = civilOf(compiler, ast.pos, place, ts)
      const shown = `${MACROS}.datetime_text${onceSuffix}(${shownCivil(local.sql)})`
      return compiler.build(
        ast.pos,
        STRING,
        `(${shown} || ${MACROS}.zone_short(${place}, ${ts.sql}))`,
        local,
        local,
        ts,
      )
    }
    if (!['TIMESTAMP', 'DATE', 'DATETIME', 'TIME'].includes(x.type.k)) throw noMatch(compiler, ast, es)
    return compiler.cast(x, STRING, false)
  },
}
/** Of the types whose text stands in quotes: that text. */
const quotedText = (sql: string, type: Type): string | undefined => {
  switch (type.k) {
    case 'DATE':
      return `CAST(${sql} AS VARCHAR)`
    case 'TIME':
      return `${MACROS}.time_text(${sql})`
    case 'DATETIME':
      return `replace(${MACROS}.datetime_text(${sql}), ' ', 'T')`
    case 'TIMESTAMP':
      return `replace(${MACROS}.datetime_text(timezone('UTC', ${sql})), ' ', 'T') || 'Z'`
    case 'BYTES':
      return `to_base64(${sql})`
    default:
      return undefined
  }
}
/**
 * A value as TO_JSON_STRING gives it, or as TO_JSON keeps it, whose numbers are all JSON numbers. Undefined for a type
 * that is not built.
 */
const jsonText = (compiler: Compiler, sql: string, type: Type, form: 'text' | 'value' = 'text'): string | undefined => {
  const quoted = quotedText(sql, type)
  if (quoted !== undefined) return `coalesce('"' || ${quoted} || '"', 'null')`
  switch (type.k) {
    case 'NULL':
    case 'INT64':
      return form === 'value' ? `coalesce(CAST(${sql} AS VARCHAR), 'null')` : `${MACROS}.json_of_int(${sql})`
    case 'FLOAT64':
      return `${MACROS}.json_of_float${form === 'value' ? '_value' : ''}${onceSuffix}(${sql})`
    case 'NUMERIC':
      if (form === 'value') return `${MACROS}.json_of_num_value${onceSuffix}(${sql})`
      return `${MACROS}.json_of_decimal_once(${MACROS}.decimal_text(${sql}))`
    case 'BIGNUMERIC':
      return form === 'value' ? undefined : `${MACROS}.json_of_decimal_once(${MACROS}.bignum_text(${sql}))`
    case 'STRING':
      return `${MACROS}.json_of_text(${sql})`
    case 'BOOL':
      return `coalesce(CAST(${sql} AS VARCHAR), 'null')`
    case 'JSON':
      return form === 'value'
        ? `coalesce(CAST(${sql} AS VARCHAR), 'null')`
        : `coalesce(${MACROS}.json_canonical(${sql}), 'null')`
    case 'ARRAY': {
      const element = compiler.fresh()
      const inner = jsonText(compiler, element, type.of, form)
      if (inner === undefined) return undefined
      const items = `array_to_string(list_transform(${sql}, lambda ${element}: ${inner}), ',')`
      return `CASE WHEN ${sql} IS NULL THEN 'null' ELSE '[' || coalesce(${items}, '') || ']' END`
    }
    case 'STRUCT': {
      const parts = type.fields.map((field, at) => {
        const inner = jsonText(compiler, `struct_extract(${sql}, ${text(fieldName(field, at))})`, field.type, form)
        return inner === undefined ? undefined : `${text(`${JSON.stringify(field.name ?? '')}:`)} || ${inner}`
      })
      if (!parts.every((inner) => inner !== undefined)) return undefined
      return `CASE WHEN ${sql} IS NULL THEN 'null' ELSE '{' || ${parts.join(" || ',' || ")} || '}' END`
    }
    default:
      return undefined
  }
}
/** How often a type's text names the value: that many copies DuckDB reads. */
const copies = (type: Type): number =>
  type.k === 'STRUCT' ? type.fields.reduce((sum, field) => sum + copies(field.type), 1) : 3
const toJsonString: ScalarFunction = {
  min: 1,
  max: 2,
  gen: ({ compiler, ast, arg }) => {
    const x = arg(0)
    if (ast.args.length > 1 && arg(1).lit?.value !== 'FALSE')
      throw compiler.unsupported(arg(1).pos, 'TO_JSON_STRING with line breaks (pretty_print)')
    const sql = jsonText(compiler, x.sql, x.type)
    if (sql === undefined) throw compiler.unsupported(ast.pos, `TO_JSON_STRING of ${typeName(x.type)}`)
    if (x.type.k !== 'STRUCT' || (x.weight ?? 1) <= 1)
      return compiler.build(ast.pos, STRING, sql, ...Array.from({ length: copies(x.type) }, () => x))
    const value = compiler.fresh()
    const once = `list_transform([${x.sql}], lambda ${value}: ${jsonText(compiler, value, x.type) ?? ''})`
    return compiler.build(ast.pos, STRING, `list_extract(${once}, 1)`, x)
  },
}

/** A value as JSON: NULL is the null of JSON. */
const jsonValue = (compiler: Compiler, name: string, x: Expression): string => {
  const sql = jsonText(compiler, x.sql, x.type, 'value')
  if (sql === undefined) throw compiler.unsupported(x.pos, `${name} of ${typeName(x.type)}`)
  return sql
}
const toJson: ScalarFunction = {
  min: 1,
  max: 1,
  gen: ({ compiler, ast, arg }) => {
    const x = arg(0)
    if (x.type.k === 'JSON') return x
    const copied = Array.from({ length: copies(x.type) }, () => x)
    return compiler.build(ast.pos, JSON_TYPE, `CAST(${jsonValue(compiler, ast.name, x)} AS JSON)`, ...copied)
  },
}
const jsonArray: ScalarFunction = {
  min: 0,
  max: many,
  gen: ({ compiler, ast, args }) => {
    const es = args()
    const items = es.map((e) => jsonValue(compiler, ast.name, e))
    const list = items.length === 0 ? "'[]'" : `'[' || ${items.join(" || ',' || ")} || ']'`
    return compiler.build(ast.pos, JSON_TYPE, `CAST(${list} AS JSON)`, ...es, ...es, ...es)
  },
}
const jsonObject: ScalarFunction = {
  min: 0,
  max: many,
  gen: (call) => {
    const { compiler, ast } = call
    if (ast.args.length % 2 !== 0) throw compiler.unsupported(ast.pos, `${ast.name} of arrays`)
    const pairs = ast.args.flatMap((_, at) =>
      at % 2 === 0 ? [[literalText(call, at, 'A key'), call.arg(at + 1)] as const] : [],
    )
    const keys = pairs.map(([key]) => key)
    const kept = pairs.filter(([key], at) => keys.indexOf(key) === at)
    const fields = kept.map(([key, e]) => `${text(`${JSON.stringify(key)}:`)} || ${jsonValue(compiler, ast.name, e)}`)
    const object = fields.length === 0 ? "'{}'" : `'{' || ${fields.join(" || ',' || ")} || '}'`
    const es = pairs.map(([, e]) => e)
    return compiler.build(ast.pos, JSON_TYPE, `CAST(${object} AS JSON)`, ...es, ...es, ...es)
  },
}
const jsonArrayOfParts = jsonFunction(
  (input) => arrayOf(input.k === 'JSON' ? JSON_TYPE : STRING),
  (json, path) => `${MACROS}.json_array(${json}, ${path})`,
  'json_text_parts',
)
const jsonArrayOfScalars = jsonFunction(
  () => arrayOf(STRING),
  (json, path) => `${MACROS}.json_scalars(${json}, ${path})`,
  'json_text_scalars',
)

/** By upper-case name. */
export const jsonFunctions = {
  JSON_VALUE: scalar,
  JSON_EXTRACT_SCALAR: scalar,
  JSON_QUERY: part,
  JSON_EXTRACT: part,
  JSON_QUERY_ARRAY: jsonArrayOfParts,
  JSON_EXTRACT_ARRAY: jsonArrayOfParts,
  JSON_VALUE_ARRAY: jsonArrayOfScalars,
  JSON_EXTRACT_STRING_ARRAY: jsonArrayOfScalars,
  JSON_TYPE: simple([JSON_TYPE], STRING, (x) => `${MACROS}.json_type_of(${x})`),
  JSON_ARRAY: jsonArray,
  JSON_OBJECT: jsonObject,
  TO_JSON: toJson,
  PARSE_JSON: simple([STRING], JSON_TYPE, (x) => `${MACROS}.parse_json(${x})`),
  TO_JSON_STRING: toJsonString,
  INT64: jsonCast(INT64, 'json_int'),
  FLOAT64: jsonCast(FLOAT64, 'json_float'),
  BOOL: jsonCast(BOOL, 'json_bool'),
  STRING: jsonCast(STRING, 'json_string', stringOfTime),
} satisfies Record<string, ScalarFunction>
