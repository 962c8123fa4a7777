import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import {
  deploymentFaults,
  composeFaults,
  differenceFaults,
  dockerfileFaults,
  environmentOf,
  skaffoldFaults,
  topologyFaults,
} from './check.ts'
import { fieldFaults } from './fields.ts'
import { policyFaults, rules, type Environment } from './policy.ts'
import { readGolden, type RenderedObject } from './render.ts'

const root = join(import.meta.dirname, '../..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
/** A golden render that may be broken; `find` gives one object as it is written. */
const broken = (
  name: string,
  spoil: (find: (kind: string, named: string) => Bad, objects: RenderedObject[]) => void,
): Environment => {
  const environment = environmentOf(name)
  const objects = [...environment.objects]
  spoil((kind, named) => {
    const found = objects.find(
      (object) => object.kind === kind && object.metadata.name.replace(/-[a-z0-9]{10}$/, '') === named,
    )
    if (found === undefined) throw new Error(`no ${kind} ${named}`)
    return found as unknown as Bad
  }, objects)
  return { ...environment, objects }
}
/** A manifest as YAML is, for tests that write wrong ones. */
type Bad = {
  metadata: { name: string; labels: Record<string, string> }
  data: Record<string, string>
  spec: Record<string, unknown> & {
    template: { spec: Record<string, unknown> & { containers: Record<string, unknown>[] } }
  }
}
const pod = (find: (kind: string, named: string) => Bad, service = 'executor') =>
  find('Deployment', service).spec.template.spec
const container = (find: (kind: string, named: string) => Bad, service = 'executor') =>
  pod(find, service).containers[0] as Record<string, unknown> & { [name: string]: never }

/** For each rule of the policy what breaks it. A rule without an example is a rule that may catch nothing. */
const examples: Record<string, () => Environment> = {
  'images are named without a tag, and in a release by digest': () =>
    broken('production', (find) => {
      Object.assign(container(find), { image: 'executor:latest' })
    }),
  'nobody runs as root': () =>
    broken('production', (find) => {
      pod(find)['securityContext'] = { runAsNonRoot: true, runAsUser: 0 }
    }),
  "system calls are those of the runtime's default": () =>
    broken('production', (find) => {
      pod(find)['securityContext'] = { runAsNonRoot: true, runAsUser: 65532 }
    }),
  'no capability, no escalation': () =>
    broken('production', (find) => {
      Object.assign(container(find), {
        securityContext: { readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
      })
    }),
  'the root file system is read only': () =>
    broken('production', (find) => {
      Object.assign(container(find), {
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
      })
    }),
  'nothing of the node': () =>
    broken('production', (find) => {
      pod(find)['volumes'] = [{ name: 'scratch', hostPath: { path: '/' } }]
    }),
  'no token is mounted': () =>
    broken('production', (find) => {
      delete pod(find)['automountServiceAccountToken']
    }),
  'memory asked for is memory had': () =>
    broken('production', (find) => {
      Object.assign(container(find), {
        resources: {
          requests: { cpu: '1', memory: '1Gi', 'ephemeral-storage': '1Gi' },
          limits: { memory: '2Gi', 'ephemeral-storage': '1Gi' },
        },
      })
    }),
  'three probes, and life is not readiness': () =>
    broken('production', (find) => {
      Object.assign(container(find), { livenessProbe: { httpGet: { path: '/health/ready', port: 'management' } } })
    }),
  'the grace is longer than what has to happen in it': () =>
    broken('production', (find) => {
      pod(find)['terminationGracePeriodSeconds'] = 30
    }),
  'a disruption budget for every service': () =>
    broken('production', (find) => {
      find('PodDisruptionBudget', 'executor').spec['maxUnavailable'] = 0
    }),
  'two at least in production': () =>
    broken('production', (find) => {
      find('Deployment', 'tenant').spec['replicas'] = 1
    }),
  'spread over zones and nodes': () =>
    broken('production', (find) => {
      delete pod(find)['topologySpreadConstraints']
    }),
  'pods are spread among their own kind': () =>
    broken('production', (find) => {
      pod(find)['topologySpreadConstraints'] = [
        { topologyKey: 'kubernetes.io/hostname', matchLabelKeys: ['pod-template-hash'] },
      ]
    }),
  'an identity of its own': () =>
    broken('production', (find) => {
      pod(find)['serviceAccountName'] = 'default'
    }),
  'a network policy selects every pod, and says whom it reaches': () =>
    broken('production', (find) => {
      find('NetworkPolicy', 'executor').spec['egress'] = [{}]
    }),
  'only executor and notifier reach the internet': () =>
    broken('production', (find) => {
      find('FQDNNetworkPolicy', 'executor').spec['podSelector'] = { matchLabels: { 'app.kubernetes.io/name': 'auth' } }
    }),
  'services do not talk to each other': () =>
    broken('production', (find) => {
      find('NetworkPolicy', 'auth').spec['egress'] = [
        { to: [{ podSelector: { matchLabels: { 'app.kubernetes.io/name': 'executor' } } }] },
      ]
    }),
  'no secret is in git': () =>
    broken('production', (_, objects) => {
      objects.push({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'x', labels: { environment: 'production' } } })
    }),
  'nothing is bypassed': () =>
    broken('production', (find) => {
      find('ConfigMap', 'auth-settings').data['PUBSUB_EMULATOR_HOST'] = '127.0.0.1:8085'
    }),
  'each service has the settings that it needs, and no other': () =>
    broken('production', (find) => {
      find('ConfigMap', 'tenant-settings').data['KMS_KEY_RING'] = 'x'
    }),
  'everything is of its environment': () =>
    broken('production', (find) => {
      find('ConfigMap', 'auth-settings').metadata.labels['environment'] = 'staging'
    }),
  'ports have names': () =>
    broken('production', (find) => {
      Object.assign(container(find), { ports: [{ containerPort: 9090 }] })
    }),
  'a service selects pods': () =>
    broken('production', (find) => {
      find('Service', 'auth').spec['selector'] = { app: 'auth' }
    }),
  'what is referred to is there': () =>
    broken('production', (find) => {
      Object.assign(container(find), { envFrom: [{ configMapRef: { name: 'gone' } }] })
    }),
  'the container is called service': () =>
    broken('production', (find) => {
      Object.assign(container(find), { name: 'executor' })
    }),
  'names fit': () =>
    broken('production', (find) => {
      find('Service', 'auth').metadata.name = 'a'.repeat(64)
    }),
  'a subscription never expires and has dead letters that somebody keeps': () =>
    broken('platform-production', (find) => {
      find('PubSubSubscription', 'executor.run-admitted').spec['expirationPolicy'] = { ttl: '2678400s' }
    }),
  'Pub/Sub may use the key that a topic names': () =>
    broken('platform-production', (find) => {
      find('IAMPolicyMember', 'key-messages-cryptokeyencrypterdecrypter-pubsub').spec['member'] =
        'principal://iam.googleapis.com/x/sa/auth'
    }),
  'members are identities of the cluster': () =>
    broken('platform-production', (find) => {
      find('IAMPolicyMember', 'project-jobuser-auth').spec['member'] = 'user:somebody@example.com'
    }),
  'rights are on things that can have them': () =>
    broken('platform-production', (find) => {
      find('IAMPolicyMember', 'project-jobuser-auth').spec['resourceRef'] = { kind: 'BigQueryDataset', name: 'tenants' }
    }),
  'rights to data end at a dataset': () =>
    broken('platform-production', (find) => {
      delete find('IAMPolicyMember', 'project-dataeditor-tenants-executor').spec['condition']
    }),
  'S3 is reached in the region that is read': () =>
    broken('production', (find) => {
      find('ConfigMap', 'executor-settings').data['AWS_REGION'] = 'us-east-1'
    }),
  'a release names no example': () => ({ ...environmentOf('production'), release: true }),
  'nobody may delete a job or own a project': () =>
    broken('platform-production', (find) => {
      find('IAMPolicyMember', 'project-jobuser-auth').spec['role'] = 'roles/bigquery.admin'
    }),
}

describe('manifests', function () {
  this.timeout(60_000)

  it('have no fault in any environment: fields, policy, topology, Skaffold, Dockerfile, docker-compose', async () => {
    const { faults, skipped } = await deploymentFaults()
    for (const line of skipped) console.log(`      skipped: ${line}`)
    expect(faults).to.deep.equal([])
  })
  it('are examined by no rule without an example of what it catches', () => {
    expect(Object.keys(examples).sort()).to.deep.equal(Object.keys(rules).sort())
  })
  for (const [rule, example] of Object.entries(examples)) {
    it(`are refused where this does not hold: ${rule}`, () => {
      const faults = rules[rule]?.(example()) ?? []
      expect(faults, rule).to.have.length.of.at.least(1)
      // Which object, and what was expected of it.
      for (const fault of faults) expect(fault).to.match(/^[A-Z][A-Za-z]+ \S+: /)
    })
  }
  it('are refused in a release whose images are no digests', () => {
    const production = environmentOf('production')
    // Five images, the sender of mails and their relay.
    expect(policyFaults({ ...production, release: true })).to.have.length(7)
    const released = broken('production', (find) => {
      for (const service of ['auth', 'tenant', 'scheduler', 'executor', 'notifier'])
        Object.assign(container(find, service), { image: `registry.acme.io/${service}@sha256:${'a'.repeat(64)}` })
      find('ConfigMap', 'notifier-settings').data['MAIL_FROM'] = 'convergence@acme.io'
      find('FQDNNetworkPolicy', 'notifier').spec['egress'] = [{ matches: [{ name: 'smtp.acme.io' }] }]
    })
    expect(policyFaults({ ...released, release: true })).to.deep.equal([])
  })
  it('are refused with a field that is not known, of another type, or missing, whatever their kind', async () => {
    const wrong: [string, string, (object: Bad) => void, RegExp][] = [
      [
        'production',
        'Deployment auth',
        ({ spec }) => {
          spec.template.spec.containers[0]!['readinesProbe'] = {}
        },
        /readinesProbe/,
      ],
      [
        'production',
        'Deployment tenant',
        ({ spec }) => {
          spec.template.spec['securityContext'] = { runAsNonRoot: 'yes' }
        },
        /boolean/,
      ],
      [
        'production',
        'Deployment scheduler',
        ({ spec }) => {
          delete spec['selector']
        },
        /selector/,
      ],
      [
        'production',
        'HTTPRoute auth',
        ({ spec }) => {
          spec['rulez'] = []
        },
        /rulez/,
      ],
      [
        'production',
        'FQDNNetworkPolicy executor',
        ({ spec }) => {
          spec['ingress'] = []
        },
        /ingress/,
      ],
      [
        'staging',
        'ScaledObject executor',
        ({ spec }) => {
          spec['maxReplicas'] = 5
        },
        /maxReplicas/,
      ],
      [
        'production',
        'ExternalSecret auth-secrets',
        ({ spec }) => {
          spec['refresh'] = '1h'
        },
        /refresh/,
      ],
      [
        'platform-production',
        'PubSubSubscription executor.run-admitted',
        ({ spec }) => {
          spec['ackDeadline'] = 60
        },
        /ackDeadline/,
      ],
      [
        'platform-production',
        'KMSCryptoKey messages',
        ({ spec }) => {
          spec['rotation'] = '1s'
        },
        /rotation/,
      ],
      [
        'platform-production',
        'CloudSchedulerJob scheduler-tick',
        ({ spec }) => {
          spec['cron'] = '* * * * *'
        },
        /cron/,
      ],
    ]
    const rendered = [...new Set(wrong.map(([name]) => name))].map((name) => {
      const golden = readGolden(name)
      for (const [of, named, spoil] of wrong)
        if (of === name)
          spoil(golden.objects.find(({ kind, metadata }) => `${kind} ${metadata.name}` === named) as unknown as Bad)
      return golden
    })
    const faults = await fieldFaults(rendered)
    for (const [, named, , said] of wrong)
      expect(faults.filter((fault) => fault.includes(named)).join('\n'), named).to.match(said)
    expect(new Set(faults.map((fault) => fault.split(': ')[0])).size).to.equal(wrong.length)
  })
  it('are refused when topics, filters, dead letters or grants are not those of schemas/topology.yaml', () => {
    const spoiled = (spoil: (find: (kind: string, named: string) => Bad, objects: RenderedObject[]) => void) =>
      topologyFaults(broken('platform-production', spoil).objects)
    expect(
      spoiled((find) => {
        find('PubSubSubscription', 'tenant.run-admitted').spec['filter'] = ''
      }).join(),
    ).to.contain('tenant.run-admitted')
    expect(
      spoiled((_, objects) => {
        objects.splice(
          objects.findIndex(({ kind, metadata }) => kind === 'PubSubTopic' && metadata.name === 'run-failed'),
          1,
        )
      }).join(),
    ).to.contain('expects run-failed')
    const member = readGolden('platform-production').objects.find(({ kind }) => kind === 'IAMPolicyMember')
    expect(
      spoiled((_, objects) => {
        objects.push({
          ...member!,
          spec: {
            ...member!.spec,
            role: 'roles/pubsub.publisher',
            resourceRef: { kind: 'PubSubTopic', name: 'run-admitted' },
            member: 'principal://x/sa/notifier',
          },
        })
      }).join(),
    ).to.contain('notifier has roles/pubsub.publisher on PubSubTopic run-admitted is there')
    expect(
      spoiled((_, objects) => {
        objects.splice(
          objects.indexOf(
            objects.find(
              ({ kind, spec }) =>
                kind === 'IAMPolicyMember' && (spec as { role: string }).role === 'roles/cloudkms.cryptoKeyDecrypter',
            )!,
          ),
          1,
        )
      }).join(),
    ).to.contain('cryptoKeyDecrypter')
  })
  it('are refused when staging and production differ in more than they must', () => {
    const production = broken('production', (find) => {
      Object.assign(container(find), { resources: {} })
    })
    expect(differenceFaults(readGolden('staging').objects, production.objects)).to.have.length(1)
  })
  it('name a wrong Skaffold module, Dockerfile or compose file by place', () => {
    const skaffold = read('skaffold.yaml')
    expect(
      skaffoldFaults(skaffold.replace('k8s/overlays/production/executor', 'k8s/overlays/prod/executor')).join('\n'),
    )
      .to.contain('executor: k8s/overlays/prod/executor is no overlay')
      .and.contain('deployed alone')
    expect(
      skaffoldFaults(skaffold.replace('buildArgs: { SERVICE: tenant }', 'buildArgs: { SERVICE: auth }')).join(),
    ).to.contain('expected tenant, got auth')
    expect(skaffoldFaults(skaffold.replace('deploy: {', 'deply: {')).join()).to.contain('deply is not known')
    const dockerfile = read('Dockerfile')
    for (const [bad, said] of [
      [dockerfile.replace(/@sha256:[0-9a-f]+/, ''), /by digest, got node:24/],
      [dockerfile.replace('USER 65532:65532', 'USER root'), /stage service: expected USER/],
      [dockerfile.replace('npm ci --ignore', 'npm install --ignore'), /npm ci/],
      [dockerfile.replace('CMD ["services/service/src/main.ts"]', 'CMD node services/service/src/main.ts'), /form/],
      [`${dockerfile}ADD https://example.com/x /x\n`, /ADD/],
      [`${dockerfile}ENV API_KEY=x\n`, /no secret/],
      [dockerfile.replace('rm -rf libs/local-* libs/*/test && ', ''), /local cloud/],
    ] as const)
      expect(dockerfileFaults(bad).join('\n')).to.match(said)
    const compose = read('docker-compose.yml')
    expect(composeFaults(compose.replace('127.0.0.1:8000:8000', '8000:8000')).join()).to.contain('on 127.0.0.1 alone')
    expect(
      composeFaults(compose.replace('KMS_EMULATOR_HOST: local-cloud:9060', 'KMS_EMULATOR: local-cloud:9060')).join(),
    )
      .to.contain('expected KMS_EMULATOR_HOST')
      .and.contain('KMS_EMULATOR is not read')
  })
})

describe('what is deployed when something changes', function () {
  this.timeout(60_000)
  let graph: { graph: { dependencies: Record<string, { target: string }[]> } }
  before(() => {
    graph = JSON.parse(
      execFileSync(join(root, 'node_modules/.bin/nx'), ['graph', '--print'], {
        cwd: root,
        encoding: 'utf8',
        maxBuffer: 64 * 2 ** 20,
        env: { ...process.env, NX_DAEMON: 'false' },
      }),
    ) as typeof graph
  })
  const services = ['auth', 'tenant', 'scheduler', 'executor', 'notifier'].map((name) => `@convergence/${name}`)
  /** Services whose image holds something of this project: those that depend on it, directly or not. */
  const affected = (project: string): string[] => {
    const uses = (from: string, seen = new Set<string>()): boolean => {
      if (from === project) return true
      seen.add(from)
      return (graph.graph.dependencies[from] ?? []).some(({ target }) => !seen.has(target) && uses(target, seen))
    }
    return services.filter((service) => uses(service)).map((name) => name.replace('@convergence/', ''))
  }

  it('is that service alone, when a service changed', () => {
    for (const service of services)
      expect(affected(service), service).to.deep.equal([service.replace('@convergence/', '')])
  })
  it('is what reads pipelines, when a pipeline or a kind of step changed; what keeps secrets, when their door did; nothing, when the local cloud or a tool did', () => {
    expect(affected('@convergence/configs')).to.include.members(['auth', 'scheduler', 'executor'])
    expect(affected('@convergence/ps_templates')).to.include.members(['auth', 'scheduler', 'executor'])
    expect(affected('@convergence/schemas')).to.have.length(5)
    expect(affected('@convergence/objects')).to.include('executor')
    for (const tool of [
      '@convergence/local-warehouse',
      '@convergence/local-pubsub',
      '@convergence/tools',
      '@convergence/e2e',
    ])
      expect(affected(tool), tool).to.deep.equal([])
  })
  it('has nothing of the engines among what a service names: they would be installed into its image', () => {
    const seen = new Set<string>()
    const follow = (name: string) => {
      if (seen.has(name)) return
      seen.add(name)
      const folder = ['libs', 'services', '.']
        .map((each) => join(root, each, name.replace('@convergence/', ''), 'package.json'))
        .find((path) => {
          try {
            return readFileSync(path)
          } catch {
            return false
          }
        })
      if (folder === undefined) return
      const {
        dependencies = {},
        devDependencies = {},
        optionalDependencies = {},
        peerDependencies = {},
      } = JSON.parse(readFileSync(folder, 'utf8')) as Record<string, Record<string, string>>
      for (const each of Object.keys({
        ...dependencies,
        ...devDependencies,
        ...optionalDependencies,
        ...peerDependencies,
      }))
        follow(each)
    }
    for (const service of services) follow(service)
    expect([...seen].filter((name) => /\/local-|duckdb/.test(name))).to.deep.equal([])
    expect(seen).to.include('@google-cloud/pubsub')
  })
})
