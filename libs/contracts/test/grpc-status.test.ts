import { expect } from 'chai'
import { grpcStatus, isTransientStatus, statusNameOf, statusOf } from '@convergence/contracts/grpc-status'

const failed = (code: unknown) => Object.assign(new Error('failed'), { code })

describe('the status of a gRPC error', () => {
  it('is named as gRPC numbers it, and UNKNOWN where an error has none', () => {
    expect([1, 5, 6, 7, 14, 16].map((code) => statusNameOf(failed(code)))).to.deep.equal([
      'CANCELLED',
      'NOT_FOUND',
      'ALREADY_EXISTS',
      'PERMISSION_DENIED',
      'UNAVAILABLE',
      'UNAUTHENTICATED',
    ])
    for (const error of [failed('ECONNREFUSED'), failed(99), new Error('x'), 'x', undefined])
      expect(statusNameOf(error)).to.equal('UNKNOWN')
    expect(statusOf(failed('ECONNREFUSED'))).to.equal(undefined)
  })
  it('is worth another call for what passes: not for what is forbidden, absent, wrong or there already', () => {
    const names = Object.entries(grpcStatus).flatMap(([name, status]) => (isTransientStatus(status) ? [name] : []))
    expect(names).to.deep.equal([
      'CANCELLED',
      'UNKNOWN',
      'DEADLINE_EXCEEDED',
      'RESOURCE_EXHAUSTED',
      'ABORTED',
      'INTERNAL',
      'UNAVAILABLE',
    ])
  })
})
