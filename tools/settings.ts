/**
 * The settings of the platform on this machine (`npm start`, `npm run dev`, `npm run local-cloud`): what
 * tools/env.schema.json says, and every variable that a service reads. Defaults filled in, all faults told at once.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { AppError, serviceNames } from '@convergence/contracts'
import { sharedSourcesOf } from '@convergence/pipeline'
import { isLocalMode, logLevel } from '@convergence/service'
import {
  checkEnvironment,
  readEnvSchema,
  variableOf,
  type Environment,
  type EnvSchema,
  type Variable,
} from '@convergence/service/env'

/** Ports of the fronts: 0 takes a free one, undefined opens none. */
export interface WirePorts {
  host?: string
  pubsub?: number
  bigquery?: number
  kms?: number
}
export interface Settings {
  /** Where data is kept. */
  data_folder: string
  /** Project id that tables are named by. */
  project_id: string
  /** Port of the REST API on `host`; 0 takes a free one. */
  api_port: number
  host: string
  wire: WirePorts
  /** Port of health and metrics of their own. */
  management_port: number | undefined
  /** In pino's words. */
  log_level: string
  /** See isLocalMode. */
  local_mode: boolean
  /** All of them by name, as the services read them. */
  values: Readonly<Record<string, string>>
}

const root = join(import.meta.dirname, '..')

export interface PlatformSchema extends EnvSchema {
  /** Variables of a service that may not be set here, each with the reason. */
  refused: Record<string, string>
  /** Variables of a service that change nothing here, each with the reason. */
  ignored: Record<string, string>
}

/** What tools/env.schema.json says, then what the services say that it does not name. */
export const platformSchema = (): PlatformSchema => {
  const own = readEnvSchema(join(root, 'tools/env.schema.json')) as PlatformSchema
  const properties: Record<string, Variable> = { ...own.properties }
  for (const service of serviceNames) {
    const schema = readEnvSchema(join(root, 'services', service, 'env.schema.json'))
    for (const name of Object.keys(schema.properties))
      if (!(name in own.refused) && !(name in own.ignored)) properties[name] ??= variableOf(schema, name)
  }
  return { ...own, properties }
}

const portOf = (value: string | undefined): number | undefined =>
  value === undefined || value === 'off' ? undefined : Number(value)

/** What the pattern of SHARED_SOURCES cannot say. */
const sharedSourceFaults = ({ SHARED_SOURCES, GCP_PROJECT_ID }: Environment): readonly string[] => {
  if (!SHARED_SOURCES) return []
  try {
    sharedSourcesOf(SHARED_SOURCES, GCP_PROJECT_ID || 'local-convergence')
    return []
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return error.faults
  }
}

/** Throws SETTING_INVALID with every fault. */
export const readSettings = (given: Environment): Settings => {
  const schema = platformSchema()
  const refused = Object.entries(schema.refused).flatMap(([name, why]) =>
    !given[name] || (name === 'DISABLE_AUTH' && given[name] === 'false')
      ? []
      : [`${name} expected nothing: ${why} (${schema.documented})`],
  )
  const values = checkEnvironment(
    schema,
    {
      ...given,
      // An empty port turns a front off.
      ...Object.fromEntries(
        ['PUBSUB_PORT', 'BIGQUERY_PORT', 'KMS_PORT'].flatMap((name) => (given[name] === '' ? [[name, 'off']] : [])),
      ),
      LOG_LEVEL: given['LOG_LEVEL']?.toUpperCase(),
    },
    [...refused, ...sharedSourceFaults(given)],
  )
  const host = values['LISTEN_HOST'] ?? '127.0.0.1'
  const [pubsub, bigquery, kms] = ['PUBSUB_PORT', 'BIGQUERY_PORT', 'KMS_PORT'].map((name) => portOf(values[name]))
  return {
    data_folder: values['CONVERGENCE_DATA_DIR'] ?? '.convergence',
    project_id: values['GCP_PROJECT_ID'] ?? 'local-convergence',
    api_port: Number(values['API_PORT']),
    host,
    wire: {
      ...(values['WIRE_HOST'] === undefined ? {} : { host: values['WIRE_HOST'] }),
      ...(pubsub === undefined ? {} : { pubsub }),
      ...(bigquery === undefined ? {} : { bigquery }),
      ...(kms === undefined ? {} : { kms }),
    },
    management_port: portOf(values['MANAGEMENT_PORT']),
    log_level: logLevel(values['LOG_LEVEL']),
    local_mode: isLocalMode(given),
    values,
  }
}

/** What `.env` in the working folder says, where the environment itself says nothing. */
export const loadEnvFile = (): void => {
  if (existsSync('.env')) process.loadEnvFile('.env')
}
