import { expect } from 'chai'
import { generateKeyPairSync, sign } from 'node:crypto'
import type { Bus, BusPort, DeadDelivery, Handler, Outgoing } from '@convergence/bus'
import { openBus, openSigner, signedText } from '@convergence/bus'
import { AppError, eventAttributes, runId } from '@convergence/contracts'
import type { RunRequested, Topic } from '@convergence/contracts'
import type { CompileInput, Pipelines } from '@convergence/pipeline'
import { openLog } from '@convergence/service'
import type { Row, Warehouse } from '@convergence/warehouse'
import type { Message } from '../src/ledger/decide.ts'
import type { PlatformKeys } from '../src/keys.ts'
import { scheduler } from '../src/scheduler.ts'
import { at, ended, makeRun, runOf, tenant, summaryOf } from './world.ts'

const pair = () => generateKeyPairSync('ed25519')
const spki = (key: ReturnType<typeof pair>) => key.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
const platform = pair()
const globex = pair()
const stranger = pair()
const ours = pair()

/** Messages as the services put them on the bus, and as it reads them. */
const openReader = () => {
  const sent: { data: Uint8Array; attributes: Readonly<Record<string, string>> }[] = []
  const port = {
    publish: async (messages: typeof sent) => {
      sent.push(...messages)
      return []
    },
  } as unknown as BusPort
  const log = { warn: () => undefined, error: () => undefined }
  const names = ['scheduler', 'executor']
  const bus = openBus({
    port,
    log,
    signers: Object.fromEntries(names.map((name) => [name, openSigner(ours.privateKey, name)])),
    wall: { keys: Object.fromEntries(names.map((name) => [name, [ours.publicKey]])), epoch: () => 'e1' },
  })
  return {
    read: bus.read,
    put: async (event: Outgoing) => {
      await bus.publish([event])
      return sent.at(-1)!
    },
  }
}

