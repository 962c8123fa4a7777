import { expect } from 'chai'
import { AppError, errorTable, tables } from '@convergence/contracts'
import type { CompiledStep, Run } from '@convergence/contracts'
import { openLog } from '@convergence/service'
import type { Row, Statement } from '@convergence/warehouse'
import type { MailMessage, Outcome } from '../src/channel.ts'
import { openNotify } from '../src/notify.ts'
import { openRecipients } from '../src/recipients.ts'
import { openStore } from '../src/store.ts'
import type { TenantMail } from '../src/tenant-mail.ts'
import { fill, isWanted, recipientsOf, subjectOf, variablesOf, type Ended } from '../src/text.ts'

const mailStep = (more: Partial<CompiledStep> = {}, config: object = {}): CompiledStep => ({
  step_id: 'tell',
  name: 'tell',
  ps_type: 'notify_systems.email_notification',
  host: 'notifier',
  timeout_minutes: 5,
  retry_policy: { max_retries: 2, retry_delay_seconds: 10 },
  trigger: 'on_failure',
  config: {
    to_emails: ['ops@acme.example'],
    subject_template: '{pipeline_id}: {status} for {date}',
    body_template: '{error_code}: {error_message}\n{what_to_do}',
    ...config,
  },
  ...more,
})
const slackStep = (config: object = {}): CompiledStep =>
  mailStep({
    step_id: 'slack',
    ps_type: 'notify_systems.slack_notification',
    config: { slack_channel: '#alerts', body_template: 'Run {run_id} *{status}* {error_message}', ...config },
  })
const failed = (notifications: CompiledStep[], more: Partial<Run> = {}): Ended => ({
  run: {
    run_id: `r_${'a'.repeat(26)}`,
    tenant_id: 'acme',
    pipeline: 'gcp/cost/billing',
    pipeline_id: 'acme-billing',
    trigger_type: 'api',
    parameters: { date: '2026-01-01' },
    priority: 5,
    requested_at: '2026-01-02T00:00:00Z',
    sources: [],
    steps: [],
    notifications,
    ...more,
  },
  status: 'FAILED',
  step_id: 's0',
  error: { code: 'EXPORT_INVALID', message: 'line 3 <!channel> & {run_id}' },
  started_at: '2026-01-02T00:00:00Z',
  ended_at: '2026-01-02T00:00:05Z',
  duration_ms: 5000,
})

/** Rows in memory, a mail server and Slack that answer what is told, and no time that passes. */
const setup = ({
  answers = [],
  rows = [],
  admin_email = 'admin@acme.example',
  allowed = [],
  own,
}: {
  answers?: (Outcome | Error)[]
  rows?: Row[]
  admin_email?: string
  allowed?: string[]
  own?: TenantMail
} = {}) => {
  const mails: MailMessage[] = []
  const posts: { url: string; channel?: string; text: string }[] = []
  const pauses: number[] = []
  const stop = new AbortController()
  const next = async (): Promise<Outcome> => {
    const outcome = answers.shift() ?? { kind: 'sent' }
    if (outcome instanceof Error) throw outcome
    return outcome
  }
  const warehouse = {
    append: async (_table: string, added: readonly Row[]) => {
      rows.push(...added)
    },
    query: async ({ query, parameters = [] }: Statement) =>
      (/ tenant_profiles /.test(query) ? [{ tenant_id: 'acme', admin_email }] : rows).filter((row: Row) =>
        parameters.every(({ name, value }) => row[name] === value),
      ),
  }
  const notify = openNotify({
    store: openStore({ warehouse, now: () => new Date('2026-01-02T00:00:06Z') }),
    from: 'convergence@acme.example',
    random: () => 1,
    log: openLog({ service: 'notifier', level: 'error', write: () => undefined }),
    recipients: openRecipients({ warehouse, allowed }),
    mail: {
      send: async (message) => {
        mails.push(message)
        return next()
      },
      close: async () => undefined,
    },
    slack: {
      post: async (message) => {
        posts.push(message)
        return next()
      },
    },
    tenantMail: async () => own,
    webhook: async (_tenant, _step, ref) => {
      if (ref === 'missing') throw new AppError('NOT_FOUND', 'no Slack credential')
      return 'https://hooks.slack.com/services/T1/B1/secret12'
    },
    sleep: async (ms) => {
      pauses.push(ms)
    },
  })
  return {
    mails,
    posts,
    pauses,
    rows,
    stop,
    tell: (event: Ended) => notify(event, stop.signal),
    states: () => rows.map((row) => row['state']),
  }
}

