import { expect } from 'chai'
import fc from 'fast-check'
import { corpusCases } from '@convergence/googlesql/corpus'
import { tokenize } from '@convergence/googlesql/lexer'
import type { Pipelines } from '@convergence/pipeline'
import { fillSql, identifierFault, parseSqlTemplate, segmentsOf, type BoundParameter } from '../src/sql-template.ts'
import { ask, failure, pipelinesFrom, queryOf, withSteps } from './world.ts'

const kinds = (sql: string) => segmentsOf(sql).map(({ kind, text }) => `${kind} ${text}`)
const fill = (
  sql: string,
  values: Readonly<Record<string, BoundParameter['value']>> = { date: '2026-03-01', name: 'x' },
) =>
  fillSql(
    parseSqlTemplate(sql).template,
    (name) => ({ name, type: name === 'date' ? 'DATE' : 'STRING', value: values[name] ?? null }),
    (path) => path,
  )
const faults = (sql: string) => parseSqlTemplate(sql).faults.map(({ offset, message }) => `${offset} ${message}`)

/** `npm run ci:long` tries more. */
const factor = Number(process.env['PROPERTY_FACTOR'] ?? 1)

describe('the lexer of GoogleSQL', () => {
  for (const [what, sql, expected] of [
    ['strings of one quote', 'a \'b"c\' "d\'e"', ['code a ', "string 'b\"c'", 'code  ', 'string "d\'e"']],
    [
      'escaped quotes',
      String.raw`'a\'b' 'c\\' d`,
      [String.raw`string 'a\'b'`, 'code  ', String.raw`string 'c\\'`, 'code  d'],
    ],
    ['strings of three quotes with quotes and lines in them', "'''a'b\n''c''' x", ["string '''a'b\n''c'''", 'code  x']],
    ['an empty string, not the begin of three quotes', "'' 'a'", ["string ''", 'code  ', "string 'a'"]],
    [
      'raw strings, whose backslash still keeps a quote',
      String.raw`r'\d\'' R"x"`,
      [String.raw`raw r'\d\''`, 'code  ', 'raw R"x"'],
    ],
    [
      'bytes, raw bytes',
      "b'a' rb\"c\" Br'''d'''",
      ["bytes b'a'", 'code  ', 'bytes rb"c"', 'code  ', "bytes Br'''d'''"],
    ],
    ['a prefix at the end of a word as part of the word', "bar'x'", ['code bar', "string 'x'"]],
    [
      'comments of all kinds',
      "a -- b 'c\n# d \"e\n/* f ' */ g",
      ['code a ', "comment -- b 'c", 'code \n', 'comment # d "e', 'code \n', "comment /* f ' */", 'code  g'],
    ],
    [
      'comment openers in strings',
      '\'--\' "/*" `#`',
      ["string '--'", 'code  ', 'string "/*"', 'code  ', 'backtick `#`'],
    ],
    ['a comment that a carriage return ends', "a -- 'b\r'c'", ['code a ', "comment -- 'b", 'code \r', "string 'c'"]],
    ['a raw literal behind a number', "1r'a'", ['code 1', "raw r'a'"]],
    ['a raw literal whose backslash takes a whole line end', "r'a\\\r\nb' c", ["raw r'a\\\r\nb'", 'code  c']],
    ['a quoted name with an escaped backtick', 'a `b\\`c` d', ['code a ', 'backtick `b\\`c`', 'code  d']],
  ] as const)
    it(`tells ${what}`, () => {
      expect(kinds(sql)).to.deep.equal(expected)
    })

  it('cuts any text into pieces that are the whole text', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.constantFrom("'", '"', "'''", '"""', '`', '\\', '--', '#', '/*', '*/', '\n', 'r', 'b', 'x', '{date}', ' '),
        ),
        (pieces) => {
          const sql = pieces.join('')
          const segments = segmentsOf(sql)
          expect(segments.map(({ text }) => text).join('')).to.equal(sql)
          segments.forEach(({ start, text }) => {
            expect(sql.slice(start, start + text.length)).to.equal(text)
          })
        },
      ),
      { numRuns: 5000 },
    )
  }).timeout(120_000)
  it('cuts where the translation to the embedded engine cuts', () => {
    const marks = ["'", '"', "'''", '"""', '`', '\\', '--', '#', '/*', '*/', '\n', '\r', 'r', 'b', 'x', '1', '.', ' ']
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...marks), { maxLength: 12 }), (pieces) => {
        const sql = pieces.join('')
        let quoted: { start: number; end: number }[]
        try {
          quoted = tokenize(sql).filter(({ kind }) => ['string', 'bytes', 'quoted'].includes(kind))
        } catch {
          return // refused as a whole
        }
        const segments = segmentsOf(sql).filter(({ kind }) => kind !== 'code' && kind !== 'comment')
        expect(segments.map(({ text }) => text)).to.deep.equal(quoted.map(({ start, end }) => sql.slice(start, end)))
      }),
      { numRuns: 5000 },
    )
  }).timeout(120_000)
  it('reads the corpus of GoogleSQL statements to the end of every literal', () => {
    const cases = corpusCases()
    expect(cases.length).to.be.greaterThan(900)
    for (const { id, sql } of cases) {
      const unclosed = parseSqlTemplate(sql).faults.filter(({ message }) => message.includes('has no end'))
      expect(unclosed, id).to.deep.equal([])
    }
  })
})

