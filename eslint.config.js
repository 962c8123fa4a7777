// Style and boundaries. Imports go contract <- lib <- service <- tool; each SDK stays behind its one door.
import js from '@eslint/js'
import nx from '@nx/eslint-plugin'
import tseslint from 'typescript-eslint'

/** Which folder may import which SDK: everybody else goes through the door. */
const doors = {
  '@duckdb/node-api': 'libs/local-warehouse/ (and the bench, which measures it, and tools/focus/, which judges files)',
  'node:sqlite': 'libs/local-wire/ (and what stands in the files of libs/local-pubsub/ and libs/local-warehouse/)',
  '@google-cloud/pubsub': 'libs/bus/ (and what stands for an upstream system, or counts from outside)',
  '@google-cloud/bigquery': 'libs/warehouse/',
  '@google-cloud/bigquery-storage': 'libs/warehouse/',
  '@google-cloud/kms': 'libs/secrets/',
  '@google-cloud/storage': 'libs/objects/',
  '@aws-sdk/client-s3': 'libs/objects/',
  '@aws-sdk/client-sts': 'libs/objects/',
  '@azure/storage-blob': 'libs/objects/',
  '@azure/identity': 'libs/objects/',
  nodemailer: 'services/notifier/',
  koa: 'services/auth/',
  croner: 'libs/calendar/',
  '@opentelemetry/sdk-metrics': 'libs/service/ (others ask @opentelemetry/api for an instrument)',
  '@opentelemetry/exporter-prometheus': 'libs/service/',
  yaml: 'libs/pipeline/ and libs/contracts/ (and tools/k8s/ and tools/generate.ts, which write it)',
}
const allowedIn = {
  'libs/local-pubsub': ['node:sqlite'],
  'libs/local-wire': ['node:sqlite'],
  'libs/local-warehouse': ['@duckdb/node-api', 'node:sqlite'],
  'tools/bench': ['@duckdb/node-api'],
  'tools/focus': ['@duckdb/node-api'],
  'tools/cost': ['@google-cloud/pubsub'],
  'tools/k8s': ['yaml'],
  'libs/bus': ['@google-cloud/pubsub'],
  'libs/warehouse': ['@google-cloud/bigquery', '@google-cloud/bigquery-storage'],
  'libs/service': ['@opentelemetry/sdk-metrics', '@opentelemetry/exporter-prometheus'],
  'libs/secrets': ['@google-cloud/kms'],
  'libs/objects': [
    '@google-cloud/storage',
    '@aws-sdk/client-s3',
    '@aws-sdk/client-sts',
    '@azure/storage-blob',
    '@azure/identity',
  ],
  'services/notifier': ['nodemailer'],
  'services/auth': ['koa'],
  'libs/calendar': ['croner'],
  'libs/pipeline': ['yaml'],
  'libs/contracts': ['yaml'],
}
const restricted = (allowed) => ({
  'no-restricted-imports': [
    'error',
    {
      paths: Object.keys(doors)
        .filter((name) => !allowed.includes(name))
        .map((name) => ({ name, message: `only ${doors[name]} imports ${name}: go through its door` })),
    },
  ],
})

export default tseslint.config(
  { ignores: ['node_modules/', '.nx/', '.convergence/', '**/*.generated.ts'] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked.map((config) => ({ ...config, files: ['**/*.ts'] })),
  {
    files: ['**/*.ts'],
    plugins: { '@nx': nx },
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      ...restricted([]),
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_' },
      ],
      '@typescript-eslint/no-invalid-void-type': 'off',
      '@typescript-eslint/unified-signatures': 'off',
      // Numbers in messages and methods handed on as values are everywhere and right here.
      '@typescript-eslint/restrict-template-expressions': 'off',
      '@typescript-eslint/unbound-method': 'off',
      // A function that must answer by a promise is async also when it waits for nothing: a throw becomes a rejection.
      '@typescript-eslint/require-await': 'off',
      'no-control-regex': 'off',
      'no-nested-ternary': 'error',
      'max-lines-per-function': ['error', { max: 120 }],
      'no-restricted-globals': ['error', { name: '__dirname', message: 'use import.meta.dirname' }],
      '@nx/enforce-module-boundaries': [
        'error',
        {
          allow: [],
          depConstraints: [
            { sourceTag: 'type:contract', onlyDependOnLibsWithTags: ['type:contract'] },
            { sourceTag: 'type:lib', onlyDependOnLibsWithTags: ['type:contract', 'type:lib'] },
            { sourceTag: 'type:wire', onlyDependOnLibsWithTags: ['type:contract', 'type:lib'] },
            { sourceTag: 'type:engine', onlyDependOnLibsWithTags: ['type:contract', 'type:lib', 'type:wire'] },
            { sourceTag: 'type:service', onlyDependOnLibsWithTags: ['type:contract', 'type:lib', 'type:engine'] },
            { sourceTag: 'type:tool', onlyDependOnLibsWithTags: ['*'] },
          ],
        },
      ],
    },
  },
  ...Object.entries(allowedIn).map(([folder, allowed]) => ({
    files: [`${folder}/**/*.ts`],
    rules: restricted(allowed),
  })),
  { files: ['tools/generate.ts'], rules: restricted(['yaml']) },
  {
    files: ['services/auth/src/pages/*.js'],
    languageOptions: {
      globals: Object.fromEntries(
        [
          'AbortController',
          'FormData',
          'TextDecoderStream',
          'URLSearchParams',
          'addEventListener',
          'document',
          'fetch',
          'location',
          'sessionStorage',
          'setTimeout',
        ].map((name) => [name, 'readonly']),
      ),
    },
  },
  {
    // The environment is read in one place of each program: its main.ts (services) or the tool itself.
    files: ['libs/*/src/**/*.ts', 'services/*/src/**/*.ts'],
    ignores: ['services/*/src/main.ts'],
    rules: {
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'only main.ts reads the environment; take it as an argument' },
      ],
    },
  },
  {
    files: ['**/test/**/*.ts', 'e2e/**/*.ts', '**/*.test.ts'],
    rules: {
      // A suite is one function: describe(). What it holds are functions of their own.
      'max-lines-per-function': 'off',
      'no-nested-ternary': 'off',
      '@typescript-eslint/no-unused-expressions': 'off', // chai's expect(x).to.be.true
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-dynamic-delete': 'off',
      // Tests look into answers of any shape.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-base-to-string': 'off',
      '@typescript-eslint/use-unknown-in-catch-callback-variable': 'off',
      '@typescript-eslint/no-unnecessary-condition': 'off',
      '@typescript-eslint/no-misused-spread': 'off',
      '@typescript-eslint/prefer-promise-reject-errors': 'off',
      'no-restricted-imports': 'off',
      '@nx/enforce-module-boundaries': 'off',
    },
  },
)
