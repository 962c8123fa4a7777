/** One object, whole: continued where a connection broke, in the same version, and checked at its end. */
import { Readable } from 'node:stream'
import { openChecksum, type Checksum } from '../checksum.ts'
import type { CloudsOptions } from '../clouds-options.ts'
import { patiently, usualTries } from './patience.ts'
import type { Fault, Opened, Remote } from './remote.ts'
import { asAppError, type Place } from './words.ts'

const changed = (reason: string): Fault => ({ kind: 'changed', reason, request_id: undefined })

/** Counts what passes; undefined where the store states no checksum. */
const openCheck = async (checksum: Checksum | undefined, place: Place) => {
  if (checksum === undefined) return undefined
  const { algorithm, value: expected } = checksum
  const counter = await openChecksum(algorithm)
  return {
    update: (chunk: Uint8Array) => {
      counter.update(chunk)
    },
    assertUnchanged: async (): Promise<void> => {
      const value = await counter.digest()
      if (value === expected) return
      const reason = `expected checksum ${algorithm} ${expected}, got ${value}`
      throw asAppError({ kind: 'damaged', reason, request_id: undefined }, place)
    },
  }
}

/** Why a connection ended before the object did. */
const breakOf = (remote: Remote, broken: unknown, sent: number, size: number): Fault => {
  if (broken === undefined)
    return { kind: 'passing', reason: `the connection ended after ${sent} of ${size} bytes`, request_id: undefined }
  const fault = remote.faultOf(broken)
  return fault.kind === 'object missing' ? { ...fault, kind: 'changed' } : fault
}

export const download = async (
  options: CloudsOptions,
  remote: Remote,
  place: Place & { key: string },
  { etag, signal }: { etag: string | undefined; signal: AbortSignal | undefined },
): Promise<Readable> => {
  const { store, bucket, key } = place
  const { tries = usualTries, log } = options
  const openAt = (from: number, version: string | undefined): Promise<Opened> =>
    patiently(options, remote, place, signal, () => remote.open(bucket, key, from, version, signal))
  const first = await openAt(0, etag)
  // Nobody listens to it until it is read: an early break must not bring the process down.
  first.body.on('error', () => undefined)

  const content = async function* (): AsyncGenerator<Buffer> {
    let { body } = first
    let [sent, barren] = [0, 0]
    const check = await openCheck(first.checksum, place)
    try {
      for (;;) {
        const before = sent
        let broken: unknown
        try {
          for await (const chunk of body) {
            signal?.throwIfAborted()
            sent += (chunk as Buffer).length
            check?.update(chunk as Buffer)
            yield chunk as Buffer
          }
        } catch (error) {
          broken = error
        }
        signal?.throwIfAborted()
        // A connection that was cut may look like an end: only the whole length is one.
        if (sent === first.size) {
          await check?.assertUnchanged()
          return
        }
        if (sent > first.size)
          throw asAppError(changed(`${sent} bytes came, ${first.size} were announced`), place, broken)
        barren = sent === before ? barren + 1 : 0
        const fault = breakOf(remote, broken, sent, first.size)
        if ((fault.kind !== 'passing' && fault.kind !== 'other') || barren >= tries)
          throw asAppError(fault, place, broken)
        log?.warn({ store, bucket, key, bytes: sent, error: fault.reason }, 'download goes on where it broke')
        const again = await openAt(sent, first.etag)
        if (again.etag !== first.etag || again.size !== first.size)
          throw asAppError(changed('another version came'), place)
        body = again.body
      }
    } finally {
      body.destroy()
    }
  }
  const stream = Readable.from(content(), { objectMode: false })
  // Destroyed before it was read: the generator has not begun and would leave the connection open.
  stream.once('close', () => {
    first.body.destroy()
  })
  return stream
}
