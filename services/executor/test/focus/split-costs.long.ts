/** Cost of shared machines as the provider splits it: allocated charges that add up to what they are parts of. */
import { expect } from 'chai'
import { hour, openFocus, type FocusWorld, type Row } from './world.ts'

const month = '2026-02'
const line = (cost: string, more: Row = {}): Row => ({
  billing_period: `${month}-01`,
  source_name: 'payer',
  bill_payer_account_id: '123456789012',
  bill_billing_entity: 'AWS',
  line_item_usage_account_id: '987654321098',
  line_item_line_item_type: 'Usage',
  line_item_currency_code: 'USD',
  line_item_product_code: 'AmazonEC2',
  line_item_usage_type: 'EUC1-BoxUsage:m5.large',
  line_item_resource_id: 'i-1',
  line_item_usage_start_date: hour(0),
  line_item_usage_end_date: hour(1),
  line_item_unblended_cost: cost,
  ...more,
})
const pod = (name: string, unit: 'vCPU' | 'GB', split: string, unused: string, more: Row = {}): Row =>
  line('0', {
    line_item_resource_id: `arn:aws:eks:eu-central-1:987654321098:pod/shop/default/${name}`,
    line_item_usage_type: `EUC1-EKS-EC2-${unit}-Hours`,
    split_line_item_parent_resource_id: 'i-1',
    split_line_item_split_cost: split,
    split_line_item_unused_cost: unused,
    split_line_item_split_usage: '0.5',
    ...more,
  })

