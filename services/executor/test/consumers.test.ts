import { expect } from 'chai'
import type { Outgoing } from '@convergence/bus'
import { AppError } from '@convergence/contracts'
import type { NextStep, Run, StepCompleted } from '@convergence/contracts'
import type { Steps } from '@convergence/service/steps'
import { onRunAdmitted } from '../src/consumers/run-admitted.ts'
import { onRunCompleted } from '../src/consumers/run-completed.ts'
import { onRunFailed } from '../src/consumers/run-failed.ts'
import { onStepCompleted } from '../src/consumers/step-completed.ts'
import { codeOf, delivery, ended, fakeStore, fakeWarehouse, makeRun, makeStep } from './fakes.ts'

const setup = () => {
  const hosted: string[] = []
  const cancelled: string[] = []
  const steps: Steps = {
    host: async (run, next) => {
      const ours = (next ?? []).filter(({ host }) => host === 'executor')
      hosted.push(...ours.map(({ step_id }) => step_id))
      return ours.map(({ step_id }): Outgoing => ({
        topic: 'step-completed',
        event: ended(run, step_id, { next: [] }),
      }))
    },
    cancel: (run_id) => {
      cancelled.push(run_id)
    },
  }
  const warehouse = fakeWarehouse()
  const store = fakeStore()
  const completed = onStepCompleted({ store, steps })
  return {
    hosted,
    cancelled,
    warehouse,
    store,
    steps,
    completed,
    failed: onRunFailed({ store, steps, warehouse }),
    admitted: onRunAdmitted({ store, steps, now: () => new Date('2026-01-02T00:00:00Z') }),
  }
}
const bodies = (events: readonly Outgoing[] | undefined) => (events ?? []).map(({ event }) => event as StepCompleted)
const here = (...ids: string[]): NextStep[] => ids.map((step_id) => ({ step_id, host: 'executor' }))

