import { holdings, type AppError } from '@convergence/contracts'
import { expect } from 'chai'
import { openRoom } from '../src/holdings.ts'
import type { Store } from '../src/store.ts'

describe('what a tenant may have', () => {
  const world = () => {
    const names: string[] = []
    const store = { tenant: async () => ({ plan: 'STARTER' }) } as unknown as Pick<Store, 'tenant'>
    const room = openRoom({ store })
    const put = (name: string | undefined, made = name ?? `made-${names.length}`) =>
      room
        .forOneMore({ tenant_id: 'acme_corp', kind: 'schedules', name, there: async () => [...names] }, async () => {
          await new Promise((resolve) => setImmediate(resolve))
          if (!names.includes(made)) names.push(made)
          return 'made'
        })
        .catch((error: unknown) => (error as AppError).message)
    return { names, put }
  }

  it('is as many of a kind as its plan says, also when they are asked for at once; what is there can be changed', async () => {
    const { names, put } = world()
    const outcomes = await Promise.all(Array.from({ length: 50 }, (_, n) => put(`s${n}`)))
    const most = holdings.STARTER.schedules
    expect(names).to.have.length(most)
    expect(outcomes.slice(0, most)).to.deep.equal(Array.from({ length: most }, () => 'made'))
    expect(new Set(outcomes.slice(most))).to.deep.equal(
      new Set(['tenant acme_corp has 20 schedules, and its plan STARTER has 20; remove one, or change the plan']),
    )
    expect(await put('s0')).to.equal('made')
    expect(await put(undefined)).to.contain('remove one')
    names.pop()
    expect(await put(undefined)).to.equal('made')
  })

  it('grows with the plan', () => {
    for (const kind of ['schedules', 'credentials', 'keys'] as const) {
      const numbers = Object.values(holdings).map((each) => each[kind])
      expect(numbers).to.deep.equal([...numbers].sort((a, b) => a - b))
      // Their lists have 500 entries at most.
      expect(Math.max(...numbers)).to.be.lessThan(500)
    }
  })
})
