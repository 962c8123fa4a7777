import { expect } from 'chai'
import fc from 'fast-check'
import { assertEvent, sourceKinds, type Source } from '@convergence/contracts'
import { firstSteps, loadPipelines, type Pipelines } from '@convergence/pipeline'
import { acmeSources, ask, failure, pipelinesFrom, queryOf, withSteps } from './world.ts'

const load = (query: string, head: string, destination = 'table: t') =>
  withSteps(
    `  - step_id: load
    ps_type: gcp.bq_etl
    source: { query: "${query}" }
    destination: { bq_project_id: "{project_id}", dataset_type: "{tenant_id}", ${destination} }`,
    head,
  )
const noop = '  - { step_id: a, ps_type: custom.noop }'
const tell =
  '  - { step_id: tell, ps_type: notify_systems.email_notification, to_emails: ' +
  '["{admin_email}"], subject_template: "{tenant_id} {status}", body_template: "{note} {error}" }'
const real = (): Pipelines => loadPipelines({ project_id: 'local-convergence' })

describe('compiling a run', () => {
  it('fills in defaults, so that hosts need to know nothing', () => {
    const [step] = pipelinesFrom(load('SELECT 1 AS one', '')).compile(ask()).steps
    expect(step).to.deep.equal({
      step_id: 'load',
      name: 'load',
      ps_type: 'gcp.bq_etl',
      host: 'executor',
      timeout_minutes: 20,
      retry_policy: { max_retries: 3, retry_delay_seconds: 5 },
      config: {
        source: { bq_project_id: 'local-convergence', query: 'SELECT 1 AS one', parameters: [] },
        destination: {
          bq_project_id: 'local-convergence',
          dataset_type: 'acme_corp',
          table: 't',
          write_mode: 'append',
        },
      },
    })
  })
  it('makes an event that every reader accepts, of every pipeline', () => {
    const pipelines = real()
    const given: Readonly<Record<string, Record<string, string>>> = {
      'setup/tenants/onboarding': {
        new_tenant_id: 'globex',
        company_name: 'Globex',
        admin_email: 'a@globex.example',
        subscription_plan: 'SCALE',
      },
      'setup/tenants/dryrun_validation': { new_tenant_id: 'globex' },
      'setup/sources/check': { for_tenant_id: 'globex', source_name: 'payer' },
      'setup/sources/purge': { for_tenant_id: 'globex', source_name: 'payer' },
      'setup/tenants/source': { for_tenant_id: 'globex', source_name: 'payer', settings: '{}' },
      'setup/tenants/source_removal': { for_tenant_id: 'globex', source_name: 'payer' },
      'setup/tenants/schedule': { for_tenant_id: 'globex', schedule_name: 'nightly', action: 'delete' },
      'setup/tenants/backfill': { for_tenant_id: 'globex', action: 'pause' },
      'setup/scheduler/dead_letter': { dead_letter_id: `d_${'a'.repeat(26)}`, action: 'replay' },
      'setup/tenants/currency_rates': { for_tenant_id: 'globex', rates: '[]' },
      'setup/tenants/allocation_rules': { for_tenant_id: 'globex', recorded_by: 'k', rules: '{"rules":[]}' },
      'setup/tenants/change': { for_tenant_id: 'globex', change: '{}' },
    }
    const ofEveryKind = sourceKinds.flatMap(({ provider, kind }) => {
      const like = acmeSources.find((source) => source.provider === provider)
      return like === undefined ? [] : [{ ...like, kind, name: kind } as Source]
    })
    for (const { path } of pipelines.list()) {
      const run = pipelines.compile(
        ask({
          pipeline: path,
          parameters: given[path] ?? {},
          tenant_id: path.startsWith('setup/') ? 'system' : 'acme_corp',
          tenant_sources: ofEveryKind,
        }),
      )
      assertEvent('run-admitted', JSON.parse(JSON.stringify({ run, next: firstSteps(run) })))
      expect(JSON.stringify(run.steps), path).not.to.match(/\{[a-z_.]+\}/)
    }
  })
  it('is pure: the same request is the same run, and nobody can change what runs share', () => {
    const pipelines = real()
    for (const pipeline of ['gcp/cost/billing', 'custom/bench/forty_steps'])
      expect(pipelines.compile(ask({ pipeline, tenant_sources: acmeSources }))).to.deep.equal(
        pipelines.compile(ask({ pipeline, tenant_sources: acmeSources })),
      )
    const [step] = pipelines.compile(ask({ pipeline: 'custom/bench/three_steps' })).steps
    expect(() => {
      if (step !== undefined) step.name = 'other'
    }).to.throw(TypeError)
  })
  it('counts yesterday and today from the request, in UTC', () => {
    const pipelines = pipelinesFrom(
      load("SELECT '{date}', '{until}', '{month}'", 'parameters: { until: { type: date, default: today } }\n'),
    )
    const days = (requested_at: string, parameters = {}) =>
      queryOf(pipelines.compile(ask({ requested_at, parameters }))).parameters.map(({ value }) => value)
    expect(days('2026-03-01T00:30:00.000Z')).to.deep.equal(['2026-02-28', '2026-03-01', '2026-02'])
    expect(days('2026-03-01T00:30:00.000+02:00')).to.deep.equal(['2026-02-27', '2026-02-28', '2026-02'])
    expect(days('2026-01-01T00:00:00Z', { date: '2024-02-29' })).to.deep.equal(['2024-02-29', '2026-01-01', '2024-02'])
  })
  it('counts them of a schedule from the time that the run is for, and says in its parameters what it counted', () => {
    const pipelines = pipelinesFrom(
      load(
        "SELECT '{date}', '{until}'",
        'parameters: { date: { type: date, default: yesterday }, until: { type: date, default: today }, note: ' +
          '{ type: string, default: x } }\n',
      ),
    )
    const late = { requested_at: '2026-03-08T00:02:00.000Z', scheduled_time: '2026-03-05T23:59:00.000Z' }
    const run = pipelines.compile(ask(late))
    expect(queryOf(run).parameters.map(({ value }) => value)).to.deep.equal(['2026-03-04', '2026-03-05'])
    expect(run.parameters).to.deep.equal({ date: '2026-03-04', until: '2026-03-05' })
    // Who resumes it on another day goes on with these.
    expect(
      queryOf(
        pipelines.compile(ask({ requested_at: '2026-04-01T00:00:00Z', parameters: run.parameters })),
      ).parameters.map(({ value }) => value),
    ).to.deep.equal(['2026-03-04', '2026-03-05'])
    expect(
      pipelines.compile(ask({ ...late, parameters: { until: '2026-01-01', date: null } })).parameters,
    ).to.deep.equal({ until: '2026-01-01', date: '2026-03-04' })
  })
  it('takes days and months in words where they belong, and says what they were', () => {
    const pipelines = pipelinesFrom(
      load(
        "SELECT '{date}', '{month}', '{note}'",
        'parameters: { date: { type: date, default: "{date - 2d}" }, ' +
          'month: { type: string, pattern: "[0-9]{4}-(0[1-9]|1[0-2])", default: last_month }, note: { type: string, default: "" } }\n',
      ),
    )
    const at = { requested_at: '2026-03-31T22:30:00.000Z' }
    const days = (parameters: Record<string, string>) => pipelines.compile(ask({ ...at, parameters })).parameters
    expect(days({})).to.deep.equal({ date: '2026-03-29', month: '2026-02' })
    expect(days({ date: '{date - 1m}', month: 'this_month' })).to.deep.equal({ date: '2026-02-28', month: '2026-03' })
    // A text that is no day stays what it is.
    expect(days({ note: 'yesterday', month: '2025-01' })).to.deep.equal({
      note: 'yesterday',
      date: '2026-03-29',
      month: '2025-01',
    })
    expect(failure(() => days({ date: 'last_month' })).faults[0]).to.equal(
      'date: expected a day as YYYY-MM-DD, or today, yesterday or {date - 4d} (d, w or m), got "last_month"',
    )
    expect(failure(() => days({ month: 'next_month' })).faults[0]).to.include(
      'or this_month, last_month or {date - 1m}',
    )
    expect(
      pipelines.datedParameters('gcp/cost/billing', {}, Date.parse(at.requested_at), 'Europe/Berlin'),
    ).to.deep.equal({ date: '2026-03-30', month: '2026-03' })
  })
  it('loads the month that the run names, or that of its date', () => {
    const source = (parameters: Record<string, string>) =>
      real().compile(ask({ pipeline: 'azure/cost/exports', parameters, tenant_sources: acmeSources })).steps[0]?.config
    expect(source({ month: '2025-11' })?.['source']).to.deep.equal({
      container: 'exports',
      prefix: 'actual',
      export_name: 'daily',
      account: null,
      credential: null,
      day_format: null,
      month: '2025-11',
    })
    expect(source({})?.['source']).to.deep.include({ month: '2026-02' })
    expect(source({ date: '2025-12-31' })?.['destination']).to.deep.include({
      period: { billing_period: '2025-12-01', source_name: 'azure_actual' },
      also_replaces: [
        { source_name: 'azure://exports/actual/daily' },
        { source_name: null, export_name: 'actual/daily' },
      ],
    })
  })
  it('gives columns with the destination, as the template has them', () => {
    const asked = ask({ pipeline: 'aws/cost/cur', parameters: { month: '2025-11' }, tenant_sources: acmeSources })
    const destination = real().compile(asked).steps[0]?.config['destination'] as {
      columns: { name: string; type: string }[]
      period: object
    }
    expect(destination.period).to.deep.equal({ billing_period: '2025-11-01', source_name: 'aws_cur' })
    expect(destination.columns.find(({ name }) => name === 'line_item_unblended_cost')?.type).to.equal('BIGNUMERIC')
  })
  it('keeps the type of a value that stands alone, and makes text of one within text', () => {
    const pipelines = pipelinesFrom(
      load(
        "SELECT 1 AS n, 'x' AS t",
        'parameters: { n: { type: int, default: 7 }, f: { type: boolean, default: false } }\n',
        "table: 't_{n}', write_mode: truncate, period: { n: '{n}', t: 'x{f}' }",
      ),
    )
    expect(pipelines.compile(ask()).steps[0]?.config['destination']).to.deep.include({
      table: 't_7',
      period: { n: 7, t: 'xfalse' },
    })
  })
  it("puts notifications aside with the run's values; their texts wait for the end", () => {
    const run = pipelinesFrom(
      withSteps(
        `${noop}\n${tell}`,
        'variables: { admin_email: "{tenant_id}@acme.example", note: "of {date}" }\nparameters: {}\n',
      ),
    ).compile(ask())
    expect(run.steps.map(({ step_id }) => step_id)).to.deep.equal(['a'])
    expect(run.notifications).to.have.length(1)
    expect(run.notifications[0]).to.deep.include({
      step_id: 'tell',
      host: 'notifier',
      trigger: 'on_failure',
      config: {
        to_emails: ['acme_corp@acme.example'],
        subject_template: '{tenant_id} {status}',
        body_template: '{note} {error}',
      },
    })
    expect(run.variables).to.deep.equal({
      tenant_id: 'acme_corp',
      pipeline_id: 'example',
      project_id: 'local-convergence',
      run_id: ask().run_id,
      date: '2026-02-28',
      month: '2026-02',
      admin_email: 'acme_corp@acme.example',
      company_name: null,
      note: 'of 2026-02-28',
    })
  })
  it("mails to the tenant's own address, and knows its company, whatever the run says", () => {
    const tenant = { admin_email: 'billing@acme.example', company_name: 'Acme & Söhne' }
    const mail = noop + '\n' + tell.replace('{note}', '{company_name}')
    const pipelines = pipelinesFrom(withSteps(mail))
    const run = pipelines.compile(ask({ tenant }))
    expect(run.notifications[0]?.config).to.deep.include({ to_emails: ['{admin_email}'] })
    expect(run.variables).to.deep.include(tenant)
    expect(run.parameters).to.not.have.any.keys('admin_email', 'company_name')
    expect(pipelines.get('gcp/cost/billing')?.parameters.map(({ name }) => name)).to.deep.equal(['date'])
    expect(
      failure(() => pipelines.compile(ask({ tenant, parameters: { admin_email: 'x@y.example', company_name: 'X' } })))
        .faults,
    ).to.deep.equal(['admin_email: is built in and cannot be given', 'company_name: is built in and cannot be given'])
  })
  it("leaves the tenant's own address to the end of the run, also where a variable names it", () => {
    const tenant = { admin_email: 'billing@acme.example', company_name: 'Acme' }
    const mail = `${noop}\n${tell.replace('"{admin_email}"', '"{whom}", "ops@acme.example"')}`
    const run = pipelinesFrom(
      withSteps(mail, 'variables: { whom: "{admin_email}", note: x }\nparameters: {}\n'),
    ).compile(ask({ tenant }))
    expect(run.notifications[0]?.config).to.deep.include({ to_emails: ['{admin_email}', 'ops@acme.example'] })
    expect(run.variables).to.include({ whom: 'billing@acme.example' })
  })
  it('mails to the address that the file sets for all runs, which no run can change either', () => {
    const head = 'variables: { admin_email: cost@acme.example }\n'
    const pipelines = pipelinesFrom(withSteps(`${noop}\n${tell.replace('{note}', '{company_name}')}`, head))
    const tenant = { admin_email: 'billing@acme.example', company_name: 'Acme' }
    expect(pipelines.compile(ask({ tenant })).notifications[0]?.config).to.deep.include({
      to_emails: ['cost@acme.example'],
    })
    expect(
      failure(() => pipelines.compile(ask({ tenant, parameters: { admin_email: 'x@y.example' } }))).faults,
    ).to.deep.equal(['admin_email: is built in and cannot be given'])
  })
  it('binds the name of the company, so that it is never SQL', () => {
    const tenant = { admin_email: 'a@acme.example', company_name: "x' OR 'a' = 'a" }
    expect(queryOf(pipelinesFrom(load("SELECT '{company_name}'", '')).compile(ask({ tenant })))).to.deep.include({
      query: 'SELECT @company_name',
      parameters: [{ name: 'company_name', type: 'STRING', value: tenant.company_name }],
    })
  })
  it("takes an onboarding's company and address from its parameters", () => {
    const parameters = {
      new_tenant_id: 'globex',
      company_name: 'Globex',
      admin_email: 'a@globex.example',
      subscription_plan: 'SCALE',
    }
    const run = real().compile(ask({ tenant_id: 'system', pipeline: 'setup/tenants/onboarding', parameters }))
    expect(run.steps[0]?.config).to.deep.include({ company_name: 'Globex', admin_email: 'a@globex.example' })
  })
  it('carries what the request says of itself', () => {
    const said = {
      trigger_type: 'resume',
      trigger_by: 'key_1',
      user_id: 'u',
      priority: 2,
      parent_run_id: 'r_b',
      skip: ['step_1'],
    } as const
    expect(real().compile(ask({ pipeline: 'custom/bench/three_steps', ...said }))).to.deep.include({
      ...said,
      skip: ['step_1'],
    })
    expect(real().compile(ask({ pipeline: 'custom/bench/three_steps' }))).to.not.have.any.keys(
      'trigger_by',
      'user_id',
      'parent_run_id',
      'skip',
      'variables',
    )
  })
})

