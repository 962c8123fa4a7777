// The page at /console: a tenant's runs, and one run's events while they happen. No library, nothing from elsewhere.
// EventSource cannot send the X-API-Key header, and a key does not belong into an address; so the stream is read with
// fetch.
const $ = (id) => document.getElementById(id)
const ended = ['COMPLETED', 'FAILED', 'CANCELLED', 'REJECTED']
const longestPauseMs = 10_000

let key = sessionStorage.getItem('key') ?? ''
let watching
let olderCursor = null
let catalogue = []

/** Text only: nothing that a server or a tenant wrote becomes markup. */
const element = (name, text = '', className = '') =>
  Object.assign(document.createElement(name), { textContent: text, className })
const row = (...cells) => {
  const tr = document.createElement('tr')
  for (const cell of cells) {
    const td = document.createElement('td')
    td.append(cell)
    tr.append(td)
  }
  return tr
}
const took = (ms) => {
  if (ms === null || ms === undefined) return ''
  if (ms < 1000) return `${ms} ms`
  if (ms < 120_000) return `${(ms / 1000).toFixed(1)} s`
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`
}
const time = (text) => (text ? new Date(text).toLocaleString() : '')
const count = (number) => (number === null || number === undefined ? '' : number.toLocaleString())

const tell = (text) => {
  $('problem').textContent = text
  $('problem').hidden = text === ''
}
const problemOf = async (response) => {
  const body = await response.json().catch(() => ({}))
  return [
    `${response.status} ${body.code ?? ''}: ${body.detail ?? response.statusText}`,
    ...(body.errors ?? []),
    body.request_id ? `request_id ${body.request_id}` : '',
  ]
    .filter(Boolean)
    .join('\n')
}
/** The answer's JSON; undefined after telling what went wrong. */
const call = async (method, path, body) => {
  tell('')
  const response = await fetch(path, {
    method,
    headers: { 'X-API-Key': key, ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  }).catch(() => undefined)
  if (response === undefined) return void tell('no answer from the server; is it running?')
  if (!response.ok) return void tell(await problemOf(response))
  return response.json()
}

// ---- the list
// ----------------------------------------------------------------------------------------------------------------------

/** How often the list was asked for: an answer that a later one has overtaken is not shown. */
let asked = 0
const showRuns = async (cursor) => {
  const turn = (asked += 1)
  const query = new URLSearchParams({
    limit: '25',
    ...($('status').value === '' ? {} : { status: $('status').value }),
    ...(cursor === undefined ? {} : { cursor }),
  })
  const page = await call('GET', `/api/v1/pipelines/runs?${query}`)
  if (page === undefined) return false
  if (turn !== asked) return true
  if (cursor === undefined) $('runs').replaceChildren()
  for (const run of page.items) {
    // The list is of the tables, which come after the stream.
    const status = run.pipeline_logging_id === watching?.id ? (watching.status ?? run.status) : run.status
    const tr = row(
      run.pipeline ?? run.pipeline_id,
      element('span', status, `status ${status}`),
      time(run.requested_at),
      took(run.duration_ms),
      run.trigger_type,
    )
    tr.dataset.run = run.pipeline_logging_id
    tr.tabIndex = 0
    tr.ariaSelected = String(run.pipeline_logging_id === watching?.id)
    const open = () => {
      location.hash = run.pipeline_logging_id
    }
    tr.addEventListener('click', open)
    tr.addEventListener('keydown', (event) => {
      if (event.key === 'Enter') open()
    })
    $('runs').append(tr)
  }
  if ($('runs').childElementCount === 0) $('runs').append(row('no runs yet'))
  olderCursor = page.next_cursor
  $('more').hidden = olderCursor === null
  return true
}

const showParameters = () => {
  const schema = catalogue.find(({ pipeline }) => pipeline === $('pipeline').value)?.parameters ?? {}
  $('parameters').replaceChildren(
    ...Object.entries(schema.properties ?? {}).map(([name, field]) => {
      const label = element('label', `${name} `)
      const required = schema.required?.includes(name) === true && field.default === undefined
      const choices = field.enum?.map((value) => element('option', value))
      const input = Object.assign(document.createElement(choices === undefined ? 'input' : 'select'), {
        name,
        required,
        title: field.description ?? '',
      })
      if (choices === undefined)
        Object.assign(input, {
          placeholder: String(field.default ?? (field.format === 'date' ? '2026-01-31' : field.type)),
          size: 12,
        })
      else input.append(...(required ? [] : [element('option')]), ...choices)
      label.append(input)
      return label
    }),
  )
}
const showCatalogue = async () => {
  const answer = await call('GET', '/api/v1/pipelines')
  catalogue = answer?.items ?? []
  $('pipeline').replaceChildren(
    ...catalogue.map(({ pipeline }) => Object.assign(element('option', pipeline), { value: pipeline })),
  )
  showParameters()
}
/** What was typed, as the type that the pipeline declares; the server checks it. */
const typed = (text, type) => {
  if (type === undefined || [type].flat().includes('string')) return text
  if (text === 'true') return true
  if (text === 'false') return false
  return text !== '' && !Number.isNaN(Number(text)) ? Number(text) : text
}

const runPipeline = async () => {
  const path = $('pipeline').value
  const properties = catalogue.find(({ pipeline }) => pipeline === path)?.parameters?.properties ?? {}
  const parameters = Object.fromEntries(
    [...new FormData($('run-form'))]
      .filter(([, value]) => value !== '')
      .map(([name, value]) => [name, typed(value, properties[name]?.type)]),
  )
  const accepted = await call('POST', `/api/v1/pipelines/run/${tenantOf(key)}/${path}`, parameters)
  if (accepted === undefined) return
  location.hash = accepted.pipeline_logging_id
  await showRuns()
}
/** Keys start with the tenant's name: {tenant_id}_api_{42 letters and digits}. */
const tenantOf = (text) => text.slice(0, text.lastIndexOf('_api_'))

// ---- one run
// -----------------------------------------------------------------------------------------------------------------------

/** One event of the stream. `lines` are those between two empty lines. */
const parseEvent = (lines) => {
  const event = { id: '', event: 'message', data: '' }
  for (const line of lines.split('\n')) {
    const [, name, value] = /^(\w+): ?(.*)$/.exec(line) ?? []
    if (name === 'data') event.data += value
    else if (name !== undefined) event[name] = value
  }
  return event.data === '' ? undefined : { ...event, data: JSON.parse(event.data) }
}

const setStatus = (run, status) => {
  run.status = status
  const inList = document.querySelector(`#runs tr[data-run="${run.id}"] .status`)
  for (const shown of [$('run-status'), ...(inList === null ? [] : [inList])])
    Object.assign(shown, { textContent: status, className: `status ${status}` })
}

