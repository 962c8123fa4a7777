/**
 * `npm start`: the platform on http://127.0.0.1:8000, data kept in .convergence/. Ctrl-C drains; a second Ctrl-C ends
 * at once.
 */
import { openLog } from '@convergence/service'
import { openManagement } from '@convergence/service/management'
import { startTelemetry } from '@convergence/service/telemetry'
import { runCommand } from './command.ts'
import { pasteLines, readyText } from './local-cloud.ts'
import { startPlatform } from './platform.ts'
import { loadEnvFile, readSettings } from './settings.ts'

const help = `
Starts the platform in one process on the embedded engines and keeps its data. Ctrl-C finishes what is running and
stops; a second Ctrl-C ends at once. Settings come from the environment and from .env (.env.example lists them all).
`

const start = async () => {
  loadEnvFile()
  const settings = readSettings(process.env)
  const { data_folder, project_id, api_port, host, wire, management_port, log_level, local_mode, values } = settings
  const root = openLog({ level: log_level })
  const log = root.child({ service: 'platform' })
  const telemetry = startTelemetry('platform')
  const platform = await startPlatform({
    data_folder,
    project_id,
    port: api_port,
    host,
    log: root,
    settings: values,
    local_mode,
    metrics: telemetry.text,
    wire,
  })
  let stopping = false
  const management =
    management_port === undefined
      ? undefined
      : await openManagement({
          host,
          port: management_port,
          stuck: () => [],
          notReady: async () => {
            if (stopping) return ['stopping']
            return (await platform.healthy()) ? [] : ['the bus, the warehouse or a service is unhealthy; see log']
          },
          metrics: telemetry.text,
        }).catch(async (error: unknown) => {
          await platform.close()
          throw error
        })
  const stop = (signal: NodeJS.Signals) => {
    if (stopping) process.exit(130)
    stopping = true
    console.log(`\n${signal}: finishing what is running; press Ctrl-C again to end at once`)
    platform
      .close()
      .then(() => management?.close())
      .then(
        () => process.exit(0),
        (error: unknown) => {
          log.error({ error: String(error) }, 'not closed cleanly')
          process.exit(1)
        },
      )
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)

  // One write, so that who reads the output has all of it or nothing.
  const lines = readyText({
    urls: [platform.url],
    data_folder,
    admin_key: platform.admin_key,
    admin_key_is_new: platform.admin_key_is_new,
    lines: pasteLines(platform.wire),
  })
  if (management !== undefined) lines.push(`  health      http://${host}:${management.port}/health/ready`)
  console.log(lines.join('\n'))
}

await runCommand({ name: 'npm start', help }, start)
