/** A saved query as text that `bq` takes. */
import { WrongUse } from './connection.ts'

export interface ListedQuery {
  name: string
  question: string
  parameters: readonly { name: string; type: string; default: string | null; required: boolean }[]
  sql: string
}

/** A word of a shell, whatever is in it. */
const quoted = (text: string): string => (/^[\w.:=/-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`)

/** The statement under a comment that has the command for it. What is not given stays to be filled in. */
export const pasted = (
  queries: readonly ListedQuery[],
  name: string,
  {
    tenant,
    from,
    to,
    param,
  }: { tenant: string; from?: string | undefined; to?: string | undefined; param: readonly string[] },
): string => {
  const query = queries.find((each) => each.name === name)
  if (query === undefined) throw new WrongUse(`no saved query ${JSON.stringify(name)}; the list is \`focus queries\``)
  const given = new Map<string, string>()
  if (from !== undefined) given.set('from', from)
  if (to !== undefined) given.set('to', to)
  for (const each of param) {
    const at = each.indexOf('=')
    const key = each.slice(0, Math.max(at, 0))
    if (!query.parameters.some((parameter) => parameter.name === key))
      throw new WrongUse(
        `--param: ${name} has no parameter ${JSON.stringify(each)}; ` +
          `it has ${query.parameters.map((parameter) => parameter.name).join(', ')}`,
      )
    given.set(key, each.slice(at + 1))
  }
  const parameters = query.parameters.map(({ name: key, type, default: usual }) => {
    const value = given.get(key) ?? usual ?? (type === 'DATE' ? 'YYYY-MM-DD' : 'VALUE')
    return `--parameter=${quoted(`${key}:${type}:${value}`)}`
  })
  const command = [`bq query --use_legacy_sql=false --dataset_id=${tenant}`, ...parameters].join(' ')
  return `-- ${command} < ${name}.sql\n${query.sql.trimEnd()}`
}
