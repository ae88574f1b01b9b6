-- Who looks: Grafana. Any visitor of Grafana can send SQL through it, hence the limits.
-- Grafana's driver sets max_execution_time on every query, which readonly alone forbids.

CREATE SETTINGS PROFILE OR REPLACE {profile} SETTINGS
    readonly = 1,
    max_execution_time = 30 MIN 1 MAX 60 CHANGEABLE_IN_READONLY,
    max_memory_usage = 1000000000,
    max_result_rows = 1000000;
CREATE USER IF NOT EXISTS {user};
ALTER USER {user} IDENTIFIED WITH sha256_hash BY {hash} SALT {salt} SETTINGS PROFILE {profile};
GRANT SELECT ON {database}.* TO {user};
GRANT SELECT ON system.parts TO {user}; -- the board Pipeline health counts them
