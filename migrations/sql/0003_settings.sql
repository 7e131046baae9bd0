-- segmoe's queue, schema 3: a job may name a VAE in place of its model's own, and say how its prompt is read;
-- more is told of the memory it took.

ALTER TABLE jobs ADD COLUMN vae TEXT;      -- absolute path of a folder or .safetensors file; NULL: the model's own

-- 1: as plain text, nothing read out of it and cut at 77 tokens; 0: with weights, BREAK and any length.
ALTER TABLE jobs ADD COLUMN plain_prompt INTEGER NOT NULL DEFAULT 0 CHECK (plain_prompt IN (0, 1));
-- The text encoder's last layers that are left out.
ALTER TABLE jobs ADD COLUMN clip_skip INTEGER NOT NULL DEFAULT 0 CHECK (clip_skip >= 0);
-- Learned words, JSON: [{"path": …, "token": …}]; without a token the file's own.
ALTER TABLE jobs ADD COLUMN embeddings TEXT NOT NULL DEFAULT '[]';

-- Parts of models that left memory right after their use, because all that stayed was needed sooner.
ALTER TABLE jobs ADD COLUMN cache_bypasses INTEGER;
