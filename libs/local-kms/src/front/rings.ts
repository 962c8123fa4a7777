/** Key rings: made, read, listed. */
import type * as grpc from '@grpc/grpc-js'
import { protoRing } from './shapes.ts'
import { idOf, method, nameOf, page, partsOf, ringAt, type FrontState, type Page } from './state.ts'

export const ringMethods = (front: FrontState): grpc.UntypedServiceImplementation => ({
  ...method(front, 'CreateKeyRing', ({ parent, keyRingId }: { parent: string; keyRingId: string }) => {
    const name = `${partsOf(front, parent, 'location').join('/')}/${idOf('key_ring_id', keyRingId)}`
    return protoRing(front, name, front.keyring.createRing(name))
  }),
  ...method(front, 'GetKeyRing', ({ name }: { name: string }) =>
    protoRing(front, nameOf(front, name, 'ring'), ringAt(front, nameOf(front, name, 'ring'))),
  ),
  ...method(front, 'ListKeyRings', ({ parent, ...request }: Page & { parent: string }) => {
    const [location = ''] = partsOf(front, parent, 'location')
    const { shown, ...rest } = page(
      Object.entries(front.keyring.rings()).filter(([name]) => name.startsWith(`${location}/`)),
      request,
    )
    return { keyRings: shown.map(([name, ring]) => protoRing(front, name, ring)), ...rest }
  }),
})
