-- segmoe's queue, schema 8: jobs may name models, LoRAs and VAEs of a hub. A fetcher, which has a network, brings them;
-- until then their jobs wait. The daemon that renders has no network and only reads what was brought.

CREATE TABLE fetchers (
  -- Programs that bring what jobs name: `segmoed fetch`, one row each.
  name         TEXT PRIMARY KEY CHECK (name <> ''),  -- host and process
  pid          INTEGER NOT NULL,
  host         TEXT NOT NULL,
  version      TEXT NOT NULL,
  started_at   INTEGER NOT NULL,
  heartbeat_at INTEGER NOT NULL            -- older than a minute: it hangs or is gone
) STRICT, WITHOUT ROWID;

CREATE TABLE sources (
  -- What the jobs of a batch name that is not on this machine yet. Each batch has rows of its own, so that all its jobs
  -- render from one commit, and the next batch sees what the hub has by then.
  id         INTEGER PRIMARY KEY,
  batch      INTEGER NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
  source     TEXT NOT NULL CHECK (source <> ''),  -- as it was asked for, without any token: 'owner/name@v1', a link
  use        TEXT NOT NULL CHECK (use IN ('model', 'adapter', 'autoencoder')),
  state      TEXT NOT NULL DEFAULT 'wanted' CHECK (state IN ('wanted', 'fetching', 'ready', 'failed')),
  fetcher    TEXT,                         -- fetchers.name; NULL unless it is being fetched
  claims     INTEGER NOT NULL DEFAULT 0,   -- all claims ever: the number that fences off a late fetcher
  tries      INTEGER NOT NULL DEFAULT 0,   -- that ended with a fault which may pass
  not_before INTEGER,                      -- of the next try; NULL: at once
  bytes_done INTEGER NOT NULL DEFAULT 0,
  bytes_total INTEGER,                     -- NULL: not known yet
  bytes_per_second INTEGER,
  error      TEXT,                         -- of the last try
  name       TEXT,                         -- what it was found to be, with its commit; its jobs name it so from then on
  revision   TEXT,                         -- the commit, or CivitAI's version
  path       TEXT,                         -- where it lies
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  UNIQUE (batch, use, source),
  CHECK ((state = 'fetching') = (fetcher IS NOT NULL)),
  CHECK ((state = 'ready') = (path IS NOT NULL))
) STRICT;
CREATE INDEX sources_by_state ON sources (state, id);

