-- segmoe's queue, schema 8: how the steps' noise levels are chosen; NULL: as before.
ALTER TABLE jobs ADD COLUMN sigmas TEXT;      -- a spacing: karras, exponential, beta, uniform, sgm_uniform, ays
ALTER TABLE jobs ADD COLUMN eta REAL CHECK (eta >= 0 AND eta <= 1);  -- share of noise that is drawn anew
ALTER TABLE jobs ADD COLUMN timesteps TEXT;   -- the timesteps to visit, with commas
ALTER TABLE jobs ADD COLUMN sigma_list TEXT;  -- the noise levels to visit and the last one, with commas
