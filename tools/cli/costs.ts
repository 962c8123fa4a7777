/** `costs`: what was spent, with bars. */
import { type Command } from 'commander'
import { connect, tenantOf, type ConnectionOptions } from './connection.ts'
import { printList, type Format } from './output.ts'
import { collect } from './parameters.ts'

interface Options extends ConnectionOptions {
  output: Format
  from: string
  to: string
  by?: string
  granularity?: string
  metric?: string
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
  const { granularity, metric, limit, cursor } = options
  for (const [name, value] of Object.entries({ granularity, metric, limit, cursor, group_by: options.by }))
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

export const costCommands = (root: Command, common: Common): void => {
  common(root.command('costs'))
    .description('what was spent, exact, by currency')
    .requiredOption('--from <day>', 'first day, of UTC')
    .requiredOption('--to <day>', 'the day behind the last one')
    .option('--by <dimensions>', 'up to three, separated by commas: provider, service, account, ..., tag:KEY')
    .option('--granularity <unit>', 'none (default), day or month')
    .option('--metric <metric>', 'effective (default), billed, list or contracted')
    .option('--filter <dimension:value>', 'only these; may be repeated', collect, [])
    .option('--limit <items>', 'items of a page, 1 to 500')
    .option('--cursor <cursor>', 'the page behind another')
    .action(costs)
}
