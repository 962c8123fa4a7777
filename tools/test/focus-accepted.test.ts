import { expect } from 'chai'
import { acceptedOf, readAccepted } from '../focus/accepted.ts'

describe('what judges of FOCUS may find', () => {
  it('is the table of the documentation, each line once and with a reason', () => {
    const accepted = acceptedOf()
    expect(accepted).to.deep.include({
      judge: 'focus-validator',
      rule: 'InvoiceId-C-004-C',
      tenants: ['acme_corp', 'globex'],
    })
    const names = accepted.map(({ judge, rule }) => `${judge} ${rule}`)
    expect(names).to.deep.equal([...new Set(names)])
  })
  it('is refused without a reason, or where there is no table', () => {
    const head = '## Judges\n\n| judge | rule | exports | why |\n|---|---|---|---|\n'
    expect(readAccepted(`${head}| a | \`b\` | x, y | since |\n\n## Next\n| c | d | e | f |\n`)).to.deep.equal([
      { judge: 'a', rule: 'b', tenants: ['x', 'y'] },
    ])
    expect(() => readAccepted(`${head}| a | b | all |  |\n`)).to.throw('expected judge, rule, exports and why')
    expect(() => readAccepted('## Other\n')).to.throw('expected a table')
  })
})
