import type { LookupAddress } from 'node:dns'
import { createServer, type AddressInfo } from 'node:net'
import { expect } from 'chai'
import { AppError } from '@convergence/contracts'
import { isPublic } from '@convergence/contracts/public-address'
import type { Secrets } from '@convergence/secrets'
import { openSlack, postPublic, publicOnly, webhookOf, type Answer } from '../src/slack.ts'
import { openCredentials } from '../src/credentials.ts'
import { openWebhooks } from '../src/webhooks.ts'

const url = 'https://hooks.slack.com/services/T0AB/B0CD/canary0123456789'
const signal = new AbortController().signal
const setup = (answer: Answer | Error) => {
  const seen: string[] = []
  const slack = openSlack({
    post: async (target, body) => {
      seen.push(`${target.hostname} ${body}`)
      if (answer instanceof Error) throw answer
      return answer
    },
  })
  return { seen, slack }
}

describe('Slack', () => {
  it('gets text and channel', async () => {
    const { slack, seen } = setup({ status: 200 })
    expect(await slack.post({ url, channel: '#alerts', text: 'hello' }, signal)).to.deep.equal({ kind: 'sent' })
    expect(seen).to.deep.equal(['hooks.slack.com {"text":"hello","channel":"#alerts"}'])
  })

  it('may ask for patience; other answers are final', async () => {
    const outcomes = await Promise.all(
      [
        { status: 429, retry_after: '30' },
        { status: 503 },
        { status: 302 },
        { status: 404 },
        { status: 429, retry_after: 'soon' },
      ].map((answer) => setup(answer).slack.post({ url, text: 'x' }, signal)),
    )
    expect(outcomes).to.deep.equal([
      { kind: 'later', reason: 'Slack answered 429', uncertain: false, after_ms: 30_000 },
      { kind: 'later', reason: 'Slack answered 503', uncertain: false },
      { kind: 'refused', reason: 'Slack answered 302, a redirect; none is followed' },
      { kind: 'refused', reason: 'Slack answered 404' },
      { kind: 'later', reason: 'Slack answered 429', uncertain: false },
    ])
  })

  it('keeps the URL out of what it says when the network fails', async () => {
    const outcome = await setup(Object.assign(new Error(`connect ${url}`), { code: 'ECONNRESET' })).slack.post(
      { url, text: 'x' },
      signal,
    )
    expect(outcome).to.deep.equal({ kind: 'later', reason: 'Slack was not reached (ECONNRESET)', uncertain: true })
  })

  it('is asked at its own address and nowhere else', async () => {
    const { slack, seen } = setup({ status: 200 })
    for (const wrong of [
      'http://hooks.slack.com/services/T0/B0/x1',
      'https://hooks.slack.com.evil.io/services/T0/B0/x1',
      'https://hooks.slack.com@evil.io/services/T0/B0/x1',
      'https://user:pw@hooks.slack.com/services/T0/B0/x1',
      'https://hooks.slack.com:8443/services/T0/B0/x1',
      'https://hooks.slack.com/services/T0/B0/x1?a=b',
      'https://hooks.slack.com/services/T0/B0/x1#a',
      'https://hooks.slack.com/services/T0/B0/x1/',
      'https://hooks.slack.com/services/T0/B0/../x1',
      'https://HOOKS.slack.com/services/T0/B0/x1',
      'https://evil.io/https://hooks.slack.com/services/T0/B0/x1',
      'https://169.254.169.254/services/T0/B0/x1',
      'https://localhost/services/T0/B0/x1',
      'https://2130706433/services/T0/B0/x1',
      'https://0x7f000001/services/T0/B0/x1',
      'https://hooks.slack.com\\@evil.io/services/T0/B0/x1',
      `${url}\n`,
      ` ${url}`,
      'https://hooks.slack.com/workflows/T0/B0/x1',
      'https://hooks.slаck.com/services/T0/B0/x1',
      '',
    ]) {
      expect(() => webhookOf(wrong), wrong)
        .to.throw(AppError)
        .and.satisfy((error: Error) => wrong === '' || !error.message.includes(wrong))
      expect(
        await slack.post({ url: wrong, text: 'x' }, signal).catch((error: unknown) => (error as AppError).code),
      ).to.equal('CONFIG_INVALID')
    }
    expect(seen).to.deep.equal([])
  })
})

