/** The executor service as its own process; its settings are in env.schema.json. */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runService, type ServiceMain } from '@convergence/service/run'

export const main: ServiceMain = {
  name: 'executor',
  folder: import.meta.dirname,
  env: process.env,
  signs: true,
  grace_seconds: 120,
  open: async ({ settings, embedded, secrets, localFile, ...shared }) => {
    const { executor } = await import('./executor.ts')
    // One name for ever: what a killed process left in a volume that outlives it, the next one finds and removes.
    const scratch_folder = join(settings['TMPDIR'] ?? tmpdir(), `convergence-scratch-${process.getuid?.() ?? 'user'}`)
    const { openObjects } = await import('./objects.ts')
    const folder = embedded ? localFile('buckets') : undefined
    const objects = await openObjects({ settings, folder, log: shared.log })
    const service = await executor({
      ...shared,
      objects,
      scratch_folder,
      ...(settings['SCRATCH_GIB'] === undefined ? {} : { scratch_bytes: Number(settings['SCRATCH_GIB']) * 1024 ** 3 }),
      secrets: await secrets({ opens: ['tenant-credentials'] }),
    })
    return {
      close: async () => {
        await service.close()
        await objects.close()
      },
    }
  },
}

if (import.meta.main) await runService(main)
