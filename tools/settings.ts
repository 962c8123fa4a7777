/** The settings of the platform in one process: defaults filled in, everything checked, all faults told at once. */
import { AppError } from '@convergence/contracts'
import { defaultSharedSources, sharedSourcesOf } from '@convergence/pipeline'

export interface Settings {
  /** Where data is kept. */
  CONVERGENCE_DATA_DIR: string
  /** Port of the REST API on loopback; 0 takes a free one. */
  API_PORT: number
  /** Project id that tables are named by. */
  GCP_PROJECT_ID: string
  /** DEBUG, INFO, WARNING or ERROR. */
  LOG_LEVEL: 'debug' | 'info' | 'warn' | 'error'
  /** Admin key; without it one is made and kept in the data folder. */
  ADMIN_API_KEY: string | undefined
  /** Ports of the fronts on WIRE_HOST; 0 takes a free one, undefined when it is off. */
  PUBSUB_PORT: number | undefined
  BIGQUERY_PORT: number | undefined
  KMS_PORT: number | undefined
  /** Address of the fronts; anything but loopback is for containers, and no local mode. */
  WIRE_HOST: string
  /** Datasets that every tenant's pipelines may read, separated by commas. */
  SHARED_SOURCES: string
  /** smtp://user:password@host:port; without it mails go to the data folder. */
  SMTP_URL: string | undefined
}

const levels = { DEBUG: 'debug', INFO: 'info', WARN: 'warn', WARNING: 'warn', ERROR: 'error' } as const

export const readSettings = (env: Readonly<Record<string, string | undefined>>): Settings => {
  const faults: string[] = []
  const text = (name: string): string | undefined => {
    const value = env[name]
    return value === undefined || value === '' ? undefined : value
  }
  const port = text('API_PORT') ?? '8000'
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535)
    faults.push(`API_PORT        expected a whole number from 0 to 65535, got "${port}"`)
  const level = (text('LOG_LEVEL') ?? 'WARNING').toUpperCase()
  if (!Object.hasOwn(levels, level))
    faults.push(`LOG_LEVEL       expected one of ${Object.keys(levels).join(', ')}, got "${level}"`)
  const project_id = text('GCP_PROJECT_ID') ?? 'local-convergence'
  if (!/^[a-z][a-z0-9-]{4,28}[a-z0-9]$/.test(project_id))
    faults.push(`GCP_PROJECT_ID  expected a Google Cloud project id such as acme-prod, got "${project_id}"`)
  const runtime = text('RUNTIME')
  if (runtime !== undefined && runtime !== 'local')
    faults.push(`RUNTIME         expected nothing or local: this command runs the embedded engines, got "${runtime}"`)
  const bypass = text('DISABLE_AUTH')
  if (bypass !== undefined && bypass !== 'false')
    faults.push('DISABLE_AUTH    expected nothing or false: this command always checks keys')
  const portOf = (name: string, usual: number): number | undefined => {
    const value = env[name] ?? String(usual)
    if (value === '' || value === 'off') return undefined
    if (!/^\d{1,5}$/.test(value) || Number(value) > 65_535)
      faults.push(`${name.padEnd(15)} expected a whole number from 0 to 65535, or off, got "${value}"`)
    return Number(value)
  }
  const fronts = {
    PUBSUB_PORT: portOf('PUBSUB_PORT', 8085),
    BIGQUERY_PORT: portOf('BIGQUERY_PORT', 9050),
    KMS_PORT: portOf('KMS_PORT', 9060),
  }
  const wire_host = text('WIRE_HOST') ?? '127.0.0.1'
  if (!/^[0-9A-Fa-f.:]+$/.test(wire_host))
    faults.push(`WIRE_HOST       expected an address such as 127.0.0.1, got "${wire_host}"`)
  const shared_sources = text('SHARED_SOURCES') ?? defaultSharedSources
  try {
    sharedSourcesOf(shared_sources, project_id)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    faults.push(...error.faults)
  }
  const smtp = text('SMTP_URL')
  if (smtp !== undefined && !/^smtps?:\/\/\S+$/.test(smtp))
    faults.push('SMTP_URL        expected smtp://user:password@host:port')
  if (faults.length > 0) {
    throw new AppError(
      'SETTING_INVALID',
      `${faults.length === 1 ? '1 setting is' : `${faults.length} settings are`} wrong, nothing was started`,
      { faults },
    )
  }
  return {
    CONVERGENCE_DATA_DIR: text('CONVERGENCE_DATA_DIR') ?? '.convergence',
    API_PORT: Number(port),
    GCP_PROJECT_ID: project_id,
    LOG_LEVEL: levels[level as keyof typeof levels],
    ADMIN_API_KEY: text('ADMIN_API_KEY'),
    SHARED_SOURCES: shared_sources,
    SMTP_URL: smtp,
    WIRE_HOST: wire_host,
    ...fronts,
  }
}
