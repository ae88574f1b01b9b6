-- What the consumers say of themselves: each writes rows once a second, one for each
-- of its partitions and one with partition -1 for the process. The dashboards of the
-- pipeline's health read them here, since not every ClickHouse keeps logs of its queries.
--
-- Counters are of the time since the process's last row, so a sum over any span is right.

CREATE TABLE IF NOT EXISTS {database}.pipeline_metrics
(
    time        DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(Delta, ZSTD(1)),
    pipeline    LowCardinality(String), -- the consumer's host
    version     LowCardinality(String),
    topic       LowCardinality(String),
    partition   Int32 CODEC(ZSTD(1)),

    -- Of a partition.
    lag_events  Int64 CODEC(ZSTD(1)), -- records in the log that are not committed
    lag_ms      Int64 CODEC(ZSTD(1)), -- age of the oldest record that was read and is not stored
    consumed    UInt64 CODEC(ZSTD(1)), -- records read
    rows        UInt64 CODEC(ZSTD(1)), -- rows stored
    letters     UInt64 CODEC(ZSTD(1)), -- records that cannot be stored

    -- Of the process.
    inserts     UInt64 CODEC(ZSTD(1)), -- that the server answered, whatever it said
    insert_ms   Float64 CODEC(ZSTD(1)), -- how long they took together
    bytes       UInt64 CODEC(ZSTD(1)), -- of the rows stored, before compression
    retries     UInt64 CODEC(ZSTD(1)), -- inserts that failed
    rebalances  UInt64 CODEC(ZSTD(1)), -- assignments of partitions by the group

    -- Blocks, by what ended their filling.
    fill_rows   UInt64 CODEC(ZSTD(1)),
    fill_bytes  UInt64 CODEC(ZSTD(1)),
    fill_time   UInt64 CODEC(ZSTD(1)),
    fill_idle   UInt64 CODEC(ZSTD(1)),
    fill_close  UInt64 CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(time)
ORDER BY (time, partition)
TTL toDateTime(time) + toIntervalDay(7)
SETTINGS ttl_only_drop_parts = 1;
