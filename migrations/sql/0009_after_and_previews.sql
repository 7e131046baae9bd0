-- segmoe's queue, schema 9: a batch may wait for another, a waiting job may be edited, names of pictures by a pattern,
-- pictures of what is at work, classes of numerics, shards, fewer operations.

-- A batch that starts when another is over, whatever became of its jobs.
ALTER TABLE batches ADD COLUMN after INTEGER REFERENCES batches (id) ON DELETE SET NULL;
CREATE INDEX batches_after ON batches (after) WHERE after IS NOT NULL;
-- The names of its pictures; NULL: BATCH/JOB-INDEX.png, as before. docs/queue.md has the fields.
ALTER TABLE batches ADD COLUMN name_pattern TEXT;

-- One more reason to hold a job, and room for others.
DROP VIEW job_overview;
DROP INDEX jobs_due;
DROP INDEX jobs_due_by_model;
ALTER TABLE jobs ADD COLUMN held_9 INTEGER NOT NULL DEFAULT 0 CHECK (held_9 BETWEEN 0 AND 255);
UPDATE jobs SET held_9 = held WHERE held <> 0;
ALTER TABLE jobs DROP COLUMN held;
-- 0: no; +1 its batch is paused; +2 its model is held (models.held_until); +4 a source of it is not here (sources);
-- +8 the batch that its own comes after is not over (batches.after); +16 it is rendered elsewhere, from a shard
-- (batches.shards).
ALTER TABLE jobs RENAME COLUMN held_9 TO held;
CREATE INDEX jobs_due ON jobs (priority DESC, id)
  WHERE state = 'queued' AND run_after IS NULL AND held = 0;
CREATE INDEX jobs_due_by_model ON jobs (priority DESC, model, id)
  WHERE state = 'queued' AND run_after IS NULL AND held = 0;

-- A batch that another comes after is over: the other's jobs may start. If it is retried later, they are not held again.
CREATE TRIGGER batches_over AFTER UPDATE OF queued, running ON batches
WHEN NEW.queued + NEW.running <= 0 AND OLD.queued + OLD.running > 0 BEGIN
  UPDATE jobs SET held = held & ~8
  WHERE held & 8 AND batch IN (SELECT id FROM batches WHERE after = NEW.id);
END;
-- The same if it is removed, which makes after NULL unless foreign keys are off, or if after is changed by hand.
CREATE TRIGGER batches_freed AFTER UPDATE OF after ON batches
WHEN NOT EXISTS (SELECT 1 FROM batches WHERE id = NEW.after AND queued + running > 0) BEGIN
  UPDATE jobs SET held = held & ~8 WHERE held & 8 AND batch = NEW.id;
END;
CREATE TRIGGER batches_gone AFTER DELETE ON batches BEGIN
  UPDATE jobs SET held = held & ~8
  WHERE held & 8 AND batch IN (SELECT id FROM batches WHERE after = OLD.id);
END;

-- More that can happen: 'edited', 'sharded', 'collected'. The column's CHECK was too strict.
-- (A view of a renamed table follows it to its new name.)
DROP VIEW event_log;
ALTER TABLE events RENAME TO events_8;
DROP INDEX events_by_job;
DROP INDEX events_by_batch;
CREATE TABLE events (
  -- What happened when. An event without a job is about the whole batch, without both about the queue.
  id     INTEGER PRIMARY KEY,
  at     INTEGER NOT NULL,
  batch  INTEGER REFERENCES batches (id) ON DELETE CASCADE,
  job    INTEGER REFERENCES jobs (id) ON DELETE CASCADE,
  worker TEXT,
  what   TEXT NOT NULL CHECK (what IN ('enqueued', 'edited', 'claimed', 'given_back', 'lost', 'retrying', 'done',
         'failed', 'cancel_requested', 'cancelled', 'retried', 'paused', 'resumed', 'reordered', 'model_held',
         'model_released', 'worker_started', 'worker_stopped', 'sharded', 'collected')),
  detail TEXT
) STRICT;
INSERT INTO events SELECT * FROM events_8;
DROP TABLE events_8;
CREATE INDEX events_by_job ON events (job) WHERE job IS NOT NULL;
CREATE INDEX events_by_batch ON events (batch) WHERE batch IS NOT NULL;
CREATE VIEW event_log AS
  -- events in readable time.
  SELECT id, strftime('%Y-%m-%d %H:%M:%S', at / 1000, 'unixepoch', 'localtime') AS at,
         batch, job, worker, what, detail
  FROM events;

