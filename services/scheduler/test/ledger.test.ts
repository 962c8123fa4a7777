import { expect } from 'chai'
import { AppError, digestOf } from '@convergence/contracts'
import { stateHash } from '../src/ledger/fold.ts'
import type { SnapshotBody } from '../src/ledger/snapshot.ts'
import type { LedgerRow, Rules } from '../src/ledger/state.ts'
import type { Ledger } from '../src/ledger.ts'
import { openLedger } from '../src/ledger.ts'
import { at, ended, request, runOf, tableOf, tenant, summaryOf } from './world.ts'

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

/** A log that any number of replicas share. */
const setup = () => setupWith([])
const setupWith = (log: LedgerRow[]) => {
  const commits: number[] = []
  const world = {
    log,
    commits,
    fail: undefined as Error | undefined,
    /** Rows of one commit. */ most: Infinity,
    warned: [] as string[],
    tableOf,
    open: (epoch = 'e1', rules: Partial<Rules> = {}): Promise<Ledger> =>
      openLedger({
        epoch,
        rules,
        log: {
          ...silent,
          warn: (_fields, message) => {
            world.warned.push(message)
          },
        },
        table: world.tableOf(log, epoch),
        warehouse: {
          commit: async (_table, { seq }, rows) => {
            await Promise.resolve()
            if (world.fail !== undefined) throw world.fail
            if (rows.length > world.most)
              throw new AppError('RESOURCE_EXHAUSTED', 'Request payload size exceeds the limit')
            if (log.some((row) => row.seq === seq && row.epoch === epoch)) return 'conflict'
            commits.push(rows.length)
            log.push(...(structuredClone(rows) as unknown as LedgerRow[]))
            return 'mine'
          },
        },
      }),
  }
  return world
}

