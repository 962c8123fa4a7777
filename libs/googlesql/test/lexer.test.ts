/**
 * The lexer against the answers of Google's own engine (com.google.zetasql 2025.03.1), asked for each line here: where
 * a comment ends, what a literal holds, what is refused.
 */
import { AppError } from '@convergence/contracts'
import { expect } from 'chai'
import fc from 'fast-check'
import { scan, tokenize } from '../src/lexer.ts'

const values = (sql: string) =>
  tokenize(sql)
    .slice(0, -1)
    .map(({ kind, text }) => `${kind} ${text}`)
const hex = (text: string) => Buffer.from(text).toString('hex')

describe('the lexer', () => {
  for (const [what, sql, expected] of [
    ['a line feed ends a comment', '1 -- x\n2', ['int 1', 'int 2']],
    ['a carriage return ends a comment of two dashes', '1 -- x\r2', ['int 1', 'int 2']],
    ['a carriage return ends a comment of a hash', '1 # x\r2', ['int 1', 'int 2']],
    ['both together end a comment once', '1 -- x\r\n2', ['int 1', 'int 2']],
    ['a backslash does not keep a comment from its end', '1 -- \\\r2', ['int 1', 'int 2']],
    ['no other line break of Unicode ends a comment', '1 -- \u2028 \u0085 \v \f 2', ['int 1']],
    ['comments with asterisks do not nest', '1 /* a /* b */ 2', ['int 1', 'int 2']],
    ['the asterisk that opens a comment does not close it', '1 /*/ 2 */ 3', ['int 1', 'int 3']],
    ['two dashes are a comment behind a number too', '1--2', ['int 1']],
    ['spaces of Unicode are space', '1\u00a02\u30003\u202f4\b5', ['int 1', 'int 2', 'int 3', 'int 4', 'int 5']],
    ['escapes are read', String.raw`'\x41\X42\u0043\U00000044\105\n\?'`, ['string ABCDE\n?']],
    ['an octal escape is a code point in text, a byte in bytes', "'\\303' b'\\303'", ['string Ã', 'bytes c3']],
    ['escapes are read in quoted names', '`a\\`\\u0041\\n`', ['quoted a`A\n']],
    ['three quotes hold lines, each end as a line feed', "'''a\r\nb\rc\nd'''", ['string a\nb\nc\nd']],
    ['a raw literal of three quotes too', "r'''a\r\nb'''", ['string a\nb']],
    ['a raw literal keeps a line end behind a backslash', "r'a\\\r\nb'", ['string a\\\r\nb']],
    ['a raw literal keeps the quote behind a backslash', String.raw`r'a\'b'`, [String.raw`string a\'b`]],
    ['raw bytes keep it too', "rb'''a\\\r\nb'''", [`bytes ${hex('a\\\r\nb')}`]],
    ['four quotes begin with three', "''''a'''", ["string 'a"]],
    ['bytes of letters are UTF-8', "b'é'", ['bytes c3a9']],
    ['prefixes have any order and case', "bR'a' Rb\"b\" B'c'", ['bytes 61', 'bytes 62', 'bytes 63']],
    ['numbers begin and end with a dot', '0XfF 1.e3 .5 1.', ['int 0XfF', 'float 1.e3', 'float .5', 'float 1.']],
    ['a dot behind a name is a path', 'a.1', ['word a', 'op .', 'int 1']],
  ] as const)
    it(what, () => {
      expect(values(sql)).to.deep.equal(expected)
    })

  for (const [what, sql] of [
    ['a line feed in a literal of one quote', "'a\nb'"],
    ['a carriage return in a literal of one quote', "'a\rb'"],
    ['an escaped line end', "'a\\\nb'"],
    ['an escaped carriage return', "'a\\\rb'"],
    ['an escaped line end between three quotes', "'''a\\\r\nb'''"],
    ['a line feed in a quoted name', '`a\nb`'],
    ['a carriage return in a quoted name', '`a\rb`'],
    ['an empty quoted name', '``'],
    ['a comment without an end', '1 /* x'],
    ['a raw literal that ends in a backslash', String.raw`r'\'`],
    ['a quoted name that ends in a backslash', '`a\\`'],
    ['an unknown escape', String.raw`'\7'`],
    ['an octal escape above 377', String.raw`'\400'`],
    ['half of a surrogate pair', String.raw`'\ud800'`],
    ['a code point above the last', String.raw`'\U00110000'`],
    ['a Unicode escape in bytes', String.raw`b'\u0041'`],
    ['a letter outside ASCII', 'é'],
    ['a line separator of Unicode', '1\u2028'],
    ['a byte order mark', '\ufeff1'],
    ['a backslash', '1 \\'],
  ] as const)
    it(`refuses ${what}`, () => {
      expect(() => tokenize(sql))
        .to.throw(AppError)
        .with.property('code', 'QUERY_INVALID')
    })

  it('cuts any text into pieces that are the whole text', () => {
    const marks = fc.string({ unit: fc.constantFrom(...'\'"`\\-#/*\n\r rb{a}1.@') })
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), marks), (sql) => {
        const pieces = scan(sql).map(({ start, end }) => sql.slice(start, end))
        expect(pieces.join('')).to.equal(sql)
      }),
      { numRuns: 5000 },
    )
  })
})
