import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { checkFiles, loadPipelines, showFaults } from '@convergence/pipeline'
import { acmeSources, ask, failure, faultsByFile, faultsIn, pipelinesFrom, withSteps } from './world.ts'

const noop = '  - { step_id: a, ps_type: custom.noop }'
const etl = (destination: string, query = 'SELECT 1 AS one', more = '') =>
  withSteps(`  - step_id: load
    ps_type: gcp.bq_etl
    source: { query: "${query}" }
    destination: { bq_project_id: "{project_id}", dataset_type: "{tenant_id}", ${destination} }${more}`)

describe('a wrong pipeline', () => {
  it('is refused with all its faults at once, each with its place and the right name', () => {
    expect(
      faultsIn(`pipeline:
  id: billing
  name: Billing
variables:
  admin_email: admin@example.com


steps:
  - id: load_day
    name: Load the day
    ps_type: "gcp.bq_elt"
    timeout_minutes: 20
    source:
      bq_project_id: "{project_id}"
      query: |
        SELECT *
        FROM \`billing\`
        WHERE cost > 0
          AND usage_date = '{dat}'


    destination:
      bq_project_id: "{project_id}"
      write_disposition: "WRITE_APPEND"
      dataset_type: "{tenant_id}"
`),
    ).to.deep.equal([
      '1:1  pipeline: unknown field; what stands in it belongs at the root of the file (pipeline_id, description)',
      '1:1  "description" is missing: what the pipeline does, such as One day of Google Cloud cost',
      '2:3  unknown field "id", the name is "pipeline_id"',
      '3:3  unknown field "name", the name is "pipeline_id"',
      '9:5  steps[0]: unknown field "id", the name is "step_id"',
      '11:14  steps[0].ps_type: unknown "gcp.bq_elt", did you mean "gcp.bq_etl"?',
      '19:29  steps[0].source.query: variable "dat" is not defined, did you mean "date"? Defined: ' +
        'admin_email, company_name, date, month, pipeline_id, primary_sources, project_id, run_id, tenant_id',
      '22:5  steps[0].destination: "table" is missing: the name of the table to write, such as gcp_cost_daily',
      '24:7  steps[0].destination: unknown field "write_disposition", the name is "write_mode" (append, ' +
        'truncate or write_empty)',
    ])
  })

  it('hears of every fault of what stands in pipeline:, and beside a field that stands twice', () => {
    expect(
      faultsIn(`pipeline:
  id: example
  description: x
  steps:
    - step_id: a
      ps_type: custom.nop
      step_id: b
    - { step_id: c, ps_type: custom.noop, colour: red }
schedule: "61 * * * *"
`),
    ).to.deep.equal([
      '1:1  pipeline: unknown field; what stands in it belongs at the root of the file (pipeline_id, description)',
      '2:3  unknown field "id", the name is "pipeline_id"',
      '6:16  steps[0].ps_type: unknown "custom.nop", did you mean "custom.noop"?',
      '7:7  field "step_id" stands twice; the first is in line 5',
      '8:43  steps[1]: unknown field "colour"; expected depends_on, description, for_each, name, ps_type, retry_policy, ' +
        'step_id, timeout_minutes, trigger or when',
      '9:11  schedule: expected five fields such as 0 6 * * *, got "61 * * * *": Invalid value for minute: 61',
    ])
  })
  it('hears of a project that no job of the platform runs in, wherever it comes from', () => {
    const text = (variables: string, project: string) =>
      withSteps(
        `  - step_id: a
    ps_type: gcp.bq_etl
    source: { bq_project_id: "${project}", query: "SELECT 1 AS n" }
    destination: { bq_project_id: "${project}", dataset_type: "{tenant_id}", table: t }`,
        variables,
      )
    const expected = [
      'steps[0].source.bq_project_id: expected {project_id}, and the other project in the table of the query: ' +
        '`project.dataset.table`, under sources, got "other-project-123"',
      'steps[0].destination.bq_project_id: expected {project_id}, got "other-project-123"',
    ]
    const words = (faults: readonly string[]) => faults.map((fault) => fault.replace(/^\S+ +/, ''))
    expect(words(faultsIn(text('', 'other-project-123')))).to.deep.equal(expected)
    const fixed = 'parameters: {}\nvariables: { p: other-project-123 }\n'
    expect(words(faultsIn(text(fixed, '{p}')))).to.deep.equal(expected)
    expect(faultsIn(text('', 'local-convergence'))).to.deep.equal([])
  })

  const mistakes: readonly (readonly [what: string, text: string, expected: readonly string[]])[] = [
    ['nothing', '', ['1:1  the file is empty; expected pipeline_id, description and steps']],
    [
      'nothing but the root',
      '{}',
      [
        '1:1  "pipeline_id" is missing: the name of the pipeline, unique, such as gcp_cost_billing',
        '1:1  "description" is missing: what the pipeline does, such as One day of Google Cloud cost',
        '1:1  "steps" is missing: what is done, in order unless a step has depends_on',
      ],
    ],
    [
      'a list',
      '- a',
      [
        '1:1  expected a group of fields, got ["a"]; its fields are pipeline_id, description, schedule, aliases, sources, ' +
          'parameters, variables, after, concurrency_key, timeout_minutes, steps',
      ],
    ],
    ['no steps in it', 'pipeline_id: example\ndescription: x\nsteps: []', ['3:8  steps: expected at least 1, got 0']],
    [
      'a step that is no group',
      'pipeline_id: example\ndescription: x\nsteps: [load]',
      ['3:9  steps[0]: expected a group of fields, got "load"'],
    ],
    [
      'a root field misspelt',
      withSteps(noop, 'varaibles: {}\n'),
      ['3:1  unknown field "varaibles", did you mean "variables"?'],
    ],
    [
      'a root field that nobody knows',
      withSteps(noop, 'colour: red\n'),
      [
        '3:1  unknown field "colour"; expected after, aliases, concurrency_key, description, parameters, pipeline_id, schedule, sources, ' +
          'steps, timeout_minutes or variables',
      ],
    ],
    [
      'a name of the wrong form',
      'pipeline_id: My Pipeline\ndescription: x\nsteps:\n' + noop,
      ['1:14  pipeline_id: expected 2 to 64 of a-z, 0-9, _ and -, beginning with a letter, got "My Pipeline"'],
    ],
    [
      'an empty description',
      'pipeline_id: example\ndescription: ""\nsteps:\n' + noop,
      ['2:14  description: expected a text, got ""'],
    ],
    [
      'a cron expression of four fields',
      withSteps(noop, 'schedule: "0 6 * *"\n'),
      ['3:11  schedule: expected five fields: minute, hour, day of month, month, day of week, got "0 6 * *"'],
    ],
    [
      'a timeout over an hour',
      withSteps('  - { step_id: a, ps_type: custom.noop, timeout_minutes: 90 }'),
      ['4:58  steps[0].timeout_minutes: expected more than 0 and at most 60, got 90'],
    ],
    [
      'a number as text',
      withSteps('  - { step_id: a, ps_type: custom.noop, timeout_minutes: "5" }'),
      ['4:58  steps[0].timeout_minutes: expected a number, got "5"; write the number alone: 5'],
    ],
    [
      'too many retries',
      withSteps('  - { step_id: a, ps_type: custom.noop, retry_policy: { max_retries: 99 } }'),
      ['4:70  steps[0].retry_policy.max_retries: expected at least 0 and at most 10, got 99'],
    ],
    [
      'a kind of step that nobody knows',
      withSteps('  - { step_id: a, ps_type: oracle.unload }'),
      [
        '4:28  steps[0].ps_type: unknown "oracle.unload"; ' +
          'expected any.focus_loader, aws.s3_data_loader, azure.blob_data_loader, custom.noop, focus.allocation, gcp.bq_etl, gcp.bq_view, ' +
          'notify_systems.email_notification or notify_systems.slack_notification',
      ],
    ],
    [
      'a schema of an export that is not there',
      withSteps(
        '  - step_id: a\n    ps_type: gcp.bq_etl\n    source: { export_schema: gcp_billing_export_v2, query: SELECT 1 }\n' +
          '    destination: { bq_project_id: "{project_id}", dataset_type: "{tenant_id}", table: t }',
      ),
      ['6:30  steps[0].source.export_schema: unknown "gcp_billing_export_v2", did you mean "gcp_billing_export_v1"?'],
    ],
    [
      'a step that reads nothing',
      withSteps(
        '  - step_id: a\n    ps_type: gcp.bq_etl\n    source: { bq_project_id: "{project_id}" }\n' +
          '    destination: { bq_project_id: "{project_id}", dataset_type: "{tenant_id}", table: t }',
      ),
      ['6:5  steps[0].source: "query" is missing: GoogleSQL, one SELECT; or query_file'],
    ],
    [
      'a file of a query that is not beside it',
      withSteps(
        '  - step_id: a\n    ps_type: gcp.bq_etl\n    source: { query_file: ../cost.sql }\n' +
          '    destination: { bq_project_id: "{project_id}", dataset_type: "{tenant_id}", table: t }',
      ),
      [
        '6:27  steps[0].source.query_file: expected the name of a file beside this one, such as cost.sql, got ' +
          '"../cost.sql", which cannot be read',
      ],
    ],
    [
      'a table of its own that no schema describes, or that the query does not name',
      withSteps(
        '  - step_id: a\n    ps_type: gcp.bq_etl\n    source: { own_tables: { one: aws_cost_curr, aws_cost_cur: aws_cost_cur }, query: SELECT 1, nothing_without: two }\n' +
          '    destination: { bq_project_id: "{project_id}", dataset_type: "{tenant_id}", table: t }',
      ),
      [
        '6:34  steps[0].source.own_tables.one: no schema "aws_cost_curr", did you mean "aws_cost_cur"?',
        '6:49  steps[0].source.own_tables.aws_cost_cur: expected `aws_cost_cur` in backticks in the query, got none',
        '6:113  steps[0].source.nothing_without: expected one or aws_cost_cur, got "two"',
      ],
    ],
    [
      'no kind of step',
      withSteps('  - { step_id: a }'),
      ['4:5  steps[0]: "ps_type" is missing: the kind of step, such as any.focus_loader'],
    ],
    [
      'a field of another kind of step',
      withSteps('  - { step_id: a, ps_type: custom.noop, query: x }'),
      [
        '4:41  steps[0]: unknown field "query"; expected depends_on, description, for_each, name, ps_type, retry_policy, ' +
          'step_id, timeout_minutes, trigger or when',
      ],
    ],
    [
      'two steps of one name',
      withSteps(`${noop}\n${noop}`),
      ['5:16  steps[1].step_id: "a" is the name of steps[0] too; it must be unique in the pipeline'],
    ],
    [
      'target for destination',
      withSteps('  - { step_id: a, ps_type: gcp.bq_etl, source: { query: SELECT 1 }, target: {} }'),
      ['4:69  steps[0]: unknown field "target", the name is "destination"'],
    ],
    [
      'dataset_id, table_id and project',
      withSteps(
        '  - step_id: a\n    ps_type: gcp.bq_etl\n    source: { query: ' +
          'SELECT 1 }\n    destination:\n      project: p\n      dataset_id: d\n      table_id: t',
      ),
      [
        '8:7  steps[0].destination: unknown field "project", the name is "bq_project_id"',
        '9:7  steps[0].destination: unknown field "dataset_id", the name is "dataset_type"',
        '10:7  steps[0].destination: unknown field "table_id", the name is "table"',
      ],
    ],
    [
      'a write mode in capitals',
      etl('table: t, write_mode: APPEND'),
      [
        '7:102  steps[0].destination.write_mode: expected append, truncate or write_empty, got "APPEND", ' +
          'did you mean "append"?',
      ],
    ],
    [
      'a period that is not replaced',
      etl('table: t, period: { day: "{date}" }'),
      [
        '7:90  steps[0].destination.period: expected write_mode truncate beside it, ' +
          'which then replaces the rows of the period only, got append, the default',
      ],
    ],
    [
      'columns that the template has not',
      etl('table: t, schema_template: gcp_cost_biling'),
      ['7:107  steps[0].destination.schema_template: unknown "gcp_cost_biling", did you mean "gcp_cost_billing"?'],
    ],
    [
      'a period, partitions and clusters of other columns',
      etl(
        'table: t, write_mode: truncate, period: { usage_day: x }, schema_template: ' +
          'gcp_cost_billing, table_config: { time_partitioning: { field: usage_dat }, clustering_fields: ' +
          '[services] }',
      ),
      [
        '7:122  steps[0].destination.period: no column "usage_day" in gcp_cost_billing, did you mean "usage_date"?',
        '7:217  steps[0].destination.table_config.time_partitioning.field: ' +
          'no column "usage_dat" in gcp_cost_billing, did you mean "usage_date"?',
        '7:250  steps[0].destination.table_config.clustering_fields[0]: no column "services" in gcp_cost_billing',
      ],
    ],
    [
      'a table that is no name',
      etl('table: a-b'),
      ['7:87  steps[0].destination.table: expected letters, digits and _, got "a-b"'],
    ],
    [
      'a check under another name',
      etl('table: t', 'SELECT 1 AS one', '\n    checks: [{ kind: not_null, column: one }]'),
      [
        '8:16  steps[0].checks[0]: unknown field "kind", the name is "check" (not_null, unique, range, ' +
          'accepted_values, row_count, sum, freshness, sql, previous_period or focus_rules)',
      ],
    ],
    [
      'checks that lack what they need, or have what is of others',
      etl(
        'table: t',
        'SELECT 1 AS one',
        `
    checks:
      - { check: not_null }
      - { check: unique, column: one, columns: [one, two] }
      - { check: range, column: one }
      - { check: row_count, column: one, min: 3, max: 1 }
      - { check: sum, column: one, equals: about 7 }
      - { check: accepted_values, column: 'one two' }
      - { check: sql, query: "SELECT {date} FROM new_rows" }
      - { check: previous_period, min: 0.5 }
      - { check: freshness, column: "{at}" }`,
      ),
      [
        '9:9  steps[0].checks[0]: not_null: expected column, got none',
        '10:9  steps[0].checks[1]: unique: expected column or columns, got both',
        '11:9  steps[0].checks[2]: range: expected min or max, got none',
        '12:29  steps[0].checks[3]: row_count: has no column; it has min, max or equals',
        '12:47  steps[0].checks[3].min: expected at most max, which is 1, got 3',
        '13:44  steps[0].checks[4].equals: expected a decimal number, got "about 7"',
        '14:9  steps[0].checks[5]: accepted_values: expected values, got none',
        '14:43  steps[0].checks[5].column: expected the name of a column, got "one two"',
        '15:38  steps[0].checks[6].query: {date} stands outside quotes; ' +
          "expected '{date}' for a value or `{date}` for a table",
        '16:9  steps[0].checks[7]: previous_period: expected destination.period, which says what comes before it, got none',
        '17:38  steps[0].checks[8].column: variable "at" is not defined. Defined: ' +
          'admin_email, company_name, date, month, pipeline_id, primary_sources, project_id, run_id, tenant_id',
      ],
    ],
    [
      'queries of checks that name no column of the new rows, or are no SELECT',
      etl(
        'table: t',
        'SELECT 1 AS one',
        `
    checks:
      - { check: sql, query: SELECT two FROM new_rows }
      - { check: sql, query: DELETE FROM new_rows WHERE TRUE }`,
      ),
      [
        '9:37  steps[0].checks[0].query: Unrecognized name: two',
        '10:30  steps[0].checks[1].query: expected one SELECT, got DELETE; whose rows are violations',
      ],
    ],
    [
      'a check of a column that the table of a loader does not have',
      withSteps(
        '  - { step_id: load, ps_type: aws.s3_data_loader, source: { s3_bucket: b }, destination: { bq_project_id: ' +
          '"{project_id}", dataset_type: "{tenant_id}", table: t, schema_template: aws_cost_cur }, ' +
          'checks: [{ check: not_null, column: bill_payer_account }] }',
      ),
      [
        '4:231  steps[0].checks[0].column: no column "bill_payer_account" in the table, ' +
          'did you mean "bill_payer_account_id"?',
      ],
    ],
    [
      'a variable that nobody defines, outside of a query',
      etl('table: t', 'SELECT 1 AS one', '\n    name: x').replace('"{project_id}"', '"{projekt_id}"'),
      [
        '7:36  steps[0].destination.bq_project_id: ' +
          'variable "projekt_id" is not defined, did you mean "project_id"? Defined: ' +
          'admin_email, company_name, date, month, pipeline_id, primary_sources, project_id, run_id, tenant_id',
      ],
    ],
    [
      'a variable in capitals',
      etl('table: t', "SELECT '{Date}'"),
      [
        '6:31  steps[0].source.query: variable "Date" is not defined, did you mean "date"? Defined: ' +
          'admin_email, company_name, date, month, pipeline_id, primary_sources, project_id, run_id, tenant_id',
      ],
    ],
    [
      "a parameter that is the tenant's own",
      withSteps(noop, 'parameters: { admin_email: { type: string }, company_name: { type: string, default: x } }\n'),
      [
        "3:15  parameters.admin_email: is built in, from the tenant's profile, and cannot be a parameter;" +
          ' leave it out, or set it under "variables" for all runs',
        "3:46  parameters.company_name: is built in, from the tenant's profile, and cannot be a parameter;" +
          ' leave it out, or set it under "variables" for all runs',
      ],
    ],
    [
      "sources by the tenant's own name",
      withSteps(noop, 'sources: ["{company_name}"]\n'),
      [
        '3:12  sources[0]: variable "company_name" cannot be used here. Usable: ' +
          'pipeline_id, project_id, run_id, tenant_id',
      ],
    ],
    [
      'a variable with blanks',
      etl('table: t', 'SELECT 1 AS one', '\n    checks: [{ check: not_null, column: "{ date }" }]'),
      ['8:42  steps[0].checks[0].column: expected {date} without blanks'],
    ],
    [
      'a bare variable in a query',
      etl('table: t', 'SELECT {date}'),
      [
        '6:30  steps[0].source.query: {date} stands outside quotes; ' +
          "expected '{date}' for a value or `{date}` for a table",
      ],
    ],
    [
      'a built-in as a variable',
      withSteps(noop, 'variables: { tenant_id: globex }\n'),
      ['3:14  variables.tenant_id: is built in and cannot be set'],
    ],
    [
      'a built-in as a parameter',
      withSteps(noop, 'parameters: { run_id: { type: string } }\n'),
      ['3:15  parameters.run_id: is built in and cannot be a parameter'],
    ],
    [
      'a variable before what it uses',
      withSteps(noop, 'variables:\n  a: "{b}"\n  b: x\nparameters: {}\n'),
      [
        '4:7  variables.a: variable "b" cannot be used here. Usable: ' +
          'admin_email, company_name, date, month, pipeline_id, primary_sources, project_id, run_id, tenant_id',
      ],
    ],
    [
      'a variable with a bad name',
      withSteps(noop, 'variables: { Big-Name: x }\n'),
      ['3:14  variables: expected a name of a-z, 0-9 and _ that begins with a letter, got "Big-Name"'],
    ],
    [
      'a parameter of an unknown kind',
      withSteps(noop, 'parameters: { day: { type: datum } }\n'),
      ['3:28  parameters.day.type: expected date, month, string, int, enum, table_ref or boolean, got "datum"'],
    ],
    [
      'an enum without values, and a default beside the values',
      withSteps(noop, 'parameters:\n  a: { type: enum }\n  b: { type: enum, values: [x], default: y }\n'),
      [
        '4:3  parameters.a: "values" is missing: the texts that an enum may be',
        '5:42  parameters.b.default: expected x, got "y"',
      ],
    ],
    [
      'a default that is no day',
      withSteps(noop, 'parameters: { day: { type: date, default: 2026-02-30 } }\n'),
      [
        '3:43  parameters.day.default: expected a day as YYYY-MM-DD, or today, yesterday or {date - 4d} (d, w or m), got "2026-02-30"',
      ],
    ],
    [
      'a pattern that is none',
      withSteps(noop, 'parameters: { a: { type: string, pattern: "(" } }\n'),
      ['3:43  parameters.a.pattern: expected a regular expression as RE2 has it, got "(": missing closing ): `(`'],
    ],
    [
      'recipients that a run could choose',
      withSteps(
        `${noop}\n  - { step_id: tell, ps_type: notify_systems.email_notification, to_emails: ` +
          '["a@b.example", "{to}"] }',
        'parameters: { to: { type: string } }\n',
      ),
      [
        '6:77  steps[1].to_emails: can be set by a run; ' +
          'expected what the pipeline itself says: variables are fixed where the file declares "parameters"',
      ],
    ],
    [
      'sources that a run could choose',
      withSteps(noop, 'parameters: { a: { type: string } }\nsources: ["{project_id}.{a}"]\n'),
      ['4:25  sources[0]: variable "a" cannot be used here. Usable: pipeline_id, project_id, run_id, tenant_id'],
    ],
    [
      'the central dataset as a source',
      withSteps(noop, 'sources: ["{project_id}.tenants"]\n'),
      [
        '3:11  sources[0]: expected local-convergence.billing_export, ' +
          'which the operator shares (SHARED_SOURCES), got "local-convergence.tenants", ' +
          'which holds the data of all tenants',
      ],
    ],
    [
      'the central dataset through a variable',
      withSteps(noop, 'sources: ["{project_id}.{central}"]\nparameters: {}\nvariables: { central: tenants }\n'),
      [
        '3:11  sources[0]: expected local-convergence.billing_export, ' +
          'which the operator shares (SHARED_SOURCES), got "local-convergence.tenants", ' +
          'which holds the data of all tenants',
      ],
    ],
    [
      'a source that the operator does not share',
      withSteps(noop, 'sources: [billing_export, "{tenant_id}", globex, "{project_id}.{tenant_id}x"]\n'),
      [
        '3:42  sources[2]: expected local-convergence.billing_export, ' +
          'which the operator shares (SHARED_SOURCES), got "globex"',
        '3:50  sources[3]: expected local-convergence.billing_export, ' +
          'which the operator shares (SHARED_SOURCES), got "local-convergence.{tenant_id}x"',
      ],
    ],
    [
      'a table of another dataset as a default',
      withSteps(noop, 'parameters: { a: { type: table_ref, default: "{project_id}.globex.t" } }\n'),
      [
        '3:46  parameters.a.default: would read local-convergence.globex.t; ' +
          'expected a table of local-convergence.{tenant_id} or local-convergence.billing_export',
      ],
    ],
    [
      'a table of another dataset in backticks',
      etl('table: t').replace('SELECT 1', 'SELECT 1 FROM `tenants.tenant_api_keys_rows`'),
      [
        '6:37  steps[0].source.query: would read tenants.tenant_api_keys_rows; ' +
          'expected a table of local-convergence.{tenant_id} or local-convergence.billing_export',
      ],
    ],
    [
      'another dataset to write',
      etl('table: t').replace('"{tenant_id}"', 'globex'),
      [
        '7:65  steps[0].destination.dataset_type: expected "{tenant_id}", ' +
          'a pipeline writes the dataset of its tenant only, got "globex"',
      ],
    ],
    [
      'a text of the run as a table',
      withSteps(
        `  - step_id: load
    ps_type: gcp.bq_etl
    source: { query: "SELECT 1 FROM \`{a}\`" }
    destination: { bq_project_id: "{project_id}", dataset_type: "{tenant_id}", table: t }`,
        'parameters: { a: { type: string } }\n',
      ),
      [
        '7:38  steps[0].source.query: {a} in backticks can be set by a run; ' +
          'expected a parameter of type table_ref, or a variable that no parameter changes',
      ],
    ],
    [
      'a bucket that a run could choose',
      withSteps(
        `  - step_id: load
    ps_type: aws.s3_data_loader
    source: { s3_bucket: "{bucket}" }
    destination: { bq_project_id: "{project_id}", dataset_type: "{tenant_id}", table: t }`,
        'variables: { bucket: "{tenant_id}-cur" }\n',
      ),
      [
        '7:26  steps[0].source.s3_bucket: can be set by a run; ' +
          'expected what the pipeline itself says: variables are fixed where the file declares "parameters"',
      ],
    ],
    [
      'a webhook in plain text, which is not repeated',
      withSteps(
        `${noop}\n  - { step_id: b, ps_type: notify_systems.slack_notification, slack_webhook_url: ` +
          '"https://hooks.slack.com/services/T/B/secret" }',
      ),
      [
        '5:82  steps[1].slack_webhook_url: expected the name of a stored credential, not the URL, ' +
          'which is a secret: store it with PUT /api/v1/tenants/{tenant_id}/credentials/slack and write slack',
      ],
    ],
    [
      'a step of the platform',
      withSteps('  - { step_id: a, ps_type: setup.initial }'),
      [
        '4:28  steps[0].ps_type: "setup.initial" is a step of the platform\'s own pipelines; ' +
          'expected one that stands outside of setup/ too',
      ],
    ],
    [
      'notifications only',
      withSteps('  - { step_id: a, ps_type: notify_systems.email_notification, to_emails: ["a@b.example"] }'),
      ['3:1  steps: expected a step that does something, got notifications only'],
    ],
    [
      'a trigger of a step that has none before it',
      withSteps('  - { step_id: a, ps_type: custom.noop, trigger: always }'),
      ['4:50  steps[0].trigger: always is about the steps before this one, and there is none; put it behind them'],
    ],
    [
      'a need that nobody meets',
      withSteps(
        '  - { step_id: one, ps_type: custom.noop }\n  - { step_id: two, ps_type: custom.noop, depends_on: [on] }',
      ),
      ['5:56  steps[1].depends_on: unknown step "on", did you mean "one"?'],
    ],
    [
      'a circle',
      withSteps(
        '  - { step_id: a, ps_type: custom.noop, depends_on: [c] }\n  - { step_id: b, ps_type: ' +
          'custom.noop, depends_on: [a] }\n  - { step_id: c, ps_type: custom.noop, depends_on: [b] }',
      ),
      ['4:41  steps[0].depends_on: goes in a circle: a -> c -> b -> a'],
    ],
    [
      'a step that needs itself',
      withSteps('  - { step_id: a, ps_type: custom.noop, depends_on: [a] }'),
      ['4:41  steps[0].depends_on: goes in a circle: a -> a'],
    ],
    [
      'a need of a notification',
      withSteps(
        `${noop}\n  - { step_id: tell, ps_type: notify_systems.email_notification, to_emails: ` +
          '["a@b.example"] }\n  - { step_id: c, ps_type: custom.noop, depends_on: [tell] }',
      ),
      ['6:54  steps[2].depends_on: "tell" is a notification, which follows the end of the run'],
    ],
  ]
  // One reading for all of them: what takes time is the templates.
  let faults: ReadonlyMap<string, readonly string[]> | undefined
  mistakes.forEach(([what, , expected], k) => {
    it(`says what is wrong with ${what}`, () => {
      faults ??= faultsByFile(Object.fromEntries(mistakes.map(([, text], n) => [`gcp/cost/mistake_${n}.yml`, text])))
      expect(faults.get(`gcp/cost/mistake_${k}.yml`) ?? []).to.deep.equal(expected)
    })
  })

  it('hears of faults in blocks, folded texts and quotes at their own place', () => {
    const at = (query: string) =>
      faultsIn(
        withSteps(
          `  - step_id: load\n    ps_type: gcp.bq_etl\n    source:\n      query: ${query}\n    destination: ` +
            '{ bq_project_id: "{project_id}", dataset_type: "{tenant_id}", table: t }',
        ),
      ).map((fault) => fault.split(' ')[0])
    expect(at('|\n\n        SELECT 1,\n          {date}, {month}')).to.deep.equal(['10:11', '10:19'])
    expect(at('>-\n        SELECT 1,\n        {date},\n        {date}')).to.deep.equal(['9:9', '10:9'])
    expect(at('"SELECT \\"x\\", {date}"')).to.deep.equal(['7:29'])
    expect(at('SELECT 1,\n        {date}')).to.deep.equal(['8:9'])
  })
  it('is found in every file, in the order of files and lines', () => {
    expect(
      faultsIn({
        'b/b/b.yml': 'pipeline_id: b\ndescription: b\nsteps: []',
        'a/a/a.yml': 'pipeline_id: a1\nsteps: []',
        'a/a/c.yml': withSteps(noop),
      }),
    ).to.deep.equal([
      '1:1  "description" is missing: what the pipeline does, such as One day of Google Cloud cost',
      '2:8  steps: expected at least 1, got 0',
      '1:14  pipeline_id: expected 2 to 64 of a-z, 0-9, _ and -, beginning with a letter, got "b"',
      '3:8  steps: expected at least 1, got 0',
    ])
  })
  it('cannot have the name of another, nor a path that is no URL', () => {
    const [twice, path] = [
      faultsIn({ 'a/a/a.yml': withSteps(noop), 'a/a/b.yml': withSteps(noop) }),
      faultsIn({ 'a/b.yml': withSteps(noop), 'a/b/C.yml': withSteps(noop).replace('example', 'other') }),
    ]
    expect(twice).to.have.length(2)
    expect(twice[0]).to.match(/^1:14 {2}pipeline_id: "example" is the name of .*b\.yml too; it must be unique$/)
    expect(twice[1]).to.match(/^1:14 {2}pipeline_id: "example" is the name of .*a\.yml too; it must be unique$/)
    expect(path).to.deep.equal(
      ['a/b.yml', 'a/b/C.yml'].map(
        (name) =>
          '1:1  expected a file <provider>/<domain>/<template>.yml of a-z, 0-9 and _, ' +
          `which is the URL of its runs, got ${name}`,
      ),
    )
  })
  it('keeps everything from starting, and the error has every line', () => {
    const { code, message, faults } = failure(() =>
      pipelinesFrom(withSteps('  - { step_id: a, ps_type: custom.nop, oops: 1 }')),
    )
    expect(code).to.equal('CONFIG_INVALID')
    expect(message).to.equal('2 faults in pipelines and templates; nothing was started')
    expect(faults).to.have.length(2)
    expect(faults[0]).to.match(
      /billing\.yml:4:28 {2}steps\[0\]\.ps_type: unknown "custom\.nop", did you mean "custom\.noop"\?$/,
    )
  })
  it('that cannot be read is refused in words', () => {
    const { faults } = checkFiles({ files: [join(tmpdir(), 'convergence-no-such-file.yml'), tmpdir()] })
    expect(faults.map(({ message }) => message).sort()).to.deep.equal([
      'cannot be read: it is a folder, expected a file',
      'cannot be read: there is no such file',
    ])
  })
  it('has its messages one below the other', () => {
    expect(
      showFaults([
        { file: 'a.yml', line: 1, column: 1, message: 'x' },
        { file: 'a.yml', line: 10, column: 12, message: 'y' },
      ]),
    ).to.deep.equal(['a.yml:1:1    x', 'a.yml:10:12  y'])
  })
})

