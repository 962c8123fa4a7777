import { expect } from 'chai'
import { lastDayOf, quotaFault, subscriptionFault } from '@convergence/contracts'

describe('a plan', () => {
  const limits = { daily: 6, monthly: 90 }
  it('is used up for the day, then for the month, and says when it is not any more', () => {
    expect(quotaFault('acme', { daily: 5, monthly: 89 }, limits, '2026-12-31')).to.equal(undefined)
    expect(quotaFault('acme', { daily: 6, monthly: 10 }, limits, '2026-12-31')).to.deep.equal({
      code: 'QUOTA_EXCEEDED',
      message:
        'tenant acme has used its 6 runs of 2026-12-31; it resets at 2027-01-01T00:00:00.000Z, or change the plan',
      resets_at: '2027-01-01T00:00:00.000Z',
    })
    expect(quotaFault('acme', { daily: 6, monthly: 90 }, limits, '2026-01-31')?.resets_at).to.equal(
      '2026-02-01T00:00:00.000Z',
    )
  })
  it('ends after its last day, and is asked for its status first', () => {
    const last_day = lastDayOf('2026-01-01', null, '2026-02-01', undefined)
    expect(last_day).to.equal('2026-02-01')
    const tenant = { tenant_id: 'acme', status: 'ACTIVE', last_day }
    expect(subscriptionFault(tenant, '2026-02-01')).to.equal(undefined)
    expect(subscriptionFault(tenant, '2026-02-02')?.message).to.contain('ended on 2026-02-01')
    expect(subscriptionFault({ ...tenant, status: 'SUSPENDED' }, '2026-01-01')?.message).to.contain('is suspended')
    expect(subscriptionFault({ ...tenant, last_day: undefined }, '2126-01-01')).to.equal(undefined)
  })
})
