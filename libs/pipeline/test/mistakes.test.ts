/** What authors get wrong out of habit, or by a slip: each is told by the check, at its place, with what to write. */
import { expect } from 'chai'
import { faultsByFile, withSteps } from './world.ts'

const noop = '  - { step_id: a, ps_type: custom.noop }'
/** A step whose query begins in line 8, column 9; the `|` before it is in line 7, column 14. */
const load = (query: string, { destination = '', parameters = '', more = '' } = {}) =>
  withSteps(
    `  - step_id: load
    ps_type: gcp.bq_etl
    source:
      query: |
${query
  .split('\n')
  .map((line) => `        ${line}`)
  .join('\n')}
    destination: { bq_project_id: "{project_id}", dataset_type: "{tenant_id}", table: t${destination} }${more}`,
    parameters,
  )
const mail = (more: string) =>
  withSteps(`${noop}\n  - { step_id: m, ps_type: notify_systems.email_notification, ${more} }`)

const inOrder: Readonly<Record<string, string>> = {
  'a table of the tenant that nobody here writes, which may have any column': load(
    'SELECT x, y FROM `{tenant_id}.of_old`',
  ),
  'what the warehouse of the laptop does not support': load('FROM `{tenant_id}.t` |> WHERE x = 1'),
  'a query that begins with WITH, comments and line breaks': load(
    "-- of the day\nWITH d AS (SELECT CAST('{date}' AS DATE) AS day)\nSELECT day, 'a {tenant_id} b' AS who FROM d",
    { destination: ', write_mode: truncate, period: { DAY: "{date}" }' },
  ),
  'a value of each type': load(
    "SELECT '{n}' + 1 AS n, NOT '{f}' AS f, DATE_ADD('{date}', INTERVAL 1 DAY) AS d, '{x}' * 2 AS x, '{t}' || 'b' AS t",
    {
      parameters:
        'variables: { x: 1.5 }\n' +
        'parameters: { n: { type: int, default: 7 }, f: { type: boolean, default: false }, t: { type: string, default: a } }\n',
    },
  ),
  'a cost of provider rows': load(
    'SELECT bill_payer_account_id AS payer, SUM(line_item_unblended_cost) AS cost FROM `{tenant_id}.aws_cost_cur` GROUP BY payer',
  ),
  'a step that reads what one before it has written anew, and adds to what may be older': load('SELECT 1 AS n', {
    destination: ', write_mode: append',
    more: `
  - step_id: next
    ps_type: gcp.bq_etl
    source: { query: "SELECT n, m FROM \`{tenant_id}.t\`" }
    destination: { bq_project_id: "{project_id}", dataset_type: "{tenant_id}", table: u }`,
  }),
  'a parameter p beside a text that holds another': load("SELECT '{p}' + 1 AS n, STARTS_WITH('a{t}', 'a') AS t", {
    parameters: 'parameters: { p: { type: int, default: 7 }, t: { type: string, default: a } }\n',
  }),
  'a check of rows that nothing tells, behind a step whose rows are known': load('SELECT 1 AS n', {
    more: `
  - step_id: next
    ps_type: gcp.bq_etl
    source: { query: "SELECT * FROM \`{tenant_id}.of_old\`" }
    destination: { bq_project_id: "{project_id}", dataset_type: "{tenant_id}", table: u }
    checks: [{ check: sql, query: "SELECT m FROM new_rows WHERE m > 1" }]`,
  }),
  'a semicolon at the end': load('SELECT 1 AS n;'),
  'an address that is a variable': mail('to_emails: ["{admin_email}"]'),
  'an amount of money in a text': mail('to_emails: [a@b.example], subject_template: "5 $, {status}"'),
}
const mistakes: Readonly<Record<string, [text: string, ...faults: string[]]>> = {
  '{{ date }}': [
    load("SELECT '{{ date }}' AS day"),
    "8:17  steps[0].source.query: expected {date}, got {{ date }}, which is another tool's way to write a variable",
  ],
  '${date}': [
    load("SELECT '${date}' AS day"),
    "8:17  steps[0].source.query: expected {date}, got ${date}, which is another tool's way to write a variable",
  ],
  '{{date}} in a text that is no query': [
    mail('to_emails: [a@b.example], subject_template: "of {{date}}"'),
    "5:111  steps[1].subject_template: expected {date}, got {{ date }}, which is another tool's way to write a variable",
  ],
  SELEC: [
    load('SELEC 1 AS n'),
    '7:14  steps[0].source.query: expected one SELECT, got SELEC; the destination says where its rows go',
  ],
  'a comma too many before FROM': [
    load('SELECT 1 AS n,\n  FROM WHERE 1 = 1'),
    '9:16  steps[0].source.query: Syntax error: expected an identifier but got "WHERE"',
  ],
  'a bracket that is not closed, behind a variable in a text': [
    load("SELECT CONCAT('a{date}b', 'c' FROM x"),
    '8:39  steps[0].source.query: Syntax error: expected ) but got "FROM"',
  ],
  'two statements': [
    load('SELECT 1 AS n;\nSELECT 2 AS n'),
    '7:14  steps[0].source.query: expected one SELECT, got SCRIPT; the destination says where its rows go',
  ],
  'a DELETE': [
    load('DELETE FROM `{tenant_id}.t` WHERE TRUE'),
    '7:14  steps[0].source.query: expected one SELECT, got DELETE; the destination says where its rows go',
  ],
  'nothing but a comment': [load('-- later'), '9:9  steps[0].source.query: Syntax error: unexpected end of statement'],
  "a column that the provider's table does not have": [
    load('SELECT line_item_unblended_costs AS cost FROM `{project_id}.{tenant_id}.aws_cost_cur`'),
    '8:16  steps[0].source.query: Unrecognized name: line_item_unblended_costs',
  ],
  'a column that the step before does not write': [
    load('SELECT 1 AS n', {
      destination: ', write_mode: truncate',
      more: `
  - step_id: next
    ps_type: gcp.bq_etl
    source: { query: "SELECT m FROM \`{tenant_id}.t\`" }
    destination: { bq_project_id: "{project_id}", dataset_type: "{tenant_id}", table: u }`,
    }),
    '12:30  steps[1].source.query: Unrecognized name: m',
  ],
  'a period, a partition and a cluster of columns that are not selected': [
    load('SELECT 1 AS n, CURRENT_DATE() AS day', {
      destination:
        ', write_mode: truncate, period: { dy: "{date}" },\n' +
        '      table_config: { time_partitioning: { field: dayy }, clustering_fields: [n, team] }',
    }),
    '9:122  steps[0].destination.period.dy: no column "dy" in the query, did you mean "day"?',
    '10:51  steps[0].destination.table_config.time_partitioning.field: no column "dayy" in the query, did you mean "day"?',
    '10:82  steps[0].destination.table_config.clustering_fields[1]: no column "team" in the query; it gives n, day',
  ],
  'a minute that no hour has': [
    withSteps(noop, 'schedule: "61 6 * * *"\n'),
    '3:11  schedule: expected five fields such as 0 6 * * *, got "61 6 * * *": Invalid value for minute: 61',
  ],
  'a day that never comes': [
    withSteps(noop, 'schedule: "0 6 30 2 *"\n'),
    '3:11  schedule: expected a time that comes, got "0 6 30 2 *", which never does; look at its day and month',
  ],
  'a pattern that looks ahead, and one that is none': [
    withSteps(noop, 'parameters:\n  a: { type: string, pattern: "(?=x)x" }\n  b: { type: string, pattern: "[a-z" }\n'),
    '4:31  parameters.a.pattern: expected a regular expression as RE2 has it, got "(?=x)x": ' +
      'invalid or unsupported Perl syntax: `(?=`',
    '5:31  parameters.b.pattern: expected a regular expression as RE2 has it, got "[a-z": missing closing ]: `[a-z`',
  ],
  'no address': [
    mail('to_emails: [not-an-address]'),
    '5:75  steps[1].to_emails[0]: expected one plain address such as name@example.com, got "not-an-address"',
  ],
  'an address without brackets': [
    mail('to_emails: a@b.example'),
    '5:74  steps[1].to_emails: expected a list, got "a@b.example"; put it in brackets: [a@b.example]',
  ],
  'minutes with their unit': [
    withSteps('  - { step_id: a, ps_type: custom.noop, timeout_minutes: 20m }'),
    '4:58  steps[0].timeout_minutes: expected a number, got "20m"; write the number alone: 20',
  ],
  'a number where a policy belongs': [
    withSteps('  - { step_id: a, ps_type: custom.noop, retry_policy: 5 }'),
    '4:55  steps[0].retry_policy: expected a group of fields, got 5; its fields are max_retries, retry_delay_seconds, ' +
      'backoff, jitter, max_delay_seconds, max_total_minutes, retry_on',
  ],
  'a variable without quotes': [
    withSteps(`  - step_id: load
    ps_type: gcp.bq_etl
    source: { query: "SELECT 1 AS n" }
    destination: { bq_project_id: {project_id}, dataset_type: "{tenant_id}", table: t }`),
    '7:35  steps[0].destination.bq_project_id: expected a text, got {"project_id":null}; ' +
      'put the variable in quotes: "{project_id}"',
  ],
  'names as other languages write them': [
    withSteps('  - { stepId: a, psType: custom.noop }'),
    '4:7  steps[0]: unknown field "stepId", the name is "step_id"',
    '4:18  steps[0]: unknown field "psType", the name is "ps_type"',
  ],
  'a kind of step by its long name': [
    withSteps(
      '  - { step_id: a, ps_type: gcp.bigquery_etl, source: { query: SELECT 1 AS n }, destination: ' +
        '{ bq_project_id: "{project_id}", dataset_type: "{tenant_id}", table: t } }',
    ),
    '4:28  steps[0].ps_type: unknown "gcp.bigquery_etl", did you mean "gcp.bq_etl"?',
  ],
  'a kind of step that its provider does not have, of those that an author may use': [
    withSteps('  - { step_id: a, ps_type: setup.anything }'),
    '4:28  steps[0].ps_type: unknown "setup.anything"; expected any.focus_loader, aws.s3_data_loader, ' +
      'azure.blob_data_loader, custom.noop, focus.allocation, gcp.bq_etl, gcp.bq_view, notify_systems.email_notification or ' +
      'notify_systems.slack_notification',
  ],
  'a name without a colon': [
    withSteps('  - step_id: a\n    ps_type custom.noop\n    timeout_minutes: 5'),
    '5:5  cannot be read as YAML: expected "name: value", got a line without a colon behind its name',
  ],
  'a tab': [
    withSteps('  - step_id: a\n\tps_type: custom.noop'),
    '5:1  cannot be read as YAML: expected blanks before a name, got a tab',
  ],
}

describe('an author', () => {
  const files = [...Object.values(inOrder), ...Object.values(mistakes).map(([text]) => text)]
  // One reading for all of them: what takes time is the templates.
  let read: ReadonlyMap<string, readonly string[]> | undefined
  const faultsOf = (text: string): readonly string[] => {
    read ??= faultsByFile(Object.fromEntries(files.map((each, n) => [`custom/tries/try_${n}.yml`, each])))
    return read.get(`custom/tries/try_${files.indexOf(text)}.yml`) ?? []
  }
  for (const [what, text] of Object.entries(inOrder))
    it(`may write ${what}`, () => {
      expect(faultsOf(text)).to.deep.equal([])
    })
  for (const [what, [text, ...faults]] of Object.entries(mistakes))
    it(`hears of ${what}`, () => {
      expect(faultsOf(text)).to.deep.equal(faults)
    })
})
