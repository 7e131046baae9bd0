-- segmoe's queue, schema 3: a job may name a VAE in place of its model's own, say how its prompt is read, and
-- what SDXL is told of the picture's framing.

ALTER TABLE jobs ADD COLUMN vae TEXT;      -- absolute path of a folder or .safetensors file; NULL: the model's own

-- 1: as plain text, nothing read out of it and cut at 77 tokens; 0: with weights, BREAK and any length.
ALTER TABLE jobs ADD COLUMN plain_prompt INTEGER NOT NULL DEFAULT 0 CHECK (plain_prompt IN (0, 1));
-- The text encoder's last layers that are left out.
ALTER TABLE jobs ADD COLUMN clip_skip INTEGER NOT NULL DEFAULT 0 CHECK (clip_skip >= 0);
-- Learned words, JSON: [{"path": …, "token": …}]; without a token the file's own.
ALTER TABLE jobs ADD COLUMN embeddings TEXT NOT NULL DEFAULT '[]';
-- Original size, crop and target size, JSON: {"original_size": "1024x768", "crop": "0,64", "target_size": "512x512"}, any of
-- them left out; NULL: nothing cut, the size rendered.
ALTER TABLE jobs ADD COLUMN framing TEXT;
