-- Run when a table's retention is set back to 0: its rows stay.

ALTER TABLE {database}.{table} REMOVE TTL;
