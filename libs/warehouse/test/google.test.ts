import { expect } from 'chai'
import { AppError } from '@convergence/contracts'
import type { ErrorCode } from '@convergence/contracts'
import { openBigQuery } from '../src/google.ts'
import type { BigQueryPort } from '../src/google.ts'
import type { Destination, QuerySpec } from '../src/warehouse.ts'
import { startFake } from './fake-bigquery.ts'
import type { Fake } from './fake-bigquery.ts'

const expectCode = async (work: Promise<unknown>, code: ErrorCode, words?: RegExp): Promise<AppError> => {
  const fault = await work.then(() => undefined, (error: unknown) => error)
  expect(fault, `expected ${code}`).to.be.instanceOf(AppError)
  expect((fault as AppError).code, (fault as AppError).message).to.equal(code)
  if (words !== undefined) expect((fault as AppError).message).to.match(words)
  return fault as AppError
}
const setup = async (work: (world: { port: BigQueryPort; fake: Fake }) => Promise<void>, options: { request_retries?: number } = {}): Promise<void> => {
  const fake = await startFake()
  const port = openBigQuery({ project_id: 'p', location: 'EU', api_endpoint: fake.endpoint, request_retries: 0, unique: () => 'u1', ...options })
  try {
    await work({ port, fake })
  } finally {
    await port.close()
    await fake.close()
  }
}
const into = (more: Partial<Destination> = {}): Destination => ({ project_id: 'p', dataset: 'acme', table: 'costs', write_mode: 'append', ...more })
const spec = (more: Partial<Destination> = {}, query = 'SELECT day, cost FROM x'): QuerySpec => ({ kind: 'query', query, destination: into(more) })
const configurationOf = (fake: Fake, id: string) => fake.jobs.get(id)?.configuration as { labels: Record<string, string>; query: Record<string, unknown>; load: Record<string, unknown> }

describe('BigQuery behind the door', function () {
  this.timeout(20_000)

  it('inserts a job under the id that it was given, in its location, with labels and a limit on what it bills', () => setup(async ({ port, fake }) => {
    const job = await port.insert('run-r_1-a-a0', { ...spec(), maximum_bytes_billed: 1000 }, { tenant_id: 'acme', step_id: 'Load.Costs' })
    expect(job).to.include({ state: 'RUNNING', job_id: 'run-r_1-a-a0' })
    expect(fake.jobs.get('run-r_1-a-a0')?.jobReference).to.deep.equal({ projectId: 'p', jobId: 'run-r_1-a-a0', location: 'EU' })
    const { labels, query } = configurationOf(fake, 'run-r_1-a-a0')
    expect(labels).to.deep.equal({ tenant_id: 'acme', step_id: 'load_costs' })
    expect(query).to.include({ useLegacySql: false, maximumBytesBilled: '1000' })
    expect(query['query']).to.equal('INSERT INTO `p`.`acme`.`costs` (`day`, `cost`) SELECT s.`day` AS `day`, s.`cost` AS `cost` FROM (\nSELECT day, cost FROM x\n) AS s')
    expect((await port.wait('run-r_1-a-a0')).rows_written).to.equal(2)
    expect(fake.to('GET', /jobs\//).every(({ query: asked }) => asked.get('location') === 'EU')).to.equal(true)
  }))
  it('answers exists for an id that is taken', () => setup(async ({ port }) => {
    await port.insert('a0', spec(), {})
    expect(await port.insert('a0', spec(), {})).to.equal('exists')
    await expectCode(port.insert('a b', spec(), {}), 'QUERY_INVALID', /job id/)
  }))
})
