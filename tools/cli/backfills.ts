/** `backfill PIPELINE`, and what becomes of it: a run for each day or month of a range. */
import { setTimeout as pause } from 'node:timers/promises'
import { Option, type Command } from 'commander'
import { connect, Failed, tenantOf, WrongUse, type Connection, type ConnectionOptions } from './connection.ts'
import { printList, printOne, type Format } from './output.ts'
import { assertPipeline, collect, parametersOf } from './parameters.ts'

type Options = ConnectionOptions & { output: Format }
type Common = (command: Command) => Command
type Body = Record<string, unknown>

const pathOf = (options: Options, connection: Connection, below = ''): string =>
  `/api/v1/tenants/${tenantOf(options, connection)}/backfills${below}`

// ---- making one

interface BackfillOptions extends Options {
  from?: string
  to?: string
  reprocess?: string
  order?: string
  maxActive?: string
  param: string[]
  dryRun?: true
  wait?: true
}
const startBackfill = async (pipeline: string, options: BackfillOptions): Promise<void> => {
  assertPipeline(pipeline)
  const { from, to, reprocess, order, maxActive, output } = options
  if (from === undefined || to === undefined)
    throw new WrongUse('no range: give --from and --to, days or months as the pipeline has them')
  if (maxActive !== undefined && !/^[1-9]\d{0,5}$/.test(maxActive))
    throw new WrongUse(`--max-active: expected a number from 1, got ${JSON.stringify(maxActive)}`)
  const connection = connect(options, process.env)
  const wanted = {
    pipeline,
    from,
    to,
    parameters: parametersOf(options.param),
    ...(reprocess === undefined ? {} : { reprocess }),
    ...(order === undefined ? {} : { order }),
    ...(maxActive === undefined ? {} : { max_active: Number(maxActive) }),
    ...(options.dryRun === true ? { dry_run: true } : {}),
  }
  const { body } = await connection.call('POST', pathOf(options, connection), wanted)
  if (options.dryRun === true) showPreview(output, body)
  else if (options.wait === true) await follow(connection, options, String(body['backfill_id']))
  else printOne(output, body)
}

const showPreview = (format: Format, body: Body): void => {
  printList(format, ['period', 'action', 'reason', 'bytes_processed', 'cost_usd', 'problems'], body)
  if (format !== 'table') return
  const { runs, skipped, bytes_processed, cost_usd, not_estimated } = body
  const unknown = Number(not_estimated) > 0 ? `, ${String(not_estimated)} of them not estimated` : ''
  console.log(
    `\n${String(runs)} runs${unknown}, ${String(skipped)} periods skipped; ` +
      `${String(bytes_processed)} bytes processed, $${String(cost_usd)}`,
  )
  for (const note of (body['notes'] ?? []) as string[]) console.log(`note: ${note}`)
}

// ---- following one

const pollMs = 1_000

/** How far it is, in a line. */
const progressLine = ({ status, runs, counts, waits }: Body): string => {
  const count = (state: string): number => (counts as Record<string, number> | undefined)?.[state] ?? 0
  const shown = ['running', 'queued', 'failed', 'cancelled', 'rejected'].filter((state) => count(state) > 0)
  const done = count('completed') + count('failed') + count('cancelled') + count('rejected')
  const told = [`${done} of ${String(runs)} done`, ...shown.map((state) => `${count(state)} ${state}`)]
  const { reason, until } = (waits ?? {}) as { reason?: string; until?: string | null }
  const waiting = reason === undefined ? '' : `; waits${until ? ` until ${until}` : ''}: ${reason}`
  return `${String(status)}  ${told.join(', ')}${waiting}`
}

