-- id: 033_date_from_ts_tz
-- expect: [["2025-11-19","2025-11-19","2025-11-18","2025-11-18T22:30:00"]]
SELECT DATE(ts), EXTRACT(DATE FROM ts), DATE(ts, 'America/New_York'), DATETIME(ts, 'America/New_York') FROM (SELECT TIMESTAMP '2025-11-19 03:30:00+00' AS ts)

-- id: 034_format_date
-- expect: [["202511","Nov 09, 2025","2025-11-09T01:02:03Z"]]
SELECT FORMAT_DATE('%Y%m', DATE '2025-11-09'), FORMAT_DATE('%b %d, %Y', DATE '2025-11-09'), FORMAT_TIMESTAMP('%Y-%m-%dT%H:%M:%SZ', TIMESTAMP '2025-11-09 01:02:03 UTC')

-- id: 035_format_date_rare
-- expect: [["Sunday 313 2025-W45","2025-11-09"," 9"]]
SELECT FORMAT_DATE('%A %j %G-W%V', DATE '2025-11-09'), FORMAT_DATE('%F', DATE '2025-11-09'), FORMAT_DATE('%e', DATE '2025-11-09')

-- id: 037_date_trunc
-- expect: [["2025-11-01","2025-11-17","2025-11-17","2025-10-01","2025-01-01"]]
SELECT DATE_TRUNC(d, MONTH), DATE_TRUNC(d, WEEK(MONDAY)), DATE_TRUNC(d, ISOWEEK), DATE_TRUNC(d, QUARTER), DATE_TRUNC(d, YEAR) FROM (SELECT DATE '2025-11-19' AS d)

-- id: 038_date_trunc_week_sunday
-- expect: [["2025-11-16"]]
SELECT DATE_TRUNC(DATE '2025-11-19', WEEK)

-- id: 039_timestamp_trunc
-- expect: [["2025-11-19T03:00:00Z","2025-11-19T00:00:00Z","2025-11-01T00:00:00Z"]]
SELECT TIMESTAMP_TRUNC(ts, HOUR), TIMESTAMP_TRUNC(ts, DAY), TIMESTAMP_TRUNC(ts, MONTH) FROM (SELECT TIMESTAMP '2025-11-19 03:45:10 UTC' AS ts)

-- id: 041_date_add_sub
-- expect: [["2025-02-28","2025-02-28","2025-12-03",true,"2025-08-19"]]
SELECT DATE_ADD(DATE '2025-01-31', INTERVAL 1 MONTH), DATE_SUB(DATE '2025-03-01', INTERVAL 1 DAY), DATE_ADD(DATE '2025-11-19', INTERVAL 2 WEEK), DATE_SUB(CURRENT_DATE(), INTERVAL 1 DAY) < CURRENT_DATE(), DATE_SUB(DATE '2025-11-19', INTERVAL 1 QUARTER)

-- id: 042_date_diff
-- expect: [[19,1,1]]
SELECT DATE_DIFF(DATE '2025-11-19', DATE '2025-10-31', DAY), DATE_DIFF(DATE '2025-11-19', DATE '2025-10-31', MONTH), DATE_DIFF(DATE '2026-01-01', DATE '2025-12-31', YEAR)

-- id: 044_timestamp_diff
-- expect: [[330,5,330500]]
SELECT TIMESTAMP_DIFF(end_time, start_time, SECOND), TIMESTAMP_DIFF(end_time, start_time, MINUTE), TIMESTAMP_DIFF(end_time, start_time, MILLISECOND) FROM `gac-prod-471220.tenants.tenant_pipeline_runs` WHERE pipeline_logging_id = 'r1'

-- id: 045_timestamp_diff_whole_units
-- expect: [[0,0]]
SELECT TIMESTAMP_DIFF(TIMESTAMP '2025-11-19 02:01:00 UTC', TIMESTAMP '2025-11-19 01:59:00 UTC', HOUR) AS h, TIMESTAMP_DIFF(TIMESTAMP '2025-11-19 01:00:00 UTC', TIMESTAMP '2025-11-18 23:00:00 UTC', DAY) AS d

-- id: 046_timestamp_add_sub
-- expect: [["2025-11-19T05:15:10Z","2025-11-18T03:45:10Z"]]
SELECT TIMESTAMP_ADD(TIMESTAMP '2025-11-19 03:45:10 UTC', INTERVAL 90 MINUTE), TIMESTAMP_SUB(TIMESTAMP '2025-11-19 03:45:10 UTC', INTERVAL 1 DAY)

-- id: 047_last_day
-- expect: [["2024-02-29","2024-02-29"]]
SELECT LAST_DAY(DATE '2024-02-10'), LAST_DAY(DATE '2024-02-10', MONTH)

-- id: 049_extract_parts
-- expect: [[4,47,2025,4,323]]
SELECT EXTRACT(DAYOFWEEK FROM d), EXTRACT(ISOWEEK FROM d), EXTRACT(YEAR FROM d), EXTRACT(QUARTER FROM d), EXTRACT(DAYOFYEAR FROM d) FROM (SELECT DATE '2025-11-19' AS d)

-- id: 050_extract_week_sunday
-- expect: [[46]]
SELECT EXTRACT(WEEK FROM DATE '2025-11-19')

-- id: 052_generate_date_array_gapfill
-- ordered: true
-- expect: [["2025-11-18",10.5],["2025-11-19",12],["2025-11-20",1.25],["2025-11-21",0]]
SELECT d, IFNULL(SUM(cost), 0) AS cost FROM UNNEST(GENERATE_DATE_ARRAY('2025-11-18', '2025-11-21')) AS d LEFT JOIN `gac-prod-471220.billing_export.gcp_billing` ON DATE(usage_start_time) = d AND project.id = 'acme_corp' GROUP BY d ORDER BY d

-- id: 053_generate_date_array_step
-- expect: [[["2025-09-01","2025-10-01","2025-11-01"]]]
SELECT GENERATE_DATE_ARRAY(DATE '2025-09-01', DATE '2025-11-30', INTERVAL 1 MONTH)

-- id: 054_generate_timestamp_array
-- expect: [[["2025-11-19T00:00:00Z","2025-11-19T06:00:00Z","2025-11-19T12:00:00Z"]]]
SELECT GENERATE_TIMESTAMP_ARRAY(TIMESTAMP '2025-11-19 00:00:00 UTC', TIMESTAMP '2025-11-19 12:00:00 UTC', INTERVAL 6 HOUR)

-- id: 055_generate_array_and_array_subquery
-- expect: [[[1,4,7,10],[6,4]]]
SELECT GENERATE_ARRAY(1, 10, 3), ARRAY(SELECT x * 2 FROM UNNEST([1, 2, 3]) AS x WHERE x > 1 ORDER BY x DESC)

-- id: 056_unix_conversions
-- expect: [[1763510400,1763510400500,1000000,"1970-01-01T00:00:00Z","1970-01-01T00:00:01.5Z","1970-01-01T00:00:00.000001Z"]]
SELECT UNIX_SECONDS(TIMESTAMP '2025-11-19 00:00:00 UTC'), UNIX_MILLIS(TIMESTAMP '2025-11-19 00:00:00.5 UTC'), UNIX_MICROS(TIMESTAMP '1970-01-01 00:00:01 UTC'), TIMESTAMP_SECONDS(0), TIMESTAMP_MILLIS(1500), TIMESTAMP_MICROS(1)

-- id: 058_interval_arithmetic
-- expect: [["2025-02-05","2025-11-19T02:15:10Z"]]
SELECT DATE '2025-01-31' + 5, TIMESTAMP '2025-11-19 03:45:10 UTC' - INTERVAL 90 MINUTE

-- id: 059_string_literal_coercion
-- expect: [[3]]
SELECT COUNT(*) FROM `gac-prod-471220.tenants.tenant_pipeline_runs` WHERE run_date BETWEEN '2025-11-17' AND '2025-11-19' AND start_time >= '2025-11-18'

