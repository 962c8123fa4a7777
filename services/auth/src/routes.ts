/** All routes of the door, and their description. */
import type { RouteContext } from './context.ts'
import { openapi } from './openapi.ts'
import type { Route } from './route.ts'
import { admin } from './routes/admin.ts'
import { allocation } from './routes/allocation.ts'
import { apiKeys } from './routes/api-keys.ts'
import { backfills } from './routes/backfills.ts'
import { console } from './routes/console.ts'
import { costs } from './routes/costs.ts'
import { credentials } from './routes/credentials.ts'
import { docs } from './routes/docs.ts'
import { focus } from './routes/focus.ts'
import { health } from './routes/health.ts'
import { pipelines } from './routes/pipelines.ts'
import { publisherKeys } from './routes/publisher-keys.ts'
import { rates } from './routes/rates.ts'
import { records } from './routes/records.ts'
import { runs } from './routes/runs.ts'
import { scheduler } from './routes/scheduler.ts'
import { savedQueryRoutes } from './routes/saved-queries.ts'
import { schedules } from './routes/schedules.ts'
import { sources } from './routes/sources.ts'
import { tenants } from './routes/tenants.ts'

export const openRoutes = (context: Omit<RouteContext, 'routes'>): readonly Route[] => {
  const routes: Route[] = []
  const parts: RouteContext = { ...context, routes: () => routes }
  // Runs before pipelines: `runs` is no provider. Saved queries before focus: `queries` is no dataset.
  for (const group of [
    health,
    docs,
    console,
    admin,
    tenants,
    apiKeys,
    publisherKeys,
    credentials,
    schedules,
    backfills,
    sources,
    costs,
    savedQueryRoutes,
    focus,
    rates,
    allocation,
    records,
    runs,
    pipelines,
    scheduler,
  ])
    routes.push(...group(parts))
  return routes
}

/** The description of the API in local mode, which has all routes. Routes are declared and none is called. */
export const description = (): Record<string, unknown> =>
  openapi(openRoutes({ deps: { local_mode: true } } as unknown as Omit<RouteContext, 'routes'>))
