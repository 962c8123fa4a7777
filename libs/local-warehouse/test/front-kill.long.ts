/** What the front acknowledged is there after kill -9. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { openEngine } from '../src/engine.ts'

describe('BigQuery front under kill -9', function () {
  this.timeout(120_000)

  it('loses nothing that it acknowledged and takes no job id twice', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'convergence-kill-'))
    const child = spawn(process.execPath, [join(import.meta.dirname, 'front-server.ts'), folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const exited = once(child, 'exit')
    try {
      const [line] = (await once(child.stdout, 'data')) as [Buffer]
      const ask = async (method: string, path: string, body?: object): Promise<Record<string, unknown>> => {
        const answer = await fetch(
          `http://127.0.0.1:${line.toString().trim()}/bigquery/v2/projects/local-convergence${path}`,
          {
            method,
            ...(body === undefined
              ? {}
              : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
          },
        )
        expect(answer.status, path).to.equal(200)
        return (await answer.json()) as Record<string, unknown>
      }
      for (const datasetId of ['tenants', 'acme']) {
        await ask('POST', '/datasets', { datasetReference: { datasetId } })
        await ask('POST', `/datasets/${datasetId}/tables`, {
          tableReference: { tableId: 'log' },
          schema: { fields: [{ name: 'k', type: 'INTEGER' }] },
        })
      }
      const commit = (jobId: string, k: number) =>
        ask('POST', '/jobs', {
          jobReference: { jobId },
          configuration: {
            labels: { payload: `p${k}` },
            query: {
              query: "INSERT INTO tenants.log (k) SELECT CAST(JSON_VALUE(r, '$.k') AS INT64) FROM UNNEST(@rows) AS r",
              useLegacySql: false,
              queryParameters: [
                {
                  name: 'rows',
                  parameterType: { type: 'ARRAY', arrayType: { type: 'STRING' } },
                  parameterValue: { arrayValues: [{ value: JSON.stringify({ k }) }] },
                },
              ],
            },
          },
        })
      const acknowledged: number[] = []
      let going = true
      const writers = [0, 1, 2].map(async (writer) => {
        for (let k = writer; going; k += 3) {
          if (writer === 0) {
            // RUNNING promises nothing; DONE does.
            for (let job = await commit(`c-${k}`, k); ; job = await ask('GET', `/jobs/c-${k}`))
              if ((job['status'] as { state: string }).state === 'DONE') break
          } else
            await ask('POST', `/datasets/${writer === 1 ? 'tenants' : 'acme'}/tables/log/insertAll`, {
              rows: [{ json: { k: String(k) } }],
            })
          acknowledged.push(k)
          // The first statement is the slowest: rows of insertAll may be far ahead of it.
          if (acknowledged.length >= 150 && acknowledged.filter((each) => each % 3 === 0).length >= 5) {
            going = false
            child.kill('SIGKILL')
          }
        }
      })
      await Promise.allSettled(writers)
      await exited
      const engine = await openEngine({ folder, project_id: 'local-convergence' })
      try {
        const found = (await engine.query({ query: 'SELECT k FROM tenants.log UNION ALL SELECT k FROM acme.log' })).map(
          ({ k }) => Number(k),
        )
        expect(new Set(found).size, 'none twice').to.equal(found.length)
        expect(
          acknowledged.filter((k) => !found.includes(k)),
          'none lost',
        ).to.deep.equal([])
        const [commits] = [acknowledged.filter((k) => k % 3 === 0)]
        expect(
          await engine.insert(`c-${commits[0] ?? 0}`, { kind: 'rows', table: 'log', rows: [{ k: -1 }] }, {}),
        ).to.equal('exists')
        expect((await engine.get(`c-${commits[0] ?? 0}`))?.labels).to.deep.equal({ payload: `p${commits[0] ?? 0}` })
      } finally {
        await engine.close()
      }
    } finally {
      child.kill('SIGKILL')
      await exited
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