const showEvent = (run, { event, data }) => {
  // After a break the server may send events again; each step has one line, each kind of event of the run one.
  const name = event === 'step-completed' ? `${event} ${data.step_id}` : event
  if (run.seen.has(name)) return
  run.seen.add(name)
  const li = document.createElement('li')
  li.append(`${data.at ?? data.end_time} `, element('b', name), ` ${data.status}`)
  $('events').append(li)
  if (event === 'step-completed') {
    $('steps').append(
      row(
        `${data.name} (${data.ps_type})`,
        element('span', data.status, `status ${data.status}`),
        String(data.attempt + 1),
        count(data.rows_written),
        count(data.bytes_processed),
        took(data.duration_ms),
      ),
    )
  } else setStatus(run, data.status)
  if (data.error_message) {
    $('run-error').textContent = `${data.error_code}: ${data.error_message}`
    $('run-error').hidden = false
  }
  if (event === 'run-completed' || event === 'run-failed') {
    run.over = true
    $('cancel').hidden = true
    $('feed').textContent =
      `ended ${time(data.at)}${data.duration_ms === null ? '' : `, took ${took(data.duration_ms)}`}`
    void showRuns()
  }
}

/** Reads the stream until the run ends; a stream that breaks is opened again where it was. */
const follow = async (run) => {
  let last = ''
  let pause = 500
  while (!run.over && !run.closed.signal.aborted) {
    try {
      const response = await fetch(`/api/v1/pipelines/runs/${run.id}/events`, {
        headers: { 'X-API-Key': key, ...(last === '' ? {} : { 'Last-Event-ID': last }) },
        signal: run.closed.signal,
      })
      if (response.status >= 400 && response.status < 500 && response.status !== 429)
        return void tell(await problemOf(response))
      if (!response.ok || response.body === null) throw new Error(String(response.status))
      $('feed').textContent = 'live'
      let buffered = ''
      for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
        buffered += text
        const events = buffered.split('\n\n')
        buffered = events.pop()
        for (const lines of events) {
          const event = parseEvent(lines)
          if (event === undefined) continue
          pause = 500
          last = event.id
          showEvent(run, event)
        }
      }
    } catch {
      if (run.closed.signal.aborted) return
    }
    if (run.over) return
    $('feed').textContent = 'the connection broke, trying again ...'
    await new Promise((resolve) => {
      setTimeout(resolve, pause)
    })
    pause = Math.min(pause * 2, longestPauseMs)
  }
}

