/** The event stream of a run: what is heard, and now and then what the tables say. */
import { createHash } from 'node:crypto'
import type { RouteContext } from './context.ts'
import { eventsOf, hasEnded, isTerminal, type RunEvent, type RunRecord } from './record.ts'
import type { Call, Sink } from './route.ts'

const heartbeatMs = 15_000
/** When a run of which not everything was heard is first looked up while somebody watches it; then ever more seldom. */
const lookMs = 2_000
const mostBeatsBetweenLooks = 30

/**
 * The id of an event names all that this watcher has been sent so far: how many, and a digest of which. Replicas may
 * have heard steps that run at the same time in another order, so a number alone would lose or double events of whoever
 * comes back through another replica.
 */
const eventId = (keys: ReadonlySet<string>): string =>
  `${keys.size}-${createHash('sha256')
    .update([...keys].sort().join('\n'))
    .digest('hex')
    .slice(0, 12)}`

/**
 * Writes each event once. Events that a watcher who came back may have are held back until they are as many as it had;
 * if they turn out to be others, all are sent again.
 */
const openOutbox = (last_event_id: string, write: Sink['write']) => {
  const sent = new Set<string>()
  const had = Number(/^(\d{1,6})-[0-9a-f]{12}$/.exec(last_event_id)?.[1] ?? 0)
  let held: string[] | undefined = had > 0 ? [] : undefined
  let over = false
  return {
    /** The run's end was sent, or held back as the last of what the watcher had. */
    isOver: () => over,
    send: (events: readonly RunEvent[]): void => {
      for (const event of events) {
        if (over || sent.has(event.key)) continue
        sent.add(event.key)
        if (isTerminal(event)) over = true
        const id = eventId(sent)
        const text = `id: ${id}\nevent: ${event.event}\ndata: ${JSON.stringify(event.data)}\n\n`
        if (held === undefined) write(text)
        else if (id === last_event_id) held = undefined
        else {
          held.push(text)
          if (sent.size < had && !over) continue
          for (const line of held) write(line)
          held = undefined
        }
      }
    },
  }
}

/** Wakes who waits; a ring while nobody waits is kept for the next who does. */
const openBell = () => {
  let rung = false
  let wake: () => void = () => undefined
  return {
    ring: (): void => {
      rung = true
      wake()
    },
    wait: async (): Promise<void> => {
      if (!rung)
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      rung = false
    },
  }
}

export const streamEvents = async (
  { live, store, runs }: RouteContext,
  call: Call,
  run: RunRecord,
  { write, signal }: Sink,
): Promise<void> => {
  const { pipeline_logging_id, tenant_id } = run
  const outbox = openOutbox(call.last_event_id, write)
  const bell = openBell()
  // From here on nothing is missed: what comes while the first answer is read wakes the loop.
  const stop = live.watch(pipeline_logging_id, bell.ring)
  signal.addEventListener('abort', bell.ring, { once: true })
  let beats = 0
  const clock = setInterval(() => {
    beats += 1
    bell.ring()
  }, lookMs)
  try {
    const heard = live.get(pipeline_logging_id)
    outbox.send(
      eventsOf(heard?.complete === true ? heard.record : ((await runs.find(pipeline_logging_id, tenant_id)) ?? run)),
    )
    let beaten = 0
    let nextLook = 1
    while (!outbox.isOver() && !signal.aborted) {
      await bell.wait()
      const known = live.get(pipeline_logging_id)
      if (known !== undefined && (known.complete || !hasEnded(known.record.status))) outbox.send(eventsOf(known.record))
      if (outbox.isOver() || beats === beaten) continue
      beaten = beats
      // What was missed before this replica listened is in the tables soon; the end is heard.
      if (known?.complete !== true && beats >= nextLook) {
        nextLook = beats + Math.min(beats, mostBeatsBetweenLooks)
        const read = await store.run(pipeline_logging_id, tenant_id)
        if (read !== undefined) outbox.send(eventsOf(read))
      }
      if (beats % Math.round(heartbeatMs / lookMs) !== 0) continue
      write(': still here\n\n')
      if (!(await call.stillAllowed())) return
    }
  } finally {
    clearInterval(clock)
    signal.removeEventListener('abort', bell.ring)
    stop()
  }
}
