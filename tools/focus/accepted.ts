/**
 * What a judge may find, for a reason: the table in docs/FOCUS.md below "Judges" is the list, for people and for the
 * test. Its first three columns are the judge, the rule, and whose exports, `all` or tenants by name.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Accepted {
  judge: string
  rule: string
  tenants: readonly string[]
}
/** Throws where the table is not as it must be. */
export const readAccepted = (text: string): Accepted[] => {
  const section = /^## Judges$([^]*?)(?=^## |$(?![^]))/m.exec(text)?.[1] ?? ''
  const rows = section.split('\n').filter((line) => line.startsWith('|') && !/^\|[-| ]+\|$/.test(line))
  const [head = '', ...lines] = rows
  if (!/^\| judge \| rule \| exports \| why \|$/.test(head))
    throw new Error('docs/FOCUS.md: expected a table "judge | rule | exports | why" below "Judges"')
  return lines.map((line) => {
    const [judge = '', rule = '', exports = '', why = ''] = line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim())
    if (judge === '' || rule === '' || exports === '' || why === '')
      throw new Error(`docs/FOCUS.md: expected judge, rule, exports and why, got ${line}`)
    return { judge, rule: rule.replaceAll('`', ''), tenants: exports.split(', ') }
  })
}
export const acceptedOf = (): Accepted[] =>
  readAccepted(readFileSync(join(import.meta.dirname, '../../docs/FOCUS.md'), 'utf8'))
