/**
 * `npm run samples -- FOLDER [SEED]`: writes sample exports of two tenants into FOLDER, with the totals that a right
 * load must reach.
 */
import { resolve } from 'node:path'
import { runCommand, UsageError } from '../command.ts'
import { writeSamples } from './samples.ts'

const help = `
Writes sample exports of two tenants, in the three providers' formats, into FOLDER, and prints the totals that a right
load must reach. The same SEED (a whole number, default 7) gives the same files.
`

await runCommand(
  { name: 'npm run samples', synopsis: 'FOLDER [SEED]', help, positionals: true },
  async (_, [folder, seed = '7']) => {
    if (folder === undefined) throw new UsageError('expected a folder, got nothing')
    if (!/^\d+$/.test(seed)) throw new UsageError(`SEED expected a whole number, got ${JSON.stringify(seed)}`)
    const { expected } = await writeSamples({
      folder: resolve(folder),
      tenants: ['acme_corp', 'globex'],
      seed: Number(seed),
      rows_per_provider: 3000,
      month: '2025-11',
      days: ['2025-11-17', '2025-11-18', '2025-11-19', '2025-11-20'],
    })
    console.log(JSON.stringify(expected, null, 2))
  },
)
