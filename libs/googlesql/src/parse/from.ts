/** FROM: tables, joins, UNNEST, PIVOT and UNPIVOT. */
import type { FromItem } from '../ast.ts'
import { bitOr } from './expression.ts'
import { identifier, optionalAlias, tablePath } from './names.ts'
import { primary } from './primary.ts'
import type { Parser } from './tokens.ts'

export const fromClause = (p: Parser): FromItem =>
  p.nest(() => {
    let left = fromPrimary(p)
    let comma = false
    for (let count = 0; ; count = p.chained(count)) {
      const where = p.pos()
      if (p.take(',')) {
        comma = true
        left = { k: 'join', kind: 'COMMA', left, right: fromPrimary(p), pos: where }
        continue
      }
      if (p.is('NATURAL')) throw p.refuse('NATURAL JOIN')
      const kind = joinKind(p)
      if (kind === undefined) return left
      if (p.is('@')) throw p.refuse('A hint')
      if (comma && (kind === 'RIGHT' || kind === 'FULL'))
        throw p.invalid(where, `Syntax error: ${kind} JOIN after a comma join needs parentheses`)
      const right = fromPrimary(p)
      const join: FromItem = { k: 'join', kind, left, right, pos: where }
      if (kind !== 'CROSS') {
        if (p.take('ON')) join.on = p.expression()
        else if (p.take('USING')) join.using = p.parenthesized(() => identifier(p))
        else if (right.k !== 'unnest' && right.k !== 'table') throw p.unexpected('ON or USING')
      }
      left = join
    }
  })
/** The words up to JOIN; undefined where no join follows. */
const joinKind = (p: Parser): 'INNER' | 'LEFT' | 'RIGHT' | 'FULL' | 'CROSS' | undefined => {
  if (p.take('JOIN')) return 'INNER'
  for (const kind of ['INNER', 'CROSS'] as const) if (p.take(kind, 'JOIN')) return kind
  for (const kind of ['LEFT', 'RIGHT', 'FULL'] as const)
    if (p.take(kind, 'JOIN') || p.take(kind, 'OUTER', 'JOIN')) return kind
  return undefined
}
export const fromPrimary = (p: Parser): FromItem => {
  const where = p.pos()
  let item: FromItem
  if (p.is('@')) throw p.refuse('A hint')
  if (p.is('LATERAL')) throw p.refuse('LATERAL')
  if (p.take('(')) {
    const sub = p.closedQuery()
    if (sub !== undefined) item = { k: 'sub', query: sub, alias: optionalAlias(p, ['PIVOT', 'UNPIVOT']), pos: where }
    else {
      const inner = fromClause(p)
      p.expect(')')
      item = inner
    }
  } else if (p.take('UNNEST')) {
    p.expect('(')
    const array = p.expression()
    if (p.is(',')) throw p.refuse('UNNEST of several arrays')
    p.expect(')')
    item = unnestTail(p, { k: 'unnest', expr: array, pos: where })
  } else {
    const parts = tablePath(p)
    if (p.is('(')) throw p.refuse('A table function')
    if (p.is('FOR')) throw p.refuse('FOR SYSTEM_TIME AS OF')
    item = { k: 'table', path: parts, alias: optionalAlias(p, ['PIVOT', 'UNPIVOT']), pos: where }
    if (p.is('FOR')) throw p.refuse('FOR SYSTEM_TIME AS OF')
    if (p.is('WITH', 'OFFSET'))
      item = unnestTail(p, { k: 'unnest', expr: { k: 'path', parts, pos: where }, alias: item.alias, pos: where })
  }
  for (;;) {
    if (p.is('TABLESAMPLE')) throw p.refuse('TABLESAMPLE')
    if (p.is('PIVOT', '(')) item = pivot(p, item)
    else if (p.is('UNPIVOT')) item = unpivot(p, item)
    else return item
  }
}
const unnestTail = (p: Parser, item: FromItem & { k: 'unnest' }): FromItem => {
  item.alias ??= optionalAlias(p)
  if (p.take('WITH')) {
    const where = p.pos()
    p.expect('OFFSET')
    item.offset = optionalAlias(p) ?? { text: 'offset', pos: where }
  }
  return item
}
const pivot = (p: Parser, input: FromItem): FromItem => {
  const where = p.next().start
  p.expect('(')
  const aggregates = p.list(() => ({ call: p.expression(), alias: optionalAlias(p) }))
  p.expect('FOR')
  const by = bitOr(p)
  p.expect('IN')
  const values = p.parenthesized(() => ({ expr: p.expression(), alias: optionalAlias(p) }))
  p.expect(')')
  return { k: 'pivot', input, aggregates, by, values, alias: optionalAlias(p), pos: where }
}
const unpivot = (p: Parser, input: FromItem): FromItem => {
  const where = p.next().start
  let nulls = false
  if (p.take('INCLUDE', 'NULLS')) nulls = true
  else p.take('EXCLUDE', 'NULLS')
  p.expect('(')
  if (p.is('(')) throw p.refuse('UNPIVOT of several columns at once')
  const value = identifier(p)
  p.expect('FOR')
  const label = identifier(p)
  p.expect('IN')
  const columns = p.parenthesized(() => {
    if (p.is('(')) throw p.refuse('UNPIVOT of several columns at once')
    const column = identifier(p)
    return { column, label: p.take('AS') ? primary(p) : undefined }
  })
  p.expect(')')
  return { k: 'unpivot', input, value, name: label, columns, nulls, alias: optionalAlias(p), pos: where }
}