-- id: 060_current_functions
-- expect: [[true,true,true]]
SELECT CURRENT_DATE('America/New_York') <= CURRENT_DATE(), CURRENT_DATETIME() IS NOT NULL, CURRENT_DATE = CURRENT_DATE()

-- id: 062_time_functions
-- expect: [["10:20:30",10,"11:20:30"]]
SELECT TIME(10, 20, 30), EXTRACT(HOUR FROM TIME '10:20:30'), TIME_ADD(TIME '10:20:30', INTERVAL 1 HOUR)

-- id: 064_yesterday_pattern
-- params: {"run_date":{"type":"DATE","value":"2025-11-19"}}
-- expect: [["2025-11-18","20251118"]]
SELECT DATE_SUB(@run_date, INTERVAL 1 DAY) AS d, FORMAT_DATE('%Y%m%d', DATE_SUB(@run_date, INTERVAL 1 DAY)) AS suffix

-- id: 265_date_diff_week_monday
-- source: "reference engine, documentation"
-- columns: ["mon", "sun", "iso", "back"]
-- expect: [[1, 0, 1, -1]]
SELECT DATE_DIFF('2025-11-17', '2025-11-16', WEEK(MONDAY)) AS mon, DATE_DIFF('2025-11-17', '2025-11-16', WEEK) AS sun, DATE_DIFF('2025-11-17', '2025-11-16', ISOWEEK) AS iso, DATE_DIFF('2025-11-16', '2025-11-17', WEEK(MONDAY)) AS back

-- id: 266_date_diff_week_every_day
-- source: "reference engine, documentation"
-- columns: ["tu", "we", "th", "sa"]
-- expect: [[1, 1, 0, 1]]
SELECT DATE_DIFF('2025-11-19', '2025-11-12', WEEK(TUESDAY)) AS tu, DATE_DIFF('2025-11-19', '2025-11-18', WEEK(WEDNESDAY)) AS we, DATE_DIFF('2025-11-19', '2025-11-13', WEEK(THURSDAY)) AS th, DATE_DIFF('2025-11-22', '2025-11-21', WEEK(SATURDAY)) AS sa

-- id: 267_date_diff_month_quarter_year
-- source: "reference engine, documentation"
-- columns: ["m", "q", "y", "iy"]
-- expect: [[1, 1, -1, 1]]
SELECT DATE_DIFF('2025-03-01', '2025-02-28', MONTH) AS m, DATE_DIFF('2025-01-31', '2024-12-31', QUARTER) AS q, DATE_DIFF('2024-12-31', '2025-01-01', YEAR) AS y, DATE_DIFF('2025-12-29', '2025-12-28', ISOYEAR) AS iy

-- id: 268_date_trunc_weeks
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e"]
-- expect: [["2025-11-16", "2025-11-13", "2025-11-17", "2025-12-29", "2025-10-01"]]
SELECT DATE_TRUNC(DATE '2025-11-19', WEEK) AS a, DATE_TRUNC(DATE '2025-11-19', WEEK(THURSDAY)) AS b, DATE_TRUNC(DATE '2025-11-19', ISOWEEK) AS c, DATE_TRUNC(DATE '2027-01-02', ISOYEAR) AS d, DATE_TRUNC(DATE '2025-11-19', QUARTER) AS e

-- id: 269_date_add_month_end
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [["2024-02-29", "2025-02-28", "2024-12-31", "2025-11-12"]]
SELECT DATE_ADD(DATE '2024-01-31', INTERVAL 1 MONTH) AS a, DATE_ADD(DATE '2024-02-29', INTERVAL 1 YEAR) AS b, DATE_SUB(DATE '2025-03-31', INTERVAL 1 QUARTER) AS c, DATE_ADD(DATE '2025-11-19', INTERVAL -1 WEEK) AS d

-- id: 270_date_plus_integer
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["2025-11-24", "2025-02-28", "2025-11-22"]]
SELECT DATE '2025-11-19' + 5 AS a, DATE '2025-03-01' - 1 AS b, 3 + DATE '2025-11-19' AS c

-- id: 271_date_plus_interval
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["2025-12-19T00:00:00", "2025-11-17T00:00:00"]]
SELECT DATE '2025-11-19' + INTERVAL 1 MONTH AS a, DATE '2025-11-19' - INTERVAL 2 DAY AS b

-- id: 272_date_minus_date_interval
-- source: "reference engine, documentation"
-- columns: ["i"]
-- expect: [["0-0 18 0:0:0"]]
SELECT CAST(DATE '2025-11-19' - DATE '2025-11-01' AS STRING) AS i

-- id: 273_date_extract_all_parts
-- source: "reference engine, documentation"
-- columns: ["y", "q", "m", "w", "wm", "iw", "iy", "dd", "dw", "dy"]
-- expect: [[2021, 1, 1, 0, 0, 53, 2020, 1, 6, 1], [2024, 4, 12, 52, 53, 1, 2025, 30, 2, 365], [2025, 4, 11, 46, 45, 46, 2025, 16, 1, 320]]
SELECT EXTRACT(YEAR FROM d) AS y, EXTRACT(QUARTER FROM d) AS q, EXTRACT(MONTH FROM d) AS m, EXTRACT(WEEK FROM d) AS w, EXTRACT(WEEK(MONDAY) FROM d) AS wm, EXTRACT(ISOWEEK FROM d) AS iw, EXTRACT(ISOYEAR FROM d) AS iy, EXTRACT(DAY FROM d) AS dd, EXTRACT(DAYOFWEEK FROM d) AS dw, EXTRACT(DAYOFYEAR FROM d) AS dy FROM UNNEST([DATE '2021-01-01', DATE '2024-12-30', DATE '2025-11-16']) AS d

-- id: 275_date_last_day_variants
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e", "f"]
-- expect: [["2024-02-29", "2025-12-31", "2025-11-22", "2025-11-23", "2025-11-23", "2025-12-31"]]
SELECT LAST_DAY(DATE '2024-02-10') AS a, LAST_DAY(DATE '2025-11-19', QUARTER) AS b, LAST_DAY(DATE '2025-11-19', WEEK) AS c, LAST_DAY(DATE '2025-11-19', WEEK(MONDAY)) AS d, LAST_DAY(DATE '2025-11-19', ISOWEEK) AS e, LAST_DAY(DATE '2025-11-19', YEAR) AS f

-- id: 276_date_last_day_isoyear
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [["2021-01-03"]]
SELECT LAST_DAY(DATE '2020-12-31', ISOYEAR) AS a

-- id: 277_date_from_unix_edges
-- source: "reference engine, documentation"
-- columns: ["lo", "hi", "a", "b"]
-- expect: [["0001-01-01", "9999-12-31", -719162, 2932896]]
SELECT DATE_FROM_UNIX_DATE(-719162) AS lo, DATE_FROM_UNIX_DATE(2932896) AS hi, UNIX_DATE(DATE '0001-01-01') AS a, UNIX_DATE(DATE '9999-12-31') AS b

-- id: 278_date_overflow_add_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT DATE_ADD(DATE '9999-12-31', INTERVAL 1 DAY)

-- id: 279_date_overflow_sub_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT DATE_SUB(DATE '0001-01-01', INTERVAL 1 DAY)

-- id: 280_date_overflow_month_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT DATE_ADD(DATE '9999-12-01', INTERVAL 1 MONTH)

-- id: 281_date_huge_interval_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT DATE_ADD(DATE '2025-01-01', INTERVAL 100000000 DAY)

-- id: 282_date_from_unix_out_of_range_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT DATE_FROM_UNIX_DATE(2932897)

-- id: 283_date_plus_integer_out_of_range_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT DATE '9999-12-31' + 1

-- id: 284_timestamp_out_of_range_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT TIMESTAMP_SECONDS(253402300800)

