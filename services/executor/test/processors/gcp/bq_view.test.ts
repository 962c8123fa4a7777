import { processorSuite } from '../../processor-suite.ts'

processorSuite({ ps_type: 'gcp.bq_view' })
