/**
 * Exports as the three providers deliver them, made up by a seed: the same seed is the same bytes. With them come the
 * totals that a right
 * load must reach, summed here from the same values in exact decimals.
 */
import { createWriteStream, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { once } from 'node:events'
import { createGzip, gzipSync } from 'node:zlib'
import type { SourceSettings } from '@convergence/contracts'

export interface Expected {
  rows: number
  /** Exact, without trailing zeros. */ cost: string
}
export interface Samples {
  gcp_file: string
  expected: Record<string, Partial<Record<'gcp' | 'aws' | 'azure', Expected>>>
}
export interface SampleOptions {
  /** The data folder: buckets/ and gcp/ are made in it. */
  folder: string
  tenants: readonly string[]
  seed: number
  /** Per tenant and provider. */
  rows_per_provider: number
  /** YYYY-MM */
  month: string
  /** Usage days of the Google rows that are to be loaded; some rows of other days are there too. */
  days: readonly string[]
}

/** Mulberry32: small, seeded, good enough for samples. */
const generator = (seed: number) => {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const int = (below: number) => Math.floor(next() * below)
  const pick = <T>(items: readonly T[]): T => items[int(items.length)] as T
  /** Text of digits of a base, seven from each draw. */
  const text = (base: 10 | 16, count: number): string => {
    let made = ''
    while (made.length < count)
      made += int(base ** 7)
        .toString(base)
        .padStart(7, '0')
    return made.slice(0, count)
  }
  const digits = (count: number) => text(10, count)
  const hex = (count: number) => text(16, count)
  return { next, int, pick, digits, hex }
}
type Random = ReturnType<typeof generator>

/** Decimals as whole numbers of 10^-18. */
const scale = 18
const toUnits = (text: string): bigint => {
  const [mantissa = '', exponent = '0'] = text.toLowerCase().split('e')
  const negative = mantissa.startsWith('-')
  const [whole = '', fraction = ''] = mantissa.replace('-', '').split('.')
  const shift = scale - fraction.length + Number(exponent)
  if (shift < 0) throw new Error(`${text} has more than ${scale} digits after the point`)
  const units = BigInt(`${whole}${fraction}`) * 10n ** BigInt(shift)
  return negative ? -units : units
}
const fromUnits = (units: bigint): string => {
  const text = (units < 0n ? -units : units).toString().padStart(scale + 1, '0')
  const fraction = text.slice(-scale).replace(/0+$/, '')
  return `${units < 0n ? '-' : ''}${text.slice(0, -scale)}${fraction === '' ? '' : `.${fraction}`}`
}
/** The exact sum of decimals written as text, E notation included. */
export const sumDecimals = (values: Iterable<string>): string => {
  let sum = 0n
  for (const value of values) sum += toUnits(value)
  return fromUnits(sum)
}

const iso = (day: string, hour: number): string => `${day}T${String(hour).padStart(2, '0')}:00:00Z`
const addDays = (day: string, count: number): string =>
  new Date(Date.parse(`${day}T00:00:00Z`) + count * 86_400_000).toISOString().slice(0, 10)

// ---- Google Cloud

const gcpSkus = [
  [
    '6F81-5844-456A',
    'Compute Engine',
    'D97E-AB26-5D95',
    'N1 Predefined Instance Core running in Americas',
    'hour',
    'seconds',
    3600,
  ],
  [
    '6F81-5844-456A',
    'Compute Engine',
    '6B8F-E63D-832B',
    'N1 Predefined Instance Ram running in Americas',
    'gibibyte hour',
    'byte-seconds',
    3600 * 2 ** 30,
  ],
  ['24E6-581D-38E5', 'BigQuery', '1DF4-8A9F-7BD3', 'Analysis', 'tebibyte', 'bytes', 2 ** 40],
  [
    '95FF-2EF5-5EA1',
    'Cloud Storage',
    'E5F0-6A5D-7BAD',
    'Standard Storage US Multi-region',
    'gibibyte month',
    'byte-seconds',
    2 ** 30 * 2_592_000,
  ],
  [
    '9662-B51E-5089',
    'Cloud SQL',
    '4D0A-7A4C-11F2',
    'Cloud SQL for PostgreSQL: Regional - vCPU',
    'hour',
    'seconds',
    3600,
  ],
  ['152E-C115-5142', 'Cloud Run', '31F4-0A66-5B01', 'CPU Allocation Time', 'second', 'seconds', 1],
] as const
const gcpPlaces = [
  ['us-central1', 'US', 'us-central1', 'us-central1-a'],
  ['europe-west1', 'BE', 'europe-west1', 'europe-west1-b'],
  ['US', 'US', null, null],
] as const

type GcpRow = Record<string, unknown> & { cost: string; usage_start_time: string }
const millionths = (units: number): string => fromUnits(BigInt(units) * 10n ** BigInt(scale - 6))

/**
 * One hour of one resource; now and then with its correction, which comes later as two more rows: one takes the first
 * back, one says it anew.
 */
const gcpRows = (random: Random, project: string, day: string, mayCorrect: boolean): GcpRow[] => {
  const [service, serviceName, sku, skuName, pricingUnit, unit, factor] = random.pick(gcpSkus)
  const [location, country, region, zone] = random.pick(gcpPlaces)
  const hour = random.int(24)
  const amount = Math.round(random.next() * 400_000) / 10_000
  const untaxed = () => (random.int(400) === 0 ? 'rounding_error' : 'regular')
  const kind = random.int(80) === 0 ? 'tax' : untaxed()
  const cost = kind === 'rounding_error' ? random.int(10_000) - 5_000 : Math.round(random.next() * 5_000_000)
  const committed = kind === 'regular' && random.int(25) === 0
  const credited = kind === 'regular' && !committed && random.int(4) === 0
  const name = `r-${random.hex(8)}`
  const exported = addDays(day, 1)
  const row = {
    billing_account_id: '010101-F0FFF0-61C528',
    service: { id: service, description: serviceName },
    sku: { id: sku, description: skuName },
    usage_start_time: iso(day, hour),
    usage_end_time: hour === 23 ? iso(exported, 0) : iso(day, hour + 1),
    project: {
      id: project,
      number: '123456789012',
      name: project,
      labels: [{ key: 'tier', value: 'gold' }],
      ancestry_numbers: '/987654321098/',
      ancestors: [{ resource_name: 'organizations/987654321098', display_name: 'example' }],
    },
    labels: [
      ...(random.int(3) > 0 ? [{ key: 'env', value: random.pick(['prod', 'dev', 'staging']) }] : []),
      ...(random.int(3) === 0 ? [{ key: 'team', value: random.pick(['core', 'data', 'web']) }] : []),
    ],
    system_labels:
      serviceName === 'Compute Engine'
        ? [{ key: 'compute.googleapis.com/cores', value: String(2 ** (1 + random.int(5))) }]
        : [],
    location: { location, country, region, zone },
    tags:
      random.int(6) === 0
        ? [{ key: 'cost-center', value: random.digits(4), inherited: true, namespace: '987654321098' }]
        : [],
    resource: { name, global_name: `//compute.example/projects/${project}/${name}` },
    price:
      kind === 'regular'
        ? {
            list_price: 0.06,
            effective_price_default: 0.05,
            list_price_consumption_model: 0.06,
            effective_price: 0.05,
            tier_start_amount: 0,
            unit: pricingUnit,
            pricing_unit_quantity: 1,
          }
        : null,
    subscription: committed ? { instance_id: `commitment-${random.hex(6)}` } : null,
    consumption_model: committed ? { id: '754C-9B67-2E62', description: 'Compute Flexible CUDs 1 Year' } : null,
    transaction_type: kind === 'regular' ? 'GOOGLE' : null,
    seller_name: null,
    // Some rows come late: they are appended days after the use.
    export_time: iso(random.int(40) === 0 ? addDays(day, 3) : exported, 4),
    currency: 'USD',
    currency_conversion_rate: 1,
    invoice: { month: day.slice(0, 7).replace('-', ''), publisher_type: 'GOOGLE' },
    cost_type: kind,
  }
  const priced = (units: number, adjustment_info: Record<string, string> | null) => ({
    ...row,
    adjustment_info,
    // What is taken back is used less: of each row quantity times price is its cost.
    usage: {
      amount: Math.round((kind === 'regular' ? (units * 20) / 1_000_000 : amount) * factor),
      unit,
      amount_in_pricing_units: kind === 'regular' ? (units * 20) / 1_000_000 : amount,
      pricing_unit: pricingUnit,
    },
    cost: millionths(units),
    cost_at_list: (units * 12) / 10_000_000,
    credits: credited
      ? [
          {
            id: 'SUD',
            full_name: 'Sustained usage discount',
            type: 'SUSTAINED_USAGE_DISCOUNT',
            name: 'Sustained usage discount',
            amount: -Math.round(units * 0.1) / 1_000_000,
          },
        ]
      : [],
  })
  const rows = [priced(cost, null)]
  if (kind === 'regular' && mayCorrect && random.int(120) === 0) {
    const adjustment = {
      id: `adj-${random.hex(6)}`,
      description: 'Correction of price',
      type: 'PRICE_CORRECTION',
      mode: 'COMPLETE_NEGATION_WITH_REMONETIZATION',
    }
    for (const units of [-cost, Math.round(cost * 0.9)])
      rows.push({ ...priced(units, adjustment), export_time: iso(addDays(day, 5), 4) })
  }
  return rows
}
/** What the billing account pays for no project, such as support: no tenant's row. */
const gcpAccountRow = (random: Random, day: string): GcpRow => ({
  ...gcpRows(random, '', day, false)[0],
  project: null,
  resource: null,
  cost: '29.000000',
  usage_start_time: iso(day, 0),
})
/** JSON with the cost as the number it is written as. */
const gcpLine = ({ cost, ...row }: GcpRow): string => `${JSON.stringify(row).slice(0, -1)},"cost":${cost}}`

// ---- AWS

const awsProducts = [
  ['AmazonEC2', 'Amazon Elastic Compute Cloud', 'BoxUsage:m5.large', 'RunInstances', 'Compute Instance', 'Hrs', 0.096],
  ['AmazonS3', 'Amazon Simple Storage Service', 'TimedStorage-ByteHrs', 'StandardStorage', 'Storage', 'GB-Mo', 0.023],
  [
    'AmazonRDS',
    'Amazon Relational Database Service',
    'InstanceUsage:db.r5.large',
    'CreateDBInstance:0014',
    'Database Instance',
    'Hrs',
    0.25,
  ],
  ['AWSLambda', 'AWS Lambda', 'Lambda-GB-Second', 'Invoke', 'Serverless', 'Lambda-GB-Second', 0.0000166667],
  ['AmazonCloudWatch', 'AmazonCloudWatch', 'CW:MetricMonitorUsage', 'MetricStorage', 'Metric', 'Metrics', 0.3],
] as const
const awsHeader = [
  'identity/LineItemId',
  'identity/TimeInterval',
  'bill/InvoiceId',
  'bill/InvoicingEntity',
  'bill/BillingEntity',
  'bill/BillType',
  'bill/PayerAccountId',
  'bill/BillingPeriodStartDate',
  'bill/BillingPeriodEndDate',
  'lineItem/UsageAccountId',
  'lineItem/LineItemType',
  'lineItem/UsageStartDate',
  'lineItem/UsageEndDate',
  'lineItem/ProductCode',
  'lineItem/UsageType',
  'lineItem/Operation',
  'lineItem/AvailabilityZone',
  'lineItem/ResourceId',
  'lineItem/UsageAmount',
  'lineItem/CurrencyCode',
  'lineItem/UnblendedRate',
  'lineItem/UnblendedCost',
  'lineItem/BlendedRate',
  'lineItem/BlendedCost',
  'lineItem/LineItemDescription',
  'lineItem/TaxType',
  'lineItem/LegalEntity',
  'product/ProductName',
  'product/productFamily',
  'product/regionCode',
  'product/sku',
  'pricing/publicOnDemandCost',
  'pricing/publicOnDemandRate',
  'pricing/term',
  'pricing/unit',
  'savingsPlan/SavingsPlanARN',
  'savingsPlan/SavingsPlanEffectiveCost',
  'resourceTags/user:env',
  'resourceTags/user:team',
]
const csvField = (text: string): string => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)
/** As exports write small numbers: with an exponent. */
const smallNumber = (value: number): string => {
  const text = value.toFixed(10).replace(/0+$/, '').replace(/\.$/, '.0')
  return value !== 0 && Math.abs(value) < 0.0001
    ? Number(text).toExponential().toUpperCase().replace('E-0', 'E-')
    : text
}
interface CsvRow {
  fields: string[]
  cost: string
}
/** Of 360 lines. */
const awsKind = (chance: number): string => {
  if (chance < 6) return 'Tax'
  if (chance < 10) return 'Credit'
  if (chance < 12) return 'Refund'
  return chance < 24 ? 'SavingsPlanCoveredUsage' : 'Usage'
}
/** One hour of one resource. What a savings plan covers is followed by the row that takes it back, as AWS writes it. */
const awsRows = (random: Random, account: string, month: string, end: string): CsvRow[] => {
  const [code, name, usage, operation, family, unit, rate] = random.pick(awsProducts)
  const day = `${month}-${String(1 + random.int(28)).padStart(2, '0')}`
  const hour = random.int(24)
  const start = `${day}T${String(hour).padStart(2, '0')}:00:00.000Z`
  const stop =
    hour === 23 ? `${addDays(day, 1)}T00:00:00.000Z` : `${day}T${String(hour + 1).padStart(2, '0')}:00:00.000Z`
  const kind = awsKind(random.int(360))
  const amount = Math.round(random.next() * 1_000_000) / 10_000
  const list = Number((amount * rate).toFixed(10))
  const region = random.pick(['us-east-1', 'eu-west-1', 'ap-southeast-2'])
  const zone = random.int(2) === 0 ? '' : `${region}a`
  const resource = random.int(3) === 0 ? '' : `arn:aws:svc:${region}:${account}:thing/${random.hex(8)}`
  const sku = random.hex(16).toUpperCase()
  const [env, team] = [random.pick(['prod', 'dev', '']), random.pick(['core', '', ''])]
  const plan = kind === 'SavingsPlanCoveredUsage' ? `arn:aws:savingsplans::${account}:savingsplan/${random.hex(8)}` : ''
  const row = (type: string, sign: 1 | -1): CsvRow => {
    const cost = smallNumber(sign * list)
    return {
      cost,
      fields: [
        random.hex(52),
        `${start.replace('.000Z', 'Z')}/${stop.replace('.000Z', 'Z')}`,
        '',
        'Amazon Web Services, Inc.',
        'AWS',
        'Anniversary',
        account,
        `${month}-01T00:00:00.000Z`,
        `${end}-01T00:00:00.000Z`,
        account,
        type,
        start,
        stop,
        code,
        usage,
        operation,
        zone,
        resource,
        String(sign * amount),
        'USD',
        String(rate),
        cost,
        String(rate),
        cost,
        type === 'Tax' ? `Tax for product code ${code}` : `$${rate} per ${unit}, "${name}"`,
        type === 'Tax' ? 'VAT' : '',
        'Amazon Web Services, Inc.',
        name,
        family,
        region,
        sku,
        sign < 0 ? '' : cost,
        String(rate),
        'OnDemand',
        unit,
        plan,
        type === 'SavingsPlanCoveredUsage' ? smallNumber(Number((list * 0.7).toFixed(10))) : '',
        env,
        team,
      ],
    }
  }
  if (plan !== '') return [row(kind, 1), row('SavingsPlanNegation', -1)]
  return [row(kind, kind === 'Credit' || kind === 'Refund' ? -1 : 1)]
}

