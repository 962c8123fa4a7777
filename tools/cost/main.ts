/**
 * `npm run cost`: what a month on Google Cloud costs for 1,000, 100,000 and 10 million runs, from what was counted
 * (usage.json, by measure.ts), Google's prices (prices.ts) and the assumptions below. `-- --write` puts it into
 * docs/DEPLOYMENT.md; a test compares.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { topology, topics, type Topic } from '@convergence/contracts'
import { runCommand } from '../command.ts'
import { limits, prices, readOn } from './prices.ts'
import type { Usage } from './measure.ts'

const monthSeconds = 30 * 86_400
const monthHours = 30 * 24

/** What is not counted but decided, and may be otherwise for you. */
export const assumptions = {
  auth_replicas: 2,
  /** A commit of the ledger is one job; while it runs, further messages wait for the next. Seconds. */
  commit_seconds: 1.5,
  /** Runs are not spread evenly: most exports are loaded in the same hours. Peak over mean. */
  peak: 10,
  /** Seconds that a step holds a place of an executor: BigQuery's answer to one day of an export. */
  step_seconds: 10,
  /** Steps that one executor pod has in hand. */
  steps_per_pod: 100,
  most_executor_pods: 20,
  /**
   * Times that a run's status is looked up in the tables, three queries each: those asked for while a step is silent
   * for ten seconds.
   */
  looks_per_run: 0.2,
  queries_per_look: 3,
  /** Bytes of the export that one run reads. */
  export_bytes: 100 * 2 ** 20,
  /** Pods by size: vCPU and GiB requested. */
  pod_cpu: 0.5,
  pod_gib: 1,
  /** auth, tenant, scheduler, notifier, two each. */
  other_pods: 8,
  key_versions: 12,
  kms_operations_per_run: 1,
} as const

export interface Month {
  runs: number
  pods: number
  /** Dollars. */
  pubsub: number
  bigquery_platform: number
  bigquery_exports: number
  storage_per_month_kept: number
  kms: number
  gke: number
  total: number
  /** Rates at the peak, per second. */
  peak_runs: number
  peak_commits: number
  peak_requests: number
  peak_published_bytes: number
  peak_steps: number
}

const beyond = (amount: number, free: number): number => Math.max(0, amount - free)
const usageOf = (usages: readonly Usage[], pipeline: string): Usage => {
  const found = usages.find((usage) => usage.pipeline === pipeline && usage.at_once === 1)
  if (found === undefined)
    throw new Error(`usage.json has no ${pipeline}, one at a time: node tools/cost/measure.ts > tools/cost/usage.json`)
  return found
}
const countOf = (usage: Usage, pattern: RegExp): number =>
  Object.entries(usage.bigquery).reduce((sum, [kind, count]) => (pattern.test(kind) ? sum + count : sum), 0)

/**
 * Subscriptions that a message of this topic goes to; those whose filter turns it away are billed as deliveries too.
 */
const deliveriesOf = (topic: Topic): number => {
  const { readers, feed } = topology[topic]
  return Object.keys(readers).length + (feed === undefined ? 0 : assumptions.auth_replicas)
}

export const monthOf = (runs: number, usages: readonly Usage[]): Month => {
  const a = assumptions
  const usage = usageOf(usages, 'gcp/cost/billing')
  const idle = usageOf(usages, 'none, ten minutes')
  const per = (count: number) => count / usage.runs

  const published = topics.reduce(
    (sum, topic) =>
      sum +
      per(
        Math.max(
          usage.messages[topic]?.bytes ?? 0,
          (usage.messages[topic]?.count ?? 0) * prices.pubsub_least_request.value,
        ),
      ),
    0,
  )
  const moved = topics.reduce((sum, topic) => {
    const { count = 0, bytes = 0 } = usage.messages[topic] ?? {}
    return sum + per(Math.max(bytes, count * prices.pubsub_least_request.value)) * (1 + deliveriesOf(topic))
  }, 0)
  const pubsub = beyond(runs * moved, prices.pubsub_free_bytes.value) * prices.pubsub_byte.value

  // A scheduler that is busy decides many messages in one commit: never more commits than fit one after the other.
  const commits = Math.min(
    runs * per(countOf(usage, /INSERT INTO tenants\.run_ledger/)),
    monthSeconds / a.commit_seconds,
  )
  const ticks = (monthSeconds / 60) * (countOf(idle, /^query/) / idle.runs)
  const looks = runs * a.looks_per_run * a.queries_per_look
  const platform_bytes = (commits + ticks + looks * 2) * prices.query_least_bytes.value
  const export_bytes = runs * Math.max(a.export_bytes, prices.query_least_bytes.value)
  const query = beyond(platform_bytes + export_bytes, prices.query_free_bytes.value) * prices.query_byte.value
  const exportsShare = export_bytes / (platform_bytes + export_bytes)
  const rows = runs * per(usage.row_bytes)
  const written = beyond(rows, prices.write_free_bytes.value) * prices.write_byte.value
  const storage = beyond(rows * 1.5, prices.storage_free_bytes.value) * prices.storage_byte.value

  const peak_runs = (runs / monthSeconds) * a.peak
  const executors = Math.min(
    a.most_executor_pods,
    Math.max(2, Math.ceil((peak_runs * a.step_seconds) / a.steps_per_pod)),
  )
  // The autoscaler is at the peak for as long as the peak lasts; the mean is what is paid for.
  const meanExecutors = Math.min(
    executors,
    Math.max(2, Math.ceil(((peak_runs / a.peak) * a.step_seconds * 2) / a.steps_per_pod)),
  )
  const pods = a.other_pods + meanExecutors
  const gke =
    beyond(prices.cluster_hour.value * monthHours, prices.cluster_credit.value) +
    pods * monthHours * (a.pod_cpu * prices.pod_cpu_hour.value + a.pod_gib * prices.pod_gib_hour.value)
  const kms = a.key_versions * prices.kms_version.value + runs * a.kms_operations_per_run * prices.kms_operation.value

  const bigquery_exports = query * exportsShare
  const bigquery_platform = query - bigquery_exports + written
  return {
    runs,
    pods: a.other_pods + executors,
    pubsub,
    bigquery_platform,
    bigquery_exports,
    storage_per_month_kept: storage,
    kms,
    gke,
    total: pubsub + bigquery_platform + bigquery_exports + storage + kms + gke,
    peak_runs,
    peak_commits: Math.min(peak_runs * 2, 1 / a.commit_seconds),
    peak_requests: peak_runs * per(countOf(usage, /^(GET|POST|query|dry run)/)),
    peak_published_bytes: peak_runs * published,
    peak_steps: peak_runs * a.step_seconds,
  }
}

