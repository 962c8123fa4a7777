/**
 * `npm run bench`: what the platform does in one process, durable, on this machine; medians and spread over several
 * rounds, as a table
 * and as bench.json. `-- NAME` runs those benches whose name contains NAME. Nothing here is a test.
 */
import { centralDataset } from '@convergence/contracts'
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLog } from '@convergence/service'
import { openClient } from '../client.ts'
import { runCommand, UsageError } from '../command.ts'
import { startPlatform, type Platform } from '../platform.ts'
import { benchAgainst } from './against.ts'
import { measureLoads } from './loads.ts'
import { measureRefresh } from './refresh.ts'

interface Figure {
  name: string
  unit: string
  goal: string
  values: number[]
}
const figures: Figure[] = []
const sorted = (values: readonly number[]) => values.toSorted((a, b) => a - b)
const quantile = (values: readonly number[], q: number) =>
  sorted(values)[Math.min(values.length - 1, Math.floor(values.length * q))] ?? 0
const median = (values: readonly number[]) => quantile(values, 0.5)
const record = (name: string, unit: string, goal: string, values: number[]) => {
  figures.push({ name, unit, goal, values })
  const show = (value: number) => (value >= 100 ? value.toFixed(0) : value.toFixed(2))
  const spread = `(${show(Math.min(...values))} to ${show(Math.max(...values))}, n=${values.length})`
  const middle = show(median(values)).padStart(10)
  console.log(`${name.padEnd(46)} ${middle} ${unit.padEnd(8)} ${spread.padEnd(32)} goal ${goal}`)
}
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 3)

interface World {
  platform: Platform
  key: string
  folder: string
  /** Resolves at the run's terminal event. */ whenEnded(run_id: string): Promise<void>
  end(): Promise<void>
}
const openWorld = async (): Promise<World> => {
  const folder = mkdtempSync(join(tmpdir(), 'convergence-bench-'))
  const platform = await startPlatform({
    data_folder: folder,
    port: 0,
    log: openLog({ service: 'bench', level: 'error' }),
    close_timeout_ms: 5_000,
  })
  const { body } = await openClient(platform.url).call('POST', '/api/v1/tenants/onboard', {
    body: {
      tenant_id: 'bench',
      company_name: 'Bench',
      admin_email: 'bench@bench.example',
      subscription_plan: 'ENTERPRISE',
    },
  })
  // One watcher: two on one subscription would get half of the ends each.
  return {
    platform,
    key: String(body['api_key']),
    folder,
    whenEnded: watchEnds(platform),
    end: async () => {
      await platform.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Runs that were asked for on the bus itself, waited for by their terminal events. */
const watchEnds = (platform: Platform) => {
  const waiting = new Map<string, () => void>()
  const ended = new Set<string>()
  const onEnd = async (event: { run: { run_id: string } }): Promise<undefined> => {
    ended.add(event.run.run_id)
    waiting.get(event.run.run_id)?.()
    waiting.delete(event.run.run_id)
  }
  platform.bus.consume('auth', 'run-completed', onEnd, { replica: 'bench' })
  platform.bus.consume('auth', 'run-failed', onEnd, { replica: 'bench' })
  return (id: string) =>
    ended.has(id)
      ? Promise.resolve()
      : new Promise<void>((resolve) => {
          waiting.set(id, resolve)
        })
}

const agent = new Agent({ keepAlive: true, maxSockets: 128 })
const post = (world: World, pipeline: string): Promise<{ status: number; body: Record<string, unknown> }> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(world.platform.url)
    const call = request(
      {
        agent,
        hostname,
        port,
        method: 'POST',
        path: `/api/v1/pipelines/run/bench/${pipeline}`,
        headers: { 'X-API-Key': world.key, 'Content-Type': 'application/json', 'Content-Length': 2 },
      },
      (answer) => {
        let text = ''
        answer.setEncoding('utf8')
        answer.on('data', (chunk: string) => {
          text += chunk
        })
        answer.on('end', () => {
          resolve({ status: answer.statusCode ?? 0, body: JSON.parse(text) as Record<string, unknown> })
        })
      },
    )
    call.on('error', reject)
    call.end('{}')
  })

const throughput = async (world: World, count: number) => {
  const cpuBefore = process.cpuUsage()
  const started = performance.now()
  let next = 0
  const submit = async () => {
    while (next < count) {
      next += 1
      const { status, body } = await post(world, 'custom/bench/three_steps')
      if (status !== 202) throw new Error(`a run was answered ${status}: ${JSON.stringify(body)}`)
      await world.whenEnded(String(body['pipeline_logging_id']))
    }
  }
  await Promise.all(Array.from({ length: 90 }, submit))
  // Queryable: the record is counted by a query that starts after the last end.
  const { warehouse } = world.platform
  for (;;) {
    const [row] = await warehouse.query({
      query:
        `SELECT COUNT(*) AS n FROM \`${warehouse.project_id}.tenants.tenant_pipeline_runs\` ` +
        `WHERE tenant_id = 'bench' AND status = 'COMPLETED'`,
    })
    if (Number(row?.['n']) >= count) break
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const seconds = (performance.now() - started) / 1000
  const cpu = process.cpuUsage(cpuBefore)
  return { runsPerSecond: count / seconds, cpuMs: (cpu.user + cpu.system) / 1000 / count }
}

const oneRun = async (world: World, pipeline: string) => {
  const started = performance.now()
  const { body } = await post(world, pipeline)
  await world.whenEnded(String(body['pipeline_logging_id']))
  return performance.now() - started
}

const benchRuns = async () => {
  const perSecond: number[] = []
  const cpu: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    const world = await openWorld()
    const result = await throughput(world, 1500)
    perSecond.push(result.runsPerSecond)
    cpu.push(result.cpuMs)
    await world.end()
  }
  record('runs: 3 steps, submitted to recorded', 'runs/s', '>= 500', perSecond)
  record('runs: CPU of one run, all threads', 'ms', '-', cpu)
}

const benchLatency = async () => {
  const p50: number[] = []
  const p99: number[] = []
  const forty: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    const world = await openWorld()
    for (let warm = 0; warm < 50; warm += 1) await oneRun(world, 'custom/bench/three_steps')
    const times: number[] = []
    for (let k = 0; k < 300; k += 1) times.push(await oneRun(world, 'custom/bench/three_steps'))
    p50.push(median(times))
    p99.push(quantile(times, 0.99))
    const long: number[] = []
    for (let k = 0; k < 30; k += 1) long.push(await oneRun(world, 'custom/bench/forty_steps'))
    forty.push(median(long))
    await world.end()
  }
  record('latency: one run of 3 steps, idle system, p50', 'ms', '<= 10', p50)
  record('latency: one run of 3 steps, idle system, p99', 'ms', '<= 30', p99)
  record('latency: 40 sequential steps', 'ms', '<= 100', forty)
}

