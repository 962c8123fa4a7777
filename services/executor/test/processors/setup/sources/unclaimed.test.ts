import { processorSuite } from '../../../processor-suite.ts'

processorSuite({ ps_type: 'setup.sources.unclaimed' })