describe('a variable in a query', () => {
  for (const [what, sql, query, parameters] of [
    ['as a whole literal is a parameter of its type', "day = '{date}'", 'day = @date', ['date DATE']],
    ['as a whole literal of three quotes is the same', 'day = """{date}"""', 'day = @date', ['date DATE']],
    [
      'within a literal is text between texts',
      "'from {date} on'",
      "CONCAT('from ', @_text_date, ' on')",
      ['_text_date STRING'],
    ],
    [
      'beside another is text beside text',
      '"{name}{date}"',
      'CONCAT(@name, @_text_date)',
      ['name STRING', '_text_date STRING'],
    ],
    [
      'in both ways is two parameters',
      "'{date}' 'x{date}'",
      "@date CONCAT('x', @_text_date)",
      ['date DATE', '_text_date STRING'],
    ],
    ['used twice is one parameter', "'{name}' = '{name}'", '@name = @name', ['name STRING']],
    [
      'within three quotes cannot let a quote before it meet the closing ones',
      "'''a'{name}\"b'''",
      "CONCAT('''a\\'''', @name, '''\\\"b''')",
      ['name STRING'],
    ],
    ['in backticks is a name', '`p.{name}.t`', '`p.x.t`', []],
  ] as const) {
    it(what, () => {
      expect(faults(sql)).to.deep.equal([])
      const filled = fill(sql)
      expect(filled.query).to.equal(query)
      expect(filled.parameters.map(({ name, type }) => `${name} ${type}`)).to.deep.equal(parameters)
    })
  }
  it('leaves braces that hold no name as they are', () => {
    for (const sql of ['\'{"a": 1}\'', "r'\\d{4}'", "'{}'", "x = '{1}'"]) expect(fill(sql).query).to.equal(sql)
  })
  for (const [what, sql, expected] of [
    ['bare', 'a = {date}', "4 {date} stands outside quotes; expected '{date}' for a value or `{date}` for a table"],
    [
      'in a comment',
      'a -- {date}',
      "5 {date} stands in a comment; expected '{date}' for a value or `{date}` for a table",
    ],
    [
      'in a raw literal',
      "r'{date}'",
      "2 {date} stands in a raw literal; expected '{date}' for a value or `{date}` for a table",
    ],
    [
      'in a bytes literal',
      'b"{date}"',
      "2 {date} stands in a bytes literal; expected '{date}' for a value or `{date}` for a table",
    ],
    [
      'as a fragment of a name',
      '`t_{date}`',
      '3 {date} is a fragment of a name; in backticks a variable fills whole parts between dots',
    ],
    [
      'in one part of a path of several quoted parts',
      '`p`.`{name}`',
      '5 {name} is a part of a longer path; put the whole path into one pair of backticks',
    ],
    [
      'in the first part of a path of several quoted parts',
      '`{name}`. `t`',
      '1 {name} is a part of a longer path; put the whole path into one pair of backticks',
    ],
    [
      'behind the word of a typed literal',
      "DATE '{date}'",
      '6 DATE stands before a literal with {date}; ' +
        "write CAST('{date}' AS DATE), or '{date}' alone where it has that type",
    ],
    [
      'behind such a word and a comment',
      'timestamp /* x */ "{date} 00:00"',
      '19 TIMESTAMP stands before a literal with {date}; ' +
        "write CAST('{date}' AS TIMESTAMP), or '{date}' alone where it has that type",
    ],
    ['behind a backslash', String.raw`'\{date}'`, '2 a backslash stands before {date}; write two, or none'],
    ['in a string without end', "a = '{date}", '4 the string that begins here has no end'],
    ['in a string that ends with its line', "a = '{date}\n'", '4 the string that begins here has no end'],
    ['in a comment without end', '/* {date}', '0 the comment that begins here has no end'],
  ] as const)
    it(`is refused ${what}`, () => {
      expect(faults(sql)[0]).to.equal(expected)
    })

  it('is checked as a path of letters, digits and _', () => {
    for (const good of ['t', 'd.t', 'my-project-1.d.t', 'D_1.T_2'])
      expect(identifierFault(good), good).to.equal(undefined)
    for (const bad of [
      '',
      '.',
      'a.',
      '.a',
      'a..b',
      'p.d.t.x',
      'd.t`',
      'd.t ',
      'd.t;',
      'd-1.t',
      'P-1.d.t',
      'd.t$20260101',
      'd.*',
      'd.t\n',
      'd.\u0442',
    ])
      expect(identifierFault(bad), JSON.stringify(bad)).to.be.a('string')
  })
})