/** The whole service over a bus that only remembers its handlers. */
const setup = async (platform_keys: PlatformKeys = { auth: spki(platform) }) => {
  const handlers = new Map<string, Handler<Topic>>()
  let dead: Parameters<Bus['consumeDead']>[0] | undefined
  const { read, put } = openReader()
  const bus: Bus = {
    publish: async () => undefined,
    read,
    healthy: () => true,
    receiving: () => true,
    close: async () => undefined,
    consume: (_service, topic, handler) => {
      handlers.set(topic, handler as never)
    },
    consumeDead: (handler) => {
      dead = handler
    },
  }
  const tables = new Map<string, Row[]>()
  const table = (name: string) => tables.get(name) ?? tables.set(name, []).get(name)!
  let keyReads = 0
  let profileReads = 0
  const profiles = { away: false, rows: [] as Row[] }
  const asked: CompileInput[] = []
  const keys: Row[] = [
    { kid: 'globex-1', tenant_id: 'globex', public_key: spki(globex), pipelines: [], is_active: true },
    { kid: 'globex-revoked', tenant_id: 'globex', public_key: spki(globex), pipelines: [], is_active: false },
    {
      kid: 'globex-expired',
      tenant_id: 'globex',
      public_key: spki(globex),
      pipelines: [],
      is_active: true,
      expires_at: '2026-03-10T07:59:00Z',
    },
    {
      kid: 'globex-narrow',
      tenant_id: 'globex',
      public_key: spki(globex),
      pipelines: ['gcp/cost/billing'],
      is_active: true,
    },
    { kid: 'globex-star', tenant_id: '*', public_key: spki(globex), pipelines: [], is_active: true },
  ]
  const warehouse = {
    commit: async (name: string, _log: object, rows: readonly Row[]) => {
      table(name).push(...structuredClone(rows))
      return 'mine' as const
    },
    append: async (name: string, rows: readonly Row[]) => {
      table(name).push(...structuredClone(rows))
    },
    query: async ({ query, parameters = [] }: { query: string; parameters?: { value: unknown }[] }) => {
      if (query.includes('tenant_profiles')) {
        profileReads += 1
        if (profiles.away) throw new AppError('UNAVAILABLE', 'away')
        return profiles.rows.filter(({ tenant_id }) => tenant_id === parameters[0]?.value)
      }
      if (!query.includes('publisher_keys')) return []
      keyReads += 1
      return keys
    },
  } as unknown as Warehouse
  const pipelines: Pipelines = {
    kinds: [],
    followersOf: () => [],
    datedParameters: (_path, parameters) => parameters,
    list: () => [],
    get: () => undefined,
    compile: (input) => {
      if (input.pipeline === 'gcp/cost/nothing')
        throw new AppError('PIPELINE_UNKNOWN', 'pipeline gcp/cost/nothing: no such pipeline')
      asked.push(input)
      const { skip, tenant: _, ...facts } = input
      return makeRun('', {
        ...facts,
        ...(skip === undefined ? {} : { skip: [...skip] }),
        pipeline_id: 'p',
        priority: input.priority ?? 5,
      })
    },
  }
  let now = Date.parse(at(0))
  const service = await scheduler({
    bus,
    warehouse,
    pipelines,
    log: openLog({ service: 'scheduler', level: 'error', write: () => undefined }),
    now: () => new Date(now),
    random: () => 0.5,
    epoch: 'e1',
    platform_keys,
    steps: { host: async () => [], cancel: () => undefined },
  })
  const deliver = async (
    topic: Topic,
    event: unknown,
    attributes: Record<string, string> = {},
    published_at = at(0),
    attempt = 1,
  ): Promise<readonly Outgoing[]> =>
    (await handlers.get(topic)!(event as never, {
      message_id: 'm',
      published_at,
      attributes,
      data: Buffer.from(JSON.stringify(event)),
      attempt,
      beforeAck: () => undefined,
      signal: new AbortController().signal,
    })) ?? []
  for (const tenant_id of ['acme', 'globex'])
    await deliver('tenant-changed', (tenant(tenant_id) as Message & { kind: 'tenant' }).event)
  return {
    service,
    deliver,
    table,
    register: (kid: string) => {
      keys.push({ kid, tenant_id: 'globex', public_key: spki(globex), pipelines: [], is_active: true })
    },
    keyReads: () => keyReads,
    profiles,
    profileReads: () => profileReads,
    asked,
    later: (ms: number) => {
      now += ms
    },
    put,
    read,
    letDie: async (message: Partial<DeadDelivery>) =>
      (await dead!({
        message_id: 'm',
        published_at: at(0),
        subscription: 'executor.step-completed',
        attributes: {},
        data: Buffer.from('{'),
        delivery_attempts: 20,
        ...message,
      })) ?? [],
  }
}

/** Attributes of a signed request; `change` alters them after signing. */
const signed = (
  event: RunRequested,
  {
    kid = 'auth',
    key = platform,
    idempotency_key = 'k1',
    ts = at(0),
    ...change
  }: {
    kid?: string
    key?: ReturnType<typeof pair>
    idempotency_key?: string
    ts?: string
    [name: string]: unknown
  } = {},
): Record<string, string> => {
  const facts = { kid, tenant_id: event.tenant_id, idempotency_key, ts }
  return {
    ...eventAttributes('run-requested', event),
    ...facts,
    sig: sign(
      null,
      Buffer.from(signedText({ ...facts, data: Buffer.from(JSON.stringify(event)) })),
      key.privateKey,
    ).toString('base64'),
    ...(change as Record<string, string>),
  }
}
const code = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'taken',
    (error: AppError) => error.code,
  )

const acme: RunRequested = { tenant_id: 'acme', pipeline: 'gcp/cost/billing' }
const ofGlobex: RunRequested = { tenant_id: 'globex', pipeline: 'gcp/cost/billing' }

