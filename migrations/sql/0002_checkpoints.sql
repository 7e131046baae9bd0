-- segmoe's queue, schema 2: a render that is interrupted goes on where it was.

CREATE TABLE checkpoints (
  -- For each image of an unfinished job: where its render is, or that its file is there.
  job          INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  number       INTEGER NOT NULL CHECK (number >= 0),  -- as in images
  step         INTEGER NOT NULL CHECK (step >= 0),    -- finished steps
  state        BLOB NOT NULL,              -- latents, noise and the method's memory, as segmoed reads them;
                                           -- empty once there is a file
  model_digest TEXT NOT NULL,              -- of the weights; others start anew
  made_at      INTEGER NOT NULL,
  -- Set before the file gets its name, so that no file is ever there without a row that knows it.
  path         TEXT,                       -- absolute; NULL: still rendering
  seed         INTEGER,
  width        INTEGER,                    -- pixels
  height       INTEGER,
  digest       TEXT CHECK (length(digest) = 64),  -- SHA-256 of the file, hexadecimal
  bytes        INTEGER,
  seconds      REAL,
  PRIMARY KEY (job, number),
  CHECK ((path IS NULL) = (digest IS NULL))
) STRICT;
CREATE INDEX checkpoints_files ON checkpoints (job) WHERE path IS NOT NULL;

-- Once a job is over nothing goes on. The rows of files that a failed or cancelled job left stay until a
-- daemon has removed the files.
CREATE TRIGGER checkpoints_over AFTER UPDATE OF state ON jobs
WHEN OLD.state <> NEW.state AND NEW.state IN ('done', 'failed', 'cancelled') BEGIN
  DELETE FROM checkpoints WHERE job = NEW.id AND (NEW.state = 'done' OR path IS NULL);
END;
