/**
 * `{variable}` in GoogleSQL, without ever pasting a value into the text. The lexer of GoogleSQL gives each placeholder
 * its context: a whole literal becomes a parameter, a part of a literal a CONCAT of literals and parameters, inside
 * backticks a checked identifier; anywhere else it is a fault of the config. So the tokens of a query are the same
 * whatever the values are, but for the text between backticks, which holds letters, digits, `_`, `-` and dots.
 */
import { scan, type Lexeme } from '@convergence/googlesql/lexer'
import { isName } from '@convergence/contracts'

export interface Segment {
  kind: 'code' | 'string' | 'raw' | 'bytes' | 'comment' | 'backtick'
  text: string
  start: number
  /** Of literals: what stands before and after the content; '' in `close` when the end is missing. */
  open: string
  close: string
}

const segmentKind = ({ kind, open }: Lexeme): Segment['kind'] => {
  switch (kind) {
    case 'comment':
    case 'bytes':
      return kind
    case 'string':
      return /^r/i.test(open) ? 'raw' : 'string'
    case 'quoted':
      return 'backtick'
    default:
      return 'code'
  }
}
/** Cuts GoogleSQL into code, literals, comments and quoted identifiers; together they are the whole text. */
export const segmentsOf = (sql: string): Segment[] => {
  const segments: Segment[] = []
  for (const lexeme of scan(sql)) {
    const kind = segmentKind(lexeme)
    const { start, end, open, close } = lexeme
    const text = sql.slice(start, end)
    const last = segments.at(-1)
    if (kind === 'code' && last?.kind === 'code') last.text += text
    else segments.push({ kind, text, start, open, close })
  }
  return segments
}

/** A name in braces, also one that can be no variable: that is a fault, not text to keep. */
export const placeholders =
  /\{\s*((?:source\.|steps\.[A-Za-z][A-Za-z0-9_-]*\.(?:outputs\.)?)?[A-Za-z_][A-Za-z0-9_]*)\s*\}/g

/** How other tools write a variable: {{ name }} or ${name}. Undefined where nobody's habit stands. */
export const foreignForm = (text: string, index: number, name: string): string | undefined => {
  const rest = text.slice(index)
  const shown = text.startsWith('{', index - 1) && /^\{[^{}]*\}\}/.test(rest) ? `{{ ${name} }}` : undefined
  const got = shown ?? (text.startsWith('$', index - 1) ? `\${${name}}` : undefined)
  return got === undefined
    ? undefined
    : `expected {${name}}, got ${got}, which is another tool's way to write a variable`
}

type Part = { literal: string } | { name: string }
export type Piece =
  | { kind: 'text'; text: string }
  | { kind: 'parameter'; name: string }
  | { kind: 'concat'; parts: readonly Part[] }
  | { kind: 'identifier'; parts: readonly Part[] }
export type Template = readonly Piece[]
export interface TemplateFault {
  offset: number
  message: string
}
export interface Use {
  name: string
  offset: number
  as: 'value' | 'identifier' | 'misplaced'
}

/** Splits at placeholders; what is between them stays as it is written. */
const split = (text: string): Part[] => {
  const parts: Part[] = []
  let last = 0
  for (const match of text.matchAll(placeholders)) {
    if (match.index > last) parts.push({ literal: text.slice(last, match.index) })
    parts.push({ name: String(match[1]) })
    last = match.index + match[0].length
  }
  if (last < text.length) parts.push({ literal: text.slice(last) })
  return parts
}

/** Words that make the literal behind them a typed one; no parameter can stand there. */
const typedLiteral = /\b(DATE|TIME|DATETIME|TIMESTAMP|NUMERIC|BIGNUMERIC|DECIMAL|BIGDECIMAL|JSON|RANGE\s*<[^<>]*>)\s*$/i
const isEscaped = (text: string, index: number): boolean =>
  (/\\*$/.exec(text.slice(0, index))?.[0].length ?? 0) % 2 === 1
