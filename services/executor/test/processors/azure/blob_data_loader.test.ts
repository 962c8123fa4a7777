import { azureFolder, azureHeader, azureLine, azureManifest, csvOf } from '../../loaders/world.ts'
import { processorSuite } from '../../processor-suite.ts'

processorSuite({
  ps_type: 'azure.blob_data_loader',
  parameters: { month: '2025-11' },
  prepare: ({ put }) => {
    const run = `${azureFolder}/run-1`
    const key = `${run}/part_0.csv`
    put('azure', 'acme_corp-exports', key, csvOf(azureHeader, [azureLine('1.5'), azureLine('2')]))
    const runInfo = { runId: 'r-1', startDate: '2025-11-01T00:00:00' }
    put('azure', 'acme_corp-exports', `${run}/manifest.json`, azureManifest([key], { runInfo }))
  },
  rows_written: 2,
})