describe('a mail of a tenant with a server of its own', () => {
  it('goes through that one, from its user', async () => {
    const mails: MailMessage[] = []
    const own: TenantMail = {
      from: 'alerts@acme.example',
      mail: {
        send: async (message) => {
          mails.push(message)
          return { kind: 'sent' }
        },
        close: async () => undefined,
      },
    }
    const { tell, mails: platform } = setup({ own })
    await tell(failed([mailStep()]))
    expect([mails.map(({ from }) => from), platform]).to.deep.equal([['alerts@acme.example'], []])
  })
})

describe('whom mails may go to', () => {
  const sentTo = async (to: string, options: Parameters<typeof setup>[0], more: Partial<Run> = {}) => {
    const { tell, mails, rows } = setup(options)
    await tell(failed([mailStep({}, { to_emails: [to] })], more))
    return mails.length === 0 ? String(rows[0]?.['error_message']) : mails.map((mail) => mail.to)
  }
  it("is the tenant's own address, and whoever is at its domain", async () => {
    const acme = { admin_email: 'Admin@Acme.example' }
    expect(await sentTo('admin@acme.example', acme)).to.deep.equal([['admin@acme.example']])
    expect(await sentTo('Billing@ACME.example', acme)).to.deep.equal([['Billing@ACME.example']])
  })
  it('is nobody else, whatever the event says: the notification fails with what to do, and is not tried again', async () => {
    for (const to of [
      'x@evil.example',
      'admin@acme.example.evil.example',
      'admin@sub.acme.example',
      'x@notacme.example',
    ]) {
      const { tell, mails, rows } = setup({ admin_email: 'admin@acme.example' })
      const event = failed([mailStep({}, { to_emails: ['admin@acme.example', to] })], {
        variables: { admin_email: to },
        parameters: { admin_email: to },
      })
      await tell(event)
      await tell(event)
      expect(mails, to).to.deep.equal([])
      expect(rows.map((row) => [row['state'], row['error_code'], row['error_message']])).to.deep.equal([
        [
          'FAILED',
          'RECIPIENT_NOT_ALLOWED',
          `notification tell: to_emails: expected admin@acme.example, addresses at acme.example or those of ` +
            `MAIL_RECIPIENTS, got ${to}: correct the pipeline, or add it to that setting of the notifier`,
        ],
      ])
    }
  })
  it('is not all of a domain at which everybody may have an address', async () => {
    const acme = { admin_email: 'acme.billing@gmail.com' }
    expect(await sentTo('acme.billing@gmail.com', acme)).to.deep.equal([['acme.billing@gmail.com']])
    expect(await sentTo('stranger@gmail.com', acme)).to.match(/expected acme\.billing@gmail\.com or those of/)
  })
  it('is at a provider of everybody the own address alone, in whatever country', async () => {
    for (const domain of [
      'yahoo.co.uk',
      'yahoo.de',
      'hotmail.co.uk',
      'hotmail.fr',
      'outlook.de',
      'ymail.com',
      'yandex.com',
      'gmx.at',
      'gmx.ch',
      't-online.de',
      '163.com',
      'fastmail.com',
      'pm.me',
      'proton.me',
      'gmail.com',
    ]) {
      const acme = { admin_email: `acme@${domain}` }
      expect(await sentTo(`acme@${domain}`, acme), domain).to.deep.equal([[`acme@${domain}`]])
      expect(await sentTo(`stranger@${domain}`, acme), domain).to.contain(`expected acme@${domain} or those of`)
    }
    for (const domain of ['live.acme.example', 'outlook-partners.example', 'acme.co.uk'])
      expect(await sentTo(`billing@${domain}`, { admin_email: `admin@${domain}` }), domain).to.have.length(1)
  })
  it('is the address that the tenant has at the end of the run, whatever it was when it began', async () => {
    const variables = { admin_email: 'admin@old.example' }
    const moved = { admin_email: 'admin@new.example' }
    expect(await sentTo('{admin_email}', moved, { variables })).to.deep.equal([['admin@new.example']])
    expect(await sentTo('admin@old.example', moved, { variables })).to.match(/got admin@old\.example: correct/)
  })
  it('is nobody where {admin_email} says none: the notification fails with what to do', async () => {
    expect(await sentTo('{admin_email}', {}, { tenant_id: 'unheard_of' })).to.equal(
      'notification tell: to_emails: expected {admin_email} of a tenant with a profile, ' +
        'for unheard_of has none: correct the pipeline',
    )
    expect(await sentTo('{admin_email}', { admin_email: 'admin@localhost' })).to.equal(
      'notification tell: to_emails: expected {admin_email} to be one plain address such as name@example.com, ' +
        'got "admin@localhost" in the profile of acme: correct the profile',
    )
  })
  it('is also whom the operator lists, by address or by domain, for every tenant', async () => {
    const options = { admin_email: 'admin@acme.example', allowed: ['ops@example.org', 'example.net'] }
    for (const to of ['ops@example.org', 'Anybody@example.NET']) {
      expect(await sentTo(to, options)).to.deep.equal([[to]])
      expect(await sentTo(to, options, { tenant_id: 'system' })).to.deep.equal([[to]])
    }
    expect(await sentTo('dev@example.org', options)).to.match(/got dev@example\.org/)
  })
  it('is nobody but those of a tenant without a profile', async () => {
    expect(await sentTo('admin@acme.example', {}, { tenant_id: 'unheard_of' })).to.match(
      /expected those of MAIL_RECIPIENTS, for unheard_of has no profile, got admin@acme\.example/,
    )
  })
})

