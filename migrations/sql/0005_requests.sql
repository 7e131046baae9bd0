-- segmoe's queue, schema 5: a request is kept as it was made. A size that nobody gave is the model's, an empty negative
-- prompt is not the same as none, and a seed has 64 bits.

-- Columns whose CHECK or NOT NULL was too strict are made anew; ALTER TABLE cannot change them.
-- What the picture should not show; NULL: nothing was said.
ALTER TABLE jobs ADD COLUMN negative_prompt_5 TEXT;
UPDATE jobs SET negative_prompt_5 = nullif(negative_prompt, '');
ALTER TABLE jobs DROP COLUMN negative_prompt;
ALTER TABLE jobs RENAME COLUMN negative_prompt_5 TO negative_prompt;

-- Pixels; NULL: the starting picture's size, or that of the model, which the daemon fills in when it has loaded it.
ALTER TABLE jobs ADD COLUMN width_5 INTEGER CHECK (width_5 > 0 AND width_5 % 8 = 0);
UPDATE jobs SET width_5 = width;
ALTER TABLE jobs DROP COLUMN width;
ALTER TABLE jobs RENAME COLUMN width_5 TO width;
ALTER TABLE jobs ADD COLUMN height_5 INTEGER CHECK (height_5 > 0 AND height_5 % 8 = 0);
UPDATE jobs SET height_5 = height;
ALTER TABLE jobs DROP COLUMN height;
ALTER TABLE jobs RENAME COLUMN height_5 TO height;

-- All 64 bits; SQLite shows those from 2^63 on as negative numbers, printf('%llu', seed) as they are.
ALTER TABLE jobs ADD COLUMN seed_5 INTEGER NOT NULL DEFAULT 0;
UPDATE jobs SET seed_5 = seed;
ALTER TABLE jobs DROP COLUMN seed;
ALTER TABLE jobs RENAME COLUMN seed_5 TO seed;

-- Bytes; NULL: the daemon's own. One that is too small is refused when it is rendered, with the smallest that would do.
ALTER TABLE jobs ADD COLUMN memory_budget_5 INTEGER CHECK (memory_budget_5 >= 0);
UPDATE jobs SET memory_budget_5 = memory_budget;
ALTER TABLE jobs DROP COLUMN memory_budget;
ALTER TABLE jobs RENAME COLUMN memory_budget_5 TO memory_budget;

-- What SDXL is told of the picture's framing, a column a setting; NULL: nothing cut, the size rendered.
ALTER TABLE jobs ADD COLUMN original_size TEXT;  -- '1024x768'
ALTER TABLE jobs ADD COLUMN crop TEXT;           -- '0,64'
ALTER TABLE jobs ADD COLUMN target_size TEXT;    -- '512x512'
UPDATE jobs SET
  original_size = json_extract(framing, '$.original_size'),
  crop = json_extract(framing, '$.crop'),
  target_size = json_extract(framing, '$.target_size')
WHERE framing IS NOT NULL AND json_valid(framing);
ALTER TABLE jobs DROP COLUMN framing;

-- Fingerprints are of all settings by their names now; older ones cannot be compared with them.
UPDATE batches SET fingerprint = NULL;
