/**
 * Questions about costs that come with the platform: files `focus/queries/{name}.sql`, each one SELECT in GoogleSQL over
 * the tables of FOCUS. Comments at its head say what it asks, what it reads, and of which type its parameters are:
 *
 *     -- question: What did each service cost, month by month?
 *     -- reads: cost_and_usage
 *     -- use cases: 1.2 service-costs-month-over-month, 1.4 analyze-service-costs-month-over-month
 *     -- adds up: effective_cost
 *     -- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
 *
 * Each has @from and @to, DATE. `adds up` names amounts that add up to those of all charges of the days, by currency.
 */
import { readFileSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { AppError, isName, type Column } from '@convergence/contracts'
import {
  focusColumns,
  focusDatasets,
  focusTable,
  focusVersions,
  type FocusDataset,
  type FocusVersion,
} from '@convergence/contracts/focus'
import { knownTables } from './check-sql.ts'
import { configsFolder, filesBelow } from './folders.ts'
import { showFaults } from './load.ts'
import type { JudgeSql, PipelineCheck } from './pipeline-check.ts'
import type { Template } from './templates.ts'
import type { ConfigFault } from './types.ts'
import { didYouMean } from './wording.ts'

export const savedTypes = ['STRING', 'DATE', 'INT64', 'BIGNUMERIC'] as const
export interface SavedParameter {
  name: string
  type: (typeof savedTypes)[number]
  description: string
  /** Null where it must be given, and of the days, whose default is the last whole month. */
  default: string | null
  required: boolean
}
export interface UseCase {
  version: FocusVersion
  /** Of its page at focus.finops.org/use-case. */
  slug: string
}
export interface SavedQuery {
  name: string
  question: string
  reads: readonly FocusDataset[]
  use_cases: readonly UseCase[]
  /** Columns whose sums by currency are those of all charges of the days. */
  adds_up: readonly string[]
  parameters: readonly SavedParameter[]
  /** The file as it is. */
  sql: string
}

const days: readonly SavedParameter[] = [
  { name: 'from', type: 'DATE', description: 'first day, of UTC', default: null, required: false },
  { name: 'to', type: 'DATE', description: 'the day behind the last one', default: null, required: false },
]
const oneOf = <T extends string>(names: readonly T[], value: string): value is T =>
  (names as readonly string[]).includes(value)
const listOf = (text: string): string[] => text.split(',').map((part) => part.trim())

/** What the comments say, with what is wrong by line. */
interface Head {
  query: Omit<SavedQuery, 'name' | 'sql'>
  faults: { line: number; message: string }[]
}
const fields = ['question', 'reads', 'use cases', 'adds up'] as const

const useCasesOf = (text: string, fault: (message: string) => void): UseCase[] =>
  listOf(text).flatMap((each) => {
    const [version = '', slug = ''] = each.split(' ')
    if (oneOf(focusVersions, version) && /^[a-z0-9-]+$/.test(slug)) return [{ version, slug }]
    fault(`use cases: expected such as "1.4 service-costs-subaccount", got ${JSON.stringify(each)}`)
    return []
  })
const parameterOf = (text: string, fault: (message: string) => void): SavedParameter[] => {
  const [, name, type, , usual, description] =
    /^@([a-z][a-z0-9_]*) ([A-Z0-9]+)( DEFAULT '([^']*)')?: (.+)$/.exec(text) ?? []
  if (name === undefined || type === undefined || description === undefined)
    fault(`expected such as "@service STRING DEFAULT '': a service", got ${JSON.stringify(text)}`)
  else if (!oneOf(savedTypes, type)) fault(`@${name}: expected one of ${savedTypes.join(', ')}, got ${type}`)
  else if (days.some((day) => day.name === name)) fault(`@${name}: is there in each query; leave it out`)
  else return [{ name, type, description, default: usual ?? null, required: usual === undefined }]
  return []
}
/** The comments before the statement. */
const headOf = (sql: string): Head => {
  const faults: Head['faults'] = []
  const query = {
    question: '',
    reads: [] as FocusDataset[],
    use_cases: [] as UseCase[],
    adds_up: [] as string[],
    parameters: [...days],
  }
  for (const [k, line] of sql.split('\n').entries()) {
    const [, text] = /^-- (.*)$/.exec(line) ?? []
    if (text === undefined) break
    const fault = (message: string): void => void faults.push({ line: k + 1, message })
    const [, field = '', value = ''] = /^([a-z ]+): (.*)$/.exec(text) ?? []
    if (text.startsWith('@')) query.parameters.push(...parameterOf(text, fault))
    else if (field === 'question') query.question = value
    else if (field === 'use cases') query.use_cases.push(...useCasesOf(value, fault))
    else if (field === 'adds up') query.adds_up.push(...listOf(value))
    else if (field === 'reads')
      for (const dataset of listOf(value))
        if (oneOf(focusDatasets, dataset)) query.reads.push(dataset)
        else fault(`reads: expected some of ${focusDatasets.join(', ')}, got ${dataset}`)
    else fault(`expected ${fields.join(', ')} or a parameter, got ${JSON.stringify(text)}${didYouMean(field, fields)}`)
  }
  if (query.question === '') faults.push({ line: 1, message: 'question: is missing: what it asks, in a line' })
  if (query.reads.length === 0)
    faults.push({ line: 1, message: `reads: is missing: some of ${focusDatasets.join(', ')}` })
  return { query, faults }
}

