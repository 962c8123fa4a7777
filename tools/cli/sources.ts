/** `sources`: where a tenant's exports are. */
import { readFileSync } from 'node:fs'
import { type Command } from 'commander'
import { connect, Failed, tenantOf, WrongUse, type ConnectionOptions } from './connection.ts'
import { printList, printOne, type Format } from './output.ts'

type Options = ConnectionOptions & { output: Format }
type Common = (command: Command) => Command

const pathOf = (options: Options, connection: ReturnType<typeof connect>, name = ''): string =>
  `/api/v1/tenants/${tenantOf(options, connection)}/sources${name === '' ? '' : `/${encodeURIComponent(name)}`}`

const listSources = async (options: Options): Promise<void> => {
  const connection = connect(options, process.env)
  const { body } = await connection.call('GET', pathOf(options, connection))
  const places = (body['items'] as Record<string, unknown>[]).map((source) => ({
    ...source,
    where: placeOf(source),
  }))
  printList(
    options.output,
    ['name', 'provider', 'kind', 'where', 'credential', 'pipeline'],
    options.output === 'json' ? body : { ...body, items: places },
  )
}
const placeOf = (source: Readonly<Record<string, unknown>>): string =>
  [
    source['table'] ?? source['bucket'] ?? source['container'],
    source['prefix'],
    source['report_name'] ?? source['export_name'],
  ]
    .filter((part) => part !== undefined && part !== null && part !== '')
    .map(String)
    .join('/')

const showSource = async (name: string, options: Options): Promise<void> => {
  const connection = connect(options, process.env)
  printOne(options.output, (await connection.call('GET', pathOf(options, connection, name))).body)
}

const settingsOfFile = (file: string): Record<string, unknown> => {
  const expected = `--file ${file}: expected a JSON object such as {"provider":"aws","kind":"cur2"}`
  try {
    const settings: unknown = JSON.parse(readFileSync(file, 'utf8'))
    if (typeof settings === 'object' && settings !== null && !Array.isArray(settings)) return { ...settings }
  } catch (error) {
    throw new WrongUse(`${expected}: ${error instanceof Error ? error.message : String(error)}`)
  }
  throw new WrongUse(`${expected}, got something else`)
}
/** The fields of a source: a JSON file, or field=value; a list is separated by commas. */
const settingsOf = (file: string | undefined, fields: readonly string[]): Record<string, unknown> => {
  const settings = file === undefined ? {} : settingsOfFile(file)
  for (const field of fields) {
    const at = field.indexOf('=')
    if (at < 1) throw new WrongUse(`expected field=value, got ${JSON.stringify(field)}`)
    const [name, value] = [field.slice(0, at), field.slice(at + 1)]
    settings[name] = value
    if (name === 'projects' && value !== 'all') settings[name] = value.split(',')
    if (name === 'unassigned' || name === 'primary') settings[name] = value === 'true'
  }
  return settings
}
interface PutOptions extends Options {
  file?: string
}
const putSource = async (name: string, fields: string[], options: PutOptions): Promise<void> => {
  const connection = connect(options, process.env)
  const settings = settingsOf(options.file, fields)
  printOne(options.output, (await connection.call('PUT', pathOf(options, connection, name), settings)).body)
}

interface DeleteOptions extends Options {
  purge?: true
}
const deleteSource = async (name: string, options: DeleteOptions): Promise<void> => {
  const connection = connect(options, process.env)
  const purge = options.purge === true ? '?purge=true' : ''
  printOne(options.output, (await connection.call('DELETE', pathOf(options, connection, name) + purge)).body)
}

interface Check {
  ok: boolean
  found: Record<string, unknown>
  problems: readonly string[]
  notes: readonly string[]
}
const checkSource = async (name: string, options: Options): Promise<void> => {
  const connection = connect(options, process.env)
  const { body } = await connection.call('POST', `${pathOf(options, connection, name)}/check`, {})
  const { ok, found, problems, notes } = body as unknown as Check
  if (options.output === 'table') {
    printOne('table', found)
    for (const problem of problems) console.log(`problem: ${problem}`)
    for (const note of notes) console.log(`note: ${note}`)
    console.log(ok ? 'ok' : 'not ok')
  } else printOne(options.output, body)
  if (!ok) throw new Failed('the check found problems')
}

export const sourceCommands = (root: Command, common: Common): void => {
  const sources = root.command('sources').description("a tenant's exports: list, show, put, check, delete")
  common(sources.command('list')).description('sources of the tenant').action(listSources)
  common(sources.command('show').argument('<name>')).description('a source').action(showSource)
  common(
    sources
      .command('put')
      .argument('<name>')
      .argument(
        '[field=value...]',
        'such as provider=aws kind=cur2 bucket=acme-cur; several projects are separated by commas',
      ),
  )
    .description('make or change a source')
    .option('-f, --file <json>', 'the fields as a JSON file')
    .action(putSource)
  common(sources.command('check').argument('<name>'))
    .description('list the source and read one row by its credential; loads nothing')
    .action(checkSource)
  common(sources.command('delete').argument('<name>'))
    .description('remove a source; its rows stay')
    .option('--purge', 'remove its rows as well')
    .action(deleteSource)
}
