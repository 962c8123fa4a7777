import { processorSuite } from '../../../processor-suite.ts'

processorSuite({
  ps_type: 'setup.sources.check',
  prepare: async ({ warehouse }) => {
    await warehouse.append('tenant_provider_configs_rows', [
      {
        tenant_id: 'acme_corp',
        provider: 'aws',
        domain: 'cost',
        name: 'payer',
        settings: { kind: 'cur', bucket: 'acme-billing-4711', prefix: 'cur', report_name: 'daily' },
        is_active: true,
        version: 1,
        event_id: 'e1',
        recorded_at: '2026-01-01T00:00:00Z',
      },
    ])
  },
})
