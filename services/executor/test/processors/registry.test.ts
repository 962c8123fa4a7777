import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import type { ProcessorDeps } from '../../src/processors/deps.ts'
import { processors } from '../../src/processors/registry.ts'

const names = Object.keys(processors({} as ProcessorDeps))

describe('the registry of processors', () => {
  it('is sorted, so that a name has one place', () => {
    expect(names).to.deep.equal([...names].sort())
  })
  it('names only processors that pass the standard suite: each has its test', () => {
    const tests = names.map((name) => `${name.replaceAll('.', '/')}.test.ts`)
    expect(tests.filter((path) => !existsSync(join(import.meta.dirname, path)))).to.deep.equal([])
  })
})