const isSignificant = ({ kind, text }: Segment): boolean => kind !== 'comment' && text.trim() !== ''
const unclosed = {
  string: 'string',
  raw: 'string',
  bytes: 'string',
  comment: 'comment',
  backtick: 'quoted name',
  code: '',
} as const

/** A placeholder in a segment: where it stands in the segment's text. */
interface Placeholder {
  name: string
  index: number
  length: number
}
interface Parsed {
  template: Piece[]
  uses: Use[]
  faults: TemplateFault[]
}
/** The significant segments beside one. */
interface Neighbours {
  before: Segment | undefined
  after: Segment | undefined
}
const useOf = (kind: Segment['kind']): Use['as'] => {
  switch (kind) {
    case 'string':
      return 'value'
    case 'backtick':
      return 'identifier'
    default:
      return 'misplaced'
  }
}

/** The query as pieces, every use of a variable, and every fault with its offset. */
export const parseSqlTemplate = (
  sql: string,
): { template: Template; uses: Use[]; faults: TemplateFault[]; segments: readonly Segment[] } => {
  const parsed: Parsed = { template: [], uses: [], faults: [] }
  const segments = segmentsOf(sql)
  segments.forEach((segment, k) => {
    const { kind, text, start, close } = segment
    const found = [...text.matchAll(placeholders)].map((match) => ({
      name: String(match[1]),
      index: match.index,
      length: match[0].length,
    }))
    for (const { name, index } of found) parsed.uses.push({ name, offset: start + index, as: useOf(kind) })
    for (const { name, index } of found) {
      const foreign = foreignForm(text, index, name)
      if (foreign !== undefined) parsed.faults.push({ offset: start + index - 1, message: foreign })
    }
    if (kind !== 'code' && close === '') {
      parsed.faults.push({ offset: start, message: `the ${unclosed[kind]} that begins here has no end` })
      return
    }
    if (found.length === 0) {
      parsed.template.push({ kind: 'text', text })
      return
    }
    const beside = {
      before: segments.slice(0, k).findLast(isSignificant),
      after: segments.slice(k + 1).find(isSignificant),
    }
    switch (kind) {
      case 'string':
        parseLiteral(segment, found, beside, parsed)
        return
      case 'backtick':
        parseQuotedName(segment, found, beside, parsed)
        return
      default:
        parsed.faults.push(...found.map((placeholder) => misplaced(kind, start, placeholder)))
    }
  })
  return { ...parsed, segments }
}

