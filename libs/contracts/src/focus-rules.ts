/** Rules of FOCUS that can be asked of rows: the facts stand in schemas/focus, made of the models of the specification. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { schemasFolder } from './contracts.ts'

/** The first word is the kind; a value that is NULL is looked at by the rules of NULL alone. */
export type Check =
  | readonly ['present' | 'null' | 'not_null', column: string]
  | readonly ['format', column: string, format: string]
  | readonly ['is' | 'is_not', column: string, value: string | number]
  | readonly ['in', column: string, values: readonly string[]]
  /** The value is one of the list that the other column's value has. */
  | readonly ['in_group', column: string, other: string, lists: Readonly<Record<string, readonly string[]>>]
  | readonly ['same' | 'not_same', column: string, other: string]
  | readonly ['at_least' | 'at_most', column: string, value: number]
  /** One value of the other column for each value of the first. */
  | readonly ['one_each', column: string, other: string]
  | readonly ['product', column: string, other: string, result: string]
  | readonly ['and' | 'or', ...Check[]]
  /** Other rules, by id. */
  | readonly ['all', ...string[]]

export interface Rule {
  rule: string
  column: string
  keyword: string
  check: Check
  /** Of which rows it is asked; of all without. */
  when?: Check
  /** Why it is not asked as the model has it. */
  corrected?: string
  /** Its sentence asks what no column says, too: what breaks it is never more than a warning. */
  approximate?: true
}
export interface ModelRules {
  version: string
  dataset: string
  rules: readonly Rule[]
  /** Rules of the model that are not asked, and why. */
  not_asked: Readonly<Record<string, string>>
}

/** The rules of a version about a dataset; undefined where there are none. */
export const focusRules = (version: string, dataset: string): ModelRules | undefined => {
  const name = `${version}_${dataset}`
  if (!ruleSets.includes(name)) return undefined
  const path = join(schemasFolder, `focus/rules_${name.replace('.', '_')}.json`)
  return JSON.parse(readFileSync(path, 'utf8')) as ModelRules
}
const ruleSets: readonly string[] = [
  '1.2_cost_and_usage',
  '1.4_cost_and_usage',
  '1.4_invoice_detail',
  '1.4_contract_commitment',
]
