-- segmoe's queue, schema 9: the finished pictures of a job that fails or is cancelled stay.

-- 1: whoever cancelled the job wants none of its pictures. A daemon removes them. Otherwise they move from checkpoints
-- to images once a daemon has found them whole.
ALTER TABLE jobs ADD COLUMN discard INTEGER NOT NULL DEFAULT 0 CHECK (discard IN (0, 1));