// ---- Azure

const azureHeader = (
  'InvoiceSectionName,AccountName,AccountOwnerId,SubscriptionId,SubscriptionName,ResourceGroup,' +
  'ResourceLocation,Date,ProductName,MeterCategory,MeterSubCategory,MeterId,MeterName,MeterRegion,' +
  'UnitOfMeasure,Quantity,EffectivePrice,CostInBillingCurrency,CostCenter,ConsumedService,ResourceId,Tags,' +
  'OfferId,AdditionalInfo,ServiceInfo1,ServiceInfo2,ResourceName,ReservationId,ReservationName,UnitPrice,' +
  'ProductOrderId,ProductOrderName,Term,PublisherType,PublisherName,ChargeType,Frequency,PricingModel,' +
  'AvailabilityZone,BillingAccountId,BillingAccountName,BillingCurrencyCode,BillingPeriodStartDate,' +
  'BillingPeriodEndDate,BillingProfileId,BillingProfileName,InvoiceSectionId,IsAzureCreditEligible,' +
  'PartNumber,PayGPrice,PlanName,ServiceFamily,CostAllocationRuleName,benefitId,benefitName'
).split(',')
const azureMeters = [
  ['Virtual Machines', 'DSv2 Series VM', 'DS4 v2', '1 Hour', 'Microsoft.Compute', 0.4],
  ['Storage', 'Queues v2', 'Class 2 Operations', '10K', 'Microsoft.Storage', 0.004],
  ['Virtual Network', 'Peering', 'Intra-Region Ingress', '1 GB', 'Microsoft.Network', 0.0112],
  ['SQL Database', 'General Purpose', 'vCore', '1 Hour', 'Microsoft.Sql', 0.25],
  ['Bandwidth', '', 'Data Transfer Out', '1 GB', 'Microsoft.Network', 0.08],
] as const
const azureRow = (random: Random, month: string, lastDay: number, subscription: string): CsvRow => {
  const [category, sub, meter, unit, service, price] = random.pick(azureMeters)
  const [year, monthNumber] = [month.slice(0, 4), String(Number(month.slice(5, 7)))]
  const quantity = Math.round(random.next() * 1_000_000) / 100_000
  const paid = () => (random.int(90) === 0 ? 'Purchase' : 'Usage')
  const charge = random.int(70) === 0 ? 'Refund' : paid()
  const cost = smallNumber((charge === 'Refund' ? -1 : 1) * Number((quantity * price).toFixed(9)))
  const name = `r${random.hex(6)}`
  const value: Record<string, string> = {
    InvoiceSectionName: 'Main',
    AccountName: 'example.com',
    AccountOwnerId: 'owner@example.com',
    SubscriptionId: subscription,
    SubscriptionName: 'sub-example',
    ResourceGroup: `rg-${random.pick(['app', 'data'])}`,
    ResourceLocation: random.pick(['CentralUS', 'WestEurope']),
    Date: `${monthNumber}/${1 + random.int(lastDay)}/${year}`,
    ProductName: `${category} - ${meter}`,
    MeterCategory: category,
    MeterSubCategory: sub,
    ServiceInfo2: random.hex(32),
    MeterId: `0000000${azureMeters.findIndex(([, , each]) => each === meter)}-0000-4000-8000-000000000000`,
    MeterName: meter,
    MeterRegion: 'US',
    UnitOfMeasure: unit,
    Quantity: String(quantity),
    EffectivePrice: String(price),
    CostInBillingCurrency: cost,
    CostCenter: '',
    ConsumedService: service,
    ResourceId: `/subscriptions/${subscription}/resourceGroups/rg/providers/${service}/things/${name}`,
    Tags: random.int(3) === 0 ? '' : `"env": "${random.pick(['prod', 'dev'])}","org": "example"`,
    OfferId: 'MS-AZR-0017P',
    AdditionalInfo: '{ "UsageType": "ComputeHR" }',
    ResourceName: name,
    UnitPrice: String(price),
    PublisherType: 'Azure',
    ChargeType: charge,
    Frequency: charge === 'Purchase' ? 'OneTime' : 'UsageBased',
    PricingModel: random.pick(['OnDemand', 'Spot']),
    BillingAccountId: '12345678',
    BillingAccountName: 'Example Ltd.',
    BillingCurrencyCode: 'USD',
    BillingPeriodStartDate: `${monthNumber}/1/${year}`,
    BillingPeriodEndDate: `${monthNumber}/${lastDay}/${year}`,
    BillingProfileId: '12345678',
    BillingProfileName: 'Example Ltd.',
    IsAzureCreditEligible: 'TRUE',
    PartNumber: `ABC-000${azureMeters.findIndex(([, , each]) => each === meter)}`,
    PayGPrice: String(price),
    ServiceFamily: 'Compute',
  }
  return { cost, fields: azureHeader.map((column) => value[column] ?? '') }
}

