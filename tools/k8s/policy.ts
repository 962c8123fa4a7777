/**
 * What must hold of the manifests of one environment, one function per rule: each tells its faults as `object: what was
 * expected, what is there`.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { serviceNames } from '@convergence/contracts'
import type { RenderedObject } from './render.ts'

export interface Environment {
  name: 'local' | 'staging' | 'production'
  objects: readonly RenderedObject[]
  /** Images by digest: where a release was rendered. */ release?: boolean
}
export type Rule = (environment: Environment) => string[]

interface Container {
  name: string
  image: string
  env?: { name: string; value?: string }[]
  envFrom?: { configMapRef?: { name: string }; secretRef?: { name: string } }[]
  ports?: { name?: string; containerPort: number }[]
  resources?: { requests?: Record<string, string>; limits?: Record<string, string> }
  securityContext?: {
    allowPrivilegeEscalation?: boolean
    readOnlyRootFilesystem?: boolean
    capabilities?: { drop?: string[] }
    privileged?: boolean
  }
  startupProbe?: Probe
  livenessProbe?: Probe
  readinessProbe?: Probe
  lifecycle?: { preStop?: { sleep?: { seconds: number } } }
}
interface Probe {
  httpGet?: { path: string }
  tcpSocket?: object
  exec?: object
}
interface Pod {
  serviceAccountName?: string
  automountServiceAccountToken?: boolean
  hostNetwork?: boolean
  hostPID?: boolean
  hostIPC?: boolean
  terminationGracePeriodSeconds?: number
  securityContext?: { runAsNonRoot?: boolean; runAsUser?: number; seccompProfile?: { type: string } }
  topologySpreadConstraints?: {
    topologyKey: string
    labelSelector?: { matchLabels?: Record<string, string> }
  }[]
  containers: Container[]
  volumes?: {
    name: string
    hostPath?: object
    configMap?: { name: string }
    secret?: { secretName: string }
    persistentVolumeClaim?: { claimName: string }
  }[]
}
interface Workload {
  object: RenderedObject
  name: string
  labels: Record<string, string>
  pod: Pod
  container: Container
}

const preStopSeconds = 5
const of = ({ objects }: Environment, ...kinds: string[]): RenderedObject[] =>
  objects.filter(({ kind }) => kinds.includes(kind))
const label = ({ kind, metadata }: RenderedObject): string => `${kind} ${metadata.name}`
const workloads = (environment: Environment): Workload[] =>
  of(environment, 'Deployment').map((object) => {
    const { metadata, spec: pod } = (
      object.spec as { template: { metadata?: { labels?: Record<string, string> }; spec: Pod } }
    ).template
    return {
      object,
      name: label(object),
      labels: metadata?.labels ?? {},
      pod,
      container: pod.containers[0] ?? { name: '', image: '' },
    }
  })
const matches = (
  selector: { matchLabels?: Record<string, string> } | undefined,
  labels: Record<string, string>,
): boolean => Object.entries(selector?.matchLabels ?? {}).every(([name, value]) => labels[name] === value)
/** One fault for each workload that does not hold it. */
const each =
  (holds: (workload: Workload) => string | undefined): Rule =>
  (environment) =>
    workloads(environment).flatMap((workload) => {
      const fault = holds(workload)
      return fault === undefined ? [] : [`${workload.name}: ${fault}`]
    })
const settingsOf = (environment: Environment, { container }: Workload): Record<string, string> => ({
  ...(Object.assign(
    {},
    ...(container.envFrom ?? []).map(
      ({ configMapRef }) =>
        of(environment, 'ConfigMap').find(({ metadata }) => metadata.name === configMapRef?.name)?.data ?? {},
    ),
  ) as Record<string, string>),
  ...Object.fromEntries((container.env ?? []).map(({ name, value = '' }) => [name, value])),
})
const wide = (cidr: string | undefined): boolean => cidr === '0.0.0.0/0' || cidr === '::/0'

const root = join(import.meta.dirname, '../..')
interface EnvironmentSchema {
  properties: Record<string, object>
  then: { required: string[] }
  else: { required: string[] }
}
const schemaOf = (service: string): EnvironmentSchema =>
  JSON.parse(readFileSync(join(root, 'services', service, 'env.schema.json'), 'utf8')) as EnvironmentSchema