/** Open loop: requests leave at their time, whether or not earlier ones have been answered. */
const benchPost = async () => {
  const p99: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    const world = await openWorld()
    for (let warm = 0; warm < 50; warm += 1) await post(world, 'custom/bench/three_steps')
    const times: number[] = []
    const answers: Promise<void>[] = []
    const started = performance.now()
    const total = 300 * 10
    for (let sent = 0; sent < total;) {
      const due = Math.min(total, Math.floor(((performance.now() - started) / 1000) * 300) + 1)
      for (; sent < due; sent += 1) {
        const at = started + (sent / 300) * 1000
        answers.push(
          post(world, 'custom/bench/three_steps').then(({ status }) => {
            if (status !== 202) throw new Error(`answered ${status}`)
            times.push(performance.now() - at)
          }),
        )
      }
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    await Promise.all(answers)
    p99.push(quantile(times, 0.99))
    await world.end()
  }
  record('POST run at 300/s, open loop, 10 s, p99', 'ms', '< 100', p99)
}

/** Latency of a run with 100,000 runs in the ledger, against none, and how long a start takes then. */
const benchHistory = async () => {
  const world = await openWorld()
  const measure = async () => {
    const times: number[] = []
    for (let k = 0; k < 300; k += 1) times.push(await oneRun(world, 'custom/bench/three_steps'))
    return median(times)
  }
  for (let warm = 0; warm < 50; warm += 1) await oneRun(world, 'custom/bench/three_steps')
  const before = await measure()
  const count = Number(process.env['BENCH_HISTORY'] ?? 99_000)
  await throughput(world, count)
  const after = await measure()
  record(`history: latency with ${count} runs over none`, 'x', '<= 1.5', [after / before])
  // The tick of a minute saves the ledger; what starts now reads that, and what came after it.
  await world.platform.bus.publish([{ topic: 'scheduler-tick', event: {} }])
  const saved = {
    query: "SELECT COUNT(*) AS n FROM run_ledger WHERE kind = 'SNAPSHOT'",
    default_dataset: centralDataset,
  }
  while (count * 2 > 20_000 && Number((await world.platform.warehouse.query(saved))[0]?.['n']) === 0)
    await new Promise((resolve) => setTimeout(resolve, 20))
  await world.platform.close()
  const starts: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    const started = performance.now()
    const platform = await startPlatform({
      data_folder: world.folder,
      port: 0,
      log: openLog({ service: 'bench', level: 'error' }),
    })
    starts.push((performance.now() - started) / 1000)
    await platform.close()
  }
  record(`history: the platform opens with ${count} runs`, 's', '< 3', starts)
  rmSync(world.folder, { recursive: true, force: true })
}

