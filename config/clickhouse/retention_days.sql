-- Run when a table's retention is set or changed: its rows go {days} days after they
-- were stored, a day's rows of `events` together. By the server's clock: the times that
-- producers write may lie anywhere, and a row must not vanish as soon as it is stored.

ALTER TABLE {database}.{table} MODIFY TTL inserted_at + toIntervalDay({days});
