import { expect } from 'chai'
import type { Mutant } from './model.ts'
import { check } from './model.ts'

/**
 * More of them: MODEL_SEEDS=5000. A seed that fails is run again by `check(seed)`; its report holds the journal of all
 * that happened.
 */
const seeds = Number(process.env['MODEL_SEEDS'] ?? 40)

describe('the model', function () {
  this.timeout(300_000 + seeds * 1_000)

  it(`keeps its promises in ${seeds} seeds of crashes, lost and late calls, failed jobs, duplicates, zombies`, async () => {
    const failed: string[] = []
    const seen: Record<string, number> = {}
    let kills = 0
    let faults = 0
    let snapshots = 0
    for (let seed = 1; seed <= seeds; seed += 1) {
      const report = await check(seed)
      kills += report.kills
      faults += report.faults
      snapshots += report.snapshots
      for (const [outcome, count] of Object.entries(report.outcomes)) seen[outcome] = (seen[outcome] ?? 0) + count
      if (report.failure !== undefined)
        failed.push(`seed ${seed}: ${report.failure}\n${report.journal.slice(-40).join('\n')}`)
    }
    expect(failed, failed[0]).to.deep.equal([])
    // The seeds go where it hurts: else a green result says nothing.
    expect(kills).to.be.greaterThan(seeds * 4)
    expect(faults).to.be.greaterThan(seeds * 6)
    expect(snapshots).to.be.greaterThan(seeds)
    expect(Object.keys(seen).sort()).to.include.members([
      'CANCELLED CANCELLED',
      'COMPLETED',
      'FAILED LOST',
      'FAILED QUERY_INVALID',
      'FAILED TIMED_OUT',
      'REJECTED QUOTA_EXCEEDED',
    ])
  })

  it('gives the same report for the same seed', async () => {
    expect(await check(7)).to.deep.equal(await check(7))
  })

  /** Within so many seeds each wrong variant must be caught. */
  const mutants: [number, Mutant[]][] = [
    [20, ['job id not unique']],
    [20, ['random id instead of seq']],
    [20, ['known run ids not folded']],
    [20, ['effect without attempt chain']],
    [20, ['give up on an id whose job failed']],
    [200, ['no sweeper and outbox']],
    [60, ['ack before publish']],
    [20, ['ack before publish', 'no sweeper and outbox']],
    [60, ['nothing to do, by stale memory']],
    [20, ['decide on stale memory']],
    [20, ['409 taken for mine']],
    [20, ['ended runs not recalled']],
    [200, ['ended runs not remembered']],
    [60, ['what follows is named by the delivery']],
    [20, ['next attempt before the first is known to have failed']],
    [20, ['conditions asked of what one process remembers']],
    [20, ['a failed branch ends the run at once']],
    [20, ['what cleans up hides the failure']],
  ]
  it('catches: read before record, which the sweeper masks, by failing far more seeds than without a sweeper', async () => {
    const failing = async (wrong: Mutant[]) => {
      let count = 0
      for (let seed = 1; seed <= 40; seed += 1) if ((await check(seed, wrong)).failure !== undefined) count += 1
      return count
    }
    expect(await failing(['read before record', 'no sweeper and outbox'])).to.be.at.least(
      2 * (await failing(['no sweeper and outbox'])) + 1,
    )
  })

  for (const [within, wrong] of mutants) {
    it(`catches: ${wrong.join(' with ')}`, async () => {
      for (let seed = 1; seed <= within; seed += 1) if ((await check(seed, wrong)).failure !== undefined) return
      expect.fail(`no seed up to ${within} noticed it`)
    })
  }
})