describe('addresses on the open internet', () => {
  it('are told from all others', () => {
    for (const address of ['3.68.175.1', '52.29.1.1', '2600:1f14::1', '2a05:d014::1'])
      expect(isPublic(address), address).to.equal(true)
    for (const address of [
      '127.0.0.1',
      '0.0.0.0',
      '10.1.2.3',
      '172.16.0.1',
      '172.31.255.255',
      '192.168.1.1',
      '169.254.169.254',
      '100.64.0.1',
      '224.0.0.1',
      '255.255.255.255',
      '198.18.0.1',
      '192.0.2.1',
      '::1',
      '::',
      'fe80::1',
      'fc00::1',
      'fd00:ec2::254',
      '::ffff:169.254.169.254',
      '::ffff:8.8.8.8',
      '64:ff9b::a9fe:a9fe',
      '2002:a9fe:a9fe::1',
      '2001:db8::1',
      '2001::1',
      'ff02::1',
    ])
      expect(isPublic(address), address).to.equal(false)
  })

  const answering = (...addresses: LookupAddress[]) =>
    publicOnly((_hostname, _options, callback) => {
      callback(null, addresses)
    })
  it('are the only ones that a socket gets: one bad answer is enough', (done) => {
    answering({ address: '3.68.175.1', family: 4 }, { address: '169.254.169.254', family: 4 })(
      'hooks.slack.com',
      {},
      (error) => {
        expect(error).to.include({ code: 'FORBIDDEN' })
        answering({ address: '3.68.175.1', family: 4 })('hooks.slack.com', {}, (none, address, family) => {
          expect([none, address, family]).to.deep.equal([null, '3.68.175.1', 4])
          answering()('hooks.slack.com', { all: true }, (nothing) => {
            expect(nothing).to.include({ code: 'FORBIDDEN' })
            done()
          })
        })
      },
    )
  })

  it('are asked for by the real request: a name that points home meets no server', async () => {
    let connections = 0
    const server = createServer((socket) => {
      connections++
      socket.destroy()
    })
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve)
    })
    const target = new URL(url)
    target.port = String((server.address() as AddressInfo).port)
    const error = await postPublic((_hostname, _options, callback) => {
      callback(null, [{ address: '127.0.0.1', family: 4 }])
    })(target, '{}', signal).then(
      () => undefined,
      (reason: unknown) => reason,
    )
    expect(error).to.include({ code: 'FORBIDDEN' })
    await new Promise((resolve) => {
      server.close(resolve)
    })
    expect(connections).to.equal(0)
  })
})

describe("a tenant's webhook", () => {
  const secrets: Secrets = {
    seal: async () => '',
    open: async (purpose, sealed, aad) => `${purpose} ${sealed} ${aad}`,
    close: async () => undefined,
  }
  it('is opened by the name of the credential, bound to its tenant', async () => {
    const asked: unknown[] = []
    const webhook = openWebhooks(
      openCredentials({
        secrets,
        warehouse: {
          query: async ({ parameters = [] }) => {
            asked.push(...parameters.map(({ value }) => value))
            return [{ sealed: 'v1.x.y', fields: null, version: 3 }]
          },
        },
      }),
    )
    expect(await webhook('acme', 'slack', 'ops_hook')).to.equal(
      'notify-targets v1.x.y tenant_cloud_credentials|acme|ops_hook|3',
    )
    expect(asked).to.deep.equal(['acme', 'ops_hook'])
  })

  it('is a field of what was stored by fields', async () => {
    const webhook = openWebhooks(
      openCredentials({
        secrets: { ...secrets, open: async () => JSON.stringify({ webhook_url: url }) },
        warehouse: { query: async () => [{ sealed: 'v1.x.y', fields: 'webhook_url', version: 1 }] },
      }),
    )
    expect(await webhook('acme', 'slack', 'slack')).to.equal(url)
  })

  it('is never a URL in a config, and the error does not repeat it', async () => {
    const webhook = openWebhooks(openCredentials({ secrets, warehouse: { query: async () => [] } }))
    const codes = await Promise.all(
      [url, 'ops_hook'].map((ref) =>
        webhook('acme', 'slack', ref).then(
          () => undefined,
          (error: unknown) => error as AppError,
        ),
      ),
    )
    expect(codes.map((error) => error?.code)).to.deep.equal(['CONFIG_INVALID', 'NOT_FOUND'])
    expect(codes[0]?.message).not.to.contain('canary')
  })
})
