/** GoogleSQL tokens to a tree. What the grammar here does not know is refused by name, with its position. */
import { AppError } from '@convergence/contracts'
import type {
  AlterAction,
  Body,
  Call,
  ColumnDef,
  DatePart,
  Expr,
  FrameBound,
  FromItem,
  Grouping,
  IndexMode,
  MergeWhen,
  Name,
  OptionDef,
  OrderKey,
  Path,
  Query,
  Select,
  SelectItem,
  SetItem,
  SetOp,
  Statement,
  WindowSpec,
} from './ast.ts'
import { invalid, tokenize, unsupported, isPositional, type Token } from './lexer.ts'
import { arrayOf, scalarNames, type Field, type Type } from './types.ts'

export type * from './ast.ts'

const reserved = new Set(
  (
    'ALL AND ANY ARRAY AS ASC ASSERT_ROWS_MODIFIED AT BETWEEN BY CASE CAST COLLATE CONTAINS CREATE CROSS CUBE CURRENT DEFAULT DEFINE DESC DISTINCT ELSE END ENUM ESCAPE ' +
    'EXCEPT EXCLUDE EXISTS EXTRACT FALSE FETCH FOLLOWING FOR FROM FULL GROUP GROUPING GROUPS HASH HAVING IF IGNORE IN INNER INTERSECT INTERVAL INTO IS JOIN LATERAL LEFT LIKE LIMIT LOOKUP ' +
    'MERGE NATURAL NEW NO NOT NULL NULLS OF ON OR ORDER OUTER OVER PARTITION PRECEDING PROTO QUALIFY RANGE RECURSIVE RESPECT RIGHT ROLLUP ROWS SELECT SET SOME STRUCT TABLESAMPLE THEN TO TREAT ' +
    'TRUE UNBOUNDED UNION UNNEST USING WHEN WHERE WINDOW WITH WITHIN'
  ).split(' '),
)
/** Reserved words that are also functions. */
const callable = new Set(['IF', 'LEFT', 'RIGHT', 'GROUPING', 'ANY', 'ARRAY', 'COALESCE'])
const literalTypes = {
  DATE: 'DATE',
  TIME: 'TIME',
  DATETIME: 'DATETIME',
  TIMESTAMP: 'TIMESTAMP',
  NUMERIC: 'NUMERIC',
  DECIMAL: 'NUMERIC',
  BIGNUMERIC: 'BIGNUMERIC',
  BIGDECIMAL: 'BIGNUMERIC',
  JSON: 'JSON',
} as const
const isLiteralType = (word: string): word is keyof typeof literalTypes => Object.hasOwn(literalTypes, word)
/** Constants that need no parentheses. */
const bareCalls = new Set(['CURRENT_DATE', 'CURRENT_TIMESTAMP', 'CURRENT_DATETIME', 'CURRENT_TIME'])
const maxDepth = 200
const maxChain = 500

