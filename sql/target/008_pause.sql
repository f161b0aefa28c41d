-- An operator's word: while paused_at is set nothing is applied, whoever holds the stream and how often it is started.
ALTER TABLE @schema@.stream
    ADD COLUMN paused_at timestamptz,
    ADD COLUMN paused_by text;

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
       s.paused_by
  FROM @schema@.stream s
  LEFT JOIN LATERAL (SELECT rows, started_at, finished_at
                       FROM @schema@.snapshot_progress p
                      WHERE p.stream = s.name
                      ORDER BY p.started_at DESC
                      LIMIT 1) p ON true;
