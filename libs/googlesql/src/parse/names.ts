/** Identifiers, aliases and paths of tables. */
import type { Name, Path } from '../ast.ts'
import type { Parser } from './tokens.ts'

export const reserved = new Set(
  (
    'ALL AND ANY ARRAY AS ASC ASSERT_ROWS_MODIFIED AT BETWEEN BY CASE CAST COLLATE CONTAINS CREATE CROSS CUBE ' +
    'CURRENT DEFAULT DEFINE DESC DISTINCT ELSE END ENUM ESCAPE EXCEPT EXCLUDE EXISTS EXTRACT FALSE FETCH ' +
    'FOLLOWING FOR FROM FULL GROUP GROUPING GROUPS HASH HAVING IF IGNORE IN INNER INTERSECT INTERVAL INTO IS JOIN ' +
    'LATERAL LEFT LIKE LIMIT LOOKUP MERGE NATURAL NEW NO NOT NULL NULLS OF ON OR ORDER OUTER OVER PARTITION ' +
    'PRECEDING PROTO QUALIFY RANGE RECURSIVE RESPECT RIGHT ROLLUP ROWS SELECT SET SOME STRUCT TABLESAMPLE THEN TO ' +
    'TREAT TRUE UNBOUNDED UNION UNNEST USING WHEN WHERE WINDOW WITH WITHIN'
  ).split(' '),
)

/** An identifier; after a dot any word is one. */
export const identifier = (p: Parser, afterDot = false): Name => {
  const token = p.peek()
  if (token.kind === 'quoted' || (token.kind === 'word' && (afterDot || !reserved.has(token.up)))) {
    p.next()
    return { text: token.text, pos: token.start }
  }
  throw p.unexpected('an identifier')
}
export const optionalAlias = (p: Parser, words: readonly string[] = []): Name | undefined => {
  const before = p.previous()
  if (p.take('AS')) return identifier(p)
  const token = p.peek()
  if (token.kind === 'quoted' || (token.kind === 'word' && !reserved.has(token.up) && !words.includes(token.up))) {
    if (before !== undefined && before.end === token.start && (before.kind === 'int' || before.kind === 'float'))
      throw p.invalid(token.start, 'Syntax error: missing whitespace between literal and alias')
    return identifier(p)
  }
  return undefined
}
/** A table path: dots inside backquotes split, dashes outside backquotes belong to the first part. */
export const tablePath = (p: Parser): Name[] => {
  const first = p.peek()
  if (first.kind === 'word' && p.sql[first.end] === '-' && !reserved.has(first.up)) {
    const dashed = /^[A-Za-z_][A-Za-z0-9_]*(?:-[A-Za-z0-9_]+)+(?=\.)/.exec(p.sql.slice(first.start))
    if (dashed !== null) p.mergeInto(dashed[0], first.start + dashed[0].length)
  }
  const parts: Name[] = []
  do {
    const part = identifier(p, parts.length > 0)
    for (const piece of part.text.split('.')) {
      if (piece === '') throw p.invalid(part.pos, 'Syntax error: empty part in a table name')
      parts.push({ text: piece, pos: part.pos })
    }
  } while (p.take('.'))
  if (p.is('*') && p.peek().start === p.previous()?.end) throw p.refuse('A wildcard table', first.start)
  for (const part of parts) {
    if (part.text.endsWith('*')) throw p.refuse('A wildcard table', part.pos)
    if (part.text.includes('$')) throw p.refuse('A partition decorator in a statement', part.pos)
  }
  return parts
}
export const targetPath = (p: Parser): Path => {
  const where = p.pos()
  return { parts: tablePath(p), pos: where }
}
export const nameList = (p: Parser): Name[] => p.parenthesized(() => identifier(p, true))
