import { expect } from 'chai'
import { AppError, requestDigest, runId, type Run, type RunRequested } from '@convergence/contracts'
import { endEvent, inWorld, playSuccess, stepEvent, type World } from './fakes.ts'

const path = '/api/v1/pipelines/run/acme_corp/custom/bench/three_steps'
const withTenant = (body: (world: World, key: string) => Promise<void>, plan: 'SCALE' | 'STARTER' = 'SCALE') =>
  inWorld({}, async (world) => {
    world.addTenant('acme_corp', { plan })
    await body(world, world.addKey('acme_corp'))
  })

describe('asking for a run', () => {
  it('answers 202 when row and request are there, and the run is readable at once', () =>
    withTenant(async (world, key) => {
      const { status, body } = await world.call('POST', path, {
        key,
        body: {},
        headers: { 'X-User-ID': '6F1C2A30-0000-4000-8000-000000000001' },
      })
      expect(status).to.equal(202)
      const id = String(body['pipeline_logging_id'])
      expect(body).to.include({ tenant_id: 'acme_corp', pipeline_id: 'custom_bench_three_steps', status: 'PENDING' })
      expect(world.warehouse.rows['run_requests']).to.have.length(1)
      expect(world.bus.published).to.have.length(1)
      expect(world.bus.published[0]?.event).to.deep.include({
        run_id: id,
        tenant_id: 'acme_corp',
        pipeline: 'custom/bench/three_steps',
        user_id: '6f1c2a30-0000-4000-8000-000000000001',
      })
      const queriesBefore = world.warehouse.queries.length
      const read = await world.call('GET', `/api/v1/pipelines/runs/${id}`, { key })
      expect([read.status, read.body['status']]).to.deep.equal([200, 'PENDING'])
      expect(world.warehouse.queries).to.have.length(queriesBefore)
    }))
  it('refuses parameters that no message would carry, before anything is written', () =>
    withTenant(async (world, key) => {
      const body = Object.fromEntries(['a', 'b', 'c', 'd'].map((name) => [name, 'x'.repeat(9_000)]))
      const answer = await world.call('POST', path, { key, body })
      expect([answer.status, answer.body['errors']]).to.deep.equal([
        400,
        ['body: parameters expected at most 32768 bytes in all, got 36029'],
      ])
      expect(world.warehouse.rows['run_requests'] ?? []).to.have.length(0)
    }))
  it('passes on the priority that is asked for, and refuses one that is none', () =>
    withTenant(async (world, key) => {
      expect((await world.call('POST', `${path}?priority=0`, { key, body: {} })).status).to.equal(202)
      expect((await world.call('POST', path, { key, body: {} })).status).to.equal(202)
      expect(world.bus.published.map(({ event }) => (event as { priority?: number }).priority)).to.deep.equal([
        0,
        undefined,
      ])
      for (const priority of ['10', '-1', 'high', '1.5', ''])
        expect((await world.call('POST', `${path}?priority=${priority}`, { key, body: {} })).status).to.equal(400)
    }))
  it('shows each step as it ends and the end itself, under both paths', () =>
    withTenant(async (world, key) => {
      const id = String((await world.call('POST', path, { key, body: {} })).body['pipeline_logging_id'])
      const run = world.runOf('acme_corp', id)
      await world.bus.play('run-admitted', { run, next: [] })
      await world.bus.play('step-completed', stepEvent(run, 'a'))
      const running = (await world.call('GET', `/api/v1/pipelines/${id}/status`, { key })).body
      expect(running['status']).to.equal('RUNNING')
      const shown = running['steps'] as unknown as { step_id: string; status: string; start_time: string | null }[]
      expect(shown.map(({ step_id, status }) => `${step_id} ${status}`)).to.deep.equal([
        'a SUCCEEDED',
        'b WAITING',
        'c WAITING',
      ])
      expect(shown.map(({ start_time }) => start_time === null)).to.deep.equal([false, true, true])
      await world.bus.play('step-completed', {
        ...stepEvent(run, 'a'),
        next: [{ step_id: 'b', host: 'executor' }],
      })
      const { body } = await world.call('GET', `/api/v1/pipelines/${id}/status`, { key })
      expect((body['steps'] as unknown as { status: string }[]).map(({ status }) => status)).to.deep.equal([
        'SUCCEEDED',
        'RUNNING',
        'WAITING',
      ])
      await world.bus.play('step-completed', stepEvent(run, 'b'))
      await world.bus.play('step-completed', stepEvent(run, 'c'))
      await world.bus.play('step-completed', stepEvent(run, 'c'))
      await world.bus.play('run-completed', endEvent(run))
      const ended = (await world.call('GET', `/api/v1/pipelines/runs/${id}`, { key })).body as unknown as {
        status: string
        steps: Record<string, unknown>[]
        duration_ms: number
      }
      expect([ended.status, ended.duration_ms]).to.deep.equal(['COMPLETED', 3000])
      expect(ended.steps.map(({ step_id, status, rows_written }) => [step_id, status, rows_written])).to.deep.equal([
        ['a', 'SUCCEEDED', 3],
        ['b', 'SUCCEEDED', 3],
        ['c', 'SUCCEEDED', 3],
      ])
    }))
  it('is the same run for the same idempotency key, also for a hundred at a time', () =>
    withTenant(async (world, key) => {
      const headers = { 'Idempotency-Key': 'once' }
      const answers = await Promise.all(
        Array.from({ length: 100 }, () => world.call('POST', path, { key, body: {}, headers })),
      )
      expect(
        new Set(answers.map(({ status, body }) => `${status} ${String(body['pipeline_logging_id'])}`)),
      ).to.deep.equal(new Set([`202 ${runId('acme_corp', 'once')}`]))
      expect(world.bus.published).to.have.length(1)
      const other = await world.call('POST', '/api/v1/pipelines/run/acme_corp/gcp/cost/billing', {
        key,
        body: { date: '2026-03-01' },
        headers,
      })
      expect([other.status, other.body['code']]).to.deep.equal([409, 'IDEMPOTENCY_MISMATCH'])
    }))
  it('is one run, and a conflict for what differs, when a key is used twice at the same moment', () =>
    withTenant(async (world, key) => {
      const { query } = world.warehouse
      let waiting = 0
      // No request of this key is known: that is answered when all four have asked, and they go on together.
      world.warehouse.query = async (statement) => {
        const rows = await query(statement)
        if (!/tenants\.run_requests/.test(statement.query)) return rows
        waiting += 1
        while (waiting < 4) await new Promise((resolve) => setImmediate(resolve))
        return rows
      }
      const headers = { 'Idempotency-Key': 'once' }
      const ask = (note: string) =>
        world.call('POST', '/api/v1/pipelines/run/acme_corp/gcp/cost/billing', {
          key,
          body: { date: '2026-03-01', note },
          headers,
        })
      const answers = await Promise.all(['a', 'b', 'a', 'b'].map(ask))
      expect(answers.map(({ status }) => status).sort()).to.deep.equal([202, 202, 409, 409])
      expect(new Set(answers.flatMap(({ status }, at) => (status === 202 ? [at % 2] : [])))).to.have.lengthOf(1)
      expect(world.bus.published).to.have.length(1)
      expect(world.warehouse.rows['run_requests']).to.have.length(1)
    }))
  it('knows an idempotency key from the table when it has not heard of it, and publishes again', () =>
    withTenant(async (world, key) => {
      const headers = { 'Idempotency-Key': 'once' }
      await world.call('POST', path, { key, body: {}, headers })
      world.door.live.clear()
      expect(
        (
          await world.call('POST', '/api/v1/pipelines/run/acme_corp/gcp/cost/billing', {
            key,
            body: { date: '2026-03-01' },
            headers,
          })
        ).status,
      ).to.equal(409)
      expect((await world.call('POST', path, { key, body: {}, headers })).status).to.equal(202)
      expect(world.bus.published).to.have.length(2)
    }))
  it('answers 503 when it did not become durable, and takes the same request again', () =>
    withTenant(async (world, key) => {
      const headers = { 'Idempotency-Key': 'once' }
      world.bus.failing = true
      const refused = await world.call('POST', path, { key, body: {}, headers })
      expect([refused.status, refused.headers.get('retry-after')]).to.deep.equal([503, '2'])
      world.bus.failing = false
      expect((await world.call('POST', path, { key, body: {}, headers })).status).to.equal(202)
      expect(world.bus.published).to.have.length(1)
    }))
  it('executes nothing of a request whose row could not be written, and says why', () =>
    withTenant(async (world, key) => {
      const { append } = world.warehouse
      world.warehouse.append = () =>
        Promise.reject(new AppError('DISK_FULL', '/var/data/journal.db: no space left to write'))
      const refused = await world.call('POST', path, { key, body: {} })
      expect([refused.status, refused.body['code']]).to.deep.equal([507, 'DISK_FULL'])
      expect(refused.text).to.not.contain('journal.db')
      expect(world.lines.join('')).to.contain('journal.db')
      expect(world.bus.published).to.deep.equal([])
      world.warehouse.append = append
      expect((await world.call('POST', path, { key, body: {} })).status).to.equal(202)
      expect(world.bus.published).to.have.length(1)
    }))
  it('names every wrong parameter at once', () =>
    withTenant(async (world, key) => {
      const { status, body } = await world.call('POST', '/api/v1/pipelines/run/acme_corp/gcp/cost/billing', {
        key,
        body: { date: 'tomorrow', colour: 'red' },
      })
      expect([status, body['code'], body['errors']]).to.deep.equal([
        400,
        'PARAMETER_INVALID',
        ['colour: is not a parameter', 'date: expected a date'],
      ])
    }))
  it('does not offer the pipelines of the platform', () =>
    withTenant(async (world, key) => {
      expect(
        (await world.call('POST', '/api/v1/pipelines/run/acme_corp/setup/tenants/onboarding', { key, body: {} })).body[
          'code'
        ],
      ).to.equal('PIPELINE_UNKNOWN')
      const list = (await world.call('GET', '/api/v1/pipelines', { key })).body as unknown as {
        items: { pipeline: string; parameters: unknown }[]
      }
      expect(list.items.map(({ pipeline }) => pipeline)).to.deep.equal([
        'gcp/cost/billing',
        'custom/bench/three_steps',
        'custom/bench/conditions',
      ])
      const one = (await world.call('GET', '/api/v1/pipelines/gcp/cost/billing', { key })).body
      expect(one['parameters']).to.deep.include({ type: 'object', required: ['date'], additionalProperties: false })
    }))
  it('advises 402 at once when the tenant is suspended, and 429 with its reset when the ledger counts the day full', () =>
    withTenant(async (world, key) => {
      expect((await world.call('POST', path, { key, body: {} })).status).to.equal(202)
      world.warehouse.rows['usage'] = [{ tenant_id: 'acme_corp', daily: 6, monthly: 6, concurrent: 0 }]
      for (let k = 0; k < 6; k += 1)
        await world.bus.play('run-admitted', {
          run: world.runOf('acme_corp', runId('acme_corp', `other ${k}`)),
          next: [],
        })
      const full = await world.call('POST', path, { key, body: {} })
      expect([full.status, full.body['code'], full.body['resets_at'], full.headers.get('retry-after')]).to.deep.equal([
        429,
        'QUOTA_EXCEEDED',
        '2026-03-11T00:00:00.000Z',
        '43200',
      ])
      await world.bus.play('tenant-changed', {
        tenant_id: 'acme_corp',
        version: 2,
        status: 'ACTIVE',
        plan: 'SCALE',
        limits: { daily: 100, monthly: 3000, concurrent: 10 },
      })
      expect((await world.call('POST', path, { key, body: {} })).status).to.equal(202)
      await world.bus.play('tenant-changed', {
        tenant_id: 'acme_corp',
        version: 3,
        status: 'SUSPENDED',
        plan: 'SCALE',
        limits: { daily: 100, monthly: 3000, concurrent: 10 },
      })
      const suspended = await world.call('POST', path, { key, body: {} })
      expect([suspended.status, suspended.body['code']]).to.deep.equal([402, 'SUBSCRIPTION_INACTIVE'])
    }, 'STARTER'))
  it('never refuses on its own estimate alone', () =>
    withTenant(async (world, key) => {
      await world.call('POST', path, { key, body: {} })
      for (let k = 0; k < 9; k += 1)
        await world.bus.play('run-admitted', {
          run: world.runOf('acme_corp', runId('acme_corp', `other ${k}`)),
          next: [],
        })
      world.warehouse.rows['usage'] = [{ tenant_id: 'acme_corp', daily: 5, monthly: 5, concurrent: 0 }]
      expect((await world.call('POST', path, { key, body: {} })).status).to.equal(202)
    }, 'STARTER'))
  it('tells what a run would do, and runs nothing', () =>
    withTenant(async (world, key) => {
      world.warehouse.dryRuns = async () => ({
        statement_type: 'SELECT',
        referenced_tables: [{ project_id: 'local-convergence', dataset: 'globex', table: 'secrets' }],
        columns: [],
        bytes_processed: 77,
      })
      const { status, body } = await world.call(
        'POST',
        '/api/v1/pipelines/run/acme_corp/gcp/cost/billing?dry_run=true',
        { key, body: { date: '2026-03-01' } },
      )
      expect([status, body['ok'], body['bytes_processed']]).to.deep.equal([200, false, 77])
      const [step] = body['steps'] as unknown as { reads: string[]; writes: { table: string }[]; problems: string[] }[]
      expect(step?.reads).to.deep.equal(['local-convergence.globex.secrets'])
      expect(step?.writes[0]?.table).to.equal('local-convergence.acme_corp.gcp_cost_billing')
      expect(step?.problems[0]).to.match(/SOURCE_NOT_DECLARED/)
      expect(world.bus.published).to.deep.equal([])
      expect(world.warehouse.rows['run_requests']).to.equal(undefined)
    }))
})

