/** The tree that a statement parses to. `pos` is an offset in the text; positions in errors are made from it. */
import type { Field, Type } from './types.ts'

export interface Name {
  text: string
  pos: number
}
interface At {
  pos: number
}
export interface OrderKey extends At {
  expr: Expr
  desc: boolean
  nulls?: 'FIRST' | 'LAST' | undefined
}
export interface FrameBound {
  kind: 'UNBOUNDED PRECEDING' | 'UNBOUNDED FOLLOWING' | 'CURRENT ROW' | 'PRECEDING' | 'FOLLOWING'
  expr?: Expr | undefined
}
export interface WindowSpec extends At {
  base?: Name | undefined
  partition: Expr[]
  order: OrderKey[]
  frame?: { unit: 'ROWS' | 'RANGE'; from: FrameBound; to: FrameBound } | undefined
}
export interface Call extends At {
  k: 'call'
  /** Upper case, with prefix: SUM, SAFE.PARSE_DATE, NET.HOST. */
  name: string
  args: Expr[]
  star: boolean
  distinct: boolean
  nulls?: 'IGNORE' | 'RESPECT' | undefined
  having?: { max: boolean; expr: Expr } | undefined
  order: OrderKey[]
  limit?: Expr | undefined
  over?: WindowSpec | undefined
}
export interface DatePart extends At {
  part: string
  day?: string | undefined
}
export type IndexMode = 'OFFSET' | 'SAFE_OFFSET' | 'ORDINAL' | 'SAFE_ORDINAL' | 'PLAIN'
export type Expr =
  | (At & { k: 'lit'; type: 'INT64' | 'FLOAT64' | 'STRING' | 'BYTES' | 'BOOL' | 'NULL'; text: string })
  | (At & {
      k: 'typed'
      type: 'DATE' | 'TIME' | 'DATETIME' | 'TIMESTAMP' | 'NUMERIC' | 'BIGNUMERIC' | 'JSON'
      text: string
    })
  | (At & { k: 'param'; name: string })
  | (At & { k: 'path'; parts: Name[] })
  | (At & { k: 'dot'; base: Expr; name: Name })
  | (At & { k: 'index'; base: Expr; mode: IndexMode; index: Expr })
  | Call
  | (At & { k: 'unary'; op: '-' | '+' | '~' | 'NOT'; x: Expr })
  | (At & { k: 'binary'; op: string; l: Expr; r: Expr })
  | (At & { k: 'is'; x: Expr; what: 'NULL' | 'TRUE' | 'FALSE' | 'DISTINCT'; not: boolean; other?: Expr | undefined })
  | (At & { k: 'between'; x: Expr; lo: Expr; hi: Expr; not: boolean })
  | (At & {
      k: 'in'
      x: Expr
      not: boolean
      list?: Expr[] | undefined
      query?: Query | undefined
      unnest?: Expr | undefined
    })
  | (At & { k: 'like'; x: Expr; pattern: Expr; not: boolean })
  | (At & { k: 'case'; subject?: Expr | undefined; whens: { when: Expr; then: Expr }[]; otherwise?: Expr | undefined })
  | (At & { k: 'cast'; x: Expr; type: Type; safe: boolean })
  | (At & { k: 'extract'; part: DatePart; x: Expr; zone?: Expr | undefined })
  | (At & { k: 'interval'; n: Expr; part: DatePart })
  | (At & { k: 'exists'; query: Query })
  | (At & { k: 'subquery'; query: Query })
  | (At & { k: 'arrayq'; query: Query })
  | (At & { k: 'array'; of?: Type | undefined; items: Expr[] })
  | (At & { k: 'struct'; fields?: readonly Field[] | undefined; items: { expr: Expr; name?: string | undefined }[] })
  | (At & { k: 'default' })

export type FromItem =
  | (At & { k: 'table'; path: Name[]; alias?: Name | undefined })
  | (At & { k: 'unnest'; expr: Expr; alias?: Name | undefined; offset?: Name | undefined })
  | (At & { k: 'sub'; query: Query; alias?: Name | undefined })
  | (At & {
      k: 'join'
      kind: 'INNER' | 'LEFT' | 'RIGHT' | 'FULL' | 'CROSS' | 'COMMA'
      left: FromItem
      right: FromItem
      on?: Expr | undefined
      using?: Name[] | undefined
    })
  | (At & {
      k: 'pivot'
      input: FromItem
      aggregates: { call: Expr; alias?: Name | undefined }[]
      by: Expr
      values: { expr: Expr; alias?: Name | undefined }[]
      alias?: Name | undefined
    })
  | (At & {
      k: 'unpivot'
      input: FromItem
      value: Name
      name: Name
      columns: { column: Name; label?: Expr | undefined }[]
      nulls: boolean
      alias?: Name | undefined
    })
