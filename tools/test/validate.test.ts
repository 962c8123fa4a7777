import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'

const root = join(import.meta.dirname, '../..')
const validate = (...files: string[]): Promise<{ status: number; lines: string[]; errors: string }> =>
  new Promise((resolve) => {
    execFile(process.execPath, [join(root, 'tools/validate.ts'), ...files], { cwd: root }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : Number(error.code), lines: stdout.trimEnd().split('\n'), errors: stderr })
    })
  })
const withFile = async (text: string, use: (file: string) => Promise<void>): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), 'convergence-validate-'))
  try {
    const file = join(folder, 'mine.yml')
    writeFileSync(file, text)
    await use(file)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

describe('npm run validate', () => {
  it('finds everything in the repository in order, examples too', async () => {
    const { status, lines, errors } = await validate()
    expect(errors).to.equal('')
    expect(lines).to.have.length(1)
    expect(lines[0]).to.match(/^\d+ pipelines, (\d+) templates, \1 examples and \d+ saved queries are in order$/)
    expect(status).to.equal(0)
  })
  it('takes files, says a line per fault, counts, and exits with 1', () =>
    withFile(
      'pipeline_id: mine\ndescription: x\nsteps:\n  - { id: a, ps_type: custom.noop }\n  - { step_id: b, ps_type: custom.nop }\n',
      async (file) => {
        const { status, lines, errors } = await validate('configs/gcp/cost/billing.yml', file)
        expect(errors).to.equal('')
        expect(lines).to.have.length(3)
        expect(lines[0]).to.match(/mine\.yml:4:7 {3}steps\[0\]: unknown field "id", the name is "step_id"$/)
        expect(lines[1]).to.match(
          /mine\.yml:5:28 {2}steps\[1\]\.ps_type: unknown "custom\.nop", did you mean "custom\.noop"\?$/,
        )
        expect(lines[2]).to.equal('2 faults in 1 of 2 files')
        expect(status).to.equal(1)
      },
    ))
  it('says in words that a file is not there', async () => {
    const { status, lines } = await validate('no-such.yml')
    expect(lines).to.deep.equal(['no-such.yml:1:1  cannot be read: there is no such file', '1 fault in 1 of 1 file'])
    expect(status).to.equal(1)
  })
})
