import { processorSuite } from '../../processor-suite.ts'

processorSuite({ ps_type: 'custom.noop' })
