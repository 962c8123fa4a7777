/**
 * A YAML file read strictly, with the place of each value. Reading is bounded: size, nesting and aliases are checked
 * before anything is expanded.
 */
import { LineCounter, isAlias, isMap, isNode, isScalar, isSeq, parseAllDocuments, type Document, type Node } from 'yaml'
import type { ConfigFault } from './types.ts'
import type { Path } from './wording.ts'

export interface Place {
  line: number
  column: number
}
export interface Source {
  file: string
  /** Of a field that stands twice, the last. */
  value: unknown
  /** Fields that stand twice: the rest can be checked all the same. */
  faults: readonly ConfigFault[]
  /**
   * Where the value at the path stands, or, with `key`, the name of its field. What is not there is where its nearest
   * parent is.
   */
  place(path: Path, key?: boolean): Place
  /** Where the character at `offset` of the text at the path stands in the file. */
  placeIn(path: Path, offset: number): Place
}

const maxBytes = 256 * 1024
const maxDepth = 20
/**
 * Brackets are counted in texts and comments too, so this bound only keeps the parser from the absurd; `maxDepth` is
 * checked on what it read.
 */
const maxBrackets = 200
const maxAliases = 50
/** The parser takes long for many small things, so these are few: a pipeline of 200 steps has 3,000 lines. */
const maxLines = 10_000
const maxCommas = 20_000
const maxFaults = 100

/** A cheap scan before the parser sees the text. */
const isAbsurd = (text: string): boolean => {
  let depth = 0
  for (const character of text) {
    if (character === '[' || character === '{') {
      depth += 1
      if (depth > maxBrackets) return true
    } else if ((character === ']' || character === '}') && depth > 0) depth -= 1
  }
  return text.split('\n').some((line) => /^\s*(?:[-?:]\s+){21}/.test(line))
}

/** The file as a value with its places, or what keeps it from being read. */
export const readYaml = (file: string, text: string): Source | ConfigFault[] => {
  const whole = (message: string): ConfigFault[] => [{ file, line: 1, column: 1, message }]
  const bytes = Buffer.byteLength(text)
  if (bytes > maxBytes) return whole(`expected at most ${maxBytes / 1024} KiB, got ${Math.ceil(bytes / 1024)} KiB`)
  for (const [mark, most, what] of [
    ['\n', maxLines, 'lines'],
    [',', maxCommas, 'commas'],
  ] as const) {
    const count = text.split(mark).length
    if (count > most) return whole(`expected at most ${most} ${what}, got ${count}`)
  }
  if (isAbsurd(text)) return whole(`expected at most ${maxDepth} levels of nesting`)
  const lines = new LineCounter()
  // Duplicate keys are found below: the parser compares each key with all before it, which takes seconds for a file of
  // nothing but keys.
  const documents = parseAllDocuments(text, {
    schema: 'core',
    uniqueKeys: false,
    strict: true,
    lineCounter: lines,
    prettyErrors: false,
  })
  const list: readonly Document.Parsed[] = Array.isArray(documents) ? documents : []
  const at = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  const [document, second] = list
  const problems = list.flatMap(({ errors, warnings }) => [...errors, ...warnings]).slice(0, maxFaults)
  if (problems.length > 0)
    return told(problems).map(({ pos, code, message }) => ({
      file,
      ...at(pos[0]),
      message: `cannot be read as YAML: ${inOtherWords[code] ?? message}`,
    }))
  if (
    document === undefined ||
    document.contents === null ||
    (isScalar(document.contents) && document.contents.value === null)
  )
    return whole('the file is empty; expected pipeline_id, description and steps')
  if (second !== undefined)
    return [{ file, ...at(second.range[0]), message: `expected one YAML document, got ${list.length}` }]
  const structure = structureFaults(document.contents)
  const faults = structure
    .slice(0, maxFaults)
    .map(({ offset, message }) => ({ file, ...at(offset), message: message(at) }))
  if (structure.some(({ twice }) => twice !== true)) return faults
  let value: unknown
  try {
    value = document.toJS({ maxAliasCount: maxAliases })
  } catch {
    return whole(`expected at most ${maxAliases} uses of an alias: they repeat more than a pipeline can hold`)
  }

  const find = (path: Path): { node: Node | undefined; key: Node | undefined } => {
    let node: Node | undefined = document.contents as Node
    let key: Node | undefined
    for (const part of path) {
      if (isMap(node)) {
        const pair = node.items.findLast((item) => isScalar(item.key) && String(item.key.value) === String(part))
        if (pair === undefined) break
        key = pair.key as Node
        node = (pair.value ?? pair.key) as Node
      } else if (isSeq(node)) {
        const item = node.items[Number(part)]
        if (item === undefined) break
        node = item as Node
        key = node
      } else break
    }
    return { node, key: key ?? node }
  }
  const place = (path: Path, key = false): Place => {
    const found = find(path)
    return at((key ? found.key : found.node)?.range?.[0] ?? 0)
  }
  const placeIn = (path: Path, offset: number): Place => {
    const { node } = find(path)
    if (!isScalar(node) || typeof node.value !== 'string' || node.range === undefined || node.range === null)
      return place(path)
    const [start, end] = node.range
    const raw = text.slice(start, end)
    if (node.type === 'BLOCK_LITERAL') {
      const before = node.value.slice(0, offset).split('\n')
      const rows = raw.split('\n').slice(1)
      const indent = /^ */.exec(rows.find((row) => row.trim() !== '') ?? '')?.[0].length ?? 0
      return { line: at(start).line + before.length, column: indent + (before.at(-1)?.length ?? 0) + 1 }
    }
    const same = raw.indexOf(node.value)
    if (same >= 0) return at(start + same + offset)
    // Folded or with escapes: the same piece of text, counted from the beginning.
    const piece = /^(?:\{[^{}]*\}|\S+)/.exec(node.value.slice(offset))?.[0] ?? ''
    if (piece === '') return at(start)
    let nth = node.value.slice(0, offset).split(piece).length - 1
    let found = raw.indexOf(piece)
    for (; nth > 0 && found >= 0; nth -= 1) found = raw.indexOf(piece, found + piece.length)
    return at(start + Math.max(found, 0))
  }
  return { file, value, faults, place, placeIn }
}