const dollars = (amount: number): string => {
  if (amount === 0) return '0'
  return amount < 10 ? amount.toFixed(2) : Math.round(amount).toLocaleString('en-US')
}
const rate = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(2)
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')

/** The section of docs/DEPLOYMENT.md, without its heading. */
export const section = (usages: readonly Usage[]): string => {
  const months = [1_000, 100_000, 10_000_000].map((runs) => monthOf(runs, usages))
  const usage = usageOf(usages, 'gcp/cost/billing')
  const a = assumptions
  const row = (name: string, of: (month: Month) => string): string[] => [name, ...months.map(of)]
  const head = ['', ...months.map(({ runs }) => `${runs.toLocaleString('en-US')} runs`)]
  const per = (count: number) => rate(count / usage.runs)
  const messages = Object.values(usage.messages)
  const perRun = {
    messages: per(messages.reduce((sum, { count }) => sum + count, 0)),
    bytes: per(messages.reduce((sum, { bytes }) => sum + bytes, 0)),
    commits: per(countOf(usage, /INSERT INTO tenants\.run_ledger/)),
    loads: per(countOf(usage, /^query job: (replace|MERGE|INSERT INTO (?!tenants))/)),
    dryRuns: per(countOf(usage, /^dry run/)),
    appends: per(countOf(usage, /insertAll/)),
    rowBytes: per(usage.row_bytes),
    reads: per(countOf(usage, /^GET/)),
  }
  const idle = usageOf(usages, 'none, ten minutes')
  const queriesAMinute = rate(countOf(idle, /^query/) / idle.runs)
  return `Made by \`npm run cost -- --write\` from what was counted, prices read on ${readOn} and the assumptions \
below. A run is one of \`gcp/cost/billing\`: one
step, one day of one tenant. US dollars a month.

${table(head, [
  row('GKE Autopilot, cluster and pods', ({ gke }) => dollars(gke)),
  row('Pub/Sub', ({ pubsub }) => dollars(pubsub)),
  row("BigQuery: the platform's own statements and rows", ({ bigquery_platform }) => dollars(bigquery_platform)),
  row('BigQuery: reading the exports', ({ bigquery_exports }) => dollars(bigquery_exports)),
  row('BigQuery: each month of records kept', ({ storage_per_month_kept }) => dollars(storage_per_month_kept)),
  row('KMS', ({ kms }) => dollars(kms)),
  row('**all**', ({ total }) => `**${dollars(total)}**`),
  row('per 1,000 runs', ({ total, runs }) => dollars((total / runs) * 1000)),
])}

Counted for one run, nothing else going on (\`node tools/cost/measure.ts\`, the platform as processes with Google's \
clients; ${usage.runs} runs): ${perRun.messages} messages
of together ${perRun.bytes} bytes (a message carries the compiled pipeline), ${perRun.commits} commits of the \
ledger, ${perRun.loads} job that loads, ${perRun.dryRuns} dry runs
(free), ${perRun.appends} appends of rows (${perRun.rowBytes} bytes), ${perRun.reads} other requests (free). A \
quiet minute: ${queriesAMinute} queries.

Assumed: ${a.auth_replicas} replicas of auth; ${a.commit_seconds} s for a commit of the ledger; a peak of ${a.peak} \
times the mean; ${a.step_seconds} s for a step; ${a.steps_per_pod} steps in hand per executor pod, at most \
${a.most_executor_pods} pods;
${a.pod_cpu} vCPU and ${a.pod_gib} GiB per pod, ${a.other_pods} pods beside the executors; one run in \
${1 / a.looks_per_run} looked up in the tables (${a.queries_per_look} queries of two tables each); \
${Math.round(a.export_bytes / 2 ** 20)} MiB of export read per
run; ${a.key_versions} key versions, ${a.kms_operations_per_run} KMS operation per run. Not in it: the tenants' own \
tables and queries, logs (50 GiB a month are free), the load balancer, traffic out of Google Cloud.

### What binds first

${table(
  ['at the peak', ...head.slice(1), 'limit'],
  [
    [...row('runs per second', ({ peak_runs }) => rate(peak_runs)), ''],
    [
      ...row('commits of the ledger per second', ({ peak_commits }) => rate(peak_commits)),
      `${limits.dml_statements.value} (DML per table)`,
    ],
    [
      ...row('steps in hand', ({ peak_steps }) => rate(peak_steps)),
      `${a.steps_per_pod * a.most_executor_pods} (${a.most_executor_pods} pods)`,
    ],
    [
      ...row('BigQuery requests per second, all methods', ({ peak_requests }) => rate(peak_requests)),
      `${limits.api_requests.value} of one method by one identity`,
    ],
    [
      ...row('MB published per second', ({ peak_published_bytes }) => rate(peak_published_bytes / 1e6)),
      `${limits.publish_bytes.value / 1e6} (small region)`,
    ],
    [
      ...row('KMS requests per second', ({ peak_runs }) => rate(peak_runs * a.kms_operations_per_run)),
      String(limits.kms_requests.value),
    ],
  ],
)}

1. **BigQuery requests** of the executor's identity bind first, if one method takes more than its share: jobs are \
asked for with a long poll, so one step makes few. Ask Google for more
   before the peak reaches half of the limit; it is a quota, not a system limit.
2. **Steps in hand**: at 10 million runs a month the peak has ${rate(months[2]?.peak_steps ?? 0)} steps waiting for \
BigQuery and ${a.most_executor_pods} pods hold ${a.steps_per_pod * a.most_executor_pods}; what is over waits in \
Pub/Sub and is late, not lost. A step that
   waits costs a pod next to nothing; of deliveries that are loaded through the scratch folder a pod takes four at \
a time.
3. **One table, ${limits.table_jobs.value.toLocaleString('en-US')} jobs a day** that write a partition: a tenant's \
table takes as many day loads a day. A backfill of more days than that is spread over days by the tenant's daily \
limit.
4. **The ledger** cannot bind by its number of commits, since they are made one after the other and take all that \
waits; its delay does: ${a.commit_seconds} s for an admission. INSERT
   statements beyond the first ${limits.insert_at_once.value.toLocaleString('en-US')} of a day run ten at a time, \
which one writer does not reach. A start of the scheduler reads the newest snapshot, the rows behind it, about
   20,000, and of the runs of the last 200 days some 100 bytes each; the memory that they take, 50 MB a million \
runs, is what binds a single ledger in the end.

### Sources

${table(
  ['figure', 'source', ''],
  [
    ...Object.values(prices),
    ...Object.values(limits).map((limit) => ({
      ...limit,
      unit: `${limit.value.toLocaleString('en-US')} ${limit.unit}`,
    })),
  ].map(({ unit, source, read }) => [unit, source, read ? `read ${readOn}` : 'check before you rely on it']),
)}
`
}

