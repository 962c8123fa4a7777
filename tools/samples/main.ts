/**
 * `npm run samples -- FOLDER [SEED]`: writes sample exports of two tenants into FOLDER, with the totals that a right
 * load must reach.
 */
import { resolve } from 'node:path'
import { writeSamples } from './samples.ts'

const [folder, seed = '7'] = process.argv.slice(2)
if (folder === undefined || !/^\d+$/.test(seed)) {
  console.error('usage: npm run samples -- FOLDER [SEED]')
  process.exitCode = 2
} else {
  const { expected } = await writeSamples({
    folder: resolve(folder),
    tenants: ['acme_corp', 'globex'],
    seed: Number(seed),
    rows_per_provider: 3000,
    month: '2025-11',
    days: ['2025-11-17', '2025-11-18', '2025-11-19', '2025-11-20'],
  })
  console.log(JSON.stringify(expected, null, 2))
}