/** `npm start` as a process: time to its ready line, and memory after it was left alone. */
const benchStart = async () => {
  const times: number[] = []
  const memory: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    const folder = mkdtempSync(join(tmpdir(), 'convergence-bench-'))
    for (const warm of [true, false]) {
      const started = performance.now()
      const child = spawn(process.execPath, ['--import', './tools/compile-cache.mjs', 'tools/start.ts'], {
        cwd: join(import.meta.dirname, '../..'),
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { ...process.env, CONVERGENCE_DATA_DIR: folder, API_PORT: '0', LOG_LEVEL: 'ERROR' },
      })
      await new Promise<void>((resolve) => {
        child.stdout.on('data', (chunk: Buffer) => {
          if (chunk.toString().includes('ready at')) resolve()
        })
      })
      times.push((performance.now() - started) / 1000)
      if (!warm) {
        await new Promise((resolve) => setTimeout(resolve, 5_000))
        const pss = /^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/smaps_rollup`, 'utf8'))?.[1]
        memory.push(Number(pss) / 1024)
      }
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGTERM')
      await gone
    }
    rmSync(folder, { recursive: true, force: true })
  }
  record('start to ready, first and second start', 's', '< 3', times)
  if (process.platform === 'linux') record('idle memory (PSS)', 'MB', '< 300', memory)
}

const benchLoads = async ({ rows }: Sizes) => {
  for (const { name, unit, goal, values } of await measureLoads(rows, rounds)) record(name, unit, goal, values)
}

const benchRefresh = async ({ sources }: Sizes) => {
  const world = await openWorld()
  try {
    const { cpu_seconds, seconds, periods } = await measureRefresh(world.platform, world.folder, sources)
    record(`refresh: ${sources} sources, ${periods} periods, unchanged`, 'CPU s', '60 of 10,000', [cpu_seconds])
    record('refresh: the same by the clock', 's', '-', [seconds])
  } finally {
    await world.end()
  }
}

interface Sizes {
  /** Of a report that is loaded. */
  rows: number
  /** That are looked at. */
  sources: number
}
const benches = {
  runs: benchRuns,
  latency: benchLatency,
  post: benchPost,
  start: benchStart,
  loads: benchLoads,
  refresh: benchRefresh,
  history: benchHistory,
}
const help = `
Measures the platform in one process on this machine; prints medians and spread, and writes bench.json. Names choose
parts: ${Object.keys(benches).join(', ')}; default all of them.

  --against REV   a commit of before and this tree turn by turn, in a worktree of its own; parts default to runs and
                  start; prints medians, spread and ratio, and adds them to bench-history.jsonl
  --rounds N      of --against; default 5
  --rows N        of a report that is loaded; default 200000
  --sources N     that a refresh looks at; default 2000

Settings: BENCH_ROUNDS (default 3), BENCH_HISTORY (runs, default 99000).
`

const bench = async (names: readonly string[], sizes: Sizes) => {
  console.log(`${cpus().length} cores, ${cpus()[0]?.model ?? ''}, Node ${process.version}; median (least to most)`)
  for (const [name, measure] of Object.entries(benches))
    if (names.length === 0 || names.some((part) => name.includes(part))) await measure(sizes)
  agent.destroy()
  const taken = figures.map((figure) => ({ ...figure, median: median(figure.values) }))
  const about = { at: new Date().toISOString(), node: process.version, cores: cpus().length }
  writeFileSync('bench.json', `${JSON.stringify({ ...about, figures: taken }, null, 2)}\n`)
}

await runCommand(
  {
    name: 'npm run bench',
    synopsis: '[NAME...] [--rows N] [--sources N] [--against REV [--rounds N]]',
    help,
    options: {
      against: { type: 'string' },
      rounds: { type: 'string', default: '5' },
      rows: { type: 'string', default: '200000' },
      sources: { type: 'string', default: '2000' },
    },
    positionals: true,
  },
  async ({ against, rounds: pairs, rows, sources }, names) => {
    const unknown = names.find((part) => !Object.keys(benches).some((name) => name.includes(part)))
    if (unknown !== undefined)
      throw new UsageError(`expected names of ${Object.keys(benches).join(', ')}, got ${JSON.stringify(unknown)}`)
    if (!/^[1-9]\d?$/.test(pairs)) throw new UsageError(`--rounds expected a number from 1 to 99, got ${pairs}`)
    if (!/^[1-9]\d{0,8}$/.test(rows)) throw new UsageError(`--rows expected a number of rows, got ${rows}`)
    if (!/^[1-9]\d{1,5}$/.test(sources)) throw new UsageError(`--sources expected a number from 10, got ${sources}`)
    if (against === undefined) await bench(names, { rows: Number(rows), sources: Number(sources) })
    else benchAgainst(against, names.length === 0 ? ['runs', 'start'] : names, Number(pairs))
  },
)