/** Parses exactly one statement, optionally with one trailing semicolon. */
export const parseStatement = (sql: string): Statement => {
  let tokens = tokenize(sql)
  let at = 0
  let depth = 0

  // ---- tokens

  const peek = (ahead = 0): Token =>
    tokens[Math.min(at + ahead, tokens.length - 1)] ?? {
      kind: 'end',
      text: '',
      up: '',
      start: sql.length,
      end: sql.length,
    }
  const pos = (): number => peek().start
  const next = (): Token => {
    const token = peek()
    if (at < tokens.length - 1) at++
    return token
  }
  const is = (...words: string[]): boolean => words.every((word, index) => peek(index).up === word)
  const take = (...words: string[]): boolean => {
    if (!is(...words)) return false
    at += words.length
    return true
  }
  const shown = (token: Token): string =>
    token.kind === 'end' ? 'end of statement' : JSON.stringify(sql.slice(token.start, token.end))
  const unexpected = (expected?: string): AppError =>
    invalid(
      sql,
      pos(),
      `Syntax error: ${expected === undefined ? 'unexpected' : `expected ${expected} but got`} ${shown(peek())}`,
    )
  const expect = (...words: string[]): void => {
    for (const word of words) if (!take(word)) throw unexpected(word)
  }
  const refuse = (what: string, where = pos()): AppError => unsupported(sql, where, what)
  const nest = <T>(inner: () => T): T => {
    if (++depth > maxDepth) throw refuse('Nesting deeper than 200 levels')
    const result = inner()
    depth--
    return result
  }
  /** Left-deep chains of operators: DuckDB takes no deeper ones either. */
  const chained = (count: number): void => {
    if (count > maxChain) throw refuse(`An expression of more than ${maxChain} operators in a row`)
  }
  const list = <T>(item: () => T): T[] => {
    const items = [item()]
    while (take(',')) items.push(item())
    return items
  }

  // ---- names

  /** An identifier; after a dot any word is one. */
  const name = (afterDot = false): Name => {
    const token = peek()
    if (token.kind === 'quoted' || (token.kind === 'word' && (afterDot || !reserved.has(token.up)))) {
      next()
      return { text: token.text, pos: token.start }
    }
    throw unexpected('an identifier')
  }
  const optionalAlias = (words: readonly string[] = []): Name | undefined => {
    const before = tokens[at - 1]
    if (take('AS')) return name()
    const token = peek()
    if (token.kind === 'quoted' || (token.kind === 'word' && !reserved.has(token.up) && !words.includes(token.up))) {
      if (before !== undefined && before.end === token.start && (before.kind === 'int' || before.kind === 'float'))
        throw invalid(sql, token.start, 'Syntax error: missing whitespace between literal and alias')
      return name()
    }
    return undefined
  }
  /** A table path: dots inside backquotes split, dashes outside backquotes belong to the first part. */
  const tablePath = (): Name[] => {
    const first = peek()
    if (first.kind === 'word' && sql[first.end] === '-' && !reserved.has(first.up)) {
      const dashed = /^[A-Za-z_][A-Za-z0-9_]*(?:-[A-Za-z0-9_]+)+(?=\.)/.exec(sql.slice(first.start))
      if (dashed !== null) {
        const end = first.start + dashed[0].length
        tokens = [
          ...tokens.slice(0, at),
          { kind: 'quoted', text: dashed[0], up: '', start: first.start, end },
          ...tokenize(sql, end, tokens.slice(0, at).filter(isPositional).length),
        ]
      }
    }
    const parts: Name[] = []
    do {
      const part = name(parts.length > 0)
      for (const piece of part.text.split('.')) {
        if (piece === '') throw invalid(sql, part.pos, 'Syntax error: empty part in a table name')
        parts.push({ text: piece, pos: part.pos })
      }
    } while (take('.'))
    if (is('*') && peek().start === tokens[at - 1]?.end) throw refuse('A wildcard table', first.start)
    for (const part of parts) {
      if (part.text.endsWith('*')) throw refuse('A wildcard table', part.pos)
      if (part.text.includes('$')) throw refuse('A partition decorator in a statement', part.pos)
    }
    return parts
  }
  const path = (): Path => {
    const where = pos()
    return { parts: tablePath(), pos: where }
  }

  // ---- types

  const type = (): Type =>
    nest(() => {
      const where = pos()
      if (take('ARRAY')) {
        expect('<')
        const of = type()
        expect('>')
        if (of.k === 'ARRAY') throw invalid(sql, where, 'An array of arrays is not a type')
        return arrayOf(of)
      }
      if (take('STRUCT')) {
        expect('<')
        const fields = list((): Field => {
          const named = (peek().kind === 'word' || peek().kind === 'quoted') && peek(1).kind === 'word'
          if (!named) return { type: type() }
          return { name: name(true).text, type: type() }
        })
        expect('>')
        return { k: 'STRUCT', fields }
      }
      const word = next()
      const scalarName = word.kind === 'word' ? scalarNames[word.up] : undefined
      if (scalarName === undefined) throw refuse(`Type ${word.text === '' ? shown(word) : word.text}`, where)
      return { k: scalarName }
    })
  /** A type in a column definition, where it may have parameters. */
  const columnType = (): { type: Type; max_length?: number; decimal?: { precision: number; scale: number } } => {
    const base = type()
    const where = pos()
    if (!take('(')) return { type: base }
    const numbers = list(() => Number(next().text))
    expect(')')
    const [first, second = 0] = numbers
    if (first === undefined || !numbers.every((n) => Number.isInteger(n) && n >= 0))
      throw invalid(sql, where, 'Type parameters are whole numbers')
    if (base.k === 'STRING' && numbers.length === 1) return { type: base, max_length: first }
    if (
      base.k === 'NUMERIC' &&
      numbers.length <= 2 &&
      second <= 9 &&
      first >= Math.max(1, second) &&
      first <= 29 + second
    )
      return { type: base, decimal: { precision: first, scale: second } }
    throw refuse(`A parameter of type ${base.k}`, where)
  }

  // ---- expressions

  const expr = (): Expr => nest(orExpr)
  const orExpr = (): Expr => {
    let l = andExpr()
    for (let count = 0; is('OR'); chained(++count)) {
      const where = next().start
      l = { k: 'binary', op: 'OR', l, r: andExpr(), pos: where }
    }
    return l
  }
  const andExpr = (): Expr => {
    let l = notExpr()
    for (let count = 0; is('AND'); chained(++count)) {
      const where = next().start
      l = { k: 'binary', op: 'AND', l, r: notExpr(), pos: where }
    }
    return l
  }
  const notExpr = (): Expr => {
    if (!is('NOT')) return comparison()
    const where = next().start
    return { k: 'unary', op: 'NOT', x: nest(notExpr), pos: where }
  }
  const comparisons = new Set(['=', '<', '>', '<=', '>=', '!=', '<>'])
  const comparison = (): Expr => {
    let l = bitOr()
    for (let count = 0; ; chained(++count)) {
      const where = pos()
      if (comparisons.has(peek().up)) {
        if (peek().up === '>' && peek(1).up === '>' && peek(1).start === peek().end) throw refuse('Operator >>')
        const op = next().up
        if (l.k === 'binary' && comparisons.has(l.op) && tokens[at - 2]?.up !== ')')
          throw invalid(sql, where, 'Syntax error: comparisons do not chain')
        l = { k: 'binary', op: op === '!=' ? '<>' : op, l, r: bitOr(), pos: where }
      } else if (is('IS')) {
        next()
        const not = take('NOT')
        if (take('NULL')) l = { k: 'is', x: l, what: 'NULL', not, pos: where }
        else if (take('TRUE')) l = { k: 'is', x: l, what: 'TRUE', not, pos: where }
        else if (take('FALSE')) l = { k: 'is', x: l, what: 'FALSE', not, pos: where }
        else if (take('DISTINCT', 'FROM')) l = { k: 'is', x: l, what: 'DISTINCT', not, other: bitOr(), pos: where }
        else throw refuse('This form of IS')
      } else if (is('BETWEEN') || is('NOT', 'BETWEEN')) {
        const not = take('NOT')
        next()
        const lo = bitOr()
        expect('AND')
        l = { k: 'between', x: l, lo, hi: bitOr(), not, pos: where }
      } else if (is('LIKE') || is('NOT', 'LIKE')) {
        const not = take('NOT')
        next()
        if (is('ANY') || is('ALL') || is('SOME')) throw refuse(`LIKE ${peek().up}`)
        l = { k: 'like', x: l, pattern: bitOr(), not, pos: where }
      } else if (is('IN') || is('NOT', 'IN')) {
        const not = take('NOT')
        next()
        if (take('UNNEST')) {
          expect('(')
          const unnest = expr()
          expect(')')
          l = { k: 'in', x: l, not, unnest, pos: where }
        } else {
          expect('(')
          const inner = closedQuery()
          if (inner !== undefined) l = { k: 'in', x: l, not, query: inner, pos: where }
          else {
            l = { k: 'in', x: l, not, list: list(expr), pos: where }
            expect(')')
          }
        }
      } else return l
    }
  }
  const bitOr = (): Expr => {
    const l = additive()
    for (const op of ['|', '&', '^', '<<']) if (is(op)) throw refuse(`Operator ${op}`)
    return l
  }
  const additive = (): Expr => {
    let l = multiplicative()
    for (let count = 0; is('+') || is('-'); chained(++count)) {
      const op = next()
      l = { k: 'binary', op: op.up, l, r: multiplicative(), pos: op.start }
    }
    return l
  }
  const multiplicative = (): Expr => {
    let l = unary()
    for (let count = 0; is('*') || is('/') || is('||'); chained(++count)) {
      const op = next()
      l = { k: 'binary', op: op.up, l, r: unary(), pos: op.start }
    }
    if (is('%')) throw invalid(sql, pos(), 'Syntax error: there is no operator %; use MOD')
    return l
  }
  const unary = (): Expr => {
    const where = pos()
    if (take('-')) {
      const token = peek()
      if ((token.kind === 'int' || token.kind === 'float') && peek(1).up !== '[' && peek(1).up !== '.') {
        next()
        return { k: 'lit', type: token.kind === 'int' ? 'INT64' : 'FLOAT64', text: `-${token.text}`, pos: where }
      }
      return { k: 'unary', op: '-', x: nest(unary), pos: where }
    }
    if (take('+')) return { k: 'unary', op: '+', x: nest(unary), pos: where }
    if (take('~')) throw refuse('Operator ~', where)
    return postfix()
  }
  const postfix = (): Expr => {
    let x = primary()
    for (let count = 0; ; chained(++count)) {
      const where = pos()
      if (is('.') && peek(1).up !== '*') {
        next()
        const field = name(true)
        x = x.k === 'path' ? { ...x, parts: [...x.parts, field] } : { k: 'dot', base: x, name: field, pos: where }
      } else if (take('[')) {
        const word = peek().up
        let mode: IndexMode = 'PLAIN'
        let index: Expr
        if (
          (word === 'OFFSET' || word === 'SAFE_OFFSET' || word === 'ORDINAL' || word === 'SAFE_ORDINAL') &&
          peek(1).up === '('
        ) {
          mode = word
          next()
          expect('(')
          index = expr()
          expect(')')
        } else index = expr()
        expect(']')
        x = { k: 'index', base: x, mode, index, pos: where }
      } else return x
    }
  }
  const datePart = (): DatePart => {
    const token = next()
    if (token.kind !== 'word') throw invalid(sql, token.start, 'Syntax error: expected a date part')
    if (token.up === 'WEEK' && take('(')) {
      const day = next()
      expect(')')
      return { part: 'WEEK', day: day.up, pos: token.start }
    }
    return { part: token.up, pos: token.start }
  }
  const primary = (): Expr => {
    const token = peek()
    const where = token.start
    switch (token.kind) {
      case 'int':
      case 'float':
        next()
        return { k: 'lit', type: token.kind === 'int' ? 'INT64' : 'FLOAT64', text: token.text, pos: where }
      case 'string':
        next()
        return { k: 'lit', type: 'STRING', text: token.text, pos: where }
      case 'bytes':
        next()
        return { k: 'lit', type: 'BYTES', text: token.text, pos: where }
      case 'param':
        next()
        return { k: 'param', name: token.text, pos: where }
      case 'quoted':
        return pathOrCall()
      case 'end':
        throw unexpected()
      case 'op': {
        if (take('(')) {
          const inner = closedQuery()
          if (inner !== undefined) return { k: 'subquery', query: inner, pos: where }
          const first = expr()
          if (is(',')) {
            const items = [{ expr: first }]
            while (take(',')) items.push({ expr: expr() })
            expect(')')
            return { k: 'struct', items, pos: where }
          }
          expect(')')
          return first
        }
        if (is('[')) return arrayLiteral(undefined)
        if (token.up === '@@') throw refuse('A system variable')
        throw unexpected()
      }
      case 'word':
        break
    }
    const word = token.up
    const literal = peek(1)
    if (literal.kind === 'string' && isLiteralType(word)) {
      at += 2
      return { k: 'typed', type: literalTypes[word], text: literal.text, pos: where }
    }
    if ((word === 'RANGE' || word === 'INTERVAL') && literal.kind === 'string')
      throw refuse(`A literal of type ${word}`)
    switch (word) {
      case 'TRUE':
      case 'FALSE':
        next()
        return { k: 'lit', type: 'BOOL', text: word, pos: where }
      case 'NULL':
        next()
        return { k: 'lit', type: 'NULL', text: 'NULL', pos: where }
      case 'CASE':
        return caseExpr()
      case 'DEFAULT':
        next()
        return { k: 'default', pos: where }
      case 'CAST':
      case 'SAFE_CAST': {
        if (literal.up !== '(') break
        at += 2
        const x = expr()
        expect('AS')
        const target = type()
        if (is('(')) throw refuse('A parameterized type in CAST')
        if (is('FORMAT')) throw refuse('CAST with FORMAT')
        if (is('COLLATE')) throw refuse('COLLATE')
        expect(')')
        return { k: 'cast', x, type: target, safe: word === 'SAFE_CAST', pos: where }
      }
      case 'EXTRACT': {
        at++
        expect('(')
        const part = datePart()
        expect('FROM')
        const x = expr()
        const zone = take('AT', 'TIME', 'ZONE') ? expr() : undefined
        expect(')')
        return { k: 'extract', part, x, zone, pos: where }
      }
      case 'INTERVAL': {
        at++
        const n = additive()
        const part = datePart()
        if (is('TO')) throw refuse('An INTERVAL of several parts')
        return { k: 'interval', n, part, pos: where }
      }
      case 'EXISTS': {
        at++
        expect('(')
        const inner = query()
        expect(')')
        return { k: 'exists', query: inner, pos: where }
      }
      case 'ARRAY': {
        at++
        if (take('(')) {
          const inner = query()
          expect(')')
          return { k: 'arrayq', query: inner, pos: where }
        }
        let of: Type | undefined
        if (take('<')) {
          of = type()
          expect('>')
        }
        return arrayLiteral(of)
      }
      case 'STRUCT': {
        at++
        let fields: readonly Field[] | undefined
        if (is('<')) {
          at--
          const declared = type()
          if (declared.k === 'STRUCT') fields = declared.fields
        }
        expect('(')
        const items = is(')')
          ? []
          : list(() => {
              const item = expr()
              const alias = take('AS') ? name(true).text : undefined
              return { expr: item, name: alias }
            })
        expect(')')
        return { k: 'struct', fields, items, pos: where }
      }
      default:
        break
    }
    if (reserved.has(word) && !(callable.has(word) && literal.up === '(')) {
      if (word === 'NEW') throw refuse('NEW')
      if (word === 'WITH') throw refuse('A WITH expression')
      throw unexpected()
    }
    return pathOrCall()
  }
  const arrayLiteral = (of: Type | undefined): Expr => {
    const where = pos()
    expect('[')
    const items = is(']') ? [] : list(expr)
    expect(']')
    return { k: 'array', of, items, pos: where }
  }
  const caseExpr = (): Expr => {
    const where = next().start
    const subject = is('WHEN') ? undefined : expr()
    const whens: { when: Expr; then: Expr }[] = []
    while (take('WHEN')) {
      const when = expr()
      expect('THEN')
      whens.push({ when, then: expr() })
    }
    if (whens.length === 0) throw unexpected('WHEN')
    const otherwise = take('ELSE') ? expr() : undefined
    expect('END')
    return { k: 'case', subject, whens, otherwise, pos: where }
  }
  const pathOrCall = (): Expr => {
    const first = peek()
    const where = first.start
    next()
    const head: Name = { text: first.text, pos: where }
    if (first.kind === 'word') {
      if (is('(')) return call(first.up, where)
      if (
        (first.up === 'SAFE' ||
          first.up === 'NET' ||
          first.up === 'HLL_COUNT' ||
          first.up === 'KEYS' ||
          first.up === 'AEAD' ||
          first.up === 'ML') &&
        is('.') &&
        peek(2).up === '('
      ) {
        next()
        const inner = name(true)
        return call(`${first.up}.${inner.text.toUpperCase()}`, where)
      }
      if (bareCalls.has(first.up) && !is('.'))
        return { k: 'call', name: first.up, args: [], star: false, distinct: false, order: [], pos: where }
    }
    return { k: 'path', parts: [head], pos: where }
  }
  const call = (fn: string, where: number): Expr => {
    expect('(')
    const result: Call = { k: 'call', name: fn, args: [], star: false, distinct: false, order: [], pos: where }
    if (take('*')) result.star = true
    else if (!is(')')) {
      result.distinct = take('DISTINCT')
      result.args = list(() => {
        if (is('SELECT') || is('WITH')) throw unexpected('an expression')
        if (peek(1).up === '=>' || peek(1).up === '->') throw refuse(`Argument ${peek().text} ${peek(1).up}`)
        const arg = expr()
        if (is('->')) throw refuse('A lambda argument')
        if (is('AS')) throw refuse(`AS in the arguments of ${fn}`)
        return arg
      })
    }
    if (take('IGNORE', 'NULLS')) result.nulls = 'IGNORE'
    else if (take('RESPECT', 'NULLS')) result.nulls = 'RESPECT'
    if (take('HAVING')) {
      const max = take('MAX')
      if (!max) expect('MIN')
      result.having = { max, expr: expr() }
    }
    if (take('ORDER', 'BY')) result.order = list(orderKey)
    if (take('LIMIT')) result.limit = expr()
    expect(')')
    if (is('WITH')) throw refuse('WITH after a function call')
    if (take('OVER')) {
      if (is('(')) result.over = windowSpec()
      else {
        const base = name()
        result.over = { base, partition: [], order: [], pos: base.pos }
      }
    }
    return result
  }
  const orderKey = (): OrderKey => {
    const where = pos()
    const key: OrderKey = { expr: expr(), desc: false, pos: where }
    if (is('COLLATE')) throw refuse('COLLATE')
    if (take('DESC')) key.desc = true
    else take('ASC')
    if (take('NULLS')) {
      if (take('FIRST')) key.nulls = 'FIRST'
      else {
        expect('LAST')
        key.nulls = 'LAST'
      }
    }
    return key
  }
  const windowSpec = (): WindowSpec => {
    const where = pos()
    expect('(')
    const spec: WindowSpec = { partition: [], order: [], pos: where }
    if (!is(')') && !is('PARTITION') && !is('ORDER') && !is('ROWS') && !is('RANGE') && !is('GROUPS')) spec.base = name()
    if (take('PARTITION')) {
      expect('BY')
      spec.partition = list(expr)
    }
    if (take('ORDER')) {
      expect('BY')
      spec.order = list(orderKey)
    }
    if (is('GROUPS')) throw refuse('A GROUPS frame')
    if (is('ROWS') || is('RANGE')) {
      const unit = next().up === 'ROWS' ? 'ROWS' : 'RANGE'
      if (take('BETWEEN')) {
        const from = frameBound()
        expect('AND')
        spec.frame = { unit, from, to: frameBound() }
      } else spec.frame = { unit, from: frameBound(), to: { kind: 'CURRENT ROW' } }
      if (is('EXCLUDE')) throw refuse('EXCLUDE in a window frame')
    }
    expect(')')
    return spec
  }
  const frameBound = (): FrameBound => {
    if (take('UNBOUNDED')) {
      if (take('PRECEDING')) return { kind: 'UNBOUNDED PRECEDING' }
      expect('FOLLOWING')
      return { kind: 'UNBOUNDED FOLLOWING' }
    }
    if (take('CURRENT')) {
      expect('ROW')
      return { kind: 'CURRENT ROW' }
    }
    const bound = expr()
    if (take('PRECEDING')) return { kind: 'PRECEDING', expr: bound }
    expect('FOLLOWING')
    return { kind: 'FOLLOWING', expr: bound }
  }

  // ---- queries

  const startsQuery = (): boolean => {
    let ahead = 0
    while (peek(ahead).up === '(') ahead++
    const word = peek(ahead).up
    if (ahead === 0 && word === 'FROM') throw refuse('Pipe syntax (FROM first)')
    return word === 'SELECT' || (word === 'WITH' && ahead === 0)
  }
  /**
   * After an opening parenthesis: a query and the closing one. With more parentheses first it may turn out to be an
   * expression: undefined then.
   */
  const closedQuery = (): Query | undefined => {
    if (!startsQuery()) return undefined
    if (!is('(')) {
      const inner = query()
      expect(')')
      return inner
    }
    const before = { at, tokens, depth }
    try {
      const inner = query()
      expect(')')
      return inner
    } catch (error) {
      if (error instanceof AppError && error.code === 'QUERY_UNSUPPORTED') throw error
      at = before.at
      tokens = before.tokens
      depth = before.depth
      return undefined
    }
  }
  const query = (): Query =>
    nest(() => {
      const where = pos()
      let recursive = false
      const ctes: { name: Name; query: Query }[] = []
      if (take('WITH')) {
        recursive = take('RECURSIVE')
        do {
          const cte = name()
          if (is('(')) throw refuse('Column names after the name of a WITH entry')
          expect('AS', '(')
          ctes.push({ name: cte, query: query() })
          expect(')')
        } while (take(','))
      }
      const body = setOperation()
      const result: Query = { recursive, ctes, body, order: [], pos: where }
      if (take('ORDER')) {
        expect('BY')
        result.order = list(orderKey)
      }
      if (take('LIMIT')) {
        result.limit = expr()
        if (take('OFFSET')) result.offset = expr()
      }
      if (is('|>')) throw refuse('Pipe syntax')
      if (is('FOR')) throw refuse('FOR after a query')
      return result
    })
  const setOperation = (): Body => {
    const where = pos()
    const first = queryTerm()
    let op: SetOp['op'] | undefined
    const items = [first]
    while (
      is('UNION') ||
      is('INTERSECT') ||
      is('EXCEPT') ||
      ((is('FULL') || is('LEFT') || is('INNER')) && (peek(1).up === 'UNION' || peek(2).up === 'UNION'))
    ) {
      if (is('FULL') || is('LEFT') || is('INNER')) throw refuse('A set operation BY NAME')
      const opPos = pos()
      const word = next().up
      let kind: SetOp['op']
      if (word === 'UNION') {
        if (take('ALL')) kind = 'UNION ALL'
        else {
          expect('DISTINCT')
          kind = 'UNION DISTINCT'
        }
      } else {
        if (is('ALL')) throw refuse(`${word} ALL`)
        expect('DISTINCT')
        kind = word === 'INTERSECT' ? 'INTERSECT DISTINCT' : 'EXCEPT DISTINCT'
      }
      if (is('BY') || is('CORRESPONDING') || is('STRICT')) throw refuse('A set operation BY NAME')
      if (op !== undefined && op !== kind)
        throw invalid(sql, opPos, 'Syntax error: different set operations need parentheses')
      op = kind
      items.push(queryTerm())
    }
    return op === undefined ? first : { k: 'setop', op, items, pos: where }
  }
  const queryTerm = (): Body => {
    const where = pos()
    if (take('(')) {
      const inner = query()
      expect(')')
      return { k: 'query', query: inner, pos: where }
    }
    if (is('FROM')) throw refuse('Pipe syntax (FROM first)')
    return select()
  }
  const select = (): Select => {
    const where = pos()
    expect('SELECT')
    if (is('WITH')) throw refuse('SELECT WITH')
    const result: Select = { k: 'select', distinct: false, items: [], windows: [], pos: where }
    if (take('DISTINCT')) result.distinct = true
    else take('ALL')
    if (take('AS')) {
      if (take('STRUCT')) result.as = 'STRUCT'
      else if (take('VALUE')) result.as = 'VALUE'
      else throw refuse('SELECT AS a type name')
    }
    result.items = [selectItem()]
    while (take(',')) {
      if (is('FROM') || peek().kind === 'end' || is(')')) break // a trailing comma is allowed
      result.items.push(selectItem())
    }
    if (take('FROM')) result.from = fromClause()
    if (take('WHERE')) result.where = expr()
    if (take('GROUP')) {
      expect('BY')
      result.groups = take('ALL') ? 'ALL' : list(grouping)
    }
    if (take('HAVING')) result.having = expr()
    if (take('QUALIFY')) result.qualify = expr()
    if (take('WINDOW')) {
      result.windows = list(() => {
        const window = name()
        expect('AS')
        if (is('(')) return { name: window, spec: windowSpec() }
        const base = name()
        return { name: window, spec: { base, partition: [], order: [], pos: base.pos } }
      })
    }
    return result
  }
  const selectItem = (): SelectItem => {
    const where = pos()
    if (take('*')) return starItem(where, undefined)
    const item = expr()
    if (is('.') && peek(1).up === '*') {
      at += 2
      return starItem(where, item)
    }
    return { k: 'expr', expr: item, alias: optionalAlias(), pos: where }
  }
  const starItem = (where: number, base: Expr | undefined): SelectItem => {
    const item: SelectItem = { k: 'star', base, except: [], replace: [], pos: where }
    if (is('EXCEPT', '(')) {
      at += 2
      item.except = list(() => name())
      expect(')')
    }
    if (is('REPLACE', '(')) {
      at += 2
      item.replace = list(() => {
        const value = expr()
        take('AS')
        return { expr: value, name: name() }
      })
      expect(')')
    }
    return item
  }
  const grouping = (): Grouping => {
    if (take('ROLLUP')) return { k: 'rollup', exprs: parenthesized(expr) }
    if (take('CUBE')) return { k: 'cube', exprs: parenthesized(expr) }
    if (take('GROUPING')) {
      expect('SETS')
      return {
        k: 'sets',
        sets: parenthesized((): Grouping => {
          if (is('ROLLUP') || is('CUBE')) return grouping()
          if (take('(')) {
            const exprs = is(')') ? [] : list(expr)
            expect(')')
            return { k: 'tuple', exprs }
          }
          return { k: 'expr', expr: expr() }
        }),
      }
    }
    if (is('(', ')')) {
      at += 2
      return { k: 'tuple', exprs: [] }
    }
    return { k: 'expr', expr: expr() }
  }
  const parenthesized = <T>(item: () => T): T[] => {
    expect('(')
    const items = list(item)
    expect(')')
    return items
  }

  // ---- FROM

  const fromClause = (): FromItem =>
    nest(() => {
      let left = fromPrimary()
      let comma = false
      for (let count = 0; ; chained(++count)) {
        const where = pos()
        if (take(',')) {
          comma = true
          left = { k: 'join', kind: 'COMMA', left, right: fromPrimary(), pos: where }
          continue
        }
        if (is('NATURAL')) throw refuse('NATURAL JOIN')
        let kind: 'INNER' | 'LEFT' | 'RIGHT' | 'FULL' | 'CROSS' | undefined
        if (is('JOIN')) kind = 'INNER'
        else if ((is('INNER') || is('CROSS')) && peek(1).up === 'JOIN') kind = next().up as 'INNER' | 'CROSS'
        else if (
          (is('LEFT') || is('RIGHT') || is('FULL')) &&
          (peek(1).up === 'JOIN' || (peek(1).up === 'OUTER' && peek(2).up === 'JOIN'))
        ) {
          kind = next().up as 'LEFT' | 'RIGHT' | 'FULL'
          take('OUTER')
        }
        if (kind === undefined) return left
        expect('JOIN')
        if (is('@')) throw refuse('A hint')
        if (comma && (kind === 'RIGHT' || kind === 'FULL'))
          throw invalid(sql, where, `Syntax error: ${kind} JOIN after a comma join needs parentheses`)
        const right = fromPrimary()
        const join: FromItem = { k: 'join', kind, left, right, pos: where }
        if (kind !== 'CROSS') {
          if (take('ON')) join.on = expr()
          else if (take('USING')) join.using = parenthesized(() => name())
          else if (right.k !== 'unnest' && right.k !== 'table') throw unexpected('ON or USING')
        }
        left = join
      }
    })
  const fromPrimary = (): FromItem => {
    const where = pos()
    let item: FromItem
    if (is('@')) throw refuse('A hint')
    if (is('LATERAL')) throw refuse('LATERAL')
    if (take('(')) {
      const sub = closedQuery()
      if (sub !== undefined) item = { k: 'sub', query: sub, alias: optionalAlias(['PIVOT', 'UNPIVOT']), pos: where }
      else {
        const inner = fromClause()
        expect(')')
        item = inner
      }
    } else if (take('UNNEST')) {
      expect('(')
      const array = expr()
      if (is(',')) throw refuse('UNNEST of several arrays')
      expect(')')
      item = unnestTail({ k: 'unnest', expr: array, pos: where })
    } else {
      const parts = tablePath()
      if (is('(')) throw refuse('A table function')
      if (is('FOR')) throw refuse('FOR SYSTEM_TIME AS OF')
      item = { k: 'table', path: parts, alias: optionalAlias(['PIVOT', 'UNPIVOT']), pos: where }
      if (is('FOR')) throw refuse('FOR SYSTEM_TIME AS OF')
      if (is('WITH', 'OFFSET'))
        item = unnestTail({ k: 'unnest', expr: { k: 'path', parts, pos: where }, alias: item.alias, pos: where })
    }
    for (;;) {
      if (is('TABLESAMPLE')) throw refuse('TABLESAMPLE')
      if (is('PIVOT', '(')) item = pivot(item)
      else if (is('UNPIVOT')) item = unpivot(item)
      else return item
    }
  }
  const unnestTail = (item: FromItem & { k: 'unnest' }): FromItem => {
    item.alias ??= optionalAlias()
    if (take('WITH')) {
      const where = pos()
      expect('OFFSET')
      item.offset = optionalAlias() ?? { text: 'offset', pos: where }
    }
    return item
  }
  const pivot = (input: FromItem): FromItem => {
    const where = next().start
    expect('(')
    const aggregates = list(() => ({ call: expr(), alias: optionalAlias() }))
    expect('FOR')
    const by = bitOr()
    expect('IN')
    const values = parenthesized(() => ({ expr: expr(), alias: optionalAlias() }))
    expect(')')
    return { k: 'pivot', input, aggregates, by, values, alias: optionalAlias(), pos: where }
  }
  const unpivot = (input: FromItem): FromItem => {
    const where = next().start
    let nulls = false
    if (take('INCLUDE', 'NULLS')) nulls = true
    else take('EXCLUDE', 'NULLS')
    expect('(')
    if (is('(')) throw refuse('UNPIVOT of several columns at once')
    const value = name()
    expect('FOR')
    const label = name()
    expect('IN')
    const columns = parenthesized(() => {
      if (is('(')) throw refuse('UNPIVOT of several columns at once')
      const column = name()
      return { column, label: take('AS') ? primary() : undefined }
    })
    expect(')')
    return { k: 'unpivot', input, value, name: label, columns, nulls, alias: optionalAlias(), pos: where }
  }

  // ---- statements

  const optionList = (): OptionDef[] => {
    expect('(')
    const options: OptionDef[] = []
    if (!is(')')) {
      options.push(
        ...list(() => {
          const option = name(true)
          expect('=')
          return { name: option.text.toLowerCase(), value: expr(), pos: option.pos }
        }),
      )
    }
    expect(')')
    return options
  }
  const columnDef = (): ColumnDef => {
    const where = pos()
    const column = name()
    const def: ColumnDef = { name: column, ...columnType(), not_null: false, options: [], pos: where }
    for (;;) {
      if (take('NOT')) {
        expect('NULL')
        def.not_null = true
      } else if (take('DEFAULT')) def.default = expr()
      else if (take('OPTIONS')) def.options = optionList()
      else if (is('PRIMARY') || is('REFERENCES') || is('CONSTRAINT')) throw refuse(`${peek().up} at a column`)
      else if (is('COLLATE')) throw refuse('COLLATE')
      else if (is('GENERATED') || (is('AS') && peek(1).up === '(')) throw refuse('A generated column')
      else return def
    }
  }
  const nameList = (): Name[] => parenthesized(() => name(true))
  const setItems = (): SetItem[] =>
    list(() => {
      const where = pos()
      const target = [name()]
      while (take('.')) target.push(name(true))
      if (is('[')) throw refuse('SET of an array element')
      expect('=')
      return { path: target, value: expr(), pos: where }
    })
  const insert = (where: number): Statement => {
    if (is('OR')) throw refuse('INSERT OR')
    take('INTO')
    const target = path()
    const columns =
      is('(') && peek(1).up !== 'SELECT' && peek(1).up !== 'WITH' && peek(1).up !== '(' ? nameList() : undefined
    if (take('VALUES')) {
      return { k: 'insert', target, columns, rows: list(() => parenthesized(expr)), pos: where }
    }
    return { k: 'insert', target, columns, query: query(), pos: where }
  }
  const dmlTarget = (stop: string[]): Path => {
    const target = path()
    target.alias = optionalAlias(stop)
    return target
  }
  const merge = (where: number): Statement => {
    take('INTO')
    const target = dmlTarget([])
    expect('USING')
    const source = fromPrimary()
    expect('ON')
    const on = expr()
    const whens: MergeWhen[] = []
    while (is('WHEN')) {
      const whenPos = next().start
      let match: MergeWhen['match'] = 'MATCHED'
      if (take('NOT')) {
        expect('MATCHED')
        match = 'NOT MATCHED BY TARGET'
        if (take('BY')) {
          if (take('SOURCE')) match = 'NOT MATCHED BY SOURCE'
          else expect('TARGET')
        }
      } else expect('MATCHED')
      const condition = take('AND') ? expr() : undefined
      expect('THEN')
      if (take('DELETE')) whens.push({ match, condition, action: { k: 'delete' }, pos: whenPos })
      else if (take('UPDATE')) {
        expect('SET')
        whens.push({ match, condition, action: { k: 'update', sets: setItems() }, pos: whenPos })
      } else {
        expect('INSERT')
        if (take('ROW')) whens.push({ match, condition, action: { k: 'insert-row' }, pos: whenPos })
        else {
          const columns = is('(') ? nameList() : undefined
          if (take('ROW')) whens.push({ match, condition, action: { k: 'insert-row' }, pos: whenPos })
          else {
            expect('VALUES')
            whens.push({
              match,
              condition,
              action: { k: 'insert', columns, values: parenthesized(expr) },
              pos: whenPos,
            })
          }
        }
      }
    }
    if (whens.length === 0) throw unexpected('WHEN')
    return { k: 'merge', target, source, on, whens, pos: where }
  }
  const ifNotExists = (): boolean => take('IF', 'NOT', 'EXISTS')
  const create = (where: number): Statement => {
    const replace = take('OR', 'REPLACE')
    if (is('TEMP') || is('TEMPORARY')) throw refuse(`CREATE ${peek().up} ${peek(1).text.toUpperCase()}`)
    if (take('SCHEMA')) {
      if (replace) throw refuse('CREATE OR REPLACE SCHEMA', where)
      const if_not_exists = ifNotExists()
      const target = path()
      if (is('DEFAULT')) throw refuse('DEFAULT COLLATE')
      return { k: 'create-schema', target, if_not_exists, options: take('OPTIONS') ? optionList() : [], pos: where }
    }
    const materialized = take('MATERIALIZED')
    if (take('VIEW')) {
      const if_not_exists = ifNotExists()
      const target = path()
      let columns: { name: Name; options: OptionDef[] }[] | undefined
      if (is('(')) columns = parenthesized(() => ({ name: name(), options: take('OPTIONS') ? optionList() : [] }))
      if (is('PARTITION') || is('CLUSTER')) throw refuse('PARTITION BY or CLUSTER BY of a materialized view')
      const options = take('OPTIONS') ? optionList() : []
      expect('AS')
      const query_start = pos()
      const inner = query()
      return {
        k: 'create-view',
        target,
        replace,
        if_not_exists,
        materialized,
        columns,
        options,
        query: inner,
        query_start,
        query_end: tokens[at - 1]?.end ?? query_start,
        pos: where,
      }
    }
    if (!take('TABLE')) throw refuse(`CREATE ${peek().text.toUpperCase()}`)
    if (is('FUNCTION')) throw refuse('CREATE TABLE FUNCTION')
    const result: Statement & { k: 'create-table' } = {
      k: 'create-table',
      target: { parts: [], pos: where },
      replace,
      if_not_exists: ifNotExists(),
      cluster: [],
      options: [],
      pos: where,
    }
    result.target = path()
    if (take('(')) {
      result.columns = []
      do {
        if (is(')')) break // a trailing comma is allowed
        if (take('PRIMARY')) {
          expect('KEY')
          result.primary_key = nameList()
          expect('NOT', 'ENFORCED')
        } else if (is('CONSTRAINT') || is('FOREIGN')) throw refuse(`${peek().up} in CREATE TABLE`)
        else result.columns.push(columnDef())
      } while (take(','))
      expect(')')
    }
    if (take('LIKE')) result.like = path()
    else if (is('CLONE') || is('COPY')) throw refuse(`CREATE TABLE ${peek().up}`)
    if (is('DEFAULT')) throw refuse('DEFAULT COLLATE')
    if (take('PARTITION')) {
      expect('BY')
      result.partition = expr()
    }
    if (take('CLUSTER')) {
      expect('BY')
      result.cluster = list(() => name())
    }
    if (is('WITH', 'CONNECTION')) throw refuse('WITH CONNECTION')
    if (take('OPTIONS')) result.options = optionList()
    if (take('AS')) result.query = query()
    return result
  }
  const drop = (where: number): Statement => {
    const materialized = take('MATERIALIZED')
    const word = next()
    const what = materialized && word.up === 'VIEW' ? 'MATERIALIZED VIEW' : word.up
    if (what !== 'TABLE' && what !== 'VIEW' && what !== 'SCHEMA' && what !== 'MATERIALIZED VIEW')
      throw refuse(`DROP ${word.text.toUpperCase()}`, where)
    if (is('FUNCTION')) throw refuse('DROP TABLE FUNCTION')
    const if_exists = take('IF', 'EXISTS')
    const target = path()
    const cascade = take('CASCADE')
    if (!cascade) take('RESTRICT')
    if (cascade && what !== 'SCHEMA') throw invalid(sql, where, 'CASCADE belongs to DROP SCHEMA')
    return { k: 'drop', what, target, if_exists, cascade, pos: where }
  }
  const alter = (where: number): Statement => {
    if (!take('TABLE')) throw refuse(`ALTER ${peek().text.toUpperCase()}`, where)
    const if_exists = take('IF', 'EXISTS')
    const target = path()
    const actions = list((): AlterAction => {
      const actionPos = pos()
      if (take('ADD', 'COLUMN')) {
        const if_not_exists = ifNotExists()
        return { k: 'add', column: columnDef(), if_not_exists, pos: actionPos }
      }
      if (take('DROP', 'COLUMN')) {
        const exists = take('IF', 'EXISTS')
        return { k: 'drop', name: name(), if_exists: exists, pos: actionPos }
      }
      if (take('SET', 'OPTIONS')) return { k: 'options', options: optionList(), pos: actionPos }
      throw refuse(`ALTER TABLE ${peek().text.toUpperCase()} ${peek(1).text.toUpperCase()}`.trimEnd())
    })
    return { k: 'alter-table', target, if_exists, actions, pos: where }
  }
  const statement = (): Statement => {
    const where = pos()
    if (startsQuery()) return { k: 'select', query: query(), pos: where }
    const word = peek()
    if (word.kind === 'end') throw invalid(sql, where, 'Syntax error: unexpected end of statement')
    if (word.kind !== 'word') throw unexpected()
    next()
    switch (word.up) {
      case 'INSERT':
        return insert(where)
      case 'UPDATE': {
        const target = dmlTarget([])
        expect('SET')
        const sets = setItems()
        const from = take('FROM') ? fromClause() : undefined
        if (!is('WHERE')) throw invalid(sql, pos(), 'UPDATE must have a WHERE clause')
        expect('WHERE')
        return { k: 'update', target, sets, from, where: expr(), pos: where }
      }
      case 'DELETE': {
        take('FROM')
        const target = dmlTarget([])
        if (!is('WHERE')) throw invalid(sql, pos(), 'DELETE must have a WHERE clause')
        expect('WHERE')
        return { k: 'delete', target, where: expr(), pos: where }
      }
      case 'MERGE':
        return merge(where)
      case 'TRUNCATE':
        expect('TABLE')
        return { k: 'truncate', target: path(), pos: where }
      case 'CREATE':
        return create(where)
      case 'DROP':
        return drop(where)
      case 'ALTER':
        return alter(where)
      default:
        throw scriptWords.has(word.up) ? refuse(`${word.up} (a script)`, where) : refuse(`Statement ${word.up}`, where)
    }
  }
  const result = statement()
  if (take(';') && peek().kind !== 'end') throw refuse('More than one statement')
  if (is('|>')) throw refuse('Pipe syntax')
  if (peek().kind !== 'end') throw unexpected()
  return result
}
const scriptWords = new Set([
  'DECLARE',
  'SET',
  'IF',
  'LOOP',
  'WHILE',
  'REPEAT',
  'FOR',
  'BEGIN',
  'COMMIT',
  'ROLLBACK',
  'EXECUTE',
  'ASSERT',
  'CALL',
  'RAISE',
  'RETURN',
  'BREAK',
  'CONTINUE',
  'LEAVE',
  'ITERATE',
  'CASE',
])
