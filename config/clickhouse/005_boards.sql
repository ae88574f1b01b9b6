-- What the dashboards read beside the tables themselves, so that a day of 10^8 events
-- answers within a second. All of it is derived and off the path of inserts: views that
-- refresh by themselves read what was stored since. Lost or emptied, it fills again.
-- A projection of `events` would do without refreshing, at 95 ns of CPU a row on the
-- path of inserts, a fifth of what a row costs the engine (docs/decisions.md).

-- Rows of the last minutes are asked for by the time they were stored.
ALTER TABLE {database}.events
    ADD INDEX IF NOT EXISTS stored inserted_at TYPE minmax GRANULARITY 1;

ALTER TABLE {database}.events
    MATERIALIZE INDEX stored;

-- A client that sends an event again makes another record, hence another row: both are
-- stored. Each row but the first of an event_id is listed here, so that boards need not
-- look for them in all rows.
CREATE TABLE IF NOT EXISTS {database}.events_repeated
(
    event_id    UUID CODEC(NONE),
    event_type  Enum8('page_view' = 1, 'add_to_cart' = 2, 'purchase' = 3, 'remove_from_cart' = 4),
    timestamp   DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    inserted_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    _stream     UInt64 CODEC(ZSTD(1)),
    _partition  Int32 CODEC(ZSTD(1)),
    _offset     Int64 CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (timestamp, _stream, _partition, _offset, event_id)
TTL toDateTime(inserted_at) + toIntervalDay(90);

-- Rows stored since the last look, with half a minute's margin for inserts under way, are
-- held against those of the quarter of an hour before: an event sent again later than that
-- counts twice. The first stored stays the first, so a row listed once stays listed.
-- Where that is more than it is worth, about 8,000 events a second or a backlog on its
-- way in, the view gives up, at once, and counts by type count every row. What is about
-- money looks for itself.
CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.find_repeated
REFRESH EVERY 5 SECOND APPEND TO {database}.events_repeated
AS
WITH
    (
        SELECT max(last_success_time) FROM system.view_refreshes
        WHERE concat(database, '.', view) = {database_text.find_repeated}
    ) AS success,
    greatest(now64(3) - INTERVAL 5 MINUTE, coalesce(success, toDateTime(0)) - INTERVAL 30 SECOND) AS since
SELECT event_id, r.1 AS inserted_at, r.2 AS _stream, r.3 AS _partition, r.4 AS _offset, r.5 AS event_type, r.6 AS timestamp
FROM
(
    SELECT event_id, arrayJoin(arraySlice(arraySort(groupArray((inserted_at, _stream, _partition, _offset, event_type, timestamp))), 2)) AS r
    FROM {database}.events
    WHERE inserted_at >= since - INTERVAL 15 MINUTE AND event_id IN
    (
        SELECT event_id
        FROM {database}.events
        WHERE inserted_at >= since - INTERVAL 15 MINUTE
            AND event_id IN (SELECT event_id FROM {database}.events WHERE inserted_at >= since)
        GROUP BY event_id
        HAVING count() > 1
    )
    GROUP BY event_id
)
SETTINGS max_rows_to_read = 20000000, max_rows_in_set = 300000;

-- Rows counted by the second of their event, for each ten seconds in which they were
-- stored: a late event is a row of a later slice, so a slice that is over stays as it is.
CREATE TABLE IF NOT EXISTS {database}.events_counted
(
    slice      DateTime('UTC') CODEC(Delta, ZSTD(1)),
    second     DateTime('UTC') CODEC(Delta, ZSTD(1)),
    event_type Enum8('page_view' = 1, 'add_to_cart' = 2, 'purchase' = 3, 'remove_from_cart' = 4),
    events     UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMMDD(slice)
ORDER BY (slice, second, event_type)
TTL slice + toIntervalDay(90)
SETTINGS ttl_only_drop_parts = 1;

-- The last two minutes are counted again: an insert that stood still becomes visible
-- later than its inserted_at says.
CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.count_events
REFRESH EVERY 10 SECOND APPEND TO {database}.events_counted
AS
WITH (SELECT toDateTime64(max(slice), 3, 'UTC') FROM {database}.events_counted) AS done
SELECT
    toDateTime(toStartOfInterval(inserted_at, INTERVAL 10 SECOND), 'UTC') AS slice,
    toDateTime(timestamp, 'UTC') AS second,
    event_type,
    count() AS events
FROM {database}.events
WHERE inserted_at >= done - INTERVAL 2 MINUTE
    AND inserted_at < toStartOfInterval(now64(3) - INTERVAL 3 SECOND, INTERVAL 10 SECOND)
GROUP BY slice, second, event_type;

-- Events by the second and by type, each event_id once: what is counted, what came since,
-- less what was sent again. Sum over it; a second has several rows.
CREATE VIEW IF NOT EXISTS {database}.events_by_second AS
WITH (SELECT max(slice) + toIntervalSecond(10 * (count() > 0)) FROM {database}.events_counted) AS counted
SELECT second, event_type, toInt64(events) AS events
FROM {database}.events_counted FINAL
WHERE slice < counted
UNION ALL
SELECT toDateTime(timestamp, 'UTC') AS second, event_type, toInt64(1) AS events
FROM {database}.events
WHERE inserted_at >= counted
UNION ALL
SELECT toDateTime(timestamp, 'UTC') AS second, event_type, toInt64(-1) AS events
FROM {database}.events_repeated FINAL;

-- How long events took until they were stored, by the minute in which they were: states
-- of quantiles, exact to 1 %, in milliseconds.
CREATE TABLE IF NOT EXISTS {database}.events_delay
(
    minute DateTime('UTC') CODEC(Delta, ZSTD(1)),
    delay  AggregateFunction(quantilesDD(0.01, 0.5, 0.95, 0.99), Int64)
)
ENGINE = ReplacingMergeTree
ORDER BY minute
TTL minute + toIntervalDay(90);

CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.measure_delay
REFRESH EVERY 1 MINUTE APPEND TO {database}.events_delay
AS
WITH (SELECT toDateTime64(max(minute), 3, 'UTC') FROM {database}.events_delay) AS done
SELECT
    toDateTime(toStartOfMinute(inserted_at), 'UTC') AS minute,
    quantilesDDState(0.01, 0.5, 0.95, 0.99)(greatest(toInt64(dateDiff('millisecond', timestamp, inserted_at)), 1)) AS delay
FROM {database}.events
WHERE inserted_at >= done - INTERVAL 2 MINUTE AND inserted_at < toStartOfMinute(now64(3) - INTERVAL 3 SECOND)
GROUP BY minute;
