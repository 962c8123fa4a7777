/** What the fault tests share: asking for runs through everything, and what must hold once the faults have stopped. */
import { expect } from 'chai'
import { openClient } from '@convergence/tools/client'
import { ledgerFaults } from '../test/world.ts'
import { openProcesses, type ProcessesOptions, type ProcessesWorld } from './world.ts'

export const inProcessesWorld = async (
  options: ProcessesOptions,
  body: (world: ProcessesWorld) => Promise<void>,
): Promise<void> => {
  const world = await openProcesses(options)
  try {
    await body(world)
  } catch (error) {
    console.log(
      world.lines
        .slice(-60)
        .map((line) => `      ${line.slice(0, 300)}`)
        .join('\n'),
    )
    throw error
  } finally {
    for (const each of world.all.services) each.kill('SIGCONT')
    await world.end()
  }
}

/** One line of the report. */
export const say = (text: string): void => {
  console.log(`      ${text}`)
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/**
 * Asks for runs that append one row each, as a careful client does: no answer or a 5xx, and it asks again under the
 * same key, through the other replica.
 */
export const submitter = (world: ProcessesWorld, key: string) => {
  const accepted = new Map<string, string>()
  /** Answers that were no 202, by status; 0: none came. */
  const answers: Record<number, number> = {}
  const headers: string[] = []
  let asked = 0
  const submit = async (idempotency_key: string): Promise<void> => {
    for (;;) {
      asked += 1
      const url = world.all.urls[asked % world.all.urls.length] ?? ''
      const answer = await fetch(`${url}/api/v1/pipelines/run/acme_corp/custom/examples/append_row`, {
        method: 'POST',
        headers: { 'X-API-Key': key, 'Content-Type': 'application/json', 'Idempotency-Key': idempotency_key },
        body: '{}',
        signal: AbortSignal.timeout(30_000),
      }).catch(() => undefined)
      const body = (await answer?.json().catch(() => undefined)) as { pipeline_logging_id?: string } | undefined
      if (answer?.status === 202 && body?.pipeline_logging_id !== undefined) {
        const known = accepted.get(idempotency_key)
        expect(known ?? body.pipeline_logging_id, 'one key, one run').to.equal(body.pipeline_logging_id)
        accepted.set(idempotency_key, body.pipeline_logging_id)
        return
      }
      const status = answer?.status ?? 0
      answers[status] = (answers[status] ?? 0) + 1
      if (answer !== undefined && status < 500)
        throw new Error(`the answer to a run request was ${status}: ${JSON.stringify(body)}`)
      if (status === 503) headers.push(answer?.headers.get('Retry-After') ?? 'none')
      await wait(200)
    }
  }
  return { submit, accepted, answers, /** Retry-After of each 503. */ retryAfter: headers }
}

/**
 * Waits until nothing moves, then: each accepted run ended once and well, each row is there once, no slot is held,
 * usage is the recount.
 */
export const assertWhole = async (
  world: ProcessesWorld,
  key: string,
  accepted: ReadonlyMap<string, string>,
  note = '',
): Promise<void> => {
  const { warehouse } = world
  const ids = [...accepted.values()].sort()
  expect(new Set(ids).size, note).to.equal(ids.length)
  const client = openClient(world.url)
  for (const id of ids) {
    for (const began = performance.now(); ;) {
      const { body } = await client
        .call('GET', `/api/v1/pipelines/runs/${id}`, { key })
        .catch((): { body: Record<string, unknown> } => ({ body: {} }))
      if (body['status'] === 'COMPLETED') break
      expect(body['status'], `${id} ${JSON.stringify(body)} ${note}`).to.be.oneOf([
        undefined,
        'PENDING',
        'QUEUED',
        'RUNNING',
      ])
      if (performance.now() - began > 240_000)
        throw new Error(`${id} has not ended after four minutes: ${JSON.stringify(body)} ${note}`)
      await wait(100)
    }
  }
  expect(await ledgerFaults(world), note).to.deep.equal([])
  const rows = await warehouse.query(
    { query: `SELECT run_id, COUNT(*) AS n FROM \`${warehouse.project_id}.acme_corp.example_rows\` GROUP BY run_id` },
    { max_rows: 10_000 },
  )
  expect(
    rows.filter((row) => Number(row['n']) !== 1),
    note,
  ).to.deep.equal([])
  expect(rows.map((row) => String(row['run_id'])).sort(), note).to.deep.equal(ids)
  // Records follow the run by a message: they are there a moment later.
  for (const began = performance.now(); ;) {
    const recorded = await warehouse.query(
      {
        query: `SELECT pipeline_logging_id, status
               FROM \`${warehouse.project_id}.tenants.tenant_pipeline_runs\`
               WHERE tenant_id = 'acme_corp'`,
      },
      { max_rows: 10_000 },
    )
    const completed = recorded
      .filter((row) => row['status'] === 'COMPLETED')
      .map((row) => String(row['pipeline_logging_id']))
      .sort()
    if (completed.length === ids.length || performance.now() - began > 120_000) {
      expect(completed, note).to.deep.equal(ids)
      expect(recorded, note).to.have.length(ids.length)
      break
    }
    await wait(200)
  }
  const [usage] = await warehouse.query({
    query: `SELECT SUM(pipelines_run_today) AS used, SUM(concurrent_pipelines_running) AS running
           FROM \`${warehouse.project_id}.tenants.tenant_usage_quotas\`
           WHERE tenant_id = 'acme_corp'`,
  })
  expect([Number(usage?.['used']), Number(usage?.['running'])], note).to.deep.equal([ids.length, 0])
}
