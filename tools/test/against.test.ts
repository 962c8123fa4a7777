import { expect } from 'chai'
import { compare, comparisonText } from '../bench/against.ts'

const round = (rate: number, cpu: number) => [
  { name: 'runs', unit: 'runs/s', values: [rate] },
  { name: 'cpu', unit: 'ms', values: [cpu, cpu, 99] },
]

describe('bench --against', () => {
  it('compares round by round, and knows that more runs are better and more time is worse', () => {
    const comparisons = compare([
      { before: round(300, 4), now: round(330, 5) },
      { before: round(100, 8), now: round(110, 10) },
      { before: round(200, 4), now: round(200, 4) },
    ])
    expect(comparisons.map(({ name, before, now }) => [name, before, now])).to.deep.equal([
      ['runs', 200, 200],
      ['cpu', 4, 5],
    ])
    expect(comparisons.map(({ gain }) => gain)).to.deep.equal([1.1, 0.8])
    const [runs = '', cpu = ''] = comparisonText(comparisons)
    expect(runs).to.contain('ratio 1.100 (1.000 to 1.100, n=3)  in order')
    expect(cpu).to.contain('20.0 % behind')
  })
  it('leaves out what one side does not measure', () => {
    expect(compare([{ before: [], now: round(1, 1) }])).to.deep.equal([])
  })
})
