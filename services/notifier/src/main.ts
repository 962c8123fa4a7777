/** The notifier service as its own process; its settings are in env.schema.json. */
import { runService, type ServiceMain } from '@convergence/service/run'

export const main: ServiceMain = {
  name: 'notifier',
  folder: import.meta.dirname,
  env: process.env,
  grace_seconds: 60,
  open: async ({ settings, secrets, localFile, ...shared }) => {
    const { notifier, openSmtp } = await import('./notifier.ts')
    const smtp = settings['SMTP_URL']
    return notifier({
      ...shared,
      mail:
        smtp === undefined
          ? (await import('@convergence/notifier/mail-folder')).openMailFolder({ folder: localFile('mail') })
          : openSmtp({ url: smtp }),
      secrets: await secrets({ opens: ['notify-targets'] }),
      ...(settings['MAIL_FROM'] === undefined ? {} : { from: settings['MAIL_FROM'] }),
      allowed_recipients: settings['MAIL_RECIPIENTS']?.split(',') ?? [],
    })
  },
}

if (import.meta.main) await runService(main)
