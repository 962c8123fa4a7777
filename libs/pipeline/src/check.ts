/**
 * A YAML file read strictly and compared with a JSON Schema, every fault worded with file, line and column. The schema's own
 * descriptions and `x-mistaken-for` lists are what the words are made of.
 */
import { Ajv, type ErrorObject } from 'ajv'
import addFormatsModule from 'ajv-formats'
import { distance } from 'fastest-levenshtein'
import { LineCounter, isMap, isScalar, isSeq, parseAllDocuments, type Document, type Node } from 'yaml'
import type { ConfigFault } from './pipeline.ts'

export type Path = readonly (string | number)[]
export interface Source { file: string; value: unknown; place(path: Path, key?: boolean): { line: number; column: number } }

const maxBytes = 256 * 1024
const maxDepth = 20

/** The nearest of the names, if it is near enough to be meant. */
export const didYouMean = (word: string, names: readonly string[]): string => {
  const nearest = names.map((name) => ({ name, far: distance(word, name) })).sort((a, b) => a.far - b.far)[0]
  return nearest !== undefined && nearest.far <= Math.max(2, Math.floor(word.length / 3)) ? `, did you mean "${nearest.name}"?` : ''
}

/** Depth of nesting by a cheap scan, before the parser sees the text: brackets, and indentation of block collections. */
const tooDeep = (text: string): boolean => {
  let depth = 0
  for (const character of text) {
    if (character === '[' || character === '{') {
      depth += 1
      if (depth > maxDepth) return true
    } else if (character === ']' || character === '}') depth -= 1
  }
  return text.split('\n').some((line) => /^(?:\s*- ){21}/.test(line))
}

export const readYaml = (file: string, text: string): Source | ConfigFault[] => {
  const whole = (message: string): ConfigFault[] => [{ file, line: 1, column: 1, message }]
  if (Buffer.byteLength(text) > maxBytes) return whole(`the file is larger than ${maxBytes / 1024} KiB`)
  if (tooDeep(text)) return whole(`nested deeper than ${maxDepth}`)
  const lines = new LineCounter()
  const documents = parseAllDocuments(text, { schema: 'core', uniqueKeys: true, strict: true, lineCounter: lines, prettyErrors: false })
  const list = Array.isArray(documents) ? documents : []
  const document = list[0] as Document.Parsed | undefined
  if (document === undefined || document.contents === null) return whole('the file is empty; expected pipeline_id, description and steps')
  if (list.length > 1) return whole(`expected one YAML document, found ${list.length}`)
  const faults = [...document.errors, ...document.warnings].map((problem) => {
    const { line, col } = lines.linePos(problem.pos[0])
    return { file, line, column: col, message: problem.message }
  })
  if (faults.length > 0) return faults
  let value: unknown
  try {
    value = document.toJS({ maxAliasCount: 50 })
  } catch (error) {
    return whole(error instanceof Error ? error.message : 'cannot be read')
  }
  const place = (path: Path, key = false) => {
    let node: unknown = document.contents
    let at: Node | undefined = document.contents as Node
    for (const part of path) {
      if (isMap(node)) {
        const pair = node.items.find((item) => isScalar(item.key) && item.key.value === part)
        if (pair === undefined) break
        at = ((part === path.at(-1) && key ? pair.key : pair.value) ?? pair.key) as Node
        node = pair.value
      } else if (isSeq(node)) {
        node = node.items[Number(part)]
        at = node as Node
      } else break
    }
    const { line, col } = lines.linePos(at?.range?.[0] ?? 0)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  return { file, value, place }
}

interface Schema { type?: string | string[]; properties?: Record<string, Schema>; additionalProperties?: boolean | Schema; items?: Schema; description?: string; enum?: unknown[]; pattern?: string; 'x-mistaken-for'?: string[]; examples?: unknown[] }

const addFormats = addFormatsModule as unknown as (ajv: Ajv) => void
export const newAjv = (): Ajv => {
  const ajv = new Ajv({ allErrors: true, strict: false, verbose: true })
  addFormats(ajv)
  return ajv
}

/** steps[0].source.query */
export const showPath = (path: Path): string => path.reduce<string>((text, part) => (typeof part === 'number' ? `${text}[${part}]` : text === '' ? part : `${text}.${part}`), '')
const describeValue = (value: unknown): string => {
  const text = JSON.stringify(value)
  return text === undefined ? 'nothing' : text.length > 60 ? `${text.slice(0, 57)}...` : text
}
const article = (type: string | string[] | undefined): string => {
  const words: Record<string, string> = { string: 'a text', number: 'a number', integer: 'a whole number', boolean: 'true or false', array: 'a list', object: 'a group of fields' }
  return (Array.isArray(type) ? type : [type ?? '']).map((name) => words[name] ?? name).join(' or ')
}

/** All faults of the value under the schema, in the words of the product. `base` is where the value stands in the file. */
export const faultsOf = (source: Source, errors: readonly ErrorObject[], base: Path = []): ConfigFault[] =>
  errors.flatMap((error): ConfigFault[] => {
    const inner = error.instancePath.split('/').slice(1).map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~')).map((part) => (/^\d+$/.test(part) ? Number(part) : part))
    const path = [...base, ...inner]
    const parent = error.parentSchema as Schema | undefined
    const say = (at: Path, message: string, key = false): ConfigFault[] => [{ file: source.file, ...source.place(at, key), message }]
    const where = showPath(path)
    switch (error.keyword) {
      case 'additionalProperties': {
        const field = String((error.params as { additionalProperty: string }).additionalProperty)
        const known = parent?.properties ?? {}
        const right = Object.entries(known).find(([, schema]) => schema['x-mistaken-for']?.includes(field) === true)
        const prefix = where === '' ? '' : `${where}: `
        if (field === 'pipeline' && where === '') return say([...path, field], 'pipeline: unknown field; what stands in it belongs at the root of the file (pipeline_id, description)', true)
        if (right !== undefined) {
          const choices = right[1].enum === undefined ? '' : ` (${orList(right[1].enum.map(String))})`
          return say([...path, field], `${prefix}unknown field "${field}", the name is "${right[0]}"${choices}`, true)
        }
        return say([...path, field], `${prefix}unknown field "${field}"${didYouMean(field, Object.keys(known)) || `; known: ${Object.keys(known).join(', ')}`}`, true)
      }
      case 'required': {
        const field = (error.params as { missingProperty: string }).missingProperty
        const about = parent?.properties?.[field]
        const example = about?.examples?.[0] === undefined ? '' : `, such as ${String(about.examples[0])}`
        return say(path, `${where === '' ? '' : `${where}: `}"${field}" is missing${about?.description === undefined ? '' : `: ${about.description}${example}`}`)
      }
      case 'enum': {
        const values = (parent?.enum ?? []).map(String)
        return say(path, `${where}: expected ${orList(values)}, got ${describeValue(error.data)}${typeof error.data === 'string' ? didYouMean(error.data, values) : ''}`)
      }
      case 'type': return say(path, `${where}: expected ${article(parent?.type)}, got ${describeValue(error.data)}`)
      case 'pattern': return say(path, `${where}: expected ${parent?.description ?? 'another form'} (${String(parent?.pattern)}), got ${describeValue(error.data)}`)
      case 'propertyNames': return []
      case 'if': return []
      default: return say(path, `${where}: ${error.message ?? error.keyword}, got ${describeValue(error.data)}`)
    }
  })

export const orList = (words: readonly string[]): string => (words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${String(words.at(-1))}`)
