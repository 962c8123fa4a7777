/**
 * Whether every object has the fields of its kind, no other, and of the right types. The published types of Kubernetes,
 * Config Connector,
 * GKE, Gateway API, KEDA and External Secrets are TypeScript; so each object is written as a literal of its type and
 * the compiler says what is
 * wrong: what is missing, what is not known, what is something else. The models' own checks find what types cannot say.
 */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import ts from 'typescript'
import type { Rendered, RenderedObject } from './render.ts'

const require = createRequire(import.meta.url)
const packages = [
  'kubernetes-models',
  '@kubernetes-models/gke',
  '@kubernetes-models/gateway-api',
  '@kubernetes-models/keda',
  '@kubernetes-models/external-secrets',
]

const labels = '{ matchLabels: Record<string, string> }'
/** All in one line: a fault is found by the line of its object. */
const objectOf = (...spec: string[]): string =>
  `{ apiVersion: string; kind: string; metadata: Metadata; spec: { ${spec.join('; ')} } }`

/** Kinds without a published type: the fields that are used here, after their reference pages. */
const own: Readonly<Record<string, string>> = {
  // cloud.google.com/kubernetes-engine/docs/how-to/fqdn-network-policies
  'networking.gke.io/v1alpha1/FQDNNetworkPolicy': objectOf(
    `podSelector: ${labels}`,
    'egress: { matches: ({ name: string } | { pattern: string })[]; ' +
      "ports?: { protocol: 'TCP' | 'UDP'; port: number }[] }[]",
  ),
  // github.com/GoogleCloudPlatform/prometheus-engine, doc/api.md
  'monitoring.googleapis.com/v1/PodMonitoring': objectOf(
    `selector: ${labels}`,
    'endpoints: { port: string | number; path?: string; interval: string; timeout?: string }[]',
  ),
}
/** Newer versions with the fields of an older one that a type is published for. */
const same: Readonly<Record<string, string>> = { 'external-secrets.io/v1': 'external-secrets.io/v1beta1' }

const modelOf = (apiVersion: string, kind: string): string | undefined => {
  const path = same[apiVersion] ?? apiVersion
  for (const name of packages) {
    try {
      return require.resolve(`${name}/${path}/${kind}`).replace(/\.m?js$/, '')
    } catch {
      // In another package, or in none.
    }
  }
  return undefined
}

export const nameOf = ({ overlay }: Pick<Rendered, 'overlay'>, { kind, metadata }: RenderedObject): string =>
  `${overlay} ${kind} ${metadata.name}`

/** Faults of all objects, each once: where, what was expected, what came. */
export const fieldFaults = async (rendered: readonly Rendered[]): Promise<string[]> => {
  const faults: string[] = []
  const lines = [
    'type Metadata = { name: string; namespace?: string; ' +
      'labels?: Record<string, string>; annotations?: Record<string, string> }',
  ]
  const places: string[] = ['']
  const seen = new Set<string>()
  for (const each of rendered)
    for (const object of each.objects) {
      const text = JSON.stringify(object)
      // The same object comes with its own overlay and with all of them.
      if (seen.has(text)) continue
      seen.add(text)
      const where = nameOf(each, object)
      const { apiVersion, kind } = object
      const model = modelOf(apiVersion, kind)
      const type =
        own[`${apiVersion}/${kind}`] ??
        (model === undefined
          ? undefined
          : `Omit<import(${JSON.stringify(`${model}.js`)}).I${kind}, 'apiVersion' | 'kind'> & ` +
            '{ apiVersion: string; kind: string }')
      if (type === undefined) {
        faults.push(`${where}: ${apiVersion} ${kind} is not known; add its fields to tools/k8s/fields.ts`)
        continue
      }
      // A literal of its own line: a fault's line is its object. Excess fields are found in the flat type alone, so it
      // is spread open.
      lines.push(`export const o${lines.length}: { [K in keyof (${type})]: (${type})[K] } = ${text}`)
      places.push(where)
      if (model !== undefined) {
        const module = (await import(`${model}.mjs`)) as Record<string, new (data: object) => { validate(): void }>
        const Model = module[kind]
        try {
          if (Model !== undefined)
            new Model(same[apiVersion] === undefined ? object : { ...object, apiVersion: same[apiVersion] }).validate()
        } catch (error) {
          faults.push(`${where}: ${error instanceof Error ? error.message.replace(/^data\.?/, '') : String(error)}`)
        }
      }
    }
  const file = join(import.meta.dirname, 'rendered.generated.ts')
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    module: ts.ModuleKind.Node16,
    moduleResolution: ts.ModuleResolutionKind.Node16,
    target: ts.ScriptTarget.ES2022,
    types: [],
  }
  const host = ts.createCompilerHost(options)
  const source = lines.join('\n')
  const [readFile, fileExists] = [host.readFile.bind(host), host.fileExists.bind(host)]
  host.readFile = (path) => (path === file ? source : readFile(path))
  host.fileExists = (path) => path === file || fileExists(path)
  const getSourceFile = host.getSourceFile.bind(host)
  host.getSourceFile = (path, version, ...rest) =>
    path === file ? ts.createSourceFile(path, source, version, true) : getSourceFile(path, version, ...rest)
  const program = ts.createProgram([file], options, host)
  const root = program.getSourceFile(file)
  for (const diagnostic of root === undefined
    ? []
    : [...program.getSyntacticDiagnostics(root), ...program.getSemanticDiagnostics(root)]) {
    const line = root?.getLineAndCharacterOfPosition(diagnostic.start ?? 0).line ?? 0
    const last = (message: string | ts.DiagnosticMessageChain): string => {
      if (typeof message === 'string') return message
      return message.next?.[0] === undefined ? message.messageText : last(message.next[0])
    }
    const { start = 0, length = 0 } = diagnostic
    const message = last(diagnostic.messageText).replaceAll(/import\("[^"]*"\)\./g, '')
    const at = source.slice(start, start + Math.min(length, 80))
    faults.push(`${places[line] ?? ''}: ${message.slice(0, 400)} (at ${at})`)
  }
  return faults
}
