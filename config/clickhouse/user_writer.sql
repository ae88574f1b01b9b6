-- Who stores rows: the pipelines. They read back what they have stored, and end inserts
-- of their own that nobody waits for. They cannot change a table.

CREATE USER IF NOT EXISTS {user};
ALTER USER {user} IDENTIFIED WITH sha256_hash BY {hash} SALT {salt};
GRANT SELECT, INSERT ON {database}.* TO {user};
GRANT SELECT ON system.processes TO {user};
GRANT KILL QUERY ON *.* TO {user};
