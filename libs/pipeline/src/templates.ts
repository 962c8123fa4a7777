/** The kinds of steps: ps_templates/ read and checked, each with the JSON Schema of its steps. */
import { readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { columnTypes, isName, schemasFolder, type Column, type ServiceName } from '@convergence/contracts'
import type { Ajv, ValidateFunction } from 'ajv'
import { faultsOf, newAjv, type Schema } from './check.ts'
import { filesBelow } from './folders.ts'
import type { ConfigFault } from './types.ts'
import { orList, show } from './wording.ts'
import { readYaml } from './yaml.ts'

export interface Template {
  ps_type: string
  description: string
  host: ServiceName
  notification: boolean
  /** Only for pipelines of the platform itself, under setup/. */
  system: boolean
  timeout_minutes: number
  max_retries: number
  retry_delay_seconds: number
  validate: ValidateFunction
  /** What its steps find out, beside what all do. */
  outputs: Readonly<Record<string, 'string' | 'int' | 'boolean'>>
  step: Schema
  folder: string
  schemas: ReadonlyMap<string, readonly Column[]>
}

export const commonFields = [
  'step_id',
  'name',
  'description',
  'ps_type',
  'timeout_minutes',
  'trigger',
  'when',
  'depends_on',
  'for_each',
  'retry_policy',
]

export interface Schemas {
  ajv: Ajv
  pipeline: ValidateFunction
  template: ValidateFunction
  commonStep: ValidateFunction
  commonStepFields: Record<string, Schema>
}
export const loadSchemas = (): Schemas => {
  const ajv = newAjv()
  const read = (file: string) =>
    JSON.parse(readFileSync(join(schemasFolder, file), 'utf8')) as Schema & { definitions: { step: Schema } }
  const pipeline = read('pipeline.json')
  ajv.addSchema(pipeline, 'pipeline.json')
  // Steps are checked one by one, each with the fields of its template: said twice, a fault would be read twice.
  const root = {
    ...pipeline,
    $id: 'pipeline-root.json',
    properties: { ...pipeline.properties, steps: { ...pipeline.properties?.['steps'], items: { type: 'object' } } },
  }
  const { step } = pipeline.definitions
  const commonStepFields = Object.fromEntries(
    Object.entries(step.properties ?? {}).filter(([name]) => commonFields.includes(name)),
  )
  return {
    ajv,
    pipeline: ajv.compile(root),
    template: ajv.compile(read('template.json')),
    commonStep: ajv.compile({ ...step, properties: commonStepFields }),
    commonStepFields,
  }
}

interface TemplateYaml {
  ps_type: string
  description: string
  host: ServiceName
  notification?: boolean
  system?: boolean
  defaults?: { timeout_minutes?: number; max_retries?: number; retry_delay_seconds?: number }
  outputs?: Record<string, { type: 'string' | 'int' | 'boolean' }>
  step: Schema
}

export const loadTemplates = (
  folder: string,
  { ajv, template: validate, commonStepFields }: Schemas,
  faults: ConfigFault[],
): Map<string, Template> => {
  const templates = new Map<string, Template>()
  for (const path of filesBelow(folder, (name) => name === 'config.yml')) {
    const file = relative(process.cwd(), path)
    const source = readYaml(file, readFileSync(path, 'utf8'))
    if (Array.isArray(source)) {
      faults.push(...source)
      continue
    }
    if (!validate(source.value) || source.faults.length > 0) {
      faults.push(...source.faults, ...faultsOf(source, validate.errors ?? []))
      continue
    }
    const {
      ps_type,
      description,
      host,
      notification = false,
      system = false,
      defaults = {},
      outputs = {},
      step,
    } = source.value as TemplateYaml
    const expected = relative(folder, dirname(path)).split(sep).join('.')
    if (ps_type !== expected) {
      faults.push({
        file,
        ...source.place(['ps_type']),
        message: `ps_type: expected "${expected}", the name of its folder, got "${ps_type}"`,
      })
      continue
    }
    const required = ['step_id', 'ps_type', ...(step.required ?? [])]
    try {
      templates.set(ps_type, {
        ps_type,
        description,
        host,
        notification,
        system,
        outputs: Object.fromEntries(Object.entries(outputs).map(([name, { type }]) => [name, type])),
        step,
        folder: dirname(path),
        schemas: loadColumns(join(dirname(path), 'schemas'), faults),
        timeout_minutes: defaults.timeout_minutes ?? 10,
        max_retries: defaults.max_retries ?? 3,
        retry_delay_seconds: defaults.retry_delay_seconds ?? 5,
        validate: ajv.compile({
          ...step,
          type: 'object',
          additionalProperties: false,
          required,
          properties: { ...commonStepFields, ...step.properties },
        }),
      })
    } catch (error) {
      faults.push({
        file,
        ...source.place(['step'], true),
        message: `step: is no JSON Schema: ${error instanceof Error ? error.message : 'unreadable'}`,
      })
    }
  }
  return templates
}

/** A column list of any of the templates: a table is described by the one that loads it. */
export const schemaOf = (templates: ReadonlyMap<string, Template>, name: string): readonly Column[] | undefined =>
  [...templates.values()].find(({ schemas }) => schemas.has(name))?.schemas.get(name)

/** The column lists of a template, by file name. */
const loadColumns = (folder: string, faults: ConfigFault[]): Map<string, readonly Column[]> => {
  const schemas = new Map<string, readonly Column[]>()
  let paths: string[] = []
  try {
    paths = filesBelow(folder, (name) => name.endsWith('.json'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  for (const path of paths) {
    const say = (message: string) => {
      faults.push({ file: relative(process.cwd(), path), line: 1, column: 1, message })
    }
    try {
      const columns: unknown = JSON.parse(readFileSync(path, 'utf8'))
      const fault = columnsFault(columns, '')
      if (fault === undefined) schemas.set(relative(folder, path).replace(/\.json$/, ''), columns as Column[])
      else say(fault)
    } catch {
      say('cannot be read as JSON')
    }
  }
  return schemas
}
const columnsFault = (columns: unknown, where: string): string | undefined => {
  if (!Array.isArray(columns) || columns.length === 0) return `${where}expected a list of columns, got ${show(columns)}`
  const seen = new Set<string>()
  for (const column of columns as Partial<Column>[]) {
    const { name, type, mode = 'NULLABLE', fields } = column
    if (typeof name !== 'string' || !isName('column', name))
      return `${where}expected the name of a column, got ${show(name)}`
    const at = `${where}${name}: `
    if (seen.has(name.toLowerCase())) return `${at}stands twice`
    seen.add(name.toLowerCase())
    if (typeof type !== 'string' || !(columnTypes as readonly string[]).includes(type))
      return `${at}type: expected ${orList(columnTypes)}, got ${show(type)}`
    if (!['NULLABLE', 'REQUIRED', 'REPEATED'].includes(mode))
      return `${at}mode: expected NULLABLE, REQUIRED or REPEATED, got ${show(mode)}`
    if ((type === 'STRUCT') !== (fields !== undefined)) return `${at}fields belong to a STRUCT, and a STRUCT has them`
    const inner = fields === undefined ? undefined : columnsFault(fields, at)
    if (inner !== undefined) return inner
  }
  return undefined
}
