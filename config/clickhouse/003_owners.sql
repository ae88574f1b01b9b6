-- What makes a row of `events` exactly one: the server refuses whoever is not the
-- owner of the row's partition (plugins/clickhouse/exactlyonce).
--
-- The fence says who owns each partition. A writer that takes a partition over adds a
-- row here; the last row of a key counts, after a restart too. That is a file of some
-- hundred bytes for each time that a partition changes hands or an insert's outcome is
-- unknown: a few a day. It may be emptied at any time (TRUNCATE TABLE): then nobody
-- owns anything, and each writer takes its partitions anew.

CREATE TABLE IF NOT EXISTS {database}.events_fence
(
    _stream    UInt64,
    _partition Int32,
    owner      UInt64
)
ENGINE = Join(ANY, LEFT, _stream, _partition)
SETTINGS join_any_take_last_row = 1;

-- Rows without a coordinate (_stream is 0) are nobody's: an INSERT by hand. A missing
-- key gives owner 0, so 0 never passes. Rows that are here already are not looked at.
-- dead_letters has no such constraint: its rows count once by their coordinate anyway.

ALTER TABLE {database}.events
    ADD CONSTRAINT IF NOT EXISTS current_owner
    CHECK _stream = 0 OR (_owner != 0 AND _owner = joinGet({database_text.events_fence}, 'owner', _stream, _partition));
