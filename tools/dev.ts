/**
 * `npm run dev`: the platform as six processes on loopback, the local cloud and the five services; with
 * `-- --replicas 2` two of each service, the second auth on the next port. Ctrl-C stops them in order; a second Ctrl-C
 * kills them.
 */
import { AppError } from '@convergence/contracts'
import { runCommand, UsageError } from './command.ts'
import { pasteLines, readyText } from './local-cloud.ts'
import { startProcesses, type Processes } from './processes.ts'
import { loadEnvFile, platformSchema, readSettings, type Settings } from './settings.ts'

const palette = [36, 32, 33, 35, 34, 31]
/** Of one process, so given to each by itself. */
const perProcess = ['API_PORT', 'PUBSUB_PORT', 'BIGQUERY_PORT', 'KMS_PORT', 'MANAGEMENT_PORT', 'REPLICA']
/** Beside the settings, what isLocalMode looks at. */
const surroundings = ['KUBERNETES_SERVICE_HOST', 'K_SERVICE']

/** What is set here and means the same in each process. */
const settingsOfAll = ({ values }: Settings): Record<string, string> => {
  const names = [
    ...Object.keys(platformSchema().properties).filter((name) => !perProcess.includes(name)),
    ...surroundings,
  ]
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = process.env[name]
      return value === undefined || value === '' ? [] : [[name, values[name] ?? value]]
    }),
  )
}

const prefixes = () => {
  const colours = new Map<string, number>()
  return (name: string): string => {
    const text = `[${name}]`.padEnd(14)
    if (!process.stdout.isTTY) return text
    if (!colours.has(name)) colours.set(name, palette[colours.size % palette.length] ?? 36)
    return `\u001b[${String(colours.get(name))}m${text}\u001b[0m`
  }
}

const dev = async (replicas: string) => {
  if (!/^[1-9]$/.test(replicas))
    throw new UsageError(`--replicas expected a whole number from 1 to 9, got ${JSON.stringify(replicas)}`)
  loadEnvFile()
  const settings = readSettings(process.env)
  const { pubsub, bigquery, kms } = settings.wire
  if (pubsub === undefined || bigquery === undefined || kms === undefined)
    throw new AppError(
      'SETTING_INVALID',
      'PUBSUB_PORT, BIGQUERY_PORT and KMS_PORT expected a port: the six processes meet at the fronts',
    )
  const prefix = prefixes()
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
    data_folder: settings.data_folder,
    project_id: settings.project_id,
    api_port: settings.api_port,
    replicas: Number(replicas),
    wire: { pubsub, bigquery, kms },
    log_level: settings.values['LOG_LEVEL'] ?? 'WARNING',
    log: (name, line) => {
      console.error(`${prefix(name)} ${line}`)
    },
    env: settingsOfAll(settings),
  })
  const { admin_key, admin_key_is_new } = all
  const lines = pasteLines(all.env)
  for (const line of readyText({
    urls: all.urls,
    data_folder: settings.data_folder,
    admin_key,
    admin_key_is_new,
    lines,
  }))
    console.log(line)
  for (const { name, replica, pid, management_port } of [all.cloud, ...all.services]) {
    const shown = name === 'local-cloud' || replicas === '1' ? name : `${name}.${replica}`
    const health = management_port === 0 ? '' : `, health http://127.0.0.1:${management_port}/health/ready`
    console.log(`  ${shown.padEnd(11)} process ${pid}${health}`)
  }
}

const help = `
Starts the local cloud and the five services as six processes on loopback. Ctrl-C stops them in order; a second Ctrl-C
kills them. Settings come from the environment and from .env (.env.example lists them all).

  --replicas N   processes of each service, 1 to 9; default 1; the second auth takes the next port
`

await runCommand(
  { name: 'npm run dev', synopsis: '[--replicas N]', help, options: { replicas: { type: 'string', default: '1' } } },
  ({ replicas }) => dev(replicas),
)
