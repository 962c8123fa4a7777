import { processorSuite } from '../../processor-suite.ts'

processorSuite({ ps_type: 'gcp.bq_etl', parameters: { date: '2026-01-01' }, rows_written: 1 })
