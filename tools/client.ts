/** A small REST client of the platform, for the demo, the whole-run tests and the bench. */
export interface Client {
  /** Throws on any status that is not expected; `expect` defaults to 2xx. */
  call(
    method: string,
    path: string,
    options?: { key?: string; admin?: string; body?: unknown; headers?: Record<string, string>; expect?: number[] },
  ): Promise<{ status: number; body: Body; headers: Headers }>
}
/** Nothing of it is checked: who knows the route says with `as` what it is. */
type Body = Record<string, unknown>

export const openClient = (url: string): Client => ({
  call: async (method, path, options = {}) => {
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: {
        ...(options.key === undefined ? {} : { 'X-API-Key': options.key }),
        ...(options.admin === undefined ? {} : { 'X-Admin-Key': options.admin }),
        ...(options.body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...options.headers,
      },
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    })
    const text = await answer.text()
    const good = options.expect === undefined ? answer.ok : options.expect.includes(answer.status)
    if (!good) throw new Error(`${method} ${path} answered ${answer.status}: ${text.slice(0, 2000)}`)
    return { status: answer.status, body: (text === '' ? {} : JSON.parse(text)) as Body, headers: answer.headers }
  },
})

export type RunStatus = {
  pipeline_logging_id: string
  status: 'PENDING' | 'QUEUED' | 'RUNNING' | 'COMPLETED' | 'FAILED' | 'CANCELLED' | 'REJECTED'
  pipeline_id: string
  duration_ms: number | null
  error_code: string | null
  error_message: string | null
  steps: { step_id: string; status: string; rows_written: number | null; duration_ms: number }[]
}
export const hasEnded = (status: RunStatus['status']): boolean => !['PENDING', 'QUEUED', 'RUNNING'].includes(status)

/** Follows a run's event stream to its end, telling each event's name; then reads its status. */
export const followRun = async (
  url: string,
  key: string,
  id: string,
  onEvent: (event: string) => void = () => undefined,
): Promise<RunStatus> => {
  const answer = await fetch(`${url}/api/v1/pipelines/runs/${id}/events`, {
    headers: { 'X-API-Key': key, Accept: 'text/event-stream' },
  })
  if (!answer.ok || answer.body === null)
    throw new Error(`events of ${id} answered ${answer.status}: ${await answer.text()}`)
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of answer.body) {
    text += decoder.decode(chunk as Uint8Array, { stream: true })
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const name = /^event: ?(.*)$/m.exec(text.slice(0, end))?.[1]
      if (name !== undefined) onEvent(name)
      text = text.slice(end + 2)
    }
  }
  return (await openClient(url).call('GET', `/api/v1/pipelines/runs/${id}`, { key })).body as RunStatus
}