describe('the catalogue', () => {
  const setup = () => loadPipelines({ project_id: 'local-convergence' })
  it('looks names up in a map and nothing else', () => {
    const pipelines = setup()
    for (const path of [
      '',
      '.',
      '..',
      '../../etc/passwd',
      'gcp/cost/billing.yml',
      'gcp/cost/billing/',
      '/gcp/cost/billing',
      'GCP/cost/billing',
      'gcp/cost/billing\0',
      'gcp%2fcost%2fbilling',
      'gcp\\cost\\billing',
      '__proto__',
      'constructor',
      'toString',
      'gcp/cost',
      'setup/initial/../initial/bootstrap',
    ]) {
      expect(pipelines.get(path), path).to.equal(undefined)
      expect(
        failure(() =>
          pipelines.compile({
            run_id: 'r',
            tenant_id: 'acme',
            pipeline: path,
            parameters: {},
            trigger_type: 'api',
            requested_at: '2026-03-01T00:00:00Z',
          }),
        ).code,
      ).to.equal('PIPELINE_UNKNOWN')
    }
    expect(pipelines.get('gcp/cost/billing')?.pipeline_id).to.equal('gcp_cost_billing')
  })
  it('lists every pipeline once, by path, with its steps and parameters', () => {
    const list = setup().list()
    expect(list.map(({ path }) => path)).to.deep.equal(list.map(({ path }) => path).sort())
    expect(
      list
        .find(({ path }) => path === 'aws/cost/cur')
        ?.parameters.map(({ name, type, required }) => ({ name, type, required })),
    ).to.deep.equal([
      { name: 'month', type: 'month', required: false },
      { name: 'date', type: 'date', required: false },
      { name: 'source', type: 'string', required: false },
    ])
    expect(list.find(({ path }) => path === 'custom/bench/forty_steps')?.steps).to.have.length(40)
  })
  it('finds a pipeline by its other paths, and tells its runs by its own', () => {
    const pipelines = setup()
    const alias = pipelines.compile(ask({ pipeline: 'gcp/cost/cost_billing', tenant_sources: acmeSources }))
    expect([alias.pipeline, alias.pipeline_id]).to.deep.equal(['gcp/cost/billing', 'gcp_cost_billing'])
    expect(pipelines.list().filter(({ pipeline_id }) => pipeline_id === 'gcp_cost_billing')).to.have.length(1)
  })
  it('gives a path to one pipeline, and none of setup/ away', () => {
    const file = (id: string, aliases: string) =>
      withSteps(noop, `aliases: [${aliases}]\n`).replace('pipeline_id: example', `pipeline_id: of_${id}`)
    expect(
      [
        ...faultsByFile({
          'a/b/c.yml': file('c', 'a/b/d, a/b/x, setup/a/b'),
          'a/b/d.yml': file('d', 'a/b/y, a/b/x'),
          'a/b/e.yml': file('e', 'A/b/c'),
        }).values(),
      ].flat(),
    ).to.deep.equal([
      '3:11  aliases[0]: "a/b/d" is the path of a pipeline already',
      '3:25  aliases[2]: expected a path outside of setup/, as its own is, got "setup/a/b"',
      '3:18  aliases[1]: "a/b/x" is the path of a/b/c already',
      '3:11  aliases[0]: expected the path of a pipeline, provider/domain/template, got "A/b/c"',
    ])
  })
  it('names the pipeline that was meant', () => {
    expect(
      failure(() =>
        setup().compile({
          run_id: 'r',
          tenant_id: 'acme',
          pipeline: 'gcp/cost/biling',
          parameters: {},
          trigger_type: 'api',
          requested_at: '2026-03-01T00:00:00Z',
        }),
      ).message,
    ).to.equal('no pipeline "gcp/cost/biling", did you mean "gcp/cost/billing"?')
  })
  it('reads no file through a symbolic link', () => {
    const folder = mkdtempSync(join(tmpdir(), 'convergence-pipeline-'))
    try {
      mkdirSync(join(folder, 'outside/x'), { recursive: true })
      mkdirSync(join(folder, 'configs/a/b'), { recursive: true })
      writeFileSync(join(folder, 'outside/x/c.yml'), withSteps(noop))
      symlinkSync(join(folder, 'outside/x/c.yml'), join(folder, 'configs/a/b/c.yml'))
      symlinkSync(join(folder, 'outside'), join(folder, 'configs/outside'))
      expect(loadPipelines({ project_id: 'p', configs_folder: join(folder, 'configs') }).list()).to.deep.equal([])
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

describe('a wrong template', () => {
  it('is checked like a pipeline, its columns too', () => {
    const folder = mkdtempSync(join(tmpdir(), 'convergence-templates-'))
    const write = (name: string, text: string) => {
      mkdirSync(join(folder, name, '..'), { recursive: true })
      writeFileSync(join(folder, name), text)
    }
    try {
      write('a/b/config.yml', 'ps_type: a.c\ndescription: x\nhost: executor\nstep: {}')
      write('a/d/config.yml', 'ps_type: a.d\ndescription: x\nservice: executor\nstep: { properties: {} }')
      write('a/e/config.yml', 'ps_type: a.e\ndescription: x\nhost: nobody\nstep: { properties: {} }')
      write(
        'a/f/config.yml',
        'ps_type: a.f\ndescription: x\nhost: executor\nstep: { properties: { x: { type: strange } } }',
      )
      write('a/g/config.yml', 'ps_type: a.g\ndescription: x\nhost: executor\nstep: { properties: {} }')
      write('a/g/schemas/t.json', '[{ "name": "a", "type": "TEXT" }]')
      write('a/g/schemas/u.json', '[{ "name": "a", "type": "STRING" }, { "name": "A", "type": "STRING" }]')
      write('a/g/schemas/v.json', '{')
      const words = checkFiles({ templates_folder: folder, files: [] }).faults.map(
        ({ line, column, message }) => `${line}:${column}  ${message}`,
      )
      expect(words.slice(0, 3)).to.deep.equal([
        '1:10  ps_type: expected "a.b", the name of its folder, got "a.c"',
        '3:1  unknown field "service", the name is "host" (auth, tenant, scheduler, executor or notifier)',
        '3:7  host: expected auth, tenant, scheduler, executor or notifier, got "nobody"',
      ])
      expect(words[3]).to.match(/^4:1 {2}step: is no JSON Schema: /)
      expect(words.slice(4)).to.deep.equal([
        '1:1  a: type: expected STRING, BYTES, INT64, FLOAT64, NUMERIC, BIGNUMERIC, BOOL, DATE, TIME, TIMESTAMP, ' +
          'DATETIME, JSON or STRUCT, got "TEXT"',
        '1:1  A: stands twice',
        '1:1  cannot be read as JSON',
      ])
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

describe('a query in a file of its own', () => {
  const step =
    '  - step_id: a\n    ps_type: gcp.bq_etl\n    source: { query_file: cost.sql, own_tables: { aws_cost_cur: aws_cost_cur } }\n' +
    '    destination: { bq_project_id: "{project_id}", dataset_type: "{tenant_id}", table: t }'

  it('is the query of the step, with the columns that it names of the table', () => {
    const pipelines = pipelinesFrom({
      'custom/some/cost.yml': withSteps(step),
      'custom/some/cost.sql': "SELECT source_file, '{run_id}' AS run FROM `aws_cost_cur`",
    })
    const run = pipelines.compile(ask({ pipeline: 'custom/some/cost' }))
    expect(run.steps[0]?.config['source']).to.deep.equal({
      bq_project_id: 'local-convergence',
      query: 'SELECT source_file, @run_id AS run FROM `aws_cost_cur`',
      parameters: [{ name: 'run_id', type: 'STRING', value: run.run_id }],
      own_tables: { aws_cost_cur: [{ name: 'source_file', type: 'STRING' }] },
    })
  })

  it('has its faults where they stand in it', () => {
    const files = {
      'custom/some/cost.yml': withSteps(step),
      'custom/some/cost.sql': "SELECT source_file\nFROM `aws_cost_cur`\nWHERE source_name = '{run}'\n",
    }
    expect([...faultsByFile(files)].map(([file, [first = '']]) => [file, first.slice(0, 66)])).to.deep.equal([
      ['custom/some/cost.sql', '3:22  steps[0].source.query: variable "run" is not defined. Define'],
    ])
  })
})
