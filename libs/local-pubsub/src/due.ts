/**
 * Things to be done at a time: a heap of due times and one timer, so that a hundred thousand leases cost one timer, and
 * taking one out
 * costs a logarithm, not a scan.
 */
export interface Due {
  due_ms: number
  run: () => void
  /** Place in the heap; -1 when it is not in it. */ at: number
}
export interface Agenda {
  add(due_ms: number, run: () => void): Due
  cancel(due: Due): void
  /** Runs what is due by now; the timer calls it, and tests that move the clock. */
  wake(): void
  size(): number
  close(): void
}
/** Calls back once after a pause in milliseconds; returns what takes it back. */
export type Alarm = (pauseMs: number, wake: () => void) => () => void

const longestPauseMs = 2 ** 31 - 1
export const realAlarm: Alarm = (pauseMs, wake) => {
  const timer = setTimeout(wake, pauseMs)
  timer.unref()
  return () => {
    clearTimeout(timer)
  }
}

export const openAgenda = (now: () => number, alarm: Alarm = realAlarm): Agenda => {
  const heap: Due[] = []
  let armed_for = Infinity
  let disarm: () => void = () => undefined
  let closed = false

  const put = (item: Due, at: number) => {
    heap[at] = item
    item.at = at
  }
  const up = (item: Due, from: number) => {
    let at = from
    while (at > 0) {
      const above = heap[(at - 1) >> 1]
      if (above === undefined || above.due_ms <= item.due_ms) break
      const place = above.at
      put(above, at)
      at = place
    }
    put(item, at)
  }
  const down = (item: Due, from: number) => {
    let at = from
    for (;;) {
      let below = heap[2 * at + 1]
      const other = heap[2 * at + 2]
      if (other !== undefined && below !== undefined && other.due_ms < below.due_ms) below = other
      if (below === undefined || below.due_ms >= item.due_ms) break
      const place = below.at
      put(below, at)
      at = place
    }
    put(item, at)
  }
  const remove = (item: Due) => {
    const { at } = item
    if (at < 0) return
    item.at = -1
    const last = heap.pop()
    if (last === undefined || last === item) return
    if (at > 0 && (heap[(at - 1) >> 1]?.due_ms ?? 0) > last.due_ms) up(last, at)
    else down(last, at)
  }
  const arm = () => {
    const first = heap[0]
    if (closed || first === undefined || first.due_ms >= armed_for) return
    disarm()
    armed_for = first.due_ms
    disarm = alarm(Math.max(0, Math.min(Math.ceil(first.due_ms - now()), longestPauseMs)), wake)
  }
  const wake = () => {
    disarm()
    armed_for = Infinity
    const time = now()
    for (let first = heap[0]; !closed && first !== undefined && first.due_ms <= time; first = heap[0]) {
      remove(first)
      first.run()
    }
    arm()
  }
  return {
    add: (due_ms, run) => {
      const item: Due = { due_ms, run, at: heap.length }
      up(item, heap.length)
      arm()
      return item
    },
    cancel: remove,
    wake,
    size: () => heap.length,
    close: () => {
      closed = true
      disarm()
      heap.length = 0
    },
  }
}
