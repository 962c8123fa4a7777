/**
 * Expressions and queries: names resolved against the catalog, types inferred upward, DuckDB text built for what is on
 * the lists.
 */
import type { AppError, Column } from '@convergence/contracts'
import { AppError as Fault } from '@convergence/contracts'
import type { TableRef } from '@convergence/contracts'
import { aggregates, functions, windowFunctions } from './functions.ts'
import { invalid, positionOf, unsupported } from './lexer.ts'
import {
  parseStatement,
  type Call,
  type DatePart,
  type Expr,
  type FromItem,
  type FrameBound,
  type Grouping,
  type Name,
  type OrderKey,
  type Query,
  type Select,
  type SelectItem,
  type WindowSpec,
} from './parser.ts'
import { onceSuffix, reservedSchema } from './setup.ts'
import {
  arrayOf,
  BIGNUMERIC,
  bignumericScale,
  BOOL,
  BYTES,
  DATE,
  DATETIME,
  duckdbTypeOf,
  fieldName,
  FLOAT64,
  googlesqlType,
  ident,
  INT64,
  JSON_TYPE,
  NUMERIC,
  sameType,
  STRING,
  text,
  TIME,
  TIMESTAMP,
  typeName,
  typeOfColumn,
  type Field,
  type Type,
} from './types.ts'

/**
 * What a translation has to know about tables. Names are as in the statement; the catalog decides whether they exist.
 */
export interface CatalogTable {
  kind: 'table' | 'view'
  columns: readonly Column[]
  /** GoogleSQL of a view. */ view_query?: string
}
export interface Catalog {
  project_id: string
  /** Dataset of unqualified names. */
  default_dataset?: string
  table(ref: TableRef): CatalogTable | undefined
  /**
   * For INFORMATION_SCHEMA and CREATE: undefined when there is no such dataset. Without `tables` INFORMATION_SCHEMA is
   * refused.
   */
  dataset(ref: {
    project_id: string
    dataset: string
  }):
    | { tables?: readonly { table: string; kind: 'table' | 'view'; columns: readonly Column[]; view_query?: string }[] }
    | undefined
  /** For INFORMATION_SCHEMA.SCHEMATA. */
  datasets?(project_id: string): readonly string[]
}
export interface Parameter {
  name: string
  type: Type
}

/** A compiled expression. */
export interface E {
  sql: string
  type: Type
  pos: number
  /** The name that an output column takes from it. */
  name?: string
  /** A literal's value, for coercion at compile time. */
  lit?: { kind: 'INT64' | 'FLOAT64' | 'STRING' | 'NULL' | 'BOOL'; value: string }
  /** A query parameter: text becomes a date as a literal does. */
  param?: boolean
  /** Elements of an array literal, parts of a struct literal: they coerce one by one. */
  items?: E[]
  /** The array as stored, where NULL may stand for an empty one. */
  raw?: string
  /** Contains an aggregate, a window function, a subquery. */
  agg?: boolean
  win?: boolean
  sub?: boolean
  /** Roughly how many nodes DuckDB makes of it: its macros repeat their arguments. */
  weight?: number
  /** FLOAT64 arithmetic whose overflow shows as infinity or NaN in its own result and is still to be checked. */
  open?: boolean
}
/** Names of an output: `sql` is the alias in the text, unique; `name` is missing for an unnamed column. */
export interface Output {
  name?: string
  sql: string
  type: Type
}
export interface Compiled {
  sql: string
  columns: Output[]
}

interface ItemColumn {
  name?: string
  sql: string
  type: Type
  raw?: string
}
interface Item {
  alias?: string
  columns: ItemColumn[]
  /** UNNEST: the element itself. */ value?: ItemColumn
  /** Columns hidden by USING. */ hidden: Set<string>
}
interface Cte {
  name: string
  sql: string
  columns: Output[]
}
export interface Scope {
  items: Item[]
  /** Columns that USING merged, in order. */
  merged: ItemColumn[]
  parent?: Scope
  ctes: readonly Cte[]
  /** Select list aliases, where they may be used. */
  aliases?: Map<string, E | 'ambiguous'>
  /**
   * Whether an alias goes before a column of the same name (ORDER BY), or must be the same thing (GROUP BY, HAVING,
   * QUALIFY).
   */
  aliasFirst?: boolean
  windows?: Map<string, WindowSpec>
  /** Inside an array subquery: aggregates are list functions over this array. */
  list?: ListScope
}
interface ListScope {
  /** What an aggregate's argument sees. */
  element: Scope
  /** The list function of the aggregate, or undefined when there is none. */
  aggregate(ast: Call, element: Scope): E | undefined
  /** Set when something could not be a list function. */
  unfit: boolean
}
export const emptyScope = (ctes: readonly Cte[] = []): Scope => ({ items: [], merged: [], ctes })

export interface Compiler {
  sql: string
  catalog: Catalog
  referenced: Map<string, TableRef>
  views: Map<string, TableRef>
  /** Names of the parameters that the text uses. */
  used: Set<string>
  expr(ast: Expr, scope: Scope): E
  bool(ast: Expr, scope: Scope, where: string): E
  query(query: Query, parent: Scope | undefined, ctes?: readonly Cte[]): Compiled
  from(item: FromItem, scope: Scope): string
  coerce(e: E, type: Type, what: string): E
  /** As coerce, or undefined. */
  tryCoerce(e: E, type: Type): E | undefined
  unify(es: readonly E[], what: string, pos: number): { type: Type; es: E[] }
  orderKey(key: OrderKey, scope: Scope, single?: boolean): { sql: string; e: E }
  cast(e: E, type: Type, safe: boolean): E
  resolveTable(parts: readonly Name[]): TableRef
  tableItem(
    ref: TableRef,
    pos: number,
    alias: string | undefined,
  ): { sql: string; item: Item; columns: readonly Column[] }
  fresh(): string
  invalid(pos: number, message: string): AppError
  unsupported(pos: number, what: string): AppError
  mk(pos: number, type: Type, sql: string, ...parts: readonly (E | undefined)[]): E
}

const pseudoColumns = new Set(['_PARTITIONTIME', '_PARTITIONDATE', '_TABLE_SUFFIX', '_FILE_NAME'])
const maxViewDepth = 16
/** Bounds what one expression may become, so that a short statement cannot occupy the engine. */
const maxWeight = 200_000
const lightWeight = 3
const maxText = 2_000_000
const keyOf = (ref: TableRef): string => `${ref.project_id}.${ref.dataset}.${ref.table}`
export const tableSql = (ref: TableRef): string => `${ident(ref.project_id)}.${ident(ref.dataset)}.${ident(ref.table)}`
const G = reservedSchema
const sameName = (a: string | undefined, b: string): boolean => a !== undefined && a.toLowerCase() === b.toLowerCase()
const dateTypes = new Set(['DATE', 'TIME', 'DATETIME', 'TIMESTAMP'])
const numberRank: Readonly<Record<string, number>> = { INT64: 1, NUMERIC: 2, BIGNUMERIC: 3, FLOAT64: 4 }
export const isNumber = (type: Type): boolean => type.k in numberRank

/**
 * Gives each output a unique alias in the text: its name, or f0_, f1_ ... for unnamed ones; a repeated name gets _1, _2
 * ...
 */
export const nameOutputs = (es: readonly { name?: string; type: Type }[]): Output[] => {
  const used = new Set<string>()
  let unnamed = 0
  return es.map(({ name, type }) => {
    const base = name ?? `f${unnamed++}_`
    let sql = base
    for (let i = 1; used.has(sql.toLowerCase()); i++) sql = `${base}_${i}`
    used.add(sql.toLowerCase())
    return { name, sql, type }
  })
}