-- id: 286_timestamp_year_one
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "-62135596800000000"]]
SELECT TIMESTAMP '0001-01-01 00:00:00' AS a, TIMESTAMP '9999-12-31 23:59:59.999999' AS b, UNIX_MICROS(TIMESTAMP '0001-01-01 00:00:00') AS c

-- id: 287_date_string_small_year
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [["0001-02-03", "0099-01-01 00:00:00+00", "7", "0007"]]
SELECT CAST(DATE '0001-02-03' AS STRING) AS a, CAST(TIMESTAMP '0099-01-01 00:00:00' AS STRING) AS b, FORMAT_DATE('%Y', DATE '0007-01-01') AS c, FORMAT_DATE('%E4Y', DATE '0007-01-01') AS d

-- id: 288_datetime_small_year_string
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["0012-03-04 05:06:07", "12-03-04", "800-03-04 05:06:07"]]
SELECT CAST(DATETIME '0012-03-04 05:06:07' AS STRING) AS a, FORMAT_DATETIME('%Y-%m-%d', DATETIME '0012-03-04 00:00:00') AS b, FORMAT_TIMESTAMP('%F %T', TIMESTAMP '0800-03-04 05:06:07') AS c

-- id: 289_format_date_iso_weeks
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e"]
-- expect: [["2026-W53-5", "2025-00-6", "01", "366", "4"]]
SELECT FORMAT_DATE('%G-W%V-%u', DATE '2027-01-01') AS a, FORMAT_DATE('%Y-%U-%w', DATE '2025-01-04') AS b, FORMAT_DATE('%W', DATE '2025-01-06') AS c, FORMAT_DATE('%j', DATE '2024-12-31') AS d, FORMAT_DATE('%Q', DATE '2024-12-31') AS e

-- id: 290_format_date_names
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["Sun Sunday Nov November Nov  9", "11/09/25|25|20"]]
SELECT FORMAT_DATE('%a %A %b %B %h %e', DATE '2025-11-09') AS a, FORMAT_DATE('%D|%y|%C', DATE '2025-11-09') AS b

-- id: 291_format_date_x_c
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [["11/09/25"]]
SELECT FORMAT_DATE('%x', DATE '2025-11-09') AS a

-- id: 292_format_timestamp_fraction
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["03.456", "03.400000", "03.45"]]
SELECT FORMAT_TIMESTAMP('%E3S', TIMESTAMP '2025-11-19 01:02:03.456789') AS a, FORMAT_TIMESTAMP('%E6S', TIMESTAMP '2025-11-19 01:02:03.4') AS b, FORMAT_TIMESTAMP('%E*S', TIMESTAMP '2025-11-19 01:02:03.45') AS c

-- id: 293_format_timestamp_zone
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["2025-11-18 20:02", "UTC-4", "+0530"]]
SELECT FORMAT_TIMESTAMP('%Y-%m-%d %H:%M', TIMESTAMP '2025-11-19 01:02:03+00', 'America/New_York') AS a, FORMAT_TIMESTAMP('%Z', TIMESTAMP '2025-07-01 00:00:00+00', 'America/New_York') AS b, FORMAT_TIMESTAMP('%z', TIMESTAMP '2025-07-01 00:00:00+00', 'Asia/Kolkata') AS c

-- id: 294_format_timestamp_am_pm
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["12:05 AM", "12:05 PM", " 3 15 pm"]]
SELECT FORMAT_TIMESTAMP('%I:%M %p', TIMESTAMP '2025-11-19 00:05:00') AS a, FORMAT_TIMESTAMP('%I:%M %p', TIMESTAMP '2025-11-19 12:05:00') AS b, FORMAT_TIMESTAMP('%l %k %P', TIMESTAMP '2025-11-19 15:05:00') AS c

-- id: 295_format_epoch_seconds
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [["1763510400"]]
SELECT FORMAT_TIMESTAMP('%s', TIMESTAMP '2025-11-19 00:00:00') AS a

-- id: 296_parse_date_loose
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [["2025-01-09", "2025-11-19", "2025-11-09", "2025-11-19"]]
SELECT PARSE_DATE('%Y-%m-%d', '2025-1-9') AS a, PARSE_DATE('%Y%m%d', '20251119') AS b, PARSE_DATE('%d/%m/%Y', '9/11/2025') AS c, PARSE_DATE('%B %d, %Y', 'november 19, 2025') AS d

-- id: 297_parse_date_spaces
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["2025-11-19", "2025-11-19"]]
SELECT PARSE_DATE('%Y-%m-%d', '  2025-11-19  ') AS a, PARSE_DATE('%Y - %m - %d', '2025-11-19') AS b

-- id: 299_parse_date_no_year
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [["1970-11-19"]]
SELECT PARSE_DATE('%m-%d', '11-19') AS a

-- id: 300_parse_date_abbrev_month
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["2025-09-05", "2025-09-05", "2025-09-05"]]
SELECT PARSE_DATE('%d-%b-%Y', '05-SEP-2025') AS a, PARSE_DATE('%d %h %Y', '05 sep 2025') AS b, PARSE_DATE('%b %d %Y', 'September 5 2025') AS c

-- id: 301_parse_date_trailing_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT PARSE_DATE('%Y-%m-%d', '2025-11-19x')

-- id: 302_parse_date_bad_day_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT PARSE_DATE('%Y-%m-%d', '2025-02-30')

-- id: 303_parse_date_dayofyear
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [["2025-03-01"]]
SELECT PARSE_DATE('%Y-%j', '2025-060') AS a

-- id: 304_parse_timestamp_zone
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["2025-11-19T09:02:03Z", "2025-11-19T01:02:03.25Z"]]
SELECT PARSE_TIMESTAMP('%Y-%m-%d %H:%M:%S', '2025-11-19 01:02:03', 'America/Los_Angeles') AS a, PARSE_TIMESTAMP('%Y-%m-%dT%H:%M:%E*SZ', '2025-11-19T01:02:03.25Z') AS b

-- id: 305_parse_timestamp_offset
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["2025-11-18T19:32:03Z", "2025-11-19T09:02:03Z"]]
SELECT PARSE_TIMESTAMP('%Y-%m-%dT%H:%M:%S%Ez', '2025-11-19T01:02:03+05:30') AS a, PARSE_TIMESTAMP('%F %T %z', '2025-11-19 01:02:03 -0800') AS b

-- id: 306_parse_timestamp_fraction
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["2025-11-19T01:02:03.123456Z", "2025-11-19T01:02:03.5Z"]]
SELECT PARSE_TIMESTAMP('%F %H:%M:%E6S', '2025-11-19 01:02:03.123456') AS a, PARSE_TIMESTAMP('%F %H:%M:%E3S', '2025-11-19 01:02:03.5') AS b

-- id: 307_parse_timestamp_leap_second
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [["2017-01-01T00:00:00Z"]]
SELECT PARSE_TIMESTAMP('%Y-%m-%d %H:%M:%S', '2016-12-31 23:59:60') AS a

-- id: 308_parse_time_forms
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["07:08:09", "00:00:00", "23:59:59"]]
SELECT PARSE_TIME('%H:%M:%S', '7:08:09') AS a, PARSE_TIME('%I:%M:%S %p', '12:00:00 am') AS b, PARSE_TIME('%T', '23:59:59') AS c

-- id: 309_parse_datetime_form
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["2025-11-19T13:14:15", "2025-11-19T13:05:00"]]
SELECT PARSE_DATETIME('%Y-%m-%d %H:%M:%S', '2025-11-19 13:14:15') AS a, PARSE_DATETIME('%m/%d/%Y %I:%M %p', '11/19/2025 1:05 PM') AS b

-- id: 310_tz_spring_gap
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [["2025-03-09T07:30:00Z"]]
SELECT TIMESTAMP(DATETIME '2025-03-09 02:30:00', 'America/New_York') AS a

