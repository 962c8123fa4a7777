import { expect } from 'chai'
import type { Run } from '@convergence/contracts'
import { firstSteps, nextSteps, readySteps, stepOf } from '@convergence/pipeline'
import { failure } from './world.ts'

type Recorded = Parameters<typeof readySteps>[1]
const run = (steps: Readonly<Record<string, readonly string[] | undefined>>, skip?: string[]): Run => ({
  run_id: 'r_aaaaaaaaaaaaaaaaaaaaaaaaaa',
  tenant_id: 'acme',
  pipeline: 'custom/bench/x',
  pipeline_id: 'x',
  trigger_type: 'api',
  parameters: {},
  priority: 5,
  requested_at: '2026-03-01T00:00:00Z',
  sources: [],
  notifications: [],
  ...(skip === undefined ? {} : { skip }),
  steps: Object.entries(steps).map(([step_id, depends_on]) => ({
    step_id,
    name: step_id,
    ps_type: 'custom.noop',
    host: 'executor',
    timeout_minutes: 1,
    retry_policy: { max_retries: 0, retry_delay_seconds: 1 },
    config: {},
    ...(depends_on === undefined ? {} : { depends_on: [...depends_on] }),
  })),
})
const ids = (steps: readonly { step_id: string }[] | undefined) => steps?.map(({ step_id }) => step_id)
const chain = { a: undefined, b: undefined, c: undefined }
const diamond = { begin: [], left: ['begin'], right: ['begin'], join: ['left', 'right'] }
const done = (...names: string[]): Recorded => new Map(names.map((name) => [name, 'SUCCEEDED'] as const))

describe('what follows', () => {
  it('starts a chain with its first step', () => {
    expect(firstSteps(run(chain))).to.deep.equal([{ step_id: 'a', host: 'executor' }])
  })
  it('goes through a chain in the order of the file', () => {
    expect(ids(nextSteps(run(chain), 'a', 'SUCCEEDED'))).to.deep.equal(['b'])
    expect(ids(nextSteps(run(chain), 'b', 'SKIPPED'))).to.deep.equal(['c'])
    expect(nextSteps(run(chain), 'c', 'SUCCEEDED')).to.deep.equal([])
  })
  for (const conclusion of ['FAILED', 'TIMED_OUT', 'CANCELLED'] as const) {
    it(`lets nothing follow a step that ended as ${conclusion}`, () => {
      expect(nextSteps(run(chain), 'a', conclusion)).to.deep.equal([])
      expect(nextSteps(run(diamond), 'begin', conclusion)).to.deep.equal([])
    })
  }
  it('passes over what the parent of a resumed run has finished', () => {
    expect(ids(firstSteps(run(chain, ['a', 'b'])))).to.deep.equal(['c'])
    expect(firstSteps(run(chain, ['a', 'b', 'c']))).to.deep.equal([])
    expect(ids(nextSteps(run(chain, ['b']), 'a', 'SUCCEEDED'))).to.deep.equal(['c'])
  })
  it('leaves it to the executor to say what follows in a run with depends_on', () => {
    expect(nextSteps(run(diamond), 'begin', 'SUCCEEDED')).to.equal(undefined)
  })
  it('starts a diamond once, both sides after it, and the join after both', () => {
    const world = run(diamond)
    expect(ids(firstSteps(world))).to.deep.equal(['begin'])
    expect(readySteps(world, done('begin'), 'begin')).to.deep.equal({
      next: [
        { step_id: 'left', host: 'executor' },
        { step_id: 'right', host: 'executor' },
      ],
      ended: false,
    })
    expect(readySteps(world, done('begin', 'left'), 'left')).to.deep.equal({ next: [], ended: false })
    expect(readySteps(world, done('begin', 'left', 'right'), 'right')).to.deep.equal({
      next: [{ step_id: 'join', host: 'executor' }],
      ended: false,
    })
    expect(readySteps(world, done('begin', 'left', 'right', 'join'), 'join')).to.deep.equal({ next: [], ended: true })
  })
  it('starts a join from both sides when both see each other, never from none', () => {
    const both = done('begin', 'left', 'right')
    expect(ids(readySteps(run(diamond), both, 'left').next)).to.deep.equal(['join'])
    expect(ids(readySteps(run(diamond), both, 'right').next)).to.deep.equal(['join'])
  })
  it('ends a run with depends_on when a branch has failed', () => {
    expect(
      readySteps(
        run(diamond),
        new Map([
          ['begin', 'SUCCEEDED'],
          ['left', 'FAILED'],
        ] as const),
        'left',
      ),
    ).to.deep.equal({ next: [], ended: true })
  })
  it('starts every step without needs at once, and after a resume those whose needs were finished before', () => {
    expect(ids(firstSteps(run({ a: [], b: [], c: ['a'] })))).to.deep.equal(['a', 'b'])
    expect(ids(firstSteps(run(diamond, ['begin', 'left'])))).to.deep.equal(['right'])
    expect(readySteps(run(diamond, ['begin', 'left']), done('right'), 'right')).to.deep.equal({
      next: [{ step_id: 'join', host: 'executor' }],
      ended: false,
    })
  })
  it('finds a step by its name and refuses a name that the run has not', () => {
    expect(stepOf(run(chain), 'b').step_id).to.equal('b')
    expect(failure(() => stepOf(run(chain), 'z')).code).to.equal('EVENT_INVALID')
    expect(failure(() => nextSteps(run(chain), 'z', 'SUCCEEDED')).code).to.equal('EVENT_INVALID')
  })
})
