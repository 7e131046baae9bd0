enum DiffusionSkeleton {}
