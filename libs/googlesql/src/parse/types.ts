/** Types, in expressions and in column definitions. */
import { arrayOf, scalarNames, type Field, type Type } from '../types.ts'
import { identifier } from './names.ts'
import type { Parser } from './tokens.ts'

export const parseType = (p: Parser): Type =>
  p.nest(() => {
    const where = p.pos()
    if (p.take('ARRAY')) {
      p.expect('<')
      const of = parseType(p)
      p.expect('>')
      if (of.k === 'ARRAY') throw p.invalid(where, 'An array of arrays is not a type')
      return arrayOf(of)
    }
    if (p.take('STRUCT')) {
      p.expect('<')
      const fields = p.list((): Field => {
        const named = (p.peek().kind === 'word' || p.peek().kind === 'quoted') && p.peek(1).kind === 'word'
        if (!named) return { type: parseType(p) }
        return { name: identifier(p, true).text, type: parseType(p) }
      })
      p.expect('>')
      return { k: 'STRUCT', fields }
    }
    const word = p.next()
    const scalarName = word.kind === 'word' ? scalarNames[word.up] : undefined
    if (scalarName === undefined) throw p.refuse(`Type ${word.text === '' ? p.shown(word) : word.text}`, where)
    return { k: scalarName }
  })
/** A type in a column definition, where it may have parameters. */
export const parseColumnType = (
  p: Parser,
): { type: Type; max_length?: number; decimal?: { precision: number; scale: number } } => {
  const base = parseType(p)
  const where = p.pos()
  if (!p.take('(')) return { type: base }
  const numbers = p.list(() => Number(p.next().text))
  p.expect(')')
  const [first, second = 0] = numbers
  if (first === undefined || !numbers.every((n) => Number.isInteger(n) && n >= 0))
    throw p.invalid(where, 'Type parameters are whole numbers')
  if (base.k === 'STRING' && numbers.length === 1) return { type: base, max_length: first }
  if (
    base.k === 'NUMERIC' &&
    numbers.length <= 2 &&
    second <= 9 &&
    first >= Math.max(1, second) &&
    first <= 29 + second
  )
    return { type: base, decimal: { precision: first, scale: second } }
  throw p.refuse(`A parameter of type ${base.k}`, where)
}
