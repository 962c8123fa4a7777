import type { Handler } from '@convergence/bus'
import type { Ledger } from '../ledger.ts'

/** A tenant's plan, limits and status become part of the ledger, so that every replica decides alike. */
export const onTenantChanged =
  ({ ledger }: { ledger: Ledger }): Handler<'tenant-changed'> =>
  (event, delivery) =>
    ledger.submit({ kind: 'tenant', event, at: new Date(delivery.published_at).toISOString() })
