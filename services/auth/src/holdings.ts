/** How many things of a kind a tenant's plan lets it have: counted before one more is made. */
import { AppError, holdings, type Holdings } from '@convergence/contracts'
import { openKeyedQueue } from '@convergence/contracts/keyed-queue'
import type { Store } from './store.ts'

export interface Room {
  /** Does what makes one more, unless there are as many as the plan has; one after the other for each tenant. */
  forOneMore<T>(
    wanted: {
      tenant_id: string
      kind: keyof Holdings
      /** Names of those that are there. */
      there(): Promise<readonly string[]>
      /** What is only changed makes none more. */
      name?: string | undefined
    },
    make: () => Promise<T>,
  ): Promise<T>
}

export const openRoom = ({ store }: { store: Pick<Store, 'tenant'> }): Room => {
  const queue = openKeyedQueue()
  return {
    forOneMore: ({ tenant_id, kind, there, name }, make) =>
      queue.run(`${kind} ${tenant_id}`, async () => {
        const [tenant, names] = await Promise.all([store.tenant(tenant_id), there()])
        if (tenant === undefined) return make()
        const most = holdings[tenant.plan][kind]
        if (names.length >= most && (name === undefined || !names.includes(name)))
          throw new AppError(
            'CONFLICT',
            `tenant ${tenant_id} has ${names.length} ${kind}, and its plan ${tenant.plan} has ${most}; ` +
              'remove one, or change the plan',
          )
        return make()
      }),
  }
}
