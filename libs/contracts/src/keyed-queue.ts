/** One at a time by key, in the order that they were asked for: what one did before another must have ended. */
export interface KeyedQueue {
  /** Settles as `work` does; the next of the key begins then, however it ended. */
  run<T>(key: string, work: () => Promise<T>): Promise<T>
}

export const openKeyedQueue = (): KeyedQueue => {
  const tails = new Map<string, Promise<unknown>>()
  return {
    run: (key, work) => {
      const turn = (tails.get(key) ?? Promise.resolve()).then(work, work)
      const settled = turn
        .catch(() => undefined)
        .then(() => {
          if (tails.get(key) === settled) tails.delete(key)
        })
      tails.set(key, settled)
      return turn
    },
  }
}
