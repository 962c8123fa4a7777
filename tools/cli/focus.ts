/** `focus export`: a tenant's costs as files of FOCUS, one for each dataset; `focus queries` and `focus query`. */
import { createWriteStream } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Option, type Command } from 'commander'
import {
  focusDatasetsOf,
  focusFormats,
  focusVersions,
  type FocusDataset,
  type FocusFormat,
  type FocusVersion,
} from '@convergence/contracts/focus'
import {
  connect,
  Refused,
  tenantOf,
  Unreachable,
  WrongUse,
  type Connection,
  type ConnectionOptions,
} from './connection.ts'
import { printList, type Format } from './output.ts'
import { collect } from './parameters.ts'
import { pasted, type ListedQuery } from './saved-query.ts'

type Common = (command: Command) => Command
interface ExportOptions extends ConnectionOptions {
  output: Format
  from?: string
  to?: string
  version: FocusVersion
  format: FocusFormat
  out?: string
}
interface Written {
  dataset: FocusDataset
  file: string | null
  bytes: number
  /** Amounts that are text in the file. */
  text_amounts: readonly string[]
  note: string | null
}

/** Tells how far a file is, in place where there is a terminal. */
const counted = (dataset: string, isTold: boolean): { through: Transform; bytes(): number; end(): void } => {
  let bytes = 0
  let told = 0
  const inPlace = isTold && process.stderr.isTTY
  const through = new Transform({
    transform: (chunk: Uint8Array, _encoding, done) => {
      bytes += chunk.length
      if (inPlace && bytes - told >= 1_000_000) {
        told = bytes
        process.stderr.write(`\r${dataset}  ${(bytes / 1e6).toFixed(0)} MB`)
      }
      done(null, chunk)
    },
  })
  return {
    through,
    bytes: () => bytes,
    end: () => {
      if (inPlace && told > 0) process.stderr.write('\r\u001b[K')
    },
  }
}

/** The file is there when all of it is. A dataset that nothing made yet has none. */
const write = async (
  connection: Connection,
  dataset: FocusDataset,
  {
    tenant,
    from,
    to,
    version,
    format,
    out,
    isTold,
  }: Required<Pick<ExportOptions, 'from' | 'to' | 'version' | 'format' | 'out'>> & {
    tenant: string
    isTold: boolean
  },
): Promise<Written> => {
  const query = new URLSearchParams({ from, to, version, format })
  const file = join(out, `${dataset}.${format}`)
  const partial = `${file}.${process.pid}.partial`
  const progress = counted(dataset, isTold)
  try {
    const answer = await connection.download(`/api/v1/tenants/${tenant}/focus/${dataset}?${query.toString()}`)
    await pipeline(answer.body, progress.through, createWriteStream(partial, { mode: 0o600 }))
    await rename(partial, file)
    const told = answer.headers.get('X-Text-Amounts') ?? ''
    return {
      dataset,
      file,
      bytes: progress.bytes(),
      text_amounts: told === '' ? [] : told.split(', '),
      note: null,
    }
  } catch (error) {
    await rm(partial, { force: true })
    if (error instanceof Refused) {
      if (error.problem['code'] !== 'TABLE_NOT_FOUND' || dataset === 'cost_and_usage') throw error
      return { dataset, file: null, bytes: 0, text_amounts: [], note: String(error.problem['detail']) }
    }
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    if (/^(?:ENOSPC|EDQUOT|EACCES|EROFS|EISDIR)$/.test(code))
      throw new Error(`--out: ${file} cannot be written (${code}); give a folder of yours with space left`)
    if (error instanceof Unreachable || error instanceof WrongUse) throw error
    throw new Unreachable(`${dataset}: the answer broke off and no file was written; ask again`)
  } finally {
    progress.end()
  }
}

