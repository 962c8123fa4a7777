import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { openEngine } from '@convergence/local-warehouse'
import { bootstrap } from '@convergence/service'
import { openWarehouse } from '@convergence/warehouse'
import type { Message } from '../src/ledger/decide.ts'
import { stateHash } from '../src/ledger/fold.ts'
import type { LedgerRow } from '../src/ledger/state.ts'
import { openLedger } from '../src/ledger.ts'
import { openTable } from '../src/ledger/table.ts'
import { at, ended, request, runOf, tableOf, tenant, summaryOf } from './world.ts'

const nothing = () => undefined
const log = { info: nothing, warn: nothing, error: nothing }

describe('what the ledger reads of its table', function () {
  this.timeout(60_000)

  it('is what is in it, and a start from a snapshot is in the state of the one that wrote it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'convergence-ledger-'))
    const warehouse = openWarehouse({
      engine: await openEngine({ folder, project_id: 'local-convergence' }),
      random: () => 0,
    })
    try {
      await bootstrap(warehouse, {})
      const open = (epoch = 'e1') =>
        openLedger({ warehouse, table: openTable(warehouse, epoch), log, epoch, rules: { snapshot_rows: 12 } })
      const ledger = await open()
      const other = await open('e2')
      await other.submit(tenant('acme'))
      for (const tenant_id of ['acme', 'globex']) await ledger.submit(tenant(tenant_id, { daily: 30, concurrent: 3 }))
      const admitted = []
      for (let k = 0; k < 6; k += 1)
        admitted.push(
          runOf(
            await ledger.submit(request(`k${k}`, { tenant_id: k % 2 === 0 ? 'acme' : 'globex' }, at(k, '2026-03-09'))),
          ),
        )
      for (const [k, run] of admitted.slice(0, 4).entries())
        await ledger.submit(ended(run, {}, at(k, k < 2 ? '2026-03-09' : '2026-03-10')))
      for (let k = 10; k < 15; k += 1) await ledger.submit(request(`k${k}`))
      await ledger.submit({ kind: 'cancel', tenant_id: 'acme', run_id: admitted[4]!.run_id, at: at(3) })
      await ledger.submit({ kind: 'tick', at: at(4) })
      const behind: Message[] = [ended(admitted[5]!, {}, at(5)), request('k20', { tenant_id: 'globex' }, at(5))]
      for (const message of behind) await ledger.submit(message)

      const rows = (await openTable(warehouse, 'e1').after({ seq: 0, idx: -1 })).rows
      expect(rows.filter(({ kind }) => kind === 'SNAPSHOT')).to.have.length(1)
      const [real, expected] = [openTable(warehouse, 'e1'), tableOf(rows)]
      const place = { seq: 9, idx: 0 }
      const narrow = ({ body: _body, ...row }: LedgerRow) => row
      expect((await real.after(place)).rows.map(narrow)).to.deep.equal((await expected.after(place)).rows.map(narrow))
      const snapshot = await real.snapshot()
      expect(snapshot).to.deep.equal(await expected.snapshot())
      const last = { seq: snapshot[0]!.seq, since: '2026-01-01T00:00:00.000Z' }
      const digits = async (table: typeof real, since = last.since) =>
        Object.fromEntries(
          (await table.ended({ ...last, since }))
            .map(({ day, digits: all }) => [day, all])
            .sort()
            .reduce(
              (days, [day, all]) => days.set(day!, [...(days.get(day!) ?? []), ...(all!.match(/.{10}/g) ?? [])].sort()),
              new Map<string, string[]>(),
            ),
        )
      expect(await digits(real)).to.deep.equal(await digits(expected))
      expect(Object.keys(await digits(real))).to.deep.equal(['2026-03-09', '2026-03-10'])
      // What began before is forgotten, though it ended after.
      for (const table of [real, expected]) expect(await digits(table, '2026-03-10T00:00:00.000Z')).to.deep.equal({})
      for (const day of await real.ended(last)) expect(day).to.include({ from_seq: day.day === '2026-03-09' ? 3 : 5 })
      const place_of = ({ seq, idx }: LedgerRow) => seq * 1000 + idx
      const some = [admitted[0]!.run_id, admitted[5]!.run_id]
      const ordered = async (table: typeof real) =>
        (await table.ofRuns(some, { from_seq: 4, to_seq: 12 }))
          .map((row) => ({ ...row, body: null }))
          .sort((a, b) => place_of(a) - place_of(b))
      expect(await ordered(real)).to.deep.equal(await ordered(expected))

      const again = await open()
      expect(stateHash(again.state)).to.equal(stateHash(ledger.state))
      expect(summaryOf(await again.submit(ended(admitted[0]!)))).to.deep.equal(['run-completed COMPLETED'])
      expect(
        (await openTable(warehouse, 'e1').after({ seq: again.state.seq, idx: again.state.idx })).rows,
      ).to.deep.equal([])
    } finally {
      await warehouse.close()
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
