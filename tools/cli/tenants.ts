/** `tenants` and `pipelines`: who there is, and what can be run. */
import { type Command } from 'commander'
import { connect, ownPath, tenantOf, type ConnectionOptions } from './connection.ts'
import { printList, printOne, type Format } from './output.ts'

type Options = ConnectionOptions & { output: Format }
type Common = (command: Command) => Command

const listTenants = async (options: Options): Promise<void> => {
  const { body } = await connect(options, process.env).call('GET', '/api/v1/admin/tenants?limit=200')
  printList(options.output, ['tenant_id', 'company_name', 'subscription_plan', 'status', 'admin_email'], body)
}
const showTenant = async (options: Options): Promise<void> => {
  const connection = connect(options, process.env)
  const { body } = await connection.call('GET', `/api/v1/tenants/${tenantOf(options, connection)}`)
  printOne(options.output, body)
}
const listPipelines = async (options: Options): Promise<void> => {
  const connection = connect(options, process.env)
  const { body } = await connection.call('GET', ownPath('/api/v1/pipelines', options, connection))
  printList(options.output, ['pipeline', 'description', 'schedule'], body)
}

export const tenantCommands = (root: Command, common: Common): void => {
  const tenants = root.command('tenants').description('tenants: list (admin), show')
  common(tenants.command('list')).description('all tenants').action(listTenants)
  common(tenants.command('show')).description('profile, plan and use of the tenant').action(showTenant)
  const pipelines = root.command('pipelines').description('pipelines: list')
  common(pipelines.command('list')).description('what can be run').action(listPipelines)
}