-- id: 311_tz_autumn_overlap
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [["2025-11-02T05:30:00Z"]]
SELECT TIMESTAMP(DATETIME '2025-11-02 01:30:00', 'America/New_York') AS a

-- id: 312_tz_overlap_berlin
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["2025-10-26T00:30:00Z", "2025-03-30T01:15:00Z"]]
SELECT TIMESTAMP(DATETIME '2025-10-26 02:30:00', 'Europe/Berlin') AS a, TIMESTAMP(DATETIME '2025-03-30 02:15:00', 'Europe/Berlin') AS b

-- id: 313_tz_day_trunc_dst
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["2025-11-02T04:00:00Z", "2025-03-09T05:00:00Z", "2025-11-02T04:00:00Z"]]
SELECT TIMESTAMP_TRUNC(TIMESTAMP '2025-11-02 12:00:00+00', DAY, 'America/New_York') AS a, TIMESTAMP_TRUNC(TIMESTAMP '2025-03-09 12:00:00+00', DAY, 'America/New_York') AS b, TIMESTAMP_TRUNC(TIMESTAMP '2025-11-03 04:30:00+00', DAY, 'America/New_York') AS c

-- id: 314_tz_midnight_missing
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["2018-11-04T03:00:00Z", "2018-11-04T03:00:00Z"]]
SELECT TIMESTAMP(DATE '2018-11-04', 'America/Sao_Paulo') AS a, TIMESTAMP_TRUNC(TIMESTAMP '2018-11-04 12:00:00+00', DAY, 'America/Sao_Paulo') AS b

-- id: 316_tz_offset_literal
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["2025-11-20", "2025-11-19 15:30:00"]]
SELECT DATE(TIMESTAMP '2025-11-19 23:30:00+00', '+01:00') AS a, FORMAT_TIMESTAMP('%F %T', TIMESTAMP '2025-11-19 23:30:00+00', '-08') AS b

-- id: 317_tz_extract_at_zone
-- source: "reference engine, documentation"
-- columns: ["h", "d", "w"]
-- expect: [[17, "2025-11-18", 3]]
SELECT EXTRACT(HOUR FROM TIMESTAMP '2025-11-19 01:30:00+00' AT TIME ZONE 'America/Los_Angeles') AS h, EXTRACT(DATE FROM TIMESTAMP '2025-11-19 01:30:00+00' AT TIME ZONE 'America/Los_Angeles') AS d, EXTRACT(DAYOFWEEK FROM TIMESTAMP '2025-11-19 01:30:00+00' AT TIME ZONE 'America/Los_Angeles') AS w

-- id: 318_tz_date_from_timestamp
-- source: "reference engine, documentation"
-- columns: ["d", "n"]
-- ordered: true
-- expect: [["2025-10-31", 1], ["2025-11-01", 1], ["2025-11-02", 3], ["2025-11-03", 1], ["2025-11-05", 1], ["2025-11-30", 3]]
SELECT DATE(started, 'America/New_York') AS d, COUNT(*) AS n FROM lab.spend GROUP BY d ORDER BY d

-- id: 319_tz_string_from_timestamp
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["2025-11-18 20:02:03-05", "2025-11-19 01:02:03.500+00"]]
SELECT STRING(TIMESTAMP '2025-11-19 01:02:03+00', 'America/New_York') AS a, STRING(TIMESTAMP '2025-11-19 01:02:03.5+00') AS b

-- id: 320_tz_literal_with_zone
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [["2025-11-19T00:02:03Z", "2025-11-19T09:02:03Z", "2025-11-19T01:02:03Z", "2025-11-18T15:00:00Z"]]
SELECT TIMESTAMP '2025-11-19 01:02:03 Europe/Paris' AS a, TIMESTAMP '2025-11-19 01:02:03-08' AS b, TIMESTAMP '2025-11-19T01:02:03Z' AS c, TIMESTAMP('2025-11-19', 'Asia/Tokyo') AS d

-- id: 321_tz_literal_overlap
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["2025-11-02T05:30:00Z", "2025-03-09T07:30:00Z"]]
SELECT TIMESTAMP '2025-11-02 01:30:00 America/New_York' AS a, TIMESTAMP '2025-03-09 02:30:00 America/New_York' AS b

-- id: 322_tz_cast_string_zone
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["2025-11-19T06:02:03Z", "2025-11-18T19:32:03Z"]]
SELECT CAST('2025-11-19 01:02:03 America/New_York' AS TIMESTAMP) AS a, CAST('2025-11-19 01:02:03+05:30' AS TIMESTAMP) AS b

-- id: 323_timestamp_diff_truncation
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [[0, 0, 0, 0]]
SELECT TIMESTAMP_DIFF('2025-11-19 10:59:59', '2025-11-19 10:00:00', HOUR) AS a, TIMESTAMP_DIFF('2025-11-19 10:00:00', '2025-11-19 10:59:59', HOUR) AS b, TIMESTAMP_DIFF('2025-11-20 09:59:59', '2025-11-19 10:00:00', DAY) AS c, TIMESTAMP_DIFF('1969-12-31 23:59:59.5', '1970-01-01', SECOND) AS d

-- id: 324_datetime_diff_boundaries
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [[1, 1, 1, 1]]
SELECT DATETIME_DIFF(DATETIME '2025-11-20 00:00:00', DATETIME '2025-11-19 23:59:59', DAY) AS a, DATETIME_DIFF(DATETIME '2025-11-19 10:00:00', DATETIME '2025-11-19 09:59:59', HOUR) AS b, DATETIME_DIFF(DATETIME '2025-11-17 00:00:00', DATETIME '2025-11-16 23:00:00', WEEK(MONDAY)) AS c, DATETIME_DIFF(DATETIME '2025-01-01 00:00:00', DATETIME '2024-12-31 23:59:59', YEAR) AS d

-- id: 325_datetime_trunc_parts
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [["2025-11-19T10:00:00", "2025-11-17T00:00:00", "2025-11-19T10:20:30.456", "2024-12-30T00:00:00"]]
SELECT DATETIME_TRUNC(DATETIME '2025-11-19 10:20:30.456789', HOUR) AS a, DATETIME_TRUNC(DATETIME '2025-11-19 10:20:30.456789', WEEK(MONDAY)) AS b, DATETIME_TRUNC(DATETIME '2025-11-19 10:20:30.456789', MILLISECOND) AS c, DATETIME_TRUNC(DATETIME '2025-11-19 10:20:30', ISOYEAR) AS d

-- id: 326_time_arithmetic_wraps
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [["00:30:00", "23:50:00", 1, "10:00:00"]]
SELECT TIME_ADD(TIME '23:30:00', INTERVAL 1 HOUR) AS a, TIME_SUB(TIME '00:10:00', INTERVAL 20 MINUTE) AS b, TIME_DIFF(TIME '10:00:00', TIME '09:59:59', MINUTE) AS c, TIME_TRUNC(TIME '10:59:59', HOUR) AS d

-- id: 327_time_large_interval_wraps
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["02:00:00", "00:57:00"]]
SELECT TIME_ADD(TIME '01:00:00', INTERVAL 49 HOUR) AS a, TIME_SUB(TIME '01:00:00', INTERVAL 3 MINUTE) AS b

-- id: 328_unix_conversions_negative
-- source: "reference engine, documentation"
-- columns: ["s", "m", "t", "u"]
-- expect: [[-2, -1, "1969-12-31T23:59:59.999Z", 1]]
SELECT UNIX_SECONDS(TIMESTAMP '1969-12-31 23:59:58.5') AS s, UNIX_MILLIS(TIMESTAMP '1969-12-31 23:59:59.9995') AS m, TIMESTAMP_MILLIS(-1) AS t, UNIX_MICROS(TIMESTAMP '1970-01-01 00:00:00.000001') AS u

