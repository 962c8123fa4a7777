/**
 * Google's own GoogleSQL engine as the judge: a Java program over `com.google.zetasql`, whose source and pinned versions
 * are in ../shared/tools/googlesql-oracle. It is built once into a cache folder and asked line by line.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Answer, Shape, Value } from './answer.ts'
import type { QueryParameter } from './warehouse.ts'

const source = join(import.meta.dirname, '../../../shared/tools/googlesql-oracle')
const files = ['pom.xml', 'Oracle.java']
/** Kept from one run to the next, by what it is made of. */
const cache = (): string => {
  const hash = createHash('sha256')
  for (const file of files) hash.update(readFileSync(join(source, file)))
  const root = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  return join(root, 'convergence', `googlesql-oracle-${hash.digest('hex').slice(0, 16)}`)
}
const isThere = (command: string): boolean => spawnSync(command, ['-version'], { stdio: 'ignore' }).status === 0

/** Why there is no judge here; undefined when there can be one. */
export const missingJudge = (): string | undefined => {
  if (!files.every((file) => existsSync(join(source, file)))) return '../shared/tools/googlesql-oracle is not here'
  const lacking = ['java', 'javac', 'mvn'].filter((command) => !isThere(command))
  return lacking.length === 0 ? undefined : `${lacking.join(', ')} not found`
}
/** The folder of the built judge, or why it could not be built. */
export const buildJudge = (): { folder: string } | { missing: string } => {
  const folder = cache()
  if (existsSync(folder)) return { folder }
  mkdirSync(join(folder, '..'), { recursive: true })
  const making = mkdtempSync(`${folder}-`)
  try {
    for (const file of files) cpSync(join(source, file), join(making, file))
    const steps = [
      ['mvn', '-q', '-B', 'dependency:copy-dependencies', '-DoutputDirectory=lib'],
      ['javac', '-cp', 'lib/*', 'Oracle.java'],
    ]
    for (const [command = '', ...args] of steps) {
      const { status, stderr, stdout } = spawnSync(command, args, { cwd: making, encoding: 'utf8' })
      const words = `${stdout}${stderr}`.trim().split('\n').at(-1) ?? ''
      if (status !== 0) return { missing: `the judge could not be built: ${command}: ${words}` }
      // The lite classes hide the full ones.
      for (const jar of readdirSync(join(making, 'lib')))
        if (jar.includes('darwin') || jar.startsWith('protobuf-javalite')) rmSync(join(making, 'lib', jar))
    }
    renameSync(making, folder)
    return { folder }
  } finally {
    rmSync(making, { recursive: true, force: true })
  }
}

/** The judge's types are texts such as ARRAY<STRUCT<a INT64, STRING>>. */
export const shapeOfType = (type: string): Shape => {
  let at = 0
  const word = (): string => {
    const match = /^(?:`[^`]*`|[\w$]+)(?:\([\d, ]*\))?/.exec(type.slice(at))?.[0] ?? ''
    at += match.length
    return match
  }
  const read = (): Shape => {
    const name = word()
    if (type[at] !== '<') return { kind: 'scalar', type: name }
    at += 1
    if (name !== 'STRUCT') {
      const of = read()
      at += 1
      return { kind: 'array', of }
    }
    const fields: { name: string | undefined; shape: Shape }[] = []
    while (at < type.length && type[at] !== '>') {
      const named = /^(`[^`]*`|\w+) (?=[A-Z])/.exec(type.slice(at))?.[1]
      if (named !== undefined) at += named.length + 1
      fields.push({ name: named?.replaceAll('`', ''), shape: read() })
      if (type[at] === ',') at += 2
    }
    at += 1
    return { kind: 'struct', fields }
  }
  return read()
}
/** A tagged value (`i:` INT64, `d:` DATE ...) as the REST API would have it. */
const valueOf = (shape: Shape, tagged: unknown): Value => {
  if (tagged === null) return null
  if (typeof tagged === 'boolean') return String(tagged)
  if (shape.kind === 'array') return (tagged as unknown[]).map((one) => valueOf(shape.of, one))
  if (shape.kind === 'struct')
    return (tagged as unknown[])
      .slice(1)
      .map((field, at) => valueOf(shape.fields[at]?.shape ?? shape, (field as [string, unknown])[1]))
  return (tagged as string).replace(/^[a-z]+:/, '')
}

type Line = { columns?: [string, string][]; rows?: unknown[][]; ok?: number; error?: string }
export interface Judge {
  ask(sql: string, parameters?: readonly QueryParameter[]): Promise<Answer>
  /** Makes a table of a query's rows; later statements know it by this name. */
  lay(table: string, sql: string): Promise<void>
  close(): void
}
const answerMs = 30_000

export const openJudge = (folder: string): Judge => {
  const laid: { table: string; sql: string }[] = []
  let child: ChildProcess | undefined
  let waiting: ((line: Line | undefined) => void)[] = []
  const start = (): ChildProcess => {
    const made = spawn('java', ['-cp', 'lib/*:.', 'Oracle'], { cwd: folder, stdio: ['pipe', 'pipe', 'ignore'] })
    createInterface({ input: made.stdout }).on('line', (line) => {
      if (line.startsWith('{')) waiting.shift()?.(JSON.parse(line) as Line)
    })
    const gone = (): void => {
      if (child === made) child = undefined
      for (const resolve of waiting.splice(0)) resolve(undefined)
    }
    made.once('exit', gone)
    made.once('error', gone)
    made.stdin.on('error', () => undefined)
    return made
  }
  const send = (request: object): Promise<Line | undefined> =>
    new Promise((resolve) => {
      const running = child
      if (running === undefined) {
        resolve(undefined)
        return
      }
      const timer = setTimeout(() => running.kill('SIGKILL'), answerMs)
      waiting.push((line) => {
        clearTimeout(timer)
        resolve(line)
      })
      running.stdin?.write(`${JSON.stringify(request)}\n`)
    })
  /** A judge that died forgot its tables. */
  const revive = async (): Promise<void> => {
    if (child !== undefined) return
    waiting = []
    child = start()
    for (const one of laid) await send(one)
  }
  return {
    ask: async (sql, parameters = []) => {
      await revive()
      const params = Object.fromEntries(parameters.map(({ name, type, value }) => [name, { type, value }]))
      const line = await send(parameters.length === 0 ? { sql } : { sql, params })
      if (line === undefined) return { error: 'the judge died of it', refused: true }
      if (line.error !== undefined) return { error: line.error, refused: false }
      const columns = (line.columns ?? []).map(([name, type]) => ({
        name: name === '' || name.startsWith('$') ? undefined : name,
        shape: shapeOfType(type),
      }))
      const rows = (line.rows ?? []).map((row) =>
        row.map((value, at) => valueOf(columns[at]?.shape ?? { kind: 'scalar', type: '' }, value)),
      )
      return { columns, rows }
    },
    lay: async (table, sql) => {
      await revive()
      const line = await send({ table, sql })
      if (line?.ok === undefined) throw new Error(`the judge does not take table ${table}: ${line?.error ?? 'it died'}`)
      laid.push({ table, sql })
    },
    close: () => {
      child?.kill()
    },
  }
}
