/**
 * `npm start`: the platform on http://127.0.0.1:8000, data kept in .convergence/. Ctrl-C drains; a second Ctrl-C ends
 * at once.
 */
import { AppError } from '@convergence/contracts'
import { openLog } from '@convergence/service'
import { startTelemetry } from '@convergence/service/telemetry'
import { hashKey, pasteLines, readyText } from './local-cloud.ts'
import { startPlatform } from './platform.ts'
import { readSettings } from './settings.ts'

const main = async () => {
  const settings = readSettings(process.env)
  const log = openLog({ service: 'platform', level: settings.LOG_LEVEL })
  const telemetry = startTelemetry('platform')
  const data_folder = settings.CONVERGENCE_DATA_DIR
  const { WIRE_HOST: host, PUBSUB_PORT: pubsub, BIGQUERY_PORT: bigquery, KMS_PORT: kms } = settings
  const platform = await startPlatform({
    data_folder,
    project_id: settings.GCP_PROJECT_ID,
    port: settings.API_PORT,
    log,
    metrics: telemetry.text,
    shared_sources: settings.SHARED_SOURCES,
    wire: {
      host,
      ...(pubsub === undefined ? {} : { pubsub }),
      ...(bigquery === undefined ? {} : { bigquery }),
      ...(kms === undefined ? {} : { kms }),
    },
    ...(settings.ADMIN_API_KEY === undefined ? {} : { admin_key_hashes: [hashKey(settings.ADMIN_API_KEY)] }),
    ...(settings.SMTP_URL === undefined ? {} : { smtp_url: settings.SMTP_URL }),
  })

  let stopping = false
  const stop = (signal: NodeJS.Signals) => {
    if (stopping) process.exit(130)
    stopping = true
    console.log(`\n${signal}: finishing what is running; press Ctrl-C again to end at once`)
    platform.close().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ error: String(error) }, 'not closed cleanly')
        process.exit(1)
      },
    )
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)

  for (const line of readyText({
    urls: [platform.url],
    data_folder,
    admin_key: platform.admin_key,
    admin_key_is_new: platform.admin_key_is_new,
    lines: pasteLines(platform.wire),
  }))
    console.log(line)
}

main().catch((error: unknown) => {
  if (error instanceof AppError) console.error(`convergence: ${[error.message, ...error.faults].join('\n  ')}`)
  else console.error(error)
  process.exit(error instanceof AppError ? 78 : 1)
})