-- id: 329_datetime_constructors
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [["2025-11-19T01:02:03", "2025-11-19T01:02:03", "2025-11-19T10:02:03", "2025-11-19T00:00:00"]]
SELECT DATETIME(2025, 11, 19, 1, 2, 3) AS a, DATETIME(DATE '2025-11-19', TIME '01:02:03') AS b, DATETIME(TIMESTAMP '2025-11-19 01:02:03+00', 'Asia/Tokyo') AS c, DATETIME(DATE '2025-11-19') AS d

-- id: 330_time_constructors
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["01:02:03", "08:30:00", "04:05:06.7"]]
SELECT TIME(1, 2, 3) AS a, TIME(TIMESTAMP '2025-11-19 23:30:00+00', 'Asia/Tokyo') AS b, TIME(DATETIME '2025-11-19 04:05:06.7') AS c

-- id: 331_date_bad_parts_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT DATE(2025, 13, 1)

-- id: 332_date_cast_forms
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [["2025-01-09", "2025-11-19T10:00:00", null, null]]
SELECT CAST('2025-1-9' AS DATE) AS a, CAST('2025-11-19 10:00:00' AS DATETIME) AS b, SAFE_CAST('2025-02-30' AS DATE) AS c, SAFE_CAST('20251119' AS DATE) AS d

-- id: 333_date_cast_datetime_string_to_date
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT CAST('2025-11-19 10:00:00' AS DATE) AS a

-- id: 334_date_current_relations
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[true, true]]
SELECT CURRENT_DATE() = DATE(CURRENT_TIMESTAMP()) AS a, CURRENT_DATETIME('UTC') <= CURRENT_DATETIME('Asia/Tokyo') AS b

-- id: 335_gen_date_array_descending
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[["2025-11-05", "2025-11-03", "2025-11-01"], []]]
SELECT GENERATE_DATE_ARRAY('2025-11-05', '2025-11-01', INTERVAL -2 DAY) AS a, GENERATE_DATE_ARRAY('2025-11-05', '2025-11-01') AS b

-- id: 336_gen_date_array_month_end
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [[["2025-01-31", "2025-02-28", "2025-03-28", "2025-04-28", "2025-05-28"]]]
SELECT GENERATE_DATE_ARRAY('2025-01-31', '2025-05-31', INTERVAL 1 MONTH) AS a

-- id: 338_gen_timestamp_array_hours
-- source: "reference engine, documentation"
-- columns: ["n", "a"]
-- expect: [[25, ["2025-11-19T00:00:00Z", "2025-11-19T00:00:10Z", "2025-11-19T00:00:20Z"]]]
SELECT ARRAY_LENGTH(GENERATE_TIMESTAMP_ARRAY('2025-11-02 00:00:00', '2025-11-03 00:00:00', INTERVAL 1 HOUR)) AS n, GENERATE_TIMESTAMP_ARRAY('2025-11-19 00:00:00', '2025-11-19 00:00:20', INTERVAL 10 SECOND) AS a

-- id: 339_gen_timestamp_array_day
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [[["2025-11-01T00:00:00Z", "2025-11-02T00:00:00Z", "2025-11-03T00:00:00Z"]]]
SELECT GENERATE_TIMESTAMP_ARRAY('2025-11-01', '2025-11-03', INTERVAL 1 DAY) AS a

-- id: 340_interval_literal_print
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["0-0 1 0:0:0", "1-2 3 4:5:6.789"]]
SELECT CAST(INTERVAL 1 DAY AS STRING) AS a, CAST(INTERVAL '1-2 3 4:5:6.789' YEAR TO SECOND AS STRING) AS b

-- id: 341_interval_make_justify
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["0-0 1 23:0:0", "1-0 2 0:0:3"]]
SELECT CAST(JUSTIFY_HOURS(INTERVAL 47 HOUR) AS STRING) AS a, CAST(MAKE_INTERVAL(year => 1, day => 2, second => 3) AS STRING) AS b

-- id: 342_interval_timestamp_sum
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["2025-11-19T01:30:00Z", "2025-11-18T00:00:00Z", "2025-02-28T00:00:00"]]
SELECT TIMESTAMP '2025-11-19 00:00:00' + INTERVAL 90 MINUTE AS a, TIMESTAMP '2025-11-19 00:00:00' - INTERVAL 1 DAY AS b, DATETIME '2025-01-31 00:00:00' + INTERVAL 1 MONTH AS c

-- id: 343_interval_extract
-- source: "reference engine, documentation"
-- columns: ["h"]
-- expect: [[26]]
SELECT EXTRACT(HOUR FROM TIMESTAMP '2025-11-19 10:00:00' - TIMESTAMP '2025-11-18 08:00:00') AS h

-- id: 344_interval_compare
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [[true]]
SELECT INTERVAL 24 HOUR = INTERVAL 1 DAY AS a

-- id: 345_extract_subsecond
-- source: "reference engine, documentation"
-- columns: ["ms", "us", "s", "t"]
-- expect: [[456, 456789, 3, "01:02:03.5"]]
SELECT EXTRACT(MILLISECOND FROM TIMESTAMP '2025-11-19 01:02:03.456789') AS ms, EXTRACT(MICROSECOND FROM TIMESTAMP '2025-11-19 01:02:03.456789') AS us, EXTRACT(SECOND FROM TIME '01:02:03.9') AS s, EXTRACT(TIME FROM DATETIME '2025-11-19 01:02:03.5') AS t

-- id: 346_date_compare_string_literal
-- source: "reference engine, documentation"
-- columns: ["n"]
-- expect: [[4]]
SELECT COUNT(*) AS n FROM lab.spend WHERE usage_date BETWEEN '2025-11-02' AND '2025-11-03' AND started >= '2025-11-02 00:00:00 UTC'

-- id: 348_timestamp_trunc_isoweek
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["2025-11-16T00:00:00Z", "2025-11-10T00:00:00Z", "2025-11-16T10:20:30Z"]]
SELECT TIMESTAMP_TRUNC(TIMESTAMP '2025-11-16 10:00:00', WEEK) AS a, TIMESTAMP_TRUNC(TIMESTAMP '2025-11-16 10:00:00', ISOWEEK) AS b, TIMESTAMP_TRUNC(TIMESTAMP '2025-11-16 10:20:30.5', SECOND) AS c

-- id: 349_timestamp_fraction_text
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [["2025-11-19 01:02:03.100+00", "2025-11-19 01:02:03.123400+00", "2025-11-19 01:02:03", "01:02:03.000010"]]
SELECT CAST(TIMESTAMP '2025-11-19 01:02:03.100' AS STRING) AS a, CAST(TIMESTAMP '2025-11-19 01:02:03.123400' AS STRING) AS b, CAST(DATETIME '2025-11-19 01:02:03' AS STRING) AS c, CAST(TIME '01:02:03.000010' AS STRING) AS d

-- id: 350_date_bucket
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["2025-11-16", "2025-11-19T10:15:00Z"]]
SELECT DATE_BUCKET(DATE '2025-11-19', INTERVAL 7 DAY) AS a, TIMESTAMP_BUCKET(TIMESTAMP '2025-11-19 10:17:00', INTERVAL 15 MINUTE) AS b

-- id: 351_cast_format_dates
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["2025/11/19", "2025-11-19"]]
SELECT CAST(DATE '2025-11-19' AS STRING FORMAT 'YYYY/MM/DD') AS a, CAST('19.11.2025' AS DATE FORMAT 'DD.MM.YYYY') AS b

-- id: 352_timestamp_from_date_zone
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["2025-11-19T05:00:00Z", "2025-06-30T23:00:00Z"]]
SELECT TIMESTAMP(DATE '2025-11-19', 'America/New_York') AS a, TIMESTAMP(DATETIME '2025-07-01 00:00:00', 'Europe/London') AS b

-- id: 712_q_range_functions
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[true, "2025-01-01"]]
SELECT RANGE_CONTAINS(RANGE<DATE> '[2025-01-01, 2025-02-01)', DATE '2025-01-15') AS a, RANGE_START(RANGE<DATE> '[2025-01-01, UNBOUNDED)') AS b

