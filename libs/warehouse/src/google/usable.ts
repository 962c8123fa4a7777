/** One sentence for the start: what is missing, where it is documented, how it is made. */
import { AppError } from '@convergence/contracts'
import { reasonOf, statusOf, wordGoogle } from './faults.ts'
import { raw, unless, type Session } from './session.ts'
import { datasetUri } from './tables.ts'

export const assertUsable = async (session: Session, datasets: readonly string[] | undefined = []): Promise<void> => {
  try {
    // It needs the right to run jobs, and bills nothing.
    await raw(session, {
      method: 'POST',
      uri: '/jobs',
      json: {
        jobReference: { projectId: session.project_id, location: session.location },
        configuration: { dryRun: true, query: { query: 'SELECT 1', useLegacySql: false } },
      },
    })
  } catch (error) {
    throw unusable(error, session.project_id, session.location, session.api_endpoint)
  }
  for (const dataset of datasets) {
    const found = await unless<{ location?: string }>(
      session,
      404,
      { uri: datasetUri(dataset) },
      `get dataset ${dataset}`,
    )
    if (found === undefined)
      throw new AppError(
        'SETTING_INVALID',
        `dataset ${session.project_id}.${dataset} does not exist: expected it before a service starts; ` +
          'tools/apply makes it (docs/DEPLOYMENT.md)',
      )
    if (found.location !== undefined && found.location.toUpperCase() !== session.location.toUpperCase())
      throw new AppError(
        'SETTING_INVALID',
        `dataset ${session.project_id}.${dataset} is in ${found.location}, ` +
          `BIGQUERY_LOCATION says ${session.location}: a job reads and writes in one location; ` +
          'correct the setting (docs/DEPLOYMENT.md)',
      )
  }
}

/** One sentence for the start: what is missing, where it is documented, how it is made. */
const unusable = (error: unknown, project_id: string, location: string, api_endpoint: string | undefined): AppError => {
  const fault = wordGoogle(error, 'BigQuery')
  const status = statusOf(error)
  const text = (error instanceof Error ? error.message : '').toLowerCase()
  const wrong = (sentence: string) => new AppError('SETTING_INVALID', sentence, { cause: error })
  if (api_endpoint !== undefined && status === undefined)
    return wrong(
      `${api_endpoint} (BIGQUERY_EMULATOR_HOST) does not answer: expected the local BigQuery there; ` +
        'start it with `npm start`, or unset the variable (docs/LOCAL.md)',
    )
  if (reasonOf(error) === 'accessNotConfigured' || /has not been used in project|is disabled/.test(text))
    return wrong(
      `project ${project_id} (GCP_PROJECT_ID): the BigQuery API is off; turn it on with ` +
        `\`gcloud services enable bigquery.googleapis.com --project ${project_id}\` (docs/DEPLOYMENT.md)`,
    )
  if (status === 401 || /no usable google credentials/i.test(fault.message))
    return wrong(
      "no usable Google credentials: expected those of the workload's identity; " +
        'on a laptop run `gcloud auth application-default login` (docs/DEPLOYMENT.md)',
    )
  if (status === 403)
    return wrong(
      `project ${project_id} (GCP_PROJECT_ID): this identity may not run jobs; give it roles/bigquery.jobUser on the ` +
        'project and roles/bigquery.dataEditor on the datasets that it writes (docs/DEPLOYMENT.md)',
    )
  if (status === 404)
    return wrong(
      `project ${project_id} (GCP_PROJECT_ID) does not exist, or this identity may not know it; ` +
        'correct the name (docs/DEPLOYMENT.md)',
    )
  if (status === 400)
    return wrong(
      `project ${project_id} or location ${location}: BigQuery refuses it (${fault.message}); ` +
        'correct GCP_PROJECT_ID or BIGQUERY_LOCATION (docs/DEPLOYMENT.md)',
    )
  return fault
}