const [begin, end] = ['<!-- npm run cost -- --write -->', '<!-- end of npm run cost -->']
const file = join(import.meta.dirname, '../../docs/DEPLOYMENT.md')
export const readUsages = (): Usage[] =>
  JSON.parse(readFileSync(join(import.meta.dirname, 'usage.json'), 'utf8')) as Usage[]

/** The page with the section as it should be. Throws where the page has no place for it. */
export const pageWith = (page: string, text: string): string => {
  const [from, to] = [page.indexOf(begin), page.indexOf(end)]
  if (from < 0 || to < from)
    throw new Error(`docs/DEPLOYMENT.md: expected a line ${begin} and, after it, a line ${end}`)
  return `${page.slice(0, from + begin.length)}\n${text}${page.slice(to)}`
}

const help = `
Prints what a month on Google Cloud costs for 1,000, 100,000 and 10 million runs, from counted requests.

  --write   puts it into docs/DEPLOYMENT.md, as npm run generate does
`

if (import.meta.main)
  await runCommand(
    { name: 'npm run cost', synopsis: '[--write]', help, options: { write: { type: 'boolean', default: false } } },
    ({ write }) => {
      const text = section(readUsages())
      if (write) writeFileSync(file, pageWith(readFileSync(file, 'utf8'), text))
      else console.log(text)
    },
  )