-- id: 814_date_safe_cast_forms
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["2025-11-19T01:02:03", null, "2025-11-19T01:02:03Z"]]
SELECT SAFE_CAST('2025-11-19T01:02:03' AS DATETIME) AS a, SAFE_CAST('2025-11-19 24:00:00' AS DATETIME) AS b, SAFE_CAST('2025-11-19 1:2:3' AS TIMESTAMP) AS c

-- id: 815_date_cast_time_24_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT CAST('24:00:00' AS TIME)

-- id: 816_date_cast_short_times
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [["01:02:03", "2025-01-02T03:04:05.6", null, null]]
SELECT CAST('1:2:3' AS TIME) AS a, CAST('2025-01-02 3:4:5.6' AS DATETIME) AS b, SAFE_CAST('10:20' AS TIME) AS c, SAFE_CAST('2025-11-19 10:20' AS DATETIME) AS d

-- id: 817_date_leap_second_cast
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [["2017-01-01T00:00:00Z"]]
SELECT SAFE_CAST('2016-12-31 23:59:60' AS TIMESTAMP) AS a

-- id: 819_date_trunc_all_weekdays
-- source: "reference engine, documentation"
-- columns: ["d", "su", "we", "sa"]
-- ordered: true
-- expect: [["2025-11-15", "2025-11-09", "2025-11-12", "2025-11-15"], ["2025-11-16", "2025-11-16", "2025-11-12", "2025-11-15"], ["2025-11-17", "2025-11-16", "2025-11-12", "2025-11-15"], ["2025-11-18", "2025-11-16", "2025-11-12", "2025-11-15"], ["2025-11-19", "2025-11-16", "2025-11-19", "2025-11-15"], ["2025-11-20", "2025-11-16", "2025-11-19", "2025-11-15"], ["2025-11-21", "2025-11-16", "2025-11-19", "2025-11-15"], ["2025-11-22", "2025-11-16", "2025-11-19", "2025-11-22"]]
SELECT d, DATE_TRUNC(d, WEEK(SUNDAY)) AS su, DATE_TRUNC(d, WEEK(WEDNESDAY)) AS we, DATE_TRUNC(d, WEEK(SATURDAY)) AS sa FROM UNNEST(GENERATE_DATE_ARRAY('2025-11-15', '2025-11-22')) AS d ORDER BY d

-- id: 820_date_diff_grid
-- source: "reference engine, documentation"
-- columns: ["a", "b", "f", "i", "q", "iy"]
-- ordered: true
-- expect: [["1969-12-31", "1970-01-01", 0, 0, -1, 0], ["1969-12-31", "2024-12-29", -2870, -2869, -220, -54], ["1969-12-31", "2025-01-05", -2871, -2870, -221, -55], ["2024-12-30", "1970-01-01", 2870, 2870, 219, 55], ["2024-12-30", "2024-12-29", 0, 1, 0, 1], ["2024-12-30", "2025-01-05", -1, 0, -1, 0], ["2025-01-01", "1970-01-01", 2870, 2870, 220, 55], ["2025-01-01", "2024-12-29", 0, 1, 1, 1], ["2025-01-01", "2025-01-05", -1, 0, 0, 0], ["2025-03-31", "1970-01-01", 2883, 2883, 220, 55], ["2025-03-31", "2024-12-29", 13, 14, 1, 1], ["2025-03-31", "2025-01-05", 12, 13, 0, 0]]
SELECT a, b, DATE_DIFF(a, b, WEEK(FRIDAY)) AS f, DATE_DIFF(a, b, ISOWEEK) AS i, DATE_DIFF(a, b, QUARTER) AS q, DATE_DIFF(a, b, ISOYEAR) AS iy FROM UNNEST([DATE '2024-12-30', DATE '2025-01-01', DATE '2025-03-31', DATE '1969-12-31']) AS a, UNNEST([DATE '2025-01-05', DATE '2024-12-29', DATE '1970-01-01']) AS b ORDER BY a, b

-- id: 821_date_before_epoch
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [[1, "1899-12-25", -1, "Tuesday"]]
SELECT EXTRACT(DAYOFWEEK FROM DATE '1899-12-31') AS a, DATE_TRUNC(DATE '1899-12-31', ISOWEEK) AS b, UNIX_DATE(DATE '1969-12-31') AS c, FORMAT_DATE('%A', DATE '1600-02-29') AS d

-- id: 822_date_timestamp_before_epoch
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [["1969-12-31T23:59:59Z", "1969-12-31T23:00:00Z", 1, 0]]
SELECT TIMESTAMP_TRUNC(TIMESTAMP '1969-12-31 23:59:59.5', SECOND) AS a, TIMESTAMP_TRUNC(TIMESTAMP '1969-12-31 23:30:00', HOUR) AS b, EXTRACT(MICROSECOND FROM TIMESTAMP '1969-12-31 23:59:59.000001') AS c, TIMESTAMP_DIFF(TIMESTAMP '1969-12-31 23:59:59.5', TIMESTAMP '1970-01-01 00:00:00.4', SECOND) AS d

-- id: 823_date_datetime_diff_negative
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[0, -1, 0]]
SELECT DATETIME_DIFF(DATETIME '2025-11-19 00:00:00', DATETIME '2025-11-19 00:00:00.000001', SECOND) AS a, DATETIME_DIFF(DATETIME '1969-12-31 23:59:59.9', DATETIME '1970-01-01 00:00:00.1', SECOND) AS b, DATETIME_DIFF(DATETIME '2025-01-01 00:00:00', DATETIME '2025-01-01 10:00:00', DAY) AS c

-- id: 824_date_time_diff_parts
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[1, -86399, 500]]
SELECT TIME_DIFF(TIME '15:30:00', TIME '14:35:00', HOUR) AS a, TIME_DIFF(TIME '00:00:00', TIME '23:59:59.5', SECOND) AS b, TIME_DIFF(TIME '10:00:00.5', TIME '10:00:00', MILLISECOND) AS c

-- id: 825_date_add_negative_months
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [["2025-02-28", "2023-02-28", "2025-04-30T10:00:00", "2025-02-28T10:00:00"]]
SELECT DATE_ADD(DATE '2025-03-31', INTERVAL -1 MONTH) AS a, DATE_SUB(DATE '2024-02-29', INTERVAL 12 MONTH) AS b, DATETIME_ADD(DATETIME '2025-01-31 10:00:00', INTERVAL 1 QUARTER) AS c, DATETIME_SUB(DATETIME '2025-03-31 10:00:00', INTERVAL 1 MONTH) AS d

-- id: 826_date_timestamp_add_month_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT TIMESTAMP_ADD(TIMESTAMP '2025-01-31', INTERVAL 1 MONTH)

-- id: 827_date_timestamp_add_day_dst
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["2025-11-02T16:00:00Z", "2025-11-02T12:00:00"]]
SELECT TIMESTAMP_ADD(TIMESTAMP '2025-11-01 12:00:00 America/New_York', INTERVAL 1 DAY) AS a, DATETIME_ADD(DATETIME(TIMESTAMP '2025-11-01 12:00:00 America/New_York', 'America/New_York'), INTERVAL 1 DAY) AS b

-- id: 828_date_interval_from_column
-- source: "reference engine, documentation"
-- columns: ["n", "d"]
-- ordered: true
-- expect: [[1, "2025-02-28"], [2, "2025-03-31"], [3, "2025-04-30"], [4, "2025-05-31"]]
SELECT n, DATE_ADD(DATE '2025-01-31', INTERVAL n MONTH) AS d FROM lab.nums WHERE n BETWEEN 0 AND 10 ORDER BY n