// ---- all of them

const nextMonth = (month: string): string =>
  new Date(Date.UTC(Number(month.slice(0, 4)), Number(month.slice(5, 7)), 1)).toISOString().slice(0, 7)
const lastDayOf = (month: string): number =>
  new Date(Date.UTC(Number(month.slice(0, 4)), Number(month.slice(5, 7)), 0)).getUTCDate()
const dense = (month: string): string => month.replace('-', '')
const csv = (rows: readonly (readonly string[])[], newline: string): string =>
  rows.map((row) => row.map(csvField).join(',')).join(newline) + newline

/** So many rows; a pair that would not fit is cut. */
const takeRows = (count: number, make: () => CsvRow[]): CsvRow[] => {
  const rows: CsvRow[] = []
  while (rows.length < count) rows.push(...make())
  return rows.slice(0, count)
}

/** Names as the vendors allow them; a tenant's id may have _, none of these may. */
const hyphened = (tenant: string): string => tenant.replaceAll('_', '-')
const bucketOf = (tenant: string): string => `${hyphened(tenant)}-cur`
const containerOf = (tenant: string): string => `${hyphened(tenant)}-exports`
const projectOf = (tenant: string): string => `${hyphened(tenant)}-prod-4711`
/** Where the sample of Google's export is, below the project of the platform. */
export const gcpExportTable = 'billing_export.gcp_billing_export_resource_v1_010101_F0FFF0_61C528'

