/** The example of the README runs as it is printed. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'

const folder = join(import.meta.dirname, '..')

it('the example of the README prints what it says', function () {
  this.timeout(60_000)
  const example = /```ts\n([^]*?)```/.exec(readFileSync(join(folder, 'README.md'), 'utf8'))?.[1] ?? ''
  const printed = execFileSync(process.execPath, ['--input-type=module-typescript', '-e', example], { cwd: folder })
  expect(printed.toString()).to.equal("[ [ '2026-03', '19.500000000' ] ]\n")
})
