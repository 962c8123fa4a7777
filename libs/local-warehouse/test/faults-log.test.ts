/** A fault that nobody foresaw: the user is told that the job failed, the log has DuckDB's own text. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { openEngine } from '../src/engine.ts'
import type { Engine } from '../src/engine.ts'
import { hiddenText, wordFault } from '../src/faults.ts'

describe('log of faults that nobody foresaw', () => {
  const folder = mkdtempSync(join(tmpdir(), 'convergence-faults-'))
  const logged: { fields: object; message: string }[] = []
  let engine: Engine
  before(async () => {
    engine = await openEngine({
      folder,
      project_id: 'local',
      log: {
        warn: (fields, message) => {
          logged.push({ fields, message })
        },
        error: () => undefined,
      },
    })
    await engine.ensureDataset('acme')
  })
  after(async () => {
    await engine.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const failed = async (job_id: string, query: string): Promise<string | undefined> => {
    const destination = { project_id: 'local', dataset: 'acme', table: 't', write_mode: 'append' } as const
    await engine.insert(job_id, { kind: 'query', query, destination }, {})
    return (await engine.wait(job_id)).error?.message
  }

  it('has the job and the text of DuckDB, which the user does not see', async () => {
    const message = await failed(
      'slipped',
      "SELECT (SELECT MAX(y) FROM (SELECT x AS y, ROW_NUMBER() OVER (ORDER BY o.s) FROM UNNEST(['a']) AS x LIMIT 3)) AS a " +
        "FROM (SELECT 'a' AS s) AS o",
    )
    expect(message).to.equal('the statement failed: this statement is not supported by the local warehouse')
    const [entry, ...others] = logged.splice(0)
    expect(entry?.fields).to.include({ job_id: 'slipped', code: 'QUERY_UNSUPPORTED' })
    expect(entry?.fields)
      .to.have.property('engine_text')
      .that.matches(/^Binder Error: correlated columns/)
    expect(others).to.deep.equal([])
  })
  it('has nothing of a fault that is told in full', async () => {
    expect(await failed('zero', 'SELECT 1 / 0 AS a')).to.match(/division by zero/)
    expect(await failed('refused', "SELECT REVERSE('é') AS a")).to.match(/REVERSE of text beyond ASCII/)
    expect(logged).to.deep.equal([])
  })
  it('has the text of what the warehouse refuses and of its inner faults', () => {
    for (const text of ['Catalog Error: no such thing', 'INTERNAL Error: broken', 'IO Error: cannot read block'])
      expect(hiddenText(wordFault(new Error(text))), text).to.equal(text)
    expect(hiddenText(wordFault(new Error('Out of Memory Error: failed to allocate')))).to.equal(undefined)
  })
})
