/**
 * What `npm run verify` checks of everything that is deployed, without a cluster and without a container daemon:
 * renders, fields, policy, the
 * platform against the topology, Skaffold's modules, the Dockerfile, docker-compose. All faults at once.
 */
import { existsSync, readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { join } from 'node:path'
import { DockerfileParser } from 'dockerfile-ast'
import { validate as validateDockerfile } from 'dockerfile-utils'
import { parse, parseAllDocuments } from 'yaml'
import { allSubscriptions } from '@convergence/bus'
import { deadLetterName, serviceNames, topics } from '@convergence/contracts'
import { fieldFaults } from './fields.ts'
import { conditions, grants, placeholders } from './platform.ts'
import { policyFaults, type Environment } from './policy.ts'
import { goldens, kustomize, overlays, readGolden, render, type Rendered, type RenderedObject } from './render.ts'

const root = join(import.meta.dirname, '../..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

export const environmentOf = (name: string): Environment => {
  const { objects } = readGolden(name)
  return { name: name.replace('platform-', '') as Environment['name'], objects }
}

/** Topics, subscriptions and grants of a platform are those of schemas/topology.yaml, no more and no fewer. */
export const topologyFaults = (platform: readonly RenderedObject[]): string[] => {
  const faults: string[] = []
  const compare = (what: string, expected: readonly string[], found: readonly string[]) => {
    for (const each of expected)
      if (!found.includes(each)) faults.push(`${what}: schemas/topology.yaml expects ${each}, it is not there`)
    for (const each of found)
      if (!expected.includes(each)) faults.push(`${what}: ${each} is there, schemas/topology.yaml does not name it`)
  }
  const of = (kind: string) => platform.filter((object) => object.kind === kind)
  const all = allSubscriptions()
  const dead = all.map(({ name }) => deadLetterName(name))
  compare(
    'topics',
    [...topics, ...dead],
    of('PubSubTopic').map(({ metadata }) => metadata.name),
  )
  compare(
    'subscriptions',
    [
      ...all.map(({ name, topic, filter, max_delivery_attempts }) =>
        [name, topic, filter ?? '', deadLetterName(name), max_delivery_attempts].join(' | '),
      ),
      ...dead.map((name) => [name, name, '', '', ''].join(' | ')),
    ],
    of('PubSubSubscription').map(({ metadata, spec }) => {
      const {
        topicRef,
        filter = '',
        deadLetterPolicy,
      } = spec as {
        topicRef: { name: string }
        filter?: string
        deadLetterPolicy?: { deadLetterTopicRef: { name: string }; maxDeliveryAttempts: number }
      }
      return [
        metadata.name,
        topicRef.name,
        filter,
        deadLetterPolicy?.deadLetterTopicRef.name ?? '',
        deadLetterPolicy?.maxDeliveryAttempts ?? '',
      ].join(' | ')
    }),
  )
  const neutral = (text: string) =>
    text
      .replaceAll(/\d{12}/g, placeholders.number)
      .replaceAll(/convergence-(staging|production)/g, placeholders.project)
  compare(
    'grants',
    grants()
      .map(
        ({ resource, role, member, condition }) =>
          `${member.split('/').at(-1) ?? ''} has ${role} on ${resource.kind} ${resource.name}` +
          (condition === undefined ? '' : ` where ${conditions[condition].expression}`),
      )
      .map(neutral),
    of('IAMPolicyMember').map(({ spec }) => {
      const { member, role, resourceRef, condition } = spec as {
        member: string
        role: string
        resourceRef: { kind: string; name?: string; external?: string }
        condition?: { expression: string }
      }
      const name = resourceRef.name ?? resourceRef.external?.split('/').at(-1) ?? ''
      return neutral(
        `${member.split('/').at(-1) ?? ''} has ${role} on ${resourceRef.kind} ${name}` +
          (condition === undefined ? '' : ` where ${condition.expression}`),
      )
    }),
  )
  return faults
}

/** Staging and production differ where they must: in the environment's name, its project, and how they scale. */
const mayDiffer = (kind: string): boolean => kind === 'HorizontalPodAutoscaler' || kind === 'ScaledObject'
export const differenceFaults = (
  staging: readonly RenderedObject[],
  production: readonly RenderedObject[],
): string[] => {
  const neutral = (object: RenderedObject): RenderedObject =>
    JSON.parse(
      JSON.stringify(object)
        .replaceAll(/convergence-(staging|production)/g, 'PROJECT')
        .replaceAll(/-settings-[a-z0-9]{10}"/g, '-settings"')
        .replaceAll(/"environment":"(staging|production)"/g, '"environment":"E"')
        .replaceAll(/"ENVIRONMENT":"(staging|production)"/g, '"ENVIRONMENT":"E"')
        .replaceAll(/\d{12}/g, 'NUMBER'),
    ) as RenderedObject
  const keyed = (objects: readonly RenderedObject[]) =>
    new Map(
      objects
        .map(neutral)
        .filter(({ kind }) => !mayDiffer(kind))
        .map((object) => [`${object.kind} ${object.metadata.name}`, object]),
    )
  const [one, other] = [keyed(staging), keyed(production)]
  return [...new Set([...one.keys(), ...other.keys()])].flatMap((name) =>
    isDeepStrictEqual(one.get(name), other.get(name))
      ? []
      : [`${name}: expected the same in staging and production but for project, environment and scaling`],
  )
}

interface Module {
  metadata?: { name?: string }
  build?: Build
  manifests?: Manifests
  profiles?: { name: string; build?: Build; manifests?: Manifests }[]
  [more: string]: unknown
}
interface Build {
  artifacts?: { image: string; docker?: { dockerfile?: string; target?: string; buildArgs?: { SERVICE?: string } } }[]
}
interface Manifests {
  kustomize?: { paths?: string[] }
}

/** Of every service a module that builds it and deploys it alone, with files that are there. */
export const skaffoldFaults = (text: string): string[] => {
  const modules = parseAllDocuments(text).map((document) => document.toJS() as Module)
  const faults: string[] = []
  const known = ['apiVersion', 'kind', 'metadata', 'build', 'manifests', 'deploy', 'profiles']
  for (const each of modules) {
    const name = each.metadata?.name ?? '?'
    for (const field of Object.keys(each))
      if (!known.includes(field))
        faults.push(`skaffold.yaml ${name}: ${field} is not known; expected of ${known.join(', ')}`)
    for (const part of [each, ...(each.profiles ?? [])]) {
      for (const path of part.manifests?.kustomize?.paths ?? [])
        if (!existsSync(join(root, path, 'kustomization.yaml')))
          faults.push(`skaffold.yaml ${name}: ${path} is no overlay`)
      for (const { image, docker } of part.build?.artifacts ?? []) {
        if (docker?.dockerfile !== 'Dockerfile' || !['service', 'local'].includes(docker.target ?? ''))
          faults.push(`skaffold.yaml ${name}: ${image}: expected Dockerfile with target service or local`)
        if ((serviceNames as readonly string[]).includes(image) && docker?.buildArgs?.SERVICE !== image)
          faults.push(
            `skaffold.yaml ${name}: ${image}: buildArgs.SERVICE: expected ${image}, ` +
              `got ${docker?.buildArgs?.SERVICE ?? 'nothing'}`,
          )
      }
    }
  }
  for (const service of serviceNames) {
    const own = modules.find(({ metadata }) => metadata?.name === service)
    if (own === undefined) faults.push(`skaffold.yaml: expected a module ${service}`)
    else {
      const paths = [own, ...(own.profiles ?? [])].flatMap(({ manifests }) => manifests?.kustomize?.paths ?? [])
      for (const environment of ['local', 'staging', 'production'])
        if (!paths.includes(`k8s/overlays/${environment}/${service}`))
          faults.push(
            `skaffold.yaml ${service}: expected k8s/overlays/${environment}/${service}, so that it is deployed alone`,
          )
    }
  }
  return faults
}

/**
 * Images by digest, nobody root at the end, nothing fetched by ADD, no secret in an argument, what is installed is what
 * the lock file says.
 */
export const dockerfileFaults = (text: string): string[] => {
  const faults = validateDockerfile(text).map(
    ({ message, range }) =>
      `Dockerfile:${range.start.line + 1}: ${typeof message === 'string' ? message : message.value}`,
  )
  const parsed = DockerfileParser.parse(text)
  const values = new Map(
    parsed
      .getARGs()
      .map((argument) => [argument.getProperty()?.getName() ?? '', argument.getProperty()?.getValue() ?? '']),
  )
  const stages = new Map<string, string[]>()
  let stage = ''
  for (const instruction of parsed.getInstructions()) {
    const line = `Dockerfile:${instruction.getRange().start.line + 1}`
    const [keyword, rest] = [instruction.getKeyword(), instruction.getArgumentsContent() ?? '']
    if (keyword === 'FROM') {
      const [image = '', , name = ''] = rest.split(/\s+/)
      stage = name
      stages.set(stage, [])
      const resolved = image.replace(/\$\{(\w+)\}/g, (_, argument: string) => values.get(argument) ?? '')
      if (!stages.has(image) && !/@sha256:[0-9a-f]{64}$/.test(resolved))
        faults.push(`${line}: expected an image by digest, got ${resolved || image}`)
    }
    stages.get(stage)?.push(`${keyword} ${rest}`)
    if (keyword === 'ADD') faults.push(`${line}: expected COPY: ADD fetches and unpacks`)
    if ((keyword === 'ARG' || keyword === 'ENV') && /(KEY|SECRET|TOKEN|PASSWORD)/i.test(rest))
      faults.push(`${line}: expected no secret in ${keyword}: whoever has the image has it`)
    if (/npm (install|i)\b/.test(rest)) faults.push(`${line}: expected npm ci, which takes what the lock file says`)
    if ((keyword === 'CMD' || keyword === 'ENTRYPOINT') && !rest.trim().startsWith('['))
      faults.push(`${line}: expected the form ["..."]: a shell does not pass signals on`)
  }
  for (const target of ['service', 'local']) {
    const lines = stages.get(target)
    if (lines === undefined) faults.push(`Dockerfile: expected a stage ${target}`)
    else if (!/^USER [1-9]\d*(:[1-9]\d*)?$/.test(lines.findLast((each) => each.startsWith('USER')) ?? ''))
      faults.push(`Dockerfile: stage ${target}: expected USER with a number that is not 0`)
  }
  if (!/^RUN rm -rf libs\/local-\*/m.test(text))
    faults.push('Dockerfile: expected the engines of the local cloud to be removed from what is deployed')
  return faults
}

/** Each service as a container that reaches nothing but the local cloud; only auth is reached, on loopback. */
export const composeFaults = (text: string): string[] => {
  const { services } = parse(text, { merge: true }) as {
    services: Record<
      string,
      { environment?: Record<string, string>; ports?: string[]; read_only?: boolean; cap_drop?: string[] }
    >
  }
  const faults: string[] = []
  for (const service of serviceNames) {
    const own = services[service]
    if (own === undefined) {
      faults.push(`docker-compose.yml: expected ${service}`)
      continue
    }
    const schema = JSON.parse(read(`services/${service}/env.schema.json`)) as {
      properties: object
      else: { required: string[] }
    }
    const names = Object.keys(own.environment ?? {})
    for (const name of schema.else.required)
      if (!names.includes(name)) faults.push(`docker-compose.yml ${service}: expected ${name}`)
    for (const name of names)
      if (!(name in schema.properties)) faults.push(`docker-compose.yml ${service}: ${name} is not read by it`)
  }
  for (const [name, { ports = [], read_only, cap_drop }] of Object.entries(services)) {
    for (const port of ports)
      if (!port.startsWith('127.0.0.1:'))
        faults.push(`docker-compose.yml ${name}: ports: expected on 127.0.0.1 alone, got ${port}`)
    if (read_only !== true || cap_drop?.includes('ALL') !== true)
      faults.push(`docker-compose.yml ${name}: expected read_only and cap_drop ALL`)
  }
  return faults
}

/** All faults, and what could not be looked at. */
export const deploymentFaults = async (): Promise<{ faults: string[]; skipped: string[] }> => {
  const faults: string[] = []
  const skipped: string[] = []
  const golden: Rendered[] = Object.keys(goldens).map(readGolden)
  const command = kustomize()
  if (command === undefined)
    skipped.push(
      'rendering: neither kubectl nor kustomize is installed; the renders in k8s/golden were checked instead',
    )
  else {
    const rendered = await Promise.all(
      overlays().map((overlay) =>
        render(command, overlay).catch((error: unknown) => {
          faults.push(String(error))
          return undefined
        }),
      ),
    )
    for (const each of golden) {
      const now = rendered.find((one) => one?.overlay === each.overlay)
      if (now !== undefined && !isDeepStrictEqual(now.objects, each.objects))
        faults.push(
          `k8s/golden: ${each.overlay} renders to something else; run npm run generate and look at what changes`,
        )
    }
  }
  faults.push(...(await fieldFaults(golden)))
  for (const name of Object.keys(goldens)) faults.push(...policyFaults(environmentOf(name)))
  for (const name of ['platform-staging', 'platform-production'])
    faults.push(...topologyFaults(readGolden(name).objects).map((fault) => `${name}: ${fault}`))
  for (const prefix of ['', 'platform-'])
    faults.push(...differenceFaults(readGolden(`${prefix}staging`).objects, readGolden(`${prefix}production`).objects))
  faults.push(
    ...skaffoldFaults(read('skaffold.yaml')),
    ...dockerfileFaults(read('Dockerfile')),
    ...composeFaults(read('docker-compose.yml')),
  )
  return { faults, skipped }
}
