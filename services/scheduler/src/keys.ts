/**
 * Public keys of those who may ask for runs: the platform's own from configuration, everybody else's through auth's
 * published view,
 * remembered for 30 seconds. An unknown key is looked for at once, but not more often than each second.
 */
import { createPublicKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { AppError, centralDataset, topology } from '@convergence/contracts'
import type { Log } from '@convergence/service'
import type { Warehouse } from '@convergence/warehouse'
import type { PublisherKey } from './consumers/run-requested.ts'

/** By key id; several while keys are changed. */
export type PlatformKeys = Readonly<Record<string, KeyObject | string | readonly KeyObject[]>>

const freshMs = 30_000
const unknownMs = 1000

export const openPublisherKeys = ({
  warehouse,
  platform_keys,
  now,
  log,
}: {
  warehouse: Pick<Warehouse, 'query'>
  platform_keys: PlatformKeys
  now(): Date
  log: Pick<Log, 'error'>
}): ((kid: string) => Promise<PublisherKey | undefined>) => {
  // Our other services sign what they say of runs, and may ask for none.
  const own = Object.entries(platform_keys).filter(([kid]) => topology['run-requested'].publishers.includes(kid))
  const platform = new Map(
    own.map(([kid, key]): [string, PublisherKey] => [
      kid,
      {
        public_keys: [key].flat().map((one) => (typeof one === 'string' ? publicKey(one) : one)),
        tenant_id: '*',
        pipelines: [],
        is_active: true,
      },
    ]),
  )
  let known = new Map<string, PublisherKey>()
  let readAt = -Infinity
  let reading: Promise<void> | undefined

  const read = async (): Promise<void> => {
    const rows = await warehouse.query({
      query: 'SELECT kid, tenant_id, public_key, pipelines, is_active, not_before, expires_at FROM publisher_keys',
      default_dataset: centralDataset,
    })
    const next = new Map<string, PublisherKey>()
    for (const row of rows) {
      const kid = String(row['kid'])
      try {
        const time = (name: string) => (typeof row[name] === 'string' ? { [name]: row[name] } : {})
        // `*` is for keys of the configuration alone: a row that has it covers nothing.
        next.set(kid, {
          public_keys: [publicKey(String(row['public_key']))],
          tenant_id: String(row['tenant_id']).replace('*', ''),
          pipelines: Array.isArray(row['pipelines']) ? row['pipelines'].map(String) : [],
          is_active: row['is_active'] === true,
          ...time('not_before'),
          ...time('expires_at'),
        })
      } catch {
        log.error({ kid }, 'publisher key is not an Ed25519 public key in SPKI, base64; its requests are refused')
      }
    }
    known = next
    readAt = now().getTime()
  }
  const refresh = async (): Promise<void> => {
    reading ??= read().finally(() => {
      reading = undefined
    })
    await reading
  }

  return async (kid) => {
    const ours = platform.get(kid)
    if (ours !== undefined) return ours
    const age = now().getTime() - readAt
    // It may have been registered since: its request is not lost for a second.
    if (!known.has(kid) && age < unknownMs)
      throw new AppError(
        'UNAVAILABLE',
        `publisher key ${JSON.stringify(kid.slice(0, 64))} is not known; looked for again in a second`,
      )
    if (age >= freshMs || !known.has(kid)) await refresh()
    return known.get(kid)
  }
}

const publicKey = (base64: string): KeyObject => {
  const key = createPublicKey({ key: Buffer.from(base64, 'base64'), format: 'der', type: 'spki' })
  if (key.asymmetricKeyType !== 'ed25519') throw new Error('not Ed25519')
  return key
}
