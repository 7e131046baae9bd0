-- segmoe's queue, schema 4: a job may say what SDXL is told of the picture's framing.

-- Original size, crop and target size, JSON: {"original_size": "1024x768", "crop": "0,64", "target_size": "512x512"},
-- any of them left out; NULL: nothing cut, the size rendered.
ALTER TABLE jobs ADD COLUMN framing TEXT;
