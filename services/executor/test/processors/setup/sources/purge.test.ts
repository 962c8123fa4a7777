import { processorSuite } from '../../../processor-suite.ts'

processorSuite({ ps_type: 'setup.sources.purge', rows_written: 0 })