describe('reading runs', () => {
  it('falls back to the tables for what it has not heard of', () =>
    withTenant(async (world, key) => {
      const id = runId('acme_corp', 'old')
      world.warehouse.rows['run_requests'] = [
        {
          run_id: id,
          tenant_id: 'acme_corp',
          pipeline: 'gcp/cost/billing',
          pipeline_id: 'gcp_cost_billing',
          parameters: { date: '2026-03-01' },
          trigger_type: 'api',
          trigger_by: 'k',
          user_id: null,
          requested_at: '2026-03-01T00:00:00Z',
        },
      ]
      expect((await world.call('GET', `/api/v1/pipelines/runs/${id}`, { key })).body['status']).to.equal('PENDING')
      world.warehouse.rows['queue'] = [{ pipeline_logging_id: id, queue_id: id }]
      expect((await world.call('GET', `/api/v1/pipelines/runs/${id}`, { key })).body['status']).to.equal('QUEUED')
      world.warehouse.rows['runs'] = [
        {
          pipeline_logging_id: id,
          tenant_id: 'acme_corp',
          pipeline: 'gcp/cost/billing',
          pipeline_id: 'gcp_cost_billing',
          status: 'COMPLETED',
          parameters: { date: '2026-03-01' },
          start_time: '2026-03-01T00:00:01Z',
          end_time: '2026-03-01T00:00:02Z',
          duration_ms: 1000,
        },
      ]
      world.warehouse.rows['steps'] = [
        {
          pipeline_logging_id: id,
          step_id: 'extract',
          step_name: 'Extract',
          ps_type: 'gcp.bq_etl',
          status: 'SUCCEEDED',
          attempt: 0,
          start_time: '2026-03-01T00:00:01Z',
          end_time: '2026-03-01T00:00:02Z',
          duration_ms: 1000,
        },
      ]
      const { body } = await world.call('GET', `/api/v1/pipelines/runs/${id}`, { key })
      expect(body).to.deep.include({ status: 'COMPLETED', duration_ms: 1000, parameters: { date: '2026-03-01' } })
      expect(body['steps']).to.have.length(1)
      const events = (await world.call('GET', `/api/v1/pipelines/runs/${id}/events`, { key })).text
      expect([...events.matchAll(/^event: (.*)$/gm)].map((match) => match[1])).to.deep.equal([
        'run-requested',
        'run-admitted',
        'step-completed',
        'run-completed',
      ])
    }))
  it('believes the tables about a run of which it has heard nothing for long', () =>
    withTenant(async (world, key) => {
      const id = String((await world.call('POST', path, { key, body: {} })).body['pipeline_logging_id'])
      world.warehouse.rows['runs'] = [
        {
          pipeline_logging_id: id,
          tenant_id: 'acme_corp',
          pipeline: 'custom/bench/three_steps',
          pipeline_id: 'x',
          status: 'COMPLETED',
          parameters: {},
          start_time: '2026-03-01T00:00:01Z',
        },
      ]
      expect((await world.call('GET', `/api/v1/pipelines/runs/${id}`, { key })).body['status']).to.equal('PENDING')
      world.time.add(5_000)
      expect((await world.call('GET', `/api/v1/pipelines/runs/${id}`, { key })).body['status']).to.equal('COMPLETED')
    }))
  it('pages a list newest first, each run once', () =>
    withTenant(async (world, key) => {
      const made: string[] = []
      for (let k = 0; k < 7; k += 1) {
        world.time.add(1000)
        made.unshift(String((await world.call('POST', path, { key, body: {} })).body['pipeline_logging_id']))
      }
      const seen: string[] = []
      let cursor: string | null = ''
      while (cursor !== null) {
        const page = (await world.call('GET', `/api/v1/pipelines/runs?limit=3&cursor=${cursor}`, { key }))
          .body as unknown as { items: { pipeline_logging_id: string }[]; next_cursor: string | null }
        seen.push(...page.items.map(({ pipeline_logging_id }) => pipeline_logging_id))
        cursor = page.next_cursor
      }
      expect(seen).to.deep.equal(made)
      for (const bad of [
        'cursor=AAAA',
        'limit=501',
        'limit=0',
        'status=DONE',
        'from=yesterday',
        'from=2026-02-31T99:00:00Z',
        'from=2025-02-30',
        'to=2025-02-29',
        'from=2025-02-30T06:00:00Z',
        'to=2025-02-28T24:00:00Z',
        'colour=red',
        'limit=1&limit=2',
      ]) {
        expect((await world.call('GET', `/api/v1/pipelines/runs?${bad}`, { key })).status, bad).to.equal(400)
      }
      for (const good of [
        'from=2024-02-29',
        'to=2025-02-28',
        'from=2025-02-28T23:59:59.5Z',
        'to=2025-02-28T00:00:00%2B05:30',
      ])
        expect((await world.call('GET', `/api/v1/pipelines/runs?${good}`, { key })).status, good).to.equal(200)
    }))
  it('streams every event of a run from its start and ends with it, to watchers that come early, late and afterwards', () =>
    withTenant(async (world, key) => {
      const id = String((await world.call('POST', path, { key, body: {} })).body['pipeline_logging_id'])
      const run = world.runOf('acme_corp', id)
      const names = async () =>
        [
          ...(await world.call('GET', `/api/v1/pipelines/runs/${id}/events`, { key })).text.matchAll(/^event: (.*)$/gm),
        ].map((match) => match[1])
      const opened = async (count: number) => {
        while (world.door.live.size().watchers < count) await new Promise((resolve) => setImmediate(resolve))
      }
      const early = names()
      await opened(1)
      await world.bus.play('run-admitted', { run, next: [] })
      await world.bus.play('step-completed', stepEvent(run, 'a'))
      const late = names()
      await world.bus.play('step-completed', stepEvent(run, 'b'))
      await world.bus.play('step-completed', stepEvent(run, 'b'))
      await world.bus.play('step-completed', stepEvent(run, 'c'))
      await world.bus.play('run-completed', endEvent(run))
      const expected = [
        'run-requested',
        'run-admitted',
        'step-completed',
        'step-completed',
        'step-completed',
        'run-completed',
      ]
      expect(await early).to.deep.equal(expected)
      expect(await late).to.deep.equal(expected)
      expect(await names()).to.deep.equal(expected)
      const ids = async (last?: string) => {
        const { text } = await world.call('GET', `/api/v1/pipelines/runs/${id}/events`, {
          key,
          ...(last === undefined ? {} : { headers: { 'Last-Event-ID': last } }),
        })
        return [...text.matchAll(/^id: (.*)$/gm)].map((match) => String(match[1]))
      }
      const all = await ids()
      expect(new Set(all)).to.have.lengthOf(6)
      for (const [at, last] of all.entries()) expect(await ids(last), `after ${last}`).to.deep.equal(all.slice(at + 1))
      for (const unknown of ['4', '4-000000000000', '999-000000000000', 'x', '-1'])
        expect(await ids(unknown), unknown).to.deep.equal(all)
      expect(world.door.live.size().watchers).to.equal(0)
    }))
  it('goes on where a watcher left off through a replica that heard steps in another order, and starts again when the watcher lacks some', () =>
    withTenant(async (world, key) => {
      const id = String((await world.call('POST', path, { key, body: {} })).body['pipeline_logging_id'])
      const run = world.runOf('acme_corp', id)
      const stream = async (last?: string) =>
        (
          await world.call('GET', `/api/v1/pipelines/runs/${id}/events`, {
            key,
            ...(last === undefined ? {} : { headers: { 'Last-Event-ID': last } }),
          })
        ).text
      const opened = async () => {
        while (world.door.live.size().watchers < 1) await new Promise((resolve) => setImmediate(resolve))
      }
      const steps = (text: string) => [...text.matchAll(/"step_id":"(.)"/g)].map((match) => match[1])
      const idsOf = (text: string) => [...text.matchAll(/^id: (.*)$/gm)].map((match) => String(match[1]))
      /** What a watcher gets of a replica that hears the steps in this order, and knows nothing of the run before. */
      const heardIn = async (order: string, last?: string) => {
        world.door.live.clear()
        const text = stream(last)
        await opened()
        await world.bus.play('run-admitted', { run, next: [] })
        for (const step of order) await world.bus.play('step-completed', stepEvent(run, step))
        await world.bus.play('run-completed', endEvent(run))
        return text
      }
      const before = await heardIn('bac')
      expect(steps(before)).to.deep.equal(['b', 'a', 'c'])
      expect(steps(await heardIn('abc', idsOf(before)[3]))).to.deep.equal(['c'])
      expect(steps(await heardIn('abc', idsOf(before)[2]))).to.deep.equal(['a', 'b', 'c'])
      expect(idsOf(await heardIn('abc', idsOf(before)[5]))).to.deep.equal([])
    }))
  it('looks a silent run up ever more seldom, however often it is asked for, and at once again after something was heard', () =>
    withTenant(async (world, key) => {
      const id = String((await world.call('POST', path, { key, body: {} })).body['pipeline_logging_id'])
      const run = world.runOf('acme_corp', id)
      /** At which seconds of this time, asked each second, the tables were read. */
      const looks = async (seconds: number): Promise<number[]> => {
        const at: number[] = []
        for (let second = 1; second <= seconds; second += 1) {
          world.time.add(1_000)
          const before = world.warehouse.queries.length
          await world.call('GET', `/api/v1/pipelines/runs/${id}`, { key })
          if (world.warehouse.queries.some(({ query }, index) => index >= before && /tenant_step_logs/.test(query)))
            at.push(second)
        }
        return at
      }
      expect(await looks(200)).to.deep.equal([2, 4, 8, 16, 32, 64, 124, 184])
      await world.bus.play('run-admitted', { run, next: [] })
      expect(await looks(60)).to.deep.equal([10, 20, 40])
      await world.bus.play('step-completed', stepEvent(run, 'a'))
      expect(await looks(60)).to.deep.equal([10, 20, 40])
    }))
  it('holds the end back until the steps that it overtook are there', () =>
    inWorld({ settle_ms: 60_000 }, async (world) => {
      world.addTenant('acme_corp')
      const key = world.addKey('acme_corp')
      const id = String((await world.call('POST', path, { key, body: {} })).body['pipeline_logging_id'])
      const run = world.runOf('acme_corp', id)
      const status = async (): Promise<unknown> =>
        (await world.call('GET', `/api/v1/pipelines/runs/${id}`, { key })).body['status']
      await world.bus.play('step-completed', stepEvent(run, 'a'))
      await world.bus.play('step-completed', stepEvent(run, 'c'))
      await world.bus.play('run-completed', endEvent(run))
      expect(await status()).to.equal('RUNNING')
      await world.bus.play('step-completed', stepEvent(run, 'b'))
      expect(await status()).to.equal('COMPLETED')
      await world.bus.play('run-admitted', { run, next: [] })
      expect(await status()).to.equal('COMPLETED')
    }))
  it('ends a stream when the server closes', async () => {
    let stream: Promise<unknown> = Promise.resolve()
    await withTenant(async (world, key) => {
      const id = String((await world.call('POST', path, { key, body: {} })).body['pipeline_logging_id'])
      stream = world.call('GET', `/api/v1/pipelines/runs/${id}/events`, { key })
      while (world.door.live.size().watchers < 1) await new Promise((resolve) => setImmediate(resolve))
    })
    await stream
  })
  it('forgets finished runs first when there are many', () =>
    withTenant(async (world) => {
      const before = world.door.live.size().runs
      for (let k = 0; k < 5_100; k += 1)
        await playSuccess(world.bus, world.runOf('acme_corp', runId('acme_corp', String(k))))
      expect(world.door.live.size().runs - before).to.equal(5_000)
    }))
})