describe('run-requested', () => {
  it('is admitted when the platform signed it, under the run id of tenant and key', async () => {
    const { deliver, table } = await setup()
    const admitted = await deliver('run-requested', acme, signed(acme))
    expect(runOf(admitted)).to.include({
      run_id: runId('acme', 'k1'),
      trigger_type: 'api',
      requested_at: at(0),
      admitted_at: at(0),
    })
    expect(table('run_ledger').at(-1)).to.include({ kind: 'ADMIT', epoch: 'e1', shard: 0, seq: 3, idx: 0 })
  })

  it("knows the tenant's address and company by what changed last", async () => {
    const { deliver, asked, profileReads } = await setup()
    const names = { admin_email: 'new@acme.example', company_name: 'Acme & Söhne' }
    await deliver(
      'tenant-changed',
      (tenant('acme', {}, { version: 2, ...names }) as Message & { kind: 'tenant' }).event,
    )
    await deliver('run-requested', acme, signed(acme))
    expect(asked[0]?.tenant).to.deep.equal(names)
    expect(profileReads()).to.equal(0)
  })

  it('knows them by the profile of a tenant that the ledger knows without, read once', async () => {
    const { deliver, letDie, asked, profiles, profileReads } = await setup()
    const names = { admin_email: 'admin@acme.example', company_name: 'Acme' }
    profiles.away = true
    expect(await code(deliver('run-requested', acme, signed(acme)))).to.equal('UNAVAILABLE')
    profiles.away = false
    profiles.rows.push({ tenant_id: 'acme', ...names })
    const keys = ['k1', 'k2', 'k3']
    await Promise.all(keys.map((idempotency_key) => deliver('run-requested', acme, signed(acme, { idempotency_key }))))
    await letDie({
      subscription: 'scheduler.run-requested',
      attributes: signed(acme, { idempotency_key: 'k4' }),
      data: Buffer.from(JSON.stringify(acme)),
    })
    expect(asked.map((input) => input.tenant)).to.deep.equal([names, names, names, names])
    expect(profileReads()).to.equal(2)
  })

  it('knows them by the profile where another replica has heard of the tenant and this one has not yet', async () => {
    const { deliver, asked, profiles } = await setup()
    const names = { admin_email: 'admin@new.example', company_name: 'New' }
    profiles.rows.push({ tenant_id: 'new_corp', ...names })
    const event: RunRequested = { ...acme, tenant_id: 'new_corp' }
    await deliver('run-requested', event, signed(event)).catch(() => undefined)
    expect(asked[0]?.tenant).to.deep.equal(names)
  })

  it("is admitted when a publisher signed it for its tenant, and is a publisher's run whatever it says", async () => {
    const { deliver } = await setup()
    const event: RunRequested = { ...ofGlobex, trigger_type: 'system', trigger_by: 'me' }
    expect(runOf(await deliver('run-requested', event, signed(event, { kid: 'globex-1', key: globex })))).to.include({
      trigger_type: 'publisher',
      trigger_by: 'globex-1',
    })
  })

  const refused: [string, RunRequested, Parameters<typeof signed>[1]][] = [
    ['for another tenant', acme, { kid: 'globex-1', key: globex }],
    ['with a key that is not registered', ofGlobex, { kid: 'nobody', key: stranger }],
    ['with another private key', ofGlobex, { kid: 'globex-1', key: stranger }],
    ['with a revoked key', ofGlobex, { kid: 'globex-revoked', key: globex }],
    ['with an expired key', ofGlobex, { kid: 'globex-expired', key: globex }],
    ['with a row that claims all tenants', acme, { kid: 'globex-star', key: globex }],
    [
      'for a pipeline that the key may not ask for',
      { ...ofGlobex, pipeline: 'aws/cost/cur' },
      { kid: 'globex-narrow', key: globex },
    ],
    [
      'for a pipeline of the platform',
      { ...ofGlobex, pipeline: 'setup/tenants/onboarding' },
      { kid: 'globex-1', key: globex },
    ],
    ['more than five minutes ago', acme, { ts: at(-6) }],
    ['at a time that is none', acme, { ts: 'yesterday' }],
    ['and its key was changed afterwards', acme, { idempotency_key: 'k1', sig: 'A'.repeat(86) + '==' }],
    ['without a signature', acme, { sig: undefined }],
    ["for a tenant that differs from the body's", acme, { tenant_id: 'globex' }],
  ]
  for (const [how, event, options] of refused) {
    it(`is a dead letter BAD_SIGNATURE when signed ${how}`, async () => {
      const { deliver, table } = await setup()
      const attributes = Object.fromEntries(
        Object.entries(signed(event, options)).filter(([, value]) => value !== undefined),
      )
      expect(await code(deliver('run-requested', event, attributes))).to.equal('BAD_SIGNATURE')
      expect(table('run_ledger').filter(({ kind }) => kind !== 'TENANT')).to.deep.equal([])
    })
  }

  it('is admitted under the old and the new key of a service while they are changed', async () => {
    const { deliver } = await setup({ auth: [platform.publicKey, stranger.publicKey] })
    for (const [idempotency_key, key] of [
      ['old', platform],
      ['new', stranger],
    ] as const)
      expect(summaryOf(await deliver('run-requested', acme, signed(acme, { key, idempotency_key })))).to.deep.equal([
        'run-admitted',
      ])
    expect(
      await code(deliver('run-requested', acme, signed(acme, { key: globex, idempotency_key: 'other' }))),
    ).to.equal('BAD_SIGNATURE')
  })

  it('is refused when its body was changed after signing', async () => {
    const { deliver } = await setup()
    expect(await code(deliver('run-requested', { ...acme, pipeline: 'aws/cost/cur' }, signed(acme)))).to.equal(
      'BAD_SIGNATURE',
    )
  })

  it('is refused when it brings another run id', async () => {
    const { deliver } = await setup()
    const event = { ...acme, run_id: runId('acme', 'other') }
    expect(await code(deliver('run-requested', event, signed(event)))).to.equal('EVENT_INVALID')
  })

  it('verifies also when it is delivered again an hour later', async () => {
    const { deliver, later } = await setup()
    later(3_600_000)
    expect(summaryOf(await deliver('run-requested', acme, signed(acme)))).to.deep.equal(['run-admitted'])
  })

  it('waits two minutes and six deliveries for its tenant, then is a dead letter', async () => {
    const { deliver, later } = await setup()
    const event = { tenant_id: 'newcomer', pipeline: 'gcp/cost/billing' }
    expect(await code(deliver('run-requested', event, signed(event), at(0), 7))).to.equal('UNAVAILABLE')
    later(120_000)
    expect(await code(deliver('run-requested', event, signed(event), at(0), 6))).to.equal('UNAVAILABLE')
    expect(await code(deliver('run-requested', event, signed(event), at(0), 7))).to.equal('TENANT_UNKNOWN')
  })

  it('is looked at again when its key was looked for a moment before it was registered', async () => {
    const { deliver, later, register } = await setup()
    const request = (idempotency_key: string) =>
      deliver('run-requested', ofGlobex, signed(ofGlobex, { kid: 'globex-2', key: globex, idempotency_key }))
    expect(await code(request('a'))).to.equal('BAD_SIGNATURE')
    register('globex-2')
    later(500)
    expect(await code(request('b'))).to.equal('UNAVAILABLE')
    later(500)
    expect(summaryOf(await request('b'))).to.deep.equal(['run-admitted'])
  })

  it('that asks for an unknown pipeline is a rejected run with that code', async () => {
    const { deliver } = await setup()
    const event = { ...acme, pipeline: 'gcp/cost/nothing' }
    expect(summaryOf(await deliver('run-requested', event, signed(event)))).to.deep.equal([
      'run-failed REJECTED PIPELINE_UNKNOWN',
    ])
  })

  it('with a used key and other parameters is a dead letter and leaves the first run alone', async () => {
    const { deliver, service } = await setup()
    await deliver('run-requested', acme, signed(acme))
    const other = { ...acme, parameters: { date: '2026-01-01' } }
    expect(await code(deliver('run-requested', other, signed(other)))).to.equal('IDEMPOTENCY_MISMATCH')
    expect(service.state.running.has(runId('acme', 'k1'))).to.be.true
  })

  it('cancels a run that parent_run_id or run_id names', async () => {
    for (const name of ['parent_run_id', 'run_id'] as const) {
      const { deliver } = await setup()
      await deliver('run-requested', acme, signed(acme))
      const cancel: RunRequested = { tenant_id: 'acme', action: 'cancel', [name]: runId('acme', 'k1') }
      expect(
        summaryOf(await deliver('run-requested', cancel, signed(cancel, { idempotency_key: 'cancel-1' }))),
      ).to.deep.equal(['run-failed CANCELLED CANCELLED'])
    }
  })

  it('resumes as a new run that skips what its parent has done', async () => {
    const { deliver } = await setup()
    const resume: RunRequested = {
      ...acme,
      action: 'resume',
      parent_run_id: runId('acme', 'k0'),
      skip: ['s0'],
      trigger_type: 'resume',
    }
    const admitted = await deliver('run-requested', resume, signed(resume, { idempotency_key: 'resume-1' }))
    expect(runOf(admitted)).to.deep.include({
      parent_run_id: runId('acme', 'k0'),
      skip: ['s0'],
      trigger_type: 'resume',
    })
  })

  it("reads the publishers' keys once in 30 seconds", async () => {
    const { deliver, keyReads, later } = await setup()
    for (const idempotency_key of ['a', 'b', 'c'])
      await deliver('run-requested', ofGlobex, signed(ofGlobex, { kid: 'globex-1', key: globex, idempotency_key }))
    expect(keyReads()).to.equal(1)
    later(30_000)
    await deliver('run-requested', ofGlobex, signed(ofGlobex, { kid: 'globex-1', key: globex, idempotency_key: 'a' }))
    expect(keyReads()).to.equal(2)
  })
})

