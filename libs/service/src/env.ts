/**
 * The environment of a service, checked as a whole before anything is opened: its env.schema.json says what each
 * variable is, how it is
 * made and where that is written; the locks of production say what may not be there at all.
 */
import { accessSync, constants, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js'
import { AppError } from '@convergence/contracts'

export type Environment = Readonly<Record<string, string | undefined>>

/** One variable in an env.schema.json: JSON Schema, and what a person needs to set it right. */
interface Variable {
  $ref?: string
  description?: string
  default?: string
  expected?: string
  make?: string
  secret?: boolean
}
interface EnvSchema {
  properties: Record<string, Variable>
  documented: string
}

const shared = JSON.parse(readFileSync(join(import.meta.dirname, '../env.schema.json'), 'utf8')) as {
  $id: string
  $defs: Record<string, Variable>
}
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
      'DISABLE_AUTH expected nothing or false outside local mode (loopback alone, RUNTIME not gcp, no container platform); unset it',
    )
  if (env['RUNTIME'] !== 'gcp') return faults
  for (const [name, value] of Object.entries(env)) {
    if (value && emulator.test(name))
      faults.push(
        `${name} expected nothing with RUNTIME=gcp, which works with Google Cloud itself; unset it, or set RUNTIME=local`,
      )
  }
  if (env['CONVERGENCE_DATA_DIR'])
    faults.push('CONVERGENCE_DATA_DIR expected nothing with RUNTIME=gcp: no data is kept in a folder there; unset it')
  const credentials = env['GOOGLE_APPLICATION_CREDENTIALS']
  if (credentials && !isReadable(credentials))
    faults.push(
      `GOOGLE_APPLICATION_CREDENTIALS expected nothing, or a file that can be read, got ${JSON.stringify(credentials.slice(0, longestShown))}: in a cluster workload identity signs in and it stays unset`,
    )
  if (env['ADMIN_API_KEY'])
    faults.push(
      'ADMIN_API_KEY expected nothing with RUNTIME=gcp: the admin key comes as ADMIN_KEY_HASHES (SHA-256, hex) and never as it is; npm run admin-key prints both',
    )
  return faults
}

/**
 * The service's settings, defaults filled in; an empty variable is none. Throws SETTING_INVALID with all faults at
 * once, each with the
 * variable, what was expected, what came (never of a secret), how it is made and where that is written.
 */
export const readEnvironment = (schemaFile: string, given: Environment): Record<string, string> => {
  const schema = JSON.parse(readFileSync(schemaFile, 'utf8')) as EnvSchema
  const variableOf = (name: string): Variable => {
    const own = schema.properties[name] ?? {}
    return { ...(own.$ref === undefined ? {} : shared.$defs[basename(own.$ref)]), ...own }
  }
  const env: Record<string, string> = {}
  for (const name of Object.keys(schema.properties)) {
    // What a lock refuses is told once.
    const locked =
      given['RUNTIME'] === 'gcp' && (emulator.test(name) || name === 'CONVERGENCE_DATA_DIR' || name === 'ADMIN_API_KEY')
    const value = locked ? undefined : given[name] || variableOf(name).default
    if (value) env[name] = value
  }
  const wordOf = ({ instancePath, keyword, params }: ErrorObject): string | undefined => {
    const name =
      keyword === 'required' ? String((params as { missingProperty: string }).missingProperty) : instancePath.slice(1)
    if (name === '') return undefined
    const { description = '', expected = description, make, secret = false } = variableOf(name)
    const came =
      keyword === 'required'
        ? 'nothing'
        : secret
          ? 'something else (not shown: it is a secret)'
          : JSON.stringify((env[name] ?? '').slice(0, longestShown))
    return `${name} expected ${expected}, got ${came}${make === undefined ? '' : `; ${make}`} (${schema.documented})`
  }
  const ajv = new Ajv2020({ allErrors: true, strict: false, schemas: [shared] })
  const check = ajv.compile(schema)
  check(env)
  const faults = [...new Set([...locks(given), ...(check.errors ?? []).flatMap((error) => wordOf(error) ?? [])])]
  if (faults.length > 0)
    throw new AppError(
      'SETTING_INVALID',
      `${faults.length === 1 ? '1 setting is' : `${faults.length} settings are`} wrong, nothing was started`,
      { faults },
    )
  return env
}

/** One or two SHA-256 in hex. */
export const isHashes = (text: string): boolean => hashes.test(text)
