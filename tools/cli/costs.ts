/** `costs`, with bars, and `rates`: what was spent, and in which currency. */
import { readFileSync } from 'node:fs'
import { type Command } from 'commander'
import { connect, tenantOf, WrongUse, type ConnectionOptions } from './connection.ts'
import { printList, type Format } from './output.ts'
import { collect } from './parameters.ts'

interface Options extends ConnectionOptions {
  output: Format
  from: string
  to: string
  by?: string
  granularity?: string
  metric?: string
  currency?: string
  filter: readonly string[]
  limit?: string
  cursor?: string
}
type Common = (command: Command) => Command
interface Amount {
  amount: string
  currency: string
}
interface Item extends Amount {
  period: string | null
  group: Readonly<Record<string, string | null>>
}
interface Fresh {
  source: string
  period: string
  loaded_at: string | null
  reconciled: boolean | null
}

const widest = 30
/** A bar for each amount, beside the greatest of its currency. Bars are for the eye: amounts are printed as they are. */
export const barsOf = (items: readonly Amount[]): string[] => {
  const greatest = new Map<string, number>()
  for (const { amount, currency } of items)
    greatest.set(currency, Math.max(greatest.get(currency) ?? 0, Math.abs(Number(amount))))
  return items.map(({ amount, currency }) => {
    const of = greatest.get(currency) ?? 0
    const length = of === 0 ? 0 : Math.round((Math.abs(Number(amount)) / of) * widest)
    return (amount.startsWith('-') ? '-' : '#').repeat(length)
  })
}

const costs = async (options: Options): Promise<void> => {
  const connection = connect(options, process.env)
  const query = new URLSearchParams({ from: options.from, to: options.to })
  const { granularity, metric, currency: one, limit, cursor } = options
  for (const [name, value] of Object.entries({
    granularity,
    metric,
    currency: one,
    limit,
    cursor,
    group_by: options.by,
  }))
    if (value !== undefined) query.append(name, value)
  for (const filter of options.filter) query.append('filter', filter)
  const path = `/api/v1/tenants/${tenantOf(options, connection)}/costs?${query.toString()}`
  const { body } = await connection.call('GET', path)
  const items = body['items'] as Item[]
  const dimensions = options.by?.split(',') ?? []
  const periods = granularity === 'day' || granularity === 'month' ? ['period'] : []
  const bars = barsOf(items)
  const rows = items.map(({ period, group, amount, currency }, k) => ({
    ...Object.fromEntries(dimensions.map((name) => [name, group[name] ?? '(none)'])),
    period,
    amount,
    currency,
    '': bars[k],
  }))
  const columns = [...periods, ...dimensions, 'amount', 'currency']
  const isTable = options.output === 'table'
  printList(options.output, isTable ? [...columns, ''] : columns, options.output === 'json' ? body : { items: rows })
  if (!isTable) return
  for (const { amount, currency } of body['totals'] as Amount[]) console.log(`total  ${amount} ${currency}`)
  const open = (body['freshness'] as Fresh[]).filter(({ reconciled }) => reconciled === false)
  for (const { source, period } of open)
    console.log(`not reconciled: ${source} of ${period}; see focus_reconciliation in the dataset`)
  if (typeof body['next_cursor'] === 'string') console.log(`more: --cursor ${body['next_cursor']}`)
}

interface RateOptions extends ConnectionOptions {
  output: Format
}
const ratesPath = (options: ConnectionOptions, connection: ReturnType<typeof connect>): string =>
  `/api/v1/tenants/${tenantOf(options, connection)}/rates`
