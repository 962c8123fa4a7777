/** `schedules`: what runs by itself, and when. */
import { type Command } from 'commander'
import { connect, tenantOf, WrongUse, type ConnectionOptions } from './connection.ts'
import { printList, printOne, type Format } from './output.ts'
import { assertPipeline, collect, parametersOf } from './parameters.ts'

type Options = ConnectionOptions & { output: Format }
type Common = (command: Command) => Command

const pathOf = (options: Options, connection: ReturnType<typeof connect>, name = ''): string =>
  `/api/v1/tenants/${tenantOf(options, connection)}/schedules${name === '' ? '' : `/${encodeURIComponent(name)}`}`

const list = async (options: Options): Promise<void> => {
  const connection = connect(options, process.env)
  const { body } = await connection.call('GET', pathOf(options, connection))
  const items = (body['items'] as Record<string, unknown>[]).map((schedule) => ({
    ...schedule,
    next: (schedule['next'] as { time: string }[] | undefined)?.[0]?.time,
  }))
  const columns = ['name', 'pipeline', 'cron', 'timezone', 'is_active', 'next', 'parameters']
  printList(options.output, columns, options.output === 'json' ? body : { ...body, items })
}

interface PutOptions extends Options {
  cron?: string
  timezone?: string
  param: readonly string[]
  priority?: string
  missed?: string
  overlap?: string
  paused?: true
}
const put = async (name: string, pipeline: string, options: PutOptions): Promise<void> => {
  assertPipeline(pipeline)
  if (options.priority !== undefined && !/^\d$/.test(options.priority))
    throw new WrongUse(`--priority: expected 0 (first) to 9 (last), got ${JSON.stringify(options.priority)}`)
  const connection = connect(options, process.env)
  const { cron, timezone, missed, overlap, priority, paused } = options
  const { body } = await connection.call('PUT', pathOf(options, connection, name), {
    pipeline,
    cron,
    timezone,
    missed,
    overlap,
    parameters: parametersOf(options.param),
    priority: priority === undefined ? undefined : Number(priority),
    is_active: paused !== true,
  })
  printOne(options.output, body)
}

const show = async (name: string, options: Options): Promise<void> => {
  const connection = connect(options, process.env)
  const { body } = await connection.call('GET', pathOf(options, connection, name))
  printOne(options.output, body)
}
/** A schedule as it is, but for whether it fires. */
const setActive = async (name: string, is_active: boolean, options: Options): Promise<void> => {
  const connection = connect(options, process.env)
  const path = pathOf(options, connection, name)
  const { body: known } = await connection.call('GET', path)
  const kept = ['pipeline', 'cron', 'timezone', 'parameters', 'priority', 'missed', 'overlap']
  const body = Object.fromEntries(kept.map((field) => [field, known[field]]))
  printOne(options.output, (await connection.call('PUT', path, { ...body, is_active })).body)
}
const remove = async (name: string, options: Options): Promise<void> => {
  const connection = connect(options, process.env)
  printOne(options.output, (await connection.call('DELETE', pathOf(options, connection, name))).body)
}

export const scheduleCommands = (root: Command, common: Common): void => {
  const group = root.command('schedules').description('what runs by itself: list, show, put, pause, resume, delete')
  common(group.command('list')).description('schedules of the tenant, with their next firing').action(list)
  common(group.command('show').argument('<name>')).description('a schedule, with its next ten firings').action(show)
  common(group.command('put').argument('<name>').argument('<pipeline>'))
    .description('make or change a schedule')
    .option(
      '--cron <fields>',
      "five fields, such as '30 6 * * *'; default: the schedule that the pipeline's file suggests",
    )
    .option('--timezone <name>', 'whose days and hours the fields are, such as Europe/Berlin; default UTC')
    .option('-p, --param <key=value>', 'parameter of each run; date=yesterday counts in the time zone', collect, [])
    .option('--priority <number>', '0 first to 9 last; default 5')
    .option('--missed <rule>', 'times that passed while nothing ran: skip, latest (default) or all')
    .option('--overlap <rule>', 'while its last run goes on: allow (default), skip, queue or cancel_previous')
    .option('--paused', 'keep it without firing')
    .action(put)
  common(group.command('pause').argument('<name>'))
    .description('fire no more until it is resumed')
    .action((name: string, options: Options) => setActive(name, false, options))
  common(group.command('resume').argument('<name>'))
    .description('fire again')
    .action((name: string, options: Options) => setActive(name, true, options))
  common(group.command('delete').argument('<name>')).description('remove a schedule').action(remove)
}
