/** A program that writes and says what was acknowledged, until it is killed: `node writer.ts <folder>`. */
import { openWarehouse } from '@convergence/warehouse'
import { openEngine } from '../src/engine.ts'

const folder = process.argv[2]
if (folder === undefined) throw new Error('a folder is missing')
const warehouse = openWarehouse({ engine: await openEngine({ folder, project_id: 'local' }), random: Math.random })
const column = { name: 'n', type: 'INT64' } as const
await warehouse.ensureDataset('tenants')
for (const table of ['appended', 'committed'])
  await warehouse.ensureTable({ dataset: 'tenants', table, columns: [column] })
await warehouse.ensureDataset('acme')
const say = (what: string, n: number) => {
  process.stdout.write(`${what} ${n}\n`)
}
// Where the last one stopped: seqs that are taken are conflicts, or its own rows.
const from = Number(process.argv[3] ?? 0)
const forever = async (work: (n: number) => Promise<unknown>, what: string) => {
  for (let n = from; ; n++) {
    await work(n)
    say(what, n)
  }
}
await Promise.race([
  forever((n) => warehouse.append('appended', [{ n }]), 'appended'),
  forever((n) => warehouse.commit('committed', { epoch: 'e', shard: 0, seq: n }, [{ n }]), 'committed'),
  forever(
    (n) =>
      warehouse.runJob(
        { run_id: `r${n}`, step_id: 's', max_retries: 0, retry_delay_seconds: 0, tenant_id: 'acme' },
        {
          kind: 'query',
          query: 'SELECT @n AS n',
          parameters: [{ name: 'n', type: 'INT64', value: n }],
          destination: { project_id: 'local', dataset: 'acme', table: 'jobs', write_mode: 'append', columns: [column] },
        },
      ),
    'job',
  ),
  // Reads make the journal reach DuckDB at odd moments.
  forever(() => warehouse.query({ query: 'SELECT COUNT(*) AS n FROM appended', default_dataset: 'tenants' }), 'read'),
])