const filesOf = (configs: string): { path: string; name: string; sql: string }[] =>
  filesBelow(join(configs, 'focus/queries'), (name) => name.endsWith('.sql')).map((path) => ({
    path,
    name: basename(path, '.sql'),
    sql: readFileSync(path, 'utf8'),
  }))

/** By name. Throws CONFIG_INVALID with what is wrong at their heads. */
export const savedQueries = (configs = configsFolder()): readonly SavedQuery[] => {
  const faults: ConfigFault[] = []
  const queries = filesOf(configs).map(({ path, name, sql }) => {
    const head = headOf(sql)
    const file = relative(process.cwd(), path)
    faults.push(...head.faults.map(({ line, message }) => ({ file, line, column: 1, message })))
    return { name, ...head.query, sql }
  })
  if (faults.length > 0)
    throw new AppError('CONFIG_INVALID', 'saved queries: nothing was started', { faults: showFaults(faults) })
  return queries
}

/** A column that is money. */
const isMoney = ({ name, type }: Column): boolean =>
  type === 'BIGNUMERIC' && /(?:^|_)(?:cost|savings|price)$/.test(name)

/** What is wrong with the saved queries: their heads, their SQL, and what they must all be. */
export const checkSavedQueries = (options: {
  templates: Iterable<Template>
  outline: JudgeSql
  configs?: string
}): { queries: number; faults: ConfigFault[] } => {
  const files = filesOf(options.configs ?? configsFolder())
  const judge = { tables: knownTables(options.templates), outline: options.outline }
  const faults = files.flatMap(({ path, name, sql }) => {
    const file = relative(process.cwd(), path)
    const { query, faults: ofHead } = headOf(sql)
    const found = [...ofHead, ...statementFaults(sql, query, judge)]
    if (!isName('segment', name))
      found.push({ line: 1, message: `${name}: expected a name of a-z, 0-9 and _, which is its URL` })
    return found.map(({ line, message }) => ({ file, line, column: 1, message }))
  })
  return { queries: files.length, faults }
}
const statementFaults = (
  sql: string,
  { reads, adds_up, parameters }: Head['query'],
  { tables, outline }: { tables: PipelineCheck['tables']; outline: JudgeSql },
): Head['faults'] => {
  const datasets = new Map(focusDatasets.map((dataset) => [focusTable(dataset), dataset]))
  const read = new Set<FocusDataset>()
  const others = new Set<string>()
  const found = outline(sql, {
    project_id: 'local-convergence',
    parameters,
    table: ({ table }) => {
      const dataset = datasets.get(table)
      if (dataset === undefined) others.add(table)
      else read.add(dataset)
      // A view has the columns that its SELECT gives: those of the standard.
      return tables.get(table) ?? (dataset && [...focusColumns(dataset, '1.4')])
    },
  })
  const faults = [...others].map((table) => `expected one of ${[...datasets.keys()].join(', ')}, got ${table}`)
  if ('message' in found && faults.length === 0)
    return [{ line: sql.slice(0, found.offset).split('\n').length, message: found.message }]
  if ('message' in found) return faults.map((message) => ({ line: 1, message }))
  const text = sql.replaceAll(/--.*$/gm, '')
  if (found.statement !== 'SELECT') faults.push(`expected one SELECT, got ${found.statement || 'none'}`)
  if ([...read].sort().join() !== [...reads].sort().join())
    faults.push(`reads: expected ${[...read].join(', ')}, got ${reads.join(', ')}`)
  for (const { name } of parameters)
    if (!new RegExp(`@${name}\\b`).test(text)) faults.push(`@${name}: the statement does not use it`)
  if (reads.some((dataset) => dataset !== 'billing_period') && !text.includes('x_BillingPeriod'))
    faults.push('expected a condition on x_BillingPeriod: without it all months are read')
  if (/\bLIMIT\b|;/i.test(text)) faults.push('expected neither LIMIT nor ";": whoever asks says how many rows')
  if (!/\bORDER BY\b[^()]*$/i.test(text)) faults.push('expected ORDER BY at the end')
  const { columns } = found
  // Of what no table is known nothing more is.
  if (columns === undefined && others.size === 0)
    faults.push('expected a statement that the local warehouse supports; see docs/LOCAL.md')
  const names = columns?.map(({ name }) => name) ?? []
  if (columns?.some(isMoney) === true && !names.some((name) => /(?:^|_)currency$/.test(name)))
    faults.push('expected a column currency beside amounts: sums are of one currency')
  for (const name of adds_up)
    if (columns !== undefined && !names.includes(name)) faults.push(`adds up: no column ${name} in the result`)
  return faults.map((message) => ({ line: 1, message }))
}

/** The one of a name. Throws NOT_FOUND with the one that was meant. */
export const savedQuery = (queries: readonly SavedQuery[], name: string): SavedQuery => {
  const found = queries.find((query) => query.name === name)
  if (found !== undefined) return found
  const names = queries.map((query) => query.name)
  throw new AppError(
    'NOT_FOUND',
    `no saved query ${JSON.stringify(name.slice(0, 64))}${didYouMean(name, names) || '; the list is /focus/queries'}`,
  )
}
