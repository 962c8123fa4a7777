import { expect } from 'chai'
import {
  AppError,
  assertEvent,
  base32,
  brokenText,
  canonicalJson,
  deadLetterName,
  errorTable,
  eventAttributes,
  faultOf,
  isRetryable,
  plans,
  requestDigest,
  runId,
  subscriptionName,
  tables,
  topology,
  topics,
  views,
  type Run,
  type StepCompleted,
} from '@convergence/contracts'

const run: Run = {
  run_id: runId('acme', 'k1'),
  tenant_id: 'acme',
  pipeline: 'custom/bench/three_steps',
  pipeline_id: 'three',
  trigger_type: 'api',
  parameters: {},
  priority: 5,
  requested_at: '2026-01-01T00:00:00Z',
  sources: [],
  steps: [],
  notifications: [],
}
const completed: StepCompleted = {
  run,
  step_id: 'a',
  attempt: 0,
  conclusion: 'SUCCEEDED',
  started_at: '2026-01-01T00:00:00Z',
  ended_at: '2026-01-01T00:00:01Z',
  duration_ms: 1000,
  next: [],
}

describe('contracts', () => {
  it('encodes base32 as RFC 4648 does, in lower case and without padding', () => {
    const encode = (text: string) => base32(Buffer.from(text))
    expect(['', 'f', 'fo', 'foo', 'foob', 'fooba', 'foobar'].map(encode)).to.deep.equal([
      '',
      'my',
      'mzxq',
      'mzxw6',
      'mzxw6yq',
      'mzxw6ytb',
      'mzxw6ytboi',
    ])
  })

  it('gives the same run id for the same tenant and key, and another for anything else', () => {
    expect(runId('acme', 'k'))
      .to.equal(runId('acme', 'k'))
      .and.match(/^r_[a-z2-7]{26}$/)
    expect(new Set([runId('acme', 'k'), runId('acme', 'k2'), runId('acmek', ''), runId('acm', 'ek')]).size).to.equal(4)
  })

  it('writes equal values as equal JSON whatever the order of their fields', () => {
    expect(canonicalJson({ b: 1, a: { d: [2, { z: 1, y: 2 }], c: null } })).to.equal(
      '{"a":{"c":null,"d":[2,{"y":2,"z":1}]},"b":1}',
    )
    expect(requestDigest({ pipeline: 'a/b/c', parameters: { x: 1, y: 2 } })).to.equal(
      requestDigest({ pipeline: 'a/b/c', parameters: { y: 2, x: 1 } }),
    )
    expect(requestDigest({ pipeline: 'a/b/c', parameters: { x: 1 } })).not.to.equal(
      requestDigest({ pipeline: 'a/b/c', parameters: { x: '1' } }),
    )
  })

  it('tells requests apart by the run that they resume; without one the digest is what it was when it was written into tables', () => {
    const request = { pipeline: 'a/b/c', parameters: { x: 1 } }
    expect(requestDigest(request)).to.equal('045da77390f92b04118f437d76dcee3884679e7e9cf5af6d20b39a4c457b76da')
    expect(requestDigest({ ...request, action: 'resume' })).to.equal(
      'c0cd3ad818e75240bb64caf48a34f6ad532ab1488e68a857e94f5c109ba12d11',
    )
    const digests = ['r_a', 'r_b'].map((parent_run_id) =>
      requestDigest({ ...request, action: 'resume', parent_run_id }),
    )
    expect(new Set([...digests, requestDigest({ ...request, action: 'resume' })])).to.have.lengthOf(3)
  })

  it('takes an event that follows its schema, with fields that it does not know', () => {
    expect(() => {
      assertEvent('step-completed', { ...completed, later: true })
    }).not.to.throw()
  })

  it('names every fault of an event at once', () => {
    try {
      assertEvent('step-completed', { ...completed, conclusion: 'DONE', duration_ms: -1 })
      expect.fail('accepted')
    } catch (error) {
      expect(error).to.be.instanceOf(AppError)
      expect((error as AppError).code).to.equal('EVENT_INVALID')
      expect((error as AppError).faults).to.have.length(2)
    }
  })

  it('derives the attributes that filters need', () => {
    expect(eventAttributes('step-completed', completed)).to.deep.equal({
      event: 'step-completed',
      version: '1',
      tenant_id: 'acme',
      run_id: run.run_id,
      last: '1',
    })
    const baton: StepCompleted = { ...completed, next: [{ step_id: 'b', host: 'tenant' }] }
    expect(eventAttributes('step-completed', baton)).to.include({ for_tenant: '1' }).and.not.have.property('last')
    const open: StepCompleted = { ...completed }
    delete open.next
    expect(eventAttributes('step-completed', open)).not.to.have.any.keys('last', 'for_tenant')
  })

  it('finds half of a character in what JSON said, wherever it stands, and takes whole ones however they are written', () => {
    const at = (text: string) => brokenText(text, JSON.parse(text))
    expect([at('{"a":["x",{"b":"y \\ud83d"}]}'), at('{"\\uDC00":1}'), at('"\\ud800"')]).to.deep.equal([
      'body.a.1.b',
      'body',
      'body',
    ])
    expect([at('{"a":"\\ud83d\\ude00"}'), at('{"a":"😀"}'), at('{"a":"\\\\ud83d"}'), at('1')]).to.deep.equal([
      undefined,
      undefined,
      undefined,
      undefined,
    ])
    expect(faultOf(new AppError('EXPORT_INVALID', `${'x'.repeat(3_999)}😀`)).message.isWellFormed()).to.equal(true)
  })

  it('shows the message of an AppError and of nothing else', () => {
    expect(faultOf(new AppError('QUERY_INVALID', 'no such column'))).to.deep.equal({
      code: 'QUERY_INVALID',
      message: 'no such column',
    })
    expect(faultOf(new TypeError('secret thing')).message).not.to.contain('secret')
    expect(isRetryable(new AppError('QUERY_INVALID', 'x'))).to.equal(false)
    expect(isRetryable(new AppError('JOB_FAILED', 'x'))).to.equal(true)
    expect(isRetryable(new Error('x'))).to.equal(true)
  })

  it('has for each topic a schema, publishers and readers, each with a dead letter of its own name', () => {
    for (const topic of topics) {
      expect(topology[topic].publishers, topic).not.to.be.empty
      expect(Object.keys(topology[topic].readers), topic).not.to.be.empty
    }
    expect(deadLetterName(subscriptionName('executor', 'run-admitted'))).to.equal('executor.run-admitted.dead')
    expect(subscriptionName('auth', 'step-completed', 'r1')).to.equal('auth.step-completed.r1')
  })

  it('has a view of the latest state for each table of rows, and every error says what to do or needs nothing', () => {
    for (const name of Object.keys(tables).filter((table) => table.endsWith('_rows')))
      expect(views, name).to.have.property(name.replace(/_rows$/, ''))
    for (const [code, entry] of Object.entries(errorTable)) expect(entry.http_status, code).to.be.within(400, 599)
    expect(plans.STARTER).to.deep.equal({ daily: 6, monthly: 180, concurrent: 2 })
  })
})