export type SelectItem =
  | (At & { k: 'expr'; expr: Expr; alias?: Name | undefined })
  | (At & { k: 'star'; base?: Expr | undefined; except: Name[]; replace: { expr: Expr; name: Name }[] })
export type Grouping =
  | { k: 'expr'; expr: Expr }
  | { k: 'rollup' | 'cube'; exprs: Expr[] }
  | { k: 'sets'; sets: Grouping[] }
  | { k: 'tuple'; exprs: Expr[] }
export interface Select extends At {
  k: 'select'
  distinct: boolean
  as?: 'STRUCT' | 'VALUE' | undefined
  items: SelectItem[]
  from?: FromItem | undefined
  where?: Expr | undefined
  groups?: Grouping[] | 'ALL' | undefined
  having?: Expr | undefined
  qualify?: Expr | undefined
  windows: { name: Name; spec: WindowSpec }[]
}
export interface SetOp extends At {
  k: 'setop'
  op: 'UNION ALL' | 'UNION DISTINCT' | 'INTERSECT DISTINCT' | 'EXCEPT DISTINCT'
  items: Body[]
}
export type Body = Select | SetOp | (At & { k: 'query'; query: Query })
export interface Query extends At {
  recursive: boolean
  ctes: { name: Name; query: Query }[]
  body: Body
  order: OrderKey[]
  limit?: Expr | undefined
  offset?: Expr | undefined
}

export interface ColumnDef extends At {
  name: Name
  type: Type
  not_null: boolean
  max_length?: number | undefined
  decimal?: { precision: number; scale: number } | undefined
  default?: Expr | undefined
  options: OptionDef[]
}
export interface OptionDef extends At {
  name: string
  value: Expr
}
export interface Path extends At {
  parts: Name[]
  alias?: Name | undefined
}
export interface MergeWhen extends At {
  match: 'MATCHED' | 'NOT MATCHED BY TARGET' | 'NOT MATCHED BY SOURCE'
  condition?: Expr | undefined
  action:
    | { k: 'delete' }
    | { k: 'update'; sets: SetItem[] }
    | { k: 'insert'; columns?: Name[] | undefined; values: Expr[] }
    | { k: 'insert-row' }
}
export interface SetItem extends At {
  path: Name[]
  value: Expr
}
export type Statement =
  | (At & { k: 'select'; query: Query })
  | (At & {
      k: 'insert'
      target: Path
      columns?: Name[] | undefined
      rows?: Expr[][] | undefined
      query?: Query | undefined
    })
  | (At & { k: 'update'; target: Path; sets: SetItem[]; from?: FromItem | undefined; where: Expr })
  | (At & { k: 'delete'; target: Path; where: Expr })
  | (At & { k: 'merge'; target: Path; source: FromItem; on: Expr; whens: MergeWhen[] })
  | (At & { k: 'truncate'; target: Path })
  | (At & {
      k: 'create-table'
      target: Path
      replace: boolean
      if_not_exists: boolean
      columns?: ColumnDef[] | undefined
      primary_key?: Name[] | undefined
      like?: Path | undefined
      partition?: Expr | undefined
      cluster: Name[]
      options: OptionDef[]
      query?: Query | undefined
    })
  | (At & {
      k: 'create-view'
      target: Path
      replace: boolean
      if_not_exists: boolean
      materialized: boolean
      columns?: { name: Name; options: OptionDef[] }[] | undefined
      options: OptionDef[]
      query: Query
      query_start: number
      query_end: number
    })
  | (At & { k: 'create-schema'; target: Path; if_not_exists: boolean; options: OptionDef[] })
  | (At & {
      k: 'drop'
      what: 'TABLE' | 'VIEW' | 'MATERIALIZED VIEW' | 'SCHEMA'
      target: Path
      if_exists: boolean
      cascade: boolean
    })
  | (At & { k: 'alter-table'; target: Path; if_exists: boolean; actions: AlterAction[] })
export type AlterAction =
  | (At & { k: 'add'; column: ColumnDef; if_not_exists: boolean })
  | (At & { k: 'drop'; name: Name; if_exists: boolean })
  | (At & { k: 'options'; options: OptionDef[] })
