/** The scheduler service as its own process; its settings are in env.schema.json. */
import { runService, type ServiceMain } from '@convergence/service/run'

export const main: ServiceMain = {
  name: 'scheduler',
  folder: import.meta.dirname,
  env: process.env,
  signs: true,
  grace_seconds: 60,
  open: async ({ platformKeys, ...shared }) => {
    const platform_keys = platformKeys()
    return (await import('./scheduler.ts')).scheduler({ ...shared, platform_keys })
  },
}

if (import.meta.main) await runService(main)
