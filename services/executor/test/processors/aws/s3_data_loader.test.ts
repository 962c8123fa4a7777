import { awsFolder, awsHeader, awsLine, awsManifest, csvOf } from '../../loaders/world.ts'
import { processorSuite } from '../../processor-suite.ts'

processorSuite({
  ps_type: 'aws.s3_data_loader',
  parameters: { month: '2025-11' },
  prepare: ({ put }) => {
    const key = `${awsFolder}/daily-1.csv`
    put('s3', 'acme_corp-cur', key, csvOf(awsHeader, [awsLine('1.5'), awsLine('2')]))
    put('s3', 'acme_corp-cur', `${awsFolder}/daily-Manifest.json`, awsManifest([key]))
  },
  rows_written: 2,
})
