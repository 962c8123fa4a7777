/**
 * `npm run dev`: the platform as six processes on loopback, the local cloud and the five services; with `-- --replicas
 * 2` two of each
 * service, the second auth on the next port. Ctrl-C stops them in order; a second Ctrl-C kills them.
 */
import { parseArgs } from 'node:util'
import { AppError } from '@convergence/contracts'
import { pasteLines, readyText } from './local-cloud.ts'
import { startProcesses, type Processes } from './processes.ts'
import { readSettings } from './settings.ts'

const palette = [36, 32, 33, 35, 34, 31]

const main = async () => {
  const { values } = parseArgs({ options: { replicas: { type: 'string', default: '1' } } })
  if (!/^[1-9]$/.test(values.replicas))
    throw new AppError(
      'SETTING_INVALID',
      `--replicas expected a whole number from 1 to 9, got ${JSON.stringify(values.replicas)}`,
    )
  const settings = readSettings(process.env)
  const {
    CONVERGENCE_DATA_DIR: data_folder,
    API_PORT: api_port,
    GCP_PROJECT_ID: project_id,
    PUBSUB_PORT: pubsub,
    BIGQUERY_PORT: bigquery,
    KMS_PORT: kms,
  } = settings
  if (pubsub === undefined || bigquery === undefined || kms === undefined)
    throw new AppError(
      'SETTING_INVALID',
      'PUBSUB_PORT, BIGQUERY_PORT and KMS_PORT expected a port: the six processes meet at the fronts',
    )
  const colours = new Map<string, number>()
  const prefix = (name: string): string => {
    const text = `[${name}]`.padEnd(14)
    if (process.stdout.isTTY !== true) return text
    if (!colours.has(name)) colours.set(name, palette[colours.size % palette.length] ?? 36)
    return `\u001b[${String(colours.get(name))}m${text}\u001b[0m`
  }

  let all: Processes | undefined = undefined as Processes | undefined
  let stopping = false
  const stop = (signal: NodeJS.Signals) => {
    if (stopping || all === undefined) {
      for (const each of all === undefined ? [] : [...all.services, all.cloud]) each.kill('SIGKILL')
      process.exit(130)
    }
    stopping = true
    console.log(`\n${signal}: finishing what is running; press Ctrl-C again to end at once`)
    all.close().then(
      () => process.exit(0),
      (error: unknown) => {
        console.error(error)
        process.exit(1)
      },
    )
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  all = await startProcesses({
    data_folder,
    project_id,
    api_port,
    replicas: Number(values.replicas),
    wire: { pubsub, bigquery, kms },
    log_level: ({ debug: 'DEBUG', info: 'INFO', warn: 'WARNING', error: 'ERROR' } as const)[settings.LOG_LEVEL],
    log: (name, line) => {
      console.error(`${prefix(name)} ${line}`)
    },
    env: {
      ...(settings.ADMIN_API_KEY === undefined ? {} : { ADMIN_API_KEY: settings.ADMIN_API_KEY }),
      ...(settings.SMTP_URL === undefined ? {} : { SMTP_URL: settings.SMTP_URL }),
    },
  })
  for (const line of readyText({
    urls: all.urls,
    data_folder,
    admin_key: all.admin_key,
    admin_key_is_new: all.admin_key_is_new,
    lines: pasteLines(all.env),
  }))
    console.log(line)
  for (const { name, replica, pid, management_port } of [all.cloud, ...all.services]) {
    console.log(
      `  ${(name === 'local-cloud' || values.replicas === '1' ? name : `${name}.${replica}`).padEnd(11)} process ${pid}${management_port === 0 ? '' : `, health http://127.0.0.1:${management_port}/health/ready`}`,
    )
  }
}

main().catch((error: unknown) => {
  if (error instanceof AppError) console.error(`convergence dev: ${[error.message, ...error.faults].join('\n  ')}`)
  else console.error(error)
  process.exit(error instanceof AppError ? 78 : 1)
})
