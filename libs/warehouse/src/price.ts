/** What Google asks for a query on demand, in the US and the EU, before tax. Loads are free. */
export const queryPrice = {
  usd_per_tib: 6.25,
  source: 'https://cloud.google.com/bigquery/pricing',
} as const

const tib = 2 ** 40
/** To the millionth of a dollar. */
export const queryCost = (bytes: number): number => Math.round((bytes / tib) * queryPrice.usd_per_tib * 1e6) / 1e6
