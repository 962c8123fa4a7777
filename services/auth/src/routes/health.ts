import type { RouteContext } from '../context.ts'
import type { Answer, Route } from '../route.ts'

/** Whether the process lives, and whether it can serve. Reasons and metrics are shown in local mode only. */
export const health = ({ deps }: RouteContext): Route[] => {
  const open = { scope: 'public', tenant: 'none', rate: 'public' } as const
  const ready = async (): Promise<Answer> => {
    const reasons: string[] = []
    if (!deps.bus.healthy()) reasons.push('messages cannot be published or received')
    if (!(await deps.warehouse.healthy().catch(() => false))) reasons.push('the warehouse does not answer')
    return {
      status: reasons.length === 0 ? 200 : 503,
      body: { status: reasons.length === 0 ? 'ready' : 'not ready', ...(deps.local_mode ? { reasons } : {}) },
      ...(reasons.length === 0 ? {} : { headers: { 'Retry-After': '2' } }),
    }
  }
  const routes: Route[] = [
    {
      method: 'GET',
      path: '/health',
      aliases: ['/api/v1/health'],
      summary: 'Whether the service answers',
      ...open,
      answers: [200],
      handle: () => ({
        status: 200,
        body: { status: 'healthy', version: deps.version, environment: deps.environment },
      }),
    },
    {
      method: 'GET',
      path: '/health/live',
      summary: 'Whether the process lives',
      ...open,
      answers: [200],
      handle: () => ({ status: 200, body: { status: 'alive' } }),
    },
    {
      method: 'GET',
      path: '/health/ready',
      summary: 'Whether requests can be served',
      ...open,
      answers: [200, 503],
      handle: ready,
    },
  ]
  if (deps.local_mode) {
    routes.push({
      method: 'GET',
      path: '/metrics',
      summary: 'Metrics in the text format of Prometheus',
      ...open,
      answers: [200],
      handle: async () => ({
        status: 200,
        text: { type: 'text/plain; version=0.0.4; charset=utf-8', content: (await deps.metrics?.()) ?? '' },
      }),
    })
  }
  return routes
}
