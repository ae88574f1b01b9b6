-- One row per event.
--
-- Order: dashboards ask for a span of time, most of them for one type. Within a type
-- rows lie in the order of time, hence nearly in the order of offsets too: the index
-- `coordinate` finds a batch of offsets by reading little more than the batch.
--
-- Partition: the day on which the row was stored, by the server's clock. All rows of
-- an insert get the same inserted_at, so an insert is always one partition, and an
-- insert into one partition is atomic. By received_at it would not be: that time comes
-- from whoever wrote the record, and a block with more than 100 days in it is refused
-- for ever. A day, not a month, so that retention drops whole folders of files and
-- rewrites none.

CREATE TABLE IF NOT EXISTS {database}.events
(
    -- What happened, as the event's JSON says.
    event_id    UUID CODEC(NONE), -- random: compressing it takes time and saves nothing
    event_type  Enum8('page_view' = 1, 'add_to_cart' = 2, 'purchase' = 3, 'remove_from_cart' = 4),
    user_id     String CODEC(ZSTD(1)), -- LowCardinality measured no better (docs/decisions.md)
    product_id  LowCardinality(String) CODEC(ZSTD(1)),
    price       Decimal(18, 4) CODEC(ZSTD(1)),
    timestamp   DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),

    -- When it came by: the Kafka record's time, then the time it was stored.
    received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(Delta, ZSTD(1)),

    -- Where it came from: the record's coordinate, unique for ever, and who wrote it.
    _stream     UInt64 CODEC(ZSTD(1)), -- hash of cluster id and topic id
    _partition  Int32 CODEC(ZSTD(1)),
    _offset     Int64 CODEC(Delta, ZSTD(1)),
    _owner      UInt64 DEFAULT 0 CODEC(ZSTD(1)),

    INDEX coordinate (_stream, _partition, _offset) TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(inserted_at)
ORDER BY (event_type, timestamp)
SETTINGS ttl_only_drop_parts = 1;
