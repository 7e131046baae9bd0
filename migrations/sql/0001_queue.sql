-- segmoe's queue, schema 1. PRAGMA user_version holds the number of the schema.
--
-- Whoever opens the database with sqlite3 may start with
--     .mode box
--     SELECT * FROM job_overview ORDER BY id DESC LIMIT 20;
--     SELECT * FROM batch_overview;
--     SELECT * FROM event_log WHERE job = 17;
-- The views show local time. In the tables every time is an INTEGER, milliseconds since 1970 UTC
-- (columns *_at, *_until, run_after, lease_expires, expected_end); this reads one:
--     datetime(created_at / 1000, 'unixepoch', 'localtime')
-- Durations say their unit in their name. Booleans are 0 or 1.
-- Reading never disturbs the daemon. Before writing by hand: PRAGMA foreign_keys = ON; BEGIN IMMEDIATE;

CREATE TABLE queue (
  -- One row: the main switch, and how many jobs are in which state. Triggers keep the counts true.
  id        INTEGER PRIMARY KEY CHECK (id = 1),
  paused    INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)),  -- 1: nothing new is claimed
  queued    INTEGER NOT NULL DEFAULT 0,
  running   INTEGER NOT NULL DEFAULT 0,
  done      INTEGER NOT NULL DEFAULT 0,
  failed    INTEGER NOT NULL DEFAULT 0,
  cancelled INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO queue (id) VALUES (1);

CREATE TABLE models (
  -- Models the daemon has found or loaded, and which of them it leaves alone for a while.
  name          TEXT PRIMARY KEY,          -- what jobs.model says: a name, or an absolute path
  path          TEXT,                      -- folder or .safetensors file; NULL: never loaded
  kind          TEXT,                      -- e.g. 'sd', 'segmoe'
  digest        TEXT,                      -- SHA-256 over its files, hexadecimal
  bytes         INTEGER,                   -- size on disk
  description   TEXT,                      -- e.g. '4x2, layers all'
  registered_at INTEGER NOT NULL,
  loaded_at     INTEGER,                   -- last time that loading it succeeded
  load_failures INTEGER NOT NULL DEFAULT 0,  -- in a row; set to 0 by a success
  load_error    TEXT,                      -- the last failure's message
  held_until    INTEGER                    -- circuit breaker: its jobs wait until then; NULL: not held
) STRICT, WITHOUT ROWID;
CREATE INDEX models_held ON models (held_until) WHERE held_until IS NOT NULL;

