/**
 * The platform on Google Cloud as Config Connector resources, made from schemas/topology.yaml: topics, subscriptions
 * with their dead
 * letters, who may publish and who may read, keys, the central dataset, the tick. `npm run generate` writes
 * k8s/platform/base; a test compares.
 */
import { stringify } from 'yaml'
import { allSubscriptions } from '@convergence/bus'
import {
  centralDataset,
  deadLetterName,
  serviceNames,
  topics,
  topology,
  type ServiceName,
} from '@convergence/contracts'
import { purposes } from '@convergence/secrets'

export interface KubeObject {
  apiVersion: string
  kind: string
  metadata: { name: string; namespace?: string; labels?: Record<string, string>; annotations?: Record<string, string> }
  spec?: Record<string, unknown>
}

/** What overlays replace: the project's id stands in names, its number in principals. */
export const placeholders = { project: 'PROJECT_ID', number: 'PROJECT_NUMBER' } as const
const namespace = 'convergence'
/** Identity of a service: a Kubernetes service account of the cluster's workload identity pool, without any key. */
export const principal = (service: ServiceName): string =>
  `principal://iam.googleapis.com/projects/${placeholders.number}/locations/global/workloadIdentityPools/` +
  `${placeholders.project}.svc.id.goog/subject/ns/${namespace}/sa/${service}`
/** Pub/Sub itself, which forwards dead letters. */
export const pubsubAgent = `serviceAccount:service-${placeholders.number}@gcp-sa-pubsub.iam.gserviceaccount.com`

/** Encrypts what topics keep. */
const topicKey = 'messages'

export interface Grant {
  resource: { kind: string; name: string }
  role: string
  member: string
  condition?: keyof typeof conditions
}

const tenantsDataset = `projects/${placeholders.project}/datasets/tenants`
const central = `resource.name == "${tenantsDataset}" || resource.name.startsWith("${tenantsDataset}/")`
/**
 * Config Connector cannot grant on a dataset (it has no IAM for BigQueryDataset), so these are grants on the project
 * that end at one.
 */
export const conditions = {
  central: { title: 'the central dataset alone', expression: central },
  tenants: { title: 'every dataset but the central one', expression: `!(${central})` },
} as const

const short = (text: string): string => text.replaceAll(/[^a-z0-9]+/g, '-')
const memberName = (member: string): string => (member === pubsubAgent ? 'pubsub' : (member.split('/').at(-1) ?? ''))

const grantName = ({ resource: { kind, name }, role, member, condition }: Grant): string =>
  [
    kind === 'Project' ? 'project' : kind.toLowerCase().replace(/^(pubsub|kmscrypto|bigquery)/, ''),
    kind === 'Project' ? '' : name,
    role.split(/[./]/).at(-1) ?? '',
    ...(condition === undefined ? [] : [condition]),
    memberName(member),
  ]
    .join('-')
    .toLowerCase()

/**
 * Every grant, derived from the topology: nobody else may publish to an internal topic. Publishers outside are granted
 * in an overlay, on run-requested alone.
 */