describe('the ledger', () => {
  it('puts everything that is pending into one commit', async () => {
    const { open, commits } = setup()
    const ledger = await open()
    await ledger.submit(tenant('acme', { daily: 5000, monthly: 5000, concurrent: 5000 }))
    await Promise.all(Array.from({ length: 1000 }, (_, k) => ledger.submit(request(`k${k}`))))
    expect(commits).to.deep.equal([1, 500, 500])
  })

  it('makes smaller commits where one is refused for its size, and nacks what cannot be written at all', async () => {
    const world = setup()
    const ledger = await world.open()
    await ledger.submit(tenant('acme', { daily: 5000, monthly: 5000, concurrent: 5000 }))
    world.most = 200
    const answers = await Promise.all(Array.from({ length: 500 }, (_, k) => ledger.submit(request(`k${k}`))))
    expect(answers.flatMap(summaryOf).filter((word) => word === 'run-admitted')).to.have.length(500)
    expect(world.commits).to.deep.equal([1, 125, 125, 125, 125])
    // No message is to blame: each comes again, and is decided when it can be written.
    world.fail = new AppError('FORBIDDEN', 'no right any more')
    for (const each of await Promise.allSettled(['x', 'y'].map((key) => ledger.submit(request(key)))))
      expect(each.status === 'rejected' && each.reason).to.include({ code: 'UNAVAILABLE' })
    world.fail = undefined
    expect(summaryOf(await ledger.submit(request('x')))).to.deep.equal(['run-admitted'])
  })

  it('lets two replicas race for each seq and holds the limits', async () => {
    const { open, log } = setup()
    const [a, b] = [await open(), await open()]
    await a.submit(tenant('acme', { daily: 300, concurrent: 3 }))
    const answers = await Promise.all(
      Array.from({ length: 1000 }, (_, k) => (k % 2 === 0 ? a : b).submit(request(`k${k}`))),
    )
    expect(answers.flatMap(summaryOf).filter((word) => word === 'run-admitted')).to.have.length(3)
    expect(log.filter(({ kind }) => kind === 'QUEUE')).to.have.length(297)
    expect(log.filter(({ kind }) => kind === 'REJECT')).to.have.length(700)
    for (const replica of [a, b]) await replica.submit({ kind: 'tick', at: at(0) })
    expect(new Set([a, b, await open()].map(({ state }) => stateHash(state))).size).to.equal(1)
  })

  it('does not acknowledge an end of which its memory knows nothing before it has looked again', async () => {
    const { open } = setup()
    const [a, b] = [await open(), await open()]
    await a.submit(tenant('acme'))
    const run = runOf(await a.submit(request('a')))
    expect(summaryOf(await b.submit(ended(run)))).to.deep.equal(['run-completed COMPLETED'])
  })

  it('starts from the log, also from rows without the bodies of ended runs', async () => {
    const { open, log } = setup()
    const ledger = await open()
    await ledger.submit(tenant('acme', { concurrent: 1 }))
    const run = runOf(await ledger.submit(request('a')))
    await ledger.submit(request('b'))
    const promoted = runOf((await ledger.submit(ended(run))).slice(1))
    for (const row of log) if (row.run_id === run.run_id && row.kind === 'ADMIT') row.body = null
    const again = await open()
    expect(again.state.accounts.get('acme')).to.include({ running: 1 })
    expect(summaryOf(await again.submit(ended(promoted)))).to.deep.equal(['run-completed COMPLETED'])
    expect(summaryOf(await again.submit(ended(run)))).to.deep.equal(['run-completed COMPLETED'])
  })

  it('gives a message back when the warehouse fails, and decides it once when it comes again', async () => {
    const world = setup()
    const ledger = await world.open()
    await ledger.submit(tenant('acme'))
    world.fail = new AppError('UNAVAILABLE', 'down')
    await ledger.submit(request('a')).then(
      () => expect.fail('answered'),
      (error: AppError) => expect(error.code).to.equal('UNAVAILABLE'),
    )
    world.fail = undefined
    await ledger.submit(request('a'))
    expect(world.log.map(({ kind }) => kind)).to.deep.equal(['TENANT', 'ADMIT'])
  })

  it('keeps the company and address of a tenant, also when they come under a version that it knows', async () => {
    const world = setup()
    const ledger = await world.open()
    const facts = { company_name: 'Acme', admin_email: 'admin@acme.example' }
    await ledger.submit(tenant('acme'))
    await ledger.submit(tenant('acme', {}, facts))
    await ledger.submit(tenant('acme', {}, facts))
    expect(world.log.map(({ kind }) => kind)).to.deep.equal(['TENANT', 'TENANT'])
    await ledger.submit(tenant('acme', {}, { version: 2 }))
    expect((await world.open()).state.accounts.get('acme')).to.include({ version: 2, ...facts })
  })

  it('starts a recreated ledger afresh: rows of another epoch mean nothing', async () => {
    const { open } = setup()
    await (await open()).submit(tenant('acme'))
    expect((await open('e2')).state.accounts.size).to.equal(0)
  })

  it('stops deciding when the log is damaged', async () => {
    const { open, log } = setup()
    const ledger = await open()
    await ledger.submit(tenant('acme'))
    log[0]!.seq = 2
    await open().then(
      () => expect.fail('opened'),
      (error: Error) => expect(error.message).to.match(/a gap after seq 0/),
    )
  })

  describe('with a snapshot', () => {
    /** Two runs that ended before the snapshot, one that runs, one that waits. */
    const saved = async () => {
      const world = setup()
      const ledger = await world.open('e1', { snapshot_rows: 5 })
      await ledger.submit(tenant('acme', { concurrent: 2 }))
      const admitted = [runOf(await ledger.submit(request('a'))), runOf(await ledger.submit(request('b')))]
      for (const run of admitted) await ledger.submit(ended(run))
      for (const key of ['c', 'd', 'e']) await ledger.submit(request(key))
      await ledger.submit({ kind: 'tick', at: at(2) })
      expect(world.log.at(-1)?.kind).to.equal('SNAPSHOT')
      return { ...world, world, ledger, admitted }
    }

    it('reads it and the rows behind it, not the log', async () => {
      const { world, ledger, log } = await saved()
      const behind = ended(runOf(await ledger.submit(request('c'))))
      await ledger.submit(behind)
      const asked: string[] = []
      world.tableOf = (rows, epoch) => {
        const table = tableOf(rows, epoch)
        return {
          ...table,
          after: (place) => {
            asked.push(`after ${place.seq}`)
            return table.after(place)
          },
          ofRuns: (run_ids, between) => {
            asked.push(`${run_ids.length} runs from ${between.from_seq}`)
            return table.ofRuns(run_ids, between)
          },
        }
      }
      const again = await world.open()
      expect(asked).to.deep.equal([
        '3 runs from 6',
        `after ${log.filter(({ kind }) => kind === 'SNAPSHOT').at(-1)?.seq}`,
      ])
      expect(stateHash(again.state)).to.equal(stateHash(ledger.state))
    })

    it('answers a message about a run that ended before as it did first, before and after a restart', async () => {
      const { world, ledger, admitted, log } = await saved()
      const length = log.length
      for (const replica of [ledger, await world.open()]) {
        expect(replica.state.runs.has(admitted[0]!.run_id)).to.be.false
        expect(summaryOf(await replica.submit(request('a')))).to.deep.equal(['run-completed COMPLETED'])
        expect(summaryOf(await replica.submit(ended(admitted[1]!)))).to.deep.equal(['run-completed COMPLETED'])
        await replica.submit(request('b', { parameters: { other: '1' } })).then(
          () => expect.fail('taken'),
          (error: AppError) => expect(error.code).to.equal('IDEMPOTENCY_MISMATCH'),
        )
      }
      expect(log).to.have.length(length)
    })

    it('gives the message back when the rows of a run that ended before it cannot be read', async () => {
      const { world, log } = await saved()
      world.tableOf = (rows, epoch) => {
        let asked = 0
        const table = tableOf(rows, epoch)
        return {
          ...table,
          ofRuns: (...given) =>
            (asked += 1) > 1 ? Promise.reject(new AppError('UNAVAILABLE', 'down')) : table.ofRuns(...given),
        }
      }
      const again = await world.open()
      const length = log.length
      await again.submit(request('a')).then(
        () => expect.fail('answered'),
        (error: AppError) => expect(error.code).to.equal('UNAVAILABLE'),
      )
      expect(log).to.have.length(length)
    })

    const damages: [string, (log: LedgerRow[]) => void][] = [
      [
        'corrupt',
        (log) => {
          ;(log.at(-1)!.body as SnapshotBody).saved.served += 1
        },
      ],
      [
        'empty',
        (log) => {
          log.at(-1)!.body = null
        },
      ],
      [
        'of a run that is not in the log',
        (log) => {
          const body = log.at(-1)!.body as SnapshotBody
          body.saved.runs.push('r_aaaaaaaaaaaaaaaaaaaaaaaaaa')
          body.digest = digestOf(body.saved)
        },
      ],
      [
        'wrong about what runs',
        (log) => {
          const body = log.at(-1)!.body as SnapshotBody
          body.saved.accounts[0]!.running = 7
          body.digest = digestOf(body.saved)
        },
      ],
    ]
    for (const [how, damage] of damages) {
      it(`that is ${how} reads the whole log instead, says so, and is in the same state`, async () => {
        const { world, ledger, log, warned } = await saved()
        const [hash, length] = [stateHash(ledger.state), log.length]
        damage(log)
        const again = await world.open()
        expect(stateHash(again.state)).to.equal(hash)
        expect(warned).to.deep.equal(['the snapshot in run_ledger cannot be used; reading the whole log'])
        expect(summaryOf(await again.submit(request('a')))).to.deep.equal(['run-completed COMPLETED'])
        expect(log).to.have.length(length)
      })
    }

    it('of which only the rows are missing starts from the one before, or from the log', async () => {
      const { world, ledger, log } = await saved()
      const at_place = log.findIndex(({ kind }) => kind === 'SNAPSHOT')
      const before = log.slice(0, at_place)
      const again = await setupWith(before).open()
      expect(again.state.seq).to.equal(ledger.state.seq - 1)
      expect([...again.state.running.keys()].sort()).to.deep.equal([...ledger.state.running.keys()].sort())
      expect((await world.open()).state.seq).to.equal(ledger.state.seq)
    })
  })

  it('finishes what is pending when it is closed, and refuses what comes later', async () => {
    const { open, log } = setup()
    const ledger = await open()
    const last = ledger.submit(tenant('acme'))
    await ledger.close()
    await last
    expect(log).to.have.length(1)
    await ledger.submit(request('a')).then(
      () => expect.fail('answered'),
      (error: AppError) => expect(error.code).to.equal('UNAVAILABLE'),
    )
  })

  it('keeps nothing of an ended run but what a repeated message needs', async () => {
    const { open } = setup()
    const ledger = await open()
    await ledger.submit(tenant('acme', { daily: 999_999, monthly: 999_999, concurrent: 999_999 }))
    for (let k = 0; k < 10; k += 1) {
      const admitted = await Promise.all(
        Array.from({ length: 500 }, (_, n) => ledger.submit(request(`${k}-${n}`, { steps_count: 1 }))),
      )
      await Promise.all(admitted.map((answer) => ledger.submit(ended(runOf(answer)))))
    }
    // Not a time: what is kept of an ended run, and that nothing of it is walked at a tick.
    expect(ledger.state.running.size).to.equal(0)
    expect([...ledger.state.runs.values()].every(({ run }) => run === undefined)).to.be.true
  })
})
