-- segmoe's queue, schema 7: what a job is blamed for, what a clock that is set cannot lengthen, and what each worker can
-- render.

-- Steps of all its images when its worker vanished last, the most so far: a loss that got further is not the job's fault.
ALTER TABLE jobs ADD COLUMN furthest_step INTEGER NOT NULL DEFAULT 0;
-- When run_after and lease_expires were set: if that is in the future, the clock was set back since, and they are
-- counted anew from now.
ALTER TABLE jobs ADD COLUMN wait_set_at INTEGER;
ALTER TABLE jobs ADD COLUMN lease_set_at INTEGER;
ALTER TABLE models ADD COLUMN held_at INTEGER;  -- as wait_set_at, of held_until
UPDATE jobs SET wait_set_at = created_at WHERE run_after IS NOT NULL;
CREATE INDEX jobs_wait_set ON jobs (wait_set_at) WHERE state = 'queued' AND run_after IS NOT NULL;

CREATE TABLE former_images (
  -- Pictures of a job that was done and is rendered anew: they stay on disk, beside the new ones.
  job    INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  path   TEXT NOT NULL,                    -- absolute
  number INTEGER NOT NULL,                 -- as in images, with all that follows
  seed   INTEGER NOT NULL,
  width  INTEGER NOT NULL,
  height INTEGER NOT NULL,
  digest TEXT NOT NULL,
  bytes  INTEGER NOT NULL,
  seconds REAL NOT NULL,
  PRIMARY KEY (job, path)
) STRICT, WITHOUT ROWID;

CREATE TABLE lacking_models (
  -- Models that a worker does not have, or cannot load: it leaves their jobs to others. A row goes when it has
  -- loaded it, and with the worker.
  worker TEXT NOT NULL,                    -- workers.name
  model  TEXT NOT NULL,                    -- as jobs.model
  since  INTEGER NOT NULL,                 -- when it was first missed, or its files changed last
  reason TEXT NOT NULL,                    -- for a person
  PRIMARY KEY (worker, model)
) STRICT, WITHOUT ROWID;
CREATE INDEX lacking_models_by_model ON lacking_models (model);

CREATE TABLE IF NOT EXISTS set_aside (
  -- Rows that broke their table's constraints and were taken out of the way of an upgrade.
  id     INTEGER PRIMARY KEY,
  at     INTEGER NOT NULL,
  source TEXT NOT NULL,                    -- the table
  row    TEXT NOT NULL                     -- JSON
) STRICT;
