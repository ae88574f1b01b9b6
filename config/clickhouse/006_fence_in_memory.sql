-- The fence forgets at a restart: then nobody owns anything, and each writer takes its
-- partitions anew, as after a TRUNCATE. A fence on disk comes back in the order of its
-- files, which is that in which the inserts into it began. Two that overlap are obeyed
-- in the order in which they end, so that a restart could give a partition back to a
-- writer that had lost it, and whose rows had been read back without its latest.
--
-- It is replaced at once, under a name that `events` goes on referring to. A writer of
-- any release that meets the empty one is refused (code 469), asks its group and fences.

CREATE OR REPLACE TABLE {database}.events_fence
(
    _stream    UInt64,
    _partition Int32,
    owner      UInt64
)
ENGINE = Join(ANY, LEFT, _stream, _partition)
SETTINGS join_any_take_last_row = 1, persistent = 0;