const parseLiteral = (
  { text, start, open, close }: Segment,
  found: readonly Placeholder[],
  { before }: Neighbours,
  { template, faults }: Parsed,
): void => {
  const typed = (before?.kind === 'code' ? typedLiteral.exec(before.text)?.[1] : undefined)?.toUpperCase()
  for (const { name, index } of found) {
    if (isEscaped(text, index))
      faults.push({ offset: start + index, message: `a backslash stands before {${name}}; write two, or none` })
    else if (typed !== undefined)
      faults.push({
        offset: start + index,
        message:
          `${typed} stands before a literal with {${name}}; ` +
          `write CAST('{${name}}' AS ${typed}), or '{${name}}' alone where it has that type`,
      })
  }
  const parts = split(text.slice(open.length, text.length - close.length))
  const [only] = parts
  if (parts.length === 1 && only !== undefined && 'name' in only) template.push({ kind: 'parameter', name: only.name })
  else
    template.push({
      kind: 'concat',
      parts: parts.map((part) =>
        'literal' in part ? { literal: `${open}${closable(part.literal, close)}${close}` } : part,
      ),
    })
}
/** Between three quotes a piece may end in a quote: escaped, it cannot meet the closing ones. */
const closable = (content: string, close: string): string =>
  close.length === 3 ? content.replace(/\\[^]|['"]/g, (match) => (match.length === 2 ? match : `\\${match}`)) : content

const parseQuotedName = (
  { text, start }: Segment,
  found: readonly Placeholder[],
  { before, after }: Neighbours,
  { template, faults }: Parsed,
): void => {
  template.push({ kind: 'identifier', parts: split(text.slice(1, -1)) })
  const isInLongerPath =
    (before?.kind === 'code' && /\.\s*$/.test(before.text)) || (after?.kind === 'code' && /^\s*\./.test(after.text))
  for (const { name, index, length } of found) {
    if (!'`.'.includes(text.charAt(index - 1)) || !'`.'.includes(text.charAt(index + length)))
      faults.push({
        offset: start + index,
        message: `{${name}} is a fragment of a name; in backticks a variable fills whole parts between dots`,
      })
    else if (isInLongerPath)
      faults.push({
        offset: start + index,
        message: `{${name}} is a part of a longer path; put the whole path into one pair of backticks`,
      })
  }
}

const misplaced = (
  kind: 'code' | 'raw' | 'bytes' | 'comment',
  start: number,
  { name, index }: Placeholder,
): TemplateFault => {
  const where = {
    code: 'outside quotes',
    raw: 'in a raw literal',
    bytes: 'in a bytes literal',
    comment: 'in a comment',
  }[kind]
  return {
    offset: start + index,
    message: `{${name}} stands ${where}; expected '{${name}}' for a value or \`{${name}}\` for a table`,
  }
}

export interface BoundParameter {
  name: string
  type: 'STRING' | 'DATE' | 'INT64' | 'BOOL' | 'FLOAT64'
  value: string | number | boolean | null
}

/** What is wrong with a table path, or nothing. */
export const identifierFault = (path: string): string | undefined => {
  const parts = path.split('.')
  const shown = JSON.stringify(path.slice(0, 60))
  if (parts.length > 3) return `expected project.dataset.table, got ${parts.length} parts in ${shown}`
  const [table, dataset, owner] = parts.toReversed()
  if (table === undefined || !isName('table', table)) return `expected a table of letters, digits and _, got ${shown}`
  if (dataset !== undefined && !isName('table', dataset))
    return `expected a dataset of letters, digits and _, got ${shown}`
  if (owner !== undefined && !isName('project_id', owner))
    return `expected a project id of a-z, 0-9 and -, got ${shown}`
  return undefined
}

/** Variables begin with a letter, so neither a source's field nor a step's output can have the name of another. */
export const parameterName = (variable: string): string =>
  variable
    .replace(/^(?=source\.|steps\.)/, '_')
    .replaceAll('.', '_')
    .replaceAll('-', '_x2d_')

/**
 * The query with bound parameters. `value` gives each name's value with its SQL type; `table` checks a filled path and
 * gives it back.
 */
export const fillSql = (
  template: Template,
  value: (name: string) => BoundParameter,
  table: (path: string) => string,
): { query: string; parameters: BoundParameter[] } => {
  const parameters = new Map<string, BoundParameter>()
  const bind = (variable: string, asText: boolean): string => {
    const bound = value(variable)
    const isText = asText && bound.type !== 'STRING'
    const name = parameterName(variable)
    const key = isText ? `_text_${name}` : name
    parameters.set(
      key,
      isText
        ? { name: key, type: 'STRING', value: bound.value === null ? null : String(bound.value) }
        : { ...bound, name: key },
    )
    return `@${key}`
  }
  const query = template
    .map((piece) => {
      switch (piece.kind) {
        case 'text':
          return piece.text
        case 'parameter':
          return bind(piece.name, false)
        case 'concat': {
          const parts = piece.parts.map((part) => ('literal' in part ? part.literal : bind(part.name, true)))
          return `CONCAT(${parts.join(', ')})`
        }
        case 'identifier': {
          const parts = piece.parts.map((part) => ('literal' in part ? part.literal : String(value(part.name).value)))
          return `\`${table(parts.join(''))}\``
        }
      }
    })
    .join('')
  return { query, parameters: [...parameters.values()] }
}
