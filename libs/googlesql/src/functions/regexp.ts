/** Regular expressions. Both sides run RE2; only what surrounds a match differs. */
import type { Expression } from '../compile/compiler.ts'
import { noMatch, type FunctionCall, type ScalarFunction } from './signature.ts'
import { reservedSchema as MACROS } from '../macros/macro.ts'
import { arrayOf, BOOL, STRING } from '../types.ts'

/** A literal pattern: its SQL, how many groups it has, and the text that an extraction gives. */
interface Pattern {
  sql: string
  text: string
  groups: number
  /** The group's pattern, or the whole one. */
  extracted: string
}
const literalPattern = (call: FunctionCall, at: number): Pattern => {
  const e = call.arg(at)
  if (e.lit?.kind !== 'STRING')
    throw call.compiler.unsupported(e.pos, `A regular expression of ${call.ast.name} that is no text literal`)
  const groups = groupsOf(e.lit.value)
  return { sql: e.sql, text: e.lit.value, groups: groups.length, extracted: groups[0] ?? e.lit.value }
}
/** As literalPattern, with one group at most. */
const extractionPattern = (call: FunctionCall): Pattern => {
  const pattern = literalPattern(call, 1)
  if (pattern.groups > 1)
    throw call.compiler.invalid(call.ast.pos, `${call.ast.name}: the regular expression has more than one group`)
  return pattern
}

