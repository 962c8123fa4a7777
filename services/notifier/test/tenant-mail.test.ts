import { expect } from 'chai'
import type { AddressInfo } from 'node:net'
import { SMTPServer } from 'smtp-server'
import type { MailMessage } from '../src/channel.ts'
import { openSmtp } from '../src/smtp.ts'
import { openTenantMail } from '../src/tenant-mail.ts'

const message: MailMessage = {
  message_id: '<r_a.tell@convergence.local>',
  from: 'convergence@convergence.local',
  to: ['ops@acme.example'],
  subject: 'failed',
  text: 'why',
  possible_duplicate: false,
}
const url = 'smtps://alerts%40acme.example:canary@mail.acme.example'
const setup = (stored: string | undefined, addresses: readonly string[] | Error) => {
  const opened: Parameters<typeof openSmtp>[0][] = []
  const tenantMail = openTenantMail({
    credential: async () => (stored === undefined ? undefined : { url: stored }),
    resolve: async () => {
      if (addresses instanceof Error) throw addresses
      return addresses.map((address) => ({ address }))
    },
    open: (options) => {
      opened.push(options)
      return { send: async () => ({ kind: 'sent' }), close: async () => undefined }
    },
  })
  return { opened, own: () => tenantMail('acme') }
}

describe("a tenant's mail server", () => {
  it('is none where none is stored', async () => {
    expect(await setup(undefined, ['8.8.8.8']).own()).to.equal(undefined)
  })

  it('gets the mails, at the address that was checked, from its user', async () => {
    const { opened, own } = setup(url, ['93.184.215.14', '2606:2800:21f:cb07:6820:80da:af6b:8b2c'])
    const server = await own()
    expect(server?.from).to.equal('alerts@acme.example')
    expect(await server?.mail.send(message)).to.deep.equal({ kind: 'sent' })
    expect(opened).to.deep.equal([{ url, connect_to: '93.184.215.14' }])
    expect((await setup('smtp://user:canary@mail.acme.example:2525', ['8.8.8.8']).own())?.from).to.equal(undefined)
  })

  it('is refused at an address that is not public, also among good ones, and what is told has no secret', async () => {
    for (const [stored, addresses] of [
      [url, ['127.0.0.1']],
      [url, ['8.8.8.8', '169.254.169.254']],
      [url, ['::1']],
      ['smtp://user:canary@10.0.0.8', ['10.0.0.8']],
      ['smtp://user:canary@localhost', ['127.0.0.1']],
      ['http://user:canary@mail.acme.example', ['8.8.8.8']],
    ] as const) {
      const { opened, own } = setup(stored, addresses)
      const outcome = await (await own())?.mail.send(message)
      expect(outcome?.kind, stored).to.equal('refused')
      expect(JSON.stringify(outcome)).to.not.match(/canary/)
      expect(opened).to.deep.equal([])
    }
  })

  it('is tried again where its name is not resolved', async () => {
    expect(await (await setup(url, new Error('ENOTFOUND')).own())?.mail.send(message)).to.deep.include({
      kind: 'later',
      uncertain: false,
    })
  })

  it('is told nothing before TLS', async () => {
    const heard: string[] = []
    const server = new SMTPServer({
      authOptional: true,
      disabledCommands: ['STARTTLS'],
      logger: false,
      onMailFrom: ({ address }, _session, done) => {
        heard.push(address)
        done()
      },
    })
    server.on('error', () => undefined)
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve)
    })
    const { port } = server.server.address() as AddressInfo
    const mail = openSmtp({ url: `smtp://mail.acme.example:${port}`, connect_to: '127.0.0.1', timeout_ms: 5_000 })
    try {
      expect((await mail.send(message)).kind).to.not.equal('sent')
      expect(heard).to.deep.equal([])
    } finally {
      await mail.close()
      await new Promise<void>((resolve) => {
        server.close(resolve)
      })
    }
  })
})
