import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { simpleParser, type AddressObject, type ParsedMail } from 'mailparser'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import { openMailFolder } from '@convergence/notifier/mail-folder'
import type { MailMessage, Outcome } from '../src/channel.ts'
import { openSmtp } from '../src/smtp.ts'

const message: MailMessage = {
  message_id: `<r_${'a'.repeat(26)}.mail@convergence.local>`,
  from: 'convergence@example.com',
  to: ['ops@example.com'],
  subject: 'Übersicht: FAILED',
  text: 'Grüße\n.\nline',
  possible_duplicate: false,
}
const addressesOf = (mail: ParsedMail) =>
  (Array.isArray(mail.to) ? mail.to : mail.to === undefined ? [] : [mail.to]).flatMap(({ value }: AddressObject) =>
    value.map(({ address }) => address),
  )

interface Received {
  envelope: string[]
  mail: ParsedMail
}
/** A real server on a free port; `options` make it misbehave. */
const withServer = async (
  options: SMTPServerOptions,
  body: (context: { send: (more?: Partial<MailMessage>) => Promise<Outcome>; received: Received[] }) => Promise<void>,
) => {
  const received: Received[] = []
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    logger: false,
    onData: (stream, session, done) => {
      simpleParser(stream).then((mail) => {
        received.push({ envelope: session.envelope.rcptTo.map(({ address }) => address), mail })
        done()
      }, done)
    },
    ...options,
  })
  server.on('error', () => undefined)
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const mail = openSmtp({ url: `smtp://127.0.0.1:${(server.server.address() as AddressInfo).port}`, timeout_ms: 2_000 })
  try {
    await body({ received, send: (more) => mail.send({ ...message, ...more }) })
  } finally {
    await mail.close()
    await new Promise<void>((resolve) => {
      server.close(resolve)
    })
  }
}
const answer = (code: number, text: string) => Object.assign(new Error(text), { responseCode: code })

describe('mail through a server', () => {
  it('arrives as it was written, under its own id', () =>
    withServer({}, async ({ send, received }) => {
      expect(await send({ to: ['ops@example.com', 'second@example.com'], possible_duplicate: true })).to.deep.equal({
        kind: 'sent',
      })
      const [one] = received
      expect(one?.envelope).to.deep.equal(['ops@example.com', 'second@example.com'])
      expect(addressesOf(one!.mail)).to.deep.equal(['ops@example.com', 'second@example.com'])
      expect([
        one?.mail.messageId,
        one?.mail.subject,
        one?.mail.text?.trim(),
        one?.mail.headers.get('x-possible-duplicate'),
      ]).to.deep.equal([message.message_id, message.subject, message.text, 'yes'])
      expect(one?.mail.attachments).to.deep.equal([])
    }))

  it('has one recipient per entry, whatever an entry says', () =>
    withServer({}, async ({ send, received }) => {
      for (const address of [
        'b@x.io\r\nBcc: evil@x.io',
        'b@x.io, evil@x.io',
        'b@x.io;evil@x.io',
        '"evil@x.io" <b@x.io>',
        'b@x.io\nRCPT TO:<evil@x.io>',
      ]) {
        await send({ to: [address] })
      }
      await send({ subject: 'hello\r\nBcc: evil@x.io\r\n\r\nbody' })
      for (const { envelope, mail } of received) {
        expect(envelope).to.have.length(1)
        expect(envelope).not.to.include('evil@x.io')
        expect(mail.bcc).to.equal(undefined)
      }
      expect(received.at(-1)?.envelope).to.deep.equal(['ops@example.com'])
    }))

  it('is refused for good by a 5xx, and put off by a 4xx', async () => {
    for (const [code, kind] of [
      [550, 'refused'],
      [451, 'later'],
    ] as const) {
      await withServer(
        {
          onRcptTo: (_address, _session, done) => {
            done(answer(code, 'not this one'))
          },
        },
        async ({ send, received }) => {
          const outcome = await send()
          expect(outcome.kind).to.equal(kind)
          if (outcome.kind !== 'sent') expect(outcome.reason).to.contain(String(code))
          expect(received).to.deep.equal([])
        },
      )
      await withServer(
        {
          onData: (stream, _session, done) => {
            stream
              .on('end', () => {
                done(answer(code, 'not this'))
              })
              .resume()
          },
        },
        async ({ send }) => {
          expect((await send()).kind).to.equal(kind)
        },
      )
    }
  })

  it('reaches those whom the server takes, and says who is left', () =>
    withServer(
      {
        onRcptTo: ({ address }, _session, done) => {
          done(
            address.startsWith('gone')
              ? answer(550, 'unknown')
              : address.startsWith('busy')
                ? answer(451, 'later')
                : undefined,
          )
        },
      },
      async ({ send, received }) => {
        const outcome = await send({ to: ['ops@example.com', 'gone@example.com', 'busy@example.com'] })
        expect(outcome).to.deep.include({ kind: 'later', uncertain: false, to: ['busy@example.com'] })
        expect(outcome.kind === 'later' ? outcome.note : '').to.contain('gone@example.com')
        expect(received[0]?.envelope).to.deep.equal(['ops@example.com'])
        const second = await send({ to: ['ops@example.com', 'gone@example.com'] })
        expect(second.kind).to.equal('sent')
      },
    ))

  it('may have arrived when the connection breaks after the content', async () => {
    // The least that a server can say; it hangs up where it should say that it has the mail.
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.write('220 here\r\n')
      let content = false
      socket.on('data', (data) => {
        const text = data.toString()
        if (content && text.includes('\r\n.\r\n')) socket.destroy()
        else if (!content) {
          content = text.startsWith('DATA')
          socket.write(content ? '354 go on\r\n' : '250 ok\r\n')
        }
      })
    })
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve)
    })
    const mail = openSmtp({ url: `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`, timeout_ms: 2_000 })
    const outcome = await mail.send(message)
    await mail.close()
    await new Promise((resolve) => {
      server.close(resolve)
    })
    expect(outcome).to.include({ kind: 'later', uncertain: true })
  })

  it('is put off when nobody listens', async () => {
    const probe = createServer()
    await new Promise<void>((resolve) => {
      probe.listen(0, '127.0.0.1', resolve)
    })
    const { port } = probe.address() as AddressInfo
    await new Promise((resolve) => {
      probe.close(resolve)
    })
    const mail = openSmtp({ url: `smtp://127.0.0.1:${port}`, timeout_ms: 1_000 })
    expect(await mail.send(message)).to.include({ kind: 'later', uncertain: false })
    await mail.close()
  })

  it('is not set up with an address that is none, and the error does not repeat it', () => {
    for (const url of ['', 'http://example.com', 'user:canary@host', 'smtp://'])
      expect(() => openSmtp({ url }), url)
        .to.throw('SMTP_URL')
        .and.satisfy((error: Error) => !error.message.includes('canary'))
  })
})

