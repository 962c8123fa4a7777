/**
 * The part of JSON Schema that requests are described in: checked here, shown in OpenAPI as it stands. Objects are
 * closed: a field that
 * is not named is a fault. Patterns are linear and their input is capped by maxLength.
 */
import { isPeriod } from '@convergence/calendar/periods'
import { AppError, emailExpected, isName, namePatterns } from '@convergence/contracts'

export interface Field {
  type: 'string' | 'integer' | 'number' | 'boolean' | 'object' | 'array'
  description?: string
  nullable?: boolean
  default?: unknown
  enum?: readonly string[]
  pattern?: string
  format?: 'date' | 'date-time' | 'email'
  minLength?: number
  maxLength?: number
  minimum?: number
  maximum?: number
  items?: Field
  maxItems?: number
  properties?: Readonly<Record<string, Field>>
  required?: readonly string[]
  /** Of an object with free names: what each value is. */
  additionalProperties?: false | Field | { type: readonly string[] }
  /** Of the query: it may be sent several times, and comes as its values, a line each. */
  repeats?: true
  /** JSON Schema that OpenAPI shows instead, of what this form cannot say: the route checks it. */
  shown?: Readonly<Record<string, unknown>>
}

export const text = (description: string, more: Partial<Field> = {}): Field => ({
  type: 'string',
  description,
  maxLength: 200,
  ...more,
})
export const object = (properties: Readonly<Record<string, Field>>, required: readonly string[] = []): Field => ({
  type: 'object',
  properties,
  ...(required.length > 0 ? { required } : {}),
  additionalProperties: false,
})

/** Throws BODY_INVALID with every fault unless the value fits. */
export const validate = (field: Field, value: unknown, where = 'body'): void => {
  const faults: string[] = []
  check(field, value, where, faults)
  if (faults.length > 0)
    throw new AppError(
      'BODY_INVALID',
      `${where}: ${faults.length === 1 ? '1 fault' : `${faults.length} faults`}; compare with /api/v1/openapi.json`,
      { faults: faults.slice(0, 20) },
    )
}

const formats: Readonly<Record<NonNullable<Field['format']>, (value: string) => boolean>> = {
  date: (value) => isPeriod('day', value),
  // Date.parse takes 24:00 for the next day. In UTC too it is of a year that warehouses have.
  'date-time': (value) =>
    /^\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/.test(value) &&
    isPeriod('day', value.slice(0, 10)) &&
    isPeriod('day', new Date(value).toISOString().slice(0, 10)),
  email: (value) => isName('email', value),
}
const formatExpected: Readonly<Record<NonNullable<Field['format']>, string>> = {
  date: 'a date',
  'date-time': 'a date-time',
  email: emailExpected,
}

const check = (field: Field, value: unknown, where: string, faults: string[]): void => {
  if (value === null && field.nullable === true) return
  if (kindOf(value) !== field.type && !(field.type === 'number' && kindOf(value) === 'integer')) {
    faults.push(`${where}: expected ${field.type}, got ${kindOf(value)}`)
    return
  }
  if (typeof value === 'string') checkText(field, value, where, faults)
  if (typeof value === 'number') {
    if (field.minimum !== undefined && value < field.minimum)
      faults.push(`${where}: expected at least ${field.minimum}, got ${value}`)
    if (field.maximum !== undefined && value > field.maximum)
      faults.push(`${where}: expected at most ${field.maximum}, got ${value}`)
  }
  if (Array.isArray(value)) {
    if (field.maxItems !== undefined && value.length > field.maxItems)
      faults.push(`${where}: expected at most ${field.maxItems} items, got ${value.length}`)
    else if (field.items !== undefined)
      for (const [at, item] of value.entries()) check(field.items, item, `${where}.${at}`, faults)
  } else if (field.type === 'object') {
    checkObject(field, value as Record<string, unknown>, where, faults)
  }
}

const checkText = (field: Field, value: string, where: string, faults: string[]): void => {
  const longest = field.maxLength ?? 1000
  if (value.length > longest) {
    faults.push(`${where}: expected at most ${longest} characters, got ${value.length}`)
    return
  }
  if (value.length < (field.minLength ?? 0))
    faults.push(`${where}: expected at least ${field.minLength ?? 0} characters, got ${value.length}`)
  if (field.enum !== undefined && !field.enum.includes(value))
    faults.push(`${where}: expected one of ${field.enum.join(', ')}, got ${JSON.stringify(value.slice(0, 64))}`)
  if (field.pattern !== undefined && !new RegExp(field.pattern, 'u').test(value))
    faults.push(`${where}: expected ${field.description ?? 'text'} (${field.pattern})`)
  if (field.format !== undefined && !isFormat(field.format, value))
    faults.push(`${where}: expected ${formatExpected[field.format]}`)
}
export const isFormat = (format: NonNullable<Field['format']>, value: string): boolean => {
  try {
    return formats[format](value)
  } catch {
    return false
  }
}

const checkObject = (field: Field, value: Record<string, unknown>, where: string, faults: string[]): void => {
  for (const name of field.required ?? []) if (!Object.hasOwn(value, name)) faults.push(`${where}.${name}: is missing`)
  for (const [name, inner] of Object.entries(value)) {
    const known =
      field.properties !== undefined && Object.hasOwn(field.properties, name) ? field.properties[name] : undefined
    if (known !== undefined) check(known, inner, `${where}.${name}`, faults)
    else if (field.additionalProperties === false || field.additionalProperties === undefined)
      faults.push(`${where}.${name.slice(0, 64)}: is not known here`)
    else if (Array.isArray(field.additionalProperties.type)) {
      if (!field.additionalProperties.type.includes(kindOf(inner)))
        faults.push(
          `${where}.${name.slice(0, 64)}: expected one of ${field.additionalProperties.type.join(', ')}, ` +
            `got ${kindOf(inner)}`,
        )
    } else check(field.additionalProperties as Field, inner, `${where}.${name.slice(0, 64)}`, faults)
  }
}

const kindOf = (value: unknown): string => {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'number') return Number.isSafeInteger(value) ? 'integer' : 'number'
  return typeof value
}

/** Parameters of a run; which there are, and of what type, the pipeline says. */
export const parametersField = (description: string): Field => ({
  type: 'object',
  description,
  properties: {},
  additionalProperties: { type: ['string', 'integer', 'number', 'boolean', 'null'] },
})
/** Fields that several routes have. */
export const tenantField: Field = text('Tenant', { pattern: namePatterns.tenant_id, maxLength: 50 })
export const timeField = (description: string): Field => ({
  type: 'string',
  description,
  format: 'date-time',
  maxLength: 40,
})