const openRun = async (id) => {
  watching?.closed.abort()
  watching = undefined
  for (const part of ['steps', 'events']) $(part).replaceChildren()
  for (const part of ['run-error', 'cancel']) $(part).hidden = true
  $('run').hidden = id === ''
  for (const tr of $('runs').children) tr.ariaSelected = String(tr.dataset.run === id)
  if (id === '' || key === '') return
  const run = (watching = { id, seen: new Set(), over: false, closed: new AbortController() })
  $('run-id').textContent = id
  $('feed').textContent = ''
  $('curl').textContent = `curl -N ${location.origin}/api/v1/pipelines/runs/${id}/events -H "X-API-Key: $KEY"`
  const record = await call('GET', `/api/v1/pipelines/runs/${id}`)
  if (record === undefined || watching !== run) return
  $('run-pipeline').textContent = record.pipeline
  setStatus(run, record.status)
  $('cancel').hidden = ended.includes(record.status)
  await follow(run)
}

// ---- what is pressed
// ---------------------------------------------------------------------------------------------------------------

const enter = async () => {
  if (!(await showRuns())) return
  // For this tab only: closing it forgets the key.
  sessionStorage.setItem('key', key)
  $('list').hidden = false
  $('forget').hidden = false
  await showCatalogue()
  await openRun(location.hash.slice(1))
}
const onSubmit = (form, act) =>
  $(form).addEventListener('submit', (event) => {
    event.preventDefault()
    void act()
  })
onSubmit('key-form', () => {
  key = $('key').value.trim()
  return enter()
})
onSubmit('run-form', runPipeline)
$('forget').addEventListener('click', () => {
  sessionStorage.removeItem('key')
  location.replace('/console')
})
$('status').append(...['PENDING', 'QUEUED', 'RUNNING', ...ended].map((status) => element('option', status)))
$('status').addEventListener('change', () => showRuns())
$('refresh').addEventListener('click', () => showRuns())
$('more').addEventListener('click', () => showRuns(olderCursor))
$('pipeline').addEventListener('change', showParameters)
$('cancel').addEventListener('click', () => call('POST', `/api/v1/pipelines/runs/${watching.id}/cancel`, {}))
$('close').addEventListener('click', () => {
  location.hash = ''
})
addEventListener('hashchange', () => openRun(location.hash.slice(1)))
if (key !== '') {
  $('key').value = key
  void enter()
}