const exportFocus = async (options: ExportOptions): Promise<void> => {
  const { from, to, version, format, out, output } = options
  if (from === undefined || to === undefined)
    throw new WrongUse('no range: give --from and --to, the first day and the day behind the last one, YYYY-MM-DD')
  if (out === undefined) throw new WrongUse('no folder: give --out, where the files are written')
  const connection = connect(options, process.env)
  const tenant = tenantOf(options, connection)
  await mkdir(out, { recursive: true }).catch((error: unknown) => {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    throw new WrongUse(`--out: ${out} is no folder and cannot be made (${code})`)
  })
  const items: Written[] = []
  for (const dataset of focusDatasetsOf(version)) {
    const written = await write(connection, dataset, {
      tenant,
      from,
      to,
      version,
      format,
      out,
      isTold: output === 'table',
    })
    items.push(written)
    if (output === 'table') console.log(lineOf(written))
  }
  if (output !== 'table') printList(output, ['dataset', 'file', 'bytes', 'text_amounts', 'note'], { items })
}
const lineOf = ({ dataset, file, bytes, text_amounts, note }: Written): string => {
  if (file === null) return `${dataset}  not written: ${note ?? ''}`
  const text = text_amounts.length === 0 ? '' : `; as text, since 38 digits do not do: ${text_amounts.join(', ')}`
  return `${dataset}  ${file}  ${bytes} bytes${text}`
}

interface QueryOptions extends ConnectionOptions {
  output: Format
  from?: string
  to?: string
  param: readonly string[]
  limit?: string
  sql?: true
}

const listQueries = async (options: ConnectionOptions & { output: Format }): Promise<void> => {
  const connection = connect(options, process.env)
  const { body } = await connection.call('GET', `/api/v1/tenants/${tenantOf(options, connection)}/focus/queries`)
  if (options.output === 'json') {
    printList('json', [], body)
    return
  }
  const items = (body['items'] as ListedQuery[]).map(({ name, question, parameters }) => ({
    name,
    question,
    // The days are of every query.
    parameters: parameters.slice(2).map((each) => (each.required ? each.name : `[${each.name}]`)),
  }))
  printList(options.output, ['name', 'question', 'parameters'], { items })
}

const askQuery = async (name: string, options: QueryOptions): Promise<void> => {
  const connection = connect(options, process.env)
  const tenant = tenantOf(options, connection)
  const { from, to, limit, param, output } = options
  const path = `/api/v1/tenants/${tenant}/focus/queries`
  if (options.sql === true) {
    const { body } = await connection.call('GET', path)
    console.log(pasted(body['items'] as ListedQuery[], name, { tenant, from, to, param }))
    return
  }
  const query = new URLSearchParams()
  for (const [field, value] of Object.entries({ from, to, limit })) if (value !== undefined) query.append(field, value)
  for (const each of param) query.append('param', each)
  const { body } = await connection.call('GET', `${path}/${encodeURIComponent(name)}?${query.toString()}`)
  const columns = (body['columns'] as { name: string }[]).map((column) => column.name)
  printList(output, columns, body)
  if (body['truncated'] === true) console.error('there are more rows: --limit, at most 10000')
}

export const focusCommands = (root: Command, common: Common): void => {
  const focus = root.command('focus').description('costs in the words of FOCUS: export, queries, query')
  common(focus.command('export'))
    .description('write the datasets of FOCUS as files, one each; a file is there when all of it is')
    .option('--from <day>', 'first day of charges, of UTC, YYYY-MM-DD')
    .option('--to <day>', 'the day behind the last one')
    .addOption(new Option('--version <version>', 'of FOCUS').choices(focusVersions).default('1.4'))
    .addOption(new Option('--format <format>', 'of the files').choices(focusFormats).default('csv'))
    .option('--out <folder>', 'where they are written; made if it is missing')
    .action(exportFocus)
  common(focus.command('queries')).description('the saved queries: what each asks, its parameters').action(listQueries)
  common(focus.command('query'))
    .description('the answer of a saved query, exact, by currency')
    .argument('<name>', 'such as service_cost_by_month; the list is `focus queries`')
    .option('--from <day>', 'first day, of UTC, YYYY-MM-DD; without --from and --to the last whole month')
    .option('--to <day>', 'the day behind the last one')
    .option('--param <name=value>', 'a parameter of the query; may be repeated', collect, [])
    .option('--limit <rows>', 'rows of the answer, 1 to 10000; default 1000')
    .option('--sql', 'ask nothing; print the SQL, with the line that runs it by bq')
    .action(askQuery)
}
