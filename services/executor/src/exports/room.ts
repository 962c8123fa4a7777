/**
 * Room in the scratch folder, for all deliveries of a process together: what one takes, the others do not have. A
 * delivery comes in when there is
 * space for it as it is listed, the first who asked first; what it grows to while it is unpacked is known only then.
 */
import { AppError } from '@convergence/contracts'

export interface RoomOptions {
  /**
   * What all deliveries together hold at a time; default: no bound. A volume that is fuller than its limit has its pod
   * evicted, with every run in it.
   */
  scratch_bytes?: number | undefined
  /** Deliveries at a time; default 4. */
  deliveries?: number
}
export interface Place {
  /** Takes more than was asked for. Throws DISK_FULL while others hold space, RESOURCE_EXHAUSTED when alone. */
  grow(bytes: number): void
  /** `stays`: the files are still there, so their space is not free for others. */
  leave(left?: { stays: boolean }): void
}
export interface Room {
  /**
   * Waits for space and for a place; rejects with the signal's reason. Throws RESOURCE_EXHAUSTED when there will never
   * be space.
   */
  enter(bytes: number, signal: AbortSignal): Promise<Place>
}

export const gib = (bytes: number): string =>
  bytes >= 1024 ** 3 ? `${Number((bytes / 1024 ** 3).toFixed(1))} GiB` : `${bytes} bytes`

export const openRoom = ({ scratch_bytes = Infinity, deliveries = 4 }: RoomOptions = {}): Room => {
  let [inside, held] = [0, 0]
  let waiting: { bytes: number; enter(): void }[] = []
  const fits = (bytes: number): boolean => inside < deliveries && held + bytes <= scratch_bytes
  const tooLarge = (bytes: string): AppError =>
    new AppError(
      'RESOURCE_EXHAUSTED',
      `the delivery takes ${bytes} in the scratch folder, which may hold ${gib(scratch_bytes)} (SCRATCH_GIB); ` +
        'raise it together with the volume, or have the export written in smaller files',
    )

  /** Who asked first comes first, or a large delivery would wait until no small one comes. */
  const admit = (): void => {
    for (let [next] = waiting; next !== undefined && fits(next.bytes); [next] = waiting) {
      waiting = waiting.slice(1)
      next.enter()
    }
  }
  const place = (bytes: number): Place => {
    let own = bytes
    let gone = false
    inside += 1
    held += bytes
    return {
      grow: (more) => {
        if (held + more > scratch_bytes) {
          if (held === own) throw tooLarge(`${gib(own + more)} and more`)
          throw new AppError(
            'DISK_FULL',
            `the delivery takes ${gib(own + more)} and more in the scratch folder, ` +
              `where others hold ${gib(held - own)} of ${gib(scratch_bytes)} (SCRATCH_GIB); the step is tried again`,
          )
        }
        own += more
        held += more
      },
      leave: ({ stays } = { stays: false }) => {
        if (gone) return
        gone = true
        inside -= 1
        if (!stays) held -= own
        admit()
      },
    }
  }
  return {
    enter: async (bytes, signal) => {
      if (bytes > scratch_bytes) throw tooLarge(gib(bytes))
      signal.throwIfAborted()
      if (waiting.length === 0 && fits(bytes)) return place(bytes)
      return new Promise<Place>((resolve, reject) => {
        const onAbort = () => {
          waiting = waiting.filter((each) => each !== own)
          reject(signal.reason as Error)
          // Who stood behind may fit.
          admit()
        }
        const own = {
          bytes,
          enter: () => {
            signal.removeEventListener('abort', onAbort)
            resolve(place(bytes))
          },
        }
        waiting.push(own)
        signal.addEventListener('abort', onAbort, { once: true })
      })
    },
  }
}
