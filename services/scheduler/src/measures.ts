/** What the ledger tells of itself. Labels are kinds and codes, never a tenant or a run. */
import { metrics, type ObservableResult } from '@opentelemetry/api'
import type { TimerBody } from './ledger/fold.ts'
import type { LedgerRow, State } from './ledger/state.ts'

/** Upper bounds of histograms, in seconds. */
const explicitBucketBoundaries = [0.005, 0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 60, 300, 1800, 3600, 21600]

export type Measures = ReturnType<typeof openMeasures>

export const openMeasures = () => {
  const meter = metrics.getMeter('convergence')
  const histogram = (name: string, description: string) =>
    meter.createHistogram(name, { unit: 's', description, advice: { explicitBucketBoundaries } })
  const decisions = meter.createCounter('admission.decisions', {
    description: 'Requests admitted, queued or rejected, with the reason',
  })
  const commits = histogram('admission.commit.duration', 'Time of one commit of the ledger')
  const conflicts = meter.createCounter('admission.commit.conflicts', {
    description: 'Commits that another replica won',
  })
  const republished = meter.createCounter('sweeper.republished', { description: 'Silent runs that were started again' })
  const runs = meter.createCounter('pipeline.runs', { description: 'Runs that ended, by how' })
  const lengths = histogram('pipeline.run.duration', 'Time from admission to the end')
  return {
    commit: (seconds: number, result: 'mine' | 'conflict') => {
      commits.record(seconds)
      if (result === 'conflict') conflicts.add(1)
    },
    /** Rows that this replica committed, before they are folded: a run that ends is still in memory. */
    decided: (rows: readonly LedgerRow[], state: State) => {
      for (const { kind, reason, outcome, run_id, decided_at, body } of rows) {
        if (kind === 'ADMIT' || kind === 'QUEUE' || kind === 'REJECT')
          decisions.add(1, { decision: kind, ...(reason === null ? {} : { reason }) })
        if (kind === 'TIMER' && (body as TimerBody).fire === 'resend') republished.add(1)
        if (kind !== 'RELEASE' && kind !== 'REJECT') continue
        const status = outcome ?? 'REJECTED'
        runs.add(1, { status })
        const admitted_at = state.runs.get(run_id ?? '')?.admitted_at
        if (admitted_at !== undefined)
          lengths.record(Math.max(0, Date.parse(decided_at) - Date.parse(admitted_at)) / 1000, { status })
      }
    },
  }
}

/** What is read when somebody asks for the metrics; the answer ends it. */
export const observe = (state: () => State, now: () => Date): (() => void) => {
  const meter = metrics.getMeter('convergence')
  const oldest = (): number =>
    [...state().running.values()].reduce(
      (age, { admitted_at }) => Math.max(age, now().getTime() - Date.parse(admitted_at ?? '')),
      0,
    )
  const gauges: [string, string, () => number][] = [
    [
      'admission.queue.depth',
      'Runs that wait for a slot',
      () => [...state().waiting].reduce((total, { queue }) => total + queue.length, 0),
    ],
    ['admission.running', 'Runs that hold a slot', () => state().running.size],
    [
      'ledger.oldest_unreleased.age',
      'Seconds since the admission of the run that has held its slot longest; 0 when none does',
      () => oldest() / 1000,
    ],
  ]
  const ends = gauges.map(([name, description, value]) => {
    const gauge = meter.createObservableGauge(name, { description })
    const read = (result: ObservableResult) => {
      result.observe(value())
    }
    gauge.addCallback(read)
    return () => {
      gauge.removeCallback(read)
    }
  })
  return () => {
    for (const end of ends) end()
  }
}
