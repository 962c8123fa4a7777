/** Public keys of those who ask for runs over Pub/Sub. A revoked one is revoked for good. */
import { isDeepStrictEqual } from 'node:util'
import { AppError } from '@convergence/contracts'
import { decideAnew } from '@convergence/service/versions'
import type { RouteContext } from './context.ts'
import type { PublisherKeyRow } from './store/keys.ts'

type PublisherContext = Pick<RouteContext, 'deps' | 'store'>

/**
 * Registers a publisher, or changes what it may do; the same again writes nothing. Throws CONFLICT for a kid that is
 * another's or was revoked.
 */
export const registerPublisher = (
  { deps, store }: PublisherContext,
  wanted: Omit<PublisherKeyRow, 'version'>,
): Promise<{ row: PublisherKeyRow; created: boolean }> =>
  decideAnew(`publisher key ${wanted.kid}`, async () => {
    const known = await store.publisherKey(wanted.kid)
    if (known !== undefined && (known.public_key !== wanted.public_key || known.tenant_id !== wanted.tenant_id))
      throw new AppError(
        'CONFLICT',
        `publisher key ${wanted.kid} exists with another key or tenant; register it under a new kid`,
      )
    if (known?.is_active === false)
      throw new AppError('CONFLICT', `publisher key ${wanted.kid} was revoked; register a new key under a new kid`)
    const row = { ...wanted, version: (known?.version ?? 0) + 1 }
    if (known !== undefined && isDeepStrictEqual({ ...known, version: row.version }, row))
      return { row: known, created: false }
    if (!(await store.writePublisherKey(row, deps.now().toISOString()))) return undefined
    return { row, created: known === undefined }
  })

/** Throws NOT_FOUND. */
export const revokePublisher = ({ deps, store }: PublisherContext, kid: string): Promise<PublisherKeyRow> =>
  decideAnew(`publisher key ${kid}`, async () => {
    const row = await store.publisherKey(kid)
    if (row === undefined) throw new AppError('NOT_FOUND', `no publisher key ${kid}`)
    if (!row.is_active) return row
    const revoked = { ...row, is_active: false, version: row.version + 1 }
    return (await store.writePublisherKey(revoked, deps.now().toISOString())) ? revoked : undefined
  })
