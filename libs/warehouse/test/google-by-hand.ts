/**
 * The conformance suite on Google's BigQuery, by hand, with an account and an empty project that may be thrown away;
 * never part of `npm test`.
 *
 *   BIGQUERY_THROWAWAY_PROJECT=my-empty-project BIGQUERY_LOCATION=EU npx mocha libs/warehouse/test/google-by-hand.ts
 *
 * It makes and drops the datasets tenants, acme and globex, and bills a few cents. It refuses a project that has a
 * dataset. Job ids are
 * taken for six months, so each run of it puts a prefix of its own before them.
 */
import { randomUUID } from 'node:crypto'
import { AppError } from '@convergence/contracts'
import { openBigQuery } from '../src/google.ts'
import type { WarehousePort } from '../src/warehouse.ts'
import { warehouseConformance } from './conformance.ts'

const project_id = process.env['BIGQUERY_THROWAWAY_PROJECT'] ?? ''
const location = process.env['BIGQUERY_LOCATION'] ?? 'EU'
/** To try this file itself against a local BigQuery. */
const endpoint = process.env['BIGQUERY_EMULATOR_HOST']
const datasets = ['tenants', 'acme', 'globex']

describe('warehouse on Google BigQuery', function () {
  this.timeout(600_000)
  if (project_id === '') {
    it('skipped: BIGQUERY_THROWAWAY_PROJECT names no project', function () {
      this.skip()
    })
    return
  }
  before(async () => {
    const port = openBigQuery({ project_id, location, ...(endpoint === undefined ? {} : { api_endpoint: endpoint }) })
    await port.assertUsable()
    for (const dataset of datasets) {
      if ((await port.getDataset(dataset)) !== undefined)
        throw new AppError(
          'SETTING_INVALID',
          `project ${project_id} has a dataset ${dataset}: expected an empty project that may be thrown away; ` +
            'nothing was touched',
        )
    }
    await port.close()
  })
  warehouseConformance({
    open: () => {
      const inner = openBigQuery({
        project_id,
        location,
        ...(endpoint === undefined ? {} : { api_endpoint: endpoint }),
      })
      const prefix = `conformance-${randomUUID().slice(0, 8)}-`
      const named = <T extends { job_id: string }>(job: T): T => ({ ...job, job_id: job.job_id.slice(prefix.length) })
      const port: WarehousePort = {
        ...inner,
        insert: async (id, spec, labels) => {
          const job = await inner.insert(`${prefix}${id}`, spec, labels)
          return job === 'exists' ? job : named(job)
        },
        get: async (id) => {
          const job = await inner.get(`${prefix}${id}`)
          return job === undefined ? undefined : named(job)
        },
        wait: async (id, signal) => named(await inner.wait(`${prefix}${id}`, signal)),
        cancel: (id) => inner.cancel(`${prefix}${id}`),
      }
      return Promise.resolve({
        port,
        close: async () => {
          for (const dataset of datasets) await inner.dropDataset(dataset)
          await inner.close()
        },
      })
    },
  })
})
