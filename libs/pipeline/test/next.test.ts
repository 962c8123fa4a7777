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
const done = (...names: string[]): Recorded =>
  new Map(names.map((name) => [name, { conclusion: 'SUCCEEDED' }] as const))

const followed = (of: Run, recorded: Recorded, ended: string) => {
  const { next, ended: over } = readySteps(of, recorded, ended)
  return { next, ended: over }
}

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
    expect(followed(world, done('begin'), 'begin')).to.deep.equal({
      next: [
        { step_id: 'left', host: 'executor' },
        { step_id: 'right', host: 'executor' },
      ],
      ended: false,
    })
    expect(followed(world, done('begin', 'left'), 'left')).to.deep.equal({ next: [], ended: false })
    expect(followed(world, done('begin', 'left', 'right'), 'right')).to.deep.equal({
      next: [{ step_id: 'join', host: 'executor' }],
      ended: false,
    })
    expect(followed(world, done('begin', 'left', 'right', 'join'), 'join')).to.deep.equal({ next: [], ended: true })
  })
  it('starts a join from both sides when both see each other, never from none', () => {
    const both = done('begin', 'left', 'right')
    expect(ids(followed(run(diamond), both, 'left').next)).to.deep.equal(['join'])
    expect(ids(followed(run(diamond), both, 'right').next)).to.deep.equal(['join'])
  })
  it('starts every step without needs at once, and after a resume those whose needs were finished before', () => {
    expect(ids(firstSteps(run({ a: [], b: [], c: ['a'] })))).to.deep.equal(['a', 'b'])
    expect(ids(firstSteps(run(diamond, ['begin', 'left'])))).to.deep.equal(['right'])
    expect(followed(run(diamond, ['begin', 'left']), done('right'), 'right')).to.deep.equal({
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

describe('what follows a failure', () => {
  type Ends = Readonly<Record<string, 'SUCCEEDED' | 'FAILED' | 'SKIPPED' | 'TIMED_OUT'>>
  const error = { code: 'JOB_FAILED', message: 'no' }
  const recordOf = (ends: Ends): Recorded =>
    new Map(
      Object.entries(ends).map(([id, conclusion]) => [
        id,
        { conclusion, ...(conclusion === 'FAILED' || conclusion === 'TIMED_OUT' ? { error } : {}) },
      ]),
    )
  const withTriggers = (of: Run, triggers: Readonly<Record<string, 'always' | 'on_failure'>>): Run => ({
    ...of,
    steps: of.steps.map((step) => {
      const trigger = triggers[step.step_id]
      return trigger === undefined ? step : { ...step, trigger }
    }),
  })
  const tidied = withTriggers(run({ a: [], b: ['a'], tidy: ['b'], after: ['tidy'] }), { tidy: 'always' })

  it('lets the other branches of a run with depends_on go on, and ends the run when nothing is left', () => {
    const world = run({ ...diamond, more: ['right'] })
    expect(followed(world, recordOf({ begin: 'SUCCEEDED', left: 'FAILED' }), 'left').next).to.deep.equal([])
    const ends = { begin: 'SUCCEEDED', left: 'FAILED', right: 'SUCCEEDED' } as const
    expect(ids(readySteps(world, recordOf(ends), 'right').next)).to.deep.equal(['more'])
    const over = readySteps(world, recordOf({ ...ends, more: 'SUCCEEDED' }), 'more')
    expect([over.ended, over.run.failed]).to.deep.equal([true, [{ step_id: 'left', error }]])
  })
  it('tells all that have failed in the order of the run, whichever ended last', () => {
    const ends = recordOf({ right: 'TIMED_OUT', begin: 'SUCCEEDED', left: 'FAILED' })
    for (const last of ['left', 'right']) {
      const { ended, run: over } = readySteps(run(diamond), ends, last)
      expect([ended, over.failed?.map(({ step_id }) => step_id)]).to.deep.equal([true, ['left', 'right']])
    }
  })
  it('runs what always runs behind steps that never begin, and nothing behind it', () => {
    expect(ids(readySteps(tidied, recordOf({ a: 'FAILED' }), 'a').next)).to.deep.equal(['tidy'])
    const over = readySteps(tidied, recordOf({ a: 'FAILED', tidy: 'SUCCEEDED' }), 'tidy')
    expect([over.ended, ids(over.next), ids(over.run.failed)]).to.deep.equal([true, [], ['a']])
  })
  it('goes on behind what always runs where nothing has failed', () => {
    const ends = { a: 'SUCCEEDED', b: 'SUCCEEDED', tidy: 'SUCCEEDED' } as const
    expect(ids(readySteps(tidied, recordOf(ends), 'tidy').next)).to.deep.equal(['after'])
  })
  it('starts cleaning up when all that it needs has ended, not when the first has failed', () => {
    const world = withTriggers(run({ a: [], b: [], tidy: ['a', 'b'] }), { tidy: 'always' })
    expect(readySteps(world, recordOf({ a: 'FAILED' }), 'a').next).to.deep.equal([])
    expect(ids(readySteps(world, recordOf({ a: 'FAILED', b: 'SUCCEEDED' }), 'b').next)).to.deep.equal(['tidy'])
  })
  it('runs a step of on_failure after a failure, and skips it by name where there is none', () => {
    const world = withTriggers(run({ a: [], rescue: ['a'], b: ['rescue'] }), { rescue: 'on_failure' })
    expect(readySteps(world, recordOf({ a: 'FAILED' }), 'a').next).to.deep.equal([
      { step_id: 'rescue', host: 'executor' },
    ])
    expect(readySteps(world, recordOf({ a: 'SUCCEEDED' }), 'a').next).to.deep.equal([
      { step_id: 'rescue', host: 'executor', skip: 'trigger: on_failure, and no step before it has failed' },
    ])
    expect(ids(readySteps(world, recordOf({ a: 'SUCCEEDED', rescue: 'SKIPPED' }), 'rescue').next)).to.deep.equal(['b'])
  })
  it('lets items run so many at a time, each after the one whose place it takes, however that ended', () => {
    const items = run({ 'e-1': [], 'e-2': [], 'e-3': [], 'e-4': [], behind: ['e'] })
    const world: Run = {
      ...items,
      steps: items.steps.map((step, k) => ({
        ...step,
        ...(step.step_id === 'behind' ? {} : { for_each: 'e' }),
        ...(k === 2 || k === 3 ? { begins_after: [`e-${k - 1}`] } : {}),
      })),
    }
    expect(ids(firstSteps(world))).to.deep.equal(['e-1', 'e-2'])
    expect(ids(readySteps(world, recordOf({ 'e-2': 'FAILED' }), 'e-2').next)).to.deep.equal(['e-4'])
    const ends = { 'e-1': 'SUCCEEDED', 'e-2': 'FAILED', 'e-3': 'SUCCEEDED', 'e-4': 'SUCCEEDED' } as const
    const over = readySteps(world, recordOf(ends), 'e-4')
    expect([over.ended, ids(over.run.failed)]).to.deep.equal([true, ['e-2']])
    const whole = readySteps(world, recordOf({ ...ends, 'e-2': 'SUCCEEDED' }), 'e-4')
    expect(ids(whole.next)).to.deep.equal(['behind'])
  })
  it('goes through a run of a thousand steps that stand in the order opposite to their needs', () => {
    const names = Array.from({ length: 1000 }, (_, k) => `s${k}`)
    const world = run(Object.fromEntries(names.map((name, k) => [name, k === 999 ? [] : [`s${k + 1}`]])))
    expect(ids(readySteps(world, recordOf({ s999: 'SUCCEEDED' }), 's999').next)).to.deep.equal(['s998'])
  })
})