describe('cost that a provider splits', function () {
  this.timeout(120_000)
  let world: FocusWorld
  before(async () => {
    world = await openFocus()
  })
  after(() => world.end())
  const charges = () =>
    world.rows(
      `SELECT AllocatedResourceName AS pod, AllocatedMethodId AS method, ResourceId AS resource,
         CAST(BilledCost AS STRING) AS billed, CAST(EffectiveCost AS STRING) AS effective,
         CAST(PricingQuantity AS STRING) AS quantity, CAST(ListUnitPrice AS STRING) AS price,
         AllocatedMethodDetails AS details, AllocatedTags AS tags, Tags AS own
       FROM focus_cost_and_usage ORDER BY IFNULL(AllocatedResourceName, 'zz'), BilledCost`,
    )

  it('AWS: an instance is its pods, and what nobody used; the parts are the whole, prices and resource stay', async () => {
    await world.fill('aws_cost_cur', [
      line('0.10', {
        line_item_usage_amount: '1',
        pricing_unit: 'Hrs',
        pricing_public_on_demand_rate: '0.10',
        resource_tags: { user_team: 'platform', user_cluster: 'shop' },
      }),
      // Not of the cost that is split, though of the same instance.
      line('0.02', { line_item_usage_type: 'DataTransfer-Out-Bytes' }),
      pod('cart', 'vCPU', '0.03', '0.01', { resource_tags: { user_team: 'cart' } }),
      pod('cart', 'GB', '0.01', '0', { resource_tags: { user_team: 'cart' } }),
      pod('search', 'vCPU', '0.02', '0.03'),
    ])
    await world.normalise('aws', month)
    const own = { team: 'platform', cluster: 'shop' }
    const method = 'AWS split cost allocation data'
    const elements = (...found: object[]) => ({ Elements: found })
    const of = (name: string | null, cost: string, quantity: string, details: object, tags: object) => ({
      ...{
        pod: name,
        method,
        resource: 'i-1',
        billed: cost,
        effective: cost,
        quantity,
        price: '0.1',
        details,
        tags,
        own,
      },
    })
    const ratio = (AllocatedRatio: number, UsageUnit: string) => ({ AllocatedRatio, UsageUnit, UsageQuantity: 0.5 })
    expect(await charges()).to.deep.equal([
      of('cart', '0.04', '0.4', elements(ratio(0.1, 'GB-Hours'), ratio(0.3, 'vCPU-Hours')), own),
      of('search', '0.02', '0.2', elements(ratio(0.2, 'vCPU-Hours')), own),
      {
        ...{ pod: null, method: null, resource: 'i-1', billed: '0.02', effective: '0.02', quantity: null, price: null },
        ...{ details: null, tags: null, own: null },
      },
      of(null, '0.04', '0.4', elements({ AllocatedRatio: 0.4 }), own),
    ])
  })

  it('AWS: covered use is split by what it costs with its commitment, to the last digit, and of each hour by itself', async () => {
    const plan = { savings_plan_savings_plan_arn: 'arn:aws:savingsplans::123456789012:savingsplan/sp-1' }
    const covered = { ...plan, line_item_line_item_type: 'SavingsPlanCoveredUsage' }
    const later = { line_item_usage_start_date: hour(1), line_item_usage_end_date: hour(2) }
    await world.fill('aws_cost_cur', [
      line('1', { ...covered, savings_plan_savings_plan_effective_cost: '0.7', pricing_public_on_demand_cost: '1' }),
      line('-1', { ...plan, line_item_line_item_type: 'SavingsPlanNegation' }),
      line('0.123456789012345678901', later),
      ...['a', 'b', 'c'].map((name) => pod(name, 'vCPU', '0.2', '0.0333')),
      ...['a', 'b', 'c'].map((name) => pod(name, 'vCPU', '0.1', '0', later)),
      pod('lost', 'vCPU', '5', '5', { split_line_item_parent_resource_id: 'i-of-another-report' }),
      pod('free', 'vCPU', '0', '0', { split_line_item_parent_resource_id: 'i-free' }),
      line('3', { line_item_resource_id: 'i-free' }),
    ])
    await world.normalise('aws', month)
    const sums = await world.rows(
      `SELECT CAST(ChargePeriodStart AS STRING) AS hour, ResourceId AS resource, COUNT(*) AS n, COUNT(AllocatedResourceId) AS pods,
         CAST(SUM(BilledCost) AS STRING) AS billed, CAST(SUM(EffectiveCost) AS STRING) AS effective,
         CAST(SUM(ListCost) AS STRING) AS list
       FROM focus_cost_and_usage GROUP BY 1, 2 ORDER BY 1, 2`,
    )
    const at = (k: number) => `2026-02-01 0${k}:00:00+00`
    const exact = '0.123456789012345678901'
    expect(sums).to.deep.equal([
      { hour: at(0), resource: 'i-1', n: 4, pods: 3, billed: '0', effective: '0.7', list: '1' },
      { hour: at(0), resource: 'i-free', n: 1, pods: 0, billed: '3', effective: '3', list: '3' },
      { hour: at(1), resource: 'i-1', n: 3, pods: 3, billed: exact, effective: exact, list: exact },
    ])
  })

  it('AWS: a part without an id is not what nobody used, and the parts are the whole', async () => {
    await world.fill('aws_cost_cur', [
      line('1'),
      pod('a', 'vCPU', '0.2', '0.1'),
      ...['vCPU', 'GB'].map((unit) => pod('', unit as 'GB', '0.15', '0.2', { line_item_resource_id: null })),
    ])
    await world.normalise('aws', month)
    const parts = (await charges()).map(({ pod: name, billed }) => ({ pod: name, billed }))
    expect(parts).to.deep.equal([
      { pod: 'a', billed: '0.2' },
      { pod: null, billed: '0.3' },
      { pod: null, billed: '0.5' },
    ])
  })

  it("Google: rows of GKE's cost allocation are what workloads asked for; what none asked for is nobody's", async () => {
    const row = (cost: string, labels: Record<string, string>): Row => ({
      usage_date: '2026-02-01',
      usage_start_time: hour(0),
      usage_end_time: hour(1),
      invoice_month: '202602',
      source_name: 'google',
      billing_account_id: '012345-6789AB-CDEF01',
      project_id: 'acme-prod-4711',
      service_description: 'Compute Engine',
      cost_type: 'regular',
      currency: 'USD',
      cost,
      credits: [],
      labels: Object.entries(labels).map(([key, value]) => ({ key, value })),
    })
    const cluster = { 'goog-k8s-cluster-name': 'shop' }
    await world.fill('aws_cost_cur', [])
    await world.normalise('aws', month)
    await world.fill('gcp_cost_billing', [
      row('3', { ...cluster, 'k8s-namespace': 'web', 'k8s-workload-name': 'cart' }),
      row('2', { ...cluster, 'k8s-namespace': 'jobs' }),
      row('1', { ...cluster, 'k8s-namespace': 'kube:unallocated' }),
      row('4', { team: 'core' }),
    ])
    await world.normalise('gcp', month)
    const rows = await world.rows(
      `SELECT AllocatedResourceId AS id, AllocatedResourceName AS name, AllocatedMethodId AS method,
         CAST(BilledCost AS STRING) AS billed, AllocatedTags AS tags
       FROM focus_cost_and_usage ORDER BY BilledCost`,
    )
    const method = 'GKE cost allocation'
    expect(rows).to.deep.equal([
      { id: null, name: null, method, billed: '1', tags: { ...cluster, 'k8s-namespace': 'kube:unallocated' } },
      { id: 'shop/jobs', name: 'jobs', method, billed: '2', tags: { ...cluster, 'k8s-namespace': 'jobs' } },
      {
        ...{ id: 'shop/web/cart', name: 'cart', method, billed: '3' },
        tags: { ...cluster, 'k8s-namespace': 'web', 'k8s-workload-name': 'cart' },
      },
      { id: null, name: null, method: null, billed: '4', tags: null },
    ])
  })

  it('AWS: a capacity reservation has rows of what was used of it and what was not, marketplace its seller, support its kind', async () => {
    const arn = 'arn:aws:ec2:eu-central-1:987654321098:capacity-reservation/cr-1'
    const reserved = (status: string) => ({
      capacity_reservation_capacity_reservation_arn: arn,
      capacity_reservation_capacity_reservation_status: status,
    })
    await world.fill('gcp_cost_billing', [])
    await world.normalise('gcp', month)
    await world.fill('aws_cost_cur', [
      line('1', reserved('Used')),
      line('2', { ...reserved('Unused'), line_item_resource_id: arn, line_item_usage_type: 'EUC1-UnusedBox:m5.large' }),
      line('4', { ...reserved('Reserved'), line_item_unblended_cost: '4' }),
      line('8', {
        bill_billing_entity: 'AWS Marketplace',
        line_item_product_code: 'a1b2',
        line_item_legal_entity: 'Database Vendor Ltd.',
      }),
      line('16', { line_item_product_code: 'AWSSupportBusiness' }),
    ])
    await world.normalise('aws', month)
    const rows = await world.rows(
      `SELECT CAST(BilledCost AS STRING) AS billed, CapacityReservationId AS id, CapacityReservationStatus AS status,
         ServiceProviderName AS provider, HostProviderName AS host, ServiceSubcategory AS kind
       FROM focus_cost_and_usage ORDER BY BilledCost`,
    )
    const of = (billed: string, id: string | null, status: string | null, provider: string, kind: string) => ({
      ...{ billed, id, status, provider, host: 'AWS', kind },
    })
    expect(rows).to.deep.equal([
      of('1', arn, 'Used', 'AWS', 'Virtual Machines'),
      of('2', arn, 'Unused', 'AWS', 'Virtual Machines'),
      of('4', arn, 'Used', 'AWS', 'Virtual Machines'),
      of('8', null, null, 'Database Vendor Ltd.', 'Other (Other)'),
      of('16', null, null, 'AWS', 'Support'),
    ])
  })
})
