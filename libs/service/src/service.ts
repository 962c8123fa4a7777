/**
 * What every service starts with: settings checked all at once, one JSON line per log entry, resources released last
 * first.
 */
import { pino } from 'pino'
import { apiKeyPart } from '@convergence/contracts'
import type { AppError } from '@convergence/contracts'

export { isLocalMode } from './env.ts'
export { bootstrap, inspectCentral, type Bootstrapped, type BootstrapOptions, type Builder } from './central.ts'

export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  child(fields: object): Log
}

/** Values that look like a secret: our API and admin keys, AWS access keys, Slack webhooks, JWTs, PEM blocks. */
const secretPatterns: readonly RegExp[] = [
  new RegExp(`\\b${apiKeyPart}\\b`, 'g'),
  /\bcdpadm_[0-9A-Za-z]{20,}\b/g,
  /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/g,
  /https:\/\/hooks\.slack\.com\/services\/[A-Za-z0-9/]+/g,
  /\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}/g,
  /-----BEGIN [A-Z ]+-----[\s\S]*?-----END [A-Z ]+-----/g,
]
/** The text with everything that looks like a secret replaced. */
export const scrub = (text: string): string =>
  secretPatterns.reduce((result, pattern) => result.replace(pattern, '[secret]'), text)

/** Whether something in the text looks like a secret. */
export const hasSecret = (text: string): boolean => scrub(text) !== text

/** What LOG_LEVEL says, in pino's words; default info. */
export const logLevel = (setting = 'INFO'): string => (setting === 'WARNING' ? 'warn' : setting.toLowerCase())

/**
 * JSON lines on stderr, scrubbed. Levels: error = act now, warn = heals itself, info = one line per decision, debug =
 * off.
 */
export const openLog = (options: {
  /** Left out where each part says its own by `child`. */
  service?: string
  level: string
  write?: (line: string) => void
}): Log => {
  const write = options.write ?? ((line: string) => process.stderr.write(line))
  return pino(
    {
      base: options.service === undefined ? null : { service: options.service },
      level: options.level.toLowerCase(),
      messageKey: 'message',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label.toUpperCase() }) },
    },
    {
      write: (line: string) => {
        write(scrub(line))
      },
    },
  )
}

/** Closes what was opened, last first, whatever throws; then throws the first error. */
export const closeAll = async (opened: readonly { close(): Promise<void> }[]): Promise<void> => {
  const errors: unknown[] = []
  for (const thing of opened.toReversed()) await thing.close().catch((error: unknown) => errors.push(error))
  if (errors.length > 0) throw errors[0] as AppError
}