/** One piece of a pattern at a time: an escape, a quoted run, a class, or a character. */
const piece = /\\Q[^]*?(?:\\E|$)|\\p\{[^}]*\}|\\.|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]|[^]/gs
/** The patterns inside of the capturing groups. */
const groupsOf = (pattern: string): string[] => {
  const open: { at: number; captures: boolean }[] = []
  const groups: { at: number; text: string }[] = []
  for (const { 0: found, index } of pattern.matchAll(piece)) {
    if (found === '(') {
      const kind = /^\((\?P?<[^>]*>|\?)?/.exec(pattern.slice(index))?.[1]
      open.push({ at: index + 1 + (kind === '?' ? 0 : (kind?.length ?? 0)), captures: kind !== '?' })
    } else if (found === ')') {
      const group = open.pop()
      if (group?.captures === true) groups.push({ at: group.at, text: pattern.slice(group.at, index) })
    }
  }
  return groups.sort((a, b) => a.at - b.at).map(({ text }) => text)
}
const assertion = /^(?:\\[bBAz]|[$^])$/
const hasAssertion = (pattern: string): boolean => (pattern.match(piece) ?? []).some((found) => assertion.test(found))
/** Whether the pattern may match an empty text; true where that is not certain. */
const mayBeEmpty = (pattern: string): boolean => {
  const consuming = (pattern.match(piece) ?? []).filter((found) => !assertion.test(found)).join('')
  const unflagged = consuming
    .replaceAll(/\(\?[imsU-]+(?=[:)])/g, '(?:')
    .replaceAll('(?:)', '')
    .replaceAll('(?P<', '(?<')
  try {
    return new RegExp(`^(?:${unflagged})$`, 'u').test('')
  } catch {
    return true
  }
}

/** A function of a text and a literal pattern. */
const extraction = (make: (call: FunctionCall, x: Expression, pattern: Pattern) => Expression): ScalarFunction => ({
  min: 2,
  max: 2,
  gen: (call) => make(call, call.compiler.coerce(call.arg(0), STRING, call.ast.name), extractionPattern(call)),
})
/** The first match, or NULL: also where the group takes no part in it. */
const extract = extraction(({ compiler, ast }, x, { sql, groups, extracted }) => {
  const found = `regexp_extract(${x.sql}, ${sql}, ${groups})`
  // DuckDB gives an empty text for no match. Only its list of all matches tells that from an empty one.
  if (!mayBeEmpty(extracted)) return compiler.build(ast.pos, STRING, `nullif(${found}, '')`, x)
  const first = `list_extract(regexp_extract_all(${x.sql}, ${sql}, ${groups}), 1)`
  return (x.weight ?? 1) > 3
    ? compiler.build(ast.pos, STRING, first, x)
    : compiler.build(ast.pos, STRING, `CASE WHEN ${found} <> '' THEN ${found} ELSE ${first} END`, x, x, x)
})
const extractAll = extraction(({ compiler, ast }, x, { sql, text, groups }) => {
  const out = (list: string): Expression => compiler.build(ast.pos, arrayOf(STRING), list, x)
  if (mayBeEmpty(text)) {
    if (hasAssertion(text))
      throw compiler.unsupported(ast.pos, `${ast.name} with this regular expression, which may match an empty text,`)
    return out(`${MACROS}.extract_all_empty(${x.sql}, ${sql}, ${groups})`)
  }
  const all = `regexp_extract_all(${x.sql}, ${sql}, ${groups})`
  if (groups === 0) return out(all)
  const element = compiler.fresh()
  return out(`list_transform(${all}, lambda ${element}: coalesce(${element}, ''))`)
})
const replace: ScalarFunction = {
  min: 3,
  max: 3,
  gen: (call) => {
    const { compiler, ast } = call
    const x = compiler.coerce(call.arg(0), STRING, ast.name)
    const { sql, groups } = literalPattern(call, 1)
    const by = compiler.coerce(call.arg(2), STRING, ast.name)
    const allowed = `^(?:[^\\\\]|\\\\[0-${Math.min(groups, 9)}\\\\])*$`
    if (by.lit?.kind === 'STRING' && !new RegExp(allowed, 's').test(by.lit.value))
      throw compiler.invalid(
        by.pos,
        `Invalid REGEXP_REPLACE pattern: expected \\ before \\ or the number of one of ${groups} groups`,
      )
    const rewrite = by.lit === undefined ? `${MACROS}.rewrite_of(${by.sql}, '(?s)${allowed}')` : by.sql
    return compiler.build(ast.pos, STRING, `regexp_replace(${x.sql}, ${sql}, ${rewrite}, 'g')`, x, by)
  },
}

/** From a position on, and the so-manieth match: both literals. */
const extractAt: ScalarFunction = {
  min: 2,
  max: 4,
  gen: (call) => {
    const { compiler, ast } = call
    if (ast.args.length === 2) return extract.gen(call)
    const numbers = [2, 3].map((at) => {
      const e = ast.args.length > at ? call.arg(at) : undefined
      const n = e === undefined ? 1 : Number(e.lit?.kind === 'INT64' ? e.lit.value : NaN)
      if (n < 1) throw compiler.invalid(e?.pos ?? ast.pos, `${ast.name}: position and occurrence count from 1`)
      if (!Number.isSafeInteger(n))
        throw compiler.unsupported(e?.pos ?? ast.pos, `${ast.name} with a position or occurrence that is no literal`)
      return n
    })
    const [position = 1, occurrence = 1] = numbers
    const { sql, text, groups } = extractionPattern(call)
    if (mayBeEmpty(text) || (position > 1 && hasAssertion(text)))
      throw compiler.unsupported(ast.pos, `${ast.name} with a position and this regular expression`)
    const x = compiler.coerce(call.arg(0), STRING, ast.name)
    const from = position === 1 ? x.sql : `substring(${x.sql}, ${position})`
    const element = `list_extract(regexp_extract_all(${from}, ${sql}, ${groups}), ${occurrence})`
    return compiler.build(ast.pos, STRING, element, x)
  },
}

/** By upper-case name. */
export const regexpFunctions = {
  REGEXP_CONTAINS: {
    min: 2,
    max: 2,
    gen: ({ compiler, ast, args }) => {
      const [x, pattern] = args().map((e) => compiler.coerce(e, STRING, ast.name))
      if (x === undefined || pattern === undefined) throw noMatch(compiler, ast, args())
      return compiler.build(ast.pos, BOOL, `regexp_matches(${x.sql}, ${pattern.sql})`, x, pattern)
    },
  },
  REGEXP_EXTRACT: extractAt,
  REGEXP_SUBSTR: extractAt,
  REGEXP_EXTRACT_ALL: extractAll,
  REGEXP_REPLACE: replace,
} satisfies Record<string, ScalarFunction>
