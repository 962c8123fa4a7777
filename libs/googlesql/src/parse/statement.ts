/** The first word of a statement decides. */
import type { Statement } from '../ast.ts'
import { alter, create, drop } from './ddl.ts'
import { dmlTarget, insert, merge, setItems } from './dml.ts'
import { fromClause } from './from.ts'
import { targetPath } from './names.ts'
import { startsQuery } from './query.ts'
import type { Parser } from './tokens.ts'

const scriptWords = new Set(
  (
    'DECLARE SET IF LOOP WHILE REPEAT FOR BEGIN COMMIT ROLLBACK EXECUTE ASSERT CALL RAISE RETURN BREAK CONTINUE ' +
    'LEAVE ITERATE CASE'
  ).split(' '),
)

export const statement = (p: Parser): Statement => {
  const where = p.pos()
  if (startsQuery(p)) return { k: 'select', query: p.query(), pos: where }
  const word = p.peek()
  if (word.kind === 'end') throw p.invalid(where, 'Syntax error: unexpected end of statement')
  if (word.kind !== 'word') throw p.unexpected()
  p.next()
  switch (word.up) {
    case 'INSERT':
      return insert(p, where)
    case 'UPDATE': {
      const target = dmlTarget(p, [])
      p.expect('SET')
      const sets = setItems(p)
      const from = p.take('FROM') ? fromClause(p) : undefined
      if (!p.is('WHERE')) throw p.invalid(p.pos(), 'UPDATE must have a WHERE clause')
      p.expect('WHERE')
      return { k: 'update', target, sets, from, where: p.expression(), pos: where }
    }
    case 'DELETE': {
      p.take('FROM')
      const target = dmlTarget(p, [])
      if (!p.is('WHERE')) throw p.invalid(p.pos(), 'DELETE must have a WHERE clause')
      p.expect('WHERE')
      return { k: 'delete', target, where: p.expression(), pos: where }
    }
    case 'MERGE':
      return merge(p, where)
    case 'TRUNCATE':
      p.expect('TABLE')
      return { k: 'truncate', target: targetPath(p), pos: where }
    case 'CREATE':
      return create(p, where)
    case 'DROP':
      return drop(p, where)
    case 'ALTER':
      return alter(p, where)
    default:
      throw scriptWords.has(word.up)
        ? p.refuse(`${word.up} (a script)`, where)
        : p.refuse(`Statement ${word.up}`, where)
  }
}
