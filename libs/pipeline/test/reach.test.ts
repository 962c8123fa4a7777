import { expect } from 'chai'
import { AppError } from '@convergence/contracts'
import { assertSharedSources, reservedByShared, sharedSourcesOf } from '@convergence/pipeline'
import { failure } from './world.ts'

const project_id = 'local-convergence'

describe('shared sources', () => {
  it('are datasets of the project, or of another one, each once', () => {
    expect(sharedSourcesOf('billing_export, other-project.prices,billing_export', project_id)).to.deep.equal([
      'local-convergence.billing_export',
      'other-project.prices',
    ])
    expect(sharedSourcesOf('', project_id)).to.deep.equal([])
  })
  it('are names that no tenant may take', () => {
    expect(reservedByShared(sharedSourcesOf('a1,other-project.b2', project_id))).to.deep.equal(['a1', 'b2'])
  })
  it('are never the central dataset, or one of the warehouse, and all faults are named', () => {
    const { code, faults } = failure(() =>
      sharedSourcesOf(
        'tenants,other-project.Tenants,INFORMATION_SCHEMA,region_eu,a.b.c,`x`,{tenant_id},ok',
        project_id,
      ),
    )
    expect(code).to.equal('SETTING_INVALID')
    expect(faults).to.have.length(7)
    expect(faults[0]).to.equal('SHARED_SOURCES expected no dataset that shows the data of all tenants, got "tenants"')
    expect(faults[4]).to.equal('SHARED_SOURCES expected datasets as dataset or project.dataset, got "a.b.c"')
  })
  it("are refused at start when one is a tenant's", async () => {
    const labels: Record<string, Record<string, string>> = { acme: { owner: 'tenant' }, prices: { team: 'finance' } }
    const door = {
      project_id,
      getDataset: async (dataset: string) => {
        if (dataset === 'secret') throw new AppError('FORBIDDEN', 'no right to look at it')
        return labels[dataset] === undefined ? undefined : { labels: labels[dataset] }
      },
    }
    await assertSharedSources(door, sharedSourcesOf('prices,missing,secret,other-project.acme', project_id))
    const error = await assertSharedSources(door, sharedSourcesOf('prices,acme', project_id)).catch((e: unknown) => e)
    expect((error as AppError).code).to.equal('SETTING_INVALID')
    expect((error as AppError).faults).to.deep.equal([
      "SHARED_SOURCES expected datasets that all tenants may read, got local-convergence.acme, which is a tenant's own",
    ])
  })
})
