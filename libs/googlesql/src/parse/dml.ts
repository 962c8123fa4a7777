/** INSERT, UPDATE, DELETE and MERGE. */
import type { MergeWhen, Path, SetItem, Statement } from '../ast.ts'
import { fromPrimary } from './from.ts'
import { identifier, nameList, optionalAlias, targetPath } from './names.ts'
import type { Parser } from './tokens.ts'

export const setItems = (p: Parser): SetItem[] =>
  p.list(() => {
    const where = p.pos()
    const target = [identifier(p)]
    while (p.take('.')) target.push(identifier(p, true))
    if (p.is('[')) throw p.refuse('SET of an array element')
    p.expect('=')
    return { path: target, value: p.expression(), pos: where }
  })
export const insert = (p: Parser, where: number): Statement => {
  if (p.is('OR')) throw p.refuse('INSERT OR')
  p.take('INTO')
  const target = targetPath(p)
  const columns = p.is('(') && !['SELECT', 'WITH', '('].includes(p.peek(1).up) ? nameList(p) : undefined
  if (p.take('VALUES')) {
    return { k: 'insert', target, columns, rows: p.list(() => p.parenthesized(p.expression)), pos: where }
  }
  return { k: 'insert', target, columns, query: p.query(), pos: where }
}
export const dmlTarget = (p: Parser, stop: string[]): Path => {
  const target = targetPath(p)
  target.alias = optionalAlias(p, stop)
  return target
}
export const merge = (p: Parser, where: number): Statement => {
  p.take('INTO')
  const target = dmlTarget(p, [])
  p.expect('USING')
  const source = fromPrimary(p)
  p.expect('ON')
  const on = p.expression()
  const whens: MergeWhen[] = []
  while (p.is('WHEN')) whens.push(mergeWhen(p))
  if (whens.length === 0) throw p.unexpected('WHEN')
  return { k: 'merge', target, source, on, whens, pos: where }
}
const mergeWhen = (p: Parser): MergeWhen => {
  const pos = p.next().start
  const match = mergeMatch(p)
  const condition = p.take('AND') ? p.expression() : undefined
  p.expect('THEN')
  return { match, condition, action: mergeAction(p), pos }
}
const mergeMatch = (p: Parser): MergeWhen['match'] => {
  const not = p.take('NOT')
  p.expect('MATCHED')
  if (!not) return 'MATCHED'
  if (p.take('BY')) {
    if (p.take('SOURCE')) return 'NOT MATCHED BY SOURCE'
    p.expect('TARGET')
  }
  return 'NOT MATCHED BY TARGET'
}
const mergeAction = (p: Parser): MergeWhen['action'] => {
  if (p.take('DELETE')) return { k: 'delete' }
  if (p.take('UPDATE')) {
    p.expect('SET')
    return { k: 'update', sets: setItems(p) }
  }
  p.expect('INSERT')
  const columns = p.is('(') ? nameList(p) : undefined
  if (p.take('ROW')) return { k: 'insert-row' }
  p.expect('VALUES')
  return { k: 'insert', columns, values: p.parenthesized(p.expression) }
}