export const rules: Readonly<Record<string, Rule>> = {
  'images are named without a tag, and in a release by digest': ({ release = false, ...environment }) =>
    each(({ container: { image } }) => {
      if (release) return /@sha256:[0-9a-f]{64}$/.test(image) ? undefined : `image: expected a digest, got ${image}`
      return /^[a-z-]+$/.test(image)
        ? undefined
        : `image: expected the bare name, which the release replaces, got ${image}`
    })(environment),
  'nobody runs as root': each(({ pod: { securityContext } }) =>
    securityContext?.runAsNonRoot === true && (securityContext.runAsUser ?? 0) >= 10_000
      ? undefined
      : `expected runAsNonRoot and a user id of at least 10000, got ${JSON.stringify(securityContext ?? {})}`,
  ),
  "system calls are those of the runtime's default": each(({ pod: { securityContext } }) =>
    securityContext?.seccompProfile?.type === 'RuntimeDefault' ? undefined : 'seccompProfile: expected RuntimeDefault',
  ),
  'no capability, no escalation': each(({ container: { securityContext } }) =>
    securityContext?.capabilities?.drop?.includes('ALL') === true &&
    securityContext.allowPrivilegeEscalation === false &&
    securityContext.privileged !== true
      ? undefined
      : 'expected capabilities drop ALL and allowPrivilegeEscalation false',
  ),
  'the root file system is read only': each(({ container: { securityContext } }) =>
    securityContext?.readOnlyRootFilesystem === true ? undefined : 'expected readOnlyRootFilesystem',
  ),
  'nothing of the node': each(({ pod }) =>
    pod.hostNetwork === true ||
    pod.hostPID === true ||
    pod.hostIPC === true ||
    (pod.volumes ?? []).some(({ hostPath }) => hostPath !== undefined)
      ? 'expected no hostPath, hostNetwork, hostPID or hostIPC'
      : undefined,
  ),
  'no token is mounted': each(({ pod }) =>
    pod.automountServiceAccountToken === false ? undefined : 'automountServiceAccountToken: expected false',
  ),
  'memory asked for is memory had': each(({ container: { resources } }) => {
    const { requests = {}, limits = {} } = resources ?? {}
    return requests['cpu'] !== undefined &&
      requests['memory'] !== undefined &&
      requests['memory'] === limits['memory'] &&
      requests['ephemeral-storage'] !== undefined &&
      limits['ephemeral-storage'] !== undefined
      ? undefined
      : 'resources: expected cpu, memory (request = limit) and ephemeral-storage, ' +
          `got ${JSON.stringify(resources ?? {})}`
  }),
  'three probes, and life is not readiness': each(({ container: { startupProbe, livenessProbe, readinessProbe } }) => {
    if (startupProbe === undefined || livenessProbe === undefined || readinessProbe === undefined)
      return 'expected a startup, a liveness and a readiness probe'
    if ([startupProbe, livenessProbe, readinessProbe].some(({ exec }) => exec !== undefined))
      return 'expected no exec probe: the image has no shell'
    return livenessProbe.httpGet !== undefined && livenessProbe.httpGet.path === readinessProbe.httpGet?.path
      ? `liveness and readiness: expected different paths, both are ${livenessProbe.httpGet.path}`
      : undefined
  }),
  'the grace is longer than what has to happen in it': each(
    ({ labels, pod: { terminationGracePeriodSeconds = 30 }, container: { lifecycle } }) => {
      const service = labels['app.kubernetes.io/name'] ?? ''
      const own = (serviceNames as readonly string[]).includes(service)
        ? Number(/grace_seconds: (\d+)/.exec(readFileSync(join(root, 'services', service, 'src/main.ts'), 'utf8'))?.[1])
        : undefined
      if (lifecycle?.preStop?.sleep?.seconds !== preStopSeconds)
        return `lifecycle.preStop.sleep: expected ${preStopSeconds} seconds`
      return own !== undefined && own !== terminationGracePeriodSeconds
        ? `terminationGracePeriodSeconds: expected ${own}, as its main.ts counts with, ` +
            `got ${terminationGracePeriodSeconds}`
        : undefined
    },
  ),
  'a disruption budget for every service': (environment) =>
    workloads(environment)
      .filter(({ labels }) => labels['app.kubernetes.io/name'] !== 'local-cloud')
      .flatMap(({ name, labels }) => {
        const budget = of(environment, 'PodDisruptionBudget').find(({ spec }) =>
          matches((spec as { selector?: { matchLabels?: Record<string, string> } }).selector, labels),
        )
        if (budget === undefined) return [`${name}: expected a PodDisruptionBudget that selects it`]
        const { maxUnavailable, minAvailable } = budget.spec as {
          maxUnavailable?: number | string
          minAvailable?: number | string
        }
        return [maxUnavailable, minAvailable].some((value) => value === 0 || value === '0%' || value === '100%')
          ? [`${label(budget)}: expected neither 0 nor 100 %`]
          : []
      }),
  'two at least in production': (environment) =>
    environment.name !== 'production'
      ? []
      : [
          ...of(environment, 'HorizontalPodAutoscaler')
            .filter(({ spec }) => ((spec as { minReplicas?: number }).minReplicas ?? 1) < 2)
            .map((object) => `${label(object)}: minReplicas: expected at least 2`),
          ...of(environment, 'Deployment')
            .filter(({ spec, metadata }) => {
              const { replicas } = spec as { replicas?: number }
              const scaled = of(environment, 'HorizontalPodAutoscaler').some(
                (scaler) => (scaler.spec as { scaleTargetRef: { name: string } }).scaleTargetRef.name === metadata.name,
              )
              return scaled ? replicas !== undefined : (replicas ?? 1) < 2
            })
            .map(
              (object) => `${label(object)}: replicas: expected at least 2, or none where an autoscaler says how many`,
            ),
          ...of(environment, 'ScaledObject').map(
            (object) => `${label(object)}: expected no scaling to zero in production`,
          ),
        ],
  'spread over zones and nodes': each(({ labels, pod: { topologySpreadConstraints = [] } }) =>
    labels['app.kubernetes.io/name'] === 'local-cloud' ||
    ['topology.kubernetes.io/zone', 'kubernetes.io/hostname'].every((key) =>
      topologySpreadConstraints.some(({ topologyKey }) => topologyKey === key),
    )
      ? undefined
      : 'topologySpreadConstraints: expected zone and hostname',
  ),
  // Kubernetes refuses `matchLabelKeys` without a selector; with the selector of all, services would push each other
  // away.
  'pods are spread among their own kind': each(({ labels, pod: { topologySpreadConstraints = [] } }) => {
    const own = labels['app.kubernetes.io/name'] ?? ''
    const other = topologySpreadConstraints.find(
      ({ labelSelector }) => labelSelector?.matchLabels?.['app.kubernetes.io/name'] !== own,
    )
    return other === undefined
      ? undefined
      : `topologySpreadConstraints ${other.topologyKey}: labelSelector: expected app.kubernetes.io/name ${own}, ` +
          `got ${JSON.stringify(other.labelSelector ?? 'none')}`
  }),
  'an identity of its own': (environment) =>
    workloads(environment).flatMap(({ name, pod: { serviceAccountName } }) =>
      serviceAccountName === undefined || serviceAccountName === 'default'
        ? [`${name}: serviceAccountName: expected its own, got ${serviceAccountName ?? 'none'}`]
        : [],
    ),
  'a network policy selects every pod, and says whom it reaches': (environment) => [
    ...workloads(environment)
      .filter(
        ({ labels }) =>
          !of(environment, 'NetworkPolicy').some(
            ({ spec }) =>
              matches((spec as { podSelector?: object }).podSelector, labels) &&
              Object.keys((spec as { podSelector?: { matchLabels?: object } }).podSelector?.matchLabels ?? {}).length >
                0,
          ),
      )
      .map(({ name }) => `${name}: expected a NetworkPolicy that selects it`),
    ...of(environment, 'NetworkPolicy').flatMap((object) => {
      const {
        egress = [],
        ingress = [],
        policyTypes = [],
      } = object.spec as {
        egress?: { to?: { ipBlock?: { cidr: string } }[] }[]
        ingress?: { from?: object[] }[]
        policyTypes?: string[]
      }
      return [
        ...(policyTypes.includes('Ingress') && policyTypes.includes('Egress')
          ? []
          : [`${label(object)}: policyTypes: expected Ingress and Egress`]),
        ...(egress.some(({ to }) => to === undefined || to.length === 0)
          ? [`${label(object)}: egress: expected to whom in every rule, one goes anywhere`]
          : []),
        ...(egress.some(({ to = [] }) => to.some(({ ipBlock }) => wide(ipBlock?.cidr)))
          ? [`${label(object)}: egress: expected no 0.0.0.0/0; FQDNNetworkPolicy names what is reached`]
          : []),
        ...(ingress.some(({ from }) => from === undefined || from.length === 0)
          ? [`${label(object)}: ingress: expected from whom in every rule`]
          : []),
      ]
    }),
  ],
  'only executor and notifier reach the internet': (environment) =>
    of(environment, 'FQDNNetworkPolicy').flatMap((object) => {
      const name =
        (object.spec as { podSelector: { matchLabels: Record<string, string> } }).podSelector.matchLabels[
          'app.kubernetes.io/name'
        ] ?? 'all'
      return name === 'executor' || name === 'notifier' ? [] : [`${label(object)}: expected none for ${name}`]
    }),
  'services do not talk to each other': (environment) =>
    of(environment, 'NetworkPolicy').flatMap(
      (object) =>
        (
          object.spec as { egress?: { to?: { podSelector?: { matchLabels?: Record<string, string> } }[] }[] }
        ).egress?.flatMap(({ to = [] }) =>
          to.flatMap(({ podSelector }) => {
            const name = podSelector?.matchLabels?.['app.kubernetes.io/name']
            return name !== undefined && (serviceNames as readonly string[]).includes(name)
              ? [`${label(object)}: egress to ${name}: services meet on topics alone`]
              : []
          }),
        ) ?? [],
    ),
  'no secret is in git': (environment) =>
    of(environment, 'Secret').map((object) => `${label(object)}: expected an ExternalSecret`),
  'nothing is bypassed': (environment) =>
    workloads(environment).flatMap((workload) => {
      const settings = settingsOf(environment, workload)
      if (workload.labels['app.kubernetes.io/name'] === 'local-cloud')
        return environment.name === 'local' ? [] : [`${workload.name}: expected in the local overlay only`]
      return [
        ...('DISABLE_AUTH' in settings ? [`${workload.name}: DISABLE_AUTH: expected nowhere`] : []),
        ...(environment.name === 'local'
          ? []
          : [
              ...(settings['RUNTIME'] === 'gcp'
                ? []
                : [`${workload.name}: RUNTIME: expected gcp, got ${settings['RUNTIME'] ?? 'nothing'}`]),
              ...Object.keys(settings)
                .filter((name) => name.endsWith('_EMULATOR_HOST'))
                .map((name) => `${workload.name}: ${name}: expected in the local overlay only`),
            ]),
      ]
    }),
  'each service has the settings that it needs, and no other': (environment) =>
    workloads(environment).flatMap((workload) => {
      const service = workload.labels['app.kubernetes.io/name'] ?? ''
      if (!(serviceNames as readonly string[]).includes(service)) return []
      const schema = schemaOf(service)
      const secret = (workload.container.envFrom ?? []).flatMap(({ secretRef }) =>
        of(environment, 'ExternalSecret')
          .filter(({ spec }) => (spec as { target: { name: string } }).target.name === secretRef?.name)
          .flatMap(({ spec }) => (spec as { data: { secretKey: string }[] }).data.map(({ secretKey }) => secretKey)),
      )
      const names = [...Object.keys(settingsOf(environment, workload)), ...secret]
      const needed = environment.name === 'local' ? schema.else.required : schema.then.required
      // Node's own, and where files may be written.
      const common = ['NODE_OPTIONS', 'TMPDIR']
      return [
        ...needed
          .filter((name) => !names.includes(name))
          .map((name) => `${workload.name}: ${name}: expected, services/${service}/README.md says what it is`),
        ...names
          .filter((name) => !(name in schema.properties) && !common.includes(name))
          .map((name) => `${workload.name}: ${name}: not read by ${service}`),
      ]
    }),
  'everything is of its environment': (environment) =>
    environment.objects
      .filter(({ metadata }) => metadata.labels?.['environment'] !== environment.name)
      .map(
        (object) =>
          `${label(object)}: environment: expected ${environment.name}, ` +
          `got ${object.metadata.labels?.['environment'] ?? 'none'}`,
      ),
  'ports have names': each(({ container: { ports = [] } }) =>
    ports.every(({ name }) => name !== undefined) ? undefined : 'ports: expected a name for each',
  ),
  'a service selects pods': (environment) =>
    of(environment, 'Service')
      .filter(
        ({ spec }) =>
          !workloads(environment).some(({ labels }) =>
            matches({ matchLabels: (spec as { selector: Record<string, string> }).selector }, labels),
          ),
      )
      .map(
        (object) =>
          `${label(object)}: selector: expected labels of a Deployment, ` +
          `got ${JSON.stringify((object.spec as { selector: object }).selector)}`,
      ),
  'what is referred to is there': (environment) =>
    workloads(environment).flatMap(({ name, pod, container }) => {
      const there = (kind: string, wanted: string | undefined): boolean =>
        wanted === undefined ||
        of(environment, kind).some(
          (object) =>
            object.metadata.name === wanted ||
            (kind === 'ExternalSecret' && (object.spec as { target?: { name: string } }).target?.name === wanted),
        )
      return [
        ...(there('ServiceAccount', pod.serviceAccountName)
          ? []
          : [`${name}: ServiceAccount ${pod.serviceAccountName ?? ''} is not there`]),
        ...(container.envFrom ?? []).flatMap(({ configMapRef, secretRef }) => [
          ...(there('ConfigMap', configMapRef?.name)
            ? []
            : [`${name}: ConfigMap ${configMapRef?.name ?? ''} is not there`]),
          ...(there('ExternalSecret', secretRef?.name)
            ? []
            : [`${name}: no ExternalSecret makes ${secretRef?.name ?? ''}`]),
        ]),
        ...(pod.volumes ?? [])
          .filter(({ persistentVolumeClaim }) => !there('PersistentVolumeClaim', persistentVolumeClaim?.claimName))
          .map(
            ({ persistentVolumeClaim }) =>
              `${name}: PersistentVolumeClaim ${persistentVolumeClaim?.claimName ?? ''} is not there`,
          ),
      ]
    }),
  'the container is called service': each(({ pod: { containers } }) =>
    containers.length === 1 && containers[0]?.name === 'service'
      ? undefined
      : `containers: expected one, called service, got ${containers.map(({ name }) => name).join(', ')}`,
  ),
  'names fit': ({ objects }) =>
    objects
      .filter(({ metadata }) => metadata.name.length > 63)
      .map((object) => `${label(object)}: expected at most 63 characters, got ${object.metadata.name.length}`),
  'a subscription never expires and has dead letters that somebody keeps': (environment) =>
    of(environment, 'PubSubSubscription').flatMap((object) => {
      const { expirationPolicy, deadLetterPolicy } = object.spec as {
        expirationPolicy?: { ttl?: string }
        deadLetterPolicy?: { deadLetterTopicRef: { name: string } }
      }
      const topic = deadLetterPolicy?.deadLetterTopicRef.name
      return [
        ...(expirationPolicy?.ttl === ''
          ? []
          : [
              `${label(object)}: expirationPolicy.ttl: expected '', which is never; ` +
                'the default deletes an idle one after 31 days',
            ]),
        ...(object.metadata.name.endsWith('.dead') || topic !== undefined
          ? []
          : [`${label(object)}: expected a deadLetterPolicy`]),
        ...(topic === undefined ||
        of(environment, 'PubSubSubscription').some(
          ({ spec }) => (spec as { topicRef: { name: string } }).topicRef.name === topic,
        )
          ? []
          : [`${label(object)}: dead-letter topic ${topic}: expected a subscription, else nobody has what goes there`]),
      ]
    }),
  'Pub/Sub may use the key that a topic names': (environment) => {
    const usable = of(environment, 'IAMPolicyMember').flatMap(({ spec }) => {
      const { member, role, resourceRef } = spec as {
        member: string
        role: string
        resourceRef: { kind: string; name?: string }
      }
      return resourceRef.kind === 'KMSCryptoKey' &&
        role === 'roles/cloudkms.cryptoKeyEncrypterDecrypter' &&
        member.endsWith('@gcp-sa-pubsub.iam.gserviceaccount.com')
        ? [resourceRef.name]
        : []
    })
    return of(environment, 'PubSubTopic').flatMap((object) => {
      const key = (object.spec as { kmsKeyRef?: { name: string } }).kmsKeyRef?.name
      return key === undefined || usable.includes(key)
        ? []
        : [
            `${label(object)}: kmsKeyRef: expected roles/cloudkms.cryptoKeyEncrypterDecrypter on ${key} ` +
              `for Pub/Sub's own account, got no such IAMPolicyMember`,
          ]
    })
  },
  'members are identities of the cluster': (environment) =>
    of(environment, 'IAMPolicyMember').flatMap((object) => {
      const { member } = object.spec as { member: string }
      const path = member.replace(/^principal:\/\/iam\.googleapis\.com\/projects\/\d+\/locations\/global\//, '')
      const pool = /^workloadIdentityPools\/[a-z][a-z0-9-]+\.svc\.id\.goog\/subject\/ns\/convergence\/sa\/[a-z]+$/
      return (path !== member && pool.test(path)) ||
        /^serviceAccount:service-\d+@gcp-sa-pubsub\.iam\.gserviceaccount\.com$/.test(member)
        ? []
        : [`${label(object)}: member: expected a service's principal:// or Pub/Sub's own account, got ${member}`]
    }),
  'rights are on things that can have them': (environment) =>
    of(environment, 'IAMPolicyMember').flatMap((object) => {
      // Kinds of ours for which Config Connector writes IAM; a dataset is none, and its schema would take it all the
      // same.
      const kinds = ['PubSubTopic', 'PubSubSubscription', 'KMSCryptoKey', 'Project']
      const { kind } = (object.spec as { resourceRef: { kind: string } }).resourceRef
      return kinds.includes(kind)
        ? []
        : [`${label(object)}: resourceRef.kind: expected one of ${kinds.join(', ')}, got ${kind}`]
    }),
  'rights to data end at a dataset': (environment) =>
    of(environment, 'IAMPolicyMember').flatMap((object) => {
      const { role, resourceRef, condition } = object.spec as {
        role: string
        resourceRef: { kind: string }
        condition?: { expression: string }
      }
      const isData = /bigquery\.data(Viewer|Editor|Owner)$|convergenceWriter$/.test(role)
      return !isData || resourceRef.kind !== 'Project' || condition?.expression.includes('/datasets/tenants') === true
        ? []
        : [`${label(object)}: condition: expected one that names the central dataset, for or against it`]
    }),
  'S3 is reached in the region that is read': (environment) =>
    of(environment, 'FQDNNetworkPolicy')
      .filter(({ metadata }) => metadata.name === 'executor')
      .flatMap((object) => {
        const region =
          workloads(environment)
            .filter(({ labels }) => labels['app.kubernetes.io/name'] === 'executor')
            .map((workload) => settingsOf(environment, workload)['AWS_REGION'])[0] ?? ''
        const said = JSON.stringify(object.spec)
        return [`*.s3.${region}.amazonaws.com`, `sts.${region}.amazonaws.com`]
          .filter((host) => !said.includes(`"${host}"`))
          .map((host) => `${label(object)}: egress: expected ${host}, since AWS_REGION is ${region}`)
      }),
  'a release names no example': ({ release = false, ...environment }) =>
    !release
      ? []
      : [...of(environment, 'FQDNNetworkPolicy'), ...of(environment, 'ConfigMap')].flatMap((object) => {
          const [example] = /[a-z0-9.@-]*example\.(com|org|net)/.exec(JSON.stringify([object.spec, object.data])) ?? []
          return example === undefined ? [] : [`${label(object)}: expected the environment's own, got ${example}`]
        }),
  'nobody may delete a job or own a project': (environment) => [
    ...of(environment, 'IAMPolicyMember')
      .filter(({ spec }) =>
        /roles\/(owner|editor|bigquery\.admin|pubsub\.admin|cloudkms\.admin)$/.test((spec as { role: string }).role),
      )
      .map((object) => `${label(object)}: role: expected no ${(object.spec as { role: string }).role}`),
    ...of(environment, 'IAMCustomRole')
      .filter(({ spec }) => (spec as { permissions: string[] }).permissions.includes('bigquery.jobs.delete'))
      .map(
        (object) =>
          `${label(object)}: permissions: expected no bigquery.jobs.delete: ` +
          "a job's id is what makes an effect happen once",
      ),
  ],
}

/** Every fault of every rule, with the rule that it breaks. */
export const policyFaults = (environment: Environment): string[] =>
  Object.entries(rules).flatMap(([rule, check]) =>
    check(environment).map((fault) => `${environment.name} ${fault} (rule: ${rule})`),
  )
