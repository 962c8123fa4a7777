import { expect } from 'chai'
import { AppError } from '@convergence/contracts'
import type { Row } from '@convergence/warehouse'
import { stateHash } from '../src/ledger/fold.ts'
import type { LedgerRow } from '../src/ledger/state.ts'
import type { Ledger } from '../src/ledger.ts'
import { openLedger } from '../src/ledger.ts'
import { at, ended, request, runOf, tenant, told } from './world.ts'

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

/** A log that any number of replicas share. */
const setup = () => {
  const log: LedgerRow[] = []
  const commits: number[] = []
  const world = {
    log, commits, fail: undefined as Error | undefined,
    open: (epoch = 'e1'): Promise<Ledger> => openLedger({ epoch, log: silent, warehouse: {
      commit: async (_table, { seq }, rows) => {
        await Promise.resolve()
        if (world.fail !== undefined) throw world.fail
        if (log.some((row) => row.seq === seq && row.epoch === epoch)) return 'conflict'
        commits.push(rows.length)
        log.push(...structuredClone(rows) as unknown as LedgerRow[])
        return 'mine'
      },
      query: async ({ parameters }) => {
        const of = (name: string) => Number(parameters?.find((one) => one.name === name)?.value)
        return structuredClone(log.filter((row) => row.epoch === epoch && (row.seq > of('seq') || (row.seq === of('seq') && row.idx > of('idx'))))) as unknown as Row[]
      },
    } }),
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

  it('lets two replicas race for each seq and holds the limits', async () => {
    const { open, log } = setup()
    const [a, b] = [await open(), await open()]
    await a.submit(tenant('acme', { daily: 300, concurrent: 3 }))
    const answers = await Promise.all(Array.from({ length: 1000 }, (_, k) => (k % 2 === 0 ? a : b).submit(request(`k${k}`))))
    expect(answers.flatMap(told).filter((word) => word === 'run-admitted')).to.have.length(3)
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
    expect(told(await b.submit(ended(run)))).to.deep.equal(['run-completed COMPLETED'])
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
    expect(told(await again.submit(ended(promoted)))).to.deep.equal(['run-completed COMPLETED'])
    expect(told(await again.submit(ended(run)))).to.deep.equal(['run-completed COMPLETED'])
  })

  it('gives a message back when the warehouse fails, and decides it once when it comes again', async () => {
    const world = setup()
    const ledger = await world.open()
    await ledger.submit(tenant('acme'))
    world.fail = new AppError('UNAVAILABLE', 'down')
    await ledger.submit(request('a')).then(() => expect.fail('answered'), (error: AppError) => expect(error.code).to.equal('UNAVAILABLE'))
    world.fail = undefined
    await ledger.submit(request('a'))
    expect(world.log.map(({ kind }) => kind)).to.deep.equal(['TENANT', 'ADMIT'])
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
    await open().then(() => expect.fail('opened'), (error: Error) => expect(error.message).to.match(/a gap after seq 0/))
  })

  it('finishes what is pending when it is closed, and refuses what comes later', async () => {
    const { open, log } = setup()
    const ledger = await open()
    const last = ledger.submit(tenant('acme'))
    await ledger.close()
    await last
    expect(log).to.have.length(1)
    await ledger.submit(request('a')).then(() => expect.fail('answered'), (error: AppError) => expect(error.code).to.equal('UNAVAILABLE'))
  })

  it('keeps nothing of an ended run but what a repeated message needs', async () => {
    const { open } = setup()
    const ledger = await open()
    await ledger.submit(tenant('acme', { daily: 999_999, monthly: 999_999, concurrent: 999_999 }))
    for (let k = 0; k < 10; k += 1) {
      const admitted = await Promise.all(Array.from({ length: 500 }, (_, n) => ledger.submit(request(`${k}-${n}`, { steps_count: 1 }))))
      await Promise.all(admitted.map((answer) => ledger.submit(ended(runOf(answer)))))
    }
    // Not a time: what is kept of an ended run, and that nothing of it is walked at a tick.
    expect(ledger.state.running.size).to.equal(0)
    expect([...ledger.state.runs.values()].every(({ run }) => run === undefined)).to.be.true
  })
})
