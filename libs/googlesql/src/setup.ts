/**
 * Functions that a translation calls: DuckDB macros in a reserved schema of the current database, made once per
 * database.
 */
import { arrayMacros } from './macros/arrays.ts'
import { bytesMacros } from './macros/bytes.ts'
import { bignumericMacros } from './macros/bignumeric.ts'
import { castMacros } from './macros/casts.ts'
import { jsonMacros } from './macros/json.ts'
import { onceSuffix, raised, reservedSchema, type Macro } from './macros/macro.ts'
import { numberMacros } from './macros/numbers.ts'
import { stringMacros } from './macros/strings.ts'
import { timeMacros } from './macros/times.ts'

/** Parameters that stand for constants, which DuckDB wants to see as such. */
const constants = new Set(['_path', '_pattern', '_group', '_zone', '_digits'])
/** The same function with its arguments evaluated once: a macro repeats their text wherever its body names them. */
const once = ([head, body]: Macro): Macro => {
  const [, name = '', list = ''] = /^(\w+)\((.*)\)$/.exec(head) ?? []
  const bound = list.split(', ').filter((parameter) => !constants.has(parameter))
  const inside = bound.reduce(
    (text, parameter) =>
      text.replace(new RegExp(`(?<![\\w.])${parameter}(?!\\w)`, 'g'), `struct_extract(_v, '${parameter}')`),
    body,
  )
  const values = bound.map((parameter) => `${parameter} := ${parameter}`).join(', ')
  return [
    `${name}${onceSuffix}(${list})`,
    `list_extract(list_transform([struct_pack(${values})], lambda _v: ${inside}), 1)`,
  ]
}

const macros: readonly Macro[] = [
  ...timeMacros,
  ...castMacros,
  ...bignumericMacros,
  ...numberMacros,
  ...arrayMacros,
  ...stringMacros,
  ...bytesMacros,
  ...jsonMacros,
]
const raise = `error('${raised}`
const called = new RegExp(`${reservedSchema}\\.(\\w+?)(?:${onceSuffix})?\\(`, 'g')
/** Macros that may raise an error, themselves or by another. */
const raising = new Set<string>()
for (const [head, body] of macros) {
  const names = [...body.matchAll(called)].map(([, name]) => name ?? '')
  if (body.includes(raise) || names.some((name) => raising.has(name))) raising.add(head.replace(/\(.*/, ''))
}
/** Whether a text may raise an error by itself: TRY of DuckDB takes none of those. */
export const mayRaise = (sql: string): boolean =>
  sql.includes(raise) || [...sql.matchAll(called)].some(([, name]) => raising.has(name ?? ''))

/** To run once per database, with the project's catalog current. Safe to repeat. Macros that others use come first. */
export const setupSql: readonly string[] = [
  `CREATE SCHEMA IF NOT EXISTS ${reservedSchema}`,
  ...macros
    .flatMap((macro) => [macro, once(macro)])
    .map(([head, body]) => `CREATE OR REPLACE MACRO ${reservedSchema}.${head} AS ${body.replace(/\n\s+/g, '\n')}`),
]
