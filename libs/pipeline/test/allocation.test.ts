/** What is wrong with rules of allocation, and how they are read and written. */
import type { AppError } from '@convergence/contracts'
import { allocationFaults, readAllocation, writeAllocation, type Allocation } from '@convergence/pipeline/allocation'
import { expect } from 'chai'

describe('allocation rules', () => {
  it('has every fault of its rules named at once, with its place', () => {
    const rules = [
      { name: 'A', match: { service: [] } },
      { name: 'b', to: 'x', to_value_of: 'tag:!' },
      { name: 'b', match: { servic: ['x'] }, split: { method: 'fixed', parts: { x: 0.1234567 }, targets: ['y'] } },
      { name: 'c', to: 'unallocated' },
      { name: 'd', split: { method: 'even' } },
      { name: 'e', split: { method: 'even', parts: { x: 1 }, targets: ['x'] } },
      { name: 'f' },
    ]
    const faults = allocationFaults({ rules })
    const expected = [
      'rules[0].name: expected at most 64 of a-z',
      'rules[0].match.service: expected at least 1, got 0',
      'rules[1]: expected one of to, to_value_of and split, got 2',
      'rules[1].to_value_of: expected provider, service',
      'rules[2].name: expected another than that of rules[1], got "b"',
      'rules[2].match.servic: expected provider, service',
      'rules[2].split: targets are not of method fixed',
      'rules[2].split.parts.x: expected a number with at most 6 digits',
      'rules[3].to: unallocated is what no rule gives to anybody',
      'rules[4].split: targets are missing',
      'rules[5].split: parts are of method fixed alone',
      'rules[6]: expected one of to, to_value_of and split, got none',
    ]
    for (const each of expected)
      expect(faults.filter((fault) => fault.startsWith(each)).length, `${each} in ${faults.join('\n')}`).to.equal(1)
    expect(faults).to.have.length(expected.length)
    const meant: Allocation = {
      rules: [
        { name: 'a', to: 'web' },
        { name: 'b', split: { method: 'proportional', targets: ['wbe'] } },
      ],
    }
    expect(allocationFaults(meant)).to.deep.equal([
      'rules[1].split.targets[0]: no rule gives cost to "wbe", did you mean "web"?',
    ])
    for (const name of [' ', 'a\nb', 'a\u0000b', '\u007f'])
      expect(
        allocationFaults({
          rules: [
            { name: 'a', to: name },
            { name: 'b', split: { method: 'fixed', parts: { [name]: 1 } } },
            { name: 'c', split: { method: 'even', targets: [name] } },
          ],
        }),
        JSON.stringify(name),
      ).to.have.length(3)
    for (const value of [undefined, null, [], 'x', {}, { rules: 1 }, { rules: [null] }])
      expect(allocationFaults(value), JSON.stringify(value)).to.have.length(1)
    const many = { rules: Array.from({ length: 101 }, (_, k) => ({ name: `r${k}`, to: 'x' })) }
    expect(allocationFaults(many)).to.deep.equal(['rules: expected at most 100, got 101'])
  })
  it('are a file whose faults have their lines, and that reads as it was written', () => {
    const rules: Allocation = {
      rules: [
        { name: 'web', match: { 'tag:team': ['web', 'www*', ''] }, to: 'web' },
        { name: 'support', split: { method: 'fixed', parts: { web: 66.5, '007': 1 } } },
      ],
    }
    expect(readAllocation('rules.yml', writeAllocation(rules))).to.deep.equal(rules)
    const text = 'rules:\n  - name: web\n    match: { servic: [EC2] }\n    to: web\n  - name: Web\n    to: web\n'
    try {
      readAllocation('rules.yml', text)
      expect.fail('was read')
    } catch (error) {
      expect((error as AppError).faults.map((fault) => fault.slice(0, 48))).to.deep.equal([
        'rules.yml:3:14 rules[0].match.servic: expected p',
        'rules.yml:5:11 rules[1].name: expected at most 6',
      ])
    }
  })
})
