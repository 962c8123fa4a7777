/** A run followed to its end by its event stream, a line for each step. */
import type { Connection } from './connection.ts'
import { Refused, Unreachable } from './connection.ts'

interface StepEvent {
  step_id?: string
  name?: string
  status?: string
  rows_written?: number | null
  duration_ms?: number
  error_code?: string | null
  error_message?: string | null
  warnings?: readonly string[]
}
export interface Ended {
  status: string
  error_code: string | null
  error_message: string | null
}

const eventsOf = async function* (
  body: ReadableStream<Uint8Array>,
): AsyncGenerator<{ event: string; data: StepEvent }> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true })
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const block = text.slice(0, end)
      text = text.slice(end + 2)
      const event = /^event: ?(.*)$/m.exec(block)?.[1]
      const data = [...block.matchAll(/^data: ?(.*)$/gm)].map((match) => match[1]).join('\n')
      if (event !== undefined && data !== '') yield { event, data: JSON.parse(data) as StepEvent }
    }
  }
}

const stepLine = ({ step_id, name, status, rows_written, duration_ms = 0, error_code, error_message }: StepEvent) => {
  const rows = rows_written === null || rows_written === undefined ? '' : `  ${rows_written} rows`
  const why =
    error_message === null || error_message === undefined ? '' : `\n    ${String(error_code)}: ${error_message}`
  return `  ${String(status).padEnd(9)}  ${String(step_id)}  ${String(name)}${rows}  ${(duration_ms / 1000).toFixed(1)} s${why}`
}

/** Tells each event as it comes; `say` gets the lines. Resolves with the end of the run. */
export const followRun = async (
  { url, headers }: Connection,
  id: string,
  say: (line: string) => void,
  onEvent: (event: string, data: object) => void = () => undefined,
): Promise<Ended> => {
  const answer = await fetch(`${url}/api/v1/pipelines/runs/${id}/events`, {
    headers: { ...headers, Accept: 'text/event-stream' },
  }).catch(() => {
    throw new Unreachable(`${url} does not answer; the run goes on: convergence runs show ${id}`)
  })
  if (!answer.ok || answer.body === null)
    throw new Refused(answer.status, (await answer.json().catch(() => ({}))) as Record<string, unknown>)
  for await (const { event, data } of eventsOf(answer.body)) {
    onEvent(event, data)
    if (event === 'run-admitted') say('  started')
    if (event === 'step-completed') {
      say(stepLine(data))
      for (const warning of data.warnings ?? []) say(`    warning: ${warning}`)
    }
    if (event === 'run-completed' || event === 'run-failed') {
      const { status = 'FAILED', error_code = null, error_message = null } = data
      return { status, error_code, error_message }
    }
  }
  throw new Unreachable(`the events of ${id} ended before the run; look again: convergence runs show ${id}`)
}