describe('mail into a folder', () => {
  const withFolder = async (body: (folder: string) => Promise<void>) => {
    const folder = mkdtempSync(join(tmpdir(), 'convergence-mail-'))
    try {
      await body(folder)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }

  it('is one file per mail that a mail program reads; a repeat takes the place of the first', () =>
    withFolder(async (root) => {
      const folder = join(root, 'mail')
      const mail = openMailFolder({ folder, now: () => new Date('2026-01-02T03:04:05Z') })
      const subject = `Ein längerer Betreff über die Kosten — ${'größer '.repeat(15)}`.trim()
      await mail.send(message)
      await mail.send({
        ...message,
        subject,
        to: ['ops@example.com', 'second@example.com'],
        text: `Grüße ${'x'.repeat(200)}`,
        possible_duplicate: true,
      })
      expect(readdirSync(folder)).to.have.length(1)
      const text = readFileSync(join(folder, readdirSync(folder)[0]!))
      const parsed = await simpleParser(text)
      expect([
        parsed.subject,
        parsed.messageId,
        parsed.text?.trim(),
        parsed.date?.toISOString(),
        parsed.headers.get('x-possible-duplicate'),
      ]).to.deep.equal([subject, message.message_id, `Grüße ${'x'.repeat(200)}`, '2026-01-02T03:04:05.000Z', 'yes'])
      expect(addressesOf(parsed)).to.deep.equal(['ops@example.com', 'second@example.com'])
      for (const line of text.toString().split('\r\n')) expect(line.length).to.be.at.most(78)
    }))

  it('gets no header and no path from a text', () =>
    withFolder(async (folder) => {
      const mail = openMailFolder({ folder })
      await mail.send({ ...message, message_id: '<../../escaped/x@y>', subject: 'a\r\nBcc: evil@x.io' })
      const [name] = readdirSync(folder)
      expect(name).to.match(/^[A-Za-z0-9@._-]+\.eml$/)
      expect((await simpleParser(readFileSync(join(folder, name!)))).bcc).to.equal(undefined)
    }))

  it('says in one sentence why a mail was not written', () =>
    withFolder(async (root) => {
      writeFileSync(join(root, 'file'), '')
      const error = await openMailFolder({ folder: join(root, 'file') })
        .send(message)
        .then(
          () => undefined,
          (reason: unknown) => reason,
        )
      expect(String(error)).to.contain('a mail was not written')
    }))
})