-- id: 830_date_tz_trunc_week_local
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["2025-11-02T04:00:00Z", "2025-11-01T04:00:00Z", "2025-09-30T15:00:00Z"]]
SELECT TIMESTAMP_TRUNC(TIMESTAMP '2025-11-03 03:00:00+00', WEEK, 'America/New_York') AS a, TIMESTAMP_TRUNC(TIMESTAMP '2025-11-03 03:00:00+00', MONTH, 'America/New_York') AS b, TIMESTAMP_TRUNC(TIMESTAMP '2025-11-01 03:00:00+00', QUARTER, 'Asia/Tokyo') AS c

-- id: 831_date_tz_zone_abbreviations
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["2025-07-01 00:00:00", "2025-06-30 19:00:00"]]
SELECT FORMAT_TIMESTAMP('%F %T', TIMESTAMP '2025-07-01 00:00:00+00', 'UTC') AS a, FORMAT_TIMESTAMP('%F %T', TIMESTAMP '2025-07-01 00:00:00+00', 'Etc/GMT+5') AS b

-- id: 832_date_tz_unknown_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT DATE(TIMESTAMP '2025-07-01 00:00:00+00', 'Mars/Base')

-- id: 834_date_format_literals
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [["2025-11-19T01:02:03", "13.05", "Nov-09-2025", "November 2025"]]
SELECT FORMAT_DATETIME('%Y-%m-%dT%H:%M:%S', DATETIME '2025-11-19 01:02:03') AS a, FORMAT_TIME('%H.%M', TIME '13:05:00') AS b, FORMAT_TIMESTAMP('%b-%d-%Y', TIMESTAMP '2025-11-09 00:00:00') AS c, FORMAT_DATETIME('%B %Y', DATETIME '2025-11-19 00:00:00') AS d

-- id: 835_date_format_date_of_timestamp
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [["2025-11-19"]]
SELECT FORMAT_DATE('%F', TIMESTAMP '2025-11-19 10:00:00') AS a

-- id: 836_date_format_on_year_boundary
-- source: "reference engine, documentation"
-- columns: ["d", "u", "w", "v", "g", "x"]
-- ordered: true
-- expect: [["2023-01-01", "01", "00", "52", "2022", "70"], ["2023-01-02", "01", "01", "01", "2023", "11"], ["2024-12-29", "52", "52", "52", "2024", "70"], ["2024-12-30", "52", "53", "01", "2025", "11"], ["2024-12-31", "52", "53", "01", "2025", "22"]]
SELECT d, FORMAT_DATE('%U', d) AS u, FORMAT_DATE('%W', d) AS w, FORMAT_DATE('%V', d) AS v, FORMAT_DATE('%G', d) AS g, FORMAT_DATE('%u%w', d) AS x FROM UNNEST([DATE '2023-01-01', DATE '2023-01-02', DATE '2024-12-29', DATE '2024-12-30', DATE '2024-12-31']) AS d ORDER BY d

-- id: 837_date_parse_single_digit
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["2025-11-09", "2025-01-02", "2025-01-02T03:04:05"]]
SELECT PARSE_DATE('%Y-%m-%d', '2025-11-9') AS a, PARSE_DATE('%m/%d/%Y', '1/2/2025') AS b, PARSE_DATETIME('%F %T', '2025-1-2 3:4:5') AS c

-- id: 838_date_parse_extra_digits_errors
-- source: "reference engine, documentation"
-- expect: [["2025-11-01"]]
SELECT PARSE_DATE('%Y%m%d', '2025111')

-- id: 839_date_parse_iso_t
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["2025-11-19T01:02:03Z", "2025-11-19T00:00:00Z"]]
SELECT PARSE_TIMESTAMP('%Y-%m-%dT%H:%M:%SZ', '2025-11-19T01:02:03Z') AS a, PARSE_TIMESTAMP('%F', '2025-11-19') AS b

-- id: 840_date_parse_percent_literal
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [["2025-11-19"]]
SELECT PARSE_DATE('%%%Y-%m-%d', '%2025-11-19') AS a

-- id: 841_date_parse_whitespace_in_format
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [["2025-11-19T01:02:03"]]
SELECT PARSE_DATETIME('%Y-%m-%d %H:%M:%S', '2025-11-19   01:02:03') AS a

-- id: 842_date_parse_case_month
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["2025-11-19", "2025-11-01", "2025-01-05"]]
SELECT PARSE_DATE('%b %d %Y', 'NOV 19 2025') AS a, PARSE_DATE('%B %Y', 'NOVEMBER 2025') AS b, PARSE_DATE('%Y-%b-%d', '2025-jan-05') AS c

-- id: 843_date_parse_negative_year_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT PARSE_DATE('%Y-%m-%d', '-2025-11-19')

-- id: 844_date_parse_time_12h_no_ampm
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [["00:30:00"]]
SELECT PARSE_TIME('%I:%M', '12:30') AS a

-- id: 845_date_generate_timestamp_minutes
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[["2025-11-02T05:00:00Z", "2025-11-02T05:30:00Z", "2025-11-02T06:00:00Z", "2025-11-02T06:30:00Z", "2025-11-02T07:00:00Z"], []]]
SELECT GENERATE_TIMESTAMP_ARRAY('2025-11-02 05:00:00', '2025-11-02 07:00:00', INTERVAL 30 MINUTE) AS a, GENERATE_TIMESTAMP_ARRAY('2025-11-02', '2025-11-01', INTERVAL 1 DAY) AS b

-- id: 846_date_generate_date_null
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[true, []]]
SELECT GENERATE_DATE_ARRAY(NULL, DATE '2025-01-01') IS NULL AS a, GENERATE_DATE_ARRAY('2025-01-01', '2025-01-03', INTERVAL -1 DAY) AS b

-- id: 847_date_generate_quarters
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[["2025-01-01", "2025-04-01", "2025-07-01", "2025-10-01"], ["2025-01-15", "2025-01-29", "2025-02-12"]]]
SELECT GENERATE_DATE_ARRAY('2025-01-01', '2025-12-31', INTERVAL 1 QUARTER) AS a, GENERATE_DATE_ARRAY('2025-01-15', '2025-02-15', INTERVAL 2 WEEK) AS b

-- id: 848_date_last_day_datetime
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["2025-02-28", "2026-01-03"]]
SELECT LAST_DAY(DATETIME '2025-02-10 10:00:00', MONTH) AS a, LAST_DAY(DATE '2025-12-31', WEEK) AS b

-- id: 849_date_compare_types
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[true, true, true]]
SELECT DATE '2025-01-01' = '2025-01-01' AS a, TIMESTAMP '2025-01-01' > '2024-12-31 23:59:59' AS b, DATETIME '2025-01-01 00:00:00' = '2025-01-01' AS c

-- id: 850_date_compare_date_timestamp_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT DATE '2025-01-01' = TIMESTAMP '2025-01-01'

-- id: 851_date_union_of_parts
-- source: "reference engine, documentation"
-- columns: ["ym", "n"]
-- expect: [[202511, 9], [202512, 1]]
SELECT EXTRACT(YEAR FROM started) * 100 + EXTRACT(MONTH FROM started) AS ym, COUNT(*) AS n FROM lab.spend GROUP BY ym

-- id: 852_date_day_names_case
-- source: "reference engine, documentation"
-- columns: ["day", "n"]
-- ordered: true
-- expect: [["Fri", 1], ["Mon", 2], ["Sat", 2], ["Sun", 2], ["Thu", 1], ["Tue", 1], ["Wed", 1]]
SELECT FORMAT_DATE('%a', d) AS day, COUNT(*) AS n FROM UNNEST(GENERATE_DATE_ARRAY('2025-11-01', '2025-11-10')) AS d GROUP BY day ORDER BY day

