/**
 * A process of the platform as tests start it: `node entry.ts NAME [--duplicate]`. Its clock can be moved, and it can
 * be told to die at the
 * next named point of the bus. Only tests start this file; nothing that is deployed imports it.
 */
import { runService, type ServiceMain } from '@convergence/service/run'

export interface Order {
  offset_ms?: number
  die_at?: string
}

const [name = '', ...flags] = process.argv.slice(2)
let offset_ms = 0
let dieAt: string | undefined

const RealDate = Date
class MovedDate extends RealDate {
  constructor(...given: [] | [value: number | string | Date]) {
    if (given.length === 0) super(RealDate.now() + offset_ms)
    else super(...given)
  }

  static override now(): number {
    return RealDate.now() + offset_ms
  }
}
globalThis.Date = MovedDate as DateConstructor

process.on('message', (order: Order) => {
  if (order.offset_ms !== undefined) offset_ms = order.offset_ms
  if (order.die_at !== undefined) dieAt = order.die_at
})
if (name === 'local-cloud') await (await import('../../tools/local-cloud.ts')).runLocalCloud()
else {
  const { main } = (await import(`../../services/${name}/src/main.ts`)) as { main: ServiceMain }
  await runService({
    ...main,
    bus: {
      ...(flags.includes('--duplicate') ? { duplicate: true } : {}),
      crash: (point, subscription) => {
        // A feed's message is nobody's work: what dies there loses nothing.
        if (point === dieAt && !/^auth\..*\.r\d$/.test(subscription)) process.kill(process.pid, 'SIGKILL')
      },
    },
  })
}
