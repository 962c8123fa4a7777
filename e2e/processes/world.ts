/**
 * The world of e2e/test as processes of their own: the local cloud, two replicas of each service, a gate before each of
 * their doors.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { openBus } from '@convergence/bus'
import { openGoogleBus } from '@convergence/bus/google'
import type { ServiceName } from '@convergence/contracts'
import { openClient } from '@convergence/tools/client'
import { openWarehouse } from '@convergence/warehouse'
import { openBigQuery } from '@convergence/warehouse/google'
import { startProcesses, type Processes, type ServiceProcess } from '../../tools/processes.ts'
import { operations, temporaryFolder, type World, type WorldOptions } from '../operations.ts'
import type { Order } from './entry.ts'
import { openGate, type Gate } from './gate.ts'

export interface ProcessesWorld extends World {
  all: Processes
  /** Of what the processes said, the last lines; for messages of failing tests. */
  lines: string[]
  /** Gates of these services, or of all: what they cannot reach while it is shut. */
  gates(door: 'pubsub' | 'bigquery', ...names: ServiceName[]): readonly Gate[]
  process(name: ServiceName, replica: number): ServiceProcess
}

export interface ProcessesOptions extends WorldOptions {
  replicas?: number
}

const doors = { pubsub: 'PUBSUB_EMULATOR_HOST', bigquery: 'BIGQUERY_EMULATOR_HOST' } as const
const quiet = { warn: () => undefined, error: () => undefined }
const serviceNames: readonly ServiceName[] = ['auth', 'tenant', 'scheduler', 'executor', 'notifier']

export const openProcesses = async ({
  duplicate = false,
  data_folder = temporaryFolder(),
  replicas = 2,
}: ProcessesOptions = {}): Promise<ProcessesWorld> => {
  const lines: string[] = []
  const closing: (() => Promise<unknown>)[] = [
    async () => {
      rmSync(data_folder, { recursive: true, force: true })
    },
  ]
  const end = async () => {
    for (const close of closing.splice(0)) await close()
  }
  try {
    const ports: Record<keyof typeof doors, number> = { pubsub: 0, bigquery: 0 }
    const gates: { door: keyof typeof doors; name: ServiceName; replica: number; gate: Gate }[] = []
    for (const name of serviceNames)
      for (let replica = 0; replica < replicas; replica += 1)
        for (const door of ['pubsub', 'bigquery'] as const) {
          const gate = await openGate(() => ports[door])
          gates.push({ door, name, replica, gate })
          closing.unshift(() => gate.close())
        }
    const all = await startProcesses({
      data_folder,
      replicas,
      log_level: 'WARNING',
      log: (name, line) => {
        lines.push(`${name} ${line}`)
        if (lines.length > 2_000) lines.shift()
      },
      entry: (name) => [join(import.meta.dirname, 'entry.ts'), name, ...(duplicate ? ['--duplicate'] : [])],
      through: (env, { name, replica }) => {
        const own: Record<string, string> = { ...env }
        for (const each of gates)
          if (each.name === name && each.replica === replica) {
            ports[each.door] = Number(/:(\d+)$/.exec(env[doors[each.door]] ?? '')?.[1])
            own[doors[each.door]] =
              each.door === 'bigquery' ? `http://127.0.0.1:${each.gate.port}` : `127.0.0.1:${each.gate.port}`
          }
        return own
      },
    })
    closing.unshift(() => all.close())
    const project_id = all.env['GCP_PROJECT_ID'] ?? ''
    const warehouse = openWarehouse({
      engine: openBigQuery({ project_id, location: 'EU', api_endpoint: all.env['BIGQUERY_EMULATOR_HOST'] ?? '' }),
      random: Math.random,
    })
    const port = openGoogleBus({ project_id, api_endpoint: all.env['PUBSUB_EMULATOR_HOST'] ?? '', log: quiet })
    const bus = openBus({ port, log: quiet })
    closing.unshift(
      () => bus.close(),
      () => port.close(),
      () => warehouse.close(),
    )
    let offset_ms = 0
    return {
      all,
      lines,
      warehouse,
      data_folder,
      url: all.urls.at(-1) ?? '',
      admin_key: all.admin_key ?? '',
      ...operations(all.urls.map(openClient)),
      gates: (door, ...names) =>
        gates
          .filter((each) => each.door === door && (names.length === 0 || names.includes(each.name)))
          .map(({ gate }) => gate),
      process: (name, replica) => {
        const found = all.services.find((each) => each.name === name && each.replica === replica)
        if (found === undefined) throw new Error(`no ${name}.${replica}`)
        return found
      },
      tick: async () => {
        await bus.publish([{ topic: 'scheduler-tick', event: {} }])
      },
      shiftClock: (ms) => {
        offset_ms += ms
        for (const each of [all.cloud, ...all.services]) each.send({ offset_ms } satisfies Order)
      },
      end,
    }
  } catch (error) {
    await end()
    throw error
  }
}
