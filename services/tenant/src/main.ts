/** The tenant service as its own process; its settings are in env.schema.json. */
import { runService } from '@convergence/service/run'

await runService({
  name: 'tenant', folder: import.meta.dirname, env: process.env, grace_seconds: 60,
  open: async (given) => (await import('./tenant.ts')).tenant(given),
})
