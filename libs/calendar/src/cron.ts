/** The times of a cron expression in a time zone. */
import { AppError } from '@convergence/contracts'
import { Cron } from 'croner'

// Parsing is what costs: each pattern is parsed once.
const parsed = new Map<string, Cron>()
const cronOf = (cron: string, timezone: string): Cron => {
  const key = `${cron}|${timezone}`
  const known = parsed.get(key)
  if (known !== undefined) return known
  const made = new Cron(cron, { timezone, mode: '5-part', fixedTimeRule: 'no-wildcard', paused: true })
  if (parsed.size >= 10_000) parsed.clear()
  parsed.set(key, made)
  return made
}

/** Throws PARAMETER_INVALID for a cron that is not five fields or a time zone that does not exist. */
export const checkCron = (cron: string, timezone: string): void => {
  try {
    new Intl.DateTimeFormat('en', { timeZone: timezone })
  } catch {
    throw new AppError(
      'PARAMETER_INVALID',
      `timezone: expected an IANA name such as Europe/Berlin or UTC, got ${JSON.stringify(timezone)}`,
    )
  }
  try {
    cronOf(cron, timezone)
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^CronPattern: /, '') : 'unreadable'
    throw new AppError(
      'PARAMETER_INVALID',
      `cron: expected five fields such as 0 6 * * *, got ${JSON.stringify(cron)}: ${why}`,
    )
  }
  // Counted from a fixed day, so that the same text is always the same answer.
  if (nextTime(cron, timezone, Date.UTC(2024, 0, 1)) === undefined)
    throw new AppError(
      'PARAMETER_INVALID',
      `cron: expected a time that comes, got ${JSON.stringify(cron)}, which never does; look at its day and month`,
    )
}

/**
 * The first time after `after` (milliseconds), or undefined when there is none. A day's fixed time comes once on every
 * local day, also where clocks change.
 */
export const nextTime = (cron: string, timezone: string, after: number): number | undefined =>
  cronOf(cron, timezone).nextRun(new Date(after))?.getTime()