CREATE TABLE job_sources (
  -- Which jobs name which sources.
  job    INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  source INTEGER NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
  PRIMARY KEY (job, source)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_sources_by_source ON job_sources (source);

-- One more reason to hold a job. The column's CHECK was too strict; ALTER TABLE cannot change it.
DROP VIEW job_overview;
DROP INDEX jobs_due;
DROP INDEX jobs_due_by_model;
ALTER TABLE jobs ADD COLUMN held_8 INTEGER NOT NULL DEFAULT 0 CHECK (held_8 BETWEEN 0 AND 7);
UPDATE jobs SET held_8 = held WHERE held <> 0;
ALTER TABLE jobs DROP COLUMN held;
-- 0: no; +1 its batch is paused; +2 its model is held (models.held_until); +4 a source of it is not here (sources).
ALTER TABLE jobs RENAME COLUMN held_8 TO held;
CREATE INDEX jobs_due ON jobs (priority DESC, id)
  WHERE state = 'queued' AND run_after IS NULL AND held = 0;
CREATE INDEX jobs_due_by_model ON jobs (priority DESC, model, id)
  WHERE state = 'queued' AND run_after IS NULL AND held = 0;

CREATE VIEW source_overview AS
  -- A source a line, for people: 'segmind/SegMoE-4x2-v0, 31%, 4 min'.
  SELECT
    id, batch, source, use, state,
    replace(replace(replace(source, char(10), ' '), char(13), ' '), char(27), '?') || CASE
      WHEN state = 'wanted' AND not_before IS NOT NULL
        THEN ', again at ' || time(not_before / 1000, 'unixepoch', 'localtime')
      WHEN state = 'wanted' AND NOT EXISTS (
        SELECT 1 FROM fetchers WHERE heartbeat_at > strftime('%s', 'now') * 1000 - 60000) THEN ', no fetcher runs'
      WHEN state = 'fetching' AND bytes_total > 0
        THEN ', ' || (100 * bytes_done / bytes_total) || '%' || CASE
          WHEN NOT bytes_per_second > 0 THEN ''
          WHEN (bytes_total - bytes_done) / bytes_per_second < 90
            THEN ', ' || ((bytes_total - bytes_done) / bytes_per_second) || ' s'
          ELSE ', ' || (((bytes_total - bytes_done) / bytes_per_second + 30) / 60) || ' min'
        END
      ELSE ''
    END AS standing,
    name, revision, path, error,
    datetime(created_at / 1000, 'unixepoch', 'localtime') AS created
  FROM sources;

CREATE VIEW job_waits AS
  -- For each job that waits for sources, the one that is looked at first.
  SELECT js.job, s.standing, s.error FROM job_sources js JOIN source_overview s ON s.id = js.source
  WHERE s.id = (
    SELECT o.id FROM job_sources p JOIN sources o ON o.id = p.source
    WHERE p.job = js.job AND o.state <> 'ready' ORDER BY o.state <> 'failed', o.state <> 'fetching', o.id LIMIT 1);

CREATE VIEW job_overview AS
  -- A job a line, for people. Add ORDER BY id DESC LIMIT 20, or WHERE state = 'failed'.
  SELECT
    j.id,
    b.name AS batch,
    CASE
      WHEN j.state = 'running' AND j.cancel_requested THEN 'cancelling'
      WHEN j.state = 'queued' AND j.held & 1 THEN 'paused'
      WHEN j.state = 'queued' AND j.held & 4
        THEN 'waiting for ' || ifnull((SELECT standing FROM job_waits WHERE job = j.id), 'its model')
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
    iif(j.state = 'queued' AND j.held & 4,
        (SELECT error FROM job_waits WHERE job = j.id), j.error) AS error
  FROM jobs j JOIN batches b ON b.id = j.batch;

-- The finished pictures of a job that fails or is cancelled stay.

-- 1: whoever cancelled the job wants none of its pictures. A daemon removes them. Otherwise they move from checkpoints
-- to images once a daemon has found them whole.
ALTER TABLE jobs ADD COLUMN discard INTEGER NOT NULL DEFAULT 0 CHECK (discard IN (0, 1));

-- Shares of the steps: where guidance begins and ends; 0 and 1: as before.
ALTER TABLE jobs ADD COLUMN guidance_from REAL NOT NULL DEFAULT 0 CHECK (guidance_from >= 0 AND guidance_from <= 1);
ALTER TABLE jobs ADD COLUMN guidance_until REAL NOT NULL DEFAULT 1 CHECK (guidance_until >= 0 AND guidance_until <= 1);

-- How the steps' noise levels are chosen; NULL: as before.
ALTER TABLE jobs ADD COLUMN sigmas TEXT;      -- a spacing: karras, exponential, beta, uniform, sgm_uniform, ays
ALTER TABLE jobs ADD COLUMN eta REAL CHECK (eta >= 0 AND eta <= 1);  -- share of noise that is drawn anew
ALTER TABLE jobs ADD COLUMN timesteps TEXT;   -- the timesteps to visit, with commas
ALTER TABLE jobs ADD COLUMN sigma_list TEXT;  -- the noise levels to visit and the last one, with commas

-- Steps of all images that were saved at the loss that got furthest. furthest_step counts reported ones too, which may be
-- ahead: a job that saves more than at the losses before moves forward all the same.
ALTER TABLE jobs ADD COLUMN furthest_saved INTEGER NOT NULL DEFAULT 0;
