/**
 * A statement's tokens and the place where the parser stands. The areas of the grammar are functions that take the
 * parser; what they ask of each other in a circle (expressions hold queries, queries hold expressions) goes over it.
 */
import type { AppError } from '@convergence/contracts'
import type { Expr, Query } from '../ast.ts'
import { invalid, isPositional, tokenize, unsupported, type Token } from '../lexer.ts'

const maxDepth = 200
const maxChain = 500

export interface Mark {
  at: number
  depth: number
  tokens: Token[]
}

export class TokenReader {
  readonly sql: string
  private tokens: Token[]
  private at = 0
  private depth = 0

  constructor(sql: string) {
    this.sql = sql
    this.tokens = tokenize(sql)
  }

  /** The token to read next, or one further ahead; at the end the last one, of kind `end`. */
  peek(ahead = 0): Token {
    return this.tokens[Math.min(this.at + ahead, this.tokens.length - 1)] as Token
  }
  /** Of the tokens already read the last one, or one further back. */
  previous(back = 1): Token | undefined {
    return this.tokens[this.at - back]
  }
  pos(): number {
    return this.peek().start
  }
  next(): Token {
    const token = this.peek()
    if (this.at < this.tokens.length - 1) this.at++
    return token
  }
  skip(count: number): void {
    this.at += count
  }
  /** Whether these keywords or operators come next. */
  is(...words: string[]): boolean {
    return words.every((word, ahead) => this.peek(ahead).up === word)
  }
  /** Whether one of these comes next. */
  isAny(...words: string[]): boolean {
    return words.includes(this.peek().up)
  }
  /** Reads these words if they come next. */
  take(...words: string[]): boolean {
    if (!this.is(...words)) return false
    this.at += words.length
    return true
  }
  expect(...words: string[]): void {
    for (const word of words) if (!this.take(word)) throw this.unexpected(word)
  }
  list<T>(item: () => T): T[] {
    const items = [item()]
    while (this.take(',')) items.push(item())
    return items
  }
  parenthesized<T>(item: () => T): T[] {
    this.expect('(')
    const items = this.list(item)
    this.expect(')')
    return items
  }

  /** Bounds recursion. */
  nest<T>(inner: () => T): T {
    if (++this.depth > maxDepth) throw this.refuse(`Nesting deeper than ${maxDepth} levels`)
    const result = inner()
    this.depth--
    return result
  }
  /** Counts one more link of a left-deep chain of operators, and bounds it: DuckDB takes no deeper ones either. */
  chained(count: number): number {
    if (count >= maxChain) throw this.refuse(`An expression of more than ${maxChain} operators in a row`)
    return count + 1
  }

  mark(): Mark {
    return { at: this.at, depth: this.depth, tokens: this.tokens }
  }
  reset({ at, depth, tokens }: Mark): void {
    this.at = at
    this.depth = depth
    this.tokens = tokens
  }
  /** Makes one quoted name of the text from here to `end`, and reads what follows anew. */
  mergeInto(name: string, end: number): void {
    const before = this.tokens.slice(0, this.at)
    const { start } = this.peek()
    const questions = before.filter(isPositional).length
    this.tokens = [...before, { kind: 'quoted', text: name, up: '', start, end }, ...tokenize(this.sql, end, questions)]
  }

  shown(token: Token): string {
    return token.kind === 'end' ? 'end of statement' : JSON.stringify(this.sql.slice(token.start, token.end))
  }
  unexpected(expected?: string): AppError {
    const found = this.shown(this.peek())
    const what = expected === undefined ? `unexpected ${found}` : `expected ${expected} but got ${found}`
    return this.invalid(this.pos(), `Syntax error: ${what}`)
  }
  invalid(where: number, message: string): AppError {
    return invalid(this.sql, where, message)
  }
  /** An error for what BigQuery knows and this translation does not. */
  refuse(what: string, where = this.pos()): AppError {
    return unsupported(this.sql, where, what)
  }
}

export interface Parser extends TokenReader {
  expression: () => Expr
  query: () => Query
  /**
   * After an opening parenthesis: a query and the closing one. With more parentheses first it may turn out to be an
   * expression: undefined then.
   */
  closedQuery: () => Query | undefined
}
