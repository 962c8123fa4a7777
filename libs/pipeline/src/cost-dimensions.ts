/** What costs are chosen and grouped by: columns of `focus_cost_and_usage` by the names that people use. */
const dimensions = {
  provider: 'x_SourceProvider',
  service: 'ServiceName',
  category: 'ServiceCategory',
  account: 'IFNULL(SubAccountId, BillingAccountId)',
  region: 'RegionId',
  resource: 'ResourceId',
} as const
/** Who bears the cost, of `focus_allocation`. */
export const allocationDimension = 'allocation'
export const costDimensions: readonly string[] = [...Object.keys(dimensions), allocationDimension]
/** What a tag's key may look like: what is quoted in a path of JSON as it stands. */
const tagKey = /^tag:([A-Za-z0-9_.:/@ +=-]{1,128})$/

const columnOf = (name: string, known: Readonly<Record<string, string>>): string | undefined => {
  if (Object.hasOwn(known, name)) return known[name]
  const tag = tagKey.exec(name)?.[1]
  return tag === undefined ? undefined : `JSON_VALUE(Tags, '$."${tag}"')`
}
/** The expression of a dimension, or of `tag:KEY`; undefined where there is no such dimension. */
export const costColumn = (name: string): string | undefined =>
  columnOf(name, { ...dimensions, [allocationDimension]: 'x_AllocatedTo' })
/** Rules of allocation choose by these beside the others. */
const ruleDimensions: Readonly<Record<string, string>> = {
  ...dimensions,
  billing_account: 'BillingAccountId',
  charge_category: 'ChargeCategory',
}
export const allocationDimensions: readonly string[] = Object.keys(ruleDimensions)
export const allocationColumn = (name: string): string | undefined => columnOf(name, ruleDimensions)
