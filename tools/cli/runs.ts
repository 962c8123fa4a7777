/** `run PIPELINE`, and `runs`: what is asked for, what became of it. */
import { type Command } from 'commander'
import { connect, Failed, ownPath, tenantOf, WrongUse, type ConnectionOptions } from './connection.ts'
import { followRun } from './follow.ts'
import { printList, printOne, type Format } from './output.ts'
import { assertPipeline, collect, parametersOf } from './parameters.ts'

type Options = ConnectionOptions & { output: Format }
type Common = (command: Command) => Command

interface RunOptions extends Options {
  param: string[]
  wait?: true
  dryRun?: true
  priority?: string
  idempotencyKey?: string
}
interface Following {
  pipeline: string
  parameters?: Record<string, unknown>
  pipeline_logging_id?: string
  status?: string
}
const startRun = async (pipeline: string, options: RunOptions): Promise<void> => {
  assertPipeline(pipeline)
  const connection = connect(options, process.env)
  const path = `/api/v1/pipelines/run/${tenantOf(options, connection)}/${pipeline}`
  const parameters = parametersOf(options.param)
  if (options.dryRun === true) {
    const { body } = await connection.call('POST', `${path}?dry_run=true`, parameters)
    if (options.output === 'json') {
      printOne('json', body)
      return
    }
    printList(options.output, ['step_id', 'reads', 'writes', 'bytes_processed', 'problems'], {
      items: body['steps'],
    })
    if (options.output !== 'table') return
    for (const { pipeline: next, parameters: said } of (body['followed_by'] ?? []) as Following[])
      console.log(`followed by ${next} ${JSON.stringify(said)}`)
    return
  }
  if (options.priority !== undefined && !/^\d$/.test(options.priority))
    throw new WrongUse(`--priority: expected 0 (first) to 9 (last), got ${JSON.stringify(options.priority)}`)
  const query = options.priority === undefined ? '' : `?priority=${options.priority}`
  const { body } = await connection.call('POST', path + query, parameters)
  const id = String(body['pipeline_logging_id'])
  if (options.wait !== true) {
    printOne(options.output, body)
    return
  }
  await follow(connection, id, options.output)
}

/** Follows a run; throws Failed unless it completed. */
const follow = async (connection: ReturnType<typeof connect>, id: string, format: Format): Promise<void> => {
  const say = format === 'table' ? console.log : () => undefined
  say(`run ${id}`)
  const ended = await followRun(connection, id, say)
  if (format === 'table') {
    console.log(ended.status)
    if (ended.error_message !== null) console.log(`${String(ended.error_code)}: ${ended.error_message}`)
  } else printOne(format, (await connection.call('GET', `/api/v1/pipelines/runs/${id}`)).body)
  if (ended.status !== 'COMPLETED') throw new Failed(ended.status)
}

const columns = ['pipeline_logging_id', 'pipeline', 'status', 'requested_at', 'duration_ms', 'error_code']
interface ListOptions extends Options {
  status?: string
  limit?: string
}
const listRuns = async (options: ListOptions): Promise<void> => {
  const connection = connect(options, process.env)
  const query = new URLSearchParams({
    ...(options.status === undefined ? {} : { status: options.status.toUpperCase() }),
    ...(options.limit === undefined ? {} : { limit: options.limit }),
  })
  const ofAll = connection.isAdmin && options.tenant === undefined
  const path = ofAll
    ? `/api/v1/admin/runs?${query.toString()}`
    : ownPath(`/api/v1/pipelines/runs?${query.toString()}`, options, connection)
  printList(options.output, ofAll ? ['tenant_id', ...columns] : columns, (await connection.call('GET', path)).body)
}

const showRun = async (id: string, options: Options): Promise<void> => {
  const { body } = await connect(options, process.env).call('GET', `/api/v1/pipelines/runs/${id}`)
  const { steps, warnings, follows, followed_by, ...run } = body
  printOne(options.output, options.output === 'table' ? run : body)
  if (options.output !== 'table') return
  console.log()
  printList('table', ['step_id', 'status', 'attempt', 'rows_written', 'duration_ms', 'error_message'], { items: steps })
  for (const { step_id, message } of (warnings ?? []) as { step_id: string; message: string }[])
    console.log(`warning: ${step_id}: ${message}`)
  const { pipeline_logging_id: before, pipeline: of } = (follows ?? {}) as Partial<Following>
  if (before !== undefined) console.log(`follows ${before} of ${String(of)}`)
  for (const { pipeline_logging_id: next, pipeline, status } of (followed_by ?? []) as Following[])
    console.log(`followed by ${String(next)} of ${pipeline}: ${String(status)}`)
}

const changeRun = (action: 'cancel' | 'resume') => async (id: string, options: Options) => {
  const { body } = await connect(options, process.env).call('POST', `/api/v1/pipelines/runs/${id}/${action}`, {})
  printOne(options.output, body)
}

interface EventOptions extends Options {
  follow?: true
}
const showEvents = async (id: string, options: EventOptions): Promise<void> => {
  const connection = connect(options, process.env)
  await followRun(
    connection,
    id,
    () => undefined,
    (event, data) => {
      console.log(options.output === 'json' ? JSON.stringify({ event, ...data }) : `${event}  ${JSON.stringify(data)}`)
    },
  )
}

export const runCommands = (root: Command, common: Common): void => {
  common(root.command('run').argument('<pipeline>', 'path of the pipeline, such as aws/cost/cur'))
    .description('run a pipeline')
    .option('-p, --param <key=value>', 'parameter of the run; may be repeated', collect, [])
    .option('-w, --wait', 'follow the run to its end; exit status 1 unless it completed')
    .option('--priority <number>', 'its place among the runs that wait: 0 first to 9 last; default 5')
    .option('--dry-run', 'only tell what it would read and write')
    .action(startRun)
  const runs = root.command('runs').description('runs: list, show, events, cancel, resume')
  common(runs.command('list'))
    .description('runs of the tenant, newest first; with the admin key and no tenant those of all')
    .option('--status <status>', 'only those: QUEUED, RUNNING, COMPLETED, FAILED, ...')
    .option('--limit <n>', 'how many, up to 200')
    .action(listRuns)
  common(runs.command('show').argument('<run>', 'id of the run')).description('a run and its steps').action(showRun)
  common(runs.command('cancel').argument('<run>', 'id of the run'))
    .description('stop a run')
    .action(changeRun('cancel'))
  common(runs.command('resume').argument('<run>', 'id of the run'))
    .description('go on where a run failed')
    .action(changeRun('resume'))
  common(runs.command('events').argument('<run>', 'id of the run'))
    .description('every event of a run from its start, until its end')
    .option('-f, --follow', 'as without: it waits for what comes, until the run ends')
    .action(showEvents)
}
