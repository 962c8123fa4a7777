import { retryPauseMs } from '@convergence/warehouse'
import { expect } from 'chai'

describe('the pause between attempts', () => {
  const pauses = (shape: Parameters<typeof retryPauseMs>[3], chance: number) =>
    [0, 1, 2, 3, 4].map((k) => retryPauseMs(k, 5, () => chance, shape) / 1000)

  it('doubles up to a minute, with half of it left to chance', () => {
    expect(pauses({}, 1)).to.deep.equal([5, 10, 20, 40, 60])
    expect(pauses({}, 0)).to.deep.equal([2.5, 5, 10, 20, 30])
    expect(retryPauseMs(0, 600, () => 1)).to.equal(600_000)
  })
  it('is constant, capped, or left to chance altogether where the policy says so', () => {
    expect(pauses({ backoff: 'constant', jitter: 'none' }, 0.3)).to.deep.equal([5, 5, 5, 5, 5])
    expect(pauses({ jitter: 'none', max_delay_seconds: 12 }, 0.3)).to.deep.equal([5, 10, 12, 12, 12])
    expect(pauses({ jitter: 'full' }, 0)).to.deep.equal([0, 0, 0, 0, 0])
    expect(pauses({ jitter: 'full', max_delay_seconds: 600 }, 1)).to.deep.equal([5, 10, 20, 40, 80])
  })
})
