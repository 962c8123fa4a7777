/** The tenant service as its own process; its settings are in env.schema.json. */
import { runService, type ServiceMain } from '@convergence/service/run'

export const main: ServiceMain = {
  name: 'tenant',
  folder: import.meta.dirname,
  env: process.env,
  signs: true,
  grace_seconds: 60,
  open: async (given) => (await import('./tenant.ts')).tenant(given),
}

if (import.meta.main) await runService(main)
