/**
 * A YAML file read strictly and compared with a JSON Schema, every fault worded with file, line and column. The words
 * are made of the
 * schema's own descriptions, `examples`, `x-expected` (a pattern in words), `x-mistaken-for` (known mistakes) and
 * `x-secret` (a value
 * that is never shown). Reading is bounded: size, nesting and aliases are checked before anything is expanded.
 */
import { Ajv, type ErrorObject } from 'ajv'
import addFormatsModule from 'ajv-formats'
import { distance } from 'fastest-levenshtein'
import { LineCounter, isAlias, isMap, isNode, isScalar, isSeq, parseAllDocuments, type Document, type Node } from 'yaml'
import type { ConfigFault } from './pipeline.ts'

export type Path = readonly (string | number)[]
export interface Place {
  line: number
  column: number
}
export interface Source {
  file: string
  value: unknown
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

/**
 * The nearest of the names, if it is near enough to be meant: a letter in three is wrong, or letters have changed
 * places.
 */
export const nearest = (word: string, names: Iterable<string>): string | undefined => {
  const cut = word.slice(0, 100).toLowerCase()
  const letters = (text: string) => [...text].sort().join('')
  const far = (name: string) => (name === cut ? 0 : letters(name) === letters(cut) ? 1 : distance(cut, name))
  const [best] = [...names]
    .map((name) => ({ name, far: far(name) }))
    .sort((a, b) => a.far - b.far || (a.name < b.name ? -1 : 1))
  return best !== undefined && best.far <= Math.min(cut.length - 1, Math.max(1, Math.floor(cut.length / 3)))
    ? best.name
    : undefined
}
export const didYouMean = (word: string, names: Iterable<string>): string => {
  const name = nearest(word, names)
  return name === undefined ? '' : `, did you mean "${name}"?`
}

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
    return problems.map(({ pos, message }) => ({ file, ...at(pos[0]), message: `cannot be read as YAML: ${message}` }))
  if (
    document === undefined ||
    document.contents === null ||
    (isScalar(document.contents) && document.contents.value === null)
  )
    return whole('the file is empty; expected pipeline_id, description and steps')
  if (second !== undefined)
    return [{ file, ...at(second.range[0]), message: `expected one YAML document, got ${list.length}` }]
  const structure = structureFaults(document.contents)
  if (structure.length > 0)
    return structure.slice(0, maxFaults).map(({ offset, message }) => ({ file, ...at(offset), message: message(at) }))
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
        const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(part))
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
  return { file, value, place, placeIn }
}

/** Keys that stand twice and nesting that is too deep, without recursion. */
const structureFaults = (root: Node): { offset: number; message: (at: (offset: number) => Place) => string }[] => {
  const faults: { offset: number; message: (at: (offset: number) => Place) => string }[] = []
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
        faults.push({ offset, message: (at) => `field "${name}" stands twice; the first is in line ${at(first).line}` })
    }
  }
  for (const { name, offset } of aliases)
    if (!anchors.has(name)) faults.push({ offset, message: () => `alias *${name}: nothing has the anchor &${name}` })
  return faults.sort((a, b) => a.offset - b.offset)
}

export interface Schema {
  $ref?: string
  type?: string | string[]
  properties?: Record<string, Schema>
  required?: string[]
  additionalProperties?: boolean | Schema
  items?: Schema
  description?: string
  enum?: unknown[]
  pattern?: string
  examples?: unknown[]
  minimum?: number
  maximum?: number
  exclusiveMinimum?: number
  minItems?: number
  maxItems?: number
  maxLength?: number
  'x-expected'?: string
  'x-mistaken-for'?: string[]
  'x-secret'?: boolean
  /** A run must not be able to choose the value: no parameter may stand in it. */
  'x-fixed'?: boolean
}

const addFormats = addFormatsModule as unknown as (ajv: Ajv) => void
export const newAjv = (): Ajv => {
  const ajv = new Ajv({ allErrors: true, strict: false, verbose: true })
  addFormats(ajv)
  return ajv
}

/** steps[0].source.query */
export const showPath = (path: Path): string =>
  path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : text === '' ? part : `${text}.${part}`),
    '',
  )
