/** Statements of GoogleSQL from a seed: typed expressions, and queries of them over small tables of literals. */
import { aggregates, pools, scalars, typeNames, values, windows, type Signature } from './signatures.ts'

export interface Expr {
  type: string
  /** What stands before, between and after the arguments. */
  pieces: readonly string[]
  args: readonly Expr[]
}
export interface Table {
  name: string
  columns: readonly { name: string; type: string }[]
  /** Texts of values. */
  rows: readonly (readonly string[])[]
}
export interface Statement {
  form: string
  tables: readonly Table[]
  /** Select lists of equal length: one, or one for each side of a set operation. */
  lists: readonly (readonly Expr[])[]
  /** Conditions that may be left out. */
  conditions: readonly (Expr | undefined)[]
  ordered: boolean
  write(lists: readonly string[], conditions: readonly (string | undefined)[]): string
}

export type Random = () => number
/** Mulberry32: a small generator whose numbers are the seed's. */
export const randomOf = (seed: number): Random => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
const pick = <T>(random: Random, list: readonly T[]): T => {
  const one = list[Math.floor(random() * list.length)]
  if (one === undefined) throw new Error('nothing to pick from')
  return one
}

export const exprText = ({ pieces, args }: Expr): string =>
  pieces.map((piece, at) => `${piece}${args[at] === undefined ? '' : exprText(args[at])}`).join('')
const tableText = ({ name, columns, rows }: Table): string =>
  `${name} AS (${rows
    .map((row) => `SELECT ${row.map((value, at) => `${value} AS ${columns[at]?.name ?? ''}`).join(', ')}`)
    .join(' UNION ALL ')})`
export const statementText = ({ tables, lists, conditions, write }: Statement): string => {
  const items = lists.map((list) => list.map((e, at) => `${exprText(e)} AS x${at}`).join(', '))
  const body = write(
    items,
    conditions.map((condition) => condition && exprText(condition)),
  )
  return tables.length === 0 ? body : `WITH ${tables.map(tableText).join(', ')} ${body}`
}

const leaf = (type: string, text: string): Expr => ({ type, pieces: [text], args: [] })
const nullOf = (type: string): string => `CAST(NULL AS ${typeNames[type] ?? ''})`
export const literalOf = (random: Random, type: string): Expr => {
  const given = values[type]
  if (given === undefined) throw new Error(`no values of ${type}`)
  const chance = random()
  if (chance < 0.07 && !type.startsWith('A')) return leaf(type, nullOf(type))
  return leaf(type, pick(random, chance < 0.22 ? given.ends : given.usual))
}

interface Surroundings {
  random: Random
  /** A column, or an aggregate: what is at the bottom beside literals. */
  bottom(type: string): Expr | undefined
}
const byType = Map.groupBy(scalars, ({ result }) => result)
const filled = (at: Surroundings, { result, text }: Signature, make: (type: string) => Expr): Expr => {
  const pieces: string[] = []
  const args: Expr[] = []
  let piece = ''
  for (const part of text.split(/(\{\w+\})/)) {
    const slot = /^\{(\w+)\}$/.exec(part)?.[1]
    const pool = slot === undefined ? undefined : pools[slot]
    if (slot === undefined) piece += part
    else if (pool !== undefined) piece += pick(at.random, pool)
    else {
      pieces.push(piece)
      piece = ''
      args.push(make(slot))
    }
  }
  return { type: result, pieces: [...pieces, piece], args }
}
const bottomOf = (at: Surroundings, type: string): Expr =>
  (at.random() < 0.75 ? at.bottom(type) : undefined) ?? literalOf(at.random, type)
const expression = (at: Surroundings, type: string, depth: number): Expr => {
  const ways = byType.get(type) ?? []
  if (depth <= 0 || ways.length === 0 || at.random() < 0.35) return bottomOf(at, type)
  return filled(at, pick(at.random, ways), (inner) => expression(at, inner, depth - 1))
}
/** Any function, with arguments that are mostly plain. */
const anyExpression = (at: Surroundings, depth: number): Expr =>
  filled(at, pick(at.random, scalars), (inner) => expression(at, inner, depth - 1))

