/**
 * Runs that ended before the last snapshot. Of each there is one number in memory; a message about one of them, which
 * is rare, reads its
 * rows again. The number may be another run's (1 in 10^15): then there are no rows, and the run is what it seemed to
 * be, a new one.
 */

/** By the UTC day of their end. The rows of a day's runs are between from_seq and to_seq. */
export type Archive = Map<string, ArchivedDay>
export interface ArchivedDay {
  from_seq: number
  to_seq: number
  ids: Set<number>
}

/** Characters of a run id after r_ that are remembered: 50 bits, as many as a number holds exactly. */
export const rememberedDigits = 10

/** `digits`: base32, at least ten of them. */
const numberOf = (digits: string, at: number): number => {
  let value = 0
  for (let k = at; k < at + rememberedDigits; k += 1) {
    const code = digits.charCodeAt(k)
    value = value * 32 + (code >= 97 ? code - 97 : code - 24)
  }
  return value
}

export const remember = (
  archive: Archive,
  run_id: string,
  ended: { day: string; from_seq: number; to_seq: number },
): void => {
  const day = dayOf(archive, ended)
  day.ids.add(numberOf(run_id, 2))
}
/** Many at once: `digits` are the remembered digits of each run, one behind the other. */
export const archiveAll = (
  archive: Archive,
  digits: string,
  ended: { day: string; from_seq: number; to_seq: number },
): void => {
  const day = dayOf(archive, ended)
  for (let at = 0; at + rememberedDigits <= digits.length; at += rememberedDigits) day.ids.add(numberOf(digits, at))
}
const dayOf = (
  archive: Archive,
  { day, from_seq, to_seq }: { day: string; from_seq: number; to_seq: number },
): ArchivedDay => {
  const known = archive.get(day)
  if (known === undefined) {
    const made = { from_seq, to_seq, ids: new Set<number>() }
    archive.set(day, made)
    return made
  }
  known.from_seq = Math.min(known.from_seq, from_seq)
  known.to_seq = Math.max(known.to_seq, to_seq)
  return known
}

/** Between which commits the rows of this run are, if it is one of the past. */
export const archivedAt = (archive: Archive, run_id: string): { from_seq: number; to_seq: number } | undefined => {
  const id = numberOf(run_id, 2)
  let found: { from_seq: number; to_seq: number } | undefined
  for (const { ids, from_seq, to_seq } of archive.values()) {
    if (ids.has(id))
      found = {
        from_seq: Math.min(from_seq, found?.from_seq ?? from_seq),
        to_seq: Math.max(to_seq, found?.to_seq ?? to_seq),
      }
  }
  return found
}
