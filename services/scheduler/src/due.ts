/** When a schedule is due: its cron, its time zone, and what it makes up for after an outage. */
import { nextTime } from '@convergence/calendar/cron'

/** Ticks come each minute. What is younger than this is not missed but due. */
export const windowMs = 180_000
/** Most times that one schedule makes up for at once. */
const mostMissed = 1000

/** What of a schedule says when it is due. */
export interface Timed {
  /** Five fields. */
  cron: string
  /** IANA name. */
  timezone: string
  /** Times that passed while nobody ticked: none, the latest, or all of them. */
  missed: 'skip' | 'latest' | 'all'
  /** The latest time that was considered; first the time at which the schedule was made. */
  last_run_time: string
  /**
   * Times after this are its own: when it was made, or its cron, time zone or activity changed last. Built-in ones have
   * none.
   */
  effective_from?: string
}

const effectiveFrom = ({ effective_from }: Timed): number =>
  effective_from === undefined ? -Infinity : Date.parse(effective_from)

/**
 * Times of the window before `until`, oldest first: also those that an earlier tick has seen, so that a tick that comes
 * late sees what a younger one has seen already. At most four looks into the cron.
 */
export const recentTimes = (schedule: Timed, until: number): number[] => {
  const times: number[] = []
  let at: number | undefined = Math.max(until - windowMs, effectiveFrom(schedule))
  for (;;) {
    at = nextTime(schedule.cron, schedule.timezone, at)
    if (at === undefined || at > until) return times
    times.push(at)
  }
}

/**
 * The missed times that the schedule makes up for: none, the latest, or all up to a thousand, oldest first, after
 * `since` and before the window of a tick at `until`. It looks backwards in ever longer stretches and stops at what it
 * can use. Yields before each look into the cron, which is what costs: whoever drives it may go on later.
 */
export const missedTimes = function* (
  schedule: Timed,
  since: number,
  until: number,
): Generator<undefined, number[], undefined> {
  const most = { skip: 0, latest: 1, all: mostMissed }[schedule.missed]
  const from = Math.max(since, effectiveFrom(schedule))
  let found: number[] = []
  let end = until - windowMs
  let stretch = windowMs
  if (most === 0 || end <= from) return found
  // Mostly nothing was missed, which one look tells.
  yield
  const first = nextTime(schedule.cron, schedule.timezone, from)
  if (first === undefined || first > end) return found
  while (end > from && found.length < most) {
    const start = Math.max(from, end - stretch)
    const times: number[] = []
    for (let at = start; ;) {
      yield
      const next = nextTime(schedule.cron, schedule.timezone, at)
      if (next === undefined || next > end) break
      times.push(next)
      at = next
    }
    found = [...times, ...found]
    end = start
    stretch *= 2
  }
  return found.slice(-most)
}

/** The latest time that was considered, in milliseconds; undefined for one that was never. */
export const consideredUntil = ({ last_run_time }: Pick<Timed, 'last_run_time'>): number | undefined => {
  const time = Date.parse(last_run_time)
  return Number.isNaN(time) ? undefined : time
}

/** Times in (last_run_time, until] that the schedule stands for at a tick at `until`, oldest first. */
export const dueTimes = (schedule: Timed, until: number): number[] => {
  const recent = recentTimes(schedule, until)
  if (schedule.missed === 'latest' && recent.length > 0) return recent
  const walk = missedTimes(schedule, consideredUntil(schedule) ?? until, until)
  for (;;) {
    const { done, value } = walk.next()
    if (done === true) return [...value, ...recent].slice(-mostMissed)
  }
}
