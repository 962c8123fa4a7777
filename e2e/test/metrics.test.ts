import { expect } from 'chai'
import { startTelemetry } from '@convergence/service/telemetry'
import { openOneProcess } from './world.ts'

/** What operators build alerts on: a name that changes breaks them. */
const documented = [
  'admission_commit_conflicts_total',
  'admission_commit_duration',
  'admission_decisions_total',
  'admission_queue_depth',
  'admission_running',
  'auth_failures_total',
  'auth_live_runs',
  'auth_live_watchers',
  'dead_letters_total',
  'http_server_request_duration',
  'ledger_oldest_unreleased_age',
  'messaging_client_consumed_messages_total',
  'messaging_client_operation_duration',
  'messaging_client_sent_messages_total',
  'messaging_process_duration',
  'notifier_sends_total',
  'pipeline_run_duration',
  'pipeline_runs_total',
  'pipeline_step_duration',
  'process_cpu_seconds_total',
  'process_resident_memory_bytes',
  'process_uptime_seconds',
  'sweeper_republished_total',
]
/** Samples by name and labels. */
const parse = (text: string): Map<string, number> => {
  const samples = new Map<string, number>()
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const [, sample, value] = /^([a-z_]+(?:\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)*\})?) (\S+)$/.exec(line) ?? []
    if (sample === undefined || value === undefined) throw new Error(`no sample of Prometheus' text format: ${line}`)
    samples.set(sample, Number(value))
  }
  return samples
}

describe('the metrics of a process', function () {
  this.timeout(60_000)

  it('have the names that are documented, count what happened, and never name a tenant or a run', async () => {
    const { text } = startTelemetry('platform')
    const world = await openOneProcess({ metrics: text })
    try {
      const scrape = async () => parse(await (await fetch(`${world.url}/metrics`)).text())
      const key = await world.onboard('acme_corp')
      const before = await scrape()
      const run_id = await world.start(key, 'acme_corp', 'custom/bench/three_steps')
      expect((await world.ended(key, run_id)).status).to.equal('COMPLETED')
      expect(
        (await fetch(`${world.url}/api/v1/pipelines/runs`, { headers: { 'X-API-Key': 'wrong' } })).status,
      ).to.equal(401)
      await world.platform.broker.publish([
        { topic: 'run-requested', data: Buffer.from('{'), attributes: { reason: 'made-up', tenant_id: 'acme_corp' } },
      ])
      const change = async (sample: string) => ((await scrape()).get(sample) ?? 0) - (before.get(sample) ?? 0)
      while ((await change('dead_letters_total{subscription="scheduler.run-requested",reason="EVENT_INVALID"}')) < 1)
        await new Promise((resolve) => {
          setTimeout(resolve, 20)
        })
      for (const [sample, expected] of [
        ['admission_decisions_total{decision="ADMIT"}', 1],
        ['pipeline_runs_total{status="COMPLETED"}', 1],
        ['pipeline_run_duration_count{status="COMPLETED"}', 1],
        ['pipeline_step_duration_count{ps_type="custom.noop",status="SUCCEEDED"}', 3],
        ['auth_failures_total{reason="UNAUTHENTICATED"}', 1],
        ['messaging_client_sent_messages_total{messaging_destination_name="step-completed"}', 3],
        [
          'messaging_client_consumed_messages_total{messaging_destination_subscription_name="executor.step-completed"}',
          3,
        ],
        [
          'messaging_process_duration_count{messaging_destination_subscription_name="scheduler.run-requested",' +
            'error_type="EVENT_INVALID"}',
          1,
        ],
        [
          'http_server_request_duration_count{http_request_method="POST",' +
            'http_route="/api/v1/pipelines/run/:tenant_id/:provider/:domain/:template",http_response_status_code="202"}',
          1,
        ],
      ] as const)
        expect(await change(sample), sample).to.equal(expected)
      expect([
        (await scrape()).get('admission_running'),
        (await scrape()).get('admission_queue_depth'),
        (await scrape()).get('ledger_oldest_unreleased_age'),
      ]).to.deep.equal([0, 0, 0])
      const shown = await text()
      const types = new Set([...shown.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name))
      // A counter that nothing has counted yet is not shown.
      expect(
        documented.filter(
          (name) =>
            !types.has(name) &&
            !['admission_commit_conflicts_total', 'notifier_sends_total', 'sweeper_republished_total'].includes(name),
        ),
      ).to.deep.equal([])
      expect(
        [...types]
          .filter((name) => !documented.includes(name ?? ''))
          .filter((name) => !/^(target_info|otel_)/.test(name ?? '')),
      ).to.deep.equal([])
      for (const secret of ['acme_corp', run_id, key, 'made-up']) expect(shown).to.not.contain(secret)
    } finally {
      await world.end()
    }
  })
})
