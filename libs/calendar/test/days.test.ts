import { nextTime } from '@convergence/calendar/cron'
import { dayInWords, localDay, monthInWords } from '@convergence/calendar/days'
import { isPeriod } from '@convergence/calendar/periods'
import { expect } from 'chai'

const zones = [
  'UTC',
  'Europe/Berlin',
  'Europe/London',
  'America/New_York',
  'America/Sao_Paulo',
  'Asia/Kolkata',
  'Australia/Lord_Howe',
  'Pacific/Apia',
  'Africa/Casablanca',
  'Asia/Tehran',
]

describe('a day or month that is given', () => {
  it('is of the years 1000 to 9999, which every warehouse has and writes with four digits', () => {
    for (const day of ['0000-01-01', '0001-01-01', '0999-12-31', '2026-02-30', '10000-01-01', '2026-1-1', ''])
      expect(isPeriod('day', day), day).to.equal(false)
    for (const month of ['0000-01', '0999-12', '2026-13', '2026-00', '2026-01-01'])
      expect(isPeriod('month', month), month).to.equal(false)
    expect([isPeriod('day', '1000-01-01'), isPeriod('day', '9999-12-31'), isPeriod('month', '9999-12')]).to.deep.equal([
      true,
      true,
      true,
    ])
  })
})

describe('days in words', () => {
  it('are counted from a day, over the ends of months and years', () => {
    const of = (text: string, day = '2025-03-31') => dayInWords(text, day)
    expect(of('today')).to.equal('2025-03-31')
    expect(of('yesterday', '2024-03-01')).to.equal('2024-02-29')
    expect(of('{date}')).to.equal('2025-03-31')
    expect(of('{date - 4d}')).to.equal('2025-03-27')
    expect(of('{date-2w}')).to.equal('2025-03-17')
    expect(of('{date - 1m}')).to.equal('2025-02-28')
    expect(of('{date + 1d}')).to.equal('2025-04-01')
    expect(of('{date - 13m}')).to.equal('2024-02-29')
  })
  it('are months where a month belongs', () => {
    expect(monthInWords('this_month', '2025-01-01')).to.equal('2025-01')
    expect(monthInWords('last_month', '2025-01-31')).to.equal('2024-12')
    expect(monthInWords('{date - 4d}', '2025-01-03')).to.equal('2024-12')
    expect(monthInWords('yesterday', '2025-03-01')).to.equal('2025-02')
  })
  it('are nothing else', () => {
    for (const text of [
      '',
      'Today',
      'tomorrow',
      '{date - 4}',
      '{date - 4h}',
      '{day - 4d}',
      '2025-03-31',
      'last_month',
      '{date  - 4d}',
    ])
      expect(dayInWords(text, '2025-03-31'), text).to.equal(undefined)
  })
  it('know the day that it is in a zone', () => {
    expect(localDay(Date.parse('2025-11-05T23:30:00Z'), 'Europe/Berlin')).to.equal('2025-11-06')
    expect(localDay(Date.parse('2025-11-05T03:30:00Z'), 'America/New_York')).to.equal('2025-11-04')
    expect(() => localDay(0, 'Europe/Atlantis')).to.throw(RangeError)
  })
})

describe('a daily schedule that loads yesterday', function () {
  this.timeout(120_000)
  const from = Date.UTC(2022, 0, 1)
  const until = Date.UTC(2027, 0, 1)
  for (const timezone of zones)
    it(`loads each local day of five years once in ${timezone}, whatever the clocks do`, () => {
      for (const cron of ['30 2 * * *', '0 0 * * *', '59 23 * * *']) {
        const loaded: string[] = []
        for (let at = from; ;) {
          const next = nextTime(cron, timezone, at)
          if (next === undefined || next >= until) break
          loaded.push(dayInWords('yesterday', localDay(next, timezone)) ?? '')
          at = next
        }
        const expected: string[] = []
        for (let day = loaded[0] ?? ''; day <= (loaded.at(-1) ?? ''); day = dayInWords('{date + 1d}', day) ?? '')
          expected.push(day)
        expect(loaded, cron).to.deep.equal(expected)
        expect(loaded.length, cron).to.be.greaterThan(1_820)
      }
    })
})
