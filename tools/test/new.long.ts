import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { expect } from 'chai'

const root = join(import.meta.dirname, '../..')
const workspaces = (folder: string): string[] =>
  ['libs', 'services'].flatMap((group) => readdirSync(join(folder, group)).map((name) => `${group}/${name}`))

/** The repository without its history: sources are copied, what others wrote is linked. */
const copyOf = (folder: string): void => {
  for (const each of [
    'libs',
    'services',
    'schemas',
    'configs',
    'ps_templates',
    'tools/new.ts',
    'tools/command.ts',
    'tools/compile-cache.mjs',
    '.mocharc.json',
    'docs',
  ])
    cpSync(join(root, each), join(folder, each), { recursive: true, filter: (path) => !path.endsWith('node_modules') })
  cpSync(join(root, 'package.json'), join(folder, 'package.json'))
  const modules = join(folder, 'node_modules')
  mkdirSync(join(modules, '@convergence'), { recursive: true })
  for (const each of readdirSync(join(root, 'node_modules')))
    if (each !== '@convergence') symlinkSync(join(root, 'node_modules', each), join(modules, each))
  for (const each of [...workspaces(folder), 'schemas', 'configs', 'ps_templates']) {
    const { name } = JSON.parse(readFileSync(join(folder, each, 'package.json'), 'utf8')) as { name: string }
    symlinkSync(join(folder, each), join(modules, name))
    const own = join(root, each, 'node_modules')
    if (existsSync(own)) symlinkSync(own, join(folder, each, 'node_modules'))
  }
}

describe('npm run new', function () {
  this.timeout(300_000)
  let folder = ''
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'convergence-new-'))
    copyOf(folder)
  })
  after(() => {
    rmSync(folder, { recursive: true, force: true })
  })
  const run = (...words: string[]) => spawnSync(process.execPath, words, { cwd: folder, encoding: 'utf8' })
  const make = (...words: string[]) => run('tools/new.ts', ...words)
  const files = () =>
    ['services', 'ps_templates', 'configs', 'schemas'].flatMap((each) =>
      readdirSync(join(folder, each), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => relative(folder, join(entry.parentPath, entry.name))),
    )

  it('makes a kind of step that passes the standard suite at once, and says what to do next', () => {
    const { status, stdout, stderr } = make('processor', 'custom.my_step')
    expect([status, stderr]).to.deep.equal([0, ''])
    expect(stdout).to.contain('npx mocha services/executor/test/processors/custom/my_step.test.ts')
    const names = [
      ...readFileSync(join(folder, 'services/executor/src/processors/registry.ts'), 'utf8').matchAll(/^ {4}'(.+)':/gm),
    ].map(([, name]) => name)
    expect(names).to.include('custom.my_step')
    expect(names).to.deep.equal([...names].sort())
    const tested = run(
      'node_modules/mocha/bin/mocha.js',
      'services/executor/test/processors/custom/my_step.test.ts',
      'services/executor/test/processors/registry.test.ts',
      'libs/pipeline/test/files.test.ts',
    )
    expect(tested.status, `${tested.stdout}${tested.stderr}`).to.equal(0)
  })

  it('makes a pipeline that is in order', () => {
    expect(make('pipeline', 'custom/examples/mine').status).to.equal(0)
    const tested = run('node_modules/mocha/bin/mocha.js', 'libs/pipeline/test/files.test.ts', '--grep', 'mine.yml')
    expect(tested.stdout, tested.stderr).to.contain('1 passing')
  })

  it('refuses names that are taken or malformed, and leaves everything as it was', () => {
    const before = files()
    for (const [words, status, message] of [
      [['processor', 'custom.noop'], 1, 'services/executor/src/processors/custom/noop.ts exists'],
      [['processor', 'my_step'], 2, 'expected <provider>.<step>'],
      [['processor', 'custom.MyStep'], 2, 'expected <provider>.<step>'],
      [['processor', '../x.y'], 2, 'expected <provider>.<step>'],
      [['processor', 'scheduler.mine'], 2, 'scheduler is of the scheduler'],
      [['pipeline', 'gcp/cost/billing'], 1, 'configs/gcp/cost/billing.yml exists'],
      [['pipeline', '../../x'], 2, 'expected <provider>/<domain>/<name>'],
      [['pipeline', 'setup/tenants/mine'], 2, 'setup/ is of the platform itself'],
      [['processor'], 2, 'expected one name after processor, got none'],
      [['service', 'x'], 2, 'expected processor or pipeline, got "service"'],
    ] as const) {
      const made = make(...words)
      expect(made.status, made.stderr).to.equal(status)
      expect(made.stderr).to.contain(message)
    }
    expect(files()).to.deep.equal(before)
  })
})
