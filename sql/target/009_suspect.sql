-- Rows whose values the connector lost: the second half of a key change that a restart swallowed. The row has its new key;
-- what else the change wrote is not known until it is fetched again (check_target --repair).
CREATE TABLE @schema@.suspect (
    stream      text NOT NULL REFERENCES @schema@.stream (name) ON UPDATE CASCADE ON DELETE CASCADE,
    schema_name text NOT NULL,
    table_name  text NOT NULL,
    key         text NOT NULL, -- "id=5, part=x"
    tx_id       bigint NOT NULL,
    commit_lsn  pg_lsn NOT NULL,
    marked_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (stream, schema_name, table_name, key)
);

-- What there is to know of a stream; one whose holder is no more says so. Older programs made this view in earlier files:
-- it is replaced there, and made here where the schema is new. New columns go to the end.
CREATE OR REPLACE VIEW @schema@.status AS
SELECT s.name,
       CASE WHEN s.state IN ('starting', 'running', 'paused')
             AND NOT EXISTS (SELECT FROM pg_stat_activity a
                              WHERE a.pid = s.holder_pid
                                AND (a.backend_start = s.holder_backend_start OR a.backend_start IS NULL))
            THEN 'gone' ELSE s.state END AS state,
       s.error,
       s.last_commit_lsn,
       s.last_tx_id,
       s.source_commit_at,
       s.applied_at,
       s.applied_at - s.source_commit_at AS last_delay,
       p.rows AS snapshot_rows,
       p.started_at AS snapshot_started_at,
       p.finished_at AS snapshot_finished_at,
       (SELECT count(*) FROM @schema@.offsets o WHERE o.stream = s.name) AS partitions,
       (SELECT count(*) FROM @schema@.quarantine q WHERE q.stream = s.name AND q.state = 'waiting') AS quarantined,
       s.instance,
       s.epoch,
       s.heartbeat_at,
       s.paused_at,
       s.paused_by,
       (SELECT count(*) FROM @schema@.suspect u WHERE u.stream = s.name) AS suspect_rows,
       (SELECT count(*) FROM @schema@.unverified v WHERE v.stream = s.name) AS unverified_tables
  FROM @schema@.stream s
  LEFT JOIN LATERAL (SELECT rows, started_at, finished_at
                       FROM @schema@.snapshot_progress p
                      WHERE p.stream = s.name
                      ORDER BY p.started_at DESC
                      LIMIT 1) p ON true;