describe('telling about the end of a run', () => {
  it("sends a mail with the run's own words, between an intent and its end", async () => {
    const { tell, mails, states, rows } = setup()
    await tell(failed([mailStep()]))
    expect(mails).to.deep.equal([
      {
        message_id: `<r_${'a'.repeat(26)}.tell@convergence.local>`,
        from: 'convergence@acme.example',
        to: ['ops@acme.example'],
        subject: 'acme-billing: FAILED for 2026-01-01',
        text: `EXPORT_INVALID: line 3 <!channel> & {run_id}\n${errorTable.EXPORT_INVALID.what_to_do}`,
        possible_duplicate: false,
      },
    ])
    expect(states()).to.deep.equal(['INTENT', 'SENT'])
    for (const row of rows)
      expect(Object.keys(row)).to.have.members(tables['notifications_rows']!.columns.map(({ name }) => name))
  })

  it('tells nobody twice, also when the message comes twice at once', async () => {
    const { tell, mails } = setup()
    await Promise.all([tell(failed([mailStep()])), tell(failed([mailStep()])), tell(failed([mailStep()]))])
    await tell(failed([mailStep()]))
    expect(mails).to.have.length(1)
  })

  it('sends again, marked and under the same id, what was interrupted between intent and end', async () => {
    const first = setup()
    await first.tell(failed([mailStep()]))
    const { tell, mails, rows, states } = setup({ rows: first.rows.filter((row) => row['state'] === 'INTENT') })
    await tell(failed([mailStep()]))
    expect(
      mails.map(({ message_id, possible_duplicate }) => [
        message_id === first.mails[0]?.message_id,
        possible_duplicate,
      ]),
    ).to.deep.equal([[true, true]])
    expect(states()).to.deep.equal(['INTENT', 'INTENT', 'SENT'])
    expect(new Set(rows.map((row) => row['event_id'])).size).to.equal(3)
    expect(rows.at(-1)).to.include({ possible_duplicate: true })
  })

  it('tries again what was put off, with growing pauses, for those only who do not have it', async () => {
    const { tell, mails, pauses, rows } = setup({
      answers: [
        { kind: 'later', reason: '451', uncertain: false, to: ['b@acme.example'] },
        { kind: 'later', reason: 'cut', uncertain: true },
      ],
    })
    await tell(failed([mailStep({}, { to_emails: ['a@acme.example', 'b@acme.example'] })]))
    expect(mails.map(({ to, possible_duplicate }) => [to.length, possible_duplicate])).to.deep.equal([
      [2, false],
      [1, false],
      [1, true],
    ])
    expect(pauses).to.deep.equal([10_000, 20_000])
    expect(rows.at(-1)).to.include({ state: 'SENT', attempts: 3, possible_duplicate: true })
  })

  it("gives up after the policy's tries, and says why", async () => {
    const { tell, mails, rows } = setup({
      answers: Array.from({ length: 9 }, () => ({ kind: 'later' as const, reason: '451 busy', uncertain: false })),
    })
    await tell(failed([mailStep()]))
    expect(mails).to.have.length(3)
    expect(rows.at(-1)).to.include({ state: 'FAILED', error_code: 'DELIVERY_FAILED' })
    expect(String(rows.at(-1)?.['error_message'])).to.contain('451 busy')
  })

  it('waits as long as the other side asks, but not for ever', async () => {
    const { tell, pauses } = setup({ answers: [{ kind: 'later', reason: '429', uncertain: false, after_ms: 30_000 }] })
    await tell(failed([slackStep()]))
    expect(pauses).to.deep.equal([30_000])
    const patient = setup({ answers: [{ kind: 'later', reason: '429', uncertain: false, after_ms: 3_600_000 }] })
    await patient.tell(failed([slackStep()]))
    expect([patient.pauses, patient.rows.at(-1)?.['state']]).to.deep.equal([[], 'FAILED'])
  })

  it('goes on with the others when one is wrong, and sends nothing for that one', async () => {
    const { tell, mails, posts, rows } = setup()
    await tell(
      failed([
        mailStep({ step_id: 'bad' }, { to_emails: ['ops@acme.example', 'evil@x.io\r\nBcc: a@b.io'] }),
        slackStep({ slack_webhook_url: 'missing' }),
        mailStep({ step_id: 'good' }),
      ]),
    )
    expect([mails.length, posts.length]).to.deep.equal([1, 0])
    expect(
      rows.filter((row) => row['state'] === 'FAILED').map((row) => [row['step_id'], row['error_code']]),
    ).to.have.deep.members([
      ['bad', 'CONFIG_INVALID'],
      ['slack', 'NOT_FOUND'],
    ])
    expect(JSON.stringify(rows)).not.to.contain('evil@x.io')
  })

  it('escapes what Slack would read as markup, and keeps the webhook to itself', async () => {
    const { tell, posts, rows } = setup()
    await tell(failed([slackStep()]))
    expect(posts[0]).to.include({
      channel: '#alerts',
      text: `Run r_${'a'.repeat(26)} *FAILED* line 3 &lt;!channel&gt; &amp; {run_id}`,
    })
    expect(JSON.stringify(rows)).not.to.contain('secret12')
  })

  it('gives the message back when it is stopped between two tries', async () => {
    const { tell, stop, states } = setup({ answers: [{ kind: 'later', reason: '451', uncertain: false }] })
    stop.abort()
    const error = await tell(failed([mailStep()])).then(
      () => undefined,
      (reason: unknown) => reason,
    )
    expect(error).to.include({ code: 'UNAVAILABLE' })
    expect(states()).to.deep.equal(['INTENT'])
  })

  it('treats a full disk as something that passes', async () => {
    const { tell, mails, states } = setup({ answers: [new AppError('DISK_FULL', 'no space')] })
    await tell(failed([mailStep()]))
    expect([mails.length, states()]).to.deep.equal([2, ['INTENT', 'SENT']])
  })
})

