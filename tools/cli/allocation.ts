/** `allocation`: rules that say who bears which cost, as a file of YAML. */
import { readFileSync } from 'node:fs'
import { AppError } from '@convergence/contracts'
import { readAllocation, writeAllocation, type Allocation } from '@convergence/pipeline/allocation'
import { type Command } from 'commander'
import { connect, tenantOf, WrongUse, type ConnectionOptions } from './connection.ts'
import { printList, printOne, type Format } from './output.ts'

interface Options extends ConnectionOptions {
  output: Format
}
type Common = (command: Command) => Command

const pathOf = (options: ConnectionOptions, connection: ReturnType<typeof connect>): string =>
  `/api/v1/tenants/${tenantOf(options, connection)}/allocation`

/** Faults are told here, with their lines, before anything is sent. */
const rulesOf = (file: string): Allocation => {
  let text: string
  try {
    text = readFileSync(file === '-' ? 0 : file, 'utf8')
  } catch {
    throw new WrongUse(`${file}: cannot be read; expected a file of rules, or - for the standard input`)
  }
  try {
    return readAllocation(file === '-' ? 'stdin' : file, text)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    throw new WrongUse([error.message, ...error.faults.map((fault) => `  ${fault}`)].join('\n'))
  }
}

const put = async (file: string, options: Options): Promise<void> => {
  const rules = rulesOf(file)
  const connection = connect(options, process.env)
  const { body } = await connection.call('PUT', pathOf(options, connection), rules)
  if (options.output !== 'table') printOne(options.output, body)
  else if (Array.isArray(body['rules']))
    console.log(`${body['rules'].length} rules stored, run ${String(body['pipeline_logging_id'])}`)
  else console.log(`under way: run ${String(body['pipeline_logging_id'])}`)
  if (options.output === 'table')
    console.log(
      'months that are made from now on follow them; others: convergence run focus/cost/allocation --param month=YYYY-MM',
    )
}

const show = async (options: Options & { version?: string }): Promise<void> => {
  const connection = connect(options, process.env)
  const query = options.version === undefined ? '' : `?version=${encodeURIComponent(options.version)}`
  const { body } = await connection.call('GET', `${pathOf(options, connection)}${query}`)
  if (options.output !== 'table') {
    printOne(options.output, body)
    return
  }
  const { version, recorded_at, recorded_by, rules } = body
  console.log(
    version === 0
      ? '# none stored yet'
      : `# version ${String(version)}, ${String(recorded_at)}, by ${String(recorded_by)}`,
  )
  process.stdout.write(writeAllocation({ rules: rules as Allocation['rules'] }))
}

const versions = async (options: Options): Promise<void> => {
  const connection = connect(options, process.env)
  const { body } = await connection.call('GET', `${pathOf(options, connection)}/versions`)
  printList(options.output, ['version', 'recorded_at', 'recorded_by', 'run_id'], body)
}

const preview = async (file: string, options: Options & { month: string }): Promise<void> => {
  const rules = rulesOf(file)
  const connection = connect(options, process.env)
  const path = `${pathOf(options, connection)}/preview?month=${encodeURIComponent(options.month)}`
  const { body } = await connection.call('POST', path, rules)
  printList(options.output, ['allocation', 'rule', 'method', 'billed', 'effective', 'currency'], body)
  const idle = body['rules_without_cost'] as string[]
  if (options.output === 'table' && idle.length > 0) console.log(`rules without cost: ${idle.join(', ')}`)
}

export const allocationCommands = (root: Command, common: Common): void => {
  const group = root.command('allocation').description('who bears which cost: put, show, versions, preview')
  common(group.command('put').argument('<file>', 'rules in YAML or JSON; - is the standard input'))
    .description('store rules as the newest version')
    .action(put)
  common(group.command('show'))
    .description('the rules that hold, as a file')
    .option('--version <n>', 'an earlier version')
    .action(show)
  common(group.command('versions')).description('who stored rules and when').action(versions)
  common(group.command('preview').argument('<file>', 'rules in YAML or JSON; - is the standard input'))
    .description('what each would bear of a month; nothing is stored')
    .requiredOption('--month <month>', 'billing period, YYYY-MM')
    .action(preview)
}
