/** OVER, and the sort keys that it shares with ORDER BY. */
import type { FrameBound, OrderKey, WindowSpec } from '../ast.ts'
import { identifier } from './names.ts'
import type { Parser } from './tokens.ts'

export const orderKey = (p: Parser): OrderKey => {
  const where = p.pos()
  const key: OrderKey = { expr: p.expression(), desc: false, pos: where }
  if (p.is('COLLATE')) throw p.refuse('COLLATE')
  if (p.take('DESC')) key.desc = true
  else p.take('ASC')
  if (p.take('NULLS')) {
    if (p.take('FIRST')) key.nulls = 'FIRST'
    else {
      p.expect('LAST')
      key.nulls = 'LAST'
    }
  }
  return key
}
export const windowSpec = (p: Parser): WindowSpec => {
  const where = p.pos()
  p.expect('(')
  const spec: WindowSpec = { partition: [], order: [], pos: where }
  if (!p.is(')') && !p.is('PARTITION') && !p.is('ORDER') && !p.is('ROWS') && !p.is('RANGE') && !p.is('GROUPS'))
    spec.base = identifier(p)
  if (p.take('PARTITION')) {
    p.expect('BY')
    spec.partition = p.list(p.expression)
  }
  if (p.take('ORDER')) {
    p.expect('BY')
    spec.order = p.list(() => orderKey(p))
  }
  if (p.is('GROUPS')) throw p.refuse('A GROUPS frame')
  if (p.is('ROWS') || p.is('RANGE')) {
    const unit = p.next().up === 'ROWS' ? 'ROWS' : 'RANGE'
    if (p.take('BETWEEN')) {
      const from = frameBound(p)
      p.expect('AND')
      spec.frame = { unit, from, to: frameBound(p) }
    } else spec.frame = { unit, from: frameBound(p), to: { kind: 'CURRENT ROW' } }
    if (p.is('EXCLUDE')) throw p.refuse('EXCLUDE in a window frame')
  }
  p.expect(')')
  return spec
}
const frameBound = (p: Parser): FrameBound => {
  if (p.take('UNBOUNDED')) {
    if (p.take('PRECEDING')) return { kind: 'UNBOUNDED PRECEDING' }
    p.expect('FOLLOWING')
    return { kind: 'UNBOUNDED FOLLOWING' }
  }
  if (p.take('CURRENT')) {
    p.expect('ROW')
    return { kind: 'CURRENT ROW' }
  }
  const bound = p.expression()
  if (p.take('PRECEDING')) return { kind: 'PRECEDING', expr: bound }
  p.expect('FOLLOWING')
  return { kind: 'FOLLOWING', expr: bound }
}