CREATE TABLE previews (
  -- Small pictures of what is at work, made from the latents: the newest of each image, while its job runs.
  job     INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  number  INTEGER NOT NULL,               -- of the image: 0, 1, …
  step    INTEGER NOT NULL,               -- after which it was made
  png     BLOB NOT NULL,
  made_at INTEGER NOT NULL,
  PRIMARY KEY (job, number)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER previews_over AFTER UPDATE OF state ON jobs
WHEN OLD.state = 'running' AND NEW.state <> 'running' BEGIN
  DELETE FROM previews WHERE job = NEW.id;
END;
-- A finished image has a file to look at.
CREATE TRIGGER previews_done AFTER UPDATE OF phase ON progress
WHEN NEW.phase = 'done' BEGIN
  DELETE FROM previews WHERE job = NEW.job AND number = NEW.number;
END;

-- What the bits of a picture depend on beside its request and its weights: the class of numerics, as
-- '0.1.0/avx2/SkylakeX-0.3.21' (version, instruction set, kernels of OpenBLAS). NULL: not known, as in all older rows.
ALTER TABLE workers ADD COLUMN numerics TEXT;
-- A resume state is taken up in its own class alone. One of an unknown class is not: its picture starts anew.
ALTER TABLE checkpoints ADD COLUMN numerics TEXT;
ALTER TABLE images ADD COLUMN numerics TEXT;
ALTER TABLE former_images ADD COLUMN numerics TEXT;
-- 1: all its jobs are rendered in one class, that of the worker that begins the first of them.
ALTER TABLE batches ADD COLUMN same_numerics INTEGER NOT NULL DEFAULT 0 CHECK (same_numerics IN (0, 1));
ALTER TABLE batches ADD COLUMN numerics TEXT;      -- that class, once a job has begun
-- The class that a queued job waits for; NULL: any.
ALTER TABLE jobs ADD COLUMN numerics TEXT;
-- Since when it waits for a worker of the class of its resume state; NULL: it does not, or waits for its batch's class.
ALTER TABLE jobs ADD COLUMN numerics_since INTEGER;
CREATE INDEX jobs_of_class ON jobs (numerics_since) WHERE state = 'queued' AND numerics_since IS NOT NULL;

-- Jobs that are rendered elsewhere, from shards.
ALTER TABLE batches ADD COLUMN shards TEXT;        -- the folder of the shards; NULL: none of its jobs is in one
ALTER TABLE batches ADD COLUMN shards_key TEXT;    -- which shards; stays when all jobs are back

CREATE VIEW job_overview AS
  -- A job a line, for people. Add ORDER BY id DESC LIMIT 20, or WHERE state = 'failed'.
  SELECT
    j.id,
    b.name AS batch,
    CASE
      WHEN j.state = 'running' AND j.cancel_requested THEN 'cancelling'
      WHEN j.state = 'queued' AND j.held & 16 THEN 'in shards ' || ifnull(b.shards, '')
      WHEN j.state = 'queued' AND j.held & 1 THEN 'paused'
      WHEN j.state = 'queued' AND j.held & 4
        THEN 'waiting for ' || ifnull((SELECT standing FROM job_waits WHERE job = j.id), 'its model')
      WHEN j.state = 'queued' AND j.held & 8
        THEN 'waiting for ' || ifnull('batch ' || (SELECT name FROM batches WHERE id = b.after), 'another batch')
      WHEN j.state = 'queued' AND j.held & 2 THEN 'queued, model held'
      WHEN j.state = 'queued' AND j.numerics IS NOT NULL THEN 'queued for a daemon of ' || j.numerics
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

-- Work that need not be done. NULL: all of it is, as before. docs/fast.md.
ALTER TABLE jobs ADD COLUMN deep_cache TEXT;     -- 'N' or 'N:B': the UNet's deep blocks run in every N-th call only
ALTER TABLE jobs ADD COLUMN token_merging TEXT;  -- 'R' or 'R:D': the share of tokens that is merged before self attention

-- A search for a text in prompts need not read them all. A daemon keeps an index of them in a virtual table of FTS5,
-- prompt_texts_NUMBER. No trigger touches that one: without FTS5, or with a damaged index, everything else goes on.

CREATE TABLE prompt_index (
  -- One row: how far the index is.
  id     INTEGER PRIMARY KEY CHECK (id = 1),
  number INTEGER NOT NULL DEFAULT 0,      -- of the virtual table; another one after a fresh start
  up_to  INTEGER NOT NULL DEFAULT 0,      -- jobs up to this one are in it, but for those in unindexed_prompts
  texts  INTEGER NOT NULL DEFAULT 0       -- how many it has: more than there are jobs, after a purge
) STRICT;
INSERT INTO prompt_index (id) VALUES (1);
CREATE TABLE unindexed_prompts (
  -- Jobs up to up_to whose prompts a search must read: written after the index had them, very long, or with a zero byte.
  job INTEGER PRIMARY KEY
) STRICT;
-- Not INSERT OR IGNORE: the statement that fires a trigger may say otherwise.
CREATE TRIGGER prompts_changed AFTER UPDATE OF id, prompt ON jobs
WHEN NEW.id <= (SELECT up_to FROM prompt_index WHERE id = 1) BEGIN
  INSERT INTO unindexed_prompts (job)
  SELECT NEW.id WHERE NEW.id NOT IN (SELECT job FROM unindexed_prompts);
END;
CREATE TRIGGER prompts_put_back AFTER INSERT ON jobs
WHEN NEW.id <= (SELECT up_to FROM prompt_index WHERE id = 1) BEGIN
  INSERT INTO unindexed_prompts (job)
  SELECT NEW.id WHERE NEW.id NOT IN (SELECT job FROM unindexed_prompts);
END;

-- Another noise that the first one is turned toward (AUTOMATIC1111's variation seed).
ALTER TABLE jobs ADD COLUMN variation_seed INTEGER NOT NULL DEFAULT 0;  -- 64 bits without a sign, as seed
-- How far, 0 to 1. 0: not at all, as before.
ALTER TABLE jobs ADD COLUMN variation_strength REAL NOT NULL DEFAULT 0
  CHECK (variation_strength >= 0 AND variation_strength <= 1);

-- Which models each daemon has, so that a wrong name is refused when it is queued. `models` says what they are.
-- When it last looked through its folders; NULL: not yet, or it takes models from anywhere.
ALTER TABLE workers ADD COLUMN models_seen_at INTEGER;
CREATE TABLE found_models (
  -- The models in a daemon's folders, loaded or not. What it had stays when it stops, until it looks again.
  worker TEXT NOT NULL,                   -- workers.name
  model  TEXT NOT NULL,                   -- models.name
  fault  TEXT,                            -- why it cannot be used; NULL: nothing is known against it
  PRIMARY KEY (worker, model)
) STRICT, WITHOUT ROWID;
CREATE INDEX found_models_by_model ON found_models (model);

-- The namespace in which a worker's process number means something, as 'pid:[4026531836]': on its host, whoever is in
-- the same one sees at once that the process has ended. NULL: not known; then the heartbeat alone counts.
ALTER TABLE workers ADD COLUMN process_space TEXT;

-- Who watches asks again and again which jobs are rendered elsewhere.
CREATE INDEX jobs_in_shards ON jobs (batch) WHERE state = 'queued' AND held & 16;
CREATE INDEX batches_in_shards ON batches (id) WHERE shards IS NOT NULL;
-- And which batches are pinned to a class of numerics that nobody has.
CREATE INDEX batches_of_class ON batches (id) WHERE numerics IS NOT NULL;

-- A queue that was moved elsewhere, as `segmoectl move` does. Programs refuse it, and say where it is now.
ALTER TABLE queue ADD COLUMN moved_to TEXT;       -- a file, or a server's address without password; NULL: it is here
-- Which queue it is, wherever it is: random, made by its first move, and carried by each.
ALTER TABLE queue ADD COLUMN identity TEXT;