describe('parameters of a run', () => {
  const setup = () =>
    pipelinesFrom(
      withSteps(
        noop,
        `parameters:
  day: { type: date, description: day to load }
  size: { type: enum, values: [small, large] }
  count: { type: int, default: 1 }
  label: { type: string, pattern: '[a-z]+', max_length: 5, description: a word, default: "" }
  from_table: { type: table_ref, default: t }
  dry: { type: boolean, default: false }
`,
      ),
    )
  it('are refused with all their faults at once', () => {
    expect(
      failure(() =>
        setup().compile(
          ask({
            parameters: {
              dya: 'x',
              tenant_id: 'globex',
              run_id: 'r',
              count: 1.5,
              label: 'A',
              from_table: 'a;b',
              dry: 'no',
              size: 'smal',
            },
          }),
        ),
      ),
    ).to.deep.equal({
      code: 'PARAMETER_INVALID',
      message: '9 parameters of gcp/cost/billing cannot be used',
      faults: [
        'dya: unknown parameter, did you mean "day"?',
        'tenant_id: is built in and cannot be given',
        'run_id: is built in and cannot be given',
        'count: expected a whole number, got 1.5',
        'label: expected a word ([a-z]+), got "A"',
        'from_table: expected a table of letters, digits and _, got "a;b"',
        'dry: expected true or false, got "no"',
        'size: expected small or large, got "smal", did you mean "small"?',
        'day: is missing: day to load',
      ],
    })
  })
  it('that have no name here are refused with the names that there are', () => {
    expect(
      failure(() => setup().compile(ask({ parameters: { day: '2026-01-01', size: 'small', zzzzzz: 1 } }))).faults,
    ).to.deep.equal(['zzzzzz: unknown parameter; expected count, date, day, dry, from_table, label or size'])
  })
  it('of the value null are those that were not given', () => {
    expect(
      failure(() => setup().compile(ask({ parameters: { day: null, size: 'small', count: null } }))).faults,
    ).to.deep.equal(['day: is missing: day to load'])
  })
  it('are days that exist', () => {
    for (const day of [
      '2026-02-29',
      '2026-13-01',
      '2026-1-1',
      '20260101',
      '2026-01-01T00:00:00Z',
      ' 2026-01-01',
      '2026-01-01\n',
      '',
      'tomorrow',
    ]) {
      expect(failure(() => setup().compile(ask({ parameters: { day, size: 'small' } }))).faults, day).to.deep.equal([
        `day: expected a day as YYYY-MM-DD, or today, yesterday or {date - 4d} (d, w or m), got ${JSON.stringify(day)}`,
      ])
    }
  })
  it('have a longest text, also without one declared', () => {
    const pipelines = pipelinesFrom(withSteps(noop, 'parameters: { a: { type: string, required: false } }\n'))
    expect(failure(() => pipelines.compile(ask({ parameters: { a: 'x'.repeat(1001) } }))).faults).to.deep.equal([
      'a: expected at most 1000 characters, got 1001',
    ])
    expect(pipelines.compile(ask({ parameters: { a: 'x'.repeat(1000) } })).steps).to.have.length(1)
  })
  it('match a pattern in time, whatever it is, and whatever the text', () => {
    const pipelines = pipelinesFrom(
      load('SELECT 1', 'parameters: { a: { type: string, max_length: 50000, pattern: "(x+x+)+y" } }\n', 'table: t'),
    )
    const { faults } = failure(() => pipelines.compile(ask({ parameters: { a: 'x'.repeat(50_000) } })))
    expect(faults[0]).to.match(/^a: expected a text of the form \(x\+x\+\)\+y/)
  })
  it('match their pattern as a whole, to the end of the last line', () => {
    expect(
      failure(() => setup().compile(ask({ parameters: { day: '2026-01-01', size: 'small', label: 'ab\n' } }))).faults,
    ).to.have.length(1)
    expect(
      failure(() => setup().compile(ask({ parameters: { day: '2026-01-01', size: 'small', label: 'ab cd' } }))).faults,
    ).to.have.length(1)
  })
  it('override the variables of a file that declares none, with kinds from their names', () => {
    const pipelines = pipelinesFrom(
      load(
        "SELECT '{note}', '{from_date}' FROM `{source_table}` JOIN `{other}`",
        'variables: { note: "of {tenant_id}", from_date: 2026-01-01, source_table: t, other: u }\n',
      ),
    )
    const filled = (parameters: Record<string, string>) => {
      const { query, parameters: bound } = queryOf(pipelines.compile(ask({ parameters })))
      return [query, ...bound.map(({ type, value }) => `${type} ${String(value)}`)]
    }
    expect(filled({})).to.deep.equal([
      'SELECT @note, @from_date FROM `t` JOIN `u`',
      'STRING of acme_corp',
      'DATE 2026-01-01',
    ])
    expect(
      filled({ note: '{run_id}', from_date: '2026-02-02', source_table: 'acme_corp.x', other: 'y' }),
    ).to.deep.equal(['SELECT @note, @from_date FROM `acme_corp.x` JOIN `y`', 'STRING {run_id}', 'DATE 2026-02-02'])
    expect(
      failure(() => pipelines.compile(ask({ parameters: { from_date: 'x', source_table: 'a b', other: '`' } }))).faults,
    ).to.have.length(3)
  })
  it('may be made of those above them and of the day, in a file that declares none and in one that does', () => {
    const nested = load("SELECT '{nested}'", 'variables: { greeting: hi, nested: "<{greeting}> on {date}" }\n')
    const declared = load(
      "SELECT '{nested}'",
      'parameters: { greeting: { type: string, default: hi }, nested: { type: string, default: "<{greeting}> on {date}" } }\n',
    )
    for (const text of [nested, declared]) {
      const filled = (parameters: Record<string, string>) =>
        queryOf(pipelinesFrom(text).compile(ask({ parameters }))).parameters.map(({ value }) => value)
      expect(filled({ date: '2026-03-01' })).to.deep.equal(['<hi> on 2026-03-01'])
      expect(filled({ date: '2026-03-01', greeting: '{tenant_id}' })).to.deep.equal(['<{tenant_id}> on 2026-03-01'])
      expect(filled({ date: '2026-03-01', nested: 'own' })).to.deep.equal(['own'])
    }
    expect(
      failure(() => pipelinesFrom(nested.replace('greeting: hi, ', '').replace('}"', '}", greeting: hi'))).faults,
    ).to.have.length(1)
  })
  it('are refused where a default that is made of others is no value of its kind in this run', () => {
    const pipelines = pipelinesFrom(
      load(
        "SELECT '{size}'",
        'parameters: { unit: { type: string, default: m }, size: { type: string, pattern: "1[a-z]", default: "1{unit}" } }\n',
      ),
    )
    expect(queryOf(pipelines.compile(ask({ parameters: { unit: 'k' } }))).parameters[0]?.value).to.equal('1k')
    expect(failure(() => pipelines.compile(ask({ parameters: { unit: 'KB' } }))).faults).to.deep.equal([
      'size: expected a text of the form 1[a-z], got "1KB", which its default 1{unit} is in this run',
    ])
  })
  it("name no project but the platform's for a job, whatever a run says", () => {
    const pipelines = pipelinesFrom(
      withSteps(
        `  - step_id: a
    ps_type: gcp.bq_etl
    source: { bq_project_id: "{where}", query: "SELECT 1 AS n" }
    destination: { bq_project_id: "{project_id}", dataset_type: "{tenant_id}", table: t }`,
        'parameters: { where: { type: string, default: "{project_id}" } }\n',
      ),
    )
    expect(pipelines.compile(ask({ parameters: {} })).steps).to.have.length(1)
    expect(failure(() => pipelines.compile(ask({ parameters: { where: 'other' } }))).message).to.contain(
      'a: source.bq_project_id: expected {project_id}',
    )
  })
  it('leave a key of the file that its runs wait by, unless the request has one', () => {
    const pipelines = pipelinesFrom(withSteps(noop, 'concurrency_key: focus\n'))
    expect(pipelines.compile(ask({ parameters: {} })).concurrency_key).to.equal('pipelines/focus')
    expect(pipelines.compile(ask({ parameters: {}, concurrency_key: 'acme:x' })).concurrency_key).to.equal('acme:x')
    expect(pipelinesFrom(withSteps(noop)).compile(ask({ parameters: {} }))).to.not.have.property('concurrency_key')
  })
  it('leave the variables of a file alone that declares what a run may say', () => {
    const pipelines = pipelinesFrom(withSteps(noop, 'parameters: {}\nvariables: { note: x }\n'))
    expect(failure(() => pipelines.compile(ask({ parameters: { note: 'y' } }))).faults).to.deep.equal([
      'note: unknown parameter; expected date',
    ])
  })
  it('are never filled in twice: a value with braces stays what it is', () => {
    const pipelines = pipelinesFrom(
      withSteps(
        '  - { step_id: a, ps_type: azure.blob_data_loader, source: { container: c, month: "{label}" }, destination: { bq_project_id: "{project_id}", dataset_type: "{tenant_id}", table: t } }',
        'parameters: { label: { type: string } }\n',
      ),
    )
    expect(pipelines.compile(ask({ parameters: { label: '{project_id}' } })).steps[0]?.config['source']).to.deep.equal({
      container: 'c',
      month: '{project_id}',
    })
  })
  it('are refused or taken, whatever they are, and touch no prototype', () => {
    const pipelines = setup()
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.oneof(
            fc.constantFrom(
              'day',
              'size',
              'count',
              'label',
              'from_table',
              'dry',
              '__proto__',
              'constructor',
              'toString',
            ),
            fc.string(),
          ),
          fc.anything(),
        ),
        (parameters) => {
          try {
            pipelines.compile(ask({ parameters: parameters as Record<string, string> }))
          } catch (error) {
            expect((error as { code?: string }).code).to.equal('PARAMETER_INVALID')
          }
        },
      ),
      { numRuns: 2000 },
    )
    expect(({} as { polluted?: unknown }).polluted).to.equal(undefined)
    expect(
      failure(() =>
        pipelines.compile(
          ask({
            parameters: JSON.parse('{"day":"2026-01-01","size":"small","__proto__":"x"}') as Record<string, string>,
          }),
        ),
      ).faults,
    ).to.have.length(1)
  })
})