describe('step-completed', () => {
  it('ends the run when it was the last step', async () => {
    const { deliver } = await setup()
    const run = runOf(await deliver('run-requested', acme, signed(acme)))
    expect(summaryOf(await deliver('step-completed', (ended(run) as Message & { kind: 'ended' }).event))).to.deep.equal(
      ['run-completed COMPLETED'],
    )
  })
})

describe('a recreated ledger', () => {
  it('goes on from its own first row, and the same request is a run again', async () => {
    const { deliver, service, table } = await setup()
    await deliver('run-requested', acme, signed(acme))
    await service.recreated('e2')
    expect(await code(deliver('run-requested', acme, signed(acme)))).to.equal('UNAVAILABLE')
    await deliver('tenant-changed', (tenant('acme') as Message & { kind: 'tenant' }).event)
    expect(summaryOf(await deliver('run-requested', acme, signed(acme)))).to.deep.equal(['run-admitted'])
    expect(
      table('run_ledger')
        .slice(-2)
        .map(({ epoch, seq }) => `${epoch} ${seq}`),
    ).to.deep.equal(['e2 1', 'e2 2'])
  })
})

describe('what would be kept of a request', () => {
  const codeOf = async (event: RunRequested, change: Record<string, string> = {}, padding = '') => {
    const { deliver, asked } = await setup()
    const kid = 'globex-1'
    const whole = padding === '' ? event : { ...event, padding }
    const attributes = signed(whole, { kid, key: globex, idempotency_key: 'k9', ...change })
    const outcome = await deliver('run-requested', whole, attributes).then(
      () => 'taken',
      (error: unknown) => (error as AppError).code,
    )
    expect(asked.length > 0).to.equal(outcome === 'taken')
    return outcome
  }
  const request = (parameters: Record<string, string>): RunRequested => ({ ...acme, tenant_id: 'globex', parameters })

  it('is bound: parameters, the whole of it, the idempotency key', async () => {
    expect(await codeOf(request({ note: 'x'.repeat(10_000) }))).to.equal('taken')
    const four = Object.fromEntries(['a', 'b', 'c', 'd'].map((name) => [name, 'x'.repeat(9_000)]))
    expect(await codeOf(request(four))).to.equal('EVENT_INVALID')
    // What was put over REST, as the platform's own runs carry it.
    const { deliver } = await setup()
    const rules = (n: number): RunRequested => ({
      ...acme,
      tenant_id: 'system',
      pipeline: 'setup/tenants/allocation_rules',
      parameters: { rules: '"'.repeat(n) },
    })
    const put = (n: number) =>
      deliver('run-requested', rules(n), signed(rules(n), { idempotency_key: `put-${n}` })).then(
        summaryOf,
        (error: unknown) => (error as AppError).code,
      )
    expect(await put(50_000)).to.deep.equal(['run-admitted'])
    expect(await put(70_000)).to.equal('EVENT_INVALID')
    expect(await codeOf(request({}), {}, 'x'.repeat(70_000))).to.equal('EVENT_INVALID')
    expect(await codeOf(request({}), { idempotency_key: 'x'.repeat(201) })).to.equal('EVENT_INVALID')
  })

  it('waits for and cancels nothing of a schedule, or of another publisher', async () => {
    const { deliver } = await setup()
    const nightly: RunRequested = { ...acme, tenant_id: 'globex', concurrency_key: 'globex:nightly' }
    const first = runOf(await deliver('run-requested', nightly, signed(nightly, { idempotency_key: 'n1' })))
    const event: RunRequested = { ...nightly, cancel_in_progress: true }
    const by = (kid: string, idempotency_key: string) =>
      deliver('run-requested', event, signed(event, { kid, key: globex, idempotency_key }))
    const own = await by('globex-1', 'p1')
    expect(summaryOf(own)).to.deep.equal(['run-admitted'])
    expect([first.concurrency_key, runOf(own).concurrency_key]).to.deep.equal([
      'globex:nightly',
      'key/globex-1/globex:nightly',
    ])
    expect(summaryOf(await by('globex-1', 'p2'))).to.deep.equal(['run-failed CANCELLED CANCELLED', 'run-admitted'])
  })

  it('is no secret', async () => {
    const key = `globex_api_${'a'.repeat(42)}`
    for (const secret of [key, `AKIA${'A'.repeat(16)}`, 'https://hooks.slack.com/services/T0/B0/abc'])
      expect(await codeOf(request({ note: `see ${secret}` })), secret).to.equal('EVENT_INVALID')
    expect(await codeOf(request({}), { idempotency_key: key })).to.equal('EVENT_INVALID')
  })

  it('is refused to a key that cancels a run of a pipeline it may not ask for', async () => {
    const { deliver } = await setup()
    const event = { ...request({}), pipeline: 'custom/examples/append_row' }
    const { run_id } = runOf(await deliver('run-requested', event, signed(event, { kid: 'globex-1', key: globex })))
    const cancel = { tenant_id: 'globex', action: 'cancel' as const, parent_run_id: run_id }
    const by = (kid: string) =>
      deliver('run-requested', cancel, signed(cancel, { kid, key: globex, idempotency_key: 'c' })).then(
        summaryOf,
        (error: unknown) => (error as AppError).code,
      )
    expect(await by('globex-narrow')).to.equal('BAD_SIGNATURE')
    expect(await by('globex-1')).to.deep.equal(['run-failed CANCELLED CANCELLED'])
  })
})