export const grants = (): Grant[] => {
  const topic = (name: string) => ({ kind: 'PubSubTopic', name })
  const subscription = (name: string) => ({ kind: 'PubSubSubscription', name })
  const project = { kind: 'Project', name: placeholders.project }
  const key = (purpose: string) => ({ kind: 'KMSCryptoKey', name: purpose })
  const isService = (name: string): name is ServiceName => (serviceNames as readonly string[]).includes(name)
  return [
    ...topics.flatMap((name) =>
      [...topology[name].publishers]
        .filter(isService)
        .map((service) => ({ resource: topic(name), role: 'roles/pubsub.publisher', member: principal(service) })),
    ),
    ...allSubscriptions().flatMap(({ service, name }) => [
      { resource: subscription(name), role: 'roles/pubsub.subscriber', member: principal(service) },
      // It looks whether there are dead letters before it begins to read; a subscriber alone may not look.
      { resource: subscription(name), role: 'roles/pubsub.viewer', member: principal(service) },
      // What a handler gives up at once it publishes there itself; what comes too often, Pub/Sub does.
      { resource: topic(deadLetterName(name)), role: 'roles/pubsub.publisher', member: principal(service) },
      { resource: topic(deadLetterName(name)), role: 'roles/pubsub.publisher', member: pubsubAgent },
      { resource: subscription(name), role: 'roles/pubsub.subscriber', member: pubsubAgent },
      { resource: subscription(deadLetterName(name)), role: 'roles/pubsub.subscriber', member: principal('scheduler') },
    ]),
    // Each replica of auth makes its own subscriptions to what it shows live; they expire.
    ...topics
      .filter((name) => topology[name].feed !== undefined)
      .map((name) => ({
        resource: topic(name),
        role: 'roles/pubsub.subscriber',
        member: principal(topology[name].feed as ServiceName),
      })),
    { resource: project, role: `projects/${placeholders.project}/roles/convergenceFeed`, member: principal('auth') },
    ...serviceNames.flatMap((service) => [
      { resource: project, role: 'roles/bigquery.jobUser', member: principal(service) },
      ...(['roles/bigquery.dataViewer', `projects/${placeholders.project}/roles/convergenceWriter`] as const).map(
        (role) => ({ resource: project, role, member: principal(service), condition: 'central' as const }),
      ),
    ]),
    // Datasets of tenants are made and filled by the executor. Nobody may delete a job.
    { resource: project, role: 'roles/bigquery.dataEditor', member: principal('executor'), condition: centralDataset },
    // A plan is a dry run, which BigQuery refuses to who may not read; auth reads no row of a tenant's dataset.
    { resource: project, role: 'roles/bigquery.dataViewer', member: principal('auth'), condition: centralDataset },
    ...purposes.map((purpose) => ({
      resource: key(purpose),
      role: 'roles/cloudkms.cryptoKeyEncrypter',
      member: principal('auth'),
    })),
    { resource: key('tenant-credentials'), role: 'roles/cloudkms.cryptoKeyDecrypter', member: principal('executor') },
    { resource: key('notify-targets'), role: 'roles/cloudkms.cryptoKeyDecrypter', member: principal('notifier') },
    // What a topic keeps is encrypted by Pub/Sub itself; without this no topic that names a key can be made.
    {
      resource: key(topicKey),
      role: 'roles/cloudkms.cryptoKeyEncrypterDecrypter',
      member: pubsubAgent,
    },
  ]
}

const pubsub = 'pubsub.cnrm.cloud.google.com/v1beta1'
const kms = 'kms.cnrm.cloud.google.com/v1beta1'
const groups: Readonly<Record<string, string>> = {
  PubSubTopic: pubsub,
  PubSubSubscription: pubsub,
  KMSCryptoKey: kms,
  Project: 'resourcemanager.cnrm.cloud.google.com/v1beta1',
}
const retention = { week: '604800s', month: '2678400s' }

const topicOf = (name: string): KubeObject => ({
  apiVersion: pubsub,
  kind: 'PubSubTopic',
  metadata: { name },
  spec: { messageRetentionDuration: retention.week, kmsKeyRef: { name: topicKey } },
})
const subscriptionOf = (name: string, topic: string, more: object): KubeObject => ({
  apiVersion: pubsub,
  kind: 'PubSubSubscription',
  metadata: { name },
  spec: {
    topicRef: { name: topic },
    ackDeadlineSeconds: 60,
    enableExactlyOnceDelivery: true,
    retryPolicy: { minimumBackoff: '10s', maximumBackoff: '600s' },
    // Without this one that is idle for a month is deleted.
    expirationPolicy: { ttl: '' },
    ...more,
  },
})

/** A grant for Config Connector. Its labels are what an overlay has to put its project into. */
const grantObject = (grant: Grant): KubeObject => {
  const { resource, role, member, condition } = grant
  const { kind, name } = resource
  return {
    apiVersion: 'iam.cnrm.cloud.google.com/v1beta1',
    kind: 'IAMPolicyMember',
    metadata: {
      name: short(grantName(grant)),
      labels: {
        member: member === pubsubAgent ? 'pubsub' : 'principal',
        ...(kind === 'Project' ? { resource: 'project' } : {}),
        ...(role.startsWith('projects/') ? { role: 'custom' } : {}),
        ...(condition === undefined ? {} : { condition }),
      },
    },
    spec: {
      resourceRef: {
        apiVersion: groups[kind],
        kind,
        ...(kind === 'Project' ? { external: `projects/${name}` } : { name }),
      },
      role,
      member,
      ...(condition === undefined ? {} : { condition: conditions[condition] }),
    },
  }
}

