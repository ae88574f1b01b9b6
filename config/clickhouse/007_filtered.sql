-- Records that are neither row nor letter because a processor of the pipeline has
-- dropped them: `clickstream verify` tells them from records that are missing. The
-- consumer writes their offsets down before it commits them. One that is read again
-- writes them down again, and a range may lie within another.

CREATE TABLE IF NOT EXISTS {database}.events_filtered
(
    _stream        UInt64 CODEC(ZSTD(1)),
    _partition     Int32 CODEC(ZSTD(1)),
    consumer_group LowCardinality(String),
    first          Int64 CODEC(Delta, ZSTD(1)),
    last           Int64 CODEC(Delta, ZSTD(1)), -- the last one, not the one behind it
    inserted_at    DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (_stream, _partition, consumer_group, first, last);
