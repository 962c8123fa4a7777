/**
 * A value compared with a JSON Schema, every fault worded with file, line and column. The words are made of the
 * schema's own descriptions, `examples`, `x-expected` (a pattern in words), `x-mistaken-for` (known mistakes) and
 * `x-secret` (a value that is never shown).
 */
import { Ajv, type ErrorObject } from 'ajv'
import addFormatsModule from 'ajv-formats'
import { isName } from '@convergence/contracts'
import type { ConfigFault } from './types.ts'
import { didYouMean, nearest, orList, show, showPath, type Path } from './wording.ts'
import type { Source } from './yaml.ts'

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
/** A file is checked once, so that compiling a schema counts and the speed of checking does not: not optimised. */
export const newAjv = (): Ajv => {
  const ajv = new Ajv({ allErrors: true, strict: false, verbose: true, code: { optimize: false } })
  addFormats(ajv)
  // What a variable stands for is known when a run is asked for.
  ajv.addFormat('recipient', (text: string) => text.includes('{') || isName('email', text))
  return ajv
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

/** Where the value of an error stands in the file: `base` and the error's own path. */
const pathOf = (source: Source, base: Path, instancePath: string): Path => {
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

/** A fault in words, at the value itself unless another place is named. */
interface Worded {
  message: string
  /** Below the value. */
  field?: string
  /** The name of the field instead of its value. */
  key?: boolean
}

const schemaOf = (error: ErrorObject): Schema => (error.parentSchema ?? {}) as Schema
const propertiesOf = (error: ErrorObject): Record<string, Schema> => schemaOf(error).properties ?? {}
const unknownField = (error: ErrorObject): string => (error.params as { additionalProperty: string }).additionalProperty
/** The field that has the other name as a known mistake. */
const mistakenFor = (field: string, properties: Record<string, Schema>): [string, Schema] | undefined =>
  Object.entries(properties).find(([, schema]) => schema['x-mistaken-for']?.includes(field) === true)
/** The field that the unknown one was meant to be. */
const meant = (field: string, properties: Record<string, Schema>): string | undefined =>
  mistakenFor(field, properties)?.[0] ?? nearest(field, Object.keys(properties))

const wordUnknown = (error: ErrorObject, where: string): Worded => {
  const prefix = where === '' ? '' : `${where}: `
  const properties = propertiesOf(error)
  const field = unknownField(error)
  const right = mistakenFor(field, properties)
  if (right !== undefined) {
    const [name, { enum: values }] = right
    const choice = values === undefined ? '' : ` (${orList(values.map(String))})`
    return { message: `${prefix}unknown field "${field}", the name is "${name}"${choice}`, field, key: true }
  }
  const names = Object.keys(properties)
  const hint = didYouMean(field, names) || `; expected ${orList(names.sort())}`
  return { message: `${prefix}unknown field "${field}"${hint}`, field, key: true }
}

/** stepId and step-id as step_id. */
const snakeCase = (name: string): string =>
  name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/[- ]/g, '_')
    .toLowerCase()
const isGroup = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** What to write instead of a value of another type, or nothing. */
const instead = ({ type, properties }: Schema, value: unknown): string => {
  const types = Array.isArray(type) ? type : [type]
  const entries = isGroup(value) ? Object.entries(value) : []
  if (entries.length === 1 && entries[0]?.[1] === null) return `; put the variable in quotes: "{${entries[0][0]}}"`
  if (types.includes('array') && typeof value === 'string') return `; put it in brackets: [${value}]`
  const [number] =
    (types.includes('number') || types.includes('integer')) && typeof value === 'string'
      ? (/^[0-9]+(?=[ ]?[a-z]*$)/i.exec(value) ?? [])
      : []
  if (number !== undefined) return `; write the number alone: ${number}`
  const fields = Object.keys(properties ?? {})
  return types.includes('object') && !isGroup(value) && fields.length > 0 ? `; its fields are ${fields.join(', ')}` : ''
}

const exampleText = (example: unknown): string => (typeof example === 'string' ? example : JSON.stringify(example))
const wordMissing = (error: ErrorObject, where: string, errors: readonly ErrorObject[]): Worded | undefined => {
  const properties = propertiesOf(error)
  const field = (error.params as { missingProperty: string }).missingProperty
  // Whoever wrote the field under a wrong name hears of the name alone.
  const isMisnamed = errors.some(
    (other) =>
      other.keyword === 'additionalProperties' &&
      other.instancePath === error.instancePath &&
      meant(unknownField(other), properties) === field,
  )
  if (isMisnamed) return undefined
  const written = isGroup(error.data)
    ? Object.keys(error.data).find((key) => snakeCase(key) === field && properties[key] === undefined)
    : undefined
  if (written !== undefined)
    return {
      message: `${where === '' ? '' : `${where}: `}unknown field "${written}", the name is "${field}"`,
      field: written,
      key: true,
    }
  const { description, examples } = properties[field] ?? {}
  const example = examples?.[0] === undefined ? '' : `, such as ${exampleText(examples[0])}`
  const about = description === undefined ? '' : `: ${description}${example}`
  return { message: `${where === '' ? '' : `${where}: `}"${field}" is missing${about}`, key: true }
}

/** What was expected and what came; undefined for errors that others say better. */
const expectedAndGot = (error: ErrorObject): string | undefined => {
  const schema = schemaOf(error)
  const got = schema['x-secret'] === true ? '' : `, got ${show(error.data)}`
  switch (error.keyword) {
    case 'enum': {
      const values = (schema.enum ?? []).map(String)
      return `expected ${orList(values)}${got}${typeof error.data === 'string' ? didYouMean(error.data, values) : ''}`
    }
    case 'type':
      return `expected ${kindOf(schema.type)}${got}${schema['x-secret'] === true ? '' : instead(schema, error.data)}`
    case 'pattern':
      return `expected ${schema['x-expected'] ?? `a text of the form ${String(schema.pattern)}`}${got}`
    case 'minLength':
      return 'expected a text, got ""'
    case 'maxLength':
      return `expected at most ${schema.maxLength ?? 0} characters, got ${String(error.data).length}`
    case 'minItems':
      return `expected at least ${schema.minItems ?? 0}, got ${(error.data as unknown[]).length}`
    case 'maxItems':
      return `expected at most ${schema.maxItems ?? 0}, got ${(error.data as unknown[]).length}`
    case 'minProperties':
      return 'expected at least one field, got none'
    case 'uniqueItems':
      return `expected each once, got ${show(error.data)}`
    case 'minimum':
    case 'maximum':
    case 'exclusiveMinimum':
      return `expected ${range(schema)}${got}`
    case 'propertyNames':
    case 'if':
      return undefined
    default:
      return `expected ${schema['x-expected'] ?? schema.description ?? error.keyword}${got}`
  }
}

const word = (error: ErrorObject, where: string, errors: readonly ErrorObject[]): Worded | undefined => {
  const prefix = where === '' ? '' : `${where}: `
  const name = error.propertyName
  if (name !== undefined)
    return {
      message: `${prefix}expected a name of a-z, 0-9 and _ that begins with a letter, got ${show(name)}`,
      field: name,
      key: true,
    }
  if (error.keyword === 'additionalProperties') return wordUnknown(error, where)
  if (error.keyword === 'required') return wordMissing(error, where, errors)
  const message = expectedAndGot(error)
  return message === undefined ? undefined : { message: prefix + message }
}

/**
 * All faults of a value under its schema, in the words of the product. `base` is where the value stands in the file.
 */
export const faultsOf = (source: Source, errors: readonly ErrorObject[], base: Path = []): ConfigFault[] =>
  errors.flatMap((error): ConfigFault[] => {
    const path = pathOf(source, base, error.instancePath)
    const worded = word(error, showPath(path), errors)
    if (worded === undefined) return []
    const { message, field, key = false } = worded
    const at = field === undefined ? path : [...path, field]
    return [{ file: source.file, ...source.place(at, key), message }]
  })
