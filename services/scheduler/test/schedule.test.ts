import { expect } from 'chai'
import { AppError, runId, type RunRequested } from '@convergence/contracts'
import type { Pipelines } from '@convergence/pipeline'
import type { Row } from '@convergence/warehouse'
import type { Schedule, Schedules } from '../src/schedule.ts'
import { checkCron, nextTime } from '@convergence/calendar/cron'
import { dayInWords, localDay } from '@convergence/calendar/days'
import { dueTimes } from '../src/due.ts'
import { openSchedules } from '../src/schedule.ts'
import { makeRun } from './world.ts'

const iso = (time: number | undefined): string | undefined =>
  time === undefined ? undefined : new Date(time).toISOString()

/** Times at which a schedule fires when a tick comes each minute. */
const fires = (cron: string, timezone: string, from: string, hours: number): string[] => {
  const times: string[] = []
  let last = Date.parse(from)
  for (let minute = 1; minute <= hours * 60; minute += 1) {
    const until = Date.parse(from) + minute * 60_000
    for (const time of dueTimes({ cron, timezone, missed: 'latest', last_run_time: iso(last)! }, until)) {
      if (time <= last) continue // the window overlaps; the idempotency key folds it
      times.push(iso(time)!)
      last = time
    }
  }
  return times
}

const pipelines = (schedule?: string): Pipelines => ({
  kinds: [],
  followersOf: () => [],
  // As the pipeline's own: the day is counted where the schedule is.
  datedParameters: (_path, parameters, at, timezone) =>
    parameters['date'] === 'yesterday'
      ? { ...parameters, date: dayInWords('yesterday', localDay(at, timezone)) ?? null }
      : parameters,
  list: () => [
    {
      path: 'setup/scheduler/trigger',
      pipeline_id: 'scheduler_trigger',
      description: '',
      parameters: [],
      schedule,
      steps: [],
    },
  ],
  get: (path) =>
    path === 'gcp/cost/billing'
      ? { path, pipeline_id: 'gcp_billing', description: '', parameters: [], steps: [] }
      : undefined,
  compile: (input) => {
    if (Object.keys(input.parameters).some((name) => name !== 'date'))
      throw new AppError('PARAMETER_INVALID', 'unknown parameter')
    return makeRun('x')
  },
})
const setup = async (yaml?: string) => {
  const rows: Row[] = []
  const away = { now: false }
  const open = (onLooks?: (looks: number) => void): Promise<Schedules> =>
    openSchedules({
      ...(onLooks === undefined ? {} : { onLooks }),
      pipelines: pipelines(yaml),
      tenantFacts: () => Promise.resolve({ tenant: undefined }),
      warehouse: {
        append: async (_table, added) => {
          if (away.now) throw new AppError('UNAVAILABLE', 'away')
          rows.push(...structuredClone(added))
        },
        query: async () =>
          [...Map.groupBy(rows, (row) => row['config_id']).values()].map(
            (versions) => versions.toSorted((a, b) => Number(b['version']) - Number(a['version']))[0]!,
          ),
      },
    })
  return { rows, away, open, schedules: await open() }
}
const wanted = {
  tenant_id: 'acme',
  name: 'daily',
  pipeline: 'gcp/cost/billing',
  cron: '0 6 * * *',
  timezone: 'UTC',
  parameters: {},
  priority: 5,
  is_active: true,
  missed: 'latest',
  overlap: 'allow',
} satisfies Partial<Schedule>
const by = { event_id: 'e1', at: '2026-03-10T00:00:00.000Z' }
const never = () => false
const keys = (events: readonly { idempotency_key?: string }[]) => events.map(({ idempotency_key }) => idempotency_key)