export const createCompiler = (
  source: string,
  catalog: Catalog,
  parameters: readonly Parameter[],
  shared: { referenced: Map<string, TableRef>; views: Map<string, TableRef>; counter: { n: number }; depth: number } = {
    referenced: new Map(),
    views: new Map(),
    counter: { n: 0 },
    depth: 0,
  },
): Compiler => {
  const bad = (pos: number, message: string): AppError => invalid(source, pos, message)
  const refuse = (pos: number, what: string): AppError => unsupported(source, pos, what)
  const used = new Set<string>()
  const fresh = (): string => `_t${++shared.counter.n}`

  const mk = (pos: number, type: Type, plain: string, ...parts: readonly (E | undefined)[]): E => {
    // A macro repeats its arguments; heavy ones are bound first.
    const bind = plain.startsWith(`${G}.`) && parts.some((part) => (part?.weight ?? 1) > lightWeight)
    const sql = bind ? plain.replace('(', `${onceSuffix}(`) : plain
    const e: E = { sql, type, pos, weight: 1 }
    let weight = 0
    for (const part of parts) {
      if (part === undefined) continue
      if (part.agg === true) e.agg = true
      if (part.win === true) e.win = true
      if (part.sub === true) e.sub = true
      weight += part.weight ?? 1
    }
    e.weight = 1 + weight * (plain.startsWith(`${G}.`) && !bind ? 3 : 1)
    if (e.weight > maxWeight || sql.length > maxText) throw refuse(pos, 'An expression that becomes too large')
    return e
  }

  // ---- literals and coercion

  const temporalLiteral = (type: Type, value: string, pos: number): E | undefined => {
    const date = /^\s*(\d{4})-(\d{1,2})-(\d{1,2})\s*$/
    const clock = String.raw`(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,6}))?`
    const day = (y: string | undefined, m: string | undefined, d: string | undefined): string | undefined => {
      const [yy, mm, dd] = [Number(y), Number(m), Number(d)]
      const at = new Date(Date.UTC(2000, mm - 1, dd))
      at.setUTCFullYear(yy, mm - 1, dd)
      if (yy < 1 || at.getUTCMonth() !== mm - 1 || at.getUTCDate() !== dd) return undefined
      return `${String(yy).padStart(4, '0')}-${String(mm).padStart(2, '0')}-${String(dd).padStart(2, '0')}`
    }
    const time = (
      h: string | undefined,
      m: string | undefined,
      s: string | undefined,
      f: string | undefined,
    ): string | undefined => {
      if (h === undefined) return '00:00:00'
      if (Number(h) > 23 || Number(m) > 59 || Number(s) > 59) return undefined
      return `${h.padStart(2, '0')}:${(m ?? '').padStart(2, '0')}:${(s ?? '').padStart(2, '0')}${f === undefined ? '' : `.${f}`}`
    }
    if (type.k === 'DATE') {
      const match = date.exec(value)
      const d = match === null ? undefined : day(match[1], match[2], match[3])
      return d === undefined ? undefined : mk(pos, DATE, `DATE '${d}'`)
    }
    if (type.k === 'TIME') {
      const match = new RegExp(`^\\s*${clock}\\s*$`).exec(value)
      const t = match === null ? undefined : time(match[1], match[2], match[3], match[4])
      return t === undefined ? undefined : mk(pos, TIME, `TIME '${t}'`)
    }
    const match = new RegExp(String.raw`^\s*(\d{4})-(\d{1,2})-(\d{1,2})(?:[ Tt]${clock})?\s*(.*?)\s*$`).exec(value)
    if (match === null) return undefined
    const d = day(match[1], match[2], match[3])
    const t = time(match[4], match[5], match[6], match[7])
    const zone = match[8] ?? ''
    if (d === undefined || t === undefined) return undefined
    if (type.k === 'DATETIME') return zone === '' ? mk(pos, DATETIME, `TIMESTAMP '${d} ${t}'`) : undefined
    if (zone === '' || zone.toUpperCase() === 'Z' || zone.toUpperCase() === 'UTC')
      return mk(pos, TIMESTAMP, `TIMESTAMPTZ '${d} ${t}+00'`)
    const offset = /^([+-])(\d{1,2})(?::(\d{2}))?$/.exec(zone)
    if (offset !== null)
      return Number(offset[2]) > 14
        ? undefined
        : mk(
            pos,
            TIMESTAMP,
            `TIMESTAMPTZ '${d} ${t}${offset[1] ?? '+'}${(offset[2] ?? '').padStart(2, '0')}:${offset[3] ?? '00'}'`,
          )
    return isZoneName(zone) ? mk(pos, TIMESTAMP, `timezone(${text(zone)}, TIMESTAMP '${d} ${t}')`) : undefined
  }
  const decimalDigits = (value: string): number | undefined => {
    const match = /^-?\d*\.?(\d*)$/.exec(value)
    return match === null ? undefined : (match[1] ?? '').replace(/0+$/, '').length
  }
  const castText = (type: Type, safe: boolean): string =>
    `${G}.${safe ? 'try' : 'to'}_${({ INT64: 'int', FLOAT64: 'float', NUMERIC: 'num', BIGNUMERIC: 'bignum', BOOL: 'bool', DATE: 'date', TIME: 'time', DATETIME: 'datetime', TIMESTAMP: 'timestamp' } as Record<string, string>)[type.k] ?? ''}`

  const tryCoerce = (e: E, to: Type): E | undefined => {
    if (e.type.k === 'NULL')
      return { ...mk(e.pos, to, `CAST(NULL AS ${duckdbTypeOf(to)})`, e), name: e.name, lit: e.lit }
    if (e.items !== undefined && to.k === 'ARRAY') {
      const items = e.items.map((item) => tryCoerce(item, to.of))
      if (items.every((item) => item !== undefined))
        return { ...mk(e.pos, to, arraySql(items, to.of), ...items), items }
      return undefined
    }
    if (e.items !== undefined && to.k === 'STRUCT') {
      const fields = to.fields
      if (fields.length !== e.items.length) return undefined
      const items = e.items.map((item, index) => tryCoerce(item, fields[index]?.type ?? item.type))
      if (items.every((item) => item !== undefined))
        return { ...mk(e.pos, to, structSql(fields, items), ...items), items }
      return undefined
    }
    if (sameType(e.type, to)) return e
    if (e.lit?.kind === 'STRING' && dateTypes.has(to.k)) {
      const literal = temporalLiteral(to, e.lit.value, e.pos)
      if (literal === undefined)
        throw bad(e.pos, `Could not cast literal ${JSON.stringify(e.lit.value)} to type ${typeName(to)}`)
      return literal
    }
    if (e.param === true && e.type.k === 'STRING' && dateTypes.has(to.k))
      return mk(e.pos, to, `${castText(to, false)}(${e.sql})`, e)
    if (e.lit?.kind === 'FLOAT64' && (to.k === 'NUMERIC' || to.k === 'BIGNUMERIC')) {
      const digits = decimalDigits(e.lit.value)
      if (digits === undefined || digits > (to.k === 'NUMERIC' ? 9 : bignumericScale))
        throw refuse(e.pos, `The literal ${e.lit.value} as ${to.k} (write ${to.k} '...')`)
      return mk(e.pos, to, `CAST('${e.lit.value}' AS ${duckdbTypeOf(to)})`)
    }
    const from = numberRank[e.type.k]
    const target = numberRank[to.k]
    if (from !== undefined && target !== undefined && from < target) {
      if (e.lit !== undefined && to.k === 'FLOAT64') return mk(e.pos, to, `CAST('${e.lit.value}' AS DOUBLE)`)
      return mk(
        e.pos,
        to,
        e.type.k === 'INT64' || to.k === 'BIGNUMERIC'
          ? `CAST(${e.sql} AS ${duckdbTypeOf(to)})`
          : `${G}.num_to_float(${e.sql})`,
        e,
      )
    }
    return undefined
  }
  const coerce = (e: E, to: Type, what: string): E => {
    const result = tryCoerce(e, to)
    if (result === undefined) throw bad(e.pos, `${what}: expected ${typeName(to)} but got ${typeName(e.type)}`)
    return result
  }
  /** The common type of several expressions, and the expressions in it. */
  const unify = (es: readonly E[], what: string, pos: number): { type: Type; es: E[] } => {
    const typed = es.filter((e) => e.type.k !== 'NULL' && !(e.items?.length === 0))
    const first = typed[0]
    let type: Type = first?.type ?? es.find((e) => e.items !== undefined)?.type ?? INT64
    if (typed.some((e) => !sameType(e.type, type))) {
      const strong = typed.filter((e) => e.lit === undefined && e.param !== true && e.items === undefined)
      const candidates = [...(strong.length > 0 ? strong : typed).map((e) => e.type), ...typed.map((e) => e.type)].sort(
        (a, b) => (numberRank[a.k] ?? 0) - (numberRank[b.k] ?? 0),
      )
      const found = candidates.find((candidate) =>
        typed.every((e) => {
          try {
            return tryCoerce(e, candidate) !== undefined
          } catch {
            return false
          }
        }),
      )
      if (found === undefined)
        throw bad(
          pos,
          `No matching signature for ${what} for argument types: ${typed.map((e) => typeName(e.type)).join(', ')}`,
        )
      type = found
    }
    return { type, es: es.map((e) => coerce(e, type, what)) }
  }
  const arraySql = (items: readonly E[], of: Type): string =>
    items.length === 0 ? `CAST([] AS ${duckdbTypeOf(arrayOf(of))})` : `[${items.map((item) => item.sql).join(', ')}]`
  const structSql = (fields: readonly Field[], items: readonly E[]): string => {
    const names = fields.map((field, index) => fieldName(field, index))
    return `struct_pack(${items.map((item, index) => `${ident(names[index] ?? '')} := ${item.sql}`).join(', ')})`
  }
  const structOf = (fields: Field[], items: E[], pos: number): E => {
    const names = fields.map((field, index) => fieldName(field, index).toLowerCase())
    if (new Set(names).size < names.length) throw refuse(pos, 'A STRUCT with equal field names')
    if (items.length === 0) throw refuse(pos, 'A STRUCT without fields')
    return { ...mk(pos, { k: 'STRUCT', fields }, structSql(fields, items), ...items), items }
  }

  // ---- casts

  const cast = (e: E, to: Type, safe: boolean): E => {
    const from = e.type
    const no = (): AppError => bad(e.pos, `Invalid cast from ${typeName(from)} to ${typeName(to)}`)
    if (from.k === 'NULL' || sameType(from, to)) return coerce(e, to, 'CAST')
    if (to.k === 'STRUCT' || to.k === 'ARRAY' || from.k === 'STRUCT' || from.k === 'ARRAY') {
      const coerced = tryCoerce(e, to)
      if (coerced === undefined) throw refuse(e.pos, `CAST from ${typeName(from)} to ${typeName(to)}`)
      return coerced
    }
    const out = (sql: string): E => mk(e.pos, to, sql, e)
    const plain = (): E => out(`${safe ? 'TRY_CAST' : 'CAST'}(${e.sql} AS ${duckdbTypeOf(to)})`)
    const pair = `${from.k}>${to.k}`
    if (from.k === 'STRING') {
      if (to.k === 'BYTES') return out(`encode(${e.sql})`)
      if (to.k === 'JSON') throw no()
      if (e.lit !== undefined && dateTypes.has(to.k)) {
        const literal = temporalLiteral(to, e.lit.value, e.pos)
        if (literal !== undefined) return literal
      }
      return out(`${castText(to, safe)}(${e.sql})`)
    }
    if (to.k === 'STRING') {
      switch (from.k) {
        case 'INT64':
        case 'DATE':
          return out(`CAST(${e.sql} AS VARCHAR)`)
        case 'BOOL':
          return out(`CAST(${e.sql} AS VARCHAR)`)
        case 'FLOAT64':
          return out(`${G}.float_text(${e.sql})`)
        case 'NUMERIC':
        case 'BIGNUMERIC':
          return out(`${G}.decimal_text(${e.sql})`)
        case 'TIMESTAMP':
          return out(`${G}.timestamp_text(${e.sql})`)
        case 'DATETIME':
          return out(`${G}.datetime_text(${e.sql})`)
        case 'TIME':
          return out(`${G}.time_text(${e.sql})`)
        case 'BYTES':
          return safe
            ? out(`CASE WHEN TRY(decode(${e.sql})) IS NOT NULL THEN decode(${e.sql}) END`)
            : out(`decode(${e.sql})`)
        default:
          throw no()
      }
    }
    switch (pair) {
      case 'INT64>FLOAT64':
      case 'INT64>NUMERIC':
      case 'INT64>BIGNUMERIC':
      case 'NUMERIC>FLOAT64':
      case 'BIGNUMERIC>FLOAT64':
        return safe && to.k !== 'FLOAT64' ? plain() : coerce(e, to, 'CAST')
      case 'NUMERIC>BIGNUMERIC':
        return plain()
      case 'BIGNUMERIC>NUMERIC':
        return plain()
      case 'NUMERIC>INT64':
      case 'BIGNUMERIC>INT64':
      case 'INT64>BOOL':
      case 'BOOL>INT64':
        return plain()
      case 'FLOAT64>INT64':
        return out(`${G}.${safe ? 'safe_' : ''}float_to_int(${e.sql})`)
      case 'FLOAT64>NUMERIC':
        if (e.lit !== undefined && (decimalDigits(e.lit.value) ?? 10) <= 9) return coerce(e, to, 'CAST')
        return out(`${G}.${safe ? 'safe_' : ''}float_to_num(${e.sql})`)
      case 'FLOAT64>BIGNUMERIC':
        if (e.lit !== undefined && (decimalDigits(e.lit.value) ?? 99) <= bignumericScale) return coerce(e, to, 'CAST')
        throw refuse(e.pos, 'CAST from FLOAT64 to BIGNUMERIC')
      case 'DATE>DATETIME':
        return out(`CAST(${e.sql} AS TIMESTAMP)`)
      case 'DATE>TIMESTAMP':
        return out(`timezone('UTC', CAST(${e.sql} AS TIMESTAMP))`)
      case 'DATETIME>DATE':
        return out(`CAST(${e.sql} AS DATE)`)
      case 'DATETIME>TIME':
        return out(`CAST(${e.sql} AS TIME)`)
      case 'DATETIME>TIMESTAMP':
        return out(`timezone('UTC', ${e.sql})`)
      case 'TIMESTAMP>DATE':
        return out(`CAST(timezone('UTC', ${e.sql}) AS DATE)`)
      case 'TIMESTAMP>DATETIME':
        return out(`timezone('UTC', ${e.sql})`)
      case 'TIMESTAMP>TIME':
        return out(`CAST(timezone('UTC', ${e.sql}) AS TIME)`)
      default:
        throw no()
    }
  }

  // ---- names

  const columnE = (column: ItemColumn, pos: number, name: string | undefined): E => ({
    ...mk(pos, column.type, column.sql),
    name,
    raw: column.raw,
  })
  const wholeRow = (item: Item, pos: number): E => {
    if (item.value !== undefined) return columnE(item.value, pos, item.alias)
    const fields = item.columns.map((column) => ({ name: column.name, type: column.type }))
    return {
      ...structOf(
        fields,
        item.columns.map((column) => columnE(column, pos, undefined)),
        pos,
      ),
      items: undefined,
      name: item.alias,
    }
  }
  const field = (base: E, name: Name): E => {
    if (base.type.k === 'STRUCT') {
      const hits = base.type.fields
        .map((f, index) => ({ f, stored: fieldName(f, index) }))
        .filter(({ f }) => sameName(f.name, name.text))
      const hit = hits[0]
      if (hit === undefined) throw bad(name.pos, `Field name ${name.text} does not exist in ${typeName(base.type)}`)
      return { ...mk(name.pos, hit.f.type, `struct_extract(${base.sql}, ${text(hit.stored)})`, base), name: name.text }
    }
    if (base.type.k === 'JSON') {
      if (name.text.includes('"') || name.text.includes('\\')) throw refuse(name.pos, 'This JSON field name')
      return {
        ...mk(name.pos, JSON_TYPE, `json_extract(${base.sql}, ${text(`$."${name.text}"`)})`, base),
        name: name.text,
      }
    }
    throw bad(name.pos, `Cannot access field ${name.text} on a value of type ${typeName(base.type)}`)
  }
  /** The first part of a path in one scope: a column, a range variable, or nothing. */
  const lookup = (scope: Scope, name: Name): { column: ItemColumn } | { item: Item } | undefined => {
    const columns: ItemColumn[] = scope.merged.filter((column) => sameName(column.name, name.text))
    if (columns.length === 0) {
      for (const item of scope.items) {
        if (item.hidden.has(name.text.toLowerCase())) continue
        columns.push(...item.columns.filter((column) => sameName(column.name, name.text)))
      }
    }
    const items = scope.items.filter((item) => sameName(item.alias, name.text))
    if (items.length > 1) throw bad(name.pos, `Table name ${name.text} is ambiguous`)
    const item = items[0]
    if (item?.value !== undefined && columns.every((column) => column.sql === item.value?.sql))
      return { column: item.value }
    if (item !== undefined && columns.length > 0)
      throw refuse(name.pos, `The name ${name.text}, which is a table alias and a column,`)
    if (columns.length > 1) throw bad(name.pos, `Column name ${name.text} is ambiguous`)
    const column = columns[0]
    if (column !== undefined) return { column }
    return item === undefined ? undefined : { item }
  }
  const resolvePath = (parts: readonly Name[], scope: Scope): E | undefined => {
    const [first, ...rest] = parts
    if (first === undefined) return undefined
    for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) {
      const alias = at.aliases?.get(first.text.toLowerCase())
      const hit = lookup(at, first)
      if (alias !== undefined && !(hit !== undefined && 'item' in hit && rest.length > 0)) {
        if (alias === 'ambiguous') throw bad(first.pos, `Column name ${first.text} is ambiguous`)
        if (hit !== undefined && at.aliasFirst !== true) {
          const direct = 'column' in hit ? hit.column.sql : undefined
          if (direct !== alias.sql && (alias.raw === undefined || direct !== alias.sql))
            throw refuse(first.pos, `The name ${first.text}, which is a column and another expression's alias,`)
        }
        return rest.reduce(field, { ...alias, pos: first.pos, name: first.text })
      }
      if (hit === undefined) continue
      if ('column' in hit) return rest.reduce(field, columnE(hit.column, first.pos, first.text))
      const [second, ...deeper] = rest
      if (second === undefined) return wholeRow(hit.item, first.pos)
      const found = hit.item.columns.filter((column) => sameName(column.name, second.text))
      if (found.length > 1) throw bad(second.pos, `Column name ${second.text} is ambiguous`)
      const column = found[0]
      if (column === undefined) throw bad(second.pos, `Name ${second.text} not found inside ${first.text}`)
      return deeper.reduce(field, columnE(column, second.pos, second.text))
    }
    return undefined
  }

  // ---- expressions

  const comparison = (op: string, l0: E, r0: E, pos: number): E => {
    const { type, es } = unify([l0, r0], `operator ${op}`, pos)
    const [l, r] = es
    if (l === undefined || r === undefined) throw bad(pos, 'An operand is missing')
    if (type.k === 'ARRAY') throw bad(pos, `Operator ${op} is not defined for ${typeName(type)}`)
    if (type.k === 'STRUCT' || type.k === 'JSON') throw refuse(pos, `Operator ${op} on ${type.k}`)
    const out = (sql: string): E => mk(pos, BOOL, sql, l, r)
    if (type.k === 'FLOAT64') {
      const nan = (e: E): boolean =>
        e.lit === undefined && !e.sql.startsWith(`${G}.fin(`) && !/^CAST\('-?[0-9.eE+-]+' AS DOUBLE\)$/.test(e.sql)
      switch (op) {
        case '=':
          return nan(l) && nan(r) ? out(`${G}.feq(${l.sql}, ${r.sql})`) : out(`(${l.sql} = ${r.sql})`)
        case '<>':
          return nan(l) && nan(r) ? out(`${G}.fne(${l.sql}, ${r.sql})`) : out(`(${l.sql} <> ${r.sql})`)
        case '>':
          return nan(l) ? out(`${G}.fgt(${l.sql}, ${r.sql})`) : out(`(${l.sql} > ${r.sql})`)
        case '>=':
          return nan(l) ? out(`${G}.fge(${l.sql}, ${r.sql})`) : out(`(${l.sql} >= ${r.sql})`)
        case '<':
          return nan(r) ? out(`${G}.fgt(${r.sql}, ${l.sql})`) : out(`(${l.sql} < ${r.sql})`)
        default:
          return nan(r) ? out(`${G}.fge(${r.sql}, ${l.sql})`) : out(`(${l.sql} <= ${r.sql})`)
      }
    }
    return out(`(${l.sql} ${op} ${r.sql})`)
  }
  const arithmetic = (op: string, l0: E, r0: E, pos: number): E => {
    const days = (date: E, n: E, sign: string): E =>
      mk(pos, DATE, `(${date.sql} ${sign} CAST(${n.sql} AS INTEGER))`, date, n)
    if (op !== '*' && op !== '/' && l0.type.k === 'DATE' && r0.type.k === 'INT64') return days(l0, r0, op)
    if (op === '+' && r0.type.k === 'DATE' && l0.type.k === 'INT64') return days(r0, l0, '+')
    if (dateTypes.has(l0.type.k) || dateTypes.has(r0.type.k))
      throw refuse(pos, `Operator ${op} on ${typeName(l0.type)} and ${typeName(r0.type)}`)
    if (
      op === '/' &&
      (l0.type.k === 'INT64' || l0.type.k === 'NULL') &&
      (r0.type.k === 'INT64' || r0.type.k === 'NULL')
    ) {
      return divide(coerce(l0, FLOAT64, 'operator /'), coerce(r0, FLOAT64, 'operator /'), pos)
    }
    // An exact product of a BIGNUMERIC and a whole number keeps its scale.
    if (
      op === '*' &&
      ((l0.type.k === 'BIGNUMERIC' && r0.type.k === 'INT64') || (l0.type.k === 'INT64' && r0.type.k === 'BIGNUMERIC'))
    )
      return mk(pos, BIGNUMERIC, `CAST(${l0.sql} * ${r0.sql} AS DECIMAL(38,18))`, l0, r0)
    const { type, es } = unify([l0, r0], `operator ${op}`, pos)
    const [l, r] = es
    if (l === undefined || r === undefined || !isNumber(type))
      throw bad(
        pos,
        `No matching signature for operator ${op} for argument types: ${typeName(l0.type)}, ${typeName(r0.type)}`,
      )
    if (op === '/') return divide(l, r, pos)
    if (op === '*' && type.k === 'NUMERIC') return mk(pos, NUMERIC, `CAST(${l.sql} * ${r.sql} AS DECIMAL(38,9))`, l, r)
    if (op === '*' && type.k === 'BIGNUMERIC') throw refuse(pos, 'A product of BIGNUMERIC')
    const result = mk(pos, type, `(${l.sql} ${op} ${r.sql})`, l, r)
    return type.k === 'FLOAT64' ? { ...result, open: true } : result
  }
  const divide = (l: E, r: E, pos: number): E => {
    if (l.type.k === 'BIGNUMERIC') throw refuse(pos, 'A quotient of BIGNUMERIC')
    if (l.type.k === 'NUMERIC') return mk(pos, NUMERIC, `${G}.num_div(${l.sql}, ${r.sql})`, l, r)
    const constant = /^CAST\('(-?[0-9.]+)' AS DOUBLE\)$/.exec(r.sql)
    return mk(
      pos,
      FLOAT64,
      constant !== null && Math.abs(Number(constant[1])) >= 1
        ? `(${l.sql} / ${r.sql})`
        : `${G}.div(${l.sql}, ${r.sql})`,
      l,
      r,
    )
  }
  /** date or time +- INTERVAL n part */
  const addInterval = (base: E, n: E, part: DatePart, sign: '+' | '-', pos: number): E => {
    const count = coerce(n, INT64, 'INTERVAL')
    const unit = microseconds[part.part]
    const type = base.type
    if (part.day !== undefined) throw bad(part.pos, 'INTERVAL has no WEEK(day)')
    const out = (of: Type, sql: string): E => mk(pos, of, sql, base, count)
    const months = part.part === 'MONTH' ? 1 : part.part === 'QUARTER' ? 3 : part.part === 'YEAR' ? 12 : undefined
    const days = part.part === 'DAY' ? 1 : part.part === 'WEEK' ? 7 : undefined
    if (type.k === 'DATE') {
      if (days !== undefined)
        return out(DATE, `(${base.sql} ${sign} CAST(${days === 1 ? count.sql : `(${count.sql} * 7)`} AS INTEGER))`)
      if (months !== undefined)
        return out(
          DATE,
          `CAST(${base.sql} ${sign} to_months(CAST(${months === 1 ? count.sql : `(${count.sql} * ${months})`} AS INTEGER)) AS DATE)`,
        )
      throw bad(part.pos, `A DATE takes no part ${part.part}`)
    }
    if (type.k === 'TIMESTAMP' || type.k === 'DATETIME' || type.k === 'TIME') {
      if (type.k === 'TIME' && (days !== undefined || months !== undefined))
        throw bad(part.pos, `A TIME takes no part ${part.part}`)
      if (months !== undefined || part.part === 'WEEK') {
        if (type.k === 'TIMESTAMP') throw bad(part.pos, `A TIMESTAMP takes no part ${part.part}`)
        if (months !== undefined)
          return out(
            DATETIME,
            `(${base.sql} ${sign} to_months(CAST(${months === 1 ? count.sql : `(${count.sql} * ${months})`} AS INTEGER)))`,
          )
        return out(DATETIME, `(${base.sql} ${sign} to_days(CAST(${count.sql} * 7 AS INTEGER)))`)
      }
      if (unit !== undefined)
        return out(type, `(${base.sql} ${sign} to_microseconds(${unit === 1 ? count.sql : `${count.sql} * ${unit}`}))`)
    }
    throw bad(part.pos, `INTERVAL ${part.part} does not go with ${typeName(type)}`)
  }

  const caseOf = (
    pos: number,
    whens: { when: string; then: E }[],
    otherwise: E | undefined,
    parts: (E | undefined)[],
  ): E => {
    const results = [...whens.map(({ then }) => then), ...(otherwise === undefined ? [] : [otherwise])]
    const { type, es } = unify(results, 'CASE', pos)
    const branches = whens.map(({ when }, index) => `WHEN ${when} THEN ${es[index]?.sql ?? 'NULL'}`).join(' ')
    const last = otherwise === undefined ? '' : ` ELSE ${es.at(-1)?.sql ?? 'NULL'}`
    return mk(pos, type, `CASE ${branches}${last} END`, ...parts, ...results)
  }

  /** Sums and products pass an overflow on, so only the outermost one is checked. */
  const expr = (ast: Expr, scope: Scope): E => {
    const e = unchecked(ast, scope)
    if (e.open !== true) return e
    return {
      ...mk(e.pos, FLOAT64, `${G}.fin${(e.weight ?? 1) > 20 ? onceSuffix : ''}(${e.sql})`),
      agg: e.agg,
      win: e.win,
      sub: e.sub,
      weight: (e.weight ?? 1) * ((e.weight ?? 1) > 20 ? 1 : 2),
    }
  }
  const isArithmetic = (ast: Expr): boolean =>
    ast.k === 'binary' && (ast.op === '+' || ast.op === '-' || ast.op === '*')
  const unchecked = (ast: Expr, scope: Scope): E => {
    const pos = ast.pos
    switch (ast.k) {
      case 'lit':
        return literal(ast.type, ast.text, pos)
      case 'typed': {
        if (ast.type === 'NUMERIC' || ast.type === 'BIGNUMERIC') {
          const digits = decimalDigits(ast.text.trim().replace(/^\+/, ''))
          if (digits === undefined || ast.text.trim() === '')
            throw bad(pos, `Invalid ${ast.type} literal: ${JSON.stringify(ast.text)}`)
          if (digits > (ast.type === 'NUMERIC' ? 9 : bignumericScale))
            throw ast.type === 'NUMERIC'
              ? bad(pos, `Invalid NUMERIC literal: ${JSON.stringify(ast.text)}`)
              : refuse(pos, `A BIGNUMERIC with more than ${bignumericScale} fractional digits`)
          return mk(pos, { k: ast.type }, `CAST(${text(ast.text.trim())} AS ${duckdbTypeOf({ k: ast.type })})`)
        }
        if (ast.type === 'JSON') {
          try {
            JSON.parse(ast.text)
          } catch {
            throw bad(pos, 'Invalid JSON literal')
          }
          return mk(pos, JSON_TYPE, `CAST(${text(ast.text)} AS JSON)`)
        }
        const value = temporalLiteral({ k: ast.type }, ast.text, pos)
        if (value === undefined) throw bad(pos, `Invalid ${ast.type} literal: ${JSON.stringify(ast.text)}`)
        return value
      }
      case 'param': {
        const parameter = parameters.find((candidate) => candidate.name.toLowerCase() === ast.name.toLowerCase())
        if (parameter === undefined) throw bad(pos, `Query parameter ${JSON.stringify(ast.name)} not found`)
        used.add(parameter.name)
        return {
          ...mk(pos, parameter.type, `CAST($${parameter.name} AS ${duckdbTypeOf(parameter.type)})`),
          param: true,
        }
      }
      case 'path': {
        const found = resolvePath(ast.parts, scope)
        const [head] = ast.parts
        if (found === undefined && head !== undefined && pseudoColumns.has(head.text.toUpperCase()))
          throw refuse(pos, `Column ${head.text.toUpperCase()}`)
        if (found === undefined) throw bad(pos, `Unrecognized name: ${ast.parts.map((part) => part.text).join('.')}`)
        return found
      }
      case 'dot':
        return field(expr(ast.base, scope), ast.name)
      case 'index':
        return index(expr(ast.base, scope), ast, scope)
      case 'call':
        return call(ast, scope)
      case 'unary': {
        if (ast.op === 'NOT') {
          const x = bool(ast.x, scope, 'NOT')
          return mk(pos, BOOL, `(NOT ${x.sql})`, x)
        }
        const x = expr(ast.x, scope)
        if (!isNumber(x.type) && x.type.k !== 'NULL')
          throw bad(pos, `Operator ${ast.op} is not defined for ${typeName(x.type)}`)
        return ast.op === '-'
          ? mk(pos, x.type.k === 'NULL' ? INT64 : x.type, `(-${x.sql})`, x)
          : { ...x, name: undefined }
      }
      case 'binary': {
        if (ast.op === 'AND' || ast.op === 'OR') {
          const l = bool(ast.l, scope, ast.op)
          const r = bool(ast.r, scope, ast.op)
          return mk(pos, BOOL, `(${l.sql} ${ast.op} ${r.sql})`, l, r)
        }
        if ((ast.op === '+' || ast.op === '-') && ast.r.k === 'interval') {
          const base = expr(ast.l, scope)
          if (base.type.k === 'DATE') throw refuse(pos, 'DATE with INTERVAL (use DATE_ADD or DATE_SUB)')
          return addInterval(base, expr(ast.r.n, scope), ast.r.part, ast.op, pos)
        }
        const operand = (side: Expr): E =>
          isArithmetic(ast) && isArithmetic(side) ? unchecked(side, scope) : expr(side, scope)
        const l = operand(ast.l)
        const r = operand(ast.r)
        if (ast.op === '||') return concat([l, r], pos, 'operator ||')
        if (['+', '-', '*', '/'].includes(ast.op)) return arithmetic(ast.op, l, r, pos)
        return comparison(ast.op, l, r, pos)
      }
      case 'is': {
        if (ast.what === 'NULL') {
          const x = expr(ast.x, scope)
          return mk(pos, BOOL, `(${x.raw === undefined ? x.sql : x.sql} IS ${ast.not ? 'NOT ' : ''}NULL)`, x)
        }
        if (ast.what === 'DISTINCT') {
          if (ast.other === undefined) throw bad(pos, 'An operand is missing')
          const { type, es } = unify([expr(ast.x, scope), expr(ast.other, scope)], 'IS DISTINCT FROM', pos)
          const [l, r] = es
          if (type.k === 'STRUCT' || type.k === 'ARRAY' || type.k === 'JSON')
            throw refuse(pos, `IS DISTINCT FROM on ${type.k}`)
          return mk(pos, BOOL, `(${l?.sql ?? ''} IS ${ast.not ? 'NOT ' : ''}DISTINCT FROM ${r?.sql ?? ''})`, l, r)
        }
        const x = bool(ast.x, scope, 'IS')
        return mk(pos, BOOL, `(${x.sql} IS ${ast.not ? 'NOT ' : ''}${ast.what})`, x)
      }
      case 'between': {
        const { type, es } = unify([expr(ast.x, scope), expr(ast.lo, scope), expr(ast.hi, scope)], 'BETWEEN', pos)
        const [x, lo, hi] = es
        if (x === undefined || lo === undefined || hi === undefined) throw bad(pos, 'An operand is missing')
        if (type.k === 'FLOAT64') {
          const both = `(${comparison('>=', x, lo, pos).sql} AND ${comparison('<=', x, hi, pos).sql})`
          return mk(pos, BOOL, ast.not ? `(NOT ${both})` : both, x, x, x, x, lo, hi)
        }
        if (type.k === 'STRUCT' || type.k === 'ARRAY' || type.k === 'JSON') throw refuse(pos, `BETWEEN on ${type.k}`)
        return mk(pos, BOOL, `(${x.sql} ${ast.not ? 'NOT ' : ''}BETWEEN ${lo.sql} AND ${hi.sql})`, x, lo, hi)
      }
      case 'in':
        return inExpr(ast, scope)
      case 'like': {
        const x = expr(ast.x, scope)
        const pattern = expr(ast.pattern, scope)
        const l = coerce(x, STRING, 'LIKE')
        const r = coerce(pattern, STRING, 'LIKE')
        const plain = pattern.lit?.kind === 'STRING' && !pattern.lit.value.includes('\\')
        return mk(pos, BOOL, `(${l.sql} ${ast.not ? 'NOT ' : ''}LIKE ${r.sql}${plain ? '' : " ESCAPE '\\'"})`, l, r)
      }
      case 'case': {
        const parts: E[] = []
        const subject = ast.subject === undefined ? undefined : expr(ast.subject, scope)
        const whens = ast.whens.map(({ when, then }) => {
          const condition =
            subject === undefined ? bool(when, scope, 'CASE') : comparison('=', subject, expr(when, scope), when.pos)
          parts.push(condition)
          return { when: condition.sql, then: expr(then, scope) }
        })
        return caseOf(pos, whens, ast.otherwise === undefined ? undefined : expr(ast.otherwise, scope), parts)
      }
      case 'cast':
        return { ...cast(expr(ast.x, scope), ast.type, ast.safe), name: undefined, lit: undefined, pos }
      case 'extract':
        return extract(ast.part, expr(ast.x, scope), ast.zone === undefined ? undefined : expr(ast.zone, scope), pos)
      case 'interval':
        throw refuse(pos, 'INTERVAL outside of + and - or a date function')
      case 'exists': {
        const simple = simpleArrayQuery(ast.query, scope, 'exists')
        if (simple !== undefined) return simple
        const inner = query(ast.query, scope)
        return { ...mk(pos, BOOL, `EXISTS (${inner.sql})`), sub: true }
      }
      case 'subquery': {
        const simple = simpleArrayQuery(ast.query, scope, 'scalar')
        if (simple !== undefined) return simple
        const inner = query(ast.query, scope)
        const [column] = inner.columns
        if (column === undefined || inner.columns.length !== 1) throw bad(pos, 'A scalar subquery must have one column')
        return { ...mk(pos, column.type, `(${inner.sql})`), sub: true }
      }
      case 'arrayq': {
        const simple = simpleArrayQuery(ast.query, scope, 'array')
        if (simple !== undefined) return simple
        const inner = query(ast.query, scope)
        const [column] = inner.columns
        if (column === undefined || inner.columns.length !== 1) throw bad(pos, 'An ARRAY subquery must have one column')
        if (column.type.k === 'ARRAY') throw bad(pos, 'An ARRAY subquery cannot give an array of arrays')
        return { ...mk(pos, arrayOf(column.type.k === 'NULL' ? INT64 : column.type), `ARRAY(${inner.sql})`), sub: true }
      }
      case 'array': {
        const items = ast.items.map((item) => expr(item, scope))
        if (ast.of !== undefined) {
          const of = ast.of
          const typed = items.map((item) => coerce(item, of, 'ARRAY'))
          return { ...mk(pos, arrayOf(of), arraySql(typed, of), ...typed), items: typed }
        }
        const { type, es } = unifyItems(items, pos)
        if (type.k === 'ARRAY') throw bad(pos, 'An array of arrays is not a type')
        return { ...mk(pos, arrayOf(type), arraySql(es, type), ...es), items: es }
      }
      case 'struct': {
        const items = ast.items.map(({ expr: item }) => expr(item, scope))
        if (ast.fields !== undefined) {
          const fields = ast.fields
          if (fields.length !== items.length)
            throw bad(pos, 'STRUCT: the number of values differs from that of the fields')
          return structOf(
            [...fields],
            items.map((item, at) => coerce(item, fields[at]?.type ?? item.type, 'STRUCT')),
            pos,
          )
        }
        return structOf(
          items.map((item, at) => ({
            name: ast.items[at]?.name ?? item.name,
            type: item.type.k === 'NULL' ? INT64 : item.type,
          })),
          items.map((item) => (item.type.k === 'NULL' ? { ...item, sql: 'CAST(NULL AS BIGINT)' } : item)),
          pos,
        )
      }
      case 'default':
        throw bad(pos, 'DEFAULT belongs to INSERT and UPDATE')
    }
  }
  /** Array elements: structs without names or with NULL take the first one's names and types. */
  const unifyItems = (items: readonly E[], pos: number): { type: Type; es: E[] } => {
    const structs = items.filter((item) => item.type.k === 'STRUCT')
    if (structs.length > 1 && structs.length === items.length && structs.every((item) => item.items !== undefined)) {
      const first = structs[0]
      const width = first?.items?.length ?? 0
      if (first?.type.k === 'STRUCT' && structs.every((item) => item.items?.length === width)) {
        const fields = first.type.fields.map((f, at): Field => ({
          name: f.name,
          type: unify(
            structs.map((item) => item.items?.[at]).filter((e) => e !== undefined),
            'ARRAY',
            pos,
          ).type,
        }))
        const type: Type = { k: 'STRUCT', fields }
        return { type, es: structs.map((item) => coerce(item, type, 'ARRAY')) }
      }
    }
    return unify(items, 'ARRAY', pos)
  }
  const literal = (type: 'INT64' | 'FLOAT64' | 'STRING' | 'BYTES' | 'BOOL' | 'NULL', value: string, pos: number): E => {
    switch (type) {
      case 'INT64': {
        const n = value.startsWith('-') ? -BigInt(value.slice(1)) : BigInt(value)
        if (n > 9223372036854775807n || n < -9223372036854775808n) throw bad(pos, `Invalid integer literal: ${value}`)
        return {
          ...mk(
            pos,
            INT64,
            n < 0n
              ? n === -9223372036854775808n
                ? "CAST('-9223372036854775808' AS BIGINT)"
                : `CAST(${n} AS BIGINT)`
              : `CAST(${n} AS BIGINT)`,
          ),
          lit: { kind: 'INT64', value: String(n) },
        }
      }
      case 'FLOAT64': {
        if (!Number.isFinite(Number(value))) throw bad(pos, `Invalid floating point literal: ${value}`)
        return { ...mk(pos, FLOAT64, `CAST('${value}' AS DOUBLE)`), lit: { kind: 'FLOAT64', value } }
      }
      case 'STRING': {
        if (value.includes('\0')) throw refuse(pos, 'A NUL character in a text literal')
        return { ...mk(pos, STRING, text(value)), lit: { kind: 'STRING', value } }
      }
      case 'BYTES':
        return mk(pos, BYTES, `unhex('${value}')`)
      case 'BOOL':
        return { ...mk(pos, BOOL, value.toLowerCase()), lit: { kind: 'BOOL', value } }
      case 'NULL':
        return { ...mk(pos, { k: 'NULL' }, 'CAST(NULL AS BIGINT)'), lit: { kind: 'NULL', value } }
    }
  }
  const concat = (es: readonly E[], pos: number, what: string): E => {
    const typed = es.find((e) => e.type.k !== 'NULL')?.type ?? STRING
    if (typed.k === 'ARRAY') {
      const arrays = unify(es, what, pos)
      return mk(pos, arrays.type, `(${arrays.es.map((e) => e.sql).join(' || ')})`, ...es)
    }
    if (typed.k !== 'STRING' && typed.k !== 'BYTES')
      throw bad(
        pos,
        `No matching signature for ${what} for argument types: ${es.map((e) => typeName(e.type)).join(', ')}`,
      )
    return mk(pos, typed, `(${es.map((e) => coerce(e, typed, what).sql).join(' || ')})`, ...es)
  }
  const bool = (ast: Expr, scope: Scope, where: string): E => {
    const e = expr(ast, scope)
    if (e.type.k !== 'BOOL' && e.type.k !== 'NULL')
      throw bad(ast.pos, `${where} needs BOOL but got ${typeName(e.type)}`)
    return coerce(e, BOOL, where)
  }
  const index = (base: E, ast: Expr & { k: 'index' }, scope: Scope): E => {
    const at = expr(ast.index, scope)
    if (base.type.k === 'JSON' && ast.mode === 'PLAIN') {
      if (at.lit?.kind === 'STRING') return { ...field(base, { text: at.lit.value, pos: ast.pos }), name: undefined }
      if (at.lit?.kind === 'INT64' && Number(at.lit.value) >= 0)
        return mk(ast.pos, JSON_TYPE, `json_extract(${base.sql}, '$[${at.lit.value}]')`, base)
      throw refuse(ast.pos, 'A JSON subscript that is no literal')
    }
    if (base.type.k !== 'ARRAY') throw bad(ast.pos, `A subscript is not defined for ${typeName(base.type)}`)
    const i = coerce(at, INT64, 'Array subscript')
    const macro = {
      OFFSET: 'at_offset',
      PLAIN: 'at_offset',
      SAFE_OFFSET: 'safe_offset',
      ORDINAL: 'at_ordinal',
      SAFE_ORDINAL: 'safe_ordinal',
    }[ast.mode]
    return mk(ast.pos, base.type.of, `${G}.${macro}(${base.raw ?? base.sql}, ${i.sql})`, base, i)
  }
  const inExpr = (ast: Expr & { k: 'in' }, scope: Scope): E => {
    const x = expr(ast.x, scope)
    const no = ast.not ? 'NOT ' : ''
    if (x.type.k === 'STRUCT' || x.type.k === 'ARRAY' || x.type.k === 'JSON') throw refuse(ast.pos, `IN on ${x.type.k}`)
    if (ast.unnest !== undefined) {
      const array = expr(ast.unnest, scope)
      if (array.type.k !== 'ARRAY') throw bad(ast.unnest.pos, 'IN UNNEST needs an array')
      const of = array.type.of
      const element: E = { ...mk(ast.pos, of, ''), param: array.param }
      const { type } = unify([x, element], 'IN UNNEST', ast.pos)
      const typed = sameType(type, of) ? array : coerce(array, arrayOf(type), 'IN UNNEST')
      const e = coerce(x, type, 'IN UNNEST')
      return mk(ast.pos, BOOL, `(${no}${G}.in_array(${e.sql}, ${typed.raw ?? typed.sql}))`, e, typed)
    }
    if (ast.query !== undefined) {
      const inner = query(ast.query, scope)
      const [column] = inner.columns
      if (column === undefined || inner.columns.length !== 1)
        throw bad(ast.pos, 'A subquery of IN must have one column')
      const element: E = mk(ast.pos, column.type, `_q.${ident(column.sql)}`)
      const { es } = unify([x, element], 'IN', ast.pos)
      const rows = es[1]?.sql === element.sql ? inner.sql : `SELECT ${es[1]?.sql ?? ''} FROM (${inner.sql}) AS _q`
      return { ...mk(ast.pos, BOOL, `(${es[0]?.sql ?? ''} ${no}IN (${rows}))`, x), sub: true }
    }
    const list = (ast.list ?? []).map((item) => expr(item, scope))
    const { type, es } = unify([x, ...list], 'IN', ast.pos)
    const [first, ...rest] = es
    if (first === undefined) throw bad(ast.pos, 'An operand is missing')
    if (type.k === 'FLOAT64') {
      const any = `(${rest.map((e) => comparison('=', first, e, ast.pos).sql).join(' OR ')})`
      return mk(ast.pos, BOOL, ast.not ? `(NOT ${any})` : any, ...rest, ...rest.map(() => first))
    }
    return mk(ast.pos, BOOL, `(${first.sql} ${no}IN (${rest.map((e) => e.sql).join(', ')}))`, ...es)
  }

  const extract = (part: DatePart, x: E, zone: E | undefined, pos: number): E => {
    let base = x
    if (x.type.k === 'TIMESTAMP')
      base = mk(pos, DATETIME, `timezone(${zone === undefined ? "'UTC'" : zoneSql(compiler, zone)}, ${x.sql})`, x, zone)
    else if (zone !== undefined) throw bad(pos, 'AT TIME ZONE belongs to a TIMESTAMP')
    const out = (sql: string, type: Type = INT64): E => mk(pos, type, sql, base)
    const type = base.type.k
    if (type !== 'DATE' && type !== 'DATETIME' && type !== 'TIME')
      throw bad(pos, `EXTRACT is not defined for ${typeName(x.type)}`)
    const clock = type !== 'DATE'
    const day = type !== 'TIME'
    const date = type === 'DATE' ? base.sql : `CAST(${base.sql} AS DATE)`
    switch (part.part) {
      case 'MICROSECOND':
        if (clock) return out(`CAST(date_part('microsecond', ${base.sql}) % 1000000 AS BIGINT)`)
        break
      case 'MILLISECOND':
        if (clock) return out(`CAST(date_part('microsecond', ${base.sql}) % 1000000 // 1000 AS BIGINT)`)
        break
      case 'SECOND':
      case 'MINUTE':
      case 'HOUR':
        if (clock) return out(`CAST(date_part('${part.part.toLowerCase()}', ${base.sql}) AS BIGINT)`)
        break
      case 'DAYOFWEEK':
        if (day) return out(`CAST(dayofweek(${date}) + 1 AS BIGINT)`)
        break
      case 'DAY':
      case 'MONTH':
      case 'QUARTER':
      case 'YEAR':
      case 'ISOYEAR':
        if (day) return out(`CAST(${part.part.toLowerCase()}(${date}) AS BIGINT)`)
        break
      case 'DAYOFYEAR':
        if (day) return out(`CAST(dayofyear(${date}) AS BIGINT)`)
        break
      case 'ISOWEEK':
        if (day) return out(`CAST(weekofyear(${date}) AS BIGINT)`)
        break
      case 'WEEK':
        if (day) return out(`${G}.week_number(${date}, ${weekDay(compiler, part)})`)
        break
      case 'DATE':
        if (type === 'DATETIME') return out(date, DATE)
        break
      case 'TIME':
        if (type === 'DATETIME') return out(`CAST(${base.sql} AS TIME)`, TIME)
        break
      case 'DATETIME':
        if (type === 'DATETIME' && x.type.k === 'TIMESTAMP') return out(base.sql, DATETIME)
        break
      default:
        throw refuse(part.pos, `EXTRACT of ${part.part}`)
    }
    throw bad(part.pos, `${typeName(x.type)} has no part ${part.part}`)
  }

  // ---- calls

  const orderKey = (key: OrderKey, scope: Scope, single = false): { sql: string; e: E } => {
    const e = expr(key.expr, scope)
    if (e.type.k === 'STRUCT' || e.type.k === 'ARRAY' || e.type.k === 'JSON')
      throw bad(key.pos, `ORDER BY is not defined for ${typeName(e.type)}`)
    return { sql: orderSql(e, key, single), e }
  }
  /** NULLs come first in ascending order, and NaN before every other number. */
  const orderSql = (e: E, key: OrderKey, single: boolean): string => {
    const nulls = key.nulls ?? (key.desc ? 'LAST' : 'FIRST')
    const main = `${e.sql} ${key.desc ? 'DESC' : 'ASC'} NULLS ${nulls}`
    return e.type.k === 'FLOAT64' && !single
      ? `isnan(${e.sql}) ${key.desc ? 'ASC' : 'DESC'} NULLS ${nulls}, ${main}`
      : main
  }
  const windowSql = (
    spec: WindowSpec,
    scope: Scope,
    kind: { frame: boolean; order: boolean },
  ): { sql: string; parts: E[] } => {
    const resolved = resolveWindow(spec, scope, new Set())
    const parts: E[] = []
    const partition = resolved.partition.map((item) => {
      const e = expr(item, scope)
      if (e.type.k === 'STRUCT' || e.type.k === 'ARRAY' || e.type.k === 'JSON')
        throw bad(item.pos, `PARTITION BY is not defined for ${typeName(e.type)}`)
      parts.push(e)
      return e.sql
    })
    const numeric =
      resolved.frame?.unit === 'RANGE' &&
      [resolved.frame.from, resolved.frame.to].some((bound) => bound.expr !== undefined)
    const order = resolved.order.map((key) => {
      const { sql, e } = orderKey(key, scope, numeric)
      if (numeric && !isNumber(e.type)) throw bad(key.pos, 'A RANGE frame with an offset needs one numeric ORDER BY')
      parts.push(e)
      return sql
    })
    if (order.length === 0 && kind.order) throw bad(spec.pos, 'The window needs ORDER BY')
    if (numeric && order.length !== 1) throw bad(spec.pos, 'A RANGE frame with an offset needs one numeric ORDER BY')
    let frame = ''
    if (resolved.frame !== undefined) {
      if (!kind.frame) throw bad(spec.pos, 'This function takes no window frame')
      const bound = (b: FrameBound): string => {
        if (b.expr === undefined) return b.kind
        const n = expr(b.expr, scope)
        if (!isNumber(n.type) || (n.lit === undefined && n.param !== true))
          throw refuse(b.expr.pos, 'A frame offset that is no number or parameter')
        return `${n.sql} ${b.kind}`
      }
      frame = `${resolved.frame.unit} BETWEEN ${bound(resolved.frame.from)} AND ${bound(resolved.frame.to)}`
    }
    const pieces = [
      partition.length > 0 ? `PARTITION BY ${partition.join(', ')}` : '',
      order.length > 0 ? `ORDER BY ${order.join(', ')}` : '',
      frame,
    ].filter((piece) => piece !== '')
    return { sql: ` OVER (${pieces.join(' ')})`, parts }
  }
  const resolveWindow = (spec: WindowSpec, scope: Scope, seen: Set<string>): WindowSpec => {
    if (spec.base === undefined) return spec
    const key = spec.base.text.toLowerCase()
    const base = scope.windows?.get(key)
    if (base === undefined || seen.has(key)) throw bad(spec.base.pos, `Unrecognized window alias ${spec.base.text}`)
    const under = resolveWindow(base, scope, new Set([...seen, key]))
    if (spec.partition.length > 0 && under.partition.length > 0)
      throw bad(spec.pos, 'A window cannot override PARTITION BY')
    if (spec.order.length > 0 && under.order.length > 0) throw bad(spec.pos, 'A window cannot override ORDER BY')
    return {
      partition: [...under.partition, ...spec.partition],
      order: [...under.order, ...spec.order],
      frame: spec.frame ?? under.frame,
      pos: spec.pos,
    }
  }
  const call = (ast: Call, scope: Scope): E => {
    const plain = (): void => {
      if (
        ast.star ||
        ast.distinct ||
        ast.nulls !== undefined ||
        ast.having !== undefined ||
        ast.order.length > 0 ||
        ast.limit !== undefined
      )
        throw bad(ast.pos, `${ast.name} takes no such modifier`)
    }
    const windowed = windowFunctions.get(ast.name)
    if (windowed !== undefined) {
      if (ast.over === undefined) throw bad(ast.pos, `${ast.name} needs OVER`)
      if (
        ast.star ||
        ast.distinct ||
        ast.having !== undefined ||
        ast.order.length > 0 ||
        ast.limit !== undefined ||
        (ast.nulls !== undefined && !windowed.nulls)
      )
        throw bad(ast.pos, `${ast.name} takes no such modifier`)
      arity(ast, windowed)
      const args = ast.args.map((arg) => expr(arg, scope))
      const { sql: over, parts } = windowSql(ast.over, scope, windowed)
      const { type, sql } = windowed.gen(compiler, ast, args)
      return { ...mk(ast.pos, type, sql(over), ...args, ...parts), win: true }
    }
    const aggregate = aggregates.get(ast.name)
    if (aggregate !== undefined && scope.list !== undefined) {
      const listed = scope.list.aggregate(ast, scope.list.element)
      if (listed !== undefined) return listed
      scope.list.unfit = true
      return mk(ast.pos, { k: 'NULL' }, 'NULL')
    }
    if (aggregate !== undefined) {
      arity(ast, aggregate)
      if (ast.star !== (aggregate.star === true && ast.args.length === 0))
        throw bad(ast.pos, `${ast.name}(*) is not a function`)
      for (const [given, allowed, word] of [
        [ast.distinct, aggregate.distinct, 'DISTINCT'],
        [ast.nulls !== undefined, aggregate.nulls, 'IGNORE NULLS or RESPECT NULLS'],
        [ast.having !== undefined, aggregate.having, 'HAVING'],
        [ast.order.length > 0, aggregate.order, 'ORDER BY'],
        [ast.limit !== undefined, aggregate.order, 'LIMIT'],
      ] as const) {
        if (given && allowed !== true) throw refuse(ast.pos, `${word} in ${ast.name}`)
      }
      const args = ast.args.map((arg) => expr(arg, scope))
      for (const arg of args) {
        if (arg.agg === true && ast.over === undefined)
          throw bad(arg.pos, 'Aggregations of aggregations are not allowed')
        if (arg.win === true) throw bad(arg.pos, 'An aggregate cannot contain a window function')
      }
      if (ast.over !== undefined && (ast.order.length > 0 || ast.limit !== undefined || ast.having !== undefined))
        throw refuse(ast.pos, `${ast.name} with ORDER BY, LIMIT or HAVING and OVER`)
      if (ast.over !== undefined && ast.distinct) throw refuse(ast.pos, `${ast.name} with DISTINCT and OVER`)
      const window = ast.over === undefined ? undefined : windowSql(ast.over, scope, { frame: true, order: false })
      const { type, sql } = aggregate.gen(compiler, ast, args, scope)
      const result = mk(ast.pos, type, sql(window?.sql ?? ''), ...args, ...(window?.parts ?? []))
      if (window === undefined) result.agg = true
      else result.win = true
      return result
    }
    plain()
    if (ast.over !== undefined) throw bad(ast.pos, `${ast.name} is not a window function`)
    const fn = functions.get(ast.name)
    if (fn === undefined)
      throw refuse(
        ast.pos,
        `${ast.name.startsWith('SAFE.') && (functions.has(ast.name.slice(5)) || aggregates.has(ast.name.slice(5))) ? 'The SAFE. prefix of' : 'Function'} ${ast.name.replace(/^SAFE\./, '')}`,
      )
    arity(ast, fn)
    return fn.gen({
      ast,
      scope,
      c: compiler,
      arg: (at) => expr(argument(ast, at), scope),
      args: () => ast.args.map((arg) => expr(arg, scope)),
    })
  }
  const arity = (ast: Call, fn: { min: number; max: number }): void => {
    if (ast.args.length < fn.min || ast.args.length > fn.max) {
      if (ast.star) return
      throw bad(
        ast.pos,
        `${ast.name} takes ${fn.min === fn.max ? fn.min : fn.max > 100 ? `at least ${fn.min}` : `${fn.min} to ${fn.max}`} arguments, not ${ast.args.length}`,
      )
    }
  }
  const argument = (ast: Call, at: number): Expr => {
    const arg = ast.args[at]
    if (arg === undefined) throw bad(ast.pos, `${ast.name}: argument ${at + 1} is missing`)
    return arg
  }

  // ---- array subqueries without a join

  /**
   * (SELECT aggregate FROM UNNEST(array) AS x WHERE ...) and its relatives read one array of the current row; as list
   * functions they run
   * several times faster than as correlated subqueries. Undefined when the query is anything more.
   */
  const simpleArrayQuery = (q: Query, scope: Scope, kind: 'scalar' | 'exists' | 'array'): E | undefined => {
    const body = q.body
    if (q.ctes.length > 0 || q.order.length > 0 || q.offset !== undefined || body.k !== 'select') return undefined
    if (
      body.distinct ||
      body.groups !== undefined ||
      body.having !== undefined ||
      body.qualify !== undefined ||
      body.windows.length > 0 ||
      body.from === undefined
    )
      return undefined
    const source = body.from
    if (
      source.k !== 'unnest' ||
      source.offset !== undefined ||
      body.as === 'VALUE' ||
      (body.as === 'STRUCT' && kind !== 'array')
    )
      return undefined
    const one = q.limit !== undefined && q.limit.k === 'lit' && q.limit.text === '1'
    if (q.limit !== undefined && !(one && kind === 'scalar')) return undefined
    const array = expr(source.expr, scope)
    if (
      array.type.k !== 'ARRAY' ||
      array.sub === true ||
      array.agg === true ||
      array.win === true ||
      array.items !== undefined
    )
      return undefined
    const variable = fresh()
    const inner = unnestItem(array.type.of, variable, source.alias?.text)
    const lambdaScope: Scope = { ...emptyScope(scope.ctes), items: [inner], parent: scope }
    const condition = body.where === undefined ? undefined : bool(body.where, lambdaScope, 'WHERE')
    const unfit = (e: E | undefined): boolean => e !== undefined && (e.sub === true || e.agg === true || e.win === true)
    if (unfit(condition)) return undefined
    const raw = array.raw ?? array.sql
    const list = condition === undefined ? raw : `list_filter(${raw}, lambda ${variable}: ${condition.sql})`
    if (kind === 'exists' && selectList(body.items, lambdaScope).some(({ e }) => unfit(e))) return undefined
    if (kind === 'exists') return mk(q.pos, BOOL, `(coalesce(len(${list}), 0) > 0)`, array)
    const [item] = body.items
    if (body.items.length !== 1 || item?.k !== 'expr') {
      if (kind !== 'array' || body.as !== 'STRUCT') return undefined
    }
    const mapped = (e: E): string =>
      e.sql === variable ? list : `list_transform(${list}, lambda ${variable}: ${e.sql})`
    if (kind === 'array') {
      const value =
        body.as === 'STRUCT'
          ? structItem(body, lambdaScope)
          : item?.k === 'expr'
            ? expr(item.expr, lambdaScope)
            : undefined
      if (value === undefined || unfit(value) || value.type.k === 'ARRAY' || value.type.k === 'NULL') return undefined
      return mk(q.pos, arrayOf(value.type), `coalesce(${mapped(value)}, [])`, array)
    }
    if (item?.k !== 'expr') return undefined
    const target = item.expr
    if (containsAggregate(target)) {
      if (one) return undefined
      const hidden = `_outside${variable}`
      const listScope: ListScope = {
        element: lambdaScope,
        unfit: false,
        aggregate: (call, element) => listAggregate(call, element, { list, mapped, unfit }),
      }
      const outside: Scope = {
        ...emptyScope(scope.ctes),
        items: [unnestItem(array.type.of, hidden, source.alias?.text)],
        parent: scope,
        list: listScope,
      }
      let value: E
      try {
        value = expr(target, outside)
      } catch (error) {
        if (listScope.unfit) return undefined
        throw error
      }
      // The element itself beside an aggregate: the general way says what is wrong with it.
      if (listScope.unfit || unfit(value) || value.type.k === 'NULL' || value.sql.includes(hidden)) return undefined
      return mk(q.pos, value.type, value.sql, array)
    }
    const value = expr(target, lambdaScope)
    if (unfit(value) || value.type.k === 'NULL') return undefined
    return mk(
      q.pos,
      value.type,
      one ? `list_extract(${mapped(value)}, 1)` : `${G}.only_element(${mapped(value)})`,
      array,
    )
  }
  const listAggregate = (
    call: Call,
    element: Scope,
    by: { list: string; mapped(e: E): string; unfit(e: E | undefined): boolean },
  ): E | undefined => {
    if (!['SUM', 'COUNT', 'MIN', 'MAX'].includes(call.name)) return undefined
    if (
      call.distinct ||
      call.over !== undefined ||
      call.nulls !== undefined ||
      call.having !== undefined ||
      call.order.length > 0 ||
      call.limit !== undefined
    )
      return undefined
    const out = (type: Type, sql: string): E => mk(call.pos, type, sql)
    if (call.star) return call.name === 'COUNT' ? out(INT64, `coalesce(len(${by.list}), 0)`) : undefined
    const [only] = call.args
    if (only === undefined || call.args.length !== 1) return undefined
    const value = expr(only, element)
    if (by.unfit(value) || value.type.k === 'NULL') return undefined
    if (call.name === 'COUNT') return out(INT64, `coalesce(list_count(${by.mapped(value)}), 0)`)
    if (call.name === 'SUM') {
      if (!isNumber(value.type)) return undefined
      return out(
        value.type,
        value.type.k === 'FLOAT64'
          ? `list_sum(${by.mapped(value)})`
          : `CAST(list_sum(${by.mapped(value)}) AS ${duckdbTypeOf(value.type)})`,
      )
    }
    // NaN is smaller than every number for GoogleSQL, larger for DuckDB.
    if (
      value.type.k === 'FLOAT64' ||
      (!isNumber(value.type) && value.type.k !== 'STRING' && !dateTypes.has(value.type.k))
    )
      return undefined
    return out(value.type, `list_${call.name.toLowerCase()}(${by.mapped(value)})`)
  }
  /** Whether an expression aggregates, outside of its own subqueries. */
  const containsAggregate = (ast: unknown): boolean => {
    if (Array.isArray(ast)) return ast.some(containsAggregate)
    if (ast === null || typeof ast !== 'object') return false
    const node = ast as { k?: unknown; name?: unknown }
    if (node.k === 'subquery' || node.k === 'exists' || node.k === 'arrayq') return false
    if (node.k === 'call' && typeof node.name === 'string' && aggregates.has(node.name)) return true
    return Object.values(ast).some(containsAggregate)
  }
  const structItem = (body: Select, scope: Scope): E => {
    const list = selectList(body.items, scope)
    return {
      ...structOf(
        list.map(({ name, e }) => ({ name, type: e.type.k === 'NULL' ? INT64 : e.type })),
        list.map(({ e }) => e),
        body.pos,
      ),
      items: undefined,
    }
  }

  // ---- FROM

  const unnestItem = (of: Type, sql: string, alias: string | undefined): Item => {
    const value: ItemColumn = { name: alias, sql, type: of }
    const columns: ItemColumn[] =
      of.k === 'STRUCT'
        ? of.fields.map((f, at) => ({
            name: f.name,
            sql: `struct_extract(${sql}, ${text(fieldName(f, at))})`,
            type: f.type,
          }))
        : [value]
    return { alias, columns, value, hidden: new Set() }
  }
  const outputItem = (columns: readonly Output[], sqlAlias: string, alias: string | undefined): Item => ({
    alias,
    columns: columns.map((column) => ({
      name: column.name,
      sql: `${sqlAlias}.${ident(column.sql)}`,
      type: column.type,
    })),
    hidden: new Set(),
  })
  const resolveTable = (parts: readonly Name[]): TableRef => {
    const names = parts.map((part) => part.text)
    const pos = parts[0]?.pos ?? 0
    const [a, b, c, ...more] = names
    if (a !== undefined && b === undefined) {
      if (catalog.default_dataset === undefined)
        throw bad(pos, `Table ${JSON.stringify(a)} must be qualified with a dataset (e.g. dataset.table)`)
      return { project_id: catalog.project_id, dataset: catalog.default_dataset, table: a }
    }
    if (a !== undefined && b !== undefined && c === undefined)
      return { project_id: catalog.project_id, dataset: a, table: b }
    if (a !== undefined && b !== undefined && c !== undefined && more.length === 0)
      return { project_id: a, dataset: b, table: c }
    throw bad(pos, `Invalid table name ${names.join('.')}`)
  }
  const notFound = (ref: TableRef, pos: number): AppError =>
    new Fault('TABLE_NOT_FOUND', `Table ${keyOf(ref)} was not found at ${positionOf(source, pos)}`)
  const tableItem = (
    ref: TableRef,
    pos: number,
    alias: string | undefined,
  ): { sql: string; item: Item; columns: readonly Column[] } => {
    const table = catalog.table(ref)
    if (table === undefined || ref.dataset.toLowerCase() === reservedSchema) throw notFound(ref, pos)
    const sqlAlias = fresh()
    if (table.kind === 'view') {
      if (table.view_query === undefined) throw refuse(pos, `The view ${keyOf(ref)}, whose definition is unknown,`)
      if (shared.depth >= maxViewDepth) throw refuse(pos, `A chain of more than ${maxViewDepth} views`)
      shared.views.set(keyOf(ref), ref)
      let compiled: Compiled
      try {
        const parsed = parseStatement(table.view_query)
        if (parsed.k !== 'select') throw refuse(pos, `The definition of the view ${keyOf(ref)}`)
        const inner = createCompiler(table.view_query, { ...viewCatalog(catalog), project_id: ref.project_id }, [], {
          ...shared,
          depth: shared.depth + 1,
        })
        compiled = inner.query(parsed.query, undefined)
      } catch (error) {
        if (error instanceof Fault)
          throw new Fault(error.code, `in the view ${keyOf(ref)}: ${error.message}`, { cause: error })
        throw error
      }
      return {
        sql: `(${compiled.sql}) AS ${sqlAlias}`,
        item: outputItem(
          compiled.columns.map((column) => ({ ...column, name: column.sql })),
          sqlAlias,
          alias,
        ),
        columns: table.columns,
      }
    }
    shared.referenced.set(keyOf(ref), ref)
    const columns = table.columns.map((column): ItemColumn => {
      const raw = `${sqlAlias}.${ident(column.name)}`
      // A stored NULL is an empty array.
      return column.mode === 'REPEATED'
        ? { name: column.name, sql: `coalesce(${raw}, [])`, raw, type: typeOfColumn(column) }
        : { name: column.name, sql: raw, type: typeOfColumn(column) }
    })
    return {
      sql: `${tableSql(ref)} AS ${sqlAlias}`,
      item: { alias, columns, hidden: new Set() },
      columns: table.columns,
    }
  }
  const informationSchema = (
    parts: readonly Name[],
    alias: string | undefined,
  ): { sql: string; item: Item } | undefined => {
    const at = parts.findIndex((part) => part.text.toUpperCase() === 'INFORMATION_SCHEMA')
    if (at < 0) return undefined
    const pos = parts[0]?.pos ?? 0
    const what = parts[at + 1]?.text.toUpperCase()
    const before = parts.slice(0, at).map((part) => part.text)
    if (what === undefined || parts.length !== at + 2) throw refuse(pos, 'This INFORMATION_SCHEMA name')
    const sqlAlias = fresh()
    const make = (
      columns: readonly [string, Type][],
      rows: readonly (string | number | null)[][],
    ): { sql: string; item: Item } => {
      const outputs = columns.map(([name, type]): Output => ({ name, sql: name, type }))
      const values = rows.map(
        (row) =>
          `(${row.map((value, index) => (value === null ? `CAST(NULL AS ${duckdbTypeOf(columns[index]?.[1] ?? STRING)})` : typeof value === 'number' ? `CAST(${value} AS BIGINT)` : text(value))).join(', ')})`,
      )
      const empty = `(${columns.map(([, type]) => `CAST(NULL AS ${duckdbTypeOf(type)})`).join(', ')})`
      const names = columns.map(([name]) => ident(name)).join(', ')
      return {
        sql: `(SELECT * FROM (VALUES ${values.length > 0 ? values.join(', ') : empty}) AS _v(${names})${values.length > 0 ? '' : ' WHERE false'}) AS ${sqlAlias}`,
        item: outputItem(outputs, sqlAlias, alias ?? what),
      }
    }
    if (what === 'SCHEMATA') {
      const project_id = before[0] ?? catalog.project_id
      if (before.length > 1 || catalog.datasets === undefined) throw refuse(pos, 'This INFORMATION_SCHEMA name')
      return make(
        [
          ['catalog_name', STRING],
          ['schema_name', STRING],
        ],
        catalog.datasets(project_id).map((dataset) => [project_id, dataset]),
      )
    }
    const dataset = before.at(-1) ?? catalog.default_dataset
    const project_id = before.length > 1 ? (before[0] ?? catalog.project_id) : catalog.project_id
    if (before.length > 2 || dataset === undefined) throw refuse(pos, 'This INFORMATION_SCHEMA name')
    const found = catalog.dataset({ project_id, dataset })
    if (found === undefined)
      throw new Fault('TABLE_NOT_FOUND', `Dataset ${project_id}.${dataset} was not found at ${positionOf(source, pos)}`)
    if (found.tables === undefined) throw refuse(pos, 'INFORMATION_SCHEMA')
    const key: [string, Type][] = [
      ['table_catalog', STRING],
      ['table_schema', STRING],
      ['table_name', STRING],
    ]
    switch (what) {
      case 'TABLES':
        return make(
          [...key, ['table_type', STRING]],
          found.tables.map((table) => [
            project_id,
            dataset,
            table.table,
            table.kind === 'view' ? 'VIEW' : 'BASE TABLE',
          ]),
        )
      case 'VIEWS':
        return make(
          [...key, ['view_definition', STRING]],
          found.tables
            .filter((table) => table.kind === 'view')
            .map((table) => [project_id, dataset, table.table, table.view_query ?? null]),
        )
      case 'COLUMNS':
        return make(
          [
            ...key,
            ['column_name', STRING],
            ['ordinal_position', INT64],
            ['is_nullable', STRING],
            ['data_type', STRING],
          ],
          found.tables.flatMap((table) =>
            table.columns.map((column, index) => [
              project_id,
              dataset,
              table.table,
              column.name,
              index + 1,
              column.mode === 'REQUIRED' ? 'NO' : 'YES',
              googlesqlType(column),
            ]),
          ),
        )
      default:
        throw refuse(pos, `INFORMATION_SCHEMA.${what}`)
    }
  }

  /** Adds the item's tables to the scope and gives its text. */
  const from = (item: FromItem, scope: Scope): string => {
    switch (item.k) {
      case 'table': {
        const [first] = item.path
        const alias = item.alias?.text ?? item.path.at(-1)?.text
        if (item.path.length === 1) {
          const cte = scope.ctes.findLast((candidate) => sameName(candidate.name, first?.text ?? ''))
          if (cte !== undefined) {
            const sqlAlias = fresh()
            scope.items.push(outputItem(cte.columns, sqlAlias, alias))
            return `${cte.sql} AS ${sqlAlias}`
          }
        } else if (first !== undefined && isArrayPath(item.path, scope))
          return from(
            {
              k: 'unnest',
              expr: { k: 'path', parts: item.path, pos: item.pos },
              alias: item.alias ?? item.path.at(-1),
              pos: item.pos,
            },
            scope,
          )
        const information = informationSchema(item.path, item.alias?.text)
        if (information !== undefined) {
          scope.items.push(information.item)
          return information.sql
        }
        const { sql, item: table } = tableItem(resolveTable(item.path), item.pos, alias)
        scope.items.push(table)
        return sql
      }
      case 'sub': {
        const inner = query(item.query, scope.parent, scope.ctes)
        const sqlAlias = fresh()
        scope.items.push(outputItem(inner.columns, sqlAlias, item.alias?.text))
        return `(${inner.sql}) AS ${sqlAlias}`
      }
      case 'unnest': {
        const { sql, sqlAlias, item: unnested, offset } = unnest(item, scope)
        scope.items.push(unnested)
        if (offset !== undefined) scope.items.push(offset)
        return `${sql} AS ${sqlAlias}`
      }
      case 'join':
        return join(item, scope)
      case 'pivot':
        return pivot(item, scope)
      case 'unpivot':
        return unpivot(item, scope)
    }
  }
  const isArrayPath = (path: readonly Name[], scope: Scope): boolean => {
    const [first] = path
    if (first === undefined) return false
    for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) {
      if (at.items.some((candidate) => sameName(candidate.alias, first.text))) return true
    }
    return false
  }
  const unnest = (
    item: FromItem & { k: 'unnest' },
    scope: Scope,
  ): { sql: string; sqlAlias: string; item: Item; offset?: Item } => {
    const array = expr(item.expr, scope)
    if (array.type.k !== 'ARRAY') throw bad(item.expr.pos, `UNNEST needs an array but got ${typeName(array.type)}`)
    const sqlAlias = fresh()
    const raw = array.raw ?? array.sql
    const alias = item.alias?.text
    const position = `${sqlAlias}._o`
    return {
      sql:
        item.offset === undefined
          ? `LATERAL (SELECT unnest(${raw}) AS _v)`
          : `LATERAL (SELECT unnest(${raw}) AS _v, CAST(generate_subscripts(${raw}, 1) - 1 AS BIGINT) AS _o)`,
      sqlAlias,
      item: unnestItem(array.type.of, `${sqlAlias}._v`, alias),
      offset:
        item.offset === undefined
          ? undefined
          : { alias: undefined, columns: [{ name: item.offset.text, sql: position, type: INT64 }], hidden: new Set() },
    }
  }
  const join = (item: FromItem & { k: 'join' }, scope: Scope): string => {
    const left = from(item.left, scope)
    const { right } = item
    const leftCount = scope.items.length
    const arrayPath = right.k === 'table' && right.path.length > 1 && isArrayPath(right.path, scope)
    const asUnnest =
      right.k === 'unnest'
        ? right
        : arrayPath && right.k === 'table'
          ? {
              k: 'unnest' as const,
              expr: { k: 'path' as const, parts: right.path, pos: right.pos },
              alias: right.alias ?? right.path.at(-1),
              pos: right.pos,
            }
          : undefined
    if (asUnnest !== undefined) {
      if (item.using !== undefined) throw refuse(item.pos, 'USING with UNNEST')
      if (item.kind === 'RIGHT' || item.kind === 'FULL') throw refuse(item.pos, `${item.kind} JOIN with UNNEST`)
      const unnested = unnest(asUnnest, scope)
      scope.items.push(unnested.item)
      if (unnested.offset !== undefined) scope.items.push(unnested.offset)
      const condition = item.on === undefined ? undefined : bool(item.on, scope, 'ON')
      if (condition?.agg === true || condition?.win === true)
        throw bad(item.pos, 'ON cannot contain an aggregate or a window function')
      if (item.kind === 'LEFT') {
        // The condition goes inside, where it may refer to both sides.
        const inside =
          condition === undefined
            ? unnested.sql
            : `LATERAL (SELECT * FROM (${unnested.sql.slice('LATERAL ('.length, -1)}) AS ${unnested.sqlAlias} WHERE ${condition.sql})`
        return `${left} LEFT JOIN ${inside} AS ${unnested.sqlAlias} ON TRUE`
      }
      return condition === undefined
        ? `${left} CROSS JOIN ${unnested.sql} AS ${unnested.sqlAlias}`
        : `${left} JOIN ${unnested.sql} AS ${unnested.sqlAlias} ON ${condition.sql}`
    }
    if (item.kind !== 'CROSS' && item.kind !== 'COMMA' && item.on === undefined && item.using === undefined)
      throw bad(item.pos, 'JOIN needs ON or USING')
    const rightScope: Scope = { ...emptyScope(scope.ctes), parent: scope.parent }
    const rightSql = from(right, rightScope)
    const wrapped = right.k === 'join' ? `(${rightSql})` : rightSql
    const leftMerged = [...scope.merged]
    const leftItems = scope.items.slice(0, leftCount)
    for (const added of rightScope.items)
      if (added.alias !== undefined && scope.items.some((other) => sameName(other.alias, added.alias ?? '')))
        throw bad(item.pos, `Duplicate table alias ${added.alias} in the same FROM clause`)
    if (item.using === undefined) {
      scope.items.push(...rightScope.items)
      scope.merged.push(...rightScope.merged)
      if (item.on === undefined) return `${left} CROSS JOIN ${wrapped}`
      const on = bool(item.on, scope, 'ON')
      if (on.agg === true || on.win === true) throw bad(item.pos, 'ON cannot contain an aggregate or a window function')
      return `${left} ${item.kind} JOIN ${wrapped} ON ${on.sql}`
    }
    const leftScope: Scope = { ...emptyScope(scope.ctes), items: leftItems, merged: leftMerged }
    const conditions: string[] = []
    for (const name of item.using) {
      const l = resolvePath([name], leftScope)
      const r = resolvePath([name], rightScope)
      if (l === undefined || r === undefined) throw bad(name.pos, `Column ${name.text} in USING is not on both sides`)
      conditions.push(comparison('=', l, r, name.pos).sql)
      if (!sameType(l.type, r.type)) throw refuse(name.pos, 'USING with different types')
      const sql = item.kind === 'RIGHT' ? r.sql : item.kind === 'FULL' ? `coalesce(${l.sql}, ${r.sql})` : l.sql
      scope.merged = [
        ...scope.merged.filter((column) => !sameName(column.name, name.text)),
        { name: name.text, sql, type: l.type },
      ]
      for (const side of [...leftItems, ...rightScope.items]) side.hidden.add(name.text.toLowerCase())
    }
    scope.items.push(...rightScope.items)
    return `${left} ${item.kind} JOIN ${wrapped} ON ${conditions.join(' AND ')}`
  }
  const pivotSource = (input: FromItem, scope: Scope): { sql: string; inner: Scope; columns: ItemColumn[] } => {
    const inner: Scope = { ...emptyScope(scope.ctes), parent: scope.parent }
    const sql = from(input, inner)
    return { sql, inner, columns: starColumns(inner) }
  }
  const pivot = (item: FromItem & { k: 'pivot' }, scope: Scope): string => {
    const { sql, inner, columns } = pivotSource(item.input, scope)
    const by = expr(item.by, inner)
    const used = new Set<string>()
    const note = (ast: Expr): void => {
      if (ast.k === 'path') used.add((ast.parts[0]?.text ?? '').toLowerCase())
      else if (ast.k === 'call') ast.args.forEach(note)
      else if (ast.k === 'binary') {
        note(ast.l)
        note(ast.r)
      } else if (ast.k === 'cast' || ast.k === 'unary') note(ast.x)
      else if (ast.k !== 'lit' && ast.k !== 'typed' && ast.k !== 'param')
        throw refuse(ast.pos, 'This expression in PIVOT')
    }
    note(item.by)
    const keys = columns.filter((column) => column.name !== undefined)
    if (keys.length < columns.length) throw refuse(item.pos, 'PIVOT of an unnamed column')
    for (const { call: aggregate } of item.aggregates) note(aggregate)
    const groups = keys.filter((column) => !used.has((column.name ?? '').toLowerCase()))
    for (const column of groups)
      if (column.type.k === 'STRUCT' || column.type.k === 'ARRAY' || column.type.k === 'JSON')
        throw refuse(item.pos, `PIVOT that groups by ${typeName(column.type)}`)
    const list: { name?: string; type: Type; sql: string }[] = groups.map((column) => ({
      name: column.name,
      type: column.type,
      sql: column.sql,
    }))
    for (const value of item.values) {
      const v = expr(value.expr, inner)
      if (v.lit === undefined) throw refuse(value.expr.pos, 'A PIVOT value that is no literal')
      const valueName =
        value.alias?.text ??
        (v.lit.kind === 'STRING' && /^[A-Za-z_][A-Za-z0-9_]*$/.test(v.lit.value) ? v.lit.value : undefined)
      if (valueName === undefined) throw refuse(value.expr.pos, 'A PIVOT value without alias that is no identifier')
      const condition = `(${by.sql} IS NOT DISTINCT FROM ${coerce(v, by.type, 'PIVOT').sql})`
      for (const aggregate of item.aggregates) {
        if (item.aggregates.length > 1 && aggregate.alias === undefined)
          throw bad(aggregate.call.pos, 'PIVOT with several aggregates needs their aliases')
        list.push({
          name: aggregate.alias === undefined ? valueName : `${aggregate.alias.text}_${valueName}`,
          ...pivotAggregate(aggregate.call, condition, inner),
        })
      }
    }
    const outputs = nameOutputs(list)
    const sqlAlias = fresh()
    const grouping = groups.length > 0 ? ` GROUP BY ${groups.map((column) => column.sql).join(', ')}` : ''
    const body = `SELECT ${list.map((column, at) => `${column.sql} AS ${ident(outputs[at]?.sql ?? '')}`).join(', ')} FROM ${sql}${grouping}`
    scope.items.push(outputItem(outputs, sqlAlias, item.alias?.text))
    return `(${body}) AS ${sqlAlias}`
  }
  /**
   * The aggregate over the rows of one pivot value: its argument is NULL elsewhere, which every allowed aggregate
   * leaves out.
   */
  const pivotAggregate = (ast: Expr, condition: string, scope: Scope): { type: Type; sql: string } => {
    if (
      ast.k !== 'call' ||
      !['SUM', 'COUNT', 'MIN', 'MAX', 'AVG', 'COUNTIF'].includes(ast.name) ||
      ast.distinct ||
      ast.over !== undefined
    )
      throw refuse(ast.pos, 'This aggregate in PIVOT')
    const aggregate = aggregates.get(ast.name)
    if (aggregate === undefined) throw refuse(ast.pos, 'This aggregate in PIVOT')
    if (ast.star) return { type: INT64, sql: `count(CASE WHEN ${condition} THEN 1 END)` }
    const args = ast.args
      .map((arg) => expr(arg, scope))
      .map((arg) => ({ ...arg, lit: undefined, sql: `(CASE WHEN ${condition} THEN ${arg.sql} END)` }))
    const { type, sql } = aggregate.gen(compiler, ast, args, scope)
    return { type, sql: sql('') }
  }
  const unpivot = (item: FromItem & { k: 'unpivot' }, scope: Scope): string => {
    const { sql, inner, columns } = pivotSource(item.input, scope)
    const inputs = item.columns.map(({ column, label }) => {
      const e = resolvePath([column], inner)
      if (e === undefined) throw bad(column.pos, `Unrecognized name: ${column.text}`)
      const labelE = label === undefined ? literal('STRING', column.text, column.pos) : expr(label, inner)
      if (labelE.lit === undefined) throw refuse(column.pos, 'An UNPIVOT label that is no literal')
      return { e, label: labelE, name: column.text.toLowerCase() }
    })
    const type = inputs[0]?.e.type ?? INT64
    if (inputs.some(({ e }) => !sameType(e.type, type))) throw bad(item.pos, 'UNPIVOT columns must have the same type')
    const labels = unify(
      inputs.map(({ label }) => label),
      'UNPIVOT',
      item.pos,
    )
    const rest = columns.filter((column) => !inputs.some(({ name }) => sameName(column.name, name)))
    const rows = fresh()
    const outputs = nameOutputs([...rest, { name: item.value.text, type }, { name: item.name.text, type: labels.type }])
    const sqls = [...rest.map((column) => column.sql), `${rows}._v`, `${rows}._n`]
    const values = inputs.map(({ e }, at) => `(${e.sql}, ${labels.es[at]?.sql ?? ''})`).join(', ')
    const body = `SELECT ${sqls.map((column, at) => `${column} AS ${ident(outputs[at]?.sql ?? '')}`).join(', ')} FROM ${sql} CROSS JOIN LATERAL (VALUES ${values}) AS ${rows}(_v, _n)${item.nulls ? '' : ` WHERE ${rows}._v IS NOT NULL`}`
    const sqlAlias = fresh()
    scope.items.push(outputItem(outputs, sqlAlias, item.alias?.text))
    return `(${body}) AS ${sqlAlias}`
  }

  // ---- SELECT

  const starColumns = (scope: Scope): ItemColumn[] => [
    ...scope.merged,
    ...scope.items.flatMap((item) =>
      item.columns.filter((column) => column.name === undefined || !item.hidden.has(column.name.toLowerCase())),
    ),
  ]
  const selectList = (items: readonly SelectItem[], scope: Scope): { name?: string; e: E; explicit?: boolean }[] =>
    items.flatMap((item) => {
      if (item.k === 'expr') {
        const e = expr(item.expr, scope)
        return [{ name: item.alias?.text ?? e.name, e, explicit: item.alias !== undefined }]
      }
      let columns: ItemColumn[]
      if (item.base === undefined) {
        if (scope.items.length === 0) throw bad(item.pos, 'SELECT * must have a FROM clause')
        columns = starColumns(scope)
      } else {
        const variable =
          item.base.k === 'path' && item.base.parts.length === 1 ? rangeVariable(scope, item.base.parts[0]) : undefined
        if (variable !== undefined) columns = variable.columns
        else {
          const base = expr(item.base, scope)
          if (base.type.k !== 'STRUCT') throw bad(item.pos, `.* is not defined for ${typeName(base.type)}`)
          columns = base.type.fields.map((f, at) => ({
            name: f.name,
            sql: `struct_extract(${base.sql}, ${text(fieldName(f, at))})`,
            type: f.type,
          }))
        }
      }
      for (const name of [...item.except, ...item.replace.map((replaced) => replaced.name)]) {
        if (!columns.some((column) => sameName(column.name, name.text)))
          throw bad(name.pos, `Column ${name.text} in EXCEPT or REPLACE does not exist`)
      }
      const kept = columns.filter((column) => !item.except.some((name) => sameName(column.name, name.text)))
      if (kept.length === 0) throw bad(item.pos, 'SELECT * EXCEPT leaves no column')
      return kept.map((column) => {
        const replaced = item.replace.find((candidate) => sameName(column.name, candidate.name.text))
        return {
          name: column.name,
          e:
            replaced === undefined
              ? columnE(column, item.pos, column.name)
              : { ...expr(replaced.expr, scope), name: column.name },
        }
      })
    })
  const rangeVariable = (scope: Scope, name: Name | undefined): Item | undefined => {
    if (name === undefined) return undefined
    for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) {
      const hit = lookup(at, name)
      if (hit === undefined) continue
      if ('item' in hit) return hit.item
      return undefined
    }
    return undefined
  }
  const select = (
    body: Select,
    order: readonly OrderKey[],
    parent: Scope | undefined,
    ctes: readonly Cte[],
  ): { sql: string; columns: Output[] } => {
    const scope: Scope = { ...emptyScope(ctes), parent }
    scope.windows = new Map(body.windows.map(({ name, spec }) => [name.text.toLowerCase(), spec]))
    const fromSql = body.from === undefined ? '' : ` FROM ${from(body.from, scope)}`
    const noAggregate = (e: E, where: string): E => {
      if (e.agg === true) throw bad(e.pos, `Aggregate function not allowed in ${where}`)
      if (e.win === true) throw bad(e.pos, `Window function not allowed in ${where}`)
      return e
    }
    const where = body.where === undefined ? '' : ` WHERE ${noAggregate(bool(body.where, scope, 'WHERE'), 'WHERE').sql}`
    let list: { name?: string; e: E; explicit?: boolean }[] = selectList(body.items, scope).map((item) =>
      item.e.type.k === 'NULL'
        ? { ...item, e: { ...coerce(item.e, INT64, 'SELECT'), agg: item.e.agg, win: item.e.win } }
        : item,
    )
    if (body.as === 'STRUCT') {
      if (order.length > 0 && body.distinct) throw refuse(body.pos, 'SELECT DISTINCT AS STRUCT with ORDER BY')
      const parts = list
      list = [
        {
          e: {
            ...structOf(
              parts.map(({ name, e }) => ({ name, type: e.type })),
              parts.map(({ e }) => e),
              body.pos,
            ),
            items: undefined,
          },
        },
      ]
    }
    if (body.as === 'VALUE' && list.length !== 1) throw bad(body.pos, 'SELECT AS VALUE needs one column')
    const aliases = new Map<string, E | 'ambiguous'>()
    for (const { name, e } of list) {
      if (name === undefined) continue
      const key = name.toLowerCase()
      const other = aliases.get(key)
      aliases.set(key, other === undefined || (other !== 'ambiguous' && other.sql === e.sql) ? e : 'ambiguous')
    }
    const outputs = nameOutputs(
      list.map(({ name, e }) => ({ name: body.as === 'VALUE' ? undefined : name, type: e.type })),
    )
    const selected = `SELECT ${body.distinct ? 'DISTINCT ' : ''}${list.map(({ e }, at) => `${e.sql} AS ${ident(outputs[at]?.sql ?? '')}`).join(', ')}`
    const withAliases: Scope = { ...scope, aliases, aliasFirst: false }
    const groupable = (e: E): E => {
      if (e.type.k === 'STRUCT' || e.type.k === 'ARRAY' || e.type.k === 'JSON')
        throw refuse(e.pos, `Grouping by ${typeName(e.type)}`)
      return noAggregate(e, 'GROUP BY')
    }
    const groupKey = (ast: Expr, ordinals: boolean): string => {
      if (ast.k === 'lit' && ast.type === 'INT64') {
        const at = Number(ast.text)
        const e = list[at - 1]?.e
        if (e === undefined) throw bad(ast.pos, `GROUP BY position ${ast.text} is not in the SELECT list`)
        groupable(e)
        return ordinals ? String(at) : e.sql
      }
      if (ast.k === 'lit' || ast.k === 'typed' || ast.k === 'param') throw bad(ast.pos, 'Cannot GROUP BY a constant')
      const e = groupable(expr(ast, withAliases))
      const at = list.findIndex((item) => item.e.sql === e.sql)
      return ordinals && at >= 0 ? String(at + 1) : e.sql
    }
    const grouping = (g: Grouping): string => {
      switch (g.k) {
        case 'expr':
          return groupKey(g.expr, false)
        case 'tuple':
          return `(${g.exprs.map((e) => groupKey(e, false)).join(', ')})`
        case 'rollup':
          return `ROLLUP (${g.exprs.map((e) => groupKey(e, false)).join(', ')})`
        case 'cube':
          return `CUBE (${g.exprs.map((e) => groupKey(e, false)).join(', ')})`
        case 'sets':
          return `GROUPING SETS (${g.sets.map((set) => grouping(set)).join(', ')})`
      }
    }
    let groups = ''
    if (body.groups === 'ALL') {
      const keys = list
        .map(({ e }, at) => ({ e, at }))
        .filter(({ e }) => e.agg !== true && e.win !== true && e.lit === undefined)
      keys.forEach(({ e }) => groupable(e))
      if (keys.length > 0) groups = ` GROUP BY ${keys.map(({ at }) => at + 1).join(', ')}`
    } else if (body.groups !== undefined) {
      const simple = body.groups.every((g) => g.k === 'expr')
      groups = ` GROUP BY ${body.groups.map((g) => (g.k === 'expr' ? groupKey(g.expr, simple) : grouping(g))).join(', ')}`
    }
    if (body.distinct)
      list.forEach(({ e }) => {
        if (e.type.k === 'STRUCT' || e.type.k === 'ARRAY' || e.type.k === 'JSON')
          throw refuse(e.pos, `SELECT DISTINCT of ${typeName(e.type)}`)
      })
    const having =
      body.having === undefined
        ? ''
        : (() => {
            const e = bool(body.having, withAliases, 'HAVING')
            if (e.win === true) throw bad(e.pos, 'Window function not allowed in HAVING')
            if (groups === '' && e.agg !== true && !list.some((item) => item.e.agg === true))
              throw bad(body.having.pos, 'HAVING needs GROUP BY or an aggregate')
            return ` HAVING ${e.sql}`
          })()
    const qualify =
      body.qualify === undefined
        ? ''
        : (() => {
            const e = bool(body.qualify, withAliases, 'QUALIFY')
            if (e.win !== true && !list.some((item) => item.e.win === true))
              throw bad(body.qualify.pos, 'QUALIFY needs a window function')
            return ` QUALIFY ${e.sql}`
          })()
    const core = `${selected}${fromSql}${where}${groups}${having}${qualify}`
    if (order.length === 0) return { sql: core, columns: outputs }
    const ordering: Scope = { ...scope, aliases, aliasFirst: true }
    const find = (key: OrderKey): { at?: number; e: E } => {
      if (key.expr.k === 'lit' && key.expr.type === 'INT64') {
        const at = Number(key.expr.text) - 1
        const e = list[at]?.e
        if (e === undefined) throw bad(key.pos, `ORDER BY position ${key.expr.text} is not in the SELECT list`)
        return { at, e }
      }
      if (key.expr.k === 'lit' || key.expr.k === 'typed' || key.expr.k === 'param')
        throw bad(key.pos, 'Cannot ORDER BY a constant')
      const e = expr(key.expr, ordering)
      const at = list.findIndex((item) => item.e.sql === e.sql)
      return at < 0 ? { e } : { at, e }
    }
    const keys = order.map((key) => ({ key, ...find(key) }))
    for (const { e, key } of keys)
      if (e.type.k === 'STRUCT' || e.type.k === 'ARRAY' || e.type.k === 'JSON')
        throw bad(key.pos, `ORDER BY is not defined for ${typeName(e.type)}`)
    if (body.distinct) {
      const sqlAlias = fresh()
      const sorted = keys.map(({ key, at, e }) => {
        if (at === undefined) throw bad(key.pos, 'ORDER BY of SELECT DISTINCT must be in the SELECT list')
        return orderSql({ ...e, sql: `${sqlAlias}.${ident(outputs[at]?.sql ?? '')}` }, key, false)
      })
      return { sql: `SELECT * FROM (${core}) AS ${sqlAlias} ORDER BY ${sorted.join(', ')}`, columns: outputs }
    }
    return {
      sql: `${core} ORDER BY ${keys.map(({ key, at, e }) => orderSql(at !== undefined && e.type.k !== 'FLOAT64' ? { ...e, sql: String(at + 1) } : e, key, false)).join(', ')}`,
      columns: outputs,
    }
  }

  // ---- queries

  const limitSql = (q: Query): string => {
    const bound = (ast: Expr): string => {
      const e = expr(ast, emptyScope())
      if (
        e.type.k !== 'INT64' ||
        (e.lit === undefined && e.param !== true) ||
        (e.lit !== undefined && Number(e.lit.value) < 0)
      )
        throw bad(ast.pos, 'LIMIT and OFFSET need a whole number or a parameter')
      return e.sql
    }
    return `${q.limit === undefined ? '' : ` LIMIT ${bound(q.limit)}`}${q.offset === undefined ? '' : ` OFFSET ${bound(q.offset)}`}`
  }
  const body = (
    b: Query['body'],
    order: readonly OrderKey[],
    parent: Scope | undefined,
    ctes: readonly Cte[],
  ): Compiled => {
    if (b.k === 'select') return select(b, order, parent, ctes)
    if (b.k === 'query' && order.length === 0) {
      const inner = query(b.query, parent, ctes)
      return { sql: `SELECT * FROM (${inner.sql}) AS ${fresh()}`, columns: inner.columns }
    }
    const inner =
      b.k === 'query'
        ? query(b.query, parent, ctes)
        : setOperation(
            b.op,
            b.items.map((item) => body(item, [], parent, ctes)),
            b.pos,
          )
    if (order.length === 0) return inner
    const sqlAlias = fresh()
    const scope: Scope = { ...emptyScope(ctes), items: [outputItem(inner.columns, sqlAlias, undefined)], parent }
    const keys = order.map((key) => {
      if (key.expr.k === 'lit' && key.expr.type === 'INT64') {
        const column = inner.columns[Number(key.expr.text) - 1]
        if (column === undefined) throw bad(key.pos, `ORDER BY position ${key.expr.text} is not in the SELECT list`)
        return orderSql(mk(key.pos, column.type, `${sqlAlias}.${ident(column.sql)}`), key, false)
      }
      return orderKey(key, scope).sql
    })
    return { sql: `SELECT * FROM (${inner.sql}) AS ${sqlAlias} ORDER BY ${keys.join(', ')}`, columns: inner.columns }
  }
  const setOperation = (op: string, parts: readonly Compiled[], pos: number): Compiled => {
    const [first] = parts
    if (first === undefined) throw bad(pos, 'A set operation needs queries')
    if (parts.some((part) => part.columns.length !== first.columns.length))
      throw bad(pos, `Queries in ${op} have mismatched column count`)
    const types = first.columns.map(
      (_, at) =>
        unify(
          parts.map((part) => mk(pos, part.columns[at]?.type ?? INT64, '_')),
          op,
          pos,
        ).type,
    )
    types.forEach((type) => {
      if (op !== 'UNION ALL' && (type.k === 'STRUCT' || type.k === 'ARRAY' || type.k === 'JSON'))
        throw refuse(pos, `${op} of ${typeName(type)}`)
    })
    const columns = first.columns.map((column, at): Output => ({ ...column, type: types[at] ?? column.type }))
    const sqls = parts.map((part) => {
      if (part.columns.every((column, at) => sameType(column.type, types[at] ?? column.type))) return part.sql
      const sqlAlias = fresh()
      return `SELECT ${part.columns.map((column, at) => `${coerce(mk(pos, column.type, `${sqlAlias}.${ident(column.sql)}`), types[at] ?? column.type, op).sql} AS ${ident(columns[at]?.sql ?? '')}`).join(', ')} FROM (${part.sql}) AS ${sqlAlias}`
    })
    return {
      sql: sqls.map((sql) => `(${sql})`).join(` ${op === 'UNION ALL' ? op : op.replace(' DISTINCT', '')} `),
      columns,
    }
  }
  const query = (q: Query, parent: Scope | undefined, outer: readonly Cte[] = parent?.ctes ?? []): Compiled => {
    const ctes: Cte[] = [...outer]
    const withs: string[] = []
    for (const { name, query: inner } of q.ctes) {
      const sqlName = `_c${++shared.counter.n}`
      if (
        q.recursive &&
        inner.body.k === 'setop' &&
        inner.order.length === 0 &&
        inner.limit === undefined &&
        mentions(inner, name.text)
      ) {
        const { op, items, pos } = inner.body
        const [base, ...steps] = items
        if (
          base === undefined ||
          steps.length !== 1 ||
          inner.ctes.length > 0 ||
          (op !== 'UNION ALL' && op !== 'UNION DISTINCT')
        )
          throw refuse(pos, 'This form of a recursive query')
        const first = body(base, [], undefined, ctes)
        const self: Cte = { name: name.text, sql: sqlName, columns: first.columns }
        const step = body(steps[0] ?? base, [], undefined, [...ctes, self])
        const whole = setOperation(op, [first, step], pos)
        if (!whole.columns.every((column, at) => sameType(column.type, first.columns[at]?.type ?? column.type)))
          throw refuse(pos, 'A recursive query whose types change')
        withs.push(`${sqlName}(${first.columns.map((column) => ident(column.sql)).join(', ')}) AS (${whole.sql})`)
        ctes.push(self)
        continue
      }
      const compiled = query(inner, undefined, ctes)
      withs.push(`${sqlName} AS (${compiled.sql})`)
      ctes.push({ name: name.text, sql: sqlName, columns: compiled.columns })
    }
    const inner = body(q.body, q.order, parent, ctes)
    const limits = limitSql(q)
    const limited =
      limits === ''
        ? inner.sql
        : q.order.length > 0 || q.body.k === 'select'
          ? `${inner.sql}${limits}`
          : `SELECT * FROM (${inner.sql}) AS ${fresh()}${limits}`
    return {
      sql: withs.length === 0 ? limited : `WITH ${q.recursive ? 'RECURSIVE ' : ''}${withs.join(', ')} ${limited}`,
      columns: inner.columns,
    }
  }
  /** Whether the query reads a table of this one-part name: only then it is recursive. */
  const mentions = (q: Query, name: string): boolean =>
    JSON.stringify(q, (key, value: unknown) => (key === 'type' ? undefined : value))
      .toLowerCase()
      .includes(`"path":[{"text":${JSON.stringify(name.toLowerCase())}`)

  const compiler: Compiler = {
    sql: source,
    catalog,
    referenced: shared.referenced,
    views: shared.views,
    used,
    expr,
    bool,
    query,
    from,
    coerce,
    tryCoerce,
    unify,
    orderKey,
    cast,
    resolveTable,
    tableItem,
    fresh,
    invalid: bad,
    unsupported: refuse,
    mk,
  }
  const extras: CompilerExtras = { addInterval, concat, comparison, arithmetic, temporalLiteral, caseOf }
  extrasOf.set(compiler, extras)
  return compiler
}

