enum CheckpointsSkeleton {}