describe('a schedule', () => {
  it('asks for the day that it is where the schedule is, also on the day of a change of clocks', async () => {
    const { schedules } = await setup()
    const berlin = { ...wanted, cron: '30 1 * * *', timezone: 'Europe/Berlin', parameters: { date: 'yesterday' } }
    await schedules.put(berlin, { event_id: 'e1', at: '2026-03-27T12:00:00.000Z' })
    const asked = ['2026-03-28T00:30:10Z', '2026-03-29T00:30:10Z', '2026-03-29T23:30:10Z', '2026-03-30T23:30:10Z']
    const days = asked.flatMap((at) =>
      schedules.due(new Date(at).toISOString(), never).map(({ event }) => (event as RunRequested).parameters?.['date']),
    )
    expect(days).to.deep.equal(['2026-03-27', '2026-03-28', '2026-03-29', '2026-03-30'])
  })
  it('is not taken away, made or moved on before that is written', async () => {
    const { away, open, rows, schedules } = await setup()
    const failed = (work: Promise<unknown>) =>
      work.then(
        () => 'done',
        (error: AppError) => error.code,
      )
    away.now = true
    expect(await failed(schedules.put(wanted, by))).to.equal('UNAVAILABLE')
    expect(schedules.list()).to.deep.equal([])
    away.now = false
    await schedules.put(wanted, by)
    // Asked for at one tick, remembered at the next: in memory no sooner than in the table.
    expect(schedules.due('2026-03-10T06:06:00.000Z', never)).to.have.length(1)
    away.now = true
    expect(await failed(schedules.record('2026-03-10T06:07:00.000Z'))).to.equal('UNAVAILABLE')
    away.now = false
    await schedules.record('2026-03-10T06:08:00.000Z')
    expect(rows.at(-1)).to.include({ last_run_time: '2026-03-10T06:00:00.000Z' })
    away.now = true
    expect(await failed(schedules.remove('acme', 'daily', by))).to.equal('UNAVAILABLE')
    away.now = false
    await schedules.remove('acme', 'daily', { event_id: 'e2', at: by.at })
    expect((await open()).list()).to.deep.equal([])
  })

  it('comes once on the day on which its hour does not exist, and once where it exists twice (Europe/Berlin)', () => {
    expect(fires('30 2 * * *', 'Europe/Berlin', '2026-03-27T23:00:00Z', 72)).to.deep.equal([
      '2026-03-28T01:30:00.000Z',
      '2026-03-29T01:00:00.000Z',
      '2026-03-30T00:30:00.000Z',
    ])
    expect(fires('30 2 * * *', 'Europe/Berlin', '2026-10-23T22:00:00Z', 72)).to.deep.equal([
      '2026-10-24T00:30:00.000Z',
      '2026-10-25T00:30:00.000Z',
      '2026-10-26T01:30:00.000Z',
    ])
  })

  it('comes once on both days in America/New_York too', () => {
    expect(fires('30 2 * * *', 'America/New_York', '2026-03-07T05:00:00Z', 72)).to.deep.equal([
      '2026-03-07T07:30:00.000Z',
      '2026-03-08T07:00:00.000Z',
      '2026-03-09T06:30:00.000Z',
    ])
    expect(fires('30 1 * * *', 'America/New_York', '2026-10-31T04:00:00Z', 72)).to.deep.equal([
      '2026-10-31T05:30:00.000Z',
      '2026-11-01T05:30:00.000Z',
      '2026-11-02T06:30:00.000Z',
    ])
  })

  it('comes once on each local day of a year, in both zones, also twice a day by a list', () => {
    for (const timezone of ['Europe/Berlin', 'America/New_York']) {
      const local = new Intl.DateTimeFormat('en-CA', { timeZone: timezone, dateStyle: 'short' })
      for (const [cron, perDay] of [
        ['30 2 * * *', 1],
        ['30 1 * * *', 1],
        ['0 0 * * *', 1],
        ['30 2,14 * * *', 2],
      ] as const) {
        const days = new Map<string, number>()
        let at: number | undefined = Date.parse('2026-01-01T12:00:00Z')
        while ((at = nextTime(cron, timezone, at)) !== undefined && at < Date.parse('2027-01-01T00:00:00Z'))
          days.set(local.format(at), (days.get(local.format(at)) ?? 0) + 1)
        days.delete('2026-01-01')
        days.delete('2026-12-31')
        days.delete('2027-01-01')
        expect(days.size, `${timezone} ${cron}`).to.equal(363)
        expect(new Set(days.values()), `${timezone} ${cron}`).to.deep.equal(new Set([perDay]))
      }
    }
  })

  it('waits for the next leap day', () => {
    expect(iso(nextTime('0 0 29 2 *', 'UTC', Date.parse('2026-03-01T00:00:00Z')))).to.equal('2028-02-29T00:00:00.000Z')
  })

  it('makes up for missed times by its policy: none, the latest, all', () => {
    const after = (missed: Schedule['missed']) =>
      dueTimes(
        { cron: '0 * * * *', timezone: 'UTC', missed, last_run_time: '2026-03-10T06:00:00.000Z' },
        Date.parse('2026-03-10T09:30:00Z'),
      ).map(iso)
    expect(after('skip')).to.deep.equal([])
    expect(after('latest')).to.deep.equal(['2026-03-10T09:00:00.000Z'])
    expect(after('all')).to.deep.equal([
      '2026-03-10T07:00:00.000Z',
      '2026-03-10T08:00:00.000Z',
      '2026-03-10T09:00:00.000Z',
    ])
  })

  it('refuses a cron of six fields, nonsense and unknown time zones, saying what it expects', () => {
    expect(() => {
      checkCron('0 0 6 * * *', 'UTC')
    }).to.throw(AppError, /cron: expected five fields/)
    expect(() => {
      checkCron('every day', 'UTC')
    }).to.throw(AppError, /cron: expected five fields/)
    expect(() => {
      checkCron('0 0 30 2 *', 'UTC')
    }).to.throw(AppError, /never/)
    checkCron('0 0 29 2 *', 'Europe/Berlin')
    expect(() => {
      checkCron('0 6 * * *', 'Mars/Base')
    }).to.throw(AppError, /timezone: expected an IANA name/)
  })
})

