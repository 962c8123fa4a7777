/** Counters and one histogram in Prometheus' text format. */
const bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30]

export interface Metrics {
  /** Counts an answered request; `seconds` from its arrival. `route` is the declared path, never the requested one. */
  answered(method: string, route: string, status: number, seconds: number): void
  text(gauges: Readonly<Record<string, number>>): string
}

export const openMetrics = (): Metrics => {
  const counts = new Map<string, number>()
  const histograms = new Map<string, { buckets: number[]; sum: number; count: number }>()
  return {
    answered: (method, route, status, seconds) => {
      const labels = `method="${method}",route="${route}"`
      const key = `${labels},status="${status}"`
      counts.set(key, (counts.get(key) ?? 0) + 1)
      const histogram = histograms.get(labels) ?? { buckets: bounds.map(() => 0), sum: 0, count: 0 }
      for (const [at, bound] of bounds.entries()) if (seconds <= bound) histogram.buckets[at] = (histogram.buckets[at] ?? 0) + 1
      histogram.sum += seconds
      histogram.count += 1
      histograms.set(labels, histogram)
    },
    text: (gauges) => {
      const lines = ['# TYPE http_requests_total counter']
      for (const [labels, count] of counts) lines.push(`http_requests_total{${labels}} ${count}`)
      lines.push('# TYPE http_request_duration_seconds histogram')
      for (const [labels, { buckets, sum, count }] of histograms) {
        for (const [at, bound] of bounds.entries()) lines.push(`http_request_duration_seconds_bucket{${labels},le="${bound}"} ${buckets[at] ?? 0}`)
        lines.push(`http_request_duration_seconds_bucket{${labels},le="+Inf"} ${count}`, `http_request_duration_seconds_sum{${labels}} ${sum}`, `http_request_duration_seconds_count{${labels}} ${count}`)
      }
      for (const [name, value] of Object.entries(gauges)) lines.push(`# TYPE ${name} gauge`, `${name} ${value}`)
      return `${lines.join('\n')}\n`
    },
  }
}