/** What the parser's own words leave open. */
const inOtherWords: Readonly<Record<string, string>> = {
  MULTILINE_IMPLICIT_KEY: 'expected "name: value", got a line without a colon behind its name',
  TAB_AS_INDENT: 'expected blanks before a name, got a tab',
}
/** A tab makes the parser read what stands behind it wrongly too. */
const told = <T extends { code: string }>(problems: readonly T[]): readonly T[] => {
  const tab = problems.findIndex(({ code }) => code === 'TAB_AS_INDENT')
  return tab < 0 ? problems : problems.slice(0, tab + 1)
}

interface StructureFault {
  offset: number
  message: (at: (offset: number) => Place) => string
  /** A field that stands twice. */
  twice?: true
}
/** Keys that stand twice and nesting that is too deep, without recursion. */
const structureFaults = (root: Node): StructureFault[] => {
  const faults: StructureFault[] = []
  const anchors = new Set<string>()
  const aliases: { name: string; offset: number }[] = []
  const open: { node: unknown; depth: number }[] = [{ node: root, depth: 1 }]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { node, depth } = next
    if (isAlias(node)) aliases.push({ name: node.source, offset: node.range?.[0] ?? 0 })
    else if (isNode(node) && node.anchor !== undefined) anchors.add(node.anchor)
    if (!isMap(node) && !isSeq(node)) continue
    if (depth > maxDepth) {
      faults.push({ offset: node.range?.[0] ?? 0, message: () => `expected at most ${maxDepth} levels of nesting` })
      continue
    }
    if (isSeq(node)) {
      for (const item of node.items) open.push({ node: item, depth: depth + 1 })
      continue
    }
    const seen = new Map<string, number>()
    for (const { key, value } of node.items) {
      open.push({ node: value, depth: depth + 1 })
      const offset = (key as Node | null)?.range?.[0] ?? 0
      if (!isScalar(key)) {
        faults.push({ offset, message: () => 'expected the name of a field, got a list, a group or an alias as a key' })
        continue
      }
      const name = String(key.value)
      const first = seen.get(name)
      if (first === undefined) seen.set(name, offset)
      else
        faults.push({
          offset,
          message: (at) => `field "${name}" stands twice; the first is in line ${at(first).line}`,
          twice: true,
        })
    }
  }
  for (const { name, offset } of aliases)
    if (!anchors.has(name)) faults.push({ offset, message: () => `alias *${name}: nothing has the anchor &${name}` })
  return faults.sort((a, b) => a.offset - b.offset)
}
