/** The event stream of a run: what is heard, and now and then what the tables say. */
import { createHash } from 'node:crypto'
import type { RouteContext } from './context.ts'
import { eventsOf, hasEnded, isTerminal, type RunEvent, type RunRecord } from './record.ts'
import type { Call, Sink } from './route.ts'

const heartbeatMs = 15_000
/**
 * When a run of which not everything was heard is looked up while somebody watches it: first after this, then ever more
 * seldom.
 */
const lookMs = 2_000
const mostBeatsBetweenLooks = 30

/**
 * The id of an event names all that this watcher has been sent so far: how many, and a digest of which. Replicas may
 * have heard steps of a run that run
 * at the same time in another order, so a number alone would lose or double events of whoever comes back through
 * another replica.
 */
const eventId = (keys: ReadonlySet<string>): string =>
  `${keys.size}-${createHash('sha256')
    .update([...keys].sort().join('\n'))
    .digest('hex')
    .slice(0, 12)}`

export const streamEvents = async (
  { live, store, runs: asked }: RouteContext,
  call: Call,
  run: RunRecord,
  { write, signal }: Sink,
): Promise<void> => {
  const sent = new Set<string>()
  let over = false
  // Events that the watcher may have: held back until they are as many as it had. If they turn out to be others, all
  // are sent again.
  const had = Number(/^(\d{1,6})-[0-9a-f]{12}$/.exec(call.last_event_id)?.[1] ?? 0)
  let held: string[] | undefined = had > 0 ? [] : undefined
  const send = (events: readonly RunEvent[]) => {
    for (const event of events) {
      if (over || sent.has(event.key)) continue
      sent.add(event.key)
      if (isTerminal(event)) over = true
      const id = eventId(sent)
      const text = `id: ${id}\nevent: ${event.event}\ndata: ${JSON.stringify(event.data)}\n\n`
      if (held === undefined) write(text)
      else if (id === call.last_event_id) held = undefined
      else {
        held.push(text)
        if (sent.size < had && !over) continue
        for (const line of held) write(line)
        held = undefined
      }
    }
  }
  // From here on nothing is missed: what comes while the first answer is read wakes the loop.
  let wake: () => void = () => undefined
  let woken = false
  const notify = () => {
    woken = true
    wake()
  }
  const stop = live.watch(run.pipeline_logging_id, notify)
  signal.addEventListener('abort', notify, { once: true })
  let beats = 0
  const clock = setInterval(() => {
    beats += 1
    notify()
  }, lookMs)
  try {
    const heard = live.get(run.pipeline_logging_id)
    send(
      eventsOf(
        heard?.complete === true ? heard.record : ((await asked.find(run.pipeline_logging_id, run.tenant_id)) ?? run),
      ),
    )
    let beaten = 0
    let nextLook = 1
    while (!over && !signal.aborted) {
      if (!woken)
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      woken = false
      const known = live.get(run.pipeline_logging_id)
      if (known !== undefined && (known.complete || !hasEnded(known.record.status))) send(eventsOf(known.record))
      if (over || beats === beaten) continue
      beaten = beats
      // What was missed before this replica listened is in the tables soon; the end is heard.
      if (known?.complete !== true && beats >= nextLook) {
        nextLook = beats + Math.min(beats, mostBeatsBetweenLooks)
        const read = await store.run(run.pipeline_logging_id, run.tenant_id)
        if (read !== undefined) send(eventsOf(read))
      }
      if (beats % Math.round(heartbeatMs / lookMs) !== 0) continue
      write(': still here\n\n')
      if (!(await call.stillAllowed())) return
    }
  } finally {
    clearInterval(clock)
    signal.removeEventListener('abort', notify)
    stop()
  }
}