/** Files of k8s/platform/base, by name. */
export const platformFiles = (): Record<string, KubeObject[]> => {
  const all = allSubscriptions()
  return {
    'topics.yaml': [...topics, ...all.map(({ name }) => deadLetterName(name))].map(topicOf),
    'subscriptions.yaml': all.flatMap(({ name, topic, filter, max_delivery_attempts }) => [
      subscriptionOf(name, topic, {
        ...(filter === undefined ? {} : { filter }),
        deadLetterPolicy: {
          deadLetterTopicRef: { name: deadLetterName(name) },
          maxDeliveryAttempts: max_delivery_attempts,
        },
      }),
      subscriptionOf(deadLetterName(name), deadLetterName(name), { messageRetentionDuration: retention.month }),
    ]),
    'iam.yaml': [
      {
        apiVersion: 'iam.cnrm.cloud.google.com/v1beta1',
        kind: 'IAMCustomRole',
        metadata: { name: 'convergencefeed' },
        spec: {
          resourceID: 'convergenceFeed',
          title: 'Convergence: live feed',
          description: 'Makes subscriptions to what is shown live, and reads them',
          stage: 'GA',
          permissions: ['pubsub.subscriptions.consume', 'pubsub.subscriptions.create', 'pubsub.subscriptions.get'],
        },
      },
      {
        apiVersion: 'iam.cnrm.cloud.google.com/v1beta1',
        kind: 'IAMCustomRole',
        metadata: { name: 'convergencewriter' },
        spec: {
          resourceID: 'convergenceWriter',
          title: 'Convergence: rows',
          description: 'Adds rows to tables that are there; makes, changes and drops none',
          stage: 'GA',
          permissions: ['bigquery.tables.get', 'bigquery.tables.getData', 'bigquery.tables.updateData'],
        },
      },
      ...grants().map(grantObject),
    ],
    'kms.yaml': [
      { apiVersion: kms, kind: 'KMSKeyRing', metadata: { name: 'convergence' }, spec: { location: 'europe' } },
      ...[...purposes, topicKey].map((name): KubeObject => ({
        apiVersion: kms,
        kind: 'KMSCryptoKey',
        metadata: { name, annotations: { 'cnrm.cloud.google.com/deletion-policy': 'abandon' } },
        // Old versions stay enabled, so nothing has to be wrapped again.
        spec: { keyRingRef: { name: 'convergence' }, purpose: 'ENCRYPT_DECRYPT', rotationPeriod: '7776000s' },
      })),
    ],
    'datasets.yaml': [
      {
        apiVersion: 'bigquery.cnrm.cloud.google.com/v1beta1',
        kind: 'BigQueryDataset',
        metadata: { name: centralDataset, annotations: { 'cnrm.cloud.google.com/deletion-policy': 'abandon' } },
        spec: {
          location: 'EU',
          description: 'Central metadata tables; npm run apply makes them',
          friendlyName: centralDataset,
        },
      },
    ],
    'tick.yaml': [
      {
        apiVersion: 'cloudscheduler.cnrm.cloud.google.com/v1beta1',
        kind: 'CloudSchedulerJob',
        metadata: { name: 'scheduler-tick' },
        spec: {
          location: 'europe-west1',
          schedule: '* * * * *',
          timeZone: 'Etc/UTC',
          description: 'Each minute: schedules, timers, runs that nothing was heard of',
          pubsubTarget: {
            topicRef: { name: 'scheduler-tick' },
            data: Buffer.from('{}').toString('base64'),
            attributes: { event: 'scheduler-tick', version: '1' },
          },
        },
      },
    ],
  }
}

/** Texts of k8s/platform/base, by file name. */
const head = '# Made from schemas/topology.yaml by npm run generate; do not edit.\n'
export const platformTexts = (): Record<string, string> => {
  const files = Object.fromEntries(
    Object.entries(platformFiles()).map(([name, objects]) => [
      name,
      head + objects.map((object) => stringify(object, { lineWidth: 0 })).join('---\n'),
    ]),
  )
  return {
    ...files,
    'kustomization.yaml': [
      `${head}apiVersion: kustomize.config.k8s.io/v1beta1`,
      'kind: Kustomization',
      'resources:',
      ...Object.keys(files).map((name) => `  - ${name}`),
      '',
    ].join('\n'),
  }
}
