/** Token buckets in memory: approximate on purpose, the ledger is exact. */

/** `q` requests in `w` seconds; a bucket holds q tokens and refills evenly. */
export interface Limit {
  q: number
  w: number
}
export type RateClass = 'run' | 'read' | 'admin' | 'public' | 'failed'
/** Generous: they stop a loop that went wrong, not a customer. Failed authentication counts per address. */
export const defaultLimits: Readonly<Record<RateClass, Limit>> = {
  run: { q: 120_000, w: 60 },
  read: { q: 120_000, w: 60 },
  admin: { q: 6_000, w: 60 },
  public: { q: 60_000, w: 60 },
  failed: { q: 600, w: 60 },
}

export interface Taken {
  allowed: boolean
  limit: Limit
  name: RateClass
  remaining: number
  /** Seconds until a request is allowed, or until the bucket is full. */ reset: number
}
export interface Limits {
  take(name: RateClass, who: string): Taken
  /** Looks without taking. */
  isEmpty(name: RateClass, who: string): boolean
}

const mostBuckets = 20_000

export const openLimits = ({
  limits,
  now,
}: {
  limits: Readonly<Record<RateClass, Limit>>
  now: () => Date
}): Limits => {
  const buckets = new Map<string, { tokens: number; at: number }>()
  const filled = (name: RateClass, key: string) => {
    const { q, w } = limits[name]
    const at = now().getTime()
    const bucket = buckets.get(key) ?? { tokens: q, at }
    bucket.tokens = Math.min(q, bucket.tokens + (Math.max(0, at - bucket.at) / 1000) * (q / w))
    bucket.at = at
    return bucket
  }
  return {
    take: (name, who) => {
      const key = `${name} ${who}`
      const bucket = filled(name, key)
      const limit = limits[name]
      const allowed = bucket.tokens >= 1
      if (allowed) bucket.tokens -= 1
      if (!buckets.has(key)) {
        // The oldest bucket is most likely full again.
        if (buckets.size >= mostBuckets) buckets.delete(buckets.keys().next().value ?? '')
        buckets.set(key, bucket)
      }
      const perSecond = limit.q / limit.w
      return {
        allowed,
        limit,
        name,
        remaining: Math.floor(bucket.tokens),
        reset: Math.ceil((allowed ? limit.q - bucket.tokens : 1 - bucket.tokens) / perSecond),
      }
    },
    isEmpty: (name, who) => filled(name, `${name} ${who}`).tokens < 1,
  }
}
