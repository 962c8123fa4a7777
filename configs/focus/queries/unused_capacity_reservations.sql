-- question: Which capacity reservations were paid for and not used?
-- reads: cost_and_usage
-- use cases: 1.2 identify-unused-capacity-reservations, 1.4 identify-unused-capacity-reservations-2
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  ServiceProviderName AS service_provider,
  BillingAccountId AS billing_account,
  CapacityReservationId AS reservation,
  BillingCurrency AS currency,
  SUM(BilledCost) AS billed_cost,
  SUM(EffectiveCost) AS effective_cost
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
  AND CapacityReservationStatus = 'Unused'
GROUP BY 1, 2, 3, 4
ORDER BY effective_cost DESC, service_provider, billing_account, reservation, currency
