import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { errorTable, schemasFolder, topology, topics } from '@convergence/contracts'

const root = join(import.meta.dirname, '..', '..')

/** The text of all that runs: services, libraries and tools, without tests and what is generated. */
const sources = (): string => {
  const below = (folder: string): string[] =>
    readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return ['node_modules', 'test'].includes(entry.name) ? [] : below(path)
      return /(?<!\.generated)\.ts$/.test(entry.name) ? [readFileSync(path, 'utf8')] : []
    })
  return ['services', 'libs', 'tools'].flatMap((folder) => below(join(root, folder))).join('\n')
}
const unquoted = (names: readonly string[], text: string) => names.filter((name) => !text.includes(`'${name}'`))

interface Schema {
  properties?: Record<string, Schema & { enum?: string[] }>
  items?: Schema
}
const eventSchema = (name: string) =>
  JSON.parse(readFileSync(join(schemasFolder, 'events', `${name}.v1.json`), 'utf8')) as Schema
const fieldsOf = ({ properties = {}, items }: Schema): string[] => [
  ...Object.entries(properties).flatMap(([name, schema]) => [name, ...fieldsOf(schema)]),
  ...(items === undefined ? [] : fieldsOf(items)),
]

describe('the contract has nothing that nobody uses', () => {
  const text = sources()

  it('every error code is made somewhere', () => {
    expect(unquoted(Object.keys(errorTable), text)).to.deep.equal([])
  })
  it('every example of an error is worded as the code words it', () => {
    const examples = JSON.parse(readFileSync(join(schemasFolder, 'errors.json'), 'utf8')) as Record<
      string,
      { example?: string }
    >
    const invented = Object.entries(examples).filter(([, { example = '' }]) => {
      const words = example.split(' ')
      const pieces = words.slice(2).map((_, k) => words.slice(k, k + 3).join(' '))
      return !pieces.some((piece) => piece.length >= 10 && text.includes(piece))
    })
    expect(invented.map(([code]) => code)).to.deep.equal([])
  })
  it('every topic is read, and every reader consumes', () => {
    for (const topic of topics) {
      const { readers, feed } = topology[topic]
      expect([...Object.keys(readers), ...(feed === undefined ? [] : [feed])], topic).not.to.deep.equal([])
    }
    const missing = topics.flatMap((topic) =>
      Object.keys(topology[topic].readers)
        .filter((service) => !text.includes(`consume('${service}', '${topic}'`))
        .map((service) => `${service}.${topic}`),
    )
    expect(missing).to.deep.equal([])
  })
  it('every way to start a run is taken', () => {
    for (const event of ['run', 'run-requested'])
      expect(unquoted(eventSchema(event).properties?.['trigger_type']?.enum ?? ['none'], text), event).to.deep.equal([])
  })
  it('every field of an event is named by code', () => {
    const words = new Set(text.match(/\w+/g))
    for (const topic of ['run', ...topics])
      expect(
        fieldsOf(eventSchema(topic)).filter((name) => !words.has(name)),
        topic,
      ).to.deep.equal([])
  })
})