describe('a dead letter', () => {
  it('that was refused is kept in part, with its digest, and without the secret that somebody sent', async () => {
    const { letDie, table } = await setup()
    const secret = `globex_api_${'a'.repeat(42)}`
    const data = Buffer.from(`{"note":"${secret}"}${' '.repeat(50_000)}`)
    const attributes = { reason: 'EVENT_INVALID', detail: 'x', idempotency_key: secret, long: 'x'.repeat(5_000) }
    await letDie({ subscription: 'scheduler.run-requested', attributes, data })
    const row = table('dead_letters_rows')[0]!
    expect(JSON.stringify(row)).not.to.contain(secret)
    const body = Buffer.from(String(row['body']), 'base64').toString()
    expect(body).to.match(/^\{"note":"\[secret\]"\} +$/)
    expect(body.length).to.be.lessThan(16_385)
    expect(row['detail']).to.match(/^x; of its 50\d\d\d bytes, sha256 [0-9a-f]{64}, the first 16384 are kept$/)
    expect(row['attributes']).to.have.property('long').with.length(1024)
  })

  it('has no secret in any column, whole or in part, wherever somebody put it', async () => {
    const { letDie, table } = await setup()
    const secret = `globex_api_${'a'.repeat(42)}`
    // Where a body is cut, and where a detail and an attribute are.
    const data = Buffer.from(`${'x '.repeat(8_180)}${secret}`)
    const attributes = {
      reason: `see ${secret}`,
      detail: `run-requested signed by "${secret}": no such publisher key ${'x '.repeat(1_950)}${secret}`,
      tenant_id: secret,
      run_id: secret,
      note: `${'x '.repeat(500)}${secret}`,
      [secret]: 'x',
    }
    await letDie({ subscription: 'scheduler.run-requested', attributes, data })
    await letDie({ subscription: 'scheduler.run-requested', attributes: { reason: 'BAD_SIGNATURE' }, data })
    const rows = table('dead_letters_rows')
    for (const row of rows) {
      const body = Buffer.from(String(row['body']), 'base64').toString()
      expect(JSON.stringify({ ...row, body })).not.to.match(/globex_api_|aaaa/)
    }
    expect(rows[0]).to.include({ reason: 'POISON', tenant_id: null, run_id: null })
    expect(rows[0]!['detail']).to.match(/^run-requested signed by "\[secret\]": no such publisher key/)
  })

  it('of what our services say is kept byte for byte, so that it can be said again', async () => {
    const { letDie, table, put } = await setup()
    const parameters = Object.fromEntries(['a', 'b', 'c'].map((name) => [name, 'x'.repeat(9_000)]))
    const run = makeRun('k1', { parameters: { ...parameters, note: `globex_api_${'a'.repeat(42)}` } })
    const { data, attributes } = await put({ topic: 'run-admitted', event: { run, next: [] } })
    await letDie({
      subscription: 'executor.run-admitted',
      attributes: { ...attributes, reason: 'BAD_SIGNATURE', detail: 'x' },
      data,
    })
    expect(data.length).to.be.greaterThan(16_384)
    const row = table('dead_letters_rows')[0]!
    expect(Buffer.from(String(row['body']), 'base64').equals(data)).to.equal(true)
    expect(row).to.include({ detail: 'x', reason: 'BAD_SIGNATURE', run_id: run.run_id, tenant_id: 'acme' })
  })

  it('is stored as it came, with reason, source and body', async () => {
    const { letDie, table } = await setup()
    const data = Buffer.from([0xff, 0x00, 0x7b])
    await letDie({
      subscription: 'notifier.run-failed',
      attributes: { run_id: 'r_x', tenant_id: 'acme', reason: 'EVENT_INVALID', detail: 'not JSON' },
      data,
    })
    expect(table('dead_letters_rows')[0]).to.include({
      subscription: 'notifier.run-failed',
      topic: 'run-failed',
      reason: 'EVENT_INVALID',
      detail: 'not JSON',
      body: data.toString('base64'),
      state: 'NEW',
      version: 1,
    })
  })

  type World = Awaited<ReturnType<typeof setup>>
  /** The message of `topic` about a run that was admitted, with `hosts` of what follows; without them nobody knows yet. */
  const messageOf = async (world: World, topic: 'run-admitted' | 'step-completed' | 'run-failed', hosts?: string[]) => {
    const run = runOf(await world.deliver('run-requested', acme, signed(acme)))
    const next = (hosts ?? []).map((host) => ({ step_id: 'b', host: host as 'tenant' }))
    const admitted = await world.put({ topic: 'run-admitted', event: { run, next } })
    if (topic === 'run-admitted') return admitted
    const confirmed = world.read('run-admitted', { ...admitted, published_at: at(0) }).run
    if (topic === 'run-failed') {
      const error = { code: 'INTERNAL', message: 'x' }
      return world.put({ topic, event: { run: confirmed, status: 'FAILED', ended_at: at(1), error } as never })
    }
    const { next: _, ...step } = (ended(confirmed) as Message & { kind: 'ended' }).event
    return world.put({ topic, event: { ...step, ...(hosts === undefined ? {} : { next }) } })
  }
  for (const [subscription, hosts] of [
    ['executor.run-admitted', ['executor']],
    ['tenant.step-completed', ['tenant']],
    ['scheduler.step-completed', []],
    ['executor.step-completed', undefined],
  ] as const) {
    it(`of ${subscription} with next ${JSON.stringify(hosts)} fails its run and frees the slot`, async () => {
      const world = await setup()
      const dead = await messageOf(world, subscription.split('.')[1] as 'run-admitted', hosts && [...hosts])
      expect(summaryOf(await world.letDie({ subscription, ...dead }))).to.deep.equal(['run-failed FAILED POISON'])
      expect(world.service.state.running.size).to.equal(0)
    })
    it(`of ${subscription} with next ${JSON.stringify(hosts)} fails no run when none of ours has said it`, async () => {
      const world = await setup()
      const { data, attributes } = await messageOf(
        world,
        subscription.split('.')[1] as 'run-admitted',
        hosts && [...hosts],
      )
      const { sig: _, ...unsigned } = attributes
      const another = Buffer.from(Buffer.from(data).toString().replace('"priority":5', '"priority":4'))
      for (const forged of [
        { data, attributes: unsigned },
        { data: another, attributes },
        { data: Buffer.from('{'), attributes },
      ])
        expect(await world.letDie({ subscription, ...forged })).to.deep.equal([])
      expect(world.service.state.running.size).to.equal(1)
    })
  }
  for (const [subscription, hosts] of [
    ['notifier.run-failed', undefined],
    ['executor.run-failed', undefined],
    ['executor.step-completed', []],
    ['executor.step-completed', ['tenant']],
    ['auth.step-completed.r0', ['auth']],
  ] as const) {
    it(`of ${subscription} with next ${JSON.stringify(hosts)} fails no run`, async () => {
      const world = await setup()
      const dead = await messageOf(world, subscription.split('.')[1] as 'run-failed', hosts && [...hosts])
      expect(await world.letDie({ subscription, ...dead })).to.deep.equal([])
      expect(world.service.state.running.size).to.equal(1)
    })
  }

  it('of a request that verifies rejects its run, also long after it was signed; of another, nothing', async () => {
    const { letDie } = await setup()
    const dead = {
      subscription: 'scheduler.run-requested',
      data: Buffer.from(JSON.stringify(acme)),
      published_at: at(60),
    }
    expect(summaryOf(await letDie({ ...dead, attributes: signed(acme) }))).to.deep.equal(['run-failed REJECTED POISON'])
    expect(await letDie({ ...dead, attributes: signed(acme, { key: stranger, idempotency_key: 'k2' }) })).to.deep.equal(
      [],
    )
    expect(
      await letDie({ ...dead, attributes: { ...signed(acme, { idempotency_key: 'k3' }), reason: 'BAD_SIGNATURE' } }),
    ).to.deep.equal([])
    expect(await letDie({ ...dead, data: Buffer.from('{'), attributes: {} })).to.deep.equal([])
  })

  it('has the same name when it comes twice', async () => {
    const { letDie, table } = await setup()
    await letDie({})
    await letDie({})
    expect(new Set(table('dead_letters_rows').map(({ event_id }) => event_id)).size).to.equal(1)
  })
})