/** Tells its progress until nothing of it moves; throws Failed unless all completed. */
const follow = async (connection: Connection, options: Options, id: string): Promise<void> => {
  const { output } = options
  const inPlace = output === 'table' && process.stdout.isTTY
  if (output === 'table') console.log(`backfill ${id}`)
  let [body, told]: [Body, string] = [{}, '']
  for (;;) {
    body = (await connection.call('GET', pathOf(options, connection, `/${id}`))).body
    const line = progressLine(body)
    if (output === 'table' && line !== told) process.stdout.write(inPlace ? `\r\u001b[K${line}` : `${line}\n`)
    told = line
    // Of a cancelled one nobody has to wait for the last word.
    if (body['ended_at'] !== null || body['status'] === 'CANCELLED') break
    await pause(pollMs)
  }
  if (inPlace) process.stdout.write('\n')
  if (output === 'table') showFailed(body)
  else printOne(output, body)
  if (body['status'] !== 'COMPLETED') throw new Failed(String(body['status']))
}
const showFailed = ({ failed_periods }: Body): void => {
  if (!Array.isArray(failed_periods) || failed_periods.length === 0) return
  printList('table', ['period', 'status', 'run_id', 'error_code'], { items: failed_periods })
}

const showBackfill = async (id: string, options: Options): Promise<void> => {
  const connection = connect(options, process.env)
  const { body } = await connection.call('GET', pathOf(options, connection, `/${id}`))
  const { failed_periods, ...backfill } = body
  printOne(options.output, options.output === 'table' ? backfill : body)
  if (options.output !== 'table') return
  console.log()
  console.log(progressLine(body))
  showFailed({ failed_periods })
}

const columns = ['backfill_id', 'pipeline', 'from', 'to', 'reprocess', 'status', 'runs', 'created_at']
const listBackfills = async (options: Options & { limit?: string }): Promise<void> => {
  const connection = connect(options, process.env)
  const query = options.limit === undefined ? '' : `?limit=${encodeURIComponent(options.limit)}`
  printList(options.output, columns, (await connection.call('GET', pathOf(options, connection, query))).body)
}

const changeBackfill = (action: 'pause' | 'resume' | 'cancel') => async (id: string, options: Options) => {
  const connection = connect(options, process.env)
  const { body } = await connection.call('POST', pathOf(options, connection, `/${encodeURIComponent(id)}/${action}`))
  printOne(options.output, body)
}

export const backfillCommands = (root: Command, common: Common): void => {
  const backfill = common(root.command('backfill').argument('<pipeline>', 'path of the pipeline, such as aws/cost/cur'))
    .description('run a pipeline for each day or month of a range; or: list, show, pause, resume, cancel')
    .enablePositionalOptions()
    .option('--from <period>', 'first day (YYYY-MM-DD) or month (YYYY-MM)')
    .option('--to <period>', 'last day or month, inclusive')
    .addOption(
      new Option('--reprocess <which>', 'periods that it runs: those without a run, also failed ones, ...').choices([
        'none',
        'failed',
        'changed',
        'all',
      ]),
    )
    .addOption(new Option('--order <order>', 'which come first').choices(['newest_first', 'oldest_first']))
    .option('--max-active <n>', 'runs of it at a time; default 1')
    .option('-p, --param <key=value>', 'another parameter of its runs; may be repeated', collect, [])
    .option('--dry-run', 'only tell what it would do, with bytes and money')
    .option('-w, --wait', 'follow it to its end; exit status 1 unless every run completed')
    .action(startBackfill)
  common(backfill.command('list'))
    .description('backfills of the tenant, newest first')
    .option('--limit <n>', 'how many, up to 500')
    .action(listBackfills)
  common(backfill.command('show').argument('<backfill>', 'id of the backfill'))
    .description('its periods by state, those that failed, what it waits for')
    .action(showBackfill)
  for (const [action, description] of [
    ['pause', 'ask for no more runs; those under way go on'],
    ['resume', 'go on after a pause'],
    ['cancel', 'end it and cancel its runs'],
  ] as const)
    common(backfill.command(action).argument('<backfill>', 'id of the backfill'))
      .description(description)
      .action(changeBackfill(action))
}
