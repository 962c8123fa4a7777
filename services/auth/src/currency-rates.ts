/**
 * Rates between currencies, by month, from `focus_currency_rates` of a tenant's dataset. Of one month and pair the
 * newest that was given holds, else what a provider's export tells. Nothing is worked out here from other rates: neither
 * the way back nor a way over a third currency.
 */
import { AppError } from '@convergence/contracts'
import type { Row, Statement } from '@convergence/warehouse'

export interface CurrencyRate {
  /** The billing period, YYYY-MM. */
  period: string
  from: string
  to: string
  /** So many units of `to` for one of `from`: an exact decimal as text. */
  rate: string
  status: 'provisional' | 'final'
}
export interface KnownRate extends CurrencyRate {
  /** Whether somebody gave it, or a provider's export tells it. */
  source: 'given' | 'provider'
  /** Whose export. */
  provider?: string
}
type Ask = (statement: Statement) => Promise<Row[]>

/** Months, pairs and providers that are looked at: those that were given first, then the newest. */
const mostRates = 10_000
/** Of a row `r`; a table from before providers' rates has no such column. */
const providerOfRow = "IFNULL(JSON_VALUE(TO_JSON_STRING(r), '$.provider'), '')"
export const monthExpected = 'a month such as 2025-11'

/** What is wrong with rates that are given, each with its place in the list. */
export const rateFaults = (rates: readonly CurrencyRate[]): string[] => {
  const seen = new Map<string, number>()
  return rates.flatMap(({ period, from, to, rate }, k) => {
    const faults: string[] = []
    if (from === to) faults.push(`body.rates.${k}: expected two currencies, got ${from} twice`)
    if (/^[0.]*$/.test(rate)) faults.push(`body.rates.${k}.rate: expected more than 0, got ${rate}`)
    const key = keyOf({ period, from, to })
    const before = seen.get(key)
    if (before === undefined) seen.set(key, k)
    else faults.push(`body.rates.${k}: ${key} stands in body.rates.${before} too; expected each once`)
    return faults
  })
}

export interface RateFilter {
  /** Months, YYYY-MM, both included. */
  first?: string
  last?: string
  to?: string
}
/** Rows of a table from before providers' rates have neither source nor provider. */
const knownOf = (row: Row): KnownRate => {
  const provider = row['source'] === 'provider' ? String(row['provider']) : undefined
  return {
    period: String(row['month']),
    from: String(row['from_currency']),
    to: String(row['to_currency']),
    rate: String(row['rate']),
    status: row['status'] === 'provisional' ? 'provisional' : 'final',
    source: provider === undefined ? 'given' : 'provider',
    ...(provider === undefined ? {} : { provider }),
  }
}
/** Of two of a month and pair, the first of which is newer. */
const before = (newer: KnownRate, older: KnownRate): boolean => {
  if (newer.source !== older.source) return newer.source === 'given'
  return newer.source === 'given' || (newer.provider ?? '') <= (older.provider ?? '')
}
const keyOf = ({ period, from, to }: Pick<CurrencyRate, 'period' | 'from' | 'to'>): string => `${period} ${from} ${to}`

/** The rates that hold, by month and pair; none where there are none yet. */
export const ratesOf = async (ask: Ask, tenant_id: string, { first, last, to }: RateFilter): Promise<KnownRate[]> => {
  const wanted = [
    ...(first === undefined ? [] : [{ name: 'first', type: 'DATE', value: `${first}-01`, is: 'period >= @first' }]),
    ...(last === undefined ? [] : [{ name: 'last', type: 'DATE', value: `${last}-01`, is: 'period <= @last' }]),
    ...(to === undefined ? [] : [{ name: 'to_currency', type: 'STRING', value: to, is: 'to_currency = @to_currency' }]),
  ]
  try {
    const rows = await ask({
      query:
        "SELECT *, FORMAT_DATE('%Y-%m', period) AS month " +
        `FROM focus_currency_rates AS r WHERE ${['TRUE', ...wanted.map(({ is }) => is)].join(' AND ')} ` +
        `QUALIFY ROW_NUMBER() OVER (PARTITION BY period, from_currency, to_currency, ${providerOfRow} ` +
        'ORDER BY recorded_at DESC, run_id DESC) = 1 ' +
        `ORDER BY IF(${providerOfRow} = '', 0, 1), recorded_at DESC, run_id DESC LIMIT ${mostRates}`,
      parameters: wanted.map(({ name, type, value }) => ({ name, type, value })),
      default_dataset: tenant_id,
    })
    const holding = new Map<string, KnownRate>()
    for (const rate of rows.map(knownOf)) {
      const newer = holding.get(keyOf(rate))
      if (newer === undefined || !before(newer, rate)) holding.set(keyOf(rate), rate)
    }
    return [...holding.values()].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
  } catch (error) {
    if (error instanceof AppError && error.code === 'TABLE_NOT_FOUND') return []
    throw error
  }
}

/** Of these amounts the rates to one currency. Throws BODY_INVALID with every one that is missing. */
export const neededRates = (
  amounts: readonly { period: string; currency: string | null }[],
  to: string,
  known: readonly KnownRate[],
): KnownRate[] => {
  const needed = amounts.filter(({ currency }) => currency !== to)
  const found = needed.map(({ period, currency }) =>
    known.find((rate) => rate.period === period && rate.from === currency && rate.to === to),
  )
  const missing = needed.filter((_, k) => found[k] === undefined)
  if (missing.length > 0)
    throw new AppError('BODY_INVALID', `query.currency: ${missing.length} rates to ${to} are missing`, {
      faults: missing.map(
        ({ period, currency }) =>
          `query.currency: there is no rate from ${currency ?? 'no currency'} to ${to} for ${period}; ` +
          'PUT /api/v1/tenants/{tenant_id}/rates gives one, or leave it out to have each currency by itself',
      ),
    })
  return found.flatMap((rate) => rate ?? [])
}