describe('what a notification says, and to whom', () => {
  it('follows the ends that its trigger names', () => {
    const warnings = [{ step_id: 'load', message: 'no rows' }]
    const ends = (trigger: CompiledStep['trigger'], more: Partial<Run> = {}) =>
      (['COMPLETED', 'FAILED', 'CANCELLED', 'REJECTED'] as const).filter((status) =>
        isWanted({ ...failed([], more), status } as Ended, trigger),
      )
    expect(ends('on_failure')).to.deep.equal(['FAILED'])
    expect(ends('on_success')).to.deep.equal(['COMPLETED'])
    expect(ends('always')).to.deep.equal(['COMPLETED', 'FAILED', 'CANCELLED'])
    expect([ends('on_warning'), ends('on_warning', { warnings })]).to.deep.equal([[], ['COMPLETED']])
  })

  it('says what was odd, a line for each warning', () => {
    const warnings = ['no rows', 'half a day'].map((message) => ({ step_id: 'load', message }))
    expect(variablesOf(failed([], { warnings }))['warnings']).to.equal('load: no rows\nload: half a day')
  })

  it('leaves a name that nobody knows as it is, and fills a value once', () => {
    expect(fill('{a} {b} {toString} { a }', { a: '{b}', c: 'x' })).to.equal('{b} {b} {toString} { a }')
  })

  it('has a subject of one line', () => {
    expect(subjectOf('a\r\nBcc: x\u2028y\u0000 ')).to.equal('a Bcc: x y')
    expect([...subjectOf('😀'.repeat(300))]).to.have.length(200)
  })

  it('goes to plain addresses only', () => {
    expect(recipientsOf('s', ['a.b+c@sub.acme.example', 'a.b+c@sub.acme.example'])).to.deep.equal([
      'a.b+c@sub.acme.example',
    ])
    for (const address of ['_ops@acme.example', '+a@acme.example'])
      expect(recipientsOf('s', [address])).to.deep.equal([address])
    const bad = [
      'b@x.io\r\nBcc: evil@x.io',
      'b@x.io\n',
      'b@x.io, evil@x.io',
      'b@x.io;evil@x.io',
      'B <b@x.io>',
      '<b@x.io>',
      '"b"@x.io',
      'b@x.io evil@x.io',
      'b@[127.0.0.1]',
      'b@localhost',
      'b.@x.io',
      'b@x-.io',
      '@x.io',
      'b@',
      'b@x..io',
      'b@-x.io',
      'b@x.io\u0000',
      'b\u2028@x.io',
      'b@x.io\u200b',
      'bücher@x.io',
      'b@х.io',
      '',
      ' b@x.io',
      `${'b'.repeat(65)}@x.io`,
      `b@${'x.'.repeat(130)}io`,
      "b'@x.io",
      'b@x.io)',
      '(c)b@x.io',
      'b%0a@x.io\t',
      'b\\@x.io',
    ]
    for (const address of bad) expect(() => recipientsOf('s', [address]), JSON.stringify(address)).to.throw(AppError)
    for (const value of [
      [],
      undefined,
      null,
      [7],
      [['a@x.io']],
      [{ address: 'a@x.io' }],
      Array.from({ length: 21 }, (_, k) => `a${k}@x.io`),
    ])
      expect(() => recipientsOf('s', value)).to.throw(AppError)
  })
})
