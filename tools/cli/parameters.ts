/** What of a run is given on the command line: its pipeline and its parameters. */
import { WrongUse } from './connection.ts'

/** `key=value` as a parameter: true, false and whole numbers are what they look like, anything else is text. */
const parameterOf = (given: string): [string, string | number | boolean] => {
  const at = given.indexOf('=')
  if (at < 1) throw new WrongUse(`--param expected key=value, got ${JSON.stringify(given)}`)
  const [name, value] = [given.slice(0, at), given.slice(at + 1)]
  if (value === 'true' || value === 'false') return [name, value === 'true']
  return [name, /^-?(?:0|[1-9]\d{0,14})$/.test(value) ? Number(value) : value]
}
/** Of an option that may be repeated. */
export const collect = (given: string, before: readonly string[]): string[] => [...before, given]
export const parametersOf = (given: readonly string[]): Record<string, string | number | boolean> =>
  Object.fromEntries(given.map(parameterOf))

export const assertPipeline = (pipeline: string): void => {
  if (!/^[a-z0-9_]+\/[a-z0-9_]+\/[a-z0-9_]+$/.test(pipeline))
    throw new WrongUse(`expected a pipeline such as aws/cost/cur, got ${JSON.stringify(pipeline)}`)
}