describe('the executor', () => {
  it('records that a run is running and starts its first step', async () => {
    const { admitted, store, hosted } = setup()
    expect(await admitted({ run: makeRun(), next: here('s0') }, delivery)).to.have.length(1)
    expect([store.noted, hosted]).to.deep.equal([['start'], ['s0']])
  })

  it('starts what follows without waiting for the record, which is durable before the acknowledgement', async () => {
    const { steps, store, hosted } = setup()
    const never = new Promise<never>(() => undefined)
    const asked: Promise<unknown>[] = []
    const watched = {
      ...delivery,
      beforeAck: (work: Promise<unknown>) => {
        asked.push(work)
      },
    }
    const slow = { ...store, recordStart: () => never, recordStep: () => never }
    expect(
      await onRunAdmitted({ store: slow, steps, now: () => new Date() })({ run: makeRun(), next: here('s0') }, watched),
    ).to.have.length(1)
    expect(
      await onStepCompleted({ store: slow, steps })(ended(makeRun(), 's0', { next: here('s1') }), watched),
    ).to.have.length(1)
    expect([hosted, asked]).to.deep.equal([
      ['s0', 's1'],
      [never, never],
    ])
  })

  it('ends a resumed run that has nothing left to do', async () => {
    const { admitted } = setup()
    const [event] = bodies(await admitted({ run: makeRun({ skip: ['s0', 's1'] }), next: [] }, delivery))
    expect(event).to.include({ step_id: 's1', conclusion: 'SKIPPED' })
    expect(event?.next).to.deep.equal([])
  })

  it('records a step, whoever ran it, and runs what follows here', async () => {
    const { completed, store, hosted } = setup()
    await completed(ended(makeRun(), 's0', { next: [{ step_id: 's1', host: 'tenant' }] }), delivery)
    expect([store.noted, hosted]).to.deep.equal([['step s0 SUCCEEDED'], []])
    await completed(ended(makeRun(), 's0', { next: here('s1') }), delivery)
    expect(hosted).to.deep.equal(['s1'])
  })

  it('records how the ledger says that a run ended, also one that was refused', async () => {
    const { store, failed, cancelled, warehouse } = setup()
    const run = makeRun()
    await onRunCompleted({ store })(
      {
        run,
        status: 'COMPLETED',
        started_at: '2026-01-02T00:00:01Z',
        ended_at: '2026-01-02T00:00:02Z',
        duration_ms: 1000,
      },
      delivery,
    )
    await failed(
      {
        run,
        status: 'REJECTED',
        error: { code: 'QUOTA_EXCEEDED', message: 'used up' },
        ended_at: '2026-01-02T00:00:02Z',
      },
      delivery,
    )
    await failed(
      { run, status: 'FAILED', error: { code: 'JOB_FAILED', message: 'no' }, ended_at: '2026-01-02T00:00:02Z' },
      delivery,
    )
    expect(store.noted).to.deep.equal(['end COMPLETED', 'end REJECTED', 'end FAILED'])
    expect([cancelled, warehouse.cancelled]).to.deep.equal([[], []])
  })

  describe('when a run was cancelled', () => {
    const end = (run: Run) =>
      ({
        run,
        status: 'CANCELLED',
        error: { code: 'CANCELLED', message: 'the run was cancelled' },
        ended_at: '2026-01-02T00:00:02Z',
      }) as const

    it("records it, and stops its steps: those here, and by their jobs' ids those of other replicas", async () => {
      const { store, failed, cancelled, warehouse } = setup()
      const run = makeRun({
        steps: [makeStep('done'), makeStep('s0'), makeStep('theirs', { host: 'tenant' }), makeStep('s1')],
        skip: ['done'],
      })
      expect(await failed(end(run), delivery)).to.equal(undefined)
      expect([store.noted, cancelled, warehouse.cancelled]).to.deep.equal([
        ['end CANCELLED'],
        [run.run_id],
        [`${run.run_id} s0`, `${run.run_id} s1`],
      ])
    })

    it('stops one that has used up its time, and not one of which a step has', async () => {
      const { failed, cancelled } = setup()
      const run = makeRun()
      const timedOut = { ...end(run), status: 'FAILED', error: { code: 'TIMED_OUT', message: 'over' } } as const
      await failed({ ...timedOut, step_id: 's0' }, delivery)
      expect(cancelled).to.deep.equal([])
      await failed(timedOut, delivery)
      expect(cancelled).to.deep.equal([run.run_id])
    })

    it('asks for no job of a run that was never admitted', async () => {
      const { store, failed, cancelled, warehouse } = setup()
      const { admitted_at: _, ...queued } = makeRun()
      await failed(end(queued), delivery)
      expect([store.noted, cancelled, warehouse.cancelled]).to.deep.equal([['end CANCELLED'], [queued.run_id], []])
    })

    it('gives the message back when the warehouse does not answer, though the steps here are stopped', async () => {
      const { store, steps, cancelled } = setup()
      const failed = onRunFailed({
        store,
        steps,
        warehouse: { cancelChain: () => Promise.reject(new AppError('UNAVAILABLE', 'no answer')) },
      })
      expect(await codeOf(Promise.resolve(failed(end(makeRun()), delivery)))).to.equal('UNAVAILABLE')
      expect(cancelled).to.have.length(1)
    })
  })

  describe('in a run with depends_on', () => {
    const diamond = makeRun({
      steps: [
        makeStep('a', { depends_on: [] }),
        makeStep('b', { depends_on: ['a'] }),
        makeStep('c', { depends_on: ['a'] }),
        makeStep('d', { depends_on: ['b', 'c'] }),
      ],
    })

    it('says what follows a step, after recording it', async () => {
      const { completed, store, hosted } = setup()
      const [event] = bodies(await completed(ended(diamond, 'a'), delivery))
      expect(event?.next?.map(({ step_id }) => step_id)).to.have.members(['b', 'c'])
      expect([store.noted, hosted]).to.deep.equal([['step a SUCCEEDED'], []])
    })

    it('starts the joined step when the last branch ends, not before', async () => {
      const { completed } = setup()
      await completed(ended(diamond, 'a'), delivery)
      expect(await completed(ended(diamond, 'b'), delivery)).to.deep.equal([])
      expect(bodies(await completed(ended(diamond, 'c'), delivery)).map(({ next }) => next)).to.deep.equal([here('d')])
      expect(bodies(await completed(ended(diamond, 'd'), delivery)).map(({ next }) => next)).to.deep.equal([[]])
    })

    it('does not record the event that it said itself again', async () => {
      const { completed, store, hosted } = setup()
      await completed(ended(diamond, 'a', { next: here('b', 'c') }), delivery)
      expect([store.noted, hosted]).to.deep.equal([[], ['b', 'c']])
    })

    it('goes on beside a branch that failed, and ends the run with what has failed when nothing is left', async () => {
      const { completed } = setup()
      const fault = { code: 'EXPORT_INVALID', message: 'line 3' }
      const run = { ...diamond, steps: [...diamond.steps, makeStep('e', { depends_on: ['c'] })] }
      await completed(ended(run, 'a'), delivery)
      expect(await completed(ended(run, 'b', { conclusion: 'FAILED', error: fault }), delivery)).to.deep.equal([])
      expect(bodies(await completed(ended(run, 'c'), delivery)).map(({ next }) => next)).to.deep.equal([here('e')])
      const [event] = bodies(await completed(ended(run, 'e'), delivery))
      expect([event?.next, event?.run.failed]).to.deep.equal([[], [{ step_id: 'b', error: fault }]])
    })
  })
})
