/**
 * The environment of a service, checked as a whole before anything is opened: its env.schema.json says what each
 * variable is, how it is
 * made and where that is written; the locks of production say what may not be there at all.
 */
import { accessSync, constants, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { Ajv, type ErrorObject } from 'ajv'
import { AppError } from '@convergence/contracts'

export type Environment = Readonly<Record<string, string | undefined>>

/** One variable in an env.schema.json: JSON Schema, and what a person needs to set it right. */
export interface Variable {
  $ref?: string
  description?: string
  default?: string
  expected?: string
  make?: string
  secret?: boolean
}
export interface EnvSchema {
  properties: Record<string, Variable>
  /** The page that describes the variables. */
  documented: string
}

const shared = JSON.parse(readFileSync(join(import.meta.dirname, '../env.schema.json'), 'utf8')) as {
  $id: string
  $defs: Record<string, Variable>
}
// The schemas are ours (a test checks them against JSON Schema itself) and each is used once: what takes long in ajv is
// left out.
const ajv = new Ajv({
  allErrors: true,
  strict: false,
  schemas: [shared],
  validateSchema: false,
  addUsedSchema: false,
  code: { optimize: false },
})
const hashes = /^[0-9a-f]{64}(,[0-9a-f]{64})?$/
const loopback = /^(https?:\/\/)?(127(\.\d{1,3}){3}|localhost|\[::1\]|::1)(:\d{1,5})?\/?$/i
const emulator = /_EMULATOR_HOST$/
const longestShown = 100

/**
 * Local mode, the one definition of it: engines of this machine reached by loopback, every listener on loopback, no
 * container platform
 * around. Onboarding is open in it and DISABLE_AUTH may be set; a container that listens on 0.0.0.0 is not in it.
 */
export const isLocalMode = (env: Environment): boolean =>
  env['RUNTIME'] !== 'gcp' &&
  !env['KUBERNETES_SERVICE_HOST'] &&
  !env['K_SERVICE'] &&
  Object.entries(env).every(([name, value]) => !emulator.test(name) || !value || loopback.test(value)) &&
  [env['LISTEN_HOST'], env['WIRE_HOST']].every((host) => !host || loopback.test(host))

const isReadable = (path: string): boolean => {
  try {
    accessSync(path, constants.R_OK)
    return true
  } catch {
    return false
  }
}

/** What Google Cloud must not be started with: nothing embedded, no way around authentication, no key in plain text. */
const locks = (env: Environment): string[] => {
  const faults: string[] = []
  const bypass = env['DISABLE_AUTH']
  if (bypass && bypass !== 'false' && !isLocalMode(env))
    faults.push(
      'DISABLE_AUTH expected nothing or false outside local mode (loopback alone, RUNTIME not gcp, ' +
        'no container platform); unset it',
    )
  if (env['RUNTIME'] !== 'gcp') return faults
  for (const [name, value] of Object.entries(env)) {
    if (value && emulator.test(name))
      faults.push(
        `${name} expected nothing with RUNTIME=gcp, which works with Google Cloud itself; ` +
          'unset it, or set RUNTIME=local',
      )
  }
  if (env['CONVERGENCE_DATA_DIR'])
    faults.push('CONVERGENCE_DATA_DIR expected nothing with RUNTIME=gcp: no data is kept in a folder there; unset it')
  const credentials = env['GOOGLE_APPLICATION_CREDENTIALS']
  if (credentials && !isReadable(credentials)) {
    const shown = JSON.stringify(credentials.slice(0, longestShown))
    faults.push(
      `GOOGLE_APPLICATION_CREDENTIALS expected nothing, or a file that can be read, got ${shown}: ` +
        'in a cluster workload identity signs in and it stays unset',
    )
  }
  if (env['ADMIN_API_KEY'])
    faults.push(
      'ADMIN_API_KEY expected nothing with RUNTIME=gcp: the admin key comes as ADMIN_KEY_HASHES (SHA-256, ' +
        'hex) and never as it is; npm run admin-key prints both',
    )
  return faults
}

/** A variable with what it shares with other services. */
export const variableOf = ({ properties }: EnvSchema, name: string): Variable => {
  const own = properties[name] ?? {}
  return { ...(own.$ref === undefined ? {} : shared.$defs[basename(own.$ref)]), ...own }
}

export const readEnvSchema = (file: string): EnvSchema => JSON.parse(readFileSync(file, 'utf8')) as EnvSchema

/**
 * The settings that a schema describes, defaults filled in; an empty variable is none. `more` are faults found before.
 * Throws SETTING_INVALID with all faults at once, each with the variable, what was expected, what came (never of a
 * secret), how it is made and where that is written.
 */
export const checkEnvironment = (
  schema: EnvSchema,
  given: Environment,
  more: readonly string[] = [],
): Record<string, string> => {
  const env: Record<string, string> = {}
  for (const name of Object.keys(schema.properties)) {
    // What a lock refuses is reported once.
    const locked =
      given['RUNTIME'] === 'gcp' && (emulator.test(name) || name === 'CONVERGENCE_DATA_DIR' || name === 'ADMIN_API_KEY')
    const value = locked ? undefined : given[name] || variableOf(schema, name).default
    if (value) env[name] = value
  }
  const wordOf = ({ instancePath, keyword, params }: ErrorObject): string | undefined => {
    const name =
      keyword === 'required' ? (params as { missingProperty: string }).missingProperty : instancePath.slice(1)
    if (name === '') return undefined
    const { description = '', expected = description, make, secret = false } = variableOf(schema, name)
    const shown = secret
      ? 'something else (not shown: it is a secret)'
      : JSON.stringify((env[name] ?? '').slice(0, longestShown))
    const came = keyword === 'required' ? 'nothing' : shown
    return `${name} expected ${expected}, got ${came}${make === undefined ? '' : `; ${make}`} (${schema.documented})`
  }
  const check = ajv.compile(schema)
  check(env)
  const faults = [...new Set([...more, ...(check.errors ?? []).flatMap((error) => wordOf(error) ?? [])])]
  if (faults.length > 0)
    throw new AppError(
      'SETTING_INVALID',
      `${faults.length === 1 ? '1 setting is' : `${faults.length} settings are`} wrong, nothing was started`,
      { faults },
    )
  return env
}

/** The settings of a service, checked together with the locks of production. Throws SETTING_INVALID. */
export const readEnvironment = (schemaFile: string, given: Environment): Record<string, string> =>
  checkEnvironment(readEnvSchema(schemaFile), given, locks(given))

/** One or two SHA-256 in hex. */
export const isHashes = (text: string): boolean => hashes.test(text)