/** The sources of a tenant of the samples, by name. */
export const sampleSources = (tenant: string, project_id: string): Readonly<Record<string, SourceSettings>> => ({
  google: {
    provider: 'gcp',
    kind: 'detailed',
    table: `${project_id}.${gcpExportTable}`,
    projects: [projectOf(tenant)],
  },
  payer: { provider: 'aws', kind: 'cur', bucket: bucketOf(tenant), prefix: 'cur', report_name: 'daily' },
  azure: { provider: 'azure', kind: 'actual', container: containerOf(tenant), prefix: 'cost', export_name: 'daily' },
})

/**
 * Writes exports of all tenants into the folder, where their sources say they are, and one file of Google Cloud for all
 * of them.
 */
export const writeSamples = async ({
  folder,
  tenants,
  seed,
  rows_per_provider,
  month,
  days,
}: SampleOptions): Promise<Samples> => {
  const expected: Samples['expected'] = {}
  const gcp_file = join(folder, 'scratch/gcp_billing_export.ndjson')
  mkdirSync(join(folder, 'scratch'), { recursive: true, mode: 0o700 })
  const lines: string[] = []
  tenants.forEach((tenant, index) => {
    const random = generator(seed * 1009 + index)
    const gcpCosts: string[] = []
    for (let made = 0, k = 0; made < rows_per_provider; k += 1) {
      // One hour in twenty is of the day after the last: it must not be loaded with the others.
      const other = k % 20 === 19
      const rows = gcpRows(
        random,
        projectOf(tenant),
        other ? addDays(days.at(-1) ?? '', 1) : random.pick(days),
        made + 3 <= rows_per_provider,
      )
      made += rows.length
      lines.push(...rows.map(gcpLine))
      if (!other) gcpCosts.push(...rows.map(({ cost }) => cost))
    }
    // What no project pays for stands in the shared export and is no tenant's.
    if (index === 0) lines.push(...days.map((day) => gcpLine(gcpAccountRow(random, day))))

    const awsFolder = `cur/daily/${dense(month)}01-${dense(nextMonth(month))}01`
    const bucket = bucketOf(tenant)
    const awsRoot = join(folder, 'buckets/s3', bucket)
    mkdirSync(join(awsRoot, awsFolder), { recursive: true })
    const account = `0${random.digits(11)}`
    const bill = takeRows(rows_per_provider, () => awsRows(random, account, month, nextMonth(month)))
    const half = Math.ceil(bill.length / 2)
    const reportKeys = [bill.slice(0, half), bill.slice(half)].map((part, k) => {
      const key = `${awsFolder}/daily-${k + 1}.csv.gz`
      writeFileSync(join(awsRoot, key), gzipSync(csv([awsHeader, ...part.map(({ fields }) => fields)], '\n')))
      return key
    })
    writeFileSync(
      join(awsRoot, awsFolder, 'daily-Manifest.json'),
      JSON.stringify(
        {
          assemblyId: `${random.hex(8)}-${random.hex(4)}-4${random.hex(3)}-8${random.hex(3)}-${random.hex(12)}`,
          account,
          charset: 'UTF-8',
          compression: 'GZIP',
          contentType: 'text/csv',
          reportId: random.hex(64),
          reportName: 'daily',
          billingPeriod: { start: `${dense(month)}01T000000.000Z`, end: `${dense(nextMonth(month))}01T000000.000Z` },
          bucket,
          reportKeys,
          columns: awsHeader.map((name) => ({ category: name.split('/')[0], name: name.split('/')[1] })),
        },
        null,
        2,
      ),
    )

    const last = lastDayOf(month)
    const azureFolder = `cost/daily/${dense(month)}01-${dense(month)}${String(last).padStart(2, '0')}/${random.hex(8)}`
    const azureRoot = join(folder, 'buckets/azure', containerOf(tenant))
    mkdirSync(join(azureRoot, azureFolder), { recursive: true })
    const subscription = `${random.hex(8)}-${random.hex(4)}-${random.hex(4)}-${random.hex(4)}-${random.hex(12)}`
    const azureRows = Array.from({ length: rows_per_provider }, () => azureRow(random, month, last, subscription))
    const azureText = `\uFEFF${csv([azureHeader, ...azureRows.map(({ fields }) => fields)], '\r\n')}`
    writeFileSync(join(azureRoot, azureFolder, 'part_0.csv'), azureText)
    writeFileSync(
      join(azureRoot, azureFolder, 'manifest.json'),
      JSON.stringify(
        {
          manifestVersion: '2024-04-01',
          byteCount: Buffer.byteLength(azureText),
          blobCount: 1,
          dataRowCount: azureRows.length,
          exportConfig: { exportName: 'daily', type: 'ActualCost', dataVersion: '2025-04-01' },
          runInfo: { runId: azureFolder.split('/').at(-1) },
          blobs: [
            {
              blobName: `${azureFolder}/part_0.csv`,
              byteCount: Buffer.byteLength(azureText),
              dataRowCount: azureRows.length,
            },
          ],
        },
        null,
        2,
      ),
    )

    expected[tenant] = {
      gcp: { rows: gcpCosts.length, cost: sumDecimals(gcpCosts) },
      aws: { rows: bill.length, cost: sumDecimals(bill.map(({ cost }) => cost)) },
      azure: { rows: azureRows.length, cost: sumDecimals(azureRows.map(({ cost }) => cost)) },
    }
  })
  writeFileSync(gcp_file, `${lines.join('\n')}\n`)
  return { gcp_file, expected }
}

