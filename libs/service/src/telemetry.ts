/**
 * Metrics of one process. Whoever measures asks the API of OpenTelemetry for an instrument and knows nothing of this
 * module; without it
 * nothing is kept. So it comes first: an instrument that was made before measures nothing for ever.
 */
import { metrics } from '@opentelemetry/api'
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus'
import { MeterProvider } from '@opentelemetry/sdk-metrics'

export interface Telemetry {
  /**
   * Prometheus text. Labels name services, subscriptions, kinds and codes; never a tenant or a run, of which there is
   * no end.
   */
  text(): Promise<string>
}

let started: Telemetry | undefined
/** Once for a process; `service` labels what is measured of the process itself. */
export const startTelemetry = (service: string): Telemetry => (started ??= open(service))

const open = (service: string): Telemetry => {
  // Collected when somebody asks, on a port that the process has anyway.
  const exporter = new PrometheusExporter({ preventServerStart: true })
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [exporter] }))
  const serializer = new PrometheusSerializer(undefined, false, undefined, true, true)
  return {
    text: async () => `${processText(service)}${serializer.serialize((await exporter.collect()).resourceMetrics)}`,
  }
}
const processText = (service: string): string => {
  const { user, system } = process.cpuUsage()
  const figures: [string, string, number][] = [
    ['process_resident_memory_bytes', 'gauge', process.memoryUsage.rss()],
    ['process_cpu_seconds_total', 'counter', (user + system) / 1e6],
    ['process_uptime_seconds', 'gauge', process.uptime()],
  ]
  return figures
    .map(([name, type, value]) => `# TYPE ${name} ${type}\n${name}{service="${service}"} ${value}\n`)
    .join('')
}