describe('whose data a run touches', () => {
  it("is its tenant's: the platform alone names another, in pipelines of setup/", () => {
    const pipelines = real()
    const written = (tenant_id: string) =>
      (
        pipelines.compile(
          ask({ tenant_id, pipeline: 'setup/tenants/dryrun_validation', parameters: { new_tenant_id: 'globex' } }),
        ).steps[0]?.config['destination'] as { dataset_type: string }
      ).dataset_type
    expect(written('system')).to.equal('globex')
    expect(written('globex')).to.equal('globex')
    expect(failure(() => written('acme_corp'))).to.deep.include({
      code: 'PARAMETER_INVALID',
      message:
        'setup/tenants/dryrun_validation: validation would write globex.onboarding_validation_test; expected the dataset of its tenant, acme_corp',
    })
  })
  it('cannot be changed by a table of the request', () => {
    const pipelines = pipelinesFrom(
      load('SELECT * FROM `{some_table}`', 'parameters: { some_table: { type: table_ref } }\n'),
    )
    const { code, message } = failure(() =>
      pipelines.compile(ask({ parameters: { some_table: 'tenants.tenant_api_keys' } })),
    )
    expect(code).to.equal('SOURCE_NOT_DECLARED')
    expect(message).to.equal(
      'gcp/cost/billing: load would read tenants.tenant_api_keys; expected a table of local-convergence.acme_corp or local-convergence.billing_export',
    )
  })
  it('travels with the run as sources, with their project', () => {
    expect(real().compile(ask({ tenant_sources: acmeSources })).sources).to.deep.equal([
      'local-convergence.billing_export',
      'acme-billing-1.exports.gcp_detailed_v1_01AB23_45CD67_89EF01',
    ])
    const named = withSteps(noop, 'sources: [shared_1, "other-project-1.x"]\n')
    expect(pipelinesFrom(named, 'x,shared_1,other-project-1.x').compile(ask()).sources).to.deep.equal([
      'local-convergence.shared_1',
      'other-project-1.x',
    ])
  })
  it('are what the operator shares where a file names no sources', () => {
    expect(pipelinesFrom(withSteps(noop)).compile(ask()).sources).to.deep.equal(['local-convergence.billing_export'])
    expect(pipelinesFrom(withSteps(noop), 'a,b').compile(ask()).sources).to.deep.equal([
      'local-convergence.a',
      'local-convergence.b',
    ])
    expect(pipelinesFrom(withSteps(noop, 'sources: []\n')).compile(ask()).sources).to.deep.equal([])
  })
  it('includes no identifier that a variable makes of a foreign dataset', () => {
    const text = load('SELECT 1 FROM `{tenant_id}x.{where}`', 'parameters: {}\nvariables: { where: t }\n')
    expect(failure(() => pipelinesFrom(text).compile(ask())).code).to.equal('CONFIG_INVALID')
    const asked = load('SELECT 1 FROM `{where}`', 'parameters: { where: { type: table_ref } }\n')
    expect(failure(() => pipelinesFrom(asked).compile(ask({ parameters: { where: 'globex.t' } }))).code).to.equal(
      'SOURCE_NOT_DECLARED',
    )
  })
})
