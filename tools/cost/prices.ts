/**
 * What Google asks for and what it allows, in US dollars before tax, each with its source. `read` false: not found in a
 * page we could read on the day; check it.
 */
import { queryPrice } from '@convergence/warehouse/price'

export interface Figure {
  value: number
  unit: string
  source: string
  read: boolean
}

const TiB = 2 ** 40
const GiB = 2 ** 30
const figure = (value: number, unit: string, source: string, read = true): Figure => ({ value, unit, source, read })

export const readOn = '2026-11-25'
export const prices = {
  pubsub_byte: figure(40 / TiB, '$40 per TiB published or delivered', 'https://cloud.google.com/pubsub/pricing'),
  pubsub_free_bytes: figure(10 * GiB, 'first 10 GiB of a month are free', 'https://cloud.google.com/pubsub/pricing'),
  pubsub_least_request: figure(
    1000,
    'bytes that a publish, push or pull request counts at least',
    'https://cloud.google.com/pubsub/pricing',
  ),
  query_byte: figure(
    queryPrice.usd_per_tib / TiB,
    `$${queryPrice.usd_per_tib} per TiB processed, on demand (US, EU)`,
    queryPrice.source,
  ),
  query_free_bytes: figure(TiB, 'first TiB of a month is free', 'https://cloud.google.com/bigquery/pricing'),
  query_least_bytes: figure(
    10 * 2 ** 20,
    'bytes that a query counts at least, and for each table that it reads',
    'https://cloud.google.com/bigquery/pricing#on_demand_pricing',
    false,
  ),
  write_byte: figure(
    0.025 / GiB,
    '$0.025 per GiB by the Storage Write API',
    'https://cloud.google.com/bigquery/pricing#data_ingestion_pricing',
    false,
  ),
  write_free_bytes: figure(
    2 * TiB,
    'first 2 TiB of a month are free',
    'https://cloud.google.com/bigquery/pricing#data_ingestion_pricing',
    false,
  ),
  storage_byte: figure(
    0.02 / GiB,
    '$0.02 per GiB and month, active logical storage',
    'https://cloud.google.com/bigquery/pricing',
  ),
  storage_free_bytes: figure(10 * GiB, 'first 10 GiB are free', 'https://cloud.google.com/bigquery/pricing'),
  kms_version: figure(0.06, '$0.06 per active software key version and month', 'https://cloud.google.com/kms/pricing'),
  kms_operation: figure(
    0.03 / 10_000,
    '$0.03 per 10,000 cryptographic operations',
    'https://cloud.google.com/kms/pricing',
  ),
  cluster_hour: figure(0.1, '$0.10 per cluster and hour', 'https://cloud.google.com/kubernetes-engine/pricing'),
  cluster_credit: figure(
    74.4,
    '$74.40 of a month, for the first Autopilot or zonal cluster',
    'https://cloud.google.com/kubernetes-engine/pricing',
  ),
  pod_cpu_hour: figure(
    0.0445,
    '$0.0445 per vCPU and hour, Autopilot, general purpose, us-central1',
    'https://cloud.google.com/kubernetes-engine/pricing',
    false,
  ),
  pod_gib_hour: figure(
    0.0049225,
    '$0.0049225 per GiB and hour, Autopilot, general purpose, us-central1',
    'https://cloud.google.com/kubernetes-engine/pricing',
    false,
  ),
  scheduler_job: figure(
    0.1,
    '$0.10 per job and month of Cloud Scheduler (three are free)',
    'https://cloud.google.com/scheduler/pricing',
    false,
  ),
} satisfies Record<string, Figure>

export const limits = {
  dml_statements: figure(
    2.5,
    'DML statements per second and table (25 in 10 s)',
    'https://cloud.google.com/bigquery/quotas#data-manipulation-language-statements',
    false,
  ),
  insert_at_once: figure(
    1500,
    'INSERT statements per table and day that start at once; then 10 at a time, 100 waiting',
    'https://cloud.google.com/bigquery/docs/data-manipulation-language',
  ),
  table_jobs: figure(
    1500,
    'load, copy and query-with-destination jobs per table and day',
    'https://cloud.google.com/bigquery/quotas#load_jobs',
    false,
  ),
  api_requests: figure(
    100,
    'API requests per second, user and method',
    'https://cloud.google.com/bigquery/quotas#api_request_quotas',
    false,
  ),
  publish_bytes: figure(
    50e6,
    'bytes per second published in a small region (200 MB/s in a large one)',
    'https://cloud.google.com/pubsub/quotas',
  ),
  kms_requests: figure(
    1000,
    'cryptographic requests per second and project',
    'https://cloud.google.com/kms/quotas',
    false,
  ),
} satisfies Record<string, Figure>