const columnTypes = ['i', 'i', 'f', 'n', 's', 's', 'd', 'D', 'T', 'b', 't', 'N', 'As', 'Ai']
const tableOf = (random: Random, name: string): Table => {
  const columns = [
    { name: 'id', type: 'i' },
    { name: 'g', type: 's' },
    ...Array.from({ length: 2 + Math.floor(random() * 3) }, (_, at) => ({
      name: `c${at}`,
      type: pick(random, columnTypes),
    })),
  ]
  const rows = Array.from({ length: 1 + Math.floor(random() * 5) }, (_, at) =>
    columns.map(({ name: column, type }) => {
      if (column === 'id') return String(at + 1)
      if (column === 'g') return pick(random, ["'a'", "'b'", nullOf('s')])
      // Sums of the ends would only overflow.
      const given = values[type]
      const chance = random()
      if (chance < 0.15 && !type.startsWith('A')) return nullOf(type)
      return pick(random, given === undefined || chance > 0.25 ? (given?.usual ?? []) : given.ends)
    }),
  )
  return { name, columns, rows }
}
const columnsOf = (random: Random, tables: readonly (readonly [string, Table])[]): Surroundings => ({
  random,
  bottom: (type) => {
    const fitting = tables.flatMap(([alias, table]) =>
      table.columns.filter((column) => column.type === type).map(({ name }) => `${alias}${name}`),
    )
    return fitting.length === 0 ? undefined : leaf(type, pick(random, fitting))
  },
})
const whereOf = (condition: string | undefined): string => (condition === undefined ? '' : ` WHERE ${condition}`)
const listOf = (count: number, make: () => Expr): Expr[] => Array.from({ length: count }, make)
const sometimes = <T>(random: Random, chance: number, make: () => T): T | undefined =>
  random() < chance ? make() : undefined