describe('schedules', () => {
  it('ask for a run under a key that holds its time, again for the same tick, not for another', async () => {
    const { schedules } = await setup()
    await schedules.put(wanted, by)
    const [asked] = schedules.due('2026-03-10T06:00:30.000Z', never)
    expect(asked).to.deep.include({
      topic: 'run-requested',
      idempotency_key: 'sched:acme:daily:2026-03-10T06:00:00.000Z',
    })
    expect(asked?.event).to.include({
      run_id: runId('acme', 'sched:acme:daily:2026-03-10T06:00:00.000Z'),
      trigger_type: 'schedule',
      trigger_by: 'acme:daily',
      scheduled_time: '2026-03-10T06:00:00.000Z',
    })
    expect(schedules.due('2026-03-10T06:00:30.000Z', never)).to.deep.equal([asked])
    expect(schedules.due('2026-03-10T06:01:30.000Z', never)).to.deep.equal([])
  })

  it('ask for no time before they were made, changed or active, and lose none when something else changes', async () => {
    const { schedules, open } = await setup()
    const hourly = { ...wanted, cron: '0 * * * *' }
    for (const missed of ['skip', 'latest', 'all'] as const) {
      await schedules.put({ ...hourly, name: missed, missed }, { event_id: missed, at: '2026-03-10T06:00:05.000Z' })
      expect(keys(schedules.due('2026-03-10T06:00:30.000Z', never)), missed).to.deep.equal([])
    }
    expect(keys((await open()).due('2026-03-10T06:01:30.000Z', never))).to.deep.equal([])
    expect(keys(schedules.due('2026-03-10T07:00:10.000Z', never))).to.have.length(3)

    await schedules.put(hourly, { event_id: 'made', at: '2026-03-10T05:30:00.000Z' })
    await schedules.put({ ...hourly, priority: 1 }, { event_id: 'changed', at: '2026-03-10T06:00:05.000Z' })
    expect(keys((await open()).due('2026-03-10T06:00:30.000Z', never))).to.deep.equal([
      'sched:acme:daily:2026-03-10T06:00:00.000Z',
    ])
    await schedules.put({ ...hourly, is_active: false }, { event_id: 'off', at: '2026-03-10T07:30:00.000Z' })
    await schedules.put(hourly, { event_id: 'on', at: '2026-03-10T08:00:05.000Z' })
    expect(
      keys((await open()).due('2026-03-10T08:00:30.000Z', never)).filter((key) => key?.includes(':daily:')),
    ).to.deep.equal([])
  })

  it('ask again under the same key after a crash, until a later tick has written it down', async () => {
    const { schedules, open } = await setup()
    await schedules.put({ ...wanted, missed: 'all' }, by)
    const first = keys(schedules.due('2026-03-12T06:00:00.000Z', never))
    expect(first).to.have.length(3)
    expect(keys((await open()).due('2026-03-12T06:01:00.000Z', never))).to.deep.equal(first)
    await schedules.record('2026-03-12T06:01:00.000Z')
    expect((await open()).due('2026-03-12T06:05:00.000Z', never)).to.deep.equal([])
  })

  it('skip a time while the previous run has not ended, if they say so', async () => {
    const { schedules } = await setup()
    await schedules.put({ ...wanted, cron: '* * * * *', overlap: 'skip', missed: 'skip' }, by)
    schedules.due('2026-03-10T06:00:00.000Z', never)
    expect(schedules.due('2026-03-10T06:01:00.000Z', () => true)).to.deep.equal([])
    expect(schedules.due('2026-03-10T06:02:00.000Z', never)).to.have.length(1)
  })

  it('run one at a time, or in place of the one before, by what the ledger is asked', async () => {
    const { schedules } = await setup()
    const serial = { concurrency_key: 'acme:daily' }
    const minutes = { ...wanted, cron: '* * * * *', missed: 'skip' } as const
    await schedules.put({ ...minutes, overlap: 'queue' }, by)
    const asked = schedules.due('2026-03-10T06:03:00.000Z', () => true)
    expect(asked).to.have.length(3)
    for (const { event } of asked) expect(event).to.deep.include(serial).and.not.have.property('cancel_in_progress')
    await schedules.put({ ...minutes, overlap: 'cancel_previous' }, { ...by, event_id: 'e2' })
    const latest = schedules.due('2026-03-10T06:06:00.000Z', () => true)
    expect(latest.map(({ event }) => event)).to.have.length(1)
    expect(latest[0]?.event).to.deep.include({ ...serial, cancel_in_progress: true })
  })

  it('show when they run next, survive a restart, and stop when removed', async () => {
    const { schedules, rows, open } = await setup()
    await schedules.put({ ...wanted, timezone: 'Europe/Berlin', parameters: { date: '2026-03-01' } }, by)
    expect(rows[0]).to.deep.include({
      config_id: 'acme:daily',
      provider: 'gcp',
      domain: 'cost',
      next_run_time: '2026-03-10T05:00:00.000Z',
      version: 1,
      event_id: 'e1',
    })
    expect((await open()).due('2026-03-10T05:00:00.000Z', never)[0]?.event).to.deep.include({
      parameters: { date: '2026-03-01' },
    })
    await schedules.remove('acme', 'daily', { ...by, event_id: 'e2' })
    expect((await open()).due('2026-03-10T05:00:00.000Z', never)).to.deep.equal([])
  })

  it('that another replica has put, changed or removed are seen at the next tick', async () => {
    const { schedules, open } = await setup()
    const other = await open()
    await schedules.put(wanted, by)
    await other.refresh()
    expect(keys(other.due('2026-03-10T06:00:30.000Z', never))).to.deep.equal(
      keys(schedules.due('2026-03-10T06:00:30.000Z', never)),
    )
    await other.put({ ...wanted, cron: '30 7 * * *' }, { event_id: 'e2', at: '2026-03-10T06:10:00.000Z' })
    await schedules.refresh()
    expect(keys(schedules.due('2026-03-10T07:30:30.000Z', never))).to.deep.equal([
      'sched:acme:daily:2026-03-10T07:30:00.000Z',
    ])
    await schedules.remove('acme', 'daily', { event_id: 'e3', at: '2026-03-10T08:00:00.000Z' })
    await other.refresh()
    expect([other.list(), other.due('2026-03-11T07:30:30.000Z', never)]).to.deep.equal([[], []])
  })

  it('are changed by whichever replica is asked, though it has not heard of the last change', async () => {
    const { schedules, open } = await setup()
    const other = await open()
    for (const hour of [1, 2, 3])
      await schedules.put(
        { ...wanted, cron: `0 ${hour} * * *` },
        { event_id: `a${hour}`, at: '2026-03-10T00:00:00.000Z' },
      )
    await other.put({ ...wanted, cron: '0 9 * * *' }, { event_id: 'b', at: '2026-03-10T00:00:05.000Z' })
    expect((await open()).list().map(({ cron, version }) => [cron, version])).to.deep.equal([['0 9 * * *', 4]])
    await other.remove('acme', 'daily', { event_id: 'c', at: '2026-03-10T00:00:06.000Z' })
    expect((await open()).list()).to.deep.equal([])
  })

  it("are refused for unknown pipelines, wrong parameters and the platform's own pipelines", async () => {
    const { schedules, rows } = await setup()
    const refused = async (change: Partial<typeof wanted>): Promise<string> =>
      schedules.put({ ...wanted, ...change }, by).then(
        () => 'taken',
        (error: AppError) => error.code,
      )
    expect(await refused({ pipeline: 'gcp/cost/nothing' })).to.equal('PIPELINE_UNKNOWN')
    expect(await refused({ parameters: { dat: 'x' } })).to.equal('PARAMETER_INVALID')
    expect(await refused({ cron: '61 * * * *' })).to.equal('PARAMETER_INVALID')
    expect(rows).to.deep.equal([])
  })

  it("run the platform's own jobs from their YAML", async () => {
    const { schedules } = await setup('0 * * * *')
    expect(schedules.due('2026-03-10T06:00:30.000Z', never)[0]?.event).to.include({
      tenant_id: 'system',
      pipeline: 'setup/scheduler/trigger',
    })
  })

  it('delays no tick after an outage of a month with 1,000 schedules, and makes up for it tick by tick', async function () {
    this.timeout(120_000)
    const { open, rows } = await setup()
    const crons = ['*/5 * * * *', '0 * * * *', '0 6 * * *', '0 7 * * 1']
    const all = new Map([
      [0, '* * * * *'],
      [50, '0 * * * *'],
    ])
    const before = '2026-03-01T00:00:00.000Z'
    for (let k = 0; k < 1_000; k += 1) {
      const missed = (['skip', 'latest', 'latest'] as const)[k % 3]
      const name = `s${k}`
      const cron = all.get(k) ?? crons[k % crons.length]
      rows.push({
        ...wanted,
        name,
        cron,
        missed: all.has(k) ? 'all' : missed,
        config_id: `acme:${name}`,
        pipeline_id: 'gcp_cost_billing',
        is_deleted: false,
        last_run_time: before,
        effective_from: before,
        version: 1,
        recorded_at: before,
      })
    }
    const looks: number[] = []
    const schedules = await open((count) => looks.push(count))
    const asked = new Set<string>()
    let at = Date.parse('2026-03-31T00:00:30.000Z')
    do {
      for (const { idempotency_key } of schedules.due(new Date(at).toISOString(), never))
        asked.add(idempotency_key ?? '')
      at += 60_000
    } while (looks.at(-1) === 500)
    expect(Math.max(...looks)).to.be.at.most(500)
    // All: of s0, minutely, the latest thousand before the window; of s50, hourly, each hour of the month.
    const of = (name: string, until: string) =>
      [...asked].filter((key) => key.startsWith(`sched:acme:${name}:`) && key < `sched:acme:${name}:${until}`).length
    expect(of('s0', '2026-03-30T23:58')).to.equal(1_000)
    expect(of('s50', '2026-03-31T00:01')).to.equal(30 * 24)
    // Latest: of a daily one the day before.
    expect(asked.has('sched:acme:s2:2026-03-30T06:00:00.000Z')).to.equal(true)
    expect(of('s2', '2026-03-31T00:01')).to.equal(1)
    // Skip: nothing that was missed.
    expect(of('s3', '2026-03-31T00:01')).to.equal(0)
  })
})
