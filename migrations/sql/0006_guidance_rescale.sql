-- segmoe's queue, schema 6: how far guided noise gets back the spread of unguided noise; 0: as before.
ALTER TABLE jobs ADD COLUMN guidance_rescale REAL NOT NULL DEFAULT 0
  CHECK (guidance_rescale >= 0 AND guidance_rescale <= 1);
