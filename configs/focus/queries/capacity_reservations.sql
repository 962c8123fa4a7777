-- question: Which part of compute runs in capacity reservations, and which of them are empty?
-- reads: cost_and_usage
-- use cases: 1.2 analyze-capacity-reservations-on-compute-costs, 1.4 analyze-capacity-reservations-on-compute-costs-2
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  ServiceProviderName AS service_provider,
  BillingAccountId AS billing_account,
  IFNULL(CapacityReservationStatus, 'None') AS reservation_status,
  BillingCurrency AS currency,
  SUM(BilledCost) AS billed_cost,
  SUM(EffectiveCost) AS effective_cost
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
  AND ServiceCategory = 'Compute'
GROUP BY 1, 2, 3, 4
ORDER BY service_provider, billing_account, reservation_status, currency
