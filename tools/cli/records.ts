/** `quality`, `notifications`, `dead-letters`, `audit`, `queue`: what the platform has recorded. */
import { type Command } from 'commander'
import { connect, ownPath, type ConnectionOptions } from './connection.ts'
import { collect } from './parameters.ts'
import { printList, printOne, type Format } from './output.ts'

interface Options extends ConnectionOptions {
  output: Format
  limit?: string
  cursor?: string
  from?: string
  to?: string
  filter: readonly string[]
}
type Common = (command: Command) => Command

const queryOf = ({ limit, cursor, from, to, filter }: Options): string => {
  const query = new URLSearchParams()
  for (const given of filter) {
    const at = given.indexOf('=')
    query.append(at < 0 ? given : given.slice(0, at), at < 0 ? '' : given.slice(at + 1))
  }
  for (const [name, value] of Object.entries({ from, to, limit, cursor }))
    if (value !== undefined) query.append(name, value)
  return query.size === 0 ? '' : `?${query.toString()}`
}

interface List {
  path: string
  columns: readonly string[]
  /** Of all tenants, with the admin key; the tenant's own otherwise. */
  ofAll: boolean
}
const print = async ({ path, columns, ofAll }: List, options: Options): Promise<void> => {
  const connection = connect(options, process.env)
  const query = queryOf(options)
  const whole =
    ofAll && options.tenant !== undefined
      ? `${path}${query}${query === '' ? '?' : '&'}tenant_id=${encodeURIComponent(options.tenant)}`
      : `${path}${query}`
  const { body } = await connection.call('GET', ofAll ? whole : ownPath(whole, options, connection))
  printList(options.output, columns, body)
  const { next_cursor } = body
  if (options.output === 'table' && typeof next_cursor === 'string') console.log(`more: --cursor ${next_cursor}`)
}

const listOptions = (command: Command, filters: string): Command =>
  command
    .option('--filter <field=value>', `only those with this value; ${filters}; may be repeated`, collect, [])
    .option('--from <time>', 'of this day or time on')
    .option('--to <time>', 'before this time; a day counts whole')
    .option('--limit <items>', 'items of a page, 1 to 500')
    .option('--cursor <cursor>', 'the page behind another')

const deadLetter = (name: string): string => `/api/v1/admin/dead-letters/${encodeURIComponent(name)}`
const one = async (method: string, path: string, options: Options): Promise<void> => {
  const { body } = await connect(options, process.env).call(method, path, method === 'POST' ? {} : undefined)
  printOne(options.output, body)
}

const deadLetterCommands = (root: Command, common: Common): void => {
  const group = root
    .command('dead-letters')
    .description('messages that nobody could handle: list, show, replay, discard')
  listOptions(common(group.command('list')), 'state, topic or reason')
    .description('newest first (admin)')
    .action((options: Options) =>
      print(
        {
          path: '/api/v1/admin/dead-letters',
          columns: [
            'dead_letter_id',
            'recorded_at',
            'subscription',
            'tenant_id',
            'run_id',
            'reason',
            'state',
            'detail',
          ],
          ofAll: true,
        },
        options,
      ),
    )
  common(group.command('show').argument('<id>'))
    .description('one, with its attributes and body')
    .action((id: string, options: Options) => one('GET', deadLetter(id), options))
  common(group.command('replay').argument('<id>'))
    .description('publish it again')
    .action((id: string, options: Options) => one('POST', `${deadLetter(id)}/replay`, options))
  common(group.command('discard').argument('<id>'))
    .description('put it away')
    .action((id: string, options: Options) => one('DELETE', deadLetter(id), options))
}

export const recordCommands = (root: Command, common: Common): void => {
  listOptions(common(root.command('quality')), 'status or pipeline_logging_id')
    .description("results of the checks of the tenant's data, newest first")
    .action((options: Options) =>
      print(
        {
          path: '/api/v1/quality',
          columns: ['recorded_at', 'status', 'check_name', 'column_name', 'expected', 'actual', 'pipeline_logging_id'],
          ofAll: false,
        },
        options,
      ),
    )
  listOptions(common(root.command('notifications')), 'state, channel or pipeline_logging_id')
    .description('what was told to whom, newest first; of all tenants with the admin key')
    .action((options: Options) => {
      const ofAll = connect(options, process.env).isAdmin
      const columns = [
        'recorded_at',
        'channel',
        'recipients',
        'subject',
        'state',
        'pipeline_logging_id',
        'error_message',
      ]
      return print(
        {
          path: ofAll ? '/api/v1/admin/notifications' : '/api/v1/notifications',
          columns: ofAll ? ['tenant_id', ...columns] : columns,
          ofAll,
        },
        options,
      )
    })
  listOptions(common(root.command('audit')), 'actor, action or outcome')
    .description('who did what, newest first (admin)')
    .action((options: Options) =>
      print(
        {
          path: '/api/v1/admin/audit',
          columns: ['at', 'actor', 'action', 'tenant_id', 'outcome', 'detail', 'request_id'],
          ofAll: true,
        },
        options,
      ),
    )
  listOptions(common(root.command('queue')), 'none')
    .description('runs that wait for a slot, longest first (admin)')
    .action((options: Options) =>
      print(
        {
          path: '/api/v1/admin/queue',
          columns: ['scheduled_time', 'tenant_id', 'pipeline', 'priority', 'pipeline_logging_id'],
          ofAll: true,
        },
        options,
      ),
    )
  deadLetterCommands(root, common)
}
