import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'

const root = join(import.meta.dirname, '../..')
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
const commands = Object.entries(scripts).filter(([, line]) => /^node (--import \S+ )?tools\/\S+\.ts$/.test(line))

describe('every command of tools/', function () {
  this.timeout(120_000)

  const run = (line: string, ...args: string[]) => {
    const folder = mkdtempSync(join(tmpdir(), 'convergence-help-'))
    const words = line.split(' ').slice(1)
    const paths = words.map((word) => (word.includes('tools/') ? join(root, word) : word))
    const { status, stdout, stderr } = spawnSync(process.execPath, [...paths, ...args], {
      cwd: folder,
      env: { PATH: process.env['PATH'], HOME: folder },
      encoding: 'utf8',
    })
    const left = readdirSync(folder)
    rmSync(folder, { recursive: true })
    return { status, stdout, stderr, left }
  }
  for (const [name, line] of commands)
    it(`prints its usage with --help and does nothing else: ${name}`, () => {
      const { status, stdout, stderr, left } = run(line, '--help')
      expect([status, stderr, left]).to.deep.equal([0, '', []])
      expect(stdout.split('\n')[0]).to.match(name === 'start' ? /^npm start/ : new RegExp(`^npm run ${name}( --|$)`))
    })
  it('refuses what it does not know with the usage and exit code 2', () => {
    const { status, stderr } = run(scripts['samples'] ?? '')
    expect([status, stderr.split('\n')[0]]).to.deep.equal([2, 'convergence: expected a folder, got nothing'])
    expect(stderr).to.contain('npm run samples -- FOLDER [SEED]')
    expect(run(scripts['validate'] ?? '', '--fix').status).to.equal(2)
  })
})
