/** Azure's price sheets and reservation details: the same deliveries as those of cost, other rows. */
import { expect } from 'chai'
import { errorOf } from '../fakes.ts'
import { bothSides } from './both-sides.ts'
import { parquetOf } from './duckdb.ts'
import { azureManifest, csvOf, inWorld, type World } from './world.ts'

const run = 'prices/daily/20251101-20251130/202511050900/g'
const deliver = (world: World, name: string, content: string | Buffer, type: string) => {
  world.put('azure', 'acme-exports', `${run}/${name}`, content)
  const manifest = azureManifest([`${run}/${name}`], {
    exportConfig: { exportName: 'daily', type },
    runInfo: { runId: 'r-1', startDate: '2025-11-01T00:00:00', endDate: '2025-11-30T00:00:00' },
  })
  world.put('azure', 'acme-exports', `${run}/manifest.json`, manifest)
}
const load = (world: World, dataset: 'pricesheet' | 'reservations', deps = {}) =>
  world.load(
    'azure',
    { container: 'acme-exports', prefix: 'prices/daily', month: '2025-11', dataset },
    { table: `azure_cost_${dataset}`, period: { billing_period: '2025-11-01', source_name: 'ea' }, deps },
  )
const ea =
  'EnrollmentNumber,MeterID,MeterName,UnitOfMeasure,PartNumber,EffectiveStartDate,EffectiveEndDate,UnitPrice,' +
  'MarketPrice,CurrencyCode,IncludedQuantity,OfferID,Term,PriceType'

describe('price sheets and reservation details of Azure', function () {
  this.timeout(60_000)

  it(
    'load an EA and an MCA price sheet, whose prices may have begun in another month, with every digit',
    inWorld(async (world) => {
      const both = bothSides(world.warehouse)
      const line =
        '012345,m-1,D2 v3,100 Hours,AAA-1,2/13/2019,11/30/2025,1.2E-7,0.000000000000000001,EUR,0,o,,Consumption'
      deliver(world, 'part_0_0001.csv', csvOf(ea, [line]), 'PriceSheet')
      expect((await load(world, 'pricesheet', both)).outputs).to.include({ rows_written: 1, other_columns: 0 })
      expect(await world.one('SELECT * FROM azure_cost_pricesheet')).to.deep.include({
        enrollment_number: '012345',
        effective_start_date: '2019-02-13T00:00:00.000Z',
        unit_price: '0.00000012',
        market_price: '0.000000000000000001',
        currency: 'EUR',
        source_name: 'ea',
        export_run_id: 'r-1',
      })
      const mca = await parquetOf(`SELECT 'b' AS billingAccountId, 'm-2' AS meterId, 'P' AS product,
        TIMESTAMP '2025-11-01 00:00:00' AS effectiveStartDate, TIMESTAMP '2025-11-30 23:59:59' AS effectiveEndDate,
        1.5::DECIMAL(38,16) AS unitPrice, '5' AS discount, 'USD' AS currency, '10' AS tierMinimumUnits`)
      deliver(world, 'part_0_0001.snappy.parquet', mca, 'Pricesheet')
      expect((await load(world, 'pricesheet', both)).outputs).to.deep.include({
        rows_written: 1,
        other_columns_names: ['discount'],
      })
      expect(await world.one('SELECT * FROM azure_cost_pricesheet')).to.deep.include({
        meter_id: 'm-2',
        unit_price: '1.5',
        effective_end_date: '2025-11-30T23:59:59.000Z',
        tier_minimum_units: '10',
        other_columns: { discount: '5' },
      })
    }),
  )
  it(
    'load reservation details by day, and refuse those of another month',
    inWorld(async (world) => {
      const header =
        'InstanceFlexibilityGroup,InstanceFlexibilityRatio,InstanceId,Kind,ReservationOrderId,ReservationId,ReservedHours,' +
        'RIUsedHours,SkuName,TotalReservedQuantity,UsageDate,UsedHours'
      const line = (day: string) => `DSv3,1,/subscriptions/s,Reservation,o-1,r-1,24,23.5,Standard_D2,1,${day},23.5`
      deliver(world, 'part_0.csv', csvOf(header, [line('2025-11-05'), line('2025-11-06')]), 'ReservationDetails')
      const both = bothSides(world.warehouse)
      expect((await load(world, 'reservations', both)).outputs).to.include({ rows_written: 2, other_columns: 0 })
      expect(
        await world.one('SELECT SUM(used_hours) AS used, MIN(usage_date) AS first FROM azure_cost_reservations'),
      ).to.deep.equal({ used: '47', first: '2025-11-05' })
      deliver(world, 'part_0.csv', csvOf(header, [line('2025-10-05')]), 'ReservationDetails')
      expect((await errorOf(load(world, 'reservations'))).message).to.match(/UsageDate: expected days of 2025-11/)
    }),
  )
  it(
    'are refused where the manifest or the columns are of another kind',
    inWorld(async (world) => {
      deliver(world, 'part_0.csv', csvOf(ea, []), 'ActualCost')
      expect((await errorOf(load(world, 'pricesheet'))).message).to.include(
        'expected an export of prices (exportConfig.type PriceSheet), got ActualCost',
      )
      deliver(world, 'part_0.csv', csvOf(ea, []), 'ReservationDetails')
      expect((await errorOf(load(world, 'reservations'))).message).to.match(
        /part_0.csv:1: expected reservation details with a column ReservationId, got EnrollmentNumber/,
      )
    }),
  )
})