describe('values from outside', () => {
  // Pure and read only: made once for the thousands of values that try to get into it.
  let made: Pipelines | undefined
  const setup = (): Pipelines =>
    (made ??= pipelinesFrom(
      withSteps(
        `  - step_id: load
    ps_type: gcp.bq_etl
    source:
      query: |
        SELECT '{text}', 'pre {text} post', """{text}""", '''it's {text}'', {day}''', "{choice}", '{number}' + 1, '{day}', '{flag}'
        -- a comment, 'not a string
        FROM \`{some_table}\` JOIN \`{project_id}.{tenant_id}.t\` USING (x) /* '"\` */ WHERE a = r'\\d' AND b'x' = c
    destination: { bq_project_id: "{project_id}", dataset_type: "{tenant_id}", table: t }`,
        `sources: ["{project_id}.shared_1"]
parameters:
  text: { type: string, max_length: 10000 }
  choice: { type: enum, values: [a, b], default: a }
  number: { type: int, default: 1 }
  flag: { type: boolean, default: true }
  day: { type: date, default: yesterday }
  some_table: { type: table_ref, default: t }
`,
      ),
      'shared_1',
    ))
  const tokens = (sql: string) =>
    segmentsOf(sql)
      .map(({ kind, text }) => (kind === 'backtick' ? kind : `${kind} ${text}`))
      .join('\u0001')
  const nasty = fc
    .array(
      fc.oneof(
        fc.constantFrom(
          "'",
          '"',
          '`',
          '\\',
          '\n',
          '\r',
          '\0',
          '--',
          '#',
          '/*',
          '*/',
          ';',
          '{text}',
          '@day',
          "'''",
          '"""',
          "r'",
          '\u2028',
          '\ud800',
          '.',
          ' OR 1=1',
        ),
        fc.string({ unit: 'binary', maxLength: 4 }),
      ),
      { maxLength: 8 },
    )
    .map((pieces) => pieces.join(''))

  it('never change a token of the query, whatever they are', () => {
    const pipelines = setup()
    const plain = tokens(queryOf(pipelines.compile(ask({ parameters: { text: 'x' } }))).query)
    const identifier = /^`[A-Za-z0-9_.-]+`$/
    let accepted = 0
    const numRuns = 2_000 * factor
    fc.assert(
      fc.property(
        nasty,
        fc.oneof(nasty, fc.constantFrom('t', 'acme_corp.t', 'shared_1.t', 'local-convergence.shared_1.x')),
        fc.oneof(nasty, fc.constant('a')),
        fc.oneof(nasty, fc.constant('2026-01-01')),
        fc.oneof(fc.anything(), fc.integer()),
        (text, some_table, choice, day, number) => {
          let sql: ReturnType<typeof queryOf>
          try {
            sql = queryOf(
              pipelines.compile(ask({ parameters: { text, some_table, choice, day, number: number as number } })),
            )
          } catch (error) {
            expect((error as { code?: string }).code).to.be.oneOf(['PARAMETER_INVALID', 'SOURCE_NOT_DECLARED'])
            sql = queryOf(pipelines.compile(ask({ parameters: { text } })))
          }
          accepted += 1
          if (tokens(sql.query) !== plain) expect.fail(sql.query)
          for (const { kind, text: piece } of segmentsOf(sql.query))
            if (kind === 'backtick' && !identifier.test(piece)) expect.fail(piece)
          expect(sql.parameters.find(({ name }) => name === 'text')?.value).to.equal(text)
        },
      ),
      { numRuns },
    )
    expect(accepted).to.equal(numRuns)
  }).timeout(120_000 * factor)

  for (const payload of [
    "' OR '1'='1",
    "' OR 1=1 --",
    '" OR ""="',
    "'; DROP TABLE t; --",
    "') UNION SELECT * FROM tenants.tenant_api_keys --",
    "' UNION ALL SELECT NULL --",
    '1; SELECT 1',
    '\\',
    "\\'",
    "\\\\'",
    '`',
    '` UNION SELECT 1 FROM `x',
    'a`.`b',
    '*/ SELECT 1 /*',
    '/*',
    '--',
    '#',
    '\n-- x',
    '\r\n',
    '\0',
    '%00',
    '\u2019 OR 1=1',
    '\u02bc',
    '\uff07',
    '{tenant_id}',
    '{{text}}',
    '@tenant_id',
    '@@project_id',
    '${7*7}',
    '$(id)',
    "'''",
    '"""',
    "r'x'",
    "b'x'",
    "' || (SELECT 1) || '",
    'CHAR(39)',
    '\\x27',
    '\\u0027',
    '0x27',
    "' AND SLEEP(5) --",
    '{"$ne": null}',
    '__proto__',
    "x' LIMIT 1 OFFSET 1 --",
    'tenants.tenant_api_keys',
  ]) {
    it(`treats ${JSON.stringify(payload)} as text and as no table`, () => {
      const pipelines = setup()
      const { query, parameters } = queryOf(pipelines.compile(ask({ parameters: { text: payload } })))
      expect(tokens(query)).to.equal(tokens(queryOf(pipelines.compile(ask({ parameters: { text: 'x' } }))).query))
      expect(parameters.find(({ name }) => name === 'text')).to.deep.equal({
        name: 'text',
        type: 'STRING',
        value: payload,
      })
      for (const parameter of ['choice', 'number', 'flag', 'day'])
        expect(
          failure(() => pipelines.compile(ask({ parameters: { text: 'x', [parameter]: payload } }))).code,
        ).to.equal('PARAMETER_INVALID')
      // Letters, digits and _ may be the name of a table of the tenant's own.
      if (/^\w+$/.test(payload))
        expect(queryOf(pipelines.compile(ask({ parameters: { text: 'x', some_table: payload } }))).query).to.contain(
          `FROM \`${payload}\` JOIN`,
        )
      else
        expect(
          failure(() => pipelines.compile(ask({ parameters: { text: 'x', some_table: payload } }))).code,
        ).to.be.oneOf(['PARAMETER_INVALID', 'SOURCE_NOT_DECLARED'])
    })
  }
  it("name no table outside of the tenant's dataset and the declared sources", () => {
    const pipelines = setup()
    for (const some_table of [
      'tenants.tenant_api_keys',
      'globex.gcp_cost_billing',
      'other-project.acme_corp.t',
      'local-convergence.tenants.t',
      'INFORMATION_SCHEMA.TABLES',
      'region_us.x',
    ]) {
      const { code, message } = failure(() => pipelines.compile(ask({ parameters: { text: 'x', some_table } })))
      expect(code, some_table).to.equal('SOURCE_NOT_DECLARED')
      expect(message).to.equal(
        `gcp/cost/billing: load would read ${some_table}; expected a table of local-convergence.acme_corp or local-convergence.shared_1`,
      )
    }
    for (const some_table of [
      't',
      'acme_corp.t',
      'local-convergence.acme_corp.t',
      'shared_1.t',
      'local-convergence.shared_1.t',
    ])
      expect(queryOf(pipelines.compile(ask({ parameters: { text: 'x', some_table } }))).query).to.contain(
        `\`${some_table}\``,
      )
  })
})