const viewCatalog = (catalog: Catalog): Catalog => ({
  project_id: catalog.project_id,
  table: (ref) => catalog.table(ref),
  dataset: (ref) => catalog.dataset(ref),
  ...(catalog.datasets === undefined ? {} : { datasets: (project_id: string) => catalog.datasets?.(project_id) ?? [] }),
})

/** What the functions' table needs beside the Compiler. */
export interface CompilerExtras {
  addInterval(base: E, n: E, part: DatePart, sign: '+' | '-', pos: number): E
  concat(es: readonly E[], pos: number, what: string): E
  comparison(op: string, l: E, r: E, pos: number): E
  arithmetic(op: string, l: E, r: E, pos: number): E
  temporalLiteral(type: Type, value: string, pos: number): E | undefined
  caseOf(pos: number, whens: { when: string; then: E }[], otherwise: E | undefined, parts: (E | undefined)[]): E
}
const extrasOf = new WeakMap<Compiler, CompilerExtras>()
export const extras = (compiler: Compiler): CompilerExtras => {
  const found = extrasOf.get(compiler)
  if (found === undefined) throw new Error('googlesql: a compiler that createCompiler did not make')
  return found
}

/** Microseconds of a part with a fixed length. */
export const microseconds: Readonly<Record<string, number>> = {
  MICROSECOND: 1,
  MILLISECOND: 1_000,
  SECOND: 1_000_000,
  MINUTE: 60_000_000,
  HOUR: 3_600_000_000,
  DAY: 86_400_000_000,
}
const weekDays = ['SUNDAY', 'MONDAY', 'TUESDAY', 'WEDNESDAY', 'THURSDAY', 'FRIDAY', 'SATURDAY']
/** Number of the weekday that WEEK or WEEK(day) starts with; Sunday is 0. */
export const weekDay = (c: Compiler, part: DatePart): number => {
  const day = part.day === undefined ? 0 : weekDays.indexOf(part.day)
  if (day < 0) throw c.invalid(part.pos, `${part.day ?? ''} is no day of the week`)
  return day
}
const isZoneName = (zone: string): boolean => /^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/.test(zone)
/** A time zone argument: a literal name or a parameter. DuckDB fails on names that it does not know. */
export const zoneSql = (c: Compiler, zone: E): string => {
  if (zone.type.k !== 'STRING') throw c.invalid(zone.pos, 'A time zone is text')
  if (zone.lit?.kind === 'STRING') {
    if (/^[+-]\d/.test(zone.lit.value)) throw c.unsupported(zone.pos, 'A time zone given as an offset')
    if (!isZoneName(zone.lit.value)) throw c.invalid(zone.pos, `Invalid time zone: ${zone.lit.value}`)
  } else if (zone.param !== true) throw c.unsupported(zone.pos, 'A time zone that is no literal or parameter')
  return zone.sql
}
