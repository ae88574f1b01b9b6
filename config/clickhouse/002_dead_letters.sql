-- One row per record that cannot be stored as an event, with the reason.
--
-- A crash between letter and commit sends the letter again, so a letter counts once
-- by its coordinate: ask `FROM dead_letters FINAL`. There is one partition only, for
-- rows of the same coordinate are merged within a partition; letters are few enough.

CREATE TABLE IF NOT EXISTS {database}.dead_letters
(
    -- Why: a reason of a closed list, the JSON field at fault, and a sentence.
    reason      LowCardinality(String),
    field       LowCardinality(String),
    message     String CODEC(ZSTD(1)),

    -- The record as it came, byte for byte; UTF-8 or not.
    topic       LowCardinality(String) DEFAULT '',
    payload     String CODEC(ZSTD(1)),

    received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(Delta, ZSTD(1)),

    _stream     UInt64 CODEC(ZSTD(1)),
    _partition  Int32 CODEC(ZSTD(1)),
    _offset     Int64 CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (_stream, _partition, _offset);
