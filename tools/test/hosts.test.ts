import { expect } from 'chai'
import { checkFiles } from '@convergence/pipeline'
import { hosted, hostFaults } from '../hosts.ts'

describe('hosts of steps', () => {
  it('have a processor for each template, and a template for each processor', () => {
    const { templates } = checkFiles({ files: [] })
    expect(templates.size).to.be.greaterThan(10)
    expect(hostFaults(templates.values())).to.deep.equal([])
  })
  it('are named where one is missing', () => {
    const { templates } = checkFiles({ files: [] })
    const registries = { ...hosted(), tenant: ['setup.tenants.profile', 'setup.tenants.unknown'] }
    expect(hostFaults(templates.values(), registries)).to.deep.equal([
      'setup.tenants.change: expected a processor in the registry of tenant, its host, got none',
      'setup.tenants.source: expected a processor in the registry of tenant, its host, got none',
      'setup.tenants.subscription: expected a processor in the registry of tenant, its host, got none',
      'setup.tenants.unknown: tenant has a processor, expected a template ps_templates/setup/tenants/unknown',
    ])
  })
})
