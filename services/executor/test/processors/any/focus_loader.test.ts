import { processorSuite } from '../../processor-suite.ts'

processorSuite({
  ps_type: 'any.focus_loader',
  parameters: { month: '2025-11' },
  prepare: ({ put }) => {
    const header = 'BilledCost,BillingPeriodStart,ChargePeriodStart'
    for (const day of ['2025-11-05', '2025-11-06'])
      put('s3', 'acme_corp-focus', `llm/date=${day}/usage.csv`, `${header}\n1.5,${day}T00:00:00Z,${day}T00:00:00Z\n`)
  },
  rows_written: 2,
})