/** The value as JSON, cut. */
export const show = (value: unknown): string => {
  const text = JSON.stringify(value) as string | undefined
  return text === undefined ? 'nothing' : text.length > 60 ? `${text.slice(0, 57)}...` : text
}
export const orList = (given: readonly string[]): string => {
  const words = [...new Set(given)]
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${String(words.at(-1))}`
}

const kinds: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  integer: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a group of fields',
  null: 'nothing',
}
const kindOf = (type: string | string[] | undefined): string =>
  orList((Array.isArray(type) ? type : [type ?? '']).map((name) => kinds[name] ?? name))
const range = ({ minimum, exclusiveMinimum, maximum }: Schema): string =>
  [
    minimum === undefined ? '' : `at least ${minimum}`,
    exclusiveMinimum === undefined ? '' : `more than ${exclusiveMinimum}`,
    maximum === undefined ? '' : `at most ${maximum}`,
  ]
    .filter((word) => word !== '')
    .join(' and ')

/**
 * All faults of a value under its schema, in the words of the product. `base` is where the value stands in the file.
 */
export const faultsOf = (source: Source, errors: readonly ErrorObject[], base: Path = []): ConfigFault[] => {
  const pathOf = (instancePath: string): Path => {
    let value: unknown = base.reduce<unknown>(
      (inner, part) => (inner as Record<string | number, unknown>)[part],
      source.value,
    )
    return [
      ...base,
      ...instancePath
        .split('/')
        .slice(1)
        .map((part) => {
          const name = part.replaceAll('~1', '/').replaceAll('~0', '~')
          const key = Array.isArray(value) ? Number(name) : name
          value = (value as Record<string | number, unknown> | undefined)?.[key]
          return key
        }),
    ]
  }
  const unknown = errors
    .filter(({ keyword }) => keyword === 'additionalProperties')
    .map((error) => ({
      at: error.instancePath,
      field: (error.params as { additionalProperty: string }).additionalProperty,
    }))
  /** The field that the unknown one was meant to be. */
  const meant = (field: string, properties: Record<string, Schema>): string | undefined =>
    Object.entries(properties).find(([, schema]) => schema['x-mistaken-for']?.includes(field) === true)?.[0] ??
    nearest(field, Object.keys(properties))

  return errors.flatMap((error): ConfigFault[] => {
    const path = pathOf(error.instancePath)
    const where = showPath(path)
    const prefix = where === '' ? '' : `${where}: `
    const schema = (error.parentSchema ?? {}) as Schema
    const properties = schema.properties ?? {}
    const say = (message: string, at: Path = path, key = false): ConfigFault[] => [
      { file: source.file, ...source.place(at, key), message },
    ]
    const got = schema['x-secret'] === true ? '' : `, got ${show(error.data)}`
    if (error.propertyName !== undefined) {
      const name = error.propertyName
      return say(
        `${prefix}expected a name of a-z, 0-9 and _ that begins with a letter, got ${show(name)}`,
        [...path, name],
        true,
      )
    }
    switch (error.keyword) {
      case 'additionalProperties': {
        const field = (error.params as { additionalProperty: string }).additionalProperty
        if (field === 'pipeline' && where === '')
          return say(
            'pipeline: unknown field; what stands in it belongs at the root of the file (pipeline_id, description)',
            [field],
            true,
          )
        const right = Object.entries(properties).find(([, known]) => known['x-mistaken-for']?.includes(field) === true)
        if (right !== undefined) {
          const [name, known] = right
          return say(
            `${prefix}unknown field "${field}", the name is "${name}"${known.enum === undefined ? '' : ` (${orList(known.enum.map(String))})`}`,
            [...path, field],
            true,
          )
        }
        return say(
          `${prefix}unknown field "${field}"${didYouMean(field, Object.keys(properties)) || `; expected ${orList(Object.keys(properties).sort())}`}`,
          [...path, field],
          true,
        )
      }
      case 'required': {
        const field = (error.params as { missingProperty: string }).missingProperty
        // Whoever wrote the field under a wrong name hears of the name alone; `pipeline:` holds what the root lacks.
        if (
          unknown.some(
            (other) =>
              other.at === error.instancePath &&
              (meant(other.field, properties) === field || (where === '' && other.field === 'pipeline')),
          )
        )
          return []
        const about = properties[field]
        const example = about?.examples?.[0] === undefined ? '' : `, such as ${String(about.examples[0])}`
        return say(
          `${prefix}"${field}" is missing${about?.description === undefined ? '' : `: ${about.description}${example}`}`,
          path,
          true,
        )
      }
      case 'enum': {
        const values = (schema.enum ?? []).map(String)
        return say(
          `${prefix}expected ${orList(values)}${got}${typeof error.data === 'string' ? didYouMean(error.data, values) : ''}`,
        )
      }
      case 'type':
        return say(`${prefix}expected ${kindOf(schema.type)}${got}`)
      case 'pattern':
        return say(`${prefix}expected ${schema['x-expected'] ?? `a text of the form ${String(schema.pattern)}`}${got}`)
      case 'minLength':
        return say(`${prefix}expected a text, got ""`)
      case 'maxLength':
        return say(`${prefix}expected at most ${schema.maxLength ?? 0} characters, got ${String(error.data).length}`)
      case 'minItems':
        return say(`${prefix}expected at least ${schema.minItems ?? 0}, got ${(error.data as unknown[]).length}`)
      case 'maxItems':
        return say(`${prefix}expected at most ${schema.maxItems ?? 0}, got ${(error.data as unknown[]).length}`)
      case 'minProperties':
        return say(`${prefix}expected at least one field, got none`)
      case 'uniqueItems':
        return say(`${prefix}expected each once, got ${show(error.data)}`)
      case 'minimum':
      case 'maximum':
      case 'exclusiveMinimum':
        return say(`${prefix}expected ${range(schema)}${got}`)
      case 'propertyNames':
      case 'if':
        return []
      default:
        return say(`${prefix}expected ${schema['x-expected'] ?? schema.description ?? error.keyword}${got}`)
    }
  })
}