/** A run that ended as FAILED after these steps. */
const failed = async (world: World, key: string, step: string): Promise<string> => {
  const id = String((await world.call('POST', path, { key, body: {} })).body['pipeline_logging_id'])
  await fail(world, id, [step])
  return id
}
const fail = async (world: World, id: string, steps: readonly string[], more: Partial<Run> = {}): Promise<void> => {
  const run = { ...world.runOf('acme_corp', id), ...more }
  await world.bus.play('run-admitted', { run, next: [] })
  for (const step of steps) await world.bus.play('step-completed', stepEvent(run, step))
  await world.bus.play('run-failed', {
    run,
    status: 'FAILED',
    error: { code: 'JOB_FAILED', message: 'no' },
    ended_at: '2026-03-10T12:00:03Z',
  })
}

describe('cancel and resume', () => {
  it('are requests on the bus; a run that has ended is not cancelled, one that succeeded not resumed', () =>
    withTenant(async (world, key) => {
      const id = String((await world.call('POST', path, { key, body: {} })).body['pipeline_logging_id'])
      expect((await world.call('POST', `/api/v1/pipelines/runs/${id}/resume`, { key })).status).to.equal(409)
      expect((await world.call('POST', `/api/v1/pipelines/runs/${id}/cancel`, { key })).status).to.equal(202)
      expect(world.bus.published[1]?.event).to.deep.include({ action: 'cancel', parent_run_id: id })
      const run = world.runOf('acme_corp', id)
      await world.bus.play('run-admitted', { run, next: [] })
      await world.bus.play('step-completed', stepEvent(run, 'a'))
      await world.bus.play('run-failed', {
        run,
        status: 'CANCELLED',
        error: { code: 'CANCELLED', message: 'asked for' },
        ended_at: '2026-03-10T12:00:03Z',
      })
      expect((await world.call('POST', `/api/v1/pipelines/runs/${id}/cancel`, { key })).status).to.equal(409)
      const resumed = await world.call('POST', `/api/v1/pipelines/runs/${id}/resume`, { key })
      expect(resumed.status).to.equal(202)
      expect(resumed.body['pipeline_logging_id']).to.equal(runId('acme_corp', `resume:${id}`))
      expect(world.bus.published[2]?.event).to.deep.include({
        action: 'resume',
        parent_run_id: id,
        skip: ['a'],
        trigger_type: 'resume',
      })
      expect(
        (await world.call('POST', `/api/v1/pipelines/runs/${id}/resume`, { key })).body['pipeline_logging_id'],
      ).to.equal(runId('acme_corp', `resume:${id}`))
      expect(world.bus.published).to.have.length(3)
    }))
  it("resume one run under one key; the same key for another run is a conflict, heard of or read, and the digest is the scheduler's", () =>
    withTenant(async (world, key) => {
      const [a, b] = [await failed(world, key, 'a'), await failed(world, key, 'b')]
      const resume = (id: string) =>
        world.call('POST', `/api/v1/pipelines/runs/${id}/resume`, { key, headers: { 'Idempotency-Key': 'again' } })
      expect((await resume(a)).body['pipeline_logging_id']).to.equal(runId('acme_corp', 'again'))
      for (const forget of [false, true]) {
        if (forget)
          world.warehouse.rows['runs'] = [a, b].map((id) => ({
            pipeline_logging_id: id,
            tenant_id: 'acme_corp',
            pipeline: 'custom/bench/three_steps',
            pipeline_id: 'custom_bench_three_steps',
            status: 'FAILED',
            trigger_type: 'api',
            parameters: {},
          }))
        if (forget) world.door.live.clear()
        const other = await resume(b)
        expect([other.status, other.body['code']]).to.deep.equal([409, 'IDEMPOTENCY_MISMATCH'])
        expect((await resume(a)).status).to.equal(202)
      }
      const event = world.bus.published.at(-1)?.event as RunRequested
      expect(world.warehouse.rows['run_requests']?.at(-1)?.['parameters_digest']).to.equal(requestDigest(event))
    }))
  const resume = async (world: World, key: string, id: string) => {
    const { status, body } = await world.call('POST', `/api/v1/pipelines/runs/${id}/resume`, { key })
    return { status, id: String(body['pipeline_logging_id']), shown: body['status'], message: String(body['message']) }
  }
  const skipped = (world: World) => (world.bus.published.at(-1)?.event as RunRequested).skip
  it('say what the conditions of later steps name of those that are skipped, and do what cleans up again', () =>
    withTenant(async (world, key) => {
      const asked = await world.call('POST', '/api/v1/pipelines/run/acme_corp/custom/bench/conditions', {
        key,
        body: {},
      })
      const id = String(asked.body['pipeline_logging_id'])
      const run = { ...world.runOf('acme_corp', id), pipeline: 'custom/bench/conditions' }
      const error = { code: 'JOB_FAILED', message: 'no' }
      const ended = (step_id: string, more: object) => ({
        ...stepEvent(
          { ...run, steps: ['a', 'b', 'tidy'].map((name) => ({ ...run.steps[0]!, step_id: name })) },
          step_id,
        ),
        ...more,
      })
      await world.bus.play('run-admitted', { run, next: [] })
      await world.bus.play('step-completed', ended('a', { rows_written: 7, outputs: { table: 'acme_corp.t' } }))
      await world.bus.play('step-completed', ended('b', { conclusion: 'FAILED', error }))
      await world.bus.play('step-completed', ended('tidy', {}))
      const { duration_ms: _, ...end } = endEvent(run)
      await world.bus.play('run-failed', { ...end, status: 'FAILED', error, step_id: 'b' })
      expect((await resume(world, key, id)).status).to.equal(202)
      const event = world.bus.published.at(-1)?.event as RunRequested
      expect(event.skip).to.deep.equal(['a'])
      expect(event.results).to.deep.equal({
        a: {
          status: 'SUCCEEDED',
          outputs: {
            table: 'acme_corp.t',
            rows_written: 7,
            bytes_processed: event.results?.['a']?.outputs['bytes_processed'],
            warnings: 0,
          },
        },
      })
    }))
  it('skip what any run of the chain has done, heard of or read, also when one between did nothing', () =>
    withTenant(async (world, key) => {
      const first = await failed(world, key, 'a')
      const chain = [first]
      for (const done of [['b'], [], []]) {
        const parent = chain.at(-1) ?? ''
        const { id } = await resume(world, key, parent)
        await fail(world, id, done, { trigger_type: 'resume', parent_run_id: parent })
        chain.push(id)
      }
      await resume(world, key, chain[3] ?? '')
      expect([...(skipped(world) ?? [])].sort()).to.deep.equal(['a', 'b'])

      const facts = {
        tenant_id: 'acme_corp',
        pipeline: 'custom/bench/three_steps',
        pipeline_id: 'custom_bench_three_steps',
        status: 'FAILED',
        parameters: {},
      }
      world.warehouse.rows['runs'] = chain.map((id, at) => ({
        ...facts,
        pipeline_logging_id: id,
        trigger_type: at === 0 ? 'api' : 'resume',
        parent_run_id: chain[at - 1] ?? null,
      }))
      world.warehouse.rows['steps'] = [0, 1].map((at) => ({
        pipeline_logging_id: chain[at],
        step_id: 'ab'[at],
        status: 'SUCCEEDED',
        attempt: 0,
      }))
      world.door.live.clear()
      await resume(world, key, chain[3] ?? '')
      expect([...(skipped(world) ?? [])].sort()).to.deep.equal(['a', 'b'])

      // What was done before is not known: nothing is done twice.
      world.warehouse.rows['runs'].shift()
      world.warehouse.rows['run_requests'] = []
      world.door.live.clear()
      const before = world.bus.published.length
      const lost = await world.call('POST', `/api/v1/pipelines/runs/${chain[3] ?? ''}/resume`, { key })
      expect([lost.status, lost.body['code'], lost.text.includes(first)]).to.deep.equal([409, 'CONFLICT', true])
      expect(world.bus.published).to.have.length(before)
    }))
  it('take nothing over from a run that a publisher merely names, and end after fifty', () =>
    withTenant(async (world, key) => {
      const named = await failed(world, key, 'a')
      const id = runId('acme_corp', 'published')
      await fail(world, id, ['b'], { trigger_type: 'publisher', parent_run_id: named })
      await resume(world, key, id)
      expect(skipped(world)).to.deep.equal(['b'])
      const circle = runId('acme_corp', 'circle')
      await fail(world, circle, [], { trigger_type: 'resume', parent_run_id: circle })
      expect((await resume(world, key, circle)).status).to.equal(409)
    }))
  it('tell of a run that was resumed before how that went, and what is to be resumed', () =>
    withTenant(async (world, key) => {
      const first = await failed(world, key, 'a')
      const next = await resume(world, key, first)
      expect(next.message).to.equal(`accepted as a new run that goes on where ${first} ended`)
      expect(await resume(world, key, first)).to.deep.equal({
        status: 202,
        id: next.id,
        shown: 'PENDING',
        message: `run ${first} was resumed before as run ${next.id}, which is PENDING; follow it under links`,
      })
      await fail(world, next.id, [], { trigger_type: 'resume', parent_run_id: first })
      const failedToo = {
        status: 202,
        id: next.id,
        shown: 'FAILED',
        message: `run ${first} was resumed before as run ${next.id}, which is FAILED; to go on, resume ${next.id}`,
      }
      expect(await resume(world, key, first)).to.deep.equal(failedToo)
      // Read by a replica that has heard of neither.
      world.warehouse.rows['runs'] = [first, next.id].map((id, at) => ({
        tenant_id: 'acme_corp',
        pipeline: 'custom/bench/three_steps',
        pipeline_id: 'custom_bench_three_steps',
        status: 'FAILED',
        parameters: {},
        pipeline_logging_id: id,
        trigger_type: at === 0 ? 'api' : 'resume',
        parent_run_id: at === 0 ? null : first,
      }))
      world.door.live.clear()
      expect(await resume(world, key, first)).to.deep.equal(failedToo)
      const last = await resume(world, key, next.id)
      expect(last.message).to.equal(`accepted as a new run that goes on where ${next.id} ended`)
      await playSuccess(world.bus, world.runOf('acme_corp', last.id))
      expect(await resume(world, key, next.id)).to.include({
        shown: 'COMPLETED',
        message: `run ${next.id} was resumed before as run ${last.id}, which is COMPLETED; there is nothing to resume`,
      })
    }))
})
