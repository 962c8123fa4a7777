/**
 * Checks what no test sees: generated files are what schemas/ says, the lock file is sane, every link and command of
 * the documentation
 * exists, and what is deployed is as it should be (tools/k8s/check.ts). Prints each fault with its place; exit 1 on
 * any.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { runCommand } from './command.ts'
import { deploymentFaults } from './k8s/check.ts'

const root = join(import.meta.dirname, '..')
const faults: string[] = []
const fault = (place: string, what: string) => faults.push(`${place}: ${what}`)

/** Markdown files of the project. */
const pages = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name === 'node_modules' || entry.name.startsWith('.')) return []
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return pages(path)
    return entry.name.endsWith('.md') ? [path] : []
  })

const checkLinks = () => {
  const scripts = Object.keys(
    (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }).scripts,
  )
  for (const page of pages(root)) {
    const name = relative(root, page)
    readFileSync(page, 'utf8')
      .split('\n')
      .forEach((line, index) => {
        for (const [, target] of line.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
          if (target === undefined || /^[a-z]+:/.test(target)) continue
          if (!existsSync(join(dirname(page), target)))
            fault(`${name}:${index + 1}`, `links to ${target}, which does not exist`)
        }
        for (const [, script] of line.matchAll(/`npm run ([a-z][a-z0-9:-]*)/g)) {
          if (script !== undefined && !scripts.includes(script))
            fault(`${name}:${index + 1}`, `names \`npm run ${script}\`, which package.json does not have`)
        }
      })
  }
}

/** Every test that the page names as `FILE: title` is in that file under that title, and what holds names one. */
const checkShown = (page: string) => {
  readFileSync(join(root, page), 'utf8')
    .split('\n')
    .forEach((line, index) => {
      const place = `${page}:${index + 1}`
      for (const [, file = '', title = ''] of line.matchAll(/`([a-z0-9/_-]+\.[a-z]+\.ts): ([^`]+)`/g)) {
        const path = join(root, file)
        if (!existsSync(path)) fault(place, `names ${file}, which does not exist`)
        else if (!/(?:describe|it)\(/.test(readFileSync(path, 'utf8')) || !readFileSync(path, 'utf8').includes(title))
          fault(place, `names a test "${title}", which ${file} does not have`)
      }
      const [, said] = /\| (works|holds)/.exec(line) ?? []
      if (said !== undefined && !/`[^`]+\.ts: /.test(line)) fault(place, `says ${said} and names no test`)
    })
}

const checkLockFile = () => {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<
      string,
      { link?: boolean; integrity?: string; resolved?: string; hasInstallScript?: boolean; version?: string }
    >
  }
  // Packages whose install script may be left unrun: each with the reason.
  const harmless: Record<string, string> = {
    'node_modules/nx': 'only prints and warms a cache',
    'node_modules/fsevents': 'macOS only, prebuilt',
    'node_modules/core-js': 'only prints (comes with @google-cloud/bigquery-storage)',
    'node_modules/protobufjs': 'only warns of a version range in the manifest that depends on it',
  }
  for (const [path, entry] of Object.entries(lock.packages)) {
    if (!path.includes('node_modules/') || entry.link) continue
    if (entry.integrity === undefined) fault('package-lock.json', `${path} has no integrity`)
    if (entry.hasInstallScript && !(path in harmless))
      fault(
        'package-lock.json',
        `${path} has an install script; allow it in tools/verify.ts with a reason, or do without`,
      )
  }
  const manifests = [
    'package.json',
    'tools/package.json',
    'e2e/package.json',
    ...['libs', 'services'].flatMap((folder) =>
      readdirSync(join(root, folder)).map((name) => `${folder}/${name}/package.json`),
    ),
  ]
  for (const manifest of manifests) {
    const { dependencies = {}, devDependencies = {} } = JSON.parse(
      readFileSync(join(root, manifest), 'utf8'),
    ) as Record<string, Record<string, string>>
    for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
      if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) fault(manifest, `${name} is not pinned exactly: ${version}`)
    }
  }
}

const run = (what: string, args: string[]) => {
  try {
    execFileSync(process.execPath, args, { cwd: root, stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' })
  } catch (error) {
    fault(what, String((error as { stderr?: string }).stderr ?? error).trim())
  }
}

const help = `
Checks what no test sees: generated files, pipelines and templates, links and commands of the documentation, lock file
and pins, manifests, image and compose file. Names each fault with its place; exit code 1 on any.
`

await runCommand({ name: 'npm run verify', help }, async () => {
  run('generated files', ['tools/generate.ts', '--check'])
  run('pipelines and templates', ['tools/validate.ts'])
  checkLinks()
  for (const page of ['docs/FEATURES.md', 'docs/SECURITY.md']) checkShown(page)
  checkLockFile()
  const deployment = await deploymentFaults()
  faults.push(...deployment.faults)
  for (const line of deployment.skipped) console.log(`verify: skipped ${line}`)
  for (const line of faults) console.error(line)
  if (faults.length > 0) process.exitCode = 1
  else
    console.log(
      'verify: generated files, pipelines, links, lock file, pins, manifests of every overlay, image and compose ' +
        'file are in order',
    )
})
