/** OPTIONS of tables, views, schemas and columns. */
import type { OptionDef } from '../ast.ts'
import type { Compiler } from '../compile/compiler.ts'

export type OptionValue = string | number | boolean | null | Readonly<Record<string, string>>

/**
 * Options that are known, by what they belong to. Any other name is refused: nothing is accepted and then ignored
 * silently.
 */
export const knownOptions = {
  table: [
    'description',
    'friendly_name',
    'labels',
    'expiration_timestamp',
    'partition_expiration_days',
    'require_partition_filter',
  ],
  view: ['description', 'friendly_name', 'labels', 'expiration_timestamp'],
  schema: [
    'description',
    'friendly_name',
    'labels',
    'location',
    'default_table_expiration_days',
    'default_partition_expiration_days',
  ],
  column: ['description'],
} as const

const optionValue = (c: Compiler, option: OptionDef): OptionValue => {
  const ast = option.value
  if (ast.k === 'lit' && ast.type === 'NULL') return null
  if (ast.k === 'lit' && ast.type === 'STRING') return ast.text
  if (ast.k === 'lit' && (ast.type === 'INT64' || ast.type === 'FLOAT64')) return Number(ast.text)
  if (ast.k === 'lit' && ast.type === 'BOOL') return ast.text === 'TRUE'
  if (ast.k === 'typed' && ast.type === 'TIMESTAMP') return ast.text
  if (ast.k === 'array' && option.name === 'labels') {
    return Object.fromEntries(
      ast.items.map((item) => {
        const [key, val] = item.k === 'struct' ? item.items : []
        if (key?.expr.k !== 'lit' || key.expr.type !== 'STRING' || val?.expr.k !== 'lit' || val.expr.type !== 'STRING')
          throw c.invalid(option.pos, 'labels are pairs of text: [("key", "value")]')
        return [key.expr.text, val.expr.text]
      }),
    )
  }
  throw c.unsupported(ast.pos, `A value of option ${option.name} that is no literal`)
}
const optionTypes: Readonly<Record<string, readonly string[]>> = {
  description: ['string'],
  friendly_name: ['string'],
  labels: ['object'],
  location: ['string'],
  expiration_timestamp: ['string'],
  partition_expiration_days: ['number'],
  require_partition_filter: ['boolean'],
  default_table_expiration_days: ['number'],
  default_partition_expiration_days: ['number'],
}
export const optionsOf = (
  c: Compiler,
  options: readonly OptionDef[],
  kind: keyof typeof knownOptions,
): Record<string, OptionValue> =>
  Object.fromEntries(
    options.map((option) => {
      if (!(knownOptions[kind] as readonly string[]).includes(option.name))
        throw c.unsupported(option.pos, `Option ${option.name} of a ${kind}`)
      const found = optionValue(c, option)
      if (found !== null && !(optionTypes[option.name] ?? []).includes(typeof found))
        throw c.invalid(option.pos, `Option ${option.name} has a value of the wrong type`)
      return [option.name, found]
    }),
  )
