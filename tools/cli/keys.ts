/** `keys`: API keys of tenants, for the operator. */
import { InvalidArgumentError, type Command } from 'commander'
import { connect, WrongUse, type ConnectionOptions } from './connection.ts'
import { printList, printOne, type Format } from './output.ts'
import { collect } from './parameters.ts'

type Options = ConnectionOptions & { output: Format }
type Common = (command: Command) => Command

const path = '/api/v1/admin/api-keys'
const keyPath = (key_id: string): string => `${path}/${encodeURIComponent(key_id)}`
const hours = (text: string): number => {
  if (/^\d{1,3}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('expected hours, 0 to 168.')
}

const list = async (options: Options): Promise<void> => {
  const of = options.tenant === undefined ? '' : `?tenant_id=${encodeURIComponent(options.tenant)}`
  const { body } = await connect(options, process.env).call('GET', `${path}${of}`)
  printList(options.output, ['key_id', 'tenant_id', 'is_active', 'expires_at', 'scopes', 'description'], body)
}
interface MakeOptions extends Options {
  scope: readonly string[]
  expires?: string
  description?: string
}
const make = async ({ tenant, scope, expires, description, output, ...options }: MakeOptions): Promise<void> => {
  if (tenant === undefined) throw new WrongUse('whose key? give --tenant')
  const { body } = await connect(options, process.env).call('POST', path, {
    tenant_id: tenant,
    scopes: scope.length === 0 ? undefined : scope,
    expires_at: expires,
    description,
  })
  printOne(output, body)
}
const rotate = async (key_id: string, options: Options & { overlap?: number; expires?: string }): Promise<void> => {
  const { body } = await connect(options, process.env).call('POST', `${keyPath(key_id)}/rotate`, {
    overlap_hours: options.overlap,
    expires_at: options.expires,
  })
  printOne(options.output, body)
}
const revoke = async (key_id: string, options: Options): Promise<void> => {
  printOne(options.output, (await connect(options, process.env).call('DELETE', keyPath(key_id))).body)
}

export const keyCommands = (root: Command, common: Common): void => {
  const group = root.command('keys').description('API keys of tenants (admin): list, create, rotate, revoke')
  common(group.command('list')).description('keys without their secrets').action(list)
  common(group.command('create'))
    .description('make a key of --tenant; it is shown this once')
    .option('--scope <scope>', 'what it may do, such as costs:read; may be repeated; default all', collect, [])
    .option('--expires <time>', 'last moment of its use, such as 2027-01-31T00:00:00Z; default in a year')
    .option('--description <text>', 'for people')
    .action(make)
  common(group.command('rotate').argument('<key_id>'))
    .description('make a successor')
    .option('--overlap <hours>', 'how long both work; default 24', hours)
    .option('--expires <time>', "last moment of the successor; default the key's own")
    .action(rotate)
  common(group.command('revoke').argument('<key_id>')).description('end a key at once').action(revoke)
}
