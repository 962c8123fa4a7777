/** Whose the rows of Google's exports are. */
import { projectsOf, type Column, type GcpSource } from '@convergence/contracts'

const text = (name: string): Column => ({ name, type: 'STRING' })
/** What whose rows they are is seen by, in each kind of export. A price list is of the account, nobody's by project. */
export interface Ownership {
  columns: readonly Column[]
  time: string
  /** When Google wrote the row. */
  exported: string
  account: string
  project: string
  cost: string
  currency: string
}
const usage: Ownership = {
  columns: [
    { name: 'usage_start_time', type: 'TIMESTAMP' },
    text('billing_account_id'),
    { name: 'project', type: 'STRUCT', fields: [text('id')] },
    { name: 'cost', type: 'BIGNUMERIC' },
    text('currency'),
    { name: 'export_time', type: 'TIMESTAMP' },
  ],
  time: 'usage_start_time',
  exported: 'export_time',
  account: 'billing_account_id',
  project: "NULLIF(project.id, '')",
  cost: 'cost',
  currency: 'currency',
}
export const ownership: Readonly<Record<Exclude<GcpSource['kind'], 'pricing'>, Ownership>> = {
  detailed: usage,
  standard: usage,
  focus: {
    columns: [
      { name: 'ChargePeriodStart', type: 'TIMESTAMP' },
      text('BillingAccountId'),
      text('SubAccountId'),
      { name: 'x_Project', type: 'STRUCT', fields: [text('Id')] },
      { name: 'BilledCost', type: 'BIGNUMERIC' },
      text('BillingCurrency'),
      { name: 'x_ExportTime', type: 'TIMESTAMP' },
    ],
    time: 'ChargePeriodStart',
    exported: 'x_ExportTime',
    account: 'BillingAccountId',
    project: "NULLIF(COALESCE(x_Project.Id, NULLIF(SubAccountId, BillingAccountId)), '')",
    cost: 'BilledCost',
    currency: 'BillingCurrency',
  },
}

/** Whether rows of an account and a project are of a source, as the pipelines that load it decide. */
export const isOf = (source: GcpSource, account: string | null, project: string | null): boolean => {
  if (source.billing_account_id !== undefined && source.billing_account_id !== account) return false
  if (project === null) return source.unassigned === true
  const projects = projectsOf(source)
  return projects === 'all' || projects.includes(project)
}
