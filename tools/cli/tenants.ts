/** `tenants` and `pipelines`: who there is, and what can be run. */
import { InvalidArgumentError, type Command } from 'commander'
import { connect, ownPath, tenantOf, WrongUse, type ConnectionOptions } from './connection.ts'
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
const named = (options: Options): string => {
  if (options.tenant === undefined) throw new WrongUse('which tenant? give --tenant')
  return encodeURIComponent(options.tenant)
}
const onboard = async (options: Options & { company: string; email: string; plan: string }): Promise<void> => {
  const { body } = await connect(options, process.env).call('POST', '/api/v1/admin/tenants', {
    tenant_id: decodeURIComponent(named(options)),
    company_name: options.company,
    admin_email: options.email,
    subscription_plan: options.plan,
  })
  printOne(options.output, body)
}
const change = async (options: Options, body: Readonly<Record<string, unknown>>): Promise<void> => {
  const path = `/api/v1/admin/tenants/${named(options)}`
  printOne(options.output, (await connect(options, process.env).call('PATCH', path, body)).body)
}

interface Changes {
  plan?: string
  email?: string
  trialEnd?: string
  subscriptionEnd?: string
  daily?: number
  monthly?: number
  concurrent?: number
}
/** What the options of `tenants change` name; `none` takes a date away. */
const changesOf = (options: Changes): Record<string, unknown> => {
  const { plan, email, trialEnd, subscriptionEnd, daily, monthly, concurrent } = options
  const day = (value: string | undefined) => (value === 'none' ? null : value)
  const limits = { daily, monthly, concurrent }
  const changes = {
    subscription_plan: plan,
    admin_email: email,
    trial_end_date: day(trialEnd),
    subscription_end_date: day(subscriptionEnd),
    ...(Object.values(limits).some((limit) => limit !== undefined) ? { limits } : {}),
  }
  if (Object.values(changes).every((value) => value === undefined))
    throw new WrongUse('change what? give --plan, --email, --trial-end, --subscription-end or a limit')
  return changes
}
const wholeNumber = (text: string): number => {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('expected a whole number from 1.')
}

const listPipelines = async (options: Options): Promise<void> => {
  const connection = connect(options, process.env)
  const { body } = await connection.call('GET', ownPath('/api/v1/pipelines', options, connection))
  printList(options.output, ['pipeline', 'description', 'schedule'], body)
}

export const tenantCommands = (root: Command, common: Common): void => {
  const tenants = root
    .command('tenants')
    .description('tenants: list, onboard, change, suspend, reactivate (admin); show')
  common(tenants.command('list')).description('all tenants').action(listTenants)
  common(tenants.command('show')).description('profile, plan and use of the tenant').action(showTenant)
  common(tenants.command('onboard'))
    .description('make a tenant; prints its first key once')
    .requiredOption('--company <name>', 'name of the company')
    .requiredOption('--email <address>', 'where mails go')
    .requiredOption('--plan <plan>', 'STARTER, PROFESSIONAL, SCALE or ENTERPRISE')
    .action(onboard)
  common(tenants.command('change'))
    .description('change plan, address, end dates or limits; in force for the next run')
    .option('--plan <plan>', 'STARTER, PROFESSIONAL, SCALE or ENTERPRISE; it brings its own limits')
    .option('--email <address>', 'where mails go')
    .option('--trial-end <day>', 'last day of the trial, such as 2027-01-31, or none')
    .option('--subscription-end <day>', 'last day paid for, or none')
    .option('--daily <runs>', "runs per UTC day, instead of the plan's", wholeNumber)
    .option('--monthly <runs>', "runs per UTC month, instead of the plan's", wholeNumber)
    .option('--concurrent <runs>', "runs at a time, instead of the plan's", wholeNumber)
    .action((options: Options & Changes) => change(options, changesOf(options)))
  common(tenants.command('suspend'))
    .description('nothing of the tenant starts any more; what runs goes on')
    .action((options: Options) => change(options, { status: 'SUSPENDED' }))
  common(tenants.command('reactivate'))
    .description('the tenant may run again')
    .action((options: Options) => change(options, { status: 'ACTIVE' }))
  const pipelines = root.command('pipelines').description('pipelines: list')
  common(pipelines.command('list')).description('what can be run').action(listPipelines)
}
