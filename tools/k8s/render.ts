/**
 * Overlays as kustomize renders them. Needs kubectl or kustomize; where neither is there, callers say that they
 * skipped.
 */
import { execFile, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { promisify } from 'node:util'
import { parseAllDocuments, stringify } from 'yaml'

export interface Rendered {
  /** Path of the overlay from the root. */
  overlay: string
  objects: RenderedObject[]
}
export interface RenderedObject {
  apiVersion: string
  kind: string
  metadata: { name: string; namespace?: string; labels?: Record<string, string>; annotations?: Record<string, string> }
  spec?: Record<string, unknown>
  data?: Record<string, string>
  [more: string]: unknown
}

const root = join(import.meta.dirname, '../..')

/** The command that renders, or undefined. */
export const kustomize = (): string[] | undefined =>
  [
    ['kubectl', 'kustomize'],
    ['kustomize', 'build'],
  ].find(([command = '', ...given]) => spawnSync(command, [...given, '--help'], { stdio: 'ignore' }).status === 0)

/** Every folder below k8s that is rendered by itself: overlays, all together and one by one. */
export const overlays = (): string[] => {
  const found: string[] = []
  for (const folder of ['k8s/overlays', 'k8s/platform/overlays'])
    for (const environment of readdirSync(join(root, folder))) {
      const at = join(folder, environment)
      for (const each of [at, ...readdirSync(join(root, at)).map((name) => join(at, name))])
        if (existsSync(join(root, each, 'kustomization.yaml'))) found.push(each)
    }
  return found.sort()
}

const cache = new Map<string, Promise<Rendered>>()
/** Rejects with what kustomize said. */
export const render = (command: readonly string[], overlay: string): Promise<Rendered> => {
  const known =
    cache.get(overlay) ??
    (async () => {
      const [file = '', ...given] = command
      const { stdout } = await promisify(execFile)(file, [...given, join(root, overlay)], {
        maxBuffer: 64 * 2 ** 20,
      }).catch((error: unknown) => {
        const said = (error as { stderr?: string }).stderr ?? String(error)
        throw new Error(`${overlay}: ${said.replaceAll(root, '').trim().slice(0, 1000)}`)
      })
      return {
        overlay: relative('.', overlay),
        objects: parseAllDocuments(stdout).map((document) => document.toJS() as RenderedObject),
      }
    })()
  cache.set(overlay, known)
  return known
}

// ---- golden renders

/**
 * Overlays whose render is kept in k8s/golden: what a change does to the cluster is seen in review, and checked where
 * kustomize is not installed.
 */
export const goldens: Readonly<Record<string, string>> = {
  local: 'k8s/overlays/local',
  staging: 'k8s/overlays/staging',
  production: 'k8s/overlays/production',
  'platform-staging': 'k8s/platform/overlays/staging',
  'platform-production': 'k8s/platform/overlays/production',
}
const goldenFile = (name: string): string => join(root, 'k8s/golden', `${name}.yaml`)
export const readGolden = (name: string): Rendered => ({
  overlay: goldens[name] ?? name,
  objects: parseAllDocuments(readFileSync(goldenFile(name), 'utf8')).map(
    (document) => document.toJS() as RenderedObject,
  ),
})
export const writeGoldens = async (command: readonly string[]): Promise<void> => {
  mkdirSync(join(root, 'k8s/golden'), { recursive: true })
  await Promise.all(
    Object.entries(goldens).map(async ([name, overlay]) => {
      const { objects } = await render(command, overlay)
      const text = objects.map((object) => stringify(object, { lineWidth: 0 })).join('---\n')
      writeFileSync(goldenFile(name), `# What ${overlay} renders to, for review; npm run generate writes it.\n${text}`)
    }),
  )
}
