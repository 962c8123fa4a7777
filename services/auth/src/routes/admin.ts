import { AppError, centralDataset } from '@convergence/contracts'
import { object } from '../fields.ts'
import type { BootstrapRequest, RouteContext } from '../context.ts'
import type { Route } from '../route.ts'

/**
 * Makes the central dataset, its tables and views. The one operation that is no run: it makes what runs are written to.
 */
export const admin = ({ deps, keys, live, tenants }: RouteContext): Route[] => [
  {
    method: 'POST',
    path: '/api/v1/admin/bootstrap',
    aliases: ['/admin/bootstrap'],
    summary: 'Make the central dataset and tables; a second call creates nothing',
    scope: 'admin',
    tenant: 'none',
    rate: 'admin',
    answers: [200],
    body: object({
      force_recreate_dataset: {
        type: 'boolean',
        description: 'Throw everything away first; needs X-Confirm: tenants',
        default: false,
      },
      force_recreate_tables: {
        type: 'boolean',
        description: 'Throw the tables away first; needs X-Confirm: tenants',
        default: false,
      },
    }),
    handle: async ({ body, confirm }) => {
      const { force_recreate_dataset = false, force_recreate_tables = false } = body as BootstrapRequest
      if (force_recreate_dataset || force_recreate_tables) {
        if (deps.environment === 'production')
          throw new AppError('FORBIDDEN', 'force_recreate is refused in production')
        if (confirm !== 'tenants')
          throw new AppError('BODY_INVALID', 'force_recreate throws data away: expected the header X-Confirm: tenants')
      }
      const made = await deps.bootstrap({ force_recreate_dataset, force_recreate_tables })
      if (force_recreate_dataset || force_recreate_tables) {
        keys.clear()
        tenants.forget()
        live.clear()
      }
      return {
        status: 200,
        body: {
          status: 'SUCCESS',
          dataset: centralDataset,
          dataset_created: made.dataset_created,
          tables_created: made.tables_created,
          tables_existing: made.tables_existing,
        },
      }
    },
  },
]