CREATE TABLE batches (
  -- What one `segmoectl enqueue` sent. Triggers keep the counts true.
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  name        TEXT NOT NULL,               -- for people; need not be unique
  key         TEXT UNIQUE,                 -- idempotency key: the same key never makes a second batch
  fingerprint INTEGER,                     -- with a key: 64-bit FNV-1a of all requests, the same every time
  paused      INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)),
  created_at  INTEGER NOT NULL,
  first_job   INTEGER NOT NULL,            -- its jobs have the ids from first_job
  last_job    INTEGER NOT NULL,            -- to last_job (retention may have removed some)
  queued      INTEGER NOT NULL DEFAULT 0,
  running     INTEGER NOT NULL DEFAULT 0,
  done        INTEGER NOT NULL DEFAULT 0,
  failed      INTEGER NOT NULL DEFAULT 0,
  cancelled   INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE jobs (
  -- One prompt, rendered count times with the seeds seed, seed + 1, …
  id              INTEGER PRIMARY KEY AUTOINCREMENT,
  batch           INTEGER NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
  state           TEXT NOT NULL DEFAULT 'queued'
                  CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),

  -- What to render.
  model           TEXT NOT NULL CHECK (model <> ''),  -- a registered name, or an absolute path
  prompt          TEXT NOT NULL,
  negative_prompt TEXT NOT NULL DEFAULT '',
  width           INTEGER NOT NULL CHECK (width > 0 AND width % 8 = 0),    -- pixels
  height          INTEGER NOT NULL CHECK (height > 0 AND height % 8 = 0),  -- pixels
  steps           INTEGER NOT NULL CHECK (steps >= 1),
  guidance        REAL NOT NULL,
  scheduler       TEXT,                    -- NULL: the model's own
  seed            INTEGER NOT NULL CHECK (seed >= 0),
  count           INTEGER NOT NULL CHECK (count >= 1),
  precision       TEXT NOT NULL CHECK (precision IN ('f32', 'bf16', 'int8')),
  loras           TEXT NOT NULL DEFAULT '[]',  -- JSON: [{"path": …, "weight": …}]
  init_image      TEXT,                    -- absolute path; NULL: start from noise
  strength        REAL CHECK (strength BETWEEN 0 AND 1),  -- of the noise on init_image
  mask            TEXT,                    -- absolute path; white is painted anew
  memory_budget   INTEGER CHECK (memory_budget > 0),  -- bytes; NULL: the daemon's own

  -- When to render it, and who does.
  priority        INTEGER NOT NULL DEFAULT 0,  -- higher goes first; equal ones by id
  run_after       INTEGER,                 -- not before this time; NULL: at once. The claim sets it to NULL
                                           -- when the time has come, so that the index holds due jobs only
  held            INTEGER NOT NULL DEFAULT 0 CHECK (held BETWEEN 0 AND 3),  -- 0: no; +1 its batch is
                                           -- paused; +2 its model is held (models.held_until)
  attempts        INTEGER NOT NULL DEFAULT 0,  -- claims that count; one given back by a stopping daemon doesn't
  max_attempts    INTEGER NOT NULL DEFAULT 3 CHECK (max_attempts >= 1),
  losses          INTEGER NOT NULL DEFAULT 0,  -- attempts that ended with the worker gone (crash, kill, hang)
  claims          INTEGER NOT NULL DEFAULT 0,  -- all claims ever: the number that fences off a late worker
  lease_owner     TEXT,                    -- workers.name; NULL unless running
  lease_expires   INTEGER,                 -- renewed while it renders; once past, anyone may free the job
  cancel_requested INTEGER NOT NULL DEFAULT 0 CHECK (cancel_requested IN (0, 1)),
  created_at      INTEGER NOT NULL,
  started_at      INTEGER,                 -- of the last attempt
  finished_at     INTEGER,                 -- done, failed or cancelled

  -- How it went.
  error           TEXT,                    -- of the last attempt; stays while a retry waits
  error_kind      TEXT CHECK (error_kind IN ('bad_input', 'model', 'transient', 'lost')),
  model_digest    TEXT,                    -- of the weights that rendered it
  cache_hits      INTEGER,                 -- expert cache, this job alone
  cache_misses    INTEGER,
  cache_evictions INTEGER,
  bytes_read      INTEGER,                 -- from disk into the cache
  stall_ms        INTEGER,                 -- waited for experts
  peak_bytes      INTEGER,                 -- resident memory at its highest

  CHECK ((state = 'running') = (lease_owner IS NOT NULL)),
  CHECK ((state = 'running') = (lease_expires IS NOT NULL)),
  CHECK (attempts <= max_attempts - (state = 'queued'))  -- whatever is queued has an attempt left
) STRICT;
-- The claim takes the first entry of this index, however deep the queue is.
CREATE INDEX jobs_due ON jobs (priority DESC, id)
  WHERE state = 'queued' AND run_after IS NULL AND held = 0;
-- The same for a worker that has some models in memory and would rather go on with them.
CREATE INDEX jobs_due_by_model ON jobs (priority DESC, model, id)
  WHERE state = 'queued' AND run_after IS NULL AND held = 0;