/** A report of many rows in one csv.gz, with its manifest: for measuring. */
export const writeBigCur = async ({
  folder,
  rows,
  seed,
  report_name,
  bucket,
  prefix,
  month,
}: {
  folder: string
  rows: number
  seed: number
  report_name: string
  bucket: string
  prefix: string
  month: string
}): Promise<void> => {
  mkdirSync(folder, { recursive: true })
  const random = generator(seed)
  const key = `${prefix}/${report_name}/${dense(month)}01-${dense(nextMonth(month))}01/${report_name}-1.csv.gz`
  const gzip = createGzip({ level: 1 })
  const file = createWriteStream(join(folder, `${report_name}-1.csv.gz`))
  gzip.pipe(file)
  gzip.write(csv([awsHeader], '\n'))
  for (let done = 0; done < rows; done += 1000) {
    const part = takeRows(Math.min(1000, rows - done), () =>
      awsRows(random, '012345678901', month, nextMonth(month)),
    ).map(({ fields }) => fields)
    if (!gzip.write(csv(part, '\n'))) await once(gzip, 'drain')
  }
  gzip.end()
  await once(file, 'finish')
  writeFileSync(
    join(folder, `${report_name}-Manifest.json`),
    JSON.stringify({
      assemblyId: `big-${seed}`,
      reportName: report_name,
      bucket,
      billingPeriod: { start: `${dense(month)}01T000000.000Z`, end: `${dense(nextMonth(month))}01T000000.000Z` },
      reportKeys: [key],
    }),
  )
}