const listRates = async (options: RateOptions): Promise<void> => {
  const connection = connect(options, process.env)
  const { body } = await connection.call('GET', ratesPath(options, connection))
  printList(options.output, ['period', 'from', 'to', 'rate', 'status', 'source', 'provider'], body)
}
const putRates = async (given: string[], options: RateOptions & { provisional?: true }): Promise<void> => {
  const rates = given.map((text) => {
    const [, period, from, to, rate] = /^([0-9]{4}-[0-9]{2}):([A-Z]{3}):([A-Z]{3})=([0-9.]+)$/.exec(text) ?? []
    if (rate === undefined)
      throw new WrongUse(`expected a rate such as 2025-11:EUR:USD=1.16, got ${JSON.stringify(text)}`)
    return { period, from, to, rate, status: options.provisional === true ? 'provisional' : 'final' }
  })
  await sendRates(rates, options)
}
const atOnce = 400
const sendRates = async (rates: readonly object[], options: RateOptions): Promise<void> => {
  const connection = connect(options, process.env)
  const items: unknown[] = []
  for (let k = 0; k < rates.length; k += atOnce) {
    const part = { rates: rates.slice(k, k + atOnce) }
    const { body } = await connection.call('PUT', ratesPath(options, connection), part)
    items.push(...(Array.isArray(body['rates']) ? (body['rates'] as unknown[]) : []))
  }
  printList(options.output, ['period', 'from', 'to', 'rate', 'status'], { items })
}
const textOf = (file: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new WrongUse(`${file}: expected a file of rates: ${error instanceof Error ? error.message : String(error)}`)
  }
}
/** Lines of CSV under a header; a field has neither commas nor quotes. All that is wrong is told at once. */
const importRates = async (file: string, options: RateOptions): Promise<void> => {
  const [header = '', ...lines] = textOf(file)
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
  const names = header.split(',').map((name) => name.trim())
  const missing = ['period', 'from', 'to', 'rate'].filter((name) => !names.includes(name))
  if (missing.length > 0)
    throw new WrongUse(
      `${file}:1: expected the columns period,from,to,rate and perhaps status, got ${header.slice(0, 80)}`,
    )
  const faults: string[] = []
  const rates = lines.flatMap((line, k) => {
    if (line.trim() === '') return []
    const fields = line.split(',').map((field) => field.trim())
    const {
      period = '',
      from = '',
      to = '',
      rate = '',
      status = '',
    } = Object.fromEntries(names.map((name, at) => [name, fields[at] ?? '']))
    const isRate = /^[0-9]{4}-[0-9]{2} [A-Z]{3} [A-Z]{3} [0-9.]+$/.test(`${period} ${from} ${to} ${rate}`)
    if (!isRate || !['', 'final', 'provisional'].includes(status))
      faults.push(`${file}:${k + 2}: expected a line such as 2025-11,EUR,USD,1.16,final, got ${line.slice(0, 80)}`)
    return [{ period, from, to, rate, ...(status === '' ? {} : { status }) }]
  })
  if (faults.length > 0) throw new WrongUse(faults.slice(0, 20).join('\n'))
  await sendRates(rates, options)
}

const rateCommands = (root: Command, common: Common): void => {
  const group = root.command('rates').description('rates between currencies, by month: list, put, import')
  common(group.command('list')).description('the rates that hold').action(listRates)
  common(group.command('put').argument('<rate...>', 'such as 2025-11:EUR:USD=1.16: so many USD for one EUR'))
    .description('give rates; of one month and pair the newest holds')
    .option('--provisional', 'they may still change')
    .action(putRates)
  common(group.command('import').argument('<file>', 'CSV with the columns period,from,to,rate and perhaps status'))
    .description('give the rates of a file')
    .action(importRates)
}

export const costCommands = (root: Command, common: Common): void => {
  rateCommands(root, common)
  common(root.command('costs'))
    .description('what was spent, exact, by currency')
    .requiredOption('--from <day>', 'first day, of UTC')
    .requiredOption('--to <day>', 'the day behind the last one')
    .option('--by <dimensions>', 'up to three, separated by commas: provider, service, account, ..., tag:KEY')
    .option('--granularity <unit>', 'none (default), day or month')
    .option('--metric <metric>', 'effective (default), billed, list or contracted')
    .option('--currency <code>', 'in this currency alone, by the rates of each billing period')
    .option('--filter <dimension:value>', 'only these; may be repeated', collect, [])
    .option('--limit <items>', 'items of a page, 1 to 500')
    .option('--cursor <cursor>', 'the page behind another')
    .action(costs)
}