CREATE INDEX jobs_waiting ON jobs (run_after) WHERE state = 'queued' AND run_after IS NOT NULL;
CREATE INDEX jobs_leased ON jobs (lease_expires) WHERE state = 'running';
CREATE INDEX jobs_by_state ON jobs (state);
CREATE INDEX jobs_by_batch ON jobs (batch, state);
-- For retention: what has been over for long.
CREATE INDEX jobs_over ON jobs (state, finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE images (
  -- Finished pictures; written together with the job's 'done'.
  job    INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  number INTEGER NOT NULL CHECK (number >= 0),  -- 0 … jobs.count - 1
  path   TEXT NOT NULL,                    -- absolute
  seed   INTEGER NOT NULL,
  width  INTEGER NOT NULL,                 -- pixels
  height INTEGER NOT NULL,
  digest TEXT NOT NULL CHECK (length(digest) = 64),  -- SHA-256 of the file, hexadecimal
  bytes  INTEGER NOT NULL,
  seconds REAL NOT NULL,                   -- from first step to file
  PRIMARY KEY (job, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE progress (
  -- Where a running job is: a row for each of its images, renewed every step.
  job              INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  number           INTEGER NOT NULL CHECK (number >= 0),  -- as in images
  phase            TEXT NOT NULL
                   CHECK (phase IN ('loading', 'encoding', 'denoising', 'decoding', 'writing', 'done')),
  step             INTEGER NOT NULL CHECK (step >= 0),    -- finished steps
  steps            INTEGER NOT NULL,
  seconds_per_step REAL,
  expected_end     INTEGER,                -- of this image
  updated_at       INTEGER NOT NULL,
  PRIMARY KEY (job, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE workers (
  -- Daemons, one row a name.
  name         TEXT PRIMARY KEY CHECK (name <> ''),
  pid          INTEGER NOT NULL,
  host         TEXT NOT NULL,
  version      TEXT NOT NULL,
  state        TEXT NOT NULL CHECK (state IN ('idle', 'loading', 'rendering', 'draining', 'stopped')),
  job          INTEGER REFERENCES jobs (id) ON DELETE SET NULL,
  started_at   INTEGER NOT NULL,
  heartbeat_at INTEGER NOT NULL            -- older than a minute: it hangs or is gone
) STRICT, WITHOUT ROWID;
CREATE INDEX workers_by_job ON workers (job) WHERE job IS NOT NULL;

CREATE TABLE events (
  -- What happened when. An event without a job is about the whole batch, without both about the queue.
  id     INTEGER PRIMARY KEY,
  at     INTEGER NOT NULL,
  batch  INTEGER REFERENCES batches (id) ON DELETE CASCADE,
  job    INTEGER REFERENCES jobs (id) ON DELETE CASCADE,
  worker TEXT,
  what   TEXT NOT NULL CHECK (what IN ('enqueued', 'claimed', 'given_back', 'lost', 'retrying', 'done', 'failed',
         'cancel_requested', 'cancelled', 'retried', 'paused', 'resumed', 'reordered', 'model_held',
         'model_released', 'worker_started', 'worker_stopped')),
  detail TEXT
) STRICT;
CREATE INDEX events_by_job ON events (job) WHERE job IS NOT NULL;
CREATE INDEX events_by_batch ON events (batch) WHERE batch IS NOT NULL;

CREATE TRIGGER jobs_count_in AFTER INSERT ON jobs BEGIN
  UPDATE batches SET
    queued    = queued    + (NEW.state = 'queued'),
    running   = running   + (NEW.state = 'running'),
    done      = done      + (NEW.state = 'done'),
    failed    = failed    + (NEW.state = 'failed'),
    cancelled = cancelled + (NEW.state = 'cancelled')
  WHERE id = NEW.batch;
  UPDATE queue SET
    queued    = queued    + (NEW.state = 'queued'),
    running   = running   + (NEW.state = 'running'),
    done      = done      + (NEW.state = 'done'),
    failed    = failed    + (NEW.state = 'failed'),
    cancelled = cancelled + (NEW.state = 'cancelled');
END;
CREATE TRIGGER jobs_count_over AFTER UPDATE OF state ON jobs WHEN OLD.state <> NEW.state BEGIN
  UPDATE batches SET
    queued    = queued    + (NEW.state = 'queued')    - (OLD.state = 'queued'),
    running   = running   + (NEW.state = 'running')   - (OLD.state = 'running'),
    done      = done      + (NEW.state = 'done')      - (OLD.state = 'done'),
    failed    = failed    + (NEW.state = 'failed')    - (OLD.state = 'failed'),
    cancelled = cancelled + (NEW.state = 'cancelled') - (OLD.state = 'cancelled')
  WHERE id = NEW.batch;
  UPDATE queue SET
    queued    = queued    + (NEW.state = 'queued')    - (OLD.state = 'queued'),
    running   = running   + (NEW.state = 'running')   - (OLD.state = 'running'),
    done      = done      + (NEW.state = 'done')      - (OLD.state = 'done'),
    failed    = failed    + (NEW.state = 'failed')    - (OLD.state = 'failed'),
    cancelled = cancelled + (NEW.state = 'cancelled') - (OLD.state = 'cancelled');
END;
CREATE TRIGGER jobs_count_out AFTER DELETE ON jobs BEGIN
  UPDATE batches SET
    queued    = queued    - (OLD.state = 'queued'),
    running   = running   - (OLD.state = 'running'),
    done      = done      - (OLD.state = 'done'),
    failed    = failed    - (OLD.state = 'failed'),
    cancelled = cancelled - (OLD.state = 'cancelled')
  WHERE id = OLD.batch;
  UPDATE queue SET
    queued    = queued    - (OLD.state = 'queued'),
    running   = running   - (OLD.state = 'running'),
    done      = done      - (OLD.state = 'done'),
    failed    = failed    - (OLD.state = 'failed'),
    cancelled = cancelled - (OLD.state = 'cancelled');
END;

CREATE VIEW job_overview AS
  -- A job a line, for people. Add ORDER BY id DESC LIMIT 20, or WHERE state = 'failed'.
  SELECT
    j.id,
    b.name AS batch,
    CASE
      WHEN j.state = 'running' AND j.cancel_requested THEN 'cancelling'
      WHEN j.state = 'queued' AND j.held & 1 THEN 'paused'
      WHEN j.state = 'queued' AND j.held & 2 THEN 'queued, model held'
      WHEN j.state = 'queued' AND j.run_after IS NOT NULL
        THEN 'queued until ' || datetime(j.run_after / 1000, 'unixepoch', 'localtime')
      ELSE j.state
    END AS state,
    -- Steps of the image at work, e.g. 7/25; and finished images, e.g. 1/4.
    (SELECT p.step || '/' || p.steps || iif(p.phase IN ('denoising', 'done'), '', ' ' || p.phase)
       FROM progress p WHERE p.job = j.id
       ORDER BY p.phase = 'done', p.updated_at DESC LIMIT 1) AS progress,
    iif(j.state = 'done', j.count,
        (SELECT count(*) FROM progress p WHERE p.job = j.id AND p.phase = 'done')) || '/' || j.count AS images,
    replace(replace(replace(
      iif(length(j.prompt) > 48, substr(j.prompt, 1, 47) || '…', j.prompt),
      char(10), ' '), char(13), ' '), char(27), '?') AS prompt,
    -- A path's last part is enough here.
    replace(j.model, rtrim(j.model, replace(j.model, '/', '')), '') AS model,
    j.attempts || '/' || j.max_attempts AS attempts,
    iif(j.state = 'running',
        (SELECT time(max(p.expected_end) / 1000, 'unixepoch', 'localtime')
           FROM progress p WHERE p.job = j.id AND p.phase <> 'done'), NULL) AS eta,
    j.lease_owner AS worker,
    j.priority,
    datetime(j.created_at / 1000, 'unixepoch', 'localtime') AS created,
    iif(j.finished_at IS NULL, NULL, round((j.finished_at - j.started_at) / 1000.0, 1)) AS seconds,
    j.error
  FROM jobs j JOIN batches b ON b.id = j.batch;

CREATE VIEW batch_overview AS
  -- A batch a line.
  SELECT
    id, name,
    CASE WHEN queued + running = 0 THEN 'over' WHEN paused THEN 'paused' ELSE 'open' END AS state,
    queued, running, done, failed, cancelled,
    datetime(created_at / 1000, 'unixepoch', 'localtime') AS created
  FROM batches;

CREATE VIEW event_log AS
  -- events in readable time.
  SELECT id, strftime('%Y-%m-%d %H:%M:%S', at / 1000, 'unixepoch', 'localtime') AS at,
         batch, job, worker, what, detail
  FROM events;
