/** The mail server of the embedded platform: one file per mail, to be opened with any mail program. */
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '@convergence/contracts'

export interface FolderMessage {
  message_id: string
  from: string
  to: readonly string[]
  subject: string
  text: string
  possible_duplicate: boolean
}
export interface MailFolder {
  /** Resolves when the file is complete. Throws DISK_FULL or UNAVAILABLE. */
  send(message: FolderMessage): Promise<{ kind: 'sent' }>
  close(): Promise<void>
}

/**
 * The folder is made with the first mail. The name comes from the message id, so a repeat takes the place of the first.
 */
export const openMailFolder = ({
  folder,
  now = () => new Date(),
}: {
  folder: string
  now?: () => Date
}): MailFolder => ({
  send: async (message) => {
    const name = message.message_id
      .replace(/^<|>$/g, '')
      .replace(/[^A-Za-z0-9@._-]/g, '_')
      .replace(/^\.+/, '_')
      .slice(0, 200)
    const path = join(folder, `${name}.eml`)
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 })
      await writeFile(`${path}.new`, emlOf(message, now()), { mode: 0o600 })
      await rename(`${path}.new`, path)
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code
      throw new AppError(
        code === 'ENOSPC' ? 'DISK_FULL' : 'UNAVAILABLE',
        `mail folder ${folder}: a mail was not written (${code ?? 'error'})`,
        { cause: error },
      )
    }
    return { kind: 'sent' }
  },
  close: async () => undefined,
})

const emlOf = ({ message_id, from, to, subject, text, possible_duplicate }: FolderMessage, date: Date): string =>
  [
    `From: Convergence <${oneLine(from)}>`,
    `To: ${to.map(oneLine).join(',\r\n ')}`,
    `Subject: ${encodeWords(oneLine(subject))}`,
    `Date: ${date.toUTCString().replace('GMT', '+0000')}`,
    `Message-ID: ${oneLine(message_id)}`,
    ...(possible_duplicate ? ['X-Possible-Duplicate: yes'] : []),
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: base64',
    '',
    ...(Buffer.from(text)
      .toString('base64')
      .match(/.{1,76}/g) ?? []),
    '',
  ].join('\r\n')

const oneLine = (text: string): string => text.replace(/[\u0000-\u001f\u007f]+/g, ' ')

/** RFC 2047, in words of at most 75 characters that end at a character. */
const encodeWords = (text: string): string => {
  if (/^[\x20-\x7e]*$/.test(text) && text.length <= 60 && !text.includes('=?')) return text
  const words: string[] = []
  let open = ''
  for (const character of text) {
    if (Buffer.byteLength(`${open}${character}`) > 42) {
      words.push(open)
      open = ''
    }
    open += character
  }
  return [...words, open].map((word) => `=?UTF-8?B?${Buffer.from(word).toString('base64')}?=`).join('\r\n ')
}
