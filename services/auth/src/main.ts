/** The auth service as its own process; its settings are in env.schema.json. */
import { runService, type ServiceMain } from '@convergence/service/run'

export const main: ServiceMain = {
  name: 'auth',
  folder: import.meta.dirname,
  env: process.env,
  signs: true,
  grace_seconds: 45,
  open: async ({ settings, local_mode, host, replica, bootstrap, adminKeyHashes, secrets, ...shared }) => {
    const admin_key_hashes = adminKeyHashes()
    const [{ auth }, { purposes }] = await Promise.all([import('./auth.ts'), import('@convergence/secrets')])
    const door = await auth({
      ...shared,
      local_mode,
      host,
      replica,
      bootstrap,
      admin_key_hashes,
      port: Number(settings['API_PORT']),
      version: '0.1.0',
      environment: settings['ENVIRONMENT'] ?? 'development',
      secrets: await secrets({ seals: purposes }),
      disable_auth: settings['DISABLE_AUTH'] === 'true',
      trusted_proxies: Number(settings['TRUSTED_PROXIES'] ?? 0),
      ...(settings['CORS_ORIGINS'] === undefined ? {} : { cors_origins: settings['CORS_ORIGINS'].split(',') }),
    })
    return { url: door.url, stop: () => door.close(), close: () => door.close() }
  },
}

if (import.meta.main) await runService(main)
