/** At most so many at a time; the others wait in order. */
export const gate = (slots: number) => {
  let free = slots
  const queue: (() => void)[] = []
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (free > 0) free -= 1
    else
      await new Promise<void>((go) => {
        queue.push(go)
      })
    try {
      return await work()
    } finally {
      const next = queue.shift()
      if (next === undefined) free += 1
      else next()
    }
  }
}
