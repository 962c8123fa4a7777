/** Addresses on the open internet: where the platform sends what a tenant chose, and nowhere else. */
import { BlockList, isIP, isIPv6 } from 'node:net'

const closed = new BlockList()
for (const [net, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const)
  closed.addSubnet(net, prefix, 'ipv4')
for (const [net, prefix] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const)
  closed.addSubnet(net, prefix, 'ipv6')
const global6 = new BlockList()
global6.addSubnet('2000::', 3, 'ipv6')

/**
 * True for an address on the open internet; false for private, local, metadata, documentation, multicast and
 * embedded-IPv4 ones.
 */
export const isPublic = (address: string): boolean =>
  isIPv6(address) ? global6.check(address, 'ipv6') && !closed.check(address, 'ipv6') : !closed.check(address, 'ipv4')

/** Names that mean something inside of a network only. */
const insideNames = /^(?:localhost|.*\.(?:localhost|local|internal|intranet|lan|home|corp|private))\.?$/i

/** Whether a host of a URL may be on the open internet; what its name resolves to is looked at when it is used. */
export const mayBePublicHost = (hostname: string): boolean => {
  const bare = hostname.replace(/^\[|\]$/g, '')
  if (isIP(bare) !== 0) return isPublic(bare)
  return bare.includes('.') && !insideNames.test(bare)
}
