/** Window functions. */
import { isNumber } from '../compile/compiler.ts'
import { one } from './aggregates.ts'
import { type WindowFunction, noMatch } from './signature.ts'
import { FLOAT64, INT64, type Type, typeName } from '../types.ts'

const ranking = (fn: string, type: Type, order: boolean): WindowFunction => ({
  min: 0,
  max: 0,
  nulls: false,
  frame: false,
  order,
  gen: () => ({ type, sql: (over) => (type.k === 'INT64' ? `CAST(${fn}()${over} AS BIGINT)` : `${fn}()${over}`) }),
})
export const shift = (fn: 'lag' | 'lead'): WindowFunction => ({
  min: 1,
  max: 3,
  nulls: false,
  frame: false,
  order: true,
  gen: (compiler, ast, args) => {
    const [x, n, other] = args
    if (x === undefined) throw noMatch(compiler, ast, args)
    const type = x.type.k === 'NULL' ? INT64 : x.type
    if (
      n !== undefined &&
      (n.type.k !== 'INT64' || (n.lit === undefined && n.param !== true) || n.lit?.value.startsWith('-') === true)
    )
      throw compiler.invalid(n.pos, `${ast.name}: the offset must be a whole number or a parameter`)
    const rest = [n?.sql, other === undefined ? undefined : compiler.coerce(other, type, ast.name).sql].filter(
      (sql) => sql !== undefined,
    )
    return { type, sql: (over) => `${fn}(${[compiler.coerce(x, type, ast.name).sql, ...rest].join(', ')})${over}` }
  },
})
const valueOf = (fn: string, min: number): WindowFunction => ({
  min,
  max: min,
  nulls: true,
  frame: true,
  order: true,
  gen: (compiler, ast, args) => {
    const x = one(args)
    const n = args[1]
    if (n === undefined && x.lit?.kind === 'NULL')
      throw compiler.invalid(x.pos, `The argument to ${ast.name} must be non-NULL`)
    if (n !== undefined && (n.lit?.kind !== 'INT64' || Number(n.lit.value) < 1))
      throw compiler.unsupported(n.pos, `${ast.name} at a position that is no positive literal`)
    return {
      type: x.type.k === 'NULL' ? INT64 : x.type,
      sql: (over) =>
        `${fn}(${args.map((e) => e.sql).join(', ')}${ast.nulls === 'IGNORE' ? ' IGNORE NULLS' : ''})${over}`,
    }
  },
})
const percentile = (fn: string): WindowFunction => ({
  min: 2,
  max: 2,
  nulls: false,
  frame: false,
  order: false,
  gen: (compiler, ast, args) => {
    const [x0, p] = args
    if (x0 === undefined || p?.lit === undefined || !(Number(p.lit.value) >= 0 && Number(p.lit.value) <= 1))
      throw compiler.unsupported(ast.pos, `${ast.name} whose percentile is no literal between 0 and 1`)
    const x = ast.name === 'PERCENTILE_CONT' ? compiler.coerce(x0, FLOAT64, ast.name) : x0
    if (!isNumber(x.type)) throw compiler.unsupported(ast.pos, `${ast.name} of ${typeName(x.type)}`)
    if (ast.over !== undefined && ast.over.order.length > 0)
      throw compiler.invalid(ast.pos, `${ast.name} takes no ORDER BY`)
    return { type: x.type, sql: (over) => `${fn}(${x.sql}, ${p.lit?.value ?? '0'})${over}` }
  },
})

/** Functions that need OVER, by upper-case name. */
export const windowFunctions: ReadonlyMap<string, WindowFunction> = new Map(
  Object.entries({
    ROW_NUMBER: ranking('row_number', INT64, false),
    RANK: ranking('rank', INT64, true),
    DENSE_RANK: ranking('dense_rank', INT64, true),
    PERCENT_RANK: ranking('percent_rank', FLOAT64, true),
    CUME_DIST: ranking('cume_dist', FLOAT64, true),
    NTILE: {
      min: 1,
      max: 1,
      nulls: false,
      frame: false,
      order: true,
      gen: (compiler, ast, args) => {
        const n = one(args)
        if (n.lit?.kind !== 'INT64' || Number(n.lit.value) < 1)
          throw compiler.unsupported(ast.pos, 'NTILE with buckets that are no positive literal')
        return { type: INT64, sql: (over) => `CAST(ntile(${n.sql})${over} AS BIGINT)` }
      },
    },
    LAG: shift('lag'),
    LEAD: shift('lead'),
    FIRST_VALUE: valueOf('first_value', 1),
    LAST_VALUE: valueOf('last_value', 1),
    NTH_VALUE: valueOf('nth_value', 2),
    PERCENTILE_CONT: percentile('quantile_cont'),
    PERCENTILE_DISC: percentile('quantile_disc'),
  } satisfies Record<string, WindowFunction>),
)
