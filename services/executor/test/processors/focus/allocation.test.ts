import { processorSuite } from '../../processor-suite.ts'

/** Two charges, and rules that give one of them to somebody. */
processorSuite({
  ps_type: 'focus.allocation',
  rows_written: 2,
  prepare: async ({ warehouse }) => {
    const lay = (table: string, query: string) =>
      warehouse.runJob(
        {
          run_id: `r_${'b'.repeat(26)}`,
          step_id: table,
          max_retries: 0,
          retry_delay_seconds: 1,
          tenant_id: 'acme_corp',
        },
        {
          kind: 'query',
          query,
          destination: { project_id: 'local-convergence', dataset: 'acme_corp', table, write_mode: 'append' },
        },
      )
    await lay(
      'focus_allocation_rules',
      `SELECT TIMESTAMP '2026-01-01' AS recorded_at, 'k' AS recorded_by, 'r' AS run_id,
              '{"rules":[{"name":"core","match":{"service":["EC2"]},"to":"core"}]}' AS rules`,
    )
    const text = ['BillingAccountId', 'ChargeCategory', 'RegionId', 'ResourceId', 'ServiceCategory', 'SubAccountId']
    await lay(
      'focus_cost_and_usage',
      `SELECT ${[...text, 'SubAccountName', 'x_SourceProvider'].map((name) => `CAST(NULL AS STRING) AS ${name}`).join(', ')},
              'USD' AS BillingCurrency, service AS ServiceName, DATE '2025-11-01' AS x_BillingPeriod,
              TIMESTAMP '2025-11-02' AS ChargePeriodStart, CAST(NULL AS JSON) AS Tags, BIGNUMERIC '1' AS BilledCost,
              BIGNUMERIC '1' AS EffectiveCost, BIGNUMERIC '1' AS ListCost, BIGNUMERIC '1' AS ContractedCost
       FROM UNNEST(['EC2', 'S3']) AS service`,
    )
  },
})
