/**
 * `{variable}` in GoogleSQL, without ever pasting a value into the text. A lexer for GoogleSQL's strings, comments and backticks gives each
 * placeholder its context: a whole literal becomes a parameter, a part of a literal a CONCAT of parameters, inside backticks a checked
 * identifier; anywhere else it is a fault of the config.
 */

export interface Segment { kind: 'code' | 'string' | 'raw' | 'bytes' | 'comment' | 'backtick'; text: string; start: number; /** Of strings: what stands before and after the content. */ open: string; close: string }

/** Cuts GoogleSQL into code, literals, comments and quoted identifiers; together they are the whole text. */
export const lexSql = (sql: string): Segment[] => {
  const segments: Segment[] = []
  let codeStart = 0
  let at = 0
  const push = (kind: Segment['kind'], start: number, end: number, open: string, close: string) => {
    if (start > codeStart) segments.push({ kind: 'code', text: sql.slice(codeStart, start), start: codeStart, open: '', close: '' })
    segments.push({ kind, text: sql.slice(start, end), start, open, close })
    codeStart = end
    at = end
  }
  while (at < sql.length) {
    const rest = sql.slice(at, at + 5)
    if (rest.startsWith('--') || rest.startsWith('#')) {
      const end = sql.indexOf('\n', at)
      push('comment', at, end < 0 ? sql.length : end, '', '')
      continue
    }
    if (rest.startsWith('/*')) {
      const end = sql.indexOf('*/', at + 2)
      push('comment', at, end < 0 ? sql.length : end + 2, '', '')
      continue
    }
    if (rest.startsWith('`')) {
      const end = sql.indexOf('`', at + 1)
      push('backtick', at, end < 0 ? sql.length : end + 1, '`', '`')
      continue
    }
    const literal = /^(r|b|rb|br)?("""|'''|"|')/i.exec(rest)
    if (literal !== null && (literal[1] === undefined || at === 0 || !/[A-Za-z0-9_]/.test(sql.charAt(at - 1)))) {
      const [open, prefix = '', quote = ''] = literal
      let end = at + open.length
      while (end < sql.length && !sql.startsWith(quote, end)) end += sql.charAt(end) === '\\' ? 2 : 1
      end = Math.min(sql.length, end + quote.length)
      const lower = prefix.toLowerCase()
      push(lower.includes('b') ? 'bytes' : lower === 'r' ? 'raw' : 'string', at, end, open, quote)
      continue
    }
    at += 1
  }
  if (codeStart < sql.length) segments.push({ kind: 'code', text: sql.slice(codeStart), start: codeStart, open: '', close: '' })
  return segments
}

const placeholder = /\{([a-z][a-z0-9_]{0,63})\}/g
export interface Piece { kind: 'text'; text: string }
export type Template = (Piece | { kind: 'parameter'; name: string } | { kind: 'concat'; parts: ({ literal: string } | { name: string })[] } | { kind: 'identifier'; parts: ({ literal: string } | { name: string })[] })[]
export interface TemplateFault { offset: number; message: string }

/** Splits at placeholders; literals in between are kept as they are written. */
const split = (text: string): ({ literal: string } | { name: string })[] => {
  const parts: ({ literal: string } | { name: string })[] = []
  let last = 0
  for (const match of text.matchAll(placeholder)) {
    if (match.index > last) parts.push({ literal: text.slice(last, match.index) })
    parts.push({ name: String(match[1]) })
    last = match.index + match[0].length
  }
  if (last < text.length) parts.push({ literal: text.slice(last) })
  return parts
}

/** The query as pieces, and every misplaced placeholder. */
export const parseSqlTemplate = (sql: string): { template: Template; names: { name: string; offset: number }[]; faults: TemplateFault[] } => {
  const template: Template = []
  const names: { name: string; offset: number }[] = []
  const faults: TemplateFault[] = []
  for (const segment of lexSql(sql)) {
    const found = [...segment.text.matchAll(placeholder)]
    for (const match of found) names.push({ name: String(match[1]), offset: segment.start + match.index })
    if (found.length === 0) {
      template.push({ kind: 'text', text: segment.text })
      continue
    }
    if (segment.kind === 'string') {
      const parts = split(segment.text.slice(segment.open.length, segment.text.length - segment.close.length))
      const [only] = parts
      if (parts.length === 1 && only !== undefined && 'name' in only) template.push({ kind: 'parameter', name: only.name })
      else template.push({ kind: 'concat', parts: parts.map((part) => ('literal' in part ? { literal: `${segment.open}${part.literal}${segment.close}` } : part)) })
      continue
    }
    if (segment.kind === 'backtick') {
      template.push({ kind: 'identifier', parts: split(segment.text.slice(1, -1)) })
      // A placeholder must fill whole parts of the path: `{project_id}.x` yes, `x_{date}` no.
      for (const match of found) {
        const before = segment.text.charAt(match.index - 1)
        const after = segment.text.charAt(match.index + match[0].length)
        if (!'`.'.includes(before) || !'`.'.includes(after)) faults.push({ offset: segment.start + match.index, message: `{${String(match[1])}} is a fragment of a name; in backticks a variable fills whole parts between dots` })
      }
      continue
    }
    const where = { code: 'outside quotes', raw: 'in a raw literal', bytes: 'in a bytes literal', comment: 'in a comment' }[segment.kind]
    for (const match of found) {
      const name = String(match[1])
      faults.push({ offset: segment.start + match.index, message: `{${name}} stands ${where}; write '{${name}}' for a value or \`{${name}}\` for a table` })
    }
  }
  return { template, names, faults }
}

export interface BoundParameter { name: string; type: 'STRING' | 'DATE' | 'INT64' | 'BOOL' | 'FLOAT64'; value: string | number | boolean | null }

const project = /^[a-z][a-z0-9-]{4,28}[a-z0-9]$/
const name = /^[A-Za-z0-9_]{1,128}$/
/** What is wrong with a table path, or nothing. */
export const identifierFault = (path: string): string | undefined => {
  const parts = path.split('.')
  if (parts.length > 3) return `"${path}" has ${parts.length} parts; expected project.dataset.table`
  const [table, dataset, owner] = parts.toReversed()
  if (table === undefined || !name.test(table)) return `"${path}": the table is not letters, digits and _`
  if (dataset !== undefined && !name.test(dataset)) return `"${path}": the dataset is not letters, digits and _`
  if (owner !== undefined && !project.test(owner)) return `"${path}": the project is not a project id`
  return undefined
}

/** The query with bound parameters. `value` gives each name's value with its SQL type; throws what `refuse` makes of a bad identifier. */
export const fillSql = (template: Template, value: (name: string) => BoundParameter, refuse: (message: string) => Error): { query: string; parameters: BoundParameter[] } => {
  const parameters = new Map<string, BoundParameter>()
  const bind = (variable: string, as?: 'STRING'): string => {
    const bound = value(variable)
    const type = as ?? bound.type
    const key = type === bound.type ? variable : `${variable}_text`
    parameters.set(key, { name: key, type, value: type === 'STRING' && bound.value !== null ? String(bound.value) : bound.value })
    return `@${key}`
  }
  const query = template.map((piece) => {
    switch (piece.kind) {
      case 'text': return piece.text
      case 'parameter': return bind(piece.name)
      case 'concat': return `CONCAT(${piece.parts.map((part) => ('literal' in part ? part.literal : bind(part.name, 'STRING'))).join(', ')})`
      case 'identifier': {
        const path = piece.parts.map((part) => ('literal' in part ? part.literal : String(value(part.name).value))).join('')
        const fault = identifierFault(path)
        if (fault !== undefined) throw refuse(fault)
        return `\`${path}\``
      }
    }
  }).join('')
  return { query, parameters: [...parameters.values()] }
}