type Form = (random: Random) => Statement
const calls: Form = (random) => ({
  form: 'expressions',
  tables: [],
  lists: [listOf(1 + Math.floor(random() * 2), () => anyExpression({ random, bottom: () => undefined }, 2))],
  conditions: [],
  ordered: true,
  write: ([list = '']) => `SELECT ${list}`,
})
const rows: Form = (random) => {
  const table = tableOf(random, 't')
  const at = columnsOf(random, [['', table]])
  return {
    form: 'rows of a table',
    tables: [table],
    lists: [listOf(1 + Math.floor(random() * 3), () => anyExpression(at, 3))],
    conditions: [sometimes(random, 0.4, () => expression(at, 'b', 2))],
    ordered: true,
    write: ([list = ''], [where]) => `SELECT ${list} FROM t${whereOf(where)} ORDER BY id`,
  }
}
const groups: Form = (random) => {
  const table = tableOf(random, 't')
  const inner = columnsOf(random, [['', table]])
  const aggregate = (signature: Signature): Expr => filled(inner, signature, (type) => expression(inner, type, 1))
  const outer: Surroundings = {
    random,
    bottom: (type) => {
      const fitting = aggregates.filter(({ result }) => result === type)
      return fitting.length === 0 ? undefined : aggregate(pick(random, fitting))
    },
  }
  const grouped = random() < 0.7
  const key = pick(random, ['g', 'g', 'UPPER(g)', 'id > 2', 'MOD(id, 2)'])
  const kind = pick(random, [key, key, `ROLLUP(${key})`, `GROUPING SETS((${key}), ())`])
  return {
    form: 'aggregates',
    tables: [table],
    lists: [
      listOf(1 + Math.floor(random() * 2), () =>
        random() < 0.6 ? aggregate(pick(random, aggregates)) : anyExpression(outer, 1),
      ),
    ],
    conditions: [
      sometimes(random, 0.3, () => expression(inner, 'b', 1)),
      sometimes(random, 0.2, () => expression(outer, 'b', 1)),
    ],
    ordered: false,
    write: ([list = ''], [where, having]) =>
      `SELECT ${grouped ? `${kind.startsWith('ROLL') || kind.startsWith('GROUPING') ? '' : `${key} AS k, `}${list}` : list} FROM t` +
      `${whereOf(where)}${grouped ? ` GROUP BY ${kind}` : ''}${having === undefined ? '' : ` HAVING ${having}`}`,
  }
}
const windowed: Form = (random) => {
  const table = tableOf(random, 't')
  const inner = columnsOf(random, [['', table]])
  const call = (): Expr => filled(inner, pick(random, windows), (type) => expression(inner, type, 1))
  return {
    form: 'windows',
    tables: [table],
    lists: [listOf(1 + Math.floor(random() * 2), call)],
    conditions: [sometimes(random, 0.2, () => expression(inner, 'b', 1))],
    ordered: true,
    write: ([list = ''], [where]) => `SELECT id, ${list} FROM t${whereOf(where)} ORDER BY id`,
  }
}
const sets: Form = (random) => {
  const op = pick(random, ['UNION ALL', 'UNION ALL', 'UNION DISTINCT', 'INTERSECT DISTINCT', 'EXCEPT DISTINCT'])
  const at: Surroundings = { random, bottom: () => undefined }
  const types = listOf(1 + Math.floor(random() * 3), () => leaf(pick(random, Array.from('iifnNsdDTb')), '')).map(
    ({ type }) => type,
  )
  const wider: Readonly<Record<string, string>> = { i: 'ifnN', n: 'nf', f: 'fi' }
  const side = (): Expr[] =>
    types.map((type) => {
      if (random() < 0.12) return leaf(type, 'NULL')
      return expression(
        at,
        random() < 0.25 ? pick(random, Array.from(wider[type] ?? type)) : type,
        random() < 0.5 ? 0 : 2,
      )
    })
  return {
    form: 'set operations',
    tables: [],
    lists: [side(), side(), ...(random() < 0.2 ? [side()] : [])],
    conditions: [],
    ordered: false,
    write: (lists) => lists.map((list) => `SELECT ${list}`).join(` ${op} `),
  }
}
const joins: Form = (random) => {
  const tables = [tableOf(random, 't'), tableOf(random, 'u')] as const
  const at = columnsOf(random, [
    ['a.', tables[0]],
    ['b.', tables[1]],
  ])
  const kind = pick(random, ['JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN'])
  const on = pick(random, [
    'ON a.id = b.id',
    'ON a.g = b.g',
    'ON a.id = b.id AND a.g = b.g',
    'ON a.id < b.id',
    'USING (id)',
  ])
  return {
    form: 'joins',
    tables,
    lists: [listOf(1 + Math.floor(random() * 2), () => anyExpression(at, 1))],
    conditions: [sometimes(random, 0.3, () => expression(at, 'b', 2))],
    ordered: false,
    write: ([list = ''], [where]) =>
      `SELECT a.g AS ag, b.g AS bg, ${list} FROM t AS a ${kind} u AS b ${on}${whereOf(where)}`,
  }
}
const subqueries: Form = (random) => {
  const tables = [tableOf(random, 't'), tableOf(random, 'u')] as const
  const outer = columnsOf(random, [['t.', tables[0]]])
  const inner = columnsOf(random, [['u.', tables[1]]])
  const shape = pick(random, [
    'SELECT t.id, {list}, (SELECT COUNT(*) FROM u WHERE u.id < t.id) AS n FROM t{where}',
    'SELECT t.id, {list} FROM t WHERE t.id IN (SELECT u.id FROM u{inner})',
    'SELECT t.id, {list} FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.g = t.g)',
    'SELECT DISTINCT {list} FROM t{where}',
    'SELECT t.id, {list} FROM t WHERE t.id NOT IN (SELECT u.id FROM u{inner})',
    'SELECT t.id, {list} FROM t{where} QUALIFY ROW_NUMBER() OVER (PARTITION BY t.g ORDER BY t.id) = 1',
    'SELECT s.* FROM (SELECT t.id, {list} FROM t{where}) AS s',
    'SELECT t.id, {list} FROM t{where} ORDER BY t.id DESC LIMIT 2',
  ])
  return {
    form: 'subqueries',
    tables,
    lists: [listOf(1, () => anyExpression(outer, 1))],
    conditions: [
      sometimes(random, 0.4, () => expression(outer, 'b', 2)),
      sometimes(random, 0.4, () => expression(inner, 'b', 1)),
    ],
    ordered: shape.includes('LIMIT'),
    write: ([list = ''], [where, other]) =>
      shape
        .replace('{list}', () => list)
        .replace('{where}', () => whereOf(where))
        .replace('{inner}', () => whereOf(other)),
  }
}
const forms: readonly Form[] = [
  calls,
  calls,
  calls,
  rows,
  rows,
  rows,
  groups,
  groups,
  windowed,
  sets,
  joins,
  subqueries,
]

export const generate = (random: Random): Statement => pick(random, forms)(random)
