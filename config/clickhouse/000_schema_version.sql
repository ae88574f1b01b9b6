-- The database, and the list of the numbered files of this folder that have been
-- applied to it. The schema's version is the highest number in that list.
--
-- How these files are read (internal/schema): each NNN_name.sql is applied once, in
-- order; every statement in it can be run again without harm, since a run may be
-- killed between two statements and two runs may meet. A semicolon at the end of a
-- line ends a statement. {database} is filled in, quoted, and {database_text.t} as the
-- text 'database.t'. Once released a file never changes: a new one alters the tables.

CREATE DATABASE IF NOT EXISTS {database};

CREATE TABLE IF NOT EXISTS {database}.schema_version
(
    version    UInt32,
    name       String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY version;