-- id: 915_g_dbt_date_spine
-- source: "reference engine, documentation"
-- columns: ["d"]
-- ordered: true
-- expect: [["2025-11-01T00:00:00"], ["2025-11-02T00:00:00"], ["2025-11-03T00:00:00"]]
WITH rawdata AS (WITH p AS (SELECT 0 AS generated_number UNION ALL SELECT 1), unioned AS (SELECT p0.generated_number * POWER(2, 0) + p1.generated_number * POWER(2, 1) + 1 AS generated_number FROM p AS p0 CROSS JOIN p AS p1) SELECT * FROM unioned WHERE generated_number <= 3) SELECT DATETIME_ADD(CAST('2025-11-01' AS DATETIME), INTERVAL (CAST(ROW_NUMBER() OVER (ORDER BY generated_number) AS INT64) - 1) DAY) AS d FROM rawdata ORDER BY d

-- id: 916_g_interval_expression_parens
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["2025-11-06", "2025-10-31T22:00:00Z"]]
SELECT DATE_ADD(DATE '2025-11-01', INTERVAL (2 + 3) DAY) AS a, TIMESTAMP_SUB(TIMESTAMP '2025-11-01', INTERVAL CAST('2' AS INT64) HOUR) AS b

-- id: 917_g_looker_timezone_date
-- source: "reference engine, documentation"
-- columns: ["d", "m"]
-- expect: [["2025-11-18", "2025-10"]]
SELECT DATE(TIMESTAMP_TRUNC(CAST(DATETIME(TIMESTAMP '2025-11-19 03:00:00+00', 'America/Los_Angeles') AS TIMESTAMP), DAY)) AS d, FORMAT_TIMESTAMP('%Y-%m', TIMESTAMP '2025-11-01 03:00:00+00', 'America/Los_Angeles') AS m

-- id: 931_g_timestamp_bucket_hour
-- source: "reference engine, documentation"
-- columns: ["six_hours", "c"]
-- ordered: true
-- str: true
-- expect: [["2025-11-01T00:00:00Z", "12.345678901"], ["2025-11-01T18:00:00Z", "0.000000001"], ["2025-11-02T00:00:00Z", "7.5"], ["2025-11-02T06:00:00Z", "40"], ["2025-11-03T00:00:00Z", "3.333333333"], ["2025-11-03T06:00:00Z", "-1.1"], ["2025-11-05T12:00:00Z", "5"], ["2025-11-30T18:00:00Z", "12"], ["2025-12-01T00:00:00Z", "9.99"]]
SELECT TIMESTAMP_SECONDS(DIV(UNIX_SECONDS(started), 21600) * 21600) AS six_hours, SUM(cost) AS c FROM lab.spend GROUP BY 1 ORDER BY 1

-- id: 932_g_local_hour_dst
-- source: "reference engine, documentation"
-- columns: ["ts", "h", "l"]
-- ordered: true
-- expect: [["2025-11-02T04:00:00Z", 0, "2025-11-02T00:00:00"], ["2025-11-02T05:00:00Z", 1, "2025-11-02T01:00:00"], ["2025-11-02T06:00:00Z", 1, "2025-11-02T01:00:00"], ["2025-11-02T07:00:00Z", 2, "2025-11-02T02:00:00"], ["2025-11-02T08:00:00Z", 3, "2025-11-02T03:00:00"]]
SELECT ts, EXTRACT(HOUR FROM ts AT TIME ZONE 'America/New_York') AS h, DATETIME(ts, 'America/New_York') AS l FROM UNNEST(GENERATE_TIMESTAMP_ARRAY('2025-11-02 04:00:00', '2025-11-02 08:00:00', INTERVAL 1 HOUR)) AS ts ORDER BY ts

-- id: 933_g_local_round_trip_dst
-- source: "reference engine, documentation"
-- columns: ["ts", "back"]
-- ordered: true
-- expect: [["2025-11-02T04:30:00Z", "2025-11-02T04:30:00Z"], ["2025-11-02T05:30:00Z", "2025-11-02T05:30:00Z"], ["2025-11-02T06:30:00Z", "2025-11-02T05:30:00Z"], ["2025-11-02T07:30:00Z", "2025-11-02T07:30:00Z"]]
SELECT ts, TIMESTAMP(DATETIME(ts, 'America/New_York'), 'America/New_York') AS back FROM UNNEST(GENERATE_TIMESTAMP_ARRAY('2025-11-02 04:30:00', '2025-11-02 07:30:00', INTERVAL 1 HOUR)) AS ts ORDER BY ts

-- id: 934_g_local_round_trip_spring
-- source: "reference engine, documentation"
-- columns: ["d", "ts"]
-- ordered: true
-- expect: [["2025-03-09T01:30:00", "2025-03-09T06:30:00Z"], ["2025-03-09T02:30:00", "2025-03-09T07:30:00Z"], ["2025-03-09T03:30:00", "2025-03-09T07:30:00Z"]]
SELECT d, TIMESTAMP(d, 'America/New_York') AS ts FROM UNNEST([DATETIME '2025-03-09 01:30:00', DATETIME '2025-03-09 02:30:00', DATETIME '2025-03-09 03:30:00']) AS d ORDER BY d

-- id: 935_g_lord_howe_half_hour
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["2025-04-05T14:45:00Z", "2025-10-04T15:45:00Z"]]
SELECT TIMESTAMP(DATETIME '2025-04-06 01:45:00', 'Australia/Lord_Howe') AS a, TIMESTAMP(DATETIME '2025-10-05 02:15:00', 'Australia/Lord_Howe') AS b

-- id: 936_g_cairo_midnight_gap
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["2025-04-24T22:00:00Z", "2025-04-24T22:00:00Z"]]
SELECT TIMESTAMP(DATE '2025-04-25', 'Africa/Cairo') AS a, TIMESTAMP_TRUNC(TIMESTAMP '2025-04-25 10:00:00+00', DAY, 'Africa/Cairo') AS b

-- id: 938_g_date_array_month_starts
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [[["2025-01-01", "2025-02-01", "2025-03-01", "2025-04-01"]]]
SELECT GENERATE_DATE_ARRAY(DATE_TRUNC(DATE '2025-01-31', MONTH), DATE '2025-04-30', INTERVAL 1 MONTH) AS a

-- id: 940_g_date_array_param_step
-- source: "reference engine, documentation"
-- params: {"n": {"type": "INT64", "value": 2}}
-- columns: ["a"]
-- expect: [[["2025-11-01", "2025-11-03", "2025-11-05"]]]
SELECT GENERATE_DATE_ARRAY('2025-11-01', '2025-11-06', INTERVAL @n DAY) AS a

-- id: 955_g_time_24_text_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT CAST('24:00:00' AS TIME)

-- id: 956_g_datetime_24_text_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT CAST('2025-11-19 24:00:00' AS DATETIME)

-- id: 957_g_timestamp_24_text_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT CAST('2025-11-19 24:00:00' AS TIMESTAMP)

-- id: 958_g_datetime_add_overflow_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT DATETIME_ADD(DATETIME '9999-12-31 23:59:59', INTERVAL 1 SECOND)

-- id: 959_g_timestamp_sub_overflow_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT TIMESTAMP_SUB(TIMESTAMP '0001-01-01 00:00:00', INTERVAL 1 MICROSECOND)

-- id: 960_g_timestamp_micros_overflow_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT TIMESTAMP_MICROS(253402300800000000)

-- id: 961_g_timestamp_zone_year_one
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [["0001-01-01"]]
SELECT DATE(TIMESTAMP '0001-01-01 12:00:00+00', 'America/New_York') AS a

-- id: 962_g_parse_time_12h
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["00:30:00", "00:00:00", "12:00:00"]]
SELECT PARSE_TIME('%I:%M', '12:30') AS a, PARSE_TIME('%I %p', '12 am') AS b, PARSE_TIME('%I %p', '12 pm') AS c

-- id: 993_h_date_interval_operator
-- source: "reference engine, documentation"
-- columns: ["d"]
-- expect: [["2025-11-06T00:00:00"]]
SELECT usage_date + INTERVAL 1 DAY AS d FROM lab.spend WHERE sku = 'C-1'
